//! Pages that only look (WP 3.7, 3.11).

use serde_json::json;

use super::web_browser::{Browser, Site};
use super::web_rules::{OLDER, OPERATIONAL};
use super::web_score::Score;

/// WP 3.7, home page.
pub fn home(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let page = visitor.get("/");
    score.same("WP 3.1", "the home page sets no cookie", page.cookies(), Vec::new());
    let titles = page.picks(".accordion h3");
    let headings: Vec<String> = page.picks("h2, h3").into_iter().filter(|seen| !titles.contains(seen)).collect();
    let under = format!("Operational References (under context {OPERATIONAL})");
    let open = ["Obtain Best Reference Files", "Reference File Database Services"].map(str::to_owned);
    let tables = [under.clone(), "Context History (more)".to_owned()];
    score.same("WP 3.1", "its headings", headings.clone(), [open.to_vec(), tables.to_vec()].concat());
    for heading in ["Operational References", "Context History"] {
        score.step("WP 3.1", heading, headings.iter().any(|seen| seen.starts_with(heading)));
    }
    score.step(
        "WP 3.7",
        "history without the diff column",
        page.picks("th").contains(&"Start Date".to_owned()) && page.attributes("#diff_button", "type").is_empty(),
    );
    score.step("WP 3.7", "remote contexts only for users", !page.says("Cached Context"));
    let hidden = page.attributes("form[action='/difference/'] input[type=hidden]", "name");
    score.same("WP 3.10", "the diff form", hidden, vec!["file1".to_owned(), "file2".to_owned()]);
    let boxes = page.attributes("form[action='/difference/'] input.hide_na[type=checkbox]", "name");
    score.same("WP 3.10", "one nameless hide_na per instrument", boxes, vec![String::new(); 2]);
    let mut ann = site.login("ann", "none");
    let page = ann.get("/");
    score.step("WP 3.7", "remote context table", page.says("Cache Server Context Cached Context Cache Status"));
    score.step("WP 3.7", "out of date", page.says("out of date"));
    score.step("WP 3.7", "Set Context for the group", page.text().contains("href=\"/set_default_context/\""));
    score.step("WP 3.7", "no submissions without a lock", !page.text().contains("href=\"/submit/mapping/\""));
    let mut vic = site.login("vic", "none");
    score.step(
        "WP 3.7",
        "no Set Context outside the group",
        !vic.get("/").text().contains("href=\"/set_default_context/\""),
    );
}

/// WP 3.11, tables of contexts and rmaps.
pub fn tables(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    for (path, context) in [("operational", OPERATIONAL), ("edit", OPERATIONAL), (OLDER, OLDER)] {
        let page = visitor.get(&format!("/context_table/{path}"));
        score.same("WP 3.11", "heading", page.h2(), vec![format!("Historical References (under context {context})")]);
        score.step(
            "WP 3.11",
            "one accordion per instrument",
            page.picks("div.accordion > h3").iter().any(|title| title == "acs"),
        );
    }
    let page = visitor.get(&format!("/context_table/{OPERATIONAL}"));
    score.step("WP 3.11", "N/A types greyed", page.picks(".accordion h3 .darkgray").contains(&"biasfile".to_owned()));
    for path in ["hst_acs_0256.imap", "nosuch", "hst-operational"] {
        let page = visitor.get(&format!("/context_table/{path}"));
        score.same("WP 3.11", "anything else is empty", page.status, 200);
        score.same(
            "WP 3.11",
            "same heading without a name",
            page.h2(),
            vec!["Historical References (under context )".to_owned()],
        );
    }
    let table = visitor.get("/context_table/hst_acs_pfltfile_0250.rmap").json();
    let titles: Vec<&str> =
        table["aoColumns"].as_array().into_iter().flatten().filter_map(|column| column["sTitle"].as_str()).collect();
    score.same(
        "WP 3.11",
        "columns of an rmap",
        titles,
        vec![
            "DETECTOR",
            "FILTER1",
            "USEAFTER",
            "ACTIVATION DATE",
            "REFERENCE",
            "<input type='submit' id='diff_button' value='diff'></input>",
        ],
    );
    let rows = table["aaData"].as_array().cloned().unwrap_or_default();
    score.same("WP 3.11", "one row per entry", rows.len(), 3);
    score.same("WP 3.11", "alternatives joined with a comma", rows[0][1].clone(), json!("F115LP, F125LP"));
    score.same(
        "WP 3.11",
        "the reference",
        rows[0][4].clone(),
        json!("<a href='/browse/l2d0959cj_pfl.fits' class='browse_a'>l2d0959cj_pfl.fits</a>"),
    );
    score.same(
        "WP 3.11",
        "the box",
        rows[0][5].clone(),
        json!("<input class='diff_checkbox' type='checkbox' value='l2d0959cj_pfl.fits' />"),
    );
}

