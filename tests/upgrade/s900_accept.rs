//! Step 900: accept.
//!
//! Procedure: nothing; someone signs, and wants to know what for.
//! Method: the state of OPS now against the one of the preflight, each difference claimed by exactly one change that the
//! plan declares; the journal for completeness, the outage, the watch over cron and the waivers; the chain of the journal
//! and the hashes of the evidence.
//! Way back: nothing to take back.

use std::collections::{BTreeMap, BTreeSet};

use crds_upgrade::crds::{Door, PortState, Row, Server};
use crds_upgrade::host::{Algorithm, EntryKind, both, side_by_side};
use crds_upgrade::plan::Role;
use crds_upgrade::run::event::ChangeRow;
use crds_upgrade::run::{Step, StepError, StepResult, Verdict, harness};
use crds_upgrade::state::{Scope, capture, settle};
use crds_upgrade::steps::{self, S900_ACCEPT};

use crate::common::delivery::catalog_stem;
use crate::common::tally::{Advice, Tally, shorten};
use crate::common::{archives, claims, copies, mail, mirror_equal, outcome, sessions, state, superseded, synced};

#[test]
fn s900_accept() -> StepResult {
    harness::step(&S900_ACCEPT, |s| {
        if let Some((step, due)) = s.ledger().put_off()
            && !is_due(s, &due)?
        {
            return s.defer(&due, &format!("`{step}` is put off by the plan; the run is accepted once it has passed"));
        }
        let mut tally = Tally::default();
        tally.looks(&[
            ("ledger_closed", &|t| ledger(s, t)),
            ("ledger_closed", &|t| mirrored(s, Role::Test, "s240_mirror_ops_to_test", t)),
            ("ledger_closed", &|t| mirrored(s, Role::Dev, "s250_mirror_test_to_dev", t)),
            ("outage_in_window", &|t| outage(s, t)),
            ("cron_watch", &|t| watch(s, t)),
        ]);
        complete(s, &mut tally);
        waivers(s, &mut tally);
        let looked = intact(s, &mut tally);
        tally.tried("journal_intact", looked);
        for (check, advice) in [
            (
                "ledger_closed",
                Advice {
                    cause: "something changed on the server that the plan does not declare",
                    next: "find out who or what made it; declare it, or take it back",
                },
            ),
            (
                "all_observed",
                Advice {
                    cause: "a declared change left no trace on the server",
                    next: "look whether it really happened",
                },
            ),
            (
                "steps_complete",
                Advice {
                    cause: "a step was left out, deferred or not passed",
                    next: "run the same command again; a deferred step after its due date",
                },
            ),
            (
                "outage_in_window",
                Advice {
                    cause: "the upgrade took longer than the plan's window",
                    next: "tell those who relied on the window",
                },
            ),
            (
                "cron_watch",
                Advice {
                    cause: "cron came back by itself, or nobody watched for a while",
                    next: "look at the gaps in the report",
                },
            ),
            (
                "waivers_valid",
                Advice {
                    cause: "a waiver expired or is not named in the plan",
                    next: "renew it with owner and date, or mend what it covers",
                },
            ),
            (
                "journal_intact",
                Advice {
                    cause: "the run folder was edited or damaged",
                    next: "keep it and find out by whom; the run cannot be accepted",
                },
            ),
        ] {
            tally.judge(s, check, "run", advice)?;
        }
        Ok(())
    })
}

