//! Certification without a submission (WP 3.11): a login is enough, nothing is changed.

use super::super::forms::CERTIFY;
use super::super::submissions::{self, Who};
use super::super::visit::{Outcome, Visit};
use super::{display, submit};

/// The form.
pub fn form(visit: &Visit, _: &[String], error: Option<&str>) -> Outcome {
    visit.form_page(&CERTIFY, error)
}

/// `/certify/`: context, files, channel, in this order.
pub fn certify(visit: &Visit, captures: &[String]) -> Outcome {
    if visit.is_get() {
        return form(visit, captures, None);
    }
    let (_, pmap) = visit.context()?;
    let compared = visit.ticked("compare_old_reference");
    let files = submit::ingested(visit)?;
    let who = Who { user: visit.username(), channel: Some(visit.channel()?), lock: None };
    let context = compared.then_some(pmap.as_str());
    let row = submissions::certify_uploads(visit.server, &who, context, &files)?;
    Ok(display::redirect(visit, &row))
}
