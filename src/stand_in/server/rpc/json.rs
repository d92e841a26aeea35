//! JSON as Python's `json` module reads and writes it: NaN passes, big integers and lone surrogates survive, output is
//! ASCII with blanks after commas and colons (WP 1.3).

use super::super::python;

/// A lone surrogate `U+D800 + n` is kept as this character plus `n`, which no request uses for itself.
const LONE: u32 = 0x10_F000;

/// Nesting at which Python's own recursion limit would strike.
const MAX_DEPTH: usize = 900;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// An integer of any size, as Python writes it.
    Int(String),
    /// A number with point or exponent; `NaN`, `Infinity`.
    Float(f64),
    /// A text.
    Str(String),
    /// An array.
    List(Vec<Json>),
    /// An object; of members with one name the last counts, at the first place.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Parses one document; `None` for everything that Python's `json.loads` refuses.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut reader = Reader { bytes: text.as_bytes(), text, at: 0 };
        reader.blank();
        let value = reader.value(0)?;
        reader.blank();
        (reader.at == reader.bytes.len()).then_some(value)
    }

    /// A member of an object.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(n, _)| n == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Python's name of the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "str",
            Self::List(_) => "list",
            Self::Object(_) => "dict",
        }
    }

    /// Python's `repr()`.
    pub fn repr(&self) -> String {
        match self {
            Self::Null => "None".to_owned(),
            Self::Bool(true) => "True".to_owned(),
            Self::Bool(false) => "False".to_owned(),
            Self::Int(text) => text.clone(),
            Self::Float(x) => python::float(*x),
            Self::Str(text) => repr_text(text),
            Self::List(items) => format!("[{}]", items.iter().map(Self::repr).collect::<Vec<_>>().join(", ")),
            Self::Object(members) => {
                let items: Vec<String> =
                    members.iter().map(|(k, v)| format!("{}: {}", repr_text(k), v.repr())).collect();
                format!("{{{}}}", items.join(", "))
            }
        }
    }

    /// Python's `str()`.
    pub fn str(&self) -> String {
        match self {
            Self::Str(text) => text.clone(),
            other => other.repr(),
        }
    }

    /// Writes it as Python's `json.dumps` does.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Self::Int(text) => out.push_str(text),
            Self::Float(x) if x.is_nan() => out.push_str("NaN"),
            Self::Float(x) if x.is_infinite() => out.push_str(if *x > 0.0 { "Infinity" } else { "-Infinity" }),
            Self::Float(x) => out.push_str(&python::float(*x)),
            Self::Str(text) => write_text(text, out),
            Self::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push_str(", ");
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push_str(", ");
                    }
                    write_text(name, out);
                    out.push_str(": ");
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// `repr()` of a text that may hold lone surrogates.
pub fn repr_text(text: &str) -> String {
    let shown = python::repr(text);
    if !shown.chars().any(is_lone) {
        return shown;
    }
    shown
        .chars()
        .map(|c| if is_lone(c) { format!("\\u{:04x}", c as u32 - LONE + 0xd800) } else { c.to_string() })
        .collect()
}

fn is_lone(c: char) -> bool {
    (LONE..LONE + 0x800).contains(&(c as u32))
}

/// Writes a text as an ASCII JSON string.
pub fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            c if is_lone(c) => out.push_str(&format!("\\u{:04x}", c as u32 - LONE + 0xd800)),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
}

