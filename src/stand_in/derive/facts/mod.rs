//! Facts of the client as data: types, constraint tables, substitutions, JWST keywords and values (RD 1, 6, 7).

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use super::Generation;

/// One row of a constraint table (RD 7.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Constraint {
    /// Keyword, column or array.
    pub name: String,
    /// H header, C column, G group, A array format, D array data, X expression.
    pub key_type: String,
    /// C, S text; I, R, D number; L logical; X expression.
    pub data_type: String,
    /// R, P required; O optional; W warn; E forbidden; or an expression on the header.
    pub presence: String,
    /// Allowed values, a special checker (`&SYBDATE`), or an expression.
    pub values: Vec<String>,
}

impl Constraint {
    /// True for rows that cannot serve as a list of allowed values.
    pub fn is_complex(&self) -> bool {
        is_expression(&self.presence) || self.values.first().is_some_and(|value| is_expression(value))
    }
}

pub(crate) fn is_expression(text: &str) -> bool {
    text.starts_with('(') && text.ends_with(')')
}

/// A kind of reference file.
#[derive(Clone, Debug)]
pub struct FileKind {
    /// `npl` of `y7b1516ii_npl.fits`.
    pub suffix: String,
    /// `.fits` for nearly all.
    pub extension: String,
    /// Value of FILETYPE (HST), empty elsewhere.
    pub filetype: String,
    /// `image` or `table` (HST).
    pub format: String,
    /// Constraint table of references (HST).
    pub tpn: String,
    /// Constraint table of rules (HST).
    pub ld_tpn: String,
    /// Columns that tell rows apart; `None` where the type has none at all.
    pub row_keys: Option<Vec<String>>,
    /// Description.
    pub description: String,
}

type Kinds = BTreeMap<String, BTreeMap<String, FileKind>>;

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
}

fn hst_kinds() -> &'static Kinds {
    static KINDS: OnceLock<Kinds> = OnceLock::new();
    KINDS.get_or_init(|| {
        let mut kinds = Kinds::new();
        for line in lines(include_str!("hst_types.tsv")) {
            let fields: Vec<&str> = line.split('\t').collect();
            let [instrument, kind, suffix, extension, filetype, format, tpn, ld_tpn, row_keys, description] =
                fields[..]
            else {
                continue;
            };
            let row_keys = match row_keys {
                "-" => None,
                "" => Some(Vec::new()),
                keys => Some(keys.split(',').map(str::to_owned).collect()),
            };
            let file_kind = FileKind {
                suffix: suffix.into(),
                extension: extension.into(),
                filetype: filetype.into(),
                format: format.into(),
                tpn: tpn.into(),
                ld_tpn: ld_tpn.into(),
                row_keys,
                description: description.into(),
            };
            kinds.entry(instrument.into()).or_default().insert(kind.into(), file_kind);
        }
        kinds
    })
}

fn plain_kinds(text: &'static str) -> Kinds {
    let mut kinds = Kinds::new();
    for line in lines(text) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [instrument, kind, suffix, extension, description] = fields[..] else { continue };
        let file_kind = FileKind {
            suffix: suffix.into(),
            extension: extension.into(),
            filetype: String::new(),
            format: String::new(),
            tpn: String::new(),
            ld_tpn: String::new(),
            row_keys: None,
            description: description.into(),
        };
        kinds.entry(instrument.into()).or_default().insert(kind.into(), file_kind);
    }
    kinds
}

/// Instruments of an observatory with their types.
pub fn kinds(observatory: &str) -> &'static BTreeMap<String, BTreeMap<String, FileKind>> {
    static JWST: OnceLock<Kinds> = OnceLock::new();
    static ROMAN: OnceLock<Kinds> = OnceLock::new();
    match observatory {
        "jwst" => JWST.get_or_init(|| plain_kinds(include_str!("jwst_types.tsv"))),
        "roman" => ROMAN.get_or_init(|| plain_kinds(include_str!("roman_types.tsv"))),
        _ => hst_kinds(),
    }
}

/// One type of one instrument.
pub fn kind(observatory: &str, instrument: &str, filekind: &str) -> Option<&'static FileKind> {
    kinds(observatory).get(instrument)?.get(filekind)
}

