//! Reviewing last night's nightly job of one host (SO 10): what s110 and s120 share.

use std::collections::BTreeSet;

use crds_upgrade::crds::Server;
use crds_upgrade::host::EntryKind;
use crds_upgrade::plan::{PackageTarget, Role};
use crds_upgrade::review::{self, CheckTool, Night, Outcome, error_words, orphan_lines, svn_facts};
use crds_upgrade::run::{Step, StepError};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::mail;
use super::tally::{Advice, Tally, shorten};

/// The nightly is started at 03:05 by the server's clock (SO 9).
const AT: (i8, i8) = (3, 5);

/// The nightly of one host, found.
pub struct LastNight {
    /// Its mail, taken apart.
    pub night: Night,
    /// When the job was started, in the server's local time.
    pub began: DateTime,
    /// When its mail was sent.
    pub ended: DateTime,
}

/// What a host's checkouts must be.
pub struct Checkouts<'a> {
    /// The client package.
    pub crds: &'a PackageTarget,
    /// The server package.
    pub crds_server: &'a PackageTarget,
}

/// The host's local time now.
pub fn local_now(s: &Step, server: &Server) -> Result<DateTime, StepError> {
    let zone = TimeZone::get(&s.site().time_zone)?;
    Ok(Timestamp::from_second(server.now()? as i64)?.to_zoned(zone).datetime())
}

fn local(s: &Step, seconds: f64) -> Result<DateTime, StepError> {
    let zone = TimeZone::get(&s.site().time_zone)?;
    Ok(Timestamp::from_second(seconds as i64)?.to_zoned(zone).datetime())
}

/// Finds last night's mail of a host; judges that there is exactly one, of the right hour.
pub fn find(s: &Step, server: &Server, tally: &mut Tally) -> Result<Option<LastNight>, StepError> {
    let check = "night_ran";
    let Some(mails) = mail::all(s, server)? else {
        tally.fault(check, "the site names no mailbox with the nightly mails");
        return Ok(None);
    };
    let now = local_now(s, server)?;
    let today = if (now.hour(), now.minute()) < AT { now.date().yesterday()? } else { now.date() };
    let began = today.at(AT.0, AT.1, 0, 0);
    let latest = began.saturating_add(jiff::Span::new().hours(i64::from(s.plan().thresholds.backup_within_h) + 9));
    let ours = format!("@{}", server.expected().uname);
    let nightly =
        mails.into_iter().filter(|mail| mail.subject.contains("nightly.crds.job") && mail.subject.contains(&ours));
    let mut found = Vec::new();
    for mail in nightly {
        let sent = jiff::fmt::rfc2822::parse(&mail.date).ok().map(|sent| sent.datetime());
        if sent.is_some_and(|sent| sent >= began && sent <= latest) {
            found.push((mail, sent.unwrap_or(began)));
        }
    }
    if found.len() != 1 {
        tally.fault(check, format!("{} nightly mails of {} since {began}", found.len(), server.name()));
    }
    let Some((mail, ended)) = found.pop() else { return Ok(None) };
    let table = server.release_crontab()?;
    let named = table
        .lines()
        .rev()
        .find_map(|line| line.trim().strip_prefix("MAILTO"))
        .map(|rest| rest.trim_start().trim_start_matches('=').trim().trim_matches(['"', '\'']).to_owned());
    if let Some(named) = named.filter(|named| !mail.to.iter().any(|to| named.contains(to.as_str()))) {
        tally
            .fault(check, format!("the nightly mail went to {}, the release's table says {named}", mail.to.join(", ")));
    }
    let kept = s.evidence(&format!("nightly mail of {}", server.role()), mail.body.as_bytes())?;
    for check in [check, "night_whole", "checkouts", "reinstall", "backup_section", "cache_checks", "orphans", "disks"]
    {
        tally.evidence(check, &kept);
    }
    tally.proof(check, format!("sent {ended}"));
    Ok(Some(LastNight { night: Night::parse(&mail.body), began, ended }))
}

/// Whether the sections are whole and in order for such a host.
pub fn whole(last: &LastNight, role: review::Role, tally: &mut Tally) {
    let judged = last.night.judge_whole(role);
    tally.hold("night_whole", judged.outcome == Outcome::Passed, judged.observed);
}

