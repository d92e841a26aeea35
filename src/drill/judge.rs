//! Whether a drill was caught: where it must be, by a failure that says what is wrong.

use serde::{Deserialize, Serialize};

use super::Drill;

/// How many lines of a failure are read.
const LINES: usize = 10;

/// What became of a drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judged {
    /// At the right step, saying what is wrong.
    Caught,
    /// After the right step.
    Late,
    /// Not at all, or without saying what is wrong.
    Missed,
    /// Before the right step.
    Early,
    /// It is for another kind of fleet.
    NotApplicable,
}

/// The answer on one drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The drill's id.
    pub id: String,
    /// The steps that are right to catch it.
    pub expected: Vec<String>,
    /// The step that did not pass.
    pub caught_at: Option<String>,
    /// What became of it.
    pub verdict: Judged,
    /// The first lines of the failure, or why there is none.
    pub message: String,
}

impl Answer {
    /// An answer without a failure.
    pub fn without(drill: &Drill, verdict: Judged, message: impl Into<String>) -> Self {
        Self {
            id: drill.id.clone(),
            expected: drill.caught_at.clone(),
            caught_at: None,
            verdict,
            message: message.into(),
        }
    }
}

/// Judges the first failure of a run with a drill in it.
///
/// `red` are the checks of that step that did not pass.
pub fn judge(drill: &Drill, step: &str, failure: &str, red: &[String]) -> Answer {
    let head: Vec<&str> = failure.lines().take(LINES).collect();
    let head = head.join("\n");
    let first = drill.caught_at.iter().min().map_or("", String::as_str);
    let (verdict, message) = if drill.caught_at.iter().any(|id| id == step) {
        // A drill may name checks of several steps; those of the step that stopped are the ones that can be red.
        let own = |id: &&String| id.split('.').next() == step.split('_').next();
        let pale = drill.turns_red.iter().filter(own).find(|id| !red.contains(id));
        if !drill.says.is_match(&head) {
            (
                Judged::Missed,
                format!("the failure does not say `{}`:\n{head}", drill.says.as_str().trim_start_matches("(?s)")),
            )
        } else if let Some(id) = pale {
            (Judged::Missed, format!("check {id} did not turn red:\n{head}"))
        } else {
            (Judged::Caught, head)
        }
    } else if step < first {
        (Judged::Early, head)
    } else {
        (Judged::Late, head)
    };
    Answer {
        id: drill.id.clone(),
        expected: drill.caught_at.clone(),
        caught_at: Some(step.to_owned()),
        verdict,
        message,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn drill() -> Drill {
        let text = r#"
            id = "C104"
            title = "the dump is older"
            before = "s140_stop_ops_server"
            on = "ops"
            inject = "true"
            caught_at = ["s150_verify_nightly_backup"]
            says = "dump .* older"
            turns_red = ["s150.dump_complete"]
        "#;
        let known = crate::steps::by_id("s150_verify_nightly_backup").map(|step| step.checks[0].id).unwrap_or("");
        Drill::parse(&text.replace("s150.dump_complete", known), Path::new("x.toml")).expect("reads")
    }

    #[test]
    fn only_the_right_step_with_the_right_words_counts() {
        let drill = drill();
        let red = drill.turns_red.clone();
        let at = |step: &str, text: &str, red: &[String]| judge(&drill, step, text, red).verdict;
        assert_eq!(at("s150_verify_nightly_backup", "the dump is older", &red), Judged::Caught);
        assert_eq!(at("s150_verify_nightly_backup", "the dump is empty", &red), Judged::Missed);
        assert_eq!(at("s150_verify_nightly_backup", "the dump is older", &[]), Judged::Missed);
        assert_eq!(at("s140_stop_ops_server", "the dump is older", &red), Judged::Early);
        assert_eq!(at("s210_backup_test", "the dump is older", &red), Judged::Late);
        let far = format!("{}the dump is older", "line\n".repeat(10));
        assert_eq!(at("s150_verify_nightly_backup", &far, &red), Judged::Missed, "it stands in the first ten lines");
    }
}
