//! Any bytes as a dump of headers, and as values, dates, elements, expressions.
#![no_main]

use fuzzed::rules::condition::condition_value;
use fuzzed::rules::dataset::{Conditioned, instrument};
use fuzzed::rules::element::Element;
use fuzzed::rules::expr::Expr;
use fuzzed::rules::input::marks::Marks;
use fuzzed::rules::input::json::{Entry, Reader};
use fuzzed::rules::input::scan::{Found, Keys, member};
use fuzzed::rules::{dates, python};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut keys = Keys::new([("DETECTOR", 0), ("A", 1), ("META.INSTRUMENT.DETECTOR", 2)]);
    let mut found = Found::new(3);
    let mut marks = Marks::default();
    marks.find(data);
    if std::str::from_utf8(data).is_ok()
        && let Some(member) = member(data, 0, &mut marks, &mut keys, &mut found)
    {
        // What the fast scan takes, the general reader takes too, up to the same place and with the same values.
        let mut reader = Reader::new(data);
        let (_, entry) = reader.member().expect("the general reader takes it");
        assert_eq!(reader.offset(), member.end);
        let Entry::Header(header) = entry else { panic!("a header") };
        for (name, field) in [("DETECTOR", 0), ("A", 1), ("META.INSTRUMENT.DETECTOR", 2)] {
            let span = found.get(field).filter(|span| !span.bare);
            let scanned = span.map(|span| String::from_utf8_lossy(&data[span.start as usize..span.end as usize]));
            if let Some(scanned) = scanned {
                assert_eq!(header.get(name).map(|value| value.python_text()), Some(&*scanned));
            }
        }
    }
    let mut reader = Reader::new(data);
    let _ = reader.datasets(&mut |_, entry| {
        if let Entry::Header(header) = entry {
            let name = instrument(&header).unwrap_or_default();
            for observatory in ["hst", "jwst", "roman"] {
                let _ = Conditioned::new(&header, observatory, &name).get("DETECTOR");
            }
        }
    });
    if let Ok(text) = std::str::from_utf8(data) {
        let conditioned = condition_value(text);
        let _ = dates::reformat(&conditioned);
        let _ = python::parse_float(text).map(python::float_repr);
        let _ = python::repr(text);
        if let Some((element, value)) = text.split_once('\n')
            && let Ok(element) = Element::new(element)
        {
            let _ = element.fit(value);
        }
        if let Ok(expr) = Expr::parse(text) {
            let _ = expr.truth(&|_| None);
        }
    }
});
