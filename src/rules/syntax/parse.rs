//! The grammar of a mapping (RS 2).

use std::borrow::Cow;

use super::lex::{Lexer, Number};
use super::{Call, Selector, SyntaxError, Value};

/// Brackets may nest this deep. Real rules nest five deep; Python itself gives up at 200.
const MAX_DEPTH: usize = 100;

/// A parsed mapping. With duplicate sections the last one counts, as in Python.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping<S = String> {
    /// The header: a [`Value::Dict`] in every usable mapping.
    pub header: Value<S>,
    /// The comment, if there is one that is a text.
    pub comment: Option<String>,
    /// The selector: a [`Value::Call`] in an rmap, a [`Value::Dict`] in a pmap or imap.
    pub selector: Value<S>,
}

impl<S: AsRef<str>> Mapping<S> {
    /// The header's value of `key`.
    pub fn header_value(&self, key: &str) -> Option<&Value<S>> {
        self.header.get(key)
    }

    /// The header's text value of `key`, as written.
    pub fn header_str(&self, key: &str) -> Option<&str> {
        self.header_value(key)?.as_str()
    }
}

/// Returns the text of a mapping file as Python's text mode reads it: UTF-8, CR LF and CR turned into LF.
///
/// # Errors
///
/// The first byte that is not UTF-8.
pub fn decode<'a>(bytes: &'a [u8], file: &str) -> Result<Cow<'a, str>, SyntaxError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (good, bad) = bytes.split_at(error.valid_up_to());
        // The valid part was just checked, so nothing is lost here.
        let text = String::from_utf8_lossy(good);
        let what = format!("not UTF-8: byte 0x{:02x}", bad.first().copied().unwrap_or_default());
        SyntaxError::at(&text, file, text.len(), what)
    })?;
    if memchr::memchr(b'\r', bytes).is_none() {
        return Ok(Cow::Borrowed(text));
    }
    Ok(Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")))
}

/// Parses the bytes of a mapping file; `file` only names it in errors.
///
/// # Errors
///
/// The first place where the text leaves the grammar, a missing `header` or `selector`, brackets nested too deep.
pub fn parse(bytes: &[u8], file: &str) -> Result<Mapping, SyntaxError> {
    let text = decode(bytes, file)?;
    let Mapping { header, comment, selector } = parse_str(&text, file)?;
    Ok(Mapping { header: header.into_owned(), comment, selector: selector.into_owned() })
}

/// Parses a decoded text without copying it: the tree borrows from `text`.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_str<'a>(text: &'a str, file: &'a str) -> Result<Mapping<Cow<'a, str>>, SyntaxError> {
    let mut parser = Parser { lex: Lexer::new(text, file), depth: 0 };
    let (mut header, mut comment, mut selector) = (None, None, None);
    loop {
        parser.skip_blank_lines()?;
        if parser.lex.peek().is_none() {
            break;
        }
        let start = parser.lex.at;
        let name = parser.lex.name();
        if !matches!(name, "header" | "selector" | "comment") {
            parser.lex.at = start;
            return parser.lex.unexpected("`header`, `comment` or `selector`");
        }
        parser.lex.skip_on_line();
        parser.expect(b'=', "`=`")?;
        parser.lex.skip_on_line();
        let value_at = parser.lex.at;
        let value = parser.value(false)?;
        parser.end_of_line()?;
        match (name, value) {
            ("header", value @ Value::Dict(_)) => header = Some(value),
            ("selector", value @ (Value::Dict(_) | Value::Call(_))) => selector = Some(value),
            ("comment", Value::Tuple(_) | Value::List(_)) => {
                return parser.lex.error(value_at, "the value of `comment` must be a call, dictionary or constant");
            }
            ("comment", value) => comment = value.as_str().map(str::to_owned),
            ("header", other) => {
                return parser.lex.error(value_at, format!("header must be a dictionary, not {}", other.kind()));
            }
            (_, other) => {
                let what = format!("selector must be a dict or a Selector, not {}", other.kind());
                return parser.lex.error(value_at, what);
            }
        }
    }
    match (header, selector) {
        (Some(header), Some(selector)) => Ok(Mapping { header, comment, selector }),
        (None, _) => parser.lex.error(0, "there is no `header = ...` in this file"),
        (_, None) => parser.lex.error(0, "there is no `selector = ...` in this file"),
    }
}

type Tree<'a> = Value<Cow<'a, str>>;

