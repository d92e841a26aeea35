//! How long what a step established must hold: until a later step changes it on purpose.

/// The steps of which any, once begun, ends the hold of step `id`.
///
/// On resume a passed step is looked at again while it holds; afterwards its evidence stands, but the hosts have moved on.
#[must_use]
pub fn holds_until(id: &str) -> &'static [&'static str] {
    match id {
        "s010_preflight" | "s110_review_test_regressions" | "s120_review_ops_regressions" => &["s130_stop_ops_cron"],
        "s130_stop_ops_cron" => &["s370_go_live"],
        "s140_stop_ops_server" => &["s240_mirror_ops_to_test"],
        "s150_verify_nightly_backup" | "s210_backup_test" => &["s240_mirror_ops_to_test"],
        "s220_backup_ops_rules" => &["s310_wipe_installation"],
        "s230_commit_rules_to_branch" => &["s350_switch_stack"],
        "s240_mirror_ops_to_test" => &["s250_mirror_test_to_dev", "s260_backup_ops_tree"],
        "s250_mirror_test_to_dev" | "s260_backup_ops_tree" | "s270_prove_restore" | "s280_point_of_no_return" => {
            &["s310_wipe_installation"]
        }
        "s310_wipe_installation" => &["s320_switch_branches"],
        "s320_switch_branches" => &["s330_reinstall_hidden"],
        "s330_reinstall_hidden" | "s340_try_hidden" => &["s350_switch_stack"],
        "s350_switch_stack" => &["s360_reinstall_on_new_stack"],
        "s360_reinstall_on_new_stack" => &["s370_go_live"],
        "s370_go_live" => &["s410_submit_new_type"],
        "s410_submit_new_type" => &["s420_submit_references"],
        "s420_submit_references" => &["s430_delete_bad_files"],
        "s430_delete_bad_files" => &["s440_set_context"],
        "s440_set_context" => &["s450_mark_bad"],
        "s450_mark_bad" | "s460_affected_datasets" | "s470_review_logs" => &["s900_accept"],
        "s900_accept" => &["s910_morning_after"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::holds_until;
    use crate::steps::{ALL, by_id};

    #[test]
    fn every_step_but_the_last_holds_until_a_later_one() {
        for step in &ALL[..ALL.len() - 1] {
            assert!(!holds_until(step.id).is_empty(), "{}", step.id);
            for later in holds_until(step.id) {
                assert!(by_id(later).is_some() && *later > step.id, "{} holds until {later}", step.id);
            }
        }
    }
}
