//! The checks of synphot tables (`&SYNPHOT_*`): throughputs, thermal components, lookup tables, the graph.

use std::collections::BTreeSet;

use crate::stand_in::derive::value::repr;
use crate::stand_in::derive::{LogLine, facts};
use crate::stand_in::fits::{Card, Cell, Column, Hdu, Table};

/// What a component's table has to be told apart from.
pub(super) struct Component<'a> {
    /// Base name of the file.
    pub(super) file: &'a str,
    /// COMPNAME, lower case; empty if there is none.
    pub(super) name: String,
    /// The file of this component in the context, if a context is given.
    pub(super) predecessor: Option<Result<Option<String>, String>>,
}

/// Carries out the checker `special`; what it finds goes to `log`, what keeps it from looking is the error.
pub(super) fn check<'a>(
    special: &str,
    hdus: &[Hdu],
    component: impl FnOnce() -> Component<'a>,
    log: &mut Vec<LogLine>,
) -> Result<(), String> {
    let table = || {
        let last = hdus.last().and_then(Hdu::table);
        last.ok_or_else(|| "'NoneType' object has no attribute 'names'".to_owned())
    };
    match special {
        "&SYNPHOT_THROUGHPUT" => {
            ends_are_zero(table()?, log)?;
            parameters(hdus, table()?, log)?;
            file_name(component(), "syn", log)
        }
        "&SYNPHOT_THERMAL" => file_name(component(), "th", log),
        "&SYNPHOT_LOOKUP" => lookup(table()?, log),
        "&SYNPHOT_GRAPH" => graph(table()?, log),
        _ => Ok(()),
    }
}

fn column<'a>(table: &'a Table, name: &str) -> Result<&'a Column, String> {
    let missing = || repr(&format!("Key '{name}' does not exist."));
    table.columns.iter().find(|column| column.name == name).ok_or_else(missing)
}

fn is_zero(cell: &Cell) -> bool {
    matches!(cell, Cell::Float(x, _) if *x == 0.0) || matches!(cell, Cell::Int(0, _))
}

/// Throughputs begin and end with zero; there are exceptions, so that this is a warning.
fn ends_are_zero(table: &Table, log: &mut Vec<LogLine>) -> Result<(), String> {
    for column in table.columns.iter().filter(|c| c.name == "THROUGHPUT" || c.name.starts_with("MJD#")) {
        let (Some(first), Some(last)) = (column.cells.first(), column.cells.last()) else {
            return Err("index 0 is out of bounds for axis 0 with size 0".into());
        };
        for (what, cell) in [("First", first), ("Last", last)] {
            if !is_zero(cell) {
                log.push(LogLine::warning(format!("{what} value of column '{}' is not 0.0", column.name)));
            }
        }
    }
    Ok(())
}

/// The table of a component with a parameter holds at least two columns for its values.
fn parameters(hdus: &[Hdu], table: &Table, log: &mut Vec<LogLine>) -> Result<(), String> {
    let name = hdus.first().and_then(|hdu| hdu.card("COMPNAME")).map(Card::value_text);
    let name = name.ok_or_else(|| repr("Keyword 'COMPNAME' not found."))?;
    if let Some(parameter) = facts::synphot_parameter(&name.to_lowercase()) {
        let count = table.columns.iter().filter(|c| c.name.to_lowercase().starts_with(&parameter)).count();
        if count < 2 {
            log.push(LogLine::error(format!(
                "Table is parametrized by {parameter}, but includes only {count} columns with that prefix."
            )));
        }
    }
    Ok(())
}

