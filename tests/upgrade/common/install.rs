//! Installing on the backup port and running the server's own tests there: what s330 and s360 share.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

use crds_upgrade::crds::wire::WireError;
use crds_upgrade::crds::{Door, Flag, PortState, Process, Server};
use crds_upgrade::host::{EntryKind, Limit};
use crds_upgrade::plan::{Change, Role};
use crds_upgrade::review::{self, Accepted, Baseline, Outcome, TestRun, compare, error_words};
use crds_upgrade::run::{Found, Poll, Step, StepError};
use crds_upgrade::state::{Delta, Scope, State};
use crds_upgrade::steps::S330_REINSTALL_HIDDEN;
use serde_json::json;

use super::before::first;
use super::installed_files::{installed_equals_checkout, modules, nothing_added};
use super::outcome::literal_context;
use super::state;
use super::tally::{Advice, Tally, shorten};

/// Hides the server: `set_backup_url True` from a clean login stops, installs and starts it (SO 5). Then runs the tests.
pub fn hide_and_test(s: &Step, ops: &Server, tally: &mut Tally) -> Result<f64, StepError> {
    let began = match s.fact_of(s.spec().id, "began").and_then(|began| began.as_f64()) {
        Some(began) => began,
        None => {
            let now = ops.now()?;
            s.fact("began", now)?;
            now
        }
    };
    let limits = s.plan().thresholds.clone();
    if s.spec().id == S330_REINSTALL_HIDDEN.id {
        // What the wipe took away is there again only if somebody installed: with what, nobody knows.
        let package = format!("{}/crds", ops.paths().installed);
        let there = first(s, "installed_before", || Ok(json!(!ops.remote().there(&[&package])?.is_empty())))?;
        if there == json!(true) {
            tally.fault("files_new", format!("{package} was there before this step installed"));
        }
    }
    let look = || {
        let (direct, hidden) = ops.ports()?;
        let fresh = fresh_parent(ops, began)?;
        Ok(match (direct, hidden, fresh) {
            (PortState::Refused, PortState::Open, true) => Found::Done,
            (_, _, false) => Found::NotDone,
            (direct, hidden, _) => Found::Half(format!("a new server runs; 8001 {direct:?}, 8002 {hidden:?}")),
        })
    };
    if !s.again() {
        let acted = s.act("hide", Role::Ops, Change::Server, look, |permit| {
            ops.hide(permit, Duration::from_secs(limits.start_s + 3600))?;
            wait_for_port(s, ops, Door::Hidden, limits.start_s)
        });
        if let Err(error) = acted {
            not_started(s, ops, began, &error, tally);
            return tally.or_faults(s, Role::Ops, advice, Err(error));
        }
        let before = OnceLock::new();
        let looked = tally.parts(&[
            &|t| {
                let looked = installed(s, ops, began, t);
                t.tried("install_log", looked);
                Ok(())
            },
            &|t| hidden(s, ops, limits.proxy_lag_s, "hidden", t),
            &|_| {
                let name = format!("{}_before_tests", &s.spec().id[..4]);
                before.get_or_init(|| state::keep(s, ops, &tested(), &name));
                Ok(())
            },
        ]);
        tally.or_faults(s, Role::Ops, advice, looked)?;
        let before = before.into_inner().unwrap_or_else(|| Err(StepError::unknown("no state was taken", "run again")));
        let tested = before.and_then(|before| tests(s, ops, began, &before, tally));
        tally.or_faults(s, Role::Ops, advice, tested)?;
    }
    Ok(began)
}

