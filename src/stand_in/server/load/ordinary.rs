//! What a state does not say: rows of an ordinary server that knows every mapping of its cache as archived and their
//! references as operational.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;
use sha1::{Digest, Sha1};

use super::{CounterEntry, LoadError, tables::Table};
use crate::stand_in::server::{Server, catalog::FileRow, rules_store::is_mapping_name};

/// The day on which everything that has no date happened.
pub const LONG_AGO: &str = "2012-07-01 00:00:00";

/// Values of the columns that a table leaves out.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Defaults {
    /// For mappings.
    pub mappings: BTreeMap<String, Value>,
    /// For references.
    pub references: BTreeMap<String, Value>,
}

impl Defaults {
    /// Reads `defaults.json`; empty if it is not there.
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|err| LoadError::Shape {
                path: path.to_owned(),
                line: err.line(),
                what: err.to_string(),
            }),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(LoadError::Read { path: path.to_owned(), source }),
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(b) => if *b { "1" } else { "0" }.to_owned(),
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

/// Observatory, instrument and type of a mapping by its name, and its serial.
fn name_parts(name: &str) -> Option<(String, String, Option<i64>, &str)> {
    let dot = name.rfind('.')?;
    let (stem, extension) = name.split_at(dot);
    let mut parts: Vec<&str> = stem.split('_').collect();
    parts.remove(0);
    let serial = match parts.last() {
        Some(last) if last.chars().all(|c| c.is_ascii_digit()) && !last.is_empty() => {
            let serial = last.parse().ok();
            parts.pop();
            serial
        }
        _ => None,
    };
    let part = |at: usize| parts.get(at).map(|s| (*s).to_owned()).unwrap_or_default();
    Some((part(0), part(1), serial, extension))
}

/// Name of the counter of a kind of files: the parts joined, the extension with its dot (SO 19).
pub fn counter_name(observatory: &str, instrument: &str, filekind: &str, extension: &str) -> String {
    [observatory, instrument, filekind, extension].join("_")
}

fn path_of(server: &Server, name: &str, kind: &str) -> std::path::PathBuf {
    let dirs = &server.config.dirs;
    if kind == "mapping" { dirs.mappings.join(name) } else { dirs.references.join(name) }
}

/// Length and SHA-1 of a file.
fn measure(path: &Path) -> Option<(i64, String)> {
    let bytes = fs::read(path).ok()?;
    let sum = Sha1::digest(&bytes);
    Some((bytes.len() as i64, sum.iter().map(|b| format!("{b:02x}")).collect()))
}

/// Gives the columns that neither the table nor the defaults name what an ordinary server has there.
fn complete(server: &Server, row: &mut FileRow, kind: &str, given: &dyn Fn(&str) -> bool) {
    let obs = &server.config.observatory;
    if !given("observatory") {
        row.observatory.clone_from(obs);
    }
    if !given("type") {
        row.kind = kind.to_owned();
    }
    if !given("state") {
        row.state = if kind == "mapping" { "archived" } else { "operational" }.to_owned();
    }
    if kind == "mapping"
        && let Some((instrument, filekind, _, _)) = name_parts(&row.name)
    {
        if !given("instrument") {
            row.instrument = instrument;
        }
        if !given("filekind") {
            row.filekind = filekind;
        }
        if !given("derived_from") {
            row.derived_from = server.rules.header(&row.name, "derived_from").unwrap_or_else(|| "none".to_owned());
        }
    }
    if !given("derived_from") && kind == "reference" {
        row.derived_from = "none".to_owned();
    }
    if (!given("sha1sum") || !given("size"))
        && let Some((size, sum)) = measure(&path_of(server, &row.name, kind))
    {
        if !given("size") {
            row.size = Some(size);
        }
        if !given("sha1sum") {
            row.sha1sum = sum;
        }
    }
    if !given("sha1sum") && row.sha1sum.is_empty() {
        row.sha1sum = "none".to_owned();
    }
    if !given("delivery_date") {
        row.delivery_date = LONG_AGO.to_owned();
    }
    if !given("activation_date") && row.state == "operational" {
        row.activation_date = LONG_AGO.to_owned();
    }
    if !given("uploaded_as") {
        row.uploaded_as.clone_from(&row.name);
    }
    if !given("change_level") {
        row.change_level = "SEVERE".to_owned();
    }
    for (column, value) in [("creator_name", "unknown"), ("deliverer_user", "crds"), ("description", "mass import")] {
        if !given(column) {
            row.set_field(column, value);
        }
    }
    if row.pathname.is_empty() {
        row.pathname = path_of(server, &row.name, kind).display().to_string();
    }
}

