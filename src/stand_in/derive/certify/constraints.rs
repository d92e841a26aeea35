//! The rows of a constraint table, one after another, against a reference (RD 7.1).

use super::checks::{Given, check};
use super::format::{Format, Source};
use super::reference::Run;
use super::{rows, synphot};
use crate::stand_in::derive::expr::{ArrayInfo, Expr, Term};
use crate::stand_in::derive::facts::{self, Constraint};
use crate::stand_in::derive::matching::Keywords;
use crate::stand_in::derive::rules::Choice;
use crate::stand_in::derive::value::{Py, repr, repr_texts};
use crate::stand_in::derive::{DeriveError, Generation, LogLine};
use crate::stand_in::fits::{Card, Hdu};

/// What the table library says of a file that it does not know (a list of formats follows, which differs by release).
pub(super) const NO_TABLE: &str =
    "Format could not be identified based on the file name or contents, please provide a 'format' argument.";

impl Run<'_> {
    pub(super) fn presence(
        &self,
        row: &Constraint,
        keywords: &Keywords,
        hdus: &[Hdu],
        lines: &mut Vec<LogLine>,
    ) -> Presence {
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

    /// One row; what is wrong goes into `lines`.
    pub(super) fn check_row(
        &self,
        row: &Constraint,
        keywords: &Keywords,
        source: &Source,
        hdus: &[Hdu],
        lines: &mut Vec<LogLine>,
    ) {
        let presence = self.presence(row, keywords, hdus, lines);
        if matches!(presence, Presence::Absent | Presence::Subarray) {
            return;
        }
        let outcome = match row.key_type.as_str() {
            "C" if source.format != Format::Fits => Err(NO_TABLE.to_owned()),
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
}

/// What a row's presence column comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
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

/// The name under which a row's value stands among the keywords.
pub(super) fn complex_name(row: &Constraint) -> String {
    match row.key_type.as_str() {
        "A" | "D" if row.name.starts_with(|c: char| c.is_ascii_digit()) => format!("ARRAY_{}", row.name),
        "A" | "D" => format!("{}_ARRAY", row.name.to_uppercase()),
        _ => row.name.clone(),
    }
}

/// Properties of the array in the HDU of that name or number.
pub(super) fn array(hdus: &[Hdu], name: &str) -> Option<ArrayInfo> {
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
