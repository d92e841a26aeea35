//! Context specifiers: literal names, symbols, dates (WP 1.9).

use super::{
    super::{clock, python::repr, rules_store::is_mapping_name},
    Answer, Outcome, Rpc, RpcError,
    check::plain_digits,
    json::{Json, write_text},
    vocabulary,
};

/// A specifier taken apart.
struct Spec<'a> {
    observatory: Option<&'a str>,
    instrument: Option<&'a str>,
    filekind: Option<&'a str>,
    date: &'a str,
}

/// Matches `[<obs>[-<instrument>[-<type>]]-](<date>|edit|operational|versions)`, whole, case counting.
fn take_apart<'a>(text: &'a str, symbols: &[&str]) -> Option<Spec<'a>> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let word = |w: &str, most: usize, digits: bool| {
        !w.is_empty() && w.len() <= most && w.bytes().all(|b| b.is_ascii_lowercase() || (digits && b.is_ascii_digit()))
    };
    // The date is what begins at the first place from which the rest is a date or a symbol.
    let mut starts = vec![0];
    starts.extend(text.match_indices('-').map(|(at, _)| at + 1));
    for start in starts {
        let date = &text[start..];
        if !symbols.contains(&date) && !is_date(date) {
            continue;
        }
        let prefix = text[..start].strip_suffix('-').unwrap_or_default();
        if start == 0 {
            return Some(Spec { observatory: None, instrument: None, filekind: None, date });
        }
        let mut parts = prefix.split('-');
        let (observatory, instrument, filekind) = (parts.next(), parts.next(), parts.next());
        if parts.next().is_none()
            && observatory.is_some_and(|w| word(w, 8, false))
            && instrument.is_none_or(|w| word(w, 32, true))
            && filekind.is_none_or(|w| word(w, 32, true))
        {
            return Some(Spec { observatory, instrument, filekind, date });
        }
    }
    None
}

/// `YYYY-MM-DD[THH:MM:SS[.f...]]` by shape; Python's `\d` takes the digits of every script.
fn is_date(text: &str) -> bool {
    let text = plain_digits(text);
    let digits = |text: &str, pattern: &str| {
        text.len() == pattern.len()
            && text.bytes().zip(pattern.bytes()).all(|(c, p)| if p == b'd' { c.is_ascii_digit() } else { c == p })
    };
    match text.split_once('T') {
        None => digits(&text, "dddd-dd-dd"),
        Some((date, time)) => {
            let (time, fraction) = match time.split_once('.') {
                Some((time, fraction)) => (time, Some(fraction)),
                None => (time, None),
            };
            digits(date, "dddd-dd-dd")
                && digits(time, "dd:dd:dd")
                && fraction.is_none_or(|f| !f.is_empty() && f.bytes().all(|b| b.is_ascii_digit()))
        }
    }
}

/// The moment of a date specifier as history rows write it; `None` for fractions and impossible moments.
fn moment(date: &str) -> Option<String> {
    let date = plain_digits(date);
    if date.contains('.') {
        return None;
    }
    let full = if date.len() == 10 { format!("{date} 00:00:00") } else { date.replacen('T', " ", 1) };
    clock::parse(&full)?;
    Some(full)
}

