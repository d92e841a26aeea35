//! Blanks, comments, names, numbers and texts of a mapping.

use std::borrow::Cow;

use super::SyntaxError;

/// A place in a text.
pub(super) struct Lexer<'a> {
    pub(super) text: &'a str,
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    pub(super) file: &'a str,
}

/// A number as written: sign kept, blanks and underscores dropped.
pub(super) enum Number<'a> {
    Int(Cow<'a, str>),
    Float(Cow<'a, str>),
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, file: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, file }
    }

    pub(super) fn error<T>(&self, at: usize, what: impl Into<String>) -> Result<T, SyntaxError> {
        Err(SyntaxError::at(self.text, self.file, at, what))
    }

    /// Reports what stands at `self.at`, where `expected` should have been.
    pub(super) fn unexpected<T>(&self, expected: &str) -> Result<T, SyntaxError> {
        let met = match self.text[self.at..].chars().next() {
            None => "the end of the file".to_owned(),
            Some('\n') => "the end of the line".to_owned(),
            Some(c) if c.is_alphanumeric() || c == '_' => {
                let word: String =
                    self.text[self.at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').take(40).collect();
                format!("`{word}`")
            }
            Some(c) => format!("{c:?}"),
        };
        self.error(self.at, format!("expected {expected}, found {met}"))
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Skips blanks, comments and, inside brackets, line ends.
    #[inline]
    pub(super) fn skip_inside(&mut self) {
        while let Some(&b) = self.bytes.get(self.at) {
            match b {
                b' ' | b'\n' | b'\t' | 0x0c => self.at += 1,
                b'#' => self.skip_comment(),
                _ => break,
            }
        }
    }

    /// Skips blanks and comments up to the end of the line.
    pub(super) fn skip_on_line(&mut self) {
        while let Some(&b) = self.bytes.get(self.at) {
            match b {
                b' ' | b'\t' | 0x0c => self.at += 1,
                b'#' => self.skip_comment(),
                _ => break,
            }
        }
    }

    fn skip_comment(&mut self) {
        self.at = memchr::memchr(b'\n', &self.bytes[self.at..]).map_or(self.bytes.len(), |n| self.at + n);
    }

    /// A name, or nothing when none begins here.
    pub(super) fn name(&mut self) -> &'a str {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_') {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    /// A number whose sign, if any, stood at `start`; `self.at` is at its first digit or point.
    pub(super) fn number(&mut self, start: usize) -> Result<Number<'a>, SyntaxError> {
        let negative = start < self.at;
        let from = self.at;
        let whole = self.digits()?;
        let mut float = false;
        if self.peek() == Some(b'.') {
            float = true;
            self.at += 1;
            let fraction = self.digits()?;
            if whole + fraction == 0 {
                self.at = from;
                return self.unexpected("a value");
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            float = true;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits()? == 0 {
                return self.unexpected("the digits of an exponent");
            }
        }
        if self.peek().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.' || b >= 0x80) {
            return self.error(from, "a number is written in decimal, such as `9` or `9.9`");
        }
        let digits = &self.text[from..self.at];
        if !float && digits.len() > 1 && digits.starts_with('0') && digits.bytes().any(|b| !matches!(b, b'0' | b'_')) {
            return self.error(from, "leading zeros in decimal integer literals are not permitted");
        }
        let source = if !negative && !digits.contains('_') {
            Cow::Borrowed(digits)
        } else if negative && self.text[start..from].len() == 1 && !digits.contains('_') {
            Cow::Borrowed(&self.text[start..self.at])
        } else {
            let sign = if negative { "-" } else { "" };
            Cow::Owned(format!("{sign}{}", digits.replace('_', "")))
        };
        Ok(if float { Number::Float(source) } else { Number::Int(source) })
    }

    /// Skips digits with single underscores between them; returns how many digits there were.
    fn digits(&mut self) -> Result<usize, SyntaxError> {
        let mut count = 0;
        while let Some(&b) = self.bytes.get(self.at) {
            match b {
                b'0'..=b'9' => count += 1,
                b'_' if count > 0 && self.bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit) => {}
                b'_' => return self.error(self.at, "an underscore in a number stands between two digits"),
                _ => break,
            }
            self.at += 1;
        }
        Ok(count)
    }

    /// A text that begins at `self.at` with a quote; adjacent texts are joined, as in Python.
    pub(super) fn string(&mut self, inside: bool) -> Result<Cow<'a, str>, SyntaxError> {
        let mut text = self.one_string(false)?;
        // Nearly always the text ends here.
        if let Some([b',' | b':' | b')', _] | [b' ', b':' | b',']) = self.bytes.get(self.at..self.at + 2) {
            return Ok(text);
        }
        loop {
            let before = self.at;
            if inside {
                self.skip_inside();
            } else {
                self.skip_on_line();
            }
            match self.peek() {
                Some(b'\'' | b'"') => text.to_mut().push_str(&self.one_string(false)?),
                Some(b'r' | b'R' | b'u' | b'U') if self.prefixed() => text.to_mut().push_str(&self.prefixed_string()?),
                _ => {
                    self.at = before;
                    return Ok(text);
                }
            }
        }
    }

    /// Whether a one-letter prefix and a quote stand here.
    pub(super) fn prefixed(&self) -> bool {
        matches!(self.bytes.get(self.at + 1), Some(b'\'' | b'"'))
    }

    /// A text with prefix `r` or `u`.
    pub(super) fn prefixed_string(&mut self) -> Result<Cow<'a, str>, SyntaxError> {
        let raw = matches!(self.peek(), Some(b'r' | b'R'));
        self.at += 1;
        self.one_string(raw)
    }

    fn one_string(&mut self, raw: bool) -> Result<Cow<'a, str>, SyntaxError> {
        let open = self.at;
        let quote = self.bytes[open];
        if self.bytes[open..].starts_with(&[quote; 3]) {
            return self.long_string(open, quote, raw);
        }
        self.at += 1;
        let from = self.at;
        match memchr::memchr3(quote, b'\\', b'\n', &self.bytes[from..]) {
            Some(end) if self.bytes[from + end] == quote => self.at = from + end,
            Some(end) if self.bytes[from + end] == b'\\' => {
                self.at = from + end;
                return self.escaped(open, from, &[quote], raw);
            }
            _ => return self.error(open, "unterminated text"),
        }
        let text = &self.text[from..self.at];
        self.at += 1;
        Ok(Cow::Borrowed(text))
    }

    fn long_string(&mut self, open: usize, quote: u8, raw: bool) -> Result<Cow<'a, str>, SyntaxError> {
        self.at += 3;
        let from = self.at;
        loop {
            let Some(next) = memchr::memchr2(quote, b'\\', &self.bytes[self.at..]) else {
                return self.error(open, "unterminated triple-quoted text");
            };
            self.at += next;
            if self.bytes[self.at] == b'\\' {
                return self.escaped(open, from, &[quote; 3], raw);
            }
            if self.bytes[self.at..].starts_with(&[quote; 3]) {
                break;
            }
            self.at += 1;
        }
        let text = &self.text[from..self.at];
        self.at += 3;
        Ok(Cow::Borrowed(text))
    }

    /// The slow path of a text with a backslash; `self.at` is at the first one.
    fn escaped(&mut self, open: usize, from: usize, close: &[u8], raw: bool) -> Result<Cow<'a, str>, SyntaxError> {
        let mut out = self.text[from..self.at].to_owned();
        loop {
            if self.bytes[self.at..].starts_with(close) {
                self.at += close.len();
                return Ok(Cow::Owned(out));
            }
            let Some(c) = self.text[self.at..].chars().next() else {
                return self.error(open, "unterminated text");
            };
            if c == '\n' && close.len() == 1 {
                return self.error(open, "unterminated text");
            }
            if c != '\\' {
                out.push(c);
                self.at += c.len_utf8();
            } else if raw {
                // A backslash of a raw text stays, and so does what it stands before, a quote included.
                out.push('\\');
                self.at += 1;
                match self.text[self.at..].chars().next() {
                    None => return self.error(open, "unterminated text"),
                    Some(next) => {
                        out.push(next);
                        self.at += next.len_utf8();
                    }
                }
            } else {
                self.escape(open, &mut out)?;
            }
        }
    }

    /// One escape sequence of a plain text (RS 2: `\n \t \\ \' \" \xhh \uhhhh \ooo`, unknown ones kept).
    fn escape(&mut self, open: usize, out: &mut String) -> Result<(), SyntaxError> {
        let start = self.at;
        self.at += 1;
        let Some(c) = self.text[self.at..].chars().next() else {
            return self.error(open, "unterminated text");
        };
        self.at += c.len_utf8();
        match c {
            '\n' => {}
            '\\' | '\'' | '"' => out.push(c),
            'a' => out.push('\u{7}'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'v' => out.push('\u{b}'),
            '0'..='7' => {
                let from = self.at - 1;
                while self.at < from + 3 && matches!(self.peek(), Some(b'0'..=b'7')) {
                    self.at += 1;
                }
                self.code_point(start, from, 8, out)?;
            }
            'x' | 'u' | 'U' => {
                let (from, width) = (self.at, [2, 4, 8]["xuU".find(c).unwrap_or(0)]);
                while self.at < from + width && self.peek().is_some_and(|b| b.is_ascii_hexdigit()) {
                    self.at += 1;
                }
                if self.at < from + width {
                    return self.error(start, format!("truncated \\{c} escape"));
                }
                self.code_point(start, from, 16, out)?;
            }
            'N' => return self.error(start, "escapes by character name (\\N) are not supported"),
            other => {
                out.push('\\');
                out.push(other);
            }
        }
        Ok(())
    }

    fn code_point(&self, start: usize, from: usize, radix: u32, out: &mut String) -> Result<(), SyntaxError> {
        let c = u32::from_str_radix(&self.text[from..self.at], radix).ok().and_then(char::from_u32);
        match c {
            Some(c) => {
                out.push(c);
                Ok(())
            }
            None => self.error(start, "an escape that is not a Unicode character"),
        }
    }
}
