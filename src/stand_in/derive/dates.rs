//! Dates as CRDS reads them in USEAFTER and in keys (RS 10, RD 1.2).

use super::value::repr;
use super::{DeriveError, Generation};

/// A date and time of day, microseconds included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DateTime {
    pub(crate) date: jiff::civil::Date,
    hour: u32,
    minute: u32,
    second: u32,
    micro: u32,
}

impl DateTime {
    /// `YYYY-MM-DD HH:MM:SS`, `.ffffff` behind it unless zero.
    pub(crate) fn iso(&self) -> String {
        let Self { date, hour, minute, second, micro } = self;
        let (year, month, day) = (date.year(), date.month(), date.day());
        let base = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
        if *micro == 0 { base } else { format!("{base}.{micro:06}") }
    }
}

fn value_error(text: impl Into<String>) -> DeriveError {
    DeriveError::new("ValueError", text)
}

/// Reads a date in any of the client's forms.
pub(crate) fn parse(text: &str, generation: Generation) -> Result<DateTime, DeriveError> {
    if text.contains("UNDEFINED") && generation == Generation::Now {
        let why = "One or more required date/time values is UNDEFINED";
        return Err(DeriveError::new("InvalidDatetimeError", why));
    }
    let text = text.strip_suffix(" UT").unwrap_or(text);
    let text = if is_t_separated(text, generation) { text.replacen('T', " ", 1) } else { text.to_owned() };
    let alphabetical = match generation {
        Generation::Now => longest_word(&text) >= 3,
        Generation::Y2014 => text.starts_with(|c: char| c.is_ascii_alphabetic()),
    };
    if alphabetical { parse_alphabetical(&text, generation) } else { parse_numerical(&text) }
}

fn longest_word(text: &str) -> usize {
    text.split(|c: char| !c.is_ascii_alphabetic()).map(str::len).max().unwrap_or(0)
}

/// True if `text` has the shape of `form`, where `d` stands for a digit and `-` for `-` or `/`.
fn shaped(text: &str, form: &str) -> bool {
    text.len() == form.len()
        && text.bytes().zip(form.bytes()).all(|(b, f)| match f {
            b'd' => b.is_ascii_digit(),
            b'-' => b == b'-' || b == b'/',
            other => b == other,
        })
}

