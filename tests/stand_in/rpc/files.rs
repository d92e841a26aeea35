//! WP 1.7, 1.10, 2.1, 4: listings, records, closures, parkeys, downloads.

use crds_upgrade::stand_in::server::Era;
use serde_json::{Value, json};

use super::{
    bench::Bench,
    mini::{CLOSURE_1, CLOSURE_2, Load, MAPPINGS, REFERENCES_1},
};
use crate::web_score::Score;

#[test]
fn listings() {
    let load = Load::ordinary()
        .rows(&[
            ("hst_0003.pmap", &[("state", "delivered"), ("catalog_link", "opus_1_i.cat")]),
            ("abd_drk.fits", &[("rejected", "1")]),
            ("new_drk.fits", &[("state", "uploaded")]),
        ])
        .file("deliveries/opus_1_i.cat", "hst_0003.pmap\n")
        .file("file_cache/references/hst/abc_drk.fits", "dark")
        .file("file_cache/references/hst/abd_drk.fits", "bad dark")
        .file("file_cache/references/hst/new_drk.fits", "new dark")
        .file("file_cache/references/hst/stray.fits", "not catalogued")
        .file("file_cache/references/hst/.abc_drk.fits", "hidden")
        .file("file_cache/mappings/hst/hst_acs_stray_0001.rmap", "not catalogued");
    let bench = Bench::new(&load);
    let mut score = Score::default();
    let given: Vec<&str> = MAPPINGS.iter().copied().filter(|n| *n != "hst_0003.pmap").collect();
    let pmaps = json!(["hst_0001.pmap", "hst_0002.pmap"]);
    for (method, params, wanted, what) in [
        ("list_mappings", json!(["hst", "*"]), json!(given), "catalogued, distributable, lying in the cache; sorted"),
        ("list_mappings", json!([null, "*"]), json!(given), "null observatory"),
        ("list_mappings", json!(["HST", "*"]), json!([]), "HST is checked lower-cased but used as given"),
        ("list_mappings", json!(["hst", "*.pmap"]), pmaps.clone(), "a glob"),
        ("list_mappings", json!(["hst", "hst_0001.pmap"]), json!(["hst_0001.pmap"]), "a plain name"),
        ("list_mappings", json!(["hst", "hst_000[12].pmap"]), pmaps.clone(), "a set"),
        ("list_mappings", json!(["hst", "HST_0001.pmap"]), json!([]), "case counts"),
        ("list_mappings", json!(["hst", "nothing"]), json!([]), "no match"),
        ("list_mappings", json!(["hst", "*stray*"]), json!([]), "a file without a row is not listed"),
        ("list_mappings", json!(["hst", "*.fits"]), json!([]), "references are not listed with mappings"),
        (
            "list_references",
            json!(["hst", "*"]),
            json!(["abc_drk.fits", "abd_drk.fits"]),
            "references with bytes; rejected ones still",
        ),
        ("list_references", json!(["hst", "ab*"]), json!(["abc_drk.fits", "abd_drk.fits"]), "a glob"),
        ("list_references", json!(["hst", ".abc*"]), json!([]), "a hidden file has no row"),
        (
            "list_references",
            json!(["hst", "l1_hv.fits"]),
            json!([]),
            "a catalogued reference without bytes is not listed",
        ),
        ("list_references", json!(["hst", "new*"]), json!([]), "uploaded is not listed"),
    ] {
        score.same("1.7", &format!("{method}: {what}"), bench.said(method, params), wanted);
    }
    std::fs::remove_file(bench.data("deliveries/opus_1_i.cat")).expect("archive takes it");
    let after = bench.said("list_mappings", json!(["hst", "*.pmap"]));
    score.same(
        "3.12",
        "list_mappings looks at all pending",
        after,
        json!(["hst_0001.pmap", "hst_0002.pmap", "hst_0003.pmap"]),
    );
    for (path, wanted) in [
        ("/unchecked_get/references/hst/abc_drk.fits", (200, "dark")),
        ("/unchecked_get/references/hst/stray.fits", (200, "not catalogued")),
        ("/unchecked_get/references/hst/new_drk.fits", (200, "new dark")),
        ("/unchecked_get/references/hst/abd_drk.fits", (200, "bad dark")),
    ] {
        let answer = bench.request("GET", path, b"");
        score.same("2.1", &format!("{path}: no check of any state"), (answer.status, answer.text().as_str()), wanted);
    }
    let mapping = bench.request("GET", "/unchecked_get/mappings/hst/hst_0001.pmap", b"");
    score.same(
        "2.1",
        "a mapping's bytes",
        mapping.text(),
        std::fs::read_to_string(super::bench::cache().join("mappings/hst/hst_0001.pmap")).expect("mapping"),
    );
    for path in [
        "/unchecked_get/references/hst/l1_hv.fits",
        "/unchecked_get/references/jwst/abc_drk.fits",
        "/unchecked_get/nothing/hst/abc_drk.fits",
        "/unchecked_get/references/hst/../../../catalogue.sqlite",
        "/unchecked_get/references/hst/..%2f..%2f..%2fcatalogue.sqlite",
        "/unchecked_get/references/hst/%00",
        "/unchecked_get/references/hst/",
        "/unchecked_get/references/hst",
        "/unchecked_get/",
    ] {
        score.same("2.1", &format!("{path} is not there"), bench.request("GET", path, b"").status, 404);
    }
    score.finish("rpc listings and downloads", 30);
}

