//! Insertion of references into rules, deletion from them (RD 2, 3).

use std::collections::{BTreeMap, HashMap};

use super::allowed::{Allowed, allowed_values, check_value, header_substitutions};
use super::matching::{Keywords, matching_header};
use super::pprint;
use super::rules::{Body, Choice, Node, Rules, compare};
use super::value::{Py, repr, repr_texts, repr_tuple};
use super::{DeriveError, Derived, Generation, KeyOrder, LogLine, Reference, base_name, condition, dates};
use crate::rules::syntax::Selector;

/// What an insertion knows besides the tree.
struct Insertion<'a> {
    keywords: &'a Keywords,
    allowed: &'a Allowed,
    substitutions: BTreeMap<String, Vec<(Py, Py)>>,
    comments: Vec<String>,
    /// Equal-weight special cases are refused (JWST, Roman, or header `merge_overlaps` false).
    strict: bool,
    observatory: String,
    generation: Generation,
    order: KeyOrder,
}

/// Inserts references into a rules file, one after another.
///
/// `rmap_name` is the parent's file name: it becomes `derived_from`. The header's `name` stays (see [`super::record`]).
///
/// # Errors
///
/// The client's refusals: bad USEAFTER, values that are not allowed, ambiguous cases, rules that cannot be loaded.
pub fn insert(
    rmap_name: &str,
    rmap_text: &str,
    references: &[Reference],
    generation: Generation,
) -> Result<Derived, DeriveError> {
    insert_ordered(rmap_name, rmap_text, references, generation, generation.key_order())
}

/// [`insert`] with a key order of its own.
///
/// # Errors
///
/// As [`insert`].
pub fn insert_ordered(
    rmap_name: &str,
    rmap_text: &str,
    references: &[Reference],
    generation: Generation,
    order: KeyOrder,
) -> Result<Derived, DeriveError> {
    let mut rules = Rules::load(rmap_text, rmap_name, generation, order)?;
    let mut log = Vec::new();
    let mut cases: HashMap<Vec<Vec<(String, String)>>, String> = HashMap::new();
    let mut overlaps = Vec::new();
    for reference in references {
        let file = base_name(&reference.name);
        log.push(LogLine::info(format!("Inserting {file} into {}", repr(&rules.name_of("name")))));
        let keywords = matching_header(&rules, &reference.header, generation, &mut log)?;
        insert_one(&mut rules, &keywords, file, generation, order)?;
        if generation == Generation::Now {
            report_collisions(&rules, file, &mut cases, &mut log, &mut overlaps);
        }
    }
    let observatory = rules.name_of("observatory");
    for line in &mut log {
        line.text = super::log::annotated(&observatory, std::mem::take(&mut line.text));
    }
    rules.set("derived_from", base_name(rmap_name));
    let text = rules.finished(generation);
    if generation == Generation::Y2014 {
        // The variant that the server of 2014 used asserts that every name arrived.
        for reference in references.iter().map(|r| base_name(&r.name)) {
            if !text.contains(reference) {
                let why = format!(
                    "Rules update failure. {} does not appear in new rmap.  May be identical match with other submitted references.",
                    repr(reference)
                );
                return Err(DeriveError::new("AssertionError", why));
            }
        }
    }
    Ok(Derived { text, log, overlaps })
}

