//! Step 460: watch for affected datasets.
//!
//! Procedure: "Watch for affected datasets."
//! Method: wait, bounded, for the server's own computation of each context change since going live; prove that it is
//! whole, that the RPC publishes what lies on disk, that the mail went out, and that the list equals our own computation,
//! each difference explained by a class with a witness.
//! Way back: nothing to take back.

use std::collections::BTreeSet;
use std::time::Duration;

use crds_upgrade::crds::{Door, Server};
use crds_upgrade::plan::Role;
use crds_upgrade::review::counters;
use crds_upgrade::run::{Poll, Step, StepError, StepResult, harness};
use crds_upgrade::steps::S460_AFFECTED_DATASETS;

use crate::common::delivery::serial;
use crate::common::tally::{Advice, Tally, shorten};
use crate::common::{explained, mail, outcome};

/// Looks in a row, five minutes apart, at a monitor that has moved on and computes nothing.
const IDLE: u32 = 3;

/// Longest computation ever seen took 8 hours (SO 16); the monitor looks every five minutes.
const LONGEST: Duration = Duration::from_secs(9 * 3600);

#[test]
fn s460_affected_datasets() -> StepResult {
    harness::step(&S460_AFFECTED_DATASETS, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let mut tally = Tally::default();
        let changes = forward_changes(s, &ops)?;
        if changes.is_empty() {
            return outcome::no_computation(s, &ops);
        }
        for (old, new) in &changes {
            let directory = match wait_for(s, &ops, old, new) {
                Ok(directory) => directory,
                Err(error) => {
                    tally.fault("computed", error.text().to_owned());
                    tally.judge(s, "computed", Role::Ops, COMPUTED)?;
                    return Err(StepError::failed(format!("{old} -> {new} was not computed"), COMPUTED.next));
                }
            };
            tally.proof("computed", directory.clone());
            let (status, ids) = match whole(s, &ops, (old, new), &directory, &mut tally) {
                Ok(found) => found,
                Err(error) => {
                    tally.tried("whole", Err(error));
                    continue;
                }
            };
            let looked = published(&ops, old, new, &directory, &ids, &mut tally);
            tally.tried("published_equals_disk", looked);
            let looked = mailed(s, &ops, &directory, (old, new), (&status, &ids), &mut tally);
            tally.tried("mail", looked);
            let looked = explained::judge_equal(s, &ops, old, new, &ids, &mut tally);
            tally.tried("equal_to_ours", looked);
        }
        let looked = nobody_elses(s, &ops, &mut tally);
        tally.tried("mail", looked);
        let operational = ops.context_in_database("operational")?;
        let known = ops.old_context()?.unwrap_or_default();
        let planned = s.plan().set_context.as_ref().map_or(operational.as_str(), |set| set.context.as_str());
        if planned != operational {
            tally.fault("monitor_advanced", format!("the operational context is {operational}, {planned} was set"));
        }
        tally.hold(
            "monitor_advanced",
            known == operational,
            format!("old_context.txt: `{known}`, operational: {operational}"),
        );
        // What the archive assigns now is captured once, when the context is new; it cannot be made later.
        if ops.context_in_database("operational")? == planned && planned != s.plan().contexts.operational {
            let capture = format!("{}/regress/{}", ops.paths().crds, planned.trim_end_matches(".pmap"));
            let there = ops.remote().there(&[&capture])?;
            let files = if there.is_empty() { Vec::new() } else { ops.remote().list(&capture, None)? };
            let filled =
                files.iter().any(|entry| entry.size > 0 && !entry.path.ends_with('/') && entry.path.contains('/'));
            tally.hold(
                "monitor_advanced",
                filled,
                format!("the capture regress/{planned} has {} entries", files.len()),
            );
        }
        for (check, advice) in [
            ("computed", COMPUTED),
            (
                "whole",
                Advice {
                    cause: "the job was killed, lost the server, or a service it asks; exit 1 hides a crash (SO 16)",
                    next: "write the old context into old_context.txt, so that the monitor computes it again",
                },
            ),
            (
                "published_equals_disk",
                Advice {
                    cause: "an answer read too early is cached for a day (A029)",
                    next: "clear the web cache, ask again",
                },
            ),
            (
                "mail",
                Advice {
                    cause: "the mail was refused, or went to another list",
                    next: "send the list by hand; correct CRDS_AFFECTED_DATASETS_RECIPIENTS",
                },
            ),
            (
                "equal_to_ours",
                Advice {
                    cause: "the server lost datasets, or the rules it used are not those of the context",
                    next: "look at the classes in the evidence; reprocess the missing datasets by hand",
                },
            ),
            (
                "monitor_advanced",
                Advice {
                    cause: "the monitor could not ask the server, or cron does not run",
                    next: "look at monitor_reprocessing.log",
                },
            ),
        ] {
            tally.judge(s, check, Role::Ops, advice)?;
        }
        Ok(())
    })
}

