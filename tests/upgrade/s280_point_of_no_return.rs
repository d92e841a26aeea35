//! Step 280: point of no return.
//!
//! Procedure: nothing; from here on the way back is a restore.
//! Method: a person's recorded go; the time that is left against the measured way back; every archive looked at once more;
//! OPS still off.
//! Way back: up to here, start server and cron again.

use crds_upgrade::backup::tag_time;
use crds_upgrade::crds::{PortState, Server};
use crds_upgrade::host::EntryKind;
use crds_upgrade::plan::Role;
use crds_upgrade::review;
use crds_upgrade::run::{Step, StepError, StepResult, harness};
use crds_upgrade::steps::S280_POINT_OF_NO_RETURN;

use crate::common::archives::{self, ARCHIVING};
use crate::common::before::texts;
use crate::common::state;
use crate::common::tally::{Advice, Tally};
use crate::s270_prove_restore;
use crate::s310_wipe_installation::shared_set;

#[test]
fn s280_point_of_no_return() -> StepResult {
    harness::step(&S280_POINT_OF_NO_RETURN, |s| {
        let mut tally = Tally::default();
        match s.approval(s.spec().id) {
            None => match s.refusal(s.spec().id) {
                None => tally.fault("go", "nobody has recorded go"),
                Some(no) => tally.fault("go", format!("no-go by {} at {}: {}", no.by, no.at, no.why)),
            },
            Some(decision) => tally.proof("go", format!("go by {} at {}: {}", decision.by, decision.at, decision.why)),
        }
        if !s.again() {
            way_back(s, &mut tally)?;
            quiet(s, &mut tally)?;
        }
        backups(s, &mut tally)?;
        for (check, advice) in [
            (
                "go",
                Advice {
                    cause: "the decision is a person's, and it is due now",
                    next: "read `crds-upgrade status`, then: crds-upgrade approve s280_point_of_no_return --by NAME --note TEXT",
                },
            ),
            (
                "way_back_fits",
                Advice {
                    cause: "the upgrade is late: a way back would not end within the window",
                    next: "go back now (start server and cron), or have the window extended in the plan of a new run",
                },
            ),
            (
                "backups_still_there",
                Advice {
                    cause: "an archive was moved, removed or damaged",
                    next: "make it again: remove it and run its step's command",
                },
            ),
            (
                "still_quiet",
                Advice {
                    cause: "the host was rebooted, or somebody started something",
                    next: "stop the server, empty the cron table, find out who",
                },
            ),
        ] {
            if s.again() && matches!(check, "way_back_fits" | "still_quiet") {
                continue;
            }
            tally.judge(s, check, Role::Ops, advice)?;
        }
        Ok(())
    })
}

fn way_back(s: &Step, tally: &mut Tally) -> Result<(), StepError> {
    let ops = s.hosts().server(Role::Ops)?;
    let down = s.need_fact("s140_stop_ops_server", "down_at")?.as_f64().unwrap_or(0.0);
    let elapsed = ops.now()? - down;
    let back = s.need_fact("s270_prove_restore", "way_back_s")?.as_f64().unwrap_or(f64::INFINITY);
    let window = s.plan().thresholds.offline_window_s as f64;
    let fits = elapsed >= 0.0 && elapsed + back < window;
    tally.hold(
        "way_back_fits",
        fits,
        format!("{:.0} min away so far, {:.0} min back, window {:.0} min", elapsed / 60.0, back / 60.0, window / 60.0),
    );
    Ok(())
}

fn backups(s: &Step, tally: &mut Tally) -> Result<(), StepError> {
    let check = "backups_still_there";
    let mut count = 0;
    for archive in archives::of_run(s)? {
        let name = archive.name();
        match archive.read() {
            Err(error) => tally.fault(check, format!("{}: {name}: {error}", archive.step)),
            Ok((bytes, right)) => {
                count += 1;
                tally.hold(check, right && bytes > 0, format!("{name}: {bytes} bytes"));
            }
        }
    }
    tally.hold(check, count >= ARCHIVING.len(), format!("{count} archives with their hashes"));
    archives::closed(s, tally, check)?;
    old_release(s, tally)?;
    // A restore takes the shared set, which was verified in s150.
    let ops = s.hosts().server(Role::Ops)?;
    if let Some(shared) = s.fact_of("s150_verify_nightly_backup", "shared").filter(|_| !s.again()) {
        let now = shared_set(&ops)?;
        let lost: Vec<String> = texts(&shared).into_iter().filter(|file| !texts(&now).contains(file)).collect();
        for file in lost {
            tally.fault(check, format!("the shared set of OPS is not what it was: {file} (name, bytes, date) then"));
        }
    }
    // The way back begins from the dated sets as well.
    let before = state::kept_of(s, "s010_ops", &["files:db_backups"])?.unwrap_or_default();
    let sets = before.surfaces.get("files:db_backups").into_iter().flatten();
    let sets: Vec<&String> = sets.map(|(path, _)| path).filter(|path| tag_time(path).is_some()).collect();
    let there = s.hosts().server(Role::Ops)?.backup_sets()?.0;
    for gone in sets.iter().filter(|tag| !there.iter().any(|set| set.tag == ***tag)) {
        tally.fault(check, format!("the dated set {gone} of OPS is gone"));
    }
    Ok(())
}

