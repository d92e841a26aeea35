//! Fault knobs that strike pages and submissions: what each leaves behind is what a real server left (WP 3.6, 5.4; the
//! fault catalogue). Every crash point is struck once; the half state is read from pages, answers and the disk.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use crds_upgrade::stand_in::server::Era;
use crds_upgrade::stand_in::server::faults::{CRASH_POINTS, KNOBS};
use serde_json::json;

use super::web_browser::{Browser, Page, Site};
use super::web_rules::{OLDER, OPERATIONAL};
use super::web_score::Score;
use super::web_submissions::{
    BATCH, MAPPING, NPOLFILE, archive, file_info, id_of, messages, open_channel, press, submit_npolfile, uploaded,
};

fn on(site: &Site, knob: &str, text: &str) {
    assert!(KNOBS.iter().any(|known| known.name == knob), "{knob} is listed");
    fs::create_dir_all(site.data.join("faults")).expect("a data directory");
    fs::write(site.data.join("faults").join(knob), text).expect("a data directory");
}

fn off(site: &Site, knob: &str) {
    fs::remove_file(site.data.join("faults").join(knob)).expect("the knob is on");
}

#[test]
fn every_knob_and_crash_point_is_tested() {
    let sources = [include_str!("rpc/faults.rs"), include_str!("web_faults.rs"), include_str!("web_settling.rs")];
    for name in KNOBS.iter().map(|knob| knob.name).chain(CRASH_POINTS.iter().copied()) {
        let quoted = [format!("\"{name}\""), format!(".join(\"{name}\")")];
        assert!(
            sources.iter().any(|source| quoted.iter().any(|text| source.contains(text))),
            "no test names the knob or crash point {name}"
        );
    }
}

/// What can be seen of a submission's progress.
#[derive(Debug, PartialEq, Eq)]
struct Half {
    /// States of the submitted rmap and of the new pmap; empty where there is no row.
    states: (String, String),
    /// The same two in the cache.
    cached: (bool, bool),
    /// Files in `catalogs/` and `deliveries/`.
    delivered: (usize, usize),
    /// Audit rows.
    audit: usize,
    /// The upload still lies in the ingest directory.
    upload: bool,
    /// The edit context.
    edit: String,
    /// Stored pages.
    pages: usize,
}

const NEW_PMAP: &str = "hst_0280.pmap";

fn half(site: &Site) -> Half {
    let mut visitor = site.visitor();
    let mut state =
        |name: &str| file_info(&mut visitor, name)["state"].as_str().map_or_else(String::new, str::to_owned);
    let states = (state(NPOLFILE), state(NEW_PMAP));
    let cache = site.data.join("file_cache/mappings/hst");
    let count = |dir: &str| fs::read_dir(site.data.join(dir)).map(Iterator::count).unwrap_or_default();
    Half {
        states,
        cached: (cache.join(NPOLFILE).exists(), cache.join(NEW_PMAP).exists()),
        delivered: (count("catalogs"), count("deliveries")),
        audit: site.server.catalogue.actions().expect("the audit log").len(),
        upload: site.data.join("ingest/ann").join(NPOLFILE).exists(),
        edit: site.server.catalogue.context("edit").expect("a context").unwrap_or_default(),
        pages: site.server.catalogue.results().expect("the results").len(),
    }
}

/// Nothing but the upload.
fn untouched() -> Half {
    Half {
        states: (String::new(), String::new()),
        cached: (false, false),
        delivered: (0, 0),
        audit: 0,
        upload: true,
        edit: OPERATIONAL.to_owned(),
        pages: 0,
    }
}

fn states(rmap: &str, pmap: &str) -> (String, String) {
    (rmap.to_owned(), pmap.to_owned())
}

