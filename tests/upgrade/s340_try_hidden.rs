//! Step 340: try OPS out, hidden.
//!
//! Procedure: "Try OPS out on the backup port."
//! Method: a frozen set of questions, asked before the upgrade (s010) and now: the same answers by meaning where nothing
//! may change, other ones where the release must show; every page with its marks; downloads by every published address;
//! the real client; a login that takes nothing.
//! Way back: nothing to take back.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crds_upgrade::crds::wire::{Ask, Rpc};
use crds_upgrade::crds::{Door, PortState, Server};
use crds_upgrade::host::{Limit, side_by_side};
use crds_upgrade::plan::Role;
use crds_upgrade::review::logs::{LogFile, Review};
use crds_upgrade::review::{self, Outcome};
use crds_upgrade::run::{Step, StepError, StepResult, harness};
use crds_upgrade::state::Scope;
use crds_upgrade::steps::S340_TRY_HIDDEN;

use crate::common::rules::{Rules, sha1};
use crate::common::tally::{Advice, Tally, shorten};
use crate::common::{outcome, probes, state};

#[test]
fn s340_try_hidden() -> StepResult {
    harness::step(&S340_TRY_HIDDEN, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let mut tally = Tally::default();
        let log_before = ops.remote().stat(&format!("{}/error_log", ops.paths().logs))?.map_or(0, |entry| entry.size);
        let rpc = ops.rpc(Door::Hidden)?;
        // A server that says nothing is asked once, not a hundred times.
        if let Err(error) = ops.rpc(Door::Hidden)?.within(std::time::Duration::from_secs(30)).server_info() {
            tally.fault("same_answers", error.to_string());
            return tally.or_faults(s, Role::Ops, advice, Err(error.into()));
        }
        // Each look by itself: a service that is broken must not hide what else is.
        tally.looks(&[
            ("same_answers", &|t| questions(s, &ops, &rpc, t)),
            ("same_answers", &|t| {
                // Without it every answer is computed anew: right, and too slow for those who wait for it.
                let cached = ops.memcached().map(|running| running.len());
                t.hold("same_answers", matches!(cached, Ok(1)), format!("memcached processes: {cached:?}"));
                Ok(())
            }),
            ("versions", &|t| versions(s, &ops, &rpc, t)),
            ("pages", &|t| probes::pages(s, &ops, Door::Hidden, "pages", t)),
            ("whose_page", &|t| whose_page(&ops, t)),
            ("client_works", &|t| client(s, &ops, t)),
            ("downloads", &|t| downloads(s, &ops, Door::Hidden, t)),
            ("write_path", &|t| probes::write_path(s, &ops, Door::Hidden, "write_path", t)),
            ("client_works", &|t| settings(s, &ops, t)),
            ("archive_parameters", &|t| archive(&ops, &rpc, t)),
            ("upload_page", &|t| probes::upload_page(s, &ops, Door::Hidden, "upload_page", t)),
        ]);
        let window = ops.log_since(&format!("{}/error_log", ops.paths().logs), log_before, 16 << 20)?;
        let review = Review::of(LogFile::Errors, &review::text(&window.bytes));
        let judged = review.judge_normal();
        tally.evidence("log_clean", &s.evidence("error_log while trying out", &window.bytes)?);
        tally.hold("log_clean", judged.outcome == Outcome::Passed, judged.observed);
        let (direct, hidden) = ops.ports()?;
        let still = direct == PortState::Refused && hidden == PortState::Open;
        tally.hold("still_hidden", still, format!("8001 is {direct:?}, 8002 {hidden:?}"));
        for spec in s.spec().own_checks() {
            let name = spec.id.split('.').nth(1).unwrap_or_default();
            tally.judge(s, name, Role::Ops, advice(name))?;
        }
        Ok(())
    })
}

