//! What preflight keeps of a site before anything is changed: the states of its hosts and what OPS answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use crds_upgrade::crds::{Door, Server};
use crds_upgrade::plan::Role;
use crds_upgrade::run::{Step, StepError};
use crds_upgrade::state::{Fields, Scope, State, normalise};
use serde_json::json;

use super::state::keep_in;
use super::tally::Tally;

/// Where the links of deliveries lie: an empty place in its stead would be read as if the archive had taken them all.
pub fn deliveries(ops: &Server) -> Result<serde_json::Value, StepError> {
    let entry = ops.remote().stat(&ops.paths().deliveries())?;
    Ok(entry.map_or(json!(null), |entry| {
        json!({ "kind": format!("{:?}", entry.kind), "device": entry.device, "mode": entry.mode, "owner": entry.owner, "group": entry.group })
    }))
}

/// What later steps compare with.
pub fn remember(s: &Step, ops: &Server) -> Result<(), StepError> {
    if s.fact_of(s.spec().id, "answers").is_some() {
        return Ok(());
    }
    let sql = format!(
        "select name from {} where state <> 'archived' and state <> 'operational' order by id",
        ops.table("*catalog")
    );
    let rows = ops.ask(&sql)?.rows;
    let pending: Vec<&String> = rows.iter().filter_map(|row| row.first()?.as_ref()).collect();
    s.fact("pending", json!(pending))?;
    s.fact("deliveries", deliveries(ops)?)?;
    s.fact("stack", ops.stack()?.login)?;
    let rpc = ops.rpc(Door::Direct)?;
    let info = rpc.server_info()?;
    s.fact("version", json!({ "svn_url": info.svn_url, "revision": info.revision, "version": info.version }))?;
    let answers = crate::s340_try_hidden::frozen(&rpc, &s.plan().contexts.operational, ops.observatory().word())?;
    s.fact("answers", answers)
}

/// The state of every host, kept for the rest of the run.
pub fn baseline(s: &Step, servers: &BTreeMap<Role, Arc<Server>>, t: &mut Tally) -> Result<(), StepError> {
    let servers: Vec<(&Role, &Arc<Server>)> = servers.iter().filter(|(role, _)| **role != Role::Scratch).collect();
    // The hosts do not wait for each other.
    let kept: Vec<Result<State, StepError>> = std::thread::scope(|threads| {
        let looks = servers.iter().map(|(role, server)| {
            let folder = s.folder();
            threads.spawn(move || keep_in(folder, server, &scope(**role), &format!("s010_{role}")))
        });
        let looks: Vec<_> = looks.collect();
        looks.into_iter().map(|look| look.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    for ((role, _), state) in servers.into_iter().zip(kept) {
        let state = state?;
        match normalise(&state) {
            Ok(state) => t.proof("baseline_recorded", format!("{role}: {} surfaces", state.surfaces.len())),
            Err(wrong) => wrong.iter().for_each(|wrong| t.fault("baseline_recorded", format!("{role}: {wrong}"))),
        }
        if *role == Role::Ops && s.fact_of(s.spec().id, "rejected").is_none() {
            let rejected = state.surfaces.get("catalogue").into_iter().flatten().filter(|(_, row)| is_rejected(row));
            s.fact("rejected", json!(rejected.count()))?;
        }
        let rows: BTreeMap<&String, usize> = state.surfaces.iter().map(|(name, rows)| (name, rows.len())).collect();
        let account = json!({ "rows": rows, "blake3": blake3::hash(state.to_text().as_bytes()).to_hex().to_string() });
        t.evidence("baseline_recorded", &s.evidence(&format!("state of {role}"), account.to_string())?);
    }
    Ok(())
}

/// OPS is compared file by file to the end; of the others, what a mirror brings and what must stay their own.
fn scope(role: Role) -> Scope {
    let others = ["references", "stacks", "client_sources", "server_sources", "db_backups"];
    let scope = if role == Role::Ops { Scope::all() } else { Scope::all().without_files(&others) };
    scope.served_at(Door::Direct)
}

/// Whether the catalogue says that a file is bad, in either of its two columns.
fn is_rejected(row: &Fields) -> bool {
    ["rejected", "blacklisted"]
        .iter()
        .any(|column| row.get(*column).is_some_and(|value| matches!(value.as_str(), Some("true" | "1"))))
}
