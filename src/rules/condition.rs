//! Conditioning: the one normal form of dataset values and match elements (RS 5).

use std::borrow::Cow;

use super::python;

/// Whether the upper-cased `text` is a number in the sense of rules.
fn is_number(text: &str) -> bool {
    // A sign stands at the very beginning or behind the `E`, a colon nowhere: so much for dates and times.
    if matches!(text.as_bytes(), [_, _, b':', ..] | [_, _, _, b'0'..=b'9', b'-', ..]) {
        return false;
    }
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let (mantissa, exponent) = match body.split_once('E') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (body, None),
    };
    if exponent.is_some_and(|e| !digits(e)) {
        return false;
    }
    match mantissa.split_once('.') {
        None => digits(mantissa),
        Some((whole, "")) => exponent.is_none() && digits(whole),
        Some((whole, fraction)) => (whole.is_empty() || digits(whole)) && digits(fraction),
    }
}

/// Whether a text is a number that is in its normal form already, or would be with `.0` behind it (then: true).
///
/// Up to fifteen digits come back as they are from the way through binary64, and between 0.1 and 1e15 fixed notation is used.
fn usual_number(text: &[u8]) -> Option<bool> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.len() > 16 {
        return None;
    }
    let whole = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if whole == 0 || whole > 15 || (whole > 1 && digits[0] == b'0') {
        return None;
    }
    match &digits[whole..] {
        [] => Some(true),
        [b'.', b'0'] => Some(false),
        [b'.', fraction @ ..] if !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit) => {
            let zero = digits[0] == b'0';
            (fraction[fraction.len() - 1] != b'0' && !(zero && fraction[0] == b'0')).then_some(false)
        }
        _ => None,
    }
}

/// Returns the normal form of a value: what a dataset's value and a match element are compared in.
pub fn condition_value(value: &str) -> Cow<'_, str> {
    let stripped = python::strip(value);
    let mut text: Cow<'_, str> = if stripped.bytes().any(|b| b.is_ascii_lowercase() || !b.is_ascii()) {
        Cow::Owned(stripped.to_uppercase())
    } else {
        Cow::Borrowed(stripped)
    };
    let Some(&first) = text.as_bytes().first() else { return text };
    if matches!(first, b'0'..=b'9' | b'-')
        && let Some(whole) = usual_number(text.as_bytes())
    {
        if whole {
            text.to_mut().push_str(".0");
        }
    } else if matches!(first, b'0'..=b'9' | b'+' | b'-' | b'.') && is_number(&text) {
        // What `is_number` takes, `parse` takes; too many digits overflow to infinity as in Python.
        text = Cow::Owned(python::float_repr(text.parse().unwrap_or(f64::INFINITY)));
    }
    if dont_care(&text) {
        return Cow::Borrowed("N/A");
    }
    match &*text {
        "ANY" => Cow::Borrowed("*"),
        "4294967295.0" => Cow::Borrowed("-1.0"),
        "TRUE" => Cow::Borrowed("T"),
        "FALSE" => Cow::Borrowed("F"),
        _ => text,
    }
}

/// The client's "don't care" pattern: prefixes, since its alternatives are anchored only at the two ends.
fn dont_care(text: &str) -> bool {
    match text.as_bytes()[0] {
        b'N' => text.starts_with("N/A") || text.starts_with("NOT APPLICABLE") || text == "NOT_APPLICABLE",
        b'(' => text.starts_with("()"),
        b'-' => text.strip_prefix("-2147483648").is_some_and(|rest| {
            let mut chars = rest.chars();
            chars.next().is_some_and(|c| c != '\n') && chars.next() == Some('0')
        }),
        _ => false,
    }
}

/// Whether a match element (or value) is too special to be listed as a plain alternative.
pub fn esoteric(text: &str) -> bool {
    let bracketed = |text: &str| text.starts_with(['{', '(', '#']) && text.ends_with(['}', ')', '#']);
    if bracketed(text) {
        return true;
    }
    let starts = |word: &str| text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    starts("BETWEEN") || starts("NOT")
}

/// The alternatives of an element, sorted: `A | B` has two, an esoteric or plain text one.
pub fn or_split(text: &str) -> Vec<&str> {
    if !text.contains('|') || esoteric(text) {
        return vec![text];
    }
    let mut parts: Vec<&str> = text.split('|').map(python::strip).filter(|part| !part.is_empty()).collect();
    parts.sort_unstable();
    parts
}

/// Conditions one text element of a `Match` key.
pub fn condition_element(text: &str) -> Cow<'_, str> {
    let wrapped = |open, close| text.starts_with(open) && text.ends_with(close);
    if wrapped('{', '}') || wrapped('(', ')') {
        return Cow::Borrowed(text);
    }
    if !text.contains('|') {
        return condition_value(text);
    }
    let parts: Vec<Cow<'_, str>> = or_split(text).into_iter().map(condition_value).collect();
    Cow::Owned(parts.join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_their_normal_form() {
        let cases = [
            ("  Straße ", "STRASSE"),
            ("1", "1.0"),
            ("+1.0", "1.0"),
            ("01", "1.0"),
            ("1e0", "1.0"),
            ("5.", "5.0"),
            ("5.e3", "5.E3"),
            ("-0", "-0.0"),
            ("1E400", "inf"),
            ("1_0", "1_0"),
            ("0x10", "0X10"),
            ("inf", "INF"),
            (".", "."),
            ("N/A-ish", "N/A"),
            ("()X", "N/A"),
            ("not applicable to this", "N/A"),
            ("NOT_APPLICABLE", "N/A"),
            ("NOT_APPLICABLE2", "NOT_APPLICABLE2"),
            ("-2147483648", "N/A"),
            ("-2147483648.05", "N/A"),
            ("4294967295", "-1.0"),
            ("any", "*"),
            ("True", "T"),
            ("f", "F"),
            ("-999", "-999.0"),
            ("", ""),
            ("12345678901234567", "1.2345678901234568e+16"),
            ("-12", "-12.0"),
            ("0.5", "0.5"),
            ("0.05", "0.05"),
            ("0.00001", "1e-05"),
            ("2.50", "2.5"),
            ("2.", "2.0"),
            ("00", "0.0"),
            ("2013-09-12", "2013-09-12"),
            ("123456789012.345", "123456789012.345"),
            ("123456789012345.6", "123456789012345.6"),
            ("1.2345678901234567890", "1.2345678901234567"),
        ];
        for (raw, conditioned) in cases {
            assert_eq!(condition_value(raw), conditioned, "{raw:?}");
        }
    }

    #[test]
    fn usual_numbers_are_what_the_long_way_makes_of_them() {
        let mut seed = 7_u64;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (whole, places) = ((seed >> 33) % 10_u64.pow(1 + (seed >> 8) as u32 % 9), (seed >> 20) % 7);
            let fraction = (seed >> 24) % 10_u64.pow(places as u32);
            let sign = if seed & 64 == 0 { "-" } else { "" };
            let text = if places == 0 {
                format!("{sign}{whole}")
            } else {
                format!("{sign}{whole}.{fraction:0w$}", w = places as usize)
            };
            assert_eq!(condition_value(&text), python::float_repr(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn elements_are_split_sorted_and_conditioned() {
        assert_eq!(condition_element(" FAST|FASTGRPAVG"), "FAST|FASTGRPAVG");
        assert_eq!(condition_element("B|a|1|"), "1.0|B|A");
        assert_eq!(condition_element("{lower}"), "{lower}");
        assert_eq!(condition_element("not a|b"), "NOT A|B");
        assert_eq!(or_split("NOTCH|A"), ["NOTCH|A"]);
    }
}
