//! What preflight keeps of a site before anything is changed: the states of its hosts and what OPS answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use crds_upgrade::crds::{Door, Server};
use crds_upgrade::host::side_by_side;
use crds_upgrade::plan::Role;
use crds_upgrade::run::{Step, StepError};
use crds_upgrade::state::{Fields, Scope, State, misshapen};
use serde_json::json;

use super::state::keep;
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
    let pending: Vec<&str> = rows.iter().filter_map(|row| row.first()?.as_deref()).collect();
    s.fact("pending", json!(pending))?;
    s.fact("deliveries", deliveries(ops)?)?;
    s.fact("stack", ops.stack()?.login)?;
    let rpc = ops.rpc(Door::Direct)?;
    let info = rpc.server_info()?;
    s.fact("version", json!({ "svn_url": info.svn_url, "revision": info.revision, "version": info.version }))?;
    let began = ops.now()?;
    let answers = crate::s340_try_hidden::frozen(&rpc, &s.plan().contexts.operational, ops.observatory().word())?;
    s.fact("answers_s", ops.now()? - began)?;
    s.fact("answers", answers)
}

/// The state of every host, kept for the rest of the run.
pub fn baseline(s: &Step, servers: &BTreeMap<Role, Arc<Server>>, t: &mut Tally) -> Result<(), StepError> {
    let servers: Vec<(&Role, &Arc<Server>)> = servers.iter().filter(|(role, _)| **role != Role::Scratch).collect();
    // The hosts do not wait for each other.
    let kept: Vec<Result<State, StepError>> =
        side_by_side(&servers, |(role, server)| keep(s, server, &scope(**role), &format!("s010_{role}")));
    for ((role, _), state) in servers.into_iter().zip(kept) {
        let state = state?;
        for wrong in misshapen(&state) {
            t.fault("baseline_recorded", format!("{role}: {wrong}"));
        }
        t.proof("baseline_recorded", format!("{role}: {} surfaces", state.surfaces.len()));
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
    let others = [
        "references",
        "stacks",
        "client_sources",
        "server_sources",
        "db_backups",
        "published_rules",
        "published_config",
    ];
    let scope = if role == Role::Ops { Scope::all() } else { Scope::all().without_files(&others) };
    scope.served_at(Door::Direct)
}

/// Whether the catalogue says that a file is bad, in either of its two columns.
fn is_rejected(row: &Fields) -> bool {
    ["rejected", "blacklisted"]
        .iter()
        .any(|column| row.get(column).is_some_and(|value| matches!(value.as_str(), Some("true" | "1"))))
}
