//! A fast look at one dataset of a dump: finds the few keywords that rules ask for and skips the rest.
//!
//! Whatever is out of the ordinary (escapes where they matter, keywords in lower case or given twice, nested values,
//! anything that is not JSON) is left to the general reader, which then decides what it means.

use super::json::Reader;
use super::marks::Marks;

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
    first: u64,
    len: u32,
    field: u16,
}

/// A keyword that makes a dataset out of the ordinary.
pub const ODD: u16 = u16::MAX;
const EMPTY: u16 = u16::MAX - 1;

/// The keywords looked for, by hash.
#[derive(Debug, Default)]
pub struct Keys {
    slots: Vec<Slot>,
    names: Vec<Box<[u8]>>,
    shift: u32,
    any_case: bool,
}

const HIGHS: u64 = 0x8080_8080_8080_8080;
const ONES: u64 = 0x0101_0101_0101_0101;
/// Per length: the bytes of a word that belong to a key of that length.
const OWN: [u64; 9] =
    [0, 0xff, 0xffff, 0xff_ffff, u32::MAX as u64, u64::MAX >> 24, u64::MAX >> 16, u64::MAX >> 8, u64::MAX];

/// The first eight bytes of a key (of a shorter key: padded with zeros).
#[inline(always)]
fn head(bytes: &[u8], start: usize, len: usize) -> u64 {
    let word = match bytes.get(start..start + 8) {
        Some(&[a, b, c, d, e, f, g, h]) => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => last_word(bytes, start),
    };
    word & OWN[len.min(8)]
}

/// Eight bytes, those beyond the end as zeros.
#[cold]
fn last_word(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    let rest = &bytes[at.min(bytes.len())..];
    let len = rest.len().min(8);
    eight[..len].copy_from_slice(&rest[..len]);
    u64::from_le_bytes(eight)
}

#[inline(always)]
fn hash(first: u64, len: u32) -> u64 {
    (first ^ (u64::from(len) << 59)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Keys {
    /// A table of keywords (upper case) and the numbers of their fields; [`ODD`] marks those to stay away from.
    pub fn new<'k>(keys: impl IntoIterator<Item = (&'k str, u16)>) -> Self {
        let keys: Vec<(&str, u16)> = keys.into_iter().collect();
        let bits = (keys.len().max(8) * 4).next_power_of_two().trailing_zeros();
        let empty = Slot { first: 0, len: u32::MAX, field: EMPTY };
        let mut table = Self {
            slots: vec![empty; 1 << bits],
            names: vec![Box::default(); 1 << bits],
            shift: 64 - bits,
            any_case: false,
        };
        for (key, field) in keys {
            let first = head(key.as_bytes(), 0, key.len());
            let len = key.len() as u32;
            let mut at = (hash(first, len) >> table.shift) as usize;
            while table.slots[at].field != EMPTY && *table.names[at] != *key.as_bytes() {
                at = (at + 1) & (table.slots.len() - 1);
            }
            table.slots[at] = Slot { first, len, field };
            table.names[at] = key.as_bytes().into();
        }
        table
    }

    /// The field of the key `bytes[start..end]`.
    #[inline(always)]
    fn field(&self, bytes: &[u8], start: usize, end: usize) -> Option<u16> {
        let len = end - start;
        let first = head(bytes, start, len);
        match self.find(bytes, start, len, first) {
            None if otherwise(bytes, start, len, first) => self.find_otherwise(&bytes[start..end]),
            field => field,
        }
    }

    /// The field of a key whose first bytes are known.
    #[inline(always)]
    fn find(&self, bytes: &[u8], start: usize, len: usize, first: u64) -> Option<u16> {
        let mut at = (hash(first, len as u32) >> self.shift) as usize;
        // A power of two of slots, so that the mask keeps every place inside.
        let slots = &self.slots[..];
        loop {
            let slot = slots.get(at)?;
            if slot.first == first
                && slot.len == len as u32
                && (len <= 8 || self.names[at][8..] == bytes[start + 8..start + len])
            {
                return Some(slot.field);
            }
            if slot.field == EMPTY {
                return None;
            }
            at = (at + 1) & (slots.len() - 1);
        }
    }

    /// Says whether a keyword in another case stands for the same field, as far as it is not one to stay away from.
    pub fn with_any_case(mut self, any_case: bool) -> Self {
        self.any_case = any_case;
        self
    }

    /// The field that a key not in plain upper case stands for.
    #[cold]
    fn find_otherwise(&self, key: &[u8]) -> Option<u16> {
        let upper = String::from_utf8_lossy(key).to_uppercase();
        let field = self.find(upper.as_bytes(), 0, upper.len(), head(upper.as_bytes(), 0, upper.len()))?;
        // The client itself looks for the instrument in upper and lower case only, and in that order.
        let instrument = matches!(upper.as_str(), "INSTRUME" | "META.INSTRUMENT.NAME");
        Some(if self.any_case && !instrument { field } else { ODD })
    }
}

