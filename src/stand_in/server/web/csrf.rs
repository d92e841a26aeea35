//! Tokens against forged requests, really enforced (WP 3.1).
//!
//! The secret lives in the cookie `csrftoken`. 2014's library puts it into the form as it is; from 2019 on cookie and
//! form carry it masked, so that no two pages show the same text.

use super::form_data::{Fields, is_safe};
use crate::stand_in::server::http::Request;

const ALPHABET: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const SECRET_CHARS: usize = 32;

/// Name of cookie and of the header that a script may use instead of the form field.
pub const COOKIE: &str = "csrftoken";
/// Name of the form field.
pub const FIELD: &str = "csrfmiddlewaretoken";
/// How long the cookie lives, seconds.
pub const MAX_AGE_S: u32 = 31_449_600;

/// A random text of `count` letters and digits.
pub fn random_text(count: usize) -> String {
    let mut out = String::with_capacity(count);
    while out.len() < count {
        for byte in uuid::Uuid::new_v4().into_bytes() {
            // Bytes from 248 on would favour the first letters; the fixed version bits of a UUID are at 6 and 8.
            if byte < 248 && out.len() < count {
                out.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
            }
        }
    }
    out
}

/// A new secret.
pub fn new_secret() -> String {
    random_text(SECRET_CHARS)
}

/// The value of a new cookie: a new secret, masked or not.
pub fn new_cookie(masked: bool) -> String {
    let secret = new_secret();
    if masked { mask(&secret) } else { secret }
}

/// The value of a request's cookie that its answers keep; nothing if it cannot be one. Where cookies are masked, a bare
/// secret is masked now.
pub fn kept_cookie(request: &Request, masked: bool) -> Option<String> {
    let value = request.cookie(COOKIE)?;
    let secret = unmask(value)?;
    Some(match (masked, value.len() == SECRET_CHARS) {
        (true, true) => mask(&secret),
        (true, false) => value.to_owned(),
        (false, _) => secret,
    })
}

/// The secret behind a cookie's or a form's text, masked or not; none if it cannot be one.
pub fn unmask(token: &str) -> Option<String> {
    if !token.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    if token.len() == SECRET_CHARS {
        return Some(token.to_owned());
    }
    if token.len() != 2 * SECRET_CHARS {
        return None;
    }
    let (salt, cipher) = token.split_at(SECRET_CHARS);
    let place = |byte: u8| ALPHABET.iter().position(|known| *known == byte);
    salt.bytes()
        .zip(cipher.bytes())
        .map(|(salt, cipher)| {
            let (salt, cipher) = (place(salt)?, place(cipher)?);
            Some(char::from(ALPHABET[(cipher + ALPHABET.len() - salt) % ALPHABET.len()]))
        })
        .collect()
}

/// A fresh masked text of a secret.
pub fn mask(secret: &str) -> String {
    let salt = random_text(SECRET_CHARS);
    let place = |byte: u8| ALPHABET.iter().position(|known| *known == byte).unwrap_or_default();
    let cipher: String = salt
        .bytes()
        .zip(secret.bytes())
        .map(|(salt, secret)| char::from(ALPHABET[(place(salt) + place(secret)) % ALPHABET.len()]))
        .collect();
    salt + &cipher
}

/// Why a changing request is refused, or nothing if it may pass.
pub fn refusal(request: &Request, fields: &Fields, host: &str) -> Option<&'static str> {
    if is_safe(request) {
        return None;
    }
    if request.https {
        let Some(referer) = request.header("referer") else {
            return Some("Referer checking failed - no Referer.");
        };
        let good = referer.strip_prefix("https://").is_some_and(|rest| rest.split('/').next() == Some(host));
        if !good {
            return Some("Referer checking failed - it does not match any trusted origins.");
        }
    }
    let Some(secret) = request.cookie(COOKIE).and_then(unmask) else {
        return Some("CSRF cookie not set.");
    };
    let token = match fields.get(FIELD) {
        Some(token) if !token.is_empty() => token,
        _ => request.header("x-csrftoken").unwrap_or_default(),
    };
    (unmask(token) != Some(secret)).then_some("CSRF token missing or incorrect.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_hides_the_secret_and_gives_it_back() {
        let secret = new_secret();
        let (one, two) = (mask(&secret), mask(&secret));
        assert_ne!(one, two);
        assert_eq!(unmask(&one), Some(secret.clone()));
        assert_eq!(unmask(&two), Some(secret));
    }

    #[test]
    fn odd_tokens_are_none() {
        for odd in ["", "x", "ä", &"a".repeat(33), &"-".repeat(64), &"a".repeat(65)] {
            assert_eq!(unmask(odd), None, "{odd}");
        }
    }
}
