//! CRDS rules: parsing mappings, best references, affected datasets, differences. Depends on nothing else here.
//!
//! Written from the facts of the field (cited as "RS n", the project's notes on rules semantics), not from the code of
//! the Python client; conformance with the client is tested, see `tests/rules`.
//!
//! Not reproduced, and why: `--optimize-tables` (needs the reference files themselves, and no server uses it); FITS files
//! and pickles as input (dumps of headers, Parquet and servers carry the same); type lists from a cached `SYSTEM CRDSCFG`
//! reference (no published context names one); regular expressions with look-around or back references in match elements
//! (no published rule has a regular expression; such rules are refused when they are loaded); the client's log lines
//! around the failure of a whole dataset (the reason is given, without `Failed processing '...' :` before it); rules that
//! the client loads or refuses depending on the order of their keys (a key of another length than its parkeys, a key that
//! a substitution makes equal to another or longer than its parkeys) and tables of different selectors at the same weight,
//! none of which was ever published; which of several equal
//! versions of a `SelectVersion` counts where a group of files holds a tuple (no published rule has that selector); the
//! type of a whole number in Python's message about comparing it with a text.

pub mod syntax;

pub mod affected;
pub mod answer;
pub mod compare;
mod compile;
mod condition;
pub mod context_diff;
pub mod dataset;
mod dates;
mod element;
mod ends;
pub mod engine;
mod error;
pub mod explain;
mod expr;
mod expr_parse;
mod glob;
mod hooks;
pub mod input;
pub mod jwst;
mod load;
mod lookup;
pub mod python;
mod quick;
mod rare;
mod rmap;
mod run;
pub mod since;
mod tree;
mod worker;

pub use answer::{Best, BestReferences};
pub use compare::{Change, Comparer, Comparison, Killed, Update};
pub use condition::condition_value;
pub use dataset::{Header, HeaderValue};
pub use dates::reformat_text as reformat_date;
pub use error::RulesError;
pub use load::{Context, Imap, Library, TypeEntry};
pub use lookup::{DatasetError, Lookup, best_references};
pub use rmap::Rmap;
