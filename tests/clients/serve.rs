//! A stand-in server for the real clients, and the clients.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crds_upgrade::stand_in::derive::submissions;
use serde_json::{Value, json};

/// The reference that the submitted one replaces.
const TABLE: &str = "x5h1320ei_idc.fits";

/// Releases of the client that are run: the last of each line that pipelines have used, the newest first.
const VERSIONS: &str = "14.0.3 13.2.9 13.1.16 12.1.11 12.0.9 11.17.26";

/// Who submits.
pub const USER: &str = "ann";
/// The submitter's password, and token.
pub const PASSWORD: &str = "token-of-ann";
/// Groups that may submit.
const GROUPS: [&str; 1] = ["file_submission"];

/// The project.
pub fn root() -> PathBuf {
    PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("run under cargo or nextest"))
}

/// `crds-stand-in serve` on the rules of `fixtures/rules`, ended when dropped.
pub struct Serve {
    child: Child,
    /// `http://localhost:<port>`
    pub url: String,
    /// Everything that the server and its clients write.
    pub dir: tempfile::TempDir,
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Names of references that the fixture rules mention.
fn references(rules: &Path) -> Vec<String> {
    let mut names = std::collections::BTreeSet::new();
    for entry in fs::read_dir(rules).expect("fixture rules").flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        names.extend(text.split('\'').filter(|part| part.ends_with(".fits")).map(str::to_owned));
    }
    names.into_iter().collect()
}

impl Serve {
    /// Starts a server of an era on the shipped rules and waits until it listens.
    pub fn start(era: &str) -> Self {
        Self::start_with(era, json!({}))
    }

