//! Names of rules and references: taking apart, making, comparing (RD 6).

use super::value::repr;
use super::{DeriveError, LogLine, base_name, facts};
use crate::stand_in::fits::Header;

/// What a name tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Properties {
    /// `hst`
    pub observatory: String,
    /// `wfc3`, empty for a pmap.
    pub instrument: String,
    /// `npolfile`, empty for pmap and imap.
    pub filekind: String,
    /// `0251`, or the stem of an old-style name.
    pub serial: String,
    /// `.rmap`
    pub extension: String,
}

fn assertion(text: impl Into<String>) -> DeriveError {
    DeriveError::new("AssertionError", text)
}

/// True for names of rules files.
pub fn is_mapping(name: &str) -> bool {
    matches!(split_extension(name).1, ".pmap" | ".imap" | ".rmap")
}

/// True for names of reference files, as the client tells them by extension.
pub fn is_reference(name: &str) -> bool {
    let extension = split_extension(name).1.to_lowercase();
    let geis = extension.len() == 4 && extension.starts_with(".r") && extension.ends_with(['h', 'd']);
    geis || matches!(extension.as_str(), ".fits" | ".asdf" | ".json" | ".yaml" | ".text" | ".txt")
}

/// Stem and extension of a base name, as Python's `splitext` cuts them.
pub(crate) fn split_extension(name: &str) -> (&str, &str) {
    let base = base_name(name);
    let leading = base.len() - base.trim_start_matches('.').len();
    match base[leading..].rfind('.') {
        Some(dot) => base.split_at(leading + dot),
        None => (base, ""),
    }
}

/// Takes a CRDS-style name apart (`hst_wfc3_npolfile_0251.rmap`, references as well).
///
/// # Errors
///
/// `Invalid instrument 'foc'`, `Invalid filekind ...`, `Invalid filename ...`.
pub(crate) fn decompose_mapping(observatory: &str, name: &str) -> Result<Properties, DeriveError> {
    let (stem, extension) = split_extension(name);
    let parts: Vec<&str> = stem.split('_').collect();
    let part = |n: usize| parts.get(n).copied().unwrap_or("");
    let (instrument, filekind, serial, bounds, what) = match extension {
        ".pmap" => ("", "", part(1), 1..=2, ".pmap "),
        ".imap" => (part(1), "", part(2), 2..=3, ".imap "),
        _ => (part(1), part(2), part(3), 3..=4, ""),
    };
    if !bounds.contains(&parts.len()) {
        return Err(assertion(format!("Invalid {what}filename {}", repr(name))));
    }
    if observatory == "hst" && parts[0] != "hst" {
        return Err(assertion(""));
    }
    if !instrument.is_empty() && !facts::is_instrument(observatory, instrument) {
        return Err(assertion(format!("Invalid instrument {}", repr(instrument))));
    }
    if !filekind.is_empty() && !facts::is_filekind(observatory, filekind) {
        return Err(assertion(format!("Invalid filekind {}", repr(filekind))));
    }
    Ok(Properties {
        observatory: parts[0].to_owned(),
        instrument: instrument.to_owned(),
        filekind: filekind.to_owned(),
        serial: serial.to_owned(),
        extension: extension.to_owned(),
    })
}

