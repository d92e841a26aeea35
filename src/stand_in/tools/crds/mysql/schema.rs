//! How tables are made: what `SHOW`, `ALTER TABLE`, `DROP INDEX` and `information_schema` know of it.

use rusqlite::Connection;

use super::{MysqlError, dump};

/// Rows of an answer with their titles.
pub struct Answer {
    /// Names of the columns.
    pub titles: Vec<&'static str>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

/// The answer to a `SHOW` about one table; `None` if `words` are none.
///
/// # Errors
///
/// 1146 if there is no such table.
pub fn show(connection: &Connection, words: &[&str], name: &str) -> Option<Result<Answer, MysqlError>> {
    let look: fn(&Connection, &str) -> rusqlite::Result<Answer> = match words {
        ["show", "create", "table", ..] => create,
        ["show", "index" | "indexes" | "keys", "from" | "in", ..] => index,
        ["show", "columns" | "fields", "from" | "in", ..] => columns,
        _ => return None,
    };
    Some(known(connection, name).and_then(|()| look(connection, name).map_err(|error| MysqlError::of(&error))))
}

fn known(connection: &Connection, name: &str) -> Result<(), MysqlError> {
    match dump::tables(connection) {
        Ok(names) if names.iter().any(|known| known == name) => Ok(()),
        Ok(_) => Err(MysqlError::new(1146, "42S02", format!("Table '{name}' doesn't exist"))),
        Err(error) => Err(MysqlError::of(&error)),
    }
}

/// As the client prints it in batch mode: a row stays one line.
fn create(connection: &Connection, name: &str) -> rusqlite::Result<Answer> {
    let made = dump::definition(connection, name)?.trim_end_matches([';', '\n']).replace('\n', "\\n");
    Ok(Answer { titles: vec!["Table", "Create Table"], rows: vec![vec![name.to_owned(), made]] })
}

fn index(connection: &Connection, name: &str) -> rusqlite::Result<Answer> {
    let rows = connection
        .prepare(
            "SELECT l.\"unique\" = 0, l.name, i.seqno + 1, i.name FROM pragma_index_list(?1) l, pragma_index_info(l.name) i \
             ORDER BY 2, 3",
        )?
        .query_map([name], |row| {
            let number = |at| row.get::<_, i64>(at).map(|number| number.to_string());
            Ok(vec![name.to_owned(), number(0)?, row.get(1)?, number(2)?, row.get(3)?])
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Answer { titles: vec!["Table", "Non_unique", "Key_name", "Seq_in_index", "Column_name"], rows })
}

fn columns(connection: &Connection, name: &str) -> rusqlite::Result<Answer> {
    let rows = connection
        .prepare("SELECT name, type, CASE \"notnull\" WHEN 0 THEN 'YES' ELSE 'NO' END FROM pragma_table_info(?1)")?
        .query_map([name], |row| Ok(vec![row.get(0)?, row.get(1)?, row.get(2)?]))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Answer { titles: vec!["Field", "Type", "Null"], rows })
}

/// A change of a table in SQLite's words; none where there is nothing to do, as with keys that a load switches off.
///
/// # Errors
///
/// 1235 for what SQLite cannot do: better than a success that changed nothing.
pub fn altered(statement: &str) -> Result<Option<String>, MysqlError> {
    let plain = statement.replace('`', "\"");
    let words: Vec<&str> = plain.split_whitespace().collect();
    let lower: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let rest = |from: usize| words.get(from..).unwrap_or_default().join(" ");
    let table = words.get(2).copied().unwrap_or_default();
    let made = match lower.as_slice() {
        ["drop", "index", _, "on", _] => format!("DROP INDEX {}", words[2]),
        ["alter", "table", _, "disable" | "enable", "keys"] => return Ok(None),
        ["alter", "database" | "schema", ..] => return Ok(None),
        ["alter", "table", _, "drop", "index" | "key", _] => format!("DROP INDEX {}", words[5]),
        ["alter", "table", _, "add", "unique", "index" | "key", _, ..] => {
            format!("CREATE UNIQUE INDEX {} ON {table} {}", words[6], rest(7))
        }
        ["alter", "table", _, "add", "index" | "key", _, ..] => {
            format!("CREATE INDEX {} ON {table} {}", words[5], rest(6))
        }
        ["alter", "table", _, "add" | "rename" | "drop", ..] if !lower.contains(&"constraint") => plain,
        ["alter", "table", _, last] if last.starts_with("auto_increment=") => {
            let name = table.trim_matches('"').replace('\'', "''");
            match last.trim_start_matches("auto_increment=").parse::<i64>() {
                Ok(next) => {
                    format!("UPDATE sqlite_sequence SET seq = {} WHERE name = '{name}'", next.saturating_sub(1))
                }
                Err(_) => return Err(unsupported(statement)),
            }
        }
        _ => return Err(unsupported(statement)),
    };
    Ok(Some(made))
}

fn unsupported(statement: &str) -> MysqlError {
    let begin: String = statement.chars().take(60).collect();
    MysqlError::new(1235, "42000", format!("This version of MySQL doesn't yet support '{begin}'"))
}

/// Makes the tables of `information_schema` that questions about tables use.
///
/// # Errors
///
/// As of the database.
pub fn information(connection: &Connection, database: &str) -> rusqlite::Result<()> {
    let there: i64 = connection.query_row(
        "SELECT count(*) FROM pragma_database_list WHERE name = 'information_schema'",
        [],
        |row| row.get(0),
    )?;
    if there > 0 {
        return Ok(());
    }
    connection.execute_batch(
        "ATTACH ':memory:' AS information_schema;
         CREATE TABLE information_schema.tables (table_schema, table_name, table_type, engine);
         CREATE TABLE information_schema.columns (table_schema, table_name, column_name, ordinal_position, column_type);
         CREATE TABLE information_schema.statistics
             (table_schema, table_name, non_unique, index_name, seq_in_index, column_name);",
    )?;
    connection.execute(
        "INSERT INTO information_schema.tables SELECT ?1, name, CASE type WHEN 'view' THEN 'VIEW' ELSE 'BASE TABLE' END,
             CASE type WHEN 'view' THEN NULL ELSE 'InnoDB' END
         FROM main.sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'",
        [database],
    )?;
    connection.execute(
        "INSERT INTO information_schema.columns SELECT ?1, t.table_name, c.name, c.cid + 1, c.type
         FROM information_schema.tables t, pragma_table_info(t.table_name) c",
        [database],
    )?;
    connection.execute(
        "INSERT INTO information_schema.statistics SELECT ?1, t.table_name, l.\"unique\" = 0, l.name, i.seqno + 1, i.name
         FROM information_schema.tables t, pragma_index_list(t.table_name) l, pragma_index_info(l.name) i",
        [database],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_changed_or_the_statement_refused() {
        let changed = |statement: &str| altered(statement).expect("known");
        assert_eq!(changed("ALTER TABLE `t` DISABLE KEYS"), None);
        assert_eq!(changed("drop index i on t").as_deref(), Some("DROP INDEX i"));
        assert_eq!(changed("alter table `t` drop key `i`").as_deref(), Some("DROP INDEX \"i\""));
        assert_eq!(changed("alter table t add index i (a, b)").as_deref(), Some("CREATE INDEX i ON t (a, b)"));
        assert_eq!(
            changed("alter table t auto_increment=7").as_deref(),
            Some("UPDATE sqlite_sequence SET seq = 6 WHERE name = 't'")
        );
        assert_eq!(changed("alter table t add column c int").as_deref(), Some("alter table t add column c int"));
        assert_eq!(altered("alter table t engine=MyISAM").expect_err("SQLite has none").code, 1235);
    }

    #[test]
    fn what_a_table_is_made_of_is_told_in_every_way() {
        let connection = Connection::open_in_memory().expect("opens");
        connection
            .execute_batch(
                "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT); CREATE UNIQUE INDEX i ON t (a)",
            )
            .expect("makes");
        let told = |words: &[&str], name: &str| show(&connection, words, name).expect("a question");
        let made = told(&["show", "create", "table", "t"], "t").unwrap_or_else(|error| panic!("{error}"));
        assert!(made.rows[0][1].contains("\\n  UNIQUE KEY `i` (`a`)"), "{:?}", made.rows);
        let keys = told(&["show", "index", "from", "t"], "t").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(keys.rows, [["t", "0", "i", "1", "a"]]);
        assert_eq!(told(&["show", "create", "table", "x"], "x").err().map(|error| error.code), Some(1146));
        information(&connection, "crds_hst").expect("makes");
        information(&connection, "crds_hst").expect("once");
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("answers");
        assert_eq!(count("select count(*) from information_schema.columns where table_schema = 'crds_hst'"), 2);
        assert_eq!(count("select count(*) from information_schema.statistics"), 1);
    }
}
