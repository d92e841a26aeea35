//! One run per host, one step per run.
//!
//! A host is locked by a file named after its identity, which says who holds it: run, owner, process, since when. It
//! stays while the run is unfinished, also between nextest invocations. A lock whose process is gone is explained,
//! never broken: only its own run goes on with it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::RunError;

/// Who holds a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The host's identity.
    pub identity: String,
    /// The run's id.
    pub run: String,
    /// The run's folder.
    pub folder: PathBuf,
    /// Who, as `user@machine`.
    pub owner: String,
    /// The process that took it.
    pub pid: u32,
    /// When (RFC 3339).
    pub since: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "held by run {} of {}, process {}, since {}", self.run, self.owner, self.pid, self.since)
    }
}

/// The lock of a step on its run: held while the process lives, whatever ends it.
#[derive(Debug)]
pub struct StepLock {
    _file: File,
}

/// Takes the run for one step process.
///
/// # Errors
///
/// [`RunError::Locked`] if another process, also one that outlived its nextest, works on the run.
pub fn take_run(folder: &Path) -> Result<StepLock, RunError> {
    let path = folder.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(RunError::file("open", &path))?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).map_err(RunError::file("write", &path))?;
            writeln!(&file, "process {} of {} since {}", std::process::id(), owner(), super::journal::now())
                .map_err(RunError::file("write", &path))?;
            Ok(StepLock { _file: file })
        }
        Err(TryLockError::WouldBlock) => Err(RunError::Locked {
            what: format!("run `{}`", folder.display()),
            holder: format!("held by {}", fs::read_to_string(&path).unwrap_or_default().trim()),
            help: "wait for that process: a step goes on although its nextest was killed; see `crds-upgrade status`"
                .to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(RunError::File { verb: "lock", path, source }),
    }
}

/// Takes a host for a run, or sees that the run has it already.
///
/// # Errors
///
/// [`RunError::Locked`] if another run holds it; the text tells whether that run's process still lives.
pub fn take_host(locks: &Path, wanted: &Holder) -> Result<(), RunError> {
    fs::create_dir_all(locks).map_err(RunError::file("create", locks))?;
    let path = lock_path(locks, &wanted.identity);
    let text = toml::to_string(wanted).map_err(|error| RunError::Input {
        what: format!("the lock of `{}` cannot be written: {error}", wanted.identity),
        help: "report this with the site file".to_owned(),
    })?;
    // Written whole under another name, then linked: the link succeeds for exactly one run.
    let part = locks.join(format!(".{}.{}", wanted.run, std::process::id()));
    fs::write(&part, text).map_err(RunError::file("write", &part))?;
    let linked = fs::hard_link(&part, &path);
    let _ = fs::remove_file(&part);
    match linked {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => judge(&path, wanted),
        Err(source) => Err(RunError::File { verb: "lock", path, source }),
    }
}

/// Gives a host back; only the run that holds it can.
///
/// # Errors
///
/// [`RunError::File`] if the lock cannot be removed.
pub fn release_host(locks: &Path, identity: &str, run: &str) -> Result<(), RunError> {
    let path = lock_path(locks, identity);
    if read(&path).is_some_and(|holder| holder.run == run) {
        fs::remove_file(&path).map_err(RunError::file("remove", &path))?;
    }
    Ok(())
}

/// Who holds a host, if anyone does.
pub fn holder(locks: &Path, identity: &str) -> Option<Holder> {
    read(&lock_path(locks, identity))
}

/// Who works here, as `user@machine`.
pub fn owner() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    let user = user.unwrap_or_else(|_| format!("uid{}", rustix::process::getuid().as_raw()));
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{user}@{machine}")
}

fn judge(path: &Path, wanted: &Holder) -> Result<(), RunError> {
    let Some(holder) = read(path) else {
        return Err(RunError::Locked {
            what: format!("host `{}`", wanted.identity),
            holder: format!("`{}` does not say who holds it", path.display()),
            help: format!("find out who works on this host; remove `{}` only when nobody does", path.display()),
        });
    };
    if holder.run == wanted.run && holder.folder == wanted.folder {
        return Ok(());
    }
    let alive = i32::try_from(holder.pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok());
    let state = if alive { "that process still runs" } else { "that process is gone, its run was not finished" };
    Err(RunError::Locked {
        what: format!("host `{}`", wanted.identity),
        holder: format!("{holder}; {state}"),
        help: format!(
            "finish that run, or look at it with `crds-upgrade status {}`; remove `{}` only when its owner agrees",
            holder.folder.display(),
            path.display()
        ),
    })
}

fn read(path: &Path) -> Option<Holder> {
    toml::from_str(&fs::read_to_string(path).ok()?).ok()
}

fn lock_path(locks: &Path, identity: &str) -> PathBuf {
    locks.join(format!("{}.lock", &blake3::hash(identity.as_bytes()).to_hex()[..32]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(run: &str) -> Holder {
        Holder {
            identity: "crds@plhstcrdsv1 hst".to_owned(),
            run: run.to_owned(),
            folder: PathBuf::from("/runs").join(run),
            owner: "someone@there".to_owned(),
            pid: u32::MAX >> 1,
            since: "2014-09-16T16:00:00Z".to_owned(),
        }
    }

    #[test]
    fn a_host_belongs_to_one_run_until_it_gives_it_back() {
        let locks = tempfile::tempdir().expect("a temporary directory");
        take_host(locks.path(), &holder("one")).expect("free");
        take_host(locks.path(), &holder("one")).expect("the same run goes on");
        let refused = take_host(locks.path(), &holder("two")).expect_err("held").to_string();
        assert!(refused.contains("run one of someone@there") && refused.contains("process is gone"), "{refused}");
        release_host(locks.path(), &holder("two").identity, "two").expect("nothing to give back");
        take_host(locks.path(), &holder("two")).expect_err("still held");
        release_host(locks.path(), &holder("one").identity, "one").expect("gives back");
        take_host(locks.path(), &holder("two")).expect("free again");
    }

    #[test]
    fn a_run_has_one_step_at_a_time() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let first = take_run(folder.path()).expect("free");
        let refused = take_run(folder.path()).expect_err("held").to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        take_run(folder.path()).expect("free again");
    }
}
