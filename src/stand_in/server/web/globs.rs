//! Globs and regular expressions of visitors, as Python's `fnmatch` and `re.match` take them.

use regex::Regex;

/// Whether a shell glob fits the whole name.
pub fn glob(pattern: &str, name: &str) -> bool {
    let mut out = String::from(r"(?s)\A");
    let chars: Vec<char> = pattern.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        match chars[at] {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '[' => match chars[at + 1..].iter().skip(1).position(|ch| *ch == ']').map(|found| at + 2 + found) {
                Some(end) => {
                    let inner: String = chars[at + 1..end].iter().collect();
                    let (negated, inner) = inner.strip_prefix('!').map_or((false, inner.as_str()), |rest| (true, rest));
                    out.push_str(if negated { "[^" } else { "[" });
                    for ch in inner.chars() {
                        if matches!(ch, '\\' | '[' | ']' | '^' | '&' | '~') {
                            out.push('\\');
                        }
                        out.push(ch);
                    }
                    out.push(']');
                    at = end;
                }
                None => out.push_str(r"\["),
            },
            other => out.push_str(&regex::escape(&other.to_string())),
        }
        at += 1;
    }
    out.push_str(r"\z");
    compiled(&out).is_some_and(|regex| regex.is_match(name))
}

/// Whether a regular expression fits at the beginning of a value; one that is no regular expression fits nothing.
pub fn at_start(pattern: &str, value: &str) -> bool {
    compiled(&format!(r"\A(?:{pattern})")).is_some_and(|regex| regex.is_match(value))
}

fn compiled(pattern: &str) -> Option<Regex> {
    regex::RegexBuilder::new(pattern).size_limit(1 << 20).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_fit_whole_names_and_expressions_their_beginning() {
        assert!(glob("hst_*_02[56]?.rmap", "hst_acs_0256.rmap") && !glob("hst", "hst_0279.pmap"));
        assert!(glob("[!a]b", "cb") && !glob("[!a]b", "ab") && glob("a[", "a["));
        assert!(at_start("hst_acs", "hst_acs_0256.imap") && !at_start("acs", "hst_acs"));
        for odd in ["(", "[", "*", "a{9999999}", "[[:"] {
            assert!(!at_start(odd, "x") || odd == "*", "{odd}");
            let _ = glob(odd, "x");
        }
    }
}
