//! Default contexts, bad files, contexts from rmaps (WP 3.6).

use super::super::fields::{Check, Rule, split_files};
use super::super::forms::{MARK_BAD, SET_CONTEXT};
use super::super::html::{browse, esc, repr, repr_list, table};
use super::super::render;
use super::super::visit::{Outcome, Stop, Visit};

/// `/set_default_context/`.
pub fn set_default(visit: &Visit, _: &[String]) -> Outcome {
    if visit.is_get() {
        return set_default_form(visit);
    }
    let (_, pmap) = visit.context()?;
    let kinds = visit.server.dialect().context_kinds;
    let kind = visit.validate(Check { rule: Rule::Choice(kinds), ..SET_CONTEXT.checks[0] })?;
    let description = visit.validate(SET_CONTEXT.checks[1])?;
    // A kind that merely begins like one passes the field and is refused where it is used (WP 3.1).
    if !kinds.contains(&kind.as_str()) {
        visit.server.check_settable(&pmap)?;
        let text = format!("Invalid context state: {} should be in {}", repr(&kind), repr_list(kinds));
        return Err(if visit.dialect().unknown_kind_fails { Stop::failed(text) } else { Stop::refused(text) });
    }
    let changed = visit.server.set_default_context(&visit.username(), &kind, &pmap, &description)?;
    let body = format!(
        "<h2>Set Default Context</h2>\n<h3 class=\"success\">Changed {} context from {} to {}</h3>\n",
        esc(&changed.kind),
        browse(&changed.old),
        browse(&changed.new)
    );
    Ok(visit.page(&body))
}

/// The form with its table of present values beside it (WP 3.10).
fn set_default_form(visit: &Visit) -> Outcome {
    let mut setting = visit.setting(&SET_CONTEXT)?;
    setting.defaults = vec![("description".to_owned(), proposed_description(visit)?)];
    let mut body = format!("<h2>{}</h2>\n", SET_CONTEXT.heading);
    body.push_str(&render::form(&SET_CONTEXT, &setting, visit, None));
    let mut rows = Vec::new();
    for kind in visit.server.dialect().context_kinds {
        rows.push(vec![esc(kind), browse(&visit.present(kind)?)]);
    }
    body.push_str(&table(None, &["Context Type", "Current Value"], &rows));
    Ok(visit.page(&body))
}

/// The edit pmap's description if that is exactly the next pmap by name after the operational one (WP 3.10).
fn proposed_description(visit: &Visit) -> Result<String, Stop> {
    let edit = visit.present("edit")?;
    let operational = visit.present("operational")?;
    let pmaps = visit.server.catalogue.files_with_extension(".pmap")?;
    let next = pmaps.iter().rev().find(|row| row.name > operational);
    Ok(next.filter(|row| row.name == edit).map(|row| row.description.clone()).unwrap_or_default())
}

/// The form of good and bad files.
pub fn mark_bad_form(visit: &Visit, _: &[String], error: Option<&str>) -> Outcome {
    visit.form_page(&MARK_BAD, error)
}

/// `/mark_bad/`.
pub fn mark_bad(visit: &Visit, captures: &[String]) -> Outcome {
    if visit.is_get() {
        return mark_bad_form(visit, captures, None);
    }
    let values = visit.validate_page(&MARK_BAD)?;
    let files = split_files(&values[0]);
    // Only the exact word marks bad; one that merely begins so clears (WP 3.1).
    let affected = visit.server.mark_bad(&visit.username(), &files, values[1] == "bad", &values[2])?;
    let body = format!("<h2>Mark Files Bad</h2>\n<h3>Affected Files</h3>\n{}", super::browse::links(&affected));
    Ok(visit.page(&body))
}
