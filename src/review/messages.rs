//! Lines written by CRDS programs, in the form of 2014 and in that of 2016 and later (SO 15.1).

use std::sync::LazyLock;

use regex::Regex;

/// The severity of a CRDS message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `DEBUG`, only when verbose.
    Debug,
    /// `INFO`; also what unhandled exceptions of a view are logged at.
    Info,
    /// `WARNING`
    Warning,
    /// `ERROR`
    Error,
    /// `FATAL` or `CRITICAL`
    Fatal,
}

/// One message of a CRDS program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its severity.
    pub level: Level,
    /// `YYYY-MM-DD HH:MM:SS,mmm` where the program writes the time.
    pub time: Option<String>,
    /// The text behind the prefix.
    pub text: String,
    /// Line of the log, from 1.
    pub line: usize,
}

/// The three closing lines of a CRDS tool; without them it did not finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// `N errors`
    pub errors: u64,
    /// `N warnings`
    pub warnings: u64,
    /// `N infos`
    pub infos: u64,
}

static PREFIX: LazyLock<Regex> = LazyLock::new(|| {
    const PATTERN: &str = concat!(
        r"^(?:(?P<t2>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) - )?CRDS\s*(?::|-) ",
        r"(?P<level>DEBUG|INFO|WARNING|ERROR|FATAL|CRITICAL)",
        r"(?:\s* -  ?|\s+)(?:\[(?P<t1>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\] {0,2})?(?P<text>.*)$"
    );
    Regex::new(PATTERN).expect("a constant pattern")
});

impl Message {
    /// Reads one line; `None` if it carries no CRDS prefix (the continuation of a message of several lines).
    #[must_use]
    pub fn parse(line: &str, number: usize) -> Option<Self> {
        let found = PREFIX.captures(line)?;
        let level = match &found["level"] {
            "DEBUG" => Level::Debug,
            "INFO" => Level::Info,
            "WARNING" => Level::Warning,
            "ERROR" => Level::Error,
            _ => Level::Fatal,
        };
        let time = found.name("t1").or_else(|| found.name("t2")).map(|time| time.as_str().to_owned());
        Some(Self { level, time, text: found["text"].to_owned(), line: number })
    }
}

/// All CRDS messages of a log, in order; lines without a prefix are left out.
#[must_use]
pub fn messages(log: &str) -> Vec<Message> {
    log.lines().enumerate().filter_map(|(index, line)| Message::parse(line, index + 1)).collect()
}

/// The closing counters of a tool's log, if its last three messages are they.
#[must_use]
pub fn counters(log: &str) -> Option<Counters> {
    let all = messages(log);
    let last = all.last_chunk::<3>()?;
    let count = |message: &Message, word: &str| message.text.trim().strip_suffix(word)?.trim().parse().ok();
    Some(Counters {
        errors: count(&last[0], " errors")?,
        warnings: count(&last[1], " warnings")?,
        infos: count(&last[2], " infos")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_prefixes_are_read() {
        let cases = [
            ("CRDS  : INFO     Setting 'hst'", Level::Info, None, "Setting 'hst'"),
            (
                "CRDS  : INFO     [2014-10-15 03:12:45,881]  0 errors",
                Level::Info,
                Some("2014-10-15 03:12:45,881"),
                "0 errors",
            ),
            ("CRDS  : WARNING  File 'x'", Level::Warning, None, "File 'x'"),
            ("CRDS - INFO -  message", Level::Info, None, "message"),
            ("2019-03-01 07:12:45,881 - CRDS - ERROR -  bad", Level::Error, Some("2019-03-01 07:12:45,881"), "bad"),
        ];
        for (line, level, time, text) in cases {
            let message = Message::parse(line, 1).expect(line);
            assert_eq!((message.level, message.time.as_deref(), message.text.as_str()), (level, time, text));
        }
        assert_eq!(Message::parse("   File \"x.py\", line 3", 1), None);
        assert_eq!(Message::parse("CRDS  : INFO     ", 1).expect("blank line").text, "");
    }

    #[test]
    fn counters_are_the_last_three_messages_or_none() {
        let log =
            "CRDS  : ERROR    x\nCRDS  : INFO     1 errors\nCRDS  : INFO     0 warnings\nCRDS  : INFO     12 infos\n";
        assert_eq!(counters(log), Some(Counters { errors: 1, warnings: 0, infos: 12 }));
        assert_eq!(counters(&log.replace("12 infos", "cut")), None);
        assert_eq!(counters("NameError: name 'cojugate' is not defined"), None);
    }

    const CLOSING: &str =
        "CRDS  : ERROR    x\nCRDS  : INFO     1 errors\nCRDS  : INFO     0 warnings\nCRDS  : INFO     12 infos\n";

    proptest::proptest! {
        #[test]
        fn counters_are_those_of_the_text(text in crate::mangled::text(CLOSING)) {
            if let Some(found) = counters(&text) {
                for (count, word) in [(found.errors, "errors"), (found.warnings, "warnings"), (found.infos, "infos")] {
                    let stands = text.lines().any(|line| {
                        line.trim_end().strip_suffix(word).and_then(|rest| rest.split_whitespace().next_back()?.parse().ok()) == Some(count)
                    });
                    proptest::prop_assert!(stands, "{} {}", count, word);
                }
            }
        }

        #[test]
        fn an_unreadable_count_is_none(count in "-[0-9]{1,3}|[1-9][0-9]{20,29}|[0-9]{1,3}[.,e][0-9]|0x0|") {
            for word in ["1 errors", "0 warnings", "12 infos"] {
                let (_, name) = word.split_once(' ').expect("two words");
                proptest::prop_assert_eq!(counters(&CLOSING.replace(word, &format!("{count} {name}"))), None);
            }
        }
    }
}
