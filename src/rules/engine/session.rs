//! A session: plans, working memory and the lookup of one type (RS 7.1).

use std::collections::HashMap;
use std::sync::Arc;

use super::super::error::RulesError;
use super::super::expr::{Expr, Val};
use super::super::hooks::{HookHeader, HookKey};
use super::super::load::{Context, Imap, TypeEntry};
use super::super::python::parse_float;
use super::super::rmap::Rmap;
use super::super::syntax::Selector;
use super::super::tree::{Node, NodeId, Terminal};
use super::choose::{Chain, ChainEnd, Fail, Found, Runtime, Why};
use super::memo::Slots;
use super::plan::{Condition, Kid, Name, Names, Side, TypePlan, TypeRef, sees_the_same};
use super::refusal::Refusals;
use super::state::{Date, ShortMap, State};
use super::truths::Truths;
use super::verdict::MatchCache;
use crate::rules::answer::Best;

/// Answers for many datasets, one at a time. Not shared between threads; the rules below it are.
#[derive(Debug, Default)]
pub struct Session {
    /// The header at hand.
    pub state: State,
    /// Chooses as the libraries of the servers of 2014 and 2019 do: without the "do not reprocess" rule (RS 7.1, step
    /// 6a), and ties of other observatories than HST are not merged. Set before any rules are planned.
    pub older_library: bool,
    kids: ShortMap<String, Kid>,
    names: Vec<String>,
    sides: Vec<Side>,
    by_imap: HashMap<(usize, String), SideId>,
    /// Keeps alive what the addresses in `by_imap` and `by_rmap` speak of.
    imaps: Vec<Arc<Imap>>,
    runtimes: Vec<Runtime>,
    truths: Truths,
    by_rmap: HashMap<usize, usize>,
    since_trim: u32,
    generation: u32,
}

/// The number of an instrument of a context in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SideId(usize);

/// The answer for one type.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// One value, as written in the rules: number of the rmap, number of the terminal.
    One(usize, NodeId),
    /// Several values at once (a tie that cannot be merged).
    Several(usize, Vec<NodeId>),
    /// `NOT FOUND n/a`
    NotApplicable,
    /// Left out of the result.
    Omit,
    /// `NOT FOUND ` and a reason.
    Failed(Why),
}

/// Values kept in all columns and caches of a session before it forgets them and begins anew.
const MOST_KEPT: usize = 1 << 19;

impl Session {
    /// A session without any plan.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of a keyword, spelled as rules spell it.
    pub fn kid(&mut self, name: &str) -> Kid {
        if let Some(kid) = self.kids.get(name) {
            return *kid;
        }
        let kid = self.state.add_column();
        self.kids.insert(name.to_owned(), kid);
        self.names.push(name.to_owned());
        kid
    }

    /// The keywords of this session in the order of their numbers.
    pub fn keywords(&self) -> &[String] {
        &self.names
    }

    /// Plans an instrument (lower case) of a context; nothing where the context has no rules for it.
    ///
    /// # Errors
    ///
    /// Rules that cannot be loaded.
    pub fn side(&mut self, context: &Context, instrument: &str) -> Option<Result<SideId, RulesError>> {
        let imap = match context.imap(instrument)? {
            Ok(imap) => imap,
            Err(error) => return Some(Err(error)),
        };
        Some(Ok(self.side_of(imap, context.instrument_key())))
    }

    /// Plans an imap under a context whose instrument keyword is `instrument_key`.
    pub fn side_of(&mut self, imap: Arc<Imap>, instrument_key: &str) -> SideId {
        let address = (Arc::as_ptr(&imap) as usize, instrument_key.to_owned());
        if let Some(side) = self.by_imap.get(&address) {
            return *side;
        }
        for entry in imap.types.values() {
            if let TypeEntry::Rmap(rmap) = entry {
                self.runtime(rmap);
            }
        }
        for key in imap.keys.iter().map(String::as_str).chain([instrument_key]) {
            self.kid(key);
        }
        let (kids, runtimes, truths) = (&self.kids, &self.by_rmap, &mut self.truths);
        let runtime = |rmap: &Arc<Rmap>| runtimes[&(Arc::as_ptr(rmap) as usize)];
        let side = Side::new(&imap, instrument_key, |name| kids[name], runtime, || truths.add());
        let id = SideId(self.sides.len());
        self.sides.push(side);
        self.imaps.push(imap);
        self.by_imap.insert(address, id);
        id
    }

