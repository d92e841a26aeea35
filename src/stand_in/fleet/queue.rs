//! The queue of `at`: one JSON file per job in `hosts/X/run/at`.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::FleetError;
use super::spec::Host;

/// A queued job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Queued {
    /// Its number.
    pub number: u32,
    /// When it is due, fleet time.
    pub due: Timestamp,
    /// The shell script.
    pub script: String,
    /// Where it was queued from.
    pub directory: PathBuf,
    /// The environment it was queued with.
    pub environment: Vec<(String, String)>,
}

fn dir(host: &Host) -> PathBuf {
    host.run().join("at")
}

/// The queue of a host, by due time.
pub fn list(host: &Host) -> Vec<Queued> {
    let Ok(entries) = fs::read_dir(dir(host)) else { return Vec::new() };
    let read = |path: &Path| serde_json::from_str::<Queued>(&fs::read_to_string(path).ok()?).ok();
    let mut jobs: Vec<Queued> = entries.flatten().filter_map(|entry| read(&entry.path())).collect();
    jobs.sort_by_key(|job| (job.due, job.number));
    jobs
}

/// Queues a job under the next number and returns that.
///
/// # Errors
///
/// [`FleetError::File`].
pub fn add(host: &Host, mut job: Queued) -> Result<u32, FleetError> {
    let dir = dir(host);
    fs::create_dir_all(&dir).map_err(|source| FleetError::file("make", &dir, source))?;
    let counter = host.run().join("at.last");
    let last = fs::read_to_string(&counter).ok().and_then(|text| text.trim().parse::<u32>().ok()).unwrap_or(0);
    job.number = list(host).iter().map(|job| job.number).max().unwrap_or(0).max(last) + 1;
    fs::write(&counter, job.number.to_string()).map_err(|source| FleetError::file("write", &counter, source))?;
    let path = dir.join(format!("{}.json", job.number));
    let text = serde_json::to_string(&job).unwrap_or_default();
    fs::write(&path, text).map_err(|source| FleetError::file("write", &path, source))?;
    Ok(job.number)
}

/// Takes a job out of the queue; whether it was there.
pub fn remove(host: &Host, number: u32) -> bool {
    fs::remove_file(dir(host).join(format!("{number}.json"))).is_ok()
}
