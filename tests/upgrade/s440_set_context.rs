//! Step 440: set the operational context.
//!
//! Procedure: "Set the operational context."
//! Method: wait, bounded, until the archive has taken every delivery of this plan, watching its links go one by one;
//! compute with our own rules engine what the new context will change and hold it against the plan's limits; set it;
//! read it back from database, RPC, page, cache and published cache.
//! Way back: set the former context again. The server computes no affected datasets for that (SO 16).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crds_upgrade::crds::web::{Login, Session};
use crds_upgrade::crds::{Door, HistoryRow, Row, Server};
use crds_upgrade::host::{both, side_by_side};
use crds_upgrade::plan::{Change, Plan, Role, SetContext};
use crds_upgrade::run::{Found, Poll, Step, StepError, StepResult};
use crds_upgrade::state::{misled, unlinked};
use crds_upgrade::steps::S440_SET_CONTEXT;
use serde_json::json;

use crate::common::baseline::deliveries;
use crate::common::deliver::NO_ACTIONS;
use crate::common::delivery::catalog_stem;
use crate::common::known_state;
use crate::common::rules::{Rules, sha1};
use crate::common::tally::{Advice, Tally, shorten};
use crate::common::{affected, claims, outcome};

#[test]
fn s440_set_context() -> StepResult {
    known_state::step(&S440_SET_CONTEXT, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let plan = s.plan().clone();
        let Some(set) = &plan.set_context else { return outcome::no_context_set(s, &ops) };
        let mut tally = Tally::default();
        let before = before(s, &ops, set)?;
        let old = before["operational"].as_str().unwrap_or_default().to_owned();
        wait_for_archive(s, &ops, &plan, set, &mut tally)?;
        preview(s, &ops, &plan, &old, set, &mut tally)?;
        let said = match set_it(s, &ops, set) {
            Ok(said) => said,
            Err(error) => {
                tally.fault("set", error.text().to_owned());
                return tally.or_faults(s, Role::Ops, |_| SET, Err(error));
            }
        };
        if let Some(said) = said {
            let right = said.contains(&format!("from {old} to {}", set.context))
                || said.contains(&set.context) && said.contains(&old);
            tally.hold("set", right, said);
        } else {
            let now = ops.context_in_database("operational")?;
            tally.hold("set", now == set.context, format!("the database says {now}"));
        }
        let looked = read_back(s, &ops, set, &before, &mut tally);
        tally.or_faults(s, Role::Ops, |_| READ, looked)?;
        judge(s, &tally)
    })
}

/// What was there before, measured once.
fn before(s: &Step, ops: &Server, set: &SetContext) -> Result<serde_json::Value, StepError> {
    if let Some(before) = s.fact_of(s.spec().id, "before") {
        return Ok(before);
    }
    let (told, reading) = both(|| Ok::<_, StepError>((ops.history()?, ops.states()?)), || ops.reading(NO_ACTIONS));
    let ((history, files), reading) = (told?, reading?);
    let (catalogue, operational) = (reading.catalogue, reading.contexts.operational);
    let rules = Rules::of_run(s)?;
    rules.fetch_closure(ops, &catalogue, &set.context)?;
    let members = outcome::members(&rules, &set.context)?;
    rules.fetch_closure(ops, &catalogue, &operational)?;
    let pending: BTreeSet<String> =
        catalogue.iter().filter(|(_, row)| is_pending(row)).map(|(name, _)| name.clone()).collect();
    let dateless: BTreeSet<String> = members.iter().filter(|name| is_dateless(catalogue.get(*name))).cloned().collect();
    // A successor that was named long ago, for other rules, is none of this act.
    let link = |name: &String| catalogue.get(name)?.get("replaced_by_filename")?.as_deref().map(str::to_owned);
    let old = outcome::members(&rules, &operational)?;
    let links: BTreeMap<&String, String> = old
        .difference(&members)
        .filter_map(|name| Some((name, link(name)?)))
        .filter(|(_, to)| !to.is_empty())
        .collect();
    let moved = moved(s, &rules, &operational, set)?.union(&pending).cloned().collect();
    let last = history.iter().map(|row| row.id).max().unwrap_or(0);
    let before = json!({
        "at": ops.now()?,
        "action": reading.last_action,
        "past": past(&history, last),
        "operational": operational,
        "others": states(&catalogue, &moved),
        "day": ops.local_now()?.date().to_string(),
        "dateless": dateless,
        "links": links,
        "history": last,
        "dates": dates(&catalogue, &dateless),
        "states": files,
        "pending": pending,
    });
    s.fact("before", before.clone())?;
    Ok(before)
}

