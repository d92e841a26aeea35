//! More of 2014: forms and fields, searches, refusals, batch submissions, contexts, the archive's failures (WP, S14).

use serde_json::{Value, json};

use super::web_browser::{Browser, Page, Site};
use super::web_queries::{rows, with};
use super::web_rules::{OLDER, OPERATIONAL, npolfile};
use super::web_score::Score;
use super::web_submissions::{
    BATCH, MAPPING, NPOLFILE, archive, file_info, id_of, press, resealed, submit_npolfile, uploaded,
};

/// The scenes, each on a server of its own.
pub const SCENES: &[fn(&mut Score, &Site)] = &[
    forms,
    judging,
    searches,
    failures,
    refusals,
    batch,
    certification,
    contexts,
    settling,
    archive_fails,
    additions,
    half_a_lock,
];

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|word| (*word).to_owned()).collect()
}

fn forms(score: &mut Score, site: &Site) {
    let mut ann = site.login("ann", "acs");
    for (path, heading) in [
        ("/set_default_context/", "Set Context"),
        ("/mark_bad/", "Mark Files Bad"),
        ("/certify/", "Certify Files"),
        ("/browse_db/", "Browse Database"),
        ("/recent_activity/", "List Actions"),
        ("/difference/", "Difference File"),
    ] {
        let page = ann.get(path);
        score.same("WP 3.10", &format!("2014: heading of {path}"), page.h2(), vec![heading.to_owned()]);
        score.step("WP 3.1", "a form sets its token", page.sets("csrftoken"));
    }
    let page = ann.get("/submit/mapping/");
    score.same("WP 3.5", "the upload part", page.attributes(".upload_form input[type=file]", "name"), words(&["file"]));
    let fields = page.fields("/submit/mapping/");
    score.same(
        "WP 3.10",
        "the same names",
        fields[..5].to_vec(),
        words(&["csrfmiddlewaretoken", "observatory", "change_level", "creator", "description"]),
    );
    let page = ann.get("/browse_db/");
    score.step("WP 3.10", "no dates", !page.text().contains("start_date") && !page.text().contains("stop_date"));
    for path in ["/login", "/browse_db", "/upload/list", "/json"] {
        let page = ann.get(path);
        score.same(
            "WP 3.1",
            "locations are absolute, also to the slash form",
            (page.status, page.header("location")),
            (301, format!("http://localhost{path}/")),
        );
    }
    let page = ann.post("/bestrefs_explore/", &[("pmap_mode", "pmap_operational"), ("instrument", "acs")]);
    score.step(
        "WP 3.2",
        "no second field per parkey",
        page.text().contains("name=\"DETECTOR\"") && !page.text().contains("DETECTOR_text"),
    );
    let sent = [("pmap_mode", "pmap_text"), ("pmap_text", OLDER), ("context_type", "edit"), ("description", "back")];
    ann.post("/set_default_context/", &sent);
    score.step("WP 3.10", "no *reversion* marks", !ann.get("/set_default_context/").text().contains("*reversion*"));
    let later = Site::open(crds_upgrade::stand_in::server::Era::Y2019);
    let mut other = later.login("ann", "none");
    // What is older than the edit context is marked.
    score.step("WP 3.10", "2019 has them", other.get("/set_default_context/").text().contains("*reversion*"));
    let page = ann.get("/");
    for heading in ["Operational References", "Context History", "Open Services", "Restricted Services"] {
        score.step("WP 3.1", heading, page.picks("h3").iter().any(|title| title.starts_with(heading)));
    }
    score.step("WP 3.7", "no remote contexts", !page.says("Cached Context"));
    let page = site.login("sue", "none").get("/");
    score.step("WP 3.1", "Super User Services", page.picks("h3").contains(&"Super User Services".to_owned()));
}

