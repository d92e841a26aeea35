//! How far the archive is with the deliveries (WP 3.7).

use super::super::html::{browse, esc, table};
use super::super::visit::{Outcome, Stop, Visit};
use super::common;

/// `/delivery_status/`: one row per catalogue, newest first.
pub fn status(visit: &Visit, _: &[String]) -> Outcome {
    let mut rows = Vec::new();
    for action in visit.server.catalogue.actions()?.iter().rev().filter(|row| row.filename.ends_with(".cat")) {
        let files = catalogue_lines(visit, &action.filename);
        let state = match files.as_ref().and_then(|files| files.iter().min()) {
            Some(first) => delivery_state(visit, first)?,
            None => "delivery corrupt".to_owned(),
        };
        let links: Vec<String> = files.unwrap_or_default().iter().map(|name| browse(name)).collect();
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

/// Names in a delivery catalogue, sorted; none if it cannot be read.
fn catalogue_lines(visit: &Visit, name: &str) -> Option<Vec<String>> {
    if name.contains('/') {
        return None;
    }
    let text = std::fs::read_to_string(visit.server.config.dirs.catalogs.join(name)).ok()?;
    let mut files: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    files.sort();
    Some(files)
}

fn delivery_state(visit: &Visit, first: &str) -> Result<String, Stop> {
    Ok(match visit.server.catalogue.file(first)? {
        Some(row) => visit.server.displayed_status(&row)?,
        None => "delivery corrupt".to_owned(),
    })
}
