//! Step 470: check the server logs.
//!
//! Procedure: "Check the server logs for nominal output."
//! Method: every log of the server and of its cron jobs since going live, each line classified by the catalogue of
//! shapes; nothing abnormal, nothing new, no silence, no flood, no log lost under the server.
//! Way back: nothing to take back.

use std::collections::BTreeMap;

use crds_upgrade::crds::Server;
use crds_upgrade::plan::{Era, Role, SubmissionKind};
use crds_upgrade::review::logs::{LogFile, Pace, Review};
use crds_upgrade::review::{self, Judgement, Outcome, error_words};
use crds_upgrade::run::{Step, StepError, StepResult, harness};
use crds_upgrade::steps::S470_REVIEW_LOGS;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::common::mail;
use crate::common::tally::{Advice, Tally};
use crate::s370_go_live::WATCHERS;

/// The five-minute cron jobs ask the server all day: a healthy server is never silent for an hour. Submissions and the
/// caches' refreshes make some hundred lines a minute, not thousands.
const PACE: Pace = Pace { silence_s: 3600, per_minute: 3000 };

#[test]
fn s470_review_logs() -> StepResult {
    harness::step(&S470_REVIEW_LOGS, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let mut tally = Tally::default();
        let looked = gather(s, &ops, &mut tally);
        tally.or_faults(s, Role::Ops, |_| BROKE, looked)?;
        for (check, advice) in [
            (
                "nothing_abnormal",
                Advice {
                    cause: "something failed although its page or script did not say so",
                    next: "read the line in the evidence with its neighbours; decide whether it touches this upgrade",
                },
            ),
            (
                "nothing_new",
                Advice {
                    cause: "the new release writes messages that nobody has classified, or something unforeseen happened",
                    next: "look at each line; add harmless shapes to the catalogue with their source",
                },
            ),
            (
                "no_silence_no_flood",
                Advice {
                    cause: "the server hangs or nobody reaches it (silence), or something loops (flood)",
                    next: "ask the server by hand, look at the proxy and at the cron jobs",
                },
            ),
            (
                "requests_answered",
                Advice {
                    cause: "a page or service of the new release fails",
                    next: "look at the error log of the same second",
                },
            ),
            (
                "started_as_planned",
                Advice {
                    cause: "the server was started with another stack or by something else",
                    next: "look at who started it (reboot, rerun) and with which environment",
                },
            ),
            (
                "cron_logs",
                Advice {
                    cause: "a job fails in the new environment, or did not run",
                    next: "run the job by hand from a clean login",
                },
            ),
            (
                "logs_not_lost",
                Advice {
                    cause: "logs were rotated or removed while the server writes them",
                    next: "find the rotation; the lost lines cannot be reviewed",
                },
            ),
        ] {
            tally.judge(s, check, Role::Ops, advice)?;
        }
        Ok(())
    })
}

const BROKE: Advice = Advice {
    cause: "a log cannot be read, or was taken away while it was read",
    next: "look at the log directory; lines that are lost cannot be reviewed; run the same command again",
};

