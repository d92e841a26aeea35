//! The steps of the upgrade, in the order of their names.

/// Tables and listings of tens of thousands of rows are many small pieces of memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod common;

mod s010_preflight;
mod s110_review_test_regressions;
mod s120_review_ops_regressions;
mod s130_stop_ops_cron;
mod s140_stop_ops_server;
mod s150_verify_nightly_backup;
mod s210_backup_test;
mod s220_backup_ops_rules;
mod s230_commit_rules_to_branch;
mod s240_mirror_ops_to_test;
mod s250_mirror_test_to_dev;
mod s260_backup_ops_tree;
mod s270_prove_restore;
mod s280_point_of_no_return;
mod s310_wipe_installation;
mod s320_switch_branches;
mod s330_reinstall_hidden;
mod s340_try_hidden;
mod s350_switch_stack;
mod s360_reinstall_on_new_stack;
mod s370_go_live;
mod s410_submit_new_type;
mod s420_submit_references;
mod s430_delete_bad_files;
mod s440_set_context;
mod s450_mark_bad;
mod s460_affected_datasets;
mod s470_review_logs;
mod s900_accept;
mod s910_morning_after;
