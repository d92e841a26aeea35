//! Step 260: back up the OPS tree.
//!
//! Procedure: "Back up the whole OPS tree and Isilon server_files, logs compressed."
//! Method: two streams through tar and zstd to this side, each with a manifest; the manifest is compared with a listing
//! and hashes of the live tree taken after the copy. `/crds/data1/database` (secrets) lies beside the tree and is left out.
//! Way back: remove the archives.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crds_upgrade::backup::{Archive, Kind, Manifest, Member, TreeSpec};
use crds_upgrade::crds::Server;
use crds_upgrade::host::Algorithm;
use crds_upgrade::plan::Role;
use crds_upgrade::run::{Step, StepError, StepResult};
use crds_upgrade::steps::S260_BACKUP_OPS_TREE;
use serde_json::json;

use crate::common::known_state;
use crate::common::machines::waiting;
use crate::common::tally::{Advice, Tally, shorten};

/// The two trees: name of the archive, and where the tree lies.
pub fn trees(ops: &Server) -> [(&'static str, String); 2] {
    [("ops-tree", ops.paths().crds.clone()), ("ops-server-files", ops.paths().server_files.clone())]
}

/// Where an archive lies on this side.
pub fn archive_path(s: &Step, name: &str) -> PathBuf {
    s.site().archive_dir.join(s.folder().name()).join(format!("{name}.tar.zst"))
}

#[test]
fn s260_backup_ops_tree() -> StepResult {
    known_state::step(&S260_BACKUP_OPS_TREE, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let mut tally = Tally::default();
        let copied = copy(s, &ops, &mut tally);
        let listed = tally.or_faults(s, Role::Ops, advice, copied)?;
        // An archive about which tar complained is not kept: it is made again.
        if s.fact_of(s.spec().id, "archives").is_none() && !tally.has_fault("every_file_accounted") {
            s.fact("archives", json!(listed))?;
            s.not_checked(
                "secrets of /crds/data1/database",
                "left out of the archives on purpose; their owner keeps them",
            )?;
        }
        for spec in s.spec().own_checks() {
            let check = spec.id.split_once('.').map_or(spec.id, |(_, id)| id);
            let once =
                ["every_file_accounted", "links_and_modes_kept", "hashes_match", "nothing_changed_while_copying"];
            if s.again() && once.contains(&check) {
                continue;
            }
            tally.judge(s, check, Role::Ops, advice(check))?;
        }
        Ok(())
    })
}

/// Copies both trees; each archive is read back and compared with what it is a copy of.
fn copy(s: &Step, ops: &Server, tally: &mut Tally) -> Result<Vec<serde_json::Value>, StepError> {
    for odd in waiting(ops)? {
        tally.fault("every_file_accounted", format!("{odd} is a pipe or a device: it has no contents to keep"));
    }
    let mut listed = Vec::new();
    for (name, path) in trees(ops) {
        let archive = archive_path(s, name);
        if s.fact_of(s.spec().id, "archives").is_none() {
            pull(s, ops, name, &path, tally)?;
        }
        let (_, packed) = Archive::verify(&archive)?;
        if !s.again() {
            compare(s, ops, name, &path, &packed, tally)?;
        }
        safe(&archive, &packed, tally)?;
        secrets(ops, name, &packed, tally);
        listed.push(json!({"path": archive, "blake3": hash(&archive)?}));
    }
    Ok(listed)
}

fn advice(check: &str) -> Advice {
    let (cause, next) = match check {
        "every_file_accounted" => (
            "a file was unreadable for the account, or appeared while copying",
            "look at the names; make them readable or find what wrote them; run again",
        ),
        "links_and_modes_kept" => (
            "the archive lost link or mode of a file",
            "compare with tar -tv on the host; do not go on with this archive",
        ),
        "hashes_match" => {
            ("a file changed while it was copied, or the stream was damaged", "find the writer; run again")
        }
        "logs_compressed" => ("the log directory is not in the tree", "look where the server writes its logs"),
        "secrets_kept_out" => ("the secrets lie inside the tree", "move them beside it, or encrypt the archive"),
        "nothing_changed_while_copying" => ("something still runs on OPS", "find the process; stop it; run again"),
        _ => ("the archive directory is readable by others, or its disk is full", "chmod 600 the archive; make room"),
    };
    Advice { cause, next }
}

fn hash(path: &Path) -> Result<String, StepError> {
    let mut hasher = blake3::Hasher::new();
    std::io::copy(&mut std::fs::File::open(path)?, &mut hasher)?;
    Ok(hasher.finalize().to_hex().to_string())
}

