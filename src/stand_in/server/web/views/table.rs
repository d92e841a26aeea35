//! Tables of references under a context, and of one rmap (WP 3.11).

use serde_json::{Value as Json, json};

use super::super::html::{accordion, browse_plain, esc};
use super::super::visit::{Outcome, Stop, Visit};
use super::common;
use crate::rules::syntax::{Selector, Value};
use crate::stand_in::server::rules_store::{Loaded, is_special};

/// `/context_table/<mapping>[/<n>]`.
pub fn table(visit: &Visit, captures: &[String]) -> Outcome {
    let name = &captures[0];
    if name.ends_with(".rmap") && (!visit.dialect().tables_for_scripts || visit.is_script()) {
        return rmap(visit, name);
    }
    let pmap = match name.as_str() {
        "operational" | "edit" => visit.present(name)?,
        _ => name.clone(),
    };
    let known = pmap.ends_with(".pmap") && visit.server.rules.load(&pmap).is_ok();
    let shown = if known { pmap.as_str() } else { "" };
    let heading = if visit.dialect().old_pages {
        "Historical References".to_owned()
    } else {
        format!("Historical References (under context {})", esc(shown))
    };
    let body = if known { instruments(visit, &pmap) } else { String::new() };
    Ok(visit.page(&format!("<h2>{heading}</h2>\n{}", common::diff_form(&body))))
}

/// One accordion per instrument, in it one per type; types that do not apply are greyed.
pub fn instruments(visit: &Visit, pmap: &str) -> String {
    let Ok(context) = visit.server.rules.load(pmap) else { return String::new() };
    let mut out = String::new();
    for (instrument, imap) in &context.entries {
        let mut inner = "<p><input type=\"checkbox\" class=\"hide_na\" id=\"hide_na\"> hide N/A</p>\n".to_owned();
        if let Ok(types) = visit.server.rules.load(imap) {
            for (kind, rmap) in &types.entries {
                if is_special(rmap) {
                    let title = format!("<span class=\"darkgray\">{}</span>", esc(kind));
                    inner.push_str(&accordion(&title, "<p class=\"darkgray\">N/A</p>"));
                } else {
                    let title = format!("{} <span class=\"gray\">{}</span>", esc(kind), esc(rmap));
                    let holder = format!("<div data-table=\"/context_table/{}\"></div>", esc(rmap));
                    inner.push_str(&accordion(&title, &holder));
                }
            }
        }
        out.push_str(&accordion(&esc(&instrument.to_lowercase()), &inner));
    }
    out
}

fn rmap(visit: &Visit, name: &str) -> Outcome {
    let loaded = visit.server.rules.load(name).map_err(|error| Stop::failed(error.to_string()))?;
    let value = rmap_table(visit, &loaded)?;
    Ok(visit.json(&value))
}

/// Columns and rows as the page's script draws them.
fn rmap_table(visit: &Visit, loaded: &Loaded) -> Result<Json, Stop> {
    let parameters = match_parameters(loaded);
    let mut columns: Vec<Json> = parameters.iter().map(|name| json!({"sTitle": esc(short(name))})).collect();
    for title in ["USEAFTER", "ACTIVATION DATE", "REFERENCE", common::DIFF_BUTTON] {
        columns.push(json!({"sTitle": title}));
    }
    let mut entries = Vec::new();
    if let Value::Call(call) = &loaded.mapping.selector {
        walk(call.name, &call.dict, &[], None, &mut entries);
    }
    let mut rows = Vec::new();
    for entry in entries {
        let mut row: Vec<Json> = entry.values.iter().map(|value| Json::String(esc(value))).collect();
        row.resize(parameters.len(), json!("--"));
        row.push(Json::String(esc(entry.useafter.as_deref().unwrap_or("--"))));
        if is_special(&entry.file) {
            // No row of the catalogue, so no date (WP 3.11).
            row.push(json!("--"));
            row.push(json!("<span class=\"darkgray\">N/A</span>"));
            row.push(json!(""));
        } else {
            let activation = visit.server.catalogue.file(&entry.file)?.map(|row| row.activation_date);
            row.push(Json::String(common::date(&activation.unwrap_or_default())));
            row.push(Json::String(browse_plain(&entry.file)));
            row.push(Json::String(common::diff_box(&entry.file)));
        }
        rows.push(Json::Array(row));
    }
    Ok(json!({"aoColumns": columns, "aaData": rows}))
}

