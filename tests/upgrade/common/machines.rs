//! What preflight looks at of the machines: who they are, tools, room, clocks, logins, file systems.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crds_upgrade::crds::Server;
use crds_upgrade::host::{EntryKind, Limit, Script, Shell};
use crds_upgrade::plan::{Role, Waiting};
use crds_upgrade::run::{Step, StepError};

use super::tally::Tally;

pub type Servers = BTreeMap<Role, Arc<Server>>;

/// Variables that a clean login must set (SO 4.1).
const VARIABLES: [&str; 15] = [
    "CRDS_SERVER",
    "CRDS",
    "CRDS_STACK",
    "CRDS_PROJECT",
    "CRDS_USECASE",
    "META_PREFIX",
    "CRDS_IFS",
    "CRDS_FILE_CACHE",
    "CRDS_SERVER_FILES",
    "CRDS_CRON",
    "PATH",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "apachemod",
    "CRDS_AFFECTED_DATASETS_RECIPIENTS",
];

/// Programs that the steps and the servers' scripts run, looked for in a clean login.
const TOOLS: [&str; 20] = [
    "tcsh",
    "bash",
    "svn",
    "svnversion",
    "crontab",
    "atq",
    "ps",
    "tar",
    "gzip",
    "find",
    "stat",
    "sha1sum",
    "sha256sum",
    "xargs",
    "df",
    "date",
    "perl",
    "kill",
    "killall",
    "mail",
];

/// Scripts that are started by their path; `mirror_server` is started through csh, whatever its mode (SO 12).
const SCRIPTS: [&str; 12] = [
    "install",
    "run",
    "stop",
    "rerun",
    "runtests",
    "manage",
    "tools/backup_server",
    "tools/set_backup_url",
    "tools/orphan_files",
    "tools/redeliver_catalogs",
    "host/nightly.crds.job",
    "host/nightly.crds.job.core",
];

const HAVE: Script = Script {
    name: "which tools are there",
    shell: Shell::LoginSh,
    text: r#"for tool in "$@"; do command -v "$tool" >/dev/null 2>&1 || echo "$tool"; done"#,
};

const WRITABLE: Script = Script {
    name: "which directories may be written",
    shell: Shell::LoginSh,
    text: r#"for dir in "$@"; do [ -d "$dir" ] && [ -w "$dir" ] || echo "$dir"; done"#,
};

pub fn identities(servers: &Servers, t: &mut Tally) -> Result<(), StepError> {
    for (role, server) in servers {
        let who = server.who_are_you()?;
        for wrong in server.differs(&who) {
            t.fault("identities", wrong);
        }
        t.proof("identities", format!("{role} is {} of {}", who.account, who.uname));
    }
    Ok(())
}

pub fn tools(servers: &Servers, t: &mut Tally) -> Result<(), StepError> {
    for (role, server) in servers {
        let wanted: &[&str] =
            if *role == Role::Scratch { &["tcsh", "tar", "gzip", "find", "sha256sum", "mysql"] } else { &TOOLS };
        let missing = server.remote().must_look_script(&HAVE, wanted, Limit::QUICK)?.text();
        let missing: Vec<&str> = missing.split_whitespace().collect();
        t.hold(
            "tools",
            missing.is_empty(),
            if missing.is_empty() {
                format!("{role}: {} tools", wanted.len())
            } else {
                format!("{role} lacks {}", missing.join(", "))
            },
        );
        if *role == Role::Scratch {
            continue;
        }
        let base = &server.paths().server_sources;
        for script in SCRIPTS {
            match server.remote().stat(&format!("{base}/{script}"))? {
                None => t.fault("tools", format!("{role} lacks {script}")),
                Some(entry) if entry.mode & 0o100 == 0 => {
                    t.fault("tools", format!("{role}: {script} is not executable (D131)"))
                }
                Some(_) => {}
            }
        }
        if server.remote().stat(&format!("{base}/tools/mirror_server"))?.is_none() {
            t.fault("tools", format!("{role} lacks tools/mirror_server"));
        }
    }
    Ok(())
}

pub fn space(s: &Step, servers: &Servers, t: &mut Tally) -> Result<(), StepError> {
    for (role, server) in servers {
        for floor in &s.plan().thresholds.disk {
            let path = server.remote().path(&floor.path);
            if server.remote().stat(&path)?.is_none() {
                t.hold("space", *role == Role::Scratch, format!("{role} has no {}", floor.path));
                continue;
            }
            let (free, used) = server.disk(&path)?;
            let enough = 100 - used.min(100) >= floor.free_percent;
            t.hold(
                "space",
                enough,
                format!(
                    "{role} {}: {used} % used, {} MB free, at least {} % must be free",
                    floor.path,
                    free / 1024,
                    floor.free_percent
                ),
            );
        }
    }
    Ok(())
}

