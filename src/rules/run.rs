//! Affected datasets of a whole source: read in pieces, judged by as many threads as are worth it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::affected::{Affected, Dataset, Judge, Mode, Plan, Verdict};
use super::context_diff::context_diff;
use super::dataset::INSTRUMENT_KEYWORDS;
use super::engine::Kid;
use super::error::RulesError;
use super::input::json::{Entry, JsonError, Reader};
use super::input::scan::{self, Found, Keys, ODD};
use super::input::split::{Chunk, Form, Splitter};
use super::input::{self, InputError, Progress, Source};
use super::jwst;
use super::load::Context;
use super::lookup::DatasetError;
use super::since::Since;

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

fn threaded<'w>(
    path: &Path,
    threads: usize,
    options: &Options,
    worker: &(dyn Fn() -> Worker<'w> + Sync),
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
struct Part {
    affected: Affected,
    /// Of every dataset: hash of its id, place in the source.
    seen: Vec<(u64, u64)>,
    /// Places of what is in `affected.changed`, `affected.errors`, and of the cut datasets.
    changed_at: Vec<u64>,
    errors_at: Vec<u64>,
    cut_at: Vec<u64>,
    sequence: u64,
}

impl Part {
    fn see(&mut self, id: &[u8]) -> u64 {
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
        let mut seen: Vec<(u64, u64)> = parts.iter().flat_map(|part| part.seen.iter().copied()).collect();
        seen.sort_unstable();
        // All but the last of equal ids; that two of two million ids share 64 bits by chance is one in ten million.
        let mut replaced: HashMap<u64, u64> = HashMap::new();
        for two in seen.windows(2) {
            if two[0].0 == two[1].0 {
                replaced.insert(two[0].1, two[1].1);
            }
        }
        let mut whole = Affected { datasets: seen.len() - replaced.len(), ..Affected::default() };
        for part in parts {
            let keep = |at: &u64| !replaced.contains_key(at);
            let changed = part.affected.changed.into_iter().zip(part.changed_at);
            whole.changed.extend(changed.filter(|(_, at)| keep(at)).map(|(dataset, _)| dataset));
            let errors = part.affected.errors.into_iter().zip(part.errors_at);
            whole.errors.extend(errors.filter(|(_, at)| keep(at)).map(|(error, _)| error));
            whole.cut += part.cut_at.iter().filter(|at| keep(at)).count();
        }
        whole.sort();
        whole
    }
}

/// What a worker knows of an instrument.
enum Known {
    /// Nothing can differ.
    Unchanged,
    /// The general way.
    General,
    /// Its pair, and where its keywords are among the fields.
    Fast { pair: Arc<super::compare::Pair>, name: String, first: Vec<(Kid, u16)>, rest: Vec<(Kid, u16)> },
}

/// Judges the datasets of chunks.
struct Worker<'w> {
    judge: Judge,
    new: &'w Context,
    lean: bool,
    keys: Keys,
    found: Found,
    instruments: Vec<(Box<[u8]>, Known)>,
    instrument_fields: [Option<u16>; 2],
    exposure: Option<ExposureFields>,
    part: Part,
}

/// The fields that decide the types of a JWST exposure.
struct ExposureFields {
    exposure_type: u16,
    version: u16,
    exceptions: [u16; 3],
}

impl<'w> Worker<'w> {
    fn new(old: &'w Context, new: &'w Context, plan: &Plan, lean: bool) -> Self {
        let mut judge = Judge::new(old, new, plan);
        let mut worker_instruments = Vec::new();
        // The fast way knows the instrument by the two keywords that the client sets itself.
        let usual = |context: &Context| matches!(context.instrument_key(), "INSTRUME" | "META.INSTRUMENT.NAME");
        let fast = plan.since == Since::Ever
            && plan.comparison.only.is_none()
            && matches!(new.observatory(), "hst" | "jwst")
            && usual(old)
            && usual(new);
        let mut pairs = Vec::new();
        if fast {
            for (name, imap) in new.instruments() {
                let same = old.instruments().any(|(other, same)| other == name && same == imap);
                if lean && same {
                    worker_instruments.push((name.to_uppercase(), Known::Unchanged));
                } else if let Ok(pair) = judge.comparer.pair(name) {
                    pairs.push((name.to_uppercase(), pair));
                }
            }
        }
        let jwst_types = new.observatory() == "jwst";
        let mut fields = Fields::default();
        for keyword in judge.comparer.session.keywords() {
            fields.of(&keyword.to_uppercase());
        }
        let instrument_fields = ["INSTRUME", "META.INSTRUMENT.NAME"].map(|name| Some(fields.of(name)));
        let exposure = jwst_types.then(|| ExposureFields {
            exposure_type: fields.of("META.EXPOSURE.TYPE"),
            version: fields.of("META.CALIBRATION_SOFTWARE_VERSION"),
            exceptions: jwst::EXCEPTION_KEYWORDS.map(|name| fields.of(name)),
        });
        let keys = fields.keys(jwst_types).with_any_case(!jwst_types);
        let keywords: Vec<u16> =
            judge.comparer.session.keywords().iter().map(|keyword| fields.of(&keyword.to_uppercase())).collect();
        let mut instruments: Vec<(Box<[u8]>, Known)> =
            worker_instruments.into_iter().map(|(name, known)| (name.into_bytes().into_boxed_slice(), known)).collect();
        for (name, pair) in pairs {
            let place = |kid: &Kid| (*kid, keywords[kid.0 as usize]);
            let (first, rest) = (pair.first.iter().map(place).collect(), pair.rest.iter().map(place).collect());
            let bytes = name.clone().into_bytes().into_boxed_slice();
            instruments.push((bytes, Known::Fast { pair, name, first, rest }));
        }
        let found = Found::new(fields.names.len());
        Self { judge, new, lean, keys, found, instruments, instrument_fields, exposure, part: Part::default() }
    }

