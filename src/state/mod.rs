//! The state of a host: capture, normalise, compare, and claim each difference by a declared change.
//!
//! A state is a set of *surfaces* (database, files, cron ...), each a table of rows with named fields. Everything on it
//! counts but for the fields of [`VOLATILE`], which are reviewed one by one and whose shape is still checked.

mod capture;
mod diff;
mod fields;
mod known;
mod ledger;
mod mutate;
mod pick;
mod superseded;
mod volatile;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use capture::{CaptureError, Scope, capture};
pub use diff::{Delta, differences};
pub use fields::Fields;
pub use known::{Frame, Part, SHAPED, Shaped, look};
pub use ledger::{Claim, Claimed, Keys, Settled, settle};
pub use mutate::{Mutation, mutations};
pub use superseded::{misled, unlinked};
pub use volatile::{Misshapen, Shape, VOLATILE, Volatile, misshapen};

/// The rows of one surface, by key.
pub type Surface = BTreeMap<String, Fields>;

/// A host's state at one time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Role of the host.
    pub host: String,
    /// The host's clock at the beginning, seconds since 1970.
    pub taken: f64,
    /// Its surfaces by name.
    pub surfaces: BTreeMap<String, Surface>,
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl State {
    /// One surface as JSON, for snapshots; an empty object if it was not captured.
    pub fn surface(&self, name: &str) -> Value {
        self.surfaces
            .get(name)
            .and_then(|surface| serde_json::to_value(surface).ok())
            .unwrap_or(Value::Object(Default::default()))
    }

    /// The state as JSON text, each surface on a line of its own, keys in order: what a digest or a run folder's `states/`
    /// takes.
    pub fn to_text(&self) -> String {
        let mut text = format!("{{\"host\":{},\"taken\":{},{}\n", json(&self.host), json(&self.taken), pick::SURFACES);
        for (at, (name, surface)) in self.surfaces.iter().enumerate() {
            text.push_str(if at > 0 { ",\n" } else { "" });
            text.push_str(&json(name));
            text.push(':');
            text.push_str(&json(surface));
        }
        text.push_str(if self.surfaces.is_empty() { "}}" } else { "\n}}" });
        text
    }

    /// Reads [`Self::to_text`].
    ///
    /// # Errors
    ///
    /// The text is no state.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Reads [`Self::to_text`] with only some of its surfaces, in a fraction of the time.
    ///
    /// # Errors
    ///
    /// The text is no state.
    pub fn parse_only(text: &str, surfaces: &[&str]) -> Result<Self, serde_json::Error> {
        pick::pick(text, surfaces)
    }

    /// The same state with the surfaces whose names `keep` accepts.
    pub fn only(&self, keep: impl Fn(&str) -> bool) -> Self {
        let surfaces = self.surfaces.iter().filter(|(name, _)| keep(name));
        let surfaces = surfaces.map(|(name, surface)| (name.clone(), surface.clone())).collect();
        Self { host: self.host.clone(), taken: self.taken, surfaces }
    }
}
