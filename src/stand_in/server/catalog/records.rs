//! Records of many files as JSON text, put together by the database: a map of the whole catalogue is one statement
//! instead of some hundred thousand values handed over one by one.

use regex::bytes::Regex;

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
    /// The SQL expression of its text in lower case.
    fn expression(self) -> String {
        let Self { column, missing } = self;
        match column {
            "blacklisted" | "rejected" => format!("CASE CAST({column} AS TEXT) WHEN '1' THEN 'true' ELSE 'false' END"),
            _ if missing.is_empty() => format!("lower(ifnull({column}, ''))"),
            _ => format!("CASE WHEN ifnull({column}, '') = '' THEN '{missing}' ELSE lower({column}) END"),
        }
    }

    /// The SQL condition under which the expression is not what a record shows: a date in another form than usual.
    fn unusual(self) -> Option<String> {
        let Self { column, .. } = self;
        column.ends_with("_date").then(|| format!("({column} <> '' AND {column} NOT LIKE '____-__-__ __:__:__')"))
    }
}

impl Catalogue {
    /// Calls `each` with name and record of every file of an observatory, in order of writing. A record is the inside of
    /// an object, `"column": "text", ...`. It is `None` where the database alone cannot write it: text that JSON escapes,
    /// letters beyond ASCII, dates in another form.
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
        let mut text = String::from("''");
        let mut shape = String::from(r"\A");
        for (at, field) in fields.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            text.push_str(&format!(" || '{comma}\"{}\": \"' || {} || '\"'", field.column, field.expression()));
            shape.push_str(&format!(r#"{comma}"{}": "[ !\#-\[\]-~]*""#, field.column));
        }
        shape.push_str(r"\z");
        let plain = Regex::new(&shape).ok();
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
                let plain =
                    |record: &&str| usual && plain.as_ref().is_some_and(|shape| shape.is_match(record.as_bytes()));
                each(&name, record.filter(plain));
            }
            Ok(())
        })
    }
}
