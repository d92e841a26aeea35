//! `crds.sync`: copies rules and references from the server into the cache and checks what is there (WP 2.2).

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Map, Value, json};

use super::cache::{Cache, ServerInfo, replace};
use super::contexts::{self, Options, text};
use super::log::Log;
use super::python::Job;
use super::rpc::{self, Server, ServiceError};
use super::rules::{Rules, is_mapping, sha1};

const FLAGS: [&str; 17] = [
    "all",
    "fetch-references",
    "check-files",
    "check-sha1sum",
    "repair-files",
    "purge-mappings",
    "purge-references",
    "purge-rejected",
    "purge-blacklisted",
    "ignore-cache",
    "force-config-update",
    "verbose",
    "dry-run",
    "stats",
    "save-pickles",
    "clear-pickles",
    "fetch-sqlite-db",
];

/// `crds.sync`. Like its model of 2014 it ends 0 whatever its messages say (SO 6); only a server that is away is fatal.
pub fn main(job: &mut Job<'_>) -> i32 {
    let options = Options::read(&job.args, &FLAGS);
    let mut log = Log::of_tool(&mut *job.err, &job.args);
    let server = Server::of_environment();
    match run(&options, &server, &mut log) {
        Ok(()) => {
            log.counters();
            0
        }
        Err(error) => {
            log.error(format!("(FATAL) Required server connection unavailable. : {error}"));
            255
        }
    }
}

struct Sync<'a, 'l> {
    options: &'a Options,
    cache: Cache,
    server: &'a Server,
    info: ServerInfo,
    log: &'a mut Log<'l>,
    readonly: bool,
    metadata: Option<Map<String, Value>>,
}

fn run(options: &Options, server: &Result<Server, ServiceError>, log: &mut Log<'_>) -> Result<(), ServiceError> {
    let cache = Cache::of_environment();
    let info = cache.server_info(server)?;
    let server = server.as_ref().map_err(Clone::clone)?;
    if !info.connected {
        let why = "<urlopen error [Errno 111] Connection refused>".to_owned();
        return Err(ServiceError::Away { method: "get_server_info".to_owned(), why });
    }
    let readonly = std::env::var("CRDS_READONLY_CACHE").is_ok_and(|value| !matches!(value.as_str(), "" | "0"));
    if readonly {
        log.info("Syncing READONLY cache,  only checking functions are enabled.");
        log.info("All cached updates, context changes, and file downloads are inhibited.");
    }
    let observatory = cache.observatory.clone();
    let selected = ["contexts", "last", "all", "range"].iter().any(|name| options.has(name));
    if !selected && !options.has("files") {
        log.error("Define --all, --contexts, --last, --range, --files, or --fetch-sqlite-db to sync.");
        return Ok(());
    }
    let mut sync = Sync { options, cache, server, info, log, readonly, metadata: None };
    let mut mappings = BTreeSet::new();
    let mut references = BTreeSet::new();
    if selected {
        let server = Server::at(sync.server.url());
        let wanted = contexts::wanted(options, &sync.info, &server, &observatory, sync.log).unwrap_or_else(|error| {
            sync.log.error(format!("Failed resolving contexts: {error}"));
            Vec::new()
        });
        mappings = sync.mappings_of(&wanted);
        sync.fetch(mappings.iter().rev().cloned().collect());
        if options.has("fetch-references") || options.has("purge-references") {
            references = sync.references_of(&wanted, &mappings);
        }
        if options.has("fetch-references") {
            sync.fetch(references.iter().cloned().collect());
        }
    }
    if let Some(files) = options.values("files") {
        sync.log.info("Syncing explicitly listed files.");
        sync.fetch(files.to_vec());
        let (rules, others): (Vec<String>, Vec<String>) = files.iter().cloned().partition(|name| is_mapping(name));
        mappings.extend(rules);
        references.extend(others);
    }
    if options.has("purge-mappings") {
        sync.purge("mapping", &mappings);
    }
    if options.has("purge-references") {
        sync.purge("reference", &references);
    }
    if ["check-files", "check-sha1sum", "repair-files", "purge-rejected", "purge-blacklisted"]
        .iter()
        .any(|name| options.has(name))
    {
        let checked = if options.has("fetch-references") { references } else { BTreeSet::new() };
        sync.verify(mappings.into_iter().chain(checked).collect());
    }
    if sync.readonly {
        return Ok(());
    }
    if sync.log.counts[0] > 0 && !options.has("force-config-update") {
        sync.log.warning("Errors occurred during sync,  skipping CRDS cache config and context update.");
    } else if let Err(error) = sync.cache.store_info(&sync.info.info) {
        sync.log.error(format!("Failed updating cache config: {error}"));
    }
    Ok(())
}