fn judging(score: &mut Score, site: &Site) {
    let mut ann = site.login("ann", "acs");
    let mut mark = |files: &str, flag: &str, why: &str| {
        ann.post("/mark_bad/", &[("file_known", files), ("badflag", flag), ("why", why)]).error()
    };
    score.same(
        "WP 3.1",
        "plain patterns the same",
        mark("", "maybe", "w"),
        Some("Invalid value 'maybe' for 'badflag'".to_owned()),
    );
    score.same(
        "WP 3.1",
        "an assertion of a named check is appended",
        mark("%x", "ok", "w"),
        Some("Invalid value '%x' for 'file_known' : Invalid file name '%x'".to_owned()),
    );
    score.same("WP 3.1", "no characters are a description", mark("", "ok", ""), None);
    let long = "a".repeat(20_000);
    score.same("WP 3.1", "20000 are", mark("", "ok", &long), None);
    score.step("WP 3.1", "20001 are not", mark("", "ok", &format!("{long}a")).is_some());
    score.step("WP 3.1", "quotes are not", mark("", "ok", "it's").is_some());
    let page = ann.post("/batch_submit_references/", &[("pmap_mode", "pmap_edit")]);
    score.same("WP 3.1", "absent", page.error(), Some("Undefined parameter 'description'".to_owned()));
    score.same("WP 3.1", "a div without an id", page.attributes("div#error_message", "id").len(), 0);
    let page = ann.post(
        "/set_default_context/",
        &[("pmap_mode", "pmap_edit"), ("context_type", "versions"), ("description", "d")],
    );
    score.same("WP 4.3", "two kinds", page.error(), Some("Invalid value 'versions' for 'context_type'".to_owned()));
}

fn searches(score: &mut Score, site: &Site) {
    let mut sue = site.login("sue", "none");
    sue.post("/mark_bad/", &[("file_known", "hst_acs_pfltfile_0249.rmap"), ("badflag", "bad"), ("why", "w")]);
    let mut visitor = site.visitor();
    let fields: Vec<(&str, &str)> =
        with("filename", "hst").into_iter().filter(|(name, _)| !name.ends_with("_date")).collect();
    let page = visitor.post("/browse_db/", &fields);
    score.same("WP 3.7", "seven fields will do", page.error(), None);
    let titles: Value = serde_json::from_str(&page.picks("#table_json").concat()).unwrap_or_default();
    let titles: Vec<&str> =
        titles["aoColumns"].as_array().into_iter().flatten().filter_map(|column| column["sTitle"].as_str()).collect();
    score.same(
        "WP 3.7",
        "columns",
        words(&titles[..9]),
        words(&[
            "delivery date",
            "activation date",
            "useafter date",
            "name",
            "aperture",
            "status",
            "description",
            "instrument",
            "reference type",
        ]),
    );
    let all = rows(&page).len();
    let narrow: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (*name, if *name == "instrument" { "acs" } else { *value })).collect();
    let acs = rows(&visitor.post("/browse_db/", &narrow));
    score.step("WP 3.7", "a file name does not switch other filters off", !acs.is_empty() && acs.len() < all);
    let count = |page: &Page| page.picks("#recent_activity_table tbody tr").len();
    let page = visitor.post("/recent_activity/", &[("filename", "hst_acs*"), ("extension", ".pmap")]);
    score.same("WP 3.7", "nor here", count(&page), 0);
    let page = visitor.post("/recent_activity/", &[("filename", "hst_acs*"), ("extension", "*")]);
    score.same("WP 3.7", "found", count(&page), 1);
}

fn failures(score: &mut Score, site: &Site) {
    let mut hal = site.login("hal", "none");
    let page = hal.get("/edit_context_history/99/hst_0279.pmap/");
    score.same("WP 3.1", "unexpected exceptions are real 500", page.status, 500);
    let mut ann = site.login("ann", "wfc3");
    let fields =
        [("pmap_mode", "pmap_text"), ("pmap_text", OLDER), ("context_type", "operationalX"), ("description", "d")];
    score.same("WP 3.1", "a kind that merely begins like one", ann.post("/set_default_context/", &fields).status, 500);
    score.same("WP 3.6", "no channel", press(&mut ann, "17", "confirm").status, 500);
    ann.get("/jpoll/open_channel/");
    let page = press(&mut ann, "17", "confirm");
    score.step(
        "WP 3.6",
        "unknown integer",
        page.error().is_some_and(|text| text.starts_with("Error fetching result: 17 : ")),
    );
    let page = press(&mut ann, "x", "confirm");
    score.same("WP 3.6", "no integer", page.error(), Some("Invalid value 'x' for 'results_id'".to_owned()));
    let page = press(&mut ann, "17", "force");
    score.same("WP 3.6", "no force", page.error(), Some("Invalid value 'force' for 'button'".to_owned()));
    ann.upload("y7b1516ii_npl.fits", b"no FITS");
    score.same("WP 3.6", "a file that is no FITS", ann.post("/batch_submit_references/", BATCH).status, 500);
    score.same("WP 3.9", "it sends no done", ann.get("/jpoll/pull_messages/").json(), json!([]));
    ann.get("/upload/delete/y7b1516ii_npl.fits");
    ann.upload("odd.fits", &super::web_hostile::header(&super::web_hostile::PRIMARY));
    score.same(
        "RD 6.4",
        "nor has it words for an untold type",
        ann.post("/batch_submit_references/", BATCH).status,
        500,
    );
}

