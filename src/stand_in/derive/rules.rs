//! A rules file in memory: header, comment, selector tree; its text in both key orders (RD 4).

use std::cmp::Ordering;
use std::collections::HashSet;

use super::value::{Py, repr, repr_texts, repr_tuple, unique};
use super::{DeriveError, Generation, condition};
use crate::rules::syntax::{self, Selector};

/// Order of selector entries (RD 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrder {
    /// Numbers before texts, by value: Python 2, every rmap up to hst_0363.
    Numeric,
    /// Each element as text: the clients of today.
    Text,
}

impl Generation {
    /// The order in which this generation writes keys.
    pub fn key_order(self) -> KeyOrder {
        match self {
            Self::Y2014 => KeyOrder::Numeric,
            Self::Now => KeyOrder::Text,
        }
    }
}

/// One rules file.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Name under which it was loaded.
    pub(crate) file: String,
    pub(crate) header: Vec<(String, Py)>,
    pub(crate) comment: Option<String>,
    pub(crate) body: Body,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// imap, pmap.
    Table(Vec<(Py, Py)>),
    /// rmap.
    Tree(Node),
}

/// One selector.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) class: Selector,
    /// Keywords that its keys are made of.
    pub(crate) parameters: Vec<String>,
    pub(crate) entries: Vec<(Py, Choice)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Choice {
    Node(Node),
    Value(Py),
}

/// The client's words for what the grammar refuses, where they are known: unknown words, and selectors among them.
pub(crate) fn told(text: &str, error: &syntax::SyntaxError) -> String {
    let word =
        error.what.strip_prefix("illegal statement or expression in mapping: `").and_then(|w| w.strip_suffix('`'));
    let Some(word) = word else { return error.to_string() };
    let line = text.lines().nth(error.line.saturating_sub(1)).unwrap_or_default();
    let rest: String = line.chars().skip(error.column.saturating_sub(1) + word.chars().count()).collect();
    if !rest.trim_start().starts_with('(') {
        return format!("name {} is not defined", repr(word));
    }
    format!("Selector {} is not one of supported Selectors: {SELECTORS} at line {}", repr(word), error.line)
}

/// The selectors that a client names in its refusals, with what it has evaluated before.
pub(crate) const SELECTORS: &str = "['Bracket', 'ClosestTime', 'GeometricallyNearest', 'Match', 'SelectVersion', \
     'UseAfter', 'VersionAfter', '__builtins__', 'basestring', 'unichr']";

impl Rules {
    /// Parses and checks a rules file as the client does on loading; the checksum is not looked at.
    pub(crate) fn load(text: &str, file: &str, generation: Generation, order: KeyOrder) -> Result<Self, DeriveError> {
        let mapping = syntax::parse(text.as_bytes(), file).map_err(|error| {
            DeriveError::new("MappingError", format!("Can't load file {file} : {}", told(text, &error)))
        })?;
        let header_items = mapping.header.as_dict().unwrap_or_default();
        let mut header = Vec::with_capacity(header_items.len());
        for (key, value) in unique(header_items.iter().map(|(k, v)| (Py::from(k), Py::from(v))).collect()) {
            match key {
                Py::Str(key) => header.push((key, value)),
                other => {
                    let why = format!("Can't load file {file} : header key {} is not a text", other.repr());
                    return Err(DeriveError::new("MappingError", why));
                }
            }
        }
        let parkeys = header.iter().find(|(key, _)| key == "parkey").and_then(|(_, v)| v.items()).unwrap_or_default();
        let augment = |error: DeriveError| error.within("MappingError", &format!("Can't load file {file}"));
        let body = match Py::from(&mapping.selector) {
            Py::Dict(pairs) => Body::Table(pairs),
            Py::Call(class, pairs) => {
                Body::Tree(Node::build(class, pairs, parkeys, (generation, order)).map_err(augment)?)
            }
            _ => {
                let why = "selector must be a dict or a Selector.";
                return Err(augment(DeriveError::new("MappingFormatError", why)));
            }
        };
        let mut rules = Self { file: file.to_owned(), header, comment: mapping.comment, body };
        if let Body::Table(pairs) = &mut rules.body {
            pairs.sort_by(|a, b| compare(&a.0, &b.0, KeyOrder::Numeric));
        }
        let mut required = vec!["mapping", "parkey", "name", "derived_from", "observatory"];
        // The extension tells the kind, other files are asked themselves.
        let kind = match file.rsplit('.').next() {
            Some("pmap") => "pipeline".to_owned(),
            Some("imap") => "instrument".to_owned(),
            Some("rmap") => "reference".to_owned(),
            _ => rules.name_of("mapping"),
        };
        if kind != "pipeline" {
            required.push("instrument");
        }
        if kind == "reference" {
            required.push("filekind");
        }
        if let Some(missing) = required.iter().find(|key| rules.get(key).is_none()) {
            let why = format!("Required header key '{missing}' is missing.");
            return Err(DeriveError::new("MissingHeaderKeyError", why));
        }
        Ok(rules)
    }

