//! Choosing: from the header at hand down the selectors to an answer (RS 9).

use std::sync::Arc;

use super::super::compile::version_key;
use super::super::dates::{self, DateText};
use super::super::rare::{self, Pick};
use super::super::rmap::Rmap;
use super::super::tree::{Entry, MatchNode, Node, NodeId, Tree};
use super::plan::Kid;
use super::state::{Date, State};
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

pub(super) fn fail<T>(text: impl Into<Arc<str>>) -> Result<T, Fail> {
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
    /// Of flat rules (at most one `Match`, below it terminals and date tables of terminals) the keywords of the dates.
    pub flat: Option<Vec<Kid>>,
    /// Whether tables of cases that tie are merged.
    pub merges: bool,
}

impl Runtime {
    /// No memory yet.
    pub fn new(rmap: Arc<Rmap>, params: Vec<Kid>, older_library: bool) -> Self {
        let caches = (0..rmap.tree.matches).map(|_| MatchCache::default()).collect();
        let flat = date_params(&rmap).map(|dated| dated.iter().map(|at| params[*at]).collect());
        let merges = rmap.merges(older_library);
        Self { rmap, params, caches, flat, merges }
    }

    /// Chooses from the root.
    pub fn choose(&mut self, state: &mut State) -> Result<Found, Fail> {
        let flat = self.flat.is_some() && matches!(self.rmap.tree.node(self.rmap.root), Node::Match(_));
        if !flat {
            let Self { rmap, params, caches, merges, .. } = self;
            return Chooser { params, caches, merges: *merges, sure: false }.node(state, rmap, rmap.root);
        }
        let chain = self.chain(state);
        let tree = &self.rmap.tree;
        if let Some(first) = chain.tables.first() {
            let params = first.parts(tree).0;
            let date = state.date(&chain.kids, &|at| tree.params[params[at]].clone())?;
            for table in &chain.tables {
                if let Some(choice) = latest(tree, table.parts(tree).1, &date) {
                    return Ok(Found::One(choice));
                }
            }
        }
        match &chain.end {
            ChainEnd::Found(found) => Ok(found.clone()),
            ChainEnd::Fail(fail) => Err(fail.clone()),
            // Only a table at the root comes to this.
            ChainEnd::NoSelection => Err(Fail::Lookup(Why::NoMatch)),
        }
    }
}

/// The parkeys of the date tables of flat rules, as indexes among the tree's; nothing where the rules are not flat.
fn date_params(rmap: &Rmap) -> Option<&[usize]> {
    let tree = &rmap.tree;
    let root_fits = match tree.node(rmap.root) {
        Node::Match(_) => tree.matches == 1,
        Node::Table(_) => tree.matches == 0,
        _ => false,
    };
    let mut dated: Option<&[usize]> = None;
    for node in &tree.nodes {
        match node {
            Node::Terminal(_) | Node::Match(_) => {}
            Node::Table(table) => {
                let own = table.params.as_slice();
                let terminals = |entry: &Entry| matches!(tree.node(entry.choice), Node::Terminal(_));
                let fits = table.kind == Selector::UseAfter && table.entries.iter().all(terminals);
                if !fits || *dated.get_or_insert(own) != own {
                    return None;
                }
            }
            Node::Rare(_) => return None,
        }
    }
    root_fits.then_some(dated.unwrap_or_default())
}

/// What the last entry up to a date leads to.
fn latest(tree: &Tree, entries: &[Entry], date: &Date) -> Option<NodeId> {
    let text = date.text.as_bytes();
    let before = entries.partition_point(|entry| (entry.prefix, tree.key(entry).as_bytes()) <= (date.prefix, text));
    before.checked_sub(1).map(|at| entries[at].choice)
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
            Self::Merged(merged) => (&merged.params, merged.entries(tree)),
            Self::Node(id) => match tree.node(*id) {
                Node::Table(table) => (&table.params, &table.entries),
                _ => (&[], &[]),
            },
        }
    }
}

impl TableRef {
    /// The first entry.
    pub fn first<'t>(&'t self, tree: &'t Tree) -> Option<&'t Entry> {
        match self {
            Self::Merged(merged) => merged.first(tree),
            Self::Node(_) => self.parts(tree).1.first(),
        }
    }
}

