//! Facts inside the sections of a nightly mail: version control, disks, tools that end with counters.

use std::sync::LazyLock;

use regex::Regex;

use super::judgement::Judgement;
use super::messages::{Counters, Level, counters, messages};

/// What `svn update`, `svn status` and `svn info` say of one working copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SvnFacts {
    /// `URL:`
    pub url: Option<String>,
    /// `Revision:`
    pub revision: Option<u64>,
    /// `Last Changed Rev:`
    pub last_changed: Option<u64>,
    /// Status lines that are not `?`: the letters and the path.
    pub dirty: Vec<(String, String)>,
    /// Unversioned files.
    pub unversioned: Vec<String>,
    /// Files that the nightly's own `svn update` brought, with the letter (`U`, `A`, `D`, `C`, `G`).
    pub updated: Vec<(char, String)>,
}

/// One line of `df`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskUse {
    /// Mount point.
    pub mount: String,
    /// Use in per cent.
    pub percent: u8,
}

/// A tool of a section that ends with the three counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckTool {
    /// The counters, if the tool finished.
    pub counters: Option<Counters>,
    /// Its ERROR lines.
    pub errors: Vec<String>,
    /// Its WARNING lines.
    pub warnings: Vec<String>,
}

static DF: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\s(\d+)%\s+(/\S*)$").expect("a constant pattern"));
/// A line of `svn status`: seven columns, a blank, the path. One of `svn update` has its path at the sixth column.
static STATUS_COLUMNS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[ ACDIMRX?!~][ CM][ L][ +][ SX][ KOTB][ C] \S").expect("a constant pattern"));
static STATUS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^([ ACDIMRX?!~GU][ CMU][ L][ +][ SX][ KOTB][ C]?) ?(\S.*)$").expect("a constant pattern")
});

/// Reads the output of update, status and info of one package, as the nightly prints them.
///
/// Lines of `svn update` stand between `UPDATING SUBVERSION for ...` (or `Updating '.':`) and the line that names the
/// revision (`At revision N.`, `Updated to revision N.`); they have the shape of status lines but mean something else.
#[must_use]
pub fn svn_facts(text: &str) -> SvnFacts {
    let mut facts = SvnFacts::default();
    let mut updating = false;
    for line in text.lines() {
        if line.starts_with("UPDATING SUBVERSION") || line.starts_with("Updating '") {
            updating = true;
        } else if line.starts_with("At revision ") || line.starts_with("Updated to revision ") {
            updating = false;
        } else if let Some(value) = line.strip_prefix("URL: ") {
            // One blank stands there; what has another shape is not what svn prints.
            facts.url = Some(value.trim_end().to_owned());
        } else if let Some(value) = line.strip_prefix("Revision: ") {
            facts.revision = value.trim_end().parse().ok();
        } else if let Some(value) = line.strip_prefix("Last Changed Rev: ") {
            facts.last_changed = value.trim_end().parse().ok();
        } else if updating && !STATUS_COLUMNS.is_match(line) {
            if let Some((letter, path)) = updated(line) {
                facts.updated.push((letter, path));
            }
        } else if let Some(found) = STATUS.captures(line) {
            let letters = found[1].trim().to_owned();
            if letters == "?" {
                facts.unversioned.push(found[2].to_owned());
            } else if !letters.is_empty() {
                facts.dirty.push((letters, found[2].to_owned()));
            }
        }
    }
    facts
}

fn updated(line: &str) -> Option<(char, String)> {
    let letter = line.chars().next().filter(|letter| "ADUCGE".contains(*letter))?;
    let path = line.get(4..)?.trim();
    (line.get(1..4)?.trim().is_empty() && !path.is_empty()).then(|| (letter, path.to_owned()))
}

impl SvnFacts {
    /// Whether the working copy is on `url` at `revision` (if given) without local changes.
    pub fn judge(&self, url: &str, revision: Option<u64>) -> Judgement {
        let at = revision.map_or_else(String::new, |revision| format!(" at revision {revision}"));
        let expected = format!("{url}{at}, no local change");
        let mut faults = Vec::new();
        match &self.url {
            None => return Judgement::unknown(expected, "no `URL:` line: svn info did not answer"),
            Some(seen) if seen != url => faults.push(format!("on {seen}")),
            Some(_) => {}
        }
        match (revision, self.revision) {
            (_, None) => faults.push("no `Revision:` line".to_owned()),
            (Some(wanted), Some(seen)) if wanted != seen => faults.push(format!("at revision {seen}")),
            _ => {}
        }
        faults.extend(self.dirty.iter().map(|(letters, path)| format!("{letters} {path}")));
        Judgement::from_faults(expected, &faults, format!("{url} at revision {}", self.revision.unwrap_or_default()))
    }
}

