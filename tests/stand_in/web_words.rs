//! Words of pages of 2019 that the dossier spells out: forms, refusals, parts of results, answers of uploads.

use crds_upgrade::stand_in::derive::submissions::shipped;

use super::web_browser::{Browser, Site};
use super::web_rules::{OLDER, OPERATIONAL, rmap};
use super::web_score::Score;
use super::web_submissions::{
    BATCH, MAPPING, NPOLFILE, archive, file_info, id_of, messages, open_channel, parts, press, resealed,
    submit_npolfile, uploaded,
};

/// The scenes, each on a server of its own.
pub const SCENES: &[fn(&mut Score, &Site)] = &[
    forms,
    names,
    loaders,
    same_bytes,
    blacklisted,
    one_case,
    broken_lock,
    parts_of_pages,
    all_messages,
    file_pages,
    answers,
    rows_as_written,
    no_contexts,
];

/// WP 3.10: how each form is sent, what its last button says, which are sent by script.
fn forms(score: &mut Score, site: &Site) {
    let mut sue = site.login("sue", "wfc3");
    let mut ann = site.login("ann", "acs");
    let multipart = Some("multipart/form-data");
    let script = "jpoll_ajax_html_form";
    for (super_user, path, action, method, enctype, class, label) in [
        (false, "/login/", "/login/", "post", None, "", "Login"),
        (false, "/set_password/", "/set_password/", "post", multipart, "", "Set New Password"),
        (true, "/set_password/", "/set_password/", "post", multipart, "", "Set New Password"),
        (false, "/set_default_context/", "/set_default_context/", "post", multipart, "", "Set Default Context"),
        (false, "/mark_bad/", "/mark_bad/", "post", multipart, "", "Submit"),
        (false, "/submit/mapping/", "/submit/mapping/", "post", multipart, script, "Submit Files"),
        (false, "/submit/reference/", "/submit/reference/", "post", multipart, script, "Submit Files"),
        (false, "/batch_submit_references/", "", "post", multipart, script, "Submit References"),
        (false, "/delete/reference/", "/delete/reference/", "post", multipart, script, "Delete References"),
        (false, "/add_existing/reference/", "/add_existing/reference/", "post", multipart, script, "Add References"),
        (true, "/create_contexts/", "/create_contexts/", "post", None, "", "Create Parent Contexts"),
        (false, "/certify/", "/certify/", "post", multipart, script, "Certify Files"),
        (false, "/browse_db/", "/browse_db/", "post", None, "", "Submit"),
        (false, "/difference/", "/difference/", "post", multipart, "", "Difference Files"),
        (false, "/bestrefs/", "/bestrefs/", "post", multipart, "", "Submit"),
        (false, "/bestrefs_explore/", "/bestrefs_explore/", "post", None, "", "Choose Instrument"),
    ] {
        let page = if super_user { &mut sue } else { &mut ann }.get(path);
        let form = format!("form[action='{action}']");
        let one = |name: &str| page.attributes(&form, name).first().cloned();
        score.same(
            "WP 3.10",
            &format!("{path}: method"),
            one("method").map(|m| m.to_lowercase()),
            Some(method.to_owned()),
        );
        if enctype.is_some() {
            score.same("WP 3.10", &format!("{path}: M"), one("enctype").as_deref(), enctype);
        }
        let classes = one("class").unwrap_or_default();
        score.same(
            "WP 3.10",
            &format!("{path}: sent by script"),
            classes.split(' ').any(|word| word == script),
            !class.is_empty(),
        );
        score.same(
            "WP 3.10",
            &format!("{path}: its button"),
            page.attributes(&format!("{form} input[type=submit]"), "value").last().map(String::as_str),
            Some(label),
        );
    }
    let page = ann.get("/certify/");
    score.same(
        "WP 3.10",
        "the upload form is another",
        page.attributes("form[action='/upload/new/']", "class").iter().any(|class| class.contains(script)),
        false,
    );
}

