//! Which values a key may hold (RD 1.3).

use std::collections::BTreeMap;

use super::rules::Rules;
use super::value::{Py, repr, repr_texts};
use super::{DeriveError, Generation, condition, facts};

/// Keyword -> conditioned allowed values. A keyword without entry, or with an empty list, is not checked.
pub(crate) type Allowed = BTreeMap<String, Vec<String>>;

/// The allowed values of a type, for the parkeys of `rules`.
pub(crate) fn allowed_values(rules: &Rules, generation: Generation) -> Result<Allowed, DeriveError> {
    let (instrument, filekind) = (rules.name_of("instrument"), rules.name_of("filekind"));
    match rules.name_of("observatory").as_str() {
        "jwst" => {
            let required = rules.required_parkeys();
            Ok(facts::jwst_allowed(&instrument, &filekind)
                .into_iter()
                .filter(|(key, _)| required.iter().any(|parkey| parkey == key))
                .map(|(key, values)| (key.to_owned(), values.to_vec()))
                .collect())
        }
        "hst" => hst_values(rules, &instrument, &filekind, generation),
        _ => Ok(Allowed::new()),
    }
}

fn hst_values(rules: &Rules, instrument: &str, filekind: &str, generation: Generation) -> Result<Allowed, DeriveError> {
    let rows = match facts::constraints(generation, instrument, filekind, true) {
        Some(rows) => rows,
        None if generation == Generation::Y2014 => return Err(DeriveError::new("KeyError", repr(filekind))),
        None => &[],
    };
    let required = rules.required_parkeys();
    let mut allowed = Allowed::new();
    // Rows come in sorted order: of several rows of one name the last one counts.
    for row in rows.iter().filter(|row| !row.is_complex() && required.contains(&row.name)) {
        let values = match row.values.as_slice() {
            [one] => range(one).unwrap_or_else(|| vec![one.clone()]),
            many => many.to_vec(),
        };
        allowed.insert(row.name.clone(), values.iter().map(|value| condition::value(value)).collect());
    }
    Ok(allowed)
}

/// `lo:hi` as all whole numbers in between.
fn range(text: &str) -> Option<Vec<String>> {
    let (low, high) = text.split_once(':')?;
    #[allow(clippy::cast_possible_truncation, reason = "Python truncates here as well")]
    let bound = |text: &str| text.trim().parse::<f64>().ok().filter(|x| x.abs() < 1e6).map(|x| x as i64);
    Some((bound(low)?..=bound(high)?).map(|n| n.to_string()).collect())
}

/// Substitutions that a rules header makes in its own keys: keyword -> old text -> members of the new value.
pub(crate) fn header_substitutions(rules: &Rules) -> BTreeMap<String, Vec<(Py, Py)>> {
    let generic = vec![(Py::str("GENERIC"), Py::str("N/A"))];
    let mut table: BTreeMap<String, Vec<(Py, Py)>> =
        [("META.SUBARRAY.NAME".to_owned(), generic.clone()), ("SUBARRAY".to_owned(), generic)].into();
    for (key, value) in rules.get("substitutions").and_then(Py::pairs).unwrap_or_default() {
        table.insert(key.text(), value.pairs().unwrap_or_default().to_vec());
    }
    table
}

/// Checks one member of a key element (`value` as it stands in the key).
pub(crate) fn check_value(
    name: &str,
    value: &str,
    allowed: &[String],
    substitutions: &BTreeMap<String, Vec<(Py, Py)>>,
    generation: Generation,
) -> Result<(), DeriveError> {
    let listed = |text: &str| allowed.iter().any(|a| a == text);
    let refusal = |value: &str| {
        let why = format!(" parameter={} value={} is not in {}", repr(name), repr(value), repr_texts(allowed));
        DeriveError::new("ValidationError", why)
    };
    if generation == Generation::Y2014 {
        let open = allowed.is_empty() || listed("*") || listed("N/A") || listed(value);
        let short = value.strip_suffix(".0").is_some_and(listed);
        return if open || short || matches!(value, "*" | "N/A") { Ok(()) } else { Err(refusal(value)) };
    }
    if listed(value) || listed(&condition::value(value)) || allowed.is_empty() {
        return Ok(());
    }
    if let Some(rest) = value.strip_prefix("NOT") {
        return check_value(name, rest.trim(), allowed, substitutions, generation);
    }
    if condition::is_esoteric(value) || matches!(value, "*" | "ANY" | "N/A") {
        return Ok(());
    }
    if let [one] = allowed
        && let Some((low, high)) = one.split_once(':')
    {
        let number = |text: &str| super::dates::float(text);
        let (low, high, given) = (number(low)?, number(high)?, number(value)?);
        if low <= given && given <= high {
            return Ok(());
        }
        let text = |x: f64| crate::stand_in::fits::python_float(x);
        let why = format!(
            " parameter={} value ={} is not in range [{} .. {}]",
            repr(name),
            repr(value),
            text(low),
            text(high)
        );
        return Err(DeriveError::new("ValidationError", why));
    }
    let replaced = substitutions.get(name).and_then(|t| t.iter().find(|(old, _)| old.as_str() == Some(value)));
    match replaced {
        None => Err(refusal(value)),
        Some((_, Py::Str(new))) => check_value(name, new, allowed, substitutions, generation),
        Some(_) => Err(DeriveError::new("AttributeError", "'tuple' object has no attribute 'startswith'")),
    }
}
