//! Loading contexts from a cache directory (RS 1, 4).

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use rayon::prelude::*;

use super::error::RulesError;
use super::rmap::{Rmap, lowered, names, require};
use super::syntax::{self, Mapping, SyntaxError, Value};
use super::tree::Terminal;

/// The mappings of one cache directory, each read and compiled at most once.
#[derive(Debug)]
pub struct Library {
    directory: PathBuf,
    check_sums: bool,
    rmaps: Mutex<HashMap<String, Arc<Loaded<Rmap>>>>,
    imaps: Mutex<HashMap<String, Arc<Loaded<Imap>>>>,
}

/// With fewer imaps than that starting threads costs more time than it saves.
const WORTH_THREADS: usize = 16;

type Loaded<T> = OnceLock<Result<Arc<T>, RulesError>>;

/// An instrument mapping with every rmap below it.
#[derive(Debug)]
pub struct Imap {
    /// File name, without directory.
    pub name: String,
    /// The checksum in its header.
    pub sha1sum: String,
    /// The header as written.
    pub header: Value,
    /// What each type leads to, by lower-case type.
    pub types: BTreeMap<String, TypeEntry>,
    /// The parkeys that the instrument's rmaps and the imap itself need, each once.
    pub keys: Vec<String>,
}

/// What a type of an instrument leads to.
#[derive(Debug, Clone)]
pub enum TypeEntry {
    /// Not applicable: the special text.
    NotApplicable(String),
    /// Left out of results: the special text.
    Omit(String),
    /// Rules.
    Rmap(Arc<Rmap>),
}

impl TypeEntry {
    /// The entry as the imap has it: a special text or the file name of the rmap.
    pub fn name(&self) -> &str {
        match self {
            Self::NotApplicable(text) | Self::Omit(text) => text,
            Self::Rmap(rmap) => &rmap.name,
        }
    }
}

/// What an instrument of a context leads to.
#[derive(Debug)]
pub(super) enum InstrumentEntry {
    /// A special text: every lookup fails.
    Special(String),
    /// An imap, by name.
    Imap(String, Arc<Loaded<Imap>>),
}

/// One context: a pipeline mapping and everything below it, loaded as far as it is used.
#[derive(Debug, Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    library: Arc<Library>,
    name: String,
    sha1sum: String,
    header: Value,
    observatory: String,
    instrument_key: String,
    instruments: BTreeMap<String, InstrumentEntry>,
}

impl Library {
    /// A library over a CRDS cache: mappings lie in `<directory>/mappings/<observatory>`.
    pub fn new(directory: impl Into<PathBuf>) -> Arc<Self> {
        Self::with_checksums(directory, true)
    }

    /// The same, with the choice not to look at checksums.
    pub fn with_checksums(directory: impl Into<PathBuf>, check_sums: bool) -> Arc<Self> {
        Arc::new(Self { directory: directory.into(), check_sums, rmaps: Mutex::default(), imaps: Mutex::default() })
    }

    /// Where a mapping of that name lies: names without directory in the cache, others relative to the working directory.
    pub fn locate(&self, name: &str) -> PathBuf {
        if name.contains('/') {
            return PathBuf::from(name);
        }
        let observatory = name.split(['_', '.']).next().unwrap_or_default();
        self.directory.join("mappings").join(observatory).join(name)
    }

    /// Loads the context of that name; instruments are loaded when first used.
    ///
    /// # Errors
    ///
    /// A pmap that is missing, unreadable, not a pmap or corrupt.
    pub fn context(self: &Arc<Self>, pmap: &str) -> Result<Context, RulesError> {
        let inner = self.parsed(pmap, "pipeline mapping (.pmap)", "pipeline", |name, mapping| {
            require(mapping, &["mapping", "parkey", "name", "derived_from", "observatory"])?;
            let parkey = names(mapping.header_value("parkey"), "parkey")?;
            let instrument_key = parkey.first().ok_or("parkey names no instrument keyword")?.to_uppercase();
            let mut instruments = BTreeMap::new();
            for (key, value) in entries(mapping)? {
                let entry = match Terminal::of(value) {
                    Terminal::File(imap) => {
                        let cell = Arc::clone(self.imaps_locked().entry(imap.clone()).or_default());
                        InstrumentEntry::Imap(imap, cell)
                    }
                    _ => InstrumentEntry::Special(value.to_owned()),
                };
                instruments.insert(key.to_lowercase(), entry);
            }
            Ok(Inner {
                library: Arc::clone(self),
                name: name.to_owned(),
                sha1sum: header_text(mapping, "sha1sum"),
                header: mapping.header.clone().into_owned(),
                observatory: header_text(mapping, "observatory"),
                instrument_key,
                instruments,
            })
        })?;
        Ok(Context { inner: Arc::new(inner) })
    }

