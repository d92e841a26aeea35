//! Reading regression logs, nightly mail and server logs: parse, compare, classify.
//!
//! Everything here is a pure function over recorded bytes, so that a verdict can be recomputed offline from the
//! evidence of a run. Nothing here trusts an exit status, a file's presence or a word anywhere in a text: each reader
//! returns facts with the line they stand on, and each judgement says what was expected and what was seen.

mod baseline;
mod judgement;
pub mod logs;
mod messages;
mod nightly;
mod regression;
mod sections;

pub use baseline::{Accepted, Baseline, Seen, compare};
pub use judgement::{Judgement, Outcome};
pub use messages::{Counters, Level, Message, counters, messages};
pub use nightly::{Mail, Night, Role, Section, expected_titles, split_mail};
pub use regression::{Block, Ending, Summary, TestOutcome, TestRun, Token};
pub use sections::{CheckTool, DiskUse, SvnFacts, disk_use, error_words, orphan_lines, shows_password, svn_facts};

/// Turns recorded bytes into text lines: undecodable bytes become U+FFFD, carriage returns of a forced tty go (SO 2.3).
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n")
}
