//! Saving a fleet that stands still, and going on with the copy.
//!
//! `save` stops the clock, notes which servers run and how they were started, copies the tree, and lets the clock go on.
//! `resume` works on a copy that lies, in a mount and network namespace of its own, where the fleet lay: paths and
//! addresses stay true. The servers are started again as they were started then, and leave no trace of it in their logs.
//! What memcached held is lost, as after a restart.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::spec::Fleet;
use super::{FleetError, processes, start};

/// Programs that run as servers.
const SERVERS: [&str; 2] = ["memcached", "httpd"];

/// How long a server may take to be ready.
const PATIENCE: Duration = Duration::from_secs(10);

/// What Apache logs when it is.
const READY: &str = "resuming normal operations";

/// A server that ran, and how it was started.
#[derive(Debug, Serialize, Deserialize)]
struct Running {
    host: String,
    name: String,
    args: Vec<String>,
    environment: Vec<(String, String)>,
}

/// Copies a fleet that goes on running. `out` must not exist.
///
/// # Errors
///
/// [`FleetError`] if the fleet is none or cannot be copied.
pub fn save(root: &Path, out: &Path) -> Result<(), FleetError> {
    let root = std::path::absolute(root).map_err(|source| FleetError::file("find", root, source))?;
    let fleet = Fleet::load(&root)?;
    let clock = Clock::open(&fleet.clock())?;
    clock.freeze()?;
    let saved = note(&fleet).and_then(|()| copy(&root, out));
    clock.thaw()?;
    saved
}

/// Starts what ran when the fleet was saved, and lets its clock go on from where it stood.
///
/// # Errors
///
/// [`FleetError`] if something does not come up.
pub fn resume(root: &Path, until_pid: Option<i32>) -> Result<(), FleetError> {
    let root = std::path::absolute(root).map_err(|source| FleetError::file("find", root, source))?;
    let fleet = Fleet::load(&root)?;
    let path = notes(&fleet);
    let text = fs::read(&path).map_err(|source| FleetError::file("read", &path, source))?;
    let running: Vec<Running> = serde_json::from_slice(&text).map_err(|error| FleetError::Process {
        what: format!("reading `{}`", path.display()),
        why: error.to_string(),
    })?;
    Clock::open(&fleet.clock())?.thaw()?;
    start::start_keeper(&fleet, until_pid)?;
    let logs = Logs::of(&fleet)?;
    for server in &running {
        let Some(host) = fleet.hosts.iter().find(|host| host.role.as_str() == server.host) else { continue };
        if server.name == "httpd" {
            let _ = fs::remove_file(host.tree().join("server/run/httpd.pid"));
        }
        let program = server.args.first().map_or(server.name.as_str(), String::as_str);
        let mut command = fleet.command(host, program);
        command.arg0(program).args(server.args.iter().skip(1)).env_clear();
        command.envs(server.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // SAFETY: one plain system call.
        unsafe {
            command.pre_exec(|| rustix::process::setsid().map(|_| ()).map_err(Into::into));
        }
        command.spawn().map_err(|error| FleetError::Process {
            what: format!("starting {} of {} again", server.name, host.uname),
            why: error.to_string(),
        })?;
    }
    let servers: Vec<PathBuf> = running
        .iter()
        .filter(|server| server.name == "httpd")
        .filter_map(|server| fleet.hosts.iter().find(|host| host.role.as_str() == server.host))
        .map(|host| host.tree().join("server/logs"))
        .collect();
    logs.wait_and_restore(&servers)
}

fn notes(fleet: &Fleet) -> PathBuf {
    fleet.run().join("saved.json")
}

/// Notes the servers that run: each process of the name whose parent is none.
fn note(fleet: &Fleet) -> Result<(), FleetError> {
    let all = processes::of_fleet(&fleet.root);
    let own_name = |args: &[String]| {
        let name = Path::new(args.first()?).file_name()?.to_str()?.to_owned();
        SERVERS.contains(&name.as_str()).then_some(name)
    };
    let mut running = Vec::new();
    for process in &all {
        let Some(name) = own_name(&process.args) else { continue };
        let parent = all.iter().find(|other| other.pid == process.parent);
        if parent.is_some_and(|parent| own_name(&parent.args).as_ref() == Some(&name)) {
            continue;
        }
        let Some(host) = fleet.hosts.iter().find(|host| host.root() == process.host_root) else { continue };
        let bytes = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        let environment = bytes
            .split(|byte| *byte == 0)
            .filter_map(|pair| String::from_utf8_lossy(pair).split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())))
            .collect();
        running.push(Running { host: host.role.as_str().to_owned(), name, args: process.args.clone(), environment });
    }
    // memcached first, as `run` starts them.
    running.sort_by_key(|server| SERVERS.iter().position(|name| *name == server.name));
    let path = notes(fleet);
    let text = serde_json::to_vec(&running).unwrap_or_default();
    fs::write(&path, text).map_err(|source| FleetError::file("write", &path, source))
}

