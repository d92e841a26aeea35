//! `mysqldump`: a database as MySQL's own tool writes it (SO 11): header, tables with rows, `-- Dump completed on`.

use std::io::{self, Write};

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::{Access, MysqlError};
use crate::stand_in::tools::Call;

/// The longest `INSERT`: MySQL's tool begins a new one when its buffer is full.
const STATEMENT_BYTES: usize = 1 << 20;

/// `mysqldump [switches] DATABASE`.
pub fn main(call: &mut Call<'_>) -> i32 {
    let (mut access, rest) = super::access(&call.args);
    let Some(name) = rest.iter().find(|arg| !arg.starts_with('-')) else {
        call.complain("Usage: mysqldump [OPTIONS] database [tables]");
        return 1;
    };
    access.name.clone_from(name);
    let connection = match super::open(&access) {
        Ok(connection) => connection,
        Err(error) => {
            call.complain(format!("mysqldump: Got error: {}: {} when trying to connect", error.code, error.text));
            return 2;
        }
    };
    let mut out = io::BufWriter::with_capacity(1 << 16, &mut *call.out);
    let written = write(&connection, &access, &mut out).and_then(|()| out.flush().map_err(|error| failed(&error)));
    drop(out);
    match written {
        Ok(()) => 0,
        Err(error) => {
            call.complain(format!("mysqldump: Error {}: {}", error.code, error.text));
            3
        }
    }
}

fn failed(error: &io::Error) -> MysqlError {
    MysqlError::new(5, "HY000", format!("Got errno {} on write", error.raw_os_error().unwrap_or(0)))
}

/// Writes a whole dump.
///
/// # Errors
///
/// If a table cannot be read or the output not be written.
pub fn write(connection: &Connection, access: &Access, out: &mut dyn Write) -> Result<(), MysqlError> {
    let sql = |error: rusqlite::Error| MysqlError::of(&error);
    let mut put = |text: &str| out.write_all(text.as_bytes()).map_err(|error| failed(&error));
    put(&format!(
        "-- MySQL dump 10.13  Distrib 5.1.73, for redhat-linux-gnu (x86_64)\n--\n-- Host: {}    Database: {}\n-- ------------------------------------------------------\n-- Server version\t5.5.31\n\n",
        access.host, access.name
    ))?;
    put(
        "/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;\n/*!40101 SET NAMES utf8 */;\n/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;\n\n",
    )?;
    for table in tables(connection).map_err(sql)? {
        let rule = "--\n";
        put(&format!("{rule}-- Table structure for table `{table}`\n{rule}\n"))?;
        put(&format!("DROP TABLE IF EXISTS `{table}`;\n"))?;
        put(&definition(connection, &table).map_err(sql)?)?;
        put(&format!("{rule}-- Dumping data for table `{table}`\n{rule}\n"))?;
        put(&format!("LOCK TABLES `{table}` WRITE;\n/*!40000 ALTER TABLE `{table}` DISABLE KEYS */;\n"))?;
        let mut statement = connection.prepare(&format!("SELECT * FROM \"{table}\" ORDER BY rowid")).map_err(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query([]).map_err(sql)?;
        let mut text = String::new();
        while let Some(row) = rows.next().map_err(sql)? {
            if text.is_empty() {
                text.push_str(&format!("INSERT INTO `{table}` VALUES "));
            } else {
                text.push(',');
            }
            text.push('(');
            for column in 0..columns {
                if column > 0 {
                    text.push(',');
                }
                literal(row.get_ref(column).map_err(sql)?, &mut text);
            }
            text.push(')');
            if text.len() > STATEMENT_BYTES {
                text.push_str(";\n");
                put(&text)?;
                text.clear();
            }
        }
        if !text.is_empty() {
            text.push_str(";\n");
            put(&text)?;
        }
        put(&format!("/*!40000 ALTER TABLE `{table}` ENABLE KEYS */;\nUNLOCK TABLES;\n\n"))?;
    }
    put(
        "/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;\n/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;\n\n",
    )?;
    // MySQL pads the hour with a blank.
    let now = jiff::Zoned::now();
    put(&format!("-- Dump completed on {} {:>2}{}\n", now.strftime("%Y-%m-%d"), now.hour(), now.strftime(":%M:%S")))
}

/// The tables of a database, sorted.
pub fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    named(connection, "type = 'table'")
}