/// Inserts one file; also used for the trial insertion of certification.
pub(crate) fn insert_one(
    rules: &mut Rules,
    keywords: &Keywords,
    file: &str,
    generation: Generation,
    order: KeyOrder,
) -> Result<(), DeriveError> {
    let allowed = allowed_values(rules, generation)?;
    let observatory = rules.name_of("observatory");
    let merge = rules.get("merge_overlaps").is_none_or(|v| matches!(v.text().to_uppercase().as_str(), "TRUE" | "1"));
    let insertion = Insertion {
        keywords,
        allowed: &allowed,
        substitutions: header_substitutions(rules),
        comments: rules.names_of("comment_parkeys").iter().map(|k| k.to_uppercase()).collect(),
        strict: observatory != "hst" || !merge,
        observatory,
        generation,
        order,
    };
    let (levels, classes) = (rules.parkey_levels(), rules.classes());
    let name = rules.name_of("name");
    let parkey = rules.get("parkey").map(Py::repr).unwrap_or_default();
    let Body::Tree(tree) = &mut rules.body else {
        return Err(DeriveError::new("AttributeError", "'dict' object has no attribute 'insert'"));
    };
    insertion.walk(tree, file, &levels, &classes).map_err(|error| match generation {
        Generation::Y2014 => error,
        Generation::Now => {
            let context = format!(
                "Failed inserting {} into rmap: {} with header:\n {} \n\nparkey: {} \nclasses: {} \nvalid_values:\n {} \n",
                repr(file),
                repr(&name),
                pprint::texts(keywords),
                repr(&parkey),
                repr_texts(&classes),
                pprint::tuples(&allowed),
            );
            error.within("MappingInsertionError", &context)
        }
    })
}