/// Copies the tree as it is: hard links, owners, times. Our own program is shared: it is only ever read.
fn copy(root: &Path, out: &Path) -> Result<(), FleetError> {
    let fail = |why: String| FleetError::Process { what: format!("copying the fleet to `{}`", out.display()), why };
    fs::create_dir_all(out).map_err(|source| FleetError::file("make", out, source))?;
    let program = "bin/crds-stand-in";
    let mut command = Command::new("rsync");
    command.args(["-aHX", "--no-specials", "--no-devices", "--exclude", &format!("/{program}")]);
    let mut from = root.as_os_str().to_owned();
    from.push("/");
    let output = command.arg(from).arg(out).stdin(Stdio::null()).output().map_err(|error| fail(error.to_string()))?;
    if !output.status.success() {
        return Err(fail(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let (ours, theirs) = (root.join(program), out.join(program));
    if fs::hard_link(&ours, &theirs).is_err() {
        fs::copy(&ours, &theirs).map_err(|source| FleetError::file("copy", &theirs, source))?;
    }
    Ok(())
}

/// The logs of the servers as they were saved.
struct Logs(Vec<(PathBuf, u64, SystemTime)>);

impl Logs {
    fn of(fleet: &Fleet) -> Result<Self, FleetError> {
        let mut logs = Vec::new();
        for folder in fleet.hosts.iter().map(|host| host.tree().join("server/logs")) {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let data = entry.metadata().map_err(|source| FleetError::file("look at", &entry.path(), source))?;
                if data.is_file() {
                    let time = data.modified().map_err(|source| FleetError::file("look at", &entry.path(), source))?;
                    logs.push((entry.path(), data.len(), time));
                }
            }
        }
        Ok(Self(logs))
    }

    /// Waits until every server in `folders` says that it is ready, then takes back what was logged since.
    fn wait_and_restore(&self, folders: &[PathBuf]) -> Result<(), FleetError> {
        let begun = Instant::now();
        let ready = |folder: &PathBuf| {
            let path = folder.join("error_log");
            let from = self.0.iter().find(|(log, ..)| *log == path).map_or(0, |(_, length, _)| *length);
            let bytes = fs::read(&path).unwrap_or_default();
            let new = usize::try_from(from).ok().and_then(|from| bytes.get(from..)).unwrap_or_default();
            memchr::memmem::find(new, READY.as_bytes()).is_some()
        };
        while !folders.iter().all(ready) {
            if begun.elapsed() > PATIENCE {
                return Err(FleetError::Process {
                    what: "the servers of the saved fleet".to_owned(),
                    why: "one does not say that it is ready".to_owned(),
                });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        for (path, length, time) in &self.0 {
            let restore = |file: File| file.set_len(*length).and_then(|()| file.set_modified(*time));
            OpenOptions::new()
                .write(true)
                .open(path)
                .and_then(restore)
                .map_err(|source| FleetError::file("restore", path, source))?;
        }
        Ok(())
    }
}
