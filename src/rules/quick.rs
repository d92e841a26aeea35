//! Whether a dataset is listed, and nothing more: what `--print-affected` asks (RS 15.4).
//!
//! A dataset is listed when some type changes and none fails. Per type the verdict on both contexts together is
//! remembered by the classes of the values that either looks at; where it depends on the date too, it is kept as the
//! dates at which it changes, so that types whose tables say the same are never looked up twice.

use super::compare::{Asked, Change, Comparer, Pair, PairType, plain};
use super::engine::{Dated, KeyMap, Kid, Outcome, Resolved, Session, ShortMap, SideId, Slots, TableRef, Why};
use super::rmap::Rmap;
use super::tree::{Node, NodeId, Terminal};

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

/// The word on a type for headers of the same classes.
#[derive(Debug)]
enum Verdict {
    Always(Word),
    ByDate(ByDate),
    /// Only looking up can tell.
    Unknown,
}

#[derive(Debug)]
struct ByDate {
    kids: Vec<Kid>,
    /// For a date that cannot be used.
    bad: Word,
    /// Before the first step.
    first: Word,
    /// In ascending order, no two neighbours alike.
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    prefix: [u64; 3],
    key: Box<str>,
    word: Word,
}

/// What is remembered about one type.
#[derive(Debug)]
struct Kind {
    /// How often it put a dataset out.
    outs: u64,
    /// Nothing where its answers must be looked up.
    slots: Option<Slots>,
    /// By key of classes.
    known: KeyMap<u32>,
    verdicts: Vec<Verdict>,
    /// By what is behind a verdict, so that different classes share it.
    shared: ShortMap<Box<[usize]>, u32>,
    /// No entry of its tables puts a dataset out: all are names of files, or "not applicable".
    tame: Option<bool>,
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
    pub(super) fn new(session: &mut Session, pair: &Pair) -> Self {
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
                tame: None,
            }
        });
        let kinds: Vec<Kind> = kinds.collect();
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
            waiting: Vec::new(),
            until_sorted: 64,
        }
    }

    /// Whether the dataset at hand is listed; `rest` is called once before the first type that does not differ.
    pub(super) fn is_listed(
        &mut self,
        comparer: &mut Comparer,
        pair: &Pair,
        wanted: &Wanted,
        rest: impl FnOnce(&mut Comparer),
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
            match self.kinds[at].word(comparer, pair, at, wanted.listed, update, &mut self.remembered) {
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
        for at in self.waiting.iter().copied() {
            if self.kinds[at].word(comparer, pair, at, wanted.listed, true, &mut self.remembered) == Some(Word::Out) {
                return false;
            }
        }
        rest(comparer);
        let Self { same, kinds, remembered, .. } = self;
        same.iter()
            .filter(|at| wanted.has(**at))
            .all(|at| kinds[*at].word(comparer, pair, *at, wanted.listed, true, remembered) != Some(Word::Out))
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
        self.generation = generation;
        self.remembered = 0;
    }
}

/// The word on a type by looking it up under both contexts.
#[cold]
fn looked_up(comparer: &mut Comparer, pair: &Pair, at: usize, listed: bool) -> Word {
    let kind = &pair.types[at];
    let new = comparer.outcome(pair.new, kind, kind.new, listed);
    if kind.same {
        return word_of(comparer, pair, at, &new, &new);
    }
    let old = comparer.outcome(pair.old, kind, kind.old, listed);
    word_of(comparer, pair, at, &old, &new)
}

/// What two answers make of a dataset.
fn word_of(comparer: &Comparer, pair: &Pair, at: usize, old: &Asked, new: &Asked) -> Word {
    let mut change = Change::default();
    if comparer.clearly_equal(old, new) {
        return Word::Same;
    }
    // Two ordinary names of files need no second look.
    if let (Asked::Answer(old), Asked::Answer(new)) = (old, new)
        && let (Some(old), Some(new)) = (comparer.session.file(old), comparer.session.file(new))
        && [old, new].iter().all(|name| plain(name) && name.is_ascii())
    {
        return if old.eq_ignore_ascii_case(new) { Word::Same } else { Word::Update };
    }
    let name = &pair.types[at].name;
    let (old, new) = (comparer.best(&pair.types[at], old), comparer.best(&pair.types[at], new));
    match comparer.one(&mut change, pair, name, old, new) {
        Err(_) => Word::Out,
        Ok(()) if !change.killed.is_empty() => Word::Out,
        Ok(()) if !change.updates.is_empty() => Word::Update,
        Ok(()) => Word::Same,
    }
}

/// One side of a verdict: tables to be searched for a date, and the answer where none has an entry (or there is none).
struct Part {
    dated: Option<Dated>,
    end: Asked,
}

/// An entry that a date can find.
struct Flat<'s> {
    prefix: [u64; 3],
    key: &'s str,
    choice: NodeId,
}

