//! Between MySQL's dialect and SQLite's: splitting scripts, quoting, table definitions, a few functions.

use std::borrow::Cow;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

/// Splits a script at semicolons outside strings and comments; also tells the line on which each statement begins.
///
/// Runs without a mark are copied whole: the dump of a catalogue has megabytes of them.
pub fn statements(script: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut text = String::new();
    let (mut line, mut start) = (1, 1);
    let mut rest = script;
    while !rest.is_empty() {
        let plain = rest.bytes().position(|b| b"'\"`-/;".contains(&b)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(plain);
        if text.is_empty() {
            let body = run.trim_start();
            line += lines(&run[..run.len() - body.len()]);
            start = line;
            text.push_str(body);
            line += lines(body);
        } else {
            text.push_str(run);
            line += lines(run);
        }
        rest = after;
        let Some(mark) = rest.chars().next() else { break };
        let skipped = match mark {
            '\'' | '"' | '`' => {
                let end = string_end(rest);
                text.push_str(&rest[..end]);
                end
            }
            '-' if rest.starts_with("-- ") || rest.starts_with("--\n") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest[2..].find("*/").map_or(rest.len(), |at| at + 4),
            ';' => {
                if !text.trim().is_empty() {
                    found.push((start, text.trim().to_owned()));
                }
                text.clear();
                1
            }
            other => {
                text.push(other);
                1
            }
        };
        line += lines(&rest[..skipped]);
        rest = &rest[skipped..];
    }
    if !text.trim().is_empty() {
        found.push((start, text.trim().to_owned()));
    }
    found
}

fn lines(text: &str) -> usize {
    memchr::memchr_iter(b'\n', text.as_bytes()).count()
}

/// Where the string that `text` begins with ends, quotes included; without a closing quote, the end of `text`.
fn string_end(text: &str) -> usize {
    let quote = text.as_bytes()[0];
    let mut at = 1;
    while let Some(next) = memchr::memchr2(quote, b'\\', &text.as_bytes()[at..]) {
        let mark = at + next;
        if text.as_bytes()[mark] == quote {
            return mark + 1;
        }
        // A name in backquotes knows no escapes.
        let escaped = if quote == b'`' { 0 } else { text[mark + 1..].chars().next().map_or(0, char::len_utf8) };
        at = mark + 1 + escaped;
    }
    text.len()
}

/// The inside of the string literal in single quotes that `text` begins with, escapes resolved, and what follows it. `None`
/// without a closing quote.
pub fn string(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut end = string_end(text);
    // A quote twice is one quote: the literal goes on.
    while text.as_bytes().get(end) == Some(&b'\'') {
        end += string_end(&text[end..]);
    }
    let body = text.get(1..end)?.strip_suffix('\'')?;
    if memchr::memchr2(b'\\', b'\'', body.as_bytes()).is_none() {
        return Some((Cow::Borrowed(body), &text[end..]));
    }
    let mut plain = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = memchr::memchr2(b'\\', b'\'', rest.as_bytes()) {
        plain.push_str(&rest[..at]);
        let mut following = rest[at..].chars();
        let mark = following.next();
        // After a quote comes its double: alone it would have ended the literal.
        let Some(second) = following.next() else { break };
        plain.push(if mark == Some('\\') { escaped(second) } else { second });
        rest = following.as_str();
    }
    plain.push_str(rest);
    Some((Cow::Owned(plain), &text[end..]))
}

/// The character that a backslash before `letter` stands for.
fn escaped(letter: char) -> char {
    match letter {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '0' => '\0',
        'Z' => '\u{1a}',
        other => other,
    }
}

/// A statement with its string literals and names quoted as SQLite wants them.
pub fn translated(statement: &str) -> String {
    let mut out = String::with_capacity(statement.len() + 16);
    let mut rest = statement;
    while let Some(plain) = memchr::memchr3(b'\'', b'"', b'`', rest.as_bytes()) {
        out.push_str(&rest[..plain]);
        let string = &rest[plain..];
        if let Some(after) = string.strip_prefix('`') {
            out.push('"');
            rest = after;
            continue;
        }
        let end = string_end(string);
        let quote = if string.starts_with('"') { '"' } else { '\'' };
        let body = string[1..end].strip_suffix(quote).unwrap_or(&string[1..end]);
        out.push('\'');
        literal(body, quote, &mut out);
        out.push('\'');
        rest = &string[end..];
    }
    out.push_str(rest);
    out
}

/// The inside of a string literal, its escapes resolved, single quotes doubled.
fn literal(body: &str, quote: char, out: &mut String) {
    let mut rest = body;
    while let Some(at) = memchr::memchr2(b'\\', b'\'', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let (mark, after) = rest[at..].split_at(1);
        rest = after;
        if mark == "'" {
            if quote == '"' {
                out.push_str("''");
            }
            continue;
        }
        let Some(letter) = rest.chars().next() else { break };
        match letter {
            '\'' => out.push_str("''"),
            other => out.push(escaped(other)),
        }
        rest = &rest[letter.len_utf8()..];
    }
    out.push_str(rest);
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
