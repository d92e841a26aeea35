//! Fleet time, and what falls due in it.

use std::fs;

use super::Fleet;

#[test]
fn a_step_moves_time_but_not_the_times_of_files() {
    let fleet = Fleet::up("scratch");
    assert_eq!(fleet.sh("scratch", "date +%F-%H"), "2014-09-16-11");
    fleet.sh("scratch", "touch made; touch -d '2014-08-01 03:05:06' set");
    let before = fleet.sh("scratch", "stat -c %y made");
    fleet.sh("scratch", "sleep 26h");
    assert_eq!(fleet.sh("scratch", "date +%F-%H"), "2014-09-17-13");
    assert_eq!(fleet.sh("scratch", "stat -c %y made"), before);
    assert_eq!(fleet.sh("scratch", "stat -c %y set | cut -c1-19"), "2014-08-01 03:05:06");
    // Every tool agrees on what it is and how old the file is.
    assert_eq!(fleet.sh("scratch", "ls -l --time-style=+%F made | cut -d' ' -f6"), "2014-09-16");
    assert_eq!(
        fleet.sh("scratch", "tar cf x.tar made set; tar tvf x.tar | awk '{print $4, $5}' | paste -sd' '"),
        before_minutes(&before)
    );
    assert_eq!(fleet.sh("scratch", "perl -e 'print int((time - (stat \"made\")[9]) / 3600)'"), "26");
    assert_eq!(fleet.sh("scratch", "find . -maxdepth 1 -name 'set' -mtime +40"), "./set");
    assert_eq!(fleet.sh("scratch", "printf '%(%F)T'"), "2014-09-17");
    assert_eq!(
        fleet.sh("scratch", "cp -p made kept; stat -c %y kept | cut -c1-19"),
        before.get(..19).unwrap_or_default()
    );
    assert_eq!(
        fleet.sh("scratch", "uname -n; uname -srm; perl -MSys::Hostname -e 'print hostname'"),
        "xlhstcrdsv1.stsci.edu\nLinux 2.6.32-431.29.2.el6.x86_64 x86_64\nxlhstcrdsv1.stsci.edu"
    );
}

/// What tar shows of both files: minutes of the one made, and of the one whose time was set.
fn before_minutes(before: &str) -> String {
    format!("{} 2014-08-01 03:05", before.get(..16).unwrap_or_default())
}

const TABLE: &str = "SHELL=/bin/sh
MAILTO=\"crds-servers@stsci.edu\"
05 03 * * * echo nightly at `date +\\%F-\\%R`; sleep 45; date +\\%S
*/5 * * * * echo five at `date +\\%F-\\%R`
0 0 * * 0 echo weekly
";

fn install_table(fleet: &Fleet) {
    std::fs::write(fleet.root().join("home.table"), TABLE).expect("written");
    let table = fleet.root().join("home.table");
    fleet.sh("scratch", &format!("crontab {}", table.display()));
}

#[test]
fn a_long_step_runs_each_nightly_and_the_last_ten_minutes() {
    let fleet = Fleet::up("scratch");
    install_table(&fleet);
    assert_eq!(fleet.sh("scratch", "crontab -l"), TABLE.trim_end());
    fleet.sh("scratch", "echo 'echo queued at `date +%F-%R`' | at 18:00");
    assert!(fleet.sh("scratch", "atq").contains("2014-09-16 18:00"));
    fleet.sh("scratch", "sleep 45h");
    let mails = fleet.mails();
    let count = |text: &str| mails.iter().filter(|mail| mail.contains(text)).count();
    assert_eq!(count("\nnightly at 2014-09-17-03:05"), 1);
    assert_eq!(count("\nnightly at 2014-09-18-03:05"), 1);
    assert_eq!(count("\nqueued at 2014-09-16-18:00"), 1);
    assert_eq!(count("\nfive at 2014-09-18-0"), 2, "only those of the last ten minutes");
    assert_eq!(count("\nfive at "), 2);
    assert_eq!(count("\nweekly"), 0);
    let nightly = mails.iter().find(|mail| mail.contains("\nnightly")).expect("a mail");
    assert!(nightly.contains("Subject: Cron <crds@xlhstcrdsv1> echo nightly") || !nightly.contains("Cron <crds@"));
    assert!(nightly.contains("To: crds-servers@stsci.edu"));
    assert!(nightly.contains("\n45"), "a job's own sleep takes fleet time: {nightly}");
    assert_eq!(fleet.sh("scratch", "atq"), "");
}

