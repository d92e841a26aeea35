//! The changes that a plan declares, as claims on the state of OPS between preflight and acceptance.
//!
//! Each row and field of the state belongs to one change at most: what two changes touch alike (counts and digests of
//! tables) is claimed once, by the delivery as a whole.

use std::collections::{BTreeMap, BTreeSet};

use crds_upgrade::backup::tag_time;
use crds_upgrade::crds::{Row, Server};
use crds_upgrade::plan::Plan;
use crds_upgrade::run::{Step, StepError};
use crds_upgrade::state::{Claim, Fields, Keys, State};
use jiff::tz::TimeZone;

use super::delivery::{Delivery, catalog_stem, counter_of, planned_reasons, serial};
use super::rules::Rules;

const RELEASE: &str = "switch to the release branch and reinstall";
const STACK: &str = "switch of the stack";
const CONTEXT: &str = "set the operational context";
const BAD: &str = "mark files bad";
const DELIVERY: &str = "deliveries of the plan";
const RUNNING: &str = "the server ran: cron jobs, logins, restarts";
const NIGHT: &str = "the nightly job ran: a backup set, the same release installed anew";

/// All claims of the plan of this run, given the catalogue now and the state before it.
pub fn of_plan(
    s: &Step,
    ops: &Server,
    catalogue: &BTreeMap<String, Row>,
    before: &State,
) -> Result<Vec<Claim>, StepError> {
    let plan = s.plan();
    let mut claims = release(plan, &ops.release_crontab()?);
    claims.extend(deliveries(s, ops, plan, catalogue, before)?);
    claims.extend(context(s, ops, plan, catalogue)?);
    claims.extend(running());
    Ok(claims)
}

/// What no claim can express: audit rows since going live that the plan does not explain.
pub fn strange_actions(s: &Step, ops: &Server) -> Result<Vec<String>, StepError> {
    let since = s.need_fact("s370_go_live", "action")?.as_u64().unwrap_or(0);
    let rows = ops.ask(&format!("select * from {} where id > {since} order by id", ops.table("*actions")))?.by_name();
    let reasons = planned_reasons(s.plan());
    let field = |row: &Row, key: &str| row.get(key).cloned().flatten().unwrap_or_default();
    let strange = rows.iter().filter(|row| !reasons.contains(field(row, "why").as_str()));
    Ok(strange
        .map(|row| {
            let (user, action, name) = (field(row, "user"), field(row, "action"), field(row, "filename"));
            format!("audit row {}: {user} did `{action}` on {name}, of no plan", field(row, "id"))
        })
        .collect())
}

fn release(plan: &Plan, crontab: &str) -> Vec<Claim> {
    let mut claims = Vec::new();
    if plan.from.crds != plan.to.crds {
        claims.push(Claim::on(RELEASE, "svn", Keys::Is("crds".into())));
    }
    claims.push(Claim::on(RELEASE, "svn", Keys::Is("crds_server".into())));
    // What the release put there was compared with its branch (s320 to s360), and with going live at acceptance.
    for area in ["client_sources", "server_sources", "installed"] {
        claims.push(Claim::on(RELEASE, &format!("files:{area}"), Keys::All));
    }
    for area in ["static", "conf", "wsgi"] {
        claims.push(Claim::on(RELEASE, &format!("files:{area}"), Keys::All).perhaps());
    }
    let home = "files:home";
    if let Some(stack) = &plan.stack {
        claims.push(Claim::on(STACK, "stack", Keys::All).fields(&["login", "module"]).becomes(stack.to.as_str()));
        claims.push(Claim::on(STACK, "stack", Keys::All).fields(&["env_csh"]).becomes(vec![stack.to.as_str()]));
        claims.push(Claim::on(STACK, "files:lib", Keys::Is("mod_wsgi.so".into())));
        claims.push(Claim::on(STACK, home, Keys::Is(".setenv".into())).fields(&["mtime", "size", "sha256"]));
    } else {
        claims.push(Claim::on(RELEASE, "files:lib", Keys::Is("mod_wsgi.so".into())).perhaps());
    }
    // The release may bring another table.
    claims.push(Claim::on(RELEASE, "cron", Keys::Is("table".into())).becomes(crontab).perhaps());
    claims
}

/// Tables that deliveries, contexts and marks write to.
const WRITTEN: [&str; 6] = ["*actions", "*catalog", "*context_history", "*contexts", "*counters", "*results"];

