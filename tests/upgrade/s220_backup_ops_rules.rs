//! Step 220: back up the OPS rules.
//!
//! Procedure: "Backup mappings on OPS; tar a mappings/config cache."
//! Method: every mapping that the catalogue knows, and the cache's configuration, in one archive on this side; each
//! member proven against the live file and the catalogue; the context that the archived configuration names must resolve
//! entirely inside the archive (C121), and nothing unconfirmed may be in it (C122).
//! Way back: remove the archive.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crds_upgrade::crds::{Row, Server};
use crds_upgrade::host::Algorithm;
use crds_upgrade::plan::Role;
use crds_upgrade::rules::syntax::checksum;
use crds_upgrade::run::{Step, StepError, StepResult};
use crds_upgrade::steps::S220_BACKUP_OPS_RULES;
use serde_json::json;

use crate::common::known_state;
use crate::common::rules::{Rules, sha1};
use crate::common::tally::{Advice, Tally, shorten};

#[test]
fn s220_backup_ops_rules() -> StepResult {
    known_state::step(&S220_BACKUP_OPS_RULES, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let mut tally = Tally::default();
        let path = archive_path(s);
        // Also where an attempt before came that far: whether the host was quiet meanwhile is known of this one alone.
        if !s.again() {
            let made = make(s, &ops, &path, &mut tally);
            tally.or_faults(s, Role::Ops, advice, made)?;
        }
        let members = read(&path)?;
        let judged = judge_members(s, &ops, &members, &mut tally);
        tally.or_faults(s, Role::Ops, advice, judged)?;
        for spec in s.spec().own_checks() {
            let check = spec.id.split_once('.').map_or(spec.id, |(_, id)| id);
            if !(s.again() && check == "nothing_changed_meanwhile") {
                tally.judge(s, check, Role::Ops, advice(check))?;
            }
        }
        Ok(())
    })
}

fn advice(check: &str) -> Advice {
    let (cause, next) = match check {
        "archive_lists" => (
            "a mapping is missing in the cache, or an unconfirmed one was taken along",
            "compare the cache with the catalogue; sync the missing file; run again",
        ),
        "archive_equals_live" => (
            "a rule changed while it was read, or its file is damaged",
            "find out which copy is right: catalogue, nightly backup, published cache",
        ),
        "context_resolvable" => (
            "the configuration was written while the mappings were still being synced (C121)",
            "run the cache's sync by hand, then run again",
        ),
        "rest_reported" => (
            "a file was put into the cache by hand, or a cancelled submission left it",
            "look at it and remove it: the server serves whatever lies there",
        ),
        _ => ("a job still writes into the cache", "find the process; run again when it is done"),
    };
    Advice { cause, next }
}

/// Where the archive lies on this side: it is not secret, but the site's archives belong together.
pub fn archive_path(s: &Step) -> PathBuf {
    s.site().archive_dir.join(s.folder().name()).join("ops-rules.tar.gz")
}

/// Whether a catalogue row is a mapping that some known context may hold.
pub fn known(name: &str, row: &Row) -> bool {
    let state = row.get("state").cloned().flatten().unwrap_or_default();
    name.ends_with("map") && !matches!(state.as_str(), "uploaded" | "cancelled" | "archiving-failed" | "")
}

