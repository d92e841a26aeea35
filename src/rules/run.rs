//! Affected datasets of a whole source: read in pieces, judged by as many threads as are worth it.

use std::collections::HashSet;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use super::affected::{Affected, Mode, Plan};
use super::context_diff::context_diff;
use super::error::RulesError;
use super::input::split::{Chunk, Splitter};
use super::input::{self, InputError, Progress, Source};
use super::load::Context;
use super::worker::Worker;

/// Why nothing could be computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AffectedError {
    /// Rules that are needed as a whole.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The datasets.
    #[error(transparent)]
    Input(#[from] InputError),
}

impl AffectedError {
    /// The next move.
    pub fn help(&self) -> String {
        match self {
            Self::Rules(error) => error.help(),
            Self::Input(error) => error.help(),
        }
    }
}

/// How a source is worked through.
#[derive(Clone, Default)]
pub struct Options {
    /// Worker threads; else as many as the size of the input is worth, at most one per processor.
    pub threads: Option<usize>,
    /// Told how many bytes have been read.
    pub progress: Option<Progress>,
    /// Only the affected products are wanted: datasets of instruments without any difference are not looked at, and so
    /// neither are their failures.
    pub products_only: bool,
}

/// Bytes of input that are worth a thread of their own.
const WORTH_A_THREAD: u64 = 48 << 20;

/// Works out the affected datasets of a source. A later dataset of the same id takes the place of an earlier one.
///
/// # Errors
///
/// Rules that the mode needs as a whole, or a source that cannot be read to its end.
pub fn compute_source(
    old: &Context,
    new: &Context,
    source: &Source,
    mode: &Mode,
    options: &Options,
) -> Result<Affected, AffectedError> {
    let difference = if mode.diffs_only { Some(context_diff(old, new)?) } else { None };
    let lean = options.products_only && mode.is_lean();
    let instruments: Vec<String> = new
        .instruments()
        .filter(|(name, imap)| !(lean && old.instruments().any(|(other, same)| other == *name && same == *imap)))
        .map(|(name, _)| name.to_owned())
        .collect();
    old.library().preload_some([old, new], |name| instruments.iter().any(|own| own == name));
    let plan = Plan::new(mode, old, new, difference.as_ref())?;
    let worker = || Worker::new(old, new, &plan, lean);
    let mut parts = Vec::new();
    match input::json_path(source) {
        Some(path) => {
            let size = std::fs::metadata(path).map_or(u64::MAX, |metadata| metadata.len());
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            let worth = usize::try_from(size / WORTH_A_THREAD).unwrap_or(usize::MAX).saturating_add(1);
            let threads = options.threads.unwrap_or(worth.min(processors)).clamp(1, 256);
            if threads == 1 {
                let mut worker = worker();
                let mut splitter = Splitter::new(input::open(path)?, path);
                while let Some(chunk) = splitter.next_chunk()? {
                    worker.chunk(path, &chunk)?;
                    options.told(&chunk);
                    splitter.give_back(chunk);
                }
                parts.push(worker.part);
            } else {
                parts = threaded(path, threads, options, &worker)?;
            }
        }
        None => {
            let mut worker = worker();
            input::read_with(source, new, options.progress.as_ref(), &mut |id, entry| worker.general(id, &entry))?;
            parts.push(worker.part);
        }
    }
    Ok(Part::merge(parts))
}

impl Options {
    fn told(&self, chunk: &Chunk) {
        if let Some(progress) = &self.progress {
            progress(chunk.bytes.len() as u64);
        }
    }
}

type Numbered = (usize, Chunk);

fn threaded(
    path: &Path,
    threads: usize,
    options: &Options,
    worker: &(dyn Fn() -> Worker + Sync),
) -> Result<Vec<Part>, InputError> {
    let (give, take): (SyncSender<Numbered>, Receiver<Numbered>) = sync_channel(threads);
    let take = Mutex::new(take);
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| -> Result<Part, InputError> {
                    let mut worker = worker();
                    loop {
                        let next = take.lock().unwrap_or_else(PoisonError::into_inner).recv();
                        let Ok((number, chunk)) = next else { return Ok(worker.part) };
                        worker.part.sequence = (number as u64) << 32;
                        worker.chunk(path, &chunk)?;
                        options.told(&chunk);
                    }
                })
            })
            .collect();
        let fed = (|| {
            let mut splitter = Splitter::new(input::open(path)?, path);
            let mut number = 0;
            while let Some(chunk) = splitter.next_chunk()? {
                if give.send((number, chunk)).is_err() {
                    break;
                }
                number += 1;
            }
            Ok(())
        })();
        drop(give);
        let mut parts = Vec::new();
        let mut failed = None;
        for handle in handles {
            match handle.join() {
                Ok(Ok(part)) => parts.push(part),
                Ok(Err(error)) => failed = Some(error),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        fed?;
        failed.map_or(Ok(parts), Err)
    })
}

