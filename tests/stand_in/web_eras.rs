//! What other eras do otherwise: 2014's pages, today's additions.

use serde_json::json;

use super::web_browser::{PASSWORD, Site};
use super::web_rules::OPERATIONAL;
use super::web_score::Score;
use super::web_submissions::{BATCH, MAPPING, NPOLFILE, archive, id_of, press, submit_npolfile};

/// Scenes of 2014.
pub const OF_2014: &[fn(&mut Score, &Site)] =
    &[pages_2014, logins_2014, uploads_2014, mapping_2014, deletion_2014, locks_2014];
/// Scenes of today.
pub const OF_NOW: &[fn(&mut Score, &Site)] = &[chunks, pipeline];

fn pages_2014(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    for path in [
        "/recent_activity_input/",
        "/display_all_contexts/",
        "/old_results/",
        "/uses/x",
        "/docs/x/",
        "/monitor/00000000-0000-0000-0000-000000000000/",
        "/submission_form/redcat_submit/",
        "/display_result/00000000-0000-0000-0000-000000000000",
    ] {
        score.same("WP 3.2", &format!("{path} is younger"), visitor.get(path).status, 404);
    }
    let page = visitor.get("/mark_bad/");
    score.same(
        "WP 3.1",
        "locations are absolute",
        page.header("location"),
        "http://localhost/login/?next=/mark_bad/".to_owned(),
    );
    let page = visitor.get("/");
    score.step("WP 3.1", "Services", page.picks("h3").contains(&"Services".to_owned()));
    let page = visitor.get("/recent_activity/");
    score.same("WP 3.10", "heading", page.h2(), vec!["List Actions".to_owned()]);
    score.step("WP 3.10", "no dates", !page.text().contains("start_date"));
    let page = visitor.post("/recent_activity/", &[("extension", "*")]);
    score.same(
        "WP 3.6",
        "Activity and Filters are h3",
        page.picks("h3"),
        ["Activity", "Filters"].map(str::to_owned).to_vec(),
    );
    let page = visitor.get(&format!("/context_table/{OPERATIONAL}"));
    score.same("WP 3.6", "the heading names no context", page.h2(), vec!["Historical References".to_owned()]);
    let page = visitor.get("/context_table/hst_acs_pfltfile_0250.rmap");
    score.step("WP 3.2", "JSON only for scripts", page.header("content-type").starts_with("text/html"));
    let page = visitor.script_get("/context_table/hst_acs_pfltfile_0250.rmap");
    score.same("WP 3.2", "JSON", page.header("content-type"), "application/json".to_owned());
    let page = visitor.get("/browse/nosuch.fits");
    score.same(
        "WP 3.1",
        "a div of class error without an id",
        (page.picks("div.error").len(), page.attributes("div#error_message", "id").len()),
        (1, 0),
    );
    let page = visitor.get("/lock_status/");
    score.same("WP 3.2", "lock_status wants a login", page.status, 302);
    let test = Site::open_with(crds_upgrade::stand_in::server::Era::Y2014, json!({}), |config| {
        config.use_case = "test".to_owned()
    });
    score.same(
        "WP 3.1",
        "the use case",
        test.visitor().get("/").picks("h1 span.green.tiny"),
        vec!["(test)".to_owned()],
    );
    let mut ann = site.login("ann", "none");
    score.step("WP 3.1", "Restricted Services", ann.get("/").picks("h3").contains(&"Restricted Services".to_owned()));
    let page = ann.get("/set_default_context/");
    score.same(
        "WP 3.10",
        "two kinds",
        page.attributes("select[name=context_type] option", "value"),
        ["operational", "edit"].map(str::to_owned).to_vec(),
    );
    for path in ["/delete/reference/", "/add_existing/reference/"] {
        score.same("WP 3.2", "for super users", ann.get(path).error(), Some("ann is not a super user.".to_owned()));
    }
    let mut vic = site.login("vic", "none");
    score.same("WP 3.2", "passwords want the group", vic.get("/set_password/").status, 302);
    let page = ann.post("/mark_bad/", &[("file_known", "nosuch.fits"), ("badflag", "ok"), ("why", "w")]);
    score.same(
        "WP 3.1",
        "CRDS errors stand alone",
        page.error(),
        Some("No database entry for 'nosuch.fits'.".to_owned()),
    );
    let page = ann.post(
        "/set_default_context/",
        &[("pmap_mode", "pmap_text"), ("pmap_text", "hst_9999.pmap"), ("context_type", "edit"), ("description", "d")],
    );
    score.same(
        "WP 3.1",
        "pmaps",
        page.error(),
        Some("Invalid pmap: No database entry for 'hst_9999.pmap'.".to_owned()),
    );
    let page = ann.post("/mark_bad/", &[("file_known", ""), ("badflag", "ok"), ("why", "a # * !")]);
    score.same("WP 3.1", "more marks in descriptions", page.error(), None);
}