pub fn clocks(s: &Step, servers: &Servers, t: &mut Tally) -> Result<(), StepError> {
    #[expect(clippy::cast_precision_loss, reason = "a small number of seconds")]
    let skew = s.plan().thresholds.clock_skew_s as f64;
    // A stepped clock moves between two questions; real time that passed here is taken off.
    let began = std::time::Instant::now();
    let mut first: Option<f64> = None;
    for (role, server) in servers {
        let now = server.now()? - began.elapsed().as_secs_f64();
        let reference = *first.get_or_insert(now);
        t.hold(
            "clocks",
            (now - reference).abs() <= skew,
            format!("{role} is {:.0} s from the others", now - reference),
        );
        if s.site().waiting == Waiting::Real {
            let ours = jiff::Timestamp::now().as_second();
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
            let apart = server.now()? - ours as f64;
            t.hold("clocks", apart.abs() <= skew, format!("{role} is {apart:.0} s from this machine"));
        }
        let said = server.remote().must_look(&["date", "+%z"], Limit::QUICK)?.text();
        let wanted = server.local_now()?.strftime("%z").to_string();
        t.hold(
            "clocks",
            said.trim() == wanted,
            format!("{role} shows time zone {}, the site says {wanted}", said.trim()),
        );
    }
    Ok(())
}

pub fn environment(servers: &Servers, t: &mut Tally) -> Result<(), StepError> {
    let names: Vec<&str> = servers.values().map(|server| server.name()).collect();
    for (role, server) in servers {
        // What a shell prints by itself goes into every output that is read (SO 4.1).
        let ran = server.remote().look(&["tcsh", "-c", "true"], Limit::QUICK)?;
        let said = format!("{}{}", ran.text(), ran.error_text());
        t.hold(
            "environment",
            said.trim().is_empty(),
            format!("{role}: a shell that does nothing prints `{}`", said.trim()),
        );
        for name in &names {
            let (printed, variables) = server.login_as(name, &server.paths().setenv)?;
            if !printed.trim().is_empty() {
                t.fault("environment", format!("{role}: a login as {name} prints `{}`", printed.trim()));
            }
            let have: BTreeSet<&str> =
                variables.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.as_str()).collect();
            let lacks: Vec<&str> = VARIABLES.into_iter().filter(|variable| !have.contains(variable)).collect();
            let text = if lacks.is_empty() {
                format!("{role} as {name}")
            } else {
                format!("{role}: a login as {name} leaves {} unset", lacks.join(", "))
            };
            t.hold("environment", lacks.is_empty(), text);
        }
    }
    Ok(())
}

pub fn file_systems(servers: &Servers, t: &mut Tally) -> Result<(), StepError> {
    for (role, server) in servers {
        let (files, paths) = (&server.paths().server_files, server.paths());
        let places = [
            paths.deliveries(),
            paths.catalogs(),
            format!("{files}/ingest"),
            format!("{files}/uploads"),
            paths.mappings(server.observatory()),
            paths.references(server.observatory()),
        ];
        let mut devices = BTreeSet::new();
        for place in &places {
            match server.remote().stat(place)? {
                None => t.fault("file_systems", format!("{role} has no {place}")),
                // What a link leads to counts: it may be another disk.
                Some(entry) if entry.kind == EntryKind::Link => {
                    let led = server.remote().must_look(&["stat", "-L", "-c", "%d", place], Limit::QUICK)?.text();
                    devices.insert(led.trim().to_owned());
                }
                Some(entry) => drop(devices.insert(entry.device.to_string())),
            }
        }
        for place in [paths.mappings(server.observatory()), paths.references(server.observatory())] {
            let below = server
                .remote()
                .must_look(&["find", &place, "-mindepth", "1", "-maxdepth", "1", "-type", "d"], Limit::WALK)?;
            for directory in below.text().lines() {
                t.fault("file_systems", format!("{role}: {directory} is a directory, a server's cache is flat (D134)"));
            }
        }
        t.hold("file_systems", devices.len() == 1, format!("{role}: {} file system(s)", devices.len()));
        let written = [&paths.db_backups, &paths.cron_logs];
        let places: Vec<&str> = places.iter().chain(written).map(String::as_str).collect();
        let refused = server.remote().must_look_script(&WRITABLE, &places, Limit::QUICK)?.text();
        for place in refused.lines() {
            t.fault("file_systems", format!("{role}: the account may not write {place}"));
        }
    }
    Ok(())
}