/// What one worker has found.
#[derive(Default)]
pub(super) struct Part {
    pub(super) affected: Affected,
    /// Of every dataset: hash of its id, place in the source.
    seen: Vec<(u64, u64)>,
    /// Places of what is in `affected.changed`, `affected.listed`, `affected.errors`, and of the cut datasets.
    pub(super) changed_at: Vec<u64>,
    pub(super) listed_at: Vec<u64>,
    pub(super) errors_at: Vec<u64>,
    pub(super) cut_at: Vec<u64>,
    pub(super) sequence: u64,
}

impl Part {
    /// Notes a dataset; its place.
    pub(super) fn see(&mut self, id: &[u8]) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for chunk in id.chunks(8) {
            let mut eight = [0; 8];
            eight[..chunk.len()].copy_from_slice(chunk);
            hash = (hash ^ u64::from_le_bytes(eight)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
        }
        hash ^= id.len() as u64;
        self.sequence += 1;
        self.seen.push((hash.wrapping_mul(0x9e37_79b9_7f4a_7c15), self.sequence));
        self.affected.datasets += 1;
        self.sequence
    }

    /// Puts the parts together; of datasets with the same id only the last counts.
    fn merge(parts: Vec<Self>) -> Affected {
        let seen: usize = parts.iter().map(|part| part.seen.len()).sum();
        let replaced = replaced(parts.iter().flat_map(|part| part.seen.iter().copied()), seen);
        let mut whole = Affected { datasets: seen - replaced.len(), ..Affected::default() };
        for part in parts {
            let keep = |at: &u64| !replaced.contains(at);
            let changed = part.affected.changed.into_iter().zip(part.changed_at);
            whole.changed.extend(changed.filter(|(_, at)| keep(at)).map(|(dataset, _)| dataset));
            let listed = part.affected.listed.into_iter().zip(part.listed_at);
            whole.listed.extend(listed.filter(|(_, at)| keep(at)).map(|(id, _)| id));
            let errors = part.affected.errors.into_iter().zip(part.errors_at);
            whole.errors.extend(errors.filter(|(_, at)| keep(at)).map(|(error, _)| error));
            whole.cut += part.cut_at.iter().filter(|at| keep(at)).count();
        }
        whole.sort();
        whole
    }
}

/// The places of all but the last of equal ids, given (hash of an id, place) of `count` datasets.
///
/// That two of two million ids share 64 bits by chance is one in ten million.
fn replaced(seen: impl Iterator<Item = (u64, u64)>, count: usize) -> HashSet<u64> {
    let bits = (count * 2).next_power_of_two().trailing_zeros().max(4);
    // The hash 0 marks an empty place.
    let mut known: Vec<(u64, u64)> = vec![(0, 0); 1 << bits];
    let mut replaced = HashSet::new();
    for (hash, place) in seen {
        let hash = hash.max(1);
        let mut at = (hash >> (64 - bits)) as usize;
        while known[at].0 != 0 && known[at].0 != hash {
            at = (at + 1) & (known.len() - 1);
        }
        if known[at].0 == hash {
            replaced.insert(known[at].1.min(place));
        }
        known[at] = (hash, known[at].1.max(place));
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_ids_only_the_last_place_stays() {
        let mut seen: Vec<(u64, u64)> = (1..=1000).map(|n: u64| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15), n)).collect();
        assert!(replaced(seen.iter().copied(), seen.len()).is_empty());
        // Threads hand their parts over in any order, and hashes may begin alike.
        seen.extend([(seen[4].0, 2000), (seen[4].0, 1500), (seen[9].0, 1600), (0, 7000), (0, 7001), (u64::MAX, 8000)]);
        assert_eq!(replaced(seen.iter().copied(), seen.len()), HashSet::from([5, 1500, 10, 7000]));
        assert!(replaced(std::iter::empty(), 0).is_empty());
    }
}
