//! One delivery of the plan, and how far the server says that it is.

use std::collections::{BTreeMap, BTreeSet};

use crds_upgrade::crds::{Row, Server};
use crds_upgrade::plan::{Deletion, Plan, Submission, SubmissionKind};
use crds_upgrade::run::StepError;

use super::tally::shorten;

/// What is handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Mappings, with or without contexts.
    Mappings,
    /// References, as one batch.
    References,
    /// Names of references that leave the rules.
    Deletion,
}

/// One delivery of the plan, of any kind.
#[derive(Clone, Debug)]
pub struct Delivery<'a> {
    /// Name in acts and facts.
    pub id: &'a str,
    /// What is handed in.
    pub kind: Kind,
    /// Names of the files handed in or deleted.
    pub files: &'a [String],
    /// Instrument whose lock is taken.
    pub instrument: &'a str,
    /// Context that it starts from.
    pub base: &'a str,
    /// Context that comes of it.
    pub expect: Option<&'a str>,
    /// All other rules that come of it.
    pub expect_rules: &'a [String],
    /// Account of the site's credentials.
    pub credential: &'a str,
    /// Why.
    pub description: &'a str,
    /// The form's other fields; `None` for a deletion.
    pub submission: Option<&'a Submission>,
}

impl<'a> Delivery<'a> {
    /// A submission of the plan.
    pub fn of(submission: &'a Submission) -> Self {
        let kind = match submission.kind {
            SubmissionKind::Mapping => Kind::Mappings,
            SubmissionKind::References => Kind::References,
        };
        Self {
            id: &submission.id,
            kind,
            files: &submission.files,
            instrument: &submission.instrument,
            base: &submission.base,
            expect: submission.expect.as_deref(),
            expect_rules: &submission.expect_rules,
            credential: &submission.credential,
            description: &submission.description,
            submission: Some(submission),
        }
    }

    /// The deletion of the plan.
    pub fn deleting(deletion: &'a Deletion) -> Self {
        Self {
            id: "deletion",
            kind: Kind::Deletion,
            files: &deletion.files,
            instrument: &deletion.instrument,
            base: &deletion.base,
            expect: Some(&deletion.expect),
            expect_rules: &deletion.expect_rules,
            credential: &deletion.credential,
            description: &deletion.description,
            submission: None,
        }
    }

    /// Every file that is new in the catalogue once it is confirmed.
    pub fn all_new(&self) -> BTreeSet<&str> {
        let files = self.files.iter().filter(|_| self.kind != Kind::Deletion);
        files.chain(self.expect_rules).map(String::as_str).chain(self.expect).collect()
    }

    /// The new files that exist before it is confirmed: contexts are made by the confirmation.
    pub fn before_confirmation(&self) -> BTreeSet<&str> {
        let rmap_or_reference = |name: &&str| !name.ends_with(".imap") && !name.ends_with(".pmap");
        self.all_new().into_iter().filter(rmap_or_reference).collect()
    }
}

/// How far a delivery is, by what catalogue and edit context say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// None of its files is known.
    Untouched,
    /// All its files wait for confirmation.
    Uploaded,
    /// All its files, contexts included, are delivered.
    Confirmed,
    /// Something else.
    Half(String),
}

/// How far a delivery is.
pub fn state_of(delivery: &Delivery<'_>, catalogue: &BTreeMap<String, Row>, edit: &str) -> State {
    let state = |name: &str| catalogue.get(name).map(|row| row.get("state").cloned().flatten().unwrap_or_default());
    let all = delivery.all_new();
    let first = delivery.before_confirmation();
    if all.iter().all(|name| state(name).is_none()) {
        return State::Untouched;
    }
    let delivered = |name: &&str| state(name).is_some_and(|state| state != "uploaded");
    let moved = delivery.expect.is_none_or(|context| edit >= context);
    if all.iter().all(delivered) && moved {
        return State::Confirmed;
    }
    let waits = |name: &&str| state(name).as_deref() == Some("uploaded");
    if first.iter().all(waits) && all.difference(&first).all(|name| state(name).is_none()) {
        return State::Uploaded;
    }
    let seen: Vec<String> =
        all.iter().map(|name| format!("{name}: {}", state(name).unwrap_or("unknown".into()))).collect();
    State::Half(format!("edit context {edit}; {}", shorten(&seen)))
}

/// Names of the catalogued files in a state.
pub fn in_state(catalogue: &BTreeMap<String, Row>, state: &str) -> Vec<String> {
    let with = |row: &Row| row.get("state").cloned().flatten().as_deref() == Some(state);
    catalogue.iter().filter(|(_, row)| with(row)).map(|(name, _)| name.clone()).collect()
}

/// Names of counters that lie below the highest number that a catalogued mapping carries.
pub fn counters_behind<'a>(counters: &BTreeMap<String, u64>, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut highest: BTreeMap<String, u64> = BTreeMap::new();
    for (counter, serial) in names.filter_map(counter_of) {
        let value = highest.entry(counter).or_default();
        *value = (*value).max(serial);
    }
    let behind =
        highest.into_iter().filter(|(name, serial)| counters.get(name).is_some_and(|counter| counter < serial));
    behind.map(|(name, serial)| format!("counter {name} is behind: {serial} is in use")).collect()
}

/// The number of a catalogue row.
pub fn row_id(row: &Row) -> Option<u64> {
    row.get("id")?.as_deref()?.parse().ok()
}

/// The delivery catalogue that a link in `deliveries/` or a row names, without the archive's suffix.
pub fn catalog_stem(link: &str) -> Option<String> {
    let name = link.rsplit('/').next()?;
    let at = name.find(".cat")?;
    Some(name[..at + 4].to_owned())
}

/// Names of all delivery catalogues on a server.
pub fn catalogs(ops: &Server) -> Result<BTreeSet<String>, StepError> {
    let entries = ops.remote().list(&ops.paths().catalogs(), Some(1))?;
    Ok(entries.into_iter().map(|entry| entry.path).filter(|path| !path.is_empty()).collect())
}

/// The counter that a mapping's number was drawn from, and the number.
pub fn counter_of(name: &str) -> Option<(String, u64)> {
    let (stem, extension) = name.rsplit_once('.').filter(|(_, extension)| extension.ends_with("map"))?;
    let (kind, serial) = stem.rsplit_once('_')?;
    // hst_acs_darkfile_0250.rmap -> hst_acs_darkfile_.rmap; imaps and pmaps have blanks for the missing parts.
    let padding = "_".repeat(3_usize.saturating_sub(kind.split('_').count()));
    Some((format!("{kind}{padding}_.{extension}"), serial.parse().ok()?))
}

/// The number in a mapping's name, with its zeros.
pub fn serial(context: &str) -> &str {
    let stem = context.rsplit_once('.').map_or(context, |(stem, _)| stem);
    stem.rsplit('_').next().unwrap_or(stem)
}

/// The reasons that the plan gives for what it does through the web site.
pub fn planned_reasons(plan: &Plan) -> BTreeSet<&str> {
    let submissions = plan.submissions.iter().map(|one| one.description.as_str());
    let deletion = plan.deletion.iter().map(|one| one.description.as_str());
    let context = plan.set_context.iter().map(|one| one.description.as_str());
    submissions.chain(deletion).chain(context).chain(plan.mark_bad.iter().map(|one| one.why.as_str())).collect()
}
