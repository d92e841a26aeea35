//! What tells answers apart: every keyword that lookups look at, its values put into classes that are treated alike.
//!
//! Headers have endless values, rules make few distinctions. A value's class is what all lookups concerned say about
//! it: which cases it leaves, whether it is refused, which constant of an expression it equals. Classes of all keywords
//! packed into one number are the key under which an answer is remembered.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::super::expr::Expr;
use super::super::hooks::{Hook, HookKey};
use super::super::python::parse_float;
use super::super::tree::Node;
use super::choose::Runtime;
use super::delta::{Delta, delta};
use super::plan::{Condition, Kid, Name, Side, TypePlan};
use super::state::{ShortMap, State};
use super::verdict::MatchCache;

/// More keywords than this do not fit into a key.
const MOST_SLOTS: usize = 15;
/// Values beyond that many classes are not told apart: their answers are not remembered.
const MOST_CLASSES: usize = 254;
const UNCLASSED: u8 = 255;

/// The keywords that some lookups look at, dates aside.
#[derive(Debug)]
pub struct Slots {
    slots: Vec<Slot>,
    /// Whether the classes tell answers apart; else they only tell what may differ between two rmaps.
    exact: bool,
    /// The cases that differ between the two rmaps, where these can be compared case by case.
    delta: Option<Delta>,
    /// The keyword that rules a change out most often, where no other can bring one back.
    gate: Option<usize>,
    /// How often each keyword ruled a change out.
    ruled_out: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    kid: Kid,
    uses: Vec<Use>,
    /// Per number of a value: its class from 1, 0 where it is not known yet.
    classes: Vec<u8>,
    signatures: ShortMap<Box<[u64]>, u8>,
    /// Per class, from 1.
    hints: Vec<Hint>,
}

/// What a class of values leaves of the cases that differ, old and new; several cases share a bit.
#[derive(Debug, Clone, Copy)]
struct Hint {
    sides: [u64; 2],
    /// Only one of the two refuses the value.
    odd: bool,
}

const ANYTHING: Hint = Hint { sides: [u64::MAX; 2], odd: false };

/// How a lookup looks at a keyword.
#[derive(Debug)]
enum Use {
    /// As parkey `at` of the root of a runtime, the old (0) or the new one (1).
    Match { runtime: usize, at: usize, side: usize },
    /// By comparing it with constants.
    Constants(Vec<String>),
    /// By looking for a text inside it.
    Contains(&'static str),
    /// In some other way, so that every value is a class of its own.
    Whole,
    /// As `DETECTOR` of the "do not reprocess" rule.
    Detector,
    /// As `CCDGAIN` of the "do not reprocess" rule.
    Gain,
}

/// A hash for keys of classes: two multiplications.
#[derive(Debug, Default, Clone, Copy)]
pub struct KeyHash(u64);

impl Hasher for KeyHash {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn write_u128(&mut self, n: u128) {
        let (low, high) = (n as u64, (n >> 64) as u64);
        let mixed = (low ^ high.rotate_left(17)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = (mixed ^ (mixed >> 29) ^ high).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 31)
    }
}

/// A map by key of classes.
pub type KeyMap<V> = HashMap<u128, V, BuildHasherDefault<KeyHash>>;

/// Whether an answer can be told from classes and a date: flat rules, at most a hook that looks at classes of values, and
/// nothing that changes the date.
pub(super) fn is_plain(plan: &TypePlan, side: &Side, runtime: &Runtime) -> bool {
    let Some(dated) = &runtime.flat else { return false };
    let rmap = &runtime.rmap;
    let hooked = |kid: &Kid| {
        let mut changes = rmap.precondition.iter().flat_map(|hook| hook.changes());
        changes.any(|key| side.hooks[*key as usize] == Some(*kid))
    };
    let kept = |kid: &Kid| !plan.parkeys.iter().any(|(changed, ..)| changed == kid) && !hooked(kid);
    matches!(rmap.precondition, None | Some(Hook::Wfc3Bias)) && rmap.fallback.is_none() && dated.iter().all(kept)
}

impl Slots {
    /// The keywords of the plans of one type, old and new or one of them; nothing where they tell nothing.
    pub(super) fn new(plans: &[(&Side, &TypePlan)], runtimes: &[Runtime]) -> Option<Self> {
        let compared = match plans {
            [old, new] => delta(*old, *new, runtimes),
            _ => None,
        };
        let mut uses: Vec<(Kid, Use)> = Vec::new();
        let plain = plans.iter().all(|(side, plan)| is_plain(plan, side, &runtimes[plan.runtime]));
        for (at_side, (side, plan)) in plans.iter().enumerate() {
            let runtime = &runtimes[plan.runtime];
            let rmap = &runtime.rmap;
            if let Node::Match(node) = rmap.tree.node(rmap.root) {
                for (at, param) in node.params.iter().enumerate() {
                    let kid = runtime.params[param.param];
                    let kept = compared.as_ref().is_some_and(|(_, changed)| !changed.contains(&kid));
                    if plain || kept {
                        uses.push((kid, Use::Match { runtime: plan.runtime, at, side: at_side }));
                    }
                }
            }
            if !plain {
                continue;
            }
            let conditions = [(&plan.omit, &rmap.omit), (&plan.relevance, &rmap.relevance)];
            for (condition, expr) in conditions {
                if let Condition::Expr(names) = condition {
                    named(&mut uses, &names.names, expr);
                }
            }
            for ((_, names, _), (_, expr)) in plan.parkeys.iter().zip(&rmap.parkey_relevance) {
                named(&mut uses, &names.names, expr);
            }
            let hook = |key: HookKey| side.hooks[key as usize];
            if rmap.precondition == Some(Hook::Wfc3Bias)
                && let (Some(subarray), Some(aperture)) = (hook(HookKey::Subarray), hook(HookKey::Aperture))
            {
                uses.extend([(subarray, Use::Constants(vec!["T".to_owned()])), (aperture, Use::Contains("SUB"))]);
            }
            if rmap.observatory == "hst"
                && let (Some(detector), Some(gain)) = (hook(HookKey::Detector), hook(HookKey::CcdGain))
            {
                uses.extend([(detector, Use::Detector), (gain, Use::Gain)]);
            }
        }
        let mut slots: Vec<Slot> = Vec::new();
        for (kid, one) in uses {
            match slots.iter_mut().find(|slot| slot.kid == kid) {
                Some(slot) => slot.uses.push(one),
                None => slots.push(Slot {
                    kid,
                    uses: vec![one],
                    classes: Vec::new(),
                    signatures: ShortMap::default(),
                    hints: Vec::new(),
                }),
            }
        }
        let exact = plain && slots.len() <= MOST_SLOTS;
        // A keyword that is changed before it is looked at says nothing about the cases left.
        let (delta, changed) = compared.map_or((None, Vec::new()), |(delta, changed)| (Some(delta), changed));
        for slot in slots.iter_mut().filter(|slot| changed.contains(&slot.kid)) {
            for one in &mut slot.uses {
                if let Use::Match { side, .. } = one {
                    *side = usize::MAX;
                }
            }
        }
        let gate = (delta.is_some() && refuse_the_same(plans, runtimes)).then_some(0);
        let ruled_out = vec![0; slots.len()];
        (exact || delta.is_some()).then_some(Self { slots, exact, delta, gate, ruled_out })
    }

