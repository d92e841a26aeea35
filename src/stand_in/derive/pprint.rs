//! Python's `pprint` of flat dictionaries, as refusals of insertions print their headers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::value::{repr, repr_texts};

const WIDTH: usize = 80;

fn length(text: &str) -> usize {
    text.chars().count()
}

/// A dictionary of texts.
pub(crate) fn texts(dict: &BTreeMap<String, String>) -> String {
    dictionary(dict, |value| repr(value), |value, indent, allowance| broken(value, indent, allowance))
}

/// A dictionary of tuples of texts.
pub(crate) fn tuples(dict: &BTreeMap<String, Vec<String>>) -> String {
    dictionary(
        dict,
        |value| repr_texts(value),
        |value, indent, allowance| {
            let close = if value.len() == 1 { ",)" } else { ")" };
            let mut out = "(".to_owned();
            for (n, item) in value.iter().enumerate() {
                if n > 0 {
                    let _ = write!(out, ",\n{}", " ".repeat(indent + 1));
                }
                let room = if n + 1 == value.len() { allowance + close.len() } else { 1 };
                let whole = repr(item);
                let fits = length(&whole) + indent + room < WIDTH;
                out.push_str(&if fits { whole } else { broken(item, indent + 1, room) });
            }
            out + close
        },
    )
}

fn dictionary<V>(
    dict: &BTreeMap<String, V>,
    whole: impl Fn(&V) -> String,
    parted: impl Fn(&V, usize, usize) -> String,
) -> String {
    let one: Vec<String> = dict.iter().map(|(key, value)| format!("{}: {}", repr(key), whole(value))).collect();
    let line = format!("{{{}}}", one.join(", "));
    if length(&line) <= WIDTH {
        return line;
    }
    let mut out = "{".to_owned();
    for (n, (key, value)) in dict.iter().enumerate() {
        if n > 0 {
            out.push_str(",\n ");
        }
        let key = repr(key);
        let indent = 1 + length(&key) + 2;
        let shown = whole(value);
        let fits = length(&shown) + indent < WIDTH;
        let _ = write!(out, "{key}: {}", if fits { shown } else { parted(value, indent, 1) });
    }
    out + "}"
}

/// A text over several lines: broken after blanks where it does not fit.
fn broken(text: &str, indent: usize, allowance: usize) -> String {
    let mut chunks: Vec<String> = Vec::new();
    let room = WIDTH.saturating_sub(indent);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for (i, line) in lines.iter().enumerate() {
        let last_line = i + 1 == lines.len();
        let left = if last_line { room.saturating_sub(allowance) } else { room };
        if length(&repr(line)) <= left {
            chunks.push(repr(line));
            continue;
        }
        let parts = words(line);
        let mut current = String::new();
        for (j, part) in parts.iter().enumerate() {
            let candidate = format!("{current}{part}");
            let left = if last_line && j + 1 == parts.len() { room.saturating_sub(allowance) } else { room };
            if length(&repr(&candidate)) <= left {
                current = candidate;
                continue;
            }
            if !current.is_empty() {
                chunks.push(repr(&current));
            }
            current = part.clone();
        }
        if !current.is_empty() {
            chunks.push(repr(&current));
        }
    }
    chunks.join(&format!("\n{}", " ".repeat(indent)))
}

/// Words, each with the blanks after it.
fn words(line: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut blank = true;
    for ch in line.chars() {
        if blank && !ch.is_whitespace() || out.is_empty() {
            out.push(String::new());
        }
        blank = ch.is_whitespace();
        if let Some(word) = out.last_mut() {
            word.push(ch);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_broken_after_blanks() {
        let dict = BTreeMap::from([("A".to_owned(), "x ".repeat(45)), ("BB".to_owned(), "short".to_owned())]);
        let wanted = format!("{{'A': '{}'\n      '{}',\n 'BB': 'short'}}", "x ".repeat(36), "x ".repeat(9));
        assert_eq!(texts(&dict), wanted);
        assert_eq!(texts(&BTreeMap::new()), "{}");
    }
}
