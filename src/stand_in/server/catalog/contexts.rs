//! Present contexts, their history, remote contexts and counters.

use rusqlite::{OptionalExtension, params};

use super::{Catalogue, CatalogueError, Sql};

/// A present context: `hst_operational_context`, `hst_edit_context`, ...
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ContextRow {
    /// `<obs>_<kind>_context`.
    pub kind: String,
    /// The pmap.
    pub context: String,
}

/// A row of the context history, of any kind.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HistoryRow {
    /// Its number on the edit pages, from 1.
    #[serde(skip)]
    pub id: i64,
    /// Since when, local time.
    pub start_date: String,
    /// The pmap.
    pub context: String,
    /// `operational`, `edit` or `versions`.
    pub state: String,
    /// Why.
    #[serde(default)]
    pub description: String,
}

/// A pipeline that pushes the name of its cached context.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
#[derive(Default)]
pub struct RemoteContextRow {
    /// Pipeline name.
    pub name: String,
    /// Observatory.
    pub observatory: String,
    /// Context kind, `operational`.
    pub kind: String,
    /// What the pipeline must present.
    pub key: String,
    /// What it pushed last.
    pub context: String,
}

impl Catalogue {
    /// The present context of a kind (`operational`, `edit`, `versions`).
    ///
    /// # Errors
    ///
    /// As all methods here: if the catalogue cannot be read or written.
    pub fn context(&self, kind: &str) -> Result<Option<String>, CatalogueError> {
        let key = format!("{}_{kind}_context", self.obs);
        let sql = self.sql("SELECT context FROM crds_{obs}_contexts WHERE kind = ?");
        self.run("read a context", |conn| conn.query_row(&sql, [key], |r| r.get(0)).optional())
    }

    /// Every present context.
    pub fn contexts(&self) -> Result<Vec<ContextRow>, CatalogueError> {
        let sql = self.sql("SELECT kind, context FROM crds_{obs}_contexts ORDER BY id");
        self.run("list contexts", |conn| {
            conn.prepare(&sql)?
                .query_map([], |r| Ok(ContextRow { kind: r.get(0)?, context: r.get(1)? }))?
                .collect::<Sql<Vec<_>>>()
        })
    }

    /// Sets the present context of a kind, given with or without `<obs>_` and `_context`.
    pub fn set_context(&self, kind: &str, context: &str) -> Result<(), CatalogueError> {
        let key = if kind.ends_with("_context") { kind.to_owned() } else { format!("{}_{kind}_context", self.obs) };
        let sql = self.sql(
            "INSERT INTO crds_{obs}_contexts (kind, context) VALUES (?, ?) \
             ON CONFLICT (kind) DO UPDATE SET context = excluded.context",
        );
        self.run("set a context", |conn| conn.execute(&sql, [key.as_str(), context]).map(drop))
    }

    /// The history of all kinds, oldest first.
    pub fn history(&self) -> Result<Vec<HistoryRow>, CatalogueError> {
        let sql =
            self.sql("SELECT id, start_date, context, state, description FROM crds_{obs}_context_history ORDER BY id");
        self.run("read the context history", |conn| {
            conn.prepare_cached(&sql)?
                .query_map([], |r| {
                    Ok(HistoryRow {
                        id: r.get(0)?,
                        start_date: r.get(1)?,
                        context: r.get(2)?,
                        state: r.get(3)?,
                        description: r.get(4)?,
                    })
                })?
                .collect::<Sql<Vec<_>>>()
        })
    }

    /// Adds history rows as one change.
    pub fn add_history(&self, rows: &[HistoryRow]) -> Result<(), CatalogueError> {
        let sql = self.sql(
            "INSERT INTO crds_{obs}_context_history (start_date, context, state, description) VALUES (?, ?, ?, ?)",
        );
        self.all_or_nothing("add context history", |tx| {
            for row in rows {
                tx.prepare_cached(&sql)?.execute([&row.start_date, &row.context, &row.state, &row.description])?;
            }
            Ok(())
        })
    }