const COMPUTED: Advice = Advice {
    cause: "the monitor lost the change: marker file overwritten before the work, blanked while the server was away, or cron is off",
    next: "write the old context's name into old_context.txt; the monitor computes it at its next run",
};

/// Changes of the operational context since the baseline that go forward; the server computes no others.
fn forward_changes(s: &Step, ops: &Server) -> Result<Vec<(String, String)>, StepError> {
    let Some(before) = s.fact_of("s440_set_context", "before") else { return Ok(Vec::new()) };
    let last = before["history"].as_u64().unwrap_or(0);
    let mut old = before["operational"].as_str().unwrap_or_default().to_owned();
    let mut changes = Vec::new();
    for row in ops.history()?.into_iter().filter(|row| row.id > last && row.state == "operational") {
        if row.context > old {
            changes.push((old, row.context.clone()));
        }
        old = row.context;
    }
    Ok(changes)
}

/// Waits for the directory of a finished computation; returns its name.
fn wait_for(s: &Step, ops: &Server, old: &str, new: &str) -> Result<String, StepError> {
    let suffix = format!("_{}_{}", serial(old), serial(new));
    let what = format!("the server's computation of {old} -> {new}");
    let mut idle = 0;
    s.wait(&what, LONGEST, Duration::from_secs(300), || {
        let found =
            ops.computations()?.into_iter().map(|entry| entry.path).filter(|name| name.ends_with(&suffix)).max();
        let Some(name) = found else {
            let marker = ops.old_context()?.unwrap_or_default();
            // The monitor has moved on, and nothing computes: nothing will come of waiting.
            let busy = ops.processes()?.iter().any(|process| {
                process.args.contains("affected_datasets") || process.args.contains("monitor_reprocessing")
            });
            idle = if marker == new && !busy { idle + 1 } else { 0 };
            if idle == IDLE {
                return Err(StepError::failed(
                    format!(
                        "{old} -> {new}: old_context.txt holds {marker}, no directory *{suffix}, and nothing computes"
                    ),
                    COMPUTED.next,
                ));
            }
            return Ok(Poll::NotYet(format!("no directory *{suffix}; old_context.txt holds `{marker}`")));
        };
        let path = format!("{}/{name}", ops.paths().monitor);
        let status = ops.remote().read_if_there(&format!("{path}/bestrefs.status"), 64)?;
        let done = ops.remote().stat(&format!("{path}/bestrefs_err_truncated.txt.gz"))?.is_some();
        Ok(match (status, done) {
            (Some(_), true) => Poll::Ready(name),
            (Some(_), false) => Poll::NotYet(format!("{name}: bestrefs ended, its logs are not packed yet")),
            (None, _) => Poll::NotYet(format!("{name}: bestrefs runs")),
        })
    })
}

