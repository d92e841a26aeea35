//! What differs between the eras of the server, in one place (WP, evidence labels S14, S19, now).
//!
//! Code asks a [`Dialect`] for a property; only this file says which era has it. Two tables name eras on their own lines,
//! because a list of addresses or of methods is read best beside what each line does: `web/routes.rs` (which eras have an
//! address, and who may use it) and `rpc/methods.rs` (which methods an era registered, in which order).

use std::{fmt, str::FromStr};

use super::Generation;
use crate::stand_in::derive::INSTRUMENT_KEYWORDS;

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

/// The differences in what the server does, one field each; what only looks different is said where the page is written,
/// under `old_pages`.
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
    /// What the library adds to each cookie; Django 1.11, of 2019, adds nothing.
    pub same_site: &'static str,
    /// Where pages may be framed, `X-Frame-Options` (read in the settings of about 2018).
    pub frame_options: &'static str,
    /// Paths whose answers are not to be kept, `Cache-Control: no-cache` (read in the views of about 2018).
    pub uncached_pages: &'static [&'static str],
    /// The words of the select of states, in its order (read in the model of about 2018).
    pub statuses: &'static [&'static str],
    /// An expired lock is renewed by whoever takes it, and the half of its last owner stays (WP 3.4; read in the source of
    /// about 2018).
    pub renews_locks: bool,
    /// `lock_status` shows when a lock was taken with a fraction of a second.
    pub lock_fractions: bool,
    /// The row of a new pmap is written before those of its imaps (read in the source of about 2018).
    pub pmap_row_first: bool,
    /// A delivery fails where a link of its name is there already (read in the source of about 2018).
    pub refuses_taken_links: bool,
    /// The certify page looks for blacklisted files only if every file passed (read in the views of about 2018).
    pub blacklists_after_passing: bool,
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
    /// The generation of the library that derives rules and certifies.
    pub generation: Generation,
    /// Half of a lock fails every request of its owner (B079, mended in 2018).
    pub half_locks_fail: bool,
    /// Alphabet of dataset ids, one part, as in Python's `[...]`, and whether `:` may separate two.
    pub colon_ids: bool,
    /// Largest number of ids of `get_dataset_headers_by_id` (WP 1.7).
    pub max_headers_per_rpc: usize,

    // JSON-RPC.
    /// The RPC library is django-json-rpc 0.6: `params` must be there, no `id` on failure, only version 1.1 leaves out the
    /// empty half of an answer, and a GET is refused with a word misspelt (WP 1.3).
    pub older_rpc_library: bool,
    /// Errors of Python itself come in the words of Python 2 (WP 1.4).
    pub python_2: bool,
    /// Largest body that Django takes (WP 1.3).
    pub max_body_bytes: Option<usize>,
    /// Words that a context specifier may have for a date, in the order in which its refusal lists them (WP 1.9).
    pub context_symbols: &'static [&'static str],
    /// `get_context_by_date` answers `N/A` for a type that is marked so (WP 1.9).
    pub answers_not_applicable: bool,
    /// The library knows HST's synphot and JWST's system (WP 1.4).
    pub newer_instruments: bool,
    /// Server info has the lists of mappings and bad files, the history and the times (WP 1.8).
    pub info_lists: bool,
    /// Server info has what today's client reads: latest context, further addresses, sizes and checksums (WP 1.8).
    pub info_downloads: bool,
    /// Records of files have their history (WP 1.10).
    pub file_history: bool,
    /// `get_file_info` takes a context for its observatory (WP 1.7).
    pub file_info_by_context: bool,
    /// `get_dataset_headers_by_id` heeds its third argument (WP 1.7).
    pub heeds_since: bool,
    /// The number of ids is tested before it is tested that they are a list (WP 1.7).
    pub counts_ids_first: bool,
    /// Best references by ids find a plain id in a compound one (WP 1.7).
    pub finds_parts_of_ids: bool,
    /// Headers are minimised before they are conditioned (WP 1.7).
    pub minimises_first: bool,
    /// Keywords that may name the instrument beside the rules' own (WP 1.7, RS 6).
    pub instrument_keywords: &'static [&'static str],
    /// What follows `Missing '<keyword>' keyword in header` where none does (WP 1.7).
    pub missing_instrument: &'static str,
    /// Parkeys have the extra keys of imaps and those that later libraries always want (RS 3).
    pub later_parkeys: bool,
    /// In the database that clients get, a context's row has a `name`, not a `kind` (read in the model of about 2018).
    pub contexts_have_names: bool,
    /// Kinds of context that may be pushed (WP 1.7).
    pub pushable_kinds: &'static [&'static str],
    /// Affected datasets without a summary of errors are an error of the handler (WP 1.11).
    pub stumbles_without_summary: bool,

    // Pages.
    /// The markup of 2014: what only looks different.
    pub old_pages: bool,
    /// The reason of a named check is told (WP 3.1).
    pub tells_reasons: bool,
    /// Descriptions may be empty or very long and have `# * !` (WP 3.1).
    pub free_descriptions: bool,
    /// Create contexts takes `<instrument>_<type>_n/a` (RD 5.1).
    pub takes_not_applicable: bool,
    /// A parkey may be typed beside its select (WP 3.2).
    pub typed_parkeys: bool,
    /// The table of an rmap is for scripts only (WP 3.2).
    pub tables_for_scripts: bool,
    /// A context kind that only begins like one is an unexpected failure (WP 3.1).
    pub unknown_kind_fails: bool,

    // Submissions.
    /// Deletions and additions follow a status channel (WP 3.9).
    pub deletions_use_channel: bool,
    /// A refusal ends the channel with its text (WP 3.9).
    pub failures_end_channel: bool,
    /// Channel messages tell sizes and every step (WP 3.9).
    pub longer_messages: bool,
    /// A lock that was lost turns a confirmation into a cancellation (WP 3.6).
    pub lost_lock_cancels: bool,
    /// What cannot be delivered by the page of mappings, is refused by its kind (WP 3.6).
    pub tests_for_mappings: bool,
    /// A request for contexts is tested on the page of references too (WP 3.6).
    pub contexts_want_rmaps: bool,
    /// Deleting or adding nothing is refused at once (WP 3.6).
    pub refuses_empty_lists: bool,
    /// Deleting or adding mappings is refused (WP 3.6).
    pub lists_hold_references: bool,
    /// What a name that is taken is called (WP 3.6).
    pub existing_file: &'static str,
    /// A reference whose name and header do not tell its type is refused in words; older libraries have none (RD 6.4).
    pub explains_headers: bool,
    /// A header that tells a type that there is not is refused in words (RD 6.4).
    pub explains_types: bool,
    /// Facts of a reference are read whatever its name (WP 1.10).
    pub reads_every_reference: bool,
    /// Names of new contexts are drawn for the context of the submission, not of the confirmation (RD 5.2).
    pub reserves_names: bool,
    /// Files are certified one by one, each under its own name (RD 7.3).
    pub certifies_singly: bool,
    /// Mappings that the server made are looked at for bad and unknown files like uploaded ones (RD 7.4).
    pub distrusts_own_mappings: bool,
    /// Files that a mapping refers to must be in a good state, not only have a row (RD 7.4).
    pub tests_states_below: bool,
}

