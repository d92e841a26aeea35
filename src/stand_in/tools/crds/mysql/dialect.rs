//! Between MySQL's dialect and SQLite's: splitting scripts, quoting, table definitions, a few functions.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

/// Splits a script at semicolons outside strings and comments; also tells the line on which each statement begins.
pub fn statements(script: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut text = String::new();
    let mut line = 1;
    let mut start = 1;
    let mut chars = script.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\n' {
            line += 1;
        }
        if text.trim().is_empty() {
            text.clear();
            start = line;
        }
        match c {
            '\'' | '"' | '`' => {
                text.push(c);
                while let Some((_, s)) = chars.next() {
                    text.push(s);
                    line += usize::from(s == '\n');
                    if s == '\\' && c != '`' {
                        if let Some((_, escaped)) = chars.next() {
                            text.push(escaped);
                        }
                    } else if s == c {
                        break;
                    }
                }
            }
            '-' if script[at..].starts_with("-- ") || script[at..].starts_with("--\n") => {
                while chars.peek().is_some_and(|&(_, next)| next != '\n') {
                    chars.next();
                }
            }
            '/' if script[at..].starts_with("/*") => {
                let end = script[at + 2..].find("*/").map_or(script.len(), |offset| at + offset + 4);
                while chars.peek().is_some_and(|&(next, _)| next < end) {
                    if let Some((_, s)) = chars.next() {
                        line += usize::from(s == '\n');
                    }
                }
            }
            ';' => {
                if !text.trim().is_empty() {
                    found.push((start, text.trim().to_owned()));
                }
                text.clear();
            }
            _ => text.push(c),
        }
    }
    if !text.trim().is_empty() {
        found.push((start, text.trim().to_owned()));
    }
    found
}

/// A statement with its string literals and names quoted as SQLite wants them.
pub fn translated(statement: &str) -> String {
    let mut out = String::with_capacity(statement.len() + 16);
    let mut chars = statement.chars();
    while let Some(c) = chars.next() {
        match c {
            '`' => out.push('"'),
            '\'' | '"' => {
                out.push('\'');
                while let Some(s) = chars.next() {
                    match s {
                        '\\' => match chars.next() {
                            Some('n') => out.push('\n'),
                            Some('r') => out.push('\r'),
                            Some('t') => out.push('\t'),
                            Some('0') => out.push('\0'),
                            Some('Z') => out.push('\u{1a}'),
                            Some('\'') => out.push_str("''"),
                            Some(other) => out.push(other),
                            None => {}
                        },
                        '\'' if c == '"' => out.push_str("''"),
                        s if s == c => break,
                        s => out.push(s),
                    }
                }
                out.push('\'');
            }
            c => out.push(c),
        }
    }
    out
}

/// A `CREATE TABLE` of a dump as SQLite statements: the table, then its plain indices.
pub fn table(statement: &str) -> Option<Vec<String>> {
    let (head, rest) = statement.split_once('(')?;
    let name = head.split('`').nth(1)?;
    let (body, _) = rest.rsplit_once(')')?;
    let auto = body.contains("AUTO_INCREMENT");
    let mut columns = Vec::new();
    let mut indices = Vec::new();
    for line in body.lines().map(|line| line.trim().trim_end_matches(',')).filter(|line| !line.is_empty()) {
        if let Some(keys) = line.strip_prefix("PRIMARY KEY ") {
            if !auto {
                columns.push(format!("PRIMARY KEY {}", keys.replace('`', "\"")));
            }
        } else if let Some(key) = line.strip_prefix("UNIQUE KEY ") {
            let (index, keys) = key.split_once(' ')?;
            if index.starts_with("`u_") {
                columns.push(format!("UNIQUE {}", keys.replace('`', "\"")));
            } else {
                indices.push(format!(
                    "CREATE UNIQUE INDEX {} ON \"{name}\" {}",
                    index.replace('`', "\""),
                    keys.replace('`', "\"")
                ));
            }
        } else if let Some(key) = line.strip_prefix("KEY ") {
            let (index, keys) = key.split_once(' ')?;
            indices.push(format!(
                "CREATE INDEX {} ON \"{name}\" {}",
                index.replace('`', "\""),
                keys.replace('`', "\"")
            ));
        } else if let Some(key) = line.strip_prefix("CONSTRAINT ") {
            columns.push(key.split_once(' ')?.1.replace('`', "\""));
        } else {
            columns.push(column(line)?);
        }
    }
    // SQLite wants constraints after all columns, as the dump has them.
    let mut all = vec![format!("CREATE TABLE \"{name}\" ({})", columns.join(", "))];
    all.extend(indices);
    Some(all)
}

fn column(line: &str) -> Option<String> {
    let (name, rest) = line.strip_prefix('`')?.split_once("` ")?;
    if rest.contains("AUTO_INCREMENT") {
        return Some(format!("\"{name}\" INTEGER PRIMARY KEY AUTOINCREMENT"));
    }
    let (kind, tail) = rest.split_once(' ').unwrap_or((rest, ""));
    let kind = if kind.starts_with("int") || kind.starts_with("tinyint") { "INTEGER" } else { "TEXT" };
    let tail = tail.replace("DEFAULT NULL", "");
    Some(format!("\"{name}\" {kind} {}", tail.trim()).trim_end().to_owned())
}

/// Functions of MySQL that operators' probes use.
pub fn functions(connection: &Connection, path: &Path) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    connection.create_scalar_function("database", 0, flags, move |_| Ok(name.clone()))?;
    connection.create_scalar_function("now", 0, flags, |_| {
        Ok(jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S").to_string())
    })?;
    connection.create_scalar_function("version", 0, flags, |_| Ok("5.5.31"))?;
    connection.create_scalar_function("concat", -1, flags, |context| {
        let mut text = String::new();
        for index in 0..context.len() {
            match context.get_raw(index) {
                rusqlite::types::ValueRef::Text(bytes) => text.push_str(&String::from_utf8_lossy(bytes)),
                rusqlite::types::ValueRef::Integer(number) => text.push_str(&number.to_string()),
                rusqlite::types::ValueRef::Real(number) => text.push_str(&number.to_string()),
                _ => {}
            }
        }
        Ok(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_split_outside_strings() {
        let found = statements("-- a; b\nselect 'x;\\'y';\n/* c; */ insert into t values (\"q\");\nselect 1");
        let texts: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["select 'x;\\'y'", "insert into t values (\"q\")", "select 1"]);
        assert_eq!(found[0].0, 2);
        assert_eq!(
            translated("insert into `t` values ('a\\'b\\\\c\\nd', \"e'f\")"),
            "insert into \"t\" values ('a''b\\c\nd', 'e''f')"
        );
    }
}
