//! Differences between two contexts as the client sees them (RS 15.5): keys as written, header changes, its own words and
//! the conclusions it draws from them. [`super::difference`] compares by meaning and needs no engine.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::compile::{PyKey, python_repr, python_text};
use super::error::RulesError;
use super::load::{Context, TypeEntry};
use super::python::{is_space, repr};
use super::rmap::lowered;
use super::syntax::{Mapping, Value};

type Ast<'a> = Value<Cow<'a, str>>;

/// Everything in which one context differs from another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContextDiff {
    /// Instruments whose imap differs by name or is new or gone.
    pub instruments: Vec<InstrumentChange>,
    /// Types whose entry differs by name or is new or gone, of instruments that both contexts have.
    pub types: Vec<TypeChange>,
    /// Changes inside rmaps that both contexts have under another name.
    pub entries: Vec<EntryChange>,
    /// Header values that differ, of mappings at the same place in both; `name`, `derived_from` and `sha1sum` apart.
    pub headers: Vec<HeaderChange>,
    statements: Vec<Statement>,
}

/// An instrument whose entry in the pmap differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstrumentChange {
    /// Lower case.
    pub instrument: String,
    /// The imap (or special value) before; nothing where there was none.
    pub old: Option<String>,
    /// The imap (or special value) after.
    pub new: Option<String>,
}

/// A type whose entry in the imap differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeChange {
    /// Lower case.
    pub instrument: String,
    /// Lower case.
    pub filekind: String,
    /// The rmap (or special value) before; nothing where there was none.
    pub old: Option<String>,
    /// The rmap (or special value) after.
    pub new: Option<String>,
    /// Whether the entry goes from rules to a special value or back: a change the client does not see (RS 15.5).
    pub between_rules_and_special: bool,
}

/// One reference that came, went or was replaced.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryChange {
    /// Lower case.
    pub instrument: String,
    /// Lower case.
    pub filekind: String,
    /// The keys that lead to it, as texts: parts of the match key, then date and time.
    pub path: Vec<Vec<String>>,
    /// What happened.
    pub kind: EntryKind,
}

/// What happened to an entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A reference that was not there.
    Added(String),
    /// A reference that is no longer there.
    Removed(String),
    /// Another reference under the same keys: old, new.
    Replaced(String, String),
    /// The selectors differ in class or parameters, so that nothing below is compared.
    Structure(String),
}

/// A header value that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderChange {
    /// The newer mapping.
    pub mapping: String,
    /// Lower case; empty for the pmap.
    pub instrument: String,
    /// Lower case; empty for pmap and imaps.
    pub filekind: String,
    /// The header key.
    pub key: String,
    /// Its value before, as Python shows it; nothing where it was absent.
    pub old: Option<String>,
    /// Its value after.
    pub new: Option<String>,
}

/// A difference in the words of the client, from which it concludes what is affected.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Statement {
    /// Instrument and type, where the path goes through an rmap or an rmap came or went.
    place: Option<(String, String)>,
    text: String,
}

/// Words that make the client drop a difference as boring, wherever they stand in it.
const BORING: [&str; 4] = ["name", "derived_from", "sha1sum", "row_keys"];

