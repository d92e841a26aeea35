//! Small habits of the pages of 2019: how words of lists are matched, what filters are called, what tables show.

use serde_json::{Value, json};

use super::web_browser::{Browser, Site};
use super::web_queries::{rows, with};
use super::web_rules::{OLDER, OPERATIONAL};
use super::web_score::Score;
use super::web_submissions::{
    MAPPING, NPOLFILE, archive, id_of, messages, open_channel, press, submit_npolfile, uploaded,
};

/// The scenes, each on a server of its own.
pub const SCENES: &[fn(&mut Score, &Site)] = &[
    searches,
    tables,
    locks,
    differences,
    both_boxes,
    settled,
    made_contexts,
    same_again,
    progress,
    undated,
    lost,
    certified,
];

/// WP 3.1, 3.7: words of lists, dates, names of filters.
fn searches(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    for (field, value, passes) in [
        // The pattern is open at its end but for its last word, which is `*`, or the last user.
        ("instrument", "wfpc2X", true),
        ("instrument", "*x", false),
        ("filekind", "zprattabX", true),
        ("deliverer_user", "*x", true),
        ("deliverer_user", "sueX", false),
        ("observatory", "jwst", true),
        ("filename", "*x", false),
        ("filename", "hst_*[", true),
        ("status", "a-b", false),
        ("start_date", "", true),
        ("stop_date", "soon", false),
    ] {
        let page = visitor.post("/browse_db/", &with(field, value));
        let wanted = (!passes).then(|| format!("Invalid value '{value}' for '{field}'"));
        score.same("WP 3.1", &format!("browse_db {field}={value}"), page.error(), wanted);
    }
    for (query, wanted) in [
        ("filename=(x)", Some("Invalid value '(x)' for 'filename'")),
        ("filename=hst_acs%5B0%5D", None),
        ("action=", Some("Invalid value '' for 'action'")),
        ("start_date=", None),
    ] {
        let page = visitor.get(&format!("/recent_activity_query/?{query}"));
        score.same("WP 3.7", query, page.error(), wanted.map(str::to_owned));
    }
    let filters = |page: &super::web_browser::Page| page.picks(".accordion td");
    let page = visitor.get("/recent_activity_query/?instrument=acs&deliverer_user=ann&start_date=2014-09-01T10:00:00");
    score.same(
        "WP 3.7",
        "filters of recent activity by name, dates in full",
        filters(&page),
        ["extension", ".pmap", "instrument", "acs", "start_date", "2014-09-01 10:00:00", "user", "ann"]
            .map(str::to_owned)
            .to_vec(),
    );
    let page = visitor.post("/browse_db/", &with("start_date", "01/09/14"));
    score.same(
        "WP 3.7",
        "filters of browse_db",
        filters(&page),
        ["delivery_date_start", "2014-09-01 00:00:00"].map(str::to_owned).to_vec(),
    );
}

/// WP 3.7: what stands in the cells; what old results show.
fn tables(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let found = rows(&visitor.post("/browse_db/", &with("filename", OPERATIONAL)));
    let row = found.first().cloned().unwrap_or_default();
    let shape = |text: &str| text.chars().map(|ch| if ch.is_ascii_digit() { '0' } else { ch }).collect::<String>();
    score.same("WP 3.7", "dates to the minute", row.first().map(|date| shape(date)), Some("0000-00-00 00:00".into()));
    score.same(
        "WP 3.7",
        "the name is an anchor, the status a word",
        (row.get(3).cloned(), row.get(6).cloned()),
        (Some(format!("<a href='/browse/{OPERATIONAL}'>{OPERATIONAL}</a>")), Some("archived".to_owned())),
    );
    let mut ann = site.submitter("ann", "wfc3");
    let page = submit_npolfile(&mut ann);
    press(&mut ann, &id_of(&page), "confirm");
    let listed = visitor.get("/old_results/");
    score.same(
        "WP 3.7",
        "templates of the ready and the confirmed page, newest first",
        listed.picks("table td:nth-child(4)"),
        ["confirmed.html", "submit_results.html"].map(str::to_owned).to_vec(),
    );
    score.same(
        "WP 3.7",
        "files of both, sorted",
        listed.picks("table td:nth-child(5)"),
        vec![format!("['hst_0280.pmap', 'hst_wfc3_0262.imap', '{NPOLFILE}']"), format!("['{NPOLFILE}']")],
    );
    let page = visitor.get(&format!("/browse/{OPERATIONAL}"));
    score.step(
        "WP 3.11",
        "the download link is the whole unchecked address",
        page.text().contains(&format!(
            "<a href='https://hst-crds.example/unchecked_get/mappings/hst/{OPERATIONAL}'>download</a>"
        )),
    );
}