impl Rpc<'_> {
    /// Checks a context and gives the mapping it stands for.
    pub(super) fn context(&self, value: &Json) -> Result<String, RpcError> {
        let name = self.resolve(value)?;
        self.accept(name)
    }

    /// Steps 4 and 5: of this observatory, and known.
    fn accept(&self, name: String) -> Result<String, RpcError> {
        if !name.contains(self.obs()) {
            return Err(RpcError::check(
                "MismatchedContextError",
                format!(
                    "Requested context '{name}' doesn't match the observatory '{}' supported by this server.   Switch servers or contexts.",
                    self.obs()
                ),
            ));
        }
        self.known_file(&Json::Str(name)).map(|row| row.name)
    }

    /// Steps 1 to 3: which mapping a specifier stands for.
    fn resolve(&self, value: &Json) -> Result<String, RpcError> {
        if let Some(text) = value.as_str()
            && is_mapping_name(text)
        {
            return Ok(text.to_owned());
        }
        let Some(spec) = value.as_str().and_then(|text| take_apart(text, self.dialect().context_symbols)) else {
            return Err(RpcError::check(
                "UnknownContextError",
                format!(
                    "Context parameter '{}' is not a .pmap, .imap, or .rmap file or a valid date based context specification.",
                    value.str()
                ),
            ));
        };
        let symbol = matches!(spec.date, "edit" | "operational" | "versions");
        let Some(observatory) = spec.observatory else {
            if symbol {
                return Err(RpcError::other("'NoneType' object is not subscriptable"));
            }
            return self.at_date(spec.date);
        };
        self.observatory(&Json::Str(observatory.to_owned()))?;
        let pmap = if symbol {
            self.server.catalogue.context(spec.date)?.unwrap_or_default()
        } else {
            self.at_date(spec.date)?
        };
        let Some(instrument) = spec.instrument else { return Ok(pmap) };
        // The pmap is loaded before the instrument is looked at; a context that is not set names no file to load.
        if !is_mapping_name(&pmap) {
            return Err(RpcError::other(
                "`mapping` must be a literal CRDS mapping name, not a date-based context specification.",
            ));
        }
        self.server.rules.load_sound(&pmap)?;
        let bad = |text: String| RpcError::check("InvalidDateBasedContext", text);
        if !vocabulary::instruments(self.obs(), self.dialect()).contains(&instrument) {
            return Err(bad(format!("Bad instrument '{instrument}' in CRDS date based context specification.")));
        }
        let imap = self.entry(&pmap, instrument)?.ok_or_else(|| {
            RpcError::other(format!("Unknown instrument {} for context {}", repr(instrument), repr(&pmap)))
        })?;
        let Some(filekind) = spec.filekind else { return Ok(imap) };
        if !vocabulary::types(self.obs()).contains(&filekind) {
            return Err(bad(format!("Bad reftype '{filekind}' in  CRDS date based context specification.")));
        }
        let rmap = self
            .entry(&imap, filekind)?
            .ok_or_else(|| RpcError::other(format!("Unknown reference type {}", repr(filekind))))?;
        let marked = |words: &str| {
            RpcError::other(format!("('Type', {}, '{words}', {})", repr(&repr(filekind)), repr(&repr(instrument))))
        };
        match rmap.as_str() {
            "OMIT" | "TEMP_OMIT" | "omit" => Err(marked("is OMITTED for")),
            "N/A" | "TEMP_N/A" | "n/a" | "temp_n/a" => Err(marked("is N/A for")),
            _ => Ok(rmap),
        }
    }

    /// A pmap's or imap's entry, by its key in lower case.
    fn entry(&self, mapping: &str, key: &str) -> Result<Option<String>, RpcError> {
        let loaded = self.server.rules.load_sound(mapping)?;
        Ok(loaded.entries.iter().rev().find(|(k, _)| k.to_lowercase() == key).map(|(_, v)| v.clone()))
    }

    /// The operational context at a date: the newest entry whose start is not after it, compared as texts.
    fn at_date(&self, date: &str) -> Result<String, RpcError> {
        let Some(moment) = moment(date) else {
            let symbols = self.dialect().context_symbols.join(" | ");
            return Err(RpcError::check(
                "InvalidDateBasedContext",
                format!("Invalid context date/time format '{date}' should be YYYY-MM-DDTHH:MM:SS | {symbols}"),
            ));
        };
        let newest_first = self.operational_history()?;
        newest_first
            .into_iter()
            .find(|row| row.start_date.as_str() <= moment.as_str())
            .map(|row| row.context)
            .ok_or_else(|| {
                RpcError::check(
                    "UnknownContextError",
                    format!("No CRDS context found corresponding to (prior to) date '{date}'"),
                )
            })
    }

    /// Operational history of this observatory, newest first; of rows of one moment the higher name first.
    pub(super) fn operational_history(&self) -> Result<Vec<super::super::catalog::HistoryRow>, RpcError> {
        let own = |context: &str| context.split(['_', '.']).next() == Some(self.obs());
        let mut rows = self.server.catalogue.history()?;
        rows.retain(|row| row.state == "operational" && own(&row.context));
        rows.sort_by(|a, b| (&b.start_date, &b.context).cmp(&(&a.start_date, &a.context)));
        Ok(rows)
    }

    pub(super) fn get_context_by_date(&self, date: &Json, observatory: &Json) -> Outcome {
        self.observatory_or_own(observatory)?;
        let name = match self.context(date) {
            // 2019 answers an N/A type with these three characters.
            Err(err) if self.dialect().answers_not_applicable && err.text.contains("'is N/A for'") => "N/A".to_owned(),
            other => other?,
        };
        let mut text = String::new();
        write_text(&name, &mut text);
        Ok(Answer::Own(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::server::Era;

    #[test]
    fn specifiers_are_taken_apart_whole() {
        let apart = |text| {
            take_apart(text, Era::Y2019.dialect().context_symbols)
                .map(|s| (s.observatory, s.instrument, s.filekind, s.date))
        };
        assert_eq!(apart("hst-edit"), Some((Some("hst"), None, None, "edit")));
        assert_eq!(
            apart("hst-acs-darkfile-2014-11-22T00:00:00"),
            Some((Some("hst"), Some("acs"), Some("darkfile"), "2014-11-22T00:00:00"))
        );
        assert_eq!(apart("2014-11-22"), Some((None, None, None, "2014-11-22")));
        assert_eq!(apart("versions"), Some((None, None, None, "versions")));
        assert!(take_apart("versions", Era::Y2014.dialect().context_symbols).is_none());
        for refused in
            ["", "HST-edit", "hst-Edit", "hst--edit", "2014-11-22 00:00:00", "a-b-c-d-edit", "hst-edit ", "hst_0280"]
        {
            assert!(apart(refused).is_none(), "{refused:?}");
        }
    }
}
