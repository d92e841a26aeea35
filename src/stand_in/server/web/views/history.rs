//! Histories of contexts, and the texts in them (WP 3.7).

use super::super::forms;
use super::super::html::{browse, esc, table};
use super::super::visit::{Outcome, Stop, Visit};
use super::common;
use crate::stand_in::server::http::Response;

/// `/display_context_history/`.
pub fn history(visit: &Visit, _: &[String]) -> Outcome {
    let editable = visit.user.as_ref().is_some_and(|user| user.in_group(forms::HISTORIANS));
    let rows = common::history_table(visit, None, true, editable)?;
    Ok(visit.page(&format!("<h2>Context History</h2>\n{}", common::diff_form(&rows))))
}

/// `/display_all_contexts/`: every pmap that is more than uploaded, by name downwards.
pub fn all_contexts(visit: &Visit, _: &[String]) -> Outcome {
    let mut rows = Vec::new();
    for row in visit.server.catalogue.files_with_extension(".pmap")? {
        if row.state == "uploaded" {
            continue;
        }
        rows.push(vec![
            common::seconds(&row.delivery_date),
            browse(&row.name),
            common::status(visit, &row)?,
            esc(&row.description),
            common::diff_box(&row.name),
        ]);
    }
    let head = ["Delivery Date", "Context", "Status", "Description", common::DIFF_BUTTON];
    Ok(visit.page(&format!("<h2>All Contexts</h2>\n{}", common::diff_form(&table(None, &head, &rows)))))
}

/// The form of a history text.
pub fn edit_form(visit: &Visit, captures: &[String], error: Option<&str>) -> Outcome {
    let action = format!("/edit_context_history/{}/{}/", captures[0], captures[1]);
    let row = visit.server.catalogue.history()?.into_iter().find(|row| row.id.to_string() == captures[0]);
    let defaults = row.map(|row| vec![("description".to_owned(), row.description)]).unwrap_or_default();
    let heading = forms::EDIT_HISTORY.heading;
    visit.form_page_with(&forms::EDIT_HISTORY, error, heading, Some(&action), defaults)
}

/// `/edit_context_history/<id>/<pmap>/`.
pub fn edit(visit: &Visit, captures: &[String]) -> Outcome {
    let id: i64 = captures[0].parse().map_err(|_| Stop::failed("OverflowError"))?;
    let known = visit.server.catalogue.history()?.iter().any(|row| row.id == id);
    if visit.is_get() {
        if !known {
            return Err(Stop::failed("DoesNotExist ContextHistoryModel matching query does not exist."));
        }
        return edit_form(visit, captures, None);
    }
    let values = visit.validate_page(&forms::EDIT_HISTORY)?;
    if !visit.server.catalogue.set_history_description(id, &values[0])? {
        return Err(Stop::failed("DoesNotExist ContextHistoryModel matching query does not exist."));
    }
    visit.server.drop_cached();
    // The old site's redirect lacks the final slash (WP 3.7).
    Ok(Response::redirect(302, &super::super::access::absolute(visit, "/display_context_history")))
}
