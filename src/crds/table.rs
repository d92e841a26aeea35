//! What the mysql client prints in batch mode: tables, rows, and what they hold in short.

use std::borrow::Cow;
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

/// The answer to one question whose rows are read one at a time: of whole tables only a few columns are wanted, or just the
/// digest, and taking each of half a million values apart costs more than the database takes to send them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    columns: Vec<String>,
    whole: Arc<str>,
    body: std::ops::Range<usize>,
}

/// A row of [`Rows`] as it was printed: fields by position, escaped.
#[derive(Clone, Copy, Debug)]
pub struct Printed<'a>(&'a str);

impl<'a> Printed<'a> {
    /// The values, in the order of the columns. `None` = NULL.
    pub fn values(self) -> impl Iterator<Item = Option<Cow<'a, str>>> {
        self.fields().map(unescaped)
    }

    /// The fields as printed: still escaped, NULL as that word.
    pub fn fields(self) -> impl Iterator<Item = &'a str> {
        self.0.split('\t')
    }
}

impl Rows {
    /// Reads what the mysql client prints in batch mode; `text` is a part of `whole`.
    fn batch(whole: &Arc<str>, text: &str) -> Result<Self, String> {
        let text = text.trim_start_matches('\n');
        if text.is_empty() {
            return Ok(Self::default());
        }
        let (head, body) = text.split_once('\n').unwrap_or((text, &text[text.len()..]));
        let columns: Vec<String> = head.split('\t').map(str::to_owned).collect();
        let tabs = columns.len() - 1;
        let width = |line: &&str| memchr::memchr_iter(b'\t', line.as_bytes()).count() != tabs;
        if let Some(odd) = lines(body).find(width) {
            return Err(odd.to_owned());
        }
        let from = (body.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
        let place = from..from + body.len();
        // `text` is always a part of `whole`; were it not, nothing would be read rather than something else.
        if whole.get(place.clone()).is_none_or(|there| there.as_ptr() != body.as_ptr()) {
            return Err(head.to_owned());
        }
        Ok(Self { columns, whole: Arc::clone(whole), body: place })
    }

    /// Names of the columns; empty if there were no rows.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Where a column stands in each row.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|name| name == column)
    }

    /// The rows, in order.
    pub fn iter(&self) -> impl Iterator<Item = Printed<'_>> {
        lines(&self.whole[self.body.clone()]).map(Printed)
    }

    /// Rows, highest id and digest, as [`Table::summary`] has them.
    pub fn summary(&self) -> TableSummary {
        let mut sum = Sum::default();
        let id = self.position("id");
        for row in self.iter() {
            sum.row(row.0.as_bytes(), id.and_then(|at| row.fields().nth(at)));
        }
        sum.end()
    }

    /// Every value of every row.
    pub fn table(&self) -> Table {
        let value = |field| value(&self.whole, field);
        let rows = self.iter().map(|row| row.fields().map(value).collect()).collect();
        Table { columns: self.columns.clone(), rows }
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    let ends = memchr::memchr_iter(b'\n', text.as_bytes()).chain((!text.ends_with('\n')).then_some(text.len()));
    let mut from = 0;
    ends.map(move |end| &text[std::mem::replace(&mut from, end + 1)..end]).filter(|line| !line.is_empty())
}

/// What a table holds, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableSummary {
    /// Number of rows.
    pub rows: u64,
    /// Highest id; 0 if it has none.
    pub max_id: u64,
    /// BLAKE3 over all rows as the mysql client prints them in batch mode, in the order of their first column.
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
pub fn answers(text: String, count: usize) -> Result<Vec<Rows>, String> {
    let text: Arc<str> = text.into();
    let mark = format!("{MARK}\n{MARK}\n");
    let mut parts = Vec::with_capacity(count + 1);
    let mut from = 0;
    for at in memchr::memmem::find_iter(text.as_bytes(), mark.as_bytes()) {
        parts.push(&text[from..at]);
        from = at + mark.len();
    }
    if parts.len() != count || !text[from..].trim().is_empty() {
        return Err(text.to_string());
    }
    parts.into_iter().map(|part| Rows::batch(&text, part)).collect()
}

fn value(whole: &Arc<str>, field: &str) -> Option<Cell> {
    Some(match unescaped(field)? {
        Cow::Borrowed(field) => Cell::within(whole, field),
        Cow::Owned(field) => field.into(),
    })
}

/// A field of the mysql client's batch mode; `None` = NULL.
pub fn unescaped(field: &str) -> Option<Cow<'_, str>> {
    if field == "NULL" {
        return None;
    }
    // Nearly every field of a catalogue of tens of thousands of rows.
    if memchr::memchr(b'\\', field.as_bytes()).is_none() {
        return Some(Cow::Borrowed(field));
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
    Some(Cow::Owned(out))
}

