//! The declared-change ledger: every difference is claimed by exactly one declared change, and every declared change
//! is observed (design, promise 9).

use serde::Serialize;
use serde_json::Value;

use super::Delta;

/// Which rows a claim is about.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Keys {
    /// This row.
    Is(String),
    /// These rows.
    Among(Vec<String>),
    /// Rows whose key begins so.
    Below(String),
    /// Rows whose key begins with the first and ends with the second.
    Between(String, String),
    /// Every row.
    All,
}

impl Keys {
    fn has(&self, key: &str) -> bool {
        match self {
            Self::Is(one) => one == key,
            Self::Among(some) => some.iter().any(|one| one == key),
            Self::Below(prefix) => key.starts_with(prefix.as_str()),
            Self::Between(prefix, suffix) => {
                key.len() >= prefix.len() + suffix.len()
                    && key.starts_with(prefix.as_str())
                    && key.ends_with(suffix.as_str())
            }
            Self::All => true,
        }
    }
}

/// A difference that a declared change makes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Claim {
    /// The declared change.
    pub change: String,
    /// The surface.
    pub surface: String,
    /// The rows.
    pub keys: Keys,
    /// The fields; empty = any, and rows that come or go.
    pub fields: Vec<String>,
    /// The value afterwards, if it is known.
    pub after: Option<Value>,
    /// Whether the change must be seen; `false` for what it may or may not leave behind, such as a longer log.
    pub must: bool,
}

impl Claim {
    /// A claim on rows of a surface that must be seen.
    pub fn on(change: &str, surface: &str, keys: Keys) -> Self {
        let (change, surface) = (change.to_owned(), surface.to_owned());
        Self { change, surface, keys, fields: Vec::new(), after: None, must: true }
    }

    /// Only of these fields.
    #[must_use]
    pub fn fields(mut self, fields: &[&str]) -> Self {
        self.fields = fields.iter().map(|field| (*field).to_owned()).collect();
        self
    }

    /// Only with this value afterwards.
    #[must_use]
    pub fn becomes(mut self, value: impl Into<Value>) -> Self {
        self.after = Some(value.into());
        self
    }

    /// May be seen.
    #[must_use]
    pub fn perhaps(mut self) -> Self {
        self.must = false;
        self
    }

    fn covers(&self, delta: &Delta) -> bool {
        self.surface == delta.surface
            && self.keys.has(&delta.key)
            && (self.fields.is_empty() || self.fields.contains(&delta.field))
            && self.after.as_ref().is_none_or(|value| delta.after.as_ref() == Some(value))
    }
}

/// A difference and the change that it belongs to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Claimed {
    /// The difference.
    pub delta: Delta,
    /// The declared change.
    pub change: String,
}

/// The ledger, settled.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Settled {
    /// Differences with exactly one change.
    pub claimed: Vec<Claimed>,
    /// Differences that nobody declared.
    pub unclaimed: Vec<Delta>,
    /// Differences that more than one change claims, with their names.
    pub contested: Vec<(Delta, Vec<String>)>,
    /// Declared changes, with their surface, that were not observed.
    pub unobserved: Vec<String>,
}

impl Settled {
    /// Whether every difference has exactly one change and every change was observed.
    pub fn is_closed(&self) -> bool {
        self.unclaimed.is_empty() && self.contested.is_empty() && self.unobserved.is_empty()
    }

    /// What is open, in few lines; at most `most` of them.
    pub fn open(&self, most: usize) -> Vec<String> {
        let unclaimed = self.unclaimed.iter().map(|delta| format!("not declared: {delta}"));
        let contested = self.contested.iter().map(|(delta, by)| format!("claimed by {}: {delta}", by.join(" and ")));
        let unobserved = self.unobserved.iter().map(|change| format!("declared, not seen: {change}"));
        unclaimed.chain(contested).chain(unobserved).take(most).collect()
    }
}

/// Gives each difference to the declared change that claims it.
///
/// Two claims of the same change do not contest each other.
pub fn settle(deltas: &[Delta], claims: &[Claim]) -> Settled {
    let mut settled = Settled::default();
    let mut seen = vec![false; claims.len()];
    for delta in deltas {
        let mut by: Vec<&str> = Vec::new();
        for (claim, seen) in claims.iter().zip(&mut seen) {
            if claim.covers(delta) {
                *seen = true;
                if !by.contains(&claim.change.as_str()) {
                    by.push(&claim.change);
                }
            }
        }
        match by[..] {
            [] => settled.unclaimed.push(delta.clone()),
            [change] => settled.claimed.push(Claimed { delta: delta.clone(), change: change.to_owned() }),
            _ => settled.contested.push((delta.clone(), by.iter().map(|change| (*change).to_owned()).collect())),
        }
    }
    for (claim, seen) in claims.iter().zip(seen) {
        if claim.must && !seen {
            settled.unobserved.push(format!("{} on {} ({:?})", claim.change, claim.surface, claim.keys));
        }
    }
    settled
}