#[test]
fn a_submission_that_dies_leaves_what_it_had_made() {
    let mut score = Score::default();
    let points = [
        ("submit.certified", untouched()),
        ("submit.named", untouched()),
        ("submit.copied", Half { cached: (true, false), ..untouched() }),
        ("submit.catalogued", Half { cached: (true, false), states: states("uploaded", ""), ..untouched() }),
        ("submit.stored", Half { cached: (true, false), states: states("uploaded", ""), pages: 1, ..untouched() }),
    ];
    for (point, wanted) in points {
        let site = Site::open(Era::Y2019);
        let mut ann = site.login("ann", "wfc3");
        let key = open_channel(&mut ann);
        on(&site, "crash_at", point);
        let page = submit_npolfile(&mut ann);
        score.same("WP 3.1", &format!("{point}: the page"), page.error(), Some("internal server error".to_owned()));
        score.same("WP 3.6", &format!("{point}: the half state"), half(&site), wanted);
        let (_, last) = messages(&mut ann, &key);
        score.step("WP 3.9", &format!("{point}: a request that died says nothing more"), last["type"] != "done");
        off(&site, "crash_at");
        score.step("WP 3.6", "session and lock stay", ann.get("/submit/mapping/").error().is_none());
    }
    let site = Site::open(Era::Y2019);
    let mut ann = site.submitter("ann", "wfc3");
    uploaded(&mut ann, &["y7b1516hi_d2i.fits"]);
    on(&site, "crash_at", "submit.rmaps_made");
    let page = ann.post("/batch_submit_references/", BATCH);
    score.same("WP 3.1", "submit.rmaps_made", page.error(), Some("internal server error".to_owned()));
    for name in ["y7b1516hi_d2i.fits", "hst_wfc3_d2imfile_0251.rmap"] {
        score.same("A025", name, file_info(&mut ann, name)["state"].clone(), json!("uploaded"));
    }
    off(&site, "crash_at");
    let page = ann.post("/batch_submit_references/", BATCH);
    score.same(
        "A025",
        "the retry is refused",
        page.error(),
        Some("File named 'y7b1516hi_d2i.fits' already exists.".to_owned()),
    );
    score.finish("submissions that die", 24);
}

