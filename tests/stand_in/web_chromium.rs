//! One submission in a real browser: headless Chromium, from login to confirmation. The pictures are kept in
//! `target/browser`.
//!
//! Chromium is driven over its debugging pipe: JSON messages that end in a NUL byte, on descriptors 3 and 4.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use crds_upgrade::stand_in::server::Era;
use serde_json::{Value, json};

use super::web_browser::{PASSWORD, Site};
use super::web_rules::npolfile;
use super::web_submissions::NPOLFILE;

/// How long the browser may take for anything.
const PATIENCE: Duration = Duration::from_secs(90);

/// A running browser with one open page.
struct Chromium {
    child: Child,
    to: File,
    from: Receiver<Value>,
    session: String,
    last: i64,
    _profile: tempfile::TempDir,
}

impl Chromium {
    fn start() -> Self {
        let profile = tempfile::tempdir().expect("room for a profile");
        let (to, from) = (profile.path().join("to"), profile.path().join("from"));
        for pipe in [&to, &from] {
            let made = Command::new("mkfifo").arg(pipe).status().expect("mkfifo is everywhere");
            assert!(made.success(), "a pipe at {}", pipe.display());
        }
        // The shell opens the pipes as descriptors 3 and 4, where Chromium looks for them.
        let script = format!(
            "exec chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
             --user-data-dir='{0}/profile' --window-size=1000,1400 --remote-debugging-pipe about:blank 3<'{1}' 4>'{2}'",
            profile.path().display(),
            to.display(),
            from.display()
        );
        let child = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let to = OpenOptions::new().write(true).open(&to).expect("the browser reads this pipe");
        let mut reader = File::open(&from).expect("the browser writes this pipe");
        let (send, receive) = channel();
        std::thread::spawn(move || {
            let mut held = Vec::new();
            let mut buffer = vec![0; 1 << 16];
            while let Ok(count) = reader.read(&mut buffer) {
                if count == 0 {
                    break;
                }
                held.extend_from_slice(&buffer[..count]);
                while let Some(end) = held.iter().position(|byte| *byte == 0) {
                    let message: Vec<u8> = held.drain(..=end).collect();
                    if let Ok(value) = serde_json::from_slice::<Value>(&message[..end])
                        && send.send(value).is_err()
                    {
                        return;
                    }
                }
            }
        });
        let mut browser = Self { child, to, from: receive, session: String::new(), last: 0, _profile: profile };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        browser.session = attached["sessionId"].as_str().unwrap_or_default().to_owned();
        browser.call("Page.enable", json!({}));
        browser
    }

    /// Sends a command and waits for its answer.
    fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).expect("the browser listens");
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let answer = self.from.recv_timeout(left).unwrap_or_else(|_| panic!("no answer to {method}"));
            if answer["id"] == json!(self.last) {
                assert!(answer.get("error").is_none(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
        }
    }

    /// What an expression is on the page now.
    fn ask(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        self.call("Runtime.evaluate", params)["result"]["value"].clone()
    }

    /// Waits until an expression is true on the page.
    fn until(&mut self, expression: &str) {
        let until = Instant::now() + PATIENCE;
        while self.ask(&format!("document.readyState === 'complete' && !!({expression})")) != json!(true) {
            let seen = self.ask("document.body ? document.body.innerText.slice(0, 2000) : ''");
            assert!(Instant::now() < until, "the page never came to `{expression}`: {seen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Types into a field.
    fn fill(&mut self, pick: &str, text: &str) {
        let (pick, text) = (json!(pick), json!(text));
        self.ask(&format!("document.querySelector({pick}).value = {text}"));
    }

    fn click(&mut self, pick: &str) {
        self.ask(&format!("document.querySelector({}).click()", json!(pick)));
    }

    /// Picks a file in a file field, as the dialogue would.
    fn pick_file(&mut self, pick: &str, path: &Path) {
        let root = self.call("DOM.getDocument", json!({}))["root"]["nodeId"].clone();
        let node = self.call("DOM.querySelector", json!({"nodeId": root, "selector": pick}))["nodeId"].clone();
        self.call("DOM.setFileInputFiles", json!({"nodeId": node, "files": [path.display().to_string()]}));
    }

    fn picture(&mut self, path: &Path) {
        let shot = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(shot["data"].as_str().unwrap_or_default())
            .expect("a picture in base64");
        assert!(bytes.starts_with(b"\x89PNG"), "a PNG");
        std::fs::write(path, bytes).expect("room for a picture");
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves a site on a free port of this machine.
fn serve(site: &Site) -> (tokio::runtime::Runtime, SocketAddr) {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let address = listener.local_addr().expect("a bound port");
    let router = site.server.router().into_make_service_with_connect_info::<SocketAddr>();
    runtime.spawn(async move { axum::serve(listener, router).await });
    (runtime, address)
}

#[test]
fn a_person_submits_a_mapping_in_a_browser() {
    let site = Site::open(Era::Y2019);
    let (_runtime, address) = serve(&site);
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("run under cargo or nextest");
    let pictures = PathBuf::from(root).join("target/browser");
    std::fs::create_dir_all(&pictures).expect("room for pictures");
    let holder = tempfile::tempdir().expect("room for a file");
    let file = holder.path().join(NPOLFILE);
    std::fs::write(&file, npolfile()).expect("room for a file");

    let mut page = Chromium::start();
    page.call("Page.navigate", json!({"url": format!("http://{address}/")}));
    page.until("document.querySelector('#header_menu a[href^=\"/login/\"]')");
    page.click("#header_menu a[href^='/login/']");
    page.until("document.querySelector('input[name=password]')");
    page.fill("input[name=username]", "ann");
    page.fill("input[name=password]", PASSWORD);
    page.fill("select[name=instrument]", "wfc3");
    page.click("input[type=submit]");
    page.until("document.querySelector('.locked_instrument')");

    page.click("a[href='/submit/mapping/']");
    page.until("document.querySelector('form.upload_form')");
    page.pick_file("form.upload_form input[type=file]", &file);
    page.click("form.upload_form button[type=submit]");
    page.until(&format!("document.querySelector('.upload_files').innerText.includes('{NPOLFILE}')"));
    page.fill("input[name=creator]", "the team");
    page.fill("textarea[name=description]", "A new empty type, submitted by a person.");
    page.picture(&pictures.join("submit.png"));
    page.click("input[value='Submit Files']");
    page.until("location.pathname.startsWith('/display_result/') && document.querySelector('#confirm_or_cancel')");
    page.click(".accordion > h3");
    page.until("document.querySelector('.accordion.open')");
    page.picture(&pictures.join("ready.png"));
    page.click("#confirm_or_cancel input[value=confirm]");
    page.until("document.querySelector('p.success') && document.querySelector('p.success').innerText === 'Submission Confirmed.'");
    page.picture(&pictures.join("confirmed.png"));

    let links = site.data.join("deliveries");
    for name in [NPOLFILE, "hst_0280.pmap", "hst_wfc3_0262.imap", "opus_1_i.cat"] {
        assert!(links.join(name).exists(), "{name} was delivered");
    }
}