/// Whether every terminal is an ordinary file name or says "not applicable".
fn is_tame(rmap: &Rmap) -> bool {
    rmap.tree.nodes.iter().all(|node| match node {
        Node::Terminal(Terminal::File(name)) => plain(name),
        Node::Terminal(Terminal::Many(_) | Terminal::Other(_)) => false,
        _ => true,
    })
}

fn failed(why: &str) -> Outcome {
    Outcome::Failed(Why::text(why))
}

impl Part {
    fn new(comparer: &mut Comparer, side: SideId, kind: &PairType, plan: Option<usize>, listed: bool) -> Self {
        let Some(plan) = plan else {
            return Self { dated: None, end: comparer.outcome(side, kind, plan, listed) };
        };
        match comparer.session.resolve(side, plan) {
            Resolved::Settled(outcome) => Self { dated: None, end: Asked::Answer(outcome) },
            Resolved::Dated(dated) => {
                let end = dated.end.clone().unwrap_or_else(|| failed("No selection"));
                Self { dated: Some(dated), end: Asked::Answer(end) }
            }
        }
    }

    /// The answer for a date that cannot be used.
    fn bad(&self) -> Asked {
        match &self.dated {
            None => self.end.clone(),
            Some(dated) if dated.fails => Asked::Answer(failed("date")),
            Some(_) => Asked::Answer(Outcome::NotApplicable),
        }
    }

    /// Adds to what tells a verdict from others. Texts of failures do not: all of them put a dataset out.
    fn identify(&self, out: &mut Vec<usize>) {
        match &self.end {
            Asked::Unknown => out.push(1),
            Asked::Answer(Outcome::One(_, id)) => out.extend([2, id.0 as usize]),
            Asked::Answer(Outcome::Several(..)) => out.push(3),
            Asked::Answer(Outcome::NotApplicable) => out.push(4),
            Asked::Answer(Outcome::Omit) => out.push(5),
            Asked::Answer(Outcome::Failed(Why::NoMatch)) => out.push(6),
            Asked::Answer(Outcome::Failed(_)) => out.push(7),
        }
        if let Some(dated) = &self.dated {
            out.extend([8 + usize::from(dated.fails), dated.tables.len()]);
            out.extend(dated.tables.iter().map(TableRef::identity));
        }
    }

    /// The entries that a date can find, in ascending order of keys.
    fn flat<'s>(&'s self, session: &'s Session) -> Vec<Flat<'s>> {
        let Some(dated) = &self.dated else { return Vec::new() };
        let tree = &session.rules(dated.runtime).tree;
        let mut flat: Vec<Flat<'s>> = Vec::new();
        for table in &dated.tables {
            // Of a later table only what lies before every entry of the earlier ones.
            let mut before: Vec<Flat<'s>> = Vec::new();
            for entry in table.parts(tree).1 {
                let key = tree.key(entry);
                if flat.first().is_some_and(|first| (entry.prefix, key) >= (first.prefix, first.key)) {
                    break;
                }
                before.push(Flat { prefix: entry.prefix, key, choice: entry.choice });
            }
            before.append(&mut flat);
            flat = before;
        }
        flat
    }

    /// The answer of an entry.
    fn answer(&self, session: &Session, choice: NodeId) -> Asked {
        match &self.dated {
            Some(dated) => Asked::Answer(session.settled(dated.runtime, choice)),
            None => self.end.clone(),
        }
    }
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
        pair: &Pair,
        at: usize,
        listed: bool,
        whole: bool,
        remembered: &mut usize,
    ) -> Option<Word> {
        let seen = self.slots.as_mut().map(|slots| comparer.session.look(slots));
        if !whole && seen.is_some_and(|seen| !seen.may_differ) {
            return None;
        }
        let Some(key) = seen.and_then(|seen| seen.key).map(|key| key | (u128::from(listed) << 127)) else {
            return Some(looked_up(comparer, pair, at, listed));
        };
        let number = match self.known.get(&key) {
            Some(number) => *number,
            None => {
                *remembered += 1;
                let same = pair.types[at].same || seen.is_some_and(|seen| !seen.may_differ);
                let number = self.learn(comparer, pair, at, listed, same);
                self.known.insert(key, number);
                number
            }
        };
        match &self.verdicts[number as usize] {
            Verdict::Always(word) => Some(*word),
            Verdict::Unknown => Some(looked_up(comparer, pair, at, listed)),
            Verdict::ByDate(by) if by.steps.is_empty() && by.first == Word::Same && !whole => None,
            Verdict::ByDate(by) => Some(match comparer.session.date(&by.kids) {
                Err(_) => by.bad,
                Ok(date) => {
                    let text = date.text.as_str();
                    let before = by.steps.partition_point(|step| (step.prefix, &*step.key) <= (date.prefix, text));
                    before.checked_sub(1).map_or(by.first, |at| by.steps[at].word)
                }
            }),
        }
    }

    /// Works the verdict out for the classes of the header at hand; its number. `same` where both answers are the same.
    #[cold]
    fn learn(&mut self, comparer: &mut Comparer, pair: &Pair, at: usize, listed: bool, same: bool) -> u32 {
        let kind = &pair.types[at];
        let new = Part::new(comparer, pair.new, kind, kind.new, listed);
        let old = (!same).then(|| Part::new(comparer, pair.old, kind, kind.old, listed));
        let mut identity = vec![usize::from(same)];
        new.identify(&mut identity);
        old.iter().for_each(|old| old.identify(&mut identity));
        if let Some(number) = self.shared.get(identity.as_slice()) {
            return *number;
        }
        let number = self.verdicts.len() as u32;
        let tame = *self.tame.get_or_insert_with(|| {
            let sides = [(pair.old, kind.old), (pair.new, kind.new)];
            let rules = sides.iter().filter_map(|(side, plan)| Some(comparer.session.rmap(*side, (*plan)?)));
            rules.into_iter().all(|rules| is_tame(rules))
        });
        self.verdicts.push(match &old {
            None if tame => same_verdict(comparer, pair, at, &new),
            old => verdict(comparer, pair, at, old.as_ref().unwrap_or(&new), &new, tame),
        });
        self.shared.insert(identity.into_boxed_slice(), number);
        number
    }
}

