//! Step 120: review the nightly regressions on OPS.
//!
//! Procedure: "... and on OPS, with vigour."
//! Method: as step 110 for what OPS runs at night: it updates, reinstalls without a restart, backs up, certifies, syncs
//! and looks for orphans, but runs no self-test (SO 10).
//! Way back: nothing to take back.

use crds_upgrade::crds::{Door, Server};
use crds_upgrade::plan::Role;
use crds_upgrade::review;
use crds_upgrade::run::{StepError, StepResult, harness};
use crds_upgrade::steps::S120_REVIEW_OPS_REGRESSIONS;

use crate::common::night::{self, Checkouts};
use crate::common::tally::Tally;

#[test]
fn s120_review_ops_regressions() -> StepResult {
    harness::step(&S120_REVIEW_OPS_REGRESSIONS, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let mut tally = Tally::default();
        if let Some(last) = night::find(s, &ops, &mut tally)? {
            night::whole(&last, review::Role::Ops, &mut tally);
            let tested = last.night.section("Server self-test").is_some();
            tally.hold(
                "no_self_test",
                !tested,
                if tested { "the mail has a self-test" } else { "no self-test in the mail" },
            );
            let from = &s.plan().from;
            night::checkouts(
                s,
                &ops,
                &last,
                &Checkouts { crds: &from.crds, crds_server: &from.crds_server },
                &mut tally,
            )?;
            night::reinstall(s, &ops, &last, &mut tally)?;
            night::tools(s, &ops, &last, "logs_are_last_nights", &mut tally)?;
            night::disks(s, &ops, &last, &mut tally)?;
        }
        night::strays_now(&ops, &mut tally)?;
        // Later the server is away or another release: then this can no longer be seen.
        if s.again() {
            tally.proof("installed_is_running", "seen when the step passed");
        } else {
            installed_is_running(&ops, &mut tally)?;
        }
        night::judge(s, &tally, Role::Ops)
    })
}

/// The nightly reinstalls without a restart: what is installed must be what the running server was started from.
fn installed_is_running(ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let check = "installed_is_running";
    let stamps = ops.installed()?;
    let info = ops.rpc(Door::Direct)?.server_info()?;
    tally.hold(
        check,
        stamps.client.url.ends_with(&info.svn_url),
        format!("running {}, installed {}", info.svn_url, stamps.client.url),
    );
    for (name, directory, stamp) in [
        ("crds", &ops.paths().client_sources, &stamps.client),
        ("crds_server", &ops.paths().server_sources, &stamps.server),
    ] {
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
