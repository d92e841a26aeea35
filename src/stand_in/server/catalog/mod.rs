//! The catalogue: the only module that speaks SQL. Tables as in `schema.sql` (SO 19).
//!
//! Nothing read from it is remembered but under its [`Stamp`]: an operator may change it with `manage dbshell` or restore
//! it under a running server. The connection is opened anew when the file has been replaced.

mod accounts;
mod actions;
mod contexts;
mod files;
mod jpoll;
mod locks;
mod records;
mod results;

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rusqlite::Connection;

pub use accounts::{Account, SessionRow};
pub use actions::ActionRow;
pub use contexts::{ContextRow, HistoryRow, RemoteContextRow};
pub use files::{FIELDS, FileRow};
pub use jpoll::{ChannelRow, MessageRow};
pub use locks::LockRow;
pub use records::Shown;
pub use results::ResultRow;

/// Why a question to the catalogue failed.
#[derive(Debug, thiserror::Error)]
#[error("catalogue `{}`: cannot {what}", path.display())]
pub struct CatalogueError {
    path: PathBuf,
    what: &'static str,
    source: rusqlite::Error,
}

impl CatalogueError {
    /// The next move.
    pub fn help(&self) -> String {
        format!(
            "look at `{}` with sqlite3: is it there, writable and not locked by another program?",
            self.path.display()
        )
    }
}

/// An open catalogue.
#[derive(Debug)]
pub struct Catalogue {
    path: PathBuf,
    obs: String,
    open: Mutex<Option<Open>>,
    /// How often it has been opened.
    opened: AtomicU64,
}

/// What tells one state of a catalogue from any other, whoever changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    opened: u64,
    by_others: i64,
    by_us: u64,
}

#[derive(Debug)]
struct Open {
    conn: Connection,
    inode: u64,
}

type Sql<T> = rusqlite::Result<T>;

/// Creates the tables that are missing, each with its indexes, and gives their names. Tables that are there keep what they
/// have, as with `syncdb`, which installs indexes of new models alone.
///
/// # Errors
///
/// As of the database.
pub fn make_missing(conn: &Connection, observatory: &str) -> rusqlite::Result<Vec<String>> {
    let before = tables(conn)?;
    let schema = include_str!("../schema.sql").replace("{obs}", observatory);
    for statement in schema.split(";\n") {
        let lines = statement.lines().filter(|line| !line.starts_with("--"));
        let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
        // `CREATE TABLE IF NOT EXISTS name` or `CREATE [UNIQUE] INDEX IF NOT EXISTS other ON name`.
        let mark = if words.get(1) == Some(&"TABLE") { "EXISTS" } else { "ON" };
        let Some(table) = words.iter().skip_while(|word| **word != mark).nth(1) else { continue };
        if !before.iter().any(|known| known == table) {
            conn.execute_batch(statement)?;
        }
    }
    Ok(tables(conn)?.into_iter().filter(|name| !before.contains(name)).collect())
}

/// Names of the tables, sorted.
fn tables(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    conn.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")?
        .query_map([], |row| row.get(0))?
        .collect()
}

impl Catalogue {
    /// Opens the catalogue at `path`, creating it and its tables if there are none at all. A table or an index that was
    /// lost stays lost: a server does not make them when it starts.
    ///
    /// # Errors
    ///
    /// If it cannot be opened or its tables cannot be made.
    pub fn open(path: &Path, observatory: &str) -> Result<Self, CatalogueError> {
        let this = Self::existing(path, observatory);
        this.run("create its tables", |conn| {
            if tables(conn)?.is_empty() { make_missing(conn, &this.obs) } else { Ok(Vec::new()) }
        })?;
        Ok(this)
    }