/// WP 3.7, histories.
pub fn histories(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let page = visitor.get("/display_context_history/");
    score.same("WP 3.7", "heading", page.h2(), vec!["Context History".to_owned()]);
    score.same(
        "WP 3.7",
        "columns",
        page.picks("th")[..4].to_vec(),
        ["Start Date", "Context", "Status", "Description"].map(str::to_owned).to_vec(),
    );
    score.same("WP 3.7", "newest first", page.picks("td a").first().cloned(), Some(OPERATIONAL.to_owned()));
    score.step("WP 3.7", "the description is public", page.says("The one before the upgrade."));
    score.same(
        "WP 3.10",
        "the diff form",
        page.attributes("form[action='/difference/'] input[type=hidden]", "name"),
        vec!["file1".to_owned(), "file2".to_owned()],
    );
    let page = visitor.get("/display_all_contexts/");
    score.same("WP 3.7", "heading", page.h2(), vec!["All Contexts".to_owned()]);
    score.same(
        "WP 3.7",
        "columns",
        page.picks("th")[..4].to_vec(),
        ["Delivery Date", "Context", "Status", "Description"].map(str::to_owned).to_vec(),
    );
    score.same("WP 3.7", "by name downwards", page.picks("td a"), vec![OPERATIONAL.to_owned(), OLDER.to_owned()]);
    let page = visitor.get("/old_results/");
    score.same("WP 3.7", "old results", page.h2(), vec!["Old Results".to_owned()]);
    score.same(
        "WP 3.7",
        "columns",
        page.picks("th"),
        ["ID", "Result Link", "User", "Template", "Files"].map(str::to_owned).to_vec(),
    );
    let mut ann = site.login("ann", "none");
    let page = ann.get("/delivery_status/");
    score.same("WP 3.7", "heading", page.h2(), vec!["Delivery Status".to_owned()]);
    score.same(
        "WP 3.7",
        "columns",
        page.picks("#crds_delivery_table th"),
        ["Date", "Submitter", "Kind", "Status", "Catalog", "Description", "Files"].map(str::to_owned).to_vec(),
    );
    let page = site.login("sue", "none").get("/version_info/");
    score.same(
        "WP 3.7",
        "version_info",
        page.picks("h3"),
        vec!["Version Info".to_owned(), "CRDS Environment".to_owned()],
    );
    score.same("WP 3.2", "two tables", page.picks("table").len(), 2);
    let page = visitor.get("/docs/cmdline_bestrefs/");
    score.same("WP 3.2", "the only document", page.error(), None);
    let page = visitor.get("/docs/other/");
    score.same("WP 3.2", "any other word: 200", page.status, 200);
    score.same("WP 3.2", "with an internal error", page.error(), Some("internal server error".to_owned()));
}