fn advice(check: &str) -> Advice {
    match check {
        "same_answers" => Advice {
            cause: "the new release answers otherwise, or serves test or stale values (A017)",
            next: "compare both answers in the evidence; restart memcached and ask again",
        },
        "new_answers" | "versions" => Advice {
            cause: "the old release still runs, or only one package was switched",
            next: "compare the stamps of both packages with the plan; reinstall",
        },
        "whose_page" => Advice {
            cause: "the configuration of another server was installed",
            next: "compare the installed configuration with the branch",
        },
        "client_works" => Advice {
            cause: "a service that the client needs is broken in the new release",
            next: "run the client by hand against the hidden server",
        },
        "downloads" => Advice {
            cause: "an alias of the web server leads to the wrong place (B071)",
            next: "compare httpd.conf with the template",
        },
        "write_path" => Advice {
            cause: "the database refuses writes with the new stack (B077)",
            next: "read the error log of that second",
        },
        "archive_parameters" => Advice {
            cause: "the archive cannot be reached from the new stack (B056)",
            next: "test the ODBC connection from the stack",
        },
        "upload_page" => Advice {
            cause: "the page's script was escaped or is missing (B061)",
            next: "look at the page in a browser",
        },
        "still_hidden" => Advice {
            cause: "somebody forwards the operational port, or started another server",
            next: "find the process that listens on 8001 and end it; until then users reach an untried release",
        },
        _ => Advice { cause: "a page of the new release is broken", next: "read the error log of that second" },
    }
}

/// The questions whose answers may not change.
pub fn frozen(rpc: &Rpc, context: &str, observatory: &str) -> Result<Value, StepError> {
    let mut history = rpc.call("get_context_history", &json!([observatory]))?;
    if let Some(rows) = history.as_array_mut() {
        rows.sort_by_key(ToString::to_string);
    }
    let info = rpc.server_info()?;
    Ok(json!({
        "get_default_context": rpc.default_context(observatory)?,
        "get_mapping_names": rpc.names("get_mapping_names", &json!([context]))?,
        "get_reference_names": sha1(rpc.call("get_reference_names", &json!([context]))?.to_string().as_bytes()),
        "list_mappings": rpc.names("list_mappings", &json!([observatory, "*.pmap"]))?,
        "get_context_history": history,
        "get_required_parkeys": rpc.call("get_required_parkeys", &json!([context]))?,
        "get_best_references": rpc.call("get_best_references", &json!([context, exposure(observatory), []]))?,
        "list_references": sha1(rpc.call("list_references", &json!([observatory, "*"]))?.to_string().as_bytes()),
        "get_file_info": rpc.file_info_map(observatory, Some(&[context]), None)?,
        "edit_context": info.edit,
        "bad_files": info.bad_files,
        "observatory": info.observatory,
    }))
}

/// How much longer the frozen questions may take than at preflight: so many times, and so many seconds more.
const SLOWER: f64 = 3.0;
const SLOWER_S: f64 = 20.0;

/// A header such as pipelines ask with. What is not in it is matched as undefined, which is an answer as good as another.
fn exposure(observatory: &str) -> Value {
    if observatory == "jwst" {
        return json!({
            "META.INSTRUMENT.NAME": "MIRI", "META.INSTRUMENT.DETECTOR": "MIRIMAGE",
            "META.OBSERVATION.DATE": "2014-09-01", "META.OBSERVATION.TIME": "00:00:00",
        });
    }
    json!({ "INSTRUME": "WFC3", "DETECTOR": "UVIS", "DATE-OBS": "2014-09-01", "TIME-OBS": "00:00:00" })
}

fn questions(s: &Step, ops: &Server, rpc: &Rpc, tally: &mut Tally) -> Result<(), StepError> {
    let context = s.plan().contexts.operational.clone();
    let began = ops.now()?;
    let now = frozen(rpc, &context, &ops.observatory().to_string())?;
    let took = ops.now()? - began;
    if let Some(before) = s.fact_of("s010_preflight", "answers_s").and_then(|took| took.as_f64()) {
        // Much is asked of the server at once here, so only what users would feel counts.
        let slow = took > SLOWER * before + SLOWER_S;
        tally.hold("same_answers", !slow, format!("asked in {took:.1} s, at preflight in {before:.1} s"));
    }
    tally.evidence("same_answers", &s.evidence("answers of the hidden server", serde_json::to_vec_pretty(&now)?)?);
    let before = s.need_fact("s010_preflight", "answers")?;
    let mut wrong = Vec::new();
    for (question, answer) in now.as_object().into_iter().flatten() {
        if before.get(question) != Some(answer) {
            wrong.push(question.clone());
        }
    }
    let count = now.as_object().map_or(0, serde_json::Map::len);
    tally.hold(
        "same_answers",
        wrong.is_empty(),
        if wrong.is_empty() { format!("{count} questions") } else { format!("other answers to {}", shorten(&wrong)) },
    );
    Ok(())
}