impl Sync<'_, '_> {
    /// The rules below the contexts: from the cache if it has them whole, else as the server lists them.
    fn mappings_of(&mut self, wanted: &[String]) -> BTreeSet<String> {
        if self.options.has("all") {
            return contexts::listed(&self.info.info, Some(self.server), &self.cache.observatory).into_iter().collect();
        }
        let mut rules = Rules::new(&self.cache.mappings());
        let mut found = BTreeSet::new();
        for context in wanted {
            match rules.closure(context) {
                Ok(names) => found.extend(names),
                Err(_) => match self.server.call("get_mapping_names", json!([context])) {
                    Ok(names) => {
                        found.extend(
                            names.as_array().into_iter().flatten().filter_map(|n| n.as_str().map(str::to_owned)),
                        );
                    }
                    Err(error) => {
                        self.log.warning(format!("Failed syncing mappings for context '{context}' : {error}"))
                    }
                },
            }
        }
        found
    }

    fn references_of(&mut self, wanted: &[String], mappings: &BTreeSet<String>) -> BTreeSet<String> {
        let mut rules = Rules::new(&self.cache.mappings());
        let mut found = BTreeSet::new();
        let all: Vec<&String> =
            if self.options.has("all") { mappings.iter().collect() } else { wanted.iter().collect() };
        for context in all {
            let named = if self.options.has("all") {
                rules.mapping(context).map(|named| {
                    named
                        .references
                        .iter()
                        .flat_map(|name| super::rules::geis_data(name).into_iter().chain([name.clone()]))
                        .collect()
                })
            } else {
                rules.references(context)
            };
            match named {
                Ok(names) => found.extend(names),
                Err(error) => self.log.error(format!("Failed loading '{context}' : {error}")),
            }
        }
        found
    }

    /// Sizes and checksums of everything, asked once.
    fn metadata(&mut self) -> &Map<String, Value> {
        if self.metadata.is_none() {
            let listed = self.info.info.get("download_metadata").cloned().map(rpc::decoded);
            let asked = match listed {
                Some(Value::Object(map)) => Value::Object(map),
                _ => {
                    let params = json!([self.cache.observatory, null, ["sha1sum", "size"]]);
                    self.server.call("get_file_info_map", params).unwrap_or_else(|error| {
                        self.log.error(format!("Failed getting download metadata : {error}"));
                        Value::Null
                    })
                }
            };
            self.metadata = Some(asked.as_object().cloned().unwrap_or_default());
        }
        self.metadata.get_or_insert_default()
    }

    /// Fetches what is missing.
    fn fetch(&mut self, names: Vec<String>) {
        let ignore = self.options.has("ignore-cache");
        // Two listings cost less than a question for each of ten thousand names; what is a link may lead nowhere.
        let present = if ignore { HashSet::new() } else { self.cache.files() };
        let there = |name: &String| present.contains(name) || !ignore && self.cache.place(name).exists();
        let missing: Vec<String> = names.into_iter().filter(|name| !there(name)).collect();
        if missing.is_empty() {
            return;
        }
        if self.readonly {
            self.log.info(format!("READONLY CACHE would download {} files.", missing.len()));
            return;
        }
        self.log.info(format!("Syncing {} files", missing.len()));
        let sizes = self.metadata().clone();
        let size = |name: &String| {
            sizes
                .get(name)
                .and_then(|file| file.get("size"))
                .and_then(Value::as_str)
                .and_then(|s| s.parse::<u64>().ok())
        };
        let total: u64 = missing.iter().filter_map(size).sum();
        let mut so_far = 0;
        for (nth, name) in missing.iter().enumerate() {
            let path = self.cache.place(name);
            let Some(bytes) = size(name) else {
                self.log.error(format!("Failure downloading file '{name}' : file is not known to CRDS server."));
                continue;
            };
            self.log.info(format!(
                "Fetching  {:<55}  {} bytes  ({} / {} files) ({} / {} bytes)",
                path.display(),
                human(bytes),
                nth + 1,
                missing.len(),
                human(so_far).trim_start(),
                human(total).trim_start()
            ));
            let expected =
                sizes.get(name).and_then(|file| file.get("sha1sum")).and_then(Value::as_str).unwrap_or("none");
            match self.download(name, bytes, expected) {
                Ok(()) => so_far += bytes,
                Err(why) => self.log.error(format!("Failure downloading file '{name}' : {why}")),
            }
        }
    }

