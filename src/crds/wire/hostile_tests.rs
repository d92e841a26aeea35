//! A server that answers with anything but what it should: each answer is an error that names host, object and next move,
//! comes within the client's own limit, and costs a bounded amount of memory.

use std::io::{Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::json;

use super::{Http, Rpc, WireError};
use crate::crds::web::{Login, Ready, Session};
use crate::host::record::{Call, CallId, NoRecord, Outcome, RecordError, Recorder};
use crate::plan::{Change, Role};
use crate::run::Permit;

/// What the server does with a connection on which a whole request has come; `id` is that of a JSON-RPC call.
type Answers = Box<dyn Fn(&mut TcpStream, &str) + Send + Sync>;

/// Time limit of each call.
const LIMIT: Duration = Duration::from_secs(2);

/// Most bytes of an answer.
const MOST: usize = 32 << 20;

struct Server {
    base: String,
    requests: Arc<AtomicUsize>,
}

/// A server whose every answer is `answers`. Its threads end with the test's process or when the client has gone.
fn serve(answers: Answers) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let requests = Arc::new(AtomicUsize::new(0));
    let (counted, answers) = (Arc::clone(&requests), Arc::new(answers));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            let answers = Arc::clone(&answers);
            std::thread::spawn(move || {
                let mut stream = stream;
                let id = request(&mut stream).unwrap_or_default();
                answers(&mut stream, &id);
            });
        }
    });
    Server { base, requests }
}

/// Reads a request; returns the id in its body.
fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        if body.len() >= length.unwrap_or(0) {
            let call: serde_json::Value = serde_json::from_str(body).ok()?;
            return Some(call.get("id")?.as_str()?.to_owned());
        }
    }
}

/// Writes; a client that has gone is what these tests are for.
fn put(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).is_ok()
}

fn page(status: &'static str, headers: &'static str, body: impl AsRef<[u8]> + Send + Sync + 'static) -> Answers {
    Box::new(move |stream, _| {
        let body = body.as_ref();
        put(stream, format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len()).as_bytes());
        put(stream, body);
    })
}

