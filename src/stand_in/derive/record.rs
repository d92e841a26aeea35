//! The record step: what happens to every rules file that enters the server (RD 5.3).

use super::rules::Rules;
use super::{DeriveError, Generation, KeyOrder, base_name};

/// Rewrites a rules file under `file_name` with a fresh checksum.
///
/// With `derivation` (generated files, uploads with auto-rename) `derived_from` becomes the old header name in lower case
/// and `name` the file name; without it only a wrong `name` is corrected.
///
/// # Errors
///
/// Rules that cannot be loaded.
pub fn record(text: &str, file_name: &str, derivation: bool, generation: Generation) -> Result<String, DeriveError> {
    record_ordered(text, file_name, derivation, generation, generation.key_order())
}

/// [`record`] with a key order of its own.
///
/// # Errors
///
/// As [`record`].
pub fn record_ordered(
    text: &str,
    file_name: &str,
    derivation: bool,
    generation: Generation,
    order: KeyOrder,
) -> Result<String, DeriveError> {
    let mut rules = Rules::load(text, file_name, generation, order)?;
    let name = base_name(file_name);
    if derivation {
        let parent = rules.name_of("name");
        rules.set("derived_from", &parent);
        rules.set("name", name);
    } else if rules.name_of("name") != name.to_lowercase() {
        rules.set("name", name);
    }
    Ok(rules.finished(generation))
}
