//! Processes of the account: who runs, since when, on what code.

use std::collections::HashSet;

use serde::Serialize;

use crate::host::{Limit, Script, Shell};

use super::{CrdsError, Server};

/// One process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its parent's id.
    pub ppid: u32,
    /// Owner.
    pub user: String,
    /// State letters; `D` = blocked in I/O.
    pub state: String,
    /// Seconds since its start.
    pub elapsed_s: u64,
    /// Command line.
    pub args: String,
}

/// What libraries a process has mapped. Read as the account, so only its own processes can be asked.
const MAPS: Script = Script {
    name: "maps of a process",
    shell: Shell::Sh,
    text: r#"if [ -r "$HOST_ROOT/proc/$1/maps" ]; then cat "$HOST_ROOT/proc/$1/maps"; else cat "/proc/$1/maps"; fi"#,
};

impl Server {
    /// All processes of the host that `ps` shows.
    ///
    /// # Errors
    ///
    /// The host cannot be asked or `ps` prints something else.
    pub fn processes(&self) -> Result<Vec<Process>, CrdsError> {
        let argv = ["ps", "-eo", "pid=,ppid=,user=,stat=,etime=,args="];
        let ran = self.remote.must_look(&argv, Limit { output: 8 << 20, ..Limit::QUICK })?;
        processes(&ran.text()).map_err(|line| self.shape("a process", line))
    }

    /// The server's parents: httpd processes of the account whose parent is no httpd.
    ///
    /// # Errors
    ///
    /// As [`Self::processes`].
    pub fn httpd_parents(&self) -> Result<Vec<Process>, CrdsError> {
        Ok(httpd_parents(&self.processes()?, &self.host.identity.account))
    }

    /// The process that Apache's pid file names, if there is one.
    ///
    /// # Errors
    ///
    /// As [`Self::processes`].
    pub fn pid_file(&self) -> Result<Option<u32>, CrdsError> {
        let bytes = self.remote.read_if_there(&format!("{}/run/httpd.pid", self.paths.server), 64)?;
        Ok(bytes.and_then(|bytes| String::from_utf8_lossy(&bytes).trim().parse().ok()))
    }

    /// The memcached processes of the account.
    ///
    /// # Errors
    ///
    /// As [`Self::processes`].
    pub fn memcached(&self) -> Result<Vec<Process>, CrdsError> {
        let all = self.processes()?;
        Ok(all
            .into_iter()
            .filter(|process| process.is("memcached") && process.user == self.host.identity.account)
            .collect())
    }

    /// Servers of the account that Apache knows nothing of: Django's own, started by hand through `manage`.
    ///
    /// # Errors
    ///
    /// As [`Self::processes`].
    pub fn servers_by_hand(&self) -> Result<Vec<Process>, CrdsError> {
        let account = &self.host.identity.account;
        let all = self.processes()?.into_iter();
        Ok(all.filter(|process| process.user == *account && process.is_server_by_hand()).collect())
    }

    /// Files that a process has mapped, sorted, each once.
    ///
    /// # Errors
    ///
    /// The host cannot be asked, or the process has ended.
    pub fn mapped_files(&self, pid: u32) -> Result<Vec<String>, CrdsError> {
        let id = pid.to_string();
        let ran = self.remote.must_look_script(&MAPS, &[&id], Limit::QUICK)?;
        let text = ran.text();
        let mut files: Vec<String> =
            text.lines().filter_map(|line| line.find('/').map(|at| line[at..].to_owned())).collect();
        files.sort();
        files.dedup();
        Ok(files)
    }
}

impl Process {
    /// Whether it is Django's own server.
    pub fn is_server_by_hand(&self) -> bool {
        self.args.split_whitespace().any(|word| word.starts_with("runserver"))
    }

    /// The value of an option that its command line gives as a word of its own.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.args.split_whitespace().skip_while(|word| *word != name).nth(1)
    }

    /// Whether it runs the program called `name`.
    pub fn is(&self, name: &str) -> bool {
        let first = self.args.split_whitespace().next().unwrap_or("");
        first.rsplit('/').next() == Some(name)
    }
}

