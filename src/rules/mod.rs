//! CRDS rules: parsing mappings, best references, affected datasets, differences. Depends on nothing else here.
//!
//! Written from the facts of the field (cited as "RS n", the project's notes on rules semantics), not from the code of
//! the Python client; conformance with the client is tested, see `tests/rules`.

pub mod syntax;
