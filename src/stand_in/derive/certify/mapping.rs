//! Certification of rules (RD 7.4).

use std::collections::HashMap;

use super::{Certification, grammar, opening, trapped};
use crate::rules::syntax::{self, Selector, Value};
use crate::stand_in::derive::allowed::{Allowed, allowed_values, check_value, header_substitutions};
use crate::stand_in::derive::contexts::{instrument_map, mapping_properties, missing};
use crate::stand_in::derive::expr::Expr;
use crate::stand_in::derive::insert::{date_error, is_version};
use crate::stand_in::derive::rules::{Choice, Node, Rules};
use crate::stand_in::derive::value::{Py, repr, repr_texts};
use crate::stand_in::derive::{DeriveError, Generation, LogLine, Store, base_name, condition, dates, diff, facts};

/// Files up to this size are held against the grammar although they can be loaded.
const GRAMMAR_LIMIT_BYTES: usize = 8 << 10;
/// Characters of a file that the grammar is shown at most: no real rules file is longer.
const GRAMMAR_MOST_CHARS: usize = 1 << 20;

/// Certifies a rules file and compares it with its counterpart in a context.
///
/// `path` is how messages name the file. What it refers to is taken from `store`. `nth` is which of how many.
pub fn certify_mapping(
    store: &dyn Store,
    path: &str,
    text: &str,
    context: &str,
    generation: Generation,
    nth: (usize, usize),
) -> Certification {
    let mut lines = vec![opening(path, "mapping", context, nth, generation)];
    let run = Run { store, path, name: base_name(path), text, context, generation };
    if let Err(error) = run.certify(&mut lines) {
        lines.push(trapped(path, &error, generation));
    }
    Certification::of(lines)
}

struct Run<'a> {
    store: &'a dyn Store,
    path: &'a str,
    name: &'a str,
    text: &'a str,
    context: &'a str,
    generation: Generation,
}

