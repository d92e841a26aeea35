//! What the cases of a `Match` say about each value of each parkey, worked out once (RS 9.3, 9.4).

use std::sync::{Arc, OnceLock};

use super::super::condition::{condition_value, esoteric};
use super::super::element::Fit;
use super::super::python::{float_repr, parse_float, repr, repr_list, strip};
use super::super::tree::{Entry, MatchNode, MatchParam, Node, NodeId, Substitute, Tree};
use super::choose::{Chain, Fail};
use super::merge::{merge, merging};
use super::state::ShortMap;
use crate::rules::syntax::Selector;

/// The verdicts of one `Match` node.
#[derive(Debug, Default)]
pub struct MatchCache {
    /// Per parkey, per number of a value: 1 + index of its verdict, 0 where there is none yet.
    known: Vec<Vec<u32>>,
    verdicts: Vec<Verdict>,
    bits: Vec<u64>,
    /// By parkey and bits: the verdict that values which say the same share.
    by_bits: ShortMap<Box<[u64]>, u32>,
    row: Vec<u64>,
    /// Per parkey, where there is room: per element the bits of its cases.
    masks: Vec<Box<[u64]>>,
    /// Per parkey: the values that the rules mention, as messages tell them.
    lists: Vec<Option<String>>,
    /// Per parkey: whether any value is valid.
    open: Vec<bool>,
    /// Tables merged from several cases, by the cases.
    pub merged: ShortMap<Box<[u32]>, Result<Arc<Merged>, Fail>>,
    /// Room in which such cases are put together.
    pub together: Vec<u32>,
    /// What verdicts come to together, by the verdicts.
    pub chains: ShortMap<Box<[u32]>, Arc<Chain>>,
    /// The numbers of chains, by what tells them apart.
    pub chain_numbers: ShortMap<Box<[usize]>, usize>,
}

/// A table merged from several.
#[derive(Debug)]
pub struct Merged {
    /// Which selector.
    pub kind: Selector,
    /// Indexes among the tree's parkeys.
    pub params: Vec<usize>,
    /// The tables.
    choices: Vec<NodeId>,
    /// The entries in ascending order of keys, once somebody has asked for them.
    entries: OnceLock<Vec<Entry>>,
}

impl Merged {
    /// Merges tables.
    ///
    /// # Errors
    ///
    /// Tables that cannot be merged.
    pub(super) fn new(tree: &Tree, choices: Vec<NodeId>) -> Result<Self, Fail> {
        let entries = merge(tree, &choices)?;
        let first = merging(tree, choices[0])?;
        Ok(Self { kind: first.kind, params: first.params.clone(), choices, entries: entries.into() })
    }

    /// The same without looking at the entries before they are asked for; only where merging cannot fail.
    pub(super) fn later(tree: &Tree, mut choices: Vec<NodeId>) -> Result<Self, Fail> {
        let first = merging(tree, choices[0])?;
        // Short ones first, so that few entries are moved more than once; which of equal entries stays is all the same.
        choices.sort_by_key(|choice| match tree.node(*choice) {
            Node::Table(table) => table.entries.len(),
            _ => 0,
        });
        Ok(Self { kind: first.kind, params: first.params.clone(), choices, entries: OnceLock::new() })
    }

    /// The entries in ascending order of keys.
    pub fn entries(&self, tree: &Tree) -> &[Entry] {
        // Those that can fail have been merged already.
        self.entries.get_or_init(|| merge(tree, &self.choices).unwrap_or_default())
    }

    /// The first entry.
    pub fn first<'t>(&'t self, tree: &'t Tree) -> Option<&'t Entry> {
        let tables = self.choices.iter().filter_map(|choice| match tree.node(*choice) {
            Node::Table(table) => table.entries.first(),
            _ => None,
        });
        tables.min_by(|one, other| tree.key_order(one, other))
    }
}

/// What the cases say about one value of one parkey.
#[derive(Debug)]
pub struct Verdict {
    /// Why the value is refused before any case is looked at.
    pub invalid: Option<Arc<str>>,
    /// Where the bits begin: those of surviving cases, then those of cases that gain weight. A refused value has none.
    at: usize,
}

/// Masks of more words than this are not kept.
const MOST_MASK_WORDS: usize = 1 << 12;

impl MatchCache {
    /// How many words hold one bit per case.
    pub fn words(node: &MatchNode) -> usize {
        node.choices.len().div_ceil(64)
    }

    /// How many verdicts and what rests on them are kept.
    pub fn kept(&self) -> usize {
        self.verdicts.len() + self.chains.len()
    }

