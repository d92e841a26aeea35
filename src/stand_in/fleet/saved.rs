//! Saving a whole fleet as a copy, and going on from a copy that lies at the original path.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::order::{self, Order};
use super::processes::{self, Process};
use super::spec::{Fleet, Role};
use super::{FleetError, keeper, start};

/// Set for a server that goes on after a save, so that it does not log a start.
pub const RESUMED: &str = "CRDS_STAND_IN_RESUMED";

/// How long a server may take to open its ports again.
const PORT_PATIENCE: Duration = Duration::from_secs(10);

/// A process that ran when the fleet was saved.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Daemon {
    role: Role,
    name: String,
    args: Vec<String>,
    environment: BTreeMap<String, String>,
}

/// Copies the fleet at `root` to `out`, which must not exist: nothing moves meanwhile, and the fleet goes on afterwards. Hard links
/// within the fleet stay hard links within the copy; only the immutable program is shared with it.
///
/// # Errors
///
/// [`FleetError`]; a partial copy is removed.
pub fn save(root: &Path, out: &Path) -> Result<(), FleetError> {
    let absolute = |path: &Path| std::path::absolute(path).map_err(|source| FleetError::file("find", path, source));
    let (root, out) = (absolute(root)?, absolute(out)?);
    let fleet = Fleet::load(&root)?;
    if out.exists() {
        return Err(FleetError::Occupied { root: out });
    }
    let held = match keeper::running(&fleet) {
        Some(_) => Some(order::hold(&fleet, &Order::Hold)?),
        None => None,
    };
    let running = processes::of_fleet(&root);
    let daemons = daemons(&fleet, &running);
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let others = || running.iter().filter(|process| process.pid != own);
    others().for_each(|process| processes::signal(process.pid, Signal::STOP));
    let copied = copy(&fleet, &out, &daemons);
    others().for_each(|process| processes::signal(process.pid, Signal::CONT));
    drop(held);
    if copied.is_err() {
        // What is there is of no use; the reason matters more than what is left of it.
        let _ = fs::remove_dir_all(&out);
    }
    copied
}

/// The processes that nothing of the fleet started and waits for: its servers.
fn daemons(fleet: &Fleet, running: &[Process]) -> Vec<Daemon> {
    let ids: Vec<i32> = running.iter().map(|process| process.pid).collect();
    let tops = running.iter().filter(|process| !ids.contains(&process.parent));
    let servers = tops.filter(|process| matches!(process.name.as_str(), "httpd" | "memcached"));
    servers
        .filter_map(|process| {
            let host = fleet.hosts.iter().find(|host| host.root() == process.host_root)?;
            let environment = fs::read(format!("/proc/{}/environ", process.pid)).ok()?;
            let environment = environment
                .split(|&byte| byte == 0)
                .filter_map(|line| {
                    String::from_utf8_lossy(line).split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned()))
                })
                .filter(|(name, _)| name != RESUMED)
                .collect();
            Some(Daemon { role: host.role, name: process.name.clone(), args: process.args.clone(), environment })
        })
        .collect()
}

