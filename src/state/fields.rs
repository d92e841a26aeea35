//! The fields of one row.
//!
//! A state has some sixty thousand rows of ten fields, taken, compared and dropped again in every step. So a row is one
//! sorted list, and names that this program itself gives to fields are not copied into every row.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::Value;

/// Names of fields that nearly every row has. Others are read as well; these cost nothing.
const USUAL: [&str; 22] = [
    "activation_date",
    "blacklisted",
    "catalog_link",
    "deliverer_user",
    "delivery_date",
    "derived_from",
    "group",
    "kind",
    "links",
    "mode",
    "mtime",
    "owner",
    "rejected",
    "replaced_by_filename",
    "rest",
    "sha1sum",
    "sha256",
    "size",
    "state",
    "target",
    "text",
    "type",
];

type Name = Cow<'static, str>;

/// Values by name, in the order of the names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(Vec<(Name, Value)>);

impl Fields {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a field; the value that it had before.
    pub fn insert(&mut self, name: impl Into<Name>, value: Value) -> Option<Value> {
        let name = name.into();
        // Most come in the order of their names.
        if self.0.last().is_none_or(|(last, _)| *last < name) {
            self.0.push((name, value));
            return None;
        }
        match self.at(&name) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                self.0.insert(at, (name, value));
                None
            }
        }
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.at(name).ok().map(|at| &self.0[at].1)
    }

    /// The value of a field, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.at(name).ok().map(|at| &mut self.0[at].1)
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// The names, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_ref())
    }

    fn at(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(have, _)| have.as_ref().cmp(name))
    }
}

impl<N: Into<Name>> FromIterator<(N, Value)> for Fields {
    /// Of a name that comes twice the last value counts.
    fn from_iter<I: IntoIterator<Item = (N, Value)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        let mut fields = Self(Vec::with_capacity(pairs.size_hint().0));
        for (name, value) in pairs {
            fields.insert(name, value);
        }
        fields
    }
}

impl<N: Into<Name>, const M: usize> From<[(N, Value); M]> for Fields {
    fn from(pairs: [(N, Value); M]) -> Self {
        pairs.into_iter().collect()
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Row;
        impl<'de> Visitor<'de> for Row {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the fields of a row")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields, M::Error> {
                let mut fields = Fields::new();
                while let Some(Usual(name)) = map.next_key()? {
                    fields.insert(name, map.next_value()?);
                }
                fields.0.shrink_to_fit();
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Row)
    }
}

/// A name as it is read.
struct Usual(Name);

impl<'de> Deserialize<'de> for Usual {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Usual;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a field")
            }

            fn visit_str<E>(self, name: &str) -> Result<Usual, E> {
                let usual = USUAL.binary_search(&name).ok().map(|at| Cow::Borrowed(USUAL[at]));
                Ok(Usual(usual.unwrap_or_else(|| Cow::Owned(name.to_owned()))))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn usual_names_are_in_order() {
        assert!(USUAL.is_sorted());
    }

    proptest::proptest! {
        #[test]
        fn a_row_is_a_sorted_map(pairs in proptest::collection::vec(("[a-c]{0,2}|mode|size", 0..9u8), 0..12)) {
            let pairs = || pairs.iter().map(|(name, value)| (name.clone(), Value::from(*value)));
            let (map, fields): (BTreeMap<String, Value>, Fields) = (pairs().collect(), pairs().collect());
            let text = serde_json::to_string(&fields).unwrap();
            proptest::prop_assert_eq!(&text, &serde_json::to_string(&map).unwrap());
            proptest::prop_assert_eq!(serde_json::from_str::<Fields>(&text).unwrap(), fields.clone());
            proptest::prop_assert_eq!(fields.len(), map.len());
            for name in ["", "a", "mode", "size", "zz"] {
                proptest::prop_assert_eq!(fields.get(name), map.get(name));
            }
        }
    }
}
