//! Mail of a fleet: every message of every host ends in one Maildir, `$HOME/Maildir`; nothing leaves the machine.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use jiff::Timestamp;

use super::spec::{Fleet, Host};

/// Numbers the messages of one process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A message to deliver.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// Header lines in order, without `Date`.
    pub headers: Vec<(String, String)>,
    /// The body, as it is.
    pub body: Vec<u8>,
}

impl Message {
    /// Delivers the message that arose on `host` at `now`.
    ///
    /// # Errors
    ///
    /// If the Maildir cannot be written.
    pub fn deliver(&self, fleet: &Fleet, host: &Host, now: Timestamp) -> io::Result<()> {
        let local = now.to_zoned(zone());
        let mut bytes = Vec::new();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {}\n", value.replace('\n', " ")).as_bytes());
        }
        let date = local.strftime("%a, %d %b %Y %H:%M:%S %z");
        bytes.extend_from_slice(format!("Date: {date}\n\n").as_bytes());
        bytes.extend_from_slice(&self.body);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name =
            format!("{}.M{}P{}Q{number}.{}", now.as_second(), now.subsec_microsecond(), std::process::id(), host.uname);
        let maildir = fleet.home().join("Maildir");
        put(&maildir, &name, &bytes)
    }
}

fn put(maildir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let draft = maildir.join("tmp").join(name);
    fs::write(&draft, bytes)?;
    fs::rename(&draft, maildir.join("new").join(name))
}

/// The time zone of every host (SO 4.3).
pub fn zone() -> jiff::tz::TimeZone {
    jiff::tz::TimeZone::get("America/New_York").unwrap_or(jiff::tz::TimeZone::UTC)
}