/// What no other check reads: sections that are silent when they work, and the other logs behind the mail (SO 10).
pub fn rest(
    s: &Step,
    server: &Server,
    last: &LastNight,
    role: review::Role,
    tally: &mut Tally,
) -> Result<(), StepError> {
    sections(&last.night, tally);
    contexts(server, last, tally)?;
    for name in other_logs(role) {
        fresh(s, server, &log_of(server, name), last, "night_whole", tally)?;
    }
    logs(s, server, role, tally)
}

/// The sections that no tool of CRDS closes with its counters.
pub fn sections(night: &Night, tally: &mut Tally) {
    const SILENT: [&str; 2] = ["Updating crontab", "Clearing session table"];
    const READ: [&str; 5] =
        ["CRDS config", "Disk Quotas", "Stack Build", "Server re-install and re-start", "Clearing expired locks"];
    let check = "night_whole";
    let text = |title: &str| night.section(title).map_or("", |section| section.text.as_str());
    for title in SILENT {
        if let Some(line) = text(title).trim().lines().next() {
            tally.fault(check, format!("`{title}` says nothing when it works, last night it said `{line}`"));
        }
    }
    // Others' file systems, such as the published cache's, may well be so.
    let own = ["/crds/", "/ifs/"];
    for line in text("Disk Quotas").lines().filter(|line| line.contains(" type ") && line.contains("(ro")) {
        if own.iter().any(|place| line.contains(place)) {
            tally.fault(check, format!("mounted read-only: `{}`", line.trim()));
        }
    }
    if text("Server self-test").contains("Testing on live server") {
        tally.fault(check, "the self-test says that it ran on the live server");
    }
    for title in READ {
        for bad in bad_lines(text(title)) {
            tally.fault(check, format!("`{title}`, {bad}"));
        }
    }
}

/// What the server said of itself at the beginning of the night: it answered, with the context it had then.
pub fn contexts(server: &Server, last: &LastNight, tally: &mut Tally) -> Result<(), StepError> {
    let check = "night_whole";
    let text = last.night.section("CRDS config").map_or("", |section| section.text.as_str());
    let value = |key: &str| {
        let mut lines = text.lines().filter_map(|line| line.trim().strip_prefix(key)?.trim_start().strip_prefix('='));
        lines.next().map(|value| value.trim().trim_matches('\'').to_owned())
    };
    if value("connected").as_deref() == Some("False") {
        tally.fault(check, "`CRDS config`: the server did not answer in the night");
    }
    let began = last.began.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let history = server.history()?;
    let then = history.iter().rfind(|row| {
        row.state == "operational" && row.start_date.get(..19).is_some_and(|start| start <= began.as_str())
    });
    for line in other_nights(&last.night, last.began.date()..=last.ended.date()) {
        tally.fault(check, format!("the mail of {} tells of another night: `{line}`", last.ended.date()));
    }
    if let (Some(seen), Some(then)) = (value("operational_context"), then)
        && seen != then.context
    {
        tally.fault(
            check,
            format!("`CRDS config` names {seen} as operational context, the history {} then", then.context),
        );
    }
    Ok(())
}

/// Lines of a night that name another day: the dump that it made, and what its sync said. Certify's tail may be an old one,
/// because certify writes beside what is tailed (SO 10).
fn other_nights(night: &Night, days: std::ops::RangeInclusive<jiff::civil::Date>) -> Vec<String> {
    let day = |text: &str| text.get(..10).and_then(|day| day.parse::<jiff::civil::Date>().ok());
    let text = |title: &str| night.section(title).map_or("", |section| section.text.as_str());
    let dumps = text("Backing up server").lines().filter(|line| line.contains("tempfile created:"));
    let dumped = dumps.map(|line| (line, line.match_indices("-2").find_map(|(at, _)| day(&line[at + 1..]))));
    let synced =
        text("Server cache check").lines().filter(|line| line.contains(" - CRDS - ")).map(|line| (line, day(line)));
    let other = dumped.chain(synced).filter(|(_, day)| day.is_some_and(|day| !days.contains(&day)));
    other.map(|(line, _)| line.trim().to_owned()).take(3).collect()
}

/// Logs behind the mail that have no counters at their end.
fn other_logs(role: review::Role) -> &'static [&'static str] {
    match role {
        review::Role::Ops => &["clear_expired_locks"],
        review::Role::Other => &["clear_expired_locks", "build_stack", "rerun"],
    }
}

fn log_of(server: &Server, name: &str) -> String {
    format!("{}/{name}.{}.err", server.paths().cron_logs, server.tail())
}

