//! Whether a dataset is listed, and nothing more: what `--print-affected` asks (RS 15.4).
//!
//! A dataset is listed when some type changes and none fails. Per type the verdict on both contexts together is
//! remembered by the classes of the values that either looks at; where it depends on the date too, it is kept as the
//! dates at which it changes, so that types whose tables say the same are never looked up twice.

mod verdict;

use super::compare::{Comparer, Pair, PairType};
use super::engine::{KeyMap, Kid, Refusals, Session, ShortMap, SideId, Slots, State};
use super::tree::tail;
use verdict::{Part, Verdict, same_verdict, verdict, word_of};

/// What one type does to its dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// Nothing.
    Same,
    /// It changes.
    Update,
    /// It fails, or ties: the dataset is not listed.
    Out,
}

/// What is remembered for headers of the same classes.
#[derive(Debug, Clone, Copy)]
struct Memo {
    /// Of its verdict; [`UNLEARNED`] where nobody has asked for it.
    number: u32,
    /// Whether the two answers may differ in any way.
    may_differ: bool,
}

const UNLEARNED: u32 = u32::MAX;

/// Why there is no number of a verdict.
#[derive(Debug, Clone, Copy)]
enum Unnumbered {
    /// The type cannot change, and nothing else was asked.
    CannotChange,
    /// Only looking the type up can tell.
    LookUp,
}

/// What is remembered about one type.
#[derive(Debug)]
struct Kind {
    /// How often it put a dataset out.
    outs: u64,
    /// Nothing where its answers must be looked up.
    slots: Option<Slots>,
    /// By key of classes.
    known: KeyMap<Memo>,
    verdicts: Vec<Verdict>,
    /// By what is behind a verdict, so that different classes share it.
    shared: ShortMap<Box<[usize]>, u32>,
    /// Room in which such a thing is put together.
    identity: Vec<usize>,
    /// What the rules of both sides are like.
    nature: Option<Nature>,
}

#[derive(Debug, Clone, Copy)]
struct Nature {
    /// No entry of a table puts a dataset out: all are names of files, or "not applicable".
    tame: bool,
    /// Prefix and tail tell the keys of tables apart.
    keyed: bool,
}

/// The types that count for a dataset.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Per type of the pair; nothing means all.
    mask: Option<Box<[bool]>>,
    /// Whether some are asked for by name.
    listed: bool,
    /// Whether one is among them that neither context knows: it fails.
    unknown: bool,
}

impl Wanted {
    /// Those of `names` (nothing: all) without `skipped`.
    pub(super) fn new(pair: &Pair, names: Option<&[String]>, skipped: &[String]) -> Self {
        let has = |list: &[String], name: &str| list.iter().any(|own| own == name);
        let wanted = |name: &str| names.is_none_or(|names| has(names, name)) && !has(skipped, name);
        let mask = (names.is_some() || !skipped.is_empty()).then(|| pair.types.iter().map(|kind| wanted(&kind.name)));
        let known = |name: &String| pair.types.iter().any(|kind| kind.name == *name);
        Self {
            mask: mask.map(Iterator::collect),
            listed: names.is_some(),
            unknown: names.is_some_and(|names| names.iter().any(|name| wanted(name) && !known(name))),
        }
    }

    fn has(&self, at: usize) -> bool {
        self.mask.as_ref().is_none_or(|mask| mask[at])
    }
}

/// What is remembered about one instrument under two contexts.
#[derive(Debug)]
pub(super) struct Quick {
    kinds: Vec<Kind>,
    /// Types that differ, and those that do not; each with those that must be looked up at its end.
    differing: Vec<usize>,
    same: Vec<usize>,
    generation: u32,
    remembered: usize,
    /// What tells that no type puts a dataset out.
    refusals: Refusals,
    /// Types that cannot change for the dataset at hand, but may still put it out: looked at when another has changed.
    waiting: Vec<usize>,
    /// Datasets until the types are put into a better order.
    until_sorted: u32,
}

/// Datasets between two looks at which types put most of them out.
const SORTED_EVERY: u32 = 512;
/// What looking up costs, in answers that are remembered.
const LOOKED_UP_COST: u64 = 16;

/// Classes remembered for one instrument before it begins anew.
const MOST_REMEMBERED: usize = 1 << 20;

impl Quick {
    /// `undefined_matters` where having no match puts a dataset out.
    pub(super) fn new(session: &mut Session, pair: &Pair, undefined_matters: bool) -> Self {
        let kinds = pair.types.iter().map(|kind| {
            let old = kind.old.filter(|_| !kind.same).map(|plan| (pair.old, plan));
            let plans: Vec<_> = old.into_iter().chain(kind.new.map(|plan| (pair.new, plan))).collect();
            let slots = session.slots(&plans);
            Kind {
                outs: 0,
                slots,
                known: KeyMap::default(),
                verdicts: Vec::new(),
                shared: ShortMap::default(),
                identity: Vec::new(),
                nature: None,
            }
        });
        let kinds: Vec<Kind> = kinds.collect();
        let mut refusals = Refusals::default();
        if !undefined_matters {
            let types: Vec<_> = pair.types.iter().map(|kind| ordinary(session, pair, kind)).collect();
            refusals = session.refusals(&types);
        }
        let (mut same, mut differing): (Vec<usize>, Vec<usize>) = (0..kinds.len()).partition(|at| pair.types[*at].same);
        for order in [&mut same, &mut differing] {
            order.sort_by_key(|at| !kinds[*at].is_exact());
        }
        Self {
            kinds,
            differing,
            same,
            generation: session.generation(),
            remembered: 0,
            refusals,
            waiting: Vec::new(),
            until_sorted: 64,
        }
    }

