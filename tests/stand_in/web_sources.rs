//! Habits of the pages of 2019 on which the dossier is silent, as the public source of the server of about 2018 has them.

use crds_upgrade::stand_in::server::Era;
use serde_json::{Value, json};

use super::web_browser::{Browser, PASSWORD, Site};
use super::web_queries::{rows, with};
use super::web_rules::{OLDER, OPERATIONAL};
use super::web_score::Score;
use super::web_submissions::{
    BATCH, MAPPING, id_of, messages, open_channel, parts, press, resealed, submit_npolfile, uploaded,
};

/// The scenes, each on a server of its own.
pub const SCENES: &[fn(&mut Score, &Site)] = &[
    lost_reference,
    newest_contexts,
    states,
    moments_of_locks,
    order_of_rows,
    one_cookie,
    boxes,
    odd_characters,
    stolen_locks,
    two_locks,
    taken_links,
    failed_certification,
    headers,
    buttons,
    names_of_uploads,
];

fn lost_reference(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    uploaded(&mut ann, &["y7b1516hi_d2i.fits"]);
    let page = ann.post("/batch_submit_references/", BATCH);
    press(&mut ann, &id_of(&page), "confirm");
    let mut ann = site.login("ann", "wfc3");
    let key = open_channel(&mut ann);
    let deleted = [("pmap_mode", "pmap_edit"), ("description", "Away."), ("deleted_files", "x5o1555ji_d2i.fits")];
    let page = ann.post("/delete/reference/", &deleted);
    let gone = page.error().is_some_and(|error| error.contains("does not appear in context"));
    if !gone {
        score.same("WP 3.6", "the old reference leaves the rules", (page.status, page.error()), (302, None));
        press(&mut ann, &id_of(&page), "confirm");
        ann = site.submitter("ann", "wfc3");
    }
    let key = if gone { key } else { open_channel(&mut ann) };
    let added = [("pmap_mode", "pmap_edit"), ("description", "Back."), ("added_files", "x5o1555ji_d2i.fits")];
    let page = ann.post("/add_existing/reference/", &added);
    let text = "Generation of new rmaps failed: [Errno 2] No such file or directory: 'x5o1555ji_d2i.fits'";
    score.same("RD 2.5", "a reference without bytes", page.error(), Some(text.to_owned()));
    let (_, last) = messages(&mut ann, &key);
    score.same("WP 3.9", "done, with status 1", last["data"]["status"].clone(), json!(1));
    score.step(
        "WP 3.9",
        "and the whole path",
        last["data"]["result"].as_str().is_some_and(|text| {
            text.starts_with("Generation of new rmaps failed: ") && text.contains("/references/hst/x5o1555ji_d2i.fits")
        }),
    );
}

/// WP 3.10: the newest pmaps are those whose rows were written last.
fn newest_contexts(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    let text = std::fs::read_to_string(site.data.join("file_cache/mappings/hst").join(OLDER)).expect("a mapping");
    ann.upload("hst_0200.pmap", resealed(&text.replace(&format!("'{OLDER}'"), "'hst_0200.pmap'")).as_bytes());
    let page = ann.post("/submit/mapping/", &MAPPING[..4]);
    score.same("WP 3.6", "a mapping made by hand", (page.status, page.error()), (302, None));
    press(&mut ann, &id_of(&page), "confirm");
    let page = site.login("ann", "wfc3").get("/submit/mapping/");
    let options = page.attributes("select[name=pmap_menu] option", "value");
    let wanted = ["hst_0200.pmap", OPERATIONAL, OLDER].map(str::to_owned).to_vec();
    score.same("WP 3.10", "newest first, whatever its number", options, wanted);
}

fn states(score: &mut Score, site: &Site) {
    let order =
        ["*", "delivered", "submitted", "archiving", "archived", "operational", "cancelled", "archiving-failed", "bad"];
    let mut visitor = site.visitor();
    let seen = visitor.get("/browse_db/").attributes("select[name=status] option", "value");
    score.same("WP 3.10", "the select of states", seen, order.map(str::to_owned).to_vec());
}

