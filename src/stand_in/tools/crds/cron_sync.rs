//! `cron_sync`: `crds.sync` under a lock, asking an absent server again and again (SO 7).

use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;
use std::time::Duration;

use super::cache::Cache;
use super::python::Job;
use super::rpc::Server;

/// How often an absent server is asked again, and the wait between two questions.
const RETRIES: u32 = 60;
const WAIT: Duration = Duration::from_secs(10);

/// `cron_sync [crds.sync switches]`; always 0 in 2014.
pub fn main(job: &mut Job<'_>) -> i32 {
    let _lock = match lock() {
        Some(lock) => {
            job.say("cron_sync: INFO: obtained crds.sync.lock");
            lock
        }
        None => {
            job.say("cron_sync: WARNING: failed to obtain crds.sync.lock");
            return 0;
        }
    };
    let _ = job.out.flush();
    for _ in 0..RETRIES {
        let asked = Server::of_environment().and_then(|server| server.call("get_server_info", serde_json::json!([])));
        if asked.is_ok() {
            break;
        }
        pause(WAIT);
    }
    super::sync::main(job);
    0
}

fn lock() -> Option<File> {
    let dir = std::env::var("CRDS_LOCKS").map_or_else(|_| Cache::of_environment().root().to_owned(), PathBuf::from);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join("crds.sync.lock")).ok()?;
    match file.try_lock() {
        Ok(()) => Some(file),
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => None,
    }
}

/// Waits in the host's own time: by its `sleep` command, which on a stand-in host costs none.
fn pause(wait: Duration) {
    let status = std::process::Command::new("sleep").arg(wait.as_secs().to_string()).status();
    if status.is_err() {
        std::thread::sleep(wait);
    }
}
