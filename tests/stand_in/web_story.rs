//! The web story of 2019 and a shorter one of 2014: every step tests a statement of WP, cited where it is tested.
//!
//! Scenes stand on servers of their own and read from WP, not from the stand-in, what must be seen. Those that change
//! nothing are also carried out in reverse order: no answer may depend on the order of the questions.

use crds_upgrade::stand_in::server::Era;
use serde_json::json;

use super::web_browser::{Browser, PASSWORD, Site};
use super::web_rules::{OLDER, OPERATIONAL};
use super::web_score::Score;
use super::{web_eras, web_submissions};

type Scene = fn(&mut Score, &Site);

/// Scenes that change nothing that another one looks at.
const LOOKING: &[Scene] =
    &[addresses, doors, titles, home, tables, histories, files, gets, activity, catalogue, forms_2019, differences];

#[test]
fn web_story_of_2019() {
    let mut score = Score::default();
    let site = Site::open(Era::Y2019);
    for scene in LOOKING {
        scene(&mut score, &site);
    }
    let other = Site::open(Era::Y2019);
    for scene in LOOKING.iter().rev() {
        scene(&mut score, &other);
    }
    for scene in web_submissions::SCENES {
        scene(&mut score, &Site::open(Era::Y2019));
    }
    for scene in
        [tokens, logins, locks, uploads, channels, passwords, fields, contexts, bad_files, history_texts, escaping]
    {
        scene(&mut score, &Site::open(Era::Y2019));
    }
    score.finish("2019", 300);
}

#[test]
fn web_story_of_2014() {
    let mut score = Score::default();
    for scene in web_eras::OF_2014 {
        scene(&mut score, &Site::open(Era::Y2014));
    }
    score.finish("2014", 60);
}

#[test]
fn web_story_of_now() {
    let mut score = Score::default();
    for scene in web_eras::OF_NOW {
        scene(&mut score, &Site::open(Era::Now));
    }
    score.finish("now", 15);
}

/// WP 3.1: unknown addresses, missing slashes, HEAD and other verbs.
fn addresses(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    for path in ["/nowhere/", "/browse/a%25b", "/display_result/17", "/display_result/not-a-uuid", "/recent_activity/"]
    {
        let page = visitor.get(path);
        score.same("WP 3.1", &format!("{path} is an unknown URL: 404"), page.status, 404);
        score.step("WP 3.1", "a 404 is an HTML page `Page not found`", page.says("Page not found"));
        score.same("WP 3.1", "HTML", page.header("content-type"), "text/html; charset=utf-8".to_owned());
    }
    for path in ["/login", "/browse_db", "/jpoll/open_channel", "/submit/mapping", "/display_context_history"] {
        let page = visitor.get(&format!("{path}?a=b"));
        score.same("WP 3.1", "a known URL without its final slash: 301", page.status, 301);
        score.same("WP 3.1", "to the slash form", page.header("location"), format!("{path}/?a=b"));
        let page = visitor.post_bare(path, &[("a", "b")]);
        score.same("WP 3.1", "POST as well", page.status, 301);
    }
    for verb in ["PUT", "DELETE", "PATCH"] {
        let page = visitor.send(verb, "/mark_bad/", &[], Vec::new());
        score.same("WP 3.1", "no page answers 405; without a token 403", page.status, 403);
    }
    let page = visitor.send("HEAD", "/browse_db/", &[], Vec::new());
    score.same(
        "WP 3.1",
        "HEAD is no GET: the POST branch without fields",
        page.error(),
        Some("Undefined parameter 'observatory'".into()),
    );
}

/// WP 3.1, 3.2: who may see what.
fn doors(score: &mut Score, site: &Site) {
    let closed = [
        "/set_default_context/",
        "/mark_bad/",
        "/create_contexts/",
        "/submit/mapping/",
        "/submit/reference/",
        "/batch_submit_references/",
        "/certify/",
        "/upload/list/",
        "/upload/new/",
        "/set_password/",
        "/logout/",
        "/delivery_status/",
        "/version_info/",
        "/jpoll/open_channel/",
    ];
    let mut visitor = site.visitor();
    for path in closed {
        let page = visitor.get(path);
        score.same("WP 3.2", &format!("{path} wants a login: 302"), page.status, 302);
        score.same("WP 3.1", "with next", page.header("location"), format!("/login/?next={path}"));
    }
    let page = visitor.get("/mark_bad/?a=b&c=d e");
    score.same(
        "WP 3.1",
        "query string percent-coded inside next, slashes not",
        page.header("location").to_uppercase(),
        "/login/?next=/mark_bad/%3Fa%3Db%26c%3Dd%20e".to_uppercase(),
    );
    for path in ["/delete/reference/", "/add_existing/reference/"] {
        let page = visitor.get(path);
        score.same("WP 3.1", "delete and add never redirect", page.status, 200);
        score.same("WP 3.1", "anonymous", page.error(), Some("You must log in.".to_owned()));
    }
    let mut vic = site.login("vic", "none");
    for path in ["/set_default_context/", "/mark_bad/", "/submit/mapping/", "/batch_submit_references/"] {
        let page = vic.get(path);
        score.same(
            "WP 3.1",
            "a user without the group is redirected too",
            page.header("location"),
            format!("/login/?next={path}"),
        );
    }
    for path in ["/version_info/", "/create_contexts/"] {
        let page = vic.get(path);
        score.same("WP 3.1", "not a super user: an error page", page.status, 200);
        score.same("WP 3.1", "its text", page.error(), Some("vic is not a super user.".to_owned()));
    }
    let mut ann = site.login("ann", "none");
    let no_lock = "You can't access this function without logging in for a particular instrument.";
    for path in [
        "/submit/mapping/",
        "/submit/reference/",
        "/batch_submit_references/",
        "/delete/reference/",
        "/add_existing/reference/",
    ] {
        let page = ann.get(path);
        score.same("WP 3.1", &format!("{path} wants a lock"), page.error(), Some(no_lock.to_owned()));
    }
    let mut sue = site.login("sue", "none");
    for path in [
        "/submit/mapping/",
        "/batch_submit_references/",
        "/delete/reference/",
        "/create_contexts/",
        "/version_info/",
        "/mark_bad/",
    ] {
        let page = sue.get(path);
        score.same("WP 3.2", &format!("a super user may go without: {path}"), page.error(), None);
    }
    for (browser, who) in [(&mut visitor, "anonymous"), (&mut vic, "not staff")] {
        let page = browser.get("/admin/");
        score.same(
            "WP 3.1",
            &format!("/admin/ redirects {who}"),
            page.header("location"),
            "/admin/login/?next=/admin/".to_owned(),
        );
    }
}

/// WP 3.1: whose page it is.
fn titles(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let wanted = "HST Calibration Reference Data System (CRDS)";
    for path in ["/", "/login/", "/browse_db/", "/display_context_history/", "/recent_activity_input/"] {
        let page = visitor.get(path);
        score.same("WP 3.1", "the title", page.picks("title"), vec![wanted.to_owned()]);
        score.same("WP 3.1", "the only <h1>; OPS shows no use case", page.picks("h1"), vec![wanted.to_owned()]);
    }
    let test = Site::open_with(Era::Y2019, json!({}), |config| config.use_case = "test".to_owned());
    let page = test.visitor().get("/");
    score.same(
        "WP 3.1",
        "other servers show their use case",
        page.picks("h1 span.label.label-sm.label-success"),
        vec!["test".to_owned()],
    );
}