/// Old-style HST names: the ninth character tells the instrument, the suffix the type.
fn decompose_old_style(name: &str) -> Result<Properties, DeriveError> {
    let (stem, extension) = split_extension(name);
    let base = base_name(name);
    let instrument = instrument_of_old_name(base)?;
    let suffix = if instrument == "synphot" {
        let known =
            [("_syn", "thruput"), ("_th", "thermal"), ("_tmt", "tmttab"), ("_tmg", "tmgtab"), ("_tmc", "tmctab")];
        if !known.iter().any(|(end, _)| name.ends_with(&format!("{end}.fits"))) {
            return Err(assertion(format!("Uknown synphot filetype for: {}", repr(name))));
        }
        stem.rsplit('_').next().unwrap_or("")
    } else if extension == ".fits" {
        let suffix = stem.split('_').nth(1);
        suffix.ok_or_else(|| DeriveError::new("IndexError", "list index out of range"))?
    } else {
        let class = extension.get(1..3.min(extension.len())).unwrap_or("");
        match class {
            "r0" => "msk",
            "r1" => "a2d",
            "r2" => "bas",
            "r3" => "drk",
            "r4" | "r6" => "flt",
            "r5" => "shd",
            "r7" => "w4t",
            other => return Err(DeriveError::new("KeyError", repr(other))),
        }
    };
    let types = facts::kinds("hst").get(instrument);
    let filekind = types.and_then(|types| types.iter().find(|(_, kind)| kind.suffix == suffix));
    let (filekind, _) =
        filekind.ok_or_else(|| assertion(format!("Couldn't map extension/suffix {} to filekind.", repr(suffix))))?;
    Ok(Properties {
        observatory: "hst".to_owned(),
        instrument: instrument.to_owned(),
        filekind: filekind.clone(),
        serial: stem.to_owned(),
        extension: extension.to_owned(),
    })
}

fn instrument_of_old_name(base: &str) -> Result<&'static str, DeriveError> {
    let parts: Vec<&str> = base.split(['_', '.']).collect();
    let synphot = |part: Option<&&str>| part.is_some_and(|p| matches!(p.to_lowercase().as_str(), "syn" | "th"));
    if (parts.len() > 2 && synphot(parts.get(parts.len() - 2))) || (parts.len() > 1 && synphot(parts.last())) {
        return Ok("synphot");
    }
    let letter = parts[0].chars().last().map(|c| c.to_ascii_lowercase());
    letter.and_then(instrument_of_letter).ok_or_else(|| DeriveError::new("UnknownInstrument", ""))
}

const LETTERS: [(char, &str); 7] =
    [('j', "acs"), ('o', "stis"), ('n', "nicmos"), ('u', "wfpc2"), ('i', "wfc3"), ('l', "cos"), ('m', "synphot")];

fn instrument_of_letter(letter: char) -> Option<&'static str> {
    LETTERS.iter().find(|(l, _)| *l == letter).map(|(_, instrument)| *instrument)
}

/// What a name alone tells: CRDS style first, for HST references then the old style.
///
/// # Errors
///
/// The reason of the last attempt.
pub fn decompose(name: &str) -> Result<Properties, DeriveError> {
    let observatory = observatory_of(name);
    let modern = decompose_mapping(observatory, name);
    if modern.is_ok() || is_mapping(name) || observatory != "hst" {
        return modern;
    }
    decompose_old_style(name)
}

/// The observatory in a CRDS-style name; HST for all others.
pub(crate) fn observatory_of(name: &str) -> &'static str {
    match base_name(name).split(['_', '.']).next().unwrap_or("") {
        "jwst" => "jwst",
        "roman" => "roman",
        _ => "hst",
    }
}

/// Instrument and type of a reference: by its name, else by its header (RD 6.4).
///
/// # Errors
///
/// `Can't determine instrument for ...`, `Can't determine HST file type for ...`, `Invalid FILETYPE ...`; for other
/// observatories `Can't identify instrument of ...`.
pub fn properties(observatory: &str, name: &str, header: Option<&Header>) -> Result<(String, String), DeriveError> {
    let by_name = match observatory {
        "hst" => decompose_mapping("hst", name).or_else(|_| decompose_old_style(name)),
        other => decompose_mapping(other, name),
    };
    match (by_name, header) {
        (Ok(found), _) => Ok((found.instrument, found.filekind)),
        (Err(error), None) => Err(error),
        (Err(_), Some(header)) if observatory == "hst" => header_properties(name, header),
        (Err(_), Some(header)) => other_header_properties(observatory, name, header),
    }
}

