//! What the plan will submit and what the archive knows: files beside the hosts, in `DIR/submissions` and `DIR/dads`.

use std::fs;
use std::path::PathBuf;

use super::{LayOutError, contexts, files};
use crate::stand_in::derive::{shipped, submissions};
use crate::stand_in::fleet::spec::Fleet;
use crate::stand_in::tools::crds::is_mapping;

/// Makes the references that the project's plans submit, and copies the rules that this fleet's plan submits.
pub fn lay_out(fleet: &Fleet) -> Result<(), LayOutError> {
    let dir = fleet.root.join("submissions");
    files::directory(&dir, 0o755)?;
    let shipped =
        submissions::shipped().map_err(|error| LayOutError::Rules { path: dir.clone(), why: error.to_string() })?;
    for file in shipped {
        files::file(&dir.join(&file.name), &file.bytes, 0o644)?;
    }
    for name in contexts::submitted(fleet).into_iter().filter(|name| is_mapping(name)) {
        let places: [PathBuf; 2] = [
            fleet.rules.join("submissions").join(&name),
            fleet.rules.join("mappings").join(&fleet.observatory).join(&name),
        ];
        if let Some(place) = places.iter().find(|place| place.is_file()) {
            let text = fs::read(place).map_err(|source| LayOutError::file("read", place, source))?;
            files::file(&dir.join(&name), text, 0o644)?;
        } else if name == shipped::SUBMITTED.0 {
            files::file(&dir.join(&name), shipped::SUBMITTED.1, 0o644)?;
        }
    }
    archive(fleet)
}

/// The archive's datasets, and on each host what the real client once answered about them (`crds.bestrefs`).
fn archive(fleet: &Fleet) -> Result<(), LayOutError> {
    let dads = fleet.root.join("dads");
    files::directory(&dads, 0o755)?;
    if fleet.observatory == "hst" {
        files::file(&dads.join("hst.jsonl"), shipped::DATASETS, 0o644)?;
    }
    let answers = if fleet.real_rules { shipped::AFFECTED_REAL } else { shipped::AFFECTED_FIXTURE };
    for host in &fleet.hosts {
        let shared = host.root().join("usr/share/crds");
        files::directory(&shared, 0o755)?;
        files::file(&shared.join("affected.json"), answers, 0o644)?;
    }
    Ok(())
}
