//! What a mirror left on its destination, kept so that acceptance can see whether it is still so.

use std::collections::BTreeMap;

use crds_upgrade::crds::{Server, TableSummary};
use crds_upgrade::run::{Step, StepError};
use serde_json::{Value, json};

use super::mirror::{VOLATILE, tables};

/// The key of the fact.
const KEY: &str = "copy";

/// Tables of a copy that change by themselves: besides sessions and channels the locks, of which the copy took over those
/// of the source's users, until they expire.
fn stays(table: &str) -> bool {
    !VOLATILE.contains(&table) && table != "locking_lock"
}

/// Tables, rules, catalogues, installed code, static files and configuration of a host, each as one digest, and what is checked out; `just` are its tables if they are known.
fn look(server: &Server, just: Option<BTreeMap<String, TableSummary>>) -> Result<BTreeMap<String, String>, StepError> {
    let paths = server.paths();
    let trees = [
        ("the rules", paths.mappings(server.observatory())),
        ("the catalogues", paths.catalogs()),
        ("the installed code", format!("{}/crds", paths.installed)),
        ("the static files", format!("{}/static", paths.crds)),
        ("the web server's configuration", format!("{}/conf", paths.server)),
    ];
    let mut seen = BTreeMap::new();
    let all: Vec<&str> = trees.iter().map(|(_, path)| path.as_str()).collect();
    let there = server.remote().there(&all)?;
    let there: Vec<&str> = all.into_iter().filter(|path| there.iter().any(|one| one == path)).collect();
    // What is compiled is written when a module is first imported.
    let hashed = server.remote().hash_trees_without(&there, "__pycache__")?;
    for (name, path) in &trees {
        let Some(sums) = hashed.get(path) else {
            seen.insert((*name).to_owned(), "not there".to_owned());
            continue;
        };
        let mut hash = blake3::Hasher::new();
        for (file, sum) in sums.iter().filter(|(file, _)| !file.ends_with(".pyc")) {
            hash.update(format!("{file}\0{sum}\n").as_bytes());
        }
        seen.insert((*name).to_owned(), hash.finalize().to_hex().to_string());
    }
    let checkouts = [paths.client_sources.as_str(), paths.server_sources.as_str()];
    for (name, checkout) in
        ["the checkout of crds", "the checkout of crds_server"].iter().zip(server.svn_infos(&checkouts)?)
    {
        seen.insert((*name).to_owned(), checkout.url);
    }
    for (table, summary) in just.map_or_else(|| tables(server), Ok)?.into_iter().filter(|(table, _)| stays(table)) {
        seen.insert(format!("table `{table}`"), format!("{} rows, {}", summary.rows, summary.digest));
    }
    Ok(seen)
}

/// Keeps what the mirror of this step left; `just` are its tables if they were compared with the source's in this attempt.
///
/// # Errors
///
/// The host cannot be asked.
pub fn remember(s: &Step, dest: &Server, just: Option<BTreeMap<String, TableSummary>>) -> Result<(), StepError> {
    if s.fact_of(s.spec().id, KEY).is_none() {
        s.fact(KEY, json!(look(dest, just)?))?;
    }
    Ok(())
}

/// What is not as the mirror of `step` left it. Nothing where a night has passed since, or nothing was mirrored.
///
/// # Errors
///
/// The host cannot be asked.
pub fn changed(s: &Step, dest: &Server, step: &str) -> Result<Vec<String>, StepError> {
    let Some(before) = s.fact_of(step, KEY) else { return Ok(Vec::new()) };
    let now = look(dest, None)?;
    let was = |name: &str| before.get(name).and_then(Value::as_str);
    Ok(now.iter().filter(|(name, seen)| was(name) != Some(seen)).map(|(name, _)| name.clone()).collect())
}