/// True if the software knows the instrument.
pub fn is_instrument(observatory: &str, instrument: &str) -> bool {
    kinds(observatory).contains_key(instrument)
}

/// True if any instrument has this type.
pub fn is_filekind(observatory: &str, filekind: &str) -> bool {
    kinds(observatory).values().any(|types| types.contains_key(filekind))
}

type Tables = HashMap<String, Vec<Constraint>>;

fn parse_tables(text: &'static str) -> Tables {
    let mut tables = Tables::new();
    let mut current = String::new();
    for line in lines(text) {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            current = name.to_owned();
            tables.entry(current.clone()).or_default();
            continue;
        }
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, key_type, data_type, presence, values] = fields[..] else { continue };
        let values = if values.is_empty() { Vec::new() } else { values.split(';').map(str::to_owned).collect() };
        tables.entry(current.clone()).or_default().push(Constraint {
            name: name.into(),
            key_type: key_type.into(),
            data_type: data_type.into(),
            presence: presence.into(),
            values,
        });
    }
    for table in tables.values_mut() {
        table.sort();
        table.dedup();
    }
    tables
}

/// Types whose tables the software of 2014 did not have yet (RD 2.6).
const LATER_THAN_2014: [(&str, &str); 3] = [("cos", "proftab"), ("cos", "tracetab"), ("cos", "twozxtab")];

/// Rows of the table for references (`rules` false) or rules (`rules` true) of a type, in the order in which they are
/// checked; `None` if this generation's software does not know the type.
pub fn constraints(
    generation: Generation,
    instrument: &str,
    filekind: &str,
    rules: bool,
) -> Option<&'static [Constraint]> {
    static NOW: OnceLock<Tables> = OnceLock::new();
    static Y2014: OnceLock<Tables> = OnceLock::new();
    let now = NOW.get_or_init(|| parse_tables(include_str!("hst_constraints.tsv")));
    let kind = kind("hst", instrument, filekind)?;
    let table = if rules { &kind.ld_tpn } else { &kind.tpn };
    if generation == Generation::Y2014 {
        if LATER_THAN_2014.contains(&(instrument, filekind)) {
            return None;
        }
        let then = Y2014.get_or_init(|| parse_tables(include_str!("hst_constraints_2014.tsv")));
        if let Some(rows) = then.get(table) {
            return Some(rows);
        }
    }
    now.get(table).map(Vec::as_slice)
}

/// One substitution on insertion (RD 1.4).
#[derive(Clone, Debug)]
pub struct Substitution {
    /// Keyword that is replaced.
    pub keyword: String,
    /// When.
    pub condition: String,
    /// By what.
    pub replacement: String,
}

/// Substitutions of an HST instrument, in table order.
pub fn substitutions(generation: Generation, instrument: &str) -> &'static [Substitution] {
    type All = HashMap<String, Vec<Substitution>>;
    static NOW: OnceLock<All> = OnceLock::new();
    static Y2014: OnceLock<All> = OnceLock::new();
    let load = |text: &'static str| {
        let mut all = All::new();
        for line in lines(text) {
            let fields: Vec<&str> = line.split('\t').collect();
            let [instrument, keyword, condition, replacement] = fields[..] else { continue };
            all.entry(instrument.into()).or_default().push(Substitution {
                keyword: keyword.into(),
                condition: condition.into(),
                replacement: replacement.into(),
            });
        }
        all
    };
    let all = match generation {
        Generation::Now => NOW.get_or_init(|| load(include_str!("hst_substitutions.tsv"))),
        Generation::Y2014 => Y2014.get_or_init(|| load(include_str!("hst_substitutions_2014.tsv"))),
    };
    all.get(instrument).map_or(&[], Vec::as_slice)
}

/// Keyword -> allowed values of a JWST type, as the insertion check uses them.
pub fn jwst_allowed(instrument: &str, filekind: &str) -> BTreeMap<&'static str, &'static [String]> {
    struct All {
        lists: Vec<Vec<String>>,
        types: HashMap<(&'static str, &'static str), Vec<(&'static str, usize)>>,
    }
    static ALL: OnceLock<All> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let mut all = All { lists: Vec::new(), types: HashMap::new() };
        for line in lines(include_str!("jwst_allowed_values.tsv")) {
            let mut fields = line.split('\t');
            let first = fields.next().unwrap_or("");
            if first.starts_with("list ") {
                all.lists.push(expand_runs(fields.next().unwrap_or("")));
                continue;
            }
            let kind = fields.next().unwrap_or("");
            let keywords = fields.filter_map(|f| f.split_once('=')).filter_map(|(k, n)| Some((k, n.parse().ok()?)));
            all.types.insert((first, kind), keywords.collect());
        }
        all
    });
    let found = all.types.get(&(instrument, filekind)).map_or(&[][..], Vec::as_slice);
    found.iter().filter_map(|(k, n)| Some((*k, all.lists.get(*n)?.as_slice()))).collect()
}

