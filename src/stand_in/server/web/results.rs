//! Stored result pages as markup: their parts in the order of WP 3.6.

use std::fmt::Write as _;

use super::html::{accordion, browse, esc, span, table};
use super::stored::{
    Cancelled, Certified, CertifiedFile, Collision, Confirmed, Done, Ready, Renamed, Stored, Submission,
};

/// Who looks, and what the page cannot know itself.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// The markup of 2014.
    pub old_pages: bool,
    /// The id in the page's address.
    pub results_id: String,
    /// Empty while the submission waits.
    pub disposition: String,
    /// A visitor who logged in sees the form.
    pub logged_in: bool,
    /// Super users see more.
    pub super_user: bool,
    /// The hidden token field, markup; empty for visitors.
    pub token_field: String,
    /// The server's own address, with a final slash.
    pub base: String,
}

/// The page's body.
pub fn body(stored: &Stored, look: &Look) -> String {
    match stored {
        Stored::Ready(ready) => ready_page(ready, look),
        Stored::Confirmed(confirmed) => confirmed_page(confirmed, look),
        Stored::Cancelled(cancelled) => cancelled_page(cancelled, look),
        Stored::Done(done) => done_page(done, look),
        Stored::Certified(certified) => certified_page(certified, look),
    }
}

/// True if showing the page needs a token.
pub fn has_form(stored: &Stored, disposition: &str, logged_in: bool) -> bool {
    matches!(stored, Stored::Ready(_)) && disposition.is_empty() && logged_in
}

/// `<h2>` of a submission's page.
fn heading(submission: Submission, old_pages: bool) -> &'static str {
    match submission {
        Submission::Mapping => "Submit Mapping File",
        Submission::Reference => "Submit Reference File",
        Submission::Batch => "Batch Reference Submit Results",
        Submission::Delete if old_pages => "Deleted References",
        Submission::Delete => "Delete References Results",
        Submission::Add if old_pages => "Add Existing References",
        Submission::Add => "Add Existing References Results",
        Submission::Contexts => "Create New Contexts",
    }
}

fn ready_page(ready: &Ready, look: &Look) -> String {
    let mut out = format!("<h2>{}</h2>\n", heading(ready.submission, look.old_pages));
    let with_rules = matches!(ready.submission, Submission::Batch | Submission::Delete | Submission::Add);
    if with_rules {
        starting_context(ready.pmap.as_deref(), &mut out);
    }
    match ready.submission {
        Submission::Delete => names("Deleted Files", &ready.named, &mut out),
        Submission::Add => names("Added Files", &ready.named, &mut out),
        _ => {}
    }
    certify_results(&ready.certified, &mut out);
    let differences = super::differences::markup(&ready.differences);
    if with_rules && (look.old_pages || !differences.is_empty()) {
        out.push_str("<h3>Differences</h3>\n");
        out.push_str(&differences);
    }
    collisions(&ready.collisions, &mut out);
    confirm_part(look, &mut out);
    out
}

fn starting_context(pmap: Option<&str>, out: &mut String) {
    out.push_str("<h3>Starting Context</h3>\n");
    match pmap {
        Some(pmap) => {
            let _ = writeln!(out, "<p>{}</p>", browse(pmap));
        }
        None => out.push_str("<p>None</p>\n"),
    }
}

fn names(title: &str, files: &[String], out: &mut String) {
    let _ = writeln!(out, "<h3>{title}</h3>");
    for file in files {
        let _ = writeln!(out, "<p>{}</p>", browse(file));
    }
}

/// One accordion per file, titled `<uploaded> --> <new name> <status>` (WP 3.6).
fn certify_results(files: &[CertifiedFile], out: &mut String) {
    out.push_str("<h3>Certify Results</h3>\n");
    for file in files {
        let color = match file.status.as_str() {
            "OK" => "green",
            "Warnings" => "orange",
            _ => "red",
        };
        let status = span(color, &file.status);
        let (title, link) = if file.new_name.is_empty() {
            (format!("{} {status}", esc(&file.file)), String::new())
        } else {
            // The client finds the new name as the text of the element whose id is the upload's name (WP 3.8).
            let id = esc(&file.file);
            let new = esc(&file.new_name);
            (
                format!("{id} --&gt; <span class=\"blue\" id=\"{id}\">{new}</span> {status}"),
                format!("<p>{}</p>", browse(&file.new_name)),
            )
        };
        let lines: String = file.lines.iter().map(|line| colored(line)).collect();
        out.push_str(&accordion(&title, &format!("{link}<div class='program'>{lines}</div>")));
    }
}

/// A log line with its severity in colour.
fn colored(line: &str) -> String {
    let mut text = esc(line);
    for (word, color) in [("ERROR", "red"), ("WARNING", "orange")] {
        for prefix in ["CRDS - ", "CRDS : ", "CRDS  : "] {
            let plain = format!("{prefix}{word}");
            if text.starts_with(&plain) {
                text = format!("{prefix}<span class='{color}'>{word}</span>{}", &text[plain.len()..]);
            }
        }
    }
    format!("<p>{text}</p>\n")
}

