//! How far the archive is with the deliveries (WP 3.7).

use super::super::html::{browse, esc, table};
use super::super::visit::{Outcome, Visit};
use super::common;

/// `/delivery_status/`: one row per catalogue, newest first.
pub fn status(visit: &Visit, _: &[String]) -> Outcome {
    let mut rows = Vec::new();
    let mut actions = visit.server.catalogue.actions()?;
    actions.retain(|row| row.filename.ends_with(".cat"));
    // By the dates' text, of one date the later row first (WP 3.7).
    actions.sort_by(|a, b| a.date.cmp(&b.date));
    for action in actions.iter().rev() {
        let (files, state) = visit.server.delivery(&action.filename)?;
        let links: Vec<String> = files.iter().map(|name| browse(name)).collect();
        rows.push(vec![
            common::seconds(&action.date),
            esc(&action.user),
            esc(&action.action),
            common::status_cell(&state),
            esc(&action.filename),
            esc(&action.why),
            links.join(" "),
        ]);
    }
    let head = ["Date", "Submitter", "Kind", "Status", "Catalog", "Description", "Files"];
    let body = table(Some("crds_delivery_table"), &head, &rows);
    Ok(visit.page(&format!("<h2>Delivery Status</h2>\n{body}")))
}
