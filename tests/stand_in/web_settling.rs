//! Deletions, second thoughts, requests that die (WP 3.6).

use serde_json::json;

use super::web_browser::Site;
use super::web_rules::{OLDER, OPERATIONAL};
use super::web_score::Score;
use super::web_submissions::{
    NPOLFILE, archive, file_info, id_of, messages, open_channel, parts, press, submit_npolfile, uploaded,
};

/// The scenes, each on a server of its own.
pub const SCENES: &[fn(&mut Score, &Site)] = &[deletion, second_thoughts, certification, contexts, dead_requests];

fn deletion(score: &mut Score, site: &Site) {
    let mut bob = site.login("bob", "acs");
    let key = open_channel(&mut bob);
    let fields = [
        ("pmap_mode", "pmap_edit"),
        ("description", "Bad flats."),
        ("deleted_files", "m1l0942nj_pfl.fits,n4t15304j_pfl.fits"),
    ];
    let page = bob.post("/delete/reference/", &fields);
    score.same("WP 3.6", "2019 goes through the confirm step", (page.status, page.error()), (302, None));
    let (texts, _) = messages(&mut bob, &key);
    score.same(
        "WP 3.9",
        "after the start from Generating on",
        texts[..2].to_vec(),
        vec![
            "Starting submission processing.".to_owned(),
            "Generating new rmap 'hst_acs_pfltfile_0251.rmap' from 'hst_acs_pfltfile_0250.rmap'.".to_owned(),
        ],
    );
    let id = id_of(&page);
    let ready = bob.follow(&page);
    score.same(
        "WP 3.6",
        "parts",
        parts(&ready),
        [
            "Delete References Results",
            "Starting Context",
            "Deleted Files",
            "Certify Results",
            "Differences",
            "Confirm or Cancel Submission",
        ]
        .map(str::to_owned)
        .to_vec(),
    );
    score.step(
        "WP 3.6",
        "a deletion makes certify warn",
        ready.picks(".accordion > h3").first().is_some_and(|title| title.ends_with("Warnings")),
    );
    let info = file_info(&mut bob, "hst_acs_pfltfile_0251.rmap");
    score.same("WP 3.6", "creator", info["creator_name"].clone(), json!("unknown"));
    let page = press(&mut bob, &id, "confirm");
    let mut visitor = site.visitor();
    let confirmed = visitor.get(&page.header("location"));
    score.same(
        "WP 3.6",
        "parts",
        parts(&confirmed),
        ["", "Starting Context", "Deleted Files", "Generated Files", "Confirmation Page:"].map(str::to_owned).to_vec(),
    );
    score.same(
        "WP 3.11",
        "the reference is out of the edit context",
        visitor.get("/uses/m1l0942nj_pfl.fits").json(),
        json!(["hst_0279.pmap", "hst_acs_0256.imap", "hst_acs_pfltfile_0250.rmap"]),
    );
    let mut bob = site.submitter("bob", "acs");
    for (path, field, names, error) in [
        (
            "/delete/reference/",
            "deleted_files",
            "m1l0942nj_pfl.fits",
            "File 'm1l0942nj_pfl.fits' does not appear in context 'hst_0280.pmap'",
        ),
        (
            "/add_existing/reference/",
            "added_files",
            "l2d0959cj_pfl.fits",
            "File 'l2d0959cj_pfl.fits' is already in context 'hst_0280.pmap'",
        ),
        (
            "/delete/reference/",
            "deleted_files",
            "x5o1555ji_d2i.fits",
            "Instrument Mismatch: Logged in for 'acs'. Submitted files for 'wfc3'.",
        ),
        // The lock is asked about before anything is sorted by instrument, and before mappings are refused.
        (
            "/delete/reference/",
            "deleted_files",
            "l2d0959cj_pfl.fits x5o1555ji_d2i.fits",
            "Instrument Mismatch: Logged in for 'acs'. Submitted files for 'wfc3'.",
        ),
        (
            "/add_existing/reference/",
            "added_files",
            "hst_wfc3_idctab_0250.rmap",
            "Instrument Mismatch: Logged in for 'acs'. Submitted files for 'wfc3'.",
        ),
        (
            "/add_existing/reference/",
            "added_files",
            "hst_acs_pfltfile_0250.rmap",
            "Non-reference-file's cannot be submitted in a batch submission: 'hst_acs_pfltfile_0250.rmap'",
        ),
    ] {
        let page = bob.post(path, &[("pmap_mode", "pmap_edit"), ("description", "d"), (field, names)]);
        score.same("WP 3.6", error, page.error(), Some(error.to_owned()));
        score.step("WP 3.1", "on its own form", !page.h2().is_empty());
    }
    let page =
        bob.post("/delete/reference/", &[("pmap_mode", "pmap_edit"), ("description", "d"), ("deleted_files", "")]);
    score.same("WP 3.6", "an empty list makes a result page", page.status, 302);
    let id = id_of(&page);
    let page = press(&mut bob, &id, "confirm");
    score.same("WP 3.6", "its confirmation then fails", page.error(), Some("No files submitted.".to_owned()));
    score.same(
        "WP 3.6",
        "and stays finalizing",
        bob.get(&format!("/display_result/{id}")).picks("h2.error"),
        vec!["finalizing".to_owned()],
    );
    let mut sue = site.login("sue", "none");
    sue.post("/mark_bad/", &[("file_known", "m1l0942nj_pfl.fits"), ("badflag", "bad"), ("why", "w")]);
    archive(site);
    let page = sue.post(
        "/set_default_context/",
        &[("pmap_mode", "pmap_edit"), ("context_type", "operational"), ("description", "d")],
    );
    score.same("WP 3.6", "set", page.picks("h3.success").len(), 1);
    let page = sue.post("/mark_bad/", &[("file_known", "m1l0942nj_pfl.fits"), ("badflag", "bad"), ("why", "w")]);
    score.same("design 4", "delete, set context, mark bad: then it may be marked", page.error(), None);
    let page = bob.post(
        "/add_existing/reference/",
        &[("pmap_mode", "pmap_edit"), ("description", "d"), ("added_files", "m1l0942nj_pfl.fits")],
    );
    score.same(
        "WP 3.6",
        "bad files cannot be added",
        page.error(),
        Some("File 'm1l0942nj_pfl.fits' is bad or contains bad files.".to_owned()),
    );
    let page = sue.post(
        "/set_default_context/",
        &[
            ("pmap_mode", "pmap_text"),
            ("pmap_text", OPERATIONAL),
            ("context_type", "operational"),
            ("description", "d"),
        ],
    );
    score.same("WP 3.6", "bad files inside", page.error(), Some(format!("Context '{OPERATIONAL}' contains known bad files and cannot be made the default (last 4 of 1 bad files): m1l0942nj_pfl.fits")));
}