impl Insertion<'_> {
    fn walk(&self, node: &mut Node, file: &str, levels: &[Vec<String>], classes: &[String]) -> Result<(), DeriveError> {
        let Some((level, below)) = levels.split_first() else {
            return Err(DeriveError::new("IndexError", "tuple index out of range"));
        };
        let key = self.make_key(node.class, level)?;
        self.check_key(node, &key)?;
        let found = self.find(node, &key);
        let deeper = classes.get(1..).unwrap_or_default();
        match (found, deeper.is_empty()) {
            (Some(at), false) => {
                if let Choice::Node(nested) = &mut node.entries[at].1 {
                    return self.walk(nested, file, below, deeper);
                }
                if self.generation == Generation::Y2014 {
                    return Err(DeriveError::new("AttributeError", "'str' object has no attribute '_insert'"));
                }
                node.entries[at].1 = self.path(file, below, deeper)?;
            }
            (None, false) => node.entries.push((key, self.path(file, below, deeper)?)),
            (Some(at), true) => {
                // The entry takes the new spelling of its key; in 2014 it kept the old one.
                if self.generation == Generation::Now {
                    node.entries.remove(at);
                    node.entries.push((key, Choice::Value(Py::str(file))));
                } else {
                    node.entries[at].1 = Choice::Value(Py::str(file));
                }
            }
            (None, true) => node.entries.push((key, Choice::Value(Py::str(file)))),
        }
        node.sort(self.order);
        Ok(())
    }

    /// New selectors for the remaining levels, holding the one file. Their keys are not checked.
    fn path(&self, file: &str, levels: &[Vec<String>], classes: &[String]) -> Result<Choice, DeriveError> {
        let Some((class, classes)) = classes.split_first() else { return Ok(Choice::Value(Py::str(file))) };
        let Some((level, below)) = levels.split_first() else {
            return Err(DeriveError::new("IndexError", "tuple index out of range"));
        };
        let selector = Selector::from_name(class).ok_or_else(|| {
            let why = format!("module 'crds.core.selectors' has no attribute '{class}Selector'");
            DeriveError::new("AttributeError", why)
        })?;
        let mut node = Node::new(selector, level.clone());
        node.entries.push((self.make_key(selector, level)?, self.path(file, below, classes)?));
        Ok(Choice::Node(node))
    }

    fn value(&self, parkey: &str) -> Result<&str, DeriveError> {
        self.keywords.get(parkey).map(String::as_str).ok_or_else(|| DeriveError::new("KeyError", repr(parkey)))
    }

    fn make_key(&self, class: Selector, level: &[String]) -> Result<Py, DeriveError> {
        let values = level.iter().map(|parkey| self.value(parkey)).collect::<Result<Vec<_>, _>>()?;
        match class {
            Selector::UseAfter | Selector::ClosestTime => Ok(Py::Str(values.join(" "))),
            Selector::VersionAfter => Ok(Py::Str(condition::compressed(&values.join(".")))),
            Selector::Bracket | Selector::GeometricallyNearest => match values.as_slice() {
                [one] => Ok(Py::Float(dates::float(one)?)),
                _ => Err(DeriveError::new("AssertionError", "Only one parkey is supported")),
            },
            Selector::Match | Selector::SelectVersion => {
                let element = |text: &str| match self.generation {
                    // The server of 2014 took an or-list as it was written in the file.
                    Generation::Y2014 => Py::str(text),
                    Generation::Now => Py::str(condition::compressed(text)),
                };
                Ok(match values.as_slice() {
                    [one] => element(one),
                    many => Py::Tuple(many.iter().map(|text| element(text)).collect()),
                })
            }
        }
    }

    fn find(&self, node: &Node, key: &Py) -> Option<usize> {
        if node.class != Selector::Match {
            return node.entries.iter().position(|(old, _)| compare(old, key, KeyOrder::Numeric).is_eq());
        }
        let wanted = self.conditioned(key);
        node.entries.iter().position(|(old, _)| {
            let old = self.conditioned(old);
            old.len() == wanted.len()
                && old
                    .iter()
                    .zip(&wanted)
                    .zip(&node.parameters)
                    .all(|((a, b), parameter)| a == b || self.comments.contains(&parameter.to_uppercase()))
        })
    }

    fn conditioned(&self, key: &Py) -> Vec<String> {
        condition::key_of(key, self.generation)
    }

    fn check_key(&self, node: &Node, key: &Py) -> Result<(), DeriveError> {
        match node.class {
            Selector::Match => self.check_match_key(node, key),
            Selector::UseAfter | Selector::ClosestTime => {
                let text = key.text();
                dates::parse(&text, self.generation)
                    .map(|_| ())
                    .map_err(|error| date_error(node, &text, error, self.generation))
            }
            Selector::VersionAfter => {
                let text = key.text();
                if is_version(&text) {
                    return Ok(());
                }
                Err(DeriveError::new("AssertionError", format!("Invalid version string {}", repr(&text))))
            }
            _ => Ok(()),
        }
    }

    fn check_match_key(&self, node: &Node, key: &Py) -> Result<(), DeriveError> {
        let elements: Vec<String> = match key {
            Py::Tuple(items) => items.iter().map(Py::text).collect(),
            plain => vec![plain.text()],
        };
        if elements.len() != node.parameters.len() {
            let why = format!(
                "wrong length for parameter list {} for key {}",
                repr_texts(&node.parameters),
                repr_tuple(elements.iter().map(|e| repr(e)))
            );
            return Err(DeriveError::new("ValidationError", why));
        }
        for (name, element) in node.parameters.iter().zip(&elements) {
            let Some(allowed) = self.allowed.get(name) else { continue };
            if self.comments.contains(name) {
                continue;
            }
            let members = match self.generation {
                Generation::Now => condition::members(element),
                Generation::Y2014 => {
                    element.split('|').map(|m| m.trim().to_owned()).filter(|m| !m.is_empty()).collect()
                }
            };
            for member in &members {
                check_value(name, member, allowed, &self.substitutions, self.generation)?;
            }
        }
        if self.strict && self.generation == Generation::Now { self.check_ambiguity(node, &elements) } else { Ok(()) }
    }

    /// RD 2.2, 2.3: an existing case that matches whenever the new one does, with the same weight.
    fn check_ambiguity(&self, node: &Node, elements: &[String]) -> Result<(), DeriveError> {
        let key: Vec<String> = elements.iter().map(|e| condition::value(e)).collect();
        for (old, choice) in &node.entries {
            let other = self.substituted(node, old);
            if key != other && is_superset(&other, &key) && !different_weight(&key, &other) {
                let same = node.entries.iter().find(|(old, _)| self.substituted(node, old) == key);
                // First date and file are shown only where both cases have them.
                let places = first_file(same.map(|(_, choice)| choice))
                    .zip(first_file(Some(choice)))
                    .map(|(new, old)| (place_of(node, &new), place_of(node, &old)));
                let (new_place, old_place) = places.unwrap_or_default();
                let why = format!(
                    "\n{dashes}\nMatch case\n{}\nis an equal weight special case of\n{}\nCancel the submission and regenerate the reference files\nwith different parameter values which coincide with an existing category.\nFor some parameter sets, CRDS interprets both matches as equally good.\nFor more explanation, see the file submission section of the CRDS server user's guide here:\nhttps://{}-crds.stsci.edu/static/users_guide/index.html\n{dashes}",
                    repr_texts(&key) + &new_place,
                    repr_texts(&other) + &old_place,
                    self.observatory,
                    dashes = "-".repeat(40),
                );
                return Err(DeriveError::new("AmbiguousMatchError", why));
            }
        }
        Ok(())
    }

    /// A key as lookups see it: the header's substitutions applied, then conditioned.
    fn substituted(&self, node: &Node, key: &Py) -> Vec<String> {
        let replace = |parameter: &String, element: &Py| {
            let table = self.substitutions.get(parameter)?;
            table.iter().find(|(old, _)| old == element).map(|(_, new)| new.clone())
        };
        let elements: Vec<Py> = match key {
            Py::Tuple(items) => items.clone(),
            plain => vec![plain.clone()],
        };
        let mut elements = elements;
        for (parameter, element) in node.parameters.iter().zip(&mut elements) {
            if let Some(new) = replace(parameter, element) {
                *element = new;
            }
        }
        elements.iter().map(condition::element).collect()
    }
}

