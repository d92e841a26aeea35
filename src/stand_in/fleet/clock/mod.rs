//! The clock of a fleet.
//!
//! `DIR/clock` is a history of (real time, offset) pairs that only grows. Processes of a host map it through a small
//! preloaded library (`preload.rs`, compiled by the build script), which adds to each time the offset that was in
//! force at that moment; so a step of the clock does not move the times of files that exist. A stored file time from
//! before the fleet was made was set on purpose and is shown as it is. A frozen entry makes time stand still, as it
//! does between `fleet save` and `fleet resume`.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

/// The shared library for `LD_PRELOAD`.
pub const PRELOAD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libcrdsclock.so"));

/// First eight bytes of a clock file.
const MAGIC: &[u8; 8] = b"CRDSCLK1";
/// Bytes before the first entry: magic, count of entries, reserve.
const HEADER: usize = 64;
/// Bytes of an entry: real time in ns, offset in ns, flags (1 = frozen).
const ENTRY: usize = 24;
/// The size of the file; room for some 43,000 steps.
const SIZE: u64 = 1 << 20;

/// One entry of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Real time from which on it holds, in nanoseconds since 1970.
    pub real_ns: i64,
    /// What is added to real time, in nanoseconds.
    pub offset_ns: i64,
    /// Time stands still at `real_ns + offset_ns`.
    pub frozen: bool,
}

/// Why the clock could not be used.
#[derive(Debug, thiserror::Error)]
#[error("failed to {verb} the fleet's clock `{}`", path.display())]
pub struct ClockError {
    /// What was tried.
    pub verb: &'static str,
    /// The clock file.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

/// An open clock; true in processes with and without the preloaded library.
#[derive(Debug)]
pub struct Clock {
    path: PathBuf,
    file: File,
}

impl Clock {
    /// Makes a clock that shows `start` now.
    ///
    /// # Errors
    ///
    /// [`ClockError`] if the file exists or cannot be written.
    pub fn create(path: &Path, start: Timestamp) -> Result<Clock, ClockError> {
        let fail = |source| ClockError { verb: "make", path: path.to_owned(), source };
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path).map_err(fail)?;
        file.set_len(SIZE).map_err(fail)?;
        let clock = Clock { path: path.to_owned(), file };
        let real = real_now_ns();
        clock.append(Entry { real_ns: real, offset_ns: nanoseconds(start) - real, frozen: false })?;
        clock.file.write_all_at(MAGIC, 0).map_err(fail)?;
        Ok(clock)
    }

    /// Opens an existing clock.
    ///
    /// # Errors
    ///
    /// [`ClockError`] if it cannot be opened or is not a clock.
    pub fn open(path: &Path) -> Result<Clock, ClockError> {
        let fail = |source| ClockError { verb: "open", path: path.to_owned(), source };
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(fail)?;
        let mut magic = [0; 8];
        file.read_exact_at(&mut magic, 0).map_err(fail)?;
        if &magic != MAGIC {
            return Err(fail(io::Error::other("it does not begin like a clock file")));
        }
        Ok(Clock { path: path.to_owned(), file })
    }

    /// The fleet time now.
    ///
    /// # Errors
    ///
    /// [`ClockError`] if the history cannot be read.
    pub fn now(&self) -> Result<Timestamp, ClockError> {
        let entries = self.entries()?;
        Ok(timestamp(fleet_time(&entries, real_now_ns())))
    }

