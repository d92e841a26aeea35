//! WP 1.9: context specifiers and dates.

use crds_upgrade::stand_in::server::Era;
use serde_json::{Value, json};

use super::{bench::Bench, mini::Load};
use crate::web_score::Score;

/// What is said of an instrument below a context that is not set.
const NO_LITERAL: &str =
    "OtherError: `mapping` must be a literal CRDS mapping name, not a date-based context specification.";

fn not_valid(context: &str) -> String {
    format!(
        "UnknownContextError: Context parameter {context} is not a .pmap, .imap, or .rmap file or a valid date based context specification."
    )
}

fn bad_date(date: &str) -> String {
    format!(
        "InvalidDateBasedContext: Invalid context date/time format '{date}' should be YYYY-MM-DDTHH:MM:SS | operational | edit | versions"
    )
}

fn too_early(date: &str) -> String {
    format!("UnknownContextError: No CRDS context found corresponding to (prior to) date '{date}'")
}

#[test]
fn specifiers() {
    let bench = Bench::new(&Load::ordinary());
    let mut score = Score::default();
    let text = |s: &str| json!(s);
    let cases: Vec<(Value, String)> = vec![
        (text("hst_0001.pmap"), "hst_0001.pmap".into()),
        (text("hst_acs_0001.imap"), "hst_acs_0001.imap".into()),
        (text("hst_acs_darkfile_0001.rmap"), "hst_acs_darkfile_0001.rmap".into()),
        (text("hst-operational"), "hst_0001.pmap".into()),
        (text("hst-edit"), "hst_0003.pmap".into()),
        (text("hst-acs-operational"), "hst_acs_0001.imap".into()),
        (text("hst-acs-edit"), "hst_acs_0003.imap".into()),
        (text("hst-acs-darkfile-operational"), "hst_acs_darkfile_0001.rmap".into()),
        (text("hst-acs-darkfile-edit"), "hst_acs_darkfile_0002.rmap".into()),
        // Dates: the newest entry whose start is not after them.
        (text("2013-01-01"), "hst_0002.pmap".into()),
        (text("2013-01-01T00:00:00"), "hst_0002.pmap".into()),
        (text("2013-01-01T00:00:01"), "hst_0002.pmap".into()),
        (text("2013-12-31T23:59:59"), "hst_0002.pmap".into()),
        (text("2014-01-01"), "hst_0001.pmap".into()),
        (text("2014-01-01T00:00:00"), "hst_0001.pmap".into()),
        (text("2099-01-01"), "hst_0001.pmap".into()),
        // Only the operational history counts: the edit row of June 2013 does not.
        (text("2013-06-02"), "hst_0002.pmap".into()),
        (text("hst-2013-06-02"), "hst_0002.pmap".into()),
        (text("hst-2014-11-22T01:02:03"), "hst_0001.pmap".into()),
        (text("hst-acs-2013-06-02"), "hst_acs_0002.imap".into()),
        (text("hst-acs-darkfile-2013-06-02"), "hst_acs_darkfile_0002.rmap".into()),
        (text("hst-cos-deadtab-2013-06-02T00:00:00"), "hst_cos_deadtab_0001.rmap".into()),
        (text("2012-12-31T23:59:59"), too_early("2012-12-31T23:59:59")),
        (text("2012-12-31"), too_early("2012-12-31")),
        (text("hst-1990-01-01"), too_early("1990-01-01")),
        (text("2014-01-01T00:00:00.5"), bad_date("2014-01-01T00:00:00.5")),
        (text("hst-2014-01-01T00:00:00.123456"), bad_date("2014-01-01T00:00:00.123456")),
        (text("2014-13-01"), bad_date("2014-13-01")),
        (text("2014-02-30"), bad_date("2014-02-30")),
        (text("2014-01-01T00:00:60"), bad_date("2014-01-01T00:00:60")),
        (text("hst-0000-01-01"), bad_date("0000-01-01")),
        (text("2014-01-01T24:00:00"), bad_date("2014-01-01T24:00:00")),
        (text("hst-2014-00-01"), bad_date("2014-00-01")),
        (text(""), not_valid("''")),
        (text("hst_0001"), not_valid("'hst_0001'")),
        (text("hst_0001.pmap "), not_valid("'hst_0001.pmap '")),
        (text("hst_0001.PMAP"), not_valid("'hst_0001.PMAP'")),
        (text("HST-edit"), not_valid("'HST-edit'")),
        (text("hst-EDIT"), not_valid("'hst-EDIT'")),
        (text("hst-latest"), not_valid("'hst-latest'")),
        (text("hst-build"), not_valid("'hst-build'")),
        (text("hst-edit "), not_valid("'hst-edit '")),
        (text(" hst-edit"), not_valid("' hst-edit'")),
        (text("2014-01-01 00:00:00"), not_valid("'2014-01-01 00:00:00'")),
        (text("2014-1-1"), not_valid("'2014-1-1'")),
        (text("14-01-01"), not_valid("'14-01-01'")),
        (text("2014-01-01T00:00"), not_valid("'2014-01-01T00:00'")),
        (text("2014-01-01T00:00:00Z"), not_valid("'2014-01-01T00:00:00Z'")),
        (text("hst-acs-darkfile-x-edit"), not_valid("'hst-acs-darkfile-x-edit'")),
        (text("observato-edit"), not_valid("'observato-edit'")),
        (text("abc_drk.fits"), not_valid("'abc_drk.fits'")),
        (text("é"), not_valid("'é'")),
        (text("edit"), "OtherError: 'NoneType' object is not subscriptable".into()),
        (text("operational"), "OtherError: 'NoneType' object is not subscriptable".into()),
        (text("versions"), "OtherError: 'NoneType' object is not subscriptable".into()),
        // No versions context is set: below the pmap there is nothing to look for (read in the library of 2019).
        (text("hst-acs-versions"), NO_LITERAL.into()),
        (text("hst-nope-versions"), NO_LITERAL.into()),
        (text("hst-acs-darkfile-versions"), NO_LITERAL.into()),
        // Python's digits are those of every script.
        (text("２０13-06-02"), "hst_0002.pmap".into()),
        (text("jwst-edit"), "InvalidObservatoryError: Mismatch between requested observatory 'jwst' and server observatory 'hst'".into()),
        (text("tobs-2014-01-01"), "InvalidObservatoryError: Mismatch between requested observatory 'tobs' and server observatory 'hst'".into()),
        (text("hst-foc-edit"), "InvalidDateBasedContext: Bad instrument 'foc' in CRDS date based context specification.".into()),
        (text("hst-wfc3-edit"), "OtherError: Unknown instrument 'wfc3' for context 'hst_0003.pmap'".into()),
        (text("hst-wfc3-2013-06-02"), "OtherError: Unknown instrument 'wfc3' for context 'hst_0002.pmap'".into()),
        (text("hst-acs-nofile-edit"), "InvalidDateBasedContext: Bad reftype 'nofile' in  CRDS date based context specification.".into()),
        (text("hst-acs-deadtab-edit"), "OtherError: Unknown reference type 'deadtab'".into()),
        (text("hst-acs-shadfile-edit"), "OtherError: ('Type', \"'shadfile'\", 'is OMITTED for', \"'acs'\")".into()),
        (text("jwst_0001.pmap"), "MismatchedContextError: Requested context 'jwst_0001.pmap' doesn't match the observatory 'hst' supported by this server.   Switch servers or contexts.".into()),
        (text(".pmap"), "MismatchedContextError: Requested context '.pmap' doesn't match the observatory 'hst' supported by this server.   Switch servers or contexts.".into()),
        (text("hst_9999.pmap"), "UnknownFile: File 'hst_9999.pmap' is not known to CRDS.".into()),
        (text("x hst.rmap"), "UnknownFile: File 'x hst.rmap' is not known to CRDS.".into()),
        (text("/hst.rmap"), "OtherError: Invalid file name '/hst.rmap'".into()),
        (Value::Null, "UnknownContextError: Context parameter 'None' is not a .pmap, .imap, or .rmap file or a valid date based context specification.".into()),
        (json!(5), "UnknownContextError: Context parameter '5' is not a .pmap, .imap, or .rmap file or a valid date based context specification.".into()),
        (json!(["hst_0001.pmap"]), "UnknownContextError: Context parameter '['hst_0001.pmap']' is not a .pmap, .imap, or .rmap file or a valid date based context specification.".into()),
    ];
    for (context, wanted) in &cases {
        score.same(
            "1.9",
            &format!("get_context_by_date of {context}"),
            bench.said("get_context_by_date", json!([context, null])),
            json!(wanted),
        );
        // The same check guards every method with a context; here one that shows nothing of it on success.
        let seen = bench.said("get_url", json!([context, "x.fits"]));
        let good = !wanted.contains(": ");
        let wanted = if good { json!("http://server/get/x.fits") } else { json!(wanted) };
        score.same("1.9", &format!("get_url under {context}"), seen, wanted);
    }
    score.same(
        "1.9",
        "N/A under get_context_by_date",
        bench.said("get_context_by_date", json!(["hst-acs-flshfile-edit", null])),
        json!("N/A"),
    );
    score.same(
        "1.9",
        "N/A elsewhere",
        bench.said("get_url", json!(["hst-acs-flshfile-edit", "x"])),
        json!("OtherError: ('Type', \"'flshfile'\", 'is N/A for', \"'acs'\")"),
    );
    score.finish("rpc context specifiers", 130);
}

