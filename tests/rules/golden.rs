//! Recorded answers of the real client, lookup by lookup.

use std::collections::BTreeMap;

use crds_upgrade::rules::input::json::{Entry, Reader};
use crds_upgrade::rules::{Context, Header, Lookup};

use crate::data;

fn headers(text: &str) -> BTreeMap<String, Header> {
    let mut headers = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let mut reader = Reader::new(line.as_bytes());
        reader
            .datasets(&mut |id, entry| {
                if let Entry::Header(header) = entry {
                    headers.insert(id, header);
                }
            })
            .expect("a golden header");
    }
    headers
}

#[test]
fn every_golden_lookup_is_exact() {
    let (Some(cache), Some(folder)) = (data::cache(), data::folder("rules-data")) else { return };
    let golden = folder.join("golden");
    for pair in data::golden_pairs(&golden) {
        let [observatory, old, new] = pair.split('_').collect::<Vec<_>>()[..] else { panic!("pair {pair}") };
        let context =
            |n: &str| Context::load(cache, &format!("{observatory}_{n}.pmap")).expect("a context of the cache");
        let (old, new) = (context(old), context(new));
        let headers = headers(&data::text(&golden.join(format!("{pair}.headers.json.zst"))));
        let mut lookup = Lookup::new();
        let (mut compared, mut different) = (0, Vec::new());
        for line in data::text(&golden.join(format!("{pair}.jsonl.zst"))).lines() {
            let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let id = record["id"].as_str().expect("an id");
            for (side, context) in [("old", &old), ("new", &new)] {
                let answers = lookup.best_references(context, &headers[id], None);
                if record.get("error").is_some_and(|error| !error.is_null()) && answers.is_err() {
                    continue;
                }
                let answers = answers.unwrap_or_else(|why| panic!("{id}: {why}"));
                let ours: BTreeMap<String, serde_json::Value> =
                    answers.iter().map(|(name, best)| (name.to_uppercase(), best.to_json())).collect();
                let theirs: BTreeMap<String, serde_json::Value> =
                    serde_json::from_value(record[side].clone()).expect("a map");
                compared += theirs.len();
                if ours != theirs {
                    for name in ours.keys().chain(theirs.keys()) {
                        let (ours, theirs) = (ours.get(name), theirs.get(name));
                        if ours != theirs {
                            different.push(format!("{id} {side} {name}: ours {ours:?}, theirs {theirs:?}"));
                        }
                    }
                }
            }
        }
        println!("{pair}: {compared} lookups compared, {} differences", different.len());
        assert!(
            different.is_empty(),
            "{pair}: {} of {compared} differ, such as\n{}",
            different.len(),
            different[..different.len().min(10)].join("\n")
        );
    }
}
