//! Keeping secrets out of everything that is written (design, promise 11; SO 23).

use std::borrow::Cow;
use std::sync::{LazyLock, RwLock};

use regex::bytes::{Captures, NoExpand, Regex, RegexBuilder};
use secrecy::{ExposeSecret, SecretString};

/// What stands where a secret was.
pub const REDACTED: &str = "[redacted]";

/// Shorter values are too likely to be ordinary words; a credential this short is refused elsewhere.
const SHORTEST: usize = 4;

/// Shapes in which secrets surface on CRDS hosts whatever their value (SO 23).
static SHAPES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        // Options and settings: --password=x, password: x, 'PASSWORD': 'x', set_password x
        r#"(?P<keep>--?(?:password|passwd|pwd)[= ])(?P<hide>[^\s'"&]+)"#,
        r#"(?P<keep>['"](?:password|passwd|secret_key|api_key)['"]\s*:\s*u?['"])(?P<hide>[^'"]+)"#,
        r#"(?P<keep>\b(?:password|passwd|secret_key|MYSQL_PWD)=)(?P<hide>[^\s'"&*][^\s'"&]*)"#,
        // Cookies and form tokens.
        r#"(?P<keep>(?:csrftoken|sessionid|csrfmiddlewaretoken)=)(?P<hide>[A-Za-z0-9_-]{8,})"#,
        r#"(?P<keep>name=['"]csrfmiddlewaretoken['"] value=['"])(?P<hide>[^'"]+)"#,
        // Password hashes of dumps and user tables.
        r#"(?P<keep>\bpbkdf2_sha(?:1|256)\$)(?P<hide>[0-9]+\$[^$'"\s]+\$[A-Za-z0-9+/=]+)"#,
    ]
    .iter()
    .filter_map(|shape| RegexBuilder::new(shape).case_insensitive(true).build().ok())
    .collect()
});

/// A few letters that every one of [`SHAPES`] has, at most [`BEFORE`] bytes after its beginning: megabytes without them need
/// no look at each shape. So few that with all their spellings they are still looked for side by side.
static HINT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = "ssw|pwd|t_ke|i_ke|srf|nid=|kdf2";
    RegexBuilder::new(words).case_insensitive(true).unicode(false).build().ok()
});

/// More than any of [`SHAPES`] has before its word, and than a word boundary needs.
const BEFORE: usize = 32;

/// The secrets known in this process.
#[derive(Default)]
pub struct Secrets {
    known: RwLock<Known>,
}

/// Secrets, and what finds any spelling of any of them in one pass.
#[derive(Default)]
struct Known {
    secrets: Vec<SecretString>,
    spelled: Option<Regex>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Secrets({} known)", self.known.read().map_or(0, |known| known.secrets.len()))
    }
}

impl Secrets {
    /// Makes a secret known: from here on nothing redacted contains it.
    pub fn learn(&self, value: &SecretString) {
        let text = value.expose_secret();
        if text.len() < SHORTEST {
            return;
        }
        let mut known = self.known.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !known.secrets.iter().any(|have| have.expose_secret() == text) {
            known.secrets.push(value.clone());
            let mut all: Vec<String> =
                known.secrets.iter().flat_map(|secret| spellings(secret.expose_secret())).collect();
            // Longest first, so that a secret that contains another is hidden whole.
            all.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
            let any: Vec<String> = all.iter().map(|spelling| regex::escape(spelling)).collect();
            let longest = 1 << 26;
            known.spelled = RegexBuilder::new(&any.join("|")).size_limit(longest).dfa_size_limit(longest).build().ok();
        }
    }

    /// Whether a text holds a known secret, in any spelling.
    pub fn within(&self, text: &str) -> bool {
        self.leaks(text.as_bytes())
    }

