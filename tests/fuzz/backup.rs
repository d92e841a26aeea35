//! The modules of `src/backup` that read bytes and nothing else, by path.

#[path = "../../src/backup/dump.rs"]
pub mod dump;
#[path = "../../src/backup/gzip.rs"]
pub mod gzip;
#[path = "../../src/backup/manifest.rs"]
pub mod manifest;
#[path = "../../src/backup/set.rs"]
pub mod set;
