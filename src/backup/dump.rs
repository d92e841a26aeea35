//! A database dump as `mysqldump` writes it: head, tables with rows, and the line that says that it is whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::crds::{Cell, Table, TableSummary};

/// What a dump says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DumpFacts {
    /// Host of the database server, from the head.
    pub host: String,
    /// Name of the database, from the head.
    pub database: String,
    /// Tables that it creates, in order.
    pub tables: Vec<String>,
    /// `YYYY-MM-DD HH:MM:SS` of the closing line; empty if it has none.
    pub completed: String,
    /// Whether the closing line is the last one.
    pub closed: bool,
    /// Bytes.
    pub size: u64,
}

/// A whole dump with the rows of its tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dump {
    /// What it says about itself.
    pub facts: DumpFacts,
    /// Rows by table.
    pub tables: BTreeMap<String, Table>,
}

/// Why bytes are no dump.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// The head is missing.
    #[error("it does not begin like a dump: `{0}`")]
    Head(String),
    /// A statement is not understood.
    #[error("line {line} is not understood: `{text}`")]
    Statement {
        /// Line, counted from 1.
        line: usize,
        /// What stands there, cut.
        text: String,
    },
    /// Rows of a table that it does not create, or of another width.
    #[error("line {line}: a row of `{table}` does not fit its table")]
    Row {
        /// Line, counted from 1.
        line: usize,
        /// The table.
        table: String,
    },
}

impl DumpFacts {
    /// Reads head, tables and closing line. Never fails: what is missing is empty.
    pub fn of(text: &str) -> Self {
        let mut facts = Self { size: text.len() as u64, ..Self::default() };
        for line in text.lines().take(20) {
            if let Some(rest) = line.strip_prefix("-- Host: ")
                && let Some((host, database)) = rest.split_once("Database: ")
            {
                facts.host = host.trim().to_owned();
                facts.database = database.trim().to_owned();
            }
        }
        facts.tables = text.lines().filter_map(created).map(str::to_owned).collect();
        let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("");
        if let Some(date) = last.strip_prefix("-- Dump completed on ") {
            facts.completed = normal_time(date.trim());
            // The very last byte is the line's end: a line cut short could still look like a date.
            facts.closed = text.ends_with('\n') && facts.completed.len() == 19;
        }
        facts
    }

    /// Tables of `wanted` that the dump does not create.
    pub fn lacks<'a>(&self, wanted: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        wanted.into_iter().filter(|table| !self.tables.iter().any(|have| have == table)).collect()
    }
}

/// How a dump makes its tables, by table: columns, keys, engine, character set; and under `SET NAMES` the character set in
/// which it is read. What grows by itself is left out.
pub fn structure(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        if line.starts_with("/*!") && line.contains(" SET NAMES ") && !found.contains_key("SET NAMES") {
            found.insert("SET NAMES".to_owned(), line.trim().trim_end_matches(';').to_owned());
        }
        if let Some(table) = created(line) {
            open = Some((table.to_owned(), String::new()));
        }
        let Some((table, body)) = &mut open else { continue };
        let words = line.trim_end().trim_end_matches(';').split_whitespace();
        let words = words.filter(|word| !word.starts_with("AUTO_INCREMENT="));
        for word in words {
            body.push_str(word);
            body.push(' ');
        }
        if line.trim_end().ends_with(';') {
            found.insert(std::mem::take(table), std::mem::take(body));
            open = None;
        }
    }
    found
}

/// The tables that two dumps make otherwise, each with the first words that differ.
pub fn made_otherwise(before: &str, now: &str) -> Vec<String> {
    let (before, now) = (structure(before), structure(now));
    let differ = |(name, made): (&String, &String)| {
        let was = before.get(name)?;
        (made != was).then(|| {
            let (was, made) = first_difference(was, made);
            format!("{name}: `{made}`, before `{was}`")
        })
    };
    now.iter().filter_map(differ).collect()
}

/// The first words of each in which two definitions of a table differ.
pub fn first_difference(one: &str, other: &str) -> (String, String) {
    let at = one.split(' ').zip(other.split(' ')).position(|(a, b)| a != b);
    let words =
        |text: &str| text.split(' ').skip(at.unwrap_or(0).saturating_sub(1)).take(4).collect::<Vec<_>>().join(" ");
    (words(one), words(other))
}

/// MySQL pads the hour with a blank: `2014-09-16  3:10:08`.
fn normal_time(text: &str) -> String {
    let mut parts = text.split_whitespace();
    match (parts.next(), parts.next()) {
        (Some(day), Some(clock)) => format!("{day} {clock:0>8}"),
        _ => text.to_owned(),
    }
}

fn created(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("CREATE TABLE ")?;
    let rest = rest.strip_prefix("IF NOT EXISTS ").unwrap_or(rest);
    rest.strip_prefix('`')?.split('`').next()
}

