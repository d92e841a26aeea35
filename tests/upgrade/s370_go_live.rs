//! Step 370: go live.
//!
//! Procedure: "Bring up OPS for real and give it a once-over."
//! Method: `set_backup_url False`, then the release's cron table; then everything that a user or a pipeline would touch:
//! ports, proxy, pages, services, downloads, contexts in every place, the products of the frequent cron jobs.
//! Way back: stop cron and server, `set_backup_url True`.

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::json;

use crds_upgrade::crds::{Door, Flag, PortState, Server};
use crds_upgrade::host::Limit;
use crds_upgrade::plan::{Change, Role};
use crds_upgrade::review;
use crds_upgrade::review::logs::{LogFile, Review};
use crds_upgrade::run::{Found, Poll, Step, StepError, StepResult};
use crds_upgrade::state::{Delta, Scope, capture};
use crds_upgrade::steps::S370_GO_LIVE;

use crate::common::before::first;
use crate::common::deliver::NO_ACTIONS;
use crate::common::delivery::row_id;
use crate::common::known_state;
use crate::common::tally::{Advice, Look, Tally, shorten};
use crate::common::{install, machines, mail, outcome, probes, state, synced};
use crate::s270_prove_restore::made_as_before;
use crate::s340_try_hidden;

/// Frequent cron jobs: the product that each must have made anew, and within how many seconds (SO 9).
pub const WATCHERS: [(&str, u64); 3] =
    [("monitor_reprocessing.log", 300), ("server_cache_sync.log", 300), ("sync_ops_to_grp.log", 600)];

/// Files of a home that come and change while somebody works there.
const LIVING: [&str; 7] =
    [".setenv", ".history", ".bash_history", ".viminfo", ".lesshst", ".subversion", ".Xauthority"];

#[test]
fn s370_go_live() -> StepResult {
    known_state::step(&S370_GO_LIVE, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let mut tally = Tally::default();
        before(s, &ops)?;
        if let Err(error) = unhide(s, &ops) {
            tally.fault("public", error.text().to_owned());
            return tally.or_faults(s, Role::Ops, advice, Err(error));
        }
        if let Err(error) = cron_back(s, &ops) {
            tally.fault("cron_is_the_releases", error.text().to_owned());
            return tally.or_faults(s, Role::Ops, advice, Err(error));
        }
        tally.looks(&[("public", &|t| public(s, &ops, t)), ("proxy_serves", &|t| proxy(s, &ops, t))]);
        if !s.again() {
            tally.looks(&[
                ("pages", &|t| probes::pages(s, &ops, Door::Direct, "pages", t)),
                ("downloads", &|t| s340_try_hidden::downloads(s, &ops, Door::Direct, t)),
            ]);
            // Time passes for the host meanwhile: nothing else is looked at.
            let looked = watchers(s, &ops, &mut tally);
            tally.tried("watchers_fresh", looked);
            let context = s.plan().contexts.operational.clone();
            let looked = outcome::contexts_agree(s, &ops, &context, &mut tally, "contexts_agree");
            tally.tried("contexts_agree", looked);
        }
        let live = OnceLock::new();
        let kept = |_: &mut Tally| {
            let _ = live.set(state::keep(s, &ops, &state::of_release(), state::LIVE));
            Ok(())
        };
        let once: [(&'static str, Look<'_>); 3] = [
            ("contexts_agree", &|t| {
                synced::faults(&ops)?.into_iter().for_each(|fault| t.fault("contexts_agree", fault));
                Ok(())
            }),
            ("no_reprocessing_mail", &|t| no_mail(s, &ops, t)),
            ("states_untouched", &|t| states(s, &ops, t)),
        ];
        let always: [(&'static str, Look<'_>); 2] =
            [("cron_is_the_releases", &|t| cron(s, &ops, t)), ("cron_is_the_releases", &kept)];
        tally.looks(&[if s.again() { &once[..0] } else { &once[..] }, &always[..]].concat());
        for spec in s.spec().own_checks() {
            let name = spec.id.split('.').nth(1).unwrap_or_default();
            let only_once =
                ["pages", "downloads", "watchers_fresh", "contexts_agree", "no_reprocessing_mail", "states_untouched"];
            if s.again() && only_once.contains(&name) {
                continue;
            }
            tally.judge(s, name, Role::Ops, advice(name))?;
        }
        live.into_inner().map_or(Ok(()), |kept| kept.map(drop))
    })
}