/// What a lookup finds whatever the date: tables to search in turn, and what it comes to when none has an entry.
#[derive(Debug)]
pub struct Chain {
    /// The first one with an entry up to the date decides.
    pub tables: Vec<TableRef>,
    /// The keywords of the date.
    pub kids: Vec<Kid>,
    /// Otherwise.
    pub end: ChainEnd,
    /// Tells its tables from those of other chains of the same rmap.
    pub number: usize,
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

impl Chain {
    fn without_tables(end: ChainEnd) -> Self {
        Self { tables: Vec::new(), kids: Vec::new(), end, number: 0 }
    }
}

impl Runtime {
    /// Follows flat rules as far as they do not ask for the date.
    pub fn chain(&mut self, state: &mut State) -> Arc<Chain> {
        let Self { rmap, params, caches, flat, merges } = self;
        let kids = || flat.clone().unwrap_or_default();
        let node = match rmap.tree.node(rmap.root) {
            Node::Match(node) => node,
            _ => {
                let tables = vec![TableRef::Node(rmap.root)];
                return Arc::new(Chain { tables, kids: kids(), end: ChainEnd::NoSelection, number: 1 });
            }
        };
        // Tables of flat rules have names only; if ordinary ones, they merge.
        let mut chooser = Chooser { params, caches, merges: *merges, sure: rmap.is_tame() };
        let mut verdicts = std::mem::take(&mut state.verdicts);
        let chain = match chooser.verdicts(state, rmap, node, &mut verdicts) {
            Err(fail) => Arc::new(Chain::without_tables(ChainEnd::Fail(fail))),
            Ok(()) => match chooser.caches[node.cache].chains.get(verdicts.as_slice()) {
                Some(chain) => Arc::clone(chain),
                None => {
                    let chain = Arc::new(chooser.new_chain(state, rmap, node, &verdicts, kids()));
                    let known = &mut chooser.caches[node.cache].chains;
                    known.insert(verdicts.as_slice().into(), Arc::clone(&chain));
                    chain
                }
            },
        };
        state.verdicts = verdicts;
        chain
    }
}

impl Chooser<'_> {
    #[cold]
    fn new_chain(
        &mut self,
        state: &mut State,
        rmap: &Rmap,
        node: &MatchNode,
        verdicts: &[u32],
        kids: Vec<Kid>,
    ) -> Chain {
        let mut survivors = std::mem::take(&mut state.scratch);
        self.survivors(state, node, verdicts, &mut survivors);
        let mut chain = Chain { kids, ..Chain::without_tables(ChainEnd::Fail(Fail::Lookup(Why::NoMatch))) };
        for cases in survivors.chunk_by(|one, other| one.0 == other.0) {
            match self.group(rmap, node, cases) {
                Err(fail) => {
                    chain.end = ChainEnd::Fail(fail);
                    break;
                }
                Ok(Group::One(id)) => match rmap.tree.node(id) {
                    Node::Table(_) => chain.tables.push(TableRef::Node(id)),
                    _ => {
                        chain.end = ChainEnd::Found(Found::One(id));
                        break;
                    }
                },
                Ok(Group::Several(ids)) => {
                    chain.end = ChainEnd::Found(Found::Several(ids));
                    break;
                }
                Ok(Group::Merged(merged)) => chain.tables.push(TableRef::Merged(merged)),
            }
        }
        state.scratch = survivors;
        let identity: Box<[usize]> = chain.tables.iter().map(TableRef::identity).collect();
        let numbers = &mut self.caches[node.cache].chain_numbers;
        let next = numbers.len();
        chain.number = *numbers.entry(identity).or_insert(next);
        chain
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
    /// Whether tables of cases that tie are merged.
    merges: bool,
    /// Whether merging tables cannot fail.
    sure: bool,
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
                latest(tree, entries, &date).ok_or(Fail::Lookup(Why::NoSelection(date.text)))?
            }
        };
        match tree.node(choice) {
            Node::Terminal(_) => Ok(Found::One(choice)),
            _ => self.below(state, rmap, choice),
        }
    }

    fn matching(&mut self, state: &mut State, rmap: &Rmap, node: &MatchNode) -> Result<Found, Fail> {
        // What lies below may need such room too and takes its own.
        let mut verdicts = std::mem::take(&mut state.verdicts);
        let mut survivors = std::mem::take(&mut state.scratch);
        let judged = self.verdicts(state, rmap, node, &mut verdicts);
        let found = judged.and_then(|()| {
            self.survivors(state, node, &verdicts, &mut survivors);
            self.ranked(state, rmap, node, &survivors)
        });
        state.verdicts = verdicts;
        state.scratch = survivors;
        found
    }

    /// Checks the values of a match and gets the verdict on each.
    fn verdicts(&mut self, state: &State, rmap: &Rmap, node: &MatchNode, out: &mut Vec<u32>) -> Result<(), Fail> {
        let cache = &mut self.caches[node.cache];
        out.clear();
        for (at, param) in node.params.iter().enumerate() {
            let kid = self.params[param.param];
            let name = &rmap.tree.params[param.param];
            let verdict = cache.verdict(node, name, at, state.number(kid), state.text(kid));
            if let Some(why) = cache.invalid(verdict) {
                return Err(Fail::Final(Why::Text(Arc::clone(why))));
            }
            out.push(verdict as u32);
        }
        Ok(())
    }

    /// Collects (weight, case) of the cases that survive all verdicts, the greatest weight first, cases of the same
    /// weight in their order.
    fn survivors(&self, state: &mut State, node: &MatchNode, verdicts: &[u32], out: &mut Vec<(u32, u32)>) {
        let cache = &self.caches[node.cache];
        let (total, words) = (node.choices.len(), MatchCache::words(node));
        out.clear();
        let mut lefts = std::mem::take(&mut state.words);
        lefts.clear();
        lefts.resize(words, u64::MAX);
        if let Some(last) = lefts.last_mut().filter(|_| !total.is_multiple_of(64)) {
            *last = (1 << (total % 64)) - 1;
        }
        for verdict in verdicts {
            for (left, own) in lefts.iter_mut().zip(cache.survivors(*verdict as usize, words)) {
                *left &= own;
            }
        }
        for (word, left) in lefts.iter().enumerate() {
            let mut left = *left;
            while left != 0 {
                let case = word * 64 + left.trailing_zeros() as usize;
                left &= left - 1;
                let weight = verdicts.iter().map(|verdict| cache.gains(*verdict as usize, words, case)).sum();
                out.push((weight, case as u32));
            }
        }
        state.words = lefts;
        out.sort_unstable_by_key(|(weight, case)| (std::cmp::Reverse(*weight), *case));
    }

    /// Tries the groups of equal weight, best first (RS 9.5).
    fn ranked(
        &mut self,
        state: &mut State,
        rmap: &Rmap,
        node: &MatchNode,
        survivors: &[(u32, u32)],
    ) -> Result<Found, Fail> {
        for cases in survivors.chunk_by(|one, other| one.0 == other.0) {
            let found = match self.group(rmap, node, cases)? {
                // The scratch space is in use here; a nested match takes a fresh one.
                Group::One(choice) => self.node(state, rmap, choice),
                Group::Several(ids) => return Ok(Found::Several(ids)),
                Group::Merged(merged) => {
                    self.table(state, rmap, merged.kind, &merged.params, merged.entries(&rmap.tree))
                }
            };
            match found {
                Err(Fail::Lookup(_)) => {}
                other => return other,
            }
        }
        Err(Fail::Lookup(Why::NoMatch))
    }

    /// What the surviving cases of one weight lead to.
    fn group(&mut self, rmap: &Rmap, node: &MatchNode, cases: &[(u32, u32)]) -> Result<Group, Fail> {
        let cases = || cases.iter().map(|(_, case)| *case);
        let mut first = cases();
        let Some(choice) = first.next().map(|case| node.choices[case as usize]) else {
            return Err(Fail::Lookup(Why::NoMatch));
        };
        if first.next().is_none() {
            return Ok(Group::One(choice));
        }
        if !self.merges {
            return fail("More than one match clause matched.");
        }
        let choices = || cases().map(|case| node.choices[case as usize]).collect::<Vec<NodeId>>();
        if let Node::Terminal(_) = rmap.tree.node(choice) {
            return Ok(Group::Several(choices()));
        }
        let MatchCache { merged, together, .. } = &mut self.caches[node.cache];
        together.clear();
        together.extend(cases());
        let merged = match merged.get(together.as_slice()) {
            Some(known) => known.clone(),
            None => {
                let (tree, choices) = (&rmap.tree, choices());
                let tables = choices.iter().all(|choice| matches!(tree.node(*choice), Node::Table(_)));
                let new = if self.sure && tables { Merged::later(tree, choices) } else { Merged::new(tree, choices) };
                let new = new.map(Arc::new);
                merged.insert(together.as_slice().into(), new.clone());
                new
            }
        };
        merged.map(Group::Merged)
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
