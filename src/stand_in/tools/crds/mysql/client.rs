//! `mysql`: SQL from standard input or `-e`, answers as tab-separated lines; stops at the first error.

use std::borrow::Cow;
use std::io::{BufWriter, IsTerminal, Read, Write};

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::{Access, MysqlError, dialect, dump, load, schema};
use crate::stand_in::tools::Call;

/// `mysql [switches] [DATABASE] [-e SQL]`. Each statement commits on its own: a load that is cut short leaves what it had done.
pub fn main(call: &mut Call<'_>) -> i32 {
    let (mut access, rest) = super::access(&call.args);
    let mut script = None;
    let mut names = true;
    let mut words = rest.into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-e" | "--execute" => script = words.next(),
            "-N" | "--skip-column-names" => names = false,
            "-u" | "-P" | "-h" => {
                words.next();
            }
            other if other.starts_with("--execute=") => script = other.strip_prefix("--execute=").map(str::to_owned),
            other if other.starts_with('-') => {}
            other => access.name = other.to_owned(),
        }
    }
    let script = script.unwrap_or_else(|| {
        let mut text = String::new();
        if std::io::stdin().is_terminal() {
            return text;
        }
        let mut bytes = Vec::new();
        if std::io::stdin().read_to_end(&mut bytes).is_ok() {
            text = String::from_utf8_lossy(&bytes).into_owned();
        }
        text
    });
    if let Err(error) = super::admit(&access) {
        call.complain(error);
        return 1;
    }
    let mut connection = match access.name.as_str() {
        "" => None,
        _ => match super::open(&access) {
            Ok(connection) => Some(connection),
            Err(error) => {
                call.complain(error);
                return 1;
            }
        },
    };
    for (line, statement) in dialect::statements(&script) {
        if let Err(error) = execute(call, &mut connection, &mut access, &statement, names) {
            call.complain(format!("ERROR {} ({}) at line {line}: {}", error.code, error.state, error.text));
            return 1;
        }
    }
    0
}

fn execute(
    call: &mut Call<'_>,
    connection: &mut Option<Connection>,
    access: &mut Access,
    statement: &str,
    names: bool,
) -> Result<(), MysqlError> {
    // The words decide only for short statements; an INSERT of a dump has a megabyte.
    let head = statement.floor_char_boundary(400);
    let lower = statement[..head].to_ascii_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let last = statement.rsplit(char::is_whitespace).find(|word| !word.is_empty()).unwrap_or("");
    let last = last.trim_matches(['`', '\'', '"', ';']).to_owned();
    match words.as_slice() {
        ["set" | "lock" | "unlock" | "commit" | "start" | "begin", ..] => return Ok(()),
        ["use", ..] => {
            access.name = last;
            *connection = Some(super::open(access)?);
            return Ok(());
        }
        ["show", "databases"] => {
            let mut found: Vec<String> = std::fs::read_dir(super::directory())
                .into_iter()
                .flatten()
                .filter_map(Result::ok)
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .filter(|name| !name.starts_with('.') && !name.ends_with("-journal"))
                .collect();
            found.sort();
            print(call, &["Database"], found.into_iter().map(|name| vec![name]), names);
            return Ok(());
        }
        ["create", "database", ..] => {
            let path = super::file(&last);
            if path.exists() && !lower.contains("if not exists") {
                let text = format!("Can't create database '{last}'; database exists");
                return Err(MysqlError::new(1007, "HY000", text));
            }
            super::connect(&path)?.execute_batch("PRAGMA user_version=1").map_err(|error| MysqlError::of(&error))?;
            return Ok(());
        }
        ["drop", "database", ..] => {
            let path = super::file(&last);
            if let Err(error) = std::fs::remove_file(&path)
                && !lower.contains("if exists")
            {
                let text = format!("Can't drop database '{last}'; {error}");
                return Err(MysqlError::new(1008, "HY000", text));
            }
            return Ok(());
        }
        _ => {}
    }
    let Some(connection) = connection else {
        return Err(MysqlError::new(1046, "3D000", "No database selected"));
    };
    let sql = |error: rusqlite::Error| MysqlError::of(&error);
    match words.as_slice() {
        ["show", "tables"] => {
            let found = dump::tables_and_views(connection).map_err(sql)?;
            let title = format!("Tables_in_{}", access.name);
            print(call, &[&title], found.into_iter().map(|name| vec![name]), names);
            return Ok(());
        }
        ["describe" | "desc", ..] => {
            return query(
                call,
                connection,
                &format!("SELECT name AS Field, type AS Type FROM pragma_table_info('{last}')"),
                names,
            );
        }
        ["create", "table", ..] => {
            if let Some(parts) = dialect::table(statement) {
                for part in parts {
                    connection.execute_batch(&part).map_err(sql)?;
                }
                return Ok(());
            }
        }
        ["alter", ..] | ["drop", "index", ..] => {
            return match schema::altered(statement)? {
                Some(made) => connection.execute_batch(&made).map_err(sql),
                None => Ok(()),
            };
        }
        ["truncate", ..] => return connection.execute_batch(&format!("DELETE FROM \"{last}\"")).map_err(sql),
        _ => {}
    }
    if let Some(answer) = schema::show(connection, &words, &last) {
        let answer = answer?;
        print(call, &answer.titles, answer.rows.into_iter(), names);
        return Ok(());
    }
    if lower.contains("information_schema.") {
        schema::information(connection, &access.name).map_err(sql)?;
    }
    if lower.contains("@@hostname") {
        let statement = statement.replace("@@hostname", &format!("'{}'", access.host));
        return query(call, connection, &dialect::translated(&statement), names);
    }
    if let Some(loaded) = load::insert(connection, statement) {
        return loaded.map_err(sql);
    }
    query(call, connection, &dialect::translated(statement), names)
}