fn advice(check: &str) -> Advice {
    match check {
        "public" => Advice {
            cause: "the switch of the port did not take, or an old parent still holds a port (B044)",
            next: "look at both ports and the httpd parents; set_backup_url False again",
        },
        "flag_and_urls" => Advice {
            cause: "flag, installed copy and Listen line disagree: the switch broke off",
            next: "read all three; set_backup_url False again",
        },
        "proxy_serves" => Advice {
            cause: "the proxy has not noticed, or cuts big answers (B083)",
            next: "ask the direct address; wait a minute; ask whoever runs the proxy",
        },
        "certificates" => Advice {
            cause: "a certificate expired or is for another name (D136)",
            next: "compare the certificates of server and proxy",
        },
        "cron_is_the_releases" => {
            Advice { cause: "the table was edited or another one was installed", next: "crontab host/crontab" }
        }
        "watchers_fresh" => Advice {
            cause: "cron does not run, or a job fails in the new environment",
            next: "run the job by hand from a clean login; look at its log",
        },
        "contexts_agree" => Advice {
            cause: "a cache was not refreshed",
            next: "run prime_web_cache and cron_sync by hand, then run again",
        },
        "no_reprocessing_mail" => Advice {
            cause: "the monitor took the restart for a change of context",
            next: "look at monitor_reprocessing.log and old_context.txt; tell the recipients",
        },
        "states_untouched" => Advice {
            cause: "deliveries was away while the server was hidden: absence reads as archived (A005)",
            next: "compare the states with the dump of last night; redeliver",
        },
        _ => Advice {
            cause: "a page or an alias of the new release is broken",
            next: "read the error log of that second; hide the server again if users are harmed",
        },
    }
}

/// What later steps compare with, measured once before anything is switched.
fn before(s: &Step, ops: &Server) -> Result<(), StepError> {
    if s.fact_of(s.spec().id, "states").is_some() {
        return Ok(());
    }
    let reading = ops.reading(NO_ACTIONS)?;
    s.fact("action", reading.last_action)?;
    s.fact("last_row", reading.catalogue.values().filter_map(row_id).max().unwrap_or(0))?;
    s.fact("computations", ops.computations()?.iter().map(|made| made.path.clone()).collect::<Vec<_>>())?;
    s.fact("history", ops.history()?.iter().map(|row| row.id).max().unwrap_or(0))?;
    let mails = mail::all(s, ops)?.map_or(0, |mails| mails.len());
    s.fact("mails", mails as u64)?;
    s.fact("states", json!(ops.states()?))?;
    Ok(())
}

fn unhide(s: &Step, ops: &Server) -> Result<(), StepError> {
    let look = || {
        let (direct, hidden) = ops.ports()?;
        Ok(match (direct, hidden, ops.flag()?) {
            (PortState::Open, PortState::Refused, Flag::False) => Found::Done,
            (PortState::Refused, PortState::Open, Flag::True) => Found::NotDone,
            (direct, hidden, flag) => Found::Half(format!("8001 {direct:?}, 8002 {hidden:?}, flag {flag:?}")),
        })
    };
    let limits = s.plan().thresholds.clone();
    s.act("unhide", Role::Ops, Change::Server, look, |permit| {
        ops.unhide(permit, Duration::from_secs(limits.start_s + 3600))?;
        install::wait_for_port(s, ops, Door::Direct, limits.start_s)
    })?;
    let now = first(s, "live_at", || Ok(json!(ops.now()?)))?.as_f64().unwrap_or(0.0);
    if s.fact_of(s.spec().id, "running").is_none() {
        let mut logs = serde_json::Map::new();
        // The logs of cron jobs are overwritten at each run.
        for entry in ops.logs()?.into_iter().filter(|entry| !entry.path.contains("cron/")) {
            let mark = ops.log_mark(&format!("{}/{}", ops.paths().logs, entry.path), entry.size)?;
            logs.insert(entry.path, json!([entry.size, mark]));
        }
        s.fact("logs", serde_json::Value::Object(logs))?;
        s.outage("OPS", false, &jiff::Timestamp::from_second(now as i64)?.to_string())?;
        let info = ops.rpc(Door::Direct)?.server_info()?;
        // Last, because it says that the others are there.
        s.fact("running", json!({"svn_url": info.svn_url, "revision": info.revision}))?;
    }
    Ok(())
}

