//! The new release and the new stack, hidden until proven.

use super::{Class, StepSpec, check};

const SECTION: &str = "Install";

/// Wipe.
pub static S310_WIPE_INSTALLATION: StepSpec = StepSpec {
    id: "s310_wipe_installation",
    section: SECTION,
    title: "Wipe the installation",
    class: Class::Compensable,
    added: false,
    procedure: "Wipe the software installation directories, not the stacks.",
    looks_at: &["OPS: inventory of the installation and of everything that must stay"],
    does: &["OPS: exactly the plan's allow-list is removed; the directory `lib/` stays"],
    way_back: "restore the directories from the archive of s260",
    needs: &["s280_point_of_no_return"],
    checks: &[
        check(
            "s310.list_safe",
            "before: nothing on the list is a link, leads outside the installation or holds what somebody made by hand",
        ),
        check("s310.gone", "everything on the list is gone"),
        check("s310.lib_kept", "`lib/` is still a directory, without the old link"),
        check(
            "s310.protected_untouched",
            "stacks, database secrets, backups, reprocessing history and server_files are unchanged, no log lost a line",
        ),
        check("s310.nothing_else_gone", "nothing else vanished"),
        check("s310.known_good", "the hosts stand as the reviewed known-good state of this step says"),
    ],
};

/// Branches.
pub static S320_SWITCH_BRANCHES: StepSpec = StepSpec {
    id: "s320_switch_branches",
    section: SECTION,
    title: "Switch to the release branch",
    class: Class::Reversible,
    added: false,
    procedure: "Switch the CRDS and CRDS_server directories to the new release branch.",
    looks_at: &["OPS: svn info, status and version of both checkouts; the branches in the repository"],
    does: &["OPS: `svn switch` of both checkouts"],
    way_back: "`svn switch` back to the old branches",
    needs: &["s310_wipe_installation"],
    checks: &[
        check("s320.branch_as_approved", "before: both branches still stand at the approved revisions"),
        check(
            "s320.both_switched",
            "both checkouts are on the approved branch and revision of the repository they were made from",
        ),
        check("s320.clean", "no local change, no conflict, nothing mixed or partly switched"),
        check("s320.flag_false", "the port flag on the branch says False"),
        check("s320.matching_pair", "client and server are the approved pair"),
        check("s320.contents_equal_branch", "the files equal the repository's at that revision"),
        check("s320.known_good", "the hosts stand as the reviewed known-good state of this step says"),
    ],
};

/// Reinstall on the backup port.
pub static S330_REINSTALL_HIDDEN: StepSpec = StepSpec {
    id: "s330_reinstall_hidden",
    section: SECTION,
    title: "Reinstall, hidden, and test",
    class: Class::Reversible,
    added: false,
    procedure: "Re-install and runtests on the backup port, staying there.",
    looks_at: &["OPS: install log, installed files, processes, ports, test log, data before and after the tests"],
    does: &["OPS: `set_backup_url True` from a clean login (stop, install, start); `runtests live`"],
    way_back: "switch back, `set_backup_url True`; or restore the directories",
    needs: &["s320_switch_branches"],
    checks: &[
        check("s330.install_log", "the install log is new, whole and without an error word"),
        check(
            "s330.installed_equals_checkout",
            "every installed module equals the checkout, both revisions stamped, none is left over",
        ),
        check("s330.files_new", "every installed file is younger than the step"),
        check("s330.one_server", "exactly one server parent, younger than the installed files, with its memcached"),
        check("s330.hidden", "8002 answers, 8001 refuses, flag and advertised URLs say 8002, the proxy its outage"),
        check("s330.configured_for_itself", "the installed configuration names OPS's own database, storage and URLs"),
        check("s330.tests_ran_now", "the test log was written by this run against the hidden URL"),
        check("s330.tests_whole", "one summary, a verdict for each test, the test database destroyed"),
        check("s330.no_new_failure", "no test fails but those that a waiver names"),
        check("s330.no_test_vanished", "every test of the baseline ran, none is newly skipped"),
        check("s330.data_untouched", "cache, deliveries, catalogues and database are as before the tests"),
        check("s330.contexts_untouched", "context in database, RPC, pages and cache configuration are as before"),
        check("s330.still_hidden", "the server is still hidden after the tests, cron still empty"),
        check("s330.environment", "env.csh was made by this install from a clean login and names one stack"),
        check("s330.known_good", "the hosts stand as the reviewed known-good state of this step says"),
    ],
};

/// Try it out.
pub static S340_TRY_HIDDEN: StepSpec = StepSpec {
    id: "s340_try_hidden",
    section: SECTION,
    title: "Try OPS out, hidden",
    class: Class::ReadOnly,
    added: false,
    procedure: "Try OPS out on the backup port.",
    looks_at: &["OPS on 8002: every RPC, the pages, downloads; the real client"],
    does: &[],
    way_back: "nothing to take back",
    needs: &["s330_reinstall_hidden"],
    checks: &[
        check("s340.same_answers", "the frozen questions get the same answers as before, by meaning"),
        check("s340.new_answers", "the answers that must differ do: version, revision, advertised URLs"),
        check("s340.pages", "every page answers with its marks and without an error block"),
        check("s340.whose_page", "the page header names OPS and no other server"),
        check("s340.client_works", "the client lists, syncs and finds best references"),
        check(
            "s340.downloads",
            "mappings and references download with the catalogued checksums by every published URL",
        ),
        check("s340.versions", "the running release is the planned one, in client and server package"),
        check("s340.write_path", "a login and a lock can be written and are gone afterwards"),
        check("s340.archive_parameters", "dataset parameters of the archive can be had"),
        check("s340.upload_page", "the upload form and its script are whole"),
        check("s340.log_clean", "the server's log of these minutes shows nothing abnormal"),
        check("s340.still_hidden", "afterwards: 8001 refuses still, nobody has made the hidden server public"),
    ],
};