impl ContextDiff {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.instruments.is_empty() && self.types.is_empty() && self.entries.is_empty() && self.headers.is_empty()
    }

    fn interesting(&self) -> impl Iterator<Item = &Statement> {
        self.statements.iter().filter(|statement| !BORING.iter().any(|word| statement.text.contains(word)))
    }

    /// The instruments and types that `--diffs-only` takes for affected (RS 15.5), its blind spots included.
    pub fn client_affected(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut affected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (instrument, filekind) in self.interesting().filter_map(|statement| statement.place.as_ref()) {
            affected.entry(instrument.clone()).or_default().insert(filekind.clone());
        }
        affected
    }

    /// Whether the client, under `--diffs-only`, looks at datasets of all dates: a header or a deletion is among the
    /// differences.
    pub fn client_takes_all_dates(&self) -> bool {
        self.interesting().any(|statement| {
            let text = statement.text.as_str();
            let header = !text.contains("rule") && text.contains("header");
            let delete = !text.contains("replace") && !text.contains("add") && text.contains("delete");
            header || delete
        })
    }

    /// How many differences the client would list.
    pub fn statements(&self) -> usize {
        self.statements.len()
    }

    fn say(&mut self, place: Option<(&str, &str)>, text: String) {
        let place = place.map(|(instrument, filekind)| (instrument.to_owned(), filekind.to_owned()));
        self.statements.push(Statement { place, text });
    }

    fn headers(&mut self, mapping: &str, place: (&str, &str), old: &Value, new: &Value) {
        let shown = |value: &Value| match value {
            Value::Str(text) => repr(&lowered(text)),
            other => python_repr(other),
        };
        let (Some(old), Some(new)) = (old.as_dict(), new.as_dict()) else { return };
        let find = |items: &[(Value, Value)], key: &str| {
            items.iter().rev().find(|(k, _)| k.as_str() == Some(key)).map(|(_, value)| shown(value))
        };
        let keys = old.iter().chain(new).filter_map(|(key, _)| key.as_str());
        let mut seen = BTreeSet::new();
        for key in keys.filter(|key| seen.insert(key.to_owned())) {
            let (before, after) = (find(old, key), find(new, key));
            if before == after {
                continue;
            }
            let text = match (&before, &after) {
                (Some(before), Some(after)) => format!("header replaced {} = {before} with {after}", repr(key)),
                (Some(before), None) => format!("deleted header {} = {before}", repr(key)),
                (None, after) => format!("header added {} = {}", repr(key), after.clone().unwrap_or_default()),
            };
            self.say((!place.1.is_empty()).then_some(place), text);
            if !matches!(key, "name" | "derived_from" | "sha1sum") {
                self.headers.push(HeaderChange {
                    mapping: mapping.to_owned(),
                    instrument: place.0.to_owned(),
                    filekind: place.1.to_owned(),
                    key: key.to_owned(),
                    old: before,
                    new: after,
                });
            }
        }
    }
}

/// Compares two contexts of one observatory.
///
/// # Errors
///
/// A mapping at a place where the contexts differ that cannot be loaded.
pub fn context_diff(old: &Context, new: &Context) -> Result<ContextDiff, RulesError> {
    let mut found = ContextDiff::default();
    found.headers(new.name(), ("", ""), old.header(), new.header());
    let before: BTreeMap<&str, &str> = old.instruments().collect();
    let after: BTreeMap<&str, &str> = new.instruments().collect();
    let names: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    for instrument in names {
        let (a, b) = (before.get(instrument).copied(), after.get(instrument).copied());
        if a == b {
            continue;
        }
        let statement = match (a, b) {
            (Some(a), Some(b)) => format!("replaced {} with {}", repr(a), repr(b)),
            (Some(a), None) => format!("deleted {}", repr(a)),
            (None, b) => format!("added {}", repr(b.unwrap_or_default())),
        };
        found.say(None, statement);
        found.instruments.push(InstrumentChange {
            instrument: instrument.to_owned(),
            old: a.map(str::to_owned),
            new: b.map(str::to_owned),
        });
        if let (Some(a), Some(b)) = (old.imap(instrument), new.imap(instrument)) {
            let (a, b) = (a?, b?);
            found.headers(&b.name, (instrument, ""), &a.header, &b.header);
            types(&mut found, instrument, (old, &a.types), (new, &b.types))?;
        }
    }
    Ok(found)
}

type Types = BTreeMap<String, TypeEntry>;