    fn runtime(&mut self, rmap: &Arc<Rmap>) -> usize {
        let address = Arc::as_ptr(rmap) as usize;
        if let Some(known) = self.by_rmap.get(&address) {
            return *known;
        }
        // Every parkey of every level gets its number, and so does every keyword that a condition names.
        for name in &rmap.required {
            self.kid(name);
        }
        let params: Vec<Kid> = rmap.tree.params.iter().map(|name| self.kid(name)).collect();
        for node in &rmap.tree.nodes {
            match node {
                Node::Match(node) => node.params.iter().for_each(|param| self.state.pin(params[param.param])),
                Node::Table(node) if node.kind == Selector::UseAfter => {
                    node.params.iter().for_each(|param| self.state.hardly_repeats(params[*param]));
                }
                _ => {}
            }
        }
        self.runtimes.push(Runtime::new(Arc::clone(rmap), params, self.older_library));
        self.by_rmap.insert(address, self.runtimes.len() - 1);
        self.runtimes.len() - 1
    }

    /// The keywords of the minimised header of a side.
    pub fn keys(&self, side: SideId) -> &[Kid] {
        &self.sides[side.0].keys
    }

    /// The types of a side and what they lead to, sorted by name.
    pub fn types(&self, side: SideId) -> impl Iterator<Item = (&str, &TypeRef)> {
        self.sides[side.0].types.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// What a type (lower case) of a side leads to.
    pub fn type_ref(&self, side: SideId, name: &str) -> Option<&TypeRef> {
        self.sides[side.0].types.get(name)
    }

    /// The rules behind a plan of a side.
    pub fn rmap(&self, side: SideId, plan: usize) -> &Arc<Rmap> {
        &self.runtimes[self.sides[side.0].plans[plan].runtime].rmap
    }

    /// The keywords that decide the answer of a plan: those its selectors look at, those its conditions name, the two of
    /// the "do not reprocess" rule, those of its hooks.
    pub fn keys_of(&self, side: SideId, plan: usize) -> Vec<Kid> {
        let side = &self.sides[side.0];
        let plan = &side.plans[plan];
        let Runtime { rmap, params, .. } = &self.runtimes[plan.runtime];
        let mut kids: Vec<Kid> = params.clone();
        for name in plan.names().flat_map(|names| &names.names) {
            if let Name::Key(kid) = name {
                kids.push(*kid);
            }
        }
        kids.extend([HookKey::Detector, HookKey::CcdGain].iter().filter_map(|key| side.hooks[*key as usize]));
        if rmap.precondition.is_some() || rmap.fallback.is_some() {
            kids.extend(side.hooks.iter().flatten());
        }
        kids.sort_unstable();
        kids.dedup();
        kids
    }

    /// Whether two plans give the same answer for every header: the same rules, and every name that they look at
    /// beyond their own parkeys stands for the same in both (RS 20).
    pub fn same(&self, side: SideId, plan: usize, other_side: SideId, other_plan: usize) -> bool {
        let (a, b) = (&self.sides[side.0], &self.sides[other_side.0]);
        let (a, b) = ((a, &a.plans[plan]), (b, &b.plans[other_plan]));
        a.1.runtime == b.1.runtime && sees_the_same(a, b, &self.runtimes[a.1.runtime].rmap)
    }

    /// Forgets what it has worked out when that has grown too much; call it between datasets.
    pub fn trim(&mut self) {
        // Counting costs more than a dataset; between two counts little can grow.
        self.since_trim += 1;
        if self.since_trim < 512 {
            return;
        }
        self.since_trim = 0;
        let kept = |runtime: &Runtime| runtime.caches.iter().map(MatchCache::kept).sum::<usize>();
        if self.state.kept() + self.truths.kept() + self.runtimes.iter().map(kept).sum::<usize>() > MOST_KEPT {
            self.state.forget();
            self.truths.forget();
            self.generation = self.generation.wrapping_add(1);
            for cache in self.runtimes.iter_mut().flat_map(|runtime| &mut runtime.caches) {
                *cache = MatchCache::default();
            }
        }
    }

    /// Looks one type up for the header at hand.
    pub fn lookup(&mut self, side: SideId, plan: usize) -> Outcome {
        let side = &self.sides[side.0];
        let plan = &side.plans[plan];
        let runtime = &mut self.runtimes[plan.runtime];
        let (state, truths) = (&mut self.state, &mut self.truths);
        if let Some(outcome) = left_out(plan, &runtime.rmap, state, truths) {
            return outcome;
        }
        let outcome = attempt(side, plan, runtime, state, truths, self.older_library);
        state.undo();
        outcome
    }

    /// What can tell the answers of one type apart, old and new or one of them; nothing where only looking them up can.
    /// Call it between datasets.
    pub fn slots(&mut self, plans: &[(SideId, usize)]) -> Option<Slots> {
        let sides = &self.sides;
        let plans: Vec<_> = plans.iter().map(|(side, plan)| (&sides[side.0], &sides[side.0].plans[*plan])).collect();
        let slots = Slots::new(&plans, &self.runtimes)?;
        // The numbers of their values must last.
        slots.kids().for_each(|kid| self.state.pin(kid));
        Some(slots)
    }

    /// See [`Slots::key`].
    #[inline]
    pub fn key(&mut self, slots: &mut Slots, read: &mut impl FnMut(&mut State, Kid)) -> Option<u128> {
        slots.key(&mut self.state, &mut self.runtimes, read)
    }

    /// See [`Slots::cannot_differ`].
    #[inline]
    pub fn cannot_differ(&mut self, slots: &mut Slots, read: &mut impl FnMut(&mut State, Kid)) -> bool {
        slots.cannot_differ(&mut self.state, &mut self.runtimes, read)
    }

    /// See [`Slots::may_differ`].
    #[inline]
    pub fn may_differ(&mut self, slots: &mut Slots, read: &mut impl FnMut(&mut State, Kid)) -> bool {
        slots.may_differ(&mut self.state, &mut self.runtimes, read)
    }

    /// What single values say about types, each given by its plans. See [`Refusals::new`]. Call it between datasets.
    pub fn refusals(&self, types: &[Option<Vec<(SideId, usize)>>]) -> Refusals {
        let plan = |(side, plan): &(SideId, usize)| (&self.sides[side.0], &self.sides[side.0].plans[*plan]);
        let types: Vec<_> = types.iter().map(|plans| Some(plans.as_ref()?.iter().map(plan).collect())).collect();
        Refusals::new(&types, &self.runtimes)
    }

    /// The types (bits) that may fail for the header at hand; see [`Refusals::is_failing`].
    pub fn failing(&mut self, refusals: &mut Refusals, read: &mut impl FnMut(&mut State, Kid)) -> u64 {
        let names = &self.names;
        let name = |kid: &Kid| names[kid.0 as usize].clone();
        let good = |state: &mut State, kids: &[Kid]| state.date(kids, &|at| name(&kids[at])).is_ok();
        refusals.failing(&mut self.state, &self.runtimes, read, good)
    }

    /// How often the session has forgotten the numbers of values, and with them everything that rests on these.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Looks a type up for the header at hand without its date. Only for plans that [`Session::slots`] takes.
    pub fn resolve(&mut self, side: SideId, plan: usize) -> Resolved {
        let side = &self.sides[side.0];
        let plan = &side.plans[plan];
        let runtime = &mut self.runtimes[plan.runtime];
        let (state, truths) = (&mut self.state, &mut self.truths);
        if let Some(outcome) = left_out(plan, &runtime.rmap, state, truths) {
            return Resolved::Settled(outcome);
        }
        let hooked = runtime.rmap.precondition.map_or(Ok(()), |hook| hook.apply(&mut View { state, side }));
        let changed = hooked.and_then(|()| irrelevant_to_na(plan, state, truths, &runtime.rmap, false));
        let resolved = match changed {
            Err(why) => Resolved::Settled(Outcome::Failed(Why::text(why))),
            Ok(()) => {
                let chain = runtime.chain(state);
                let fails =
                    runtime.rmap.is_required && (self.older_library || !do_not_reprocess(side, state, &runtime.rmap));
                let dated = Dated { runtime: plan.runtime, chain, fails };
                match dated.chain.tables.is_empty() {
                    true => Resolved::Settled(dated.end(&runtime.rmap)),
                    false => Resolved::Dated(dated),
                }
            }
        };
        state.undo();
        resolved
    }

    /// The answer that a terminal of an rmap gives.
    pub fn settled(&self, runtime: usize, id: NodeId) -> Outcome {
        settle(runtime, &self.runtimes[runtime].rmap, Found::One(id))
    }

    /// The rules behind a runtime's number.
    pub fn rules(&self, runtime: usize) -> &Rmap {
        &self.runtimes[runtime].rmap
    }

    /// The date that some keywords of the header at hand make.
    pub fn date(&mut self, kids: &[Kid]) -> Result<Date, Fail> {
        let names = &self.names;
        self.state.date(kids, &|at| names[kids[at].0 as usize].clone())
    }

    /// The answer as the client gives it; nothing where the type is left out.
    pub fn answer(&self, outcome: &Outcome) -> Option<Best> {
        let item = |runtime: &usize, id: &NodeId| match self.runtimes[*runtime].rmap.tree.node(*id) {
            Node::Terminal(terminal) => match terminal {
                Terminal::Many(names) => Best::Tuple(names.iter().cloned().map(Best::File).collect()),
                Terminal::Other(text) => Best::File(text.clone()),
                other => Best::File(other.text().unwrap_or_default().to_owned()),
            },
            Node::Match(_) => Best::Selector(Selector::Match),
            Node::Table(node) => Best::Selector(node.kind),
            Node::Rare(node) => Best::Selector(node.kind),
        };
        match outcome {
            Outcome::One(runtime, id) => Some(item(runtime, id)),
            Outcome::Several(runtime, ids) => Some(Best::Tuple(ids.iter().map(|id| item(runtime, id)).collect())),
            Outcome::NotApplicable => Some(Best::Failed("n/a".to_owned())),
            Outcome::Omit => None,
            Outcome::Failed(why) => Some(Best::Failed(why.to_string())),
        }
    }

    /// The file name of an outcome that is one.
    pub fn file(&self, outcome: &Outcome) -> Option<&str> {
        match outcome {
            Outcome::One(runtime, id) => match self.runtimes[*runtime].rmap.tree.node(*id) {
                Node::Terminal(Terminal::File(name)) => Some(name),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Whether a condition holds for the header at hand.
fn truth(condition: &Condition, expr: &Expr, state: &State, truths: &mut Truths) -> Result<bool, String> {
    match condition {
        Condition::Constant(truth) => Ok(*truth),
        Condition::Expr(names) => named_truth(names, expr, state, truths),
    }
}

fn named_truth(names: &Names, expr: &Expr, state: &State, truths: &mut Truths) -> Result<bool, String> {
    truths.get(names, state, || {
        expr.truth(&|at| match names.names[at] {
            Name::Key(kid) => Some(Val::Text(state.text(kid))),
            Name::KeepComments => Some(Val::Bool(false)),
            Name::Missing => None,
        })
    })
}

/// The answer where conditions on the whole header settle it. One that fails says nothing: the type stays in, and stays
/// relevant.
fn left_out(plan: &TypePlan, rmap: &Rmap, state: &State, truths: &mut Truths) -> Option<Outcome> {
    if truth(&plan.omit, &rmap.omit, state, truths) == Ok(true) {
        return Some(Outcome::Omit);
    }
    (truth(&plan.relevance, &rmap.relevance, state, truths) == Ok(false)).then_some(Outcome::NotApplicable)
}

/// An answer as far as it does not depend on the date.
#[derive(Debug)]
pub enum Resolved {
    /// That.
    Settled(Outcome),
    /// Tables to be searched for the date.
    Dated(Dated),
}

/// What to search for a date.
#[derive(Debug)]
pub struct Dated {
    /// The number of the rmap.
    pub runtime: usize,
    /// The tables, and what comes beyond them.
    pub chain: Arc<Chain>,
    /// Whether a date that cannot be used is a failure (else it means "not applicable").
    pub fails: bool,
}

impl Dated {
    /// The answer when no table has an entry. One that names the date stands for any such failure.
    pub fn end(&self, rmap: &Rmap) -> Outcome {
        let failed = |why: Why| if self.fails { Outcome::Failed(why) } else { Outcome::NotApplicable };
        match &self.chain.end {
            ChainEnd::Found(found) => settle(self.runtime, rmap, found.clone()),
            ChainEnd::Fail(fail) => failed(fail.why().clone()),
            ChainEnd::NoSelection => failed(Why::text("No selection")),
        }
    }
}

struct View<'a> {
    state: &'a mut State,
    side: &'a Side,
}

impl HookHeader for View<'_> {
    fn get(&self, key: HookKey) -> Option<&str> {
        Some(self.state.text(self.side.hooks[key as usize]?))
    }

    fn set(&mut self, key: HookKey, value: &str) {
        if let Some(kid) = self.side.hooks[key as usize] {
            self.state.change(kid, value);
        }
    }
}

/// Turns the parkeys that do not matter for this header into `N/A` (RS 7.1, step 5).
fn irrelevant_to_na(
    plan: &TypePlan,
    state: &mut State,
    truths: &mut Truths,
    rmap: &Rmap,
    fallback: bool,
) -> Result<(), String> {
    // All are judged by the header as it was.
    let mut gone: Vec<Kid> = Vec::new();
    for ((kid, whole, own), (_, expr)) in plan.parkeys.iter().zip(&rmap.parkey_relevance) {
        if !named_truth(if fallback { own } else { whole }, expr, state, truths)? {
            gone.push(*kid);
        }
    }
    gone.into_iter().for_each(|kid| state.change(kid, "N/A"));
    Ok(())
}

/// HST's "do not reprocess" rule; any trouble with it means no.
fn do_not_reprocess(side: &Side, state: &State, rmap: &Rmap) -> bool {
    let value = |key: HookKey| side.hooks[key as usize].map(|kid| state.text(kid));
    rmap.observatory == "hst"
        && value(HookKey::Detector) == Some("WFC")
        && value(HookKey::CcdGain).and_then(parse_float).is_some_and(|gain| gain == 0.5 || gain == 1.4)
}

/// Steps 4 to 7 of RS 7.1; the caller takes the changes to the header back.
fn attempt(
    side: &Side,
    plan: &TypePlan,
    runtime: &mut Runtime,
    state: &mut State,
    truths: &mut Truths,
    older_library: bool,
) -> Outcome {
    let failed = |why: String| Outcome::Failed(Why::text(why));
    if let Some(hook) = runtime.rmap.precondition
        && let Err(why) = hook.apply(&mut View { state, side })
    {
        return failed(why);
    }
    if let Err(why) = irrelevant_to_na(plan, state, truths, &runtime.rmap, false) {
        return failed(why);
    }
    let first = match runtime.choose(state) {
        Ok(found) => return settle(plan.runtime, &runtime.rmap, found),
        Err(first) => first,
    };
    if !older_library && do_not_reprocess(side, state, &runtime.rmap) {
        return Outcome::NotApplicable;
    }
    state.undo();
    let mut last = first;
    if let Some(hook) = runtime.rmap.fallback {
        if let Err(why) = hook.apply(&mut View { state, side }) {
            return failed(why);
        }
        let second = irrelevant_to_na(plan, state, truths, &runtime.rmap, true)
            .map_err(|why| Fail::Final(Why::text(why)))
            .and_then(|()| runtime.choose(state));
        match second {
            Ok(found) => return settle(plan.runtime, &runtime.rmap, found),
            Err(second) => last = second,
        }
    }
    if runtime.rmap.is_required { Outcome::Failed(last.why().clone()) } else { Outcome::NotApplicable }
}

fn settle(runtime: usize, rmap: &Rmap, found: Found) -> Outcome {
    match found {
        Found::One(id) => match rmap.tree.node(id) {
            Node::Terminal(Terminal::NotApplicable(_)) => Outcome::NotApplicable,
            Node::Terminal(Terminal::Omit(_)) => Outcome::Omit,
            _ => Outcome::One(runtime, id),
        },
        Found::Several(ids) => Outcome::Several(runtime, ids),
    }
}
