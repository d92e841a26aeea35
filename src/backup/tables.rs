//! Two databases, table by table.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::crds::TableSummary;

/// In what one table differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableDifference {
    /// The table.
    pub table: String,
    /// What the source has; `None` = no such table.
    pub source: Option<TableSummary>,
    /// What the copy has.
    pub copy: Option<TableSummary>,
}

/// Tables in which `copy` is not `source`; `volatile` tables (sessions, locks) are left out.
pub fn compare_tables(
    source: &BTreeMap<String, TableSummary>,
    copy: &BTreeMap<String, TableSummary>,
    volatile: &[&str],
) -> Vec<TableDifference> {
    let mut names: Vec<&String> = source.keys().chain(copy.keys()).collect();
    names.sort();
    names.dedup();
    let differ =
        names.into_iter().filter(|name| !volatile.contains(&name.as_str()) && source.get(*name) != copy.get(*name));
    differ
        .map(|name| TableDifference {
            table: name.clone(),
            source: source.get(name).cloned(),
            copy: copy.get(name).cloned(),
        })
        .collect()
}

impl std::fmt::Display for TableDifference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let side = |summary: &Option<TableSummary>| match summary {
            Some(summary) => format!(
                "{} rows, max id {}, {}",
                summary.rows,
                summary.max_id,
                &summary.digest[..12.min(summary.digest.len())]
            ),
            None => "no such table".to_owned(),
        };
        write!(f, "{}: source {}; copy {}", self.table, side(&self.source), side(&self.copy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_table_and_a_changed_row_are_differences() {
        let summary = |digest: &str| TableSummary { rows: 1, max_id: 1, digest: digest.into() };
        let source = BTreeMap::from([
            ("a".to_owned(), summary("1")),
            ("b".to_owned(), summary("1")),
            ("s".to_owned(), summary("1")),
        ]);
        let copy = BTreeMap::from([("a".to_owned(), summary("2")), ("s".to_owned(), summary("2"))]);
        let found = compare_tables(&source, &copy, &["s"]);
        assert_eq!(found.iter().map(|d| d.table.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(found[1].to_string().contains("no such table"));
    }
}