/// Reads and classifies every log since going live.
fn gather(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let (from, to) = window(s, ops)?;
    let zone = TimeZone::get(&s.site().time_zone)?;
    let sizes = s.need_fact("s370_go_live", "logs")?;
    let before: BTreeMap<String, (u64, String)> = serde_json::from_value(sizes)?;
    logs_kept(ops, &before, tally)?;
    let (mut requests, mut posts) = (0, BTreeMap::new());
    for entry in ops.logs()?.into_iter().filter(|entry| !entry.path.contains("cron/")) {
        let name = entry.path.rsplit('/').next().unwrap_or(&entry.path);
        if name == "core" || name.starts_with("core.") {
            tally.fault("nothing_abnormal", format!("{} is what a crashed process left", entry.path));
        }
        let Some(file) = kind(&entry.path) else { continue };
        // A log that was lost is read from its beginning.
        let known = before.get(&entry.path).map_or(0, |(size, _)| *size);
        let start = if known <= entry.size { known } else { 0 };
        let path = format!("{}/{}", ops.paths().logs, entry.path);
        let window = ops.log_since(&path, start, 256 << 20)?;
        let kept = s.evidence(&format!("{} since going live", entry.path), &window.bytes)?;
        let review = Review::of(file, &review::text(&window.bytes));
        for check in ["nothing_abnormal", "nothing_new"] {
            tally.evidence(check, &kept);
        }
        if file == LogFile::Access {
            requests += review.lines.len();
            for path in
                review.lines.iter().filter_map(|line| line.text.split_once("\"POST ")?.1.split([' ', '?']).next())
            {
                *posts.entry(path.to_owned()).or_default() += 1;
            }
            add(tally, "requests_answered", &entry.path, &review.judge_normal());
        } else {
            add(tally, "nothing_abnormal", &entry.path, &review.judge_normal());
        }
        add(tally, "nothing_new", &entry.path, &review.judge_known());
        if entry.path == "ssl_access_log" {
            add(tally, "no_silence_no_flood", &entry.path, &review.judge_pace(from, to, PACE));
        }
        started(s, &review, &entry.path, tally);
        if let Some(line) = review.backwards(60).filter(|_| file == LogFile::Errors) {
            let (path, number) = (&entry.path, line.number);
            tally.fault("nothing_abnormal", format!("{path} line {number}: its time lies before the lines above it"));
        }
        if let Some(line) = review.elsewhere(&zone) {
            let (path, number) = (&entry.path, line.number);
            tally.fault("nothing_abnormal", format!("{path} line {number}: its time is not of {}", s.site().time_zone));
        }
        let ahead = to.saturating_add(jiff::Span::new().minutes(5));
        if let Some(line) = review.lines.iter().find(|line| line.time.is_some_and(|time| time > ahead)) {
            tally.fault("nothing_abnormal", format!("{} line {} is of the future", entry.path, line.number));
        }
    }
    acts_logged(s, ops, &posts, tally);
    if requests == 0 {
        tally.fault("no_silence_no_flood", "no request at all since going live");
    }
    cron_mails(s, ops, tally)?;
    cron_logs(s, ops, tally)
}

/// What the plan did through the web site stands in the log of requests: lines that are missing there, or a log that is not
/// this server's.
fn acts_logged(s: &Step, ops: &Server, posts: &BTreeMap<String, usize>, tally: &mut Tally) {
    let plan = s.plan();
    let of = |kind: SubmissionKind| plan.submissions.iter().filter(|one| one.kind == kind).count();
    let deletions = usize::from(plan.deletion.is_some());
    // A deletion of 2014 is carried out without a confirmation (WP 3.6).
    let confirmed = plan.submissions.len() + if ops.era() == Era::Y2014 { 0 } else { deletions };
    for (path, least) in [
        ("/submit/mapping/", of(SubmissionKind::Mapping)),
        ("/batch_submit_references/", of(SubmissionKind::References)),
        ("/delete/reference/", deletions),
        ("/submit_confirm/", confirmed),
        ("/set_default_context/", usize::from(plan.set_context.is_some())),
    ] {
        let seen = posts.get(path).copied().unwrap_or(0);
        if seen < least {
            tally.fault("logs_not_lost", format!("{seen} requests of {path} in the access log, {least} were made"));
        }
    }
}

/// Jobs write into logs of their own: what cron mails of one since going live is what its line itself could not do.
fn cron_mails(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let known = s.need_fact("s370_go_live", "mails")?.as_u64().unwrap_or(0);
    let (cron, ours) = ("Cron <", format!("@{}>", ops.expected().uname));
    for mail in mail::all(s, ops)?.unwrap_or_default().iter().skip(usize::try_from(known).unwrap_or(usize::MAX)) {
        if mail.subject.starts_with(cron) && mail.subject.contains(&ours) && !mail.subject.contains("nightly.crds.job")
        {
            let said = mail.body.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            tally.fault("nothing_abnormal", format!("a mail of cron: `{}` said `{}`", mail.subject, said.trim()));
        }
    }
    Ok(())
}

/// The window in the server's local time: from going live until now.
fn window(s: &Step, ops: &Server) -> Result<(DateTime, DateTime), StepError> {
    let zone = TimeZone::get(&s.site().time_zone)?;
    let local = |seconds: f64| -> Result<DateTime, StepError> {
        Ok(Timestamp::from_millisecond((seconds * 1000.0) as i64)?.to_zoned(zone.clone()).datetime())
    };
    let live = s.need_fact("s370_go_live", "live_at")?.as_f64().unwrap_or(0.0);
    Ok((local(live)?, local(ops.now()?)?))
}

