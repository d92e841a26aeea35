//! Differences between rules (RD 8).

mod statement;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::contexts::{mapping_properties, missing};
use super::insert::match_item;
use super::names::{is_mapping, newer};
use super::rules::{Choice, Node, Rules, lowered};
use super::value::{Py, repr, repr_list, repr_texts};
use super::{DeriveError, Generation, KeyOrder, LogLine, Store, base_name};

pub use statement::{Part, Statement};

/// What to compare and how to show it; the switches of `crds diff`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "the switches of one command, each independent")]
pub struct Options {
    /// Compare headers as well.
    pub include_header_diffs: bool,
    /// One statement per file below an added or deleted map.
    pub recurse_added_deleted: bool,
    /// Leave out changes of name, derived_from, sha1sum, row_keys.
    pub hide_boring_diffs: bool,
    /// Show only the lowest map.
    pub lowest_mapping_only: bool,
    /// Show base names.
    pub remove_paths: bool,
    /// Simple text instead of tuples.
    pub squash_tuples: bool,
    /// Warn of new rules, deletions, reversions.
    pub check_diffs: bool,
    /// Warn of added and deleted references.
    pub check_references: bool,
}

/// What a comparison came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// 0 equal, 1 different, as the differ returns it (the command makes 2 of warnings).
    pub status: u8,
    /// One line per difference, as printed.
    pub lines: Vec<String>,
    /// Instrument -> types that are affected by the structure of the difference (RS 15.5).
    pub affected: BTreeMap<String, BTreeSet<String>>,
    /// Warnings that were asked for.
    pub log: Vec<LogLine>,
}

struct Differ<'a> {
    store: &'a dyn Store,
    options: Options,
    generation: Generation,
    order: KeyOrder,
}

/// A file under the name by which it is shown.
struct Loaded {
    shown: String,
    rules: Rules,
}

/// A set of differences in order.
///
/// `old` and `new` are base names known to `store`; they are shown by their paths.
///
/// # Errors
///
/// Files of different kinds, files that are missing or cannot be loaded.
pub fn mapping_diffs(
    store: &dyn Store,
    old: &str,
    new: &str,
    options: &Options,
    generation: Generation,
) -> Result<Vec<Statement>, DeriveError> {
    let text = |name: &str| store.mapping(name).ok_or_else(|| missing(store, name));
    text_diffs(
        store,
        (&store.mapping_path(old), &text(old)?),
        (&store.mapping_path(new), &text(new)?),
        options,
        generation,
    )
}

/// [`mapping_diffs`] over texts that need not be in the store, each with the path by which it is shown.
///
/// # Errors
///
/// As [`mapping_diffs`].
pub fn text_diffs(
    store: &dyn Store,
    old: (&str, &str),
    new: (&str, &str),
    options: &Options,
    generation: Generation,
) -> Result<Vec<Statement>, DeriveError> {
    same_kind(old.0, new.0)?;
    let differ = Differ { store, options: *options, generation, order: generation.key_order() };
    let (old, new) = (differ.parse(old)?, differ.parse(new)?);
    let mut statements = differ.mappings(&old, &new, &[])?;
    statements.sort();
    Ok(statements)
}

/// Fails unless both are mappings of the same kind.
fn same_kind(old: &str, new: &str) -> Result<(), DeriveError> {
    for path in [old, new] {
        if !is_mapping(path) {
            return Err(DeriveError::new("AssertionError", format!("File {} is not a CRDS mapping.", repr(path))));
        }
    }
    let extension = |path: &str| path.rsplit('.').next().unwrap_or("").to_owned();
    if extension(old) != extension(new) {
        let why = format!(
            "Files {} and {} are not the same kind of CRDS mapping:  .pmap, .imap, .rmap",
            repr(old),
            repr(new)
        );
        return Err(DeriveError::new("AssertionError", why));
    }
    Ok(())
}

