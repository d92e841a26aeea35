//! What an operator is told where preflight finds something: the likely cause and the next move.

use super::tally::Advice;

/// For a check of preflight.
pub fn preflight(check: &str) -> Advice {
    let (cause, next) = match check {
        "plan_and_site" => ("plan and site were not made for each other", "`crds-upgrade check` names every line"),
        "identities" => (
            "the site file points to another host, or the host is configured as another one (A010)",
            "compare [hosts.*.identity] with the host by hand",
        ),
        "lock" => ("another run has the host", "finish or abandon that run first"),
        "tools" => (
            "a package is missing, or a script lost its execute bit (D131)",
            "install it, or name another program in [hosts.*.commands]",
        ),
        "space" => ("logs, backups or captures fill the disk", "free space before the server is taken down"),
        "clocks" => (
            "a clock runs free, or the host was moved to UTC (D127)",
            "mend the clock; times of backups and logs are judged by it",
        ),
        "environment" => (
            "an edit of the shared rc file broke it for a host (B065)",
            "mend ~/.setenv; `tcsh -f -c 'source ~/.setenv'` must print nothing",
        ),
        "certificates" => ("a certificate has ended or is for another name (D136)", "renew it before the window"),
        "credentials" => (
            "a wrong password, a user without the group, or a lock left behind",
            "log in by hand with instrument `none`",
        ),
        "start_state" => (
            "OPS is not where the plan believes it to be",
            "find out what was changed since the plan was written, then mend the plan",
        ),
        "port_flag" => (
            "the release has no port flag, or True was committed (B040)",
            "do not go on: such a release comes up hidden or cannot hide",
        ),
        "approved_revisions" => (
            "somebody committed to the release branch after the approval (B067)",
            "have the commit approved and the plan mended, or reverted",
        ),
        "nightly_backup_looks_whole" => ("the nightly did not run or broke off", "make a set with tools/backup_server"),
        "forecast" => (
            "the tree is too large for the window",
            "lengthen the window or move what is large out of the installation",
        ),
        "databases" => (
            "the configuration names another database (A010), half a lock is left (B079), deliveries were emptied or a counter set back",
            "look at crds_database.py, deliveries/ and the tables locking_lock and counters; tools/reset_file_counters",
        ),
        "file_systems" => (
            "a file system is not mounted, or one part lies elsewhere (B089, A005)",
            "look at `mount`; hard links need one file system",
        ),
        _ => ("a part of a host cannot be read", "read the error above"),
    };
    Advice { cause, next }
}
