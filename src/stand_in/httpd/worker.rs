//! A worker: answers requests on the sockets that it got from its parent until it has had its share of them.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::response::Response as AxumResponse;
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;

use super::application::{Application, Surroundings};
use super::pages;
use crate::stand_in::fleet::knobs::{self, Knob};
use crate::stand_in::server::downloads::{Damage, damaged};
use crate::stand_in::server::http::{self, Body, Request, Response};
use crate::stand_in::server::{Access, Level, LogSink};

/// How long a client may take for its side of the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// A listening socket with its TLS configuration, if it speaks TLS.
pub struct Socket {
    /// The socket.
    pub listener: TcpListener,
    /// Its TLS configuration.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

struct Worker {
    surroundings: Surroundings,
    loaded: Mutex<Option<Arc<Application>>>,
    answered: AtomicU64,
    share: u64,
    /// Closed when the share is used up.
    enough: Semaphore,
    keep_alive: bool,
}

/// Serves until the share of requests is used up.
///
/// # Errors
///
/// If the runtime or a socket fails.
pub fn serve(surroundings: Surroundings, sockets: Vec<Socket>) -> std::io::Result<()> {
    let number = |name: &str| surroundings.conf.value(name, false).and_then(|text| text.parse::<u64>().ok());
    let share = number("MaxRequestsPerChild").filter(|share| *share > 0).unwrap_or(u64::MAX);
    let keep_alive = surroundings.conf.value("KeepAlive", false).is_some_and(|on| on.eq_ignore_ascii_case("on"));
    let worker = Arc::new(Worker {
        surroundings,
        loaded: Mutex::default(),
        answered: AtomicU64::new(0),
        share,
        enough: Semaphore::new(0),
        keep_alive,
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut servers = Vec::new();
        for socket in sockets {
            socket.listener.set_nonblocking(true)?;
            let listener = tokio::net::TcpListener::from_std(socket.listener)?;
            let app = Router::new().fallback(answer).with_state(Arc::clone(&worker));
            let service = app.into_make_service_with_connect_info::<Peer>();
            let accepting = Incoming::begin(listener, socket.tls, Arc::clone(&worker));
            let drained = Arc::clone(&accepting.drained);
            servers.push(tokio::spawn(async move {
                let until = async move { drained.notified().await };
                axum::serve(accepting, service).with_graceful_shutdown(until).await
            }));
        }
        for server in servers {
            server.await.map_err(std::io::Error::other)??;
        }
        Ok(())
    })
}

/// Who asks, and over what.
#[derive(Clone, Debug)]
struct Peer {
    address: SocketAddr,
    secure: bool,
    /// Kept by a connection that has not asked anything yet: a worker that ends waits for its request.
    unasked: Arc<Mutex<Option<mpsc::Sender<Connection>>>>,
}

type Connection = (Stream, Peer);

/// Connections whose handshake is done. When the worker has had its share it accepts no more, and every connection that it
/// has accepted is still served.
struct Incoming {
    ready: mpsc::Receiver<Connection>,
    drained: Arc<Notify>,
    worker: Arc<Worker>,
    local: SocketAddr,
}

/// How long a worker that has had its share waits for those who connected and have not asked yet.
const UNASKED: Duration = Duration::from_secs(5);

/// A connection with or without TLS.
#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Secure(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}

impl Incoming {
    fn begin(
        listener: tokio::net::TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
        worker: Arc<Worker>,
    ) -> Incoming {
        let (send, ready) = mpsc::channel(64);
        let local = listener.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
        let acceptor = tls.map(TlsAcceptor::from);
        let incoming = Incoming { ready, drained: Arc::default(), worker: Arc::clone(&worker), local };
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    _ = worker.enough.acquire() => return,
                };
                let Ok((stream, address)) = accepted else {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                };
                if knobs::Httpd::load(&worker.surroundings.host).deadlock {
                    // Accepted and never answered, until the client gives up.
                    tokio::spawn(async move {
                        let _held = stream;
                        tokio::time::sleep(Duration::from_secs(1800)).await;
                    });
                    continue;
                }
                let (acceptor, send) = (acceptor.clone(), send.clone());
                tokio::spawn(async move {
                    let unasked = Arc::new(Mutex::new(Some(send.clone())));
                    let peer = Peer { address, secure: acceptor.is_some(), unasked };
                    let stream = match acceptor {
                        None => Stream::Plain(stream),
                        Some(acceptor) => match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                            Ok(Ok(secured)) => Stream::Secure(Box::new(secured)),
                            _ => return,
                        },
                    };
                    let _ = send.send((stream, peer)).await;
                });
            }
        });
        incoming
    }
}