/// Compares and formats as `crds diff` does.
///
/// # Errors
///
/// As [`mapping_diffs`].
pub fn report(
    store: &dyn Store,
    old: &str,
    new: &str,
    options: &Options,
    generation: Generation,
) -> Result<Report, DeriveError> {
    same_kind(old, new)?;
    let observatory = super::names::observatory_of(old);
    let mut statements = mapping_diffs(store, old, new, options, generation)?;
    if options.hide_boring_diffs {
        statements.retain(|s| !s.is_boring());
    }
    let status = u8::from(!statements.is_empty());
    let mut log = Vec::new();
    let pairs: BTreeSet<(String, String)> = statements
        .iter()
        .flat_map(|s| &s.path)
        .filter_map(|part| match part {
            Part::Tuple(items) if items.len() == 2 && is_mapping(&items[0]) => {
                Some((items[0].clone(), items[1].clone()))
            }
            _ => None,
        })
        .chain([(old.to_owned(), new.to_owned())])
        .collect();
    if options.check_references {
        for (a, b) in &pairs {
            compare_references(store, a, b, &mut log)?;
        }
    }
    if options.check_diffs {
        log.extend(check_diffs(&statements));
    }
    for line in &mut log {
        line.text = super::log::annotated(observatory, std::mem::take(&mut line.text));
    }
    let lines = statements
        .into_iter()
        .map(|statement| {
            let statement = simplified(statement, options);
            let line = if options.squash_tuples { statement.squashed() } else { statement.shown() };
            // A client that runs for one comparison prints JWST's keywords without notes. Notes come once it has
            // loaded JWST's names, as the recordings' process had: `affected` below makes it do so.
            super::log::annotated(observatory, line)
        })
        .collect();
    let affected = affected(store, old, new, generation)?;
    Ok(Report { status, lines, affected, log })
}

fn simplified(mut statement: Statement, options: &Options) -> Statement {
    if options.lowest_mapping_only {
        let lowest = statement.path.iter().rev().find(|part| part.is_pair()).cloned();
        statement.path.retain(|part| match (part, &lowest) {
            (Part::Tuple(items), Some(Part::Tuple(lowest))) if part.is_pair() => items[0] == lowest[0],
            _ => true,
        });
    }
    if options.remove_paths {
        for part in &mut statement.path {
            if let (true, Part::Tuple(items)) = (part.is_pair(), &mut *part) {
                *items = items.iter().map(|path| base_name(path).to_owned()).collect();
            }
        }
    }
    statement
}

/// Warnings about differences: new and deleted rules, deletions, reversions (RD 7.4).
pub(crate) fn check_diffs(statements: &[Statement]) -> Vec<LogLine> {
    let mut sorted: Vec<(String, &Statement)> = statements.iter().map(|s| (s.action(), s)).collect();
    sorted.sort();
    let mut log = Vec::new();
    for (action, statement) in sorted {
        let warn = |what: &str| LogLine::warning(format!("{what} {} {}", statement.tail(), statement.text));
        match action.as_str() {
            action if action.contains("header") => {}
            "add" => {}
            action if action.contains("rule") => log.push(warn("Rule change at")),
            "replace" => match replaced_names(&statement.text) {
                None => log.push(warn("Unusual replacement")),
                Some((old, new)) => {
                    let (verdict, lines) = newer(&new, &old);
                    log.extend(lines);
                    match verdict {
                        Ok(true) => {}
                        Ok(false) => log.push(warn("Reversion at")),
                        Err(error) => log.push(LogLine::error(error.to_string())),
                    }
                }
            },
            "delete" => log.push(warn("Deletion at")),
            "parkey_difference" => log.push(warn("Different lookup parameters")),
            _ => log.push(warn("Different classes at")),
        }
    }
    log
}

/// Old and new name of `replaced 'a' with 'b'`.
fn replaced_names(text: &str) -> Option<(String, String)> {
    let rest = text.split_once("replaced '")?.1;
    let at = rest.rfind("' with '")?;
    let end = rest.rfind('\'').filter(|end| *end > at + 8)?;
    Some((rest[..at].to_owned(), rest[at + 8..end].to_owned()))
}

fn compare_references(store: &dyn Store, old: &str, new: &str, log: &mut Vec<LogLine>) -> Result<(), DeriveError> {
    let (before, after) = (reference_names(store, old)?, reference_names(store, new)?);
    for (what, names) in [("Deleted", &before - &after), ("Added", &after - &before)] {
        if !names.is_empty() {
            let names: Vec<&String> = names.iter().collect();
            log.push(LogLine::warning(format!(
                "{what} references for {} and {} = {}",
                repr(old),
                repr(new),
                repr_list(&names)
            )));
        }
    }
    Ok(())
}

