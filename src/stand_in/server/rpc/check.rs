//! Checks of arguments with their texts (WP 1.4, "Checks and their texts").

use super::{
    super::{Dialect, catalog::FileRow, python},
    Rpc, RpcError,
    bestrefs::Header,
    json::{Json, repr_text},
    misc::decimal_digit,
    vocabulary,
};

type Checked<T> = Result<T, RpcError>;

/// Whether a text is 1 to `most` characters of ASCII letters, digits and `extra`.
pub fn whole(text: &str, extra: &str, most: usize) -> bool {
    // Python's `$` lets one final newline pass.
    let text = text.strip_suffix('\n').unwrap_or(text);
    !text.is_empty() && text.len() <= most && text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
}

/// Whether a text passes as a file name: only its first character counts, the pattern is not anchored at its end.
pub fn legal_file_name(text: &str) -> bool {
    text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || "._- ".contains(c))
}

/// Whether a text is one line of at most so many characters; one final newline passes.
fn one_line(text: &str, most: usize) -> bool {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.chars().count() <= most && !text.contains('\n')
}

impl Rpc<'_> {
    pub(super) fn obs(&self) -> &str {
        &self.server.config.observatory
    }

    pub(super) fn dialect(&self) -> &'static Dialect {
        self.server.dialect()
    }

    fn lower(value: &Json) -> Checked<String> {
        match value {
            Json::Str(text) => Ok(text.to_lowercase()),
            other => Err(RpcError::no_attribute(other.type_name(), "lower")),
        }
    }

    /// An observatory, lower-cased.
    pub(super) fn observatory(&self, value: &Json) -> Checked<String> {
        let lower = Self::lower(value)?;
        if lower != self.obs() {
            return Err(RpcError::check(
                "InvalidObservatoryError",
                format!("Mismatch between requested observatory '{lower}' and server observatory '{}'", self.obs()),
            ));
        }
        Ok(lower)
    }

    /// An observatory, or null for the server's own; as given.
    pub(super) fn observatory_or_own(&self, value: &Json) -> Checked<String> {
        match value {
            Json::Null => Ok(self.obs().to_owned()),
            other => self.observatory(other).map(|_| other.str()),
        }
    }

    /// A text that passes as a file name.
    pub(super) fn file_name<'j>(&self, value: &'j Json) -> Checked<&'j str> {
        let text = value.as_str().ok_or_else(RpcError::no_text)?;
        if !legal_file_name(text) {
            return Err(RpcError::other(format!("Invalid file name {}", repr_text(text))));
        }
        Ok(text)
    }

    /// A file that is catalogued and may be given out; notices the archive for it.
    pub(super) fn known_file(&self, value: &Json) -> Checked<FileRow> {
        let name = self.file_name(value)?;
        let Some(mut row) = self.server.catalogue.file(name)? else {
            return Err(RpcError::check("UnknownFile", format!("File '{name}' is not known to CRDS.")));
        };
        let stored = self.server.notice_stored(&row)?.to_owned();
        if !self.server.distributable(&stored) {
            return Err(RpcError::check("UnavailableFile", format!("File '{name}' is not yet available.")));
        }
        row.state = stored;
        Ok(row)
    }

    /// A known mapping.
    pub(super) fn known_mapping(&self, value: &Json) -> Checked<FileRow> {
        let row = self.known_file(value)?;
        if row.kind != "mapping" {
            return Err(RpcError::check(
                "UnknownMappingError",
                format!("Mapping parameter '{}' is not a known CRDS mapping file.", row.name),
            ));
        }
        Ok(row)
    }

    /// A known reference.
    pub(super) fn known_reference(&self, value: &Json) -> Checked<FileRow> {
        let row = self.known_file(value)?;
        if row.kind != "reference" {
            return Err(RpcError::check(
                "UnknownReferenceError",
                format!("Reference parameter '{}' is not a known CRDS reference file.", row.name),
            ));
        }
        Ok(row)
    }

    /// A glob pattern.
    pub(super) fn glob<'j>(&self, value: &'j Json) -> Checked<&'j str> {
        let text = value.as_str().ok_or_else(RpcError::no_text)?;
        if !whole(text, "_.*+()-[]", 128) {
            return Err(RpcError::check("BadListGlobError", format!("Illegal glob pattern, not permitted '{text}'")));
        }
        Ok(text)
    }

    /// A header.
    pub(super) fn header(&self, value: &Json) -> Checked<Header> {
        let bad = |text: String| RpcError::check("InvalidHeaderError", text);
        let Json::Object(members) = value else {
            return Err(bad("Header parameter is not a dictionary.".to_owned()));
        };
        let mut header = Vec::with_capacity(members.len());
        for (key, value) in members {
            if !whole(key, "_-.", 256) {
                return Err(bad(format!("Bad key in header {key}")));
            }
            match value {
                Json::Str(text) if one_line(text, 256) => {
                    header.push((key.clone(), text.clone()));
                }
                Json::Str(_) | Json::Null | Json::List(_) | Json::Object(_) => {
                    return Err(bad(format!(
                        "Bad value in header... not a str, int, float, or bool, or illegal str: '{}'",
                        value.str()
                    )));
                }
                // In spite of what the text above says.
                Json::Int(_) | Json::Float(_) | Json::Bool(_) => return Err(RpcError::no_text()),
            }
        }
        Ok(header)
    }

    /// Reference types, lower-cased; empty = all.
    pub(super) fn reftypes(&self, value: &Json) -> Checked<Vec<String>> {
        let bad = |text: String| RpcError::check("InvalidReftypesError", text);
        let items = match value {
            Json::Null => return Ok(Vec::new()),
            Json::List(items) => items,
            _ => {
                return Err(bad("reftypes parameter should be a list of reftype/filekind strings or None.".to_owned()));
            }
        };
        let known = vocabulary::types(self.obs());
        let mut types = Vec::with_capacity(items.len());
        for item in items {
            let Json::Str(text) = item else {
                return Err(bad(format!("Non-string reftype: '{}'", item.str())));
            };
            let lower = text.to_lowercase();
            if !known.contains(&lower.as_str()) {
                return Err(bad(format!("Reftype '{}' is not a known reference type.", python::repr_list(known))));
            }
            types.push(lower);
        }
        Ok(types)
    }

    /// An instrument of the library, lower-cased.
    pub(super) fn instrument(&self, value: &Json) -> Checked<String> {
        let lower = Self::lower(value)?;
        let known = vocabulary::instruments(self.obs(), self.dialect());
        if !known.contains(&lower.as_str()) {
            return Err(RpcError::check(
                "InvalidInstrumentError",
                format!(
                    "Mismatch between requested instrument '{lower}' and server instruments '{}'",
                    python::repr_list(known)
                ),
            ));
        }
        Ok(lower)
    }

    fn legal_dataset_id(&self, text: &str) -> bool {
        if !self.server.dialect().colon_ids {
            return whole(text, "_:", 128);
        }
        let mut parts = text.split(':');
        let part = |p: Option<&str>| p.is_some_and(|p| whole(p, "_.+-", 128));
        match (parts.next(), parts.next(), parts.next()) {
            (first, None, _) => part(first),
            (first, second, None) => part(first) && part(second),
            _ => false,
        }
    }

    /// Dataset ids, upper-cased.
    pub(super) fn dataset_ids(&self, value: &Json) -> Checked<Vec<String>> {
        let bad = |text: &str| RpcError::check("InvalidDatasetIds", text);
        let Json::List(items) = value else { return Err(bad("Expected list of dataset ids.")) };
        items
            .iter()
            .map(|item| match item {
                Json::Str(text) if self.legal_dataset_id(text) => Ok(text.to_uppercase()),
                _ => Err(bad("Expected datasets to be official id strings.")),
            })
            .collect()
    }

    /// A map of headers by id; all are checked before any is used.
    pub(super) fn header_map(&self, value: &Json) -> Checked<Vec<(String, Header)>> {
        let Json::Object(members) = value else { return Err(RpcError::other("' dataset_id '")) };
        members
            .iter()
            .map(|(id, header)| {
                if !self.legal_dataset_id(id) && !legal_file_name(id) {
                    return Err(RpcError::check("InvalidDatasetIds", format!("Bad dataset id: '{id}'")));
                }
                let header = self.header(header).map_err(|err| {
                    RpcError::check(
                        "InvalidHeaderError",
                        format!("Invalid header at dataset id '{id}' : '{}'", err.text),
                    )
                })?;
                Ok((id.clone(), header))
            })
            .collect()
    }

    /// `include_headers`.
    pub(super) fn boolean(&self, value: &Json) -> Checked<bool> {
        match value {
            Json::Bool(b) => Ok(*b),
            Json::Str(text) if matches!(text.as_str(), "True" | "TRUE" | "true") => Ok(true),
            Json::Str(text) if matches!(text.as_str(), "False" | "FALSE" | "false" | "nil") => Ok(false),
            // The words are keys of a Python dict, where one and zero are the same keys as true and false.
            Json::Int(text) if text == "1" || text == "0" => Ok(text == "1"),
            Json::Float(x) if *x == 1.0 || *x == 0.0 => Ok(*x == 1.0),
            Json::List(_) | Json::Object(_) => {
                Err(RpcError::other(format!("unhashable type: '{}'", value.type_name())))
            }
            _ => Err(RpcError::other("Invalid boolean value.")),
        }
    }

    /// A moment since when; null = 1900. Gives it with a blank for the `T`, else as it came.
    pub(super) fn since(&self, value: &Json) -> Checked<String> {
        let moment = match value {
            Json::Null => return Ok("1900-01-01 00:00:00".to_owned()),
            other => other.as_str().and_then(since_text),
        };
        moment.ok_or_else(|| {
            RpcError::check(
                "InvalidDateFormat",
                format!("Invalid date/time specification: '{}' should be YYYY-MM-DDTHH:MM:SS", value.str()),
            )
        })
    }

    /// Names of files, or null.
    pub(super) fn file_list(&self, value: &Json) -> Checked<Option<Vec<String>>> {
        let bad = || RpcError::check("InvalidFileList", "Expected list of filenames or None.");
        match value {
            Json::Null => Ok(None),
            Json::List(items) => items
                .iter()
                .map(|item| item.as_str().filter(|name| legal_file_name(name)).map(str::to_owned).ok_or_else(bad))
                .collect::<Checked<_>>()
                .map(Some),
            _ => Err(bad()),
        }
    }

    /// Names of fields, or null.
    pub(super) fn field_list(&self, value: &Json) -> Checked<Option<Vec<String>>> {
        const TEXT: &str = "Expected list of fields or None.";
        match value {
            Json::Null => Ok(None),
            Json::List(items) => items
                .iter()
                .map(|item| match item {
                    Json::Str(text) if whole(text, "_", 64) => Ok(text.clone()),
                    // Another name than for what is no list at all.
                    _ => Err(RpcError::check("InvalidFileList", TEXT)),
                })
                .collect::<Checked<_>>()
                .map(Some),
            _ => Err(RpcError::check("InvalidFieldList", TEXT)),
        }
    }
}

/// The text with the decimal digits of every script as ASCII ones.
pub fn plain_digits(text: &str) -> std::borrow::Cow<'_, str> {
    if text.is_ascii() {
        return text.into();
    }
    text.chars().map(|c| decimal_digit(c).unwrap_or(c)).collect::<String>().into()
}

/// `YYYY-MM-DD`, `T` or blanks, `HH:MM:SS`, a real moment; each `T` becomes a blank.
fn since_text(text: &str) -> Option<String> {
    let spaced = text.replace('T', " ");
    // Python's `$` lets one final newline pass, and its `\d` the digits of all scripts.
    let plain = plain_digits(spaced.strip_suffix('\n').unwrap_or(&spaced));
    let (date, rest) = plain.split_at_checked(10)?;
    let time = rest.trim_start();
    let shape = |text: &str, pattern: &str| {
        text.len() == pattern.len()
            && text.bytes().zip(pattern.bytes()).all(|(c, p)| if p == b'd' { c.is_ascii_digit() } else { c == p })
    };
    if time.len() == rest.len() || !shape(date, "dddd-dd-dd") || !shape(time, "dd:dd:dd") {
        return None;
    }
    super::super::clock::parse(&format!("{date} {time}"))?;
    Some(spaced)
}
