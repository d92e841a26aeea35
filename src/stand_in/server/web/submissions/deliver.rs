//! Contexts at confirmation, and the delivery to the archive (WP 3.6, RD 5, SO 17).

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::super::store::Files;
use super::super::stored::{Collision, Submission};
use super::intake::{next_name, record_mapping};
use super::{Job, derived, file_path, rules};
use crate::stand_in::derive::{contexts, names};
use crate::stand_in::server::catalog::{ActionRow, FileRow};
use crate::stand_in::server::python::{repr, repr_list};
use crate::stand_in::server::refusal::Refusal;
use crate::stand_in::server::rules_store::os_words;
use crate::stand_in::server::{Level, Server};

/// What is to be delivered.
pub struct Delivery<'a> {
    /// Which page it came from.
    pub submission: Submission,
    /// Who submitted: rows name them, whoever confirmed.
    pub user: &'a str,
    /// Description of the submission.
    pub description: &'a str,
    /// Files that are there already, state `uploaded`.
    pub files: Vec<String>,
    /// Rmaps that go into new contexts.
    pub context_rmaps: &'a [String],
    /// How the base context was chosen, and which one it was then; none: no contexts are made.
    pub base: Option<(&'a str, &'a str)>,
}

/// What came of it.
pub struct Delivered {
    /// The context that the new ones were derived from.
    pub pmap: Option<String>,
    /// New contexts: old name, new name.
    pub generated: Vec<(String, String)>,
    /// Collisions of the new contexts.
    pub collisions: Vec<Collision>,
}

impl Delivered {
    /// The new pmap.
    pub fn pmap_made(&self) -> Option<&str> {
        self.generated.iter().map(|(_, new)| new.as_str()).find(|new| new.ends_with(".pmap"))
    }
}

/// Makes the contexts, delivers everything, moves the edit context (WP 3.6: the order is the era's).
pub fn carry_out(job: &Job<'_>, delivery: &Delivery<'_>) -> Result<Delivered, Refusal> {
    let server = job.server;
    for name in &delivery.files {
        let row = server.catalogue.file(name)?;
        let row = row.ok_or_else(|| Refusal::says(format!("Unknown CRDS file {}", repr(name))))?;
        if row.deliverer_user != delivery.user {
            let (user, name) = (repr(delivery.user), repr(name));
            return Err(Refusal::says(format!("User {user} did not submit {name}")));
        }
        if row.state != "uploaded" {
            return Err(Refusal::says(format!("File {} is no longer in the 'uploaded' state.", repr(name))));
        }
    }
    if delivery.files.is_empty() && delivery.submission != Submission::Contexts {
        return Err(Refusal::says("No files submitted."));
    }
    let mut delivered = Delivered { pmap: None, generated: Vec::new(), collisions: Vec::new() };
    if let Some((mode, then)) = delivery.base {
        server.with_all_contexts(|| {
            server.config.log.message(Level::Info, &format!("Creating contexts {}", repr_list(delivery.context_rmaps)));
            let base = match mode {
                _ if server.faulty("stale_base") => then.to_owned(),
                "pmap_edit" => server.catalogue.context("edit")?.unwrap_or_default(),
                "pmap_operational" | "pmap_latest" => server.catalogue.context("operational")?.unwrap_or_default(),
                _ => then.to_owned(),
            };
            let text = format!("Resolved final derivation pmap from pmap_mode = {} as {}", repr(mode), repr(&base));
            server.config.log.message(Level::Info, &text);
            delivered.generated = make_contexts(job, delivery, &base, then)?;
            delivered.pmap = Some(base);
            Ok(())
        })?;
    }
    let new: Vec<String> = delivered.generated.iter().map(|(_, new)| new.clone()).collect();
    delivered.collisions = rules::collisions(job, &new)?;
    if server.dialect().edit_moves_early {
        move_edit_context(server, &new)?;
    }
    server.reached("confirm.edit_moved")?;
    let mut files = delivery.files.clone();
    files.extend(new);
    files.sort();
    let catalogue = write_catalogue(server, &files)?;
    server.reached("confirm.catalogue_written")?;
    link_all(server, &files, &catalogue)?;
    server.reached("confirm.links_made")?;
    let as_delivered: Vec<(&str, &str)> = files.iter().map(|name| (name.as_str(), "delivered")).collect();
    server.catalogue.set_on_files("state", as_delivered)?;
    let linked: Vec<(&str, &str)> = files.iter().map(|name| (name.as_str(), catalogue.as_str())).collect();
    server.catalogue.set_on_files("catalog_link", linked)?;
    server.reached("confirm.states_delivered")?;
    write_audit(job, delivery, &files, &catalogue)?;
    server.reached("confirm.audit_written")?;
    if !server.dialect().edit_moves_early {
        move_edit_context(server, &files)?;
    }
    server.drop_cached();
    Ok(delivered)
}

