//! Which contexts the servers know when a fleet begins: the plan's operational one and those before it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use super::LayOutError;
use crate::rules::syntax;
use crate::stand_in::fleet::spec::{Fleet, Role};
use crate::stand_in::tools::crds::Rules;

/// How many contexts a server knows: enough for a past, few enough that its references are made in no time.
const CONTEXTS: usize = 6;

/// One row of the operational history: start, context, description.
pub type Past = (String, String, String);

/// The rules of a fleet.
#[derive(Debug)]
pub struct Known {
    /// `mappings/<obs>` of the cache that the fleet was given.
    pub rules: PathBuf,
    contexts: Vec<String>,
    closures: BTreeMap<String, BTreeSet<String>>,
    references: BTreeMap<String, BTreeMap<String, (String, String)>>,
    history: Vec<Past>,
}

/// What one server knows.
#[derive(Debug)]
pub struct View<'a> {
    /// The fleet's rules.
    pub known: &'a Known,
    /// Its contexts, oldest first; the last is operational.
    pub contexts: &'a [String],
    /// All rules of its contexts.
    pub mappings: BTreeSet<&'a str>,
    /// All references of its contexts, with instrument and type.
    pub references: BTreeMap<&'a str, (&'a str, &'a str)>,
}

impl Known {
    /// Reads the rules that the fleet was given.
    pub fn read(fleet: &Fleet) -> Result<Self, LayOutError> {
        let rules = fleet.rules.join("mappings").join(&fleet.observatory);
        let bad = |why: String| LayOutError::Rules { path: rules.clone(), why };
        let last = operational(fleet);
        let mut contexts: Vec<String> = fs::read_dir(&rules)
            .map_err(|error| bad(error.to_string()))?
            .filter_map(Result::ok)
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| {
                name.ends_with(".pmap") && name.trim_end_matches(".pmap").ends_with(|c: char| c.is_ascii_digit())
            })
            .collect();
        contexts.sort();
        if let Some(last) = &last {
            contexts.retain(|name| name <= last);
            if contexts.last() != Some(last) {
                return Err(bad(format!("`{last}`, from which the plan starts, is not there")));
            }
        }
        let mut reader = Rules::new(&rules);
        let mut closures = BTreeMap::new();
        let mut found = Vec::new();
        // A cache may hold older contexts without all of their rules.
        for name in contexts.iter().rev() {
            match reader.closure(name) {
                Ok(closure) => {
                    closures.insert(name.clone(), closure);
                    found.push(name.clone());
                }
                Err(error) if found.is_empty() => return Err(bad(error.to_string())),
                Err(_) => break,
            }
            if found.len() == CONTEXTS {
                break;
            }
        }
        if found.is_empty() {
            return Err(bad("there is no context".to_owned()));
        }
        found.reverse();
        let mut references = BTreeMap::new();
        for name in closures.values().flatten().filter(|name| name.ends_with(".rmap")) {
            if !references.contains_key(name) {
                let named = reader.mapping(name).map_err(|error| bad(error.to_string()))?;
                references.insert(name.clone(), owned(name, &named.references));
            }
        }
        let history = history(fleet, &found);
        Ok(Self { rules, contexts: found, closures, references, history })
    }

    /// What the server of a role knows: OPS everything, TEST and DEV were last mirrored one and two contexts ago.
    pub fn of(&self, role: Role) -> View<'_> {
        let behind = match role {
            Role::Test => 1,
            Role::Dev => 2,
            Role::Ops | Role::Scratch => 0,
        };
        let count = self.contexts.len().saturating_sub(behind).max(1);
        let contexts = self.contexts.get(..count).unwrap_or(&self.contexts);
        let mappings: BTreeSet<&str> =
            contexts.iter().flat_map(|context| self.closure(context)).map(String::as_str).collect();
        let mut references = BTreeMap::new();
        for name in &mappings {
            for (reference, (instrument, kind)) in self.references.get(*name).into_iter().flatten() {
                references.insert(reference.as_str(), (instrument.as_str(), kind.as_str()));
            }
        }
        View { known: self, contexts, mappings, references }
    }

    fn closure(&self, context: &str) -> impl Iterator<Item = &String> {
        self.closures.get(context).into_iter().flatten()
    }

    /// The operational history up to a context, oldest first.
    pub fn history(&self, until: &str) -> &[Past] {
        let count = self.history.iter().take_while(|(_, context, _)| context.as_str() <= until).count();
        self.history.get(..count).unwrap_or_default()
    }

    /// When a context was delivered: just before it became operational, or with the next one that did.
    pub fn delivered(&self, context: &str) -> String {
        let row = self.history.iter().find(|(_, other, _)| other.as_str() >= context);
        row.map_or_else(
            || "2014-09-01 10:00:00".to_owned(),
            |(start, _, _)| format!("{} 09:30:00", &start[..10.min(start.len())]),
        )
    }
}