impl Run<'_> {
    fn load(&self, name: &str) -> Result<Rules, DeriveError> {
        let text = self.store.mapping(name).ok_or_else(|| missing(self.store, name))?;
        Rules::load(&text, name, self.generation, self.generation.key_order())
    }

    fn certify(&self, lines: &mut Vec<LogLine>) -> Result<(), DeriveError> {
        self.check_duplicates(lines)?;
        let rules = Rules::load(self.text, self.name, self.generation, self.generation.key_order())?;
        self.check_loading(&rules)?;
        self.check_checksum(&rules, lines);
        self.validate(&rules, lines)?;
        self.compare_with_context(&rules, lines)
    }

    /// Entries written twice: loading keeps the last one in silence, so they are looked for in the text.
    fn check_duplicates(&self, lines: &mut Vec<LogLine>) -> Result<(), DeriveError> {
        let misfit =
            |why: String| DeriveError::new("MappingFormatError", format!("Parsing error in '{}' : {why}", self.path));
        let parsed = syntax::parse(self.text.as_bytes(), self.path);
        // What is small, in doubt or wrong is held against the stricter grammar; its words are the client's.
        let doubtful = self.text.len() <= GRAMMAR_LIMIT_BYTES || self.text.contains('[');
        if self.generation == Generation::Now && (doubtful || parsed.is_err()) {
            let start: String = self.text.chars().take(GRAMMAR_MOST_CHARS).collect();
            grammar::check(&start).map_err(misfit)?;
        }
        let mapping = parsed.map_err(|error| misfit(error.to_string()))?;
        report_duplicates(mapping.header.as_dict().unwrap_or_default(), "header", lines);
        match &mapping.selector {
            Value::Call(call) => walk_duplicates(&call.dict, call.name, "selector", lines),
            other => report_duplicates(other.as_dict().unwrap_or_default(), "selector", lines),
        }
        // Making the selectors fails here without the words `Can't load file`.
        Rules::load(self.text, self.name, self.generation, self.generation.key_order())
            .map(|_| ())
            .map_err(|error| if error.class() == "MappingError" { error.bare() } else { error })
    }

    /// What loading an rmap checks besides its selectors: the instrument's module, and its expressions.
    fn check_loading(&self, rules: &Rules) -> Result<(), DeriveError> {
        if rules.tree().is_none() {
            return Ok(());
        }
        self.check_texts(rules)?;
        let (observatory, instrument) = (rules.name_of("observatory"), rules.name_of("instrument"));
        for key in ["rmap_relevance", "rmap_omit"] {
            if let Some(source) = rules.lower(key) {
                self.check_expression(rules, &source.replace("always", "True"))?;
            }
        }
        for (_, source) in rules.get("parkey_relevance").and_then(Py::pairs).unwrap_or_default() {
            self.check_expression(rules, &source.text())?;
        }
        let module = |from: &str, name: &str| {
            let path = from.replace('.', "/");
            Err(DeriveError::new(
                "ImportError",
                if name.is_empty() {
                    format!("Invalid dotted name for get_object() : '{from}.'")
                } else {
                    format!(
                        "Error importing 'from {from} import {name}' : cannot import name '{name}' from '{from}' ($SITE_PACKAGES/{path}/__init__.py)"
                    )
                },
            ))
        };
        if !matches!(observatory.as_str(), "hst" | "jwst" | "roman" | "tobs") {
            return module("crds", &observatory);
        }
        if observatory != "tobs" && !facts::is_instrument(&observatory, &instrument) {
            return module(&format!("crds.{observatory}"), &instrument);
        }
        Ok(())
    }

    /// Header values that the client takes for texts without looking.
    fn check_texts(&self, rules: &Rules) -> Result<(), DeriveError> {
        let odd = |key: &str| rules.get(key).filter(|value| !matches!(value, Py::Str(_)));
        for (key, method) in [("mapping", "upper"), ("observatory", "lower"), ("reffile_format", "upper")] {
            if let Some(value) = odd(key) {
                let why = format!("'{}' object has no attribute '{method}'", value.class_name());
                return Err(DeriveError::new("AttributeError", why));
            }
        }
        for (n, key) in ["instrument", "filekind"].into_iter().enumerate() {
            if let Some(value) = odd(key) {
                let why = format!("sequence item {}: expected str instance, {} found", n + 1, value.class_name());
                return Err(DeriveError::new("TypeError", why));
            }
        }
        Ok(())
    }

    fn check_expression(&self, rules: &Rules, source: &str) -> Result<(), DeriveError> {
        let source = rules
            .required_parkeys()
            .iter()
            .filter(|key| key.contains('.'))
            .fold(source.to_owned(), |text, key| text.replace(key.as_str(), &key.replace('.', "_")));
        let expr = Expr::parse(&source)?;
        if let Some(called) = expr.called().filter(|name| Selector::from_name(name).is_none()) {
            let why = format!(
                "Can't load file {} : Selector {} is not one of supported Selectors: {} at line 1",
                repr(self.name),
                repr(&called),
                super::super::rules::SELECTORS
            );
            return Err(DeriveError::new("MappingFormatError", why));
        }
        Ok(())
    }

    fn check_checksum(&self, rules: &Rules, lines: &mut Vec<LogLine>) {
        let what = match rules.get("sha1sum") {
            None => "is missing in",
            Some(_) if rules.name_of("sha1sum") != syntax::checksum(self.text) => "mismatch in",
            Some(_) => return,
        };
        lines.push(LogLine::warning(format!("Checksum error : sha1sum {what} {}", repr(self.name))));
    }

    fn validate(&self, rules: &Rules, lines: &mut Vec<LogLine>) -> Result<(), DeriveError> {
        let fail = |why: String| Err(DeriveError::new("AssertionError", why));
        let shown = repr(self.path);
        if let (Some(tree), true) = (rules.tree(), self.name.ends_with(".imap") || self.name.ends_with(".pmap")) {
            let why = format!("'{}Selector' object is not subscriptable", tree.class.as_str());
            return Err(DeriveError::new("TypeError", why));
        }
        let (kind, expected) = (rules.name_of("mapping"), expected_kind(self.name, rules));
        if kind != expected {
            return fail(format!(
                "Expected header mapping='{expected}' but got mapping='{}' in '{}'",
                kind.to_uppercase(),
                self.path
            ));
        }
        let (observatory, instrument) = (rules.name_of("observatory"), rules.name_of("instrument"));
        if !matches!(observatory.as_str(), "hst" | "jwst" | "roman" | "tobs") {
            return fail(format!("Invalid observatory {} in {shown}", repr(&observatory)));
        }
        let known_instrument = || facts::is_instrument(&observatory, &instrument) || observatory == "tobs";
        if let Some(tree) = rules.tree() {
            if !known_instrument() {
                return fail(format!("Invalid instrument {} in {shown}", repr(&instrument)));
            }
            let filekind = rules.name_of("filekind");
            if !facts::is_filekind(&observatory, &filekind) && observatory != "tobs" {
                return fail(format!("Invalid filekind {} in {shown}", repr(&filekind)));
            }
            let allowed = allowed_values(rules, self.generation)?;
            let check = TreeCheck::of(rules, &allowed, self.generation);
            check.node(tree, lines);
            return Ok(());
        }
        let nested: Vec<(String, String)> = rules
            .table()
            .iter()
            .map(|(key, value)| (key.text().to_lowercase(), value.text()))
            .filter(|(_, value)| !diff::is_special(value))
            .collect();
        let mut loaded = Vec::with_capacity(nested.len());
        for (key, name) in &nested {
            let map = self.load(name)?;
            self.check_nested("observatory", &observatory, &map)?;
            loaded.push((key, map));
        }
        if kind == "instrument" && !known_instrument() {
            return fail(format!("Invalid instrument {} in {shown}", repr(&instrument)));
        }
        for (key, map) in &loaded {
            if kind == "pipeline" {
                self.check_nested("instrument", key, map)?;
            } else {
                self.check_nested("instrument", &instrument, map)?;
                self.check_nested("filekind", key, map)?;
            }
        }
        Ok(())
    }

    fn check_nested(&self, key: &str, own: &str, nested: &Rules) -> Result<(), DeriveError> {
        let theirs = nested.name_of(key);
        if own == theirs {
            return Ok(());
        }
        let why = format!(
            "selector['{key}']='{own}' in '{}' doesn't match header['{key}']='{theirs}' in nested file '{}'.",
            self.path, nested.file
        );
        Err(DeriveError::new("AssertionError", why))
    }

    fn compare_with_context(&self, rules: &Rules, lines: &mut Vec<LogLine>) -> Result<(), DeriveError> {
        if self.context.is_empty() {
            return Ok(());
        }
        let Some(old) = self.counterpart(rules, lines)? else {
            lines.push(LogLine::info(format!(
                "No predecessor for {} relative to context {}",
                repr(&rules.name_of("name")),
                repr(self.context)
            )));
            return Ok(());
        };
        if old.name_of("name") == self.name {
            return Ok(());
        }
        if !self.name.ends_with(".pmap") && self.generation == Generation::Now {
            lines.push(LogLine::info(format!(
                "Mapping {} corresponds to {} from context {} for checking mapping differences.",
                repr(self.name),
                repr(&old.name_of("name")),
                repr(self.context)
            )));
        }
        let what = if self.generation == Generation::Now { "diffs" } else { "derivation diffs" };
        let (old_name, new_name) = (repr(base_name(&old.file)), repr(self.name));
        lines.push(LogLine::info(format!("Checking {what} from {old_name} to {new_name}")));
        let old_text = self.store.mapping(&old.file).ok_or_else(|| missing(self.store, &old.file))?;
        let options = diff::Options::default();
        if let Some(key) = rules.tree().and_then(odd_date_key) {
            let why = format!("'{}' object has no attribute 'split'", key.class_name());
            return Err(DeriveError::new("AttributeError", why));
        }
        let statements =
            diff::text_diffs(self.store, (&old.file, &old_text), (self.path, self.text), &options, self.generation)?;
        lines.extend(diff::check_diffs(&statements));
        Ok(())
    }

    /// The mapping of the same kind in the context.
    fn counterpart(&self, rules: &Rules, lines: &mut Vec<LogLine>) -> Result<Option<Rules>, DeriveError> {
        let pmap = self.load(self.context)?;
        if self.name.ends_with(".pmap") {
            return Ok(Some(pmap));
        }
        let observatory = pmap.name_of("observatory");
        let properties = mapping_properties(self.store, &observatory, self.name);
        let (instrument, filekind) = match properties {
            Ok(properties) => properties,
            // A name that tells nothing: the file itself is asked.
            Err(_) => (rules.name_of("instrument"), rules.name_of("filekind")),
        };
        let none = |lines: &mut Vec<LogLine>, what: &str, map: &Rules| {
            lines.push(LogLine::warning(format!(
                "No equivalent {what} in {} corresponding to {}",
                repr(&map.name_of("name")),
                repr(self.path)
            )));
        };
        let Ok(imap) = instrument_map(&pmap, &instrument).and_then(|name| self.load(&name)) else {
            none(lines, "instrument", &pmap);
            return Ok(None);
        };
        if self.name.ends_with(".imap") {
            return Ok(Some(imap));
        }
        let entry = imap.table().iter().find(|(key, _)| key.text().to_lowercase() == filekind);
        let rmap = entry.map(|(_, value)| value.text()).filter(|value| !diff::is_special(value));
        let Some(Ok(rmap)) = rmap.map(|name| self.load(&name)) else {
            none(lines, "filekind", &imap);
            return Ok(None);
        };
        Ok(Some(rmap))
    }
}