/// The text in which a bad date of a key is reported.
pub(crate) fn date_error(node: &Node, text: &str, error: DeriveError, generation: Generation) -> DeriveError {
    let equals = if generation == Generation::Now { "value =" } else { "value=" };
    let gap = if generation == Generation::Now { " " } else { "" };
    let shown = format!(
        "UseAfter Invalid date/time format for {} {equals}{gap}{} exception is {}",
        repr_texts(&node.parameters),
        repr(text),
        repr(&error.to_string())
    );
    match generation {
        Generation::Now => error.retold("ValidationError", shown),
        Generation::Y2014 => DeriveError::new("ValidationError", shown),
    }
}

/// `d{1,8}[.d{1,8}[.d{1,8}]]` and up to 128 more characters (RS 9.7).
pub(crate) fn is_version(text: &str) -> bool {
    let number = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut rest = text;
    for level in 0..3 {
        let digits = number(rest).min(8);
        if digits == 0 {
            if level == 0 {
                return false;
            }
            break;
        }
        rest = &rest[digits..];
        match rest.strip_prefix('.') {
            Some(after) if level < 2 && after.starts_with(|c: char| c.is_ascii_digit()) => rest = after,
            _ => break,
        }
    }
    rest.len() <= 128 && rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b'.' | b'-'))
}

/// The file at the first date of a case.
fn first_file(case: Option<&Choice>) -> Option<String> {
    match case {
        Some(Choice::Node(nested)) => nested.entries.first().map(|(_, choice)| match choice {
            Choice::Value(name) => name.text(),
            Choice::Node(_) => String::new(),
        }),
        _ => None,
    }
}

/// How a file is told in the text about ambiguous cases: the date of its first case, its name.
fn place_of(node: &Node, file: &str) -> String {
    let dates = file_matches(node, file).first().and_then(|case| case.last()).map(|level| {
        let values: Vec<&str> = level.iter().map(|(_, value)| value.as_str()).collect();
        format!(" : UseAfter({{\n    '{}'", values.join(" "))
    });
    format!("{} : {file}", dates.unwrap_or_default())
}

