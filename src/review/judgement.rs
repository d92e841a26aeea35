//! What a pure review says: the verdict with the two sides that a reader wants to compare.

/// The three ends of a judgement. The worst wins: failed, then unknown, then passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// What had to hold was seen to hold.
    Passed,
    /// It could not be seen; never a pass.
    Unknown,
    /// It was seen not to hold.
    Failed,
}

/// One judgement: what had to hold, what was seen, and the verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Judgement {
    /// The verdict.
    pub outcome: Outcome,
    /// What had to hold, in the words of an operator.
    pub expected: String,
    /// What was seen instead, or the proof that it held.
    pub observed: String,
}

impl Judgement {
    /// A judgement that passed, with what proves it.
    pub fn passed(expected: impl Into<String>, observed: impl Into<String>) -> Self {
        Self { outcome: Outcome::Passed, expected: expected.into(), observed: observed.into() }
    }

    /// A judgement that failed, with what was seen.
    pub fn failed(expected: impl Into<String>, observed: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failed, expected: expected.into(), observed: observed.into() }
    }

    /// A judgement that could not be made, with the reason.
    pub fn unknown(expected: impl Into<String>, why: impl Into<String>) -> Self {
        Self { outcome: Outcome::Unknown, expected: expected.into(), observed: why.into() }
    }

    /// Passed if `faults` is empty, else failed with the first few of them and how many there are.
    pub fn from_faults(expected: impl Into<String>, faults: &[String], proof: impl Into<String>) -> Self {
        if faults.is_empty() {
            return Self::passed(expected, proof);
        }
        Self::failed(expected, shorten(faults))
    }
}

/// The first five faults, joined, and how many more there are.
#[must_use]
pub(super) fn shorten(faults: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut text = faults.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    if faults.len() > SHOWN {
        text.push_str(&format!("; and {} more", faults.len() - SHOWN));
    }
    text
}
