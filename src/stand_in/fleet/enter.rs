//! Running a program on a host with what sshd would give it: the account, its home, a fresh environment, nothing else.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::account::Account;
use super::spec::{Fleet, Host};
use super::{FleetError, spec::Role};

/// The login shell of the account (SO 2.3).
pub const LOGIN_SHELL: &str = "/bin/tcsh";

impl Fleet {
    /// The account of this fleet.
    pub fn owner(&self) -> Account {
        Account { name: self.account.clone(), uid: self.uid, gid: self.gid, groups: self.groups.clone() }
    }

    /// The environment of a fresh login on `host`, before any rc file.
    pub fn environment(&self, host: &Host) -> Vec<(&'static str, String)> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        vec![
            ("HOME", text(self.home_of(host))),
            ("USER", self.account.clone()),
            ("LOGNAME", self.account.clone()),
            ("SHELL", LOGIN_SHELL.to_owned()),
            ("PATH", format!("{}:{}", host.bin().display(), host.borrowed().display())),
            ("HOST_ROOT", text(host.root())),
            ("LD_PRELOAD", text(self.preload())),
            ("TZ", "America/New_York".to_owned()),
        ]
    }

    /// A command that runs `program` on `host` as the account, in the home directory, in a session of its own. A name without `/` is
    /// looked for in the host's PATH.
    pub fn command(&self, host: &Host, program: impl AsRef<OsStr>) -> Command {
        let environment = self.environment(host);
        let path = environment.iter().find(|(name, _)| *name == "PATH").map_or("", |(_, value)| value);
        let mut command = Command::new(on_path(program.as_ref(), path));
        command.env_clear().envs(environment).current_dir(self.home_of(host));
        self.owner().apply(&mut command);
        command
    }
}

fn on_path(program: &OsStr, path: &str) -> PathBuf {
    let plain = Path::new(program);
    if plain.components().count() > 1 {
        return plain.to_owned();
    }
    let candidates = path.split(':').map(|dir| Path::new(dir).join(plain));
    candidates.into_iter().find(|file| file.is_file()).unwrap_or_else(|| plain.to_owned())
}

/// Becomes `arguments` on the host whose `enter` was called as `called_as`; comes back only if that failed.
///
/// # Errors
///
/// [`FleetError::Enter`] with what the host's operator would see.
pub fn enter(called_as: &Path, arguments: &[std::ffi::OsString]) -> Result<std::convert::Infallible, FleetError> {
    let fail = |why: String| FleetError::Enter { host: called_as.to_owned(), why };
    let path = std::path::absolute(called_as).map_err(|error| fail(error.to_string()))?;
    let dir = path.parent().ok_or_else(|| fail("it lies in no host's directory".to_owned()))?;
    let root = dir.parent().and_then(Path::parent).ok_or_else(|| fail("it lies in no fleet".to_owned()))?;
    let fleet = Fleet::load(root)?;
    let role = dir.file_name().and_then(OsStr::to_str).and_then(Role::from_name);
    let host = role.and_then(|role| fleet.host(role)).ok_or_else(|| fail("no such host in the fleet".to_owned()))?;
    if host.run().join("unreachable").exists() {
        return Err(fail(format!("ssh: connect to host {} port 22: No route to host", host.full_name())));
    }
    let (program, rest) = arguments.split_first().ok_or_else(|| fail("no program given".to_owned()))?;
    let mut command = fleet.command(host, program);
    command.args(rest);
    // SAFETY: plain system calls; a session of its own, as sshd gives it, so that a killed caller does not kill it.
    unsafe {
        command.pre_exec(|| {
            let _ = rustix::process::setsid();
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
            Ok(())
        });
    }
    Err(fail(format!("{}: {}", program.to_string_lossy(), command.exec())))
}
