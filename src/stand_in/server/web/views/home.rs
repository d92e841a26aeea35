//! The home page (WP 3.7).

use super::super::forms::SUBMITTERS;
use super::super::html::{browse, esc, table};
use super::super::visit::{Outcome, Stop, Visit};
use super::common;

/// `/`.
pub fn index(visit: &Visit, _: &[String]) -> Outcome {
    let mut body = "<div class=\"body_panel\">\n<h3>Operational References</h3>\n".to_owned();
    let pmap = visit.present("operational")?;
    body.push_str(&common::diff_form(&super::table::instruments(visit, &pmap)));
    body.push_str("</div>\n<div class=\"body_panel\">\n<h3>Context History</h3>\n");
    body.push_str(&common::history_table(visit, Some(4), false, false)?);
    body.push_str("<p><a href=\"/display_context_history/\">more</a></p>\n</div>\n");
    if !visit.is_2014() && visit.user.is_some() {
        body.push_str(&remote_contexts(visit)?);
    }
    body.push_str(&services(visit)?);
    Ok(visit.page(&body).with_header("cache-control", "no-cache"))
}

/// What the pipelines' caches last said of themselves, for visitors who logged in.
fn remote_contexts(visit: &Visit) -> Result<String, Stop> {
    let mut rows = Vec::new();
    for row in visit.server.catalogue.remote_contexts()? {
        let present = visit.present(&row.kind)?;
        let verdict = if present == row.context {
            "<span class=\"green\">synced</span>"
        } else {
            "<span class=\"red\">out of date</span>"
        };
        rows.push(vec![esc(&row.name), browse(&present), browse(&row.context), verdict.to_owned()]);
    }
    let head = ["Cache", "Server Context", "Cached Context", "Cache Status"];
    Ok(table(Some("remote_contexts"), &head, &rows))
}

/// The links, by what the visitor may do.
fn services(visit: &Visit) -> Result<String, Stop> {
    let list = |links: &[(&str, &str)]| {
        let items: String =
            links.iter().map(|(place, title)| format!("<li><a href=\"{place}\">{title}</a></li>\n")).collect();
        format!("<ol>\n{items}</ol>\n")
    };
    let open_title = match (visit.is_2014(), visit.user.is_some()) {
        (true, false) => "Services",
        _ => "Open Services",
    };
    let activity = if visit.is_2014() { "/recent_activity/" } else { "/recent_activity_input/" };
    let mut open = vec![
        ("/display_context_history/", "Context History"),
        ("/bestrefs/", "Dataset Best References"),
        ("/bestrefs_explore/", "Explore Best References"),
        ("/difference/", "Difference Files"),
        ("/browse_db/", "Browse Database"),
        (activity, "Recent Activity"),
    ];
    if !visit.is_2014() {
        open.push(("/display_all_contexts/", "All Contexts"));
        open.push(("/old_results/", "Old Results"));
    }
    // Only 2014's page heads its lists (WP 3.1).
    let title = |text: &str| {
        if visit.is_2014() { format!("<h3>{text}</h3>\n") } else { format!("<p class=\"menu\">{text}</p>\n") }
    };
    let mut out = format!("{}{}", title(open_title), list(&open));
    let Some(user) = &visit.user else { return Ok(out) };
    let locked = visit.locked_instrument()?;
    let badge = match (&locked, visit.is_2014()) {
        (Some(instrument), true) => format!(" <span class='locked_instrument'>{}</span>", esc(instrument)),
        _ => String::new(),
    };
    let mut restricted = vec![("/certify/", "Certify Files")];
    if user.in_group(SUBMITTERS) {
        restricted.push(("/set_default_context/", "Set Context"));
        restricted.push(("/mark_bad/", "Mark Files Bad"));
    }
    if locked.is_some() || user.is_superuser {
        restricted.push(("/batch_submit_references/", "Batch Submit References"));
        restricted.push(("/submit/reference/", "Submit References"));
        restricted.push(("/submit/mapping/", "Submit Mappings"));
        if !visit.is_2014() || user.is_superuser {
            restricted.push(("/delete/reference/", "Delete References"));
            restricted.push(("/add_existing/reference/", "Add Existing References"));
        }
    }
    restricted.push(("/delivery_status/", "Delivery Status"));
    restricted.push(("/set_password/", "Change Password"));
    out.push_str(&title(&format!("Restricted Services{badge}")));
    out.push_str(&list(&restricted));
    if user.is_superuser {
        let links =
            [("/create_contexts/", "Create Contexts"), ("/version_info/", "Server Version Info"), ("/admin/", "Admin")];
        out.push_str(&title("Super User Services"));
        out.push_str(&list(&links));
    }
    Ok(out)
}