    fn download(&self, name: &str, size: u64, expected: &str) -> Result<(), String> {
        let kind = if is_mapping(name) { "mapping_url" } else { "reference_url" };
        // One text today, a map by observatory once (WP 1.8).
        let urls = self.info.info.get(kind);
        let base = urls.and_then(|urls| urls.get(&self.cache.observatory).unwrap_or(urls).as_str());
        let base = base.ok_or_else(|| format!("server info has no {kind}"))?;
        let bytes = self.server.download(&format!("{}/{name}", base.trim_end_matches('/'))).map_err(|error| {
            format!(
                "Error fetching data for '{name}' at CRDS server '{}' with mode 'http' : {error}",
                self.server.url()
            )
        })?;
        if bytes.len() as u64 != size {
            return Err(format!("downloaded file size {} does not match server size {size}", bytes.len()));
        }
        let found = sha1(&bytes);
        if expected != "none" && !expected.is_empty() && found != expected {
            return Err(format!("downloaded file sha1sum '{found}' does not match server sha1sum '{expected}'"));
        }
        let path = self.cache.place(name);
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).map_err(|error| error.to_string())?;
        }
        replace(&path, &bytes).map_err(|error| error.to_string())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).map_err(|error| error.to_string())
    }

    fn purge(&mut self, kind: &str, keep: &BTreeSet<String>) {
        let dir = if kind == "mapping" { self.cache.mappings() } else { self.cache.references() };
        let present = Cache::listing(&dir).unwrap_or_default();
        for name in present.into_iter().filter(|name| !keep.contains(name)) {
            if self.readonly {
                self.log.info(format!("READONLY CACHE would remove {kind} '{name}'"));
                continue;
            }
            self.log.info(format!("Removing {kind} '{name}'"));
            if let Err(error) = fs::remove_file(dir.join(&name)) {
                self.log.error(format!("Failed purging {kind} '{name}' : {error}"));
            }
        }
    }

    /// Compares lengths, and checksums of rules (and of references if asked), with the catalogue.
    fn verify(&mut self, names: Vec<String>) {
        if names.is_empty() {
            return;
        }
        let params = json!([self.cache.observatory, names, ["size", "rejected", "blacklisted", "state", "sha1sum"]]);
        let infos = match self.server.call("get_file_info_map", params) {
            Ok(infos) => infos,
            Err(error) => {
                self.log.error(format!(
                    "Failed getting file info.  CACHE VERIFICATION FAILED.  Exception:  {:?}",
                    error.to_string()
                ));
                return;
            }
        };
        for name in &names {
            let Some(Value::Object(info)) = infos.get(name) else {
                self.log.error(format!("CRDS has no record of file '{name}'"));
                continue;
            };
            self.verify_one(name, info);
        }
    }

    fn verify_one(&mut self, name: &str, info: &Map<String, Value>) {
        let path = self.cache.place(name);
        let Ok(metadata) = fs::metadata(&path) else {
            self.log.error(format!("File '{name}' doesn't exist at '{}'", path.display()));
            return;
        };
        let size = text(info, "size");
        let stated = text(info, "sha1sum");
        if metadata.len().to_string() != size {
            self.broken(
                name,
                &format!("File '{name}' length mismatch LOCAL size='{}' CRDS size='{size}'", metadata.len()),
            );
        } else if is_mapping(name) || self.options.has("check-sha1sum") {
            if stated == "none" {
                self.log.warning(format!("CRDS doesn't know the checksum for '{name}'"));
            } else {
                let local = fs::read(&path).map(|bytes| sha1(&bytes)).unwrap_or_default();
                if local != stated {
                    self.broken(name, &format!("File '{name}' checksum mismatch CRDS='{stated}' LOCAL='{local}'"));
                }
            }
        }
        let state = text(info, "state");
        if !matches!(state, "archived" | "operational" | "delivered" | "latest") {
            self.log.warning(format!("File '{name}' has an unusual CRDS file state '{state}'"));
        }
        for (flag, option) in [("rejected", "purge-rejected"), ("blacklisted", "purge-blacklisted")] {
            if text(info, flag) != "false" && self.options.has(option) && !self.readonly {
                self.log.info(format!("Removing file '{name}'"));
                if let Err(error) = fs::remove_file(&path) {
                    self.log.error(format!("Failed purging file '{name}' : {error}"));
                }
            }
        }
    }

    fn broken(&mut self, name: &str, message: &str) {
        self.log.error(message);
        if !self.options.has("repair-files") {
            return;
        }
        let path = self.cache.place(name);
        if self.readonly {
            self.log.info(format!("Skipping remove and re-download of '{}'", path.display()));
            return;
        }
        // Removed before it is fetched: where the source is this very cache, the only copy is gone (SO 12).
        self.log.info(format!("Repairing file '{}'", path.display()));
        if let Err(error) = fs::remove_file(&path) {
            self.log.error(format!("Failed removing '{name}' : {error}"));
        }
        self.fetch(vec![name.to_owned()]);
    }
}

/// A count as the client shows it: three digits and a unit.
fn human(number: u64) -> String {
    let mut value = number as f64;
    let units = ["", "K", "M", "G", "T"];
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{number:>5}  ") } else { format!("{value:>5.1} {}", units[unit]) }
}