/// The declared-change ledger of OPS.
fn ledger(s: &Step, tally: &mut Tally) -> Result<(), StepError> {
    let ops = s.hosts().server(Role::Ops)?;
    let Some(before) = state::kept(s, "s010_ops")? else {
        tally.fault("ledger_closed", "the preflight kept no state of OPS");
        tally.fault("all_observed", "the preflight kept no state of OPS");
        return Ok(());
    };
    // What the services say follows from database, contexts and release, which are compared themselves.
    let before = before.only(|surface| surface != "rpc");
    let live = state::kept(s, state::LIVE)?;
    let catalogue = ops.catalogue()?;
    // What lies around the state is looked at meanwhile.
    let (around, after) = both(|| around(s, &ops, &catalogue), || capture(&ops, &Scope::all().served_at(Door::Direct)));
    let after = after?;
    std::fs::write(s.folder().join("states").join("s900_ops.json"), after.to_text())?;
    let rpc = |surface: &str| surface != "rpc";
    let deltas = state::compare(&before, &after.only(rpc))?;
    let nights = claims::nights(s, &before, &after)?;
    let mut declared = claims::of_plan(s, &ops, &catalogue, &before)?;
    declared.extend(claims::backup_sets(&nights));
    let settled = settle(&deltas, &declared);
    for claimed in &settled.claimed {
        let delta = &claimed.delta;
        let text = |value: &Option<serde_json::Value>| value.as_ref().map_or_else(String::new, ToString::to_string);
        s.change(ChangeRow {
            host: Role::Ops.to_string(),
            surface: delta.surface.clone(),
            item: format!("{} {}", delta.key, delta.field).trim().to_owned(),
            before: text(&delta.before),
            after: text(&delta.after),
            claimed_by: vec![claimed.change.clone()],
        })?;
    }
    // The release may change what it is made of until it goes live, and not afterwards.
    let since_live: Vec<String> = match &live {
        None => vec!["s370 kept no state of going live".to_owned()],
        Some(live) => {
            let same = |surface: &str| live.surfaces.contains_key(surface);
            let deltas = state::compare(live, &after.only(same))?;
            let settled = settle(&deltas, &claims::reinstalled(&nights));
            settled.unclaimed.iter().map(|delta| format!("since going live: {delta}")).collect()
        }
    };
    // Nor does the plan change anything in the database after its last act.
    let since_acts: Vec<String> = match state::kept(s, state::ACTED)? {
        None => vec!["s450 kept no state of the database".to_owned()],
        Some(acted) => {
            // Contexts were compared above, by every place that knows them.
            let acted = acted.only(|surface| surface != "contexts");
            let deltas = state::compare(&acted, &after.only(|surface| acted.surfaces.contains_key(surface)))?;
            let settled = settle(&deltas, &claims::taken_since(&acted, &ops.table("*catalog")));
            settled.unclaimed.iter().map(|delta| format!("since the plan's last act: {delta}")).collect()
        }
    };
    let around = around?;
    let open: Vec<String> = settled
        .unclaimed
        .iter()
        .map(ToString::to_string)
        .chain(since_live)
        .chain(since_acts)
        .chain(around)
        .chain(claims::strange_actions(s, &ops)?)
        .chain(settled.contested.iter().map(|(delta, by)| format!("{delta} claimed by {}", by.join(" and "))))
        .collect();
    tally.hold(
        "ledger_closed",
        open.is_empty(),
        if open.is_empty() {
            format!("{} differences, each with its one declared change", settled.claimed.len())
        } else {
            format!("{} differences without exactly one declared change: {}", open.len(), shorten(&open))
        },
    );
    let mut unseen = settled.unobserved;
    unseen.extend(claims::not_as_delivered(s.plan(), &after));
    unseen.extend(superseded::unlinked_in(s, s.plan(), &after)?);
    unseen.extend(claims::new_passwords(&before, &after));
    tally.hold(
        "all_observed",
        unseen.is_empty(),
        if unseen.is_empty() {
            "every declared change was seen".to_owned()
        } else {
            format!("not seen: {}", shorten(&unseen))
        },
    );
    if !open.is_empty() {
        let kept = s.evidence("differences without a declared change", open.join("\n").as_bytes())?;
        tally.evidence("ledger_closed", &kept);
    }
    Ok(())
}

/// What is wrong with all that is no part of the state but must be right beside it.
fn around(s: &Step, ops: &Server, catalogue: &BTreeMap<String, Row>) -> Result<Vec<String>, StepError> {
    let looks: [&(dyn Fn() -> Result<Vec<String>, StepError> + Sync); 7] = [
        &|| bytes_of_references(s, ops, catalogue),
        &|| archives_and_server(s, ops),
        &|| synced::faults(ops),
        &|| synced::delivered(s, ops),
        &|| sessions::endless(ops),
        &|| catalogs_of_plan(s, ops, catalogue),
        &|| mails_of_nothing(s, ops),
    ];
    let found = side_by_side(&looks, |look| look()).into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(found.concat())
}

