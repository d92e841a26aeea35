//! What the tools read in rules: the closure of a context and the references it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::rules::syntax::{self, Value};

/// Why a mapping could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// The file is not there or cannot be read.
    #[error("[Errno {}] {}: '{}'", source.raw_os_error().unwrap_or(2), errno(source), path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no mapping.
    #[error("Can't load file '{}': {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where it goes wrong.
        source: syntax::SyntaxError,
    },
    /// Its own checksum does not fit.
    #[error("Checksum error in rmap '{0}' : expected '{1}'")]
    Checksum(String, String),
}

fn errno(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// One loaded mapping: what it names.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// Mappings.
    pub mappings: BTreeSet<String>,
    /// References; special values are left out.
    pub references: BTreeSet<String>,
}

/// Mappings read from one directory, each once.
#[derive(Debug)]
pub struct Rules {
    dir: PathBuf,
    loaded: BTreeMap<String, Named>,
}

impl Rules {
    /// Rules in `dir` (`.../mappings/<obs>`).
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), loaded: BTreeMap::new() }
    }

    /// What one mapping names.
    ///
    /// # Errors
    ///
    /// If it cannot be read, is malformed, or its checksum is wrong.
    pub fn mapping(&mut self, name: &str) -> Result<&Named, RulesError> {
        if !self.loaded.contains_key(name) {
            let path = self.dir.join(name);
            let bytes = fs::read(&path).map_err(|source| RulesError::Read { path: path.clone(), source })?;
            let mapping =
                syntax::parse(&bytes, name).map_err(|source| RulesError::Parse { path: path.clone(), source })?;
            let text = String::from_utf8_lossy(&bytes);
            if let Some(stated) = mapping.header_str("sha1sum")
                && syntax::checksum(&text) != stated
            {
                return Err(RulesError::Checksum(name.to_owned(), stated.to_owned()));
            }
            let mut named = Named::default();
            collect(&mapping.selector, &mut named);
            self.loaded.insert(name.to_owned(), named);
        }
        Ok(&self.loaded[name])
    }

    /// Names of all mappings that `name` reaches, itself included.
    ///
    /// # Errors
    ///
    /// As [`Rules::mapping`], for the first that fails.
    pub fn closure(&mut self, name: &str) -> Result<BTreeSet<String>, RulesError> {
        let mut found = BTreeSet::new();
        let mut todo = vec![name.to_owned()];
        while let Some(next) = todo.pop() {
            if found.insert(next.clone()) {
                todo.extend(self.mapping(&next)?.mappings.iter().cloned());
            }
        }
        Ok(found)
    }

    /// The references that `name` and what it reaches select, with the data halves of GEIS pairs.
    ///
    /// # Errors
    ///
    /// As [`Rules::mapping`].
    pub fn references(&mut self, name: &str) -> Result<BTreeSet<String>, RulesError> {
        let mut found = BTreeSet::new();
        for mapping in self.closure(name)? {
            for reference in &self.mapping(&mapping)?.references {
                found.extend(geis_data(reference));
                found.insert(reference.clone());
            }
        }
        Ok(found)
    }
}

/// The data half of a GEIS header's name.
pub fn geis_data(name: &str) -> Option<String> {
    let (stem, extension) = name.rsplit_once('.')?;
    let digit = extension.strip_prefix('r')?.strip_suffix('h')?;
    (digit.len() == 1 && digit.chars().all(|c| c.is_ascii_digit())).then(|| format!("{stem}.r{digit}d"))
}

fn collect(value: &Value, named: &mut Named) {
    match value {
        Value::Str(text) => {
            let lower = text.to_ascii_lowercase();
            if lower.ends_with("map") && text.contains('.') {
                named.mappings.insert(text.clone());
            } else if !matches!(lower.as_str(), "n/a" | "omit") && !lower.starts_with("not found") && text.contains('.')
            {
                named.references.insert(lower);
            }
        }
        Value::Tuple(items) | Value::List(items) => items.iter().for_each(|item| collect(item, named)),
        Value::Dict(items) => items.iter().for_each(|(_, item)| collect(item, named)),
        Value::Call(call) => call.dict.iter().for_each(|(_, item)| collect(item, named)),
        _ => {}
    }
}

/// The SHA-1 of bytes, hexadecimal.
pub fn sha1(bytes: &[u8]) -> String {
    use sha1::{Digest, Sha1};
    use std::fmt::Write;
    Sha1::digest(bytes).iter().fold(String::with_capacity(40), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether a name is a mapping's.
pub fn is_mapping(name: &str) -> bool {
    [".pmap", ".imap", ".rmap"].iter().any(|extension| name.ends_with(extension))
}