pub(super) fn httpd_parents(all: &[Process], account: &str) -> Vec<Process> {
    let is_httpd = |process: &&Process| process.is("httpd") && (process.user == account || process.user == "root");
    let ids: HashSet<u32> = all.iter().filter(is_httpd).map(|process| process.pid).collect();
    all.iter().filter(is_httpd).filter(|process| !ids.contains(&process.ppid)).cloned().collect()
}

/// The processes that `ps` lists, or the line that is none. An argument of several lines, such as a program given to an
/// interpreter, goes on in the next.
fn processes(text: &str) -> Result<Vec<Process>, &str> {
    let mut all: Vec<Process> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match (process(line), all.last_mut()) {
            (Some(process), _) => all.push(process),
            (None, Some(above)) => {
                above.args.push('\n');
                above.args.push_str(line);
            }
            (None, None) => return Err(line),
        }
    }
    Ok(all)
}

fn process(line: &str) -> Option<Process> {
    let mut rest = line.trim_start();
    let mut field = || {
        rest = rest.trim_start();
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (field, after) = rest.split_at(end);
        rest = after;
        (!field.is_empty()).then_some(field)
    };
    let pid = field()?.parse().ok()?;
    let ppid = field()?.parse().ok()?;
    let user = field()?.to_owned();
    let state = field()?.to_owned();
    let elapsed_s = elapsed(field()?)?;
    Some(Process { pid, ppid, user, state, elapsed_s, args: rest.trim().to_owned() })
}

/// `[[DD-]hh:]mm:ss` in seconds.
fn elapsed(text: &str) -> Option<u64> {
    let (days, clock) = match text.split_once('-') {
        Some((days, clock)) => (days.parse::<u64>().ok()?, clock),
        None => (0, text),
    };
    let parts: Vec<u64> = clock.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let seconds = match parts[..] {
        [m, s] => m.checked_mul(60)?.checked_add(s)?,
        [h, m, s] => h.checked_mul(3600)?.checked_add(m.checked_mul(60)?)?.checked_add(s)?,
        _ => return None,
    };
    days.checked_mul(86_400)?.checked_add(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_ps_is_read() {
        let read = process("  4711     1 crds     Ss   2-03:04:05 /usr/sbin/httpd -f /x y").unwrap();
        assert_eq!((read.pid, read.ppid, read.elapsed_s), (4711, 1, 2 * 86_400 + 3 * 3600 + 4 * 60 + 5));
        assert_eq!(read.args, "/usr/sbin/httpd -f /x y");
        assert!(read.is("httpd"));
        assert_eq!(elapsed("00:07"), Some(7));
        assert_eq!(elapsed("7"), None);
        assert!(process("PID PPID").is_none());
    }

    #[test]
    fn an_argument_may_have_several_lines() {
        let text = "    7     1 crds     S       00:07 python -c import time\ntime.sleep(9)\n    8     7 crds     Z       00:06 true\n";
        let read = processes(text).expect("processes");
        assert_eq!(read.iter().map(|process| process.pid).collect::<Vec<_>>(), [7, 8]);
        assert_eq!(read[0].args, "python -c import time\ntime.sleep(9)");
        assert_eq!(processes("error: unknown option\n"), Err("error: unknown option"));
    }

    #[test]
    fn only_the_first_of_a_family_is_a_parent() {
        let make = |pid, ppid| Process { pid, ppid, user: "crds".into(), args: "httpd".into(), ..Process::default() };
        let all = [make(5, 1), make(6, 5), make(7, 5), make(9, 1)];
        let parents: Vec<u32> = httpd_parents(&all, "crds").iter().map(|process| process.pid).collect();
        assert_eq!(parents, [5, 9]);
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_stands_in_the_line(line in crate::mangled::text("  4711     1 crds     Ss   2-03:04:05 /usr/sbin/httpd -f /x y")) {
            if let Some(read) = process(&line) {
                let words: Vec<&str> = line.split_whitespace().collect();
                proptest::prop_assert_eq!(words[0].parse(), Ok(read.pid));
                proptest::prop_assert_eq!(words[1].parse(), Ok(read.ppid));
                proptest::prop_assert_eq!((words[2], words[3]), (read.user.as_str(), read.state.as_str()));
                proptest::prop_assert!(line.trim_end().ends_with(&read.args));
            }
        }
    }
}
