//! What memcached does for a CRDS server: answers kept for up to 24 hours, dropped together (WP 1.7, 3.11).

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// How long an answer is kept.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Bytes that are kept at most: memcached's own default.
const BYTES_KEPT: usize = 64 << 20;

/// One memcached: shared by all workers of a host, emptied as a whole.
///
/// An epoch file, if one is given, plays `flush_all` and restarts from outside the process: whenever its bytes change,
/// everything kept so far is forgotten.
#[derive(Debug, Default)]
pub struct Memcached {
    epoch_file: Option<PathBuf>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    epoch: Vec<u8>,
    answers: HashMap<String, (Timestamp, Arc<Entry>)>,
    /// Length of all keys and answers.
    bytes: usize,
}

impl Kept {
    fn forget(&mut self) {
        self.answers = HashMap::new();
        self.bytes = 0;
    }
}

/// A kept answer.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A JSON value.
    Json(Value),
    /// A rendered page or other bytes.
    Bytes(Vec<u8>),
}

impl Entry {
    fn bytes(&self) -> usize {
        match self {
            Self::Json(value) => value.to_string().len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

impl Memcached {
    /// An empty one, optionally flushed by changes of `epoch_file`.
    pub fn new(epoch_file: Option<PathBuf>) -> Self {
        Self { epoch_file, kept: Mutex::default() }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = &self.epoch_file {
            let epoch = std::fs::read(path).unwrap_or_default();
            if epoch != kept.epoch {
                kept.epoch = epoch;
                kept.forget();
            }
        }
        work(&mut kept)
    }

    /// The answer kept under `key`, unless it is older than 24 hours at `now`.
    pub fn get(&self, key: &str, now: Timestamp) -> Option<Arc<Entry>> {
        self.with(|kept| {
            let (since, entry) = kept.answers.get(key)?;
            (now.duration_since(*since) < KEPT_FOR).then(|| Arc::clone(entry))
        })
    }

    /// Keeps an answer.
    pub fn put(&self, key: &str, entry: Entry, now: Timestamp) {
        self.with(|kept| {
            let bytes = key.len() + entry.bytes();
            if bytes > BYTES_KEPT {
                return;
            }
            // Questions with made-up arguments must not make the process grow.
            if kept.answers.len() >= 10_000 || kept.bytes + bytes > BYTES_KEPT {
                kept.forget();
            }
            kept.bytes += bytes;
            if let Some((_, before)) = kept.answers.insert(key.to_owned(), (now, Arc::new(entry))) {
                kept.bytes -= key.len() + before.bytes();
            }
        });
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.with(Kept::forget);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_has_a_bound() {
        let kept = Memcached::default();
        let sum =
            || kept.with(|kept| (kept.bytes, kept.answers.values().map(|(_, entry)| entry.bytes()).sum::<usize>()));
        for at in 0..100 {
            // Every question is asked twice: the second answer takes the first one's place.
            for _ in 0..2 {
                kept.put(&format!("question {at}"), Entry::Bytes(vec![b'x'; 1 << 20]), Timestamp::UNIX_EPOCH);
            }
            let (counted, there) = sum();
            assert!(there <= counted && counted <= BYTES_KEPT, "{there} {counted}");
            assert!(kept.get(&format!("question {at}"), Timestamp::UNIX_EPOCH).is_some());
        }
        assert!(sum().1 > BYTES_KEPT / 4, "it keeps something");
        kept.clear();
        assert_eq!(sum(), (0, 0));
    }
}