#[test]
fn records() {
    let load = Load::ordinary().rows(&[
        (
            "abc_drk.fits",
            &[
                ("sha1sum", ""),
                ("size", ""),
                ("description", "A New DARK"),
                ("uploaded_as", "My.FITS"),
                ("instrument", "acs"),
                ("filekind", "darkfile"),
                ("useafter_date", "2009-01-01 00:00:00"),
            ],
        ),
        ("abd_drk.fits", &[("rejected", "1"), ("blacklisted", "0"), ("activation_date", "2013-05-05 01:02:03")]),
        ("l1_0H_hv.fits", &[("size", "10592640"), ("sha1sum", "ABCDEF")]),
        ("abe_drk.fits", &[("description", "Says \"NO\" to ÄÖ"), ("uploaded_as", "PLAIN")]),
        ("new.fits", &[("state", "uploaded")]),
    ]);
    let bench = Bench::new(&load);
    let mut score = Score::default();
    let keys = "name state blacklisted rejected observatory instrument filekind type derived_from sha1sum delivery_date \
        activation_date useafter_date change_level pedigree reference_file_type size uploaded_as creator_name deliverer_user \
        description replaced_by_filename comment aperture history";
    let record = bench.said("get_file_info", json!(["hst", "abc_drk.fits"]));
    let mut seen: Vec<String> = record.as_object().map(|o| o.keys().cloned().collect()).unwrap_or_default();
    seen.sort();
    let mut wanted: Vec<String> = keys.split_whitespace().map(str::to_owned).collect();
    wanted.sort();
    score.same("1.10", "the fields, e-mail, path and catalogue link withheld", seen, wanted);
    for (field, wanted) in [
        ("name", "abc_drk.fits"),
        ("state", "operational"),
        ("blacklisted", "false"),
        ("rejected", "false"),
        ("observatory", "hst"),
        ("instrument", "acs"),
        ("filekind", "darkfile"),
        ("type", "reference"),
        ("derived_from", "none"),
        ("sha1sum", "none"),
        ("size", "-1"),
        ("description", "a new dark"),
        ("uploaded_as", "my.fits"),
        ("activation_date", "2050-01-01 00:00:00"),
        ("useafter_date", "2009-01-01 00:00:00"),
        ("replaced_by_filename", ""),
        ("history", ""),
        ("delivery_date", "2012-07-01 00:00:00"),
    ] {
        score.same("1.10", &format!("{field} of a record"), record[field].clone(), json!(wanted));
    }
    let odd = bench.said("get_file_info", json!(["hst", "l1_0H_hv.fits"]));
    score.same("1.10", "the name is lower-cased like every value", odd["name"].clone(), json!("l1_0h_hv.fits"));
    score.same("1.10", "a size is a text", odd["size"].clone(), json!("10592640"));
    score.same("1.10", "missing USEAFTER in 2019", odd["useafter_date"].clone(), json!("1900-01-01 00:00:00"));
    score.same("1.10", "a checksum in lower case", odd["sha1sum"].clone(), json!("abcdef"));
    let old = Bench::of(&load, Era::Y2014, |_| {});
    let record = old.said("get_file_info", json!(["hst", "abd_drk.fits"]));
    score.same("1.10", "missing USEAFTER in 2014", record["useafter_date"].clone(), json!("2050-01-01 00:00:00"));
    score.same("1.10", "2014 has no history", record.get("history").is_none(), true);
    score.same("1.10", "a rejected file", record["rejected"].clone(), json!("true"));
    score.same("1.10", "an activation date", record["activation_date"].clone(), json!("2013-05-05 01:02:03"));

    let refused = bench.said("get_file_info", json!(["jwst", "abc_drk.fits"]));
    score.step(
        "1.7",
        "get_file_info: another observatory is checked as a context",
        refused.as_str().is_some_and(|t| t.starts_with("UnknownContextError: Context parameter 'jwst'")),
    );
    score.same(
        "1.7",
        "get_file_info: a context will do in 2019",
        bench.said("get_file_info", json!(["hst-edit", "abc_drk.fits"]))["name"].clone(),
        json!("abc_drk.fits"),
    );
    score.same(
        "1.7",
        "get_file_info refuses unavailable files",
        bench.said("get_file_info", json!(["hst", "new.fits"])),
        json!("UnavailableFile: File 'new.fits' is not yet available."),
    );

    let map = |files: Value, fields: Value| bench.said("get_file_info_map", json!(["hst", files, fields]));
    score.same(
        "1.10",
        "get_file_info_map reports uploaded files too",
        map(json!(["new.fits"]), json!(["state"])),
        json!({"new.fits": {"state": "uploaded"}}),
    );
    score.same(
        "1.10",
        "the keys keep their case",
        map(json!(["l1_0H_hv.fits"]), json!(["name"])),
        json!({"l1_0H_hv.fits": {"name": "l1_0h_hv.fits"}}),
    );
    score.same(
        "1.10",
        "an unknown file",
        map(json!(["x", "abc_drk.fits"]), json!(["rejected"])),
        json!({"x": "NOT FOUND", "abc_drk.fits": {"rejected": "false"}}),
    );
    score.same(
        "1.10",
        "names compare exactly",
        map(json!(["ABC_drk.fits"]), json!([])),
        json!({"ABC_drk.fits": "NOT FOUND"}),
    );
    score.same("1.10", "no files", map(json!([]), Value::Null), json!({}));
    score.same("1.10", "no fields", map(json!(["abc_drk.fits"]), json!([])), json!({"abc_drk.fits": {}}));
    score.same(
        "1.10",
        "unknown fields are dropped",
        map(json!(["abc_drk.fits"]), json!(["nope", "size", "deliverer_email", "catalog_link"])),
        json!({"abc_drk.fits": {"size": "-1"}}),
    );
    score.same(
        "1.10",
        "a file asked twice appears once",
        map(json!(["abc_drk.fits", "abc_drk.fits"]), json!(["type"])),
        json!({"abc_drk.fits": {"type": "reference"}}),
    );
    let all = map(Value::Null, json!(["name"]));
    score.same(
        "1.10",
        "null files = every row",
        all.as_object().map(serde_json::Map::len),
        Some(MAPPINGS.len() + REFERENCES_1.len() + 4),
    );
    let full = map(json!(["abc_drk.fits"]), Value::Null);
    score.same(
        "1.10",
        "null fields = all",
        full["abc_drk.fits"].clone(),
        bench.said("get_file_info", json!(["hst", "abc_drk.fits"])),
    );
    let names: Vec<String> = all.as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default();
    let lists = [json!(null), json!([]), json!(["size"]), json!(["description", "sha1sum"]), json!(["uploaded_as"])];
    // More lists than are kept, and each more than once.
    for fields in lists.iter().chain(&lists).chain(&lists[4..]) {
        score.same(
            "1.10",
            "whole maps say what those of listed files say",
            map(Value::Null, fields.clone()),
            map(json!(names), fields.clone()),
        );
    }
    score.finish("rpc records", 51);
}

