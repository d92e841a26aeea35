//! The directories of a state: copied into `--data` as they are, hard links made where a real server has them.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{LoadError, Start};
use crate::stand_in::server::{Config, rules_store::is_mapping_name};

fn wrap(path: &Path) -> impl Fn(io::Error) -> LoadError + '_ {
    move |source| LoadError::Write { path: path.to_owned(), source }
}

/// Brings the files of a start into place.
pub fn bring(config: &Config, data: &Path, start: &Start<'_>, archive: Option<&str>) -> Result<(), LoadError> {
    let dirs = &config.dirs;
    let obs = &config.observatory;
    if let Some(cache) = start.cache {
        bring_mappings(&cache.join("mappings").join(obs), &dirs.mappings)?;
        for kind in ["references", "config"] {
            let from = cache.join(kind).join(obs);
            let to = if kind == "references" { &dirs.references } else { &dirs.config };
            if from.is_dir() {
                copy_tree(&from, to)?;
            }
        }
    }
    let state = dirs.archive.parent().unwrap_or(data);
    fs::create_dir_all(state).map_err(wrap(state))?;
    if let Some(word) = archive {
        fs::write(&dirs.archive, word).map_err(wrap(&dirs.archive))?;
    }
    let Some(load) = start.load else { return Ok(()) };
    for (from, to) in [
        ("file_cache", data.join("file_cache")),
        ("monitor_reprocessing", dirs.monitor_reprocessing.clone()),
        ("catalogs", dirs.catalogs.clone()),
        ("ingest", dirs.ingest.clone()),
        ("deliveries", dirs.deliveries.clone()),
    ] {
        let from = load.join(from);
        if from.is_dir() {
            copy_tree(&from, &to)?;
        }
    }
    let datasets = load.join("datasets.jsonl");
    if datasets.is_file() {
        fs::copy(&datasets, &dirs.datasets).map_err(wrap(&dirs.datasets))?;
    }
    for dir in [&dirs.mappings, &dirs.references, &dirs.catalogs] {
        for path in plain_files(dir) {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).map_err(wrap(&path))?;
        }
    }
    for path in plain_files(&dirs.deliveries) {
        link_again(config, &path)?;
    }
    for user in fs::read_dir(&dirs.ingest).map(|d| d.flatten().collect::<Vec<_>>()).unwrap_or_default() {
        for path in plain_files(&user.path()) {
            link_again(config, &path)?;
        }
    }
    Ok(())
}

/// Copies the mappings of a cache, unless the server's own directory holds them already.
fn bring_mappings(from: &Path, to: &Path) -> Result<(), LoadError> {
    use rayon::prelude::*;
    let entries = fs::read_dir(from).map_err(|source| LoadError::Read { path: from.to_owned(), source })?;
    let names: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    names.par_iter().try_for_each(|path| {
        let Some(name) = path.file_name() else { return Ok(()) };
        let target = to.join(name);
        if !is_mapping_name(&name.to_string_lossy()) || target.exists() {
            return Ok(());
        }
        fs::copy(path, &target).map_err(wrap(&target))?;
        fs::set_permissions(&target, fs::Permissions::from_mode(0o444)).map_err(wrap(&target))
    })
}

/// Copies a directory with everything below it into another; symbolic links stay links.
///
/// # Errors
///
/// The first file that cannot be copied.
pub fn copy_tree(from: &Path, to: &Path) -> Result<(), LoadError> {
    for entry in walkdir::WalkDir::new(from).sort_by_file_name() {
        let entry = entry.map_err(|err| LoadError::Read {
            path: from.to_owned(),
            source: err.into_io_error().unwrap_or_else(|| io::Error::other("walk")),
        })?;
        let Ok(below) = entry.path().strip_prefix(from) else { continue };
        let target = to.join(below);
        let kind = entry.file_type();
        if kind.is_dir() {
            fs::create_dir_all(&target).map_err(wrap(&target))?;
        } else if kind.is_symlink() {
            let goal = fs::read_link(entry.path()).map_err(wrap(entry.path()))?;
            let _ = fs::remove_file(&target);
            std::os::unix::fs::symlink(goal, &target).map_err(wrap(&target))?;
        } else if kind.is_file() {
            let _ = fs::remove_file(&target);
            fs::copy(entry.path(), &target).map_err(wrap(&target))?;
        }
    }
    Ok(())
}

fn plain_files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries.flatten().map(|e| e.path()).filter(|p| p.is_file() && !p.is_symlink()).collect()
}

/// Replaces a file by a hard link to the cache's or the catalogue's file of that name, if the bytes are the same.
fn link_again(config: &Config, path: &Path) -> Result<(), LoadError> {
    let dirs = &config.dirs;
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let master = match name.find(".cat") {
        Some(at) => dirs.catalogs.join(&name[..at + 4]),
        None if is_mapping_name(&name) => dirs.mappings.join(&name),
        None => dirs.references.join(&name),
    };
    let same = match (fs::read(path), fs::read(&master)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    };
    if same {
        fs::remove_file(path).map_err(wrap(path))?;
        fs::hard_link(&master, path).map_err(wrap(path))?;
    }
    Ok(())
}