/// What a way back switches to: the old branches in the repository, the old stack on the host.
fn old_release(s: &Step, tally: &mut Tally) -> Result<(), StepError> {
    let check = "backups_still_there";
    let (ops, plan) = (s.hosts().server(Role::Ops)?, s.plan());
    let paths = ops.paths();
    for (name, from, directory) in [
        ("crds", &plan.from.crds, &paths.client_sources),
        ("crds_server", &plan.from.crds_server, &paths.server_sources),
    ] {
        let base = s.site().repositories.get(name).map_or("", |url| url.trim_end_matches('/'));
        let url = format!("{base}/{}", from.branch);
        let Some(there) = ops.svn_info_if_there(&url)? else {
            tally.fault(
                check,
                format!("the repository has no {} of {name} any more: nothing to go back to", from.branch),
            );
            continue;
        };
        // A way back takes the branch's head; until the switch the checkout stands where it led to.
        let here = if s.again() { there.clone() } else { ops.svn_info(directory)? };
        if here.url == there.url && there.last_changed > here.last_changed {
            let (by, revision) = (&there.author, there.last_changed);
            let what = format!("{} of {name} was changed in r{revision} by {by}", from.branch);
            tally.fault(check, format!("{what}: the way back led to r{}", here.last_changed));
        }
    }
    if let Some(stack) = plan.stack.as_ref().filter(|_| !s.again()) {
        let module = format!("{}/{}/lib/apache/mod_wsgi.so", ops.paths().stacks, stack.from);
        let there = ops.remote().stat(&module)?.is_some_and(|entry| entry.size > 0);
        tally.hold(
            check,
            there,
            format!("the old stack {} {} its mod_wsgi.so", stack.from, if there { "has" } else { "lacks" }),
        );
    }
    Ok(())
}

/// No server has started since OPS was last put away, and no job of cron has written its log since cron went off: an empty
/// table is what `crontab` says, not what cron does.
fn nothing_ran(s: &Step, ops: &Server, check: &'static str, tally: &mut Tally) -> Result<(), StepError> {
    let away = ["s240_mirror_ops_to_test", "s140_stop_ops_server"].iter().find_map(|step| s.fact_of(step, "error_log"));
    if let Some(from) = away.and_then(|size| size.as_u64()) {
        let path = format!("{}/error_log", ops.paths().logs);
        let size = ops.remote().stat(&path)?.map_or(0, |entry| entry.size);
        let new = if size < from { String::new() } else { review::text(&ops.log_since(&path, from, 16 << 20)?.bytes) };
        let said = new.lines().next().map_or_else(|| format!("{size} bytes, {from} then"), str::to_owned);
        let said = if size == from {
            "the server's log is as it was then".to_owned()
        } else {
            format!("the server's log has grown since: {said}")
        };
        tally.hold(check, size == from, said);
    }
    if let Some(off) = s.fact_of("s130_stop_ops_cron", "off_at").and_then(|at| at.as_f64()) {
        let jobs = ops.remote().list(&ops.paths().cron_logs, Some(1))?;
        for job in jobs.iter().filter(|entry| entry.kind == EntryKind::File && entry.mtime.floor() > off) {
            tally.fault(
                check,
                format!("{} was written at {}: cron goes on", job.path, ops.local(job.mtime)?.datetime()),
            );
        }
    }
    Ok(())
}

fn quiet(s: &Step, tally: &mut Tally) -> Result<(), StepError> {
    let check = "still_quiet";
    let ops = s.hosts().server(Role::Ops)?;
    let (direct, hidden) = ops.ports()?;
    tally.hold(
        check,
        direct == PortState::Refused && hidden == PortState::Refused,
        format!("8001 {direct:?}, 8002 {hidden:?}"),
    );
    let parents = ops.httpd_parents()?.len();
    tally.hold(check, parents == 0, format!("{parents} server parents"));
    let others = ops.memcached()?.len() + ops.servers_by_hand()?.len();
    tally.hold(check, others == 0, format!("{others} other processes of a server"));
    let cron = ops.crontab()?;
    tally.hold(check, cron.trim().is_empty(), format!("cron table of {} lines", cron.lines().count()));
    nothing_ran(s, &ops, check, tally)?;
    let queue = ops.at_queue()?;
    tally.hold(check, queue.is_empty(), format!("{} jobs queued with at", queue.len()));
    let stack = state::kept_of(s, "s010_ops", &["stack"])?.unwrap_or_default();
    let module = |state: &crds_upgrade::state::State| {
        Some(state.surfaces.get("stack")?.get("server")?.get("module")?.as_str()?.to_owned())
    };
    if let Some(was) = module(&stack) {
        let now = ops.stack()?.module;
        tally.hold(check, now == was, format!("lib/mod_wsgi.so leads to {now}, at preflight to {was}"));
    }
    s270_prove_restore::as_proven(s, &ops, check, tally)?;
    // What the monitor computes from once OPS is live again: somebody's edit would lose the change or compute another.
    let (marker, context) = (ops.old_context()?.unwrap_or_default(), &s.plan().contexts.operational);
    tally.hold(
        check,
        marker == *context,
        format!("old_context.txt says `{}`, the archives {context}", marker.escape_debug()),
    );
    let (was, boot) = (s.fact_of("s140_stop_ops_server", "boot"), ops.who_are_you()?.boot);
    if let Some(was) = was.as_ref().and_then(|was| was.as_str()) {
        let same = was == boot;
        tally.hold(
            check,
            same,
            if same { "not rebooted".to_owned() } else { format!("rebooted: boot {was} is {boot} now") },
        );
    }
    Ok(())
}
