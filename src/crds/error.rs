//! Why a verb on a CRDS server gave nothing.

use crate::host::HostError;
use crate::plan::SecretError;

use super::wire::WireError;

/// Why a verb on a CRDS server gave nothing. `Display` names the operation and the host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CrdsError {
    /// The host could not be asked.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The server's services or pages could not be asked, refused, or could not be understood.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A password could not be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// What the host says has a shape that is not understood.
    #[error("{what} of `{host}` is not understood: `{saw}`")]
    Shape {
        /// The host.
        host: String,
        /// What was read.
        what: &'static str,
        /// The piece that is not understood, cut.
        saw: String,
    },
    /// Something that must be there is not.
    #[error("`{host}` has no {what}")]
    Missing {
        /// The host.
        host: String,
        /// What is missing.
        what: String,
    },
    /// The database refused a question.
    #[error("the database of `{host}` answers `{saw}`")]
    Database {
        /// The host.
        host: String,
        /// What it said.
        saw: String,
    },
    /// The verb does not exist for the host's layout.
    #[error("{what} is not known for layout 2019 of `{host}`")]
    Layout {
        /// The host.
        host: String,
        /// The verb.
        what: &'static str,
    },
    /// The site lacks something that the verb needs.
    #[error("the site says nothing about {0}")]
    Site(String),
}

impl CrdsError {
    /// The operator's next move.
    pub fn help(&self) -> String {
        match self {
            Self::Host(error) => error.help(),
            Self::Wire(error) => error.help(),
            Self::Secret(error) => error.help(),
            Self::Shape { host, .. } => {
                format!("look at it by hand on `{host}`; the raw bytes are in the run's evidence")
            }
            Self::Missing { host, .. } => {
                format!("look for it on `{host}`; the site's [hosts.*.paths] can name another place")
            }
            Self::Database { host, .. } => {
                format!("run the question by hand on `{host}`: cd CRDS_server; ./manage dbshell")
            }
            Self::Layout { .. } => "carry this part out by hand and record it with `crds-upgrade approve`".into(),
            Self::Site(what) => format!("add {what} to the site file"),
        }
    }

    /// Whether the host may have been changed although no answer came.
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Self::Host(error) => error.outcome_unknown(),
            Self::Wire(WireError::TimedOut { changes, .. } | WireError::Lost { changes, .. }) => *changes,
            _ => false,
        }
    }
}

/// A piece of text for a message: one line, at most 200 characters, control characters replaced.
pub(super) fn cut(text: &str) -> String {
    text.trim().chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
