//! The database server's client programs, on SQLite: `mysql` reads SQL, `mysqldump` writes it, both in MySQL's dialect.
//!
//! One directory plays the database server; a database is a file in it, and the file's name is the database's.

mod client;
mod dialect;
mod dump;
mod load;
mod schema;

pub use client::main as client;
pub use dump::{main as dump, tables};

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;

/// What the database server refuses, with its number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ERROR {code} ({state}): {text}")]
pub struct MysqlError {
    /// MySQL's error number.
    pub code: u16,
    /// SQLSTATE.
    pub state: &'static str,
    /// What it says.
    pub text: String,
}

impl MysqlError {
    fn new(code: u16, state: &'static str, text: impl Into<String>) -> Self {
        Self { code, state, text: text.into() }
    }

    fn of(error: &rusqlite::Error) -> Self {
        let text = error.to_string();
        if let Some(table) = text.strip_prefix("no such table: ") {
            return Self::new(
                1146,
                "42S02",
                format!("Table '{}' doesn't exist", table.split(" in ").next().unwrap_or(table)),
            );
        }
        if let Some(column) = text.strip_prefix("no such column: ") {
            return Self::new(
                1054,
                "42S22",
                format!("Unknown column '{}'", column.split(" in ").next().unwrap_or(column)),
            );
        }
        if text.contains("UNIQUE constraint failed") {
            return Self::new(1062, "23000", format!("Duplicate entry: {text}"));
        }
        if text.contains("disk is full") || text.contains("disk I/O") || text.contains("readonly") {
            return Self::new(1030, "HY000", "Got error -1 from storage engine");
        }
        if text.contains("malformed") || text.contains("not a database") {
            return Self::new(1033, "HY000", "Incorrect information in file");
        }
        Self::new(1064, "42000", format!("You have an error in your SQL syntax; {text}"))
    }
}

/// Where databases lie on this host.
pub fn directory() -> PathBuf {
    let root = std::env::var("HOST_ROOT").unwrap_or_default();
    PathBuf::from(format!("{root}/var/lib/mysql"))
}

/// The file of a database.
pub fn file(name: &str) -> PathBuf {
    directory().join(name)
}

/// How a client reaches its database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Account.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Database server.
    pub host: String,
    /// Its port.
    pub port: String,
    /// Database.
    pub name: String,
}

/// The file in the database server's directory that holds the accounts: `user<TAB>sha1 of the password` a line.
pub const GRANTS: &str = ".grants";

/// Lets a client in.
///
/// # Errors
///
/// 2003 if the server is away, 1045 for a wrong password.
pub fn admit(access: &Access) -> Result<(), MysqlError> {
    let dir = directory();
    if !dir.is_dir() {
        let text = format!("Can't connect to MySQL server on '{}' (111)", access.host);
        return Err(MysqlError::new(2003, "HY000", text));
    }
    let Ok(grants) = fs::read_to_string(dir.join(GRANTS)) else { return Ok(()) };
    let given = super::rules::sha1(access.password.as_bytes());
    let known = grants.lines().any(|line| line.split_once('\t') == Some((access.user.as_str(), given.as_str())));
    if known {
        return Ok(());
    }
    let yes = if access.password.is_empty() { "NO" } else { "YES" };
    let text = format!("Access denied for user '{}'@'localhost' (using password: {yes})", access.user);
    Err(MysqlError::new(1045, "28000", text))
}

/// Opens a database that is there.
///
/// # Errors
///
/// 1049 if it is not; otherwise as [`admit`].
pub fn open(access: &Access) -> Result<Connection, MysqlError> {
    admit(access)?;
    let path = file(&access.name);
    if access.name.is_empty() || access.name.contains('/') || !path.is_file() {
        return Err(MysqlError::new(1049, "42000", format!("Unknown database '{}'", access.name)));
    }
    connect(&path)
}

fn connect(path: &std::path::Path) -> Result<Connection, MysqlError> {
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(20))?;
        connection.execute_batch("PRAGMA journal_mode=DELETE; PRAGMA synchronous=OFF; PRAGMA foreign_keys=OFF;")?;
        dialect::functions(&connection, path)?;
        Ok(connection)
    };
    open().map_err(|error| MysqlError::of(&error))
}

/// Reads the switches that both programs share; the rest is left.
fn access(args: &[String]) -> (Access, Vec<String>) {
    let mut access = Access::default();
    let mut rest = Vec::new();
    for arg in args {
        let value = |name: &str| arg.strip_prefix(&format!("--{name}=")).map(str::to_owned);
        if let Some(user) = value("user") {
            access.user = user;
        } else if let Some(password) = value("password") {
            access.password = password;
        } else if let Some(host) = value("host") {
            access.host = host;
        } else if let Some(port) = value("port") {
            access.port = port;
        } else {
            rest.push(arg.clone());
        }
    }
    if access.user.is_empty() {
        // As with ~/.my.cnf: a client on the host itself that names no account is let in as the server's own.
        access.user = own_account().unwrap_or_default().0;
        access.password = own_account().unwrap_or_default().1;
    }
    (access, rest)
}

/// The account of ~/.my.cnf.
fn own_account() -> Option<(String, String)> {
    let home = std::env::var("HOME").ok()?;
    let text = fs::read_to_string(PathBuf::from(home).join(".my.cnf")).ok()?;
    let value = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('=').map(|v| v.trim().to_owned()))
    };
    Some((value("user")?, value("password")?))
}

/// The dump of a database, as [`dump`] writes it.
///
/// # Errors
///
/// What the database server says.
pub fn dump_text(path: &std::path::Path, server: &str) -> Result<String, String> {
    let connection = connect(path).map_err(|error| error.to_string())?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let access = Access { host: server.to_owned(), name, ..Access::default() };
    let mut bytes = Vec::new();
    dump::write(&connection, &access, &mut bytes).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}
