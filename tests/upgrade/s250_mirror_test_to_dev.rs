//! Step 250: mirror TEST to DEV.
//!
//! Procedure: "... or mirror TEST to DEV, or both, staggered by a day."
//! Method: honours the plan's stagger; a fresh set of the source where it changed; cron of DEV saved and off; mirror; cron
//! back byte for byte.
//! Way back: restore DEV from the set of s210.

use std::time::Duration;

use crds_upgrade::backup::tag_time;
use crds_upgrade::crds::Door;
use crds_upgrade::plan::{Change, Role};
use crds_upgrade::run::{Found, Step, StepError, StepResult};
use crds_upgrade::steps::S250_MIRROR_TEST_TO_DEV;
use serde_json::{Value, json};

use crate::common::before::{first, texts};
use crate::common::copies;
use crate::common::known_state;
use crate::common::mirror::{Mirror, mails, published, untouched};
use crate::common::tally::{Advice, Tally};

#[test]
fn s250_mirror_test_to_dev() -> StepResult {
    known_state::step(&S250_MIRROR_TEST_TO_DEV, |s| {
        let planned = s.plan().mirrors.iter().find(|mirror| mirror.to == Role::Dev).cloned();
        let Some(planned) = planned else {
            return match s.site().host(Role::Dev) {
                Some(_) => untouched(s, &*s.hosts().server(Role::Dev)?, "s010_dev"),
                None => none(s),
            };
        };
        if planned.from != Role::Test {
            return Err(StepError::unknown(
                "the plan mirrors OPS to DEV, and OPS is off by now",
                "mirror DEV from TEST, which s240 makes a copy of OPS",
            ));
        }
        let (test, dev) = (s.hosts().server(Role::Test)?, s.hosts().server(Role::Dev)?);
        let mut t = Tally::default();
        let earlier = s.fact_of("s240_mirror_ops_to_test", "mirrored_at").and_then(|at| at.as_f64());
        #[expect(clippy::cast_precision_loss, reason = "seconds of a stagger, at most 60 days")]
        let due = earlier.map_or(0.0, |at| at + planned.stagger_s as f64);
        let now = test.now()?;
        let begun = s.again() || s.fact_of(s.spec().id, "inputs").is_some();
        if planned.stagger_s > 0 && !begun && now < due {
            let due = test.local(due)?.timestamp().to_string();
            return s.defer(
                &due,
                "the plan wants a day between the mirrors, so that one good copy of each generation exists",
            );
        }
        // Without a stagger the mirrors still come one after the other: a clock that says otherwise is wrong.
        let passed = earlier.map_or(0.0, |at| now - at);
        t.hold(
            "stagger_observed",
            begun || now >= due,
            format!("{} h wanted, {:.2} h passed by the clock of TEST", planned.stagger_s / 3600, passed / 3600.0),
        );
        if t.has_fault("stagger_observed") {
            t.judge(s, "stagger_observed", Role::Test, advice("stagger_observed"))?;
            return Err(StepError::failed("the mirror before lies in the future", advice("stagger_observed").next));
        }
        let mirror = Mirror { s, source: &test, dest: &dev, door: Door::Direct };
        let about = [test.name(), dev.name()];
        let go_on = !s.again() && !mirror.past("mirrored");
        let (sent, grp, set) = std::thread::scope(|threads| {
            let grp = threads.spawn(|| first(s, "published", || published(&dev)));
            let sent = first(s, "mails", || mails(s, &dev, &about));
            let set = if go_on { fresh_set(s, &test) } else { Ok(()) };
            (sent, grp.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), set)
        });
        let (sent, grp) = (sent?, grp?);
        set?;
        if go_on {
            if !mirror.past("inputs") {
                mirror.served(&mut t, "dev_operational")?;
                mirror.inputs(None, &mut t)?;
                for check in ["inputs_whole", "inputs_equal_source"] {
                    if t.has_fault(check) {
                        t.judge(s, check, Role::Test, advice(check))?;
                        return Err(StepError::failed(
                            format!("s250.{check} does not hold: nothing was overwritten"),
                            advice(check).next,
                        ));
                    }
                }
                t.remember(s, "inputs")?;
                s.fact("inputs", true)?;
            } else {
                t.recall(s, "inputs")?;
            }
        }
        let looked = mirrored(s, &mirror, (&about, &sent, &grp), &mut t);
        t.or_faults(s, Role::Dev, advice, looked)?;
        for check in s.spec().own_checks() {
            let id = check.id.split_once('.').map_or(check.id, |(_, id)| id);
            if s.again() && !matches!(id, "stagger_observed" | "script_ran_through" | "dev_cron_back") {
                continue;
            }
            t.judge(s, id, Role::Dev, advice(id))?;
        }
        Ok(())
    })
}