fn types(
    found: &mut ContextDiff,
    instrument: &str,
    (old, before): (&Context, &Types),
    (new, after): (&Context, &Types),
) -> Result<(), RulesError> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for filekind in names {
        let (a, b) = (before.get(filekind), after.get(filekind));
        let (a_name, b_name) = (a.map(TypeEntry::name), b.map(TypeEntry::name));
        if a_name == b_name {
            continue;
        }
        let rules = |entry: Option<&TypeEntry>| matches!(entry, Some(TypeEntry::Rmap(_)));
        found.types.push(TypeChange {
            instrument: instrument.to_owned(),
            filekind: filekind.clone(),
            old: a_name.map(str::to_owned),
            new: b_name.map(str::to_owned),
            between_rules_and_special: a.is_some() && b.is_some() && rules(a) != rules(b),
        });
        // An rmap that comes or goes counts as its own header says, not as the imap says.
        let own = |entry: Option<&TypeEntry>| match entry {
            Some(TypeEntry::Rmap(rmap)) if rmap.name.ends_with(".rmap") => {
                Some((rmap.instrument.clone(), rmap.filekind.clone()))
            }
            _ => None,
        };
        let say = |found: &mut ContextDiff, place: Option<(String, String)>, text| {
            found.statements.push(Statement { place, text });
        };
        match (a, b) {
            (Some(a), None) => say(found, own(Some(a)), format!("deleted {}", repr(a.name()))),
            (None, Some(b)) => say(found, own(Some(b)), format!("added {}", repr(b.name()))),
            (Some(a), Some(b)) => {
                if let (TypeEntry::Rmap(one), TypeEntry::Rmap(two)) = (a, b) {
                    if one.sha1sum != two.sha1sum {
                        found.say(None, format!("replaced {} with {}", repr(a.name()), repr(b.name())));
                    }
                    let place = (two.instrument.as_str(), two.filekind.as_str());
                    found.headers(b.name(), place, &one.header, &two.header);
                    let one = Source::read(old, &one.name)?;
                    let two = Source::read(new, &two.name)?;
                    let (one, two) = (one.mapping()?, two.mapping()?);
                    let mut walk = Walk { found, place: (place.0.to_owned(), place.1.to_owned()) };
                    walk.selectors(&one.selector, &two.selector, &levels(&one), &levels(&two), &[], true);
                } else {
                    found.say(None, format!("replaced {} with {}", repr(a.name()), repr(b.name())));
                }
            }
            (None, None) => {}
        }
    }
    Ok(())
}

/// The text of a mapping, read again: compiled rules no longer know the keys as written.
struct Source {
    text: String,
    file: String,
}

impl Source {
    fn read(context: &Context, name: &str) -> Result<Self, RulesError> {
        let path = context.library().locate(name);
        let file = path.display().to_string();
        let bytes = std::fs::read(&path)
            .map_err(|source| RulesError::Read { path: path.clone(), source: std::sync::Arc::new(source) })?;
        Ok(Self { text: super::syntax::decode(&bytes, &file)?.into_owned(), file })
    }

    fn mapping(&self) -> Result<Mapping<Cow<'_, str>>, RulesError> {
        Ok(super::syntax::parse_str(&self.text, &self.file)?)
    }
}

fn levels(mapping: &Mapping<Cow<'_, str>>) -> Vec<Vec<String>> {
    let levels = mapping.header_value("parkey").and_then(Value::as_seq).unwrap_or_default();
    levels.iter().map(|level| super::rmap::names(Some(level), "parkey").unwrap_or_default()).collect()
}

struct Walk<'f> {
    found: &'f mut ContextDiff,
    place: (String, String),
}

