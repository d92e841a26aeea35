//! What the journal can say: one variant per kind of entry.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::verdict::{Found, Verdict};

/// One thing that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The run was created.
    Opened(Box<Opened>),
    /// A nextest invocation began on this run.
    Invoked {
        /// nextest's own id of the invocation.
        invocation: String,
        /// The nextest profile.
        profile: String,
        /// Who runs it, as `user@host`.
        owner: String,
        /// Process id of nextest, on the operator's machine.
        pid: u32,
    },
    /// A step began, or began to be looked at again.
    Began {
        /// Process id of the step.
        pid: u32,
        /// Looked at again after it had passed: nothing is executed.
        again: bool,
    },
    /// An act is about to be carried out.
    Intent {
        /// Name of the act.
        act: String,
    },
    /// What looking found of an act's effect.
    Looked {
        /// Name of the act.
        act: String,
        /// What was found.
        found: Found,
    },
    /// An act was carried out and its effect seen.
    Done {
        /// Name of the act.
        act: String,
    },
    /// A call to a host is about to be made.
    Call {
        /// Role of the host.
        host: String,
        /// `command`, `read`, `write`, `stream`, `http`.
        how: String,
        /// Program and arguments, path, or method and URL; redacted.
        argv: Vec<String>,
        /// Evidence id of what is sent.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        stdin: Option<String>,
        /// Whether it may change the host.
        changes: bool,
    },
    /// A call ended.
    Answered {
        /// Sequence number of the [`Event::Call`].
        call: u64,
        /// How it ended, such as `exit 0`, `http 200`, `timed out`.
        status: String,
        /// From sending to the end, milliseconds.
        elapsed_ms: u64,
        /// Evidence id of standard output or body; none if empty.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        stdout: Option<String>,
        /// Evidence id of standard error or head; none if empty.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        stderr: Option<String>,
    },
    /// Bytes were kept as evidence.
    Evidence {
        /// What they are, in the step's words.
        name: String,
        /// `blake3:…`.
        id: String,
        /// Their number.
        bytes: u64,
    },
    /// A check was judged.
    Check(Box<CheckRow>),
    /// A step remembers something for later steps.
    Fact {
        /// Its name.
        key: String,
        /// Its value.
        value: Value,
    },
    /// A bounded wait began.
    Waiting {
        /// For what.
        what: String,
        /// At most so long, seconds.
        limit_s: u64,
    },
    /// A bounded wait ended.
    Waited {
        /// For what.
        what: String,
        /// Whether it came.
        came: bool,
        /// The last status seen.
        last: String,
        /// For how long, milliseconds of the operator's clock.
        waited_ms: u64,
    },
    /// The watch over something that must stay off (cron) looked.
    Watched {
        /// Role of the host.
        host: String,
        /// What is watched.
        what: String,
        /// Whether it is as it must be; none: could not look.
        holds: Option<bool>,
        /// What was seen.
        seen: String,
    },
    /// A difference between before and after, and the declared change that claims it.
    Change(Box<ChangeRow>),
    /// Something that was not checked, and why.
    NotChecked {
        /// What.
        what: String,
        /// Why not.
        why: String,
    },
    /// A service went away or came back.
    Outage {
        /// The service.
        service: String,
        /// `true`: went away; `false`: is back.
        away: bool,
        /// When, on the host's clock (RFC 3339).
        at: String,
    },
    /// A signal ended the step.
    Interrupted {
        /// Such as `SIGTERM`.
        signal: String,
    },
    /// The step ended.
    Ended {
        /// Its verdict.
        verdict: Verdict,
        /// The failure's text, or why it is unknown or deferred.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        message: Option<String>,
        /// When a deferred step is due (RFC 3339).
        #[serde(skip_serializing_if = "Option::is_none", default)]
        due: Option<String>,
        /// Time of this process on the step, milliseconds.
        elapsed_ms: u64,
        /// Looked at again: the verdict of the step itself stands from before.
        again: bool,
    },
    /// A human decision that lets the run pass a gate.
    Approved {
        /// The gate: a step, or a check whose unknown is accepted.
        gate: String,
        /// Who.
        by: String,
        /// Why.
        note: String,
    },
    /// A human no-go: what was approved before counts no longer.
    Withdrawn {
        /// The gate.
        gate: String,
        /// Who.
        by: String,
        /// Why.
        note: String,
    },
    /// A human decision to accept a failed check.
    Waived {
        /// The check.
        check: String,
        /// Who.
        by: String,
        /// Until when (a date).
        until: String,
        /// Why.
        reason: String,
    },
    /// A report was written.
    Reported {
        /// BLAKE3 of `acceptance.json`.
        acceptance: String,
        /// Its verdict.
        verdict: String,
    },
    /// The run is finished and is never used again.
    Finished {
        /// How: `accepted`, `rolled_back`, `abandoned`.
        how: String,
    },
}