fn kind(path: &str) -> Option<LogFile> {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name {
        "error_log" | "ssl_error_log" => Some(LogFile::Errors),
        "access_log" | "ssl_access_log" => Some(LogFile::Access),
        "ssl_request_log" | "xfor_request_log" => Some(LogFile::Requests),
        "memcached.log" => Some(LogFile::Memcached),
        _ => None,
    }
}

fn add(tally: &mut Tally, check: &'static str, path: &str, judged: &Judgement) {
    tally.hold(check, judged.outcome == Outcome::Passed, format!("{path}: {}", judged.observed));
}

/// Every log that was there when the server went live still begins with what it held then.
fn logs_kept(ops: &Server, before: &BTreeMap<String, (u64, String)>, tally: &mut Tally) -> Result<(), StepError> {
    let check = "logs_not_lost";
    let now: BTreeMap<String, u64> = ops.logs()?.into_iter().map(|entry| (entry.path, entry.size)).collect();
    for (path, (size, mark)) in before {
        match now.get(path) {
            None => tally.fault(check, format!("{path} is gone")),
            Some(less) if less < size => tally.fault(check, format!("{path} shrank to {less} bytes from {size}")),
            Some(_) if ops.log_mark(&format!("{}/{path}", ops.paths().logs), *size)? != *mark => {
                tally.fault(check, format!("{path} is another file now: it does not begin as it did at going live"));
            }
            Some(_) => {}
        }
    }
    tally.proof(check, format!("{} logs followed", before.len()));
    Ok(())
}

/// Each start since going live names what the planned stack contains.
fn started(s: &Step, review: &Review, path: &str, tally: &mut Tally) {
    let planned =
        s.fact_of("s360_reinstall_on_new_stack", "configured").and_then(|text| text.as_str().map(str::to_owned));
    for line in review.starts() {
        let right = planned.as_ref().is_none_or(|planned| line.text.contains(planned.as_str()));
        tally.hold("started_as_planned", right, format!("{path} line {}: {}", line.number, line.text));
    }
    // Its going live was the last start that the plan knows.
    let starts = review.starts().len();
    tally.hold("started_as_planned", starts == 0, format!("{path}: {starts} starts since going live"));
}

/// The logs of the cron jobs, each of which shows only its latest run.
fn cron_logs(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let live = s.need_fact("s370_go_live", "live_at")?.as_f64().unwrap_or(0.0);
    let mut seen = 0;
    for entry in ops.logs()?.into_iter().filter(|entry| entry.path.contains("cron/") && entry.mtime >= live) {
        let path = format!("{}/{}", ops.paths().logs, entry.path);
        let bytes = ops.remote().read_tail(&path, 1 << 20)?;
        let bad = error_words(&review::text(&bytes));
        seen += 1;
        if !bad.is_empty() {
            let kept = s.evidence(&entry.path, &bytes)?;
            tally.evidence("cron_logs", &kept);
            tally.fault("cron_logs", format!("{}: {}", entry.path, bad.join("; ")));
        }
    }
    tally.hold("cron_logs", seen > 0, format!("{seen} logs of cron jobs written since going live"));
    frequent(ops, tally)
}

/// The jobs that run every few minutes: each ran lately, and says that it did its work on this server.
fn frequent(ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let now = ops.now()?;
    for (name, every_s) in WATCHERS {
        let path = format!("{}/{name}", ops.paths().cron_logs);
        let Some(entry) = ops.remote().stat(&path)? else {
            tally.fault("cron_logs", format!("{name} is not there"));
            continue;
        };
        #[expect(clippy::cast_precision_loss, reason = "a few minutes")]
        let late = now - entry.mtime > 3.0 * every_s as f64;
        if late {
            tally.fault("cron_logs", format!("{name} was last written {:.0} min ago", (now - entry.mtime) / 60.0));
        }
        let text = review::text(&ops.remote().read_tail(&path, 1 << 20)?);
        for word in ["Skipping sync", "Initializing context monitor"] {
            if let Some(line) = text.lines().find(|line| line.contains(word)) {
                tally.fault("cron_logs", format!("{name}: {}", line.trim()));
            }
        }
    }
    Ok(())
}
