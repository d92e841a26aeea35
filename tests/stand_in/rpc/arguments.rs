//! WP 1.4, "Checks and their texts": every check at every method that has it.

use crds_upgrade::stand_in::server::Era;
use serde_json::{Value, json};

use super::{bench::Bench, mini::Load};
use crate::web_score::Score;

const HST_TYPES: &str = "apdestab, apertab, atodfile, atodtab, backtab, badttab, biacfile, biasfile, bpixtab, brftab, brsttab, \
    ccdtab, cdstab, cfltfile, crrejtab, d2imfile, darkfile, deadtab, dfltfile, dgeofile, disptab, drkcfile, echsctab, exstab, \
    flatfile, flshfile, fluxtab, gactab, geofile, gsagtab, halotab, hvtab, idctab, illmfile, imphttab, inangtab, lamptab, \
    lfltfile, maskfile, mdriztab, mlintab, mofftab, nlinfile, noisfile, npolfile, offtab, oscntab, pctab, pctetab, pedsbtab, \
    pfltfile, phatab, phottab, pmodfile, pmskfile, proftab, riptab, rnlcortb, saacntab, saadfile, sdctab, shadfile, snkcfile, \
    spottab, sptrctab, spwcstab, srwtab, tdctab, tdffile, tdstab, teltab, tempfile, thermal, thruput, tmctab, tmgtab, tmttab, \
    tracetab, twozxtab, walktab, wcptab, wf4tfile, xtractab, xwlkfile, ywlkfile, zprattab";

fn python_list(words: &str) -> String {
    let quoted: Vec<String> = words.split(", ").map(|w| format!("'{}'", w.trim())).collect();
    format!("[{}]", quoted.join(", "))
}

/// A call whose argument `at` is tried out; the others are good.
#[derive(Clone)]
struct Place {
    method: &'static str,
    good: Value,
    at: usize,
}

fn place(method: &'static str, at: usize, good: Value) -> Place {
    Place { method, good, at }
}

impl Place {
    fn with(&self, value: &Value) -> Value {
        let mut params = self.good.clone();
        params[self.at] = value.clone();
        params
    }
}

fn check(bench: &Bench, score: &mut Score, places: &[Place], cases: &[(Value, &str)]) {
    for place in places {
        for (value, wanted) in cases {
            let seen = bench.said(place.method, place.with(value));
            score.same("1.4", &format!("{} argument {}: {value}", place.method, place.at), seen, json!(wanted));
        }
    }
}

fn header() -> Value {
    json!({"INSTRUME": "ACS", "DETECTOR": "WFC", "DATE-OBS": "2012-01-01", "TIME-OBS": "00:00:00"})
}

