//! The pages of submissions and of their confirmation (WP 3.6, 3.10).

use super::super::fields::{Rule, check, split_files};
use super::super::forms::{ADD, BATCH, CREATE_CONTEXTS, DELETE, Page, SUBMIT_MAPPING, SUBMIT_REFERENCE};
use super::super::html::repr;
use super::super::stored::{Ready, Stored};
use super::super::submissions::{self, Button, Terms, Upload, Who};
use super::super::visit::{Outcome, Stop, Visit};
use super::{display, login, uploads};
use crate::stand_in::server::Level;
use crate::stand_in::server::catalog::ResultRow;

fn page_of(captures: &[String]) -> &'static Page {
    if captures.first().is_some_and(|kind| kind == "mapping") { &SUBMIT_MAPPING } else { &SUBMIT_REFERENCE }
}

/// The form of mappings or references.
pub fn files_form(visit: &Visit, captures: &[String], error: Option<&str>) -> Outcome {
    visit.form_page(page_of(captures), error)
}

/// The form of a batch.
pub fn batch_form(visit: &Visit, _: &[String], error: Option<&str>) -> Outcome {
    visit.form_page(&BATCH, error)
}

/// The form of deletions.
pub fn delete_form(visit: &Visit, _: &[String], error: Option<&str>) -> Outcome {
    visit.form_page(&DELETE, error)
}

/// The form of additions.
pub fn add_form(visit: &Visit, _: &[String], error: Option<&str>) -> Outcome {
    visit.form_page(&ADD, error)
}

/// The lock that counts for this visit: in 2014 the login's instrument, in 2019 the user's live lock.
fn who(visit: &Visit, channel: Option<String>) -> Result<Who, Stop> {
    let user = visit.username();
    let lock = match visit.locked_instrument()? {
        Some(instrument) => visit.server.live_lock(&user)?.filter(|lock| lock.name == instrument),
        None => None,
    };
    Ok(Who { user, channel, lock })
}

/// The files of the visitor's ingest directory; mappings among them become writable again.
pub fn ingested(visit: &Visit) -> Result<Vec<Upload>, Stop> {
    let files = uploads::ingested(visit, &visit.username());
    if files.is_empty() {
        return Err(Stop::refused("No input files were specified."));
    }
    Ok(files)
}

fn terms_of(visit: &Visit, page: &Page, context: Option<(String, String)>) -> Result<Terms, Stop> {
    let values = visit.validate_page(page)?;
    let value = |name: &str| {
        let place = page.checks.iter().position(|check| check.field == name);
        place.map(|place| values[place].clone()).unwrap_or_default()
    };
    let (mode, pmap) = context.map_or((String::new(), None), |(mode, pmap)| (mode, Some(pmap)));
    Ok(Terms {
        mode,
        pmap,
        description: value("description"),
        creator: value("creator"),
        change_level: value("change_level"),
        auto_rename: visit.ticked("auto_rename"),
        generate_contexts: visit.ticked("generate_contexts"),
        compare: visit.ticked("compare_old_reference"),
    })
}

/// `/submit/mapping/` and `/submit/reference/`.
pub fn files(visit: &Visit, captures: &[String]) -> Outcome {
    if visit.is_get() {
        return files_form(visit, captures, None);
    }
    let page = page_of(captures);
    let mapping = std::ptr::eq(page, &SUBMIT_MAPPING);
    // Both boxes are read on both pages, whichever of them the form shows.
    let wanted = visit.ticked("generate_contexts") || visit.ticked("compare_old_reference");
    let context = if wanted { Some(visit.context()?) } else { None };
    let terms = terms_of(visit, page, context)?;
    let files = ingested(visit)?;
    let who = who(visit, Some(visit.channel()?))?;
    let row = if mapping {
        submissions::mappings(visit.server, &who, &terms, &files)?
    } else {
        submissions::references(visit.server, &who, &terms, &files)?
    };
    Ok(display::redirect(visit, &row))
}

/// `/batch_submit_references/`.
pub fn batch(visit: &Visit, captures: &[String]) -> Outcome {
    if visit.is_get() { batch_form(visit, captures, None) } else { batch_post(visit) }
}

/// What a batch form sends, from whichever page.
pub fn batch_post(visit: &Visit) -> Outcome {
    let context = visit.context()?;
    let mut terms = terms_of(visit, &BATCH, Some(context))?;
    terms.generate_contexts = true;
    let files = ingested(visit)?;
    let who = who(visit, Some(visit.channel()?))?;
    let row = submissions::batch(visit.server, &who, &terms, &files)?;
    Ok(display::redirect(visit, &row))
}

/// `/delete/reference/`.
pub fn delete(visit: &Visit, captures: &[String]) -> Outcome {
    if visit.is_get() {
        return delete_form(visit, captures, None);
    }
    existing(visit, &DELETE, "deleted_files", submissions::delete)
}

/// `/add_existing/reference/`.
pub fn add(visit: &Visit, captures: &[String]) -> Outcome {
    if visit.is_get() {
        return add_form(visit, captures, None);
    }
    existing(visit, &ADD, "added_files", submissions::add)
}

type Existing = fn(
    &crate::stand_in::server::Server,
    &Who,
    &Terms,
    &[String],
) -> Result<ResultRow, crate::stand_in::server::refusal::Refusal>;