fn refusals(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    let mut bare = MAPPING.to_vec();
    bare.retain(|(name, _)| *name != "generate_contexts" && *name != "pmap_mode");
    let mut refused = |name: &str, bytes: &[u8], path: &str, fields: &[(&str, &str)]| {
        ann.upload(name, bytes);
        let error = ann.post(path, fields).error();
        ann.script_get(&format!("/upload/delete/{name}"));
        error
    };
    score.same(
        "WP 3.6",
        "not a mapping",
        refused("x.fits", b"x", "/submit/mapping/", &bare),
        Some("Can't submit non-mapping file: 'x.fits' using this page.".to_owned()),
    );
    let known = std::fs::read(site.data.join("file_cache/mappings/hst/hst_wfc3_idctab_0250.rmap")).expect("a mapping");
    score.same(
        "WP 3.6",
        "an existing name",
        refused("hst_wfc3_idctab_0250.rmap", &known, "/submit/mapping/", &bare),
        Some("File 'hst_wfc3_idctab_0250.rmap' already exists.".to_owned()),
    );
    let acs = resealed(&npolfile().replace("'WFC3'", "'ACS'"));
    score.same(
        "WP 3.6",
        "another instrument",
        refused("hst_acs_npolfile_0250.rmap", acs.as_bytes(), "/submit/mapping/", MAPPING),
        Some("Instrument Mismatch: Logged in for 'wfc3'. Submitted files for 'acs'.".to_owned()),
    );
    score.same(
        "WP 3.6",
        "no files",
        ann.post("/submit/mapping/", MAPPING).error(),
        Some("No input files were specified.".to_owned()),
    );
    let mut visitor = site.visitor();
    score.same("WP 3.6", "nothing is left", file_info(&mut visitor, "hst_acs_npolfile_0250.rmap"), json!("NOT FOUND"));
}

fn texts(browser: &mut Browser) -> Vec<String> {
    let all = browser.get("/jpoll/pull_messages/").json();
    let text = |one: &Value| one["data"].as_str().map(|text| text.replace("&#39;", "'"));
    all.as_array().into_iter().flatten().filter_map(text).collect()
}

fn batch(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    let d2i = "y7b1516hi_d2i.fits";
    uploaded(&mut ann, &[d2i]);
    let page = ann.post("/batch_submit_references/", BATCH);
    score.same("WP 3.6", "a result page", (page.status, page.error()), (302, None));
    let id = id_of(&page);
    score.same(
        "WP 3.9",
        "texts of a batch",
        texts(&mut ann),
        words(&[
            "Certifying 'y7b1516hi_d2i.fits'",
            "Processing 'y7b1516hi_d2i.fits'",
            "Generating new rmap 'hst_wfc3_d2imfile_0251.rmap' from 'hst_wfc3_d2imfile_0250.rmap' with added files.",
            "Certifying 'hst_wfc3_d2imfile_0251.rmap'",
            "Checking for derivation collisions.",
            "Computing file differences.",
            "Differencing 'hst_wfc3_d2imfile_0250.rmap' vs. 'hst_wfc3_d2imfile_0251.rmap'",
        ]),
    );
    let shown = ann.follow(&page);
    score.step("WP 3.6", "batch always shows Differences", shown.picks("h3").contains(&"Differences".to_owned()));
    score.step("WP 3.6", "Starting Context", shown.says(&format!("Starting Context {OPERATIONAL}")));
    let held = ann.get("/lock_status/").json()["status"].clone();
    let page = press(&mut ann, &id, "confirm");
    score.step("WP 3.6", "the session goes on", !page.drops("sessionid"));
    score.same(
        "WP 3.6",
        "so does the lock",
        (held, ann.get("/lock_status/").json()["status"].clone()),
        (json!("ok"), json!("ok")),
    );
    score.same("WP 3.9", "a confirmation says nothing before its done", texts(&mut ann), Vec::new());
    let page = press(&mut ann, &id, "cancel");
    score.same(
        "WP 3.6",
        "second click",
        page.error(),
        Some("This submission was already confirmed or cancelled.".to_owned()),
    );
    score.step("WP 3.6", "nothing was cancelled", site.data.join("file_cache/references/hst").join(d2i).exists());
    score.same(
        "WP 4.3",
        "the edit context moved",
        site.server.catalogue.context("edit").ok().flatten(),
        Some("hst_0280.pmap".to_owned()),
    );
    let last = site.server.catalogue.history().map(|rows| rows.last().map(|row| row.state.clone())).ok().flatten();
    score.same("WP 4.3", "with a row of its own state", last, Some("edit".to_owned()));
}

