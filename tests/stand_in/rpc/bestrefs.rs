//! WP 1.7: best references by headers, header maps and ids.

use crds_upgrade::stand_in::server::Era;
use serde_json::{Value, json};

use super::{bench::Bench, mini::Load};
use crate::web_score::Score;

fn acs(detector: &str, date: &str) -> Value {
    json!({"INSTRUME": "ACS", "DETECTOR": detector, "DATE-OBS": date, "TIME-OBS": "00:00:00"})
}

fn datasets() -> String {
    let line = |id: &str, header: Value| json!({"id": id, "header": header}).to_string();
    [
        line("J1PROD0010:J1AAA01Q", acs("WFC", "2009-05-01")),
        line("J1PROD0010:J1AAA02Q", acs("WFC", "2011-05-01")),
        line("J2AAA01Q:J2AAA01Q", acs("HRC", "2011-05-01")),
        line("J3AAA01Q:J3AAA01Q", json!({"DETECTOR": "HRC"})),
    ]
    .join("\n")
}

#[test]
fn by_header() {
    let bench = Bench::new(&Load::ordinary());
    let mut score = Score::default();
    let early = json!("NOT FOUND No match found.");
    for (params, wanted, what) in [
        (
            json!(["hst_0001.pmap", acs("WFC", "2012-01-01"), ["darkfile"]]),
            json!({"darkfile": "abd_drk.fits"}),
            "the newest before the date",
        ),
        (
            json!(["hst_0001.pmap", acs("WFC", "2009-06-01"), ["darkfile"]]),
            json!({"darkfile": "abc_drk.fits"}),
            "an older date",
        ),
        (
            json!(["hst_0001.pmap", acs("WFC", "2000-01-01"), ["darkfile"]]),
            json!({"darkfile": early}),
            "before everything",
        ),
        (
            json!(["hst_0002.pmap", acs("WFC", "2015-01-01"), ["darkfile"]]),
            json!({"darkfile": "abf_drk.fits"}),
            "another context",
        ),
        (json!(["hst-edit", acs("WFC", "2012-01-01"), ["darkfile"]]), json!({"darkfile": "abe_drk.fits"}), "a symbol"),
        (
            json!(["2013-06-02", acs("WFC", "2012-01-01"), ["darkfile"]]),
            json!({"darkfile": "abe_drk.fits"}),
            "a date as context",
        ),
        (
            json!(["hst_0001.pmap", acs("HRC", "2012-01-01"), null]),
            json!({"biasfile": "NOT FOUND  parameter='DETECTOR' value='HRC' is not in ['WFC']", "darkfile": "abc_drk.fits", "flshfile": "NOT FOUND n/a"}),
            "null = all types; N/A and OMIT",
        ),
        (
            json!(["hst_0001.pmap", acs("WFC", "2012-01-01"), []]),
            json!({"biasfile": "abc_bia.fits", "darkfile": "abd_drk.fits", "flshfile": "NOT FOUND n/a"}),
            "[] = all types",
        ),
        (
            json!(["hst_0001.pmap", acs("WFC", "2012-01-01"), ["hvtab"]]),
            json!({"hvtab": "NOT FOUND Unknown reference type 'hvtab'"}),
            "a type of another instrument",
        ),
        (json!(["hst_0001.pmap", acs("WFC", "2012-01-01"), ["shadfile"]]), json!({}), "an omitted type is absent"),
        (
            json!(["hst_0001.pmap", acs("SBC", "2012-01-01"), ["darkfile"]]),
            json!({"darkfile": "NOT FOUND  parameter='DETECTOR' value='SBC' is not in ['HRC', 'WFC']"}),
            "a value that the rules do not mention",
        ),
        (
            json!(["hst_0001.pmap", {"INSTRUME": "acs", "DETECTOR": " wfc ", "DATE-OBS": "2012-01-01", "TIME-OBS": "00:00:00"}, ["darkfile"]]),
            json!({"darkfile": "abd_drk.fits"}),
            "2019 conditions values first",
        ),
        (
            json!(["hst_0001.pmap", {"Instrume": "ACS", "Detector": "WFC", "date-obs": "2012-01-01", "time-obs": "00:00:00"}, ["darkfile"]]),
            json!({"darkfile": "abd_drk.fits"}),
            "2019 finds keys in mixed case",
        ),
        (
            json!(["hst_0001.pmap", {"INSTRUME": "ACS", "DETECTOR": "WFC"}, ["darkfile"]]),
            json!({"darkfile": "NOT FOUND UseAfter parameter 'DATE-OBS' is UNDEFINED."}),
            "no date",
        ),
        (
            json!(["hst_0001.pmap", {"DETECTOR": "WFC"}, null]),
            json!("OtherError: Missing 'INSTRUME' keyword in header for determining instrument."),
            "no instrument",
        ),
        (
            json!(["hst_0001.pmap", {"INSTRUME": "UNDEFINED"}, null]),
            json!("OtherError: Missing 'INSTRUME' keyword in header for determining instrument."),
            "an undefined instrument",
        ),
        (
            json!(["hst_0001.pmap", {"INSTRUMENT": "ACS"}, null]),
            json!("OtherError: Missing 'INSTRUME' keyword in header for determining instrument."),
            "another name of the instrument does not survive minimising",
        ),
        (
            json!(["hst_0001.pmap", {"INSTRUME": "NOPE"}, null]),
            json!("OtherError: Unknown instrument 'nope' for context 'hst_0001.pmap'"),
            "an unknown instrument",
        ),
        (
            json!(["hst_0001.pmap", {"INSTRUMENT": "NOPE"}, null]),
            json!("OtherError: Unknown instrument 'nope' for context 'hst_0001.pmap'"),
            "an unknown instrument under another name",
        ),
        (json!(["hst_0001.pmap", {"INSTRUME": "STIS"}, null]), json!({}), "an instrument without rules"),
        (
            json!(["hst_0001.pmap", {"INSTRUME": "COS", "DETECTOR": "NUV", "DATE-OBS": "2012-01-01", "TIME-OBS": "00:00:00"}, null]),
            json!({"deadtab": "l2_dead.fits", "hvtab": "NOT FOUND n/a"}),
            "a terminal N/A",
        ),
        // An imap serves its own types and never looks at the header's instrument.
        (
            json!(["hst_acs_0001.imap", {"INSTRUME": "COS", "DETECTOR": "WFC", "DATE-OBS": "2012-01-01", "TIME-OBS": "00:00:00"}, ["darkfile"]]),
            json!({"darkfile": "abd_drk.fits"}),
            "an imap as context",
        ),
        (
            json!(["hst_acs_0001.imap", {"DETECTOR": "WFC", "DATE-OBS": "2012-01-01", "TIME-OBS": "00:00:00"}, null]),
            json!({"biasfile": "abc_bia.fits", "darkfile": "abd_drk.fits", "flshfile": "NOT FOUND n/a"}),
            "an imap: all of its types",
        ),
        (
            json!(["hst_acs_darkfile_0001.rmap", acs("WFC", "2012-01-01"), ["darkfile"]]),
            json!({"darkfile": "abd_drk.fits"}),
            "an rmap as context",
        ),
    ] {
        score.same("1.7", what, bench.said("get_best_references", params), wanted);
    }
    for (types, shown) in [(Value::Null, "[]"), (json!([]), "[]"), (json!(["biasfile"]), "['biasfile']")] {
        score.same(
            "1.7",
            &format!("an rmap serves only its own type, not {types}"),
            bench.said("get_best_references", json!(["hst_acs_darkfile_0001.rmap", acs("WFC", "2012-01-01"), types])),
            json!(format!(
                "OtherError: ReferenceMapping 'hst_acs_darkfile_0001.rmap' can only compute bestrefs for type 'darkfile' not {shown}"
            )),
        );
    }
    score.same(
        "1.7",
        "an rmap answers for its own type where it is one of several",
        bench.said(
            "get_best_references",
            json!(["hst_acs_darkfile_0001.rmap", acs("WFC", "2012-01-01"), ["biasfile", "darkfile"]]),
        ),
        json!({"darkfile": "abd_drk.fits"}),
    );
    let old = Bench::of(&Load::ordinary(), Era::Y2014, |_| {});
    score.same(
        "1.7",
        "2014: the other text",
        old.said("get_best_references", json!(["hst_0001.pmap", {"DETECTOR": "WFC"}, null])),
        json!("OtherError: Missing 'INSTRUME' keyword in header"),
    );
    score.same(
        "1.7",
        "2014 minimises first: mixed case is not found",
        old.said("get_best_references", json!(["hst_0001.pmap", {"INSTRUME": "ACS", "Detector": "WFC", "DATE-OBS": "2012-01-01", "TIME-OBS": "00:00:00"}, ["darkfile"]])),
        json!({"darkfile": "NOT FOUND  parameter='DETECTOR' value='UNDEFINED' is not in ['HRC', 'WFC']"}),
    );
    score.finish("rpc best references by header", 30);
}

