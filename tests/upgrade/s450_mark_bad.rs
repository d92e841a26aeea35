//! Step 450: mark files bad.
//!
//! Procedure: "Mark files bad."
//! Method: first make sure that none of the files is in the operational context; mark them; read the mark back from
//! catalogue, RPC, the server's own cache and the published cache until all agree.
//! Way back: mark them ok.

use std::collections::BTreeSet;
use std::time::Duration;

use crds_upgrade::crds::web::{Login, Session};
use crds_upgrade::crds::{Door, Server};
use crds_upgrade::host::both;
use crds_upgrade::plan::{Change, MarkBad, Role};
use crds_upgrade::run::{Found, Poll, Step, StepError, StepResult};
use crds_upgrade::steps::S450_MARK_BAD;
use serde_json::json;

use crate::common::before::texts;
use crate::common::known_state;
use crate::common::outcome;
use crate::common::rules::Rules;
use crate::common::state;
use crate::common::tally::{Advice, Tally, shorten};

#[test]
fn s450_mark_bad() -> StepResult {
    known_state::step(&S450_MARK_BAD, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let plan = s.plan().clone();
        let none = MarkBad { files: Vec::new(), why: String::new(), credential: String::new() };
        let mark = plan.mark_bad.as_ref().unwrap_or(&none);
        let mut tally = Tally::default();
        let before = before(s, &ops)?;
        not_in_context(s, &ops, mark, &mut tally)?;
        if plan.mark_bad.is_some()
            && let Err(error) = mark_them(s, &ops, mark)
        {
            tally.fault("rejected_everywhere", error.text().to_owned());
            return tally.or_faults(s, Role::Ops, |_| MARKED, Err(error));
        }
        let looked = read_back(s, &ops, mark, &before, &mut tally);
        tally.or_faults(s, Role::Ops, |_| MARKED, looked)?;
        judge(s, &tally)?;
        // From here on the plan changes nothing: acceptance compares with this.
        state::keep(s, &ops, &state::of_database(), state::ACTED)?;
        Ok(())
    })
}

fn before(s: &Step, ops: &Server) -> Result<serde_json::Value, StepError> {
    if let Some(before) = s.fact_of(s.spec().id, "before") {
        return Ok(before);
    }
    let (marked, actions) = both(
        || Ok::<_, StepError>((ops.rejected()?, ops.blacklisted_references()?)),
        || ops.ask(&format!("select max(id) as id from {}", ops.table("*actions"))),
    );
    let (rejected, blacklisted) = marked?;
    let before = json!({
        "rejected": rejected,
        "blacklisted": blacklisted,
        "action": actions?.single().unwrap_or("0"),
    });
    s.fact("before", before.clone())?;
    Ok(before)
}

fn not_in_context(s: &Step, ops: &Server, mark: &MarkBad, tally: &mut Tally) -> Result<(), StepError> {
    let (catalogue, context) = both(|| ops.catalogue(), || ops.context_in_database("operational"));
    let context = context?;
    let rules = Rules::of_run(s)?;
    rules.fetch_closure(ops, &catalogue?, &context)?;
    let members = outcome::members(&rules, &context)?;
    for name in mark.files.iter().filter(|name| members.contains(*name)) {
        tally.fault("not_in_context", format!("{name} is in {context}"));
    }
    tally.proof(
        "not_in_context",
        format!("{} names looked for in {context}, which holds {}", mark.files.len(), members.len()),
    );
    if tally.has_fault("not_in_context") {
        tally.judge(s, "not_in_context", Role::Ops, IN_CONTEXT)?;
        return Err(StepError::failed("nothing is marked", IN_CONTEXT.next));
    }
    Ok(())
}

fn mark_them(s: &Step, ops: &Server, mark: &MarkBad) -> Result<(), StepError> {
    let look = || {
        let rejected = ops.rejected()?;
        let done = mark.files.iter().filter(|name| rejected.contains(*name)).count();
        Ok(match done {
            0 => Found::NotDone,
            all if all == mark.files.len() => Found::Done,
            some => Found::Half(format!("{some} of {} files are marked", mark.files.len())),
        })
    };
    s.act("mark_bad", Role::Ops, Change::Context, look, |permit| {
        let credential = outcome::credential(s, &mark.credential)?;
        let password = credential.password.resolve()?;
        let login = Login { username: &credential.username, password: &password, instrument: None };
        let mut session = Session::login_with_lock(permit, Role::Ops, ops.http()?, &ops.url(Door::Direct)?, &login)?;
        let observatory = ops.observatory().to_string();
        session.mark_bad(permit, Role::Ops, &observatory, &mark.files, &mark.why)?;
        session.logout()?;
        Ok(())
    })
}

fn read_back(
    s: &Step,
    ops: &Server,
    mark: &MarkBad,
    before: &serde_json::Value,
    tally: &mut Tally,
) -> Result<(), StepError> {
    let wanted: BTreeSet<String> = mark.files.iter().cloned().collect();
    let everywhere = s.wait("the marks to be everywhere", Duration::from_secs(1800), Duration::from_secs(120), || {
        let mut missing = Vec::new();
        for (place, seen) in outcome::bad_files_everywhere(ops)? {
            let lacks: Vec<String> = wanted.difference(&seen).cloned().collect();
            if !lacks.is_empty() {
                missing.push(format!("{place} lacks {}", shorten(&lacks)));
            }
        }
        Ok(if missing.is_empty() { Poll::Ready(()) } else { Poll::NotYet(missing.join("; ")) })
    });
    match everywhere {
        Ok(()) => tally.proof(
            "rejected_everywhere",
            format!("{} files in catalogue, RPC, cache and published cache", wanted.len()),
        ),
        Err(error) => tally.fault("rejected_everywhere", error.text().to_owned()),
    }
    tally.parts(&[&|t| exactly_these(ops, &wanted, before, t), &|t| context_free_of_bad(s, ops, t), &|t| {
        audit(s, ops, mark, &wanted, before, t)
    }])
}