fn refusal(browser: &mut Browser, path: &str, name: &str, bytes: &[u8], fields: &[(&str, &str)]) -> Option<String> {
    browser.upload(name, bytes);
    let error = browser.post(path, fields).error();
    browser.get(&format!("/upload/delete/{name}"));
    error
}

fn reference(name: &str) -> Vec<u8> {
    let all = shipped().expect("the shipped descriptors are whole");
    all.into_iter().find(|one| one.name == name).map(|one| one.bytes).unwrap_or_default()
}

/// WP 3.6: names without renaming.
fn names(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    let bytes = reference("y7b1516hi_d2i.fits");
    let error = refusal(&mut ann, "/batch_submit_references/", "my_own.fits", &bytes, BATCH);
    score.same(
        "WP 3.6",
        "batch",
        error,
        Some("Only CRDS-style and CDBS-style names can be accepted without renaming: 'my_own.fits'".to_owned()),
    );
    let error = refusal(&mut ann, "/submit/reference/", "my_own.fits", &bytes, &MAPPING[..4]);
    score.same(
        "WP 3.6",
        "a reference by itself",
        error,
        Some("Invalid reference name 'my_own.fits' unless auto-renaming is used.".to_owned()),
    );
    let error = refusal(&mut ann, "/submit/reference/", "hst_wfc3_idctab_0299.rmap", b"x", &MAPPING[..4]);
    score.same(
        "WP 3.6",
        "a mapping on the page of references",
        error,
        Some("Can't submit mapping file: 'hst_wfc3_idctab_0299.rmap' using this page.".to_owned()),
    );
}

/// WP 3.6: the loader's words when an instrument is to be learned from a mapping.
fn loaders(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    let name = "hst_wfc3_idctab_0299.rmap";
    let whole =
        rmap(name, "hst_wfc3_idctab_0250.rmap", "WFC3", "IDCTAB", "(('DETECTOR',), ('DATE-OBS', 'TIME-OBS'))", "");
    let mut say = |text: &str| refusal(&mut ann, "/submit/mapping/", name, text.as_bytes(), MAPPING);
    score.same(
        "WP 3.6",
        "an unknown word",
        say(&resealed(&whole.replace("'IDCTAB'", "idctab"))),
        Some(format!("Can't load file /ann/{name} : name 'idctab' is not defined")),
    );
    let error = say(&resealed(&whole.replace("Match(", "Mitch("))).unwrap_or_default();
    score.same(
        "WP 3.6",
        "an unknown selector",
        (error.split('[').next(), error.split(']').nth(1)),
        (
            Some(
                format!("Can't load file /ann/{name} : Selector 'Mitch' is not one of supported Selectors: ").as_str(),
            ),
            Some(" at line 16"),
        ),
    );
    score.same(
        "WP 3.6",
        "a wrong checksum",
        say(&whole.replace("'sha1sum' : '", "'sha1sum' : '0")),
        Some(format!("sha1sum mismatch in '{name}'")),
    );
}

/// WP 3.6: bytes that the catalogue has under another name.
fn same_bytes(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    let fields = &MAPPING[..4];
    uploaded(&mut ann, &["y7b1516hi_d2i.fits"]);
    let page = ann.post("/submit/reference/", fields);
    let page = press(&mut ann, &id_of(&page), "confirm");
    score.same("WP 3.6", "delivered", page.error(), None);
    let mut ann = site.submitter("ann", "wfc3");
    let bytes = reference("y7b1516hi_d2i.fits");
    let error = refusal(&mut ann, "/submit/reference/", "y7b1516zi_d2i.fits", &bytes, fields);
    score.same(
        "WP 3.6",
        "the same again",
        error,
        Some("Submitted file 'y7b1516zi_d2i.fits' is identical to existing files: 'y7b1516hi_d2i.fits'".to_owned()),
    );
}

