//! From a reference's header to the header that rules match on (RD 1.2).

use std::collections::BTreeMap;

use super::expr::{Expr, Term};
use super::rules::Rules;
use super::value::{Py, repr};
use super::{DeriveError, Generation, LogLine, condition, dates, facts};
use crate::stand_in::fits::Header;

/// Keyword -> text.
pub(crate) type Keywords = BTreeMap<String, String>;

const UNDEFINED: &str = "UNDEFINED";

/// The header with which a reference goes into `rules`.
pub(crate) fn matching_header(
    rules: &Rules,
    header: &Header,
    generation: Generation,
    log: &mut Vec<LogLine>,
) -> Result<Keywords, DeriveError> {
    let required = rules.required_parkeys();
    let observatory = rules.name_of("observatory");
    let mut keywords = base_keywords(header, &observatory);
    let mut needed = required.clone();
    for (reference, dataset) in renamings(rules) {
        if needed.contains(&dataset) {
            needed.push(reference);
        }
    }
    define(&mut keywords, &needed);
    keywords = to_dataset_keywords(rules, keywords, &observatory, generation, log)?;
    if observatory == "hst" {
        substitute(&mut keywords, &rules.name_of("instrument"), &required, generation);
        keywords = keywords.into_iter().map(|(k, v)| (k.to_uppercase(), condition::value(&v))).collect();
    }
    drop_irrelevant(rules, &mut keywords, &required)?;
    for key in rules.extra_parkeys() {
        keywords.insert(key, "N/A".to_owned());
    }
    Ok(keywords)
}

/// All keywords of a file; JWST's under both of their names.
pub(crate) fn base_keywords(header: &Header, observatory: &str) -> Keywords {
    let mut keywords: Keywords = header.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    if observatory == "jwst" {
        cross_strap(&mut keywords);
    }
    keywords
}

/// Defines what is missing.
pub(crate) fn define(keywords: &mut Keywords, needed: &[String]) {
    for key in needed {
        keywords.entry(key.clone()).or_insert_with(|| UNDEFINED.to_owned());
    }
}

/// The rules header's own translations, reference keyword to dataset keyword.
fn renamings(rules: &Rules) -> Vec<(String, String)> {
    let pairs = rules.get("reference_to_dataset").and_then(Py::pairs).unwrap_or_default();
    pairs.iter().map(|(reference, dataset)| (reference.text(), dataset.text())).collect()
}

/// Pattern keywords of JWST references and what they replace (RD 1.2).
const PATTERNS: [(&str, &str); 23] = [
    ("META.EXPOSURE.P_EXPTYPE", "META.EXPOSURE.TYPE"),
    ("P_EXP_TY", "META.EXPOSURE.TYPE"),
    ("META.INSTRUMENT.P_BAND", "META.INSTRUMENT.BAND"),
    ("P_BAND", "META.INSTRUMENT.BAND"),
    ("META.INSTRUMENT.P_DETECTOR", "META.INSTRUMENT.DETECTOR"),
    ("P_DETECT", "META.INSTRUMENT.DETECTOR"),
    ("META.INSTRUMENT.P_CHANNEL", "META.INSTRUMENT.CHANNEL"),
    ("P_CHANNE", "META.INSTRUMENT.CHANNEL"),
    ("META.INSTRUMENT.P_FILTER", "META.INSTRUMENT.FILTER"),
    ("P_FILTER", "META.INSTRUMENT.FILTER"),
    ("META.INSTRUMENT.P_PUPIL", "META.INSTRUMENT.PUPIL"),
    ("P_PUPIL", "META.INSTRUMENT.PUPIL"),
    ("META.INSTRUMENT.P_MODULE", "META.INSTRUMENT.MODULE"),
    ("P_MODULE", "META.INSTRUMENT.MODULE"),
    ("META.SUBARRAY.P_SUBARRAY", "META.SUBARRAY.NAME"),
    ("P_SUBARR", "META.SUBARRAY.NAME"),
    ("META.INSTRUMENT.P_GRATING", "META.INSTRUMENT.GRATING"),
    ("P_GRATIN", "META.INSTRUMENT.GRATING"),
    ("META.EXPOSURE.PREADPATT", "META.EXPOSURE.READPATT"),
    ("META.EXPOSURE.P_READPATT", "META.EXPOSURE.READPATT"),
    ("P_READPA", "META.EXPOSURE.READPATT"),
    ("META.INSTRUMENT.PCORONAGRAPH", "META.INSTRUMENT.CORONAGRAPH"),
    ("P_CORONM", "META.INSTRUMENT.CORONAGRAPH"),
];