fn query(call: &mut Call<'_>, connection: &Connection, sql: &str, names: bool) -> Result<(), MysqlError> {
    let failed = |error: rusqlite::Error| MysqlError::of(&error);
    let mut statement = connection.prepare(sql).map_err(failed)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    if columns.is_empty() {
        statement.execute([]).map_err(failed)?;
        return Ok(());
    }
    let mut rows = statement.query([]).map_err(failed)?;
    // In batch mode the client buffers; a closed stream is no error to it.
    let mut text = Vec::with_capacity(BUFFER + (1 << 12));
    let mut first = true;
    while let Some(row) = rows.next().map_err(failed)? {
        if std::mem::take(&mut first) && names {
            text.extend_from_slice(columns.join("\t").as_bytes());
            text.push(b'\n');
        }
        for column in 0..columns.len() {
            if column > 0 {
                text.push(b'\t');
            }
            cell(row.get_ref(column).map_err(failed)?, &mut text);
        }
        text.push(b'\n');
        if text.len() >= BUFFER {
            let _ = call.out.write_all(&text);
            text.clear();
        }
    }
    let _ = call.out.write_all(&text).and_then(|()| call.out.flush());
    Ok(())
}

/// How much is written at once, in bytes.
const BUFFER: usize = 1 << 16;

/// A value as the client prints it in batch mode; bytes that are no UTF-8 are replaced.
fn cell(value: ValueRef<'_>, line: &mut Vec<u8>) {
    let _ = match value {
        ValueRef::Null => line.write_all(b"NULL"),
        ValueRef::Integer(number) => write!(line, "{number}"),
        ValueRef::Real(number) => write!(line, "{number}"),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            let text = std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed);
            // Most are of a few words: a plain loop is done before a search is set up.
            if !text.bytes().any(|byte| matches!(byte, b'\\' | b'\n' | b'\t' | 0)) {
                line.write_all(text.as_bytes())
            } else {
                let escaped = text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t").replace('\0', "\\0");
                line.write_all(escaped.as_bytes())
            }
        }
    };
}

fn print(call: &mut Call<'_>, titles: &[&str], rows: impl Iterator<Item = Vec<String>>, names: bool) {
    // In batch mode the client buffers; a closed stream is no error to it.
    let mut out = BufWriter::with_capacity(1 << 16, &mut *call.out);
    let mut line = |text: String| writeln!(out, "{text}");
    let head = names.then(|| titles.join("\t"));
    let _ = head.into_iter().chain(rows.map(|row| row.join("\t"))).try_for_each(&mut line);
    let _ = out.flush();
}