/// WP 3.1, 3.4: locks on names that merely begin like instruments; an expired lock that is still there.
fn locks(score: &mut Score, site: &Site) {
    let mut bob = site.login("bob", "acsX");
    score.same("WP 3.1", "it acts later", bob.get("/lock_status/").json()["name"].clone(), json!("acsX"));
    bob.get("/logout/");
    let page = site.visitor().log_in("bob", super::web_browser::PASSWORD, "acs$");
    score.same("WP 3.1", "or fails", page.error(), Some("Illegal lock name 'acs$'".to_owned()));
    let mut ann = site.login("ann", "acs");
    site.clock.step(5 * 3600);
    score.same(
        "WP 3.4",
        "keys of an expired lock",
        ann.get("/lock_status/ann/").json(),
        json!({"name": "acs", "user": "ann", "type": "instrument", "status": "error", "is_expired": true,
               "exception": "User 'ann' no longer holds lock 'instrument$acs'"}),
    );
}

/// WP 3.11: the modes of the difference page are not judged.
fn differences(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let page = visitor.post("/difference/", &[("file_known1", OLDER), ("file_known2", OPERATIONAL)]);
    score.same("WP 3.11", "no mode", page.error(), Some("internal server error".to_owned()));
    let page = visitor.post("/difference/", &[("filemode1", "anything"), ("file_known1", OLDER)]);
    let wanted = "file uploads are only available for authenticated users.";
    score.same("WP 3.11", "any other mode is an upload", page.error(), Some(wanted.to_owned()));
    let mut ann = site.login("ann", "none");
    let file =
        |cards: &[&str]| super::web_hostile::header(&[&super::web_hostile::PRIMARY[..3], cards, &["END"]].concat());
    let one = file(&[
        "DETECTOR= 'UVIS    '",
        "GAIN    =                  1.5",
        "NORDER  =                    4",
        "HISTORY once",
    ]);
    let other = file(&[
        "DETECTOR= 'IR      '",
        "NEWKEY  = 'x       '",
        "NORDER  =                  4.0 / of fit",
        "HISTORY once",
        "HISTORY twice",
    ]);
    let modes = [("filemode1", "file_uploaded1"), ("filemode2", "file_uploaded2")];
    let mut compared = |second: &[u8]| {
        let files: [(&str, &str, &[u8]); 2] =
            [("file_uploaded1", "one.fits", &one), ("file_uploaded2", "other.fits", second)];
        ann.post_files("/difference/", &modes, &files)
    };
    let page = compared(&other);
    score.step(
        "WP 3.11",
        "what is compared how",
        page.says("Maximum number of different data values to be reported: 10"),
    );
    let wanted = "Primary HDU: Headers contain differences: Headers have different number of cards: a: 7 b: 8 Extra keyword \
                  'GAIN' in a: 1.5 Extra keyword 'NEWKEY' in b: 'x' Inconsistent duplicates of keyword 'HISTORY': Occurs 1 \
                  time(s) in a, 2 times in (b) Keyword DETECTOR has different values: a> UVIS b> IR Keyword NORDER has \
                  different comments: b> of fit";
    score.step("WP 3.11", "two references as the client's tool compares them", page.says(wanted));
    score.step("WP 3.11", "no differences", compared(&one).says("no differences"));
}

/// WP 3.6, 3.10: both pages of files read both boxes; later servers do not ask what the mapping page gets.
fn both_boxes(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    uploaded(&mut ann, &["y7b1516hi_d2i.fits"]);
    let page = ann.post("/submit/reference/", MAPPING);
    let wanted = "Only .rmaps may be submitted if Generate Contexts is selected.";
    score.same("WP 3.6", "contexts from references", page.error(), Some(wanted.to_owned()));
    let page = ann.post("/submit/mapping/", &[("compare_old_reference", "on")]);
    let wanted = "Undefined parameter 'pmap_mode'";
    score.same("WP 3.10", "a comparison wants a context", page.error(), Some(wanted.to_owned()));
    let fields: Vec<(&str, &str)> = MAPPING[1..4].iter().copied().chain([("auto_rename", "on")]).collect();
    let page = ann.post("/submit/mapping/", &fields);
    score.same("WP 3.6", "a reference under a new name", (page.status, page.error()), (302, None));
    press(&mut ann, &id_of(&page), "cancel");
    let mut ann = site.submitter("ann", "wfc3");
    let page = ann.post("/submit/mapping/", &MAPPING[1..4]);
    score.step("WP 3.6", "its own name is no mapping's", page.error().is_some());
    let mut bob = site.submitter("bob", "acs");
    let mapping = "hst_acs_pfltfile_0250.rmap";
    let fields = [("pmap_mode", "pmap_edit"), ("description", "An rmap."), ("added_files", mapping)];
    let page = bob.post("/add_existing/reference/", &fields);
    let wanted = format!("Non-reference-file's cannot be submitted in a batch submission: '{mapping}'");
    score.same("WP 3.6", "an rmap is no reference to add", page.error(), Some(wanted));
}