/// What can be said of a server that did not come up hidden: what the install wrote, and what listens.
fn not_started(s: &Step, ops: &Server, began: f64, error: &StepError, tally: &mut Tally) {
    let check = if s.spec().check("answers").is_some() { "answers" } else { "hidden" };
    tally.fault(check, error.text().to_owned());
    // Each look by itself: one that cannot be made says nothing about the others.
    let log = install_log(s, ops, began, tally);
    tally.tried("install_log", log);
    let modules = installed_equals_checkout(ops, tally);
    tally.tried("installed_equals_checkout", modules);
    match ops.httpd_parents() {
        Ok(parents) if parents.len() == 1 => tally.proof("one_server", "one server parent"),
        Ok(parents) => tally.fault("one_server", format!("{} server parents", parents.len())),
        Err(error) => tally.tried("one_server", Err(error.into())),
    }
}

/// Whether the one server parent is younger than `began`.
fn fresh_parent(ops: &Server, began: f64) -> Result<bool, StepError> {
    let now = ops.now()?;
    let parents = ops.httpd_parents()?;
    Ok(matches!(parents.as_slice(), [one] if started(one, now) >= began.floor()))
}

/// When a process was started, on the host's clock.
fn started(process: &Process, now: f64) -> f64 {
    now - process.elapsed_s as f64
}

/// Waits until a port accepts and answers.
pub fn wait_for_port(s: &Step, ops: &Server, door: Door, limit_s: u64) -> Result<(), StepError> {
    let what = format!("the server to answer on its {}", door.word());
    let mut silent = 0;
    s.wait(&what, Duration::from_secs(limit_s), Duration::from_secs(5), || {
        let asked = ops.rpc(door).map_err(StepError::from)?.within(Duration::from_secs(20)).server_info();
        Ok(match asked {
            Ok(_) => Poll::Ready(()),
            // One that takes connections and says nothing will not begin to: its interpreter hangs (B052).
            Err(WireError::TimedOut { .. }) if silent + 1 == SILENT => {
                return Err(StepError::failed(
                    format!(
                        "the server accepts connections on its {} and does not answer: {SILENT} times",
                        door.word()
                    ),
                    "look at the error log and at what the server process waits for; go back to the old stack",
                ));
            }
            Err(error) => {
                silent = if matches!(error, WireError::TimedOut { .. }) { silent + 1 } else { 0 };
                Poll::NotYet(error.to_string())
            }
        })
    })
}

/// How often in a row a server may leave a question unanswered.
const SILENT: u32 = 3;

/// What the install wrote.
fn install_log(s: &Step, ops: &Server, began: f64, tally: &mut Tally) -> Result<(), StepError> {
    let log = ops.install_log()?;
    let text = review::text(&log);
    tally.evidence("install_log", &s.evidence("install log", &log)?);
    let written = ops.remote().stat(&ops.install_log_path())?.map_or(0.0, |entry| entry.mtime);
    tally.hold(
        "install_log",
        written >= began.floor(),
        format!("written at {written:.0}, the step began at {began:.0}"),
    );
    for mark in ["Done syncing db", "static file", "Installed in:", "URL is"] {
        tally.hold("install_log", text.contains(mark), format!("`{mark}`"));
    }
    for bad in error_words(&text) {
        tally.fault("install_log", bad);
    }
    // Two digits, one for each half of the client's install; anything but zeros is a failure nobody looks at (SO 3.5).
    let status = text.lines().rev().find(|line| line.contains("final status"));
    let good = status.is_some_and(|line| line.trim_end().ends_with("final status 00"));
    tally.hold("install_log", good, format!("client package: {}", status.unwrap_or("no final status")));
    Ok(())
}

/// Install log, installed files, stamps, processes.
fn installed(s: &Step, ops: &Server, began: f64, tally: &mut Tally) -> Result<(), StepError> {
    tally.parts(&[
        &|t| installed_equals_checkout(ops, t),
        &|t| install_log(s, ops, began, t),
        &|t| nothing_added(s, ops, t),
        &|t| ages(s, ops, began, t),
        &|t| {
            let faults = super::machines::scripts(ops)?.into_iter().chain(super::generated::faults(ops)?);
            faults.for_each(|fault| t.fault("installed_equals_checkout", fault));
            Ok(())
        },
    ])
}

