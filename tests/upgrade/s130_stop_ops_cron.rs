//! Step 130: shut down cron on OPS.
//!
//! Procedure: "Shut down the cronjob on OPS."
//! Method: keep the table, empty it, wait for running jobs to end, look at the `at` queue, look again after cron's next
//! minute.
//! Way back: install the kept table again.

use std::time::Duration;

use serde_json::json;

use crate::common::before::first;
use crate::common::known_state;
use crds_upgrade::crds::active_lines;
use crds_upgrade::plan::{Change, Role};
use crds_upgrade::run::{Found, Poll, StepResult};
use crds_upgrade::steps::S130_STOP_OPS_CRON;

/// The longest job of cron that is waited for: affected datasets may take hours, everything else ends within this.
const LONGEST_JOB: Duration = Duration::from_secs(3600);

#[test]
fn s130_stop_ops_cron() -> StepResult {
    known_state::step(&S130_STOP_OPS_CRON, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let before = match s.fact_of(s.spec().id, "table") {
            Some(have) => have.as_str().unwrap_or_default().to_owned(),
            None => {
                let table = ops.crontab()?;
                s.fact("table", table.as_str())?;
                table
            }
        };
        let kept = s.evidence("crontab of OPS before", &before)?;
        let release = ops.release_crontab()?;
        let released = s.evidence("crontab of the checked-out release", &release)?;
        if !s.again() {
            let odd: Vec<String> = before
                .lines()
                .filter(|line| !release.contains(line))
                .map(|line| format!("more: {line}"))
                .chain(release.lines().filter(|line| !before.contains(line)).map(|line| format!("less: {line}")))
                .collect();
            s.check("table_was_the_releases")
                .on(Role::Ops)
                .expected("the table of CRDS_server/host/crontab, byte for byte")
                .observed(if before == release {
                    "the same".to_owned()
                } else {
                    format!("differs: {}", odd.join("; "))
                })
                .evidence(&kept)
                .evidence(&released)
                .cause("somebody edited the table by hand, or cron was already off")
                .next_move("find out why it differs; `crontab host/crontab` installs the release's")
                .judge(before == release)?;
        }
        s.check("table_saved")
            .on(Role::Ops)
            .observed(format!("{} entries, {} bytes", active_lines(&before).len(), before.len()))
            .evidence(&kept)
            .cause("cron was already off")
            .next_move("find out who switched it off; put the table back, run again")
            .require(!active_lines(&before).is_empty())?;

        let emptied = s.act(
            "empty_crontab",
            Role::Ops,
            Change::Cron,
            || Ok(if active_lines(&ops.crontab()?).is_empty() { Found::Done } else { Found::NotDone }),
            |permit| {
                ops.set_crontab(permit, "")?;
                Ok(())
            },
        );

        let after = ops.crontab()?;
        let of_system = ops.system_cron_lines()?;
        s.check("table_empty")
            .on(Role::Ops)
            .expected("no entry in `crontab -l`, none for CRDS in the system's own tables")
            .observed(match (after.trim().is_empty(), of_system.first()) {
                (true, None) => "no entry".to_owned(),
                (true, Some(line)) => format!("the system's tables: {line}"),
                (false, _) => format!("still there: {after}"),
            })
            .evidence(&s.evidence("crontab of OPS after", &after)?)
            .cause("another account or a job put it back")
            .next_move("`crontab -l` by hand; look for who writes it")
            .judge(after.trim().is_empty() && of_system.is_empty())?;
        emptied?;

        let ended = s.wait("the running cron jobs of OPS to end", LONGEST_JOB, Duration::from_secs(30), || {
            let jobs = ops.running_jobs()?;
            let names: Vec<String> = jobs.iter().map(|job| format!("{} (pid {})", job.args, job.pid)).collect();
            Ok(if names.is_empty() { Poll::Ready(()) } else { Poll::NotYet(names.join("; ")) })
        });
        // Who edits the table, or waits to write it, puts back what was taken away.
        let mut jobs = ops.running_jobs()?;
        jobs.extend(
            ops.processes()?.into_iter().filter(|process| {
                process.args.split_whitespace().any(|word| word.rsplit('/').next() == Some("crontab"))
            }),
        );
        let names: Vec<String> = jobs.iter().map(|job| format!("{} (pid {})", job.args, job.pid)).collect();
        s.check("no_job_running")
            .on(Role::Ops)
            .observed(if names.is_empty() { "none".to_owned() } else { format!("running: {}", names.join("; ")) })
            .cause("a job that started before the table was emptied has not ended, or somebody has `crontab -e` open")
            .next_move("wait for it, or end it by hand if it hangs; then run again")
            .judge(ended.is_ok() && jobs.is_empty())?;

        // From here on no job writes into its log.
        first(s, "off_at", || Ok(json!(ops.now()?)))?;
        let queue = ops.at_queue()?;
        let queued: Vec<String> = queue.iter().map(|job| format!("job {} at {}", job.id, job.when)).collect();
        s.check("at_queue_empty")
            .on(Role::Ops)
            .observed(if queued.is_empty() {
                "nothing queued".to_owned()
            } else {
                format!("queued: {}", queued.join("; "))
            })
            .cause("`no_cron_til` or a person queued a job that may turn cron on again")
            .next_move("`at -c JOB` shows it, `atrm JOB` removes it; then run again")
            .judge(queue.is_empty())?;

        s.hosts().sleep(Duration::from_secs(65))?;
        let later = ops.crontab()?;
        s.check("stays_empty")
            .on(Role::Ops)
            .observed(if later.trim().is_empty() {
                "empty a minute later".to_owned()
            } else {
                format!("back: {later}")
            })
            .evidence(&s.evidence("crontab of OPS a minute later", &later)?)
            .cause("a running nightly, a reboot or an `at` job puts the table back (SO 9)")
            .next_move("find the writer before going on: an upgrade with cron alive mixes releases")
            .judge(later.trim().is_empty())?;
        Ok(())
    })
}
