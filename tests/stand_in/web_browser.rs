//! A visitor of the site: keeps cookies, fills forms, reads pages. Talks to the server in this process.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crds_upgrade::stand_in::server::http::{Request, Response};
use crds_upgrade::stand_in::server::load::{self, Start};
use crds_upgrade::stand_in::server::{Clock, Config, Era, Server};
use jiff::{SignedDuration, Timestamp};
use scraper::{Html, Selector};
use serde_json::{Value, json};

use super::web_rules;

/// A clock that moves only when a test or the server's own pauses move it.
#[derive(Debug)]
pub struct TestClock(Mutex<Timestamp>);

impl TestClock {
    /// Moves the clock on.
    pub fn step(&self, seconds: i64) {
        let mut now = self.0.lock().expect("no test panics while it holds the clock");
        *now = now.checked_add(SignedDuration::from_secs(seconds)).expect("a near future");
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        // A moment passes between two looks, so that no two rows have one time.
        let mut now = self.0.lock().expect("no test panics while it holds the clock");
        *now = now.checked_add(SignedDuration::from_micros(7)).expect("a near future");
        *now
    }

    fn sleep(&self, pause: Duration) {
        self.step(pause.as_secs() as i64);
    }
}

/// A server with its directories.
pub struct Site {
    /// The server.
    pub server: Server,
    /// Its clock.
    pub clock: Arc<TestClock>,
    /// Its directory.
    pub data: PathBuf,
    _holder: tempfile::TempDir,
}

/// Every user's password.
pub const PASSWORD: &str = "secret77";

impl Site {
    /// An ordinary OPS server of an era with the users of the stories: `ann` and `bob` submit, `vic` only looks,
    /// `hal` edits histories, `sue` is a super user.
    pub fn open(era: Era) -> Self {
        Self::open_with(era, json!({}), |_| {})
    }

    /// The same with further settings of `server.json` and a word about the configuration.
    pub fn open_with(era: Era, more: Value, set: impl FnOnce(&mut Config)) -> Self {
        let holder = tempfile::tempdir().expect("room for a test");
        let cache = holder.path().join("cache");
        web_rules::write(&cache);
        let start = holder.path().join("load");
        std::fs::create_dir_all(&start).expect("room for a test");
        let user = |name: &str, groups: &[&str], is_superuser: bool| {
            json!({"username": name, "password": PASSWORD, "first_name": name, "last_name": "", "email": format!("{name}@example.invalid"),
                   "is_superuser": is_superuser, "groups": groups})
        };
        let mut settings = json!({
            "timezone": "America/New_York",
            "history": [
                {"start_date": "2014-09-01 10:00:00", "context": web_rules::OLDER, "state": "operational", "description": "The older one."},
                {"start_date": "2014-09-12 15:10:24", "context": web_rules::OPERATIONAL, "state": "operational", "description": "The one before the upgrade."}
            ],
            "remote_contexts": [{"name": "hst-pipeline", "observatory": "hst", "kind": "operational", "key": "k1", "context": web_rules::OLDER}],
            "users": [
                user("ann", &["file_submission"], false),
                user("bob", &["file_submission"], false),
                user("vic", &[], false),
                user("hal", &["edit_context_history"], false),
                user("sue", &["file_submission"], true),
            ]
        });
        if let (Some(all), Value::Object(more)) = (settings.as_object_mut(), more) {
            all.extend(more);
        }
        std::fs::write(start.join("server.json"), settings.to_string()).expect("room for a test");
        let data = holder.path().join("data");
        std::fs::create_dir_all(&data).expect("room for a test");
        let clock = Arc::new(TestClock(Mutex::new("2014-09-16T16:00:00Z".parse().expect("a fixed time"))));
        let mut config = Config::ordinary(&data, "hst");
        config.era = era;
        config.clock = Arc::clone(&clock) as Arc<dyn Clock>;
        config.public_url = "https://hst-crds.example/".to_owned();
        set(&mut config);
        let from =
            Start { cache: Some(&cache), operational: Some(web_rules::OPERATIONAL), edit: None, load: Some(&start) };
        let server = load::open(config, &data, &from).expect("an ordinary state");
        Self { server, clock, data, _holder: holder }
    }

