//! What kind of file a reference is, and the header that it has.
//!
//! HST references are FITS files, the oldest ones GEIS. The client reads JSON, YAML and ASDF, too; of the latter two only
//! what needs no reader of YAML is played: documents without keys, flat ones, and files that are no ASDF.

use super::json::{self, Json};
use crate::stand_in::derive::value::{repr, repr_texts};
use crate::stand_in::derive::{DeriveError, base_name, names};
use crate::stand_in::fits::{self, FitsError, Hdu, Header};

/// Formats that the client tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Fits,
    Json,
    Yaml,
    Asdf,
    Geis,
    /// `.txt`: has a name but no certifier.
    Text,
    Unknown,
}

impl Format {
    /// By the name's extension alone.
    pub(super) fn of_name(path: &str) -> Self {
        match names::split_extension(path).1 {
            ".fits" => Self::Fits,
            ".json" => Self::Json,
            ".yaml" => Self::Yaml,
            ".asdf" => Self::Asdf,
            ".txt" => Self::Text,
            other => match other.as_bytes() {
                [b'.', b'r', digit, b'h' | b'd'] if digit.is_ascii_digit() => Self::Geis,
                _ => Self::Unknown,
            },
        }
    }

    /// By the name, else by what the file holds.
    ///
    /// # Errors
    ///
    /// A file whose first bytes are no text.
    pub(super) fn of(path: &str, bytes: &[u8]) -> Result<Self, DeriveError> {
        let by_name = Self::of_name(path);
        if by_name != Self::Unknown {
            return Ok(by_name);
        }
        let start = &bytes[..bytes.len().min(5)];
        std::str::from_utf8(start).map_err(|error| undecodable(start, error))?;
        match start {
            b"#ASDF" => return Ok(Self::Asdf),
            b"SIMPL" => return Ok(if is_geis_text(bytes) { Self::Geis } else { Self::Fits }),
            _ => {}
        }
        let Ok(text) = std::str::from_utf8(bytes) else { return Ok(Self::Unknown) };
        Ok(match (json::parse(text), flat_yaml(text)) {
            (Ok(_), _) => Self::Json,
            (_, Some(_)) => Self::Yaml,
            _ => Self::Unknown,
        })
    }

    /// As the opening line calls it, in lower case.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Asdf => "asdf",
            Self::Geis => "geis",
            Self::Text => "text",
            Self::Unknown => "unknown",
        }
    }
}

/// The header of a reference that is no FITS file by name or content, as the client reads one; `None` for a FITS file.
///
/// # Errors
///
/// Contents that are not what the name says, or that no reader knows.
pub fn other_header(path: &str, bytes: &[u8]) -> Result<Option<Header>, DeriveError> {
    match Format::of(path, bytes)? {
        Format::Fits => Ok(None),
        format => Source::read(format, path, bytes).content.map(|content| Some(content.header)),
    }
}

fn undecodable(bytes: &[u8], error: std::str::Utf8Error) -> DeriveError {
    let at = error.valid_up_to();
    let byte = bytes.get(at).copied().unwrap_or(0);
    let why = match error.error_len() {
        None => "unexpected end of data",
        Some(_) if matches!(byte, 0xc2..=0xf4) => "invalid continuation byte",
        Some(_) => "invalid start byte",
    };
    DeriveError::new(
        "UnicodeDecodeError",
        format!("'utf-8' codec can't decode byte 0x{byte:02x} in position {at}: {why}"),
    )
}

/// Lines of 80 characters each, as a GEIS header has them.
fn is_geis_text(bytes: &[u8]) -> bool {
    bytes.get(80) == Some(&b'\n')
        && bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|b| *b == b'\n').all(|l| l.len() == 80)
}

/// What was read of a reference.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) header: Header,
    /// Of a FITS file.
    pub(super) hdus: Vec<Hdu>,
}

/// A reference, read once; the client opens it several times over.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) format: Format,
    /// What the FITS library says each time that the file is opened.
    pub(super) complaints: Vec<String>,
    pub(super) content: Result<Content, DeriveError>,
}