fn certification(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    uploaded(&mut ann, &["y7b1516ii_npl.fits"]);
    let page = ann.post("/certify/", &[("pmap_mode", "pmap_edit")]);
    score.same("WP 3.11", "a result", page.status, 302);
    let shown = ann.follow(&page);
    score.same("WP 3.6", "Certify Files", shown.h2(), words(&["Certify Files"]));
    score.same(
        "WP 3.6",
        "result pages want a login",
        site.visitor().get(&format!("/display_result/{}", id_of(&page))).status,
        302,
    );
    score.step("WP 3.6", "files failing: all is cleaned up", {
        // A mapping that cannot be certified: an unknown type.
        ann.script_get("/upload/delete/y7b1516ii_npl.fits");
        let text = resealed(&npolfile().replace("'NPOLFILE'", "'FOOFILE'"));
        ann.upload("hst_wfc3_foofile_0250.rmap", text.as_bytes());
        let mut bare = MAPPING.to_vec();
        bare.retain(|(name, _)| *name != "generate_contexts" && *name != "pmap_mode");
        let page = ann.post("/submit/mapping/", &bare);
        let left = file_info(&mut site.visitor(), "hst_wfc3_foofile_0250.rmap");
        let shown = if page.status == 302 { ann.follow(&page) } else { page };
        left == json!("NOT FOUND") && (shown.error().is_some() || shown.picks("h2.error") == words(&["bad files"]))
    });
}

fn contexts(score: &mut Score, site: &Site) {
    let mut sue = site.login("sue", "none");
    let set = |sue: &mut Browser, kind: &str, pmap: &str| {
        let fields = [("pmap_mode", "pmap_text"), ("pmap_text", pmap), ("context_type", kind), ("description", "d")];
        sue.post("/set_default_context/", &fields)
    };
    score.same(
        "WP 3.6",
        "in use",
        set(&mut sue, "operational", OPERATIONAL).error(),
        Some(format!("'{OPERATIONAL}' is already in use for the 'operational' context.")),
    );
    let fields = [
        ("pmap_mode", "pmap_text"),
        ("pmap_text", OLDER),
        ("rmaps", "hst_acs_pfltfile_0250.rmap"),
        ("description", "From an old one."),
    ];
    let page = sue.post("/create_contexts/", &fields);
    let shown = sue.follow(&page);
    score.step("WP 3.6", "For Rmaps", shown.picks("h3").contains(&"For Rmaps".to_owned()));
    score.same(
        "WP 3.6",
        "not yet available",
        set(&mut sue, "operational", "hst_0280.pmap").error(),
        Some("File 'hst_0280.pmap' is not yet available. Files must be successfully delivered to the archive before operational use.".to_owned()),
    );
    archive(site);
    sue.post("/mark_bad/", &[("file_known", "hst_0280.pmap"), ("badflag", "bad"), ("why", "w")]);
    score.step(
        "WP 3.6",
        "bad files are tested likewise",
        set(&mut sue, "operational", "hst_0280.pmap")
            .error()
            .is_some_and(|text| text.starts_with("Context 'hst_0280.pmap' contains known bad files")),
    );
    score.same("WP 4.2", "edit contexts are not checked", set(&mut sue, "edit", OLDER).picks("h3.success").len(), 1);
    let page = set(&mut sue, "operational", OLDER);
    score.same(
        "WP 3.6",
        "OK line",
        page.picks("h3.success"),
        vec![format!("Changed operational context from {OPERATIONAL} to {OLDER}")],
    );
}

