//! The date cut of `--datasets-since` (RS 15.6).

use std::collections::{BTreeMap, BTreeSet};

use super::dataset::{Header, HeaderValue};
use super::error::RulesError;
use super::load::{Context, Imap, TypeEntry};
use super::python::is_space;
use super::rmap::Rmap;
use super::tree::{Node, NodeId, Terminal};

/// The date that stands for "always".
pub const MIN_DATE: &str = "1900-01-01 00:00:00";

/// Pairs of keywords that give the time of a dataset or of a rule. The client's list goes on with single keywords that
/// it writes as plain texts and so never finds.
const PAIRS: [(&str, &str); 3] = [
    ("DATE-OBS", "TIME-OBS"),
    ("META.OBSERVATION.DATE", "META.OBSERVATION.TIME"),
    ("META_OBSERVATION_DATE", "META_OBSERVATION_TIME"),
];

/// From when on datasets are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Since {
    /// All of them.
    #[default]
    Ever,
    /// Those from this date on, `YYYY-MM-DD HH:MM:SS`.
    Date(String),
    /// Per instrument (lower case), from this date on; other instruments always.
    PerInstrument(BTreeMap<String, String>),
}

impl Since {
    /// Where datasets of an instrument begin.
    pub fn of(&self, instrument: &str) -> Option<&str> {
        match self {
            Self::Ever => None,
            Self::Date(date) => Some(date),
            Self::PerInstrument(dates) => Some(dates.get(&instrument.to_lowercase()).map_or(MIN_DATE, String::as_str)),
        }
    }
}

/// The time of a dataset as the client reads it: raw text, compared as text.
///
/// # Errors
///
/// A date or time that is not a text.
pub fn dataset_time(header: &Header) -> Result<String, String> {
    for (date, time) in PAIRS {
        if let (Some(date), Some(time)) = (header.get(date), header.get(time)) {
            return match (date, time) {
                (HeaderValue::Text(date), HeaderValue::Text(time)) => Ok(format!("{date} {time}")),
                _ => Err("date and time of the dataset are not both texts".to_owned()),
            };
        }
    }
    Ok(MIN_DATE.to_owned())
}

/// When the exposure began by the archive's own column, which `get_dataset_ids` cuts by (WP 1.10): a second cut beside
/// that by [`dataset_time`], and one that may fall differently.
pub fn exposure_start(header: &Header) -> Option<&str> {
    ["EXPSTART", "TEXPSTRT"].iter().find_map(|key| header.get(key)?.text())
}

/// The dates of `--datasets-since auto` between two contexts.
///
/// # Errors
///
/// Rules of an instrument that cannot be loaded, or an instrument that the new context lacks.
pub fn auto_dates(old: &Context, new: &Context) -> Result<BTreeMap<String, String>, RulesError> {
    let mut dates = BTreeMap::new();
    for (instrument, _) in old.instruments() {
        let (Some(before), Some(after)) = (old.imap(instrument), new.imap(instrument)) else { continue };
        let (before, after) = (before?, after?);
        if before.name == after.name {
            continue;
        }
        let (gone, come) = (references(&before), references(&after));
        let added = earliest(&after, &come.difference(&gone).copied().collect());
        let deleted = earliest(&before, &gone.difference(&come).copied().collect());
        if let Some(date) = [added, deleted].into_iter().flatten().min() {
            dates.insert(instrument.to_owned(), date);
        }
    }
    Ok(dates)
}

fn rmaps(imap: &Imap) -> impl Iterator<Item = &Rmap> {
    imap.types.values().filter_map(|entry| match entry {
        TypeEntry::Rmap(rmap) => Some(&**rmap),
        _ => None,
    })
}

fn references(imap: &Imap) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for node in rmaps(imap).flat_map(|rmap| &rmap.tree.nodes) {
        match node {
            Node::Terminal(Terminal::File(name)) => drop(names.insert(name.as_str())),
            Node::Terminal(Terminal::Many(many)) => names.extend(many.iter().map(String::as_str)),
            _ => {}
        }
    }
    names
}

/// The earliest date text over all paths to these references.
fn earliest(imap: &Imap, references: &BTreeSet<&str>) -> Option<String> {
    if references.is_empty() {
        return None;
    }
    let mut least: Option<String> = None;
    for rmap in rmaps(imap) {
        paths(rmap, rmap.root, &mut Vec::new(), &mut |params, terminal| {
            if !terminal.text().is_some_and(|name| references.contains(name)) {
                return;
            }
            let value = |key: &str| params.iter().rev().find(|(name, _)| *name == key).map(|(_, value)| value.as_str());
            let pair = PAIRS.iter().find_map(|(date, time)| Some(format!("{} {}", value(date)?, value(time)?)));
            let date = pair.unwrap_or_else(|| MIN_DATE.to_owned());
            if least.as_ref().is_none_or(|least| date < *least) {
                least = Some(date);
            }
        });
    }
    least
}

type Params<'a> = Vec<(&'a str, String)>;

/// Walks every path, handing over the date parkeys with their texts and what they lead to.
fn paths<'a>(rmap: &'a Rmap, id: NodeId, params: &mut Params<'a>, visit: &mut dyn FnMut(&Params<'a>, &Terminal)) {
    let tree = &rmap.tree;
    match tree.node(id) {
        Node::Terminal(terminal) => visit(params, terminal),
        Node::Match(node) => node.choices.iter().for_each(|choice| paths(rmap, *choice, params, visit)),
        Node::Rare(node) => node.entries.iter().for_each(|(_, choice)| paths(rmap, *choice, params, visit)),
        Node::Table(node) => {
            for entry in &node.entries {
                let before = params.len();
                let key = tree.key(entry);
                let names = node.params.iter().map(|param| tree.params[*param].as_str());
                if node.params.len() == 1 {
                    params.extend(names.map(|name| (name, key.to_owned())));
                } else {
                    let parts = key.split(is_space).filter(|part| !part.is_empty()).map(str::to_owned);
                    params.extend(names.zip(parts));
                }
                paths(rmap, entry.choice, params, visit);
                params.truncate(before);
            }
        }
    }
}