/// WP 3.4: whole seconds are shown, the lock's id keeps the fraction.
fn moments_of_locks(score: &mut Score, _: &Site) {
    let lock =
        |name: &str| json!({"name": name, "user": "ann", "created_on": "2014-09-16 11:59:00.123456", "max_age": 14400});
    let locks = json!({"locks": [lock("instrument$acs"), lock("instrument$acs$ann")]});
    let site = Site::open_with(Era::Y2019, locks, |_| {});
    let shown = site.visitor().get("/lock_status/ann/").json();
    score.same("WP 3.4", "shown to the second", shown["created_on"].clone(), json!("2014-09-16 11:59:00"));
    let id = site.server.lock_status("ann").expect("a catalogue").map(|lock| lock.id());
    score.same("WP 3.4", "the id", id, Some("instrument - acs - ann - 2014-09-16T11:59:00.123456".to_owned()));
}

/// WP 3.7: oldest row first; the pmap's is written before those of its imaps.
fn order_of_rows(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    let id = id_of(&submit_npolfile(&mut ann));
    press(&mut ann, &id, "confirm");
    let found = rows(&site.visitor().post("/browse_db/", &with("", "")));
    let place = |name: &str| found.iter().position(|row| row.iter().any(|cell| cell.contains(name)));
    let places = (place("hst_0280.pmap"), place("hst_wfc3_0262.imap"));
    score.step("WP 3.7", &format!("the pmap before its imap: {places:?}"), places.0.is_some() && places.0 < places.1);
}

/// WP 3.1: the cookie keeps its value until a login; only the form's text changes.
fn one_cookie(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let mut seen = |path: &str| {
        let page = visitor.get(path);
        (visitor.cookies.get("csrftoken").cloned(), page.attributes("input[name=csrfmiddlewaretoken]", "value"))
    };
    let (first, second) = (seen("/login/"), seen("/browse_db/"));
    score.step("WP 3.1", "a cookie", first.0.as_ref().is_some_and(|value| value.len() == 64));
    score.same("WP 3.1", "the same on the next form", first.0.clone(), second.0);
    score.step("WP 3.1", "another text in the form", !first.1.is_empty() && first.1 != second.1);
    visitor.log_in("ann", PASSWORD, "none");
    let after = visitor.cookies.get("csrftoken").cloned();
    score.step("WP 3.1", "a new value with the login", after.is_some() && after != first.0);
    visitor.get("/mark_bad/");
    score.same("WP 3.1", "which stays in its turn", visitor.cookies.get("csrftoken").cloned(), after);
}

/// WP 3.1: which words leave a check box off, and that it may stand in the query string.
fn boxes(score: &mut Score, site: &Site) {
    let mut sue = site.login("sue", "none");
    let all = rows(&sue.post("/browse_db/", &with("", ""))).len();
    let mut found = |path: &str, value: &'static str| {
        let fields = [with("", ""), vec![("select_bad_files", value)]].concat();
        rows(&sue.post(path, &fields)).len()
    };
    for (value, wanted) in
        [("False", all), ("0", all), ("0.0", all), ("F", all), ("", all), ("on", 0), (" ", 0), ("False ", 0), ("no", 0)]
    {
        score.same("WP 3.1", &format!("select_bad_files={value:?}"), found("/browse_db/", value), wanted);
    }
    score.same("WP 3.1", "in the query string", found("/browse_db/?select_bad_files=1", ""), 0);
    score.same("WP 3.1", "the body wins", found("/browse_db/?select_bad_files=1", "0"), all);
}

