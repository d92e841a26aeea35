//! What changes for one dataset between two contexts (RS 15.3).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::answer::Best;
use super::dataset::{self, Conditioned, Header};
use super::engine::{Kid, Outcome, Session, SideId, TypeRef, Why};
use super::load::Context;
use super::lookup::{DatasetError, exposure};
use super::python::repr;
use super::tree::is_plain_name;

/// How two answers are compared.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// `--undefined-differences-matter`: no match and an absent type in the new context are failures, not `N/A`.
    pub undefined_matters: bool,
    /// Only these types (lower case), or all that apply.
    pub types: Option<Vec<String>>,
    /// Types left out, whatever their case; only where they are written in lower case are they taken off the list of
    /// types asked for, and a list that becomes empty stands for all types (RS 15.2).
    pub skip_types: Vec<String>,
    /// `--all-types`: do not ask which types the exposure needs.
    pub all_types: bool,
    /// `--diffs-only`: per instrument (lower case) the types that differ; datasets of other instruments are left out.
    pub only: Option<BTreeMap<String, Vec<String>>>,
    /// Work out every type of every dataset, so that all failures and ties are known, not only those of datasets with
    /// a change.
    pub every_type: bool,
    /// Do not fail a dataset with a tie as the client does: note the tie and compare it as a text.
    pub keep_ties: bool,
    /// The calibration version of JWST headers that name none.
    pub calibration_version: Option<String>,
}

/// A type whose best reference changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Lower case.
    pub filekind: String,
    /// The old reference in upper case, `N/A`, or the text of a failure.
    pub old: String,
    /// The new reference in upper case, or `N/A`.
    pub new: String,
}

/// A type that fails under the new context and so hides its dataset from `--print-affected`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Killed {
    /// Lower case.
    pub filekind: String,
    /// What the lookup gave, in upper case.
    pub reason: String,
}

/// What changes for one dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Upper case.
    pub instrument: String,
    /// Sorted by type.
    pub updates: Vec<Update>,
    /// Sorted by type. Empty for datasets without updates, unless every type was asked for.
    pub killed: Vec<Killed>,
    /// Types with several best references, where ties are kept: type, whether under the new context, references.
    pub ties: Vec<(String, bool, String)>,
}

impl Change {
    /// Whether `--print-affected` lists the dataset's product for it.
    pub fn is_listed(&self) -> bool {
        !self.updates.is_empty() && self.killed.is_empty()
    }

    /// Whether there is nothing to say.
    pub fn is_nothing(&self) -> bool {
        self.updates.is_empty() && self.killed.is_empty() && self.ties.is_empty()
    }
}

/// One answer in the form in which answers are compared.
enum Side {
    Fine(String),
    Bad(String),
    /// The client cannot compare it at all.
    Tuple,
}

/// What one side says when asked for a type.
#[derive(Debug, Clone)]
pub(super) enum Asked {
    /// It does not know the type.
    Unknown,
    /// Its answer.
    Answer(Outcome),
}

/// One type of an instrument under two contexts.
#[derive(Debug)]
pub(super) struct PairType {
    pub(super) name: String,
    pub(super) old: Option<usize>,
    pub(super) new: Option<usize>,
    /// The two always give the same answer.
    pub(super) same: bool,
    /// The keywords that decide them.
    pub(super) kids: Vec<Kid>,
}

/// One instrument under two contexts.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) old: SideId,
    pub(super) new: SideId,
    instrument: String,
    pub(super) types: Vec<PairType>,
    /// Keywords that the types that differ depend on, and all others.
    pub(super) first: Vec<Kid>,
    pub(super) rest: Vec<Kid>,
}

/// Compares datasets under two contexts. One per thread.
pub struct Comparer {
    old: Context,
    new: Context,
    mode: Comparison,
    /// Lower case.
    skipped: Vec<String>,
    pub(super) session: Session,
    pairs: HashMap<String, Result<Arc<Pair>, DatasetError>>,
    instrument_kids: Vec<Kid>,
}

impl Comparer {
    /// A comparer of two contexts of one observatory.
    pub fn new(old: &Context, new: &Context, mode: Comparison) -> Self {
        Self {
            old: old.clone(),
            new: new.clone(),
            skipped: mode.skip_types.iter().map(|name| name.to_lowercase()).collect(),
            mode,
            session: Session::new(),
            pairs: HashMap::new(),
            instrument_kids: Vec::new(),
        }
    }

