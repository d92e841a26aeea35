//! The journal of a run: what happened, in order, each entry chained to the one before by hash.
//!
//! SQLite in WAL mode. An entry that [`Journal::append`] returned for is on the disk, with every entry before it. One that
//! [`Journal::note`] returned for can be read by others and outlives the death of this process, and is on the disk with
//! the next appended one: what a step only looked at need not wait for the disk each time, what it is about to do must.
//! Several processes may read and, one at a time, write. Nothing is ever updated or deleted.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use super::error::RunError;
use super::event::Event;
use super::kill::{KillPoint, Side};

/// The hash before the first entry.
pub const GENESIS: &str = "blake3:0000000000000000000000000000000000000000000000000000000000000000";

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS entries (
    seq INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    step TEXT,
    attempt INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    prev TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS never_updated BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'entries are never updated'); END;
CREATE TRIGGER IF NOT EXISTS never_deleted BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'entries are never deleted'); END;
";

/// One entry as it stands in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// From 1, without gaps.
    pub seq: u64,
    /// When, on the operator's clock (RFC 3339, UTC, milliseconds).
    pub at: String,
    /// Of which step; none for entries about the run.
    pub step: Option<String>,
    /// Of which attempt at the step, from 1; 0 for entries about the run.
    pub attempt: u32,
    /// What happened.
    pub event: Event,
    /// Hash of this entry, which covers the hash of the one before.
    pub hash: String,
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    connection: Mutex<Connection>,
    kill: Option<KillPoint>,
}

impl Journal {
    /// Opens the journal for writing, creating it if it is not there.
    ///
    /// # Errors
    ///
    /// [`RunError::Journal`] if it cannot be opened or does not have the shape of a journal.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let fail = |verb| move |source| RunError::Journal { verb, path: path.to_owned(), source };
        let connection = Connection::open(path).map_err(fail("open"))?;
        connection.busy_timeout(Duration::from_secs(20)).map_err(fail("open"))?;
        connection
            .execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;")
            .map_err(fail("open"))?;
        connection.execute_batch(SCHEMA).map_err(fail("prepare"))?;
        Ok(Self { path: path.to_owned(), connection: Mutex::new(connection), kill: None })
    }

    /// Opens an existing journal for reading only.
    ///
    /// # Errors
    ///
    /// [`RunError::Journal`] if it is not there or not a journal.
    pub fn read_only(path: &Path) -> Result<Self, RunError> {
        let fail = |source| RunError::Journal { verb: "open", path: path.to_owned(), source };
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(fail)?;
        connection.busy_timeout(Duration::from_secs(20)).map_err(fail)?;
        Ok(Self { path: path.to_owned(), connection: Mutex::new(connection), kill: None })
    }

    /// Sets where this process dies; see [`super::kill`].
    #[must_use]
    pub fn with_kill_point(mut self, point: Option<KillPoint>) -> Self {
        self.kill = point;
        self
    }

    /// Where the journal lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends an entry and returns its sequence number once it is on the disk.
    ///
    /// # Errors
    ///
    /// [`RunError::Journal`]: then the entry is not there, and what it announces must not be done.
    pub fn append(&self, step: Option<&str>, attempt: u32, event: &Event) -> Result<u64, RunError> {
        self.write(step, attempt, event, "PRAGMA synchronous=FULL")
    }

    /// Appends an entry that nothing irreversible rests on: it is on the disk with the next appended one at the latest.
    ///
    /// # Errors
    ///
    /// As [`Self::append`].
    pub fn note(&self, step: Option<&str>, attempt: u32, event: &Event) -> Result<u64, RunError> {
        // In WAL mode: a commit without a sync, while checkpoints still sync.
        self.write(step, attempt, event, "PRAGMA synchronous=NORMAL")
    }

    fn write(&self, step: Option<&str>, attempt: u32, event: &Event, sync: &str) -> Result<u64, RunError> {
        let fail = |source| RunError::Journal { verb: "write", path: self.path.clone(), source };
        let body = serde_json::to_string(event).map_err(|error| RunError::Entry {
            path: self.path.clone(),
            seq: 0,
            why: error.to_string(),
        })?;
        let mut connection = self.connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        connection.execute_batch(sync).map_err(fail)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        let (last, prev): (i64, String) = transaction
            .query_row("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .or_else(|error| match error {
                rusqlite::Error::QueryReturnedNoRows => Ok((0, GENESIS.to_owned())),
                other => Err(other),
            })
            .map_err(fail)?;
        let row = last + 1;
        let seq = row.unsigned_abs();
        let at = now();
        let hash = chain(&prev, seq, &at, step, attempt, &body);
        let dies = self.kill.as_ref().and_then(|point| point.here(seq, event));
        KillPoint::at(dies, Side::Before);
        transaction
            .execute(
                "INSERT INTO entries (seq, at, step, attempt, kind, body, prev, hash) VALUES (?1,?2,?3,?4,?5,?6,?7,?8)",
                params![row, at, step, attempt, event.kind(), body, prev, hash],
            )
            .map_err(fail)?;
        transaction.commit().map_err(fail)?;
        KillPoint::at(dies, Side::After);
        Ok(seq)
    }

    /// All entries, oldest first, with the chain proven on the way.
    ///
    /// # Errors
    ///
    /// [`RunError::Tampered`] at the first entry that is missing, altered or out of order; [`RunError::Entry`] at one
    /// that does not read; [`RunError::Journal`] if the file cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, RunError> {
        let fail = |source| RunError::Journal { verb: "read", path: self.path.clone(), source };
        let connection = self.connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut statement = connection
            .prepare("SELECT seq, at, step, attempt, kind, body, prev, hash FROM entries ORDER BY seq")
            .map_err(fail)?;
        let mut rows = statement.query([]).map_err(fail)?;
        let (mut entries, mut before, mut expected) = (Vec::new(), GENESIS.to_owned(), 1u64);
        while let Some(row) = rows.next().map_err(fail)? {
            let number: i64 = row.get(0).map_err(fail)?;
            let seq = u64::try_from(number).map_err(|_| RunError::Tampered {
                what: format!("journal entry {number}: entries are counted from 1"),
            })?;
            let at: String = row.get(1).map_err(fail)?;
            let step: Option<String> = row.get(2).map_err(fail)?;
            let attempt: u32 = row.get(3).map_err(fail)?;
            let kind: String = row.get(4).map_err(fail)?;
            let body: String = row.get(5).map_err(fail)?;
            let prev: String = row.get(6).map_err(fail)?;
            let hash: String = row.get(7).map_err(fail)?;
            if seq != expected || prev != before {
                return Err(RunError::Tampered {
                    what: format!("journal entry {expected} is missing, entry {seq} follows"),
                });
            }
            if hash != chain(&prev, seq, &at, step.as_deref(), attempt, &body) {
                return Err(RunError::Tampered {
                    what: format!("journal entry {seq} ({kind}) is not what was written"),
                });
            }
            let event: Event = serde_json::from_str(&body).map_err(|error| RunError::Entry {
                path: self.path.clone(),
                seq,
                why: error.to_string(),
            })?;
            if event.kind() != kind {
                return Err(RunError::Tampered {
                    what: format!("journal entry {seq} is labelled {kind}, but is {}", event.kind()),
                });
            }
            before.clone_from(&hash);
            expected += 1;
            entries.push(Entry { seq, at, step, attempt, event, hash });
        }
        Ok(entries)
    }
}

