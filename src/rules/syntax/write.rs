//! Writing a mapping as the client writes it, in either of its two orders of keys.

use std::cmp::Ordering;

use super::{Call, Mapping, Value};
use crate::rules::python::{float_repr, repr};

/// How the entries of selectors are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOrder {
    /// Numbers before texts, numbers by value: what clients under Python 2 wrote.
    Numeric,
    /// By the text of each element: what clients write now.
    Text,
}

/// Returns the text of a mapping: header keys sorted, four blanks a level, one item a line, a comma after each.
///
/// Of duplicate keys the last value is written. `#` comments and odd spacing are not kept, and neither is the source text
/// of a number where Python would print it otherwise.
pub fn write<S: AsRef<str>>(mapping: &Mapping<S>, order: KeyOrder) -> String {
    let mut out = String::from("header = ");
    dict(&mapping.header, 0, &mut out);
    if let Some(comment) = mapping.comment.as_deref().filter(|comment| !comment.is_empty()) {
        out.push_str(&format!("\n\ncomment = \"\"\"{comment}\"\"\""));
    }
    out.push_str("\n\nselector = ");
    match &mapping.selector {
        Value::Call(call) => selector(call, 0, order, &mut out),
        other => dict(other, 0, &mut out),
    }
    out.push('\n');
    out
}

fn indent(level: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("    ", level));
}

/// The entries with the last value of each key, in order of first appearance.
fn last_values<S: AsRef<str>>(items: &[(Value<S>, Value<S>)]) -> Vec<(&Value<S>, &Value<S>)> {
    let mut places = std::collections::HashMap::with_capacity(items.len());
    let mut out: Vec<(&Value<S>, &Value<S>)> = Vec::with_capacity(items.len());
    for (key, value) in items {
        match places.entry(plain(key)) {
            std::collections::hash_map::Entry::Occupied(at) => {
                let at: &usize = at.get();
                out[*at].1 = value;
            }
            std::collections::hash_map::Entry::Vacant(slot) => {
                slot.insert(out.len());
                out.push((key, value));
            }
        }
    }
    out
}

fn dict<S: AsRef<str>>(value: &Value<S>, level: usize, out: &mut String) {
    let Some(items) = value.as_dict() else { return out.push_str(&plain(value)) };
    let mut items = last_values(items);
    items.sort_by_key(|(key, _)| text(key));
    out.push_str("{\n");
    for (key, value) in items {
        indent(level + 1, out);
        out.push_str(&plain(key));
        out.push_str(" : ");
        dict(value, level + 1, out);
        out.push_str(",\n");
    }
    indent(level, out);
    out.push('}');
}

fn selector<S: AsRef<str>>(call: &Call<S>, level: usize, order: KeyOrder, out: &mut String) {
    let mut items = last_values(&call.dict);
    items.sort_by(|a, b| compare(a.0, b.0, order));
    out.push_str(call.name.as_str());
    out.push_str("({\n");
    for (key, value) in items {
        indent(level + 1, out);
        out.push_str(&plain(key));
        out.push_str(" : ");
        match value {
            Value::Call(call) => selector(call, level + 1, order, out),
            other => out.push_str(&plain(other)),
        }
        out.push_str(",\n");
    }
    indent(level, out);
    out.push_str("})");
}

fn compare<S: AsRef<str>>(a: &Value<S>, b: &Value<S>, order: KeyOrder) -> Ordering {
    let fields = |value: &Value<S>| match value {
        Value::Tuple(items) => items.iter().map(text).collect(),
        single => vec![text(single)],
    };
    if order == KeyOrder::Text {
        return fields(a).cmp(&fields(b));
    }
    match (a, b) {
        (Value::Tuple(a), Value::Tuple(b)) => {
            let unequal = a.iter().zip(b).map(|(a, b)| compare(a, b, order)).find(|order| order.is_ne());
            unequal.unwrap_or(a.len().cmp(&b.len()))
        }
        // A plain text comes before any tuple.
        (Value::Tuple(_), _) => Ordering::Greater,
        (_, Value::Tuple(_)) => Ordering::Less,
        _ => match (number(a), number(b)) {
            (Some(a), Some(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => text(a).cmp(&text(b)),
        },
    }
}

fn number<S: AsRef<str>>(value: &Value<S>) -> Option<f64> {
    match value {
        Value::Int(text) | Value::Float(text) => text.as_ref().parse().ok(),
        Value::Bool(b) => Some(f64::from(u8::from(*b))),
        _ => None,
    }
}

/// `str(value)`
fn text<S: AsRef<str>>(value: &Value<S>) -> String {
    value.as_str().map_or_else(|| plain(value), str::to_owned)
}

/// `repr(value)`, on one line.
fn plain<S: AsRef<str>>(value: &Value<S>) -> String {
    let joined = |items: &[Value<S>]| items.iter().map(plain).collect::<Vec<_>>().join(", ");
    match value {
        Value::None => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(text) => text.as_ref().to_owned(),
        Value::Float(text) => float_repr(text.as_ref().parse().unwrap_or(f64::NAN)),
        Value::Str(text) => repr(text.as_ref()),
        Value::Tuple(items) if items.len() == 1 => format!("({},)", joined(items)),
        Value::Tuple(items) => format!("({})", joined(items)),
        Value::List(items) => format!("[{}]", joined(items)),
        Value::Dict(items) => {
            let items = items.iter().map(|(key, value)| format!("{}: {}", plain(key), plain(value)));
            format!("{{{}}}", items.collect::<Vec<_>>().join(", "))
        }
        Value::Call(call) => {
            let items = call.dict.iter().map(|(key, value)| format!("{}: {}", plain(key), plain(value)));
            format!("{}({{{}}})", call.name.as_str(), items.collect::<Vec<_>>().join(", "))
        }
    }
}
