//! The quick way through a file, which only says which products are listed, against the long way through its headers.

use std::io::Write;

use crds_upgrade::rules::Context;
use crds_upgrade::rules::affected::{self, Mode, Options};
use crds_upgrade::rules::input::Source;
use crds_upgrade::rules::input::json::{Entry, Reader};

use crate::data;
use crate::small::{self, Small};

/// Lists a text by both ways, with one and with several threads; the number of products.
fn same_products(old: &Context, new: &Context, text: &str, mode: &Mode) -> usize {
    let mut datasets = Vec::new();
    let mut reader = Reader::new(text.as_bytes());
    while !reader.at_end() {
        reader.datasets(&mut |id, entry: Entry| datasets.push((id, entry))).expect("JSON");
        reader.end_of_line().expect("lines");
    }
    let long = affected::compute(old, new, datasets, mode).expect("loads");
    let mut file = tempfile::NamedTempFile::with_suffix(".json").expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    let source = Source::Path(file.path().to_owned());
    for threads in [1, 3] {
        let options = Options { products_only: true, threads: Some(threads), ..Options::default() };
        let quick = affected::compute_source(old, new, &source, mode, &options).expect("read");
        let names = (old.name(), new.name());
        assert_eq!(quick.products(), long.products(), "{names:?}, {threads} threads");
        assert_eq!(quick.datasets, long.datasets, "{names:?}");
    }
    long.products().len()
}

/// The same headers, some of them written as few people write them.
fn odd(text: &str) -> String {
    let mut out = String::new();
    for (at, line) in text.lines().enumerate() {
        let line = match at % 9 {
            1 => line.replacen("\"DETECTOR\": \"", "\"detector\": \"", 1),
            2 => line.replacen("\"CCDGAIN\": \"", "\"CCDGAIN\": 1.5, \"OTHER\": \"", 1),
            3 => line.replacen("\": \"", "\"\t:\r \"", 2),
            4 => line.replacen("\"DETECTOR\": \"", "\"DETECTOR\": \"\\u0020", 1),
            5 => line.replacen("\"INSTRUME\": \"", "\"instrume\": \"x\", \"INSTRUME\": \"", 1),
            6 => line.replacen("\"DATE-OBS\": \"", "\"DATE-OBS\": null, \"NOTE\": \"\u{e9}\\\"", 1),
            7 => line.replacen("\"FILTER1\": \"", "\"FILTER1\": [1, \"A\"], \"FILTER1\": \"", 1),
            _ => line.to_owned(),
        };
        out.push_str(&line);
        out.push('\n');
    }
    out
}

#[test]
fn golden_headers_are_listed_alike() {
    let (Some(cache), Some(folder)) = (data::cache(), data::folder("rules-data")) else { return };
    let library = crds_upgrade::rules::Library::new(cache);
    let context = |n: &str| library.context(&format!("hst_{n}.pmap")).expect("a context of the cache");
    let text = data::text(&folder.join("golden/hst_0254_0280.headers.json.zst"));
    let text: String = text.lines().take(1200).map(|line| line.to_owned() + "\n").collect();
    let (plain, odd) = (&text, odd(&text));
    assert_ne!(*plain, odd);
    let mut typed = Mode::default();
    typed.comparison.types = Some(vec!["biasfile".to_owned(), "nosuch".to_owned(), "darkfile".to_owned()]);
    let mut some = Mode::default();
    some.comparison.types = Some(vec!["darkfile".to_owned(), "fluxtab".to_owned(), "pfltfile".to_owned()]);
    let mut skipping = Mode::default();
    skipping.comparison.skip_types = vec!["biasfile".to_owned(), "idctab".to_owned()];
    let mut matter = Mode::default();
    matter.comparison.undefined_matters = true;
    let mut listed = 0;
    for (old, new) in [("0254", "0280"), ("0250", "0400"), ("0400", "0300")] {
        for text in [plain, &odd] {
            listed += same_products(&context(old), &context(new), text, &Mode::default());
        }
    }
    // Neighbours differ in a few cases only, and most headers meet none of these.
    for (old, new) in [("0280", "0281"), ("0300", "0302"), ("0341", "0340")] {
        listed += same_products(&context(old), &context(new), &odd, &Mode::default());
    }
    for mode in [&typed, &some, &skipping, &matter] {
        listed += same_products(&context("0254"), &context("0280"), &odd, mode);
    }
    assert!(listed > 500, "only {listed} products: the headers prove little");
}

#[test]
fn ties_and_failures_and_omissions_are_listed_alike() {
    let small = Small::story();
    let mut text = String::new();
    for (at, detector) in ["WFC", "HRC", "SBC", "OTH", "N/A", "*", "X", ""].into_iter().enumerate() {
        for (n, amplifier) in ["A", "B", "T", "Z", "N/A", "ANY"].into_iter().enumerate() {
            for (m, date) in
                ["1985-01-01", "2005-01-01", "2012-01-01", "2016-02-30", "2016-02-20"].into_iter().enumerate()
            {
                let id = format!("P{at}{n}{m}:X");
                text.push_str(&(small::line(&id, &small::header(detector, amplifier, date)) + "\n"));
            }
        }
    }
    // A later dataset takes the place of an earlier one.
    text.push_str(&(small::line("P000:X", &small::header("WFC", "A", "2016-02-20")) + "\n"));
    text.push_str(&(small::line("P002:X", &small::header("WFC", "Z", "2016-02-20")) + "\n"));
    for (old, new) in [(1, 2), (2, 1)] {
        let listed = same_products(&small.load(old), &small.load(new), &text, &Mode::default());
        assert!(listed > 20, "{listed}");
    }
}
