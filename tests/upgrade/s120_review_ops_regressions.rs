//! Step 120: review the nightly regressions on OPS.
//!
//! Procedure: "... and on OPS, with vigour."
//! Method: as step 110 for what OPS runs at night: it updates, reinstalls without a restart, backs up, certifies, syncs
//! and looks for orphans, but runs no self-test (SO 10).
//! Way back: nothing to take back.

use crds_upgrade::crds::{Door, Server};
use crds_upgrade::plan::Role;
use crds_upgrade::review;
use crds_upgrade::run::{Step, StepError, StepResult, harness};
use crds_upgrade::steps::S120_REVIEW_OPS_REGRESSIONS;

use crate::common::night::{self, Checkouts};
use crate::common::night_disks;
use crate::common::tally::Tally;

/// So many answers are taken for those of more than one worker.
const WORKERS: usize = 4;

#[test]
fn s120_review_ops_regressions() -> StepResult {
    harness::step(&S120_REVIEW_OPS_REGRESSIONS, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let mut tally = Tally::default();
        let looked = look(s, &ops, &mut tally);
        tally.or_faults(s, Role::Ops, night::advice, looked)?;
        night::judge(s, &tally, Role::Ops)
    })
}

fn look(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    if let Some(last) = night::find(s, ops, tally)? {
        night::whole(&last, review::Role::Ops, tally);
        night::rest(s, ops, &last, review::Role::Ops, tally)?;
        let tested = last.night.section("Server self-test").is_some();
        tally.hold(
            "no_self_test",
            !tested,
            if tested { "the mail has a self-test" } else { "no self-test in the mail" },
        );
        let from = &s.plan().from;
        night::checkouts(s, ops, &last, &Checkouts { crds: &from.crds, crds_server: &from.crds_server }, tally)?;
        night::reinstall(s, ops, &last, tally)?;
        night::tools(s, ops, &last, "logs_are_last_nights", tally)?;
        night_disks::disks(s, ops, &last, tally)?;
    }
    night::strays_now(s, ops, tally)?;
    // Later the server is away or another release: then this can no longer be seen.
    if s.again() {
        tally.proof("installed_is_running", "seen when the step passed");
    } else {
        let looked = installed_is_running(s, ops, tally);
        tally.tried("installed_is_running", looked);
    }
    Ok(())
}

/// The nightly reinstalls without a restart: what is installed must be what the running server was started from.
fn installed_is_running(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let check = "installed_is_running";
    let stamps = ops.installed()?;
    // Each worker runs what was installed when it first answered: one answer is not the server's (B034).
    let rpc = ops.rpc(Door::Direct)?;
    for _ in 0..WORKERS {
        let info = rpc.server_info()?;
        let same = stamps.client.url.ends_with(&info.svn_url);
        tally.hold(check, same, format!("running {}, installed {}", info.svn_url, stamps.client.url));
    }
    let from = &s.plan().from;
    for (name, target, directory, stamp) in [
        ("crds", &from.crds, &ops.paths().client_sources, &stamps.client),
        ("crds_server", &from.crds_server, &ops.paths().server_sources, &stamps.server),
    ] {
        if !stamp.url.ends_with(&format!("/{}", target.branch)) {
            tally.fault(check, format!("{name}: installed from {}, OPS is to run {}", stamp.url, target.branch));
        }
        let here = ops.svn_info(directory)?;
        let right = here.url == stamp.url && here.last_changed == stamp.last_changed;
        tally.hold(
            check,
            right,
            format!("{name}: installed r{} of {}, checkout r{}", stamp.last_changed, stamp.url, here.last_changed),
        );
    }
    Ok(())
}