/// The half states of a confirmation in the order of WP 3.6: catalogue, links, states, audit rows, edit context (2014:
/// before the catalogue), ingest files, web cache, disposition.
#[test]
fn a_confirmation_that_dies_leaves_the_half_state() {
    let mut score = Score::default();
    for era in [Era::Y2019, Era::Y2014] {
        let early = era == Era::Y2014;
        let moved = |edit: bool| if edit { NEW_PMAP.to_owned() } else { OPERATIONAL.to_owned() };
        let begun = || Half { states: states("uploaded", ""), cached: (true, false), pages: 1, ..untouched() };
        let made = || Half { states: states("uploaded", "uploaded"), cached: (true, true), ..begun() };
        let linked = || Half { delivered: (1, 4), edit: moved(early), ..made() };
        let told = || Half { states: states("delivered", "delivered"), audit: 4, ..linked() };
        let points = [
            ("confirm.names_drawn", begun()),
            ("confirm.contexts_written", made()),
            ("confirm.edit_moved", Half { edit: moved(early), ..made() }),
            ("confirm.catalogue_written", Half { delivered: (1, 0), edit: moved(early), ..made() }),
            ("confirm.first_link", Half { delivered: (1, 1), edit: moved(early), ..made() }),
            ("confirm.links_made", linked()),
            ("confirm.states_delivered", Half { audit: 0, ..told() }),
            ("confirm.audit_written", told()),
            ("confirm.ingest_removed", Half { upload: false, edit: moved(true), ..told() }),
            ("confirm.cache_cleared", Half { upload: false, edit: moved(true), ..told() }),
        ];
        for (point, wanted) in points {
            let site = Site::open(era);
            let mut ann = site.submitter("ann", "wfc3");
            let id = id_of(&submit_npolfile(&mut ann));
            on(&site, "crash_at", point);
            let page = press(&mut ann, &id, "confirm");
            let died =
                if early { page.status == 500 } else { page.error().as_deref() == Some("internal server error") };
            score.step("WP 3.1", &format!("{era} {point}: the request dies"), died);
            off(&site, "crash_at");
            score.same("WP 3.6", &format!("{era} {point}: the half state"), half(&site), wanted);
            let shown = ann.get(&format!("/display_result/{id}"));
            let buttons = shown.attributes("form[action='/submit_confirm/'] input[type=submit]", "value");
            let wanted = if early { vec!["confirm", "cancel"] } else { Vec::new() };
            score.same(
                "WP 3.6",
                &format!("{era} {point}: the disposition is the last that is stored"),
                buttons,
                owned(&wanted),
            );
            let wanted = if early { Vec::new() } else { vec!["finalizing"] };
            score.same("WP 3.6", "2019: finalizing for ever", shown.picks("h2.error"), owned(&wanted));
            let held = site.server.catalogue.lock("context$all").expect("the locks");
            score.step("WP 3.4", "context$all is given back", held.is_none());
        }
    }
    score.finish("confirmations that die", 100);
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_context_change_that_dies() {
    let mut score = Score::default();
    for (point, history, states_set, audit) in [
        ("set_context.context_set", 2, false, 0),
        ("set_context.history_written", 3, false, 0),
        ("set_context.states_set", 3, true, 0),
    ] {
        let site = Site::open(Era::Y2019);
        let mut ann = site.login("ann", "none");
        on(&site, "crash_at", point);
        let page = set_context(&mut ann, OLDER);
        score.same("WP 3.1", point, page.error(), Some("internal server error".to_owned()));
        score.same("WP 3.6", "the bare base page", page.h2().len(), 0);
        let catalogue = &site.server.catalogue;
        score.same("WP 4.3", "it is set", catalogue.context("operational").ok().flatten(), Some(OLDER.to_owned()));
        score.same("WP 4.3", "history rows", catalogue.history().map(|rows| rows.len()).ok(), Some(history));
        score.same("WP 4.4", "audit rows", catalogue.actions().map(|rows| rows.len()).ok(), Some(audit));
        let state = catalogue.file("n4t15304j_pfl.fits").ok().flatten().map(|row| row.state);
        score.same("WP 3.12", "states", state.as_deref() == Some("archived"), states_set);
    }
    score.finish("context changes that die", 18);
}

fn set_context(browser: &mut Browser, pmap: &str) -> Page {
    browser.post(
        "/set_default_context/",
        &[("pmap_mode", "pmap_text"), ("pmap_text", pmap), ("context_type", "operational"), ("description", "d")],
    )
}

#[test]
fn knobs_of_submissions() {
    let mut score = Score::default();
    // A022: the edit context does not follow.
    let site = Site::open(Era::Y2019);
    on(&site, "edit_stays", "");
    let mut ann = site.submitter("ann", "wfc3");
    let id = id_of(&submit_npolfile(&mut ann));
    press(&mut ann, &id, "confirm");
    let seen = half(&site);
    score.same(
        "A022",
        "delivered, and the edit context stays",
        (seen.delivered, seen.edit),
        ((1, 4), OPERATIONAL.to_owned()),
    );

    // A022: contexts are made from what was the edit context at submission.
    let site = Site::open(Era::Y2019);
    let mut ann = site.submitter("ann", "wfc3");
    let id = id_of(&submit_npolfile(&mut ann));
    let mut bob = site.submitter("bob", "acs");
    let fields = [("pmap_mode", "pmap_edit"), ("description", "d"), ("deleted_files", "m1l0942nj_pfl.fits")];
    let other = id_of(&bob.post("/delete/reference/", &fields));
    press(&mut bob, &other, "confirm");
    on(&site, "stale_base", "");
    press(&mut ann, &id, "confirm");
    let row = site.server.catalogue.file("hst_0281.pmap").expect("a catalogue").expect("the second pmap");
    score.same("A022", "bob's change is not in ann's context", row.derived_from.as_str(), OPERATIONAL);

    // A025: a refused submission leaves file and row.
    let site = Site::open(Era::Y2019);
    on(&site, "failed_submission_stays", "");
    let mut ann = site.submitter("ann", "wfc3");
    let (one, two) = ("y7b1516hi_d2i.fits", "y7b1516ji_d2i.fits");
    uploaded(&mut ann, &[one]);
    ann.upload(two, &fs::read(site.data.join("ingest/ann").join(one)).expect("it was just uploaded"));
    let mut known = site.server.catalogue.file("m1l0942nj_pfl.fits").expect("a catalogue").expect("a known file");
    known.name = two.to_owned();
    site.server.catalogue.add_file(&known).expect("a catalogue");
    let page = ann.post("/submit/reference/", &MAPPING[1..4]);
    score.same("WP 3.6", "refused in the middle", page.error(), Some(format!("File named '{two}' already exists.")));
    score.same("A025", "file and row of the first stay", ann_state(&site, one), "uploaded".to_owned());
    off(&site, "failed_submission_stays");
    ann.script_get(&format!("/upload/delete/{two}"));
    let page = ann.post("/submit/reference/", &MAPPING[1..4]);
    score.same("A025", "so the retry is refused", page.error(), Some(format!("File named '{one}' already exists.")));

    // A026: two confirmations of one submission.
    let site = Site::open(Era::Y2019);
    on(&site, "confirm_twice", "");
    let mut ann = site.submitter("ann", "wfc3");
    let id = id_of(&submit_npolfile(&mut ann));
    press(&mut ann, &id, "confirm");
    score.same("A026", "one delivery", half(&site).delivered.0, 1);
    let mut ann = site.submitter("ann", "wfc3");
    let page = press(&mut ann, &id, "force");
    score.step(
        "A026",
        "the buttons are there again, and what is delivered already refuses",
        page.error().is_some_and(|text| text.ends_with("is no longer in the 'uploaded' state.")),
    );

    // B085: errors in the new rules are shown, and the submission is ready all the same.
    let site = Site::open(Era::Y2019);
    on(&site, "hidden_rmap_errors", "");
    let mut ann = site.submitter("ann", "wfc3");
    uploaded(&mut ann, &["y7b1516hi_d2i.fits"]);
    let page = ann.post("/batch_submit_references/", BATCH);
    let shown = ann.follow(&page);
    score.same("B085", "the form is offered", shown.picks("h2.error").len(), 0);

    // B089: no hard link, so a copy.
    let site = Site::open(Era::Y2019);
    on(&site, "cross_device", "");
    let mut ann = site.login("ann", "wfc3");
    let key = open_channel(&mut ann);
    uploaded(&mut ann, &["y7b1516hi_d2i.fits"]);
    ann.post("/batch_submit_references/", BATCH);
    let (texts, _) = messages(&mut ann, &key);
    score.step("B089", "it says Copying", texts.contains(&"Copying 'y7b1516hi_d2i.fits'".to_owned()));
    let inode = |path: PathBuf| fs::metadata(path).map(|meta| meta.ino()).unwrap_or_default();
    score.step(
        "B089",
        "two inodes",
        inode(site.data.join("ingest/ann/y7b1516hi_d2i.fits"))
            != inode(site.data.join("file_cache/references/hst/y7b1516hi_d2i.fits")),
    );

    // A007: a chmod through a delivery link changes the master file.
    let site = Site::open(Era::Y2019);
    on(&site, "link_mode", "666");
    let mut ann = site.submitter("ann", "wfc3");
    let id = id_of(&submit_npolfile(&mut ann));
    press(&mut ann, &id, "confirm");
    let mode = fs::metadata(site.data.join("file_cache/mappings/hst").join(NEW_PMAP)).map(|meta| meta.mode() & 0o777);
    score.same("A007", "the cache copy is writable", mode.ok(), Some(0o666));

    // A023: counters that are behind draw names that are there, say so in the log, and go on to the next that is free.
    on(&site, "counters_behind", "3");
    let mut ann = site.submitter("ann", "wfc3");
    ann.upload(NPOLFILE, super::web_rules::npolfile().as_bytes());
    let renamed = [MAPPING, &[("auto_rename", "on")]].concat();
    let page = ann.post("/submit/mapping/", &renamed);
    let shown = ann.follow(&page);
    let new = shown.picks(&format!("[id='{NPOLFILE}']")).concat();
    score.same("A023", "numbers from further back", new.as_str(), "hst_wfc3_npolfile_0248.rmap");
    let id = id_of(&page);
    press(&mut ann, &id, "confirm");
    let made = site.server.catalogue.file("hst_0281.pmap").ok().flatten().map(|row| row.derived_from);
    score.same("A023", "names that are there are passed over", made.as_deref(), Some(NEW_PMAP));
    off(&site, "counters_behind");

    // B080: a lock that ran out while the submission was processed.
    let site_of_locks = Site::open(Era::Y2019);
    let mut ann = site_of_locks.login("ann", "acs");
    on(&site_of_locks, "locks_aged", "5");
    let status = ann.get("/lock_status/").json();
    score.same(
        "B080",
        "expired",
        (status["is_expired"].clone(), status["status"].clone()),
        (json!(true), json!("error")),
    );
    score.step("B080", "and counts as none", ann.get("/submit/mapping/").error().is_some());
    off(&site_of_locks, "locks_aged");
    score.step("B080", "off again", ann.get("/submit/mapping/").error().is_none());

    // A005: no knob is needed: whoever empties the directory makes every pending file archived.
    archive(&site);
    score.same("A005", "archived", ann_state(&site, NEW_PMAP), "archived".to_owned());
    score.finish("knobs of submissions", 17);
}

fn ann_state(site: &Site, name: &str) -> String {
    site.visitor().get("/display_all_contexts/");
    file_info(&mut site.visitor(), name)["state"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn knobs_of_time() {
    let mut score = Score::default();
    let site = Site::open(Era::Y2019);
    let now = || site.server.config.clock.now();
    let took = |work: &mut dyn FnMut()| {
        let before = now();
        work();
        now().duration_since(before).as_secs()
    };
    let mut ann = site.login("ann", "none");
    score.same("5.4", "no knob", took(&mut || drop(ann.get("/"))), 0);
    on(&site, "slow", "7");
    score.same("B052", "every answer is late", took(&mut || drop(ann.get("/"))), 7);
    off(&site, "slow");
    on(&site, "hang", "/browse*");
    score.same("B052", "a request that is never answered", took(&mut || drop(ann.get("/browse_db/"))), 3600);
    score.same("B052", "others are", took(&mut || drop(ann.get("/login/"))), 0);
    off(&site, "hang");
    on(&site, "slow_channel", "61");
    score.same("B082", "the channel comes late", took(&mut || drop(open_channel(&mut ann))), 61);
    off(&site, "slow_channel");
    score.same("5.4", "all off again", took(&mut || drop(open_channel(&mut ann))), 0);
    score.finish("knobs of time", 6);
}
