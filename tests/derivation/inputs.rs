//! The public rules and the recorded cases, if they are at hand.
//!
//! They lie beside the project and are no part of it. Where they are missing the tests say so loudly and check nothing.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The directory beside the project that holds rules and recorded cases.
fn shared() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("run under cargo or nextest")).join("../shared")
}

/// Recorded cases of one kind, decompressed.
pub fn cases(name: &str) -> Option<String> {
    let path = shared().join(format!("rules-data/derivation/{name}.jsonl.zst"));
    let file = std::fs::File::open(&path).map_err(|error| absent(&path, &error)).ok()?;
    Some(std::io::read_to_string(zstd::Decoder::new(file).expect("a zstd stream")).expect("recorded cases are text"))
}

/// A golden answer of the client; `None`, with a note, without the dossiers.
pub fn golden(name: &str) -> Option<String> {
    let path = shared().join(format!("rules-data/golden/{name}.zst"));
    let file = std::fs::File::open(&path).map_err(|error| absent(&path, &error)).ok()?;
    Some(std::io::read_to_string(zstd::Decoder::new(file).expect("a zstd stream")).expect("golden answers are text"))
}

fn absent(path: &Path, error: &std::io::Error) {
    eprintln!(
        "NOT TESTED: `{}` is not at hand ({error}); derivation is not compared with the real client",
        path.display()
    );
}

/// The cache with the real rules, unpacked once into the build directory.
pub fn cache() -> Option<&'static Path> {
    static CACHE: OnceLock<Option<PathBuf>> = OnceLock::new();
    CACHE.get_or_init(unpack).as_deref()
}

fn unpack() -> Option<PathBuf> {
    let archives =
        [shared().join("crds-cache/crds-cache.tar.zst"), shared().join("rules-data/derivation/inputs.tar.zst")];
    for archive in &archives {
        if let Err(error) = std::fs::metadata(archive) {
            absent(archive, &error);
            return None;
        }
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("derivation-cache");
    if target.join("complete").is_file() {
        return Some(target);
    }
    // Tests run as processes of their own: each unpacks for itself, the first to finish gives the directory its name.
    let mine = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("derivation-cache-{}", std::process::id()));
    std::fs::create_dir_all(&mine).expect("the build directory is writable");
    for archive in &archives {
        let file = std::fs::File::open(archive).expect("it was there a moment ago");
        tar::Archive::new(zstd::Decoder::new(file).expect("a zstd stream"))
            .unpack(&mine)
            .expect("a tar archive of rules");
    }
    let root = find_mappings(&mine).expect("the archive holds a `mappings` directory");
    std::fs::write(root.join("complete"), b"").expect("the build directory is writable");
    if std::fs::rename(&root, &target).is_err() {
        assert!(target.join("complete").is_file(), "another test unpacked the rules");
    }
    let _ = std::fs::remove_dir_all(&mine);
    Some(target)
}

/// The directory below which `mappings` lies; the archive may wrap it.
fn find_mappings(root: &Path) -> Option<PathBuf> {
    if root.join("mappings/hst/hst_0279.pmap").is_file() {
        return Some(root.to_owned());
    }
    std::fs::read_dir(root).ok()?.flatten().find_map(|entry| find_mappings(&entry.path()))
}