#[test]
fn short_steps_and_every_job_leave_nothing_out() {
    let fleet = Fleet::up("scratch");
    install_table(&fleet);
    fleet.sh("scratch", "sleep 30m");
    assert_eq!(fleet.mails().len(), 6);
    fleet.order(&["clock", "step", "2h", "--every-job"]);
    assert_eq!(fleet.mails().len(), 6 + 24);
    fleet.sh("scratch", "crontab </dev/null; sleep 30m");
    assert_eq!(fleet.mails().len(), 6 + 24);
    let empty = fleet.enter("scratch", &["crontab", "-l"]);
    assert!(empty.status.success() && empty.stdout.is_empty());
    fleet.sh("scratch", "crontab -r");
    let none = fleet.enter("scratch", &["crontab", "-l"]);
    assert_eq!(String::from_utf8_lossy(&none.stderr).split(" for ").next(), Some("no crontab"));
    let bad = fleet.sh("scratch", "echo '61 * * * * x' | crontab 2>&1");
    assert!(bad.contains("bad minute") && bad.contains("can't install"), "{bad}");
}

#[test]
fn every_csh_reads_the_rc_of_its_host_and_not_of_the_machine_below() {
    let fleet = Fleet::up("scratch");
    fs::write(fleet.host_root("scratch").join("etc/csh.cshrc"), "setenv SEEN $0:t-$?tcsh\n").expect("written");
    assert_eq!(fleet.sh("scratch", "tcsh -c 'echo $SEEN'; csh -c 'csh -c \"echo $SEEN\"'"), "tcsh-1\ncsh-1");
    fs::remove_file(fleet.host_root("scratch").join("etc/csh.cshrc")).expect("removed");
    assert_eq!(fleet.sh("scratch", "tcsh -c 'echo $?SEEN'"), "0", "a machine may have none");
}

#[test]
fn commands_of_the_machine_see_this_host_only() {
    let fleet = Fleet::up("scratch");
    let other = Fleet::up("scratch");
    other.sh("scratch", "memcached -s $HOST_ROOT/tmp/memcached.sock >/dev/null 2>&1 & disown");
    let started = fleet.sh(
        "scratch",
        "memcached -s $HOST_ROOT/tmp/memcached.sock >/dev/null 2>&1 & disown; for i in 1 2 3 4 5 6 7 8 9; do sleep 1; ps -C memcached -o pid= && break; done",
    );
    assert!(started.trim().parse::<i32>().is_ok(), "one memcached is seen: `{started}`");
    assert_eq!(fleet.sh("scratch", "killall memcached && sleep 5; sleep 5; ps -C memcached -o pid="), "");
    let still = other.sh("scratch", "ps -C memcached -o args=");
    assert!(still.contains("memcached -s"), "the other fleet's goes on: `{still}`");
    let none = fleet.enter("scratch", &["killall", "memcached"]);
    assert_eq!(
        (none.status.code(), String::from_utf8_lossy(&none.stderr).trim()),
        (Some(1), "memcached: no process killed")
    );
    assert!(fleet.sh("scratch", "df -P $HOST_ROOT/tmp").contains("/tmp"));
    fleet.sh("scratch", "echo text | mail -s subject -r crds-servers@stsci.edu -a /etc/passwd somebody@stsci.edu");
    let mail = fleet.mails().pop().expect("a message");
    assert!(mail.contains("Subject: subject") && mail.contains("filename=\"passwd\""), "{mail}");
}
