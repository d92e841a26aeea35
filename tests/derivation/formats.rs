//! Certification of references that are no ordinary FITS files, and of odd mappings.
//!
//! Every expected line is the client's of PyPI 13.2.9, run on the same file; the paths are cut to base names.

use std::collections::BTreeMap;

use crds_upgrade::stand_in::derive::{Generation, Store, certify, contexts, shipped};

/// The shipped rules.
struct Shipped;

impl Store for Shipped {
    fn mapping(&self, name: &str) -> Option<String> {
        shipped::MAPPINGS.iter().find(|(n, _)| *n == name).map(|(_, text)| (*text).to_owned())
    }

    fn mapping_path(&self, name: &str) -> String {
        format!("mappings/{}/{name}", name.split(['_', '.']).next().unwrap_or(""))
    }
}

fn reference(name: &str, bytes: &[u8], context: &str) -> Vec<String> {
    let lines = certify::certify_reference(&Shipped, name, bytes, context, Generation::Now, (1, 1)).lines;
    lines.into_iter().map(|line| format!("{} {}", line.level, line.text)).collect()
}

fn mapping(name: &str, base: &str, replace: (&str, &str)) -> Vec<String> {
    let text = Shipped.mapping(base).expect("it is shipped");
    let changed = text.replace(replace.0, replace.1);
    assert!(replace.0.is_empty() || changed != text, "`{}` is in {base}", replace.0);
    let lines = certify::certify_mapping(&Shipped, name, &changed, "hst_0279.pmap", Generation::Now, (1, 1)).lines;
    lines.into_iter().filter(|line| line.level.to_string() == "ERROR").map(|line| line.text).collect()
}

const NO_SIMPLE: &str = "No SIMPLE card found, this file does not appear to be a valid FITS file. If this is really a FITS file, try with ignore_missing_simple=True";

#[test]
fn an_unreadable_file_of_a_type_that_the_context_lacks_has_two_errors() {
    assert_eq!(
        reference("hst_wfc3_npolfile_0001.fits", b"junk", "hst_0279.pmap"),
        [
            "INFO Certifying 'hst_wfc3_npolfile_0001.fits' (1/1) as 'FITS' relative to context 'hst_0279.pmap'"
                .to_owned(),
            format!("ERROR In 'hst_wfc3_npolfile_0001.fits' : Error loading : {NO_SIMPLE}"),
            "ERROR hst_wfc3_npolfile_0001.fits Validation error : Unknown reference type 'npolfile'".to_owned(),
        ]
    );
}

#[test]
fn an_unreadable_table_fails_its_row_keys_first() {
    assert_eq!(
        reference("y7b15172i_idc.fits", b"", "hst_0279.pmap")[1..],
        [
            "ERROR In 'y7b15172i_idc.fits' : Error finding unique row keys for 'y7b15172i_idc.fits' : Empty or corrupt FITS file",
            "ERROR In 'y7b15172i_idc.fits' : Error loading : Empty or corrupt FITS file",
        ]
    );
}

#[test]
fn a_name_that_tells_nothing_makes_the_reading_fail_as_a_whole() {
    assert_eq!(
        reference("my.fits", b"", "hst_0279.pmap")[1..],
        ["ERROR my.fits Validation error : Empty or corrupt FITS file"]
    );
    assert_eq!(
        reference("my.fits", &[b' '; 300], "hst_0279.pmap")[1..],
        [format!("ERROR my.fits Validation error : {NO_SIMPLE}")]
    );
    let cut = format!("{:80}{:80}", "SIMPLE  =                    T", "END");
    assert_eq!(
        reference("my.fits", cut.as_bytes(), "hst_0279.pmap")[1..],
        [
            "WARNING VerifyWarning : astropy.io.fits.hdu.hdulist : Error validating header for HDU #0 (note: Astropy uses zero-based indexing).    Header size is not multiple of 2880: 160There may be extra bytes after the last HDU or the file is corrupted.",
            "ERROR my.fits Validation error : Empty or corrupt FITS file",
        ]
    );
}

