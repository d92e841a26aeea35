//! Taking a `multipart/form-data` body apart, hostile ones included.
//!
//! A part without a file name is a value; one with an empty file name is nothing at all; a file name is cut at its last
//! slash or backslash (WP 3.5: "directories in the name are cut").

use memchr::memmem;

use super::form_data::{Fields, Form, Upload};

/// More parts than any form of the site has: the rest is not looked at.
const MAX_PARTS: usize = 1_000;

/// Takes `body` apart by the boundary named in `content_type`; what cannot be read is left out.
pub fn parse(content_type: &str, body: &[u8]) -> Form {
    let Some(boundary) = parameter(content_type, "boundary").filter(|text| !text.is_empty() && text.len() <= 200)
    else {
        return Form::default();
    };
    let delimiter = format!("--{boundary}").into_bytes();
    let between = [b"\r\n".as_slice(), &delimiter].concat();
    let mut pairs = Vec::new();
    let mut files = Vec::new();
    let Some(mut at) = memmem::find(body, &delimiter).map(|start| start + delimiter.len()) else {
        return Form::default();
    };
    for _ in 0..MAX_PARTS {
        let rest = &body[at..];
        if rest.starts_with(b"--") || rest.is_empty() {
            break;
        }
        let Some(end) = memmem::find(rest, &between) else { break };
        part(&rest[..end], &mut pairs, &mut files);
        at += end + between.len();
    }
    Form { fields: Fields::new(pairs), files }
}

fn part(bytes: &[u8], pairs: &mut Vec<(String, String)>, files: &mut Vec<Upload>) {
    let bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    let (head, content) = match memmem::find(bytes, b"\r\n\r\n") {
        Some(at) => (&bytes[..at], &bytes[at + 4..]),
        None => return,
    };
    let head = String::from_utf8_lossy(head);
    let Some(line) = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:")) else {
        return;
    };
    let Some(field) = parameter(line, "name") else { return };
    match parameter(line, "filename") {
        None => pairs.push((field, String::from_utf8_lossy(content).into_owned())),
        Some(name) => {
            let name = name.rsplit(['/', '\\']).next().unwrap_or_default().trim().to_owned();
            if !name.is_empty() {
                files.push(Upload { field, name, bytes: content.to_vec() });
            }
        }
    }
}

/// The value of `key` in a header line such as `form-data; name="a"; filename="b"`.
///
/// As Django reads it: a value ends at the first semicolon before which quotes are even in number, backslashes
/// notwithstanding; only then is it unquoted.
fn parameter(line: &str, key: &str) -> Option<String> {
    let mut rest = &line[line.find(';')?..];
    while let Some(next) = rest.strip_prefix(';') {
        let end = next.match_indices(';').map(|(at, _)| at).find(|at| next[..*at].matches('"').count() % 2 == 0);
        let (one, after) = next.split_at(end.unwrap_or(next.len()));
        let (name, value) = one.split_once('=')?;
        if name.trim().eq_ignore_ascii_case(key) {
            return Some(unquoted(value.trim()));
        }
        rest = after;
    }
    None
}

/// A value without the quotes around it, and without the backslashes before quotes and backslashes in it.
fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.map_or_else(|| value.to_owned(), |inner| inner.replace("\\\\", "\\").replace("\\\"", "\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_files_are_told_apart_and_directories_cut() {
        let body = b"--B\r\nContent-Disposition: form-data; name=\"csrfmiddlewaretoken\"\r\n\r\ntok\r\n--B\r\n\
            Content-Disposition: form-data; name=\"files\"; filename=\"../x\\y.fits\"\r\nContent-Type: a/b\r\n\r\n\r\n--\r\n--B\r\n\
            Content-Disposition: form-data; name=\"files\"; filename=\"\"\r\n\r\n\r\n--B--\r\n";
        let form = parse("multipart/form-data; boundary=B", body);
        assert_eq!(form.fields.get("csrfmiddlewaretoken"), Some("tok"));
        assert_eq!(form.files.len(), 1);
        assert_eq!((form.files[0].name.as_str(), form.files[0].bytes.as_slice()), ("y.fits", b"\r\n--".as_slice()));
    }

    #[test]
    fn a_name_is_cut_after_its_last_backslash_also_at_its_end() {
        let named = |name: &str| {
            let body = format!(
                "--B\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\r\nx\r\n--B--\r\n"
            );
            parse("multipart/form-data; boundary=B", body.as_bytes()).files.pop().map(|file| file.name)
        };
        assert_eq!(named("a\\"), None);
        assert_eq!(named("a\\b.fits"), Some("b.fits".to_owned()));
        assert_eq!(named("a;b.fits"), Some("a;b.fits".to_owned()));
        assert_eq!(named("a\\\"b"), Some("a\"b".to_owned()));
    }

    #[test]
    fn hostile_bodies_give_nothing_and_do_not_panic() {
        for body in [
            &b""[..],
            b"--",
            b"--B",
            b"--B\r\n",
            b"--B\r\n\r\n--B--",
            b"--B\r\nContent-Disposition: form-data; name=\"\xff",
        ] {
            assert!(parse("multipart/form-data; boundary=B", body).files.is_empty());
        }
        assert_eq!(parse("multipart/form-data", b"--B").fields, Fields::default());
    }
}