fn cron_back(s: &Step, ops: &Server) -> Result<(), StepError> {
    let wanted = ops.release_crontab()?;
    let look = || {
        let now = ops.crontab()?;
        Ok(if now == wanted {
            Found::Done
        } else if now.trim().is_empty() {
            Found::NotDone
        } else {
            Found::Half("the cron table is neither empty nor the release's".to_owned())
        })
    };
    s.act("cron_back", Role::Ops, Change::Cron, look, |permit| Ok(ops.set_crontab(permit, &wanted).map(drop)?))
}

fn public(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let (direct, hidden) = ops.ports()?;
    tally.hold("public", direct == PortState::Open, format!("8001 is {direct:?}"));
    tally.hold("public", hidden == PortState::Refused, format!("8002 is {hidden:?}"));
    let parents = ops.httpd_parents()?;
    tally.hold("public", parents.len() == 1, format!("{} server parents", parents.len()));
    // By it the server is stopped, and only what it names (SO 7).
    let named = ops.pid_file()?;
    let right = named.is_some() && named == parents.first().map(|parent| parent.pid);
    tally.hold(
        "public",
        right,
        format!("httpd.pid names {}", named.map_or("no process".to_owned(), |pid| pid.to_string())),
    );
    for socket in ops.memcached()?.iter().filter_map(|process| process.option("-s")) {
        let there = !ops.remote().there(&[socket])?.is_empty();
        tally.hold("public", there, format!("memcached {} its socket {socket}", if there { "has" } else { "lacks" }));
    }
    if !s.again() {
        started_once(s, ops, tally)?;
    }
    // By them it is stopped, and the jobs of cron are started.
    let scripts = ["run", "stop"].map(|name| format!("{}/{name}", ops.paths().server_sources));
    let there = ops.remote().stats(&scripts)?;
    let odd = scripts.iter().filter(|path| there.get(*path).is_none_or(|entry| entry.mode & 0o100 == 0));
    odd.map(|path| format!("{path} cannot be executed"))
        .chain(machines::scripts(ops)?)
        .for_each(|fault| tally.fault("public", fault));
    let (flag, copy) = (ops.flag()?, ops.installed_flag()?);
    tally.hold(
        "flag_and_urls",
        flag == Flag::False && copy == Flag::False,
        format!("flag {flag:?}, installed copy {copy:?}"),
    );
    let ports = ops.configured_ports()?;
    tally.hold("flag_and_urls", ports == [8001], format!("configured ports {ports:?}"));
    let info = ops.rpc(Door::Direct)?.server_info()?;
    let base = ops.url(Door::Proxy)?;
    tally.hold("flag_and_urls", info.reference_url.starts_with(&base), format!("advertises {}", info.reference_url));
    let approved = s.need_fact("s010_preflight", "approved")?;
    let declared = s.fact_of("s350_switch_stack", "revision").and_then(|revision| revision.as_u64());
    for (package, directory) in [("crds", &ops.paths().client_sources), ("crds_server", &ops.paths().server_sources)] {
        // The nightly takes live whatever is committed to the branch.
        let head = ops.svn_info(&ops.svn_info(directory)?.url)?.last_changed;
        let right = approved[package].as_u64() == Some(head) || (package == "crds_server" && declared == Some(head));
        if !right && !s.again() {
            tally.fault("flag_and_urls", format!("{package}: the branch was committed to, r{head} is not approved"));
        }
    }
    for directory in [&ops.paths().client_sources, &ops.paths().server_sources] {
        let dirty: Vec<String> = ops
            .svn_status(directory)?
            .into_iter()
            .filter(|line| line.letters != "?")
            .map(|line| format!("{} {}", line.letters, line.path))
            .collect();
        tally.hold(
            "flag_and_urls",
            dirty.is_empty(),
            if dirty.is_empty() { "svn status clean".to_owned() } else { shorten(&dirty) },
        );
    }
    Ok(())
}

