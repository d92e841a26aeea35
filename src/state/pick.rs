//! Reading some surfaces of a kept state. The catalogue of a server is megabytes, and most readers want a few rows of
//! another surface: what is not wanted is passed over without being built.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::{State, Surface};

/// Reads [`State::to_text`] with only the surfaces called `names`.
///
/// # Errors
///
/// The text is no state.
pub(super) fn pick(text: &str, names: &[&str]) -> Result<State, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let state = Whole(names).deserialize(&mut reader)?;
    reader.end()?;
    Ok(state)
}

struct Whole<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for Whole<'_> {
    type Value = State;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<State, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = State;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the state of a host")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<State, M::Error> {
        let mut state = State::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "host" => state.host = map.next_value()?,
                "taken" => state.taken = map.next_value()?,
                "surfaces" => state.surfaces = map.next_value_seed(Surfaces(self.0))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(state)
    }
}

struct Surfaces<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for Surfaces<'_> {
    type Value = BTreeMap<String, Surface>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Surfaces<'_> {
    type Value = BTreeMap<String, Surface>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("surfaces by name")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut surfaces = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if self.0.contains(&name.as_str()) {
                surfaces.insert(name, map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(surfaces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"host": "ops", "taken": 1.5, "surfaces": {
        "catalogue": {"a.fits": {"state": "operational"}}, "svn": {"crds": {"revision": 7}}}}"#;

    #[test]
    fn only_the_named_surfaces_are_read() {
        let whole = State::parse(TEXT).expect("a state");
        assert_eq!(pick(TEXT, &["svn", "ports"]).expect("a state"), whole.only(|name| name == "svn"));
        assert_eq!(pick(TEXT, &["catalogue", "svn"]).expect("a state"), whole);
    }

    #[test]
    fn what_is_passed_over_must_still_be_well_formed() {
        assert!(pick(&TEXT[..TEXT.len() - 3], &["svn"]).is_err());
        assert!(pick(&format!("{TEXT} x"), &["svn"]).is_err());
        assert!(pick(&TEXT.replace("7", "7.7.7"), &[]).is_err());
        assert!(pick("[]", &["svn"]).is_err());
    }
}
