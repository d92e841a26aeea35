//! The logs of a server (SO 15): every line gets a class, so that nothing abnormal, nothing new, no silence and no flood
//! can hide in them.
//!
//! Apache's own severity says nothing here: all output of Django arrives as `[error]`, and an unhandled exception of a
//! page is logged by CRDS at INFO. The words decide.

mod shapes;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use regex::Regex;

use super::judgement::Judgement;
use super::messages::{Level, Message};
use super::sections::shows_password;
use shapes::{abnormal_words, known_shape};

/// What a line of a log means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A shape that a healthy server writes.
    Nominal,
    /// A shape that nobody has classified: something new.
    Unknown,
    /// A shape that a healthy server does not write.
    Abnormal,
}

/// The files of SO 15.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogFile {
    /// `error_log` and `ssl_error_log`: Apache's notices and all output of the application.
    Errors,
    /// `access_log` and `ssl_access_log`: requests with their HTTP status.
    Access,
    /// `ssl_request_log` and `xfor_request_log`: requests without a status.
    Requests,
    /// `memcached.log`: empty but for chatter of nohup.
    Memcached,
}

/// One line with its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number in the file, from 1.
    pub number: usize,
    /// The server's local time on it, if it carries one.
    pub time: Option<DateTime>,
    /// The class.
    pub class: Class,
    /// Why it has that class.
    pub why: &'static str,
    /// The line itself, cut after 64 KB.
    pub text: String,
}

/// A log or a window of it, classified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    /// All lines in order.
    pub lines: Vec<Line>,
}

/// How often lines may come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Longest time without a line, in seconds.
    pub silence_s: i64,
    /// Most lines within one minute.
    pub per_minute: usize,
}

static STAMP_2014: LazyLock<Regex> =
    LazyLock::new(|| fixed(r"^\[\w{3} (\w{3}) (\d\d) (\d\d):(\d\d):(\d\d)(?:\.\d+)? (\d{4})\] (.*)$"));
static STAMP_ACCESS: LazyLock<Regex> =
    LazyLock::new(|| fixed(r"\[(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})\]"));
