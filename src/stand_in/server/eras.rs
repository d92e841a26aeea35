//! What differs between the eras of the server, in one place (WP, evidence labels S14, S19, now).

use std::{fmt, str::FromStr};

/// A dialect of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Era {
    /// The public source of October 2014.
    Y2014,
    /// The last public source, March 2019.
    #[default]
    Y2019,
    /// What client 13.2 sends and accepts.
    Now,
}

/// The differences, one field each.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// Log lines in stpipe style, `CRDS - INFO -  ` (SO 15.1).
    pub stpipe_log: bool,
    /// How long a login lasts, hours (WP 3.1).
    pub session_hours: i64,
    /// Result pages and status channels are named by UUID instead of integer and time stamp (WP 3.6, 3.9).
    pub uuid_results: bool,
    /// Confirming and the like end the session and drop the lock (WP 3.6).
    pub logout_after_confirm: bool,
    /// Deleting and adding references wait for a confirmation (WP 3.6).
    pub confirm_deletions: bool,
    /// Deleting and adding references are for super users (WP 3.2).
    pub superuser_deletions: bool,
    /// Answers to most questions are kept in memcached; in 2014 only affected datasets are (WP 1.7, SO 16).
    pub cached_answers: bool,
    /// There is a third context kind, `versions`.
    pub versions_context: bool,
    /// Logging in for the instrument one holds keeps the lock (WP 3.3).
    pub keeps_same_lock: bool,
    /// Generated contexts become the edit context while they are made, not at delivery (WP 4.3).
    pub edit_moves_early: bool,
    /// A login makes the ingest directory (WP 3.3).
    pub login_makes_ingest_dir: bool,
    /// USEAFTER of a file without one, as `get_file_info` shows it (WP 1.10).
    pub no_useafter: &'static str,
    /// Context kinds that Set Context knows, in the order of its select.
    pub context_kinds: &'static [&'static str],
    /// Alphabet of dataset ids, one part, as in Python's `[...]`, and whether `:` may separate two.
    pub colon_ids: bool,
    /// Largest number of ids of `get_dataset_headers_by_id` (WP 1.7).
    pub max_headers_per_rpc: usize,
}

const Y2014: Dialect = Dialect {
    stpipe_log: false,
    session_hours: 8,
    uuid_results: false,
    logout_after_confirm: false,
    confirm_deletions: false,
    superuser_deletions: true,
    cached_answers: false,
    versions_context: false,
    keeps_same_lock: false,
    edit_moves_early: true,
    login_makes_ingest_dir: false,
    no_useafter: "2050-01-01 00:00:00",
    context_kinds: &["operational", "edit"],
    colon_ids: false,
    max_headers_per_rpc: 5000,
};

const Y2019: Dialect = Dialect {
    stpipe_log: true,
    session_hours: 18,
    uuid_results: true,
    logout_after_confirm: true,
    confirm_deletions: true,
    superuser_deletions: false,
    cached_answers: true,
    versions_context: true,
    keeps_same_lock: true,
    edit_moves_early: false,
    login_makes_ingest_dir: true,
    no_useafter: "1900-01-01 00:00:00",
    context_kinds: &["operational", "edit", "versions"],
    colon_ids: true,
    max_headers_per_rpc: 1000,
};

impl Era {
    /// Its differences.
    pub fn dialect(self) -> &'static Dialect {
        match self {
            Self::Y2014 => &Y2014,
            Self::Y2019 | Self::Now => &Y2019,
        }
    }

    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Y2014 => "2014",
            Self::Y2019 => "2019",
            Self::Now => "now",
        }
    }
}

impl fmt::Display for Era {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Era {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "2014" => Ok(Self::Y2014),
            "2019" => Ok(Self::Y2019),
            "now" => Ok(Self::Now),
            other => Err(format!("unknown era `{other}`: one of 2014, 2019, now")),
        }
    }
}