struct Parser<'a> {
    lex: Lexer<'a>,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn expect(&mut self, byte: u8, name: &str) -> Result<(), SyntaxError> {
        if self.lex.peek() == Some(byte) {
            self.lex.at += 1;
            Ok(())
        } else {
            self.lex.unexpected(name)
        }
    }

    /// Skips blank and comment lines; a statement must begin at the start of its line.
    fn skip_blank_lines(&mut self) -> Result<(), SyntaxError> {
        loop {
            let start = self.lex.at;
            self.lex.skip_on_line();
            match self.lex.peek() {
                Some(b'\n') => self.lex.at += 1,
                None => return Ok(()),
                Some(_) if self.lex.at > start => return self.lex.error(self.lex.at, "unexpected indent"),
                Some(_) => return Ok(()),
            }
        }
    }

    fn end_of_line(&mut self) -> Result<(), SyntaxError> {
        self.lex.skip_on_line();
        match self.lex.peek() {
            None => Ok(()),
            Some(b'\n') => {
                self.lex.at += 1;
                Ok(())
            }
            Some(_) => self.lex.unexpected("the end of the line"),
        }
    }

    fn value(&mut self, inside: bool) -> Result<Tree<'a>, SyntaxError> {
        let start = self.lex.at;
        match self.lex.peek() {
            Some(b'\'' | b'"') => Ok(Value::Str(self.lex.string(inside)?)),
            Some(b'r' | b'R' | b'u' | b'U') if self.lex.prefixed() => {
                let mut text = self.lex.prefixed_string()?;
                let before = self.lex.at;
                if inside {
                    self.lex.skip_inside();
                } else {
                    self.lex.skip_on_line();
                }
                if matches!(self.lex.peek(), Some(b'\'' | b'"')) {
                    text.to_mut().push_str(&self.lex.string(inside)?);
                } else {
                    self.lex.at = before;
                }
                Ok(Value::Str(text))
            }
            Some(b'0'..=b'9' | b'.') => self.number(start),
            Some(b'-') => {
                self.lex.at += 1;
                if inside {
                    self.lex.skip_inside();
                } else {
                    self.lex.skip_on_line();
                }
                match self.lex.peek() {
                    Some(b'0'..=b'9' | b'.') => self.number(start),
                    _ => self.lex.unexpected("a number after `-`"),
                }
            }
            Some(b'(') => self.deeper(Self::tuple),
            Some(b'[') => self.deeper(|parser| {
                parser.lex.at += 1;
                Ok(Value::List(parser.members(b']')?.0))
            }),
            Some(b'{') => self.deeper(|parser| Ok(Value::Dict(parser.dict()?))),
            Some(b) if b.is_ascii_alphabetic() || b == b'_' => self.word(start, inside),
            _ => self.lex.unexpected("a value"),
        }
    }

    fn deeper(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<Tree<'a>, SyntaxError>,
    ) -> Result<Tree<'a>, SyntaxError> {
        if self.depth >= MAX_DEPTH {
            return self.lex.error(self.lex.at, format!("brackets nest more than {MAX_DEPTH} deep"));
        }
        self.depth += 1;
        let value = inner(self);
        self.depth -= 1;
        value
    }

    fn number(&mut self, start: usize) -> Result<Tree<'a>, SyntaxError> {
        Ok(match self.lex.number(start)? {
            Number::Int(text) => Value::Int(text),
            Number::Float(text) => Value::Float(text),
        })
    }

    fn word(&mut self, start: usize, inside: bool) -> Result<Tree<'a>, SyntaxError> {
        let name = self.lex.name();
        match name {
            "True" => return Ok(Value::Bool(true)),
            "False" => return Ok(Value::Bool(false)),
            "None" => return Ok(Value::None),
            _ => {}
        }
        let Some(selector) = Selector::from_name(name) else {
            return self.lex.error(start, format!("illegal statement or expression in mapping: `{name}`"));
        };
        if inside {
            self.lex.skip_inside();
        } else {
            self.lex.skip_on_line();
        }
        self.expect(b'(', "`(`")?;
        self.deeper(|parser| {
            parser.lex.skip_inside();
            if parser.lex.peek() != Some(b'{') {
                return parser.lex.unexpected("`{`");
            }
            let dict = parser.dict()?;
            parser.lex.skip_inside();
            if parser.lex.peek() == Some(b',') {
                parser.lex.at += 1;
                parser.lex.skip_inside();
            }
            parser.expect(b')', "`)`")?;
            Ok(Value::Call(Call { name: selector, dict }))
        })
    }

    /// `(a, b)`, `(a,)`, `()`; `(a)` is `a` itself.
    fn tuple(&mut self) -> Result<Tree<'a>, SyntaxError> {
        self.lex.at += 1;
        let (mut items, comma) = self.members(b')')?;
        match items.pop() {
            Some(only) if items.is_empty() && !comma => Ok(only),
            last => {
                items.extend(last);
                Ok(Value::Tuple(items))
            }
        }
    }

    /// The members up to the closing bracket, and whether there was a comma.
    fn members(&mut self, close: u8) -> Result<(Vec<Tree<'a>>, bool), SyntaxError> {
        // Keys of real rules have up to eleven members; growing step by step costs more than a few empty places.
        let (mut items, mut comma) = (Vec::with_capacity(8), false);
        loop {
            self.lex.skip_inside();
            if self.lex.peek() == Some(close) {
                self.lex.at += 1;
                return Ok((items, comma));
            }
            items.push(self.value(true)?);
            self.lex.skip_inside();
            match self.lex.peek() {
                Some(b',') => {
                    self.lex.at += 1;
                    comma = true;
                }
                Some(b) if b == close => {}
                _ => return self.lex.unexpected(if close == b')' { "`,` or `)`" } else { "`,` or `]`" }),
            }
        }
    }

    fn dict(&mut self) -> Result<Vec<(Tree<'a>, Tree<'a>)>, SyntaxError> {
        self.lex.at += 1;
        let mut items = Vec::with_capacity(8);
        loop {
            self.lex.skip_inside();
            if self.lex.peek() == Some(b'}') {
                self.lex.at += 1;
                return Ok(items);
            }
            let key_at = self.lex.at;
            let key = self.value(true)?;
            if !hashable(&key) {
                return self.lex.error(key_at, format!("{} cannot be a key", key.kind()));
            }
            self.lex.skip_inside();
            self.expect(b':', "`:`")?;
            self.lex.skip_inside();
            let value = self.value(true)?;
            items.push((key, value));
            self.lex.skip_inside();
            match self.lex.peek() {
                Some(b',') => self.lex.at += 1,
                Some(b'}') => {}
                _ => return self.lex.unexpected("`,` or `}`"),
            }
        }
    }
}

