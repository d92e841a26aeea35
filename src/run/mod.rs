//! One run of a plan on a site: folder, journal, evidence, lock, permits, step harness, waiting.

mod check;
mod error;
pub mod event;
pub mod evidence;
mod fault;
pub mod folder;
pub mod guard;
pub mod harness;
#[cfg(test)]
mod harness_tests;
mod hosts;
mod injected;
pub mod journal;
mod keeper;
pub mod kill;
pub mod ledger;
pub mod lock;
pub mod open;
pub mod pause;
mod permit;
pub mod progress;
pub mod redact;
mod signals;
pub mod snapshot;
mod step;
mod verdict;
pub mod watch;

pub use check::Check;
pub(crate) use check::UNLOOKED;
pub use error::RunError;
pub use evidence::Evidence;
pub use fault::{StepError, StepResult, StepStopped};
pub use folder::Folder;
pub use hosts::Hosts;
pub use keeper::Keeper;
pub use ledger::{KEPT_STATE, Ledger};
pub use permit::{NotCovered, Permit};
pub use step::{Poll, Step};
pub use verdict::{Found, Verdict};
