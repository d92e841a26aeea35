//! Step 110: review the nightly regressions on TEST.
//!
//! Procedure: "Review the nightly regression tests on TEST."
//! Method: last night's mail and the files whose tails it shows (a tail may be an older night's); the test log against
//! the baseline of names, accepted failures being named waivers.
//! Way back: nothing to take back.

use crds_upgrade::crds::Server;
use crds_upgrade::plan::Role;
use crds_upgrade::review::{self, Outcome, TestRun, compare};
use crds_upgrade::run::{Step, StepError, StepResult, harness};
use crds_upgrade::steps::S110_REVIEW_TEST_REGRESSIONS;

use crate::common::night::{self, Checkouts};
use crate::common::night_disks;
use crate::common::{install, tally::Tally};

/// How many times its baseline a test run may take.
const SLOWER: f64 = 3.0;

#[test]
fn s110_review_test_regressions() -> StepResult {
    harness::step(&S110_REVIEW_TEST_REGRESSIONS, |s| {
        let test = s.hosts().server(Role::Test)?;
        let mut tally = Tally::default();
        let looked = look(s, &test, &mut tally);
        tally.or_faults(s, Role::Test, night::advice, looked)?;
        night::judge(s, &tally, Role::Test)
    })
}

fn look(s: &Step, test: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let last = night::find(s, test, tally)?;
    if let Some(last) = &last {
        night::whole(last, review::Role::Other, tally);
        night::rest(s, test, last, review::Role::Other, tally)?;
        // TEST runs the release that OPS is going to (SO 4.2).
        let to = &s.plan().to;
        night::checkouts(s, test, last, &Checkouts { crds: &to.crds, crds_server: &to.crds_server }, tally)?;
        night::reinstall(s, test, last, tally)?;
        night::tools(s, test, last, "log_is_last_nights", tally)?;
        night_disks::disks(s, test, last, tally)?;
    }
    night::strays_now(s, test, tally)?;
    let path = test.tests_log_path();
    let log = test.remote().read_if_there(&path, 64 << 20)?.unwrap_or_default();
    let kept = s.evidence("test log of TEST", &log)?;
    for check in [
        "log_is_last_nights",
        "run_whole",
        "own_database",
        "no_new_failure",
        "no_test_vanished",
        "no_new_skip",
        "not_slower",
    ] {
        tally.evidence(check, &kept);
    }
    if let (Some(last), Some(entry)) = (&last, test.remote().stat(&path)?) {
        let zone = jiff::tz::TimeZone::get(&s.site().time_zone)?;
        let written = jiff::Timestamp::from_second(entry.mtime as i64)?.to_zoned(zone).datetime();
        let inside = written >= last.began && written <= last.ended.saturating_add(jiff::Span::new().minutes(5));
        tally.hold("log_is_last_nights", inside, format!("test log written {written}, the night began {}", last.began));
    } else {
        tally.fault("log_is_last_nights", "there is no test log, or no night to compare it with");
    }
    let run = TestRun::parse(&review::text(&log));
    let whole = run.judge_whole();
    tally.hold("run_whole", whole.outcome == Outcome::Passed, whole.observed);
    let database = run.judge_database(&format!("test_{}", test.expected().database));
    tally.hold("own_database", database.outcome == Outcome::Passed, database.observed);
    let baseline = install::baseline(s, Role::Test)?;
    let today = night::local_now(s, test)?.date().to_string();
    let seen = compare(&run, &baseline, &install::accepted(s), &today, SLOWER);
    tally.hold("no_new_failure", seen.failures.outcome == Outcome::Passed, seen.failures.observed);
    let least = s.plan().tests.get(&Role::Test).map_or(0, |tests| tests.at_least);
    tally.hold(
        "no_test_vanished",
        run.tests.len() as u64 >= least,
        format!("{} tests, at least {least}", run.tests.len()),
    );
    if baseline.names.is_empty() {
        s.not_checked("names of the tests on TEST", "the plan names no baseline of test names")?;
    } else {
        tally.hold("no_test_vanished", seen.names.outcome == Outcome::Passed, seen.names.observed);
    }
    tally.hold("no_new_skip", seen.skips.outcome == Outcome::Passed, seen.skips.observed);
    match seen.speed.outcome {
        Outcome::Unknown => {
            s.not_checked("duration of the tests on TEST", &seen.speed.observed)?;
            tally.proof("not_slower", "no baseline of the duration; named as not checked");
        }
        outcome => tally.hold("not_slower", outcome == Outcome::Passed, seen.speed.observed),
    }
    Ok(())
}
