//! Judging one named check.

use super::event::{CheckRow, Event};
use super::evidence::Evidence;
use super::fault::StepError;
use super::step::Step;
use super::verdict::Verdict;

/// A check about to be judged. Nothing counts before [`Check::judge`] or [`Check::require`].
#[must_use = "a check counts only once it is judged"]
#[derive(Debug)]
pub struct Check<'step> {
    step: &'step Step,
    row: CheckRow,
}

impl<'step> Check<'step> {
    pub(super) fn new(step: &'step Step, id: String, says: &str) -> Self {
        let row = CheckRow {
            id,
            host: String::new(),
            verdict: Verdict::Unknown,
            expected: says.to_owned(),
            observed: String::new(),
            cause: String::new(),
            next: String::new(),
            evidence: Vec::new(),
            again: step.again(),
        };
        Self { step, row }
    }

    /// The host that was looked at: a role, or what the operator knows it by.
    pub fn on(mut self, host: impl ToString) -> Self {
        self.row.host = host.to_string();
        self
    }

    /// What must hold, in one line; without it, what the step's table says.
    pub fn expected(mut self, text: impl ToString) -> Self {
        self.row.expected = text.to_string();
        self
    }

    /// What was seen, in one line.
    pub fn observed(mut self, text: impl ToString) -> Self {
        self.row.observed = text.to_string();
        self
    }

    /// The likely cause if it fails.
    pub fn cause(mut self, text: impl ToString) -> Self {
        self.row.cause = text.to_string();
        self
    }

    /// The operator's next move if it fails.
    pub fn next_move(mut self, text: impl ToString) -> Self {
        self.row.next = text.to_string();
        self
    }

    /// Bytes that it looked at.
    pub fn evidence(mut self, evidence: &Evidence) -> Self {
        self.row.evidence.push(evidence.id.clone());
        self
    }

    /// Records the verdict: a `bool`, a [`Verdict`], or an `Option` of either (none: could not look, which is unknown).
    /// The step goes on; it fails in the end if any of its checks did.
    ///
    /// # Errors
    ///
    /// Only if the verdict could not be recorded.
    pub fn judge(self, verdict: impl Into<Verdict>) -> Result<Verdict, StepError> {
        self.settle(verdict.into())
    }

    /// As [`Check::judge`], but the step stops here unless the check passed or is waived.
    ///
    /// # Errors
    ///
    /// [`StepError`] if the check did not pass, or could not be recorded.
    pub fn require(self, verdict: impl Into<Verdict>) -> Result<(), StepError> {
        let id = self.row.id.clone();
        match self.settle(verdict.into())? {
            Verdict::Passed | Verdict::Waived => Ok(()),
            verdict => Err(StepError::stop_at(&id, verdict)),
        }
    }

    /// Records that the check could not look, and why.
    ///
    /// # Errors
    ///
    /// Only if this could not be recorded.
    pub fn unknown(mut self, why: impl ToString) -> Result<Verdict, StepError> {
        self.row.observed = why.to_string();
        self.settle(Verdict::Unknown)
    }

    fn settle(mut self, verdict: Verdict) -> Result<Verdict, StepError> {
        self.row.verdict = verdict;
        if verdict == Verdict::Failed && self.step.is_waived(&self.row.id) {
            self.row.verdict = Verdict::Waived;
        }
        if self.row.verdict == Verdict::Passed {
            self.row.cause.clear();
            self.row.next.clear();
        }
        for text in [&mut self.row.expected, &mut self.row.observed, &mut self.row.cause, &mut self.row.next] {
            *text = self.step.keeper().clean(text);
        }
        self.step.keeper().write(&Event::Check(Box::new(self.row.clone())))?;
        let verdict = self.row.verdict;
        self.step.judged(self.row);
        Ok(verdict)
    }
}

