//! The new files: type, references, deletions, the operational context, bad files, affected datasets.

use super::{Class, StepSpec, check};

const SECTION: &str = "Deliver";

/// New type.
pub static S410_SUBMIT_NEW_TYPE: StepSpec = StepSpec {
    id: "s410_submit_new_type",
    section: SECTION,
    title: "Submit the new type",
    class: Class::OneWay,
    added: false,
    procedure: "Submit the new empty WFC3 NPOLFILE.",
    looks_at: &["OPS: ready page, catalogue, states, deliveries, audit rows, counters, contexts, log window"],
    does: &["OPS: mapping submissions with context generation, confirmed"],
    way_back: "none: a further delivery takes it out of the rules again",
    needs: &["s370_go_live"],
    checks: &[
        check(
            "s410.start_context",
            "before: the edit context is the plan's base, nobody else submits, no counter is behind",
        ),
        check("s410.ready_page", "certification raised no error, and the warnings are the expected ones"),
        check("s410.confirmed", "the page says confirmed, and catalogue, states and links say so too"),
        check("s410.change_is_exact", "each derived context differs from its parent by exactly this change"),
        check("s410.equals_known_good", "names and checksums equal the reviewed known-good"),
        check("s410.delivered", "the catalogue lists exactly the links, same inode as the cache, modes right"),
        check("s410.audit", "exactly the expected audit rows"),
        check("s410.edit_context", "the edit context is the new one, the operational one is untouched"),
        check(
            "s410.nothing_left_behind",
            "no uploaded row, no lock, no file of the submission is left, one number was drawn, other files are as before",
        ),
        check("s410.log_clean", "the server's log of the submission shows nothing abnormal"),
        check("s410.known_good", "the hosts stand as the reviewed known-good state of this step says"),
    ],
};

/// References.
pub static S420_SUBMIT_REFERENCES: StepSpec = StepSpec {
    id: "s420_submit_references",
    section: SECTION,
    title: "Submit references",
    class: Class::OneWay,
    added: false,
    procedure: "Submit any NPOLFILE references.",
    looks_at: &["OPS: as s410, and what the rules select for the datasets meant"],
    does: &["OPS: reference batches, confirmed"],
    way_back: "none: a further delivery deletes them from the rules again",
    needs: &["s410_submit_new_type"],
    checks: &[
        check("s420.start_context", "before: the edit context is the one that the plan expects, no counter is behind"),
        check("s420.ready_page", "every reference is certified without an error"),
        check("s420.confirmed", "the page says confirmed, once, and catalogue, states and links say so too"),
        check("s420.change_is_exact", "each derived context differs from its parent by exactly the batch"),
        check("s420.equals_known_good", "names and checksums equal the reviewed known-good"),
        check("s420.selected", "each reference is selected for a dataset that it was made for"),
        check(
            "s420.bytes_equal",
            "each reference in the cache equals the submitted file, catalogued checksum and size",
        ),
        check("s420.delivered", "the catalogue lists exactly the links, same inode as the cache, modes right"),
        check("s420.audit", "exactly the expected audit rows"),
        check("s420.edit_context", "the edit context is the new one, the operational one is untouched"),
        check(
            "s420.nothing_left_behind",
            "no uploaded row, no lock, no file of the submission is left, one number was drawn, other files are as before",
        ),
        check("s420.log_clean", "the server's log of the submissions shows nothing abnormal"),
        check("s420.known_good", "the hosts stand as the reviewed known-good state of this step says"),
    ],
};

/// Deletions.
pub static S430_DELETE_BAD_FILES: StepSpec = StepSpec {
    id: "s430_delete_bad_files",
    section: SECTION,
    title: "Delete bad files",
    class: Class::OneWay,
    added: false,
    procedure: "Delete bad files.",
    looks_at: &["OPS: as s410"],
    does: &["OPS: delete references, confirmed"],
    way_back: "none: a further delivery adds them to the rules again",
    needs: &["s420_submit_references"],
    checks: &[
        check("s430.start_context", "before: the edit context is the one that the plan expects, the files are in it"),
        check("s430.ready_page", "the page names exactly the files, certification raised no error"),
        check("s430.confirmed", "the page says confirmed, and catalogue, states and links say so too"),
        check("s430.exactly_these", "exactly the named files left the rules, from every place"),
        check("s430.equals_known_good", "names and checksums equal the reviewed known-good"),
        check("s430.delivered", "the catalogue lists exactly the links, same inode as the cache, modes right"),
        check("s430.files_kept", "the deleted references are still in cache and catalogue"),
        check("s430.edit_context", "the edit context is the new one, the operational one is untouched"),
        check(
            "s430.nothing_left_behind",
            "no uploaded row, no lock is left, one number was drawn, other files are as before",
        ),
        check("s430.log_clean", "the server's log of the deletion shows nothing abnormal"),
        check("s430.known_good", "the hosts stand as the reviewed known-good state of this step says"),
    ],
};

