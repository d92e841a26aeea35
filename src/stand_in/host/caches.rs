//! The file caches: each server's own, and the published one that OPS fills and DEV links into (SO 3.1).

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::contexts::{Known, View};
use super::{LayOutError, files};
use crate::stand_in::derive::submissions::placeholder;
use crate::stand_in::fleet::spec::{Fleet, Host, Role};
use crate::stand_in::tools::crds::{is_mapping, python_literal};

/// The cache of a host.
pub fn of(host: &Host) -> PathBuf {
    host.root().join("ifs/crds").join(&host.observatory).join(&host.use_case).join("file_cache")
}

/// `server_files` of a host.
pub fn server_files(host: &Host) -> PathBuf {
    host.root().join("ifs/crds").join(&host.observatory).join(&host.use_case).join("server_files")
}

/// The published cache, `/grp/crds/<obs>`, as OPS last synced it.
pub fn publish(fleet: &Fleet, known: &Known) -> Result<(), LayOutError> {
    let view = known.of(Role::Ops);
    let root = fleet.root.join("grp/crds").join(&fleet.observatory);
    write(&root, &fleet.observatory, &view, None)?;
    let config = root.join("config").join(&fleet.observatory);
    let url = fleet.host(Role::Ops).and_then(Host::proxy_url).unwrap_or_default();
    store_info(&config, &fleet.observatory, &view, &url)
}

/// Fills the cache of a server; DEV's references are links into the published cache.
pub fn fill(host: &Host, view: &View<'_>) -> Result<(), LayOutError> {
    let root = of(host);
    let published = host.root().join("grp/crds").join(&host.observatory).join("references").join(&host.observatory);
    write(&root, &host.observatory, view, (host.role == Role::Dev).then_some(published.as_path()))?;
    let config = root.join("config").join(&host.observatory);
    store_info(&config, &host.observatory, view, &host.proxy_url().unwrap_or_default())
}

fn write(root: &Path, observatory: &str, view: &View<'_>, links_into: Option<&Path>) -> Result<(), LayOutError> {
    let part = |kind: &str| root.join(kind).join(observatory);
    for kind in ["mappings", "references", "config"] {
        files::directory(&part(kind), 0o755)?;
    }
    let read_only = Permissions::from_mode(0o444);
    for name in &view.mappings {
        let to = part("mappings").join(name);
        fs::copy(view.known.rules.join(name), &to).map_err(|source| LayOutError::file("copy to", &to, source))?;
        fs::set_permissions(&to, read_only.clone()).map_err(|source| LayOutError::file("close", &to, source))?;
    }
    let references = part("references");
    for name in view.references.keys() {
        let to = references.join(name);
        match links_into {
            Some(published) => files::link(published.join(name), &to)?,
            None => files::read_only(&to, &placeholder(name))?,
        }
    }
    Ok(())
}

/// What the last sync stored of the server's answer.
fn store_info(config: &Path, observatory: &str, view: &View<'_>, proxy: &str) -> Result<(), LayOutError> {
    let url = |kind: &str| json!({observatory: format!("{proxy}/unchecked_get/{kind}/{observatory}/")});
    let history: Vec<Value> = view
        .known
        .history(view.operational())
        .iter()
        .rev()
        .map(|(start, context, why)| json!([start, context, why]))
        .collect();
    let info = json!({
        "observatory": observatory,
        "operational_context": view.operational(),
        "edit_context": view.operational(),
        "versions_context": "",
        "bad_files_list": [],
        "context_history": history,
        "mappings": view.mappings.iter().filter(|name| is_mapping(name)).collect::<Vec<_>>(),
        "force_remote_mode": 0,
        "last_synced": "2014-09-15 23:55:02.412077",
        "last_refreshed": "2014-09-15 20:00:03.118456",
        "crds_version": {"str": "1.1.0", "rev": "4", "svnurl": "/"},
        "max_headers_per_rpc": 1000,
        "max_bestrefs_per_rpc": 1000,
        "reference_url": url("references"),
        "mapping_url": url("mappings"),
    });
    files::file(&config.join("server_config"), python_literal(&info, 0), 0o644)?;
    files::file(&config.join("bad_files.txt"), "", 0o644)?;
    files::file(&config.join("ref_cache_subdir_mode"), "flat\n", 0o644)
}