/// Files and server are of this install, the server younger than its files.
fn ages(s: &Step, ops: &Server, began: f64, tally: &mut Tally) -> Result<(), StepError> {
    let seen = ops.installed()?;
    if s.spec().check("files_new").is_some() {
        tally.hold(
            "files_new",
            seen.oldest >= began.floor(),
            format!("{} files, the oldest of {:.0}, the step began at {began:.0}", seen.files, seen.oldest),
        );
    }
    let now = ops.now()?;
    // What is dated ahead looks newer than every server that will run it.
    #[expect(clippy::cast_possible_truncation, reason = "seconds of a date")]
    let ahead = format!("@{}", now as i64 + 3600);
    let paths = ops.paths();
    let argv = ["find", &paths.client_sources, &paths.server_sources, "-name", ".svn", "-prune", "-o", "-type", "f"];
    let argv = [&argv[..], &["-newermt", &ahead, "-print"]].concat();
    for file in ops.remote().must_look(&argv, Limit::WALK)?.text().lines().take(3) {
        tally.fault("one_server", format!("{file} is dated more than an hour ahead of the host's clock"));
    }
    let parents = ops.httpd_parents()?;
    match parents.as_slice() {
        [one] => {
            let age = started(one, now);
            tally.hold(
                "one_server",
                age + 1.0 >= seen.newest,
                format!("process {} started at {age:.0}, newest file of {:.0}", one.pid, seen.newest),
            );
        }
        many => tally.fault("one_server", format!("{} server parents", many.len())),
    }
    let memcached = ops.memcached()?.len();
    tally.hold("one_server", memcached == 1, format!("{memcached} memcached"));
    Ok(())
}

/// Hidden means: 8002 answers and hands out 8002 URLs, 8001 refuses, the flag says so, the proxy shows its outage.
pub fn hidden(s: &Step, ops: &Server, lag_s: u64, check: &'static str, tally: &mut Tally) -> Result<(), StepError> {
    let (direct, hidden) = ops.ports()?;
    tally.hold(check, direct == PortState::Refused, format!("8001 is {direct:?}"));
    tally.hold(check, hidden == PortState::Open, format!("8002 is {hidden:?}"));
    let (flag, copy) = (ops.flag()?, ops.installed_flag()?);
    tally.hold(check, flag == Flag::True && copy == Flag::True, format!("flag {flag:?}, installed copy {copy:?}"));
    let ports = ops.configured_ports()?;
    tally.hold(check, ports == [8002], format!("configured ports {ports:?}"));
    if hidden == PortState::Open {
        let info = ops.rpc(Door::Hidden)?.server_info()?;
        let base = ops.url(Door::Hidden)?;
        tally.hold(check, info.reference_url.starts_with(&base), format!("advertises {}", info.reference_url));
    }
    let cron = ops.crontab()?;
    tally.hold(check, cron.trim().is_empty(), format!("cron table of {} lines", cron.lines().count()));
    let outage = s.wait("the proxy to show its outage", Duration::from_secs(lag_s), Duration::from_secs(10), || {
        let answer = ops.http()?.send(&crds_upgrade::crds::wire::Ask::get(&format!("{}/", ops.url(Door::Proxy)?)));
        Ok(match answer {
            Ok(answer) if answer.status >= 500 => Poll::Ready(answer.status),
            Ok(answer) => Poll::NotYet(format!("status {}", answer.status)),
            Err(error) => Poll::NotYet(error.to_string()),
        })
    });
    match outage {
        Ok(status) => tally.proof(check, format!("the proxy answers {status}")),
        Err(error) => tally.fault(check, error.text().to_owned()),
    }
    Ok(())
}

/// What the tests must leave as it was.
fn tested() -> Scope {
    Scope::data().with_files(&["published_config"])
}

