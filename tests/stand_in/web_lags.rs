//! What lags: stored states until somebody asks, pages and answers until something is saved (WP 3.11, 3.12).

use serde_json::{Value, json};

use super::web_browser::{Browser, Site};
use super::web_queries::{rows, with};
use super::web_rules::{OLDER, OPERATIONAL};
use super::web_score::Score;
use super::web_submissions::{NPOLFILE, archive, file_info, id_of, press, submit_npolfile};

/// The scenes, each on a server of its own.
pub const SCENES: &[fn(&mut Score, &Site)] = &[askers, pages_kept, rewritten_states];

const PMAP: &str = "hst_0280.pmap";
const IMAP: &str = "hst_wfc3_0262.imap";

fn deliver(site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    let id = id_of(&submit_npolfile(&mut ann));
    press(&mut ann, &id, "confirm");
}

/// Which of the delivery's three files are stored as archived, without asking anything about them.
fn archived(site: &Site) -> Vec<&'static str> {
    let state = |name: &str| site.server.catalogue.file(name).ok().flatten().map(|row| row.state).unwrap_or_default();
    [PMAP, IMAP, NPOLFILE].into_iter().filter(|name| state(name) == "archived").collect()
}

fn rpc(browser: &mut Browser, method: &str, params: Value) -> Value {
    browser.call(method, &params)
}

