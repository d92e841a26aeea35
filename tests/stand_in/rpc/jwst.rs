//! A JWST server: what differs from HST in words, rules and ids (WP 1.4, 1.7).

use std::{fs, path::Path};

use crds_upgrade::stand_in::server::{Config, Era, Server, http::Request, load};
use serde_json::{Value, json};

use super::mini::write_mapping;
use crate::web_score::Score;

/// One context with MIRI flats, an omitted and an N/A type, and the table of software versions.
fn cache(root: &Path) {
    let dir = root.join("mappings/jwst");
    fs::create_dir_all(&dir).expect("cache");
    let common = |name: &str, kind: &str| {
        vec![
            ("derived_from", "'none'".to_owned()),
            ("mapping", format!("'{kind}'")),
            ("name", format!("'{name}'")),
            ("observatory", "'jwst'".to_owned()),
        ]
    };
    let put = |name: &str, kind: &str, more: &[(&str, &str)], selector: &str| {
        let mut header = common(name, kind);
        header.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
        let header: Vec<(&str, &str)> = header.iter().map(|(key, value)| (*key, value.as_str())).collect();
        write_mapping(&dir, name, &header, selector);
    };
    put(
        "jwst_0001.pmap",
        "pipeline",
        &[("parkey", "('META.INSTRUMENT.NAME',)")],
        "{\n    'MIRI' : 'jwst_miri_0001.imap',\n    'SYSTEM' : 'jwst_system_0001.imap',\n}",
    );
    put(
        "jwst_miri_0001.imap",
        "instrument",
        &[("instrument", "'MIRI'"), ("parkey", "('META.REFTYPE',)")],
        "{\n    'AREA' : 'N/A',\n    'DARK' : 'OMIT',\n    'FLAT' : 'jwst_miri_flat_0001.rmap',\n    'GAIN' : 'jwst_miri_gain_0001.rmap',\n}",
    );
    // Two cases that a header with MIRIMAGE fits equally well.
    let table = |file: &str| format!("UseAfter({{\n        '2014-01-01 00:00:00' : '{file}',\n    }})");
    put(
        "jwst_miri_gain_0001.rmap",
        "reference",
        &[
            ("filekind", "'GAIN'"),
            ("instrument", "'MIRI'"),
            ("parkey", "(('META.INSTRUMENT.DETECTOR',), ('META.OBSERVATION.DATE', 'META.OBSERVATION.TIME'))"),
        ],
        &format!(
            "Match({{\n    'MIRIFULONG|MIRIMAGE' : {},\n    'MIRIFUSHORT|MIRIMAGE' : {},\n}})",
            table("jwst_miri_gain_0001.fits"),
            table("jwst_miri_gain_0002.fits")
        ),
    );
    put(
        "jwst_miri_flat_0001.rmap",
        "reference",
        &[
            ("filekind", "'FLAT'"),
            ("instrument", "'MIRI'"),
            ("parkey", "(('META.INSTRUMENT.DETECTOR',), ('META.OBSERVATION.DATE', 'META.OBSERVATION.TIME'))"),
        ],
        "Match({\n    'MIRIMAGE' : UseAfter({\n        '2014-01-01 00:00:00' : 'jwst_miri_flat_0001.fits',\n    }),\n})",
    );
    put(
        "jwst_system_0001.imap",
        "instrument",
        &[("instrument", "'SYSTEM'"), ("parkey", "('META.REFTYPE',)")],
        "{\n    'CALVER' : 'jwst_system_calver_0001.rmap',\n}",
    );
    put(
        "jwst_system_calver_0001.rmap",
        "reference",
        &[
            ("filekind", "'CALVER'"),
            ("instrument", "'SYSTEM'"),
            ("parkey", "(('META.CALIBRATION_SOFTWARE_VERSION',), ('META.OBSERVATION.DATE', 'META.OBSERVATION.TIME'))"),
        ],
        "Match({\n    '0.6.0' : UseAfter({\n        '1900-01-01 00:00:00' : 'jwst_system_calver_0001.json',\n    }),\n})",
    );
}