fn is_superset(general: &[String], special: &[String]) -> bool {
    general.iter().zip(special).all(|(a, b)| {
        if a == b || a == "*" || b == "N/A" || (a == "N/A" && b == "*") {
            return true;
        }
        if b == "*" {
            return false;
        }
        let (a, b) = (condition::members(a), condition::members(b));
        let (a, b): (std::collections::BTreeSet<_>, std::collections::BTreeSet<_>) =
            (a.iter().collect(), b.iter().collect());
        a.is_superset(&b) && a.len() > b.len()
    })
}

fn different_weight(special: &[String], general: &[String]) -> bool {
    let missing = |a: &[String], b: &[String]| a.iter().zip(b).filter(|(x, y)| *x == "N/A" && *y != "N/A").count();
    missing(special, general) != missing(general, special)
}

/// One line for each case that two files of a batch share: the later one holds the place.
fn report_collisions(
    rules: &Rules,
    file: &str,
    seen: &mut HashMap<Vec<Vec<(String, String)>>, String>,
    log: &mut Vec<LogLine>,
    overlaps: &mut Vec<String>,
) {
    let Some(tree) = rules.tree() else { return };
    let observatory = rules.name_of("observatory");
    for case in file_matches(tree, file) {
        if let Some(first) = seen.get(&case) {
            overlaps.push(format!(
                "Matching case for {} exactly overlaps {} at case {} replacing it.",
                repr(file),
                repr(first),
                plain_case(&case)
            ));
            log.push(LogLine::error(collision_text(file, first, &case, &observatory)));
        } else {
            seen.insert(case, file.to_owned());
        }
    }
}

fn collision_text(later: &str, earlier: &str, case: &[Vec<(String, String)>], observatory: &str) -> String {
    format!(
        "{}\nBoth {} and {} identically match case:\n {} \nEach reference would replace the other in the rmap.\nEither reference file matching parameters need correction\nor additional matching parameters should be added to the rmap\nto enable CRDS to differentiate between the two files.\nSee the file submission section of the CRDS server user's guide here:\n    https://{observatory}-crds.stsci.edu/static/users_guide/index.html\nfor more explanation.",
        "-".repeat(40),
        repr(later),
        repr(earlier),
        pretty_case(case),
    )
}

/// A tuple of items that are written already.
fn tuple(items: &[String], separator: &str) -> String {
    match items {
        [one] => format!("({one},)"),
        many => format!("({})", many.join(separator)),
    }
}

/// The pairs of a case's levels, written.
fn written(case: &[Vec<(String, String)>]) -> Vec<Vec<String>> {
    let pair = |(k, v): &(String, String)| format!("({}, {})", repr(k), repr(v));
    case.iter().map(|level| level.iter().map(pair).collect()).collect()
}

/// The case on one line.
fn plain_case(case: &[Vec<(String, String)>]) -> String {
    tuple(&written(case).iter().map(|level| tuple(level, ", ")).collect::<Vec<_>>(), ", ")
}

/// The case as Python's pretty printer breaks it: on one line where it fits into 80 columns, else one item a line.
fn pretty_case(case: &[Vec<(String, String)>]) -> String {
    let flat = written(case);
    let one_line = plain_case(case);
    if one_line.len() <= 80 {
        return one_line;
    }
    let last = flat.len().saturating_sub(1);
    let levels: Vec<String> = flat
        .iter()
        .enumerate()
        .map(|(n, level)| {
            let joined = tuple(level, ", ");
            let room = if n == last { 78 } else { 79 };
            if joined.len() < room { joined } else { tuple(level, ",\n  ") }
        })
        .collect();
    tuple(&levels, ",\n ")
}