/// The whole of those logs: the mail shows only their ends.
pub fn logs(s: &Step, server: &Server, role: review::Role, tally: &mut Tally) -> Result<(), StepError> {
    let check = "night_whole";
    for name in other_logs(role) {
        let path = log_of(server, name);
        let bytes = server.remote().read_if_there(&path, 64 << 20)?.unwrap_or_default();
        tally.evidence(check, &s.evidence(path.rsplit('/').next().unwrap_or(&path), &bytes)?);
        for bad in bad_lines(&review::text(&bytes)) {
            tally.fault(check, format!("{name}: {bad}"));
        }
    }
    Ok(())
}

/// Lines that no good run writes: those of [`error_words`], and what a CRDS program or a build calls an error itself.
fn bad_lines(text: &str) -> Vec<String> {
    // A restart looks for the pid file of the server that it has just stopped (SO 7).
    let mut bad: Vec<String> =
        error_words(text).into_iter().filter(|line| !line.contains("/run/httpd.pid: No such file")).collect();
    let own = |line: &&str| line.contains(": ERROR ") || line.contains(": FATAL ") || line.contains("FAILED");
    bad.extend(text.lines().filter(own).map(|line| line.trim().to_owned()));
    bad
}

/// Both checkouts on their branch at the wanted revision without local changes, before and after the reinstallation.
pub fn checkouts(
    s: &Step,
    server: &Server,
    last: &LastNight,
    wanted: &Checkouts<'_>,
    tally: &mut Tally,
) -> Result<(), StepError> {
    let check = "checkouts";
    for (title, name, target, directory) in [
        ("CRDS subversion status", "crds", wanted.crds, &server.paths().client_sources),
        ("Post-reinstall CRDS subversion status", "crds", wanted.crds, &server.paths().client_sources),
        ("CRDS_server subversion status", "crds_server", wanted.crds_server, &server.paths().server_sources),
        (
            "Post-reinstall CRDS_server subversion status",
            "crds_server",
            wanted.crds_server,
            &server.paths().server_sources,
        ),
    ] {
        let Some(section) = last.night.section(title) else {
            tally.fault(check, format!("the mail has no section `{title}`"));
            continue;
        };
        let base = s.site().repositories.get(name).cloned().unwrap_or_default();
        let url = format!("{}/{}", base.trim_end_matches('/'), target.branch);
        // A checkout that is locked, or a repository that does not answer: the night took what lay there.
        for line in torn(&section.text) {
            tally.fault(check, format!("{title}: `{line}`"));
        }
        let facts = svn_facts(&section.text);
        let judged = facts.judge(&url, None);
        tally.hold(check, judged.outcome == Outcome::Passed, format!("{title}: {}", judged.observed));
        let here = server.svn_info(directory)?;
        if facts.last_changed != Some(here.last_changed) {
            let then = facts.last_changed.map_or_else(|| "no revision".to_owned(), |revision| format!("r{revision}"));
            tally.fault(check, format!("{name}: last night {then}, now r{}", here.last_changed));
        }
        if !title.starts_with("Post") {
            stray(name, &facts.unversioned, tally);
            if s.spec().check("nothing_updated").is_some() {
                let updated: Vec<String> =
                    facts.updated.iter().map(|(letter, path)| format!("{letter} {path}")).collect();
                tally.hold(
                    "nothing_updated",
                    updated.is_empty(),
                    if updated.is_empty() {
                        format!("{name}: nothing")
                    } else {
                        format!("{name}: {}", shorten(&updated))
                    },
                );
            }
        }
    }
    Ok(())
}

/// What Subversion says when an update did not go through: its errors, conflicts, and what it left as it was.
pub fn torn(section: &str) -> impl Iterator<Item = &str> {
    section.lines().map(str::trim).filter(|line| {
        line.starts_with("svn: ") || line.starts_with("Skipped ") || line.to_ascii_lowercase().contains("conflict")
    })
}

/// Unversioned files that are not what install and the jobs generate (SO 3.5, 13).
fn stray(name: &str, unversioned: &[String], tally: &mut Tally) {
    const KNOWN: [&str; 13] = [
        "env.csh",
        "env.sh",
        "run",
        "stop",
        "make_env.tmp",
        "sources/build",
        "sources/site_config.py",
        "sources/crds_database.py",
        "sources/svn_version.py",
        "save_version",
        "install.log",
        "crds/svn_version.py",
        "build",
    ];
    let known = |path: &str| {
        KNOWN.contains(&path)
            || path.ends_with(".err")
            || path.ends_with(".pyc")
            || path.starts_with("servers/httpd.conf")
    };
    let strange: Vec<String> =
        unversioned.iter().filter(|path| !known(path)).map(|path| format!("{name}/{path}")).collect();
    tally.hold(
        "no_stray_files",
        strange.is_empty(),
        if strange.is_empty() { format!("{name}: generated files only") } else { shorten(&strange) },
    );
}

