//! Machine-wide commands that act on one host of the fleet only.

pub mod borrowed;
pub mod clocks;
mod disks;
mod identity;
mod memcached;
mod packages;
mod post;
mod processes;
mod schedule;
mod web;

use std::path::PathBuf;

pub use clocks::duration;

use super::{Call, Tool};
use crate::stand_in::fleet::spec::{Fleet, Host, Role};

/// The names under which the machine-wide commands lie in a host's `bin/`.
pub const NAMES: &[&str] = &[
    "at",
    "atq",
    "atrm",
    "crontab",
    "df",
    "hostname",
    "httpd",
    "killall",
    "mail",
    "mailx",
    "memcached",
    "mount",
    "pgrep",
    "pkill",
    "ps",
    "quota",
    "rpm",
    "sendmail",
    "sh",
    "sleep",
    "umount",
    "uname",
    "wget",
];

/// Those that a real host has in `/usr/sbin`.
pub const FOR_ROOT: [&str; 2] = ["httpd", "sendmail"];

/// The tool of this name, if there is one.
pub fn find(name: &str) -> Option<Tool> {
    Some(match name {
        "at" => schedule::at,
        "atq" => schedule::atq,
        "atrm" => schedule::atrm,
        "crontab" => schedule::crontab,
        "df" => disks::df,
        "hostname" => identity::hostname,
        "httpd" => crate::stand_in::httpd::httpd,
        "killall" => processes::killall,
        "mail" | "mailx" => post::mail,
        "memcached" => memcached::memcached,
        "mount" => disks::mount,
        "pgrep" | "pkill" => processes::pgrep,
        "ps" => processes::ps,
        "quota" => disks::quota,
        "rpm" => packages::rpm,
        "sendmail" => post::sendmail,
        "sleep" => clocks::sleep,
        "umount" => disks::umount,
        "wget" => web::wget,
        _ => return None,
    })
}

/// The machine's own program that a name stands for, where a link to that will do.
pub fn real(name: &str) -> Option<&'static str> {
    match name {
        // `/bin/sh` of the real hosts is bash (SO 6).
        "sh" => Some("/bin/bash"),
        // The preloaded library answers it with what the host is.
        "uname" => Some("/bin/uname"),
        _ => None,
    }
}

/// The fleet and host that this process runs on, by `HOST_ROOT`.
pub fn here() -> Option<(Fleet, Host)> {
    let root = PathBuf::from(std::env::var_os("HOST_ROOT")?);
    let dir = root.parent()?;
    let fleet = Fleet::load(dir.parent()?.parent()?).ok()?;
    let role = Role::from_name(dir.file_name()?.to_str()?)?;
    let host = fleet.host(role)?.clone();
    Some((fleet, host))
}

/// As [`here`], with a complaint where the process runs on no host.
fn here_or_complain(call: &mut Call<'_>) -> Option<(Fleet, Host)> {
    let found = here();
    if found.is_none() {
        let name = call.name.clone();
        call.complain(format_args!("{name}: HOST_ROOT names no host of a fleet"));
    }
    found
}
