//! Step 280: point of no return.
//!
//! Procedure: nothing; from here on the way back is a restore.
//! Method: a person's recorded go; the time that is left against the measured way back; every archive looked at once more;
//! OPS still off.
//! Way back: up to here, start server and cron again.

use std::path::PathBuf;

use crds_upgrade::crds::PortState;
use crds_upgrade::plan::Role;
use crds_upgrade::run::{Step, StepError, StepResult, harness};
use crds_upgrade::steps::S280_POINT_OF_NO_RETURN;

use crate::common::tally::{Advice, Tally};

/// Steps that leave archives on this side.
const ARCHIVING: [&str; 3] = ["s210_backup_test", "s220_backup_ops_rules", "s260_backup_ops_tree"];

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
        archives(s, &mut tally)?;
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

fn archives(s: &Step, tally: &mut Tally) -> Result<(), StepError> {
    let check = "backups_still_there";
    let mut count = 0;
    for step in ARCHIVING {
        let listed = s.need_fact(step, "archives")?;
        for archive in listed.as_array().into_iter().flatten() {
            let path = PathBuf::from(archive["path"].as_str().unwrap_or_default());
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let mut hasher = blake3::Hasher::new();
            let read = std::fs::File::open(&path)
                .and_then(|file| std::io::copy(&mut std::io::BufReader::new(file), &mut hasher));
            match read {
                Err(error) => tally.fault(check, format!("{step}: {name}: {error}")),
                Ok(bytes) => {
                    count += 1;
                    let right = archive["blake3"].as_str() == Some(hasher.finalize().to_hex().as_str());
                    tally.hold(check, right && bytes > 0, format!("{name}: {bytes} bytes"));
                }
            }
        }
    }
    tally.hold(check, count >= ARCHIVING.len(), format!("{count} archives with their hashes"));
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
    let cron = ops.crontab()?;
    tally.hold(check, cron.trim().is_empty(), format!("cron table of {} lines", cron.lines().count()));
    let queue = ops.at_queue()?;
    tally.hold(check, queue.is_empty(), format!("{} jobs queued with at", queue.len()));
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