/// Nobody has started the server since it went live: whose start it is decides environment, umask and stack.
fn started_once(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let from = s.need_fact(s.spec().id, "logs")?["error_log"][0].as_u64().unwrap_or(0);
    let window = ops.log_since(&format!("{}/error_log", ops.paths().logs), from, 16 << 20)?;
    let starts = Review::of(LogFile::Errors, &review::text(&window.bytes)).starts().len();
    tally.hold("public", starts == 0, format!("{starts} starts of the server since it went live"));
    Ok(())
}

/// The proxy serves this very server, also a big answer; every certificate verified on the way.
fn proxy(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let lag = Duration::from_secs(s.plan().thresholds.proxy_lag_s);
    let direct = ops.rpc(Door::Direct)?;
    let seen = s.wait("the proxy to serve the server", lag, Duration::from_secs(10), || {
        Ok(match ops.rpc(Door::Proxy)?.server_info() {
            Ok(info) => Poll::Ready(info),
            Err(error) => Poll::NotYet(error.to_string()),
        })
    });
    let here = direct.server_info()?;
    match seen {
        Err(error) => tally.fault("proxy_serves", error.text().to_owned()),
        Ok(info) => {
            let same =
                info.operational == here.operational && info.revision == here.revision && info.svn_url == here.svn_url;
            tally.hold("proxy_serves", same, format!("{} r{} through the proxy", info.svn_url, info.revision));
            let observatory = ops.observatory().to_string();
            let fields: [&str; 2] = ["sha1sum", "size"];
            let whole = direct.file_info_map(&observatory, None, Some(&fields))?;
            match ops.rpc(Door::Proxy)?.file_info_map(&observatory, None, Some(&fields)) {
                Ok(map) => tally.hold("proxy_serves", map == whole, format!("the whole file map, {} files", map.len())),
                Err(error) => tally.fault("proxy_serves", error.to_string()),
            }
            tally.proof("certificates", "direct and proxy verified".to_owned());
        }
    }
    if tally.has_fault("proxy_serves") {
        tally.fault("certificates", "the proxy could not be asked");
    }
    Ok(())
}

fn cron(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let (now, wanted) = (ops.crontab()?, ops.release_crontab()?);
    tally.hold(
        "cron_is_the_releases",
        now == wanted,
        format!("{} lines, the release's file has {}", now.lines().count(), wanted.lines().count()),
    );
    // Every line of the table begins by sourcing one; others are read by each shell and each install of the account.
    let home = Scope::nothing().with_files(&["home"]);
    if let Some(before) = state::kept_of(s, "s010_ops", &["files:home"])? {
        let known = |name: &str| before.surfaces.get("files:home").is_some_and(|entries| entries.contains_key(name));
        let own = |name: &str| LIVING.iter().any(|living| name.starts_with(living));
        let may = |delta: &Delta| {
            let read = delta.key == "cronenv.csh" || (delta.key.starts_with('.') && !known(&delta.key));
            !read || own(&delta.key) || delta.field == "mtime"
        };
        for line in state::lines(&state::changed(ops, &home, &before, may)?) {
            tally.fault("cron_is_the_releases", format!("since preflight: {line}"));
        }
    }
    let queue = ops.at_queue()?;
    tally.hold("cron_is_the_releases", queue.is_empty(), format!("{} jobs queued with at", queue.len()));
    Ok(())
}

/// The line of a job's log that says that it did nothing because another one held its lock.
fn locked_out(ops: &Server, path: &str) -> Result<Option<String>, StepError> {
    let text = crds_upgrade::review::text(&ops.remote().read_tail(path, 64 << 10)?);
    Ok(text.lines().find(|line| line.contains("failed to obtain")).map(|line| line.trim().to_owned()))
}

