//! Step 150: verify that the nightly backup executed.
//!
//! Procedure: "Verify that the nightly backup executed."
//! Method: fetch last night's dated set and the shared copies; judge their contents, not their names (SO 11).
//! Way back: nothing is changed.

use crds_upgrade::backup::tag_time;
use crds_upgrade::host::EntryKind;
use crds_upgrade::plan::Role;
use crds_upgrade::review;
use crds_upgrade::run::{StepResult, harness};
use crds_upgrade::steps::S150_VERIFY_NIGHTLY_BACKUP;

use crate::common::backup_set::{dated, dump_of, last_night, newest, said, shared};
use crate::common::before::first;
use crate::common::lagging;
use crate::s310_wipe_installation::shared_set;

#[test]
fn s150_verify_nightly_backup() -> StepResult {
    harness::step(&S150_VERIFY_NIGHTLY_BACKUP, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let limits = s.plan().thresholds.clone();
        let (from, to) = last_night(&ops.local_now()?, limits.backup_within_h);
        let (sets, stray) = ops.backup_sets()?;
        let (newest, before) = newest(&sets);
        let listing = s.evidence(
            "dated sets of OPS",
            serde_json::json!(sets.iter().map(|set| &set.tag).collect::<Vec<_>>()).to_string(),
        )?;
        let tag = newest.map_or_else(|| "none".to_owned(), |set| set.tag.clone());
        let in_night = |time: jiff::civil::DateTime| from <= time && time <= to;
        // What lies elsewhere goes with whatever lies there.
        let links = stray.iter().filter(|file| file.entry.kind == EntryKind::Link && tag_time(&file.name).is_some());
        let links: Vec<String> =
            links.map(|file| format!("; {} is a link to {}", file.name, file.entry.target)).collect();
        s.check("dated_last_night")
            .on(Role::Ops)
            .expected(format!("a set made between {from} and {to}"))
            .observed(format!("the newest set is {tag}{}", links.concat()))
            .evidence(&listing)
            .cause("the nightly did not run, or ran at another hour (D127)")
            .next_move("read the nightly mail; make a set with tools/backup_server before going on")
            .require(tag_time(&tag).is_some_and(in_night) && links.is_empty())?;
        let Some(set) = newest else { return Ok(()) };
        let night = dated(s, &ops, set)?;
        let made = night.listed.iter().map(|file| file.entry.mtime).fold(f64::INFINITY, f64::min);

        let mut faults = night.incomplete(&ops, &ops.set_names());
        // Whoever can write into it can replace what a restore would take.
        let mode = ops.remote().stat(&set.path)?.map_or(0, |entry| entry.mode & 0o7777);
        if mode & 0o002 != 0 {
            faults.push(format!("the directory of {tag} has mode {mode:04o}: everybody can write into it"));
        }
        for file in &night.listed {
            let written = ops.local(file.entry.mtime)?.datetime();
            if !in_night(written) {
                faults.push(format!("{} was written {written}, not last night", file.name));
            }
        }
        s.check("set_complete")
            .on(Role::Ops)
            .expected(format!("{} files, none empty, the dump 0600", ops.set_names().len()))
            .observed(said(&faults, format!("{} files in {tag}", night.listed.len())))
            .evidence(&night.evidence)
            .cause("a step of backup_server failed and the rest went on (SO 11)")
            .next_move("read cron/backup.*.err; make a new set and run again")
            .judge(faults.is_empty())?;

        let mut faults = night.unreadable();
        faults.extend(night.against_live(&ops, made)?);
        s.check("archives_readable")
            .on(Role::Ops)
            .observed(said(&faults, format!("members {:?}", night.facts.members)))
            .evidence(&night.evidence)
            .cause("tar or gzip failed, a full disk, or an archive of the wrong directory (C100)")
            .next_move("make a new set with tools/backup_server and run again")
            .judge(faults.is_empty())?;

        let now = night.dump_text().ok();
        let then = before.map(|set| dump_of(&ops, set)).transpose()?.flatten();
        let mut faults = night.bad_dump(&ops);
        faults.extend(night.unlike_live(&ops)?);
        // No release came between: a load of this one would make other tables, or read other letters.
        if let Some((now, then)) = now.zip(then.as_deref()) {
            faults.extend(crds_upgrade::backup::made_otherwise(then, now));
        }
        s.check("dump_whole")
            .on(Role::Ops)
            .observed(said(
                &faults,
                format!(
                    "{} tables of {}",
                    night.facts.dump.as_ref().map_or(0, |d| d.tables.len()),
                    ops.expected().database
                ),
            ))
            .evidence(&night.evidence)
            .cause("mysqldump failed, was cut short, or dumped another database")
            .next_move("make a new set with tools/backup_server and run again")
            .judge(faults.is_empty())?;

        let mut faults = night.stale_rows(&ops)?;
        if let Ok(dump) = night.dump() {
            faults.extend(lagging::dumped(&ops, dump).into_iter().map(|fault| format!("counter in the dump: {fault}")));
        }
        let completed = night.dump_time();
        if !completed.is_some_and(in_night) {
            let said = completed.map_or_else(|| "no date".to_owned(), |time| time.to_string());
            faults.insert(0, format!("the dump is older than last night: completed {said}"));
        }
        s.check("dump_is_fresh")
            .on(Role::Ops)
            .expected(format!("completed between {from} and {to}, reaching the rows of that time"))
            .observed(said(&faults, completed.map_or_else(String::new, |time| format!("completed {time}"))))
            .evidence(&night.evidence)
            .cause("a stray older dump was published as tonight's (C104)")
            .next_move("remove stray dumps from db_backups, make a new set, run again")
            .judge(faults.is_empty())?;

        // The dump's own size: how well it was packed says nothing.
        let size = |dump: &str| dump.len() as u64;
        let (now, then) = (now.map(size), then.as_deref().map(size));
        let change = now.zip(then).filter(|(_, then)| *then > 0).map(|(now, then)| now.abs_diff(then) * 100 / then);
        s.check("size_plausible")
            .on(Role::Ops)
            .expected(format!("within {} % of the night before", limits.dump_change_percent))
            .observed(format!("{} bytes, the night before {}", now.unwrap_or(0), then.unwrap_or(0)))
            .evidence(&night.evidence)
            .cause("a table is missing or empty, or the night before was bad")
            .next_move("compare the two dumps by hand")
            .judge(change.map(|change| change <= u64::from(limits.dump_change_percent)))?;

        let common = shared(s, &ops)?;
        let mut faults = common.incomplete(&ops, &ops.shared_names());
        let mode = ops.remote().stat(&ops.paths().shared_backups)?.map_or(0, |entry| entry.mode & 0o7777);
        if mode & 0o002 != 0 {
            faults.push(format!("the directory of the shared set has mode {mode:04o}: everybody can write into it"));
        }
        faults.extend(night.unlike(&common));
        first(s, "shared", || shared_set(&ops))?;
        s.check("shared_equal_dated")
            .on(Role::Ops)
            .observed(said(&faults, format!("{} shared files", common.listed.len())))
            .evidence(&common.evidence)
            .cause("half of the backup failed, or another backup overwrote the shared set (C101, C103)")
            .next_move("a mirror or restore would take the shared set: make a new one before going on")
            .judge(faults.is_empty())?;

        let strays: Vec<String> = stray.iter().map(|file| format!("stray {}", file.name)).collect();
        s.check("no_stray_dump")
            .on(Role::Ops)
            .observed(said(&strays, "nothing but dated sets"))
            .evidence(&listing)
            .cause("a dump that was not moved; the next failing backup would publish it (C104)")
            .next_move("move it out of db_backups, then run again")
            .judge(strays.is_empty())?;

        let log_path = format!("{}/backup.{}.err", ops.paths().cron_logs, ops.tail());
        let row = s.check("log_clean").on(Role::Ops).cause("the backup's own words say that a step failed");
        let row = row.next_move("read the log; make a new set and run again");
        match ops.remote().stat(&log_path)? {
            None => row.unknown(format!("there is no log {log_path}"))?,
            Some(entry) => {
                let bytes = ops.remote().read_file(&log_path, 64 << 20)?;
                let kept = s.evidence("backup log of OPS", &bytes)?;
                let mut faults = review::error_words(&review::text(&bytes));
                let written = ops.local(entry.mtime)?.datetime();
                if !in_night(written) {
                    faults.insert(0, format!("the log was written {written}, not last night"));
                }
                row.observed(said(&faults, format!("written {written}"))).evidence(&kept).judge(faults.is_empty())?
            }
        };

        let faults = night.bad_deliveries(&ops, made)?;
        let listed = night.facts.deliveries.as_ref().map_or(0, |list| list.names.len());
        s.check("deliveries_list")
            .on(Role::Ops)
            .observed(said(&faults, format!("{listed} names")))
            .evidence(&night.evidence)
            .cause("`ls` was the alias with type marks (C107), or the directory was not mounted (A005)")
            .next_move("make a new set with tools/backup_server and run again")
            .judge(faults.is_empty())?;

        let need: u64 = night.listed.iter().map(|file| file.entry.size).sum();
        let (free, used) = ops.disk(&ops.paths().db_backups)?;
        s.check("room_for_another")
            .on(Role::Ops)
            .expected(format!("room for two more sets of {} KB", need / 1024))
            .observed(format!("{free} KB free, {used} % used"))
            .cause("old sets, logs or captures fill the disk")
            .next_move("free space on the disk of db_backups")
            .judge(free > 2 * need / 1024)?;
        Ok(())
    })
}
