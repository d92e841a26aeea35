//! A fast look at one dataset of a dump: finds the few keywords that rules ask for and skips the rest.
//!
//! Whatever is out of the ordinary (escapes where they matter, keywords in lower case or given twice, nested values,
//! anything that is not JSON) is left to the general reader, which then decides what it means.

use super::json::Reader;
use super::marks::Marks;
use crate::rules::ends::{Ends, TOLD_APART};

/// Where a value lies in the text.
#[derive(Debug, Clone, Copy, Default)]
pub struct Span {
    generation: u32,
    /// First byte: of a text, behind the quote.
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
    /// Not a text but a number or word.
    pub bare: bool,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    ends: Ends,
    len: u32,
    place: u16,
}

/// A keyword that makes a dataset out of the ordinary.
pub const ODD: u16 = u16::MAX;
const EMPTY: u16 = u16::MAX - 1;
/// The place of all keywords that nobody asks for; that of a field is behind it.
const NOBODYS: u16 = 0;

/// The keywords looked for, by hash, and those met beside them, so that nearly every keyword is found at the first look.
#[derive(Debug, Default)]
pub struct Keys {
    slots: Vec<Slot>,
    names: Vec<Box<[u8]>>,
    taken: usize,
    shift: u32,
    any_case: bool,
}

/// A keyword longer than this is not remembered when it is met.
const LONGEST_MET: usize = 64;
impl Keys {
    /// A table of keywords (upper case) and the numbers of their fields; [`ODD`] marks those to stay away from.
    pub fn new<'k>(keys: impl IntoIterator<Item = (&'k str, u16)>) -> Self {
        let keys: Vec<(&str, u16)> = keys.into_iter().collect();
        let bits = (keys.len().max(64) * 8).next_power_of_two().trailing_zeros();
        let empty = Slot { ends: Ends::default(), len: u32::MAX, place: EMPTY };
        let mut table = Self {
            slots: vec![empty; 1 << bits],
            names: vec![Box::default(); 1 << bits],
            taken: 0,
            shift: 64 - bits,
            any_case: false,
        };
        for (key, field) in keys {
            table.insert(key.as_bytes(), field.saturating_add(1));
        }
        table
    }

    /// Sets the place of a key.
    fn insert(&mut self, key: &[u8], place: u16) {
        let (ends, len) = (Ends::of(key, key.len()), key.len() as u32);
        let mut at = (ends.hash(key.len()) >> self.shift) as usize;
        while self.slots[at].place != EMPTY && *self.names[at] != *key {
            at = (at + 1) & (self.slots.len() - 1);
        }
        self.taken += usize::from(self.slots[at].place == EMPTY);
        self.slots[at] = Slot { ends, len, place };
        self.names[at] = key.into();
    }

    /// The place of the key of `len` bytes that `text` begins with.
    #[inline(always)]
    fn place(&mut self, text: &[u8], len: usize) -> u16 {
        match self.find(text, len, Ends::of(text, len)) {
            Some(place) => place,
            None => self.meet(&text[..len]),
        }
    }

    /// The place of a key whose ends are known.
    #[inline(always)]
    fn find(&self, text: &[u8], len: usize, ends: Ends) -> Option<u16> {
        let mut at = (ends.hash(len) >> self.shift) as usize;
        // A power of two of slots, so that the mask keeps every place inside.
        let slots = &self.slots[..];
        loop {
            let slot = slots.get(at)?;
            if slot.ends == ends
                && slot.len == len as u32
                && (len <= TOLD_APART || self.names[at][8..len - 8] == text[8..len - 8])
            {
                return Some(slot.place);
            }
            if slot.place == EMPTY {
                return None;
            }
            at = (at + 1) & (slots.len() - 1);
        }
    }

    /// The place of a key that is not in the table; most come again with the next dataset.
    #[cold]
    fn meet(&mut self, key: &[u8]) -> u16 {
        let plain = key.iter().all(|b| b.is_ascii() && !b.is_ascii_lowercase());
        let place = if plain { NOBODYS } else { self.otherwise(key) };
        if key.len() <= LONGEST_MET && self.taken * 2 < self.slots.len() {
            self.insert(key, place);
        }
        place
    }

    /// Says whether a keyword in another case stands for the same field, as far as it is not one to stay away from.
    pub fn with_any_case(mut self, any_case: bool) -> Self {
        self.any_case = any_case;
        self
    }

    /// The place of a key that is not in plain upper case.
    fn otherwise(&self, key: &[u8]) -> u16 {
        let upper = String::from_utf8_lossy(key).to_uppercase();
        let (upper_bytes, len) = (upper.as_bytes(), upper.len());
        let place = self.find(upper_bytes, len, Ends::of(upper_bytes, len)).unwrap_or(NOBODYS);
        // The client itself looks for the instrument in upper and lower case only, and in that order.
        let instrument = matches!(upper.as_str(), "INSTRUME" | "META.INSTRUMENT.NAME");
        if place == NOBODYS || (self.any_case && !instrument) { place } else { ODD }
    }
}

