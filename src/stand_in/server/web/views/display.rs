//! Stored result pages (WP 3.6, 3.7).

use super::super::access;
use super::super::html::{esc, repr, repr_list, table};
use super::super::results::{self, Look};
use super::super::stored::{Stored, Submission};
use super::super::visit::{Outcome, Stop, Visit};
use crate::stand_in::server::catalog::ResultRow;

/// The stored page of an id as addresses carry it.
///
/// # Errors
///
/// If the catalogue cannot be read.
pub fn find(visit: &Visit, id: &str) -> Result<Option<ResultRow>, Stop> {
    if visit.dialect().uuid_results {
        return Ok(visit.server.catalogue.result(id)?);
    }
    let Ok(number) = id.parse() else { return Ok(None) };
    Ok(visit.server.catalogue.result_by_id(number)?)
}

/// Why a stored page is not to be had.
pub fn missing(visit: &Visit, id: &str) -> String {
    if visit.dialect().uuid_results {
        format!("Couldn't find RepeatableResultBlob named {}", repr(id))
    } else {
        "RepeatableResultBlob matching query does not exist.".to_owned()
    }
}

/// `/display_result/<id>` and `/authenticated_result/<id>`.
pub fn result(visit: &Visit, captures: &[String]) -> Outcome {
    let id = &captures[0];
    let Some(row) = find(visit, id)? else {
        return Err(Stop::refused(format!("Error loading result {id} : {}", missing(visit, id))));
    };
    let stored: Stored =
        serde_json::from_value(row.blob.clone()).map_err(|error| Stop::failed(format!("result {id}: {error}")))?;
    let logged_in = visit.user.is_some();
    let token_field = if results::has_form(&stored, &row.disposition, logged_in) {
        format!("<input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\"{}\">\n", esc(&visit.token()))
    } else {
        String::new()
    };
    let look = Look {
        old_pages: visit.dialect().old_pages,
        results_id: id.clone(),
        disposition: row.disposition,
        logged_in,
        super_user: visit.is_super(),
        token_field,
        base: visit.server.config.public_url.clone(),
    };
    Ok(visit.page(&results::body(&stored, &look)))
}

/// `/old_results/`: every stored page but certifications, newest first.
pub fn old_results(visit: &Visit, _: &[String]) -> Outcome {
    let mut rows = Vec::new();
    for row in visit.server.catalogue.results()?.iter().rev() {
        let Ok(stored) = serde_json::from_value::<Stored>(row.blob.clone()) else { continue };
        let (template, files) = match &stored {
            Stored::Certified(_) => continue,
            Stored::Ready(ready) => {
                let new = ready.uploads.iter().chain(&ready.rmaps).map(|(_, new)| new);
                (template_of(ready.submission), new.chain(&ready.named).cloned().collect::<Vec<_>>())
            }
            Stored::Confirmed(confirmed) => {
                let new = confirmed.uploads.iter().chain(&confirmed.generated).map(|(_, new)| new);
                ("confirmed.html", new.chain(&confirmed.deleted).chain(&confirmed.added).cloned().collect())
            }
            Stored::Cancelled(_) => ("confirmed.html", Vec::new()),
            // The page of made contexts keeps no list of new files.
            Stored::Done(done) => (template_of(done.submission), Vec::new()),
        };
        let files: std::collections::BTreeSet<String> = files.into_iter().collect();
        let name = esc(&row.name);
        let files: Vec<String> = files.into_iter().collect();
        rows.push(vec![
            row.id.to_string(),
            format!("<a href=\"/display_result/{name}\">{name}</a>"),
            esc(&row.user),
            template.to_owned(),
            // As the list's own text, not as links.
            esc(&repr_list(&files)),
        ]);
    }
    let head = ["ID", "Result Link", "User", "Template", "Files"];
    Ok(visit.page(&format!("<h2>Old Results</h2>\n{}", table(None, &head, &rows))))
}

/// Name of the template that a submission's page is made from.
fn template_of(submission: Submission) -> &'static str {
    match submission {
        Submission::Mapping | Submission::Reference => "submit_results.html",
        Submission::Batch => "batch_submit_reference_results.html",
        Submission::Delete => "delete_references_results.html",
        Submission::Add => "add_existing_references_results.html",
        Submission::Contexts => "create_contexts_results.html",
    }
}

/// Path of a stored page.
pub fn path(visit: &Visit, row: &ResultRow) -> String {
    if visit.dialect().uuid_results {
        format!("/display_result/{}", row.name)
    } else {
        format!("/display_result/{}", row.id)
    }
}

/// A redirect to a stored page.
pub fn redirect(visit: &Visit, row: &ResultRow) -> crate::stand_in::server::http::Response {
    crate::stand_in::server::http::Response::redirect(302, &access::absolute(visit, &path(visit, row)))
}
