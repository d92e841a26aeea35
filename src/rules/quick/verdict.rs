//! Verdicts on one type under both contexts: always the same word, or words by date.

use std::cmp::Ordering;

use super::super::compare::{Asked, Change, Comparer, Pair, PairType};
use super::super::engine::{Dated, Kid, Outcome, Resolved, Session, SideId, Why};
use super::super::tree::{Entry, Node, NodeId, Terminal, Tree, is_plain_name, prefix_order, tail, tail_order};
use super::Word;

/// The word on a type for headers of the same classes.
#[derive(Debug)]
pub(super) enum Verdict {
    Always(Word),
    ByDate(ByDate),
    /// Only looking up can tell.
    Unknown,
}

#[derive(Debug)]
pub(super) struct ByDate {
    pub(super) kids: Vec<Kid>,
    /// For a date that cannot be used.
    pub(super) bad: Word,
    /// Before the first step.
    pub(super) first: Word,
    /// In ascending order, no two neighbours alike.
    pub(super) steps: Vec<Step>,
}

/// From this date on. Keys are kept by their prefix and tail.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) prefix: [u64; 3],
    pub(super) tail: Box<[u8]>,
    pub(super) word: Word,
}

/// What two answers make of a dataset.
pub(super) fn word_of(comparer: &Comparer, pair: &Pair, at: usize, old: &Asked, new: &Asked) -> Word {
    let mut change = Change::default();
    if comparer.clearly_equal(old, new) {
        return Word::Same;
    }
    // Two ordinary names of files need no second look.
    if let (Asked::Answer(old), Asked::Answer(new)) = (old, new)
        && let (Some(old), Some(new)) = (comparer.session.file(old), comparer.session.file(new))
        && [old, new].iter().all(|name| is_plain_name(name) && name.is_ascii())
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
pub(super) struct Part {
    dated: Option<Dated>,
    end: Asked,
}

/// An entry that a date can find.
struct Flat<'s> {
    prefix: &'s [u64; 3],
    tail: &'s [u8],
    choice: NodeId,
}

impl Flat<'_> {
    #[inline]
    fn order(&self, other: &Self) -> Ordering {
        prefix_order(self.prefix, other.prefix).then_with(|| tail_order(self.tail, other.tail))
    }
}

fn failed(why: &str) -> Outcome {
    Outcome::Failed(Why::text(why))
}

