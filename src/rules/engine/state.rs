//! The header of the dataset at hand, as numbers of known values.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::super::condition::condition_value;
use super::super::dates::{self, DateText};
use super::super::ends::{Ends, TOLD_APART};
use super::super::tree::prefix;
use super::choose::{Fail, Why};
use super::plan::Kid;

/// The number of `UNDEFINED` in every column.
pub const UNDEFINED: u32 = 0;
/// The number of the current value in a column whose values are not kept.
const CURRENT: u32 = 1;
/// Stands in the place of a number where the header at hand has not been asked for the keyword yet.
const UNREAD: u32 = u32::MAX;

/// A fast hash for short keys of our own making; the tables that use it are bounded, see `Session::trim`.
#[derive(Default, Clone, Copy)]
pub struct ShortHash(u64);

impl Hasher for ShortHash {
    fn write(&mut self, bytes: &[u8]) {
        const K: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut hash = self.0 ^ (bytes.len() as u64).wrapping_mul(K);
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let mut eight = [0; 8];
            eight.copy_from_slice(chunk);
            hash = (hash ^ u64::from_le_bytes(eight)).wrapping_mul(K).rotate_left(29);
        }
        let mut tail = [0; 8];
        let rest = chunks.remainder();
        tail[..rest.len()].copy_from_slice(rest);
        self.0 = (hash ^ u64::from_le_bytes(tail)).wrapping_mul(K).rotate_left(29);
    }

    fn write_u8(&mut self, n: u8) {
        self.0 ^= u64::from(n);
    }

    fn write_u32(&mut self, n: u32) {
        self.write(&n.to_le_bytes());
    }

    fn write_u128(&mut self, n: u128) {
        const K: u64 = 0x9e37_79b9_7f4a_7c15;
        self.0 = ((self.0 ^ n as u64).wrapping_mul(K).rotate_left(29) ^ (n >> 64) as u64).wrapping_mul(K);
    }

    fn write_usize(&mut self, n: usize) {
        self.0 = (self.0 ^ n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

/// A map with [`ShortHash`].
pub type ShortMap<K, V> = HashMap<K, V, BuildHasherDefault<ShortHash>>;

/// A table of short texts, to be found by their ends.
#[derive(Debug, Default)]
struct Packed {
    /// A power of two of them, at most half of them taken.
    places: Vec<PackedPlace>,
    taken: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct PackedPlace {
    ends: Ends,
    /// 0 in an empty place.
    len: u32,
    number: u32,
}

impl Packed {
    /// Whether texts of that length fit in.
    #[inline]
    fn fits(len: usize) -> bool {
        (1..=TOLD_APART).contains(&len)
    }

    #[inline]
    fn first_place(&self, ends: Ends, len: usize) -> usize {
        (ends.hash(len) >> 32) as usize & self.places.len().wrapping_sub(1)
    }

    #[inline]
    fn get(&self, ends: Ends, len: usize) -> Option<u32> {
        let mut at = self.first_place(ends, len);
        loop {
            let place = self.places.get(at)?;
            if place.ends == ends && place.len == len as u32 {
                return Some(place.number);
            }
            if place.len == 0 {
                return None;
            }
            at = (at + 1) & (self.places.len() - 1);
        }
    }

    /// Adds a text that is not there yet.
    fn insert(&mut self, ends: Ends, len: usize, number: u32) {
        if self.taken * 2 >= self.places.len() {
            let grown = vec![PackedPlace::default(); (self.places.len() * 2).max(16)];
            for known in std::mem::replace(&mut self.places, grown) {
                self.put(known);
            }
        }
        self.put(PackedPlace { ends, len: len as u32, number });
        self.taken += 1;
    }

    fn put(&mut self, one: PackedPlace) {
        if one.len != 0 {
            let mut at = self.first_place(one.ends, one.len as usize);
            while self.places[at].len != 0 {
                at = (at + 1) & (self.places.len() - 1);
            }
            self.places[at] = one;
        }
    }
}

/// The known values of one keyword.
#[derive(Debug, Default)]
pub struct Column {
    values: Vec<Box<str>>,
    by_value: ShortMap<Box<str>, u32>,
    by_packed: Packed,
    by_raw: ShortMap<Box<[u8]>, u32>,
    by_bare: ShortMap<Box<[u8]>, u32>,
    /// Values are not kept beyond the dataset: dates and times, which hardly repeat.
    volatile: bool,
    pinned: bool,
    current: String,
}

impl Column {
    fn number(&mut self, value: &str) -> u32 {
        if value == "UNDEFINED" {
            return UNDEFINED;
        }
        if self.volatile {
            // Only a hook or an irrelevant parkey brings a second value, and there are few of those.
            if let Some(at) = self.values.iter().position(|known| **known == *value) {
                return at as u32 + 2;
            }
            self.values.push(value.into());
            return self.values.len() as u32 + 1;
        }
        if let Some(number) = self.by_value.get(value) {
            return *number;
        }
        self.values.push(value.into());
        let number = self.values.len() as u32;
        self.by_value.insert(value.into(), number);
        number
    }

    fn text(&self, number: u32) -> &str {
        match (number, self.volatile) {
            (UNDEFINED, _) => "UNDEFINED",
            (CURRENT, true) => &self.current,
            (n, true) => &self.values[n as usize - 2],
            (n, false) => &self.values[n as usize - 1],
        }
    }
}

/// The values of the dataset at hand.
#[derive(Debug, Default)]
pub struct State {
    columns: Vec<Column>,
    cells: Vec<u32>,
    changes: Vec<(Kid, u32)>,
    dates: Vec<KnownDate>,
    kept: usize,
    buffer: String,
    pub(super) scratch: Vec<(u32, u32)>,
    pub(super) words: Vec<u64>,
    pub(super) verdicts: Vec<u32>,
    /// The group of datasets whose keywords stand unread but for those in `read`.
    unread_group: Option<usize>,
    read: Vec<Kid>,
}

/// Date parkeys of one table; HST and JWST have two, Roman one.
const MOST_DATE_KEYS: usize = 4;

/// A date worked out for the dataset at hand.
#[derive(Debug)]
struct KnownDate {
    count: usize,
    kids: [Kid; MOST_DATE_KEYS],
    numbers: [u32; MOST_DATE_KEYS],
    date: Result<Date, Fail>,
}

/// A date ready to be searched for.
#[derive(Debug, Clone, Copy)]
pub struct Date {
    /// The text.
    pub text: DateText,
    /// Its first 24 bytes, comparable.
    pub prefix: [u64; 3],
}

impl State {
    /// Adds a column.
    pub fn add_column(&mut self) -> Kid {
        self.columns.push(Column::default());
        self.cells.push(UNDEFINED);
        Kid((self.columns.len() - 1) as u32)
    }

    /// Says that a match looks at this keyword: its values are kept, and their numbers stay.
    pub fn pin(&mut self, kid: Kid) {
        let column = &mut self.columns[kid.0 as usize];
        if column.volatile {
            *column = Column::default();
            self.cells[kid.0 as usize] = UNDEFINED;
        }
        self.columns[kid.0 as usize].pinned = true;
    }

    /// Says that values of this keyword hardly repeat (dates): they are not kept unless a match looks at them.
    pub fn hardly_repeats(&mut self, kid: Kid) {
        let column = &mut self.columns[kid.0 as usize];
        if !column.pinned && !column.volatile {
            *column = Column { volatile: true, ..Column::default() };
            self.cells[kid.0 as usize] = UNDEFINED;
        }
    }

    /// Whether the numbers of this keyword's values do not last beyond the dataset.
    pub fn is_volatile(&self, kid: Kid) -> bool {
        self.columns[kid.0 as usize].volatile
    }

    /// How many values are kept, over all columns.
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// Forgets all values. Whoever keeps numbers must forget them too.
    pub fn forget(&mut self) {
        for column in &mut self.columns {
            *column = Column { volatile: column.volatile, pinned: column.pinned, ..Column::default() };
        }
        self.cells.fill(UNDEFINED);
        self.unread_group = None;
        self.kept = 0;
    }

    /// Begins a dataset: the listed keywords are undefined until set.
    pub fn begin(&mut self, kids: impl IntoIterator<Item = Kid>) {
        self.unread_group = None;
        for kid in kids {
            self.cells[kid.0 as usize] = UNDEFINED;
        }
        self.changes.clear();
        self.dates.clear();
    }

    /// Begins a dataset whose values are read when they are asked for: see [`State::is_unread`]. `kids` are all keywords
    /// that may be asked for, and `group` says for whom; of the group at hand only what has been read is taken back.
    #[inline]
    pub fn begin_unread(&mut self, group: usize, kids: &[Kid]) {
        if self.unread_group == Some(group) {
            for kid in self.read.drain(..) {
                self.cells[kid.0 as usize] = UNREAD;
            }
        } else {
            self.read.clear();
            for kid in kids {
                self.cells[kid.0 as usize] = UNREAD;
            }
            self.unread_group = Some(group);
        }
        self.changes.clear();
        self.dates.clear();
    }

    /// Notes that a keyword has been read for a dataset of [`State::begin_unread`].
    #[inline]
    pub fn note_read(&mut self, kid: Kid) {
        self.read.push(kid);
    }

    /// Whether a keyword must be set before it is looked at.
    #[inline]
    pub fn is_unread(&self, kid: Kid) -> bool {
        self.cells[kid.0 as usize] == UNREAD
    }

    /// Sets a keyword from a conditioned value.
    pub fn put(&mut self, kid: Kid, value: &str) {
        let column = &mut self.columns[kid.0 as usize];
        if column.volatile {
            column.current.clear();
            column.current.push_str(value);
            column.values.clear();
            self.cells[kid.0 as usize] = if value == "UNDEFINED" { UNDEFINED } else { CURRENT };
            return;
        }
        let before = column.values.len();
        self.cells[kid.0 as usize] = column.number(value);
        self.kept += column.values.len() - before;
    }

    /// Makes a keyword undefined.
    #[inline]
    pub fn put_undefined(&mut self, kid: Kid) {
        self.cells[kid.0 as usize] = UNDEFINED;
    }

    /// Sets a keyword from `bytes[start..end]`, the raw bytes of its value; `decode` gives the value's text where these
    /// are new.
    ///
    /// The same bytes with the same `bare` (not a text but a number or word) must always mean the same text.
    #[inline]
    pub fn put_raw<'t>(
        &mut self,
        kid: Kid,
        bytes: &[u8],
        (start, end): (usize, usize),
        bare: bool,
        decode: impl FnOnce() -> std::borrow::Cow<'t, str>,
    ) {
        let column = &mut self.columns[kid.0 as usize];
        let len = end - start;
        let packed = !bare && Packed::fits(len) && !column.volatile;
        let ends = if packed { Some(Ends::of(&bytes[start..], len)) } else { None };
        if let Some(ends) = ends
            && let Some(number) = column.by_packed.get(ends, len)
        {
            self.cells[kid.0 as usize] = number;
            return;
        }
        self.put_rarer(kid, &bytes[start..end], ends, bare, decode);
    }

    fn put_rarer<'t>(
        &mut self,
        kid: Kid,
        raw: &[u8],
        packed: Option<Ends>,
        bare: bool,
        decode: impl FnOnce() -> std::borrow::Cow<'t, str>,
    ) {
        let column = &mut self.columns[kid.0 as usize];
        if column.volatile {
            // Plain dates and times are what conditioning makes of them.
            let plain = matches!(
                raw,
                [_, _, b':', _, _, b':', _, _]
                    | [_, _, b':', _, _, b':', _, _, b'.', ..]
                    | [_, _, _, _, b'-', _, _, b'-', _, _]
            ) && raw.iter().fold(true, |plain, b| plain & matches!(b, b'0'..=b':' | b'-' | b'.'));
            if !bare
                && plain
                && let Ok(text) = std::str::from_utf8(raw)
            {
                self.put(kid, text);
                return;
            }
            let text = decode();
            let value = condition_value(&text);
            self.put(kid, &value);
            return;
        }
        let known = if bare { &column.by_bare } else { &column.by_raw };
        if packed.is_none()
            && let Some(number) = known.get(raw)
        {
            self.cells[kid.0 as usize] = *number;
            return;
        }
        let text = decode();
        let value = condition_value(&text);
        self.put(kid, &value);
        let number = self.cells[kid.0 as usize];
        let column = &mut self.columns[kid.0 as usize];
        match packed {
            Some(ends) => column.by_packed.insert(ends, raw.len(), number),
            None => {
                let known = if bare { &mut column.by_bare } else { &mut column.by_raw };
                known.insert(raw.into(), number);
            }
        }
        self.kept += 1;
    }

    /// The number of a keyword's value.
    #[inline]
    pub fn number(&self, kid: Kid) -> u32 {
        self.cells[kid.0 as usize]
    }

    /// The value of a keyword.
    #[inline]
    pub fn text(&self, kid: Kid) -> &str {
        self.columns[kid.0 as usize].text(self.cells[kid.0 as usize])
    }

    /// Changes a keyword until [`State::undo`].
    pub fn change(&mut self, kid: Kid, value: &str) {
        let before = self.cells[kid.0 as usize];
        self.changes.push((kid, before));
        let column = &mut self.columns[kid.0 as usize];
        let known = column.values.len();
        self.cells[kid.0 as usize] = column.number(value);
        self.kept += column.values.len() - known;
    }

    /// Takes every change back.
    pub fn undo(&mut self) {
        while let Some((kid, before)) = self.changes.pop() {
            self.cells[kid.0 as usize] = before;
        }
    }

    /// The date that a `UseAfter` over these keywords looks for (RS 9.6).
    pub fn date(&mut self, kids: &[Kid], names: &dyn Fn(usize) -> String) -> Result<Date, Fail> {
        if kids.len() > MOST_DATE_KEYS {
            return self.new_date(kids, names);
        }
        let cells = &self.cells;
        let number = |kid: &Kid| cells[kid.0 as usize];
        let same = |known: &&KnownDate| {
            known.count == kids.len()
                && known.kids[..known.count] == *kids
                && kids.iter().zip(known.numbers).all(|(kid, known)| number(kid) == known)
        };
        if let Some(known) = self.dates.iter().find(same) {
            return known.date.clone();
        }
        let date = self.new_date(kids, names);
        let mut known = KnownDate {
            count: kids.len(),
            kids: [Kid(0); MOST_DATE_KEYS],
            numbers: [0; MOST_DATE_KEYS],
            date: date.clone(),
        };
        for (at, kid) in kids.iter().enumerate() {
            known.kids[at] = *kid;
            known.numbers[at] = self.number(*kid);
        }
        self.dates.push(known);
        date
    }

    /// The date of two keywords in the common form.
    fn plain_date(&self, kids: &[Kid]) -> Option<DateText> {
        let &[day, time] = kids else { return None };
        let (day, time) = (self.text(day).as_bytes(), self.text(time).as_bytes());
        let mut joined = [b' '; 26];
        let all = joined.get_mut(..11 + time.len())?;
        all[..10].copy_from_slice(day.get(..10).filter(|_| day.len() == 10)?);
        all[11..].copy_from_slice(time);
        dates::plain(all)
    }

    fn new_date(&mut self, kids: &[Kid], names: &dyn Fn(usize) -> String) -> Result<Date, Fail> {
        use super::super::python::{repr, repr_tuple, strip};
        if let Some(text) = self.plain_date(kids) {
            return Ok(Date { text, prefix: prefix(text.as_bytes()) });
        }
        let mut joined = std::mem::take(&mut self.buffer);
        joined.clear();
        for (at, kid) in kids.iter().enumerate() {
            let value = strip(self.text(*kid));
            if value == "UNDEFINED" {
                self.buffer = joined;
                return Err(Fail::Final(Why::text(format!("UseAfter parameter {} is UNDEFINED.", repr(&names(at))))));
            }
            if at > 0 {
                joined.push(' ');
            }
            joined.push_str(value);
        }
        let result = match dates::reformat(strip(&joined)) {
            Ok(text) => Ok(Date { text, prefix: prefix(text.as_bytes()) }),
            Err(why) => {
                let names: Vec<String> = (0..kids.len()).map(names).collect();
                Err(Fail::Final(Why::text(format!(
                    "UseAfter Invalid date/time format for {} value = {} exception is {}",
                    repr_tuple(&names),
                    repr(strip(&joined)),
                    repr(&why)
                ))))
            }
        };
        self.buffer = joined;
        result
    }
}
