//! More of today's server: what client 13.2 sends and accepts (WP 3.1, 3.5, 3.6, 3.8, 3.9).

use serde_json::json;

use super::web_browser::{PASSWORD, Site};
use super::web_rules::{OLDER, OPERATIONAL, npolfile};
use super::web_score::Score;
use super::web_submissions::{MAPPING, NPOLFILE, file_info, id_of, parts, press, submit_npolfile};

/// The scenes, each on a server of its own.
pub const SCENES: &[fn(&mut Score, &Site)] = &[as_the_client_does, latest, questionnaire, as_2019];

/// The captured sequence of `crds submit`, request by request (WP 3.8).
fn as_the_client_does(score: &mut Score, site: &Site) {
    let mut ann = site.visitor();
    ann.accept = Some("*/*".to_owned());
    let status = ann.get("/lock_status/ann/").json();
    score.same("WP 3.8", "2: must be JSON", status["user"].clone(), json!("ann"));
    score.step("WP 3.8", "3: must set csrftoken", ann.get("/login/").sets("csrftoken"));
    ann.cookies.insert("ASB-AUTH".to_owned(), PASSWORD.to_owned());
    let page =
        ann.post("/login/", &[("username", "ann"), ("password", PASSWORD), ("instrument", "wfc3"), ("next", "/")]);
    score.same("WP 3.8", "4: 302", (page.status, page.header("location")), (302, "/".to_owned()));
    score.same("WP 3.8", "5: following the redirect", ann.follow(&page).status, 200);
    score.same("WP 3.8", "6: nothing to wipe", ann.get("/upload/list/").json(), json!({"files": []}));
    let page = ann.get("/jpoll/open_channel");
    score.same(
        "WP 3.8",
        "7: no trailing slash, so 301",
        (page.status, page.header("location")),
        (301, "/jpoll/open_channel/".to_owned()),
    );
    let key = ann.follow(&page).json();
    score.step("WP 3.8", "7: a JSON string", key.is_string());
    score.step("WP 3.8", "9: GET for the token", ann.get("/upload/chunked/").sets("csrftoken"));
    let bytes = npolfile();
    let page = ann.post_files("/upload/chunked/", &[], &[("files", NPOLFILE, bytes.as_bytes())]);
    score.step("WP 3.8", "9: each answer sets csrftoken", page.error().is_none() && page.sets("csrftoken"));
    let listed = ann.get("/upload/list/").json();
    score.same("WP 3.8", "8: name and deleteUrl", listed["files"][0]["name"].clone(), json!(NPOLFILE));
    score.step("WP 3.8", "10: the form's GET sets csrftoken", ann.get("/submit/mapping/").sets("csrftoken"));
    let fields = [
        ("pmap_mode", "pmap_edit"),
        ("pmap_name", OPERATIONAL),
        ("instrument", "wfc3"),
        ("change_level", "SEVERE"),
        ("creator", "the team"),
        ("description", "d"),
        ("auto_rename", "True"),
        ("compare_old_reference", "True"),
        ("generate_contexts", "True"),
    ];
    let page = ann.post("/submit/mapping/", &fields);
    score.same("WP 3.8", "11: unknown fields are not minded", (page.status, page.error()), (302, None));
    let id = id_of(&page);
    let ready = ann.follow(&page);
    let new = ready.picks(&format!("[id='{NPOLFILE}']")).concat();
    score.same("WP 3.8", "the file map of the READY page", new.as_str(), "hst_wfc3_npolfile_0001.rmap");
    let messages = ann.call("jpoll_pull_messages", &json!([key, "0"]))["result"].clone();
    let last = messages.as_array().and_then(|all| all.last()).cloned().unwrap_or_default();
    score.same("WP 3.8", "13: done", last["type"].clone(), json!("done"));
    score.step(
        "WP 3.9",
        "the client keeps the last two parts of its address",
        last["data"]["result"].as_str().is_some_and(|place| place.ends_with(&format!("/display_result/{id}"))),
    );
    ann.get(&format!("/display_result/{id}"));
    let page = ann.post("/submit_confirm_pipeline/", &[("results_id", &id), ("button", "confirm")]);
    score.same("WP 3.8", "14: confirmed", page.status, 302);
    let confirmed = site.visitor().get(&page.header("location"));
    score.same(
        "WP 3.8",
        "the confirmed page has an inner anchor",
        confirmed.picks(&format!("[id='{NPOLFILE}'] a")),
        vec![new],
    );
    score.step(
        "WP 3.8",
        "no element that the client takes for an error",
        confirmed.picks("#error_message, .error_message").is_empty(),
    );
}