/// Each frequent job must write its log anew within its period.
fn watchers(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let live = s.need_fact(s.spec().id, "live_at")?.as_f64().unwrap_or(0.0);
    for (name, period) in WATCHERS {
        let path = format!("{}/{name}", ops.paths().cron_logs);
        let limit = Duration::from_secs(2 * period + 60);
        let fresh = s.wait(&format!("{name} to be written"), limit, Duration::from_secs(60), || {
            Ok(match ops.remote().stat(&path)? {
                Some(entry) if entry.mtime >= live => match locked_out(ops, &path)? {
                    // One run may find another's lock; every run in a row means that nobody holds it who will let go.
                    Some(line) => Poll::NotYet(format!("written at {:.0}: {line}", entry.mtime)),
                    None => Poll::Ready(entry.mtime),
                },
                Some(entry) => Poll::NotYet(format!("last written at {:.0}", entry.mtime)),
                None => Poll::NotYet("not there".to_owned()),
            })
        });
        match fresh {
            Ok(at) => {
                let text = crds_upgrade::review::text(&ops.remote().read_tail(&path, 256 << 10)?);
                tally.evidence("watchers_fresh", &s.evidence(name, text.as_bytes())?);
                let bad = crds_upgrade::review::error_words(&text);
                tally.hold(
                    "watchers_fresh",
                    bad.is_empty(),
                    if bad.is_empty() {
                        format!("{name} written at {at:.0}")
                    } else {
                        format!("{name}: {}", shorten(&bad))
                    },
                );
            }
            Err(error) => tally.fault("watchers_fresh", error.text().to_owned()),
        }
    }
    let known = ops.old_context()?.unwrap_or_default();
    let operational = ops.context_in_database("operational")?;
    tally.hold("watchers_fresh", known == operational, format!("the monitor knows `{known}`"));
    // A reading of the clock that proves that time passed on the host and not only here.
    ops.remote().must_look(&["date"], Limit::QUICK)?;
    Ok(())
}

fn no_mail(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let before = s.need_fact(s.spec().id, "mails")?.as_u64().unwrap_or(0);
    let Some(mails) = mail::all(s, ops)? else {
        tally.fault("no_reprocessing_mail", "the site names no mailbox to look into");
        return Ok(());
    };
    let new = mails.iter().skip(usize::try_from(before).unwrap_or(0));
    let lists: Vec<String> =
        new.filter(|mail| mail.subject.contains("datasets affected")).map(|mail| mail.subject.clone()).collect();
    tally.hold(
        "no_reprocessing_mail",
        lists.is_empty(),
        if lists.is_empty() { format!("{} mails looked through", mails.len()) } else { shorten(&lists) },
    );
    Ok(())
}

/// States of all files as before the server was hidden (s010) but for those that the archive finished meanwhile.
fn states(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let before = s.need_fact(s.spec().id, "states")?;
    let now = json!(ops.states()?);
    tally.hold("states_untouched", before == now, format!("{now}"));
    made_as_before(s, ops, "states_untouched", tally)?;
    // Whose group a delivered file gets, and who may bring one, lies in the modes of the directories (SO 3.3).
    let surface = "files:server_files";
    let roots = [("files:monitor", &ops.paths().monitor), ("files:db_backups", &ops.paths().db_backups)];
    let Some(known) = state::kept_of(s, "s010_ops", &[surface, roots[0].0, roots[1].0])? else { return Ok(()) };
    for (surface, path) in roots {
        let was = known.surfaces.get(surface).and_then(|entries| entries.get(".")?.get("mode")?.as_str());
        let is = ops.remote().stat(path)?.map(|entry| format!("{:04o}", entry.mode));
        if let Some(was) = was.filter(|was| is.as_deref() != Some(*was)) {
            tally.fault("states_untouched", format!("{path} has mode {is:?}, at preflight {was}"));
        }
    }
    let now = capture(ops, &Scope::nothing().with_files(&["server_files"]))?;
    for (name, was) in known.surfaces.get(surface).into_iter().flatten() {
        let is = now.surfaces.get(surface).and_then(|entries| entries.get(name));
        let value = |field: &str| is.and_then(|is| is.get(field)).map_or("none".to_owned(), ToString::to_string);
        for field in ["kind", "mode", "owner", "group"] {
            if let Some(was) = was.get(field).filter(|was| is.and_then(|is| is.get(field)) != Some(was)) {
                let text = format!("{name} has {field} {}, at preflight {was}", value(field));
                tally.fault("states_untouched", text);
            }
        }
    }
    Ok(())
}
