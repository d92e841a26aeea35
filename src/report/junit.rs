//! `junit.xml`: every step, also those that were not run, which nextest's own file leaves out.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::acceptance::{Acceptance, StepReport};

/// Renders the report.
///
/// # Errors
///
/// If the writer refuses, which is a defect of this program.
pub(super) fn render(acceptance: &Acceptance) -> Result<String, String> {
    let mut report = Report::new(format!("crds-upgrade {}", acceptance.run));
    let mut suite = TestSuite::new("upgrade");
    for step in &acceptance.steps {
        suite.add_test_case(case(step));
    }
    let total: f64 = acceptance.steps.iter().map(|step| step.elapsed_s).sum();
    suite.set_time(Duration::from_secs_f64(total.max(0.0)));
    report.set_time(Duration::from_secs_f64(total.max(0.0)));
    report.add_test_suite(suite);
    report.to_string().map_err(|error| error.to_string())
}

fn case(step: &StepReport) -> TestCase {
    let message = step.message.as_deref().unwrap_or_default();
    let first = message.lines().next().unwrap_or_default();
    let status = match step.verdict {
        "passed" => TestCaseStatus::success(),
        "not_run" | "deferred" => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(match &step.due {
                Some(due) => format!("deferred until {due}"),
                None => "not run".to_owned(),
            });
            status
        }
        verdict => {
            let kind = if verdict == "failed" { NonSuccessKind::Failure } else { NonSuccessKind::Error };
            let mut status = TestCaseStatus::non_success(kind);
            status.set_type(verdict).set_message(first).set_description(message);
            status
        }
    };
    let mut case = TestCase::new(step.id, status);
    case.set_classname("crds-upgrade::upgrade").set_time(Duration::from_secs_f64(step.elapsed_s.max(0.0)));
    case
}
