//! What the cases of a `Match` say about each value of each parkey, worked out once (RS 9.3, 9.4).

use std::sync::Arc;

use super::super::condition::{condition_value, esoteric};
use super::super::element::Fit;
use super::super::python::{float_repr, parse_float, repr, repr_list, strip};
use super::super::tree::{Entry, MatchNode, MatchParam, Substitute};
use super::choose::Fail;
use super::state::ShortMap;
use crate::rules::syntax::Selector;

/// The verdicts of one `Match` node.
#[derive(Debug, Default)]
pub struct MatchCache {
    /// Per parkey, per number of a value: 1 + index of its verdict, 0 where there is none yet.
    known: Vec<Vec<u32>>,
    verdicts: Vec<Verdict>,
    bits: Vec<u64>,
    /// Tables merged from several cases, by the cases.
    pub merged: ShortMap<Box<[u32]>, Result<Arc<Merged>, Fail>>,
}

/// A table merged from several.
#[derive(Debug)]
pub struct Merged {
    /// Which selector.
    pub kind: Selector,
    /// Indexes among the tree's parkeys.
    pub params: Vec<usize>,
    /// The entries in ascending order of keys.
    pub entries: Vec<Entry>,
}

/// What the cases say about one value of one parkey.
#[derive(Debug)]
pub struct Verdict {
    /// Why the value is refused before any case is looked at.
    pub invalid: Option<Arc<str>>,
    /// Where the bits begin: those of surviving cases, then those of cases that gain weight.
    at: usize,
}

impl MatchCache {
    /// How many words hold one bit per case.
    pub fn words(node: &MatchNode) -> usize {
        node.choices.len().div_ceil(64)
    }

    /// How many verdicts are kept.
    pub fn kept(&self) -> usize {
        self.verdicts.len()
    }

    /// The verdict on value `number` of parkey `at`, whose text `value` gives.
    pub fn verdict(&mut self, node: &MatchNode, name: &str, at: usize, number: u32, value: &str) -> usize {
        if self.known.len() < node.params.len() {
            self.known.resize_with(node.params.len(), Vec::new);
        }
        let index = number as usize;
        if let Some(known) = self.known[at].get(index)
            && *known != 0
        {
            return *known as usize - 1;
        }
        let param = &node.params[at];
        let words = Self::words(node);
        let start = self.bits.len();
        self.bits.resize(start + 2 * words, 0);
        let fits: Vec<Fit> = param.elements.iter().map(|element| element.fit(value)).collect();
        for (case, element) in param.of_case.iter().enumerate() {
            let bit = 1 << (case % 64);
            match fits[*element as usize] {
                Fit::No => {}
                Fit::DontCare => self.bits[start + case / 64] |= bit,
                Fit::Yes => {
                    self.bits[start + case / 64] |= bit;
                    self.bits[start + words + case / 64] |= bit;
                }
            }
        }
        let invalid = validate(param, name, value).err().map(Arc::from);
        self.verdicts.push(Verdict { invalid, at: start });
        if self.known[at].len() <= index {
            self.known[at].resize(index + 1, 0);
        }
        self.known[at][index] = self.verdicts.len() as u32;
        self.verdicts.len() - 1
    }

    /// Why a value was refused.
    pub fn invalid(&self, verdict: usize) -> Option<&Arc<str>> {
        self.verdicts[verdict].invalid.as_ref()
    }

    /// The bits of the cases that survive a value.
    #[inline]
    pub fn survivors(&self, verdict: usize, words: usize) -> &[u64] {
        let at = self.verdicts[verdict].at;
        &self.bits[at..at + words]
    }

    /// All bits of a verdict: survivors, then gains.
    pub fn words_of(&self, verdict: usize, node: &MatchNode) -> &[u64] {
        let at = self.verdicts[verdict].at;
        &self.bits[at..at + 2 * Self::words(node)]
    }

    /// Whether a case gains weight by a value.
    #[inline]
    pub fn gains(&self, verdict: usize, words: usize, case: usize) -> u32 {
        let word = self.bits[self.verdicts[verdict].at + words + case / 64];
        ((word >> (case % 64)) & 1) as u32
    }
}

/// The validity check of RS 9.4.
fn validate(param: &MatchParam, name: &str, value: &str) -> Result<(), String> {
    let has = |text: &str| param.valid.binary_search_by(|known| known.as_str().cmp(text)).is_ok();
    let mut value = value.to_owned();
    // Each turn of the loop takes three characters away or follows one substitution; both ends are in sight.
    for _ in 0..64 {
        if has(&value) || has(&condition_value(&value)) {
            return Ok(());
        }
        if ["*", "ANY", "N/A"].into_iter().any(has) || param.valid.is_empty() {
            return Ok(());
        }
        if let Some(rest) = value.strip_prefix("NOT") {
            value = strip(rest).to_owned();
            continue;
        }
        if esoteric(&value) || matches!(value.as_str(), "*" | "ANY" | "N/A") {
            return Ok(());
        }
        if let [only] = &param.valid[..]
            && let Some((low, high)) = only.split_once(':')
        {
            return in_range(name, &value, low, high);
        }
        match param.substitutions.iter().find(|(from, _)| *from == value) {
            Some((_, Substitute::Text(text))) => value = text.clone(),
            Some((_, Substitute::Other(kind, text))) => {
                if has(&condition_value(text)) {
                    return Ok(());
                }
                return Err(format!("'{kind}' object has no attribute 'startswith'"));
            }
            None => break,
        }
    }
    Err(format!(" parameter={} value={} is not in {}", repr(name), repr(&value), repr_list(&param.valid)))
}

fn in_range(name: &str, value: &str, low: &str, high: &str) -> Result<(), String> {
    if high.contains(':') {
        return Err("too many values to unpack (expected 2)".to_owned());
    }
    let number =
        |text: &str| parse_float(text).ok_or_else(|| format!("could not convert string to float: {}", repr(text)));
    let (low, high) = (number(low)?, number(high)?);
    let given = number(value)?;
    if low <= given && given <= high {
        return Ok(());
    }
    let (low, high) = (float_repr(low), float_repr(high));
    Err(format!(" parameter={} value ={} is not in range [{low} .. {high}]", repr(name), repr(value)))
}
