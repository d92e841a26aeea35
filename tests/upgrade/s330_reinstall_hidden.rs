//! Step 330: reinstall, hidden, and test.
//!
//! Procedure: "Re-install and runtests on the backup port, staying there."
//! Method: one `set_backup_url True` from a clean login stops, installs and starts (SO 5): a second install would only make
//! the files younger than the server. Prove it hidden and new, run the tests with `live`, which leaves the port alone, and
//! prove that they were whole, good and left the data as it was.
//! Way back: switch the checkouts back and do it again, or restore the directories.

use crds_upgrade::crds::{Door, Server};
use crds_upgrade::host::EntryKind;
use crds_upgrade::plan::Role;
use crds_upgrade::run::{StepError, StepResult};
use crds_upgrade::steps::S330_REINSTALL_HIDDEN;

use crate::common::install;
use crate::common::known_state;
use crate::common::machines;
use crate::common::tally::Tally;
use crate::s270_prove_restore::as_proven;

#[test]
fn s330_reinstall_hidden() -> StepResult {
    known_state::step(&S330_REINSTALL_HIDDEN, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let mut tally = Tally::default();
        install::hide_and_test(s, &ops, &mut tally)?;
        if s.again() {
            install::hidden(s, &ops, s.plan().thresholds.proxy_lag_s, "still_hidden", &mut tally)?;
            return install::judge(s, &tally, &["still_hidden"]);
        }
        tally.looks(&[
            ("configured_for_itself", &|t| configured_for_itself(&ops, t)),
            ("environment", &|t| environment(&ops, t)),
            ("data_untouched", &|t| as_proven(s, &ops, "data_untouched", t)),
        ]);
        install::judge(
            s,
            &tally,
            &[
                "install_log",
                "installed_equals_checkout",
                "files_new",
                "one_server",
                "hidden",
                "configured_for_itself",
                "tests_ran_now",
                "tests_whole",
                "no_new_failure",
                "no_test_vanished",
                "data_untouched",
                "contexts_untouched",
                "still_hidden",
                "environment",
            ],
        )
    })
}

/// `env.csh` names the one stack that a clean login has.
fn environment(ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let check = "environment";
    for odd in machines::odd_variables(ops)? {
        tally.fault(check, format!("a shell of the account has {odd}"));
    }
    // A link would let this server write where another one reads.
    let own =
        [&ops.paths().logs, &ops.paths().cron_logs, &ops.paths().db_backups, &ops.paths().monitor].map(String::clone);
    for (path, entry) in ops.remote().stats(&own)? {
        if entry.kind == EntryKind::Link {
            tally.fault(check, format!("{path} is a link to {}", entry.target));
        }
    }
    let stack = ops.stack()?;
    tally.hold(check, stack.env_csh.len() == 1, format!("env.csh names {:?}", stack.env_csh));
    tally.hold(check, stack.env_csh.first() == Some(&stack.login), format!("a clean login has {}", stack.login));
    Ok(())
}

/// The installed server works on OPS's own database and hands out OPS's own addresses.
fn configured_for_itself(ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let check = "configured_for_itself";
    let name = ops.database_name()?;
    tally.hold(check, name == ops.expected().database, format!("database {name}"));
    let info = ops.rpc(Door::Hidden)?.server_info()?;
    tally.hold(check, info.observatory == ops.observatory().to_string(), format!("observatory {}", info.observatory));
    let base = ops.url(Door::Hidden)?;
    for url in [&info.reference_url, &info.mapping_url] {
        tally.hold(check, url.starts_with(&base), url.clone());
    }
    Ok(())
}
