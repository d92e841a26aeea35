//! Step 310: wipe the installation.
//!
//! Procedure: "Wipe the software installation directories, not the stacks."
//! Method: the plan's list is looked at entry by entry (nothing on it may be a link to elsewhere), then removed, and the
//! inventory of everything else compared with the one before. `lib/` stays, only the link in it goes (SO 7).
//! Way back: restore the directories from the archive of step 260.

use std::collections::BTreeMap;

use crds_upgrade::crds::{Server, SetFile};
use crds_upgrade::host::{Entry, EntryKind};
use crds_upgrade::plan::{Change, Role};
use crds_upgrade::run::{Found, Step, StepError, StepResult};
use crds_upgrade::state::{Delta, Scope};
use crds_upgrade::steps::S310_WIPE_INSTALLATION;
use serde_json::json;

use crate::common::archives;
use crate::common::before::first;
use crate::common::known_state;
use crate::common::state;
use crate::common::tally::{Advice, Tally, shorten};

/// What must survive the wipe: entries of the install root and what lies beside it.
const PROTECTED: [&str; 5] = ["crds_stacks", "monitor_reprocessing", "server", "CRDS", "CRDS_server"];

#[test]
fn s310_wipe_installation() -> StepResult {
    known_state::step(&S310_WIPE_INSTALLATION, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let plan = s.plan().clone();
        let mut tally = Tally::default();
        let scope = Scope::data().database(false).with_files(&[
            "db_backups",
            "stacks",
            "client_sources",
            "server_sources",
            "home",
            "captures",
            "secrets",
            "server",
            "server_files",
        ]);
        let before = state::keep(s, &ops, &scope, "s310_before")?;
        let present = present(s, &ops, &plan.wipe)?;
        if !s.again() {
            list_safe(&ops, &plan.wipe, &present, &mut tally)?;
            // What would bring back what is removed: looked at here as well, because this step may be run by itself.
            archives::closed(s, &mut tally, "list_safe")?;
            made_by_hand(s, &ops, &present, &mut tally)?;
            if tally.has_fault("list_safe") {
                tally.judge(s, "list_safe", Role::Ops, LIST)?;
                return Err(StepError::failed("nothing was removed", LIST.next));
            }
        }
        let roots = roots(s, &ops)?;
        let shared = first(s, "shared", || shared_set(&ops))?;
        let logs = first(s, "logs", || log_sizes(&ops))?;
        let look = || {
            let still = there(&ops, &present)?;
            Ok(match still.len() {
                0 => Found::Done,
                all if all == present.len() => Found::NotDone,
                _ => Found::Half(format!("still there: {}", shorten(&still))),
            })
        };
        // A later install brings the directories back: then their absence is no longer to be seen.
        if !s.again() {
            let acted =
                s.act("wipe", Role::Ops, Change::Wipe, look, |permit| Ok(ops.wipe(permit, &plan.wipe).map(drop)?));
            if let Err(error) = acted {
                tally.fault("gone", error.text().to_owned());
                return tally.or_faults(s, Role::Ops, |_| GONE, Err(error));
            }
            let left = there(&ops, &plan.wipe)?;
            for path in &plan.wipe {
                tally.hold("gone", !left.contains(path), format!("{path} is gone"));
            }
            lib_kept(&ops, &mut tally)?;
            nothing_else_gone(&ops, &plan.wipe, &roots, &mut tally)?;
        }
        // Some of what lies beside the logs is on the list itself.
        let listed =
            |delta: &Delta| delta.surface == "files:server" && plan.wipe.contains(&format!("server/{}", delta.key));
        let found = state::changed(&ops, &scope, &before, listed)?;
        let mut lines = state::lines(&found);
        if shared_set(&ops)? != shared {
            lines.push("the shared backups of OPS are not what they were".to_owned());
        }
        // They may grow, until somebody empties one.
        let sizes = log_sizes(&ops)?;
        for (path, size) in logs.as_object().into_iter().flatten() {
            let now = sizes[path].as_u64();
            if now < size.as_u64() {
                lines.push(format!(
                    "the log {path} had {size} bytes, now {}",
                    now.map_or("none".into(), |now| now.to_string())
                ));
            }
        }
        tally.hold(
            "protected_untouched",
            lines.is_empty(),
            if lines.is_empty() { "stacks, backups, checkouts, data as before".to_owned() } else { shorten(&lines) },
        );
        let mut checks = vec![(
            "protected_untouched",
            Advice {
                cause: "the wipe reached a protected tree through a link, or somebody else works on the host",
                next: "restore the tree from the archive of step 260 before anything else",
            },
        )];
        if !s.again() {
            checks.extend([
                ("list_safe", LIST),
                ("gone", GONE),
                (
                    "lib_kept",
                    Advice {
                        cause: "lib/ itself was removed: install makes a file of that name then (SO 7)",
                        next: "mkdir lib in the install root",
                    },
                ),
                (
                    "nothing_else_gone",
                    Advice {
                        cause: "the list named more than the installation",
                        next: "restore it from the archive of step 260",
                    },
                ),
            ]);
        }
        for (check, advice) in checks {
            tally.judge(s, check, Role::Ops, advice)?;
        }
        Ok(())
    })
}