/// What a run was opened for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// The run's id, also the name of its folder.
    pub run: String,
    /// The nextest profile.
    pub profile: String,
    /// The plan's id.
    pub plan: String,
    /// Digest of the plan.
    pub plan_digest: String,
    /// The plan file.
    pub plan_path: PathBuf,
    /// The site's name.
    pub site: String,
    /// Digest of the site file.
    pub site_digest: String,
    /// The site file.
    pub site_path: PathBuf,
    /// `embedded`, `containers` or `real`.
    pub site_kind: String,
    /// `real` or `fixture`: which rules the site serves.
    pub rules: String,
    /// Version of this program.
    pub version: String,
    /// Who opened it, as `user@host`.
    pub owner: String,
}

/// One judged check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckRow {
    /// Its id, such as `s150.dump_complete`.
    pub id: String,
    /// The host it looked at; empty if none.
    pub host: String,
    /// What became of it.
    pub verdict: Verdict,
    /// What must hold.
    pub expected: String,
    /// What was seen.
    pub observed: String,
    /// The likely cause, if it failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cause: String,
    /// The operator's next move, if it failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub next: String,
    /// Ids of the bytes it looked at.
    pub evidence: Vec<String>,
    /// Judged again after the step had passed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

/// One difference between two states.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeRow {
    /// Role of the host.
    pub host: String,
    /// The surface of the state: `catalogue`, `files`, `cron` ...
    pub surface: String,
    /// What differs.
    pub item: String,
    /// How it was.
    pub before: String,
    /// How it is.
    pub after: String,
    /// The declared changes that claim it: exactly one is right.
    pub claimed_by: Vec<String>,
}

impl Event {
    /// Whether what comes next may rest on this entry, so that it must be on the disk first: everything but what a step
    /// merely looked at, waited for or found.
    pub fn binds(&self) -> bool {
        match self {
            Self::Call { changes, .. } => *changes,
            Self::Answered { .. }
            | Self::Evidence { .. }
            | Self::Check(_)
            | Self::Waiting { .. }
            | Self::Waited { .. }
            | Self::Watched { .. }
            | Self::Change(_)
            | Self::NotChecked { .. } => false,
            Self::Opened(_)
            | Self::Invoked { .. }
            | Self::Began { .. }
            | Self::Intent { .. }
            | Self::Looked { .. }
            | Self::Done { .. }
            | Self::Fact { .. }
            | Self::Outage { .. }
            | Self::Interrupted { .. }
            | Self::Ended { .. }
            | Self::Approved { .. }
            | Self::Withdrawn { .. }
            | Self::Waived { .. }
            | Self::Reported { .. }
            | Self::Finished { .. } => true,
        }
    }

    /// The word of the variant, as in the journal's `kind` column.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Opened(_) => "opened",
            Self::Invoked { .. } => "invoked",
            Self::Began { .. } => "began",
            Self::Intent { .. } => "intent",
            Self::Looked { .. } => "looked",
            Self::Done { .. } => "done",
            Self::Call { .. } => "call",
            Self::Answered { .. } => "answered",
            Self::Evidence { .. } => "evidence",
            Self::Check(_) => "check",
            Self::Fact { .. } => "fact",
            Self::Waiting { .. } => "waiting",
            Self::Waited { .. } => "waited",
            Self::Watched { .. } => "watched",
            Self::Change(_) => "change",
            Self::NotChecked { .. } => "not_checked",
            Self::Outage { .. } => "outage",
            Self::Interrupted { .. } => "interrupted",
            Self::Ended { .. } => "ended",
            Self::Approved { .. } => "approved",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Waived { .. } => "waived",
            Self::Reported { .. } => "reported",
            Self::Finished { .. } => "finished",
        }
    }
}
