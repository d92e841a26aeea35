//! The datasets of chunks of text, judged one after the other: in passing where the text is as usual, else the long way.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use super::affected::{Dataset, Judge, Plan, Verdict};
use super::compare::{Change, Pair};
use super::dataset::INSTRUMENT_KEYWORDS;
use super::engine::{Kid, ShortMap, State};
use super::input::json::{Entry, JsonError, Reader};
use super::input::marks::Marks;
use super::input::scan::{self, Found, Keys, ODD};
use super::input::split::{Chunk, Form};
use super::input::{self, InputError};
use super::jwst;
use super::load::Context;
use super::lookup::DatasetError;
use super::quick::{Quick, Wanted};
use super::run::Part;
use super::since::Since;

/// What a worker knows of an instrument.
#[derive(Debug, Clone, Copy)]
enum Known {
    /// Nothing can differ.
    Unchanged,
    /// The general way.
    General,
    /// In passing: the number among [`Worker::fast`].
    Fast(usize),
}

/// An instrument whose datasets are judged in passing.
struct Fast {
    pair: Arc<Pair>,
    /// Upper case.
    name: String,
    /// Where its keywords are among the fields: those of types that differ, and all others.
    first: Vec<(Kid, u16)>,
    rest: Vec<(Kid, u16)>,
    /// All its keywords.
    kids: Vec<Kid>,
    /// Where nothing but the products is wanted.
    quick: Option<Quick>,
    /// What to compare where the exposure does not matter.
    always: Option<Rc<Compared>>,
    /// What to compare, by what the header says about its exposure.
    wanted: ShortMap<Box<[u8]>, Rc<Compared>>,
}

/// What is compared: types by name (nothing: all), and the same for the quick way.
type Compared = (Option<Vec<String>>, Wanted);

/// In the place of a field: the keyword stands for the instrument, whatever the header says.
const INSTRUMENT: u16 = u16::MAX;

/// Kinds of exposures remembered before the worker begins anew.
const MOST_EXPOSURES: usize = 4096;

/// Judges the datasets of chunks.
pub(super) struct Worker {
    judge: Judge,
    marks: Marks,
    keys: Keys,
    found: Found,
    instruments: Vec<(Box<[u8]>, Known)>,
    fast: Vec<Fast>,
    /// Instruments (upper case) without any difference, where nothing but the products is wanted.
    unchanged: Vec<String>,
    instrument_fields: [u16; 2],
    /// By number of a keyword: its field, or [`INSTRUMENT`].
    fields: Vec<u16>,
    exposure: Option<ExposureFields>,
    exposure_key: Vec<u8>,
    pub(super) part: Part,
}

/// The fields that decide the types of a JWST exposure.
struct ExposureFields {
    exposure_type: u16,
    version: u16,
    exceptions: [u16; 3],
}

impl Worker {
    /// A worker; with `lean` only the listed products are wanted.
    pub(super) fn new(old: &Context, new: &Context, plan: &Plan, lean: bool) -> Self {
        let mut judge = Judge::new(old, new, plan);
        let mut instruments: Vec<(Box<[u8]>, Known)> = Vec::new();
        let mut unchanged = Vec::new();
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
                    instruments.push((name.to_uppercase().into_bytes().into(), Known::Unchanged));
                    unchanged.push(name.to_uppercase());
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
        let instrument_fields = ["INSTRUME", "META.INSTRUMENT.NAME"].map(|name| fields.of(name));
        let exposure = jwst_types.then(|| ExposureFields {
            exposure_type: fields.of("META.EXPOSURE.TYPE"),
            version: fields.of("META.CALIBRATION_SOFTWARE_VERSION"),
            exceptions: jwst::EXCEPTION_KEYWORDS.map(|name| fields.of(name)),
        });
        let keys = fields.keys(jwst_types).with_any_case(!jwst_types);
        let mut keywords: Vec<u16> =
            judge.comparer.session.keywords().iter().map(|keyword| fields.of(&keyword.to_uppercase())).collect();
        let mut fast = Vec::new();
        for (name, pair) in pairs {
            let place = |kid: &Kid| (*kid, keywords[kid.0 as usize]);
            let (first, rest) = (pair.first.iter().map(place).collect(), pair.rest.iter().map(place).collect());
            let kids = pair.first.iter().chain(&pair.rest).copied().collect();
            let quick = lean.then(|| Quick::new(&mut judge.comparer.session, &pair, plan.comparison.undefined_matters));
            instruments.push((name.clone().into_bytes().into(), Known::Fast(fast.len())));
            fast.push(Fast { pair, name, first, rest, kids, quick, always: None, wanted: ShortMap::default() });
        }
        for kid in judge.comparer.instrument_kids() {
            keywords[kid.0 as usize] = INSTRUMENT;
        }
        Self {
            judge,
            marks: Marks::default(),
            keys,
            found: Found::new(fields.names.len()),
            instruments,
            fast,
            unchanged,
            instrument_fields,
            fields: keywords,
            exposure,
            exposure_key: Vec::new(),
            part: Part::default(),
        }
    }

    /// Judges the datasets of a chunk.
    pub(super) fn chunk(&mut self, path: &Path, chunk: &Chunk) -> Result<(), InputError> {
        self.members(chunk).map_err(|error| input::json_error(path, input::line_at(chunk, error.at), &error))
    }