fn logins_2014(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let page = visitor.log_in("ann", "wrong", "none");
    score.same(
        "WP 3.6",
        "login refusal",
        page.picks("div.error"),
        vec!["Your username and password didn't match. Please try again.".to_owned()],
    );
    let mut ann = site.login("ann", "acs");
    let created = ann.get("/lock_status/").json()["created_on"].clone();
    site.clock.step(5);
    let mut again = site.login("ann", "acs");
    score.step(
        "WP 3.3",
        "logging in first releases every lock",
        again.get("/lock_status/").json()["created_on"] != created,
    );
    site.clock.step(8 * 3600);
    score.same("WP 3.1", "a session lasts 8 h", again.get("/certify/").status, 302);
    score.step("WP 3.3", "no ingest directory by a login", !site.data.join("ingest/ann").exists());
    let mut visitor = site.visitor();
    let page = visitor.get("/logout/");
    score.same(
        "WP 3.2",
        "anybody may log out",
        (page.status, page.header("location")),
        (302, "http://localhost/".to_owned()),
    );
}

fn uploads_2014(score: &mut Score, site: &Site) {
    let mut ann = site.login("ann", "none");
    score.same(
        "WP 3.5",
        "GET: a form",
        ann.get("/upload/new/").attributes("input[type=file]", "name"),
        vec!["file".to_owned()],
    );
    let page = ann.upload("a.fits", b"1");
    score.same(
        "WP 3.5",
        "a bare list",
        page.json(),
        json!([{"name": "a.fits", "size": 1, "delete_url": "/upload/delete/a.fits", "delete_type": "DELETE"}]),
    );
    score.same("WP 3.5", "the list too", ann.get("/upload/list/").json().as_array().map(Vec::len), Some(1));
    let page = ann.post_files("/upload/new/", &[], &[("files", "b.fits", b"1")]);
    score.same("WP 3.5", "the part's name", page.error(), Some("Specify a file to upload for 'file'".to_owned()));
    ann.accept = None;
    score.same("WP 3.1", "unexpected exceptions are real 500", ann.get("/upload/list/").status, 500);
}