#[test]
fn availability_of_contexts() {
    let mut score = Score::default();
    let pending = |catalog: &'static str| {
        Load::ordinary().rows(&[("hst_0003.pmap", &[("state", "delivered"), ("catalog_link", catalog)])])
    };
    let with_link = pending("opus_7_i.cat").file("deliveries/opus_7_i.cat", "hst_0003.pmap\n");
    let bench = Bench::new(&with_link);
    score.same(
        "1.9",
        "<obs>-edit fails while the edit pmap awaits the archive",
        bench.said("get_mapping_names", json!(["hst-edit"])),
        json!("UnavailableFile: File 'hst_0003.pmap' is not yet available."),
    );
    for suffix in ["_SUBMIT", "_PROC", "_ERROR"] {
        let names: Vec<_> = std::fs::read_dir(bench.data("deliveries")).expect("deliveries").flatten().collect();
        for entry in names {
            std::fs::rename(entry.path(), bench.data(&format!("deliveries/opus_7_i.cat{suffix}"))).expect("rename");
        }
        score.same(
            "4.1",
            &format!("{suffix}: still not available"),
            bench.said("file_exists", json!(["hst_0003.pmap"])),
            json!("UnavailableFile: File 'hst_0003.pmap' is not yet available."),
        );
        score.same(
            "3.12",
            &format!("{suffix}: the stored state lags"),
            bench.said("get_file_info_map", json!(["hst", ["hst_0003.pmap"], ["state"]]))["hst_0003.pmap"]["state"]
                .clone(),
            json!("delivered"),
        );
    }
    std::fs::remove_file(bench.data("deliveries/opus_7_i.cat_ERROR")).expect("remove");
    score.same(
        "4.1",
        "the link gone: archived",
        bench.said("get_context_by_date", json!(["hst-edit", null])),
        json!("hst_0003.pmap"),
    );
    score.same(
        "3.12",
        "archived is stored",
        bench.said("get_file_info_map", json!(["hst", ["hst_0003.pmap"], ["state"]]))["hst_0003.pmap"]["state"].clone(),
        json!("archived"),
    );
    let lenient = Bench::new(
        &with_link
            .clone()
            .with("distribution_states", json!(["archived", "operational", "delivered", "submitted", "archiving"])),
    );
    score.same(
        "4.1",
        "DEV servers give out what is delivered",
        lenient.said("file_exists", json!(["hst_0003.pmap"])),
        json!(true),
    );
    let gone = Bench::new(&Load::ordinary().rows(&[("hst_0003.pmap", &[("absent", "")])]));
    score.same(
        "1.9",
        "a mapping without a row is unknown",
        gone.said("get_mapping_names", json!(["hst-edit"])),
        json!("UnknownFile: File 'hst_0003.pmap' is not known to CRDS."),
    );
    let uploaded = Bench::new(&Load::ordinary().rows(&[("hst_0003.pmap", &[("state", "uploaded")])]));
    score.same(
        "1.4",
        "uploaded is not available",
        uploaded.said("file_exists", json!(["hst_0003.pmap"])),
        json!("UnavailableFile: File 'hst_0003.pmap' is not yet available."),
    );
    score.finish("rpc availability of contexts", 12);
}

