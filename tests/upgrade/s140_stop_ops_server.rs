//! Step 140: shut down OPS.
//!
//! Procedure: "Shut down OPS."
//! Method: prove that nothing is in flight (locks, unconfirmed files, running submissions), note what the reprocessing
//! monitor knows, stop the server, and look at processes, ports and proxy.
//! Way back: `./run` in the CRDS_server checkout.

use std::time::Duration;

use crds_upgrade::crds::wire::Ask;
use crds_upgrade::crds::{Door, PortState, Server};
use crds_upgrade::host::EntryKind;
use crds_upgrade::plan::{Change, Role};
use crds_upgrade::run::{Found, Poll, Step, StepError, StepResult};
use crds_upgrade::steps::S140_STOP_OPS_SERVER;
use serde_json::json;

use crate::common::before::{first, texts};
use crate::common::{known_state, state};

/// How long a submission may have been silent and still count as running.
const SILENT_S: i64 = 1800;

#[test]
fn s140_stop_ops_server() -> StepResult {
    known_state::step(&S140_STOP_OPS_SERVER, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        if !s.again() {
            judge_quiet(s, &ops)?;
        }
        judge_monitor(s, &ops)?;

        let acted = s.act(
            "stop",
            Role::Ops,
            Change::Server,
            || stopped(&ops),
            |permit| {
                ops.stop(permit)?;
                s.wait("OPS to end", Duration::from_secs(120), Duration::from_secs(2), || {
                    Ok(if stopped(&ops)? == Found::Done { Poll::Ready(()) } else { Poll::NotYet("still there".into()) })
                })
                .or(Ok(()))
            },
        );
        if acted.is_err() {
            // What is left of the server is told by the checks, before what the act itself says.
            judge_off(s, &ops)?;
        }
        acted?;
        if s.fact_of(s.spec().id, "down_at").is_none() {
            let at = ops.now()?;
            s.fact("boot", ops.who_are_you()?.boot)?;
            state::remember_error_log(s, &ops)?;
            s.outage("OPS", true, &ops.local(at)?.timestamp().to_string())?;
            // Last, because it says that the others are there.
            s.fact("down_at", at)?;
        }
        judge_off(s, &ops)
    })
}

/// Whether neither Apache nor memcached of the account is left and both ports refuse.
fn stopped(ops: &Server) -> Result<Found, StepError> {
    let left = ops.httpd_parents()?.len() + ops.memcached()?.len();
    let (operational, hidden) = ops.ports()?;
    let closed = operational == PortState::Refused && hidden == PortState::Refused;
    Ok(match (left, closed) {
        (0, true) => Found::Done,
        (_, false) if operational == PortState::Open || hidden == PortState::Open => Found::NotDone,
        _ => Found::Half(format!("{left} processes are left, ports {operational:?} and {hidden:?}")),
    })
}

fn judge_quiet(s: &Step, ops: &Server) -> Result<(), StepError> {
    let locks = first(s, "locks", || {
        let rows = ops.locks()?;
        Ok(json!(rows.iter().map(|row| format!("{} since {}", row.locked_object, row.created_on)).collect::<Vec<_>>()))
    })?;
    let locks = texts(&locks);
    s.check("no_lock_held")
        .on(Role::Ops)
        .observed(if locks.is_empty() { "no lock".to_owned() } else { format!("held: {}", locks.join("; ")) })
        .cause("somebody is logged in for an instrument and may submit")
        .next_move("ask the holder to finish and log out; an expired lock goes with `clear_expired_locks`")
        .judge(locks.is_empty())?;
    let uploaded = first(s, "uploaded", || {
        let sql =
            format!("select name, deliverer_user from {} where state = 'uploaded' order by id", ops.table("*catalog"));
        let names = ops
            .ask(&sql)?
            .rows
            .into_iter()
            .map(|row| row.iter().filter_map(Option::as_deref).collect::<Vec<_>>().join(" by "));
        Ok(json!(names.chain(brought(s, ops)?).collect::<Vec<_>>()))
    })?;
    let uploaded = texts(&uploaded);
    s.check("nothing_uploaded")
        .on(Role::Ops)
        .observed(if uploaded.is_empty() {
            "no file uploaded".to_owned()
        } else {
            format!("uploaded: {}", uploaded.join("; "))
        })
        .cause("a submission waits for its confirmation, or a failed one left its files behind (A025)")
        .next_move("have it confirmed or cancelled, then run again")
        .judge(uploaded.is_empty())?;
    let running = first(s, "running", || running(ops))?;
    let running = texts(&running);
    s.check("nothing_running")
        .on(Role::Ops)
        .observed(if running.is_empty() {
            "nothing running".to_owned()
        } else {
            format!("running: {}", running.join("; "))
        })
        .cause("a submission or confirmation is being processed")
        .next_move("wait until its page says that it is done, then run again")
        .judge(running.is_empty())?;
    Ok(())
}