/// New imaps and one new pmap, written, catalogued, still `uploaded`.
fn make_contexts(
    job: &Job<'_>,
    delivery: &Delivery<'_>,
    base: &str,
    then: &str,
) -> Result<Vec<(String, String)>, Refusal> {
    let store = Files::of(job.server);
    let rmaps: Vec<&str> = delivery.context_rmaps.iter().map(String::as_str).collect();
    // 2014 reserved the names for the context of submission time: a move in between is its KeyError (RD 5.2).
    let named_for = if job.dialect().reserves_names && !then.is_empty() { then } else { base };
    let needed = contexts::needed(&store, named_for, &rmaps).map_err(|error| derived(&error))?;
    let mut new_names = BTreeMap::new();
    for old in needed {
        let extension = &old[old.rfind('.').unwrap_or(old.len())..];
        let found = names::decompose(&old).map_err(|error| derived(&error))?;
        let new = next_name(job, &found.instrument, &found.filekind, extension)?;
        new_names.insert(old, new);
    }
    job.server.reached("confirm.names_drawn")?;
    let made =
        contexts::generate(&store, base, &rmaps, &new_names, job.generation()).map_err(|error| derived(&error))?;
    let mut files = made.files;
    if job.dialect().pmap_row_first {
        // The sort is stable: the imaps stay in their order.
        files.sort_by_key(|file| !file.name.ends_with(".pmap"));
    }
    let mut out = Vec::new();
    for file in files {
        let row = FileRow { uploaded_as: file.from.clone(), creator_name: "crds".to_owned(), ..FileRow::default() };
        record_mapping(job, &file.name, &file.text, row)?;
        out.push((file.from, file.name));
    }
    for line in made.log {
        job.server.config.log.message(Level::Info, &line.text);
    }
    job.server.reached("confirm.contexts_written")?;
    Ok(out)
}

/// The highest-named new pmap becomes the edit context, with a row in the history (WP 4.3).
fn move_edit_context(server: &Server, files: &[String]) -> Result<(), Refusal> {
    if server.faulty("edit_stays") {
        return Ok(());
    }
    let Some(pmap) = files.iter().filter(|name| name.ends_with(".pmap")).max() else { return Ok(()) };
    let observatory = repr(&server.config.observatory);
    let text = format!("Setting {observatory} default 'edit' context to {}", repr(pmap));
    server.config.log.message(Level::Info, &text);
    server.catalogue.set_context("edit", pmap)?;
    server.add_history("edit", pmap, "set by system")?;
    server.drop_cached();
    Ok(())
}

/// The list of all files of a delivery, sorted, read-only; gives its name.
fn write_catalogue(server: &Server, files: &[String]) -> Result<String, Refusal> {
    let observatory = &server.config.observatory;
    let number = server.catalogue.next_counter(&format!("{observatory}_delivery_id"))?;
    let name = if observatory == "jwst" && server.dialect().uuid_results {
        format!("jwst_{number}.cat")
    } else {
        format!("opus_{number}_i.cat")
    };
    let path = server.config.dirs.catalogs.join(&name);
    let mut text = files.join("\n");
    text.push('\n');
    fs::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444))?;
    Ok(name)
}

/// Hard links into `deliveries/`: every file, last the catalogue, which is the archive's signal (SO 17).
fn link_all(server: &Server, files: &[String], catalogue: &str) -> Result<(), Refusal> {
    let dirs = &server.config.dirs;
    let mut places = Vec::new();
    for name in files {
        places.push((file_path(server, name), dirs.deliveries.join(name)));
    }
    places.push((dirs.catalogs.join(catalogue), dirs.deliveries.join(catalogue)));
    for (at, (from, to)) in places.iter().enumerate() {
        if !server.dialect().refuses_taken_links {
            let _ = fs::remove_file(to);
            fs::hard_link(from, to)?;
        } else if let Err(error) = fs::hard_link(from, to) {
            let (from, to) = (repr(&from.display().to_string()), repr(&to.display().to_string()));
            unlink_all(server, files, catalogue);
            let why = os_words(&error);
            return Err(Refusal::says(format!(
                "Delivery failed: failed to link {from} to {to} : {why}: {from} -> {to}"
            )));
        }
        if at == 0 {
            server.reached("confirm.first_link")?;
        }
    }
    // A change of mode through a delivery link changes the cache copy too: it is one file (SO 3.3).
    if let Some(mode) = server.fault("link_mode").and_then(|text| u32::from_str_radix(text.trim(), 8).ok()) {
        for (_, to) in &places {
            fs::set_permissions(to, fs::Permissions::from_mode(mode & 0o7777))?;
        }
    }
    Ok(())
}

/// Takes back a delivery that could not be linked: everything of its names in the directories of links and of catalogues,
/// also what was there before.
fn unlink_all(server: &Server, files: &[String], catalogue: &str) {
    let dirs = &server.config.dirs;
    for name in files.iter().map(String::as_str).chain([catalogue]) {
        for dir in [&dirs.deliveries, &dirs.catalogs] {
            // What was never linked is not there.
            let _ = fs::remove_file(dir.join(name));
        }
    }
}

/// One row for the catalogue, then one per file, all with the whole list as details (WP 4.4).
fn write_audit(job: &Job<'_>, delivery: &Delivery<'_>, files: &[String], catalogue: &str) -> Result<(), Refusal> {
    let mut named = vec![catalogue.to_owned()];
    named.extend(files.iter().cloned());
    let details = repr_list(&named);
    let mut rows = Vec::new();
    for name in &named {
        let known = job.server.catalogue.file(name)?.unwrap_or_default();
        let pipeline = name.ends_with(".pmap");
        rows.push(ActionRow {
            id: 0,
            date: job.server.now_text(),
            user: delivery.user.to_owned(),
            action: delivery.submission.action().to_owned(),
            filename: name.clone(),
            observatory: job.observatory().to_owned(),
            instrument: if pipeline { String::new() } else { known.instrument },
            filekind: if pipeline || name.ends_with(".imap") { String::new() } else { known.filekind },
            why: delivery.description.to_owned(),
            details: details.clone(),
        });
    }
    job.server.catalogue.add_actions(&rows)?;
    Ok(())
}
