//! Deliveries, reprocessing monitor and logs of a server.

use serde::Serialize;

use crate::host::{Entry, EntryKind, Script, Shell};

use super::{CrdsError, Server};

/// A checksum of the beginning of a file.
const MARK: Script =
    Script { name: "mark a log", shell: Shell::Sh, text: r#"[ -r "$2" ] || exit 3; head -c "$1" "$2" | cksum"# };

/// One link of the delivery directory.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Delivery {
    /// Its bare name; a catalogue's carries the archive's suffix (SO 17).
    pub name: String,
    /// What `stat` says.
    pub entry: Entry,
}

/// The end of a log, and where it began when it was looked at before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogWindow {
    /// Absolute path.
    pub path: String,
    /// Bytes from the start to the end of the file now.
    pub size: u64,
    /// Inode, which a rotation changes.
    pub inode: u64,
    /// What came after the offset asked for.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

impl Server {
    /// What lies in the delivery directory.
    ///
    /// # Errors
    ///
    /// The host cannot be asked; an unmounted directory is an error, not "none" (A005).
    pub fn deliveries(&self) -> Result<Vec<Delivery>, CrdsError> {
        let entries = self.remote.list(&self.paths.deliveries(), Some(1))?;
        Ok(entries.into_iter().map(|entry| Delivery { name: entry.path.clone(), entry }).collect())
    }

    /// The context that the reprocessing monitor knows, as its csh reads it: without the line's end, but with whatever else
    /// stands there, such as a carriage return. `None` if it has no file, empty if the file is blank.
    ///
    /// # Errors
    ///
    /// The host cannot be asked.
    pub fn old_context(&self) -> Result<Option<String>, CrdsError> {
        let path = format!("{}/old_context.txt", self.paths.monitor);
        let bytes = self.remote.read_if_there(&path, 4096)?;
        Ok(bytes.map(|bytes| {
            let text = String::from_utf8_lossy(&bytes);
            let line = text.trim_end_matches('\n');
            if line.trim().is_empty() { String::new() } else { line.to_owned() }
        }))
    }

    /// Directories of computed affected datasets, oldest first by name.
    ///
    /// # Errors
    ///
    /// The host cannot be asked.
    pub fn computations(&self) -> Result<Vec<Entry>, CrdsError> {
        let entries = self.remote.list(&self.paths.monitor, Some(1))?;
        Ok(entries.into_iter().filter(|entry| entry.kind == EntryKind::Directory).collect())
    }

    /// Every plain file below the log directories, with size and inode.
    ///
    /// # Errors
    ///
    /// The host cannot be asked.
    pub fn logs(&self) -> Result<Vec<Entry>, CrdsError> {
        let mut entries = self.remote.list(&self.paths.logs, None)?;
        entries.retain(|entry| entry.kind == EntryKind::File);
        Ok(entries)
    }

    /// What was added to the log at `path` since it was `from` bytes long.
    ///
    /// # Errors
    ///
    /// The host cannot be asked, the log is gone or shorter than that, or more than `most` bytes were added.
    pub fn log_since(&self, path: &str, from: u64, most: usize) -> Result<LogWindow, CrdsError> {
        let entry = self.remote.stat(path)?.ok_or_else(|| self.missing(format!("log {path}")))?;
        if entry.size < from {
            let saw = format!("{} bytes, {from} before", entry.size);
            return Err(self.shape("the length of a log", &saw));
        }
        let offset = format!("+{}", from + 1);
        let limit = crate::host::Limit { output: most, ..crate::host::Limit::WALK };
        let ran = self.remote.must_look(&["tail", "-c", &offset, "--", path], limit)?;
        Ok(LogWindow {
            path: path.to_owned(),
            size: from + ran.stdout.len() as u64,
            inode: entry.inode,
            bytes: ran.stdout,
        })
    }

    /// A checksum of the first `size` bytes of the log at `path`: as long as it is the same, nothing that was in the log
    /// then has been lost, whatever was done to the file.
    ///
    /// # Errors
    ///
    /// The host cannot be asked, or the log is gone.
    pub fn log_mark(&self, path: &str, size: u64) -> Result<String, CrdsError> {
        let ran = self.remote.must_look_script(&MARK, &[&size.to_string(), path], crate::host::Limit::WALK)?;
        Ok(ran.text().trim().to_owned())
    }

    /// The `server_config` of the server's own cache, or nothing if it has none.
    ///
    /// # Errors
    ///
    /// The host cannot be asked.
    pub fn cache_config(&self) -> Result<Option<String>, CrdsError> {
        let path = format!("{}/server_config", self.paths.cache_config(self.observatory));
        let bytes = self.remote.read_if_there(&path, 64 << 20)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The operational context that the cache's configuration names, or nothing if there is no configuration.
    ///
    /// # Errors
    ///
    /// The host cannot be asked, or the configuration names none.
    pub fn cached_context(&self) -> Result<Option<String>, CrdsError> {
        let Some(text) = self.cache_config()? else { return Ok(None) };
        config_context(&text).map(Some).ok_or_else(|| self.shape("the cache's configuration", &text))
    }
}

/// The value of `operational_context` in a pretty-printed Python dictionary.
pub(super) fn config_context(text: &str) -> Option<String> {
    let mut words = text.split(['\'', '"']);
    words.find(|word| *word == "operational_context")?;
    words.nth(1).filter(|word| crate::plan::names::is_pmap(word)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cached_context_is_found() {
        let text = "{'bad_files_list': [],\n 'operational_context': 'hst_0279.pmap',\n 'x': 1}";
        assert_eq!(config_context(text).as_deref(), Some("hst_0279.pmap"));
        assert_eq!(config_context("{'operational_context': None}"), None);
        assert_eq!(config_context(""), None);
    }

    proptest::proptest! {
        #[test]
        fn a_damaged_configuration_names_a_context_of_its_own_or_none(
            text in crate::mangled::text("{'bad_files_list': [],\n 'operational_context': 'hst_0279.pmap',\n 'x': 1}")
        ) {
            if let Some(context) = config_context(&text) {
                proptest::prop_assert!(text.contains(&context) && context.ends_with(".pmap"), "{}", context);
            }
        }
    }
}
