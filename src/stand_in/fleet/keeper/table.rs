//! Cron tables: `crontab(5)` as Vixie cron reads it.

use jiff::civil::DateTime;

/// One job of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    any_day: bool,
    any_weekday: bool,
    /// What the shell is given.
    pub command: String,
    /// What the command reads: the text after the first `%`.
    pub input: Option<String>,
    /// The variables set above it, in order.
    pub variables: Vec<(String, String)>,
}

/// Why a table is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{file}\":{line}: {what}")]
pub struct BadTable {
    /// Name of the file, or `-`.
    pub file: String,
    /// Line, counted from 0 as cron does.
    pub line: usize,
    /// `bad minute`, `bad hour`, `bad command`, ...
    pub what: &'static str,
}

impl Job {
    /// Whether it falls due in this minute.
    pub fn due(&self, time: DateTime) -> bool {
        let bit = |set: u64, value: i8| u32::try_from(value).is_ok_and(|value| set >> value & 1 == 1);
        let day = bit(self.days, time.day());
        let weekday = bit(self.weekdays, time.weekday().to_sunday_zero_offset());
        // If both are restricted either will do.
        let date = if self.any_day || self.any_weekday { day && weekday } else { day || weekday };
        bit(self.minutes, time.minute()) && bit(self.hours, time.hour()) && bit(self.months, time.month()) && date
    }

    /// Whether it runs once a day: a nightly.
    pub fn daily(&self) -> bool {
        let one = |set: u64| set.count_ones() == 1;
        let every_date = self.any_day && self.any_weekday && self.months.count_ones() == 12;
        one(self.minutes) && one(self.hours) && every_date
    }

    /// The value of a variable of the table.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a table.
///
/// # Errors
///
/// [`BadTable`] at the first line that is none.
pub fn parse(text: &str, file: &str) -> Result<Vec<Job>, BadTable> {
    let mut jobs = Vec::new();
    let mut variables = Vec::new();
    for (line, text) in text.lines().enumerate() {
        let text = text.trim_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if let Some(assignment) = assignment(text) {
            variables.push(assignment);
            continue;
        }
        let job = job(text, &variables).map_err(|what| BadTable { file: file.to_owned(), line, what })?;
        jobs.push(job);
    }
    Ok(jobs)
}

fn assignment(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    let name = unquote(name.trim());
    if name.is_empty() || name.contains(char::is_whitespace) {
        return None;
    }
    Some((name.to_owned(), unquote(value.trim()).to_owned()))
}

fn unquote(text: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    text
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

fn job(text: &str, variables: &[(String, String)]) -> Result<Job, &'static str> {
    let expanded = match text.split_whitespace().next().unwrap_or_default() {
        "@hourly" => text.replacen("@hourly", "0 * * * *", 1),
        "@daily" => text.replacen("@daily", "0 0 * * *", 1),
        "@midnight" => text.replacen("@midnight", "0 0 * * *", 1),
        "@weekly" => text.replacen("@weekly", "0 0 * * 0", 1),
        "@monthly" => text.replacen("@monthly", "0 0 1 * *", 1),
        "@yearly" => text.replacen("@yearly", "0 0 1 1 *", 1),
        _ => text.to_owned(),
    };
    let mut rest = expanded.as_str();
    let mut next = || {
        rest = rest.trim_start();
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (field, after) = rest.split_at(end);
        rest = after;
        field.to_owned()
    };
    let fields: [String; 5] = std::array::from_fn(|_| next());
    let set = |at: usize, low: u32, high: u32, names: &[&str], first: u32, what| {
        field(&fields[at], low, high, names, first).ok_or(what)
    };
    let minutes = set(0, 0, 59, &[], 0, "bad minute")?;
    let hours = set(1, 0, 23, &[], 0, "bad hour")?;
    let days = set(2, 1, 31, &[], 0, "bad day-of-month")?;
    let months = set(3, 1, 12, &MONTHS, 1, "bad month")?;
    let mut weekdays = set(4, 0, 7, &WEEKDAYS, 0, "bad day-of-week")?;
    if weekdays >> 7 & 1 == 1 {
        weekdays |= 1;
    }
    let line = rest.trim_start();
    if line.is_empty() {
        return Err("bad command");
    }
    let (command, input) = split_percent(line);
    Ok(Job {
        minutes,
        hours,
        days,
        months,
        weekdays,
        any_day: fields[2].starts_with('*'),
        any_weekday: fields[4].starts_with('*'),
        command,
        input,
        variables: variables.to_vec(),
    })
}

/// The set of values of one field, as bits.
fn field(text: &str, low: u32, high: u32, names: &[&str], first: u32) -> Option<u64> {
    let value = |text: &str| {
        let lower = text.to_ascii_lowercase();
        let named = names.iter().position(|name| *name == lower).and_then(|at| u32::try_from(at).ok());
        let number = named.map(|at| at + first).or_else(|| text.parse().ok())?;
        (low..=high).contains(&number).then_some(number)
    };
    let mut set = 0_u64;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<u32>().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (low, high),
            Some((from, to)) => (value(from)?, value(to)?),
            None => (value(range)?, value(range)?),
        };
        if from > to {
            return None;
        }
        (from..=to).step_by(step as usize).for_each(|number| set |= 1 << number);
    }
    Some(set)
}

