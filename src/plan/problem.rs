//! What is wrong with a plan or site file: all of it, each with file, line, the offending text and help.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Longest piece of a file that a message repeats, in characters.
const MAX_SHOWN: usize = 120;

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Line, counted from 1; 0 if the whole file is meant.
    pub line: usize,
    /// Column in characters, counted from 1; 0 with line 0.
    pub column: usize,
    /// Where in the file, such as `hosts.ops.identity.uname`; empty for the file.
    pub key: String,
    /// The offending text, cut to 120 characters; empty if something is missing.
    pub text: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": ")?;
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        writeln!(f, "{}", self.message)?;
        if !self.text.is_empty() {
            writeln!(f, "    {}", self.text)?;
        }
        write!(f, "    help: {}", self.help)
    }
}

/// Everything that is wrong with one file, in the order of its lines. Never empty inside [`LoadError`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// Why a plan or site file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is larger than [`super::MAX_FILE_BYTES`].
    #[error("`{}` is larger than {} bytes", path.display(), super::MAX_FILE_BYTES)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is wrong.
    #[error("{} problem(s) in `{}`:\n{problems}", problems.0.len(), path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problems: Problems,
    },
}

impl LoadError {
    /// The operator's next move.
    pub fn help(&self) -> String {
        match self {
            Self::Read { path, .. } => format!(
                "check that `{}` exists and may be read; CRDS_UPGRADE_SITE and CRDS_UPGRADE_PLAN name the files",
                path.display()
            ),
            Self::TooLarge { .. } => {
                "a plan or site file is a few kilobytes: check that the right file is named".into()
            }
            Self::Invalid { .. } => "mend each line named above, then run `crds-upgrade check` again".into(),
        }
    }

    /// The problems, if it is the contents that are wrong.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid { problems, .. } => &problems.0,
            _ => &[],
        }
    }
}

/// A file's text, for turning byte offsets into lines.
pub(super) struct Text<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

impl Text<'_> {
    /// A problem at the bytes `span`, or with the whole file.
    pub(super) fn problem(
        &self,
        span: Option<std::ops::Range<usize>>,
        key: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Problem {
        let (line, column, text) = span.map_or((0, 0, String::new()), |span| self.locate(span));
        Problem {
            file: self.path.to_owned(),
            line,
            column,
            key: clip(key),
            text,
            message: clip_message(&message.into()),
            help: help.into(),
        }
    }

    fn locate(&self, span: std::ops::Range<usize>) -> (usize, usize, String) {
        let start = floor(self.text, span.start);
        let end = floor(self.text, span.end.max(span.start));
        let before = &self.text[..start];
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = self.text[line_start..start].chars().count() + 1;
        let whole_line = self.text[line_start..].lines().next().unwrap_or("").to_ascii_lowercase();
        if ["password", "passwd", "secret", "token"].iter().any(|word| whole_line.contains(word)) {
            // Somebody may have written the secret itself where a reference belongs.
            return (line, column, "(not shown, it may hold a secret)".to_owned());
        }
        let offending = self.text[start..end].lines().next().unwrap_or("").trim();
        let shown = if offending.is_empty() { self.text[line_start..].lines().next().unwrap_or("") } else { offending };
        (line, column, clip(shown.trim()))
    }
}

/// The greatest character boundary not after `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// `text` without control characters, cut to [`MAX_SHOWN`].
pub(super) fn clip(text: &str) -> String {
    cut(text, MAX_SHOWN)
}

fn clip_message(text: &str) -> String {
    cut(text, 400)
}

fn cut(text: &str, most: usize) -> String {
    let mut out: String =
        text.chars().take(most).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    if text.chars().nth(most).is_some() {
        out.push('…');
    }
    out
}