/// Displayed states that a search may name (WP 3.10, 4.1).
const STATUSES_2014: &[&str] =
    &["*", "delivered", "submitted", "archiving", "archiving-failed", "archived", "operational", "cancelled", "bad"];

/// The same in the order of the later model.
const STATUSES: &[&str] =
    &["*", "delivered", "submitted", "archiving", "archived", "operational", "cancelled", "archiving-failed", "bad"];

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
    frame_options: "SAMEORIGIN",
    uncached_pages: &["/"],
    statuses: STATUSES_2014,
    renews_locks: false,
    lock_fractions: true,
    pmap_row_first: false,
    refuses_taken_links: false,
    blacklists_after_passing: false,
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
    generation: Generation::Y2014,
    half_locks_fail: true,
    colon_ids: false,
    max_headers_per_rpc: 5000,

    older_rpc_library: true,
    python_2: true,
    max_body_bytes: None,
    context_symbols: &["edit", "operational"],
    answers_not_applicable: false,
    newer_instruments: false,
    info_lists: false,
    info_downloads: false,
    file_history: false,
    file_info_by_context: false,
    heeds_since: true,
    counts_ids_first: false,
    finds_parts_of_ids: false,
    minimises_first: true,
    instrument_keywords: &["INSTRUME"],
    missing_instrument: "",
    later_parkeys: false,
    contexts_have_names: false,
    pushable_kinds: &["operational"],
    stumbles_without_summary: false,

    old_pages: true,
    tells_reasons: true,
    free_descriptions: true,
    takes_not_applicable: false,
    typed_parkeys: false,
    tables_for_scripts: true,
    unknown_kind_fails: true,

    deletions_use_channel: false,
    failures_end_channel: false,
    longer_messages: false,
    lost_lock_cancels: true,
    tests_for_mappings: true,
    contexts_want_rmaps: false,
    refuses_empty_lists: true,
    lists_hold_references: false,
    existing_file: "File",
    explains_headers: false,
    explains_types: false,
    reads_every_reference: false,
    reserves_names: true,
    certifies_singly: false,
    distrusts_own_mappings: true,
    tests_states_below: false,
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
    same_site: "",
    frame_options: "DENY",
    uncached_pages: &["/", "/display_context_history/", "/display_all_contexts/", "/old_results/"],
    statuses: STATUSES,
    renews_locks: true,
    lock_fractions: false,
    pmap_row_first: true,
    refuses_taken_links: true,
    blacklists_after_passing: true,
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
    generation: Generation::Now,
    half_locks_fail: false,
    colon_ids: true,
    max_headers_per_rpc: 1000,

    older_rpc_library: false,
    python_2: false,
    max_body_bytes: Some(2_621_440),
    context_symbols: &["operational", "edit", "versions"],
    answers_not_applicable: true,
    newer_instruments: true,
    info_lists: true,
    info_downloads: false,
    file_history: true,
    file_info_by_context: true,
    heeds_since: false,
    counts_ids_first: true,
    finds_parts_of_ids: true,
    minimises_first: false,
    instrument_keywords: &INSTRUMENT_KEYWORDS,
    missing_instrument: " for determining instrument.",
    later_parkeys: false,
    contexts_have_names: true,
    pushable_kinds: &["operational"],
    stumbles_without_summary: true,

    old_pages: false,
    tells_reasons: false,
    free_descriptions: false,
    takes_not_applicable: true,
    typed_parkeys: true,
    tables_for_scripts: false,
    unknown_kind_fails: false,

    deletions_use_channel: true,
    failures_end_channel: true,
    longer_messages: true,
    lost_lock_cancels: false,
    tests_for_mappings: false,
    contexts_want_rmaps: true,
    refuses_empty_lists: false,
    lists_hold_references: true,
    existing_file: "File named",
    explains_headers: false,
    explains_types: true,
    reads_every_reference: true,
    reserves_names: false,
    certifies_singly: true,
    distrusts_own_mappings: false,
    tests_states_below: true,
};

const NOW: Dialect = Dialect {
    pmap_modes: &["pmap_menu", "pmap_text", "pmap_edit", "pmap_operational", "pmap_latest"],
    same_site: "; SameSite=Lax",
    older_library: false,
    explains_headers: true,
    info_downloads: true,
    later_parkeys: true,
    pushable_kinds: &["operational", "latest"],
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
