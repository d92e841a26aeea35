//! One process of this machine that reaches a host: bounded in time and output, killed as a whole group.

use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::record::Ended;

/// How long a killed group may take to end before it is killed without asking.
const GRACE: Duration = Duration::from_secs(2);

/// How long output may stay silent after the program ended: what it left running keeps the pipe open for ever.
const SILENCE_AFTER_END: Duration = Duration::from_millis(250);

/// Bounds of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Longest time.
    pub time: Duration,
    /// Most bytes of each of stdout and stderr.
    pub output: usize,
}

impl Limit {
    /// For a look that takes no time: 30 s, 1 MB.
    pub const QUICK: Self = Self { time: Duration::from_secs(30), output: 1 << 20 };
    /// For a look that walks a file system or a table: 10 minutes, 64 MB.
    pub const WALK: Self = Self { time: Duration::from_secs(600), output: 64 << 20 };

    /// The same bound of output with another time.
    pub const fn within(self, time: Duration) -> Self {
        Self { time, ..self }
    }
}

/// What a program left behind.
#[derive(Clone, Debug)]
pub struct Ran {
    /// How it ended; never evidence of success (SO 6).
    pub status: Ended,
    /// Its standard output. With a forced terminal both streams are here and lines end in CR LF.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// Time from start to end.
    pub elapsed: Duration,
    /// Bytes left out of the middle of a stream that was longer than its bound (acts only).
    pub left_out: u64,
}

impl Ran {
    /// Standard output as text, lines ending in LF alone; bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> String {
        plain_text(&self.stdout)
    }

    /// Standard error as text, as [`Self::text`].
    pub fn error_text(&self) -> String {
        plain_text(&self.stderr)
    }

    /// Whether it ended with status 0.
    pub fn is_zero(&self) -> bool {
        self.status == Ended::Exit(0)
    }

    /// The last line that says something: of stderr, else of stdout, cut to 200 characters.
    pub fn last_line(&self) -> String {
        let last = |text: String| text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned);
        let line = last(self.error_text()).or_else(|| last(self.text())).unwrap_or_default();
        line.chars().take(200).collect()
    }
}

/// `bytes` as text with LF line ends.
pub(super) fn plain_text(bytes: &[u8]) -> String {
    // An answer may be megabytes, and nearly every one is UTF-8: to see that takes a tenth of the time of mending it.
    let text = std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed);
    // Most hosts give no terminal, and most answers have no such end.
    if memchr::memmem::find(bytes, b"\r\n").is_none() {
        return text.into_owned();
    }
    text.replace("\r\n", "\n")
}

/// What came through a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streamed {
    /// How the program ended.
    pub status: Ended,
    /// Bytes that came.
    pub bytes: u64,
    /// BLAKE3 of them, in hexadecimal.
    pub blake3: String,
    /// The end of its standard error, at most 64 KB.
    pub stderr: Vec<u8>,
    /// Time from start to end.
    pub elapsed: Duration,
}

/// What becomes of output beyond the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beyond {
    /// The program is stopped.
    Stop,
    /// The middle is left out; for acts, which must not be stopped because they talk much.
    LeaveOut,
}

/// Why a process gave no result.
#[derive(Debug)]
pub(super) enum Stopped {
    Start(io::Error),
    Lost(io::Error),
    TimedOut { last: String },
    TooMuch,
    Keep(io::Error),
}

/// One end of the exchange on this side.
pub(super) trait Sink {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Stopped>;
}

/// Keeps up to `most` bytes: all, or head and tail.
pub(super) struct Kept {
    head: Vec<u8>,
    tail: std::collections::VecDeque<u8>,
    most: usize,
    beyond: Beyond,
    pub(super) left_out: u64,
}

impl Kept {
    pub(super) fn new(most: usize, beyond: Beyond) -> Self {
        Self { head: Vec::new(), tail: std::collections::VecDeque::new(), most, beyond, left_out: 0 }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.head;
        if self.left_out > 0 {
            bytes.extend_from_slice(format!("\n[{} bytes left out]\n", self.left_out).as_bytes());
        }
        bytes.extend(self.tail);
        bytes
    }
}

