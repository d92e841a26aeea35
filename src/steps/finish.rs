//! Acceptance, and the morning after.

use super::{Class, StepSpec, check};

const SECTION: &str = "Accept";

/// Acceptance.
pub static S900_ACCEPT: StepSpec = StepSpec {
    id: "s900_accept",
    section: SECTION,
    title: "Accept",
    class: Class::ReadOnly,
    added: true,
    procedure: "Nothing; someone signs, and wants to know what for.",
    looks_at: &["the state of every host now and at preflight; the journal"],
    does: &[],
    way_back: "nothing to take back",
    needs: &["s470_review_logs"],
    checks: &[
        check(
            "s900.ledger_closed",
            "each difference between before and after belongs to exactly one declared change; copies, archives and \
             published lists are as they were left",
        ),
        check("s900.all_observed", "each declared change was observed"),
        check("s900.steps_complete", "every step passed or is deferred with its due date"),
        check("s900.outage_in_window", "the outage was within the plan's window"),
        check("s900.cron_watch", "cron of OPS was seen empty from s130 to s370, without a gap in the watch"),
        check("s900.waivers_valid", "each waiver used is named in the plan and has not expired"),
        check("s900.journal_intact", "journal and evidence are untouched"),
    ],
};

/// The first night.
pub static S910_MORNING_AFTER: StepSpec = StepSpec {
    id: "s910_morning_after",
    section: SECTION,
    title: "The morning after",
    class: Class::ReadOnly,
    added: true,
    procedure: "Nothing; the first nightly after going live is where a half upgrade shows.",
    looks_at: &["OPS: the first nightly since going live: mail, logs, backup, checkouts, processes"],
    does: &[],
    way_back: "nothing to take back",
    needs: &["s900_accept"],
    checks: &[
        check("s910.night_ran", "exactly one nightly mail since going live, from this host"),
        check("s910.night_whole", "all sections in order, the last one with its closing line, none with an error"),
        check("s910.backup_has_new_context", "its backup set is whole and holds the new operational context"),
        check(
            "s910.nothing_unapproved",
            "its svn update brought nothing that was not approved, nobody edited the checkouts",
        ),
        check("s910.no_mixed_code", "what is installed is what the server runs"),
        check(
            "s910.still_public",
            "the server is still on 8001 with the planned context, the cron table the release's",
        ),
    ],
};
