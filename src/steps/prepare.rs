//! Before anything is changed for good: preflight, the nightly regressions, cron and server off, last night's backup.

use super::{Class, StepSpec, check};

const SECTION: &str = "Prepare";

/// Preflight.
pub static S010_PREFLIGHT: StepSpec = StepSpec {
    id: "s010_preflight",
    section: SECTION,
    title: "Preflight",
    class: Class::ReadOnly,
    added: true,
    procedure: "Nothing; experience says to learn of a missing tool or a full disk before the server is off.",
    looks_at: &[
        "each host: name, account, observatory, use case, database, boot id, clock, time zone, disks, tools, cron table",
        "OPS: last night's backup set, release, port flag, stack, contexts; the operators' logins with instrument `none`",
        "certificates of 8001, 8002 and the proxy",
    ],
    does: &[],
    way_back: "nothing to take back; the login leaves a session row and a last-login time",
    needs: &[],
    checks: &[
        check("s010.plan_and_site", "plan and site are valid and belong together"),
        check(
            "s010.identities",
            "each host is the one that the site names: host name, account, observatory, use case, database",
        ),
        check("s010.lock", "this run holds the lock of every host"),
        check("s010.tools", "every command that the steps use is there and starts, scripts are executable"),
        check("s010.space", "free space on every disk of every host is above the plan's floor"),
        check("s010.clocks", "the hosts' clocks agree and their time zone is the site's"),
        check(
            "s010.environment",
            "a clean login prints nothing and sets every variable, for each host name of the fleet, and none that changes what \
             Python does; the cron table is the release's",
        ),
        check("s010.certificates", "the certificates of server and proxy are valid past the window and name the host"),
        check(
            "s010.credentials",
            "each submitter can log in with instrument `none`, holds no lock, has the groups it needs",
        ),
        check(
            "s010.start_state",
            "OPS runs the plan's old release and stack, unedited, its contexts are those that the plan starts from, its lists \
             by cron those of the catalogue",
        ),
        check(
            "s010.port_flag",
            "both releases have the port flag, so that hiding is possible, and it is False on both branches",
        ),
        check("s010.approved_revisions", "the release branches stand at the approved revisions"),
        check("s010.nightly_backup_looks_whole", "last night's dated backup set is there, all files, fresh"),
        check("s010.forecast", "the forecast of the offline window fits into the plan's window"),
        check(
            "s010.databases",
            "the database of each host answers and is its own, locks come in pairs, no counter lags, pending files have links",
        ),
        check(
            "s010.file_systems",
            "deliveries, catalogues, ingest, uploads and cache are mounted, writable by the account and by nobody else, and on \
             one file system; secrets are the account's alone; rules are files, nothing is a pipe",
        ),
        check("s010.baseline_recorded", "the state of every host was captured whole"),
    ],
};

/// Nightly regression tests on TEST.
pub static S110_REVIEW_TEST_REGRESSIONS: StepSpec = StepSpec {
    id: "s110_review_test_regressions",
    section: SECTION,
    title: "Review TEST regressions",
    class: Class::ReadOnly,
    added: false,
    procedure: "Review the nightly regression tests on TEST.",
    looks_at: &[
        "TEST: runtests log, nightly mail and the files whose tails it shows",
        "the baseline of test names of the plan",
    ],
    does: &[],
    way_back: "nothing to take back",
    needs: &["s010_preflight"],
    checks: &[
        check(
            "s110.night_ran",
            "exactly one nightly mail of last night, from this host, at the scheduled hour, to whom its table says",
        ),
        check("s110.night_whole", "all sections in order, the last one with its closing line, none with an error"),
        check("s110.log_is_last_nights", "the test log was written inside the night, by this host's run"),
        check("s110.run_whole", "one summary, a verdict for each test, the test database destroyed"),
        check("s110.own_database", "the tests used this host's test database"),
        check("s110.no_new_failure", "no test fails but those that a waiver names"),
        check("s110.no_test_vanished", "every test of the baseline ran"),
        check("s110.no_new_skip", "no test is skipped that was not skipped before"),
        check("s110.not_slower", "the run took about as long as the baseline"),
        check("s110.checkouts", "both checkouts are on the approved branch and revision without local changes"),
        check(
            "s110.reinstall",
            "the reinstallation ended well: database synchronised, static files collected, no error word",
        ),
        check("s110.backup_section", "the backup section shows no error"),
        check("s110.cache_checks", "certify and sync looked at files and ended with 0 errors"),
        check("s110.orphans", "the orphan check ended and found nothing new"),
        check("s110.disks", "every disk of the server is shown and has room, no process hangs in I/O"),
        check("s110.no_stray_files", "no unexpected file in the checkouts"),
    ],
};