/// What the rows of the history up to a number say, as one digest.
fn past(history: &[HistoryRow], last: u64) -> String {
    let mut hash = blake3::Hasher::new();
    for row in history.iter().filter(|row| row.id <= last) {
        let line = format!("{}\0{}\0{}\0{}\0{}\n", row.id, row.start_date, row.context, row.state, row.description);
        hash.update(line.as_bytes());
    }
    hash.finalize().to_hex().to_string()
}

/// Whether the archive is still to take a file.
fn is_pending(row: &Row) -> bool {
    matches!(row.get("state").cloned().flatten().as_deref(), Some("delivered" | "submitted" | "archiving"))
}

/// Files whose state follows the operational context: those of the old one, those of the new one, and what is delivered.
fn moved(s: &Step, rules: &Rules, old: &str, set: &SetContext) -> Result<BTreeSet<String>, StepError> {
    let mut moved = outcome::members(rules, &set.context)?;
    moved.extend(outcome::members(rules, old)?);
    // The rules name the header of a GEIS pair alone; its data follow what their link says.
    let halves: Vec<String> = moved.iter().filter_map(|name| claims::data_half(name)).collect();
    moved.extend(halves);
    moved.extend([old.to_owned(), set.context.clone()]);
    moved.extend(outcome::delivered_files(s.plan()));
    Ok(moved)
}

/// Whether a file was never in an operational context (WP 4).
fn is_dateless(row: Option<&Row>) -> bool {
    let date = row.and_then(|row| row.get("activation_date").cloned().flatten()).unwrap_or_default();
    date.is_empty() || date.starts_with("2050-")
}

/// A digest of the states of all files but some.
fn states(catalogue: &BTreeMap<String, Row>, except: &BTreeSet<String>) -> String {
    let mut hash = blake3::Hasher::new();
    for (name, row) in catalogue.iter().filter(|(name, _)| !except.contains(*name)) {
        hash.update(name.as_bytes());
        hash.update(row.get("state").cloned().flatten().unwrap_or_default().as_bytes());
        hash.update(b"\n");
    }
    hash.finalize().to_hex().to_string()
}

/// A digest of the delivery and activation dates of all files outside a context.
fn dates(catalogue: &BTreeMap<String, Row>, except: &BTreeSet<String>) -> String {
    let mut hash = blake3::Hasher::new();
    for (name, row) in catalogue.iter().filter(|(name, _)| !except.contains(*name)) {
        for column in ["delivery_date", "activation_date"] {
            hash.update(name.as_bytes());
            hash.update(row.get(column).cloned().flatten().unwrap_or_default().as_bytes());
            hash.update(b"\n");
        }
    }
    hash.finalize().to_hex().to_string()
}

