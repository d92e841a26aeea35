//! A dataset's header and its way to a lookup (RS 6, 15.2).

use std::collections::HashMap;

use super::condition::condition_value;
use super::jwst;

/// The value of a header keyword as it came in.
#[derive(Debug, Clone, PartialEq)]
pub enum HeaderValue {
    /// A text.
    Text(String),
    /// Nothing (JSON `null`).
    Null,
    /// A number, boolean, list or object: its Python text.
    Other(String),
}

impl HeaderValue {
    /// `str(value)` in Python.
    pub fn python_text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Other(text) => text,
            Self::Null => "None",
        }
    }

    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The header of one dataset: keywords in order of first appearance, the last value of each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Header {
    entries: Vec<(String, HeaderValue)>,
    /// Where each keyword is, once there are more than [`FEW`].
    places: HashMap<String, usize>,
}

/// So many keywords are found sooner by looking at each.
const FEW: usize = 64;

impl Header {
    /// An empty header.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a keyword, spelled as given; a keyword set again keeps its place.
    pub fn set(&mut self, key: &str, value: HeaderValue) {
        if let Some(at) = self.place(key) {
            self.entries[at].1 = value;
            return;
        }
        self.entries.push((key.to_owned(), value));
        let count = self.entries.len();
        if count > FEW {
            // All of them the first time, then each new one.
            let new = if self.places.is_empty() { 0..count } else { count - 1..count };
            self.places.extend(new.map(|at| (self.entries[at].0.clone(), at)));
        }
    }

    fn place(&self, key: &str) -> Option<usize> {
        if self.entries.len() > FEW {
            return self.places.get(key).copied();
        }
        self.entries.iter().position(|(own, _)| own == key)
    }

    /// The value of a keyword, spelled exactly so.
    pub fn get(&self, key: &str) -> Option<&HeaderValue> {
        self.place(key).map(|at| &self.entries[at].1)
    }

    /// The keywords and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &HeaderValue)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }
}

impl<K: AsRef<str>, V: Into<String>> FromIterator<(K, V)> for Header {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(items: I) -> Self {
        let mut header = Self::new();
        for (key, value) in items {
            header.set(key.as_ref(), HeaderValue::Text(value.into()));
        }
        header
    }
}

/// Keywords that may name the instrument, in the client's order.
pub const INSTRUMENT_KEYWORDS: [&str; 7] = [
    "INSTRUME",
    "META.INSTRUMENT.NAME",
    "META_INSTRUMENT_NAME",
    "INSTRUMENT",
    "ROMAN.META.INSTRUMENT.NAME",
    "META.INSTRUMENT.TYPE",
    "META_INSTRUMENT_TYPE",
];

/// The instrument that a header names, upper case (RS 15.2).
///
/// # Errors
///
/// Why the client would skip the dataset.
pub fn instrument(header: &Header) -> Result<String, String> {
    let given = |key: &str| header.get(key).filter(|value| **value != HeaderValue::Null);
    for key in INSTRUMENT_KEYWORDS {
        let lower = key.to_lowercase();
        match given(key).or_else(|| given(&lower)) {
            Some(HeaderValue::Text(text)) if text == "undefined" || text == "UNDEFINED" => {}
            Some(HeaderValue::Text(text)) => {
                return Ok(match text.as_str() {
                    "wfii" => "WFPC2".to_owned(),
                    "hst" => "SYNPHOT".to_owned(),
                    other => other.to_uppercase(),
                });
            }
            Some(other) => return Err(format!("instrument keyword {key} is not a text: {}", other.python_text())),
            None => {}
        }
    }
    Err("No instrument keyword defined in header.".to_owned())
}

/// A header as rules see it: keywords upper case (JWST: data-model names), values conditioned.
#[derive(Debug, Clone, Default)]
pub struct Conditioned(HashMap<String, String>);

impl Conditioned {
    /// Conditions a header for an observatory (lower case); `instrument` is put in first, as `crds bestrefs` does.
    pub fn new(header: &Header, observatory: &str, instrument: &str) -> Self {
        const NAMED: [&str; 2] = ["INSTRUME", "META.INSTRUMENT.NAME"];
        let given = header
            .iter()
            .map(|(key, value)| (key, if NAMED.contains(&key) { instrument } else { value.python_text() }));
        let added = NAMED.into_iter().filter(|key| header.get(key).is_none()).map(|key| (key, instrument));
        let all = given.chain(added);
        // Upper case first, in order: what comes later wins; only then the translation, again in order.
        let upper = |(key, value): (&str, &str)| (key.to_uppercase(), condition_value(value).into_owned());
        match observatory {
            "jwst" => {
                let upper: Header = all.map(upper).collect();
                let translated = upper.iter().map(|(key, value)| (jwst::parkey(key), value.python_text()));
                Self(translated.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
            }
            "roman" => {
                let mut renamed = Header::new();
                for (key, value) in all {
                    let meta = key.split('.').next().is_some_and(|part| part.to_uppercase() == "META");
                    let key = if meta { format!("ROMAN.{key}") } else { key.to_owned() };
                    renamed.set(&key, HeaderValue::Text(value.to_owned()));
                }
                Self(renamed.iter().map(|(key, value)| upper((key, value.python_text()))).collect())
            }
            _ => Self(all.map(upper).collect()),
        }
    }

    /// The value of a parkey: by its lower-case spelling, else by its upper-case one.
    pub fn get(&self, parkey: &str) -> Option<&str> {
        // All keywords are upper case here, so one that is upper case already has no other spelling to be found by.
        if parkey.is_ascii() && !parkey.bytes().any(|b| b.is_ascii_lowercase()) {
            return self.0.get(parkey).map(String::as_str);
        }
        self.0.get(&parkey.to_lowercase()).or_else(|| self.0.get(&parkey.to_uppercase())).map(String::as_str)
    }
}