/// WP 3.11, browse and uses.
pub fn files(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let page = visitor.get(&format!("/browse/{OPERATIONAL}"));
    score.same(
        "WP 3.11",
        "heading",
        page.h2(),
        vec![format!("Browse {OPERATIONAL} context table download diff versus {OLDER}")],
    );
    score.same(
        "WP 3.11",
        "accordions",
        page.picks("div.accordion > h3"),
        ["Database", "Contents", "Past Actions", "Used By Files"].map(str::to_owned).to_vec(),
    );
    score.step(
        "WP 3.11",
        "context table for a pmap",
        page.text().contains(&format!("href='/context_table/{OPERATIONAL}'")),
    );
    score.step(
        "WP 3.11",
        "a direct unchecked link",
        page.text().contains(&format!("/unchecked_get/mappings/hst/{OPERATIONAL}")),
    );
    score.same("WP 3.11", "ancestors with a row", page.attributes("select option", "value"), vec![OLDER.to_owned()]);
    let page = visitor.get("/browse/l2d0959cj_pfl.fits");
    score.same("WP 3.11", "a reference whose bytes are away", page.picks("p.error").len(), 2);
    score.step("WP 3.11", "header unavailable", page.says("File header unavailable for 'l2d0959cj_pfl.fits'"));
    score.step("WP 3.11", "FITS info unavailable", page.says("FITS info unavailable: 'l2d0959cj_pfl.fits'"));
    let titles = page.picks("div.accordion > h3");
    score.step("WP 3.11", "Lookup Patterns", titles.contains(&"Lookup Patterns".to_owned()));
    score.step("WP 3.11", "a table of what leads to it", page.picks("table th").contains(&"USEAFTER".to_owned()));
    let case = "hst_acs_pfltfile_0250.rmap DETECTOR FILTER1 USEAFTER SBC F115LP, F125LP 1997-01-01 00:00:00";
    score.step("WP 3.11", "with the columns of the rmap's own table", page.says(case));
    score.step("WP 3.11", "and no other file's cases", !page.says("2002-03-01 00:00:00"));
    score.step("WP 3.11", "constraints", titles.contains(&"Reference Constraints (.tpn)".to_owned()));
    let page = visitor.get("/browse/nosuch.fits");
    score.same("WP 3.11", "unknown", page.error(), Some("Can't find 'nosuch.fits'".to_owned()));
    score.same("WP 3.1", "on the bare base page", page.h2(), Vec::<String>::new());
    let uses = |visitor: &mut Browser, name: &str| visitor.get(&format!("/uses/{name}")).json();
    score.same(
        "WP 3.11",
        "uses of a reference",
        uses(&mut visitor, "m1l0942nj_pfl.fits"),
        json!(["hst_0279.pmap", "hst_acs_0256.imap", "hst_acs_pfltfile_0250.rmap"]),
    );
    score.same(
        "WP 3.11",
        "uses of an imap",
        uses(&mut visitor, "hst_wfc3_0261.imap"),
        json!(["hst_0278.pmap", "hst_0279.pmap"]),
    );
    score.same("WP 3.11", "uses of a pmap", uses(&mut visitor, OPERATIONAL), json!([]));
    score.same("WP 3.2", "unknown name: real HTTP 500", visitor.get("/uses/nosuch.fits").status, 500);
}

/// WP 3.11, the checked download.
pub fn gets(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    for (path, place) in [
        (format!("/get/{OPERATIONAL}"), format!("https://hst-crds.example/unchecked_get/mappings/hst/{OPERATIONAL}")),
        (format!("/get/{OPERATIONAL}/"), format!("https://hst-crds.example/unchecked_get/mappings/hst/{OPERATIONAL}")),
        (
            "/get/l2d0959cj_pfl.fits".into(),
            "https://hst-crds.example/unchecked_get/references/hst/l2d0959cj_pfl.fits".into(),
        ),
    ] {
        let page = visitor.get(&path);
        score.same("WP 2.1", "302 to the unchecked URL", (page.status, page.header("location")), (302, place));
    }
    let page = visitor.get("/get/nosuch.fits");
    score.same("WP 3.11", "unknown, sic", page.error(), Some("No CRDS database entry for'nosuch.fits'".to_owned()));
    score.same("WP 2.1", "status 200", page.status, 200);
}

/// WP 3.11, difference.
pub fn differences(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let page = visitor.get("/difference/");
    score.same("WP 3.10", "heading", page.h2(), vec!["Difference Files".to_owned()]);
    let page = visitor.get(&format!("/difference/?file1={OLDER}&file2={OPERATIONAL}"));
    score.same("WP 3.11", "heading", page.h2(), vec![format!("Difference {OLDER} against {OPERATIONAL}")]);
    let titles = page.picks("#contents > div.accordion > h3");
    score.same(
        "WP 3.11",
        "one accordion per pair that differs, sorted",
        titles,
        vec![
            format!("{OLDER} --> {OPERATIONAL}"),
            "hst_acs_0255.imap --> hst_acs_0256.imap".to_owned(),
            "hst_acs_pfltfile_0249.rmap --> hst_acs_pfltfile_0250.rmap".to_owned(),
        ],
    );
    score.step("WP 3.11", "logical columns of an rmap", page.says("DETECTOR FILTER1 DATE-OBS TIME-OBS DIFFERENCE"));
    score.step("WP 3.11", "always a text difference", page.says(&format!("Text Diff {OLDER} --> {OPERATIONAL}")));
    for (query, error) in [
        (format!("file1={OLDER}"), "Undefined parameter 'file2'".to_owned()),
        (format!("file2={OLDER}"), "Undefined parameter 'file1'".to_owned()),
        (format!("file1=nosuch.pmap&file2={OLDER}"), "Invalid value 'nosuch.pmap' for 'file1'".to_owned()),
        (format!("file1={OLDER}&file2=nosuch.pmap"), "Invalid value 'nosuch.pmap' for 'file2'".to_owned()),
        (
            format!("file1={OLDER}&file2=hst_acs_0255.imap"),
            "The specified files are not compatible for differencing. (Different file name extensions.)".to_owned(),
        ),
    ] {
        let page = visitor.get(&format!("/difference/?{query}"));
        score.same("WP 3.11", &query, page.error(), Some(error));
    }
    let page = visitor.post_files(
        "/difference/",
        &[("filemode1", "file_uploaded1"), ("filemode2", "file_known2"), ("file_known2", OPERATIONAL)],
        &[("file_uploaded1", "x.pmap", b"{}")],
    );
    score.same(
        "WP 3.11",
        "anonymous uploads",
        page.error(),
        Some("file uploads are only available for authenticated users.".to_owned()),
    );
}

