//! One run of a plan on a site: folder, journal, evidence, lock, permits, step harness, waiting.

mod permit;

pub use permit::{NotCovered, Permit};
