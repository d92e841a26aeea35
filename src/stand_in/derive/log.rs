//! Log lines of a derivation.

use super::Generation;

/// Severity of a log line. An error makes a submission fail, a warning asks for a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// INFO
    Info,
    /// WARNING
    Warning,
    /// ERROR
    Error,
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        })
    }
}

/// One line of the client's log, without prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Severity.
    pub level: Level,
    /// Text; may hold newlines.
    pub text: String,
}

impl LogLine {
    pub(crate) fn info(text: impl Into<String>) -> Self {
        Self { level: Level::Info, text: text.into() }
    }

    pub(crate) fn warning(text: impl Into<String>) -> Self {
        Self { level: Level::Warning, text: text.into() }
    }

    pub(crate) fn error(text: impl Into<String>) -> Self {
        Self { level: Level::Error, text: text.into() }
    }

    /// The line as the command prints it (RD 7.3): `CRDS - ERROR -  text` now, `CRDS  : ERROR    text` in 2014.
    pub fn line(&self, generation: Generation) -> String {
        match generation {
            Generation::Now => format!("CRDS - {} -  {}", self.level, self.text),
            Generation::Y2014 => format!("CRDS  : {:<8} {}", self.level, self.text),
        }
    }
}

/// A line as the client prints it where JWST is at hand: data-model keywords with their FITS names behind them.
pub(crate) fn annotated(observatory: &str, line: String) -> String {
    if observatory != "jwst" || !line.contains("META.") {
        return line;
    }
    let mut out = line.clone();
    for key in model_keywords(&line) {
        let fits = super::facts::jwst_fits_keyword(key).map_or_else(|| fallback(key), str::to_owned);
        let note = format!(" [{fits}]");
        if !out.contains(&note) {
            out = out.replace(key, &format!("{key}{note}"));
        }
    }
    out
}

fn fallback(key: &str) -> String {
    let last = key.rsplit('.').next().unwrap_or(key);
    if last.starts_with("P_") { last.chars().take(8).collect() } else { "FITS unknown".to_owned() }
}

/// Every `META.A.B` in a text, in order.
fn model_keywords(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("META.").map(|at| from + at) {
        let mut end = at + 4;
        let bytes = text.as_bytes();
        while bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_uppercase) {
            let word = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_';
            end += 1 + bytes[end + 1..].iter().take_while(|b| word(b)).count();
        }
        if end > at + 4 {
            out.push(&text[at..end]);
        }
        from = end.max(at + 5);
    }
    out
}