/// Files brought to the server since preflight for a submission that nobody has made yet. What lay there before is not of
/// tonight.
fn brought(s: &Step, ops: &Server) -> Result<Vec<String>, StepError> {
    let areas = ["ingest", "uploads"];
    let before =
        state::kept_of(s, "s010_ops", &areas.map(|area| format!("files:{area}")).each_ref().map(String::as_str))?;
    let before = before.unwrap_or_default();
    let mut found = Vec::new();
    for area in areas {
        let path = format!("{}/{area}", ops.paths().server_files);
        let known = before.surfaces.get(&format!("files:{area}"));
        for tree in ops.remote().list_trees(&ops.remote().there(&[&path])?)?.into_values() {
            let files = tree.into_iter().filter(|entry| entry.kind != EntryKind::Directory);
            let new = files.filter(|entry| known.is_none_or(|known| !known.contains_key(&entry.path)));
            found.extend(new.map(|entry| format!("{area}/{} by {}", entry.path, entry.owner)));
        }
    }
    Ok(found)
}

/// Submissions in progress: contexts being made, results half finished, status channels that have not said `done`.
fn running(ops: &Server) -> Result<serde_json::Value, StepError> {
    let mut found: Vec<String> = Vec::new();
    let mut told = ops
        .ask_all(&[
            "select locked_object from locking_lock where locked_object like 'context$%' order by locked_object"
                .to_owned(),
            format!("select * from {} order by 1", ops.table("*results")),
            "select channel_id, type, time from jpoll_message order by id".to_owned(),
        ])?
        .into_iter();
    let mut next = || told.next().unwrap_or_default();
    let (locks, results, messages) = (next(), next().by_name(), next());
    found.extend(locks.rows.into_iter().flatten().flatten().map(String::from));
    let half = results.iter().filter(|row| row.get("disposition").is_some_and(|d| d.as_deref() == Some("finalizing")));
    found.extend(
        half.map(|row| format!("result {} is being finalised", row.get("id").cloned().flatten().unwrap_or_default())),
    );
    let mut last = std::collections::BTreeMap::new();
    for row in messages.rows {
        if let [Some(channel), Some(kind), Some(time)] = &row[..] {
            last.insert(channel.clone(), (kind.clone(), time.clone()));
        }
    }
    let now = ops.local_now()?.datetime();
    for (channel, (kind, time)) in last {
        let time: Option<jiff::civil::DateTime> = time.replacen(' ', "T", 1).parse().ok();
        let silent = time.map(|time| time.duration_until(now).as_secs());
        if kind != "done" && silent.is_none_or(|seconds| seconds < SILENT_S) {
            found.push(format!("status channel {channel} has not said done"));
        }
    }
    // The newest computation of affected datasets, where it has not come to its end.
    if let Some(newest) =
        ops.computations()?.into_iter().map(|entry| entry.path).filter(|name| name.starts_with("20")).max()
    {
        let status = format!("{}/{newest}/bestrefs.status", ops.paths().monitor);
        if ops.remote().stat(&status)?.is_none() {
            found.push(format!(
                "the computation of affected datasets {newest} has no bestrefs.status: it has not ended"
            ));
        }
    }
    Ok(json!(found))
}

