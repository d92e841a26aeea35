//! Contexts from rules: new imaps and one new pmap (RD 5).

use std::collections::BTreeMap;

use super::names::{self, Properties};
use super::rules::{Body, Rules};
use super::value::{Py, repr};
use super::{DeriveError, Generation, KeyOrder, LogLine, Store, base_name, facts, record};

/// A context file that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// Its name.
    pub name: String,
    /// The file that it was copied from.
    pub from: String,
    /// Its text, recorded (name, `derived_from`, checksum).
    pub text: String,
}

/// What came of a derivation of contexts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewContexts {
    /// imaps sorted by the name of their parent, then the pmap.
    pub files: Vec<NewFile>,
    /// What was added and replaced.
    pub log: Vec<LogLine>,
}

fn load(store: &dyn Store, name: &str, generation: Generation) -> Result<Rules, DeriveError> {
    let text = store.mapping(name).ok_or_else(|| missing(store, name))?;
    Rules::load(&text, name, generation, generation.key_order())
}

pub(crate) fn missing(store: &dyn Store, name: &str) -> DeriveError {
    let why = format!("[Errno 2] No such file or directory: '{}'", store.mapping_path(name));
    DeriveError::new("FileNotFoundError", why)
}

/// As [`missing`]: whatever a mapping's name says, it is looked for among those of one observatory.
fn missing_under(store: &dyn Store, observatory: &str, name: &str) -> DeriveError {
    let pmap = format!("{observatory}.pmap");
    let path = match store.mapping_path(&pmap).strip_suffix(&pmap) {
        Some(directory) if names::is_mapping(name) => format!("{directory}{}", base_name(name)),
        _ => store.mapping_path(name),
    };
    DeriveError::new("FileNotFoundError", format!("[Errno 2] No such file or directory: '{path}'"))
}

/// `<instrument>_<type>_n/a` sets a type to N/A; the special names of RD 5.1.
///
/// # Errors
///
/// A name with less or more than three parts.
fn special(name: &str) -> Result<Option<(&str, &str, &str)>, DeriveError> {
    if !(name.ends_with("_n/a") || name.ends_with("_N/A")) {
        return Ok(None);
    }
    let unpacking = |why: &str| Err(DeriveError::new("ValueError", why));
    match name.split('_').collect::<Vec<&str>>().as_slice() {
        [instrument, filekind, na] => Ok(Some((instrument, filekind, na))),
        [_, _, _, ..] => unpacking("too many values to unpack (expected 3)"),
        few => unpacking(&format!("not enough values to unpack (expected 3, got {})", few.len())),
    }
}

/// Instrument and type of a mapping: by name, else from inside.
pub(crate) fn mapping_properties(
    store: &dyn Store,
    observatory: &str,
    name: &str,
) -> Result<(String, String), DeriveError> {
    if let Ok(Properties { instrument, filekind, .. }) = names::decompose_mapping(observatory, name) {
        return Ok((instrument, filekind));
    }
    let inside = || -> Result<(String, String), DeriveError> {
        let text = store.mapping(name).ok_or_else(|| missing_under(store, observatory, name))?;
        let rules = Rules::load(&text, name, Generation::Now, KeyOrder::Text)?;
        Ok(match rules.name_of("mapping").as_str() {
            "pipeline" => (String::new(), String::new()),
            "instrument" => (rules.name_of("instrument"), String::new()),
            _ => (rules.name_of("instrument"), rules.name_of("filekind")),
        })
    };
    inside().map_err(|error| {
        let text = format!("Failed to determine '{observatory}' instrument or reftype for '{name}' : '{error}'");
        error.retold("FilePropertiesError", text)
    })
}

/// Parent imap -> rmaps that go into it.
type Updates = BTreeMap<String, Vec<String>>;

fn updates(store: &dyn Store, pmap: &Rules, rmaps: &[&str]) -> Result<Updates, DeriveError> {
    let observatory = pmap.name_of("observatory");
    let mut sorted = rmaps.to_vec();
    sorted.sort_unstable();
    let mut updates = Updates::new();
    for rmap in sorted {
        let instrument = match special(rmap)? {
            Some((instrument, _, _)) => instrument.to_owned(),
            None => mapping_properties(store, &observatory, rmap)?.0,
        };
        let imap = instrument_map(pmap, &instrument)?;
        let list = updates.entry(imap).or_default();
        if list.iter().any(|other| other == rmap) {
            return Err(DeriveError::new("AssertionError", format!("Duplicate update for {}", repr(rmap))));
        }
        list.push(rmap.to_owned());
    }
    Ok(updates)
}

/// The imap of an instrument in a pmap.
pub(crate) fn instrument_map(pmap: &Rules, instrument: &str) -> Result<String, DeriveError> {
    let wanted = match instrument.to_lowercase().as_str() {
        "wfii" => "wfpc2".to_owned(),
        other => other.to_owned(),
    };
    let found = pmap.table().iter().find(|(key, _)| key.text().to_lowercase() == wanted);
    found.map(|(_, value)| value.text()).ok_or_else(|| {
        let context = repr(base_name(&pmap.file));
        let why = format!("Unknown instrument {} for context {context}", repr(&wanted));
        DeriveError::new("CrdsUnknownInstrumentError", why)
    })
}

