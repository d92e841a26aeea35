//! Findings of a check that looks at several things, gathered and judged once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crds_upgrade::host::side_by_side;
use crds_upgrade::run::{Evidence, Step, StepError};

/// A look that changes nothing and waits for no other.
pub type Look<'a> = &'a (dyn Fn(&mut Tally) -> Result<(), StepError> + Sync);

/// Findings by check.
#[derive(Debug, Default)]
pub struct Tally {
    faults: BTreeMap<&'static str, Vec<String>>,
    proofs: BTreeMap<&'static str, Vec<String>>,
    unknown: BTreeMap<&'static str, Vec<String>>,
    evidence: BTreeMap<&'static str, Vec<Evidence>>,
    judged: RefCell<BTreeSet<String>>,
}

/// What an operator is told if a check fails.
#[derive(Clone, Copy, Debug)]
pub struct Advice {
    /// The likely cause.
    pub cause: &'static str,
    /// The next move.
    pub next: &'static str,
}

impl Tally {
    /// Something that must not be.
    pub fn fault(&mut self, check: &'static str, text: impl Into<String>) {
        self.faults.entry(check).or_default().push(text.into());
    }

    /// Something that proves that the check looked, and what it saw.
    pub fn proof(&mut self, check: &'static str, text: impl Into<String>) {
        self.proofs.entry(check).or_default().push(text.into());
    }

    /// Takes up what another one found.
    pub fn join(&mut self, other: Self) {
        for (mine, theirs) in
            [(&mut self.faults, other.faults), (&mut self.proofs, other.proofs), (&mut self.unknown, other.unknown)]
        {
            for (check, found) in theirs {
                mine.entry(check).or_default().extend(found);
            }
        }
        for (check, kept) in other.evidence {
            self.evidence.entry(check).or_default().extend(kept);
        }
        self.judged.borrow_mut().extend(other.judged.into_inner());
    }

    /// A proof if `holds`, else a fault.
    pub fn hold(&mut self, check: &'static str, holds: bool, text: impl Into<String>) {
        if holds { self.proof(check, text) } else { self.fault(check, text) }
    }

    /// What a look brought: if it broke off, `check` is unknown at best, and the looks after it still take place.
    pub fn tried(&mut self, check: &'static str, looked: Result<(), StepError>) {
        if let Err(error) = looked {
            self.unknown.entry(check).or_default().push(format!("could not look: {}", error.text()));
        }
    }

    /// Takes looks, some at once: what each found is told in the order given. One that breaks off leaves its check unknown
    /// at best, and the others still take place.
    pub fn looks(&mut self, looks: &[(&'static str, Look<'_>)]) {
        let found = side_by_side(looks, |(check, look)| {
            let mut t = Self::default();
            let looked = look(&mut t);
            t.tried(check, looked);
            t
        });
        found.into_iter().for_each(|found| self.join(found));
    }

    /// As [`Self::looks`], for parts of one look: the first that broke off, in the order given, breaks it off, after what
    /// all have found is taken up.
    pub fn parts(&mut self, parts: &[Look<'_>]) -> Result<(), StepError> {
        let found = side_by_side(parts, |part| {
            let mut t = Self::default();
            let looked = part(&mut t);
            (t, looked)
        });
        let mut all = Ok(());
        for (found, looked) in found {
            self.join(found);
            all = all.and(looked);
        }
        all
    }

    /// Bytes that a check looked at.
    pub fn evidence(&mut self, check: &'static str, evidence: &Evidence) {
        self.evidence.entry(check).or_default().push(evidence.clone());
    }

    /// Remembers what was found so far as a fact of the step: what cannot be looked at again once the step has gone on.
    pub fn remember(&self, s: &Step, key: &str) -> Result<(), StepError> {
        let evidence: BTreeMap<_, Vec<_>> = self
            .evidence
            .iter()
            .map(|(check, kept)| (*check, kept.iter().map(|one| (one.id.clone(), one.bytes)).collect()))
            .collect();
        s.fact(&format!("findings-{key}"), serde_json::to_value((&self.faults, &self.proofs, evidence))?)
    }

    /// Takes up what an attempt that was ended remembered; nothing if there is nothing.
    pub fn recall(&mut self, s: &Step, key: &str) -> Result<(), StepError> {
        type Found = BTreeMap<String, Vec<String>>;
        type Kept = BTreeMap<String, Vec<(String, u64)>>;
        let Some(fact) = s.fact_of(s.spec().id, &format!("findings-{key}")) else { return Ok(()) };
        let (faults, proofs, evidence): (Found, Found, Kept) = serde_json::from_value(fact)?;
        for check in s.spec().own_checks() {
            let id = check.id.split_once('.').map_or(check.id, |(_, id)| id);
            if let Some(found) = faults.get(id) {
                self.faults.entry(id).or_default().extend(found.iter().cloned());
            }
            if let Some(found) = proofs.get(id) {
                self.proofs.entry(id).or_default().extend(found.iter().cloned());
            }
            for (blake3, bytes) in evidence.get(id).into_iter().flatten() {
                self.evidence(id, &Evidence { id: blake3.clone(), bytes: *bytes });
            }
        }
        Ok(())
    }

    /// The faults of a check so far.
    pub fn faults(&self, check: &'static str) -> Vec<String> {
        self.faults.get(check).cloned().unwrap_or_default()
    }

    /// Whether a check has a fault so far.
    pub fn has_fault(&self, check: &'static str) -> bool {
        self.faults.contains_key(check)
    }

    /// Judges a check: failed with its faults, unknown if a look broke off or nothing was looked at, else passed with
    /// its proofs.
    pub fn judge(&self, s: &Step, check: &'static str, on: impl ToString, advice: Advice) -> Result<bool, StepError> {
        self.judged.borrow_mut().insert(check.to_owned());
        let none = Vec::new();
        let faults = self.faults.get(check).unwrap_or(&none);
        let proofs = self.proofs.get(check).unwrap_or(&none);
        let mut row = s.check(check).on(on).cause(advice.cause).next_move(advice.next);
        for evidence in self.evidence.get(check).into_iter().flatten() {
            row = row.evidence(evidence);
        }
        if !faults.is_empty() {
            let all: Vec<String> = faults.iter().chain(self.unknown.get(check).unwrap_or(&none)).cloned().collect();
            row.observed(shorten(&all)).judge(false)?;
            return Ok(false);
        }
        if let Some(broken) = self.unknown.get(check) {
            row.unknown(shorten(broken))?;
            return Ok(false);
        }
        if proofs.is_empty() {
            row.unknown("nothing was looked at")?;
            return Ok(false);
        }
        row.observed(shorten(proofs)).judge(true)?;
        Ok(true)
    }

    /// Where the looking broke off: judges the checks that had found a fault by then, so that the failure names them
    /// with host, cause and next move, and not only what could not be done afterwards.
    pub fn or_faults<T>(
        &self,
        s: &Step,
        on: impl ToString,
        advice: impl Fn(&str) -> Advice,
        looked: Result<T, StepError>,
    ) -> Result<T, StepError> {
        if looked.is_err() {
            let judged = self.judged.borrow().clone();
            for check in self.faults.keys().chain(self.unknown.keys()).filter(|check| !judged.contains(**check)) {
                self.judge(s, check, on.to_string(), advice(check))?;
            }
        }
        looked
    }
}

/// The first few texts and how many more there are.
pub fn shorten(texts: &[String]) -> String {
    const SHOWN: usize = 4;
    let mut text = texts.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    if texts.len() > SHOWN {
        text.push_str(&format!("; and {} more", texts.len() - SHOWN));
    }
    text
}
