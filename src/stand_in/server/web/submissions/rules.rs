//! New rules from references, and what is to be said about them (RD 2.5).

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::stored::{CertifiedFile, Collision};
use super::intake::{instrument_and_type, next_name, record_mapping};
use super::{Job, Upload, certify, derived, file_path};
use crate::stand_in::derive::names::{self, is_mapping};
use crate::stand_in::derive::{self, Reference};
use crate::stand_in::server::catalog::FileRow;
use crate::stand_in::server::python::repr;
use crate::stand_in::server::refusal::Refusal;
use crate::stand_in::server::rules_store::{is_special, os_error};

/// References of one type and the rmap that is to change for them.
pub struct Group {
    /// Instrument.
    pub instrument: String,
    /// Type.
    pub filekind: String,
    /// The rmap of the derivation context.
    pub rmap: String,
    /// The references: name and place.
    pub files: Vec<Upload>,
}

/// What happens to the references in their rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// They enter.
    Insert,
    /// They leave.
    Delete,
}

/// Sorts references into groups by instrument and type, and finds the rmap of each in the context.
pub fn groups(job: &Job<'_>, files: &[Upload], open_files: bool) -> Result<Vec<Group>, Refusal> {
    let mut by_type: BTreeMap<(String, String), Vec<Upload>> = BTreeMap::new();
    let mut first: Option<String> = None;
    let mut sorted = files.to_vec();
    sorted.sort();
    for (name, path) in sorted {
        let kind = if open_files { instrument_and_type(job, &name, &path) } else { catalogued_kind(job, &name, &path) };
        let (instrument, filekind) = kind.map_err(|_| {
            // The server's own directories are cut out of every page.
            let shown = if open_files { format!("/{}/{name}", job.who.user) } else { name.clone() };
            Refusal::says(format!("Can't determine instrument or file type for {} at {}", repr(&name), repr(&shown)))
        })?;
        let before = first.get_or_insert_with(|| instrument.clone());
        if job.who.lock.is_some() && *before != instrument {
            return Err(Refusal::says(format!(
                "More than one instrument submitted at {} : {} vs. {}.",
                repr(&name),
                repr(before),
                repr(&instrument)
            )));
        }
        by_type.entry((instrument, filekind)).or_default().push((name, path));
    }
    let pmap = if by_type.is_empty() { "" } else { job.pmap()? };
    let mut out = Vec::new();
    for ((instrument, filekind), files) in by_type {
        let rmap = rmap_of(job, pmap, &instrument, &filekind)?;
        out.push(Group { instrument, filekind, rmap, files });
    }
    Ok(out)
}

/// Instrument and type of a file that is known: its bytes may be away.
pub fn catalogued_kind(job: &Job<'_>, name: &str, path: &std::path::Path) -> Result<(String, String), Refusal> {
    match job.server.catalogue.file(name)? {
        Some(row) if row.is_mapping() || !row.instrument.is_empty() && !row.filekind.is_empty() => {
            Ok((row.instrument, row.filekind))
        }
        _ => match names::properties(job.observatory(), name, None) {
            Ok(found) => Ok(found),
            Err(_) => instrument_and_type(job, name, path),
        },
    }
}

/// The rmap of a type in a context.
fn rmap_of(job: &Job<'_>, pmap: &str, instrument: &str, filekind: &str) -> Result<String, Refusal> {
    let load = |name: &str| job.server.rules.load(name).map_err(|error| Refusal::says(error.to_string()));
    let context = load(pmap)?;
    let imap = context.entries.iter().find(|(key, _)| key.to_lowercase() == instrument).map(|(_, imap)| imap.clone());
    let imap = imap
        .ok_or_else(|| Refusal::says(format!("Unknown instrument {} for context {}", repr(instrument), repr(pmap))))?;
    let types = load(&imap)?;
    let rmap = types.entries.iter().find(|(key, _)| key.to_lowercase() == filekind).map(|(_, rmap)| rmap.clone());
    match rmap {
        Some(rmap) if !is_special(&rmap) => Ok(rmap),
        _ => Err(Refusal::says(format!("Unknown reference type {}", repr(filekind)))),
    }
}

/// Tries the insertion before any name is spent (RD 2.5, step 4).
pub fn try_insertion(job: &Job<'_>, group: &Group) -> Result<(), Refusal> {
    let pmap = job.pmap()?;
    job.say_at_length(&format!("Resolved old rmap as {} based on context {}", repr(&group.rmap), repr(pmap)))?;
    job.say_at_length(&format!(
        "Doing trial insertion of {} references into {}",
        group.files.len(),
        repr(&group.rmap)
    ))?;
    changed_text(job, group, Change::Insert).map(drop)
}