/// The three digits of `..._###_<suffix>.fits`.
fn version(file: &str, suffix: &str) -> Option<u32> {
    let digits = |at: usize| file.get(at + 1..at + 4).filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
    // The last place counts, the dot stands for any character, and anything may follow.
    let behind = |at: usize| {
        let rest = file.get(at + 4..)?.strip_prefix('_')?.strip_prefix(suffix)?;
        let mut rest = rest.chars();
        rest.next()?;
        rest.as_str().starts_with("fits").then_some(())
    };
    file.rmatch_indices('_').find_map(|(at, _)| {
        let number = digits(at)?;
        behind(at)?;
        number.parse().ok()
    })
}

fn file_name(component: Component<'_>, suffix: &str, log: &mut Vec<LogLine>) -> Result<(), String> {
    if component.name.is_empty() {
        log.push(LogLine::error("Header missing COMPNAME, unable to certify filename"));
        return Ok(());
    }
    let Some(new) = version(component.file, suffix) else {
        log.push(LogLine::error(format!("Invalid filename: must end in _###_{suffix}.fits")));
        return Ok(());
    };
    match component.predecessor.transpose()? {
        None => {}
        Some(None) => log.push(LogLine::warning(format!(
            "No previous file exists for COMPNAME '{}', skipping version check",
            component.name
        ))),
        Some(Some(old)) => match version(&old, suffix) {
            None => log.push(LogLine::warning(format!(
                "Previous filename '{old}' does not end in _###_{suffix}.fits, skipping version check"
            ))),
            Some(old) if new <= old => log.push(LogLine::error(format!(
                "New filename version ({new:03}) must exceed previous version ({old:03})"
            ))),
            Some(_) => {}
        },
    }
    Ok(())
}

/// Names in a lookup table carry the directory of the component's instrument and its parameter.
fn lookup(table: &Table, log: &mut Vec<LogLine>) -> Result<(), String> {
    let components = column(table, "COMPNAME")?;
    let files = column(table, "FILENAME")?;
    for (index, (component, file)) in components.cells.iter().zip(&files.cells).enumerate() {
        let (component, file) = (component.text().to_lowercase(), file.text());
        let mut malformed = |why: &str| {
            log.push(LogLine::error(format!("Malformed FILENAME value at index {index} ({why})")));
        };
        let directory = file.split('$').next().unwrap_or("");
        if directory != format!("cr{}comp", instrument(&component)) {
            malformed("missing or invalid path prefix");
        }
        match facts::synphot_parameter(&component) {
            None if file.ends_with(']') => malformed("should not be parametrized"),
            Some(parameter) if !file.to_lowercase().ends_with(&format!("[{parameter}]")) => {
                malformed("should be parametrized");
            }
            _ => {}
        }
    }
    Ok(())
}

/// The instrument of a component, as its name begins.
fn instrument(component: &str) -> &'static str {
    // `wfpc2` stands before `wfpc`, which is the beginning of its name.
    const INSTRUMENTS: [&str; 13] =
        ["acs", "cos", "stis", "wfc3", "wfpc2", "foc", "hrs", "hsp", "nicmos", "wfpc", "ota", "fgs", "fos"];
    let begins = INSTRUMENTS.iter().find(|instrument| component.starts_with(**instrument));
    match begins {
        Some(instrument) => instrument,
        None if component.starts_with("nic") => "nicmos",
        None if matches!(component, "clear" | "dark" | "hst_ota") => "ota",
        None => "nonhst",
    }
}

