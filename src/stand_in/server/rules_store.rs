//! The mappings in the server's cache directory, parsed once as long as their files do not change.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use crate::rules::syntax::{self, Mapping, Value};

/// Entries that name no file (RS 4).
const SPECIAL: [&str; 7] = ["N/A", "TEMP_N/A", "n/a", "temp_n/a", "OMIT", "TEMP_OMIT", "omit"];

/// Why a mapping is not to be had, in the words of the client's loader.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LoadError(pub String);

/// A parsed mapping and what its selector refers to.
#[derive(Debug)]
pub struct Loaded {
    /// Base name.
    pub name: String,
    /// The parsed text.
    pub mapping: Mapping,
    /// Keys and values of a pmap's or imap's selector, values as written (special ones included); empty for rmaps.
    pub entries: Vec<(String, String)>,
    /// Files that an rmap's selector names, sorted, each once; empty for pmaps and imaps.
    pub references: BTreeSet<String>,
}

impl Loaded {
    /// Parses a mapping that need not lie in the cache.
    ///
    /// # Errors
    ///
    /// The text that the client's loader gives for a malformed one.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, LoadError> {
        parse(name, bytes)
    }

    /// Mappings directly below, in order of the selector.
    pub fn children(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(_, v)| v.as_str()).filter(|v| !is_special(v))
    }

    /// A header value as the client reads it: lower-cased unless wrapped in parentheses (RS 3).
    pub fn header(&self, key: &str) -> Option<String> {
        let text = self.mapping.header_str(key)?;
        Some(if text.starts_with('(') && text.ends_with(')') { text.to_owned() } else { text.to_lowercase() })
    }
}

/// Whether a selector's value names no file.
pub fn is_special(value: &str) -> bool {
    SPECIAL.contains(&value)
}

/// Identity of a file's contents as far as `stat` tells.
type Stamp = (u64, u64, i64, i64);

/// The store. Cheap to ask again: a file is parsed anew only if `stat` shows another one.
#[derive(Debug)]
pub struct RulesStore {
    dir: PathBuf,
    loaded: Mutex<HashMap<String, (Stamp, Arc<Loaded>)>>,
}

