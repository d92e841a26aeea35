//! Probes of a server through its web pages: what an operator would click through.

use std::collections::BTreeSet;

use crds_upgrade::crds::web::Session;
use crds_upgrade::crds::wire::Ask;
use crds_upgrade::crds::{Door, Server};
use crds_upgrade::host::side_by_side;
use crds_upgrade::plan::Era;
use crds_upgrade::run::{Step, StepError};

use super::outcome;
use super::tally::Tally;

/// Pages that anybody may see: path, and a text that a good one has.
const PAGES: [(&str, &str); 8] = [
    ("/", "Operational References"),
    ("/login/", "Login"),
    ("/bestrefs/", "Dataset Best References"),
    ("/bestrefs_explore/", "Explore Best References"),
    ("/browse_db/", "Browse Database"),
    ("/display_context_history/", "Context History"),
    ("/difference/", "Difference"),
    ("/context_table/operational", "Historical References"),
];

/// Longest time that a page may take on the average, in seconds by the server's clock.
const SLOWEST_S: f64 = 20.0;

/// As [`PAGES`], of the servers of 2014 (WP 3.2).
const OF_2014: [(&str, &str); 1] = [("/recent_activity/", "List Actions")];

/// As [`PAGES`], of the servers since 2019 (WP 3.2).
const SINCE_2019: [(&str, &str); 3] = [
    ("/recent_activity_input/", "Recent Activity"),
    ("/display_all_contexts/", "All Contexts"),
    ("/old_results/", "Old Results"),
];

/// Every public page answers with its own heading and without an error block.
pub fn pages(s: &Step, ops: &Server, door: Door, check: &'static str, tally: &mut Tally) -> Result<(), StepError> {
    let context = s.plan().contexts.operational.clone();
    let browse = format!("/browse/{context}");
    let of_era: &[(&str, &str)] = if ops.era() == Era::Y2014 { &OF_2014 } else { &SINCE_2019 };
    let more = of_era.iter().copied().chain([(browse.as_str(), context.as_str())]);
    let asked: Vec<(&str, &str)> = PAGES.iter().copied().chain(more).collect();
    let (http, base, began) = (ops.http()?, ops.url(door)?, ops.now()?);
    let wrong = side_by_side(&asked, |(path, mark)| match Session::anonymous(http.clone(), &base).good_page(path) {
        Ok(page) if page.text.contains(mark) => None,
        Ok(page) => Some(format!("{path} lacks `{mark}`: {}", page.gist())),
        Err(error) => Some(error.to_string()),
    });
    let good = wrong.iter().filter(|fault| fault.is_none()).count();
    wrong.into_iter().flatten().for_each(|fault| tally.fault(check, fault));
    tally.proof(check, format!("{good} pages with their marks"));
    // Nobody waits for a page that comes after minutes.
    let took = ops.now()? - began;
    #[expect(clippy::cast_precision_loss, reason = "a dozen pages")]
    let most = SLOWEST_S * asked.len() as f64;
    tally.hold(check, took < most, format!("{} pages in {took:.0} s", asked.len()));
    let home = ops.http()?.send(&Ask::get(&format!("{}/", ops.url(door)?.trim_end_matches('/'))))?.text();
    assets(ops, door, &home, check, tally)
}

/// Styles and scripts that a page names are served: without them a page is there and nobody can use it.
fn assets(ops: &Server, door: Door, html: &str, check: &'static str, tally: &mut Tally) -> Result<(), StepError> {
    let base = ops.url(door)?;
    let (http, base) = (ops.http()?, base.trim_end_matches('/'));
    let named: BTreeSet<&str> = html
        .split(['"', '\''])
        .filter(|word| word.starts_with("/static/") && !word.contains(char::is_whitespace))
        .collect();
    for path in &named {
        let answer = http.send(&Ask::get(&format!("{base}{path}")))?;
        if answer.status != 200 || answer.body.is_empty() {
            tally.fault(check, format!("{path}: status {}, {} bytes", answer.status, answer.body.len()));
        } else if path.ends_with("s") && answer.body.trim_ascii_start().starts_with(b"<") {
            tally.fault(check, format!("{path} is a page, not a style or script"));
        }
    }
    tally.proof(check, format!("{} styles and scripts", named.len()));
    Ok(())
}

/// A login without a lock, seen on the page, and gone after logging out.
pub fn write_path(s: &Step, ops: &Server, door: Door, check: &'static str, tally: &mut Tally) -> Result<(), StepError> {
    let Some(name) = s.site().credentials.keys().next().cloned() else {
        tally.fault(check, "the site has no credential to log in with");
        return Ok(());
    };
    let credential = outcome::credential(s, &name)?;
    let password = credential.password.resolve()?;
    let login =
        crds_upgrade::crds::web::Login { username: &credential.username, password: &password, instrument: None };
    let mut session = match Session::login(ops.http()?, &ops.url(door)?, &login) {
        Ok(session) => session,
        Err(error) => {
            tally.fault(check, error.to_string());
            return Ok(());
        }
    };
    let page = session.page("/delivery_status/")?;
    tally.hold(
        check,
        page.error().is_none() && page.text.contains("Delivery Status"),
        format!("logged in as {}", credential.username),
    );
    session.logout()?;
    let after = session.get("/delivery_status/")?;
    tally.hold(check, after.status == 302, format!("after logging out: status {}", after.status));
    let locks = ops.locks()?;
    let left = locks.iter().filter(|row| row.locked_object.contains(&credential.username)).count();
    tally.hold(check, left == 0, format!("{left} locks left"));
    Ok(())
}

/// The upload form and its script are whole: the form is there and no script tag is shown as text.
pub fn upload_page(
    s: &Step,
    ops: &Server,
    door: Door,
    check: &'static str,
    tally: &mut Tally,
) -> Result<(), StepError> {
    let Some(submission) = s.plan().submissions.first() else {
        tally.proof(check, "the plan submits nothing");
        return Ok(());
    };
    let credential = outcome::credential(s, &submission.credential)?;
    let password = credential.password.resolve()?;
    let login =
        crds_upgrade::crds::web::Login { username: &credential.username, password: &password, instrument: None };
    let mut session = Session::login(ops.http()?, &ops.url(door)?, &login)?;
    let answer = session.get("/certify/")?;
    let html = answer.text();
    let form = html.contains("/upload/new/") && html.contains("multipart/form-data");
    tally.hold(check, answer.status == 200 && form, "the upload form".to_owned());
    assets(ops, door, &html, check, tally)?;
    let shown = html.contains("&lt;script") || scripts(&html).any(is_escaped);
    tally.hold(
        check,
        !shown,
        if shown { "script shown as text: it was escaped" } else { "its scripts are scripts" }.to_owned(),
    );
    let listed = session.uploads();
    tally.hold(check, listed.is_ok(), "the list of uploads answers".to_owned());
    session.logout()?;
    Ok(())
}

/// The texts of the scripts in a page.
fn scripts(html: &str) -> impl Iterator<Item = &str> {
    html.split("<script").skip(1).filter_map(|rest| {
        let (_, text) = rest.split_once('>')?;
        text.split_once("</script>").map(|(text, _)| text)
    })
}

/// Whether every quote of a script was turned into an entity, so that no browser can run it (B061).
fn is_escaped(script: &str) -> bool {
    let entities = ["&quot;", "&#39;", "&#x27;", "&#34;"];
    entities.iter().any(|entity| script.contains(entity)) && !script.contains(['"', '\''])
}