/// The verdict where both answers are the same and no entry puts a dataset out: only having none can.
fn same_verdict(comparer: &Comparer, pair: &Pair, at: usize, part: &Part) -> Verdict {
    let first = word_of(comparer, pair, at, &part.end, &part.end);
    let Some(dated) = &part.dated else { return Verdict::Always(first) };
    let bad = word_of(comparer, pair, at, &part.bad(), &part.bad());
    let tree = &comparer.session.rules(dated.runtime).tree;
    let entries = dated.tables.iter().filter_map(|table| table.parts(tree).1.first());
    let mut steps = Vec::new();
    if first != Word::Same
        && let Some(entry) = entries.min_by(|one, other| tree.key_order(one, other))
    {
        steps.push(Step { prefix: entry.prefix, key: tree.key(entry).into(), word: Word::Same });
    }
    if steps.is_empty() && bad == first {
        return Verdict::Always(first);
    }
    Verdict::ByDate(ByDate { kids: dated.kids.clone(), bad, first, steps })
}

fn verdict(comparer: &Comparer, pair: &Pair, at: usize, old: &Part, new: &Part, tame: bool) -> Verdict {
    let first = word_of(comparer, pair, at, &old.end, &new.end);
    let kids = match (&old.dated, &new.dated) {
        (None, None) => return Verdict::Always(first),
        (Some(old), Some(new)) if old.kids != new.kids => return Verdict::Unknown,
        (Some(dated), _) | (None, Some(dated)) => dated.kids.clone(),
    };
    let session = &comparer.session;
    let word = |choices: [Option<NodeId>; 2]| {
        // Nearly every entry is a file on both sides.
        if let ([Some(one), Some(other)], [Some(old), Some(new)], true) = (choices, [&old.dated, &new.dated], tame)
            && let Node::Terminal(Terminal::File(one)) = session.rules(old.runtime).tree.node(one)
            && let Node::Terminal(Terminal::File(other)) = session.rules(new.runtime).tree.node(other)
            && one.is_ascii()
            && other.is_ascii()
        {
            return if one.eq_ignore_ascii_case(other) { Word::Same } else { Word::Update };
        }
        let answer = |part: &Part, choice: Option<NodeId>| match choice {
            Some(choice) => part.answer(session, choice),
            None => part.end.clone(),
        };
        word_of(comparer, pair, at, &answer(old, choices[0]), &answer(new, choices[1]))
    };
    let (olds, news) = (old.flat(session), new.flat(session));
    let (mut olds, mut news) = (olds.iter().peekable(), news.iter().peekable());
    let mut now = [None; 2];
    let (mut steps, mut last): (Vec<Step>, Word) = (Vec::new(), first);
    loop {
        let (prefix, key) = match (olds.peek(), news.peek()) {
            (None, None) => break,
            (Some(one), None) | (None, Some(one)) => (one.prefix, one.key),
            (Some(old), Some(new)) => (old.prefix, old.key).min((new.prefix, new.key)),
        };
        let here = |flat: &&Flat<'_>| flat.prefix == prefix && flat.key == key;
        if let Some(flat) = olds.next_if(here) {
            now[0] = Some(flat.choice);
        }
        if let Some(flat) = news.next_if(here) {
            now[1] = Some(flat.choice);
        }
        let word = word(now);
        if word != last {
            steps.push(Step { prefix, key: key.into(), word });
            last = word;
        }
    }
    let bad = word_of(comparer, pair, at, &old.bad(), &new.bad());
    if steps.is_empty() && bad == first {
        return Verdict::Always(first);
    }
    Verdict::ByDate(ByDate { kids, bad, first, steps })
}