static STATUS: LazyLock<Regex> = LazyLock::new(|| fixed(r#""[^"]*" (\d{3}) (?:\d+|-)(?: |$)"#));
static TAGS: LazyLock<Regex> = LazyLock::new(|| fixed(r"^(?:\[[^\]]*\] )*"));

fn fixed(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}

impl Review {
    /// Classifies the lines of a log file.
    #[must_use]
    pub fn of(file: LogFile, text: &str) -> Self {
        let mut review = Self::default();
        // The lines of a traceback belong to the message that opened it.
        let mut in_traceback = false;
        for (index, line) in text.lines().enumerate() {
            let (time, body) = split(file, clip_to(line, LONGEST));
            let (class, why) = match file {
                _ if line.len() > LONGEST => (Class::Abnormal, "longer than Apache writes a line"),
                _ if shows_password(line) => (Class::Abnormal, "shows a password"),
                LogFile::Errors => classify_error(body, &mut in_traceback),
                LogFile::Access => classify_access(line, time),
                LogFile::Requests if time.is_some() => (Class::Nominal, "a request"),
                LogFile::Memcached if line.trim().is_empty() || line.starts_with("nohup:") => {
                    (Class::Nominal, "chatter of nohup")
                }
                LogFile::Requests | LogFile::Memcached => (Class::Unknown, "not a line of this log"),
            };
            review.lines.push(Line { number: index + 1, time, class, why, text: clip_to(line, LONGEST).to_owned() });
        }
        review
    }

    /// Only the lines from `from` on. Lines without a time belong to the line above them.
    #[must_use]
    pub fn since(mut self, from: DateTime) -> Self {
        let first = self.lines.iter().position(|line| line.time.is_some_and(|time| time >= from));
        self.lines.drain(..first.unwrap_or(self.lines.len()));
        self
    }

    /// How many lines have each class.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Class, usize> {
        let mut counts = BTreeMap::new();
        for line in &self.lines {
            *counts.entry(line.class).or_default() += 1;
        }
        counts
    }

    /// Lines of one class as `line N: text (why)`.
    fn quote(&self, class: Class) -> Vec<String> {
        let wanted = self.lines.iter().filter(|line| line.class == class);
        wanted.map(|line| format!("line {}: {} ({})", line.number, clip(&line.text), line.why)).collect()
    }

    /// Whether no line is abnormal.
    pub fn judge_normal(&self) -> Judgement {
        let proof = format!("{} lines", self.lines.len());
        Judgement::from_faults("no abnormal line", &self.quote(Class::Abnormal), proof)
    }

    /// Whether every line has a known shape.
    pub fn judge_known(&self) -> Judgement {
        let proof = format!("{} lines, all of known shape", self.lines.len());
        Judgement::from_faults("every line of a known shape", &self.quote(Class::Unknown), proof)
    }

    /// Whether lines came neither too seldom nor too often between `from` and `to`.
    pub fn judge_pace(&self, from: DateTime, to: DateTime, pace: Pace) -> Judgement {
        let expected = format!("no silence above {} s, at most {} lines a minute", pace.silence_s, pace.per_minute);
        let times: Vec<DateTime> = self.lines.iter().filter_map(|line| line.time).collect();
        if times.is_empty() {
            return Judgement::failed(expected, format!("no line at all between {from} and {to}"));
        }
        let mut faults = Vec::new();
        let mut before = from;
        for time in times.iter().copied().chain([to]) {
            let gap = seconds(before, time);
            if gap > pace.silence_s {
                faults.push(format!("silent for {gap} s from {before}"));
            }
            before = before.max(time);
        }
        let mut minutes: BTreeMap<DateTime, usize> = BTreeMap::new();
        for time in &times {
            let minute = time.date().at(time.hour(), time.minute(), 0, 0);
            *minutes.entry(minute).or_default() += 1;
        }
        let floods = minutes.iter().filter(|(_, count)| **count > pace.per_minute);
        faults.extend(floods.map(|(minute, count)| format!("{count} lines in the minute of {minute}")));
        Judgement::from_faults(expected, &faults, format!("{} lines in {} minutes", times.len(), minutes.len()))
    }

    /// The first line whose time lies more than `seconds` before one above it: lines were moved, or the clock was set back.
    /// Only for a log that is written at the moment of its lines: one of requests names when each began.
    #[must_use]
    pub fn backwards(&self, seconds: i64) -> Option<&Line> {
        let mut latest: Option<DateTime> = None;
        self.lines.iter().find(|line| {
            let Some(time) = line.time else { return false };
            let back = latest.is_some_and(|latest| time.duration_since(latest).as_secs() < -seconds);
            latest = latest.max(Some(time));
            back
        })
    }

    /// The first line whose time is of another zone than `zone` then: the same hour of another place.
    #[must_use]
    pub fn elsewhere(&self, zone: &TimeZone) -> Option<&Line> {
        self.lines.iter().find(|line| {
            let said = STAMP_ACCESS.captures(&line.text).and_then(|found| found.get(7).map(|said| said.as_str()));
            let here = line.time.and_then(|time| zone.to_zoned(time).ok());
            said.zip(here).is_some_and(|(said, here)| said != here.strftime("%z").to_string())
        })
    }

    /// The lines in which Apache says with what it started, one per start.
    #[must_use]
    pub fn starts(&self) -> Vec<&Line> {
        self.lines.iter().filter(|line| line.text.contains("configured -- resuming normal operations")).collect()
    }
}

/// Longest line that is looked at, in bytes: Apache cuts its own at 8192, and a request line has no more.
const LONGEST: usize = 64 << 10;

/// The beginning of a text: at most so many bytes, cut between characters.
fn clip_to(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

fn seconds(from: DateTime, to: DateTime) -> i64 {
    to.duration_since(from).as_secs()
}

fn clip(text: &str) -> String {
    const LONGEST: usize = 200;
    text.chars().take(LONGEST).collect()
}

/// The time of a line and what follows its stamp.
fn split(file: LogFile, line: &str) -> (Option<DateTime>, &str) {
    if file == LogFile::Errors {
        let Some(found) = STAMP_2014.captures(line) else { return (None, line) };
        let number = |at: usize| found[at].parse::<i8>().ok();
        let time = (|| {
            let (month, year) = (month(&found[1])?, found[6].parse::<i16>().ok()?);
            DateTime::new(year, month, number(2)?, number(3)?, number(4)?, number(5)?, 0).ok()
        })();
        return (time, found.get(7).map_or("", |rest| rest.as_str()));
    }
    let time = STAMP_ACCESS.captures(line).and_then(|found| {
        let number = |at: usize| found[at].parse::<i8>().ok();
        let (month, year) = (month(&found[2])?, found[3].parse::<i16>().ok()?);
        DateTime::new(year, month, number(1)?, number(4)?, number(5)?, number(6)?, 0).ok()
    });
    (time, line)
}

fn month(name: &str) -> Option<i8> {
    const NAMES: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    (1..).zip(NAMES).find(|(_, known)| *known == name).map(|(number, _)| number)
}

/// Classifies a line of an error log behind its time stamp.
fn classify_error(body: &str, in_traceback: &mut bool) -> (Class, &'static str) {
    let tags = TAGS.find(body).map_or("", |tags| tags.as_str());
    let text = &body[tags.len()..];
    if let Some(message) = Message::parse(text, 0) {
        *in_traceback = message.text.starts_with("EXCEPTION TRACEBACK");
        return classify_message(&message);
    }
    if let Some(why) = abnormal_words(text) {
        return (Class::Abnormal, why);
    }
    if *in_traceback {
        return (Class::Abnormal, "part of a traceback");
    }
    match known_shape(text) {
        Some(why) => (Class::Nominal, why),
        None => (Class::Unknown, "a shape that the catalogue of shapes lacks"),
    }
}

fn classify_message(message: &Message) -> (Class, &'static str) {
    if let Some(why) = abnormal_words(&message.text) {
        return (Class::Abnormal, why);
    }
    match message.level {
        Level::Error | Level::Fatal => (Class::Abnormal, "a CRDS error"),
        _ => match known_shape(&message.text) {
            Some(why) => (Class::Nominal, why),
            None => (Class::Unknown, "a CRDS message that the catalogue of shapes lacks"),
        },
    }
}

fn classify_access(line: &str, time: Option<DateTime>) -> (Class, &'static str) {
    let status = STATUS.captures(line).and_then(|found| found[1].parse::<u16>().ok());
    match (time, status) {
        (Some(_), Some(500..)) => (Class::Abnormal, "the server failed to answer"),
        (Some(_), Some(404)) if !line.contains("favicon") && !line.contains("robots.txt") => {
            (Class::Unknown, "something was asked for that is not there")
        }
        (Some(_), Some(100..500)) => (Class::Nominal, "a request"),
        _ => (Class::Unknown, "not a line of this log"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::judgement::Outcome;
    use super::*;

    #[test]
    fn the_samples_of_the_dossier_are_classified() {
        let nominal = "[Wed Oct 15 09:14:02 2014] [error] CRDS  : INFO     \n\
            [Wed Oct 15 09:14:02 2014] [error] CRDS  : INFO     REQUEST: /set_default_context/ POST ajax=False\n\
            [Wed Oct 15 09:14:02 2014] [error] CRDS  : INFO     Setting 'hst' default 'operational' context to 'hst_0289.pmap'\n\
            [Wed Oct 15 09:10:55 2014] [notice] Apache/2.2.15 (Unix) mod_ssl/2.2.15 OpenSSL/1.0.1e mod_wsgi/3.4 Python/2.7.5 configured -- resuming normal operations\n\
            [Fri Mar 01 08:15:02.123456 2019] [wsgi:error] [pid 12345] [client 192.0.2.84:41222] CRDS - INFO -  REQUEST: / GET ajax=False, referer: https://hst-crds.stsci.edu/\n";
        let review = Review::of(LogFile::Errors, nominal);
        assert_eq!(review.counts(), BTreeMap::from([(Class::Nominal, 5)]), "{review:?}");
        assert_eq!(review.starts().len(), 1);
        let abnormal = [
            "CRDS  : INFO     EXCEPTION REPR: OperationalError(2006, 'MySQL server has gone away')",
            "CRDS  : INFO     EXCEPTION TRACEBACK:",
            "CRDS  : ERROR    Locking error: User 'jdoe' no longer holds lock 'instrument$cos'",
            "[client 192.0.2.10] mod_wsgi (pid=4711): Exception occurred processing WSGI script '/x/crds.wsgi'.",
            "[client 192.0.2.10] ImportError: No module named crds.server.settings",
            "server reached MaxClients setting, consider raising the MaxClients setting",
            "[client 192.0.2.10] (36)File name too long: access to /static/x failed",
        ];
        for text in abnormal {
            let review = Review::of(LogFile::Errors, &format!("[Wed Oct 15 09:20:31 2014] [error] {text}\n"));
            assert_eq!(review.lines[0].class, Class::Abnormal, "{text}");
        }
    }

    #[test]
    fn a_new_line_is_unknown_and_no_line_is_silence() {
        let review = Review::of(LogFile::Errors, "[Wed Oct 15 09:20:31 2014] [error] CRDS  : INFO     Frobnicating\n");
        assert_eq!(review.judge_known().outcome, Outcome::Failed);
        assert_eq!(review.judge_normal().outcome, Outcome::Passed);
        let day = |hour, minute| jiff::civil::date(2014, 10, 15).at(hour, minute, 0, 0);
        let pace = Pace { silence_s: 1200, per_minute: 2 };
        assert_eq!(review.judge_pace(day(9, 15), day(9, 30), pace).outcome, Outcome::Passed);
        assert_eq!(review.judge_pace(day(9, 15), day(10, 30), pace).outcome, Outcome::Failed);
        assert_eq!(Review::default().judge_pace(day(9, 15), day(9, 30), pace).outcome, Outcome::Failed);
    }

    #[test]
    fn access_logs_are_judged_by_status() {
        let line = |status| format!("192.0.2.10 - - [15/Oct/2014:09:22:00 -0400] \"GET / HTTP/1.1\" {status} 512\n");
        let class = |status| Review::of(LogFile::Access, &line(status)).lines[0].class;
        assert_eq!((class(200), class(302), class(500)), (Class::Nominal, Class::Nominal, Class::Abnormal));
    }

    #[test]
    fn lines_out_of_their_order_and_of_another_zone_are_found() {
        let text = |times: [&str; 3]| -> String {
            times.map(|time| format!("[Wed Oct 15 {time} 2014] [notice] caught SIGTERM, shutting down\n")).concat()
        };
        let back = |times| Review::of(LogFile::Errors, &text(times)).backwards(60).map(|line| line.number);
        assert_eq!(back(["09:20:31", "09:20:30", "09:40:00"]), None);
        assert_eq!(back(["09:20:31", "09:40:00", "09:30:00"]), Some(3));
        let zone = TimeZone::get("America/New_York").expect("known");
        let line = |zone| format!("192.0.2.10 - - [15/Oct/2014:09:22:00 {zone}] \"GET / HTTP/1.1\" 200 512\n");
        let of = |said| Review::of(LogFile::Access, &line(said)).elsewhere(&zone).map(|line| line.number);
        assert_eq!((of("-0400"), of("+0000"), of("-0500")), (None, Some(1), Some(1)));
    }

    #[test]
    fn a_window_keeps_what_follows_its_first_line() {
        let text = "[Wed Oct 15 09:20:31 2014] [notice] old\n[Wed Oct 15 09:40:31 2014] [notice] new\n  continued\n";
        let review = Review::of(LogFile::Errors, text).since(jiff::civil::date(2014, 10, 15).at(9, 30, 0, 0));
        assert_eq!(review.lines.iter().map(|line| line.number).collect::<Vec<_>>(), [2, 3]);
    }

    proptest::proptest! {
        #[test]
        fn an_abnormal_line_is_found_below_anything(text in crate::mangled::text(
            "[Wed Oct 15 09:14:02 2014] [error] CRDS  : INFO     REQUEST: / GET ajax=False\n[Wed Oct 15 09:14:03 2014] [error] CRDS  : INFO     2 errors\n"
        )) {
            let bad = "[Wed Oct 15 09:20:31 2014] [error] CRDS  : INFO     EXCEPTION TRACEBACK:";
            let review = Review::of(LogFile::Errors, &format!("{text}\n{bad}\n"));
            proptest::prop_assert_eq!(review.judge_normal().outcome, Outcome::Failed);
            proptest::prop_assert_eq!(review.lines.len(), format!("{text}\n{bad}\n").lines().count());
        }

        #[test]
        fn a_damaged_request_is_no_line_of_the_log_or_still_a_request(text in crate::mangled::text(
            "192.0.2.10 - - [15/Oct/2014:09:22:00 -0400] \"GET / HTTP/1.1\" 200 512\n"
        )) {
            for line in Review::of(LogFile::Access, &text).lines.iter().filter(|line| line.class == Class::Nominal) {
                proptest::prop_assert!(line.time.is_some() && STATUS.is_match(&line.text), "{:?}", line);
            }
        }
    }

    #[test]
    fn a_line_of_ten_megabytes_is_abnormal_and_takes_a_moment() {
        let began = std::time::Instant::now();
        for file in [LogFile::Errors, LogFile::Access, LogFile::Requests, LogFile::Memcached] {
            for piece in ["a", "ß", "[", "\" 200 ", " ERROR Traceback"] {
                let review = Review::of(file, &piece.repeat((10 << 20) / piece.len()));
                assert_eq!(review.judge_normal().outcome, Outcome::Failed, "{file:?} {piece}");
                assert!(review.judge_normal().observed.len() < 1000);
            }
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    }
}
