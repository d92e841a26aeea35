//! Step 910: the morning after.
//!
//! Procedure: nothing; the first nightly after going live is where a half upgrade shows.
//! Method: wait for the next night (in a rehearsal the clock is stepped past 03:05); its mail must be whole, its backup
//! hold the new context, its svn update must have brought nothing that was not approved, and the server must run what is
//! installed.
//! Way back: nothing to take back.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crds_upgrade::backup::{made_otherwise, tag_time, unpack};
use crds_upgrade::crds::{BackupSet, Door, Flag, PortState, Server};
use crds_upgrade::plan::{Role, Waiting};
use crds_upgrade::review::{self, Night, Outcome, svn_facts};
use crds_upgrade::run::{Poll, Step, StepError, StepResult, harness};
use crds_upgrade::steps::S910_MORNING_AFTER;

use crate::common::tally::{Advice, Tally, shorten};
use crate::common::{backup_set, checkout, mail, night, night_disks, outcome, synced};

#[test]
fn s910_morning_after() -> StepResult {
    harness::step(&S910_MORNING_AFTER, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        // A step that the plan puts off comes first: it may be due before, and acceptance waits for it.
        if let Some((step, due)) = s.ledger().put_off() {
            return s.defer(&due, &format!("`{step}` is put off by the plan and comes before the morning after"));
        }
        let live = s.need_fact("s370_go_live", "live_at")?.as_f64().unwrap_or(0.0);
        let mut tally = Tally::default();
        let body = match nightly(s, &ops, live) {
            Ok(Some(body)) => body,
            Ok(None) => {
                return s.defer(&due(s, live)?.to_string(), "the first nightly after going live has not run yet");
            }
            Err(error) => {
                tally.fault("night_ran", error.text().to_owned());
                return tally.or_faults(s, Role::Ops, |_| RAN, Err(error));
            }
        };
        let night = Night::parse(&body);
        tally.evidence("night_whole", &s.evidence("nightly mail", body.as_bytes())?);
        let whole = night.judge_whole(review::Role::Ops);
        tally.hold("night_whole", whole.outcome == Outcome::Passed, whole.observed);
        night::sections(&night, &mut tally);
        tally.proof("night_ran", "one nightly mail since going live".to_owned());
        tally.looks(&[
            ("night_whole", &|t| night::logs(s, &ops, review::Role::Ops, t)),
            ("night_whole", &|t| tools(s, &ops, t)),
            ("nothing_unapproved", &|t| unapproved(s, &night, t)),
            ("backup_has_new_context", &|t| backup_of_the_night(s, &ops, live, t)),
            ("no_mixed_code", &|t| mixed_code(s, &ops, t)),
            ("still_public", &|t| still_public(s, &ops, t)),
        ]);
        for (check, advice) in [
            ("night_ran", RAN),
            (
                "night_whole",
                Advice {
                    cause: "the night was killed or a section failed",
                    next: "read the last section in the evidence",
                },
            ),
            (
                "backup_has_new_context",
                Advice {
                    cause: "the backup failed or an older dump was published again (C104)",
                    next: "run backup_server by hand and look at its log",
                },
            ),
            (
                "nothing_unapproved",
                Advice {
                    cause: "somebody committed to the branch: the nightly takes every commit live (B034)",
                    next: "look at svn log; take the commit back or approve it and restart",
                },
            ),
            (
                "no_mixed_code",
                Advice {
                    cause: "the nightly reinstalls without a restart (B034)",
                    next: "compare the stamps; restart the server in a quiet hour",
                },
            ),
            (
                "still_public",
                Advice {
                    cause: "the night changed port, context or cron table",
                    next: "look at flag, ports and table by hand",
                },
            ),
        ] {
            tally.judge(s, check, Role::Ops, advice)?;
        }
        Ok(())
    })
}