#[test]
fn by_map_and_ids() {
    let bench = Bench::new(&Load::ordinary().file("datasets.jsonl", datasets()));
    let mut score = Score::default();
    let dark = json!(["darkfile"]);
    for (method, params, wanted, what) in [
        (
            "get_best_references_by_header_map",
            json!(["hst_0001.pmap", {"any/ id": acs("WFC", "2012-01-01")}, dark]),
            json!({"any/ id": [true, {"darkfile": "abd_drk.fits"}]}),
            "a map; what passes as file name is an id",
        ),
        (
            "get_best_references_by_header_map",
            json!(["hst_0001.pmap", {"J1": {"DETECTOR": "WFC"}, "J2": acs("WFC", "2012-01-01")}, dark]),
            json!({"J1": [false, "FAILED: Missing 'INSTRUME' keyword in header for determining instrument."], "J2": [true, {"darkfile": "abd_drk.fits"}]}),
            "a failing dataset fails alone",
        ),
        ("get_best_references_by_header_map", json!(["hst_0001.pmap", {}, dark]), json!({}), "an empty map"),
        (
            "get_best_references_by_ids",
            json!(["hst_0001.pmap", ["J1PROD0010:J1AAA02Q"], dark, false]),
            json!({"J1PROD0010:J1AAA02Q": [true, {"darkfile": "abd_drk.fits"}]}),
            "a compound id",
        ),
        (
            "get_best_references_by_ids",
            json!(["hst_0001.pmap", ["j1prod0010"], dark, false]),
            json!({"J1PROD0010": [true, {"darkfile": "abc_drk.fits"}]}),
            "a product: its first member; the key is upper case",
        ),
        (
            "get_best_references_by_ids",
            json!(["hst_0001.pmap", ["J1AAA02Q"], dark, false]),
            json!({"J1AAA02Q": [true, {"darkfile": "abd_drk.fits"}]}),
            "an exposure",
        ),
        (
            "get_best_references_by_ids",
            json!(["hst_0001.pmap", ["J9NOPE"], dark, false]),
            json!({"J9NOPE": [false, "NOT FOUND no match found in query"]}),
            "an unknown id: the archive's words, for it is asked for as its own product",
        ),
        (
            "get_best_references_by_ids",
            json!(["hst_0001.pmap", ["J9NOPE", "J9NOPE:J9NOPE"], dark, true]),
            json!({"J9NOPE": [false, "NOT FOUND no match found in query"],
                "J9NOPE:J9NOPE": [false, "NOT FOUND no match found in query"],
                "headers": {"J9NOPE": "NOT FOUND no match found in query",
                    "J9NOPE:J9NOPE": "NOT FOUND no match found in query"}}),
            "the same words stand among the headers",
        ),
        (
            "get_best_references_by_ids",
            json!(["hst_0001.pmap", ["J9NOPE010"], dark, true]),
            json!({"J9NOPE010": [false, "FAILED: unable to obtain matching parameters."], "headers": {}}),
            "no entry at all: an association that is its own member is passed over",
        ),
        (
            "get_best_references_by_ids",
            json!(["hst_0001.pmap", ["J3AAA01Q"], dark, false]),
            json!({"J3AAA01Q": [false, "FAILED: Missing 'INSTRUME' keyword in header for determining instrument."]}),
            "a dataset without instrument",
        ),
        (
            "get_best_references_by_ids",
            json!(["hst_0001.pmap", ["BAR"], dark, false]),
            json!("OtherError: Can't determine instrument for dataset 'BAR'"),
            "a wholly unparsable id fails the call",
        ),
        (
            "get_aui_best_references",
            json!(["hst_0001.pmap", ["J1AAA02Q", "J9NOPE"]]),
            json!({"J1AAA02Q": [true, ["abc_bia.fits", "abd_drk.fits"]], "J9NOPE": [false, "NOT FOUND no match found in query"]}),
            "the archive's form: names only, N/A left out",
        ),
        (
            "get_best_references_by_ids",
            json!(["hst_0001.pmap", ["J1AAA02", "J1PROD0010"], dark, false]),
            json!({"J1AAA02": [true, {"darkfile": "abd_drk.fits"}], "J1PROD0010": [true, {"darkfile": "abc_drk.fits"}]}),
            "a part of an id that was found for another",
        ),
        (
            "get_aui_best_references",
            json!(["2013-06-02", ["J2AAA01Q"]]),
            json!({"J2AAA01Q": [true, ["abc_drk.fits"]]}),
            "failed types are left out silently",
        ),
    ] {
        score.same("1.7", what, bench.said(method, params), wanted);
    }
    let with = bench.said("get_best_references_by_ids", json!(["hst_0001.pmap", ["J2AAA01Q"], dark, true]));
    score.same(
        "1.7",
        "with headers: the answer is there",
        with["J2AAA01Q"].clone(),
        json!([true, {"darkfile": "abc_drk.fits"}]),
    );
    score.step("1.7", "with headers: an extra member", with["headers"].is_object());
    let old = Bench::of(&Load::ordinary().file("datasets.jsonl", datasets()), Era::Y2014, |_| {});
    score.same(
        "1.7",
        "2014 needs the id as the archive names it",
        old.said("get_best_references_by_ids", json!(["hst_0001.pmap", ["J1PROD0010:J1AAA02Q"], dark])),
        json!({"J1PROD0010:J1AAA02Q": [true, {"darkfile": "abd_drk.fits"}]}),
    );
    score.same(
        "1.7",
        "2014: a plain id fails",
        old.said("get_best_references_by_ids", json!(["hst_0001.pmap", ["J1AAA02Q"], dark])),
        json!({"J1AAA02Q": [false, "FAILED: unable to obtain matching parameters."]}),
    );
    score.finish("rpc best references by map and ids", 15);
}
