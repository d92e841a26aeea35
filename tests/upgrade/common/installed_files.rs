//! That what is installed is what both checkouts hold, and nothing beside it.

use std::collections::{BTreeMap, BTreeSet};

use crds_upgrade::crds::Server;
use crds_upgrade::host::{Algorithm, EntryKind, side_by_side};
use crds_upgrade::run::{Step, StepError};

use super::state;
use super::tally::Tally;

/// Nothing lies where an install puts files that it did not put there: the second install of a release makes what the
/// first one made, after a wipe; `lib/`, which comes before the stack, holds what it held at preflight; the jobs of cron
/// can be started.
pub fn nothing_added(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let check = "installed_equals_checkout";
    let crds = &ops.paths().crds;
    let trees = ["python", "static", "server/wsgi-scripts"].map(|name| format!("{crds}/{name}"));
    let there = ops.remote().there(&trees.each_ref().map(String::as_str))?;
    let listed = ops.remote().list_trees(&there)?;
    for (tree, entries) in &listed {
        for entry in entries.iter().filter(|entry| entry.kind != EntryKind::Link && entry.mode & 0o002 != 0).take(3) {
            tally.fault(check, format!("everybody may write {tree}/{}: mode {:04o}", entry.path, entry.mode & 0o7777));
        }
    }
    let made: BTreeSet<String> = listed
        .into_iter()
        .flat_map(|(tree, entries)| {
            let tree = tree.strip_prefix(crds.as_str()).unwrap_or_default().trim_start_matches('/').to_owned();
            entries.into_iter().map(move |entry| format!("{tree}/{}", entry.path))
        })
        // Compiled when they are first imported.
        .filter(|path| !path.ends_with(".pyc") && !path.contains("__pycache__"))
        .collect();
    let before = s.fact_of("s330_reinstall_hidden", "made");
    match before.as_ref().and_then(|before| before.as_array()) {
        None => s.fact("made", serde_json::json!(made))?,
        Some(first) => {
            let first: BTreeSet<String> = first.iter().filter_map(|path| path.as_str().map(str::to_owned)).collect();
            for path in made.symmetric_difference(&first) {
                let what = if made.contains(path) { "was not there after" } else { "is gone since" };
                tally.fault(check, format!("{path} {what} the first install of this release"));
            }
        }
    }
    // How the server is started and stopped: the second install of a release writes what the first one wrote.
    for script in ["run", "stop"] {
        let path = format!("{}/{script}", ops.paths().server_sources);
        let bytes = ops.remote().read_if_there(&path, 1 << 20)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match s.fact_of("s330_reinstall_hidden", script).and_then(|first| first.as_str().map(str::to_owned)) {
            None => s.fact(script, text)?,
            Some(first) if first != text => {
                tally.fault(check, format!("`{script}` is not what the first install of this release wrote"));
            }
            Some(_) => {}
        }
    }
    if let Some(before) = state::kept_of(s, "s010_ops", &["files:lib"])? {
        let before = before.surfaces.get("files:lib").cloned().unwrap_or_default();
        for entry in ops.remote().list(&format!("{crds}/lib"), None)? {
            if !entry.path.is_empty() && !before.contains_key(&entry.path) {
                tally.fault(check, format!("lib/{} was not there at preflight: no install makes it", entry.path));
            }
        }
    }
    Ok(())
}

/// Every module of both checkouts is installed byte for byte, and nothing else is; the stamps name the checkouts.
pub fn installed_equals_checkout(ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    tally.parts(&[&|t| checkouts(ops, t), &|t| modules(ops, t)])
}

