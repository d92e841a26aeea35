//! JSON-RPC: envelope and dispatch (WP 1.1 to 1.4), in the way of django-json-rpc.

mod affected;
mod archive;
mod bestrefs;
mod bind;
mod check;
mod context;
mod error;
mod files;
mod info;
pub mod json;
pub mod methods;
mod misc;
pub mod vocabulary;

use std::sync::Arc;

pub use archive::{Archive, Datasets};
use axum::body::Bytes;
use error::RpcError;
pub use files::WholeMap;
pub use info::shell_match;
use json::{Json, write_text, write_value};
use methods::Method;

use super::{
    Server,
    http::{Body, Request, Response},
};

/// A result: its JSON text.
enum Answer {
    /// Made for this request.
    Own(String),
    /// Megabytes that are kept for the next request as well.
    Kept(Kept),
}

/// A text that several answers share.
#[derive(Debug, Clone)]
struct Kept(Arc<String>);

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Answer {
    fn text(&self) -> &str {
        match self {
            Self::Own(text) => text,
            Self::Kept(kept) => &kept.0,
        }
    }

    fn into_text(self) -> String {
        match self {
            Self::Own(text) => text,
            Self::Kept(kept) => kept.0.to_string(),
        }
    }
}

impl From<serde_json::Value> for Answer {
    fn from(value: serde_json::Value) -> Self {
        let mut text = String::new();
        write_value(&value, &mut text);
        Self::Own(text)
    }
}

type Outcome = Result<Answer, RpcError>;

/// A request's way through the methods.
struct Rpc<'a> {
    server: &'a Server,
}

/// One reply before it is written.
struct Reply {
    id: Json,
    /// Name and text of the version member, if the reply has one.
    version: Option<(&'static str, String)>,
    outcome: Outcome,
    /// 1.1 and 2.0: a success has no `error`, a failure no `result`.
    strict: bool,
}

impl Reply {
    fn failure(error: RpcError) -> Self {
        Self { id: Json::Null, version: None, outcome: Err(error), strict: false }
    }

    fn write(&self, out: &mut String) {
        self.write_before(out);
        if let Ok(answer) = &self.outcome {
            out.push_str(answer.text());
        }
        self.write_after(out);
    }

    /// What stands before the result.
    fn write_before(&self, out: &mut String) {
        out.push('{');
        match &self.outcome {
            Ok(_) if self.strict => {}
            Ok(_) => out.push_str("\"error\": null, "),
            Err(error) => {
                out.push_str("\"error\": {\"name\": ");
                write_text(error.name, out);
                out.push_str(&format!(", \"code\": {}, \"message\": ", error.code));
                write_text(&format!("{}: {}", error.name, error.text), out);
                out.push_str(", \"data\": null}, ");
            }
        }
        if let Some((name, text)) = &self.version {
            out.push_str(&format!("\"{name}\": "));
            write_text(text, out);
            out.push_str(", ");
        }
        out.push_str("\"id\": ");
        self.id.write(out);
        if self.outcome.is_ok() {
            out.push_str(", \"result\": ");
        }
    }

    /// What stands where the result ends.
    fn write_after(&self, out: &mut String) {
        out.push_str(if self.outcome.is_err() && !self.strict { ", \"result\": null}" } else { "}" });
    }

