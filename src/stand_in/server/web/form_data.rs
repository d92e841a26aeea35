//! What a visitor sent: named values and files, from the query string or the body.
//!
//! The site knows two kinds of requests, GET and "everything else" (WP 3.1): a GET is judged by its query string,
//! anything else by its body, whatever the verb.

use super::multipart;
use crate::stand_in::server::http::Request;

/// Largest body that the site reads, bytes. Real front ends allowed 16 GB (WP 1.1); the stand-in takes uploads apart in
/// memory, so it refuses what is larger before it has changed anything.
pub const BODY_LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// One file of a multipart body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Name of the form field.
    pub field: String,
    /// Name as the browser gave it, directories already cut (WP 3.5).
    pub name: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Named values in the order in which they came; a name may come twice, the last one counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    pairs: Vec<(String, String)>,
}

impl Fields {
    /// Takes the pairs as they came.
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self { pairs }
    }

    /// The last value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A body taken apart: named values and files.
#[derive(Debug, Clone, Default)]
pub struct Form {
    /// Values.
    pub fields: Fields,
    /// Files, in order.
    pub files: Vec<Upload>,
}

/// True for verbs that change nothing and so need no token (WP 3.1).
pub fn is_safe(request: &Request) -> bool {
    matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE")
}

/// Values of the query string.
pub fn query(request: &Request) -> Fields {
    Fields::new(decode_pairs(request.query.as_bytes()))
}

/// Values and files of the body. Only a POST has one that is taken apart.
pub fn body(request: &Request) -> Form {
    if request.method != "POST" {
        return Form::default();
    }
    let kind = request.header("content-type").unwrap_or_default();
    let lower = kind.to_ascii_lowercase();
    if lower.starts_with("multipart/form-data") {
        return multipart::parse(kind, &request.body);
    }
    if lower.starts_with("application/x-www-form-urlencoded") {
        return Form { fields: Fields::new(decode_pairs(&request.body)), files: Vec::new() };
    }
    Form::default()
}

/// Takes `a=1&b=2` apart.
pub fn decode_pairs(text: &[u8]) -> Vec<(String, String)> {
    text.split(|byte| *byte == b'&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let cut = part.iter().position(|byte| *byte == b'=');
            let (key, value) = cut.map_or((part, &[][..]), |at| (&part[..at], &part[at + 1..]));
            (decode(key), decode(value))
        })
        .collect()
}

fn decode(part: &[u8]) -> String {
    let spaced: Vec<u8> = part.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_encoding::percent_decode(&spaced).decode_utf8_lossy().into_owned()
}

const PATH_UNSAFE: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Percent-codes a text for a link; slashes stay (WP 3.1).
pub fn quote(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, PATH_UNSAFE).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_equal_names_counts() {
        let fields = Fields::new(decode_pairs(b"a=1&b=x+y%2Fz&a=2&c"));
        assert_eq!((fields.get("a"), fields.get("b"), fields.get("c")), (Some("2"), Some("x y/z"), Some("")));
    }

    #[test]
    fn links_keep_their_slashes() {
        assert_eq!(quote("/a b/?c=d&e"), "/a%20b/%3Fc%3Dd%26e");
    }
}