fn mapping_2014(score: &mut Score, site: &Site) {
    let mut ann = site.login("ann", "wfc3");
    ann.upload(NPOLFILE, b"x");
    score.same("WP 3.6", "no channel: a real 500", ann.post("/submit/mapping/", MAPPING).status, 500);
    let key = ann.get("/jpoll/open_channel/").json();
    score.step("WP 3.9", "the key", key.as_str().is_some_and(|key| key.starts_with("JPOLL-KEY-")));
    let page = submit_npolfile(&mut ann);
    let id = id_of(&page);
    score.step("WP 3.6", "an integer", !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()));
    let messages = ann.get("/jpoll/pull_messages/").json();
    let texts: Vec<String> = messages
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["data"].as_str().map(|text| text.replace("&#39;", "'")))
        .collect();
    score.same(
        "WP 3.9",
        "texts of a mapping",
        texts,
        [
            format!("Certifying '{NPOLFILE}'"),
            format!("Processing '{NPOLFILE}'"),
            format!("Copying '{NPOLFILE}'"),
            "Checking for derivation collisions.".to_owned(),
        ]
        .to_vec(),
    );
    score.same(
        "WP 3.9",
        "done, relative",
        messages.as_array().and_then(|all| all.last()).map(|last| last["data"]["result"].clone()),
        Some(json!(format!("/display_result/{id}"))),
    );
    score.same("WP 3.9", "nothing newer", ann.get("/jpoll/pull_messages/").json(), json!([]));
    let page = ann.get(&format!("/display_result/{id}"));
    score.step(
        "WP 3.6",
        "an h2, two buttons",
        page.h2().contains(&"Confirm or Cancel Submission".to_owned())
            && page.attributes("form[action='/submit_confirm/'] input[type=submit]", "value") == ["confirm", "cancel"],
    );
    score.same("WP 3.6", "result pages want a login", site.visitor().get(&format!("/display_result/{id}")).status, 302);
    let mut bob = site.submitter("bob", "acs");
    let page = press(&mut bob, &id, "cancel");
    score.same(
        "WP 3.6",
        "submitting user only",
        page.error(),
        Some("User mismatch: file Submitter='bob' and Confirmer='ann' don't match.".to_owned()),
    );
    let page = press(&mut ann, &id, "confirm");
    score.step("WP 3.6", "the session goes on", !page.drops("sessionid"));
    let shown = ann.follow(&page);
    score.step(
        "WP 3.6",
        "confirmed",
        shown.says("Submission Confirmed.") && shown.says("hst_0279.pmap --> hst_0280.pmap"),
    );
    score.step("WP 3.6", "no link to the page before", !shown.says("Confirmation Page"));
    score.step("WP 3.6", "delivered", site.data.join("deliveries/opus_1_i.cat").exists());
    archive(site);
    let id = id_of(&{
        ann.upload("hst_wfc3_npolfile_0251.rmap", other_npolfile().as_bytes());
        let mut fields = MAPPING.to_vec();
        fields.push(("auto_rename", "False"));
        ann.post("/submit/mapping/", &fields)
    });
    score.step("WP 3.1", "the text False counts as checked", !id.is_empty());
    let page = press(&mut ann, &id, "cancel");
    score.step("WP 3.6", "cancelled", ann.follow(&page).says("Submission Discarded: cancelled by submitter"));
}

/// The empty type with other words in it.
fn other_npolfile() -> String {
    let text = super::web_rules::npolfile().replace("generated by hand", "generated by foot");
    super::web_submissions::resealed(&text)
}

fn deletion_2014(score: &mut Score, site: &Site) {
    let mut sue = site.login("sue", "acs");
    let page = sue.post(
        "/delete/reference/",
        &[("pmap_mode", "pmap_edit"), ("description", "Bad."), ("deleted_files", "m1l0942nj_pfl.fits")],
    );
    score.same("WP 3.6", "immediate", (page.status, page.error()), (302, None));
    let shown = sue.follow(&page);
    score.same("WP 3.6", "page", shown.h2(), vec!["Deleted References".to_owned()]);
    score.same(
        "WP 3.6",
        "parts",
        shown.picks("#contents > h3"),
        ["Starting Context", "Deleted Files", "Generated Mappings"].map(str::to_owned).to_vec(),
    );
    score.step("WP 3.6", "delivered at once", site.data.join("deliveries/hst_0280.pmap").exists());
    let page = sue.post("/recent_activity/", &[("extension", "*"), ("filename", "m1l0942nj_pfl.fits")]);
    score.same("WP 4.4", "one row per deleted reference", page.picks("#recent_activity_table tbody tr").len(), 1);
    let page =
        sue.post("/delete/reference/", &[("pmap_mode", "pmap_edit"), ("description", "Bad."), ("deleted_files", "")]);
    score.same("WP 3.6", "an empty list", page.error(), Some("No files submitted.".to_owned()));
    let page = sue.post(
        "/delete/reference/",
        &[("pmap_mode", "pmap_edit"), ("description", "Bad."), ("deleted_files", "m1l0942nj_pfl.fits")],
    );
    score.same(
        "WP 3.6",
        "membership comes first",
        page.error(),
        Some("File 'm1l0942nj_pfl.fits' does not appear in context 'hst_0280.pmap'".to_owned()),
    );
}

