//! The keeper of a fleet: the one process that plays cron, `at`, the archive and the public proxies, and moves the clock.

pub mod archive;
pub mod jobs;
mod proxy;
pub mod steps;
pub mod table;

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::SignedDuration;

use self::steps::Pacer;
use super::order::{Answer, Order};
use super::spec::Fleet;
use super::{FleetError, processes, start};

/// How often the keeper looks whether real time has made something due.
const TICK: Duration = Duration::from_millis(250);

/// Set by SIGTERM and SIGINT.
static ASKED_TO_END: AtomicBool = AtomicBool::new(false);

/// Writes a line to the keeper's log, which is its standard error.
#[allow(clippy::print_stderr, reason = "the keeper is a process of its own and this is its log")]
fn note(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The process id of the fleet's keeper, if it runs.
pub fn running(fleet: &Fleet) -> Option<i32> {
    let mut file = File::open(fleet.run().join("keeper.pid")).ok()?;
    match file.try_lock_shared() {
        Ok(()) => None,
        Err(_) => {
            let mut text = String::new();
            file.read_to_string(&mut text).ok()?;
            text.trim().parse().ok()
        }
    }
}

/// Keeps the fleet at `root` until it is told to end, `until_pid` ends or the fleet is removed; then ends every process of the fleet.
///
/// # Errors
///
/// [`FleetError`] if it cannot begin.
pub fn keep(root: &Path, until_pid: Option<i32>) -> Result<(), FleetError> {
    let fleet = Fleet::load(root)?;
    let pid_path = fleet.run().join("keeper.pid");
    let fail = |verb, source| FleetError::file(verb, &pid_path, source);
    let mut pid_file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&pid_path)
        .map_err(|source| fail("open", source))?;
    pid_file.try_lock().map_err(|error| fail("lock", error.into()))?;
    pid_file.set_len(0).map_err(|source| fail("write", source))?;
    write!(pid_file, "{}", std::process::id()).map_err(|source| fail("write", source))?;

    // What a login on a host has (SO 2.3).
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    end_on_signals();
    let socket = fleet.socket();
    let _ = fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).map_err(|source| FleetError::file("listen on", &socket, source))?;
    let public =
        proxy::start(&fleet).map_err(|why| FleetError::Process { what: "the public proxies".to_owned(), why })?;
    let pacer = Arc::new(Pacer::new(fleet.clone(), public)?);
    let answering = Arc::clone(&pacer);
    std::thread::spawn(move || answer_all(&listener, &answering));

    let watched = until_pid
        .and_then(rustix::process::Pid::from_raw)
        .map(|pid| rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()));
    let description = root.join("fleet.json");
    loop {
        std::thread::sleep(TICK);
        let watched_gone = match &watched {
            None => false,
            Some(Err(_)) => true,
            Some(Ok(process)) => has_ended(process),
        };
        if watched_gone || ASKED_TO_END.load(Ordering::Relaxed) || !description.exists() {
            break;
        }
        if let Err(error) = pacer.tick() {
            note(format_args!("clock: {error}"));
        }
    }
    processes::end_all(&fleet, start::END_PATIENCE);
    let _ = fs::remove_file(&socket);
    Ok(())
}

fn has_ended(process: &std::os::fd::OwnedFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(process, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

extern "C" fn on_signal(_: libc::c_int) {
    ASKED_TO_END.store(true, Ordering::Relaxed);
}

fn end_on_signals() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        // SAFETY: the handler only stores to an atomic.
        unsafe {
            libc::signal(signal, on_signal as *const () as libc::sighandler_t);
        }
    }
}

fn answer_all(listener: &UnixListener, pacer: &Arc<Pacer>) {
    for stream in listener.incoming().flatten() {
        let pacer = Arc::clone(pacer);
        std::thread::spawn(move || {
            if let Err(error) = answer(&stream, &pacer) {
                note(format_args!("order: {error}"));
            }
        });
    }
}

fn answer(stream: &UnixStream, pacer: &Pacer) -> std::io::Result<()> {
    let mut line = String::new();
    BufReader::new(stream.take(1 << 16)).read_line(&mut line)?;
    if line.is_empty() {
        return Ok(());
    }
    let mut held = None;
    let outcome = match serde_json::from_str::<Order>(&line) {
        Err(error) => Err(error.to_string()),
        Ok(Order::Ping) => Ok(()),
        Ok(Order::Cron { host, job }) => match pacer.run_now(&host, &job) {
            0 => Err(format!("no line of {host}'s cron table contains `{job}`")),
            _ => Ok(()),
        },
        Ok(Order::Hold) => {
            held = pacer.hold();
            Ok(())
        }
        Ok(Order::Step { seconds, every_job, server }) => {
            let inner = server || asked_by_a_job(stream, pacer);
            let length = SignedDuration::try_from_secs_f64(seconds).unwrap_or(SignedDuration::ZERO);
            pacer.step(length, every_job, inner).map_err(|error| error.to_string())
        }
    };
    let answer = Answer { error: outcome.err() };
    let mut text = serde_json::to_string(&answer).map_err(std::io::Error::other)?;
    text.push('\n');
    let mut writer = stream;
    writer.write_all(text.as_bytes())?;
    if held.is_some() {
        // Until the other side closes.
        let _ = std::io::copy(&mut { stream }, &mut std::io::sink());
    }
    Ok(())
}

/// Whether the process at the other end descends from a job that runs.
fn asked_by_a_job(stream: &UnixStream, pacer: &Pacer) -> bool {
    let Ok(peer) = rustix::net::sockopt::socket_peercred(stream) else { return false };
    let pid = peer.pid.as_raw_nonzero().get();
    pacer.running.ids().iter().any(|job| processes::descends(pid, *job))
}