fn second_thoughts(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    let id = id_of(&submit_npolfile(&mut ann));
    let mut bob = site.submitter("bob", "acs");
    let page = bob.post("/submit_confirm/", &[("results_id", &id)]);
    score.same("WP 3.6", "button first", page.error(), Some("Undefined parameter 'button'".to_owned()));
    let page = bob.post("/submit_confirm/", &[("button", "confirm"), ("results_id", "17")]);
    score.same("WP 3.6", "then the id", page.error(), Some("Invalid value '17' for 'results_id'".to_owned()));
    let unknown = "00000000-0000-0000-0000-000000000000";
    let page = bob.post("/submit_confirm/", &[("button", "confirm"), ("results_id", unknown)]);
    score.same(
        "WP 3.6",
        "unknown id",
        page.error(),
        Some(format!("Error fetching result: {unknown} : Couldn't find RepeatableResultBlob named '{unknown}'")),
    );
    score.same(
        "WP 3.6",
        "on the page",
        bob.get(&format!("/display_result/{unknown}")).error(),
        Some(format!("Error loading result {unknown} : Couldn't find RepeatableResultBlob named '{unknown}'")),
    );
    let page = press(&mut bob, &id, "confirm");
    score.same(
        "WP 3.6",
        "another user",
        page.error(),
        Some("User mismatch: file Submitter='bob' and Confirmer='ann' don't match.".to_owned()),
    );
    score.same("WP 3.1", "on the bare base page", page.h2().len(), 0);
    let mut quiet = site.login("ann", "wfc3");
    let page = press(&mut quiet, &id, "confirm");
    score.same("WP 3.6", "no channel", page.error(), Some("internal server error".to_owned()));
    let mut lockless = site.login("bob", "none");
    lockless.get("/logout/");
    let mut lockless = site.login("bob", "none");
    let page = press(&mut lockless, &id, "cancel");
    score.same(
        "WP 3.6",
        "a lock of any instrument is needed",
        page.error(),
        Some("You can't access this function without logging in for a particular instrument.".to_owned()),
    );
    ann.get("/logout/");
    let mut ann = site.submitter("ann", "wfc3");
    let page = press(&mut ann, &id, "confirm");
    let error = page.error().unwrap_or_default();
    score.step(
        "WP 3.6",
        "another lock",
        error.starts_with("BROKEN LOCK: Original submission lock 'instrument - wfc3 - ann - 2014-09-16T")
            && error.ends_with("Use 'force' to confirm anyway."),
    );
    score.same(
        "WP 3.6",
        "the submission stays pending",
        ann.get(&format!("/display_result/{id}"))
            .attributes("form[action='/submit_confirm/'] input[type=submit]", "value")
            .len(),
        3,
    );
    let mut bob = site.submitter("bob", "acs");
    bob.upload(NPOLFILE, b"bob's own");
    let page = press(&mut bob, &id, "force");
    score.same("WP 3.6", "force by anybody with any lock", (page.status, page.drops("sessionid")), (302, true));
    let mut visitor = site.visitor();
    score.same(
        "WP 3.6",
        "disposition",
        visitor.get(&format!("/display_result/{id}")).picks("h2.error"),
        vec!["forced".to_owned()],
    );
    score.same(
        "WP 3.6",
        "rows name the submitter",
        file_info(&mut visitor, "hst_0280.pmap")["deliverer_user"].clone(),
        json!("ann"),
    );
    score.step(
        "WP 3.6",
        "the clicker's ingest directory is cleared, the submitter's is not",
        !site.data.join("ingest/bob").join(NPOLFILE).exists() && site.data.join("ingest/ann").join(NPOLFILE).exists(),
    );
    score.same(
        "WP 3.6",
        "the submitter's session and lock stay",
        (ann.get("/lock_status/").json()["status"].clone(), visitor.get("/lock_status/bob/").json()["status"].clone()),
        (json!("ok"), json!("error")),
    );
    let mut bob = site.submitter("bob", "acs");
    let page = bob.post(
        "/delete/reference/",
        &[("pmap_mode", "pmap_edit"), ("description", "d"), ("deleted_files", "m1l0942nj_pfl.fits")],
    );
    let second = id_of(&page);
    press(&mut bob, &second, "confirmX");
    score.same(
        "WP 3.1",
        "confirmX cancels",
        visitor.get(&format!("/display_result/{second}")).picks("h2.error"),
        vec!["confirmXed".to_owned()],
    );
    // Two pages of one mind: the prediction is wrong for the second.
    let mut ann = site.submitter("ann", "acs");
    let page = ann.post(
        "/delete/reference/",
        &[("pmap_mode", "pmap_edit"), ("description", "d"), ("deleted_files", "m1l0942nj_pfl.fits")],
    );
    let first = id_of(&page);
    let page = ann.post(
        "/delete/reference/",
        &[("pmap_mode", "pmap_edit"), ("description", "d"), ("deleted_files", "n4t15304j_pfl.fits")],
    );
    let other = id_of(&page);
    let shown = ann.get(&format!("/display_result/{other}"));
    score.step(
        "WP 3.6",
        "collisions with each other row of the parent",
        parts(&shown).contains(&"Collisions".to_owned())
            && shown.says("were both derived from hst_acs_pfltfile_0250.rmap"),
    );
    press(&mut ann, &first, "confirm");
    let mut ann = site.submitter("ann", "acs");
    let page = press(&mut ann, &other, "force");
    let confirmed = visitor.get(&page.header("location"));
    score.same(
        "WP 3.6",
        "predicted starting context",
        confirmed.picks("p.warning").first().cloned(),
        Some("WARNING: predicted starting context changed from hst_0280.pmap to hst_0281.pmap.".to_owned()),
    );
    let page = visitor.get("/old_results/");
    score.same("WP 3.7", "ready and confirmed pages are two", page.picks("tbody tr").len(), 8);
}