impl Sink for Kept {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Stopped> {
        if self.beyond == Beyond::Stop {
            if self.head.len() + bytes.len() > self.most {
                return Err(Stopped::TooMuch);
            }
            self.head.extend_from_slice(bytes);
            return Ok(());
        }
        let half = self.most / 2;
        let first = bytes.len().min(half.saturating_sub(self.head.len()));
        self.head.extend_from_slice(&bytes[..first]);
        self.tail.extend(&bytes[first..]);
        let surplus = self.tail.len().saturating_sub(half);
        self.tail.drain(..surplus);
        self.left_out += surplus as u64;
        Ok(())
    }
}

/// Hands bytes to a writer and counts and hashes them.
pub(super) struct Passed<'a> {
    pub(super) to: &'a mut dyn Write,
    pub(super) progress: &'a mut dyn FnMut(u64),
    pub(super) bytes: u64,
    pub(super) hash: blake3::Hasher,
}

impl Sink for Passed<'_> {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Stopped> {
        self.to.write_all(bytes).map_err(Stopped::Keep)?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        (self.progress)(self.bytes);
        Ok(())
    }
}

/// Runs `command` to its end. `stdin` is fed to it; it gets `time`.
pub(super) fn run(
    mut command: Command,
    stdin: &mut dyn Read,
    out: &mut dyn Sink,
    err: &mut dyn Sink,
    time: Duration,
) -> Result<Ended, Stopped> {
    let start = Instant::now();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(Stopped::Start)?;
    let result = exchange(&mut child, stdin, out, err, start, time);
    match result {
        Ok(status) => Ok(ended(status)),
        Err(stopped) => {
            kill_group(&mut child);
            Err(stopped)
        }
    }
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exit(code),
        (None, Some(signal)) => Ended::Signal(signal),
        (None, None) => Ended::Lost("ended in a way that says nothing".into()),
    }
}

fn kill_group(child: &mut Child) {
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return };
    // Errors mean that nothing of the group is left.
    let _ = kill_process_group(pid, Signal::TERM);
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline {
        if matches!(child.try_wait(), Ok(Some(_))) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = kill_process_group(pid, Signal::KILL);
    let _ = child.wait();
}

/// The pipes of one process; a closed one is `None`.
struct Pipes {
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
}

fn exchange(
    child: &mut Child,
    source: &mut dyn Read,
    out: &mut dyn Sink,
    err: &mut dyn Sink,
    start: Instant,
    time: Duration,
) -> Result<ExitStatus, Stopped> {
    let lost = |errno: rustix::io::Errno| Stopped::Lost(errno.into());
    let mut pipes = Pipes {
        stdin: child.stdin.take().map(OwnedFd::from),
        stdout: child.stdout.take().map(OwnedFd::from),
        stderr: child.stderr.take().map(OwnedFd::from),
    };
    for fd in [&pipes.stdin, &pipes.stdout, &pipes.stderr].into_iter().flatten() {
        rustix::io::ioctl_fionbio(fd, true).map_err(lost)?;
    }
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Stopped::Lost(io::Error::other("the process has no id")))?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(lost)?;
    let mut buffer = vec![0u8; 1 << 16];
    let mut pending: Vec<u8> = Vec::new();
    let mut last: Vec<u8> = Vec::new();
    let mut end: Option<(ExitStatus, Instant)> = None;
    loop {
        if let Some((status, _)) = end
            && pipes.stdout.is_none()
            && pipes.stderr.is_none()
        {
            return Ok(status);
        }
        let left = match end {
            Some((status, heard)) => match SILENCE_AFTER_END.checked_sub(heard.elapsed()) {
                Some(left) => left,
                None => return Ok(status), // something that it started keeps the pipes open
            },
            None => match time.checked_sub(start.elapsed()) {
                Some(left) => left,
                None => return Err(Stopped::TimedOut { last: plain_text(&last).trim().chars().take(200).collect() }),
            },
        };
        let (ready_in, ready_out, ready_err, ready_end) = wait(&pipes, &pidfd, end.is_some(), left).map_err(lost)?;
        if ready_in {
            feed(&mut pipes.stdin, source, &mut pending)?;
        }
        let mut heard = false;
        if ready_out {
            heard |= drain(&mut pipes.stdout, out, &mut buffer, &mut last)?;
        }
        if ready_err {
            heard |= drain(&mut pipes.stderr, err, &mut buffer, &mut last)?;
        }
        if heard && let Some((_, when)) = &mut end {
            *when = Instant::now();
        }
        if ready_end && end.is_none() {
            end = Some((child.wait().map_err(Stopped::Lost)?, Instant::now()));
            pipes.stdin = None;
        }
    }
}

