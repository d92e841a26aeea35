//! Step 360: reinstall on the new stack.
//!
//! Procedure: "Re-install again, runtests on the backup port."
//! Method: as step 330; besides, the libraries that the server process has mapped must be those of the new stack and of no
//! other, and every layer of the environment must name it (SO 4.2).
//! Way back: put the old rc file back and reinstall from a clean login.

use std::time::Duration;

use crds_upgrade::crds::web::Session;
use crds_upgrade::crds::{Door, Server};
use crds_upgrade::plan::Role;
use crds_upgrade::review;
use crds_upgrade::run::{Step, StepError, StepResult};
use crds_upgrade::steps::S360_REINSTALL_ON_NEW_STACK;

use crate::common::install;
use crate::common::known_state;
use crate::common::machines;
use crate::common::rc_file;
use crate::common::tally::{Tally, shorten};

#[test]
fn s360_reinstall_on_new_stack() -> StepResult {
    known_state::step(&S360_REINSTALL_ON_NEW_STACK, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let mut tally = Tally::default();
        install::hide_and_test(s, &ops, &mut tally)?;
        if s.again() {
            install::hidden(s, &ops, s.plan().thresholds.proxy_lag_s, "still_hidden", &mut tally)?;
            return install::judge(s, &tally, &["still_hidden"]);
        }
        tally.looks(&[("stack_in_use", &|t| stack_in_use(s, &ops, t)), ("answers", &|t| answers(s, &ops, t))]);
        install::judge(
            s,
            &tally,
            &[
                "install_log",
                "installed_equals_checkout",
                "one_server",
                "hidden",
                "stack_in_use",
                "one_stack_in_environment",
                "answers",
                "tests_ran_now",
                "tests_whole",
                "no_new_failure",
                "no_test_vanished",
                "data_untouched",
                "contexts_untouched",
                "still_hidden",
            ],
        )
    })
}

fn stack_in_use(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let seen = ops.stack()?;
    let wanted = s.plan().stack.as_ref().map_or_else(|| seen.login.clone(), |stack| stack.to.clone());
    let check = "one_stack_in_environment";
    tally.hold(check, seen.login == wanted, format!("a clean login has {}", seen.login));
    for odd in machines::odd_variables(ops)? {
        tally.fault(check, format!("a shell of the account has {odd}"));
    }
    if let Some(edit) = rc_file::hand_edit(s, ops, &ops.rc_file()?, &[])? {
        tally.fault(check, edit);
    }
    tally.hold(check, seen.env_csh == [wanted.clone()], format!("env.csh names {:?}", seen.env_csh));
    tally.hold(check, seen.module == wanted, format!("lib/mod_wsgi.so leads to `{}`", seen.module));
    for process in ops.httpd_parents()? {
        let mapped = ops.stacks_mapped(process.pid)?;
        tally.hold(
            "stack_in_use",
            mapped == [wanted.clone()],
            format!("process {} has mapped {mapped:?}", process.pid),
        );
    }
    let path = format!("{}/error_log", ops.paths().logs);
    let text = review::text(&ops.remote().read_tail(&path, 1 << 20)?);
    match text.lines().rev().find(|line| line.contains("configured -- resuming normal operations")) {
        None => tally.fault("stack_in_use", "the error log has no `configured` line"),
        Some(line) => {
            // What this start says is what every later one must say.
            let what = line.split("] ").last().unwrap_or(line);
            s.fact("configured", what)?;
            tally.proof("stack_in_use", what.to_owned());
        }
    }
    Ok(())
}

/// More requests than the server has workers, each within its time: a hanging interpreter shows on some of them only.
fn answers(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    const ROUNDS: usize = 12;
    let rpc = ops.rpc(Door::Hidden)?.within(Duration::from_secs(30));
    let mut pages = Session::anonymous(ops.http()?, &ops.url(Door::Hidden)?);
    let mut faults = Vec::new();
    for round in 0..ROUNDS {
        s.progress("asking every worker", round as u64, ROUNDS as u64, "rounds");
        if let Err(error) = rpc.server_info() {
            faults.push(error.to_string());
        }
        if let Err(error) = pages.good_page("/") {
            faults.push(error.to_string());
        }
    }
    tally.hold(
        "answers",
        faults.is_empty(),
        if faults.is_empty() { format!("{} requests answered", 2 * ROUNDS) } else { shorten(&faults) },
    );
    Ok(())
}
