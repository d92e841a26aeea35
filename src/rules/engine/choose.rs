//! Choosing: from the header at hand down the selectors to an answer (RS 9).

use std::sync::Arc;

use super::super::compile::version_key;
use super::super::dates::{self, DateText};
use super::super::rare::{self, Pick};
use super::super::rmap::Rmap;
use super::super::tree::{Entry, MatchNode, Node, NodeId, Terminal, Tree};
use super::plan::Kid;
use super::state::State;
use super::verdict::{MatchCache, Merged};
use crate::rules::condition::or_split;
use crate::rules::python::{repr, strip};
use crate::rules::syntax::Selector;

/// Why a lookup failed; the text is made when it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Why {
    /// `No match found.`
    NoMatch,
    /// `No selection <= '<date>'`
    NoSelection(DateText),
    /// Any other text.
    Text(Arc<str>),
}

impl Why {
    /// A text of its own.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoMatch => f.write_str("No match found."),
            Self::NoSelection(date) => write!(f, "No selection <= {}", repr(date.as_str())),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// How a selector failed.
#[derive(Debug, Clone, PartialEq)]
pub enum Fail {
    /// Nothing there: the selector above tries its next group.
    Lookup(Why),
    /// Anything else ends the lookup.
    Final(Why),
}

impl Fail {
    /// The reason.
    pub fn why(&self) -> &Why {
        match self {
            Self::Lookup(why) | Self::Final(why) => why,
        }
    }
}

fn fail<T>(text: impl Into<Arc<str>>) -> Result<T, Fail> {
    Err(Fail::Final(Why::text(text)))
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// One terminal (or, as a member of a tuple, a selector).
    One(NodeId),
    /// Several values at once: a tie that cannot be merged, or a bracket.
    Several(Vec<NodeId>),
}

/// The working memory of one rmap.
#[derive(Debug)]
pub struct Runtime {
    /// The rules.
    pub rmap: Arc<Rmap>,
    /// The keyword behind each of the tree's parkeys.
    pub params: Vec<Kid>,
    /// One per `Match` node.
    pub caches: Vec<MatchCache>,
}

impl Runtime {
    /// Chooses from the root.
    pub fn choose(&mut self, state: &mut State) -> Result<Found, Fail> {
        let Self { rmap, params, caches } = self;
        Chooser { params, caches }.node(state, rmap, rmap.root)
    }
}

/// One of the date tables that a lookup searches in turn.
#[derive(Debug, Clone)]
pub enum TableRef {
    /// As it stands in the rules.
    Node(NodeId),
    /// Merged from several.
    Merged(Arc<Merged>),
}

impl TableRef {
    /// What tells it from all others of its rmap.
    pub fn identity(&self) -> usize {
        match self {
            Self::Node(id) => id.0 as usize,
            Self::Merged(merged) => Arc::as_ptr(merged) as usize,
        }
    }

    /// The keywords (indexes among the tree's parkeys) and entries.
    pub fn parts<'t>(&'t self, tree: &'t Tree) -> (&'t [usize], &'t [Entry]) {
        match self {
            Self::Merged(merged) => (&merged.params, &merged.entries),
            Self::Node(id) => match tree.node(*id) {
                Node::Table(table) => (&table.params, &table.entries),
                _ => (&[], &[]),
            },
        }
    }
}

/// What a lookup finds whatever the date: tables to search in turn, and what it comes to when none has an entry.
#[derive(Debug)]
pub struct Chain {
    /// The first one with an entry up to the date decides.
    pub tables: Vec<TableRef>,
    /// Otherwise.
    pub end: ChainEnd,
}

/// What a lookup comes to beyond its date tables.
#[derive(Debug)]
pub enum ChainEnd {
    /// That.
    Found(Found),
    /// A failure.
    Fail(Fail),
    /// A lone table has no entry: a failure that names the date.
    NoSelection,
}

