//! In what two states differ, field by field.

use serde::Serialize;
use serde_json::Value;

use super::{Fields, State};

/// One field, or one whole row, that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Delta {
    /// The surface.
    pub surface: String,
    /// The row.
    pub key: String,
    /// The field; empty if the row itself came or went.
    pub field: String,
    /// Value before; `None` = there was no such row or field.
    pub before: Option<Value>,
    /// Value afterwards.
    pub after: Option<Value>,
}

impl std::fmt::Display for Delta {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let show = |value: &Option<Value>| match value {
            None => "nothing".to_owned(),
            Some(value) => value.to_string().chars().take(100).collect(),
        };
        let field = if self.field.is_empty() { String::new() } else { format!(".{}", self.field) };
        write!(f, "{}/{}{field}: {} -> {}", self.surface, self.key, show(&self.before), show(&self.after))
    }
}

/// Every difference from `before` to `after`, in order. A surface that only one of them has differs row by row.
pub fn differences(before: &State, after: &State) -> Vec<Delta> {
    let mut found = Vec::new();
    let mut surfaces: Vec<&String> = before.surfaces.keys().chain(after.surfaces.keys()).collect();
    surfaces.sort();
    surfaces.dedup();
    for surface in surfaces {
        let (old, new) = (before.surfaces.get(surface), after.surfaces.get(surface));
        let mut keys: Vec<&String> = old.into_iter().chain(new).flat_map(|rows| rows.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            rows(surface, key, old.and_then(|rows| rows.get(key)), new.and_then(|rows| rows.get(key)), &mut found);
        }
    }
    found
}

fn rows(surface: &str, key: &str, before: Option<&Fields>, after: Option<&Fields>, found: &mut Vec<Delta>) {
    let whole = |fields: &Fields| serde_json::to_value(fields).unwrap_or(Value::Null);
    let mut note = |field: &str, before, after| {
        found.push(Delta { surface: surface.to_owned(), key: key.to_owned(), field: field.to_owned(), before, after });
    };
    match (before, after) {
        (Some(old), Some(new)) => {
            let mut fields: Vec<&String> = old.keys().chain(new.keys()).collect();
            fields.sort();
            fields.dedup();
            for field in fields {
                if old.get(field) != new.get(field) {
                    note(field, old.get(field).cloned(), new.get(field).cloned());
                }
            }
        }
        (Some(old), None) => note("", Some(whole(old)), None),
        (None, Some(new)) => note("", None, Some(whole(new))),
        (None, None) => {}
    }
}
