//! Step 210: back up TEST.
//!
//! Procedure: "Backup anything important on TEST."
//! Method: `backup_server` on TEST, and on DEV if it is mirrored onto; the set is judged by its contents, fetched to this
//! side, restored into the scratch host and compared with its source.
//! Way back: remove the new dated set; the shared set is the newer one of the same host.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crds_upgrade::backup::{Archive, TreeSpec, compare_tables, tag_time, unpack};
use crds_upgrade::crds::{Server, TableSummary};
use crds_upgrade::host::side_by_side;
use crds_upgrade::plan::{Change, Role};
use crds_upgrade::run::{Found, Step, StepError, StepResult};
use crds_upgrade::state::Scope;
use crds_upgrade::steps::S210_BACKUP_TEST;
use serde_json::json;

use crate::common::backup_set::{dated, shared};
use crate::common::before::first;
use crate::common::known_state;
use crate::common::mirror::{VOLATILE, tables_of, without_logins};
use crate::common::scratch;
use crate::common::state::{changed, keep, lines};
use crate::common::tally::{Advice, Tally};

#[test]
fn s210_backup_test() -> StepResult {
    known_state::step(&S210_BACKUP_TEST, |s| {
        let mut t = Tally::default();
        let onto_dev = s.plan().mirrors.iter().any(|mirror| mirror.to == Role::Dev);
        let roles: &[Role] = if onto_dev { &[Role::Test, Role::Dev] } else { &[Role::Test] };
        // The hosts do not wait for each other; what was found of both is told before what broke off at either.
        let (mut archives, mut broken) = (Vec::new(), Ok(()));
        let both = side_by_side(roles, |role| {
            let mut t = Tally::default();
            let backed_up = one(s, *role, &mut t);
            (*role, t, backed_up)
        });
        for (role, found, backed_up) in both {
            t.join(found);
            match backed_up {
                Ok(archive) => archives.push(archive),
                Err(error) => broken = broken.and(Err((role, error))),
            }
        }
        if let Err((role, error)) = broken {
            return t.or_faults(s, role, advice, Err(error));
        }
        if s.fact_of(s.spec().id, "archives").is_none() {
            s.fact("archives", json!(archives))?;
        }
        for spec in s.spec().own_checks() {
            let check = spec.id.split_once('.').map_or(spec.id, |(_, id)| id);
            if s.again() && matches!(check, "nothing_else_changed" | "restored_equal") {
                continue;
            }
            t.judge(s, check, "TEST and DEV", advice(check))?;
        }
        Ok(())
    })
}

fn advice(check: &str) -> Advice {
    let (cause, next) = match check {
        "set_new_and_complete" => {
            ("a step of backup_server failed and the rest went on", "read its output in the evidence; make another set")
        }
        "contents_whole" => {
            ("mysqldump or tar failed, or a disk is full", "read its output in the evidence; make another set")
        }
        "shared_equal_dated" => ("half of the backup failed; a mirror would take the wrong half", "make another set"),
        "no_stray_dump" => ("a dump was left by a run that failed (C104)", "move it out of db_backups, then run again"),
        "copied" => ("the archive directory is full or readable by others", "make room; the copies must be mode 0600"),
        "restored_equal" => {
            ("the dump does not hold what the server has", "do not overwrite this host: its backup is not one")
        }
        _ => ("something else works on the host", "find it before the host is overwritten"),
    };
    Advice { cause, next }
}