    /// The whole history, oldest first.
    ///
    /// # Errors
    ///
    /// [`ClockError`] if it cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, ClockError> {
        let fail = |source| ClockError { verb: "read", path: self.path.clone(), source };
        let count = self.count()?;
        let mut bytes = vec![0; count * ENTRY];
        self.file.read_exact_at(&mut bytes, HEADER as u64).map_err(fail)?;
        let word = |slice: &[u8]| {
            i64::from_le_bytes([slice[0], slice[1], slice[2], slice[3], slice[4], slice[5], slice[6], slice[7]])
        };
        Ok(bytes
            .chunks_exact(ENTRY)
            .map(|chunk| Entry { real_ns: word(chunk), offset_ns: word(&chunk[8..]), frozen: chunk[16] & 1 == 1 })
            .collect())
    }

    /// Moves the clock forward so that it shows `to`; does nothing if it already shows that or later.
    ///
    /// # Errors
    ///
    /// [`ClockError`] if the history cannot be written.
    pub fn advance(&self, to: Timestamp) -> Result<(), ClockError> {
        let _one = self.lock()?;
        let entries = self.entries()?;
        let real = real_now_ns();
        let now = fleet_time(&entries, real);
        let wanted = nanoseconds(to);
        if wanted <= now {
            return Ok(());
        }
        self.append(Entry { real_ns: real, offset_ns: wanted - real, frozen: false })
    }

    /// Moves the clock forward by `length`, from whatever it shows: right in a process with the preloaded library too.
    ///
    /// # Errors
    ///
    /// [`ClockError`] if the history cannot be written.
    pub fn pass(&self, length: SignedDuration) -> Result<(), ClockError> {
        let to = self.now()?.checked_add(length).unwrap_or(Timestamp::MAX);
        self.advance(to)
    }

    /// Sets the clock, backwards too: a fault, as on a host whose clock was put right.
    ///
    /// # Errors
    ///
    /// [`ClockError`] if the history cannot be written.
    pub fn set(&self, to: Timestamp) -> Result<(), ClockError> {
        let _one = self.lock()?;
        let real = real_now_ns();
        self.append(Entry { real_ns: real, offset_ns: nanoseconds(to) - real, frozen: false })
    }

    /// Lets time stand still.
    ///
    /// # Errors
    ///
    /// [`ClockError`] if the history cannot be written.
    pub fn freeze(&self) -> Result<(), ClockError> {
        let _one = self.lock()?;
        let entries = self.entries()?;
        let real = real_now_ns();
        let now = fleet_time(&entries, real);
        self.append(Entry { real_ns: real, offset_ns: now - real, frozen: true })
    }

    /// Lets time go on from where it stood; does nothing if it runs.
    ///
    /// # Errors
    ///
    /// [`ClockError`] if the history cannot be written.
    pub fn thaw(&self) -> Result<(), ClockError> {
        let _one = self.lock()?;
        let entries = self.entries()?;
        if !entries.last().is_some_and(|entry| entry.frozen) {
            return Ok(());
        }
        let real = real_now_ns();
        let now = fleet_time(&entries, real);
        self.append(Entry { real_ns: real, offset_ns: now - real, frozen: false })
    }

    fn lock(&self) -> Result<File, ClockError> {
        // A second open file: a lock belongs to the open file, and threads of one process may share `self`.
        let fail = |source| ClockError { verb: "lock", path: self.path.clone(), source };
        let file = File::open(&self.path).map_err(fail)?;
        file.lock().map_err(fail)?;
        Ok(file)
    }

    fn count(&self) -> Result<usize, ClockError> {
        let fail = |source| ClockError { verb: "read", path: self.path.clone(), source };
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, 8).map_err(fail)?;
        let count = usize::try_from(u64::from_le_bytes(bytes)).unwrap_or(usize::MAX);
        if count > capacity() {
            return Err(fail(io::Error::other("its count of entries is absurd")));
        }
        Ok(count)
    }

    fn append(&self, entry: Entry) -> Result<(), ClockError> {
        let fail = |source| ClockError { verb: "write", path: self.path.clone(), source };
        let count = self.count()?;
        if count >= capacity() {
            return Err(fail(io::Error::other("its history is full")));
        }
        let mut bytes = [0; ENTRY];
        bytes[..8].copy_from_slice(&entry.real_ns.to_le_bytes());
        bytes[8..16].copy_from_slice(&entry.offset_ns.to_le_bytes());
        bytes[16] = u8::from(entry.frozen);
        // The entry first, then the count that makes it visible: readers map the file and take no lock.
        self.file.write_all_at(&bytes, (HEADER + count * ENTRY) as u64).map_err(fail)?;
        self.file.write_all_at(&(count as u64 + 1).to_le_bytes(), 8).map_err(fail)
    }
}

fn capacity() -> usize {
    (SIZE as usize - HEADER) / ENTRY
}

/// The fleet time at a real time, by the history, both in nanoseconds since 1970. Before the first entry time is as
/// it is: such a time was set on purpose.
pub fn fleet_time(entries: &[Entry], real_ns: i64) -> i64 {
    let after = entries.partition_point(|entry| entry.real_ns <= real_ns);
    match after.checked_sub(1).and_then(|index| entries.get(index)) {
        None => real_ns,
        Some(entry) if entry.frozen => entry.real_ns + entry.offset_ns,
        Some(entry) => real_ns + entry.offset_ns,
    }
}

/// Real time in nanoseconds since 1970.
pub fn real_now_ns() -> i64 {
    // A raw system call, which the preloaded library does not see.
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
}

fn nanoseconds(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)
}

fn timestamp(ns: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(ns)).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::{Clock, Entry, fleet_time};
    use jiff::{SignedDuration, Timestamp};

    #[test]
    fn steps_do_not_move_the_past() {
        let entries = [
            Entry { real_ns: 100, offset_ns: -50, frozen: false },
            Entry { real_ns: 200, offset_ns: 1000, frozen: false },
            Entry { real_ns: 300, offset_ns: 1000, frozen: true },
            Entry { real_ns: 400, offset_ns: 900, frozen: false },
        ];
        let seen: Vec<i64> = [99, 100, 199, 200, 299, 300, 399, 400].iter().map(|&t| fleet_time(&entries, t)).collect();
        assert_eq!(seen, [99, 50, 149, 1200, 1299, 1300, 1300, 1300]);
    }

    #[test]
    fn a_clock_advances_freezes_and_goes_on() {
        let dir = tempfile::tempdir().expect("a directory");
        let start = Timestamp::from_second(1_410_883_200).expect("in range");
        let clock = Clock::create(&dir.path().join("clock"), start).expect("made");
        let later = start + SignedDuration::from_hours(5);
        clock.advance(later).expect("advanced");
        assert!(clock.now().expect("read") >= later);
        clock.advance(start).expect("going back is nothing");
        clock.freeze().expect("frozen");
        let stood = clock.now().expect("read");
        assert_eq!(clock.now().expect("read"), stood);
        clock.thaw().expect("thawed");
        let went_on = clock.now().expect("read");
        assert!(went_on >= stood && went_on.duration_since(stood) < SignedDuration::from_secs(60));
    }
}
