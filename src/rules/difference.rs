//! The difference of two contexts by meaning: which mappings were exchanged, and which entries of the rules came, went
//! or were replaced.
//!
//! Works on the texts alone, so that it can judge a derived context without loading it into the engine. Keys are compared
//! as lookups compare them (conditioned, RS 5): a case that is only spelled otherwise is no difference. An rmap that only
//! has another name, parent or checksum differs in nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::condition::condition_element;
use super::syntax::{self, Call, SyntaxError, Value};

/// Header fields that every derivation rewrites and that mean nothing.
const BOOKKEEPING: [&str; 3] = ["name", "derived_from", "sha1sum"];

/// One imap entry of a pmap, or one rmap entry of an imap, that was exchanged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MapChange {
    /// The instrument, in lower case.
    pub instrument: String,
    /// The type, in lower case; `None` for the imap itself.
    pub filekind: Option<String>,
    /// The name (or `N/A`, `OMIT`) before.
    pub old: Option<String>,
    /// The name (or `N/A`, `OMIT`) after.
    pub new: Option<String>,
}

/// One entry of the rules that came, went or was replaced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryChange {
    /// The instrument, in lower case.
    pub instrument: String,
    /// The type, in lower case.
    pub filekind: String,
    /// The keys from the outside in, each with its elements: match values, then a date.
    pub path: Vec<Vec<String>>,
    /// What stood there before.
    pub old: Option<String>,
    /// What stands there now.
    pub new: Option<String>,
}

/// A header field of an rmap that changed, bookkeeping aside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeaderChange {
    /// The mapping after the change.
    pub mapping: String,
    /// The field.
    pub field: String,
}

/// All differences of two contexts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Exchanged imaps and rmaps.
    pub maps: Vec<MapChange>,
    /// Changed entries.
    pub entries: Vec<EntryChange>,
    /// Changed header fields.
    pub headers: Vec<HeaderChange>,
}

impl Difference {
    /// Types whose rules differ, by instrument.
    #[must_use]
    pub fn types(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut types: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for map in &self.maps {
            if let Some(filekind) = &map.filekind {
                types.entry(&map.instrument).or_default().insert(filekind);
            }
        }
        types
    }
}

/// Why two contexts could not be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DifferenceError {
    /// A mapping could not be had.
    #[error("failed to read mapping `{name}`: {why}")]
    Read {
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
    /// A mapping is no mapping.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
}

impl DifferenceError {
    /// The operator's next move.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Read { name, .. } => format!("fetch `{name}` from the server's cache"),
            Self::Syntax(_) => "compare the file with the server's; look at what wrote it".to_owned(),
        }
    }
}

/// Compares two contexts; `read` gives the bytes of a mapping by name.
///
/// # Errors
///
/// [`DifferenceError`] if a mapping that differs between the two cannot be had or read.
pub fn difference(
    old: &str,
    new: &str,
    read: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>,
) -> Result<Difference, DifferenceError> {
    let mut found = Difference::default();
    if old == new {
        return Ok(found);
    }
    let old_map = Parsed::read(old, read)?;
    let new_map = Parsed::read(new, read)?;
    found.headers.extend(header_changes(&old_map, &new_map));
    for (instrument, old_imap, new_imap) in changed(&old_map.children(), &new_map.children()) {
        let change =
            MapChange { instrument: instrument.clone(), filekind: None, old: old_imap.clone(), new: new_imap.clone() };
        found.maps.push(change);
        let none = Parsed::default();
        let old_imap =
            old_imap.filter(|name| name.ends_with(".imap")).map(|name| Parsed::read(&name, read)).transpose()?;
        let new_imap =
            new_imap.filter(|name| name.ends_with(".imap")).map(|name| Parsed::read(&name, read)).transpose()?;
        let (before, after) = (old_imap.as_ref().unwrap_or(&none), new_imap.as_ref().unwrap_or(&none));
        if old_imap.is_some() && new_imap.is_some() {
            found.headers.extend(header_changes(before, after));
        }
        for (filekind, old_rmap, new_rmap) in changed(&before.children(), &after.children()) {
            let kind = Some(filekind.clone());
            let change = MapChange {
                instrument: instrument.clone(),
                filekind: kind,
                old: old_rmap.clone(),
                new: new_rmap.clone(),
            };
            found.maps.push(change);
            rmaps(&instrument, &filekind, old_rmap, new_rmap, read, &mut found)?;
        }
    }
    Ok(found)
}

fn rmaps(
    instrument: &str,
    filekind: &str,
    old: Option<String>,
    new: Option<String>,
    read: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>,
    found: &mut Difference,
) -> Result<(), DifferenceError> {
    let old = old.filter(|name| name.ends_with(".rmap")).map(|name| Parsed::read(&name, read)).transpose()?;
    let new = new.filter(|name| name.ends_with(".rmap")).map(|name| Parsed::read(&name, read)).transpose()?;
    if let (Some(old), Some(new)) = (&old, &new) {
        found.headers.extend(header_changes(old, new));
    }
    let entries = |map: &Option<Parsed>| map.as_ref().map(Parsed::entries).unwrap_or_default();
    let (before, after) = (entries(&old), entries(&new));
    for path in before.keys().chain(after.keys().filter(|path| !before.contains_key(*path))) {
        let (old, new) = (before.get(path).cloned(), after.get(path).cloned());
        if old != new {
            let (instrument, filekind) = (instrument.to_owned(), filekind.to_owned());
            found.entries.push(EntryChange { instrument, filekind, path: path.clone(), old, new });
        }
    }
    Ok(())
}

/// A mapping with its name.
#[derive(Default)]
struct Parsed {
    name: String,
    header: Vec<(Value, Value)>,
    selector: Option<Value>,
}

