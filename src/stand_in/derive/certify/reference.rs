//! Certification of references (RD 7.3).

use std::collections::BTreeSet;

use super::checks::{Given, check};
use super::{Certification, opening, rows, synphot, trapped};
use crate::stand_in::derive::contexts::{instrument_map, missing};
use crate::stand_in::derive::expr::{ArrayInfo, Expr, Term};
use crate::stand_in::derive::facts::{self, Constraint};
use crate::stand_in::derive::insert::insert_one;
use crate::stand_in::derive::matching::{Keywords, base_keywords, define, matching_header, to_dataset_keywords};
use crate::stand_in::derive::rules::{Choice, Rules};
use crate::stand_in::derive::value::{Py, repr, repr_texts};
use crate::stand_in::derive::{DeriveError, Generation, LogLine, Store, base_name, diff, names};
use crate::stand_in::fits::{self, Card, Hdu, Header};

/// Keywords that are shown, and missed when they are not there.
const PROVENANCE: [&str; 5] = ["DESCRIP", "COMMENT", "PEDIGREE", "USEAFTER", "HISTORY"];

/// Certifies a reference against the constraints of its type and against a context.
///
/// `path` is how messages name the file; its base name tells the type. `nth` is which of how many.
pub fn certify_reference(
    store: &dyn Store,
    path: &str,
    bytes: &[u8],
    context: &str,
    generation: Generation,
    nth: (usize, usize),
) -> Certification {
    let mut lines = Vec::new();
    let extension = names::split_extension(path).1;
    if extension != ".fits" {
        lines.push(opening(path, "unknown", context, nth, generation));
        lines.push(LogLine::warning(format!("No certifier defined for {}", repr(base_name(path)))));
        return Certification::of(lines);
    }
    lines.push(opening(path, "fits", context, nth, generation));
    let run = Run { store, path, name: base_name(path), context, generation };
    if let Err(error) = run.certify(bytes, &mut lines) {
        lines.push(trapped(path, &error, generation));
    }
    Certification::of(lines)
}

struct Run<'a> {
    store: &'a dyn Store,
    path: &'a str,
    name: &'a str,
    context: &'a str,
    generation: Generation,
}