fn history(site: &Site, kind: &str) -> Vec<(String, String)> {
    let rows = site.server.catalogue.history().expect("a catalogue");
    rows.into_iter().filter(|row| row.state == kind).map(|row| (row.context, row.description)).collect()
}

/// WP 3.9, 4.3: a confirmation that fails sends nothing; the edit context's row has the system's words.
fn settled(score: &mut Score, site: &Site) {
    let mut bob = site.login("bob", "acs");
    open_channel(&mut bob);
    let fields = [("pmap_mode", "pmap_edit"), ("description", "Nothing."), ("deleted_files", "")];
    let page = bob.post("/delete/reference/", &fields);
    let id = id_of(&page);
    let key = open_channel(&mut bob);
    let page = press(&mut bob, &id, "confirm");
    score.same("WP 3.6", "an empty deletion", page.error(), Some("No files submitted.".to_owned()));
    score.same("WP 3.9", "no word on the channel", messages(&mut bob, &key), (Vec::new(), Value::Null));
    // A super user without a lock may confirm with one.
    let mut sue = site.submitter("sue", "none");
    let page = submit_npolfile(&mut sue);
    let id = id_of(&page);
    let mut sue = site.submitter("sue", "wfc3");
    let page = press(&mut sue, &id, "confirm");
    score.same("WP 3.6", "no lock was asked for", (page.status, page.error()), (302, None));
    let rows = history(site, "edit");
    score.same(
        "WP 4.3",
        "the row of the moved edit context",
        rows.last().cloned(),
        Some(("hst_0280.pmap".to_owned(), "set by system".to_owned())),
    );
}

/// WP 3.11: rows in the order of the keys, whatever that of the text; no column of dates where no selector has any.
fn undated(score: &mut Score, site: &Site) {
    let name = "hst_acs_biasfile_0250.rmap";
    let cases = "    ('WFC', 'F606W|F502N') : 'x_bia.fits',\n    ('HRC', 'F606W') : 'N/A',\n    ('HRC', 'F502N') : 'y_bia.fits',\n";
    let text =
        super::web_rules::rmap(name, "generated by hand", "ACS", "BIASFILE", "(('DETECTOR', 'FILTER1'),)", cases);
    std::fs::write(site.data.join("file_cache/mappings/hst").join(name), text).expect("room for a test");
    let table = site.visitor().get(&format!("/context_table/{name}")).json();
    let columns = table["aoColumns"].as_array().cloned().unwrap_or_default();
    let titles: Vec<&Value> = columns.iter().take(4).map(|column| &column["sTitle"]).collect();
    score.same("WP 3.11", "columns", json!(titles), json!(["DETECTOR", "FILTER1", "ACTIVATION DATE", "REFERENCE"]));
    let rows = table["aaData"].as_array().cloned().unwrap_or_default();
    let values: Vec<Value> = rows.iter().map(|row| json!([row[0], row[1]])).collect();
    score.same(
        "WP 3.11",
        "the library's order; alternatives are joined only where a selector follows",
        json!(values),
        json!([["HRC", "F502N"], ["HRC", "F606W"], ["WFC", "F606W|F502N"]]),
    );
    let unused = rows.iter().find(|row| row[1] == "F606W").cloned().unwrap_or_default();
    score.same(
        "WP 3.11",
        "an N/A entry",
        json!([unused[3], unused[4]]),
        json!(["<span class=\"darkgray\">N/A</span>", ""]),
    );
}

/// WP 3.7, 3.11: pages that name files of which the catalogue has no row.
fn lost(score: &mut Score, site: &Site) {
    let other = rusqlite::Connection::open(site.data.join("catalogue.sqlite")).expect("the database");
    let sql = "DELETE FROM crds_hst_catalog WHERE name IN ('m1l0942nj_pfl.fits', 'hst_0278.pmap')";
    score.same("WP 3.11", "two rows are gone", other.execute(sql, []).ok(), Some(2));
    let mut visitor = site.visitor();
    let table = visitor.get("/context_table/hst_acs_pfltfile_0250.rmap").json();
    let row = table["aaData"].as_array().and_then(|rows| rows.get(1)).cloned().unwrap_or_default();
    let link = "<a href='/browse/m1l0942nj_pfl.fits' class='browse_a'>m1l0942nj_pfl.fits</a>";
    score.same(
        "WP 3.11",
        "a reference without a row has no activation date",
        json!([row[3], row[4]]),
        json!(["N/A", link]),
    );
    for path in ["/", "/display_context_history/"] {
        let page = visitor.get(path);
        score.same("WP 3.7", &format!("{path} with such a context"), (page.status, page.error()), (200, None));
        score.step("WP 3.7", &format!("{path} shows no status for it"), page.says(&format!("{OLDER} The older one.")));
    }
    score.same(
        "WP 3.11",
        "its own page",
        visitor.get(&format!("/browse/{OLDER}")).error(),
        Some(format!("Can't find '{OLDER}'")),
    );
}