/// Nightly review on OPS.
pub static S120_REVIEW_OPS_REGRESSIONS: StepSpec = StepSpec {
    id: "s120_review_ops_regressions",
    section: SECTION,
    title: "Review OPS regressions",
    class: Class::ReadOnly,
    added: false,
    procedure: "Review the nightly regression tests on OPS with vigour. (OPS runs no self-test in its nightly.)",
    looks_at: &["OPS: nightly mail and the files whose tails it shows", "orphan findings of the night before"],
    does: &[],
    way_back: "nothing to take back",
    needs: &["s010_preflight"],
    checks: &[
        check(
            "s120.night_ran",
            "exactly one nightly mail of last night, from this host, at the scheduled hour, to whom its table says",
        ),
        check("s120.night_whole", "all sections in order, the last one with its closing line, none with an error"),
        check("s120.no_self_test", "the night ran no self-test, which would have unhidden or hidden the server"),
        check("s120.checkouts", "both checkouts are on the old release at its revision without local changes"),
        check("s120.nothing_updated", "the night's svn update brought nothing in"),
        check(
            "s120.installed_is_running",
            "what is installed is what the server runs: no install younger than the server's code",
        ),
        check(
            "s120.reinstall",
            "the reinstallation ended well: database synchronised, static files collected, no error word",
        ),
        check("s120.backup_section", "the backup section shows no error"),
        check("s120.cache_checks", "certify and sync looked at files and ended with 0 errors"),
        check("s120.orphans", "the orphan check ended and found nothing new"),
        check("s120.disks", "every disk of the server is shown and has room, no process hangs in I/O"),
        check("s120.logs_are_last_nights", "each file behind the mail was written inside the night"),
        check("s120.no_stray_files", "no unexpected file in the checkouts"),
    ],
};

/// Cron off on OPS.
pub static S130_STOP_OPS_CRON: StepSpec = StepSpec {
    id: "s130_stop_ops_cron",
    section: SECTION,
    title: "Stop cron on OPS",
    class: Class::Reversible,
    added: false,
    procedure: "Shut down the cronjob on OPS.",
    looks_at: &["OPS: cron table, running jobs, `at` queue"],
    does: &["OPS: the cron table is saved and emptied"],
    way_back: "put the saved table back (`crontab` with the saved bytes)",
    needs: &["s010_preflight", "s110_review_test_regressions", "s120_review_ops_regressions"],
    checks: &[
        check("s130.table_was_the_releases", "before: the table was the one of the installed release"),
        check("s130.table_saved", "the former table is kept byte for byte"),
        check("s130.table_empty", "`crontab -l` shows nothing"),
        check("s130.no_job_running", "no cron job is still running, and nobody edits the table or waits to write it"),
        check("s130.at_queue_empty", "nothing is queued with `at`"),
        check("s130.stays_empty", "the table is still empty after the next minute of cron has passed"),
        check("s130.known_good", "the hosts stand as the reviewed known-good state of this step says"),
    ],
};

/// Server off on OPS.
pub static S140_STOP_OPS_SERVER: StepSpec = StepSpec {
    id: "s140_stop_ops_server",
    section: SECTION,
    title: "Stop the OPS server",
    class: Class::Reversible,
    added: false,
    procedure: "Shut down OPS.",
    looks_at: &[
        "OPS: locks, uploaded files, running submissions, old_context.txt, processes, ports",
        "the public proxy",
    ],
    does: &["OPS: `./stop`"],
    way_back: "`./run` in the CRDS_server checkout",
    needs: &["s130_stop_ops_cron"],
    checks: &[
        check("s140.no_lock_held", "before: nobody held an instrument lock"),
        check(
            "s140.nothing_uploaded",
            "before: no file waited in state `uploaded`, and none was brought since preflight",
        ),
        check("s140.nothing_running", "before: no submission was being processed"),
        check("s140.old_context", "old_context.txt names the operational context"),
        check("s140.edit_context_delivered", "the edit context was delivered and has its catalogue"),
        check("s140.no_process", "no httpd and no memcached of the account is left"),
        check("s140.ports_closed", "8001 and 8002 refuse connections"),
        check("s140.proxy_says_outage", "the public proxy shows its outage page"),
        check("s140.known_good", "the hosts stand as the reviewed known-good state of this step says"),
    ],
};

/// Last night's backup.
pub static S150_VERIFY_NIGHTLY_BACKUP: StepSpec = StepSpec {
    id: "s150_verify_nightly_backup",
    section: SECTION,
    title: "Verify the nightly backup",
    class: Class::ReadOnly,
    added: false,
    procedure: "Verify that the nightly backup executed.",
    looks_at: &["OPS: db_backups, the shared copies in the home, the backup's log"],
    does: &[],
    way_back: "nothing to take back",
    needs: &["s140_stop_ops_server"],
    checks: &[
        check("s150.dated_last_night", "the newest dated set was made last night after 03:05"),
        check("s150.set_complete", "all files of the set are there, none empty, dump mode 0600, owner right"),
        check("s150.archives_readable", "every archive unpacks to its expected members, as many as the server has"),
        check("s150.dump_whole", "the dump names the right database, has its tables and its closing line"),
        check("s150.dump_is_fresh", "the dump's own date is last night's and its contents reach the newest rows"),
        check("s150.size_plausible", "the dump's size is near the one of the night before"),
        check("s150.shared_equal_dated", "the shared copies are of the same minutes and equal the dated ones"),
        check("s150.no_stray_dump", "no dump lies at the top of db_backups"),
        check("s150.log_clean", "the backup's log is of the same night and free of error words"),
        check("s150.deliveries_list", "the list of deliveries holds plain names, as many as there are links"),
        check("s150.room_for_another", "there is room for another set"),
    ],
};
