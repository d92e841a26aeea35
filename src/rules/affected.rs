//! Affected datasets between two contexts: as the client computes them, and completely (RS 15).

use std::collections::{BTreeMap, BTreeSet};

use super::compare::{Change, Comparer, Comparison};
use super::context_diff::{ContextDiff, context_diff};
use super::dataset;
use super::error::RulesError;
use super::input::json::Entry;
use super::load::Context;
use super::lookup::DatasetError;
use super::since::{MIN_DATE, Since, auto_dates, dataset_time};

pub use super::explain::{Class, Explained, explain};
pub use super::run::{AffectedError, Options, compute_source};

/// How affected datasets are worked out.
#[derive(Debug, Clone, Default)]
pub struct Mode {
    /// How answers are compared.
    pub comparison: Comparison,
    /// `--diffs-only`: only instruments and types that the client sees differ.
    pub diffs_only: bool,
    /// `--datasets-since`
    pub since: SinceMode,
}

/// The date cut asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SinceMode {
    /// None.
    #[default]
    Ever,
    /// `--datasets-since DATE`, already in the form `YYYY-MM-DD HH:MM:SS`.
    Date(String),
    /// `--datasets-since auto`
    Auto,
}

impl Mode {
    /// What the server runs: `--affected-datasets`.
    pub fn server() -> Self {
        Self {
            comparison: Comparison { undefined_matters: true, ..Comparison::default() },
            diffs_only: true,
            since: SinceMode::Auto,
        }
    }

    /// Whether nothing but differences between answers can matter, so that an instrument without any can be skipped.
    pub(super) fn is_lean(&self) -> bool {
        !self.comparison.every_type && !self.comparison.keep_ties && !self.diffs_only && self.since == SinceMode::Ever
    }

    /// Everything: every type of every dataset, no cut, no blind spot, ties kept.
    pub fn complete() -> Self {
        let comparison = Comparison { every_type: true, keep_ties: true, ..Comparison::default() };
        Self { comparison, ..Self::default() }
    }
}

/// A mode with what it needs to know about the two contexts.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How answers are compared, with the types that differ where the mode wants them only.
    pub comparison: Comparison,
    /// The date cut.
    pub since: Since,
}

impl Plan {
    /// Prepares a mode for two contexts; `difference` saves working it out again.
    ///
    /// # Errors
    ///
    /// Rules that cannot be loaded.
    pub fn new(
        mode: &Mode,
        old: &Context,
        new: &Context,
        difference: Option<&ContextDiff>,
    ) -> Result<Self, RulesError> {
        if old.observatory() != new.observatory() {
            let (old, new) = (old.name().to_owned(), new.name().to_owned());
            return Err(RulesError::Observatories { old, new });
        }
        let worked_out;
        let mut comparison = mode.comparison.clone();
        let mut all_dates = false;
        if mode.diffs_only {
            let difference = match difference {
                Some(difference) => difference,
                None => {
                    worked_out = context_diff(old, new)?;
                    &worked_out
                }
            };
            let affected = difference.client_affected().into_iter();
            comparison.only = Some(affected.map(|(name, types)| (name, types.into_iter().collect())).collect());
            all_dates = difference.client_takes_all_dates();
        }
        let since = match &mode.since {
            SinceMode::Ever => Since::Ever,
            SinceMode::Date(date) => Since::Date(date.clone()),
            SinceMode::Auto if all_dates => Since::Date(MIN_DATE.to_owned()),
            SinceMode::Auto => Since::PerInstrument(auto_dates(old, new)?),
        };
        Ok(Self { comparison, since })
    }
}

/// A dataset with something to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// The id as given.
    pub id: String,
    /// What changes.
    pub change: Change,
}

/// The affected datasets between two contexts.
#[derive(Debug, Clone, Default)]
pub struct Affected {
    /// How many datasets were looked at.
    pub datasets: usize,
    /// Datasets with updates (and, if every type was asked for, those with failures or ties only), sorted by id.
    pub changed: Vec<Dataset>,
    /// Ids of further datasets that are listed, where nothing but the products was asked for.
    pub listed: Vec<String>,
    /// Datasets without an answer, sorted by id, and why.
    pub errors: Vec<(String, String)>,
    /// How many datasets the date cut left out.
    pub cut: usize,
}

/// The product of a dataset id: what stands before the first colon, lower case.
pub fn product(id: &str) -> String {
    id.split(':').next().unwrap_or(id).to_lowercase()
}

impl Affected {
    /// `--print-affected`: products with an update in a dataset without any failing type, sorted.
    pub fn products(&self) -> BTreeSet<String> {
        let listed = self.changed.iter().filter(|dataset| dataset.change.is_listed());
        listed.map(|dataset| &dataset.id).chain(&self.listed).map(|id| product(id)).collect()
    }

