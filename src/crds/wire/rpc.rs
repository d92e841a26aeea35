//! JSON-RPC of a CRDS server, in the dialects of its eras (WP 1).
//!
//! Status 200 says nothing: an error comes with it as well. What is not exactly an answer is an error that names the
//! host and the method; a missing member is never a default.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

use super::clip::clip as short;
use super::error::WireError;
use super::http::{Ask, Body, Http};

/// Most bytes that a compressed payload may unpack to.
const MOST_UNPACKED: u64 = 128 << 20;

/// Most values in an answer.
const MOST_VALUES: usize = 4_000_000;

/// Longest piece of an answer in a message, in characters, and of a server's own refusal.
const LONGEST: usize = 160;
const LONGEST_REFUSAL: usize = 2000;

/// A client of one server's JSON-RPC.
#[derive(Clone, Debug)]
pub struct Rpc {
    http: Http,
    base: String,
    limit: Duration,
}

/// What `get_server_info` says (WP 1.8), as far as the suite uses it.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerInfo {
    /// The observatory served.
    pub observatory: String,
    /// Context of the pipelines.
    pub operational: String,
    /// Newest submitted context.
    pub edit: String,
    /// Rejected files.
    pub bad_files: Vec<String>,
    /// Every distributable mapping; `None` in era 2014.
    pub mappings: Option<Vec<String>>,
    /// `str` of the installed client package.
    pub version: String,
    /// `rev` of the installed client package.
    pub revision: String,
    /// `svnurl` of the installed client package, without host.
    pub svn_url: String,
    /// Download prefix of references, unchecked.
    pub reference_url: String,
    /// Download prefix of mappings, unchecked.
    pub mapping_url: String,
    /// The whole answer.
    pub raw: Value,
}

impl Rpc {
    /// A client for the server at `base`, such as `https://host:8001`.
    #[must_use]
    pub fn new(http: Http, base: &str) -> Self {
        Self { http, base: base.trim_end_matches('/').to_owned(), limit: Duration::from_secs(300) }
    }

    /// The same client with another time limit for each call.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Base URL of the server asked.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Calls a method with positional parameters.
    ///
    /// # Errors
    ///
    /// Those of [`Http::send`]; [`WireError::Rpc`] for an error object; [`WireError::Shape`] for anything that is no
    /// answer: a page, a redirect, another status, a wrong envelope, another request's answer.
    pub fn call(&self, method: &str, params: &Value) -> Result<Value, WireError> {
        let id = format!("crds-upgrade-{}", uuid::Uuid::new_v4());
        let url = format!("{}/json/{method}/{id}/", self.base);
        let text = json!({"jsonrpc": "1.0", "method": method, "params": params, "id": id}).to_string();
        let ask = Ask { method: "POST", body: Body::Json(text), limit: self.limit, ..Ask::get(&url) };
        let answer = self.http.send(&ask)?;
        if answer.status != 200 {
            let why = format!("HTTP status {}: {}", answer.status, clip(&answer.body));
            return Err(WireError::Shape { host: self.http.host().to_owned(), what: method.to_owned(), why });
        }
        self.result_of(method, &id, &answer.body)
    }

    /// The result in the body of an answer to the call `id` of `method`.
    fn result_of(&self, method: &str, id: &str, body: &[u8]) -> Result<Value, WireError> {
        let shape =
            |what: String| WireError::Shape { host: self.http.host().to_owned(), what: method.to_owned(), why: what };
        let mut envelope = parse(body).map_err(|error| shape(format!("no JSON ({error}): {}", clip(body))))?;
        let Some(members) = envelope.as_object_mut() else {
            return Err(shape(format!("no JSON object: {}", clip(body))));
        };
        match members.get("error") {
            None => return Err(shape("an answer without `error`".to_owned())),
            Some(Value::Null) => {}
            Some(error) => {
                let field = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
                let (name, message) = (short(field("name"), LONGEST), short(field("message"), LONGEST_REFUSAL));
                if name.is_empty() && message.is_empty() {
                    return Err(shape(format!("an error of unknown shape: {}", clip(error.to_string().as_bytes()))));
                }
                let host = self.http.host().to_owned();
                return Err(WireError::Rpc { host, method: method.to_owned(), name, message });
            }
        }
        if members.get("id").and_then(Value::as_str) != Some(id) {
            return Err(shape("the answer to another request".to_owned()));
        }
        let result = members.remove("result").ok_or_else(|| shape("an answer without `result`".to_owned()))?;
        unpack(result).map_err(shape)
    }

