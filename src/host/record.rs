//! The seam through which everything said to a host is recorded: before it is sent, and after it ended.
//!
//! A [`Recorder`] is handed to whatever talks to a host. A call that could not be recorded must not be made, and a
//! result that could not be recorded must not be used: evidence is written when it is read (design, promise 10).

use std::time::Duration;

use secrecy::SecretString;

/// What kind of conversation a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// A program run on the host.
    Command,
    /// A file read from the host.
    Read,
    /// A file written to the host.
    Write,
    /// Bytes streamed from or to the host.
    Stream,
    /// An HTTP exchange with the host.
    Http,
}

impl CallKind {
    /// The word used in the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Read => "read",
            Self::Write => "write",
            Self::Stream => "stream",
            Self::Http => "http",
        }
    }
}

/// One call about to be made, in clear: the recorder redacts.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The host's role or name, as the site calls it.
    pub host: &'a str,
    /// What kind of conversation it is.
    pub kind: CallKind,
    /// Program and arguments, a path, or method and URL.
    pub argv: &'a [String],
    /// What is sent on standard input or as body.
    pub stdin: Option<&'a [u8]>,
    /// Whether the call may change the host.
    pub changes: bool,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The program ended with this status.
    Exit(i32),
    /// The program was ended by this signal.
    Signal(i32),
    /// The server answered with this HTTP status.
    Http(u16),
    /// No answer within the time limit: what happened on the host is unknown.
    TimedOut,
    /// The connection was lost or never made; the text says how.
    Lost(String),
}

impl std::fmt::Display for Ended {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exit(status) => write!(out, "exit {status}"),
            Self::Signal(signal) => write!(out, "signal {signal}"),
            Self::Http(status) => write!(out, "http {status}"),
            Self::TimedOut => write!(out, "timed out"),
            Self::Lost(how) => write!(out, "lost: {how}"),
        }
    }
}

/// What came back from a call.
#[derive(Debug, Clone)]
pub struct Outcome<'a> {
    /// How it ended.
    pub status: Ended,
    /// Standard output, the file read, or the body of the answer.
    pub stdout: &'a [u8],
    /// Standard error, or the head of the answer.
    pub stderr: &'a [u8],
    /// Time from sending to the end.
    pub elapsed: Duration,
}

/// The number of a recorded call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallId(pub u64);

/// A call or its result could not be recorded.
#[derive(Debug, thiserror::Error)]
#[error("failed to record `{what}`: {why}")]
pub struct RecordError {
    /// What was to be recorded.
    pub what: String,
    /// Why it could not be.
    pub why: String,
    /// The operator's next move.
    pub help: String,
}

impl RecordError {
    /// The operator's next move.
    pub fn help(&self) -> String {
        self.help.clone()
    }
}

/// Keeps the record of everything said to hosts.
pub trait Recorder: Send + Sync {
    /// Records a call before anything is sent.
    ///
    /// # Errors
    ///
    /// If the record could not be synced to disk: then the call must not be made.
    fn began(&self, call: &Call<'_>) -> Result<CallId, RecordError>;

    /// Records how a call ended and what came back.
    ///
    /// # Errors
    ///
    /// If the record could not be synced to disk: then the result must not be used.
    fn ended(&self, id: CallId, outcome: &Outcome<'_>) -> Result<(), RecordError>;

    /// Makes a secret known before its first use, so that nothing recorded contains it.
    fn secret(&self, value: &SecretString);
}

/// A recorder that keeps nothing, for uses outside a run.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoRecord;

impl Recorder for NoRecord {
    fn began(&self, _call: &Call<'_>) -> Result<CallId, RecordError> {
        Ok(CallId(0))
    }

    fn ended(&self, _id: CallId, _outcome: &Outcome<'_>) -> Result<(), RecordError> {
        Ok(())
    }

    fn secret(&self, _value: &SecretString) {}
}
