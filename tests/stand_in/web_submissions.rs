//! Submissions from upload to delivery, as WP 3.6 tells them.

use std::os::unix::fs::MetadataExt as _;

use crds_upgrade::stand_in::derive::submissions::shipped;
use serde_json::{Value, json};

use super::web_browser::{Browser, Page, Site};
use super::web_rules::{OPERATIONAL, npolfile};
use super::web_score::Score;

/// The scenes, each on a server of its own.
pub const SCENES: &[fn(&mut Score, &Site)] = &[mapping, mapping_cancelled, batch, stages];

/// Fields of a mapping's form.
pub const MAPPING: &[(&str, &str)] = &[
    ("pmap_mode", "pmap_edit"),
    ("description", "A new empty type."),
    ("creator", "the team"),
    ("change_level", "SEVERE"),
    ("generate_contexts", "checked"),
];

/// Fields of a batch's form.
pub const BATCH: &[(&str, &str)] = &[
    ("pmap_mode", "pmap_edit"),
    ("description", "Two references."),
    ("creator", "the team"),
    ("change_level", "MODERATE"),
    ("compare_old_reference", "on"),
];

/// Name of the rmap that the stories submit.
pub const NPOLFILE: &str = "hst_wfc3_npolfile_0250.rmap";

/// Submits the empty type; gives the answer of the form.
pub fn submit_npolfile(browser: &mut Browser) -> Page {
    browser.upload(NPOLFILE, npolfile().as_bytes());
    browser.post("/submit/mapping/", MAPPING)
}

/// The id in a result page's address.
pub fn id_of(page: &Page) -> String {
    page.header("location").rsplit('/').next().unwrap_or_default().to_owned()
}

/// Presses a button of the confirmation form.
pub fn press(browser: &mut Browser, id: &str, button: &str) -> Page {
    browser.get(&format!("/display_result/{id}"));
    browser.post("/submit_confirm/", &[("results_id", id), ("button", button)])
}

/// The archive takes every delivery.
pub fn archive(site: &Site) {
    for entry in std::fs::read_dir(site.data.join("deliveries")).expect("a server's directory").flatten() {
        std::fs::remove_file(entry.path()).expect("the archive may remove links");
    }
}

/// Texts of the log messages of the visitor's channel, and the last message.
pub fn messages(browser: &mut Browser, key: &str) -> (Vec<String>, Value) {
    let all = browser.get(&format!("/jpoll/pull_messages/{key}/-1/")).json();
    let all = all.as_array().cloned().unwrap_or_default();
    let texts = all
        .iter()
        .filter(|one| one["type"] == "log_message")
        .map(|one| one["data"].as_str().unwrap_or_default().replace("&#39;", "'").replace("&gt;", ">"))
        .collect();
    (texts, all.last().cloned().unwrap_or_default())
}

/// Opens the visitor's channel and gives its key.
pub fn open_channel(browser: &mut Browser) -> String {
    browser.get("/jpoll/open_channel/").json().as_str().unwrap_or_default().to_owned()
}

/// What `get_file_info_map` knows of a file.
pub fn file_info(browser: &mut Browser, name: &str) -> Value {
    browser.call("get_file_info_map", &json!(["hst", [name], null]))["result"][name].clone()
}

/// Headings of a page's parts, accordions left out.
pub fn parts(page: &Page) -> Vec<String> {
    let titles = page.picks(".accordion h3");
    page.picks("#contents h2, #contents h3").into_iter().filter(|part| !titles.contains(part)).collect()
}

/// Uploads files of the shipped submissions.
pub fn uploaded(browser: &mut Browser, names: &[&str]) {
    for one in shipped().expect("the shipped descriptors are whole") {
        if names.contains(&one.name.as_str()) {
            browser.upload(&one.name, &one.bytes);
        }
    }
}

/// A mapping whose text was changed, with the checksum that fits.
pub fn resealed(text: &str) -> String {
    let at = text.find("'sha1sum' : '").map(|at| at + 13).unwrap_or_default();
    super::web_rules::sealed(&text.replace(&text[at..at + 40], "@SHA1@"))
}