/// Names of all references below a mapping.
///
/// # Errors
///
/// A mapping that is missing or cannot be loaded.
pub fn reference_names(store: &dyn Store, name: &str) -> Result<BTreeSet<String>, DeriveError> {
    let text = store.mapping(base_name(name)).ok_or_else(|| missing(store, name))?;
    let rules = Rules::load(&text, name, Generation::Now, KeyOrder::Text)?;
    let mut names = BTreeSet::new();
    if let Some(tree) = rules.tree() {
        let mut all = Vec::new();
        tree.collect_names(&mut all);
        names.extend(all.into_iter().filter(|name| !is_special(name)));
    }
    for (_, value) in rules.table() {
        let nested = value.text();
        if !is_special(&nested) {
            names.extend(reference_names(store, &nested)?);
        }
    }
    Ok(names)
}

/// Values that stand for no file.
pub(crate) fn is_special(value: &str) -> bool {
    matches!(value, "N/A" | "TEMP_N/A" | "n/a" | "temp_n/a" | "OMIT" | "TEMP_OMIT" | "omit")
}

/// Instruments and types touched by the difference of two mappings.
///
/// # Errors
///
/// As [`mapping_diffs`].
pub fn affected(
    store: &dyn Store,
    old: &str,
    new: &str,
    generation: Generation,
) -> Result<BTreeMap<String, BTreeSet<String>>, DeriveError> {
    let observatory = super::names::observatory_of(old);
    let mut out: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut instrument, mut filekind) = (String::new(), String::new());
    for statement in mapping_diffs(store, old, new, &Options::default(), generation)? {
        if statement.is_boring() {
            continue;
        }
        let text = &statement.text;
        let whole_map = (text.starts_with("added") || text.starts_with("deleted")) && text.ends_with(".rmap'");
        for part in &statement.path {
            match part {
                Part::Tuple(items) if items.len() == 2 && is_mapping(&items[0]) => {
                    (instrument, filekind) = mapping_properties(store, observatory, &items[0])?;
                }
                _ if whole_map => {
                    let name = text.rsplit(' ').next().unwrap_or("").replace('\'', "");
                    (instrument, filekind) = mapping_properties(store, observatory, &name)?;
                }
                _ => {}
            }
            if !instrument.trim().is_empty() && !filekind.trim().is_empty() {
                out.entry(instrument.clone()).or_default().insert(filekind.clone());
            }
        }
    }
    Ok(out)
}

