//! Comparing a test run with the baseline that the plan names: by the names of the tests, never by their number alone.

use std::collections::{BTreeMap, BTreeSet};

use super::judgement::Judgement;
use super::regression::{TestRun, Token};

/// What a run of the same suite looked like when somebody last judged it good.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baseline {
    /// Tests that must be there, as `Class.method`.
    pub names: BTreeSet<String>,
    /// Tests that may be skipped.
    pub skipped: BTreeSet<String>,
    /// Wall time of the run in seconds, if known.
    pub seconds: Option<f64>,
}

/// A failure that somebody answers for: a named waiver of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The test, as `Class.method`.
    pub test: String,
    /// Who accepted it.
    pub owner: String,
    /// Last day on which it counts, `YYYY-MM-DD`.
    pub until: String,
}

/// The judgements of a run against its baseline, one for each class of fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// No failure but accepted ones, none of them expired.
    pub failures: Judgement,
    /// No test of the baseline is missing.
    pub names: Judgement,
    /// No test is skipped that was not skipped before.
    pub skips: Judgement,
    /// Not much slower than the baseline.
    pub speed: Judgement,
}

/// Compares a run with its baseline on the day `today` (`YYYY-MM-DD`).
///
/// `slower_ratio` is how many times the baseline's wall time a run may take. A run whose summary contradicts its own
/// list (`OK` with failures listed, counts that differ) fails on `failures`.
#[must_use]
pub fn compare(run: &TestRun, baseline: &Baseline, accepted: &[Accepted], today: &str, slower_ratio: f64) -> Seen {
    Seen {
        failures: failures(run, accepted, today),
        names: names(run, baseline),
        skips: skips(run, baseline),
        speed: speed(run, baseline, slower_ratio),
    }
}

fn failures(run: &TestRun, accepted: &[Accepted], today: &str) -> Judgement {
    let expected = "no failing test but those that the plan's waivers name";
    let Some(summary) = run.summaries.first() else {
        return Judgement::unknown(expected, "the log has no summary");
    };
    let waivers: BTreeMap<&str, &Accepted> = accepted.iter().map(|waiver| (waiver.test.as_str(), waiver)).collect();
    let mut faults = Vec::new();
    let mut waived = Vec::new();
    let mut reasons: BTreeMap<&str, &str> = BTreeMap::new();
    for block in run.blocks.iter().rev() {
        reasons.insert(&block.key, &block.reason);
    }
    let unexpected = run.unexpected_successes();
    for test in run.failures() {
        match waivers.get(test.as_str()) {
            Some(waiver) if waiver.until.as_str() >= today => waived.push(format!("{test} ({})", waiver.owner)),
            Some(waiver) => faults.push(format!("{test} fails and its waiver ended on {}", waiver.until)),
            None => {
                let nothing = if unexpected.contains(&test) { "unexpected success" } else { "" };
                let why = reasons.get(test.as_str()).copied().filter(|why| !why.is_empty()).unwrap_or(nothing);
                faults.push(format!("new failure {test}: {why}"));
            }
        }
    }
    let counted = |name: &str| summary.counts.get(name).copied().unwrap_or(0);
    // A count too large to read stands as the largest there is: adding to it must not turn round to a small one.
    let counted_bad = ["failures", "errors", "unexpected successes"]
        .map(counted)
        .iter()
        .fold(0, |sum: usize, count| sum.saturating_add(*count));
    let listed = run.keys(|token| matches!(token, Token::Fail | Token::Error | Token::UnexpectedSuccess)).len()
        + run.bare_errors.len();
    if counted_bad != listed {
        faults.push(format!("the summary counts {counted_bad} failures, the log lists {listed}"));
    }
    match summary.ok {
        None => faults.push("neither OK nor FAILED follows the summary".to_owned()),
        Some(true) if listed > run.keys(|token| *token == Token::UnexpectedSuccess).len() => {
            faults.push("the summary says OK although tests failed".to_owned());
        }
        Some(false) if listed == 0 => faults.push("the summary says FAILED although no test is listed so".to_owned()),
        Some(_) => {}
    }
    let proof = if waived.is_empty() { "no failure".to_owned() } else { format!("accepted: {}", waived.join(", ")) };
    Judgement::from_faults(expected, &faults, proof)
}

fn names(run: &TestRun, baseline: &Baseline) -> Judgement {
    let expected = format!("all {} tests of the baseline", baseline.names.len());
    if baseline.names.is_empty() {
        return Judgement::unknown("the baseline's tests by name", "the plan has no baseline of test names");
    }
    let present: BTreeSet<&str> = run.tests.iter().map(|test| test.key.as_str()).collect();
    let gone = baseline.names.iter().filter(|name| !present.contains(name.as_str()));
    // The same class and method may run once for each application (SO 14: three placeholders): no fault.
    let faults: Vec<String> = gone.map(|name| format!("{name} did not run")).collect();
    let new = present.iter().filter(|name| !baseline.names.contains(**name)).count();
    Judgement::from_faults(expected, &faults, format!("{} tests, {new} of them new", present.len()))
}

