//! HTTP with a CRDS server: recorded, bounded in time and size, never redirected.

use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use reqwest::Certificate;
use reqwest::blocking::Client;
use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, REFERER};
use reqwest::redirect::Policy;

use crate::host::record::{Call, CallKind, Ended, Outcome, Recorder};

use super::error::WireError;

/// Most bytes taken from one answer unless the caller says otherwise: the file map of the largest catalogue is 5 MB.
pub const MOST_BYTES: usize = 64 << 20;

/// Most bytes that are recorded of an answer that did not come whole.
const MOST_OF_BROKEN: usize = 1 << 20;

/// What is sent in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    None,
    /// `application/x-www-form-urlencoded` fields in order.
    Form(Vec<(String, String)>),
    /// A JSON text; sent under the content type that the CRDS client uses (WP 1.1).
    Json(String),
    /// `multipart/form-data`: fields, then one file.
    Upload {
        /// Plain fields in order.
        fields: Vec<(String, String)>,
        /// Name of the file's field.
        field: String,
        /// Name under which the file is sent.
        name: String,
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

/// One request.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Absolute URL.
    pub url: &'a str,
    /// What is sent.
    pub body: Body,
    /// `Cookie:` header; empty = none.
    pub cookies: &'a str,
    /// `Referer:` header, which Django's CSRF check wants over TLS (WP 3.1); empty = none.
    pub referer: &'a str,
    /// Time limit for the whole exchange.
    pub limit: Duration,
    /// Whether it may change the server.
    pub changes: bool,
}

impl<'a> Ask<'a> {
    /// A plain GET with the usual time limit.
    #[must_use]
    pub fn get(url: &'a str) -> Self {
        let limit = Duration::from_secs(120);
        Self { method: "GET", url, body: Body::None, cookies: "", referer: "", limit, changes: false }
    }
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status: never evidence of success (WP 3.1).
    pub status: u16,
    /// Header lines in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Time from sending to the last byte.
    pub elapsed: Duration,
}