    fn imaps_locked(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Loaded<Imap>>>> {
        self.imaps.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn rmap(&self, name: &str) -> Result<Arc<Rmap>, RulesError> {
        let mut rmaps = self.rmaps.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let cell = Arc::clone(rmaps.entry(name.to_owned()).or_default());
        drop(rmaps);
        let load = || self.parsed(name, "reference mapping (.rmap)", "reference", Rmap::compile).map(Arc::new);
        cell.get_or_init(load).clone()
    }

    /// Loads an imap and, one after the other, the rmaps below it that are not loaded yet.
    fn imap(&self, name: &str) -> Result<Arc<Imap>, RulesError> {
        let (mut imap, files) = self.imap_alone(name)?;
        for (key, value) in files {
            let entry = match Terminal::of(&value) {
                Terminal::NotApplicable(text) => TypeEntry::NotApplicable(text),
                Terminal::Omit(text) => TypeEntry::Omit(text),
                _ => TypeEntry::Rmap(self.rmap(&value)?),
            };
            if let TypeEntry::Rmap(rmap) = &entry {
                imap.keys.extend(rmap.required.iter().cloned());
            }
            imap.types.insert(key, entry);
        }
        imap.keys.sort_unstable();
        imap.keys.dedup();
        Ok(Arc::new(imap))
    }

    /// An imap without its rmaps, and what its types lead to.
    fn imap_alone(&self, name: &str) -> Result<(Imap, BTreeMap<String, String>), RulesError> {
        self.parsed(name, "instrument mapping (.imap)", "instrument", |name, mapping| {
            require(mapping, &["mapping", "parkey", "name", "derived_from", "observatory", "instrument"])?;
            let mut keys = names(mapping.header_value("parkey"), "parkey")?;
            keys.extend(names(mapping.header_value("extra_keys"), "extra_keys")?);
            let imap = Imap {
                name: name.to_owned(),
                sha1sum: header_text(mapping, "sha1sum"),
                header: mapping.header.clone().into_owned(),
                types: BTreeMap::new(),
                keys,
            };
            let files = entries(mapping)?.into_iter().map(|(key, value)| (key.to_lowercase(), value.to_owned()));
            Ok((imap, files.collect()))
        })
    }

    /// Loads everything below some contexts, in parallel, each file once. Failures are kept where they belong.
    ///
    /// Rmaps come first and flat: filling one cell never waits for another, which a work-stealing pool would turn into
    /// waiting for oneself.
    pub fn preload<'a>(&self, contexts: impl IntoIterator<Item = &'a Context>) {
        self.preload_some(contexts, |_| true);
    }

    /// The same for some instruments (lower case).
    pub fn preload_some<'a>(&self, contexts: impl IntoIterator<Item = &'a Context>, wanted: impl Fn(&str) -> bool) {
        let mut imaps: Vec<(&str, &Arc<Loaded<Imap>>)> = contexts
            .into_iter()
            .flat_map(|context| &context.inner.instruments)
            .filter(|(name, _)| wanted(name))
            .filter_map(|(_, entry)| match entry {
                InstrumentEntry::Imap(name, cell) if cell.get().is_none() => Some((name.as_str(), cell)),
                _ => None,
            })
            .collect();
        imaps.sort_unstable_by_key(|(name, _)| *name);
        imaps.dedup_by_key(|(name, _)| *name);
        let below = |(name, _): &(&str, _)| {
            let files = self.imap_alone(name).map(|(_, files)| files).unwrap_or_default().into_values();
            files.filter(|file| matches!(Terminal::of(file), Terminal::File(_)))
        };
        let mut rmaps: Vec<String> = if imaps.len() < WORTH_THREADS {
            imaps.iter().flat_map(below).collect()
        } else {
            imaps.par_iter().flat_map_iter(below).collect()
        };
        rmaps.sort_unstable();
        rmaps.dedup();
        if imaps.len() < WORTH_THREADS {
            rmaps.iter().for_each(|name| drop(self.rmap(name)));
        } else {
            rmaps.par_iter().for_each(|name| drop(self.rmap(name)));
        }
        for (name, cell) in imaps {
            cell.get_or_init(|| self.imap(name));
        }
    }