#[test]
fn json_is_read_as_python_reads_it() {
    for (text, why) in [
        ("", "JSON wouldn't load from 'my.json' : Expecting value: line 1 column 1 (char 0)"),
        ("{\"a\":1} x", "JSON wouldn't load from 'my.json' : Extra data: line 1 column 9 (char 8)"),
        ("5", "'int' object is not iterable"),
        ("\"abc\"", "string indices must be integers, not 'str'"),
        ("null", "'NoneType' object is not iterable"),
        (
            "{\"a\": 1}",
            "Can't determine instrument for 'my.json'. CAL references must define INSTRUME, SYNPHOT references define DBTABLE.",
        ),
    ] {
        let expected = [
            "INFO Certifying 'my.json' (1/1) as 'JSON' relative to context 'hst_0279.pmap'".to_owned(),
            format!("ERROR my.json Validation error : {why}"),
        ];
        assert_eq!(reference("my.json", text.as_bytes(), "hst_0279.pmap"), expected, "{text}");
    }
    let good = r#"{"telescop": "HST", "INSTRUME": "WFC3", "FILETYPE": "UVIS D2I FILE", "DETECTOR": "IR",
        "USEAFTER": "Jun 09 2009 00:00:00", "PEDIGREE": "GROUND", "DESCRIP": "x", "HISTORY": "h"}"#;
    assert_eq!(
        reference("my.json", good.as_bytes(), "hst_0279.pmap")[1..],
        [
            "ERROR In 'my.json' : Checking 'DETECTOR' : Value 'IR' is not one of ['UVIS']",
            "INFO DATE-OBS = '2009-06-09'",
            "INFO DESCRIP = 'x'",
            "INFO DETECTOR = 'IR'",
            "INFO FILETYPE = 'UVIS D2I FILE'",
            "INFO HISTORY = 'h'",
            "INFO INSTRUME = 'WFC3'",
            "INFO PEDIGREE = 'GROUND'",
            "INFO TELESCOP = 'HST'",
            "INFO TIME-OBS = '00:00:00'",
            "INFO USEAFTER = 'Jun 09 2009 00:00:00'",
            "WARNING Missing keyword 'COMMENT'.",
        ]
    );
}

#[test]
fn geis_headers_are_read_and_data_halves_are_not() {
    let header = "SIMPLE  =                    F /\nFILETYPE= 'MSK     '           / shp\nNAXIS   =                    1 /\nHISTORY one\n\
                  HISTORY\nEND\n";
    let lines = reference("e2112084u.r0h", header.as_bytes(), "hst_0279.pmap");
    assert_eq!(lines[0], "INFO Certifying 'e2112084u.r0h' (1/1) as 'GEIS' relative to context 'hst_0279.pmap'");
    for wanted in [
        "WARNING Group keys are not currently supported by CRDS.",
        "ERROR In 'e2112084u.r0h' : Checking 'NAXIS' : Value 1 is not one of [2]",
        "INFO FILETYPE = 'MSK'",
        "INFO HISTORY = 'one\\n'",
    ] {
        assert!(lines.iter().any(|line| line == wanted), "{wanted} is not in {lines:#?}");
    }
    assert_eq!(
        reference("e2112084u.r0d", b"x", "hst_0279.pmap")[1..],
        ["ERROR In 'e2112084u.r0d' : Error loading : [Errno 2] No such file or directory: 'e2112084u.r0h'"]
    );
}