fn one(s: &Step, role: Role, t: &mut Tally) -> Result<serde_json::Value, StepError> {
    let server = s.hosts().server(role)?;
    // An attempt that was ended may have left a set half made: it stays, and another one is made beside it.
    let resumed = s.fact_of(s.spec().id, &format!("began_{role}")).is_some();
    let began = first(s, &format!("began_{role}"), || Ok(json!(server.now()?)))?.as_f64().unwrap_or(0.0);
    let last =
        first(s, &format!("last_{role}"), || Ok(json!(server.backup_sets()?.0.last().map(|set| set.tag.clone()))))?;
    let last = last.as_str().unwrap_or_default().to_owned();
    let strays = first(s, &format!("strays_{role}"), || {
        Ok(json!(server.backup_sets()?.1.iter().map(|file| file.name.clone()).collect::<Vec<_>>()))
    })?;
    let scope = Scope::data().without_files(&["references"]).with_files(&["db_backups"]);
    let before = keep(s, &server, &scope, &format!("s210_before_{role}"))?;
    let whole = || -> Result<Option<crds_upgrade::crds::BackupSet>, StepError> {
        let set = server.backup_sets()?.0.pop().filter(|set| set.tag > last);
        Ok(set.filter(|set| server.set_names().iter().all(|name| set.file(name).is_some())))
    };
    let look = || {
        Ok(match whole()? {
            Some(_) => Found::Done,
            None => Found::NotDone, // a set that was begun stays as it is; another one is made beside it
        })
    };
    let acted = s.act(&format!("backup_{role}"), role, Change::Backup, look, |permit| {
        let ran = server.backup(permit, Duration::from_secs(4 * 3600))?;
        s.evidence(&format!("output of backup_server on {role}"), format!("{}{}", ran.text(), ran.error_text()))?;
        Ok(())
    });
    if acted.is_err() {
        let newest = server.backup_sets()?.0.pop().filter(|set| set.tag > last);
        let said = newest.map_or_else(
            || format!("{role}: no set newer than {last}"),
            |set| {
                let lacks: Vec<String> =
                    server.set_names().into_iter().filter(|name| set.file(name).is_none()).collect();
                format!("{role}: {} lacks {}", set.tag, lacks.join(", "))
            },
        );
        t.fault("set_new_and_complete", said);
    }
    acted?;
    let Some(set) = whole()? else {
        t.fault("set_new_and_complete", format!("{role}: no whole set newer than {last}"));
        return Ok(json!({}));
    };
    judge_set(s, &server, &set, began, &strays, t)?;
    // Nothing but the set came since then, or `nothing_else_changed` says what.
    copy_and_restore(s, &server, (&set, &tables_of(&before)), t)?;
    if !s.again() {
        let own = |tag: &str| tag == set.tag || (resumed && *last < *tag && *tag < *set.tag);
        let differs = changed(&server, &scope, &before, |delta| {
            (delta.surface == "files:db_backups" && own(delta.key.split('/').next().unwrap_or_default()))
                || (delta.surface == "files:monitor" && delta.key == "old_context.txt")
                || delta.surface == "files:config"
        })?;
        for line in lines(&differs) {
            t.fault("nothing_else_changed", format!("{role}: {line}"));
        }
        t.proof("nothing_else_changed", format!("{role}: only {} came", set.tag));
    }
    let path = path(s, role);
    let mut hash = blake3::Hasher::new();
    std::io::copy(&mut std::fs::File::open(&path)?, &mut hash)?;
    Ok(json!({ "path": path, "blake3": hash.finalize().to_hex().to_string() }))
}

fn judge_set(
    s: &Step,
    server: &Server,
    set: &crds_upgrade::crds::BackupSet,
    began: f64,
    strays: &serde_json::Value,
    t: &mut Tally,
) -> Result<(), StepError> {
    let role = server.role();
    let night = dated(s, server, set)?;
    t.evidence("contents_whole", &night.evidence);
    for fault in night.incomplete(server, &server.set_names()) {
        t.fault("set_new_and_complete", format!("{role}: {fault}"));
    }
    let oldest = night.listed.iter().map(|file| file.entry.mtime).fold(f64::INFINITY, f64::min);
    t.hold(
        "set_new_and_complete",
        oldest >= began.floor() - 1.0,
        format!("{role}: {} made after the step began", set.tag),
    );
    let now = server.local_now()?.datetime();
    if let Some(tag) = tag_time(&set.tag).filter(|tag| *tag > now.saturating_add(jiff::Span::new().minutes(5))) {
        t.fault("set_new_and_complete", format!("{role}: the set is dated {tag}, it is {now} there"));
    }
    let mut faults = night.unreadable();
    faults.extend(night.bad_dump(server));
    faults.extend(night.against_live(server, began)?);
    faults.extend(night.bad_deliveries(server, began)?);
    faults.extend(night.stale_rows(server)?);
    let completed = night.dump_time();
    if completed.is_none_or(|time| time < server.local(began - 1.0).map_or(time, |from| from.datetime())) {
        faults.push(format!("the dump is older than the step: completed {completed:?}"));
    }
    for fault in faults {
        t.fault("contents_whole", format!("{role}: {fault}"));
    }
    t.proof("contents_whole", format!("{role}: {:?}", night.facts.members));
    let common = shared(s, server)?;
    let mut faults = common.incomplete(server, &server.shared_names());
    faults.extend(night.unlike(&common));
    for fault in faults {
        t.fault("shared_equal_dated", format!("{role}: {fault}"));
    }
    t.proof("shared_equal_dated", format!("{role}: {} shared files", common.listed.len()));
    let now: Vec<String> = server.backup_sets()?.1.into_iter().map(|file| file.name).collect();
    for stray in
        now.iter().map(String::as_str).chain(strays.as_array().into_iter().flatten().filter_map(|name| name.as_str()))
    {
        t.fault("no_stray_dump", format!("{role}: stray {stray}"));
    }
    t.proof("no_stray_dump", format!("{role}: none"));
    Ok(())
}

