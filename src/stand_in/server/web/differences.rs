//! Differences between two mappings, as result pages and the difference page show them (WP 3.11, RD 8).

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::html::{accordion, esc, table};

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
        let rows: Vec<Vec<String>> =
            pair.rows.iter().map(|row| row.iter().map(|cell| esc(cell)).collect()).collect();
        inner.push_str(&accordion(&format!("Logical Diff {title}"), &table(None, &head, &rows)));
    }
    let mut text = String::new();
    let _ = write!(text, "<pre class=\"program\">{}</pre>", esc(&pair.text));
    inner.push_str(&accordion(&format!("Text Diff {title}"), &text));
    accordion(&title, &inner)
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
