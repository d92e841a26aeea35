//! Small cases of our own for what the real client was seen to do and the recorded cases do not show.

use std::collections::BTreeMap;

use crds_upgrade::stand_in::derive::{
    DeriveError, Derived, Generation, Reference, Store, certify, diff, insert, shipped,
};
use crds_upgrade::stand_in::fits::{self, Card, ColumnData, NewHdu, NewTable};

/// The shipped rules and some more.
#[derive(Default)]
struct Rules(BTreeMap<&'static str, String>);

impl Store for Rules {
    fn mapping(&self, name: &str) -> Option<String> {
        let shipped = || shipped::MAPPINGS.iter().find(|(n, _)| *n == name).map(|(_, text)| (*text).to_owned());
        self.0.get(name).cloned().or_else(shipped)
    }

    fn mapping_path(&self, name: &str) -> String {
        name.to_owned()
    }
}

fn hdu(cards: &[(&str, &str)], table: Option<NewTable>) -> NewHdu {
    NewHdu { cards: cards.iter().map(|(key, value)| Card::text(key, value)).collect(), table }
}

fn reference(name: &str, cards: &[(&str, &str)]) -> Reference {
    Reference::from_bytes(name, &fits::write(&[hdu(cards, None)])).expect("our own writer's file")
}

fn jwst_rmap(instrument: &str, filekind: &str, parkeys: &str, entries: &str) -> String {
    format!(
        "header = {{\n    'classes' : ('Match', 'UseAfter'),\n    'derived_from' : 'nothing',\n    'filekind' : '{filekind}',\n    'instrument' : '{instrument}',\n    'mapping' : 'REFERENCE',\n    'name' : 'jwst_small_0001.rmap',\n    'observatory' : 'JWST',\n    'parkey' : ({parkeys}, ('META.OBSERVATION.DATE', 'META.OBSERVATION.TIME')),\n    'sha1sum' : '0',\n}}\n\nselector = Match({{\n{entries}}})\n"
    )
}

fn superbias(read_pattern: &str, subarray: &str) -> Result<Derived, DeriveError> {
    let text = jwst_rmap(
        "NIRISS",
        "SUPERBIAS",
        "('META.INSTRUMENT.DETECTOR', 'META.EXPOSURE.READPATT', 'META.SUBARRAY.NAME')",
        "    ('NIS', '*', 'GENERIC') : UseAfter({\n        '2014-01-01 00:00:00' : 'jwst_niriss_superbias_0001.fits',\n    }),\n    ('NIS', 'NISRAPID', 'GENERIC') : UseAfter({\n        '2015-01-01 00:00:00' : 'jwst_niriss_superbias_0002.fits',\n    }),\n",
    );
    let new = reference(
        "jwst_niriss_superbias_0003.fits",
        &[
            ("TELESCOP", "JWST"),
            ("INSTRUME", "NIRISS"),
            ("REFTYPE", "SUPERBIAS"),
            ("DETECTOR", "NIS"),
            ("READPATT", read_pattern),
            ("SUBARRAY", subarray),
            ("USEAFTER", "2016-01-01T00:00:00"),
        ],
    );
    insert("jwst_niriss_superbias_0001.rmap", &text, &[new], Generation::Now)
}

/// Rules of an earlier time match on keywords that those of today do not name; their values are checked all the same.
#[test]
fn jwst_values_are_checked_whatever_the_rules_match_on() {
    let entries =
        "    'NRS1' : UseAfter({\n        '2010-01-01 00:00:00' : 'jwst_nirspec_photom_0001.fits',\n    }),\n";
    let text = jwst_rmap("NIRSPEC", "PHOTOM", "('META.INSTRUMENT.DETECTOR',)", entries);
    let with = |detector: &str| {
        let cards = [
            ("TELESCOP", "JWST"),
            ("INSTRUME", "NIRSPEC"),
            ("REFTYPE", "PHOTOM"),
            ("DETECTOR", detector),
            ("USEAFTER", "2016-01-01T00:00:00"),
        ];
        let new = reference("jwst_nirspec_photom_0002.fits", &cards);
        insert("jwst_nirspec_photom_0001.rmap", &text, &[new], Generation::Now)
    };
    assert!(with("NRS2").expect("a detector of NIRSPEC").text.contains("'NRS2' : UseAfter({"));
    let error = with("FOO").expect_err("no detector");
    assert_eq!(
        error.cause(),
        " parameter='META.INSTRUMENT.DETECTOR' value='FOO' is not in ('NRS1', 'NRS2', '*', 'N/A')"
    );
}

/// Dates and files are told only where the refused case and the older one both have them.
#[test]
fn ambiguous_cases_tell_their_files_where_both_have_one() {
    let plain = superbias("NIS", "N/A").expect_err("a special case of the first one");
    let between = |text: &str| {
        let (_, rest) = text.split_once("Match case\n").expect("the case");
        rest.split_once("\nCancel the submission").expect("the advice").0.to_owned()
    };
    assert_eq!(
        between(plain.cause()),
        "('NIS', 'NIS', 'N/A')\nis an equal weight special case of\n('NIS', '*', 'N/A')"
    );
    let known = superbias("NISRAPID", "NOT APPLICABLE").expect_err("what GENERIC stands for");
    assert_eq!(
        between(known.cause()),
        "('NIS', 'NISRAPID', 'N/A') : UseAfter({\n    '2015-01-01 00:00:00' : jwst_niriss_superbias_0002.fits\nis an equal weight special case of\n('NIS', '*', 'N/A') : UseAfter({\n    '2014-01-01 00:00:00' : jwst_niriss_superbias_0001.fits"
    );
}

/// The client makes its columns out of the rows: a table without rows has none to look at.
#[test]
fn a_table_without_rows_fails_its_columns() {
    let text = || ColumnData::Text { width: 8, values: Vec::new() };
    let columns =
        vec![("DETCHIP".into(), ColumnData::I16(Vec::new())), ("DIRECTION".into(), text()), ("FILTER".into(), text())];
    let cards = [("INSTRUME", "WFC3"), ("DETECTOR", "UVIS"), ("USEAFTER", "Jun 09 2009 00:00:00")];
    let bytes = fits::write(&[hdu(&cards, None), hdu(&[], Some(NewTable { columns }))]);
    let certified = |generation| {
        let lines = certify::certify_reference(
            &Rules::default(),
            "y7b15172i_idc.fits",
            &bytes,
            "hst_0279.pmap",
            generation,
            (1, 1),
        )
        .lines;
        lines.into_iter().map(|line| line.text).collect::<Vec<_>>()
    };
    let now = certified(Generation::Now);
    for column in ["DETCHIP", "DIRECTION", "FILTER"] {
        let wanted = format!("In 'y7b15172i_idc.fits' : Checking '{column}' : '{column}'");
        assert!(now.contains(&wanted), "{wanted} is not in {now:#?}");
    }
}

/// The client of 2014 looks the instrument up in the header, whatever the name, and has no words for one that is missing.
#[test]
fn a_missing_instrument_in_the_words_of_each_year() {
    let cards = [("DETECTOR", "UVIS"), ("FILETYPE", "UVIS D2I FILE"), ("USEAFTER", "Jun 09 2009 00:00:00")];
    let bytes = fits::write(&[hdu(&cards, None)]);
    for (generation, wanted) in [
        (Generation::Now, "In 'y7b1516hi_d2i.fits' : Checking 'INSTRUME' : Missing required keyword 'INSTRUME'"),
        (Generation::Y2014, "Validation error in 'y7b1516hi_d2i.fits' : 'INSTRUME'"),
    ] {
        let name = "y7b1516hi_d2i.fits";
        let lines =
            certify::certify_reference(&Rules::default(), name, &bytes, "hst_0279.pmap", generation, (1, 1)).lines;
        let texts: Vec<String> = lines.into_iter().map(|line| line.text).collect();
        assert!(texts.contains(&wanted.to_owned()), "{wanted} is not in {texts:#?}");
    }
}

/// A table that is held against no context is compared with nothing, and that is said as Python says it.
#[test]
fn a_table_without_a_context() {
    let columns = vec![("DETCHIP".into(), ColumnData::I16(vec![1]))];
    let bytes = fits::write(&[hdu(&[("INSTRUME", "WFC3")], None), hdu(&[], Some(NewTable { columns }))]);
    let name = "y7b15172i_idc.fits";
    let lines = certify::certify_reference(&Rules::default(), name, &bytes, "", Generation::Now, (1, 1)).lines;
    let wanted = format!("No comparison reference for '{name}' in context None. Skipping tables comparison.");
    assert!(lines.iter().any(|line| line.text == wanted), "{wanted} is not in {lines:#?}");
}

/// Differences that are not shown do not count either.
#[test]
fn hidden_differences_leave_the_status_alone() {
    let (name, text) =
        shipped::MAPPINGS.iter().find(|(name, _)| *name == "hst_wfc3_idctab_0250.rmap").expect("it is shipped");
    let renamed = text.replace(name, "hst_wfc3_idctab_0299.rmap");
    assert_ne!(renamed, *text);
    let rules = Rules([("hst_wfc3_idctab_0299.rmap", renamed)].into());
    let status = |hide_boring_diffs| {
        let options = diff::Options { include_header_diffs: true, hide_boring_diffs, ..diff::Options::default() };
        let report = diff::report(&rules, name, "hst_wfc3_idctab_0299.rmap", &options, Generation::Now);
        report.expect("both are there").status
    };
    assert_eq!((status(false), status(true)), (1, 0));
}