impl Parsed {
    fn read(name: &str, read: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>) -> Result<Self, DifferenceError> {
        let bytes = read(name).map_err(|why| DifferenceError::Read { name: name.to_owned(), why })?;
        let mapping = syntax::parse(&bytes, name)?;
        let header = match mapping.header {
            Value::Dict(items) => items,
            _ => Vec::new(),
        };
        Ok(Self { name: name.to_owned(), header, selector: Some(mapping.selector) })
    }

    /// The entries of a pmap or imap, keys in lower case.
    fn children(&self) -> BTreeMap<String, String> {
        let items = self.selector.as_ref().and_then(Value::as_dict).unwrap_or_default();
        let pair = |(key, value): &(Value, Value)| Some((key.as_str()?.to_lowercase(), value.as_str()?.to_owned()));
        items.iter().filter_map(pair).collect()
    }

    /// The entries of an rmap: path of keys to what stands there.
    fn entries(&self) -> BTreeMap<Vec<Vec<String>>, String> {
        let mut entries = BTreeMap::new();
        if let Some(selector) = &self.selector {
            walk(selector, &mut Vec::new(), &mut entries);
        }
        entries
    }
}

fn walk(value: &Value, path: &mut Vec<Vec<String>>, entries: &mut BTreeMap<Vec<Vec<String>>, String>) {
    match value {
        Value::Call(Call { name, dict }) => {
            // An empty table is a rule too: it takes datasets and gives them nothing.
            if dict.is_empty() && !path.is_empty() {
                entries.insert(path.clone(), format!("{}({{}})", name.as_str()));
            }
            for (key, value) in dict {
                path.push(elements(key, *name == syntax::Selector::Match));
                walk(value, path, entries);
                path.pop();
            }
        }
        other => {
            entries.insert(path.clone(), leaf(other));
        }
    }
}

/// The elements of a key: conditioned where lookups condition them.
fn elements(key: &Value, conditioned: bool) -> Vec<String> {
    let text = |value: &Value| {
        let text = leaf(value);
        if conditioned { condition_element(&text).into_owned() } else { text }
    };
    match key.as_seq() {
        Some(items) => items.iter().map(text).collect(),
        None => vec![text(key)],
    }
}

fn leaf(value: &Value) -> String {
    match value {
        Value::Str(text) | Value::Int(text) | Value::Float(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::None => "None".to_owned(),
        Value::Tuple(items) | Value::List(items) => items.iter().map(leaf).collect::<Vec<_>>().join("|"),
        Value::Dict(_) | Value::Call(_) => value.kind().to_owned(),
    }
}

/// Keys whose values differ, with both values.
fn changed(
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
) -> Vec<(String, Option<String>, Option<String>)> {
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let pairs = keys.into_iter().map(|key| (key.clone(), old.get(key).cloned(), new.get(key).cloned()));
    pairs.filter(|(_, old, new)| old != new).collect()
}

fn header_changes(old: &Parsed, new: &Parsed) -> Vec<HeaderChange> {
    let fields = |map: &Parsed| -> BTreeMap<String, Value> {
        let pair = |(key, value): &(Value, Value)| Some((key.as_str()?.to_owned(), value.clone()));
        map.header.iter().filter_map(pair).collect()
    };
    let (before, after) = (fields(old), fields(new));
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differs = |key: &&String| before.get(*key) != after.get(*key) && !BOOKKEEPING.contains(&key.as_str());
    let change = |field: &String| HeaderChange { mapping: new.name.clone(), field: field.clone() };
    keys.into_iter().filter(differs).map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "header = {'name': 'x', 'sha1sum': '1', 'parkey': (('A',), ('D',))}\n";

    fn compare(files: &[(&str, &str)]) -> Difference {
        let files: BTreeMap<&str, String> =
            files.iter().map(|(name, text)| (*name, format!("{HEADER}{text}\n"))).collect();
        let mut read =
            |name: &str| files.get(name).map(|text| text.clone().into_bytes()).ok_or_else(|| "gone".to_owned());
        difference("a.pmap", "b.pmap", &mut read).expect("comparable")
    }

    #[test]
    fn spelling_is_no_difference_and_entries_are() {
        let found = compare(&[
            ("a.pmap", "selector = {'WFC3': 'a.imap', 'ACS': 'same.imap'}"),
            ("b.pmap", "selector = {'WFC3': 'b.imap', 'ACS': 'same.imap'}"),
            ("a.imap", "selector = {'npolfile': 'a.rmap', 'gone': 'N/A'}"),
            ("b.imap", "selector = {'npolfile': 'b.rmap'}"),
            ("a.rmap", "selector = Match({(1,): UseAfter({'2009': 'old.fits', '2010': 'kept.fits'})})"),
            (
                "b.rmap",
                "selector = Match({('1.0',): UseAfter({'2009': 'new.fits', '2010': 'kept.fits'}), ('B',): UseAfter({'2011': 'more.fits'})})",
            ),
        ]);
        let entries: Vec<_> = found
            .entries
            .iter()
            .map(|entry| (entry.path.concat().join(" "), entry.old.clone(), entry.new.clone()))
            .collect();
        assert_eq!(
            entries,
            [
                ("1.0 2009".into(), Some("old.fits".into()), Some("new.fits".into())),
                ("B 2011".into(), None, Some("more.fits".into())),
            ]
        );
        assert_eq!(found.types(), BTreeMap::from([("wfc3", BTreeSet::from(["gone", "npolfile"]))]));
        assert!(found.headers.is_empty());
    }

    #[test]
    fn a_missing_file_is_named() {
        let mut read = |_: &str| Err("gone".to_owned());
        let error = difference("a.pmap", "b.pmap", &mut read).expect_err("missing");
        assert!(error.to_string().contains("a.pmap"));
    }
}
