//! The header that CRDS matches on: the union over all HDUs, first value wins.

use std::collections::HashMap;

use super::{Card, CardValue, Hdu};

/// Keyword -> text over all HDUs of a file, in the order of first appearance (RD 1.1).
///
/// COMMENT and HISTORY are joined with newlines, cards with an empty keyword are skipped, and the synthetic keyword
/// FILE_FORMAT says `FITS`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    entries: Vec<(String, String)>,
    /// Where each keyword stands: a hostile header holds very many different ones.
    places: HashMap<String, usize>,
}

impl Header {
    /// The header of a file.
    pub fn of(hdus: &[Hdu]) -> Self {
        let mut header = Self::default();
        for card in hdus.iter().flat_map(|hdu| &hdu.cards) {
            header.add(card);
        }
        header.set("FILE_FORMAT", "FITS");
        header
    }

    /// A header from keyword and value texts.
    pub fn from_pairs<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut header = Self::default();
        for (key, value) in pairs {
            let key = key.into();
            if !header.contains(&key) {
                header.push(key, value.into());
            }
        }
        header
    }

    fn add(&mut self, card: &Card) {
        if card.keyword.is_empty() {
            return;
        }
        let value = card.value_text();
        match self.places.get(&card.keyword) {
            None => self.push(card.keyword.clone(), value),
            Some(&place) => {
                let sofar = &mut self.entries[place].1;
                let appended = matches!(card.keyword.as_str(), "COMMENT" | "HISTORY");
                if appended && matches!(card.value, CardValue::Commentary(_)) && *sofar != value {
                    sofar.push('\n');
                    sofar.push_str(&value);
                }
            }
        }
    }

    /// The value of `key`, exactly as spelled.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.places.get(key).map(|&place| self.entries[place].1.as_str())
    }

    /// True if `key` is there.
    pub fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Sets `key`, in its old place if it is there.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        match self.places.get(key) {
            Some(&place) => self.entries[place].1 = value.into(),
            None => self.push(key.to_owned(), value.into()),
        }
    }

    fn push(&mut self, key: String, value: String) {
        self.places.insert(key.clone(), self.entries.len());
        self.entries.push((key, value));
    }

    /// All keywords with their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }
}