/// Names of the files that need a successor: the base pmap, then the imaps of the touched instruments.
///
/// # Errors
///
/// An rmap whose instrument or type cannot be told, an instrument that the pmap lacks, an rmap given twice.
pub fn needed(store: &dyn Store, base_pmap: &str, rmaps: &[&str]) -> Result<Vec<String>, DeriveError> {
    let pmap = load(store, base_pmap, Generation::Now)?;
    let mut names = vec![base_pmap.to_owned()];
    names.extend(updates(store, &pmap, rmaps)?.into_keys());
    Ok(names)
}

/// Makes the new imaps and the new pmap; `new_names` gives each name of [`needed`] its successor.
///
/// # Errors
///
/// As [`needed`]; a name without successor; a successor that already exists.
pub fn generate(
    store: &dyn Store,
    base_pmap: &str,
    rmaps: &[&str],
    new_names: &BTreeMap<String, String>,
    generation: Generation,
) -> Result<NewContexts, DeriveError> {
    let pmap = load(store, base_pmap, generation)?;
    let observatory = pmap.name_of("observatory");
    let updates = updates(store, &pmap, rmaps)?;
    let successor = |old: &str| new_names.get(old).cloned().ok_or_else(|| DeriveError::new("KeyError", repr(old)));
    let mut out = NewContexts { files: Vec::new(), log: Vec::new() };
    let mut new_imaps = Vec::new();
    for (imap, rmaps) in &updates {
        let new = successor(imap)?;
        let rmaps: Vec<&str> = rmaps.iter().map(String::as_str).collect();
        let text = install(store, imap, &new, &rmaps, &observatory, generation, &mut out.log)?;
        out.files.push(NewFile { name: new.clone(), from: imap.clone(), text });
    }
    for (old, new) in new_names {
        if old != base_pmap {
            new_imaps.push(new.as_str());
        }
    }
    new_imaps.sort_unstable();
    let new_pmap = successor(base_pmap)?;
    let text = install(store, base_pmap, &new_pmap, &new_imaps, &observatory, generation, &mut out.log)?;
    out.files.push(NewFile { name: new_pmap, from: base_pmap.to_owned(), text });
    for file in &mut out.files {
        file.text = record(&file.text, &file.name, true, generation)?;
    }
    Ok(out)
}

/// A copy of `old` in which each of `maps` stands in the place of its predecessor.
fn install(
    store: &dyn Store,
    old: &str,
    new: &str,
    maps: &[&str],
    observatory: &str,
    generation: Generation,
    log: &mut Vec<LogLine>,
) -> Result<String, DeriveError> {
    let text = store.mapping(old).ok_or_else(|| missing(store, old))?;
    if store.mapping(new).is_some() {
        let why = format!("New mapping file {} already exists.", repr(new));
        return Err(DeriveError::new("AssertionError", why));
    }
    if maps.is_empty() {
        return Ok(text);
    }
    let mut rules = Rules::load(&text, old, generation, generation.key_order())?;
    let pipeline = rules.name_of("mapping") == "pipeline";
    for map in maps {
        let (key, shown) = match special(map)? {
            Some((_, filekind, value)) => (filekind.to_owned(), value.to_uppercase()),
            None => {
                let (instrument, filekind) = mapping_properties(store, observatory, map)?;
                (if pipeline { instrument } else { filekind }, (*map).to_owned())
            }
        };
        // The client keeps the part behind the last slash of whatever it sets: `N/A` becomes `A` (RD 5.1).
        let value = base_name(&shown).to_owned();
        let Body::Table(pairs) = &mut rules.body else {
            return Err(DeriveError::new(
                "AttributeError",
                "'ReferenceMapping' object has no attribute 'get_item_key'",
            ));
        };
        let key = context_key(observatory, &key, pairs, generation)?;
        let replaced = match pairs.iter_mut().find(|(k, _)| k.as_str() == Some(&key)) {
            Some((_, old)) => Some(std::mem::replace(old, Py::str(value)).text()),
            None => {
                pairs.push((Py::str(&key), Py::str(value)));
                None
            }
        };
        let place = match generation {
            Generation::Now => format!("in {} producing {}", repr(old), repr(new)),
            Generation::Y2014 => format!("in {}", repr(new)),
        };
        log.push(LogLine::info(match replaced.filter(|name| !name.is_empty()) {
            Some(old) => format!("Replaced {} with {} for {} {place}", repr(&old), repr(&shown), repr(&key)),
            None => format!("Added {} for {} {place}", repr(&shown), repr(&key)),
        }));
    }
    Ok(rules.finished(generation))
}

/// The spelling of a key: instruments in upper case, types in the observatory's case (RD 5.1).
fn context_key(
    observatory: &str,
    key: &str,
    pairs: &[(Py, Py)],
    generation: Generation,
) -> Result<String, DeriveError> {
    let (upper, lower) = (key.to_uppercase(), key.to_lowercase());
    if observatory != "hst" {
        return Ok(upper);
    }
    if generation == Generation::Y2014 {
        for spelling in [&upper, &lower] {
            if pairs.iter().any(|(k, _)| k.as_str() == Some(spelling)) {
                return Ok(spelling.clone());
            }
        }
    }
    if facts::is_instrument("hst", &lower) {
        Ok(upper)
    } else if facts::is_filekind("hst", &lower) {
        Ok(lower)
    } else {
        // The key becomes None, which cannot be sorted among texts.
        let why = "'<' not supported between instances of 'NoneType' and 'str'";
        Err(DeriveError::new("TypeError", why))
    }
}