/// The values found in the dataset at hand.
#[derive(Debug, Default)]
pub struct Found {
    generation: u32,
    /// That of [`NOBODYS`], then those of fields.
    spans: Vec<Span>,
    /// Whether a field has been found twice.
    twice: bool,
}

impl Found {
    /// Room for that many fields.
    pub fn new(fields: usize) -> Self {
        Self { generation: 0, spans: vec![Span::default(); fields + 1], twice: false }
    }

    fn begin(&mut self) {
        self.twice = false;
        self.generation = self.generation.wrapping_add(1);
        if self.generation == 0 {
            self.spans.fill(Span::default());
            self.generation = 1;
        }
    }

    /// Notes where the value of a keyword lies; nothing where the keyword is odd. Whether it is there for the second time
    /// is asked once, in the end, since a question here is hard to foretell.
    #[inline(always)]
    fn note(&mut self, place: u16, (start, end, bare): (usize, usize, bool)) -> Option<()> {
        let span = Span { generation: self.generation, start: start as u32, end: end as u32, bare };
        self.twice |= note(&mut self.spans, place, span)?;
        Some(())
    }

    /// Where the value of a field lies, if the dataset has it.
    #[inline]
    pub fn get(&self, field: u16) -> Option<Span> {
        let span = self.spans[usize::from(field) + 1];
        (span.generation == self.generation).then_some(span)
    }
}

/// Sets the span of a place; whether it is one of a field and was set before.
#[inline(always)]
fn note(spans: &mut [Span], place: u16, span: Span) -> Option<bool> {
    let known = spans.get_mut(usize::from(place))?;
    let again = (known.generation == span.generation) & (place != NOBODYS);
    *known = span;
    Some(again)
}

#[inline]
fn blanks(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\t' | b'\r')) {
        at += 1;
    }
    at
}

/// A dataset found: where its id lies and where the text goes on behind it.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// First byte of the id.
    pub id_start: usize,
    /// Behind the last byte of the id.
    pub id_end: usize,
    /// Behind the dataset.
    pub end: usize,
}