    fn chunk(&mut self, path: &Path, chunk: &Chunk) -> Result<(), InputError> {
        self.members(chunk).map_err(|error| input::json_error(path, input::line_at(chunk, error.at), &error))
    }

    fn members(&mut self, chunk: &Chunk) -> Result<(), JsonError> {
        let bytes = chunk.bytes.as_slice();
        // The fast look at a dataset takes this for granted.
        if let Err(error) = std::str::from_utf8(bytes) {
            return Err(JsonError { at: error.valid_up_to(), what: "not UTF-8".to_owned() });
        }
        let blank = |mut at: usize| {
            while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\t' | b'\r')) {
                at += 1;
            }
            at
        };
        let expected = |at: usize, what: &str| Err(JsonError { at, what: format!("expected {what}") });
        let mut at = blank(0);
        while at < bytes.len() {
            if chunk.form == Form::Lines {
                if bytes[at] != b'{' {
                    return expected(at, "'{'");
                }
                at = blank(at + 1);
                if bytes.get(at) == Some(&b'}') {
                    at = blank(at + 1);
                    continue;
                }
            }
            loop {
                at = blank(self.member(bytes, at)?);
                match bytes.get(at) {
                    Some(b',') => at = blank(at + 1),
                    Some(b'}') if chunk.form == Form::Lines => {
                        at += 1;
                        while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\r')) {
                            at += 1;
                        }
                        if !matches!(bytes.get(at), None | Some(b'\n')) {
                            return expected(at, "the end of the line");
                        }
                        break;
                    }
                    None if chunk.form == Form::Members => break,
                    _ => return expected(at, "',' or '}'"),
                }
            }
            at = blank(at);
        }
        Ok(())
    }

    /// Judges the dataset at `at`; where the text goes on.
    fn member(&mut self, bytes: &[u8], at: usize) -> Result<usize, JsonError> {
        if let Some(member) = scan::member(bytes, at, &self.keys, &mut self.found)
            && let Some(done) = self.fast(bytes, member)
        {
            return Ok(done);
        }
        let mut reader = Reader::new(&bytes[at..]);
        let moved = |error: JsonError| JsonError { at: error.at + at, what: error.what };
        let (id, entry) = reader.member().map_err(moved)?;
        self.general(id, &entry);
        Ok(at + reader.offset())
    }

    fn general(&mut self, id: String, entry: &Entry) {
        let at = self.part.see(id.as_bytes());
        match self.judge.judge(entry) {
            Ok(Verdict::Nothing) => {}
            Ok(Verdict::Cut(..)) => self.part.cut_at.push(at),
            Ok(Verdict::Change(change)) => self.change(at, id, change),
            Err(why) => self.error(at, id, &why),
        }
    }

    fn change(&mut self, at: u64, id: String, change: super::compare::Change) {
        self.part.changed_at.push(at);
        self.part.affected.changed.push(Dataset { id, change });
    }

    fn error(&mut self, at: u64, id: String, why: &DatasetError) {
        self.part.errors_at.push(at);
        self.part.affected.errors.push((id, why.to_string()));
    }

    /// Judges a scanned dataset; nothing where the general way must be gone.
    fn fast(&mut self, bytes: &[u8], member: scan::Member) -> Option<usize> {
        // The first keyword of the client's list that is there and says something.
        let span = self.instrument_fields.iter().flatten().find_map(|field| self.found.get(*field))?;
        let raw = &bytes[span.start as usize..span.end as usize];
        let at = self.instruments.iter().position(|(name, _)| **name == *raw);
        let Some(at) = at else {
            self.learn(span.bare, raw);
            return None;
        };
        let id = || std::str::from_utf8(&bytes[member.id_start..member.id_end]).ok().map(str::to_owned);
        let Known::Fast { pair, name, first, rest } = &self.instruments[at].1 else {
            if matches!(self.instruments[at].1, Known::General) || span.bare {
                return None;
            }
            self.part.see(&bytes[member.id_start..member.id_end]);
            return Some(member.end);
        };
        if span.bare {
            return None;
        }
        let wanted = match &self.exposure {
            None => None,
            Some(fields) => {
                Some(exposure_types(fields, &self.found, bytes, self.judge.comparer.calibration_version())?)
            }
        };
        let wanted = self.judge.comparer.wanted_fast(wanted.as_deref());
        let found = &self.found;
        let state = &mut self.judge.comparer.session.state;
        state.begin([]);
        let fill = |state: &mut super::engine::State, kids: &[(Kid, u16)]| {
            for (kid, field) in kids {
                match found.get(*field) {
                    None => state.put_undefined(*kid),
                    Some(span) => {
                        let raw = &bytes[span.start as usize..span.end as usize];
                        state.put_raw(*kid, raw, span.bare, || decode(raw, span.bare));
                    }
                }
            }
        };
        fill(state, first);
        self.judge.comparer.put_instrument(name);
        let judged = self.judge.comparer.judge(pair, &wanted, |comparer| {
            fill(&mut comparer.session.state, rest);
            comparer.put_instrument(name);
        });
        self.judge.comparer.session.trim();
        let place = self.part.see(&bytes[member.id_start..member.id_end]);
        match judged {
            Ok(change) if change.is_nothing() => {}
            Ok(mut change) => {
                change.instrument = name.clone();
                self.change(place, id()?, change);
            }
            Err(why) => self.error(place, id()?, &why),
        }
        Some(member.end)
    }

    /// Remembers an instrument as it is spelled in the text: the general way for all that is not simply known.
    fn learn(&mut self, bare: bool, raw: &[u8]) {
        // Only so many spellings are remembered; more are handled the general way each time.
        if bare || self.instruments.len() > 64 {
            return;
        }
        let Ok(text) = std::str::from_utf8(raw) else { return };
        let upper = text.to_uppercase();
        let usual = text.bytes().all(|b| b.is_ascii_alphanumeric())
            && !matches!(text, "wfii" | "hst" | "undefined" | "UNDEFINED");
        let known = self.instruments.iter().find(|(name, _)| **name == *upper.as_bytes());
        let known = match known {
            Some((_, Known::Fast { pair, name, first, rest })) if usual => {
                Known::Fast { pair: Arc::clone(pair), name: name.clone(), first: first.clone(), rest: rest.clone() }
            }
            Some((_, Known::Unchanged)) if usual => Known::Unchanged,
            _ => Known::General,
        };
        debug_assert!(self.lean || !matches!(known, Known::Unchanged));
        debug_assert!(!self.new.name().is_empty());
        self.instruments.push((raw.into(), known));
    }
}

