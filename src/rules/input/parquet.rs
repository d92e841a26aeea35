//! Headers from Parquet: one row per dataset, one column per keyword, and a text column `id`.

use std::fs::File;
use std::path::Path;

use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::Field;

use super::InputError;
use super::json::Entry;
use crate::rules::dataset::{Header, HeaderValue};
use crate::rules::python::float_repr;

/// Columns that may name the dataset, in order of preference.
const ID_COLUMNS: [&str; 3] = ["id", "dataset_id", "dataset"];

/// Reads every row; an empty cell means that the dataset lacks the keyword.
pub(super) fn read(path: &Path, one: &mut dyn FnMut(String, Entry)) -> Result<(), InputError> {
    let file = File::open(path).map_err(|source| InputError::Read { path: path.to_owned(), source })?;
    let bad = |why: String| InputError::Parquet { path: path.to_owned(), why };
    let reader = SerializedFileReader::new(file).map_err(|error| bad(error.to_string()))?;
    let columns: Vec<String> =
        reader.metadata().file_metadata().schema().get_fields().iter().map(|field| field.name().to_owned()).collect();
    let named = ID_COLUMNS.iter().find_map(|name| columns.iter().position(|column| column.eq_ignore_ascii_case(name)));
    let id_column = named.ok_or_else(|| bad("there is no column `id`".to_owned()))?;
    let rows = reader.get_row_iter(None).map_err(|error| bad(error.to_string()))?;
    for (number, row) in rows.enumerate() {
        let row = row.map_err(|error| bad(error.to_string()))?;
        let mut header = Header::new();
        let mut id = None;
        for (at, (name, field)) in row.get_column_iter().enumerate() {
            match (at == id_column, value(field)) {
                (true, HeaderValue::Text(text)) => id = Some(text),
                (true, other) => id = Some(other.python_text().to_owned()),
                (false, HeaderValue::Null) => {}
                (false, value) => header.set(name, value),
            }
        }
        let id = id.filter(|id| id != "None").ok_or_else(|| bad(format!("row {} has no id", number + 1)))?;
        one(id, Entry::Header(header));
    }
    Ok(())
}

fn value(field: &Field) -> HeaderValue {
    match field {
        Field::Null => HeaderValue::Null,
        Field::Str(text) => HeaderValue::Text(text.clone()),
        Field::Bytes(bytes) => HeaderValue::Text(String::from_utf8_lossy(bytes.data()).into_owned()),
        Field::Bool(b) => HeaderValue::Other(if *b { "True" } else { "False" }.to_owned()),
        Field::Float(n) => HeaderValue::Other(float_repr(f64::from(*n))),
        Field::Double(n) => HeaderValue::Other(float_repr(*n)),
        // Whole numbers print as Python prints them; dates as text are what rules read.
        other => HeaderValue::Other(other.to_string()),
    }
}