    /// Whether one look at the header at hand rules a change out.
    #[inline]
    pub fn cannot_differ(
        &mut self,
        state: &mut State,
        runtimes: &mut [Runtime],
        read: &mut impl FnMut(&mut State, Kid),
    ) -> bool {
        let Some(slot) = self.gate.and_then(|gate| self.slots.get_mut(gate)) else { return false };
        let class = slot.class(state, runtimes, read, self.exact, self.delta.as_ref());
        slot.hints.get(usize::from(class).wrapping_sub(1)).is_some_and(|hint| hint.sides == [0; 2])
    }

    /// The keywords.
    pub fn kids(&self) -> impl Iterator<Item = Kid> {
        self.slots.iter().map(|slot| slot.kid)
    }

    /// Whether classes tell answers apart, so that there is a key as a rule.
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// The key under which the answers for the header at hand are remembered; nothing where a value is beyond what is
    /// told apart. `read` sets a keyword that has not been asked for yet.
    #[inline]
    pub fn key(
        &mut self,
        state: &mut State,
        runtimes: &mut [Runtime],
        read: &mut impl FnMut(&mut State, Kid),
    ) -> Option<u128> {
        if !self.exact {
            return None;
        }
        let mut key = 0;
        let mut known = true;
        for slot in &mut self.slots {
            let class = slot.class(state, runtimes, read, true, self.delta.as_ref());
            known &= class != UNCLASSED;
            key = (key << 8) | u128::from(class);
        }
        known.then_some(key)
    }

    /// Whether the two answers for the header at hand may differ in any way. Where not, they are the same file or the same
    /// failure.
    #[inline]
    pub fn may_differ(
        &mut self,
        state: &mut State,
        runtimes: &mut [Runtime],
        read: &mut impl FnMut(&mut State, Kid),
    ) -> bool {
        let Some(delta) = &self.delta else { return true };
        let mut left = ANYTHING;
        for (slot, ruled_out) in self.slots.iter_mut().zip(&mut self.ruled_out) {
            let class = slot.class(state, runtimes, read, self.exact, Some(delta));
            match slot.hints.get(usize::from(class) - 1) {
                None => return true,
                Some(hint) => {
                    *ruled_out += u32::from(hint.sides == [0; 2]);
                    left = left.and(*hint);
                }
            }
        }
        if self.gate.is_some() {
            self.gate = (0..self.slots.len()).max_by_key(|at| self.ruled_out[*at]);
        }
        left.sides != [0; 2] || left.odd
    }

