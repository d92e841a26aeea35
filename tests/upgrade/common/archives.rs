//! The archives on the operator's side: the way back, which must stay where it is and closed to others.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crds_upgrade::run::{Step, StepError};

use super::tally::Tally;

/// Steps that leave archives on this side.
pub const ARCHIVING: [&str; 3] = ["s210_backup_test", "s220_backup_ops_rules", "s260_backup_ops_tree"];

/// An archive as the step that made it remembers it.
pub struct Kept {
    /// That step.
    pub step: &'static str,
    /// Where it lies.
    pub path: PathBuf,
    /// BLAKE3 of its bytes, hexadecimal.
    pub blake3: String,
}

impl Kept {
    /// Its bytes by number, and whether they are those that its step made.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn read(&self) -> std::io::Result<(u64, bool)> {
        let mut hasher = blake3::Hasher::new();
        let bytes = std::io::copy(&mut std::io::BufReader::new(std::fs::File::open(&self.path)?), &mut hasher)?;
        Ok((bytes, self.blake3 == hasher.finalize().to_hex().as_str()))
    }

    /// Its bare name.
    pub fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

/// All archives of the run.
///
/// # Errors
///
/// A step that makes some has not said which.
pub fn of_run(s: &Step) -> Result<Vec<Kept>, StepError> {
    let mut kept = Vec::new();
    for step in ARCHIVING {
        let listed = s.need_fact(step, "archives")?;
        for archive in listed.as_array().into_iter().flatten() {
            let text = |key: &str| archive[key].as_str().unwrap_or_default().to_owned();
            kept.push(Kept { step, path: PathBuf::from(text("path")), blake3: text("blake3") });
        }
    }
    Ok(kept)
}

/// Archives that are gone, empty or readable for others, and directories of them that others may write.
///
/// # Errors
///
/// As [`of_run`].
pub fn closed(s: &Step, tally: &mut Tally, check: &'static str) -> Result<(), StepError> {
    for archive in of_run(s)? {
        let name = archive.name();
        if std::fs::symlink_metadata(&archive.path).is_ok_and(|entry| entry.is_symlink()) {
            tally.fault(check, format!("{}: {name} is a link: its bytes lie where nobody keeps them", archive.step));
        }
        match std::fs::metadata(&archive.path) {
            Err(error) => tally.fault(check, format!("{}: {name}: {error}", archive.step)),
            Ok(entry) => {
                let mode = entry.permissions().mode() & 0o7777;
                if entry.len() == 0 {
                    tally.fault(check, format!("{}: {name} is empty", archive.step));
                }
                if mode & 0o077 != 0 {
                    tally.fault(
                        check,
                        format!("{name} has mode {mode:04o}: it holds secrets and may be read by others"),
                    );
                }
            }
        }
        let above = archive.path.parent().and_then(|above| std::fs::metadata(above).ok());
        let mode = above.map_or(0, |above| above.permissions().mode() & 0o7777);
        if mode & 0o022 != 0 {
            tally.fault(check, format!("the directory of {name} has mode {mode:04o}: others may replace it"));
        }
    }
    Ok(())
}