/// Operational context.
pub static S440_SET_CONTEXT: StepSpec = StepSpec {
    id: "s440_set_context",
    section: SECTION,
    title: "Set the operational context",
    class: Class::Reversible,
    added: false,
    procedure: "Set the operational context.",
    looks_at: &["OPS: deliveries, database, RPC, page, caches, history", "our own preview of the datasets affected"],
    does: &["OPS: Set Context"],
    way_back: "set the former context again; its affected datasets are then not computed by the server",
    needs: &["s430_delete_bad_files"],
    checks: &[
        check("s440.preview_in_limits", "before: what the context will change is within the plan's limits"),
        check("s440.archived", "every delivery of this plan is archived, by its links being taken one by one"),
        check("s440.no_silent_promotion", "no other pending file became archived without its link being taken"),
        check("s440.set", "the page says changed, from the old context to the new one"),
        check("s440.agree", "database, RPC, page, cache configuration and published cache name the new context"),
        check("s440.history", "one new history row with the plan's description"),
        check("s440.closure_operational", "every file of the context is operational and distributable"),
        check("s440.closure_downloads", "every mapping of the context downloads with its checksum"),
        check("s440.dates_stable", "delivery and activation dates of other files did not change"),
        check("s440.known_good", "the hosts stand as the reviewed known-good state of this step says"),
    ],
};

/// Bad files.
pub static S450_MARK_BAD: StepSpec = StepSpec {
    id: "s450_mark_bad",
    section: SECTION,
    title: "Mark files bad",
    class: Class::Reversible,
    added: false,
    procedure: "Mark files bad.",
    looks_at: &["OPS: catalogue, RPC, pages, bad_files of cache and published cache"],
    does: &["OPS: mark bad"],
    way_back: "mark them ok",
    needs: &["s440_set_context"],
    checks: &[
        check("s450.not_in_context", "before: none of the files is in the operational context"),
        check(
            "s450.rejected_everywhere",
            "the files are rejected in catalogue, RPC, cache configuration and published cache",
        ),
        check("s450.exactly_these", "no other file's mark changed"),
        check("s450.context_free_of_bad", "the operational context holds no rejected file"),
        check("s450.audit", "exactly the expected audit rows"),
        check("s450.known_good", "the hosts stand as the reviewed known-good state of this step says"),
    ],
};

/// Affected datasets.
pub static S460_AFFECTED_DATASETS: StepSpec = StepSpec {
    id: "s460_affected_datasets",
    section: SECTION,
    title: "Watch for affected datasets",
    class: Class::ReadOnly,
    added: false,
    procedure: "Watch for affected datasets.",
    looks_at: &["OPS: monitor_reprocessing, the RPC, the mail; our own computation"],
    does: &[],
    way_back: "nothing to take back",
    needs: &["s440_set_context", "s450_mark_bad"],
    checks: &[
        check("s460.computed", "each context change since going live has a finished computation"),
        check(
            "s460.whole",
            "its status is 0 or 1, its log ends with counters and STOPPED, no traceback, the counts agree",
        ),
        check("s460.published_equals_disk", "the RPC publishes what lies on disk"),
        check("s460.mail", "one mail to the right people, with the count"),
        check(
            "s460.equal_to_ours",
            "the list equals our own computation, each difference of a known class with its witness",
        ),
        check("s460.monitor_advanced", "old_context.txt names the new context, whose capture was made"),
    ],
};

/// Logs.
pub static S470_REVIEW_LOGS: StepSpec = StepSpec {
    id: "s470_review_logs",
    section: SECTION,
    title: "Review the server logs",
    class: Class::ReadOnly,
    added: false,
    procedure: "Check the server logs for nominal output.",
    looks_at: &["OPS: all server logs and cron logs since going live"],
    does: &[],
    way_back: "nothing to take back",
    needs: &["s460_affected_datasets"],
    checks: &[
        check("s470.nothing_abnormal", "no abnormal line, and no mail of cron"),
        check("s470.nothing_new", "every line has a known shape"),
        check("s470.no_silence_no_flood", "lines came neither too seldom nor too often"),
        check("s470.requests_answered", "no request of the window failed"),
        check("s470.started_as_planned", "each start of the server names the planned stack"),
        check("s470.cron_logs", "the logs of the cron jobs are fresh and free of error words"),
        check("s470.logs_not_lost", "no log was rotated away or deleted under the server"),
    ],
};
