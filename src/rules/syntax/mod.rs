//! The text of a mapping: strict parser, checksum (RS 2).
//!
//! A mapping is a tiny subset of Python: two or three assignments of literals. [`parse`] turns the text into a tree of
//! [`Value`]s that keeps everything a rewrite needs (order, duplicates, the source text of numbers); anything outside
//! the subset is refused with file, line and column.

mod checksum;
mod error;
mod lex;
mod parse;
mod value;
mod write;

pub use checksum::{checksum, checksum_of_lines, line_chunks};
pub use error::SyntaxError;
pub use parse::{Mapping, decode, parse, parse_str};
pub use value::{Call, Selector, Value};
pub use write::{KeyOrder, write};
