//! Why a text is not a mapping, and where.

/// A text that is not a mapping.
///
/// `line` and `column` count from 1, `column` in characters. The message says what was met and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {what}")]
pub struct SyntaxError {
    /// The file as the caller named it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What was met, and what was expected.
    pub what: String,
}

impl SyntaxError {
    /// Makes an error for byte `offset` of `text`; an offset beyond the end means the end.
    pub fn at(text: &str, file: &str, offset: usize, what: impl Into<String>) -> Self {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            file: file.to_owned(),
            line: before.bytes().filter(|&b| b == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            what: what.into(),
        }
    }

    /// The next move.
    pub fn help(&self) -> String {
        format!(
            "look at line {} of `{}`: a mapping holds only `header = {{...}}`, `comment = \"\"\"...\"\"\"` and \
             `selector = ...` made of literals; fetch the file again if it is not meant to look like this",
            self.line, self.file
        )
    }
}
