//! The public proxy of each host: what users reach, with an outage page of its own while the operational port is down (SO 2.1, 5).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::response::Response as AxumResponse;
use jiff::{SignedDuration, Timestamp};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::stand_in::fleet::clock::Clock;
use crate::stand_in::fleet::knobs::{self, Knob};
use crate::stand_in::fleet::spec::{Fleet, Host};
use crate::stand_in::httpd::{daemon, pages};
use crate::stand_in::server::http::{self, Response};

/// The operational port, the only one that a proxy knows (SO 5).
const OPERATIONAL: u16 = 8001;

/// The longest request that is passed on, in bytes.
const LONGEST_REQUEST: usize = 1 << 30;

struct Front {
    host: Host,
    clock: Clock,
    client: reqwest::Client,
    /// Until when it does not try the server again.
    resting: Mutex<Option<Timestamp>>,
}

impl Front {
    /// Does not try its server again before the lag is over.
    fn rest(&self, lag_s: f64) {
        let now = self.clock.now().unwrap_or(Timestamp::UNIX_EPOCH);
        let lag = SignedDuration::try_from_secs_f64(lag_s).unwrap_or(SignedDuration::ZERO);
        *self.resting.lock().unwrap_or_else(PoisonError::into_inner) = now.checked_add(lag).ok();
    }
}

/// The public, which visits proxies all the time.
#[derive(Default)]
pub struct Public {
    fronts: Vec<Arc<Front>>,
}

impl Public {
    /// Somebody visits each [visited](knobs::Proxy::visited) proxy now: one whose server is away rests from now on, as with any
    /// other visitor. Asks the kernel and not the server, whose logs are not for this.
    pub fn visit(&self) {
        let visited = self.fronts.iter().map(|front| (front, knobs::Proxy::load(&front.host)));
        for (front, knobs) in visited.filter(|(_, knobs)| knobs.visited) {
            let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
            if !listens(&sockets, front.host.address, OPERATIONAL) {
                front.rest(knobs.lag_s);
            }
        }
    }
}

/// Whether the kernel's table of sockets has one that listens there.
fn listens(sockets: &str, address: std::net::Ipv4Addr, port: u16) -> bool {
    const LISTENING: &str = "0A";
    let wanted = format!("{:08X}:{port:04X}", u32::from_ne_bytes(address.octets()));
    sockets.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        words.next() == Some(&wanted) && words.nth(1) == Some(LISTENING)
    })
}

/// Runs the proxies of a fleet on a thread of their own.
///
/// # Errors
///
/// If a port is taken or a certificate is missing.
pub fn start(fleet: &Fleet) -> Result<Public, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let mut listeners = Vec::new();
    let mut public = Public::default();
    for host in &fleet.hosts {
        let Some(port) = host.proxy_port else { continue };
        let address = std::net::SocketAddr::from((host.address, port));
        let listener = std::net::TcpListener::bind(address)
            .map_err(|error| format!("proxy of {} on {address}: {error}", host.uname))?;
        listener.set_nonblocking(true).map_err(|error| error.to_string())?;
        let tls = daemon::server_config(&host.run().join("proxy.crt"), &host.run().join("proxy.key"))?;
        let front = Arc::new(Front {
            host: host.clone(),
            clock: Clock::open(&fleet.clock()).map_err(|error| error.to_string())?,
            client: client(fleet)?,
            resting: Mutex::default(),
        });
        public.fronts.push(Arc::clone(&front));
        listeners.push((listener, tls, front));
    }
    std::thread::spawn(move || {
        runtime.block_on(async {
            let mut serving = Vec::new();
            for (listener, tls, front) in listeners {
                let Ok(listener) = TcpListener::from_std(listener) else { continue };
                let incoming = Incoming::begin(listener, tls);
                let app = Router::new().fallback(pass).with_state(front);
                let service = app.into_make_service_with_connect_info::<Peer>();
                serving.push(tokio::spawn(async move { axum::serve(incoming, service).await }));
            }
            for server in serving {
                if let Ok(Err(error)) = server.await {
                    super::note(format_args!("proxy: {error}"));
                }
            }
        });
    });
    Ok(public)
}

fn client(fleet: &Fleet) -> Result<reqwest::Client, String> {
    // The proxy trusts its own servers whatever their certificate says, as an internal connection does.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let pem = std::fs::read(fleet.authority()).map_err(|error| error.to_string())?;
    let authority = reqwest::Certificate::from_pem(&pem).map_err(|error| error.to_string())?;
    reqwest::Client::builder()
        .tls_certs_only([authority])
        .tls_danger_accept_invalid_certs(true)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        // Long enough for one visitor's next request, too short to hold on to a server that was stopped since.
        .pool_idle_timeout(Duration::from_millis(500))
        .build()
        .map_err(|error| error.to_string())
}