fn existing(visit: &Visit, page: &Page, field: &str, work: Existing) -> Outcome {
    let context = visit.context()?;
    let mut terms = terms_of(visit, page, Some(context))?;
    terms.creator = "UNKNOWN".to_owned();
    let files = split_files(visit.fields.get(field).unwrap_or_default());
    // 2014's deletions follow no channel (WP 3.9).
    let channel = if visit.dialect().deletions_use_channel { Some(visit.channel()?) } else { None };
    let who = who(visit, channel)?;
    let row = work(visit.server, &who, &terms, &files)?;
    Ok(display::redirect(visit, &row))
}

/// The form of contexts from rmaps.
pub fn create_form(visit: &Visit, _: &[String], error: Option<&str>) -> Outcome {
    visit.form_page(&CREATE_CONTEXTS, error)
}

/// `/create_contexts/`.
pub fn create(visit: &Visit, captures: &[String]) -> Outcome {
    if visit.is_get() {
        return create_form(visit, captures, None);
    }
    let context = visit.context()?;
    let terms = terms_of(visit, &CREATE_CONTEXTS, Some(context))?;
    let rmaps = split_files(visit.fields.get("rmaps").unwrap_or_default());
    let who = who(visit, None)?;
    let row = submissions::create_contexts(visit.server, &who, &terms, &rmaps)?;
    Ok(display::redirect(visit, &row))
}

/// `/submit_confirm/` (WP 3.6, "Checks in order").
pub fn confirm(visit: &Visit, _: &[String]) -> Outcome {
    let button = visit.validate(check("button", Rule::Words(visit.server.dialect().buttons)))?;
    let id = visit.validate(check("results_id", Rule::ResultId))?;
    let channel = visit.channel()?;
    let row = display::find(visit, &id)?
        .ok_or_else(|| Stop::refused(format!("Error fetching result: {id} : {}", display::missing(visit, &id))))?;
    let stored: Stored =
        serde_json::from_value(row.blob.clone()).map_err(|error| Stop::failed(format!("result {id}: {error}")))?;
    let Stored::Ready(ready) = stored else {
        return Err(submissions::already_settled().into());
    };
    if !row.disposition.is_empty() && !visit.server.faulty("confirm_twice") {
        return Err(submissions::already_settled().into());
    }
    let who = who(visit, Some(channel))?;
    let decision = if visit.dialect().lost_lock_cancels {
        decide_2014(visit, &who, &ready, &button)?
    } else {
        decide(&who, &ready, &button)?
    };
    let page = submissions::settle(visit.server, &who, &row, &ready, &decision)?;
    if visit.server.dialect().logout_after_confirm {
        login::end(visit)?;
    }
    Ok(display::redirect(visit, &page))
}

/// 2019: the button's word is put into the past tense, and only that is tested (read in the source of about 2018): so
/// `confirme` confirms, while any other button that merely begins like one cancels (WP 3.1).
fn decide(who: &Who, ready: &Ready, button: &str) -> Result<Button, Stop> {
    let disposition = format!("{button}{}", if button.ends_with('e') { "d" } else { "ed" });
    match disposition.as_str() {
        "confirmed" => {
            if who.user != ready.submitter {
                // The two names are swapped on the real server too.
                return Err(Stop::refused(format!(
                    "User mismatch: file Submitter='{}' and Confirmer='{}' don't match.",
                    who.user, ready.submitter
                )));
            }
            let now = who.lock.as_ref().map(|lock| lock.id()).unwrap_or_default();
            // A super user's submission without a lock asks for none.
            if !ready.lock_id.is_empty() && now != ready.lock_id {
                return Err(Stop::refused(format!(
                    "BROKEN LOCK: Original submission lock '{}' does not match current lock '{now}' . Use 'force' to \
                     confirm anyway.",
                    ready.lock_id
                )));
            }
            Ok(Button::Confirm)
        }
        "forced" => Ok(Button::Force),
        _ => Ok(Button::Cancel { disposition }),
    }
}

/// 2014: the submitter alone may settle; a lost lock turns a confirmation into a cancellation (WP 3.6).
fn decide_2014(visit: &Visit, who: &Who, ready: &Ready, button: &str) -> Result<Button, Stop> {
    if who.user != ready.submitter {
        return Err(Stop::refused(format!(
            "User mismatch: file Submitter='{}' and Confirmer='{}' don't match.",
            who.user, ready.submitter
        )));
    }
    let cancel = |disposition: String| Ok(Button::Cancel { disposition });
    match button {
        "confirm" => {
            let Some(instrument) = visit.locked_instrument()? else { return Ok(Button::Confirm) };
            let now = who.lock.as_ref().map(|lock| lock.id()).unwrap_or_default();
            if now == ready.lock_id {
                return Ok(Button::Confirm);
            }
            let object = repr(&format!("instrument${instrument}"));
            let why = format!("User {} no longer holds lock {object}", repr(&who.user));
            visit.server.config.log.message(Level::Info, &format!("Locking exception: {why}"));
            cancel(format!("cancelled due to: {why}"))
        }
        "timeout" => {
            visit.server.release_locks(&who.user)?;
            let instrument = visit.locked_instrument()?.unwrap_or_default();
            cancel(format!("cancelled due to '{instrument}' session lock timeout"))
        }
        _ => cancel("cancelled by submitter".to_owned()),
    }
}
