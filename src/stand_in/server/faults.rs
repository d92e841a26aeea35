//! Fault knobs: files in `faults/` of the data directory, looked at on every occasion, so that they work without a
//! restart. Off by default. Where a fault comes from is cited: WP 5.4 point 8, or a row of the fault catalogue.

use std::fs;
use std::path::Path;

use super::{Level, Refusal, Server, rpc::shell_match};

/// One knob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knob {
    /// Name of the file that switches it on.
    pub name: &'static str,
    /// What its text means; empty = the text does not matter.
    pub text: &'static str,
    /// What the server then does.
    pub does: &'static str,
    /// Where it comes from.
    pub from: &'static str,
}

const fn knob(name: &'static str, text: &'static str, does: &'static str, from: &'static str) -> Knob {
    Knob { name, text, does, from }
}

/// Every knob.
pub const KNOBS: &[Knob] = &[
    knob("wrong_bytes", "globs of file names", "serves bytes of the right length and another content", "WP 5.4"),
    knob("wrong_length", "globs of file names", "serves a file without its last byte", "WP 5.4"),
    knob("missing_file", "globs of file names", "answers 404 for a download", "WP 5.4"),
    knob("static_404", "areas: mappings, references, config, pickle", "answers 404 for the whole area", "B071"),
    knob("metadata_missing", "globs of file names", "lists a file but knows no size and checksum of it", "WP 5.4, 1.8"),
    knob("rpc_500", "globs of method names", "answers HTTP 500 without a JSON body", "WP 5.4"),
    knob("no_error_key", "globs of method names", "leaves `error` out of a success", "WP 5.4"),
    knob("html_answer", "globs of method names", "answers an HTML page with status 200", "WP 5.4"),
    knob("bytes_repr", "globs of method names", "answers the text of a Python bytes object", "B086"),
    knob("wrong_observatory", "an observatory", "names another observatory in its server info", "WP 5.4"),
    knob("rejected_in_default", "file names", "lists more bad files than are marked", "WP 5.4"),
    knob("stale_info", "", "repeats the server info that it gave first", "WP 5.4, A017"),
    knob("stale_cache", "", "never drops cached answers", "A017, A019"),
    knob("affected_not_ready", "", "says that no affected datasets are computed", "WP 5.4"),
    knob("cache_not_ready", "", "keeps the error of get_affected_datasets for a day", "A029"),
    knob("headers_missing", "globs of dataset ids", "hands out no header of a dataset and does not say so", "WP 1.7"),
    knob("no_done", "", "never sends `done` on a status channel", "WP 5.4, B082"),
    knob("slow_channel", "seconds", "opens status channels late", "B082"),
    knob("hang", "globs of paths", "accepts a request and never answers it (an hour)", "B052"),
    knob("slow", "seconds", "answers every request late", "B052"),
    knob("database_error", "", "fails the next change of file states, once, and removes the knob", "B076"),
    knob("write_fails", "", "fails every change of file states", "B077"),
    knob("dates_rewritten", "", "rewrites delivery dates whenever file states change", "C115"),
    knob("guard_edit_context", "", "refuses bad marks by the edit instead of the operational context", "A020"),
    knob("bad_mark_lost", "", "says that files are marked and marks nothing", "A019"),
    knob("edit_stays", "", "does not move the edit context at a confirmation", "A022"),
    knob("stale_base", "", "derives contexts from the context of submission time", "A022"),
    knob("failed_submission_stays", "", "leaves files and rows of a refused submission behind", "A025"),
    knob("confirm_twice", "", "lets one submission be confirmed again and again", "A026"),
    knob("hidden_rmap_errors", "", "shows a submission as ready although its new rules have errors", "B085"),
    knob("locks_aged", "hours", "counts every lock as that much older", "B080"),
    knob("counters_behind", "a number", "draws names that much too low, so that it has to draw again", "A023"),
    knob("uploads_full", "", "has no space for uploads", "B088"),
    knob("cross_device", "", "cannot hard-link from the ingest directory", "B089"),
    knob("escaped_upload_script", "", "escapes the script of the upload form", "B061"),
    knob("link_mode", "an octal mode", "gives delivery links (and so the cache files) this mode", "A007"),
    knob(
        "crash_at",
        "a crash point, then perhaps `exit`",
        "dies there: the request, or with `exit` the process",
        "A025",
    ),
];

/// Places at which `crash_at` can strike, in the order in which a submission and its confirmation pass them (WP 3.6).
pub const CRASH_POINTS: &[&str] = &[
    "submit.certified",
    "submit.named",
    "submit.copied",
    "submit.catalogued",
    "submit.rmaps_made",
    "submit.stored",
    "confirm.names_drawn",
    "confirm.contexts_written",
    "confirm.edit_moved",
    "confirm.catalogue_written",
    "confirm.first_link",
    "confirm.links_made",
    "confirm.states_delivered",
    "confirm.audit_written",
    "confirm.ingest_removed",
    "confirm.cache_cleared",
    "set_context.context_set",
    "set_context.history_written",
    "set_context.states_set",
];

impl Server {
    /// The text of a knob that is switched on.
    pub fn fault(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.config.dirs.faults.join(name)).ok()
    }

    /// Whether a knob is switched on.
    pub fn faulty(&self, name: &str) -> bool {
        self.config.dirs.faults.join(name).exists()
    }

    /// Whether a knob is on for `subject`: one of its globs matches, or it has none.
    pub fn faulty_for(&self, name: &str, subject: &str) -> bool {
        on_for(&self.config.dirs.faults, name, subject)
    }

    /// Passes a crash point, or dies there if `crash_at` says so.
    ///
    /// # Errors
    ///
    /// The death of the request: an unexpected failure that leaves everything as it is.
    pub fn reached(&self, point: &str) -> Result<(), Refusal> {
        let Some(text) = self.fault("crash_at") else { return Ok(()) };
        let mut words = text.split_whitespace();
        if words.next() != Some(point) {
            return Ok(());
        }
        self.config.log.message(Level::Error, &format!("crash at {point}"));
        if words.next() == Some("exit") {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
        Err(Refusal::unexpected(format!("crash at {point}")))
    }

    /// The failure that `write_fails` and `database_error` put in front of a change of file states.
    pub(super) fn refuse_write(&self) -> Result<(), Refusal> {
        if self.faulty("write_fails") {
            return Err(Refusal::unexpected(
                "An error occurred in the current transaction. You can't execute queries until the end of the 'atomic' block.",
            ));
        }
        if self.faulty("database_error") {
            let _ = fs::remove_file(self.config.dirs.faults.join("database_error"));
            return Err(Refusal::unexpected("(1030, 'Got error -1 from storage engine')"));
        }
        Ok(())
    }
}
/// Whether the knob `name` in the directory `knobs` is on for `subject`: one of its globs matches, or it has none.
pub fn on_for(knobs: &Path, name: &str, subject: &str) -> bool {
    fs::read_to_string(knobs.join(name)).is_ok_and(|text| {
        let mut globs = text.split_whitespace().peekable();
        globs.peek().is_none() || globs.any(|glob| shell_match(glob, subject))
    })
}