#[test]
fn other_names_are_told_by_what_the_file_holds() {
    let kind = |name: &str, bytes: &[u8]| {
        let line = reference(name, bytes, "hst_0279.pmap").remove(0);
        line.split(" as ").nth(1).map_or(line.clone(), |rest| rest.split('\'').nth(1).unwrap_or("").to_owned())
    };
    assert_eq!(kind("x.txt", b"x"), "TEXT");
    assert_eq!(kind("x.foo", b"{\"a\": 1}"), "JSON");
    assert_eq!(kind("x.foo", b"hello"), "YAML");
    assert_eq!(kind("x.foo", b"a: [1"), "UNKNOWN");
    assert_eq!(kind("x.fit", b"SIMPLE  =                    T"), "FITS");
    assert_eq!(
        kind("x.gz", b"\x1f\x8b\x08"),
        "ERROR x.gz Certifier instantiation error : 'utf-8' codec can't decode byte 0x8b in position 1: invalid start byte"
    );
    assert_eq!(reference("x.txt", b"x", "hst_0279.pmap")[1..], ["WARNING No certifier defined for 'x.txt'"]);
}

#[test]
fn odd_headers_of_mappings_fail_as_python_does() {
    let base = "hst_wfc3_idctab_0250.rmap";
    let name = "hst_wfc3_idctab_9250.rmap";
    for (from, to, why) in [
        (
            "'observatory' : 'HST'",
            "'observatory' : 'JWST'",
            "Error importing 'from crds.jwst import wfc3' : cannot import name 'wfc3' from 'crds.jwst' ($SITE_PACKAGES/crds/jwst/__init__.py)",
        ),
        ("'instrument' : 'WFC3'", "'instrument' : ''", "Invalid dotted name for get_object() : 'crds.hst.'"),
        ("'instrument' : 'WFC3'", "'instrument' : 5", "sequence item 1: expected str instance, int found"),
        ("'filekind' : 'IDCTAB'", "'filekind' : None", "sequence item 2: expected str instance, NoneType found"),
        ("'mapping' : 'REFERENCE'", "'mapping' : ('A',)", "'tuple' object has no attribute 'upper'"),
    ] {
        let errors = mapping(name, base, (from, to));
        assert_eq!(errors, [format!("{name} Validation error : {why}")], "{to}");
    }
    assert_eq!(
        mapping("hst_wfc3_9250.imap", base, ("", "")),
        ["hst_wfc3_9250.imap Validation error : 'MatchSelector' object is not subscriptable"]
    );
}

#[test]
fn contexts_look_for_odd_names_among_the_mappings_of_their_observatory() {
    let refused = |rmap: &str| {
        let error = contexts::generate(&Shipped, "hst_0279.pmap", &[rmap], &BTreeMap::new(), Generation::Now);
        error.expect_err("no such rmap").to_string()
    };
    assert_eq!(
        refused("foo.rmap"),
        "Failed to determine 'hst' instrument or reftype for 'foo.rmap' : '[Errno 2] No such file or directory: 'mappings/hst/foo.rmap''"
    );
    assert_eq!(refused("acs_n/a"), "not enough values to unpack (expected 3, got 2)");
}

/// The client's grammar is stricter than its loading, and words its complaints as its parser generator does.
#[test]
fn misfits_read_as_the_grammar_of_the_client_tells_them() {
    let base = "hst_wfc3_idctab_0250.rmap";
    let name = "hst_wfc3_idctab_9250.rmap";
    let value = "expected one of ' ', '\"', '#', '(', '-', 'Bracket', 'ClosestTime', 'False', 'GeometricallyNearest', 'Match', 'None', 'SelectVersion', 'True', 'UseAfter', 'VersionAfter', '\\n', '\\r', '\\t', '{', or token \"'\". trail: [none value pair]";
    let list = mapping(name, base, ("'observatory' : 'HST'", "'observatory' : []"));
    assert_eq!(
        list.iter().map(|line| line.trim_end()).collect::<Vec<_>>(),
        [format!(
            "{name} Validation error : Parsing error in '{name}' : \n    'observatory' : [],\n                    ^\nParse error at line 7, column 20: {value}"
        )]
    );
    let two = mapping(name, base, ("\nselector", "\nheader = {\n}\n\nselector"));
    assert!(
        two[0].contains(
            "expected one of ' ', '#', '\\n', '\\r', '\\t', 'comment', or 'selector'. trail: [selector_section mapping]"
        ),
        "{two:?}"
    );
}