/// As the mysql client prints a value in batch mode.
fn print(value: Option<&str>, line: &mut Vec<u8>) {
    let Some(value) = value else { return line.extend_from_slice(b"NULL") };
    let bytes = value.as_bytes();
    if memchr::memchr3(b'\t', b'\n', b'\\', bytes).is_none() && memchr::memchr(b'\0', bytes).is_none() {
        return line.extend_from_slice(bytes);
    }
    for byte in value.bytes() {
        match byte {
            b'\t' => line.extend_from_slice(b"\\t"),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\0' => line.extend_from_slice(b"\\0"),
            b'\\' => line.extend_from_slice(b"\\\\"),
            other => line.push(other),
        }
    }
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
        let mut sum = Sum::default();
        let id = self.position("id");
        let mut line = Vec::new();
        for row in &self.rows {
            line.clear();
            for (at, value) in row.iter().enumerate() {
                if at > 0 {
                    line.push(b'\t');
                }
                print(value.as_deref(), &mut line);
            }
            if !line.is_empty() {
                sum.row(&line, id.and_then(|at| row[at].as_deref()));
            }
        }
        sum.end()
    }

    /// Number of rows and the highest id; 0 if it has none.
    pub fn extent(&self) -> (u64, u64) {
        let id = self.position("id");
        let ids = self.rows.iter().filter_map(|row| row[id?].as_deref()?.parse().ok());
        (self.rows.len() as u64, ids.max().unwrap_or(0))
    }

    /// Reads what the mysql client prints in batch mode.
    ///
    /// # Errors
    ///
    /// The first line that is no row of the table.
    pub fn parse(text: &str) -> Result<Self, String> {
        let whole: Arc<str> = text.into();
        Ok(Rows::batch(&whole, &whole)?.table())
    }

    /// The only value of a question that has one row and one column.
    pub fn single(&self) -> Option<&str> {
        match &self.rows[..] {
            [row] if row.len() == 1 => row[0].as_deref(),
            _ => None,
        }
    }
}

/// A summary that is being made.
#[derive(Default)]
struct Sum {
    rows: u64,
    max_id: u64,
    bytes: Vec<u8>,
    hash: blake3::Hasher,
}

/// So many bytes are hashed at once, which takes a fraction of the time that row after row would.
const HASHED: usize = 1 << 16;

impl Sum {
    fn row(&mut self, line: &[u8], id: Option<&str>) {
        self.rows += 1;
        self.max_id = self.max_id.max(id.and_then(|id| id.parse().ok()).unwrap_or(0));
        self.bytes.extend_from_slice(line);
        self.bytes.push(b'\n');
        if self.bytes.len() >= HASHED {
            self.hash.update(&self.bytes);
            self.bytes.clear();
        }
    }

    fn end(mut self) -> TableSummary {
        self.hash.update(&self.bytes);
        TableSummary { rows: self.rows, max_id: self.max_id, digest: self.hash.finalize().to_hex().to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_output_is_read_with_its_escapes() {
        let table = Table::parse("id\tname\n1\ta\\tb\\\\n\n2\tNULL\n").unwrap();
        assert_eq!(table.rows, [vec![Some("1".into()), Some("a\tb\\n".into())], vec![Some("2".into()), None]]);
        assert_eq!(table.summary().max_id, 2);
        assert_eq!(Table::parse("").unwrap(), Table::default());
        assert!(Table::parse("id\tname\n1\n").is_err());
    }

    #[test]
    fn answers_come_apart_and_odd_ones_are_refused() {
        let text = format!("id\tname\n1\ta\n{MARK}\n{MARK}\n{MARK}\n{MARK}\n");
        let parts = answers(text.clone(), 2).unwrap();
        assert_eq!((parts[0].summary().rows, parts[1].summary().rows), (1, 0));
        assert!(answers(text.clone(), 3).is_err());
        assert!(answers(text.replace("\ta", "\ta\tb"), 2).is_err());
        assert!(answers(format!("{text}ERROR"), 2).is_err());
    }

    proptest::proptest! {
        #[test]
        fn every_row_is_as_wide_as_its_head(text in crate::mangled::text("id\tname\tx\n1\ta\\tb\\\\n\tNULL\n2\tNULL\t\n")) {
            if let Ok(table) = Table::parse(&text) {
                proptest::prop_assert!(table.rows.iter().all(|row| row.len() == table.columns.len()));
                let lines = text.split('\n').filter(|line| !line.is_empty()).count();
                proptest::prop_assert_eq!(table.rows.len() + usize::from(lines > 0), lines);
                let _ = table.summary();
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
            let rows = Rows::batch(&text.as_str().into(), &text);
            // The text of the test is no part of the answer: nothing is read rather than something else.
            proptest::prop_assert!(rows.is_err());
            let whole: Arc<str> = text.as_str().into();
            let rows = Rows::batch(&whole, &whole).unwrap();
            proptest::prop_assert_eq!(rows.table(), table.clone());
            proptest::prop_assert_eq!(rows.summary(), table.summary());
            let cells: Vec<Option<&str>> = table.rows[0].iter().map(Option::as_deref).collect();
            proptest::prop_assert_eq!(cells, values.iter().map(Option::as_deref).collect::<Vec<_>>());
        }
    }
}
