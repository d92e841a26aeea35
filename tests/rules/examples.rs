//! The small worked cases that were run through the client.

use std::sync::Arc;

use crds_upgrade::rules::{Best, Context, Header, HeaderValue, Lookup, Rmap};
use serde_json::Value;

use crate::data;

fn header(value: &Value) -> Header {
    let mut header = Header::new();
    for (key, value) in value.as_object().expect("a header") {
        let value = match value {
            Value::String(text) => HeaderValue::Text(text.clone()),
            Value::Null => HeaderValue::Null,
            Value::Bool(b) => HeaderValue::Other(if *b { "True" } else { "False" }.to_owned()),
            other => HeaderValue::Other(other.to_string()),
        };
        header.set(key, value);
    }
    header
}

/// A selector inside a tuple is recorded as `<UseAfter:files>` here.
fn selectors(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(selectors).collect(),
        Value::String(text) if text.starts_with('<') => {
            let name = text.trim_start_matches('<').split(':').next().unwrap_or_default();
            serde_json::json!({ "__selector__": name })
        }
        other => other.clone(),
    }
}

#[test]
fn rmaps_answer_as_in_the_examples() {
    let Some(folder) = data::folder("rules-data") else { return };
    let text = std::fs::read_to_string(folder.join("examples/rmap_examples.json")).expect("examples");
    let examples: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let mut wrong = Vec::new();
    for example in &examples {
        let id = example["id"].as_str().unwrap_or_default();
        let rmap = Rmap::parse(example["rmap"].as_str().expect("rules").as_bytes(), "x.rmap");
        let theirs = &selectors(&example["result"]);
        let ours = match rmap {
            Err(why) => Value::String(format!("LOAD {why}")),
            Ok(rmap) => {
                let best = Lookup::new().under_rmap(&Arc::new(rmap), &header(&example["header"]));
                best.as_ref().map_or(Value::Null, Best::to_json)
            }
        };
        let refused =
            |value: &Value| value.as_str().is_some_and(|text| text.starts_with("LOAD") || text.contains("Error"));
        let same = ours == *theirs || (refused(&ours) && !theirs.as_str().is_some_and(|t| t.ends_with(".fits")));
        if !same {
            wrong.push(format!("{id} {}: ours {ours}, theirs {theirs} ({})", example["header"], example["note"]));
        }
    }
    println!("{} examples, {} differences", examples.len(), wrong.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), examples.len(), wrong.join("\n"));
}

#[test]
fn hooks_answer_as_in_the_examples() {
    let (Some(cache), Some(folder)) = (data::cache(), data::folder("rules-data")) else { return };
    let text = std::fs::read_to_string(folder.join("examples/hook_examples.json")).expect("examples");
    let examples: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    let (mut compared, mut absent) = (0, 0);
    for example in &examples {
        let name = example["context"].as_str().expect("a context");
        let Ok(context) = Context::load(cache, name) else {
            absent += 1;
            continue;
        };
        let types: Vec<String> = serde_json::from_value(example["types"].clone()).expect("types");
        let header = header(&example["header"]);
        let answers = Lookup::new().best_references(&context, &header, Some(&types)).expect("an answer");
        let ours: serde_json::Map<_, _> = answers.iter().map(|(name, best)| (name.clone(), best.to_json())).collect();
        assert_eq!(Value::Object(ours), example["result"], "{}", example["id"]);
        compared += 1;
    }
    println!("{compared} hook examples equal; {absent} of contexts that are not in the cache");
}