/// Reads a computation from disk and proves it whole; returns its ids.
fn whole(
    s: &Step,
    ops: &Server,
    (old, new): (&str, &str),
    directory: &str,
    tally: &mut Tally,
) -> Result<(String, BTreeSet<String>), StepError> {
    let path = format!("{}/{directory}", ops.paths().monitor);
    let status = ops.remote().read_if_there(&format!("{path}/bestrefs.status"), 64)?.unwrap_or_default();
    let status = String::from_utf8_lossy(&status).trim().to_owned();
    tally.hold("whole", status == "0" || status == "1", format!("status `{status}`"));
    let log = unzip(&ops.remote().read_file(&format!("{path}/bestrefs_err.txt.gz"), 256 << 20)?)?;
    let ids = unzip(&ops.remote().read_file(&format!("{path}/affected_ids.txt.gz"), 256 << 20)?)?;
    tally.evidence("whole", &s.evidence(&format!("log of {directory}"), &log)?);
    tally.evidence("equal_to_ours", &s.evidence(&format!("ids of {directory}"), &ids)?);
    let text = crds_upgrade::review::text(&log);
    if text.contains("Traceback (most recent call last)") {
        tally.fault("whole", "its log holds a traceback");
    }
    if !text.contains(&format!("{old} --> {new}")) {
        tally.fault("whole", format!("its log does not say that it computed {old} --> {new}"));
    }
    // The log begins with who computes: another server's list is another list.
    let who = format!("CRDS {} {} datasets affected", ops.observatory(), ops.expected().use_case);
    for line in text.lines().filter(|line| line.contains(" datasets affected ") && !line.contains(&who)) {
        tally.fault("whole", format!("its log is not of {}: `{}`", ops.role(), line.trim()));
    }
    let shown = unzip(&ops.remote().read_file(&format!("{path}/bestrefs_err_truncated.txt.gz"), 256 << 20)?)?;
    let shown = crds_upgrade::review::text(&shown);
    let of_log: BTreeSet<&str> = text.lines().map(str::trim).collect();
    let strange = shown.lines().map(str::trim).filter(|line| is_message(line) && !of_log.contains(line)).count();
    tally.hold("whole", strange == 0, format!("{strange} lines of the mailed log are not in the whole one"));
    let suffix = format!("_{}_{}", serial(old), serial(new));
    let twice = ops.computations()?.into_iter().filter(|entry| entry.path.ends_with(&suffix)).count();
    tally.hold("whole", twice == 1, format!("{twice} computations of {old} -> {new}"));
    if !text.lines().any(|line| line.contains("STOPPED")) {
        tally.fault("whole", "its log has no STOPPED line");
    }
    let tool_log: String = text.lines().filter(|line| line.contains("CRDS")).map(|line| format!("{line}\n")).collect();
    match counters(&tool_log) {
        None => tally.fault("whole", "its log does not end with the three counters"),
        Some(counters) => {
            let fits = (status == "0") == (counters.errors == 0);
            tally.hold("whole", fits, format!("status `{status}` and {} errors logged", counters.errors))
        }
    }
    let text_of_ids = String::from_utf8_lossy(&ids).into_owned();
    if text_of_ids.contains('\r') {
        tally.fault("whole", "the list of ids has carriage returns: the pipeline would look for ids that end in one");
    }
    let mut ids = BTreeSet::new();
    for line in text_of_ids.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if !ids.insert(line.to_owned()) {
            tally.fault("whole", format!("{line} is listed twice"));
        }
    }
    let logged = text.lines().filter_map(|line| line.rsplit_once("Affected products = ")).next_back();
    match logged.and_then(|(_, count)| count.trim().parse::<usize>().ok()) {
        None => tally.fault("whole", "its log does not say how many products are affected"),
        Some(count) => tally.hold("whole", count == ids.len(), format!("{} ids listed, {count} logged", ids.len())),
    }
    // The mail's subject is made of the line that says when and with how many it ended.
    let ended = text.lines().filter_map(|line| line.trim_end().strip_suffix(" affected")?.rsplit_once(": "));
    for count in ended.filter_map(|(_, count)| count.trim().parse::<usize>().ok()) {
        tally.hold(
            "whole",
            count == ids.len(),
            format!("{} ids listed, its log ends with {count} affected", ids.len()),
        );
    }
    Ok((status, ids))
}

/// Whether a line of a log is a message and not one that the shortening puts in between.
fn is_message(line: &str) -> bool {
    line.starts_with("CRDS") || line.starts_with("ERROR")
}

fn unzip(bytes: &[u8]) -> Result<Vec<u8>, StepError> {
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(flate2::read::GzDecoder::new(bytes), 1 << 30), &mut plain)?;
    Ok(plain)
}

fn published(
    ops: &Server,
    old: &str,
    new: &str,
    directory: &str,
    ids: &BTreeSet<String>,
    tally: &mut Tally,
) -> Result<(), StepError> {
    let check = "published_equals_disk";
    match ops.rpc(Door::Direct)?.affected_datasets(&ops.observatory().to_string(), old, new)? {
        None => tally.fault(check, format!("the RPC has no results for {old} -> {new}, the disk has {directory}")),
        Some(seen) => {
            let listed: BTreeSet<String> = seen.ids.iter().filter(|id| !id.is_empty()).cloned().collect();
            if seen.directory != directory {
                tally.fault(check, format!("the RPC publishes {}, the newest on disk is {directory}", seen.directory));
            }
            tally.hold(check, listed == *ids, format!("{} ids by RPC, {} on disk", listed.len(), ids.len()));
        }
    }
    Ok(())
}