    /// A visitor without cookies.
    pub fn visitor(&self) -> Browser {
        Browser {
            server: self.server.clone(),
            cookies: BTreeMap::new(),
            accept: Some("text/html".to_owned()),
            https: false,
        }
    }

    /// A visitor who has logged in for an instrument, or for `none`.
    pub fn login(&self, user: &str, instrument: &str) -> Browser {
        let mut browser = self.visitor();
        let page = browser.log_in(user, PASSWORD, instrument);
        assert_eq!(page.status, 302, "{user} logs in for {instrument}: {}", page.text());
        browser
    }

    /// A visitor ready to submit: logged in, channel open, nothing uploaded.
    pub fn submitter(&self, user: &str, instrument: &str) -> Browser {
        let mut browser = self.login(user, instrument);
        assert_eq!(browser.get("/jpoll/open_channel/").status, 200);
        browser
    }
}

/// A visitor.
pub struct Browser {
    server: Server,
    /// Cookies by name.
    pub cookies: BTreeMap<String, String>,
    /// The `Accept` header.
    pub accept: Option<String>,
    /// The requests come over TLS.
    pub https: bool,
}

/// An answer.
pub struct Page {
    /// Status.
    pub status: u16,
    /// The answer itself.
    pub response: Response,
}

impl Browser {
    /// Sends a request as it is; cookies are kept.
    pub fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Page {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut all: Vec<(String, String)> = vec![("host".to_owned(), "localhost".to_owned())];
        if let Some(accept) = &self.accept {
            all.push(("accept".to_owned(), accept.clone()));
        }
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            all.push(("cookie".to_owned(), cookies.join("; ")));
        }
        all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: all,
            body: body.into(),
            peer: "127.0.0.1".to_owned(),
            https: self.https,
        };
        let response = self.server.respond(&request);
        for (_, value) in response.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let Some((name, rest)) = value.split_once('=') else { continue };
            let kept = rest.split(';').next().unwrap_or_default().trim_matches('"');
            if rest.contains("Max-Age=0") || kept.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), kept.to_owned());
            }
        }
        Page { status: response.status, response }
    }

    /// A GET.
    pub fn get(&mut self, target: &str) -> Page {
        self.send("GET", target, &[], Vec::new())
    }

    /// A GET by the page's script.
    pub fn script_get(&mut self, target: &str) -> Page {
        self.send("GET", target, &[("x-requested-with", "XMLHttpRequest")], Vec::new())
    }

    /// A token for the next POST, from a form page if there is no cookie yet.
    pub fn token(&mut self) -> String {
        if !self.cookies.contains_key("csrftoken") {
            self.get("/login/");
        }
        self.cookies.get("csrftoken").cloned().unwrap_or_default()
    }

    /// A POST of a form with its token.
    pub fn post(&mut self, target: &str, fields: &[(&str, &str)]) -> Page {
        let token = self.token();
        let mut all = vec![("csrfmiddlewaretoken", token.as_str())];
        all.extend_from_slice(fields);
        self.post_bare(target, &all)
    }

    /// A POST of exactly these fields.
    pub fn post_bare(&mut self, target: &str, fields: &[(&str, &str)]) -> Page {
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", coded(name), coded(value))).collect();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send("POST", target, &headers, body.join("&").into_bytes())
    }

    /// A multipart POST: fields, then files (field, name, bytes).
    pub fn post_files(&mut self, target: &str, fields: &[(&str, &str)], files: &[(&str, &str, &[u8])]) -> Page {
        let token = self.token();
        let mut body = Vec::new();
        let mut all = vec![("csrfmiddlewaretoken", token.as_str())];
        all.extend_from_slice(fields);
        for (name, value) in all {
            body.extend(
                format!("--Bound\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes(),
            );
        }
        for (field, name, bytes) in files {
            let name = name.replace('"', "\\\"");
            body.extend(
                format!("--Bound\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n")
                    .bytes(),
            );
            body.extend_from_slice(bytes);
            body.extend(b"\r\n");
        }
        body.extend(b"--Bound--\r\n");
        self.send("POST", target, &[("content-type", "multipart/form-data; boundary=Bound")], body)
    }

    /// A call of JSON-RPC: the whole reply.
    pub fn call(&mut self, method: &str, params: &Value) -> Value {
        let body = json!({"jsonrpc": "1.0", "method": method, "params": params, "id": "1"}).to_string();
        self.send("POST", "/json/", &[], body.into_bytes()).json()
    }

    /// Uploads a file as the era's form names it.
    pub fn upload(&mut self, name: &str, bytes: &[u8]) -> Page {
        let field = if self.server.config.era == Era::Y2014 { "file" } else { "files" };
        self.post_files("/upload/new/", &[], &[(field, name, bytes)])
    }

    /// Logs in.
    pub fn log_in(&mut self, user: &str, password: &str, instrument: &str) -> Page {
        self.get("/login/");
        self.post("/login/", &[("username", user), ("password", password), ("instrument", instrument), ("next", "/")])
    }

    /// Follows a redirect of this server.
    pub fn follow(&mut self, page: &Page) -> Page {
        let location = page.header("location");
        let path = location.find("://").map_or(location.as_str(), |at| {
            location[at + 3..].find('/').map_or("/", |slash| &location[at + 3 + slash..])
        });
        self.get(path)
    }
}

