//! A person at the site with a real browser: headless Chromium, one submission from login to confirmation, a difference of
//! two contexts, a certification. The pictures are kept in `target/browser`. `ci/setup --browser` installs Chromium.
//!
//! Chromium is driven over its debugging pipe: JSON messages that end in a NUL byte, on descriptors 3 and 4. A page that is
//! just being left answers a question with an error (its script context is gone); whoever waits asks again.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
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

/// How long the browser may take for anything, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(150);

/// A running browser with one open page.
struct Chromium {
    child: Child,
    to: File,
    from: Receiver<Value>,
    session: String,
    last: i64,
    profile: tempfile::TempDir,
}

impl Chromium {
    fn start() -> Self {
        let found =
            Command::new("sh").args(["-c", "command -v chromium"]).stdout(Stdio::null()).status().expect("a shell");
        assert!(found.success(), "chromium is not installed: ci/setup --browser installs it");
        let profile = tempfile::tempdir().expect("room for a profile");
        let (to, from) = (profile.path().join("to"), profile.path().join("from"));
        for pipe in [&to, &from] {
            let made = Command::new("mkfifo").arg(pipe).status().expect("mkfifo is everywhere");
            assert!(made.success(), "a pipe at {}", pipe.display());
        }
        // The shell opens the pipes as descriptors 3 and 4, where Chromium looks for them.
        let script = format!(
            "exec chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
             --user-data-dir='{0}/profile' --window-size=1000,1400 --remote-debugging-pipe about:blank 3<'{1}' 4>'{2}' 2>'{0}/log'",
            profile.path().display(),
            to.display(),
            from.display()
        );
        let child = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
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
        let mut browser = Self { child, to, from: receive, session: String::new(), last: 0, profile };
        let target = browser.must("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.must("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        browser.session = attached["sessionId"].as_str().unwrap_or_default().to_owned();
        browser.must("Page.enable", json!({}));
        browser
    }

    /// Sends a command and waits for its answer, which may be a refusal.
    fn call(&mut self, method: &str, params: Value) -> Result<Value, String> {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": params});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).unwrap_or_else(|error| panic!("{method}: {error}; the browser says {}", self.log()));
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let answer = self
                .from
                .recv_timeout(left)
                .unwrap_or_else(|error| panic!("no answer to {method}: {error}; the browser says {}", self.log()));
            if answer["id"] == json!(self.last) {
                return match answer.get("error") {
                    Some(error) => Err(format!("{method}: {error}")),
                    None => Ok(answer["result"].clone()),
                };
            }
        }
    }