/// Now, on the operator's clock.
pub fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}

/// The hash of an entry: over the hash before it and everything it says, each part with its length.
fn chain(prev: &str, seq: u64, at: &str, step: Option<&str>, attempt: u32, body: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in [prev, &seq.to_string(), at, step.unwrap_or("-"), &attempt.to_string(), body] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    format!("blake3:{}", hasher.finalize().to_hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = folder.path().join("journal.sqlite");
        let journal = Journal::open(&path).expect("opens");
        for act in ["a", "b", "c"] {
            journal.append(Some("s130"), 1, &Event::Intent { act: act.to_owned() }).expect("writes");
        }
        (folder, path)
    }

    fn tamper(path: &Path, sql: &str) {
        let connection = Connection::open(path).expect("opens");
        connection.execute_batch("DROP TRIGGER never_updated; DROP TRIGGER never_deleted;").expect("drops");
        connection.execute_batch(sql).expect("tampers");
    }

    #[test]
    fn entries_come_back_in_order() {
        let (_folder, path) = three();
        let entries = Journal::read_only(&path).and_then(|journal| journal.entries()).expect("reads");
        let acts: Vec<_> = entries.iter().map(|entry| &entry.event).collect();
        assert_eq!(acts[2], &Event::Intent { act: "c".to_owned() });
        assert_eq!(entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn every_way_of_tampering_is_seen() {
        for sql in [
            "UPDATE entries SET body = replace(body, '\"b\"', '\"x\"') WHERE seq = 2",
            "UPDATE entries SET at = '2014-09-16T12:00:00.000Z' WHERE seq = 1",
            "UPDATE entries SET step = NULL WHERE seq = 3",
            "UPDATE entries SET attempt = 2 WHERE seq = 3",
            "UPDATE entries SET kind = 'done' WHERE seq = 3",
            "UPDATE entries SET seq = -1 WHERE seq = 1",
            "DELETE FROM entries WHERE seq = 1",
            "DELETE FROM entries WHERE seq = 2",
        ] {
            let (_folder, path) = three();
            tamper(&path, sql);
            let read = Journal::read_only(&path).and_then(|journal| journal.entries());
            assert!(matches!(read, Err(RunError::Tampered { .. })), "{sql}: {read:?}");
        }
    }

    #[test]
    fn entries_are_never_updated_or_deleted() {
        let (_folder, path) = three();
        let connection = Connection::open(&path).expect("opens");
        assert!(connection.execute("UPDATE entries SET at = ''", []).is_err());
        assert!(connection.execute("DELETE FROM entries", []).is_err());
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(40))]

        #[test]
        fn a_damaged_body_is_never_read_as_an_entry(body in crate::mangled::text(r#"{"kind":"intent","act":"b"}"#), hashed in proptest::bool::ANY) {
            let (_folder, path) = three();
            let written = Journal::read_only(&path).and_then(|journal| journal.entries()).expect("reads");
            tamper(&path, "");
            let connection = Connection::open(&path).expect("opens");
            connection.execute("UPDATE entries SET body = ?1 WHERE seq = 2", [&body]).expect("tampers");
            if hashed {
                // Even with the right hash it must be the event that its label says, and the next entry breaks the chain.
                let at = &written[1].at;
                let hash = chain(&written[0].hash, 2, at, Some("s130"), 1, &body);
                connection.execute("UPDATE entries SET hash = ?1 WHERE seq = 2", [hash]).expect("tampers");
            }
            match Journal::read_only(&path).and_then(|journal| journal.entries()) {
                Ok(entries) => proptest::prop_assert_eq!(entries, written),
                Err(error) => proptest::prop_assert!(error.to_string().contains("journal"), "{}", error),
            }
        }
    }
}
