//! The parent process: takes the ports, goes into the background, writes its pid file, keeps a worker running, ends on TERM.

use std::fs;
use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::application::Surroundings;
use super::conf::Conf;
use super::logs::Logs;
use super::worker::{self, Socket};
use crate::stand_in::fleet::knobs::{self, Knob};
use crate::stand_in::fleet::{keeper, processes, saved};

/// How long without a keeper before the server ends: nothing of a fleet outlives it.
const KEEPER_MISSED: u32 = 4;

/// Takes the ports of a configuration.
///
/// # Errors
///
/// Apache's words.
pub fn take_ports(conf: &Conf, address: Ipv4Addr) -> Result<Vec<(u16, TcpListener)>, String> {
    let mut taken = Vec::new();
    for port in conf.listens() {
        match bind(SocketAddr::from((address, port))) {
            Ok(listener) => taken.push((port, listener)),
            Err(error) => {
                let number = error.raw_os_error().unwrap_or(0);
                return Err(format!(
                    "({number}){}: make_sock: could not bind to address [::]:{port}\nno listening sockets available, shutting down\nUnable to open logs",
                    super::conf::words(&error)
                ));
            }
        }
    }
    if taken.is_empty() {
        return Err("no listening sockets available, shutting down\nUnable to open logs".to_owned());
    }
    Ok(taken)
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    // std sets SO_REUSEADDR, as Apache does.
    TcpListener::bind(address)
}

/// Reads the certificate and key of a configuration.
///
/// # Errors
///
/// Apache's words, as far as they are known.
pub fn tls(conf: &Conf) -> Result<Arc<rustls::ServerConfig>, String> {
    let file = |name: &str| {
        conf.all(name).last().map(|directive| conf.path(directive.args.first().map_or("", String::as_str)))
    };
    let (Some(cert), Some(key)) = (file("SSLCertificateFile"), file("SSLCertificateKeyFile")) else {
        return Err(
            "Server should be SSL-aware but has no certificate configured [Hint: SSLCertificateFile]".to_owned()
        );
    };
    server_config(&cert, &key)
}

/// A TLS configuration from PEM files.
///
/// # Errors
///
/// What is wrong with them.
pub fn server_config(cert: &Path, key: &Path) -> Result<Arc<rustls::ServerConfig>, String> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let unreadable = |path: &Path, what: String| {
        format!("Init: Unable to read server certificate from file {}: {what}", path.display())
    };
    let reader = BufReader::new(fs::File::open(cert).map_err(|error| unreadable(cert, error.to_string()))?);
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_reader_iter(reader)
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(cert, error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| format!("Unable to configure RSA server private key: {error}"))?;
    Ok(Arc::new(config))
}

/// Maps what the dynamic loader would map: mod_wsgi and the Python library of its stack, so that `/proc/PID/maps` names them.
/// Returns the versions that mod_wsgi says.
pub fn load_modules(surroundings: &Surroundings) -> String {
    let mut versions = "mod_wsgi/3.4 Python/2.7.5".to_owned();
    let map = |path: &Path| {
        let file = fs::File::open(path).ok()?;
        // SAFETY: mapped for its name alone; nobody reads through the mapping after this function.
        let mapped = unsafe { memmap2::Mmap::map(&file) }.ok()?;
        Some(Box::leak(Box::new(mapped)))
    };
    let pattern = regex::bytes::Regex::new(r"mod_wsgi/[\w.]+ Python/[\w.]+").ok();
    for (_, name, path) in surroundings.conf.modules() {
        let Some(mapped) = map(&path) else { continue };
        if name == "wsgi_module"
            && let Some(found) = pattern.as_ref().and_then(|pattern| pattern.find(mapped))
        {
            versions = String::from_utf8_lossy(found.as_bytes()).into_owned();
        }
    }
    if let Some(stack) = surroundings.stack()
        && let Ok(entries) = fs::read_dir(stack.join("lib"))
    {
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("libpython") && name.contains(".so") {
                map(&entry.path());
            }
        }
    }
    versions
}

/// A running server's parts.
pub struct Parts {
    /// Fleet, host, configuration, logs.
    pub surroundings: Surroundings,
    /// The ports.
    pub ports: Vec<(u16, TcpListener)>,
    /// The TLS configuration of the secure port.
    pub tls: Arc<rustls::ServerConfig>,
}

/// Goes into the background and serves. Returns in the foreground process at once, in the background one when it ends.
///
/// # Errors
///
/// If the system refuses another process.
pub fn run(parts: Parts) -> std::io::Result<()> {
    // SAFETY: this process has one thread, so the child may go on as if nothing had happened.
    match unsafe { libc::fork() } {
        -1 => return Err(std::io::Error::last_os_error()),
        0 => {}
        _ => return Ok(()),
    }
    let _ = rustix::process::setsid();
    if let Ok(null) = fs::OpenOptions::new().read(true).write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
    let _ = rustix::process::chdir("/");
    parent(&parts);
    Ok(())
}

fn pid_file(conf: &Conf) -> PathBuf {
    conf.path(conf.value("PidFile", false).unwrap_or("logs/httpd.pid"))
}

