//! FITS files as the CRDS client sees them: headers of all HDUs, table columns, small files of our own.
//!
//! Three published readers were tried on ordinary and hostile files (repeated and blank keywords, CONTINUE, values that
//! cannot be parsed, cut tables, axes that overflow, foreign bytes at the end):
//!
//! * `fitrs` 0.5.0 loses numbers with a `D` exponent and cards after one that it cannot parse, and panics where axes
//!   overflow;
//! * `fitsrs` 0.4.1 keys its header by keyword, so repeats are lost, and panics there too;
//! * `fitsio-pure` 0.25.0 keeps every card in order and never panicked, but gives no text of a value that it cannot parse
//!   (Python fails on such a card when it is asked for, and only then), does not know HIERARCH, refuses a whole file whose
//!   last table is cut, and silently drops a unit whose promised data are not there. A server must tell these apart: they
//!   are certification errors with texts of their own (RD 7), while the headers before them still count.
//!
//! So this is a small reader of the parts that CRDS looks at. It never trusts a size that a file states: headers and
//! tables are read within fixed limits, whatever lies between is skipped.

mod card;
mod header;
mod read;
mod rename;
mod table;
mod write;

pub use card::{Card, CardValue, python_float};
pub use header::Header;
pub use read::{Hdu, HduKind, read, read_file};
pub use rename::rename;
pub use table::{Cell, Column, Table};
pub use write::{ColumnData, NewHdu, NewTable, write};

/// Why a file is no FITS file that can be worked with.
///
/// `Display` is the text that the Python library gives for the same defect where it has one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitsError {
    /// Nothing, or less than one block.
    #[error("Empty or corrupt FITS file")]
    Empty,
    /// The first header ends within a block.
    #[error("Empty or corrupt FITS file")]
    Ragged {
        /// Bytes of it that are there.
        size: usize,
    },
    /// The first card is not SIMPLE.
    #[error(
        "No SIMPLE card found, this file does not appear to be a valid FITS file. If this is really a FITS file, try with ignore_missing_simple=True"
    )]
    NoSimple,
    /// A header runs to the end of the file without its END card.
    #[error("Header missing END card.")]
    NoEnd,
    /// A header is longer than any real one.
    #[error("header of HDU {hdu} is longer than {limit} bytes")]
    HeaderTooLong {
        /// HDU, counted from 0.
        hdu: usize,
        /// The limit, bytes.
        limit: usize,
    },
    /// The headers of all HDUs together are longer than in any real file.
    #[error("headers of all HDUs together are longer than {limit} bytes")]
    HeadersTooLong {
        /// The limit, bytes.
        limit: usize,
    },
    /// The tables of a file are larger than in any real reference, so that this one was not read.
    #[error("HDU {hdu}: not read, tables of a file hold at most {bytes} bytes and {cells} cells together")]
    TablesTooLarge {
        /// HDU, counted from 0.
        hdu: usize,
        /// Bytes of all tables that are kept.
        bytes: u64,
        /// Rows times columns of all tables that are kept.
        cells: u64,
    },
    /// More HDUs than any real file has.
    #[error("more than {limit} HDUs")]
    TooManyHdus {
        /// The limit.
        limit: usize,
    },
    /// A structural keyword is missing or senseless.
    #[error("HDU {hdu}: {what}")]
    Structure {
        /// HDU, counted from 0.
        hdu: usize,
        /// What is wrong.
        what: String,
    },
    /// A card that has a value in no valid form.
    #[error("Unparsable card ({keyword}), fix it first with .verify('fix').")]
    Unparsable {
        /// Its keyword.
        keyword: String,
    },
    /// The data that the header promises are not there.
    #[error("HDU {hdu}: the data end after {have} of {want} bytes")]
    Truncated {
        /// HDU, counted from 0.
        hdu: usize,
        /// Bytes that are there.
        have: u64,
        /// Bytes that the header promises.
        want: u64,
    },
    /// The file cannot be read.
    #[error("failed to read `{path}`")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

impl FitsError {
    /// The submitter's next move.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Io { .. } => "check that the file is there and readable",
            Self::HeaderTooLong { .. }
            | Self::HeadersTooLong { .. }
            | Self::TablesTooLarge { .. }
            | Self::TooManyHdus { .. } => "this is not a reference file; submit the file that the team made",
            _ => "check the file with `fitsverify` and submit it again",
        }
    }
}

/// Size of a FITS block, bytes.
const BLOCK: usize = 2880;
/// Length of a card, bytes.
const CARD: usize = 80;

#[cfg(test)]
mod tests;