/// `dddd-dd-ddTdd:dd[:dd][.d{1,6}]`; 2014 demanded the seconds and took no fraction.
fn is_t_separated(text: &str, generation: Generation) -> bool {
    if generation == Generation::Y2014 {
        return shaped(text, "dddd-dd-ddTdd:dd:dd");
    }
    let (base, fraction) = text.split_once('.').map_or((text, None), |(base, fraction)| (base, Some(fraction)));
    let fraction_good = fraction.is_none_or(|f| (1..=6).contains(&f.len()) && f.bytes().all(|b| b.is_ascii_digit()));
    fraction_good && (shaped(base, "dddd-dd-ddTdd:dd:dd") || shaped(base, "dddd-dd-ddTdd:dd"))
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// The number of a month by its first three letters.
pub(crate) fn month_number(name: &str, whole: Option<&str>) -> Result<i64, DeriveError> {
    let start: String = name.chars().take(3).collect::<String>().to_lowercase();
    MONTHS.iter().position(|month| *month == start).map(|n| n as i64 + 1).ok_or_else(|| {
        let base = whole.map_or_else(|| "None".to_owned(), repr);
        value_error(format!("Invalid month value {} in base date {base}", repr(name)))
    })
}

fn unpack<const N: usize>(words: &[String]) -> Result<[&str; N], DeriveError> {
    let texts: Vec<&str> = words.iter().map(String::as_str).collect();
    <[&str; N]>::try_from(texts).map_err(|texts| {
        value_error(if texts.len() < N {
            format!("not enough values to unpack (expected {N}, got {})", texts.len())
        } else {
            format!("too many values to unpack (expected {N})")
        })
    })
}

fn parse_alphabetical(whole: &str, generation: Generation) -> Result<DateTime, DeriveError> {
    let mut text = whole.to_owned();
    if generation == Generation::Now {
        for (apart, joined) in [(" am", "am"), (" pm", "pm")] {
            while text.to_lowercase().ends_with(apart) {
                text = text.to_lowercase().replace(apart, joined);
            }
        }
        text = text.replace(['-', '/'], " ");
    }
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let (month, day, year, time) = match unpack::<4>(&words) {
        Ok([month, day, year, time]) => (month, day, year, time),
        Err(_) => {
            let [month, day, year] = unpack::<3>(&words)?;
            (month, day, year, "00:00AM")
        }
    };
    let day = day.strip_suffix(',').unwrap_or(day);
    let numbers = |month: &str, day: &str| -> Result<(i64, i64, i64), DeriveError> {
        Ok((month_number(month, Some(whole))?, integer(day)?, integer(year)?))
    };
    let (month, day, year) = match numbers(month, day) {
        Err(_) if generation == Generation::Now => numbers(day, month)?,
        other => other?,
    };
    build(year, month, day, parse_time(time)?)
}

/// Hour, minute, second, microsecond.
type Clock = (i64, i64, i64, i64);

fn parse_time(time: &str) -> Result<Clock, DeriveError> {
    let mut time = time.trim();
    let mut half = "";
    let tail_at = time.char_indices().rev().nth(1).map_or(0, |(at, _)| at);
    let tail = time[tail_at..].to_uppercase();
    if tail == "AM" || tail == "PM" {
        half = if tail == "AM" { "AM" } else { "PM" };
        time = &time[..tail_at];
    }
    let parts: Vec<String> = time.split(':').map(str::to_owned).collect();
    let (hour, minute, second) = match parts.len() {
        2 => (parts[0].as_str(), parts[1].as_str(), "00"),
        3 => (parts[0].as_str(), parts[1].as_str(), parts[2].as_str()),
        _ => {
            let [hour, minute, second, _] = unpack::<4>(&parts)?;
            (hour, minute, second)
        }
    };
    let (mut hour, minute, second) = (integer(hour)?, integer(minute)?, float(second)?);
    if !second.is_finite() {
        let what = if second.is_nan() { "float NaN" } else { "float infinity" };
        return Err(value_error(format!("cannot convert {what} to integer")));
    }
    #[allow(clippy::cast_possible_truncation, reason = "Python truncates here; `as` saturates where it would not fit")]
    let (whole, micro) = (second as i64, ((second - second.trunc()) * 1e6) as i64);
    match half {
        "PM" if hour < 12 => hour += 12,
        "AM" if hour == 12 => hour -= 12,
        _ => {}
    }
    Ok((hour, minute, whole, micro))
}

fn parse_numerical(text: &str) -> Result<DateTime, DeriveError> {
    let text = text.replace('-', "/");
    let words: Vec<&str> = text.split_whitespace().collect();
    let Some((&date, rest)) = words.split_first() else {
        return Err(DeriveError::new("IndexError", "list index out of range"));
    };
    let time = if rest.is_empty() { "00:00:00".to_owned() } else { rest.join(" ") };
    let mut clock = parse_time(&time)?;
    let fields: Vec<&str> = date.split('/').collect();
    let (year, month, day) = if shaped(date, "dd/dd/dddd") {
        (fields[2].to_owned(), fields[0].to_owned(), fields[1].to_owned())
    } else if shaped(date, "dddd/dd/dd") {
        (fields[0].to_owned(), fields[1].to_owned(), fields[2].to_owned())
    } else if shaped(date, "dd/dd/9d") {
        (format!("19{}", fields[2]), fields[1].to_owned(), fields[0].to_owned())
    } else if shaped(date, "dd/dd/dd") && matches!(date.as_bytes()[6], b'0'..=b'3') {
        (format!("20{}", fields[2]), fields[1].to_owned(), fields[0].to_owned())
    } else if shaped(date, "dddddddd:dddddd") {
        clock = (integer(&date[9..11])?, integer(&date[11..13])?, integer(&date[13..15])?, 0);
        (date[..4].to_owned(), date[4..6].to_owned(), date[6..8].to_owned())
    } else {
        return Err(value_error(format!("Unknown numerical date format: {}", repr(&text))));
    };
    build(integer(&year)?, integer(&month)?, integer(&day)?, clock)
}

/// Python's `int` of a text.
pub(crate) fn integer(text: &str) -> Result<i64, DeriveError> {
    let bad = || value_error(format!("invalid literal for int() with base 10: {}", repr(text)));
    let trimmed = text.trim();
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    let grouped = digits.split('_').all(|group| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit()));
    if digits.is_empty() || !grouped {
        return Err(bad());
    }
    trimmed.replace('_', "").parse().map_err(|_| value_error("Python int too large to convert to C int"))
}

