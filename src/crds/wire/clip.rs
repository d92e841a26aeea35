//! Pieces of answers in messages.

/// A piece of an answer for a message: blanks folded, control characters replaced, at most `most` characters. Only the
/// beginning of a long answer is looked at.
pub(crate) fn clip(text: &str, most: usize) -> String {
    let mut out = String::new();
    let mut left = most;
    for word in text.split_whitespace() {
        if left == 0 {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
            left -= 1;
        }
        let word = word.chars().take(left).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c });
        let before = out.chars().count();
        out.extend(word);
        left -= out.chars().count() - before;
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_piece_is_one_short_line_of_the_text(text in "(\\PC|[\t\n\r ]){0,60}", most in 0..40usize) {
            let piece = clip(&text, most);
            proptest::prop_assert!(piece.chars().count() <= most && !piece.chars().any(char::is_control), "{:?}", piece);
            let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let beginning: String = folded.chars().take(most).collect();
            proptest::prop_assert_eq!(piece, beginning.trim_end());
        }
    }
}
