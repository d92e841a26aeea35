//! A server in this process, asked by plain values.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use crds_upgrade::stand_in::server::{
    Clock, Config, Era, Server,
    http::{Request, Response},
    load,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::mini::{self, Load};

/// A clock that stands until somebody sleeps.
#[derive(Debug)]
pub struct Stopped(Mutex<jiff::Timestamp>);

impl Clock for Stopped {
    fn now(&self) -> jiff::Timestamp {
        *self.0.lock().expect("clock")
    }

    fn sleep(&self, pause: Duration) {
        *self.0.lock().expect("clock") += pause;
    }
}

/// One server and its files.
pub struct Bench {
    dir: TempDir,
    /// The server.
    pub server: Server,
    /// Its clock.
    pub clock: Arc<Stopped>,
}

/// The small observatory's cache, written once per test process.
pub fn cache() -> PathBuf {
    static CACHE: OnceLock<TempDir> = OnceLock::new();
    let dir = CACHE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("temporary directory");
        mini::cache(dir.path());
        dir
    });
    dir.path().to_owned()
}

impl Bench {
    /// A server of 2019 in this state.
    pub fn new(load: &Load) -> Self {
        Self::of(load, Era::Y2019, |_| {})
    }

    /// A server of an era in this state; `adjust` may change what it is told.
    pub fn of(load: &Load, era: Era, adjust: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        let state = dir.path().join("load");
        load.write(&state);
        let data = dir.path().join("data");
        let clock = Arc::new(Stopped(Mutex::new("2014-09-16T16:00:00Z".parse().expect("moment"))));
        let mut config = Config::ordinary(&data, "hst");
        config.era = era;
        config.public_url = "http://server/".to_owned();
        config.clock = Arc::clone(&clock) as Arc<dyn Clock>;
        adjust(&mut config);
        let cache = cache();
        let start = load::Start { cache: Some(&cache), load: Some(&state), ..load::Start::default() };
        let server = load::open(config, &data, &start).expect("state loads");
        Self { dir, server, clock }
    }

    /// A path below the data directory.
    pub fn data(&self, path: &str) -> PathBuf {
        self.dir.path().join("data").join(path)
    }

    /// Any request.
    pub fn request(&self, method: &str, path: &str, body: &[u8]) -> Response {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        self.server.respond(&Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: vec![("host".to_owned(), "server".to_owned())],
            body: body.to_vec().into(),
            peer: "127.0.0.1".to_owned(),
            https: false,
        })
    }

    /// The text of the answer to an RPC body.
    pub fn post(&self, body: &str) -> String {
        self.request("POST", "/json/x/", body.as_bytes()).text()
    }

    /// The whole reply to an RPC body.
    pub fn reply(&self, body: &Value) -> Value {
        let text = self.post(&body.to_string());
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }

    /// A call of version 1.0: the result, or `"<name>: <text>"` of the error as `Err`.
    pub fn call(&self, method: &str, params: Value) -> Result<Value, String> {
        let reply = self.reply(&json!({"jsonrpc": "1.0", "method": method, "params": params, "id": "t-1"}));
        match &reply["error"] {
            Value::Null if reply.is_object() => Ok(reply["result"].clone()),
            Value::Null => Err(format!("no reply: {reply}")),
            error => Err(error["message"].as_str().unwrap_or("no message").to_owned()),
        }
    }

    /// What a call gives, in one value: the result, or the error's message as a text.
    pub fn said(&self, method: &str, params: Value) -> Value {
        self.call(method, params).unwrap_or_else(Value::String)
    }
}
