//! Recorded answers of the real client, lookup by lookup.

use std::collections::BTreeMap;

use crds_upgrade::rules::affected::{self, Mode};
use crds_upgrade::rules::context_diff::{EntryKind, context_diff};
use crds_upgrade::rules::input::json::{Entry, Reader};
use crds_upgrade::rules::{Context, Header, Lookup, since};

use crate::data;

pub fn headers(text: &str) -> BTreeMap<String, Header> {
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

#[test]
fn every_golden_command_output_is_equal() {
    let (Some(cache), Some(folder)) = (data::cache(), data::folder("rules-data")) else { return };
    let golden = folder.join("golden");
    for pair in data::golden_pairs(&golden) {
        let [observatory, old, new] = pair.split('_').collect::<Vec<_>>()[..] else { panic!("pair {pair}") };
        let context =
            |n: &str| Context::load(cache, &format!("{observatory}_{n}.pmap")).expect("a context of the cache");
        let (old, new) = (context(old), context(new));
        let headers = headers(&data::text(&golden.join(format!("{pair}.headers.json.zst"))));
        let datasets = || headers.iter().map(|(id, header)| (id.clone(), Entry::Header(header.clone())));
        let plain = affected::compute(&old, &new, datasets(), &Mode::default()).expect("loads");
        let mut matter = Mode::default();
        matter.comparison.undefined_matters = true;
        let matter = affected::compute(&old, &new, datasets(), &matter).expect("loads");
        let lines = |lines: Vec<String>| lines.into_iter().map(|line| line + "\n").collect::<String>();
        let outputs = [
            ("affected", lines(plain.products().into_iter().collect())),
            ("details", lines(plain.details().collect())),
            ("newrefs", lines(plain.new_references().collect())),
            ("repro", lines(matter.products().into_iter().collect())),
        ];
        for (name, ours) in outputs {
            let path = golden.join(format!("{pair}.cli.{name}.stdout.zst"));
            if path.exists() {
                assert_eq!(ours, data::text(&path), "{pair}.cli.{name}.stdout");
                println!("{pair}.cli.{name}.stdout: equal, {} lines", ours.lines().count());
            }
        }
    }
}

#[test]
fn every_golden_difference_is_equal() {
    let (Some(cache), Some(folder)) = (data::cache(), data::folder("rules-data")) else { return };
    let golden = folder.join("golden");
    for pair in data::golden_pairs(&golden) {
        let path = golden.join(format!("{pair}.diff.json.zst"));
        if !path.exists() {
            continue;
        }
        let theirs: serde_json::Value = serde_json::from_str(&data::text(&path)).expect("JSON");
        let context = |key: &str| Context::load(cache, theirs[key].as_str().expect("a name")).expect("loads");
        let (old, new) = (context("old"), context("new"));
        let ours = context_diff(&old, &new).expect("loads");
        let affected: BTreeMap<String, Vec<String>> =
            ours.client_affected().into_iter().map(|(name, types)| (name, types.into_iter().collect())).collect();
        assert_eq!(serde_json::to_value(affected).expect("JSON"), theirs["affected_types"], "{pair}");
        let all_dates = theirs["header_modified"] == true || theirs["files_deleted"] == true;
        assert_eq!(ours.client_takes_all_dates(), all_dates, "{pair}");
        let dates = since::auto_dates(&old, &new).expect("loads");
        assert_eq!(serde_json::to_value(dates).expect("JSON"), theirs["auto_datasets_since"], "{pair}");
        // What the client lists: paths and statements of entries, without those of headers.
        let listed: Vec<(Vec<Vec<String>>, String)> = theirs["diffs"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|diff| {
                let steps = diff.as_array()?;
                let text = steps.last()?.as_str()?.to_owned();
                let path = steps.iter().filter_map(|step| serde_json::from_value(step.clone()).ok());
                Some((path.collect(), text))
            })
            .collect();
        let mut entries: Vec<(Vec<Vec<String>>, String)> = listed
            .into_iter()
            .filter(|(path, text)| path.len() > 3 && !text.contains("header"))
            .map(|(path, text)| (path[3..].to_vec(), text))
            .collect();
        let mut own: Vec<(Vec<Vec<String>>, String)> = ours
            .entries
            .iter()
            .map(|change| {
                let text = match &change.kind {
                    EntryKind::Added(name) => format!("'{name}'"),
                    EntryKind::Removed(name) => format!("'{name}'"),
                    EntryKind::Replaced(old, new) => format!("replaced '{old}' with '{new}'"),
                    EntryKind::Structure(text) => text.clone(),
                };
                (change.path.clone(), text)
            })
            .collect();
        for (_, text) in &mut entries {
            if !text.starts_with("replaced") && !text.starts_with("different") {
                *text = text.rsplit(' ').next().unwrap_or_default().to_owned();
            }
        }
        entries.sort();
        own.sort();
        assert_eq!(own, entries, "{pair}");
        println!(
            "{pair}: {} differences of entries equal, {} types affected",
            own.len(),
            theirs["affected_types"].as_object().map_or(0, serde_json::Map::len)
        );
    }
}
