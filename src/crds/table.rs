//! What the mysql client prints in batch mode: tables, rows, and what they hold in short.

use std::sync::Arc;

use serde::Serialize;

use super::cell::Cell;

/// A row: values by column. `None` = NULL. The names of the columns are kept once for all rows of an answer, because a
/// catalogue has tens of thousands of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    columns: Arc<[String]>,
    values: Vec<Option<Cell>>,
}

impl Row {
    /// The value of a column, if there is such a column.
    pub fn get(&self, column: &str) -> Option<&Option<Cell>> {
        self.values.get(self.columns.iter().position(|name| name == column)?)
    }

    /// Columns and values in the order of the answer.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.columns.iter().zip(&self.values).map(|(name, value)| (name.as_str(), value.as_deref()))
    }
}

impl Serialize for Row {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// The answer to one question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Table {
    /// Names of the columns; empty if there were no rows.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Option<Cell>>>,
}

/// What a table holds, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableSummary {
    /// Number of rows.
    pub rows: u64,
    /// Highest id; 0 if it has none.
    pub max_id: u64,
    /// BLAKE3 over all rows in the order of their first column.
    pub digest: String,
}

/// The column and value that end an answer among several.
const MARK: &str = "crds_upgrade_next";

/// Several questions as one text for the mysql client. An empty answer prints nothing at all, so a line of our own stands
/// after each; [`answers`] reads it.
pub fn questions(sql: &[String]) -> String {
    let marked: Vec<String> = sql.iter().map(|sql| format!("{sql};\nselect '{MARK}' as {MARK}")).collect();
    marked.join(";\n")
}

/// As many answers as there were [`questions`], in order.
///
/// # Errors
///
/// What is no answer.
pub fn answers(text: String, count: usize) -> Result<Vec<Table>, String> {
    let text: Arc<str> = text.into();
    let mark = format!("{MARK}\n{MARK}\n");
    let mut parts: Vec<&str> = text.split(mark.as_str()).collect();
    if parts.pop().is_none_or(|rest| !rest.trim().is_empty()) || parts.len() != count {
        return Err(text.to_string());
    }
    parts.into_iter().map(|part| batch(&text, part)).collect()
}

/// What the mysql client prints in batch mode: column names, then rows, tab-separated and escaped.
/// `text` is a part of `whole`.
pub(super) fn batch(whole: &Arc<str>, text: &str) -> Result<Table, String> {
    let mut lines = text.split('\n').filter(|line| !line.is_empty());
    let Some(head) = lines.next() else { return Ok(Table::default()) };
    let columns: Vec<String> = head.split('\t').map(str::to_owned).collect();
    let mut rows = Vec::new();
    for line in lines {
        let mut row = Vec::with_capacity(columns.len());
        row.extend(line.split('\t').map(|field| value(whole, field)));
        if row.len() != columns.len() {
            return Err(line.to_owned());
        }
        rows.push(row);
    }
    Ok(Table { columns, rows })
}

fn value(whole: &Arc<str>, field: &str) -> Option<Cell> {
    if field == "NULL" {
        return None;
    }
    // Nearly every field of a catalogue of tens of thousands of rows.
    if !field.contains('\\') {
        return Some(Cell::within(whole, field));
    }
    let mut out = String::with_capacity(field.len());
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('0') => out.push('\0'),
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
    Some(out.into())
}

impl Table {
    /// The rows by column name.
    pub fn by_name(self) -> Vec<Row> {
        let columns: Arc<[String]> = self.columns.into();
        self.rows.into_iter().map(|values| Row { columns: Arc::clone(&columns), values }).collect()
    }

    /// Where a column stands in each row.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|name| name == column)
    }

    /// Rows, highest id and digest.
    pub fn summary(&self) -> TableSummary {
        summary(self)
    }

    /// Reads what the mysql client prints in batch mode.
    ///
    /// # Errors
    ///
    /// The first line that is no row of the table.
    pub fn parse(text: &str) -> Result<Self, String> {
        let whole = text.into();
        batch(&whole, &whole)
    }

    /// The only value of a question that has one row and one column.
    pub fn single(&self) -> Option<&str> {
        match &self.rows[..] {
            [row] if row.len() == 1 => row[0].as_deref(),
            _ => None,
        }
    }
}

pub(super) fn summary(table: &Table) -> TableSummary {
    let mut hash = blake3::Hasher::new();
    let id = table.position("id");
    let mut max_id = 0;
    let mut bytes = Vec::new();
    for row in &table.rows {
        bytes.clear();
        for field in row {
            match field {
                Some(value) => {
                    bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
                    bytes.extend_from_slice(value.as_bytes());
                }
                None => bytes.extend_from_slice(&u64::MAX.to_le_bytes()),
            }
        }
        hash.update(&bytes);
        let number = id.and_then(|at| row[at].as_deref()).and_then(|id| id.parse().ok());
        max_id = max_id.max(number.unwrap_or(0));
    }
    TableSummary { rows: table.rows.len() as u64, max_id, digest: hash.finalize().to_hex().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_output_is_read_with_its_escapes() {
        let table = Table::parse("id\tname\n1\ta\\tb\\\\n\n2\tNULL\n").unwrap();
        assert_eq!(table.rows, [vec![Some("1".into()), Some("a\tb\\n".into())], vec![Some("2".into()), None]]);
        assert_eq!(summary(&table).max_id, 2);
        assert_eq!(Table::parse("").unwrap(), Table::default());
        assert!(Table::parse("id\tname\n1\n").is_err());
    }

    #[test]
    fn a_null_and_its_word_have_different_digests() {
        let null = Table { columns: vec!["a".into()], rows: vec![vec![None]] };
        let word = Table { columns: vec!["a".into()], rows: vec![vec![Some("NULL".into())]] };
        assert_ne!(summary(&null).digest, summary(&word).digest);
    }

    proptest::proptest! {
        #[test]
        fn every_row_is_as_wide_as_its_head(text in crate::mangled::text("id\tname\tx\n1\ta\\tb\\\\n\tNULL\n2\tNULL\t\n")) {
            if let Ok(table) = Table::parse(&text) {
                proptest::prop_assert!(table.rows.iter().all(|row| row.len() == table.columns.len()));
                let lines = text.split('\n').filter(|line| !line.is_empty()).count();
                proptest::prop_assert_eq!(table.rows.len() + usize::from(lines > 0), lines);
                let _ = summary(&table);
            }
        }

        #[test]
        fn any_values_come_back(values in proptest::collection::vec(proptest::option::of("(\\PC|[\t\n\\\\\0]){0,12}"), 2..5)) {
            let escaped = |value: &Option<String>| value.as_ref().map_or_else(|| "NULL".to_owned(), |value| {
                value.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\0', "\\0")
            });
            // mysql cannot tell the word from the value.
            proptest::prop_assume!(values.iter().all(|value| value.as_deref() != Some("NULL")));
            let head: Vec<&str> = values.iter().map(|_| "c").collect();
            let text = format!("{}\n{}\n", head.join("\t"), values.iter().map(escaped).collect::<Vec<_>>().join("\t"));
            let table = Table::parse(&text).unwrap();
            proptest::prop_assert!(values.iter().any(Option::is_some) || table.rows.len() == 1);
            let cells: Vec<Option<&str>> = table.rows[0].iter().map(Option::as_deref).collect();
            proptest::prop_assert_eq!(cells, values.iter().map(Option::as_deref).collect::<Vec<_>>());
        }
    }
}
