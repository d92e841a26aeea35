//! Where the real rules and the golden answers are, and how to unpack them.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The folder beside the repository that holds public rules and recorded answers, unless `CRDS_UPGRADE_DATA` names one.
fn shared() -> PathBuf {
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("run under cargo or nextest");
    std::env::var_os("CRDS_UPGRADE_DATA").map_or_else(|| Path::new(&root).join("../shared"), PathBuf::from)
}

/// A folder of the shared data, or nothing (said loudly) where it is absent.
pub fn folder(name: &str) -> Option<PathBuf> {
    let path = shared().join(name);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("!!! NOT TESTED: `{}` is absent, so nothing is compared with real rules", path.display());
    None
}

/// The real rules, unpacked once under `target/`, as a CRDS cache directory.
pub fn cache() -> Option<&'static Path> {
    static CACHE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let unpack = || {
        let archive = folder("crds-cache")?.join("crds-cache.tar.zst");
        let root = std::env::var("CARGO_MANIFEST_DIR").expect("run under cargo or nextest");
        let bytes = std::fs::read(&archive).unwrap_or_else(|why| panic!("`{}`: {why}", archive.display()));
        let target = Path::new(&root).join("target/real-rules").join(&blake3::hash(&bytes).to_hex()[..16]);
        if !target.join("done").exists() {
            // Several test processes may come here at once: each unpacks for itself, the first to rename wins.
            std::fs::create_dir_all(target.parent().expect("has a parent")).expect("target is writable");
            let own = tempfile::tempdir_in(target.parent().expect("has a parent")).expect("target is writable");
            let plain = zstd::decode_all(bytes.as_slice()).expect("zstd");
            tar::Archive::new(plain.as_slice()).unpack(own.path()).expect("tar");
            std::fs::write(own.path().join("done"), "").expect("target is writable");
            if std::fs::rename(own.path(), &target).is_ok() {
                // The directory has moved away under its name; nothing is left to clean up.
                let _ = own.keep();
            }
        }
        find_cache(&target)
    };
    CACHE.get_or_init(unpack).as_deref()
}

/// The directory below `root` that holds `mappings/`.
fn find_cache(root: &Path) -> Option<PathBuf> {
    if root.join("mappings").is_dir() {
        return Some(root.to_owned());
    }
    let mut below = std::fs::read_dir(root).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    below.find(|path| path.join("mappings").is_dir())
}

/// The decompressed text of a `.zst` file.
pub fn text(path: &Path) -> String {
    let file = std::fs::File::open(path).unwrap_or_else(|why| panic!("`{}`: {why}", path.display()));
    let mut text = String::new();
    zstd::Decoder::new(file).expect("zstd").read_to_string(&mut text).expect("UTF-8");
    text
}

/// The names `<old>_<new>` of the golden pairs, such as `hst_0253_0254`.
pub fn golden_pairs(folder: &Path) -> Vec<String> {
    let names =
        std::fs::read_dir(folder).expect("readable").filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut pairs: Vec<String> =
        names.filter_map(|name| name.strip_suffix(".headers.json.zst").map(str::to_owned)).collect();
    pairs.sort();
    pairs
}
