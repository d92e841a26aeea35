//! The scratch host: where archives are restored to prove them (design, promise 7).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crds_upgrade::backup::{self, Manifest};
use crds_upgrade::crds::{Server, TableSummary, answers, questions};
use crds_upgrade::host::{Algorithm, Limit, Remote, Script, Shell};
use crds_upgrade::plan::{Change, Role};
use crds_upgrade::run::{Found, Step, StepError};

/// Makes an empty directory below the scratch area.
const MAKE: Script = Script {
    name: "make room on the scratch host",
    shell: Shell::Sh,
    text: r#"mkdir -p "$1" && [ -z "$(ls -A "$1")" ] || { chmod -R u+rwx "$1"; rm -rf --one-file-system "$1" && mkdir -p "$1"; }"#,
};

/// Longest restore that is waited for.
const LONGEST: Duration = Duration::from_secs(4 * 3600);

/// The scratch host, or nothing where the site has none: then what needs it is unknown.
pub fn host(s: &Step) -> Result<Option<Arc<Server>>, StepError> {
    match s.site().host(Role::Scratch) {
        None => Ok(None),
        Some(_) => Ok(Some(server(s)?)),
    }
}

/// The scratch host, recognised.
fn server(s: &Step) -> Result<Arc<Server>, StepError> {
    s.hosts().server(Role::Scratch)
}

/// Where `name` is restored on the scratch host.
fn directory(s: &Step, remote: &Remote, name: &str) -> String {
    remote.path(&format!("/crds/data1/restored/{}/{name}", s.folder().name()))
}

/// Restores an archive of this side into a directory of its own; returns that directory.
pub fn unpack(s: &Step, act: &str, archive: &Path, name: &str) -> Result<String, StepError> {
    let scratch = server(s)?;
    let remote = scratch.remote();
    let directory = directory(s, remote, name);
    let (_, packed) = backup::Archive::verify(archive)?;
    let wanted = packed.members.len();
    let look = || {
        if remote.stat(&directory)?.is_none() {
            return Ok(Found::NotDone);
        }
        // A half restore is thrown away and made again: nothing but a copy lies there.
        let have = remote.list(&directory, None)?.len();
        Ok(if have + 1 >= wanted { Found::Done } else { Found::NotDone })
    };
    s.act(act, Role::Scratch, Change::RestoreInto, look, |permit| {
        remote.act(permit, Change::RestoreInto, &MAKE, &[&directory], Limit::WALK)?;
        backup::restore(remote, permit, archive, &directory, LONGEST)?;
        Ok(())
    })?;
    Ok(directory)
}

/// What lies in a directory of the scratch host.
pub fn manifest(s: &Step, directory: &str) -> Result<Manifest, StepError> {
    let scratch = server(s)?;
    let remote = scratch.remote();
    let entries = remote.list(directory, None)?;
    let hashes = remote.hash_tree(directory, Algorithm::Sha256)?;
    Ok(Manifest::of_listing(&entries, &hashes))
}

/// Loads a dump into a database of its own on the scratch host and summarises its tables.
pub fn load_dump(s: &Step, act: &str, dump: &str) -> Result<BTreeMap<String, TableSummary>, StepError> {
    let scratch = server(s)?;
    let remote = scratch.remote();
    let entry = s.hosts().entry(Role::Scratch)?;
    let name: String =
        format!("{}_{}", entry.identity.database, act.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
    let wanted = backup::DumpFacts::of(dump).tables;
    let look = || Ok(if tables(remote, &name)? == wanted.len() { Found::Done } else { Found::NotDone });
    s.act(act, Role::Scratch, Change::RestoreInto, look, |permit| {
        let recreate = format!("drop database if exists {name};\ncreate database {name};\n");
        remote.act_with(permit, Change::RestoreInto, &["mysql"], recreate.as_bytes(), Limit::WALK)?;
        let mut bytes = dump.as_bytes();
        remote.feed(permit, Change::RestoreInto, &["mysql", &name], &mut bytes, LONGEST)?;
        Ok(())
    })?;
    let sql: Vec<String> = wanted.iter().map(|table| format!("select * from {table} order by 1")).collect();
    let limit = Limit { output: 256 << 20, ..Limit::WALK };
    let ran = remote.look_with(&["mysql", "--batch", &name], format!("{};\n", questions(&sql)).as_bytes(), limit)?;
    let rows = answers(ran.text(), wanted.len()).map_err(|odd| {
        let said: String = odd.chars().take(200).collect();
        StepError::unknown(
            format!("what was restored into {name} is not understood: {} `{said}`", ran.last_line()),
            "look at it with mysql on the scratch host",
        )
    })?;
    Ok(wanted.into_iter().zip(rows).map(|(table, rows)| (table, rows.summary())).collect())
}

/// How many tables a database of the scratch host has; 0 if there is no such database.
fn tables(remote: &Remote, name: &str) -> Result<usize, StepError> {
    let ran = remote.look(&["mysql", "--batch", name, "-e", "show tables"], Limit::QUICK)?;
    if !ran.is_zero() && !ran.error_text().contains("Unknown database") {
        return Err(StepError::unknown(
            format!("the scratch host's database answers `{}`", ran.last_line()),
            "start it, and put its account into ~/.my.cnf of the scratch host",
        ));
    }
    Ok(ran.text().lines().skip(1).filter(|line| !line.trim().is_empty()).count())
}
