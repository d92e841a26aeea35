//! Affected datasets by our own rules engine, and what explains a difference from the server's list.

use std::collections::{BTreeMap, BTreeSet};

use crds_upgrade::crds::{Door, Server};
use crds_upgrade::rules::affected::{self, Mode, product};
use crds_upgrade::rules::input::json::{Entry, Reader};
use crds_upgrade::run::{Step, StepError};
use serde_json::{Value, json};

use super::rules::Rules;
use super::tally::shorten;

/// Most ids that a server of either era takes in one call (WP 1.7).
const SLICE: usize = 1000;

/// What our own computation says.
pub struct Computed {
    /// Datasets looked at.
    pub datasets: usize,
    /// Products affected, complete.
    pub ids: BTreeSet<String>,
    /// Types that change, by instrument, in lower case.
    pub types: BTreeMap<String, BTreeSet<String>>,
    /// Figures for the evidence.
    pub summary: Value,
}

/// The archive's datasets with their headers, as the server hands them out; fetched once in a run.
pub fn headers(s: &Step, ops: &Server, context: &str) -> Result<Vec<(String, Entry)>, StepError> {
    let path = s.folder().join("states").join("datasets.jsonl");
    if !path.exists() {
        let rpc = ops.rpc(Door::Direct)?;
        let mut text = String::new();
        let rules = Rules::of_run(s)?;
        let instruments: Vec<String> = rules
            .load(context)?
            .instruments()
            .map(|(name, _)| name.to_lowercase())
            .filter(|name| name != "synphot")
            .collect();
        for (done, instrument) in instruments.iter().enumerate() {
            s.progress("fetching dataset headers", done as u64, instruments.len() as u64, "instruments");
            let ids = rpc.names("get_dataset_ids", &json!([context, instrument, null]))?;
            for slice in ids.chunks(SLICE) {
                let answer = rpc.call("get_dataset_headers_by_id", &json!([context, slice, null]))?;
                let Some(headers) = answer.as_object() else {
                    // Taken for no datasets, it would be an upgrade that affects none.
                    return Err(StepError::unknown(
                        format!("`{}` answers `get_dataset_headers_by_id` with no map of headers", ops.name()),
                        "see what answers on that port, then run the same command again",
                    ));
                };
                // Each id that was asked for has an answer, if only that it is not found (WP 1.7).
                let asked =
                    slice.iter().filter(|id| !headers.contains_key(*id) && !headers.contains_key(&id.to_uppercase()));
                let left: Vec<String> = asked.cloned().collect();
                if !left.is_empty() {
                    return Err(StepError::unknown(
                        format!("`{}` hands out no header of {} datasets: {}", ops.name(), left.len(), shorten(&left)),
                        "what is left out would count as not affected: look at the server's log, then run again",
                    ));
                }
                for (id, header) in headers {
                    text.push_str(&json!({ id: header }).to_string());
                    text.push('\n');
                }
            }
        }
        let part = path.with_extension("part");
        std::fs::write(&part, text)?;
        std::fs::rename(&part, &path)?;
    }
    let bytes = std::fs::read(&path)?;
    let mut all = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        Reader::new(line).datasets(&mut |id, entry| all.push((id, entry))).map_err(|error| {
            StepError::unknown(format!("a dataset header is no JSON: {}", error.what), "look at states/datasets.jsonl")
        })?;
    }
    Ok(all)
}

/// Lets the headers be fetched anew: what was good for an earlier step may have changed in the archive since.
pub fn forget_headers(s: &Step) -> Result<(), StepError> {
    match std::fs::remove_file(s.folder().join("states").join("datasets.jsonl")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Computes what changes between two contexts, completely.
pub fn compute(s: &Step, ops: &Server, old: &str, new: &str) -> Result<Computed, StepError> {
    let rules = Rules::of_run(s)?;
    let catalogue = ops.catalogue()?;
    rules.fetch_closure(ops, &catalogue, old)?;
    rules.fetch_closure(ops, &catalogue, new)?;
    // The new context may still wait for the archive: datasets are asked for under the old one, which is public.
    let datasets = headers(s, ops, old)?;
    let library = rules.library();
    let (old_context, new_context) = (library.context(old)?, library.context(new)?);
    let found = affected::compute(&old_context, &new_context, datasets, &Mode::complete())?;
    let mut ids = BTreeSet::new();
    let mut types: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut per_type: BTreeMap<String, usize> = BTreeMap::new();
    for dataset in found.changed.iter().filter(|dataset| !dataset.change.updates.is_empty()) {
        ids.insert(product(&dataset.id));
        for update in &dataset.change.updates {
            let instrument = dataset.change.instrument.to_lowercase();
            *per_type.entry(format!("{instrument} {}", update.filekind)).or_default() += 1;
            types.entry(instrument).or_default().insert(update.filekind.clone());
        }
    }
    let summary = json!({
        "old": old, "new": new, "datasets": found.datasets, "affected": ids.len(),
        "by_type": per_type, "failed": found.errors.len(),
    });
    Ok(Computed { datasets: found.datasets, ids, types, summary })
}
