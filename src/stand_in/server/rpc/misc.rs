//! Remote contexts, submissions, status channels, deliveries, the catalogue as a database.

use std::{fs, io::Write};

use base64::Engine;
use serde_json::{Value, json};

use super::{
    super::{Level, downloads::serve_file, python::repr},
    Answer, Outcome, Rpc, RpcError, check,
    json::{Json, repr_text},
};

impl Rpc<'_> {
    pub(super) fn push_remote_context(&self, observatory: &Json, kind: &Json, key: &Json, context: &Json) -> Outcome {
        let observatory = self.observatory(observatory)?;
        let kinds = self.dialect().pushable_kinds;
        let Some(kind) = kind.as_str().filter(|kind| kinds.contains(kind)) else {
            return Err(RpcError::check("UnpushableContextKind", "The specified context kind is invalid."));
        };
        // "Checks observatory, kind, context, key" (WP 1.7): the context before the key.
        let pmap = self.context(context)?;
        let key = key.as_str().ok_or_else(RpcError::no_text)?;
        if !word_first(key, false) {
            return Err(RpcError::check("InvalidKey", "The specified key is invalid."));
        }
        if !pmap.ends_with(".pmap") {
            return Err(RpcError::other("Pushed context is not a valid .pmap name."));
        }
        let stored_kind = if kind == "latest" { "operational" } else { kind };
        let rows = self.server.catalogue.remote_contexts()?;
        the_only(
            rows.iter().filter(|row| row.observatory == observatory && row.kind == stored_kind && row.key == key),
        )?;
        if !self.server.catalogue.push_remote_context(&observatory, stored_kind, key, &pmap)? {
            return Err(no_remote());
        }
        self.server.config.log.message(Level::Info, &format!("Pushed remote context {}", repr(&pmap)));
        // The real file names the cache by its key, a secret that logs should not hold (SO 23): here the kind must do.
        let event = format!("A remote cache pushed its {stored_kind} context {}", repr(&pmap));
        self.server.config.log.event(&self.server.now_text(), &event);
        Ok(Value::Null.into())
    }

    pub(super) fn get_remote_context(&self, observatory: &Json, name: &Json) -> Outcome {
        let observatory = self.observatory(observatory)?;
        let name = name.as_str().ok_or_else(RpcError::no_text)?;
        if !word_first(name, true) {
            return Err(RpcError::check("InvalidPipelineName", "The specified pipeline name is invalid."));
        }
        let rows = self.server.catalogue.remote_contexts()?;
        let row = the_only(rows.iter().filter(|row| row.observatory == observatory && row.name == name))?;
        Ok(json!(row.context).into())
    }

    pub(super) fn get_submission_info(&self, observatory: &Json, user: &Json) -> Outcome {
        self.observatory(observatory)?;
        let known = match user {
            Json::Str(name) => name == "*" || self.server.catalogue.account(name)?.is_some(),
            _ => false,
        };
        if !known {
            return Err(invalid_user(&user.repr()));
        }
        let dir = self.server.config.dirs.ingest.display();
        Ok(json!({
            "submission_kinds": ["batch", "mapping", "reference", "add", "delete"],
            "ingest_dir": format!("{}:{dir}/{}", self.server.config.ingest_host, user.str()),
        })
        .into())
    }

    pub(super) fn jpoll_pull_messages(&self, key: &Json, since: &Json) -> Outcome {
        let since = python_int(since)?;
        let text = key.as_str().ok_or_else(RpcError::no_text)?;
        if !uuid_shape(text) {
            return Err(RpcError::other(format!("Badly formatted jpoll_key {}", repr_text(text))));
        }
        let whole = since.parse();
        match self.server.pull_messages(text, *whole.as_ref().unwrap_or(&i64::MAX))? {
            Some(_) if whole.is_err() => Err(RpcError::other("Python int too large to convert to SQLite INTEGER")),
            Some(messages) => Ok(Value::Array(messages).into()),
            None => Err(RpcError::other(format!("Channel key '{text}' not found."))),
        }
    }

    pub(super) fn get_sqlite_db(&self, observatory: &Json) -> Outcome {
        self.cached("get_sqlite_db", &[observatory], || {
            self.observatory(observatory)?;
            let bytes = self.server.catalogue.public_copy(self.dialect().contexts_have_names)?;
            // Every client's night asks for it; what it is when unpacked is the same.
            let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            let packed =
                zlib.write_all(&bytes).and_then(|()| zlib.finish()).map_err(|err| RpcError::other(err.to_string()))?;
            Ok(json!(base64::engine::general_purpose::STANDARD.encode(packed)).into())
        })
    }

    pub(super) fn get_system_versions(&self, version: &Json, context: &Json) -> Outcome {
        let text = version.as_str().ok_or_else(RpcError::no_text)?;
        if !check::whole(text, ".-_", 128) {
            return Err(RpcError::other("Invalid version string,  must be 1-128 chars of A-Z, a-z, 0-9, ., -, _"));
        }
        let Json::Str(context) = context else {
            return Err(RpcError::no_attribute(context.type_name(), "lower"));
        };
        let context = match context.to_lowercase().as_str() {
            "none" | "null" => format!("{}-versions", self.obs()),
            _ => context.clone(),
        };
        let context = self.context(&Json::Str(context))?;
        let keys = [
            ("INSTRUME", "SYSTEM"),
            ("META.INSTRUMENT.NAME", "SYSTEM"),
            ("META.CALIBRATION_SOFTWARE_VERSION", text),
            ("CAL_VER", text),
            ("META.OBSERVATION.DATE", "2050-01-01"),
            ("META.OBSERVATION.TIME", "00:00:00"),
            ("DATE-OBS", "2050-01-01"),
            ("TIME-OBS", "00:00:00"),
        ];
        let header: Vec<(String, String)> = keys.map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec();
        let found = self.best(&context, &header, &["calver".to_owned()])?;
        let name = found.get("calver").and_then(Value::as_str).unwrap_or("NOT FOUND");
        if name.starts_with("NOT FOUND") {
            return Err(RpcError::other(name));
        }
        let path = self.server.config.dirs.references.join(name);
        let Some(document) = serve_file(&path).map(|response| response.text()) else {
            let missing = std::io::Error::from_raw_os_error(2);
            return Err(RpcError::other(super::super::rules_store::os_error(&missing, &path)));
        };
        let value = Json::parse(document.as_bytes()).ok_or_else(|| RpcError::other(no_json(&document)))?;
        let mut text = String::new();
        value.write(&mut text);
        Ok(Answer::Own(text))
    }

    /// Rows of the audit log about catalogues, newest first by their dates' text, with the displayed status of each
    /// one's first file. Every catalogue's first file is looked at, also where the answer leaves it out.
    pub(super) fn get_delivery_status(&self, since: &Json) -> Outcome {
        let since = self.since(since)?;
        let mut rows: Vec<_> =
            self.server.catalogue.actions()?.into_iter().filter(|row| row.filename.ends_with(".cat")).collect();
        rows.sort_by(|a, b| a.date.cmp(&b.date));
        let mut out = Vec::new();
        for row in rows.into_iter().rev() {
            let (files, status) = self.server.delivery(&row.filename)?;
            if row.date.as_str() < since.as_str() {
                continue;
            }
            out.push(json!({
                "date": row.date, "action": row.action, "description": row.why, "files": files,
                "catalog": row.filename, "status": status,
            }));
        }
        Ok(Answer::from(Value::Array(out)))
    }
}