fn deliveries(
    s: &Step,
    ops: &Server,
    plan: &Plan,
    catalogue: &BTreeMap<String, Row>,
    before: &State,
) -> Result<Vec<Claim>, StepError> {
    let mut claims = Vec::new();
    let all: Vec<Delivery<'_>> =
        plan.submissions.iter().map(Delivery::of).chain(plan.deletion.as_ref().map(Delivery::deleting)).collect();
    let mut counters = BTreeSet::new();
    for delivery in &all {
        let change = format!("delivery `{}`", delivery.id);
        let new: Vec<String> = delivery.all_new().into_iter().map(str::to_owned).collect();
        let (maps, references): (Vec<String>, Vec<String>) =
            new.iter().cloned().partition(|name| name.ends_with("map"));
        counters.extend(maps.iter().filter_map(|name| counter_of(name)).map(|(counter, _)| counter));
        claims.push(Claim::on(&change, "catalogue", Keys::Among(new)));
        if !maps.is_empty() {
            claims.push(Claim::on(&change, "files:mappings", Keys::Among(maps.clone())));
            claims.push(Claim::on(&change, "files:published_rules", Keys::Among(maps)));
        }
        if !references.is_empty() {
            claims.push(Claim::on(&change, "files:references", Keys::Among(references)));
        }
    }
    let names = super::outcome::delivered_files(plan);
    let links = names.iter().filter_map(|name| catalogue.get(name)?.get("catalog_link")?.as_deref());
    let catalogs: BTreeSet<String> = links.filter_map(catalog_stem).collect();
    if !all.is_empty() {
        counters.insert(format!("{}_delivery_id", ops.observatory()));
        claims.push(Claim::on(DELIVERY, "counters", Keys::Among(counters.into_iter().collect())));
        claims.push(Claim::on(DELIVERY, "files:catalogs", Keys::Among(catalogs.iter().cloned().collect())));
        let edit = plan.context_chain().last().map(|name| (*name).to_owned());
        claims.push(Claim::on(DELIVERY, "contexts", Keys::Is("edit".into())).becomes(edit.unwrap_or_default()));
    }
    if !all.is_empty() || plan.set_context.is_some() || plan.mark_bad.is_some() {
        let tables = WRITTEN.iter().map(|table| ops.table(table)).collect();
        claims.push(Claim::on(DELIVERY, "database", Keys::Among(tables)));
    }
    let rows = history(s, ops)?;
    if !rows.is_empty() {
        claims.push(Claim::on(DELIVERY, "history", Keys::Among(rows)));
    }
    // The archive takes what is pending; new links are the plan's alone.
    let pending = before
        .surfaces
        .get("files:deliveries")
        .into_iter()
        .flat_map(BTreeMap::keys)
        .filter(|key| *key != ".")
        .cloned()
        .collect();
    claims.push(Claim::on(DELIVERY, "files:deliveries", Keys::Among(pending)).fields(&[""]).perhaps());
    claims.push(Claim::on(DELIVERY, "files:deliveries", Keys::Among(names.into_iter().collect())).perhaps());
    for catalog in catalogs {
        claims.push(Claim::on(DELIVERY, "files:deliveries", Keys::Below(catalog)).perhaps());
    }
    // A user's first login makes the user's directory, and it ends empty.
    let users: Vec<String> = s.site().credentials.values().map(|credential| credential.username.clone()).collect();
    claims.push(Claim::on(DELIVERY, "files:ingest", Keys::Among(Vec::clone(&users))).fields(&[""]).perhaps());
    if plan.stack.is_some() {
        // Another framework may store the password of who logs in anew, by its own way of hashing.
        claims.push(Claim::on(STACK, "accounts", Keys::Among(users)).fields(&["password", "password_kind"]).perhaps());
    }
    Ok(claims)
}

/// Rows of the context history that the plan explains: one for each context that it makes, one for the one that it sets.
fn history(s: &Step, ops: &Server) -> Result<Vec<String>, StepError> {
    let plan = s.plan();
    let mut wanted: Vec<(&str, &str)> =
        plan.context_chain().into_iter().skip(1).map(|context| ("edit", context)).collect();
    wanted.extend(plan.set_context.iter().map(|set| ("operational", set.context.as_str())));
    let rows = ops.history()?;
    let row = |(state, context): &(&str, &str)| {
        rows.iter()
            .rev()
            .find(|row| row.state == *state && row.context == *context)
            .map(|row| format!("{:0>6}", row.id))
    };
    Ok(wanted.iter().filter_map(row).collect())
}

