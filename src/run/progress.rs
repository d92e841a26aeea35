//! How far a long action is, for `crds-upgrade status`: a small file beside the journal that proves nothing.

use serde::{Deserialize, Serialize};

use super::folder::Folder;

/// How far an action is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The step.
    pub step: String,
    /// What is being done or waited for.
    pub what: String,
    /// So much is done.
    pub done: u64,
    /// Of so much; 0 if not known.
    pub of: u64,
    /// Unit of both: `bytes`, `files`, `s`.
    pub unit: String,
    /// When this was written (RFC 3339).
    pub at: String,
}

/// Writes the progress of a step; a failure to do so is of no consequence.
pub fn write(folder: &Folder, step: &str, what: &str, done: u64, of: u64, unit: &str) {
    let progress = Progress {
        step: step.to_owned(),
        what: what.to_owned(),
        done,
        of,
        unit: unit.to_owned(),
        at: super::journal::now(),
    };
    let part = folder.join(".progress.json");
    if let Ok(text) = serde_json::to_string(&progress)
        && std::fs::write(&part, text).is_ok()
    {
        let _ = std::fs::rename(part, folder.join("progress.json"));
    }
}

/// The last progress written, if it is of this step.
pub fn read(folder: &Folder, step: &str) -> Option<Progress> {
    parse(&std::fs::read_to_string(folder.join("progress.json")).ok()?, step)
}

fn parse(text: &str, step: &str) -> Option<Progress> {
    serde_json::from_str(text).ok().filter(|progress: &Progress| progress.step == step)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn damaged_progress_is_none_or_of_the_step(text in crate::mangled::text(
            r#"{"step":"s260","what":"copying","done":3,"of":9,"unit":"bytes","at":"2014-09-16T15:10:00Z"}"#,
        )) {
            proptest::prop_assert!(parse(&text, "s260").is_none_or(|progress| progress.step == "s260"));
            proptest::prop_assert!(parse(&text, "s010").is_none_or(|progress| progress.step == "s010"));
        }
    }
}
