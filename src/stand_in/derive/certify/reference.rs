//! Certification of references (RD 7.3).

use std::collections::BTreeSet;

use super::constraints::{Presence, array, complex_name};
use super::format::{Format, Source, named_fits, odd_telescope};
use super::{Certification, opening, trapped};
use crate::stand_in::derive::contexts::{instrument_map, missing};
use crate::stand_in::derive::facts::{self, Constraint};
use crate::stand_in::derive::matching::{Keywords, base_keywords, define, to_dataset_keywords};
use crate::stand_in::derive::rules::Rules;
use crate::stand_in::derive::value::{repr, repr_texts};
use crate::stand_in::derive::{DeriveError, Generation, LogLine, Store, base_name, diff, names};
use crate::stand_in::fits::{Hdu, Header};

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
    let format = match (generation, Format::of_name(path)) {
        (Generation::Now, _) => Format::of(path, bytes),
        (Generation::Y2014, Format::Fits) => Ok(Format::Fits),
        (Generation::Y2014, _) => Ok(Format::Unknown),
    };
    let format = match format {
        Ok(format) => format,
        Err(error) => {
            let text = format!("{path} Certifier instantiation error : {error}");
            return Certification::of(vec![LogLine::error(text)]);
        }
    };
    let mut lines = vec![opening(path, format.word(), context, nth, generation)];
    if matches!(format, Format::Text | Format::Unknown) {
        lines.push(LogLine::warning(format!("No certifier defined for {}", repr(base_name(path)))));
        return Certification::of(lines);
    }
    let run = Run { store, path, name: base_name(path), context, generation };
    let source = Source::read(format, path, bytes);
    let outcome = match generation {
        Generation::Now => run.certify(&source, &mut lines),
        Generation::Y2014 => run.certify_2014(&source, &mut lines),
    };
    if let Err(error) = outcome {
        lines.push(trapped(path, &error, generation));
    }
    Certification::of(lines)
}

/// One certification: what is certified, against what.
pub(super) struct Run<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) path: &'a str,
    pub(super) name: &'a str,
    pub(super) context: &'a str,
    pub(super) generation: Generation,
}