/// The text of a value as Python reads it.
fn decode(raw: &[u8], bare: bool) -> std::borrow::Cow<'_, str> {
    if !bare {
        return String::from_utf8_lossy(raw);
    }
    match Reader::new(raw).value() {
        Ok(value) => value.python_text().to_owned().into(),
        Err(_) => String::from_utf8_lossy(raw),
    }
}

/// The types that a scanned JWST exposure needs; nothing where the general way must be gone.
fn exposure_types(fields: &ExposureFields, found: &Found, bytes: &[u8], version: Option<&str>) -> Option<Vec<String>> {
    // A bare value is not a text, and the client treats it in its own way.
    let text = |field: u16| match found.get(field) {
        None => Some(None),
        Some(span) if span.bare => None,
        Some(span) => std::str::from_utf8(&bytes[span.start as usize..span.end as usize]).ok().map(Some),
    };
    let mut exceptions = [None; 3];
    for (exception, field) in exceptions.iter_mut().zip(fields.exceptions) {
        *exception = text(field)?.map(Some);
    }
    let exposure = jwst::Exposure {
        exposure_type: Some(text(fields.exposure_type)?.unwrap_or("UNDEFINED")),
        version: text(fields.version)?.or(version),
        exceptions,
    };
    Some(exposure.types().iter().map(|name| (*name).to_owned()).collect())
}

/// The keywords looked for, numbered.
#[derive(Default)]
struct Fields {
    names: Vec<String>,
}

impl Fields {
    fn of(&mut self, name: &str) -> u16 {
        let at = self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        at as u16
    }

    /// Every spelling under which a field may stand in a header, and those to stay away from.
    fn keys(&self, jwst: bool) -> Keys {
        let mut keys: Vec<(&str, u16)> = INSTRUMENT_KEYWORDS.iter().map(|name| (*name, ODD)).collect();
        for (at, name) in self.names.iter().enumerate() {
            keys.push((name, at as u16));
        }
        if jwst {
            for (fits, model) in jwst::keywords() {
                if let Some(at) = self.names.iter().position(|name| name == model) {
                    // The exposure's types look at the data-model names only, so these two say something else there.
                    let apart = jwst::EXCEPTION_KEYWORDS.contains(&model);
                    keys.push((fits, if apart { ODD } else { at as u16 }));
                }
            }
        }
        Keys::new(keys)
    }
}
