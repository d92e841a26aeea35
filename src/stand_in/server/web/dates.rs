//! Dates as the query pages take them (RS 10): several spellings, one sortable text.

use jiff::civil::{Date, DateTime, Time};

/// Reads a date and gives it as `YYYY-MM-DD HH:MM:SS`; none if no spelling fits or the day does not exist.
pub fn parse(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_suffix(" UT").unwrap_or(text);
    let text = with_blank_for_t(text);
    let (date, time) = if has_word(&text) { alphabetical(&text)? } else { numerical(&text)? };
    Some(DateTime::from_parts(date, time).strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// `dddd-dd-ddTdd...` is spelled with a blank from here on.
fn with_blank_for_t(text: &str) -> String {
    match text.as_bytes() {
        [..] if text.as_bytes().get(10) == Some(&b'T') && text.is_char_boundary(10) => {
            format!("{} {}", &text[..10], &text[11..])
        }
        _ => text.to_owned(),
    }
}

fn has_word(text: &str) -> bool {
    text.as_bytes().windows(3).any(|three| three.iter().all(u8::is_ascii_alphabetic))
}

fn numerical(text: &str) -> Option<(Date, Time)> {
    let slashed = text.replace('-', "/");
    let mut words = slashed.split_whitespace();
    let day = words.next()?;
    let rest: Vec<&str> = words.collect();
    if let Some((date, time)) = day.split_once(':').filter(|(date, time)| digits(date, 8) && digits(time, 6)) {
        let date = civil(&date[..4], &date[4..6], &date[6..])?;
        return Some((date, Time::new(number(&time[..2])?, number(&time[2..4])?, number(&time[4..])?, 0).ok()?));
    }
    let time = if rest.is_empty() { Time::midnight() } else { clock(&rest.join(" "))? };
    let parts: Vec<&str> = day.split('/').collect();
    let [a, b, c] = parts.as_slice() else { return None };
    let date = if digits(a, 2) && digits(b, 2) && digits(c, 4) {
        civil(c, a, b)?
    } else if digits(a, 4) && digits(b, 2) && digits(c, 2) {
        civil(a, b, c)?
    } else if digits(a, 2) && digits(b, 2) && digits(c, 2) && c.starts_with('9') {
        civil(&format!("19{c}"), b, a)?
    } else if digits(a, 2) && digits(b, 2) && digits(c, 2) && c.as_bytes()[0] <= b'3' {
        civil(&format!("20{c}"), b, a)?
    } else {
        return None;
    };
    Some((date, time))
}

fn alphabetical(text: &str) -> Option<(Date, Time)> {
    let lower = text.to_ascii_lowercase();
    let glued = match lower.strip_suffix(" am").map(|head| format!("{head}am")) {
        Some(glued) => glued,
        None => lower.strip_suffix(" pm").map(|head| format!("{head}pm")).unwrap_or(lower.clone()),
    };
    let spaced = glued.replace(['-', '/'], " ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (first, second, year, time) = match words.as_slice() {
        [first, second, year] => (*first, *second, *year, Time::midnight()),
        [first, second, year, time] => (*first, *second, *year, clock(time)?),
        _ => return None,
    };
    let (month, day) = match month_number(first) {
        Some(month) => (month, second),
        None => (month_number(second)?, first),
    };
    let date = Date::new(number(year)?, month, number(day.trim_end_matches(','))?).ok()?;
    Some((date, time))
}

fn digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.trim().parse().ok()
}

fn civil(year: &str, month: &str, day: &str) -> Option<Date> {
    Date::new(number(year)?, number(month)?, number(day)?).ok()
}

fn month_number(text: &str) -> Option<i8> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let start = text.get(..3)?;
    MONTHS.iter().zip(1..).find(|(month, _)| **month == start).map(|(_, number)| number)
}

fn clock(text: &str) -> Option<Time> {
    let lower = text.trim().to_ascii_lowercase();
    let (digits, noon) = match lower.strip_suffix("pm") {
        Some(head) => (head, Some(true)),
        None => lower.strip_suffix("am").map_or((lower.as_str(), None), |head| (head, Some(false))),
    };
    let parts: Vec<&str> = digits.trim().split(':').collect();
    let (hour, minute, second) = match parts.as_slice() {
        [hour, minute] => (hour, minute, &"0"),
        [hour, minute, second] | [hour, minute, second, _] => (hour, minute, second),
        _ => return None,
    };
    let mut hour: i8 = number(hour)?;
    match noon {
        Some(true) if hour < 12 => hour += 12,
        Some(false) if hour == 12 => hour = 0,
        _ => {}
    }
    let whole = second.split('.').next().unwrap_or("0");
    Time::new(hour, number(minute)?, if whole.is_empty() { 0 } else { number(whole)? }, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn several_spellings_one_text() {
        let wanted = Some("2014-09-16 19:40:53".to_owned());
        let spellings = [
            "2014-09-16 19:40:53",
            "2014-09-16T19:40:53",
            "09/16/2014 19:40:53",
            "16/09/14 07:40:53 PM",
            "Sep 16 2014 19:40:53",
            "16-SEP-2014 19:40:53",
            "September 16, 2014 19:40:53.5",
            "20140916:194053 UT",
        ];
        for text in spellings {
            assert_eq!(parse(text), wanted, "{text}");
        }
        assert_eq!(parse("2014-09-16"), Some("2014-09-16 00:00:00".to_owned()));
        for text in
            ["", "x", "2014-13-01", "2014-02-30", "2014-09-16 25:00:00", ":", "::", "é:", "Foo 1 2014", "ääääääääää"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
