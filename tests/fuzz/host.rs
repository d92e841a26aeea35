//! What the manifest of a listing needs of `src/host`.

/// What an entry is.
#[derive(PartialEq)]
pub enum EntryKind {
    /// Plain file.
    File,
    /// Directory.
    Directory,
    /// Symbolic link.
    Link,
    /// Anything else.
    Other,
}

/// The fields of an entry that a manifest has.
pub struct Entry {
    pub path: String,
    pub kind: EntryKind,
    pub mode: u32,
    pub size: u64,
    pub mtime: f64,
    pub links: u64,
    pub inode: u64,
    pub device: u64,
    pub target: String,
}