#[test]
fn names_and_parkeys() {
    let bench = Bench::new(&Load::ordinary());
    let mut score = Score::default();
    for (method, params, wanted, what) in [
        ("get_mapping_names", json!(["hst_0001.pmap"]), json!(CLOSURE_1), "the closure with itself, sorted"),
        ("get_mapping_names", json!(["hst_0002.pmap"]), json!(CLOSURE_2), "another context"),
        ("get_mapping_names", json!(["hst-operational"]), json!(CLOSURE_1), "a symbol"),
        ("get_mapping_names", json!(["2013-06-02"]), json!(CLOSURE_2), "a date"),
        ("get_mapping_names", json!(["hst_stis_0001.imap"]), json!(["hst_stis_0001.imap"]), "an imap without rmaps"),
        (
            "get_mapping_names",
            json!(["hst_acs_0001.imap"]),
            json!(["hst_acs_0001.imap", "hst_acs_biasfile_0001.rmap", "hst_acs_darkfile_0001.rmap"]),
            "an imap; N/A and OMIT are no names",
        ),
        ("get_mapping_names", json!(["hst_cos_hvtab_0001.rmap"]), json!(["hst_cos_hvtab_0001.rmap"]), "an rmap"),
        ("get_mapping_names", json!([[]]), json!([]), "an empty list"),
        (
            "get_mapping_names",
            json!([["hst_stis_0001.imap", "hst_cos_hvtab_0001.rmap"]]),
            json!(["hst_cos_hvtab_0001.rmap", "hst_stis_0001.imap"]),
            "a list: the sorted union",
        ),
        (
            "get_mapping_names",
            json!([["hst_stis_0001.imap", "x.pmap hst"]]),
            json!(
                "UnknownContextError: Context parameter 'x.pmap hst' is not a .pmap, .imap, or .rmap file or a valid date based context specification."
            ),
            "a list: each member is checked",
        ),
        (
            "get_mapping_names",
            json!([null]),
            json!("UnknownMappingError: Not a .pmap name or list of .pmap names"),
            "null",
        ),
        (
            "get_mapping_names",
            json!([5]),
            json!("UnknownMappingError: Not a .pmap name or list of .pmap names"),
            "a number",
        ),
        (
            "get_mapping_names",
            json!([{"a": 1}]),
            json!("UnknownMappingError: Not a .pmap name or list of .pmap names"),
            "an object",
        ),
        (
            "get_reference_names",
            json!(["hst_0001.pmap"]),
            json!(REFERENCES_1),
            "references sorted, each once, special values left out",
        ),
        ("get_reference_names", json!(["hst_cos_hvtab_0001.rmap"]), json!(["l1_hv.fits"]), "references of an rmap"),
        (
            "get_reference_names",
            json!(["hst_acs_0002.imap"]),
            json!(["abc_bia.fits", "abc_drk.fits", "abe_drk.fits", "abf_drk.fits"]),
            "references of an imap",
        ),
        ("get_reference_names", json!(["hst_stis_0001.imap"]), json!([]), "none"),
        (
            "get_required_parkeys",
            json!(["hst_cos_deadtab_0001.rmap"]),
            json!(["DETECTOR", "DATE-OBS", "TIME-OBS"]),
            "an rmap: parkey flattened, unsorted",
        ),
        (
            "get_required_parkeys",
            json!(["hst_cos_hvtab_0001.rmap"]),
            json!(["DETECTOR", "DATE-OBS", "TIME-OBS", "FLATCORR"]),
            "an rmap with a switch",
        ),
        (
            "get_required_parkeys",
            json!(["hst_acs_biasfile_0001.rmap"]),
            json!(["DETECTOR", "DATE-OBS", "TIME-OBS", "XCORNER", "YCORNER"]),
            "an rmap with extra keys",
        ),
        (
            "get_required_parkeys",
            json!(["hst_acs_0001.imap"]),
            json!(["DATE-OBS", "DETECTOR", "REFTYPE", "TIME-OBS", "XCORNER", "YCORNER"]),
            "an imap: united, sorted",
        ),
        (
            "get_required_parkeys",
            json!(["hst_0001.pmap"]),
            json!({
                "acs": ["INSTRUME", "DATE-OBS", "DETECTOR", "REFTYPE", "TIME-OBS", "XCORNER", "YCORNER"],
                "cos": ["INSTRUME", "DATE-OBS", "DETECTOR", "FLATCORR", "REFTYPE", "TIME-OBS"],
                "stis": ["INSTRUME", "REFTYPE"],
            }),
            "a pmap: its own parkeys, then the imap's list",
        ),
        ("get_url", json!(["hst_0001.pmap", "a b"]), json!("http://server/get/a b"), "get_url: the name as given"),
        (
            "get_mapping_url",
            json!(["hst-edit", "hst_0001.pmap"]),
            json!("http://server/get/hst_0001.pmap"),
            "get_mapping_url",
        ),
        (
            "get_reference_url",
            json!(["hst_0001.pmap", "l1_hv.fits"]),
            json!("http://server/get/l1_hv.fits"),
            "get_reference_url",
        ),
        ("file_exists", json!(["l1_hv.fits"]), json!(true), "file_exists"),
    ] {
        score.same("1.7", &format!("{method}: {what}"), bench.said(method, params), wanted);
    }
    // 2014 had chunks.
    let old = Bench::of(&Load::ordinary().file("file_cache/references/hst/l1_hv.fits", "bytes"), Era::Y2014, |_| {});
    score.same(
        "1.7",
        "2014: a file in chunks",
        old.said("get_file_chunk", json!(["hst_0001.pmap", "l1_hv.fits", 0])),
        json!([1, "Ynl0ZXM="]),
    );
    score.step(
        "1.7",
        "2014: no such chunk",
        old.call("get_file_chunk", json!(["hst_0001.pmap", "l1_hv.fits", 1]))
            .is_err_and(|e| e.starts_with("InvalidChunk: ")),
    );
    score.finish("rpc names and parkeys", 28);
}