/// Setting a context changes the states of its own files and of those that left it, and nothing else of the catalogue.
fn context(s: &Step, ops: &Server, plan: &Plan, catalogue: &BTreeMap<String, Row>) -> Result<Vec<Claim>, StepError> {
    let mut claims = Vec::new();
    let new: BTreeSet<String> = super::outcome::delivered_files(plan);
    if let Some(set) = &plan.set_context {
        let rules = Rules::of_run(s)?;
        let members = |context: &str| -> Result<BTreeSet<String>, StepError> {
            rules.fetch_closure(ops, catalogue, context)?;
            let mut members = super::outcome::members(&rules, context)?;
            members.retain(|name| !new.contains(name));
            Ok(members)
        };
        let (was, is) = (members(&plan.contexts.operational)?, members(&set.context)?);
        let left: Vec<String> = was.difference(&is).cloned().collect();
        // The data half of a GEIS pair (`.r6d`) is catalogued beside its header (`.r6h`), which alone the rules name: a
        // context that is set takes no half for its own and leaves it `archived`, as its link says.
        let halves = was.union(&is).filter_map(|name| data_half(name)).collect();
        claims.push(
            Claim::on(CONTEXT, "catalogue", Keys::Among(halves)).fields(&["state"]).becomes("archived").perhaps(),
        );
        let all: Vec<String> = was.union(&is).cloned().collect();
        claims.push(
            Claim::on(CONTEXT, "catalogue", Keys::Among(left.clone())).fields(&["replaced_by_filename"]).perhaps(),
        );
        for (names, state) in [(left, "archived"), (is.into_iter().collect(), "operational")] {
            let claim = Claim::on(CONTEXT, "catalogue", Keys::Among(names)).fields(&["state"]);
            claims.push(claim.becomes(state).perhaps());
        }
        claims.push(Claim::on(CONTEXT, "catalogue", Keys::Among(all)).fields(&["activation_date"]).perhaps());
        claims.push(Claim::on(CONTEXT, "contexts", Keys::Is("operational".into())).becomes(set.context.as_str()));
        claims.push(Claim::on(CONTEXT, "files:monitor", Keys::Is("old_context.txt".into())));
        // The computation takes a capture of the new context (SO 16).
        let capture = set.context.trim_end_matches(".pmap").to_owned();
        claims.push(Claim::on(CONTEXT, "files:captures", Keys::Below(capture)).perhaps());
        let suffix = format!("_{}_{}", serial(&plan.contexts.operational), serial(&set.context));
        let made = ops.computations()?.into_iter().map(|entry| entry.path).filter(|name| name.ends_with(&suffix)).max();
        claims.extend(made.map(|name| Claim::on(CONTEXT, "files:monitor", Keys::Below(name)).perhaps()));
    }
    if let Some(mark) = &plan.mark_bad {
        let fields = ["rejected", "blacklisted"];
        claims.push(Claim::on(BAD, "catalogue", Keys::Among(mark.files.clone())).fields(&fields));
    }
    Ok(claims)
}

/// What a running server does by itself between two looks.
fn running() -> Vec<Claim> {
    // What they say is compared with the catalogue (`published`).
    let synced = ["server_config", "bad_files.txt"].map(str::to_owned).to_vec();
    let published = synced.clone();
    vec![
        Claim::on(RUNNING, "files:config", Keys::Among(synced)).fields(&["sha256", "size"]).perhaps(),
        Claim::on(RUNNING, "files:published_config", Keys::Among(published)).fields(&["sha256", "size"]).perhaps(),
        Claim::on(RUNNING, "processes", Keys::Is("jobs".into())).perhaps(),
        Claim::on(RUNNING, "files:home", Keys::Below("Maildir".into())).perhaps(),
        Claim::on(RUNNING, "files:home", Keys::Below(".subversion".into())).perhaps(),
    ]
}

/// Files of the plan that a state does not show as they were delivered: in the catalogue, and read-only in the cache.
pub fn not_as_delivered(plan: &Plan, after: &State) -> Vec<String> {
    let mut faults = Vec::new();
    for name in super::outcome::delivered_files(plan) {
        let surface = if name.ends_with("map") { "files:mappings" } else { "files:references" };
        let row = |surface: &str| after.surfaces.get(surface).and_then(|rows| rows.get(&name));
        if row("catalogue").is_none() {
            faults.push(format!("{name} was delivered and is not in the catalogue"));
        }
        match row(surface).map(|file| file.get("mode").and_then(|mode| mode.as_str()).unwrap_or_default()) {
            None => faults.push(format!("{name} was delivered and is not in the cache")),
            Some("0444") => {}
            Some(mode) => faults.push(format!("{name} has mode {mode} in the cache, delivered was 0444")),
        }
    }
    faults
}