/// A body in which `%ID%` stands for the call's id.
fn json_rpc(body: String) -> Answers {
    Box::new(move |stream, id| {
        let body = body.replace("%ID%", id);
        put(stream, format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    })
}

/// Writes the bytes one by one, then the last one again and again.
fn drip(bytes: &'static [u8]) -> Answers {
    Box::new(move |stream, _| {
        let last = bytes[bytes.len() - 1];
        for byte in bytes.iter().copied().chain(std::iter::repeat(last)) {
            if !put(stream, &[byte]) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    })
}

/// Writes the beginning, then the piece again and again.
fn flood(start: &'static str, piece: &'static str) -> Answers {
    Box::new(move |stream, _| {
        put(stream, start.as_bytes());
        let piece = piece.repeat((1 << 16) / piece.len());
        while put(stream, piece.as_bytes()) {}
    })
}

/// Breaks the connection with a reset after some bytes.
fn reset(bytes: &'static [u8]) -> Answers {
    Box::new(move |stream, _| {
        put(stream, bytes);
        let _ = rustix::net::sockopt::set_socket_linger(&*stream, Some(Duration::ZERO));
    })
}

/// As [`reset`], when the client has had time to read.
fn reset_later(bytes: &'static [u8]) -> Answers {
    Box::new(move |stream, _| {
        put(stream, bytes);
        std::thread::sleep(LIMIT / 4);
        let _ = rustix::net::sockopt::set_socket_linger(&*stream, Some(Duration::ZERO));
    })
}

fn packed(result: &[u8]) -> String {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(result).expect("packs");
    base64::engine::general_purpose::STANDARD.encode(encoder.finish().expect("packs"))
}

fn rpc(base: &str) -> Rpc {
    let http = Http::open("ops", None, Arc::new(NoRecord)).expect("a client").at_most(MOST);
    Rpc::new(http, base).within(LIMIT)
}

/// Greatest size of this process so far, in bytes. Each test has a process of its own.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}

/// Asserts that an error is one that an operator can act on.
fn judge(case: &str, objects: &[&str], error: &WireError, took: Duration) {
    let (text, help) = (error.to_string(), error.help());
    assert!(text.contains("`ops`"), "{case}: host in {text}");
    assert!(objects.iter().any(|object| text.contains(object)), "{case}: one of {objects:?} in {text}");
    assert!(!help.is_empty() && help.len() < 300, "{case}: next move in {help}");
    assert!(text.chars().count() < 2500, "{case}: {} characters", text.len());
    assert!(!text.chars().any(char::is_control), "{case}: control characters in {text:?}");
    assert!(took < LIMIT * 2, "{case}: took {took:?}");
}

/// Cases of JSON-RPC: what the server does, and words of the error.
fn cases() -> Vec<(&'static str, Answers, &'static str)> {
    let info = |member: &str, value: &str| {
        let mut result = json!({"observatory": "hst", "operational_context": "hst_0279.pmap", "edit_context": "hst_0279.pmap",
            "bad_files_list": [], "crds_version": {"str": "1", "rev": "2", "svnurl": "3"},
            "reference_url": {"unchecked": {"hst": "u"}}, "mapping_url": {"unchecked": {"hst": "u"}}});
        result[member] = serde_json::from_str(value).expect("a value");
        json_rpc(json!({"error": null, "id": "%ID%", "result": result}).to_string())
    };
    vec![
        ("a page", page("200 OK", "Content-Type: text/html\r\n", "<html><h1>It works!</h1></html>"), "no JSON"),
        ("nothing", page("200 OK", "", ""), "no JSON"),
        ("half of an answer", json_rpc(r#"{"error": null, "id": "%ID%", "result": {"obs"#.into()), "no JSON"),
        ("bytes that are no text", page("200 OK", "", [0xff, 0xfe, 0, 1, 2, 3]), "no JSON"),
        ("a list", json_rpc("[1, 2]".into()), "no JSON object"),
        ("a text", json_rpc("\"%ID%\"".into()), "no JSON object"),
        ("no error member", json_rpc(r#"{"id": "%ID%", "result": {}}"#.into()), "without `error`"),
        (
            "an error that is a number",
            json_rpc(r#"{"error": 7, "id": "%ID%", "result": null}"#.into()),
            "unknown shape",
        ),
        ("another id", json_rpc(r#"{"error": null, "id": "x", "result": {}}"#.into()), "another request"),
        (
            "an id of another type",
            json_rpc(r#"{"error": null, "id": ["%ID%"], "result": {}}"#.into()),
            "another request",
        ),
        ("no result", json_rpc(r#"{"error": null, "id": "%ID%"}"#.into()), "without `result`"),
        ("a result that is none", json_rpc(r#"{"error": null, "id": "%ID%", "result": null}"#.into()), "observatory"),
        ("a number for a text", info("observatory", "5"), "observatory"),
        ("a text for a list", info("bad_files_list", "\"x\""), "bad_files_list"),
        ("a list of numbers", info("mappings", "[1]"), "mappings"),
        ("a list for an object", info("crds_version", "[\"1\"]"), "crds_version"),
        ("a number for a URL", info("mapping_url", "{\"unchecked\": {\"hst\": 1}}"), "mapping_url"),
        ("deep nesting", page("200 OK", "", "[".repeat(1 << 20)), "no JSON"),
        (
            "a value of ten megabytes",
            json_rpc(format!("{{\"error\": null, \"id\": \"{}\", \"result\": 1}}", "y".repeat(10 << 20))),
            "another request",
        ),
        ("a type of ten megabytes", info("observatory", &format!("[\"{}\"]", "y".repeat(10 << 20))), "observatory"),
        (
            "a refusal of ten megabytes",
            json_rpc(format!(
                "{{\"error\": {{\"name\": \"E\", \"message\": \"{}\\u0007\"}}, \"id\": \"%ID%\", \"result\": null}}",
                "no\\n\\u001b[2J".repeat(1 << 20)
            )),
            "refuses",
        ),
        ("a line of ten megabytes", page("200 OK", "", "<p>".to_owned() + &"x".repeat(10 << 20)), "no JSON"),
        ("words of ten megabytes", page("500 No", "", "x ".repeat(5 << 20)), "HTTP status 500"),
        ("ten million values", page("200 OK", "", format!("[{}0]", "0,".repeat(10 << 20))), "values"),
        ("more bytes than an answer may have", flood("HTTP/1.1 200 OK\r\n\r\n", "x"), "more than 33554432 bytes"),
        (
            "an absurd length",
            flood("HTTP/1.1 200 OK\r\nContent-Length: 4611686018427387904\r\n\r\n", "x"),
            "more than 33554432 bytes",
        ),
        (
            "a length that is not kept",
            Box::new(|stream, _| {
                put(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 4611686018427387904\r\n\r\nx");
            }),
            "lost",
        ),
        (
            "a length beyond numbers",
            Box::new(|stream, _| {
                put(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nx");
            }),
            "lost",
        ),
        (
            "a negative length",
            Box::new(|stream, _| {
                put(stream, b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx");
            }),
            "lost",
        ),
        (
            "two lengths",
            Box::new(|stream, _| {
                put(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx");
            }),
            "lost",
        ),
        (
            "an absurd piece",
            flood("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "x"),
            "",
        ),
        (
            "pieces that are none",
            Box::new(|stream, _| {
                put(stream, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx");
            }),
            "lost",
        ),
        ("headers without end", flood("HTTP/1.1 200 OK\r\n", "X-Y: z\r\n"), "lost"),
        ("a header without end", flood("HTTP/1.1 200 OK\r\nX: ", "y"), "lost"),
        ("answers that announce one", flood("", "HTTP/1.1 100 Continue\r\n\r\n"), ""),
        (
            "another protocol",
            Box::new(|stream, _| {
                put(stream, b"SSH-2.0-OpenSSH_8.0\r\n");
            }),
            "lost",
        ),
        ("a head that drips", drip(b"HTTP/1.1 200 OK\r\nX: yyyyyyyyyyyyyyyyyyy"), "within 2 s"),
        ("a body that drips", drip(b"HTTP/1.1 200 OK\r\n\r\n{\"error\": null, "), "within 2 s"),
        ("silence", Box::new(|_, _| std::thread::sleep(LIMIT * 3)), "within 2 s"),
        ("a reset", reset(b""), "lost"),
        ("a reset within the head", reset(b"HTTP/1.1 200 OK\r\nContent"), "lost"),
        ("a reset within the body", reset(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"error\""), "lost"),
        ("the end at once", Box::new(|_, _| ()), "lost"),
        ("a redirect to itself", page("302 Found", "Location: /json/\r\n", ""), "HTTP status 302"),
        ("a redirect without a place", page("301 Moved", "", ""), "HTTP status 301"),
        (
            "a packed bomb",
            json_rpc(format!(
                "{{\"error\": null, \"id\": \"%ID%\", \"result\": {{\"crds_encoded\": 1, \"crds_payload\": \"{}\"}}}}",
                packed(&vec![b' '; 300 << 20])
            )),
            "more than",
        ),
        (
            "a packed page",
            json_rpc(format!(
                "{{\"error\": null, \"id\": \"%ID%\", \"result\": {{\"crds_encoded\": 1, \"crds_payload\": \"{}\"}}}}",
                packed(b"<html>")
            )),
            "no JSON",
        ),
        (
            "a packed number",
            json_rpc(r#"{"error": null, "id": "%ID%", "result": {"crds_encoded": 1, "crds_payload": 5}}"#.into()),
            "without text",
        ),
        (
            "a packed text that is cut",
            json_rpc(
                r#"{"error": null, "id": "%ID%", "result": {"crds_encoded": 1, "crds_payload": "H4sIAAAA"}}"#.into(),
            ),
            "unpack",
        ),
        (
            "an encoding that was not asked for",
            page("200 OK", "Content-Encoding: gzip\r\n", [0x1f, 0x8b, 8, 0]),
            "no JSON",
        ),
    ]
}

#[test]
fn no_answer_of_a_hostile_server_is_taken_for_one() {
    let cases = cases();
    let before = peak();
    for (case, answers, words) in cases {
        let server = serve(answers);
        let began = Instant::now();
        let error = rpc(&server.base).server_info().expect_err(case);
        judge(case, &["get_server_info"], &error, began.elapsed());
        assert!(error.to_string().contains(words), "{case}: `{words}` in {error}");
        assert_eq!(server.requests.load(Ordering::SeqCst), 1, "{case}: asked once and no further");
    }
    let grown = peak().saturating_sub(before);
    assert!(grown < 1 << 30, "{} MB more memory", grown >> 20);
}

#[test]
fn another_host_is_never_led_to() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    other.set_nonblocking(true).expect("does not block");
    let to = format!("http://{}/", other.local_addr().expect("an address"));
    let location: &'static str = Box::leak(format!("Location: {to}\r\nSet-Cookie: sessionid=1\r\n").into_boxed_str());
    let redirect = || serve(page("302 Found", location, ""));
    let began = Instant::now();
    judge(
        "a call",
        &["get_server_info"],
        &rpc(&redirect().base).server_info().expect_err("a redirect"),
        began.elapsed(),
    );
    let permit = Permit::for_tests(Role::Ops, Change::Submit);
    let session = || {
        let http = Http::open("ops", None, Arc::new(NoRecord)).expect("a client").at_most(MOST);
        Session::anonymous(http, &redirect().base)
    };
    let ready = Ready {
        results_id: "7".into(),
        path: "/x/".into(),
        certified: vec![],
        renamed: vec![],
        warnings: vec![],
        page: crate::crds::web::Page { token: Some("t".into()), ..Default::default() },
    };
    let password = secrecy::SecretString::from("secret of the test".to_owned());
    let login = Login { username: "jdoe", password: &password, instrument: None };
    let http = Http::open("ops", None, Arc::new(NoRecord)).expect("a client");
    let errors = [
        ("a page", "/x/", session().page("/x/").map(drop)),
        ("a list of uploads", "/upload/list/", session().uploads().map(drop)),
        ("a channel", "/jpoll/open_channel/", session().open_channel(&permit, Role::Ops).map(drop)),
        ("a confirmation", "/submit_confirm/", session().confirm(&permit, Role::Ops, &ready).map(drop)),
        ("a login", "/login/", Session::login(http, &redirect().base, &login).map(drop)),
    ];
    for (case, object, result) in errors {
        let error = result.expect_err(case);
        judge(case, &[object, "page /login/", "`/login/`"], &error, began.elapsed());
        assert!(error.to_string().contains(&to), "{case}: where it leads in {error}");
        assert!(!error.to_string().contains("secret of the test"), "{case}");
    }
    assert!(other.accept().is_err(), "nobody came to the other host");
}

#[test]
fn no_page_of_a_hostile_server_is_a_success() {
    let long = "x".repeat(4 << 20);
    let bodies = [
        ("JSON for a page", r#"{"error": null}"#.to_owned()),
        ("nothing", String::new()),
        ("an error of megabytes", format!("<div class=error>ERROR: {long}</div>")),
        ("a line of megabytes", format!("<h2>{long}</h2>")),
        ("a token of megabytes", format!("<input name=csrfmiddlewaretoken value={long}>")),
        ("the phrase outside its mark", "<p>Submission Confirmed.</p>".to_owned()),
        ("the phrase beside an error", "<p class=success>Submission Confirmed.</p><p class=error>no</p>".to_owned()),
        ("a script", "<script>document.write('<p class=success>Submission Confirmed.</p>')</script>".to_owned()),
    ];
    let permit = Permit::for_tests(Role::Ops, Change::Submit);
    for (case, body) in bodies {
        let server = serve(page("200 OK", "", body));
        let session = || {
            let http = Http::open("ops", None, Arc::new(NoRecord)).expect("a client").at_most(MOST);
            Session::anonymous(http, &server.base)
        };
        let page = session().page("/x/").expect("a page");
        assert!(page.error().is_some() || !page.says("Submission Confirmed."), "{case}");
        assert!(page.gist().chars().count() <= 200, "{case}");
        let ready = Ready {
            results_id: "7".into(),
            path: "/x/".into(),
            certified: vec![],
            renamed: vec![],
            warnings: vec![],
            page: crate::crds::web::Page::default(),
        };
        for (object, result) in [
            ("result 7", session().confirm(&permit, Role::Ops, &ready).map(drop)),
            ("/x/", session().ready_again("/x/").map(drop)),
            ("/upload/list/", session().uploads().map(drop)),
            ("/jpoll/open_channel/", session().open_channel(&permit, Role::Ops).map(drop)),
            (
                "upload of `a.fits`",
                session().upload(&permit, Role::Ops, crate::plan::Era::Y2019, "a.fits", b"x").map(drop),
            ),
        ] {
            let began = Instant::now();
            judge(case, &[object, "page /login/", "`/login/`"], &result.expect_err(case), began.elapsed());
        }
    }
}

/// Keeps what was recorded of the answers.
#[derive(Default)]
struct Kept(Mutex<Vec<(String, Vec<u8>)>>);

impl Recorder for Kept {
    fn began(&self, _call: &Call<'_>) -> Result<CallId, RecordError> {
        Ok(CallId(1))
    }

    fn ended(&self, _id: CallId, outcome: &Outcome<'_>) -> Result<(), RecordError> {
        let kept = (format!("{:?}", outcome.status), outcome.stdout.to_vec());
        self.0.lock().expect("one thread").push(kept);
        Ok(())
    }

    fn secret(&self, _value: &secrecy::SecretString) {}
}

#[test]
fn what_came_before_the_break_is_recorded() {
    let cases: [(Answers, &[u8]); 3] = [
        (reset_later(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nTraceback"), b"Traceback"),
        (drip(b"HTTP/1.1 200 OK\r\n\r\nTraceback "), b"Traceback"),
        (flood("HTTP/1.1 200 OK\r\n\r\nTraceback", "x"), b"Traceback"),
    ];
    for (answers, beginning) in cases {
        let server = serve(answers);
        let kept = Arc::new(Kept::default());
        let http = Http::open("ops", None, Arc::<Kept>::clone(&kept)).expect("a client").at_most(MOST);
        let error = Rpc::new(http, &server.base).within(LIMIT).server_info().expect_err("no answer");
        let kept = kept.0.lock().expect("one thread");
        let [(status, body)] = kept.as_slice() else { panic!("{} records", kept.len()) };
        assert!(body.starts_with(beginning) && body.len() <= 1 << 20, "{error}: {status}, {} bytes", body.len());
    }
}
