//! Proving a run folder: the journal's chain, every piece of evidence, and the report that follows from them.

use std::fs;

use serde::Serialize;

use crate::run::{Folder, Ledger, RunError};

/// What was proven, and what does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// Entries of the journal whose chain holds.
    pub entries: u64,
    /// Pieces of evidence that have their hash.
    pub evidence: usize,
    /// Whether the report's files are those that follow from the journal; none: there is no report.
    pub report: Option<bool>,
    /// Everything that does not fit, in one line each.
    pub wrong: Vec<String>,
}

/// The states that the journal knows and that are not in the folder as they were kept: what steps judged by.
pub fn lost_states(folder: &Folder, ledger: &Ledger) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, hash) in ledger.kept_states() {
        match fs::read(folder.join("states").join(format!("{name}.json"))) {
            Ok(bytes) if blake3::hash(&bytes).to_hex().as_str() == hash => {}
            Ok(_) => wrong.push(format!("states/{name}.json is not what the journal says was kept")),
            Err(error) => wrong.push(format!("states/{name}.json cannot be read: {error}")),
        }
    }
    wrong
}

/// Proves a run folder. Nothing is written and no host is asked.
///
/// # Errors
///
/// [`RunError`] if the folder cannot be read; what does not fit is in the proof.
pub fn verify(folder: &Folder) -> Result<Proof, RunError> {
    let entries = match folder.entries() {
        Ok(entries) => entries,
        Err(error @ (RunError::Tampered { .. } | RunError::Entry { .. })) => {
            return Ok(Proof { entries: 0, evidence: 0, report: None, wrong: vec![error.to_string()] });
        }
        Err(error) => return Err(error),
    };
    let ledger = Ledger::read(&entries);
    let mut wrong = folder.evidence().audit(&ledger.evidence)?;
    wrong.extend(lost_states(folder, &ledger));
    let evidence = ledger.evidence.len();
    let mut report = None;
    if let Some((digest, _)) = &ledger.reported {
        report = Some(true);
        let (_, made) = super::make(folder)?;
        for (name, bytes) in made.each() {
            let path = folder.join("report").join(name);
            match fs::read(&path) {
                Ok(have) if have == bytes => {}
                Ok(_) => wrong.push(format!("report/{name} is not what follows from the journal")),
                Err(error) => wrong.push(format!("report/{name} cannot be read: {error}")),
            }
        }
        if format!("blake3:{}", blake3::hash(&made.acceptance).to_hex()) != *digest {
            wrong.push("the journal goes on after the last report: rebuild it with `crds-upgrade report`".to_owned());
        }
        if wrong.iter().any(|line| line.contains("report")) {
            report = Some(false);
        }
    }
    if ledger.reported.is_none() && folder.join("report/acceptance.json").exists() {
        wrong.push("there is a report that the journal does not know of: the journal was cut".to_owned());
        report = Some(false);
    }
    if let Some(opened) = &ledger.opened {
        for (name, digest) in [("plan.toml", &opened.plan_digest), ("site.toml", &opened.site_digest)] {
            let have = fs::read(folder.join(name)).map(|bytes| blake3::hash(&bytes).to_hex().to_string());
            if have.as_ref().ok() != Some(digest) {
                wrong.push(format!("{name} in the run folder is not the file that the run was opened with"));
            }
        }
    } else {
        wrong.push("the journal does not say what the run is for".to_owned());
    }
    Ok(Proof { entries: ledger.head.0, evidence, report, wrong })
}