    /// The same for a command that cannot be refused.
    fn must(&mut self, method: &str, params: Value) -> Value {
        self.call(method, params).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The end of what the browser wrote to its standard error.
    fn log(&self) -> String {
        let text = std::fs::read_to_string(self.profile.path().join("log")).unwrap_or_default();
        text.lines().rev().take(5).collect::<Vec<_>>().join(" | ")
    }

    /// What an expression is on the page now; nothing if the page is just being left.
    fn ask(&mut self, expression: &str) -> Option<Value> {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        self.call("Runtime.evaluate", params).ok().map(|answer| answer["result"]["value"].clone())
    }

    /// Waits until an expression is true on the page.
    fn until(&mut self, expression: &str) {
        let until = Instant::now() + PATIENCE;
        while self.ask(&format!("document.readyState === 'complete' && !!({expression})")) != Some(json!(true)) {
            let seen = self.ask("document.body ? document.body.innerText.slice(0, 2000) : ''");
            assert!(Instant::now() < until, "the page never came to `{expression}`: {seen:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for an element and does something with it once. The deed itself comes after the answer: it may leave the page.
    fn act(&mut self, pick: &str, deed: &str) {
        self.until(&format!("document.querySelector({})", json!(pick)));
        let pick = json!(pick);
        let done = self.ask(&format!(
            "(function (found) {{ if (found) {{ setTimeout(function () {{ {deed}; window.acted = true; }}); }} return !!found; }})(document.querySelector({pick}))"
        ));
        assert_eq!(done, Some(json!(true)), "{pick} stayed on the page");
    }

    /// Types into a field.
    fn fill(&mut self, pick: &str, text: &str) {
        let text = json!(text);
        self.act(pick, &format!("found.value = {text}"));
        self.until(&format!("document.querySelector({}).value === {text}", json!(pick)));
    }

    fn click(&mut self, pick: &str) {
        self.act(pick, "found.click()");
    }

    /// Opens an address by typing it.
    fn open(&mut self, address: &str) {
        self.must("Page.navigate", json!({"url": address}));
        self.until(&format!("location.href === {}", json!(address)));
    }

    /// Picks a file in a file field, as the dialogue would.
    fn pick_file(&mut self, pick: &str, path: &Path) {
        let root = self.must("DOM.getDocument", json!({}))["root"]["nodeId"].clone();
        let node = self.must("DOM.querySelector", json!({"nodeId": root, "selector": pick}))["nodeId"].clone();
        self.must("DOM.setFileInputFiles", json!({"nodeId": node, "files": [path.display().to_string()]}));
    }

    /// A picture of the whole page, kept for people.
    fn picture(&mut self, path: &Path) {
        let shot = self.must("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true}));
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(shot["data"].as_str().unwrap_or_default())
            .expect("a picture in base64");
        assert!(bytes.starts_with(b"\x89PNG"), "a PNG");
        std::fs::write(path, bytes).expect("room for a picture");
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The browser is several processes; all are of one group.
        let group = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Serves a site on a free port of this machine.
pub fn serve(site: &Site) -> (tokio::runtime::Runtime, SocketAddr) {
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
    let base = format!("http://{address}");

    let mut page = Chromium::start();
    page.open(&format!("{base}/"));
    page.click(".accordion > h3");
    page.until("document.querySelector('.accordion.open .accordion h3 .darkgray').offsetParent");
    page.click(".accordion.open input.hide_na");
    page.until("!document.querySelector('.accordion.open .accordion h3 .darkgray').offsetParent");
    page.click(".accordion.open .accordion:not([hidden]) > h3");
    page.until(
        "document.querySelector('.accordion.open .accordion.open table').innerText.includes('l2d0959cj_pfl.fits')",
    );
    page.picture(&pictures.join("home.png"));
    page.click("#header_menu a[href^='/login/']");
    page.until("document.querySelector('input[name=password]')");
    page.picture(&pictures.join("login.png"));
    page.fill("input[name=username]", "ann");
    page.fill("input[name=password]", PASSWORD);
    page.fill("select[name=instrument]", "wfc3");
    page.click("form[action='/login/'] input[type=submit]");
    page.until("document.querySelector('.locked_instrument')");
    page.picture(&pictures.join("home_of_a_submitter.png"));

    page.click("a[href='/submit/mapping/']");
    page.until("document.querySelector('form.upload_form')");
    for removed in [true, false] {
        page.pick_file("form.upload_form input[type=file]", &file);
        page.click("form.upload_form button[type=submit]");
        page.until(&format!("document.querySelector('.upload_files').innerText.includes('{NPOLFILE}')"));
        if removed {
            page.click(".upload_files a");
            page.until("document.querySelector('.upload_files').innerText.includes('No files')");
        }
    }
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

    // Two ticked contexts make a difference.
    page.open(&format!("{base}/display_context_history/"));
    page.click("tbody tr:nth-child(1) .diff_checkbox");
    page.click("tbody tr:nth-child(2) .diff_checkbox");
    page.until("document.querySelectorAll('.diff_checkbox:checked').length === 2");
    page.picture(&pictures.join("history.png"));
    page.click("#diff_button");
    page.until("document.querySelector('h2') && document.querySelector('h2').innerText === 'Difference hst_0278.pmap against hst_0279.pmap'");
    page.click(".accordion > h3");
    page.picture(&pictures.join("difference.png"));

    // The same person looks at what became of it, and certifies another file.
    page.open(&format!("{base}/login/"));
    page.fill("input[name=username]", "ann");
    page.fill("input[name=password]", PASSWORD);
    page.fill("select[name=instrument]", "wfc3");
    page.click("form[action='/login/'] input[type=submit]");
    page.until("document.querySelector('.locked_instrument')");
    page.open(&format!("{base}/delivery_status/"));
    page.until("document.querySelector('#crds_delivery_table').innerText.includes('delivered')");
    page.picture(&pictures.join("delivery_status.png"));
    page.open(&format!("{base}/batch_submit_references/"));
    page.until("document.querySelector('.upload_files').innerText.includes('No files')");
    page.picture(&pictures.join("batch.png"));
    page.open(&format!("{base}/browse_db/"));
    page.fill("select[name=extension]", "*");
    page.click("form[action='/browse_db/'] input[type=submit]");
    page.until(
        "document.querySelector('form table') && document.querySelector('form table').innerText.includes('hst_acs')",
    );
    page.picture(&pictures.join("browse_db.png"));
    // The boxes of this table have no class of their own, and make a difference too.
    page.click("form table tbody tr:nth-child(1) input[type=checkbox]");
    page.click("form table tbody tr:nth-child(2) input[type=checkbox]");
    page.click("#diff_button");
    page.until("document.querySelector('h2') && document.querySelector('h2').innerText.startsWith('Difference ')");
    page.open(&format!("{base}/browse/{NPOLFILE}"));
    page.click(".accordion > h3");
    page.picture(&pictures.join("browse.png"));
    page.open(&format!("{base}/certify/"));
    page.until("document.querySelector('form.upload_form')");
    page.pick_file("form.upload_form input[type=file]", &file);
    page.click("form.upload_form button[type=submit]");
    page.until(&format!("document.querySelector('.upload_files').innerText.includes('{NPOLFILE}')"));
    page.click("input[value='Certify Files']");
    page.until("location.pathname.startsWith('/display_result/') && document.querySelector('.accordion')");
    page.click(".accordion > h3");
    page.until("document.querySelector('.accordion.open')");
    page.picture(&pictures.join("certified.png"));
}
