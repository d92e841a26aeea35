//! WP 1.7: ids and headers of the archive's datasets.

use crds_upgrade::stand_in::server::Era;
use serde_json::{Value, json};

use super::{bench::Bench, mini::Load};
use crate::web_score::Score;

fn load() -> Load {
    let line = |id: &str, header: Value| json!({"id": id, "header": header}).to_string() + "\n";
    let text =
        line("LAAAA0010:LAAAA01AQ", json!({"INSTRUME": "COS", "DETECTOR": "FUV", "EXPSTART": "2012-05-01 00:00:00"}))
            + &line(
                "LAAAA0010:LAAAA01BQ",
                json!({"INSTRUME": "COS", "DETECTOR": "NUV", "EXPSTART": "2013-05-01T00:00:00"}),
            )
            + &line(
                "LBBBB01CQ:LBBBB01CQ",
                json!({"INSTRUME": "COS", "DETECTOR": "FUV", "TEXPSTRT": "2014-05-01 00:00:00"}),
            )
            + &line("J1AAA01Q:J1AAA01Q", json!({"INSTRUME": "ACS", "DETECTOR": "WFC"}));
    Load::ordinary().file("datasets.jsonl", text)
}

#[test]
fn ids() {
    let bench = Bench::new(&load());
    let mut score = Score::default();
    let cos = ["LAAAA0010:LAAAA01AQ", "LAAAA0010:LAAAA01BQ", "LBBBB01CQ:LBBBB01CQ"];
    for (params, wanted, what) in [
        (json!(["hst_0001.pmap", "cos", null]), json!(cos), "sorted"),
        (json!(["hst_0001.pmap", "COS", null]), json!(cos), "the instrument is lower-cased"),
        (json!(["hst_0001.pmap", "cos"]), json!(cos), "since has a default"),
        (json!(["hst_0001.pmap", "acs", null]), json!(["J1AAA01Q:J1AAA01Q"]), "another instrument"),
        (json!(["hst_0001.pmap", "wfc3", null]), json!([]), "none"),
        (json!(["hst_0001.pmap", "synphot", null]), json!([]), "synphot"),
        (
            json!(["hst_0001.pmap", "cos", "2013-05-01 00:00:00"]),
            json!(&cos[1..]),
            "exposures that do not begin before the date",
        ),
        (
            json!(["hst_0001.pmap", "cos", "2013-05-01T00:00:01"]),
            json!(&cos[2..]),
            "a second later; TEXPSTRT counts too",
        ),
        (json!(["hst_0001.pmap", "cos", "2020-01-01 00:00:00"]), json!([]), "all before"),
    ] {
        score.same("1.7", &format!("get_dataset_ids: {what}"), bench.said("get_dataset_ids", params), wanted);
    }
    let away = Bench::new(&load().with("archive", json!("away")));
    score.same(
        "1.7",
        "archive away",
        away.said("get_dataset_ids", json!(["hst_0001.pmap", "cos", null])),
        json!("OtherError: CRDS access to DADSOPS database for instrument 'COS' failed."),
    );
    score.same(
        "1.7",
        "archive away: synphot asks nobody",
        away.said("get_dataset_ids", json!(["hst_0001.pmap", "synphot", null])),
        json!([]),
    );
    let empty = Bench::new(&Load::ordinary());
    score.same(
        "1.7",
        "an archive that knows none",
        empty.said("get_dataset_ids", json!(["hst_0001.pmap", "cos", null])),
        json!([]),
    );
    score.finish("rpc dataset ids", 12);
}

