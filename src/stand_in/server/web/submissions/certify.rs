//! Certification as submissions and the certify page use it (RD 7).

use std::collections::BTreeSet;
use std::path::Path;

use super::super::store::Files;
use super::super::stored::{Certified, CertifiedFile, Stored};
use super::{Job, Terms, Upload, Who, finish, store};
use crate::stand_in::derive::certify::{certify_mapping, certify_reference, in_2019};
use crate::stand_in::derive::names::is_mapping;
use crate::stand_in::server::Server;
use crate::stand_in::server::catalog::ResultRow;
use crate::stand_in::server::python::repr;
use crate::stand_in::server::refusal::Refusal;
use crate::stand_in::server::rules_store::{LoadError, Loaded};

/// Certifies one file: `shown` is its name on the page, `context` the rules that it is held against. What a mapping refers
/// to is looked up only of uploads; of the server's own new rules 2019 does not ask it.
pub fn one(
    job: &Job<'_>,
    shown: &str,
    path: &Path,
    context: Option<&str>,
    nth: (usize, usize),
    uploaded: bool,
) -> CertifiedFile {
    let mut files = Files::of(job.server);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    files.extra.insert(name.clone(), path.to_owned());
    let shown_path = path.display().to_string();
    let shown_path = match path.strip_prefix(&job.server.config.dirs.ingest) {
        Ok(below) => format!("/{}", below.display()),
        Err(_) => shown_path,
    };
    let context = context.unwrap_or_default();
    let bytes = std::fs::read(path).unwrap_or_default();
    let result = if is_mapping(&name) {
        let text = String::from_utf8_lossy(&bytes);
        certify_mapping(&files, &shown_path, &text, context, job.generation(), nth)
    } else {
        certify_reference(&files, &shown_path, &bytes, context, job.generation(), nth)
    };
    let older = job.dialect().certifies_singly && job.dialect().older_library;
    let result = if older { in_2019(result, &shown_path, context) } else { result };
    let mut lines: Vec<String> = result.lines.iter().map(|line| line.line(job.generation())).collect();
    if job.dialect().certifies_singly {
        // Later servers certify file by file, each under its own name, and so count nothing.
        if let Some(first) = lines.first_mut() {
            let (at, all) = nth;
            let name = if uploaded { shown } else { name.as_str() };
            *first = first.replacen(&format!("{} ({at}/{all})", repr(&shown_path)), &repr(name), 1);
        }
    }
    let extra = if is_mapping(&name) && (uploaded || job.dialect().distrusts_own_mappings) {
        known_and_good(job, &name, &bytes)
    } else {
        Vec::new()
    };
    let errors = result.errors + extra.iter().filter(|(error, _)| *error).count();
    let warnings = result.warnings + extra.iter().filter(|(error, _)| !*error).count();
    lines.extend(extra.into_iter().map(|(error, text)| spelled(job, error, &text)));
    CertifiedFile { file: shown.to_owned(), new_name: String::new(), status: status(errors, warnings), lines }
}

fn status(errors: usize, warnings: usize) -> String {
    match (errors, warnings) {
        (0, 0) => "OK",
        (0, _) => "Warnings",
        _ => "Failed.",
    }
    .to_owned()
}

fn spelled(job: &Job<'_>, error: bool, text: &str) -> String {
    let level = if error { "ERROR" } else { "WARNING" };
    if job.dialect().stpipe_log { format!("CRDS - {level} -  {text}") } else { format!("CRDS  : {level:<8} {text}") }
}

/// Stored states of files that mappings may refer to.
const USEABLE: [&str; 6] = ["archived", "operational", "delivered", "submitted", "archiving", "archiving-failed"];