impl Answer {
    /// The first header of this name (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text; undecodable bytes become U+FFFD.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A client for one host.
#[derive(Clone)]
pub struct Http {
    host: String,
    client: Client,
    recorder: Arc<dyn Recorder>,
    most: usize,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Chooses the cryptography of TLS, once in a process.
fn choose_provider() {
    static ONCE: Once = Once::new();
    // An error means that somebody chose before, which is as good.
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

impl Http {
    /// A client for `host` (the name under which exchanges are recorded) that trusts `ca_file` or, without one, the
    /// system's authorities. Variables such as `https_proxy` have no effect: what is looked at is this server.
    ///
    /// # Errors
    ///
    /// [`WireError::Certificate`] if `ca_file` cannot be read or is no certificate.
    pub fn open(host: &str, ca_file: Option<&Path>, recorder: Arc<dyn Recorder>) -> Result<Self, WireError> {
        choose_provider();
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(20))
            // A server that was restarted must not be asked through the connection to its predecessor.
            .pool_max_idle_per_host(0);
        if let Some(path) = ca_file {
            let refused = |why: String| WireError::Certificate { file: path.to_owned(), why };
            let pem = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
            let trusted = Certificate::from_pem_bundle(&pem).map_err(|error| refused(error.to_string()))?;
            if trusted.is_empty() {
                return Err(refused("it holds no certificate".to_owned()));
            }
            builder = builder.tls_certs_only(trusted);
        }
        let client =
            builder.build().map_err(|error| WireError::Client { host: host.to_owned(), why: cause(&error) })?;
        Ok(Self { host: host.to_owned(), client, recorder, most: MOST_BYTES })
    }

    /// The same client with another bound on the size of an answer, in bytes.
    #[must_use]
    pub fn at_most(mut self, bytes: usize) -> Self {
        self.most = bytes;
        self
    }

    /// The name of the host in records and errors.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The recorder, to tell it secrets.
    #[must_use]
    pub fn recorder(&self) -> &Arc<dyn Recorder> {
        &self.recorder
    }

    /// Sends one request and reads the whole answer. Redirects are answers like others.
    ///
    /// # Errors
    ///
    /// [`WireError::Refused`] if nothing listens, [`WireError::TimedOut`], [`WireError::TooMuch`], [`WireError::Lost`]
    /// for everything else that keeps an answer from arriving whole, or a failing record.
    pub fn send(&self, ask: &Ask<'_>) -> Result<Answer, WireError> {
        let argv = [ask.method.to_owned(), ask.url.to_owned()];
        let sent = recorded_body(&ask.body);
        let call =
            Call { host: &self.host, kind: CallKind::Http, argv: &argv, stdin: Some(&sent), changes: ask.changes };
        let id = self.recorder.began(&call)?;
        let began = Instant::now();
        let mut body = Vec::new();
        let result = self.exchange(ask, began, &mut body);
        let elapsed = began.elapsed();
        match &result {
            Ok(answer) => {
                let head: String = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
                let status = Ended::Http(answer.status);
                self.recorder.ended(id, &Outcome { status, stdout: &answer.body, stderr: head.as_bytes(), elapsed })?;
            }
            Err(error) => {
                let status = match error {
                    WireError::TimedOut { .. } => Ended::TimedOut,
                    other => Ended::Lost(other.to_string()),
                };
                // What came before the break is what says why it broke.
                body.truncate(MOST_OF_BROKEN);
                self.recorder.ended(id, &Outcome { status, stdout: &body, stderr: b"", elapsed })?;
            }
        }
        result
    }

    /// As [`Self::send`], unrecorded; what has come of an answer when it breaks off is left in `body`.
    fn exchange(&self, ask: &Ask<'_>, began: Instant, body: &mut Vec<u8>) -> Result<Answer, WireError> {
        let what = || format!("{} {}", ask.method, ask.url);
        let lost = |why: String| WireError::Lost { host: self.host.clone(), what: what(), changes: ask.changes, why };
        let failed = |error: reqwest::Error| {
            if error.is_timeout() {
                let (host, limit) = (self.host.clone(), ask.limit);
                return WireError::TimedOut { host, what: what(), limit, changes: ask.changes };
            }
            let why = cause(&error);
            if error.is_connect() && why.contains("refused") {
                return WireError::Refused { host: self.host.clone(), what: what() };
            }
            lost(why)
        };
        let mut request = if ask.method == "POST" { self.client.post(ask.url) } else { self.client.get(ask.url) };
        request = request.timeout(ask.limit).headers(self.headers(ask).map_err(lost)?);
        request = match &ask.body {
            Body::None => request,
            Body::Form(fields) => request.form(fields),
            Body::Json(text) => {
                request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(text.clone().into_bytes())
            }
            Body::Upload { fields, field, name, bytes } => {
                use reqwest::blocking::multipart::{Form, Part};
                let form = fields.iter().fold(Form::new(), |form, (key, value)| form.text(key.clone(), value.clone()));
                request.multipart(form.part(field.clone(), Part::bytes(bytes.clone()).file_name(name.clone())))
            }
        };
        let mut response = request.send().map_err(failed)?;
        let status = response.status().as_u16();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        let mut piece = vec![0; 1 << 16];
        let late = || {
            let (host, limit) = (self.host.clone(), ask.limit);
            WireError::TimedOut { host, what: what(), limit, changes: ask.changes }
        };
        loop {
            // Each read has a limit of its own; a server that drips must not get one after the other.
            if began.elapsed() >= ask.limit {
                return Err(late());
            }
            match response.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => body.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::TimedOut || began.elapsed() >= ask.limit => {
                    return Err(late());
                }
                Err(error) => return Err(lost(cause(&error))),
            }
            if body.len() > self.most {
                return Err(WireError::TooMuch { host: self.host.clone(), what: what(), most: self.most });
            }
        }
        Ok(Answer { status, headers, body: std::mem::take(body), elapsed: began.elapsed() })
    }

    fn headers(&self, ask: &Ask<'_>) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in [(COOKIE, ask.cookies), (REFERER, ask.referer)] {
            if !value.is_empty() {
                headers.insert(name, HeaderValue::from_str(value).map_err(|error| error.to_string())?);
            }
        }
        // The upload pages fail without one (WP 3.5).
        headers.insert(reqwest::header::ACCEPT, HeaderValue::from_static("*/*"));
        Ok(headers)
    }
}

/// The body as it is recorded: text in clear (the recorder redacts), of a file its name and size.
fn recorded_body(body: &Body) -> Vec<u8> {
    let form = |fields: &[(String, String)]| {
        fields.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
    };
    match body {
        Body::None => Vec::new(),
        Body::Json(text) => text.clone().into_bytes(),
        Body::Form(fields) => form(fields).into_bytes(),
        Body::Upload { fields, field, name, bytes } => {
            let hash = blake3::hash(bytes);
            format!("{}&{field}=file {name}, {} bytes, blake3:{hash}", form(fields), bytes.len()).into_bytes()
        }
    }
}

/// The innermost reason of an error: the outer ones only say that a request failed.
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(error) = inner {
        text = error.to_string();
        inner = error.source();
    }
    text
}