/// The kind that a file's class expects: by extension, else by what it says.
fn expected_kind(name: &str, rules: &Rules) -> String {
    match name.rsplit('.').next() {
        Some("pmap") => "pipeline".into(),
        Some("imap") => "instrument".into(),
        Some("rmap") => "reference".into(),
        _ => rules.name_of("mapping"),
    }
}

/// `UseAfter` for a nested selector, Python's `repr` for anything else.
fn shown(value: &Value) -> String {
    match value {
        Value::Call(call) => call.name.as_str().to_owned(),
        other => Py::from(other).repr(),
    }
}

fn report_duplicates(items: &[(Value, Value)], at: &str, lines: &mut Vec<LogLine>) {
    let mut seen: HashMap<String, &Value> = HashMap::with_capacity(items.len());
    for (key, value) in items {
        let key = Py::from(key);
        match seen.get(&key.identity()) {
            Some(first) => lines.push(LogLine::error(format!(
                "Duplicate entry at {at} {} = {} vs. {}",
                key.repr(),
                shown(value),
                shown(first)
            ))),
            None => {
                seen.insert(key.identity(), value);
            }
        }
    }
}

fn walk_duplicates(items: &[(Value, Value)], class: Selector, at: &str, lines: &mut Vec<LogLine>) {
    report_duplicates(items, at, lines);
    for (key, value) in items {
        if let Value::Call(call) = value {
            let here = format!("{at} {}({})", class.as_str(), Py::from(key).repr());
            walk_duplicates(&call.dict, call.name, &here, lines);
        }
    }
}

