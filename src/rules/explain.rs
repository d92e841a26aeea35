//! Why the server's list of affected products differs from the complete one, each with a witness (RS 15.4 to 15.6).

use std::collections::{BTreeMap, BTreeSet};

use super::affected::{Judge, Mode, Plan, Verdict, product};
use super::compare::{Change, Update};
use super::context_diff::{ContextDiff, context_diff};
use super::error::RulesError;
use super::input::json::Entry;
use super::load::{Context, TypeEntry};
use super::lookup::DatasetError;
use super::since::{Since, exposure_start};

/// Why a product stands in one list only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The dataset is older than the cut of `--datasets-since auto`: by its own date and time, which the client cuts by, or
    /// by the archive's start of the exposure, which the server cuts by when it hands out ids.
    DateCut,
    /// A type fails under the new context and hides the dataset.
    HiddenByFailingType,
    /// An imap entry went between rules and `N/A`, which `--diffs-only` does not see.
    BlindSpot,
    /// Several references tie, on which the client fails the dataset.
    Tie,
    /// Only "undefined" became "not applicable" or back: no reference changes.
    UndefinedOnly,
    /// The dataset has no header, or none that can be judged.
    NoAnswer,
    /// Nothing explains why the server leaves it out.
    MissingAtServer,
    /// Nothing explains why the server lists it.
    SurplusAtServer,
}

impl Class {
    /// One word for reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::DateCut => "date-cut",
            Self::HiddenByFailingType => "hidden-by-failing-type",
            Self::BlindSpot => "blind-spot",
            Self::Tie => "tie",
            Self::UndefinedOnly => "undefined-only",
            Self::NoAnswer => "no-answer",
            Self::MissingAtServer => "missing-at-server",
            Self::SurplusAtServer => "surplus-at-server",
        }
    }

    /// Whether the difference is explained.
    pub fn is_known(self) -> bool {
        !matches!(self, Self::MissingAtServer | Self::SurplusAtServer)
    }
}

/// One product that stands in one list only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Lower case.
    pub product: String,
    /// Why.
    pub class: Class,
    /// What proves it: the dataset, the rule line, the date, the failing type.
    pub witness: String,
}

/// What both views say about one dataset.
struct Views {
    id: String,
    /// Start of the exposure by the archive, if the header has it.
    start: Option<String>,
    complete: Result<Option<Change>, DatasetError>,
    server: Result<Verdict, DatasetError>,
}

/// Explains every product that stands in exactly one of the server's list and our complete one.
///
/// The server's list is taken to be what `--affected-datasets` prints; ours holds every product with a changed
/// reference, whatever hides it. Products without a difference are not in the result.
///
/// # Errors
///
/// Rules that cannot be loaded.
pub fn explain(
    old: &Context,
    new: &Context,
    datasets: impl IntoIterator<Item = (String, Entry)>,
    theirs: &BTreeSet<String>,
) -> Result<Vec<Explained>, RulesError> {
    old.library().preload([old, new]);
    let difference = context_diff(old, new)?;
    let mut mode = Mode::server();
    // Failures must be seen where nothing changes as well: there they are what hides a change.
    mode.comparison.every_type = true;
    let plan = Plan::new(&mode, old, new, Some(&difference))?;
    let mut server = Judge::new(old, new, &plan);
    let mut complete = Judge::new(old, new, &Plan::new(&Mode::complete(), old, new, Some(&difference))?);
    let mut products: BTreeMap<String, Vec<Views>> = BTreeMap::new();
    let theirs_lower: BTreeSet<String> = theirs.iter().map(|name| name.to_lowercase()).collect();
    for (id, entry) in datasets {
        let whole = complete.judge(&entry).map(|verdict| match verdict {
            Verdict::Change(change) => Some(change),
            Verdict::Nothing | Verdict::Cut(..) => None,
        });
        let changed = whole.as_ref().is_ok_and(|change| change.as_ref().is_some_and(|c| !c.updates.is_empty()));
        let product = product(&id);
        // Whatever is in neither list needs no explanation and no memory.
        if changed || theirs_lower.contains(&product) {
            let start = match &entry {
                Entry::Header(header) => exposure_start(header).map(str::to_owned),
                Entry::Message(_) => None,
            };
            let views = Views { id: id.clone(), start, complete: whole, server: server.judge(&entry) };
            let known = products.entry(product).or_default();
            known.retain(|views| views.id != id);
            known.push(views);
        }
    }
    let witness = Witness { old, new, difference: &difference, since: &plan.since };
    let mut explained = Vec::new();
    for (product, views) in &products {
        let ours = views.iter().any(|views| matches!(&views.complete, Ok(Some(change)) if !change.updates.is_empty()));
        let listed = theirs_lower.contains(product);
        if ours != listed {
            let (class, witness) = if ours { witness.missing(views) } else { witness.surplus(views) };
            explained.push(Explained { product: product.clone(), class, witness });
        }
    }
    for product in theirs_lower.iter().filter(|product| !products.contains_key(*product)) {
        let witness = "no dataset of this product was among the headers that were compared".to_owned();
        explained.push(Explained { product: product.clone(), class: Class::SurplusAtServer, witness });
    }
    explained.sort_by(|a, b| a.product.cmp(&b.product));
    Ok(explained)
}

