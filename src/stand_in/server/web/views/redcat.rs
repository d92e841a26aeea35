//! The questionnaire before a batch submission (WP 3.2, 3.8).

use std::fmt::Write as _;

use serde_json::json;

use super::super::forms;
use super::super::html::{esc, table};
use super::super::render;
use super::super::visit::{Outcome, Stop, Visit};
use super::submit;
use crate::stand_in::server::http::Response;

/// The form: the questionnaire, then the fields of a batch submission.
pub fn form(visit: &Visit, _: &[String], error: Option<&str>) -> Outcome {
    let mut setting = visit.setting(&forms::BATCH)?;
    let mut body = "<h2>Submission Form</h2>\n".to_owned();
    if let Some(error) = error {
        setting.typed = Some(visit.fields.clone());
        body.push_str(&visit.frame().error_block(error));
    }
    let mut questions = String::new();
    for (name, label) in forms::REDCAT.iter().filter(|(name, _)| !matches!(*name, "change_level" | "description")) {
        let typed = visit.fields.get(name).unwrap_or_default();
        let _ = writeln!(
            questions,
            "<p><label>{}</label> <input type=\"text\" name=\"{name}\" value=\"{}\"></p>",
            esc(label),
            esc(typed)
        );
    }
    let markup = render::form(&forms::BATCH, &setting, visit, Some("/submission_form/redcat_submit/"));
    let token = setting.token_field();
    // The questions stand in the second form, after its token.
    let markup = match markup.rfind(&token) {
        Some(at) => format!("{}{questions}{}", &markup[..at + token.len()], &markup[at + token.len()..]),
        None => markup,
    };
    body.push_str(&markup);
    Ok(visit.page(&body))
}

/// `/submission_form/redcat_submit/`.
pub fn submit(visit: &Visit, captures: &[String]) -> Outcome {
    if visit.is_get() { form(visit, captures, None) } else { submit::batch_post(visit) }
}

/// `/submission_form/redcat_list/`: batch submissions, newest first.
pub fn list(visit: &Visit, _: &[String]) -> Outcome {
    let mut rows = Vec::new();
    for row in visit.server.catalogue.results()?.iter().rev().filter(|row| row.kind == "batch submit") {
        let link = format!("<a href=\"/submission_form/{0}/\">{0}</a>", row.id);
        rows.push(vec![link, esc(&row.date), esc(&row.user)]);
    }
    Ok(visit.page(&format!("<h2>Submission Forms</h2>\n{}", table(None, &["ID", "Date", "User"], &rows))))
}

/// `/submission_form/<id>/`.
pub fn one(visit: &Visit, captures: &[String]) -> Outcome {
    let id: i64 = captures[0].parse().map_err(|_| Stop::failed("OverflowError"))?;
    let row = visit.server.catalogue.result_by_id(id)?.filter(|row| row.kind == "batch submit");
    let Some(row) = row else {
        return Ok(Response::html(404, format!("<h2>Submission ID={id} not found</h2>")));
    };
    let rows = vec![vec!["Date".to_owned(), esc(&row.date)], vec!["User".to_owned(), esc(&row.user)]];
    Ok(visit.page(&format!("<h2>Submission Form {id}</h2>\n{}", table(None, &[], &rows))))
}

/// `/submission_form/redcat_description.yml` of today's servers: the questions, for the programmatic client. JSON is YAML.
pub fn description(_: &Visit, _: &[String]) -> Outcome {
    let questions: Vec<serde_json::Value> = forms::REDCAT
        .iter()
        .map(|(name, label)| json!({"key": name, "label": label, "type": "CharField", "required": *name == "description", "help_text": ""}))
        .collect();
    let text = serde_json::to_string_pretty(&questions).map_err(|error| Stop::failed(error.to_string()))?;
    Ok(Response::new(200).with_header("content-type", "text/yaml").with_body(text))
}