    /// A header value as written.
    pub(crate) fn get(&self, key: &str) -> Option<&Py> {
        self.header.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// A header text through the lower-casing view (RS 3); `None` if absent or no text.
    pub(crate) fn lower(&self, key: &str) -> Option<String> {
        self.get(key)?.as_str().map(lowered)
    }

    /// The lower-cased text, or nothing.
    pub(crate) fn name_of(&self, key: &str) -> String {
        self.lower(key).unwrap_or_default()
    }

    pub(crate) fn set(&mut self, key: &str, value: &str) {
        match self.header.iter_mut().find(|(k, _)| k == key) {
            Some((_, old)) => *old = Py::str(value),
            None => self.header.push((key.to_owned(), Py::str(value))),
        }
    }

    /// The selector tree of an rmap.
    pub(crate) fn tree(&self) -> Option<&Node> {
        match &self.body {
            Body::Tree(node) => Some(node),
            Body::Table(_) => None,
        }
    }

    /// Entries of an imap or pmap.
    pub(crate) fn table(&self) -> &[(Py, Py)] {
        match &self.body {
            Body::Table(pairs) => pairs,
            Body::Tree(_) => &[],
        }
    }

    /// `parkey`, one list of keywords per level.
    pub(crate) fn parkey_levels(&self) -> Vec<Vec<String>> {
        let levels = self.get("parkey").and_then(Py::items).unwrap_or_default();
        levels.iter().map(level_names).collect()
    }

    /// `classes`, by default Match over UseAfter.
    pub(crate) fn classes(&self) -> Vec<String> {
        match self.get("classes").and_then(Py::items) {
            Some(items) => items.iter().map(Py::text).collect(),
            None => vec!["Match".into(), "UseAfter".into()],
        }
    }

    /// Texts of a tuple-valued header key, empty if absent.
    pub(crate) fn names_of(&self, key: &str) -> Vec<String> {
        self.get(key).and_then(Py::items).unwrap_or_default().iter().map(Py::text).collect()
    }

    /// The switch keyword, `NONE` without one.
    pub(crate) fn switch(&self) -> String {
        self.lower("reffile_switch").unwrap_or_else(|| "none".into()).to_uppercase()
    }

    /// Required parkeys (RS 3): all levels, the switch, the extra keys, and the two that every JWST type looks at.
    pub(crate) fn required_parkeys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.parkey_levels().into_iter().flatten().collect();
        let switch = self.switch();
        if switch != "NONE" {
            keys.push(switch);
        }
        keys.extend(self.names_of("extra_keys"));
        if self.name_of("observatory") == "jwst" {
            keys.extend(["META.VISIT.TSOVISIT".to_owned(), "META.INSTRUMENT.LAMP_STATE".to_owned()]);
        }
        keys
    }

    /// Keywords that always stand as N/A in keys: extra keys and switch.
    pub(crate) fn extra_parkeys(&self) -> Vec<String> {
        let mut keys = self.names_of("extra_keys");
        let switch = self.switch();
        if switch != "NONE" {
            keys.push(switch);
        }
        keys
    }

    /// The text with a fresh checksum.
    pub(crate) fn finished(&mut self, generation: Generation) -> String {
        if self.get("sha1sum").is_none() {
            self.set("sha1sum", "");
        }
        if generation == Generation::Y2014 {
            self.comment = None; // dropped on every rewrite (RD 4.1)
        }
        let sum = syntax::checksum(&self.format());
        self.set("sha1sum", &sum);
        self.format()
    }

    /// The text as it stands.
    pub(crate) fn format(&self) -> String {
        let mut out = String::from("header = ");
        let pairs: Vec<(Py, Py)> = self.header.iter().map(|(k, v)| (Py::str(k), v.clone())).collect();
        put_dict(&pairs, 0, &mut out);
        out.push_str("\n\n");
        if let Some(comment) = self.comment.as_deref().filter(|comment| !comment.is_empty()) {
            out.push_str("comment = \"\"\"");
            out.push_str(comment);
            out.push_str("\"\"\"\n\n");
        }
        out.push_str("selector = ");
        match &self.body {
            Body::Table(pairs) => put_dict(pairs, 0, &mut out),
            Body::Tree(node) => node.put(0, &mut out),
        }
        out.push('\n');
        out
    }
}

/// The lower-casing view of one text: expressions in parentheses stay as they are.
pub(crate) fn lowered(text: &str) -> String {
    if text.starts_with('(') && text.ends_with(')') && text.len() > 1 { text.to_owned() } else { text.to_lowercase() }
}

fn level_names(level: &Py) -> Vec<String> {
    match level.items() {
        Some(names) => names.iter().map(Py::text).collect(),
        None => vec![level.text()],
    }
}