/// The shared set of OPS by name, size and date: they lie outside the installation.
pub fn shared_set(ops: &Server) -> Result<serde_json::Value, StepError> {
    let of = |file: &SetFile| format!("{} {} {:.0}", file.name, file.entry.size, file.entry.mtime.floor());
    Ok(json!(ops.shared_set()?.iter().map(of).collect::<Vec<_>>()))
}

/// Bytes of each log of the server.
fn log_sizes(ops: &Server) -> Result<serde_json::Value, StepError> {
    Ok(ops.logs()?.into_iter().map(|log| (log.path, json!(log.size))).collect::<serde_json::Map<_, _>>().into())
}

const GONE: Advice = Advice {
    cause: "files of another owner, a read-only file system, or a job that makes them anew",
    next: "remove by hand what is left, after looking at it",
};
const LIST: Advice = Advice {
    cause: "a directory of the list is a link, or the list names something that must stay",
    next: "look where the link leads; correct the host or the plan's `wipe`; nothing was removed",
};

/// Entries of the list that were there before.
fn present(s: &Step, ops: &Server, list: &[String]) -> Result<Vec<String>, StepError> {
    if let Some(known) = s.fact_of(s.spec().id, "present") {
        return Ok(serde_json::from_value(known)?);
    }
    let present = there(ops, list)?;
    s.fact("present", json!(present))?;
    Ok(present)
}

/// Those of some paths below the install root that are there.
fn there(ops: &Server, list: &[String]) -> Result<Vec<String>, StepError> {
    let full = |path: &String| format!("{}/{path}", ops.paths().crds);
    let seen = ops.remote().stats(&list.iter().map(full).collect::<Vec<_>>())?;
    Ok(list.iter().filter(|path| seen.contains_key(&full(path))).cloned().collect())
}

/// Names in the install root before the wipe.
fn roots(s: &Step, ops: &Server) -> Result<Vec<String>, StepError> {
    if let Some(known) = s.fact_of(s.spec().id, "roots") {
        return Ok(serde_json::from_value(known)?);
    }
    let entries = ops.remote().list(&ops.paths().crds, Some(1))?;
    let names: Vec<String> = entries.into_iter().map(|entry| entry.path).filter(|path| !path.is_empty()).collect();
    s.fact("roots", json!(names))?;
    Ok(names)
}