impl axum::serve::Listener for Incoming {
    type Io = Stream;
    type Addr = Peer;

    async fn accept(&mut self) -> Connection {
        let patience = async {
            let _ = self.worker.enough.acquire().await;
            tokio::time::sleep(UNASKED).await;
        };
        let connection = tokio::select! {
            connection = self.ready.recv() => connection,
            () = patience => None,
        };
        match connection {
            Some(connection) => connection,
            None => {
                self.drained.notify_one();
                std::future::pending().await
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Peer> {
        Ok(Peer { address: self.local, secure: false, unasked: Arc::default() })
    }
}

impl axum::extract::connect_info::Connected<axum::serve::IncomingStream<'_, Incoming>> for Peer {
    fn connect_info(stream: axum::serve::IncomingStream<'_, Incoming>) -> Peer {
        stream.remote_addr().clone()
    }
}

impl tokio::io::AsyncRead for Stream {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => std::pin::Pin::new(stream).poll_read(cx, buf),
            Stream::Secure(stream) => std::pin::Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl tokio::io::AsyncWrite for Stream {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => std::pin::Pin::new(stream).poll_write(cx, buf),
            Stream::Secure(stream) => std::pin::Pin::new(stream.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => std::pin::Pin::new(stream).poll_flush(cx),
            Stream::Secure(stream) => std::pin::Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => std::pin::Pin::new(stream).poll_shutdown(cx),
            Stream::Secure(stream) => std::pin::Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}

async fn answer(
    State(worker): State<Arc<Worker>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: axum::extract::Request,
) -> AxumResponse {
    drop(peer.unasked.lock().unwrap_or_else(PoisonError::into_inner).take());
    let address = peer.address.ip().to_string();
    let request_line = format!("{} {} {:?}", request.method(), request.uri(), request.version());
    let head = request.method() == axum::http::Method::HEAD;
    let Some(request) = http::receive(request, address.clone(), peer.secure).await else {
        return http::send(pages::apache(413, "/"), false).await;
    };
    let header = |name: &str| request.header(name).map(str::to_owned);
    let mut access = Access {
        peer: address,
        forwarded_for: header("x-forwarded-for"),
        request_line,
        status: 500,
        bytes: None,
        referer: header("referer"),
        user_agent: header("user-agent"),
    };
    let working = Arc::clone(&worker);
    let path = request.path.clone();
    let mut response = tokio::task::spawn_blocking(move || working.respond(&request))
        .await
        .unwrap_or_else(|_| pages::apache(500, &path));
    response.headers.retain(|(name, _)| name != "server" && name != "connection");
    response.headers.push(("server".to_owned(), pages::SERVER.to_owned()));
    if !worker.keep_alive {
        response.headers.push(("connection".to_owned(), "close".to_owned()));
    }
    access.status = response.status;
    access.bytes = (!head && !response.body.is_empty()).then(|| response.body.len());
    worker.surroundings.logs.access(&access);
    if worker.answered.fetch_add(1, Ordering::Relaxed) + 1 == worker.share {
        worker.enough.close();
    }
    http::send(response, head).await
}

impl Worker {
    fn respond(&self, request: &Request) -> Response {
        if let Some(response) = self.alias(request) {
            return response;
        }
        if request.path.starts_with("/server-status") {
            return pages::apache(403, &request.path);
        }
        let application = match self.application(request) {
            Ok(application) => application,
            Err(response) => return response,
        };
        let path = request.decoded_path();
        if !application.has_page(&path) {
            return pages::django_not_found(&path, application.debug);
        }
        application.server.respond(request)
    }

    /// The application, imported at the first request and again at each one after an import that failed.
    fn application(&self, request: &Request) -> Result<Arc<Application>, Response> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(application) = loaded.as_ref() {
            return Ok(Arc::clone(application));
        }
        match self.surroundings.load() {
            Ok(application) => Ok(Arc::clone(loaded.insert(Arc::new(application)))),
            Err(failure) if failure.kind == "OperationalError" => {
                // Not the import but each request fails, and Django notices.
                let logs = &self.surroundings.logs;
                logs.message(Level::Info, &format!("EXCEPTION REPR: OperationalError{}", failure.text));
                logs.message(Level::Info, &format!("EXCEPTION STR: {}", failure.text));
                logs.message(Level::Info, "EXCEPTION TRACEBACK:");
                failure.traceback().iter().for_each(|line| logs.application(line));
                Err(Response::html(500, "<h1>Server Error (500)</h1>"))
            }
            Err(failure) => {
                let logs = &self.surroundings.logs;
                let script = self.surroundings.script().unwrap_or_default();
                let (script, pid) = (script.display(), std::process::id());
                logs.application(&format!("Error in CRDS wsgi handler: {}", failure.text));
                let target =
                    format!("mod_wsgi (pid={pid}): Target WSGI script '{script}' cannot be loaded as Python module.");
                let processing = format!("mod_wsgi (pid={pid}): Exception occurred processing WSGI script '{script}'.");
                for line in [target, processing].into_iter().chain(failure.traceback()) {
                    logs.request_error(&request.peer, &line);
                }
                Err(pages::apache(500, &request.path))
            }
        }
    }

    /// What Apache serves from disk itself.
    fn alias(&self, request: &Request) -> Option<Response> {
        let path = request.decoded_path();
        let conf = &self.surroundings.conf;
        let (prefix, target) = conf.all("Alias").find_map(|directive| match directive.args.as_slice() {
            [prefix, target] if path.starts_with(prefix.as_str()) => Some((prefix.clone(), target.clone())),
            _ => None,
        })?;
        if !matches!(request.method.as_str(), "GET" | "HEAD") {
            return Some(pages::apache(405, &path));
        }
        let rest = path.strip_prefix(&prefix)?;
        if rest.split('/').any(|part| part == "..") {
            return Some(pages::apache(400, &path));
        }
        let file = PathBuf::from(format!("{target}{rest}"));
        let missing = |error: &std::io::Error| {
            let logs = &self.surroundings.logs;
            if error.kind() == std::io::ErrorKind::PermissionDenied {
                let text = format!("(13)Permission denied: access to {path} denied");
                logs.request_error(&request.peer, &text);
                return pages::apache(403, &path);
            }
            if error.raw_os_error() == Some(libc::ENAMETOOLONG) {
                logs.request_error(&request.peer, &format!("(36)File name too long: access to {path} failed"));
                return pages::apache(403, &path);
            }
            logs.request_error(&request.peer, &format!("File does not exist: {}", file.display()));
            pages::apache(404, &path)
        };
        // `/unchecked_get/<area>/...`: what the knobs damage is damaged for whoever serves it.
        let area = path.trim_start_matches('/').split('/').nth(1).unwrap_or_default();
        match damaged(&self.surroundings.host.run().join("server_faults"), area, &file) {
            Damage::None => {}
            Damage::Gone => return Some(pages::apache(404, &path)),
            Damage::Answer(response) => return Some(response),
        }
        Some(match std::fs::File::open(&file).and_then(|open| open.metadata()) {
            Err(error) => missing(&error),
            Ok(found) if found.is_dir() => pages::apache(403, &path),
            Ok(found) => {
                let mut response = Response::new(200).with_header("content-type", pages::content_type(&file));
                response.body = Body::File(file.clone(), found.len());
                response
            }
        })
    }
}
