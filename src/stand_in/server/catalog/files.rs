//! Rows of the file catalogue.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Row, params, params_from_iter};

use super::{Catalogue, CatalogueError, Sql};

/// Names of the columns, in the order of [`FileRow`] and of the tables of `--load` and `dump`.
pub const FIELDS: [&str; 28] = [
    "name",
    "state",
    "blacklisted",
    "rejected",
    "observatory",
    "instrument",
    "filekind",
    "type",
    "derived_from",
    "sha1sum",
    "size",
    "delivery_date",
    "activation_date",
    "useafter_date",
    "change_level",
    "pedigree",
    "reference_file_type",
    "uploaded_as",
    "creator_name",
    "deliverer_user",
    "deliverer_email",
    "description",
    "pathname",
    "catalog_link",
    "replaced_by_filename",
    "comment",
    "aperture",
    "history",
];

/// One catalogued file (WP 1.10). Empty text = no value.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct FileRow {
    /// Row number, in order of writing; 0 before it is saved.
    pub id: i64,
    /// Base name.
    pub name: String,
    /// Stored state (WP 4.1).
    pub state: String,
    /// Refers to a bad mapping.
    pub blacklisted: bool,
    /// Marked bad itself.
    pub rejected: bool,
    /// Observatory.
    pub observatory: String,
    /// Instrument; empty for pmaps.
    pub instrument: String,
    /// Type; empty for pmaps and imaps.
    pub filekind: String,
    /// `mapping` or `reference`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The file it was made from, or `none`.
    pub derived_from: String,
    /// SHA-1 of its bytes, hexadecimal.
    pub sha1sum: String,
    /// Length in bytes.
    pub size: Option<i64>,
    /// When the row was made, local time.
    pub delivery_date: String,
    /// When it first became operational, local time.
    pub activation_date: String,
    /// USEAFTER of a reference.
    pub useafter_date: String,
    /// SEVERE, MODERATE or TRIVIAL.
    pub change_level: String,
    /// PEDIGREE of a reference.
    pub pedigree: String,
    /// REFTYPE of a reference.
    pub reference_file_type: String,
    /// Name at upload.
    pub uploaded_as: String,
    /// Who made it.
    pub creator_name: String,
    /// Who submitted it.
    pub deliverer_user: String,
    /// Address of who submitted it; never handed out.
    pub deliverer_email: String,
    /// Description of the submission.
    pub description: String,
    /// Path in the server's cache; never handed out.
    pub pathname: String,
    /// Name of the delivery catalogue it went out with; empty = it never had one.
    pub catalog_link: String,
    /// What replaced it in an operational context.
    pub replaced_by_filename: String,
    /// DESCRIP of a reference.
    pub comment: String,
    /// APERTURE of a reference.
    pub aperture: String,
    /// HISTORY of a reference, one card a line.
    pub history: String,
}

impl FileRow {
    /// Whether it is a pmap, imap or rmap.
    pub fn is_mapping(&self) -> bool {
        super::super::rules_store::is_mapping_name(&self.name)
    }

    /// The text of a text column; `None` for flags, the size and columns that are not there.
    pub fn text(&self, name: &str) -> Option<&str> {
        Some(match name {
            "name" => &self.name,
            "state" => &self.state,
            "observatory" => &self.observatory,
            "instrument" => &self.instrument,
            "filekind" => &self.filekind,
            "type" => &self.kind,
            "derived_from" => &self.derived_from,
            "sha1sum" => &self.sha1sum,
            "delivery_date" => &self.delivery_date,
            "activation_date" => &self.activation_date,
            "useafter_date" => &self.useafter_date,
            "change_level" => &self.change_level,
            "pedigree" => &self.pedigree,
            "reference_file_type" => &self.reference_file_type,
            "uploaded_as" => &self.uploaded_as,
            "creator_name" => &self.creator_name,
            "deliverer_user" => &self.deliverer_user,
            "deliverer_email" => &self.deliverer_email,
            "description" => &self.description,
            "pathname" => &self.pathname,
            "catalog_link" => &self.catalog_link,
            "replaced_by_filename" => &self.replaced_by_filename,
            "comment" => &self.comment,
            "aperture" => &self.aperture,
            "history" => &self.history,
            _ => return None,
        })
    }

