//! Why a derivation was refused, in the client's words.

/// A refusal as the Python client raises it.
///
/// `Display` is the whole text of the exception, [`DeriveError::cause`] the innermost reason (the only part that two
/// versions of the client share).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct DeriveError {
    class: &'static str,
    text: String,
    cause: String,
}

impl DeriveError {
    pub(crate) fn new(class: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { class, cause: text.clone(), text }
    }

    /// `context : reason`, as the client's nested exceptions read.
    pub(crate) fn within(self, class: &'static str, context: &str) -> Self {
        Self { class, text: format!("{context} : {}", self.text), cause: self.cause }
    }

    /// A new text around the same cause.
    pub(crate) fn retold(self, class: &'static str, text: String) -> Self {
        Self { class, text, cause: self.cause }
    }

    /// The cause alone, as it reads where nothing was put around it.
    pub(crate) fn bare(self) -> Self {
        Self { class: self.class, text: self.cause.clone(), cause: self.cause }
    }

    /// The exception's Python class.
    pub fn class(&self) -> &'static str {
        self.class
    }

    /// The innermost reason.
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// The submitter's next move.
    pub fn help(&self) -> &'static str {
        match self.class {
            "ValidationError" | "MappingInsertionError" => "correct the keyword in the file and submit it again",
            "InvalidUseAfterFormat" => "write USEAFTER like `Jun 09 2009 00:00:00`",
            "CrdsUnknownReftypeError" => "submit the type's first rmap before its references",
            _ => "compare names and rules with the context that this is derived from",
        }
    }
}
