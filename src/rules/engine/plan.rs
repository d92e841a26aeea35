//! How the rules of one instrument of one context look at a header.

use std::collections::BTreeMap;

use super::super::expr::Expr;
use super::super::hooks::{HOOK_KEYS, HookKey};
use super::super::load::{Imap, TypeEntry};
use super::super::rmap::Rmap;

/// The number of a keyword in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kid(pub(crate) u32);

/// What a name of an expression stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Name {
    /// A keyword of the header.
    Key(Kid),
    /// The word `keep_comments`, always false in lookups.
    KeepComments,
    /// Nothing: the expression fails when it gets there.
    Missing,
}

/// What the names of an expression stand for.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) names: Vec<Name>,
    /// Where a session remembers what the expression came to; any two differ in it.
    pub(super) memo: usize,
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.names == other.names
    }
}

/// A condition on the header.
#[derive(Debug, PartialEq)]
pub(super) enum Condition {
    /// Always that.
    Constant(bool),
    /// Depends on the named keywords.
    Expr(Names),
}

/// A type of an instrument, with the names of its expressions resolved.
#[derive(Debug)]
pub(super) struct TypePlan {
    pub(super) runtime: usize,
    pub(super) omit: Condition,
    pub(super) relevance: Condition,
    /// Parkey, names seen by the expression in the whole header, names seen after a fallback.
    pub(super) parkeys: Vec<(Kid, Names, Names)>,
}

impl TypePlan {
    /// The names of all its expressions.
    pub(super) fn names(&self) -> impl Iterator<Item = &Names> {
        let conditions = [&self.omit, &self.relevance].into_iter().filter_map(|condition| match condition {
            Condition::Expr(names) => Some(names),
            Condition::Constant(_) => None,
        });
        conditions.chain(self.parkeys.iter().flat_map(|(_, whole, own)| [whole, own]))
    }
}

/// What a type leads to in a plan.
#[derive(Debug)]
pub enum TypeRef {
    /// `NOT FOUND n/a`
    NotApplicable,
    /// Left out.
    Omit,
    /// Rules: index of the plan.
    Rules(usize),
}

/// One instrument of one context.
#[derive(Debug)]
pub(super) struct Side {
    /// The keywords of the minimised header.
    pub(super) keys: Vec<Kid>,
    pub(super) types: BTreeMap<String, TypeRef>,
    pub(super) plans: Vec<TypePlan>,
    /// The keyword behind each of the hooks' keys, where the header has it.
    pub(super) hooks: [Option<Kid>; HOOK_KEYS.len()],
}

/// Resolves the names of an expression: a dotted keyword answers to its underscore form, before a plain one.
fn resolve(expr: &Expr, keys: &[(&str, Kid)]) -> Vec<Name> {
    let find = |name: &String| {
        let dotted = keys.iter().rev().find(|(key, _)| key.contains('.') && key.replace('.', "_") == *name);
        match dotted.or_else(|| keys.iter().find(|(key, _)| key == name)) {
            Some((_, kid)) => Name::Key(*kid),
            None => Name::Missing,
        }
    };
    expr.names.iter().map(find).collect()
}

fn condition(expr: &Expr, keys: &[(&str, Kid)], memo: &mut impl FnMut() -> usize) -> Condition {
    if expr.names.is_empty()
        && let Ok(truth) = expr.truth(&|_| None)
    {
        return Condition::Constant(truth);
    }
    Condition::Expr(Names { names: resolve(expr, keys), memo: memo() })
}

impl Side {
    /// Plans an instrument; `kid` numbers a keyword, `runtime` the working memory of an rmap, `memo` an expression.
    pub(super) fn new(
        imap: &Imap,
        context_key: &str,
        mut kid: impl FnMut(&str) -> Kid,
        mut runtime: impl FnMut(&std::sync::Arc<Rmap>) -> usize,
        mut memo: impl FnMut() -> usize,
    ) -> Self {
        let mut keys: Vec<(&str, Kid)> = imap.keys.iter().map(|key| (key.as_str(), kid(key))).collect();
        if !keys.iter().any(|(key, _)| *key == context_key) {
            keys.push((context_key, kid(context_key)));
        }
        let mut side = Self {
            keys: keys.iter().map(|(_, kid)| *kid).collect(),
            types: BTreeMap::new(),
            plans: Vec::new(),
            hooks: HOOK_KEYS.map(|name| keys.iter().find(|(key, _)| *key == name).map(|(_, kid)| *kid)),
        };
        for (name, entry) in &imap.types {
            let entry = match entry {
                TypeEntry::NotApplicable(_) => TypeRef::NotApplicable,
                TypeEntry::Omit(_) => TypeRef::Omit,
                TypeEntry::Rmap(rmap) => {
                    let own: Vec<(&str, Kid)> = rmap.required.iter().map(|key| (key.as_str(), kid(key))).collect();
                    let parkeys = rmap.parkey_relevance.iter().map(|(at, expr)| {
                        let comments = |(name, resolved): (&String, Name)| match resolved {
                            Name::Missing | Name::Key(_) if name == "keep_comments" => Name::KeepComments,
                            other => other,
                        };
                        let mut names = |keys| Names {
                            names: expr.names.iter().zip(resolve(expr, keys)).map(comments).collect(),
                            memo: memo(),
                        };
                        (own[*at].1, names(&keys), names(&own))
                    });
                    let parkeys = parkeys.collect();
                    side.plans.push(TypePlan {
                        runtime: runtime(rmap),
                        omit: condition(&rmap.omit, &keys, &mut memo),
                        relevance: condition(&rmap.relevance, &keys, &mut memo),
                        parkeys,
                    });
                    TypeRef::Rules(side.plans.len() - 1)
                }
            };
            side.types.insert(name.clone(), entry);
        }
        side
    }
}

/// Whether every name that two plans look at beyond their own parkeys stands for the same in both; their rmaps must say
/// the same about hooks.
pub(super) fn sees_the_same(a: (&Side, &TypePlan), b: (&Side, &TypePlan), rmap: &Rmap) -> bool {
    let hooked = rmap.precondition.is_some() || rmap.fallback.is_some();
    let reprocess = [HookKey::Detector, HookKey::CcdGain].map(|key| key as usize);
    a.1.omit == b.1.omit
        && a.1.relevance == b.1.relevance
        && a.1.parkeys == b.1.parkeys
        && reprocess.iter().all(|key| a.0.hooks[*key] == b.0.hooks[*key])
        && (!hooked || a.0.hooks == b.0.hooks)
}