fn judge_monitor(s: &Step, ops: &Server) -> Result<(), StepError> {
    let operational = ops.context_in_database("operational")?;
    let known = ops.old_context()?.unwrap_or_default();
    s.check("old_context")
        .on(Role::Ops)
        .expected(format!("old_context.txt says {operational}"))
        .observed(if known.is_empty() { "it is blank or missing".to_owned() } else { known.escape_debug().to_string() })
        .cause("the monitor ran while the server was away, or a computation is still due (A028)")
        .next_move("write the context whose datasets were computed last into old_context.txt, then run again")
        .judge(known == operational)?;
    let edit = ops.context_in_database("edit")?;
    let safe = crds_upgrade::plan::names::is_pmap(&edit);
    let sql = format!("select state, catalog_link from {} where name = '{edit}'", ops.table("*catalog"));
    let row = if safe { ops.ask(&sql)?.by_name().pop() } else { None };
    let field = |name: &str| row.as_ref().and_then(|row| row.get(name).cloned().flatten()).unwrap_or_default();
    let (state, catalog) = (field("state"), field("catalog_link"));
    let bare = catalog.rsplit('/').next().unwrap_or_default().to_owned();
    let there = bare.is_empty() || ops.remote().stat(&format!("{}/{bare}", ops.paths().catalogs()))?.is_some();
    s.check("edit_context_delivered")
        .on(Role::Ops)
        .expected(format!("{edit} is in the catalogue, delivered, its delivery's catalogue there"))
        .observed(format!("state `{state}`, catalogue `{bare}` {}", if there { "there" } else { "missing" }))
        .cause("a confirmation broke off after the edit context had moved (WP 3.6)")
        .next_move("have the delivery finished or the edit context set back before the server goes off")
        .judge(there && !matches!(state.as_str(), "" | "uploaded" | "cancelled" | "archiving-failed"))?;
    Ok(())
}

fn judge_off(s: &Step, ops: &Server) -> Result<(), StepError> {
    let all = ops.processes()?;
    let account = &ops.expected().account;
    let left: Vec<String> = all
        .iter()
        .filter(|process| {
            process.user == *account && (process.is("httpd") || process.is("memcached") || process.is_server_by_hand())
        })
        .map(|process| format!("{} (pid {})", process.args, process.pid))
        .collect();
    s.check("no_process")
        .on(Role::Ops)
        .observed(if left.is_empty() { "none".to_owned() } else { format!("left: {}", left.join("; ")) })
        .cause("a second parent whose pid file was overwritten, or a request that does not end (B044)")
        .next_move("find what it is doing; `kill` it by its pid if nothing is in flight, then run again")
        .judge(left.is_empty())?;
    let (operational, hidden) = ops.ports()?;
    s.check("ports_closed")
        .on(Role::Ops)
        .expected("8001 and 8002 refuse")
        .observed(format!("8001 {operational:?}, 8002 {hidden:?}"))
        .cause("a server process still has the port")
        .next_move("look who listens (`ss -ltnp`), end it, then run again")
        .judge(operational == PortState::Refused && hidden == PortState::Refused)?;
    let lag = Duration::from_secs(s.plan().thresholds.proxy_lag_s);
    let url = format!("{}/", ops.url(Door::Proxy)?);
    let http = ops.http()?;
    let mut last = None;
    let seen = s.wait("the proxy to notice", lag, Duration::from_secs(10), || {
        let answer = http.send(&Ask::get(&url))?;
        let status = answer.status;
        last = Some((status, answer.text()));
        Ok(if status >= 500 { Poll::Ready(status) } else { Poll::NotYet(format!("HTTP {status}")) })
    });
    let (status, page) = last.unwrap_or((0, String::new()));
    s.check("proxy_says_outage")
        .on(Role::Ops)
        .expected(format!("an outage page of the proxy within {} s", lag.as_secs()))
        .observed(format!("HTTP {status}"))
        .evidence(&s.evidence("page of the proxy", &page)?)
        .cause("another server answers behind the public name, or the proxy serves from a cache")
        .next_move("find out who answers before going on: users may still be writing somewhere")
        .judge(seen.is_ok())?;
    Ok(())
}
