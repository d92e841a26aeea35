//! Contexts, bad files, history texts (WP 3.6, 4.2, 4.3).

use super::web_browser::{Browser, Site};
use super::web_queries::{rows, with};
use super::web_rules::{OLDER, OPERATIONAL};
use super::web_score::Score;

/// WP 3.6, set context.
pub fn contexts(score: &mut Score, site: &Site) {
    let mut ann = site.login("ann", "none");
    let mut set = |kind: &str, mode: &str, text: &str, why: &str| {
        ann.post(
            "/set_default_context/",
            &[("pmap_mode", mode), ("pmap_text", text), ("context_type", kind), ("description", why)],
        )
    };
    let page = set("operational", "pmap_operational", "", "same");
    score.same(
        "WP 3.6",
        "same value",
        page.error(),
        Some(format!("'{OPERATIONAL}' is already in use for the 'operational' context.")),
    );
    score.same("WP 3.1", "on the bare base page", page.h2().len(), 0);
    let page = set("edit", "pmap_text", OLDER, "back");
    score.same("WP 3.6", "heading", page.h2(), vec!["Set Default Context".to_owned()]);
    score.same(
        "WP 3.6",
        "OK line",
        page.picks("h3.success"),
        vec![format!("Changed edit context from {OPERATIONAL} to {OLDER}")],
    );
    let page = site.login("ann", "none").get("/set_default_context/");
    score.same("WP 1.8", "versions is empty at first, and no link", page.picks("td a").len(), 2);
    let page = set("versions", "pmap_text", OLDER, "first");
    score.same("WP 4.3", "versions", page.picks("h3.success").len(), 1);
    let page = set("operational", "pmap_edit", "ignored", "Back to the older one.");
    score.same(
        "WP 3.1",
        "pmap_edit takes the server's own value",
        page.picks("h3.success"),
        vec![format!("Changed operational context from {OPERATIONAL} to {OLDER}")],
    );
    let mut visitor = site.visitor();
    let page = visitor.get("/display_context_history/");
    score.step("WP 3.7", "a history row", page.says("Back to the older one."));
    score.same("WP 3.7", "operational rows only", page.picks("tbody tr").len(), 3);
    let page = visitor.get("/recent_activity_query/");
    score.same("WP 4.4", "one audit row each on the new pmap", page.picks("#recent_activity_table tbody tr").len(), 3);
    score.step(
        "WP 4.4",
        "details",
        page.says(&format!("operational context changed from '{OPERATIONAL}' to '{OLDER}'")),
    );
    score.same(
        "WP 3.11",
        "context_table follows",
        visitor.get("/context_table/operational").h2(),
        vec![format!("Historical References (under context {OLDER})")],
    );
    let page = ann.get("/set_default_context/");
    score.same("WP 3.10", "present values", page.picks("td a"), vec![OLDER.to_owned(); 3]);
}

