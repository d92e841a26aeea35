//! Tables of references under a context, and of one rmap (WP 3.11).

use serde_json::{Value as Json, json};

use super::super::html::{accordion, browse_plain, esc};
use super::super::visit::{Outcome, Stop, Visit};
use super::common;
use crate::rules::syntax::{Call, Selector, Value};
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
    let entries = entries(loaded);
    let dated = is_dated(&entries);
    let mut columns: Vec<Json> = head(&parameters, dated).into_iter().map(|title| json!({"sTitle": title})).collect();
    for title in ["ACTIVATION DATE", "REFERENCE", common::DIFF_BUTTON] {
        columns.push(json!({"sTitle": title}));
    }
    let mut rows = Vec::new();
    for entry in entries {
        let mut row: Vec<Json> = matched(&entry, parameters.len(), dated).into_iter().map(Json::String).collect();
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
    let entries = entries(loaded);
    let mut out: Vec<(String, std::collections::BTreeSet<String>)> =
        match_parameters(loaded).into_iter().map(|name| (name, Default::default())).collect();
    for entry in entries {
        for ((_, values), value) in out.iter_mut().zip(&entry.values) {
            values.extend(value.split(", ").flat_map(|value| value.split('|')).map(str::to_owned));
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

/// Where an rmap names a reference: a table of the parameters that lead to it, one row for each case, with the columns of
/// the rmap's own table.
pub fn patterns(loaded: &Loaded, file: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let parameters = match_parameters(loaded);
    let entries = entries(loaded);
    let dated = is_dated(&entries);
    let rows = entries.iter().filter(|entry| entry.file == file).map(|entry| matched(entry, parameters.len(), dated));
    (head(&parameters, dated), rows.collect())
}

/// Titles of the columns of a case's values and date.
fn head(parameters: &[String], dated: bool) -> Vec<String> {
    let mut head: Vec<String> = parameters.iter().map(|name| esc(short(name))).collect();
    head.extend(dated.then(|| "USEAFTER".to_owned()));
    head
}

/// The cells of a case's values and date; `--` fills what a short case leaves out (WP 3.11).
fn matched(entry: &Entry, parameters: usize, dated: bool) -> Vec<String> {
    let mut cells: Vec<String> = entry.values.iter().map(|value| esc(value)).collect();
    cells.resize(parameters, "--".to_owned());
    cells.extend(dated.then(|| esc(entry.useafter.as_deref().unwrap_or("--"))));
    cells
}

/// The cases of an rmap.
fn entries(loaded: &Loaded) -> Vec<Entry> {
    let mut out = Vec::new();
    if let Value::Call(call) = &loaded.mapping.selector {
        walk(call, &[], None, &mut out);
    }
    out
}

/// Whether a selector of dates follows anywhere: where none does, the library has no parameter `USEAFTER`. An rmap without
/// a case shows the columns that its first one will want.
fn is_dated(entries: &[Entry]) -> bool {
    entries.is_empty() || entries.iter().any(|entry| entry.useafter.is_some())
}

struct Entry {
    values: Vec<String>,
    useafter: Option<String>,
    file: String,
}

/// The cases of a selector and of those below it, in the order of their keys, as the library keeps them.
fn walk(call: &Call, above: &[String], useafter: Option<&str>, out: &mut Vec<Entry>) {
    let mut cases: Vec<(Vec<String>, &Value, &Value)> =
        call.dict.iter().map(|(key, value)| (words(key), key, value)).collect();
    // Of a key that comes twice the last one counts.
    cases.reverse();
    cases.sort_by(|a, b| a.0.cmp(&b.0));
    cases.dedup_by(|a, b| a.0 == b.0);
    for (words, key, value) in cases {
        let mut values = above.to_vec();
        let mut date = useafter.map(str::to_owned);
        if call.name == Selector::UseAfter {
            date = Some(text(key));
        } else if matches!(value, Value::Call(_)) {
            values.extend(words.iter().map(|word| alternatives(word)));
        } else {
            // Alternatives stay as written where no further selector follows.
            values.extend(words);
        }
        match value {
            Value::Call(below) => walk(below, &values, date.as_deref(), out),
            other => {
                for file in terminals(other) {
                    out.push(Entry { values: values.clone(), useafter: date.clone(), file });
                }
            }
        }
    }
}

/// The words of a key: one for each parameter.
fn words(key: &Value) -> Vec<String> {
    match key.as_seq() {
        Some(parts) => parts.iter().map(text).collect(),
        None => vec![text(key)],
    }
}

fn terminals(value: &Value) -> Vec<String> {
    match value.as_seq() {
        Some(items) => items.iter().map(text).collect(),
        None => vec![text(value)],
    }
}

/// Alternatives sorted and joined by commas; what is no plain list of them stays as it is.
fn alternatives(text: &str) -> String {
    let upper = text.to_uppercase();
    let bracketed = upper.starts_with(['{', '(', '#']) && upper.ends_with(['}', ')', '#']);
    if bracketed || upper.starts_with("BETWEEN") || upper.starts_with("NOT") || !text.contains('|') {
        return text.to_owned();
    }
    let mut words: Vec<&str> = text.split('|').map(str::trim).filter(|word| !word.is_empty()).collect();
    words.sort_unstable();
    words.join(", ")
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

#[cfg(test)]
mod tests {
    use super::alternatives;

    #[test]
    fn alternatives_are_sorted_unless_they_are_an_expression() {
        for (text, shown) in [
            ("ZERO|ZEROCUR|OFF", "OFF, ZERO, ZEROCUR"),
            ("B | A|", "A, B"),
            ("(B|A)", "(B|A)"),
            ("NOT B|A", "NOT B|A"),
            ("A", "A"),
            ("", ""),
        ] {
            assert_eq!(alternatives(text), shown, "{text}");
        }
    }
}