    /// Compares the answers for one dataset; nothing where its instrument is left out.
    ///
    /// # Errors
    ///
    /// A dataset that the client fails as a whole.
    pub fn compare(&mut self, header: &Header) -> Result<Option<Change>, DatasetError> {
        let instrument = dataset::instrument(header).map_err(DatasetError::Instrument)?;
        let conditioned = Conditioned::new(header, self.new.observatory(), &instrument);
        let rules = super::lookup::rules_instrument(&self.new, &conditioned, &instrument);
        let pair = self.pair(&rules)?;
        for context in [&self.new, &self.old] {
            super::lookup::still_named(context, &conditioned, &rules)?;
        }
        let asked_for_all = self.mode.all_types || self.mode.types.is_some();
        let needed = if self.new.observatory() == "jwst" && (self.mode.only.is_some() || !asked_for_all) {
            exposure(header, self.mode.calibration_version.as_deref()).types()
        } else {
            Arc::from([])
        };
        let wanted = match self.wanted(&instrument, &needed) {
            Some(wanted) => wanted,
            None => return Ok(None),
        };
        self.session.state.begin(pair.first.iter().chain(&pair.rest).copied());
        for kid in pair.first.iter().chain(&pair.rest) {
            if let Some(value) = conditioned.get(&self.session.keywords()[kid.0 as usize]) {
                self.session.state.put(*kid, value);
            }
        }
        let change = self.judge(&pair, &wanted, |_| {});
        self.session.trim();
        change.map(|change| Some(Change { instrument, ..change }))
    }

