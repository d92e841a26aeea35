//! Rows of `locking_lock`: two per instrument lock (WP 3.4).

use rusqlite::{OptionalExtension, params};

use super::{Catalogue, CatalogueError, Sql};

/// One lock row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockRow {
    /// `instrument$acs`, `instrument$acs$jdoe` or `context$all`.
    pub name: String,
    /// When it was taken, local time.
    pub created_on: String,
    /// How long after that it holds, seconds.
    pub max_age: i64,
}

impl Catalogue {
    /// The lock row of that name, expired or not.
    ///
    /// # Errors
    ///
    /// As all methods here: if the catalogue cannot be read or written.
    pub fn lock(&self, name: &str) -> Result<Option<LockRow>, CatalogueError> {
        self.run("read a lock", |conn| {
            conn.prepare_cached("SELECT locked_object, created_on, max_age FROM locking_lock WHERE locked_object = ?")?
                .query_row([name], |r| Ok(LockRow { name: r.get(0)?, created_on: r.get(1)?, max_age: r.get(2)? }))
                .optional()
        })
    }

    /// Every lock row in order of taking.
    pub fn locks(&self) -> Result<Vec<LockRow>, CatalogueError> {
        self.run("list locks", |conn| {
            conn.prepare_cached("SELECT locked_object, created_on, max_age FROM locking_lock ORDER BY id")?
                .query_map([], |r| Ok(LockRow { name: r.get(0)?, created_on: r.get(1)?, max_age: r.get(2)? }))?
                .collect::<Sql<Vec<_>>>()
        })
    }

    /// Takes locks as one change; false, and nothing is taken, if one of the names is there already.
    pub fn take_locks(&self, rows: &[LockRow]) -> Result<bool, CatalogueError> {
        self.all_or_nothing("take a lock", |tx| {
            for row in rows {
                let taken: bool = tx.query_row(
                    "SELECT exists(SELECT 1 FROM locking_lock WHERE locked_object = ?)",
                    [&row.name],
                    |r| r.get(0),
                )?;
                if taken {
                    return Ok(false);
                }
            }
            for row in rows {
                tx.execute(
                    "INSERT INTO locking_lock (locked_object, created_on, max_age) VALUES (?, ?, ?)",
                    params![row.name, row.created_on, row.max_age],
                )?;
            }
            Ok(true)
        })
    }

    /// Lets a lock begin anew, if it is still the row that it was; how long it holds stays. False if it is another now.
    pub fn renew_lock(&self, row: &LockRow, created_on: &str) -> Result<bool, CatalogueError> {
        self.run("renew a lock", |conn| {
            let changed = conn.execute(
                "UPDATE locking_lock SET created_on = ? WHERE locked_object = ? AND created_on = ?",
                params![created_on, row.name, row.created_on],
            )?;
            Ok(changed == 1)
        })
    }

    /// Changes how long a lock holds.
    pub fn set_lock_age(&self, name: &str, max_age: i64) -> Result<(), CatalogueError> {
        self.run("extend a lock", |conn| {
            conn.execute("UPDATE locking_lock SET max_age = ? WHERE locked_object = ?", params![max_age, name])
                .map(drop)
        })
    }

    /// Drops lock rows by name.
    pub fn drop_locks(&self, names: &[String]) -> Result<(), CatalogueError> {
        self.all_or_nothing("drop a lock", |tx| {
            for name in names {
                tx.execute("DELETE FROM locking_lock WHERE locked_object = ?", [name])?;
            }
            Ok(())
        })
    }
}