/// The reinstallation: its whole log, not only the lines that the mail shows.
pub fn reinstall(s: &Step, server: &Server, last: &LastNight, tally: &mut Tally) -> Result<(), StepError> {
    let check = "reinstall";
    let log = server.install_log()?;
    let text = review::text(&log);
    tally.evidence(check, &s.evidence(&format!("install log of {}", server.role()), &log)?);
    for mark in ["Done syncing db", "static file"] {
        tally.hold(check, text.contains(mark), format!("`{mark}`"));
    }
    for bad in error_words(&text) {
        tally.fault(check, bad);
    }
    // A digit for each half of the client's install; anything but zeros is a failure that nobody looks at (SO 3.5).
    for line in text.lines().filter(|line| line.starts_with("final status ")) {
        if line.trim_start_matches("final status ").trim().bytes().any(|digit| digit != b'0') {
            tally.fault(check, format!("the client package: `{}`", line.trim()));
        }
    }
    fresh(s, server, &server.install_log_path(), last, check, tally)?;
    if last.night.section("Re-installing server").is_none_or(|section| section.text.trim().is_empty()) {
        tally.fault(check, "the mail's section is empty");
    }
    Ok(())
}

/// Whether a file was written inside the night.
fn fresh(
    s: &Step,
    server: &Server,
    path: &str,
    last: &LastNight,
    check: &'static str,
    tally: &mut Tally,
) -> Result<(), StepError> {
    let name = path.rsplit('/').next().unwrap_or(path);
    match server.remote().stat(path)? {
        None => tally.fault(check, format!("{name} is not there")),
        Some(entry) => {
            let written = local(s, entry.mtime)?;
            let inside = written >= last.began && written <= last.ended.saturating_add(jiff::Span::new().minutes(5));
            tally.hold(check, inside, format!("{name} written {written}, the night began {}", last.began));
        }
    }
    Ok(())
}

/// The day that a line of a log says in brackets, such as `[2014-09-16 03:10:11,123]`.
fn stamp(line: &str) -> Option<jiff::civil::Date> {
    line.split_once('[')?.1.get(..10)?.parse().ok()
}

/// The files behind the mail's tails: of this night, whole, without errors. Certify writes beside the directory that the
/// mail tails (the missing slash of SO 10), so it is read where it is written.
pub fn tools(
    s: &Step,
    server: &Server,
    last: &LastNight,
    freshness: &'static str,
    tally: &mut Tally,
) -> Result<(), StepError> {
    let paths = server.paths();
    let tail = server.tail();
    let certify = format!("{}/croncertify.{tail}.err", paths.logs);
    let sync = format!("{}/sync.{tail}.err", paths.cron_logs);
    let orphans = format!("{}/orphan_files.{tail}.err", paths.cron_logs);
    let backup = format!("{}/backup.{tail}.err", paths.cron_logs);
    for (path, check) in [(&certify, "cache_checks"), (&sync, "cache_checks"), (&orphans, "orphans")] {
        fresh(s, server, path, last, freshness, tally)?;
        let bytes = server.remote().read_if_there(path, 64 << 20)?.unwrap_or_default();
        let text = review::text(&bytes);
        let name = path.rsplit('/').next().unwrap_or(path);
        tally.evidence(check, &s.evidence(name, &bytes)?);
        // A log that was put back is new by its date only.
        if let Some(line) = text.lines().find(|line| stamp(line).is_some_and(|day| day < last.began.date())) {
            tally.fault(freshness, format!("{name} tells of another night: `{}`", line.trim()));
        }
        let tool = CheckTool::parse(&text);
        match tool.counters {
            None => tally.fault(check, format!("{name} does not end with its three counters")),
            Some(counters) if check == "cache_checks" => {
                let seen = format!(
                    "{name}: {} errors, {} warnings, {} infos",
                    counters.errors, counters.warnings, counters.infos
                );
                tally.hold(check, counters.errors == 0 && tool.errors.is_empty(), seen);
                // Warnings are many and mostly old; of bytes that are not what they should be none is.
                let damaged = |line: &&str| line.contains(": WARNING") && line.to_ascii_lowercase().contains("sha1sum");
                // Under a flag of the client it looks, mends nothing, and ends without an error (A014).
                let no_op = |line: &&str| line.contains("READONLY") || line.contains("are inhibited");
                for line in text.lines().filter(|line| damaged(line) || no_op(line)) {
                    tally.fault(check, format!("{name}: {}", line.trim()));
                }
                // Certify says a line for each file; a sync that found nothing to do says nothing (C112).
                if path == &certify {
                    match (text.lines().find(|line| line.contains("Certifying")), newest_context(s, server, last)?) {
                        (None, _) => tally.fault(check, format!("{name}: nothing was certified")),
                        (Some(line), Some(newest)) if !line.contains(&newest) => {
                            let line = line.trim();
                            tally.fault(check, format!("{name}: `{line}`, the newest context is {newest}"));
                        }
                        _ => {}
                    }
                }
            }
            Some(counters) => {
                tally.proof(check, format!("{name}: {} errors, {} warnings", counters.errors, counters.warnings))
            }
        }
        if check == "orphans" {
            new_orphans(s, server, &text, tally)?;
        }
    }
    fresh(s, server, &backup, last, freshness, tally)?;
    let bytes = server.remote().read_if_there(&backup, 16 << 20)?.unwrap_or_default();
    let text = review::text(&bytes);
    let shown = last.night.section("Backing up server").map(|section| section.text.clone()).unwrap_or_default();
    for bad in error_words(&text).into_iter().chain(error_words(&shown)) {
        tally.fault("backup_section", bad);
    }
    for mark in ["Backing Up Database", "Tarring server directories"] {
        tally.hold("backup_section", shown.contains(mark), format!("`{mark}`"));
    }
    Ok(())
}

