//! Why a step stopped.

use super::error::RunError;
use super::verdict::Verdict;

/// What the test function of a step returns: an error makes nextest stop.
pub type StepResult = Result<(), StepStopped>;

/// A step that did not pass. Printed by the test runner through `Debug`, so that is where its text is.
pub struct StepStopped(pub(super) String);

impl std::fmt::Debug for StepStopped {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

/// Why the body of a step returned early.
///
/// Every error type converts into it with `?`; such a step could not look, so it is unknown unless a check failed.
#[derive(Debug)]
pub struct StepError {
    verdict: Verdict,
    text: String,
    due: Option<String>,
}

impl StepError {
    /// The step failed for a reason that no single check covers; `help` is the operator's next move.
    pub fn failed(text: impl ToString, help: impl ToString) -> Self {
        Self { verdict: Verdict::Failed, text: with_help(&text.to_string(), &help.to_string()), due: None }
    }

    /// The step could not find out; `help` is the operator's next move.
    pub fn unknown(text: impl ToString, help: impl ToString) -> Self {
        Self { verdict: Verdict::Unknown, text: with_help(&text.to_string(), &help.to_string()), due: None }
    }

    /// The step is put off until `due` (RFC 3339).
    pub(super) fn deferred(due: &str, why: &str) -> Self {
        Self { verdict: Verdict::Deferred, text: why.to_owned(), due: Some(due.to_owned()) }
    }

    /// A required check did not pass: the step stops there.
    pub(super) fn stop_at(check: &str, verdict: Verdict) -> Self {
        Self { verdict, text: format!("the step stopped at check {check}, nothing after it was looked at"), due: None }
    }

    /// What the error makes of its step.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// What happened, with the next move.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// When a deferred step is due.
    pub fn due(&self) -> Option<&str> {
        self.due.as_deref()
    }

    /// Says what was being done when the error came.
    #[must_use]
    pub fn while_doing(mut self, what: &str) -> Self {
        self.text = format!("{what}: {}", self.text);
        self
    }
}

/// Errors of this project that know the next move.
type HelpOf = fn(&(dyn std::error::Error + 'static)) -> Option<String>;

const HELPS: [HelpOf; 6] = [
    |error| error.downcast_ref::<crate::crds::CrdsError>().map(crate::crds::CrdsError::help),
    |error| error.downcast_ref::<crate::host::HostError>().map(crate::host::HostError::help),
    |error| error.downcast_ref::<RunError>().map(RunError::help),
    |error| error.downcast_ref::<crate::plan::LoadError>().map(crate::plan::LoadError::help),
    |error| error.downcast_ref::<crate::plan::SecretError>().map(crate::plan::SecretError::help),
    |error| error.downcast_ref::<crate::host::record::RecordError>().map(crate::host::record::RecordError::help),
];

impl<E: std::error::Error + 'static> From<E> for StepError {
    fn from(error: E) -> Self {
        let error: &(dyn std::error::Error + 'static) = &error;
        let mut text = error.to_string();
        let mut help = None;
        let mut link = Some(error);
        while let Some(current) = link {
            help = help.or_else(|| HELPS.iter().find_map(|of| of(current)));
            let said = current.to_string();
            if !text.contains(&said) {
                text = format!("{text}: {said}");
            }
            link = current.source();
        }
        Self { verdict: Verdict::Unknown, text: with_help(&text, help.as_deref().unwrap_or_default()), due: None }
    }
}

fn with_help(text: &str, help: &str) -> String {
    if help.is_empty() { text.to_owned() } else { format!("{text}\n  next move: {help}") }
}
