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