/// Scans `"id": {...}` from the quote at `at`; nothing where the general reader must look. `bytes` must be UTF-8, and
/// `marks` theirs.
pub fn member(bytes: &[u8], at: usize, marks: &mut Marks, keys: &mut Keys, found: &mut Found) -> Option<Member> {
    found.begin();
    marks.seek(at);
    let is = |at: usize, byte: u8| bytes.get(at) == Some(&byte);
    let (id_start, [_, id_end, ..]) = (at + 1, marks.four());
    if !is(at, b'"') || !is(id_end, b'"') {
        return None;
    }
    let mut at = colon(bytes, id_end + 1)?;
    if !is(at, b'{') {
        return None;
    }
    at = blanks(bytes, at + 1);
    if is(at, b'}') {
        return Some(Member { id_start, id_end, end: at + 1 });
    }
    marks.skip(2);
    marks.seek(at);
    if !is(at, b'"') {
        return None;
    }
    loop {
        at = usual(bytes, at, marks, keys, found)?;
        // Here a quote at `at` opens a keyword; it should be the next place of `marks`.
        let [open, end, value, close] = marks.four();
        if open != at || !is(end, b'"') {
            return None;
        }
        let place = keys.place(&bytes[at + 1..], end - at - 1);
        at = colon(bytes, end + 1)?;
        let span;
        if is(at, b'"') {
            if value != at {
                return None;
            }
            let mut close = close;
            if is(close, b'\\') {
                // Escapes matter only where the value does.
                if place != NOBODYS {
                    return None;
                }
                let mut reader = Reader::new(&bytes[at..]);
                reader.string().ok()?;
                close = at + reader.offset() - 1;
                marks.seek(close + 1);
            } else if is(close, b'"') {
                marks.skip(4);
            } else {
                return None;
            }
            span = (at + 1, close, false);
            at = close + 1;
        } else {
            if matches!(bytes.get(at), None | Some(b'{' | b'[')) {
                return None;
            }
            let mut reader = Reader::new(&bytes[at..]);
            reader.value().ok()?;
            span = (at, at + reader.offset(), true);
            at = span.1;
        }
        found.note(place, span)?;
        at = blanks(bytes, at);
        match bytes.get(at) {
            Some(b',') => at = blanks(bytes, at + 1),
            Some(b'}') => return (!found.twice).then_some(Member { id_start, id_end, end: at + 1 }),
            _ => return None,
        }
        if !is(at, b'"') {
            return None;
        }
        // Line ends between members are places too.
        marks.seek(at);
    }
}

/// Goes over members in the form of `json.dumps`, `"KEY": "text", "`, from the quote at `at` on: where the first one of
/// any other form begins. Nothing where the general reader must look. Apart from the rest, since nearly all time goes by
/// here.
#[inline(never)]
fn usual(bytes: &[u8], mut at: usize, marks: &mut Marks, keys: &mut Keys, found: &mut Found) -> Option<usize> {
    let Found { generation, spans, twice } = found;
    let (mut passed, mut again) = (0, false);
    for &four in marks.rest().as_chunks::<4>().0 {
        let [open, end, value, close] = four;
        let (open, end, value, close) = (open as usize, end as usize, value as usize, close as usize);
        if open != at || value != end + 3 {
            break;
        }
        let Some(text) = bytes.get(open + 1..close + 4) else { break };
        let len = end - open - 1;
        // Each of the two is one look at four bytes.
        if text.get(len..len + 4) != Some(b"\": \"") || text.last_chunk() != Some(b"\", \"") {
            break;
        }
        let span = Span { generation: *generation, start: value as u32 + 1, end: close as u32, bare: false };
        again |= note(spans, keys.place(text, len), span)?;
        at = close + 3;
        passed += 4;
    }
    *twice |= again;
    marks.skip(passed);
    Some(at)
}