impl Run<'_> {
    /// An error about one part of the file.
    fn within(&self, what: &str, why: &dyn std::fmt::Display) -> LogLine {
        LogLine::error(match self.generation {
            Generation::Now => format!("In '{}' : {what} : {why}", self.name),
            Generation::Y2014 => format!("In '{}' : {what} : {why}", self.path),
        })
    }

    fn checking(&self, row: &Constraint, why: &dyn std::fmt::Display) -> LogLine {
        let verb = if self.generation == Generation::Now { "Checking" } else { "checking" };
        self.within(&format!("{verb} {}", repr(&row.name)), why)
    }

    fn certify(&self, bytes: &[u8], lines: &mut Vec<LogLine>) -> Result<(), DeriveError> {
        let observatory = names::observatory_of(self.name);
        let loaded = fits::read(bytes).and_then(|hdus| {
            hdus.iter().enumerate().try_for_each(|(n, hdu)| hdu.complete(n).and_then(|()| hdu.readable(n)))?;
            Ok(hdus)
        });
        let header = loaded.as_ref().map(|hdus| Header::of(hdus)).unwrap_or_default();
        let properties = match (self.generation, &loaded) {
            // The certifier of 2014 believed FILETYPE rather than the name.
            (Generation::Y2014, Ok(_)) if observatory == "hst" => filetype_properties(&header, self.name)?,
            (Generation::Y2014, Err(error)) => return Err(DeriveError::new("IOError", error.to_string())),
            _ => names::properties(observatory, self.name, loaded.is_ok().then_some(&header))?,
        };
        let (instrument, filekind) = &properties;
        let rules = self.governing_rules(instrument, filekind);
        let parkeys = rules.as_ref().map(Rules::required_parkeys).unwrap_or_default();
        let rows = required_rows(facts_rows(observatory, instrument, filekind, self.generation), &parkeys);
        if self.generation == Generation::Y2014 {
            if let Err(error) = &rules
                && !self.context.is_empty()
            {
                lines.push(LogLine::error(format!(
                    "Error finding governing rmap for '{}' under '{}' : {error}",
                    self.path, self.context
                )));
            }
            lines.push(LogLine::info(table_line(observatory, instrument, filekind)));
        }
        let hdus = match loaded {
            Ok(hdus) => hdus,
            Err(error) => {
                lines.push(self.within("Error loading", &error));
                return Ok(());
            }
        };
        let gap = if self.generation == Generation::Now { " " } else { "  " };
        lines.push(LogLine::info(format!("FITS file '{}'{gap}conforms to FITS standards.", self.name)));
        let keywords = self.keywords(&header, rules.as_ref().ok(), observatory, &rows, &hdus, lines);
        for row in &rows {
            self.check_row(row, &keywords, &hdus, lines);
        }
        self.check_modes(&properties, observatory, rules.as_ref().ok(), &header, &hdus, lines);
        self.show_provenance(&hdus, &keywords, &rows, &parkeys, lines);
        // A type that the context lacks is found out by the very last step.
        match (rules, self.generation) {
            (Err(error), Generation::Now) if !self.context.is_empty() => Err(error),
            _ => Ok(()),
        }
    }

    /// The rmap of the type in the context.
    fn governing_rules(&self, instrument: &str, filekind: &str) -> Result<Rules, DeriveError> {
        let load = |name: &str| {
            let text = self.store.mapping(name).ok_or_else(|| missing(self.store, name))?;
            Rules::load(&text, name, self.generation, self.generation.key_order())
        };
        let imap = load(&instrument_map(&load(self.context)?, instrument)?)?;
        let entry = imap.table().iter().find(|(key, _)| key.text().to_lowercase() == *filekind);
        let rmap = entry.map(|(_, value)| value.text());
        match rmap {
            None => {
                let why = format!("Unknown reference type {}", repr(filekind));
                Err(DeriveError::new("CrdsUnknownReftypeError", why))
            }
            Some(special) if diff::is_special(&special) => {
                let what = if special.to_uppercase().contains("OMIT") { "OMITTED" } else { "N/A" };
                let why = format!("Type {} is {what} for {}", repr(filekind), repr(instrument));
                Err(DeriveError::new("IrrelevantReferenceTypeError", why))
            }
            Some(name) => load(&name),
        }
    }

    /// The header as constraints see it: dataset keywords beside the reference's, everything else UNDEFINED.
    fn keywords(
        &self,
        header: &Header,
        rules: Option<&Rules>,
        observatory: &str,
        rows: &[Constraint],
        hdus: &[Hdu],
        lines: &mut Vec<LogLine>,
    ) -> Keywords {
        let mut keywords = base_keywords(header, observatory);
        if let Some(rules) = rules {
            match to_dataset_keywords(rules, keywords.clone(), observatory, self.generation, lines) {
                Ok(with_dates) => keywords = with_dates,
                Err(error) if self.generation == Generation::Now => {
                    let what = "Error mapping reference names and values to dataset names and values";
                    lines.push(self.within(what, &error));
                }
                Err(_) => {}
            }
        }
        let mut missed = BTreeSet::new();
        for row in rows.iter().filter(|row| matches!(row.key_type.as_str(), "A" | "D")) {
            if array(hdus, &row.name).is_none()
                && !missed.contains(&row.name)
                && self.presence(row, &keywords, hdus, lines) == Presence::Required
            {
                missed.insert(row.name.clone());
                lines.push(self.within_plain(&format!("Missing required array {}", repr(&row.name))));
            }
        }
        let needed: Vec<String> = rows.iter().map(complex_name).collect();
        define(&mut keywords, &needed);
        keywords
    }

    fn within_plain(&self, text: &str) -> LogLine {
        LogLine::error(format!("In '{}' : {text}", self.name))
    }

    fn presence(&self, row: &Constraint, keywords: &Keywords, hdus: &[Hdu], lines: &mut Vec<LogLine>) -> Presence {
        if !facts::is_expression(&row.presence) {
            return match row.presence.as_str() {
                "O" => Presence::Optional,
                "W" => Presence::Warned,
                "E" => Presence::Forbidden,
                "F" | "S" | "A" => Presence::Subarray,
                _ => Presence::Required,
            };
        }
        let value = Expr::parse(&row.presence).and_then(|expr| expr.eval(&|name| self.term(name, keywords, hdus)));
        match value {
            Ok(Term::Flag(false)) => Presence::Absent,
            Ok(Term::Text(flag)) if flag == "O" => Presence::Optional,
            Ok(Term::Text(flag)) if flag == "W" => Presence::Warned,
            Ok(_) => Presence::Required,
            Err(error) => {
                let shown = tpn_info(row);
                lines.push(LogLine::warning(format!(
                    "Failed checking applicability of {shown} skipping check :  {error}"
                )));
                Presence::Absent
            }
        }
    }

    fn term(&self, name: &str, keywords: &Keywords, hdus: &[Hdu]) -> Option<Term> {
        if let Some(root) = name.strip_suffix("_ARRAY").or_else(|| name.strip_prefix("ARRAY_")) {
            return Some(Term::Array(array(hdus, root).map(Box::new)));
        }
        keywords.get(name).map(|text| match Given::header(text) {
            #[allow(clippy::cast_precision_loss, reason = "constraints compare small numbers")]
            Given::Int(number) => Term::Number(number as f64),
            Given::Float(number) => Term::Number(number),
            Given::Text(text) => Term::Text(text),
        })
    }

    fn check_row(&self, row: &Constraint, keywords: &Keywords, hdus: &[Hdu], lines: &mut Vec<LogLine>) {
        let presence = self.presence(row, keywords, hdus, lines);
        if matches!(presence, Presence::Absent | Presence::Subarray) {
            return;
        }
        let outcome = match row.key_type.as_str() {
            "C" => self.check_column(row, presence, hdus, lines),
            "G" => {
                lines.push(LogLine::warning("Group keys are not currently supported by CRDS."));
                Ok(())
            }
            _ if row.values.first().is_some_and(|value| value.starts_with("&SYNPHOT_")) => {
                synphot::check(&row.values[0], hdus, || self.component(&row.values[0], keywords), lines)
            }
            _ if row.data_type == "X" => self.check_expression(row, keywords, hdus, lines),
            "A" | "D" => Ok(()),
            _ => self.check_keyword(row, presence, keywords, lines),
        };
        if let Err(why) = outcome {
            lines.push(match presence {
                Presence::Warned => LogLine::warning(format!("Checking {} failed: {why}", repr(&row.name))),
                _ => self.checking(row, &why),
            });
        }
    }

    /// The synphot component that this file describes.
    fn component(&self, special: &str, keywords: &Keywords) -> synphot::Component<'_> {
        let name = keywords.get("COMPNAME").map(|name| name.to_lowercase()).unwrap_or_default();
        let filekind = if special == "&SYNPHOT_THERMAL" { "thermal" } else { "thruput" };
        let predecessor = (!self.context.is_empty()).then(|| {
            let rules = self.governing_rules("synphot", filekind).map_err(|error| error.to_string())?;
            let entries = rules.tree().map(|tree| tree.entries.as_slice()).unwrap_or_default();
            let known = entries.iter().find(|(key, _)| {
                let first = if let Py::Tuple(items) = key { items.first().map(Py::text) } else { Some(key.text()) };
                first.is_some_and(|first| first.to_lowercase() == name)
            });
            Ok(known.and_then(|(_, choice)| if let Choice::Value(file) = choice { Some(file.text()) } else { None }))
        });
        synphot::Component { file: self.name, name, predecessor }
    }

    fn check_keyword(
        &self,
        row: &Constraint,
        presence: Presence,
        keywords: &Keywords,
        lines: &mut Vec<LogLine>,
    ) -> Result<(), String> {
        let given = keywords.get(&row.name).map(|text| Given::header(text)).filter(|given| !given.is_undefined());
        match given {
            None => missing_part(row, presence, "keyword", lines),
            Some(_) if presence == Presence::Forbidden => Err(format!("*Must not define* keyword {}", repr(&row.name))),
            Some(given) => check(row, &given, self.generation),
        }
    }

    fn check_column(
        &self,
        row: &Constraint,
        presence: Presence,
        hdus: &[Hdu],
        lines: &mut Vec<LogLine>,
    ) -> Result<(), String> {
        let mut seen = false;
        let constraint = (row.data_type == "X").then(|| Expr::parse(row.values.first().map_or("", String::as_str)));
        for (_, table) in rows::tables(hdus) {
            let Some(column) = table.columns.iter().find(|column| column.name == row.name) else { continue };
            seen = true;
            if self.generation == Generation::Y2014 {
                continue; // values of columns were not reported (RD 7.3)
            }
            if table.rows == 0 {
                // The client builds its columns out of the rows; without rows it looks for the column in vain.
                return Err(repr(&row.name));
            }
            for cell in &column.cells {
                let given = Given::cell(cell);
                if given.is_undefined() {
                    continue;
                }
                match &constraint {
                    None => check(row, &given, self.generation)?,
                    Some(expr) => self.check_cell(row, expr.as_ref(), &given)?,
                }
            }
        }
        if seen {
            return Ok(());
        }
        if self.generation == Generation::Y2014 && presence == Presence::Required {
            let text = format!("Can't read column values: Missing required keyword {}", repr(&row.name));
            lines.push(LogLine::error(text));
            return Ok(());
        }
        missing_part(row, presence, "table column", lines)
    }

    fn check_cell(&self, row: &Constraint, expr: Result<&Expr, &DeriveError>, given: &Given) -> Result<(), String> {
        let source = row.values.first().map_or("", String::as_str);
        let value = || match given {
            #[allow(clippy::cast_precision_loss, reason = "constraints compare small numbers")]
            Given::Int(number) => Term::Number(*number as f64),
            Given::Float(number) => Term::Number(*number),
            Given::Text(text) => Term::Text(text.clone()),
        };
        let lookup = |name: &str| (name == "VALUE").then(value);
        let holds = expr.map_err(Clone::clone).and_then(|expr| expr.holds(&lookup));
        match holds {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!("Constraint {source} is not satisfied.")),
            Err(error) => Err(format!("Failed checking constraint {} : {error}", repr(source))),
        }
    }

    /// A constraint over the whole header; one that names anything undefined counts as satisfied.
    fn check_expression(
        &self,
        row: &Constraint,
        keywords: &Keywords,
        hdus: &[Hdu],
        lines: &mut Vec<LogLine>,
    ) -> Result<(), String> {
        let source = row.values.first().map_or("", String::as_str);
        for name in identifiers(source) {
            let defined = match self.term(&name, keywords, hdus) {
                None | Some(Term::Array(None)) => false,
                Some(Term::Text(text)) => text != "UNDEFINED",
                Some(_) => true,
            };
            if !defined {
                return Ok(());
            }
        }
        let value = Expr::parse(source).and_then(|expr| expr.eval(&|name| self.term(name, keywords, hdus)));
        match value {
            Ok(Term::Flag(false)) => Err(format!("Constraint {source} is not satisfied.")),
            Ok(Term::Text(flag)) if flag == "W" => {
                lines.push(LogLine::warning(format!("Constraint {source} is not satisfied.")));
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => Err(format!("Failed checking constraint {} : {error}", repr(source))),
        }
    }

    fn check_modes(
        &self,
        (instrument, filekind): &(String, String),
        observatory: &str,
        rules: Option<&Rules>,
        header: &Header,
        hdus: &[Hdu],
        lines: &mut Vec<LogLine>,
    ) {
        let kind = facts::kind(observatory, instrument, filekind);
        let Some(keys) = kind.and_then(|kind| kind.row_keys.as_deref()).filter(|keys| !keys.is_empty()) else { return };
        let old = rules.and_then(|rules| self.predecessor(rules, header, lines));
        let bytes = old.as_ref().filter(|old| *old != self.name).and_then(|old| {
            let bytes = self.store.reference(old);
            if bytes.is_none() {
                lines.push(LogLine::warning(format!(
                    "Failed to obtain reference comparison file {} : file is not in the cache",
                    repr(old)
                )));
            }
            bytes.map(|bytes| (old.clone(), bytes))
        });
        match bytes.and_then(|(old, bytes)| Some((old, fits::read(&bytes).ok()?))) {
            Some((old, old_hdus)) => {
                let text = format!("Comparing reference {} against {}", repr(self.name), repr(&old));
                lines.push(LogLine::info(text));
                rows::compare((&old, &old_hdus), (self.name, hdus), keys, lines);
            }
            None => {
                rows::duplicates(self.name, hdus, keys, lines);
                let what = if self.generation == Generation::Now { "tables" } else { "table" };
                lines.push(LogLine::warning(format!(
                    "No comparison reference for {} in context {}. Skipping {what} comparison.",
                    repr(self.name),
                    repr(self.context)
                )));
            }
        }
    }

    /// The file that this one would displace, found by a trial insertion.
    fn predecessor(&self, rules: &Rules, header: &Header, lines: &mut Vec<LogLine>) -> Option<String> {
        let mut names = Vec::new();
        rules.tree()?.collect_names(&mut names);
        if names.iter().any(|name| name == self.name) {
            return Some(self.name.to_owned());
        }
        let before: BTreeSet<String> = names.into_iter().collect();
        let mut trial = rules.clone();
        let inserted = matching_header(rules, header, self.generation, &mut Vec::new()).and_then(|keywords| {
            insert_one(&mut trial, &keywords, self.name, self.generation, self.generation.key_order())
        });
        if let Err(error) = inserted {
            let text = format!("Failed resolving comparison reference for table checks : {error}");
            lines.push(LogLine::warning(text));
            return None;
        }
        let mut after = Vec::new();
        trial.tree()?.collect_names(&mut after);
        let displaced = before.into_iter().find(|name| !after.contains(name));
        if displaced.is_none() {
            lines.push(LogLine::info(format!(
                "No file corresponding to {} in context {}",
                repr(self.path),
                repr(&rules.name_of("name"))
            )));
        }
        displaced
    }

    fn show_provenance(
        &self,
        hdus: &[Hdu],
        keywords: &Keywords,
        rows: &[Constraint],
        parkeys: &[String],
        lines: &mut Vec<LogLine>,
    ) {
        let simple = rows.iter().filter(|row| row.key_type == "H").map(|row| row.name.clone());
        let keys: BTreeSet<String> = parkeys
            .iter()
            .cloned()
            .chain(simple)
            .chain(PROVENANCE.iter().map(|key| (*key).to_owned()))
            .map(|key| key.to_uppercase())
            .collect();
        let mut unseen = keys.clone();
        for (number, hdu) in hdus.iter().enumerate() {
            for key in &keys {
                for card in hdu.cards.iter().filter(|card| card.keyword == *key) {
                    let value = card.value_text();
                    if is_interesting(&value) {
                        lines.push(LogLine::info(format!("[{number}] {key} {value} {}", card.comment)));
                    }
                    unseen.remove(key);
                }
            }
        }
        let mut missed = Vec::new();
        for key in unseen {
            match keywords.get(&key) {
                Some(text) => {
                    let given = Given::header(text);
                    if is_interesting(&given.text()) {
                        lines.push(LogLine::info(format!("{key} = {}", given.repr())));
                    }
                }
                None => missed.push(key),
            }
        }
        for key in missed.iter().filter(|key| PROVENANCE.contains(&key.as_str())) {
            lines.push(LogLine::warning(format!("Missing keyword '{key}'.")));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Required,
    Optional,
    Warned,
    Forbidden,
    /// Depends on SUBARRAY, which no HST table does.
    Subarray,
    /// The row's condition does not hold.
    Absent,
}

fn missing_part(row: &Constraint, presence: Presence, what: &str, lines: &mut Vec<LogLine>) -> Result<(), String> {
    match presence {
        Presence::Required => Err(format!("Missing required {what} {}", repr(&row.name))),
        Presence::Warned => {
            lines.push(LogLine::warning(format!("Missing suggested {what} {}", repr(&row.name))));
            Ok(())
        }
        _ => Ok(()),
    }
}

fn facts_rows(observatory: &str, instrument: &str, filekind: &str, generation: Generation) -> Vec<Constraint> {
    if observatory != "hst" {
        return Vec::new();
    }
    facts::constraints(generation, instrument, filekind, false).unwrap_or_default().to_vec()
}

/// Optional keywords that the rules match on are required.
fn required_rows(mut rows: Vec<Constraint>, parkeys: &[String]) -> Vec<Constraint> {
    for row in &mut rows {
        if matches!(row.presence.as_str(), "O" | "W") && parkeys.contains(&row.name) {
            row.presence = "R".to_owned();
        }
    }
    rows
}

fn filetype_properties(header: &Header, name: &str) -> Result<(String, String), DeriveError> {
    let by_header = names::header_properties(name, header);
    match (by_header, header.get("FILETYPE")) {
        (Ok(found), _) => Ok(found),
        (Err(_), Some(filetype)) => Err(DeriveError::new("KeyError", repr(&filetype.to_lowercase()))),
        (Err(error), None) => names::properties("hst", name, None).map_err(|_| error),
    }
}

fn table_line(observatory: &str, instrument: &str, filekind: &str) -> String {
    let kind = facts::kind(observatory, instrument, filekind);
    match kind.filter(|kind| kind.format.eq_ignore_ascii_case("table")) {
        Some(kind) => {
            format!("Table unique-row-keys defined as {}", repr_texts(kind.row_keys.as_deref().unwrap_or_default()))
        }
        None => "Rmap reffile_format is not 'TABLE',  skipping table mode checks.".to_owned(),
    }
}

fn is_interesting(value: &str) -> bool {
    !matches!(
        value.trim().to_lowercase().as_str(),
        "" | "*** end of mandatory fields ***" | "*** column names ***" | "*** column formats ***"
    )
}

/// The name under which a row's value stands among the keywords.
fn complex_name(row: &Constraint) -> String {
    match row.key_type.as_str() {
        "A" | "D" if row.name.starts_with(|c: char| c.is_ascii_digit()) => format!("ARRAY_{}", row.name),
        "A" | "D" => format!("{}_ARRAY", row.name.to_uppercase()),
        _ => row.name.clone(),
    }
}

/// Properties of the array in the HDU of that name or number.
fn array(hdus: &[Hdu], name: &str) -> Option<ArrayInfo> {
    let numbered = ["EXTENSION", "EXT", ""].iter().find_map(|stem| name.strip_prefix(stem)?.parse::<usize>().ok());
    let hdu = match numbered {
        Some(number) => hdus.get(number)?,
        None => hdus.iter().find(|hdu| hdu.name() == name)?,
    };
    if let Some(table) = hdu.table() {
        let columns = table.columns.iter().map(|column| (column.name.clone(), column.data_type.clone())).collect();
        let rows = i64::try_from(table.rows).unwrap_or(i64::MAX);
        return Some(ArrayInfo { table: true, shape: vec![rows], image_type: String::new(), columns });
    }
    let image_type = match hdu.card("BITPIX").and_then(Card::as_integer)? {
        8 => "uint8",
        16 => "int16",
        32 => "int32",
        64 => "int64",
        -32 => "float32",
        _ => "float64",
    };
    let shape = hdu.axes().into_iter().rev().collect();
    Some(ArrayInfo { table: false, shape, image_type: image_type.to_owned(), columns: Vec::new() })
}

/// Upper-case names in an expression, texts in quotes left out.
fn identifiers(source: &str) -> Vec<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '\'' | '"');
    source
        .split(|c: char| !word(c))
        .filter(|w| {
            !w.is_empty() && w.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.'))
        })
        .map(|w| w.split('.').next().unwrap_or("").to_owned())
        .filter(|w| !w.is_empty() && !w.starts_with(|c: char| c.is_ascii_digit()) && w != "_")
        .collect()
}

/// A row as the client prints it.
fn tpn_info(row: &Constraint) -> String {
    let key_type = match row.key_type.as_str() {
        "H" => "HEADER",
        "C" => "COLUMN",
        "G" => "GROUP",
        "A" => "ARRAY_FORMAT",
        "D" => "ARRAY_DATA",
        _ => "EXPRESSION",
    };
    let data_type = match row.data_type.as_str() {
        "C" => "CHARACTER",
        "I" => "INTEGER",
        "L" => "LOGICAL",
        "R" => "REAL",
        "D" => "DOUBLE",
        _ => "EXPRESSION",
    };
    let values = if row.values.is_empty() { "()".to_owned() } else { repr_texts(&row.values) };
    format!("({}, '{key_type}', '{data_type}', condition={}, values={values})", repr(&row.name), repr(&row.presence))
}