/// WP 3.12, the table: who asks about which files.
fn askers(score: &mut Score, _: &Site) {
    type Ask = fn(&mut Browser);
    type Group<'a> = (&'a [(&'a str, Ask)], &'a [&'a str]);
    let nobody: &[(&str, Ask)] = &[
        ("a login page", |browser| drop(browser.get("/login/"))),
        ("an upload", |browser| drop(browser.upload("x.fits", b"x"))),
        ("a list of uploads", |browser| drop(browser.get("/upload/list/"))),
        ("a lock request", |browser| drop(browser.get("/lock_status/"))),
        ("a channel request", |browser| drop(browser.get("/jpoll/open_channel/"))),
        ("a stored state", |browser| drop(file_info(browser, PMAP))),
        ("the activity page", |browser| drop(browser.get("/recent_activity_query/?extension=*"))),
        ("the home page, which shows other files", |browser| drop(browser.get("/"))),
    ];
    let the_pmap: &[(&str, Ask)] = &[
        ("a page with a context selector", |browser| drop(browser.get("/certify/"))),
        ("an error page", |browser| drop(browser.get("/browse/nosuch"))),
        ("the delivery status: the first file", |browser| drop(browser.get("/delivery_status/"))),
        ("a list of contexts", |browser| drop(browser.get("/display_all_contexts/"))),
        ("get_delivery_status", |browser| drop(rpc(browser, "get_delivery_status", json!([null])))),
        ("a context parameter", |browser| drop(rpc(browser, "get_mapping_names", json!([PMAP])))),
        ("Set Context", |browser| {
            let fields = [("pmap_mode", "pmap_edit"), ("context_type", "edit"), ("description", "d")];
            drop(browser.post("/set_default_context/", &fields));
        }),
        ("get_file_info", |browser| drop(rpc(browser, "get_file_info", json!(["hst", PMAP])))),
    ];
    let the_rmap: &[(&str, Ask)] = &[
        ("a checked download", |browser| drop(browser.get(&format!("/get/{NPOLFILE}")))),
        ("its browse page", |browser| drop(browser.get(&format!("/browse/{NPOLFILE}")))),
        ("file_exists", |browser| drop(rpc(browser, "file_exists", json!([NPOLFILE])))),
        ("a search that shows it", |browser| {
            drop(browser.post("/browse_db/", &with("filename", "hst_wfc3_npolfile")));
        }),
    ];
    let all: &[(&str, Ask)] = &[
        ("list_mappings", |browser| drop(rpc(browser, "list_mappings", json!(["hst", "*"])))),
        ("get_server_info, its copy dropped", |browser| drop(rpc(browser, "get_server_info", json!([])))),
    ];
    let groups: [Group; 4] =
        [(nobody, &[]), (the_pmap, &[PMAP]), (the_rmap, &[NPOLFILE]), (all, &[PMAP, IMAP, NPOLFILE])];
    for (group, wanted) in groups {
        for (who, ask) in group {
            let site = Site::open(crds_upgrade::stand_in::server::Era::Y2019);
            deliver(&site);
            let mut vic = site.login("ann", "none");
            archive(&site);
            ask(&mut vic);
            score.same("WP 3.12", who, archived(&site), wanted.to_vec());
            if !wanted.is_empty() {
                rpc(&mut vic, "get_server_info", json!([]));
                score.same(
                    "WP 3.12",
                    "one stored `archived` drops the cache: the next server info asks about the rest",
                    archived(&site).len(),
                    3,
                );
            }
        }
    }
}

/// WP 3.11: the page cache of browse and of browse_db's tables.
fn pages_kept(score: &mut Score, site: &Site) {
    deliver(site);
    // The page cache tells visitors apart by their cookies: this one has its token before it begins.
    let mut visitor = site.visitor();
    visitor.token();
    let status = |visitor: &mut Browser| {
        let page = visitor.get(&format!("/browse/{NPOLFILE}"));
        let cells = page.picks(".accordion td");
        let at = cells.iter().position(|cell| cell == "Status").unwrap_or_default();
        cells.get(at + 1).cloned().unwrap_or_default()
    };
    let listed = |visitor: &mut Browser| {
        let found = rows(&visitor.post("/browse_db/", &with("filename", "hst_wfc3_npolfile")));
        found.first().map(|row| row[6].clone()).unwrap_or_default()
    };
    score.same("WP 3.11", "browse shows the status by the links", status(&mut visitor), "delivered".to_owned());
    score.step("WP 3.11", "so does browse_db", listed(&mut visitor) == "delivered");
    let link = site.data.join("deliveries/opus_1_i.cat");
    std::fs::rename(&link, link.with_extension("cat_PROC")).expect("the archive may rename links");
    score.same("WP 3.11", "the page is kept", status(&mut visitor), "delivered".to_owned());
    score.step("WP 3.11", "the table is kept", listed(&mut visitor) == "delivered");
    // Locks, counters, sessions, remote contexts do not drop it.
    site.login("bob", "acs").get("/logout/");
    rpc(&mut visitor, "push_remote_context", json!(["hst", "operational", "k1", OPERATIONAL]));
    score.same(
        "WP 3.11",
        "locks, sessions, remote contexts do not drop it",
        status(&mut visitor),
        "delivered".to_owned(),
    );
    let page = site.login("ann", "none").get("/delivery_status/");
    score.same(
        "WP 3.7",
        "the delivery status is read from the links now",
        page.picks("#crds_delivery_table tbody td:nth-child(4)"),
        vec!["archiving".to_owned()],
    );
    let mut hal = site.login("hal", "none");
    hal.post("/edit_context_history/1/hst_0278.pmap/", &[("description", "Another text.")]);
    score.same("WP 3.11", "an edited history text drops it", status(&mut visitor), "archiving".to_owned());
    score.step("WP 3.11", "and the tables", listed(&mut visitor) == "archiving");
    std::fs::rename(link.with_extension("cat_PROC"), link.with_extension("cat_ERROR")).expect("the archive may");
    let mut sue = site.login("sue", "none");
    score.same("WP 3.11", "kept again", status(&mut visitor), "archiving".to_owned());
    sue.post("/mark_bad/", &[("file_known", OLDER), ("badflag", "ok"), ("why", "w")]);
    score.same("WP 3.11", "a saved audit row drops it", status(&mut visitor), "archiving-failed".to_owned());
    std::fs::rename(link.with_extension("cat_ERROR"), &link).expect("the archive may");
    let mut ann = site.submitter("ann", "wfc3");
    score.same("WP 3.11", "kept again", status(&mut visitor), "archiving-failed".to_owned());
    ann.upload("y.fits", b"no FITS");
    ann.post("/certify/", &[("pmap_mode", "pmap_edit")]);
    score.same("WP 3.11", "a saved result drops it", status(&mut visitor), "delivered".to_owned());
    score.same(
        "WP 1.7",
        "the default context",
        rpc(&mut visitor, "get_default_context", json!(["hst"]))["result"].clone(),
        json!(OPERATIONAL),
    );
    let fields =
        [("pmap_mode", "pmap_text"), ("pmap_text", OLDER), ("context_type", "operational"), ("description", "d")];
    ann.post("/set_default_context/", &fields);
    score.same(
        "WP 3.11",
        "a set context drops it",
        rpc(&mut visitor, "get_default_context", json!(["hst"]))["result"].clone(),
        json!(OLDER),
    );
}

/// WP 3.12, last bullet: what setting the operational context rewrites.
fn rewritten_states(score: &mut Score, site: &Site) {
    deliver(site);
    let link = site.data.join("deliveries/opus_1_i.cat");
    std::fs::rename(&link, link.with_extension("cat_ERROR")).expect("the archive may rename links");
    let mut ann = site.login("ann", "none");
    let stored = |name: &str| {
        site.server
            .catalogue
            .file(name)
            .ok()
            .flatten()
            .map(|row| (row.state, row.replaced_by_filename))
            .unwrap_or_default()
    };
    let before = site.server.catalogue.file(OLDER).ok().flatten().map(|row| row.activation_date);
    let set = |ann: &mut Browser, pmap: &'static str| {
        let fields =
            [("pmap_mode", "pmap_text"), ("pmap_text", pmap), ("context_type", "operational"), ("description", "d")];
        ann.post("/set_default_context/", &fields).error()
    };
    score.same("WP 3.6", "set", set(&mut ann, OLDER), None);
    let plain = |state: &str| (state.to_owned(), String::new());
    score.same("WP 3.12", "archiving-failed becomes a stored value", stored(NPOLFILE), plain("archiving-failed"));
    score.same("WP 3.12", "the closure is operational", stored(OLDER), plain("operational"));
    score.same("WP 3.12", "what is no longer in it, by its link", stored("hst_0279.pmap"), plain("archived"));
    score.same(
        "WP 3.12",
        "imaps and rmaps that were replaced, backwards too",
        (stored("hst_acs_0256.imap").1, stored("hst_acs_pfltfile_0250.rmap").1),
        ("hst_acs_0255.imap".to_owned(), "hst_acs_pfltfile_0249.rmap".to_owned()),
    );
    score.same("WP 3.12", "references without bytes follow too", stored("n4t15304j_pfl.fits").0, "archived".to_owned());
    std::fs::remove_file(link.with_extension("cat_ERROR")).expect("the archive may");
    score.same("WP 3.12", "2019 goes on re-reading archiving-failed", set(&mut ann, PMAP), None);
    score.same("WP 3.12", "now operational", stored(NPOLFILE).0, "operational".to_owned());
    score.same("WP 3.12", "never on pmaps", stored(OLDER).1, String::new());
    score.same("WP 3.12", "never cleared", stored("hst_acs_0256.imap").1, "hst_acs_0255.imap".to_owned());
    let after = site.server.catalogue.file(OLDER).ok().flatten().map(|row| row.activation_date);
    let fresh = before.as_deref().is_none_or(|date| date.is_empty() || date.starts_with("2050"));
    score.step("WP 3.12", "activation_date only on files that never had one", fresh || before == after);
}