/// The mirror, from cron off to cron back, and what must hold afterwards.
fn mirrored(
    s: &Step,
    mirror: &Mirror<'_>,
    (about, sent, grp): (&[&str], &Value, &Value),
    t: &mut Tally,
) -> Result<(), StepError> {
    let dev = mirror.dest;
    let own = first(s, "own", || mirror.own())?;
    let table = mirror.cron_off()?;
    if !s.again() {
        mirror.saved(&table, t, "dev_cron_back")?;
    }
    let log = mirror.run()?;
    mirror.words(&log, t);
    let mut compared = None;
    if !mirror.past("mirrored") {
        compared = Some(mirror.equal(t)?);
        mirror.itself(t, "dev_is_itself", "dev_operational")?;
        mirror.still_own(&own, t, "dev_is_itself")?;
        mirror.users(t, "dev_operational")?;
        t.remember(s, "mirrored")?;
        s.fact("mirrored", true)?;
    } else if !s.again() {
        t.recall(s, "mirrored")?;
    }
    copies::remember(s, dev, compared)?;
    let back = mirror.cron_back(&table);
    let now = dev.crontab()?;
    t.hold("dev_cron_back", now == table, format!("{} bytes, saved were {}", now.len(), table.len()));
    back?;
    let new: Vec<String> =
        texts(&mails(s, dev, about)?).into_iter().filter(|mail| !texts(sent).contains(mail)).collect();
    t.hold(
        "no_mail",
        new.is_empty(),
        if new.is_empty() { "none".to_owned() } else { format!("sent: {}", new.join("; ")) },
    );
    t.hold("public_cache_untouched", published(dev)? == *grp, "the published cache is as before");
    Ok(())
}

/// A set of TEST that is younger than its mirror.
fn fresh_set(s: &Step, test: &crds_upgrade::crds::Server) -> Result<(), StepError> {
    let changed = s.fact_of("s240_mirror_ops_to_test", "mirrored_at").and_then(|at| at.as_f64()).unwrap_or(0.0);
    // Names of sets tell seconds: one of the second in which the mirror ended is older or newer than it, so it must also
    // be newer than what lay there before.
    let changed = test.local(changed.floor())?.datetime();
    let last = first(s, "set_before", || Ok(json!(test.backup_sets()?.0.pop().map(|set| set.tag))))?;
    let fresh = || -> Result<bool, StepError> {
        let newest = test.backup_sets()?.0.pop().filter(|set| last.as_str().is_none_or(|last| set.tag.as_str() > last));
        let whole = newest.filter(|set| test.set_names().iter().all(|name| set.file(name).is_some()));
        Ok(whole.and_then(|set| tag_time(&set.tag)).is_some_and(|time| time >= changed))
    };
    s.act(
        "backup_source",
        Role::Test,
        Change::Backup,
        || Ok(if fresh()? { Found::Done } else { Found::NotDone }),
        |permit| {
            let ran = test.backup(permit, Duration::from_secs(4 * 3600))?;
            s.evidence("output of backup_server on test", format!("{}{}", ran.text(), ran.error_text()))?;
            Ok(())
        },
    )
}

/// Neither a mirror to DEV nor a DEV.
fn none(s: &Step) -> Result<(), StepError> {
    for check in s.spec().own_checks() {
        let id = check.id.split_once('.').map_or(check.id, |(_, id)| id);
        s.check(id).observed("the plan declares no mirror to DEV, and the site has no DEV").judge(true)?;
    }
    Ok(())
}

fn advice(check: &str) -> Advice {
    let (cause, next) = match check {
        "stagger_observed" => (
            "the mirrors are too close to each other, or the clock of TEST was set back",
            "look at the clocks of OPS and TEST; run again when it is due",
        ),
        "inputs_whole" => (
            "the shared set of TEST is damaged or older than TEST (A002, C106)",
            "make a new set on TEST, then run again; nothing was overwritten",
        ),
        "inputs_equal_source" => (
            "somebody worked on TEST after its set was made",
            "make a new set on TEST, then run again; nothing was overwritten",
        ),
        "script_ran_through" => {
            ("mirror_server never stops on an error: a part was skipped", "read its log in the evidence; mirror again")
        }
        "database_equal" => (
            "the load broke off half way; it is not transactional (A004)",
            "mirror again, or restore DEV from the set of s210",
        ),
        "rules_equal" => (
            "the sync fetched nothing, or wrote through links into the published cache (A008)",
            "compare the published cache first",
        ),
        "deliveries_equal" => {
            ("redeliver_catalogs failed, or mkdir left the wrong mode (B091)", "relink; install mends the mode")
        }
        "counters_ahead" => ("the counter table is older than the cache (A023)", "tools/reset_file_counters on DEV"),
        "dev_is_itself" => (
            "the mirror brought settings of the source along (A010)",
            "compare the configured database and URLs with the site's identity",
        ),
        "dev_operational" => ("the port switch at the end did not work", "tools/set_backup_url False on DEV"),
        _ => ("something else worked on the hosts meanwhile", "find it before going on"),
    };
    Advice { cause, next }
}
