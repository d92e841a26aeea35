//! Shapes of the names that plans, pages and listings use, and the nearest known one to a word that is not known.

/// Whether `text` is one file name of CRDS: 1-128 letters, digits, `.`, `_`, `-`, not beginning with `.` or `-`.
pub fn is_file_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && !text.starts_with(['.', '-'])
}

/// Whether `text` names a context: `[A-Za-z0-9_]+.pmap` (WP 3.1).
pub fn is_pmap(text: &str) -> bool {
    has_extension(text, ".pmap")
}

/// Whether `text` names a mapping: a pmap, imap or rmap.
pub fn is_mapping(text: &str) -> bool {
    [".pmap", ".imap", ".rmap"].iter().any(|extension| has_extension(text, extension))
}

fn has_extension(text: &str, extension: &str) -> bool {
    text.strip_suffix(extension).is_some_and(|stem| {
        (1..=120).contains(&stem.len()) && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// The serial number of a mapping's name: what follows its last `_`, if those are digits (WP 1.11).
///
/// `hst_0283.pmap` gives `0283`; `hst.pmap` gives nothing.
pub fn serial(name: &str) -> Option<&str> {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let serial = stem.rsplit_once('_')?.1;
    (!serial.is_empty() && serial.bytes().all(|b| b.is_ascii_digit())).then_some(serial)
}

/// The number that `name` has, if `counter` is the one that counts such names.
///
/// A counter joins observatory, instrument, type and extension, whatever is empty leaving its underscore (SO 19):
/// `hst___.pmap` counts `hst_0279.pmap`, `hst_wfc3__.imap` counts `hst_wfc3_0261.imap`.
pub fn counted(counter: &str, name: &str) -> Option<u64> {
    let (words, extension) = counter.rsplit_once("_.")?;
    let rest = name.strip_prefix(words.trim_end_matches('_'))?.strip_prefix('_')?;
    let digits = rest.strip_suffix(extension)?.strip_suffix('.')?;
    (serial(name)? == digits).then(|| digits.parse().ok()).flatten()
}

/// The known word that `word` most likely stands for: the nearest by edits, if near enough.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None; // no known word is near, and the distance costs the product of the lengths
    }
    let folded = word.to_ascii_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&folded, &candidate.replace('-', "_")), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_are_the_digits_after_the_last_underscore() {
        assert_eq!(serial("hst_0283.pmap"), Some("0283"));
        assert_eq!(serial("hst_acs_darkfile_0250.rmap"), Some("0250"));
        assert_eq!(serial("hst.pmap"), None);
        assert_eq!(serial("hst_.pmap"), None);
        assert_eq!(serial(""), None);
    }

    #[test]
    fn a_counter_counts_the_names_of_its_kind_and_no_others() {
        assert_eq!(counted("hst___.pmap", "hst_0279.pmap"), Some(279));
        assert_eq!(counted("hst_wfc3__.imap", "hst_wfc3_0261.imap"), Some(261));
        assert_eq!(counted("hst_acs_idctab_.rmap", "hst_acs_idctab_0250.rmap"), Some(250));
        assert_eq!(counted("hst___.pmap", "hst_wfc3_0261.imap"), None);
        assert_eq!(counted("hst_wfc3__.imap", "hst_wfc3_idctab_0250.rmap"), None);
        assert_eq!(counted("hst_acs_idctab_.rmap", "hst_acs_idctab2_0250.rmap"), None);
        assert_eq!(counted("hst_delivery_id", "hst_0279.pmap"), None);
    }

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        assert_eq!(nearest("obsevatory", ["schema", "observatory", "name"]), Some("observatory"));
        assert_eq!(nearest("archive-dir", ["archive_dir"]), Some("archive_dir"));
        assert_eq!(nearest("zzz", ["schema", "observatory"]), None);
        assert_eq!(nearest(&"x".repeat(1 << 20), ["schema"]), None);
    }

    #[test]
    fn names_with_paths_or_options_are_refused() {
        for bad in ["", "../x", "a/b", "-rf", ".hidden", "a b", "a\nb", "ü.fits"] {
            assert!(!is_file_name(bad), "{bad:?}");
        }
        assert!(is_file_name("weekdark_15551_0H_wk03_drk.fits"));
        assert!(is_pmap("hst_0279.pmap") && !is_pmap(".pmap") && !is_pmap("hst-edit") && !is_pmap("a.b.pmap"));
    }
}
