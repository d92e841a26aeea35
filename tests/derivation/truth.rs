//! The truth test: from the closure of hst_0279 and one submitted rmap, the rules of HST OPUS 2014.3 come out.
//!
//! Method: the four submissions of the plan are carried out one after another over the public rules, with the project's
//! own small FITS files; every file that comes out is compared byte for byte with the one that OPS had that evening.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crds_upgrade::stand_in::derive::{
    DirStore, Generation, Reference, Store, certify, contexts, delete, diff, insert, record, submissions,
};

use crate::inputs;

/// The twelve files in the order in which they are made.
const HISTORY: [&str; 12] = [
    "hst_wfc3_0262.imap",
    "hst_0280.pmap",
    "hst_wfc3_npolfile_0251.rmap",
    "hst_wfc3_0263.imap",
    "hst_0281.pmap",
    "hst_wfc3_d2imfile_0251.rmap",
    "hst_wfc3_idctab_0251.rmap",
    "hst_wfc3_0264.imap",
    "hst_0282.pmap",
    "hst_acs_pfltfile_0251.rmap",
    "hst_acs_0257.imap",
    "hst_0283.pmap",
];

/// A store that knows nothing that the story has yet to make.
struct Before<'a> {
    real: &'a DirStore,
    made: RefCell<BTreeMap<String, String>>,
}

impl Store for Before<'_> {
    fn mapping(&self, name: &str) -> Option<String> {
        if let Some(text) = self.made.borrow().get(name) {
            return Some(text.clone());
        }
        let future = HISTORY.contains(&name);
        if future { None } else { self.real.mapping(name) }
    }

    fn mapping_path(&self, name: &str) -> String {
        self.real.mapping_path(name)
    }
}

impl Before<'_> {
    fn add(&self, name: &str, text: String) {
        self.made.borrow_mut().insert(name.to_owned(), text);
    }

    fn contexts(&self, base: &str, rmaps: &[&str], names: &[(&str, &str)], generation: Generation) {
        let names = names.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect();
        let made = contexts::generate(self, base, rmaps, &names, generation).expect("the contexts of the story");
        for file in made.files {
            self.add(&file.name, file.text);
        }
    }

    fn references(names: &[&str]) -> Vec<Reference> {
        let all = submissions::shipped().expect("the shipped descriptors are good");
        let wanted = all.iter().filter(|file| names.iter().any(|name| file.name.ends_with(name)));
        wanted.map(|file| Reference::from_bytes(&file.name, &file.bytes).expect("a FITS file")).collect()
    }

    fn insert(&self, old: &str, new: &str, suffix: &str, generation: Generation) {
        let text = self.mapping(old).expect("the parent is there");
        let derived = insert(old, &text, &Self::references(&[suffix]), generation).expect("a good submission");
        self.add(new, record(&derived.text, new, true, generation).expect("rules load again"));
    }
}

