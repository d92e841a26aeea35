//! The selectors that no HST, JWST or Roman rule uses: `SelectVersion`, `GeometricallyNearest`, `Bracket` (RS 9.7).

use std::cmp::Ordering;

use super::python::{parse_float, repr, strip};
use super::syntax::Selector;
use super::tree::{NodeId, RareNode};

/// What such a selector picks: one entry, or two for `Bracket`.
pub(super) enum Pick {
    One(NodeId),
    Two(NodeId, NodeId),
}

/// Puts the entries into the client's order.
pub(super) fn sort(kind: Selector, entries: &mut [(String, NodeId)]) -> Result<(), String> {
    if kind == Selector::SelectVersion {
        for (key, _) in entries.iter() {
            relation(key)?;
        }
        entries.sort_by(|a, b| match (relation(&a.0), relation(&b.0)) {
            (Ok(a), Ok(b)) => order(a, b),
            _ => Ordering::Equal,
        });
    } else if kind == Selector::Bracket {
        for (key, _) in entries.iter() {
            parse_float(key).ok_or_else(|| format!("Bracket key {} is not a number", repr(key)))?;
        }
        let number = |key: &str| parse_float(key).unwrap_or(f64::NAN);
        entries.sort_by(|a, b| number(&a.0).partial_cmp(&number(&b.0)).unwrap_or(Ordering::Equal));
    } else {
        entries.sort_by(|a, b| a.0.cmp(&b.0));
    }
    Ok(())
}

/// A version relation: the version and its sign (`<` sorts before `=`).
type Relation = (f64, u8);

fn relation(key: &str) -> Result<Relation, String> {
    if strip(&key.replace('=', "")) == "default" {
        return Ok((f64::INFINITY, b'='));
    }
    let (sign, version) = match key.as_bytes().first() {
        // `<=` sorts after `<` and is none of the documented relations; it counts as `<` with a larger sign.
        Some(b'<') if key.starts_with("<=") => (b'<' + 1, &key[2..]),
        Some(b'<') => (b'<', &key[1..]),
        Some(b'=') => (b'=', key.trim_start_matches('=')),
        _ => (b'=', key),
    };
    let number = parse_float(version).ok_or_else(|| format!("Invalid version expression in: {}", repr(key)))?;
    Ok((number, sign))
}

fn order(a: Relation, b: Relation) -> Ordering {
    a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal).then(a.1.cmp(&b.1))
}

/// Picks for a dataset's value of the selector's one parkey, called `name`.
///
/// # Errors
///
/// The client's text.
pub(super) fn pick(node: &RareNode, name: &str, value: &str) -> Result<Pick, String> {
    let kind = node.kind.as_str();
    let number = parse_float(value)
        .ok_or_else(|| format!("{kind} Invalid number for {} value = {}", repr(name), repr(value)))?;
    let empty = || "list index out of range".to_owned();
    match node.kind {
        Selector::SelectVersion => {
            let wanted = (number, b'=');
            let hit = node
                .entries
                .iter()
                .find(|(key, _)| relation(key).is_ok_and(|key| order(key, wanted) != Ordering::Less));
            hit.map(|(_, choice)| Pick::One(*choice)).ok_or_else(empty)
        }
        Selector::GeometricallyNearest => {
            // The client computes in single precision.
            let far = |key: &str| (parse_float(key).unwrap_or(f64::NAN) as f32 - number as f32).abs();
            let mut best: Option<(f32, NodeId)> = None;
            for (key, choice) in &node.entries {
                let distance = far(key);
                if best.is_none_or(|(least, _)| distance < least) {
                    best = Some((distance, *choice));
                }
            }
            let none = || "attempt to get argmin of an empty sequence".to_owned();
            best.map(|(_, choice)| Pick::One(choice)).ok_or_else(none)
        }
        _ => {
            let key = |at: usize| parse_float(&node.entries[at].0).unwrap_or(f64::NAN);
            let above = (0..node.entries.len()).find(|at| number <= key(*at) || number.is_nan());
            let choice = |at: usize| node.entries.get(at).map(|(_, choice)| *choice).ok_or_else(empty);
            match above {
                None => {
                    let last = choice(node.entries.len().wrapping_sub(1))?;
                    Ok(Pick::Two(last, last))
                }
                Some(at) if at == 0 || key(at) == number => Ok(Pick::Two(choice(at)?, choice(at)?)),
                Some(at) => Ok(Pick::Two(choice(at - 1)?, choice(at)?)),
            }
        }
    }
}
