//! Headers from a CRDS server by JSON-RPC (RS 15.1).

use std::io::Read;
use std::sync::Once;
use std::time::Duration;

use base64::Engine;
use serde_json::Value;

use super::InputError;
use super::json::Entry;
use crate::rules::dataset::{Header, HeaderValue};
use crate::rules::load::Context;
use crate::rules::python::float_repr;

/// Headers asked for at a time.
const SEGMENT: usize = 500;
/// Seconds that one answer may take.
const PATIENCE_S: u64 = 600;

/// Reads the headers of every dataset of every instrument of a context.
pub(super) fn read(url: &str, context: &Context, one: &mut dyn FnMut(String, Entry)) -> Result<(), InputError> {
    static PROVIDER: Once = Once::new();
    // Somebody else may have installed one already; either will do.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let server = Server::new(url)?;
    for (instrument, _) in context.instruments() {
        let ids = server.ask("get_dataset_ids", serde_json::json!([context.name(), instrument, null]))?;
        let ids: Vec<String> = serde_json::from_value(ids)
            .map_err(|error| server.error("get_dataset_ids", format!("not a list of ids: {error}")))?;
        for segment in ids.chunks(SEGMENT) {
            let method = "get_dataset_headers_by_id";
            let headers = server.ask(method, serde_json::json!([context.name(), segment, null]))?;
            let Value::Object(headers) = headers else { return Err(server.error(method, "not an object")) };
            for (id, header) in headers {
                one(id, entry(header));
            }
        }
    }
    Ok(())
}

fn entry(value: Value) -> Entry {
    match value {
        Value::Object(items) => {
            let mut header = Header::new();
            for (key, value) in &items {
                header.set(key, header_value(value));
            }
            Entry::Header(header)
        }
        Value::String(why) => Entry::Message(why),
        other => Entry::Message(format!("not a header: {other}")),
    }
}

fn header_value(value: &Value) -> HeaderValue {
    match value {
        Value::String(text) => HeaderValue::Text(text.clone()),
        Value::Null => HeaderValue::Null,
        Value::Bool(b) => HeaderValue::Other(if *b { "True" } else { "False" }.to_owned()),
        Value::Number(n) if n.is_f64() => HeaderValue::Other(float_repr(n.as_f64().unwrap_or(f64::NAN))),
        other => HeaderValue::Other(other.to_string()),
    }
}

struct Server {
    url: String,
    client: reqwest::blocking::Client,
}

impl Server {
    fn new(url: &str) -> Result<Self, InputError> {
        let url = url.trim_end_matches('/').to_owned();
        let client = reqwest::blocking::Client::builder().timeout(Duration::from_secs(PATIENCE_S)).build();
        match client {
            Ok(client) => Ok(Self { url, client }),
            Err(error) => Err(InputError::Server { url, method: "connect".to_owned(), why: error.to_string() }),
        }
    }

    fn error(&self, method: &str, why: impl Into<String>) -> InputError {
        InputError::Server { url: self.url.clone(), method: method.to_owned(), why: why.into() }
    }

    fn ask(&self, method: &str, params: Value) -> Result<Value, InputError> {
        let body = serde_json::json!({ "jsonrpc": "1.0", "method": method, "params": params, "id": "1" });
        let sent = self.client.post(format!("{}/json/{method}/1/", self.url)).json(&body).send();
        let answer = sent.and_then(reqwest::blocking::Response::error_for_status);
        let text = answer.and_then(reqwest::blocking::Response::text);
        let text = text.map_err(|error| self.error(method, error.to_string()))?;
        let reply: Value = serde_json::from_str(&text).map_err(|error| self.error(method, error.to_string()))?;
        match reply.get("error") {
            None | Some(Value::Null) => {}
            Some(error) => {
                let message = error.get("message").and_then(Value::as_str).map(str::to_owned);
                return Err(self.error(method, message.unwrap_or_else(|| error.to_string())));
            }
        }
        let result = reply.get("result").cloned().unwrap_or(Value::Null);
        self.unpacked(result).map_err(|why| self.error(method, why))
    }

    /// Large results come as gzip of JSON in base64.
    fn unpacked(&self, result: Value) -> Result<Value, String> {
        let Some(payload) = result.get("crds_payload").and_then(Value::as_str) else { return Ok(result) };
        let packed = base64::engine::general_purpose::STANDARD.decode(payload).map_err(|error| error.to_string())?;
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }
}