fn collisions(items: &[Collision], out: &mut String) {
    if items.is_empty() {
        return;
    }
    out.push_str("<h3>Collisions</h3>\n");
    let mut inner = String::new();
    for item in items {
        let _ = writeln!(
            inner,
            "<p class=\"warning\">{} and {} were both derived from {}</p>",
            browse(&item.new),
            browse(&item.other),
            browse(&item.parent)
        );
    }
    inner.push_str(
        "<p>Two files have one parent: neither holds the changes of the other. This is to be expected when rules are \
         derived from a context that has successors already; if it is a surprise, cancel.</p>\n",
    );
    out.push_str(&accordion("<span class=\"warning\">Edit Collision Warnings</span>", &inner));
}

fn confirm_part(look: &Look, out: &mut String) {
    if look.disposition == "confirmed" {
        out.push_str("<h2 class=\"success\">confirmed</h2>\n");
        return;
    }
    if !look.disposition.is_empty() {
        let _ = writeln!(out, "<h2 class=\"error\">{}</h2>", esc(&look.disposition));
        return;
    }
    if !look.logged_in {
        return;
    }
    let (level, buttons): (&str, &[(&str, &str)]) = if look.old_pages {
        ("h2", &[("confirm", "green"), ("cancel", "red")])
    } else {
        ("h3", &[("confirm", "green"), ("cancel", "red"), ("force", "orange")])
    };
    let _ = write!(
        out,
        "<div id=\"confirm_or_cancel\">\n<{level}>Confirm or Cancel Submission</{level}>\n<form \
         action=\"/submit_confirm/\" method=\"post\" enctype=\"multipart/form-data\" \
         class=\"jpoll_ajax_html_form\">\n{}<input type=\"hidden\" name=\"results_id\" value=\"{}\">\n",
        look.token_field,
        esc(&look.results_id)
    );
    for (button, color) in buttons {
        let _ = writeln!(out, "<input type=\"submit\" name=\"button\" value=\"{button}\" class=\"{color}\">");
    }
    out.push_str("</form>\n</div>\n");
}

fn confirmed_page(confirmed: &Confirmed, look: &Look) -> String {
    let mut out = format!("{}<p class='success'>Submission Confirmed.</p>\n", no_heading(look));
    starting_context(confirmed.pmap.as_deref(), &mut out);
    if confirmed.predicted.is_some() && confirmed.predicted != confirmed.pmap {
        let name = |pmap: &Option<String>| span("gray", pmap.as_deref().unwrap_or("None"));
        let _ = writeln!(
            out,
            "<p class=\"warning\">WARNING: predicted starting context changed from {} to {}.</p>",
            name(&confirmed.predicted),
            name(&confirmed.pmap)
        );
    }
    renamed("Uploaded Files", ("Upload Name", "CRDS Name"), &confirmed.uploads, true, &mut out);
    if !look.old_pages {
        for (title, files) in [("Deleted Files", &confirmed.deleted), ("Added Files", &confirmed.added)] {
            if !files.is_empty() {
                names(title, files, &mut out);
            }
        }
    }
    if !confirmed.context_rmaps.is_empty() {
        out.push_str("<h3>Rmaps Added To Contexts</h3>\n");
        let rows: Vec<Vec<String>> = confirmed.context_rmaps.iter().map(|name| vec![browse(name)]).collect();
        out.push_str(&table(None, &[], &rows));
    }
    renamed("Generated Files", ("Source Mapping", "New Mapping"), &confirmed.generated, false, &mut out);
    collisions(&confirmed.collisions, &mut out);
    link_back(&confirmed.ready_page, look, &mut out);
    if !look.old_pages {
        let _ = writeln!(
            out,
            "<p><a href=\"{}\">Next Submission</a> <a href=\"/\">Home</a></p>",
            confirmed.submission.more()
        );
    }
    out
}

/// Old and new names; an upload's row carries its name as id, for the client's map of files (WP 3.8).
fn renamed(title: &str, head: (&str, &str), pairs: &[Renamed], ids: bool, out: &mut String) {
    if pairs.is_empty() {
        return;
    }
    let _ = writeln!(out, "<h3>{title}</h3>");
    let rows: Vec<Vec<String>> = pairs
        .iter()
        .map(|(old, new)| {
            let new_cell = if ids { format!("<span id=\"{}\">{}</span>", esc(old), browse(new)) } else { browse(new) };
            vec![span("gray", old), "--&gt;".to_owned(), new_cell]
        })
        .collect();
    out.push_str(&table(None, &[head.0, "", head.1], &rows));
}

