//! Step 240: mirror OPS down to TEST.
//!
//! Procedure: "Mirror OPS down to TEST."
//! Method: cron of TEST is saved and off; OPS comes up hidden as the source (a mirror needs a live one, SO 12); TEST is
//! mirrored; OPS is stopped, its port flag put back and installed without a start; TEST's cron is put back byte for byte.
//! Way back: restore TEST from the set of s210.

use std::time::Duration;

use crds_upgrade::crds::{Door, Flag, OPERATIONAL_PORT, PortState, Server};
use crds_upgrade::plan::{Change, Role};
use crds_upgrade::run::{Found, Poll, Step, StepError, StepResult};
use crds_upgrade::state::{Delta, Scope, State};
use crds_upgrade::steps::S240_MIRROR_OPS_TO_TEST;
use serde_json::Value;

use crate::common::before::{first, texts};
use crate::common::copies;
use crate::common::known_state;
use crate::common::mirror::{Mirror, mails, published, tables_of};
use crate::common::state::{changed, is_kept, keep, lines, remember_error_log};
use crate::common::tally::{Advice, Tally};

/// What an install or a port switch writes anew in a checkout (SO 3.5).
const GENERATED: [&str; 14] = [
    "env.csh",
    "env.sh",
    "run",
    "stop",
    "install.",
    "sources/build",
    "sources/site_config.py",
    "sources/crds_database.py",
    "sources/svn_version.py",
    "save_version",
    "install.log",
    "crds/svn_version.py",
    "build",
    "sources/configs/config.",
];