fn mapping(score: &mut Score, site: &Site) {
    let mut ann = site.login("ann", "wfc3");
    let key = open_channel(&mut ann);
    let page = submit_npolfile(&mut ann);
    score.same("WP 3.6", "302 to the result page", page.status, 302);
    let id = id_of(&page);
    score.same("WP 3.6", "a UUID", id.len(), 36);
    let (texts, last) = messages(&mut ann, &key);
    score.same(
        "WP 3.9",
        "texts of a mapping, in order",
        texts.iter().map(|text| text.split(" [").next().unwrap_or_default().to_owned()).collect::<Vec<_>>(),
        [
            "Starting submission processing.",
            "Certifying 'hst_wfc3_npolfile_0250.rmap'",
            "Processing 'hst_wfc3_npolfile_0250.rmap'",
            "Copying 'hst_wfc3_npolfile_0250.rmap'",
            "Adding file 'hst_wfc3_npolfile_0250.rmap' to database.",
            "Checking for derivation collisions.",
        ]
        .map(str::to_owned)
        .to_vec(),
    );
    score.same("WP 3.9", "done", (last["type"].clone(), last["data"]["status"].clone()), (json!("done"), json!(0)));
    score.same(
        "WP 3.9",
        "absolute, with a double slash",
        last["data"]["result"].clone(),
        json!(format!("https://hst-crds.example//display_result/{id}")),
    );
    let page = ann.get(&format!("/display_result/{id}"));
    score.same(
        "WP 3.6",
        "parts of the page",
        parts(&page),
        ["Submit Mapping File", "Certify Results", "Confirm or Cancel Submission"].map(str::to_owned).to_vec(),
    );
    score.same(
        "WP 3.6",
        "title of the certification",
        page.picks(".accordion > h3"),
        vec![format!("{NPOLFILE} --> {NPOLFILE} Warnings")],
    );
    score.same(
        "WP 3.8",
        "the element of the file map",
        page.picks(&format!("[id='{NPOLFILE}']")),
        vec![NPOLFILE.to_owned()],
    );
    score.same(
        "WP 3.10",
        "buttons",
        page.attributes("form[action='/submit_confirm/'] input[type=submit]", "value"),
        ["confirm", "cancel", "force"].map(str::to_owned).to_vec(),
    );
    score.same(
        "WP 3.10",
        "hidden id",
        page.attributes("form[action='/submit_confirm/'] input[name=results_id]", "value"),
        vec![id.clone()],
    );
    let mut visitor = site.visitor();
    let public = visitor.get(&format!("/display_result/{id}"));
    score.same(
        "WP 3.6",
        "the page is public, the form is not",
        (public.h2(), public.attributes("form[action='/submit_confirm/']", "method").len()),
        (vec!["Submit Mapping File".to_owned()], 0),
    );
    score.same("WP 3.2", "behind login", visitor.get(&format!("/authenticated_result/{id}")).status, 302);
    let info = file_info(&mut visitor, NPOLFILE);
    score.same(
        "WP 1.10",
        "the row while it waits",
        ["state", "change_level", "creator_name", "deliverer_user", "uploaded_as", "type"]
            .map(|field| info[field].clone())
            .to_vec(),
        ["uploaded", "severe", "the team", "ann", NPOLFILE, "mapping"].map(|text| json!(text)).to_vec(),
    );
    score.same(
        "WP 3.1",
        "a pmap field takes uploaded rows, browse shows them",
        visitor.get(&format!("/browse/{NPOLFILE}")).error(),
        None,
    );
    score.same(
        "WP 3.11",
        "but they are not given out",
        visitor.get(&format!("/get/{NPOLFILE}")).error(),
        Some(format!("File '{NPOLFILE}' is not yet available for distribution.")),
    );
    let cached = site.data.join("file_cache/mappings/hst").join(NPOLFILE);
    let meta = std::fs::metadata(&cached).expect("the mapping is in the cache");
    score.same(
        "SO 3.5",
        "444 from the moment it is catalogued, copied",
        (meta.mode() & 0o777, meta.nlink()),
        (0o444, 1),
    );
    let page = press(&mut ann, &id, "confirm");
    score.same("WP 3.6", "confirmed: 302", page.status, 302);
    score.step("WP 3.1", "a processed confirm drops the session", page.drops("sessionid"));
    score.same(
        "WP 3.6",
        "the lock is dropped",
        visitor.get("/lock_status/ann/").json()["status"].clone(),
        json!("error"),
    );
    let confirmed = visitor.get(&page.header("location"));
    score.same("WP 3.6", "success", confirmed.picks("p.success"), vec!["Submission Confirmed.".to_owned()]);
    score.same(
        "WP 3.6",
        "parts",
        parts(&confirmed),
        ["", "Starting Context", "Uploaded Files", "Generated Files", "Confirmation Page:"].map(str::to_owned).to_vec(),
    );
    score.step("WP 3.6", "starting context", confirmed.says(&format!("Starting Context {OPERATIONAL}")));
    score.step(
        "WP 3.6",
        "generated files",
        confirmed.says("hst_0279.pmap --> hst_0280.pmap")
            && confirmed.says("hst_wfc3_0261.imap --> hst_wfc3_0262.imap"),
    );
    score.step(
        "WP 3.6",
        "link to the earlier page",
        confirmed.text().contains(&format!("href=\"https://hst-crds.example//display_result/{id}\"")),
    );
    let ready = visitor.get(&format!("/display_result/{id}"));
    score.same("WP 3.6", "the earlier page", ready.picks("h2.success"), vec!["confirmed".to_owned()]);
    score.same("WP 3.10", "no hidden channel", ready.error(), None);
    let deliveries: Vec<String> = {
        let mut names: Vec<String> = std::fs::read_dir(site.data.join("deliveries"))
            .expect("a directory")
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    score.same(
        "WP 3.6",
        "links",
        deliveries,
        ["hst_0280.pmap", "hst_wfc3_0262.imap", NPOLFILE, "opus_1_i.cat"].map(str::to_owned).to_vec(),
    );
    let catalogue = site.data.join("catalogs/opus_1_i.cat");
    score.same(
        "WP 3.6",
        "the catalogue lists all, sorted",
        std::fs::read_to_string(&catalogue).unwrap_or_default(),
        format!("hst_0280.pmap\nhst_wfc3_0262.imap\n{NPOLFILE}\n"),
    );
    score.same(
        "SO 17",
        "mode 444, hard links",
        std::fs::metadata(&catalogue).map(|meta| (meta.mode() & 0o777, meta.nlink())).ok(),
        Some((0o444, 2)),
    );
    score.same(
        "SO 3.5",
        "a confirmed mapping has two links",
        std::fs::metadata(&cached).map(|meta| meta.nlink()).ok(),
        Some(2),
    );
    score.step("WP 3.6", "the ingest files are removed", !site.data.join("ingest/ann").join(NPOLFILE).exists());
    let info = file_info(&mut visitor, "hst_0280.pmap");
    score.same(
        "WP 3.6",
        "generated contexts",
        ["state", "creator_name", "uploaded_as", "derived_from", "description", "deliverer_user"]
            .map(|field| info[field].clone())
            .to_vec(),
        ["delivered", "crds", OPERATIONAL, OPERATIONAL, "a new empty type.", "ann"].map(|text| json!(text)).to_vec(),
    );
    score.same(
        "WP 4.3",
        "the edit context moves",
        visitor.get("/context_table/edit").h2(),
        vec!["Historical References (under context hst_0280.pmap)".to_owned()],
    );
    let page = visitor.get("/recent_activity_query/?extension=*");
    score.same(
        "WP 4.4",
        "audit rows backwards through the sorted names",
        page.picks("#recent_activity_table tbody td:nth-child(3)"),
        [NPOLFILE, "hst_wfc3_0262.imap", "hst_0280.pmap"].map(str::to_owned).to_vec(),
    );
    score.step(
        "WP 4.4",
        "details",
        page.says(&format!("['opus_1_i.cat', 'hst_0280.pmap', 'hst_wfc3_0262.imap', '{NPOLFILE}']")),
    );
    let mut ann = site.login("ann", "none");
    let page = ann.post(
        "/set_default_context/",
        &[("pmap_mode", "pmap_edit"), ("context_type", "operational"), ("description", "d")],
    );
    score.same("WP 3.6", "not before the archive took it", page.error(), Some("File 'hst_0280.pmap' is not yet available. Files must be successfully delivered to the archive before operational use.".to_owned()));
    archive(site);
    let page = ann.post(
        "/set_default_context/",
        &[("pmap_mode", "pmap_edit"), ("context_type", "operational"), ("description", "d")],
    );
    score.same(
        "WP 3.6",
        "then it may be set",
        page.picks("h3.success"),
        vec![format!("Changed operational context from {OPERATIONAL} to hst_0280.pmap")],
    );
}

fn mapping_cancelled(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    let id = id_of(&submit_npolfile(&mut ann));
    let page = press(&mut ann, &id, "cancel");
    score.step("WP 3.6", "cancelling ends the session too", page.drops("sessionid"));
    let mut visitor = site.visitor();
    let cancelled = visitor.get(&page.header("location"));
    score.same("WP 3.6", "one l", cancelled.picks("p.error"), vec!["Submission Discarded: canceled".to_owned()]);
    score.same(
        "WP 3.6",
        "disposition",
        visitor.get(&format!("/display_result/{id}")).picks("h2.error"),
        vec!["canceled".to_owned()],
    );
    score.same("WP 1.10", "gone from the catalogue", file_info(&mut visitor, NPOLFILE), json!("NOT FOUND"));
    score.step("WP 3.6", "gone from the cache", !site.data.join("file_cache/mappings/hst").join(NPOLFILE).exists());
    score.step("WP 3.6", "uploads stay", site.data.join("ingest/ann").join(NPOLFILE).exists());
    score.same(
        "WP 4.4",
        "no audit row",
        visitor.get("/recent_activity_query/?extension=*").picks("#recent_activity_table tbody tr").len(),
        0,
    );
    let mut ann = site.submitter("ann", "wfc3");
    let page = press(&mut ann, &id, "confirm");
    score.same(
        "WP 3.6",
        "second click",
        page.error(),
        Some("This submission was already confirmed or cancelled.".to_owned()),
    );
    score.step("WP 3.6", "a refusal logs nobody out", !page.drops("sessionid"));
    ann.get("/upload/delete/hst_wfc3_npolfile_0250.rmap");
    ann.upload("hst_wfc3_npolfile_0250.rmap", npolfile().as_bytes());
    let mut fields = MAPPING.to_vec();
    fields.push(("auto_rename", "on"));
    let page = ann.post("/submit/mapping/", &fields);
    let shown = ann.follow(&page);
    score.same(
        "WP 3.6",
        "numbers are not given again",
        shown.picks(&format!("[id='{NPOLFILE}']")),
        vec!["hst_wfc3_npolfile_0251.rmap".to_owned()],
    );
}

fn batch(score: &mut Score, site: &Site) {
    let mut ann = site.login("ann", "wfc3");
    let key = open_channel(&mut ann);
    uploaded(&mut ann, &["y7b1516hi_d2i.fits", "y7b15172i_idc.fits"]);
    let upload = site.data.join("ingest/ann/y7b1516hi_d2i.fits");
    let page = ann.post("/batch_submit_references/", BATCH);
    score.same("WP 3.6", "302 to the result page", (page.status, page.error()), (302, None));
    let (texts, last) = messages(&mut ann, &key);
    let texts: Vec<String> = texts.iter().map(|text| text.split(" [").next().unwrap_or_default().to_owned()).collect();
    let d2i = "y7b1516hi_d2i.fits";
    let idc = "y7b15172i_idc.fits";
    let mut wanted = vec!["Starting submission processing.".to_owned()];
    wanted.extend([d2i, idc].map(|name| format!("Certifying '{name}'")));
    for old in ["hst_wfc3_d2imfile_0250.rmap", "hst_wfc3_idctab_0250.rmap"] {
        wanted.push(format!("Resolved old rmap as '{old}' based on context '{OPERATIONAL}'"));
        wanted.push(format!("Doing trial insertion of 1 references into '{old}'"));
    }
    for name in [d2i, idc] {
        wanted.extend([
            format!("Processing '{name}'"),
            format!("Linking {name} --> {name}"),
            format!("Adding file '{name}' to database."),
        ]);
    }
    for kind in ["d2imfile", "idctab"] {
        wanted.push(format!("Generating new rmap 'hst_wfc3_{kind}_0251.rmap' from 'hst_wfc3_{kind}_0250.rmap'."));
        wanted.push(format!("Adding file 'hst_wfc3_{kind}_0251.rmap' to database."));
    }
    wanted.extend(["d2imfile", "idctab"].map(|kind| format!("Certifying 'hst_wfc3_{kind}_0251.rmap'")));
    wanted.extend(["Checking for derivation collisions.".to_owned(), "Computing file differences.".to_owned()]);
    wanted.extend(
        ["d2imfile", "idctab"]
            .map(|kind| format!("Differencing 'hst_wfc3_{kind}_0250.rmap' vs. 'hst_wfc3_{kind}_0251.rmap'")),
    );
    score.same("WP 3.9", "texts of a batch, in order", texts, wanted);
    score.same("WP 3.9", "done", last["data"]["status"].clone(), json!(0));
    let id = id_of(&page);
    let ready = ann.follow(&page);
    score.same(
        "WP 3.6",
        "parts",
        parts(&ready),
        [
            "Batch Reference Submit Results",
            "Starting Context",
            "Certify Results",
            "Differences",
            "Confirm or Cancel Submission",
        ]
        .map(str::to_owned)
        .to_vec(),
    );
    let titles = ready.picks("#contents > div.accordion > h3");
    score.step(
        "WP 3.6",
        "uploads, then rmaps",
        titles[0].starts_with("y7b1516hi_d2i.fits --> y7b1516hi_d2i.fits ")
            && titles[2].starts_with("hst_wfc3_d2imfile_0250.rmap --> hst_wfc3_d2imfile_0251.rmap "),
    );
    score.step(
        "WP 3.6",
        "differences by pair",
        titles.contains(&"hst_wfc3_idctab_0250.rmap --> hst_wfc3_idctab_0251.rmap".to_owned()),
    );
    score.step("RD 8", "the statement", ready.says("replaced 'x5h1320ei_idc.fits' with 'y7b15172i_idc.fits'"));
    let cached = site.data.join("file_cache/references/hst").join(d2i);
    let same = |one: &std::path::Path, two: &std::path::Path| match (std::fs::metadata(one), std::fs::metadata(two)) {
        (Ok(one), Ok(two)) => one.ino() == two.ino() && one.nlink() == 2,
        _ => false,
    };
    score.step("SO 3.5", "a reference is linked from the ingest directory", same(&cached, &upload));
    let info = file_info(&mut ann, d2i);
    score.same(
        "WP 1.10",
        "the row",
        ["state", "change_level", "type", "instrument", "filekind", "derived_from", "useafter_date"]
            .map(|field| info[field].clone())
            .to_vec(),
        ["uploaded", "moderate", "reference", "wfc3", "d2imfile", "none", "2009-06-09 00:00:00"]
            .map(|text| json!(text))
            .to_vec(),
    );
    let info = file_info(&mut ann, "hst_wfc3_d2imfile_0251.rmap");
    score.same(
        "WP 3.6",
        "a generated rmap",
        ["uploaded_as", "creator_name", "derived_from"].map(|field| info[field].clone()).to_vec(),
        ["hst_wfc3_d2imfile_0251.rmap", "the team", "hst_wfc3_d2imfile_0250.rmap"].map(|text| json!(text)).to_vec(),
    );
    let page = press(&mut ann, &id, "confirm");
    let confirmed = site.visitor().get(&page.header("location"));
    score.same(
        "WP 3.6",
        "parts of the confirmed page",
        parts(&confirmed),
        ["", "Starting Context", "Uploaded Files", "Generated Files", "Confirmation Page:"].map(str::to_owned).to_vec(),
    );
    for pair in [
        "hst_0279.pmap --> hst_0280.pmap",
        "hst_wfc3_0261.imap --> hst_wfc3_0262.imap",
        "hst_wfc3_idctab_0250.rmap --> hst_wfc3_idctab_0251.rmap",
    ] {
        score.step("WP 3.6", pair, confirmed.says(pair));
    }
    score.same(
        "SO 3.5",
        "confirmed: cache and deliveries",
        std::fs::metadata(&cached).map(|meta| meta.nlink()).ok(),
        Some(2),
    );
    archive(site);
    score.same("SO 3.5", "archived: one", std::fs::metadata(&cached).map(|meta| meta.nlink()).ok(), Some(1));
    let mut sue = site.submitter("sue", "none");
    uploaded(&mut sue, &[d2i]);
    let mut again = BATCH.to_vec();
    again.push(("auto_rename", "on"));
    let page = sue.post("/batch_submit_references/", &again);
    let shown = sue.follow(&page);
    let new = shown.picks(&format!("[id='{d2i}']")).concat();
    score.step("RD 6.3", "auto-rename makes a time name", new.starts_with("y9g") && new.ends_with("i_d2i.fits"));
}

/// Every stage of the archive's pick-up (WP 3.12, 4.1).
fn stages(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    let id = id_of(&submit_npolfile(&mut ann));
    press(&mut ann, &id, "confirm");
    let mut ann = site.login("ann", "none");
    let deliveries = site.data.join("deliveries");
    let seen = |ann: &mut Browser| {
        let page = ann.get("/delivery_status/");
        (
            page.picks("#crds_delivery_table tbody td:nth-child(4)").concat(),
            page.picks("#crds_delivery_table tbody td:nth-child(3)").concat(),
        )
    };
    let mut name = deliveries.join("opus_1_i.cat");
    for (suffix, state) in [
        ("", "delivered"),
        ("_SUBMIT", "submitted"),
        ("_PROC", "archiving"),
        ("_ERROR", "archiving-failed"),
        ("_submit", "submitted"),
        ("_proc", "archiving"),
    ] {
        let next = deliveries.join(format!("opus_1_i.cat{suffix}"));
        std::fs::rename(&name, &next).expect("the archive may rename links");
        name = next;
        score.same("WP 3.7", &format!("link `{suffix}`"), seen(&mut ann), (state.to_owned(), "submit file".to_owned()));
        score.same(
            "WP 1.10",
            "the stored state lags",
            file_info(&mut ann, "hst_0280.pmap")["state"].clone(),
            json!("delivered"),
        );
    }
    let page = ann.get("/set_default_context/");
    score.step("WP 3.1", "labels of the selector", page.says("*unavailable*"));
    std::fs::remove_file(&name).expect("the archive may remove links");
    score.same("WP 4.1", "link gone: archived", seen(&mut ann).0, "archived".to_owned());
    score.same(
        "WP 3.12",
        "and stored, because somebody asked",
        file_info(&mut ann, "hst_0280.pmap")["state"].clone(),
        json!("archived"),
    );
    std::fs::remove_file(site.data.join("catalogs/opus_1_i.cat")).expect("an operator may");
    score.same("WP 3.7", "the catalogue cannot be read", seen(&mut ann).0, "delivery corrupt".to_owned());
}