#[test]
fn eras_differ() {
    let mut score = Score::default();
    let old = Bench::of(&Load::ordinary(), Era::Y2014, |_| {});
    score.same(
        "1.9",
        "2014: no versions",
        old.said("get_context_by_date", json!(["hst-versions", null])),
        json!(not_valid("'hst-versions'")),
    );
    score.same(
        "1.9",
        "2014: the text names two symbols",
        old.said("get_context_by_date", json!(["2014-01-01T00:00:00.5", null])),
        json!("InvalidDateBasedContext: Invalid context date/time format '2014-01-01T00:00:00.5' should be YYYY-MM-DDTHH:MM:SS | edit | operational"),
    );
    let none = Bench::new(&Load::ordinary().with("history", json!([])));
    score.same(
        "1.9",
        "no history at all",
        none.said("get_context_by_date", json!(["2014-01-01", null])),
        json!(too_early("2014-01-01")),
    );
    // The server's local time is what history rows hold; dates are compared as texts with them.
    let fraction = Bench::new(&Load::ordinary().with("history", json!([
        {"start_date": "2014-01-01 00:00:00.500000", "context": "hst_0001.pmap", "state": "operational", "description": ""}
    ])));
    score.same(
        "1.9",
        "comparison is of texts",
        fraction.said("get_context_by_date", json!(["2014-01-01T00:00:00", null])),
        json!(too_early("2014-01-01T00:00:00")),
    );
    score.same(
        "1.9",
        "comparison is of texts, later",
        fraction.said("get_context_by_date", json!(["2014-01-01T00:00:01", null])),
        json!("hst_0001.pmap"),
    );
    score.finish("rpc contexts by era", 5);
}