    /// `get_server_info`, read strictly.
    ///
    /// # Errors
    ///
    /// Those of [`Rpc::call`]; [`WireError::Shape`] if a member is missing or of another type.
    pub fn server_info(&self) -> Result<ServerInfo, WireError> {
        let raw = self.call("get_server_info", &json!([]))?;
        let host = self.http.host();
        let missing = |what: &str| WireError::Shape {
            host: host.to_owned(),
            what: "get_server_info".to_owned(),
            why: format!("`{what}` is missing or of another type"),
        };
        let text = |name: &str| raw.get(name).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| missing(name));
        let observatory = text("observatory")?;
        let version = |name: &str| {
            let member = raw.get("crds_version").and_then(|version| version.get(name));
            member.and_then(Value::as_str).map(str::to_owned).ok_or_else(|| missing("crds_version"))
        };
        let url = |name: &str| {
            let member = raw.get(name);
            let unchecked = member.and_then(|url| url.get("unchecked")).or(member);
            let url = unchecked.and_then(|url| url.get(&observatory)).and_then(Value::as_str);
            url.map(str::to_owned).ok_or_else(|| missing(name))
        };
        let bad_files = match (raw.get("bad_files_list"), raw.get("bad_files")) {
            (Some(list), _) => names(list).ok_or_else(|| missing("bad_files_list"))?,
            (None, Some(Value::String(words))) => words.split_whitespace().map(str::to_owned).collect(),
            _ => return Err(missing("bad_files_list")),
        };
        let mappings = match raw.get("mappings") {
            None => None,
            Some(list) => Some(names(list).ok_or_else(|| missing("mappings"))?),
        };
        Ok(ServerInfo {
            operational: text("operational_context")?,
            edit: text("edit_context")?,
            bad_files,
            mappings,
            version: version("str")?,
            revision: version("rev")?,
            svn_url: version("svnurl")?,
            reference_url: url("reference_url")?,
            mapping_url: url("mapping_url")?,
            observatory,
            raw,
        })
    }

    /// Calls a method whose result is a list of names.
    ///
    /// # Errors
    ///
    /// Those of [`Rpc::call`]; [`WireError::Shape`] if it is no such list.
    pub fn names(&self, method: &str, params: &Value) -> Result<Vec<String>, WireError> {
        let result = self.call(method, params)?;
        names(&result).ok_or_else(|| self.wrong(method, "no list of names", &result))
    }

    /// `get_default_context`: the operational context.
    ///
    /// # Errors
    ///
    /// Those of [`Rpc::call`].
    pub fn default_context(&self, observatory: &str) -> Result<String, WireError> {
        let result = self.call("get_default_context", &json!([observatory]))?;
        result.as_str().map(str::to_owned).ok_or_else(|| self.wrong("get_default_context", "no name", &result))
    }

    /// `get_file_info_map`: the catalogue's fields of files; `None` for a file that is not known. No names = all files.
    ///
    /// # Errors
    ///
    /// Those of [`Rpc::call`]; [`WireError::Shape`] if a record is none.
    pub fn file_info_map(
        &self,
        observatory: &str,
        files: Option<&[&str]>,
        fields: Option<&[&str]>,
    ) -> Result<BTreeMap<String, Option<BTreeMap<String, String>>>, WireError> {
        const METHOD: &str = "get_file_info_map";
        let result = self.call(METHOD, &json!([observatory, files, fields]))?;
        let wrong = || self.wrong(METHOD, "no map of records", &result);
        let records = result.as_object().ok_or_else(wrong)?;
        let mut map = BTreeMap::new();
        for (name, record) in records {
            let record = match record {
                Value::String(text) if text == "NOT FOUND" => None,
                Value::Object(fields) => {
                    let mut record = BTreeMap::new();
                    for (field, value) in fields {
                        record.insert(field.clone(), value.as_str().ok_or_else(wrong)?.to_owned());
                    }
                    Some(record)
                }
                _ => return Err(wrong()),
            };
            map.insert(name.clone(), record);
        }
        Ok(map)
    }

    /// `get_affected_datasets`, or `None` while the server has no computation of this pair (WP 1.11).
    ///
    /// # Errors
    ///
    /// Those of [`Rpc::call`], any other error object included.
    pub fn affected_datasets(&self, observatory: &str, old: &str, new: &str) -> Result<Option<Affected>, WireError> {
        const METHOD: &str = "get_affected_datasets";
        let result = match self.call(METHOD, &json!([observatory, old, new])) {
            Err(WireError::Rpc { message, .. })
                if message.contains("No precomputed affected datasets results exist") =>
            {
                return Ok(None);
            }
            other => other?,
        };
        let wrong = |what: &str| self.wrong(METHOD, what, &result);
        let text = |name: &str| result.get(name).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| wrong(name));
        let ids = result.get("affected_ids").and_then(names).ok_or_else(|| wrong("affected_ids is no list"))?;
        let status = result.get("bestrefs_status").and_then(Value::as_i64).ok_or_else(|| wrong("bestrefs_status"))?;
        Ok(Some(Affected {
            ids,
            status,
            directory: text("computation_dir")?,
            old: text("old_context")?,
            new: text("new_context")?,
            summary: text("bestrefs_err_summary")?,
        }))
    }

    fn wrong(&self, method: &str, why: &str, seen: &Value) -> WireError {
        let why = format!("{why}: {}", clip(seen.to_string().as_bytes()));
        WireError::Shape { host: self.http.host().to_owned(), what: method.to_owned(), why }
    }
}

