//! Speaking to a CRDS server over HTTP: the exchange itself, and JSON-RPC.

mod clip;
mod error;
#[cfg(test)]
mod hostile_tests;
mod http;
mod rpc;

pub(crate) use clip::clip;
pub use error::WireError;
pub use http::{Answer, Ask, Body, Http, MOST_BYTES};
pub use rpc::{Affected, Rpc, ServerInfo};