impl Dump {
    /// Reads a whole dump.
    ///
    /// # Errors
    ///
    /// [`DumpError`] at the first thing that is not understood.
    pub fn parse(text: &str) -> Result<Self, DumpError> {
        let first = text.lines().next().unwrap_or("");
        if !first.starts_with("-- MySQL dump") && !first.starts_with("-- MariaDB dump") && !first.starts_with("/*M!") {
            return Err(DumpError::Head(first.chars().take(80).collect()));
        }
        let mut tables: BTreeMap<String, Table> = BTreeMap::new();
        let mut open: Option<String> = None;
        let whole: Arc<str> = text.into();
        let mut rest = &*whole;
        let mut line = 0;
        while !rest.is_empty() {
            line += 1;
            let end = rest.find('\n').map_or(rest.len(), |at| at + 1);
            let (current, after) = rest.split_at(end);
            if let Some(table) = created(current) {
                open = Some(table.to_owned());
                if tables.insert(table.to_owned(), Table::default()).is_some() {
                    // Rows that came before would be lost.
                    return Err(DumpError::Statement { line, text: current.chars().take(80).collect() });
                }
                rest = after;
            } else if let Some(table) = open.as_ref().filter(|_| current.trim_start().starts_with('`')).cloned() {
                if let (Some(name), Some(table)) = (current.split('`').nth(1), tables.get_mut(&table)) {
                    table.columns.push(name.to_owned());
                }
                rest = after;
            } else if current.starts_with("INSERT INTO ") {
                open = None;
                let (lines, after) = insert(&whole, rest, line, &mut tables)?;
                line += lines;
                rest = after;
            } else {
                if current.starts_with(')') {
                    open = None;
                }
                rest = after;
            }
        }
        Ok(Self { facts: DumpFacts::of(text), tables })
    }

    /// Rows, highest id and digest of each table, as of a live one.
    pub fn summaries(&self) -> BTreeMap<String, TableSummary> {
        self.tables.iter().map(|(name, table)| (name.clone(), table.summary())).collect()
    }
}

/// Reads one `INSERT INTO` from the start of `text`, a part of `whole`; returns its further lines and what follows.
fn insert<'t>(
    whole: &Arc<str>,
    text: &'t str,
    line: usize,
    tables: &mut BTreeMap<String, Table>,
) -> Result<(usize, &'t str), DumpError> {
    let odd = |at: &str| DumpError::Statement { line, text: at.chars().take(80).collect() };
    let name = text.split('`').nth(1).ok_or_else(|| odd(text))?;
    let fits = |table: &str| DumpError::Row { line, table: table.to_owned() };
    let table = tables.get_mut(name).ok_or_else(|| fits(name))?;
    let start = text.find(" VALUES ").map(|at| at + " VALUES ".len()).ok_or_else(|| odd(text))?;
    let mut rest = text[start..].trim_start();
    loop {
        rest = rest.strip_prefix('(').ok_or_else(|| odd(rest))?;
        let mut row = Vec::with_capacity(table.columns.len());
        loop {
            let (value, after) = value(whole, rest).ok_or_else(|| odd(rest))?;
            row.push(value);
            rest = after.trim_start();
            if let Some(after) = rest.strip_prefix(',') {
                rest = after.trim_start();
            } else {
                rest = rest.strip_prefix(')').ok_or_else(|| odd(rest))?;
                break;
            }
        }
        if row.len() != table.columns.len() {
            return Err(fits(name));
        }
        table.rows.push(row);
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_start();
        } else {
            rest = rest.strip_prefix(';').ok_or_else(|| odd(rest))?;
            break;
        }
    }
    let used = &text[..text.len() - rest.len()];
    let rest = rest.strip_prefix('\n').unwrap_or(rest);
    Ok((used.bytes().filter(|b| *b == b'\n').count(), rest))
}