fn odd_characters(score: &mut Score, site: &Site) {
    let mut ann = site.login("ann", "none");
    let fields = [("observatory", "hst"), ("file_known", OLDER), ("badflag", "bad"), ("why", "a\u{200b}b")];
    let page = ann.post("/mark_bad/", &fields);
    score.same("WP 3.1", "Python's repr", page.error(), Some("Invalid value 'a\\u200bb' for 'why'".to_owned()));
}

/// WP 3.4: anybody's login may take an expired lock over, and then its last owner's half is still there.
fn stolen_locks(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "acs");
    let fields = [("pmap_mode", "pmap_edit"), ("description", "Bad flats."), ("deleted_files", "n4t15304j_pfl.fits")];
    let id = id_of(&ann.post("/delete/reference/", &fields));
    site.clock.step(5 * 3600);
    let mut bob = site.login("bob", "acs");
    let status = |browser: &mut Browser, user: &str| browser.get(&format!("/lock_status/{user}/")).json();
    score.same("WP 3.4", "taken over", status(&mut bob, "bob")["status"].clone(), json!("ok"));
    score.same(
        "WP 3.4",
        "the last owner's half has run out",
        status(&mut bob, "ann"),
        json!({"name": "acs", "user": "ann", "type": "instrument", "status": "error", "is_expired": true,
               "exception": "User 'ann' no longer holds lock 'instrument$acs$ann'"}),
    );
    let page = site.visitor().log_in("sue", PASSWORD, "acs");
    score.same("WP 3.3", "two owners", page.error(), Some("Multiple locks found.".to_owned()));
    ann.get("/certify/");
    score.same("WP 3.4", "her next request revives it", status(&mut bob, "ann")["status"].clone(), json!("ok"));
    let page = press(&mut ann, &id, "confirm");
    score.same("WP 3.6", "and it is the lock that it was", (page.status, page.error()), (302, None));
    let exception = status(&mut bob, "bob")["exception"].clone();
    let wanted = json!("User 'bob' no longer holds lock 'instrument$acs'");
    score.step(
        "WP 3.3",
        &format!("her logout takes the instrument's half along: {exception}"),
        exception == Value::Null || exception == wanted,
    );
    let rows = site.server.catalogue.locks().expect("a catalogue");
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    score.same("WP 3.4", "what is left", names, vec!["instrument$acs$bob"]);
}

/// WP 3.3: only a live lock is given up for another instrument.
fn two_locks(score: &mut Score, site: &Site) {
    site.login("ann", "acs");
    site.clock.step(5 * 3600);
    let mut ann = site.login("ann", "wfc3");
    score.same(
        "WP 3.4",
        "two of one user",
        ann.get("/lock_status/ann/").json(),
        json!({"name": "unknown", "user": "ann", "type": "instrument", "status": "error", "is_expired": false,
               "exception": "More than one lock owned by user."}),
    );
    let page = ann.get("/submit/mapping/");
    score.same("WP 3.1", "pages go by the live one", page.picks(".locked_instrument"), vec!["wfc3".to_owned()]);
    score.same("WP 3.3", "which is enough to submit", submit_after_channel(&mut ann), 302);
}

fn submit_after_channel(browser: &mut Browser) -> u16 {
    open_channel(browser);
    submit_npolfile(browser).status
}

