//! States of hosts kept in the run folder, and what may differ between two of them.

use std::path::PathBuf;

use crds_upgrade::crds::Server;
use crds_upgrade::run::{Folder, KEPT_STATE, Step, StepError};
use crds_upgrade::state::{Delta, Scope, State, capture, differences, misshapen};
use crds_upgrade::steps::ALL;

use super::tally::shorten;

/// Name of the state in which OPS went live.
pub const LIVE: &str = "s370_live";

/// Name of the state of the database when the last act of the plan was done.
pub const ACTED: &str = "s450_acted";

/// The database alone, row by row where rows matter.
pub fn of_database() -> Scope {
    Scope::nothing().database(true)
}

/// What the release consists of on a host: code, configuration, stack, cron table, ports.
pub fn of_release() -> Scope {
    let areas = ["installed", "lib", "static", "conf", "wsgi", "client_sources", "server_sources", "stacks", "home"];
    Scope::nothing().with_files(&areas).machine().processes(false)
}

/// Where a state is kept.
fn path(folder: &Folder, name: &str) -> PathBuf {
    folder.join("states").join(format!("{name}.json"))
}

/// Takes a state and keeps it as `states/<name>.json`; one that was kept before is not taken again, so that a resumed
/// step compares with what was there before it acted.
pub fn keep(s: &Step, server: &Server, scope: &Scope, name: &str) -> Result<State, StepError> {
    let folder = s.folder();
    if let Some(state) = read(s, name, State::parse)? {
        return Ok(state);
    }
    let state = capture(server, scope)?;
    let text = state.to_text();
    let part = path(folder, name).with_extension("part");
    std::fs::create_dir_all(folder.join("states"))?;
    std::fs::write(&part, &text)?;
    // Before it is there: a state that is read was kept with its hash.
    s.fact(&hash_key(name), hash(&text))?;
    std::fs::rename(&part, path(folder, name))?;
    Ok(state)
}

/// Whether an earlier attempt at this step kept a state under this name.
pub fn is_kept(s: &Step, name: &str) -> bool {
    s.fact_of(s.spec().id, &hash_key(name)).is_some()
}

/// The fact that holds a kept state's hash.
fn hash_key(name: &str) -> String {
    format!("{KEPT_STATE}{name}")
}

fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// A state kept before, if there is one.
pub fn kept(s: &Step, name: &str) -> Result<Option<State>, StepError> {
    not_lost(s, name, read(s, name, State::parse)?)
}

/// Some surfaces of a state kept before, if there is one.
pub fn kept_of(s: &Step, name: &str, surfaces: &[&str]) -> Result<Option<State>, StepError> {
    not_lost(s, name, read(s, name, |text| State::parse_only(text, surfaces))?)
}

/// A state that the journal knows is in the folder: without it a comparison would be left out, and nobody would see that.
fn not_lost(s: &Step, name: &str, state: Option<State>) -> Result<Option<State>, StepError> {
    if state.is_none() && known_hash(s, name).is_some() {
        return Err(StepError::failed(
            format!("states/{name}.json is gone from the run folder, the journal says that it was kept"),
            "put it back from a copy of the run folder, or begin a new run: without it nothing can be compared",
        ));
    }
    Ok(state)
}

/// The hash of a state, by the journal of the step whose name it begins with.
fn known_hash(s: &Step, name: &str) -> Option<String> {
    let step = ALL.iter().find(|step| step.id.starts_with(name.get(..4).unwrap_or(name)))?;
    Some(s.fact_of(step.id, &hash_key(name))?.as_str()?.to_owned())
}

/// Reads a kept state, which must be the one that the journal knows: what later steps judge by is as good as that.
fn read(
    s: &Step,
    name: &str,
    parse: impl FnOnce(&str) -> Result<State, serde_json::Error>,
) -> Result<Option<State>, StepError> {
    match std::fs::read_to_string(path(s.folder(), name)) {
        Ok(text) => {
            if known_hash(s, name).as_deref() != Some(hash(&text).as_str()) {
                return Err(StepError::failed(
                    format!("states/{name}.json of the run is not what the journal says was kept"),
                    "somebody edited the run folder: keep it, find out who did, and begin a new run",
                ));
            }
            Ok(Some(parse(&text)?))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Remembers how long the error log of a server is that was just put away: whoever starts it writes there.
pub fn remember_error_log(s: &Step, server: &Server) -> Result<(), StepError> {
    let size = server.remote().stat(&format!("{}/error_log", server.paths().logs))?.map_or(0, |entry| entry.size);
    s.fact("error_log", size)
}

/// What differs between a state and now, volatile fields aside; differences that `may` accepts are left out.
pub fn changed(
    server: &Server,
    scope: &Scope,
    before: &State,
    may: impl Fn(&Delta) -> bool,
) -> Result<Vec<Delta>, StepError> {
    let after = capture(server, scope)?;
    Ok(compare(before, &after)?.into_iter().filter(|delta| !may(delta)).collect())
}

/// What differs between two states, volatile fields aside.
pub fn compare(before: &State, after: &State) -> Result<Vec<Delta>, StepError> {
    let bad: Vec<String> = [before, after].into_iter().flat_map(misshapen).map(|bad| bad.to_string()).collect();
    if bad.is_empty() {
        return Ok(differences(before, after));
    }
    Err(StepError::failed(shorten(&bad), "look at the field: a volatile value must still have its shape"))
}

/// Differences as lines.
pub fn lines(deltas: &[Delta]) -> Vec<String> {
    deltas.iter().map(ToString::to_string).collect()
}