fn locks_2014(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    let id = id_of(&submit_npolfile(&mut ann));
    let mut second = site.login("ann", "acs");
    let lost = "User 'ann' no longer holds lock 'instrument$wfc3'";
    for path in ["/submit/mapping/", "/batch_submit_references/"] {
        score.same("WP 3.6", "a lost lock speaks first", ann.post(path, BATCH).error(), Some(lost.to_owned()));
    }
    let page = press(&mut ann, &id, "confirm");
    let shown = ann.follow(&page);
    score.step(
        "WP 3.6",
        "a lost lock turns into a cancellation",
        shown.says(&format!("Submission Discarded: cancelled due to: {lost}")),
    );
    second.get("/logout/");
    score.same(
        "WP 3.3",
        "unknown instrument",
        site.visitor().log_in("ann", PASSWORD, "foc").error(),
        Some("Invalid value 'foc' for 'instrument'".to_owned()),
    );
}

fn chunks(score: &mut Score, site: &Site) {
    let mut ann = site.login("ann", "none");
    let page = ann.get("/upload/chunked/");
    score.step("WP 3.8", "GET first for the token", page.sets("csrftoken"));
    let token = ann.token();
    let mut send = |range: &str, bytes: &str| {
        let body = format!(
            "--B\r\nContent-Disposition: form-data; name=\"csrfmiddlewaretoken\"\r\n\r\n{token}\r\n--B\r\nContent-Disposition: form-data; name=\"files\"; filename=\"x.fits\"\r\n\r\n{bytes}\r\n--B--\r\n"
        );
        ann.send(
            "POST",
            "/upload/chunked/",
            &[("content-type", "multipart/form-data; boundary=B"), ("content-range", range)],
            body.into_bytes(),
        )
    };
    let page = send("bytes 0-3/6", "abcd");
    score.step("WP 3.8", "a token after each chunk", page.status == 200 && page.sets("csrftoken"));
    score.step("WP 3.5", "not yet whole", !site.data.join("ingest/ann/x.fits").exists());
    let page = send("bytes 5-5/6", "f");
    score.step("WP 3.5", "a piece that does not follow", page.error().is_some());
    let page = send("bytes 4-5/6", "ef");
    score.same(
        "WP 3.5",
        "the last one completes it",
        (page.error(), std::fs::read(site.data.join("ingest/ann/x.fits")).ok()),
        (None, Some(b"abcdef".to_vec())),
    );
    for range in ["bytes 9-1/3", "nonsense", "bytes 0-99/100"] {
        score.step("issue 4", "odd ranges", send(range, "ab").error().is_some());
    }
    let page = ann.get("/submission_form/redcat_description.yml");
    score.step(
        "WP 3.2",
        "the questionnaire",
        page.json().as_array().is_some_and(|all| all.iter().any(|one| one["key"] == "file_type")),
    );
}

fn pipeline(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    let id = id_of(&submit_npolfile(&mut ann));
    ann.get(&format!("/display_result/{id}"));
    let page = ann.post("/submit_confirm_pipeline/", &[("results_id", &id), ("button", "confirm")]);
    score.same("WP 3.2", "confirmed by the pipeline's address", (page.status, page.error()), (302, None));
    score.step("WP 3.6", "delivered", site.data.join("deliveries/opus_1_i.cat").exists());
    let other = Site::open(crds_upgrade::stand_in::server::Era::Y2019);
    let mut ann = other.login("ann", "wfc3");
    for path in ["/upload/chunked/", "/submit_confirm_pipeline/", "/submission_form/redcat_description.yml"] {
        score.same("WP 3.2", &format!("{path} is not of 2019"), ann.get(path).status, 404);
    }
    let page = ann.get("/submission_form/redcat_submit/");
    score.step(
        "WP 3.2",
        "batch submit plus a questionnaire",
        page.error().is_none() && page.text().contains("name=\"file_type\""),
    );
    score.same(
        "WP 3.6",
        "fields are judged as a batch's",
        ann.post("/submission_form/redcat_submit/", &[]).error(),
        Some("Undefined parameter 'pmap_mode'".to_owned()),
    );
    score.same("WP 3.2", "the list", ann.get("/submission_form/redcat_list/").status, 200);
    let page = ann.get("/submission_form/99/");
    score.same(
        "WP 3.2",
        "unknown submission",
        (page.status, page.h2()),
        (404, vec!["Submission ID=99 not found".into()]),
    );
}
