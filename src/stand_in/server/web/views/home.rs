//! The home page (WP 3.7).

use super::super::forms::SUBMITTERS;
use super::super::html::{browse, esc, table};
use super::super::visit::{Outcome, Stop, Visit};
use super::common;

/// `/`.
pub fn index(visit: &Visit, _: &[String]) -> Outcome {
    let pmap = visit.present("operational")?;
    let table = common::diff_form(&super::table::instruments(visit, &pmap));
    let history = common::history_table(visit, Some(4), false, false)?;
    let mut body = String::new();
    if visit.dialect().old_pages {
        body.push_str(&format!("<div class=\"body_panel\">\n<h3>Operational References</h3>\n{table}</div>\n"));
        body.push_str(&format!("<div class=\"body_panel\">\n<h3>Context History</h3>\n{history}"));
        body.push_str("<p><a href=\"/display_context_history/\">more</a></p>\n</div>\n");
        body.push_str(&services_2014(visit)?);
    } else {
        body.push_str(&services(visit)?);
        let under = format!("<span class=\"gray\">(under context {})</span>", browse(&pmap));
        body.push_str(&format!("<div class=\"body_panel\">\n<h3>Operational References {under}</h3>\n{table}</div>\n"));
        let more = "<a href=\"/display_context_history/\">(more)</a>";
        body.push_str(&format!("<div class=\"body_panel\">\n<h3>Context History {more}</h3>\n{history}</div>\n"));
        if visit.user.is_some() {
            body.push_str(&remote_contexts(visit, &pmap)?);
        }
    }
    Ok(visit.page(&body))
}

/// What the pipelines' caches last said of themselves, for visitors who logged in. Whatever kind they push, they are held
/// against the operational context.
fn remote_contexts(visit: &Visit, operational: &str) -> Result<String, Stop> {
    let mut rows = Vec::new();
    for row in visit.server.catalogue.remote_contexts()? {
        let verdict = if operational == row.context {
            "<span class=\"green\">synced</span>"
        } else {
            "<span class=\"red\">out of date</span>"
        };
        rows.push(vec![esc(&row.name), esc(operational), esc(&row.context), verdict.to_owned()]);
    }
    let head = ["Cache", "Server Context", "Cached Context", "Cache Status"];
    let table = table(Some("remote_contexts"), &head, &rows);
    Ok(format!("<div class=\"body_panel\">\n<h3>Remote Contexts</h3>\n{table}</div>\n"))
}

/// A heading with a list of links below it.
fn links(heading: &str, links: &[(&str, &str)]) -> String {
    let items: String =
        links.iter().map(|(place, title)| format!("<li><a href=\"{place}\">{title}</a></li>\n")).collect();
    format!("<h3>{heading}</h3>\n<ol>\n{items}</ol>\n")
}

/// The links, by what the visitor may do (WP 3.7).
fn services(visit: &Visit) -> Result<String, Stop> {
    let mut out = links(
        "Obtain Best Reference Files",
        &[
            ("/docs/cmdline_bestrefs/", "Using the Command Line"),
            ("/bestrefs/", "From Dataset ID or FITS Header Upload"),
            ("/bestrefs_explore/", "Exploring with Instrument Parameters"),
        ],
    );
    let mut database = vec![("/browse_db/", "Browse Database"), ("/recent_activity_input/", "Recent Activity")];
    if visit.user.is_some() {
        database.push(("/display_all_contexts/", "All Contexts"));
    }
    if visit.is_super() {
        database.push(("/old_results/", "Old Results"));
    }
    out.push_str(&links("Reference File Database Services", &database));
    let Some(user) = &visit.user else { return Ok(out) };
    let locked = visit.locked_instrument()?.is_some();
    let mut restricted = vec![
        ("/certify/", "Certify Files"),
        ("/difference/", "Difference Files"),
        ("/delivery_status/", "Delivery Status"),
        ("/set_password/", "Change Password"),
    ];
    if user.in_group(SUBMITTERS) {
        restricted.push(("/set_default_context/", "Set Context"));
    }
    out.push_str(&links("Restricted Services", &restricted));
    if user.in_group(SUBMITTERS) && locked {
        let routine =
            [("/batch_submit_references/", "Batch Submit References"), ("/submit/mapping/", "Submit Mappings")];
        out.push_str(&links("Routine Submission Services", &routine));
        let advanced = [
            ("/mark_bad/", "Mark Files Bad"),
            ("/submit/reference/", "Submit References"),
            ("/add_existing/reference/", "Add References"),
            ("/delete/reference/", "Delete References"),
        ];
        out.push_str(&links("Advanced Services", &advanced));
    }
    if user.is_superuser {
        let mut powers = vec![("/version_info/", "Server Version Info"), ("/admin/", "Admin")];
        if !locked {
            powers.extend([
                ("/batch_submit_references/", "Batch Submit References (UNLOCKED)"),
                ("/submit/reference/", "Submit References (UNLOCKED)"),
                ("/submit/mapping/", "Submit Mappings (UNLOCKED)"),
                ("/create_contexts/", "Create Contexts (UNCONFIRMED)"),
                ("/mark_bad/", "Mark Files Bad (UNLOCKED)"),
                ("/add_existing/reference/", "Add References"),
                ("/delete/reference/", "Delete References"),
            ]);
        }
        out.push_str(&links("Super User Services", &powers));
    }
    Ok(out)
}

/// The links of 2014.
fn services_2014(visit: &Visit) -> Result<String, Stop> {
    let mut out = links(
        if visit.user.is_some() { "Open Services" } else { "Services" },
        &[
            ("/display_context_history/", "Context History"),
            ("/bestrefs/", "Dataset Best References"),
            ("/bestrefs_explore/", "Explore Best References"),
            ("/difference/", "Difference Files"),
            ("/browse_db/", "Browse Database"),
            ("/recent_activity/", "Recent Activity"),
        ],
    );
    let Some(user) = &visit.user else { return Ok(out) };
    let locked = visit.locked_instrument()?;
    let mut restricted = vec![("/certify/", "Certify Files")];
    if user.in_group(SUBMITTERS) {
        restricted.push(("/set_default_context/", "Set Context"));
        restricted.push(("/mark_bad/", "Mark Files Bad"));
    }
    if locked.is_some() || user.is_superuser {
        restricted.push(("/batch_submit_references/", "Batch Submit References"));
        restricted.push(("/submit/reference/", "Submit References"));
        restricted.push(("/submit/mapping/", "Submit Mappings"));
    }
    if user.is_superuser {
        restricted.push(("/delete/reference/", "Delete References"));
        restricted.push(("/add_existing/reference/", "Add Existing References"));
    }
    restricted.extend([("/delivery_status/", "Delivery Status"), ("/set_password/", "Change Password")]);
    let badge = match &locked {
        Some(instrument) => format!(" <span class='locked_instrument'>{}</span>", esc(instrument)),
        None => String::new(),
    };
    out.push_str(&links(&format!("Restricted Services{badge}"), &restricted));
    if user.is_superuser {
        let powers =
            [("/create_contexts/", "Create Contexts"), ("/version_info/", "Server Version Info"), ("/admin/", "Admin")];
        out.push_str(&links("Super User Services", &powers));
    }
    Ok(out)
}
