//! Submissions: from uploads and names to rules, results, contexts and deliveries (WP 3.6, RD 2.5, 5, 6).

mod certify;
mod deliver;
mod intake;
mod kinds;
mod rules;
mod settle;

pub use certify::certify_uploads;
pub use kinds::{add, batch, create_contexts, delete, mappings, references};
pub use settle::{Button, already_settled, settle};

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

use super::stored::{Stored, Submission};
use crate::stand_in::derive::{DeriveError, Generation};
use crate::stand_in::server::catalog::ResultRow;
use crate::stand_in::server::downloads::escape;
use crate::stand_in::server::locks::LockStatus;
use crate::stand_in::server::refusal::Refusal;
use crate::stand_in::server::{Dialect, Level, Server};

/// Who submits.
#[derive(Debug, Clone, Default)]
pub struct Who {
    /// Name of the user.
    pub user: String,
    /// Key of the session's status channel; none where the page does not follow one.
    pub channel: Option<String>,
    /// The lock held; super users go without.
    pub lock: Option<LockStatus>,
}

/// What the form says.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// How the context was chosen.
    pub mode: String,
    /// The context; none for submissions that look at none.
    pub pmap: Option<String>,
    /// Description.
    pub description: String,
    /// Creator.
    pub creator: String,
    /// Grade of the change.
    pub change_level: String,
    /// The server gives new names.
    pub auto_rename: bool,
    /// Contexts are made at confirmation.
    pub generate_contexts: bool,
    /// New rules are compared with the context's.
    pub compare: bool,
}

/// A file to submit: its name and where it lies.
pub type Upload = (String, PathBuf);

/// A submission at work.
struct Job<'a> {
    server: &'a Server,
    who: &'a Who,
    terms: &'a Terms,
    /// Files that this submission has brought into catalogue and cache.
    added: RefCell<Vec<String>>,
}

impl<'a> Job<'a> {
    fn new(server: &'a Server, who: &'a Who, terms: &'a Terms) -> Self {
        Self { server, who, terms, added: RefCell::new(Vec::new()) }
    }

    fn dialect(&self) -> &'static Dialect {
        self.server.dialect()
    }

    fn generation(&self) -> Generation {
        self.server.config.generation
    }

    fn observatory(&self) -> &str {
        &self.server.config.observatory
    }

    /// A line on the status channel.
    fn say(&self, text: &str) -> Result<(), Refusal> {
        if let Some(channel) = &self.who.channel {
            self.server.push_status(channel, text)?;
        }
        Ok(())
    }

    /// A line that only the longer messages have.
    fn say_at_length(&self, text: &str) -> Result<(), Refusal> {
        if self.dialect().longer_messages { self.say(text) } else { Ok(()) }
    }

    /// The context, for work that needs one.
    fn pmap(&self) -> Result<&str, Refusal> {
        self.terms.pmap.as_deref().ok_or_else(|| Refusal::unexpected("no context"))
    }

    /// Removes what this submission had brought in; numbers already drawn stay used (WP 3.6).
    fn destroy(&self) -> Result<(), Refusal> {
        let added = self.added.take();
        if self.server.faulty("failed_submission_stays") {
            return Ok(());
        }
        if !added.is_empty() {
            self.server.config.log.message(Level::Info, "Cleanup failed submission");
        }
        destroy(self.server, &added)
    }
}

/// Removes files from catalogue and cache.
fn destroy(server: &Server, names: &[String]) -> Result<(), Refusal> {
    for name in names {
        server.config.log.message(Level::Info, &format!("DESTROYING '{name}'"));
        let _ = std::fs::remove_file(file_path(server, name));
    }
    server.catalogue.remove_files(&names.iter().cloned().collect::<BTreeSet<_>>())?;
    server.drop_cached();
    Ok(())
}

/// Where a file of that name lies in the cache.
fn file_path(server: &Server, name: &str) -> PathBuf {
    let dirs = &server.config.dirs;
    if crate::stand_in::derive::names::is_mapping(name) { dirs.mappings.join(name) } else { dirs.references.join(name) }
}

/// Carries out a submission and stores its page; a refusal cleans up and is told on the channel.
fn carry_out(
    job: &Job<'_>,
    submission: Submission,
    work: impl FnOnce(&Job<'_>) -> Result<(Stored, &'static str), Refusal>,
) -> Result<ResultRow, Refusal> {
    let outcome = work(job).and_then(|(stored, disposition)| {
        // A failed certification leaves nothing behind; 2014 went through everything first.
        if !disposition.is_empty() {
            job.destroy()?;
        }
        let row = store(job.server, &job.who.user, submission.action(), &stored, disposition)?;
        job.server.reached("submit.stored")?;
        Ok(row)
    });
    match outcome {
        Ok(row) => {
            finish(job.server, job.who, &row)?;
            Ok(row)
        }
        // A request that dies leaves everything as it is.
        Err(refusal) if is_crash(&refusal) => Err(refusal),
        Err(refusal) => {
            job.destroy()?;
            if let Some(channel) = job.who.channel.as_deref().filter(|_| job.dialect().failures_end_channel) {
                job.server.push_done(channel, 1, &escape(&refusal.text))?;
            }
            Err(refusal)
        }
    }
}

/// Whether a request died at a crash point of the fault knobs.
fn is_crash(refusal: &Refusal) -> bool {
    refusal.unexpected && refusal.text.starts_with("crash at ")
}

/// Stores a result page.
fn store(server: &Server, user: &str, kind: &str, stored: &Stored, disposition: &str) -> Result<ResultRow, Refusal> {
    let mut row = ResultRow {
        id: 0,
        name: uuid::Uuid::new_v4().to_string(),
        date: server.now_text(),
        user: user.to_owned(),
        kind: kind.to_owned(),
        disposition: disposition.to_owned(),
        blob: serde_json::to_value(stored).map_err(|error| Refusal::unexpected(error.to_string()))?,
    };
    row.id = server.catalogue.add_result(&row)?;
    server.drop_cached();
    Ok(row)
}

/// Address path of a stored page.
pub fn page_path(server: &Server, row: &ResultRow) -> String {
    if server.dialect().uuid_results {
        format!("/display_result/{}", row.name)
    } else {
        format!("/display_result/{}", row.id)
    }
}

/// Says `done` with the page's address and waits, so that followers see it before the redirect (WP 3.6, 3.9).
fn finish(server: &Server, who: &Who, row: &ResultRow) -> Result<(), Refusal> {
    let Some(channel) = &who.channel else { return Ok(()) };
    let path = page_path(server, row);
    // Later servers join a base with a final slash and a path with one at its beginning.
    let address = if server.dialect().uuid_results { format!("{}{path}", server.config.public_url) } else { path };
    server.push_done(channel, 0, &address)?;
    server.config.clock.sleep(server.config.pause);
    Ok(())
}

/// A refusal in the words of derivation.
fn derived(error: &DeriveError) -> Refusal {
    Refusal::says(error.to_string())
}