#[test]
fn observatories_globs_instruments() {
    let bench = Bench::new(&Load::ordinary());
    let mut score = Score::default();
    let strict = [
        place("get_file_info_map", 0, json!(["hst", [], []])),
        place("get_sqlite_db", 0, json!(["hst"])),
        place("get_affected_datasets", 0, json!(["hst", null, null])),
        place("get_context_history", 0, json!(["hst"])),
        place("push_remote_context", 0, json!(["hst", "operational", "k", "hst_0001.pmap"])),
        place("get_remote_context", 0, json!(["hst", "p"])),
        place("get_submission_info", 0, json!(["hst", "*"])),
    ];
    let lenient = [
        place("list_mappings", 0, json!(["hst", "*"])),
        place("list_references", 0, json!(["hst", "*"])),
        place("get_default_context", 0, json!(["hst"])),
        place("get_context_by_date", 1, json!(["hst_0001.pmap", "hst"])),
    ];
    let refused = [
        (
            json!("jwst"),
            "InvalidObservatoryError: Mismatch between requested observatory 'jwst' and server observatory 'hst'",
        ),
        (
            json!("JWST"),
            "InvalidObservatoryError: Mismatch between requested observatory 'jwst' and server observatory 'hst'",
        ),
        (json!(""), "InvalidObservatoryError: Mismatch between requested observatory '' and server observatory 'hst'"),
        (
            json!("hst "),
            "InvalidObservatoryError: Mismatch between requested observatory 'hst ' and server observatory 'hst'",
        ),
        (
            json!("é"),
            "InvalidObservatoryError: Mismatch between requested observatory 'é' and server observatory 'hst'",
        ),
        (json!(5), "OtherError: 'int' object has no attribute 'lower'"),
        (json!(1.5), "OtherError: 'float' object has no attribute 'lower'"),
        (json!(true), "OtherError: 'bool' object has no attribute 'lower'"),
        (json!(["hst"]), "OtherError: 'list' object has no attribute 'lower'"),
        (json!({"hst": 1}), "OtherError: 'dict' object has no attribute 'lower'"),
    ];
    check(&bench, &mut score, &strict, &refused);
    check(&bench, &mut score, &lenient, &refused);
    check(&bench, &mut score, &strict, &[(Value::Null, "OtherError: 'NoneType' object has no attribute 'lower'")]);
    for place in &lenient {
        score.same(
            "1.4",
            "null is the server's own",
            bench.said(place.method, place.with(&Value::Null)),
            bench.said(place.method, place.good.clone()),
        );
    }
    let globs = [place("list_mappings", 1, json!(["hst", "*"])), place("list_references", 1, json!(["hst", "*"]))];
    check(
        &bench,
        &mut score,
        &globs,
        &[
            (json!(""), "BadListGlobError: Illegal glob pattern, not permitted ''"),
            (json!("hst_???"), "BadListGlobError: Illegal glob pattern, not permitted 'hst_???'"),
            (json!("../*"), "BadListGlobError: Illegal glob pattern, not permitted '../*'"),
            (json!("a b"), "BadListGlobError: Illegal glob pattern, not permitted 'a b'"),
            (json!("é*"), "BadListGlobError: Illegal glob pattern, not permitted 'é*'"),
            (Value::Null, "OtherError: expected string or bytes-like object"),
            (json!(5), "OtherError: expected string or bytes-like object"),
            (json!(["*"]), "OtherError: expected string or bytes-like object"),
        ],
    );
    let long = "a".repeat(129);
    score.same(
        "1.4",
        "129 characters are too many",
        bench.said("list_mappings", json!(["hst", long])),
        json!(format!("BadListGlobError: Illegal glob pattern, not permitted '{long}'")),
    );
    score.same("1.4", "128 characters pass", bench.said("list_mappings", json!(["hst", "a".repeat(128)])), json!([]));
    let known = "['acs', 'cos', 'nicmos', 'stis', 'synphot', 'wfc3', 'wfpc2']";
    let instrument = [place("get_dataset_ids", 1, json!(["hst_0001.pmap", "acs", null]))];
    let mismatch = |i: &str| {
        format!("InvalidInstrumentError: Mismatch between requested instrument '{i}' and server instruments '{known}'")
    };
    check(
        &bench,
        &mut score,
        &instrument,
        &[
            (json!("foc"), mismatch("foc").as_str()),
            (json!("FOC"), mismatch("foc").as_str()),
            (json!(""), mismatch("").as_str()),
            (Value::Null, "OtherError: 'NoneType' object has no attribute 'lower'"),
            (json!(3), "OtherError: 'int' object has no attribute 'lower'"),
        ],
    );
    score.finish("rpc observatories, globs, instruments", 130);
}