/// The context of the highest number that lay in the cache when the night ended.
fn newest_context(s: &Step, server: &Server, last: &LastNight) -> Result<Option<String>, StepError> {
    let mut newest = None;
    for entry in server.remote().list(&server.paths().mappings(server.observatory()), Some(1))? {
        if entry.path.ends_with(".pmap") && local(s, entry.mtime)? <= last.ended {
            newest = newest.max(Some(entry.path));
        }
    }
    Ok(newest)
}

/// Findings of the orphan check against those of the night before, as sets; legitimate ones exist (SO 18).
fn new_orphans(s: &Step, server: &Server, text: &str, tally: &mut Tally) -> Result<(), StepError> {
    let now: BTreeSet<String> = orphan_lines(text).into_iter().collect();
    let before =
        server.remote().read_if_there(&format!("{}/orphan_files.baseline", server.paths().cron_logs), 16 << 20)?;
    match before {
        Some(bytes) => {
            let old: BTreeSet<String> = orphan_lines(&review::text(&bytes)).into_iter().collect();
            let new: Vec<String> = now.difference(&old).cloned().collect();
            tally.hold(
                "orphans",
                new.is_empty(),
                if new.is_empty() { format!("{} findings as before", now.len()) } else { shorten(&new) },
            );
        }
        None if now.is_empty() => tally.proof("orphans", "no finding".to_owned()),
        None => {
            // Without a night to compare with, only a finding that cannot be legitimate counts.
            let bad: Vec<String> = now
                .iter()
                .filter(|line| {
                    let damage = ["Manifested", "not linked", "is not in cache", "has state 'uploaded'"];
                    damage.iter().any(|words| line.contains(words))
                })
                .cloned()
                .collect();
            tally.hold(
                "orphans",
                bad.is_empty(),
                if bad.is_empty() { format!("{} findings, none of them damage", now.len()) } else { shorten(&bad) },
            );
            s.not_checked(
                &format!("orphan findings of {} against another night", server.role()),
                "no earlier night's findings are kept on the host",
            )?;
        }
    }
    Ok(())
}