impl Runtime {
    /// Follows the rules as far as they do not ask for the date. Only for rules that [`super::memo::is_plain`] takes.
    pub fn chain(&mut self, state: &mut State) -> Chain {
        let Self { rmap, params, caches } = self;
        let node = match rmap.tree.node(rmap.root) {
            Node::Match(node) => node,
            _ => return Chain { tables: vec![TableRef::Node(rmap.root)], end: ChainEnd::NoSelection },
        };
        let mut chooser = Chooser { params, caches };
        let mut survivors = std::mem::take(&mut state.scratch);
        survivors.clear();
        let mut tables = Vec::new();
        let mut end = ChainEnd::Fail(Fail::Lookup(Why::NoMatch));
        match chooser.survivors(state, rmap, node, MatchCache::words(node), &mut survivors) {
            Err(fail) => end = ChainEnd::Fail(fail),
            Ok(()) => {
                while let Some(best) = survivors.iter().map(|(weight, _)| *weight).max() {
                    match chooser.group(rmap, node, &survivors, best) {
                        Err(fail) => {
                            end = ChainEnd::Fail(fail);
                            break;
                        }
                        Ok(Group::One(id)) => match rmap.tree.node(id) {
                            Node::Table(_) => tables.push(TableRef::Node(id)),
                            _ => {
                                end = ChainEnd::Found(Found::One(id));
                                break;
                            }
                        },
                        Ok(Group::Several(ids)) => {
                            end = ChainEnd::Found(Found::Several(ids));
                            break;
                        }
                        Ok(Group::Merged(merged)) => tables.push(TableRef::Merged(merged)),
                    }
                    survivors.retain(|(weight, _)| *weight != best);
                }
            }
        }
        state.scratch = survivors;
        Chain { tables, end }
    }
}

/// What the cases of the same weight lead to together.
enum Group {
    One(NodeId),
    Several(Vec<NodeId>),
    Merged(Arc<Merged>),
}

/// The parts of a [`Runtime`] that choosing needs beside the rules.
struct Chooser<'r> {
    params: &'r [Kid],
    caches: &'r mut [MatchCache],
}

