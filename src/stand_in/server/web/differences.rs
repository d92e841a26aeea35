//! Differences between two mappings, as result pages and the difference page show them (WP 3.11, RD 8).

use std::fmt::Write as _;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::html::{accordion, esc, table};
use super::textdiff;
use crate::stand_in::derive::diff::{self, Options, Statement};
use crate::stand_in::derive::{Generation, Store};

/// One pair of files and what is different in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The older file.
    pub old: String,
    /// The newer one.
    pub new: String,
    /// Statements about the header.
    #[serde(default)]
    pub header: Vec<String>,
    /// Titles of the logical table.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Its rows.
    #[serde(default)]
    pub rows: Vec<Vec<String>>,
    /// The unified text difference.
    #[serde(default)]
    pub text: String,
}

/// One accordion per pair, in each the parts that there are.
pub fn markup(value: &Value) -> String {
    let pairs: Vec<Pair> = serde_json::from_value(value.clone()).unwrap_or_default();
    pairs.iter().map(pair_markup).collect()
}

/// One pair's accordion.
pub fn pair_markup(pair: &Pair) -> String {
    let title = format!("{} --&gt; {}", esc(&pair.old), esc(&pair.new));
    let mut inner = String::new();
    if !pair.header.is_empty() {
        let lines: String = pair.header.iter().map(|line| format!("<p>{}</p>\n", esc(line))).collect();
        inner.push_str(&accordion(&format!("Header Diffs {title}"), &lines));
    }
    if !pair.rows.is_empty() {
        let head: Vec<String> = pair.columns.iter().map(|column| esc(column)).collect();
        let head: Vec<&str> = head.iter().map(String::as_str).collect();
        let rows: Vec<Vec<String>> = pair.rows.iter().map(|row| row.iter().map(|cell| esc(cell)).collect()).collect();
        inner.push_str(&accordion(&format!("Logical Diff {title}"), &table(None, &head, &rows)));
    }
    let mut text = String::new();
    let _ = write!(text, "<pre class=\"program\">{}</pre>", esc(&pair.text));
    inner.push_str(&accordion(&format!("Text Diff {title}"), &text));
    accordion(&title, &inner)
}

/// Every pair that differs below two mappings, they themselves first; sorted by title.
pub fn nested(store: &dyn Store, old: &str, new: &str, generation: Generation) -> Vec<Pair> {
    let mut pairs = vec![(old.to_owned(), new.to_owned())];
    let mut at = 0;
    while at < pairs.len() {
        let (old, new) = pairs[at].clone();
        let (before, after) = (entries(store, &old), entries(store, &new));
        for (key, lower) in &before {
            if let Some(upper) = after.get(key).filter(|upper| *upper != lower) {
                let pair = (lower.clone(), upper.clone());
                if store.mapping(&pair.0).is_some() && store.mapping(&pair.1).is_some() && !pairs.contains(&pair) {
                    pairs.push(pair);
                }
            }
        }
        at += 1;
    }
    pairs.sort();
    pairs.iter().map(|(old, new)| compare(store, old, new, generation)).collect()
}

/// What a pmap or imap refers to, by key.
fn entries(store: &dyn Store, name: &str) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    if name.ends_with(".rmap") {
        return out;
    }
    let parsed = store.mapping(name).and_then(|text| crate::rules::syntax::parse(text.as_bytes(), name).ok());
    if let Some(items) = parsed.as_ref().and_then(|mapping| mapping.selector.as_dict()) {
        for (key, value) in items {
            if let (Some(key), Some(value)) = (key.as_str(), value.as_str()) {
                out.insert(key.to_owned(), value.to_owned());
            }
        }
    }
    out
}

/// One pair: statements of this kind of file alone, and the text difference.
pub fn compare(store: &dyn Store, old: &str, new: &str, generation: Generation) -> Pair {
    let options = Options { include_header_diffs: true, ..Options::default() };
    let statements = diff::mapping_diffs(store, old, new, &options, generation).unwrap_or_default();
    let mut header = Vec::new();
    let mut logical: Vec<Vec<(String, String)>> = Vec::new();
    for statement in statements.iter().filter(|statement| files_above(statement) <= 1) {
        if statement.text.starts_with("header") || statement.text.starts_with("deleted header") {
            if !BORING_KEYS.iter().any(|key| statement.text.contains(&format!("'{key}'"))) {
                header.push(statement.text.clone());
            }
        } else {
            logical.push(
                statement.flat().into_iter().filter(|(name, _)| !FILE_PARAMETERS.contains(&name.as_str())).collect(),
            );
        }
    }
    let mut columns: Vec<String> = Vec::new();
    for (name, _) in logical.iter().flatten() {
        if name != DIFFERENCE && !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    columns.push(DIFFERENCE.to_owned());
    let cell = |row: &[(String, String)], column: &String| {
        row.iter().find(|(name, _)| name == column).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let rows = logical.iter().map(|row| columns.iter().map(|column| cell(row, column)).collect()).collect();
    let text = |name: &str| store.mapping(name).unwrap_or_default();
    let text = textdiff::unified((old, &text(old)), (new, &text(new)));
    Pair { old: old.to_owned(), new: new.to_owned(), header, columns, rows, text }
}

/// Header keys that every derivation changes (WP 3.11).
const BORING_KEYS: [&str; 3] = ["name", "derived_from", "sha1sum"];
const DIFFERENCE: &str = "DIFFERENCE";
const FILE_PARAMETERS: [&str; 3] = ["PipelineContext", "InstrumentContext", "ReferenceMapping"];

/// How many pairs of files lie above a statement.
fn files_above(statement: &Statement) -> usize {
    let is_file = |names: &&Vec<String>| names.iter().any(|name| FILE_PARAMETERS.contains(&name.as_str()));
    statement.parameters.iter().filter(is_file).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_shows_its_parts_escaped() {
        let pair = Pair { old: "a.rmap".into(), new: "b.rmap".into(), text: "-<x>".into(), ..Pair::default() };
        let text = pair_markup(&pair);
        assert!(text.contains("Text Diff a.rmap --&gt; b.rmap") && text.contains("-&lt;x&gt;"), "{text}");
        assert!(!text.contains("Header Diffs") && !text.contains("Logical Diff"), "{text}");
        assert_eq!(markup(&Value::Null), "");
    }
}
