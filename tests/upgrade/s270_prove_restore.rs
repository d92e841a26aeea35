//! Step 270: prove the restores.
//!
//! Procedure: nothing; a backup counts once it was restored elsewhere and compared.
//! Method: the archives of steps 220 and 260 and last night's dump are restored into the scratch host and compared with
//! the source: tables, rules, trees, catalogues and deliveries. The time that it took is the way back's measure.
//! Way back: nothing to take back; the scratch host is emptied by its owner.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crds_upgrade::backup::{Archive, Dump, Manifest, compare_tables, first_difference, unpack};
use crds_upgrade::crds::{Server, TABLES, TableSummary};
use crds_upgrade::host::Algorithm;
use crds_upgrade::plan::Role;
use crds_upgrade::run::{Step, StepError, StepResult, harness};
use crds_upgrade::steps::S270_PROVE_RESTORE;

use crate::common::archives;
use crate::common::rules::sha1;
use crate::common::scratch;
use crate::common::state::kept_of;
use crate::common::tally::{Advice, Tally, shorten};
use crate::{s220_backup_ops_rules, s260_backup_ops_tree};

/// Tables that a running server changes by itself between the dump and now.
const VOLATILE: [&str; 5] = ["django_session", "jpoll_channel", "jpoll_message", "locking_lock", "auth_user"];

#[test]
fn s270_prove_restore() -> StepResult {
    harness::step(&S270_PROVE_RESTORE, |s| {
        if s.again() {
            return kept(s);
        }
        let ops = s.hosts().server(Role::Ops)?;
        if scratch::host(s)?.is_none() {
            return without_scratch(s);
        }
        let mut tally = Tally::default();
        let began = Instant::now();
        // Side by side, as in an emergency: none waits for another.
        tally.looks(&[
            ("database_equal", &|t| database(s, &ops, t)),
            ("rules_equal", &|t| rules(s, &ops, t)),
            ("tree_equal", &|t| tree(s, &ops, t)),
        ]);
        let took = began.elapsed().as_secs_f64();
        s.fact("way_back_s", took)?;
        let down = s.need_fact("s140_stop_ops_server", "down_at")?.as_f64().unwrap_or(0.0);
        let left = s.plan().thresholds.offline_window_s as f64 - (ops.now()? - down);
        tally.hold(
            "time_fits",
            took < left,
            format!("the restores took {took:.1} s, {:.0} min of the window are left", left / 60.0),
        );
        for spec in s.spec().own_checks() {
            let check = spec.id.split_once('.').map_or(spec.id, |(_, id)| id);
            tally.judge(s, check, Role::Ops, advice(check))?;
        }
        Ok(())
    })
}

fn advice(check: &str) -> Advice {
    let (cause, next) = match check {
        "database_equal" => (
            "the dump is older than the last change, or was not whole",
            "make a new backup (backup_server), then run again",
        ),
        "rules_equal" => ("the archive of step 220 is not what the server has", "remove it and run step 220 again"),
        "tree_equal" => (
            "the archive or the restore lost something",
            "read the differences in the evidence; do not go on without a whole archive",
        ),
        "deliveries_equal" => {
            ("deliveries or catalogues changed after the copy", "find what changed them; run step 260 again")
        }
        _ => ("the window is nearly over", "go back now, or plan a longer window"),
    };
    Advice { cause, next }
}

/// On resume the proof of before stands: the copies on the scratch host may be gone.
fn kept(s: &Step) -> Result<(), StepError> {
    let proven = s.fact_of(s.spec().id, "way_back_s").is_some();
    s.check("time_fits").on(Role::Ops).observed("the restores were proven in this run").judge(proven)?;
    Ok(())
}

fn without_scratch(s: &Step) -> Result<(), StepError> {
    for spec in s.spec().own_checks() {
        s.check(spec.id)
            .on(Role::Ops)
            .cause("the site has no scratch host to restore into")
            .next_move(format!("add [hosts.scratch], or: crds-upgrade approve {} --by NAME --note TEXT", s.spec().id))
            .unknown("nothing was restored: the site has no scratch host")?;
    }
    Ok(())
}

fn database(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let check = "database_equal";
    let (sets, _) = ops.backup_sets()?;
    let Some(set) = sets.last() else {
        tally.fault(check, "there is no dated backup set");
        return Ok(());
    };
    let Some(file) = set.files.iter().find(|file| file.name.ends_with(".mysql.gz")) else {
        tally.fault(check, format!("set {} has no dump", set.tag));
        return Ok(());
    };
    s.progress("restoring the database", 0, 3, "restores");
    let packed = ops.remote().read_file(&format!("{}/{}", set.path, file.name), 1 << 30)?;
    let text = String::from_utf8_lossy(&unpack(&packed)?).into_owned();
    let restored = scratch::load_dump(s, "load_dump", &text)?;
    // What the dump says must be what the restored database has, and what the live one has.
    let said = Dump::parse(&text)?.summaries();
    let lost = compare_tables(&said, &restored, &[]);
    for difference in &lost {
        tally.fault(check, format!("restored otherwise than dumped: {difference}"));
    }
    let live = ops.summarise_all(&TABLES)?;
    // What the way back would bring; until the point of no return nobody may write.
    s.fact("tables", serde_json::to_value(steady(&live))?)?;
    let known: BTreeMap<_, _> = restored.into_iter().filter(|(name, _)| live.contains_key(name)).collect();
    for difference in compare_tables(&live, &known, &VOLATILE) {
        tally.fault(check, format!("live and restored differ: {difference}"));
    }
    tally
        .proof(check, format!("{} tables of set {}, {} compared with the live ones", said.len(), set.tag, known.len()));
    Ok(())
}