/// Rows of a table with its defaults.
pub fn table_rows(server: &Server, table: &Table, defaults: &BTreeMap<String, Value>, kind: &str) -> Vec<FileRow> {
    let defaults: Vec<(String, String)> = defaults
        .iter()
        .filter(|(column, _)| !table.columns.contains(column))
        .map(|(column, value)| (column.clone(), text(value)))
        .collect();
    let given = |column: &str| table.columns.iter().any(|c| c == column) || defaults.iter().any(|(c, _)| c == column);
    table
        .rows
        .iter()
        .map(|fields| {
            let mut row = FileRow::default();
            for (column, value) in &defaults {
                row.set_field(column, value);
            }
            for (column, value) in table.columns.iter().zip(fields) {
                row.set_field(column, value);
            }
            complete(server, &mut row, kind, &given);
            row
        })
        .filter(|row| !row.name.is_empty())
        .collect()
}

/// One row for each mapping in the cache.
pub fn mapping_rows(server: &Server, defaults: &BTreeMap<String, Value>) -> Vec<FileRow> {
    let table = Table {
        columns: vec!["name".to_owned()],
        rows: server.rules.names().into_iter().map(|name| vec![name]).collect(),
    };
    table_rows(server, &table, defaults, "mapping")
}

/// One row for each reference that a mapping of the cache names.
pub fn reference_rows(server: &Server, defaults: &BTreeMap<String, Value>) -> Vec<FileRow> {
    use rayon::prelude::*;
    let rmaps: Vec<String> = server.rules.names().into_iter().filter(|n| n.ends_with(".rmap")).collect();
    // Parsing is what takes the time, so it is done side by side; the later rmap of a type wins.
    let loaded: Vec<_> = rmaps.par_iter().filter_map(|name| server.rules.load(name).ok()).collect();
    let mut known: BTreeMap<String, (String, String)> = BTreeMap::new();
    for rmap in loaded {
        let owner = (rmap.header("instrument").unwrap_or_default(), rmap.header("filekind").unwrap_or_default());
        for reference in &rmap.references {
            known.insert(reference.clone(), owner.clone());
        }
    }
    let table = Table {
        columns: ["name", "instrument", "filekind"].map(str::to_owned).to_vec(),
        rows: known.into_iter().map(|(name, (instrument, filekind))| vec![name, instrument, filekind]).collect(),
    };
    table_rows(server, &table, defaults, "reference")
}

/// Raises every counter that the state does not name to the highest serial that is catalogued.
pub fn raise_counters(server: &Server, given: &[CounterEntry]) -> Result<(), LoadError> {
    let obs = &server.config.observatory;
    let mut highest: BTreeMap<String, i64> = BTreeMap::new();
    for (name, _) in server.catalogue.names_and_states()? {
        let known = is_mapping_name(&name) || name.starts_with(&format!("{obs}_"));
        if let Some((instrument, filekind, Some(serial), extension)) = name_parts(&name)
            && known
        {
            let counter = counter_name(obs, &instrument, &filekind, extension);
            let value = highest.entry(counter).or_default();
            *value = (*value).max(serial);
        }
    }
    let catalogs = fs::read_dir(&server.config.dirs.catalogs).map(|dir| dir.flatten().collect::<Vec<_>>());
    for entry in catalogs.unwrap_or_default() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let digits: String =
            name.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
        if let (true, Ok(number)) = (name.ends_with(".cat"), digits.parse::<i64>()) {
            let value = highest.entry(format!("{obs}_delivery_id")).or_default();
            *value = (*value).max(number);
        }
    }
    for (name, value) in highest {
        if !given.iter().any(|entry| entry.name == name) {
            server.catalogue.raise_counter(&name, value)?;
        }
    }
    Ok(())
}