    /// The bytes with every known secret, also in the spellings that programs give it, and every secret-like shape hidden.
    pub fn bytes<'a>(&self, input: &'a [u8]) -> Cow<'a, [u8]> {
        let known = self.known.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut output = match &known.spelled {
            Some(spelled) => spelled.replace_all(input, NoExpand(REDACTED.as_bytes())),
            // Too many or too long for one pass: one by one.
            None => known.secrets.iter().flat_map(|secret| spellings(secret.expose_secret())).fold(
                Cow::Borrowed(input),
                |output, spelling| {
                    let there = memchr::memmem::find(&output, spelling.as_bytes()).is_some();
                    if there { Cow::Owned(replace(&output, spelling.as_bytes())) } else { output }
                },
            ),
        };
        let from = match HINT.as_ref().map(|hint| hint.find(&output).map(|found| found.start())) {
            Some(None) => return output,
            Some(Some(at)) => at.saturating_sub(BEFORE),
            None => 0,
        };
        for shape in SHAPES.iter() {
            if shape.is_match(&output[from..]) {
                let hidden = shape.replace_all(&output[from..], |found: &Captures<'_>| {
                    let keep = found.name("keep").map_or(&b""[..], |part| part.as_bytes());
                    [keep, REDACTED.as_bytes()].concat()
                });
                output = Cow::Owned([&output[..from], &hidden].concat());
            }
        }
        output
    }

    /// As [`Secrets::bytes`], for text.
    pub fn text(&self, input: &str) -> String {
        String::from_utf8_lossy(&self.bytes(input.as_bytes())).into_owned()
    }

    /// Whether a known secret stands in the bytes, in any spelling.
    pub fn leaks(&self, input: &[u8]) -> bool {
        let known = self.known.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &known.spelled {
            Some(spelled) => spelled.is_match(input),
            None => known
                .secrets
                .iter()
                .flat_map(|secret| spellings(secret.expose_secret()))
                .any(|spelling| memchr::memmem::find(input, spelling.as_bytes()).is_some()),
        }
    }
}

/// The secret as itself, percent-encoded, in base64, as a JSON string, as HTML and as a shell word.
fn spellings(secret: &str) -> Vec<String> {
    use base64::Engine as _;
    let percent = percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string();
    let json = serde_json::to_string(secret).map(|text| text.trim_matches('"').to_owned()).unwrap_or_default();
    let html = secret
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;");
    let shell = secret.replace('\'', "'\\''");
    let form = percent.replace("%20", "+");
    let base64 = base64::engine::general_purpose::STANDARD.encode(secret);
    let mut all = vec![secret.to_owned(), percent, form, json, html, shell, base64];
    all.retain(|text| text.len() >= SHORTEST);
    all.dedup();
    all
}

fn replace(input: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(input.len());
    let mut from = 0;
    for at in memchr::memmem::find_iter(input, secret) {
        output.extend_from_slice(&input[from..at]);
        output.extend_from_slice(REDACTED.as_bytes());
        from = at + secret.len();
    }
    output.extend_from_slice(&input[from..]);
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canary() -> (Secrets, &'static str) {
        let secrets = Secrets::default();
        let value = "c4nary&'s <pass> wörd";
        secrets.learn(&SecretString::from(value.to_owned()));
        (secrets, value)
    }

    #[test]
    fn a_known_secret_goes_in_every_spelling() {
        let (secrets, value) = canary();
        for spelling in spellings(value) {
            let text = format!("before {spelling} after");
            assert!(secrets.leaks(text.as_bytes()), "{spelling} is recognised");
            let hidden = secrets.text(&text);
            assert_eq!(hidden, format!("before {REDACTED} after"), "{spelling}");
            assert!(!secrets.leaks(hidden.as_bytes()));
        }
    }

    #[test]
    fn secret_like_shapes_go_without_being_known() {
        let secrets = Secrets::default();
        for (text, expected) in [
            (
                "mysqldump --user=crds --password=hunter22 crds_hst",
                "mysqldump --user=crds --password=[redacted] crds_hst",
            ),
            ("'PASSWORD': 'abc def',", "'PASSWORD': '[redacted]',"),
            ("Cookie: sessionid=0123456789abcdef", "Cookie: sessionid=[redacted]"),
            ("x pbkdf2_sha256$12000$salt$aGFzaA== y", "x pbkdf2_sha256$[redacted] y"),
            ("-pwd hunter22 and MYSQL_PWD=hunter22", "-pwd [redacted] and MYSQL_PWD=[redacted]"),
            (
                "<input name='csrfmiddlewaretoken' value='abc'/>",
                "<input name='csrfmiddlewaretoken' value='[redacted]'/>",
            ),
            ("\"api_key\": u\"abc\"", "\"api_key\": u\"[redacted]\""),
        ] {
            assert_eq!(secrets.text(text), expected);
            // Far from the beginning, and at the very edge of what is looked at.
            for ahead in [1, BEFORE - 1, BEFORE, BEFORE + 1, 10_000] {
                let ahead = " ".repeat(ahead);
                assert_eq!(secrets.text(&format!("{ahead}{text}")), format!("{ahead}{expected}"));
            }
        }
    }

    #[test]
    fn the_tools_own_asterisks_are_left() {
        let text = "  Running: mysqldump --user=crds password=******** crds_hst";
        assert_eq!(Secrets::default().text(text), text);
    }
}
