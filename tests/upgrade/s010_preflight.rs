//! Step 010: preflight.
//!
//! Procedure: nothing; experience says to learn of a missing tool or a full disk before the server is off.
//! Method: prove plan, site and hosts, look at everything that a later step needs, record the state of all hosts, the
//! approved revisions and the answers of OPS to the frozen questions.
//! Way back: nothing is changed; each login leaves a session row and a last-login time, which are declared traces.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crds_upgrade::backup::tag_time;
use crds_upgrade::crds::{Door, Flag, Server};
use crds_upgrade::host::{EntryKind, Limit, Script, Shell, side_by_side};
use crds_upgrade::plan::{Approved, Era, PackageTarget, PlanFile, Role, Waiting, misfits};
use crds_upgrade::run::{Step, StepError, StepResult, harness};
use crds_upgrade::steps::S010_PREFLIGHT;
use serde_json::json;

use crate::common::advice::preflight as advice;
use crate::common::backup_set::{last_night, newest};
use crate::common::baseline::{baseline, remember};
use crate::common::tally::Tally;
use crate::common::{certificates, lagging};

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

/// Copies that install made of the configuration, and that differ from what they were made of: the server runs the copies.
const CONFIGURED: Script = Script {
    name: "which configuration is not the checkout's",
    shell: Shell::LoginSh,
    text: r#"
for pair in config:site_config database:crds_database; do
    from="$1/sources/configs/${pair%:*}.$3.$4.py"
    for copy in "$1/sources/${pair#*:}.py" "$2/${pair#*:}.py"; do
        cmp -s "$from" "$copy" || echo "$copy"
    done
done
"#,
};

/// What the offline part takes besides copying and tests: mirrors, installs, submissions, as rehearsed on real sizes.
const FIXED_S: u64 = 2 * 3600;

/// Bytes a second at which a tree is pulled and restored, cautiously.
const BYTES_PER_S: u64 = 30_000_000;

type Servers = BTreeMap<Role, Arc<Server>>;

#[test]
fn s010_preflight() -> StepResult {
    harness::step(&S010_PREFLIGHT, |s| {
        let mut t = Tally::default();
        let looked = look(s, &mut t);
        t.or_faults(s, "the site", advice, looked)?;
        for check in s.spec().own_checks() {
            let id = check.id.split_once('.').map_or(check.id, |(_, id)| id);
            t.judge(s, id, "the site", advice(id))?;
        }
        Ok(())
    })
}

fn look(s: &Step, t: &mut Tally) -> Result<(), StepError> {
    plan_and_site(s, t);
    // Who a host is comes before anything else that is asked of it.
    let mut servers = Servers::new();
    for role in s.site().hosts.keys().copied() {
        match s.hosts().server(role) {
            Ok(server) => drop(servers.insert(role, server)),
            Err(error) => {
                t.fault("identities", format!("{role}: {}", error.text()));
                return Err(error);
            }
        }
    }
    identities(&servers, t)?;
    let live: Servers =
        servers.iter().filter(|(role, _)| **role != Role::Scratch).map(|(r, v)| (*r, Arc::clone(v))).collect();
    let ops = &servers[&Role::Ops];
    // None changes anything or waits for another.
    type Look<'a> = &'a (dyn Fn(&mut Tally) -> Result<(), StepError> + Sync);
    let looks: [(&'static str, Look<'_>); 12] = [
        ("lock", &|t| locks(s, t)),
        ("tools", &|t| tools(&servers, t)),
        ("space", &|t| space(s, &servers, t)),
        ("clocks", &|t| clocks(s, &servers, t)),
        ("environment", &|t| environment(&live, t)),
        ("certificates", &|t| live.values().try_for_each(|server| certificates::judge(s, server, t))),
        ("credentials", &|t| credentials(s, ops, t)),
        ("start_state", &|t| start_state(s, ops, t)),
        ("approved_revisions", &|t| revisions(s, ops, t)),
        ("nightly_backup_looks_whole", &|t| backup_and_forecast(s, ops, t)),
        ("databases", &|t| databases(&live, t)),
        ("file_systems", &|t| file_systems(&live, t)),
    ];
    for found in side_by_side(&looks, |(check, look)| {
        let mut t = Tally::default();
        let looked = look(&mut t);
        t.tried(check, looked);
        t
    }) {
        t.join(found);
    }
    remember(s, ops)?;
    let looked = baseline(s, &servers, t);
    t.tried("baseline_recorded", looked);
    Ok(())
}

