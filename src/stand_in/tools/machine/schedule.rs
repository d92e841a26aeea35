//! `crontab`, `at`, `atq`, `atrm`: what runs later on this host.

use std::fs;
use std::io::Read;

use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};

use super::{Call, here_or_complain};
use crate::stand_in::fleet::keeper::table;
use crate::stand_in::fleet::spec::Host;
use crate::stand_in::fleet::{mail, queue};

/// `crontab [-u USER] [FILE | - | -l | -r]`; without a file it reads its input.
pub fn crontab(call: &mut Call<'_>) -> i32 {
    let Some((fleet, host)) = here_or_complain(call) else { return 1 };
    let table_file = host.run().join("crontab");
    let mut source = None;
    let mut args = call.args.clone().into_iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-u" => {
                let user = args.next().unwrap_or_default();
                if user != fleet.account {
                    call.complain("must be privileged to use -u");
                    return 1;
                }
            }
            "-l" => {
                let Ok(text) = fs::read_to_string(&table_file) else {
                    call.complain(format_args!("no crontab for {}", fleet.account));
                    return 1;
                };
                let _ = call.out.write_all(text.as_bytes());
                return 0;
            }
            "-r" => {
                if fs::remove_file(&table_file).is_err() {
                    call.complain(format_args!("no crontab for {}", fleet.account));
                    return 1;
                }
                return 0;
            }
            "-" => source = Some("-".to_owned()),
            flag if flag.starts_with('-') => {
                call.complain(format_args!("crontab: invalid option -- '{}'", flag.trim_start_matches('-')));
                return 1;
            }
            file => source = Some(file.to_owned()),
        }
    }
    let source = source.unwrap_or_else(|| "-".to_owned());
    let read = if source == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(&source)
    };
    let text = match read {
        Ok(text) => text,
        Err(error) => {
            let words = crate::stand_in::httpd::conf::words(&error);
            call.complain(format_args!("{source}: {words}"));
            return 1;
        }
    };
    if let Err(bad) = table::parse(&text, &source) {
        call.complain(format_args!("{bad}\nerrors in crontab file, can't install."));
        return 1;
    }
    // As a whole or not at all: the ticker may be reading.
    let draft = host.run().join(format!("crontab.{}", std::process::id()));
    if let Err(error) = fs::write(&draft, text).and_then(|()| fs::rename(&draft, &table_file)) {
        call.complain(format_args!("crontab: {error}"));
        return 1;
    }
    0
}

/// `at TIME [-f FILE]`, `at -t TIME`, `at -l`, `at -d JOB`; the job is read from the input.
pub fn at(call: &mut Call<'_>) -> i32 {
    let Some((_, host)) = here_or_complain(call) else { return 1 };
    let (mut file, mut stamp, mut words) = (None, None, Vec::new());
    let mut args = call.args.clone().into_iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-l" => return atq(call),
            "-d" | "-r" => {
                let jobs: Vec<String> = args.collect();
                return remove(call, &host, &jobs);
            }
            "-f" => file = args.next(),
            "-t" => stamp = args.next(),
            "-q" => {
                args.next();
            }
            "-m" | "-M" | "-v" => {}
            _ => words.push(arg),
        }
    }
    let now = Timestamp::now().to_zoned(mail::zone());
    let due = match &stamp {
        Some(stamp) => by_stamp(stamp, &now),
        None => by_words(&words.join(" ").to_ascii_lowercase(), &now),
    };
    let Some(due) = due else {
        call.complain("syntax error. Last token seen: ?\nGarbled time");
        return 1;
    };
    if due <= now && stamp.is_some() {
        call.complain("at: refusing to create job destined in the past");
        return 1;
    }
    let mut script = String::new();
    let read = match &file {
        Some(file) => fs::read_to_string(file).map(|text| script = text),
        None => std::io::stdin().read_to_string(&mut script).map(|_| ()),
    };
    if let Err(error) = read {
        call.complain(format_args!("at: {error}"));
        return 1;
    }
    let job = queue::Queued {
        number: 0,
        due: due.timestamp(),
        script,
        directory: std::env::current_dir().unwrap_or_else(|_| host.root()),
        environment: std::env::vars()
            .filter(|(name, _)| !["TERM", "DISPLAY", "SHELLOPTS", "_"].contains(&name.as_str()))
            .collect(),
    };
    match queue::add(&host, job) {
        Ok(number) => {
            call.complain(format_args!("job {number} at {}", due.strftime("%Y-%m-%d %H:%M")));
            0
        }
        Err(error) => {
            call.complain(format_args!("at: {error}"));
            1
        }
    }
}

/// `atq`.
pub fn atq(call: &mut Call<'_>) -> i32 {
    let Some((fleet, host)) = here_or_complain(call) else { return 1 };
    for job in queue::list(&host) {
        let due = job.due.to_zoned(mail::zone());
        call.say(format_args!("{}\t{} a {}", job.number, due.strftime("%Y-%m-%d %H:%M"), fleet.account));
    }
    0
}

/// `atrm JOB...`.
pub fn atrm(call: &mut Call<'_>) -> i32 {
    let Some((_, host)) = here_or_complain(call) else { return 1 };
    let jobs = call.args.clone();
    remove(call, &host, &jobs)
}