fn certification(score: &mut Score, site: &Site) {
    let mut sue = site.login("sue", "none");
    let fields = [("pmap_mode", "pmap_edit"), ("compare_old_reference", "on")];
    let page = sue.post("/certify/", &[]);
    score.same("WP 3.11", "context first", page.error(), Some("Undefined parameter 'pmap_mode'".to_owned()));
    let page = sue.post("/certify/", &fields);
    score.same("WP 3.11", "then files", page.error(), Some("No input files were specified.".to_owned()));
    uploaded(&mut sue, &["y7b1516hi_d2i.fits"]);
    let page = sue.post("/certify/", &fields);
    score.same("WP 3.11", "then the channel", page.error(), Some("internal server error".to_owned()));
    let key = open_channel(&mut sue);
    let page = sue.post("/certify/", &fields);
    score.same("WP 3.11", "it stores a result", page.status, 302);
    let (texts, last) = messages(&mut sue, &key);
    score.same(
        "WP 3.9",
        "certify",
        (texts, last["type"].clone()),
        (vec!["Certifying 'y7b1516hi_d2i.fits'".to_owned()], json!("done")),
    );
    let shown = sue.follow(&page);
    score.same(
        "WP 3.6",
        "parts for super users",
        parts(&shown),
        ["Certify Files", "Certify Results", "Blacklist Checks"].map(str::to_owned).to_vec(),
    );
    score.step(
        "WP 3.6",
        "title",
        shown
            .picks(".accordion > h3")
            .first()
            .is_some_and(|title| title.starts_with("y7b1516hi_d2i.fits ") && !title.contains("-->")),
    );
    let mut visitor = site.visitor();
    score.same(
        "WP 3.7",
        "old results leave certifications out",
        visitor.get("/old_results/").picks("tbody tr").len(),
        0,
    );
    score.same(
        "WP 3.11",
        "catalogue and counters alone",
        file_info(&mut visitor, "y7b1516hi_d2i.fits"),
        json!("NOT FOUND"),
    );
    score.step("WP 3.11", "files alone", site.data.join("ingest/sue/y7b1516hi_d2i.fits").exists());
}

