//! Best references on pages: of a dataset, or of one that a visitor imagines (WP 3.2, 3.10).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::fields::{List, Rule, check};
use super::super::forms::{self, BESTREFS, BESTREFS_EXPLORE};
use super::super::html::{browse, esc, repr, table};
use super::super::visit::{Outcome, Stop, Visit};
use crate::stand_in::fits::{self, Header};
use crate::stand_in::server::clock;
use crate::stand_in::server::http::Request;

/// The form of a dataset.
pub fn dataset_form(visit: &Visit, _: &[String], error: Option<&str>) -> Outcome {
    visit.form_page(&BESTREFS, error)
}

/// `/bestrefs/`: context, mode, value.
pub fn dataset(visit: &Visit, captures: &[String]) -> Outcome {
    if visit.is_get() {
        return dataset_form(visit, captures, None);
    }
    let (_, pmap) = visit.context()?;
    let mode = visit.validate(check("dataset_mode", Rule::Words(forms::DATASET_MODES)))?;
    let (name, header) = match mode.as_str() {
        "dataset_local" => {
            let name = visit.fields.get("dataset_name").map_or("Uploaded-Dataset-Header", str::trim);
            let text = match visit.validate(check("dataset_local", Rule::Anything)) {
                Err(Stop::Refused(why)) => return Err(problem(name, &why)),
                other => other?,
            };
            (name.to_owned(), header_of_text(&text))
        }
        "dataset_uploaded" => uploaded(visit)?,
        "dataset_archive" => {
            let name = visit.validate(check("dataset_archive", Rule::Dataset))?;
            let header = archived(visit, &pmap, &name).map_err(|why| problem(&name, &why))?;
            (name, header)
        }
        other => return Err(Stop::failed(format!("ValueError Bad dataset_mode {}", repr(other)))),
    };
    answer(visit, &pmap, &name, &header)
}

/// Why a dataset has no parameters to choose by.
fn problem(name: &str, why: &str) -> Stop {
    Stop::refused(format!("Problem getting dataset parameters for {} : {why}", repr(name)))
}

/// A header from lines of `KEYWORD value`.
fn header_of_text(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let key = words.next()?;
            Some((key.to_owned(), words.collect::<Vec<_>>().join(" ")))
        })
        .collect()
}

fn uploaded(visit: &Visit) -> Result<(String, Vec<(String, String)>), Stop> {
    if visit.user.is_none() {
        return Err(Stop::refused("file uploads are only available for authenticated users."));
    }
    let upload = visit.files.iter().rev().find(|upload| upload.field == "dataset_uploaded");
    let upload =
        upload.ok_or_else(|| Stop::refused(format!("Specify a file to upload for {}", repr("dataset_uploaded"))))?;
    let hdus = fits::read(&upload.bytes).map_err(|error| Stop::failed(error.to_string()))?;
    let header = Header::of(&hdus).iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    Ok((upload.name.clone(), header))
}