/// The check of every key of a selector tree.
struct TreeCheck<'a> {
    allowed: &'a Allowed,
    substitutions: std::collections::BTreeMap<String, Vec<(Py, Py)>>,
    comments: Vec<String>,
    levels_agree: Option<String>,
    generation: Generation,
}

impl<'a> TreeCheck<'a> {
    fn of(rules: &Rules, allowed: &'a Allowed, generation: Generation) -> Self {
        let (parkey, classes) = (rules.parkey_levels(), rules.classes());
        let levels_agree = (parkey.len() != classes.len()).then(|| {
            let parkey = rules.get("parkey").map(Py::repr).unwrap_or_default();
            format!(
                "Length mismatch between rmap parkey: {} and rmap classes header fields {}",
                repr(&parkey),
                repr(&repr_texts(&classes))
            )
        });
        Self {
            allowed,
            substitutions: header_substitutions(rules),
            comments: rules.names_of("comment_parkeys").iter().map(|k| k.to_uppercase()).collect(),
            levels_agree,
            generation,
        }
    }

    fn node(&self, node: &Node, lines: &mut Vec<LogLine>) {
        let place = match self.generation {
            Generation::Now => format!("{}{}", node.class.as_str(), repr_texts(&node.parameters)),
            Generation::Y2014 => node.class.as_str().to_owned(),
        };
        if let (Some(why), Generation::Now) = (&self.levels_agree, self.generation) {
            lines.push(LogLine::error(format!("{place} : {why}")));
        }
        let mut entries: Vec<(Vec<String>, &Py, &Choice)> =
            node.entries.iter().map(|(key, choice)| (self.substituted(node, key), key, choice)).collect();
        if node.class == Selector::Match {
            entries.sort_by(|a, b| a.0.cmp(&b.0));
        }
        for (conditioned, key, choice) in entries {
            let key_shown = if node.class == Selector::Match { repr_texts(&conditioned) } else { key.repr() };
            if let Err(error) = self.key(node, &conditioned, key) {
                let at = if self.generation == Generation::Now { format!("{key_shown} : ") } else { String::new() };
                lines.push(LogLine::error(format!("{place} : {at}{error}")));
                continue;
            }
            match choice {
                Choice::Node(nested) => self.node(nested, lines),
                Choice::Value(Py::Str(_) | Py::Tuple(_) | Py::Dict(_)) => {}
                Choice::Value(other) => lines.push(LogLine::error(format!(
                    "{place} : {key_shown} : Illegal type for selector primitive value {}",
                    other.repr()
                ))),
            }
        }
    }