fn contexts(score: &mut Score, site: &Site) {
    let mut sue = site.login("sue", "none");
    let fields = [
        ("pmap_mode", "pmap_text"),
        ("pmap_text", OLDER),
        ("rmaps", "hst_acs_pfltfile_0250.rmap"),
        ("description", "From an old one."),
    ];
    let page = sue.post("/create_contexts/", &fields);
    score.same("WP 3.6", "no confirmation step", (page.status, page.error()), (302, None));
    let shown = sue.follow(&page);
    score.same(
        "WP 3.6",
        "parts",
        parts(&shown)[..4].to_vec(),
        ["Create New Contexts", "Starting Context", "Added Existing Rmaps", "Generated Contexts"]
            .map(str::to_owned)
            .to_vec(),
    );
    score.step(
        "WP 3.6",
        "what was made",
        shown.says("hst_0278.pmap --> hst_0280.pmap") && shown.says("hst_acs_0255.imap --> hst_acs_0257.imap"),
    );
    score.step(
        "WP 3.6",
        "collisions",
        shown.says("hst_0280.pmap and hst_0279.pmap were both derived from hst_0278.pmap"),
    );
    let mut visitor = site.visitor();
    score.same(
        "WP 4.3",
        "the highest name becomes the edit context, also backwards in content",
        visitor.get("/context_table/edit").h2(),
        vec!["Historical References (under context hst_0280.pmap)".to_owned()],
    );
    let page = visitor.get("/recent_activity_query/?extension=*&action=new+context");
    score.same("WP 4.4", "action", page.picks("#recent_activity_table tbody tr").len(), 2);
    let page =
        sue.post("/create_contexts/", &[("pmap_mode", "pmap_edit"), ("rmaps", "hst_0279.pmap"), ("description", "d")]);
    score.same("WP 3.10", "rmaps only", page.error(), Some("Invalid value 'hst_0279.pmap' for 'rmaps'".to_owned()));
    for (rmaps, error) in [
        ("foon/a", "Unknown CRDS file 'foon/a'"),
        ("acs_nosuch_n/a", "Invalid filekind: 'nosuch'"),
        ("foc_darkfile_n/a", "Invalid instrument: 'foc'"),
        ("hst_acs_darkfile_n/a", "internal server error"),
    ] {
        let page = sue.post("/create_contexts/", &[("pmap_mode", "pmap_edit"), ("rmaps", rmaps), ("description", "d")]);
        score.same("RD 5.1", "what a type without rules is written like", page.error(), Some(error.to_owned()));
    }
    let mut ann = site.submitter("ann", "wfc3");
    submit_npolfile(&mut ann);
    let page = sue.post("/create_contexts/", &[("pmap_mode", "pmap_edit"), ("rmaps", NPOLFILE), ("description", "d")]);
    score.same("WP 3.6", "stored state", page.error(), Some(format!("File '{NPOLFILE}' is only in state 'uploaded'")));
}