impl Chooser<'_> {
    fn node(&mut self, state: &mut State, rmap: &Rmap, id: NodeId) -> Result<Found, Fail> {
        match rmap.tree.node(id) {
            Node::Terminal(_) => Ok(Found::One(id)),
            Node::Match(node) => self.matching(state, rmap, node),
            Node::Table(node) => self.table(state, rmap, node.kind, &node.params, &node.entries),
            Node::Rare(node) => {
                let param = node.params.first().copied().unwrap_or(0);
                let Some(kid) = self.params.get(param) else { return fail("tuple index out of range") };
                let name = &rmap.tree.params[param];
                match rare::pick(node, name, state.text(*kid)) {
                    Err(why) => fail(why),
                    Ok(Pick::One(choice)) => self.below(state, rmap, choice),
                    Ok(Pick::Two(one, two)) => {
                        let mut both = Vec::with_capacity(2);
                        for choice in [one, two] {
                            match self.below(state, rmap, choice)? {
                                Found::One(id) => both.push(id),
                                Found::Several(ids) => both.extend(ids),
                            }
                        }
                        Ok(Found::Several(both))
                    }
                }
            }
        }
    }

    /// Descends from a selector that has only one thing to offer: a failed lookup below is its own.
    fn below(&mut self, state: &mut State, rmap: &Rmap, choice: NodeId) -> Result<Found, Fail> {
        match self.node(state, rmap, choice) {
            Err(Fail::Lookup(why)) => {
                Err(Fail::Lookup(Why::text(format!("All lookup attempts failed. last exception: {why}"))))
            }
            other => other,
        }
    }

    fn table(
        &mut self,
        state: &mut State,
        rmap: &Rmap,
        kind: Selector,
        params: &[usize],
        entries: &[Entry],
    ) -> Result<Found, Fail> {
        let tree = &rmap.tree;
        let choice = match kind {
            Selector::VersionAfter => version_after(state, tree, self.params, params, entries)?,
            Selector::ClosestTime => closest_time(state, tree, self.params, params, entries)?,
            _ => {
                let kids: [Kid; 4];
                let many: Vec<Kid>;
                // Two parkeys is the rule; more than four would be a surprise.
                let kids: &[Kid] = if params.len() <= 4 {
                    kids = std::array::from_fn(|at| params.get(at).map_or(Kid(0), |param| self.params[*param]));
                    &kids[..params.len()]
                } else {
                    many = params.iter().map(|param| self.params[*param]).collect();
                    &many
                };
                let date = state.date(kids, &|at| tree.params[params[at]].clone())?;
                let text = date.text.as_str();
                let before = entries.partition_point(|entry| (entry.prefix, tree.key(entry)) <= (date.prefix, text));
                match before.checked_sub(1) {
                    None => return Err(Fail::Lookup(Why::NoSelection(date.text))),
                    Some(at) => entries[at].choice,
                }
            }
        };
        match tree.node(choice) {
            Node::Terminal(_) => Ok(Found::One(choice)),
            _ => self.below(state, rmap, choice),
        }
    }

    fn matching(&mut self, state: &mut State, rmap: &Rmap, node: &MatchNode) -> Result<Found, Fail> {
        let words = MatchCache::words(node);
        let mut survivors = std::mem::take(&mut state.scratch);
        survivors.clear();
        let judged = self.survivors(state, rmap, node, words, &mut survivors);
        let found = judged.and_then(|()| self.ranked(state, rmap, node, &mut survivors));
        state.scratch = survivors;
        found
    }

    /// Checks the values, then collects (weight, case) of the cases that survive all of them.
    fn survivors(
        &mut self,
        state: &mut State,
        rmap: &Rmap,
        node: &MatchNode,
        words: usize,
        out: &mut Vec<(u32, u32)>,
    ) -> Result<(), Fail> {
        let cache = &mut self.caches[node.cache];
        let mut verdicts = [0_usize; 24];
        let many: Vec<usize>;
        let count = node.params.len();
        let verdicts: &[usize] = if count <= verdicts.len() {
            for (at, param) in node.params.iter().enumerate() {
                let kid = self.params[param.param];
                let name = &rmap.tree.params[param.param];
                verdicts[at] = cache.verdict(node, name, at, state.number(kid), state.text(kid));
                if let Some(why) = cache.invalid(verdicts[at]) {
                    return Err(Fail::Final(Why::Text(Arc::clone(why))));
                }
            }
            &verdicts[..count]
        } else {
            let mut all = Vec::with_capacity(count);
            for (at, param) in node.params.iter().enumerate() {
                let kid = self.params[param.param];
                let name = &rmap.tree.params[param.param];
                all.push(cache.verdict(node, name, at, state.number(kid), state.text(kid)));
                if let Some(why) = cache.invalid(all[at]) {
                    return Err(Fail::Final(Why::Text(Arc::clone(why))));
                }
            }
            many = all;
            &many
        };
        let total = node.choices.len();
        let mut lefts = std::mem::take(&mut state.words);
        lefts.clear();
        lefts.resize(words, u64::MAX);
        if let Some(last) = lefts.last_mut().filter(|_| !total.is_multiple_of(64)) {
            *last = (1 << (total % 64)) - 1;
        }
        for verdict in verdicts {
            for (left, own) in lefts.iter_mut().zip(cache.survivors(*verdict, words)) {
                *left &= own;
            }
        }
        for (word, left) in lefts.iter().enumerate() {
            let mut left = *left;
            while left != 0 {
                let case = word * 64 + left.trailing_zeros() as usize;
                left &= left - 1;
                let weight = verdicts.iter().map(|verdict| cache.gains(*verdict, words, case)).sum();
                out.push((weight, case as u32));
            }
        }
        state.words = lefts;
        Ok(())
    }

    /// Tries the groups of equal weight, best first (RS 9.5).
    fn ranked(
        &mut self,
        state: &mut State,
        rmap: &Rmap,
        node: &MatchNode,
        survivors: &mut Vec<(u32, u32)>,
    ) -> Result<Found, Fail> {
        while let Some(best) = survivors.iter().map(|(weight, _)| *weight).max() {
            let found = match self.group(rmap, node, survivors, best)? {
                // The scratch space is in use here; a nested match takes a fresh one.
                Group::One(choice) => self.node(state, rmap, choice),
                Group::Several(ids) => return Ok(Found::Several(ids)),
                Group::Merged(merged) => self.table(state, rmap, merged.kind, &merged.params, &merged.entries),
            };
            match found {
                Err(Fail::Lookup(_)) => survivors.retain(|(weight, _)| *weight != best),
                other => return other,
            }
        }
        Err(Fail::Lookup(Why::NoMatch))
    }

    /// What the surviving cases of one weight lead to.
    fn group(&mut self, rmap: &Rmap, node: &MatchNode, survivors: &[(u32, u32)], weight: u32) -> Result<Group, Fail> {
        let cases = || survivors.iter().filter(|(own, _)| *own == weight).map(|(_, case)| *case);
        let mut first = cases();
        let Some(choice) = first.next().map(|case| node.choices[case as usize]) else {
            return Err(Fail::Lookup(Why::NoMatch));
        };
        if first.next().is_none() {
            return Ok(Group::One(choice));
        }
        if !rmap.merge_overlaps {
            return fail("More than one match clause matched.");
        }
        let choices = || cases().map(|case| node.choices[case as usize]).collect::<Vec<NodeId>>();
        if let Node::Terminal(_) = rmap.tree.node(choice) {
            return Ok(Group::Several(choices()));
        }
        let together: Vec<u32> = cases().collect();
        let cache = &mut self.caches[node.cache];
        let merged = match cache.merged.get(together.as_slice()) {
            Some(merged) => merged.clone(),
            None => {
                let merged = merge(&rmap.tree, &choices()).map(Arc::new);
                cache.merged.insert(together.into_boxed_slice(), merged.clone());
                merged
            }
        };
        merged.map(Group::Merged)
    }
}

