//! The reference files that the rehearsal plans submit, made from descriptors (`fixtures/submissions/*.toml`).
//!
//! The bytes of real references are not public; small files with the keywords that matter stand under their names.

use serde::Deserialize;
use toml::Value;

use crate::stand_in::fits::{self, Card, CardValue, ColumnData, NewHdu, NewTable};

/// The descriptors that the project ships: name and text.
pub const SHIPPED: [(&str, &str); 3] = [
    ("npolfile", include_str!("../../../fixtures/submissions/npolfile.toml")),
    ("d2imfile", include_str!("../../../fixtures/submissions/d2imfile.toml")),
    ("idctab", include_str!("../../../fixtures/submissions/idctab.toml")),
];

/// A descriptor that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SubmissionError {
    /// The text is no descriptor.
    #[error("descriptor `{descriptor}` cannot be read")]
    Syntax {
        /// Which one.
        descriptor: String,
        /// Why.
        source: toml::de::Error,
    },
    /// A card or column is not of a kind that a FITS file holds.
    #[error("descriptor `{descriptor}`: {what}")]
    Content {
        /// Which one.
        descriptor: String,
        /// What is wrong.
        what: String,
    },
}

impl SubmissionError {
    /// The next move.
    pub fn help(&self) -> &'static str {
        "compare the descriptor with those in `fixtures/submissions`"
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Descriptor {
    #[serde(rename = "schema")]
    _schema: Schema,
    cards: Vec<(String, Value)>,
    #[serde(default)]
    columns: Vec<Column>,
    files: Vec<File>,
}

#[derive(Deserialize)]
enum Schema {
    #[serde(rename = "crds-stand-in/submissions/1")]
    One,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Column {
    name: String,
    form: String,
    values: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    #[serde(default)]
    cards: Vec<(String, Value)>,
}

/// A file to be submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Its name.
    pub name: String,
    /// Its bytes: different for every file, the same at every call.
    pub bytes: Vec<u8>,
}

/// Makes the files of a descriptor.
///
/// # Errors
///
/// [`SubmissionError`] for a text that is no descriptor.
pub fn files(descriptor: &str, text: &str) -> Result<Vec<Submission>, SubmissionError> {
    let parsed: Descriptor =
        toml::from_str(text).map_err(|source| SubmissionError::Syntax { descriptor: descriptor.to_owned(), source })?;
    let content = |what: String| SubmissionError::Content { descriptor: descriptor.to_owned(), what };
    let table = if parsed.columns.is_empty() {
        None
    } else {
        let columns = parsed.columns.iter().map(column).collect::<Result<_, _>>().map_err(content)?;
        Some(NewTable { columns })
    };
    parsed
        .files
        .iter()
        .map(|file| {
            let mut cards = vec![Card::text("FILENAME", &file.name)];
            // The file's own cards come before the common ones: the first card of a keyword counts.
            for (keyword, value) in file.cards.iter().chain(&parsed.cards) {
                cards.push(card(keyword, value).map_err(content)?);
            }
            let mut hdus = vec![NewHdu { cards, table: None }];
            if let Some(table) = &table {
                hdus.push(NewHdu { cards: Vec::new(), table: Some(table.clone()) });
            }
            Ok(Submission { name: file.name.clone(), bytes: fits::write(&hdus) })
        })
        .collect()
}

/// All files that the project's plans submit.
///
/// # Errors
///
/// None for the shipped descriptors; a test holds that.
pub fn shipped() -> Result<Vec<Submission>, SubmissionError> {
    let mut all = Vec::new();
    for (name, text) in SHIPPED {
        all.extend(files(name, text)?);
    }
    Ok(all)
}

/// A small file of its own for a reference whose bytes nobody looks at: header only, its name inside.
pub fn placeholder(name: &str) -> Vec<u8> {
    let cards = vec![Card::text("FILENAME", name), Card::text("ORIGIN", "rehearsal placeholder")];
    fits::write(&[NewHdu { cards, table: None }])
}

fn card(keyword: &str, value: &Value) -> Result<Card, String> {
    let value = match value {
        Value::String(text) if matches!(keyword, "COMMENT" | "HISTORY") => CardValue::Commentary(text.clone()),
        Value::String(text) => CardValue::Text(text.clone()),
        Value::Integer(number) => CardValue::Integer(number.to_string()),
        Value::Float(number) => CardValue::Float(*number),
        Value::Boolean(flag) => CardValue::Logical(*flag),
        other => return Err(format!("keyword `{keyword}` cannot hold {}", other.type_str())),
    };
    Ok(Card { keyword: keyword.to_owned(), value, comment: String::new() })
}

fn column(column: &Column) -> Result<(String, ColumnData), String> {
    let bad = || format!("column `{}` has values that are none of form `{}`", column.name, column.form);
    let integers = || column.values.iter().map(|v| v.as_integer().ok_or_else(bad)).collect::<Result<Vec<_>, _>>();
    let data = match column.form.as_str() {
        "I" => ColumnData::I16(
            integers()?.into_iter().map(|n| i16::try_from(n).map_err(|_| bad())).collect::<Result<_, _>>()?,
        ),
        "J" => ColumnData::I32(
            integers()?.into_iter().map(|n| i32::try_from(n).map_err(|_| bad())).collect::<Result<_, _>>()?,
        ),
        "D" => ColumnData::F64(column.values.iter().map(|v| v.as_float().ok_or_else(bad)).collect::<Result<_, _>>()?),
        form => {
            let width = form.strip_suffix('A').and_then(|width| width.parse().ok()).ok_or_else(bad)?;
            let values = column.values.iter().map(|v| v.as_str().map(str::to_owned).ok_or_else(bad));
            ColumnData::Text { width, values: values.collect::<Result<_, _>>()? }
        }
    };
    Ok((column.name.clone(), data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_descriptors_make_sixteen_different_files() {
        let files = shipped().unwrap();
        assert_eq!(files.len(), 16);
        let distinct: std::collections::BTreeSet<_> = files.iter().map(|file| &file.bytes).collect();
        assert_eq!(distinct.len(), 16);
        for file in &files {
            let header = fits::Header::of(&fits::read(&file.bytes).unwrap());
            assert_eq!(header.get("FILENAME"), Some(file.name.as_str()));
            assert_eq!(header.get("INSTRUME"), Some("WFC3"));
        }
    }

    #[test]
    fn a_bad_descriptor_is_refused() {
        assert!(matches!(files("x", "schema = 'other'"), Err(SubmissionError::Syntax { .. })));
        let text = "schema = 'crds-stand-in/submissions/1'\ncards = [['A', [1]]]\nfiles = [{ name = 'a.fits' }]";
        assert!(matches!(files("x", text), Err(SubmissionError::Content { .. })));
    }
}