fn plan_and_site(s: &Step, t: &mut Tally) {
    let file = PlanFile { plan: s.plan().clone(), source: PathBuf::from("plan.toml"), digest: String::new() };
    for problem in misfits(&file, s.site()) {
        t.fault("plan_and_site", format!("{}: {}", problem.key, problem.message));
    }
    t.proof("plan_and_site", format!("plan `{}`, site `{}`", s.plan().id, s.site().name));
    let Some(dir) = &s.site().submissions_dir else { return };
    for name in s.plan().submissions.iter().flat_map(|submission| &submission.files) {
        if !dir.join(name).is_file() {
            t.fault("plan_and_site", format!("the file `{name}` to submit is not in {}", dir.display()));
        }
    }
}

fn identities(servers: &Servers, t: &mut Tally) -> Result<(), StepError> {
    for (role, server) in servers {
        let who = server.who_are_you()?;
        for wrong in server.differs(&who) {
            t.fault("identities", wrong);
        }
        t.proof("identities", format!("{role} is {} of {}", who.account, who.uname));
    }
    Ok(())
}

fn locks(s: &Step, t: &mut Tally) -> Result<(), StepError> {
    let run = s.folder().name();
    for (role, holder) in crds_upgrade::run::open::holders(s.site(), &s.site().source) {
        match holder {
            Some(holder) if holder.run == run => t.proof("lock", format!("{role} by process {}", holder.pid)),
            Some(holder) => t.fault("lock", format!("{role} is {holder}")),
            None => t.fault("lock", format!("nobody holds {role}")),
        }
    }
    Ok(())
}

