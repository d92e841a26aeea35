//! The reviewed outcomes of plans: names and checksums of the rules that must come of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crds_upgrade::run::{Step, StepError};
use serde::Deserialize;

/// `snapshots/known_good.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    outcome: Vec<Outcome>,
}

/// The outcome of one plan on one rules set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// `real` or `fixture`.
    pub rules: String,
    /// The plan's id.
    pub plan: String,
    /// The context that it starts from.
    pub start: String,
    /// SHA-1 of that pmap's text, which tells the rules sets apart.
    pub start_sha1: String,
    /// SHA-1 of each file that must come of it.
    pub files: BTreeMap<String, String>,
}

/// The outcome that was reviewed for this plan and the rules that start with this pmap, if there is one.
pub fn outcome(s: &Step, start: &str, start_sha1: &str) -> Result<Option<Outcome>, StepError> {
    let root = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let path = root.join("snapshots").join("known_good.toml");
    let text = std::fs::read_to_string(&path)?;
    let file: File = toml::from_str(&text)?;
    let plan = &s.plan().id;
    let fits = |outcome: &Outcome| &outcome.plan == plan && outcome.start == start && outcome.start_sha1 == start_sha1;
    Ok(file.outcome.into_iter().find(fits))
}