/// The way back still lies where it was, and nobody started a server beside Apache.
fn archives_and_server(s: &Step, ops: &Server) -> Result<Vec<String>, StepError> {
    let mut told = Tally::default();
    archives::closed(s, &mut told, "ledger_closed")?;
    let by_hand = ops.servers_by_hand()?;
    let by_hand = by_hand.iter().map(|process| format!("a server by hand: {} (pid {})", process.args, process.pid));
    let mut faults: Vec<String> = told.faults("ledger_closed").into_iter().chain(by_hand).collect();
    for archive in archives::of_run(s)? {
        // One that cannot be read is told above.
        if archive.read().is_ok_and(|(_, right)| !right) {
            faults.push(format!("{} is not the archive that {} made", archive.name(), archive.step));
        }
    }
    for line in ops.system_cron_lines()? {
        faults.push(format!("the machine's own cron tables start something of CRDS: {line}"));
    }
    if let Some(branch) = &s.plan().rules_branch {
        let base = s.site().repositories.get(&branch.repository).map_or("", |base| base.trim_end_matches('/'));
        if ops.svn_info_if_there(&format!("{base}/{}", branch.path))?.is_none() {
            faults.push(format!("the branch {} with the rules of before is gone from the repository", branch.path));
        }
    }
    Ok(faults)
}

/// `0283` of `hst_0283.pmap`.
fn serial(context: &str) -> Option<&str> {
    context.rsplit('_').next()?.strip_suffix(".pmap")
}

/// Mails since going live that send affected datasets to the pipelines, of a computation that is not on the host.
fn mails_of_nothing(s: &Step, ops: &Server) -> Result<Vec<String>, StepError> {
    let Some(before) = s.fact_of("s370_go_live", "mails").and_then(|count| count.as_u64()) else {
        return Ok(Vec::new());
    };
    let mut faults = Vec::new();
    for mail in mail::all(s, ops)?.unwrap_or_default().iter().skip(usize::try_from(before).unwrap_or(usize::MAX)) {
        if !mail.subject.contains(&format!("{} {} datasets affected", ops.observatory(), ops.expected().use_case)) {
            continue;
        }
        let words: Vec<&str> = mail.subject.split_whitespace().collect();
        let after =
            |word: &str| words.iter().position(|other| *other == word).and_then(|at| words.get(at + 1)).copied();
        let (old, new) = (after("affected").and_then(serial), after("-->").and_then(serial));
        let computed = match (after("on"), old, new) {
            (Some(date), Some(old), Some(new)) => {
                ops.remote().stat(&format!("{}/{date}_{old}_{new}", ops.paths().monitor))?.is_some()
            }
            _ => false,
        };
        if !computed {
            faults.push(format!("a mail of no computation on the host: `{}`", mail.subject));
        }
    }
    Ok(faults)
}

/// Delivery catalogues of this plan that do not list the files whose rows name them: a redelivery would send others.
fn catalogs_of_plan(s: &Step, ops: &Server, catalogue: &BTreeMap<String, Row>) -> Result<Vec<String>, StepError> {
    let mut wanted: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for name in outcome::delivered_files(s.plan()) {
        let link = catalogue.get(&name).and_then(|row| row.get("catalog_link")?.as_deref());
        if let Some(stem) = link.and_then(catalog_stem) {
            wanted.entry(stem).or_default();
        }
    }
    for (name, row) in catalogue {
        let stem = row.get("catalog_link").and_then(|link| catalog_stem(link.as_deref()?));
        if let Some(files) = stem.and_then(|stem| wanted.get_mut(&stem)) {
            files.insert(name);
        }
    }
    let mut faults = Vec::new();
    for (catalog, files) in &wanted {
        let path = format!("{}/{catalog}", ops.paths().catalogs());
        let text = ops.remote().read_if_there(&path, 1 << 20)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let listed: BTreeSet<&str> = text.lines().collect();
        if listed != *files {
            faults.push(format!("the catalogue {catalog} does not list the {} files of its delivery", files.len()));
        }
    }
    Ok(faults)
}