fn path(s: &Step, role: Role) -> PathBuf {
    s.site().archive_dir.join(s.folder().name()).join(format!("backup-{role}.tar.zst"))
}

fn copy_and_restore(
    s: &Step,
    server: &Server,
    (set, source): (&crds_upgrade::crds::BackupSet, &BTreeMap<String, TableSummary>),
    t: &mut Tally,
) -> Result<(), StepError> {
    let role = server.role();
    let path = path(s, role);
    if !path.exists() {
        let directory = path.parent().map(PathBuf::from).unwrap_or_default();
        let paths = [set.tag.clone()];
        let spec = TreeSpec { base: &server.paths().db_backups, paths: &paths, exclude: &[] };
        let mut progress = |bytes: u64| s.progress(&format!("copying the set of {role}"), bytes, 0, "bytes");
        let archive = Archive::pull(
            server.remote(),
            &spec,
            &directory,
            &format!("backup-{role}"),
            &mut progress,
            Duration::from_secs(3600),
        )?;
        t.hold(
            "copied",
            archive.complaints.is_empty(),
            format!("{role}: tar complains of `{}`", archive.complaints.trim()),
        );
    }
    let (_, packed) = Archive::verify(&path)?;
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path)?.permissions()) & 0o777;
    t.hold("copied", mode == 0o600, format!("{role}: {} with mode {mode:04o}", path.display()));
    let live = server.remote().hash_tree(&set.path, crds_upgrade::host::Algorithm::Sha256)?;
    for (name, sum) in &live {
        let kept = packed.members.get(&format!("{}/{name}", set.tag));
        if kept.is_none_or(|member| member.sha256 != *sum) {
            t.fault("copied", format!("{role}: {name} differs from the copy"));
        }
    }
    if s.again() {
        return Ok(());
    }
    if scratch::host(s)?.is_none() {
        s.not_checked(&format!("restore of {role}"), "the site has no scratch host")?;
        return Ok(());
    }
    let dump = Archive::member(&path, &format!("{}/backup.{}.mysql.gz", set.tag, server.tail()), 2 << 30)?;
    let dump = String::from_utf8_lossy(&unpack(&dump)?).into_owned();
    let mut restored = scratch::load_dump(s, &format!("restore_{role}"), &dump)?;
    without_logins(&mut restored);
    restored.retain(|table, _| source.contains_key(table));
    for difference in compare_tables(source, &restored, &VOLATILE) {
        t.fault("restored_equal", format!("{role}: {difference}"));
    }
    let directory = scratch::unpack(s, &format!("unpack_{role}"), &path, &format!("backup-{role}"))?;
    let copy = scratch::manifest(s, &directory)?;
    for difference in packed.differences(&copy, true).into_iter().filter(|difference| !difference.path.is_empty()) {
        t.fault("restored_equal", format!("{role}: {difference}"));
    }
    t.proof("restored_equal", format!("{role}: {} tables, {} files", restored.len(), copy.members.len()));
    Ok(())
}
