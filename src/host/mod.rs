//! Reaching a host: run, read, write, stream, each bounded in time and size. Knows nothing of CRDS.
//!
//! [`Remote::look`] and its kin only read; whatever changes a host goes through [`Remote::act`] and its kin, which ask for a
//! [`crate::run::Permit`]. Every call is recorded before it is sent and after it ended.
//!
//! No shell text is ever made from data: scripts are `&'static str`, and data travels as arguments or on standard
//! input. The login shell of CRDS hosts is tcsh, whose quoting of `!` and newlines no general quoting survives
//! (SO 2.3).

mod error;
mod files;
mod process;
pub mod record;
mod remote;
mod script;
mod side_by_side;

pub use error::HostError;
pub use files::{Algorithm, Entry, EntryKind, MAX_ENTRIES};
pub use process::{Limit, Ran, Streamed};
pub use remote::{Remote, Transport};
pub use script::{Script, Shell};
pub use side_by_side::{both, side_by_side};
