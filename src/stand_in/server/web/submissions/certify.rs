//! Certification as submissions and the certify page use it (RD 7).

use std::path::Path;

use super::super::store::Files;
use super::super::stored::{Certified, CertifiedFile, Stored};
use super::{Job, Terms, Upload, Who, finish, store};
use crate::stand_in::derive::certify::{certify_mapping, certify_reference};
use crate::stand_in::derive::names::is_mapping;
use crate::stand_in::server::Server;
use crate::stand_in::server::catalog::ResultRow;
use crate::stand_in::server::python::repr;
use crate::stand_in::server::refusal::Refusal;
use crate::stand_in::server::rules_store::is_special;

/// Certifies one file: `shown` is its name on the page, `context` the rules that it is held against.
pub fn one(job: &Job<'_>, shown: &str, path: &Path, context: Option<&str>, nth: (usize, usize)) -> CertifiedFile {
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
    let mut lines: Vec<String> = result.lines.iter().map(|line| line.line(job.generation())).collect();
    let extra = known_and_good(job, &name, &bytes);
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
    if job.is_2014() { format!("CRDS  : {level:<8} {text}") } else { format!("CRDS - {level} -  {text}") }
}

/// What only the server can say of a mapping: are its files known, are they good (RD 7.4, last row).
fn known_and_good(job: &Job<'_>, name: &str, bytes: &[u8]) -> Vec<(bool, String)> {
    let mut out = Vec::new();
    if !is_mapping(name) {
        return out;
    }
    for file in named_files(name, bytes) {
        match job.server.catalogue.file(&file) {
            Ok(None) => out.push((true, format!("File {} is not known to CRDS.", repr(&file)))),
            Ok(Some(row)) => {
                if row.blacklisted {
                    out.push((true, format!("File {} is blacklisted.", repr(&file))));
                }
                if row.rejected {
                    out.push((false, format!("File {} is rejected.", repr(&file))));
                }
            }
            Err(_) => {}
        }
    }
    out
}

/// Files that a mapping names, each once.
pub fn named_files(name: &str, bytes: &[u8]) -> Vec<String> {
    fn walk(value: &crate::rules::syntax::Value, out: &mut Vec<String>) {
        use crate::rules::syntax::Value;
        match value {
            Value::Str(text) if !is_special(text) && !out.contains(text) => out.push(text.clone()),
            Value::Tuple(items) | Value::List(items) => items.iter().for_each(|item| walk(item, out)),
            Value::Dict(items) => items.iter().for_each(|(_, item)| walk(item, out)),
            Value::Call(call) => call.dict.iter().for_each(|(_, item)| walk(item, out)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    if let Ok(mapping) = crate::rules::syntax::parse(bytes, name) {
        walk(&mapping.selector, &mut out);
    }
    out
}

/// Certifies files in the order of their names; true if one failed.
pub fn all(job: &Job<'_>, files: &[Upload], context: Option<&str>) -> Result<(Vec<CertifiedFile>, bool), Refusal> {
    let mut out = Vec::new();
    let mut sorted: Vec<&Upload> = files.iter().collect();
    sorted.sort();
    for (at, (name, path)) in sorted.iter().enumerate() {
        job.say(&format!("Certifying {}", repr(name)))?;
        out.push(one(job, name, path, context, (at + 1, sorted.len())));
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
    let (certified, _) = all(&job, files, pmap)?;
    let mut blacklist = Vec::new();
    for (name, path) in files {
        blacklist.push((name.clone(), blacklisted_by(server, name, path)?));
    }
    let stored = Stored::Certified(Certified { certified, blacklist });
    let row = store(server, &who.user, "certify", &stored, "")?;
    finish(server, who, &row)?;
    Ok(row)
}

/// Bad mappings at and below an uploaded mapping, sorted.
///
/// # Errors
///
/// If the catalogue cannot be read.
pub fn blacklisted_by(server: &Server, name: &str, path: &Path) -> Result<Vec<String>, Refusal> {
    let mut bad = std::collections::BTreeSet::new();
    if !is_mapping(name) {
        return Ok(Vec::new());
    }
    let bytes = std::fs::read(path).unwrap_or_default();
    for file in named_files(name, &bytes) {
        let mut inside = std::collections::BTreeSet::from([file.clone()]);
        if is_mapping(&file) {
            inside.extend(server.rules.closure(&file).unwrap_or_default());
        }
        for below in inside.into_iter().filter(|below| is_mapping(below)) {
            if server.catalogue.file(&below)?.is_some_and(|row| row.rejected || row.blacklisted) {
                bad.insert(below);
            }
        }
    }
    Ok(bad.into_iter().collect())
}