fn settling(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    let id = id_of(&submit_npolfile(&mut ann));
    let page = ann.get(&format!("/submit_confirm/?results_id={id}&button=timeout"));
    score.same("WP 3.6", "the page's script sends timeout by GET", page.status, 302);
    score.step("WP 3.6", "cancelled due to", ann.follow(&page).says("Submission Discarded: cancelled due to"));
    let shown = ann.get(&format!("/display_result/{id}"));
    score.step("WP 3.6", "the disposition", shown.picks("h2.error").concat().starts_with("cancelled due to"));
    score.same("WP 3.6", "rows are gone", file_info(&mut site.visitor(), NPOLFILE), json!("NOT FOUND"));
    score.step("WP 3.6", "uploads are not", site.data.join("ingest/ann").join(NPOLFILE).exists());
    let mut ann = site.submitter("ann", "wfc3");
    let id = id_of(&ann.post("/submit/mapping/", MAPPING));
    ann.get("/jpoll/pull_messages/");
    let page = press(&mut ann, &id, "cancel");
    let all = ann.get("/jpoll/pull_messages/").json();
    let last = all.as_array().and_then(|all| all.last()).cloned().unwrap_or_default();
    score.same(
        "WP 3.9",
        "done with status 0 also when it is discarded",
        (last["type"].clone(), last["data"]["status"].clone()),
        (json!("done"), json!(0)),
    );
    score.same(
        "WP 3.9",
        "and the page's path",
        last["data"]["result"].clone(),
        json!(format!("/display_result/{}", id_of(&page))),
    );
}

fn archive_fails(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    let id = id_of(&submit_npolfile(&mut ann));
    press(&mut ann, &id, "confirm");
    let link = site.data.join("deliveries/opus_1_i.cat");
    let failed = link.with_extension("cat_ERROR");
    std::fs::rename(&link, &failed).expect("the archive may rename links");
    let fields =
        [("pmap_mode", "pmap_text"), ("pmap_text", OLDER), ("context_type", "operational"), ("description", "d")];
    score.same("WP 3.6", "set", ann.post("/set_default_context/", &fields).error(), None);
    std::fs::remove_file(&failed).expect("the archive may remove links");
    ann.get("/delivery_status/");
    let state = |name: &str| site.server.catalogue.file(name).ok().flatten().map(|row| row.state).unwrap_or_default();
    score.same(
        "WP 3.12",
        "2014 no longer reads archiving-failed",
        state("hst_0280.pmap"),
        "archiving-failed".to_owned(),
    );
    let fields = [("pmap_mode", "pmap_edit"), ("context_type", "operational"), ("description", "d")];
    score.step(
        "WP 4.1",
        "so it can never be set",
        ann.post("/set_default_context/", &fields).error().is_some_and(|text| text.contains("is not yet available")),
    );
}

fn additions(score: &mut Score, site: &Site) {
    let mut sue = site.login("sue", "acs");
    let fields =
        |files: &'static str, field: &'static str| [("pmap_mode", "pmap_edit"), ("description", "d"), (field, files)];
    sue.post("/delete/reference/", &fields("m1l0942nj_pfl.fits", "deleted_files"));
    let page = sue.post("/add_existing/reference/", &fields("m1l0942nj_pfl.fits", "added_files"));
    score.step("WP 3.6", "without its bytes nothing can be inserted", page.error().is_some() || page.status == 500);
    let page = sue.post("/add_existing/reference/", &fields("n4t15304j_pfl.fits", "added_files"));
    score.same(
        "WP 3.6",
        "already there",
        page.error(),
        Some("File 'n4t15304j_pfl.fits' is already in context 'hst_0280.pmap'".to_owned()),
    );
    let rows = site.server.catalogue.actions().unwrap_or_default();
    let of: Vec<&str> =
        rows.iter().filter(|row| row.filename == "m1l0942nj_pfl.fits").map(|row| row.action.as_str()).collect();
    score.same("WP 4.4", "2014 writes a row per deleted reference", of, vec!["delete references"]);
    let mut wfc3 = site.login("sue", "wfc3");
    let page = wfc3.post("/delete/reference/", &fields("n4t15304j_pfl.fits", "deleted_files"));
    score.same(
        "WP 3.6",
        "the instrument check",
        page.error(),
        Some("Instrument Mismatch: Logged in for 'wfc3'. Submitted files for 'acs'.".to_owned()),
    );
}

/// B079: one of the two rows of a lock was deleted.
fn half_a_lock(score: &mut Score, site: &Site) {
    let mut ann = site.login("ann", "acs");
    score.same("B079", "a whole lock", ann.get("/certify/").status, 200);
    site.server.catalogue.drop_locks(&["instrument$acs".to_owned()]).expect("a catalogue");
    score.same("B079", "half of it: every request of that user fails", ann.get("/certify/").status, 500);
    score.same(
        "B079",
        "so does a login",
        site.visitor().log_in("ann", super::web_browser::PASSWORD, "none").status,
        500,
    );
    score.same("B079", "others go on", site.login("bob", "none").get("/certify/").status, 200);
    site.server.catalogue.drop_locks(&["instrument$acs$ann".to_owned()]).expect("a catalogue");
    score.same("B079", "until the other half is deleted", ann.get("/certify/").status, 200);
}
