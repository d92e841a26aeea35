//! Every way to change one field of a state: what a comparison must notice, except on the list of volatile fields.

use serde_json::{Value, json};

use super::volatile::VOLATILE;
use super::{State, Surface};

/// A state with one thing changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Mutation {
    /// What was changed, as `surface/key.field`.
    pub what: String,
    /// Whether the comparison must turn red.
    pub counts: bool,
    /// The changed state.
    pub state: State,
}

/// For each surface: every field of each of its first `rows` rows changed, each such row removed, and one row added.
pub fn mutations(state: &State, rows: usize) -> Vec<Mutation> {
    let mut out = Vec::new();
    for (name, surface) in &state.surfaces {
        for (key, fields) in surface.iter().take(rows) {
            for (field, value) in fields.iter() {
                let counts = !VOLATILE
                    .iter()
                    .any(|rule| rule.surface == name && (rule.key == "*" || rule.key == key) && rule.field == field);
                let changed = with(state, name, |surface| {
                    if let Some(slot) = surface.get_mut(key).and_then(|fields| fields.get_mut(field)) {
                        *slot = other(value);
                    }
                });
                out.push(Mutation { what: format!("{name}/{key}.{field}"), counts, state: changed });
            }
            let gone = with(state, name, |surface| drop(surface.remove(key)));
            out.push(Mutation { what: format!("{name}/{key} removed"), counts: true, state: gone });
        }
        let more = with(state, name, |surface| {
            surface.insert("crds-upgrade: a row that was not there".into(), [("x", json!(1))].into());
        });
        out.push(Mutation { what: format!("{name} with one row more"), counts: true, state: more });
    }
    out
}

fn with(state: &State, name: &str, edit: impl FnOnce(&mut Surface)) -> State {
    let mut state = state.clone();
    state.surfaces.entry(name.to_owned()).and_modify(edit);
    state
}

/// Another value of the same shape.
fn other(value: &Value) -> Value {
    match value {
        Value::Bool(value) => json!(!value),
        Value::Number(number) => match number.as_u64() {
            Some(count) => json!(count.wrapping_add(1)),
            None => json!(number.as_f64().unwrap_or(0.0) + 1.0),
        },
        Value::String(text) => match text.strip_suffix('a') {
            Some(rest) => json!(format!("{rest}b")),
            None if text.is_empty() => json!("a"),
            None => {
                let mut chars: Vec<char> = text.chars().collect();
                chars.pop();
                json!(chars.into_iter().chain(['a']).collect::<String>())
            }
        },
        Value::Null => json!("a"),
        Value::Array(_) | Value::Object(_) => json!([value, 1]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Claim, Keys, differences, misshapen, settle};
    use super::*;

    fn state() -> State {
        let text = r#"{"host": "ops", "taken": 1.0, "surfaces": {
            "database": {"crds_hst_catalog": {"rows": 3, "max_id": 3, "digest": "00112233445566778899aabbccddeeff"},
                         "django_session": {"rows": 1, "max_id": 0, "digest": "00112233445566778899aabbccddeeff"}},
            "cron": {"table": {"text": "05 03 * * * x", "active": 1}},
            "processes": {"httpd": {"pid": 7, "elapsed_s": 9, "args": "httpd -f x"}},
            "files": {"a": {"mode": 420, "sha256": "ab", "target": "", "list": []}}}}"#;
        State::parse(text).unwrap()
    }

    #[test]
    fn every_change_counts_but_the_volatile_ones() {
        let known = state();
        assert_eq!(misshapen(&known), []);
        for mutation in mutations(&state(), usize::MAX) {
            let seen = &mutation.state;
            let red = !misshapen(seen).is_empty() || !differences(&known, seen).is_empty();
            assert_eq!(red, mutation.counts, "{}", mutation.what);
        }
    }

    #[test]
    fn a_volatile_value_keeps_its_shape() {
        let mut state = state();
        state.surfaces.get_mut("processes").unwrap().get_mut("httpd").unwrap().insert("pid", json!("x"));
        assert_eq!(misshapen(&state)[0].field, "pid");
    }

    #[test]
    fn each_difference_belongs_to_exactly_one_change() {
        let before = state();
        let mut after = state();
        after.surfaces.get_mut("cron").unwrap().get_mut("table").unwrap().insert("text", json!(""));
        after.surfaces.get_mut("files").unwrap().remove("a");
        let deltas = differences(&before, &after);
        assert_eq!(deltas.len(), 2);
        let cron = Claim::on("s130", "cron", Keys::Is("table".into())).fields(&["text"]).becomes("");
        let files = Claim::on("s310", "files", Keys::All);
        assert!(settle(&deltas, &[cron.clone(), files.clone()]).is_closed());
        assert_eq!(settle(&deltas, std::slice::from_ref(&files)).unclaimed.len(), 1);
        assert_eq!(
            settle(&deltas, &[cron.clone(), files.clone(), Claim::on("s320", "files", Keys::All)]).contested.len(),
            1
        );
        let never = Claim::on("s350", "stack", Keys::All);
        assert_eq!(settle(&deltas, &[cron.clone(), files.clone(), never.clone()]).unobserved.len(), 1);
        assert!(settle(&deltas, &[cron, files, never.perhaps()]).is_closed());
    }
}
