//! Words that the pages offer: extensions, actions (WP 1.4, 3.10, 4.4).

/// Actions of the audit log (WP 4.4).
pub const ACTIONS: &[&str] = &[
    "mass import",
    "submit file",
    "blacklist",
    "new context",
    "batch submit",
    "set default context",
    "delete references",
    "add references",
    "add_files tool",
];

/// Extensions that a search may name: `.pmap` first, then `*`, then the others sorted (WP 3.10).
pub fn extensions(observatory: &str) -> &'static [&'static str] {
    match observatory {
        "hst" => &[
            ".pmap", "*", ".cat", ".fits", ".imap", ".r0d", ".r0h", ".r1d", ".r1h", ".r2d", ".r2h", ".r3d", ".r3h",
            ".r4d", ".r4h", ".r5d", ".r5h", ".r6d", ".r6h", ".r7d", ".r7h", ".r8d", ".r8h", ".r9d", ".r9h", ".rmap",
            ".text", ".txt",
        ],
        _ => &[".pmap", "*", ".asdf", ".cat", ".fits", ".imap", ".json", ".rmap", ".text", ".txt", ".yaml"],
    }
}