/// WP 3.6, 4.2: a mapping that names a blacklisted one.
fn blacklisted(score: &mut Score, site: &Site) {
    let mut sue = site.submitter("sue", "none");
    let bad = "hst_acs_pfltfile_0249.rmap";
    let fields = [("observatory", "hst"), ("file_known", bad), ("badflag", "bad"), ("why", "Wrong.")];
    score.same("WP 4.2", "marked", sue.post("/mark_bad/", &fields).error(), None);
    let old = std::fs::read_to_string(site.data.join("file_cache/mappings/hst/hst_acs_0255.imap")).unwrap_or_default();
    let text = resealed(&old.replace("'name' : 'hst_acs_0255.imap'", "'name' : 'hst_acs_0299.imap'"));
    sue.upload("hst_acs_0299.imap", text.as_bytes());
    let page = sue.post("/submit/mapping/", &MAPPING[..4]);
    // Its certification looks at references alone; what lies below is looked at where it is taken in.
    score.same(
        "WP 3.6",
        "a blacklisted mapping below",
        page.error(),
        Some(format!("File 'hst_acs_0299.imap' is blacklisted by ['{bad}']")),
    );
    score.same("WP 3.6", "nothing of it stays", file_info(&mut sue, "hst_acs_0299.imap"), "NOT FOUND".into());
    score.step("WP 3.6", "its upload does", site.data.join("ingest/sue/hst_acs_0299.imap").exists());
}

/// RD 2.2: two references of a batch with one case and date are refused where the insertion is tried.
fn one_case(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    let (first, second) = ("y7b1516hi_d2i.fits", "y7b1517hi_d2i.fits");
    let shipped = shipped().expect("the shipped descriptors are whole");
    let file = shipped.iter().find(|one| one.name == first).expect("a d2imfile is shipped");
    for name in [first, second] {
        ann.upload(name, &file.bytes);
    }
    let page = ann.post("/batch_submit_references/", BATCH);
    let error = page.error().unwrap_or_default();
    score.same(
        "RD 2.2",
        "both and their case are named",
        error,
        format!(
            "Matching case for '{second}' exactly overlaps '{first}' at case ((), (('DATE-OBS', '2009-06-09'), \
             ('TIME-OBS', '00:00:00'))) replacing it."
        ),
    );
    score.step(
        "RD 2.5",
        "before a name is spent",
        !site.data.join("file_cache/mappings/hst/hst_wfc3_d2imfile_0251.rmap").exists(),
    );
    ann.get(&format!("/upload/delete/{second}"));
    let page = ann.post("/batch_submit_references/", BATCH);
    let page = ann.follow(&page);
    score.step("RD 2.5", "the first number is still there", page.says("hst_wfc3_d2imfile_0251.rmap"));
    score.step(
        "RD 7.3",
        "each file is certified under its own name, uncounted",
        page.says(&format!("CRDS - INFO - Certifying '{first}' as 'FITS' relative to context")),
    );
}

/// WP 3.6: both locks are named.
fn broken_lock(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    let page = submit_npolfile(&mut ann);
    ann.get("/logout/");
    site.clock.step(60);
    let mut ann = site.submitter("ann", "wfc3");
    let error = press(&mut ann, &id_of(&page), "confirm").error().unwrap_or_default();
    let ids: Vec<&str> = error.split('\'').skip(1).step_by(2).collect();
    let same = |id: &&str| id.starts_with("instrument - wfc3 - ann - ");
    score.step("WP 3.6", "two ids", ids.len() == 3 && ids[0] != ids[1] && ids[..2].iter().all(same));
    score.same(
        "WP 3.6",
        "the text around them",
        ids.iter().take(2).fold(error.clone(), |text, id| text.replacen(id, "<id>", 1)),
        "BROKEN LOCK: Original submission lock '<id>' does not match current lock '<id>' . Use 'force' to confirm anyway."
            .to_owned(),
    );
}

