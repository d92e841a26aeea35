//! The steps of the upgrade, in the order of their names.

mod common;

mod s410_submit_new_type;
mod s420_submit_references;
mod s430_delete_bad_files;
mod s440_set_context;
mod s450_mark_bad;
mod s470_review_logs;