impl Differ<'_> {
    fn parse(&self, (shown, text): (&str, &str)) -> Result<Loaded, DeriveError> {
        Ok(Loaded { shown: shown.to_owned(), rules: Rules::load(text, shown, self.generation, self.order)? })
    }

    fn load(&self, name: &str) -> Result<Loaded, DeriveError> {
        let text = self.store.mapping(name).ok_or_else(|| missing(self.store, name))?;
        self.parse((name, &text))
    }

    fn mappings(
        &self,
        old: &Loaded,
        new: &Loaded,
        above: &[(Part, Vec<String>)],
    ) -> Result<Vec<Statement>, DeriveError> {
        let pair = Part::Tuple(vec![old.shown.clone(), new.shown.clone()]);
        let mut path = above.to_vec();
        path.push((pair, vec![diff_name(&old.rules)]));
        let mut out = Vec::new();
        if self.options.include_header_diffs {
            self.headers(&old.rules, &new.rules, &path, &mut out);
        }
        match (old.rules.tree(), new.rules.tree()) {
            (Some(a), Some(b)) => self.selectors(a, b, &path, true, &mut out),
            _ => self.tables(old, new, above, &path, &mut out)?,
        }
        Ok(out)
    }

    fn headers(&self, old: &Rules, new: &Rules, path: &[(Part, Vec<String>)], out: &mut Vec<Statement>) {
        let view = |value: &Py| match value {
            Py::Str(text) => repr(&lowered(text)),
            other => other.repr(),
        };
        let same = |a: &Py, b: &Py| match (a, b) {
            (Py::Str(a), Py::Str(b)) => lowered(a) == lowered(b),
            _ => a.identity() == b.identity(),
        };
        for (key, value) in &old.header {
            match new.get(key) {
                None => out.push(statement(path, format!("deleted header {} = {}", repr(key), view(value)))),
                Some(other) if !same(value, other) => out.push(statement(
                    path,
                    format!("header replaced {} = {} with {}", repr(key), view(value), view(other)),
                )),
                Some(_) => {}
            }
        }
        for (key, value) in new.header.iter().filter(|(key, _)| old.get(key).is_none()) {
            out.push(statement(path, format!("header added {} = {}", repr(key), view(value))));
        }
    }

    /// imaps and pmaps.
    fn tables(
        &self,
        old: &Loaded,
        new: &Loaded,
        above: &[(Part, Vec<String>)],
        path: &[(Part, Vec<String>)],
        out: &mut Vec<Statement>,
    ) -> Result<(), DeriveError> {
        let table = |rules: &Rules| -> Vec<(String, String)> {
            rules.table().iter().map(|(k, v)| (k.text().to_lowercase(), v.text())).collect()
        };
        let (before, after) = (table(&old.rules), table(&new.rules));
        let value =
            |table: &[(String, String)], key: &str| table.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v.clone());
        let parkey: Vec<String> = old.rules.names_of("parkey");
        let single: Vec<(Part, Vec<String>)> = above
            .iter()
            .cloned()
            .chain([(Part::Tuple(vec![old.shown.clone()]), vec![diff_name(&old.rules)])])
            .collect();
        let at = |key: &str| {
            let mut here = path.to_vec();
            here.push((Part::Tuple(vec![key.to_owned()]), parkey.clone()));
            here
        };
        let recurse = self.options.recurse_added_deleted;
        let same_base = base_name(&old.shown) == base_name(&new.shown);
        for (key, was) in &before {
            let Some(is) = value(&after, key) else {
                // The files of a map that is gone come with it if asked for.
                let mut nested = Vec::new();
                if recurse && !is_special(was) {
                    self.files("deleted", &self.load(was)?, &single, &mut nested)?;
                }
                if !(same_base && nested.is_empty()) {
                    out.push(statement(&at(key), format!("deleted {}", repr(was))));
                }
                out.extend(nested);
                continue;
            };
            if *was == is {
                continue;
            }
            let mut nested = Vec::new();
            let mut changed = true;
            match (is_special(was), is_special(&is)) {
                (false, false) => {
                    let (a, b) = (self.load(was)?, self.load(&is)?);
                    changed = a.rules.name_of("sha1sum") != b.rules.name_of("sha1sum");
                    nested = self.mappings(&a, &b, path)?;
                    if self.generation == Generation::Y2014 && nested.is_empty() {
                        changed = false;
                    }
                }
                (false, true) if recurse => self.files("deleted", &self.load(was)?, &single, &mut nested)?,
                (true, false) if recurse => self.files("added", &self.load(&is)?, &single, &mut nested)?,
                _ => {}
            }
            if changed && !(same_base && nested.is_empty()) {
                out.push(statement(&at(key), format!("replaced {} with {}", repr(was), repr(&is))));
            }
            out.extend(nested);
        }
        for (key, is) in after.iter().filter(|(key, _)| value(&before, key).is_none()) {
            out.push(statement(&at(key), format!("added {}", repr(is))));
            if recurse && !is_special(is) {
                self.files("added", &self.load(is)?, &single, out)?;
            }
        }
        Ok(())
    }

    /// One statement per file below an added or deleted map.
    fn files(
        &self,
        what: &str,
        map: &Loaded,
        path: &[(Part, Vec<String>)],
        out: &mut Vec<Statement>,
    ) -> Result<(), DeriveError> {
        let name = vec![diff_name(&map.rules)];
        if let Some(tree) = map.rules.tree() {
            let mut here = path.to_vec();
            // The client adds the bare file name here, not a tuple of it.
            here.push((Part::Key(map.shown.clone()), name));
            flat(tree, &format!("{what} terminal"), &here, out);
            return Ok(());
        }
        for (key, value) in map.rules.table() {
            let (key, value) = (key.text().to_lowercase(), value.text());
            let mut here = path.to_vec();
            if is_special(&value) {
                here.push((Part::Tuple(vec![map.shown.clone()]), name.clone()));
                here.push((Part::Tuple(vec![key]), map.rules.names_of("parkey")));
                out.push(statement(&here, format!("{what} {}", repr(&value))));
            } else {
                here.push((Part::Key(key), name.clone()));
                self.files(what, &self.load(&value)?, &here, out)?;
            }
        }
        Ok(())
    }

    fn identity(&self, node: &Node, key: &Py) -> String {
        match self.generation {
            // The client of 2014 compared conditioned keys.
            Generation::Y2014 if node.class == crate::rules::syntax::Selector::Match => {
                super::condition::key_of(key, self.generation).join("\u{1f}")
            }
            _ => key.identity(),
        }
    }

    fn selectors(&self, old: &Node, new: &Node, path: &[(Part, Vec<String>)], top: bool, out: &mut Vec<Statement>) {
        if old.class != new.class {
            let text = format!("different classes {} : {}", old.class.as_str(), new.class.as_str());
            out.push(statement(path, text));
            return;
        }
        if old.parameters != new.parameters {
            let text =
                format!("different parameter lists  {} : {}", repr_texts(&old.parameters), repr_texts(&new.parameters));
            out.push(statement(path, text));
            return;
        }
        let index = |node: &Node| -> HashMap<String, usize> {
            node.entries.iter().enumerate().map(|(n, (key, _))| (self.identity(node, key), n)).collect()
        };
        let (before, after) = (index(old), index(new));
        let class = old.class.as_str();
        let gone = |what: &str, node: &Node, key: &Py, choice: &Choice, out: &mut Vec<Statement>| match choice {
            Choice::Node(nested) => flat(nested, &format!("{what} {class} rule for"), &deeper(path, node, key), out),
            Choice::Value(value) => {
                let kind = if top { format!("{class} rule for") } else { "terminal".to_owned() };
                out.push(statement(&leaf(path, node, key), format!("{what} {kind} {}", value.repr())));
            }
        };
        for (key, choice) in &old.entries {
            let Some(other) = after.get(&self.identity(old, key)).map(|n| &new.entries[*n].1) else {
                gone("deleted", old, key, choice, out);
                continue;
            };
            match (choice, other) {
                (Choice::Node(a), Choice::Node(b)) => self.selectors(a, b, &deeper(path, old, key), false, out),
                (Choice::Node(a), Choice::Value(value)) => {
                    let kind = match value {
                        Py::Str(text) if text == "N/A" => "N/A",
                        Py::Str(_) => "str",
                        Py::Tuple(_) => "tuple",
                        _ => "dict",
                    };
                    let text = format!("different classes {} : {kind}", a.class.as_str());
                    out.push(statement(&deeper(path, old, key), text));
                }
                (Choice::Value(a), Choice::Value(b)) if a.identity() == b.identity() => {}
                (Choice::Value(a), other) => {
                    let shown = match other {
                        Choice::Value(value) => value.repr(),
                        Choice::Node(node) => format!(
                            "{}Selector({}, nselections={})",
                            node.class.as_str(),
                            repr_texts(&node.parameters),
                            node.entries.len()
                        ),
                    };
                    out.push(statement(&leaf(path, old, key), format!("replaced {} with {shown}", a.repr())));
                }
            }
        }
        for (key, choice) in new.entries.iter().filter(|(key, _)| !before.contains_key(&self.identity(new, key))) {
            gone("added", new, key, choice, out);
        }
    }
}