/// Waits until every delivery of the plan was taken by the archive.
fn wait_for_archive(s: &Step, ops: &Server, plan: &Plan, set: &SetContext, tally: &mut Tally) -> Result<(), StepError> {
    let files = outcome::delivered_files(plan);
    let catalogue = ops.catalogue()?;
    let link = |name: &String| catalogue.get(name).and_then(|row| row.get("catalog_link").cloned().flatten());
    let catalogs: BTreeSet<String> = files.iter().filter_map(link).filter_map(|link| catalog_stem(&link)).collect();
    let failed = |name: &&String| {
        let state = catalogue.get(*name).and_then(|row| row.get("state").cloned().flatten());
        state.as_deref() == Some("archiving-failed")
    };
    let failed: Vec<String> = files.iter().filter(failed).cloned().collect();
    if !failed.is_empty() && !s.again() {
        // Setting the context would make them operational all the same.
        tally.fault("archived", format!("the archive failed to take {}", shorten(&failed)));
        tally.judge(s, "archived", Role::Ops, ARCHIVE)?;
        return Err(StepError::failed("the context is not set", ARCHIVE.next));
    }
    let limit = Duration::from_secs(set.archive_wait_s);
    let same = s.need_fact("s010_preflight", "deliveries")?;
    let waited = s.wait("the archive to take this plan's deliveries", limit, Duration::from_secs(300), || {
        let present = ops.deliveries()?;
        if deliveries(ops)? != same {
            return Ok(Poll::Ready(Err(
                "deliveries is not what it was before: that links are absent says nothing (A005)".to_owned(),
            )));
        }
        let mut pending = Vec::new();
        for catalog in &catalogs {
            let semaphore = present.iter().find(|link| link.name.starts_with(catalog.as_str()));
            let state = semaphore.map(|link| link.name[catalog.len()..].to_ascii_lowercase());
            match state.as_deref() {
                Some("_error" | "_err") => {
                    return Ok(Poll::Ready(Err(format!("{catalog}: the archive reports an error"))));
                }
                Some(suffix) => pending.push(format!("{catalog}{suffix}")),
                None => {
                    let here =
                        |name: &&String| link(name).and_then(|link| catalog_stem(&link)).as_ref() == Some(catalog);
                    let ours: Vec<&String> = files.iter().filter(here).collect();
                    let left: Vec<String> =
                        present.iter().map(|link| link.name.clone()).filter(|name| ours.contains(&name)).collect();
                    if !left.is_empty() {
                        return Ok(Poll::Ready(Err(format!(
                            "{catalog} is gone from deliveries while links of its files are left: {}",
                            shorten(&left)
                        ))));
                    }
                }
            }
        }
        if pending.is_empty() {
            return Ok(Poll::Ready(Ok(catalogs.len())));
        }
        Ok(Poll::NotYet(format!("pending: {}", shorten(&pending))))
    });
    let waited = match waited {
        Ok(waited) => waited,
        Err(error) => {
            tally.fault("archived", error.text().to_owned());
            return tally.or_faults(s, Role::Ops, |_| ARCHIVE, Err(error));
        }
    };
    match waited {
        Ok(count) => tally.proof("archived", format!("{count} catalogues taken")),
        Err(fault) => {
            tally.fault("archived", fault);
            tally.judge(s, "archived", Role::Ops, ARCHIVE)?;
            return Err(StepError::failed("the context is not set", ARCHIVE.next));
        }
    }
    silent_promotion(s, ops, &files, tally)
}

/// A file of somebody else that was pending at preflight, or when this step began, and is archived now: nobody here has
/// asked the archive whether it has it.
fn silent_promotion(s: &Step, ops: &Server, ours: &BTreeSet<String>, tally: &mut Tally) -> Result<(), StepError> {
    let check = "no_silent_promotion";
    let at_preflight = s.need_fact("s010_preflight", "pending")?;
    let at_beginning = s.need_fact(s.spec().id, "before")?;
    let lists = [&at_preflight, &at_beginning["pending"]];
    let before: BTreeSet<&str> =
        lists.iter().filter_map(|list| list.as_array()).flatten().filter_map(|name| name.as_str()).collect();
    let catalogue = ops.catalogue()?;
    let mut promoted = Vec::new();
    for name in before.iter().copied().filter(|name| !ours.contains(*name)) {
        let state = catalogue.get(name).and_then(|row| row.get("state").cloned().flatten()).unwrap_or_default();
        if state == "archived" || state == "operational" {
            promoted.push(format!("{name} was pending before and is {state} now"));
        }
    }
    for fault in promoted {
        tally.fault(check, fault);
    }
    tally.proof(check, format!("{} files that were pending before looked at", before.len()));
    Ok(())
}

