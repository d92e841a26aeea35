//! What differs between two versions of one rmap, case by case.
//!
//! A delivery changes a few cases of a `Match` and leaves hundreds as they were. A header that no changed case can take,
//! old or new, has the same answer under both; so the two need not be looked up to know that nothing changes.

use super::super::rmap::Rmap;
use super::super::tree::{MatchNode, Node, NodeId, TableNode};
use super::choose::Runtime;
use super::plan::{Kid, Side, TypePlan, sees_the_same};

/// The cases that differ between two rmaps.
#[derive(Debug)]
pub struct Delta {
    /// Old and new, one bit per case.
    sides: [Vec<u64>; 2],
}

impl Delta {
    /// What is left of the cases that differ on one side: no bit where none survives. Cases share bits.
    pub fn left(&self, side: usize, survivors: &[u64]) -> u64 {
        self.sides[side].iter().zip(survivors).fold(0, |left, (own, other)| left | (own & other))
    }
}

/// Compares two plans; nothing where more than cases differs. Also the keywords that hooks or relevance may change
/// before the cases are looked at.
pub(super) fn delta(
    old: (&Side, &TypePlan),
    new: (&Side, &TypePlan),
    runtimes: &[Runtime],
) -> Option<(Delta, Vec<Kid>)> {
    let (a, b) = (&runtimes[old.1.runtime], &runtimes[new.1.runtime]);
    if a.merges != b.merges || !alike(&a.rmap, &b.rmap) || !sees_the_same(old, new, &a.rmap) {
        return None;
    }
    let (Node::Match(one), Node::Match(other)) = (a.rmap.tree.node(a.rmap.root), b.rmap.tree.node(b.rmap.root)) else {
        return None;
    };
    let mut changed: Vec<Kid> = old.1.parkeys.iter().map(|(kid, ..)| *kid).collect();
    for hook in a.rmap.precondition.iter().chain(&a.rmap.fallback) {
        changed.extend(hook.changes().iter().filter_map(|key| old.0.hooks[*key as usize]));
    }
    if one.params.len() != other.params.len() {
        return None;
    }
    for (one, other) in one.params.iter().zip(&other.params) {
        let kid = a.params[one.param];
        // The value of a changed keyword is not known beforehand, so both must refuse the same values.
        let same = kid == b.params[other.param]
            && one.substitutions == other.substitutions
            && (one.valid == other.valid || !changed.contains(&kid));
        if !same {
            return None;
        }
    }
    Some((Delta { sides: changed_cases((&a.rmap, one), (&b.rmap, other)) }, changed))
}

/// The cases of which the other rmap says something else or nothing, one bit per case.
fn changed_cases(one: (&Rmap, &MatchNode), other: (&Rmap, &MatchNode)) -> [Vec<u64>; 2] {
    let mut sides = [one.1, other.1].map(|node| vec![0; node.choices.len().div_ceil(64)]);
    for pair in pairs(one.1, other.1) {
        let same = matches!(pair, (Some(at), Some(case))
            if same_below((one.0, one.1.choices[at]), (other.0, other.1.choices[case])));
        for (side, case) in sides.iter_mut().zip([pair.0, pair.1]).filter(|_| !same) {
            case.iter().for_each(|case| side[case / 64] |= 1 << (case % 64));
        }
    }
    sides
}

/// Whether two rmaps look at a header in the same way, whatever their cases.
fn alike(a: &Rmap, b: &Rmap) -> bool {
    a.observatory == b.observatory
        && a.required == b.required
        && a.omit == b.omit
        && a.relevance == b.relevance
        && a.parkey_relevance == b.parkey_relevance
        && a.precondition == b.precondition
        && a.fallback == b.fallback
        && a.is_required == b.is_required
}

/// The cases of both by key, which both have in ascending order.
fn pairs<'n>(
    one: &'n MatchNode,
    other: &'n MatchNode,
) -> impl Iterator<Item = (Option<usize>, Option<usize>)> + use<'n> {
    let (mut at, mut case) = (0, 0);
    std::iter::from_fn(move || {
        let order = match (one.keys.get(at), other.keys.get(case)) {
            (None, None) => return None,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(one), Some(other)) => one.cmp(other),
        };
        let pair = (order.is_le().then_some(at), order.is_ge().then_some(case));
        at += usize::from(order.is_le());
        case += usize::from(order.is_ge());
        Some(pair)
    })
}

