//! Best references of one dataset, as the client reports them.

use std::collections::BTreeMap;

use super::syntax::Selector;

/// The best reference of one type.
#[derive(Debug, Clone, PartialEq)]
pub enum Best {
    /// A file name, as written in the rules.
    File(String),
    /// Several values at once: the client returns a tuple, and `crds bestrefs` fails on it.
    Tuple(Vec<Best>),
    /// A selector inside a tuple.
    Selector(Selector),
    /// `NOT FOUND ` and this text.
    Failed(String),
}

/// The best references of one dataset by lower-case type; types that the rules leave out are absent.
pub type BestReferences = BTreeMap<String, Best>;

impl Best {
    /// The value as JSON: a text, or a list for a tuple.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::File(name) => name.as_str().into(),
            Self::Tuple(items) => items.iter().map(Self::to_json).collect(),
            Self::Selector(selector) => serde_json::json!({ "__selector__": selector.as_str() }),
            Self::Failed(why) => format!("NOT FOUND {why}").into(),
        }
    }
}