/// Runs the tests where the server is, and judges log, data and hiding afterwards.
fn tests(s: &Step, ops: &Server, began: f64, before: &State, tally: &mut Tally) -> Result<(), StepError> {
    let limits = &s.plan().thresholds;
    let contexts = contexts_now(ops)?;
    let path = ops.tests_log_path();
    let start = match s.fact_of(s.spec().id, "tests_began").and_then(|at| at.as_f64()) {
        Some(at) => at,
        None => {
            let at = ops.now()?;
            let log = ops.remote().stat(&access_log(ops))?.map_or(0, |entry| entry.size);
            s.fact("access_from", log)?;
            s.fact("tests_began", at)?;
            at
        }
    };
    let look = || {
        let written = ops.remote().stat(&path)?.map_or(0.0, |entry| entry.mtime);
        if written < start.floor() {
            return Ok(Found::NotDone);
        }
        let run = TestRun::parse(&review::text(&ops.remote().read_file(&path, 64 << 20)?));
        let processes = ops.processes()?;
        let runs = processes
            .iter()
            .any(|process| process.args.contains("manage.py test") || process.args.contains("runtests"));
        Ok(if runs {
            Found::Half("the tests are still running".to_owned())
        } else if run.tests.is_empty() {
            Found::NotDone
        } else {
            Found::Done
        })
    };
    let acted = s.act("run_tests", Role::Ops, Change::Tests, look, |permit| {
        Ok(ops.run_tests(permit, Duration::from_secs(limits.tests_s)).map(drop)?)
    });
    let still_hidden = |t: &mut Tally| hidden(s, ops, limits.proxy_lag_s, "still_hidden", t);
    if let Err(error) = acted {
        still_hidden(tally)?;
        tally.fault("tests_ran_now", error.text().to_owned());
        return Err(error);
    }
    tally.parts(&[
        // First of all: tests that unhide the server harm users until somebody looks.
        &still_hidden,
        &|t| untouched(ops, before, t),
        // What was tested is what was installed: a test that was emptied passes.
        &|t| modules(ops, t),
        &|t| test_log(s, ops, began, &path, t),
        &|t| {
            match contexts_now(ops) {
                Ok(after) => t.hold("contexts_untouched", contexts == after && agree(&after), format!("{after:?}")),
                Err(error) => t.tried("contexts_untouched", Err(error)),
            }
            Ok(())
        },
    ])
}

fn test_log(s: &Step, ops: &Server, began: f64, path: &str, tally: &mut Tally) -> Result<(), StepError> {
    let log = ops.remote().read_file(path, 64 << 20)?;
    let kept = s.evidence("log of the tests", &log)?;
    for check in ["tests_ran_now", "tests_whole", "no_new_failure", "no_test_vanished"] {
        tally.evidence(check, &kept);
    }
    let text = review::text(&log);
    // Its first words are which observatory is tested (SO 14.1): with another one the database is another, too.
    let tested: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("testing ")).map(str::trim).collect();
    let own = ops.observatory().to_string();
    tally.hold("tests_whole", tested == [own.as_str()], format!("the log says that it tests {}", tested.join(" ")));
    judge_tests(s, ops, &text, began, path, tally)
}

/// What the tests leave where nobody looks: sessions that let their owner in for ever, and a place of their own that is none.
fn leftovers(ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    for fault in super::sessions::endless(ops)? {
        tally.fault("data_untouched", fault);
    }
    let scratch = format!("{}/test", ops.paths().crds);
    if let Some(entry) = ops.remote().stat(&scratch)?.filter(|entry| entry.kind == EntryKind::Link) {
        let text = format!("the tests' own place {scratch} is a link to {}: the next tests empty that", entry.target);
        tally.fault("data_untouched", text);
    }
    Ok(())
}