/// The archive's header of a dataset, asked as any client asks.
fn archived(visit: &Visit, pmap: &str, name: &str) -> Result<Vec<(String, String)>, String> {
    let body = json!({"jsonrpc": "1.0", "method": "get_dataset_headers_by_id", "params": [pmap, [name], null], "id": "bestrefs"});
    let request = Request {
        method: "POST".to_owned(),
        path: "/json/".to_owned(),
        body: body.to_string().into(),
        ..Request::default()
    };
    let reply: Value =
        serde_json::from_str(&visit.server.respond(&request).text()).map_err(|error| error.to_string())?;
    if let Some(message) = reply["error"]["message"].as_str() {
        return Err(message.split_once(": ").map_or(message, |(_, text)| text).to_owned());
    }
    let headers: BTreeMap<String, Value> =
        serde_json::from_value(reply["result"].clone()).map_err(|error| error.to_string())?;
    // An association gives several headers; the page shows one.
    match headers.into_iter().next() {
        Some((_, Value::Object(header))) => Ok(header
            .into_iter()
            .map(|(key, value)| (key, value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
            .collect()),
        Some((_, Value::String(text))) => Err(text),
        _ => Err("NOT FOUND no match found in query".to_owned()),
    }
}

fn answer(visit: &Visit, pmap: &str, name: &str, header: &[(String, String)]) -> Outcome {
    let found = visit.server.best_references(pmap, header, &[]).map_err(Stop::refused)?;
    let mut shown: Vec<&(String, String)> = header.iter().filter(|(key, _)| key != "REFTYPE").collect();
    shown.sort();
    let rows: Vec<Vec<String>> = shown.iter().map(|(key, value)| vec![esc(key), esc(value)]).collect();
    let mut best = Vec::new();
    for (kind, value) in &found {
        let cell = match value {
            Value::String(text) => match text.strip_prefix("NOT FOUND") {
                Some(why) => format!("<span class=\"darkgray\">{}</span>", esc(why.trim())),
                None => browse(text),
            },
            Value::Array(files) => files.iter().filter_map(Value::as_str).map(browse).collect::<Vec<_>>().join(" "),
            other => esc(&other.to_string()),
        };
        best.push(vec![esc(&kind.to_uppercase()), cell]);
    }
    let body = format!(
        "<h2>Best References</h2>\n<p>{} under {}</p>\n<h3>Best References</h3>\n{}<h3>Dataset Parameters</h3>\n{}",
        esc(name),
        browse(pmap),
        table(Some("bestrefs_table"), &["Type", "Reference"], &best),
        table(Some("parameters_table"), &["Parameter", "Value"], &rows)
    );
    Ok(visit.page(&body))
}

/// The form that chooses an instrument.
pub fn explore_form(visit: &Visit, _: &[String], error: Option<&str>) -> Outcome {
    visit.form_page(&BESTREFS_EXPLORE, error)
}

/// `/bestrefs_explore/`: then one field per matching parameter.
pub fn explore(visit: &Visit, captures: &[String]) -> Outcome {
    if visit.is_get() {
        return explore_form(visit, captures, None);
    }
    let (_, pmap) = visit.context()?;
    let instrument = visit.validate_page(&BESTREFS_EXPLORE)?.remove(0);
    let values = parameters(visit, &pmap, &instrument)?;
    let now = clock::whole_seconds(visit.server.local_now());
    let (day, time) = now.split_once(' ').unwrap_or((&now, ""));
    let mut body = format!(
        "<h2>Explore Best References ({} : {})</h2>\n<form action=\"/bestrefs_explore_compute/\" method=\"post\">\n\
         <input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\"{}\">\n",
        esc(&pmap),
        esc(&instrument),
        esc(&visit.token())
    );
    for (name, choices) in &values {
        let name = esc(name);
        let _ = write!(body, "<p><label>{name}</label> <select name=\"{name}\">");
        for choice in choices {
            let choice = esc(choice);
            let _ = write!(body, "<option value=\"{choice}\">{choice}</option>");
        }
        body.push_str("</select>");
        if visit.dialect().typed_parkeys {
            let _ = write!(body, " <input type=\"text\" name=\"{name}_text\" value=\"\">");
        }
        body.push_str("</p>\n");
    }
    for (name, value) in [("DATE-OBS", day), ("TIME-OBS", time)] {
        let _ = writeln!(
            body,
            "<p><label>{name}</label> <input type=\"text\" name=\"{name}\" value=\"{}\"></p>",
            esc(value)
        );
    }
    for (name, value) in [("context", pmap.as_str()), ("instrument", instrument.as_str())] {
        let _ = writeln!(body, "<input type=\"hidden\" name=\"{name}\" value=\"{}\">", esc(value));
    }
    body.push_str("<input type=\"submit\" value=\"Submit\">\n</form>\n");
    Ok(visit.page(&body))
}

/// Matching parameters of an instrument's types, with the values that rules name, sorted.
fn parameters(visit: &Visit, pmap: &str, instrument: &str) -> Result<BTreeMap<String, BTreeSet<String>>, Stop> {
    let load = |name: &str| visit.server.rules.load(name).map_err(|error| Stop::refused(error.to_string()));
    let context = load(pmap)?;
    let imap = context.entries.iter().find(|(key, _)| key.to_lowercase() == instrument).map(|(_, imap)| imap);
    let imap = imap
        .ok_or_else(|| Stop::refused(format!("Unknown instrument {} for context {}", repr(instrument), repr(pmap))))?;
    let mut out: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, rmap) in &load(imap)?.entries {
        let Ok(rules) = visit.server.rules.load(rmap) else { continue };
        for (name, values) in super::table::parameter_values(&rules) {
            out.entry(name).or_default().extend(values);
        }
    }
    for (name, values) in &mut out {
        if !name.contains("CORR") && !values.is_empty() {
            values.insert("*".to_owned());
            values.insert("N/A".to_owned());
        }
    }
    Ok(out)
}

/// `/bestrefs_explore_compute/`.
pub fn compute(visit: &Visit, _: &[String]) -> Outcome {
    let pmap = visit.validate(check("context", Rule::Pmap))?;
    let instrument = visit.validate(check("instrument", Rule::List(List::Instruments)))?;
    let mut header = vec![("INSTRUME".to_owned(), instrument.to_uppercase())];
    for name in parameters(visit, &pmap, &instrument)?.into_keys() {
        let typed = visit.fields.get(&format!("{name}_text")).map(str::trim).filter(|text| !text.is_empty());
        let chosen = visit.fields.get(&name).map(str::trim);
        match (typed.filter(|_| visit.dialect().typed_parkeys), chosen) {
            (Some(text), _) | (None, Some(text)) => header.push((name, text.to_owned())),
            (None, None) => return Err(Stop::refused(format!("Undefined parameter {}", repr(&name)))),
        }
    }
    for (field, rule) in [("DATE-OBS", Rule::Day), ("TIME-OBS", Rule::Hour)] {
        let value = visit.validate(check(field, rule))?;
        header.push((field.to_owned(), value));
    }
    answer(visit, &pmap, &instrument, &header)
}
