//! The real program over real HTTP: a confirmation during which the process is killed, and what the next process finds
//! (issue 4: "dies at any point and leaves the half state that a real server leaves").

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reqwest::blocking::{Client, multipart};
use serde_json::json;

use super::web_browser::PASSWORD;
use super::web_rules::{self, OPERATIONAL, npolfile};
use super::web_submissions::{MAPPING, NPOLFILE};

/// One process of `crds-stand-in serve`.
struct Process {
    child: Child,
    base: String,
}

impl Process {
    fn start(dir: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_crds-stand-in"))
            .args(["serve", "--observatory", "hst", "--operational", OPERATIONAL, "--pause", "0"])
            .arg("--cache")
            .arg(dir.join("cache"))
            .arg("--load")
            .arg(dir.join("load"))
            .arg("--data")
            .arg(dir.join("data"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program is built");
        let mut first = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut first).expect("its first line");
        let base = first.trim().strip_prefix("listening on ").expect("the promised line").to_owned();
        Self { child, base }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A visitor with cookies.
struct Visitor {
    client: Client,
    base: String,
}

impl Visitor {
    fn new(base: &str) -> Self {
        // Plain http, but the client wants to know whose TLS it would use.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().cookie_store(true).no_proxy().build().expect("a client");
        Self { client, base: base.to_owned() }
    }

    fn get(&self, path: &str) -> String {
        let answer = self.client.get(format!("{}{path}", self.base)).header("accept", "*/*").send();
        answer.and_then(reqwest::blocking::Response::text).expect("an answer")
    }

    fn token(&self) -> String {
        let page = scraper::Html::parse_document(&self.get("/login/"));
        let pick = scraper::Selector::parse("input[name=csrfmiddlewaretoken]").expect("a fixed selector");
        page.select(&pick).next().and_then(|found| found.value().attr("value")).expect("a token").to_owned()
    }

    fn post(&self, path: &str, fields: &[(&str, &str)]) -> reqwest::Result<reqwest::blocking::Response> {
        let token = self.token();
        let mut all = vec![("csrfmiddlewaretoken", token.as_str())];
        all.extend_from_slice(fields);
        self.client.post(format!("{}{path}", self.base)).form(&all).send()
    }
}

fn count(dir: &Path) -> usize {
    std::fs::read_dir(dir).map(Iterator::count).unwrap_or_default()
}

#[test]
fn a_process_that_is_killed_while_it_confirms() {
    let holder = tempfile::tempdir().expect("room for a test");
    let dir = holder.path();
    web_rules::write(&dir.join("cache"));
    std::fs::create_dir_all(dir.join("load")).expect("room for a test");
    let users = json!({"users": [{"username": "ann", "password": PASSWORD, "groups": ["file_submission"]}]});
    std::fs::write(dir.join("load/server.json"), users.to_string()).expect("room for a test");
    let data = dir.join("data");

    let mut first = Process::start(dir);
    let ann = Visitor::new(&first.base);
    let fields = [("username", "ann"), ("password", PASSWORD), ("instrument", "wfc3"), ("next", "/")];
    assert!(ann.post("/login/", &fields).expect("an answer").text().expect("a page").contains("locked_instrument"));
    ann.get("/jpoll/open_channel/");
    let part = multipart::Part::bytes(npolfile().into_bytes()).file_name(NPOLFILE);
    let form = multipart::Form::new().text("csrfmiddlewaretoken", ann.token()).part("files", part);
    let sent = ann.client.post(format!("{}/upload/new/", first.base)).header("accept", "*/*").multipart(form).send();
    assert!(sent.expect("an answer").text().expect("a list").contains(NPOLFILE));
    let ready = ann.post("/submit/mapping/", MAPPING).expect("an answer");
    let id = ready.url().path().rsplit('/').next().expect("an id").to_owned();
    assert_eq!(id.len(), 36, "{}", ready.url());

    std::fs::create_dir_all(data.join("faults")).expect("a data directory");
    std::fs::write(data.join("faults/crash_at"), "confirm.first_link exit\n").expect("a data directory");
    assert!(ann.post("/submit_confirm/", &[("results_id", &id), ("button", "confirm")]).is_err(), "nobody answers");
    let status = first.child.wait().expect("its end");
    assert_eq!(status.signal(), Some(9), "the process was killed: {status}");
    std::fs::remove_file(data.join("faults/crash_at")).expect("the knob");

    let second = Process::start(dir);
    let visitor = Visitor::new(&second.base);
    assert_eq!((count(&data.join("catalogs")), count(&data.join("deliveries"))), (1, 1), "the catalogue and one link");
    assert!(visitor.get(&format!("/display_result/{id}")).contains("<h2 class=\"error\">finalizing</h2>"));
    for name in [NPOLFILE, "hst_0280.pmap", "hst_wfc3_0262.imap"] {
        assert!(data.join("file_cache/mappings/hst").join(name).exists(), "{name} is in the cache");
        assert!(visitor.get(&format!("/get/{name}")).contains("is not yet available for distribution."), "{name}");
    }
    assert!(data.join("ingest/ann").join(NPOLFILE).exists(), "the upload stays");
    assert!(visitor.get("/context_table/edit").contains(OPERATIONAL), "the edit context did not move");
    assert!(!visitor.get("/recent_activity_query/?extension=*").contains(NPOLFILE), "no audit row");
    // Session and lock outlived the process.
    let ann = Visitor { client: ann.client, base: second.base.clone() };
    assert!(ann.get("/lock_status/").contains("\"name\": \"wfc3\""), "the lock is a row of the catalogue");
    let again = ann.post("/submit_confirm/", &[("results_id", &id), ("button", "cancel")]).expect("an answer");
    assert!(again.text().expect("a page").contains("This submission was already confirmed or cancelled."));
}