/// What the new context will change, by our own computation.
fn preview(
    s: &Step,
    ops: &Server,
    plan: &Plan,
    old: &str,
    set: &SetContext,
    tally: &mut Tally,
) -> Result<(), StepError> {
    if s.again() {
        return Ok(());
    }
    affected::forget_headers(s)?;
    let seen = affected::compute(s, ops, old, &set.context)?;
    let kept = s.evidence("affected datasets, our preview", serde_json::to_vec_pretty(&seen.summary)?)?;
    tally.evidence("preview_in_limits", &kept);
    s.fact("preview", json!({"old": old, "new": set.context, "count": seen.ids.len()}))?;
    let count = seen.ids.len() as u64;
    let limits = &plan.affected;
    if limits.at_least.is_some_and(|least| count < least) {
        tally.fault(
            "preview_in_limits",
            format!("{count} datasets, the plan expects at least {}", limits.at_least.unwrap_or(0)),
        );
    }
    if limits.at_most.is_some_and(|most| count > most) {
        tally.fault("preview_in_limits", format!("{count} datasets, the plan allows {}", limits.at_most.unwrap_or(0)));
    }
    for (instrument, types) in &seen.types {
        let allowed = limits.types.get(instrument);
        for kind in types {
            if !limits.types.is_empty() && !allowed.is_some_and(|allowed| allowed.contains(kind)) {
                tally.fault(
                    "preview_in_limits",
                    format!("{instrument} {kind} would change, which the plan does not name"),
                );
            }
        }
    }
    if tally.has_fault("preview_in_limits") {
        tally.judge(s, "preview_in_limits", Role::Ops, PREVIEW)?;
        return Err(StepError::failed("the context is not set", PREVIEW.next));
    }
    tally.proof("preview_in_limits", format!("{count} of {} datasets change", seen.datasets));
    Ok(())
}

fn set_it(s: &Step, ops: &Server, set: &SetContext) -> Result<Option<String>, StepError> {
    let mut said = None;
    let look = || Ok(if ops.context_in_database("operational")? == set.context { Found::Done } else { Found::NotDone });
    s.act("set_context", Role::Ops, Change::Context, look, |permit| {
        let credential = outcome::credential(s, &set.credential)?;
        let password = credential.password.resolve()?;
        let login = Login { username: &credential.username, password: &password, instrument: None };
        let mut session = Session::login_with_lock(permit, Role::Ops, ops.http()?, &ops.url(Door::Direct)?, &login)?;
        let (now, from) = (ops.context_in_database("operational")?, &s.plan().contexts.operational);
        if now != *from {
            return Err(StepError::failed(
                format!("the operational context is {now}: somebody set it, the plan sets out from {from}"),
                SET.next,
            ));
        }
        said = Some(session.set_operational(permit, Role::Ops, &set.context, &set.description)?);
        session.logout()?;
        Ok(())
    })?;
    Ok(said)
}

fn read_back(
    s: &Step,
    ops: &Server,
    set: &SetContext,
    before: &serde_json::Value,
    tally: &mut Tally,
) -> Result<(), StepError> {
    outcome::contexts_agree(s, ops, &set.context, tally, "agree")?;
    let (catalogue, told) = both(
        || ops.catalogue(),
        || {
            let mut told = Tally::default();
            let looked = history(s, ops, set, before, &mut told);
            (told, looked)
        },
    );
    tally.join(told.0);
    told.1?;
    let catalogue = catalogue?;
    let rules = Rules::of_run(s)?;
    let closure = rules.fetch_closure(ops, &catalogue, &set.context)?;
    tally.parts(&[
        &|t| downloads(ops, &rules, &closure, t),
        &|t| states_and_dates(s, ops, set, before, &catalogue, &closure, t),
        &|t| {
            let old = before["operational"].as_str().unwrap_or_default();
            rules.fetch_closure(ops, &catalogue, old)?;
            let (was, is) = (outcome::members(&rules, old)?, outcome::members(&rules, &set.context)?);
            let links = ops.successors()?;
            let link = |name: &str| links.get(name).cloned().unwrap_or_default();
            let new_link = |name: &str| {
                let link = link(name);
                if before["links"][name].as_str() == Some(link.as_str()) { String::new() } else { link }
            };
            let successor = new_link(old);
            if !successor.is_empty() {
                // Rules and references have successors, a context has none (WP 4.1).
                t.fault("closure_operational", format!("the catalogue says that {old} was replaced by `{successor}`"));
            }
            for fault in unlinked(&was, &is, link).into_iter().chain(misled(&was, &is, new_link)) {
                t.fault("closure_operational", fault);
            }
            Ok(())
        },
    ])
}

