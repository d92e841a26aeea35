//! Confirming, forcing and cancelling (WP 3.6).

use std::sync::PoisonError;

use super::super::stored::{Cancelled, Confirmed, Ready, Stored, Submission};
use super::deliver::{self, Delivery};
use super::{Job, Terms, Who, destroy, finish, page_path, store};
use crate::stand_in::server::Server;
use crate::stand_in::server::catalog::ResultRow;
use crate::stand_in::server::refusal::Refusal;

/// What the clicker wants; the tests of WP 3.6 are behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Button {
    /// Delivers.
    Confirm,
    /// Delivers although submitter or lock do not fit.
    Force,
    /// Throws away, with the words of the page.
    Cancel {
        /// Disposition of the result.
        disposition: String,
    },
}

/// Settles a pending submission and gives the page that tells of it.
///
/// # Errors
///
/// The second click; what the delivery refuses (2019: the disposition then stays `finalizing` for ever).
pub fn settle(
    server: &Server,
    who: &Who,
    row: &ResultRow,
    ready: &Ready,
    button: &Button,
) -> Result<ResultRow, Refusal> {
    let modern = server.dialect().uuid_results;
    let again = server.faulty("confirm_twice");
    // 2014 writes the disposition last: until then only this process knows that somebody is at it.
    let _turn = if again { None } else { Some(Turn::of(server, &row.name)?) };
    let taken = match (again, modern) {
        (true, _) => true,
        (false, true) => server.catalogue.change_disposition(&row.name, "", "finalizing")?,
        // Somebody may have settled it since the page was read.
        (false, false) => server.catalogue.result(&row.name)?.is_some_and(|now| now.disposition.is_empty()),
    };
    if !taken {
        return Err(already_settled());
    }
    server.drop_cached();
    let outcome = settled(server, who, row, ready, button);
    // The channel hears of success alone: only a submission that fails after its start says so there (WP 3.9).
    if let Ok(page) = &outcome {
        finish(server, who, page)?;
    }
    outcome
}

/// The second click, whoever clicks.
pub fn already_settled() -> Refusal {
    Refusal::says("This submission was already confirmed or cancelled.")
}

/// One request's turn at a submission; the others are refused while it lasts.
struct Turn<'a> {
    server: &'a Server,
    name: String,
}

impl<'a> Turn<'a> {
    fn of(server: &'a Server, name: &str) -> Result<Self, Refusal> {
        let mut settling = server.settling.lock().unwrap_or_else(PoisonError::into_inner);
        if settling.insert(name.to_owned()) {
            Ok(Self { server, name: name.to_owned() })
        } else {
            Err(already_settled())
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.server.settling.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

fn settled(server: &Server, who: &Who, row: &ResultRow, ready: &Ready, button: &Button) -> Result<ResultRow, Refusal> {
    let (stored, disposition) = match button {
        Button::Cancel { disposition } => {
            let new: Vec<String> = ready.uploads.iter().chain(&ready.rmaps).map(|(_, new)| new.clone()).collect();
            destroy(server, &new)?;
            let page = Cancelled {
                submission: ready.submission,
                why: disposition.clone(),
                ready_page: page_path(server, row),
            };
            (Stored::Cancelled(page), disposition.as_str())
        }
        Button::Confirm | Button::Force => {
            let page = confirmed(server, who, row, ready)?;
            clear_uploads(server, &who.user, ready);
            server.reached("confirm.ingest_removed")?;
            server.drop_cached();
            server.reached("confirm.cache_cleared")?;
            (Stored::Confirmed(page), if *button == Button::Force { "forced" } else { "confirmed" })
        }
    };
    let from = if server.dialect().uuid_results { "finalizing" } else { "" };
    if !server.faulty("confirm_twice") && !server.catalogue.change_disposition(&row.name, from, disposition)? {
        return Err(already_settled());
    }
    store(server, &who.user, ready.submission.action(), &stored, "")
}

fn confirmed(server: &Server, who: &Who, row: &ResultRow, ready: &Ready) -> Result<Confirmed, Refusal> {
    let with_contexts = !ready.context_rmaps.is_empty()
        || matches!(ready.submission, Submission::Batch | Submission::Delete | Submission::Add);
    let terms = Terms { description: ready.description.clone(), ..Terms::default() };
    // Rows name the submitter, whoever clicked.
    let submitter = Who { user: ready.submitter.clone(), channel: who.channel.clone(), lock: None };
    let job = Job::new(server, &submitter, &terms);
    let mut uploads = ready.uploads.clone();
    uploads.sort();
    let delivery = Delivery {
        submission: ready.submission,
        user: &ready.submitter,
        description: &ready.description,
        // In the order in which they are looked at again: the new rules first, then what was uploaded, by name.
        files: ready.rmaps.iter().chain(&uploads).map(|(_, new)| new.clone()).collect(),
        context_rmaps: &ready.context_rmaps,
        base: with_contexts.then(|| (ready.pmap_mode.as_str(), ready.pmap.as_deref().unwrap_or_default())),
    };
    let delivered = deliver::carry_out(&job, &delivery)?;
    let mut generated = ready.rmaps.clone();
    generated.extend(delivered.generated);
    generated.sort();
    let renamed = |(old, new): &&(String, String)| old != new;
    let context_rmaps = match ready.submission {
        Submission::Mapping => ready
            .uploads
            .iter()
            .filter(renamed)
            .map(|(_, new)| new.clone())
            .filter(|new| ready.context_rmaps.contains(new))
            .collect(),
        _ => Vec::new(),
    };
    let of = |kind: Submission| if ready.submission == kind { ready.named.clone() } else { Vec::new() };
    Ok(Confirmed {
        submission: ready.submission,
        pmap: delivered.pmap,
        predicted: ready.pmap.clone(),
        pmap_mode: ready.pmap_mode.clone(),
        ready_page: page_path(server, row),
        uploads,
        deleted: of(Submission::Delete),
        added: of(Submission::Add),
        context_rmaps,
        generated,
        collisions: delivered.collisions,
    })
}

/// The clicker's ingest directory loses the files of the submission; names with blanks stay (WP 3.5).
fn clear_uploads(server: &Server, user: &str, ready: &Ready) {
    for (name, _) in &ready.uploads {
        if !name.contains([' ', '/', '\0']) {
            let _ = std::fs::remove_file(server.config.dirs.ingest.join(user).join(name));
        }
    }
}
