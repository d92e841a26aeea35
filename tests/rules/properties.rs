//! What must hold for any input: no panic, one answer however it is read, errors with a place.

use std::io::Write;

use crds_upgrade::rules::affected::{self, Mode, Options};
use crds_upgrade::rules::input::json::{Entry, Reader};
use crds_upgrade::rules::input::{self, Source};
use crds_upgrade::rules::{Context, RulesError, condition_value, syntax};
use proptest::prelude::*;

use crate::data;

fn value() -> impl Strategy<Value = String> {
    let plain = prop::sample::select(vec![
        "\"WFC\"",
        "\"HRC\"",
        "\"ACS\"",
        "\"N/A\"",
        "\"*\"",
        "\" wfc \"",
        "\"\"",
        "\"ABCD\"",
        "\"2.0\"",
        "2",
        "2.0",
        "true",
        "null",
        "\"\\u00df\"",
        "[1, 2]",
        "{\"a\": null}",
        "\"2005-06-01\"",
        "\"10:00:00\"",
        "\"PERFORM\"",
        "1e400",
        "\"F*\"",
        "\"UNDEFINED\"",
        "\"WFC3\"",
        "\"IR\"",
        "\"UVIS\"",
        "\"acs\"",
        "-0",
    ]);
    plain.prop_map(str::to_owned)
}

fn key() -> impl Strategy<Value = String> {
    let names = vec![
        "INSTRUME",
        "DETECTOR",
        "CCDAMP",
        "CCDGAIN",
        "DATE-OBS",
        "TIME-OBS",
        "APERTURE",
        "detector",
        "Detector",
        "instrume",
        "FILTER1",
        "NAXIS1",
        "NAXIS2",
        "XCORNER",
        "YCORNER",
        "LTV1",
        "LTV2",
        "INSTRUMENT",
        "FILTER",
        "SUBARRAY",
        "BIASCORR",
    ];
    prop::sample::select(names).prop_map(str::to_owned)
}

fn dump() -> impl Strategy<Value = String> {
    let header = prop::collection::vec((key(), value()), 0..14);
    prop::collection::vec((header, any::<bool>()), 1..6).prop_map(|headers| {
        let mut text = String::new();
        for (at, (header, acs)) in headers.iter().enumerate() {
            let mut items: Vec<String> = header.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
            if *acs {
                let usual = ["\"INSTRUME\": \"ACS\"", "\"DATE-OBS\": \"2014-05-01\"", "\"TIME-OBS\": \"01:02:03.5\""];
                items.extend(usual.iter().map(|item| (*item).to_owned()));
            }
            text.push_str(&format!("{{\"J{at}:J{at}\": {{{}}}}}\n", items.join(", ")));
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 96, ..ProptestConfig::default() })]

    /// The fast way through a file and the general way through its headers give one result.
    #[test]
    fn a_file_gives_what_its_headers_give(text in dump()) {
        let Some(cache) = data::cache() else { return Ok(()) };
        thread_local! {
            static CONTEXTS: std::cell::OnceCell<(Context, Context)> = const { std::cell::OnceCell::new() };
        }
        let load = |name: &str| Context::load(cache, name).expect("a context of the cache");
        let (old, new) = CONTEXTS.with(|contexts| {
            contexts.get_or_init(|| (load("hst_0254.pmap"), load("hst_0280.pmap"))).clone()
        });
        let mut datasets = Vec::new();
        for line in text.lines() {
            Reader::new(line.as_bytes()).datasets(&mut |id, entry: Entry| datasets.push((id, entry))).expect("JSON");
        }
        let general = affected::compute(&old, &new, datasets, &Mode::default()).expect("loads");
        let mut file = tempfile::NamedTempFile::with_suffix(".json").expect("a file");
        file.write_all(text.as_bytes()).expect("written");
        let source = Source::Path(file.path().to_owned());
        for products_only in [false, true] {
            let options = Options { products_only, ..Options::default() };
            let fast = affected::compute_source(&old, &new, &source, &Mode::default(), &options).expect("read");
            prop_assert_eq!(fast.products(), general.products());
            // Where only the products are wanted, changes are not told.
            if !products_only {
                prop_assert_eq!(&fast.changed, &general.changed);
            }
            prop_assert_eq!(fast.datasets, general.datasets);
        }
    }

    /// Conditioning twice is conditioning once, but for a conditioned word that is another's raw form.
    #[test]
    fn conditioning_settles(text in "\\PC{0,12}") {
        let once = condition_value(&text).into_owned();
        let twice = condition_value(&once).into_owned();
        prop_assert_eq!(condition_value(&twice), twice.as_str());
    }

    /// Any bytes are a mapping or an error with a place.
    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = syntax::parse(&bytes, "x.rmap") {
            prop_assert!(error.line >= 1 && error.column >= 1);
        }
    }

    /// A truncated mapping is refused with a place, or is still a whole one.
    #[test]
    fn a_truncated_mapping_is_refused(share in 0.0..1.0_f64) {
        let Some(cache) = data::cache() else { return Ok(()) };
        let bytes = std::fs::read(cache.join("mappings/hst/hst_0280.pmap")).expect("readable");
        let end = (bytes.len() as f64 * share) as usize;
        prop_assert!(syntax::parse(&bytes[..end], "x.pmap").is_err() || end + 2 >= bytes.len());
    }
}

#[test]
fn broken_rules_are_named_with_file_and_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let mappings = folder.path().join("mappings/hst");
    std::fs::create_dir_all(&mappings).expect("writable");
    let put = |name: &str, text: &[u8]| std::fs::write(mappings.join(name), text).expect("writable");
    let load = || Context::load(folder.path(), "hst_1.pmap");
    assert!(matches!(load(), Err(RulesError::Read { .. })), "a missing context");
    put("hst_1.pmap", b"header = {\xff}");
    assert!(load().unwrap_err().to_string().contains("parse"), "not UTF-8");
    let cyclic = "header = {'mapping': 'PIPELINE', 'parkey': ('INSTRUME',), 'name': 'hst_1.pmap', 'derived_from': 'x',\n\
                  'observatory': 'HST'}\nselector = {'ACS': 'hst_1.pmap'}\n";
    put("hst_1.pmap", cyclic.as_bytes());
    let error = load().unwrap_err().to_string();
    assert!(error.contains("hst_1.pmap:1: sha1sum is missing in 'hst_1.pmap'"), "{error}");
    let library = crds_upgrade::rules::Library::with_checksums(folder.path(), false);
    let context = library.context("hst_1.pmap").expect("a pmap");
    let failed = context.load_all().unwrap_err();
    assert!(matches!(failed[0].1, RulesError::Kind { .. }), "a context below itself: {}", failed[0].1);
    // Other datasets are unharmed, and the bad one has an error of its own.
    let mut lookup = crds_upgrade::rules::Lookup::new();
    let header = [("INSTRUME", "ACS")].into_iter().collect();
    assert!(lookup.best_references(&context, &header, None).is_err());
    let mut seen = 0;
    let missing = Source::Path(folder.path().join("no.json"));
    assert!(input::read(&missing, &context, &mut |_, _| seen += 1).is_err());
    assert_eq!(seen, 0);
}
