//! One difference and how it is shown.

use std::cmp::Ordering;

use crate::stand_in::derive::value::{repr, repr_texts, repr_tuple};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Files, or the values of a key.
    Tuple(Vec<String>),
    /// A bare key (below an added or deleted map).
    Key(String),
}

impl Part {
    pub(super) fn repr(&self) -> String {
        match self {
            Self::Tuple(items) => repr_texts(items),
            Self::Key(key) => repr(key),
        }
    }

    /// Two file names, the first of a mapping.
    pub(super) fn is_pair(&self) -> bool {
        matches!(self, Self::Tuple(items) if items.len() == 2 && items[0].ends_with("map"))
    }
}

/// One difference: the way down, and what is different there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// (old file, new file) pairs, then keys.
    pub path: Vec<Part>,
    /// For each part of the path what its members are: `PipelineContext`, `InstrumentContext`, `ReferenceMapping` for
    /// file pairs, keywords for keys.
    pub parameters: Vec<Vec<String>>,
    /// What happened, names in Python quotes.
    pub text: String,
}

impl Statement {
    /// `(parameter, value)` pairs as the pages show them, `DIFFERENCE` last.
    pub fn flat(&self) -> Vec<(String, String)> {
        let mut out = Vec::new();
        for (part, parameters) in self.path.iter().zip(&self.parameters) {
            match part {
                Part::Tuple(items) if parameters.len() == 1 && items.len() != 1 => {
                    out.push((parameters[0].clone(), repr_texts(items)));
                }
                Part::Tuple(items) => out.extend(parameters.iter().cloned().zip(items.iter().cloned())),
                Part::Key(key) => out.push((parameters.first().cloned().unwrap_or_default(), key.clone())),
            }
        }
        out.push(("DIFFERENCE".to_owned(), self.text.clone()));
        out
    }

    /// `add`, `replace`, `delete`, with `_rule` or `_header` behind it, or what kind of mismatch.
    pub fn action(&self) -> String {
        let text = &self.text;
        let base = if text.contains("replace") {
            "replace"
        } else if text.contains("add") {
            "add"
        } else if text.contains("delete") {
            "delete"
        } else if text.contains("different classes") {
            "class_difference"
        } else {
            "parkey_difference"
        };
        let tail = if text.contains("rule") {
            "_rule"
        } else if text.contains("header") {
            "_header"
        } else {
            ""
        };
        format!("{base}{tail}")
    }

    /// True for the changes that every derivation makes.
    pub fn is_boring(&self) -> bool {
        ["name", "derived_from", "sha1sum", "row_keys"].iter().any(|word| self.text.contains(word))
    }

    pub(super) fn shown(&self) -> String {
        // Quotes inside statements are dropped, but not in those about headers.
        let text = if self.text.contains("header") { self.text.clone() } else { self.text.replace('\'', "") };
        repr_tuple(self.path.iter().map(Part::repr).chain([repr(&text)]))
    }

    pub(super) fn squashed(&self) -> String {
        let text = if self.text.contains("header") { self.text.clone() } else { self.text.replace('\'', "") };
        let mut parts: Vec<String> = self
            .path
            .iter()
            .map(|part| match part {
                Part::Tuple(items) => items.join(" "),
                Part::Key(key) => key.clone(),
            })
            .collect();
        parts.push(text);
        parts.join(" -- ")
    }

    /// The path from the last file pair on, that pair as its new file.
    pub(super) fn tail(&self) -> String {
        let from = self.path.iter().rposition(Part::is_pair);
        let below = from.map_or(&self.path[..], |at| &self.path[at + 1..]);
        let file = from.and_then(|at| match &self.path[at] {
            Part::Tuple(items) => Some(repr(&items[1])),
            Part::Key(_) => None,
        });
        repr_tuple(file.into_iter().chain(below.iter().map(Part::repr)))
    }
}

impl PartialOrd for Statement {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Statement {
    /// Longer paths first, then element by element.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_length = other.path.len().cmp(&self.path.len());
        by_length.then_with(|| self.path.cmp(&other.path)).then_with(|| self.text.cmp(&other.text))
    }
}
