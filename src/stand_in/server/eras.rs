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

/// The differences in what the server does, one field each; what only looks different is said where the page is written.
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
    /// Modes of the context selector (WP 3.1): today's clients know one more.
    pub pmap_modes: &'static [&'static str],
    /// Redirects name scheme and host (WP 3.1).
    pub absolute_locations: bool,
    /// An unexpected failure is a real HTTP 500, and no error page (WP 3.1).
    pub failures_are_500: bool,
    /// Form tokens are masked, so that no two pages show the same text.
    pub masked_tokens: bool,
    /// What the library adds to each cookie.
    pub same_site: &'static str,
    /// Any text ticks a check box, `False` too (WP 3.1).
    pub any_text_ticks: bool,
    /// The lock that counts is that of the login's instrument, and its loss is told (WP 3.6).
    pub lock_of_login: bool,
    /// The context selector marks what would be a step back (WP 3.10).
    pub reversion_marks: bool,
    /// Searches have a start and a stop date (WP 3.7).
    pub dated_searches: bool,
    /// A file name switches the other filters of a search off (WP 3.7).
    pub name_alone: bool,
    /// `browse_db` shows the uploaded name (WP 3.7).
    pub uploaded_as_column: bool,
    /// Name of the file part of an upload (WP 3.5).
    pub upload_field: &'static str,
    /// Lists of uploads stand in an object, with keys in camel case (WP 3.5).
    pub wrapped_lists: bool,
    /// Buttons of a confirmation; 2014's last one is sent by the page's script (WP 3.6).
    pub buttons: &'static [&'static str],
    /// A failed certification ends a submission before anything is named (WP 3.6).
    pub certify_first: bool,
    /// Without renaming, names must follow the rules of RD 6 (WP 3.6).
    pub name_rules: bool,
    /// HST references are renamed by time instead of by counter (WP 3.6).
    pub time_names: bool,
    /// `archiving-failed` is looked at again (WP 3.12).
    pub rereads_failed: bool,
    /// Rules are read and files certified by a library of before mid-2019 (RS 7.1, RD 7.3).
    pub older_library: bool,
    /// Half of a lock fails every request of its owner (B079, mended in 2018).
    pub half_locks_fail: bool,
    /// Alphabet of dataset ids, one part, as in Python's `[...]`, and whether `:` may separate two.
    pub colon_ids: bool,
    /// Largest number of ids of `get_dataset_headers_by_id` (WP 1.7).
    pub max_headers_per_rpc: usize,
}

const PMAP_MODES: &[&str] = &["pmap_menu", "pmap_text", "pmap_edit", "pmap_operational"];

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
    pmap_modes: PMAP_MODES,
    absolute_locations: true,
    failures_are_500: true,
    masked_tokens: false,
    same_site: "",
    any_text_ticks: true,
    lock_of_login: true,
    reversion_marks: false,
    dated_searches: false,
    name_alone: false,
    uploaded_as_column: false,
    upload_field: "file",
    wrapped_lists: false,
    buttons: &["confirm", "cancel", "timeout"],
    certify_first: false,
    name_rules: false,
    time_names: false,
    rereads_failed: false,
    older_library: true,
    half_locks_fail: true,
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
    pmap_modes: PMAP_MODES,
    absolute_locations: false,
    failures_are_500: false,
    masked_tokens: true,
    same_site: "; SameSite=Lax",
    any_text_ticks: false,
    lock_of_login: false,
    reversion_marks: true,
    dated_searches: true,
    name_alone: true,
    uploaded_as_column: true,
    upload_field: "files",
    wrapped_lists: true,
    buttons: &["confirm", "cancel", "force"],
    certify_first: true,
    name_rules: true,
    time_names: true,
    rereads_failed: true,
    older_library: true,
    half_locks_fail: false,
    colon_ids: true,
    max_headers_per_rpc: 1000,
};

const NOW: Dialect = Dialect {
    pmap_modes: &["pmap_menu", "pmap_text", "pmap_edit", "pmap_operational", "pmap_latest"],
    older_library: false,
    ..Y2019
};

impl Era {
    /// Its differences.
    pub fn dialect(self) -> &'static Dialect {
        match self {
            Self::Y2014 => &Y2014,
            Self::Y2019 => &Y2019,
            Self::Now => &NOW,
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
