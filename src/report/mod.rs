//! The acceptance report of a run: `acceptance.json`, HTML and JUnit, made offline from a run folder.
//!
//! All three follow from the journal alone, so the same run folder always gives the same bytes. What was *not* checked is
//! told as plainly as what was.

pub mod acceptance;
mod html;
mod junit;
mod timeline;
pub mod verify;

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::event::Event;
use crate::run::{Folder, Ledger, RunError};

pub use acceptance::{Acceptance, Outcome};

/// The files of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// For machines.
    pub acceptance: Vec<u8>,
    /// For people.
    pub html: Vec<u8>,
    /// For CI.
    pub junit: Vec<u8>,
}

impl Files {
    /// Name and bytes of each file.
    pub fn each(&self) -> [(&'static str, &[u8]); 3] {
        [("acceptance.json", &self.acceptance), ("index.html", &self.html), ("junit.xml", &self.junit)]
    }
}

/// Makes the report from the journal, without writing anything.
///
/// # Errors
///
/// [`RunError`] if the journal cannot be read or is not what was written, or a file cannot be made from it.
pub fn make(folder: &Folder) -> Result<(Acceptance, Files), RunError> {
    let entries = folder.entries()?;
    let ledger = Ledger::read(&entries);
    let acceptance = Acceptance::of(&ledger, &entries, folder)?;
    let made = |what: &str, error: String| RunError::Input {
        what: format!("failed to make the report's {what}: {error}"),
        help: "report this with the run folder".to_owned(),
    };
    let mut json =
        serde_json::to_vec_pretty(&acceptance).map_err(|error| made("acceptance.json", error.to_string()))?;
    json.push(b'\n');
    let html = html::render(&acceptance).map_err(|error| made("index.html", format!("{error:#}")))?.into_bytes();
    let junit = junit::render(&acceptance).map_err(|error| made("junit.xml", error))?.into_bytes();
    Ok((acceptance, Files { acceptance: json, html, junit }))
}

/// Makes the report, writes it into the run folder and notes its digest in the journal.
///
/// # Errors
///
/// As [`make`], and if a file or the journal cannot be written.
pub fn write(folder: &Folder) -> Result<Acceptance, RunError> {
    let (acceptance, files) = make(folder)?;
    let report = folder.join("report");
    fs::create_dir_all(&report).map_err(RunError::file("create", &report))?;
    for (name, bytes) in files.each() {
        replace(&report.join(name), bytes)?;
    }
    let digest = format!("blake3:{}", blake3::hash(&files.acceptance).to_hex());
    let known = Ledger::read(&folder.entries()?).reported;
    if known.is_none_or(|(have, _)| have != digest) {
        let verdict = acceptance.verdict.as_str().to_owned();
        folder.journal()?.append(None, 0, &Event::Reported { acceptance: digest, verdict })?;
    }
    Ok(acceptance)
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let part: PathBuf = path.with_extension("part");
    fs::write(&part, bytes).map_err(RunError::file("write", &part))?;
    fs::rename(&part, path).map_err(RunError::file("rename", path))
}
