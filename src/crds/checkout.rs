//! What `svn info` and `svn status` print.

use serde::Serialize;

/// What `svn info` says of a checkout or URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WorkingCopy {
    /// Where it comes from.
    pub url: String,
    /// Root of the repository.
    pub root: String,
    /// Identity of the repository; a copy of it under the same address has another, or a history of its own.
    pub uuid: String,
    /// Revision of the checkout.
    pub revision: u64,
    /// Revision in which the branch changed last.
    pub last_changed: u64,
    /// Who changed it.
    pub author: String,
}

/// One line of `svn status`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct StatusLine {
    /// The seven columns of letters, blanks removed; `?` = not under version control.
    pub letters: String,
    /// The path.
    pub path: String,
}

/// Reads `svn info`.
pub(super) fn info(text: &str) -> Option<WorkingCopy> {
    // A number in a last line that was cut would be another number.
    if !text.ends_with('\n') {
        return None;
    }
    let value = |key: &str| {
        text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": ")).map(|value| value.trim().to_owned())
    };
    Some(WorkingCopy {
        url: value("URL")?,
        root: value("Repository Root")?,
        uuid: value("Repository UUID").unwrap_or_default(),
        revision: value("Revision")?.parse().ok()?,
        last_changed: value("Last Changed Rev")?.parse().ok()?,
        author: value("Last Changed Author").unwrap_or_default(),
    })
}

/// Reads a line of `svn status`; `prefix` is taken off its path.
pub(super) fn status_line(line: &str, prefix: &str) -> Option<StatusLine> {
    // Seven columns of letters, a blank, the path; details of a conflict are indented by `>`.
    let letters: String = line.get(..7)?.chars().filter(|c| *c != ' ').collect();
    let path = line.get(8..)?;
    if letters.is_empty() {
        return None;
    }
    Some(StatusLine { letters, path: path.strip_prefix(prefix).unwrap_or(path).to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "Path: .\nURL: file:///svn/crds/branches/opus_2014.3\nRelative URL: ^/branches/opus_2014.3\n\
        Repository Root: file:///svn/crds\nRevision: 12\nNode Kind: directory\nLast Changed Author: jdoe\n\
        Last Changed Rev: 11\n";

    #[test]
    fn info_is_read() {
        let read = info(INFO).unwrap();
        assert_eq!(
            (read.url.as_str(), read.revision, read.last_changed),
            ("file:///svn/crds/branches/opus_2014.3", 12, 11)
        );
        assert!(info("svn: E155007").is_none());
    }

    #[test]
    fn status_lines_are_read() {
        let modified = status_line("M       /x/y/sources/configs/config.ops.hst.py", "/x/y/").unwrap();
        assert_eq!((modified.letters.as_str(), modified.path.as_str()), ("M", "sources/configs/config.ops.hst.py"));
        assert_eq!(status_line("?       a b", "/x/").unwrap().letters, "?");
        assert_eq!(status_line("    S   sub", "/x/").unwrap().letters, "S");
        assert!(status_line("short", "").is_none());
    }

    #[test]
    fn info_that_was_cut_is_none() {
        for at in 0..INFO.len() {
            assert_eq!(info(&INFO[..at]), None, "cut at {at}");
        }
    }

    proptest::proptest! {
        #[test]
        fn numbers_are_those_of_the_text(text in crate::mangled::text(INFO)) {
            if let Some(read) = info(&text) {
                let has = |key: &str, number: u64| text.lines().any(|line| {
                    line.strip_prefix(key).and_then(|value| value.trim().parse().ok()) == Some(number)
                });
                proptest::prop_assert!(has("Revision: ", read.revision), "{read:?}");
                proptest::prop_assert!(has("Last Changed Rev: ", read.last_changed), "{read:?}");
            }
        }

        #[test]
        fn no_changed_file_is_read_as_none(line in crate::mangled::text("M  +    /x/y/sources/configs/config.ops.hst.py")) {
            match status_line(&line, "/x/y/") {
                Some(read) => proptest::prop_assert!(!read.letters.is_empty() && line.ends_with(&read.path)),
                None => proptest::prop_assert!(
                    line.chars().count() < 8 || line.starts_with("       ") || line.get(..7).is_none() || line.get(8..).is_none()
                ),
            }
        }
    }
}