    fn members(&mut self, chunk: &Chunk) -> Result<(), JsonError> {
        let bytes = chunk.bytes.as_slice();
        self.marks.find(bytes);
        // The fast look at a dataset takes this for granted.
        if !self.marks.is_ascii()
            && let Err(error) = std::str::from_utf8(bytes)
        {
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
        if let Some(member) = scan::member(bytes, at, &mut self.marks, &mut self.keys, &mut self.found)
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

    /// Judges a dataset the long way.
    pub(super) fn general(&mut self, id: String, entry: &Entry) {
        let at = self.part.see(id.as_bytes());
        // Rules of an instrument that cannot be listed are not worth loading.
        if let Entry::Header(header) = entry
            && let Ok(instrument) = super::dataset::instrument(header)
            && self.unchanged.contains(&instrument)
        {
            return;
        }
        match self.judge.judge(entry) {
            Ok(Verdict::Nothing) => {}
            Ok(Verdict::Cut(..)) => self.part.cut_at.push(at),
            Ok(Verdict::Change(change)) => self.change(at, id, change),
            Err(why) => self.error(at, id, &why),
        }
    }

    fn change(&mut self, at: u64, id: String, change: Change) {
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
        let span = self.instrument_fields.iter().find_map(|field| self.found.get(*field))?;
        let raw = &bytes[span.start as usize..span.end as usize];
        // So short that comparing byte by byte is quickest.
        let is = |name: &[u8]| name.len() == raw.len() && name.iter().zip(raw).all(|(one, other)| one == other);
        let known = match self.instruments.iter().find(|(name, _)| is(name)) {
            Some((_, known)) if !span.bare => *known,
            Some(_) => return None,
            None => {
                self.learn(span.bare, raw);
                return None;
            }
        };
        let id_bytes = &bytes[member.id_start..member.id_end];
        let (group, fast) = match known {
            Known::General => return None,
            Known::Unchanged => {
                self.part.see(id_bytes);
                return Some(member.end);
            }
            Known::Fast(at) => (at, &mut self.fast[at]),
        };
        let found = &self.found;
        let comparer = &mut self.judge.comparer;
        let known = match &self.exposure {
            None => fast.always.clone(),
            Some(fields) => {
                self.exposure_key.clear();
                fields.key(found, bytes, &mut self.exposure_key)?;
                fast.wanted.get(self.exposure_key.as_slice()).cloned()
            }
        };
        let wanted = match known {
            Some(wanted) => wanted,
            None => {
                let types = match &self.exposure {
                    None => None,
                    Some(fields) => Some(exposure_types(fields, found, bytes, comparer.calibration_version())?),
                };
                let names = comparer.wanted_fast(types.as_deref());
                let wanted = Wanted::new(&fast.pair, names.as_deref(), comparer.skipped());
                let wanted = Rc::new((names, wanted));
                if self.exposure.is_none() {
                    fast.always = Some(Rc::clone(&wanted));
                } else {
                    if fast.wanted.len() > MOST_EXPOSURES {
                        fast.wanted.clear();
                    }
                    fast.wanted.insert(self.exposure_key.as_slice().into(), Rc::clone(&wanted));
                }
                wanted
            }
        };
        let id = || std::str::from_utf8(id_bytes).ok().map(str::to_owned);
        if let Some(quick) = &mut fast.quick {
            comparer.session.state.begin_unread(group, &fast.kids);
            let (fields, name) = (&self.fields, &fast.name);
            let mut read = |state: &mut State, kid: Kid| {
                state.note_read(kid);
                match fields[kid.0 as usize] {
                    INSTRUMENT => state.put(kid, name),
                    field => put(state, found, bytes, kid, field),
                }
            };
            let listed = quick.is_listed(comparer, &fast.pair, &wanted.1, &mut read);
            comparer.session.trim();
            let place = self.part.see(id_bytes);
            if listed {
                self.part.listed_at.push(place);
                self.part.affected.listed.push(id()?);
            }
            return Some(member.end);
        }
        comparer.session.state.begin([]);
        fill(&mut comparer.session.state, found, bytes, &fast.first);
        comparer.put_instrument(&fast.name);
        let judged = comparer.judge(&fast.pair, &wanted.0, |comparer| {
            fill(&mut comparer.session.state, found, bytes, &fast.rest);
            comparer.put_instrument(&fast.name);
        });
        comparer.session.trim();
        let place = self.part.see(id_bytes);
        match judged {
            Ok(change) if change.is_nothing() => {}
            Ok(mut change) => {
                change.instrument = fast.name.clone();
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
        let known = self.instruments.iter().find(|(name, _)| usual && **name == *upper.as_bytes());
        let known = known.map_or(Known::General, |(_, known)| *known);
        self.instruments.push((raw.into(), known));
    }
}

/// Sets keywords from the text.
fn fill(state: &mut State, found: &Found, bytes: &[u8], kids: &[(Kid, u16)]) {
    for (kid, field) in kids {
        put(state, found, bytes, *kid, *field);
    }
}

/// Sets a keyword from the text.
#[inline]
fn put(state: &mut State, found: &Found, bytes: &[u8], kid: Kid, field: u16) {
    match found.get(field) {
        None => state.put_undefined(kid),
        Some(span) => {
            let (start, end) = (span.start as usize, span.end as usize);
            state.put_raw(kid, bytes, (start, end), span.bare, move || decode(&bytes[start..end], span.bare));
        }
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

impl ExposureFields {
    /// What tells kinds of exposures apart; nothing where the general way must be gone.
    fn key(&self, found: &Found, bytes: &[u8], key: &mut Vec<u8>) -> Option<()> {
        for field in [self.exposure_type, self.version].into_iter().chain(self.exceptions) {
            match found.get(field) {
                None => key.push(b'"'),
                Some(span) if span.bare => return None,
                // A text of JSON holds no bare quote.
                Some(span) => {
                    key.extend_from_slice(&bytes[span.start as usize..span.end as usize]);
                    key.extend_from_slice(b"\"=");
                }
            }
        }
        Some(())
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
