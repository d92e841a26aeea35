//! `DIR/hosts/<role>/enter PROGRAM ARGS...`: becomes the program on that host with what sshd would give it (compiled on its own by
//! `build.rs`).
//!
//! What a login on the host is like stands in `run/login` beside it (written by `mod.rs`): user id, group id, all groups, home
//! and `NAME=VALUE` of each variable, each ended by a zero. A file `run/unreachable` cuts the host off.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

unsafe extern "C" {
    fn geteuid() -> u32;
    fn setgroups(count: usize, groups: *const u32) -> i32;
    fn setresgid(real: u32, effective: u32, saved: u32) -> i32;
    fn setresuid(real: u32, effective: u32, saved: u32) -> i32;
    fn setsid() -> i32;
    fn umask(mode: u32) -> u32;
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let called_as = arguments.next().unwrap_or_default();
    let why = enter(Path::new(&called_as), &arguments.collect::<Vec<_>>());
    eprintln!("enter: cannot enter the host of `{}`: {why}", called_as.to_string_lossy());
    // What ssh ends with when it cannot connect.
    ExitCode::from(255)
}

/// Comes back only with why it failed.
fn enter(called_as: &Path, arguments: &[OsString]) -> String {
    let Some(dir) = std::path::absolute(called_as).ok().and_then(|path| path.parent().map(Path::to_owned)) else {
        return "it lies in no host's directory".to_owned();
    };
    let login = match std::fs::read(dir.join("run/login")) {
        Ok(bytes) => bytes,
        Err(error) => return format!("{}: {error}", dir.join("run/login").display()),
    };
    let mut fields = login.split(|byte| *byte == 0);
    let mut field = || fields.next().and_then(|field| std::str::from_utf8(field).ok());
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<u32>().ok());
    let (uid, gid, groups, home) = (number(field()), number(field()), field(), field());
    let (Some(uid), Some(gid), Some(groups), Some(home)) = (uid, gid, groups, home) else {
        return format!("{} says no account", dir.join("run/login").display());
    };
    let Some(groups) = groups.split(',').map(|group| group.parse().ok()).collect::<Option<Vec<u32>>>() else {
        return format!("{} says no groups", dir.join("run/login").display());
    };
    if dir.join("run/unreachable").exists() {
        let name = std::fs::read_to_string(dir.join("run/nodename")).unwrap_or_default();
        return format!("ssh: connect to host {name} port 22: No route to host");
    }
    let Some((program, rest)) = arguments.split_first() else { return "no program given".to_owned() };
    let variables: Vec<(&OsStr, &OsStr)> = fields.filter_map(variable).collect();
    let path = variables.iter().find(|(name, _)| *name == "PATH").map_or(OsStr::new(""), |(_, value)| value);
    let mut command = Command::new(on_path(program, path));
    command.args(rest).env_clear().envs(variables);
    let failed = std::env::set_current_dir(home).err().or_else(|| log_in(uid, gid, &groups));
    let error = failed.unwrap_or_else(|| command.exec());
    format!("{}: {error}", program.to_string_lossy())
}

fn variable(field: &[u8]) -> Option<(&OsStr, &OsStr)> {
    let at = field.iter().position(|byte| *byte == b'=')?;
    Some((OsStr::from_bytes(&field[..at]), OsStr::from_bytes(&field[at + 1..])))
}

fn on_path(program: &OsStr, path: &OsStr) -> PathBuf {
    let plain = Path::new(program);
    if plain.components().count() > 1 {
        return plain.to_owned();
    }
    let mut candidates =
        path.as_bytes().split(|byte| *byte == b':').map(|dir| Path::new(OsStr::from_bytes(dir)).join(plain));
    candidates.find(|file| file.is_file()).unwrap_or_else(|| plain.to_owned())
}

/// Takes the account's ids if this process is root, and a session of its own, so that a killed caller does not kill it. Says
/// what failed.
fn log_in(uid: u32, gid: u32, groups: &[u32]) -> Option<std::io::Error> {
    // SAFETY: plain system calls; this process has one thread.
    unsafe {
        if geteuid() == 0
            && uid != 0
            && (setgroups(groups.len(), groups.as_ptr()) != 0
                || setresgid(gid, gid, gid) != 0
                || setresuid(uid, uid, uid) != 0)
        {
            return Some(std::io::Error::last_os_error());
        }
        setsid();
        umask(0o022);
    }
    None
}
