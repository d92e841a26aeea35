//! In which state each step that changes something leaves its hosts: which parts of it the known-good state holds.

use crate::plan::Role;
use crate::state::Part;
use crate::state::Part::{Contexts, Cron, Files, History, Installed, Jobs, Ports, Processes, Rows, Served, Stack, Svn};

/// The hosts and the parts of their state that are compared with the reviewed known-good state when step `id` ends.
///
/// Only what the step is about: what an earlier step left is that step's to judge, and what a later one will look at
/// is not anticipated. A step that changes nothing leaves nothing.
#[must_use]
pub fn leaves(id: &str) -> &'static [(Role, &'static [Part])] {
    const DOWN: &[Part] = &[Processes, Ports];
    const HIDDEN: &[Part] =
        &[Cron, Jobs, Processes, Ports, Svn, Stack, Installed, Served, Contexts, Rows, History, Files];
    const LIVE: &[Part] = &[Cron, Processes, Ports, Svn, Stack, Installed, Served, Contexts, Rows, History, Files];
    const DELIVERED: &[Part] = &[Processes, Ports, Served, Contexts, Rows, History, Files];
    const MIRRORED: &[Part] = &[Cron, Processes, Ports, Svn, Stack, Contexts, Rows, History, Files];
    match id {
        "s130_stop_ops_cron" => &[(Role::Ops, &[Cron, Jobs])],
        "s140_stop_ops_server" => &[(Role::Ops, DOWN)],
        "s210_backup_test" => &[(Role::Ops, DOWN), (Role::Test, &[Cron, Processes, Ports])],
        "s220_backup_ops_rules" | "s260_backup_ops_tree" => &[(Role::Ops, &[Processes, Ports, Svn])],
        "s230_commit_rules_to_branch" => &[(Role::Ops, &[Processes, Ports, Svn])],
        "s240_mirror_ops_to_test" => {
            &[(Role::Ops, &[Processes, Ports, Svn, Stack, Contexts, Rows]), (Role::Test, MIRRORED)]
        }
        "s250_mirror_test_to_dev" => &[(Role::Ops, DOWN), (Role::Test, MIRRORED), (Role::Dev, MIRRORED)],
        "s310_wipe_installation" => &[(Role::Ops, &[Processes, Ports, Installed])],
        "s320_switch_branches" => &[(Role::Ops, &[Processes, Ports, Svn, Installed])],
        "s330_reinstall_hidden" | "s360_reinstall_on_new_stack" => &[(Role::Ops, HIDDEN)],
        "s350_switch_stack" => &[(Role::Ops, &[Processes, Ports, Svn, Stack])],
        "s370_go_live" => &[(Role::Ops, LIVE)],
        "s410_submit_new_type"
        | "s420_submit_references"
        | "s430_delete_bad_files"
        | "s440_set_context"
        | "s450_mark_bad" => &[(Role::Ops, DELIVERED)],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::leaves;
    use crate::steps::{ALL, Class};

    #[test]
    fn every_step_that_changes_something_leaves_a_state_that_is_compared() {
        for step in ALL {
            let changes = step.class != Class::ReadOnly;
            assert_eq!(!leaves(step.id).is_empty(), changes, "{}", step.id);
            assert_eq!(step.check("known_good").is_some(), changes, "{}", step.id);
        }
    }
}
