//! The checksum of a mapping (RS 2.1).

use sha1::{Digest, Sha1};

/// Yields the lines of `text` with their terminators, split where Python's `str.splitlines` splits.
///
/// Beside LF, CR and CR LF those are VT, FF, FS, GS, RS, NEL and the Unicode line and paragraph separators.
pub fn line_chunks(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let bytes = rest.as_bytes();
        // Almost every text is plain ASCII with LF: one fast search, then a look at what lies before it.
        let newline = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
        let rare = bytes[..newline].iter().position(|&b| matches!(b, 0x0b..=0x0d | 0x1c..=0x1e | 0x80..));
        let end = match rare {
            None => (newline + 1).min(bytes.len()),
            Some(from) => rare_end(rest, from).unwrap_or((newline + 1).min(bytes.len())),
        };
        let (line, tail) = rest.split_at(end);
        rest = tail;
        Some(line)
    })
}

/// The end (terminator included) of the first line of `text`, whose first unusual byte is at `from`.
fn rare_end(text: &str, from: usize) -> Option<usize> {
    for (at, c) in text[from..].char_indices() {
        let at = from + at;
        match c {
            '\r' if text[at + 1..].starts_with('\n') => return Some(at + 2),
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                return Some(at + c.len_utf8());
            }
            _ => {}
        }
    }
    None
}

/// Returns the checksum of a mapping's text: lower-case hex SHA-1 of the text without every line that holds `sha1sum`.
///
/// `text` is what Python reads in text mode: CR LF and CR already turned into LF (see [`super::decode`]).
pub fn checksum(text: &str) -> String {
    // The lines that stay are hashed in as few pieces as possible: the text has one `sha1sum` line as a rule.
    let mut hash = Sha1::new();
    let mut kept_from = 0;
    let mut at = 0;
    let any = |[a, b, c]: [u8; 3]| memchr::memchr3(a, b, c, text.as_bytes()).is_some();
    if !text.is_ascii() || any([0x0b, 0x0c, 0x0d]) || any([0x1c, 0x1d, 0x1e]) {
        return checksum_of_lines(line_chunks(text));
    }
    let finder = memchr::memmem::Finder::new("sha1sum");
    let bytes = text.as_bytes();
    while let Some(hit) = finder.find(&bytes[at..]) {
        let hit = at + hit;
        let start = memchr::memrchr(b'\n', &bytes[..hit]).map_or(0, |n| n + 1);
        let end = memchr::memchr(b'\n', &bytes[hit..]).map_or(bytes.len(), |n| hit + n + 1);
        hash.update(&bytes[kept_from..start]);
        (kept_from, at) = (end, end);
    }
    hash.update(&bytes[kept_from..]);
    hex(&hash.finalize())
}

/// The same over lines already split.
pub fn checksum_of_lines<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut hash = Sha1::new();
    for line in lines.filter(|line| !line.contains("sha1sum")) {
        hash.update(line.as_bytes());
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)] as char, DIGITS[usize::from(b & 15)] as char]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sha1sum_line_is_left_out() {
        assert_eq!(checksum("a\n 'sha1sum' : 'x',\nb\n"), checksum("a\nb\n"));
        assert_eq!(checksum("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(checksum("sha1sum"), checksum(""));
        assert_eq!(checksum("a\nsha1sum\nsha1sum\nc"), checksum("a\nc"));
    }

    #[test]
    fn lines_end_where_python_ends_them() {
        let lines: Vec<_> = line_chunks("a\u{c}b\r\nc\rd\u{2028}é\u{85}\nz").collect();
        assert_eq!(lines, ["a\u{c}", "b\r\n", "c\r", "d\u{2028}", "é\u{85}", "\n", "z"]);
        assert_eq!(checksum("a sha1sum\u{c}b"), checksum("b"));
    }
}