/// As [`tables`], with the views among them, as `SHOW TABLES` lists them.
pub fn tables_and_views(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    named(connection, "type IN ('table', 'view')")
}

fn named(connection: &Connection, kind: &str) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare(&format!("SELECT name FROM sqlite_master WHERE {kind} AND name NOT LIKE 'sqlite_%' ORDER BY name"))?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// The `CREATE TABLE` of a table in MySQL's dialect.
pub fn definition(connection: &Connection, table: &str) -> rusqlite::Result<String> {
    let mut lines = Vec::new();
    let indices: Vec<(String, bool, String)> = connection
        .prepare(&format!("PRAGMA index_list(\"{table}\")"))?
        .query_map([], |row| Ok((row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut indexed: Vec<(String, bool, String, Vec<String>)> = Vec::new();
    for (name, unique, origin) in indices {
        let columns = connection
            .prepare(&format!("PRAGMA index_info(\"{name}\")"))?
            .query_map([], |row| row.get::<_, String>(2))?
            .collect::<rusqlite::Result<_>>()?;
        indexed.push((name, unique, origin, columns));
    }
    indexed.sort();
    let columns: Vec<(String, String, bool, Option<String>, i64)> = connection
        .prepare(&format!("PRAGMA table_info(\"{table}\")"))?
        .query_map([], |row| Ok((row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut primary = Vec::new();
    for (name, kind, required, default, key) in &columns {
        let whole = kind.eq_ignore_ascii_case("INTEGER");
        let in_index = indexed.iter().any(|(_, _, _, members)| members.contains(name));
        let kind = if whole {
            "int(11)"
        } else if *key > 0 || in_index {
            "varchar(255)"
        } else {
            "longtext"
        };
        let mut line = format!("  `{name}` {kind}");
        if *required || *key > 0 {
            line.push_str(" NOT NULL");
        }
        if *key > 0 && whole {
            line.push_str(" AUTO_INCREMENT");
        }
        match default {
            Some(value) => line.push_str(&format!(" DEFAULT {value}")),
            None if !required && *key == 0 => line.push_str(" DEFAULT NULL"),
            None => {}
        }
        if *key > 0 {
            primary.push(format!("`{name}`"));
        }
        lines.push(line);
    }
    if !primary.is_empty() {
        lines.push(format!("  PRIMARY KEY ({})", primary.join(",")));
    }
    for (name, unique, origin, members) in &indexed {
        if origin == "pk" {
            continue;
        }
        // `u_` marks what the table itself declares unique.
        let shown = if origin == "u" { format!("u_{}", members.join("_")) } else { name.clone() };
        let members: Vec<String> = members.iter().map(|member| format!("`{member}`")).collect();
        let word = if *unique { "UNIQUE KEY" } else { "KEY" };
        lines.push(format!("  {word} `{shown}` ({})", members.join(",")));
    }
    let foreign: Vec<(String, String, Option<String>, String)> = connection
        // Its own list begins with the last one declared: each load would turn them round.
        .prepare("SELECT \"table\", \"from\", \"to\", on_delete FROM pragma_foreign_key_list(?1) ORDER BY id DESC")?
        .query_map([table], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (number, (other, from, to, on_delete)) in foreign.iter().enumerate() {
        let to = to.as_deref().unwrap_or("id");
        lines.push(format!(
            "  CONSTRAINT `{table}_fk_{}` FOREIGN KEY (`{from}`) REFERENCES `{other}` (`{to}`) ON DELETE {on_delete}",
            number + 1
        ));
    }
    Ok(format!("CREATE TABLE `{table}` (\n{}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8;\n\n", lines.join(",\n")))
}

fn literal(value: ValueRef<'_>, text: &mut String) {
    match value {
        ValueRef::Null => text.push_str("NULL"),
        ValueRef::Integer(number) => text.push_str(&number.to_string()),
        ValueRef::Real(number) => text.push_str(&number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            text.push('\'');
            for c in String::from_utf8_lossy(bytes).chars() {
                match c {
                    '\'' => text.push_str("\\'"),
                    '"' => text.push_str("\\\""),
                    '\\' => text.push_str("\\\\"),
                    '\n' => text.push_str("\\n"),
                    '\r' => text.push_str("\\r"),
                    '\0' => text.push_str("\\0"),
                    '\u{1a}' => text.push_str("\\Z"),
                    c => text.push(c),
                }
            }
            text.push('\'');
        }
    }
}