fn skips(run: &TestRun, baseline: &Baseline) -> Judgement {
    let expected = "no test skipped but those of the baseline";
    let skipped = run.keys(|token| matches!(token, Token::Skipped(_) | Token::ExpectedFailure));
    let new: Vec<String> = skipped
        .iter()
        .filter(|name| !baseline.skipped.contains(**name))
        .map(|name| format!("{name} is skipped"))
        .collect();
    Judgement::from_faults(expected, &new, format!("{} skipped as before", skipped.len()))
}

fn speed(run: &TestRun, baseline: &Baseline, slower_ratio: f64) -> Judgement {
    let Some(before) = baseline.seconds else {
        return Judgement::unknown("a wall time near the baseline's", "the plan has no baseline of the wall time");
    };
    let expected = format!("at most {slower_ratio} times {before:.1} s");
    let Some(summary) = run.summaries.first().filter(|summary| summary.seconds.is_finite()) else {
        return Judgement::unknown(expected, "the log has no readable wall time");
    };
    let seen = format!("{:.1} s", summary.seconds);
    if summary.seconds <= before * slower_ratio {
        Judgement::passed(expected, seen)
    } else {
        Judgement::failed(expected, seen)
    }
}

#[cfg(test)]
mod tests {
    use super::super::judgement::Outcome;
    use super::*;

    fn run(tests: &str, end: &str) -> TestRun {
        let rule = "-".repeat(70);
        let count = tests.lines().count();
        TestRun::parse(&format!("{tests}\n{rule}\nRan {count} tests in 10.0s\n\n{end}\n"))
    }

    fn baseline(names: &[&str]) -> Baseline {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Baseline { names, skipped: BTreeSet::new(), seconds: Some(10.0) }
    }

    #[test]
    fn a_good_run_passes_on_all_four() {
        let seen = compare(&run("a (x.H) ... ok", "OK"), &baseline(&["H.a"]), &[], "2014-09-16", 2.0);
        for judged in [seen.failures, seen.names, seen.skips, seen.speed] {
            assert_eq!(judged.outcome, Outcome::Passed, "{judged:?}");
        }
    }

    #[test]
    fn each_class_of_fault_turns_its_own_judgement_red() {
        let cases = [
            ("a (x.H) ... FAIL", "FAILED (failures=1)", [Outcome::Failed, Outcome::Passed, Outcome::Passed]),
            ("a (x.H) ... FAIL", "OK", [Outcome::Failed, Outcome::Passed, Outcome::Passed]),
            ("b (x.H) ... ok", "OK", [Outcome::Passed, Outcome::Failed, Outcome::Passed]),
            ("a (x.H) ... skipped 'x'", "OK (skipped=1)", [Outcome::Passed, Outcome::Passed, Outcome::Failed]),
            ("a (x.H) ... ok", "", [Outcome::Failed, Outcome::Passed, Outcome::Passed]),
        ];
        for (tests, end, wanted) in cases {
            let seen = compare(&run(tests, end), &baseline(&["H.a"]), &[], "2014-09-16", 2.0);
            assert_eq!([seen.failures.outcome, seen.names.outcome, seen.skips.outcome], wanted, "{tests} {end}");
        }
    }

    #[test]
    fn a_waiver_counts_until_its_day_and_not_longer() {
        let waiver = Accepted { test: "H.a".into(), owner: "mx".into(), until: "2014-09-30".into() };
        let bad = run("a (x.H) ... FAIL", "FAILED (failures=1)");
        let on = |day| compare(&bad, &baseline(&["H.a"]), std::slice::from_ref(&waiver), day, 2.0).failures.outcome;
        assert_eq!(on("2014-09-30"), Outcome::Passed);
        assert_eq!(on("2014-10-01"), Outcome::Failed);
    }

    #[test]
    fn counts_too_large_to_read_do_not_add_up_to_none() {
        for end in [
            "OK (failures=18446744073709551615, errors=1)",
            "OK (failures=99999999999999999999999, errors=1)",
            "OK (failures=-1, errors=1, unexpected successes=99999999999999999999999)",
        ] {
            let seen = compare(&run("a (x.H) ... ok", end), &baseline(&["H.a"]), &[], "2014-09-16", 2.0);
            assert_eq!(seen.failures.outcome, Outcome::Failed, "{end}");
        }
    }

    #[test]
    fn a_flood_of_failures_is_judged_in_a_moment() {
        let rule = "=".repeat(70);
        let mut log: String = (0..60_000).map(|n| format!("{rule}\nERROR: t{n} (a.B)\n")).collect();
        log.push_str(&format!("{}\nRan 1 test in 1.0s\n\nOK\n", "-".repeat(70)));
        let began = std::time::Instant::now();
        let seen = compare(&TestRun::parse(&log), &baseline(&["H.a"]), &[], "2014-09-16", 2.0);
        assert_eq!(seen.failures.outcome, Outcome::Failed);
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    }
}
