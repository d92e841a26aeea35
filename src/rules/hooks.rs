//! The instrument hooks: small programs of the client that change a header before or after a lookup (RS 11).

use super::condition::condition_value;
use super::dates;
use super::python::{float_repr, parse_float, repr};

/// Keywords that hooks look at, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum HookKey {
    /// `APERTURE`
    Aperture,
    /// `CCDAMP`
    CcdAmp,
    /// `CCDGAIN`
    CcdGain,
    /// `DATE-OBS`
    DateObs,
    /// `DETECTOR`
    Detector,
    /// `FILTER1`
    Filter1,
    /// `FILTER2`
    Filter2,
    /// `LTV1`
    Ltv1,
    /// `LTV2`
    Ltv2,
    /// `NAXIS1`
    Naxis1,
    /// `NAXIS2`
    Naxis2,
    /// `NUMCOLS`
    NumCols,
    /// `NUMROWS`
    NumRows,
    /// `RAW_LTV1`
    RawLtv1,
    /// `RAW_LTV2`
    RawLtv2,
    /// `SUBARRAY`
    Subarray,
    /// `TIME-OBS`
    TimeObs,
    /// `XCORNER`
    XCorner,
    /// `YCORNER`
    YCorner,
}

use HookKey as K;

/// The keywords of [`HookKey`], in its order.
pub const HOOK_KEYS: [&str; 19] = [
    "APERTURE", "CCDAMP", "CCDGAIN", "DATE-OBS", "DETECTOR", "FILTER1", "FILTER2", "LTV1", "LTV2", "NAXIS1", "NAXIS2",
    "NUMCOLS", "NUMROWS", "RAW_LTV1", "RAW_LTV2", "SUBARRAY", "TIME-OBS", "XCORNER", "YCORNER",
];

/// The header a hook works on.
pub trait HookHeader {
    /// The value of a keyword, if the header has it.
    fn get(&self, key: HookKey) -> Option<&str>;
    /// Sets a keyword.
    fn set(&mut self, key: HookKey, value: &str);
}

/// A hook function of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// `precondition_header_acs_biasfile_v1` to `_v3`
    AcsBias(u8),
    /// `fallback_header_acs_biasfile_v2`, `_v3`
    AcsBiasFallback(u8),
    /// `precondition_header_wfc3_biasfile_v1`
    Wfc3Bias,
    /// `fallback_header_wfpc2_flatfile_v1`
    Wfpc2FlatFallback,
}

/// Exposures before the fourth servicing mission.
const SM4: &str = "2009-05-14 00:00:00";
const PRE_SM4_SUBARRAY: &str = "2002-03-30 00:00:00";

impl Hook {
    /// The hook of that function name in the package of that instrument; an unknown name means no hook.
    pub fn find(observatory: &str, instrument: &str, function: &str) -> Option<Self> {
        match (observatory, instrument, function) {
            ("hst", "acs", "precondition_header_acs_biasfile_v1") => Some(Self::AcsBias(1)),
            ("hst", "acs", "precondition_header_acs_biasfile_v2") => Some(Self::AcsBias(2)),
            ("hst", "acs", "precondition_header_acs_biasfile_v3") => Some(Self::AcsBias(3)),
            ("hst", "acs", "fallback_header_acs_biasfile_v2") => Some(Self::AcsBiasFallback(2)),
            ("hst", "acs", "fallback_header_acs_biasfile_v3") => Some(Self::AcsBiasFallback(3)),
            ("hst", "wfc3", "precondition_header_wfc3_biasfile_v1") => Some(Self::Wfc3Bias),
            ("hst", "wfpc2", "fallback_header_wfpc2_flatfile_v1") => Some(Self::Wfpc2FlatFallback),
            _ => None,
        }
    }

    /// The keywords that it may change.
    pub fn changes(self) -> &'static [HookKey] {
        match self {
            Self::AcsBias(1) => &[K::Aperture, K::CcdAmp, K::NumCols, K::NumRows],
            Self::AcsBias(_) => &[K::Aperture, K::CcdAmp, K::Naxis1, K::Naxis2],
            Self::AcsBiasFallback(_) => {
                &[K::Aperture, K::CcdAmp, K::Naxis1, K::Naxis2, K::Ltv1, K::Ltv2, K::RawLtv1, K::RawLtv2]
            }
            Self::Wfc3Bias => &[K::Aperture],
            Self::Wfpc2FlatFallback => &[K::Filter1, K::Filter2],
        }
    }

    /// Changes the header.
    ///
    /// # Errors
    ///
    /// The text of the client's exception, such as the quoted name of a missing keyword.
    pub fn apply(self, header: &mut dyn HookHeader) -> Result<(), String> {
        match self {
            Self::AcsBias(version) => acs_bias(version, header),
            Self::AcsBiasFallback(version) => acs_bias_fallback(version, header),
            Self::Wfc3Bias => {
                let full = need(header, K::Subarray)? == "T" && !need(header, K::Aperture)?.contains("SUB");
                if full {
                    header.set(K::Aperture, "N/A");
                }
                Ok(())
            }
            Self::Wfpc2FlatFallback => {
                let (one, two) = (need(header, K::Filter1)?.to_owned(), need(header, K::Filter2)?.to_owned());
                header.set(K::Filter1, &two);
                header.set(K::Filter2, &one);
                Ok(())
            }
        }
    }
}

