//! JSON as Python's `json` module reads it, into headers (RS 5, 15.1).
//!
//! Beside standard JSON it takes `NaN`, `Infinity` and `-Infinity`; integers keep every digit, floats overflow to
//! infinity, a key given twice keeps its first place and last value, a lone surrogate becomes U+FFFD.

use crate::rules::dataset::{Header, HeaderValue};
use crate::rules::python::{float_repr, repr};

/// A text that is not JSON, or not JSON of the expected shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct JsonError {
    /// Offset in bytes from the start of the text.
    pub at: usize,
    /// What is wrong.
    pub what: String,
}

/// What stands under a dataset's id.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// A header.
    Header(Header),
    /// A text: the archive's reason why there is no header.
    Message(String),
}

/// Deepest nesting of lists and objects taken.
const MAX_DEPTH: usize = 100;

/// A place in a JSON text.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Begins at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Where the reader stands, in bytes from the start.
    pub fn offset(&self) -> usize {
        self.at
    }

    fn error<T>(&self, what: impl Into<String>) -> Result<T, JsonError> {
        Err(JsonError { at: self.at, what: what.into() })
    }

    fn skip(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.takes(byte) { Ok(()) } else { self.error(format!("expected '{}'", byte as char)) }
    }

    fn takes(&mut self, byte: u8) -> bool {
        let hit = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(hit);
        hit
    }

    /// Whether nothing but blanks is left.
    pub fn at_end(&mut self) -> bool {
        self.skip();
        self.at >= self.bytes.len()
    }

    /// Reads one object `{id: header, ...}`, handing each member to `member` as it is read.
    ///
    /// # Errors
    ///
    /// Text that is not such an object.
    pub fn datasets(&mut self, member: &mut dyn FnMut(String, Entry)) -> Result<(), JsonError> {
        self.skip();
        self.expect(b'{')?;
        self.skip();
        if self.takes(b'}') {
            return Ok(());
        }
        loop {
            self.skip();
            let id = self.string()?;
            self.colon()?;
            let entry = self.entry()?;
            member(id, entry);
            self.skip();
            if self.takes(b'}') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    /// Reads the members of an object without its braces, up to the end of the text.
    ///
    /// # Errors
    ///
    /// Text that is not a list of members.
    pub fn members(&mut self, member: &mut dyn FnMut(String, Entry)) -> Result<(), JsonError> {
        while !self.at_end() {
            let id = self.string()?;
            self.colon()?;
            let entry = self.entry()?;
            member(id, entry);
            if self.at_end() {
                break;
            }
            self.expect(b',')?;
            if self.at_end() {
                return self.error("expected another dataset");
            }
        }
        Ok(())
    }

    /// Reads one member `"id": header`.
    ///
    /// # Errors
    ///
    /// Text that is not a member.
    pub fn member(&mut self) -> Result<(String, Entry), JsonError> {
        let id = self.string()?;
        self.colon()?;
        Ok((id, self.entry()?))
    }

    /// Checks that nothing else stands on the line.
    ///
    /// # Errors
    ///
    /// Something else.
    pub fn end_of_line(&mut self) -> Result<(), JsonError> {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\r')) {
            self.at += 1;
        }
        match self.bytes.get(self.at) {
            None | Some(b'\n') => Ok(()),
            Some(_) => self.error("text after the end of the object"),
        }
    }

    fn colon(&mut self) -> Result<(), JsonError> {
        self.skip();
        self.expect(b':')?;
        self.skip();
        Ok(())
    }

    /// Reads what stands under an id. A value that is neither a header nor a text fails this dataset alone.
    ///
    /// # Errors
    ///
    /// Text that is not a value.
    pub fn entry(&mut self) -> Result<Entry, JsonError> {
        match self.bytes.get(self.at) {
            Some(b'"') => Ok(Entry::Message(self.string()?)),
            Some(b'{') => Ok(Entry::Header(self.header()?)),
            _ => {
                let value = self.value()?;
                let text: String = value.python_text().chars().take(60).collect();
                Ok(Entry::Message(format!("not an object of keywords and values: {text}")))
            }
        }
    }

    /// Reads one header: an object of keywords and values.
    ///
    /// # Errors
    ///
    /// Text that is not an object.
    pub fn header(&mut self) -> Result<Header, JsonError> {
        let mut header = Header::new();
        self.expect(b'{')?;
        self.skip();
        if self.takes(b'}') {
            return Ok(header);
        }
        loop {
            self.skip();
            let key = self.string()?;
            self.colon()?;
            let value = self.value()?;
            header.set(&key, value);
            self.skip();
            if self.takes(b'}') {
                return Ok(header);
            }
            self.expect(b',')?;
        }
    }

    /// Reads one value.
    ///
    /// # Errors
    ///
    /// Text that is not a value.
    pub fn value(&mut self) -> Result<HeaderValue, JsonError> {
        match self.bytes.get(self.at) {
            Some(b'"') => Ok(HeaderValue::Text(self.string()?)),
            Some(b'n') => {
                self.word("null")?;
                Ok(HeaderValue::Null)
            }
            _ => {
                let mut text = String::new();
                self.python(&mut text, 0)?;
                Ok(HeaderValue::Other(text))
            }
        }
    }

    fn word(&mut self, word: &str) -> Result<(), JsonError> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        self.error("expected a value")
    }

    /// Appends the `repr` of a value.
    fn python(&mut self, out: &mut String, depth: usize) -> Result<(), JsonError> {
        if depth > MAX_DEPTH {
            return self.error("nested too deep");
        }
        match self.bytes.get(self.at) {
            Some(b'"') => out.push_str(&repr(&self.string()?)),
            Some(b't') => {
                self.word("true")?;
                out.push_str("True");
            }
            Some(b'f') => {
                self.word("false")?;
                out.push_str("False");
            }
            Some(b'n') => {
                self.word("null")?;
                out.push_str("None");
            }
            Some(b'N') => {
                self.word("NaN")?;
                out.push_str("nan");
            }
            Some(b'I') => {
                self.word("Infinity")?;
                out.push_str("inf");
            }
            Some(b'-') if self.bytes.get(self.at + 1) == Some(&b'I') => {
                self.word("-Infinity")?;
                out.push_str("-inf");
            }
            Some(b'-' | b'0'..=b'9') => self.number(out)?,
            Some(b'[') => {
                self.at += 1;
                out.push('[');
                self.skip();
                let mut first = true;
                while !self.takes(b']') {
                    if !first {
                        self.expect(b',')?;
                        out.push_str(", ");
                        self.skip();
                    }
                    first = false;
                    self.python(out, depth + 1)?;
                    self.skip();
                }
                out.push(']');
            }
            Some(b'{') => {
                self.at += 1;
                let mut items: Vec<(String, String)> = Vec::new();
                self.skip();
                let mut first = true;
                while !self.takes(b'}') {
                    if !first {
                        self.expect(b',')?;
                        self.skip();
                    }
                    first = false;
                    let key = repr(&self.string()?);
                    self.colon()?;
                    let mut value = String::new();
                    self.python(&mut value, depth + 1)?;
                    match items.iter_mut().find(|(known, _)| *known == key) {
                        Some(item) => item.1 = value,
                        None => items.push((key, value)),
                    }
                    self.skip();
                }
                let items: Vec<String> = items.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
                out.push_str(&format!("{{{}}}", items.join(", ")));
            }
            _ => return self.error("expected a value"),
        }
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self, out: &mut String) -> Result<(), JsonError> {
        let start = self.at;
        self.takes(b'-');
        let whole = self.at;
        let count = self.digits();
        if count == 0 || (count > 1 && self.bytes[whole] == b'0') {
            return self.error("bad number");
        }
        let mut float = false;
        if self.bytes.get(self.at) == Some(&b'.') && self.bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit) {
            float = true;
            self.at += 1;
            self.digits();
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            let before = self.at;
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                self.at = before;
            } else {
                float = true;
            }
        }
        // Only ASCII was skipped over.
        let text = std::str::from_utf8(&self.bytes[start..self.at]).unwrap_or_default();
        if float {
            out.push_str(&float_repr(text.parse().unwrap_or(f64::INFINITY)));
        } else {
            out.push_str(if text == "-0" { "0" } else { text });
        }
        Ok(())
    }

    /// Reads a text in quotes.
    ///
    /// # Errors
    ///
    /// No text here, a bad escape, a control character, bytes that are not UTF-8.
    pub fn string(&mut self) -> Result<String, JsonError> {
        self.expect(b'"')?;
        let start = self.at;
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'"' => {
                    let text = std::str::from_utf8(&self.bytes[start..self.at]);
                    let text = text.map_err(|_| JsonError { at: start, what: "not UTF-8".to_owned() })?.to_owned();
                    self.at += 1;
                    return Ok(text);
                }
                b'\\' => return self.escaped(start),
                0..=0x1f => return self.error("control character in a text"),
                _ => self.at += 1,
            }
        }
        self.error("unterminated text")
    }

    fn escaped(&mut self, start: usize) -> Result<String, JsonError> {
        let mut out = self.bytes[start..self.at].to_vec();
        loop {
            match self.bytes.get(self.at) {
                None => return self.error("unterminated text"),
                Some(b'"') => {
                    self.at += 1;
                    return String::from_utf8(out).map_err(|_| JsonError { at: start, what: "not UTF-8".to_owned() });
                }
                Some(0..=0x1f) => return self.error("control character in a text"),
                Some(b'\\') => {
                    self.at += 1;
                    let c = match self.bytes.get(self.at) {
                        Some(b'"') => '"',
                        Some(b'\\') => '\\',
                        Some(b'/') => '/',
                        Some(b'b') => '\u{8}',
                        Some(b'f') => '\u{c}',
                        Some(b'n') => '\n',
                        Some(b'r') => '\r',
                        Some(b't') => '\t',
                        Some(b'u') => {
                            self.at += 1;
                            let c = self.unicode()?;
                            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                            continue;
                        }
                        _ => return self.error("bad escape"),
                    };
                    self.at += 1;
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Some(&byte) => {
                    out.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let four = self.bytes.get(self.at..self.at + 4).filter(|four| four.iter().all(u8::is_ascii_hexdigit));
        let code = four.and_then(|four| u32::from_str_radix(std::str::from_utf8(four).ok()?, 16).ok());
        match code {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => self.error("bad \\u escape"),
        }
    }

    fn unicode(&mut self) -> Result<char, JsonError> {
        let first = self.hex4()?;
        if (0xd800..0xdc00).contains(&first) && self.bytes[self.at..].starts_with(b"\\u") {
            let back = self.at;
            self.at += 2;
            let second = self.hex4()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or('\u{fffd}'));
            }
            self.at = back;
        }
        Ok(char::from_u32(first).unwrap_or('\u{fffd}'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_python_text() {
        let cases = [
            ("1", "1"),
            ("-0", "0"),
            ("1.0", "1.0"),
            ("1e22", "1e+22"),
            ("1E400", "inf"),
            ("true", "True"),
            ("[1, \"a'b\", null, {\"k\": [], \"k\": 2}]", "[1, \"a'b\", None, {'k': 2}]"),
            ("NaN", "nan"),
            ("-Infinity", "-inf"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
        ];
        for (json, text) in cases {
            let value = Reader::new(json.as_bytes()).value().unwrap();
            assert_eq!(value, HeaderValue::Other(text.to_owned()), "{json}");
        }
        let text = Reader::new(br#""a\u00dfb\ud83d\ude00\n\ud800""#).string().unwrap();
        assert_eq!(text, "aßb😀\n\u{fffd}");
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for bad in ["01", "-", "\"a", "\"\\x\"", "[1", "{\"a\" 1}", "tru", "+1", ".5", "\"\u{1}\"", ""] {
            let mut reader = Reader::new(bad.as_bytes());
            assert!(reader.value().is_err() || !reader.at_end(), "{bad}");
        }
        let deep = "[".repeat(100_000);
        assert!(Reader::new(deep.as_bytes()).value().is_err());
    }
}
