//! JWST particulars: FITS keywords to data-model keywords, and the types an exposure needs (RS 6, 12).

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use regex::Regex;

/// FITS keyword to data-model keyword, both upper case.
static KEYWORDS: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    let lines = include_str!("data/jwst_keywords.tsv").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('\t')).collect()
});

/// The data-model keyword of an upper-case keyword: itself where it is one already or none is known.
pub fn parkey(key: &str) -> &str {
    if key.starts_with("META.") { key } else { KEYWORDS.get(key).copied().unwrap_or(key) }
}

/// Every known pair of FITS keyword and data-model keyword.
pub fn keywords() -> impl Iterator<Item = (&'static str, &'static str)> {
    KEYWORDS.iter().map(|(fits, model)| (*fits, *model))
}

#[derive(Debug, Default)]
struct Config {
    exceptions: Vec<Exception>,
    pipelines: HashMap<&'static str, Vec<&'static str>>,
    steps: HashMap<&'static str, Vec<&'static str>>,
    exposures: HashMap<&'static str, Vec<&'static str>>,
}

/// A keyword whose value exchanges pipelines.
#[derive(Debug)]
struct Exception {
    keyword: &'static str,
    default: &'static str,
    keep: Vec<Regex>,
    change: Vec<Regex>,
    swaps: HashMap<&'static str, &'static str>,
}

#[derive(Debug, Default)]
struct Tables {
    thresholds: Vec<([u64; 3], &'static str)>,
    configs: HashMap<&'static str, Config>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut tables = Tables::default();
    let mut config = "";
    for line in include_str!("data/jwst_types.tsv").lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split('\t');
        let (kind, name) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let mut rest = fields;
        match kind {
            "from" => tables.thresholds.extend(base_version(name).zip(rest.next())),
            "config" => {
                config = name;
                tables.configs.insert(name, Config::default());
            }
            _ => {
                let config = tables.configs.entry(config).or_default();
                let last = config.exceptions.last_mut();
                match (kind, last) {
                    ("param", _) => config.exceptions.push(Exception {
                        keyword: name,
                        default: rest.next().unwrap_or_default(),
                        keep: Vec::new(),
                        change: Vec::new(),
                        swaps: HashMap::new(),
                    }),
                    ("dont", Some(exception)) => exception.keep.extend(whole(name)),
                    ("do", Some(exception)) => exception.change.extend(whole(name)),
                    ("swap", Some(exception)) => exception.swaps.extend(rest.next().map(|to| (name, to))),
                    ("pipeline", _) => drop(config.pipelines.insert(name, rest.collect())),
                    ("step", _) => drop(config.steps.insert(name, rest.collect())),
                    ("exposure", _) => drop(config.exposures.insert(name, rest.collect())),
                    _ => {}
                }
            }
        }
    }
    tables
});

/// A pattern that must fit the whole value, as Python's `^...$` has it.
fn whole(pattern: &str) -> Option<Regex> {
    Regex::new(&format!("^(?:{pattern})\\n?$")).ok()
}

/// The first three numbers of a version text (PEP 440), or nothing where the client cannot read it.
fn base_version(text: &str) -> Option<[u64; 3]> {
    static VERSION: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"(?xi)^\s*v?([0-9]+(?:\.[0-9]+)*)
              (?:[-_.]?(?:alpha|a|beta|b|preview|pre|c|rc)[-_.]?[0-9]*)?
              (?:-[0-9]+|[-_.]?(?:post|rev|r)[-_.]?[0-9]*)?
              (?:[-_.]?dev[-_.]?[0-9]*)?
              (?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?\s*$",
        )
        .ok()
    });
    let release = VERSION.as_ref()?.captures(text)?.get(1)?.as_str();
    let mut parts = release.split('.').map(str::parse);
    let mut next = || parts.next().unwrap_or(Ok(0)).ok();
    Some([next()?, next()?, next()?])
}

