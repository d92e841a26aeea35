//! Making files and directories, with modes and times.

use std::fs::{self, File, FileTimes, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use jiff::civil::DateTime;

use super::LayOutError;

/// Makes a directory and those above it.
pub fn directory(path: &Path, mode: u32) -> Result<(), LayOutError> {
    fs::create_dir_all(path).map_err(|source| LayOutError::file("make", path, source))?;
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|source| LayOutError::file("open", path, source))
}

/// Writes a file.
pub fn file(path: &Path, bytes: impl AsRef<[u8]>, mode: u32) -> Result<(), LayOutError> {
    fs::write(path, bytes).map_err(|source| LayOutError::file("write", path, source))?;
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|source| LayOutError::file("open", path, source))
}

/// Writes a file that is not there yet and that nobody may write again. There are tens of thousands of them, so each costs
/// as few system calls as can be.
pub fn read_only(path: &Path, bytes: &[u8]) -> Result<(), LayOutError> {
    let mut options = fs::OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o444).open(path).and_then(|mut file| file.write_all(bytes));
    made.map_err(|source| LayOutError::file("write", path, source))
}

/// Makes a symbolic link.
pub fn link(target: impl AsRef<Path>, path: &Path) -> Result<(), LayOutError> {
    symlink(target, path).map_err(|source| LayOutError::file("link", path, source))
}

/// Sets the time of a file or directory to a local time in New York.
pub fn dated(path: &Path, time: DateTime) -> Result<(), LayOutError> {
    let fail = |source| LayOutError::file("set the time of", path, source);
    let seconds = instant(time).map_err(fail)?;
    let at = UNIX_EPOCH + Duration::from_secs(seconds);
    File::open(path).and_then(|file| file.set_times(FileTimes::new().set_modified(at).set_accessed(at))).map_err(fail)
}

fn instant(time: DateTime) -> std::io::Result<u64> {
    let zone = jiff::tz::TimeZone::get("America/New_York").map_err(std::io::Error::other)?;
    let zoned = zone.to_zoned(time).map_err(std::io::Error::other)?;
    u64::try_from(zoned.timestamp().as_second()).map_err(std::io::Error::other)
}

/// Runs a program to its end.
pub fn run(command: &mut Command) -> Result<Vec<u8>, LayOutError> {
    let shown = format!("{command:?}");
    let failed = |why: String| LayOutError::Program { program: shown.clone(), why };
    let output =
        command.stderr(Stdio::piped()).stdout(Stdio::piped()).output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(failed(format!("{} {}", output.status, String::from_utf8_lossy(&output.stderr).trim())))
}

/// Compresses bytes as one member of a `.gz`.
pub fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}
