//! Dates of datasets, in every form the client takes, with its failure texts (RS 10).

use super::python::{is_space, parse_float, parse_int, repr, strip};

/// A date as the client writes it: `YYYY-MM-DD HH:MM:SS`, with `.ffffff` when there are microseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateText {
    bytes: [u8; 26],
    len: u8,
}

impl DateText {
    fn new(text: &[u8]) -> Self {
        let mut bytes = [0; 26];
        let len = text.len().min(26);
        bytes[..len].copy_from_slice(&text[..len]);
        Self { bytes, len: len as u8 }
    }

    fn push_micro(&mut self, mut micro: u32) {
        if micro != 0 {
            self.bytes[19] = b'.';
            for at in (20..26).rev() {
                self.bytes[at] = b'0' + (micro % 10) as u8;
                micro /= 10;
            }
            self.len = 26;
        }
    }

    /// The text as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Only ASCII is ever written here.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl std::fmt::Debug for DateText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Returns `YYYY-MM-DD HH:MM:SS[.ffffff]` of a date text that has been conditioned.
///
/// # Errors
///
/// The text of the exception that the client (under Python 3.11) raises.
pub fn reformat(date: &str) -> Result<DateText, String> {
    if let Some(done) = plain(date.as_bytes()) {
        return Ok(done);
    }
    if date.contains("UNDEFINED") {
        return Err("One or more required date/time values is UNDEFINED".to_owned());
    }
    let date = date.strip_suffix(" UT").unwrap_or(date);
    let replaced;
    let date = if t_separated(date) {
        replaced = date.replace('T', " ");
        replaced.as_str()
    } else {
        date
    };
    if three_letters(date) { alphabetical(date) } else { numerical(date) }
}

/// A date text in any form the client takes, as `YYYY-MM-DD HH:MM:SS[.ffffff]`.
///
/// # Errors
///
/// As [`reformat`].
pub fn reformat_text(date: &str) -> Result<String, String> {
    reformat(date).map(|date| date.as_str().to_owned())
}

/// Seconds from the year 0 of a text that [`reformat`] gave.
pub fn seconds(date: &str) -> f64 {
    let number = |from: usize, to: usize| date.get(from..to).and_then(|n| n.parse::<i64>().ok()).unwrap_or(0);
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    // Days by the usual count of a calendar that begins in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let whole_days = 365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * m + 2) / 5 + day;
    let clock = number(11, 13) * 3600 + number(14, 16) * 60 + number(17, 19);
    (whole_days * 86400 + clock) as f64 + number(20, 26) as f64 / 1e6
}

/// The common form `dddd-dd-dd dd:dd:dd[.d{1,6}]`, valid in the calendar, without any detour.
pub fn plain(date: &[u8]) -> Option<DateText> {
    let [y1, y2, y3, y4, b'-', n1, n2, b'-', d1, d2, b' ', h1, h2, b':', m1, m2, b':', s1, s2, fraction @ ..] = date
    else {
        return None;
    };
    let digits = [y1, y2, y3, y4, n1, n2, d1, d2, h1, h2, m1, m2, s1, s2].map(|b| b.wrapping_sub(b'0'));
    if digits.iter().fold(false, |other, digit| other | (*digit > 9)) {
        return None;
    }
    let two = |at: usize| u32::from(digits[at]) * 10 + u32::from(digits[at + 1]);
    let (year, month, day) = (two(0) * 100 + two(2), two(4), two(6));
    let (hour, minute, second) = (two(8), two(10), two(12));
    let good = year >= 1 && (1..=12).contains(&month) && day >= 1 && day <= days(year, month);
    if !good || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut out = DateText::new(&date[..19]);
    match fraction {
        [] => {}
        [b'.', fraction @ ..] if (1..=6).contains(&fraction.len()) && fraction.iter().all(u8::is_ascii_digit) => {
            // Exactly what float("ss.ffffff") and its truncation give: one correctly rounded division.
            let scale = [1e1, 1e2, 1e3, 1e4, 1e5, 1e6][fraction.len() - 1];
            let number = fraction.iter().fold(0_u32, |n, b| n * 10 + u32::from(b - b'0'));
            let all = f64::from(number) + f64::from(second) * scale;
            out.push_micro(((all / scale - f64::from(second)) * 1e6) as u32);
        }
        _ => return None,
    }
    Some(out)
}

fn days(year: u32, month: u32) -> u32 {
    let leap = (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `dddd[-/]dd[-/]ddTdd:dd[:dd][.d{1,6}]`
fn t_separated(date: &str) -> bool {
    let Some((day, time)) = date.split_once('T') else { return false };
    let day_fits = day.len() == 10
        && day
            .bytes()
            .enumerate()
            .all(|(i, b)| if i == 4 || i == 7 { b == b'-' || b == b'/' } else { b.is_ascii_digit() });
    let (clock, fraction) = time.split_once('.').map_or((time, None), |(clock, fraction)| (clock, Some(fraction)));
    let clock_fits = matches!(clock.len(), 5 | 8)
        && clock.bytes().enumerate().all(|(i, b)| if i % 3 == 2 { b == b':' } else { b.is_ascii_digit() });
    let fraction_fits = fraction.is_none_or(|f| (1..=6).contains(&f.len()) && f.bytes().all(|b| b.is_ascii_digit()));
    day_fits && clock_fits && fraction_fits
}

fn three_letters(date: &str) -> bool {
    date.as_bytes().windows(3).any(|three| three.iter().all(u8::is_ascii_alphabetic))
}

fn words(text: &str) -> Vec<&str> {
    text.split(is_space).filter(|word| !word.is_empty()).collect()
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn month_number(month: &str, date: &str) -> Result<i64, String> {
    let three: String = month.chars().take(3).collect();
    match MONTHS.iter().position(|name| name.eq_ignore_ascii_case(&three)) {
        Some(at) => Ok(i64::try_from(at).unwrap_or(0) + 1),
        None => Err(format!("Invalid month value {} in base date {}", repr(month), repr(date))),
    }
}

fn alphabetical(initial: &str) -> Result<DateText, String> {
    let mut date = initial.to_owned();
    for (apart, glued) in [(" am", "am"), (" pm", "pm")] {
        while date.to_lowercase().ends_with(apart) {
            date = date.to_lowercase().replace(apart, glued);
        }
    }
    let date = date.replace(['-', '/'], " ");
    let parts = words(&date);
    let (month, day, year, time) = match parts[..] {
        [month, day, year, time] => (month, day, year, time),
        [month, day, year] => (month, day, year, "00:00AM"),
        _ if parts.len() < 3 => {
            return Err(format!("not enough values to unpack (expected 3, got {})", parts.len()));
        }
        _ => return Err("too many values to unpack (expected 3)".to_owned()),
    };
    let day = day.strip_suffix(',').unwrap_or(day);
    let read = |month: &str, day: &str| -> Result<_, String> {
        Ok((month_number(month, initial)?, parse_int(day)?, parse_int(year)?))
    };
    let (month, day, year) = read(month, day).or_else(|_| read(day, month))?;
    let time = Time::parse(time)?;
    calendar(year, Some(month), day, &time)
}

struct Time {
    hour: Option<i64>,
    minute: Option<i64>,
    second: Option<i64>,
    micro: Option<i64>,
}

impl Time {
    fn parse(time: &str) -> Result<Self, String> {
        let mut time = strip(time);
        let tail = time.char_indices().rev().nth(1).map_or(0, |(at, _)| at);
        let suffix = time[tail..].to_uppercase();
        let half = match suffix.as_str() {
            "AM" | "PM" => {
                time = &time[..tail];
                Some(suffix)
            }
            _ => None,
        };
        let parts: Vec<&str> = time.split(':').collect();
        let (hour, minute, second) = match parts[..] {
            [hour, minute] => (hour, minute, "00"),
            [hour, minute, second] | [hour, minute, second, _] => (hour, minute, second),
            [_] => return Err("not enough values to unpack (expected 4, got 1)".to_owned()),
            _ => return Err("too many values to unpack (expected 4)".to_owned()),
        };
        let mut hour = parse_int(hour)?;
        let minute = parse_int(minute)?;
        let second =
            parse_float(second).ok_or_else(|| format!("could not convert string to float: {}", repr(second)))?;
        if second.is_nan() {
            return Err("cannot convert float NaN to integer".to_owned());
        }
        if second.is_infinite() {
            return Err("cannot convert float infinity to integer".to_owned());
        }
        let whole = second.trunc();
        let micro = ((second - whole) * 1e6).trunc() as i64;
        let whole = (whole.abs() < 9e18).then_some(whole as i64);
        hour = match (half.as_deref(), hour) {
            (Some("PM"), Some(h)) if h < 12 => Some(h + 12),
            (Some("AM"), Some(12)) => Some(0),
            (_, hour) => hour,
        };
        Ok(Self { hour, minute, second: whole, micro: Some(micro) })
    }
}

/// Whether `text` has the shape `pattern`, where `d` is a digit.
fn shaped(text: &str, pattern: &[u8]) -> bool {
    text.len() == pattern.len()
        && text.bytes().zip(pattern).all(|(b, p)| if *p == b'd' { b.is_ascii_digit() } else { b == *p })
}

fn numerical(date: &str) -> Result<DateText, String> {
    let slashed = date.replace('-', "/");
    let parts = words(&slashed);
    let Some((&date, rest)) = parts.split_first() else { return Err("list index out of range".to_owned()) };
    let time = if rest.is_empty() { "00:00:00".to_owned() } else { rest.join(" ") };
    let mut time = Time::parse(&time)?;
    let number = |text: &str| text.parse::<i64>().ok();
    let (year, month, day) = if shaped(date, b"dd/dd/dddd") {
        (number(&date[6..]), number(&date[..2]), number(&date[3..5]))
    } else if shaped(date, b"dddd/dd/dd") {
        (number(&date[..4]), number(&date[5..7]), number(&date[8..]))
    } else if shaped(date, b"dd/dd/9d") {
        (number(&date[6..]).map(|y| 1900 + y), number(&date[3..5]), number(&date[..2]))
    } else if shaped(date, b"dd/dd/dd") && (b'0'..=b'3').contains(&date.as_bytes()[6]) {
        (number(&date[6..]).map(|y| 2000 + y), number(&date[3..5]), number(&date[..2]))
    } else if shaped(date, b"dddddddd:dddddd") {
        let clock = |from: usize| number(&date[from..from + 2]);
        time = Time { hour: clock(9), minute: clock(11), second: clock(13), micro: Some(0) };
        (number(&date[..4]), number(&date[4..6]), number(&date[6..8]))
    } else {
        return Err(format!("Unknown numerical date format: {}", repr(&slashed)));
    };
    calendar(year, month, day, &time)
}

fn calendar(year: Option<i64>, month: Option<i64>, day: Option<i64>, time: &Time) -> Result<DateText, String> {
    // Every part is first squeezed into a C int, in order; only then is the calendar looked at.
    let small = |part: Option<i64>| -> Result<i64, String> {
        match part {
            None => Err("Python int too large to convert to C long".to_owned()),
            Some(n) if n > i64::from(i32::MAX) => Err("signed integer is greater than maximum".to_owned()),
            Some(n) if n < i64::from(i32::MIN) => Err("signed integer is less than minimum".to_owned()),
            Some(n) => Ok(n),
        }
    };
    let (year, month, day) = (small(year)?, small(month)?, small(day)?);
    let (hour, minute) = (small(time.hour)?, small(time.minute)?);
    let (second, micro) = (small(time.second)?, small(time.micro)?);
    if !(1..=9999).contains(&year) {
        return Err(format!("year {year} is out of range"));
    }
    if !(1..=12).contains(&month) {
        return Err("month must be in 1..12".to_owned());
    }
    // Both are known to be small and positive here.
    let last = days(u32::try_from(year).unwrap_or(1), u32::try_from(month).unwrap_or(1));
    if !(1..=i64::from(last)).contains(&day) {
        return Err("day is out of range for month".to_owned());
    }
    for (name, value, limit) in [("hour", hour, 23), ("minute", minute, 59), ("second", second, 59)] {
        if !(0..=limit).contains(&value) {
            return Err(format!("{name} must be in 0..{limit}"));
        }
    }
    if !(0..=999_999).contains(&micro) {
        return Err("microsecond must be in 0..999999".to_owned());
    }
    let mut out = DateText::new(format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}").as_bytes());
    out.push_micro(u32::try_from(micro).unwrap_or(0));
    Ok(out)
}

#[cfg(test)]
mod tests {

    fn reformat(date: &str) -> Result<String, String> {
        super::reformat(date).map(|date| date.as_str().to_owned())
    }

    #[test]
    fn every_form_of_a_date_is_read() {
        let want = "2004-07-02 08:09:00";
        let forms = [
            "2004-07-02 08:09:00",
            "2004-07-02T08:09",
            "2004/07/02 08:09",
            "02/07/04 08:09",
            "07/02/2004 08:09:00 AM",
            "JULY 2, 2004 08:09:00",
            "02-JUL-2004 08:09:00",
            "20040702:080900",
            "2004-07-02 08:09:00 UT",
            "JUL 2 2004 08:09AM",
            "JUL 2 2004 8:09 AM",
        ];
        for form in forms {
            assert_eq!(reformat(form).as_deref(), Ok(want), "{form}");
        }
        assert_eq!(reformat("14/01/97").as_deref(), Ok("1997-01-14 00:00:00"));
        assert_eq!(reformat("2019-07-19 13:55:54.852001").as_deref(), Ok("2019-07-19 13:55:54.852001"));
        assert_eq!(reformat("2004-07-02 08:09:00.000000").as_deref(), Ok("2004-07-02 08:09:00"));
        assert_eq!(reformat("2004-07-02 12:09:00 PM").as_deref(), Ok("2004-07-02 12:09:00"));
    }

    #[test]
    fn failures_have_pythons_words() {
        let cases = [
            ("UNDEFINED 00:00:00", "One or more required date/time values is UNDEFINED"),
            ("2003-02-30 01:00:00", "day is out of range for month"),
            ("2003-02-03 25:00:00", "hour must be in 0..23"),
            ("2003-02 01:00:00", "Unknown numerical date format: '2003/02 01:00:00'"),
            ("20040702.0 80900.0", "not enough values to unpack (expected 4, got 1)"),
            ("2004-07-02T08:09:00 00:00:00", "Unknown numerical date format: '2004/07/02T08:09:00 00:00:00'"),
            ("JAN 2", "not enough values to unpack (expected 3, got 2)"),
            ("2003/12/20 01:28:00QM", "could not convert string to float: '00QM'"),
            ("2003-09-26 FOO 01:28:00", "too many values to unpack (expected 3)"),
            ("", "list index out of range"),
        ];
        for (date, text) in cases {
            assert_eq!(reformat(date), Err(text.to_owned()), "{date}");
        }
    }
}