/// The modules alone: what is installed now is what both checkouts hold.
pub fn modules(ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let check = "installed_equals_checkout";
    let paths = ops.paths();
    let trees = [
        format!("{}/crds", paths.installed),
        format!("{}/crds", paths.client_sources),
        format!("{}/sources", paths.server_sources),
    ];
    let sums = side_by_side(&trees, |tree| ops.remote().hash_tree(tree, Algorithm::Sha256));
    let sums = sums.into_iter().collect::<Result<Vec<_>, _>>()?;
    let [installed, client, server] = sums.as_slice() else { return Ok(()) };
    // `configs/` are the sources that install copies one of each from (SO 3.5); `build/` is its scratch.
    let module = |path: &str| path.ends_with(".py") && !path.starts_with("build/") && !path.starts_with("configs/");
    let mut wanted: BTreeMap<String, &String> = BTreeMap::new();
    wanted.extend(client.iter().filter(|(path, _)| module(path)).map(|(path, hash)| (path.clone(), hash)));
    wanted.extend(server.iter().filter(|(path, _)| module(path)).map(|(path, hash)| (format!("server/{path}"), hash)));
    let mut faults = Vec::new();
    for (path, hash) in &wanted {
        match installed.get(path) {
            None => faults.push(format!("{path} is not installed")),
            Some(seen) if seen != *hash => faults.push(format!("{path} is installed with other contents")),
            Some(_) => {}
        }
    }
    for (path, hash) in installed {
        if wanted.contains_key(path) {
            continue;
        }
        let inside = path.strip_prefix("server/").and_then(|path| server.get(path));
        // A compiled extension or a hook of Python's start comes before a module of the same name.
        let comes_first = [".so", ".pth", ".pyd"].iter().any(|ending| path.ends_with(ending));
        if comes_first && client.get(path).or(inside).is_none() {
            faults.push(format!("{path} is left over: no checkout has it"));
        }
        if path.ends_with(".py") || source_of(path).is_some_and(|source| !wanted.contains_key(&source)) {
            faults.push(format!("{path} is left over: no checkout has it"));
        }
        // What is no module (scripts, pages, styles) must be the checkout's file of that name, if it has one.
        if client.get(path).or(inside).is_some_and(|sources| sources != hash) {
            faults.push(format!("{path} is installed with other contents"));
        }
    }
    // A link would have led what was installed to where something else lives, such as a stack.
    let mut place = String::new();
    for part in paths.installed.strip_prefix(&paths.crds).unwrap_or_default().split('/').filter(|part| !part.is_empty())
    {
        place = format!("{place}/{part}");
        let entry = ops.remote().stat(&format!("{}{place}", paths.crds))?;
        if let Some(entry) = entry.filter(|entry| entry.kind == EntryKind::Link) {
            faults.push(format!("{} is a link to {}", place.trim_start_matches('/'), entry.target));
        }
    }
    faults.extend(beside(ops)?.into_iter().map(|name| format!("{name} lies beside the package: no install makes it")));
    for fault in faults {
        tally.fault(check, fault);
    }
    tally.proof(check, format!("{} modules as in the checkouts", wanted.len()));
    Ok(())
}

/// Both checkouts are their branch and nothing else, and the stamps of what is installed name them.
fn checkouts(ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let paths = ops.paths();
    let stamps = ops.installed()?;
    let checkouts =
        [("crds", &paths.client_sources, stamps.client), ("crds_server", &paths.server_sources, stamps.server)];
    let found = side_by_side(&checkouts, |(package, directory, stamp)| -> Result<Vec<String>, StepError> {
        let mut faults = Vec::new();
        let here = ops.svn_info(directory)?;
        // What is installed is the branch only if the checkout is.
        let changes =
            super::checkout::edited(ops, directory)?.into_iter().chain(super::checkout::stray(ops, directory)?);
        faults.extend(changes.map(|change| format!("{package}: {change}")));
        if stamp.url != here.url || stamp.last_changed != here.last_changed {
            faults.push(format!(
                "{package} is stamped {} r{}, its checkout is {} r{}",
                stamp.url, stamp.last_changed, here.url, here.last_changed
            ));
        }
        Ok(faults)
    });
    for faults in found {
        faults?.into_iter().for_each(|fault| tally.fault("installed_equals_checkout", fault));
    }
    Ok(())
}

/// The source that a compiled module was made of; `None` for other files.
fn source_of(path: &str) -> Option<String> {
    let stem = path.strip_suffix(".pyc").or_else(|| path.strip_suffix(".pyo"))?;
    // Python 3 keeps them apart, with its own version in the name: `__pycache__/name.cpython-37.pyc`.
    let Some((folder, name)) = stem.rsplit_once("__pycache__/") else { return Some(format!("{stem}.py")) };
    Some(format!("{folder}{}.py", name.split('.').next().unwrap_or(name)))
}

/// Packages beside `crds` in the install root: one of the name of a calibration package hides the real one (B062).
fn beside(ops: &Server) -> Result<Vec<String>, StepError> {
    // Since 2019 the stack's own packages lie there.
    if ops.paths().installed.ends_with("site-packages") {
        return Ok(Vec::new());
    }
    let entries = ops.remote().list(&ops.paths().installed, Some(1))?;
    let made = |name: &str| name.is_empty() || name == "crds" || name.to_ascii_lowercase().ends_with(".egg-info");
    Ok(entries.into_iter().map(|entry| entry.path).filter(|name| !made(name)).collect())
}