/// Puts dataset keywords beside the reference's own: patterns, and USEAFTER as date and time.
pub(crate) fn to_dataset_keywords(
    rules: &Rules,
    mut keywords: Keywords,
    observatory: &str,
    generation: Generation,
    log: &mut Vec<LogLine>,
) -> Result<Keywords, DeriveError> {
    if observatory != "hst" {
        apply_patterns(rules, &mut keywords, log);
        if observatory == "jwst" {
            cross_strap(&mut keywords);
        }
        for (fits, model) in [("SUBARRAY", "META.SUBARRAY.NAME"), ("EXP_TYPE", "META.EXPOSURE.TYPE")] {
            if !keywords.contains_key(fits) {
                keywords.insert(fits.into(), UNDEFINED.into());
                keywords.insert(model.into(), UNDEFINED.into());
            }
        }
        if let (false, Some(date)) = (keywords.contains_key("USEAFTER"), keywords.get("META.USEAFTER").cloned()) {
            keywords.insert("USEAFTER".into(), date);
        }
    }
    let Some(text) = keywords.get("USEAFTER").cloned() else { return Ok(keywords) };
    let date = match dates::parse(&text, generation) {
        Ok(date) => date.iso(),
        // The server of 2014 let Python's own text through.
        Err(error) if generation == Generation::Y2014 => return Err(error),
        Err(error) => {
            let text = format!("Bad USEAFTER time format = {}", repr(&text));
            return Err(error.retold("InvalidUseAfterFormat", text));
        }
    };
    let (day, time) = date.split_once(' ').unwrap_or((&date, "00:00:00"));
    let names = if observatory == "hst" {
        [("DATE-OBS", "TIME-OBS"), ("DATE_OBS", "TIME_OBS")]
    } else {
        [("DATE-OBS", "TIME-OBS"), ("META.OBSERVATION.DATE", "META.OBSERVATION.TIME")]
    };
    for (day_key, time_key) in names {
        keywords.insert(day_key.into(), day.to_owned());
        keywords.insert(time_key.into(), time.to_owned());
    }
    Ok(keywords)
}

fn apply_patterns(rules: &Rules, keywords: &mut Keywords, log: &mut Vec<LogLine>) {
    let mut translations: BTreeMap<String, String> =
        PATTERNS.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
    translations.extend(renamings(rules));
    for key in keywords.keys() {
        let last = key.rsplit('.').next().unwrap_or(key);
        if last.starts_with("P_") && !translations.contains_key(key) {
            log.push(LogLine::warning(format!(
                "CRDS-pattern-like keyword {} w/o CRDS translation to corresponding dataset keyword.",
                repr(key)
            )));
        }
    }
    for (from, to) in &translations {
        let Some(value) = keywords.get(from).cloned() else { continue };
        let old = keywords.get(to).cloned();
        if value != UNDEFINED && old.as_deref() != Some(value.as_str()) {
            let shown = old.map_or_else(|| "None".to_owned(), |old| repr(&old));
            log.push(LogLine::info(format!(
                "Setting {} = {shown} to value of {} = {}",
                repr(to),
                repr(from),
                repr(&value)
            )));
            keywords.insert(to.clone(), value);
        }
    }
}

/// Names for one thing besides those that the data-model table pairs.
const SYNONYMS: [(&str, &[&str]); 11] = [
    ("META.INSTRUMENT.NAME", &["INSTRUME", "INSTRUMENT", "META.INSTRUMENT.TYPE"]),
    ("META.TELESCOPE", &["TELESCOP", "TELESCOPE"]),
    ("META.DESCRIPTION", &["DESCRIP", "DESCRIPTION"]),
    ("META.REFTYPE", &["REFTYPE"]),
    ("META.AUTHOR", &["AUTHOR"]),
    ("META.PEDIGREE", &["PEDIGREE"]),
    ("META.USEAFTER", &["USEAFTER"]),
    ("META.HISTORY", &["HISTORY"]),
    ("META.CALIBRATION_SOFTWARE_VERSION", &["CAL_VER", "CALIBRATION_SOFTWARE_VERSION"]),
    ("META.OBSERVATION.DATE", &["DATE-OBS"]),
    ("META.OBSERVATION.TIME", &["TIME-OBS"]),
];