struct Witness<'a> {
    old: &'a Context,
    new: &'a Context,
    difference: &'a ContextDiff,
    since: &'a Since,
}

impl Witness<'_> {
    /// Why the server leaves a product out that has changes.
    fn missing(&self, views: &[Views]) -> (Class, String) {
        let mut best: Option<(Class, String)> = None;
        for views in views {
            let Ok(Some(change)) = &views.complete else { continue };
            let Some(update) = change.updates.first() else { continue };
            let instrument = change.instrument.to_lowercase();
            let rule = self.rule(&instrument, update);
            let unseen = views.start.as_deref().zip(self.since.of(&instrument)).filter(|(start, since)| start < since);
            let (class, text) = match &views.server {
                Ok(Verdict::Change(_) | Verdict::Nothing) if let Some((start, since)) = unseen => (
                    Class::DateCut,
                    format!(
                        "the exposure began `{start}`, before `{since}`, from when on the archive gives ids of {instrument}; {rule}"
                    ),
                ),
                Ok(Verdict::Cut(time, since)) => (
                    Class::DateCut,
                    format!("dataset time `{time}` is before `{since}`, the cut for {instrument}; {rule}"),
                ),
                Err(DatasetError::Tuple { filekind, .. }) => {
                    let tie = change.ties.iter().find(|(name, _, _)| name == filekind);
                    let names = tie.map_or("", |(_, _, names)| names.as_str());
                    (Class::Tie, format!("{filekind} has several best references ({names}); {rule}"))
                }
                Ok(Verdict::Change(seen)) if !seen.killed.is_empty() => {
                    let killed = &seen.killed[0];
                    (Class::HiddenByFailingType, format!("{} fails: {}; {rule}", killed.filekind, killed.reason))
                }
                Ok(Verdict::Change(seen)) if seen.is_listed() => {
                    (Class::MissingAtServer, format!("nothing hides it; {rule}"))
                }
                Err(why) => (Class::NoAnswer, format!("{why}; {rule}")),
                _ => match change.updates.iter().find_map(|update| self.blind(&instrument, update)) {
                    Some(text) => (Class::BlindSpot, text),
                    None if update.old == "N/A" && update.new == "N/A" => (Class::UndefinedOnly, rule),
                    None => (Class::MissingAtServer, format!("the server should see it; {rule}")),
                },
            };
            let found = (class, format!("{}: {text}", views.id));
            // One dataset that the server should have listed is what counts for the product.
            if best.as_ref().is_none_or(|(known, _)| known.is_known() && !class.is_known()) {
                best = Some(found);
            }
        }
        best.unwrap_or((Class::MissingAtServer, "no dataset of it was judged".to_owned()))
    }

    /// Why the server lists a product in which no reference changes.
    fn surplus(&self, views: &[Views]) -> (Class, String) {
        for views in views {
            if let Ok(Verdict::Change(change)) = &views.server
                && change.is_listed()
                && let Some(update) = change.updates.first()
            {
                let text = format!("{}: {} `{}` -> `{}`", views.id, update.filekind, update.old, update.new);
                return (Class::UndefinedOnly, text);
            }
            if let Err(why) = &views.complete {
                return (Class::NoAnswer, format!("{}: {why}", views.id));
            }
        }
        let ids: Vec<&str> = views.iter().map(|views| views.id.as_str()).take(3).collect();
        (Class::SurplusAtServer, format!("no best reference of {} changes", ids.join(", ")))
    }

    /// The imap entries behind a change that `--diffs-only` does not see.
    fn blind(&self, instrument: &str, update: &Update) -> Option<String> {
        let change = self.difference.types.iter().find(|change| {
            change.instrument == instrument && change.filekind == update.filekind && change.between_rules_and_special
        })?;
        let (old, new) = (change.old.as_deref().unwrap_or("absent"), change.new.as_deref().unwrap_or("absent"));
        Some(format!("{instrument} {} goes from `{old}` to `{new}` in the imap", update.filekind))
    }

    /// The rule line that gives the new reference, else the one that gave the old.
    fn rule(&self, instrument: &str, update: &Update) -> String {
        let what = format!("{} `{}` -> `{}`", update.filekind, update.old.to_lowercase(), update.new.to_lowercase());
        let places = [(self.new, &update.new), (self.old, &update.old)];
        let line =
            places.into_iter().find_map(|(context, name)| rule_line(context, instrument, &update.filekind, name));
        line.map_or(what.clone(), |line| format!("{what} ({line})"))
    }
}

/// The first line of a type's rules that names a reference: `file:line: text`.
pub fn rule_line(context: &Context, instrument: &str, filekind: &str, reference: &str) -> Option<String> {
    let imap = context.imap(instrument)?.ok()?;
    let TypeEntry::Rmap(rmap) = imap.types.get(filekind)? else { return None };
    let bytes = std::fs::read(context.library().locate(&rmap.name)).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let wanted = format!("'{}'", reference.to_lowercase());
    let (at, line) = text.lines().enumerate().find(|(_, line)| line.to_lowercase().contains(&wanted))?;
    Some(format!("{}:{}: {}", rmap.name, at + 1, line.trim()))
}