/// Python's `float` of a text.
pub(crate) fn float(text: &str) -> Result<f64, DeriveError> {
    let bad = || value_error(format!("could not convert string to float: {}", repr(text)));
    let trimmed = text.trim();
    let around = |at: usize| at > 0 && trimmed.as_bytes()[at - 1].is_ascii_digit();
    let underscores_good = trimmed
        .bytes()
        .enumerate()
        .filter(|(_, b)| *b == b'_')
        .all(|(at, _)| around(at) && trimmed.as_bytes().get(at + 1).is_some_and(u8::is_ascii_digit));
    if !underscores_good {
        return Err(bad());
    }
    trimmed.replace('_', "").parse().map_err(|_| bad())
}

fn build(year: i64, month: i64, day: i64, (hour, minute, second, micro): Clock) -> Result<DateTime, DeriveError> {
    if !(1..=9999).contains(&year) {
        return Err(value_error(format!("year {year} is out of range")));
    }
    if !(1..=12).contains(&month) {
        return Err(value_error("month must be in 1..12"));
    }
    #[allow(
        clippy::cast_possible_truncation,
        reason = "year and month were checked, the day is clamped to what i8 holds"
    )]
    let date = jiff::civil::Date::new(year as i16, month as i8, day.clamp(-1, 99) as i8)
        .map_err(|_| value_error("day is out of range for month"))?;
    let field = |value: i64, limit: i64, what: &str| -> Result<u32, DeriveError> {
        u32::try_from(value)
            .ok()
            .filter(|v| i64::from(*v) <= limit)
            .ok_or_else(|| value_error(format!("{what} must be in 0..{limit}")))
    };
    Ok(DateTime {
        date,
        hour: field(hour, 23, "hour")?,
        minute: field(minute, 59, "minute")?,
        second: field(second, 59, "second")?,
        micro: field(micro, 999_999, "microsecond")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        for (text, expected) in [
            ("Jun 09 2009 00:00:00", "2009-06-09 00:00:00"),
            ("June 9, 2009 1:02:03 pm", "2009-06-09 13:02:03"),
            ("Dec 31 1999 12:00:00 am", "1999-12-31 00:00:00"),
            ("03-JAN-2013", "2013-01-03 00:00:00"),
            ("2009-06-09", "2009-06-09 00:00:00"),
            ("2009-06-09T00:00:00.5", "2009-06-09 00:00:00.500000"),
            ("06/09/2009 10:20", "2009-06-09 10:20:00"),
            ("09/06/98", "1998-06-09 00:00:00"),
            ("09/06/04", "2004-06-09 00:00:00"),
            ("20040702:080900", "2004-07-02 08:09:00"),
            ("2004-07-02 08:09:00 UT", "2004-07-02 08:09:00"),
        ] {
            assert_eq!(parse(text, Generation::Now).map(|d| d.iso()), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn bad_dates_say_why() {
        for (text, expected) in [
            ("UNDEFINED", "One or more required date/time values is UNDEFINED"),
            ("junk", "not enough values to unpack (expected 3, got 1)"),
            ("2009-06-31", "day is out of range for month"),
            ("2009-13-01", "month must be in 1..12"),
            ("2009-06-09 24:00:00", "hour must be in 0..23"),
            ("20090609", "Unknown numerical date format: '20090609'"),
            ("N/A", "Unknown numerical date format: 'N/A'"),
        ] {
            assert_eq!(parse(text, Generation::Now).unwrap_err().to_string(), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let _ = parse(&text, Generation::Now);
            let _ = parse(&text, Generation::Y2014);
        }
    }
}
