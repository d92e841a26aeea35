//! Archives of a server: making, listing, restoring and comparing them.
//!
//! A backup counts once it was restored elsewhere and compared (design, promise 7). What is judged here are bytes that
//! were fetched before: every function but those of [`Archive`] is pure.

mod archive;
mod dump;
mod gzip;
mod manifest;
mod set;
mod tables;

pub use archive::{Archive, ArchiveError, MANIFEST_EXTENSION, TreeSpec, restore};
pub use dump::{Dump, DumpError, DumpFacts, first_difference, made_otherwise, structure};
pub use gzip::{GzipError, MAX_UNPACKED, member_hashes, members, unpack};
pub use manifest::{Difference, Kind, Manifest, ManifestError, Member};
pub use set::{DeliveriesList, SetFacts, deliveries_list, tag_time};
pub use tables::{TableDifference, compare_tables};
