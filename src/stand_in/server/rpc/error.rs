//! RPC errors (WP 1.4).

use super::super::{CatalogueError, rules_store::LoadError};

/// An error of a method or of the dispatcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcError {
    /// Name of the error's class.
    pub name: &'static str,
    /// Its code: 0 for the server's own checks, 500 for any other exception, negative for the library.
    pub code: i64,
    /// The text after the name.
    pub text: String,
}

impl RpcError {
    /// A check of the server.
    pub fn check(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, code: 0, text: text.into() }
    }

    /// Any other exception.
    pub fn other(text: impl Into<String>) -> Self {
        Self { name: "OtherError", code: 500, text: text.into() }
    }

    /// The library's refusal of what is no request.
    pub fn invalid_request() -> Self {
        Self { name: "InvalidRequestError", code: -32600, text: "Invalid Request.".to_owned() }
    }

    /// Python's complaint about a text that is none, where it is lower-cased.
    pub fn no_attribute(type_name: &str, attribute: &str) -> Self {
        Self::other(format!("'{type_name}' object has no attribute '{attribute}'"))
    }

    /// Python's complaint about a text that is none, where a pattern is applied.
    pub fn no_text() -> Self {
        Self::other("expected string or bytes-like object")
    }

    /// The same in the words of Python 2, as far as they are known.
    #[must_use]
    pub fn in_python_2(mut self) -> Self {
        if self == Self::no_text() {
            self.text = "expected string or buffer".to_owned();
        }
        self
    }
}

impl From<CatalogueError> for RpcError {
    fn from(err: CatalogueError) -> Self {
        let cause = std::error::Error::source(&err).map(|s| format!(": {s}")).unwrap_or_default();
        Self::other(format!("{err}{cause}"))
    }
}

impl From<LoadError> for RpcError {
    fn from(err: LoadError) -> Self {
        Self::other(err.to_string())
    }
}
