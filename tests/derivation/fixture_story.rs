//! The release story on the project's own rules equals what the real client made of it; its recordings are in step.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crds_upgrade::stand_in::derive::{
    Generation, Reference, Store, cases::sha1_hex, contexts, delete, insert, record, shipped, submissions,
};
use serde_json::Value;

#[derive(Default)]
struct Rules(RefCell<BTreeMap<String, String>>);

impl Store for Rules {
    fn mapping(&self, name: &str) -> Option<String> {
        self.0.borrow().get(name).cloned()
    }

    fn mapping_path(&self, name: &str) -> String {
        format!("mappings/hst/{name}")
    }
}

impl Rules {
    fn add(&self, name: &str, text: String) {
        self.0.borrow_mut().insert(name.to_owned(), text);
    }

    fn derive(&self, old: &str, new: &str, made: impl FnOnce(&str) -> String, generation: Generation) {
        let text = made(&self.mapping(old).expect("the parent is there"));
        self.add(new, record(&text, new, true, generation).expect("rules load again"));
    }

    fn contexts(&self, pmap: (&str, &str), imap: (&str, &str), rmaps: &[&str], generation: Generation) {
        let names = [pmap, imap].iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect();
        for file in contexts::generate(self, pmap.0, rmaps, &names, generation).expect("contexts").files {
            self.add(&file.name, file.text);
        }
    }
}

fn references(suffix: &str) -> Vec<Reference> {
    let all = submissions::shipped().expect("the shipped descriptors are good");
    all.iter()
        .filter(|file| file.name.ends_with(suffix))
        .map(|file| Reference::from_bytes(&file.name, &file.bytes).expect("a FITS file"))
        .collect()
}

fn story(generation: Generation) -> Rules {
    let rules = Rules::default();
    for (name, text) in shipped::MAPPINGS.iter().chain([&shipped::SUBMITTED]) {
        rules.add(name, (*text).to_owned());
    }
    let inserted = |old: &'static str, suffix: &'static str| {
        move |text: &str| insert(old, text, &references(suffix), generation).expect("a good submission").text
    };
    rules.contexts(
        ("hst_0279.pmap", "hst_0280.pmap"),
        ("hst_wfc3_0261.imap", "hst_wfc3_0262.imap"),
        &["hst_wfc3_npolfile_0250.rmap"],
        generation,
    );
    let (old, new) = ("hst_wfc3_npolfile_0250.rmap", "hst_wfc3_npolfile_0251.rmap");
    rules.derive(old, new, inserted(old, "_npl.fits"), generation);
    rules.contexts(
        ("hst_0280.pmap", "hst_0281.pmap"),
        ("hst_wfc3_0262.imap", "hst_wfc3_0263.imap"),
        &[new],
        generation,
    );
    let d2i = ("hst_wfc3_d2imfile_0250.rmap", "hst_wfc3_d2imfile_0251.rmap");
    let idc = ("hst_wfc3_idctab_0250.rmap", "hst_wfc3_idctab_0251.rmap");
    rules.derive(d2i.0, d2i.1, inserted(d2i.0, "_d2i.fits"), generation);
    rules.derive(idc.0, idc.1, inserted(idc.0, "_idc.fits"), generation);
    rules.contexts(
        ("hst_0281.pmap", "hst_0282.pmap"),
        ("hst_wfc3_0263.imap", "hst_wfc3_0264.imap"),
        &[d2i.1, idc.1],
        generation,
    );
    let flats = ["l2d0959cj_pfl.fits", "m1l0942nj_pfl.fits", "lbe1209bj_pfl.fits", "m5t12222j_pfl.fits"];
    let (old, new) = ("hst_acs_pfltfile_0250.rmap", "hst_acs_pfltfile_0251.rmap");
    rules.derive(old, new, |text| delete(old, text, &flats, generation).expect("all there").text, generation);
    rules.contexts(("hst_0282.pmap", "hst_0283.pmap"), ("hst_acs_0256.imap", "hst_acs_0257.imap"), &[new], generation);
    rules
}

#[test]
fn the_story_on_our_own_rules_equals_the_real_clients() {
    for generation in [Generation::Y2014, Generation::Now] {
        let rules = story(generation);
        let outcome = shipped::outcome();
        assert_eq!(outcome.len(), 13);
        for (name, sha1) in outcome {
            let text = rules.mapping(name).unwrap_or_else(|| panic!("{name} was not made"));
            assert_eq!(sha1_hex(text.as_bytes()), sha1, "{name} as in {generation:?}");
        }
    }
}

fn closure(rules: &Rules, name: &str, names: &mut BTreeSet<String>) {
    if !names.insert(name.to_owned()) {
        return;
    }
    let text = rules.mapping(name).expect("the closure is whole");
    let selector = text.split_once("selector").expect("a mapping has a selector").1.to_owned();
    for quoted in selector.split('\'').filter(|word| word.ends_with(".imap") || word.ends_with(".rmap")) {
        closure(rules, quoted, names);
    }
}

/// The recordings belong to exactly these rules and headers; whoever changes either must record again.
#[test]
fn the_recorded_answers_are_in_step_with_rules_and_datasets() {
    let mut lines: Vec<String> = Vec::new();
    for line in shipped::DATASETS.lines() {
        let dataset: Value = serde_json::from_str(line).expect("JSON lines");
        let id = dataset["id"].as_str().expect("an id");
        for (key, value) in dataset["header"].as_object().expect("a header") {
            lines.push(format!("{id}\t{key}\t{}\n", value.as_str().expect("texts only")));
        }
    }
    lines.sort();
    let headers = sha1_hex(lines.concat().as_bytes());
    let rules = story(Generation::Y2014);
    for (set, recorded) in [("fixture", shipped::AFFECTED_FIXTURE), ("real", shipped::AFFECTED_REAL)] {
        let recorded: Value = serde_json::from_str(recorded).expect("recorded answers are JSON");
        let answers = recorded["answers"].as_array().expect("answers");
        assert_eq!(answers.len(), 2, "one for each plan");
        for answer in answers {
            assert_eq!(answer["headers_digest"], headers.as_str(), "{set}: run ci/record-affected");
            if set == "real" {
                continue;
            }
            let mut names = BTreeSet::new();
            for context in ["old", "new"] {
                closure(&rules, answer[context].as_str().expect("a context"), &mut names);
            }
            let digest = |name: &String| sha1_hex(rules.mapping(name).expect("it is in the closure").as_bytes());
            let text: String = names.iter().map(|name| format!("{name} {}\n", digest(name))).collect();
            assert_eq!(answer["rules_digest"], sha1_hex(text.as_bytes()).as_str(), "run ci/record-affected");
        }
        // The second plan's date cut loses datasets that the first plan's does not.
        let ids = |n: usize| -> BTreeSet<&str> {
            answers[n]["ids"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
        };
        let lost: Vec<_> = ids(0).difference(&ids(1)).filter(|id| id.starts_with('i')).copied().collect();
        assert_eq!(lost.len(), 5, "{set}: {lost:?}");
    }
}