fn make(s: &Step, ops: &Server, path: &Path, tally: &mut Tally) -> Result<(), StepError> {
    let catalogue = ops.catalogue()?;
    let names: Vec<String> =
        catalogue.iter().filter(|(name, row)| known(name, row)).map(|(name, _)| name.clone()).collect();
    let mappings = ops.paths().mappings(ops.observatory());
    let config = ops.paths().cache_config(ops.observatory());
    let live = |directory: &str| -> Result<BTreeMap<String, String>, StepError> {
        Ok(ops.remote().hash_tree(directory, Algorithm::Sha1)?)
    };
    let before = (live(&mappings)?, live(&config)?);
    for name in &names {
        let wanted = catalogue.get(name).and_then(|row| row.get("sha1sum").cloned().flatten()).unwrap_or_default();
        match before.0.get(name) {
            None => tally.fault("archive_lists", format!("mapping {name} is not in the cache")),
            Some(sum) if *sum != wanted => {
                tally.fault("archive_equals_live", format!("{name} has SHA-1 {sum}, the catalogue says `{wanted}`"))
            }
            Some(_) => {}
        }
    }
    if tally.has_fault("archive_lists") || tally.has_fault("archive_equals_live") {
        return Err(StepError::failed(
            "the rules were not archived: the cache is not what the catalogue says",
            "find out which copy is right: catalogue, nightly backup, published cache",
        ));
    }
    let rules = Rules::of_run(s)?;
    rules.fetch(ops, &catalogue, &names)?;
    let observatory = ops.observatory().to_string();
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (done, name) in names.iter().enumerate() {
        s.progress("packing rules", done as u64, names.len() as u64, "mappings");
        files.insert(format!("mappings/{observatory}/{name}"), rules.bytes(name)?);
    }
    for name in before.1.keys() {
        let bytes = ops.remote().read_file(&format!("{config}/{name}"), 256 << 20)?;
        files.insert(format!("config/{observatory}/{name}"), bytes);
    }
    let packed = pack(&files)?;
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let part = path.with_extension("part");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&part)?;
    std::io::Write::write_all(&mut file, &packed)?;
    file.sync_all()?;
    std::fs::rename(&part, path)?;
    let after = (live(&mappings)?, live(&config)?);
    tally.hold(
        "nothing_changed_meanwhile",
        before == after,
        format!("{} mappings and {} files of config", before.0.len(), before.1.len()),
    );
    let hash = blake3::hash(&packed).to_hex().to_string();
    let mut heads = serde_json::Map::new();
    for (name, base) in &s.site().repositories {
        heads.insert(name.clone(), json!(ops.svn_info(base.trim_end_matches('/'))?.revision));
    }
    s.fact("repository_heads", serde_json::Value::Object(heads))?;
    s.fact("archives", json!([{"path": path, "blake3": hash}]))?;
    Ok(())
}

fn pack(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, StepError> {
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o444);
        header.set_cksum();
        archive.append_data(&mut header, name, bytes.as_slice())?;
    }
    Ok(archive.into_inner()?.finish()?)
}

/// The archive's members, read back from the disk of this side.
pub fn read(path: &Path) -> Result<BTreeMap<String, Vec<u8>>, StepError> {
    let mut members = BTreeMap::new();
    let file = std::fs::File::open(path)?;
    for entry in tar::Archive::new(flate2::read::GzDecoder::new(file)).entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes)?;
        members.insert(name, bytes);
    }
    Ok(members)
}