/// One new row, of this act, and nothing else in the history; the audit says who.
fn history(
    s: &Step,
    ops: &Server,
    set: &SetContext,
    before: &serde_json::Value,
    tally: &mut Tally,
) -> Result<(), StepError> {
    let last = before["history"].as_u64().unwrap_or(0);
    let history = ops.history()?;
    // Each context of the plan was made after the one it comes from.
    let chain = s.plan().context_chain();
    let mut of_plan: Vec<_> = history.iter().filter(|row| chain.iter().any(|name| *name == row.context)).collect();
    of_plan.sort_by_key(|row| row.id);
    for pair in of_plan.windows(2).filter(|pair| pair[0].start_date > pair[1].start_date) {
        let (first, then) = (pair[0], pair[1]);
        let (older, newer) = (&first.start_date, &then.start_date);
        tally.fault("history", format!("{} begins at {newer}, {} before it at {older}", then.context, first.context));
    }
    let same = before["past"].as_str() == Some(past(&history, last).as_str());
    tally.hold(
        "history",
        same,
        format!("the {last} rows before it {}", if same { "as before" } else { "were changed" }),
    );
    let rows: Vec<_> = history.into_iter().filter(|row| row.id > last && row.state == "operational").collect();
    match rows.as_slice() {
        [row] => {
            let right = row.context == set.context && row.description == set.description;
            tally.hold("history", right, format!("{} {}: {}", row.start_date, row.context, row.description));
            let began = before["at"].as_f64().unwrap_or(f64::MAX);
            let (from, to) = (ops.local(began.floor())?.datetime(), ops.local_now()?.datetime());
            let start: Option<jiff::civil::DateTime> = row.start_date.replacen(' ', "T", 1).parse().ok();
            let tonight = start.is_some_and(|start| from <= start && start <= to);
            tally.hold(
                "history",
                tonight,
                format!("it begins at {}, it was set between {from} and {to}", row.start_date),
            );
        }
        rows => tally.fault("history", format!("{} new operational rows in the history", rows.len())),
    }
    let sql = format!(
        "select user, action, details from {} where id > {} and filename = '{}' order by id",
        ops.table("*actions"),
        before["action"].as_u64().unwrap_or(0),
        set.context
    );
    let account = &outcome::credential(s, &set.credential)?.username;
    for row in ops.ask(&sql)?.by_name() {
        let field = |key: &str| row.get(key).cloned().flatten().unwrap_or_default();
        let own = field("user") == account.as_str();
        tally.hold("history", own, format!("the audit says `{}` by `{}`", field("action"), field("user")));
        let (details, old) = (field("details"), before["operational"].as_str().unwrap_or_default());
        let named =
            field("action") != "set default context" || (details.contains(old) && details.contains(&set.context));
        tally.hold("history", named, format!("the audit's details say `{details}`, the context before was {old}"));
    }
    Ok(())
}

/// The files of the context are operational, and no other file's state or date was changed.
fn states_and_dates(
    s: &Step,
    ops: &Server,
    set: &SetContext,
    before: &serde_json::Value,
    catalogue: &BTreeMap<String, Row>,
    closure: &[String],
    tally: &mut Tally,
) -> Result<(), StepError> {
    let rules = Rules::of_run(s)?;
    let state =
        |name: &String| catalogue.get(name).and_then(|row| row.get("state").cloned().flatten()).unwrap_or_default();
    let wrong: Vec<String> = closure
        .iter()
        .filter(|name| state(name) != "operational")
        .map(|name| format!("{name} is {}", state(name)))
        .collect();
    let (first, last) = (before["day"].as_str().unwrap_or_default(), ops.local_now()?.date().to_string());
    for name in before["dateless"].as_array().into_iter().flatten().filter_map(|name| name.as_str()) {
        let row = catalogue.get(name).and_then(|row| row.get("activation_date").cloned().flatten());
        let date = row.unwrap_or_default();
        if !date.get(..10).is_some_and(|day| first <= day && day <= last.as_str()) {
            tally.fault("closure_operational", format!("{name} became operational at `{date}`"));
        }
    }
    if !s.again() {
        let mut moved = moved(s, &rules, before["operational"].as_str().unwrap_or_default(), set)?;
        // Those that were pending may be archived meanwhile; whether they may be is another check's.
        moved.extend(crate::common::before::texts(&before["pending"]));
        let same = before["others"].as_str() == Some(states(catalogue, &moved).as_str());
        tally.hold("closure_operational", same, "states of the files of neither context");
    }
    tally.hold(
        "closure_operational",
        wrong.is_empty(),
        if wrong.is_empty() { format!("{} mappings operational", closure.len()) } else { shorten(&wrong) },
    );
    if !s.again() {
        let now = dates(catalogue, &crate::common::before::texts(&before["dateless"]).into_iter().collect());
        tally.hold(
            "dates_stable",
            before["dates"].as_str() == Some(now.as_str()),
            "dates of the files outside the context, and of those in it that were in operation before",
        );
    }
    Ok(())
}

