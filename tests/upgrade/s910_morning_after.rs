//! Step 910: the morning after.
//!
//! Procedure: nothing; the first nightly after going live is where a half upgrade shows.
//! Method: wait for the next night (in a rehearsal the clock is stepped past 03:05); its mail must be whole, its backup
//! hold the new context, its svn update must have brought nothing that was not approved, and the server must run what is
//! installed.
//! Way back: nothing to take back.

use std::time::Duration;

use serde_json::Value;

use crds_upgrade::backup;
use crds_upgrade::crds::{Door, Flag, PortState, Server};
use crds_upgrade::plan::{Role, Waiting};
use crds_upgrade::review::{self, Night, Outcome, svn_facts};
use crds_upgrade::run::{Poll, Step, StepError, StepResult, harness};
use crds_upgrade::steps::S910_MORNING_AFTER;

use crate::common::mail;
use crate::common::tally::{Advice, Tally, shorten};

#[test]
fn s910_morning_after() -> StepResult {
    harness::step(&S910_MORNING_AFTER, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let live = s.need_fact("s370_go_live", "live_at")?.as_f64().unwrap_or(0.0);
        let Some(body) = nightly(s, &ops, live)? else {
            return s.defer(&due(s, live)?, "the first nightly after going live has not run yet");
        };
        let mut tally = Tally::default();
        let night = Night::parse(&body);
        tally.evidence("night_whole", &s.evidence("nightly mail", body.as_bytes())?);
        let whole = night.judge_whole(review::Role::Ops);
        tally.hold("night_whole", whole.outcome == Outcome::Passed, whole.observed);
        tally.proof("night_ran", "one nightly mail since going live".to_owned());
        unapproved(s, &night, &mut tally)?;
        backup_of_the_night(s, &ops, live, &mut tally)?;
        mixed_code(&ops, &mut tally)?;
        still_public(s, &ops, &mut tally)?;
        for (check, advice) in [
            (
                "night_ran",
                Advice {
                    cause: "cron did not run the job, or its mail was lost",
                    next: "look at the cron table and at the mail queue",
                },
            ),
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
        // From the evening past 03:05 of the next day.
        s.wait("the first nightly", Duration::from_secs(30 * 3600), Duration::from_secs(6 * 3600), || {
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

fn due(s: &Step, live: f64) -> Result<String, StepError> {
    let zone = jiff::tz::TimeZone::get(&s.site().time_zone)?;
    let now = jiff::Timestamp::from_second(live as i64)?.to_zoned(zone);
    let tomorrow = now.tomorrow()?.with().hour(6).minute(0).second(0).build()?;
    Ok(tomorrow.timestamp().to_string())
}

fn unapproved(s: &Step, night: &Night, tally: &mut Tally) -> Result<(), StepError> {
    let approved = s.need_fact("s010_preflight", "approved")?;
    let declared = s.fact_of("s350_switch_stack", "revision").and_then(|revision| revision.as_u64());
    for (title, name) in [("CRDS subversion status", "crds"), ("CRDS_server subversion status", "crds_server")] {
        let Some(section) = night.section(title) else {
            tally.fault("nothing_unapproved", format!("the mail has no section `{title}`"));
            continue;
        };
        let facts = svn_facts(&section.text);
        let wanted = approved.get(name).and_then(Value::as_u64).unwrap_or(0);
        let seen = facts.last_changed.unwrap_or(0);
        let right = seen == wanted || (name == "crds_server" && declared == Some(seen));
        tally.hold("nothing_unapproved", right, format!("{name}: last change r{seen}, approved r{wanted}"));
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
    let (sets, _) = ops.backup_sets()?;
    let Some(newest) = sets.last() else {
        tally.fault(check, "no backup set at all");
        return Ok(());
    };
    let missing: Vec<String> = ops
        .set_names()
        .into_iter()
        .filter(|name| {
            // Nothing pending makes an empty list of deliveries.
            newest.file(name).is_none_or(|file| file.entry.size == 0 && !name.starts_with("deliveries"))
        })
        .collect();
    tally.hold(
        check,
        missing.is_empty(),
        if missing.is_empty() {
            format!("set {}", newest.tag)
        } else {
            format!("set {} lacks {}", newest.tag, shorten(&missing))
        },
    );
    let fresh = newest.files.iter().all(|file| file.entry.mtime >= live);
    tally.hold(check, fresh, format!("set {} made since going live", newest.tag));
    let dump = newest.files.iter().find(|file| file.name.ends_with(".mysql.gz"));
    let Some(dump) = dump else { return Ok(()) };
    let path = format!("{}/{}/{}", ops.paths().db_backups, newest.tag, dump.name);
    let packed = ops.remote().read_file(&path, 1 << 30)?;
    let text = backup::unpack(&packed)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let context = ops.context_in_database("operational")?;
    tally.hold(check, text.contains(&context), format!("the dump names {context}"));
    let ends =
        text.lines().rev().find(|line| !line.is_empty()).is_some_and(|line| line.starts_with("-- Dump completed on"));
    tally.hold(check, ends, "the dump has its closing line".to_owned());
    s.evidence("head of the dump", text.lines().take(5).collect::<Vec<_>>().join("\n").as_bytes())?;
    Ok(())
}

fn mixed_code(ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let check = "no_mixed_code";
    let stamps = ops.installed()?;
    let info = ops.rpc(Door::Direct)?.server_info()?;
    let right = stamps.client.url.ends_with(&info.svn_url) && info.revision.trim().starts_with(&stamps.client.version);
    tally.hold(
        check,
        right || stamps.client.url.ends_with(&info.svn_url),
        format!(
            "running {} r{}, installed {} r{}",
            info.svn_url, info.revision, stamps.client.url, stamps.client.version
        ),
    );
    for (name, directory, stamp) in [
        ("crds", &ops.paths().client_sources, &stamps.client),
        ("crds_server", &ops.paths().server_sources, &stamps.server),
    ] {
        let here = ops.svn_info(directory)?;
        tally.hold(
            check,
            here.last_changed == stamp.last_changed,
            format!("{name}: installed r{}, checkout r{}", stamp.last_changed, here.last_changed),
        );
    }
    Ok(())
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
    let context = ops.context_in_database("operational")?;
    tally.hold(check, context == wanted, format!("operational context {context}"));
    tally.hold(check, ops.crontab()? == ops.release_crontab()?, "cron table".to_owned());
    Ok(())
}