/// WP 3.6, mark bad; WP 4.2.
pub fn bad_files(score: &mut Score, site: &Site) {
    let mut ann = site.login("ann", "none");
    let mut mark = |files: &str, flag: &str| {
        ann.post("/mark_bad/", &[("file_known", files), ("badflag", flag), ("why", "why not")])
    };
    let inside = "File 'm1l0942nj_pfl.fits' is in the current operational context 'hst_0279.pmap'. Create a new context which does not contain it and make that context operational. Then mark 'm1l0942nj_pfl.fits' as 'bad'.";
    let page = mark("hst_0278.pmap m1l0942nj_pfl.fits", "bad");
    score.same("WP 3.6", "a file of the operational context", page.error(), Some(inside.to_owned()));
    score.same("WP 3.1", "on its own form", page.h2(), vec!["Mark Files Bad".to_owned()]);
    let mut visitor = site.visitor();
    let status = |visitor: &mut Browser, name: &'static str| {
        rows(&visitor.post("/browse_db/", &with("filename", name)))
            .first()
            .map(|row| row[6].clone())
            .unwrap_or_default()
    };
    score.step("WP 3.6", "nothing is marked if one is refused", !status(&mut visitor, "hst_0278").contains("bad"));
    let page = mark("hst_acs_pfltfile_0249.rmap", "bad");
    score.same("WP 3.6", "heading", page.h2(), vec!["Mark Files Bad".to_owned()]);
    score.step("WP 3.6", "Affected Files", page.picks("h3").contains(&"Affected Files".to_owned()));
    score.same(
        "WP 4.2",
        "the file and what refers to it",
        page.picks("#contents p a"),
        ["hst_0278.pmap", "hst_acs_0255.imap", "hst_acs_pfltfile_0249.rmap"].map(str::to_owned).to_vec(),
    );
    score.step("WP 4.1", "displayed as bad", status(&mut visitor, "hst_0278").contains("bad"));
    let page = visitor.get("/recent_activity_query/?extension=*&action=blacklist");
    score.same("WP 4.4", "one row per file named", page.picks("#recent_activity_table tbody tr").len(), 1);
    score.step("WP 4.4", "details", page.says("marked as 'BAD'"));
    let page = visitor.get("/recent_activity_query/?extension=*&instrument=acs");
    score.same("WP 3.7", "mark-bad rows carry no instrument", page.picks("#recent_activity_table tbody tr").len(), 0);
    score.same("WP 3.6", "marking twice succeeds", mark("hst_acs_pfltfile_0249.rmap", "bad").error(), None);
    score.same("WP 3.1", "badX clears the flag", mark("hst_acs_pfltfile_0249.rmap", "badX").error(), None);
    score.step("WP 4.2", "cleared everywhere", !status(&mut visitor, "hst_0278").contains("bad"));
    score.same("WP 3.6", "ok on a good file", mark("hst_0278.pmap", "ok").error(), None);
    score.same("WP 3.6", "an empty list", mark("", "bad").error(), None);
}

/// WP 3.7, history texts.
pub fn history_texts(score: &mut Score, site: &Site) {
    let mut hal = site.login("hal", "none");
    let page = hal.get("/edit_context_history/2/hst_0279.pmap/");
    score.same("WP 3.10", "heading", page.h2(), vec!["Edit Context History".to_owned()]);
    score.same(
        "WP 3.7",
        "ids number from 1 in order of writing",
        page.picks("textarea[name=description]"),
        vec!["The one before the upgrade.".to_owned()],
    );
    let page = hal.post("/edit_context_history/2/hst_0279.pmap/", &[("description", "Another text.")]);
    score.same(
        "WP 3.7",
        "302, no final slash",
        (page.status, page.header("location")),
        (302, "/display_context_history".to_owned()),
    );
    let mut visitor = site.visitor();
    score.step(
        "WP 3.7",
        "changed everywhere",
        visitor.get("/display_context_history/").says("Another text.") && visitor.get("/").says("Another text."),
    );
    let page = hal.post("/edit_context_history/99/hst_0279.pmap/", &[("description", "x")]);
    score.same("WP 3.7", "unknown id", page.error(), Some("internal server error".to_owned()));
    score.same("WP 3.7", "its form", page.h2(), vec!["Edit Context History".to_owned()]);
    let page = hal.post("/edit_context_history/2/hst_0279.pmap/", &[("description", "no!")]);
    score.same(
        "WP 3.1",
        "judged like any description",
        page.error(),
        Some("Invalid value 'no!' for 'description'".to_owned()),
    );
    let page = site.login("ann", "none").get("/edit_context_history/2/hst_0279.pmap/");
    score.same("WP 3.2", "a group of its own", page.status, 302);
    score.same(
        "WP 4.4",
        "no audit row",
        visitor.get("/recent_activity_query/?extension=*").picks("#recent_activity_table tbody tr").len(),
        0,
    );
}
