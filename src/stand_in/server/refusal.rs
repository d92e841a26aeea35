//! Why an operation was refused.

use super::CatalogueError;

/// A refusal: what the page says after `ERROR: `, or an unexpected failure, which 2019 shows as `internal server
/// error` and 2014 as a real HTTP 500 (WP 3.1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// The text, as Python's `str` of the exception gives it.
    pub text: String,
    /// Whether the server did not mean to refuse.
    pub unexpected: bool,
}

impl Refusal {
    /// A refusal that the server means.
    pub fn says(text: impl Into<String>) -> Self {
        Self { text: text.into(), unexpected: false }
    }

    /// A failure that it does not mean.
    pub fn unexpected(text: impl Into<String>) -> Self {
        Self { text: text.into(), unexpected: true }
    }
}

impl From<CatalogueError> for Refusal {
    fn from(err: CatalogueError) -> Self {
        let cause = std::error::Error::source(&err).map(|s| format!(": {s}")).unwrap_or_default();
        Self::unexpected(format!("OperationalError {err}{cause}"))
    }
}

impl From<std::io::Error> for Refusal {
    fn from(err: std::io::Error) -> Self {
        Self::unexpected(err.to_string())
    }
}
