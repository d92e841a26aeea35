//! The CRDS server: catalogue, JSON-RPC, web pages, downloads, in the dialects of three eras.
//!
//! [`Server::open`] takes a [`Config`]; [`Server::respond`] answers one request, blocking; [`Server::router`] is the
//! same for axum. Facts from the wire protocol dossier (WP) and the server operations dossier (SO).

pub mod accounts;
mod bestrefs;
pub mod cache;
pub mod catalog;
pub mod clock;
mod config;
pub mod downloads;
pub mod dump;
pub mod eras;
pub mod faults;
pub mod http;
mod jpoll;
pub mod load;
pub mod locks;
pub mod log;
pub mod ops;
pub mod python;
pub mod refusal;
pub mod rpc;
pub mod rules_store;
pub mod sessions;
mod states;
pub mod web;

use std::{ops::Deref, sync::Arc};

use axum::{Router, extract::ConnectInfo};
pub use cache::Memcached;
pub use catalog::{Catalogue, CatalogueError};
pub use clock::{Clock, SystemClock};
pub use config::{Config, CrdsVersion, Dirs, Generation};
pub use eras::{Dialect, Era};
pub use log::{Access, Level, LogSink};
pub use refusal::Refusal;
pub use rules_store::RulesStore;

/// Why a server cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Its catalogue.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// One of its directories.
    #[error("cannot make the server's directories")]
    Dirs(#[source] std::io::Error),
}

impl ServerError {
    /// The next move.
    pub fn help(&self) -> String {
        match self {
            Self::Catalogue(err) => err.help(),
            Self::Dirs(_) => "free space or fix the owner of the data directory".to_owned(),
        }
    }
}

/// A CRDS server. Cheap to clone; all clones are one server.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

/// What all clones of a server share.
pub struct Inner {
    /// What it was told.
    pub config: Config,
    /// Its catalogue.
    pub catalogue: Catalogue,
    /// The mappings in its cache.
    pub rules: RulesStore,
    archive: rpc::Archive,
    engine: bestrefs::Engine,
    whole_map: rpc::WholeMap,
    /// What the knob `stale_info` repeats.
    first_info: std::sync::OnceLock<String>,
    /// Submissions that a request is confirming or cancelling now.
    settling: std::sync::Mutex<std::collections::HashSet<String>>,
    /// What `system.describe` names the process by.
    process_id: uuid::Uuid,
}

impl Deref for Server {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Server {
    /// Opens catalogue and directories, making what is missing.
    ///
    /// # Errors
    ///
    /// If a directory or the catalogue cannot be made or opened.
    pub fn open(config: Config) -> Result<Self, ServerError> {
        config.dirs.create().map_err(ServerError::Dirs)?;
        let catalogue = Catalogue::open(&config.catalogue, &config.observatory)?;
        let rules = RulesStore::new(&config.dirs.mappings);
        Ok(Self(Arc::new(Inner {
            config,
            catalogue,
            rules,
            archive: rpc::Archive::default(),
            engine: bestrefs::Engine::default(),
            whole_map: rpc::WholeMap::default(),
            first_info: std::sync::OnceLock::new(),
            settling: std::sync::Mutex::default(),
            process_id: uuid::Uuid::new_v4(),
        })))
    }

    /// What differs in this server's era.
    pub fn dialect(&self) -> &'static Dialect {
        self.config.era.dialect()
    }

    /// The present local time as the catalogue writes it, with microseconds.
    pub fn now_text(&self) -> String {
        clock::python_text(self.local_now())
    }

    /// The present local time.
    pub fn local_now(&self) -> jiff::civil::DateTime {
        clock::local(self.config.clock.now(), &self.config.zone)
    }

    /// Answers one request. Blocks: submissions take their time and pause at the end.
    pub fn respond(&self, request: &http::Request) -> http::Response {
        if self.config.dirs.faults.exists() {
            if self.faulty_for("hang", &request.path) {
                self.config.clock.sleep(std::time::Duration::from_secs(3600));
            }
            if let Some(seconds) = self.fault("slow").and_then(|text| text.trim().parse().ok()) {
                self.config.clock.sleep(std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default());
            }
        }
        if request.path.starts_with("/json/") {
            return rpc::handle(self, request);
        }
        if request.path == "/json" {
            let location =
                if request.query.is_empty() { "/json/".to_owned() } else { format!("/json/?{}", request.query) };
            return http::Response::redirect(301, &self.location(request, &location));
        }
        if request.path.starts_with("/unchecked_get/") {
            return downloads::unchecked(self, request);
        }
        web::handle(self, request)
    }

    /// Where a redirect leads, as the era's library writes it: 2014's named scheme and host (WP 3.1).
    pub fn location(&self, request: &http::Request, place: &str) -> String {
        if !self.dialect().absolute_locations || place.contains("://") {
            return place.to_owned();
        }
        let scheme = if request.https { "https" } else { "http" };
        format!("{scheme}://{}{place}", request.header("host").unwrap_or("localhost"))
    }

    /// All of it as an axum router. Serve it with connect info, or every peer is `-`.
    pub fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }
}

async fn answer(
    axum::extract::State(server): axum::extract::State<Server>,
    request: axum::extract::Request,
) -> axum::response::Response {
    let mut access = record(&request);
    let https = request.uri().scheme_str() == Some("https");
    let Some(request) = http::receive(request, access.peer.clone(), https).await else {
        server.config.log.access(&access);
        return http::send(http::Response::html(413, "Request Entity Too Large"), false).await;
    };
    let head = request.method == "HEAD";
    let worker = server.clone();
    let response = tokio::task::spawn_blocking(move || worker.respond(&request))
        .await
        .unwrap_or_else(|_| http::Response::html(500, "<h1>Server Error (500)</h1>"));
    access.status = response.status;
    access.bytes = (!head && !response.body.is_empty()).then(|| response.body.len());
    server.config.log.access(&access);
    http::send(response, head).await
}

/// What the access logs say of a request that is not answered yet: too large, until it was read.
fn record(request: &axum::extract::Request) -> Access {
    let peer = request.extensions().get::<ConnectInfo<std::net::SocketAddr>>();
    let header =
        |name: &str| request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    Access {
        peer: peer.map_or_else(|| "-".to_owned(), |info| info.0.ip().to_string()),
        forwarded_for: header("x-forwarded-for"),
        request_line: format!("{} {} {:?}", request.method(), request.uri(), request.version()),
        status: 413,
        bytes: None,
        referer: header("referer"),
        user_agent: header("user-agent"),
    }
}
