//! Settings of the environment with which drills hold or kill a step. The harness refuses them on a real site.

use super::error::RunError;

/// What the variable `name` says; none if it is not set.
///
/// # Errors
///
/// [`RunError::Setting`] if it is set to something that `parse` does not understand; `wants` says what it does.
pub(super) fn setting<T>(
    name: &'static str,
    wants: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, RunError> {
    let Some(value) = std::env::var_os(name) else { return Ok(None) };
    let value = value.to_string_lossy().into_owned();
    parse(&value).map(Some).ok_or(RunError::Setting { name, value, wants })
}