impl Source {
    pub(super) fn read(format: Format, path: &str, bytes: &[u8]) -> Self {
        let mut complaints = Vec::new();
        let content = match format {
            Format::Fits => read_fits(bytes, &mut complaints),
            Format::Json => read_json(path, bytes).and_then(|tree| flat(&tree)).map(|pairs| with_format(pairs, "JSON")),
            Format::Yaml => flat_yaml(&String::from_utf8_lossy(bytes))
                .ok_or_else(|| {
                    DeriveError::new(
                        "YamlFormatError",
                        format!("YAML wouldn't load from {} : this server reads flat YAML only", repr(path)),
                    )
                })
                .and_then(|tree| flat(&tree))
                .map(|pairs| with_format(pairs, "YAML")),
            Format::Geis => read_geis(path, bytes).map(|pairs| with_format(pairs, "GEIS")),
            Format::Asdf | Format::Text | Format::Unknown => {
                let why = if bytes.starts_with(b"#ASDF") {
                    "this server does not read ASDF"
                } else {
                    "Does not appear to be a ASDF file."
                };
                Err(DeriveError::new("ValueError", why))
            }
        };
        Self { format, complaints, content }
    }
}

fn read_fits(bytes: &[u8], complaints: &mut Vec<String>) -> Result<Content, DeriveError> {
    let no_fits = |error: FitsError| DeriveError::new("OSError", error.to_string());
    let hdus = fits::read(bytes).map_err(|error| {
        if let FitsError::Ragged { size } = error {
            complaints.push(format!(
                "VerifyWarning : astropy.io.fits.hdu.hdulist : Error validating header for HDU #0 (note: Astropy uses zero-based indexing).    Header size is not multiple of 2880: {size}There may be extra bytes after the last HDU or the file is corrupted."
            ));
        }
        no_fits(error)
    })?;
    for (n, hdu) in hdus.iter().enumerate() {
        // An image is not looked at; a table is, and cannot be read when it is cut.
        if hdu.is_table() {
            hdu.complete(n).map_err(no_fits)?;
        }
        hdu.readable(n).map_err(no_fits)?;
    }
    if let Some(expected) = hdus.iter().map(Hdu::end).max().filter(|end| *end > bytes.len() as u64) {
        let text = format!(
            "AstropyUserWarning : astropy.io.fits.file : File may have been truncated: actual file length ({}) is smaller than the expected size ({expected})",
            bytes.len()
        );
        complaints.extend(std::iter::repeat_n(text, 3));
    }
    Ok(Content { header: Header::of(&hdus), hdus })
}

fn read_json(path: &str, bytes: &[u8]) -> Result<Json, DeriveError> {
    json::parse(&String::from_utf8_lossy(bytes)).map_err(|error| {
        DeriveError::new("JsonFormatError", format!("JSON wouldn't load from {} : {error}", repr(path)))
    })
}

fn with_format(pairs: Vec<(String, String)>, format: &str) -> Content {
    let mut header = Header::default();
    for (key, value) in pairs {
        // The keys of a dictionary: the last one stays, in the place of the first.
        header.set(&key.to_uppercase(), value);
    }
    header.set("FILE_FORMAT", format);
    Content { header, hdus: Vec::new() }
}

/// A tree as keys joined by dots and texts; what is no tree fails as Python's loop over it does.
fn flat(tree: &Json) -> Result<Vec<(String, String)>, DeriveError> {
    let not_iterable = |class: &str| DeriveError::new("TypeError", format!("'{class}' object is not iterable"));
    match tree {
        Json::Object(pairs) => {
            let mut out = Vec::new();
            for (key, value) in pairs {
                match value {
                    Json::Object(_) => {
                        out.extend(flat(value)?.into_iter().map(|(inner, text)| (format!("{key}.{inner}"), text)));
                    }
                    other => out.push((key.clone(), simple(other))),
                }
            }
            Ok(out)
        }
        Json::List(items) if items.iter().any(|item| matches!(item, Json::Simple(_, "str"))) => {
            Err(DeriveError::new("TypeError", "list indices must be integers or slices, not str"))
        }
        Json::List(_) => Ok(Vec::new()),
        Json::Simple(text, "str") if text.is_empty() => Ok(Vec::new()),
        Json::Simple(_, "str") => Err(DeriveError::new("TypeError", "string indices must be integers, not 'str'")),
        Json::Simple(_, class) => Err(not_iterable(class)),
        Json::Null => Err(not_iterable("NoneType")),
    }
}

