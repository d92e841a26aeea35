//! How a CRDS server makes rules from submissions: insertion, deletion, contexts, names, certification, differences.
//!
//! Written from the rules-derivation dossier (RD). Texts and order of keys follow a [`Generation`]: the client of
//! September 2014, as the servers of the release story ran it, or the client of today.

mod allowed;
pub mod cases;
pub mod certify;
mod condition;
pub mod contexts;
mod dates;
pub mod diff;
mod error;
mod expr;
pub mod facts;
mod insert;
mod log;
mod matching;
pub mod names;
mod pprint;
mod record;
mod rules;
pub mod shipped;
mod store;
pub mod submissions;
mod value;

pub use error::DeriveError;
pub use insert::{delete, delete_ordered, insert, insert_ordered};
pub use log::{Level, LogLine};
pub use matching::INSTRUMENT_KEYWORDS;
pub use record::{record, record_ordered};
pub use rules::KeyOrder;
pub(crate) use rules::told;
pub use store::{DirStore, Store};

use super::fits;

/// Whose behaviour is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Generation {
    /// The client and server of September 2014.
    Y2014,
    /// The client of today (13.2).
    Now,
}

/// A rules file that was made, and what was logged on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// Its text, checksum included.
    pub text: String,
    /// Log lines, INFO included.
    pub log: Vec<LogLine>,
    /// References of one batch that took the place of another one, in the words of the library of early 2019, which
    /// refused them. Empty for 2014, whose refusal is another one.
    pub overlaps: Vec<String>,
}

/// A reference to be inserted: its final name and its header.
#[derive(Clone, Debug)]
pub struct Reference {
    /// Name that goes into the rules (a directory part is dropped).
    pub name: String,
    /// Its header.
    pub header: fits::Header,
}

impl Reference {
    /// Reads a reference from the bytes of a FITS file.
    ///
    /// # Errors
    ///
    /// Whatever keeps the file from being read.
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self, fits::FitsError> {
        Ok(Self { name: name.to_owned(), header: fits::Header::of(&fits::read(bytes)?) })
    }

    /// Reads a reference from a FITS file.
    ///
    /// # Errors
    ///
    /// Whatever keeps the file from being read.
    pub fn read(name: &str, path: &std::path::Path) -> Result<Self, fits::FitsError> {
        Ok(Self { name: name.to_owned(), header: fits::Header::of(&fits::read_file(path)?) })
    }
}

/// The part behind the last slash.
pub(crate) fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Rewrites a rules file as it is, with a fresh checksum (RD 4).
///
/// # Errors
///
/// Rules that cannot be loaded.
pub fn rewrite(text: &str, file_name: &str, generation: Generation, order: KeyOrder) -> Result<String, DeriveError> {
    Ok(rules::Rules::load(text, file_name, generation, order)?.finished(generation))
}
