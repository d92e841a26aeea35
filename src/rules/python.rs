//! The few habits of Python that show in rules: text of numbers, `repr`, `float()`, `int()`, `str.strip` (RS 5, 10).

/// Whether Python's `str.strip` and `str.split` treat `c` as blank.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// `str.strip()`.
pub fn strip(text: &str) -> &str {
    // Most texts begin and end with a visible character, which is quickly seen.
    match text.as_bytes() {
        [b'!'..=b'~'] | [b'!'..=b'~', .., b'!'..=b'~'] => text,
        _ => text.trim_matches(is_space),
    }
}

/// `repr` of a float: shortest digits that round-trip, fixed notation for `-4 <= exponent < 16`.
pub fn float_repr(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if value == 0.0 || (1e-4..1e16).contains(&value.abs()) {
        // Here the two languages write alike.
        return format!("{value:?}");
    }
    // `{:e}` gives the shortest round-trip digits as `d.ddde<exp>`.
    let scientific = format!("{:e}", value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let exp_sign = if exponent < 0 { '-' } else { '+' };
    format!("{sign}{first}{point}{rest}e{exp_sign}{:02}", exponent.abs())
}

/// Drops single underscores between digits; `None` where Python refuses an underscore.
fn without_underscores(text: &str) -> Option<std::borrow::Cow<'_, str>> {
    if !text.contains('_') {
        return Some(text.into());
    }
    let bytes = text.as_bytes();
    for (at, _) in bytes.iter().enumerate().filter(|(_, b)| **b == b'_') {
        let digit = |i: Option<usize>| i.and_then(|i| bytes.get(i)).is_some_and(u8::is_ascii_digit);
        if !digit(at.checked_sub(1)) || !digit(at.checked_add(1)) {
            return None;
        }
    }
    Some(text.replace('_', "").into())
}

/// `float(text)`.
pub fn parse_float(text: &str) -> Option<f64> {
    let text = without_underscores(strip(text))?;
    let body = text.strip_prefix(['+', '-']).unwrap_or(&text);
    let word = body.to_ascii_lowercase();
    if matches!(word.as_str(), "inf" | "infinity" | "nan") {
        let value = if word == "nan" { f64::NAN } else { f64::INFINITY };
        return Some(if text.starts_with('-') { -value } else { value });
    }
    // Rust also takes words such as "infinity"; everything else that it takes, Python takes.
    if body.is_empty() || !body.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-')) {
        return None;
    }
    text.parse().ok()
}

/// An integer as Python's `int(text)` reads it: `Ok(None)` when it is too large for 64 bits.
///
/// # Errors
///
/// Python's message.
pub fn parse_int(text: &str) -> Result<Option<i64>, String> {
    let bad = || format!("invalid literal for int() with base 10: {}", repr(text));
    let stripped = without_underscores(strip(text)).ok_or_else(bad)?;
    let body = stripped.strip_prefix(['+', '-']).unwrap_or(&stripped);
    if body.is_empty() || !body.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    Ok(stripped.parse().ok())
}

/// `repr` of a text.
pub fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            c if c.is_ascii() || !printable(c) => {
                let code = u32::from(c);
                out.push_str(&match code {
                    0..=0xff => format!("\\x{code:02x}"),
                    0x100..=0xffff => format!("\\u{code:04x}"),
                    _ => format!("\\U{code:08x}"),
                });
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// Whether Python prints a non-ASCII character as itself; the rare combining marks aside, Rust's view is the same.
fn printable(c: char) -> bool {
    c.is_alphanumeric() || c.escape_debug().next() != Some('\\')
}

/// `repr` of a list of texts.
pub fn repr_list<S: AsRef<str>>(items: &[S]) -> String {
    let items: Vec<String> = items.iter().map(|item| repr(item.as_ref())).collect();
    format!("[{}]", items.join(", "))
}

/// `repr` of a tuple of texts.
pub fn repr_tuple<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [only] => format!("({},)", repr(only.as_ref())),
        _ => {
            let items: Vec<String> = items.iter().map(|item| repr(item.as_ref())).collect();
            format!("({})", items.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_python_prints_them() {
        let cases = [
            ("1", "1.0"),
            ("-0", "-0.0"),
            ("1e22", "1e+22"),
            ("1e400", "inf"),
            ("0.0001", "0.0001"),
            ("0.00001234", "1.234e-05"),
            ("12345678901234567", "1.2345678901234568e+16"),
            ("1234567890123456", "1234567890123456.0"),
            ("5.", "5.0"),
            (".5", "0.5"),
            ("100", "100.0"),
            ("9999999999999998", "9999999999999998.0"),
            ("1e100", "1e+100"),
        ];
        for (text, shown) in cases {
            assert_eq!(float_repr(parse_float(text).unwrap()), shown);
        }
    }

    #[test]
    fn numbers_are_read_as_python_reads_them() {
        assert_eq!(parse_float(" 1_0 "), Some(10.0));
        assert!(parse_float("-INF").is_some_and(|v| v == f64::NEG_INFINITY));
        assert!(parse_float("nan").is_some_and(f64::is_nan));
        for bad in ["", "1__0", "_1", "0x10", "1,0", ".", "infin", "e5", "1e"] {
            assert_eq!(parse_float(bad), None, "{bad}");
        }
        assert_eq!(parse_int(" -12 "), Ok(Some(-12)));
        assert_eq!(parse_int("foo 01").unwrap_err(), "invalid literal for int() with base 10: 'foo 01'");
    }

    #[test]
    fn texts_are_quoted_as_python_quotes_them() {
        assert_eq!(repr("it's"), "\"it's\"");
        assert_eq!(repr("a\"'\n\u{1}é\u{200b}"), "'a\"\\'\\n\\x01é\\u200b'");
        assert_eq!(repr_tuple(&["A"]), "('A',)");
    }
}