fn untouched(ops: &Server, before: &State, tally: &mut Tally) -> Result<(), StepError> {
    leftovers(ops, tally)?;
    let may = |delta: &Delta| {
        // The tests' own database and scratch caches come and go; sessions are volatile already.
        delta.surface == "rpc"
    };
    let found = state::lines(&state::changed(ops, &tested(), before, may)?);
    tally.hold(
        "data_untouched",
        found.is_empty(),
        if found.is_empty() {
            "cache, deliveries, catalogues and database as before the tests".to_owned()
        } else {
            shorten(&found)
        },
    );
    Ok(())
}

fn judge_tests(s: &Step, ops: &Server, text: &str, began: f64, path: &str, tally: &mut Tally) -> Result<(), StepError> {
    let run = TestRun::parse(text);
    let written = ops.remote().stat(path)?.map_or(0.0, |entry| entry.mtime);
    tally.hold(
        "tests_ran_now",
        written >= began.floor(),
        format!("log written at {written:.0}, the step began at {began:.0}"),
    );
    let database = run.judge_database(&format!("test_{}", ops.expected().database));
    tally.hold("tests_ran_now", database.outcome == Outcome::Passed, format!("test database {}", database.observed));
    let from = s.fact_of(s.spec().id, "access_from").and_then(|from| from.as_u64()).unwrap_or(0);
    let traffic = test_traffic(ops, from)?;
    tally.hold("tests_ran_now", traffic > 0, format!("{traffic} calls of the tests in the log of the hidden server"));
    let whole = run.judge_whole();
    tally.hold("tests_whole", whole.outcome == Outcome::Passed, whole.observed);
    let baseline = baseline(s, Role::Ops)?;
    let accepted = accepted(s);
    let today =
        jiff::Timestamp::from_second(ops.now()? as i64)?.to_zoned(jiff::tz::TimeZone::get(&s.site().time_zone)?);
    let seen = compare(&run, &baseline, &accepted, &today.date().to_string(), 4.0);
    tally.hold("no_new_failure", seen.failures.outcome == Outcome::Passed, seen.failures.observed);
    if baseline.names.is_empty() {
        let least = s.plan().tests.get(&Role::Ops).map_or(0, |tests| tests.at_least);
        tally.hold(
            "no_test_vanished",
            run.tests.len() as u64 >= least,
            format!("{} tests, at least {least}", run.tests.len()),
        );
        s.not_checked("names of the tests on OPS", "the plan names no baseline of test names")?;
    } else {
        tally.hold("no_test_vanished", seen.names.outcome == Outcome::Passed, seen.names.observed);
    }
    tally.hold("no_test_vanished", seen.skips.outcome == Outcome::Passed, seen.skips.observed);
    Ok(())
}

fn access_log(ops: &Server) -> String {
    format!("{}/ssl_access_log", ops.paths().logs)
}

/// Requests in the server's own log since it was `from` bytes long that are not this suite's: the tests talk to the
/// server whose URL they were given (B046), and this suite names itself in its own.
fn test_traffic(ops: &Server, from: u64) -> Result<usize, StepError> {
    let path = access_log(ops);
    let Some(entry) = ops.remote().stat(&path)? else { return Ok(0) };
    let from = if from <= entry.size { from } else { 0 };
    let text = review::text(&ops.log_since(&path, from, 64 << 20)?.bytes);
    Ok(text.lines().filter(|line| line.contains("POST /json/") && !line.contains("/crds-upgrade-")).count())
}

/// The baseline of the plan.
pub fn baseline(s: &Step, role: Role) -> Result<Baseline, StepError> {
    let Some(tests) = s.plan().tests.get(&role) else { return Ok(Baseline::default()) };
    let names: BTreeSet<String> = tests.names.iter().cloned().collect();
    let seconds = tests.longest_s.map(|longest| longest as f64);
    Ok(Baseline { names, skipped: tests.skipped.iter().cloned().collect(), seconds })
}