/// Stack in the rc file.
pub static S350_SWITCH_STACK: StepSpec = StepSpec {
    id: "s350_switch_stack",
    section: SECTION,
    title: "Switch the stack",
    class: Class::Reversible,
    added: false,
    procedure: "Switch the server stack in dot_setenv.",
    looks_at: &["OPS: dot_setenv, the rc file, a clean login; the new stack's files"],
    does: &[
        "OPS: this host's case of dot_setenv is edited and committed, the checkout updated to that commit, the rc file installed",
    ],
    way_back: "revert the commit, put the saved rc file back",
    needs: &["s340_try_hidden"],
    checks: &[
        check(
            "s350.stack_whole",
            "before: the new stack is there, whole: interpreter, mod_wsgi, libraries, the planned versions",
        ),
        check("s350.only_this_host", "only this host's line changed"),
        check("s350.parses_for_all", "the file parses silently for every fleet name and sets every variable"),
        check("s350.committed", "the change is one commit on the release branch, the checkout is clean at it"),
        check("s350.rc_equal", "the rc file of the home equals the checkout's"),
        check("s350.clean_login", "a clean login on this host sees exactly the new stack, the other hosts theirs"),
        check("s350.known_good", "the hosts stand as the reviewed known-good state of this step says"),
    ],
};

/// Reinstall on the stack.
pub static S360_REINSTALL_ON_NEW_STACK: StepSpec = StepSpec {
    id: "s360_reinstall_on_new_stack",
    section: SECTION,
    title: "Reinstall on the new stack",
    class: Class::Reversible,
    added: false,
    procedure: "Re-install again, runtests on the backup port.",
    looks_at: &["as s330, and the server process's own libraries"],
    does: &["OPS: `set_backup_url True` from a clean login; `runtests live`"],
    way_back: "put the old rc file back, reinstall from a clean login",
    needs: &["s350_switch_stack"],
    checks: &[
        check("s360.install_log", "the install log is new, whole and without an error word"),
        check("s360.installed_equals_checkout", "every installed module equals the checkout, both revisions stamped"),
        check("s360.one_server", "exactly one server parent, younger than the installed files, with its memcached"),
        check("s360.hidden", "8002 answers, 8001 refuses, flag and advertised URLs say 8002, the proxy its outage"),
        check("s360.stack_in_use", "the server process runs the new stack's mod_wsgi and Python and no other's"),
        check(
            "s360.one_stack_in_environment",
            "env.csh, env.sh and lib/mod_wsgi.so name the new stack only, and no variable of the account overrides the server",
        ),
        check("s360.answers", "pages and RPC answer within their time on every worker"),
        check("s360.tests_ran_now", "the test log was written by this run against the hidden URL"),
        check("s360.tests_whole", "one summary, a verdict for each test, the test database destroyed"),
        check("s360.no_new_failure", "no test fails but those that a waiver names"),
        check("s360.no_test_vanished", "every test of the baseline ran, none is newly skipped"),
        check("s360.data_untouched", "cache, deliveries, catalogues and database are as before the tests"),
        check("s360.contexts_untouched", "context in database, RPC, pages and cache configuration are as before"),
        check("s360.still_hidden", "the server is still hidden after the tests, cron still empty"),
        check("s360.known_good", "the hosts stand as the reviewed known-good state of this step says"),
    ],
};

/// Go live.
pub static S370_GO_LIVE: StepSpec = StepSpec {
    id: "s370_go_live",
    section: SECTION,
    title: "Go live",
    class: Class::Reversible,
    added: false,
    procedure: "Bring up OPS for real and give it a once-over.",
    looks_at: &["OPS: ports, proxy, pages, RPC, downloads, cron table and the jobs' products"],
    does: &["OPS: `set_backup_url False`; the release's cron table installed"],
    way_back: "stop cron and server, `set_backup_url True`",
    needs: &["s360_reinstall_on_new_stack"],
    checks: &[
        check("s370.public", "8001 answers, 8002 refuses, exactly one server"),
        check(
            "s370.flag_and_urls",
            "port flag, installed copy, Listen line and advertised URLs say operational, svn status is clean, nothing was committed",
        ),
        check("s370.proxy_serves", "the public proxy serves this server, big answers too"),
        check("s370.certificates", "the certificates of server and proxy verify"),
        check("s370.pages", "every page and service answers with its marks"),
        check("s370.downloads", "downloads match their checksums by every published URL"),
        check(
            "s370.contexts_agree",
            "the context is the same in database, RPC, page, cache configuration and published cache",
        ),
        check("s370.cron_is_the_releases", "the cron table equals the release's file, the `at` queue is empty"),
        check("s370.watchers_fresh", "each frequent cron job ran within its period and made its product"),
        check("s370.no_reprocessing_mail", "going live sent no mail to the reprocessing lists"),
        check("s370.states_untouched", "no file changed its state while OPS was hidden"),
        check("s370.known_good", "the hosts stand as the reviewed known-good state of this step says"),
    ],
};