#[test]
fn files_and_lists() {
    let bench = Bench::new(&Load::ordinary());
    let mut score = Score::default();
    let known = [
        place("file_exists", 0, json!(["hst_0001.pmap"])),
        place("get_file_info", 1, json!(["hst", "hst_0001.pmap"])),
        place("get_mapping_url", 1, json!(["hst_0001.pmap", "hst_0001.pmap"])),
        place("get_reference_url", 1, json!(["hst_0001.pmap", "abc_drk.fits"])),
    ];
    check(
        &bench,
        &mut score,
        &known,
        &[
            (json!(""), "OtherError: Invalid file name ''"),
            (json!("/etc/passwd"), "OtherError: Invalid file name '/etc/passwd'"),
            (json!("%x"), "OtherError: Invalid file name '%x'"),
            (json!("é.fits"), "OtherError: Invalid file name 'é.fits'"),
            (json!("'a'"), "OtherError: Invalid file name \"'a'\""),
            (json!("../x"), "UnknownFile: File '../x' is not known to CRDS."),
            (json!("a/b"), "UnknownFile: File 'a/b' is not known to CRDS."),
            (json!("a%b"), "UnknownFile: File 'a%b' is not known to CRDS."),
            (json!(" x"), "UnknownFile: File ' x' is not known to CRDS."),
            (json!("a'b"), "UnknownFile: File 'a'b' is not known to CRDS."),
            (json!("HST_0001.PMAP"), "UnknownFile: File 'HST_0001.PMAP' is not known to CRDS."),
            (json!("hst_0001.pmap "), "UnknownFile: File 'hst_0001.pmap ' is not known to CRDS."),
            (json!("a\nb"), "UnknownFile: File 'a\nb' is not known to CRDS."),
            (json!("aé"), "UnknownFile: File 'aé' is not known to CRDS."),
            (Value::Null, "OtherError: expected string or bytes-like object"),
            (json!(5), "OtherError: expected string or bytes-like object"),
            (json!([]), "OtherError: expected string or bytes-like object"),
            (json!({}), "OtherError: expected string or bytes-like object"),
        ],
    );
    let long = "a".repeat(300);
    score.same(
        "1.4",
        "300 characters pass the pattern",
        bench.said("file_exists", json!([long])),
        json!(format!("UnknownFile: File '{long}' is not known to CRDS.")),
    );
    score.same(
        "1.4",
        "a reference is no mapping",
        bench.said("get_mapping_url", json!(["hst_0001.pmap", "abc_drk.fits"])),
        json!("UnknownMappingError: Mapping parameter 'abc_drk.fits' is not a known CRDS mapping file."),
    );
    score.same(
        "1.4",
        "a mapping is no reference",
        bench.said("get_reference_url", json!(["hst_0001.pmap", "hst_0001.pmap"])),
        json!("UnknownReferenceError: Reference parameter 'hst_0001.pmap' is not a known CRDS reference file."),
    );
    // get_url checks the name's shape only.
    let url = [place("get_url", 1, json!(["hst_0001.pmap", "x"]))];
    check(
        &bench,
        &mut score,
        &url,
        &[
            (json!("../x"), "http://server/get/../x"),
            (json!("no such.fits"), "http://server/get/no such.fits"),
            (json!(""), "OtherError: Invalid file name ''"),
            (Value::Null, "OtherError: expected string or bytes-like object"),
        ],
    );
    let files = [place("get_file_info_map", 1, json!(["hst", [], []]))];
    check(
        &bench,
        &mut score,
        &files,
        &[
            (json!("x"), "InvalidFileList: Expected list of filenames or None."),
            (json!(5), "InvalidFileList: Expected list of filenames or None."),
            (json!({}), "InvalidFileList: Expected list of filenames or None."),
            (json!([""]), "InvalidFileList: Expected list of filenames or None."),
            (json!(["/x"]), "InvalidFileList: Expected list of filenames or None."),
            (json!([null]), "InvalidFileList: Expected list of filenames or None."),
            (json!(["ok", 5]), "InvalidFileList: Expected list of filenames or None."),
        ],
    );
    let fields = [place("get_file_info_map", 2, json!(["hst", [], []]))];
    check(
        &bench,
        &mut score,
        &fields,
        &[
            (json!("x"), "InvalidFieldList: Expected list of fields or None."),
            (json!(5), "InvalidFieldList: Expected list of fields or None."),
            (json!({}), "InvalidFieldList: Expected list of fields or None."),
            (json!(["a b"]), "InvalidFileList: Expected list of fields or None."),
            (json!([""]), "InvalidFileList: Expected list of fields or None."),
            (json!(["a".repeat(65)]), "InvalidFileList: Expected list of fields or None."),
            (json!([null]), "InvalidFileList: Expected list of fields or None."),
        ],
    );
    score.finish("rpc files and lists", 90);
}