fn simple(value: &Json) -> String {
    match value {
        Json::Simple(text, _) => text.clone(),
        Json::List(items) => repr_texts(&items.iter().map(simple).collect::<Vec<String>>()),
        Json::Null => "SUPRESSED_NONSTD_TYPE: 'NoneType'".to_owned(),
        Json::Object(_) => "SUPRESSED_NONSTD_TYPE: 'dict'".to_owned(),
    }
}

/// YAML without nesting: nothing, one text, a list of texts or `key: text` lines. `None` for anything else.
fn flat_yaml(text: &str) -> Option<Json> {
    let kept = |line: &&str| !line.trim().is_empty() && !line.starts_with('#') && *line != "---";
    let lines: Vec<&str> = text.lines().filter(kept).collect();
    let plain = |text: &str| {
        let text = text.trim();
        let quoted = ['\'', '"'].iter().find_map(|q| text.strip_prefix(*q)?.strip_suffix(*q));
        match quoted {
            Some(inner) => Some(Json::Simple(inner.to_owned(), "str")),
            None if text.is_empty() || matches!(text, "null" | "~") => Some(Json::Null),
            None if text.starts_with(['[', '{', '&', '*', '!', '|', '>', '%', '@', '`', '"', '\'']) => None,
            None => Some(match json::parse(text) {
                Ok(number @ Json::Simple(_, "int" | "float" | "bool")) => number,
                _ => Json::Simple(text.to_owned(), "str"),
            }),
        }
    };
    if lines.iter().any(|line| line.contains(|c: char| c.is_control())) {
        return None;
    }
    if lines.is_empty() {
        return Some(Json::Null);
    }
    if lines.iter().all(|line| line.starts_with("- ")) {
        return lines.iter().map(|line| plain(&line[2..])).collect::<Option<_>>().map(Json::List);
    }
    if !lines.iter().any(|line| line.contains(": ") || line.ends_with(':')) {
        return plain(&lines.join(" "));
    }
    let pair = |line: &&str| {
        let (key, value) = line.split_once(": ").or_else(|| Some((line.strip_suffix(':')?, "")))?;
        let word = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        word.then(|| Some((key.to_owned(), plain(value)?))).flatten()
    };
    lines.iter().map(pair).collect::<Option<_>>().map(Json::Object)
}

/// `KEYWORD= value / comment` lines; of a data half the header beside it is meant, which is not at hand.
fn read_geis(path: &str, bytes: &[u8]) -> Result<Vec<(String, String)>, DeriveError> {
    if let Some(stem) = path.strip_suffix('d') {
        let why = format!("[Errno 2] No such file or directory: {}", repr(&format!("{stem}h")));
        return Err(DeriveError::new("FileNotFoundError", why));
    }
    let text = String::from_utf8_lossy(bytes);
    let mut pairs = Vec::new();
    let mut history = Vec::new();
    for line in text.lines() {
        // A comment begins in column 32, if there is one.
        let line = match line.char_indices().nth(31) {
            Some((at, '/')) => &line[..at],
            _ => line,
        };
        if let Some(rest) = line.strip_prefix("HISTORY") {
            history.push(rest.trim());
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let value: Vec<&str> = value.split('=').map(str::trim).collect();
        let value = value.join("=");
        let value = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\'')).map_or(value.as_str(), str::trim);
        pairs.push((key.trim().to_owned(), value.to_owned()));
    }
    pairs.push(("HISTORY".to_owned(), history.join("\n")));
    Ok(pairs)
}

/// The class of the keyword TELESCOP where it is no text: asking it for lower case fails.
pub(super) fn odd_telescope(hdus: &[Hdu]) -> Option<&'static str> {
    match &hdus.first()?.card("TELESCOP")?.value {
        fits::CardValue::Integer(_) => Some("int"),
        fits::CardValue::Float(_) => Some("float"),
        fits::CardValue::Logical(_) => Some("bool"),
        _ => None,
    }
}

/// True where the client opens a file as FITS: whatever it holds, the name decides.
pub(super) fn named_fits(path: &str) -> bool {
    base_name(path).ends_with(".fits")
}
