//! The submissions one by one: what each refuses, in its order, and what it stores (WP 3.6).

use std::collections::BTreeSet;

use super::super::stored::{CertifiedFile, Done, Ready, Stored, Submission};
use super::deliver::{self, Delivery};
use super::intake::{check_instruments, of_locked, take_in};
use super::rules::{self, Change};
use super::{Job, Terms, Upload, Who, carry_out, certify};
use crate::stand_in::derive::names::{self, is_mapping};
use crate::stand_in::server::Server;
use crate::stand_in::server::catalog::{ActionRow, ResultRow};
use crate::stand_in::server::python::{repr, repr_list};
use crate::stand_in::server::refusal::Refusal;
use crate::stand_in::server::rpc::vocabulary;

/// Disposition of a page whose files failed certification.
const BAD_FILES: &str = "bad files";

fn ready(job: &Job<'_>, submission: Submission) -> Ready {
    Ready {
        submission,
        pmap: job.terms.pmap.clone(),
        pmap_mode: job.terms.mode.clone(),
        description: job.terms.description.clone(),
        submitter: job.who.user.clone(),
        lock_id: job.who.lock.as_ref().map(|lock| lock.id()).unwrap_or_default(),
        instrument: job.who.lock.as_ref().map(|lock| lock.name.clone()).unwrap_or_default(),
        uploads: Vec::new(),
        rmaps: Vec::new(),
        context_rmaps: Vec::new(),
        certified: Vec::new(),
        differences: serde_json::Value::Null,
        collisions: Vec::new(),
        named: Vec::new(),
    }
}

/// Puts the new names beside the certified uploads.
fn named(certified: Vec<CertifiedFile>, names: &[(String, String)]) -> Vec<CertifiedFile> {
    certified
        .into_iter()
        .map(|file| {
            let new = names.iter().find(|(old, _)| *old == file.file).map(|(_, new)| new.clone());
            CertifiedFile { new_name: new.unwrap_or_default(), ..file }
        })
        .collect()
}

/// `/submit/mapping/`.
///
/// # Errors
///
/// The refusals of WP 3.6 in their order.
pub fn mappings(server: &Server, who: &Who, terms: &Terms, files: &[Upload]) -> Result<ResultRow, Refusal> {
    let job = Job::new(server, who, terms);
    carry_out(&job, Submission::Mapping, |job| {
        job.say_at_length("Starting submission processing.")?;
        // Check by check, not file by file (WP 3.6).
        if terms.generate_contexts && files.iter().any(|(name, _)| !name.ends_with(".rmap")) {
            return Err(Refusal::says("Only .rmaps may be submitted if Generate Contexts is selected."));
        }
        for (name, _) in files {
            if !is_mapping(name) && job.dialect().tests_for_mappings {
                return Err(Refusal::says(format!("Can't submit non-mapping file: {} using this page.", repr(name))));
            }
            // Later servers look at names alone, and only where they are to be kept.
            if !terms.auto_rename && job.dialect().name_rules {
                names::decompose(name).map_err(|error| super::derived(&error))?;
                if !is_mapping(name) {
                    return Err(Refusal::says(format!(
                        "Can't submit references or badly named mapping '{name}' using this page."
                    )));
                }
            }
        }
        if terms.generate_contexts {
            check_instruments(job, files)?;
        }
        submit_files(job, Submission::Mapping, files)
    })
}

/// `/submit/reference/`.
///
/// # Errors
///
/// The refusals of WP 3.6 in their order.
pub fn references(server: &Server, who: &Who, terms: &Terms, files: &[Upload]) -> Result<ResultRow, Refusal> {
    let job = Job::new(server, who, terms);
    carry_out(&job, Submission::Reference, |job| {
        job.say_at_length("Starting submission processing.")?;
        for (name, _) in files {
            if terms.generate_contexts && job.dialect().contexts_want_rmaps && !name.ends_with(".rmap") {
                return Err(Refusal::says("Only .rmaps may be submitted if Generate Contexts is selected."));
            }
            if is_mapping(name) {
                return Err(Refusal::says(format!("Can't submit mapping file: {} using this page.", repr(name))));
            }
            if !terms.auto_rename && job.dialect().name_rules && names::decompose(name).is_err() {
                return Err(Refusal::says(format!(
                    "Invalid reference name {} unless auto-renaming is used.",
                    repr(name)
                )));
            }
        }
        submit_files(job, Submission::Reference, files)
    })
}

/// What mapping and reference submissions have in common: certify, name, take in, look for collisions.
fn submit_files(job: &Job<'_>, submission: Submission, files: &[Upload]) -> Result<(Stored, &'static str), Refusal> {
    // There is a context only if contexts or a comparison are wanted.
    let context = job.terms.pmap.as_deref();
    let (certified, failed) = certify::all(job, files, context)?;
    job.server.reached("submit.certified")?;
    let mut page = ready(job, submission);
    if failed && job.dialect().certify_first {
        page.certified = certified;
        return Ok((Stored::Ready(page), BAD_FILES));
    }
    page.uploads = take_in(job, files)?;
    let new: Vec<String> = page.uploads.iter().map(|(_, new)| new.clone()).collect();
    if job.terms.generate_contexts {
        page.context_rmaps = new.iter().filter(|name| name.ends_with(".rmap")).cloned().collect();
    }
    job.say("Checking for derivation collisions.")?;
    page.collisions = rules::collisions(job, &new)?;
    page.certified = named(certified, &page.uploads);
    Ok((Stored::Ready(page), if failed { BAD_FILES } else { "" }))
}

