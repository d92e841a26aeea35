//! Rows of tables: modes that occur twice, modes that a predecessor had (RD 7.3).

use std::collections::{BTreeMap, HashMap};

use crate::stand_in::derive::LogLine;
use crate::stand_in::derive::value::{repr, repr_list, repr_tuple};
use crate::stand_in::fits::{Cell, Hdu, Table, python_float};

/// The tables of a file with the number of their HDU.
pub(super) fn tables(hdus: &[Hdu]) -> Vec<(usize, &Table)> {
    hdus.iter().enumerate().filter(|(_, hdu)| hdu.is_table()).filter_map(|(n, hdu)| Some((n, hdu.table()?))).collect()
}

/// A cell as numpy's `repr` shows it inside a row.
fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Bool(flag) => format!("np.{}", if *flag { "True_" } else { "False_" }),
        Cell::Int(number, kind) => format!("np.{kind}({number})"),
        Cell::Float(number, _) if number.is_nan() => "'nan'".into(),
        Cell::Float(number, kind @ "float64") => format!("np.{kind}({})", python_float(*number)),
        Cell::Float(_, kind) => format!("np.{kind}({})", cell.text()),
        Cell::Text(text) => repr(text),
        Cell::Raw(bytes) => format!("{bytes:?}"),
    }
}

/// Mode -> its first row, as texts, and the names of the columns.
struct Modes {
    first: BTreeMap<String, String>,
    columns: Vec<String>,
}

fn modes(what: &str, file: &str, number: usize, table: &Table, keys: &[String], log: &mut Vec<LogLine>) -> Modes {
    let name = repr(&format!("{file}[{number}]"));
    let columns: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    log.push(LogLine::info(format!("Mode columns defined by spec for {what} {name} are: {}", repr_list(keys))));
    log.push(LogLine::info(format!("All column names for this table {what} {name} are: {}", repr_list(&columns))));
    let mut common: Vec<&String> = keys.iter().filter(|key| columns.contains(key)).collect();
    let present: Vec<&String> = common.clone();
    common.sort();
    common.dedup();
    log.push(LogLine::info(format!("Checking for duplicate modes using intersection {}", repr_list(&common))));
    if table.rows > 0 && present.is_empty() {
        let text = format!("Empty actual mode in {what} {name} with candidate mode columns {}", repr_list(keys));
        log.push(LogLine::info(text));
        return Modes { first: BTreeMap::new(), columns: Vec::new() };
    }
    let places: HashMap<&str, usize> = columns.iter().enumerate().map(|(n, c)| (c.as_str(), n)).collect();
    let mut rows: BTreeMap<String, Vec<(usize, String)>> = BTreeMap::new();
    for row in 0..table.rows {
        let pair = |n: usize| format!("({}, {})", repr(&columns[n]), shown(&table.columns[n].cells[row]));
        let mode = repr_tuple(present.iter().filter_map(|key| places.get(key.as_str())).map(|&n| pair(n)));
        let whole = repr_tuple((0..columns.len()).map(pair));
        rows.entry(mode).or_default().push((row, whole));
    }
    for (mode, same) in rows.iter().filter(|(_, same)| same.len() > 1) {
        let lines: Vec<String> = same.iter().map(|(row, whole)| format!("({row}, {whole})")).collect();
        log.push(LogLine::warning(format!(
            "Duplicate definitions in {what} {name} for mode: {mode} :\n {}",
            lines.join("\n")
        )));
    }
    let first = rows.into_iter().filter_map(|(mode, mut same)| Some((mode, same.drain(..1).next()?.1))).collect();
    Modes { first, columns }
}

/// Looks for modes that a new table defines twice.
pub(super) fn duplicates(file: &str, hdus: &[Hdu], keys: &[String], log: &mut Vec<LogLine>) {
    for (number, table) in tables(hdus) {
        modes("new reference", file, number, table, keys, log);
    }
}

/// Compares the tables of a new file with those of the file that it replaces.
pub(super) fn compare(
    (old_name, old): (&str, &[Hdu]),
    (new_name, new): (&str, &[Hdu]),
    keys: &[String],
    log: &mut Vec<LogLine>,
) {
    let (old, new) = (tables(old), tables(new));
    if old.len() != new.len() {
        log.push(LogLine::warning(format!(
            "Differing HDU counts in {} and {} : {} vs. {}",
            repr(old_name),
            repr(new_name),
            old.len(),
            new.len()
        )));
    }
    for ((old_number, old_table), (new_number, new_table)) in old.iter().zip(&new) {
        let old_place = repr(&format!("{old_name}[{old_number}]"));
        let new_place = repr(&format!("{new_name}[{new_number}]"));
        let before = modes("old reference", old_name, *old_number, old_table, keys, log);
        if before.first.is_empty() {
            let text = format!("No modes defined in comparison reference {old_place} for keys {}", repr_list(keys));
            log.push(LogLine::info(text));
            continue;
        }
        let after = modes("new reference", new_name, *new_number, new_table, keys, log);
        if after.first.is_empty() {
            let text = format!("No modes defined in new reference {new_place} for keys {}", repr_list(keys));
            log.push(LogLine::info(text));
            continue;
        }
        if before.columns != after.columns {
            log.push(LogLine::warning(format!("Change in row format between {old_place} and {new_place}")));
            continue;
        }
        for mode in before.first.keys().filter(|mode| !after.first.contains_key(*mode)) {
            log.push(LogLine::warning(format!(
                "Table mode {mode} from old reference {old_place} is NOT IN new reference {new_place}"
            )));
        }
        for mode in after.first.keys().filter(|mode| !before.first.contains_key(*mode)) {
            log.push(LogLine::info(format!(
                "Table mode {mode} of new reference {new_place} is NOT IN old reference {}",
                repr(old_name)
            )));
        }
    }
}
