//! The checkers of constraint tables: one value against one row (RD 7.1).

use crate::stand_in::derive::facts::Constraint;
use crate::stand_in::derive::value::{repr, repr_list};
use crate::stand_in::derive::{Generation, condition, dates};
use crate::stand_in::fits::{Cell, python_float};

/// A value of a header or column, as the client holds it while checking.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Given {
    Text(String),
    Int(i128),
    Float(f64),
}

impl Given {
    /// A header text; what reads as a number is one.
    pub(super) fn header(text: &str) -> Self {
        if let Some(number) = python_int(text) {
            return Self::Int(number);
        }
        match dates::float(text) {
            Ok(number) => Self::Float(number),
            Err(_) => Self::Text(text.to_owned()),
        }
    }

    pub(super) fn cell(cell: &Cell) -> Self {
        match cell {
            Cell::Int(number, _) => Self::Int(i128::from(*number)),
            Cell::Float(number, _) => Self::Float(*number),
            other => Self::Text(other.text()),
        }
    }

    /// Python's `str`.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Int(number) => number.to_string(),
            Self::Float(number) => python_float(*number),
        }
    }

    /// Python's `repr`.
    pub(super) fn repr(&self) -> String {
        match self {
            Self::Text(text) => repr(text),
            other => other.text(),
        }
    }

    pub(super) fn is_undefined(&self) -> bool {
        matches!(self, Self::Text(text) if text == "UNDEFINED")
    }
}

/// Python's `int` of a text, wide enough for any header.
fn python_int(text: &str) -> Option<i128> {
    let trimmed = text.trim();
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    let good = !digits.is_empty()
        && digits.split('_').all(|group| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit()));
    good.then(|| trimmed.replace('_', "").parse().ok()).flatten()
}

/// Checks a defined value.
///
/// `Err` is the text behind `Checking '<K>' : `.
pub(super) fn check(row: &Constraint, given: &Given, generation: Generation) -> Result<(), String> {
    match row.values.first().map(String::as_str) {
        Some("&SYBDATE") => return sybdate(&given.text(), generation),
        Some("&PEDIGREE") => return pedigree(row, &given.text(), generation),
        Some(special) if special.starts_with('&') => return Ok(()),
        _ => {}
    }
    match row.data_type.as_str() {
        "C" => text(row, &given.text().trim().to_uppercase(), |v| v.trim().to_uppercase(), generation),
        "S" => text(row, given.text().trim(), |v| v.trim().to_owned(), generation),
        "I" => integer(row, given, generation),
        "R" => real(row, given, 1e-7, "Real", generation),
        "D" => real(row, given, 1e-14, "Double", generation),
        "L" => {
            let value = given.text();
            let allowed = ["T".to_owned(), "F".to_owned()];
            if allowed.contains(&value) { Ok(()) } else { Err(not_one_of(row, &repr(&value), &allowed, generation)) }
        }
        _ => Ok(()),
    }
}

/// `Value 'X' is not one of [...]`; 2014 names the keyword and keeps the order of the table.
fn not_one_of(row: &Constraint, value: &str, allowed: &[String], generation: Generation) -> String {
    match generation {
        Generation::Now => {
            let shown: Vec<String> = allowed.iter().map(|v| repr(v)).collect();
            format!("Value {value} is not one of {}", pretty_list(&shown))
        }
        Generation::Y2014 => format!("Value for {} of {value} is not one of {}", repr(&row.name), repr_list(allowed)),
    }
}

/// A list as Python's pretty printer breaks it: one line where it fits into 80 columns, else one item a line.
fn pretty_list(items: &[String]) -> String {
    let line = format!("[{}]", items.join(", "));
    if line.len() <= 80 { line } else { format!("[{}]", items.join(",\n ")) }
}

fn text(row: &Constraint, value: &str, normal: fn(&str) -> String, generation: Generation) -> Result<(), String> {
    let mut allowed: Vec<String> = row.values.iter().map(|v| normal(v)).collect();
    if allowed.is_empty() {
        return Ok(());
    }
    if generation == Generation::Now {
        allowed.sort();
    }
    for member in condition::members(value) {
        if !allowed.contains(&member) {
            return Err(not_one_of(row, &repr(&member), &allowed, generation));
        }
    }
    Ok(())
}

fn bounds<T: PartialOrd>(row: &Constraint, read: impl Fn(&str) -> Option<T>) -> Option<(T, T)> {
    let [one] = row.values.as_slice() else { return None };
    let (low, high) = one.split_once(':')?;
    Some((read(low)?, read(high)?))
}

fn out_of_range(row: &Constraint, shown: &str) -> String {
    format!("Value for {} of {shown} is outside acceptable range {}", repr(&row.name), row.values[0])
}

