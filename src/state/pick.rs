//! Reading some surfaces of a kept state. The catalogue of a server is megabytes, and most readers want a few rows of
//! another surface: what is not wanted is passed over without being built.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::{State, Surface};

/// Reads [`State::to_text`] with only the surfaces called `names`.
///
/// # Errors
///
/// The text is no state.
pub(super) fn pick(text: &str, names: &[&str]) -> Result<State, serde_json::Error> {
    if let Some(state) = by_lines(text, names) {
        return Ok(state);
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let state = Whole(names).deserialize(&mut reader)?;
    reader.end()?;
    Ok(state)
}

/// As [`pick`], of a text that has each surface on a line of its own, as [`State::to_text`] writes it: the lines of other
/// surfaces are not even looked at. `None` of any other text.
fn by_lines(text: &str, names: &[&str]) -> Option<State> {
    let (head, rest) = text.split_once('\n')?;
    let body = rest.strip_suffix("\n}}").or_else(|| (rest == "}}").then_some(""))?;
    let head = head.strip_suffix(SURFACES).filter(|head| !head.contains(SURFACES))?;
    let mut state: State = serde_json::from_str(&format!("{head}{SURFACES}}}}}")).ok()?;
    let mut from = 0;
    let ends = memchr::memchr_iter(b'\n', body.as_bytes()).chain((!body.is_empty()).then_some(body.len()));
    for end in ends {
        let line = &body[std::mem::replace(&mut from, end + 1)..end];
        let line = if end < body.len() { line.strip_suffix(',')? } else { line };
        let (name, surface) = line.strip_prefix('"')?.split_once("\":")?;
        if names.contains(&name)
            && state.surfaces.insert(name.to_owned(), serde_json::from_str(surface).ok()?).is_some()
        {
            return None;
        }
    }
    Some(state)
}

/// What stands before the surfaces in [`State::to_text`].
pub(super) const SURFACES: &str = "\"surfaces\":{";

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
        let (mut host, mut taken, mut surfaces) = (None, None, None);
        while let Some(key) = map.next_key::<String>()? {
            let twice = match key.as_str() {
                "host" => host.replace(map.next_value()?).map(|_| "host"),
                "taken" => taken.replace(map.next_value()?).map(|_| "taken"),
                "surfaces" => surfaces.replace(map.next_value_seed(Surfaces(self.0))?).map(|_| "surfaces"),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    None
                }
            };
            if let Some(field) = twice {
                return Err(Error::duplicate_field(field));
            }
        }
        // A state without its surfaces would look like a host that has nothing.
        Ok(State {
            host: host.ok_or_else(|| Error::missing_field("host"))?,
            taken: taken.ok_or_else(|| Error::missing_field("taken"))?,
            surfaces: surfaces.ok_or_else(|| Error::missing_field("surfaces"))?,
        })
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
    fn a_text_of_one_line_a_surface_is_picked_from_by_its_lines() {
        let whole = State::parse(TEXT).expect("a state");
        let text = whole.to_text();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert_eq!(State::parse(&text).expect("a state"), whole);
        for names in [&["svn"][..], &["catalogue"], &["catalogue", "svn"], &["ports"], &[]] {
            let picked = by_lines(&text, names).expect("its lines");
            assert_eq!(picked, whole.only(|name| names.contains(&name)), "{names:?}");
        }
        let none = State { surfaces: BTreeMap::new(), ..whole };
        assert_eq!(by_lines(&none.to_text(), &["svn"]), Some(none));
        for broken in [
            &text[..text.len() - 1],
            &text[1..],
            &text.replacen("}},\n", "}}\n", 1),
            &text.replace("\"svn\"", "\"catalogue\""),
        ] {
            assert_eq!(by_lines(broken, &["catalogue", "svn"]), None, "{broken}");
        }
    }

    #[test]
    fn what_is_passed_over_must_still_be_well_formed() {
        assert!(pick(&TEXT[..TEXT.len() - 3], &["svn"]).is_err());
        assert!(pick(&format!("{TEXT} x"), &["svn"]).is_err());
        assert!(pick(&TEXT.replace("7", "7.7.7"), &[]).is_err());
        assert!(pick("[]", &["svn"]).is_err());
    }

    #[test]
    fn a_state_without_one_of_its_members_is_none() {
        for text in [
            "{}",
            r#"{"host": "ops", "taken": 1.5}"#,
            r#"{"host": "ops", "surfaces": {}}"#,
            r#"{"taken": 1, "surfaces": {}}"#,
        ] {
            assert!(pick(text, &["svn"]).is_err() && State::parse(text).is_err(), "{text}");
        }
        let twice = TEXT.replacen('{', r#"{"surfaces": {},"#, 1);
        assert!(pick(&twice, &["svn"]).is_err() && State::parse(&twice).is_err());
    }

    proptest::proptest! {
        #[test]
        fn a_time_comes_back_to_the_microsecond(taken in 1.0e9..2.0e9f64) {
            let state = State { taken, ..State::default() };
            let again = State::parse(&state.to_text()).unwrap().taken;
            proptest::prop_assert!((again - taken).abs() < 1e-6, "{} {}", again, taken);
        }

        #[test]
        fn a_damaged_state_is_read_by_both_readers_alike_or_by_none(text in crate::mangled::text(TEXT)) {
            match (State::parse(&text), pick(&text, &["svn"])) {
                (Ok(whole), Ok(part)) => proptest::prop_assert_eq!(whole.only(|name| name == "svn"), part),
                // What is passed over is looked at for being JSON, not for being a surface.
                (Err(_), picked) => proptest::prop_assert!(picked.is_err() || serde_json::from_str::<serde_json::Value>(&text).is_ok()),
                (Ok(_), Err(error)) => proptest::prop_assert!(false, "{}", error),
            }
            if let Ok(state) = State::parse(&text) {
                let again = State::parse(&state.to_text()).unwrap();
                // Numbers come back to some fifteen digits; every row and field must be there.
                let fields = |state: &State| -> Vec<String> {
                    let rows = state.surfaces.iter().flat_map(|(name, rows)| rows.iter().map(move |(key, fields)| (name, key, fields)));
                    rows.map(|(name, key, fields)| format!("{name} {key} {:?}", fields.keys().collect::<Vec<_>>())).collect()
                };
                proptest::prop_assert_eq!((&again.host, fields(&again)), (&state.host, fields(&state)));
            }
        }
    }
}
