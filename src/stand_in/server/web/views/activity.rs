//! Recent activity: the audit log through a filter (WP 3.7).

use super::super::fields;
use super::super::forms::RECENT_ACTIVITY;
use super::super::html::{accordion, browse, esc, table};
use super::super::visit::{Outcome, Stop, Visit};
use super::super::{dates, globs};
use super::common;
use crate::stand_in::server::catalog::ActionRow;

/// The form.
pub fn form(visit: &Visit, _: &[String], error: Option<&str>) -> Outcome {
    let action = if visit.dialect().old_pages { "/recent_activity/" } else { RECENT_ACTIVITY.action };
    let heading = super::super::visit::page_heading(&RECENT_ACTIVITY, visit.dialect().old_pages);
    visit.form_page_with(&RECENT_ACTIVITY, error, heading, Some(action), Vec::new())
}

/// `/recent_activity_input/`.
pub fn input(visit: &Visit, captures: &[String]) -> Outcome {
    form(visit, captures, None)
}

/// `/recent_activity/` of 2014: form and answer at one address.
pub fn both(visit: &Visit, captures: &[String]) -> Outcome {
    if visit.is_get() { form(visit, captures, None) } else { query(visit, captures) }
}

/// `/recent_activity_query/`.
pub fn query(visit: &Visit, _: &[String]) -> Outcome {
    let filter = Filter::read(visit)?;
    let mut rows = Vec::new();
    for row in visit.server.catalogue.actions()?.iter().rev().filter(|row| filter.admits(row)) {
        let mut cells =
            vec![(rows.len() + 1).to_string(), common::minutes(&row.date), browse(&row.filename), esc(&row.action)];
        if visit.user.is_some() {
            cells.push(esc(&row.user));
        }
        cells.extend([esc(&row.why), esc(&row.details)]);
        rows.push(cells);
    }
    let name = if visit.is_super() { "Naming" } else { "Filename" };
    let mut head = vec!["#", "Date", name, "Action"];
    if visit.user.is_some() {
        head.push("User");
    }
    head.extend(["Why", "Details"]);
    let level = if visit.dialect().old_pages { "h3" } else { "h2" };
    let title = if visit.dialect().old_pages { "Activity" } else { "Recent Activity" };
    let filters = if visit.dialect().old_pages {
        format!("<h3>Filters</h3>\n{}", filters_body(&filter.shown))
    } else {
        accordion("Filters", &filters_body(&filter.shown))
    };
    let body = format!("<{level}>{title}</{level}>\n{filters}{}", table(Some("recent_activity_table"), &head, &rows));
    Ok(visit.page(&body))
}

/// One row per filter in force, or a word that there is none (WP 3.7).
pub fn filters_body(shown: &[(String, String)]) -> String {
    if shown.is_empty() {
        return "<p>No filters.</p>\n".to_owned();
    }
    let rows: Vec<Vec<String>> = shown.iter().map(|(name, value)| vec![esc(name), esc(value)]).collect();
    table(None, &["filter", "value"], &rows)
}

/// The two dates of a search, as texts that compare; none for `*`.
///
/// # Errors
///
/// The refusal of dates in the wrong order.
pub fn period(start: &str, stop: &str) -> Result<(Option<String>, Option<String>), Stop> {
    let read = |text: &str| if matches!(text, "" | "*") { None } else { dates::parse(text) };
    let (start, stop) = (read(start), read(stop));
    if let (Some(start), Some(stop)) = (&start, &stop)
        && stop < start
    {
        return Err(Stop::refused("Stop date precedes start date, no matches possible."));
    }
    Ok((start, stop))
}

struct Filter {
    action: String,
    instrument: String,
    filekind: String,
    extension: String,
    filename: String,
    user: String,
    start: Option<String>,
    stop: Option<String>,
    by_name_only: bool,
    shown: Vec<(String, String)>,
}

impl Filter {
    fn read(visit: &Visit) -> Result<Self, Stop> {
        let mut values = Vec::new();
        for check in RECENT_ACTIVITY.checks {
            if !visit.server.dialect().dated_searches && check.field.ends_with("_date") {
                values.push("*".to_owned());
            } else {
                values.push(fields::validate(visit, &visit.fields, *check).map_err(Stop::Refused)?);
            }
        }
        let at = |name: &str| {
            let place = RECENT_ACTIVITY.checks.iter().position(|check| check.field == name);
            place.map_or_else(String::new, |place| values[place].clone())
        };
        let (start, stop) = period(&at("start_date"), &at("stop_date"))?;
        let filename = at("filename");
        let by_name_only = visit.server.dialect().name_alone && filename != "*";
        let mut shown = Vec::new();
        if !by_name_only {
            for name in ["action", "extension", "filekind", "instrument"] {
                shown.push((name.to_owned(), at(name)));
            }
            shown.push(("start_date".to_owned(), start.clone().unwrap_or_default()));
            shown.push(("stop_date".to_owned(), stop.clone().unwrap_or_default()));
            shown.push(("user".to_owned(), at("deliverer_user")));
            shown.retain(|(_, value)| !matches!(value.as_str(), "" | "*"));
        }
        Ok(Self {
            action: at("action"),
            instrument: at("instrument"),
            filekind: at("filekind"),
            extension: at("extension"),
            user: at("deliverer_user"),
            filename,
            start,
            stop,
            by_name_only,
            shown,
        })
    }

    fn admits(&self, row: &ActionRow) -> bool {
        if row.filename.ends_with(".cat") || (row.action == "mass import" && self.action != "mass import") {
            return false;
        }
        if self.filename != "*" && !globs::glob(&self.filename, &row.filename) {
            return false;
        }
        if self.by_name_only {
            return true;
        }
        let whole = |wanted: &str, value: &str| wanted == "*" || wanted == value;
        // Texts are compared, a fraction of a second included: it makes a row later than the full second.
        let date = row.date.replacen('T', " ", 1);
        whole(&self.action, &row.action)
            && whole(&self.instrument, &row.instrument)
            && whole(&self.filekind, &row.filekind)
            && whole(&self.user, &row.user)
            && (self.extension == "*" || globs::at_start(&self.extension, extension(&row.filename)))
            && self.start.as_ref().is_none_or(|start| date >= *start)
            && self.stop.as_ref().is_none_or(|stop| date <= *stop)
    }
}

/// A name's extension with its point; empty if there is none.
pub fn extension(name: &str) -> &str {
    name.rfind('.').map_or("", |at| &name[at..])
}