/// `/batch_submit_references/`.
///
/// # Errors
///
/// The refusals of WP 3.6 in their order.
pub fn batch(server: &Server, who: &Who, terms: &Terms, files: &[Upload]) -> Result<ResultRow, Refusal> {
    let job = Job::new(server, who, terms);
    carry_out(&job, Submission::Batch, |job| {
        job.say_at_length("Starting submission processing.")?;
        check_instruments(job, files)?;
        for (name, _) in files {
            if is_mapping(name) {
                return Err(Refusal::says(format!(
                    "Non-reference-file's cannot be submitted in a batch submission: {}",
                    repr(name)
                )));
            }
            if !terms.auto_rename && job.dialect().name_rules && names::decompose(name).is_err() {
                return Err(Refusal::says(format!(
                    "Only CRDS-style and CDBS-style names can be accepted without renaming: {}",
                    repr(name)
                )));
            }
        }
        let context = terms.pmap.as_deref().filter(|_| terms.compare);
        let (certified, failed) = certify::all(job, files, context)?;
        job.server.reached("submit.certified")?;
        let mut page = ready(job, Submission::Batch);
        if failed && job.dialect().certify_first {
            page.certified = certified;
            return Ok((Stored::Ready(page), BAD_FILES));
        }
        let mut groups = rules::groups(job, files, true)?;
        for group in &groups {
            rules::try_insertion(job, group)?;
        }
        page.uploads = take_in(job, files)?;
        for file in groups.iter_mut().flat_map(|group| group.files.iter_mut()) {
            if let Some((_, new)) = page.uploads.iter().find(|(old, _)| *old == file.0) {
                *file = (new.clone(), super::file_path(job.server, new));
            }
        }
        page.rmaps = rules::generate(job, &groups, Change::Insert, &terms.creator)?;
        let (new_certified, new_failed) = rules::certify_new(job, &page.rmaps, context)?;
        page.certified = named(certified, &page.uploads);
        page.certified.extend(new_certified);
        close(job, &mut page)?;
        let new_failed = new_failed && !job.server.faulty("hidden_rmap_errors");
        Ok((Stored::Ready(page), if failed || new_failed { BAD_FILES } else { "" }))
    })
}

/// The end of a submission that made rmaps: collisions and differences.
fn close(job: &Job<'_>, page: &mut Ready) -> Result<(), Refusal> {
    page.context_rmaps = page.rmaps.iter().map(|(_, new)| new.clone()).collect();
    job.say("Checking for derivation collisions.")?;
    page.collisions = rules::collisions(job, &page.context_rmaps)?;
    page.differences = rules::differences(job, &page.rmaps)?;
    Ok(())
}

/// `/delete/reference/`.
///
/// # Errors
///
/// The refusals of WP 3.6 in their order.
pub fn delete(server: &Server, who: &Who, terms: &Terms, files: &[String]) -> Result<ResultRow, Refusal> {
    change_existing(server, who, terms, files, Submission::Delete, Change::Delete)
}

/// `/add_existing/reference/`.
///
/// # Errors
///
/// The refusals of WP 3.6 in their order.
pub fn add(server: &Server, who: &Who, terms: &Terms, files: &[String]) -> Result<ResultRow, Refusal> {
    change_existing(server, who, terms, files, Submission::Add, Change::Insert)
}

fn change_existing(
    server: &Server,
    who: &Who,
    terms: &Terms,
    files: &[String],
    submission: Submission,
    change: Change,
) -> Result<ResultRow, Refusal> {
    let job = Job::new(server, who, terms);
    let pmap = job.pmap()?.to_owned();
    let inside = rules::references_of(&job, &pmap)?;
    for file in files {
        let refused = match (change, inside.contains(file)) {
            (Change::Delete, false) => Some(format!("File {} does not appear in context {}", repr(file), repr(&pmap))),
            (Change::Insert, true) => Some(format!("File {} is already in context {}", repr(file), repr(&pmap))),
            (Change::Insert, false) => server
                .catalogue
                .file(file)?
                .filter(|row| row.rejected || row.blacklisted)
                .map(|_| format!("File {} is bad or contains bad files.", repr(file))),
            (Change::Delete, true) => None,
        };
        if let Some(text) = refused {
            return Err(Refusal::says(text));
        }
    }
    carry_out(&job, submission, |job| {
        if files.is_empty() && job.dialect().refuses_empty_lists {
            return Err(Refusal::says("No files submitted."));
        }
        job.say_at_length("Starting submission processing.")?;
        let names: Vec<String> = files.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
        if let Some(lock) = &who.lock {
            for file in files {
                let (instrument, _) = rules::catalogued_kind(job, file, &super::file_path(server, file))?;
                of_locked(&lock.name, &instrument)?;
            }
        }
        if let Some(mapping) =
            names.iter().find(|name| is_mapping(name)).filter(|_| job.dialect().lists_hold_references)
        {
            return Err(Refusal::says(format!(
                "Non-reference-file's cannot be submitted in a batch submission: {}",
                repr(mapping)
            )));
        }
        let groups = rules::groups(job, &rules::placed(job, &names), false)?;
        let mut page = ready(job, submission);
        page.named = files.to_vec();
        page.rmaps = rules::generate(job, &groups, change, "UNKNOWN")?;
        let (certified, failed) = rules::certify_new(job, &page.rmaps, Some(&pmap))?;
        let failed = failed && !job.server.faulty("hidden_rmap_errors");
        page.certified = certified;
        close(job, &mut page)?;
        if failed || server.dialect().confirm_deletions {
            return Ok((Stored::Ready(page), if failed { BAD_FILES } else { "" }));
        }
        immediately(job, page).map(|stored| (stored, ""))
    })
}