/// Folds tables into one; at equal keys the larger value stays (RS 9.5).
fn merge(tree: &Tree, choices: &[NodeId]) -> Result<Merged, Fail> {
    let Node::Table(first) = tree.node(choices[0]) else {
        let name = match tree.node(choices[0]) {
            Node::Rare(node) => node.kind.as_str(),
            _ => "Match",
        };
        return fail(format!("More than one match was found at the same weight and {name} does not support merging."));
    };
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
    Ok(Merged { kind: first.kind, params: first.params.clone(), entries })
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

fn version_after(
    state: &State,
    tree: &Tree,
    kids: &[Kid],
    params: &[usize],
    entries: &[Entry],
) -> Result<NodeId, Fail> {
    let joined: Vec<&str> = params.iter().map(|param| state.text(kids[*param])).collect();
    let joined = joined.join(".");
    let version = or_split(&joined).join("|");
    let Some(key) = version_key(&version) else { return fail(format!("Invalid version string {}", repr(&version))) };
    debug_assert!(entries.is_empty() || !tree.nodes.is_empty());
    match entries.partition_point(|entry| entry.prefix <= key).checked_sub(1) {
        Some(at) => Ok(entries[at].choice),
        None => Err(Fail::Lookup(Why::text(format!("No selection <= ({}, {}, {})", key[0], key[1], key[2])))),
    }
}

fn closest_time(
    state: &mut State,
    tree: &Tree,
    kids: &[Kid],
    params: &[usize],
    entries: &[Entry],
) -> Result<NodeId, Fail> {
    let kids: Vec<Kid> = params.iter().map(|param| kids[*param]).collect();
    let date = state.date(&kids, &|at| tree.params[params[at]].clone()).map_err(|fail| match fail {
        // The selector names itself in its messages.
        Fail::Final(Why::Text(text)) => {
            Fail::Final(Why::text(text.replacen("UseAfter Invalid", "ClosestTime Invalid", 1)))
        }
        other => other,
    })?;
    let wanted = dates::seconds(date.text.as_str());
    let mut best: Option<(f32, NodeId)> = None;
    for entry in entries {
        let key = match dates::reformat(strip(tree.key(entry))) {
            Ok(key) => dates::seconds(key.as_str()),
            Err(why) => return fail(why),
        };
        // The client compares in single precision, and the first of equals wins.
        let distance = (wanted - key).abs() as f32;
        if best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, entry.choice));
        }
    }
    match best {
        Some((_, choice)) => Ok(choice),
        None => fail("attempt to get argmin of an empty sequence"),
    }
}
