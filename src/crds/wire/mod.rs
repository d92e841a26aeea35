//! Speaking to a CRDS server over HTTP: the exchange itself, and JSON-RPC.

mod error;
mod http;
mod rpc;

pub use error::WireError;
pub use http::{Answer, Ask, Body, Http, MOST_BYTES};
pub use rpc::{Affected, Rpc, ServerInfo};
