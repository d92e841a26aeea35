//! Upgrade verification for CRDS servers.
//!
//! `crds-upgrade` carries out the upgrade of a CRDS server as ordered test cases: each action is followed by
//! assertions that read the result back from the server, every observation is kept as evidence, and the whole is
//! rehearsed against stand-in servers before an operator runs it for real. The library prints nothing; the two
//! programs in `src/bin` do.

pub mod backup;
pub mod crds;
pub mod drill;
pub mod host;
#[cfg(test)]
mod mangled;
pub mod plan;
pub mod report;
pub mod review;
pub mod rules;
pub mod run;
pub mod stand_in;
pub mod state;
pub mod steps;
