//! What the client library of early 2019 (7.3) says otherwise than today's, with the packages of its time below it.
//!
//! Nearly all of certification is alike; what is not is told here, from what today's library said.

use std::sync::LazyLock;

use regex::Regex;

use super::{Certification, trapped};
use crate::stand_in::derive::names::is_mapping;
use crate::stand_in::derive::{Generation, LogLine, base_name};

static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"np\.[a-z_]+[0-9]*\(([^()]*)\)"));
/// The last step of today's library looks the rules of the type up; nothing before it fails without them.
static NO_RULES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\A[^\n]* Validation error : (?:Unknown (?:reference type|instrument) '|Type '[^']*' is (?:N/A|OMITTED) for )",
    )
});
/// Keywords that tell a type were taken without asking whether they are there.
static NO_INSTRUMENT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"Can't determine instrument for '.*'\. CAL references must define INSTRUME, SYNPHOT references define DBTABLE\.\z",
    )
});
static NO_TYPE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:Can't determine HST file type for|CRDS is configured for 'HST' but file) .*\z"));
static UNCLASSIFIED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\AFailed to classify name '.*' for determining time order\.\z"));
static COMPARED: LazyLock<Regex> = LazyLock::new(|| pattern(r"\AChecking diffs from ('.*') to '.*'\z"));

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the patterns of this file are fixed")
}

/// The same certification by the library of 2019; `context` is what the file was held against.
pub fn in_2019(certified: Certification, path: &str, context: &str) -> Certification {
    let mut lines = certified.lines;
    if is_mapping(path) {
        // A name of no known form ends the comparison; today it is only told.
        if let Some(at) = lines.iter().position(|line| UNCLASSIFIED.is_match(&line.text)) {
            let why = lines[at].text.clone();
            lines.truncate(at);
            lines.push(trapped(path, &why, Generation::Now));
        }
        // Pmaps are announced like other mappings.
        let compared = lines.iter().position(|line| COMPARED.is_match(&line.text)).filter(|_| path.ends_with(".pmap"));
        if let Some(at) = compared {
            let old = COMPARED.replace(&lines[at].text, "$1").into_owned();
            let text = format!(
                "Mapping '{}' corresponds to {old} from context '{context}' for checking mapping differences.",
                base_name(path)
            );
            lines.insert(at, LogLine::info(text));
        }
    } else {
        lines.retain(|line| !NO_RULES.is_match(&line.text));
    }
    for line in &mut lines {
        let text = NUMBER.replace_all(&line.text, "$1");
        let text = NO_INSTRUMENT.replace(&text, "'INSTRUME'");
        let text = NO_TYPE.replace(&text, "'NoneType' object has no attribute 'lower'");
        line.text = text
            .replace(". If this is really a FITS file, try with ignore_missing_simple=True", "")
            .replace("'(' was never closed (", "unexpected EOF while parsing (")
            .replace("Change in row format between ", "Change in row format betwween ");
    }
    Certification::of(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &str, lines: Vec<LogLine>) -> (Vec<String>, usize) {
        let told = in_2019(Certification::of(lines), path, "hst_0279.pmap");
        (told.lines.into_iter().map(|line| line.text).collect(), told.errors)
    }

    #[test]
    fn a_type_without_rules_is_no_error() {
        let last = LogLine::error("/x_npl.fits Validation error : Unknown reference type 'npolfile'");
        assert_eq!(said("/x_npl.fits", vec![LogLine::info("a"), last]), (vec!["a".into()], 0));
    }

    #[test]
    fn what_names_no_type_is_a_missing_key() {
        for (today, then) in [
            (
                "Can't determine instrument for 'x.fits'. CAL references must define INSTRUME, SYNPHOT references define DBTABLE.",
                "'INSTRUME'",
            ),
            (
                "Can't determine HST file type for 'x.fits'. Check FILETYPE, CDBSFILE, DBTABLE, TELESCOP, and/or TELESCOPE.",
                "'NoneType' object has no attribute 'lower'",
            ),
        ] {
            let line = LogLine::error(format!("/x.fits Validation error : {today}"));
            assert_eq!(said("/x.fits", vec![line]), (vec![format!("/x.fits Validation error : {then}")], 1));
        }
    }

    #[test]
    fn a_comparison_ends_at_a_name_of_no_form() {
        let lines = vec![
            LogLine::info("Checking diffs from 'a.rmap' to 'b.rmap'"),
            LogLine::warning("Failed to classify name 'foo.fits' for determining time order."),
            LogLine::warning("Reversion at x"),
        ];
        let why = "/b.rmap Validation error : Failed to classify name 'foo.fits' for determining time order.";
        let (texts, errors) = said("/b.rmap", lines);
        assert_eq!((texts.last().map(String::as_str), errors), (Some(why), 1));
    }

    #[test]
    fn pmaps_are_announced() {
        let lines = vec![LogLine::info("Checking diffs from 'hst_0279.pmap' to 'hst_0280.pmap'")];
        let first = "Mapping 'hst_0280.pmap' corresponds to 'hst_0279.pmap' from context 'hst_0279.pmap' for checking mapping differences.";
        assert_eq!(said("/u/hst_0280.pmap", lines).0.first().map(String::as_str), Some(first));
    }
}
