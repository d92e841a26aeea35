//! The cron table, jobs that run because of it, and the `at` queue (SO 9).

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::host::{Limit, Ran, Script, Shell};
use crate::plan::Change;
use crate::run::Permit;

use super::{CrdsError, Process, Server};

/// A queued `at` job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AtJob {
    /// Its number.
    pub id: String,
    /// The rest of `atq`'s line.
    pub when: String,
}

/// The lines of the system's cron tables, each after its table's name and a colon.
const SYSTEM_CRON: Script = Script {
    name: "the system's cron tables",
    shell: Shell::Sh,
    text: r#"for table in "$1" "$2"/*; do if [ -f "$table" ] && [ -r "$table" ]; then grep -H "^[^#]" "$table" || :; fi; done"#,
};

/// Names of the programs that cron, or a person in its stead, starts on a CRDS server (SO 9, 16): a process of one of them
/// is a job still running.
const JOBS: [&str; 30] = [
    "nightly.crds.job",
    "nightly.crds.job.core",
    "monitor_reprocessing",
    "affected_datasets",
    "cron_sync",
    "sync_ops_to_grp",
    "clear_web_cache",
    "prime_web_cache",
    "crds_certify_cache",
    "crds_verify_cache",
    "set_grp_cache_permissions",
    "update_delivery_status",
    "cron_query_affected_datasets",
    "backup_server",
    "restore_server",
    "mirror_server",
    "capture",
    "regress",
    "runtests",
    "crds.sync",
    "crds.certify",
    "crds.bestrefs",
    "push",
    "snip",
    "rerun",
    "set_backup_url",
    "redeliver_catalogs",
    "orphan_files",
    "build_stack",
    "no_cron_til",
];

/// Programs that write whole trees: one of them at work in a server's trees is somebody's copy that has not ended.
const COPIERS: [&str; 4] = ["rsync", "scp", "cp", "mv"];

/// The processes among `all` that copy or move what lies below one of `trees`.
fn copies(all: &[Process], trees: &[&str]) -> Vec<Process> {
    let copier = |process: &&Process| {
        let mut words = process.args.split_whitespace().take(2).map(|word| word.rsplit('/').next().unwrap_or(word));
        words.any(|word| COPIERS.contains(&word))
    };
    let there = |process: &&Process| trees.iter().any(|tree| process.args.contains(tree));
    all.iter().filter(copier).filter(there).cloned().collect()
}

/// The processes among `all` that are cron jobs or were started by them.
pub fn job_processes(all: &[Process]) -> Vec<Process> {
    let is_job = |process: &Process| {
        process.args.split_whitespace().any(|word| {
            let name = word.rsplit('/').next().unwrap_or(word).trim_end_matches(';');
            JOBS.contains(&name)
        }) || process.args.contains("cronenv.csh")
    };
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for process in all {
        children.entry(process.ppid).or_default().push(process.pid);
    }
    let mut next: Vec<u32> = all.iter().filter(|process| is_job(process)).map(|process| process.pid).collect();
    let mut chosen = HashSet::new();
    while let Some(pid) = next.pop() {
        if chosen.insert(pid) {
            next.extend(children.get(&pid).into_iter().flatten());
        }
    }
    all.iter().filter(|process| chosen.contains(&process.pid)).cloned().collect()
}

impl Server {
    /// The account's cron table, byte for byte; empty if there is none.
    ///
    /// # Errors
    ///
    /// The host cannot be asked, or `crontab` says something else than a table or that there is none.
    pub fn crontab(&self) -> Result<String, CrdsError> {
        let ran = self.remote.look(&["crontab", "-l"], Limit::QUICK)?;
        if ran.is_zero() {
            return Ok(ran.text());
        }
        let said = format!("{}{}", ran.text(), ran.error_text());
        if said.trim_start().starts_with("no crontab for") {
            return Ok(String::new());
        }
        Err(self.shape("the cron table", &said))
    }

