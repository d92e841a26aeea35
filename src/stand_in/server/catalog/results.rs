//! Stored result pages and pending submissions.

use rusqlite::{OptionalExtension, Row, params};
use serde_json::Value;

use super::{Catalogue, CatalogueError, Sql};

/// A stored result page. What it shows is in `blob`, which only the operations and the pages understand.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
#[derive(Default)]
pub struct ResultRow {
    /// The integer of 2014's addresses; 0 before it is saved.
    pub id: i64,
    /// The UUID of 2019's addresses.
    pub name: String,
    /// When it was stored, local time.
    pub date: String,
    /// Who made it.
    pub user: String,
    /// Which page: `batch submit`, `submit file`, `confirmed`, ...
    pub kind: String,
    /// Empty while it waits for a confirmation.
    pub disposition: String,
    /// What the page shows.
    pub blob: Value,
}

const COLUMNS: &str = "id, name, date, user, kind, disposition, blob";

fn read(row: &Row<'_>) -> Sql<ResultRow> {
    let blob: String = row.get(6)?;
    Ok(ResultRow {
        id: row.get(0)?,
        name: row.get(1)?,
        date: row.get(2)?,
        user: row.get(3)?,
        kind: row.get(4)?,
        disposition: row.get(5)?,
        blob: serde_json::from_str(&blob).unwrap_or(Value::Null),
    })
}

impl Catalogue {
    /// The result page of that UUID.
    ///
    /// # Errors
    ///
    /// As all methods here: if the catalogue cannot be read or written.
    pub fn result(&self, name: &str) -> Result<Option<ResultRow>, CatalogueError> {
        let sql = self.sql(&format!("SELECT {COLUMNS} FROM crds_{{obs}}_results WHERE name = ?"));
        self.run("read a result page", |conn| conn.query_row(&sql, [name], read).optional())
    }

    /// The result page of that number.
    pub fn result_by_id(&self, id: i64) -> Result<Option<ResultRow>, CatalogueError> {
        let sql = self.sql(&format!("SELECT {COLUMNS} FROM crds_{{obs}}_results WHERE id = ?"));
        self.run("read a result page", |conn| conn.query_row(&sql, [id], read).optional())
    }

    /// All result pages in order of writing.
    pub fn results(&self) -> Result<Vec<ResultRow>, CatalogueError> {
        let sql = self.sql(&format!("SELECT {COLUMNS} FROM crds_{{obs}}_results ORDER BY id"));
        self.run("list result pages", |conn| conn.prepare(&sql)?.query_map([], read)?.collect::<Sql<Vec<_>>>())
    }

    /// Stores a new result page and gives its number.
    pub fn add_result(&self, row: &ResultRow) -> Result<i64, CatalogueError> {
        let sql = self.sql(
            "INSERT INTO crds_{obs}_results (id, name, date, user, kind, disposition, blob) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        );
        self.run("store a result page", |conn| {
            let id = (row.id != 0).then_some(row.id);
            conn.execute(
                &sql,
                params![id, row.name, row.date, row.user, row.kind, row.disposition, row.blob.to_string()],
            )?;
            Ok(conn.last_insert_rowid())
        })
    }

    /// Saves disposition and contents of a result page.
    pub fn save_result(&self, row: &ResultRow) -> Result<(), CatalogueError> {
        let sql = self.sql("UPDATE crds_{obs}_results SET disposition = ?, blob = ? WHERE name = ?");
        self.run("save a result page", |conn| {
            conn.execute(&sql, params![row.disposition, row.blob.to_string(), row.name]).map(drop)
        })
    }

    /// Moves a result page from one disposition to another; false if it was not in the first any more. Two clicks at
    /// once are told apart here.
    pub fn change_disposition(&self, name: &str, from: &str, to: &str) -> Result<bool, CatalogueError> {
        let sql = self.sql("UPDATE crds_{obs}_results SET disposition = ? WHERE name = ? AND disposition = ?");
        self.run("claim a result page", |conn| Ok(conn.execute(&sql, [to, name, from])? == 1))
    }
}