fn diff_name(rules: &Rules) -> String {
    match rules.name_of("mapping").as_str() {
        "pipeline" => "PipelineContext",
        "instrument" => "InstrumentContext",
        _ => "ReferenceMapping",
    }
    .to_owned()
}

fn statement(path: &[(Part, Vec<String>)], text: String) -> Statement {
    let (path, parameters) = path.iter().cloned().unzip();
    Statement { path, parameters, text }
}

fn key_part(node: &Node, key: &Py) -> (Part, Vec<String>) {
    let values = match_item(node, key).into_iter().map(|(_, value)| value).collect();
    (Part::Tuple(values), node.parameters.clone())
}

fn deeper(path: &[(Part, Vec<String>)], node: &Node, key: &Py) -> Vec<(Part, Vec<String>)> {
    path.iter().cloned().chain([key_part(node, key)]).collect()
}

/// The path to an entry: its key is left out when Python calls it false.
fn leaf(path: &[(Part, Vec<String>)], node: &Node, key: &Py) -> Vec<(Part, Vec<String>)> {
    let empty = match key {
        Py::Tuple(items) | Py::List(items) => items.is_empty(),
        Py::Str(text) => text.is_empty(),
        Py::None | Py::Bool(false) => true,
        Py::Int(digits) => digits == "0",
        Py::Float(number) => *number == 0.0,
        _ => false,
    };
    if empty { path.to_vec() } else { deeper(path, node, key) }
}

/// One statement for each file below.
fn flat(node: &Node, change: &str, path: &[(Part, Vec<String>)], out: &mut Vec<Statement>) {
    for (key, choice) in &node.entries {
        match choice {
            Choice::Node(nested) => flat(nested, change, &deeper(path, node, key), out),
            Choice::Value(value) => out.push(statement(&leaf(path, node, key), format!("{change} {}", value.repr()))),
        }
    }
}
