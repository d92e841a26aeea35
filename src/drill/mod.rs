//! Drills: seeded faults, each with the step that must catch it.
//!
//! A drill starts from a state saved just before its step, in a mount and network namespace of its own, so that many
//! run side by side at the same paths and addresses without seeing each other. The steps are the very programs that a
//! rehearsal runs; only the runner around them is played here.

pub mod effects;
mod file;
mod judge;
pub mod kills;
pub mod place;
mod script;
pub mod stage;
pub mod states;

pub use file::{Drill, FileError, Whose};
pub use judge::{Answer, Judged, judge};
pub use place::Programs;

/// Why a drill could not be carried out: no fault of the steps.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct DrillError {
    what: String,
    help: String,
}

impl DrillError {
    /// An error with the next move.
    pub fn new(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), help: help.into() }
    }

    /// The next move.
    pub fn help(&self) -> &str {
        &self.help
    }

    pub(crate) fn file(verb: &str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let what = format!("failed to {verb} `{}`", path.display());
        move |error| Self::new(format!("{what}: {error}"), "see that the disk has room and the folder is yours")
    }
}