fn pull(s: &Step, ops: &Server, name: &str, path: &str, tally: &mut Tally) -> Result<(), StepError> {
    let everything = [".".to_owned()];
    let spec = TreeSpec { base: path, paths: &everything, exclude: &[] };
    let directory = s.site().archive_dir.join(s.folder().name());
    let what = format!("copying {name}");
    let mut progress = |bytes: u64| s.progress(&what, bytes, 0, "bytes");
    let archive = Archive::pull(ops.remote(), &spec, &directory, name, &mut progress, Duration::from_secs(8 * 3600))?;
    let kept = s.evidence(&format!("manifest of {name}"), archive.manifest.to_text().as_bytes())?;
    tally.evidence("hashes_match", &kept);
    let complaints: Vec<String> =
        archive.complaints.lines().filter(|line| !line.contains("socket ignored")).map(str::to_owned).collect();
    tally.hold(
        "every_file_accounted",
        complaints.is_empty(),
        if complaints.is_empty() { format!("{name}: tar complains of nothing") } else { shorten(&complaints) },
    );
    Ok(())
}

fn compare(
    s: &Step,
    ops: &Server,
    name: &str,
    path: &str,
    packed: &Manifest,
    tally: &mut Tally,
) -> Result<(), StepError> {
    let entries = ops.remote().list(path, None)?;
    let hashes = ops.remote().hash_tree(path, Algorithm::Sha256)?;
    let live = Manifest::of_listing(&entries, &hashes);
    let found = live.differences(packed, true);
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    if !lines.is_empty() {
        let kept = s.evidence(&format!("differences of {name} from the live tree"), lines.join("\n").as_bytes())?;
        tally.evidence("every_file_accounted", &kept);
    }
    let of = |words: &[&str]| -> Vec<String> {
        found.iter().filter(|one| words.iter().any(|word| one.what.contains(word))).map(ToString::to_string).collect()
    };
    let mut missing = of(&["missing", "surplus"]);
    let hashed = of(&["bytes, in the copy", "other contents"]);
    let rest: Vec<String> =
        lines.iter().filter(|line| !missing.contains(line) && !hashed.contains(line)).cloned().collect();
    missing.extend(packed.twice.iter().map(|path| format!("{path} is in the archive twice")));
    let count = packed.members.len();
    tally.hold(
        "every_file_accounted",
        missing.is_empty(),
        if missing.is_empty() { format!("{name}: {count} members") } else { shorten(&missing) },
    );
    tally.hold(
        "hashes_match",
        hashed.is_empty(),
        if hashed.is_empty() { format!("{name}: {} files by SHA-256", hashes.len()) } else { shorten(&hashed) },
    );
    tally.hold(
        "links_and_modes_kept",
        rest.is_empty(),
        if rest.is_empty() { format!("{name}: links, modes and times as on the host") } else { shorten(&rest) },
    );
    // What a link leads to is in no copy: of what is delivered, the bytes themselves are to be kept.
    if name == "ops-server-files" {
        let delivered =
            |member: &&Member| ["catalogs/", "deliveries/"].iter().any(|place| member.path.starts_with(place));
        let links = packed.members.values().filter(|member| member.kind == Kind::Link).filter(delivered);
        for link in links {
            tally.fault("links_and_modes_kept", format!("{name}: {} is a link to {}", link.path, link.target));
        }
    }
    tally.hold(
        "nothing_changed_while_copying",
        lines.is_empty(),
        if lines.is_empty() { format!("{name}: the tree is as the archive has it") } else { shorten(&lines) },
    );
    Ok(())
}

fn safe(archive: &Path, packed: &Manifest, tally: &mut Tally) -> Result<(), StepError> {
    use std::os::unix::fs::PermissionsExt as _;
    let meta = std::fs::metadata(archive)?;
    let mode = meta.permissions().mode() & 0o777;
    let name = archive.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    tally.hold("archive_safe", mode == 0o600 && meta.len() > 0, format!("{name}: mode {mode:o}, {} bytes", meta.len()));
    let logs = packed
        .members
        .values()
        .filter(|member| member.path.contains("server/logs/") && member.kind == Kind::File)
        .count();
    if name.starts_with("ops-tree") {
        tally.hold(
            "logs_compressed",
            logs > 0 && meta.len() < packed.bytes().max(1),
            format!("{logs} logs, {} bytes packed to {}", packed.bytes(), meta.len()),
        );
    }
    Ok(())
}

/// The secrets lie beside the tree; nothing of them may be in an archive.
fn secrets(ops: &Server, name: &str, packed: &Manifest, tally: &mut Tally) {
    let secret = ops.paths().secrets.rsplit('/').next().unwrap_or("database").to_owned();
    let inside: Vec<String> = packed
        .members
        .values()
        .map(|member| member.path.clone())
        .filter(|path| path.split('/').next() == Some(secret.as_str()))
        .collect();
    tally.hold(
        "secrets_kept_out",
        inside.is_empty(),
        if inside.is_empty() { format!("{name}: no `{secret}/` in it") } else { shorten(&inside) },
    );
}