fn remove(call: &mut Call<'_>, host: &Host, jobs: &[String]) -> i32 {
    let mut status = 0;
    for job in jobs {
        if !job.parse().is_ok_and(|number| queue::remove(host, number)) {
            call.complain(format_args!("Cannot find jobid {job}"));
            status = 1;
        }
    }
    status
}

/// `[[CC]YY]MMDDhhmm[.SS]`.
fn by_stamp(text: &str, now: &Zoned) -> Option<Zoned> {
    let (digits, seconds) = text.split_once('.').unwrap_or((text, "0"));
    let century = if digits.len() == 10 { format!("20{digits}") } else { digits.to_owned() };
    let full = if century.len() == 8 { format!("{:04}{century}", now.year()) } else { century };
    let number = |from: usize, to: usize| full.get(from..to)?.parse::<i16>().ok();
    let part = |from: usize| number(from, from + 2).and_then(|value| i8::try_from(value).ok());
    let date = Date::new(number(0, 4)?, part(4)?, part(6)?).ok()?;
    let time = Time::new(part(8)?, part(10)?, seconds.parse().ok()?, 0).ok()?;
    date.to_datetime(time).to_zoned(mail::zone()).ok()
}

/// `now + 5 minutes`, `03:05`, `3am tomorrow`, `13:00 2014-09-20`, `noon`, `midnight`, `teatime`.
fn by_words(text: &str, now: &Zoned) -> Option<Zoned> {
    let (base, more) = text.split_once('+').map_or((text, None), |(base, more)| (base, Some(more)));
    let mut words = base.split_whitespace();
    let first = words.next()?;
    let mut due: Zoned = if first == "now" {
        now.clone()
    } else {
        let time = clock_time(first)?;
        let rest: Vec<&str> = words.clone().collect();
        let date = match rest.as_slice() {
            [] | ["today"] => now.date(),
            ["tomorrow"] => now.date().tomorrow().ok()?,
            [day] => day.parse().ok().or_else(|| american(day))?,
            _ => return None,
        };
        let found: DateTime = date.to_datetime(time);
        let found = found.to_zoned(mail::zone()).ok()?;
        if rest.is_empty() && found <= *now { found.checked_add(1.day()).ok()? } else { found }
    };
    if let Some(more) = more {
        let mut words = more.split_whitespace();
        let count: i64 = words.next()?.parse().ok()?;
        let unit = match words.next()?.trim_end_matches('s') {
            "min" | "minute" => 60,
            "hour" => 3600,
            "day" => 86400,
            "week" => 7 * 86400,
            _ => return None,
        };
        due = due.checked_add(SignedDuration::from_secs(count.checked_mul(unit)?)).ok()?;
    }
    // `at` works in whole minutes.
    due.with().second(0).subsec_nanosecond(0).build().ok().filter(|_| true)
}

fn clock_time(word: &str) -> Option<Time> {
    match word {
        "noon" => return Time::new(12, 0, 0, 0).ok(),
        "midnight" => return Time::new(0, 0, 0, 0).ok(),
        "teatime" => return Time::new(16, 0, 0, 0).ok(),
        _ => {}
    }
    let (digits, shift) = match (word.strip_suffix("am"), word.strip_suffix("pm")) {
        (Some(digits), _) => (digits, Some(0)),
        (_, Some(digits)) => (digits, Some(12)),
        _ => (word, None),
    };
    let (hour, minute) = match digits.split_once(':') {
        Some((hour, minute)) => (hour.parse::<i8>().ok()?, minute.parse::<i8>().ok()?),
        None if digits.len() == 4 => (digits[..2].parse().ok()?, digits[2..].parse().ok()?),
        None => (digits.parse().ok()?, 0),
    };
    let hour = match shift {
        Some(shift) => hour % 12 + shift,
        None => hour,
    };
    Time::new(hour, minute, 0, 0).ok()
}

/// `MM/DD/YY[YY]` or `MMDDYY`.
fn american(word: &str) -> Option<Date> {
    let digits: String = word.chars().filter(char::is_ascii_digit).collect();
    let part = |from: usize, to: usize| digits.get(from..to)?.parse::<i16>().ok();
    let year = if digits.len() == 8 { part(4, 8)? } else { 2000 + part(4, 6)? };
    Date::new(year, i8::try_from(part(0, 2)?).ok()?, i8::try_from(part(2, 4)?).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::{by_stamp, by_words};
    use crate::stand_in::fleet::mail;
    use jiff::civil::date;
    use rstest::rstest;

    #[rstest]
    #[case("now + 1 minute", "2014-09-16 12:31")]
    #[case("03:05", "2014-09-17 03:05")]
    #[case("15:00", "2014-09-16 15:00")]
    #[case("3am tomorrow", "2014-09-17 03:00")]
    #[case("13:00 2014-09-20", "2014-09-20 13:00")]
    #[case("noon 09/18/14", "2014-09-18 12:00")]
    #[case("now + 2 days", "2014-09-18 12:30")]
    fn times_are_understood(#[case] text: &str, #[case] due: &str) {
        let now = date(2014, 9, 16).at(12, 30, 20, 0).to_zoned(mail::zone()).expect("a time");
        let found = by_words(text, &now).expect("understood");
        assert_eq!(found.strftime("%Y-%m-%d %H:%M").to_string(), due);
        assert!(by_words("sometime", &now).is_none());
        assert_eq!(by_stamp("201409170305", &now).map(|due| due.day()), Some(17));
    }
}