#[test]
fn headers() {
    let bench = Bench::new(&load());
    let mut score = Score::default();
    let a = json!({"INSTRUME": "COS", "DETECTOR": "FUV", "EXPSTART": "2012-05-01 00:00:00"});
    let b = json!({"INSTRUME": "COS", "DETECTOR": "NUV", "EXPSTART": "2013-05-01T00:00:00"});
    let unknown = json!("NOT FOUND no match found in query");
    for (ids, wanted, what) in [
        (json!(["LAAAA0010"]), json!({"LAAAA0010:LAAAA01AQ": a, "LAAAA0010:LAAAA01BQ": b}), "a product: every member"),
        (json!(["laaaa0010"]), json!({"LAAAA0010:LAAAA01AQ": a, "LAAAA0010:LAAAA01BQ": b}), "ids are upper-cased"),
        (json!(["LAAAA01BQ"]), json!({"LAAAA0010:LAAAA01BQ": b}), "an exposure under its compound name"),
        (json!(["LAAAA0010:LAAAA01AQ"]), json!({"LAAAA0010:LAAAA01AQ": a}), "a compound id"),
        (
            json!(["LAAAA01AQ", "LAAAA0010"]),
            json!({"LAAAA0010:LAAAA01AQ": a, "LAAAA0010:LAAAA01BQ": b}),
            "asked twice, there once",
        ),
        (json!(["NOSUCH01Q"]), json!({"NOSUCH01Q": unknown}), "an unknown id has a text"),
        (
            json!(["EOLD01Q", "LAAAA01AQ"]),
            json!(
                "OtherError: Error accessing catalog for instrument 'eng':CRDS access to DADSOPS database for \
                 instrument 'ENG' failed."
            ),
            "the archive has no tables of a retired instrument",
        ),
        (json!([]), json!({}), "no ids"),
        (
            json!(["LAAAA01AQ", "BAR"]),
            json!("OtherError: Can't determine instrument for dataset 'BAR'"),
            "an id without instrument fails the call",
        ),
        (json!(["5X"]), json!("OtherError: Can't determine instrument for dataset '5X'"), "a digit"),
    ] {
        score.same(
            "1.7",
            &format!("get_dataset_headers_by_id: {what}"),
            bench.said("get_dataset_headers_by_id", json!(["hst_0001.pmap", ids, null])),
            wanted,
        );
    }
    let since = bench.said("get_dataset_headers_by_id", json!(["hst_0001.pmap", ["LAAAA01AQ"], "2020-01-01 00:00:00"]));
    score.step("1.7", "2019 checks since and ignores it", since["LAAAA0010:LAAAA01AQ"].is_object());
    let away = Bench::new(&load().with("archive", json!("away")));
    score.same(
        "1.7",
        "archive away: the first product's instrument speaks",
        away.said("get_dataset_headers_by_id", json!(["hst_0001.pmap", ["NAAAA01AQ", "LAAAA01AQ"], null])),
        json!(
            "OtherError: Error accessing catalog for instrument 'cos':CRDS access to DADSOPS database for instrument \
             'COS' failed."
        ),
    );
    for ids in [json!(["LAAAA01AQ"]), json!([]), json!(["BAR"])] {
        let seen = away.said("get_best_references_by_ids", json!(["hst_0001.pmap", ids, null, false]));
        score.step(
            "1.7",
            &format!("archive away: surrogates are looked for before anything else, {ids}"),
            seen.as_str().is_some_and(|text| text.starts_with("OtherError: ('08S01', ")),
        );
    }
    score.same(
        "1.7",
        "archive away: no ids, nobody asked",
        away.said("get_dataset_headers_by_id", json!(["hst_0001.pmap", [], null])),
        json!({}),
    );
    // The word may change while the server runs.
    std::fs::write(bench.data("archive/state"), "away").expect("state");
    score.step(
        "1.7",
        "the archive goes away",
        bench.call("get_dataset_headers_by_id", json!(["hst_0001.pmap", ["LAAAA01AQ"], null])).is_err(),
    );
    let old = Bench::of(&load(), Era::Y2014, |_| {});
    score.same(
        "1.7",
        "2014: ids are letters, digits, _ and :",
        old.said("get_dataset_headers_by_id", json!(["hst_0001.pmap", ["LA-1"], null])),
        json!("InvalidDatasetIds: Expected datasets to be official id strings."),
    );
    let many: Vec<String> = (0..5001).map(|n| format!("J{n}")).collect();
    score.same(
        "1.7",
        "2014: up to 5000 ids",
        old.said("get_dataset_headers_by_id", json!(["hst_0001.pmap", many, null])),
        json!("OtherError: Too many ids.   More than 5000 datasets specified."),
    );
    score.finish("rpc dataset headers", 19);
}