    /// Opens a catalogue that is already there, without touching its tables (`syncdb` is another command's work).
    pub fn existing(path: &Path, observatory: &str) -> Self {
        Self {
            path: path.to_owned(),
            obs: observatory.to_owned(),
            open: Mutex::new(None),
            opened: AtomicU64::default(),
        }
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces `{obs}` in a statement.
    fn sql(&self, text: &str) -> String {
        text.replace("{obs}", &self.obs)
    }

    fn connect(&self) -> Sql<Open> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let conn = Connection::open(&self.path)?;
        conn.busy_timeout(Duration::from_secs(20))?;
        // The rollback journal keeps the state in one file when idle, so that copies of a quiet server are whole.
        // Losing the last writes with the power is not among the things that are rehearsed.
        conn.execute_batch("PRAGMA journal_mode=DELETE; PRAGMA synchronous=OFF; PRAGMA foreign_keys=ON;")?;
        conn.set_prepared_statement_cache_capacity(64);
        let inode = fs::metadata(&self.path).map_or(0, |m| m.ino());
        Ok(Open { conn, inode })
    }

    fn run<T>(&self, what: &'static str, work: impl FnOnce(&mut Connection) -> Sql<T>) -> Result<T, CatalogueError> {
        let mut guard = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let inode = fs::metadata(&self.path).map_or(0, |m| m.ino());
        let result = (|| {
            if guard.as_ref().is_none_or(|open| open.inode != inode) {
                *guard = Some(self.connect()?);
            }
            match guard.as_mut() {
                Some(open) => work(&mut open.conn),
                None => Err(rusqlite::Error::InvalidQuery),
            }
        })();
        result.map_err(|source| CatalogueError { path: self.path.clone(), what, source })
    }

    /// What the catalogue's present state is known by: another stamp after every change, by this process or another, and
    /// when its file is replaced.
    ///
    /// # Errors
    ///
    /// If the catalogue cannot be read.
    pub fn stamp(&self) -> Result<Stamp, CatalogueError> {
        self.run("tell its state", |conn| {
            let by_others = conn.query_row("PRAGMA data_version", [], |row| row.get(0))?;
            Ok(Stamp { opened: self.opened.load(Ordering::Relaxed), by_others, by_us: conn.total_changes() })
        })
    }

    /// Runs several changes as one. Used where the real server does too, and for loading.
    fn all_or_nothing<T>(
        &self,
        what: &'static str,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> Sql<T>,
    ) -> Result<T, CatalogueError> {
        self.run(what, |conn| {
            let tx = conn.transaction()?;
            let out = work(&tx)?;
            tx.commit()?;
            Ok(out)
        })
    }
}

impl Catalogue {
    /// The tables that clients may see as an SQLite database of its own: catalogue, contexts, history, audit log. Mail
    /// addresses, users, sessions and locks stay behind. `named`: what tells a context is its `name`, as in Django's model,
    /// not its `kind`.
    ///
    /// # Errors
    ///
    /// If the catalogue cannot be read.
    pub fn public_copy(&self, named: bool) -> Result<Vec<u8>, CatalogueError> {
        let obs = self.obs.clone();
        self.run("copy its public tables", move |conn| {
            let mut copy = Connection::open_in_memory()?;
            for table in ["catalog", "contexts", "context_history", "actions"] {
                let name = format!("crds_{obs}_{table}");
                let schema: String = conn.query_row(
                    "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?",
                    [&name],
                    |row| row.get(0),
                )?;
                copy.execute_batch(&schema)?;
                let mut rows = conn.prepare(&format!("SELECT * FROM {name}"))?;
                let columns: Vec<String> = rows.column_names().map(str::to_owned).collect();
                let marks = vec!["?"; columns.len()].join(",");
                let mut insert = copy.prepare(&format!("INSERT INTO {name} VALUES ({marks})"))?;
                let mut cursor = rows.query([])?;
                copy.execute_batch("BEGIN")?;
                while let Some(row) = cursor.next()? {
                    for (at, column) in columns.iter().enumerate() {
                        let value: rusqlite::types::Value = match column.as_str() {
                            "deliverer_email" | "pathname" | "blob" => String::new().into(),
                            _ => row.get(at)?,
                        };
                        insert.raw_bind_parameter(at + 1, value)?;
                    }
                    insert.raw_execute()?;
                }
                drop(insert);
                copy.execute_batch("COMMIT")?;
            }
            if named {
                copy.execute_batch(&format!("ALTER TABLE crds_{obs}_contexts RENAME COLUMN kind TO name"))?;
            }
            Ok(copy.serialize("main")?.to_vec())
        })
    }
}