/// The rmap's text after the change, its header still that of the old file.
fn changed_text(job: &Job<'_>, group: &Group, change: Change) -> Result<String, Refusal> {
    let text = job
        .server
        .rules
        .text(&group.rmap)
        .ok_or_else(|| Refusal::says(format!("[Errno 2] No such file or directory: {}", repr(&group.rmap))))?;
    let made = match change {
        Change::Insert => {
            let mut references = Vec::new();
            for (name, path) in &group.files {
                std::fs::metadata(path).map_err(|error| Refusal::unexpected(os_error(&error, path)))?;
                let reference = Reference::read(name, path).map_err(|error| Refusal::unexpected(error.to_string()))?;
                references.push(reference);
            }
            derive::insert(&group.rmap, &text, &references, job.generation())
        }
        Change::Delete => {
            let names: Vec<&str> = group.files.iter().map(|(name, _)| name.as_str()).collect();
            derive::delete(&group.rmap, &text, &names, job.generation())
        }
    };
    let made = made.map_err(|error| derived(&error))?;
    // Two references of one batch with the same case and date (RD 2.2).
    match made.overlaps.last() {
        Some(overlap) => Err(Refusal::says(overlap.clone())),
        None => Ok(made.text),
    }
}

/// Makes one new rmap per group: (old, new).
pub fn generate(
    job: &Job<'_>,
    groups: &[Group],
    change: Change,
    creator: &str,
) -> Result<Vec<(String, String)>, Refusal> {
    let mut out = Vec::new();
    for group in groups {
        let new = next_name(job, &group.instrument, &group.filekind, ".rmap")?;
        if job.dialect().longer_messages {
            job.say(&format!("Generating new rmap {} from {}.", repr(&new), repr(&group.rmap)))?;
        } else {
            let how = if change == Change::Insert { "added" } else { "deleted" };
            job.say(&format!("Generating new rmap {} from {} with {how} files.", repr(&new), repr(&group.rmap)))?;
        }
        let made = changed_text(job, group, change).and_then(|text| {
            job.say_at_length(&format!("Adding file {} to database.", repr(&new)))?;
            let text = derive::record(&text, &new, true, job.generation()).map_err(|error| derived(&error))?;
            let row = FileRow { uploaded_as: new.clone(), creator_name: creator.to_owned(), ..FileRow::default() };
            record_mapping(job, &new, &text, row)
        });
        made.map_err(|error| {
            if super::is_crash(&error) {
                error
            } else {
                // Whatever it was, it is told (RD 2.5).
                Refusal::says(format!("Generation of new rmaps failed: {}", error.text))
            }
        })?;
        out.push((group.rmap.clone(), new));
    }
    job.server.reached("submit.rmaps_made")?;
    Ok(out)
}

/// Certifies new rmaps; true if one failed.
pub fn certify_new(
    job: &Job<'_>,
    rmaps: &[(String, String)],
    context: Option<&str>,
) -> Result<(Vec<CertifiedFile>, bool), Refusal> {
    let mut out = Vec::new();
    for (at, (old, new)) in rmaps.iter().enumerate() {
        job.say(&format!("Certifying {}", repr(new)))?;
        let mut file = certify::one(job, old, &file_path(job.server, new), context, (at + 1, rmaps.len()), false);
        file.new_name.clone_from(new);
        out.push(file);
    }
    let failed = out.iter().any(|file| file.status == "Failed.");
    Ok((out, failed))
}

/// Other files of the same parent, whatever their state (WP 3.6).
pub fn collisions(job: &Job<'_>, new: &[String]) -> Result<Vec<Collision>, Refusal> {
    let mut out = Vec::new();
    for name in new {
        let parent = job.server.catalogue.file(name)?.map(|row| row.derived_from).unwrap_or_default();
        if parent.is_empty() || parent == "none" || parent.contains("generated") {
            continue;
        }
        for other in job.server.catalogue.files_derived_from(&parent)? {
            if other.name != *name {
                out.push(Collision { new: name.clone(), other: other.name, parent: parent.clone() });
            }
        }
    }
    Ok(out)
}

/// Differences of (old, new) pairs for the page, told on the channel.
pub fn differences(job: &Job<'_>, pairs: &[(String, String)]) -> Result<serde_json::Value, Refusal> {
    job.say("Computing file differences.")?;
    for (old, new) in pairs {
        job.say(&format!("Differencing {} vs. {}", repr(old), repr(new)))?;
    }
    Ok(super::super::differences(job.server, pairs))
}

/// References of a context, sorted.
pub fn references_of(job: &Job<'_>, pmap: &str) -> Result<std::collections::BTreeSet<String>, Refusal> {
    job.server.rules.references(pmap).map_err(|error| Refusal::says(error.to_string()))
}

/// Known references with their places in the cache.
pub fn placed(job: &Job<'_>, names: &[String]) -> Vec<(String, PathBuf)> {
    names.iter().filter(|name| !is_mapping(name)).map(|name| (name.clone(), file_path(job.server, name))).collect()
}