fn put_dict(pairs: &[(Py, Py)], indent: usize, out: &mut String) {
    out.push_str("{\n");
    let mut sorted: Vec<_> = pairs.iter().collect();
    sorted.sort_by(|a, b| a.0.order_2014(&b.0));
    for (key, value) in sorted {
        push_indent(indent + 1, out);
        out.push_str(&key.repr());
        out.push_str(" : ");
        match value {
            Py::Dict(nested) => put_dict(nested, indent + 1, out),
            other => out.push_str(&other.repr()),
        }
        out.push_str(",\n");
    }
    push_indent(indent, out);
    out.push('}');
}

fn push_indent(levels: usize, out: &mut String) {
    for _ in 0..levels {
        out.push_str("    ");
    }
}

/// Order of two selector keys.
pub(crate) fn compare(a: &Py, b: &Py, order: KeyOrder) -> Ordering {
    fn texts(key: &Py) -> Vec<String> {
        match key {
            Py::Tuple(items) => items.iter().map(Py::text).collect(),
            plain => vec![plain.text()],
        }
    }
    match order {
        KeyOrder::Numeric => a.order_2014(b),
        KeyOrder::Text => match (a, b) {
            (Py::Str(a), Py::Str(b)) => a.cmp(b),
            _ => texts(a).cmp(&texts(b)),
        },
    }
}

impl Node {
    pub(crate) fn new(class: Selector, parameters: Vec<String>) -> Self {
        Self { class, parameters, entries: Vec::new() }
    }

    /// Builds the selector and everything below it from literal tables; `parkeys` are the levels from here down.
    fn build(
        class: Selector,
        pairs: Vec<(Py, Py)>,
        parkeys: &[Py],
        style: (Generation, KeyOrder),
    ) -> Result<Self, DeriveError> {
        let Some((level, below)) = parkeys.split_first() else {
            return Err(DeriveError::new("IndexError", "tuple index out of range"));
        };
        if level.items().is_none() {
            let why = "parameters should be a list or tuple of header keys";
            return Err(DeriveError::new("AssertionError", why));
        }
        let mut node = Self::new(class, level_names(level));
        for (key, value) in pairs {
            let choice = match value {
                Py::Call(class, pairs) => Choice::Node(Self::build(class, pairs, below, style)?),
                value => Choice::Value(value),
            };
            node.entries.push((key, choice));
        }
        node.sort(style.1);
        node.check(style.0)?;
        Ok(node)
    }

    /// What the client checks when a selector is made: no key twice, keys of the right length.
    fn check(&self, generation: Generation) -> Result<(), DeriveError> {
        if self.class == Selector::VersionAfter
            && let Some((key, _)) =
                self.entries.iter().find(|(key, _)| !key.as_str().is_some_and(super::insert::is_version))
        {
            return Err(DeriveError::new("AssertionError", format!("Invalid version string {}", key.repr())));
        }
        if self.class != Selector::Match {
            return Ok(());
        }
        let mut seen = HashSet::with_capacity(self.entries.len());
        for (key, _) in &self.entries {
            let conditioned = condition::key_of(key, generation);
            if conditioned.len() != self.parameters.len() {
                let why = format!(
                    "Match key={} is wrong length for parameters {}",
                    repr_texts(&conditioned),
                    repr_texts(&self.parameters)
                );
                return Err(DeriveError::new("ValidationError", why));
            }
            let shown = repr_tuple(conditioned.iter().map(|part| repr(part)));
            if !seen.insert(conditioned) {
                return Err(DeriveError::new("ValueError", format!("Key {shown} appears more than once ")));
            }
        }
        Ok(())
    }

    pub(crate) fn sort(&mut self, order: KeyOrder) {
        self.entries.sort_by(|a, b| compare(&a.0, &b.0, order));
    }

    fn put(&self, indent: usize, out: &mut String) {
        out.push_str(self.class.as_str());
        out.push_str("({\n");
        for (key, choice) in &self.entries {
            push_indent(indent + 1, out);
            out.push_str(&key.repr());
            out.push_str(" : ");
            match choice {
                Choice::Node(node) => node.put(indent + 1, out),
                Choice::Value(value) => out.push_str(&value.repr()),
            }
            out.push_str(",\n");
        }
        push_indent(indent, out);
        out.push_str("})");
    }

    /// Names of all files below, N/A and the like included, as the client collects them.
    pub(crate) fn collect_names(&self, names: &mut Vec<String>) {
        for (_, choice) in &self.entries {
            match choice {
                Choice::Node(node) => node.collect_names(names),
                Choice::Value(Py::Str(name)) => names.push(name.clone()),
                Choice::Value(Py::Tuple(items)) => names.extend(items.iter().map(Py::text)),
                Choice::Value(Py::Dict(pairs)) => names.extend(pairs.iter().map(|(_, v)| v.text())),
                Choice::Value(_) => {}
            }
        }
    }

    /// True if any file stands below.
    pub(crate) fn has_names(&self) -> bool {
        self.entries.iter().any(|(_, choice)| match choice {
            Choice::Node(node) => node.has_names(),
            Choice::Value(value) => matches!(value, Py::Str(_) | Py::Tuple(_) | Py::Dict(_)),
        })
    }
}