    /// Whether the dataset at hand is listed; `read` sets a keyword when it is first asked for.
    pub(super) fn is_listed(
        &mut self,
        comparer: &mut Comparer,
        pair: &Pair,
        wanted: &Wanted,
        read: &mut impl FnMut(&mut State, Kid),
    ) -> bool {
        if wanted.unknown {
            return false;
        }
        if self.generation != comparer.session.generation() || self.remembered > MOST_REMEMBERED {
            self.forget(comparer.session.generation());
        }
        if self.until_sorted == 0 {
            self.sort();
        }
        self.until_sorted -= 1;
        self.waiting.clear();
        let mut update = false;
        for at in self.differing.iter().copied() {
            if !wanted.has(at) {
                continue;
            }
            let ask = Ask { pair, at, listed: wanted.listed, whole: false };
            match self.kinds[at].word(comparer, &ask, &mut self.remembered, read) {
                None => self.waiting.push(at),
                Some(Word::Same) => {}
                Some(Word::Update) => update = true,
                Some(Word::Out) => {
                    self.kinds[at].outs += 1;
                    return false;
                }
            }
        }
        if !update {
            return false;
        }
        let Self { waiting, same, kinds, remembered, refusals, .. } = self;
        let failing = comparer.session.failing(refusals, read);
        let mut others = waiting.iter().chain(same.iter().filter(|at| wanted.has(**at)));
        others.all(|at| {
            let ask = Ask { pair, at: *at, listed: wanted.listed, whole: true };
            !Refusals::is_failing(failing, *at) || kinds[*at].word(comparer, &ask, remembered, read) != Some(Word::Out)
        })
    }

    /// Puts types first that are likely to end the matter, and those last that must be looked up.
    #[cold]
    fn sort(&mut self) {
        self.until_sorted = SORTED_EVERY;
        let kinds = &self.kinds;
        self.differing.sort_by_key(|at| {
            let cost = if kinds[*at].is_exact() { 1 } else { LOOKED_UP_COST };
            std::cmp::Reverse((1 + kinds[*at].outs) * 1024 / cost)
        });
    }

    fn forget(&mut self, generation: u32) {
        for kind in &mut self.kinds {
            kind.known.clear();
            kind.verdicts.clear();
            kind.shared.clear();
            kind.slots.iter_mut().for_each(Slots::forget);
        }
        self.refusals.forget();
        self.generation = generation;
        self.remembered = 0;
    }
}

/// The plans of a type that leads to ordinary names only, under both contexts; nothing for any other.
fn ordinary(session: &Session, pair: &Pair, kind: &PairType) -> Option<Vec<(SideId, usize)>> {
    let plans: Vec<_> = [(pair.old, kind.old), (pair.new, kind.new)]
        .into_iter()
        .filter_map(|(side, plan)| Some((side, plan?)))
        .take(if kind.same { 1 } else { 2 })
        .collect();
    let known = kind.same || plans.len() == 2;
    (known && plans.iter().all(|(side, plan)| session.rmap(*side, *plan).is_tame())).then_some(plans)
}

/// What is asked about one type of the dataset at hand.
struct Ask<'p> {
    pair: &'p Pair,
    /// Which type.
    at: usize,
    /// Whether types are asked for by name.
    listed: bool,
    /// Whether it matters that the type puts the dataset out, even where it cannot change.
    whole: bool,
}

impl Ask<'_> {
    /// Sets every keyword that decides the type whatever its date.
    fn read_lasting(&self, state: &mut State, read: &mut impl FnMut(&mut State, Kid)) {
        for kid in &self.pair.types[self.at].kids {
            if !state.is_volatile(*kid) && state.is_unread(*kid) {
                read(state, *kid);
            }
        }
    }

    /// Sets every keyword that decides the type.
    fn read(&self, state: &mut State, read: &mut impl FnMut(&mut State, Kid)) {
        read_all(&self.pair.types[self.at].kids, state, read);
    }
}

fn read_all(kids: &[Kid], state: &mut State, read: &mut impl FnMut(&mut State, Kid)) {
    for kid in kids {
        if state.is_unread(*kid) {
            read(state, *kid);
        }
    }
}