/// What the archive takes by itself after the plan's last act: files of others that were pending then.
pub fn taken_since(acted: &State, catalogue: &str) -> Vec<Claim> {
    const SETTLED: [&str; 4] = ["archived", "operational", "uploaded", "cancelled"];
    let rows = acted.surfaces.get("catalogue").into_iter().flatten();
    let state = |row: &Fields| row.get("state").and_then(|state| state.as_str()).unwrap_or_default().to_owned();
    let pending: Vec<String> =
        rows.filter(|(_, row)| !SETTLED.contains(&state(row).as_str())).map(|(name, _)| name.clone()).collect();
    if pending.is_empty() {
        return Vec::new();
    }
    vec![
        Claim::on(RUNNING, "catalogue", Keys::Among(pending)).fields(&["state"]).becomes("archived").perhaps(),
        Claim::on(RUNNING, "database", Keys::Is(catalogue.to_owned())).fields(&["digest"]).perhaps(),
    ]
}

/// Accounts whose password is another although it is stored in the same way: no framework did that, but somebody.
pub fn new_passwords(before: &State, after: &State) -> Vec<String> {
    let accounts = |state: &'_ State| state.surfaces.get("accounts").cloned().unwrap_or_default();
    let (was, is) = (accounts(before), accounts(after));
    let changed = was.iter().filter(|(name, old)| {
        let field = |key: &str| (old.get(key).cloned(), is.get(*name).and_then(|new| new.get(key)).cloned());
        let ((old, new), (old_kind, new_kind)) = (field("password"), field("password_kind"));
        is.contains_key(*name) && old != new && old_kind == new_kind
    });
    changed.map(|(name, _)| format!("the password of `{name}` was changed")).collect()
}

/// The nights since going live, by the tags of the backup sets that came. Only a plan that puts a step off has any: else a
/// new set is somebody's doing, as is one of before going live, when cron was off.
pub fn nights(s: &Step, before: &State, after: &State) -> Result<Vec<String>, StepError> {
    if s.plan().mirrors.iter().all(|mirror| mirror.stagger_s == 0) {
        return Ok(Vec::new());
    }
    let live = s.need_fact("s370_go_live", "live_at")?.as_f64().unwrap_or(f64::MAX);
    let zone = TimeZone::get(&s.site().time_zone)?;
    let since = |path: &str| {
        let time = tag_time(path).and_then(|time| time.to_zoned(zone.clone()).ok());
        time.is_some_and(|time| time.timestamp().as_second() as f64 > live)
    };
    let sets = |state: &State| -> BTreeSet<String> {
        let rows = state.surfaces.get("files:db_backups").into_iter().flatten();
        rows.map(|(path, _)| path).filter(|path| since(path)).cloned().collect()
    };
    Ok(sets(after).difference(&sets(before)).cloned().collect())
}

/// The backup sets of such nights; whether the newest is whole is what s910 judges.
pub fn backup_sets(nights: &[String]) -> Vec<Claim> {
    nights.iter().map(|tag| Claim::on(NIGHT, "files:db_backups", Keys::Below(tag.clone())).perhaps()).collect()
}

/// What the reinstallation of such nights (SO 10) leaves different in an unchanged release: when each file was written,
/// and the files that `install` writes about itself. Contents stay what they were when OPS went live.
pub fn reinstalled(nights: &[String]) -> Vec<Claim> {
    if nights.is_empty() {
        return Vec::new();
    }
    let areas = ["installed", "static", "conf", "wsgi", "client_sources", "server_sources"];
    let written = |area: &str, keys: Keys, fields: &[&str]| {
        Claim::on(NIGHT, &format!("files:{area}"), keys).fields(fields).perhaps()
    };
    let mut claims: Vec<Claim> = areas.iter().map(|area| written(area, Keys::All, &["mtime"])).collect();
    let own = Keys::Among(vec!["env.csh".to_owned(), "env.sh".to_owned()]);
    for keys in [own, Keys::Between("install.".to_owned(), ".err".to_owned())] {
        claims.push(written("server_sources", keys, &["sha256", "size"]));
    }
    claims
}

/// The data half of a GEIS header's name.
pub fn data_half(name: &str) -> Option<String> {
    let stem = name.strip_suffix('h')?;
    let digit = stem.chars().last()?;
    (digit.is_ascii_digit() && stem.ends_with(&format!(".r{digit}"))).then(|| format!("{stem}d"))
}