fn cancelled_page(cancelled: &Cancelled, look: &Look) -> String {
    let mut out = format!("{}<p class='error'>Submission Discarded: {}</p>\n", no_heading(look), esc(&cancelled.why));
    link_back(&cancelled.ready_page, look, &mut out);
    if !look.old_pages {
        let _ = writeln!(
            out,
            "<p><a href=\"{}\">Next Submission</a> <a href=\"/\">Home</a></p>",
            cancelled.submission.more()
        );
    }
    out
}

/// Later pages of what became of a submission have a heading without a text (WP 3.6).
fn no_heading(look: &Look) -> &'static str {
    if look.old_pages { "" } else { "<h2></h2>\n" }
}

/// The page before, under the address that `done` messages give it too: with a double slash (WP 3.9).
fn link_back(ready_page: &str, look: &Look, out: &mut String) {
    if !look.old_pages {
        let page = esc(&format!("{}{ready_page}", look.base));
        let _ = writeln!(out, "<h3>Confirmation Page:</h3>\n<a href=\"{page}\">{page}</a>");
    }
}

fn done_page(done: &Done, look: &Look) -> String {
    let mut out = format!("<h2>{}</h2>\n", heading(done.submission, look.old_pages));
    starting_context(Some(&done.pmap), &mut out);
    let (named, generated) = match done.submission {
        Submission::Delete => ("Deleted Files", "Generated Mappings"),
        Submission::Add => ("Added Files", "Generated Mappings"),
        _ if look.old_pages => ("For Rmaps", "Generated Contexts"),
        _ => ("Added Existing Rmaps", "Generated Contexts"),
    };
    names(named, &done.named, &mut out);
    let _ = writeln!(out, "<h3>{generated}</h3>");
    let rows: Vec<Vec<String>> =
        done.generated.iter().map(|(old, new)| vec![span("gray", old), "--&gt;".to_owned(), browse(new)]).collect();
    out.push_str(&table(None, &["Source Mapping", "", "New Mapping"], &rows));
    collisions(&done.collisions, &mut out);
    out
}

fn certified_page(certified: &Certified, look: &Look) -> String {
    let mut out = "<h2>Certify Files</h2>\n".to_owned();
    certify_results(&certified.certified, &mut out);
    if look.super_user {
        out.push_str("<h3>Blacklist Checks</h3>\n");
        for (file, bad) in &certified.blacklist {
            let verdict = match bad.as_deref() {
                None => span("red", "Error"),
                Some([]) => span("green", "OK"),
                Some(bad) => span("red", &format!("blacklisted by {}", super::html::repr_list(bad))),
            };
            let _ = writeln!(out, "<p>{} {verdict}</p>", esc(file));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(submission: Submission) -> Ready {
        Ready {
            submission,
            pmap: Some("hst_0280.pmap".into()),
            pmap_mode: "pmap_edit".into(),
            description: "d".into(),
            submitter: "u".into(),
            lock_id: String::new(),
            instrument: "wfc3".into(),
            uploads: vec![("a.fits".into(), "b_npl.fits".into())],
            rmaps: Vec::new(),
            context_rmaps: Vec::new(),
            certified: vec![CertifiedFile {
                file: "<x>.fits".into(),
                new_name: "b_npl.fits".into(),
                status: "Warnings".into(),
                lines: vec!["CRDS - WARNING -  <b>".into()],
            }],
            differences: serde_json::Value::Null,
            collisions: Vec::new(),
            named: Vec::new(),
        }
    }

    fn headings(text: &str) -> Vec<String> {
        let page = scraper::Html::parse_fragment(text);
        let pick = scraper::Selector::parse("h2, h3").expect("a fixed selector");
        page.select(&pick)
            .filter(|found| {
                found
                    .parent()
                    .and_then(scraper::ElementRef::wrap)
                    .is_none_or(|up| up.value().attr("class") != Some("accordion"))
            })
            .map(|found| found.text().collect())
            .collect()
    }

    #[test]
    fn parts_stand_in_the_order_of_the_page() {
        let look = Look { logged_in: true, ..Look::default() };
        assert_eq!(
            headings(&body(&Stored::Ready(ready(Submission::Batch)), &look)),
            ["Batch Reference Submit Results", "Starting Context", "Certify Results", "Confirm or Cancel Submission"]
        );
        assert_eq!(
            headings(&body(&Stored::Ready(ready(Submission::Mapping)), &Look::default())),
            ["Submit Mapping File", "Certify Results"]
        );
    }

    #[test]
    fn names_and_log_lines_are_escaped() {
        let text = body(&Stored::Ready(ready(Submission::Batch)), &Look::default());
        assert!(!text.contains("<x>") && !text.contains("<b>"), "{text}");
        assert!(text.contains("CRDS - <span class='orange'>WARNING</span> -  &lt;b&gt;"), "{text}");
    }
}