#[inline]
fn colon(bytes: &[u8], at: usize) -> Option<usize> {
    let at = blanks(bytes, at);
    (bytes.get(at) == Some(&b':')).then(|| blanks(bytes, at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Option<Vec<Option<&str>>> {
        let mut keys = Keys::new([("A", 0), ("META.INSTRUMENT.NAME", 1), ("DETECTOR", 2), ("INSTRUMENT", ODD)]);
        let mut found = Found::new(3);
        let mut marks = Marks::default();
        marks.find(text.as_bytes());
        let member = member(text.as_bytes(), 0, &mut marks, &mut keys, &mut found)?;
        assert_eq!(member.end, text.trim_end().len());
        let text = |span: Span| &text[span.start as usize..span.end as usize];
        Some((0..3).map(|field| found.get(field).map(text)).collect())
    }

    #[test]
    fn wanted_values_are_found_and_others_skipped() {
        assert_eq!(
            scan(r#""X": {"A": "1", "B": "\"\\", "DETECTOR": 5.0, "C": null}"#).unwrap(),
            [Some("1"), None, Some("5.0")]
        );
        assert_eq!(scan(r#""X":{"META.INSTRUMENT.NAME":"MIRI","b":"lower"}"#).unwrap(), [None, Some("MIRI"), None]);
        assert_eq!(scan(r#""X": {}"#).unwrap(), [None, None, None]);
        let spread =
            "\"X\" :\n{\n\t\"DETECTOR\" : \"a\"\r\n,\"A\" :1\n,\"C\":\"\\n\" ,\n\"META.INSTRUMENT.NAME\":\"x\"\n}";
        assert_eq!(scan(spread).unwrap(), [Some("1"), Some("x"), Some("a")]);
    }

    #[test]
    fn keywords_mean_the_same_when_they_are_met_again() {
        let mut keys = Keys::new([("A", 0), ("INSTRUME", 1), ("ODDITY", ODD)]).with_any_case(true);
        let mut marks = Marks::default();
        let mut found = Found::new(2);
        let mut values = |text: &str| {
            marks.find(text.as_bytes());
            member(text.as_bytes(), 0, &mut marks, &mut keys, &mut found)?;
            let value = |field| found.get(field).map(|span| text[span.start as usize..span.end as usize].to_owned());
            Some([value(0), value(1)].map(Option::unwrap_or_default).join("-"))
        };
        let long = format!(r#""X": {{"{}": "1", "A": "2"}}"#, "L".repeat(100));
        let cases = [
            (r#""X": {"B": "1", "B": "2", "A": "3"}"#, Some("3-")),
            (r#""X": {"b": "1", "a": "2", "INSTRUME": "x"}"#, Some("2-x")),
            (r#""X": {"é": "1", "É": "2", "C": "3"}"#, Some("-")),
            (r#""X": {"a": "1", "B": "2", "A": "3"}"#, None),
            (r#""X": {"instrume": "x"}"#, None),
            (r#""X": {"oddity": "x"}"#, None),
            (r#""X": {"ODDITY": "x"}"#, None),
            (&long, Some("2-")),
        ];
        for turn in 0..3 {
            for (text, want) in &cases {
                assert_eq!(values(text).as_deref(), *want, "{text}");
            }
            // More keywords than there is room for.
            for n in 0..5_000 {
                assert_eq!(values(&format!(r#""X": {{"K{turn}-{n}": "1", "A": "2"}}"#)).as_deref(), Some("2-"));
            }
        }
        assert!(keys.taken <= keys.slots.len() / 2);
    }

    #[test]
    fn what_is_out_of_the_ordinary_is_left_alone() {
        for text in [
            r#""X": {"a": "1"}"#,
            r#""X": {"A": "1", "A": "2"}"#,
            r#""X": {"A": "\u0041"}"#,
            r#""X": {"A": [1]}"#,
            r#""X": {"B": {}}"#,
            r#""X": {"INSTRUMENT": "ACS"}"#,
            r#""X": {"A": tru}"#,
            r#""X": {"A": "1""#,
            // A line end or tab between a keyword and its value; `json.dumps` puts none there.
            "\"X\": {\"A\":\n\"1\"}",
            r#""X": "message""#,
            r#""X\n": {}"#,
            r#""X": {"meta.instrument.name": "x"}"#,
            // A control character where a quote should open a keyword.
            "\"X\": {\u{8}A\": \"1\"}",
            "\"X\": {\"B\": \"1\", \u{8}A\": \"1\"}",
            "\"X\": {\"B\": 1, \u{8}A\": \"1\"}",
        ] {
            assert!(scan(text).is_none(), "{text}");
        }
    }
}
