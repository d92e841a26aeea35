//! The audit log.

use rusqlite::params_from_iter;

use super::{Catalogue, CatalogueError, Sql};

/// One row of the audit log (WP 4.4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActionRow {
    /// Row number in order of writing; 0 before it is saved.
    pub id: i64,
    /// When, local time with microseconds.
    pub date: String,
    /// Who.
    pub user: String,
    /// What: `submit file`, `batch submit`, ...
    pub action: String,
    /// On which file.
    pub filename: String,
    /// Observatory.
    pub observatory: String,
    /// Instrument, from the file's name.
    pub instrument: String,
    /// Type, from the file's name.
    pub filekind: String,
    /// Description as typed.
    pub why: String,
    /// What the server has to add.
    pub details: String,
}

impl Catalogue {
    /// All rows in order of writing.
    ///
    /// # Errors
    ///
    /// As all methods here: if the catalogue cannot be read or written.
    pub fn actions(&self) -> Result<Vec<ActionRow>, CatalogueError> {
        let sql = self.sql(
            "SELECT id, date, user, action, filename, observatory, instrument, filekind, why, details \
             FROM crds_{obs}_actions ORDER BY id",
        );
        self.run("read the audit log", |conn| {
            conn.prepare_cached(&sql)?
                .query_map([], |r| {
                    Ok(ActionRow {
                        id: r.get(0)?,
                        date: r.get(1)?,
                        user: r.get(2)?,
                        action: r.get(3)?,
                        filename: r.get(4)?,
                        observatory: r.get(5)?,
                        instrument: r.get(6)?,
                        filekind: r.get(7)?,
                        why: r.get(8)?,
                        details: r.get(9)?,
                    })
                })?
                .collect::<Sql<Vec<_>>>()
        })
    }

    /// Adds rows as one change.
    pub fn add_actions(&self, rows: &[ActionRow]) -> Result<(), CatalogueError> {
        let sql = self.sql(
            "INSERT INTO crds_{obs}_actions \
             (date, user, action, filename, observatory, instrument, filekind, why, details, blob) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        );
        self.all_or_nothing("write the audit log", |tx| {
            let mut statement = tx.prepare_cached(&sql)?;
            for row in rows {
                let blob = serde_json::json!({"user": row.user, "action": row.action, "filename": row.filename});
                statement.execute(params_from_iter([
                    row.date.as_str(),
                    &row.user,
                    &row.action,
                    &row.filename,
                    &row.observatory,
                    &row.instrument,
                    &row.filekind,
                    &row.why,
                    &row.details,
                    &blob.to_string(),
                ]))?;
            }
            Ok(())
        })
    }
}