/// The word on a type by looking it up under both contexts.
#[cold]
fn looked_up(comparer: &mut Comparer, ask: &Ask, read: &mut impl FnMut(&mut State, Kid)) -> Word {
    let Ask { pair, at, listed, .. } = *ask;
    ask.read(&mut comparer.session.state, read);
    let kind = &pair.types[at];
    let new = comparer.outcome(pair.new, kind, kind.new, listed);
    if kind.same {
        return word_of(comparer, pair, at, &new, &new);
    }
    let old = comparer.outcome(pair.old, kind, kind.old, listed);
    word_of(comparer, pair, at, &old, &new)
}

impl Kind {
    fn is_exact(&self) -> bool {
        self.slots.as_ref().is_some_and(Slots::is_exact)
    }

    /// The word on a type; nothing (only where `whole` is not asked for) where it cannot change, whether or not it puts
    /// the dataset out.
    #[inline]
    fn word(
        &mut self,
        comparer: &mut Comparer,
        ask: &Ask,
        remembered: &mut usize,
        read: &mut impl FnMut(&mut State, Kid),
    ) -> Option<Word> {
        let number = match self.number(comparer, ask, remembered, read) {
            Ok(number) => number,
            Err(Unnumbered::CannotChange) => return None,
            Err(Unnumbered::LookUp) => return Some(looked_up(comparer, ask, read)),
        };
        match &self.verdicts[number as usize] {
            Verdict::Always(word) => Some(*word),
            Verdict::Unknown => Some(looked_up(comparer, ask, read)),
            Verdict::ByDate(by) if by.steps.is_empty() && by.first == Word::Same && !ask.whole => None,
            Verdict::ByDate(by) => {
                read_all(&by.kids, &mut comparer.session.state, read);
                Some(match comparer.session.date(&by.kids) {
                    Err(_) => by.bad,
                    Ok(date) => {
                        let date = (date.prefix, tail(date.text.as_bytes()));
                        let before = by.steps.partition_point(|step| (step.prefix, &*step.tail) <= date);
                        before.checked_sub(1).map_or(by.first, |at| by.steps[at].word)
                    }
                })
            }
        }
    }

    /// The number of the verdict for the header at hand.
    #[inline]
    fn number(
        &mut self,
        comparer: &mut Comparer,
        ask: &Ask,
        remembered: &mut usize,
        read: &mut impl FnMut(&mut State, Kid),
    ) -> Result<u32, Unnumbered> {
        let Some(slots) = &mut self.slots else { return Err(Unnumbered::LookUp) };
        if !ask.whole && comparer.session.cannot_differ(slots, read) {
            return Err(Unnumbered::CannotChange);
        }
        let Some(key) = comparer.session.key(slots, read) else {
            let may_differ = ask.whole || comparer.session.may_differ(slots, read);
            return Err(if may_differ { Unnumbered::LookUp } else { Unnumbered::CannotChange });
        };
        let key = key | (u128::from(ask.listed) << 127);
        let known = self.known.get(&key).copied();
        let mut memo =
            known.unwrap_or_else(|| Memo { number: UNLEARNED, may_differ: comparer.session.may_differ(slots, read) });
        let settled = !ask.whole && !memo.may_differ;
        if !settled && memo.number == UNLEARNED {
            ask.read_lasting(&mut comparer.session.state, read);
            memo.number = self.learn(comparer, ask, !memo.may_differ);
        }
        if known.is_none_or(|known| known.number != memo.number) {
            *remembered += usize::from(known.is_none());
            self.known.insert(key, memo);
        }
        if settled { Err(Unnumbered::CannotChange) } else { Ok(memo.number) }
    }

    /// Works the verdict out for the classes of the header at hand; its number. `same` where both answers are the same.
    #[cold]
    fn learn(&mut self, comparer: &mut Comparer, ask: &Ask, same: bool) -> u32 {
        let Ask { pair, at, listed, .. } = *ask;
        let kind = &pair.types[at];
        let same = same || kind.same;
        let new = Part::new(comparer, pair.new, kind, kind.new, listed);
        let old = (!same).then(|| Part::new(comparer, pair.old, kind, kind.old, listed));
        let identity = &mut self.identity;
        identity.clear();
        identity.push(usize::from(same));
        new.identify(identity);
        old.iter().for_each(|old| old.identify(identity));
        if let Some(number) = self.shared.get(identity.as_slice()) {
            return *number;
        }
        let number = self.verdicts.len() as u32;
        let Nature { tame, keyed } = *self.nature.get_or_insert_with(|| {
            let sides = [(pair.old, kind.old), (pair.new, kind.new)];
            let rules = || sides.iter().filter_map(|(side, plan)| Some(comparer.session.rmap(*side, (*plan)?)));
            Nature {
                tame: rules().all(|rules| rules.is_tame()),
                keyed: rules().all(|rules| !rules.tree.text.contains('\0')),
            }
        });
        self.verdicts.push(match &old {
            _ if !keyed => Verdict::Unknown,
            None if tame => same_verdict(comparer, pair, at, &new),
            old => verdict(comparer, pair, at, old.as_ref().unwrap_or(&new), &new, tame),
        });
        self.shared.insert(identity.as_slice().into(), number);
        number
    }
}
