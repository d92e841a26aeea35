//! The cron table, jobs that run because of it, and the `at` queue (SO 9).

use serde::Serialize;

use crate::host::{Limit, Ran};
use crate::plan::Change;
use crate::run::Permit;

use super::{CrdsError, Process, Server};

/// An active line of a cron table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CronLine {
    /// The five time fields.
    pub schedule: String,
    /// The command, without the line's end.
    pub command: String,
}

/// A queued `at` job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AtJob {
    /// Its number.
    pub id: String,
    /// The rest of `atq`'s line.
    pub when: String,
}

/// The lines of a table that start something: no comments, blanks or assignments.
pub fn active_lines(table: &str) -> Vec<CronLine> {
    table.lines().filter_map(line).collect()
}

fn line(text: &str) -> Option<CronLine> {
    let text = text.trim();
    let first = text.split_whitespace().next()?;
    if first.starts_with('#') {
        return None;
    }
    if let Some(name) = text.split('=').next()
        && text.contains('=')
        && name.trim().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.trim().is_empty()
        && !name.trim().starts_with(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    let fields = if first.starts_with('@') { 1 } else { 5 };
    let mut rest = text;
    let mut schedule = Vec::new();
    for _ in 0..fields {
        rest = rest.trim_start();
        let end = rest.find(char::is_whitespace)?;
        schedule.push(&rest[..end]);
        rest = &rest[end..];
    }
    Some(CronLine { schedule: schedule.join(" "), command: rest.trim().to_owned() })
}

/// Names of the programs that cron starts on a CRDS server: a process of one of them is a job still running.
const JOBS: [&str; 14] = [
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
];

/// The processes among `all` that are cron jobs or were started by them.
pub fn job_processes(all: &[Process]) -> Vec<Process> {
    let is_job = |process: &Process| {
        process.args.split_whitespace().any(|word| {
            let name = word.rsplit('/').next().unwrap_or(word).trim_end_matches(';');
            JOBS.contains(&name)
        }) || process.args.contains("cronenv.csh")
    };
    let mut chosen: Vec<u32> = all.iter().filter(|process| is_job(process)).map(|process| process.pid).collect();
    loop {
        let more: Vec<u32> = all
            .iter()
            .filter(|process| chosen.contains(&process.ppid) && !chosen.contains(&process.pid))
            .map(|process| process.pid)
            .collect();
        if more.is_empty() {
            break;
        }
        chosen.extend(more);
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
        Ok(job_processes(&self.processes()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "SHELL=/bin/tcsh\nMAILTO=\"a@b\"\n# comment\n\n05 03 * * * source $HOME/cronenv.csh;      nightly.crds.job\n\
                         */5 * * * * source $HOME/cronenv.csh; x >& ${CRDS_CRON}/a=b.log\n@reboot run\n";

    #[test]
    fn comments_and_assignments_start_nothing() {
        let lines = active_lines(TABLE);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0].schedule, "05 03 * * *");
        assert_eq!(lines[0].command, "source $HOME/cronenv.csh;      nightly.crds.job");
        assert_eq!(lines[2], CronLine { schedule: "@reboot".into(), command: "run".into() });
    }

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

    proptest::proptest! {
        #[test]
        fn any_table_is_read(text in "\\PC{0,300}") {
            active_lines(&text);
        }
    }
}
