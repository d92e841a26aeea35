//! JSON as Python's `json` reads it: the same documents, and the same words about the others.

use crate::stand_in::fits::python_float;

/// How deep a document may nest.
const DEPTH_LIMIT: usize = 200;

/// A value of a document.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    /// `null`
    Null,
    /// A number, text, `true` or `false`, as Python's `str` shows it, and the name of its class.
    Simple(String, &'static str),
    /// `[...]`
    List(Vec<Json>),
    /// `{...}`, repeated keys included.
    Object(Vec<(String, Json)>),
}

/// Reads a document.
///
/// # Errors
///
/// Python's text, such as `Expecting value: line 1 column 1 (char 0)`.
pub(super) fn parse(text: &str) -> Result<Json, String> {
    let chars: Vec<char> = text.chars().collect();
    let mut reader = Reader { chars: &chars, at: 0, depth: 0 };
    if chars.first() == Some(&'\u{feff}') {
        return Err(reader.complaint("Unexpected UTF-8 BOM (decode using utf-8-sig)", 0));
    }
    reader.blanks();
    let value = reader.value()?;
    reader.blanks();
    if reader.at < chars.len() { Err(reader.complaint("Extra data", reader.at)) } else { Ok(value) }
}

struct Reader<'a> {
    chars: &'a [char],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn complaint(&self, what: &str, at: usize) -> String {
        let before = &self.chars[..at.min(self.chars.len())];
        let line = before.iter().filter(|c| **c == '\n').count() + 1;
        let start = before.iter().rposition(|c| *c == '\n').map_or(0, |n| n + 1);
        format!("{what}: line {line} column {} (char {at})", at - start + 1)
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &str) -> bool {
        let hit = word.chars().enumerate().all(|(n, c)| self.chars.get(self.at + n) == Some(&c));
        if hit {
            self.at += word.chars().count();
        }
        hit
    }

    fn value(&mut self) -> Result<Json, String> {
        let start = self.at;
        match self.peek() {
            Some('"') => Ok(Json::Simple(self.text()?, "str")),
            Some('{') => self.nested(Self::object),
            Some('[') => self.nested(Self::list),
            _ if self.word("null") => Ok(Json::Null),
            _ if self.word("true") => Ok(Json::Simple("True".into(), "bool")),
            _ if self.word("false") => Ok(Json::Simple("False".into(), "bool")),
            _ if self.word("NaN") => Ok(Json::Simple("nan".into(), "float")),
            _ if self.word("Infinity") => Ok(Json::Simple("inf".into(), "float")),
            _ if self.word("-Infinity") => Ok(Json::Simple("-inf".into(), "float")),
            _ => self.number().ok_or_else(|| self.complaint("Expecting value", start)),
        }
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Result<Json, String>) -> Result<Json, String> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err("maximum recursion depth exceeded while decoding a JSON document".into());
        }
        self.at += 1;
        let value = inner(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Json, String> {
        let mut pairs = Vec::new();
        self.blanks();
        if self.word("}") {
            return Ok(Json::Object(pairs));
        }
        loop {
            if self.peek() != Some('"') {
                return Err(self.complaint("Expecting property name enclosed in double quotes", self.at));
            }
            let key = self.text()?;
            self.blanks();
            if !self.word(":") {
                return Err(self.complaint("Expecting ':' delimiter", self.at));
            }
            self.blanks();
            pairs.push((key, self.value()?));
            self.blanks();
            if self.word("}") {
                return Ok(Json::Object(pairs));
            }
            if !self.word(",") {
                return Err(self.complaint("Expecting ',' delimiter", self.at));
            }
            self.blanks();
        }
    }

    fn list(&mut self) -> Result<Json, String> {
        let mut items = Vec::new();
        self.blanks();
        if self.word("]") {
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value()?);
            self.blanks();
            if self.word("]") {
                return Ok(Json::List(items));
            }
            if !self.word(",") {
                return Err(self.complaint("Expecting ',' delimiter", self.at));
            }
            self.blanks();
        }
    }

    fn number(&mut self) -> Option<Json> {
        let start = self.at;
        let digits =
            |at: usize| self.chars[at.min(self.chars.len())..].iter().take_while(|c| c.is_ascii_digit()).count();
        let first = start + usize::from(self.peek() == Some('-'));
        let whole = if self.chars.get(first) == Some(&'0') { 1 } else { digits(first) };
        if whole == 0 {
            return None;
        }
        let mut end = first + whole;
        let mut float = false;
        if self.chars.get(end) == Some(&'.') && digits(end + 1) > 0 {
            (end, float) = (end + 1 + digits(end + 1), true);
        }
        if matches!(self.chars.get(end), Some('e' | 'E')) {
            let sign = usize::from(matches!(self.chars.get(end + 1), Some('+' | '-')));
            if digits(end + 1 + sign) > 0 {
                (end, float) = (end + 1 + sign + digits(end + 1 + sign), true);
            }
        }
        let shown: String = self.chars[start..end].iter().collect();
        self.at = end;
        match (float, shown.parse::<f64>()) {
            (true, Ok(number)) => Some(Json::Simple(python_float(number), "float")),
            _ => Some(Json::Simple(if shown == "-0" { "0".into() } else { shown }, "int")),
        }
    }

    fn text(&mut self) -> Result<String, String> {
        let start = self.at;
        let unterminated = |reader: &Self| reader.complaint("Unterminated string starting at", start);
        let mut out = String::new();
        self.at += 1;
        loop {
            let here = self.at;
            let c = self.peek().ok_or_else(|| unterminated(self))?;
            self.at += 1;
            match c {
                '"' => return Ok(out),
                '\\' => {
                    let escape = self.peek().ok_or_else(|| unterminated(self))?;
                    self.at += 1;
                    out.push(match escape {
                        '"' | '\\' | '/' => escape,
                        'b' => '\u{8}',
                        'f' => '\u{c}',
                        'n' => '\n',
                        'r' => '\r',
                        't' => '\t',
                        'u' => self.escaped(here)?,
                        _ => return Err(self.complaint("Invalid \\escape", here)),
                    });
                }
                c if u32::from(c) < 0x20 => return Err(self.complaint("Invalid control character at", here)),
                c => out.push(c),
            }
        }
    }

    /// The character of a `\uXXXX`, or of two that make a pair.
    fn escaped(&mut self, here: usize) -> Result<char, String> {
        let mut four = || {
            let digits: String = self.chars[self.at.min(self.chars.len())..].iter().take(4).collect();
            let good = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            let value = good.then(|| u32::from_str_radix(&digits, 16).ok()).flatten();
            let value = value.ok_or_else(|| self.complaint("Invalid \\uXXXX escape", here + 1));
            self.at += 4;
            value
        };
        let first = four()?;
        if (0xd800..0xdc00).contains(&first) && self.word("\\u") {
            let mut again = Reader { chars: self.chars, at: self.at, depth: 0 };
            let digits: String = again.chars[again.at.min(again.chars.len())..].iter().take(4).collect();
            if let Ok(second @ 0xdc00..0xe000) = u32::from_str_radix(&digits, 16) {
                again.at += 4;
                self.at = again.at;
                let joined = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at -= 2;
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of Python 3.11's `json.loads`.
    #[test]
    fn complaints_read_as_in_python() {
        for (text, expected) in [
            ("", "Expecting value: line 1 column 1 (char 0)"),
            ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
            ("{\"a\"", "Expecting ':' delimiter: line 1 column 5 (char 4)"),
            ("{\"a\":", "Expecting value: line 1 column 6 (char 5)"),
            ("{\"a\":1,}", "Expecting property name enclosed in double quotes: line 1 column 8 (char 7)"),
            ("{\n \"a\": 1\n \"b\": 2}", "Expecting ',' delimiter: line 3 column 2 (char 11)"),
            ("{\"a\":1} x", "Extra data: line 1 column 9 (char 8)"),
            ("\"abc", "Unterminated string starting at: line 1 column 1 (char 0)"),
            ("{\"a\":\"\\x\"}", "Invalid \\escape: line 1 column 7 (char 6)"),
            ("{\"a\":\"\n\"}", "Invalid control character at: line 1 column 7 (char 6)"),
            ("01", "Extra data: line 1 column 2 (char 1)"),
            ("-", "Expecting value: line 1 column 1 (char 0)"),
        ] {
            assert_eq!(parse(text), Err(expected.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn values_read_as_in_python() {
        let simple = |text: &str, class| Ok(Json::Simple(text.to_owned(), class));
        assert_eq!(parse("1e30"), simple("1e+30", "float"));
        assert_eq!(parse(" true "), simple("True", "bool"));
        assert_eq!(parse("\"\\u00e9\\ud83d\\ude00\""), simple("é😀", "str"));
        assert_eq!(parse("{}"), Ok(Json::Object(Vec::new())));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "[\\[\\]{}:,\"\\\\ue0-9.+-]{0,40}|\\PC{0,40}") {
            let _ = parse(&text);
        }
    }
}
