//! The archive's side of deliveries: what picks catalogues up, renames them while it works and removes them when the files are
//! archived (SO 17). Runs in fleet time.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use crate::stand_in::fleet::knobs::{Archive, ArchiveMode, Knob};
use crate::stand_in::fleet::spec::{Fleet, Host};

/// The list of what the archive has taken, among a host's knobs: paths below the fleet's root, as they were delivered.
pub const TAKEN: &str = "archive.taken";

/// The suffixes of a catalogue on its way, in order.
pub const STAGES: [&str; 3] = ["", "_SUBMIT", "_PROC"];

/// The archive as one keeper knows it: when it first saw each catalogue in its present stage.
#[derive(Debug, Default)]
pub struct Poller {
    seen: BTreeMap<PathBuf, Timestamp>,
}

impl Poller {
    /// Looks at every host's deliveries at `now`.
    pub fn round(&mut self, fleet: &Fleet, now: Timestamp) {
        let mut present = Vec::new();
        for host in &fleet.hosts {
            let knobs = Archive::load(host);
            let deliveries = deliveries(host);
            if knobs.mode == ArchiveMode::Off || !open_to_group(&deliveries) {
                continue;
            }
            let Ok(entries) = fs::read_dir(&deliveries) else { continue };
            for entry in entries.flatten() {
                let path = entry.path();
                present.push(path.clone());
                self.advance(&path, &Ledger { fleet, host }, &knobs, now);
            }
        }
        self.seen.retain(|path, _| present.contains(path) || path.exists());
    }

    fn advance(&mut self, path: &Path, ledger: &Ledger<'_>, knobs: &Archive, now: Timestamp) {
        let Some((dir, name)) = path.parent().zip(path.file_name().and_then(|name| name.to_str())) else { return };
        let Some((stem, suffix)) = name.find(".cat").map(|at| name.split_at(at + 4)) else { return };
        let Some(stage) = STAGES.iter().position(|known| *known == suffix) else { return };
        let since = *self.seen.entry(path.to_owned()).or_insert(now);
        let stay = SignedDuration::try_from_secs_f64(knobs.stage_s).unwrap_or(SignedDuration::ZERO);
        if now.duration_since(since) < stay {
            return;
        }
        self.seen.remove(path);
        if let Some(next) = STAGES.get(stage + 1) {
            let renamed = dir.join(format!("{stem}{next}"));
            note_failure(path, fs::rename(path, &renamed));
            self.seen.insert(renamed, now);
            return;
        }
        match knobs.mode {
            ArchiveMode::Error => note_failure(path, fs::rename(path, dir.join(format!("{stem}_ERROR")))),
            ArchiveMode::Odd => note_failure(path, fs::rename(path, dir.join(format!("{stem}_err")))),
            ArchiveMode::On | ArchiveMode::Off => {
                let listed = fs::read_to_string(path).unwrap_or_default();
                for file in listed.lines().map(str::trim).filter(|line| !line.is_empty() && !line.contains('/')) {
                    let link = dir.join(file);
                    if link.symlink_metadata().is_ok() {
                        ledger.take(&link, &link);
                    }
                }
                ledger.take(path, &dir.join(stem));
            }
        }
    }
}

/// What the archive has taken from a host, for those who count what was delivered ([`TAKEN`]).
struct Ledger<'a> {
    fleet: &'a Fleet,
    host: &'a Host,
}

impl Ledger<'_> {
    /// Takes a link, which was delivered as `delivered`.
    fn take(&self, link: &Path, delivered: &Path) {
        let name = delivered.strip_prefix(&self.fleet.root).unwrap_or(delivered);
        let list = self.host.run().join(TAKEN);
        let written = OpenOptions::new().create(true).append(true).open(&list);
        let written = written.and_then(|mut file| writeln!(file, "{}", name.display()));
        note_failure(&list, written);
        note_failure(link, fs::remove_file(link));
    }
}

/// Where a host's deliveries lie (SO 3.1).
pub fn deliveries(host: &Host) -> PathBuf {
    host.root().join("ifs/crds").join(&host.observatory).join(&host.use_case).join("server_files/deliveries")
}

/// The archive comes as another account of the group: without the group's right to write it can do nothing.
fn open_to_group(dir: &Path) -> bool {
    fs::metadata(dir).is_ok_and(|found| found.permissions().mode() & 0o030 == 0o030)
}

fn note_failure(path: &Path, result: std::io::Result<()>) {
    if let Err(error) = result {
        super::note(format_args!("archive: `{}`: {error}", path.display()));
    }
}
