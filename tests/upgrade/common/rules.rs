//! A copy of the server's rules on the operator's side, fetched from the host and proven against its catalogue.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crds_upgrade::crds::{Row, Server};
use crds_upgrade::host::{Limit, Script, Shell};
use crds_upgrade::rules::{Context, Library, syntax};
use crds_upgrade::run::{Step, StepError};
use sha1::{Digest as _, Sha1};

/// Packs files of one directory; the names are arguments.
const PACK: Script =
    Script { name: "pack mappings", shell: Shell::Sh, text: "cd \"$1\" && shift && tar -cf - -- \"$@\"" };

/// The rules of one server as far as they were needed.
pub struct Rules {
    root: PathBuf,
    directory: PathBuf,
}

impl Rules {
    /// The copy kept in this run's folder.
    pub fn of_run(s: &Step) -> Result<Self, StepError> {
        let root = s.folder().join("states").join("rules");
        let directory = root.join("mappings").join(s.plan().observatory.to_string());
        std::fs::create_dir_all(&directory)?;
        Ok(Self { root, directory })
    }

    /// Where a mapping lies here.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The bytes of a mapping that was fetched before.
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>, StepError> {
        Ok(std::fs::read(self.path(name))?)
    }

    /// SHA-1 of a mapping that was fetched before, in hexadecimal.
    pub fn sha1(&self, name: &str) -> Result<String, StepError> {
        Ok(sha1(&self.bytes(name)?))
    }

    /// Every text that stands as a value in the selector of a mapping that was fetched before: mappings and references.
    /// A mapping never changes, and a context is gone through several times in a step.
    pub fn named(&self, name: &str) -> Result<Arc<[String]>, StepError> {
        static NAMED: Mutex<BTreeMap<PathBuf, Arc<[String]>>> = Mutex::new(BTreeMap::new());
        let path = self.path(name);
        let known = || NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(named) = known().get(&path) {
            return Ok(Arc::clone(named));
        }
        let mapping = syntax::parse(&self.bytes(name)?, name)?;
        let mut texts = Vec::new();
        collect(&mapping.selector, &mut texts);
        let named: Arc<[String]> = texts.into();
        known().insert(path, Arc::clone(&named));
        Ok(named)
    }

    /// Fetches the whole closure of a context; each file must have the checksum that the catalogue has for it.
    pub fn fetch_closure(
        &self,
        server: &Server,
        catalogue: &BTreeMap<String, Row>,
        context: &str,
    ) -> Result<Vec<String>, StepError> {
        let mut all = BTreeSet::from([context.to_owned()]);
        let mut level = vec![context.to_owned()];
        // pmap, imaps, rmaps: each level names the next.
        while !level.is_empty() {
            self.fetch(server, catalogue, &level)?;
            let mut next = BTreeSet::new();
            for name in level.iter().filter(|name| !name.ends_with(".rmap")) {
                next.extend(self.named(name)?.iter().filter(|text| is_mapping(text)).cloned());
            }
            level = next.into_iter().filter(|name| all.insert(name.clone())).collect();
        }
        Ok(all.into_iter().collect())
    }

    /// Fetches mappings that are not here yet.
    pub fn fetch(&self, server: &Server, catalogue: &BTreeMap<String, Row>, names: &[String]) -> Result<(), StepError> {
        let missing: Vec<&str> = names.iter().map(String::as_str).filter(|name| !self.path(name).exists()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        if let Some(bad) = missing.iter().find(|name| !plain(name)) {
            return Err(StepError::failed(
                format!("`{bad}` is no name of a mapping"),
                "look at the rules that name it",
            ));
        }
        let directory = server.paths().mappings(server.observatory());
        let mut args = vec![directory.as_str()];
        args.extend(&missing);
        let ran = server.remote().must_look_script(&PACK, &args, Limit::WALK)?;
        let mut got = BTreeMap::new();
        for entry in tar::Archive::new(ran.stdout.as_slice()).entries()? {
            let mut entry = entry?;
            let name = entry.path()?.to_string_lossy().into_owned();
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes)?;
            got.insert(name, bytes);
        }
        for name in missing {
            let bytes = got.get(name).ok_or_else(|| missing_file(server, name))?;
            let seen = sha1(bytes);
            let known = catalogue.get(name).and_then(|row| row.get("sha1sum").cloned().flatten()).unwrap_or_default();
            if known != seen {
                return Err(StepError::failed(
                    format!(
                        "mapping `{name}` in the cache of {} has SHA-1 {seen}, its catalogue says {known}",
                        server.name()
                    ),
                    "do not go on: find out which of the two is right; compare with the nightly backup and the published cache",
                ));
            }
            std::fs::write(self.path(name), bytes)?;
        }
        Ok(())
    }

    /// Loads a context whose closure was fetched.
    pub fn load(&self, context: &str) -> Result<Context, StepError> {
        Ok(self.library().context(context)?)
    }

    /// The rules as the engine takes them.
    pub fn library(&self) -> Arc<Library> {
        Library::new(&self.root)
    }
}

fn missing_file(server: &Server, name: &str) -> StepError {
    StepError::failed(
        format!("mapping `{name}` is not in the cache of {}", server.name()),
        "run `crds.sync` in read-only checking mode on the host; restore the file from the backup of the rules",
    )
}

/// Every text that stands as a value in a selector.
fn collect(value: &syntax::Value, found: &mut Vec<String>) {
    match value {
        syntax::Value::Str(text) => found.push(text.to_string()),
        syntax::Value::Dict(items) => items.iter().for_each(|(_, value)| collect(value, found)),
        syntax::Value::Call(call) => call.dict.iter().for_each(|(_, value)| collect(value, found)),
        _ => {}
    }
}

/// Whether a text of a pmap or imap names a mapping.
pub fn is_mapping(text: &str) -> bool {
    text.ends_with(".imap") || text.ends_with(".rmap")
}

/// Names of the mappings that a pmap or imap names.
pub fn children(name: &str, bytes: &[u8]) -> Result<Vec<String>, StepError> {
    let mapping = syntax::parse(bytes, name)?;
    let syntax::Value::Dict(entries) = &mapping.selector else { return Ok(Vec::new()) };
    let values = entries.iter().filter_map(|(_, value)| match value {
        syntax::Value::Str(text) if is_mapping(text) => Some(text.to_string()),
        _ => None,
    });
    Ok(values.collect())
}

/// Whether a name is one that the rules may use: no directory, no option.
fn plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// SHA-1 in hexadecimal.
pub fn sha1(bytes: &[u8]) -> String {
    Sha1::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
