//! The mappings in the server's cache directory, parsed once as long as their files do not change.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
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
    /// Why the client's library would not take it although it parses; worked out when first asked for.
    fault: OnceLock<Option<String>>,
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

    /// Loads a mapping and looks at it as the client's library does on loading: its required header keys (RS 3), then its
    /// checksum (RS 2.1).
    ///
    /// # Errors
    ///
    /// As [`RulesStore::load`]; also a header key or a checksum that is missing, and a checksum that does not fit.
    pub fn load_sound(&self, name: &str) -> Result<Arc<Loaded>, LoadError> {
        let loaded = self.load(name)?;
        let fault = loaded.fault.get_or_init(|| fault(&loaded, &self.text(name).unwrap_or_default()));
        match fault {
            Some(why) => Err(LoadError(why.clone())),
            None => Ok(loaded),
        }
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
        below(name, |name| self.load(name))
    }

    /// The same, every mapping loaded as by [`RulesStore::load_sound`].
    ///
    /// # Errors
    ///
    /// The first mapping that does not load or that the client's library would not take.
    pub fn sound_closure(&self, name: &str) -> Result<BTreeSet<String>, LoadError> {
        below(name, |name| self.load_sound(name))
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

/// The mapping and everything below it, sorted, each loaded by `load`.
fn below(name: &str, load: impl Fn(&str) -> Result<Arc<Loaded>, LoadError>) -> Result<BTreeSet<String>, LoadError> {
    let mut names = BTreeSet::new();
    let mut left = vec![name.to_owned()];
    while let Some(next) = left.pop() {
        if names.insert(next.clone()) {
            left.extend(load(&next)?.children().map(base_name));
        }
    }
    Ok(names)
}

/// Why the client's library would not take a mapping that parses, in its words: the first required header key that is
/// missing (RS 3), else what is wrong with its checksum (RS 2.1).
fn fault(loaded: &Loaded, text: &str) -> Option<String> {
    let keys: &[&str] = match loaded.name.rsplit('.').next() {
        Some("rmap") => &["parkey", "mapping", "name", "derived_from", "observatory", "instrument", "filekind"],
        Some("imap") => &["mapping", "parkey", "name", "derived_from", "observatory", "instrument"],
        _ => &["mapping", "parkey", "name", "derived_from", "observatory"],
    };
    if let Some(missing) = keys.iter().find(|key| loaded.mapping.header_value(key).is_none()) {
        return Some(format!("Required header key '{missing}' is missing."));
    }
    let name = super::python::repr(&base_name(&loaded.name));
    match loaded.header("sha1sum") {
        None if loaded.mapping.header_value("sha1sum").is_none() => Some(format!("sha1sum is missing in {name}")),
        Some(own) if own == syntax::checksum(text) => None,
        _ => Some(format!("sha1sum mismatch in {name}")),
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
    format!("{}: {}", os_words(err), super::python::repr(&path.display().to_string()))
}

/// The same without the file that it is about.
pub fn os_words(err: &std::io::Error) -> String {
    let code = err.raw_os_error().unwrap_or(2);
    let words = match code {
        2 => "No such file or directory".to_owned(),
        13 => "Permission denied".to_owned(),
        17 => "File exists".to_owned(),
        18 => "Invalid cross-device link".to_owned(),
        21 => "Is a directory".to_owned(),
        _ => err.to_string(),
    };
    format!("[Errno {code}] {words}")
}

fn parse(name: &str, bytes: &[u8]) -> Result<Loaded, LoadError> {
    let fail = |why: String| LoadError(format!("Can't load file {name} : {why}"));
    let mapping = syntax::parse(bytes, name).map_err(|err| LoadError(unparsed(name, bytes, &err)))?;
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
    Ok(Loaded { name: name.to_owned(), mapping, entries, references, fault: OnceLock::new() })
}

/// The client's words for a text that is no mapping, as far as they are known.
pub fn unparsed(name: &str, bytes: &[u8], error: &syntax::SyntaxError) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().nth(error.line.saturating_sub(1)).unwrap_or_default();
    let assigns =
        line.split_once('=').is_some_and(|(word, _)| word.trim_end().chars().all(|c| c.is_alphanumeric() || c == '_'));
    let missing =
        ["header", "selector"].into_iter().find(|word| error.what.starts_with(&format!("there is no `{word} =")));
    let why = match missing {
        Some(word) => super::python::repr(word),
        None if assigns && error.what.starts_with("expected `header`, `comment` or `selector`") => {
            format!("Only define 'header' or 'selector' or 'comment' sections at line {}", error.line)
        }
        None => crate::stand_in::derive::told(&text, &syntax::SyntaxError { file: name.to_owned(), ..error.clone() }),
    };
    format!("Can't load file {name} : {why}")
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