/// Nothing else was marked, and what was marked still is.
fn exactly_these(
    ops: &Server,
    wanted: &BTreeSet<String>,
    before: &serde_json::Value,
    tally: &mut Tally,
) -> Result<(), StepError> {
    let was: BTreeSet<String> = texts(&before["rejected"]).into_iter().collect();
    let now = ops.rejected()?;
    let new: BTreeSet<String> = now.difference(&was).cloned().collect();
    let gone: Vec<String> = was.difference(&now).cloned().collect();
    let surplus: Vec<String> = new.difference(wanted).cloned().collect();
    if !surplus.is_empty() || !gone.is_empty() {
        tally.fault(
            "exactly_these",
            format!("also marked: {}; no longer marked: {}", shorten(&surplus), shorten(&gone)),
        );
    }
    let dark = texts(&before["blacklisted"]);
    let blacklisted = ops.blacklisted_references()?;
    let darker: Vec<String> =
        blacklisted.into_iter().filter(|name| !wanted.contains(name) && !dark.contains(name)).collect();
    if !darker.is_empty() && before["blacklisted"].is_array() {
        tally.fault("exactly_these", format!("also blacklisted: {}", shorten(&darker)));
    }
    tally.proof("exactly_these", format!("{} files newly marked, {} as before", new.len(), was.len()));
    Ok(())
}

fn context_free_of_bad(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let (now, context) = both(|| ops.rejected(), || ops.context_in_database("operational"));
    let (now, context) = (now?, context?);
    let members = outcome::members(&Rules::of_run(s)?, &context)?;
    let inside: Vec<String> = now.intersection(&members).cloned().collect();
    tally.hold(
        "context_free_of_bad",
        inside.is_empty(),
        if inside.is_empty() {
            format!("{} members of {context}", members.len())
        } else {
            format!("{context} holds {}", shorten(&inside))
        },
    );
    Ok(())
}

/// One audit row for each file, by the account and for the reason of the plan.
fn audit(
    s: &Step,
    ops: &Server,
    mark: &MarkBad,
    wanted: &BTreeSet<String>,
    before: &serde_json::Value,
    tally: &mut Tally,
) -> Result<(), StepError> {
    let after: u64 = before["action"].as_str().and_then(|id| id.parse().ok()).unwrap_or(0);
    let sql = format!(
        "select filename, user, why, details from {} where id > {after} and action = 'blacklist' order by id",
        ops.table("*actions")
    );
    let rows = ops.ask(&sql)?.by_name();
    let names: BTreeSet<String> =
        rows.iter().filter_map(|row| Some(row.get("filename")?.as_ref()?.to_string())).collect();
    tally.hold(
        "audit",
        names == *wanted && rows.len() == wanted.len(),
        format!("{} rows for {} files", rows.len(), wanted.len()),
    );
    let account = s.site().credentials.get(&mark.credential).map_or("", |account| account.username.as_str());
    for row in &rows {
        let field = |key: &str| row.get(key).cloned().flatten().unwrap_or_default();
        if field("user") != account || field("why") != mark.why {
            let (user, why) = (field("user"), field("why"));
            tally.fault("audit", format!("{}: marked by `{user}` for `{why}`", field("filename")));
        }
        // Marking good is the same action; only the details tell (WP 4.4).
        if !field("details").contains("BAD") {
            tally.fault("audit", format!("{}: the details say `{}`", field("filename"), field("details")));
        }
    }
    Ok(())
}

fn judge(s: &Step, tally: &Tally) -> Result<(), StepError> {
    for (check, advice) in [
        ("not_in_context", IN_CONTEXT),
        ("rejected_everywhere", MARKED),
        (
            "exactly_these",
            Advice {
                cause: "somebody else marked files, or the form was sent with another list",
                next: "look at /recent_activity/ for the action `blacklist`",
            },
        ),
        (
            "context_free_of_bad",
            Advice {
                cause: "the server's guard looked at another context (A020)",
                next: "mark the file ok again, or set a context without it",
            },
        ),
        (
            "audit",
            Advice {
                cause: "marks were made by another way than the page, or twice",
                next: "look at /recent_activity/ for the action `blacklist`",
            },
        ),
    ] {
        tally.judge(s, check, Role::Ops, advice)?;
    }
    Ok(())
}

const MARKED: Advice = Advice {
    cause: "the page refused, or a cache was not refreshed: memcached, the server's config, the published cache's sync",
    next: "read the page's answer; run cron_sync and sync_ops_to_grp by hand and look at their logs; then run again",
};
const IN_CONTEXT: Advice = Advice {
    cause: "the context with the deletion is not operational yet, or another place of the rules names the file",
    next: "set the operational context first; nothing was marked",
};
