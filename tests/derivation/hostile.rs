//! Hostile rules and references: a clear refusal, never a panic, never an endless run.

use crds_upgrade::stand_in::derive::{
    Generation, Level, Reference, Store, certify, contexts, delete, diff, insert, record, shipped, submissions,
};
use proptest::prelude::*;

struct Shipped;

impl Store for Shipped {
    fn mapping(&self, name: &str) -> Option<String> {
        shipped::MAPPINGS.iter().find(|(n, _)| *n == name).map(|(_, text)| (*text).to_owned())
    }

    fn mapping_path(&self, name: &str) -> String {
        name.to_owned()
    }
}

/// Puts a text through everything that takes rules from outside.
fn try_everything(name: &str, text: &str) {
    let files = submissions::shipped().expect("the shipped descriptors are good");
    for generation in [Generation::Y2014, Generation::Now] {
        let file = files.iter().find(|file| file.name.ends_with("_idc.fits")).expect("it is shipped");
        let reference = Reference::from_bytes(&file.name, &file.bytes).expect("a FITS file");
        let _ = insert(name, text, &[reference], generation);
        let _ = delete(name, text, &["x5h1320ei_idc.fits"], generation);
        let _ = record(text, name, true, generation);
        let _ = certify::certify_mapping(&Shipped, name, text, "hst_0279.pmap", generation, (1, 1));
        if let Some(old) = Shipped.mapping(name) {
            let options = diff::Options { include_header_diffs: true, ..diff::Options::default() };
            let _ = diff::text_diffs(&Shipped, (name, &old), (name, text), &options, generation);
        }
    }
}

#[test]
fn deep_nesting_is_refused() {
    let nested = "{1:".repeat(100_000);
    for text in [
        format!("header = {nested}"),
        format!("header = {{}}\nselector = {}", "Match({1:".repeat(50_000)),
        format!("header = {{'parkey': {}}}\nselector = Match({{}})", "(".repeat(200_000)),
    ] {
        assert!(record(&text, "hst_wfc3_idctab_0251.rmap", true, Generation::Now).is_err());
        try_everything("hst_wfc3_idctab_0250.rmap", &text);
    }
}

#[test]
fn contexts_that_refer_to_nothing_are_refused() {
    let names = std::collections::BTreeMap::new();
    for rmaps in [&["../../etc/passwd"][..], &["hst_wfc3_idctab_0999.rmap"], &["_n/a"], &[""], &["foo_bar_n/a"]] {
        let outcome = contexts::generate(&Shipped, "hst_0279.pmap", rmaps, &names, Generation::Y2014);
        assert!(outcome.is_err(), "{rmaps:?}");
    }
    assert!(contexts::generate(&Shipped, "hst_9999.pmap", &[], &names, Generation::Now).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Real-looking rules with pieces cut out, doubled and replaced.
    #[test]
    fn damaged_rules_never_panic(
        which in 0usize..shipped::MAPPINGS.len(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..40, "[(){}\\[\\]',:#\\\\0-9A-Za-z/|*. \n-]{0,12}"), 1..5),
    ) {
        let (name, text) = shipped::MAPPINGS[which];
        let mut text = text.to_owned();
        for (at, length, replacement) in edits {
            let from = at.index(text.len());
            let to = (from + length).min(text.len());
            text.replace_range(from..to, &replacement);
        }
        try_everything(name, &text);
    }

    /// References whose keywords hold anything.
    #[test]
    fn odd_references_never_panic(value in "\\PC{0,30}", keyword in prop::sample::select(vec!["DETECTOR", "FILTER", "USEAFTER", "FILETYPE", "PEDIGREE", "INSTRUME", "NORDER"])) {
        let descriptor = format!(
            "schema = 'crds-stand-in/submissions/1'\ncards = [['INSTRUME','WFC3'],['DETECTOR','UVIS'],['USEAFTER','Jun 09 2009']]\nfiles = [{{ name = 'y7b15172i_idc.fits', cards = [['{keyword}', {value:?}]] }}]"
        );
        if let Ok(files) = submissions::files("odd", &descriptor) {
            for generation in [Generation::Y2014, Generation::Now] {
                let _ = certify::certify_reference(&Shipped, &files[0].name, &files[0].bytes, "hst_0279.pmap", generation, (1, 1));
                let reference = Reference::from_bytes(&files[0].name, &files[0].bytes).expect("our own writer's file");
                let text = Shipped.mapping("hst_wfc3_idctab_0250.rmap").expect("it is shipped");
                let _ = insert("hst_wfc3_idctab_0250.rmap", &text, &[reference], generation);
            }
        }
    }

    /// A file with a table, some of its cards replaced by what cards may not or should not be.
    #[test]
    fn damaged_references_never_panic(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), prop::sample::select(CARDS.to_vec())), 1..6),
        cut in any::<prop::sample::Index>(),
        cut_it in any::<bool>(),
    ) {
        let files = submissions::shipped().expect("the shipped descriptors are good");
        let file = files.iter().find(|file| file.name.ends_with("_idc.fits")).expect("it is shipped");
        let mut bytes = file.bytes.clone();
        for (at, card) in edits {
            let from = at.index(bytes.len() / 80) * 80;
            bytes[from..from + 80].copy_from_slice(format!("{card:<80}").as_bytes());
        }
        if cut_it {
            bytes.truncate(cut.index(bytes.len()));
        }
        let text = Shipped.mapping("hst_wfc3_idctab_0250.rmap").expect("it is shipped");
        for generation in [Generation::Y2014, Generation::Now] {
            let outcome =
                certify::certify_reference(&Shipped, &file.name, &bytes, "hst_0279.pmap", generation, (1, 1));
            let errors = outcome.lines.iter().filter(|line| line.level == Level::Error).count();
            prop_assert_eq!(outcome.errors, errors);
            match Reference::from_bytes(&file.name, &bytes) {
                Ok(reference) => { let _ = insert("hst_wfc3_idctab_0250.rmap", &text, &[reference], generation); }
                Err(_) => prop_assert!(errors > 0, "what cannot be read is not certified: {:?}", outcome.lines),
            }
        }
    }
}

/// Cards that real files do not hold, and some that they do in another place.
const CARDS: [&str; 24] = [
    "END",
    "CONTINUE  'and more of nothing&'",
    "CONTINUE",
    "DETECTOR= 'UVIS&'",
    "DETECTOR= 'UVIS",
    "DETECTOR= NaN",
    "DETECTOR=",
    "DETECTOR 'UVIS'",
    "HIERARCH ESO DETECTOR NAME = 'UVIS'",
    "HIERARCH",
    "HIERARCH =",
    "USEAFTER= 20090609",
    "USEAFTER= 'Jun 09 2009 99:99:99'",
    "NAXIS   = 999",
    "NAXIS   = -1",
    "NAXIS1  = 99999999999999999999999999",
    "NAXIS2  = 9223372036854775807",
    "PCOUNT  = 9223372036854775807",
    "TFIELDS = 999",
    "TFORM1  = '999999999999999999999A'",
    "TFORM1  = 'PJ(99999)'",
    "XTENSION= 'TABLE'",
    "NORDER  = (1,2)",
    "= = = '\u{7f}' / /",
];
