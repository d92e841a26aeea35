//! Why rules cannot be used.

use std::path::PathBuf;
use std::sync::Arc;

use super::syntax::SyntaxError;

/// Rules that cannot be loaded. Cheap to clone: one bad file is reported for many datasets.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// The file cannot be read.
    #[error("failed to read mapping `{}`", path.display())]
    Read {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        source: Arc<std::io::Error>,
    },
    /// The text is not a mapping.
    #[error("failed to parse a mapping")]
    Syntax(#[from] SyntaxError),
    /// The text is a mapping, but not one that selects.
    #[error("{file}:{line}: cannot load mapping: {why}")]
    Meaning {
        /// The file.
        file: String,
        /// The line nearest to the reason, from 1.
        line: usize,
        /// The reason.
        why: String,
    },
    /// The checksum in the header is missing or wrong.
    #[error("{file}:{line}: {why}")]
    Checksum {
        /// The file.
        file: String,
        /// The line of `sha1sum`, or 1.
        line: usize,
        /// The reason, in the client's words.
        why: String,
    },
    /// Two contexts that cannot be compared.
    #[error("`{old}` and `{new}` are contexts of different observatories")]
    Observatories {
        /// The one.
        old: String,
        /// The other.
        new: String,
    },
    /// A mapping that should be of one kind is of another.
    #[error("`{name}` is not a {expected}")]
    Kind {
        /// The name.
        name: String,
        /// `.pmap` and the like.
        expected: &'static str,
    },
}

/// The line that a reason speaks of: the first that holds a text the reason quotes, else that of the selector.
fn line_of(text: &str, why: &str) -> usize {
    let quoted = why.split('\'').skip(1).step_by(2).filter(|quoted| !quoted.is_empty());
    let at = quoted.filter_map(|quoted| text.find(quoted)).next().or_else(|| text.find("selector"));
    SyntaxError::at(text, "", at.unwrap_or(0), "").line
}

impl RulesError {
    /// Rules that cannot be loaded for a reason found in their text.
    pub(super) fn meaning(text: &str, file: &str, why: String) -> Self {
        Self::Meaning { file: file.to_owned(), line: line_of(text, &why), why }
    }

    /// The next move.
    pub fn help(&self) -> String {
        match self {
            Self::Read { path, .. } if path.extension().is_none() => {
                "name a context by its file, such as `hst_0280.pmap`; only a server knows what a symbolic name stands for"
                    .to_owned()
            }
            // The directory of the observatory, of `mappings`, of the cache.
            Self::Read { path, .. } if path.ancestors().nth(2).is_some_and(|mappings| !mappings.is_dir()) => {
                let cache = path.ancestors().nth(3).filter(|cache| !cache.as_os_str().is_empty());
                format!("`{}` holds no `mappings/`: name the directory that does", cache.unwrap_or(path).display())
            }
            Self::Read { path, .. } => format!(
                "put `{}` there (`crds sync --contexts ...` fetches the mappings of a context), or name another cache",
                path.display()
            ),
            Self::Syntax(error) => error.help(),
            Self::Meaning { file, line, .. } => format!("correct line {line} of `{file}`, or use a context without it"),
            Self::Checksum { file, .. } => format!(
                "`{file}` is not what was published: fetch it again; to look at it all the same, ignore checksums"
            ),
            Self::Observatories { old, .. } => format!("name two contexts of the observatory of `{old}`"),
            Self::Kind { expected, .. } => format!("name a {expected}"),
        }
    }
}
