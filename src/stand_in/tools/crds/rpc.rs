//! The services of a CRDS server as its tools call them: JSON-RPC and downloads over HTTPS (WP 1, 2).

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::stand_in::tools::machine::clocks;

/// Why a service did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The server cannot be reached, or what answers is no CRDS server.
    #[error("CRDS jsonrpc failure '{method}' {why}")]
    Away {
        /// What was asked.
        method: String,
        /// What the connection said.
        why: String,
    },
    /// The server refused.
    #[error("{0}")]
    Refused(String),
}

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(600);

/// A connection to one server.
pub struct Server {
    client: reqwest::blocking::Client,
    url: String,
}

impl Server {
    /// The server at `url`, trusted through the host's own authority file.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Away`] if the authority's certificate cannot be read.
    pub fn at(url: &str) -> Result<Self, ServiceError> {
        let away = |why: String| ServiceError::Away { method: "connect".to_owned(), why };
        // Another library of this process may have installed one already; either will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder =
            reqwest::blocking::Client::builder().no_proxy().timeout(LIMIT).connect_timeout(clocks::REAL_PATIENCE);
        if url.starts_with("https:") {
            let file = authority();
            let pem = fs::read(&file).map_err(|error| away(format!("{}: {error}", file.display())))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| away(error.to_string()))?;
            builder = builder.tls_certs_only(certificates);
        } else {
            builder = builder.tls_certs_only(Vec::new());
        }
        let client = builder.build().map_err(|error| away(error.to_string()))?;
        Ok(Self { client, url: format!("{}/", url.trim_end_matches('/')) })
    }

    /// The server of this environment: CRDS_SERVER_URL.
    ///
    /// # Errors
    ///
    /// As [`Server::at`]; an unset variable counts as away.
    pub fn of_environment() -> Result<Self, ServiceError> {
        let url = std::env::var("CRDS_SERVER_URL").unwrap_or_default();
        if url.is_empty() {
            let why = "CRDS_SERVER_URL is not set".to_owned();
            return Err(ServiceError::Away { method: "connect".to_owned(), why });
        }
        Self::at(&url)
    }

    /// Its base URL with a final slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Calls a service.
    ///
    /// # Errors
    ///
    /// [`ServiceError`].
    pub fn call(&self, method: &str, params: Value) -> Result<Value, ServiceError> {
        let away = |why: String| ServiceError::Away { method: method.to_owned(), why };
        let id = uuid::Uuid::new_v4().to_string();
        let body = json!({"jsonrpc": "1.0", "method": method, "params": params, "id": id}).to_string();
        let response = self
            .client
            .post(format!("{}json/{method}/{id}/", self.url))
            .header("Content-Type", "application/json")
            .body(body)
            .send()
            .map_err(|error| away(urlopen_error(&error)))?;
        let status = response.status();
        let text = response.text().map_err(|error| away(urlopen_error(&error)))?;
        if !status.is_success() {
            return Err(away(format!("HTTP Error {}: {}", status.as_u16(), status.canonical_reason().unwrap_or(""))));
        }
        let answer: Value =
            serde_json::from_str(&text).map_err(|_| away("No JSON object could be decoded".to_owned()))?;
        match answer.get("error") {
            None | Some(Value::Null) => {}
            Some(error) => {
                let message = error.get("message").and_then(Value::as_str).unwrap_or("unknown error");
                return Err(ServiceError::Refused(message.to_owned()));
            }
        }
        answer.get("result").cloned().map(decoded).ok_or_else(|| away("the answer has no result".to_owned()))
    }

    /// Fetches a file.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Away`] with the HTTP status or the connection's trouble.
    pub fn download(&self, url: &str) -> Result<Vec<u8>, ServiceError> {
        let away = |why: String| ServiceError::Away { method: url.to_owned(), why };
        let response = self.client.get(url).send().map_err(|error| away(urlopen_error(&error)))?;
        let status = response.status();
        if !status.is_success() {
            return Err(away(format!("HTTP Error {}: {}", status.as_u16(), status.canonical_reason().unwrap_or(""))));
        }
        response.bytes().map(|bytes| bytes.to_vec()).map_err(|error| away(urlopen_error(&error)))
    }
}

/// The file of the certificate authority that hosts trust.
pub fn authority() -> PathBuf {
    let root = std::env::var("HOST_ROOT").unwrap_or_default();
    PathBuf::from(format!("{root}/opt/SSL/DigiCertCA.crt"))
}

fn urlopen_error(error: &reqwest::Error) -> String {
    if error.is_connect() && error.is_timeout() {
        clocks::lose_patience(LIMIT);
    }
    let mut source: Option<&dyn std::error::Error> = Some(error);
    let mut text = error.to_string();
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<std::io::Error>()
            && let Some(code) = io.raw_os_error()
        {
            let what = io.to_string();
            return format!("<urlopen error [Errno {code}] {}>", what.split(" (os error").next().unwrap_or(&what));
        }
        text = inner.to_string();
        source = inner.source();
    }
    format!("<urlopen error {text}>")
}

/// Unpacks an answer that the server compressed (WP 1.6).
pub fn decoded(result: Value) -> Value {
    use base64::Engine;
    use std::io::Read;
    let Some(payload) = result.get("crds_payload").and_then(Value::as_str) else { return result };
    let bytes = base64::engine::general_purpose::STANDARD.decode(payload.replace('\n', "")).ok();
    let text = bytes.and_then(|bytes| {
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).ok().map(|_| text)
    });
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(result)
}