    /// The body of a reply that stands alone. A kept result is not copied.
    fn body(self) -> Body {
        let (mut before, mut after) = (String::new(), String::new());
        self.write_before(&mut before);
        self.write_after(&mut after);
        match self.outcome {
            Ok(Answer::Kept(kept)) => Body::Pieces(vec![before.into(), Bytes::from_owner(kept), after.into()]),
            outcome => {
                if let Ok(answer) = &outcome {
                    before.push_str(answer.text());
                }
                before.push_str(&after);
                Body::Bytes(before.into())
            }
        }
    }
}

/// Answers a request under `/json/`. Always with status 200, but for notifications.
pub fn handle(server: &Server, request: &Request) -> Response {
    let respond =
        |body: Body| Response { body, ..Response::new(200).with_header("content-type", "application/json-rpc") };
    let fail = |error: RpcError| respond(Reply::failure(error).body());
    let dialect = server.dialect();
    // The same two lines as for a page (SO 15.2).
    server.config.log.message(super::Level::Info, "");
    server.config.log.message(super::Level::Info, &format!("REQUEST: {} {} ajax=False", request.path, request.method));
    match request.method.as_str() {
        "POST" => {}
        "GET" => {
            let word = if dialect.older_rpc_library { "availble" } else { "available" };
            return fail(RpcError {
                name: "InvalidRequestError",
                code: -32600,
                text: format!("The method you are trying to access is not {word} by GET requests"),
            });
        }
        _ => {
            return fail(RpcError {
                name: "RequestPostError",
                code: -32600,
                text: "JSON-RPC requests must be POST".to_owned(),
            });
        }
    }
    let too_large = dialect.max_body_bytes.is_some_and(|most| request.body.len() > most);
    let Some(document) = (!too_large).then(|| Json::parse(&request.body)).flatten() else {
        return fail(RpcError::invalid_request());
    };
    let rpc = Rpc { server };
    if let Json::List(requests) = &document {
        let mut text = String::from("[");
        for (at, one) in requests.iter().enumerate() {
            if at > 0 {
                text.push_str(", ");
            }
            if let Some(reply) = rpc.reply(one, true) {
                reply.write(&mut text);
            }
        }
        text.push(']');
        return respond(Body::Bytes(text.into()));
    }
    let reply = rpc.reply(&document, false);
    if server.config.dirs.faults.exists()
        && let Some(method) = document.get("method").and_then(Json::as_str)
        && let Some(response) = damaged(server, method, reply.as_ref())
    {
        return response;
    }
    match reply {
        Some(reply) => respond(reply.body()),
        None => Response::new(204).with_header("content-type", "text/html; charset=utf-8"),
    }
}

/// What the knobs for answers make of a reply.
fn damaged(server: &Server, method: &str, reply: Option<&Reply>) -> Option<Response> {
    if server.faulty_for("rpc_500", method) {
        return Some(Response::html(500, "<h1>Server Error (500)</h1>"));
    }
    if server.faulty_for("html_answer", method) {
        return Some(Response::html(200, "<html><body><h1>Service Unavailable</h1></body></html>"));
    }
    let json =
        |text: String| Some(Response::new(200).with_header("content-type", "application/json-rpc").with_body(text));
    let mut text = String::new();
    match reply {
        Some(reply @ Reply { outcome: Ok(_), .. }) if server.faulty_for("no_error_key", method) => {
            reply.write(&mut text);
            json(text.replacen("\"error\": null, ", "", 1))
        }
        Some(Reply { id, version, outcome: Ok(answer), strict }) if server.faulty_for("bytes_repr", method) => {
            let mut shown = String::new();
            write_text(&format!("b{}", super::python::repr(answer.text())), &mut shown);
            Reply { id: id.clone(), version: version.clone(), outcome: Ok(Answer::Own(shown)), strict: *strict }
                .write(&mut text);
            json(text)
        }
        _ => None,
    }
}

impl Rpc<'_> {
    /// The reply to one request; `None` for a notification that succeeded.
    fn reply(&self, request: &Json, in_batch: bool) -> Option<Reply> {
        let dialect = self.dialect();
        let (method, version) = match self.envelope(request) {
            Ok(found) => found,
            Err(error) => return Some(Reply::failure(error)),
        };
        let shown = version.as_ref().map_or("1.0", |(_, text)| text.as_str()).to_owned();
        let strict = shown == "1.1" || (shown == "2.0" && !dialect.older_rpc_library);
        let id = request.get("id").cloned().unwrap_or(Json::Null);
        let notification = id == Json::Null;
        let no_params = Json::List(Vec::new());
        let params = request.get("params").unwrap_or(&no_params);
        let outcome = if notification && in_batch {
            Err(RpcError::invalid_request())
        } else {
            bind::bind(&method, params, &shown, dialect)
                .and_then(|arguments| self.call(&method, &arguments))
                .map_err(|error| if dialect.python_2 { error.in_python_2() } else { error })
        };
        if notification && outcome.is_ok() {
            return None;
        }
        let id = if dialect.older_rpc_library && outcome.is_err() { Json::Null } else { id };
        Some(Reply { id, version, outcome, strict })
    }