impl Part {
    pub(super) fn new(
        comparer: &mut Comparer,
        side: SideId,
        kind: &PairType,
        plan: Option<usize>,
        listed: bool,
    ) -> Self {
        let Some(plan) = plan else {
            return Self { dated: None, end: comparer.outcome(side, kind, plan, listed) };
        };
        match comparer.session.resolve(side, plan) {
            Resolved::Settled(outcome) => Self { dated: None, end: Asked::Answer(outcome) },
            Resolved::Dated(dated) => {
                let end = dated.end(comparer.session.rules(dated.runtime));
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
    pub(super) fn identify(&self, out: &mut Vec<usize>) {
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
            out.extend([8 + usize::from(dated.fails), dated.chain.number]);
        }
    }

    /// The entries that a date can find, in ascending order of keys.
    fn flat<'s>(&'s self, session: &'s Session) -> impl Iterator<Item = Flat<'s>> {
        let mut pieces: Vec<(&Tree, &[Entry])> = Vec::new();
        if let Some(dated) = &self.dated {
            let tree = &session.rules(dated.runtime).tree;
            for table in &dated.chain.tables {
                // Of a later table only what lies before every entry of the earlier ones.
                let least = pieces.last().and_then(|(_, entries)| entries.first());
                let before = |entry: &Entry| least.is_none_or(|least| tree.key_order(entry, least).is_lt());
                if table.first(tree).is_some_and(before) {
                    let entries = table.parts(tree).1;
                    pieces.push((tree, &entries[..entries.partition_point(before)]));
                }
            }
        }
        pieces.into_iter().rev().flat_map(|(tree, entries)| {
            entries.iter().map(|entry| Flat {
                prefix: &entry.prefix,
                tail: tail(tree.key(entry).as_bytes()),
                choice: entry.choice,
            })
        })
    }

    /// The answer of an entry.
    fn answer(&self, session: &Session, choice: NodeId) -> Asked {
        match &self.dated {
            Some(dated) => Asked::Answer(session.settled(dated.runtime, choice)),
            None => self.end.clone(),
        }
    }
}

/// The verdict where both answers are the same and no entry puts a dataset out: only having none can.
pub(super) fn same_verdict(comparer: &Comparer, pair: &Pair, at: usize, part: &Part) -> Verdict {
    let first = word_of(comparer, pair, at, &part.end, &part.end);
    let Some(dated) = &part.dated else { return Verdict::Always(first) };
    let bad = word_of(comparer, pair, at, &part.bad(), &part.bad());
    let tree = &comparer.session.rules(dated.runtime).tree;
    let entries = dated.chain.tables.iter().filter_map(|table| table.first(tree));
    let mut steps = Vec::new();
    if first != Word::Same
        && let Some(entry) = entries.min_by(|one, other| tree.key_order(one, other))
    {
        let tail = tail(tree.key(entry).as_bytes()).into();
        steps.push(Step { prefix: entry.prefix, tail, word: Word::Same });
    }
    if steps.is_empty() && bad == first {
        return Verdict::Always(first);
    }
    Verdict::ByDate(ByDate { kids: dated.chain.kids.clone(), bad, first, steps })
}

pub(super) fn verdict(comparer: &Comparer, pair: &Pair, at: usize, old: &Part, new: &Part, tame: bool) -> Verdict {
    let first = word_of(comparer, pair, at, &old.end, &new.end);
    let kids = match (&old.dated, &new.dated) {
        (None, None) => return Verdict::Always(first),
        (Some(old), Some(new)) if old.chain.kids != new.chain.kids => return Verdict::Unknown,
        (Some(dated), _) | (None, Some(dated)) => dated.chain.kids.clone(),
    };
    let session = &comparer.session;
    let word = |choices: [Option<NodeId>; 2]| {
        // Nearly every entry is a file on both sides.
        if let ([Some(one), Some(other)], [Some(old), Some(new)], true) = (choices, [&old.dated, &new.dated], tame)
            && let Node::Terminal(Terminal::File(one)) = session.rules(old.runtime).tree.node(one)
            && let Node::Terminal(Terminal::File(other)) = session.rules(new.runtime).tree.node(other)
        {
            if one == other {
                return Word::Same;
            }
            if one.is_ascii() && other.is_ascii() {
                return if one.eq_ignore_ascii_case(other) { Word::Same } else { Word::Update };
            }
        }
        let answer = |part: &Part, choice: Option<NodeId>| match choice {
            Some(choice) => part.answer(session, choice),
            None => part.end.clone(),
        };
        word_of(comparer, pair, at, &answer(old, choices[0]), &answer(new, choices[1]))
    };
    let (mut olds, mut news) = (old.flat(session).peekable(), new.flat(session).peekable());
    let mut now = [None; 2];
    let (mut steps, mut last): (Vec<Step>, Word) = (Vec::new(), first);
    loop {
        let order = match (olds.peek(), news.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.order(new),
        };
        let old = if order.is_le() { olds.next() } else { None };
        let new = if order.is_ge() { news.next() } else { None };
        for (now, flat) in now.iter_mut().zip([&old, &new]) {
            *now = flat.as_ref().map(|flat| flat.choice).or(*now);
        }
        let word = word(now);
        if let Some(flat) = old.or(new).filter(|_| word != last) {
            steps.push(Step { prefix: *flat.prefix, tail: flat.tail.into(), word });
            last = word;
        }
    }
    let bad = word_of(comparer, pair, at, &old.bad(), &new.bad());
    if steps.is_empty() && bad == first {
        return Verdict::Always(first);
    }
    Verdict::ByDate(ByDate { kids, bad, first, steps })
}