impl Run<'_> {
    /// An error about one part of the file.
    pub(super) fn within(&self, what: &str, why: &dyn std::fmt::Display) -> LogLine {
        LogLine::error(match self.generation {
            Generation::Now => format!("In '{}' : {what} : {why}", self.name),
            Generation::Y2014 => format!("In '{}' : {what} : {why}", self.path),
        })
    }

    pub(super) fn checking(&self, row: &Constraint, why: &dyn std::fmt::Display) -> LogLine {
        let verb = if self.generation == Generation::Now { "Checking" } else { "checking" };
        self.within(&format!("{verb} {}", repr(&row.name)), why)
    }

    fn certify(&self, source: &Source, lines: &mut Vec<LogLine>) -> Result<(), DeriveError> {
        let observatory = names::observatory_of(self.name);
        // Only a name that tells nothing makes the client look inside.
        let by_name = names::properties(observatory, self.name, None);
        let looked_inside = by_name.is_err();
        let properties = match by_name {
            Ok(properties) => properties,
            Err(_) => {
                self.opened(source, lines);
                let content = source.content.as_ref().map_err(Clone::clone)?;
                names::properties(observatory, self.name, Some(&content.header))?
            }
        };
        let rules = self.governing_rules(&properties.0, &properties.1);
        self.check_content(source, &properties, rules.as_ref(), looked_inside, lines);
        // A type that the context lacks is found out by the very last step, which only FITS and ASDF files have.
        match rules {
            Err(error) if !self.context.is_empty() && matches!(source.format, Format::Fits | Format::Asdf) => {
                Err(error)
            }
            _ => Ok(()),
        }
    }

    fn check_content(
        &self,
        source: &Source,
        properties: &(String, String),
        rules: Result<&Rules, &DeriveError>,
        looked_inside: bool,
        lines: &mut Vec<LogLine>,
    ) {
        let (instrument, filekind) = properties;
        let observatory = names::observatory_of(self.name);
        let fits = source.format == Format::Fits;
        let kind = facts::kind(observatory, instrument, filekind);
        let has_modes = kind.and_then(|kind| kind.row_keys.as_deref()).is_some_and(|keys| !keys.is_empty());
        if has_modes && named_fits(self.path) {
            self.opened(source, lines);
            if let Err(error) = &source.content {
                lines.push(self.within(&format!("Error finding unique row keys for {}", repr(self.name)), error));
            }
        }
        if fits && !named_fits(self.path) {
            return; // FITS under another name: the certifier opens it not at all
        }
        self.opened(source, lines);
        let content = match &source.content {
            Ok(content) => content,
            Err(error) => {
                lines.push(self.within("Error loading", error));
                return;
            }
        };
        if fits {
            lines.push(self.conforms());
        }
        if !looked_inside {
            self.opened(source, lines);
        }
        let parkeys = rules.map(Rules::required_parkeys).unwrap_or_default();
        let rows = required_rows(facts_rows(observatory, instrument, filekind, self.generation), &parkeys);
        let keywords = self.keywords(&content.header, rules.ok(), observatory, &rows, &content.hdus, lines);
        if fits && (has_modes || rows.iter().any(|row| row.key_type == "C")) {
            self.opened(source, lines);
        }
        for row in &rows {
            self.check_row(row, &keywords, source, &content.hdus, lines);
        }
        self.check_modes(properties, observatory, rules, content, source.format, lines);
        if fits {
            self.opened(source, lines);
        }
        self.show_provenance(&content.hdus, &keywords, &rows, &parkeys, lines);
        if fits {
            self.opened(source, lines);
            match odd_telescope(&content.hdus) {
                Some(class) => {
                    let what = format!("Checking ASDF Standard version for {}", repr(self.path));
                    lines.push(self.within(&what, &format!("'{class}' object has no attribute 'lower'")));
                }
                None => self.opened(source, lines),
            }
        }
    }

    /// As the client of September 2014 did it: FITS files only, FILETYPE believed rather than the name.
    fn certify_2014(&self, source: &Source, lines: &mut Vec<LogLine>) -> Result<(), DeriveError> {
        let observatory = names::observatory_of(self.name);
        let content = source.content.as_ref().map_err(Clone::clone)?;
        let properties = match observatory {
            "hst" => filetype_properties(&content.header, self.name)?,
            _ => names::properties(observatory, self.name, Some(&content.header))?,
        };
        let (instrument, filekind) = &properties;
        let rules = self.governing_rules(instrument, filekind);
        let parkeys = rules.as_ref().map(Rules::required_parkeys).unwrap_or_default();
        let rows = required_rows(facts_rows(observatory, instrument, filekind, self.generation), &parkeys);
        if let Err(error) = &rules
            && !self.context.is_empty()
        {
            lines.push(LogLine::error(format!(
                "Error finding governing rmap for '{}' under '{}' : {error}",
                self.path, self.context
            )));
        }
        lines.push(LogLine::info(table_line(observatory, instrument, filekind)));
        lines.push(self.conforms());
        let keywords = self.keywords(&content.header, rules.as_ref().ok(), observatory, &rows, &content.hdus, lines);
        for row in &rows {
            self.check_row(row, &keywords, source, &content.hdus, lines);
        }
        self.check_modes(&properties, observatory, rules.as_ref(), content, source.format, lines);
        self.show_provenance(&content.hdus, &keywords, &rows, &parkeys, lines);
        Ok(())
    }

    fn conforms(&self) -> LogLine {
        let gap = if self.generation == Generation::Now { " " } else { "  " };
        LogLine::info(format!("FITS file '{}'{gap}conforms to FITS standards.", self.name))
    }

    /// The client opens the file once more, and the FITS library complains once more.
    fn opened(&self, source: &Source, lines: &mut Vec<LogLine>) {
        lines.extend(source.complaints.iter().map(|text| LogLine::warning(text.clone())));
    }

    /// The rmap of the type in the context.
    pub(super) fn governing_rules(&self, instrument: &str, filekind: &str) -> Result<Rules, DeriveError> {
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
    // The client of that year asks for the instrument first, and has no words of its own for one that is missing.
    if header.get("INSTRUME").is_none() {
        return Err(DeriveError::new("KeyError", repr("INSTRUME")));
    }
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
