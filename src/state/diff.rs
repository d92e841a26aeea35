//! In what two states differ, field by field.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::{Fields, State, Surface, volatile};

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

/// Every difference from `before` to `after` that [counts](super::VOLATILE), in order. A surface that only one of them
/// has differs row by row.
pub fn differences(before: &State, after: &State) -> Vec<Delta> {
    let none = Surface::new();
    let mut found = Vec::new();
    for (surface, (old, new)) in both(&before.surfaces, &after.surfaces) {
        for (key, (old, new)) in both(old.unwrap_or(&none), new.unwrap_or(&none)) {
            rows(surface, key, old, new, &mut found);
        }
    }
    found
}

/// What each of two maps has for the keys of either, in their order.
fn both<'a, V>(
    old: &'a BTreeMap<String, V>,
    new: &'a BTreeMap<String, V>,
) -> impl Iterator<Item = (&'a String, (Option<&'a V>, Option<&'a V>))> {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    std::iter::from_fn(move || {
        let order = match (old.peek(), new.peek()) {
            (Some((left, _)), Some((right, _))) => left.cmp(right),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return None,
        };
        let left = if order.is_le() { old.next() } else { None };
        let right = if order.is_ge() { new.next() } else { None };
        let key = left.or(right)?.0;
        Some((key, (left.map(|(_, value)| value), right.map(|(_, value)| value))))
    })
}

fn rows(surface: &str, key: &str, before: Option<&Fields>, after: Option<&Fields>, found: &mut Vec<Delta>) {
    let whole = |fields: &Fields| serde_json::to_value(fields).unwrap_or(Value::Null);
    let mut note = |field: &str, before, after| {
        found.push(Delta { surface: surface.to_owned(), key: key.to_owned(), field: field.to_owned(), before, after });
    };
    match (before, after) {
        // Nearly every row.
        (Some(old), Some(new)) if old == new => {}
        (Some(old), Some(new)) => {
            let fields: BTreeSet<&str> = old.keys().chain(new.keys()).collect();
            let volatile: Vec<&str> = volatile::of_row(surface, key).collect();
            for field in fields {
                let (old, new) = (old.get(field), new.get(field));
                // One that does not count must still be there.
                let passed_over = volatile.contains(&field) && old.is_some() == new.is_some();
                if old != new && !passed_over {
                    note(field, old.cloned(), new.cloned());
                }
            }
        }
        (Some(old), None) => note("", Some(whole(old)), None),
        (None, Some(new)) => note("", None, Some(whole(new))),
        (None, None) => {}
    }
}