/// Whether Python would take `key` as a key of a dictionary.
fn hashable(key: &Tree<'_>) -> bool {
    match key {
        Value::List(_) | Value::Dict(_) | Value::Call(_) => false,
        Value::Tuple(items) => items.iter().all(hashable),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "header = {'name': 'x.rmap', 'parkey': (('A',), ()), }\n\ncomment = \"\"\"a\n\\'b\"\"\"\n\n\
                         selector = Match({('1', -2, 3.50, None) : UseAfter({'d': 'f.fits'}), (True): [1, 'a' 'b'],})\n";

    #[test]
    fn the_tree_keeps_what_is_written() {
        let mapping = parse(SMALL.as_bytes(), "x.rmap").unwrap();
        assert_eq!(mapping.header_str("name"), Some("x.rmap"));
        assert_eq!(mapping.comment.as_deref(), Some("a\n'b"));
        let Value::Call(call) = &mapping.selector else { panic!("not a call") };
        assert_eq!(call.name, Selector::Match);
        let key = [Value::Str("1".into()), Value::Int("-2".into()), Value::Float("3.50".into()), Value::None];
        assert_eq!(call.dict[0].0, Value::Tuple(key.to_vec()));
        assert_eq!(call.dict[1].0, Value::Bool(true), "(x) is x");
        assert_eq!(call.dict[1].1, Value::List(vec![Value::Int("1".into()), Value::Str("ab".into())]));
    }

    #[test]
    fn errors_name_file_line_and_column() {
        let cases = [
            ("header = {\n 'a' : 1,\n 'b' 2,\n}\n", 3, 6, "expected `:`, found `2`"),
            ("header = {}\nselector = Foo({})\n", 2, 12, "illegal statement or expression in mapping: `Foo`"),
            ("header = {}\n  selector = {}\n", 2, 3, "unexpected indent"),
            ("header = {}\n", 1, 1, "there is no `selector = ...` in this file"),
            ("header = {'a' : 'b\n}", 1, 17, "unterminated text"),
            ("header = {}\nselector = (1, 2)\n", 2, 12, "selector must be a dict or a Selector, not a tuple"),
            ("header = {[1]: 2}\n", 1, 11, "a list cannot be a key"),
            ("header = {'é' : 0x10}\n", 1, 17, "a number is written in decimal, such as `9` or `9.9`"),
            ("header = {'a' : 1 + 2}\n", 1, 19, "expected `,` or `}`, found '+'"),
            ("import os\n", 1, 1, "expected `header`, `comment` or `selector`, found `import`"),
        ];
        for (text, line, column, what) in cases {
            let error = parse(text.as_bytes(), "f").unwrap_err();
            assert_eq!((error.line, error.column, error.what.as_str()), (line, column, what), "{text}");
        }
        let error = parse(b"header = {}\nsel\xff", "f").unwrap_err();
        assert_eq!(error.to_string(), "f:2:4: not UTF-8: byte 0xff");
    }

    #[test]
    fn deep_nesting_is_refused_and_shallow_is_not() {
        for (depth, good) in [(50, true), (99, true), (100, false), (100_000, false)] {
            let text = format!("header = {{'a' : {}{}}}\nselector = {{}}\n", "[".repeat(depth), "]".repeat(depth));
            assert_eq!(parse(text.as_bytes(), "f").is_ok(), good, "{depth}");
        }
    }

    #[test]
    fn other_line_ends_become_line_feeds() {
        let text = SMALL.replace('\n', "\r\n");
        assert_eq!(parse(text.as_bytes(), "f"), parse(SMALL.as_bytes(), "f"));
    }
}