/// WP 3.7, home page.
fn home(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let page = visitor.get("/");
    score.same("WP 3.1", "the home page sets no cookie", page.cookies(), Vec::new());
    for heading in ["Operational References", "Context History"] {
        score.step("WP 3.1", heading, page.picks("h3, h2").iter().any(|seen| seen == heading));
    }
    score.step(
        "WP 3.7",
        "history without the diff column",
        page.picks("th").contains(&"Start Date".to_owned()) && page.attributes("#diff_button", "type").is_empty(),
    );
    score.step("WP 3.7", "remote contexts only for users", !page.says("Cached Context"));
    let mut ann = site.login("ann", "none");
    let page = ann.get("/");
    score.step("WP 3.7", "remote context table", page.says("Cache Server Context Cached Context Cache Status"));
    score.step("WP 3.7", "out of date", page.says("out of date"));
    score.step("WP 3.7", "Set Context for the group", page.text().contains("href=\"/set_default_context/\""));
    score.step("WP 3.7", "no submissions without a lock", !page.text().contains("href=\"/submit/mapping/\""));
    let mut vic = site.login("vic", "none");
    score.step(
        "WP 3.7",
        "no Set Context outside the group",
        !vic.get("/").text().contains("href=\"/set_default_context/\""),
    );
}

/// WP 3.11, tables of contexts and rmaps.
fn tables(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    for (path, context) in [("operational", OPERATIONAL), ("edit", OPERATIONAL), (OLDER, OLDER)] {
        let page = visitor.get(&format!("/context_table/{path}"));
        score.same("WP 3.11", "heading", page.h2(), vec![format!("Historical References (under context {context})")]);
        score.step(
            "WP 3.11",
            "one accordion per instrument",
            page.picks("div.accordion > h3").iter().any(|title| title == "acs"),
        );
    }
    let page = visitor.get(&format!("/context_table/{OPERATIONAL}"));
    score.step("WP 3.11", "N/A types greyed", page.picks(".accordion h3 .darkgray").contains(&"biasfile".to_owned()));
    for path in ["hst_acs_0256.imap", "nosuch", "hst-operational"] {
        let page = visitor.get(&format!("/context_table/{path}"));
        score.same("WP 3.11", "anything else is empty", page.status, 200);
        score.same(
            "WP 3.11",
            "same heading without a name",
            page.h2(),
            vec!["Historical References (under context )".to_owned()],
        );
    }
    let table = visitor.get("/context_table/hst_acs_pfltfile_0250.rmap").json();
    let titles: Vec<&str> =
        table["aoColumns"].as_array().into_iter().flatten().filter_map(|column| column["sTitle"].as_str()).collect();
    score.same(
        "WP 3.11",
        "columns of an rmap",
        titles,
        vec![
            "DETECTOR",
            "FILTER1",
            "USEAFTER",
            "ACTIVATION DATE",
            "REFERENCE",
            "<input type='submit' id='diff_button' value='diff'></input>",
        ],
    );
    let rows = table["aaData"].as_array().cloned().unwrap_or_default();
    score.same("WP 3.11", "one row per entry", rows.len(), 3);
    score.same("WP 3.11", "alternatives joined with a comma", rows[0][1].clone(), json!("F115LP, F125LP"));
    score.same(
        "WP 3.11",
        "the reference",
        rows[0][4].clone(),
        json!("<a href='/browse/l2d0959cj_pfl.fits' class='browse_a'>l2d0959cj_pfl.fits</a>"),
    );
    score.same(
        "WP 3.11",
        "the box",
        rows[0][5].clone(),
        json!("<input class='diff_checkbox' type='checkbox' value='l2d0959cj_pfl.fits' />"),
    );
}

/// WP 3.7, histories.
fn histories(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let page = visitor.get("/display_context_history/");
    score.same("WP 3.7", "heading", page.h2(), vec!["Context History".to_owned()]);
    score.same(
        "WP 3.7",
        "columns",
        page.picks("th")[..4].to_vec(),
        ["Start Date", "Context", "Status", "Description"].map(str::to_owned).to_vec(),
    );
    score.same("WP 3.7", "newest first", page.picks("td a").first().cloned(), Some(OPERATIONAL.to_owned()));
    score.step("WP 3.7", "the description is public", page.says("The one before the upgrade."));
    score.same(
        "WP 3.10",
        "the diff form",
        page.attributes("form[action='/difference/'] input[type=hidden]", "name"),
        vec!["file1".to_owned(), "file2".to_owned()],
    );
    let page = visitor.get("/display_all_contexts/");
    score.same("WP 3.7", "heading", page.h2(), vec!["All Contexts".to_owned()]);
    score.same(
        "WP 3.7",
        "columns",
        page.picks("th")[..4].to_vec(),
        ["Delivery Date", "Context", "Status", "Description"].map(str::to_owned).to_vec(),
    );
    score.same("WP 3.7", "by name downwards", page.picks("td a"), vec![OPERATIONAL.to_owned(), OLDER.to_owned()]);
    let page = visitor.get("/old_results/");
    score.same("WP 3.7", "old results", page.h2(), vec!["Old Results".to_owned()]);
    score.same(
        "WP 3.7",
        "columns",
        page.picks("th"),
        ["ID", "Result Link", "User", "Template", "Files"].map(str::to_owned).to_vec(),
    );
    let mut ann = site.login("ann", "none");
    let page = ann.get("/delivery_status/");
    score.same("WP 3.7", "heading", page.h2(), vec!["Delivery Status".to_owned()]);
    score.same(
        "WP 3.7",
        "columns",
        page.picks("#crds_delivery_table th"),
        ["Date", "Submitter", "Kind", "Status", "Catalog", "Description", "Files"].map(str::to_owned).to_vec(),
    );
    let page = site.login("sue", "none").get("/version_info/");
    score.same(
        "WP 3.7",
        "version_info",
        page.picks("h3"),
        vec!["Version Info".to_owned(), "CRDS Environment".to_owned()],
    );
    score.same("WP 3.2", "two tables", page.picks("table").len(), 2);
    let page = visitor.get("/docs/cmdline_bestrefs/");
    score.same("WP 3.2", "the only document", page.error(), None);
    let page = visitor.get("/docs/other/");
    score.same("WP 3.2", "any other word: 200", page.status, 200);
    score.same("WP 3.2", "with an internal error", page.error(), Some("internal server error".to_owned()));
}