    /// Replaces the account's cron table; an empty text empties it.
    ///
    /// # Errors
    ///
    /// The host cannot be asked. Read the table back: the status says nothing.
    pub fn set_crontab(&self, permit: &Permit<'_>, table: &str) -> Result<Ran, CrdsError> {
        Ok(self.remote.act_with(permit, Change::Cron, &["crontab", "-"], table.as_bytes(), Limit::QUICK)?)
    }

    /// The table of the checked-out release.
    ///
    /// # Errors
    ///
    /// The host cannot be asked or has no such file.
    pub fn release_crontab(&self) -> Result<String, CrdsError> {
        let path = format!("{}/host/crontab", self.paths.server_sources);
        Ok(String::from_utf8_lossy(&self.remote.read_file(&path, 1 << 20)?).into_owned())
    }

    /// Lines of the system's own cron tables (`/etc/crontab`, `/etc/cron.d`) that start something of the account, with
    /// the name of the table before them. They are not in `crontab -l`, and emptying that does not stop them.
    ///
    /// # Errors
    ///
    /// The host cannot be asked.
    pub fn system_cron_lines(&self) -> Result<Vec<String>, CrdsError> {
        let (table, directory) = (self.remote.path("/etc/crontab"), self.remote.path("/etc/cron.d"));
        let ran = self.remote.must_look_script(&SYSTEM_CRON, &[&table, &directory], Limit::QUICK)?;
        let account = self.host.identity.account.as_str();
        let of_account = |line: &str| {
            // Five fields of time, the account, the command; a line of fewer words sets a variable or is a remark.
            let mut words = line.split_once(':').map_or("", |(_, line)| line).split_whitespace().skip(5);
            words.next() == Some(account)
        };
        Ok(ran.text().lines().filter(|line| of_account(line)).map(str::to_owned).collect())
    }

    /// What is queued with `at`.
    ///
    /// # Errors
    ///
    /// The host cannot be asked.
    pub fn at_queue(&self) -> Result<Vec<AtJob>, CrdsError> {
        let ran = self.remote.must_look(&["atq"], Limit::QUICK)?;
        let text = ran.text();
        let jobs = text.lines().filter(|line| !line.trim().is_empty()).map(|line| {
            let (id, when) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            AtJob { id: id.to_owned(), when: when.trim().to_owned() }
        });
        Ok(jobs.collect())
    }

    /// Cron jobs that are running.
    ///
    /// # Errors
    ///
    /// The host cannot be asked.
    pub fn running_jobs(&self) -> Result<Vec<Process>, CrdsError> {
        let all = self.processes()?;
        let mut jobs = job_processes(&all);
        let trees = [&self.paths().crds, &self.paths().server_files, &self.paths().cache];
        for copy in copies(&all, &trees.map(String::as_str)) {
            if !jobs.contains(&copy) {
                jobs.push(copy);
            }
        }
        Ok(jobs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_and_its_children_are_running_jobs() {
        let process = |pid, ppid, args: &str| Process { pid, ppid, args: args.into(), ..Process::default() };
        let all = [
            process(1, 0, "init"),
            process(10, 1, "tcsh -c source $HOME/cronenv.csh; monitor_reprocessing"),
            process(11, 10, "python -m crds.bestrefs"),
            process(12, 1, "httpd -f /x"),
            process(13, 1, "/bin/csh /crds/CRDS_server/host/affected_datasets a b"),
        ];
        let pids: Vec<u32> = job_processes(&all).iter().map(|process| process.pid).collect();
        assert_eq!(pids, [10, 11, 13]);
    }

    #[test]
    fn a_long_chain_of_children_is_followed_in_a_moment() {
        let process = |pid: u32, args: &str| Process { pid, ppid: pid - 1, args: args.into(), ..Process::default() };
        let mut all: Vec<Process> = (2..60_000).rev().map(|pid| process(pid, "sh")).collect();
        all.push(process(1, "monitor_reprocessing"));
        let began = std::time::Instant::now();
        assert_eq!(job_processes(&all).len(), 59_999);
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
    }
}
