//! `orphan_files`: catalogue, cache, rules and deliveries compared (SO 18).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::cache::Cache;
use super::log::Log;
use super::maintenance::{database, operational_error};
use super::python::Job;
use super::rules::{Rules, is_mapping};

/// Endings that the archive gives to a catalogue on its way (SO 17).
pub const SUFFIXES: [&str; 6] = ["_SUBMIT", "_submit", "_PROC", "_proc", "_ERROR", "_error"];

/// The catalogue's own name behind a name in the delivery area.
pub fn catalogue_name(name: &str) -> Option<&str> {
    let plain = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    plain.ends_with(".cat").then_some(plain)
}

struct Row {
    state: String,
    delivered: String,
}

/// `orphan_files [--verbose] [--purge-delivery-errors]`; always 0, unless it dies.
pub fn main(job: &mut Job<'_>) -> i32 {
    let Some(site) = job.site() else { return 1 };
    let observatory = site.text("OBSERVATORY").unwrap_or_default().to_owned();
    let (Some(files), Some(cache_dir)) = (site.server_files(), site.file_cache()) else { return 1 };
    let connection = match database(job) {
        Ok(connection) => connection,
        Err(error) => return operational_error(job, &error),
    };
    let rows: rusqlite::Result<BTreeMap<String, Row>> = (|| {
        connection
            .prepare(&format!("SELECT name, state, delivery_date FROM crds_{observatory}_catalog"))?
            .query_map([], |row| Ok((row.get(0)?, Row { state: row.get(1)?, delivered: row.get(2)? })))?
            .collect()
    })();
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => {
            job.complain(format!("django.db.utils.DatabaseError: {error}"));
            return 1;
        }
    };
    let verbose = job.args.iter().any(|arg| arg == "--verbose");
    let purge = job.args.iter().any(|arg| arg == "--purge-delivery-errors");
    let mut log = Log::new(&mut *job.err, false, verbose);
    three_sets(&rows, &cache_dir, &observatory, &mut log);
    if deliveries(&rows, &files, &cache_dir, &observatory, purge, &mut log).is_err() {
        // A GEIS file in a pending catalogue meets a misspelt variable in both snapshots of the real tool.
        log.plain("Traceback (most recent call last):");
        log.plain("NameError: global name 'cojugate' is not defined");
        return 1;
    }
    log.counters();
    0
}

fn three_sets(rows: &BTreeMap<String, Row>, cache_dir: &Path, observatory: &str, log: &mut Log<'_>) {
    let listing = |kind: &str| Cache::listing(&cache_dir.join(kind).join(observatory)).unwrap_or_default();
    let rules_dir = cache_dir.join("mappings").join(observatory);
    let cached: BTreeSet<String> = listing("mappings").into_iter().chain(listing("references")).collect();
    let known: BTreeSet<String> = rows.keys().cloned().collect();
    let mut mentioned = BTreeSet::new();
    let mut rules = Rules::new(&rules_dir);
    for name in listing("mappings").iter().filter(|name| is_mapping(name)) {
        if name.ends_with(".pmap") {
            mentioned.insert(name.clone());
        }
        match rules.mapping(name) {
            Ok(named) => {
                mentioned.extend(named.mappings.iter().cloned());
                mentioned.extend(named.references.iter().cloned());
                mentioned.extend(named.references.iter().filter_map(|name| super::rules::geis_data(name)));
            }
            Err(error) => log.error(format!("Failed loading '{name}' : {error}")),
        }
    }
    let sets = [("database", &known), ("cache", &cached), ("mapping", &mentioned)];
    for (name, set) in &sets {
        log.debug(format!("{} {name} files", set.len()));
    }
    let mut inconsistent: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, set) in &sets {
        for (other, others) in &sets {
            if name == other {
                continue;
            }
            let orphans: Vec<String> = set.difference(others).cloned().collect();
            for file in &orphans {
                log.error(format!("Orphaned {name} file '{file}' is not in {other}"));
            }
            for file in set.iter() {
                if let Some(data) = super::rules::geis_data(file)
                    && !set.contains(&data)
                {
                    log.error(format!("Missing {name} conjugate '{data}' is not in {other}"));
                }
            }
            if !orphans.is_empty() {
                inconsistent.insert(format!("{name}:not-in:{other}"), orphans);
            }
        }
    }
    if !inconsistent.is_empty() {
        log.warning("Inconsistent files:");
        let shown = serde_json::to_value(&inconsistent).unwrap_or_default();
        log.plain(super::cache::python(&shown, 0));
    }
}

/// The delivery area against the catalogue; an error stands for the crash on GEIS files.
fn deliveries(
    rows: &BTreeMap<String, Row>,
    files: &Path,
    cache_dir: &Path,
    observatory: &str,
    purge: bool,
    log: &mut Log<'_>,
) -> Result<(), ()> {
    let area = files.join("deliveries");
    let present = Cache::listing(&area).unwrap_or_default();
    let mut manifested = BTreeSet::new();
    for name in &present {
        let Some(catalogue) = catalogue_name(name) else { continue };
        let text = fs::read_to_string(area.join(name)).unwrap_or_default();
        for file in text.split_whitespace() {
            if file
                .rsplit_once('.')
                .is_some_and(|(_, ext)| ext.len() == 3 && ext.starts_with('r') && ext.ends_with(['h', 'd']))
            {
                return Err(());
            }
            manifested.insert(file.to_owned());
            let path = area.join(file);
            if !path.exists() {
                log.error(format!("Manifested file '{}' from catalog '{catalogue}' does not exist.", path.display()));
            }
            if !rows.contains_key(file) {
                log.error(format!(
                    "Manifested file '{}' from catalog '{catalogue}' is not known to CRDS.",
                    path.display()
                ));
            }
        }
    }
    for name in present.iter().filter(|name| catalogue_name(name).is_none()) {
        if !manifested.contains(name) {
            let path = area.join(name);
            log.error(format!(
                "Delivered file '{}' has no corresponding catalog in delivery area.  Possibly a leftover of a delivery that the archive has taken.",
                path.display()
            ));
            if purge {
                log.info(format!("Removing '{}'", path.display()));
                if let Err(error) = fs::remove_file(&path) {
                    log.error(format!("Failed removing '{}' : {error}", path.display()));
                }
            }
        }
    }
    for (name, row) in rows {
        match row.state.as_str() {
            "uploaded" => log.warning(format!("File '{name}' delivered on {} has state 'uploaded'.", row.delivered)),
            state @ ("delivered" | "submitted" | "archiving") => {
                if !manifested.contains(name) {
                    log.error(format!("File '{name}' with state '{state}' does not appear in an undelivered catalog."));
                }
                let kind = if is_mapping(name) { "mappings" } else { "references" };
                let ours = fs::metadata(cache_dir.join(kind).join(observatory).join(name));
                let linked = fs::metadata(area.join(name));
                use std::os::unix::fs::MetadataExt;
                if !matches!((&ours, &linked), (Ok(ours), Ok(linked)) if ours.ino() == linked.ino()) {
                    log.error(format!("File '{name}' with state '{state}' is not linked to the delivery directory."));
                }
            }
            _ => {}
        }
    }
    Ok(())
}
