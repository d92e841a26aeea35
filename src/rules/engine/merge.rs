//! Tables of several cases in one (RS 9.5).

use super::super::tree::{Entry, Node, NodeId, TableNode, Terminal, Tree};
use super::choose::{Fail, fail};
use crate::rules::syntax::Selector;

/// The table that others are merged into.
pub(super) fn merging(tree: &Tree, choice: NodeId) -> Result<&TableNode, Fail> {
    let name = match tree.node(choice) {
        Node::Table(table) => return Ok(table),
        Node::Rare(node) => node.kind.as_str(),
        _ => "Match",
    };
    fail(format!("More than one match was found at the same weight and {name} does not support merging."))
}

/// Folds tables into one and gives its entries; at equal keys the larger value stays (RS 9.5).
pub(super) fn merge(tree: &Tree, choices: &[NodeId]) -> Result<Vec<Entry>, Fail> {
    let first = merging(tree, choices[0])?;
    let mut entries = first.entries.clone();
    for choice in &choices[1..] {
        let other = match tree.node(*choice) {
            Node::Table(other) if other.kind == first.kind => other,
            Node::Terminal(terminal) => {
                let kind = match terminal {
                    Terminal::Many(_) => "tuple",
                    _ => "str",
                };
                return fail(format!("'{kind}' object has no attribute '_selections'"));
            }
            _ => return fail("'<' not supported between instances of 'str' and 'tuple'"),
        };
        let mut merged = Vec::with_capacity(entries.len() + other.entries.len());
        let (mut own, mut others) = (entries.into_iter().peekable(), other.entries.iter().peekable());
        while let (Some(a), Some(b)) = (own.peek(), others.peek()) {
            let order =
                if first.kind == Selector::VersionAfter { a.prefix.cmp(&b.prefix) } else { tree.key_order(a, b) };
            match order {
                std::cmp::Ordering::Less => merged.extend(own.next()),
                std::cmp::Ordering::Greater => merged.extend(others.next().cloned()),
                std::cmp::Ordering::Equal => {
                    let keep_own = larger(tree, a.choice, b.choice)?;
                    let (a, b) = (own.next(), others.next().cloned());
                    merged.extend(if keep_own { a } else { b });
                }
            }
        }
        merged.extend(own);
        merged.extend(others.cloned());
        entries = merged;
    }
    Ok(entries)
}

/// Whether `own >= other` as Python compares the two values.
fn larger(tree: &Tree, own: NodeId, other: NodeId) -> Result<bool, Fail> {
    fn kind(node: &Node) -> String {
        match node {
            Node::Terminal(Terminal::Many(_)) => "tuple".to_owned(),
            Node::Terminal(_) => "str".to_owned(),
            Node::Match(_) => "MatchSelector".to_owned(),
            Node::Table(node) => format!("{}Selector", node.kind.as_str()),
            Node::Rare(node) => format!("{}Selector", node.kind.as_str()),
        }
    }
    match (tree.node(own), tree.node(other)) {
        (Node::Terminal(Terminal::Many(a)), Node::Terminal(Terminal::Many(b))) => Ok(a >= b),
        (Node::Terminal(a), Node::Terminal(b)) if a.text().is_some() && b.text().is_some() => Ok(a.text() >= b.text()),
        (a, b) => fail(format!("'>=' not supported between instances of '{}' and '{}'", kind(a), kind(b))),
    }
}