/// WP 3.6: parts of the pages of added references, and of what follows.
fn parts_of_pages(score: &mut Score, site: &Site) {
    let mut bob = site.submitter("bob", "acs");
    let fields = [("pmap_mode", "pmap_edit"), ("description", "Out."), ("deleted_files", "m1l0942nj_pfl.fits")];
    let page = bob.post("/delete/reference/", &fields);
    let page = bob.follow(&page);
    score.same(
        "WP 3.6",
        "deletion",
        parts(&page),
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
    let titles = page.picks(".accordion h3");
    for title in ["Logical Diff", "Text Diff"] {
        score.step("WP 3.6", title, titles.iter().any(|one| one.contains(title)));
    }
    let id = page.attributes("input[name=results_id]", "value").first().cloned().unwrap_or_default();
    let done = press(&mut bob, &id, "confirm");
    let done = site.visitor().get(&done.header("location"));
    score.same(
        "WP 3.6",
        "a confirmed deletion",
        parts(&done),
        ["", "Starting Context", "Deleted Files", "Generated Files", "Confirmation Page:"].map(str::to_owned).to_vec(),
    );
    score.step("WP 3.6", "its link", done.says("Confirmation Page:"));
    // A reference with bytes goes in, out and in again.
    let file = "y7b1516hi_d2i.fits";
    let mut ann = site.submitter("ann", "wfc3");
    uploaded(&mut ann, &[file]);
    let page = ann.post("/batch_submit_references/", BATCH);
    press(&mut ann, &id_of(&page), "confirm");
    let mut ann = site.submitter("ann", "wfc3");
    let fields = [("pmap_mode", "pmap_edit"), ("description", "Out."), ("deleted_files", file)];
    let page = ann.post("/delete/reference/", &fields);
    press(&mut ann, &id_of(&page), "confirm");
    archive(site);
    let mut bob = site.submitter("ann", "wfc3");
    let fields = [("pmap_mode", "pmap_edit"), ("description", "Back."), ("added_files", file)];
    let page = bob.post("/add_existing/reference/", &fields);
    score.same("WP 3.6", "taken", page.error(), None);
    let page = bob.follow(&page);
    score.same(
        "WP 3.6",
        "added references",
        parts(&page).into_iter().take(4).collect::<Vec<_>>(),
        ["Add Existing References Results", "Starting Context", "Added Files", "Certify Results"]
            .map(str::to_owned)
            .to_vec(),
    );
    let id = page.attributes("input[name=results_id]", "value").first().cloned().unwrap_or_default();
    let gone = press(&mut bob, &id, "cancel");
    let gone = site.visitor().get(&gone.header("location"));
    score.same(
        "WP 3.6",
        "cancelled",
        (gone.picks("p.error"), gone.says("Confirmation Page:")),
        (vec!["Submission Discarded: canceled".to_owned()], true),
    );
    let more = gone.attributes("p a", "href").into_iter().rev().nth(1).unwrap_or_default();
    score.same("WP 3.6", "the next submission is nowhere", site.visitor().get(&more).status, 404);
    // One mapping twice: a collision; renamed, so that the confirmed page tells which contexts it went to.
    let fields: Vec<(&str, &str)> = MAPPING.iter().copied().chain([("auto_rename", "on")]).collect();
    let mut ann = site.submitter("ann", "wfc3");
    let known = std::fs::read(site.data.join("file_cache/mappings/hst/hst_wfc3_idctab_0250.rmap")).unwrap_or_default();
    ann.upload("hst_wfc3_idctab_0250.rmap", &known);
    let first = ann.post("/submit/mapping/", &fields);
    let second = ann.post("/submit/mapping/", &fields);
    let page = ann.follow(&second);
    score.step(
        "WP 3.6",
        "an accordion of collisions",
        page.text().contains("<span class=\"warning\">Edit Collision Warnings")
            && page.says("hst_wfc3_idctab_0252.rmap and hst_wfc3_idctab_0251.rmap were both derived from hst_wfc3_idctab_0250.rmap"),
    );
    press(&mut ann, &id_of(&first), "cancel");
    let mut ann = site.submitter("ann", "wfc3");
    ann.get("/logout/");
    let mut sue = site.submitter("sue", "wfc3");
    let done = press(&mut sue, &id_of(&second), "force");
    let done = sue.get(&done.header("location"));
    let shown = parts(&done);
    score.same(
        "WP 3.6",
        "forced",
        shown.into_iter().filter(|part| part != "Collisions").collect::<Vec<_>>(),
        ["", "Starting Context", "Uploaded Files", "Rmaps Added To Contexts", "Generated Files", "Confirmation Page:"]
            .map(str::to_owned)
            .to_vec(),
    );
}

/// WP 3.9: every message of a renamed mapping, a renamed reference and a batch.
fn all_messages(score: &mut Score, site: &Site) {
    let told = |browser: &mut Browser, key: &str| -> Vec<String> {
        let (texts, _) = messages(browser, key);
        texts.iter().map(|text| text.split(" [").next().unwrap_or_default().to_owned()).collect()
    };
    let renamed: Vec<(&str, &str)> = MAPPING.iter().copied().chain([("auto_rename", "on")]).collect();
    let mut ann = site.login("ann", "wfc3");
    let key = open_channel(&mut ann);
    submit_npolfile(&mut ann);
    ann.get(&format!("/upload/delete/{NPOLFILE}"));
    let mut ann = site.login("ann", "wfc3");
    let _ = key;
    let key = open_channel(&mut ann);
    let known = std::fs::read(site.data.join("file_cache/mappings/hst/hst_wfc3_idctab_0250.rmap")).unwrap_or_default();
    ann.upload("hst_wfc3_idctab_0250.rmap", &known);
    ann.post("/submit/mapping/", &renamed);
    let (old, new) = ("hst_wfc3_idctab_0250.rmap", "hst_wfc3_idctab_0251.rmap");
    score.same(
        "WP 3.9",
        "a mapping under a new name",
        told(&mut ann, &key),
        vec![
            "Starting submission processing.".to_owned(),
            format!("Certifying '{old}'"),
            format!("Processing '{old}'"),
            format!("Renaming '{old}' --> '{new}'"),
            format!("Copying '{old}'"),
            format!("Adding file '{old}' to database."),
            "Checking for derivation collisions.".to_owned(),
        ],
    );
    ann.get(&format!("/upload/delete/{old}"));
    let key = open_channel(&mut ann);
    uploaded(&mut ann, &["y7b1516hi_d2i.fits"]);
    ann.post("/batch_submit_references/", BATCH);
    let (old, file) = ("hst_wfc3_d2imfile_0250.rmap", "y7b1516hi_d2i.fits");
    let new = "hst_wfc3_d2imfile_0251.rmap";
    score.same(
        "WP 3.9",
        "a batch",
        told(&mut ann, &key),
        vec![
            "Starting submission processing.".to_owned(),
            format!("Certifying '{file}'"),
            format!("Resolved old rmap as '{old}' based on context '{OPERATIONAL}'"),
            format!("Doing trial insertion of 1 references into '{old}'"),
            format!("Processing '{file}'"),
            format!("Linking {file} --> {file}"),
            format!("Adding file '{file}' to database."),
            format!("Generating new rmap '{new}' from '{old}'."),
            format!("Adding file '{new}' to database."),
            format!("Certifying '{new}'"),
            "Checking for derivation collisions.".to_owned(),
            "Computing file differences.".to_owned(),
            format!("Differencing '{old}' vs. '{new}'"),
        ],
    );
}

/// WP 3.11: pages of files and of differences.
fn file_pages(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let page = visitor.get(&format!("/browse/{OPERATIONAL}"));
    score.step("WP 3.11", "ancestors to compare with", page.h2().iter().any(|seen| seen.contains("diff versus")));
    score.same(
        "WP 3.11",
        "the parent",
        page.attributes("select option", "value").first().cloned(),
        Some(OLDER.to_owned()),
    );
    let page = visitor.get(&format!("/browse/{OLDER}"));
    score.same("WP 3.11", "a parent without a row", page.h2(), vec![format!("Browse {OLDER} context table download")]);
    let page = visitor.get(&format!("/difference/?file1={OLDER}&file2={OPERATIONAL}"));
    score.same(
        "WP 3.11",
        "heading of a difference",
        page.h2(),
        vec![format!("Difference {OLDER} against {OPERATIONAL}")],
    );
    let titles = page.picks(".accordion h3");
    let pairs: Vec<&String> = titles.iter().filter(|title| !title.contains("Diff")).collect();
    score.same(
        "WP 3.11",
        "pairs, by title",
        pairs,
        [
            "hst_0278.pmap --> hst_0279.pmap",
            "hst_acs_0255.imap --> hst_acs_0256.imap",
            "hst_acs_pfltfile_0249.rmap --> hst_acs_pfltfile_0250.rmap",
        ]
        .map(str::to_owned)
        .iter()
        .collect(),
    );
    score.step(
        "WP 3.11",
        "titles end in the pair",
        titles
            .iter()
            .filter(|title| title.contains("Diff"))
            .all(|title| title.split(" --> ").count() == 2 && title.ends_with("map")),
    );
    score.same(
        "WP 3.11",
        "nothing to tell",
        visitor.get(&format!("/difference/?file1={OPERATIONAL}&file2={OPERATIONAL}")).error(),
        None,
    );
    let page = visitor.get("/difference/?file1=l2d0959cj_pfl.fits&file2=m1l0942nj_pfl.fits");
    score.step(
        "WP 3.11",
        "bytes that are away",
        page.error().is_some_and(|text| {
            text.starts_with("File '") && text.ends_with("is not available in the server file cache.")
        }),
    );
    let page = visitor.get(&format!("/difference/?file1={OPERATIONAL}"));
    score.same("WP 3.11", "one left out", page.error(), Some("Undefined parameter 'file2'".to_owned()));
    let page = visitor.get(&format!("/difference/?file1={OPERATIONAL}&file2=hst_acs_0256.imap"));
    let wanted = "The specified files are not compatible for differencing. (Different file name extensions.)";
    score.same("WP 3.11", "of two kinds", page.error(), Some(wanted.to_owned()));
    let page = visitor.get("/browse/hst_0999.pmap");
    score.same("WP 3.11", "unknown", page.error(), Some("Can't find 'hst_0999.pmap'".to_owned()));
}

/// WP 3.5: shapes and headers of the answers.
fn answers(score: &mut Score, site: &Site) {
    let mut ann = site.login("ann", "none");
    let page = ann.upload("a_b.fits", b"12345");
    let wanted = serde_json::json!({"files": [
        {"name": "a_b.fits", "size": 5, "deleteUrl": "/upload/delete/a_b.fits", "deleteType": "DELETE"},
    ]});
    score.same("WP 3.5", "an upload", page.json(), wanted.clone());
    score.same("WP 3.5", "its headers", page.header("content-disposition"), "inline; filename=files.json".to_owned());
    for (accept, kind) in [("application/json, text/javascript, */*", "application/json"), ("*/*", "text/plain")] {
        ann.accept = Some(accept.to_owned());
        let page = ann.get("/upload/list/");
        score.same(
            "WP 3.5",
            accept,
            page.header("content-type").split(';').next().map(str::to_owned),
            Some(kind.into()),
        );
        score.same("WP 3.5", "listed", page.json(), wanted.clone());
        score.same(
            "WP 3.5",
            "the list's header",
            page.header("content-disposition"),
            "inline; filename=files.json".to_owned(),
        );
    }
    score.same(
        "WP 3.5",
        "the form is elsewhere",
        ann.get("/upload/new/").header("location"),
        "/upload/list/".to_owned(),
    );
    score.same("WP 3.5", "by script", ann.script_get("/upload/delete/unknown.fits").json(), serde_json::json!(true));
    let page = ann.get("/upload/delete/a_b.fits");
    score.same("WP 3.5", "by hand", (page.status, page.header("location")), (302, "/upload/new/".to_owned()));
    score.same("WP 3.5", "gone", ann.get("/upload/list/").json(), serde_json::json!({"files": []}));
}

/// WP 3.6: what a confirmation writes into the catalogue.
fn rows_as_written(score: &mut Score, site: &Site) {
    let file = "y7b1516hi_d2i.fits";
    let fields = ["derived_from", "uploaded_as", "change_level", "creator_name", "deliverer_user", "description"];
    let row = |browser: &mut Browser, name: &str| -> Vec<String> {
        let info = file_info(browser, name);
        fields.iter().map(|field| info[*field].as_str().unwrap_or("?").to_owned()).collect()
    };
    let words = |words: [&str; 6]| words.map(str::to_owned).to_vec();
    let mut ann = site.submitter("ann", "wfc3");
    uploaded(&mut ann, &[file]);
    let page = ann.post("/batch_submit_references/", BATCH);
    press(&mut ann, &id_of(&page), "confirm");
    archive(site);
    let mut visitor = site.visitor();
    let rmap = "hst_wfc3_d2imfile_0251.rmap";
    let why = "two references.";
    for (name, wanted) in [
        (file, ["none", file, "moderate", "the team", "ann", why]),
        (rmap, ["hst_wfc3_d2imfile_0250.rmap", rmap, "severe", "the team", "ann", why]),
        ("hst_wfc3_0262.imap", ["hst_wfc3_0261.imap", "hst_wfc3_0261.imap", "severe", "crds", "ann", why]),
        ("hst_0280.pmap", [OPERATIONAL, OPERATIONAL, "severe", "crds", "ann", why]),
    ] {
        score.same("WP 3.6", name, row(&mut visitor, name), words(wanted));
    }
    let mut ann = site.submitter("ann", "wfc3");
    let fields = [("pmap_mode", "pmap_edit"), ("description", "Out."), ("deleted_files", file)];
    let page = ann.post("/delete/reference/", &fields);
    press(&mut ann, &id_of(&page), "confirm");
    archive(site);
    let made = "hst_wfc3_d2imfile_0252.rmap";
    score.same(
        "WP 3.6",
        "made by a deletion",
        row(&mut visitor, made),
        words([rmap, made, "severe", "unknown", "ann", "out."]),
    );
}

/// WP 3.6: submissions that make no contexts start nowhere.
fn no_contexts(score: &mut Score, site: &Site) {
    let mut ann = site.submitter("ann", "wfc3");
    ann.upload(NPOLFILE, super::web_rules::npolfile().as_bytes());
    let page = ann.post("/submit/mapping/", &MAPPING[..4]);
    let page = press(&mut ann, &id_of(&page), "confirm");
    let mut visitor = site.visitor();
    let page = visitor.get(&page.header("location"));
    score.same(
        "WP 3.6",
        "a mapping",
        (page.says("Starting Context None"), page.picks("p.warning")),
        (true, Vec::new()),
    );
    let mut ann = site.submitter("ann", "wfc3");
    uploaded(&mut ann, &["y7b1516hi_d2i.fits"]);
    let fields: Vec<(&str, &str)> = MAPPING[..4].iter().copied().chain([("compare_old_reference", "on")]).collect();
    let page = ann.post("/submit/reference/", &fields);
    let page = press(&mut ann, &id_of(&page), "confirm");
    let page = visitor.get(&page.header("location"));
    score.same(
        "WP 3.6",
        "a reference that was compared",
        page.picks("p.warning"),
        vec![format!("WARNING: predicted starting context changed from {OPERATIONAL} to None.")],
    );
    score.same("WP 3.6", "no other files", page.says("Generated Files"), false);
}