/// The text of a step's end: what failed first, whole, within ten lines; then the rest, one line each.
pub(super) fn failure_text(step: &str, rows: &[CheckRow], stopped_by: Option<&str>) -> String {
    let bad = rows.iter().filter(|row| matches!(row.verdict, Verdict::Failed | Verdict::Unknown));
    // What was never looked at says nothing about the fault: it comes last.
    let (mut bad, unlooked): (Vec<&CheckRow>, Vec<&CheckRow>) = bad.partition(|row| row.observed != UNLOOKED);
    bad.sort_by_key(|row| std::cmp::Reverse(row.verdict));
    let mut lines = Vec::new();
    if let Some(first) = bad.first() {
        let on = if first.host.is_empty() { String::new() } else { format!(" on {}", first.host) };
        lines.push(format!(
            "{step}: check {} {}{on} ({} of {} checks did not pass)",
            first.id,
            first.verdict,
            bad.len() + unlooked.len(),
            rows.len()
        ));
        lines.push(format!("  expected: {}", line(&first.expected)));
        lines.push(format!("  seen: {}", line(&first.observed)));
        let cause = if first.cause.is_empty() {
            "not known; the evidence named in the report shows what was read"
        } else {
            &first.cause
        };
        lines.push(format!("  likely cause: {}", line(cause)));
        let next = if first.next.is_empty() {
            "mend it on the host, then run the same command again: nothing is done twice"
        } else {
            &first.next
        };
        lines.push(format!("  next move: {}", line(next)));
    }
    if let Some(text) = stopped_by {
        let mut own: Vec<String> = text.lines().map(line).collect();
        if lines.is_empty() {
            own.first_mut().into_iter().for_each(|first| *first = format!("{step}: {first}"));
        }
        lines.extend(own);
    }
    for row in bad.iter().skip(1) {
        let on = if row.host.is_empty() { String::new() } else { format!(" on {}", row.host) };
        lines.push(format!(
            "also {} {}{on}: expected {}; seen {}",
            row.id,
            row.verdict,
            line(&row.expected),
            line(&row.observed)
        ));
    }
    if !unlooked.is_empty() {
        let names: Vec<&str> = unlooked.iter().map(|row| row.id.as_str()).collect();
        lines.push(format!("not looked at: {}", line(&names.join(", "))));
    }
    lines.join("\n")
}

/// What is recorded as seen of a check that the step did not come to.
pub(crate) const UNLOOKED: &str = "the step stopped before it could look";

/// Longest piece of text that one line of a failure repeats, in characters.
const LONGEST: usize = 400;

fn line(text: &str) -> String {
    let joined =
        text.split(['\n', '\r']).map(str::trim_end).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" | ");
    match joined.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{} ... ({} characters)", &joined[..at], joined.chars().count()),
        None => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stopped_the_step_comes_before_what_was_not_looked_at() {
        let row = |id: &str, verdict, observed: &str| CheckRow {
            id: id.to_owned(),
            host: String::new(),
            verdict,
            expected: "x".to_owned(),
            observed: observed.to_owned(),
            cause: String::new(),
            next: String::new(),
            evidence: Vec::new(),
            again: false,
        };
        let rows = [row("s140.a", Verdict::Passed, "fine"), row("s140.b", Verdict::Unknown, UNLOOKED)];
        let text = failure_text("s140_stop_ops_server", &rows, Some("ops does not answer\n  next move: look"));
        assert_eq!(text, "s140_stop_ops_server: ops does not answer\n  next move: look\nnot looked at: s140.b");
    }

    #[test]
    fn the_first_ten_lines_say_all() {
        let row = |id: &str, verdict| CheckRow {
            id: id.to_owned(),
            host: "ops".to_owned(),
            verdict,
            expected: "a dump\nof last night".to_owned(),
            observed: "dump of 2014-09-01".to_owned(),
            cause: "an older dump was published again".to_owned(),
            next: "run backup_server by hand".to_owned(),
            evidence: Vec::new(),
            again: false,
        };
        let rows = [row("s150.a", Verdict::Passed), row("s150.b", Verdict::Unknown), row("s150.c", Verdict::Failed)];
        let text = failure_text("s150_verify_nightly_backup", &rows, None);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "s150_verify_nightly_backup: check s150.c failed on ops (2 of 3 checks did not pass)");
        assert_eq!(lines[1], "  expected: a dump | of last night");
        assert!(lines[4].starts_with("  next move: run backup_server"));
        assert!(lines[5].starts_with("also s150.b unknown on ops"));
        assert_eq!(line(&"x".repeat(500)).chars().count(), 400 + " ... (500 characters)".len());
    }
}
