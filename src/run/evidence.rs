//! Evidence: the bytes that checks looked at, addressed by BLAKE3 and on the disk before anything rests on them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::RunError;

/// Bytes kept as evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// `blake3:<64 hex digits>`.
    pub id: String,
    /// Their number.
    pub bytes: u64,
}

/// The evidence folder of a run.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
    /// Kept, and perhaps not on the disk yet.
    unsynced: Arc<Mutex<Vec<PathBuf>>>,
    syncing: Arc<Mutex<()>>,
    /// How many part files this store has written.
    parts: Arc<AtomicU64>,
}

/// So many files are synced side by side: the disk then joins them into few writes.
const SYNCS: usize = 16;

impl Store {
    /// The store in an existing folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), unsynced: Arc::default(), syncing: Arc::default(), parts: Arc::default() }
    }

    /// Where the bytes of an id lie.
    pub fn path(&self, id: &str) -> PathBuf {
        self.folder.join(id.trim_start_matches("blake3:"))
    }

    /// Keeps bytes; [`Self::sync`] puts them on the disk. The same bytes are kept once.
    ///
    /// # Errors
    ///
    /// [`RunError::File`]: then they are not kept, and the step must not go on.
    pub fn put(&self, bytes: &[u8]) -> Result<Evidence, RunError> {
        let hex = blake3::hash(bytes).to_hex();
        let evidence = Evidence { id: format!("blake3:{hex}"), bytes: bytes.len() as u64 };
        let path = self.folder.join(hex.as_str());
        // Under the lock: whoever finds the bytes there finds them among those that are still to be synced, too.
        let unsynced = || self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let _list = unsynced();
            if fs::metadata(&path).is_ok_and(|have| have.len() == evidence.bytes) {
                return Ok(evidence);
            }
        }
        // Written under another name first: a name in this folder always has its bytes behind it. Several looks at once
        // may see the same bytes, each under a name of its own.
        let number = self.parts.fetch_add(1, Ordering::Relaxed);
        let part = self.folder.join(format!(".{hex}.{}.{number}", std::process::id()));
        let mut file = File::create(&part).map_err(RunError::file("create", &part))?;
        file.write_all(bytes).map_err(RunError::file("write", &part))?;
        let mut list = unsynced();
        fs::rename(&part, &path).map_err(RunError::file("rename", &part))?;
        list.push(path);
        Ok(evidence)
    }

    /// Puts on the disk what has been kept since the last time.
    ///
    /// # Errors
    ///
    /// [`RunError::File`]: then something kept may not be on the disk, and the step must not go on.
    pub fn sync(&self) -> Result<(), RunError> {
        // What another thread is syncing just now is waited for.
        let _one = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        let paths = std::mem::take(&mut *self.unsynced.lock().unwrap_or_else(PoisonError::into_inner));
        if paths.is_empty() {
            return Ok(());
        }
        let sync =
            |path: &PathBuf| File::open(path).and_then(|file| file.sync_all()).map_err(RunError::file("sync", path));
        let synced = std::thread::scope(|scope| {
            let share = paths.len().div_ceil(SYNCS);
            let threads: Vec<_> =
                paths.chunks(share).map(|share| scope.spawn(move || share.iter().try_for_each(sync))).collect();
            threads.into_iter().try_for_each(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(RunError::file("sync", &self.folder)(std::io::Error::other("panic"))))
            })
        })
        .and_then(|()| sync(&self.folder));
        if synced.is_err() {
            // What is not on the disk now is not taken for it later.
            self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).extend(paths);
        }
        synced
    }

    /// The bytes of an id, proven to be those that were kept.
    ///
    /// # Errors
    ///
    /// [`RunError::File`] if they are gone, [`RunError::Tampered`] if they are others.
    pub fn get(&self, id: &str) -> Result<Vec<u8>, RunError> {
        let path = self.path(id);
        let bytes = fs::read(&path).map_err(RunError::file("read", &path))?;
        if format!("blake3:{}", blake3::hash(&bytes).to_hex()) == id {
            Ok(bytes)
        } else {
            Err(RunError::Tampered { what: format!("evidence {id} holds other bytes") })
        }
    }

    /// What does not fit between the folder and the ids that the journal names: missing, altered, unclaimed.
    ///
    /// # Errors
    ///
    /// [`RunError::File`] if the folder cannot be listed.
    pub fn audit(&self, named: &BTreeSet<String>) -> Result<Vec<String>, RunError> {
        let mut wrong = Vec::new();
        for id in named {
            match self.get(id) {
                Ok(_) => {}
                Err(RunError::File { source, .. }) => wrong.push(format!("evidence {id} is missing: {source}")),
                Err(error) => wrong.push(error.to_string()),
            }
        }
        for name in list(&self.folder)? {
            // A process killed between keeping and naming leaves a part file, or bytes under their own hash: harmless.
            let id = format!("blake3:{name}");
            if !name.starts_with('.') && !named.contains(&id) && self.get(&id).is_err() {
                wrong.push(format!("evidence file {name} is named by no journal entry and is not its own hash"));
            }
        }
        Ok(wrong)
    }
}

fn list(folder: &Path) -> Result<BTreeSet<String>, RunError> {
    fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|e| e.file_name().to_string_lossy().into_owned())).collect())
        .map_err(RunError::file("list", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_seen_by_several_at_once_are_kept_once() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let store = Store::new(folder.path());
        for round in 0..50 {
            let bytes = vec![b'x'; 10_000 + round];
            std::thread::scope(|threads| {
                let looks: Vec<_> = (0..4).map(|_| threads.spawn(|| store.put(&bytes))).collect();
                for look in looks {
                    look.join().expect("no panic").expect("keeps");
                }
            });
        }
        store.sync().expect("syncs");
        assert_eq!(list(folder.path()).expect("lists").len(), 50);
    }

    #[test]
    fn bytes_come_back_and_tampering_is_seen() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let store = Store::new(folder.path());
        let kept = store.put(b"crontab -l\n").expect("keeps");
        assert_eq!(store.put(b"crontab -l\n").expect("keeps once"), kept);
        store.sync().expect("syncs");
        store.sync().expect("has nothing left to sync");
        let lost = store.put(b"lost\n").expect("keeps");
        fs::remove_file(store.path(&lost.id)).expect("removes");
        assert!(store.sync().is_err());
        assert!(store.sync().is_err(), "what could not be synced is not forgotten");
        let store = Store::new(folder.path());
        assert_eq!(store.get(&kept.id).expect("reads"), b"crontab -l\n");
        let named = BTreeSet::from([kept.id.clone()]);
        assert_eq!(store.audit(&named).expect("lists"), Vec::<String>::new());

        fs::write(store.path(&kept.id), b"crontab -r\n").expect("tampers");
        assert!(matches!(store.get(&kept.id), Err(RunError::Tampered { .. })));
        fs::write(folder.path().join("ff"), b"").expect("adds");
        assert_eq!(store.audit(&named).expect("lists").len(), 2);
        fs::remove_file(store.path(&kept.id)).expect("removes");
        assert!(store.audit(&named).expect("lists").iter().any(|wrong| wrong.contains("missing")));
    }
}