    /// The same with further settings of `server.json`.
    pub fn start_with(era: &str, more: Value) -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        let load = dir.path().join("load");
        let bytes = load.join("file_cache/references/hst");
        fs::create_dir_all(&bytes).expect("load directory");
        for name in references(&root().join("fixtures/rules/mappings/hst")) {
            // A table that the client can read and compare with; of the others it never looks inside.
            let content = submissions::shipped().expect("the shipped descriptors are good");
            let table = content.into_iter().find(|file| name == TABLE && file.name.ends_with("_idc.fits"));
            let content = table.map_or_else(|| format!("bytes of {name}").into_bytes(), |file| file.bytes);
            fs::write(bytes.join(&name), content).expect("reference");
        }
        let mut settings = json!({
            "contexts": [
                {"kind": "hst_operational_context", "context": "hst_0278.pmap"},
                {"kind": "hst_edit_context", "context": "hst_0279.pmap"},
            ],
            "history": [
                {"start_date": "2013-06-01 00:00:00", "context": "hst_0278.pmap", "state": "operational", "description": "0"},
                {"start_date": "2014-01-01 00:00:00", "context": "hst_0279.pmap", "state": "operational", "description": "a"},
                {"start_date": "2014-06-01 00:00:00", "context": "hst_0278.pmap", "state": "operational", "description": "b"},
            ],
            "users": [{"username": USER, "password": PASSWORD, "is_superuser": false, "groups": GROUPS}],
            "remote_contexts": [{"name": "pipe", "observatory": "hst", "kind": "operational", "key": "KEY", "context": ""}],
        });
        if let (Some(all), Value::Object(more)) = (settings.as_object_mut(), more) {
            all.extend(more);
        }
        fs::write(load.join("server.json"), settings.to_string()).expect("settings");
        let header = json!({
            "INSTRUME": "WFC3", "DETECTOR": "UVIS", "DATE-OBS": "2014-09-06", "TIME-OBS": "09:33:13",
            "EXPSTART": "2014-09-06 09:33:13", "FILTER": "F225W", "CCDAMP": "ABCD", "BINAXIS1": "1", "BINAXIS2": "1",
        });
        let datasets = ["IAAAA0010:IAAAA01AQ", "IAAAA0010:IAAAA01BQ"]
            .map(|id| json!({"id": id, "header": header}).to_string())
            .join("\n");
        fs::write(load.join("datasets.jsonl"), datasets).expect("datasets");
        let run = load.join("monitor_reprocessing/2014-10-15-09:20:03_0278_0279");
        fs::create_dir_all(&run).expect("run");
        for (name, text) in
            [("affected_ids.txt", "iaaaa0010\n"), ("bestrefs.status", "0\n"), ("bestrefs_err.txt", "log\n")]
        {
            fs::write(run.join(name), text).expect("run");
        }
        let mut child = Command::new(env!("CARGO_BIN_EXE_crds-stand-in"))
            .args(["serve", "--observatory", "hst", "--era", era, "--listen", "127.0.0.1:0", "--pause", "0"])
            .arg("--cache")
            .arg(root().join("fixtures/rules"))
            .arg("--load")
            .arg(&load)
            .arg("--data")
            .arg(dir.path().join("data"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the stand-in starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("first line");
        let port = line.trim().rsplit(':').next().expect("a port").to_owned();
        assert!(line.starts_with("listening on http://127.0.0.1:"), "first line of output: {line:?}");
        Self { child, url: format!("http://localhost:{port}"), dir }
    }

    /// The server's access log.
    pub fn log(&self) -> PathBuf {
        self.dir.path().join("data/logs/ssl_access_log")
    }

    /// Length of the access log, bytes.
    pub fn mark(&self) -> usize {
        fs::metadata(self.log()).map_or(0, |m| usize::try_from(m.len()).unwrap_or(usize::MAX))
    }

    /// Verb and path of the requests since `from` bytes of the log.
    pub fn paths(&self, from: usize) -> Vec<(String, String)> {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let requests = log[from.min(log.len())..].lines().filter_map(|line| line.split('"').nth(1));
        requests
            .filter_map(|request| request.split_once(' '))
            .map(|(verb, rest)| (verb.to_owned(), rest.split(' ').next().unwrap_or_default().to_owned()))
            .collect()
    }

    /// RPC methods and kinds of downloads asked since `from` bytes of the log, counted.
    pub fn requests(&self, from: usize) -> BTreeMap<String, usize> {
        let mut out = BTreeMap::new();
        for (_, path) in self.paths(from) {
            let mut parts = path.trim_start_matches('/').split('/');
            let name = match (parts.next(), parts.next()) {
                (Some("json"), Some(method)) => method.to_owned(),
                (Some("unchecked_get"), Some(area)) => format!("GET {area}"),
                _ => path.clone(),
            };
            *out.entry(name).or_default() += 1;
        }
        out
    }

    /// A command of a client: Python of `client` with the client's settings for this server.
    pub fn client(&self, client: &Path, cache: &Path) -> Command {
        let mut command = Command::new(client.join("bin/python"));
        command
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", client.join("bin").display()))
            .env("HOME", self.dir.path())
            .env("CRDS_SERVER_URL", &self.url)
            .env("CRDS_OBSERVATORY", "hst")
            .env("CRDS_PATH", cache)
            .env("no_proxy", "localhost");
        command
    }
}

/// Directories with the clients, by version; `None` when PyPI cannot be reached.
pub fn clients() -> Option<Vec<(String, PathBuf)>> {
    let versions = std::env::var("CRDS_CLIENT_VERSIONS").unwrap_or_else(|_| VERSIONS.to_owned());
    let made = Command::new(root().join("ci/clients"))
        .args(versions.split_whitespace())
        .stderr(Stdio::inherit())
        .output()
        .expect("ci/clients starts");
    if made.status.code() == Some(75) {
        return None;
    }
    assert!(made.status.success(), "ci/clients makes the virtual environments");
    let text = String::from_utf8_lossy(&made.stdout).into_owned();
    Some(
        text.lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(version, dir)| (version.to_owned(), PathBuf::from(dir)))
            .collect(),
    )
}