/// Reads the lines of `df`, with a mount point broken to a second line or not.
#[must_use]
pub fn disk_use(text: &str) -> Vec<DiskUse> {
    let found = text.lines().filter_map(|line| DF.captures(line));
    // More than a number can hold is more than full.
    found.map(|found| DiskUse { percent: found[1].parse().unwrap_or(u8::MAX), mount: found[2].to_owned() }).collect()
}

impl CheckTool {
    /// Reads what a tool wrote.
    #[must_use]
    pub fn parse(log: &str) -> Self {
        let all = messages(log);
        let of =
            |level: Level| all.iter().filter(move |message| message.level == level).map(|message| message.text.clone());
        Self { counters: counters(log), errors: of(Level::Error).collect(), warnings: of(Level::Warning).collect() }
    }
}

/// Lines of a section that no good run writes, with their number: the words of SO 7, 10 and 11 for failed commands.
#[must_use]
pub fn error_words(text: &str) -> Vec<String> {
    const WORDS: [&str; 31] = [
        "Traceback (most recent call last)",
        "SyntaxError",
        "ImportError",
        "error:",
        "Permission denied",
        "No space left",
        "Command not found",
        "No such file or directory",
        "No match.",
        "Undefined variable",
        "tar: ",
        "missing operand",
        "missing destination file operand",
        "missing file operand",
        "Error running:",
        "cowardly",
        "bad interpreter",
        "Expression Syntax",
        "Connection refused",
        "Address already in use",
        "could not bind",
        "command not found",
        "*** [",
        "errors in crontab",
        "Input/output error",
        "Stale file handle",
        "Stale NFS file handle",
        "Read-only file system",
        "Disk quota exceeded",
        "Segmentation fault",
        "core dumped",
    ];
    // `rm` of an empty archive cache and `cp` of absent JWST files happen in every install (SO 7); a build of a stack
    // that has no place for its log yet complains of it.
    let benign = |line: &str| {
        (line.starts_with("rm: cannot remove") && line.contains("archive_cache"))
            || (line.starts_with("tee: ") && line.contains("/base.err"))
            || (line.starts_with("cp: cannot stat") && line.contains("jwst_references"))
            || (line.starts_with("chmod: changing permissions of") && line.contains("Operation not permitted"))
    };
    let bad = |line: &str| !line.starts_with('+') && !benign(line) && WORDS.iter().any(|word| line.contains(word));
    let lines = text.lines().enumerate().filter(|(_, line)| bad(line) || shows_password(line));
    lines.map(|(index, line)| format!("line {}: {}", index + 1, line.trim())).collect()
}

/// Whether a line of a log shows a password: an option or a field of a form with a value that nobody has starred out
/// (SO 11, 23). What is written of it is redacted like everything else.
#[must_use]
pub fn shows_password(line: &str) -> bool {
    static SHOWN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(?i)(?:--(?:password|passwd|pwd)=|[?&;]password=|MYSQL_PWD=)["']?[^\s"'&*\[<$]"#)
            .expect("a constant pattern")
    });
    // Most lines have no such word: a plain search is done before the pattern is tried.
    let hint = |word: &[u8]| memchr::memmem::find(line.as_bytes(), word).is_some();
    (hint(b"assw") || hint(b"ASSW") || hint(b"pwd=") || hint(b"PWD=")) && SHOWN.is_match(line)
}

/// The findings of an orphan check as a set to compare with another night's: ERROR and WARNING texts, sorted, once each.
#[must_use]
pub fn orphan_lines(log: &str) -> Vec<String> {
    let wanted = messages(log).into_iter().filter(|message| message.level >= Level::Warning);
    let mut lines: Vec<String> = wanted.map(|message| message.text).collect();
    lines.sort();
    lines.dedup();
    lines
}

#[cfg(test)]
mod tests {
    use super::super::judgement::Outcome;
    use super::*;