/// WP 3.6: a link of the same name fails the delivery, which takes back what it had begun.
fn taken_links(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    let id = id_of(&submit_npolfile(&mut ann));
    let deliveries = site.data.join("deliveries");
    std::fs::write(deliveries.join("hst_wfc3_0262.imap"), "another").expect("a server's directory");
    let error = press(&mut ann, &id, "confirm").error().unwrap_or_default();
    score.step(
        "WP 3.6",
        &error,
        error.starts_with("Delivery failed: failed to link 'hst_wfc3_0262.imap' to '")
            && error.contains("hst_wfc3_0262.imap' : [Errno 17] File exists: 'hst_wfc3_0262.imap' -> '"),
    );
    let left = |dir: &str| {
        let entries = std::fs::read_dir(site.data.join(dir)).expect("a server's directory");
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    score.same("WP 3.6", "no link is left", left("deliveries"), Vec::new());
    score.same("WP 3.6", "nor the catalogue", left("catalogs"), Vec::new());
    let shown = ann.get(&format!("/display_result/{id}")).picks("h2.error");
    score.same("WP 3.6", "finalizing for ever", shown, vec!["finalizing".to_owned()]);
    let row = site.server.catalogue.file("hst_0280.pmap").expect("a catalogue").map(|row| row.state);
    score.same("WP 3.6", "its files are only uploaded", row, Some("uploaded".to_owned()));
}

/// WP 3.11: what failed is not looked at for blacklisted files, nor is anything beside it.
fn failed_certification(score: &mut Score, site: &Site) {
    let mut sue = site.submitter("sue", "none");
    let fields = [("pmap_mode", "pmap_edit"), ("compare_old_reference", "on")];
    uploaded(&mut sue, &["y7b1516hi_d2i.fits"]);
    let page = sue.post("/certify/", &fields);
    score.same("WP 3.11", "one that passed", sue.follow(&page).picks("p > span.green"), vec!["OK".to_owned()]);
    sue.upload("hst_acs_pfltfile_0251.rmap", b"header = {\n}\nselector = Nothing\n");
    let page = sue.post("/certify/", &fields);
    let shown = sue.follow(&page);
    score.step("WP 3.11", "one that failed", shown.says("Failed."));
    score.same("WP 3.11", "no check of any file", shown.picks("p > span.green").len(), 0);
    score.same("WP 3.6", "below its heading", parts(&shown).last().cloned(), Some("Blacklist Checks".to_owned()));
}

/// Headers of the answers: settings, views and Django 1.11.
fn headers(score: &mut Score, site: &Site) {
    let mut ann = site.login("ann", "none");
    for (path, wanted) in [
        ("/", "no-cache"),
        ("/display_context_history/", "no-cache"),
        ("/display_all_contexts/", "no-cache"),
        ("/old_results/", "no-cache"),
        ("/browse_db/", ""),
        ("/delivery_status/", ""),
    ] {
        let page = ann.get(path);
        score.same("WP 3.1", &format!("{path}: Cache-Control"), page.header("cache-control"), wanted.to_owned());
        score.same("WP 3.1", &format!("{path}: X-Frame-Options"), page.header("x-frame-options"), "DENY".to_owned());
    }
    let page = ann.get("/mark_bad/");
    score.step(
        "WP 3.1",
        "a cookie without SameSite",
        page.sets("csrftoken") && !page.header("set-cookie").contains("SameSite"),
    );
}

/// WP 3.1, 3.6: a button that begins like one; its word is put into the past tense.
fn buttons(score: &mut Score, site: &Site) {
    for (button, wanted, delivered) in [("cancele", "canceled", false), ("confirme", "confirmed", true)] {
        let mut ann = site.submitter("ann", "wfc3");
        let page = submit_npolfile(&mut ann);
        let id = id_of(&page);
        press(&mut ann, &id, button);
        let shown = site.visitor().get(&format!("/display_result/{id}"));
        let words = [shown.picks("h2.success"), shown.picks("h2.error")].concat();
        score.same("WP 3.6", button, words, vec![wanted.to_owned()]);
        let links = std::fs::read_dir(site.data.join("deliveries")).expect("a server's directory").count();
        score.same("WP 3.6", "whether that delivers", links > 0, delivered);
    }
}

fn names_of_uploads(score: &mut Score, site: &Site) {
    let mut ann = site.login("ann", "none");
    let page = ann.upload("a\\", b"x");
    let text = "Specify a file to upload for 'files'";
    score.same("WP 3.5", "nothing after the last backslash", page.error(), Some(text.to_owned()));
    let page = ann.upload("a\\b.fits", b"x");
    score.same("WP 3.5", "what stands after it", page.json()["files"][0]["name"].clone(), json!("b.fits"));
}