    /// Reads, parses, builds and verifies one file.
    fn parsed<T>(
        &self,
        name: &str,
        expected: &'static str,
        kind: &str,
        build: impl FnOnce(&str, &Mapping<Cow<'_, str>>) -> Result<T, String>,
    ) -> Result<T, RulesError> {
        let path = self.locate(name);
        let bytes =
            std::fs::read(&path).map_err(|source| RulesError::Read { path: path.clone(), source: Arc::new(source) })?;
        let file = path.display().to_string();
        let text = syntax::decode(&bytes, &file)?;
        let mapping = syntax::parse_str(&text, &file)?;
        let base = name.rsplit('/').next().unwrap_or(name);
        // The extension decides the kind; other names are classified by what the header says.
        let own_kind = match base.rsplit('.').next() {
            Some("pmap") => "pipeline".to_owned(),
            Some("imap") => "instrument".to_owned(),
            Some("rmap") => "reference".to_owned(),
            _ => mapping.header_str("mapping").unwrap_or_default().to_lowercase(),
        };
        if own_kind != kind {
            return Err(RulesError::Kind { name: name.to_owned(), expected });
        }
        let built = build(base, &mapping).map_err(|why| RulesError::meaning(&text, &file, why))?;
        if self.check_sums {
            verify(&mapping, &text, base, &file)?;
        }
        Ok(built)
    }
}

fn verify(mapping: &Mapping<Cow<'_, str>>, text: &str, base: &str, file: &str) -> Result<(), RulesError> {
    let fail = |why: String| {
        let line = text.find("sha1sum").map_or(1, |at| SyntaxError::at(text, file, at, "").line);
        Err(RulesError::Checksum { file: file.to_owned(), line, why })
    };
    match mapping.header_value("sha1sum") {
        None => fail(format!("sha1sum is missing in '{base}'")),
        Some(Value::Str(own)) if lowered(own) == syntax::checksum(text) => Ok(()),
        Some(_) => fail(format!("sha1sum mismatch in '{base}'")),
    }
}

fn header_text(mapping: &Mapping<Cow<'_, str>>, key: &str) -> String {
    mapping.header_str(key).map(lowered).unwrap_or_default()
}

/// The entries of a pmap or imap.
fn entries<'a>(mapping: &'a Mapping<Cow<'_, str>>) -> Result<Vec<(&'a str, &'a str)>, String> {
    let Some(items) = mapping.selector.as_dict() else {
        return Err("the selector of a context mapping must be a dictionary".to_owned());
    };
    let pair = |(key, value): &'a (Value<Cow<'_, str>>, Value<Cow<'_, str>>)| Some((key.as_str()?, value.as_str()?));
    items.iter().map(|item| pair(item).ok_or("the selector must map names to file names".to_owned())).collect()
}

impl Context {
    /// Loads a context from a CRDS cache directory (the one that holds `mappings/`).
    ///
    /// # Errors
    ///
    /// A pmap that is missing, unreadable, not a pmap or corrupt. What lies below it is loaded when it is used; see
    /// [`Context::load_all`].
    pub fn load(directory: impl AsRef<Path>, pmap: &str) -> Result<Self, RulesError> {
        Library::new(directory.as_ref()).context(pmap)
    }

    /// The name of the pmap.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The checksum of the pmap.
    pub fn sha1sum(&self) -> &str {
        &self.inner.sha1sum
    }

    /// The header of the pmap, as written.
    pub fn header(&self) -> &Value {
        &self.inner.header
    }

    /// The observatory, lower case.
    pub fn observatory(&self) -> &str {
        &self.inner.observatory
    }

    /// The keyword that names the instrument, upper case.
    pub fn instrument_key(&self) -> &str {
        &self.inner.instrument_key
    }

    /// The library it was loaded from.
    pub fn library(&self) -> &Arc<Library> {
        &self.inner.library
    }

    /// The instruments, lower case, with the imap's name or special text.
    pub fn instruments(&self) -> impl Iterator<Item = (&str, &str)> {
        self.inner.instruments.iter().map(|(name, entry)| match entry {
            InstrumentEntry::Special(text) | InstrumentEntry::Imap(text, _) => (name.as_str(), text.as_str()),
        })
    }

    /// The imap of an instrument (lower case): nothing where the context does not have it or has a special text.
    ///
    /// # Errors
    ///
    /// The first file below it that cannot be used.
    pub fn imap(&self, instrument: &str) -> Option<Result<Arc<Imap>, RulesError>> {
        match self.inner.instruments.get(instrument)? {
            InstrumentEntry::Special(_) => None,
            InstrumentEntry::Imap(name, cell) => Some(cell.get_or_init(|| self.inner.library.imap(name)).clone()),
        }
    }

    /// Loads everything below, in parallel.
    ///
    /// # Errors
    ///
    /// Every instrument that cannot be used, with the reason.
    pub fn load_all(&self) -> Result<(), Vec<(String, RulesError)>> {
        self.inner.library.preload([self]);
        let failed = |name: &String| Some((name.clone(), self.imap(name)?.err()?));
        let bad: Vec<(String, RulesError)> = self.inner.instruments.keys().filter_map(failed).collect();
        if bad.is_empty() { Ok(()) } else { Err(bad) }
    }
}