/// The value of a keyword, or Python's `KeyError` text.
fn need(header: &dyn HookHeader, key: HookKey) -> Result<&str, String> {
    header.get(key).ok_or_else(|| repr(HOOK_KEYS[key as usize]))
}

fn acs_bias(version: u8, header: &mut dyn HookHeader) -> Result<(), String> {
    let (date, time) = (need(header, K::DateObs)?, need(header, K::TimeObs)?);
    let mut when = String::with_capacity(date.len() + time.len() + 1);
    when.push_str(date);
    when.push(' ');
    when.push_str(time);
    let when = dates::reformat(&when)?;
    if version == 3 && !required(header, when.as_str())? {
        return Ok(());
    }
    let early = when.as_str() < SM4;
    if early {
        header.set(K::Aperture, "N/A");
    }
    let (columns, rows) = if version == 1 { (K::NumCols, K::NumRows) } else { (K::Naxis1, K::Naxis2) };
    if let Some(count) = whole(need(header, columns)?)? {
        header.set(columns, &number(count));
        if early && count > 2048.0 {
            match need(header, K::CcdAmp)? {
                "A" | "D" => header.set(K::CcdAmp, "AD"),
                "B" | "C" => header.set(K::CcdAmp, "BC"),
                _ => {}
            }
        }
    }
    let corner =
        need(header, K::Detector)? == "WFC" && need(header, K::XCorner)? == "0.0" && need(header, K::YCorner)? == "0.0";
    if corner && let Some(count) = whole(need(header, rows)?)? {
        header.set(rows, &number(count / 2.0));
    }
    Ok(())
}

/// A number as the client conditions it.
fn number(value: f64) -> String {
    // Within these bounds a multiple of one half is written without a detour, and no special value is among them.
    let twice = value * 2.0;
    if twice.fract() == 0.0 && (1.0..1e9).contains(&value) {
        let mut text = String::with_capacity(12);
        let (mut whole, mut unit) = (value as u64, 100_000_000_u64);
        while unit > 1 && whole < unit {
            unit /= 10;
        }
        while unit > 0 {
            text.push(char::from(b'0' + (whole / unit) as u8));
            whole %= unit;
            unit /= 10;
        }
        text.push_str(if value.fract() == 0.0 { ".0" } else { ".5" });
        return text;
    }
    condition_value(&float_repr(value)).into_owned()
}

/// `int(float(text))`; nothing where the client leaves the header alone.
fn whole(text: &str) -> Result<Option<f64>, String> {
    match parse_float(text) {
        Some(value) if value.is_infinite() => Err("cannot convert float infinity to integer".to_owned()),
        // Adding zero turns a negative zero into a plain one, which an integer is.
        Some(value) if !value.is_nan() => Ok(Some(value.trunc() + 0.0)),
        _ => Ok(None),
    }
}

/// Whether version 3 changes anything; tests in the client's order, since a bad CCDGAIN raises.
fn required(header: &dyn HookHeader, when: &str) -> Result<bool, String> {
    if need(header, K::Detector)? != "WFC" || when < PRE_SM4_SUBARRAY {
        return Ok(true);
    }
    if header.get(K::Aperture).is_none_or(|aperture| aperture == "UNDEFINED") {
        return Ok(true);
    }
    let gain = need(header, K::CcdGain)?;
    let gain = parse_float(gain).ok_or_else(|| format!("could not convert string to float: {}", repr(gain)))?;
    if gain == 4.0 || gain == 8.0 {
        return Ok(true);
    }
    Ok(matches!(need(header, K::CcdAmp)?, "AD" | "BC"))
}