/// Tables that nothing changes while the server is off, each as rows and digest.
pub fn steady(tables: &BTreeMap<String, TableSummary>) -> BTreeMap<String, String> {
    let steady = tables.iter().filter(|(name, _)| !VOLATILE.contains(&name.as_str()) && *name != "auth_user");
    steady.map(|(name, table)| (name.clone(), format!("{} rows, {}", table.rows, table.digest))).collect()
}

/// Every table of OPS is made as at preflight: a key that is lost lets two rows have one name, and no row tells of it.
pub fn made_as_before(s: &Step, ops: &Server, check: &'static str, tally: &mut Tally) -> Result<(), StepError> {
    let Some(before) = kept_of(s, "s010_ops", &["tables"])? else { return Ok(()) };
    let was = |table: &str| before.surfaces.get("tables")?.get(table)?.get("made")?.as_str().map(str::to_owned);
    for (table, made) in ops.making(&TABLES)? {
        if let Some(was) = was(&table).filter(|was| *was != made) {
            let (was, made) = first_difference(&was, &made);
            tally.fault(check, format!("`{table}` is made `{made}`, at preflight `{was}`"));
        }
    }
    Ok(())
}

/// Nothing was written into the database of OPS since the restore of it was proven.
pub fn as_proven(s: &Step, ops: &Server, check: &'static str, tally: &mut Tally) -> Result<(), StepError> {
    let Some(proven) = s.fact_of(S270_PROVE_RESTORE.id, "tables") else { return Ok(()) };
    for (table, now) in steady(&ops.summarise_all(&TABLES)?) {
        if proven.get(&table).and_then(|was| was.as_str()) != Some(now.as_str()) {
            tally.fault(check, format!("somebody wrote into `{table}` of OPS since the restore was proven"));
        }
    }
    made_as_before(s, ops, check, tally)?;
    tally.proof(check, "the database as it was when the restore was proven");
    Ok(())
}

fn rules(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    let check = "rules_equal";
    s.progress("restoring the rules", 1, 3, "restores");
    let path = s220_backup_ops_rules::archive_path(s);
    if let Some(archive) = archives::of_run(s)?.into_iter().find(|archive| archive.path == path)
        && !archive.read()?.1
    {
        tally.fault(check, format!("{} is not the archive that s220 made", path.display()));
    }
    let members = s220_backup_ops_rules::read(&path)?;
    let prefix = format!("mappings/{}/", ops.observatory());
    let live = ops.remote().hash_tree(&ops.paths().mappings(ops.observatory()), Algorithm::Sha1)?;
    let mut wrong = Vec::new();
    let mut count = 0;
    for (name, bytes) in members.iter().filter_map(|(name, bytes)| Some((name.strip_prefix(&prefix)?, bytes))) {
        count += 1;
        if live.get(name) != Some(&sha1(bytes)) {
            wrong.push(name.to_owned());
        }
    }
    tally.hold(
        check,
        wrong.is_empty() && count > 0,
        if wrong.is_empty() { format!("{count} rules") } else { shorten(&wrong) },
    );
    let context = ops.context_in_database("operational")?;
    let whole = members.contains_key(&format!("{prefix}{context}"));
    tally.hold(check, whole, format!("the archive holds {context}"));
    Ok(())
}

fn tree(s: &Step, ops: &Server, tally: &mut Tally) -> Result<(), StepError> {
    s.progress("restoring the trees", 2, 3, "restores");
    for (name, _) in s260_backup_ops_tree::trees(ops) {
        let archive = s260_backup_ops_tree::archive_path(s, name);
        let (_, packed) = Archive::verify(&archive)?;
        let directory = scratch::unpack(s, &format!("restore-{name}"), &archive, name)?;
        let restored = scratch::manifest(s, &directory)?;
        let lines: Vec<String> = packed.differences(&restored, true).iter().map(ToString::to_string).collect();
        if !lines.is_empty() {
            let kept = s.evidence(&format!("differences of the restored {name}"), lines.join("\n").as_bytes())?;
            tally.evidence("tree_equal", &kept);
        }
        tally.hold(
            "tree_equal",
            lines.is_empty(),
            if lines.is_empty() { format!("{name}: {} members", packed.members.len()) } else { shorten(&lines) },
        );
        if name == "ops-server-files" {
            let below = |manifest: &Manifest| -> BTreeSet<(String, u64)> {
                let wanted = manifest
                    .members
                    .values()
                    .filter(|member| member.path.starts_with("deliveries/") || member.path.starts_with("catalogs/"));
                wanted.map(|member| (member.path.clone(), member.size)).collect()
            };
            let (source, copy) = (below(&packed), below(&restored));
            let kept: BTreeSet<&str> = copy.iter().filter_map(|(path, _)| path.strip_prefix("catalogs/")).collect();
            let copied = |name: &str| packed.members.values().find(|member| member.path == format!("catalogs/{name}"));
            for (name, sum) in ops.remote().hash_tree(&ops.paths().catalogs(), Algorithm::Sha256)? {
                if !kept.contains(name.as_str()) {
                    tally.fault("deliveries_equal", format!("the catalogue {name} came after the copy"));
                } else if copied(&name).is_some_and(|member| !member.sha256.is_empty() && member.sha256 != sum) {
                    tally.fault("deliveries_equal", format!("the catalogue {name} is not what was copied"));
                }
            }
            tally.hold("deliveries_equal", source == copy, format!("{} catalogues and links", copy.len()));
        }
    }
    Ok(())
}
