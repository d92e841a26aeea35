//! How Python writes values: `repr()` and `str()`, which show in many texts of the server.

/// `repr()` of a text in Python 3: single quotes unless the text holds one and no double quote.
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
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if !printable(c) => {
                let code = c as u32;
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

/// Python's `str.isprintable` for the characters that matter here: no separators but the blank, no format characters.
fn printable(c: char) -> bool {
    !(matches!(c, '\u{80}'..='\u{a0}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e000}'..='\u{f8ff}' | '\u{1680}' | '\u{2000}'..='\u{200a}'
        | '\u{202f}' | '\u{205f}' | '\u{3000}')
        || c.is_control())
}

/// `str.splitlines()`: at every kind of line break that Python knows; a final one opens no further line.
pub fn split_lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let breaks = ['\n', '\r', '\x0b', '\x0c', '\x1c', '\x1d', '\x1e', '\u{85}', '\u{2028}', '\u{2029}'];
        let Some(at) = rest.find(breaks) else {
            lines.push(rest);
            break;
        };
        lines.push(&rest[..at]);
        let len = if rest[at..].starts_with("\r\n") { 2 } else { rest[at..].chars().next().map_or(1, char::len_utf8) };
        rest = &rest[at + len..];
    }
    lines
}

/// `text.format()` without arguments: doubled braces become single ones.
///
/// # Errors
///
/// What Python says to any other brace.
pub fn format_nothing(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            out.push_str(brace);
            rest = after;
            continue;
        }
        if brace == "}" {
            return Err("Single '}' encountered in format string".to_owned());
        }
        let Some(end) = rest.find('}') else {
            return Err(if rest.is_empty() {
                "Single '{' encountered in format string"
            } else {
                "expected '}' before end of string"
            }
            .to_owned());
        };
        let field = rest[..end].split(['.', '[', '!', ':']).next().unwrap_or_default();
        let numbered = field.chars().all(|c| c.is_ascii_digit());
        return Err(if numbered { "tuple index out of range".to_owned() } else { repr(field) });
    }
    out.push_str(rest);
    Ok(out)
}

/// `repr()` of a list of texts.
pub fn repr_list<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> String {
    let items: Vec<String> = items.into_iter().map(|s| repr(s.as_ref())).collect();
    format!("[{}]", items.join(", "))
}

/// `repr()` of a float: shortest digits that read back, exponent form outside 1e-4 ..= 1e16.
pub fn float(x: f64) -> String {
    if x.is_nan() {
        return "nan".to_owned();
    }
    if x.is_infinite() {
        return if x > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let exp = format!("{x:e}");
    let (mantissa, exponent) = exp.split_once('e').unwrap_or((&exp, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if x != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let plain = format!("{x}");
    if plain.contains('.') { plain } else { format!("{plain}.0") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_python() {
        assert_eq!(repr("a"), "'a'");
        assert_eq!(repr("it's"), "\"it's\"");
        assert_eq!(repr("it's \"x\""), "'it\\'s \"x\"'");
        assert_eq!(repr("a\nb\u{1}é"), "'a\\nb\\x01é'");
        assert_eq!(float(1e22), "1e+22");
        assert_eq!(float(1e-5), "1e-05");
        assert_eq!(float(0.1), "0.1");
    }

    #[test]
    fn splits_and_formats_as_python() {
        assert_eq!(split_lines("a\r\n\nb\rc\u{2028}\n"), ["a", "", "b", "c", ""]);
        assert_eq!(split_lines(""), [""; 0]);
        assert_eq!(split_lines("x"), ["x"]);
        assert_eq!(format_nothing("a {{b}}").as_deref(), Ok("a {b}"));
        assert_eq!(format_nothing("'{x}'"), Err("'x'".to_owned()));
        assert_eq!(format_nothing("{}"), Err("tuple index out of range".to_owned()));
        assert_eq!(format_nothing("}"), Err("Single '}' encountered in format string".to_owned()));
    }
}