    /// `--print-affected-details`: one line per dataset with updates.
    pub fn details(&self) -> impl Iterator<Item = String> {
        self.changed.iter().filter(|dataset| !dataset.change.updates.is_empty()).map(|dataset| {
            let types: Vec<&str> = dataset.change.updates.iter().map(|update| update.filekind.as_str()).collect();
            let instrument = dataset.change.instrument.to_lowercase();
            format!("{} {instrument} {}", dataset.id.to_lowercase(), types.join(" "))
        })
    }

    /// `--print-new-references`: one line per update.
    pub fn new_references(&self) -> impl Iterator<Item = String> {
        self.changed.iter().flat_map(|dataset| {
            let start = format!("{} {}", dataset.id.to_lowercase(), dataset.change.instrument.to_lowercase());
            dataset.change.updates.iter().map(move |update| {
                format!("{start} {} {} {}", update.filekind, update.old.to_lowercase(), update.new.to_lowercase())
            })
        })
    }

    /// `--print-update-counts`: updates by instrument (upper case) and type.
    pub fn counts(&self) -> BTreeMap<&str, BTreeMap<&str, usize>> {
        let mut counts: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
        for dataset in &self.changed {
            for update in &dataset.change.updates {
                let types = counts.entry(&dataset.change.instrument).or_default();
                *types.entry(&update.filekind).or_default() += 1;
            }
        }
        counts
    }

    /// Puts everything into order of ids.
    pub(super) fn sort(&mut self) {
        self.changed.sort_by(|a, b| a.id.cmp(&b.id));
        self.errors.sort();
    }
}

/// One dataset after another, under one plan. One per thread.
pub struct Judge {
    /// The comparison.
    pub comparer: Comparer,
    since: Since,
}

/// What a judge says of a dataset.
#[derive(Debug)]
pub enum Verdict {
    /// Nothing changes and nothing fails that was asked for.
    Nothing,
    /// Left out by the date cut: the dataset's time and the date of the cut.
    Cut(String, String),
    /// Something changes, fails or ties.
    Change(Change),
}

impl Judge {
    /// A judge.
    pub fn new(old: &Context, new: &Context, plan: &Plan) -> Self {
        Self { comparer: Comparer::new(old, new, plan.comparison.clone()), since: plan.since.clone() }
    }

    /// Judges a dataset.
    ///
    /// # Errors
    ///
    /// A dataset that the client fails as a whole.
    pub fn judge(&mut self, entry: &Entry) -> Result<Verdict, DatasetError> {
        let header = match entry {
            Entry::Header(header) => header,
            Entry::Message(why) => return Err(DatasetError::Header(why.clone())),
        };
        if self.since != Since::Ever {
            let instrument = dataset::instrument(header).map_err(DatasetError::Instrument)?;
            let time = dataset_time(header).map_err(DatasetError::Header)?;
            if let Some(since) = self.since.of(&instrument)
                && time.as_str() < since
            {
                return Ok(Verdict::Cut(time, since.to_owned()));
            }
        }
        Ok(match self.comparer.compare(header)? {
            Some(change) if !change.is_nothing() => Verdict::Change(change),
            _ => Verdict::Nothing,
        })
    }
}

/// Works out the affected datasets. A later dataset of the same id takes the place of an earlier one.
///
/// # Errors
///
/// Rules that the mode needs as a whole and that cannot be loaded; failures of single datasets are in the result.
pub fn compute(
    old: &Context,
    new: &Context,
    datasets: impl IntoIterator<Item = (String, Entry)>,
    mode: &Mode,
) -> Result<Affected, RulesError> {
    let plan = Plan::new(mode, old, new, None)?;
    let mut judge = Judge::new(old, new, &plan);
    let mut all: BTreeMap<String, Result<Verdict, DatasetError>> = BTreeMap::new();
    for (id, entry) in datasets {
        let verdict = judge.judge(&entry);
        all.insert(id, verdict);
    }
    let mut affected = Affected { datasets: all.len(), ..Affected::default() };
    for (id, verdict) in all {
        match verdict {
            Ok(Verdict::Nothing) => {}
            Ok(Verdict::Cut(..)) => affected.cut += 1,
            Ok(Verdict::Change(change)) => affected.changed.push(Dataset { id, change }),
            Err(why) => affected.errors.push((id, why.to_string())),
        }
    }
    Ok(affected)
}

/// Compares two contexts and keeps what is needed to judge the server's word about them.
///
/// # Errors
///
/// Rules that cannot be loaded.
pub fn preview(
    old: &Context,
    new: &Context,
    datasets: impl IntoIterator<Item = (String, Entry)>,
) -> Result<(ContextDiff, Affected), RulesError> {
    old.library().preload([old, new]);
    Ok((context_diff(old, new)?, compute(old, new, datasets, &Mode::complete())?))
}