    /// The text of a column as it is stored; `None` if there is no such column.
    pub fn field(&self, name: &str) -> Option<String> {
        if let Some(text) = self.text(name) {
            return Some(text.to_owned());
        }
        let flag = |b: bool| if b { "1" } else { "0" }.to_owned();
        Some(match name {
            "blacklisted" => flag(self.blacklisted),
            "rejected" => flag(self.rejected),
            "size" => self.size.map(|n| n.to_string()).unwrap_or_default(),
            _ => return None,
        })
    }

    /// Sets a column from its text; false if there is no such column.
    pub fn set_field(&mut self, name: &str, text: &str) -> bool {
        let flag = |t: &str| matches!(t, "1" | "true" | "True" | "TRUE");
        match name {
            "name" => self.name = text.to_owned(),
            "state" => self.state = text.to_owned(),
            "blacklisted" => self.blacklisted = flag(text),
            "rejected" => self.rejected = flag(text),
            "observatory" => self.observatory = text.to_owned(),
            "instrument" => self.instrument = text.to_owned(),
            "filekind" => self.filekind = text.to_owned(),
            "type" => self.kind = text.to_owned(),
            "derived_from" => self.derived_from = text.to_owned(),
            "sha1sum" => self.sha1sum = text.to_owned(),
            "size" => self.size = text.trim().parse().ok(),
            "delivery_date" => self.delivery_date = text.to_owned(),
            "activation_date" => self.activation_date = text.to_owned(),
            "useafter_date" => self.useafter_date = text.to_owned(),
            "change_level" => self.change_level = text.to_owned(),
            "pedigree" => self.pedigree = text.to_owned(),
            "reference_file_type" => self.reference_file_type = text.to_owned(),
            "uploaded_as" => self.uploaded_as = text.to_owned(),
            "creator_name" => self.creator_name = text.to_owned(),
            "deliverer_user" => self.deliverer_user = text.to_owned(),
            "deliverer_email" => self.deliverer_email = text.to_owned(),
            "description" => self.description = text.to_owned(),
            "pathname" => self.pathname = text.to_owned(),
            "catalog_link" => self.catalog_link = text.to_owned(),
            "replaced_by_filename" => self.replaced_by_filename = text.to_owned(),
            "comment" => self.comment = text.to_owned(),
            "aperture" => self.aperture = text.to_owned(),
            "history" => self.history = text.to_owned(),
            _ => return false,
        }
        true
    }

    /// The redundant text column: what the real server keeps beside its real columns.
    fn blob(&self) -> String {
        serde_json::json!({
            "name": self.name, "uploaded_as": self.uploaded_as, "derived_from": self.derived_from,
            "deliverer_user": self.deliverer_user, "description": self.description, "catalog_link": self.catalog_link,
        })
        .to_string()
    }
}

const COLUMNS: &str = "id, name, state, blacklisted, rejected, observatory, instrument, filekind, type, derived_from, \
    sha1sum, size, delivery_date, activation_date, useafter_date, change_level, pedigree, reference_file_type, \
    uploaded_as, creator_name, deliverer_user, deliverer_email, description, pathname, catalog_link, \
    replaced_by_filename, comment, aperture, history";

/// Text of a column whatever its storage class: an operator's SQL may have left a number or NULL there.
pub(super) fn text(row: &Row<'_>, at: usize) -> Sql<String> {
    use rusqlite::types::ValueRef;
    Ok(match row.get_ref(at)? {
        ValueRef::Null => String::new(),
        ValueRef::Integer(n) => n.to_string(),
        ValueRef::Real(x) => x.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    })
}

fn read(row: &Row<'_>) -> Sql<FileRow> {
    Ok(FileRow {
        id: row.get(0)?,
        name: text(row, 1)?,
        state: text(row, 2)?,
        blacklisted: text(row, 3)? == "1",
        rejected: text(row, 4)? == "1",
        observatory: text(row, 5)?,
        instrument: text(row, 6)?,
        filekind: text(row, 7)?,
        kind: text(row, 8)?,
        derived_from: text(row, 9)?,
        sha1sum: text(row, 10)?,
        size: text(row, 11)?.parse().ok(),
        delivery_date: text(row, 12)?,
        activation_date: text(row, 13)?,
        useafter_date: text(row, 14)?,
        change_level: text(row, 15)?,
        pedigree: text(row, 16)?,
        reference_file_type: text(row, 17)?,
        uploaded_as: text(row, 18)?,
        creator_name: text(row, 19)?,
        deliverer_user: text(row, 20)?,
        deliverer_email: text(row, 21)?,
        description: text(row, 22)?,
        pathname: text(row, 23)?,
        catalog_link: text(row, 24)?,
        replaced_by_filename: text(row, 25)?,
        comment: text(row, 26)?,
        aperture: text(row, 27)?,
        history: text(row, 28)?,
    })
}