/// WP 3.6: the page of a certification has nothing to confirm.
fn certified(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    ann.upload(NPOLFILE, super::web_rules::npolfile().as_bytes());
    let page = ann.post("/certify/", &[("pmap_mode", "pmap_edit"), ("compare_old_reference", "on")]);
    let id = id_of(&page);
    for button in ["confirm", "cancel", "force"] {
        let page = press(&mut ann, &id, button);
        score.same(
            "WP 3.6",
            &format!("{button} of a certification"),
            page.error(),
            Some("This submission was already confirmed or cancelled.".to_owned()),
        );
    }
    score.same("WP 3.6", "nobody is logged out", ann.get("/lock_status/").json()["name"].clone(), json!("wfc3"));
}

/// RD 5.1: a type is marked as not applicable.
fn made_contexts(score: &mut Score, site: &Site) {
    let mut sue = site.login("sue", "none");
    let mut make = |rmaps: &str| {
        let fields = [("pmap_mode", "pmap_edit"), ("rmaps", rmaps), ("description", "No such type.")];
        sue.post("/create_contexts/", &fields)
    };
    for (rmaps, error) in [
        ("foc_pfltfile_n/a", "Invalid instrument: 'foc'"),
        ("acs_foofile_n/a", "Invalid filekind: 'foofile'"),
        ("acs_n/a", "internal server error"),
        ("acs_pfltfile_m/a", "Invalid value 'acs_pfltfile_m/a' for 'rmaps'"),
    ] {
        score.same("RD 5.1", rmaps, make(rmaps).error(), Some(error.to_owned()));
    }
    let page = make("acs_pfltfile_n/a");
    score.same("RD 5.1", "marked", (page.status, page.error()), (302, None));
    let pmap = std::fs::read_to_string(site.data.join("file_cache/mappings/hst/hst_0280.pmap")).unwrap_or_default();
    let imap = pmap.split('\'').find(|word| word.starts_with("hst_acs_")).unwrap_or_default();
    let imap = std::fs::read_to_string(site.data.join("file_cache/mappings/hst").join(imap)).unwrap_or_default();
    score.same(
        "RD 5.1",
        "the imap says so, with the fault that the dossier tells of",
        imap.lines().find(|line| line.contains("pfltfile")).map(str::trim),
        Some("'pfltfile' : 'A',"),
    );
}

fn set(browser: &mut Browser, pmap: &str, kind: &str) -> Option<String> {
    let fields =
        [("pmap_mode", "pmap_text"), ("pmap_text", pmap), ("context_type", kind), ("description", "Back and forth.")];
    browser.post("/set_default_context/", &fields).error()
}

/// WP 4.3: the history has no two rows of one context in sequence.
fn same_again(score: &mut Score, site: &Site) {
    let mut ann = site.login("ann", "none");
    site.server.catalogue.set_context("operational", OLDER).expect("a catalogue");
    let before = history(site, "operational");
    score.same("WP 4.3", "set to what the history says already", set(&mut ann, OPERATIONAL, "operational"), None);
    score.same("WP 4.3", "no further row", history(site, "operational"), before);
    let mut sue = site.submitter("ann", "wfc3");
    let page = submit_npolfile(&mut sue);
    press(&mut sue, &id_of(&page), "confirm");
    archive(site);
    let mut ann = site.login("ann", "none");
    score.same("WP 4.3", "set", set(&mut ann, "hst_0280.pmap", "operational"), None);
    let rows = history(site, "operational");
    score.same(
        "WP 4.3",
        "one row",
        rows.last().cloned(),
        Some(("hst_0280.pmap".to_owned(), "Back and forth.".to_owned())),
    );
}

/// WP 3.9: sizes in columns; a channel that only a monitor page named.
fn progress(score: &mut Score, site: &Site) {
    let mut ann = site.login("ann", "wfc3");
    let key = "01234567-89ab-cdef-0123-456789abcdef";
    ann.get(&format!("/monitor/{key}/"));
    let page = submit_npolfile(&mut ann);
    score.same("WP 3.9", "the monitored key will do", (page.status, page.error()), (302, None));
    let (texts, _) = messages(&mut ann, key);
    let size = super::web_rules::npolfile().len();
    let wanted = format!("Processing '{NPOLFILE}' [1 / 1 files] [{size:>7} / {size:>7} / {size:>7} bytes]");
    score.same("WP 3.9", "sizes", texts.into_iter().find(|text| text.starts_with("Processing")), Some(wanted));
}