/// The tools of the night by their whole logs, judged as before the upgrade.
fn tools(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let mut told = Tally::default();
    if let Some(last) = night::find(s, ops, &mut told)? {
        night::tools(s, ops, &last, "logs_are_last_nights", &mut told)?;
        night::reinstall(s, ops, &last, &mut told)?;
        night_disks::disks(s, ops, &last, &mut told)?;
        night::contexts(ops, &last, &mut told)?;
    }
    for directory in [&ops.paths().client_sources, &ops.paths().server_sources] {
        for edit in checkout::edited(ops, directory)? {
            tally.fault("nothing_unapproved", edit);
        }
    }
    for check in [
        "night_ran",
        "night_whole",
        "logs_are_last_nights",
        "cache_checks",
        "orphans",
        "backup_section",
        "reinstall",
        "disks",
    ] {
        for fault in told.faults(check) {
            tally.fault("night_whole", fault);
        }
    }
    Ok(())
}

const RAN: Advice = Advice {
    cause: "cron did not run the job, or ran it twice, or its mail was lost",
    next: "look at the cron table, at cron's log and at the mail queue",
};

/// How often is looked for the nightly once it should have run.
const SIX_HOURS: Duration = Duration::from_secs(6 * 3600);

/// The nightly mail since going live, once it is there. On a site with a stepped clock the night is stepped over.
fn nightly(s: &Step, ops: &Server, live: f64) -> Result<Option<String>, StepError> {
    let before = s.need_fact("s370_go_live", "mails")?.as_u64().unwrap_or(0);
    let skip = usize::try_from(before).unwrap_or(0);
    let find = || -> Result<Vec<String>, StepError> {
        let mails = mail::all(s, ops)?.unwrap_or_default();
        let ours = format!("@{}", ops.expected().uname);
        let nightly = mails
            .into_iter()
            .skip(skip)
            .filter(|mail| mail.subject.contains("nightly.crds.job") && mail.subject.contains(&ours));
        Ok(nightly.map(|mail| mail.body).collect())
    };
    let mut found = find()?;
    if found.is_empty() && s.site().waiting == Waiting::Host {
        let night = Duration::try_from_secs_f64(due(s, live)?.as_second() as f64 - ops.now()?).unwrap_or(SIX_HOURS);
        s.wait("the first nightly", Duration::from_secs(30 * 3600), night, || {
            let found = find()?;
            Ok(if found.is_empty() {
                Poll::NotYet(format!("no nightly mail since {live:.0}"))
            } else {
                Poll::Ready(())
            })
        })?;
        found = find()?;
    }
    match found.len() {
        0 => Ok(None),
        1 => Ok(found.pop()),
        many => Err(StepError::failed(
            format!("{many} nightly mails of this host since going live"),
            "find out who ran the job twice",
        )),
    }
}

/// When the first night after going live is over.
fn due(s: &Step, live: f64) -> Result<jiff::Timestamp, StepError> {
    let zone = jiff::tz::TimeZone::get(&s.site().time_zone)?;
    let now = jiff::Timestamp::from_second(live as i64)?.to_zoned(zone);
    let tomorrow = now.tomorrow()?.with().hour(6).minute(0).second(0).build()?;
    Ok(tomorrow.timestamp())
}

fn unapproved(s: &Step, of_night: &Night, tally: &mut Tally) -> Result<(), StepError> {
    for (title, name) in [("CRDS subversion status", "crds"), ("CRDS_server subversion status", "crds_server")] {
        let Some(section) = of_night.section(title) else {
            tally.fault("nothing_unapproved", format!("the mail has no section `{title}`"));
            continue;
        };
        for line in night::torn(&section.text) {
            tally.fault("nothing_unapproved", format!("{name}: `{line}`"));
        }
        let facts = svn_facts(&section.text);
        let (wanted, seen) = (approved(s, name)?, facts.last_changed.unwrap_or(0));
        tally.hold(
            "nothing_unapproved",
            wanted.contains(&seen),
            format!("{name}: last change r{seen}, approved r{wanted:?}"),
        );
        let updated: Vec<String> = facts.updated.iter().map(|(letter, path)| format!("{letter} {path}")).collect();
        tally.hold(
            "nothing_unapproved",
            updated.is_empty(),
            if updated.is_empty() {
                format!("{name}: nothing updated")
            } else {
                format!("{name} updated: {}", shorten(&updated))
            },
        );
    }
    Ok(())
}