/// What only the server can say of a mapping: are the references below it known, are they good (RD 7.4, last row).
fn known_and_good(job: &Job<'_>, name: &str, bytes: &[u8]) -> Vec<(bool, String)> {
    let below = match below(job.server, name, bytes) {
        Ok(below) => below,
        Err(why) => return vec![(true, format!("Failed checking mapping {} : {why}", repr(name)))],
    };
    let mut out = Vec::new();
    for file in below.references {
        match job.server.catalogue.file(&file) {
            // 2014 asked for a row alone.
            Ok(Some(row)) if !job.dialect().tests_states_below || USEABLE.contains(&row.state.as_str()) => {
                if row.blacklisted {
                    out.push((true, format!("File {} is blacklisted.", repr(&file))));
                }
                if row.rejected {
                    out.push((false, format!("File {} is rejected.", repr(&file))));
                }
            }
            Ok(_) => out.push((true, format!("File {} is not known to CRDS.", repr(&file)))),
            Err(_) => {}
        }
    }
    out
}

/// Everything below a mapping that is not in the cache itself.
struct Below {
    /// Mappings, sorted.
    mappings: BTreeSet<String>,
    /// References, sorted, special values left out.
    references: BTreeSet<String>,
}

/// Looks below an uploaded mapping; what it names lies in the cache.
fn below(server: &Server, name: &str, bytes: &[u8]) -> Result<Below, LoadError> {
    let upload = Loaded::parse(name, bytes)?;
    let mut out = Below { mappings: BTreeSet::new(), references: upload.references.clone() };
    for child in upload.children() {
        out.mappings.extend(server.rules.closure(child)?);
        out.references.extend(server.rules.references(child)?);
    }
    Ok(out)
}

/// Certifies files in the order of their names; true if one failed.
pub fn all(job: &Job<'_>, files: &[Upload], context: Option<&str>) -> Result<(Vec<CertifiedFile>, bool), Refusal> {
    let mut out = Vec::new();
    let mut sorted: Vec<&Upload> = files.iter().collect();
    sorted.sort();
    for (at, (name, path)) in sorted.iter().enumerate() {
        job.say(&format!("Certifying {}", repr(name)))?;
        out.push(one(job, name, path, context, (at + 1, sorted.len()), true));
    }
    let failed = out.iter().any(|file| file.status == "Failed.");
    Ok((out, failed))
}

/// The certify page: looks at the uploads and leaves everything alone (WP 3.11).
///
/// # Errors
///
/// If the catalogue cannot be read or written.
pub fn certify_uploads(server: &Server, who: &Who, pmap: Option<&str>, files: &[Upload]) -> Result<ResultRow, Refusal> {
    let terms = Terms::default();
    let job = Job::new(server, who, &terms);
    let (certified, failed) = all(&job, files, pmap)?;
    let mut blacklist = Vec::new();
    let asked = if failed && server.dialect().blacklists_after_passing { &[][..] } else { files };
    for (name, path) in asked {
        blacklist.push((name.clone(), blacklisted_by(server, name, path, true).ok()));
    }
    let stored = Stored::Certified(Certified { certified, blacklist });
    let row = store(server, &who.user, "certify", &stored, "")?;
    finish(server, who, &row)?;
    Ok(row)
}

/// Blacklisted files below an uploaded mapping, sorted; with `itself` also the catalogued one of its own name.
///
/// # Errors
///
/// If something below does not load, or the catalogue cannot be read.
pub fn blacklisted_by(server: &Server, name: &str, path: &Path, itself: bool) -> Result<Vec<String>, Refusal> {
    if !is_mapping(name) {
        return Ok(Vec::new());
    }
    let below = below(server, name, &std::fs::read(path)?)
        .map_err(|error| Refusal::says(format!("Error loading {} : {error}", repr(name))))?;
    let mut all: BTreeSet<String> = below.mappings.into_iter().chain(below.references).collect();
    if itself {
        all.insert(name.to_owned());
    } else {
        all.remove(name);
    }
    let mut bad = Vec::new();
    for file in all {
        if server.catalogue.file(&file)?.is_some_and(|row| row.blacklisted) {
            bad.push(file);
        }
    }
    Ok(bad)
}
