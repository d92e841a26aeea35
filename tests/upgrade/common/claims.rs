//! The changes that a plan declares, as claims on the state of OPS between preflight and acceptance.
//!
//! Each row and field of the state belongs to one change at most: what two changes touch alike (counts and digests of
//! tables) is claimed once, by the delivery as a whole.

use std::collections::BTreeSet;

use crds_upgrade::crds::Server;
use crds_upgrade::plan::Plan;
use crds_upgrade::run::{Step, StepError};
use crds_upgrade::state::{Claim, Keys};

use super::deliver::Delivery;
use super::rules::Rules;

const RELEASE: &str = "switch to the release branch and reinstall";
const STACK: &str = "switch of the stack";
const CONTEXT: &str = "set the operational context";
const BAD: &str = "mark files bad";
const DELIVERY: &str = "deliveries of the plan";
const RUNNING: &str = "the server ran: cron jobs, logins, restarts";

/// All claims of the plan of this run.
pub fn of_plan(s: &Step, ops: &Server) -> Result<Vec<Claim>, StepError> {
    let plan = s.plan();
    let mut claims = release(plan);
    claims.extend(deliveries(plan));
    claims.extend(context(s, ops, plan)?);
    claims.extend(running());
    Ok(claims)
}

fn release(plan: &Plan) -> Vec<Claim> {
    let mut claims = Vec::new();
    if plan.from.crds != plan.to.crds {
        claims.push(Claim::on(RELEASE, "svn", Keys::Is("crds".into())));
    }
    claims.push(Claim::on(RELEASE, "svn", Keys::Is("crds_server".into())));
    for area in ["client_sources", "server_sources", "installed"] {
        claims.push(Claim::on(RELEASE, &format!("files:{area}"), Keys::All));
    }
    for area in ["static", "conf", "wsgi"] {
        claims.push(Claim::on(RELEASE, &format!("files:{area}"), Keys::All).perhaps());
    }
    let home = "files:home";
    if plan.stack.is_some() {
        claims.push(Claim::on(STACK, "stack", Keys::All));
        claims.push(Claim::on(STACK, "files:lib", Keys::All));
        claims.push(Claim::on(STACK, home, Keys::Is(".setenv".into())));
    } else {
        claims.push(Claim::on(RELEASE, "files:lib", Keys::All).perhaps());
    }
    // The release may bring another table; s370 has compared it with the release's file.
    claims.push(Claim::on(RELEASE, "cron", Keys::Is("table".into())).perhaps());
    claims
}

fn deliveries(plan: &Plan) -> Vec<Claim> {
    let mut claims = Vec::new();
    let all: Vec<Delivery<'_>> =
        plan.submissions.iter().map(Delivery::of).chain(plan.deletion.as_ref().map(Delivery::deleting)).collect();
    for delivery in &all {
        let change = format!("delivery `{}`", delivery.id);
        let new: Vec<String> = delivery.all_new().into_iter().map(str::to_owned).collect();
        let (maps, references): (Vec<String>, Vec<String>) =
            new.iter().cloned().partition(|name| name.ends_with("map"));
        claims.push(Claim::on(&change, "catalogue", Keys::Among(new)));
        if !maps.is_empty() {
            claims.push(Claim::on(&change, "files:mappings", Keys::Among(maps)));
        }
        if !references.is_empty() {
            claims.push(Claim::on(&change, "files:references", Keys::Among(references)));
        }
    }
    if !all.is_empty() {
        claims.push(Claim::on(DELIVERY, "counters", Keys::All));
        claims.push(Claim::on(DELIVERY, "files:catalogs", Keys::All));
        claims.push(Claim::on(DELIVERY, "contexts", Keys::Is("edit".into())));
    }
    let anything = !all.is_empty() || plan.set_context.is_some() || plan.mark_bad.is_some();
    if anything {
        claims.push(Claim::on(DELIVERY, "database", Keys::All));
        claims.push(Claim::on(DELIVERY, "history", Keys::All));
    }
    claims.push(Claim::on(DELIVERY, "files:deliveries", Keys::All).perhaps());
    claims.push(Claim::on(DELIVERY, "files:ingest", Keys::All).perhaps());
    claims.push(Claim::on(DELIVERY, "files:uploads", Keys::All).perhaps());
    claims
}

/// Setting a context changes the states of its own files and of those that left it, and nothing else of the catalogue.
fn context(s: &Step, ops: &Server, plan: &Plan) -> Result<Vec<Claim>, StepError> {
    let mut claims = Vec::new();
    let new: BTreeSet<String> = super::outcome::delivered_files(plan);
    if let Some(set) = &plan.set_context {
        let rules = Rules::of_run(s)?;
        let catalogue = ops.catalogue()?;
        let mut touched = BTreeSet::new();
        for context in [&plan.contexts.operational, &set.context] {
            rules.fetch_closure(ops, &catalogue, context)?;
            touched.extend(super::outcome::members(&rules, context)?);
        }
        // The data half of a GEIS pair (`.r6d`) is catalogued beside its header (`.r6h`), which alone the rules name.
        let halves: Vec<String> = touched.iter().filter_map(|name| data_half(name)).collect();
        touched.extend(halves);
        let touched: Vec<String> = touched.into_iter().filter(|name| !new.contains(name)).collect();
        let fields = ["state", "activation_date"];
        claims.push(Claim::on(CONTEXT, "catalogue", Keys::Among(touched)).fields(&fields));
        claims.push(Claim::on(CONTEXT, "contexts", Keys::Is("operational".into())));
        claims.push(Claim::on(CONTEXT, "files:monitor", Keys::All));
    }
    if let Some(mark) = &plan.mark_bad {
        let fields = ["rejected", "blacklisted"];
        claims.push(Claim::on(BAD, "catalogue", Keys::Among(mark.files.clone())).fields(&fields));
    }
    Ok(claims)
}

/// What a running server does by itself between two looks.
fn running() -> Vec<Claim> {
    vec![
        Claim::on(RUNNING, "files:config", Keys::All).perhaps(),
        Claim::on(RUNNING, "processes", Keys::All).perhaps(),
        Claim::on(RUNNING, "files:home", Keys::Below("Maildir".into())).perhaps(),
        Claim::on(RUNNING, "files:home", Keys::Below(".subversion".into())).perhaps(),
    ]
}

/// The data half of a GEIS header's name.
fn data_half(name: &str) -> Option<String> {
    let stem = name.strip_suffix('h')?;
    let digit = stem.chars().last()?;
    (digit.is_ascii_digit() && stem.ends_with(&format!(".r{digit}"))).then(|| format!("{stem}d"))
}