/// What a server publishes of one change of the operational context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affected {
    /// Dataset ids, in lower case as published.
    pub ids: Vec<String>,
    /// 0 clean, 1 errors were logged, anything else failed.
    pub status: i64,
    /// Directory of the computation below `monitor_reprocessing`.
    pub directory: String,
    /// The context before.
    pub old: String,
    /// The context after.
    pub new: String,
    /// The log, cut in the middle.
    pub summary: String,
}

fn names(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

/// Unpacks a compressed result (WP 1.6); anything else is left as it is.
fn unpack(result: Value) -> Result<Value, String> {
    let Some(payload) = result.get("crds_payload").filter(|_| result.get("crds_encoded").is_some()) else {
        return Ok(result);
    };
    let packed = payload.as_str().ok_or("a compressed result without text")?;
    let packed = base64::engine::general_purpose::STANDARD
        .decode(packed)
        .map_err(|error| format!("a compressed result that is no base64: {error}"))?;
    let mut text = Vec::new();
    let mut unzip = std::io::Read::take(flate2::read::GzDecoder::new(packed.as_slice()), MOST_UNPACKED + 1);
    std::io::Read::read_to_end(&mut unzip, &mut text)
        .map_err(|error| format!("a compressed result that does not unpack: {error}"))?;
    if text.len() as u64 > MOST_UNPACKED {
        return Err(format!("a compressed result of more than {MOST_UNPACKED} bytes"));
    }
    parse(&text).map_err(|error| format!("a compressed result that is no JSON: {error}"))
}

/// Reads a JSON text that does not hold absurdly many values: three bytes of text can make seventy of memory.
fn parse(text: &[u8]) -> Result<Value, String> {
    let values = memchr::memchr3_iter(b',', b'[', b'{', text).take(MOST_VALUES + 1).count();
    if values > MOST_VALUES {
        return Err(format!("more than {MOST_VALUES} values"));
    }
    // What serde says repeats a value of the text, however long it is.
    serde_json::from_slice(text).map_err(|error| short(&error.to_string(), LONGEST))
}

/// The beginning of a body for a message.
fn clip(body: &[u8]) -> String {
    short(&String::from_utf8_lossy(&body[..body.len().min(16 * LONGEST)]), LONGEST)
}