    /// Changes the description of a history row; false if there is none of that number.
    pub fn set_history_description(&self, id: i64, text: &str) -> Result<bool, CatalogueError> {
        let sql = self.sql("UPDATE crds_{obs}_context_history SET description = ? WHERE id = ?");
        self.run("edit the context history", |conn| Ok(conn.execute(&sql, params![text, id])? == 1))
    }

    /// All remote contexts in order of registration.
    pub fn remote_contexts(&self) -> Result<Vec<RemoteContextRow>, CatalogueError> {
        let sql = self.sql("SELECT name, observatory, kind, key, context FROM crds_{obs}_remote_contexts ORDER BY id");
        self.run("list remote contexts", |conn| {
            conn.prepare_cached(&sql)?
                .query_map([], |r| {
                    Ok(RemoteContextRow {
                        name: r.get(0)?,
                        observatory: r.get(1)?,
                        kind: r.get(2)?,
                        key: r.get(3)?,
                        context: r.get(4)?,
                    })
                })?
                .collect::<Sql<Vec<_>>>()
        })
    }

    /// Registers a remote context.
    pub fn add_remote_context(&self, row: &RemoteContextRow) -> Result<(), CatalogueError> {
        let sql = self.sql(
            "INSERT INTO crds_{obs}_remote_contexts (name, observatory, kind, key, context) VALUES (?, ?, ?, ?, ?)",
        );
        self.run("add a remote context", |conn| {
            conn.execute(&sql, [&row.name, &row.observatory, &row.kind, &row.key, &row.context]).map(drop)
        })
    }

    /// Sets what a pipeline pushed; false if nobody is registered so.
    pub fn push_remote_context(
        &self,
        observatory: &str,
        kind: &str,
        key: &str,
        context: &str,
    ) -> Result<bool, CatalogueError> {
        let sql = self
            .sql("UPDATE crds_{obs}_remote_contexts SET context = ? WHERE observatory = ? AND kind = ? AND key = ?");
        self.run("push a remote context", |conn| Ok(conn.execute(&sql, [context, observatory, kind, key])? > 0))
    }

    /// The stored value of a counter.
    pub fn counter(&self, name: &str) -> Result<Option<i64>, CatalogueError> {
        let sql = self.sql("SELECT counter FROM crds_{obs}_counters WHERE name = ?");
        self.run("read a counter", |conn| conn.query_row(&sql, [name], |r| r.get(0)).optional())
    }

    /// Every counter, in order of creation.
    pub fn counters(&self) -> Result<Vec<(String, i64)>, CatalogueError> {
        let sql = self.sql("SELECT name, counter FROM crds_{obs}_counters ORDER BY id");
        self.run("list counters", |conn| {
            conn.prepare(&sql)?.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect::<Sql<Vec<_>>>()
        })
    }

    /// Adds one to a counter, created at 0, stores it at once and gives it (RD 6.2).
    pub fn next_counter(&self, name: &str) -> Result<i64, CatalogueError> {
        let sql = self.sql(
            "INSERT INTO crds_{obs}_counters (name, counter) VALUES (?, 1) \
             ON CONFLICT (name) DO UPDATE SET counter = counter + 1 RETURNING counter",
        );
        self.run("draw a number", |conn| conn.query_row(&sql, [name], |r| r.get(0)))
    }

    /// Raises a counter to at least `value`; never lowers it.
    pub fn raise_counter(&self, name: &str, value: i64) -> Result<(), CatalogueError> {
        let sql = self.sql(
            "INSERT INTO crds_{obs}_counters (name, counter) VALUES (?, ?) \
             ON CONFLICT (name) DO UPDATE SET counter = max(counter, excluded.counter)",
        );
        self.run("raise a counter", |conn| conn.execute(&sql, params![name, value]).map(drop))
    }

    /// Sets a counter back by `count`, as a mirror that lost rows leaves it (a fault knob); never below zero.
    pub fn lower_counter(&self, name: &str, count: u32) -> Result<(), CatalogueError> {
        let sql = self.sql("UPDATE crds_{obs}_counters SET counter = max(counter - ?, 0) WHERE name = ?");
        self.run("lower a counter", |conn| conn.execute(&sql, params![count, name]).map(drop))
    }
}