/// WP 3.11, browse and uses.
fn files(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let page = visitor.get(&format!("/browse/{OPERATIONAL}"));
    score.same("WP 3.11", "heading", page.h2(), vec![format!("Browse {OPERATIONAL}")]);
    score.same(
        "WP 3.11",
        "accordions",
        page.picks("div.accordion > h3"),
        ["Database", "Contents", "Past Actions", "Used By Files"].map(str::to_owned).to_vec(),
    );
    score.step(
        "WP 3.11",
        "context table for a pmap",
        page.text().contains(&format!("href=\"/context_table/{OPERATIONAL}\"")),
    );
    score.step(
        "WP 3.11",
        "a direct unchecked link",
        page.text().contains(&format!("/unchecked_get/mappings/hst/{OPERATIONAL}")),
    );
    score.same("WP 3.11", "ancestors with a row", page.attributes("select option", "value"), vec![OLDER.to_owned()]);
    let page = visitor.get("/browse/l2d0959cj_pfl.fits");
    score.same("WP 3.11", "a reference whose bytes are away", page.picks("p.error").len(), 2);
    score.step("WP 3.11", "header unavailable", page.says("File header unavailable for 'l2d0959cj_pfl.fits'"));
    score.step("WP 3.11", "FITS info unavailable", page.says("FITS info unavailable: 'l2d0959cj_pfl.fits'"));
    let titles = page.picks("div.accordion > h3");
    score.step("WP 3.11", "Lookup Patterns", titles.contains(&"Lookup Patterns".to_owned()));
    score.step("WP 3.11", "constraints", titles.contains(&"Reference Constraints (.tpn)".to_owned()));
    let page = visitor.get("/browse/nosuch.fits");
    score.same("WP 3.11", "unknown", page.error(), Some("Can't find 'nosuch.fits'".to_owned()));
    score.same("WP 3.1", "on the bare base page", page.h2(), Vec::<String>::new());
    let uses = |visitor: &mut Browser, name: &str| visitor.get(&format!("/uses/{name}")).json();
    score.same(
        "WP 3.11",
        "uses of a reference",
        uses(&mut visitor, "m1l0942nj_pfl.fits"),
        json!(["hst_0279.pmap", "hst_acs_0256.imap", "hst_acs_pfltfile_0250.rmap"]),
    );
    score.same(
        "WP 3.11",
        "uses of an imap",
        uses(&mut visitor, "hst_wfc3_0261.imap"),
        json!(["hst_0278.pmap", "hst_0279.pmap"]),
    );
    score.same("WP 3.11", "uses of a pmap", uses(&mut visitor, OPERATIONAL), json!([]));
    score.same("WP 3.2", "unknown name: real HTTP 500", visitor.get("/uses/nosuch.fits").status, 500);
}

/// WP 3.11, the checked download.
fn gets(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    for (path, place) in [
        (format!("/get/{OPERATIONAL}"), format!("https://hst-crds.example/unchecked_get/mappings/hst/{OPERATIONAL}")),
        (format!("/get/{OPERATIONAL}/"), format!("https://hst-crds.example/unchecked_get/mappings/hst/{OPERATIONAL}")),
        (
            "/get/l2d0959cj_pfl.fits".into(),
            "https://hst-crds.example/unchecked_get/references/hst/l2d0959cj_pfl.fits".into(),
        ),
    ] {
        let page = visitor.get(&path);
        score.same("WP 2.1", "302 to the unchecked URL", (page.status, page.header("location")), (302, place));
    }
    let page = visitor.get("/get/nosuch.fits");
    score.same("WP 3.11", "unknown, sic", page.error(), Some("No CRDS database entry for'nosuch.fits'".to_owned()));
    score.same("WP 2.1", "status 200", page.status, 200);
}

/// WP 3.7, recent activity.
fn activity(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let page = visitor.get("/recent_activity_input/");
    score.same("WP 3.10", "heading", page.h2(), vec!["Recent Activity".to_owned()]);
    score.same(
        "WP 3.10",
        "fields in page order",
        page.fields("/recent_activity_query/"),
        [
            "csrfmiddlewaretoken",
            "action",
            "extension",
            "instrument",
            "filekind",
            "filename",
            "deliverer_user",
            "observatory",
            "start_date",
            "stop_date",
        ]
        .map(str::to_owned)
        .to_vec(),
    );
    let page = visitor.get("/recent_activity_query/");
    score.same(
        "WP 3.7",
        "columns for visitors",
        page.picks("#recent_activity_table th")[1..].to_vec(),
        ["Date", "Filename", "Action", "Why", "Details"].map(str::to_owned).to_vec(),
    );
    score.same("WP 3.7", "first comes an accordion", page.picks("div.accordion > h3"), vec!["Filters".to_owned()]);
    score.step("WP 3.7", "the default .pmap counts", page.says("extension .pmap"));
    let page = visitor.get("/recent_activity_query/?extension=*");
    score.step("WP 3.7", "no filters", page.says("No filters."));
    let page = visitor.get("/recent_activity_query/?filename=hst*");
    score.step("WP 3.7", "a search by name says so too", page.says("No filters."));
    for (query, error) in [
        ("instrument=foc", "Invalid value 'foc' for 'instrument'"),
        ("action=nothing", "Invalid value 'nothing' for 'action'"),
        ("start_date=yesterday", "Invalid value 'yesterday' for 'start_date'"),
        ("extension=foo", "Invalid value 'foo' for 'extension'"),
        ("start_date=2014-09-02&stop_date=2014-09-01", "Stop date precedes start date, no matches possible."),
    ] {
        let page = visitor.get(&format!("/recent_activity_query/?{query}"));
        score.same("WP 3.7", query, page.error(), Some(error.to_owned()));
        score.same("WP 3.1", "on its own form", page.h2(), vec!["Recent Activity".to_owned()]);
    }
    let mut ann = site.login("ann", "none");
    score.step(
        "WP 3.7",
        "User if logged in",
        ann.get("/recent_activity_query/").picks("th").contains(&"User".to_owned()),
    );
    let mut sue = site.login("sue", "none");
    score.step(
        "WP 3.7",
        "Naming for super users",
        sue.get("/recent_activity_query/").picks("th").contains(&"Naming".to_owned()),
    );
}

const ALL: [(&str, &str); 9] = [
    ("observatory", "hst"),
    ("instrument", "*"),
    ("filekind", "*"),
    ("extension", "*"),
    ("filename", "*"),
    ("deliverer_user", "*"),
    ("status", "*"),
    ("start_date", "*"),
    ("stop_date", "*"),
];

fn with(name: &str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    ALL.iter().map(|(field, default)| (*field, if *field == name { value } else { default })).collect()
}

fn rows(page: &super::web_browser::Page) -> Vec<Vec<String>> {
    let text = page.picks("#table_json").concat();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let row = |row: &serde_json::Value| {
        row.as_array().into_iter().flatten().map(|cell| cell.as_str().unwrap_or_default().to_owned()).collect()
    };
    value["aaData"].as_array().into_iter().flatten().map(row).collect()
}