/// What must be different: version, revision and the advertised addresses.
fn versions(s: &Step, ops: &Server, rpc: &Rpc, tally: &mut Tally) -> Result<(), StepError> {
    let info = rpc.server_info()?;
    let before = s.need_fact("s010_preflight", "version")?;
    let was = |key: &str| before.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let released = s.plan().from.crds != s.plan().to.crds;
    tally.hold(
        "new_answers",
        !released || info.svn_url != was("svn_url"),
        format!("client package from {}", info.svn_url),
    );
    tally.hold("new_answers", !released || info.revision != was("revision"), format!("revision {}", info.revision));
    let base = ops.url(Door::Hidden)?;
    tally.hold("new_answers", info.reference_url.starts_with(&base), info.reference_url.clone());
    let approved = s.need_fact("s010_preflight", "approved")?;
    let stamps = ops.installed()?;
    for (name, stamp, target) in
        [("crds", &stamps.client, &s.plan().to.crds), ("crds_server", &stamps.server, &s.plan().to.crds_server)]
    {
        let wanted = approved.get(name).and_then(Value::as_u64).unwrap_or(0);
        let right = stamp.url.ends_with(&target.branch) && stamp.last_changed == wanted;
        tally.hold("versions", right, format!("{name}: {} r{}, approved r{wanted}", stamp.url, stamp.last_changed));
    }
    tally.hold("versions", info.svn_url.ends_with(&s.plan().to.crds.branch), format!("running: {}", info.svn_url));
    if let Some(version) = &s.plan().to.version {
        tally.hold("versions", &info.version == version, format!("version {}", info.version));
    }
    Ok(())
}

fn whose_page(ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let mut session = crds_upgrade::crds::web::Session::anonymous(ops.http()?, &ops.url(Door::Hidden)?);
    let page = session.good_page("/")?;
    let observatory = ops.observatory().to_string().to_uppercase();
    let heading = format!("{observatory} Calibration Reference Data System (CRDS)");
    tally.hold(
        "whose_page",
        page.heading == heading && page.use_case.is_none(),
        format!("`{}`, use case {:?}", page.heading, page.use_case),
    );
    tally.hold("whose_page", page.title == heading, format!("title `{}`", page.title));
    Ok(())
}

/// The host's own client against the hidden server: list, sync of a context, certify is left to the nightly.
fn client(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let context = s.plan().contexts.operational.clone();
    let config = ops.tool(&["crds.list", "--config"], Limit::WALK)?;
    let text = config.text();
    tally.evidence("client_works", &s.evidence("crds.list --config", text.as_bytes())?);
    let connected = text.lines().any(|line| line.split_whitespace().eq(["connected", "=", "True"]));
    tally.hold(
        "client_works",
        connected,
        if connected { "connected = True".to_owned() } else { format!("not connected: {}", config.last_line()) },
    );
    tally.hold("client_works", text.contains(&context), format!("names {context}"));
    let mappings = ops.tool(&["crds.list", "--mappings", "--contexts", &context], Limit::WALK)?;
    let names = mappings.text().lines().filter(|line| line.trim().ends_with("map")).count();
    let rules = Rules::of_run(s)?;
    let closure = rules.fetch_closure(ops, &ops.catalogue()?, &context)?;
    tally.hold(
        "client_works",
        names == closure.len(),
        format!("lists {names} mappings, the context has {}", closure.len()),
    );
    Ok(())
}

/// What tells every client how the cache is laid out is as preflight saw it: nothing of trying out writes there (D134).
fn settings(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let Some(before) = state::kept_of(s, "s010_ops", &["files:config"])? else { return Ok(()) };
    // Cron writes the server's own description of itself there, and did so until it was stopped.
    let changed =
        state::changed(ops, &Scope::nothing().with_files(&["config"]), &before, |delta| delta.key == "server_config")?;
    for line in state::lines(&changed) {
        tally.fault("client_works", format!("since preflight: {line}"));
    }
    Ok(())
}