/// Whether two choices say the same. Only terminals and tables of terminals are compared.
fn same_below(one: (&Rmap, NodeId), other: (&Rmap, NodeId)) -> bool {
    let (a, b) = (&one.0.tree, &other.0.tree);
    let names = |tables: [&TableNode; 2]| {
        let name = |at: &usize, of: usize| [&a.params, &b.params][of][*at].as_str();
        tables[0].params.len() == tables[1].params.len()
            && tables[0].params.iter().zip(&tables[1].params).all(|(one, other)| name(one, 0) == name(other, 1))
    };
    match (a.node(one.1), b.node(other.1)) {
        (Node::Terminal(one), Node::Terminal(other)) => one == other,
        (Node::Table(one), Node::Table(other)) => {
            one.kind == other.kind
                && one.entries.len() == other.entries.len()
                && names([one, other])
                && one.entries.iter().zip(&other.entries).all(|(one, other)| {
                    let choices = (a.node(one.choice), b.node(other.choice));
                    let same = matches!(choices, (Node::Terminal(one), Node::Terminal(other)) if one == other);
                    same && one.prefix == other.prefix && a.key(one) == b.key(other)
                })
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rmap(cases: &str) -> Rmap {
        let text = format!(
            "header = {{'mapping': 'REFERENCE', 'observatory': 'HST', 'instrument': 'ACS', 'filekind': 'DARKFILE', \
             'name': 'x.rmap', 'derived_from': 'y', 'parkey': (('DETECTOR',), ('DATE-OBS', 'TIME-OBS'))}}\n\
             selector = Match({{{cases}}})\n"
        );
        Rmap::parse(text.as_bytes(), "x.rmap").expect("rules")
    }

    fn changed(one: &str, other: &str) -> [u64; 2] {
        let rmaps = [rmap(one), rmap(other)];
        let (Node::Match(a), Node::Match(b)) = (rmaps[0].tree.node(rmaps[0].root), rmaps[1].tree.node(rmaps[1].root))
        else {
            panic!("no match")
        };
        changed_cases((&rmaps[0], a), (&rmaps[1], b)).map(|side| side[0])
    }

    #[test]
    fn cases_that_say_the_same_are_told_from_those_that_do_not() {
        let table = |date: &str, file: &str| format!("UseAfter({{'{date}': '{file}'}})");
        let (a, b) = (table("2001-01-01 00:00:00", "a.fits"), table("2001-01-01 00:00:00", "b.fits"));
        let later = table("2001-01-01 00:00:01", "a.fits");
        // The order in which they are written does not matter; the bits are in the order of keys.
        assert_eq!(changed(&format!("'HRC': {a}, 'WFC': {b}"), &format!("'WFC': {b}, 'HRC': {a}")), [0, 0]);
        assert_eq!(changed(&format!("'HRC': {a}, 'WFC': {b}"), &format!("'HRC': {a}, 'WFC': {a}")), [0b10, 0b10]);
        assert_eq!(changed(&format!("'HRC': {a}"), &format!("'HRC': {later}")), [1, 1]);
        assert_eq!(changed(&format!("'HRC': {a}"), &format!("'HRC': {a}, 'SBC': {a}, 'ANY': {a}")), [0, 0b101]);
        assert_eq!(changed(&format!("'HRC': {a}"), "'HRC': 'a.fits'"), [1, 1]);
        assert_eq!(changed("'HRC': 'a.fits', 'WFC': 'N/A'", "'HRC': 'a.fits', 'WFC': 'OMIT'"), [0b10, 0b10]);
        let two = |last: &str| format!("'HRC': UseAfter({{'2001': 'a.fits', '2002': '{last}'}})");
        assert_eq!(changed(&two("b.fits"), &two("b.fits")), [0, 0]);
        assert_eq!(changed(&two("b.fits"), &two("c.fits")), [1, 1]);
        // What lies deeper is not compared, so it counts as different.
        let deep = "'HRC': Match({('2001', '2'): 'a.fits'})";
        assert_eq!(changed(deep, deep), [1, 1]);
    }
}
