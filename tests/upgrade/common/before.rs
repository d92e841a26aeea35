//! What was measured before an act. A resumed step must not measure the changed host in its place.

use crds_upgrade::run::{Step, StepError};
use serde_json::Value;

/// The value under `key` as the step measured it first; measured and remembered now if it never did.
pub fn first(s: &Step, key: &str, measure: impl FnOnce() -> Result<Value, StepError>) -> Result<Value, StepError> {
    if let Some(have) = s.fact_of(s.spec().id, key) {
        return Ok(have);
    }
    let value = measure()?;
    s.fact(key, value.clone())?;
    Ok(value)
}

/// The texts of a remembered list.
pub fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}
