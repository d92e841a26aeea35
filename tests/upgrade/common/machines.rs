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
        for fault in scripts(server)? {
            t.fault("tools", fault);
        }
        let base = &server.paths().server_sources;
        if server.remote().stat(&format!("{base}/tools/mirror_server"))?.is_none() {
            t.fault("tools", format!("{role} lacks tools/mirror_server"));
        }
    }
    Ok(())
}

/// Scripts of a server that are not there or cannot be started.
pub fn scripts(server: &Server) -> Result<Vec<String>, StepError> {
    let (role, base) = (server.role(), &server.paths().server_sources);
    let mut faults = Vec::new();
    let paths = SCRIPTS.map(|script| format!("{base}/{script}"));
    let there = server.remote().stats(&paths)?;
    for (script, path) in SCRIPTS.iter().zip(&paths) {
        match there.get(path) {
            None => faults.push(format!("{role} lacks {script}")),
            Some(entry) if entry.mode & 0o100 == 0 => {
                faults.push(format!("{role}: {script} is not executable (D131)"));
            }
            Some(_) => {}
        }
    }
    Ok(faults)
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
        let wanted = server.local_now()?.strftime("%z").to_string();
        // A shell of the account may set another zone than the host's (SO 4.1): the scripts run in shells.
        for (of, argv) in [("it", &["date", "+%z"][..]), ("a shell of the account", &["tcsh", "-c", "date +%z"])] {
            let said = server.remote().must_look(argv, Limit::QUICK)?.text();
            t.hold(
                "clocks",
                said.trim() == wanted,
                format!("{role}: {of} shows time zone {}, the site says {wanted}", said.trim()),
            );
        }
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
        // Installed anew from there every night (SO 10).
        let (table, released) = (server.crontab()?, server.release_crontab()?);
        let same = if table == released { "byte for byte" } else { "not" };
        t.hold("environment", table == released, format!("{role}: the cron table is {same} the release's"));
        for odd in odd_variables(server)? {
            t.fault("environment", format!("{role}: a shell of the account has {odd}"));
        }
    }
    Ok(())
}

/// What nobody but the account may write, and the secrets, which nobody else may even read.
fn open_to_others(server: &Server, t: &mut Tally) -> Result<(), StepError> {
    let (paths, obs) = (server.paths(), server.observatory());
    let (mappings, references) = (paths.mappings(obs), paths.references(obs));
    let kept = [mappings.as_str(), references.as_str(), &paths.db_backups, &paths.shared_backups];
    let kept = server.remote().there(&kept)?;
    let of = |argv: &[&str]| -> Result<String, StepError> {
        Ok(server.remote().must_look(argv, Limit { output: 64 << 20, ..Limit::WALK })?.text())
    };
    let told = |t: &mut Tally, text: &str, what: &str| {
        let found: Vec<&str> = text.lines().collect();
        for path in found.iter().take(3) {
            t.fault("file_systems", format!("{}: {path} {what}", server.role()));
        }
        if found.len() > 3 {
            t.fault("file_systems", format!("{}: {} more of that", server.role(), found.len() - 3));
        }
    };
    if !kept.is_empty() {
        let written = of(&[&["find"], &kept[..], &["-maxdepth", "2", "!", "-type", "l", "-perm", "-002"]].concat())?;
        told(t, &written, "may be written by everybody");
    }
    let rules = server.remote().there(&[&mappings, &references])?;
    if !rules.is_empty() {
        let argv = [&["find"], &rules[..], &["-maxdepth", "1", "-type", "f", "-perm", "/022"]].concat();
        told(t, &of(&argv)?, "is delivered and may be written by others");
    }
    if !server.remote().there(&[&paths.secrets])?.is_empty() {
        let read = of(&["find", &paths.secrets, "-type", "f", "-perm", "/044"])?;
        told(t, &read, "holds a secret and may be read by others");
    }
    // Private keys of the web server (SO 6).
    let keys = server.remote().path("/opt/SSL");
    if !server.remote().there(&[&keys])?.is_empty() {
        let read = of(&["find", &keys, "-type", "f", "-name", "*.key", "-perm", "/044"])?;
        told(t, &read, "is a private key and may be read by others");
    }
    Ok(())
}

/// Variables of a shell of the account that change what Python or the client does without a word.
pub fn odd_variables(server: &Server) -> Result<Vec<String>, StepError> {
    const ODD: [&str; 16] = [
        "PYTHONOPTIMIZE",
        "PYTHONHOME",
        "PYTHONSTARTUP",
        "PYTHONWARNINGS",
        "http_proxy",
        "https_proxy",
        "HTTPS_PROXY",
        // A context for every client of the account, whatever the server says; options for every tar and gzip.
        "CRDS_CONTEXT",
        "TAR_OPTIONS",
        "GZIP",
        // Another place to fetch rules and references from, another way, or none at all (the client's own variables).
        "CRDS_MAPPING_URI",
        "CRDS_REFERENCE_URI",
        "CRDS_DOWNLOAD_MODE",
        "CRDS_DOWNLOAD_PLUGIN",
        "CRDS_READONLY_CACHE",
        "CRDS_CACHE_LOCK",
    ];
    let text = server.remote().must_look(&["tcsh", "-c", "env"], Limit::QUICK)?.text();
    let odd = |line: &&str| line.split_once('=').is_some_and(|(name, _)| ODD.contains(&name));
    Ok(text.lines().filter(odd).map(str::to_owned).collect())
}

/// Pipes and devices in a server's trees: whoever copies or hashes the tree waits for them.
pub fn waiting(server: &Server) -> Result<Vec<String>, StepError> {
    let paths = server.paths();
    let trees = [paths.crds.as_str(), paths.server_files.as_str(), paths.cache.as_str()];
    let mut argv = vec!["find"];
    argv.extend(server.remote().there(&trees)?);
    if argv.len() == 1 {
        return Ok(Vec::new());
    }
    argv.extend(["-type", "p", "-o", "-type", "b", "-o", "-type", "c"]);
    // A directory that cannot be read is told where trees are listed and copied; here what is seen of the others counts.
    Ok(server.remote().look(&argv, Limit::WALK)?.text().lines().map(str::to_owned).collect())
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
        let there = server.remote().stats(&places)?;
        for place in &places {
            match there.get(place) {
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
        // A rule that is a link: a chmod or a repair goes through it, a backup holds a name and no bytes. DEV may have links.
        let rules = paths.mappings(server.observatory());
        if *role != Role::Dev && server.remote().stat(&rules)?.is_some() {
            let links = server.remote().must_look(&["find", &rules, "-maxdepth", "1", "-type", "l"], Limit::WALK)?;
            for link in links.text().lines() {
                t.fault("file_systems", format!("{role}: the rule {link} is a link, not a file"));
            }
        }
        for odd in waiting(server)? {
            t.fault("file_systems", format!("{role}: {odd} is a pipe or a device: whoever reads it waits"));
        }
        t.hold("file_systems", devices.len() == 1, format!("{role}: {} file system(s)", devices.len()));
        open_to_others(server, t)?;
        let written = [&paths.db_backups, &paths.cron_logs];
        let places: Vec<&str> = places.iter().chain(written).map(String::as_str).collect();
        let refused = server.remote().must_look_script(&WRITABLE, &places, Limit::QUICK)?.text();
        for place in refused.lines() {
            t.fault("file_systems", format!("{role}: the account may not write {place}"));
        }
    }
    Ok(())
}