    fn substituted(&self, node: &Node, key: &Py) -> Vec<String> {
        let mut elements: Vec<Py> = match key {
            Py::Tuple(items) => items.clone(),
            plain => vec![plain.clone()],
        };
        for (parameter, element) in node.parameters.iter().zip(&mut elements) {
            let new = self.substitutions.get(parameter).and_then(|t| t.iter().find(|(old, _)| old == element));
            if let Some((_, new)) = new {
                *element = new.clone();
            }
        }
        condition::key_of(&Py::Tuple(elements), self.generation)
    }

    fn key(&self, node: &Node, conditioned: &[String], key: &Py) -> Result<(), DeriveError> {
        match node.class {
            Selector::Match => {
                for (name, element) in node.parameters.iter().zip(conditioned) {
                    let Some(allowed) = self.allowed.get(name) else { continue };
                    if self.comments.contains(name) {
                        continue;
                    }
                    for member in condition::members(element) {
                        check_value(name, &member, allowed, &self.substitutions, self.generation)?;
                    }
                }
                Ok(())
            }
            Selector::UseAfter | Selector::ClosestTime => {
                if !matches!(key, Py::Str(_)) {
                    return Err(no_date(node, key, self.generation));
                }
                let text = key.text();
                let parsed = dates::parse(&text, self.generation);
                parsed.map(|_| ()).map_err(|error| date_error(node, &text, error, self.generation))
            }
            Selector::VersionAfter if !is_version(&key.text()) => {
                Err(DeriveError::new("AssertionError", format!("Invalid version string {}", key.repr())))
            }
            _ => Ok(()),
        }
    }
}

/// A date that is no text at all.
fn no_date(node: &Node, key: &Py, generation: Generation) -> DeriveError {
    let why = match key {
        Py::Tuple(_) => "'tuple' object has no attribute 'endswith'".to_owned(),
        other => format!("argument of type '{}' is not iterable", other.class_name()),
    };
    let text = date_error(node, "", DeriveError::new("TypeError", why), generation).to_string();
    DeriveError::new("ValidationError", text.replacen("''", &key.repr(), 1))
}

/// The first key of a table of dates that is no text.
fn odd_date_key(node: &Node) -> Option<&Py> {
    node.entries.iter().find_map(|(key, choice)| match choice {
        Choice::Node(nested) => odd_date_key(nested),
        Choice::Value(_) if node.class == Selector::UseAfter && !matches!(key, Py::Str(_)) => Some(key),
        Choice::Value(_) => None,
    })
}