impl RulesStore {
    /// The mappings in `dir`.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), loaded: Mutex::default() }
    }

    /// Where a mapping lies; only the base name counts.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name.rsplit('/').next().unwrap_or(name))
    }

    /// Loads a mapping.
    ///
    /// # Errors
    ///
    /// The text that the client's loader gives for a file that is missing or malformed.
    pub fn load(&self, name: &str) -> Result<Arc<Loaded>, LoadError> {
        let path = self.path(name);
        let meta = fs::metadata(&path).map_err(|err| LoadError(os_error(&err, &path)))?;
        let stamp = (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec());
        if let Some((at, loaded)) = self.loaded.lock().unwrap_or_else(PoisonError::into_inner).get(name)
            && *at == stamp
        {
            return Ok(Arc::clone(loaded));
        }
        let bytes = fs::read(&path).map_err(|err| LoadError(os_error(&err, &path)))?;
        let loaded = Arc::new(parse(name, &bytes)?);
        self.loaded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), (stamp, Arc::clone(&loaded)));
        Ok(loaded)
    }

    /// A value of a mapping's header, as [`Loaded::header`] gives it, without reading the rules below the header: there may
    /// be megabytes of them. `None` if the file is not there, does not parse or has no such value.
    pub fn header(&self, name: &str, key: &str) -> Option<String> {
        let bytes = fs::read(self.path(name)).ok()?;
        let end = memchr::memmem::find(&bytes, b"\nselector = ").unwrap_or(bytes.len());
        let head = [&bytes[..end], b"\nselector = {}\n"].concat();
        match parse(name, &head) {
            Ok(loaded) => loaded.header(key),
            Err(_) => self.load(name).ok()?.header(key),
        }
    }

    /// Text of a mapping; `None` if it cannot be read.
    pub fn text(&self, name: &str) -> Option<String> {
        fs::read(self.path(name)).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The mapping and everything below it, sorted.
    ///
    /// # Errors
    ///
    /// The first mapping that does not load.
    pub fn closure(&self, name: &str) -> Result<BTreeSet<String>, LoadError> {
        let mut names = BTreeSet::new();
        let mut left = vec![name.to_owned()];
        while let Some(next) = left.pop() {
            if names.insert(next.clone()) {
                left.extend(self.load(&next)?.children().map(base_name));
            }
        }
        Ok(names)
    }

    /// References below a mapping, sorted, special values left out.
    ///
    /// # Errors
    ///
    /// The first mapping that does not load.
    pub fn references(&self, name: &str) -> Result<BTreeSet<String>, LoadError> {
        let mut out = BTreeSet::new();
        for mapping in self.closure(name)? {
            out.extend(self.load(&mapping)?.references.iter().cloned());
        }
        Ok(out)
    }

    /// Names of all mapping files in the directory, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.dir)
            .map(|dir| dir.flatten().filter_map(|e| e.file_name().into_string().ok()).collect())
            .unwrap_or_default();
        names.retain(|n| is_mapping_name(n));
        names.sort();
        names
    }

    /// Every mapping that reaches `file`, the file itself left out, sorted. Mappings that do not load reach nothing.
    pub fn uses(&self, file: &str) -> BTreeSet<String> {
        let mut parents: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in self.names() {
            if let Ok(loaded) = self.load(&name) {
                for child in loaded.children().map(base_name).chain(loaded.references.iter().cloned()) {
                    parents.entry(child).or_default().push(name.clone());
                }
            }
        }
        let mut found = BTreeSet::new();
        let mut left = vec![file.to_owned()];
        while let Some(next) = left.pop() {
            for parent in parents.get(&next).into_iter().flatten() {
                if found.insert(parent.clone()) {
                    left.push(parent.clone());
                }
            }
        }
        found
    }
}

/// Whether a name ends as mappings do.
pub fn is_mapping_name(name: &str) -> bool {
    [".pmap", ".imap", ".rmap"].iter().any(|e| name.ends_with(e))
}

fn base_name(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_owned()
}

/// Python's text of an `OSError`.
pub fn os_error(err: &std::io::Error, path: &Path) -> String {
    let code = err.raw_os_error().unwrap_or(2);
    let words = match code {
        2 => "No such file or directory".to_owned(),
        13 => "Permission denied".to_owned(),
        21 => "Is a directory".to_owned(),
        _ => err.to_string(),
    };
    format!("[Errno {code}] {words}: {}", super::python::repr(&path.display().to_string()))
}

fn parse(name: &str, bytes: &[u8]) -> Result<Loaded, LoadError> {
    let fail = |why: String| LoadError(format!("Can't load file {name} : {why}"));
    let mapping = syntax::parse(bytes, name).map_err(|err| fail(err.to_string()))?;
    let mut entries = Vec::new();
    let mut references = BTreeSet::new();
    match &mapping.selector {
        Value::Dict(items) => {
            for (key, value) in items {
                if let (Some(key), Some(value)) = (key.as_str(), value.as_str()) {
                    entries.push((key.to_owned(), value.to_owned()));
                }
            }
        }
        Value::Call(call) => call.dict.iter().for_each(|(_, value)| collect(value, &mut references)),
        _ => return Err(fail("selector must be a dict or a Selector.".to_owned())),
    }
    Ok(Loaded { name: name.to_owned(), mapping, entries, references })
}

fn collect(value: &Value, out: &mut BTreeSet<String>) {
    match value {
        Value::Str(text) if !is_special(text) => drop(out.insert(text.clone())),
        Value::Tuple(items) | Value::List(items) => items.iter().for_each(|v| collect(v, out)),
        Value::Dict(items) => items.iter().for_each(|(_, v)| collect(v, out)),
        Value::Call(call) => call.dict.iter().for_each(|(_, v)| collect(v, out)),
        _ => {}
    }
}