fn load_dir(root: &Path) {
    let datasets = |id: &str| {
        json!({"id": id, "header": {"META.INSTRUMENT.NAME": "MIRI", "META.INSTRUMENT.DETECTOR": "MIRIMAGE",
            "META.OBSERVATION.DATE": "2016-01-01", "META.OBSERVATION.TIME": "00:00:00"}})
        .to_string()
    };
    fs::create_dir_all(root.join("file_cache/references/jwst")).expect("load");
    let settings = json!({
        "contexts": [
            {"kind": "jwst_operational_context", "context": "jwst_0001.pmap"},
            {"kind": "jwst_edit_context", "context": "jwst_0001.pmap"},
            {"kind": "jwst_versions_context", "context": "jwst_0001.pmap"},
        ],
        "history": [{"start_date": "2015-01-01 00:00:00", "context": "jwst_0001.pmap", "state": "operational", "description": "d"}],
    });
    fs::write(root.join("server.json"), settings.to_string()).expect("settings");
    fs::write(
        root.join("datasets.jsonl"),
        datasets("JW90001001001_02101_00001.MIRIMAGE:JW90001001001_02101_00001.MIRIMAGE"),
    )
    .expect("datasets");
    let calver = root.join("file_cache/references/jwst/jwst_system_calver_0001.json");
    fs::write(calver, "{\"CAL_VER\": \"0.6.0\", \"n\": [1, 2.5]}").expect("calver");
}

/// A server of an era over these rules; `calver` stands in for the table of software versions.
fn server(dir: &Path, era: Era, calver: &str) -> Server {
    let (at, state) = (dir.join("cache"), dir.join("load"));
    cache(&at);
    load_dir(&state);
    fs::write(state.join("file_cache/references/jwst/jwst_system_calver_0001.json"), calver).expect("calver");
    let data = dir.join("data");
    let mut config = Config::ordinary(&data, "jwst");
    config.era = era;
    config.public_url = "http://server/".to_owned();
    let start = load::Start { cache: Some(&at), load: Some(&state), ..load::Start::default() };
    load::open(config, &data, &start).expect("state loads")
}

/// The result of a call as it was written, or the error's message.
fn answered(server: &Server, method: &str, params: &Value) -> Value {
    let body = json!({"jsonrpc": "1.0", "method": method, "params": params, "id": 1}).to_string();
    let request = Request {
        method: "POST".to_owned(),
        path: "/json/x/".to_owned(),
        body: body.into_bytes().into(),
        ..Request::default()
    };
    let text = server.respond(&request).text();
    let reply: Value = serde_json::from_str(&text).unwrap_or(json!({"result": text}));
    if reply["error"].is_null() { reply["result"].clone() } else { reply["error"]["message"].clone() }
}

fn header(detector: &str) -> Value {
    json!({"META.INSTRUMENT.NAME": "MIRI", "META.INSTRUMENT.DETECTOR": detector,
        "META.OBSERVATION.DATE": "2016-01-01", "META.OBSERVATION.TIME": "00:00:00"})
}

/// RS 9.5, and the source of libraries 7.2.9 to 7.5.0: cases that tie are merged for HST alone.
#[test]
fn ties() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut score = Score::default();
    let gain = json!(["jwst_0001.pmap", header("MIRIMAGE"), ["gain"]]);
    for (era, wanted) in [
        (Era::Y2019, json!({"gain": "NOT FOUND More than one match clause matched."})),
        (Era::Now, json!({"gain": "jwst_miri_gain_0002.fits"})),
    ] {
        let server = server(&dir.path().join(era.as_str()), era, "{}");
        score.same("RS 9.5", &format!("a tie in era {era}"), answered(&server, "get_best_references", &gain), wanted);
        let alone = json!(["jwst_0001.pmap", header("MIRIFUSHORT"), ["gain"]]);
        score.same(
            "RS 9.5",
            &format!("no tie in era {era}"),
            answered(&server, "get_best_references", &alone),
            json!({"gain": "jwst_miri_gain_0002.fits"}),
        );
    }
    score.finish("rpc ties of JWST rules", 4);
}

