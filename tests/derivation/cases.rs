//! Every recorded case, answered and compared as its README says.

use std::collections::BTreeSet;

use crds_upgrade::stand_in::derive::{DirStore, Generation, cases};
use serde_json::Value;

use crate::inputs;

/// Compares all cases of a file and prints how many are equal; `expected` gives the recorded result of a case.
fn compare(kind: &str, generation: Generation, same: fn(&Value, &Value) -> bool) {
    let (Some(text), Some(cache)) = (inputs::cases(kind), inputs::cache()) else { return };
    let store = DirStore::new(cache).shown_as("$CRDS_PATH");
    let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect();
    report(kind, cases.iter().map(|case| (case, &case["result"])), &store, generation, same);
}

fn report<'a>(
    kind: &str,
    cases: impl Iterator<Item = (&'a Value, &'a Value)>,
    store: &DirStore,
    generation: Generation,
    same: fn(&Value, &Value) -> bool,
) {
    let (mut equal, mut total, mut different) = (0, 0, Vec::new());
    for (case, recorded) in cases {
        total += 1;
        let answer = cases::answer(case, store, generation);
        if same(&answer, recorded) {
            equal += 1;
        } else {
            different.push(format!("{} ({})\n  answered {answer}\n  recorded {recorded}", case["id"], case["note"]));
        }
    }
    println!("{kind}: {equal} equal of {total}");
    assert!(different.is_empty(), "{} of {total} {kind} cases differ:\n{}", different.len(), different.join("\n"));
}

/// Python words dates and classes differently from version to version: such reasons count as one.
fn same_cause(answer: &Value, recorded: &Value) -> bool {
    let (a, b) = (answer["error"]["cause"].as_str(), recorded["error"]["cause"].as_str());
    let date_like = |text: &str| {
        [
            "unpack",
            "month",
            "hour must",
            "minute must",
            "second must",
            "day is out",
            "date",
            "values is UNDEFINED",
            "year ",
        ]
        .iter()
        .any(|word| text.contains(word))
    };
    match (a, b) {
        (Some(a), Some(b)) => a == b || (date_like(a) && date_like(b)),
        _ => false,
    }
}

/// A refused insertion prints the whole header, the parkeys, and what they allow, before its reason.
fn same_header(answer: &Value, recorded: &Value) -> bool {
    let start =
        |value: &Value| value["error"]["text"].as_str().and_then(|text| Some(text.rsplit_once(" \n : ")?.0.to_owned()));
    start(recorded).is_none_or(|text| start(answer) == Some(text))
}

fn same_rules(answer: &Value, recorded: &Value) -> bool {
    if recorded["ok"] != true {
        return answer["ok"] == false && same_cause(answer, recorded) && same_header(answer, recorded);
    }
    // A text that comes out the same in both key orders has no entry of its own for the older one.
    let numeric = |result: &Value| result["numeric_order"]["sha1"].clone();
    answer["ok"] == true
        && answer["sha1"] == recorded["sha1"]
        && (recorded.get("numeric_order").is_none() || numeric(answer) == numeric(recorded))
        && (recorded.get("log").is_none() || answer["log"] == recorded["log"])
}

#[test]
fn insertion_and_deletion_now() {
    compare("insert", Generation::Now, same_rules);
}

#[test]
fn insertion_for_jwst() {
    compare("insert_jwst", Generation::Now, same_rules);
}

#[test]
fn insertion_and_deletion_in_2014() {
    let (Some(inputs_text), Some(text), Some(cache)) =
        (inputs::cases("insert"), inputs::cases("insert_2014"), inputs::cache())
    else {
        return;
    };
    let store = DirStore::new(cache).shown_as("$CRDS_PATH");
    let parse = |text: &str| -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect()
    };
    let (cases, recorded) = (parse(&inputs_text), parse(&text));
    let pairs = recorded.iter().filter_map(|r| Some((cases.iter().find(|c| c["id"] == r["id"])?, &r["result"])));
    fn same(answer: &Value, recorded: &Value) -> bool {
        if recorded["ok"] == true {
            return answer["ok"] == true && answer["sha1"] == recorded["sha1"];
        }
        answer["ok"] == false && same_cause(answer, recorded)
    }
    report("insert_2014", pairs, &store, Generation::Y2014, same);
}