impl View<'_> {
    /// The operational context.
    pub fn operational(&self) -> &str {
        self.contexts.last().map_or("", String::as_str)
    }

    /// Rules and references below a context.
    pub fn below(&self, context: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
        let mappings: BTreeSet<&str> = self.known.closure(context).map(String::as_str).collect();
        let references = mappings
            .iter()
            .filter_map(|name| self.known.references.get(*name))
            .flat_map(|named| named.keys().map(String::as_str))
            .collect();
        (mappings, references)
    }
}

/// The plan that the fleet is made for.
fn plan(fleet: &Fleet) -> Option<toml::Table> {
    let text = match &fleet.seed_plan {
        Some(plan) => fs::read_to_string(plan).ok()?,
        None => include_str!("../../../fixtures/plans/hst-opus-2014.3.toml").to_owned(),
    };
    text.parse().ok()
}

/// The context from which the fleet's plan starts; none: the newest that there is.
fn operational(fleet: &Fleet) -> Option<String> {
    let named = plan(fleet)?.get("contexts")?.get("operational")?.as_str()?.to_owned();
    named.starts_with(&fleet.observatory).then_some(named)
}

/// Names of all files that the plan submits.
pub fn submitted(fleet: &Fleet) -> Vec<String> {
    let plan = plan(fleet).unwrap_or_default();
    let submissions = plan.get("submission").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let files = submissions.iter().filter_map(|submission| submission.get("files")?.as_array());
    files.flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

/// References of an rmap with its instrument and type; both halves of a GEIS pair.
fn owned(rmap: &str, references: &BTreeSet<String>) -> BTreeMap<String, (String, String)> {
    let parts: Vec<&str> = rmap.split('_').collect();
    let part = |at: usize| parts.get(at).map_or_else(String::new, |part| (*part).trim_end_matches(".rmap").to_owned());
    let owner = (part(1), part(2));
    let data = references.iter().filter_map(|name| crate::stand_in::tools::crds::geis_data(name));
    references.iter().cloned().chain(data).map(|name| (name, owner.clone())).collect()
}

/// The operational history: that of the cache's own server answer if it has one, else one row for each context.
fn history(fleet: &Fleet, contexts: &[String]) -> Vec<Past> {
    let stored = fs::read_to_string(fleet.rules.join("config").join(&fleet.observatory).join("server_config"));
    let last = contexts.last().map_or("", String::as_str);
    let mut rows: Vec<Past> = stored.map(|text| rows(&text)).unwrap_or_default();
    rows.retain(|(_, context, _)| context.as_str() <= last && context.ends_with(".pmap"));
    rows.sort();
    if rows.iter().any(|(_, context, _)| context == last) {
        return rows;
    }
    let count = contexts.len();
    contexts
        .iter()
        .enumerate()
        .map(|(at, context)| {
            let day = 12_usize.saturating_sub(2 * (count - 1 - at)).max(1);
            (format!("2014-09-{day:02} 15:10:24"), context.clone(), "Delivery of new reference files.".to_owned())
        })
        .collect()
}

/// The `context_history` of a server's answer as the client stores it: a Python literal whose long texts are in pieces.
fn rows(text: &str) -> Vec<Past> {
    let Some((_, rest)) = text.split_once("'context_history':") else { return Vec::new() };
    let mut rows = Vec::new();
    let mut fields: Vec<String> = Vec::new();
    let mut depth = 0;
    let mut joined = false;
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '[' => {
                depth += 1;
                joined = false;
            }
            ']' => {
                depth -= 1;
                if let [start, context, why] = fields.as_slice() {
                    rows.push((start.clone(), context.clone(), why.clone()));
                }
                fields.clear();
                if depth <= 0 {
                    break;
                }
            }
            ',' => joined = false,
            '\'' | '"' => {
                let mut piece = String::new();
                while let Some(s) = chars.next() {
                    match s {
                        '\\' => match chars.next() {
                            Some('n') => piece.push('\n'),
                            Some(other) => piece.push(other),
                            None => {}
                        },
                        s if s == c => break,
                        s => piece.push(s),
                    }
                }
                match fields.last_mut().filter(|_| joined) {
                    Some(field) => field.push_str(&piece),
                    None => fields.push(piece),
                }
                joined = true;
            }
            _ => {}
        }
    }
    rows
}

/// Whether a text is a mapping at all; used to leave out what a cache holds besides.
pub fn header(text: &[u8], name: &str, key: &str) -> Option<String> {
    syntax::parse(text, name).ok()?.header_str(key).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_in_pieces_is_read() {
        let text = "{'a': 1,\n 'context_history': [['2014-09-12 15:10:24',\n   'hst_0279.pmap',\n   'Delivery '\n   \"of the team's file.\"],\n  ['2014-09-09 16:22:28', 'hst_0278.pmap', 'x']],\n 'b': []}";
        let found = rows(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].2, "Delivery of the team's file.");
    }
}