/// Every row of the graph is reached from node 1, and leads to a higher node.
fn graph(table: &Table, log: &mut Vec<LogLine>) -> Result<(), String> {
    let nodes = |name: &str| -> Result<Vec<i64>, String> {
        let cells = &column(table, name)?.cells;
        Ok(cells.iter().map(|cell| if let Cell::Int(node, _) = cell { *node } else { 0 }).collect())
    };
    let (inner, outer) = (nodes("INNODE")?, nodes("OUTNODE")?);
    let mut from: std::collections::BTreeMap<i64, Vec<usize>> = std::collections::BTreeMap::new();
    for (row, node) in inner.iter().enumerate() {
        from.entry(*node).or_default().push(row);
    }
    let (mut seen, mut waiting) = (BTreeSet::from([1]), vec![1]);
    let mut reached = vec![false; inner.len()];
    while let Some(node) = waiting.pop() {
        for &row in from.get(&node).into_iter().flatten() {
            reached[row] = true;
            if seen.insert(outer[row]) {
                waiting.push(outer[row]);
            }
        }
    }
    let missed: Vec<String> =
        reached.iter().enumerate().filter(|(_, reached)| !**reached).map(|(row, _)| row.to_string()).collect();
    if !missed.is_empty() {
        let text = format!("TMG contains disconnected rows at indexes: {}", missed.join(", "));
        log.push(LogLine::error(text));
    }
    if inner.iter().zip(&outer).any(|(inner, outer)| inner >= outer) {
        log.push(LogLine::error("TMG contains rows with INNODE >= OUTNODE."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_end() {
        assert_eq!(version("acs_f606w_005_syn.fits", "syn"), Some(5));
        assert_eq!(version("a_001_syn.fits_002_syn.fits", "syn"), Some(2));
        for odd in ["acs_f606w_05_syn.fits", "acs_f606w_005_th.fits", "acs_005_syn", "é_00é_syn.fits", "_", ""] {
            assert_eq!(version(odd, "syn"), None, "{odd}");
        }
    }

    fn table(columns: &[(&str, Vec<Cell>)]) -> Table {
        let rows = columns[0].1.len();
        let columns = columns.iter().map(|(name, cells)| Column {
            name: (*name).to_owned(),
            data_type: String::new(),
            cells: cells.clone(),
        });
        Table { columns: columns.collect(), rows }
    }

    fn texts(check: impl FnOnce(&mut Vec<LogLine>) -> Result<(), String>) -> Vec<String> {
        let mut log = Vec::new();
        check(&mut log).expect("the columns are there");
        log.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn graphs_are_followed_once_even_in_circles() {
        let nodes = |list: &[i64]| list.iter().map(|n| Cell::Int(*n, "int16")).collect::<Vec<_>>();
        let with = |inner: &[i64], outer: &[i64]| {
            let graph_of = table(&[("INNODE", nodes(inner)), ("OUTNODE", nodes(outer))]);
            texts(|log| graph(&graph_of, log))
        };
        assert_eq!(with(&[1, 2, 2], &[2, 3, 4]), [""; 0]);
        assert_eq!(with(&[1, 5, 7], &[2, 6, 8]), ["TMG contains disconnected rows at indexes: 1, 2"]);
        assert_eq!(with(&[1, 2], &[2, 1]), ["TMG contains rows with INNODE >= OUTNODE."]);
    }

    #[test]
    fn lookup_names_carry_directory_and_parameter() {
        let with = |component: &str, file: &str| {
            let text = |text: &str| vec![Cell::Text(text.to_owned())];
            let lookup_of = table(&[("COMPNAME", text(component)), ("FILENAME", text(file))]);
            texts(|log| lookup(&lookup_of, log))
        };
        assert_eq!(with("acs_f606w", "cracscomp$acs_f606w_005_syn.fits"), [""; 0]);
        assert_eq!(with("nic1_bend", "crnicmoscomp$nic1_bend_001_syn.fits"), [""; 0]);
        assert_eq!(with("ACS_FR388N", "cracscomp$acs_fr388n_005_syn.fits[fr388n#]"), [""; 0]);
        assert_eq!(
            with("acs_f606w", "acs_f606w_005_syn.fits[x#]"),
            [
                "Malformed FILENAME value at index 0 (missing or invalid path prefix)",
                "Malformed FILENAME value at index 0 (should not be parametrized)"
            ]
        );
        assert_eq!(
            with("cos_mjd", "crcoscomp$cos_mjd_001_syn.fits"),
            ["Malformed FILENAME value at index 0 (should be parametrized)"]
        );
    }
}