/// WP 3.1: a client that derives from the latest context says so.
fn latest(score: &mut Score, site: &Site) {
    let mut ann = site.login("ann", "none");
    let sent = [("pmap_mode", "pmap_text"), ("pmap_text", OLDER), ("context_type", "edit"), ("description", "back")];
    ann.post("/set_default_context/", &sent);
    let mut ann = site.submitter("ann", "wfc3");
    ann.upload(NPOLFILE, npolfile().as_bytes());
    let mut fields = MAPPING.to_vec();
    fields[0] = ("pmap_mode", "pmap_latest");
    let id = id_of(&ann.post("/submit/mapping/", &fields));
    let page = press(&mut ann, &id, "confirm");
    let confirmed = site.visitor().get(&page.header("location"));
    score.step(
        "WP 3.1",
        "derived from the operational one",
        confirmed.says(&format!("Starting Context {OPERATIONAL}")),
    );
    let older = Site::open(crds_upgrade::stand_in::server::Era::Y2019);
    let mut ann = older.login("ann", "acs");
    let page = ann.post("/delete/reference/", &[("pmap_mode", "pmap_latest")]);
    score.same(
        "WP 3.1",
        "2019 does not know it",
        page.error(),
        Some("Invalid value 'pmap_latest' for 'pmap_mode'".to_owned()),
    );
}

/// WP 3.2, 3.8: the extended submission.
fn questionnaire(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    super::web_submissions::uploaded(&mut ann, &["y7b1516hi_d2i.fits"]);
    let mut fields = super::web_submissions::BATCH.to_vec();
    fields.extend([("deliverer", "Ann"), ("instrument", "wfc3"), ("file_type", "D2IMFILE")]);
    let page = ann.post("/submission_form/redcat_submit/", &fields);
    score.same("WP 3.2", "batch submit plus a questionnaire", (page.status, page.error()), (302, None));
    let shown = ann.follow(&page);
    score.same("WP 3.6", "its page", shown.h2().first().cloned(), Some("Batch Reference Submit Results".to_owned()));
    let mut visitor = site.visitor();
    let links = visitor.get("/submission_form/redcat_list/").attributes("tbody a", "href");
    score.same("WP 3.2", "listed", links.len(), 1);
    score.same("WP 3.2", "and shown", visitor.get(&links.concat()).error(), None);
    let questions = visitor.get("/submission_form/redcat_description.yml").json();
    let keys: Vec<&str> = questions.as_array().into_iter().flatten().filter_map(|one| one["key"].as_str()).collect();
    score.step(
        "WP 3.2",
        "the programmatic client's list",
        ["deliverer", "instrument", "file_type", "description"].iter().all(|key| keys.contains(key)),
    );
}

/// Everything else is as in 2019 (WP, "now").
fn as_2019(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    for path in ["/old_results/", "/display_all_contexts/", "/recent_activity_input/", "/browse_db/", "/bestrefs/"] {
        let page = visitor.get(path);
        score.same("WP 3.2", path, (page.status, page.error()), (200, None));
    }
    score.same("WP 3.2", "of 2014", visitor.get("/recent_activity/").status, 404);
    let page = visitor.get("/mark_bad/");
    score.same("WP 3.1", "relative", page.header("location"), "/login/?next=/mark_bad/".to_owned());
    let page = visitor.get("/browse/nosuch.fits");
    score.same(
        "WP 3.8",
        "the error block that the client reads",
        page.picks("#error_message pre"),
        vec!["ERROR: Can't find 'nosuch.fits'".to_owned()],
    );
    let mut ann = site.submitter("ann", "wfc3");
    let id = id_of(&submit_npolfile(&mut ann));
    let page = ann.get(&format!("/display_result/{id}"));
    let wanted = ["Submit Mapping File", "Certify Results", "Confirm or Cancel Submission"].map(str::to_owned).to_vec();
    score.same("WP 3.6", "parts", parts(&page), wanted);
    let page = press(&mut ann, &id, "cancel");
    score.step("WP 3.6", "logged out", page.drops("sessionid"));
    let cancelled = site.visitor().get(&page.header("location"));
    score.same("WP 3.6", "one l", cancelled.picks("p.error"), vec!["Submission Discarded: canceled".to_owned()]);
    score.same("WP 3.6", "gone", file_info(&mut visitor, NPOLFILE), json!("NOT FOUND"));
    let mut ann = site.submitter("ann", "wfc3");
    let id = id_of(&ann.post("/submit/mapping/", MAPPING));
    let page = ann.post("/submit_confirm/", &[("results_id", &id), ("button", "confirm")]);
    score.same("WP 3.2", "the other address goes on", page.status, 302);
    let page =
        site.submitter("bob", "acs").post("/submit_confirm_pipeline/", &[("results_id", &id), ("button", "confirm")]);
    score.same(
        "WP 3.6",
        "second click",
        page.error(),
        Some("This submission was already confirmed or cancelled.".to_owned()),
    );
}