/// A stray file called `tee`, and other files that should not lie in a checkout, seen now (D130); what was edited since
/// the night (B035).
pub fn strays_now(s: &Step, server: &Server, tally: &mut Tally) -> Result<(), StepError> {
    for (name, directory) in [("crds", &server.paths().client_sources), ("crds_server", &server.paths().server_sources)]
    {
        let (unversioned, edited): (Vec<_>, Vec<_>) =
            server.svn_status(directory)?.into_iter().partition(|line| line.letters == "?");
        // Looking again, a later step may be at work in the checkout.
        // A letter or a range behind the number: of several revisions, or without some of its files (SO 13).
        let version = server.svnversion(directory)?;
        let mixed = version.contains(':') || version.contains('P');
        if mixed && !s.again() {
            tally.fault("checkouts", format!("{name}: the checkout is at `{}` now", version.trim()));
        }
        for line in edited.iter().filter(|_| !s.again()) {
            tally.fault("checkouts", format!("{name}: `{} {}` now", line.letters, relative(&line.path, directory)));
        }
        let unversioned: Vec<String> = unversioned.iter().map(|line| relative(&line.path, directory)).collect();
        stray(name, &unversioned, tally);
        let odd = server
            .remote()
            .list(directory, Some(1))?
            .into_iter()
            .find(|entry| entry.path == "tee" && entry.kind == EntryKind::File);
        if odd.is_some() {
            tally.fault("no_stray_files", format!("{name}: a file called `tee`: a redirection went wrong"));
        }
    }
    Ok(())
}

fn relative(path: &str, directory: &str) -> String {
    path.strip_prefix(directory).map_or(path, |rest| rest.trim_start_matches('/')).to_owned()
}

/// Judges every check of a nightly step.
pub fn judge(s: &Step, tally: &Tally, role: Role) -> Result<(), StepError> {
    for spec in s.spec().own_checks() {
        let name = spec.id.split('.').nth(1).unwrap_or_default();
        tally.judge(s, name, role, advice(name))?;
    }
    Ok(())
}

/// What an operator is told of a check of a nightly step.
pub fn advice(check: &str) -> Advice {
    match check {
        "night_ran" => Advice {
            cause: "cron did not run the job, it ran at another hour (time zone), or its mail was lost",
            next: "look at cron table, clock and mailbox; run the nightly by hand in a quiet hour",
        },
        "night_whole" => Advice {
            cause: "the job was killed, the host rebooted, or a section's script is broken",
            next: "read the last section in the evidence; let the next night run before upgrading",
        },
        "checkouts" => Advice {
            cause: "a local edit, a conflict, another branch, or the port flag left True",
            next: "svn diff in the checkout; revert what is not meant",
        },
        "nothing_updated" => Advice {
            cause: "somebody committed to the branch that this server follows (B034)",
            next: "look at svn log; the running server may mix old and new code: restart it or take the commit back",
        },
        "no_stray_files" => Advice {
            cause: "a redirection went wrong, or somebody works in the checkout",
            next: "look at the file; remove it if nobody needs it",
        },
        "reinstall" => Advice {
            cause: "install goes on past every failure (SO 7)",
            next: "read the whole install log; mend the cause; let the next night prove it",
        },
        "backup_section" => Advice {
            cause: "the backup failed although the job went on",
            next: "run backup_server by hand and read its log; do not go on without a whole backup",
        },
        "cache_checks" => Advice {
            cause: "a file of the cache is damaged, missing or unknown, or the tool did not run",
            next: "read the whole log; repair the file from the archive",
        },
        "orphans" => Advice {
            cause: "files were placed or removed by hand, or a delivery broke off",
            next: "compare with the night before; settle each new finding",
        },
        "disks" => {
            Advice { cause: "a disk fills up, or a file system hangs", next: "make room; find what hangs in I/O" }
        }
        "log_is_last_nights" | "logs_are_last_nights" => Advice {
            cause: "the step wrote elsewhere or died early: the mail shows the tail of an older night's file (SO 10)",
            next: "find where the output went; do not trust the mail's section",
        },
        "no_self_test" => Advice {
            cause: "OPS runs another nightly than it should",
            next: "compare the installed scripts with the branch",
        },
        "installed_is_running" => Advice {
            cause: "the nightly installed another release under the running server (B034)",
            next: "compare the stamps with what the server says; restart it in a quiet hour",
        },
        "run_whole" => Advice {
            cause: "the test run was killed, its database was in the way, or the disk is full",
            next: "read the end of the log; run the tests by hand",
        },
        "own_database" => Advice {
            cause: "the host is configured with another host's database",
            next: "compare crds_database.py with the branch",
        },
        "no_new_failure" => Advice {
            cause: "a new defect, or a waiver that expired",
            next: "read the traceback; a failure that is acceptable needs a waiver with owner and expiry",
        },
        "no_test_vanished" | "no_new_skip" => Advice {
            cause: "tests were removed or disabled on the branch, so green means less",
            next: "compare the names with the baseline; renew it only on purpose",
        },
        _ => Advice {
            cause: "the host or a service is slower than it was",
            next: "look at load and at the archive services",
        },
    }
}