#[test]
fn new_contexts() {
    compare("contexts", Generation::Now, |answer, recorded| {
        if recorded["ok"] != true {
            return answer["ok"] == false && answer["error"]["text"] == recorded["error"]["text"];
        }
        let files = |result: &Value| -> BTreeSet<String> {
            let entries = result["files"].as_object().into_iter().flatten();
            entries.map(|(name, file)| format!("{name} {} {}", file["from"], file["sha1"])).collect()
        };
        answer["ok"] == true && files(answer) == files(recorded) && answer["log"] == recorded["log"]
    });
}

#[test]
fn parsing_and_writing() {
    compare("roundtrip", Generation::Now, |answer, recorded| {
        ["ok", "unchanged", "sha1", "sha1_input"].iter().all(|key| answer[key] == recorded[key])
            && (recorded.get("numeric_order").is_none() || answer["numeric_order"] == recorded["numeric_order"])
    });
}

#[test]
fn structural_differences() {
    compare("diffs", Generation::Now, |answer, recorded| {
        let affected = |result: &Value| -> BTreeSet<String> {
            let entries = result["affected"].as_object().into_iter().flatten();
            entries
                .flat_map(|(i, types)| types.as_array().into_iter().flatten().map(move |t| format!("{i} {t}")))
                .collect()
        };
        // Lists of added and deleted references come from sets.
        let log = |result: &Value| -> Vec<String> {
            let lines = result["log"].as_array().into_iter().flatten();
            lines
                .map(|line| {
                    let text = line[1].as_str().unwrap_or("");
                    let (head, list) = text.split_once(" = [").unwrap_or((text, ""));
                    let names: BTreeSet<&str> = list.trim_end_matches(']').split(", ").collect();
                    format!("{} {head} {names:?}", line[0])
                })
                .collect()
        };
        ["ok", "status", "lines"].iter().all(|key| answer[key] == recorded[key])
            && affected(answer) == affected(recorded)
            && log(answer) == log(recorded)
    });
}

#[test]
fn names() {
    compare("names", Generation::Now, |answer, recorded| answer == recorded);
}

#[test]
fn certification() {
    compare("certify", Generation::Now, |answer, recorded| {
        ["lines", "errors", "warnings"].iter().all(|key| answer[key] == recorded[key])
    });
}

/// The differences between whole contexts that the client's golden answers name, in its order.
#[test]
fn golden_differences() {
    let Some(cache) = inputs::cache() else { return };
    let store = DirStore::new(cache).shown_as("<cache>");
    // Python's tuples; the command takes the quotes out of the last member.
    fn tuple(members: &[Value], outermost: bool) -> String {
        let shown: Vec<String> = members
            .iter()
            .enumerate()
            .map(|(at, member)| match member {
                Value::Array(inner) => tuple(inner, false),
                Value::String(text) if outermost && at + 1 == members.len() => format!("'{}'", text.replace('\'', "")),
                other => format!("'{}'", other.as_str().expect("a text")),
            })
            .collect();
        format!("({}{})", shown.join(", "), if shown.len() == 1 { "," } else { "" })
    }
    for (old, new, count) in [("0253", "0254", 4), ("0254", "0280", 246)] {
        let Some(golden) = inputs::golden(&format!("hst_{old}_{new}.diff.json")) else { return };
        let golden: Value = serde_json::from_str(&golden).expect("JSON");
        let expected: Vec<String> = golden["diffs"]
            .as_array()
            .expect("a list of differences")
            .iter()
            .map(|one| tuple(one.as_array().expect("a difference is a list"), true))
            .collect();
        let case = serde_json::json!({
            "id": "diffs-golden", "observatory": "hst", "options": {},
            "old": format!("hst_{old}.pmap"), "new": format!("hst_{new}.pmap"),
        });
        let answer = cases::answer(&case, &store, Generation::Now);
        let lines: Vec<&str> = answer["lines"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert_eq!((lines.len(), expected.len()), (count, count), "{answer}");
        for (line, expected) in lines.iter().zip(&expected) {
            assert_eq!(line, expected);
        }
    }
}