    /// Checks (2) to (5) of WP 1.3.
    #[allow(clippy::type_complexity)]
    fn envelope(&self, request: &Json) -> Result<(Method, Option<(&'static str, String)>), RpcError> {
        let dialect = self.dialect();
        let invalid_params = || RpcError {
            name: "InvalidParamsError",
            code: -32602,
            text: "Request requires str:\"method\" and list:\"params\"".to_owned(),
        };
        let word = |text: &str| Json::Str(text.to_owned());
        match request {
            Json::Object(_) => {}
            // What Python says to `'params' not in D` and `D['params'] = []`.
            Json::Str(text) if !text.contains("params") => {
                return Err(RpcError::other("'str' object does not support item assignment"));
            }
            Json::Str(text) if !text.contains("method") => return Err(invalid_params()),
            Json::Str(_) => return Err(RpcError::other("string indices must be integers")),
            // A list inside a batch: `in` works, what goes by name does not.
            Json::List(items) if items.contains(&word("params")) && !items.contains(&word("method")) => {
                return Err(invalid_params());
            }
            Json::List(_) => return Err(RpcError::other("list indices must be integers or slices, not str")),
            other => {
                return Err(RpcError::other(format!("argument of type '{}' is not iterable", other.type_name())));
            }
        }
        let Some(method) = request.get("method") else { return Err(invalid_params()) };
        if dialect.older_rpc_library && request.get("params").is_none() {
            return Err(invalid_params());
        }
        let known = self.methods();
        let describe = Method { name: bind::DESCRIBE, params: &[], optional: 0 };
        let found = match method {
            Json::Str(name) if name == describe.name => Some(describe),
            Json::Str(name) => known.iter().find(|m| m.name == name).copied(),
            Json::List(_) | Json::Object(_) => {
                return Err(RpcError::other(format!("unhashable type: '{}'", method.type_name())));
            }
            _ => None,
        };
        let Some(found) = found else {
            let names: Vec<&str> = std::iter::once(describe.name).chain(known.iter().map(|m| m.name)).collect();
            return Err(RpcError {
                name: "MethodNotFoundError",
                code: -32601,
                text: format!("Method not found. Available methods: {}", names.join("\n")),
            });
        };
        for name in ["jsonrpc", "version"] {
            if let Some(value) = request.get(name) {
                let text = value.str();
                if !matches!(text.as_str(), "1.0" | "1.1" | "2.0") {
                    return Err(RpcError {
                        name: "InvalidRequestError",
                        code: -32600,
                        text: format!("JSON-RPC version {text} not supported."),
                    });
                }
                return Ok((found, Some((name, text))));
            }
        }
        Ok((found, None))
    }

    fn call(&self, method: &Method, args: &[Json]) -> Outcome {
        match (method.name, args) {
            ("system.describe", _) => Ok(self.describe()),
            ("get_server_info", _) => self.get_server_info(),
            ("list_mappings", [obs, glob]) => self.list_files(obs, glob, true),
            ("list_references", [obs, glob]) => self.list_files(obs, glob, false),
            ("get_default_context", [obs, state @ ..]) => self.get_default_context(obs, state.first()),
            ("get_build_context", [obs, version]) => self.get_build_context(obs, version),
            ("get_context_by_date", [date, obs]) => self.get_context_by_date(date, obs),
            ("get_context_history", [obs]) => self.get_context_history(obs),
            ("get_mapping_names", [context]) => self.get_mapping_names(context),
            ("get_reference_names", [context]) => self.get_reference_names(context),
            ("get_required_parkeys", [context]) => self.get_required_parkeys(context),
            ("get_url", [context, file]) => self.get_url(context, file),
            ("get_mapping_url", [context, file]) => self.get_known_url(context, file, true),
            ("get_reference_url", [context, file]) => self.get_known_url(context, file, false),
            ("get_file_info", [obs, file]) => self.get_file_info(obs, file),
            ("get_file_info_map", [obs, files, fields]) => self.get_file_info_map(obs, files, fields),
            ("get_file_chunk", [context, file, chunk]) => self.get_file_chunk(context, file, chunk),
            ("file_exists", [file]) => self.file_exists(file),
            ("get_best_references", [context, header, types]) => self.get_best_references(context, header, types),
            ("get_best_references_by_ids", [context, ids, types, headers @ ..]) => {
                self.get_best_references_by_ids(context, ids, types, headers.first())
            }
            ("get_best_references_by_header_map", [context, headers, types]) => {
                self.get_best_references_by_header_map(context, headers, types)
            }
            ("get_aui_best_references", [date, ids]) => self.get_aui_best_references(date, ids),
            ("get_dataset_ids", [context, instrument, since]) => self.get_dataset_ids(context, instrument, since),
            ("get_dataset_headers_by_id", [context, ids, since]) => self.get_dataset_headers_by_id(context, ids, since),
            ("get_dataset_headers_by_instrument", _) => Err(RpcError::other(
                "get_dataset_headers_by_instrument() is no longer supported. Upgrade your CRDS client.",
            )),
            ("get_affected_datasets", [obs, old, new]) => self.get_affected_datasets(obs, old, new),
            ("push_remote_context", [obs, kind, key, context]) => self.push_remote_context(obs, kind, key, context),
            ("get_remote_context", [obs, name]) => self.get_remote_context(obs, name),
            ("get_sqlite_db", [obs]) => self.get_sqlite_db(obs),
            ("get_submission_info", [obs, user]) => self.get_submission_info(obs, user),
            ("jpoll_pull_messages", [key, since]) => self.jpoll_pull_messages(key, since),
            ("jpoll_abort", [_]) => {
                Err(RpcError::other("module 'crds_server.jpoll.views' has no attribute 'abort_core'"))
            }
            ("get_system_versions", [version, context]) => self.get_system_versions(version, context),
            ("get_delivery_status", [since]) => self.get_delivery_status(since),
            _ => Err(RpcError::other("argument count")),
        }
    }

    /// The registered methods: those of the era that the installed release has.
    fn methods(&self) -> Vec<Method> {
        let config = &self.server.config;
        let mut all = methods::of(config.era);
        if let Some(installed) = &config.methods {
            all.retain(|m| installed.contains(m.name));
        }
        all
    }

    /// `system.describe`: procedures without itself; the docstrings are not worth copying (WP 1.3).
    fn describe(&self) -> Answer {
        let procs: Vec<serde_json::Value> = self
            .methods()
            .iter()
            .map(|m| {
                let params: Vec<serde_json::Value> = m
                    .params
                    .iter()
                    .map(|p| serde_json::json!({"type": methods::declared_type(m.name, p, self.dialect()), "name": p}))
                    .collect();
                serde_json::json!({
                    "name": m.name, "summary": null, "idempotent": false, "params": params, "return": {"type": methods::return_type(self.dialect())}
                })
            })
            .collect();
        serde_json::json!({
            "sdversion": "1.0", "name": "django-json-rpc", "id": format!("urn:uuid:{}", self.server.process_id),
            "summary": "A JSON-RPC Site", "version": "1.0", "procs": procs,
        })
        .into()
    }

    /// Answers from memcached if the question was answered before, else asks `work` and keeps a good answer.
    fn cached(&self, name: &str, args: &[&Json], work: impl FnOnce() -> Outcome) -> Outcome {
        if !self.server.dialect().cached_answers && !name.starts_with("get_affected_datasets") {
            return work();
        }
        let key = memcached_key(name, args);
        let now = self.server.config.clock.now();
        if let Some(entry) = self.server.config.memcached.get(&key, now)
            && let super::cache::Entry::Bytes(bytes) = entry.as_ref()
            && let Ok(text) = String::from_utf8(bytes.clone())
        {
            return Ok(Answer::Own(text));
        }
        let answer = work()?;
        if answer.text() != "null" {
            let entry = super::cache::Entry::Bytes(answer.text().as_bytes().to_vec());
            self.server.config.memcached.put(&key, entry, self.server.config.clock.now());
        }
        Ok(answer)
    }
}

/// The key under which an answer is kept: the arguments' text without blanks and single quotes, parentheses and commas turned
/// into `_`. So a context with a blank after it finds the answer to the plain name (WP 1.7).
fn memcached_key(name: &str, args: &[&Json]) -> String {
    let shown: Vec<String> = args.iter().map(|a| a.repr()).collect();
    let comma = if shown.len() == 1 { "," } else { "" };
    let mut key = format!("rpc {name} ");
    for c in format!("({}{comma})", shown.join(", ")).chars() {
        match c {
            ' ' | '\'' => {}
            '(' | ')' | ',' => key.push('_'),
            c => key.push(c),
        }
    }
    key
}