    /// The verdict on value `number` of parkey `at`, whose text `value` gives.
    #[inline]
    pub fn verdict(&mut self, node: &MatchNode, name: &str, at: usize, number: u32, value: &str) -> usize {
        match self.known.get(at).and_then(|known| known.get(number as usize)) {
            Some(known) if *known != 0 => *known as usize - 1,
            _ => self.learn(node, name, at, number, value),
        }
    }

    #[cold]
    fn learn(&mut self, node: &MatchNode, name: &str, at: usize, number: u32, value: &str) -> usize {
        if self.known.len() < node.params.len() {
            self.known.resize_with(node.params.len(), Vec::new);
            self.lists.resize(node.params.len(), None);
            self.open = node.params.iter().map(|param| is_open(&param.valid)).collect();
            self.masks = node.params.iter().map(|param| masks(param, Self::words(node))).collect();
        }
        let valid = if self.open[at] { Ok(()) } else { validate(&node.params[at], name, value, &mut self.lists[at]) };
        let verdict = match valid {
            Ok(()) => self.judge(node, at, value),
            Err(why) => {
                self.verdicts.push(Verdict { invalid: Some(why.into()), at: 0 });
                self.verdicts.len() - 1
            }
        };
        let known = &mut self.known[at];
        if known.len() <= number as usize {
            known.resize(number as usize + 1, 0);
        }
        known[number as usize] = verdict as u32 + 1;
        verdict
    }

    /// The verdict on a value that is not refused.
    fn judge(&mut self, node: &MatchNode, at: usize, value: &str) -> usize {
        let param = &node.params[at];
        let words = Self::words(node);
        self.row.clear();
        self.row.resize(1 + 2 * words, 0);
        self.row[0] = at as u64;
        let (survive, gain) = self.row[1..].split_at_mut(words);
        if let masks @ [_, ..] = &*self.masks[at] {
            for (element, cases) in param.elements.iter().zip(masks.chunks_exact(words)) {
                let fit = element.fit(value);
                if fit != Fit::No {
                    survive.iter_mut().zip(cases).for_each(|(word, cases)| *word |= cases);
                }
                if fit == Fit::Yes {
                    gain.iter_mut().zip(cases).for_each(|(word, cases)| *word |= cases);
                }
            }
        } else {
            let fits: Vec<Fit> = param.elements.iter().map(|element| element.fit(value)).collect();
            for (case, element) in param.of_case.iter().enumerate() {
                let fit = fits[*element as usize];
                survive[case / 64] |= u64::from(fit != Fit::No) << (case % 64);
                gain[case / 64] |= u64::from(fit == Fit::Yes) << (case % 64);
            }
        }
        if let Some(known) = self.by_bits.get(self.row.as_slice()) {
            return *known as usize;
        }
        self.verdicts.push(Verdict { invalid: None, at: self.bits.len() });
        self.bits.extend_from_slice(&self.row[1..]);
        self.by_bits.insert(self.row.as_slice().into(), self.verdicts.len() as u32 - 1);
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

    /// Whether a case gains weight by a value.
    #[inline]
    pub fn gains(&self, verdict: usize, words: usize, case: usize) -> u32 {
        let word = self.bits[self.verdicts[verdict].at + words + case / 64];
        ((word >> (case % 64)) & 1) as u32
    }
}

/// Per element the bits of its cases; nothing where that takes too much room.
fn masks(param: &MatchParam, words: usize) -> Box<[u64]> {
    if param.elements.len() * words > MOST_MASK_WORDS {
        return Box::default();
    }
    let mut masks = vec![0; param.elements.len() * words];
    for (case, element) in param.of_case.iter().enumerate() {
        masks[*element as usize * words + case / 64] |= 1 << (case % 64);
    }
    masks.into()
}

/// Whether a set of values refuses none (RS 9.4, rules 2 and 3).
pub(super) fn is_open(valid: &[String]) -> bool {
    valid.is_empty() || valid.iter().any(|value| matches!(value.as_str(), "*" | "ANY" | "N/A"))
}

/// Whether a set that is not open refuses a value.
pub(super) fn refuses(param: &MatchParam, value: &str) -> bool {
    // Nobody reads the message.
    validate(param, "", value, &mut Some(String::new())).is_err()
}

/// The validity check of RS 9.4 by a set that is not open.
fn validate(param: &MatchParam, name: &str, value: &str, list: &mut Option<String>) -> Result<(), String> {
    let has = |text: &str| param.valid.binary_search_by(|known| known.as_str().cmp(text)).is_ok();
    let mut value = value.to_owned();
    // Each turn of the loop takes three characters away or follows one substitution; both ends are in sight.
    for _ in 0..64 {
        if has(&value) || has(&condition_value(&value)) {
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
    let list = list.get_or_insert_with(|| repr_list(&param.valid));
    Err(format!(" parameter={} value={} is not in {list}", repr(name), repr(&value)))
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
