//! The rules engine without its input from Parquet and servers, and the readers of text of everything else, for the fuzz
//! targets. All by path, so that a build is short: what reaches a host or a server is left out.
#![allow(dead_code, missing_docs, unused_imports)]

pub mod backup;
pub mod crds;
pub mod host;
#[path = "../../src/plan/mod.rs"]
pub mod plan;
#[path = "../../src/review/mod.rs"]
pub mod review;
pub mod rules;
pub mod state;
#[path = "../../src/steps/mod.rs"]
pub mod steps;
