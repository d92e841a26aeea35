//! The rows of a dump, put into their table one by one: taken apart here they cost half of what SQLite's parser takes for a
//! statement of a megabyte.

use std::borrow::Cow;

use rusqlite::Connection;

use super::dialect;

/// Carries out ``INSERT INTO `t` VALUES (...),(...)``, all rows or none.
///
/// `None`: the statement is another one, or holds something else than plain values, and nothing was done.
pub fn insert(connection: &Connection, statement: &str) -> Option<rusqlite::Result<()>> {
    let (table, rows) = statement.strip_prefix("INSERT INTO `")?.split_once("` VALUES ")?;
    if table.contains(['`', '"', ' ', '(']) {
        return None;
    }
    if let Err(error) = connection.execute_batch("SAVEPOINT load") {
        return Some(Err(error));
    }
    let done = all(connection, table, rows);
    let end = if matches!(done, Some(Ok(()))) { "RELEASE load" } else { "ROLLBACK TO load; RELEASE load" };
    let ended = connection.execute_batch(end);
    done.map(|done| done.and(ended))
}

fn all(connection: &Connection, table: &str, rows: &str) -> Option<rusqlite::Result<()>> {
    let mut rest = rows;
    let mut prepared: Option<(usize, rusqlite::Statement<'_>)> = None;
    loop {
        rest = rest.strip_prefix('(')?;
        let mut values: Vec<Value<'_>> = Vec::with_capacity(prepared.as_ref().map_or(32, |(width, _)| *width));
        loop {
            let (value, after) = value(rest)?;
            values.push(value);
            rest = match after.as_bytes().first()? {
                b',' => &after[1..],
                b')' => {
                    rest = &after[1..];
                    break;
                }
                _ => return None,
            };
        }
        let statement = match &mut prepared {
            Some((width, statement)) if *width == values.len() => statement,
            _ => {
                let marks = vec!["?"; values.len()].join(",");
                match connection.prepare(&format!("INSERT INTO \"{table}\" VALUES ({marks})")) {
                    Ok(statement) => &mut prepared.insert((values.len(), statement)).1,
                    Err(error) => return Some(Err(error)),
                }
            }
        };
        for (index, value) in values.iter().enumerate() {
            let bound = match value {
                Value::Null => statement.raw_bind_parameter(index + 1, rusqlite::types::Null),
                Value::Integer(number) => statement.raw_bind_parameter(index + 1, number),
                Value::Text(text) => statement.raw_bind_parameter(index + 1, text.as_ref()),
            };
            if let Err(error) = bound {
                return Some(Err(error));
            }
        }
        if let Err(error) = statement.raw_execute() {
            return Some(Err(error));
        }
        match rest.as_bytes().first() {
            None => return Some(Ok(())),
            Some(b',') => rest = &rest[1..],
            Some(_) => return None,
        }
    }
}

enum Value<'a> {
    Null,
    Integer(i64),
    Text(Cow<'a, str>),
}

/// A value and what follows it.
fn value(text: &str) -> Option<(Value<'_>, &str)> {
    if text.starts_with('\'') {
        let (inside, after) = dialect::string(text)?;
        return Some((Value::Text(inside), after));
    }
    let end = text.find([',', ')'])?;
    let (word, after) = text.split_at(end);
    let value = if word == "NULL" { Value::Null } else { Value::Integer(word.parse().ok()?) };
    Some((value, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(connection: &Connection) -> Vec<String> {
        let mut statement =
            connection.prepare("SELECT quote(a) || ' ' || quote(b) FROM t ORDER BY rowid").expect("SQL");
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).expect("rows");
        rows.map(|row| row.expect("a row")).collect()
    }

    #[test]
    fn rows_arrive_as_by_the_statement_itself() {
        let texts = [
            "INSERT INTO `t` VALUES (1,'plain'),(-2,NULL),(3,''),(NULL,'it\\'s a \\\\ and\\na (tuple),(of) it''s')",
            "INSERT INTO `t` VALUES (9223372036854775807,'\u{e9}\u{1f980}')",
        ];
        for text in texts {
            let (ours, theirs) =
                (Connection::open_in_memory().expect("one"), Connection::open_in_memory().expect("two"));
            for connection in [&ours, &theirs] {
                connection.execute_batch("CREATE TABLE t (a INTEGER, b TEXT)").expect("SQL");
            }
            insert(&ours, text).expect("plain rows").expect("carried out");
            theirs.execute_batch(&dialect::translated(text)).expect("carried out");
            assert_eq!(rows(&ours), rows(&theirs), "{text}");
        }
    }

    #[test]
    fn what_is_no_plain_row_is_left_to_the_parser_and_leaves_nothing() {
        let connection = Connection::open_in_memory().expect("a database");
        connection.execute_batch("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)").expect("SQL");
        for text in [
            "INSERT INTO `t` VALUES (1,'x'),(2,now())",
            "INSERT INTO `t` VALUES (1,'x'),(2,'y",
            "INSERT INTO `t` VALUES (1,'x') , (2,'y')",
            "INSERT INTO `t` VALUES (1,'x'),",
            "INSERT INTO `t` (a) VALUES (1)",
            "insert into t values (1,'x')",
            "INSERT INTO `t` VALUES (1.5,'x')",
            "INSERT INTO `t` VALUES ",
        ] {
            assert!(insert(&connection, text).is_none(), "{text}");
            assert_eq!(rows(&connection), Vec::<String>::new(), "{text}");
        }
        assert_eq!(dialect::string("'a\\0b',1").map(|(text, _)| text.into_owned()), Some("a\0b".to_owned()));
        let double = insert(&connection, "INSERT INTO `t` VALUES (1,'x'),(1,'y')").expect("plain rows");
        assert!(double.is_err_and(|error| error.to_string().contains("UNIQUE")));
        assert_eq!(rows(&connection), Vec::<String>::new(), "all rows or none");
        assert!(insert(&connection, "INSERT INTO `none` VALUES (1)").expect("plain rows").is_err());
    }
}