fn integer(row: &Constraint, given: &Given, generation: Generation) -> Result<(), String> {
    let value = match given {
        Given::Int(number) => *number,
        Given::Float(number) if number.is_nan() => return Err("cannot convert float NaN to integer".into()),
        Given::Float(number) if number.is_infinite() => return Err("cannot convert float infinity to integer".into()),
        #[allow(clippy::cast_possible_truncation, reason = "Python truncates here as well")]
        Given::Float(number) => *number as i128,
        Given::Text(text) => {
            python_int(text).ok_or_else(|| format!("invalid literal for int() with base 10: {}", repr(text)))?
        }
    };
    if let Some((low, high)) = bounds(row, python_int) {
        return if (low..=high).contains(&value) { Ok(()) } else { Err(out_of_range(row, &value.to_string())) };
    }
    let mut allowed: Vec<i128> = row.values.iter().filter_map(|v| python_int(v)).collect();
    if allowed.is_empty() || allowed.contains(&value) {
        return Ok(());
    }
    if generation == Generation::Now {
        allowed.sort_unstable();
    }
    let shown: Vec<String> = allowed.iter().map(i128::to_string).collect();
    Err(match generation {
        Generation::Now => format!("Value {value} is not one of {}", pretty_list(&shown)),
        Generation::Y2014 => {
            format!("Value for {} of {value} is not one of [{}]", repr(&row.name), shown.join(", "))
        }
    })
}

fn real(row: &Constraint, given: &Given, epsilon: f64, kind: &str, generation: Generation) -> Result<(), String> {
    let value = match given {
        #[allow(clippy::cast_precision_loss, reason = "Python rounds here as well")]
        Given::Int(number) => *number as f64,
        Given::Float(number) => *number,
        Given::Text(text) => dates::float(text).map_err(|error| error.to_string())?,
    };
    let read = |text: &str| dates::float(text).ok();
    if let Some((low, high)) = bounds(row, read) {
        return if low <= value && value <= high { Ok(()) } else { Err(out_of_range(row, &python_float(value))) };
    }
    let mut allowed: Vec<f64> = row.values.iter().filter_map(|v| read(v)).collect();
    let close = |possible: f64| (value - possible).abs() <= 1e-8 + epsilon * possible.abs();
    if allowed.is_empty() || allowed.iter().any(|&possible| value == possible || close(possible)) {
        return Ok(());
    }
    if generation == Generation::Now {
        allowed.sort_by(f64::total_cmp);
    }
    let shown: Vec<String> = allowed.iter().map(|x| python_float(*x)).collect();
    Err(format!(
        "{kind} {} is not within +- {} of any of [{}]",
        python_float(value),
        python_float(epsilon),
        shown.join(", ")
    ))
}

/// Month name, day, year, clock if given; anchored at the start only.
fn sybdate(value: &str, generation: Generation) -> Result<(), String> {
    let bad = || match generation {
        Generation::Now => format!("Invalid 'Sybdate' format {} should be 'Mar 21 2001 12:00:00 am'", repr(value)),
        Generation::Y2014 => format!("Invalid 'Sybdate' format {}", repr(value)),
    };
    let mut scan = Scan(value);
    let month = scan.letters(10).ok_or_else(bad)?;
    let day = scan.blanks().then(|| scan.digits(2)).flatten().ok_or_else(bad)?;
    scan.skip(',');
    let year = scan.blanks().then(|| scan.digits(4)).flatten().ok_or_else(bad)?;
    let clock = scan.clock();
    let month = dates::month_number(month, None).map_err(|error| error.to_string())?;
    let (hour, minute, second) = clock.unwrap_or((0, 0, 0));
    calendar(year, month, day)?;
    for (value, limit, what) in [(hour, 23, "hour"), (minute, 59, "minute"), (second, 59, "second")] {
        if value > limit {
            return Err(format!("{what} must be in 0..{limit}"));
        }
    }
    Ok(())
}

fn calendar(year: i64, month: i64, day: i64) -> Result<jiff::civil::Date, String> {
    if !(1..=9999).contains(&year) {
        return Err(format!("year {year} is out of range"));
    }
    if !(1..=12).contains(&month) {
        return Err("month must be in 1..12".into());
    }
    let narrow = (i16::try_from(year).ok(), i8::try_from(month).ok(), i8::try_from(day).ok());
    let date = match narrow {
        (Some(year), Some(month), Some(day)) => jiff::civil::Date::new(year, month, day).ok(),
        _ => None,
    };
    date.ok_or_else(|| "day is out of range for month".into())
}

/// A reader of the fixed forms of dates.
struct Scan<'a>(&'a str);