fn backup_of_the_night(s: &Step, ops: &Server, live: f64, tally: &mut Tally) -> Result<(), StepError> {
    let check = "backup_has_new_context";
    let (sets, stray) = ops.backup_sets()?;
    let Some(newest) = sets.last() else {
        tally.fault(check, "no backup set at all");
        return Ok(());
    };
    let night = backup_set::dated(s, ops, newest)?;
    tally.evidence(check, &night.evidence);
    let made = night.listed.iter().map(|file| file.entry.mtime).fold(f64::INFINITY, f64::min);
    tally.hold(check, made >= live, format!("set {} made since going live", newest.tag));
    let since = |set: &&BackupSet| set.files.iter().any(|file| file.entry.mtime >= live);
    let nights = sets.iter().filter(since).count();
    tally.hold(check, nights == 1, format!("{nights} sets since going live, one night"));
    // Its name is the moment by the clock that the next upgrade reads it with.
    if let (Some(named), true) = (tag_time(&newest.tag), made.is_finite()) {
        let apart = ops.local(made)?.datetime().duration_since(named).as_secs().unsigned_abs();
        tally.hold(check, apart < 1800, format!("set {}, made {} min off its name", newest.tag, apart / 60));
    }
    let lists = [sets.len().checked_sub(2).and_then(|at| sets.get(at)), Some(newest)];
    if let [Some(before), Some(after)] = lists {
        let (before, after) = (packages(ops, before)?, packages(ops, after)?);
        let changed: Vec<String> = before.symmetric_difference(&after).cloned().collect();
        let said = format!("{} packages of the machine", after.len());
        tally.hold(
            "no_mixed_code",
            changed.is_empty(),
            if changed.is_empty() {
                said
            } else {
                format!("{said}, changed since the set before: {}", shorten(&changed))
            },
        );
    }
    // No release came between two nights of one: a load of the newer would make other tables.
    let earlier = lists[0].map(|set| backup_set::dump_of(ops, set)).transpose()?.flatten();
    if let (Some(earlier), Ok(dump)) = (earlier, night.dump_text()) {
        for fault in made_otherwise(&earlier, dump) {
            tally.fault(check, format!("the dump makes {fault}"));
        }
    }
    let completed = night.dump_time();
    let fresh = completed.is_some_and(|completed| ops.local(live).is_ok_and(|live| completed >= live.datetime()));
    let said = completed.map_or_else(|| "at no time".to_owned(), |time| time.to_string());
    tally.hold(check, fresh, format!("the dump was completed {said}"));
    let common = backup_set::shared(s, ops)?;
    let mut faults = night.incomplete(ops, &ops.set_names());
    faults.extend(night.unreadable());
    faults.extend(night.bad_dump(ops));
    faults.extend(night.stale_rows(ops)?);
    faults.extend(night.against_live(ops, made)?);
    faults.extend(night.bad_deliveries(ops, made)?);
    faults.extend(common.incomplete(ops, &ops.shared_names()).into_iter().map(|fault| format!("shared: {fault}")));
    faults.extend(night.unlike(&common));
    faults.extend(stray.iter().map(|file| format!("stray {} in db_backups", file.name)));
    tally.hold(check, faults.is_empty(), backup_set::said(&faults, format!("set {} whole, shared alike", newest.tag)));
    let context = ops.context_in_database("operational")?;
    let named = night.dump().as_ref().is_ok_and(|dump| {
        let rows = dump.tables.get(&ops.table("*contexts")).cloned().unwrap_or_default().by_name();
        rows.iter().any(|row| {
            let is = |key: &str, value: &str| row.get(key).and_then(|seen| seen.as_deref()) == Some(value);
            is("kind", &format!("{}_operational_context", ops.observatory())) && is("context", &context)
        })
    });
    tally.hold(check, named, format!("the dump has {context} as operational context"));
    Ok(())
}