fn acs_bias_fallback(version: u8, header: &mut dyn HookHeader) -> Result<(), String> {
    acs_bias(version, header)?;
    let (ltv1, ltv2) = if version == 3 { (K::RawLtv1, K::RawLtv2) } else { (K::Ltv1, K::Ltv2) };
    // The client's log line reads all four before anything is set.
    for key in [K::Naxis1, K::Naxis2, ltv1, ltv2] {
        need(header, key)?;
    }
    if need(header, K::Detector)? == "WFC" {
        for (key, value) in [(K::Naxis1, "4144.0"), (K::Naxis2, "2068.0"), (ltv1, "24.0"), (ltv2, "0.0")] {
            header.set(key, value);
        }
    } else {
        for (key, value) in [(K::Naxis1, "1062.0"), (K::Naxis2, "1044.0"), (ltv1, "19.0")] {
            header.set(key, value);
        }
        let value = if matches!(need(header, K::CcdAmp)?, "C" | "D") { "0.0" } else { "20.0" };
        header.set(ltv2, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Clone)]
    struct Headed(BTreeMap<&'static str, String>);

    impl HookHeader for Headed {
        fn get(&self, key: HookKey) -> Option<&str> {
            self.0.get(HOOK_KEYS[key as usize]).map(String::as_str)
        }

        fn set(&mut self, key: HookKey, value: &str) {
            self.0.insert(HOOK_KEYS[key as usize], value.to_owned());
        }
    }

    /// The keywords of `KEY=VALUE KEY=VALUE`.
    fn words(text: &'static str) -> impl Iterator<Item = (&'static str, String)> {
        text.split_whitespace().filter_map(|word| word.split_once('=').map(|(key, value)| (key, value.to_owned())))
    }

    /// What the client's own functions made of these headers; no context of the public cache names version 3.
    #[test]
    fn version_3_of_the_acs_hooks_changes_what_the_clients_changes() {
        const HEADER: &str = "DATE-OBS=2004-07-01 TIME-OBS=00:00:00 DETECTOR=WFC APERTURE=WFC1 CCDGAIN=2.0 CCDAMP=A \
                              NAXIS1=4144 NAXIS2=4136 XCORNER=0.0 YCORNER=0.0 RAW_LTV1=1.0 RAW_LTV2=1.0";
        const WHOLE: &str = "NAXIS1=4144.0 NAXIS2=2068.0";
        const WHOLE_FALLBACK: &str = "NAXIS1=4144.0 NAXIS2=2068.0 RAW_LTV1=24.0 RAW_LTV2=0.0";
        const EARLY: &str = "APERTURE=N/A NAXIS1=4144.0 NAXIS2=2068.0";
        const EARLY_FALLBACK: &str = "APERTURE=N/A NAXIS1=4144.0 NAXIS2=2068.0 RAW_LTV1=24.0 RAW_LTV2=0.0";
        const AD: &str = "APERTURE=N/A CCDAMP=AD NAXIS1=4144.0 NAXIS2=2068.0";
        const AD_FALLBACK: &str = "APERTURE=N/A CCDAMP=AD NAXIS1=4144.0 NAXIS2=2068.0 RAW_LTV1=24.0 RAW_LTV2=0.0";
        const HRC: &str = "APERTURE=N/A CCDAMP=AD NAXIS1=4144.0";
        const HRC_FALLBACK: &str = "APERTURE=N/A CCDAMP=AD NAXIS1=1062.0 NAXIS2=1044.0 RAW_LTV1=19.0 RAW_LTV2=20.0";
        let bad_gain = "could not convert string to float: 'BAD'";
        let bad_date = "not enough values to unpack (expected 3, got 2)";
        let cases = [
            ("", Ok(""), Ok(WHOLE_FALLBACK)),
            ("CCDAMP=AD", Ok(EARLY), Ok(EARLY_FALLBACK)),
            ("CCDGAIN=4.0", Ok(AD), Ok(AD_FALLBACK)),
            (
                "CCDGAIN=8.0 CCDAMP=C",
                Ok("APERTURE=N/A CCDAMP=BC NAXIS1=4144.0 NAXIS2=2068.0"),
                Ok("APERTURE=N/A CCDAMP=BC NAXIS1=4144.0 NAXIS2=2068.0 RAW_LTV1=24.0 RAW_LTV2=0.0"),
            ),
            ("DATE-OBS=2002-03-01", Ok(AD), Ok(AD_FALLBACK)),
            ("DATE-OBS=2010-01-01 CCDAMP=BC", Ok(WHOLE), Ok(WHOLE_FALLBACK)),
            ("APERTURE=UNDEFINED NAXIS1=1024.0", Ok("APERTURE=N/A NAXIS2=2068.0"), Ok(EARLY_FALLBACK)),
            ("DETECTOR=HRC CCDAMP=D", Ok(HRC), Ok(HRC_FALLBACK)),
            // Of another detector the gain is not looked at.
            ("DETECTOR=HRC CCDGAIN=BAD", Ok(HRC), Ok(HRC_FALLBACK)),
            ("CCDGAIN=BAD", Err(bad_gain), Err(bad_gain)),
            ("DATE-OBS=BAD", Err(bad_date), Err(bad_date)),
            ("CCDGAIN=4.0 NAXIS2=4137 XCORNER=1.0", Ok("APERTURE=N/A CCDAMP=AD NAXIS1=4144.0"), Ok(AD_FALLBACK)),
            ("CCDGAIN=4.0 NAXIS2=4137", Ok("APERTURE=N/A CCDAMP=AD NAXIS1=4144.0 NAXIS2=2068.5"), Ok(AD_FALLBACK)),
        ];
        for (own, condition, fallback) in cases {
            let header = Headed(words(HEADER).chain(words(own)).collect());
            for (hook, want) in [(Hook::AcsBias(3), condition), (Hook::AcsBiasFallback(3), fallback)] {
                let mut changed = header.clone();
                let done = hook.apply(&mut changed).map(|()| changed.0);
                let want = want.map(|text| header.0.clone().into_iter().chain(words(text)).collect());
                assert_eq!(done, want.map_err(str::to_owned), "{hook:?} of {own:?}");
            }
        }
    }
}