fn coded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Blanks folded, as a browser shows a text.
pub fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Page {
    /// The body as text.
    pub fn text(&self) -> String {
        self.response.text()
    }

    /// A header; empty if it is not there.
    pub fn header(&self, name: &str) -> String {
        self.response.header(name).unwrap_or_default().to_owned()
    }

    /// Names of the cookies that the answer sets, and whether it drops them.
    pub fn cookies(&self) -> Vec<(String, bool)> {
        self.response
            .headers
            .iter()
            .filter(|(name, _)| name == "set-cookie")
            .map(|(_, value)| {
                let name = value.split('=').next().unwrap_or_default().to_owned();
                (name, value.contains("Max-Age=0"))
            })
            .collect()
    }

    /// Whether the answer sets (and does not drop) a cookie.
    pub fn sets(&self, name: &str) -> bool {
        self.cookies().contains(&(name.to_owned(), false))
    }

    /// Whether the answer drops a cookie.
    pub fn drops(&self, name: &str) -> bool {
        self.cookies().contains(&(name.to_owned(), true))
    }

    /// Texts of the elements that a selector picks, blanks folded.
    pub fn picks(&self, pick: &str) -> Vec<String> {
        let pick = Selector::parse(pick).expect("the tests' selectors are fixed");
        Html::parse_document(&self.text())
            .select(&pick)
            .map(|found| folded(&found.text().collect::<String>()))
            .collect()
    }

    /// An attribute of the elements that a selector picks.
    pub fn attributes(&self, pick: &str, name: &str) -> Vec<String> {
        let pick = Selector::parse(pick).expect("the tests' selectors are fixed");
        let page = Html::parse_document(&self.text());
        page.select(&pick).map(|found| found.value().attr(name).unwrap_or_default().to_owned()).collect()
    }

    /// Texts of the `<h2>`s.
    pub fn h2(&self) -> Vec<String> {
        self.picks("h2")
    }

    /// What stands in the era's error block after `ERROR: `; none if there is no such block.
    pub fn error(&self) -> Option<String> {
        let found = self.picks("div#error_message pre").into_iter().chain(self.picks("div.error:not([id])")).next()?;
        Some(found.strip_prefix("ERROR: ").unwrap_or(&found).to_owned())
    }

    /// Names of the fields of the page's last POST form, in order, each once.
    pub fn fields(&self, action: &str) -> Vec<String> {
        let mut names = self.attributes(&format!("form[action='{action}'] [name]"), "name");
        names.dedup();
        names
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text()).unwrap_or(Value::Null)
    }

    /// True if the text stands somewhere on the page, blanks folded.
    pub fn says(&self, text: &str) -> bool {
        let pick = Selector::parse("body").expect("a fixed selector");
        let page = Html::parse_document(&self.text());
        let spaced: String = page.select(&pick).flat_map(|body| body.text()).collect::<Vec<_>>().join(" ");
        let close: String = page.select(&pick).flat_map(|body| body.text()).collect();
        folded(&spaced).contains(&folded(text)) || folded(&close).contains(&folded(text))
    }
}
