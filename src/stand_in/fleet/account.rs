//! The unprivileged account that everything on a host runs as (SO 2.3), also where the fleet is brought up by root: to root a mode
//! 000 means nothing.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::FleetError;

/// An account of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// All groups, the main one included.
    pub groups: Vec<u32>,
}

impl Account {
    /// The account that a fleet runs as: `name` if this process is root, otherwise the caller's own.
    ///
    /// # Errors
    ///
    /// [`FleetError::NoAccount`] if this is root and there is no such account or it is root again.
    pub fn for_fleet(name: &str) -> Result<Account, FleetError> {
        let uid = rustix::process::geteuid().as_raw();
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        if uid != 0 {
            let own = user_line(&users, |line| line.uid == uid).map_or_else(|| format!("uid{uid}"), |line| line.name);
            let gid = rustix::process::getegid().as_raw();
            return Ok(Account { name: own, uid, gid, groups: vec![gid] });
        }
        let missing = || FleetError::NoAccount { name: name.to_owned() };
        let line = user_line(&users, |line| line.name == name).filter(|line| line.uid != 0).ok_or_else(missing)?;
        let mut groups = vec![line.gid];
        for group in fs::read_to_string("/etc/group").unwrap_or_default().lines() {
            let mut fields = group.split(':');
            let (gid, members) = (fields.nth(2), fields.next().unwrap_or_default());
            if let Some(gid) = gid.and_then(|gid| gid.parse().ok())
                && gid != line.gid
                && members.split(',').any(|member| member == name)
            {
                groups.push(gid);
            }
        }
        Ok(Account { name: line.name, uid: line.uid, gid: line.gid, groups })
    }

    /// Makes `command` run as this account if this process is root; otherwise it runs as the caller anyway.
    pub fn apply(&self, command: &mut Command) {
        if rustix::process::geteuid().is_root() && self.uid != 0 {
            let (uid, gid, groups) = (self.uid, self.gid, self.groups.clone());
            // SAFETY: only plain system calls on values that were made before the fork.
            unsafe {
                command.pre_exec(move || become_ids(uid, gid, &groups));
            }
        }
    }
}

/// Gives this thread, which must be the only one of its process, the ids.
fn become_ids(uid: u32, gid: u32, groups: &[u32]) -> std::io::Result<()> {
    use rustix::process::{Gid, Uid};
    use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_res_gid, set_thread_res_uid};
    // Called between fork and exec, where no allocation is allowed: a fixed buffer holds the groups.
    let mut list = [Gid::from_raw(0); 64];
    let count = groups.len().min(list.len());
    for (slot, group) in list.iter_mut().zip(groups) {
        *slot = Gid::from_raw(*group);
    }
    set_thread_groups(&list[..count])?;
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    set_thread_gid(gid)?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}

struct UserLine {
    name: String,
    uid: u32,
    gid: u32,
}

fn user_line(users: &str, wanted: impl Fn(&UserLine) -> bool) -> Option<UserLine> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        let found = UserLine { name, uid, gid };
        wanted(&found).then_some(found)
    })
}
