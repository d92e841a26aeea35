//! Carrying out recorded derivation cases: one JSON object in, one result out.
//!
//! A case says what is to be derived (`insert`, `insert_jwst`, `contexts`, `roundtrip`, `diffs`, `names`, `certify`: the
//! part of its `id` before the last `-`), the result has the shape in which the real client's outcome was recorded.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha1::{Digest, Sha1};

use super::{
    DeriveError, Generation, KeyOrder, Level, LogLine, Reference, Store, certify, contexts, delete_ordered, diff,
    insert_ordered, names, record_ordered, rewrite,
};
use crate::stand_in::fits::{self, Card, CardValue, ColumnData, NewHdu, NewTable};

/// The result of a case, `Value::Null` if it cannot be judged (unknown kind, missing input, no such shape).
pub fn answer(case: &Value, store: &dyn Store, generation: Generation) -> Value {
    let id = case["id"].as_str().unwrap_or("");
    let kind = id.rsplit_once('-').map_or(id, |(kind, _)| kind);
    let result = match kind {
        _ if kind.starts_with("insert") => derivation(case, store, generation),
        "contexts" => new_contexts(case, store, generation),
        "roundtrip" => roundtrip(case, store, generation),
        "diffs" => differences(case, store, generation),
        "names" => naming(case),
        "certify" => certification(case, store, generation),
        _ => None,
    };
    result.unwrap_or(Value::Null)
}

