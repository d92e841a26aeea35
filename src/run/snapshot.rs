//! Comparing a host's normalised state with the reviewed known-good one in `snapshots/`.
//!
//! A known-good state is changed by review, never by a run: what was seen is written into the run folder's `states/`,
//! from where a person copies it after reading. Where none has been reviewed the check is unknown, not passed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use insta::internals::SnapshotContents;
use insta::{Comparator, Settings, Snapshot};
use serde_json::Value;

use super::error::RunError;
use crate::plan::Era;

/// How a state compares with the known-good one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// The same.
    Same,
    /// Not the same: a unified diff, from known-good to seen.
    Differs(String),
    /// Nobody has reviewed one yet; the path where it would lie.
    NotReviewed(PathBuf),
}

/// Keeps the two texts instead of failing, so that the difference can be evidence.
#[derive(Clone, Default)]
struct Keep(Arc<Mutex<Option<(String, String)>>>);

impl Comparator for Keep {
    fn matches(&self, reference: &Snapshot, test: &Snapshot) -> bool {
        let text = |snapshot: &Snapshot| match snapshot.contents() {
            SnapshotContents::Text(text) => text.to_string(),
            SnapshotContents::Binary(_) => String::new(),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((text(reference), text(test)));
        true
    }

    fn dyn_clone(&self) -> Box<dyn Comparator> {
        Box::new(self.clone())
    }
}

/// The folder with the known-good state `name` of a plan, `of_plan` being the plan's: its part for the era of the server
/// that is upgraded where that leaves another state, as a server of 2014 that writes a row per deleted reference (WP 4.4).
pub fn folder(of_plan: &Path, era: Option<Era>, name: &str) -> PathBuf {
    let of_era = era.map(|era| of_plan.join(format!("era-{era}")));
    of_era.filter(|folder| folder.join(format!("{name}.snap")).is_file()).unwrap_or_else(|| of_plan.to_owned())
}

/// Compares a state with `<folder>/<name>.snap`.
///
/// # Errors
///
/// [`RunError::Input`] if the known-good file cannot be compared with.
pub fn compare(folder: &Path, name: &str, value: &Value) -> Result<Compared, RunError> {
    let path = folder.join(format!("{name}.snap"));
    if !path.is_file() {
        return Ok(Compared::NotReviewed(path));
    }
    let keep = Keep::default();
    let mut settings = Settings::new();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_comparator(Box::new(keep.clone()));
    let ran = catch_unwind(AssertUnwindSafe(|| settings.bind(|| insta::assert_json_snapshot!(name, value))));
    let texts = keep.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (ran, texts) {
        (Ok(()), Some((known, seen))) if known == seen => Ok(Compared::Same),
        (Ok(()), Some((known, seen))) => Ok(Compared::Differs(diff(&known, &seen))),
        _ => Err(RunError::Input {
            what: format!("failed to compare with the known-good `{}`", path.display()),
            help: "see that it is a snapshot file of insta and not damaged".to_owned(),
        }),
    }
}

/// The text of a snapshot file, as a person would put it into `snapshots/`.
pub fn file_text(value: &Value) -> String {
    let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
    format!("---\nsource: src/run/snapshot.rs\n---\n{pretty}\n")
}

fn diff(known: &str, seen: &str) -> String {
    similar::TextDiff::from_lines(known, seen).unified_diff().context_radius(2).header("known-good", "seen").to_string()
}

/// The first changed lines of a diff, in one line for a check.
pub fn first_changes(diff: &str) -> String {
    let changed = |line: &&str| {
        (line.starts_with('+') || line.starts_with('-')) && !line.starts_with("+++") && !line.starts_with("---")
    };
    let all: Vec<&str> = diff.lines().filter(changed).collect();
    let shown: Vec<String> =
        all.iter().take(4).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let more = if all.len() > shown.len() { format!(" and {} more", all.len() - shown.len()) } else { String::new() };
    format!("{}{more}", shown.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_state_is_compared_and_never_accepted_by_itself() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let good = json!({"flag": "False", "ports": [8001], "rows": {"catalog": 17}});
        assert!(matches!(compare(folder.path(), "s370_ops_server", &good), Ok(Compared::NotReviewed(_))));
        std::fs::write(folder.path().join("s370_ops_server.snap"), file_text(&good)).expect("writes");
        assert_eq!(compare(folder.path(), "s370_ops_server", &good).expect("compares"), Compared::Same);

        let bad = json!({"flag": "True", "ports": [8001], "rows": {"catalog": 17}});
        let Compared::Differs(diff) = compare(folder.path(), "s370_ops_server", &bad).expect("compares") else {
            panic!("a changed field turns the comparison red");
        };
        assert_eq!(first_changes(&diff), r#"- "flag": "False",; + "flag": "True","#);
        assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 1, "nothing is written beside it");
    }
}