/// Instrument and type of an HST reference by its header alone.
pub(crate) fn header_properties(name: &str, header: &Header) -> Result<(String, String), DeriveError> {
    let shown = repr(base_name(name));
    let naming = |text: String| DeriveError::new("CrdsNamingError", text);
    let instrument = match header.get("DBTABLE") {
        None | Some("IMPHTTAB") => header.get("INSTRUME").map(str::to_lowercase).ok_or_else(|| {
            naming(format!(
                "Can't determine instrument for {shown}. CAL references must define INSTRUME, SYNPHOT references define DBTABLE."
            ))
        })?,
        Some(_) => "synphot".to_owned(),
    };
    let instrument = match instrument.as_str() {
        "hst" => "synphot".to_owned(),
        "wfii" => "wfpc2".to_owned(),
        "nic" => "nicmos".to_owned(),
        _ => instrument,
    };
    let filetype = header.get("FILETYPE").or_else(|| header.get("DBTABLE")).or_else(|| header.get("CDBSFILE"));
    let Some(filetype) = filetype.map(str::to_lowercase) else {
        let observatory = header.get("TELESCOP").or_else(|| header.get("TELESCOPE"));
        return Err(naming(match observatory {
            Some(other) if other.to_uppercase() != "HST" => format!(
                "CRDS is configured for 'HST' but file {shown} is for the {} telescope.  Reconfigure CRDS_PATH or CRDS_SEVER_URL.",
                repr(other)
            ),
            _ => format!(
                "Can't determine HST file type for {shown}. Check FILETYPE, CDBSFILE, DBTABLE, TELESCOP, and/or TELESCOPE."
            ),
        }));
    };
    let filetype = if instrument == "wfpc2" && filetype == "dark" { "drk".to_owned() } else { filetype };
    let types = facts::kinds("hst").get(&instrument);
    let found = types.and_then(|types| types.iter().find(|(_, kind)| kind.filetype.to_lowercase() == filetype));
    let (filekind, _) = found.ok_or_else(|| {
        naming(format!("Invalid FILETYPE (or CDBSFILE) of '{filetype}' for instrument '{instrument}'."))
    })?;
    Ok((instrument, filekind.clone()))
}

fn other_header_properties(observatory: &str, name: &str, header: &Header) -> Result<(String, String), DeriveError> {
    let first = |keys: &[&str]| keys.iter().find_map(|key| header.get(key)).map(str::to_lowercase);
    let shown = repr(base_name(name));
    let instrument = first(&["INSTRUME", "META.INSTRUMENT.NAME", "INSTRUMENT"]);
    let instrument = instrument.filter(|i| facts::is_instrument(observatory, i)).ok_or_else(|| {
        let why = format!("Can't identify instrument of {shown} : No instrument keyword defined in header.");
        DeriveError::new("CrdsNamingError", why)
    })?;
    let filekind = first(&["REFTYPE", "TYPE", "META.REFTYPE"]).filter(|k| facts::is_filekind(observatory, k));
    let filekind =
        filekind.ok_or_else(|| DeriveError::new("CrdsNamingError", format!("Can't identify REFTYPE of {shown}")))?;
    Ok((instrument, filekind))
}

/// The name of a mapping with this serial number; an empty type means an imap, an empty instrument a pmap.
pub fn mapping_name(observatory: &str, instrument: &str, filekind: &str, serial: u32) -> String {
    match (instrument, filekind) {
        ("", _) => format!("{observatory}_{serial:04}.pmap"),
        (_, "") => format!("{observatory}_{instrument}_{serial:04}.imap"),
        _ => format!("{observatory}_{instrument}_{filekind}_{serial:04}.rmap"),
    }
}

/// The CRDS-style name of a reference; `extension` with its dot.
pub fn reference_name(observatory: &str, instrument: &str, filekind: &str, serial: u32, extension: &str) -> String {
    format!("{observatory}_{instrument}_{filekind}_{serial:04}{extension}")
}

