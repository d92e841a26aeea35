//! The catalogue through a filter (WP 3.7).

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::fields::validate;
use super::super::forms::BROWSE_DB;
use super::super::html::{accordion, browse_bare as link, esc, repr_list};
use super::super::visit::{Outcome, Stop, Visit};
use super::super::{globs, json as python_json};
use super::{activity, common};
use crate::stand_in::server::cache::Entry;
use crate::stand_in::server::catalog::FileRow;

/// The form.
pub fn form(visit: &Visit, _: &[String], error: Option<&str>) -> Outcome {
    visit.form_page(&BROWSE_DB, error)
}

/// `/browse_db/`.
pub fn browse(visit: &Visit, captures: &[String]) -> Outcome {
    if visit.is_get() {
        return form(visit, captures, None);
    }
    let mut values = Vec::new();
    for check in BROWSE_DB.checks {
        if !visit.server.dialect().dated_searches && check.field.ends_with("_date") {
            values.push("*".to_owned());
        } else {
            values.push(validate(visit, &visit.fields, *check).map_err(Stop::Refused)?);
        }
    }
    let [_, instrument, filekind, extension, filename, user, status, start_date, stop_date] = values.as_slice() else {
        return Err(Stop::failed("the table of browse_db has nine fields"));
    };
    let (start, stop) = activity::period(start_date, stop_date)?;
    let only_bad = visit.is_super() && visit.ticked("select_bad_files");
    let defects = visit.is_super() && visit.ticked("show_defects");
    let by_name = filename != "*";
    let name_alone = by_name && visit.server.dialect().name_alone;
    let key = format!(
        "browse_db:{}:{}:{only_bad}:{defects}",
        values.join(":"),
        if visit.user.is_some() { "known" } else { "visitor" }
    );
    let cache = &visit.server.config.memcached;
    let now = visit.server.config.clock.now();
    let kept = cache.get(&key, now);
    let text = match kept.as_deref() {
        Some(Entry::Bytes(bytes)) if visit.server.dialect().cached_answers => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        _ => {
            let mut rows = Vec::new();
            for row in visit.server.catalogue.files()?.iter().filter(|row| row.state != "uploaded") {
                if by_name && !globs::at_start(filename, &row.name) {
                    continue;
                }
                let state = visit.server.displayed_status(row)?;
                let delivered = row.delivery_date.replacen('T', " ", 1);
                let fits = name_alone
                    || (whole(instrument, &row.instrument)
                        && whole(filekind, &row.filekind)
                        && whole(user, &row.deliverer_user)
                        && (extension == "*" || globs::at_start(extension, activity::extension(&row.name)))
                        && (status == "*" || globs::at_start(status, &state))
                        && start.as_ref().is_none_or(|start| delivered >= *start)
                        && stop.as_ref().is_none_or(|stop| delivered <= *stop));
                if fits && (!only_bad || state == "bad") {
                    rows.push(cells(visit, row, &state, defects));
                }
            }
            let value = json!({"aoColumns": columns(visit, defects), "aaData": rows});
            let text = python_json::dumps(&value);
            cache.put(&key, Entry::Bytes(text.clone().into_bytes()), now);
            text
        }
    };
    let mut shown = Vec::new();
    let filters = [
        ("deliverer_user", user.as_str()),
        ("delivery_date_start", start.as_deref().unwrap_or_default()),
        ("delivery_date_stop", stop.as_deref().unwrap_or_default()),
        ("extension", extension),
        ("filekind", filekind),
        ("filename", filename),
        ("instrument", instrument),
        ("status", status),
    ];
    for (name, value) in filters {
        if !matches!(value, "" | "*") && (!name_alone || name == "filename") {
            shown.push((name.to_owned(), value.to_owned()));
        }
    }
    let mut body = "<h2>Browse Database</h2>\n".to_owned();
    body.push_str(&accordion("Filters", &activity::filters_body(&shown)));
    let mut table = String::new();
    let _ = writeln!(table, "<div id=\"table_json\" class=\"hidden_text\">{}</div>", esc(&text));
    body.push_str(&common::diff_form(&table));
    Ok(visit.page(&body))
}

fn whole(wanted: &str, value: &str) -> bool {
    wanted == "*" || wanted == value
}

/// Column titles by era and visitor (WP 3.7).
fn columns(visit: &Visit, defects: bool) -> Vec<Value> {
    let mut titles = vec!["delivery date", "activation date", "useafter date", "name"];
    if visit.server.dialect().uploaded_as_column {
        titles.push("uploaded as");
    }
    titles.extend(["aperture", "status", "description", "instrument", "reference type"]);
    if visit.user.is_some() {
        titles.push("deliverer");
    }
    if defects {
        titles.push("defects");
    }
    titles.push("<input type='submit' id='diff_button' value='diff' />");
    titles.iter().map(|title| json!({"sTitle": title})).collect()
}

fn cells(visit: &Visit, row: &FileRow, state: &str, defects: bool) -> Vec<Value> {
    let mut out = vec![
        common::minutes(&row.delivery_date),
        common::minutes(&row.activation_date),
        common::minutes(&row.useafter_date),
        link(&row.name),
    ];
    if visit.server.dialect().uploaded_as_column {
        out.push(esc(&row.uploaded_as));
    }
    out.extend([esc(&row.aperture), state.to_owned(), esc(&row.description), esc(&row.instrument), esc(&row.filekind)]);
    if visit.user.is_some() {
        out.push(esc(&row.deliverer_user));
    }
    if defects {
        out.push(esc(&repr_list(&found_defects(visit, row))));
    }
    out.push(format!("<input type='checkbox' value='{}'/>", esc(&row.name)));
    out.into_iter().map(Value::String).collect()
}

/// What is wrong with a file's copy on disk.
fn found_defects(visit: &Visit, row: &FileRow) -> Vec<String> {
    let dirs = &visit.server.config.dirs;
    let dir = if row.is_mapping() { &dirs.mappings } else { &dirs.references };
    match std::fs::metadata(dir.join(&row.name)) {
        Err(_) => vec!["File does not exist.".to_owned()],
        Ok(meta) if row.size.is_some_and(|size| size != meta.len() as i64) => vec!["Length differs.".to_owned()],
        Ok(_) => Vec::new(),
    }
}