/// JWST's parameters without what all of them have: the last part that is not `NAME`.
fn short(parameter: &str) -> &str {
    if !parameter.starts_with("META.") {
        return parameter;
    }
    parameter.rsplit('.').find(|part| *part != "NAME").unwrap_or(parameter)
}

/// Values that an rmap's cases name for each of its parameters, alternatives apart.
pub fn parameter_values(loaded: &Loaded) -> Vec<(String, std::collections::BTreeSet<String>)> {
    let mut entries = Vec::new();
    if let Value::Call(call) = &loaded.mapping.selector {
        walk(call.name, &call.dict, &[], None, &mut entries);
    }
    let mut out: Vec<(String, std::collections::BTreeSet<String>)> =
        match_parameters(loaded).into_iter().map(|name| (name, Default::default())).collect();
    for entry in entries {
        for ((_, values), value) in out.iter_mut().zip(&entry.values) {
            values.extend(value.split(", ").map(str::to_owned));
        }
    }
    out
}

/// Parameters of all levels but the date's.
fn match_parameters(loaded: &Loaded) -> Vec<String> {
    let mut out = Vec::new();
    let Some(levels) = loaded.mapping.header_value("parkey").and_then(Value::as_seq) else { return out };
    for level in levels {
        let names: Vec<&str> = match level.as_seq() {
            Some(names) => names.iter().filter_map(Value::as_str).collect(),
            None => level.as_str().into_iter().collect(),
        };
        let date = names
            .iter()
            .any(|name| name.ends_with("DATE-OBS") || name.ends_with("TIME-OBS") || name.contains("OBSERVATION.DATE"));
        if !date {
            out.extend(names.into_iter().map(str::to_owned));
        }
    }
    out
}

/// Where an rmap names a reference: the values and the date of each case, as one line.
pub fn patterns(loaded: &Loaded, file: &str) -> Vec<String> {
    let mut entries = Vec::new();
    if let Value::Call(call) = &loaded.mapping.selector {
        walk(call.name, &call.dict, &[], None, &mut entries);
    }
    let names = match_parameters(loaded);
    let line = |entry: Entry| {
        let mut parts: Vec<String> =
            names.iter().zip(&entry.values).map(|(name, value)| format!("{name}={value}")).collect();
        parts.extend(entry.useafter.map(|date| format!("USEAFTER={date}")));
        parts.join(" ")
    };
    entries.into_iter().filter(|entry| entry.file == file).map(line).collect()
}

struct Entry {
    values: Vec<String>,
    useafter: Option<String>,
    file: String,
}

fn walk(selector: Selector, dict: &[(Value, Value)], above: &[String], useafter: Option<&str>, out: &mut Vec<Entry>) {
    for (key, value) in dict {
        let mut values = above.to_vec();
        let mut date = useafter.map(str::to_owned);
        if selector == Selector::UseAfter {
            date = Some(text(key));
        } else {
            match key.as_seq() {
                Some(parts) => values.extend(parts.iter().map(alternatives)),
                None => values.push(alternatives(key)),
            }
        }
        match value {
            Value::Call(call) => walk(call.name, &call.dict, &values, date.as_deref(), out),
            other => {
                for file in terminals(other) {
                    out.push(Entry { values: values.clone(), useafter: date.clone(), file });
                }
            }
        }
    }
}

fn terminals(value: &Value) -> Vec<String> {
    match value.as_seq() {
        Some(items) => items.iter().map(text).collect(),
        None => vec![text(value)],
    }
}

fn alternatives(value: &Value) -> String {
    let text = text(value);
    if text.starts_with('(') { text } else { text.split('|').collect::<Vec<_>>().join(", ") }
}

/// A key or terminal as text.
fn text(value: &Value) -> String {
    match value {
        Value::Str(text) | Value::Int(text) | Value::Float(text) => text.clone(),
        Value::Tuple(items) | Value::List(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        other => other.kind().to_owned(),
    }
}