/// A confirmation that dies leaves the half state of a real server (issue 4, fault knobs).
fn dead_requests(score: &mut Score, site: &Site) {
    let faults = site.data.join("faults");
    std::fs::create_dir_all(&faults).expect("a data directory");
    let mut ann = site.submitter("ann", "wfc3");
    let id = id_of(&submit_npolfile(&mut ann));
    std::fs::write(faults.join("crash_at"), "confirm.catalogue_written").expect("a data directory");
    let page = press(&mut ann, &id, "confirm");
    score.same("issue 4", "the request dies", page.error(), Some("internal server error".to_owned()));
    std::fs::remove_file(faults.join("crash_at")).expect("it was just written");
    score.same(
        "WP 3.6",
        "finalizing for ever",
        ann.get(&format!("/display_result/{id}")).picks("h2.error"),
        vec!["finalizing".to_owned()],
    );
    score.same("WP 3.6", "files uploaded", file_info(&mut ann, "hst_0280.pmap")["state"].clone(), json!("uploaded"));
    score.step(
        "issue 4",
        "the catalogue is there, its links are not",
        site.data.join("catalogs/opus_1_i.cat").exists() && !site.data.join("deliveries/opus_1_i.cat").exists(),
    );
    std::fs::write(faults.join("uploads_full"), "").expect("a data directory");
    let page = ann.upload("x.fits", b"x");
    score.same("issue 4", "uploads_full", page.error(), Some("internal server error".to_owned()));
    std::fs::write(faults.join("escaped_upload_script"), "").expect("a data directory");
    score.step("issue 4", "escaped_upload_script", ann.get("/certify/").text().contains("&quot;use strict&quot;"));
}
