//! Best references as the server computes them, with `rules`.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Map, Value};

use super::{Server, python::repr};
use crate::rules::{
    Best, Context, DatasetError, Header, HeaderValue, Library, Lookup, RulesError, condition_value, syntax,
};

/// Compiled contexts and what they have worked out, as long as no mapping comes or goes.
#[derive(Debug, Default)]
pub struct Engine(Mutex<Option<Warm>>);

struct Warm {
    stamp: (u64, i64, i64),
    library: Arc<Library>,
    contexts: HashMap<String, Entry>,
    lookup: Lookup,
}

impl std::fmt::Debug for Warm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Warm").field("contexts", &self.contexts.keys()).finish_non_exhaustive()
    }
}

/// A context of any kind, wrapped so that it is a pmap.
#[derive(Debug, Clone)]
struct Entry {
    context: Context,
    /// Set for an imap and an rmap: the header's own instrument is not looked at.
    instrument: Option<String>,
    /// Set for an rmap: the only type that it serves.
    filekind: Option<String>,
}

impl Server {
    /// Best references of a header under a pmap, imap or rmap; types in lower case, none = all.
    ///
    /// # Errors
    ///
    /// The text with which the whole dataset fails.
    pub fn best_references(
        &self,
        context: &str,
        header: &[(String, String)],
        types: &[String],
    ) -> Result<Map<String, Value>, String> {
        let dir = &self.config.dirs.mappings;
        let meta = fs::metadata(dir).map_err(|err| super::rules_store::os_error(&err, dir))?;
        let stamp = (meta.ino(), meta.mtime(), meta.mtime_nsec());
        let mut guard = self.engine.0.lock().unwrap_or_else(PoisonError::into_inner);
        if guard.as_ref().is_none_or(|warm| warm.stamp != stamp) {
            // The library finds mappings as `<root>/mappings/<observatory>/<name>`.
            let root = dir.parent().and_then(std::path::Path::parent).unwrap_or(dir);
            let lookup = if self.dialect().older_library { Lookup::of_older_library() } else { Lookup::new() };
            *guard = Some(Warm { stamp, library: Library::new(root), contexts: HashMap::new(), lookup });
        }
        let Some(warm) = guard.as_mut() else { return Err("no rules".to_owned()) };
        let entry = match warm.contexts.get(context) {
            Some(entry) => entry.clone(),
            None => {
                let entry = self.open_context(&warm.library, context)?;
                warm.contexts.insert(context.to_owned(), entry.clone());
                entry
            }
        };
        // An rmap answers for its own type only, and wants it to be asked for.
        let own: Vec<String> = entry.filekind.iter().cloned().collect();
        let types = match own.first() {
            Some(kind) if !types.contains(kind) => {
                return Err(format!(
                    "ReferenceMapping {} can only compute bestrefs for type {} not {}",
                    repr(context),
                    repr(kind),
                    super::python::repr_list(types)
                ));
            }
            Some(_) => own.as_slice(),
            None => types,
        };
        let header = self.prepared(&entry, context, header)?;
        let found = warm.lookup.best_references(&entry.context, &header, Some(types)).map_err(|err| told(&err))?;
        Ok(found.into_iter().map(|(name, best)| (name, shown(&best))).collect())
    }

    /// A context as a pmap: imaps and rmaps get made-up mappings above them.
    fn open_context(&self, library: &Arc<Library>, name: &str) -> Result<Entry, String> {
        let context = |pmap: &str| library.context(pmap).map_err(|err| load_text(&err));
        if name.ends_with(".pmap") {
            return Ok(Entry { context: context(name)?, instrument: None, filekind: None });
        }
        let loaded = self.rules.load_sound(name).map_err(|err| err.to_string())?;
        let instrument = loaded.header("instrument").unwrap_or_default();
        let filekind = loaded.header("filekind").unwrap_or_default();
        let obs = &self.config.observatory;
        let (key, type_key) = match obs.as_str() {
            "hst" => ("INSTRUME", "REFTYPE"),
            "jwst" => ("META.INSTRUMENT.NAME", "META.REFTYPE"),
            _ => ("ROMAN.META.INSTRUMENT.NAME", "ROMAN.META.REFTYPE"),
        };
        let scratch = tempfile::tempdir().map_err(|err| err.to_string())?;
        let write = |kind: &str, file: &str, parkey: &str, extra: &str, entry: (&str, &str)| {
            let text = format!(
                "header = {{\n    'derived_from' : 'none',\n{extra}    'mapping' : '{kind}',\n    'name' : '{file}',\n    \
                 'observatory' : '{obs}',\n    'parkey' : ('{parkey}',),\n    'sha1sum' : '@',\n}}\n\n\
                 selector = {{\n    '{}' : '{}',\n}}\n",
                entry.0, entry.1
            );
            let text = text.replace("'@'", &format!("'{}'", syntax::checksum(&text)));
            let path = scratch.path().join(file);
            fs::write(&path, text).map_err(|err| super::rules_store::os_error(&err, &path))?;
            Ok::<String, String>(path.display().to_string())
        };
        let own_instrument = format!("    'instrument' : '{instrument}',\n");
        let imap = if name.ends_with(".rmap") {
            write("instrument", "above.imap", type_key, &own_instrument, (&filekind, name))?
        } else {
            name.to_owned()
        };
        let pmap = write("pipeline", "above.pmap", key, "", (&instrument.to_uppercase(), &imap))?;
        let context = context(&pmap)?;
        // Loaded now, because the scratch directory goes with this call.
        library.preload([&context]);
        Ok(Entry { context, instrument: Some(instrument), filekind: name.ends_with(".rmap").then_some(filekind) })
    }

