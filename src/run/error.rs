//! Why a run, or a step of it, could not go on.

use std::path::PathBuf;

/// Why something about the run itself failed. `Display` names operation and object, [`RunError::help`] the next move.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The runner was started in a way that would weaken the proof.
    #[error("refused: {what}")]
    Refused {
        /// What is wrong.
        what: String,
        /// The next move.
        help: String,
    },
    /// A setting is not what it must be.
    #[error("refused: `{name}` is `{value}`, wants {wants}")]
    Setting {
        /// The variable or option.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        wants: &'static str,
    },
    /// A file of the run folder could not be used.
    #[error("failed to {verb} `{}`: {source}", path.display())]
    File {
        /// The operation.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The journal could not be used.
    #[error("failed to {verb} the journal `{}`: {source}", path.display())]
    Journal {
        /// The operation.
        verb: &'static str,
        /// The journal.
        path: PathBuf,
        /// The cause.
        source: rusqlite::Error,
    },
    /// An entry of the journal does not read as one.
    #[error("journal entry {seq} of `{}` is not readable: {why}", path.display())]
    Entry {
        /// The journal.
        path: PathBuf,
        /// Its sequence number.
        seq: u64,
        /// What is wrong.
        why: String,
    },
    /// The journal or the evidence is not what was written.
    #[error("tampered: {what}")]
    Tampered {
        /// What does not fit.
        what: String,
    },
    /// Someone else holds the run or the host.
    #[error("{what} is locked: {holder}")]
    Locked {
        /// What is locked.
        what: String,
        /// By whom, since when.
        holder: String,
        /// The next move.
        help: String,
    },
    /// Plan or site could not be used.
    #[error("{what}")]
    Input {
        /// All that is wrong.
        what: String,
        /// The next move.
        help: String,
    },
}

impl RunError {
    /// Wraps an I/O error with what was being done.
    pub fn file(verb: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { verb, path, source }
    }

    /// The operator's next move: never empty, always safe to follow.
    pub fn help(&self) -> String {
        match self {
            Self::Refused { help, .. } | Self::Locked { help, .. } | Self::Input { help, .. } => help.clone(),
            Self::Setting { name, wants, .. } => format!("unset `{name}`, or set it to {wants}"),
            Self::File { verb: "find the run", .. } => {
                "name a run that is there, by its folder or by its name in `runs/`; `ci/rehearse` makes one".to_owned()
            }
            Self::File { verb: "find", path, .. } => {
                format!("name a file that is there instead of `{}`", path.display())
            }
            Self::File { path, .. } => {
                format!("free space for, or fix the owner of, `{}`; then run the same command again", path.display())
            }
            Self::Journal { path, .. } => format!(
                "see that `{}` lies on a local disk with free space and belongs to you; then run the same command again",
                path.display()
            ),
            Self::Entry { .. } | Self::Tampered { .. } => {
                "do not go on with this run: keep its folder as it is and find out who changed it".to_owned()
            }
        }
    }
}