/// The values found in the dataset at hand.
#[derive(Debug, Default)]
pub struct Found {
    generation: u32,
    spans: Vec<Span>,
}

impl Found {
    /// Room for that many fields.
    pub fn new(fields: usize) -> Self {
        Self { generation: 0, spans: vec![Span::default(); fields] }
    }

    fn begin(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        if self.generation == 0 {
            self.spans.fill(Span::default());
            self.generation = 1;
        }
    }

    /// Notes where the value of a field lies; nothing where that makes the dataset odd.
    #[inline]
    fn note(&mut self, field: u16, (start, end, bare): (usize, usize, bool)) -> Option<()> {
        let generation = self.generation;
        let span = self.spans.get_mut(usize::from(field)).filter(|span| span.generation != generation)?;
        *span = Span { generation, start: start as u32, end: end as u32, bare };
        Some(())
    }

    /// Where the value of a field lies, if the dataset has it.
    #[inline]
    pub fn get(&self, field: u16) -> Option<Span> {
        let span = self.spans[usize::from(field)];
        (span.generation == self.generation).then_some(span)
    }
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
pub fn member(bytes: &[u8], at: usize, marks: &mut Marks, keys: &Keys, found: &mut Found) -> Option<Member> {
    found.begin();
    marks.seek(at);
    let is = |at: usize, byte: u8| bytes.get(at) == Some(&byte);
    let four = |at: usize, text: &[u8; 4]| bytes.get(at..at + 4).is_some_and(|own| own == text);
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
        // Here a quote at `at` opens a keyword; it should be the next place of `marks`.
        let [open, end, value, close] = marks.four();
        // The usual form, `"KEY": "text", "`, takes two looks at four bytes.
        let usual = value == end.wrapping_add(3) && four(end, b"\": \"");
        if open != at || !(usual || is(end, b'"')) {
            return None;
        }
        let start = at + 1;
        let field = keys.field(bytes, start, end);
        if usual && four(close, b"\", \"") {
            marks.skip(4);
            if let Some(field) = field {
                found.note(field, (value + 1, close, false))?;
            }
            at = close + 3;
            continue;
        }
        at = colon(bytes, end + 1)?;
        let span;
        if is(at, b'"') {
            if value != at {
                return None;
            }
            let mut close = close;
            if is(close, b'\\') {
                // Escapes matter only where the value does.
                if field.is_some() {
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
        if let Some(field) = field {
            found.note(field, span)?;
        }
        at = blanks(bytes, at);
        match bytes.get(at) {
            Some(b',') => at = blanks(bytes, at + 1),
            Some(b'}') => return Some(Member { id_start, id_end, end: at + 1 }),
            _ => return None,
        }
        if !is(at, b'"') {
            return None;
        }
        // Line ends between members are places too.
        marks.seek(at);
    }
}

/// Whether a key has lower-case letters or anything beyond ASCII.
#[inline(always)]
fn otherwise(bytes: &[u8], start: usize, len: usize, first: u64) -> bool {
    let letters = first & (first << 1) & (ONES * 0x40);
    if letters | (first & HIGHS) != 0 {
        return true;
    }
    len > 8 && bytes[start + 8..start + len].iter().any(|b| b.is_ascii_lowercase() || *b >= 0x80)
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
        let keys = Keys::new([("A", 0), ("META.INSTRUMENT.NAME", 1), ("DETECTOR", 2), ("INSTRUMENT", ODD)]);
        let mut found = Found::new(3);
        let mut marks = Marks::default();
        marks.find(text.as_bytes());
        let member = member(text.as_bytes(), 0, &mut marks, &keys, &mut found)?;
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