fn insert(conn: &rusqlite::Connection, sql: &str, row: &FileRow) -> Sql<i64> {
    let mut statement = conn.prepare_cached(sql)?;
    statement.execute(params![
        row.name,
        row.state,
        row.blacklisted,
        row.rejected,
        row.observatory,
        row.instrument,
        row.filekind,
        row.kind,
        row.derived_from,
        row.sha1sum,
        row.size,
        row.delivery_date,
        row.activation_date,
        row.useafter_date,
        row.change_level,
        row.pedigree,
        row.reference_file_type,
        row.uploaded_as,
        row.creator_name,
        row.deliverer_user,
        row.deliverer_email,
        row.description,
        row.pathname,
        row.catalog_link,
        row.replaced_by_filename,
        row.comment,
        row.aperture,
        row.history,
        row.blob(),
    ])?;
    Ok(conn.last_insert_rowid())
}

impl Catalogue {
    fn insert_sql(&self) -> String {
        let names = &COLUMNS["id, ".len()..];
        let marks = vec!["?"; FIELDS.len() + 1].join(",");
        self.sql(&format!("INSERT INTO crds_{{obs}}_catalog ({names}, blob) VALUES ({marks})"))
    }

    /// The row of that exact name.
    ///
    /// # Errors
    ///
    /// As all methods here: if the catalogue cannot be read or written.
    pub fn file(&self, name: &str) -> Result<Option<FileRow>, CatalogueError> {
        let sql = self.sql(&format!("SELECT {COLUMNS} FROM crds_{{obs}}_catalog WHERE name = ?"));
        self.run("look up a file", |conn| conn.prepare_cached(&sql)?.query_row([name], read).optional())
    }

    /// All rows in order of writing.
    pub fn files(&self) -> Result<Vec<FileRow>, CatalogueError> {
        self.files_where("1 ORDER BY id", &[])
    }

    /// Rows that satisfy an SQL condition with text parameters.
    fn files_where(&self, condition: &str, with: &[&str]) -> Result<Vec<FileRow>, CatalogueError> {
        let sql = self.sql(&format!("SELECT {COLUMNS} FROM crds_{{obs}}_catalog WHERE {condition}"));
        self.run("list files", |conn| {
            conn.prepare_cached(&sql)?.query_map(params_from_iter(with), read)?.collect::<Sql<Vec<_>>>()
        })
    }

    /// Rows with one of these stored states, in order of writing.
    pub fn files_in_states(&self, states: &[&str]) -> Result<Vec<FileRow>, CatalogueError> {
        let marks = vec!["?"; states.len()].join(",");
        self.files_where(&format!("state IN ({marks}) ORDER BY id"), states)
    }

    /// Rows whose parent has this name.
    pub fn files_derived_from(&self, parent: &str) -> Result<Vec<FileRow>, CatalogueError> {
        self.files_where("derived_from = ? ORDER BY id", &[parent])
    }

    /// Rows whose bytes have this SHA-1.
    pub fn files_with_sha1(&self, sha1: &str) -> Result<Vec<FileRow>, CatalogueError> {
        self.files_where("sha1sum = ? ORDER BY id", &[sha1])
    }

    /// Rows marked bad.
    pub fn rejected_files(&self) -> Result<Vec<FileRow>, CatalogueError> {
        self.files_where("rejected = 1 ORDER BY name", &[])
    }

    /// Rows whose name ends so, by name downwards.
    pub fn files_with_extension(&self, extension: &str) -> Result<Vec<FileRow>, CatalogueError> {
        self.files_where("name LIKE '%' || ? ORDER BY name DESC", &[extension])
    }

    /// Rows whose name ends so, those written last first.
    pub fn newest_files_with_extension(&self, extension: &str) -> Result<Vec<FileRow>, CatalogueError> {
        self.files_where("name LIKE '%' || ? ORDER BY id DESC", &[extension])
    }

