//! Steps that change something end by comparing the state in which they leave the hosts with the reviewed known-good one.

use std::collections::BTreeSet;

use crds_upgrade::host::side_by_side;
use crds_upgrade::plan::{Plan, Role};
use crds_upgrade::run::{Step, StepError, StepResult, harness};
use crds_upgrade::state::{Frame, State, look};
use crds_upgrade::steps::{StepSpec, leaves};
use serde_json::{Value, json};

use super::state;

/// As [`harness::step`], for a step that changes something: its check `known_good` is judged last.
pub fn step(spec: &'static StepSpec, body: impl FnOnce(&Step) -> Result<(), StepError>) -> StepResult {
    harness::step(spec, |s| {
        body(s)?;
        // Looked at again, a step's own checks say whether what it did still holds; the hosts may have moved on.
        if s.again() { Ok(()) } else { judge(s) }
    })
}

fn judge(s: &Step) -> Result<(), StepError> {
    let plan = s.plan().clone();
    let files = files(&plan);
    let concerned = |role: Role| role == Role::Ops || plan.mirrors.iter().any(|mirror| mirror.to == role);
    let (mut whole, mut misshapen, mut raw) = (serde_json::Map::new(), Vec::new(), Vec::new());
    let left = leaves(s.spec().id).iter().filter(|(role, _)| concerned(*role));
    let left = left.map(|(role, parts)| Ok((role, parts, s.host(*role)?))).collect::<Result<Vec<_>, StepError>>()?;
    let (wipe, files) = (&plan.wipe, &files);
    // The hosts do not wait for each other.
    let seen = side_by_side(&left, |(_, parts, server)| look(server, parts, wipe, files));
    for ((role, ..), seen) in left.iter().zip(seen) {
        let seen = seen?;
        raw.push(s.evidence(&format!("state of {role}"), seen.to_text())?);
        match frame(s, **role)?.normal(&seen) {
            Ok(normal) => {
                whole.insert(role.to_string(), normal);
            }
            Err(wrong) => misshapen.extend(wrong.iter().map(|wrong| format!("{role}: {wrong}"))),
        }
    }
    if misshapen.is_empty() {
        return s.snapshot("known_good", &Value::Object(whole), &raw).map(drop);
    }
    s.check("known_good")
        .on("all hosts concerned")
        .observed(misshapen.join("; "))
        .cause("a value that may differ from night to night is not even of its kind")
        .next_move("look at that field on the host")
        .judge(false)?;
    Ok(())
}

/// Every file that the plan delivers, withdraws or marks.
fn files(plan: &Plan) -> Vec<String> {
    let mut files: BTreeSet<String> = super::outcome::delivered_files(plan);
    files.extend(plan.deletion.iter().flat_map(|deletion| deletion.files.iter().cloned()));
    files.extend(plan.mark_bad.iter().flat_map(|mark| mark.files.iter().cloned()));
    files.into_iter().collect()
}

/// What the state of a host is worded with: the site's addresses, the run's revisions, what preflight saw.
fn frame(s: &Step, role: Role) -> Result<Frame, StepError> {
    let missing = || {
        StepError::unknown(
            format!("preflight kept no state of {role}: nothing to relate this one to"),
            "run s010_preflight again in this run",
        )
    };
    let first = state::kept_of(s, "s010_ops", &["database", "history"])?.ok_or_else(missing)?;
    let own = state::kept_of(s, &format!("s010_{role}"), &["svn"])?.ok_or_else(missing)?;
    let rejected = s.fact_of("s010_preflight", "rejected").and_then(|fact| fact.as_u64()).ok_or_else(missing)?;
    let entry = s.hosts().entry(role)?;
    let identity = &entry.identity;
    let mut words: Vec<(String, String)> = Vec::new();
    for (url, word) in
        [(&identity.direct_url, "[direct]"), (&identity.hidden_url, "[hidden]"), (&identity.proxy_url, "[proxy]")]
    {
        words.extend(url.iter().map(|url| (url.trim_end_matches('/').to_owned(), word.to_owned())));
    }
    for (name, base) in &s.site().repositories {
        let base = base.trim_end_matches('/');
        // A server says its branch without the repository's host.
        let path = base.split_once("://").map_or(base, |(_, rest)| rest.find('/').map_or(rest, |at| &rest[at..]));
        words.push((base.to_owned(), format!("[repository {name}]")));
        words.push((path.to_owned(), format!("[repository {name}]")));
    }
    words.push((s.host(role)?.paths().crds.clone(), "[install root]".to_owned()));
    words.push((entry.root.clone(), "[root]".to_owned()));
    // The longest first: one may begin with another.
    words.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
    Ok(Frame {
        words,
        revisions: revisions(s, &own),
        rows: numbers(&first, "database", "rows"),
        history: first
            .surfaces
            .get("history")
            .and_then(|rows| rows.keys().next_back())
            .and_then(|id| id.parse().ok())
            .unwrap_or(0),
        rejected,
    })
}

fn numbers(state: &State, surface: &str, field: &str) -> std::collections::BTreeMap<String, u64> {
    let rows = state.surfaces.get(surface).into_iter().flatten();
    rows.filter_map(|(key, fields)| Some((key.clone(), fields.get(field)?.as_u64()?))).collect()
}

/// The word for each revision that a branch of this run may stand at.
fn revisions(s: &Step, own: &State) -> std::collections::BTreeMap<(String, u64), String> {
    let mut words = std::collections::BTreeMap::new();
    for (package, revision) in numbers(own, "svn", "last_changed") {
        words.insert((package, revision), "as at preflight".to_owned());
    }
    let approved = s.fact_of("s010_preflight", "approved").unwrap_or(json!({}));
    for (package, revision) in approved.as_object().into_iter().flatten() {
        if let Some(revision) = revision.as_u64() {
            words.insert((package.clone(), revision), "as approved".to_owned());
        }
    }
    if let Some(revision) = s.fact_of("s350_switch_stack", "revision").and_then(|fact| fact.as_u64()) {
        words.insert(("crds_server".to_owned(), revision), "the commit of s350".to_owned());
    }
    words
}