/// WP 1.7: the document of `get_system_versions` is read and written by Python.
#[test]
fn software_versions() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut score = Score::default();
    let versions = json!(["0.6.0", "None"]);
    let no_value = |place: &str| json!(format!("OtherError: Expecting value: {place}"));
    for (nth, (document, wanted)) in [
        ("{\"b\": [1.50, NaN, 1e400], \"a\": 1}", None),
        ("nothing", Some(no_value("line 1 column 1 (char 0)"))),
        ("", Some(no_value("line 1 column 1 (char 0)"))),
        ("\n  <html>", Some(no_value("line 2 column 3 (char 3)"))),
    ]
    .into_iter()
    .enumerate()
    {
        let server = server(&dir.path().join(nth.to_string()), Era::Y2019, document);
        let seen = answered(&server, "get_system_versions", &versions);
        match wanted {
            Some(wanted) => score.same("WP 1.7", document, seen, wanted),
            None => score.step(
                "WP 1.7",
                "what Python's json reads, it writes",
                seen.as_str().is_some_and(|text| text.contains("{\"b\": [1.5, NaN, Infinity], \"a\": 1}")),
            ),
        }
    }
    score.finish("rpc documents of software versions", 4);
}

#[test]
fn questions() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let server = server(dir.path(), Era::Y2019, "{\"CAL_VER\": \"0.6.0\", \"n\": [1, 2.5]}");
    let said = |method: &str, params: &Value| answered(&server, method, params);
    let instruments = "['fgs', 'miri', 'nircam', 'niriss', 'nirspec', 'system']";
    let id = "JW90001001001_02101_00001.MIRIMAGE:JW90001001001_02101_00001.MIRIMAGE";
    let mut score = Score::default();
    for (section, method, params, wanted) in [
        (
            "1.4",
            "get_context_history",
            json!(["hst"]),
            json!(
                "InvalidObservatoryError: Mismatch between requested observatory 'hst' and server observatory 'jwst'"
            ),
        ),
        (
            "1.4",
            "get_dataset_ids",
            json!(["jwst_0001.pmap", "acs", null]),
            json!(format!(
                "InvalidInstrumentError: Mismatch between requested instrument 'acs' and server instruments '{instruments}'"
            )),
        ),
        (
            "1.9",
            "get_mapping_names",
            json!(["hst_0001.pmap"]),
            json!(
                "MismatchedContextError: Requested context 'hst_0001.pmap' doesn't match the observatory 'jwst' supported by this server.   Switch servers or contexts."
            ),
        ),
        ("1.9", "get_context_by_date", json!(["jwst-operational", null]), json!("jwst_0001.pmap")),
        ("1.9", "get_context_by_date", json!(["jwst-miri-edit", "jwst"]), json!("jwst_miri_0001.imap")),
        ("1.9", "get_context_by_date", json!(["jwst-miri-flat-2016-01-01", null]), json!("jwst_miri_flat_0001.rmap")),
        ("1.9", "get_context_by_date", json!(["jwst-miri-area-edit", null]), json!("N/A")),
        (
            "1.9",
            "get_context_by_date",
            json!(["jwst-miri-dark-edit", null]),
            json!("OtherError: ('Type', \"'dark'\", 'is OMITTED for', \"'miri'\")"),
        ),
        (
            "1.9",
            "get_context_by_date",
            json!(["jwst-fgs-edit", null]),
            json!("OtherError: Unknown instrument 'fgs' for context 'jwst_0001.pmap'"),
        ),
        (
            "1.9",
            "get_context_by_date",
            json!(["jwst-miri-darkfile-edit", null]),
            json!("InvalidDateBasedContext: Bad reftype 'darkfile' in  CRDS date based context specification."),
        ),
        (
            "1.7",
            "get_best_references",
            json!(["jwst_0001.pmap", header("MIRIMAGE"), ["flat"]]),
            json!({"flat": "jwst_miri_flat_0001.fits"}),
        ),
        (
            "1.7",
            "get_best_references",
            json!(["jwst_0001.pmap", header("MIRIMAGE"), null]),
            json!({"area": "NOT FOUND n/a", "flat": "jwst_miri_flat_0001.fits",
                "gain": "NOT FOUND More than one match clause matched."}),
        ),
        (
            "1.7",
            "get_required_parkeys",
            json!(["jwst_miri_flat_0001.rmap"]),
            json!(["META.INSTRUMENT.DETECTOR", "META.OBSERVATION.DATE", "META.OBSERVATION.TIME"]),
        ),
        (
            "1.7",
            "get_required_parkeys",
            json!(["jwst_miri_0001.imap"]),
            json!(["META.INSTRUMENT.DETECTOR", "META.OBSERVATION.DATE", "META.OBSERVATION.TIME", "META.REFTYPE"]),
        ),
        ("1.7", "get_dataset_ids", json!(["jwst_0001.pmap", "miri", null]), json!([id])),
        ("1.7", "get_dataset_ids", json!(["jwst_0001.pmap", "system", null]), json!([])),
        (
            "1.7",
            "get_dataset_headers_by_id",
            json!(["jwst_0001.pmap", ["jw90001001001_02101_00001_mirimage"], null]),
            json!({id: header("MIRIMAGE")}),
        ),
        (
            "1.7",
            "get_dataset_headers_by_id",
            json!(["jwst_0001.pmap", ["x"], null]),
            json!({"X:X": "NOT FOUND No instrument name found for dataset"}),
        ),
        ("1.7", "get_system_versions", json!(["0.6.0", "None"]), json!({"CAL_VER": "0.6.0", "n": [1, 2.5]})),
        ("1.7", "get_system_versions", json!(["0.6.0", "jwst-versions"]), json!({"CAL_VER": "0.6.0", "n": [1, 2.5]})),
        ("1.7", "list_mappings", json!(["jwst", "*.imap"]), json!(["jwst_miri_0001.imap", "jwst_system_0001.imap"])),
        ("1.7", "list_mappings", json!(["JWST", "*"]), json!([])),
        (
            "1.7",
            "get_reference_names",
            json!(["jwst_miri_0001.imap"]),
            json!(["jwst_miri_flat_0001.fits", "jwst_miri_gain_0001.fits", "jwst_miri_gain_0002.fits"]),
        ),
        (
            "1.7",
            "get_best_references_by_ids",
            json!(["jwst_0001.pmap", ["x", "JW90001001001_02101_00002_MIRIMAGE"], ["flat"], false]),
            json!({"X": [false, "NOT FOUND No instrument name found for dataset"],
                "JW90001001001_02101_00002_MIRIMAGE": [false, "NOT FOUND no match found in query"]}),
        ),
    ] {
        score.same(section, &format!("{method}{params}"), said(method, &params), wanted);
    }
    let missing = said("get_best_references", &json!(["jwst_0001.pmap", header("NOWHERE"), ["flat"]]));
    score.step("1.7", "no match", missing["flat"].as_str().is_some_and(|text| text.starts_with("NOT FOUND ")));
    let no_version = said("get_system_versions", &json!(["9.9", "None"]));
    score.step(
        "1.7",
        "no software version: the text of the lookup",
        no_version.as_str().is_some_and(|text| text.starts_with("OtherError: NOT FOUND ")),
    );
    let info = said("get_server_info", &json!([]));
    score.same("1.8", "the versions context", info["versions_context"].clone(), json!("jwst_0001.pmap"));
    score.same(
        "1.8",
        "download prefixes",
        info["mapping_url"]["unchecked"].clone(),
        json!({"jwst": "http://server/unchecked_get/mappings/jwst/"}),
    );
    score.finish("rpc of a JWST server", 27);
}