    /// Name and stored state of every row.
    pub fn names_and_states(&self) -> Result<Vec<(String, String)>, CatalogueError> {
        let sql = self.sql("SELECT name, state FROM crds_{obs}_catalog");
        self.run("list file names", |conn| {
            conn.prepare_cached(&sql)?.query_map([], |r| Ok((text(r, 0)?, text(r, 1)?)))?.collect::<Sql<Vec<_>>>()
        })
    }

    /// Those of the names that have a row of an observatory in one of these states.
    pub fn names_in_states(
        &self,
        names: &[String],
        observatory: &str,
        states: &[&str],
    ) -> Result<Vec<String>, CatalogueError> {
        let marks = vec!["?"; states.len()].join(",");
        let sql = self.sql(&format!(
            "SELECT name FROM crds_{{obs}}_catalog \
             WHERE name IN (SELECT value FROM json_each(?)) AND observatory = ? AND state IN ({marks})"
        ));
        let names = serde_json::Value::from(names).to_string();
        self.run("list file names", |conn| {
            let with = [names.as_str(), observatory].into_iter().chain(states.iter().copied());
            conn.prepare_cached(&sql)?.query_map(params_from_iter(with), |r| text(r, 0))?.collect::<Sql<Vec<_>>>()
        })
    }

    /// Whether there is any row of an observatory.
    pub fn has_files(&self, observatory: &str) -> Result<bool, CatalogueError> {
        let sql = self.sql("SELECT EXISTS (SELECT 1 FROM crds_{obs}_catalog WHERE observatory = ?)");
        self.run("look for a file", |conn| conn.prepare_cached(&sql)?.query_row([observatory], |r| r.get(0)))
    }

    /// Writes a new row and gives its number.
    pub fn add_file(&self, row: &FileRow) -> Result<i64, CatalogueError> {
        let sql = self.insert_sql();
        self.run("add a file", |conn| insert(conn, &sql, row))
    }

    /// Writes many new rows as one.
    pub fn add_files(&self, rows: &[FileRow]) -> Result<(), CatalogueError> {
        let sql = self.insert_sql();
        self.all_or_nothing("add files", |tx| {
            for row in rows {
                insert(tx, &sql, row)?;
            }
            Ok(())
        })
    }

    /// Saves a row that is there already.
    pub fn save_file(&self, row: &FileRow) -> Result<(), CatalogueError> {
        let insert_sql = self.insert_sql();
        let delete = self.sql("DELETE FROM crds_{obs}_catalog WHERE name = ?");
        let renumber = self.sql("UPDATE crds_{obs}_catalog SET id = ? WHERE name = ?");
        self.all_or_nothing("save a file", |tx| {
            tx.prepare_cached(&delete)?.execute([&row.name])?;
            insert(tx, &insert_sql, row)?;
            if row.id != 0 {
                tx.prepare_cached(&renumber)?.execute(params![row.id, row.name])?;
            }
            Ok(())
        })
    }

    /// Sets one column of many files as one change. The column's name comes from [`FIELDS`].
    pub fn set_on_files<'a>(
        &self,
        column: &str,
        values: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), CatalogueError> {
        let Some(column) = FIELDS.iter().find(|f| **f == column) else { return Ok(()) };
        let sql = self.sql(&format!("UPDATE crds_{{obs}}_catalog SET {column} = ? WHERE name = ?"));
        self.all_or_nothing("change files", |tx| {
            let mut statement = tx.prepare_cached(&sql)?;
            for (name, value) in values {
                statement.execute([value, name])?;
            }
            Ok(())
        })
    }

    /// Removes rows by name.
    pub fn remove_files(&self, names: &BTreeSet<String>) -> Result<(), CatalogueError> {
        let sql = self.sql("DELETE FROM crds_{obs}_catalog WHERE name = ?");
        self.all_or_nothing("remove files", |tx| {
            let mut statement = tx.prepare_cached(&sql)?;
            for name in names {
                statement.execute([name])?;
            }
            Ok(())
        })
    }

    /// How many rows there are.
    pub fn count_files(&self) -> Result<i64, CatalogueError> {
        let sql = self.sql("SELECT count(*) FROM crds_{obs}_catalog");
        self.run("count files", |conn| conn.query_row(&sql, [], |r| r.get(0)))
    }
}