fn carry_out(generation: Generation) {
    let Some(cache) = inputs::cache() else { return };
    let real = DirStore::new(cache).shown_as("$CRDS_PATH");
    let store = Before { real: &real, made: RefCell::default() };

    // The empty type comes first, with the derivation update off: its own `derived_from` stays.
    let empty = "hst_wfc3_npolfile_0250.rmap";
    let text = real.mapping(empty).expect("the public rules hold the submitted rmap");
    assert_eq!(record(&text, empty, false, generation).expect("rules load"), text);
    store.contexts(
        "hst_0279.pmap",
        &[empty],
        &[("hst_wfc3_0261.imap", "hst_wfc3_0262.imap"), ("hst_0279.pmap", "hst_0280.pmap")],
        generation,
    );

    store.insert(empty, "hst_wfc3_npolfile_0251.rmap", "_npl.fits", generation);
    store.contexts(
        "hst_0280.pmap",
        &["hst_wfc3_npolfile_0251.rmap"],
        &[("hst_wfc3_0262.imap", "hst_wfc3_0263.imap"), ("hst_0280.pmap", "hst_0281.pmap")],
        generation,
    );

    store.insert("hst_wfc3_d2imfile_0250.rmap", "hst_wfc3_d2imfile_0251.rmap", "_d2i.fits", generation);
    store.insert("hst_wfc3_idctab_0250.rmap", "hst_wfc3_idctab_0251.rmap", "_idc.fits", generation);
    store.contexts(
        "hst_0281.pmap",
        &["hst_wfc3_d2imfile_0251.rmap", "hst_wfc3_idctab_0251.rmap"],
        &[("hst_wfc3_0263.imap", "hst_wfc3_0264.imap"), ("hst_0281.pmap", "hst_0282.pmap")],
        generation,
    );

    let (old, new) = ("hst_acs_pfltfile_0250.rmap", "hst_acs_pfltfile_0251.rmap");
    let bad = ["l2d0959cj_pfl.fits", "m1l0942nj_pfl.fits", "lbe1209bj_pfl.fits", "m5t12222j_pfl.fits"];
    let derived = delete(old, &store.mapping(old).expect("the parent is there"), &bad, generation).expect("all there");
    store.add(new, record(&derived.text, new, true, generation).expect("rules load again"));
    store.contexts(
        "hst_0282.pmap",
        &[new],
        &[("hst_acs_0256.imap", "hst_acs_0257.imap"), ("hst_0282.pmap", "hst_0283.pmap")],
        generation,
    );

    let mut equal = 0;
    for name in HISTORY {
        let made = store.mapping(name).unwrap_or_else(|| panic!("{name} was not made"));
        let historical = real.mapping(name).expect("the public rules hold the outcome");
        assert_eq!(made, historical, "{name} is not what OPS had");
        equal += 1;
    }
    println!("history as in {generation:?}: {equal} files equal, byte for byte");
}

#[test]
fn the_history_comes_out_as_the_servers_of_2014_made_it() {
    carry_out(Generation::Y2014);
}

#[test]
fn the_history_comes_out_as_the_client_of_today_makes_it() {
    carry_out(Generation::Now);
}

/// RD 7.4: what certification says about the rules of the story, in both generations.
#[test]
fn certification_of_the_story_gives_warnings_only() {
    let Some(cache) = inputs::cache() else { return };
    let store = DirStore::new(cache);
    for generation in [Generation::Y2014, Generation::Now] {
        for (name, context, warnings) in [
            ("hst_wfc3_npolfile_0250.rmap", "hst_0279.pmap", 1),
            ("hst_wfc3_npolfile_0251.rmap", "hst_0280.pmap", 14),
            ("hst_wfc3_d2imfile_0251.rmap", "hst_0281.pmap", 0),
            ("hst_wfc3_idctab_0251.rmap", "hst_0281.pmap", 0),
            ("hst_acs_pfltfile_0251.rmap", "hst_0282.pmap", 5),
        ] {
            let text = store.mapping(name).expect("the public rules hold it");
            let outcome = certify::certify_mapping(&store, name, &text, context, generation, (1, 1));
            assert_eq!((outcome.errors, outcome.warnings), (0, warnings), "{name} {generation:?} {:?}", outcome.lines);
        }
        for file in submissions::shipped().expect("the shipped descriptors are good") {
            let outcome =
                certify::certify_reference(&store, &file.name, &file.bytes, "hst_0280.pmap", generation, (1, 1));
            assert_eq!(outcome.errors, 0, "{} {generation:?} {:?}", file.name, outcome.lines);
        }
    }
}

/// The differences of the whole release touch four types.
#[test]
fn the_release_affects_four_types() {
    let Some(cache) = inputs::cache() else { return };
    let store = DirStore::new(cache);
    let affected = diff::affected(&store, "hst_0279.pmap", "hst_0283.pmap", Generation::Y2014).expect("both are there");
    let shown: Vec<String> =
        affected.iter().flat_map(|(i, types)| types.iter().map(move |t| format!("{i} {t}"))).collect();
    assert_eq!(shown, ["acs pfltfile", "wfc3 d2imfile", "wfc3 idctab", "wfc3 npolfile"]);
}