fn copy(fleet: &Fleet, out: &Path, daemons: &[Daemon]) -> Result<(), FleetError> {
    fs::create_dir_all(out).map_err(|source| FleetError::file("make", out, source))?;
    let entries = fs::read_dir(&fleet.root).map_err(|source| FleetError::file("list", &fleet.root, source))?;
    let mut command = Command::new("cp");
    command.args(["-a", "--reflink=auto", "-t"]).arg(out);
    for entry in entries.flatten() {
        if entry.file_name() != "bin" {
            command.arg(entry.path());
        }
    }
    let ended = command.output().map_err(|source| FleetError::file("copy to", out, source))?;
    // A socket or a file that a dying process removes is no loss; anything else is.
    if !ended.status.success() {
        let why = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
        return Err(FleetError::Process { what: "copying the fleet".to_owned(), why });
    }
    let bin = out.join("bin");
    fs::create_dir_all(&bin).map_err(|source| FleetError::file("make", &bin, source))?;
    for entry in
        fs::read_dir(fleet.root.join("bin")).map_err(|source| FleetError::file("list", &bin, source))?.flatten()
    {
        let to = bin.join(entry.file_name());
        if fs::hard_link(entry.path(), &to).is_err() {
            fs::copy(entry.path(), &to).map_err(|source| FleetError::file("copy to", &to, source))?;
        }
    }
    let owner = fleet.owner();
    if rustix::process::geteuid().is_root() {
        for dir in [out, &bin] {
            std::os::unix::fs::chown(dir, Some(owner.uid), Some(owner.gid))
                .map_err(|source| FleetError::file("give away", dir, source))?;
        }
    }
    for stale in ["run/keeper.pid", "run/keeper.sock"] {
        let _ = fs::remove_file(out.join(stale));
    }
    let list = out.join("run/saved.json");
    let text = serde_json::to_string_pretty(daemons).unwrap_or_default();
    fs::write(&list, text).map_err(|source| FleetError::file("write", &list, source))?;
    Clock::open(&out.join("clock"))?.freeze()?;
    Ok(())
}

/// Goes on with the fleet at `root`, a saved copy at the path of the original: fleet time, keeper, the servers that ran.
///
/// # Errors
///
/// [`FleetError`].
pub fn resume(root: &Path, until_pid: Option<i32>) -> Result<(), FleetError> {
    let root = std::path::absolute(root).map_err(|source| FleetError::file("find", root, source))?;
    let fleet = Fleet::load(&root)?;
    if fleet.root != root {
        return Err(FleetError::NoFleet {
            root,
            why: format!("it is a copy of the fleet at `{}` and can only go on at that path", fleet.root.display()),
        });
    }
    let list = root.join("run/saved.json");
    let text = fs::read_to_string(&list).map_err(|source| FleetError::file("read", &list, source))?;
    let daemons: Vec<Daemon> =
        serde_json::from_str(&text).map_err(|error| FleetError::file("read", &list, std::io::Error::other(error)))?;
    Clock::open(&fleet.clock())?.thaw()?;
    start::start_keeper(&fleet, until_pid)?;
    for daemon in &daemons {
        restart(&fleet, daemon)?;
    }
    Ok(())
}

fn restart(fleet: &Fleet, daemon: &Daemon) -> Result<(), FleetError> {
    let fail = |why: String| FleetError::Process { what: format!("{} of {}", daemon.name, daemon.role.as_str()), why };
    let host = fleet.host(daemon.role).ok_or_else(|| fail("no such host".to_owned()))?;
    let mut command = Command::new(host.bin().join(&daemon.name));
    if let Some((name, rest)) = daemon.args.split_first() {
        command.arg0(name).args(rest);
    }
    command.env_clear().envs(&daemon.environment).env(RESUMED, "1").current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    fleet.owner().apply(&mut command);
    // SAFETY: plain system calls.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
            Ok(())
        });
    }
    if daemon.name == "memcached" {
        command.stderr(Stdio::null());
        let child = command.spawn().map_err(|error| fail(error.to_string()))?;
        drop(child);
        return Ok(());
    }
    let ended = command.output().map_err(|error| fail(error.to_string()))?;
    if !ended.status.success() {
        return Err(fail(String::from_utf8_lossy(&ended.stderr).trim().to_owned()));
    }
    // The ports were taken before the server went into the background: a connection proves it.
    let begun = Instant::now();
    let ports: Vec<PathBuf> =
        daemon.args.windows(2).filter(|pair| pair[0] == "-f").map(|pair| PathBuf::from(&pair[1])).collect();
    let Some(conf) = ports.first().and_then(|file| crate::stand_in::httpd::conf::Conf::read(file).ok()) else {
        return Ok(());
    };
    for port in conf.listens() {
        while TcpStream::connect((host.address, port)).is_err() {
            if begun.elapsed() > PORT_PATIENCE {
                return Err(fail(format!("port {port} does not open")));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}
