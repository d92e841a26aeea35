//! The fault knobs of a host's surroundings: JSON files in `hosts/X/run`, read at every use; absent means ordinary.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::FleetError;
use super::spec::Host;

/// A knob file.
pub trait Knob: Default + Serialize + DeserializeOwned {
    /// Name of the file.
    const FILE: &'static str;

    /// The present setting; what cannot be read is ordinary.
    fn load(host: &Host) -> Self {
        let text = fs::read_to_string(Self::path(host)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Where it lies.
    fn path(host: &Host) -> PathBuf {
        host.run().join(Self::FILE)
    }

    /// Writes the setting.
    ///
    /// # Errors
    ///
    /// [`FleetError::File`].
    fn store(&self, host: &Host) -> Result<(), FleetError> {
        let path = Self::path(host);
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        fs::write(&path, text).map_err(|source| FleetError::file("write", &path, source))
    }
}

/// What the archive does with deliveries (SO 17).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArchiveMode {
    /// Takes them.
    #[default]
    On,
    /// Does nothing.
    Off,
    /// Fails each at the end: `_ERROR`.
    Error,
    /// Ends each with a suffix that the server does not know: `_err`.
    Odd,
}

/// `archive.json`: the archive.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Archive {
    /// What it does.
    pub mode: ArchiveMode,
    /// How long each of its three stages takes, in seconds of fleet time.
    pub stage_s: f64,
}

impl Default for Archive {
    fn default() -> Self {
        Archive { mode: ArchiveMode::On, stage_s: 20.0 }
    }
}

impl Knob for Archive {
    const FILE: &'static str = "archive.json";
}

/// `proxy.json`: the public proxy (SO 2.1, 24).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Proxy {
    /// After a refused connection it does not try again for so long, in seconds of fleet time.
    pub lag_s: f64,
    /// Whether the public visits it all the time, so that it notices an outage that nobody else looked at. Fleet time stands still
    /// between commands: a night, which really takes an hour, would find the proxy resting.
    pub visited: bool,
    /// Answers longer than this are refused with 502, in bytes.
    pub limit_bytes: Option<u64>,
    /// An answer that takes longer is given up with 504, in real seconds.
    pub timeout_s: f64,
    /// Answer everything with this status.
    pub always: Option<u16>,
}

impl Default for Proxy {
    fn default() -> Self {
        Proxy { lag_s: 20.0, visited: false, limit_bytes: None, timeout_s: 1800.0, always: None }
    }
}

impl Knob for Proxy {
    const FILE: &'static str = "proxy.json";
}

/// `httpd.json`: the web server.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Httpd {
    /// After TERM the port stays taken for so long, in real seconds: requests that take their time (SO 7 rerun).
    pub release_s: f64,
    /// Connections are accepted and never answered (a deadlock of mod_wsgi).
    pub deadlock: bool,
}

impl Knob for Httpd {
    const FILE: &'static str = "httpd.json";
}

/// `disks.json`: what `df`, `du` and `mount` show, by mount point.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Disks {
    /// Percentage in use, by mount point.
    pub used_percent: std::collections::BTreeMap<String, u8>,
    /// Mount points that are missing from `mount` and `df`.
    pub missing: Vec<String>,
}

impl Knob for Disks {
    const FILE: &'static str = "disks.json";
}

/// `mail.json`: mail.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Mail {
    /// Nothing is delivered and nobody is told.
    pub lost: bool,
}

impl Knob for Mail {
    const FILE: &'static str = "mail.json";
}