    /// The types to compare: `Some(None)` for all of either context, nothing where the dataset is left out (RS 15.2).
    #[allow(clippy::option_option)]
    fn wanted(&self, instrument: &str, exposure: &[&'static str]) -> Option<Option<Vec<String>>> {
        let needed = |name: &String| exposure.is_empty() || exposure.contains(&name.as_str());
        let wanted = match (&self.mode.only, &self.mode.types) {
            // What differs leaves a dataset out even where all types are asked for in the end.
            (Some(only), _) => {
                let differing = only.get(&instrument.to_lowercase())?;
                let types: Vec<String> = differing.iter().filter(|name| needed(name)).cloned().collect();
                if types.is_empty() {
                    return None;
                }
                types
            }
            (None, Some(types)) => types.clone(),
            (None, None) => exposure.iter().map(|name| (*name).to_owned()).collect(),
        };
        Some(self.asked(wanted))
    }

    /// The types of a list that are asked for; nothing for all.
    fn asked(&self, mut types: Vec<String>) -> Option<Vec<String>> {
        types.retain(|name| !self.mode.skip_types.contains(name));
        (!types.is_empty() && !self.mode.all_types).then_some(types)
    }

    /// The plan of an instrument under both contexts.
    pub(super) fn pair(&mut self, instrument: &str) -> Result<Arc<Pair>, DatasetError> {
        if let Some(pair) = self.pairs.get(instrument) {
            return pair.clone();
        }
        let pair = self.plan(instrument).map(Arc::new);
        let names = self.session.keywords().iter().zip(0..);
        let named = names.filter(|(name, _)| matches!(name.as_str(), "INSTRUME" | "META.INSTRUMENT.NAME"));
        self.instrument_kids = named.map(|(_, at)| Kid(at)).collect();
        self.pairs.insert(instrument.to_owned(), pair.clone());
        pair
    }

    fn plan(&mut self, instrument: &str) -> Result<Pair, DatasetError> {
        // The client asks the new context first.
        let new = super::lookup::side(&mut self.session, &self.new, instrument)?;
        let old = super::lookup::side(&mut self.session, &self.old, instrument)?;
        let session = &self.session;
        let mut names: Vec<&str> = session.types(new).chain(session.types(old)).map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        let mut types = Vec::new();
        let (mut first, mut rest) = (Vec::new(), Vec::new());
        for name in names {
            let (a, b) = (session.type_ref(old, name), session.type_ref(new, name));
            let plan = |entry: Option<&TypeRef>| match entry {
                Some(TypeRef::Rules(plan)) => Some(*plan),
                _ => None,
            };
            let same = match (a, b) {
                (Some(TypeRef::NotApplicable), Some(TypeRef::NotApplicable))
                | (Some(TypeRef::Omit), Some(TypeRef::Omit)) => true,
                (Some(TypeRef::Rules(a)), Some(TypeRef::Rules(b))) => session.same(old, *a, new, *b),
                _ => false,
            };
            let into = if same { &mut rest } else { &mut first };
            let mut kids: Vec<Kid> = [(old, plan(a)), (new, plan(b))]
                .into_iter()
                .filter_map(|(side, plan)| Some(session.keys_of(side, plan?)))
                .flatten()
                .collect();
            kids.sort_unstable();
            kids.dedup();
            into.extend_from_slice(&kids);
            types.push(PairType { name: name.to_owned(), old: plan(a), new: plan(b), same, kids });
        }
        for kids in [&mut first, &mut rest] {
            kids.sort_unstable();
            kids.dedup();
        }
        rest.retain(|kid| first.binary_search(kid).is_err());
        Ok(Pair { old, new, instrument: instrument.to_owned(), types, first, rest })
    }

    /// Asks one side for a type; `listed` where the type is asked for by name.
    pub(super) fn outcome(&mut self, side: SideId, kind: &PairType, plan: Option<usize>, listed: bool) -> Asked {
        match plan {
            Some(plan) => Asked::Answer(self.session.lookup(side, plan)),
            None => match self.session.type_ref(side, &kind.name) {
                None if listed => Asked::Unknown,
                None | Some(TypeRef::Omit) => Asked::Answer(Outcome::Omit),
                Some(_) => Asked::Answer(Outcome::NotApplicable),
            },
        }
    }

    pub(super) fn best(&self, kind: &PairType, asked: &Asked) -> Option<Best> {
        match asked {
            Asked::Unknown => Some(Best::Failed(format!("Unknown reference type {}", repr(&kind.name)))),
            Asked::Answer(outcome) => self.session.answer(outcome),
        }
    }

    /// The common cases without any text: the same file, or no reference on both sides.
    pub(super) fn clearly_equal(&self, old: &Asked, new: &Asked) -> bool {
        let (Asked::Answer(old), Asked::Answer(new)) = (old, new) else { return false };
        match (old, new) {
            (Outcome::One(..), Outcome::One(..)) => match (self.session.file(old), self.session.file(new)) {
                (Some(a), Some(b)) => a == b && is_plain_name(a),
                _ => false,
            },
            (Outcome::NotApplicable, Outcome::NotApplicable) => true,
            _ => {
                let none = |outcome: &Outcome| {
                    matches!(outcome, Outcome::NotApplicable | Outcome::Omit | Outcome::Failed(Why::NoMatch))
                };
                !self.mode.undefined_matters && none(old) && none(new)
            }
        }
    }

    /// The types to compare where differences of the rules do not limit them; nothing for all.
    pub(super) fn wanted_fast(&self, exposure: Option<&[String]>) -> Option<Vec<String>> {
        self.asked(self.mode.types.as_deref().or(exposure)?.to_vec())
    }

    /// The types left out, in lower case.
    pub(super) fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// The calibration version of headers that name none.
    pub(super) fn calibration_version(&self) -> Option<&str> {
        self.mode.calibration_version.as_deref()
    }

    /// The keywords that stand for the instrument, whatever the header says.
    pub(super) fn instrument_kids(&self) -> &[Kid] {
        &self.instrument_kids
    }

    /// Sets them.
    pub(super) fn put_instrument(&mut self, name: &str) {
        for kid in &self.instrument_kids {
            self.session.state.put(*kid, name);
        }
    }

    /// Judges the header at hand; `rest` is called once before the first type that does not differ is looked at.
    pub(super) fn judge(
        &mut self,
        pair: &Pair,
        wanted: &Option<Vec<String>>,
        rest: impl FnOnce(&mut Self),
    ) -> Result<Change, DatasetError> {
        let mut change = Change::default();
        let applies = |name: &str, skipped: &[String]| {
            wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|own| own == name))
                && !skipped.iter().any(|own| own == name)
        };
        let everything = wanted.is_none() && self.skipped.is_empty();
        // Without a list the client asks each context for its own types only.
        let listed = wanted.is_some();
        for kind in pair.types.iter().filter(|kind| !kind.same) {
            if everything || applies(&kind.name, &self.skipped) {
                let old = self.outcome(pair.old, kind, kind.old, listed);
                let new = self.outcome(pair.new, kind, kind.new, listed);
                if !self.clearly_equal(&old, &new) {
                    let (old, new) = (self.best(kind, &old), self.best(kind, &new));
                    self.one(&mut change, pair, &kind.name, old, new)?;
                }
            }
        }
        // Types that neither context knows: asked for by the exposure, they fail on both sides.
        if let Some(wanted) = wanted {
            for name in wanted {
                if applies(name, &self.skipped) && !pair.types.iter().any(|kind| kind.name == *name) {
                    let unknown = Some(Best::Failed(format!("Unknown reference type {}", repr(name))));
                    self.one(&mut change, pair, name, unknown.clone(), unknown)?;
                }
            }
        }
        if change.updates.is_empty() && !self.mode.every_type {
            change.killed.clear();
            return Ok(change);
        }
        rest(self);
        for kind in pair.types.iter().filter(|kind| kind.same) {
            if applies(&kind.name, &self.skipped) {
                let new = self.outcome(pair.new, kind, kind.new, true);
                if self.clearly_equal(&new, &new) {
                    continue;
                }
                // What both contexts leave out is not there to be compared.
                let Some(new) = self.best(kind, &new) else { continue };
                let new = self.untied(&mut change, &kind.name, true, Some(new));
                match self.normal(new) {
                    Side::Tuple => return Err(self.tuple(pair, &kind.name)),
                    Side::Bad(reason) => change.killed.push(Killed { filekind: kind.name.clone(), reason }),
                    Side::Fine(_) => {}
                }
            }
        }
        change.updates.sort_by(|a, b| a.filekind.cmp(&b.filekind));
        change.killed.sort_by(|a, b| a.filekind.cmp(&b.filekind));
        Ok(change)
    }

    fn tuple(&self, pair: &Pair, name: &str) -> DatasetError {
        DatasetError::Tuple { instrument: pair.instrument.clone(), filekind: name.to_owned() }
    }

    pub(super) fn one(
        &self,
        change: &mut Change,
        pair: &Pair,
        name: &str,
        old: Option<Best>,
        new: Option<Best>,
    ) -> Result<(), DatasetError> {
        // The common case: the same file on both sides, with nothing about it that the long way would change.
        if let (Some(Best::File(a)), Some(Best::File(b))) = (&old, &new)
            && a == b
            && is_plain_name(a)
        {
            return Ok(());
        }
        if old.is_none() && new.is_none() {
            return Ok(());
        }
        let old = self.untied(change, name, false, old);
        let new = self.untied(change, name, true, new);
        let old = match self.normal(old) {
            Side::Tuple => return Err(self.tuple(pair, name)),
            Side::Fine(text) | Side::Bad(text) => text,
        };
        match self.normal(new) {
            Side::Tuple => return Err(self.tuple(pair, name)),
            Side::Bad(reason) => change.killed.push(Killed { filekind: name.to_owned(), reason }),
            Side::Fine(new) if new != old => change.updates.push(Update { filekind: name.to_owned(), old, new }),
            Side::Fine(_) => {}
        }
        Ok(())
    }

    /// Notes a tie and makes a text of it, where the mode keeps ties.
    fn untied(&self, change: &mut Change, name: &str, new: bool, best: Option<Best>) -> Option<Best> {
        let (true, Some(Best::Tuple(items))) = (self.mode.keep_ties, &best) else { return best };
        let texts = items.iter().map(|item| match item {
            Best::File(name) => name.clone(),
            other => other.to_json().to_string(),
        });
        let text = texts.collect::<Vec<_>>().join(" | ");
        change.ties.push((name.to_owned(), new, text.clone()));
        Some(Best::File(text))
    }

    /// Brings an answer into the form in which answers are compared (RS 15.3).
    fn normal(&self, best: Option<Best>) -> Side {
        let text = match best {
            None => "UNDEFINED".to_owned(),
            Some(Best::File(name)) => name,
            Some(Best::Failed(why)) => format!("NOT FOUND {why}"),
            Some(Best::Tuple(_) | Best::Selector(_)) => return Side::Tuple,
        };
        normal_text(&text, self.mode.undefined_matters).map_or_else(Side::Bad, Side::Fine)
    }
}

/// A reference in the form in which references are compared; `Err` for what hides a dataset.
pub fn normal_text(text: &str, undefined_matters: bool) -> Result<String, String> {
    let clean = if text.contains("ref$") {
        super::python::strip(text.rsplit('$').next().unwrap_or(text))
    } else {
        text.strip_prefix("crds://").unwrap_or(text)
    };
    let upper = super::python::strip(clean).to_uppercase();
    if upper.starts_with("NOT FOUND N/A") {
        return Ok("N/A".to_owned());
    }
    if matches!(upper.as_str(), "NOT FOUND NO MATCH FOUND." | "UNDEFINED" | "NONE" | "" | "*") {
        return if undefined_matters { Err(upper) } else { Ok("N/A".to_owned()) };
    }
    if upper.starts_with("NOT FOUND") { Err(upper) } else { Ok(upper) }
}
