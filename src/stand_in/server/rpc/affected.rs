//! `get_affected_datasets`: what the host's job computed, as it lies on disk (WP 1.11, SO 16).

use std::{fs, io::Read, path::Path};

use serde_json::json;

use super::{
    super::{Era, python::repr},
    Answer, Outcome, Rpc, RpcError,
    info::shell_match,
    json::Json,
};

/// Most lines of a summary that are shown.
const MAX_LINES: usize = 1000;

impl Rpc<'_> {
    pub(super) fn get_affected_datasets(&self, observatory: &Json, old: &Json, new: &Json) -> Outcome {
        if self.server.faulty("cache_not_ready") {
            return self.pinned(observatory, old, new);
        }
        self.cached("get_affected_datasets", &[observatory, old, new], || self.affected_now(observatory, old, new))
    }

    /// As some releases did: the error of a question that came too early is kept like an answer.
    fn pinned(&self, observatory: &Json, old: &Json, new: &Json) -> Outcome {
        let kept = self.cached("get_affected_datasets pinned", &[observatory, old, new], || {
            Ok(json!(match self.affected_now(observatory, old, new) {
                Ok(answer) => [true.to_string(), answer.0],
                Err(err) => [false.to_string(), err.text],
            })
            .into())
        })?;
        match serde_json::from_str::<[String; 2]>(&kept.0) {
            Ok([good, answer]) if good == "true" => Ok(Answer(answer)),
            Ok([_, text]) => Err(RpcError::other(text)),
            Err(err) => Err(RpcError::other(err.to_string())),
        }
    }

    fn affected_now(&self, observatory: &Json, old: &Json, new: &Json) -> Outcome {
        self.observatory(observatory)?;
        for context in [old, new] {
            if *context != Json::Null {
                self.context(context)?;
            }
        }
        let old_serial = serial(old, "*[0-9]")?;
        let new_serial = serial(new, "[0-9]*")?;
        self.computed(&format!("*{old_serial}_{new_serial}"), old, new)
    }

    fn computed(&self, glob: &str, old: &Json, new: &Json) -> Outcome {
        let not_ready = || {
            let shown = |context: &Json| match context {
                Json::Str(text) => repr(text),
                other => other.repr(),
            };
            RpcError::other(format!(
                "No precomputed affected datasets results exist for old_context={} and new_context={}",
                shown(old),
                shown(new)
            ))
        };
        let root = &self.server.config.dirs.monitor_reprocessing;
        if self.server.faulty("affected_not_ready") {
            return Err(not_ready());
        }
        let newest = fs::read_dir(root)
            .map(|entries| entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect::<Vec<_>>())
            .unwrap_or_default()
            .into_iter()
            .filter(|name| shell_match(glob, name))
            .max()
            .ok_or_else(not_ready)?;
        let dir = root.join(&newest);
        // 2019 reads the log first and stumbles over its own handler when there is none, even where the status is
        // missing too.
        let summary = match lines(&dir, "bestrefs_err_truncated.txt").or_else(|| lines(&dir, "bestrefs_err.txt")) {
            Some(found) => Ok(summary(&found)),
            None if self.era() == Era::Y2014 => {
                Ok(format!("FAILED: File not found: '{}'", dir.join("bestrefs_err.txt").display()))
            }
            None => Err(RpcError::other("local variable 'exc2' referenced before assignment")),
        }?;
        let status: i64 = lines(&dir, "bestrefs.status")
            .and_then(|found| found.join("\n").trim().parse().ok())
            .ok_or_else(not_ready)?;
        let ids = match lines(&dir, "affected_ids.txt") {
            Some(ids) => json!(ids),
            None => json!(format!("FAILED: File not found: '{}'", dir.join("affected_ids.txt").display())),
        };
        let mut numbers = newest.rsplit('_');
        let (new_number, old_number) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
        let obs = self.obs();
        Ok(Answer::from(json!({
            "computation_dir": newest,
            "observatory": obs,
            "affected_ids": ids,
            "bestrefs_status": status,
            "old_context": format!("{obs}_{old_number}.pmap"),
            "new_context": format!("{obs}_{new_number}.pmap"),
            "bestrefs_err_summary": summary,
        })))
    }
}

/// The serial number of a context as asked, or the pattern for any.
fn serial(context: &Json, any: &str) -> Result<String, RpcError> {
    let Json::Str(name) = context else { return Ok(any.to_owned()) };
    let Some(stem) = name.strip_suffix(".pmap") else {
        return Err(RpcError::other("context must be a .pmap"));
    };
    Ok(stem.rsplit('_').next().unwrap_or(stem).to_owned())
}

/// Lines of a file or of its `.gz`; empty ones kept.
fn lines(dir: &Path, name: &str) -> Option<Vec<String>> {
    let bytes = match fs::read(dir.join(name)) {
        Ok(bytes) => bytes,
        Err(_) => {
            let packed = fs::File::open(dir.join(format!("{name}.gz"))).ok()?;
            let mut bytes = Vec::new();
            flate2::read::MultiGzDecoder::new(packed).take(1 << 30).read_to_end(&mut bytes).ok()?;
            bytes
        }
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Some(text.lines().map(str::to_owned).collect())
}

/// At most a thousand lines, the middle cut out.
fn summary(found: &[String]) -> String {
    if found.len() <= MAX_LINES {
        return found.join("\n");
    }
    let half = MAX_LINES / 2;
    let first = found.iter().take(half);
    let last = found.iter().skip(found.len() - half);
    let dots = String::from("...");
    first.chain(std::iter::once(&dots)).chain(last).map(String::as_str).collect::<Vec<_>>().join("\n")
}