/// One value: NULL, a number, or a text in single quotes with backslash escapes.
fn value<'t>(whole: &Arc<str>, text: &'t str) -> Option<(Option<Cell>, &'t str)> {
    if let Some(rest) = text.strip_prefix("NULL") {
        return Some((None, rest));
    }
    let Some(body) = text.strip_prefix('\'') else {
        let end = text.find([',', ')'])?;
        let number = text[..end].trim();
        let ok = !number.is_empty() && number.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        return ok.then(|| (Some(Cell::within(whole, number)), &text[end..]));
    };
    // Texts without an escape are not copied, long runs of others whole: a dump has tens of thousands of rows of some
    // forty texts.
    let mut out = String::new();
    let mut rest = body;
    loop {
        let at = memchr::memchr2(b'\\', b'\'', rest.as_bytes())?;
        let (run, (mark, after)) = (&rest[..at], rest[at..].split_at(1));
        if mark == "'" && out.is_empty() && !after.starts_with('\'') {
            return Some((Some(Cell::within(whole, run)), after));
        }
        out.push_str(run);
        if mark == "'" {
            let Some(doubled) = after.strip_prefix('\'') else { return Some((Some(out.into()), after)) };
            out.push('\'');
            rest = doubled;
            continue;
        }
        let escaped = after.chars().next()?;
        out.push(match escaped {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            '0' => '\0',
            'Z' => '\u{1a}',
            other => other,
        });
        rest = &after[escaped.len_utf8()..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "-- MySQL dump 10.13  Distrib 5.1.73\n--\n-- Host: db-ops.example    Database: crds_hst\n\
        -- ------\n\nDROP TABLE IF EXISTS `crds_hst_contexts`;\nCREATE TABLE `crds_hst_contexts` (\n  `id` int(11) NOT NULL,\n  \
        `kind` varchar(64),\n  `context` varchar(64),\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB;\n\
        INSERT INTO `crds_hst_contexts` VALUES (1,'hst_operational_context','hst_0279.pmap'),(2,'it''s\\n\\'x\\'; (1,2)',NULL);\n\
        -- Dump completed on 2014-09-16  3:10:08\n";

    #[test]
    fn a_table_that_is_made_otherwise_is_named_with_what_differs() {
        let grown = DUMP.replace("ENGINE=InnoDB;", "ENGINE=InnoDB AUTO_INCREMENT=9;").replace("(2,", "(3,");
        assert_eq!(made_otherwise(DUMP, &grown), Vec::<String>::new(), "what grows by itself is no difference");
        let keyless = DUMP.replace(",\n  PRIMARY KEY (`id`)", "");
        assert!(made_otherwise(DUMP, &keyless)[0].starts_with("crds_hst_contexts: "), "{keyless}");
        let other = format!("/*!40101 SET NAMES latin1 */;\n{DUMP}");
        let utf8 = format!("/*!40101 SET NAMES utf8 */;\n{DUMP}");
        assert_eq!(made_otherwise(&utf8, &other), ["SET NAMES: `NAMES latin1 */`, before `NAMES utf8 */`"]);
    }

    #[test]
    fn head_tables_rows_and_closing_line_are_read() {
        let dump = Dump::parse(DUMP).unwrap();
        assert_eq!((dump.facts.database.as_str(), dump.facts.completed.as_str()), ("crds_hst", "2014-09-16 03:10:08"));
        assert!(dump.facts.closed);
        let table = &dump.tables["crds_hst_contexts"];
        assert_eq!(table.columns, ["id", "kind", "context"]);
        assert_eq!(table.rows[1], [Some("2".into()), Some("it's\n'x'; (1,2)".into()), None]);
        assert_eq!(dump.summaries()["crds_hst_contexts"].max_id, 2);
    }

    #[test]
    fn a_dump_that_was_cut_is_not_closed() {
        for at in [10, 120, DUMP.len() - 60, DUMP.len() - 12, DUMP.len() - 1] {
            assert!(!DumpFacts::of(&DUMP[..at]).closed, "cut at {at}");
        }
        assert!(!DumpFacts::of("").closed);
        assert!(Dump::parse("hello\n").is_err());
        assert!(Dump::parse(&DUMP.replace("(1,'hst_op", "(1,2,'hst_op")).is_err());
        let twice = format!("{DUMP}CREATE TABLE `crds_hst_contexts` (\n  `id` int\n);\n");
        assert!(Dump::parse(&twice).is_err(), "a table created anew would lose its rows");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[\\PC\\n]{0,300}") {
            let _ = Dump::parse(&text);
            let _ = Dump::parse(&format!("-- MySQL dump\nCREATE TABLE `t` (\n  `a` int\n);\nINSERT INTO `t` VALUES {text}"));
        }

        #[test]
        fn a_damaged_dump_is_refused_or_every_row_fits(text in crate::mangled::text(DUMP)) {
            match Dump::parse(&text) {
                Ok(dump) => for table in dump.tables.values() {
                    proptest::prop_assert!(table.rows.iter().all(|row| row.len() == table.columns.len()));
                }
                Err(error) => proptest::prop_assert!(error.to_string().len() < 800),
            }
            if DumpFacts::of(&text).closed {
                proptest::prop_assert!(text.ends_with('\n') && text.contains("-- Dump completed on "));
            }
        }

        #[test]
        fn no_part_of_a_dump_is_closed(at in 0..DUMP.len()) {
            proptest::prop_assert!(!DumpFacts::of(&DUMP[..at]).closed);
        }

        #[test]
        fn any_text_value_survives(value in "\\PC{0,60}") {
            let quoted = value.replace('\\', "\\\\").replace('\'', "\\'");
            let text = format!("-- MySQL dump\nCREATE TABLE `t` (\n  `a` text\n);\nINSERT INTO `t` VALUES ('{quoted}');\n");
            let dump = Dump::parse(&text).unwrap();
            proptest::prop_assert_eq!(dump.tables["t"].rows[0][0].as_deref(), Some(value.as_str()));
        }
    }
}