fn list_safe(ops: &Server, list: &[String], present: &[String], tally: &mut Tally) -> Result<(), StepError> {
    let check = "list_safe";
    if present.is_empty() {
        tally.fault(check, "nothing of the list is there: wrong host, or wiped before");
    }
    if let Some(root) = ops.remote().stat(&ops.paths().crds)?.filter(|root| root.kind == EntryKind::Link) {
        tally.fault(check, format!("{} is a symbolic link to {}", ops.paths().crds, root.target));
    }
    for path in list {
        let first = path.split('/').next().unwrap_or_default();
        let escapes =
            path.is_empty() || path.starts_with('/') || path.split('/').any(|part| part == ".." || part == ".");
        let whole = PROTECTED.contains(&path.as_str()) || path == "lib" || first == "crds_stacks";
        if escapes || whole {
            tally.fault(check, format!("`{path}` must not be removed"));
            continue;
        }
        let parts: Vec<&str> = path.split('/').collect();
        let way: Vec<String> =
            (1..=parts.len()).map(|depth| format!("{}/{}", ops.paths().crds, parts[..depth].join("/"))).collect();
        let entries = ops.remote().stats(&way)?;
        for (depth, at) in way.iter().enumerate() {
            let Some(entry) = entries.get(at) else { break };
            // The link to mod_wsgi.so is what install makes; every other link leads to what must stay.
            let the_module = path == "lib/mod_wsgi.so" && depth + 1 == parts.len();
            if entry.kind == EntryKind::Link && !the_module {
                tally.fault(check, format!("{path}: {at} is a symbolic link to {}", entry.target));
            }
        }
    }
    tally.proof(check, format!("{} entries, {} of them there, none a link to elsewhere", list.len(), present.len()));
    Ok(())
}

/// Files that came into what is removed since preflight: an installation makes the same ones each time.
fn made_by_hand(s: &Step, ops: &Server, present: &[String], tally: &mut Tally) -> Result<(), StepError> {
    const AREAS: [(&str, &str); 4] = [
        ("files:installed", "python"),
        ("files:static", "static"),
        ("files:conf", "server/conf"),
        ("files:wsgi", "server/wsgi-scripts"),
    ];
    let before = state::kept_of(s, "s010_ops", &AREAS.map(|(surface, _)| surface))?.unwrap_or_default();
    for (surface, path) in AREAS.iter().filter(|(_, path)| present.iter().any(|there| there == path)) {
        let Some(known) = before.surfaces.get(*surface) else { continue };
        let full = format!("{}/{path}", ops.paths().crds);
        // Gone already where an attempt was ended after the wipe.
        if ops.remote().stat(&full)?.is_none() {
            continue;
        }
        for entry in ops.remote().list(&full, None)? {
            let compiled = entry.path.ends_with(".pyc") || entry.path.contains("__pycache__");
            if entry.kind == EntryKind::File && !compiled && !known.contains_key(&entry.path) {
                tally.fault("list_safe", format!("{path}/{} was not there at preflight: whose is it?", entry.path));
            }
        }
    }
    Ok(())
}

fn lib_kept(ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let lib = ops.remote().stat(&format!("{}/lib", ops.paths().crds))?;
    if let Some(lib) = lib.as_ref().filter(|lib| lib.mode & 0o002 != 0) {
        // What the web server loads is linked from there.
        tally.fault("lib_kept", format!("lib/ has mode {:04o}: everybody can write into it", lib.mode & 0o7777));
    }
    let is_directory = lib.as_ref().is_some_and(|lib: &Entry| lib.kind == EntryKind::Directory);
    tally.hold(
        "lib_kept",
        is_directory,
        format!("lib/ is {}", lib.map_or("gone".to_owned(), |lib| format!("{:?}", lib.kind))),
    );
    Ok(())
}

fn nothing_else_gone(ops: &Server, list: &[String], roots: &[String], tally: &mut Tally) -> Result<(), StepError> {
    let now: BTreeMap<String, ()> =
        ops.remote().list(&ops.paths().crds, Some(1))?.into_iter().map(|entry| (entry.path, ())).collect();
    let gone: Vec<String> =
        roots.iter().filter(|name| !now.contains_key(*name) && !list.contains(name)).cloned().collect();
    tally.hold(
        "nothing_else_gone",
        gone.is_empty(),
        if gone.is_empty() { format!("{} entries kept", now.len()) } else { shorten(&gone) },
    );
    Ok(())
}