/// Every mapping of the context and a few references by every published address.
pub fn downloads(s: &Step, ops: &Server, door: Door, tally: &mut Tally) -> Result<(), StepError> {
    // All of them where that is little, else a few spread over the context.
    const REFERENCES: usize = 5;
    const LITTLE: u64 = 64 << 20;
    const MOST: usize = 200;
    let info = ops.rpc(door)?.server_info()?;
    let catalogue = ops.catalogue()?;
    let rules = Rules::of_run(s)?;
    let context = info.operational.clone();
    rules.fetch_closure(ops, &catalogue, &context)?;
    let members = outcome::members(&rules, &context)?;
    let (maps, references): (Vec<&String>, Vec<&String>) = members.iter().partition(|name| name.ends_with("map"));
    let size = |name: &String| catalogue.get(name)?.get("size")?.as_deref()?.parse::<u64>().ok();
    sizes(ops, &references, size, tally)?;
    let little =
        references.len() <= MOST && references.iter().map(|name| size(name).unwrap_or(LITTLE)).sum::<u64>() <= LITTLE;
    let (step, most) =
        if little { (1, references.len()) } else { ((references.len() / REFERENCES).max(1), REFERENCES) };
    let some: Vec<&String> = references.into_iter().step_by(step).take(most).collect();
    let told = maps.iter().map(|name| name.as_str()).collect::<Vec<_>>();
    let told = ops.rpc(door)?.file_info_map(&ops.observatory().to_string(), Some(&told), Some(&["sha1sum", "size"]))?;
    for name in &maps {
        let row = catalogue.get(*name);
        for field in ["sha1sum", "size"] {
            let known = row.and_then(|row| row.get(field)?.as_deref());
            let seen = told.get(*name).and_then(|record| record.as_ref()?.get(field)).map(String::as_str);
            if seen != known {
                tally.fault("downloads", format!("get_file_info_map says {field} {seen:?} of {name}, not {known:?}"));
            }
        }
    }
    let http = ops.http()?;
    let base = ops.url(door)?;
    let mut count = 0;
    for (names, unchecked) in [(maps, &info.mapping_url), (some, &info.reference_url)] {
        let done = AtomicU64::new(0);
        let statuses = side_by_side(&names, |name| -> Result<Option<u16>, StepError> {
            s.progress("downloading", done.fetch_add(1, Ordering::Relaxed), names.len() as u64, "files");
            let known = catalogue.get(*name).and_then(|row| row.get("sha1sum").cloned().flatten()).unwrap_or_default();
            let answer = http.send(&Ask::get(&format!("{}/{name}", unchecked.trim_end_matches('/'))))?;
            Ok((sha1(&answer.body) != known).then_some(answer.status))
        });
        for (name, other) in names.iter().zip(statuses) {
            count += 1;
            if let Some(status) = other? {
                tally.fault("downloads", format!("{name}: status {status}, another checksum than the catalogue's"));
            }
        }
        // The checked address leads to the unchecked one.
        if let Some(name) = names.first() {
            let answer = http.send(&Ask::get(&format!("{base}/get/{name}")))?;
            let leads = answer.header("location").is_some_and(|to| to.ends_with(name.as_str()));
            tally.hold("downloads", answer.status == 302 && leads, format!("/get/{name}: status {}", answer.status));
        }
    }
    tally.proof("downloads", format!("{count} files with their checksums"));
    Ok(())
}

/// Every reference of the context lies in the cache with the size that the catalogue knows: cheap, also for all of them.
fn sizes(
    ops: &Server,
    references: &[&String],
    known: impl Fn(&String) -> Option<u64>,
    tally: &mut Tally,
) -> Result<(), StepError> {
    let entries = ops.remote().list(&ops.paths().references(ops.observatory()), Some(1))?;
    let there: std::collections::BTreeMap<&str, u64> =
        entries.iter().map(|entry| (entry.path.as_str(), entry.size)).collect();
    let wrong: Vec<String> = references
        .iter()
        .filter(|name| there.get(name.as_str()).copied() != known(name))
        .map(|name| {
            format!("{name}: {:?} bytes in the cache, {:?} in the catalogue", there.get(name.as_str()), known(name))
        })
        .collect();
    if !wrong.is_empty() {
        tally.fault("downloads", shorten(&wrong));
    }
    Ok(())
}

/// Parameters of datasets, which need the archive.
fn archive(ops: &Server, rpc: &Rpc, tally: &mut Tally) -> Result<(), StepError> {
    let check = "archive_parameters";
    let info = rpc.server_info()?;
    let instrument = if ops.observatory().to_string() == "jwst" { "miri" } else { "wfc3" };
    let ids = rpc.names("get_dataset_ids", &json!([info.operational, instrument, null]))?;
    let Some(first) = ids.first() else {
        tally.fault(check, format!("the archive knows no dataset of {instrument}"));
        return Ok(());
    };
    let headers = rpc.call("get_dataset_headers_by_id", &json!([info.operational, [first], null]))?;
    let whole = headers.as_object().is_some_and(|map| map.values().any(|header| header.get("INSTRUME").is_some()));
    tally.hold(check, whole, format!("{} datasets of {instrument}, header of {first}", ids.len()));
    Ok(())
}
