//! Requests and answers as plain values, so that every handler is an ordinary blocking function, and their way to and
//! from axum.

use std::{
    io,
    path::PathBuf,
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::{Body as AxumBody, Bytes, HttpBody};
use http_body::Frame;
use tokio::io::{AsyncRead, ReadBuf};

/// Largest request body that is taken, bytes. Apache's limit of 16 GB (WP 1.1) is not worth the memory.
pub const MAX_BODY_BYTES: usize = 1 << 30;

/// A request, its body read whole.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Verb as sent.
    pub method: String,
    /// Path as sent, percent-coded.
    pub path: String,
    /// Query string as sent, without `?`; empty if there is none.
    pub query: String,
    /// Headers in order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// Address of the peer, without port.
    pub peer: String,
    /// Whether the client came over TLS.
    pub https: bool,
}

impl Request {
    /// The value of the first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.headers.iter().filter(|(n, _)| n == "cookie").flat_map(|(_, v)| v.split(';')).find_map(|pair| {
            let (key, value) = pair.trim().split_once('=')?;
            (key == name).then(|| value.trim_matches('"'))
        })
    }

    /// The path without percent-coding; bytes that are no UTF-8 become the replacement character.
    pub fn decoded_path(&self) -> String {
        percent_encoding::percent_decode_str(&self.path).decode_utf8_lossy().into_owned()
    }
}

/// Body of an answer.
#[derive(Debug, Clone)]
pub enum Body {
    /// In memory.
    Bytes(Bytes),
    /// In memory, in several parts: of large ones, some belong to other answers too.
    Pieces(Vec<Bytes>),
    /// A file and its length in bytes, read while it is sent.
    File(PathBuf, u64),
}

impl Body {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Pieces(pieces) => pieces.iter().map(|piece| piece.len() as u64).sum(),
            Self::File(_, len) => *len,
        }
    }

    /// Whether it has no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Headers in order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Body,
}

impl Response {
    /// An answer without headers and body.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Bytes(Bytes::new()) }
    }

    /// An HTML page.
    pub fn html(status: u16, text: impl Into<String>) -> Self {
        Self::new(status).with_header("content-type", "text/html; charset=utf-8").with_body(text.into())
    }

    /// A redirect without body.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::new(status).with_header("content-type", "text/html; charset=utf-8").with_header("location", location)
    }

    /// The same with one header more.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The same with this body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Body::Bytes(body.into());
        self
    }

    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The body as text; a file body is read, and gives an empty text if it cannot be.
    pub fn text(&self) -> String {
        match &self.body {
            Body::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Body::Pieces(pieces) => String::from_utf8_lossy(&pieces.concat()).into_owned(),
            Body::File(path, _) => {
                std::fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
            }
        }
    }
}

/// Reads an axum request whole. `None` if the body is larger than [`MAX_BODY_BYTES`] or breaks off.
pub async fn receive(request: axum::extract::Request, peer: String, https: bool) -> Option<Request> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_BODY_BYTES).await.ok()?;
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    Some(Request {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers,
        body,
        peer,
        https,
    })
}

/// Turns an answer into axum's. A header that HTTP cannot carry is left out; `head` drops the body but keeps its length.
pub async fn send(response: Response, head: bool) -> axum::response::Response {
    let mut builder = axum::http::Response::builder().status(response.status);
    let mut has_length = false;
    for (name, value) in &response.headers {
        has_length |= name == "content-length";
        if let (Ok(name), Ok(value)) =
            (axum::http::HeaderName::from_bytes(name.as_bytes()), axum::http::HeaderValue::from_bytes(value.as_bytes()))
        {
            builder = builder.header(name, value);
        }
    }
    if !has_length && response.status != 204 {
        builder = builder.header("content-length", response.body.len().to_string());
    }
    let body = match response.body {
        _ if head => AxumBody::empty(),
        Body::Bytes(bytes) => AxumBody::from(bytes),
        Body::Pieces(pieces) => AxumBody::new(PiecesBody(pieces.into_iter())),
        Body::File(path, len) => match tokio::fs::File::open(&path).await {
            Ok(file) => AxumBody::new(FileBody { file, left: len, buffer: vec![0; 64 * 1024] }),
            Err(_) => AxumBody::new(BrokenBody(Some(io::Error::other("the file vanished")))),
        },
    };
    builder.body(body).unwrap_or_else(|_| axum::response::Response::new(AxumBody::empty()))
}

/// Pieces in memory, one after the other.
struct PiecesBody(std::vec::IntoIter<Bytes>);

impl HttpBody for PiecesBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(self.0.next().map(|piece| Ok(Frame::data(piece))))
    }
}

/// A file of known length, sent in pieces. Shorter than announced ends in an error, so that the client sees the break.
struct FileBody {
    file: tokio::fs::File,
    left: u64,
    buffer: Vec<u8>,
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let this = &mut *self;
        let want = usize::try_from(this.left).unwrap_or(usize::MAX).min(this.buffer.len());
        let mut read = ReadBuf::new(&mut this.buffer[..want]);
        match Pin::new(&mut this.file).poll_read(cx, &mut read) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(err)) => Poll::Ready(Some(Err(err))),
            Poll::Ready(Ok(())) => {
                let got = read.filled();
                if got.is_empty() {
                    this.left = 0;
                    return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
                }
                let piece = Bytes::copy_from_slice(got);
                this.left -= piece.len() as u64;
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
        }
    }
}

/// A body that fails at once.
struct BrokenBody(Option<io::Error>);

impl HttpBody for BrokenBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(self.0.take().map(Err))
    }
}
