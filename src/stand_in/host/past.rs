//! What lies about from before: the reprocessing monitor's memory and past computations, catalogue captures (SO 16).

use std::path::Path;

use super::contexts::View;
use super::{LayOutError, files};
use crate::stand_in::fleet::spec::Host;

/// Lays out `monitor_reprocessing` and `regress`.
pub fn lay_out(host: &Host, view: &View<'_>) -> Result<(), LayOutError> {
    let monitor = host.tree().join("monitor_reprocessing");
    files::directory(&monitor, 0o755)?;
    files::file(&monitor.join("old_context.txt"), format!("{}\n", view.operational()), 0o644)?;
    let history = view.known.history(view.operational());
    if let [.., (_, old, _), (start, new, _)] = history {
        computation(host, &monitor, old, new, start)?;
        let name = new.trim_end_matches(".pmap");
        for part in ["unaltered", "crds_updated"] {
            files::directory(&host.tree().join("regress").join(name).join(part), 0o755)?;
        }
    }
    Ok(())
}

/// The certify log that the nightly mail shows: the job writes to another file since a slash went missing, so every mail
/// shows this old one (SO 10).
pub fn stale_certify_log(host: &Host, view: &View<'_>) -> Result<(), LayOutError> {
    let at = jiff::civil::date(2014, 8, 28).at(3, 12, 44, 0);
    let cron = host.tree().join("server/logs/cron");
    files::directory(&cron, 0o755)?;
    let path = cron.join(format!("certify.{}.{}.err", host.observatory, host.use_case));
    let context = view.contexts.first().map_or("", String::as_str);
    let rules = super::caches::of(host).join("mappings").join(&host.observatory).join(context);
    let line = |text: String| format!("CRDS  : INFO     [{},310]  {text}\n", at.strftime("%Y-%m-%d %H:%M:%S"));
    let text: String = [
        format!("Certifying '{}' (1/1) as 'MAPPING' relative to context None", rules.display()),
        "0 errors".to_owned(),
        "0 warnings".to_owned(),
        "1 infos".to_owned(),
    ]
    .into_iter()
    .map(line)
    .collect();
    files::file(&path, text, 0o644)?;
    files::dated(&path, at)
}

/// The computation that followed the last switch of contexts: done and clean, with no dataset affected.
fn computation(host: &Host, monitor: &Path, old: &str, new: &str, start: &str) -> Result<(), LayOutError> {
    let serial = |name: &str| name.trim_end_matches(".pmap").rsplit('_').next().unwrap_or("").to_owned();
    let Ok(switched) = start.replacen(' ', "T", 1).parse::<jiff::civil::DateTime>() else { return Ok(()) };
    // The monitor looks every five minutes.
    let minutes = 5 - i64::from(switched.minute() % 5);
    let Ok(at) = switched.checked_add(jiff::Span::new().minutes(minutes)) else { return Ok(()) };
    let tag = at.strftime("%Y-%m-%d-%H:%M:03").to_string();
    let dir = monitor.join(format!("{tag}_{}_{}", serial(old), serial(new)));
    files::directory(&dir, 0o755)?;
    let rule = "-".repeat(110);
    let header = format!("CRDS {} {} datasets affected {old} --> {new} on {tag}", host.observatory, host.use_case);
    let time = at.strftime("%Y-%m-%d %H:%M:41,208").to_string();
    let log = format!(
        "{rule}\n{header}\n{rule}\nCRDS  : INFO     [{time}]  STARTED\nCRDS  : INFO     [{time}]  Affected products = 0\nCRDS  : INFO     [{time}]  Unique error types: 0\nCRDS  : INFO     [{time}]  STOPPED\nCRDS  : INFO     [{time}]  0 errors\nCRDS  : INFO     [{time}]  0 warnings\nCRDS  : INFO     [{time}]  4 infos\n{rule}\nOK: {header} : 0 affected\n{rule}\n"
    );
    let packed =
        |text: &str| files::gzip(text.as_bytes()).map_err(|source| LayOutError::file("compress", &dir, source));
    let contents = [
        ("bestrefs_err.txt.gz", packed(&log)?),
        ("affected_ids.txt.gz", packed("")?),
        ("bestrefs.status", b"0\n".to_vec()),
        ("bestrefs_err_truncated.txt.gz", packed(&log)?),
    ];
    for (name, bytes) in contents {
        let path = dir.join(name);
        files::file(&path, bytes, 0o644)?;
        files::dated(&path, at)?;
    }
    files::dated(&dir, at)
}