    #[test]
    fn a_password_is_seen_and_a_starred_one_is_none() {
        for shown in [
            "+ mysql --user=hstcrds --password=tiger7 crds_hst",
            "\"GET /login/?username=a&password=tiger7&instrument=none HTTP/1.1\" 200 6120",
            "MYSQL_PWD=tiger7 mysqldump",
        ] {
            assert!(shows_password(shown), "{shown}");
            assert_eq!(error_words(shown).len(), 1, "{shown}");
        }
        for good in [
            "  Running: mysqldump --user=hstcrds --password=******** crds_hst",
            "mysqldump --password=$PASSWORD",
            "GET /set_password/ HTTP/1.1",
            "--password=[redacted]",
        ] {
            assert!(!shows_password(good), "{good}");
        }
    }

    const SVN: &str = "UPDATING SUBVERSION for CRDS_server\nUpdating '.':\nU    host/crontab\nUpdated to revision 1771.\n\
        ?       env.csh\nM       sources/configs/config.ops.hst.py\nPath: .\nURL: file:///svn/crds_server/branches/opus_2014.3\n\
        Revision: 1771\nLast Changed Rev: 1770\n";

    #[test]
    fn svn_output_is_told_apart() {
        let facts = svn_facts(SVN);
        assert_eq!(facts.updated, [('U', "host/crontab".to_owned())]);
        assert_eq!(facts.dirty, [("M".to_owned(), "sources/configs/config.ops.hst.py".to_owned())]);
        assert_eq!(facts.unversioned, ["env.csh"]);
        assert_eq!((facts.revision, facts.last_changed), (Some(1771), Some(1770)));
        let judged = facts.judge("file:///svn/crds_server/branches/opus_2014.3", Some(1771));
        assert_eq!(
            (judged.outcome, judged.observed.as_str()),
            (Outcome::Failed, "M sources/configs/config.ops.hst.py")
        );
        // After the reinstallation nothing is updated: the line that begins an update stands there without an end.
        let after =
            svn_facts("UPDATING SUBVERSION for CRDS_server\nM       install\n?       run\nURL: x\nRevision: 8\n");
        assert_eq!(after.dirty, [("M".to_owned(), "install".to_owned())]);
        assert_eq!(after.unversioned, ["run"]);
        assert_eq!(svn_facts("").judge("x", None).outcome, Outcome::Unknown);
    }

    #[test]
    fn disks_are_read() {
        let text = "Filesystem 1K-blocks Used Available Use% Mounted on\n/dev/sda1 1 1 1 91% /crds/data1\n";
        assert_eq!(disk_use(text), [DiskUse { mount: "/crds/data1".into(), percent: 91 }]);
    }

    #[test]
    fn benign_noise_is_not_an_error_and_the_rest_is() {
        let text = "+ error: quoted command\nrm: cannot remove `/x/archive_cache/*': No such file or directory\n\
                    ls: No match.\ncp: cannot stat `/a/jwst_references/*.fits': No such file or directory\n";
        assert_eq!(error_words(text), ["line 3: ls: No match."]);
    }

    #[test]
    fn orphans_are_a_set() {
        let log = "CRDS  : WARNING  b\nCRDS  : ERROR    a\nCRDS  : WARNING  b\nCRDS  : INFO     0 errors\n";
        assert_eq!(orphan_lines(log), ["a", "b"]);
    }

    #[test]
    fn an_absurd_use_is_more_than_full_and_not_left_out() {
        for percent in ["256", "999", "1000", "99999999999999999999"] {
            let text = format!("fs  1 1 1 {percent}% /data\n");
            assert_eq!(disk_use(&text), [DiskUse { mount: "/data".into(), percent: u8::MAX }], "{percent}");
        }
    }

    const CLEAN: &str =
        "URL: file:///svn/crds/trunk\nRevision: 12\nLast Changed Rev: 11\nM       sources/a.py\n?       b\n";

    proptest::proptest! {
        #[test]
        fn a_working_copy_passes_only_as_it_says(text in crate::mangled::text(CLEAN)) {
            let judged = svn_facts(&text).judge("file:///svn/crds/trunk", Some(12));
            if judged.outcome == super::super::Outcome::Passed {
                proptest::prop_assert!(text.contains("URL: file:///svn/crds/trunk") && text.contains("Revision: 12"));
            }
        }

        #[test]
        fn no_text_is_taken_for_a_clean_copy_of_another_revision(revision in "[0-9]{1,24}") {
            proptest::prop_assume!(revision.parse() != Ok(12));
            let text = format!("URL: u\nRevision: {revision}\n");
            proptest::prop_assert_ne!(svn_facts(&text).judge("u", Some(12)).outcome, super::super::Outcome::Passed);
        }
    }
}