impl super::super::Server {
    /// Files of a delivery catalogue, sorted, and the displayed status of the first; `delivery corrupt` if the catalogue
    /// cannot be read.
    ///
    /// # Errors
    ///
    /// If the server's own catalogue cannot be read or written.
    pub fn delivery(&self, catalog: &str) -> Result<(Vec<String>, String), super::super::CatalogueError> {
        let base = catalog.rsplit('/').next().unwrap_or(catalog);
        let Ok(text) = fs::read_to_string(self.config.dirs.catalogs.join(base)) else {
            return Ok((Vec::new(), "delivery corrupt".to_owned()));
        };
        let mut files: Vec<String> = super::super::python::split_lines(&text).into_iter().map(str::to_owned).collect();
        files.sort();
        let row = match files.first() {
            Some(first) => self.catalogue.file(first)?,
            None => None,
        };
        let status = match row {
            Some(row) => self.displayed_status(&row)?,
            None => "delivery corrupt".to_owned(),
        };
        Ok((files, status))
    }
}

/// What Python's `json` says of a text that does not begin like a value. Of one that breaks later the place is only that
/// of the beginning.
fn no_json(text: &str) -> String {
    let start = text.find(|c: char| !matches!(c, ' ' | '\t' | '\n' | '\r')).unwrap_or(0);
    let before = &text[..start];
    let line = before.matches('\n').count() + 1;
    let column = start - before.rfind('\n').map_or(0, |at| at + 1) + 1;
    format!("Expecting value: line {line} column {column} (char {start})")
}

