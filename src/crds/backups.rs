//! Sets of backups on a host: making one, and finding out what is there (SO 11). Judging them is `crate::backup`.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;

use crate::host::{Entry, EntryKind, Ran, Script, Shell};
use crate::plan::Change;
use crate::run::Permit;

use super::{CrdsError, Server};

/// Parts of a dated set of layout 2014: what stands before and after `<project>.<usecase>` (SO 11).
pub const PARTS: [(&str, &str); 7] = [
    ("backup", "mysql.gz"),
    ("catalogs", "tar.gz"),
    ("deliveries", "txt"),
    ("mappings", "tar.gz"),
    ("config", "tar.gz"),
    ("monitor_reprocessing", "tar.gz"),
    ("rpms", "txt.gz"),
];

/// One file of a set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SetFile {
    /// Its bare name.
    pub name: String,
    /// What `stat` says.
    pub entry: Entry,
}

/// One dated set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackupSet {
    /// `YYYY-MM-DD-HHMMSS`, the server's local time.
    pub tag: String,
    /// Absolute path of its directory.
    pub path: String,
    /// Its files by name.
    pub files: Vec<SetFile>,
}

impl BackupSet {
    /// The file of that name, if it is there.
    pub fn file(&self, name: &str) -> Option<&SetFile> {
        self.files.iter().find(|file| file.name == name)
    }
}

const BACKUP: Script = Script {
    name: "backup_server",
    shell: Shell::Login,
    text: "cd ${CRDS}/CRDS_server && source env.csh && tools/backup_server",
};

impl Server {
    /// Names of the files of a whole dated set.
    pub fn set_names(&self) -> Vec<String> {
        PARTS.iter().map(|(part, extension)| format!("{part}.{}.{extension}", self.tail())).collect()
    }

    /// Names of the files of a whole shared set: no list of packages, and the dump uncompressed.
    pub fn shared_names(&self) -> Vec<String> {
        let shared = PARTS.iter().filter(|(part, _)| *part != "rpms");
        let names = shared.map(|(part, extension)| {
            format!("{part}.{}.{}", self.tail(), if *part == "backup" { "mysql" } else { extension })
        });
        names.collect()
    }

    /// Makes a set. Needs no running server, only the installed code and the database.
    ///
    /// # Errors
    ///
    /// The host cannot be asked. The status says nothing: judge the set.
    pub fn backup(&self, permit: &Permit<'_>, time: Duration) -> Result<Ran, CrdsError> {
        self.only_2014("backup_server")?;
        self.act(permit, Change::Backup, &BACKUP, &[], time)
    }

    /// The dated sets, oldest first, and whatever else lies at the top of `db_backups` (stray dumps).
    ///
    /// # Errors
    ///
    /// The host cannot be asked.
    pub fn backup_sets(&self) -> Result<(Vec<BackupSet>, Vec<SetFile>), CrdsError> {
        Ok(sets(&self.paths.db_backups, self.remote.list(&self.paths.db_backups, Some(2))?))
    }

    /// The files of the shared directory that belong to this server.
    ///
    /// # Errors
    ///
    /// The host cannot be asked.
    pub fn shared_set(&self) -> Result<Vec<SetFile>, CrdsError> {
        let marker = format!(".{}.", self.tail());
        let entries = self.remote.list(&self.paths.shared_backups, Some(1))?;
        let ours =
            entries.into_iter().filter(|entry| entry.kind != EntryKind::Directory && entry.path.contains(&marker));
        Ok(ours.map(|entry| SetFile { name: entry.path.clone(), entry }).collect())
    }
}

fn sets(base: &str, entries: Vec<Entry>) -> (Vec<BackupSet>, Vec<SetFile>) {
    let mut sets: Vec<BackupSet> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut stray = Vec::new();
    for entry in entries {
        match entry.path.split_once('/') {
            None if entry.kind == EntryKind::Directory && is_tag(&entry.path) => {
                known.insert(entry.path.clone(), sets.len());
                sets.push(BackupSet { tag: entry.path.clone(), path: format!("{base}/{}", entry.path), files: vec![] });
            }
            None => stray.push(SetFile { name: entry.path.clone(), entry }),
            Some((tag, name)) => {
                let name = name.to_owned();
                if let Some(at) = known.get(tag) {
                    sets[*at].files.push(SetFile { name, entry });
                }
            }
        }
    }
    sets.sort_by(|a, b| a.tag.cmp(&b.tag));
    (sets, stray)
}

/// Whether a name is `YYYY-MM-DD-HHMMSS`.
pub(super) fn is_tag(name: &str) -> bool {
    name.len() == 17
        && name.bytes().enumerate().all(|(at, b)| if matches!(at, 4 | 7 | 10) { b == b'-' } else { b.is_ascii_digit() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_and_strays_are_told_apart() {
        let make = |path: &str, kind| Entry {
            path: path.into(),
            kind,
            mode: 0o600,
            size: 1,
            mtime: 0.0,
            links: 1,
            inode: 1,
            device: 1,
            owner: "crds".into(),
            group: "crdsoper".into(),
            target: String::new(),
        };
        let (sets, stray) = sets(
            "/b",
            vec![
                make("2014-09-15-030507", EntryKind::Directory),
                make("2014-09-15-030507/backup.hst.ops.mysql.gz", EntryKind::File),
                make("2014-09-16-030507", EntryKind::Directory),
                make("crds_hst-2014-09-16-030600.mysql", EntryKind::File),
                make("old", EntryKind::Directory),
            ],
        );
        assert_eq!(sets.iter().map(|set| set.files.len()).collect::<Vec<_>>(), [1, 0]);
        assert_eq!(
            stray.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(),
            ["crds_hst-2014-09-16-030600.mysql", "old"]
        );
    }

    proptest::proptest! {
        #[test]
        fn a_tag_is_a_time_or_close_to_one(name in crate::mangled::text("2014-09-16-030507")) {
            // Whatever is taken for a set sorts by time, as text and as time alike.
            if is_tag(&name) {
                proptest::prop_assert_eq!(name.split('-').map(str::len).collect::<Vec<_>>(), [4, 2, 2, 6]);
            } else {
                proptest::prop_assert_ne!(name.as_str(), "2014-09-16-030507");
            }
        }
    }
}