/// Splits at the first `%` that has no backslash; further ones are line ends of the input.
fn split_percent(text: &str) -> (String, Option<String>) {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for letter in text.chars() {
        match (letter, escaped) {
            ('%', false) => parts.push(String::new()),
            (letter, was) => {
                let last = parts.len() - 1;
                if was && letter != '%' {
                    parts[last].push('\\');
                }
                if letter != '\\' || was {
                    parts[last].push(letter);
                }
            }
        }
        escaped = letter == '\\' && !escaped;
    }
    if escaped {
        let last = parts.len() - 1;
        parts[last].push('\\');
    }
    let command = parts.remove(0);
    let input = if parts.is_empty() { None } else { Some(parts.join("\n") + "\n") };
    (command, input)
}

#[cfg(test)]
mod tests {
    use super::{Job, parse};
    use jiff::civil::{DateTime, date};
    use rstest::rstest;

    fn at(hour: i8, minute: i8) -> DateTime {
        // A Tuesday.
        date(2014, 9, 16).at(hour, minute, 0, 0)
    }

    fn one(line: &str) -> Job {
        parse(line, "-").expect("a table").remove(0)
    }

    #[rstest]
    #[case::nightly("5 3 * * * job", at(3, 5), true)]
    #[case::other_minute("5 3 * * * job", at(3, 6), false)]
    #[case::every_five("*/5 * * * * job", at(14, 55), true)]
    #[case::typo_every_minute("* */4 * * * job", at(4, 17), true)]
    #[case::tuesday("0 12 * * tue job", at(12, 0), true)]
    #[case::sunday("0 12 * * 7 job", at(12, 0), false)]
    #[case::either_day("0 12 1 * 2 job", at(12, 0), true)]
    fn jobs_fall_due(#[case] line: &str, #[case] time: DateTime, #[case] due: bool) {
        assert_eq!(one(line).due(time), due);
    }

    #[test]
    fn tables_have_variables_comments_and_input() {
        let jobs =
            parse("SHELL=/bin/tcsh\nMAILTO=\"a@b\"\n# x\n5 3 * * * source x;  job%in\\%put%2\n", "-").expect("a table");
        assert_eq!(jobs.len(), 1);
        assert_eq!(jobs[0].command, "source x;  job");
        assert_eq!(jobs[0].input.as_deref(), Some("in%put\n2\n"));
        assert_eq!(jobs[0].variable("MAILTO"), Some("a@b"));
        assert!(jobs[0].daily());
        assert!(!one("*/5 * * * * x").daily());
        assert!(!one("0 12 * * 0 x").daily());
    }

    #[rstest]
    #[case("61 * * * * x", "bad minute")]
    #[case("* 24 * * * x", "bad hour")]
    #[case("* * * * *", "bad command")]
    #[case("nonsense", "bad minute")]
    fn bad_lines_are_refused(#[case] line: &str, #[case] what: &str) {
        assert_eq!(parse(line, "-").expect_err("refused").what, what);
    }
}