fn mailed(
    s: &Step,
    ops: &Server,
    directory: &str,
    (old, new): (&str, &str),
    (status, ids): (&str, &BTreeSet<String>),
    tally: &mut Tally,
) -> Result<(), StepError> {
    let count = ids.len();
    let Some(mails) = mail::all(s, ops)? else {
        tally.fault("mail", "the site names no mailbox to look into");
        return Ok(());
    };
    let about: Vec<_> = mails.iter().filter(|mail| mail.subject.contains(&format!("{old} --> {new}"))).collect();
    let right = about.iter().filter(|mail| mail.subject.contains(&format!(": {count} affected"))).count();
    let subjects: Vec<String> = about.iter().map(|mail| mail.subject.clone()).collect();
    tally.hold("mail", about.len() == 1 && right == 1, format!("{} mails: {}", about.len(), shorten(&subjects)));
    let wanted = recipients(ops)?;
    // `0` and `1` are the only statuses of a computation that ended (SO 16).
    let disposition = if status == "0" { "OK:" } else { "ERRORS:" };
    for mail in about {
        let fits = mail.subject.trim_start().starts_with(disposition);
        tally.hold("mail", fits, format!("status `{status}` is told as `{}`", mail.subject));
        // A computation's directory is named by its moment and its contexts.
        let moment = directory.split('_').next().unwrap_or_default();
        if !mail.subject.contains(moment) {
            tally.fault("mail", format!("`{}` is not of the computation of {moment}", mail.subject));
        }
        let attached = ["affected_ids.txt.gz", "bestrefs_err_truncated"].iter().all(|name| mail.body.contains(name));
        tally.hold("mail", attached, "the list of ids and the shortened log are attached".to_owned());
        // The pipeline takes the ids from the mail, not from the disk.
        let sent = mail.attachment("affected_ids.txt.gz").map(|bytes| unzip(&bytes)).transpose();
        let sent: Option<BTreeSet<String>> = sent.ok().flatten().map(|text| {
            let lines = String::from_utf8_lossy(&text).into_owned();
            lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
        });
        let said = sent.as_ref().map_or("no list that can be read".to_owned(), |sent| format!("{} ids", sent.len()));
        tally.hold("mail", sent.as_ref() == Some(ids), format!("attached: {said}, {count} on disk"));
        let seen: BTreeSet<&str> = mail.to.iter().map(String::as_str).collect();
        let meant: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
        let text = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(" ");
        let said = format!("sent to {}, the release says {}", text(&seen), text(&meant));
        tally.hold("mail", seen == meant && !meant.is_empty(), said);
    }
    Ok(())
}

/// No other server has told those who reprocess for this one.
fn nobody_elses(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let before = s.need_fact("s370_go_live", "mails")?.as_u64().unwrap_or(0);
    let ours = format!("CRDS {} {} datasets affected", ops.observatory(), ops.expected().use_case);
    let mails = mail::all(s, ops)?.unwrap_or_default();
    let new = mails.iter().skip(usize::try_from(before).unwrap_or(usize::MAX));
    let strange: Vec<_> =
        new.filter(|mail| mail.subject.contains("datasets affected") && !mail.subject.contains(&ours)).collect();
    if strange.is_empty() {
        return Ok(());
    }
    let told = recipients(ops)?;
    for mail in strange.iter().filter(|mail| mail.to.iter().any(|to| told.contains(to))) {
        tally.fault("mail", format!("`{}` of another server went to {}", mail.subject, mail.to.join(" ")));
    }
    Ok(())
}

/// Who is to be told, as the release that was approved says for this host: the account's own copy may say otherwise.
fn recipients(ops: &Server) -> Result<Vec<String>, StepError> {
    let of_release = format!("{}/host/dot_setenv", ops.paths().server_sources);
    let there = ops.remote().stat(&of_release)?.is_some();
    let rc = if there { &of_release } else { &ops.paths().setenv };
    let (_, variables) = ops.login_as(&ops.expected().uname, rc)?;
    let named = variables.into_iter().find(|(name, _)| name == "CRDS_AFFECTED_DATASETS_RECIPIENTS");
    Ok(named.map_or_else(Vec::new, |(_, value)| value.split_whitespace().map(str::to_owned).collect()))
}