/// WP 3.7, browse_db.
fn catalogue(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let page = visitor.get("/browse_db/");
    score.same("WP 3.10", "heading", page.h2(), vec!["Browse Database".to_owned()]);
    score.same(
        "WP 3.10",
        "fields in page order",
        page.fields("/browse_db/"),
        [
            "csrfmiddlewaretoken",
            "instrument",
            "filekind",
            "filename",
            "deliverer_user",
            "observatory",
            "status",
            "extension",
            "start_date",
            "stop_date",
        ]
        .map(str::to_owned)
        .to_vec(),
    );
    score.same(
        "WP 3.10",
        "extension: .pmap first, then *",
        page.attributes("select[name=extension] option", "value")[..2].to_vec(),
        vec![".pmap".to_owned(), "*".to_owned()],
    );
    for (field, _) in ALL {
        let fields: Vec<(&str, &str)> = ALL.iter().filter(|(name, _)| *name != field).copied().collect();
        let page = visitor.post("/browse_db/", &fields);
        score.same(
            "WP 3.7",
            "browse_db wants all nine fields",
            page.error(),
            Some(format!("Undefined parameter '{field}'")),
        );
    }
    let page = visitor.post("/browse_db/", &ALL);
    let all = rows(&page);
    score.step("WP 3.7", "No filters.", page.says("No filters."));
    score.step("WP 3.7", "catalogue rows", all.len() >= 13);
    let names = |rows: &[Vec<String>]| rows.iter().filter(|row| row[3].contains("hst_acs")).count();
    score.same(
        "WP 3.7",
        "instrument compares whole",
        rows(&visitor.post("/browse_db/", &with("instrument", "acs"))).iter().filter(|row| row[8] != "acs").count(),
        0,
    );
    let acs = rows(&visitor.post("/browse_db/", &with("filename", "hst_acs")));
    score.same("WP 3.7", "filename is a regular expression at the beginning", (acs.len(), names(&acs)), (4, 4));
    let pmaps = rows(&visitor.post("/browse_db/", &with("extension", ".pmap")));
    score.same("WP 3.7", "extension", pmaps.len(), 2);
    score.same(
        "WP 3.7",
        "an unknown status finds nothing",
        rows(&visitor.post("/browse_db/", &with("status", "nonsense"))).len(),
        0,
    );
    score.step(
        "WP 3.7",
        "status is the displayed one",
        !rows(&visitor.post("/browse_db/", &with("status", "archived"))).is_empty(),
    );
    let page = visitor.post("/browse_db/", &with("instrument", "foc"));
    score.same("WP 3.7", "unknown instrument", page.error(), Some("Invalid value 'foc' for 'instrument'".to_owned()));
    let titles = |page: &super::web_browser::Page| {
        let value: serde_json::Value = serde_json::from_str(&page.picks("#table_json").concat()).unwrap_or_default();
        value["aoColumns"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|column| column["sTitle"].as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let page = visitor.post("/browse_db/", &ALL);
    score.same(
        "WP 3.7",
        "columns for visitors",
        titles(&page)[..10].to_vec(),
        [
            "delivery date",
            "activation date",
            "useafter date",
            "name",
            "uploaded as",
            "aperture",
            "status",
            "description",
            "instrument",
            "reference type",
        ]
        .map(str::to_owned)
        .to_vec(),
    );
    let mut ann = site.login("ann", "none");
    score.same(
        "WP 3.7",
        "deliverer after reference type",
        titles(&ann.post("/browse_db/", &ALL)).get(10).cloned(),
        Some("deliverer".to_owned()),
    );
}

/// WP 3.10, the forms' fields in page order.
fn forms_2019(score: &mut Score, site: &Site) {
    let selector =
        ["pmap_mode", "pmap_edit", "pmap_mode", "pmap_operational", "pmap_mode", "pmap_menu", "pmap_mode", "pmap_text"];
    let expand = |fields: &[&str]| -> Vec<String> {
        let mut out = vec!["csrfmiddlewaretoken".to_owned()];
        for field in fields {
            if *field == "CS" {
                out.extend(selector.map(str::to_owned));
            } else {
                out.push((*field).to_owned());
            }
        }
        out
    };
    let mut ann = site.login("ann", "acs");
    let mut sue = site.login("sue", "none");
    let pages: [(bool, &str, &str, &str, &str, &[&str]); 9] = [
        (
            false,
            "/set_default_context/",
            "/set_default_context/",
            "Set Context",
            "Set Default Context",
            &["context_type", "CS", "description"],
        ),
        (
            false,
            "/mark_bad/",
            "/mark_bad/",
            "Mark Files Bad",
            "Submit",
            &["observatory", "file_known", "badflag", "why"],
        ),
        (
            false,
            "/submit/mapping/",
            "/submit/mapping/",
            "Submit Mapping Files",
            "Submit Files",
            &["observatory", "change_level", "creator", "description", "generate_contexts", "CS", "auto_rename"],
        ),
        (
            false,
            "/submit/reference/",
            "/submit/reference/",
            "Submit Reference Files",
            "Submit Files",
            &["observatory", "change_level", "creator", "description", "compare_old_reference", "CS", "auto_rename"],
        ),
        (
            false,
            "/batch_submit_references/",
            "",
            "Batch Submit Reference",
            "Submit References",
            &["CS", "change_level", "creator", "description", "auto_rename", "compare_old_reference"],
        ),
        (
            false,
            "/delete/reference/",
            "/delete/reference/",
            "Delete References",
            "Delete References",
            &["deleted_files", "CS", "description"],
        ),
        (
            false,
            "/add_existing/reference/",
            "/add_existing/reference/",
            "Add Existing References",
            "Add References",
            &["added_files", "CS", "description"],
        ),
        (
            true,
            "/create_contexts/",
            "/create_contexts/",
            "Create Parent Contexts",
            "Create Parent Contexts",
            &["CS", "rmaps", "description"],
        ),
        (false, "/certify/", "/certify/", "Certify Files", "Certify Files", &["compare_old_reference", "CS"]),
    ];
    for (super_user, path, action, heading, submit, fields) in pages {
        let page = if super_user { sue.get(path) } else { ann.get(path) };
        score.same("WP 3.10", &format!("{path}: heading"), page.h2(), vec![heading.to_owned()]);
        score.same("WP 3.10", &format!("{path}: fields"), page.fields(action), expand(fields));
        score.same(
            "WP 3.10",
            &format!("{path}: submit"),
            page.attributes(&format!("form[action='{action}'] input[type=submit]"), "value"),
            vec![submit.to_owned()],
        );
        score.step("WP 3.1", "a page with a form sets csrftoken", page.sets("csrftoken"));
        score.same(
            "WP 3.10",
            "multipart",
            page.attributes(&format!("form[action='{action}']"), "enctype"),
            vec!["multipart/form-data".to_owned()],
        );
    }
    for path in ["/submit/mapping/", "/submit/reference/", "/batch_submit_references/", "/certify/"] {
        let page = ann.get(path);
        score.same(
            "WP 3.10",
            "the upload form comes first",
            page.attributes("form", "action").first().cloned(),
            Some("/upload/new/".to_owned()),
        );
        score.same(
            "WP 3.10",
            "its file field",
            page.attributes("form[action='/upload/new/'] input[type=file]", "name"),
            vec!["files".to_owned()],
        );
    }
    let page = ann.get("/submit/mapping/");
    score.same(
        "WP 3.10",
        "generate_contexts is on, value checked",
        page.attributes("input[name=generate_contexts][checked]", "value"),
        vec!["checked".to_owned()],
    );
    score.same(
        "WP 3.10",
        "auto_rename is off on HST",
        page.attributes("input[name=auto_rename][checked]", "value").len(),
        0,
    );
    score.same(
        "WP 3.10",
        "pmap_edit is checked",
        page.attributes("input[name=pmap_mode][checked]", "value"),
        vec!["pmap_edit".to_owned()],
    );
    score.same(
        "WP 3.10",
        "the newest pmaps first",
        page.attributes("select[name=pmap_menu] option", "value"),
        vec![OPERATIONAL.to_owned(), OLDER.to_owned()],
    );
    let page = ann.get("/mark_bad/");
    score.same("WP 3.10", "no badflag is checked", page.attributes("input[name=badflag][checked]", "value").len(), 0);
    let page = ann.get("/set_default_context/");
    score.same(
        "WP 3.10",
        "context types",
        page.attributes("select[name=context_type] option", "value"),
        ["operational", "edit", "versions"].map(str::to_owned).to_vec(),
    );
    score.step("WP 3.10", "the table beside it", page.says("Context Type Current Value"));
    let page = site.visitor().get("/login/");
    score.same(
        "WP 3.10",
        "login fields",
        page.fields("/login/"),
        ["csrfmiddlewaretoken", "username", "instrument", "password", "next"].map(str::to_owned).to_vec(),
    );
    score.same(
        "WP 3.10",
        "none comes last",
        page.attributes("select[name=instrument] option", "value").last().cloned(),
        Some("none".to_owned()),
    );
    score.same("WP 3.10", "its heading", page.h2(), vec!["Login".to_owned()]);
    ann.get("/logout/");
}

/// WP 3.11, difference.
fn differences(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let page = visitor.get("/difference/");
    score.same("WP 3.10", "heading", page.h2(), vec!["Difference Files".to_owned()]);
    let page = visitor.get(&format!("/difference/?file1={OLDER}&file2={OPERATIONAL}"));
    score.same("WP 3.11", "heading", page.h2(), vec![format!("Difference {OLDER} against {OPERATIONAL}")]);
    let titles = page.picks("#contents > div.accordion > h3");
    score.same(
        "WP 3.11",
        "one accordion per pair that differs, sorted",
        titles,
        vec![
            format!("{OLDER} --> {OPERATIONAL}"),
            "hst_acs_0255.imap --> hst_acs_0256.imap".to_owned(),
            "hst_acs_pfltfile_0249.rmap --> hst_acs_pfltfile_0250.rmap".to_owned(),
        ],
    );
    score.step("WP 3.11", "logical columns of an rmap", page.says("DETECTOR FILTER1 DATE-OBS TIME-OBS DIFFERENCE"));
    score.step("WP 3.11", "always a text difference", page.says(&format!("Text Diff {OLDER} --> {OPERATIONAL}")));
    for (query, error) in [
        (format!("file1={OLDER}"), "Undefined parameter 'file2'".to_owned()),
        (format!("file2={OLDER}"), "Undefined parameter 'file1'".to_owned()),
        (format!("file1=nosuch.pmap&file2={OLDER}"), "Invalid value 'nosuch.pmap' for 'file1'".to_owned()),
        (format!("file1={OLDER}&file2=nosuch.pmap"), "Invalid value 'nosuch.pmap' for 'file2'".to_owned()),
        (
            format!("file1={OLDER}&file2=hst_acs_0255.imap"),
            "The specified files are not compatible for differencing. (Different file name extensions.)".to_owned(),
        ),
    ] {
        let page = visitor.get(&format!("/difference/?{query}"));
        score.same("WP 3.11", &query, page.error(), Some(error));
    }
    let page = visitor.post_files(
        "/difference/",
        &[("filemode1", "file_uploaded1"), ("filemode2", "file_known2"), ("file_known2", OPERATIONAL)],
        &[("file_uploaded1", "x.pmap", b"{}")],
    );
    score.same(
        "WP 3.11",
        "anonymous uploads",
        page.error(),
        Some("file uploads are only available for authenticated users.".to_owned()),
    );
}

/// WP 3.1: tokens.
fn tokens(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    for path in ["/login/", "/browse_db/", "/logout/", "/mark_bad/", "/upload/new/"] {
        let page = visitor.post_bare(path, &[("username", "ann")]);
        score.same("WP 3.1", "no token: 403, before anything about the user", page.status, 403);
        score.step("WP 3.1", "text/html", page.header("content-type").starts_with("text/html"));
    }
    visitor.get("/login/");
    let page = visitor.post_bare("/login/", &[("username", "ann"), ("csrfmiddlewaretoken", "wrong")]);
    score.same("WP 3.1", "a wrong token: 403", page.status, 403);
    let token = visitor.token();
    let page = visitor.send(
        "POST",
        "/browse_db/",
        &[("content-type", "application/x-www-form-urlencoded"), ("x-csrftoken", token.as_str())],
        Vec::new(),
    );
    score.same("WP 3.1", "a header will do", page.status, 200);
    let page = visitor.post_bare("/nowhere/", &[]);
    score.same("WP 3.1", "an unknown URL is judged before the token", page.status, 404);
    let mut ann = site.login("ann", "none");
    for path in ["/mark_bad/", "/set_default_context/", "/certify/"] {
        score.step("WP 3.8", "each form page sets the token", ann.get(path).sets("csrftoken"));
    }
    for path in ["/", "/display_context_history/", "/old_results/", "/upload/list/"] {
        score.step("WP 3.1", "pages without a form do not", !ann.get(path).sets("csrftoken"));
    }
}

/// WP 3.3.
fn logins(score: &mut Score, site: &Site) {
    for (user, password) in [("ann", "wrong"), ("nobody", PASSWORD), ("", PASSWORD), ("ann", "")] {
        let mut visitor = site.visitor();
        let page = visitor.log_in(user, password, "none");
        score.same("WP 3.3", "bad password: status 200", page.status, 200);
        score.same("WP 3.3", "login page again", page.h2(), vec!["Login".to_owned()]);
        score.same("WP 3.3", "its mark", page.picks("div#error_login.error").len(), 1);
        score.step("WP 3.3", "csrftoken, no session", page.sets("csrftoken") && !page.sets("sessionid"));
    }
    let mut ann = site.visitor();
    ann.get("/login/");
    let before = ann.cookies.get("csrftoken").cloned();
    let page = ann.log_in("ann", PASSWORD, "acs");
    score.same("WP 3.3", "success: 302 to next", (page.status, page.header("location")), (302, "/".to_owned()));
    score.step("WP 3.1", "both cookies", page.sets("sessionid") && page.sets("csrftoken"));
    score.step("WP 3.1", "a new token with each login", ann.cookies.get("csrftoken").cloned() != before);
    score.step("WP 3.3", "the ingest directory", site.data.join("ingest/ann").is_dir());
    score.step(
        "WP 3.1",
        "a login in an instrument shows",
        ann.get("/").picks("span.locked_instrument").contains(&"acs".to_owned()),
    );
    let mut bob = site.visitor();
    let page = bob.log_in("bob", PASSWORD, "acs");
    score.same(
        "WP 3.3",
        "held by another",
        page.error(),
        Some("User 'ann' has already locked instrument 'acs'.".to_owned()),
    );
    score.same("WP 3.3", "on the base page, not the login form", (page.status, page.h2().len()), (200, 0));
    score.step("WP 3.3", "the session is gone", !page.sets("sessionid") && bob.get("/certify/").status == 302);
    score.step("WP 3.3", "yet its ingest directory was made", site.data.join("ingest/bob").is_dir());
    let mut bob = site.visitor();
    let page = bob.log_in("bob", PASSWORD, "foc");
    score.same("WP 3.3", "unknown instrument", page.error(), Some("Invalid value 'foc' for 'instrument'".to_owned()));
    score.step("WP 3.3", "with a valid session", page.sets("sessionid") && bob.get("/certify/").status == 200);
    for (next, wanted) in [
        ("/mark_bad/", "/mark_bad/"),
        ("https://elsewhere.example/", "/"),
        ("//elsewhere.example/", "/"),
        ("", "/"),
        ("/browse/a?b=c", "/browse/a?b=c"),
        ("/\\elsewhere.example", "/"),
    ] {
        let mut visitor = site.visitor();
        let page = visitor.post("/login/", &[("username", "vic"), ("password", PASSWORD), ("next", next)]);
        score.same("WP 3.3", &format!("next `{next}`"), page.header("location"), wanted.to_owned());
    }
    let page = site.visitor().get("/login/?next=/mark_bad/");
    score.same(
        "WP 3.3",
        "the form carries next from the query",
        page.attributes("input[name=next]", "value"),
        vec!["/mark_bad/".to_owned()],
    );
    let page = ann.get("/logout/");
    score.same("WP 3.2", "logout: 302 to /", (page.status, page.header("location")), (302, "/".to_owned()));
    score.step("WP 3.1", "drops sessionid", page.drops("sessionid"));
    score.same("WP 3.2", "releases the locks", ann.get("/lock_status/ann/").json()["status"].clone(), json!("error"));
    let mut ann = site.login("ann", "none");
    site.clock.step(18 * 3600 - 60);
    score.same("WP 3.1", "a session lasts 18 h", ann.get("/certify/").status, 200);
    site.clock.step(120);
    score.same("WP 3.1", "not extended by use", ann.get("/certify/").status, 302);
}

/// WP 3.3, 3.4.
fn locks(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let nothing = |user: &str| json!({"name": "", "user": user, "type": "instrument", "status": "error", "exception": "no lock found."});
    score.same("WP 3.4", "anonymous", visitor.get("/lock_status/").json(), nothing("AnonymousUser"));
    score.same("WP 3.4", "unknown user", visitor.get("/lock_status/nobody/").json(), nothing("nobody"));
    score.same("WP 3.2", "lower-case letters and _ only", visitor.get("/lock_status/Ann/").status, 404);
    let mut ann = site.login("ann", "acs");
    let status = ann.get("/lock_status/").json();
    let keys: Vec<&str> = status.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    score.same(
        "WP 3.4",
        "held: keys",
        keys,
        vec!["name", "user", "type", "status", "created_on", "is_expired", "time_remaining"],
    );
    score.same(
        "WP 3.4",
        "held: values",
        (status["name"].clone(), status["user"].clone(), status["type"].clone(), status["status"].clone()),
        (json!("acs"), json!("ann"), json!("instrument"), json!("ok")),
    );
    score.same("WP 3.4", "not expired", status["is_expired"].clone(), json!(false));
    score.step(
        "WP 3.4",
        "H:MM:SS",
        status["time_remaining"].as_str().is_some_and(|text| text.starts_with("3:59:") || text == "4:00:00"),
    );
    let created = status["created_on"].clone();
    let mut second = site.login("ann", "acs");
    score.same(
        "WP 3.3",
        "the same instrument again: the same lock",
        second.get("/lock_status/").json()["created_on"].clone(),
        created,
    );
    let mut third = site.login("ann", "none");
    score.same("WP 3.3", "none keeps the one held", third.get("/lock_status/").json()["name"].clone(), json!("acs"));
    site.clock.step(3 * 3600);
    third.get("/lock_status/");
    let left = |browser: &mut Browser| browser.get("/lock_status/ann/").json()["time_remaining"].clone();
    score.step(
        "WP 3.4",
        "lock_status does not push it forward",
        left(&mut visitor).as_str().is_some_and(|text| text.starts_with("0:59") || text.starts_with("1:00")),
    );
    third.get("/");
    score.step(
        "WP 3.4",
        "any other request does",
        left(&mut visitor).as_str().is_some_and(|text| text.starts_with("3:59") || text == "4:00:00"),
    );
    let mut wfc3 = site.login("ann", "wfc3");
    score.same(
        "WP 3.3",
        "another instrument: the first is released",
        wfc3.get("/lock_status/").json()["name"].clone(),
        json!("wfc3"),
    );
    let mut bob = site.login("bob", "acs");
    score.same("WP 3.3", "so another may take it", bob.get("/lock_status/").json()["name"].clone(), json!("acs"));
    site.clock.step(4 * 3600 + 60);
    let status = visitor.get("/lock_status/bob/").json();
    score.same(
        "WP 3.4",
        "expired: status",
        (status["status"].clone(), status["name"].clone(), status["is_expired"].clone()),
        (json!("error"), json!("acs"), json!(true)),
    );
    score.same(
        "WP 3.4",
        "expired: exception",
        status["exception"].clone(),
        json!("User 'bob' no longer holds lock 'instrument$acs'"),
    );
    let no_lock = "You can't access this function without logging in for a particular instrument.";
    score.same(
        "WP 3.4",
        "an expired lock counts as none",
        bob.get("/submit/mapping/").error(),
        Some(no_lock.to_owned()),
    );
    let mut ann = site.login("ann", "acs");
    score.same("WP 3.4", "anybody may take it over", ann.get("/lock_status/").json()["status"].clone(), json!("ok"));
    second.get("/logout/");
    score.same(
        "WP 3.3",
        "a logout in either session releases all",
        ann.get("/lock_status/").json()["status"].clone(),
        json!("error"),
    );
}

/// WP 3.5.
fn uploads(score: &mut Score, site: &Site) {
    let mut vic = site.login("vic", "none");
    let ingest = site.data.join("ingest/vic");
    let page = vic.get("/upload/new/");
    score.same(
        "WP 3.5",
        "GET: 302 to the list",
        (page.status, page.header("location")),
        (302, "/upload/list/".to_owned()),
    );
    score.same("WP 3.5", "an empty list", vic.get("/upload/list/").json(), json!({"files": []}));
    let page = vic.upload("a.fits", b"12345");
    score.same(
        "WP 3.5",
        "no lock or group is needed",
        page.json(),
        json!({"files": [{"name": "a.fits", "size": 5, "deleteUrl": "/upload/delete/a.fits", "deleteType": "DELETE"}]}),
    );
    score.same("WP 3.5", "text/plain unless Accept names JSON", page.header("content-type"), "text/plain".to_owned());
    score.same("WP 3.5", "disposition", page.header("content-disposition"), "inline; filename=files.json".to_owned());
    vic.accept = Some("application/json, text/javascript".to_owned());
    score.same(
        "WP 3.5",
        "JSON if it does",
        vic.get("/upload/list/").header("content-type"),
        "application/json".to_owned(),
    );
    score.same(
        "WP 3.5",
        "files land in the ingest directory",
        std::fs::read(ingest.join("a.fits")).ok(),
        Some(b"12345".to_vec()),
    );
    vic.upload("a.fits", b"");
    score.same(
        "WP 3.5",
        "same name is replaced, empty files are taken",
        std::fs::read(ingest.join("a.fits")).ok(),
        Some(Vec::new()),
    );
    vic.upload("../../../b.fits", b"x");
    score.step(
        "WP 3.5",
        "directories in the name are cut",
        ingest.join("b.fits").is_file() && !site.data.join("b.fits").exists(),
    );
    let page = vic.post_files("/upload/new/", &[], &[("files", "one.fits", b"1"), ("files", "two.fits", b"2")]);
    score.same("WP 3.5", "the last part counts", page.json()["files"][0]["name"].clone(), json!("two.fits"));
    score.step("WP 3.5", "others are dropped", !ingest.join("one.fits").exists());
    for files in [&[("file", "x.fits", b"1".as_slice())][..], &[("files", "", b"1".as_slice())], &[]] {
        let page = vic.post_files("/upload/new/", &[], files);
        score.same(
            "WP 3.5",
            "no file of that name",
            page.error(),
            Some("Specify a file to upload for 'files'".to_owned()),
        );
        score.same("WP 3.1", "on the bare base page", page.h2().len(), 0);
    }
    for name in ["%x.fits", "<script>alert(1)<script>", "äx.fits", "*"] {
        let page = vic.upload(name, b"1");
        score.same("WP 3.5", "first character not legal", page.error(), Some(format!("Invalid file name '{name}'")));
        score.step("WP 3.1", "escaped", !page.text().contains("<script>alert"));
    }
    vic.upload("c.fits", b"1");
    let page = vic.script_get("/upload/delete/c.fits");
    score.same("WP 3.5", "the script gets true", page.text(), "true".to_owned());
    score.step("WP 3.5", "it is gone", !ingest.join("c.fits").exists());
    let page = vic.get("/upload/delete/b.fits");
    score.same(
        "WP 3.5",
        "others: 302 to /upload/new/",
        (page.status, page.header("location")),
        (302, "/upload/new/".to_owned()),
    );
    score.same(
        "WP 3.5",
        "an unknown name is answered like a success",
        vic.script_get("/upload/delete/nosuch").text(),
        "true".to_owned(),
    );
    let page = vic.upload("d e.fits", b"1");
    score.same(
        "WP 3.5",
        "a blank: listed with %20",
        page.json()["files"][0]["deleteUrl"].clone(),
        json!("/upload/delete/d%20e.fits"),
    );
    vic.script_get("/upload/delete/d%20e.fits");
    score.step("WP 3.5", "deleting removes nothing", ingest.join("d e.fits").exists());
    score.same(
        "WP 3.5",
        "a second upload fails",
        vic.upload("d e.fits", b"2").error(),
        Some("internal server error".to_owned()),
    );
    let mut bob = site.login("bob", "none");
    score.same(
        "WP 3.5",
        "a later illegal character: stored, then an error",
        bob.upload("f%g.fits", b"1").error(),
        Some("internal server error".to_owned()),
    );
    score.step("WP 3.5", "stored", site.data.join("ingest/bob/f%g.fits").is_file());
    score.same(
        "WP 3.5",
        "every later list fails",
        bob.get("/upload/list/").error(),
        Some("internal server error".to_owned()),
    );
    score.same("WP 3.5", "its delete URL is a 404", bob.get("/upload/delete/f%25g.fits").status, 404);
    let mut ann = site.login("ann", "none");
    ann.accept = None;
    score.same(
        "WP 3.5",
        "no Accept header: the list fails",
        ann.get("/upload/list/").error(),
        Some("internal server error".to_owned()),
    );
    let before = std::fs::read_dir(site.data.join("ingest/ann")).map(Iterator::count).unwrap_or_default();
    for name in ["\u{0}x", "x\u{0}y.fits", "..", "."] {
        let page = ann.upload(name, b"1");
        score.step(
            "issue 4",
            "hostile names change nothing",
            page.error().is_some()
                && std::fs::read_dir(site.data.join("ingest/ann")).map(Iterator::count).unwrap_or_default() == before,
        );
    }
    let page = ann.upload("big.fits", &vec![0; 100_000_000]);
    score.step("issue 4", "100 MB are refused clearly", page.error().is_some_and(|text| text.contains("limited")));
    score.step("issue 4", "and change nothing", !site.data.join("ingest/ann/big.fits").exists());
    score.step(
        "issue 4",
        "no temporary file stays",
        std::fs::read_dir(site.data.join("uploads")).map(Iterator::count).unwrap_or_default() == 0,
    );
}

/// WP 3.9.
fn channels(score: &mut Score, site: &Site) {
    let mut vic = site.login("vic", "none");
    let page = vic.get("/jpoll/open_channel/");
    score.step("WP 3.1", "writes to the session", page.sets("sessionid"));
    let key = page.json().as_str().unwrap_or_default().to_owned();
    score.step("WP 3.9", "a UUID4 as JSON string", key.len() == 36 && page.text().starts_with('"'));
    score.same("WP 3.9", "an empty channel", vic.get(&format!("/jpoll/pull_messages/{key}/-1/")).json(), json!([]));
    let again = vic.get("/jpoll/open_channel/").json();
    score.step("WP 3.9", "a new key each time", again != json!(key));
    score.same(
        "WP 3.9",
        "an unknown key over HTTP is a real 500",
        vic.get("/jpoll/pull_messages/00000000-0000-0000-0000-000000000000/0/").status,
        500,
    );
    let page = vic.get("/monitor/00000000-0000-0000-0000-000000000000/");
    score.same(
        "WP 3.9",
        "monitor takes any well-formed key",
        page.h2(),
        vec!["Monitoring 00000000-0000-0000-0000-000000000000".to_owned()],
    );
    score.step("WP 3.1", "monitor writes to the session", page.sets("sessionid"));
    let mut ann = site.login("ann", "wfc3");
    let page = ann.post("/submit/mapping/", &[]);
    score.same(
        "WP 3.6",
        "fields come before files and channel",
        page.error(),
        Some("Undefined parameter 'description'".to_owned()),
    );
    let good = [("description", "d"), ("creator", "c"), ("change_level", "SEVERE")];
    score.same(
        "WP 3.6",
        "then the files",
        ann.post("/submit/mapping/", &good).error(),
        Some("No input files were specified.".to_owned()),
    );
    ann.upload("x.rmap", b"x");
    score.same(
        "WP 3.6",
        "then the channel",
        ann.post("/submit/mapping/", &good).error(),
        Some("internal server error".to_owned()),
    );
}

/// WP 3.7, set_password.
fn passwords(score: &mut Score, site: &Site) {
    let mut vic = site.login("vic", "none");
    let page = vic.get("/set_password/");
    score.same("WP 3.10", "heading", page.h2(), vec!["Set Password for vic".to_owned()]);
    score.same(
        "WP 3.10",
        "fields",
        page.fields("/set_password/"),
        ["csrfmiddlewaretoken", "old_password", "new_password1", "new_password2"].map(str::to_owned).to_vec(),
    );
    for (old, one, two, error) in [
        ("wrong", "abcde1", "abcde1", "Old password is not valid."),
        (PASSWORD, "abcde1", "abcde2", "New passwords are not the same."),
        (PASSWORD, "abc1", "abc1", "At least 6 characters please."),
        (PASSWORD, "abcdef", "abcdef", "At least one digit please."),
        (PASSWORD, "123456", "123456", "At least one letter please."),
    ] {
        let page = vic.post("/set_password/", &[("old_password", old), ("new_password1", one), ("new_password2", two)]);
        score.same("WP 3.7", error, page.error(), Some(error.to_owned()));
        score.step("WP 3.1", "on its own form", !page.h2().is_empty() && page.sets("csrftoken"));
        score.step("issue 4", "no password is shown again", !page.text().contains(one));
    }
    let page = vic.post(
        "/set_password/",
        &[("old_password", PASSWORD), ("new_password1", "abcde1"), ("new_password2", "abcde1")],
    );
    score.step("WP 3.2", "New password set.", page.says("New password set."));
    score.same("WP 3.7", "a success ends the sessions", vic.get("/certify/").status, 302);
    score.same("WP 3.7", "the new one works", site.visitor().log_in("vic", "abcde1", "none").status, 302);
    let mut sue = site.login("sue", "none");
    score.same(
        "WP 3.10",
        "super users name a user",
        sue.get("/set_password/").fields("/set_password/")[1].clone(),
        "username".to_owned(),
    );
    let page =
        sue.post("/set_password/", &[("username", "nobody"), ("new_password1", "abcdef"), ("new_password2", "abcdef")]);
    score.same("WP 3.7", "Unknown user.", page.error(), Some("Unknown user.".to_owned()));
    let page =
        sue.post("/set_password/", &[("username", "bob"), ("new_password1", "abcdef"), ("new_password2", "abcdef")]);
    score.same("WP 3.7", "no digit is asked of super users", page.error(), None);
}

/// WP 3.1, how fields are judged, and in which order (WP 3.10).
fn fields(score: &mut Score, site: &Site) {
    let mut ann = site.login("ann", "acs");
    let base = [
        ("pmap_mode", "pmap_edit"),
        ("description", "d"),
        ("creator", "c"),
        ("change_level", "SEVERE"),
        ("generate_contexts", "checked"),
    ];
    let except = |name: &str, value: Option<&'static str>| -> Vec<(&'static str, &'static str)> {
        base.iter()
            .filter_map(
                |(field, good)| if *field == name { value.map(|value| (*field, value)) } else { Some((*field, *good)) },
            )
            .collect()
    };
    let long: &'static str = Box::leak("a".repeat(2001).into_boxed_str());
    let checks: [(&str, Option<&'static str>, String); 16] = [
        ("pmap_mode", None, "Undefined parameter 'pmap_mode'".into()),
        ("pmap_mode", Some("nonsense"), "Invalid value 'nonsense' for 'pmap_mode'".into()),
        ("description", None, "Undefined parameter 'description'".into()),
        ("description", Some(""), "Invalid value '' for 'description'".into()),
        ("description", Some("  "), "Invalid value '' for 'description'".into()),
        ("description", Some("a#b"), "Invalid value 'a#b' for 'description'".into()),
        ("description", Some("it's"), "Invalid value \"it's\" for 'description'".into()),
        ("description", Some("a\nb!"), "Invalid value 'a\\nb!' for 'description'".into()),
        ("description", Some(long), format!("Invalid value '{long}' for 'description'")),
        ("description", Some("<b>"), "Invalid value '<b>' for 'description'".into()),
        ("creator", None, "Undefined parameter 'creator'".into()),
        ("creator", Some("a;b"), "Invalid value 'a;b' for 'creator'".into()),
        ("change_level", None, "Undefined parameter 'change_level'".into()),
        ("change_level", Some("severe"), "Invalid value 'severe' for 'change_level'".into()),
        ("change_level", Some("TRIVIALx"), "No input files were specified.".into()),
        ("description", Some(" padded "), "No input files were specified.".into()),
    ];
    for (name, value, error) in checks {
        let page = ann.post("/submit/mapping/", &except(name, value));
        let statement = format!("{name} = {:?}", value.map(|value| value.chars().take(20).collect::<String>()));
        score.same("WP 3.1", &statement, page.error(), Some(error));
        score.same("WP 3.1", "on its own form", page.h2(), vec!["Submit Mapping Files".to_owned()]);
        score.step("WP 3.1", "a fresh csrftoken", page.sets("csrftoken"));
    }
    let pages: [(&str, &[&str]); 6] = [
        ("/set_default_context/", &["pmap_mode", "context_type", "description"]),
        ("/mark_bad/", &["file_known", "badflag", "why"]),
        ("/batch_submit_references/", &["pmap_mode", "description", "creator", "change_level"]),
        ("/delete/reference/", &["pmap_mode", "description", "deleted_files"]),
        ("/add_existing/reference/", &["pmap_mode", "description", "added_files"]),
        ("/submit/reference/", &["description", "creator", "change_level"]),
    ];
    let good = |name: &str| match name {
        "pmap_mode" => "pmap_edit",
        "context_type" => "edit",
        "badflag" => "ok",
        "change_level" => "SEVERE",
        "file_known" | "deleted_files" | "added_files" => "l2d0959cj_pfl.fits",
        _ => "d",
    };
    for (path, order) in pages {
        for at in 0..order.len() {
            let sent: Vec<(&str, &str)> = order[..at].iter().map(|name| (*name, good(name))).collect();
            let page = ann.post(path, &sent);
            score.same(
                "WP 3.10",
                &format!("{path} judges {} next", order[at]),
                page.error(),
                Some(format!("Undefined parameter '{}'", order[at])),
            );
        }
    }
    let mut context = |mode: &'static str, text: &'static str| {
        ann.post(
            "/delete/reference/",
            &[
                ("pmap_mode", mode),
                ("pmap_text", text),
                ("pmap_menu", text),
                ("description", "d"),
                ("deleted_files", "nosuch.fits"),
            ],
        )
        .error()
    };
    for (text, refused) in [
        (OLDER, false),
        ("hst_9999.pmap", true),
        ("hst-operational", true),
        ("hst-edit", true),
        ("2014-09-12", true),
        ("hst_acs_0256.imap", true),
    ] {
        for mode in ["pmap_text", "pmap_menu"] {
            let wanted = if refused {
                format!("Invalid value '{text}' for '{mode}'")
            } else {
                "Invalid value 'nosuch.fits' for 'deleted_files'".to_owned()
            };
            score.same("WP 3.1", &format!("{mode} = {text}"), context(mode, text), Some(wanted));
        }
    }
    let page =
        ann.post("/mark_bad/", &[("file_known", "l2d0959cj_pfl.fits, nosuch.fits"), ("badflag", "ok"), ("why", "w")]);
    score.same(
        "WP 3.1",
        "one unknown refuses the whole list, quoted whole",
        page.error(),
        Some("Invalid value 'l2d0959cj_pfl.fits, nosuch.fits' for 'file_known'".to_owned()),
    );
    let page = ann.post("/mark_bad/", &[("file_known", "bad\u{7f}name"), ("badflag", "maybe"), ("why", "w")]);
    score.step("WP 3.1", "values as typed are shown again", page.picks("textarea[name=why]") == vec!["w".to_owned()]);
}

/// WP 3.6, set context.
fn contexts(score: &mut Score, site: &Site) {
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
fn bad_files(score: &mut Score, site: &Site) {
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
fn history_texts(score: &mut Score, site: &Site) {
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

/// Issue 4: everything a page shows is escaped.
fn escaping(score: &mut Score, site: &Site) {
    let mut ann = site.login("ann", "acs");
    let hostile = "<script>alert(1)</script>";
    for path in
        ["/submit/mapping/", "/batch_submit_references/", "/mark_bad/", "/delete/reference/", "/set_default_context/"]
    {
        let page = ann.post(
            path,
            &[
                ("pmap_mode", "pmap_text"),
                ("pmap_text", hostile),
                ("description", hostile),
                ("file_known", hostile),
                ("creator", hostile),
                ("generate_contexts", "on"),
            ],
        );
        score.step(
            "issue 4",
            &format!("{path} shows markup as text"),
            page.error().is_some() && !page.text().contains("<script>alert(1)"),
        );
    }
    let mut visitor = site.visitor();
    for path in [
        "/login/?next=/%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/difference/?file1=%3Cscript%3Ealert(1)&file2=x",
        "/recent_activity_query/?filename=%3Cscript%3Ealert(1)",
        "/nowhere/%3Cscript%3Ealert(1)",
    ] {
        score.step("issue 4", &format!("{path} is escaped"), !visitor.get(path).text().contains("<script>alert(1)"));
    }
    for path in ["/%00", "/browse/%FF%FE", "/get/..%2F..%2Fetc%2Fpasswd", "/browse/..%2Fx", "//", "/\u{e9}"] {
        let status = visitor.get(path).status;
        score.step(
            "issue 4",
            &format!("{path} is refused"),
            matches!(status, 200 | 404) && !visitor.get(path).text().contains("root:"),
        );
    }
}