/// References whose bytes are not what the catalogue says: the newest, as many as can be read in a moment.
fn bytes_of_references(s: &Step, ops: &Server, catalogue: &BTreeMap<String, Row>) -> Result<Vec<String>, StepError> {
    let published = format!("{0}/{1}/references/{1}", ops.paths().grp, ops.observatory());
    let wrong = side_by_side(&[ops.paths().references(ops.observatory()), published], |path| {
        match ops.remote().stat(path)? {
            Some(_) => other_bytes(s, ops, path, catalogue),
            None => Ok(Vec::new()),
        }
    });
    Ok(wrong.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
}

/// References in a directory whose bytes are not what the catalogue says.
fn other_bytes(
    s: &Step,
    ops: &Server,
    path: &str,
    catalogue: &BTreeMap<String, Row>,
) -> Result<Vec<String>, StepError> {
    let entries = ops.remote().list(path, Some(1))?;
    let files = entries.iter().filter(|entry| entry.kind != EntryKind::Directory);
    let files = files.map(|entry| (entry.path.clone(), (entry.size, entry.mtime))).collect();
    let names = mirror_equal::some_of(&files);
    if names.len() < files.len() {
        s.not_checked(
            &format!("bytes of {} references in {path}", files.len() - names.len()),
            "references are terabytes: the newest are read, the others compared by size and date",
        )?;
    }
    let sums = ops.remote().hash_files(path, &names, Algorithm::Sha1)?;
    let known = |name: &str| catalogue.get(name)?.get("sha1sum")?.as_deref().map(str::to_owned);
    let wrong = sums.iter().filter(|(name, sum)| known(name).is_some_and(|known| !known.is_empty() && known != **sum));
    Ok(wrong.map(|(name, _)| format!("{path}/{name} does not have the checksum of the catalogue")).collect())
}

/// A host that was mirrored onto is as its step left it: what it holds, and cron table, context, ports.
fn mirrored(s: &Step, role: Role, step: &str, tally: &mut Tally) -> Result<(), StepError> {
    let check = "ledger_closed";
    let Some(table) = s.fact_of(step, "cron") else { return Ok(()) };
    let server = s.hosts().server(role)?;
    if server.crontab()? != table.as_str().unwrap_or_default() {
        tally.fault(check, format!("{role}: the cron table is not the one that {step} put back"));
    }
    let (context, wanted) = (server.context_in_database("operational")?, &s.plan().contexts.operational);
    if context != *wanted {
        tally.fault(check, format!("{role}: the operational context is {context}, {wanted} was mirrored"));
    }
    // A night reinstalls and clears: what it leaves is the next night's review.
    if s.plan().mirrors.iter().all(|mirror| mirror.stagger_s == 0) {
        for what in copies::changed(s, &server, step)? {
            tally.fault(check, format!("{role}: {what} is not what {step} left"));
        }
    }
    let (direct, hidden) = server.ports()?;
    if direct != PortState::Open || hidden != PortState::Refused {
        tally.fault(check, format!("{role}: 8001 {direct:?}, 8002 {hidden:?}"));
    }
    Ok(())
}

fn due_of(s: &Step, step: &str) -> String {
    s.ledger().step(step).due.unwrap_or_default()
}

/// Whether what was put off until `due` (RFC 3339) could have been carried out by now, by the clock of OPS.
fn is_due(s: &Step, due: &str) -> Result<bool, StepError> {
    let due: Option<jiff::Timestamp> = due.parse().ok();
    let now = s.hosts().server(Role::Ops)?.local_now()?.timestamp();
    Ok(due.is_some_and(|due| due <= now))
}

fn complete(s: &Step, tally: &mut Tally) {
    let (mut passed, mut by_decision) = (0, 0);
    for step in steps::ALL.iter().take_while(|step| step.id != s.spec().id) {
        match s.ledger().step(step.id).verdict {
            Some(Verdict::Passed | Verdict::Waived) => passed += 1,
            Some(Verdict::Unknown) if s.ledger().stands(step.id) => by_decision += 1,
            Some(Verdict::Deferred) => tally.fault(
                "steps_complete",
                format!("{} was put off until {}, is due, and was not carried out", step.id, due_of(s, step.id)),
            ),
            other => tally.fault("steps_complete", format!("{}: {other:?}", step.id)),
        }
    }
    tally.proof("steps_complete", format!("{passed} steps passed, {by_decision} stand by a named decision"));
}

fn outage(s: &Step, tally: &mut Tally) -> Result<(), StepError> {
    let window = s.plan().thresholds.offline_window_s as f64;
    let down = s.need_fact("s140_stop_ops_server", "down_at")?.as_f64().unwrap_or(0.0);
    let live = s.need_fact("s370_go_live", "live_at")?.as_f64().unwrap_or(f64::MAX);
    let took = live - down;
    tally.hold(
        "outage_in_window",
        (0.0..=window).contains(&took),
        format!("{:.1} min away, the window is {:.1} h", took / 60.0, window / 3600.0),
    );
    // The report says of each service how long it was away: one that never came back in the journal is told as away still.
    let outages = &s.ledger().outages;
    for (service, _, at) in outages.iter().filter(|(_, away, _)| *away) {
        let back = outages.iter().any(|(other, away, then)| other == service && !away && then >= at);
        tally.hold("outage_in_window", back, format!("{service} went away at {at}"));
    }
    Ok(())
}

fn waivers(s: &Step, tally: &mut Tally) {
    let today = jiff::Zoned::now().date();
    for waiver in &s.plan().waivers {
        tally.hold(
            "waivers_valid",
            waiver.until >= today,
            format!("{} ({}) until {}", waiver.check, waiver.owner, waiver.until),
        );
    }
    let recorded = &s.ledger().waivers;
    for (at, waiver) in recorded.iter().enumerate() {
        // The last word about a check is what counts.
        if recorded[at + 1..].iter().any(|later| later.about == waiver.about) {
            continue;
        }
        let until = waiver.until.as_deref().unwrap_or_default();
        let holds = until.parse::<jiff::civil::Date>().is_ok_and(|until| until >= today);
        tally.hold("waivers_valid", holds, format!("{} ({}) until {until}", waiver.about, waiver.by));
    }
    tally.proof("waivers_valid", format!("{} in the plan, {} recorded", s.plan().waivers.len(), recorded.len()));
}

/// The watch over cron: every sample empty; a pause between two commands is no fault, but is named in the report.
fn watch(s: &Step, tally: &mut Tally) -> Result<(), StepError> {
    const PAUSE: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);
    let samples = &s.ledger().watched;
    for (at, host, _, holds, seen) in samples.iter().filter(|(.., holds, _)| *holds != Some(true)) {
        tally.fault("cron_watch", format!("{at} on {host}: {}", if holds.is_none() { "could not look" } else { seen }));
    }
    let times: Vec<jiff::Timestamp> = samples.iter().filter_map(|(at, ..)| at.parse().ok()).collect();
    for pair in times.windows(2) {
        let pause = pair[0].duration_until(pair[1]);
        if pause > PAUSE {
            s.not_checked("cron of OPS being off", &format!("nobody watched from {} to {}", pair[0], pair[1]))?;
        }
    }
    tally.hold("cron_watch", !samples.is_empty(), format!("{} samples", samples.len()));
    Ok(())
}

fn intact(s: &Step, tally: &mut Tally) -> Result<(), StepError> {
    let entries = s.folder().entries()?;
    let ledger = crds_upgrade::run::Ledger::read(&entries);
    let named = &ledger.evidence;
    let mut wrong = s.folder().evidence().audit(named)?;
    wrong.extend(crds_upgrade::report::verify::lost_states(s.folder(), &ledger));
    let proof = format!("{} entries chained, {} pieces of evidence", entries.len(), named.len());
    tally.hold("journal_intact", wrong.is_empty(), if wrong.is_empty() { proof } else { shorten(&wrong) });
    Ok(())
}
