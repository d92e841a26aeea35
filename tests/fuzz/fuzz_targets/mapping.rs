//! Any bytes as a mapping: parsed or refused with a place, compiled or refused, looked up in.
#![no_main]

use std::sync::Arc;

use fuzzed::rules::dataset::{Header, HeaderValue};
use fuzzed::rules::lookup::Lookup;
use fuzzed::rules::rmap::Rmap;
use fuzzed::rules::syntax;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Err(error) = syntax::parse(data, "fuzz.rmap") {
        assert!(error.line >= 1 && error.column >= 1);
        return;
    }
    if let Ok(text) = syntax::decode(data, "fuzz.rmap") {
        let plain = syntax::checksum_of_lines(syntax::line_chunks(&text));
        assert_eq!(plain, syntax::checksum(&text), "two ways to one checksum");
    }
    if let Ok(rmap) = Rmap::parse(data, "fuzz.rmap") {
        let rmap = Arc::new(rmap);
        let mut lookup = Lookup::new();
        for value in ["", "N/A", "*", "A", "1.0", "UNDEFINED", "2001-01-01", "NOT A"] {
            let mut header = Header::new();
            for key in &rmap.required {
                header.set(key, HeaderValue::Text(value.to_owned()));
            }
            let once = lookup.under_rmap(&rmap, &header);
            assert_eq!(once, lookup.under_rmap(&rmap, &header), "the same question has one answer");
        }
    }
});