#[test]
fn headers_and_types() {
    let bench = Bench::new(&Load::ordinary());
    let mut score = Score::default();
    let bad_value = |v: &str| {
        format!("InvalidHeaderError: Bad value in header... not a str, int, float, or bool, or illegal str: '{v}'")
    };
    let places = [place("get_best_references", 1, json!(["hst_0001.pmap", header(), ["darkfile"]]))];
    check(
        &bench,
        &mut score,
        &places,
        &[
            (Value::Null, "InvalidHeaderError: Header parameter is not a dictionary."),
            (json!([]), "InvalidHeaderError: Header parameter is not a dictionary."),
            (json!("x"), "InvalidHeaderError: Header parameter is not a dictionary."),
            (json!(5), "InvalidHeaderError: Header parameter is not a dictionary."),
            (json!({"A B": "x"}), "InvalidHeaderError: Bad key in header A B"),
            (json!({"": "x"}), "InvalidHeaderError: Bad key in header "),
            (json!({"é": "x"}), "InvalidHeaderError: Bad key in header é"),
            (json!({"a'b": "x"}), "InvalidHeaderError: Bad key in header a'b"),
            (json!({"A": null}), bad_value("None").as_str()),
            (json!({"A": []}), bad_value("[]").as_str()),
            (json!({"A": {}}), bad_value("{}").as_str()),
            (json!({"A": "x\ny"}), bad_value("x\ny").as_str()),
            (json!({"A": "x".repeat(257)}), bad_value(&"x".repeat(257)).as_str()),
            (json!({"A": 5}), "OtherError: expected string or bytes-like object"),
            (json!({"A": 1.5}), "OtherError: expected string or bytes-like object"),
            (json!({"A": true}), "OtherError: expected string or bytes-like object"),
        ],
    );
    let key = "K".repeat(256);
    let mut long = header();
    long[&key] = json!("v".repeat(256));
    score.same(
        "1.4",
        "keys and values of 256 pass",
        bench.said("get_best_references", json!(["hst_0001.pmap", long, ["darkfile"]])),
        json!({"darkfile": "abd_drk.fits"}),
    );
    let maps = [place("get_best_references_by_header_map", 1, json!(["hst_0001.pmap", {"J1": header()}, null]))];
    check(
        &bench,
        &mut score,
        &maps,
        &[
            (Value::Null, "OtherError: ' dataset_id '"),
            (json!([]), "OtherError: ' dataset_id '"),
            (json!("x"), "OtherError: ' dataset_id '"),
            (json!({"": {}}), "InvalidDatasetIds: Bad dataset id: ''"),
            (json!({"/x": {}}), "InvalidDatasetIds: Bad dataset id: '/x'"),
            (
                json!({"J1": []}),
                "InvalidHeaderError: Invalid header at dataset id 'J1' : 'Header parameter is not a dictionary.'",
            ),
            (
                json!({"J1": {}, "J2": {"a b": "x"}}),
                "InvalidHeaderError: Invalid header at dataset id 'J2' : 'Bad key in header a b'",
            ),
        ],
    );
    let unknown = format!("InvalidReftypesError: Reftype '{}' is not a known reference type.", python_list(HST_TYPES));
    let types = [
        place("get_best_references", 2, json!(["hst_0001.pmap", header(), ["darkfile"]])),
        place("get_best_references_by_ids", 2, json!(["hst_0001.pmap", [], null, false])),
        place("get_best_references_by_header_map", 2, json!(["hst_0001.pmap", {}, null])),
    ];
    check(
        &bench,
        &mut score,
        &types,
        &[
            (
                json!("darkfile"),
                "InvalidReftypesError: reftypes parameter should be a list of reftype/filekind strings or None.",
            ),
            (
                json!(5),
                "InvalidReftypesError: reftypes parameter should be a list of reftype/filekind strings or None.",
            ),
            (
                json!({}),
                "InvalidReftypesError: reftypes parameter should be a list of reftype/filekind strings or None.",
            ),
            (
                json!(false),
                "InvalidReftypesError: reftypes parameter should be a list of reftype/filekind strings or None.",
            ),
            (json!([null]), "InvalidReftypesError: Non-string reftype: 'None'"),
            (json!([5]), "InvalidReftypesError: Non-string reftype: '5'"),
            (json!([["a"]]), "InvalidReftypesError: Non-string reftype: '['a']'"),
            (json!([true]), "InvalidReftypesError: Non-string reftype: 'True'"),
            (json!(["nofile"]), unknown.as_str()),
            (json!([""]), unknown.as_str()),
            (json!(["darkfile", "nofile"]), unknown.as_str()),
        ],
    );
    score.same(
        "1.4",
        "types are lower-cased",
        bench.said("get_best_references", json!(["hst_0001.pmap", header(), ["DARKFILE"]])),
        json!({"darkfile": "abd_drk.fits"}),
    );
    score.finish("rpc headers and types", 55);
}

