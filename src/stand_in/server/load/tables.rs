//! The tab-separated tables of `--load` (design section 8).

use std::path::Path;

use super::LoadError;

/// A table read whole.
#[derive(Debug, Default)]
pub struct Table {
    /// Column names.
    pub columns: Vec<String>,
    /// Rows; each has as many fields as there are columns.
    pub rows: Vec<Vec<String>>,
}

/// Writes a field: tab, newline and backslash as `\t`, `\n`, `\\`.
pub fn escape(field: &str, out: &mut String) {
    for c in field.chars() {
        match c {
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\\' => out.push_str("\\\\"),
            c => out.push(c),
        }
    }
}

/// Reads a field; an unknown escape stays as it is.
pub fn unescape(field: &str) -> String {
    if !field.contains('\\') {
        return field.to_owned();
    }
    let mut out = String::with_capacity(field.len());
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('\\') => out.push('\\'),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
    out
}

impl Table {
    /// Reads a table; `None` if the file is not there.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or a row has more fields than there are columns.
    pub fn read(path: &Path) -> Result<Option<Self>, LoadError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(LoadError::Read { path: path.to_owned(), source }),
        };
        let mut lines = text.split('\n');
        let columns: Vec<String> = lines.next().unwrap_or_default().split('\t').map(str::to_owned).collect();
        let mut rows = Vec::new();
        for (at, line) in lines.enumerate() {
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            let mut row: Vec<String> = line.split('\t').map(unescape).collect();
            if row.len() > columns.len() {
                return Err(LoadError::Shape {
                    path: path.to_owned(),
                    line: at + 2,
                    what: format!("{} fields, but {} columns", row.len(), columns.len()),
                });
            }
            row.resize(columns.len(), String::new());
            rows.push(row);
        }
        Ok(Some(Self { columns, rows }))
    }
}