/// Every mapping of the context downloads with its checksum.
fn downloads(ops: &Server, rules: &Rules, closure: &[String], tally: &mut Tally) -> Result<(), StepError> {
    let info = ops.rpc(Door::Direct)?.server_info()?;
    let http = ops.http()?;
    let downloads = side_by_side(closure, |name| -> Result<Option<String>, StepError> {
        let url = format!("{}/{name}", info.mapping_url.trim_end_matches('/'));
        let answer = http.send(&crds_upgrade::crds::wire::Ask::get(&url))?;
        let other = sha1(&answer.body) != rules.sha1(name)?;
        Ok(other.then(|| format!("{name} downloads with another checksum (status {})", answer.status)))
    });
    let bad: Vec<String> = downloads.into_iter().filter_map(Result::transpose).collect::<Result<_, _>>()?;
    tally.hold(
        "closure_downloads",
        bad.is_empty(),
        if bad.is_empty() { format!("{} mappings", closure.len()) } else { shorten(&bad) },
    );
    Ok(())
}

fn judge(s: &Step, tally: &Tally) -> Result<(), StepError> {
    for (check, advice) in [
        ("archived", ARCHIVE),
        (
            "no_silent_promotion",
            Advice {
                cause: "the deliveries directory was emptied or unmounted for a while (absence reads as success)",
                next: "compare deliveries with the archive; redeliver what it does not have",
            },
        ),
        ("set", SET),
        (
            "agree",
            Advice {
                cause: "a cache was not refreshed: memcached, the server's own config, or the published cache's sync",
                next: "run prime_web_cache and cron_sync by hand, look at their logs; then run again",
            },
        ),
        (
            "history",
            Advice {
                cause: "somebody else set a context as well",
                next: "look at /display_context_history/; agree with the other person",
            },
        ),
        (
            "closure_operational",
            Advice {
                cause: "a file of the context was not archived or the state update broke off",
                next: "look at its delivery; set the context again only if the archive has the file",
            },
        ),
        (
            "closure_downloads",
            Advice {
                cause: "a file in the cache differs from the catalogue, or the download alias is wrong",
                next: "compare the file with the archive of step 220 and with the published cache",
            },
        ),
    ] {
        tally.judge(s, check, Role::Ops, advice)?;
    }
    if !s.again() {
        tally.judge(s, "preview_in_limits", Role::Ops, PREVIEW)?;
        tally.judge(
            s,
            "dates_stable",
            Role::Ops,
            Advice {
                cause: "automatic date fields rewrote rows on saving",
                next: "restore the dates from the dump of last night's backup",
            },
        )?;
    }
    Ok(())
}

const READ: Advice = Advice {
    cause: "the server broke off while what it did was read back",
    next: "look at its error log; run the same command again: the context is not set twice",
};
const SET: Advice = Advice {
    cause: "the page refused, answered with an error block under status 200, or another context was set meanwhile",
    next: "read the page in the evidence; look at /display_context_history/",
};
const ARCHIVE: Advice = Advice {
    cause: "the archive's poller is off, refused a file, or deliveries was emptied by hand",
    next: "ask the archive; when the delivery is taken, run the same command again: nothing is submitted twice",
};
const PREVIEW: Advice = Advice {
    cause: "the delivery changes more, less or something else than the plan says",
    next: "look at the differences of the contexts; correct the plan's limits only if the change is meant",
};