/// The number in a CRDS-style name, `None` without one.
pub fn serial_of(name: &str) -> Option<u64> {
    let (stem, _) = split_extension(name);
    let digits = stem.rsplit('_').next()?;
    (stem.contains('_') && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

/// The time name of an HST reference (RD 6.3); `now` is taken as UTC.
///
/// # Errors
///
/// A type or instrument that the software does not know.
pub fn time_name(
    now: jiff::civil::DateTime,
    instrument: &str,
    filekind: &str,
    extension: &str,
) -> Result<String, DeriveError> {
    const YEARS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let digit = |table: &[u8; 36], n: i64| table[usize::try_from(n.rem_euclid(36)).unwrap_or(0)] as char;
    let unknown = |key: &str| DeriveError::new("KeyError", repr(key));
    let types = facts::kinds("hst").get(instrument).ok_or_else(|| unknown(instrument))?;
    let kind = types.get(filekind).ok_or_else(|| unknown(filekind))?;
    let letter = LETTERS.iter().find(|(_, name)| *name == instrument).map(|(letter, _)| *letter);
    let letter = letter.ok_or_else(|| unknown(instrument))?;
    Ok(format!(
        "{}{}{}{:02}{:02}{}{letter}_{}{extension}",
        digit(YEARS, i64::from(now.year()) - 1990),
        digit(DIGITS, i64::from(now.month())),
        digit(DIGITS, i64::from(now.day())),
        now.hour(),
        now.minute(),
        digit(DIGITS, i64::from(now.second()) / 2),
        kind.suffix,
    ))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NameClass {
    Crds,
    OldSynphot,
    NewSynphot,
    OldTime,
    NewTime,
}

impl NameClass {
    fn python(self) -> &'static str {
        match self {
            Self::Crds => "crds",
            Self::OldSynphot => "oldsynphot",
            Self::NewSynphot => "newsynphot",
            Self::OldTime => "oldcdbs",
            Self::NewTime => "newcdbs",
        }
    }
}

/// Eight letters or digits, and what follows.
fn classify(name: &str, log: &mut Vec<LogLine>) -> NameClass {
    if name == "N/A" || ["hst", "jwst", "roman", "tobs"].iter().any(|start| name.starts_with(start)) {
        return NameClass::Crds;
    }
    let word = |text: &str, range: std::ops::RangeInclusive<usize>| {
        range.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let shape = name.split_once('_').and_then(|(root, rest)| rest.split_once('.').map(|(s, e)| (root, s, e)));
    if let Some((root, suffix, extension)) = shape
        && word(root, 9..=9)
        && word(suffix, 1..=8)
        && word(extension, 1..=6)
    {
        let digit = root.starts_with(|c: char| c.is_ascii_digit());
        let synphot = root.ends_with('m') && matches!(suffix, "tmc" | "tmg" | "tmt");
        return match (synphot, digit) {
            (true, true) => NameClass::NewSynphot,
            (true, false) => NameClass::OldSynphot,
            (false, true) => NameClass::NewTime,
            (false, false) => NameClass::OldTime,
        };
    }
    log.push(LogLine::warning(format!("Failed to classify name {} for determining time order.", repr(name))));
    NameClass::OldTime
}

fn extension_rank(name: &str) -> u8 {
    let extension = split_extension(name).1;
    let bytes = extension.as_bytes();
    let geis =
        bytes.len() >= 4 && bytes.starts_with(b".r") && bytes[2].is_ascii_digit() && matches!(bytes[3], b'h' | b'd');
    match extension {
        _ if geis => 0,
        ".fits" => 1,
        ".json" => 2,
        ".yaml" => 3,
        ".asdf" => 4,
        _ => 5,
    }
}

/// Whether `name` is newer than `other`, judged by the names alone (RD 6.5), and what was logged.
///
/// # Errors
///
/// Classes of names that cannot be compared: the client warns and then fails for want of a result.
pub fn newer(name: &str, other: &str) -> (Result<bool, DeriveError>, Vec<LogLine>) {
    use NameClass::{Crds, NewSynphot, NewTime, OldSynphot, OldTime};
    let mut log = Vec::new();
    let short = |name: &str| if name == "N/A" { name.to_owned() } else { base_name(name).to_owned() };
    let (name, other) = (short(name), short(other));
    let (a, b) = (classify(&name, &mut log), classify(&other, &mut log));
    let serial = |name: &str| serial_in(name).map_or(-1.0, |n| n);
    let result = if name == "N/A" {
        Ok(false)
    } else if other == "N/A" {
        Ok(true)
    } else {
        match (a, b) {
            (Crds, Crds) if extension_rank(&name) == extension_rank(&other) => Ok(serial(&name) > serial(&other)),
            (Crds, Crds) => Ok(extension_rank(&name) > extension_rank(&other)),
            _ if a == b => Ok(name > other),
            (Crds | NewTime, OldTime) | (NewSynphot, OldSynphot) => Ok(true),
            (OldTime, Crds | NewTime) | (OldSynphot, NewSynphot) => Ok(false),
            _ => {
                let classes = format!("('{}', '{}')", a.python(), b.python());
                log.push(LogLine::warning(format!("Unhandled name comparison case:  {classes}")));
                let why = "cannot access local variable 'result' where it is not associated with a value";
                Err(DeriveError::new("UnboundLocalError", why))
            }
        }
    };
    (result, log)
}

/// The number of the first `_<digits>.<word>`.
fn serial_in(name: &str) -> Option<f64> {
    name.match_indices('_').find_map(|(at, _)| {
        let rest = &name[at + 1..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let word = rest.get(digits + 1..).and_then(|tail| tail.chars().next());
        let fits =
            digits > 0 && rest[digits..].starts_with('.') && word.is_some_and(|c| c.is_alphanumeric() || c == '_');
        fits.then(|| rest[..digits].parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_historical_names_decode_to_their_times() {
        let at = |h, m, s| jiff::civil::date(2014, 7, 11).at(h, m, s, 0);
        assert_eq!(time_name(at(15, 16, 34), "wfc3", "d2imfile", ".fits").unwrap(), "y7b1516hi_d2i.fits");
        assert_eq!(time_name(at(15, 17, 0), "wfc3", "npolfile", ".fits").unwrap(), "y7b15170i_npl.fits");
        assert_eq!(time_name(at(15, 17, 4), "wfc3", "idctab", ".fits").unwrap(), "y7b15172i_idc.fits");
    }

    #[test]
    fn names_of_mappings() {
        assert_eq!(mapping_name("hst", "", "", 280), "hst_0280.pmap");
        assert_eq!(mapping_name("hst", "wfc3", "", 262), "hst_wfc3_0262.imap");
        assert_eq!(mapping_name("hst", "wfc3", "npolfile", 251), "hst_wfc3_npolfile_0251.rmap");
        assert_eq!(serial_of("hst_wfc3_npolfile_0251.rmap"), Some(251));
        assert_eq!(serial_of("hst.pmap"), None);
    }

    #[test]
    fn order_by_names() {
        for (a, b, expected) in [
            ("hst_cos_deadtab_0001.fits", "s7g1700gl_dead.fits", true),
            ("07g1700gl_dead.fits", "s7g1700gl_dead.fits", true),
            ("hst_cos_deadtab_0001.asdf", "hst_cos_deadtab_0050.fits", true),
            ("hst_cos_deadtab_99991.fits", "hst_cos_deadtab_0001.fits", true),
            ("N/A", "s7g1700gl_dead.fits", false),
            ("16n1832tm_tmc.fits", "06n1832tm_tmc.fits", true),
        ] {
            assert_eq!(newer(a, b).0, Ok(expected), "{a} > {b}");
        }
        assert!(newer("hst_cos_deadtab_0001.fits", "17g1700gl_dead.fits").0.is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_name_panics(name in "\\PC{0,40}", other in "[a-z0-9_./]{0,40}") {
            let _ = decompose(&name);
            let _ = decompose(&other);
            let _ = newer(&name, &other);
            let _ = (is_reference(&name), serial_of(&other));
        }
    }
}