fn tools(servers: &Servers, t: &mut Tally) -> Result<(), StepError> {
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

fn space(s: &Step, servers: &Servers, t: &mut Tally) -> Result<(), StepError> {
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

fn clocks(s: &Step, servers: &Servers, t: &mut Tally) -> Result<(), StepError> {
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

fn environment(servers: &Servers, t: &mut Tally) -> Result<(), StepError> {
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

fn credentials(s: &Step, ops: &Server, t: &mut Tally) -> Result<(), StepError> {
    let plan = s.plan();
    let mut accounts: BTreeSet<&String> = plan.submissions.iter().map(|one| &one.credential).collect();
    accounts.extend(plan.deletion.iter().map(|one| &one.credential));
    accounts.extend(plan.set_context.iter().map(|one| &one.credential));
    accounts.extend(plan.mark_bad.iter().map(|one| &one.credential));
    if accounts.is_empty() {
        t.proof("credentials", "the plan needs no account");
    }
    for account in accounts {
        let Some(username) = s.site().credentials.get(account).map(|credential| credential.username.clone()) else {
            t.fault("credentials", format!("the site has no account `{account}`"));
            continue;
        };
        match ops.login(Door::Direct, account) {
            Err(error) => t.fault("credentials", format!("`{account}` cannot log in: {error}")),
            Ok(mut session) => {
                let status = session.get("/lock_status/")?.text();
                let held = serde_json::from_str::<serde_json::Value>(&status);
                let name =
                    held.ok().and_then(|held| held.get("name").and_then(|name| name.as_str().map(str::to_owned)));
                match name.as_deref() {
                    Some("") => t.proof("credentials", format!("`{account}` logs in and holds no lock")),
                    Some(lock) => t.fault("credentials", format!("`{account}` holds the lock `{lock}`")),
                    None => t.fault("credentials", format!("the lock status of `{account}` is not understood")),
                }
                session.logout()?;
            }
        }
        let users = ops.ask("select id, username, is_superuser, is_active from auth_user")?.by_name();
        let field = |row: &crds_upgrade::crds::Row, name: &str| row.get(name).cloned().flatten().unwrap_or_default();
        let Some(user) = users.iter().find(|row| field(row, "username") == username) else {
            t.fault("credentials", format!("the database has no user `{username}`"));
            continue;
        };
        let sql =
            "select user_id, name from auth_user_groups, auth_group where auth_group.id = auth_user_groups.group_id";
        let groups = ops.ask(sql)?.by_name();
        let id = field(user, "id");
        let member = groups.iter().any(|row| field(row, "user_id") == id && field(row, "name") == "file_submission");
        let super_user = field(user, "is_superuser") == "1";
        let may = member || super_user;
        t.hold(
            "credentials",
            may && field(user, "is_active") == "1",
            format!("`{account}` {} the group file_submission", if may { "has" } else { "lacks" }),
        );
        let deletes = plan.deletion.as_ref().is_some_and(|deletion| deletion.credential == *account);
        if deletes && ops.era() == Era::Y2014 && !super_user {
            t.fault(
                "credentials",
                format!("`{account}` is no super user, and a server of 2014 lets only those delete"),
            );
        }
    }
    Ok(())
}

fn url_of(s: &Step, package: &str, target: &PackageTarget) -> String {
    format!("{}/{}", s.site().repositories.get(package).cloned().unwrap_or_default(), target.branch)
}

fn start_state(s: &Step, ops: &Server, t: &mut Tally) -> Result<(), StepError> {
    let (plan, paths) = (s.plan(), ops.paths());
    let installed = ops.installed()?;
    for (package, target, directory, stamp) in [
        ("crds", &plan.from.crds, &paths.client_sources, &installed.client),
        ("crds_server", &plan.from.crds_server, &paths.server_sources, &installed.server),
    ] {
        let url = url_of(s, package, target);
        let info = ops.svn_info(directory)?;
        t.hold("start_state", info.url == url, format!("{package} is checked out from {}", info.url));
        t.hold("start_state", stamp.url == url, format!("{package} is installed from {}", stamp.url));
    }
    for (package, directory) in [("crds", &paths.client_sources), ("crds_server", &paths.server_sources)] {
        for line in ops.svn_status(directory)?.into_iter().filter(|line| line.letters != "?") {
            t.fault("start_state", format!("{package} is edited: `{} {}`", line.letters, line.path));
        }
    }
    let (case, observatory) = (&ops.expected().use_case, ops.observatory().word());
    let package = format!("{}/crds/server", paths.installed);
    let of = [paths.server_sources.as_str(), package.as_str(), case, observatory];
    let copies = ops.remote().must_look_script(&CONFIGURED, &of, Limit::QUICK)?.text();
    for copy in copies.lines() {
        t.fault("start_state", format!("{copy} is not the configuration of the checkout"));
    }
    let now = ops.stack()?;
    let env_csh = now.env_csh.join(" and ");
    let from = plan.stack.as_ref().map_or(&now.login, |stack| &stack.from);
    for (place, seen) in [("a login", &now.login), ("env.csh", &env_csh), ("lib/mod_wsgi.so", &now.module)] {
        t.hold("start_state", seen == from, format!("{place} is on stack `{seen}`"));
    }
    if let Some(stack) = &plan.stack {
        let there = ops.remote().stat(&format!("{}/{}/lib/apache/mod_wsgi.so", paths.stacks, stack.to))?.is_some();
        t.hold("start_state", there, format!("stack `{}` is {}", stack.to, if there { "built" } else { "not built" }));
    }
    let have = ops.contexts_in_database()?;
    for (kind, seen, wanted) in
        [("operational", &have.operational, &plan.contexts.operational), ("edit", &have.edit, &plan.contexts.edit)]
    {
        t.hold("start_state", seen == wanted, format!("{kind} context {seen}, the plan starts from {wanted}"));
    }
    let answered = ops.rpc(Door::Direct)?.default_context(ops.observatory().word())?;
    t.hold("start_state", answered == plan.contexts.operational, format!("OPS answers {answered}"));
    for name in plan.context_chain().into_iter().skip(1) {
        let path = format!("{}/{name}", paths.mappings(ops.observatory()));
        if ops.remote().stat(&path)?.is_some() {
            t.fault("start_state", format!("{name}, which the plan is to make, is there already"));
        }
    }
    Ok(())
}

fn revisions(s: &Step, ops: &Server, t: &mut Tally) -> Result<(), StepError> {
    let config = format!("sources/configs/config.{}.{}.py", ops.expected().use_case, ops.observatory());
    for target in [&s.plan().from.crds_server, &s.plan().to.crds_server] {
        let url = url_of(s, "crds_server", target);
        let Some(info) = ops.svn_info_if_there(&url)? else {
            t.fault("port_flag", format!("there is no {url} whose flag could be read"));
            continue;
        };
        let text = ops.svn_cat(&format!("{url}/{config}"), info.revision)?;
        let flag = Flag::of(&String::from_utf8_lossy(&text));
        t.hold("port_flag", flag == Flag::False, format!("BACKUP_URL_SCHEME on {} is {flag:?}", target.branch));
    }
    let flag = ops.flag()?;
    t.hold("port_flag", flag == Flag::False, format!("BACKUP_URL_SCHEME of the checkout is {flag:?}"));
    let mut seen = serde_json::Map::new();
    for (package, target) in [("crds", &s.plan().to.crds), ("crds_server", &s.plan().to.crds_server)] {
        let url = url_of(s, package, target);
        let Some(info) = ops.svn_info_if_there(&url)? else {
            t.fault("approved_revisions", format!("{package}: there is no {url}"));
            continue;
        };
        seen.insert(package.to_owned(), json!(info.last_changed));
        let text =
            format!("{package}: {} stands at r{}, approved {}", target.branch, info.last_changed, target.revision);
        let right = match &target.revision {
            Approved::Revision(number) => info.last_changed <= *number,
            Approved::Commit(_) => false,
            Approved::HeadAtApproval => true,
        };
        t.hold("approved_revisions", right, text);
    }
    if t.has_fault("approved_revisions") {
        return Ok(()); // what does not stand is not remembered as approved
    }
    if let Some(before) = s.fact_of(s.spec().id, "approved") {
        t.hold("approved_revisions", before == json!(seen), format!("recorded {before}, now {}", json!(seen)));
    } else {
        s.fact("approved", seen)?;
    }
    Ok(())
}

fn backup_and_forecast(s: &Step, ops: &Server, t: &mut Tally) -> Result<(), StepError> {
    let limits = &s.plan().thresholds;
    let (from, to) = last_night(&ops.local_now()?, limits.backup_within_h);
    let (sets, _) = ops.backup_sets()?;
    match newest(&sets).0 {
        None => t.fault("nightly_backup_looks_whole", "there is no dated set"),
        Some(set) => {
            let fresh = tag_time(&set.tag).is_some_and(|time| from <= time && time <= to);
            t.hold("nightly_backup_looks_whole", fresh, format!("the newest set is {}", set.tag));
            for name in ops.set_names() {
                let there = set.file(&name).is_some_and(|file| file.entry.size > 0 || name.starts_with("deliveries."));
                t.hold(
                    "nightly_backup_looks_whole",
                    there,
                    format!("{name} {}", if there { "there" } else { "missing or empty" }),
                );
            }
        }
    }
    let size = ops.remote().must_look(&["du", "-sk", &ops.paths().crds], Limit::WALK)?.text();
    let kilobytes: Option<u64> = size.split_whitespace().next().and_then(|number| number.parse().ok());
    let Some(kilobytes) = kilobytes else {
        t.fault("forecast", "`du` of the installation is not understood");
        return Ok(());
    };
    // Pulled once, restored once to prove it, and once more if there is no way but back.
    let copies = 3 * (kilobytes * 1024 / BYTES_PER_S);
    let forecast =
        FIXED_S + copies + 2 * s.plan().tests.get(&Role::Ops).and_then(|tests| tests.longest_s).unwrap_or(1800);
    let text = format!(
        "{} min forecast, {} min window, {} MB to copy",
        forecast / 60,
        limits.offline_window_s / 60,
        kilobytes / 1024
    );
    t.hold("forecast", forecast <= limits.offline_window_s, text);
    Ok(())
}

fn databases(servers: &Servers, t: &mut Tally) -> Result<(), StepError> {
    for (role, server) in servers {
        for fault in lagging::unlinked(server)? {
            t.fault("databases", format!("{role}: {fault} (A005)"));
        }
        for fault in lagging::counters(server)? {
            t.fault("databases", format!("{role}: counter {fault} (A023)"));
        }
        let name = server.database_name()?;
        t.hold("databases", name == server.expected().database, format!("{role} uses database `{name}`"));
        let locks: BTreeSet<String> = server.locks()?.into_iter().map(|row| row.locked_object).collect();
        for lock in locks.iter().filter(|lock| lock.starts_with("instrument$")) {
            // `instrument$acs` and `instrument$acs$user` come and go together (WP 3.4, B079).
            let parts: Vec<&str> = lock.split('$').collect();
            let paired = match parts[..] {
                [_, instrument] => locks.iter().any(|other| other.starts_with(&format!("instrument${instrument}$"))),
                [_, instrument, _] => locks.contains(&format!("instrument${instrument}")),
                _ => false,
            };
            if !paired {
                t.fault("databases", format!("{role}: half a lock, `{lock}`"));
            }
        }
    }
    Ok(())
}

fn file_systems(servers: &Servers, t: &mut Tally) -> Result<(), StepError> {
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
