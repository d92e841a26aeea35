//! CRDS rules: parsing mappings, best references, affected datasets, differences. Depends on nothing else here.
//!
//! Written from the facts of the field (cited as "RS n", the project's notes on rules semantics), not from the code of
//! the Python client; conformance with the client is tested, see `tests/rules`.

pub mod syntax;

mod compile;
mod condition;
mod dates;
mod element;
mod error;
mod expr;
mod expr_parse;
mod glob;
mod hooks;
mod load;
pub mod python;
mod rare;
mod rmap;
mod tree;

pub use condition::condition_value;
pub use error::RulesError;
pub use load::{Context, Imap, Library, TypeEntry};
pub use rmap::Rmap;
