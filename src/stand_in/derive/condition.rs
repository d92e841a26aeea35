//! Conditioning of values and match elements (RS 5), or-lists, esoteric elements.

use super::Generation;
use super::value::Py;
use crate::stand_in::fits::python_float;

/// The normal form of a value: stripped, upper case, numbers as float texts, `ANY` as `*`, the many forms of N/A as one.
pub(crate) fn value(text: &str) -> String {
    let mut text = text.trim().to_uppercase();
    if is_number(&text) {
        text = python_float(text.parse().unwrap_or(f64::NAN));
    }
    if is_dont_care(&text) {
        return "N/A".into();
    }
    match text.as_str() {
        "ANY" => "*".into(),
        "4294967295.0" => "-1.0".into(),
        "T" | "TRUE" => "T".into(),
        "F" | "FALSE" => "F".into(),
        _ => text,
    }
}

/// `[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?` or `[+-]?[0-9]+\.`
fn is_number(text: &str) -> bool {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let whole = body.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &body[whole..];
    if rest == "." {
        return whole > 0;
    }
    let rest = match rest.strip_prefix('.') {
        Some(after) => {
            let fraction = after.bytes().take_while(u8::is_ascii_digit).count();
            if fraction == 0 {
                return false;
            }
            &after[fraction..]
        }
        None if whole == 0 => return false,
        None => rest,
    };
    match rest.strip_prefix('E') {
        None => rest.is_empty(),
        Some(exponent) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
        }
    }
}

/// The client's alternation is anchored only at its ends, so most forms count as prefixes.
fn is_dont_care(text: &str) -> bool {
    let junk = text.strip_prefix("-2147483648").and_then(|rest| {
        let mut rest = rest.chars();
        rest.next()?;
        rest.next()
    });
    junk == Some('0')
        || ["()", "N/A", "NOT APPLICABLE"].iter().any(|prefix| text.starts_with(prefix))
        || text == "NOT_APPLICABLE"
}

/// An element that is neither plain nor an or-list: literal, pattern, relation, `BETWEEN`, `NOT`.
pub(crate) fn is_esoteric(text: &str) -> bool {
    let text = text.to_uppercase();
    (text.starts_with(['{', '(', '#']) && text.ends_with(['}', ')', '#']))
        || text.starts_with("BETWEEN")
        || text.starts_with("NOT")
}

/// Members of an or-list, stripped, sorted, empty ones dropped; anything else is its own only member.
pub(crate) fn members(text: &str) -> Vec<String> {
    if is_esoteric(text) || !text.contains('|') {
        return vec![text.to_owned()];
    }
    let mut parts: Vec<String> = text.split('|').map(str::trim).filter(|p| !p.is_empty()).map(str::to_owned).collect();
    parts.sort();
    parts
}

/// An or-list in its normal spelling.
pub(crate) fn compressed(text: &str) -> String {
    members(text).join("|")
}

/// The normal form of one element of a `Match` key.
pub(crate) fn element(element: &Py) -> String {
    match element {
        Py::Str(text) => {
            let verbatim =
                (text.starts_with('{') && text.ends_with('}')) || (text.starts_with('(') && text.ends_with(')'));
            if verbatim && text.len() > 1 {
                text.clone()
            } else if text.contains('|') {
                members(text).iter().map(|part| value(part)).collect::<Vec<_>>().join("|")
            } else {
                value(&compressed(text))
            }
        }
        Py::Tuple(items) | Py::List(items) => {
            items.iter().map(|item| value(&item.text())).collect::<Vec<_>>().join("|")
        }
        other => value(&other.text()),
    }
}

/// The normal form of a `Match` key; a plain key counts as a tuple of one.
pub(crate) fn key(key: &Py) -> Vec<String> {
    match key {
        Py::Tuple(items) => items.iter().map(element).collect(),
        plain => vec![element(plain)],
    }
}

/// The normal form of a key as a generation makes it: in 2014 the members of or-lists kept their order.
pub(crate) fn key_of(raw: &Py, generation: Generation) -> Vec<String> {
    fn whole(element: &Py) -> String {
        match element {
            Py::Tuple(items) | Py::List(items) => items.iter().map(|i| value(&i.text())).collect::<Vec<_>>().join("|"),
            Py::Str(text) if text.contains('|') && !is_esoteric(text) => {
                text.split('|').map(value).collect::<Vec<_>>().join("|")
            }
            other => value(&other.text()),
        }
    }
    match (generation, raw) {
        (Generation::Now, raw) => key(raw),
        (Generation::Y2014, Py::Tuple(items)) => items.iter().map(whole).collect(),
        (Generation::Y2014, plain) => vec![whole(plain)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_their_normal_form() {
        for (raw, expected) in [
            ("1", "1.0"),
            ("+1.0", "1.0"),
            ("1e0", "1.0"),
            ("-0", "-0.0"),
            ("1_0", "1_0"),
            ("1.", "1.0"),
            (".5", "0.5"),
            (".", "."),
            ("1e22", "1e+22"),
            ("uvis ", "UVIS"),
            ("any", "*"),
            ("n/a-ish", "N/A"),
            ("()", "N/A"),
            ("not applicable", "N/A"),
            ("not_applicable", "N/A"),
            ("4294967295", "-1.0"),
            ("-2147483648", "N/A"),
            ("true", "T"),
            ("False", "F"),
            ("", ""),
            ("-999", "-999.0"),
            ("INF", "INF"),
        ] {
            assert_eq!(value(raw), expected, "{raw}");
        }
    }

    #[test]
    fn or_lists_are_sorted_and_keep_repeats() {
        assert_eq!(compressed("F814W | F606W|"), "F606W|F814W");
        assert_eq!(compressed("F658N|F658N"), "F658N|F658N");
        assert_eq!(compressed("NOT A|B"), "NOT A|B");
        assert_eq!(element(&Py::str("2|1")), "1.0|2.0");
    }
}