/// SHA-1 of a text, lower-case hex.
pub fn sha1_hex(text: &[u8]) -> String {
    Sha1::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().map(|items| items.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

fn refusal(error: &DeriveError, log: &[LogLine]) -> Value {
    let error = json!({"class": error.class(), "cause": error.cause(), "text": error.to_string()});
    json!({"ok": false, "error": error, "log": shown(log, Level::Warning)})
}

/// Lines from a level up; the client's logger puts one more blank before the text.
fn shown(log: &[LogLine], from: Level) -> Value {
    let lines = log.iter().filter(|line| line.level >= from);
    lines.map(|line| json!([line.level.to_string(), format!(" {}", line.text)])).collect()
}

/// Cards of one HDU out of `[[keyword, value], ...]`.
fn cards(list: &Value) -> Option<Vec<Card>> {
    list.as_array()?
        .iter()
        .map(|card| {
            let keyword = card[0].as_str()?.to_owned();
            let value = match &card[1] {
                Value::Bool(flag) => CardValue::Logical(*flag),
                Value::Number(number) if number.is_f64() => CardValue::Float(number.as_f64()?),
                Value::Number(number) => CardValue::Integer(number.to_string()),
                Value::String(text) if matches!(keyword.as_str(), "COMMENT" | "HISTORY" | "") => {
                    CardValue::Commentary(text.clone())
                }
                Value::String(text) => CardValue::Text(text.clone()),
                _ => CardValue::Undefined,
            };
            Some(Card { keyword, value, comment: String::new() })
        })
        .collect()
}

/// The references of a case, each written as a FITS file and read back as the server would.
fn references(case: &Value, wanted: &[&str]) -> Option<Vec<Reference>> {
    wanted
        .iter()
        .map(|name| {
            let hdus: Option<Vec<NewHdu>> = case["references"][*name]
                .as_array()?
                .iter()
                .map(|list| Some(NewHdu { cards: cards(list)?, table: None }))
                .collect();
            Reference::from_bytes(name, &fits::write(&hdus?)).ok()
        })
        .collect()
}

fn derivation(case: &Value, store: &dyn Store, generation: Generation) -> Option<Value> {
    let rmap = case["rmap"].as_str()?;
    let original = store.mapping(rmap)?;
    let new_name = case["new_name"].as_str()?;
    let steps = case["steps"].as_array()?;
    let mut prepared = Vec::new();
    for step in steps {
        let names = texts(&step["names"]);
        prepared.push(match step["op"].as_str()? {
            "insert" => (references(case, &names)?, names),
            _ => (Vec::new(), names),
        });
    }
    let carry_out = |order: KeyOrder| -> (Result<String, DeriveError>, Vec<LogLine>) {
        let mut text = original.clone();
        let mut log = Vec::new();
        for (step, (references, names)) in steps.iter().zip(&prepared) {
            let derived = if step["op"] == "insert" {
                insert_ordered(rmap, &text, references, generation, order)
            } else {
                delete_ordered(rmap, &text, names, generation, order)
            };
            match derived {
                Ok(derived) => {
                    text = derived.text;
                    log.extend(derived.log);
                }
                Err(error) => return (Err(error), log),
            }
        }
        (record_ordered(&text, new_name, true, generation, order), log)
    };
    let order = generation.key_order();
    let (outcome, log) = carry_out(order);
    let text = match outcome {
        Ok(text) => text,
        Err(error) => return Some(refusal(&error, &log)),
    };
    let mut result = json!({"ok": true, "sha1": sha1_hex(text.as_bytes()), "log": shown(&log, Level::Warning)});
    if order == KeyOrder::Text
        && let (Ok(numeric), _) = carry_out(KeyOrder::Numeric)
        && numeric != text
    {
        result["numeric_order"] = json!({"sha1": sha1_hex(numeric.as_bytes())});
    }
    Some(result)
}

fn new_contexts(case: &Value, store: &dyn Store, generation: Generation) -> Option<Value> {
    let pmap = case["pmap"].as_str()?;
    let new_names: BTreeMap<String, String> = case["names"]
        .as_object()?
        .iter()
        .map(|(old, new)| Some((old.clone(), new.as_str()?.to_owned())))
        .collect::<Option<_>>()?;
    store.mapping(pmap)?;
    Some(match contexts::generate(store, pmap, &texts(&case["rmaps"]), &new_names, generation) {
        Err(error) => {
            json!({"ok": false, "error": {"class": error.class(), "text": error.to_string(), "cause": error.cause()}, "log": []})
        }
        Ok(made) => {
            let files: Map<String, Value> = made
                .files
                .into_iter()
                .map(|file| (file.name, json!({"from": file.from, "sha1": sha1_hex(file.text.as_bytes())})))
                .collect();
            json!({"ok": true, "files": files, "log": shown(&made.log, Level::Info)})
        }
    })
}

fn roundtrip(case: &Value, store: &dyn Store, generation: Generation) -> Option<Value> {
    let file = case["file"].as_str()?;
    let text = store.mapping(file)?;
    let written = |order| rewrite(&text, file, generation, order);
    Some(match written(generation.key_order()) {
        Err(error) => refusal(&error, &[]),
        Ok(new) => {
            let sha1 = sha1_hex(new.as_bytes());
            let input = sha1_hex(text.as_bytes());
            let mut result = json!({"ok": true, "unchanged": new == text, "sha1": sha1, "sha1_input": input});
            if let Ok(numeric) = written(KeyOrder::Numeric)
                && numeric != new
            {
                result["numeric_order"] = json!({"unchanged": numeric == text, "sha1": sha1_hex(numeric.as_bytes())});
            }
            result
        }
    })
}

fn differences(case: &Value, store: &dyn Store, generation: Generation) -> Option<Value> {
    let flag = |name: &str| case["options"][name].as_bool().unwrap_or(false);
    let options = diff::Options {
        include_header_diffs: flag("include_header_diffs"),
        recurse_added_deleted: flag("recurse_added_deleted"),
        hide_boring_diffs: flag("hide_boring_diffs"),
        lowest_mapping_only: flag("lowest_mapping_only"),
        remove_paths: flag("remove_paths"),
        squash_tuples: flag("squash_tuples"),
        check_diffs: flag("check_diffs"),
        check_references: flag("check_references"),
    };
    let (old, new) = (case["old"].as_str()?, case["new"].as_str()?);
    Some(match diff::report(store, old, new, &options, generation) {
        Err(error) => refusal(&error, &[]),
        Ok(report) => json!({
            "ok": true,
            "status": report.status,
            "lines": report.lines,
            "affected": if names::split_extension(old).1 == ".pmap" { json!(report.affected) } else { Value::Null },
            "log": shown(&report.log, Level::Warning),
        }),
    })
}

fn naming(case: &Value) -> Option<Value> {
    let failed = |error: &DeriveError| json!({"ok": false, "error": format!("{}: {error}", error.class())});
    Some(match case["op"].as_str()? {
        "generate" => {
            let time: jiff::civil::DateTime = case["time_utc"].as_str()?.parse().ok()?;
            let field = |key: &str| case[key].as_str();
            match names::time_name(time, field("instrument")?, field("type")?, field("extension")?) {
                Ok(name) => json!({"ok": true, "name": name}),
                Err(error) => failed(&error),
            }
        }
        "decompose" => match names::decompose(case["name"].as_str()?) {
            Ok(p) => {
                json!({"ok": true, "properties": [p.observatory, p.instrument, p.filekind, p.serial, p.extension]})
            }
            Err(error) => failed(&error),
        },
        "newer" => {
            let (verdict, log) = names::newer(case["a"].as_str()?, case["b"].as_str()?);
            match verdict {
                Ok(newer) => json!({"ok": true, "newer": newer, "log": shown(&log, Level::Info)}),
                Err(error) => {
                    let mut result = failed(&error);
                    result["log"] = shown(&log, Level::Info);
                    result
                }
            }
        }
        _ => return None,
    })
}

/// The table of a certification case: name -> [format, values].
fn table(columns: &Map<String, Value>) -> Option<NewTable> {
    let mut table = NewTable::default();
    for (name, column) in columns {
        let (form, values) = (column[0].as_str()?, column[1].as_array()?);
        let integer = |v: &Value| v.as_i64();
        let data = match form.as_bytes().last()? {
            b'I' => ColumnData::I16(values.iter().map(|v| i16::try_from(integer(v)?).ok()).collect::<Option<_>>()?),
            b'J' => ColumnData::I32(values.iter().map(|v| i32::try_from(integer(v)?).ok()).collect::<Option<_>>()?),
            b'K' => ColumnData::I64(values.iter().map(integer).collect::<Option<_>>()?),
            b'D' => ColumnData::F64(values.iter().map(Value::as_f64).collect::<Option<_>>()?),
            #[allow(clippy::cast_possible_truncation, reason = "the column is a single-precision one")]
            b'E' => ColumnData::F32(values.iter().map(|v| Some(v.as_f64()? as f32)).collect::<Option<_>>()?),
            b'A' => ColumnData::Text {
                width: form[..form.len() - 1].parse().unwrap_or(1),
                values: values.iter().map(|v| Some(v.as_str()?.to_owned())).collect::<Option<_>>()?,
            },
            _ => return None,
        };
        table.columns.push((name.clone(), data));
    }
    Some(table)
}

fn certification(case: &Value, store: &dyn Store, generation: Generation) -> Option<Value> {
    let (name, context) = (case["name"].as_str()?, case["context"].as_str()?);
    let path = format!("$WORK/{name}");
    let outcome = if case["kind"] == "mapping" {
        let mut text = store.mapping(case["base"].as_str()?)?;
        for pair in case["replace"].as_array()? {
            text = text.replace(pair[0].as_str()?, pair[1].as_str()?);
        }
        if case["checksum_redone"].as_bool().unwrap_or(false) {
            text = with_checksum(&text);
        }
        certify::certify_mapping(store, &path, &text, context, generation, (1, 1))
    } else {
        let bytes = match case.get("raw").and_then(Value::as_str) {
            Some(raw) => raw.as_bytes().to_vec(),
            None => {
                let mut hdus = vec![NewHdu { cards: cards(&case["cards"])?, table: None }];
                let columns = case["table"].as_object().filter(|columns| !columns.is_empty());
                if let Some(columns) = columns {
                    hdus.push(NewHdu { cards: Vec::new(), table: Some(table(columns)?) });
                }
                fits::write(&hdus)
            }
        };
        certify::certify_reference(store, &path, &bytes, context, generation, (1, 1))
    };
    let lines: Value = outcome.lines.iter().map(|line| json!([line.level.to_string(), line.text.trim()])).collect();
    Some(json!({"lines": lines, "errors": outcome.errors, "warnings": outcome.warnings, "exception": null}))
}

/// Puts the right checksum into a text whose layout stays as it is.
fn with_checksum(text: &str) -> String {
    let sum = crate::rules::syntax::checksum(text);
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match line.find("'sha1sum'") {
            Some(at) => {
                let indent = &line[..at];
                out.push_str(&format!("{indent}'sha1sum' : '{sum}',\n"));
            }
            None => out.push_str(line),
        }
    }
    out
}
