//! What can go wrong between the suite and a server's HTTP interfaces.

use std::path::PathBuf;
use std::time::Duration;

use crate::host::record::RecordError;
use crate::run::NotCovered;

/// Why a server did not give what was asked. `Display` names operation and host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The site's certificate file is unusable.
    #[error("failed to trust the certificates in `{}`: {why}", file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// No client could be made.
    #[error("failed to make a client for `{host}`: {why}")]
    Client {
        /// The host.
        host: String,
        /// Why.
        why: String,
    },
    /// Nothing listens there.
    #[error("`{host}` refuses the connection for {what}: nothing listens there")]
    Refused {
        /// The host.
        host: String,
        /// Method and URL.
        what: String,
    },
    /// No whole answer in time.
    #[error("no answer to {what} from `{host}` within {} s{}", limit.as_secs(), doubt(*changes))]
    TimedOut {
        /// The host.
        host: String,
        /// Method and URL.
        what: String,
        /// How long it was given.
        limit: Duration,
        /// Whether it may have changed the server.
        changes: bool,
    },
    /// The connection failed or broke.
    #[error("lost `{host}` during {what}: {why}{}", doubt(*changes))]
    Lost {
        /// The host.
        host: String,
        /// Method and URL.
        what: String,
        /// Whether it may have changed the server.
        changes: bool,
        /// Why.
        why: String,
    },
    /// More bytes than an answer may have.
    #[error("the answer of `{host}` to {what} has more than {most} bytes")]
    TooMuch {
        /// The host.
        host: String,
        /// Method and URL.
        what: String,
        /// The bound.
        most: usize,
    },
    /// The server answered with a JSON-RPC error.
    #[error("`{host}` refuses `{method}`: {message}")]
    Rpc {
        /// The host.
        host: String,
        /// The method.
        method: String,
        /// Class of the error.
        name: String,
        /// Its message.
        message: String,
    },
    /// The answer is none, or not of this question.
    #[error("`{host}` answers `{what}` with something else: {why}")]
    Shape {
        /// The host.
        host: String,
        /// Method or page.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The page holds an error.
    #[error("`{host}` refuses {what}: {error}")]
    Page {
        /// The host.
        host: String,
        /// The page.
        what: String,
        /// The text of its error block.
        error: String,
    },
    /// A permit for something else was shown.
    #[error(transparent)]
    NotPermitted(#[from] NotCovered),
    /// The exchange could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

fn doubt(changes: bool) -> &'static str {
    if changes { "; what it did on the server is unknown" } else { "" }
}

impl WireError {
    /// The operator's next move.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Certificate { file, .. } => format!("put the fleet's authority in PEM into `{}`", file.display()),
            Self::Client { .. } => "correct the certificates of this machine".to_owned(),
            Self::Refused { host, .. } => format!("see whether the server of `{host}` runs and on which port"),
            Self::TimedOut { host, changes: true, .. } | Self::Lost { host, changes: true, .. } => {
                format!("do not repeat it, `{host}` may have done it: run the same command again, it looks first")
            }
            Self::TimedOut { host, .. } | Self::Lost { host, .. } => {
                format!("look at the logs and the load of `{host}`, then run the same command again")
            }
            Self::TooMuch { .. } => "look at the answer by hand: no answer of a CRDS server is that long".to_owned(),
            Self::Rpc { host, .. } | Self::Page { host, .. } => {
                format!("read the refusal; see the error log of `{host}` for the moment of the call")
            }
            Self::Shape { host, .. } => {
                format!("see what really answers on that port of `{host}`: another program, a proxy, another era")
            }
            Self::NotPermitted(_) => "report this: a step tried to change what it has no permit for".to_owned(),
            Self::Record(error) => error.help(),
        }
    }
}
