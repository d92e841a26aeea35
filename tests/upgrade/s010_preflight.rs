//! Step 010: preflight.
//!
//! Procedure: nothing; experience says to learn of a missing tool or a full disk before the server is off.
//! Method: prove plan, site and hosts, look at everything that a later step needs, record the state of all hosts, the
//! approved revisions and the answers of OPS to the frozen questions.
//! Way back: nothing is changed; each login leaves a session row and a last-login time, which are declared traces.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use crds_upgrade::backup::tag_time;
use crds_upgrade::crds::{Door, Flag, Server};
use crds_upgrade::host::{Limit, Script, Shell, side_by_side};
use crds_upgrade::plan::{Approved, Era, PackageTarget, PlanFile, Role, misfits};
use crds_upgrade::run::{Step, StepError, StepResult, harness};
use crds_upgrade::steps::S010_PREFLIGHT;
use serde_json::json;

use crate::common::advice::preflight as advice;
use crate::common::backup_set::{last_night, newest};
use crate::common::baseline::{baseline, remember};
use crate::common::machines::{Servers, clocks, environment, file_systems, identities, space, tools};
use crate::common::tally::Tally;
use crate::common::{certificates, lagging, rc_file, synced};

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
    // Before anything is asked of a server: a question about files makes it look at its deliveries, and from then on it has a
    // file whose link is gone for archived.
    let all: Vec<(&Role, &Arc<Server>)> = live.iter().collect();
    for ((role, _), lost) in all.iter().zip(side_by_side(&all, |(_, server)| lagging::unlinked(server))) {
        match lost {
            Ok(lost) => lost.iter().for_each(|fault| t.fault("databases", format!("{role}: {fault} (A005)"))),
            Err(error) => t.tried("databases", Err(error)),
        }
    }
    // None changes anything or waits for another.
    t.looks(&[
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
    ]);
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
        // Of several revisions at once, or without some of its files: no install of it is the release's (SO 13).
        let version = ops.svnversion(directory)?;
        let bare = version.trim().bytes().all(|byte| byte.is_ascii_digit());
        t.hold("start_state", bare, format!("{package}: the checkout is at `{}`", version.trim()));
    }
    let (case, observatory) = (&ops.expected().use_case, ops.observatory().word());
    let package = format!("{}/crds/server", paths.installed);
    let of = [paths.server_sources.as_str(), package.as_str(), case, observatory];
    let copies = ops.remote().must_look_script(&CONFIGURED, &of, Limit::QUICK)?.text();
    for copy in copies.lines() {
        t.fault("start_state", format!("{copy} is not the configuration of the checkout"));
    }
    for fault in synced::faults(ops)? {
        t.fault("start_state", fault);
    }
    for link in ops.deliveries()?.iter().filter(|link| link.name.to_ascii_lowercase().ends_with("_error")) {
        t.fault("start_state", format!("the archive could not take the delivery {}", link.name));
    }
    // Any other suffix reads as archived (SO 17).
    const KNOWN: [&str; 4] = ["", "_submit", "_proc", "_error"];
    for link in ops.deliveries()? {
        let name = link.name.to_ascii_lowercase();
        if let Some((_, suffix)) = name.rsplit_once(".cat")
            && !KNOWN.contains(&suffix)
        {
            let why = "the server does not know its suffix and takes its files for archived";
            t.fault("start_state", format!("delivery {}: {why}", link.name));
        }
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
        // s350 will copy the branch's text over it and stops at a hand edit: better told before the server is off.
        if let Some(edit) = rc_file::hand_edit(s, ops, &ops.rc_file()?, &[])? {
            t.fault("start_state", edit);
        }
    }
    let have = ops.contexts_in_database()?;
    for (kind, seen, wanted) in
        [("operational", &have.operational, &plan.contexts.operational), ("edit", &have.edit, &plan.contexts.edit)]
    {
        t.hold("start_state", seen == wanted, format!("{kind} context {seen}, the plan starts from {wanted}"));
    }
    let cached = ops.cached_context()?.unwrap_or_else(|| "none".to_owned());
    let same = cached == plan.contexts.operational;
    t.hold("start_state", same, format!("the configuration in OPS's own cache names {cached}"));
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
        for fault in lagging::counters(server)? {
            t.fault("databases", format!("{role}: counter {fault} (A023)"));
        }
        let questions = [
            "select database()".to_owned(),
            "show databases".to_owned(),
            "select locked_object from locking_lock".to_owned(),
            format!("select max(start_date) as newest from {}", server.table("*context_history")),
        ];
        let answers = server.ask_all(&questions)?;
        let values = |at: usize| -> BTreeSet<String> {
            answers[at].rows.iter().flatten().flatten().map(|value| value.to_string()).collect()
        };
        let own = &server.expected().database;
        let name = values(0).into_iter().next().unwrap_or_default();
        t.hold("databases", name == *own, format!("{role} uses database `{name}`"));
        // The tests ask before they delete what an aborted run left, and nobody answers (SO 14.4): they would not begin.
        let left = format!("test_{own}");
        if values(1).contains(&left) {
            t.fault("databases", format!("{role}: the test database `{left}` of an aborted run is still there"));
        }
        // The newest row by date is what a look-up by date finds: one of the future hides every change until then.
        let tomorrow = server.local_now()?.tomorrow()?.datetime().to_string().replace('T', " ");
        for newest in values(3).into_iter().filter(|newest| *newest > tomorrow) {
            t.fault("databases", format!("{role}: the context history holds a row that begins {newest}"));
        }
        let locks = values(2);
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