/// Test failures that the plan's waivers name.
pub fn accepted(s: &Step) -> Vec<Accepted> {
    let about = s.plan().waivers.iter().filter(|waiver| waiver.check.contains("no_new_failure"));
    about
        .map(|waiver| Accepted {
            test: waiver.what.clone(),
            owner: waiver.owner.clone(),
            until: waiver.until.to_string(),
        })
        .collect()
}

/// The operational context in database, RPC, page and cache configuration of the hidden server.
fn contexts_now(ops: &Server) -> Result<Vec<String>, StepError> {
    let info = ops.rpc(Door::Hidden)?.server_info()?;
    Ok(vec![
        ops.context_in_database("operational")?,
        info.operational,
        ops.rpc(Door::Hidden)?.default_context(&ops.observatory().to_string())?,
        literal_context(ops)?,
    ])
}

fn agree(contexts: &[String]) -> bool {
    contexts.windows(2).all(|pair| pair[0] == pair[1])
}

/// Judges the checks that both installing steps have.
pub fn judge(s: &Step, tally: &Tally, names: &[&'static str]) -> Result<(), StepError> {
    for name in names {
        tally.judge(s, name, Role::Ops, advice(name))?;
    }
    Ok(())
}

fn advice(check: &str) -> Advice {
    match check {
        "install_log" => Advice {
            cause: "install goes on past every failure and ends 0 (SO 7)",
            next: "read the log; mend the cause; run again from a clean login",
        },
        "installed_equals_checkout" => Advice {
            cause: "a setup failed half way, or modules of the old release were left over",
            next: "wipe python/, then install again",
        },
        "files_new" => Advice {
            cause: "the wipe left files, or install did not touch them",
            next: "wipe python/, then install again",
        },
        "one_server" => Advice {
            cause: "an old parent was not dead when the new one started: the pid file names only one",
            next: "kill the older parent by its pid; then set_backup_url True again",
        },
        "hidden" | "still_hidden" => Advice {
            cause: "the port flag did not take, or something made the server operational again",
            next: "read the flag, the Listen line and both ports; stop the server before users reach it",
        },
        "configured_for_itself" => Advice {
            cause: "the configuration of another host or use case was installed",
            next: "compare site_config.py and crds_database.py with the branch",
        },
        "tests_ran_now" => Advice {
            cause: "the tests did not start, or ran against another server; an old log lies there",
            next: "run `./runtests live` by hand from a clean login and read the console",
        },
        "tests_whole" => Advice {
            cause: "the run was killed, its database was in the way, or the disk is full",
            next: "read the end of the log; drop a leftover test database; run again",
        },
        "no_new_failure" => Advice {
            cause: "the new release or stack breaks it",
            next: "read the traceback; a failure that is acceptable needs a waiver with owner and expiry",
        },
        "no_test_vanished" => Advice {
            cause: "tests were removed or disabled on the branch, or a class could not be imported",
            next: "compare the names with the baseline; renew the baseline only on purpose",
        },
        "data_untouched" => Advice {
            cause: "the tests wrote into the real cache or database (A001)",
            next: "restore what changed from the archives of steps 150 and 260",
        },
        "contexts_untouched" => Advice {
            cause: "the tests left their values in memcached or in the cache's configuration (A016, A017)",
            next: "restart memcached, run cron_sync, look again",
        },
        "stack_in_use" => Advice {
            cause: "only part of the environment was switched (SO 4.2)",
            next: "install again from a clean login",
        },
        "one_stack_in_environment" => Advice {
            cause: "the install ran in a shell that had sourced the old environment (SO 4.1)",
            next: "log out and in, then install again",
        },
        "environment" => Advice {
            cause: "the install ran in a shell that had sourced env.csh",
            next: "log out and in, then install again",
        },
        _ => Advice {
            cause: "the server accepts connections but does not answer: the stack's mod_wsgi hangs (B052)",
            next: "look at the error log; go back to the old stack",
        },
    }
}