    /// Forgets the classes; the numbers of values mean something else from now on.
    pub fn forget(&mut self) {
        for slot in &mut self.slots {
            slot.classes.clear();
            slot.signatures.clear();
            slot.hints.clear();
        }
    }
}

/// Whether the roots of two plans refuse the same values, so that a value is never refused by one alone.
fn refuse_the_same(plans: &[(&Side, &TypePlan)], runtimes: &[Runtime]) -> bool {
    let roots = plans.iter().map(|(_, plan)| {
        let rmap = &runtimes[plan.runtime].rmap;
        match rmap.tree.node(rmap.root) {
            Node::Match(node) => node.params.iter().map(|param| &param.valid).collect(),
            _ => Vec::new(),
        }
    });
    let roots: Vec<Vec<&Vec<String>>> = roots.collect();
    roots.windows(2).all(|pair| pair[0] == pair[1])
}

fn named(uses: &mut Vec<(Kid, Use)>, names: &[Name], expr: &Expr) {
    for (at, name) in names.iter().enumerate() {
        if let Name::Key(kid) = name {
            let constants = expr.compared_with(at).map(|texts| texts.into_iter().map(str::to_owned).collect());
            uses.push((*kid, constants.map_or(Use::Whole, Use::Constants)));
        }
    }
}

impl Hint {
    fn and(self, other: Self) -> Self {
        let sides = [self.sides[0] & other.sides[0], self.sides[1] & other.sides[1]];
        Self { sides, odd: self.odd | other.odd }
    }
}

impl Slot {
    /// The class of the value at hand.
    #[inline(always)]
    fn class(
        &mut self,
        state: &mut State,
        runtimes: &mut [Runtime],
        read: &mut impl FnMut(&mut State, Kid),
        exact: bool,
        delta: Option<&Delta>,
    ) -> u8 {
        if state.is_unread(self.kid) {
            read(state, self.kid);
        }
        let number = state.number(self.kid) as usize;
        match self.classes.get(number) {
            Some(class) if *class != 0 => *class,
            _ => self.learn(number, state, runtimes, exact, delta),
        }
    }

    #[cold]
    fn learn(
        &mut self,
        number: usize,
        state: &State,
        runtimes: &mut [Runtime],
        exact: bool,
        delta: Option<&Delta>,
    ) -> u8 {
        let text = state.text(self.kid);
        let mut signature: Vec<u64> = Vec::new();
        let mut hint = ANYTHING;
        let mut refused = [false; 2];
        for one in &self.uses {
            match one {
                Use::Match { runtime, at, side } => {
                    let Runtime { rmap, caches, .. } = &mut runtimes[*runtime];
                    let Node::Match(node) = rmap.tree.node(rmap.root) else { continue };
                    let name = &rmap.tree.params[node.params[*at].param];
                    let cache = &mut caches[node.cache];
                    let verdict = cache.verdict(node, name, *at, number as u32, text);
                    let invalid = cache.invalid(verdict).is_some();
                    // Values that say the same share a verdict; why one is refused does not matter here.
                    signature.push(if invalid { 0 } else { verdict as u64 + 1 });
                    if let (Some(delta), Some(left)) = (delta, hint.sides.get_mut(*side)) {
                        *left &= if invalid {
                            0
                        } else {
                            delta.left(*side, cache.survivors(verdict, MatchCache::words(node)))
                        };
                        refused[*side] |= invalid;
                    }
                }
                Use::Constants(texts) => {
                    let place = texts.iter().position(|own| own == text).map_or(0, |at| at + 1);
                    signature.push(place as u64);
                }
                Use::Contains(part) => signature.push(u64::from(text.contains(part))),
                Use::Whole => signature.push(number as u64),
                Use::Detector => signature.push(u64::from(text == "WFC")),
                Use::Gain => {
                    signature.push(u64::from(parse_float(text).is_some_and(|gain| gain == 0.5 || gain == 1.4)))
                }
            }
        }
        hint.odd = refused[0] != refused[1];
        if !exact {
            signature = vec![hint.sides[0], hint.sides[1], u64::from(hint.odd)];
        }
        let next = self.signatures.len() + 1;
        let class = match self.signatures.get(signature.as_slice()) {
            Some(class) => *class,
            None if next > MOST_CLASSES => UNCLASSED,
            None => {
                self.signatures.insert(signature.into_boxed_slice(), next as u8);
                self.hints.push(hint);
                next as u8
            }
        };
        if self.classes.len() <= number {
            self.classes.resize(number + 1, 0);
        }
        self.classes[number] = class;
        class
    }
}