    /// The header with keywords in upper case and the instrument that the rules would see (RS 6).
    fn prepared(&self, entry: &Entry, context: &str, header: &[(String, String)]) -> Result<Header, String> {
        let dialect = self.dialect();
        let mut upper = Header::new();
        for (key, value) in header {
            let name = key.to_uppercase();
            // 2014 minimises first, so spellings in mixed case are not found, and the lower-case one comes first.
            let seen = if dialect.minimises_first {
                *key == key.to_lowercase() || (*key == name && !header.iter().any(|(k, _)| *k == name.to_lowercase()))
            } else {
                true
            };
            if seen {
                upper.set(&name, HeaderValue::Text(value.clone()));
            }
        }
        let own_key = entry.context.instrument_key().to_uppercase();
        if let Some(instrument) = &entry.instrument {
            upper.set(&own_key, HeaderValue::Text(instrument.to_uppercase()));
            upper.set("INSTRUME", HeaderValue::Text(instrument.to_uppercase()));
            return Ok(upper);
        }
        let missing = || format!("Missing '{own_key}' keyword in header{}", dialect.missing_instrument);
        let named = |key: &str| {
            let value = upper.get(key)?.text()?;
            let value = condition_value(value).into_owned();
            (value != "UNDEFINED").then_some(value)
        };
        let value = named(&own_key)
            .or_else(|| dialect.instrument_keywords.iter().find_map(|key| named(key)))
            .ok_or_else(missing)?;
        let instrument = match value.to_lowercase().as_str() {
            "wfii" => "wfpc2".to_owned(),
            other => other.to_owned(),
        };
        if !entry.context.instruments().any(|(name, _)| *name == instrument) {
            return Err(format!("Unknown instrument {} for context {}", repr(&instrument), repr(context)));
        }
        // Minimising drops all keywords but the rules' own, so another name of the instrument does not survive it. JWST's
        // INSTRUME is translated into the own keyword before.
        let translated = self.config.observatory == "jwst" && named("INSTRUME").is_some();
        if named(&own_key).is_none() && !translated {
            return Err(missing());
        }
        upper.set(&own_key, HeaderValue::Text(instrument.to_uppercase()));
        upper.set("INSTRUME", HeaderValue::Text(instrument.to_uppercase()));
        Ok(upper)
    }
}

/// A best reference as JSON.
fn shown(best: &Best) -> Value {
    best.to_json()
}

fn told(err: &DatasetError) -> String {
    match err {
        DatasetError::SpecialInstrument { .. } => "'str' object has no attribute 'get_required_parkeys'".to_owned(),
        DatasetError::Rules { error } => load_text(error),
        other => other.to_string(),
    }
}

/// The loader's error in the client's words, as far as they are known.
fn load_text(err: &RulesError) -> String {
    match err {
        RulesError::Read { path, source } => super::rules_store::os_error(source, path),
        RulesError::Checksum { why, .. } => why.clone(),
        RulesError::Syntax(error) => {
            let bytes = fs::read(&error.file).unwrap_or_default();
            super::rules_store::unparsed(base_name(&error.file), &bytes, error)
        }
        RulesError::Meaning { why, .. } if why.starts_with("Required header key ") => why.clone(),
        RulesError::Meaning { file, why, .. } => format!("Can't load file {} : {why}", base_name(file)),
        other => other.to_string(),
    }
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
