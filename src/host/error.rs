//! What can go wrong between the suite and a host.

use std::time::Duration;

use super::record::RecordError;

/// Why a call to a host did not give what was asked. `Display` names the operation and the host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The program that reaches the host cannot be started.
    #[error("failed to reach `{host}` for `{call}`")]
    Reach {
        /// The host.
        host: String,
        /// What was to be run.
        call: String,
        /// Why.
        source: std::io::Error,
    },
    /// The connection was lost in the middle.
    #[error("lost `{host}` during `{call}`")]
    Lost {
        /// The host.
        host: String,
        /// What was running.
        call: String,
        /// Whether it may have changed the host.
        changes: bool,
        /// Why.
        source: std::io::Error,
    },
    /// It did not end in time; its whole process group was killed on this side.
    #[error("`{call}` on `{host}` did not end within {} s{}", limit.as_secs(), last_words(.last))]
    TimedOut {
        /// The host.
        host: String,
        /// What was running.
        call: String,
        /// How long it was given.
        limit: Duration,
        /// Whether it may have changed the host.
        changes: bool,
        /// The last line that it wrote.
        last: String,
    },
    /// A look gave more bytes than it may.
    #[error("`{call}` on `{host}` gives more than {most} bytes")]
    TooMuch {
        /// The host.
        host: String,
        /// What was running.
        call: String,
        /// The bound.
        most: usize,
    },
    /// It ended with a status that says that it did not look.
    #[error("`{call}` on `{host}` ended with {status}{}", last_words(.last))]
    Failed {
        /// The host.
        host: String,
        /// What was run.
        call: String,
        /// How it ended.
        status: String,
        /// The last line of its stderr, or of its stdout if that is empty.
        last: String,
    },
    /// Its answer has a shape that is not understood.
    #[error("`{call}` on `{host}` answers `{what}`, which is not understood")]
    Shape {
        /// The host.
        host: String,
        /// What was run.
        call: String,
        /// The piece that is not understood, cut.
        what: String,
    },
    /// A permit for something else was shown.
    #[error("`{call}` on `{host}` has no permit: {why}")]
    NotPermitted {
        /// The host.
        host: String,
        /// What was to be run.
        call: String,
        /// Why not.
        why: String,
    },
    /// The site's transport is not in this version.
    #[error("host `{host}` is reached by `{transport}`, which this version does not have")]
    Transport {
        /// The host.
        host: String,
        /// The transport.
        transport: &'static str,
    },
    /// A path or argument that no command could take safely.
    #[error("`{what}` is no usable argument for `{host}`: {why}")]
    Argument {
        /// The host.
        host: String,
        /// The argument, cut.
        what: String,
        /// Why not.
        why: &'static str,
    },
    /// The site has no such host.
    #[error("the site has no host `{0}`")]
    NoHost(&'static str),
    /// The call or its result could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What came back could not be kept on this side.
    #[error("failed to keep what `{call}` on `{host}` gives")]
    Keep {
        /// The host.
        host: String,
        /// What was running.
        call: String,
        /// Why.
        source: std::io::Error,
    },
}

impl HostError {
    /// The operator's next move: never empty, always safe to follow.
    pub fn help(&self) -> String {
        match self {
            Self::Reach { host, .. } => format!("check that `{host}` is up and its entry in the site file right"),
            Self::Lost { changes: true, host, .. } | Self::TimedOut { changes: true, host, .. } => {
                format!("do not repeat it, `{host}` may have done it: run the same command again, which looks first")
            }
            Self::Lost { host, .. } => format!("check the way to `{host}`, then run the same command again"),
            Self::TimedOut { host, .. } => {
                format!("look for a hung file system or an overloaded machine on `{host}` (`ps`, `df`), then run again")
            }
            Self::TooMuch { host, .. } => format!("look at it by hand on `{host}`: it should be far smaller"),
            Self::Failed { host, .. } | Self::Shape { host, .. } => {
                format!("run it by hand on `{host}`; a missing or replaced tool can be named in [hosts.*.commands]")
            }
            Self::NotPermitted { .. } => "a step asked for a change that its table does not declare: report it".into(),
            Self::Transport { .. } => "use a site whose hosts this version can reach (`transport = \"local\"`)".into(),
            Self::Argument { .. } => "rename the file on the host, or mend the name in plan or site".into(),
            Self::NoHost(role) => format!("add [hosts.{role}] to the site file"),
            Self::Record(error) => error.help(),
            Self::Keep { .. } => "free space in the archive directory of the site, then run again".into(),
        }
    }

    /// Whether the host may have been changed although no answer came.
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, Self::Lost { changes: true, .. } | Self::TimedOut { changes: true, .. })
    }
}

fn last_words(last: &str) -> String {
    if last.is_empty() { String::new() } else { format!("; its last words: `{last}`") }
}

impl HostError {
    /// The same error, naming the script rather than the program that reads it.
    pub(super) fn renamed(mut self, name: &'static str) -> Self {
        match &mut self {
            Self::Reach { call, .. }
            | Self::Lost { call, .. }
            | Self::TimedOut { call, .. }
            | Self::TooMuch { call, .. }
            | Self::Failed { call, .. } => *call = name.to_owned(),
            _ => {}
        }
        self
    }
}
