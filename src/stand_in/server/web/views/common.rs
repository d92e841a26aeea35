//! Pieces that several views share.

use super::super::html::{browse, esc, table};
use super::super::visit::{Stop, Visit};
use crate::stand_in::server::catalog::FileRow;

/// A time to the second, as tables show it; `N/A` if there is none.
pub fn seconds(text: &str) -> String {
    if text.is_empty() { "N/A".to_owned() } else { text.chars().take(19).collect::<String>().replace('T', " ") }
}

/// A date of a catalogue row to the second; `N/A` for the dates that stand in for missing ones.
pub fn date(text: &str) -> String {
    let shown = seconds(text);
    if matches!(shown.as_str(), "2050-01-01 00:00:00" | "1900-01-01 00:00:00") { "N/A".to_owned() } else { shown }
}

/// A date of a catalogue row to the minute.
pub fn minutes(text: &str) -> String {
    let shown = date(text);
    shown.rsplit_once(':').map_or(shown.clone(), |(minutes, _)| minutes.to_owned())
}

/// A displayed status in its colour, asked of the links now (WP 3.12, 4.1).
///
/// # Errors
///
/// If the catalogue cannot be read.
pub fn status(visit: &Visit, row: &FileRow) -> Result<String, Stop> {
    Ok(status_cell(&visit.server.displayed_status(row)?))
}

/// A status word in its colour.
pub fn status_cell(word: &str) -> String {
    let class = match word {
        "operational" | "archived" => "green",
        "bad" | "archiving-failed" | "delivery corrupt" => "red",
        _ => "orange",
    };
    format!("<span class=\"{class}\">{}</span>", esc(word))
}

/// Status of a file by name; empty if the catalogue does not know it.
///
/// # Errors
///
/// If the catalogue cannot be read.
pub fn status_of(visit: &Visit, name: &str) -> Result<String, Stop> {
    match visit.server.catalogue.file(name)? {
        Some(row) => status(visit, &row),
        None => Ok(String::new()),
    }
}

/// A box that picks a file for a difference.
pub fn diff_box(name: &str) -> String {
    format!("<input class='diff_checkbox' type='checkbox' value='{}' />", esc(name))
}

/// A table with a diff column stands in a form that asks for two files (WP 3.10).
pub fn diff_form(inner: &str) -> String {
    format!(
        "<form action=\"/difference/\" method=\"get\" enctype=\"multipart/form-data\" class=\"diff_form\">\n<input \
         type=\"hidden\" name=\"file1\" value=\"\">\n<input type=\"hidden\" name=\"file2\" value=\"\">\n{inner}</form>\n"
    )
}

/// The button that heads a diff column.
pub const DIFF_BUTTON: &str = "<input type='submit' id='diff_button' value='diff'></input>";

/// The newest rows of the operational history, with or without the diff column (WP 3.7).
///
/// # Errors
///
/// If the catalogue cannot be read.
pub fn history_table(visit: &Visit, last: Option<usize>, with_diff: bool, editable: bool) -> Result<String, Stop> {
    let rows = visit.server.catalogue.history()?;
    let newest = rows.iter().rev().filter(|row| row.state == "operational").take(last.unwrap_or(usize::MAX));
    let mut cells = Vec::new();
    for row in newest {
        let mut description = esc(&row.description);
        if editable {
            description.push_str(&format!(
                " <a href=\"/edit_context_history/{}/{}/\">edit</a>",
                row.id,
                esc(&row.context)
            ));
        }
        let mut line =
            vec![seconds(&row.start_date), browse(&row.context), status_of(visit, &row.context)?, description];
        if with_diff {
            line.push(diff_box(&row.context));
        }
        cells.push(line);
    }
    let mut head = vec!["Start Date", "Context", "Status", "Description"];
    if with_diff {
        head.push(DIFF_BUTTON);
    }
    Ok(table(None, &head, &cells))
}