/// Writes a value of serde's kind in the same way.
pub fn write_value(value: &serde_json::Value, out: &mut String) {
    use serde_json::Value;
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => out.push_str(&n.to_string()),
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write_value(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (at, (name, value)) in members.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write_text(name, out);
                out.push_str(": ");
                write_value(value, out);
            }
            out.push('}');
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, word: &str) -> Option<()> {
        self.bytes[self.at..].starts_with(word.as_bytes()).then(|| self.at += word.len())
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        if depth > MAX_DEPTH {
            return None;
        }
        match self.peek()? {
            b'n' => self.eat("null").map(|()| Json::Null),
            b't' => self.eat("true").map(|()| Json::Bool(true)),
            b'f' => self.eat("false").map(|()| Json::Bool(false)),
            b'N' => self.eat("NaN").map(|()| Json::Float(f64::NAN)),
            b'I' => self.eat("Infinity").map(|()| Json::Float(f64::INFINITY)),
            b'"' => self.text().map(Json::Str),
            b'[' => self.list(depth),
            b'{' => self.object(depth),
            b'-' if self.eat("-Infinity").is_some() => Some(Json::Float(f64::NEG_INFINITY)),
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    fn list(&mut self, depth: usize) -> Option<Json> {
        self.at += 1;
        let mut items = Vec::new();
        self.blank();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(Json::List(items));
        }
        loop {
            self.blank();
            items.push(self.value(depth + 1)?);
            self.blank();
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Some(Json::List(items));
                }
                _ => return None,
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Json> {
        self.at += 1;
        let mut members: Vec<(String, Json)> = Vec::new();
        let mut places = std::collections::HashMap::new();
        self.blank();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(Json::Object(members));
        }
        loop {
            self.blank();
            if self.peek()? != b'"' {
                return None;
            }
            let name = self.text()?;
            self.blank();
            self.eat(":")?;
            self.blank();
            let value = self.value(depth + 1)?;
            match places.get(&name) {
                Some(&at) => {
                    let member: &mut (String, Json) = members.get_mut(at)?;
                    member.1 = value;
                }
                None => {
                    places.insert(name.clone(), members.len());
                    members.push((name, value));
                }
            }
            self.blank();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(Json::Object(members));
                }
                _ => return None,
            }
        }
    }

    fn number(&mut self) -> Option<Json> {
        let start = self.at;
        let digits = |this: &mut Self| {
            let from = this.at;
            while matches!(this.peek(), Some(b'0'..=b'9')) {
                this.at += 1;
            }
            this.at > from
        };
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else if !digits(self) {
            return None;
        }
        let whole_end = self.at;
        let mut float = false;
        if self.peek() == Some(b'.') {
            self.at += 1;
            if digits(self) {
                float = true;
            } else {
                self.at = whole_end;
            }
        }
        let fraction_end = self.at;
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if digits(self) {
                float = true;
            } else {
                self.at = fraction_end;
            }
        }
        let text = &self.text[start..self.at];
        Some(if float {
            Json::Float(text.parse().ok()?)
        } else {
            Json::Int(if text == "-0" { "0" } else { text }.to_owned())
        })
    }

    fn text(&mut self) -> Option<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek()?, b'"' | b'\\' | 0..=0x1f) {
                self.at += 1;
            }
            out.push_str(&self.text[start..self.at]);
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(out);
                }
                b'\\' => {
                    self.at += 1;
                    let c = self.peek()?;
                    self.at += 1;
                    match c {
                        b'"' | b'\\' | b'/' => out.push(c as char),
                        b'b' => out.push('\u{8}'),
                        b'f' => out.push('\u{c}'),
                        b'n' => out.push('\n'),
                        b'r' => out.push('\r'),
                        b't' => out.push('\t'),
                        b'u' => out.push(self.unicode()?),
                        _ => return None,
                    }
                }
                _ => return None,
            }
        }
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.bytes.get(self.at..self.at + 4)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        self.at += 4;
        Some(code)
    }

    fn unicode(&mut self) -> Option<char> {
        let code = self.hex4()?;
        if (0xd800..0xdc00).contains(&code) && self.bytes[self.at..].starts_with(b"\\u") {
            let back = self.at;
            self.at += 2;
            match self.hex4() {
                Some(low) if (0xdc00..0xe000).contains(&low) => {
                    return char::from_u32(0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
                }
                Some(_) => self.at = back,
                None => return None,
            }
        }
        char::from_u32(if (0xd800..0xe000).contains(&code) { LONE + code - 0xd800 } else { code })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(text: &str) -> Option<String> {
        let mut out = String::new();
        Json::parse(text.as_bytes())?.write(&mut out);
        Some(out)
    }

    #[test]
    fn reads_and_writes_as_python() {
        for (text, expected) in [
            (
                "[1,2.50,1e2,-0,-0.0,123456789012345678901234567890]",
                "[1, 2.5, 100.0, 0, -0.0, 123456789012345678901234567890]",
            ),
            ("{\"a\":1,\"b\":2,\"a\":3}", "{\"a\": 3, \"b\": 2}"),
            ("[NaN,-Infinity,1e999]", "[NaN, -Infinity, Infinity]"),
            ("\"\\ud83d\\ude00\\ud800x\\u00e9\"", "\"\\ud83d\\ude00\\ud800x\\u00e9\""),
            (" null ", "null"),
        ] {
            assert_eq!(back(text).as_deref(), Some(expected), "{text}");
        }
        for refused in
            ["", "\u{feff}1", "1 2", "{'a': 1}", "[1,]", "01", "\"\t\"", "nul", "{\"a\" 1}", "\"\\x\"", "[", "+1"]
        {
            assert_eq!(back(refused), None, "{refused:?}");
        }
        assert_eq!(back(&("[".repeat(100_000) + &"]".repeat(100_000))), None);
    }
}
