//! A JWST server: what differs from HST in words, rules and ids (WP 1.4, 1.7).

use std::{fs, path::Path};

use crds_upgrade::stand_in::server::{Config, Server, http::Request, load};
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
        "{\n    'AREA' : 'N/A',\n    'DARK' : 'OMIT',\n    'FLAT' : 'jwst_miri_flat_0001.rmap',\n}",
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

#[test]
fn questions() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (at, state) = (dir.path().join("cache"), dir.path().join("load"));
    cache(&at);
    load_dir(&state);
    let data = dir.path().join("data");
    let mut config = Config::ordinary(&data, "jwst");
    config.public_url = "http://server/".to_owned();
    let start = load::Start { cache: Some(&at), load: Some(&state), ..load::Start::default() };
    let server: Server = load::open(config, &data, &start).expect("state loads");
    let said = |method: &str, params: &Value| {
        let body = json!({"jsonrpc": "1.0", "method": method, "params": params, "id": 1}).to_string();
        let request = Request {
            method: "POST".to_owned(),
            path: "/json/x/".to_owned(),
            body: body.into_bytes().into(),
            ..Request::default()
        };
        let reply: Value = serde_json::from_str(&server.respond(&request).text()).expect("JSON");
        if reply["error"].is_null() { reply["result"].clone() } else { reply["error"]["message"].clone() }
    };
    let header = |detector: &str| {
        json!({"META.INSTRUMENT.NAME": "MIRI", "META.INSTRUMENT.DETECTOR": detector,
            "META.OBSERVATION.DATE": "2016-01-01", "META.OBSERVATION.TIME": "00:00:00"})
    };
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
            json!({"area": "NOT FOUND n/a", "flat": "jwst_miri_flat_0001.fits"}),
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
        ("1.7", "get_reference_names", json!(["jwst_miri_0001.imap"]), json!(["jwst_miri_flat_0001.fits"])),
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