#[test]
fn datasets_dates_and_words() {
    let bench = Bench::new(&Load::ordinary().with("users", json!([{"username": "jdoe", "password": "secret1"}])));
    let mut score = Score::default();
    let lists = [place("get_dataset_headers_by_id", 1, json!(["hst_0001.pmap", [], null]))];
    let counted = [place("get_best_references_by_ids", 1, json!(["hst_0001.pmap", [], null, false]))];
    // The archive's page looks at the ids before they are counted.
    let listed_first = [lists[0].clone(), place("get_aui_best_references", 1, json!(["hst_0001.pmap", []]))];
    let official = "InvalidDatasetIds: Expected datasets to be official id strings.";
    let ids = [
        (json!({}), "InvalidDatasetIds: Expected list of dataset ids."),
        (json!("J1"), "InvalidDatasetIds: Expected list of dataset ids."),
        (json!([""]), official),
        (json!(["a b"]), official),
        (json!(["a:b:c"]), official),
        (json!([":a"]), official),
        (json!(["a:"]), official),
        (json!(["a/b"]), official),
        (json!(["é"]), official),
        (json!(["a".repeat(129)]), official),
        (json!([null]), official),
        (json!([5]), official),
    ];
    check(&bench, &mut score, &listed_first, &ids);
    check(&bench, &mut score, &counted, &ids);
    check(
        &bench,
        &mut score,
        &listed_first,
        &[
            (Value::Null, "InvalidDatasetIds: Expected list of dataset ids."),
            (json!(5), "InvalidDatasetIds: Expected list of dataset ids."),
        ],
    );
    check(
        &bench,
        &mut score,
        &counted,
        &[
            (Value::Null, "OtherError: object of type 'NoneType' has no len()"),
            (json!(5), "OtherError: object of type 'int' has no len()"),
            (json!(true), "OtherError: object of type 'bool' has no len()"),
        ],
    );
    let many: Vec<String> = (0..1001).map(|n| format!("J{n}")).collect();
    score.same(
        "1.7",
        "over 1000 ids of best references",
        bench.said("get_best_references_by_ids", json!(["hst_0001.pmap", many, null, false])),
        json!("InvalidDatasetIds: Get best references by ids limited to <= '1000' datasets per call."),
    );
    score.same(
        "1.7",
        "over 1000 ids of headers",
        bench.said("get_dataset_headers_by_id", json!(["hst_0001.pmap", many, null])),
        json!("OtherError: Too many ids.   More than 1000 datasets specified."),
    );
    let booleans = [place("get_best_references_by_ids", 3, json!(["hst_0001.pmap", [], null, false]))];
    check(
        &bench,
        &mut score,
        &booleans,
        &[
            (Value::Null, "OtherError: Invalid boolean value."),
            (json!(2), "OtherError: Invalid boolean value."),
            (json!("yes"), "OtherError: Invalid boolean value."),
            (json!("tRUE"), "OtherError: Invalid boolean value."),
            (json!([]), "OtherError: unhashable type: 'list'"),
            (json!({}), "OtherError: unhashable type: 'dict'"),
        ],
    );
    for good in [json!(false), json!("False"), json!("FALSE"), json!("false"), json!("nil"), json!(0), json!(0.0)] {
        score.same(
            "1.4",
            &format!("{good} is false"),
            bench.said("get_best_references_by_ids", json!(["hst_0001.pmap", [], null, good])),
            json!({}),
        );
    }
    for good in [json!(true), json!("True"), json!("TRUE"), json!("true"), json!(1), json!(1.0)] {
        score.step(
            "1.4",
            &format!("{good} is true"),
            bench.call("get_best_references_by_ids", json!(["hst_0001.pmap", [], null, good])).is_ok(),
        );
    }
    let since = [
        place("get_dataset_headers_by_id", 2, json!(["hst_0001.pmap", [], null])),
        place("get_dataset_ids", 2, json!(["hst_0001.pmap", "acs", null])),
        place("get_delivery_status", 0, json!([null])),
    ];
    for place in &since {
        for bad in [
            "2014-01-01",
            "",
            "2014-01-01T00:00",
            "2014-13-01 00:00:00",
            "2014-01-01 25:00:00",
            "2014-02-30 00:00:00",
            "2014-01-01 00:00:60",
            "0000-01-01 00:00:00",
            "2014-01-01 00:00:00.5",
            "x",
            "14-01-01 00:00:00",
            "2014-01-01X00:00:00",
        ] {
            let wanted =
                format!("InvalidDateFormat: Invalid date/time specification: '{bad}' should be YYYY-MM-DDTHH:MM:SS");
            score.same(
                "1.4",
                &format!("since {bad:?}"),
                bench.said(place.method, place.with(&json!(bad))),
                json!(wanted),
            );
        }
        // Python's `$` lets a final newline pass, and its `\d` the digits of every script.
        for good in [
            "2014-01-01T00:00:00",
            "2014-01-01 00:00:00",
            "2014-01-01   23:59:59",
            "2014-01-01T00:00:00\n",
            "２０14-01-01T00:00:00",
        ] {
            score.step(
                "1.4",
                &format!("since {good:?} passes"),
                bench.call(place.method, place.with(&json!(good))).is_ok(),
            );
        }
        for (bad, shown) in [(json!(5), "5"), (json!([]), "[]"), (json!(true), "True"), (json!({}), "{}")] {
            score.same(
                "1.4",
                "since must be a text",
                bench.said(place.method, place.with(&bad)),
                json!(format!(
                    "InvalidDateFormat: Invalid date/time specification: '{shown}' should be YYYY-MM-DDTHH:MM:SS"
                )),
            );
        }
    }
    let kinds = [place("push_remote_context", 1, json!(["hst", "operational", "k", "hst_0001.pmap"]))];
    check(
        &bench,
        &mut score,
        &kinds,
        &[
            (json!("edit"), "UnpushableContextKind: The specified context kind is invalid."),
            (json!(""), "UnpushableContextKind: The specified context kind is invalid."),
            (json!("latest"), "UnpushableContextKind: The specified context kind is invalid."),
            (Value::Null, "UnpushableContextKind: The specified context kind is invalid."),
            (json!(["operational"]), "UnpushableContextKind: The specified context kind is invalid."),
        ],
    );
    let keys = [place("push_remote_context", 2, json!(["hst", "operational", "k", "hst_0001.pmap"]))];
    check(
        &bench,
        &mut score,
        &keys,
        &[
            (json!(""), "InvalidKey: The specified key is invalid."),
            (json!("-x"), "InvalidKey: The specified key is invalid."),
            (json!(" x"), "InvalidKey: The specified key is invalid."),
        ],
    );
    let names = [place("get_remote_context", 1, json!(["hst", "p"]))];
    check(
        &bench,
        &mut score,
        &names,
        &[
            (json!(""), "InvalidPipelineName: The specified pipeline name is invalid."),
            (json!("-x"), "InvalidPipelineName: The specified pipeline name is invalid."),
            (json!("nobody"), "OtherError: RemoteContextModel matching query does not exist."),
            (json!("/x"), "OtherError: RemoteContextModel matching query does not exist."),
        ],
    );
    let users = [place("get_submission_info", 1, json!(["hst", "*"]))];
    check(
        &bench,
        &mut score,
        &users,
        &[
            (json!("nobody"), "InvalidUserError: The specified CRDS server username 'nobody' is invalid."),
            (json!("o'neil"), "InvalidUserError: The specified CRDS server username \"o'neil\" is invalid."),
            (Value::Null, "InvalidUserError: The specified CRDS server username None is invalid."),
            (json!(5), "InvalidUserError: The specified CRDS server username 5 is invalid."),
            (json!("{{x}}"), "InvalidUserError: The specified CRDS server username '{x}' is invalid."),
            (json!("{x}"), "OtherError: 'x'"),
        ],
    );
    let version = "OtherError: Invalid version string,  must be 1-128 chars of A-Z, a-z, 0-9, ., -, _";
    let versions = [place("get_system_versions", 0, json!(["0.6.0", "hst_0001.pmap"]))];
    check(
        &bench,
        &mut score,
        &versions,
        &[
            (json!(""), version),
            (json!("a b"), version),
            (json!("1+2"), version),
            (json!("a".repeat(129)), version),
            (json!("0.6.0"), "OtherError: Unknown instrument 'system' for context 'hst_0001.pmap'"),
        ],
    );
    score.same(
        "1.7",
        "the context of get_system_versions is lower-cased",
        bench.said("get_system_versions", json!(["0.6.0", null])),
        json!("OtherError: 'NoneType' object has no attribute 'lower'"),
    );
    score.finish("rpc datasets, dates, words", 110);
}

