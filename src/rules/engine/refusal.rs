//! By which types a header may put its dataset out, told from single values.
//!
//! A lookup in orderly rules ends in a file, in "not applicable" or in "no match" unless a value is refused before any
//! case is looked at or the date cannot be used (RS 9.4 to 9.6). So one look at each value tells that nothing is wrong
//! with any type, and nearly always nothing is.

use super::super::hooks::HookKey;
use super::super::tree::Node;
use super::choose::Runtime;
use super::memo::is_plain;
use super::plan::{Kid, Name, Side, TypePlan};
use super::state::State;
use super::verdict::{is_open, refuses};

/// What single values say about the types of an instrument. Types are bits; those beyond the last bit are not known.
#[derive(Debug, Default)]
pub struct Refusals {
    orderly: u64,
    checks: Vec<Check>,
    /// Keywords of dates, and the types that need these.
    dates: Vec<(Vec<Kid>, u64)>,
}

/// One keyword.
#[derive(Debug)]
struct Check {
    kid: Kid,
    /// Where it is a parkey that not every value is good for: runtime, place among the root's parkeys, type.
    uses: Vec<(usize, usize, u64)>,
    /// Per number of a value: the types that refuse it, and [`KNOWN`].
    refusing: Vec<u64>,
}

const KNOWN: u64 = 1 << 63;

/// The bit of a type.
fn bit(at: usize) -> Option<u64> {
    (at < 63).then(|| 1 << at)
}

/// Whether nothing but a refused value or a bad date can make a lookup fail, beside having no match.
fn is_orderly(side: &Side, plan: &TypePlan, runtime: &Runtime) -> bool {
    let rmap = &runtime.rmap;
    let Node::Match(node) = rmap.tree.node(rmap.root) else { return false };
    // Cases that tie have tables, and tables of names merge.
    let merge = runtime.merges && node.choices.iter().all(|choice| matches!(rmap.tree.node(*choice), Node::Table(_)));
    let known = |names: &[Name]| names.iter().all(|name| *name != Name::Missing);
    let sure = plan.parkeys.iter().zip(&rmap.parkey_relevance);
    let sure = sure.into_iter().all(|((_, names, _), (_, expr))| known(&names.names) && expr.never_fails());
    // The only hook of plain rules fails without these.
    let needs = [HookKey::Subarray, HookKey::Aperture];
    let hooked = rmap.precondition.is_none() || needs.iter().all(|key| side.hooks[*key as usize].is_some());
    is_plain(plan, side, runtime) && merge && sure && hooked
}

impl Refusals {
    /// The types by their plans, all of which must lead to ordinary names only; nothing for types that cannot be judged
    /// in this way.
    pub(super) fn new(types: &[Option<Vec<(&Side, &TypePlan)>>], runtimes: &[Runtime]) -> Self {
        let mut refusals = Self::default();
        for (at, plans) in types.iter().enumerate() {
            let (Some(plans), Some(bit)) = (plans, bit(at)) else { continue };
            if plans.iter().all(|(side, plan)| is_orderly(side, plan, &runtimes[plan.runtime])) {
                refusals.orderly |= bit;
                plans.iter().for_each(|(_, plan)| refusals.add(bit, plan.runtime, &runtimes[plan.runtime]));
            }
        }
        refusals
    }

    fn add(&mut self, bit: u64, number: usize, runtime: &Runtime) {
        if let Some(kids) = runtime.flat.as_ref().filter(|kids| !kids.is_empty()) {
            match self.dates.iter_mut().find(|(known, _)| known == kids) {
                Some((_, types)) => *types |= bit,
                None => self.dates.push((kids.clone(), bit)),
            }
        }
        let Node::Match(node) = runtime.rmap.tree.node(runtime.rmap.root) else { return };
        for (at, param) in node.params.iter().enumerate().filter(|(_, param)| !is_open(&param.valid)) {
            let (kid, one) = (runtime.params[param.param], (number, at, bit));
            match self.checks.iter_mut().find(|check| check.kid == kid) {
                Some(check) => check.uses.push(one),
                None => self.checks.push(Check { kid, uses: vec![one], refusing: Vec::new() }),
            }
        }
    }

    /// The types (bits) that may fail for the header at hand. `read` sets a keyword that has not been asked for yet,
    /// `good` tells whether some keywords make a date.
    pub(super) fn failing(
        &mut self,
        state: &mut State,
        runtimes: &[Runtime],
        read: &mut impl FnMut(&mut State, Kid),
        good: impl Fn(&mut State, &[Kid]) -> bool,
    ) -> u64 {
        let mut failing = !self.orderly;
        for check in &mut self.checks {
            if state.is_unread(check.kid) {
                read(state, check.kid);
            }
            let number = state.number(check.kid) as usize;
            failing |= match check.refusing.get(number) {
                Some(known) if *known != 0 => *known,
                _ => check.learn(number, state.text(check.kid), runtimes),
            };
        }
        for (kids, types) in &self.dates {
            kids.iter().for_each(|kid| {
                if state.is_unread(*kid) {
                    read(state, *kid);
                }
            });
            if !good(state, kids) {
                failing |= types;
            }
        }
        failing
    }

    /// Whether a type is among those that [`Refusals::failing`] gave.
    pub fn is_failing(failing: u64, at: usize) -> bool {
        bit(at).is_none_or(|bit| failing & bit != 0)
    }

    /// Forgets the values; their numbers mean something else from now on.
    pub fn forget(&mut self) {
        self.checks.iter_mut().for_each(|check| check.refusing.clear());
    }
}

impl Check {
    #[cold]
    fn learn(&mut self, number: usize, value: &str, runtimes: &[Runtime]) -> u64 {
        let mut known = KNOWN;
        for (runtime, at, bit) in &self.uses {
            let rmap = &runtimes[*runtime].rmap;
            if let Node::Match(node) = rmap.tree.node(rmap.root)
                && refuses(&node.params[*at], value)
            {
                known |= bit;
            }
        }
        if self.refusing.len() <= number {
            self.refusing.resize(number + 1, 0);
        }
        self.refusing[number] = known;
        known
    }
}