/// `a;b;1.0..9.0` with runs of whole numbers written out.
fn expand_runs(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for item in text.split(';') {
        let run = item.split_once("..").and_then(|(a, b)| {
            Some((a.strip_suffix(".0")?.parse::<i64>().ok()?, b.strip_suffix(".0")?.parse::<i64>().ok()?))
        });
        match run {
            Some((first, last)) => out.extend((first..=last).map(|n| format!("{n}.0"))),
            None => out.push(item.to_owned()),
        }
    }
    out
}

/// How the names of the columns begin in which a synphot component (lower case) holds its values per parameter.
pub fn synphot_parameter(component: &str) -> Option<String> {
    static ALL: OnceLock<HashMap<&'static str, &'static str>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        lines(include_str!("synphot_components.tsv")).filter_map(|line| line.split_once('\t')).collect()
    });
    if component.ends_with("_mjd") || component.ends_with("_m") {
        return Some("mjd#".into());
    }
    if component.ends_with("_aper") {
        return Some("aper#".into());
    }
    all.get(component).map(|parameter| (*parameter).to_owned())
}

/// JWST's data-model keyword of a FITS keyword.
pub fn jwst_model_keyword(fits: &str) -> Option<&'static str> {
    static ALL: OnceLock<HashMap<&'static str, &'static str>> = OnceLock::new();
    ALL.get_or_init(|| lines(include_str!("jwst_keywords.tsv")).filter_map(|l| l.split_once('\t')).collect())
        .get(fits)
        .copied()
}

/// JWST's FITS keyword of a data-model keyword.
pub fn jwst_fits_keyword(model: &str) -> Option<&'static str> {
    static ALL: OnceLock<HashMap<&'static str, &'static str>> = OnceLock::new();
    ALL.get_or_init(|| {
        lines(include_str!("jwst_keywords.tsv")).filter_map(|l| l.split_once('\t')).map(|(k, m)| (m, k)).collect()
    })
    .get(model)
    .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_the_2014_story_are_there() {
        let names: Vec<_> = constraints(Generation::Y2014, "wfc3", "npolfile", false)
            .unwrap()
            .iter()
            .map(|row| row.name.as_str())
            .collect();
        assert_eq!(
            names,
            ["DESCRIP", "DETECTOR", "FILETYPE", "FILTER", "INSTRUME", "OBSTYPE", "PEDIGREE", "TELESCOP", "USEAFTER"]
        );
        assert_eq!(kind("hst", "wfc3", "npolfile").unwrap().suffix, "npl");
        assert_eq!(kinds("hst").len(), 7);
        assert!(constraints(Generation::Y2014, "cos", "proftab", true).is_none());
    }

    #[test]
    fn every_type_has_its_tables_and_every_row_reads() {
        for (instrument, types) in kinds("hst") {
            for filekind in types.keys() {
                assert!(constraints(Generation::Now, instrument, filekind, false).is_some_and(|rows| !rows.is_empty()));
            }
        }
        assert_eq!(jwst_allowed("fgs", "area")["META.INSTRUMENT.DETECTOR"], ["GUIDER1", "GUIDER2", "*", "N/A"]);
        assert_eq!(jwst_model_keyword("DETECTOR"), Some("META.INSTRUMENT.DETECTOR"));
        for (generation, count) in [(Generation::Y2014, 4), (Generation::Now, 4)] {
            let instruments = ["acs", "cos", "stis", "wfc3", "nicmos", "wfpc2", "synphot"];
            let with = instruments.iter().filter(|name| !substitutions(generation, name).is_empty()).count();
            assert_eq!(with, count, "RD 1.4: acs, cos, stis, wfc3 only");
        }
    }
}