/// All ways through the tree that end at `file`: per level the parameters with the key's values.
pub(crate) fn file_matches(node: &Node, file: &str) -> Vec<Vec<Vec<(String, String)>>> {
    fn walk(
        node: &Node,
        file: &str,
        so_far: &mut Vec<Vec<(String, String)>>,
        out: &mut Vec<Vec<Vec<(String, String)>>>,
    ) {
        for (key, choice) in &node.entries {
            so_far.push(match_item(node, key));
            match choice {
                Choice::Node(nested) => walk(nested, file, so_far, out),
                Choice::Value(value) if value.as_str() == Some(file) => out.push(so_far.clone()),
                Choice::Value(_) => {}
            }
            so_far.pop();
        }
    }
    let mut out = Vec::new();
    walk(node, file, &mut Vec::new(), &mut out);
    out.sort();
    out
}

/// Parameters of a selector with the texts of one of its keys.
pub(crate) fn match_item(node: &Node, key: &Py) -> Vec<(String, String)> {
    let texts: Vec<String> = match (node.class, key) {
        (Selector::UseAfter | Selector::ClosestTime, key) if node.parameters.len() != 1 => {
            key.text().split_whitespace().map(str::to_owned).collect()
        }
        (Selector::VersionAfter, key) if node.parameters.len() != 1 => {
            key.text().split('.').map(str::to_owned).collect()
        }
        (_, Py::Tuple(items)) => items.iter().map(Py::text).collect(),
        (_, plain) => vec![plain.text()],
    };
    node.parameters.iter().cloned().zip(texts).collect()
}

/// Deletes files by name from a rules file.
///
/// # Errors
///
/// A name that does not occur; a name that still occurs in the text afterwards.
pub fn delete(
    rmap_name: &str,
    rmap_text: &str,
    names: &[&str],
    generation: Generation,
) -> Result<Derived, DeriveError> {
    delete_ordered(rmap_name, rmap_text, names, generation, generation.key_order())
}

/// [`delete`] with a key order of its own.
///
/// # Errors
///
/// As [`delete`].
pub fn delete_ordered(
    rmap_name: &str,
    rmap_text: &str,
    names: &[&str],
    generation: Generation,
    order: KeyOrder,
) -> Result<Derived, DeriveError> {
    let mut rules = Rules::load(rmap_text, rmap_name, generation, order)?;
    let mut log = Vec::new();
    for name in names {
        log.push(LogLine::info(format!("Deleting {} from {}", repr(name), repr(&rules.name_of("name")))));
        let wanted = base_name(name);
        let Body::Tree(tree) = &mut rules.body else {
            return Err(DeriveError::new("AttributeError", "'dict' object has no attribute 'delete'"));
        };
        if remove(tree, wanted, generation)? == 0 {
            let why = format!("Terminal '{wanted}' could not be found and deleted.");
            return Err(DeriveError::new("CrdsError", why));
        }
    }
    rules.set("derived_from", base_name(rmap_name));
    let text = rules.finished(generation);
    for name in names.iter().map(|name| base_name(name)) {
        if text.contains(name) {
            let why = format!("Rules update failure.  Deleted{} still appears in new rmap.", repr(name));
            return Err(DeriveError::new("AssertionError", why));
        }
    }
    Ok(Derived { text, log, overlaps: Vec::new() })
}

fn remove(node: &mut Node, name: &str, generation: Generation) -> Result<usize, DeriveError> {
    let mut count = 0;
    let here = node.entries.iter().filter(|(_, c)| matches!(c, Choice::Value(v) if v.as_str() == Some(name))).count();
    if here > 1 && generation == Generation::Y2014 {
        // An assertion without text (RD 9, T9).
        return Err(DeriveError::new("AssertionError", ""));
    }
    let mut kept = Vec::with_capacity(node.entries.len());
    for (key, mut choice) in std::mem::take(&mut node.entries) {
        match &mut choice {
            Choice::Value(value) if value.as_str() == Some(name) => {
                count += 1;
                continue;
            }
            Choice::Node(nested) => {
                count += remove(nested, name, generation)?;
                if generation == Generation::Now && !nested.has_names() {
                    continue;
                }
            }
            Choice::Value(_) => {}
        }
        kept.push((key, choice));
    }
    node.entries = kept;
    Ok(count)
}