fn judge_members(
    s: &Step,
    ops: &Server,
    members: &BTreeMap<String, Vec<u8>>,
    tally: &mut Tally,
) -> Result<(), StepError> {
    let observatory = ops.observatory().to_string();
    let prefix = format!("mappings/{observatory}/");
    let archived: BTreeMap<&str, &Vec<u8>> =
        members.iter().filter_map(|(name, bytes)| Some((name.strip_prefix(&prefix)?, bytes))).collect();
    let list = members.keys().cloned().collect::<Vec<_>>().join("\n");
    tally.evidence("archive_lists", &s.evidence("members of the archive", list.as_bytes())?);
    if s.again() {
        tally.proof("archive_lists", format!("{} members", members.len()));
    } else {
        let catalogue = ops.catalogue()?;
        let wanted: BTreeSet<&str> =
            catalogue.iter().filter(|(name, row)| known(name, row)).map(|(name, _)| name.as_str()).collect();
        let have: BTreeSet<&str> = archived.keys().copied().collect();
        let differ: Vec<String> = wanted.symmetric_difference(&have).map(|name| (*name).to_owned()).collect();
        tally.hold(
            "archive_lists",
            differ.is_empty(),
            if differ.is_empty() {
                format!("{} mappings, {} members", have.len(), members.len())
            } else {
                shorten(&differ)
            },
        );
        let live = ops.remote().hash_tree(&ops.paths().mappings(ops.observatory()), Algorithm::Sha1)?;
        let mut wrong = Vec::new();
        for (name, bytes) in &archived {
            let sum = sha1(bytes);
            let known = catalogue.get(*name).and_then(|row| row.get("sha1sum").cloned().flatten()).unwrap_or_default();
            let size = catalogue.get(*name).and_then(|row| row.get("size").cloned().flatten()).unwrap_or_default();
            if live.get(*name) != Some(&sum) || known != sum {
                wrong.push((*name).to_owned());
            } else if size.trim().parse::<usize>().is_ok_and(|size| size != bytes.len()) {
                wrong.push(format!("{name} (the catalogue says {size} bytes, it has {})", bytes.len()));
            } else if !says_its_checksum(bytes) {
                wrong.push(format!("{name} (its own `sha1sum` is another)"));
            }
        }
        tally.hold(
            "archive_equals_live",
            wrong.is_empty() && !archived.is_empty(),
            if wrong.is_empty() { format!("{} mappings by SHA-1", archived.len()) } else { shorten(&wrong) },
        );
        let rest: Vec<String> = live.keys().filter(|name| !wanted.contains(name.as_str())).cloned().collect();
        if !rest.is_empty() {
            s.not_checked("mappings of the cache that belong to no known context", &shorten(&rest))?;
        }
        // A mapping that waits for its confirmation would be committed to the branch by nobody's decision.
        let state = |name: &String| catalogue.get(name)?.get("state")?.as_deref().map(str::to_owned);
        let told = |name: &String| match state(name) {
            None => Some(name.clone()),
            Some(state) if matches!(state.as_str(), "uploaded" | "cancelled") => Some(format!("{name} (only {state})")),
            Some(_) => None,
        };
        let unknown: Vec<String> = rest.iter().filter_map(told).collect();
        tally.hold(
            "rest_reported",
            unknown.is_empty(),
            if unknown.is_empty() {
                format!("{} files outside the known contexts, all in the catalogue", rest.len())
            } else {
                format!("not in the catalogue: {}", shorten(&unknown))
            },
        );
    }
    if s.again() {
        tally.proof("archive_equals_live", "seen when the step passed");
        tally.proof("rest_reported", "seen when the step passed");
    }
    resolvable(&observatory, members, tally)
}

/// Whether a rule has the checksum that it says of itself; a client refuses one that has not. One that says none is let be.
fn says_its_checksum(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let said = text.lines().find_map(|line| {
        let words: Vec<&str> = line.split(['\'', '"']).collect();
        (words.get(1) == Some(&"sha1sum")).then(|| words.get(3).map(|sum| (*sum).to_owned()))?
    });
    said.is_none_or(|said| said == checksum(&text))
}

/// The context that the archived configuration names must be found, whole, inside the archive.
fn resolvable(observatory: &str, members: &BTreeMap<String, Vec<u8>>, tally: &mut Tally) -> Result<(), StepError> {
    let check = "context_resolvable";
    let Some(config) = members.get(&format!("config/{observatory}/server_config")) else {
        tally.fault(check, "the archive holds no server_config");
        return Ok(());
    };
    let text = String::from_utf8_lossy(config).into_owned();
    let words: Vec<&str> = text.split(['\'', '"']).collect();
    let at = words.iter().position(|word| *word == "operational_context");
    let Some(context) = at.and_then(|at| words.get(at + 2)) else {
        tally.fault(check, "server_config names no operational context");
        return Ok(());
    };
    let mut level = vec![(*context).to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(name) = level.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        match members.get(&format!("mappings/{observatory}/{name}")) {
            None => tally.fault(check, format!("{context} needs {name}, which the archive lacks")),
            Some(bytes) => level.extend(crate::common::rules::children(&name, bytes)?),
        }
    }
    tally.proof(check, format!("{context} with {} mappings", seen.len()));
    Ok(())
}
