//! What a server is told before it starts.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{cache::Memcached, clock::Clock, eras::Era, log::LogSink};

/// The directories of a server (SO 3). All lie on one file system, or hard links fail.
#[derive(Debug, Clone)]
pub struct Dirs {
    /// `file_cache/mappings/<obs>`.
    pub mappings: PathBuf,
    /// `file_cache/references/<obs>`.
    pub references: PathBuf,
    /// `file_cache/config/<obs>`.
    pub config: PathBuf,
    /// `file_cache/pickles/<obs>`.
    pub pickles: PathBuf,
    /// Links that the archive picks up.
    pub deliveries: PathBuf,
    /// Delivery catalogues.
    pub catalogs: PathBuf,
    /// One directory per user.
    pub ingest: PathBuf,
    /// Uploads on their way.
    pub uploads: PathBuf,
    /// Computations of affected datasets.
    pub monitor_reprocessing: PathBuf,
    /// Logs of a server that runs alone.
    pub logs: PathBuf,
    /// Fault knobs, one file each (`crds-stand-in faults`).
    pub faults: PathBuf,
    /// Headers of the archive's datasets, one JSON object a line; absent = an archive that knows none.
    pub datasets: PathBuf,
    /// Which state the archive database is in: `up` or `away`; absent = up.
    pub archive: PathBuf,
}

impl Dirs {
    /// The layout of `--data` (design section 8).
    pub fn under(data: &Path, observatory: &str) -> Self {
        let cache = |kind: &str| data.join("file_cache").join(kind).join(observatory);
        Self {
            mappings: cache("mappings"),
            references: cache("references"),
            config: cache("config"),
            pickles: cache("pickles"),
            deliveries: data.join("deliveries"),
            catalogs: data.join("catalogs"),
            ingest: data.join("ingest"),
            uploads: data.join("uploads"),
            monitor_reprocessing: data.join("monitor_reprocessing"),
            logs: data.join("logs"),
            faults: data.join("faults"),
            datasets: data.join("archive").join("datasets.jsonl"),
            archive: data.join("archive").join("state"),
        }
    }

    /// Creates the directories that are missing, with the modes of SO 3.3.
    ///
    /// # Errors
    ///
    /// If one cannot be made.
    pub fn create(&self) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let make = |path: &Path, mode: u32| -> io::Result<()> {
            if !path.is_dir() {
                fs::create_dir_all(path)?;
                fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
            }
            Ok(())
        };
        for path in [&self.mappings, &self.references] {
            make(path, 0o6744)?;
        }
        for path in [&self.config, &self.pickles, &self.monitor_reprocessing] {
            make(path, 0o755)?;
        }
        for path in [&self.deliveries, &self.ingest, &self.uploads] {
            make(path, 0o6770)?;
        }
        make(&self.catalogs, 0o6750)?;
        make(&self.logs, 0o6700)
    }
}

/// Version of the client package installed with the server, as `get_server_info` shows it (WP 1.8).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct CrdsVersion {
    /// Version text.
    #[serde(rename = "str")]
    pub text: String,
    /// Revision.
    pub rev: String,
    /// Source address without scheme and host.
    pub svnurl: String,
}

impl Default for CrdsVersion {
    fn default() -> Self {
        Self { text: "7.3.1".to_owned(), rev: "None".to_owned(), svnurl: "/".to_owned() }
    }
}

/// How rules are derived (design section 6).
pub use crate::stand_in::derive::Generation;

/// Everything that a server is told.
#[derive(Clone)]
pub struct Config {
    /// `hst`, `jwst` or `roman`.
    pub observatory: String,
    /// Wire dialect.
    pub era: Era,
    /// How rules are derived.
    pub generation: Generation,
    /// Where its files lie.
    pub dirs: Dirs,
    /// The SQLite catalogue.
    pub catalogue: PathBuf,
    /// Base of advertised addresses, with a final slash.
    pub public_url: String,
    /// `ops`, `test` or `dev`; shown in page headings on all but `ops`.
    pub use_case: String,
    /// Stored or noticed states whose files are given out (WP 4.1).
    pub distribution_states: Vec<String>,
    /// Time zone in which the server writes and compares dates.
    pub zone: jiff::tz::TimeZone,
    /// The wait after `done` (WP 3.6).
    pub pause: Duration,
    /// Shown by `get_server_info`.
    pub crds_version: CrdsVersion,
    /// Names of the RPC methods that the installed release registers; `None` = all of the era.
    pub methods: Option<std::collections::BTreeSet<String>>,
    /// Shown by `get_server_info`.
    pub force_remote_mode: i64,
    /// Host part of `get_submission_info`.
    pub ingest_host: String,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Log lines.
    pub log: Arc<dyn LogSink>,
    /// The memcached of the host; workers of one host share it.
    pub memcached: Arc<Memcached>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("observatory", &self.observatory)
            .field("era", &self.era)
            .field("catalogue", &self.catalogue)
            .field("public_url", &self.public_url)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// An ordinary OPS server with its files under `data`: era 2019, Baltimore time, strict distribution states.
    pub fn ordinary(data: &Path, observatory: &str) -> Self {
        Self {
            observatory: observatory.to_owned(),
            era: Era::Y2019,
            generation: Generation::Now,
            dirs: Dirs::under(data, observatory),
            catalogue: data.join("catalogue.sqlite"),
            public_url: "http://localhost/".to_owned(),
            use_case: "ops".to_owned(),
            distribution_states: vec!["archived".to_owned(), "operational".to_owned()],
            zone: jiff::tz::TimeZone::get("America/New_York").unwrap_or(jiff::tz::TimeZone::UTC),
            pause: Duration::from_secs(10),
            crds_version: CrdsVersion::default(),
            methods: None,
            force_remote_mode: 0,
            ingest_host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            clock: Arc::new(super::clock::SystemClock),
            log: Arc::new(super::log::NoLog),
            memcached: Arc::new(Memcached::default()),
        }
    }
}