/// What of a header decides the types of a JWST exposure.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Exposure<'a> {
    /// `META.EXPOSURE.TYPE` (else `EXP_TYPE`, else `UNDEFINED`), as it stands in the header.
    pub exposure_type: Option<&'a str>,
    /// The calibration version: of the header, else of whoever asks.
    pub version: Option<&'a str>,
    /// Values of `META.VISIT.TSOVISIT`, `META.INSTRUMENT.LAMP_STATE`, `META.VISIT.TITLE`: outer `None` where the
    /// header lacks it, inner where it is not a text.
    pub exceptions: [Option<Option<&'a str>>; 3],
}

/// The keywords of [`Exposure::exceptions`], in its order.
pub const EXCEPTION_KEYWORDS: [&str; 3] = ["META.VISIT.TSOVISIT", "META.INSTRUMENT.LAMP_STATE", "META.VISIT.TITLE"];

impl Exposure<'_> {
    /// The sorted types that the exposure's pipelines need; empty where the client fails to find out (it then takes all
    /// types of the context).
    pub fn types(&self) -> Arc<[&'static str]> {
        self.find().unwrap_or_default().into()
    }

    fn find(&self) -> Option<Vec<&'static str>> {
        let tables = &*TABLES;
        let version = base_version(self.version?)?;
        let mut at = 0;
        while at + 1 < tables.thresholds.len() && version >= tables.thresholds[at + 1].0 {
            at += 1;
        }
        let config = tables.configs.get(tables.thresholds.get(at)?.1)?;
        let mut types = Vec::new();
        for pipeline in config.exposures.get(self.exposure_type?)? {
            let mut pipeline = *pipeline;
            for exception in &config.exceptions {
                let index = EXCEPTION_KEYWORDS.iter().position(|keyword| *keyword == exception.keyword)?;
                let value = match self.exceptions[index] {
                    None => exception.default,
                    Some(value) => value?,
                };
                let keeps = exception.keep.iter().any(|pattern| pattern.is_match(value));
                if !keeps && !exception.keep.is_empty() {
                    pipeline = exception.swaps.get(pipeline).unwrap_or(&pipeline);
                }
                for _ in exception.change.iter().filter(|pattern| pattern.is_match(value)) {
                    pipeline = exception.swaps.get(pipeline).unwrap_or(&pipeline);
                }
            }
            for step in config.pipelines.get(pipeline)? {
                types.extend(config.steps.get(step)?);
            }
        }
        types.sort_unstable();
        types.dedup();
        Some(types)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(version: &str, exposure_type: &str, tso: &str, lamp: &str, title: &str) -> Vec<&'static str> {
        let exceptions = [Some(Some(tso)), Some(Some(lamp)), Some(Some(title))];
        Exposure { exposure_type: Some(exposure_type), version: Some(version), exceptions }.types().to_vec()
    }

    #[test]
    fn an_exposure_needs_the_types_of_its_pipelines() {
        let dark = ["ipc", "linearity", "mask", "refpix", "rscd", "saturation", "superbias"];
        assert_eq!(types("0.7.0", "FGS_DARK", "F", "OFF", "GENERIC"), dark);
        assert_eq!(types("0.7.0", "NOSUCH", "F", "OFF", "GENERIC"), [] as [&str; 0]);
        assert_eq!(types("banana", "FGS_DARK", "F", "OFF", "GENERIC"), [] as [&str; 0]);
        assert_ne!(
            types("1.1.0", "MIR_IMAGE", "F", "OFF", "GENERIC"),
            types("1.1.0", "MIR_IMAGE", "T", "OFF", "GENERIC")
        );
    }

    #[test]
    fn versions_are_reduced_to_three_numbers() {
        assert_eq!(base_version("0.15.1a0.dev3"), Some([0, 15, 1]));
        assert_eq!(base_version("1.2.3.4"), Some([1, 2, 3]));
        assert_eq!(base_version("1"), Some([1, 0, 0]));
        assert_eq!(base_version("1!2.0"), None);
        assert_eq!(base_version("1.x"), None);
    }

    #[test]
    fn keywords_are_translated() {
        assert_eq!(parkey("DETECTOR"), "META.INSTRUMENT.DETECTOR");
        assert_eq!(parkey("META.X"), "META.X");
        assert_eq!(parkey("NOSUCH"), "NOSUCH");
        assert_eq!(keywords().count(), 443);
    }
}
