//! Records of many files as JSON text, put together by the database: a map of the whole catalogue is one statement
//! instead of some hundred thousand values handed over one by one.

use super::{Catalogue, CatalogueError};

/// A field of a record: a column of the catalogue, and what shows where it has no value.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    /// The column, one of [`super::FIELDS`].
    pub column: &'static str,
    /// Shown for an empty one.
    pub missing: &'static str,
}

impl Shown {
    /// The SQL expression of its text.
    fn expression(self) -> String {
        let Self { column, missing } = self;
        match column {
            "blacklisted" | "rejected" => format!("CASE CAST({column} AS TEXT) WHEN '1' THEN 'true' ELSE 'false' END"),
            _ if missing.is_empty() => format!("ifnull({column}, '')"),
            _ => format!("CASE WHEN ifnull({column}, '') = '' THEN '{missing}' ELSE {column} END"),
        }
    }

    /// The SQL condition under which the expression is not what a record shows: a date in another form than usual.
    fn unusual(self) -> Option<String> {
        let Self { column, .. } = self;
        column.ends_with("_date").then(|| format!("({column} <> '' AND {column} NOT LIKE '____-__-__ __:__:__')"))
    }
}

/// Whether no value of a record holds what JSON escapes. The record itself has four quotes a field, so one more stands
/// in a value. Without an early end, since this goes over megabytes that are plain nearly always.
fn is_plain(record: &str, fields: usize) -> bool {
    let (mut quotes, mut odd) = (0usize, false);
    for piece in record.as_bytes().chunks(128) {
        // A byte as a counter lets the processor look at many bytes at once.
        let (mut here, mut bad) = (0u8, false);
        for byte in piece {
            here += u8::from(*byte == b'"');
            bad |= !(b' '..=b'~').contains(byte) | (*byte == b'\\');
        }
        quotes += usize::from(here);
        odd |= bad;
    }
    !odd && quotes == 4 * fields
}

impl Catalogue {
    /// Calls `each` with name and record of every file of an observatory, in order of writing. A record is the inside of
    /// an object, `"column": "text", ...`, not yet in lower case. It is `None` where the database alone cannot write it:
    /// text that JSON escapes, letters beyond ASCII, dates in another form.
    ///
    /// # Errors
    ///
    /// If the catalogue cannot be read.
    pub fn records(
        &self,
        observatory: &str,
        fields: &[Shown],
        mut each: impl FnMut(&str, Option<&str>),
    ) -> Result<(), CatalogueError> {
        // Few and long constants: the database takes a step for each part.
        let mut text = String::from("''");
        for (at, field) in fields.iter().enumerate() {
            let before = if at > 0 { "\", " } else { "" };
            text.push_str(&format!(" || '{before}\"{}\": \"' || {}", field.column, field.expression()));
        }
        if !fields.is_empty() {
            text.push_str(" || '\"'");
        }
        let mut unusual: Vec<String> = fields.iter().filter_map(|field| field.unusual()).collect();
        unusual.push("0".to_owned());
        let sql = self.sql(&format!(
            "SELECT name, {}, {text} FROM crds_{{obs}}_catalog WHERE observatory = ? ORDER BY id",
            unusual.join(" OR ")
        ));
        self.run("list records", |conn| {
            let mut statement = conn.prepare_cached(&sql)?;
            let mut rows = statement.query([observatory])?;
            while let Some(row) = rows.next()? {
                let name = super::files::text(row, 0)?;
                let usual = row.get_ref(1)?.as_i64().ok() == Some(0);
                let record = row.get_ref(2)?.as_str().ok();
                each(&name, record.filter(|record| usual && is_plain(record, fields.len())));
            }
            Ok(())
        })
    }
}