/// The refusal of a user's name. What is said is itself read as a template, so that braces in a name trip it over.
fn invalid_user(shown: &str) -> RpcError {
    let text = format!("The specified CRDS server username {shown} is invalid.");
    match super::super::python::format_nothing(&text) {
        Ok(text) => RpcError::check("InvalidUserError", text),
        Err(complaint) => RpcError::other(complaint),
    }
}

/// The only row of a question that should have one answer, in Django's words if it has none or more.
fn the_only<T>(mut rows: impl Iterator<Item = T>) -> Result<T, RpcError> {
    let first = rows.next().ok_or_else(no_remote)?;
    match rows.count() {
        0 => Ok(first),
        more => Err(RpcError::other(format!(
            "get() returned more than one RemoteContextModel -- it returned {}!",
            more + 1
        ))),
    }
}

fn no_remote() -> RpcError {
    RpcError::other("RemoteContextModel matching query does not exist.")
}

/// Whether the first character is a word character, or a slash where that is allowed.
fn word_first(text: &str, slash: bool) -> bool {
    text.chars().next().is_some_and(|c| c.is_alphanumeric() || c == '_' || (slash && c == '/'))
}

/// 8-4-4-4-12 letters and digits; one final newline passes.
fn uuid_shape(text: &str) -> bool {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|p| p.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|p| p.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// What Python's `int()` reads in a text: an optional sign and ASCII digits, without groups; nothing if it reads none.
pub fn int_text(text: &str) -> Option<String> {
    let trimmed = text.trim();
    let (sign, digits) = match trimmed.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    if digits.split('_').any(str::is_empty) {
        return None;
    }
    let plain: Option<String> = digits.chars().filter(|c| *c != '_').map(decimal_digit).collect();
    plain.map(|plain| format!("{sign}{plain}"))
}

/// What Python's `int()` says of a text that is no number: it shows at most 200 characters of the text's `repr`.
pub fn no_int(text: &str) -> String {
    let shown: String = Json::Str(text.to_owned()).repr().chars().take(200).collect();
    format!("invalid literal for int() with base 10: {shown}")
}

/// The ASCII digit that a decimal digit of any script stands for.
pub fn decimal_digit(c: char) -> Option<char> {
    /// The zeros of the scripts that have digits, as Unicode 11 (Python 3.7) has them; nine more follow each.
    const ZEROS: [u32; 60] = [
        0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
        0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620,
        0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0,
        0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16b50,
        0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6,
    ];
    let code = c as u32;
    let digit = ZEROS.iter().find_map(|zero| code.checked_sub(*zero).filter(|digit| *digit < 10))?;
    char::from_digit(digit, 10)
}

/// Python's `int()`, written in decimal.
fn python_int(value: &Json) -> Result<String, RpcError> {
    match value {
        Json::Int(text) => Ok(text.clone()),
        Json::Bool(b) => Ok(i64::from(*b).to_string()),
        Json::Float(x) if x.is_finite() => Ok(format!("{:.0}", x.trunc())),
        Json::Float(x) if x.is_nan() => Err(RpcError::other("cannot convert float NaN to integer")),
        Json::Float(_) => Err(RpcError::other("cannot convert float infinity to integer")),
        Json::Str(text) => int_text(text).ok_or_else(|| RpcError::other(no_int(text))),
        other => Err(RpcError::other(format!(
            "int() argument must be a string, a bytes-like object or a number, not '{}'",
            other.type_name()
        ))),
    }
}