#[test]
fn s240_mirror_ops_to_test() -> StepResult {
    known_state::step(&S240_MIRROR_OPS_TO_TEST, |s| {
        let (ops, test) = (s.hosts().server(Role::Ops)?, s.hosts().server(Role::Test)?);
        let mut t = Tally::default();
        let planned = s.plan().mirrors.iter().any(|mirror| (mirror.from, mirror.to) == (Role::Ops, Role::Test));
        if !planned {
            return nothing(s, &test);
        }
        let mirror = Mirror { s, source: &ops, dest: &test, door: Door::Hidden };
        let scope = Scope::all().without_files(&["stacks"]);
        let kept_before = is_kept(s, "s240_before_ops");
        let (before, sent, grp) = std::thread::scope(|threads| {
            let grp = threads.spawn(|| first(s, "published", || published(&ops)));
            let sent = first(s, "mails", || mails(s, &test, &["plhst", "tlhst", ops.name(), test.name()]));
            let before = keep(s, &ops, &scope, "s240_before_ops");
            (before, sent, grp.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        let (before, sent, grp) = (before?, sent?, grp?);
        if !s.again() && s.fact_of(s.spec().id, "mirrored").is_none() && !mirror.past("inputs") {
            // OPS was operational until s140: anything but False is somebody's doing (B040, B047).
            let flag = ops.flag()?;
            t.hold("port_flag_known", flag == Flag::False, format!("BACKUP_URL_SCHEME is {flag:?}"));
            // A state that an earlier attempt kept is not how OPS is now.
            mirror.served(&mut t, "test_operational")?;
            mirror.inputs((!kept_before).then(|| tables_of(&before)), &mut t)?;
            for check in ["inputs_whole", "inputs_equal_source", "port_flag_known"] {
                if t.has_fault(check) {
                    t.judge(s, check, Role::Ops, advice(check))?;
                    return Err(StepError::failed(
                        format!("s240.{check} does not hold: nothing was overwritten"),
                        advice(check).next,
                    ));
                }
            }
            t.remember(s, "inputs")?;
            s.fact("inputs", true)?;
        } else if !s.again() && !mirror.past("mirrored") {
            t.recall(s, "inputs")?;
        }
        let looked = mirrored(s, &mirror, &sent, &grp, (&scope, &before), &mut t);
        t.or_faults(s, "test", advice, looked)?;
        for check in s.spec().own_checks() {
            let id = check.id.split_once('.').map_or(check.id, |(_, id)| id);
            let once = [
                "inputs_whole",
                "inputs_equal_source",
                "port_flag_known",
                "ops_unchanged",
                "database_equal",
                "rules_equal",
                "catalogs_equal",
                "deliveries_equal",
                "orphans_not_worse",
                "counters_ahead",
                "test_is_itself",
                "test_operational",
                "no_mail",
                "public_cache_untouched",
            ];
            if s.again() && once.contains(&id) {
                continue;
            }
            t.judge(s, id, if id.starts_with("ops") { "ops" } else { "test" }, advice(id))?;
        }
        Ok(())
    })
}

/// The mirror, from cron off to cron back, and what must hold afterwards.
fn mirrored(
    s: &Step,
    mirror: &Mirror<'_>,
    sent: &Value,
    grp: &Value,
    (scope, before): (&Scope, &State),
    t: &mut Tally,
) -> Result<(), StepError> {
    let (ops, test) = (mirror.source, mirror.dest);
    let own = first(s, "own", || mirror.own())?;
    let table = mirror.cron_off()?;
    if !s.again() {
        mirror.saved(&table, t, "test_cron_back")?;
    }
    bring_up(s, ops, mirror)?;
    let log = mirror.run()?;
    mirror.words(&log, t);
    let mut compared = None;
    if !mirror.past("mirrored") {
        compared = Some(mirror.equal(t)?);
        mirror.itself(t, "test_is_itself", "test_operational")?;
        mirror.still_own(&own, t, "test_is_itself")?;
        mirror.users(t, "test_operational")?;
        s.fact("mirrored_at", ops.now()?)?;
        t.remember(s, "mirrored")?;
        s.fact("mirrored", true)?;
    } else if !s.again() {
        // Tables and files were compared while cron was off; what was found then is what counts.
        t.recall(s, "mirrored")?;
    }
    if let Err(error) = put_away(s, ops).and_then(|()| mirror.cron_back(&table)) {
        // What is left is told by the checks, before what the act itself says.
        cron_of_test(test, &table, t)?;
        away(ops, t)?;
        return Err(error);
    }

    if s.fact_of(s.spec().id, "error_log").is_none() {
        remember_error_log(s, ops)?;
    }
    copies::remember(s, test, compared)?;
    cron_of_test(test, &table, t)?;
    let new: Vec<String> = texts(&mails(s, test, &["plhst", "tlhst", ops.name(), test.name()])?)
        .into_iter()
        .filter(|mail| !texts(sent).contains(mail))
        .collect();
    t.hold(
        "no_mail",
        new.is_empty(),
        if new.is_empty() { "none".to_owned() } else { format!("sent: {}", new.join("; ")) },
    );
    away(ops, t)?;
    let (now, differs) = std::thread::scope(|threads| {
        let now = threads.spawn(|| published(ops));
        let differs = if s.again() { Ok(Vec::new()) } else { since(ops, scope, before) };
        (now.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), differs)
    });
    t.hold("public_cache_untouched", now? == *grp, "the published cache is as before");
    let differs = differs?;
    if !s.again() {
        for line in lines(&differs) {
            t.fault("ops_unchanged", line);
        }
        t.proof("ops_unchanged", "only generated files were written");
    }
    Ok(())
}

/// What differs on OPS, but for what an install or a port switch writes anew.
fn since(ops: &Server, scope: &Scope, before: &State) -> Result<Vec<Delta>, StepError> {
    changed(ops, scope, before, |delta| {
        let area = delta.surface.strip_prefix("files:").unwrap_or_default();
        match area {
            "installed" | "static" | "conf" | "wsgi" | "lib" => {
                delta.field == "mtime"
                    || delta.field == "sha256"
                    || delta.key.ends_with(".pyc")
                    || delta.field == "size"
                    || delta.key.contains("svn_version")
                    || area == "lib"
            }
            "server_sources" | "client_sources" => GENERATED.iter().any(|name| delta.key.starts_with(name)),
            "config" => true,
            _ => delta.surface == "processes",
        }
    })
}

/// OPS on the backup port, as the source.
fn bring_up(s: &Step, ops: &Server, mirror: &Mirror<'_>) -> Result<(), StepError> {
    let up = (PortState::Refused, PortState::Open);
    s.act(
        "ops_up_hidden",
        Role::Ops,
        Change::Server,
        || Ok(if mirror.past("mirrored") || ops.ports()? == up { Found::Done } else { Found::NotDone }),
        |permit| {
            ops.hide(permit, Duration::from_secs(1800))?;
            let limit = Duration::from_secs(s.plan().thresholds.start_s);
            s.wait("OPS to answer on the backup port", limit, Duration::from_secs(2), || {
                let ports = ops.ports()?;
                Ok(if ports == up { Poll::Ready(()) } else { Poll::NotYet(format!("{ports:?}")) })
            })
        },
    )
}

/// OPS off again, its flag as the branch has it, the installed copies as the flag.
fn put_away(s: &Step, ops: &Server) -> Result<(), StepError> {
    let off = (PortState::Refused, PortState::Refused);
    s.act(
        "ops_down_again",
        Role::Ops,
        Change::Server,
        || {
            let left = ops.httpd_parents()?.len() + ops.memcached()?.len();
            Ok(if left == 0 && ops.ports()? == off { Found::Done } else { Found::NotDone })
        },
        |permit| {
            ops.stop(permit)?;
            s.wait("OPS to end", Duration::from_secs(120), Duration::from_secs(2), || {
                let left = ops.httpd_parents()?.len() + ops.memcached()?.len();
                Ok(if left == 0 { Poll::Ready(()) } else { Poll::NotYet(format!("{left} processes")) })
            })
        },
    )?;
    s.act(
        "ops_flag_back",
        Role::Ops,
        Change::Server,
        || Ok(if ops.flag()? == Flag::False { Found::Done } else { Found::NotDone }),
        |permit| {
            ops.revert_flag(permit)?;
            Ok(())
        },
    )?;
    s.act(
        "ops_install",
        Role::Ops,
        Change::Install,
        || {
            let right = ops.installed_flag()? == Flag::False && ops.configured_ports()? == [OPERATIONAL_PORT];
            Ok(if right { Found::Done } else { Found::NotDone })
        },
        |permit| {
            ops.install(permit, Change::Install, Duration::from_secs(1800))?;
            Ok(())
        },
    )
}

/// The table of TEST, byte for byte.
fn cron_of_test(test: &Server, table: &str, t: &mut Tally) -> Result<(), StepError> {
    let back = test.crontab()?;
    t.hold("test_cron_back", back == table, format!("{} bytes, saved were {}", back.len(), table.len()));
    Ok(())
}

/// OPS listens nowhere and says 8001 everywhere.
fn away(ops: &Server, t: &mut Tally) -> Result<(), StepError> {
    let ports = ops.ports()?;
    t.hold("ops_down_again", ports == (PortState::Refused, PortState::Refused), format!("8001 and 8002: {ports:?}"));
    let left = ops.httpd_parents()?.len() + ops.memcached()?.len();
    t.hold("ops_down_again", left == 0, format!("{left} server processes"));
    let cron = ops.crontab()?;
    t.hold(
        "ops_down_again",
        cron.trim().is_empty(),
        if cron.trim().is_empty() { "cron is empty" } else { "cron is back" },
    );
    let (flag, installed, configured) = (ops.flag()?, ops.installed_flag()?, ops.configured_ports()?);
    t.hold("ops_flag_back", flag == Flag::False, format!("flag {flag:?}"));
    t.hold("ops_flag_back", installed == Flag::False, format!("installed copy {installed:?}"));
    t.hold("ops_flag_back", configured == [OPERATIONAL_PORT], format!("Apache listens on {configured:?}"));
    let dirty: Vec<String> = ops
        .svn_status(&ops.paths().server_sources)?
        .into_iter()
        .filter(|line| line.letters != "?")
        .map(|line| format!("{} {}", line.letters, line.path))
        .collect();
    t.hold(
        "ops_flag_back",
        dirty.is_empty(),
        if dirty.is_empty() { "svn status clean".to_owned() } else { dirty.join("; ") },
    );
    Ok(())
}

/// The plan declares no such mirror: TEST's data is what it was at preflight.
fn nothing(s: &Step, test: &Server) -> Result<(), StepError> {
    crate::common::mirror::untouched(s, test, "s010_test")
}

fn advice(check: &str) -> Advice {
    let (cause, next) = match check {
        "inputs_whole" => (
            "the shared set is damaged or another server's (A002, C106)",
            "make a new set on OPS, then run again; nothing was overwritten",
        ),
        "inputs_equal_source" => (
            "the shared set is older than OPS, or somebody overwrote it",
            "make a new set on OPS, then run again; nothing was overwritten",
        ),
        "port_flag_known" => ("the release cannot hide (SO 5)", "mirror before the server is taken down, by hand"),
        "script_ran_through" => (
            "mirror_server never stops on an error: a part was skipped",
            "read its log in the evidence; restore TEST from the set of s210 or mirror again",
        ),
        "database_equal" => (
            "the load broke off half way; it is not transactional (A004)",
            "mirror again, or restore TEST from the set of s210",
        ),
        "rules_equal" => {
            ("the sync fetched nothing, or repaired from the wrong place (A014)", "sync again with sha1 checks")
        }
        "deliveries_equal" => (
            "redeliver_catalogs failed, or mkdir left the wrong mode (B091, A005)",
            "compare with deliveries.T.txt; relink; install mends the mode",
        ),
        "orphans_not_worse" => (
            "pending deliveries of the source were never fetched (SO 12)",
            "mirror when deliveries are empty, or fetch those files by hand",
        ),
        "counters_ahead" => ("the counter table is older than the cache (A023)", "tools/reset_file_counters on TEST"),
        "test_is_itself" => (
            "the mirror brought settings of the source along (A010)",
            "compare the configured database and URLs with the site's identity",
        ),
        "test_operational" => ("the port switch at the end did not work", "tools/set_backup_url False on TEST"),
        "ops_down_again" | "ops_flag_back" => (
            "the stop or the install after the mirror did not work",
            "stop OPS by hand; revert the flag; ./install without a start",
        ),
        _ => ("something else worked on the hosts meanwhile", "find it before going on"),
    };
    Advice { cause, next }
}
