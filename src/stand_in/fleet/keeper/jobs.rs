//! Running cron and `at` jobs as their daemons do, output by mail.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::table::Job;
use crate::stand_in::fleet::mail::Message;
use crate::stand_in::fleet::spec::{Fleet, Host};

/// Ids of the jobs that run now.
#[derive(Debug, Default)]
pub struct Running(Mutex<Vec<i32>>);

impl Running {
    /// The ids now.
    pub fn ids(&self) -> Vec<i32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, id: i32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    }

    fn remove(&self, id: i32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| *known != id);
    }
}

/// What a daemon starts.
pub struct Start<'a> {
    /// The shell and its arguments.
    pub shell: Vec<String>,
    /// What it reads.
    pub input: Option<Vec<u8>>,
    /// Variables besides those of a fresh login.
    pub variables: &'a [(String, String)],
    /// Where it starts.
    pub directory: PathBuf,
    /// To whom its output goes; nobody: discarded.
    pub mail_to: Option<String>,
    /// Subject of that mail.
    pub subject: String,
    /// Sender of that mail.
    pub from: String,
}

/// Carries out one line of a cron table and mails its output.
pub fn run_cron(fleet: &Fleet, host: &Host, job: &Job, running: &Running, now: &dyn Fn() -> Timestamp) {
    let shell = job.variable("SHELL").unwrap_or("/bin/sh").to_owned();
    let to = job.variable("MAILTO").unwrap_or(&fleet.account).to_owned();
    let start = Start {
        shell: vec![shell, "-c".to_owned(), job.command.clone()],
        input: job.input.clone().map(String::into_bytes),
        variables: &job.variables,
        directory: fleet.home_of(host),
        mail_to: (!to.is_empty()).then_some(to),
        subject: format!("Cron <{}@{}> {}", fleet.account, host.uname, job.command),
        from: format!("root@{} (Cron Daemon)", host.full_name()),
    };
    run(fleet, host, &start, running, now);
}

/// Carries out a start and waits for its end.
pub fn run(fleet: &Fleet, host: &Host, start: &Start<'_>, running: &Running, now: &dyn Fn() -> Timestamp) {
    let Some((shell, arguments)) = start.shell.split_first() else { return };
    let output = carry_out(fleet, host, shell, arguments, start, running);
    let body = match output {
        Ok(body) => body,
        Err(error) => format!("{shell}: {error}\n").into_bytes(),
    };
    let Some(to) = start.mail_to.as_ref().filter(|_| !body.is_empty()) else { return };
    let mut headers = vec![
        ("From".to_owned(), start.from.clone()),
        ("To".to_owned(), to.clone()),
        ("Subject".to_owned(), start.subject.clone()),
        ("Content-Type".to_owned(), "text/plain; charset=UTF-8".to_owned()),
        ("Auto-Submitted".to_owned(), "auto-generated".to_owned()),
    ];
    let shown = [("SHELL", shell.as_str()), ("LOGNAME", &fleet.account), ("USER", &fleet.account)];
    headers.extend(shown.map(|(name, value)| ("X-Cron-Env".to_owned(), format!("<{name}={value}>"))));
    let message = Message { headers, body };
    if let Err(error) = message.deliver(fleet, host, now()) {
        super::note(format_args!("mail of `{}` on {} is lost: {error}", start.subject, host.uname));
    }
}

fn carry_out(
    fleet: &Fleet,
    host: &Host,
    shell: &str,
    arguments: &[String],
    start: &Start<'_>,
    running: &Running,
) -> std::io::Result<Vec<u8>> {
    // A file and not a pipe: a server that a job starts keeps the output open, and the mail must not wait for it.
    let mut output = unnamed(fleet)?;
    let mut command = fleet.command(host, shell);
    command.args(arguments).current_dir(&start.directory);
    command.env("SHELL", shell);
    command.envs(start.variables.iter().filter(|(name, _)| name != "LOGNAME" && name != "USER").cloned());
    command.stdout(output.try_clone()?).stderr(output.try_clone()?);
    match &start.input {
        Some(input) => {
            let mut file = unnamed(fleet)?;
            file.write_all(input)?;
            file.seek(SeekFrom::Start(0))?;
            command.stdin(file)
        }
        None => command.stdin(Stdio::null()),
    };
    // SAFETY: one plain system call.
    unsafe {
        command.pre_exec(|| rustix::process::setsid().map(|_| ()).map_err(Into::into));
    }
    let mut child = command.spawn()?;
    let id = i32::try_from(child.id()).unwrap_or(0);
    running.add(id);
    let ended = child.wait();
    running.remove(id);
    ended?;
    output.seek(SeekFrom::Start(0))?;
    let mut body = Vec::new();
    output.read_to_end(&mut body)?;
    Ok(body)
}

fn unnamed(fleet: &Fleet) -> std::io::Result<fs::File> {
    tempfile::tempfile_in(fleet.run())
}
