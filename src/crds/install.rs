//! What an install leaves behind, the wipe before it, and the server's own tests after it (SO 5, 7).

use std::time::Duration;

use serde::Serialize;

use crate::host::{EntryKind, Limit, Ran, Script, Shell};
use crate::plan::Change;
use crate::run::Permit;

use super::{CrdsError, Server};

/// What `save_version` stamped into an installed package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stamp {
    /// `svnversion` of the checkout at the time of the install.
    pub version: String,
    /// `URL` of its `svn info`.
    pub url: String,
    /// `Last Changed Rev` of its `svn info`; 0 if it does not say.
    pub last_changed: u64,
}

/// Both stamps and the age of the installed code.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Installed {
    /// The client package.
    pub client: Stamp,
    /// The server package.
    pub server: Stamp,
    /// Modification time of the oldest and the newest installed file, seconds since 1970.
    pub oldest: f64,
    /// See `oldest`.
    pub newest: f64,
    /// Number of installed files.
    pub files: u64,
}

/// `rm -rf` of each argument below the directory in the first; nothing is reached through a symbolic link.
const WIPE: Script = Script {
    name: "wipe",
    shell: Shell::Sh,
    text: r#"
cd "$1" || exit 1
shift
for path in "$@"; do
    parent=$path
    while [ "$parent" != "${parent%/*}" ]; do
        parent=${parent%/*}
        if [ -L "$parent" ]; then echo "refused: $parent is a symbolic link" >&2; exit 2; fi
    done
done
for path in "$@"; do rm -rf --one-file-system -- "./$path"; done"#,
};

const TESTS: Script = Script {
    name: "runtests live",
    shell: Shell::Login,
    text: "cd ${CRDS}/CRDS_server && source env.csh && ./runtests live",
};

impl Server {
    /// What is installed.
    ///
    /// # Errors
    ///
    /// The host cannot be asked, or a package is not installed.
    pub fn installed(&self) -> Result<Installed, CrdsError> {
        self.only_2014("the installed packages")?;
        let base = format!("{}/crds", self.paths.installed);
        let stamp = |path: String| -> Result<Stamp, CrdsError> {
            let text =
                self.remote.read_if_there(&path, 1 << 20)?.ok_or_else(|| self.missing(format!("file {path}")))?;
            let text = String::from_utf8_lossy(&text).into_owned();
            stamp(&text).ok_or_else(|| self.shape("a stamped version", &text))
        };
        let client = stamp(format!("{base}/svn_version.py"))?;
        let server = stamp(format!("{base}/server/svn_version.py"))?;
        let entries = self.remote.list(&base, None)?;
        let times = entries.iter().filter(|entry| entry.kind == EntryKind::File).map(|entry| entry.mtime);
        let (oldest, newest) = times.clone().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), t| (a.min(t), b.max(t)));
        let files = times.count() as u64;
        if files == 0 {
            // Without a file the oldest one would be younger than anything.
            return Err(self.missing(format!("file below {base}")));
        }
        Ok(Installed { client, server, oldest, newest, files })
    }

    /// Removes exactly `paths`, each relative to the install root.
    ///
    /// # Errors
    ///
    /// The host cannot be asked. Compare inventories: the status says nothing.
    pub fn wipe(&self, permit: &Permit<'_>, paths: &[String]) -> Result<Ran, CrdsError> {
        let mut args = vec![self.paths.crds.as_str()];
        args.extend(paths.iter().map(String::as_str));
        self.act(permit, Change::Wipe, &WIPE, &args, Duration::from_secs(1800))
    }

    /// Runs the server's own tests where it is, hidden or not; `live` leaves the port alone (SO 5).
    ///
    /// # Errors
    ///
    /// The host cannot be asked. The status is always 0: read the log.
    pub fn run_tests(&self, permit: &Permit<'_>, time: Duration) -> Result<Ran, CrdsError> {
        self.only_2014("runtests")?;
        self.act(permit, Change::Tests, &TESTS, &[], time)
    }

    /// The log of the last install, `install.<T>.err`.
    ///
    /// # Errors
    ///
    /// The host cannot be asked or has no such log.
    pub fn install_log(&self) -> Result<Vec<u8>, CrdsError> {
        Ok(self.remote.read_file(&self.install_log_path(), 64 << 20)?)
    }

    /// Where [`Self::install_log`] lies.
    pub fn install_log_path(&self) -> String {
        format!("{}/install.{}.err", self.paths.server_sources, self.tail())
    }

    /// Where the log of the last test run lies.
    pub fn tests_log_path(&self) -> String {
        format!("{}/runtests.{}.err", self.paths.server_sources, self.tail())
    }

    /// Runs a program of the installed client in a clean login with `env.csh`, only to read. `argv` is data, the
    /// program included.
    ///
    /// # Errors
    ///
    /// The host cannot be asked.
    pub fn tool(&self, argv: &[&str], limit: Limit) -> Result<Ran, CrdsError> {
        const TOOL: Script = Script {
            name: "a tool of the server",
            shell: Shell::Login,
            text: "cd ${CRDS}/CRDS_server && source env.csh && $argv:q",
        };
        Ok(self.remote.look_script(&TOOL, argv, limit)?)
    }
}

fn stamp(text: &str) -> Option<Stamp> {
    let version = text.lines().find_map(|line| line.strip_prefix("__svn_version__ = "))?;
    let value =
        |key: &str| text.lines().find_map(|line| line.trim().strip_prefix(key)).map(|value| value.trim().to_owned());
    Some(Stamp {
        version: version.trim().trim_matches(['"', '\'']).to_owned(),
        url: value("URL:").unwrap_or_default(),
        last_changed: value("Last Changed Rev:").and_then(|rev| rev.parse().ok()).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read() {
        let text = "\"\"\"x\"\"\"\n__svn_version__ = \"12M\"\n__full_svn_info__ = '''\nURL: file:///svn/crds/trunk\nLast Changed Rev: 11\n'''\n";
        let expected = Stamp { version: "12M".into(), url: "file:///svn/crds/trunk".into(), last_changed: 11 };
        assert_eq!(stamp(text), Some(expected));
        assert_eq!(stamp("import os\n"), None);
    }

    proptest::proptest! {
        #[test]
        fn a_damaged_stamp_is_another_or_none(text in crate::mangled::text(
            "__svn_version__ = \"12M\"\n__full_svn_info__ = '''\nURL: file:///svn/crds/trunk\nLast Changed Rev: 11\n'''\n"
        )) {
            let Some(read) = stamp(&text) else { return Ok(()) };
            proptest::prop_assert!(text.contains(&read.version) && text.contains(&read.url));
            proptest::prop_assert!(read.last_changed == 0 || text.contains(&read.last_changed.to_string()));
        }
    }
}
