//! What a delivery must have made of the rules, and what several steps of the last part share.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crds_upgrade::crds::{Door, Reading, Row, Server};
use crds_upgrade::host::side_by_side;
use crds_upgrade::plan::{Credential, Plan, Role};
use crds_upgrade::rules::context_diff::{ContextDiff, EntryChange, EntryKind, context_diff};
use crds_upgrade::rules::{Header, Lookup};
use crds_upgrade::run::{Poll, Step, StepError};
use serde_json::Value;

use super::cached_references::{references_before, references_kept};
use super::deliver::{Hand, READY, START};
use super::delivery::{Delivery, Kind, in_state, planned_reasons, row_id};
use super::known_good;
use super::rules::{Rules, is_mapping, sha1};
use super::tally::{Advice, Tally, shorten};

/// Rows of a catalogue by file name.
type Catalogue = BTreeMap<String, Row>;

/// An account of the site.
pub fn credential<'s>(s: &'s Step, name: &str) -> Result<&'s Credential, StepError> {
    s.site().credentials.get(name).ok_or_else(|| {
        StepError::failed(
            format!("the site has no credential `{name}`"),
            format!("add [credentials.{name}] to the site file"),
        )
    })
}

/// Every file that the plan's submissions and deletion deliver.
pub fn delivered_files(plan: &Plan) -> BTreeSet<String> {
    let submissions = plan.submissions.iter().map(Delivery::of);
    let all = submissions.chain(plan.deletion.as_ref().map(Delivery::deleting));
    all.flat_map(|delivery| delivery.all_new().into_iter().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Fetches what a delivery made, keeps it under its own name, and compares it with its parent and the known-good.
fn judge_rules(hand: &mut Hand<'_>, delivery: &Delivery<'_>, catalogue: &Catalogue) -> Result<(), StepError> {
    let Some(context) = delivery.expect else { return judge_without_context(hand, delivery, catalogue) };
    hand.rules.fetch_closure(hand.ops, catalogue, delivery.base)?;
    hand.rules.fetch_closure(hand.ops, catalogue, context)?;
    keep(hand, delivery)?;
    let (old, new) = (hand.rules.load(delivery.base)?, hand.rules.load(context)?);
    let found = context_diff(&old, &new)?;
    let check = if delivery.kind == Kind::Deletion { "exactly_these" } else { "change_is_exact" };
    for fault in unexpected(delivery, &found) {
        hand.tally.fault(check, fault);
    }
    hand.tally.proof(
        check,
        format!("{} -> {context}: {} entries, {} types", delivery.base, found.entries.len(), found.types.len()),
    );
    if delivery.kind == Kind::References {
        selected(hand, delivery, &new, &found)?;
    }
    judge_known_good(hand, delivery, catalogue)
}

fn judge_without_context(hand: &mut Hand<'_>, delivery: &Delivery<'_>, catalogue: &Catalogue) -> Result<(), StepError> {
    let names: Vec<String> = delivery.files.to_vec();
    hand.rules.fetch(hand.ops, catalogue, &names)?;
    keep(hand, delivery)?;
    hand.tally.proof("change_is_exact", format!("{}: no context was to come of it", delivery.id));
    judge_known_good(hand, delivery, catalogue)
}

/// Puts the rules of a delivery into the run's `states/` under their own names.
fn keep(hand: &Hand<'_>, delivery: &Delivery<'_>) -> Result<(), StepError> {
    let states = hand.s.folder().join("states");
    for name in delivery.all_new().into_iter().filter(|name| name.ends_with("map")) {
        std::fs::write(states.join(name), hand.rules.bytes(name)?)?;
    }
    Ok(())
}

/// What differs between parent and child besides the change that was submitted.
fn unexpected(delivery: &Delivery<'_>, found: &ContextDiff) -> Vec<String> {
    let mut faults = Vec::new();
    let new: BTreeSet<&str> = delivery.all_new();
    let files: BTreeSet<&str> = delivery.files.iter().map(String::as_str).collect();
    for change in &found.instruments {
        if change.instrument != delivery.instrument || change.new.as_deref().is_none_or(|name| !new.contains(name)) {
            faults.push(format!("{}: {:?} became {:?}", change.instrument, change.old, change.new));
        }
    }
    for change in &found.types {
        if change.instrument != delivery.instrument || change.new.as_deref().is_none_or(|name| !new.contains(name)) {
            faults.push(format!("{} {}: {:?} became {:?}", change.instrument, change.filekind, change.old, change.new));
        }
    }
    for change in &found.headers {
        faults.push(format!("{}: header `{}` changed", change.mapping, change.key));
    }
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for entry in &found.entries {
        let name = match (&entry.kind, delivery.kind) {
            (EntryKind::Added(name) | EntryKind::Replaced(_, name), Kind::References) => name.as_str(),
            (EntryKind::Removed(name), Kind::Deletion) => name.as_str(),
            (kind, _) => {
                faults.push(format!("{} {} at {:?}: {kind:?}", entry.instrument, entry.filekind, entry.path));
                continue;
            }
        };
        if files.contains(name) {
            seen.insert(name);
        } else {
            faults.push(format!("{name} of no submission at {:?}", entry.path));
        }
    }
    if delivery.kind != Kind::Mappings {
        faults.extend(files.difference(&seen).map(|name| format!("{name} changed nothing in the rules")));
    }
    if delivery.kind == Kind::Mappings {
        let rmaps = delivery.files.iter().filter(|name| name.ends_with(".rmap"));
        let entered = |name: &str| found.types.iter().any(|change| change.new.as_deref() == Some(name));
        faults.extend(rmaps.filter(|name| !entered(name)).map(|name| format!("{name} is not in the new context")));
    }
    faults
}

/// Each reference must be selected for the very dataset that its rule describes.
fn selected(
    hand: &mut Hand<'_>,
    delivery: &Delivery<'_>,
    context: &crds_upgrade::rules::Context,
    found: &ContextDiff,
) -> Result<(), StepError> {
    let mut lookup = Lookup::new();
    let mut chosen: BTreeSet<&str> = BTreeSet::new();
    for entry in &found.entries {
        let (EntryKind::Added(name) | EntryKind::Replaced(_, name)) = &entry.kind else { continue };
        let Some(header) = dataset_for(hand, delivery, entry)? else { continue };
        let types = [entry.filekind.clone()];
        let best = lookup.best_references(context, &header, Some(&types))?;
        let got = best.get(&entry.filekind).map(|best| best.to_json().as_str().unwrap_or_default().to_owned());
        if got.as_deref() == Some(name.as_str()) {
            chosen.insert(name.as_str());
        }
    }
    // Where the rule alone does not make a dataset (a relevance that asks for other keywords), the archive's datasets do.
    let left: BTreeSet<&str> =
        delivery.files.iter().map(String::as_str).filter(|name| !chosen.contains(name)).collect();
    if !left.is_empty() {
        let operational = hand.s.plan().contexts.operational.clone();
        let types: Vec<String> = found.entries.iter().map(|entry| entry.filekind.clone()).collect();
        for (_, entry) in super::affected::headers(hand.s, hand.ops, &operational)? {
            let crds_upgrade::rules::input::json::Entry::Header(header) = entry else { continue };
            let Ok(best) = lookup.best_references(context, &header, Some(&types)) else { continue };
            for answer in best.values() {
                if let crds_upgrade::rules::Best::File(file) = answer {
                    chosen.extend(left.get(file.as_str()));
                }
            }
        }
    }
    for name in delivery.files.iter().filter(|name| !chosen.contains(name.as_str())) {
        hand.tally.fault("selected", format!("no dataset selects {name}"));
    }
    hand.tally.proof("selected", format!("{}: {} references selected", delivery.id, chosen.len()));
    Ok(())
}

/// A dataset header that fits the path of an entry: its match values and its date.
fn dataset_for(hand: &Hand<'_>, delivery: &Delivery<'_>, entry: &EntryChange) -> Result<Option<Header>, StepError> {
    let Some(rmap) = delivery.expect_rules.iter().find(|name| name.contains(&format!("_{}_", entry.filekind))) else {
        return Ok(None);
    };
    let mapping = crds_upgrade::rules::syntax::parse(&hand.rules.bytes(rmap)?, rmap)?;
    let levels = mapping.header_value("parkey").and_then(|value| value.as_seq()).unwrap_or_default();
    let mut pairs = vec![("INSTRUME".to_owned(), entry.instrument.to_uppercase())];
    for (level, key) in levels.iter().zip(&entry.path) {
        let names = level.as_seq().unwrap_or_default();
        // A date key is one text in the rules and two keywords in a header.
        let values: Vec<String> = match key.as_slice() {
            [one] if names.len() > 1 => one.splitn(names.len(), ' ').map(str::to_owned).collect(),
            many => many.to_vec(),
        };
        for (name, value) in names.iter().zip(values) {
            let value = value.split('|').next().unwrap_or_default().to_owned();
            pairs.push((name.as_str().unwrap_or_default().to_owned(), value));
        }
    }
    Ok(Some(pairs.into_iter().collect()))
}

/// Names and checksums against the reviewed outcome of this plan on these rules.
fn judge_known_good(hand: &mut Hand<'_>, delivery: &Delivery<'_>, catalogue: &Catalogue) -> Result<(), StepError> {
    let check = "equals_known_good";
    let start = &hand.s.plan().contexts.operational;
    hand.rules.fetch(hand.ops, catalogue, std::slice::from_ref(start))?;
    let Some(good) = known_good::outcome(hand.s, start, &hand.rules.sha1(start)?)? else {
        hand.s.not_checked(
            &format!("{}: outcome against a known-good", delivery.id),
            "nobody has reviewed the outcome of this plan on these rules",
        )?;
        hand.tally.proof(check, format!("{}: no reviewed outcome for these rules; named as not checked", delivery.id));
        return Ok(());
    };
    for name in delivery.all_new().into_iter().filter(|name| name.ends_with("map")) {
        let seen = hand.rules.sha1(name)?;
        match good.files.get(name) {
            None => hand.tally.fault(check, format!("{name} is not in the known-good")),
            Some(wanted) if *wanted != seen => {
                hand.tally.fault(check, format!("{name} has SHA-1 {seen}, known-good {wanted}"));
            }
            Some(_) => hand.tally.proof(check, format!("{name} ({} rules)", good.rules)),
        }
    }
    Ok(())
}

/// The references in the cache against the files submitted and the catalogue.
pub fn judge_bytes(hand: &mut Hand<'_>, delivery: &Delivery<'_>, catalogue: &Catalogue) -> Result<(), StepError> {
    let Some(directory) = hand.s.site().submissions_dir.clone() else { return Ok(()) };
    let here = hand.ops.paths().references(hand.ops.observatory());
    for name in delivery.files {
        let ours = std::fs::read(directory.join(name))?;
        let theirs = hand.ops.remote().read_file(&format!("{here}/{name}"), 1 << 30)?;
        let row = catalogue.get(name);
        let field = |key: &str| row.and_then(|row| row.get(key).cloned().flatten()).unwrap_or_default();
        let sum = sha1(&ours);
        let right = ours == theirs && field("sha1sum") == sum && field("size") == ours.len().to_string();
        hand.tally.hold("bytes_equal", right, format!("{name}: {} bytes, {sum}", theirs.len()));
    }
    Ok(())
}

/// The deleted references themselves are still there.
pub fn judge_kept(hand: &mut Hand<'_>, delivery: &Delivery<'_>, catalogue: &Catalogue) -> Result<(), StepError> {
    let here = hand.ops.paths().references(hand.ops.observatory());
    let paths: Vec<String> = delivery.files.iter().map(|name| format!("{here}/{name}")).collect();
    let seen = hand.ops.remote().stats(&paths)?;
    for (name, path) in delivery.files.iter().zip(&paths) {
        let there = seen.contains_key(path);
        hand.tally.hold("files_kept", there && catalogue.contains_key(name), format!("{name} in cache and catalogue"));
    }
    Ok(())
}

/// Carries out the deliveries of a step and what is asked of each, and judges. Where it breaks off, what was found until
/// then is judged, so that the failure says more than where it broke off.
pub fn carry_out(
    hand: &mut Hand<'_>,
    deliveries: &[Delivery<'_>],
    also: impl Fn(&mut Hand<'_>, &Delivery<'_>, &Catalogue) -> Result<(), StepError>,
) -> Result<(), StepError> {
    let mut done = Ok(());
    let cache = references_before(hand, deliveries)?;
    for delivery in deliveries {
        done = hand.deliver(delivery).and_then(|reading| {
            judge_rules(hand, delivery, &reading.catalogue).inspect_err(|error| {
                // Rules that cannot be read are no rules.
                let check = if delivery.kind == Kind::Deletion { "exactly_these" } else { "change_is_exact" };
                hand.tally.fault(check, error.text().to_owned());
            })?;
            also(hand, delivery, &reading.catalogue)
        });
        if done.is_err() {
            break;
        }
    }
    hand.tally.or_faults(hand.s, Role::Ops, advice, done)?;
    if let Some(cache) = cache {
        references_kept(hand, &cache)?;
    }
    judge_all(hand)
}

/// Judges every check of a delivery step.
fn judge_all(hand: &Hand<'_>) -> Result<(), StepError> {
    for spec in hand.s.spec().own_checks() {
        let name = spec.id.split('.').nth(1).unwrap_or_default();
        hand.tally.judge(hand.s, name, Role::Ops, advice(name))?;
    }
    Ok(())
}

fn advice(check: &str) -> Advice {
    match check {
        "start_context" => START,
        "ready_page" => READY,
        "confirmed" => Advice {
            cause: "the submission was discarded, or the confirmation broke off half way",
            next: "compare edit context, states and catalogue by hand; never submit the files a second time",
        },
        "change_is_exact" | "exactly_these" => Advice {
            cause: "the base moved between submission and confirmation, or an rmap was derived from another parent",
            next: "look at the difference in the evidence; a further delivery has to correct it before the context is set",
        },
        "equals_known_good" => Advice {
            cause: "another generation of the software derived the rules, or a number was drawn by somebody else",
            next: "compare the kept files in states/ with the reviewed ones; do not set the context",
        },
        "delivered" => Advice {
            cause: "links could not be made (other file system, modes), or the archive took part of the delivery",
            next: "compare catalogs/ and deliveries/ by hand; redeliver the catalogue only if the archive does not have it",
        },
        "audit" => Advice {
            cause: "the submission was confirmed twice, or rows were lost in a database error",
            next: "look at /recent_activity/",
        },
        "edit_context" => Advice {
            cause: "the edit context was moved by somebody else, or not at all",
            next: "look at the context history; do not submit further",
        },
        "nothing_left_behind" => Advice {
            cause: "a failed or unfinished submission",
            next: "cancel it on its page; release the lock by logging out",
        },
        "log_clean" => Advice {
            cause: "the server logged a failure although the page said otherwise",
            next: "read the log window in the evidence",
        },
        "selected" => Advice {
            cause: "the file's header does not say what it is meant for",
            next: "compare the header with the rule made of it; do not set the context",
        },
        "bytes_equal" => Advice {
            cause: "the upload was damaged, or the server renamed and rewrote the file",
            next: "compare checksums of both; deliver the right file under a new name",
        },
        _ => Advice { cause: "the file was removed by hand", next: "restore it from the archive" },
    }
}

/// The step of a plan that declares nothing of its kind: proves that nothing of it happened since going live.
pub fn nothing_declared(hand: &mut Hand<'_>) -> Result<(), StepError> {
    let s = hand.s;
    let live =
        |key: &str| -> Result<u64, StepError> { Ok(s.need_fact("s370_go_live", key)?.as_u64().unwrap_or(u64::MAX)) };
    let reading = hand.ops.reading(live("action")?)?;
    let kept = s.evidence("audit rows since going live", serde_json::to_vec(&reading.actions)?)?;
    let found = undeclared(s.plan(), &reading, live("last_row")?);
    for spec in s.spec().own_checks() {
        s.check(spec.id)
            .on(Role::Ops)
            .expected("the plan declares none: nothing but what other steps deliver has come since going live")
            .observed(if found.is_empty() { "nothing".to_owned() } else { shorten(&found) })
            .evidence(&kept)
            .cause("somebody delivered, withdrew or uploaded files during the upgrade")
            .next_move("look at /recent_activity/ and /delivery_status/; settle it, or declare it in the plan")
            .judge(found.is_empty())?;
    }
    Ok(())
}

/// What a server says since going live that is of no delivery of the plan.
fn undeclared(plan: &Plan, reading: &Reading, last_row: u64) -> Vec<String> {
    let field = |row: &Row, key: &str| row.get(key).cloned().flatten().unwrap_or_default();
    let reasons = planned_reasons(plan);
    let strange = reading.actions.iter().filter(|row| !reasons.contains(field(row, "why").as_str()));
    let mut found: Vec<String> = strange
        .map(|row| format!("{} did `{}` on {}", field(row, "user"), field(row, "action"), field(row, "filename")))
        .collect();
    let planned = delivered_files(plan);
    let new = reading.catalogue.iter().filter(|(name, row)| row_id(row) > Some(last_row) && !planned.contains(*name));
    found.extend(new.map(|(name, row)| format!("{name} is new, in state {}", field(row, "state"))));
    let uploaded = in_state(&reading.catalogue, "uploaded");
    found.extend(uploaded.iter().map(|name| format!("{name} waits in state uploaded")));
    let edit = reading.contexts.edit.as_str();
    if !plan.context_chain().contains(&edit) {
        found.push(format!("the edit context is {edit}"));
    }
    let held = reading.locks.iter().filter(|lock| lock.locked_object.starts_with("instrument$"));
    found.extend(held.map(|lock| format!("the lock {} is held", lock.locked_object)));
    found
}

/// The step that sets no context because the plan declares none: proves that none was set since going live, in any place.
pub fn no_context_set(s: &Step, ops: &Server) -> Result<(), StepError> {
    let planned = &s.plan().contexts.operational;
    let last = s.need_fact("s370_go_live", "history")?.as_u64().unwrap_or(u64::MAX);
    let mut found: Vec<String> = contexts_everywhere(ops)?
        .into_iter()
        .filter(|(_, name)| name != planned)
        .map(|(place, name)| format!("{place}: {name}"))
        .collect();
    let rows = ops.history()?;
    let set = rows.iter().filter(|row| row.id > last && row.state == "operational");
    found.extend(set.map(|row| format!("{} was set at {}: {}", row.context, row.start_date, row.description)));
    for spec in s.spec().own_checks() {
        s.check(spec.id)
            .on(Role::Ops)
            .expected(format!("the plan sets none: {planned} stays"))
            .observed(if found.is_empty() { format!("{planned} everywhere") } else { shorten(&found) })
            .cause("somebody set a context during the upgrade")
            .next_move("look at /display_context_history/; agree with the other person, or declare it in the plan")
            .judge(found.is_empty())?;
    }
    Ok(())
}

/// The step that awaits no computation because no context was set: proves that none was made.
pub fn no_computation(s: &Step, ops: &Server) -> Result<(), StepError> {
    let planned = &s.plan().contexts.operational;
    let known = ops.old_context()?.unwrap_or_default();
    let before = s.need_fact("s370_go_live", "computations")?;
    let before: BTreeSet<&str> = before.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let made = ops.computations()?.into_iter().map(|made| made.path);
    let mut found: Vec<String> =
        made.filter(|path| !before.contains(path.as_str())).map(|path| format!("{path} was computed")).collect();
    if known != *planned {
        found.push(format!("the monitor knows `{known}`"));
    }
    for spec in s.spec().own_checks() {
        s.check(spec.id)
            .on(Role::Ops)
            .expected(format!("no context was set: the monitor still knows {planned} and has computed nothing"))
            .observed(if found.is_empty() {
                format!("the monitor knows {known}, no computation")
            } else {
                shorten(&found)
            })
            .cause("a context was set during the upgrade, or the monitor lost its marker")
            .next_move("look at monitor_reprocessing.log")
            .judge(found.is_empty())?;
    }
    Ok(())
}

/// All mappings and references of a context whose closure was fetched.
pub fn members(rules: &Rules, context: &str) -> Result<BTreeSet<String>, StepError> {
    let mut members = BTreeSet::new();
    let mut level = vec![context.to_owned()];
    while let Some(name) = level.pop() {
        for text in rules.named(&name)?.iter().filter(|text| text.contains('.')) {
            if members.insert(text.clone()) && is_mapping(text) {
                level.push(text.clone());
            }
        }
        members.insert(name);
    }
    Ok(members)
}

/// The operational context in all places that name it, until they agree or the published cache's period has passed.
pub fn contexts_agree(
    s: &Step,
    ops: &Server,
    wanted: &str,
    tally: &mut Tally,
    check: &'static str,
) -> Result<(), StepError> {
    let agreed = s.wait("all places to name the context", Duration::from_secs(1800), Duration::from_secs(120), || {
        let seen = contexts_everywhere(ops)?;
        let wrong: Vec<String> =
            seen.iter().filter(|(_, name)| name != wanted).map(|(place, name)| format!("{place}: {name}")).collect();
        Ok(if wrong.is_empty() { Poll::Ready(seen.len()) } else { Poll::NotYet(wrong.join("; ")) })
    });
    match agreed {
        Ok(places) => tally.proof(check, format!("{wanted} in {places} places")),
        Err(error) => tally.fault(check, error.text().to_owned()),
    }
    Ok(())
}

/// A place and the look at it.
type Place<'a, T> = (&'static str, &'a (dyn Fn() -> Result<T, StepError> + Sync));

/// What a look at each of several places brought, some at once.
fn by_place<T: Send>(places: &[Place<'_, T>]) -> Result<Vec<(&'static str, T)>, StepError> {
    side_by_side(places, |(place, look)| Ok((*place, look()?))).into_iter().collect()
}

/// The operational context by place: database, RPC twice, page, the server's own cache, the published cache.
pub fn contexts_everywhere(ops: &Server) -> Result<Vec<(&'static str, String)>, StepError> {
    let rpc = ops.rpc(Door::Direct)?;
    let info = rpc.server_info()?;
    let told = info.operational.clone();
    let mut places = by_place(&[
        ("database", &|| Ok(ops.context_in_database("operational")?)),
        ("get_default_context", &|| Ok(rpc.default_context(&ops.observatory().to_string())?)),
        ("cache configuration", &|| literal_context(ops)),
        ("home page", &|| {
            let mut pages = crds_upgrade::crds::web::Session::anonymous(ops.http()?, &ops.url(Door::Direct)?);
            let on_page = pages.good_page("/")?.text.contains(&info.operational);
            Ok(if on_page { info.operational.clone() } else { "another context".to_owned() })
        }),
        ("published cache", &|| {
            let grp = format!("{}/{o}/config/{o}/server_config", ops.paths().grp, o = ops.observatory());
            let text = ops.remote().read_if_there(&grp, 64 << 20)?.unwrap_or_default();
            Ok(literal(&String::from_utf8_lossy(&text), "operational_context"))
        }),
    ])?;
    places.insert(1, ("get_server_info", told));
    Ok(places)
}

/// The text value of a key in a pretty-printed Python dictionary.
fn literal(text: &str, key: &str) -> String {
    let words: Vec<&str> = text.split(['\'', '"']).collect();
    let at = words.iter().position(|word| *word == key);
    at.and_then(|at| words.get(at + 2)).map_or_else(|| "none".to_owned(), |word| (*word).to_owned())
}

/// Files marked bad, by place.
pub fn bad_files_everywhere(ops: &Server) -> Result<Vec<(&'static str, BTreeSet<String>)>, StepError> {
    let info = ops.rpc(Door::Direct)?.server_info()?;
    let listed = |path: String| -> Result<BTreeSet<String>, StepError> {
        let bytes = ops.remote().read_if_there(&path, 16 << 20)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).split_whitespace().map(str::to_owned).collect())
    };
    by_place(&[
        ("catalogue", &|| Ok(ops.rejected()?)),
        ("get_server_info", &|| Ok(info.bad_files.iter().cloned().collect())),
        ("cache configuration", &|| listed(format!("{}/bad_files.txt", ops.paths().cache_config(ops.observatory())))),
        ("published cache", &|| {
            listed(format!("{}/{o}/config/{o}/bad_files.txt", ops.paths().grp, o = ops.observatory()))
        }),
    ])
}

/// A map of counts as one line.
pub fn counts(map: &BTreeMap<String, usize>) -> String {
    map.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

/// The operational context that the server's own cache names.
pub fn literal_context(ops: &Server) -> Result<String, StepError> {
    Ok(ops.cached_context()?.unwrap_or_else(|| "none".to_owned()))
}