/// Takes what is there; says whether anything came.
fn drain(
    fd: &mut Option<OwnedFd>,
    sink: &mut dyn Sink,
    buffer: &mut [u8],
    last: &mut Vec<u8>,
) -> Result<bool, Stopped> {
    let Some(open) = fd.as_ref() else { return Ok(false) };
    match rustix::io::read(open, &mut *buffer) {
        Ok(0) => *fd = None,
        Ok(count) => {
            sink.take(&buffer[..count])?;
            remember(last, &buffer[..count]);
            return Ok(true);
        }
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
        Err(errno) => return Err(Stopped::Lost(errno.into())),
    }
    Ok(false)
}

/// Keeps the last line seen, at most 4 KB of it.
fn remember(last: &mut Vec<u8>, bytes: &[u8]) {
    let trimmed = bytes.trim_ascii_end();
    if trimmed.is_empty() {
        return;
    }
    let line = trimmed.rsplit(|b| *b == b'\n').next().unwrap_or(trimmed);
    last.clear();
    last.extend_from_slice(&line[line.len().saturating_sub(4096)..]);
}

fn feed(stdin: &mut Option<OwnedFd>, source: &mut dyn Read, pending: &mut Vec<u8>) -> Result<(), Stopped> {
    let Some(fd) = stdin.as_ref() else { return Ok(()) };
    if pending.is_empty() {
        pending.resize(1 << 16, 0);
        let count = source.read(pending).map_err(Stopped::Keep)?;
        pending.truncate(count);
        if count == 0 {
            *stdin = None; // the end of standard input
            return Ok(());
        }
    }
    match rustix::io::write(fd, pending) {
        Ok(count) => {
            pending.drain(..count);
        }
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
        // It reads no more: its own status will say why.
        Err(rustix::io::Errno::PIPE) => *stdin = None,
        Err(errno) => return Err(Stopped::Lost(errno.into())),
    }
    Ok(())
}

type Ready = (bool, bool, bool, bool);

fn wait(pipes: &Pipes, pidfd: &OwnedFd, ended: bool, left: Duration) -> rustix::io::Result<Ready> {
    let mut fds = Vec::with_capacity(4);
    let mut slots = [None; 4];
    let wanted = [(&pipes.stdin, PollFlags::OUT), (&pipes.stdout, PollFlags::IN), (&pipes.stderr, PollFlags::IN)];
    for (slot, (fd, flags)) in slots.iter_mut().zip(wanted) {
        if let Some(fd) = fd {
            *slot = Some(fds.len());
            fds.push(PollFd::from_borrowed_fd(fd.as_fd(), flags));
        }
    }
    if !ended {
        slots[3] = Some(fds.len());
        fds.push(PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN));
    }
    let timeout = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 3600, tv_nsec: 0 });
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(errno) => return Err(errno),
    }
    let ready = |slot: Option<usize>| slot.is_some_and(|at| !fds[at].revents().is_empty());
    Ok((ready(slots[0]), ready(slots[1]), ready(slots[2]), ready(slots[3])))
}