/// 2014 delivers a deletion or addition at once (WP 3.6).
fn immediately(job: &Job<'_>, page: Ready) -> Result<Stored, Refusal> {
    let delivery = Delivery {
        submission: page.submission,
        user: &page.submitter,
        description: &page.description,
        files: page.rmaps.iter().map(|(_, new)| new.clone()).collect(),
        context_rmaps: &page.context_rmaps,
        base: Some((&page.pmap_mode, page.pmap.as_deref().unwrap_or_default())),
    };
    let delivered = deliver::carry_out(job, &delivery)?;
    let final_pmap = delivered.pmap_made().unwrap_or_default().to_owned();
    let mut details = page.named.clone();
    details.push(final_pmap);
    let mut rows = Vec::new();
    for file in &page.named {
        let known = job.server.catalogue.file(file)?.unwrap_or_default();
        rows.push(ActionRow {
            id: 0,
            date: job.server.now_text(),
            user: page.submitter.clone(),
            action: page.submission.action().to_owned(),
            filename: file.clone(),
            observatory: job.observatory().to_owned(),
            instrument: known.instrument,
            filekind: known.filekind,
            why: page.description.clone(),
            details: repr_list(&details),
        });
    }
    job.server.catalogue.add_actions(&rows)?;
    job.server.drop_cached();
    let mut generated = page.rmaps;
    generated.extend(delivered.generated);
    generated.sort();
    Ok(Stored::Done(Done {
        submission: page.submission,
        pmap: delivered.pmap.unwrap_or_default(),
        named: page.named,
        generated,
        collisions: delivered.collisions,
    }))
}

/// `/create_contexts/`: no confirmation, no channel, no pause.
///
/// # Errors
///
/// An rmap whose stored state is not one that is given out; refusals of the derivation.
pub fn create_contexts(server: &Server, who: &Who, terms: &Terms, rmaps: &[String]) -> Result<ResultRow, Refusal> {
    let job = Job::new(server, who, terms);
    let pmap = job.pmap()?.to_owned();
    carry_out(&job, Submission::Contexts, |job| {
        for name in rmaps {
            if name.ends_with("_n/a") {
                check_not_applicable(server, name)?;
                continue;
            }
            let Some(state) = server.catalogue.file(name)?.map(|row| row.state) else {
                return Err(Refusal::says(format!("Unknown CRDS file {}", repr(name))));
            };
            if !server.distributable(&state) {
                return Err(Refusal::says(format!("File {} is only in state {}", repr(name), repr(&state))));
            }
        }
        let delivery = Delivery {
            submission: Submission::Contexts,
            user: &who.user,
            description: &terms.description,
            files: Vec::new(),
            context_rmaps: rmaps,
            base: Some((&terms.mode, &pmap)),
        };
        let delivered = deliver::carry_out(job, &delivery)?;
        let stored = Stored::Done(Done {
            submission: Submission::Contexts,
            pmap: delivered.pmap.unwrap_or_default(),
            named: rmaps.to_vec(),
            generated: delivered.generated,
            collisions: delivered.collisions,
        });
        Ok((stored, ""))
    })
}

/// `<instrument>_<type>_n/a`: both words must be the observatory's (RD 5.1).
fn check_not_applicable(server: &Server, name: &str) -> Result<(), Refusal> {
    let [instrument, filekind, _] = name.split('_').collect::<Vec<_>>()[..] else {
        return Err(Refusal::unexpected(format!("ValueError {}", repr(name))));
    };
    let observatory = &server.config.observatory;
    if !vocabulary::instruments(observatory, server.dialect()).contains(&instrument.to_lowercase().as_str()) {
        return Err(Refusal::says(format!("Invalid instrument: {}", repr(instrument))));
    }
    let filekind = filekind.to_lowercase();
    if !vocabulary::types(observatory).contains(&filekind.as_str()) {
        return Err(Refusal::says(format!("Invalid filekind: {}", repr(&filekind))));
    }
    Ok(())
}