/// The entries of a table by key, the last value of each, in order of first appearance.
fn entries<'a>(items: &'a [(Ast<'a>, Ast<'a>)]) -> Vec<(PyKey<'a>, &'a Ast<'a>, &'a Ast<'a>)> {
    let mut places = std::collections::HashMap::with_capacity(items.len());
    let mut out: Vec<(PyKey<'a>, &Ast<'a>, &Ast<'a>)> = Vec::with_capacity(items.len());
    for (key, value) in items {
        match places.entry(PyKey::of(key)) {
            std::collections::hash_map::Entry::Occupied(at) => {
                let at: &usize = at.get();
                out[*at].2 = value;
            }
            std::collections::hash_map::Entry::Vacant(slot) => {
                slot.insert(out.len());
                out.push((PyKey::of(key), key, value));
            }
        }
    }
    out
}

impl Walk<'_> {
    fn push(&mut self, path: &[Vec<String>], kind: EntryKind, text: String) {
        let (instrument, filekind) = self.place.clone();
        self.found.say(Some((&instrument, &filekind)), text);
        self.found.entries.push(EntryChange { instrument, filekind, path: path.to_vec(), kind });
    }

    fn selectors(
        &mut self,
        old: &Ast<'_>,
        new: &Ast<'_>,
        old_levels: &[Vec<String>],
        new_levels: &[Vec<String>],
        path: &[Vec<String>],
        top: bool,
    ) {
        let (Value::Call(a), Value::Call(b)) = (old, new) else {
            let text = format!("different classes {} : {}", class(old), class(new));
            return self.push(path, EntryKind::Structure(text.clone()), text);
        };
        if a.name != b.name {
            let text = format!("different classes {} : {}", a.name.as_str(), b.name.as_str());
            return self.push(path, EntryKind::Structure(text.clone()), text);
        }
        let (own, other) = (old_levels.first(), new_levels.first());
        if own != other {
            let shown = |level: Option<&Vec<String>>| super::python::repr_tuple(level.map_or(&[][..], Vec::as_slice));
            let text = format!("different parameter lists  {} : {}", shown(own), shown(other));
            return self.push(path, EntryKind::Structure(text.clone()), text);
        }
        let params = own.map_or(0, Vec::len);
        let below = |levels: &[Vec<String>]| levels.get(1..).unwrap_or_default().to_vec();
        let (old_below, new_below) = (below(old_levels), below(new_levels));
        let (before, after) = (entries(&a.dict), entries(&b.dict));
        let after_by_key: std::collections::HashMap<_, _> = after.iter().map(|(id, _, value)| (id, *value)).collect();
        let before_keys: std::collections::HashSet<_> = before.iter().map(|(id, _, _)| id).collect();
        let name = a.name.as_str();
        let longer = |key: &Ast<'_>| {
            let mut path = path.to_vec();
            path.push(parts(a.name, key, params));
            path
        };
        for (id, key, value) in &before {
            let path = longer(key);
            match after_by_key.get(id) {
                None => self.flat(value, &path, params_of(&old_below), false, name, top),
                Some(new) => match value {
                    Value::Call(_) => self.selectors(value, new, &old_below, &new_below, &path, false),
                    _ if PyKey::of(*value) != PyKey::of(*new) || matches!(new, Value::Call(_)) => {
                        let kind = EntryKind::Replaced(python_text(*value), python_text(*new));
                        let text = format!("replaced {} with {}", python_repr(*value), python_repr(*new));
                        self.push(&path, kind, text);
                    }
                    _ => {}
                },
            }
        }
        for (id, key, value) in &after {
            if !before_keys.contains(id) {
                let path = longer(key);
                self.flat(value, &path, params_of(&new_below), true, name, top);
            }
        }
    }

    /// One change per file below an added or removed entry.
    fn flat(&mut self, value: &Ast<'_>, path: &[Vec<String>], params: &[usize], added: bool, rule: &str, top: bool) {
        let verb = if added { "added" } else { "deleted" };
        if let Value::Call(call) = value {
            for (_, key, value) in entries(&call.dict) {
                let mut path = path.to_vec();
                path.push(parts(call.name, key, params.first().copied().unwrap_or(1)));
                // Whatever the depth, the statement speaks of the outermost rule.
                self.flat(value, &path, params.get(1..).unwrap_or_default(), added, rule, true);
            }
            return;
        }
        let what = if top { format!("{rule} rule for") } else { "terminal".to_owned() };
        let text = format!("{verb} {what} {}", python_repr(value));
        let reference = python_text(value);
        let kind = if added { EntryKind::Added(reference) } else { EntryKind::Removed(reference) };
        self.push(path, kind, text);
    }
}

fn params_of(levels: &[Vec<String>]) -> &[usize] {
    // Only one or two parameters matter to how a key is split; deeper levels do not occur.
    match levels.first().map(Vec::len) {
        Some(0) => &[0, 1],
        Some(1) => &[1, 1],
        _ => &[2, 1],
    }
}

fn class(value: &Ast<'_>) -> &'static str {
    match value {
        Value::Call(call) => call.name.as_str(),
        Value::Str(text) if *text == "N/A" => "N/A",
        Value::Str(_) => "str",
        Value::Tuple(_) => "tuple",
        other => other.kind(),
    }
}

/// The parts of a key: of a match key its fields, of a date key date and time.
fn parts(selector: super::syntax::Selector, key: &Ast<'_>, params: usize) -> Vec<String> {
    match (selector, key) {
        (super::syntax::Selector::Match, Value::Tuple(items)) => items.iter().map(python_text).collect(),
        (super::syntax::Selector::UseAfter | super::syntax::Selector::ClosestTime, Value::Str(text)) if params > 1 => {
            text.split(is_space).filter(|part| !part.is_empty()).map(str::to_owned).collect()
        }
        (super::syntax::Selector::VersionAfter, Value::Str(text)) if params > 1 => {
            text.split('.').map(str::to_owned).collect()
        }
        (_, other) => vec![python_text(other)],
    }
}