/// Keywords that may name the instrument beside the pmap's own, in the client's order (RS 6, step 4).
pub const INSTRUMENT_KEYWORDS: [&str; 7] = [
    "INSTRUME",
    "META.INSTRUMENT.NAME",
    "META_INSTRUMENT_NAME",
    "INSTRUMENT",
    "ROMAN.META.INSTRUMENT.NAME",
    "META.INSTRUMENT.TYPE",
    "META_INSTRUMENT_TYPE",
];

/// Gives every keyword its other name, where the header tells an instrument at all.
fn cross_strap(keywords: &mut Keywords) {
    let defined = |keywords: &Keywords, key: &str| keywords.get(key).filter(|v| *v != UNDEFINED).cloned();
    let instrument = INSTRUMENT_KEYWORDS.iter().find_map(|key| defined(keywords, key));
    if !instrument.is_some_and(|name| facts::is_instrument("jwst", &name.to_lowercase())) {
        return;
    }
    let strap = |keywords: &mut Keywords, from: &str, to: &str| {
        if from != to
            && defined(keywords, to).is_none()
            && let Some(value) = defined(keywords, from)
        {
            keywords.insert(to.to_owned(), value);
        }
    };
    for (master, others) in SYNONYMS {
        for other in others {
            strap(keywords, master, other);
            strap(keywords, other, master);
        }
    }
    let keys: Vec<String> = keywords.keys().cloned().collect();
    for key in &keys {
        let fits = facts::jwst_fits_keyword(&key.to_uppercase()).unwrap_or(key);
        let model = facts::jwst_model_keyword(&key.to_uppercase()).unwrap_or(key);
        strap(keywords, fits, model);
        strap(keywords, model, fits);
    }
}

/// HST: replaces `ANY`, `-1` and the like by what they stand for (RD 1.4). All conditions see the unchanged header.
fn substitute(keywords: &mut Keywords, instrument: &str, required: &[String], generation: Generation) {
    let before = keywords.clone();
    let lookup = |name: &str| before.get(name).map(|value| Term::Text(value.clone()));
    for rule in facts::substitutions(generation, instrument) {
        if !required.contains(&rule.keyword) {
            continue;
        }
        // A condition that cannot be evaluated (a keyword is missing) does not apply.
        let applies = Expr::parse(&rule.condition).and_then(|expr| expr.holds(&lookup));
        if applies == Ok(true) {
            keywords.insert(rule.keyword.clone(), rule.replacement.clone());
        }
    }
}

/// Sets parkeys to N/A whose relevance expression says so; comment parkeys are kept.
fn drop_irrelevant(rules: &Rules, keywords: &mut Keywords, required: &[String]) -> Result<(), DeriveError> {
    let comments: Vec<String> = rules.names_of("comment_parkeys").iter().map(|k| k.to_lowercase()).collect();
    let relevance = rules.get("parkey_relevance").and_then(Py::pairs).unwrap_or_default();
    let mut visible = keywords.clone();
    define(&mut visible, required);
    for (key, value) in keywords.iter().filter(|(key, _)| key.contains('.')) {
        visible.insert(key.replace('.', "_"), value.clone());
    }
    let lookup = |name: &str| match name {
        "keep_comments" => Some(Term::Flag(true)),
        _ => visible.get(name).map(|value| Term::Text(value.clone())),
    };
    for parkey in required {
        if comments.contains(&parkey.to_lowercase()) {
            continue;
        }
        let source = relevance.iter().rev().find(|(k, _)| k.text().to_lowercase() == parkey.to_lowercase());
        let Some((_, Py::Str(source))) = source else { continue };
        let source = required
            .iter()
            .filter(|key| key.contains('.'))
            .fold(source.clone(), |text, key| text.replace(key.as_str(), &key.replace('.', "_")));
        if !Expr::parse(&source)?.holds(&lookup)? {
            keywords.insert(parkey.clone(), "N/A".to_owned());
        }
    }
    Ok(())
}