async fn pass(
    State(front): State<Arc<Front>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: axum::extract::Request,
) -> AxumResponse {
    let knobs = knobs::Proxy::load(&front.host);
    let now = front.clock.now().unwrap_or(Timestamp::UNIX_EPOCH);
    if let Some(status) = knobs.always {
        return finish(now, pages::apache(status, request.uri().path())).await;
    }
    let resting = *front.resting.lock().unwrap_or_else(PoisonError::into_inner);
    if resting.is_some_and(|until| now < until) {
        return finish(now, pages::apache(503, request.uri().path())).await;
    }
    let path = request.uri().path().to_owned();
    let forwarded = forward(&front, &knobs, &peer, request).await;
    match forwarded {
        Ok(answer) => {
            *front.resting.lock().unwrap_or_else(PoisonError::into_inner) = None;
            answer
        }
        Err(Refusal::Unreachable) => {
            front.rest(knobs.lag_s);
            finish(now, pages::apache(503, &path)).await
        }
        Err(Refusal::Status(status)) => finish(now, pages::apache(status, &path)).await,
    }
}

enum Refusal {
    Unreachable,
    Status(u16),
}

async fn forward(
    front: &Front,
    knobs: &knobs::Proxy,
    peer: &Peer,
    request: axum::extract::Request,
) -> Result<AxumResponse, Refusal> {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, LONGEST_REQUEST).await.map_err(|_| Refusal::Status(413))?;
    let target = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("{}{target}", front.host.direct_url(OPERATIONAL));
    let mut outgoing = front.client.request(parts.method, url).body(body);
    for (name, value) in &parts.headers {
        let own = ["connection", "content-length", "transfer-encoding", "x-forwarded-for"].contains(&name.as_str());
        if !own {
            outgoing = outgoing.header(name, value);
        }
    }
    outgoing = outgoing.header("x-forwarded-for", peer.0.ip().to_string());
    let limit = Duration::try_from_secs_f64(knobs.timeout_s).unwrap_or(Duration::from_secs(1800));
    let answer = match tokio::time::timeout(limit, outgoing.send()).await {
        Err(_) => return Err(Refusal::Status(504)),
        Ok(Err(error)) if error.is_connect() => return Err(Refusal::Unreachable),
        Ok(Err(_)) => return Err(Refusal::Status(502)),
        Ok(Ok(answer)) => answer,
    };
    if knobs.limit_bytes.is_some_and(|most| answer.content_length().is_some_and(|length| length > most)) {
        return Err(Refusal::Status(502));
    }
    let mut builder = axum::http::Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if !["connection", "transfer-encoding"].contains(&name.as_str()) {
            builder = builder.header(name, value);
        }
    }
    builder.body(Body::from_stream(answer.bytes_stream())).map_err(|_| Refusal::Status(502))
}

async fn finish(now: Timestamp, mut response: Response) -> AxumResponse {
    // This process lives in real time; what it says is fleet time.
    response.headers.push(("date".to_owned(), now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()));
    response.headers.push(("server".to_owned(), pages::SERVER.to_owned()));
    http::send(response, false).await
}

/// Who asks.
#[derive(Clone, Debug)]
struct Peer(std::net::SocketAddr);

type Secured = tokio_rustls::server::TlsStream<TcpStream>;

/// Connections whose handshake is done.
struct Incoming {
    ready: mpsc::Receiver<(Secured, Peer)>,
}

impl Incoming {
    fn begin(listener: TcpListener, tls: Arc<rustls::ServerConfig>) -> Incoming {
        let (send, ready) = mpsc::channel(64);
        let acceptor = TlsAcceptor::from(tls);
        tokio::spawn(async move {
            loop {
                let Ok((stream, address)) = listener.accept().await else {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                };
                // An answer's head and body are two small writes: the second must not wait for the visitor's receipt of the first.
                let _ = stream.set_nodelay(true);
                let (acceptor, send) = (acceptor.clone(), send.clone());
                tokio::spawn(async move {
                    let handshake = tokio::time::timeout(Duration::from_secs(30), acceptor.accept(stream));
                    if let Ok(Ok(secured)) = handshake.await {
                        let _ = send.send((secured, Peer(address))).await;
                    }
                });
            }
        });
        Incoming { ready }
    }
}

impl axum::serve::Listener for Incoming {
    type Io = Secured;
    type Addr = Peer;

    async fn accept(&mut self) -> (Secured, Peer) {
        match self.ready.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<Peer> {
        Ok(Peer(std::net::SocketAddr::from(([0, 0, 0, 0], 0))))
    }
}

impl axum::extract::connect_info::Connected<axum::serve::IncomingStream<'_, Incoming>> for Peer {
    fn connect_info(stream: axum::serve::IncomingStream<'_, Incoming>) -> Peer {
        stream.remote_addr().clone()
    }
}
