//! Running a program on a host with what sshd would give it: the account, its home, a fresh environment, nothing else.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::account::Account;
use super::spec::{Fleet, Host};

/// The program `enter` of each host, made of `program.rs` by the build script.
pub const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/enter"));

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

    /// What [`PROGRAM`] reads in `run/login` of `host` to log in there.
    pub fn login(&self, host: &Host) -> Vec<u8> {
        let groups: Vec<String> = self.groups.iter().map(u32::to_string).collect();
        let home = self.home_of(host).to_string_lossy().into_owned();
        let mut fields = vec![self.uid.to_string(), self.gid.to_string(), groups.join(","), home];
        fields.extend(self.environment(host).into_iter().map(|(name, value)| format!("{name}={value}")));
        fields.join("\0").into_bytes()
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