fn parent(parts: &Parts) {
    let surroundings = &parts.surroundings;
    let logs = &surroundings.logs;
    let pid_path = pid_file(&surroundings.conf);
    let own = std::process::id();
    // A server of a saved fleet goes on as if nothing had happened.
    let resumed = surroundings.environment.contains_key(saved::RESUMED);
    if let Ok(old) = fs::read_to_string(&pid_path)
        && !resumed
        && old.trim() != own.to_string()
    {
        logs.notice(
            "warn",
            &format!("pid file {} overwritten -- Unclean shutdown of previous Apache run?", pid_path.display()),
        );
    }
    if let Err(error) = fs::File::create(&pid_path).and_then(|mut file| writeln!(file, "{own}")) {
        logs.notice("error", &format!("could not create {}: {error}", pid_path.display()));
        return;
    }
    let versions = load_modules(surroundings);
    let signals = block_signals();
    if !resumed {
        logs.notice(
            "notice",
            &format!(
                "Apache/2.2.15 (Unix) mod_ssl/2.2.15 OpenSSL/1.0.1e {versions} configured -- resuming normal operations"
            ),
        );
    }
    let mut child = start_worker(parts, &signals);
    let mut missed = 0;
    loop {
        match next_signal(&signals) {
            Some(libc::SIGTERM | libc::SIGINT) => break,
            Some(libc::SIGHUP | libc::SIGUSR1) => {
                logs.notice("notice", "Graceful restart requested, doing restart");
                end(child, Duration::from_secs(5));
                child = start_worker(parts, &signals);
            }
            _ => {}
        }
        if let Some(status) = reaped(child) {
            if status != 0 {
                logs.notice("notice", &format!("child pid {child} exit signal {status}"));
                std::thread::sleep(Duration::from_millis(100));
            }
            child = start_worker(parts, &signals);
        }
        // Nothing of a fleet outlives its keeper.
        missed = if keeper::running(&surroundings.fleet).is_some() { 0 } else { missed + 1 };
        if missed >= KEEPER_MISSED {
            break;
        }
    }
    let release = knobs::Httpd::load(&surroundings.host).release_s;
    if release > 0.0 {
        // Requests that take their time keep the port.
        std::thread::sleep(Duration::try_from_secs_f64(release).unwrap_or_default());
    }
    end(child, Duration::from_secs(5));
    if fs::read_to_string(&pid_path).is_ok_and(|text| text.trim() == own.to_string()) {
        let _ = fs::remove_file(&pid_path);
    }
    logs.notice("notice", "caught SIGTERM, shutting down");
}

fn end(child: i32, patience: Duration) {
    processes::signal(child, rustix::process::Signal::TERM);
    let begun = Instant::now();
    while reaped(child).is_none() {
        if begun.elapsed() > patience {
            processes::signal(child, rustix::process::Signal::KILL);
        }
        if begun.elapsed() > patience * 2 {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The wait status of a child that has ended.
fn reaped(child: i32) -> Option<i32> {
    let mut status = 0;
    // SAFETY: plain system call with a valid pointer.
    let found = unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) };
    match found {
        0 => None,
        found if found == child => Some(status),
        _ => Some(0),
    }
}

fn block_signals() -> libc::sigset_t {
    // SAFETY: the set is initialised by sigemptyset before its first use.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGUSR1, libc::SIGCHLD] {
            libc::sigaddset(&raw mut set, signal);
        }
        libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        set
    }
}

/// The next signal, if one comes within half a second.
fn next_signal(set: &libc::sigset_t) -> Option<i32> {
    let limit = libc::timespec { tv_sec: 0, tv_nsec: 500_000_000 };
    // SAFETY: valid pointers.
    let signal = unsafe { libc::sigtimedwait(set, std::ptr::null_mut(), &raw const limit) };
    (signal > 0).then_some(signal)
}

/// Starts a worker process; 0 if the system refuses one.
fn start_worker(parts: &Parts, signals: &libc::sigset_t) -> i32 {
    // SAFETY: the parent has one thread.
    let child = unsafe { libc::fork() };
    if child != 0 {
        return child.max(0);
    }
    // SAFETY: plain system calls; the worker dies of TERM as any process does.
    unsafe {
        libc::sigprocmask(libc::SIG_UNBLOCK, signals, std::ptr::null_mut());
    }
    let sockets = parts.ports.iter().filter_map(|(port, listener)| {
        let secure = parts.surroundings.conf.secure_port() == Some(*port);
        Some(Socket { listener: listener.try_clone().ok()?, tls: secure.then(|| Arc::clone(&parts.tls)) })
    });
    let status = match serve(&parts.surroundings, sockets.collect()) {
        Ok(()) => 0,
        Err(error) => {
            parts.surroundings.logs.notice("error", &format!("worker: {error}"));
            1
        }
    };
    // SAFETY: ends the worker without running what belongs to its parent.
    unsafe { libc::_exit(status) }
}

fn serve(surroundings: &Surroundings, sockets: Vec<Socket>) -> std::io::Result<()> {
    let logs = Logs::open(&surroundings.conf, false).map(Arc::new).unwrap_or_else(|_| Arc::clone(&surroundings.logs));
    let own = Surroundings {
        fleet: surroundings.fleet.clone(),
        host: surroundings.host.clone(),
        conf: surroundings.conf.clone(),
        logs,
        environment: surroundings.environment.clone(),
    };
    worker::serve(own, sockets)
}