impl<'a> Scan<'a> {
    fn take(&mut self, most: usize, wanted: fn(&u8) -> bool) -> &'a str {
        let count = self.0.bytes().take(most).take_while(wanted).count();
        let (head, tail) = self.0.split_at(count);
        self.0 = tail;
        head
    }

    fn letters(&mut self, most: usize) -> Option<&'a str> {
        Some(self.take(most, u8::is_ascii_alphabetic)).filter(|word| !word.is_empty())
    }

    fn digits(&mut self, most: usize) -> Option<i64> {
        self.take(most, u8::is_ascii_digit).parse().ok()
    }

    /// At least one blank.
    fn blanks(&mut self) -> bool {
        let trimmed = self.0.trim_start();
        let any = trimmed.len() < self.0.len();
        self.0 = trimmed;
        any
    }

    fn skip(&mut self, c: char) {
        self.0 = self.0.strip_prefix(c).unwrap_or(self.0);
    }

    /// `h:m:s [am|pm]` behind blanks, in 24 hours.
    fn clock(&mut self) -> Option<(i64, i64, i64)> {
        self.blanks().then_some(())?;
        let hour = self.digits(2)?;
        self.0 = self.0.strip_prefix(':')?;
        let minute = self.digits(2)?;
        self.0 = self.0.strip_prefix(':')?;
        let second = self.digits(2)?;
        self.blanks();
        let hour = match self.0.get(..2) {
            Some("pm" | "PM") if hour < 12 => hour + 12,
            Some("am" | "AM") if hour == 12 => 0,
            _ => hour,
        };
        Some((hour, minute, second))
    }
}

const PEDIGREES: [&str; 5] = ["INFLIGHT", "GROUND", "MODEL", "DUMMY", "SIMULATION"];

fn pedigree(row: &Constraint, value: &str, generation: Generation) -> Result<(), String> {
    match generation {
        Generation::Now => pedigree_now(value).map_err(|why| format!("Invalid value: {} : {why}", repr(value))),
        Generation::Y2014 => pedigree_2014(row, value),
    }
}

fn pedigree_now(value: &str) -> Result<(), String> {
    let words: Vec<&str> = value.split_whitespace().collect();
    let Some(first) = words.first() else { return Err("Missing value.".into()) };
    let kind = first.to_uppercase();
    let known = PEDIGREES.contains(&kind.as_str());
    let format = |why: &str| format!("INFLIGHT format should be 'INFLIGHT DD/MM/YYYY DD/MM/YYYY' : {why}");
    match words.len() {
        1 if !known || kind == "INFLIGHT" => Err(format!("Value {} cannot be used as a simple value.", repr(&kind))),
        1 => Ok(()),
        3 if !known => Err(format!("Value {} cannot be specified with <start> and <stop> dates.", repr(&kind))),
        3 => {
            if words[1..].iter().any(|date| date.contains(['T', ' ', ':'])) {
                return Err(format("Time should not appear in INFLIGHT dates."));
            }
            let date = |text: &str| dash_date(text).or_else(|_| slash_date(text));
            let (start, stop) = (date(words[1]).map_err(|e| format(&e))?, date(words[2]).map_err(|e| format(&e))?);
            if start <= stop { Ok(()) } else { Err(format("Start date > stop date")) }
        }
        _ => Err(format!("('Invalid format for PEDIGREE: ', {})", repr(&repr(value)))),
    }
}

/// Dates are optional, may be joined by a dash, and are not compared.
fn pedigree_2014(row: &Constraint, value: &str) -> Result<(), String> {
    let words: Vec<&str> = value.split_whitespace().filter(|word| *word != "-").collect();
    let kind = words.first().map(|word| word.to_uppercase()).unwrap_or_default();
    if words.len() >= 3 {
        for date in &words[1..3] {
            slash_date(date).map_err(|_| format!("Invalid 'Slashdate' format {}", repr(date)))?;
        }
    }
    let allowed: Vec<String> = PEDIGREES[..4].iter().map(|p| (*p).to_owned()).collect();
    if allowed.contains(&kind) { Ok(()) } else { Err(not_one_of(row, &repr(&kind), &allowed, Generation::Y2014)) }
}

fn dash_date(text: &str) -> Result<jiff::civil::Date, String> {
    let shape = text.as_bytes();
    let good = shape.len() >= 10
        && shape[..10]
            .iter()
            .enumerate()
            .all(|(n, b)| if matches!(n, 4 | 7) { *b == b'-' } else { b.is_ascii_digit() });
    if !good {
        return Err(format!("Invalid 'Dashdate' format {} should be 'YYYY-MM-DD'", repr(text)));
    }
    let number = |range: std::ops::Range<usize>| text[range].parse().unwrap_or(0);
    calendar(number(0..4), number(5..7), number(8..10))
}

fn slash_date(text: &str) -> Result<jiff::civil::Date, String> {
    let bad = || format!("Invalid 'Slashdate' format {} should be 'DD/MM/YYYY'", repr(text));
    let mut scan = Scan(text);
    let mut field = |width: usize, last: bool| -> Option<i64> {
        let digits = scan.take(width, u8::is_ascii_digit);
        if digits.len() < width {
            return None;
        }
        if !last {
            scan.blanks();
            scan.0 = scan.0.strip_prefix('/')?;
            scan.blanks();
        }
        digits.parse().ok()
    };
    let day = field(2, false).ok_or_else(bad)?;
    let month = field(2, false).ok_or_else(bad)?;
    let year = field(4, true).ok_or_else(bad)?;
    calendar(year, month, day)
}