/// Python 2.7's own words, where they are not those of Python 3.
#[test]
fn words_of_python_2() {
    let old = Bench::of(&Load::ordinary(), Era::Y2014, |_| {});
    let mut score = Score::default();
    let no_text = "OtherError: expected string or buffer";
    for (method, params, wanted) in [
        ("get_url", json!(["hst_0001.pmap", 5]), no_text),
        ("get_url", json!(["hst_0001.pmap", null]), no_text),
        ("file_exists", json!([["abc_drk.fits"]]), no_text),
        ("list_mappings", json!(["hst", null]), no_text),
        ("get_best_references", json!(["hst_0001.pmap", {"INSTRUME": 5}, null]), no_text),
        ("get_file_info_map", json!([null, null, null]), "OtherError: 'NoneType' object has no attribute 'lower'"),
        ("get_dataset_ids", json!(["hst_0001.pmap", 5, null]), "OtherError: 'int' object has no attribute 'lower'"),
        ("get_url", json!(["x"]), "OtherError: get_url() takes exactly 3 arguments (2 given)"),
        ("file_exists", json!([]), "OtherError: file_exists() takes exactly 2 arguments (1 given)"),
        ("get_dataset_ids", json!(["x"]), "OtherError: get_dataset_ids() takes at least 3 arguments (2 given)"),
        (
            "get_server_info",
            json!(null),
            "OtherError: get_server_info() argument after * must be a sequence, not NoneType",
        ),
    ] {
        score.same("1.4", &format!("2014: {method}{params}"), old.said(method, params.clone()), json!(wanted));
    }
    score.finish("rpc words of Python 2", 11);
}