/// WP 3.2, 3.10, best references.
pub fn best_references(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let page = visitor.get("/bestrefs/");
    score.same("WP 3.10", "heading", page.h2(), vec!["Dataset Best References".to_owned()]);
    let checked = page.attributes("input[name=pmap_mode][checked]", "value");
    score.same("WP 3.10", "pmap_operational is checked", checked, vec!["pmap_operational".to_owned()]);
    let modes = page.attributes("input[name=dataset_mode]", "value");
    score.same(
        "WP 3.10",
        "modes for visitors",
        modes,
        ["dataset_local", "dataset_archive"].map(str::to_owned).to_vec(),
    );
    let dataset = "INSTRUME ACS\nDETECTOR SBC\nFILTER1 F115LP\nDATE-OBS 2003-01-01\nTIME-OBS 00:00:00\n";
    let local = [
        ("pmap_mode", "pmap_operational"),
        ("dataset_mode", "dataset_local"),
        ("dataset_local", dataset),
        ("dataset_name", "mine.fits"),
    ];
    let page = visitor.post("/bestrefs/", &local);
    score.step("WP 3.2", "the best reference", page.says("PFLTFILE m1l0942nj_pfl.fits"));
    for (fields, error) in [
        (&[][..], "Undefined parameter 'pmap_mode'".to_owned()),
        (&local[..1], "Undefined parameter 'dataset_mode'".to_owned()),
        (
            &[local[0], local[1], local[3]],
            "Problem getting dataset parameters for 'mine.fits' : Undefined parameter 'dataset_local'".to_owned(),
        ),
        (
            &[("pmap_mode", "pmap_operational"), ("dataset_mode", "dataset_archive"), ("dataset_archive", "a b")],
            "Invalid value 'a b' for 'dataset_archive'".to_owned(),
        ),
        (
            &[("pmap_mode", "pmap_operational"), ("dataset_mode", "dataset_uploaded")],
            "file uploads are only available for authenticated users.".to_owned(),
        ),
    ] {
        let page = visitor.post("/bestrefs/", fields);
        score.same("WP 3.10", "context, mode, value", page.error(), Some(error));
        score.same("WP 3.1", "on its own form", page.h2(), vec!["Dataset Best References".to_owned()]);
    }
    let page = visitor.post(
        "/bestrefs/",
        &[("pmap_mode", "pmap_operational"), ("dataset_mode", "dataset_archive"), ("dataset_archive", "JAAAA0010")],
    );
    let error = page.error().unwrap_or_default();
    score.step(
        "WP 3.2",
        "an archive that knows it not",
        error.starts_with("Problem getting dataset parameters for 'JAAAA0010'"),
    );
    let page = visitor.get("/bestrefs_explore/");
    score.same("WP 3.10", "heading", page.h2(), vec!["Explore Best References".to_owned()]);
    let page = visitor.post("/bestrefs_explore/", &[("pmap_mode", "pmap_operational"), ("instrument", "acs")]);
    score.same(
        "WP 3.10",
        "then with context",
        page.h2(),
        vec![format!("Explore Best References ({OPERATIONAL} : acs)")],
    );
    let fields = page.fields("/bestrefs_explore_compute/");
    let wanted = [
        "csrfmiddlewaretoken",
        "DETECTOR",
        "DETECTOR_text",
        "FILTER1",
        "FILTER1_text",
        "DATE-OBS",
        "TIME-OBS",
        "context",
        "instrument",
    ];
    score.same("WP 3.2", "one field per parkey and its text", fields, wanted.map(str::to_owned).to_vec());
    let page = visitor.post(
        "/bestrefs_explore_compute/",
        &[
            ("context", OPERATIONAL),
            ("instrument", "acs"),
            ("DETECTOR", "WFC"),
            ("FILTER1", "*"),
            ("FILTER1_text", "F606W"),
            ("DATE-OBS", "2010-01-01"),
            ("TIME-OBS", "00:00:00"),
        ],
    );
    score.step("WP 3.2", "the text wins over the select", page.says("PFLTFILE n4t15304j_pfl.fits"));
}