/// The machine's packages as a backup set lists them.
fn packages(ops: &Server, set: &BackupSet) -> Result<BTreeSet<String>, StepError> {
    let Some(list) = set.files.iter().find(|file| file.name.starts_with("rpms.")) else { return Ok(BTreeSet::new()) };
    let bytes = ops.remote().read_file(&format!("{}/{}", set.path, list.name), 16 << 20)?;
    // What is no gzip is told of the set as such.
    let text = unpack(&bytes).unwrap_or_default();
    Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
}

/// What runs is what went live, what is installed is what was approved, and both checkouts stand there.
fn mixed_code(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let check = "no_mixed_code";
    let stamps = ops.installed()?;
    let info = ops.rpc(Door::Direct)?.server_info()?;
    let live = s.need_fact("s370_go_live", "running")?;
    let as_live = live["svn_url"] == info.svn_url && live["revision"] == info.revision;
    // A restart after the nightly's install shows that one's stamp.
    let as_installed =
        stamps.client.url.ends_with(&info.svn_url) && info.revision.trim().starts_with(&stamps.client.version);
    tally.hold(
        check,
        as_live || as_installed,
        format!("running {} r{}, went live as {} r{}", info.svn_url, info.revision, live["svn_url"], live["revision"]),
    );
    for (name, directory, stamp) in [
        ("crds", &ops.paths().client_sources, &stamps.client),
        ("crds_server", &ops.paths().server_sources, &stamps.server),
    ] {
        let here = ops.svn_info(directory)?;
        let wanted = approved(s, name)?;
        tally.hold(
            check,
            here.last_changed == stamp.last_changed && wanted.contains(&stamp.last_changed) && here.url == stamp.url,
            format!(
                "{name}: installed {} r{}, checkout {} r{}, approved r{wanted:?}",
                stamp.url, stamp.last_changed, here.url, here.last_changed
            ),
        );
    }
    Ok(())
}

/// The revisions of a package that may run: the approved one, or the declared commit of the stack's switch.
fn approved(s: &Step, package: &str) -> Result<Vec<u64>, StepError> {
    let declared = s.fact_of("s350_switch_stack", "revision").and_then(|revision| revision.as_u64());
    if let Some(declared) = declared.filter(|_| package == "crds_server") {
        return Ok(vec![declared]);
    }
    Ok(s.need_fact("s010_preflight", "approved")?.get(package).and_then(Value::as_u64).into_iter().collect())
}

fn still_public(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let check = "still_public";
    let (direct, hidden) = ops.ports()?;
    tally.hold(
        check,
        direct == PortState::Open && hidden == PortState::Refused,
        format!("8001 {direct:?}, 8002 {hidden:?}"),
    );
    tally.hold(check, ops.flag()? == Flag::False, "port flag".to_owned());
    let wanted = s.plan().set_context.as_ref().map_or(&s.plan().contexts.operational, |set| &set.context).clone();
    outcome::contexts_agree(s, ops, &wanted, tally, check)?;
    synced::faults(ops)?.into_iter().chain(synced::delivered(s, ops)?).for_each(|fault| tally.fault(check, fault));
    tally.hold(check, ops.crontab()? == ops.release_crontab()?, "cron table".to_owned());
    let (parents, by_hand) = (ops.httpd_parents()?.len(), ops.servers_by_hand()?.len());
    tally.hold(check, parents == 1 && by_hand == 0, format!("{parents} server parents, {by_hand} servers by hand"));
    for (role, step) in [(Role::Test, "s240_mirror_ops_to_test"), (Role::Dev, "s250_mirror_test_to_dev")] {
        let Some(table) = s.fact_of(step, "cron") else { continue };
        let same = s.hosts().server(role)?.crontab()? == table.as_str().unwrap_or_default();
        tally.hold(check, same, format!("cron table of {role}"));
    }
    Ok(())
}
