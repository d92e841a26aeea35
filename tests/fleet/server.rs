//! The web server and what stands around it: what is installed decides how it behaves.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Fleet, program};

/// The status and text of an answer; `None` if nobody answers.
fn get(fleet: &Fleet, port: u16, path: &str) -> Option<(u16, String)> {
    let url = format!("https://{}:{port}{path}", fleet.address("ops"));
    let answer = client(fleet).get(url).send().ok()?;
    Some((answer.status().as_u16(), answer.text().ok()?))
}

fn client(fleet: &Fleet) -> reqwest::blocking::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let pem = fs::read(fleet.root().join("ca/ca.pem")).expect("the authority");
    let authority = reqwest::Certificate::from_pem(&pem).expect("a certificate");
    reqwest::blocking::Client::builder()
        .tls_certs_only([authority])
        .no_proxy()
        .timeout(Duration::from_secs(20))
        .build()
        .expect("a client")
}

/// Waits for what another process does in real time.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} does not come about");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn tree(fleet: &Fleet) -> PathBuf {
    fleet.host_root("ops").join("crds/data1/plhstcrdsv1")
}

fn log(fleet: &Fleet, name: &str) -> String {
    fs::read_to_string(tree(fleet).join("server/logs").join(name)).unwrap_or_default()
}

fn server_module(fleet: &Fleet, name: &str) -> PathBuf {
    tree(fleet).join("python/lib/python/crds/server").join(name)
}

fn set_text(path: &Path, change: impl Fn(String) -> String) {
    let text = fs::read_to_string(path).expect("read");
    fs::write(path, change(text)).expect("written");
}

const STOP: &str = "bash $HOST_ROOT/crds/data1/plhstcrdsv1/CRDS_server/stop";
const RUN: &str = "bash $HOST_ROOT/crds/data1/plhstcrdsv1/CRDS_server/run 2>&1; echo status $?";

fn stop(fleet: &Fleet) {
    fleet.sh("ops", STOP);
    until("the end of the server", || fleet.sh("ops", "ps -C httpd,memcached -o pid=").is_empty());
}

#[test]
fn what_is_installed_decides_what_is_served() {
    let fleet = Fleet::up("ops");
    let (status, page) = get(&fleet, 8001, "/").expect("an answer");
    assert_eq!(status, 200, "{page}");
    assert!(get(&fleet, 8002, "/").is_none(), "nobody listens on the backup port");

    // One parent; its map names the module and the library of the linked stack.
    let parent = fs::read_to_string(tree(&fleet).join("server/run/httpd.pid")).expect("a pid file");
    let maps = fs::read_to_string(format!("/proc/{}/maps", parent.trim())).expect("a process");
    let stack = fs::canonicalize(tree(&fleet).join("lib/mod_wsgi.so")).expect("a link");
    assert!(maps.contains(&*stack.to_string_lossy()) && maps.contains("libpython"), "{maps}");

    // The old release lacks a page of the new one.
    assert_eq!(get(&fleet, 8001, "/display_all_contexts/").map(|(status, _)| status), Some(404));

    // A worker goes on with what it has imported; the next one has what is installed then.
    let views = server_module(&fleet, "interactive/views.py");
    let sound = fs::read_to_string(&views).expect("a module");
    set_text(&views, |text| format!("import nosuchmodule\n{text}"));
    assert_eq!(get(&fleet, 8001, "/").map(|(status, _)| status), Some(200));
    let mut broken = None;
    for request in 0..450 {
        let (status, page) = get(&fleet, 8001, "/").expect("no request is lost when workers change");
        if status == 500 {
            broken = Some((request, page));
            break;
        }
    }
    let (request, page) = broken.expect("a new worker imports what is installed");
    assert!(request > 380, "not before 400 requests: {request}");
    assert!(page.contains("Internal Server Error"));
    let said = log(&fleet, "ssl_error_log") + &log(&fleet, "error_log");
    assert!(said.contains("ImportError: No module named nosuchmodule"), "{said}");
    assert!(said.contains("Exception occurred processing WSGI script"), "{said}");
    fs::write(&views, sound).expect("written");
    assert_eq!(get(&fleet, 8001, "/").map(|(status, _)| status), Some(200), "a failed import is tried again");

    // The port of the configuration, and nothing else, decides where it listens.
    stop(&fleet);
    assert!(!tree(&fleet).join("server/run/httpd.pid").exists());
    for file in ["conf/httpd.conf", "conf/ssl.conf"] {
        set_text(&tree(&fleet).join("server").join(file), |text| text.replace("8001", "8002"));
    }
    assert!(fleet.sh("ops", RUN).ends_with("status 0"));
    until("the backup port", || get(&fleet, 8002, "/").is_some());
    assert!(get(&fleet, 8001, "/").is_none());
}

#[test]
fn no_request_of_many_at_once_is_lost_when_workers_change() {
    let fleet = Fleet::up("ops");
    // Three shares of 400, by both doors: the proxy has no second answer for a connection that was closed on it.
    let lost: usize = std::thread::scope(|threads| {
        let asking = |port| (0..200).filter(|_| get(&fleet, port, "/").map(|(status, _)| status) != Some(200)).count();
        let visitors: Vec<_> =
            [8001, 8443, 8443, 8001, 8443, 8443].map(|port| threads.spawn(move || asking(port))).into();
        visitors.into_iter().map(|visitor| visitor.join().expect("a visitor")).sum()
    });
    assert_eq!(lost, 0, "of 1,200 requests");
}

#[test]
fn a_server_that_cannot_start_says_so_as_apache_does() {
    let fleet = Fleet::up("ops");
    let twice =
        fleet.sh("ops", "httpd -f $HOST_ROOT/crds/data1/plhstcrdsv1/server/conf/httpd.conf 2>&1; echo status $?");
    assert!(twice.contains("(98)Address already in use: make_sock: could not bind to address [::]:8001"), "{twice}");
    assert!(twice.contains("no listening sockets available, shutting down") && twice.ends_with("status 1"), "{twice}");
    stop(&fleet);
    let link = tree(&fleet).join("lib/mod_wsgi.so");
    let module = fs::canonicalize(&link).expect("a link");
    let sound = fs::read(&module).expect("a module");
    fs::write(&module, "not a library").expect("written");
    let test =
        fleet.sh("ops", "httpd -t -f $HOST_ROOT/crds/data1/plhstcrdsv1/server/conf/httpd.conf 2>&1; echo status $?");
    assert!(test.contains("invalid ELF header") && test.ends_with("status 1"), "{test}");
    fs::write(&module, sound).expect("written");
    set_text(&tree(&fleet).join("server/conf/httpd.conf"), |text| text + "\nNosuchDirective on\n");
    let bad = fleet.sh("ops", RUN);
    assert!(bad.contains("Invalid command 'NosuchDirective'") && bad.ends_with("status 1"), "{bad}");
}

#[test]
fn the_proxy_shows_its_outage_page_and_notices_the_server_late() {
    let fleet = Fleet::up("ops");
    let (status, _) = get(&fleet, 8443, "/").expect("a proxy");
    assert_eq!(status, 200);
    assert!(log(&fleet, "ssl_access_log").lines().count() >= 1);
    stop(&fleet);
    let (status, page) = get(&fleet, 8443, "/").expect("a proxy");
    assert!(status == 503 && page.contains("Service Temporarily Unavailable"), "{status} {page}");
    assert!(fleet.sh("ops", RUN).ends_with("status 0"));
    until("the server", || get(&fleet, 8001, "/").is_some());
    assert_eq!(get(&fleet, 8443, "/").map(|(status, _)| status), Some(503), "it does not try again at once");
    fleet.sh("ops", "sleep 60");
    assert_eq!(get(&fleet, 8443, "/").map(|(status, _)| status), Some(200));
    // The public is there all the time: an outage that nobody else looked at is seen as well.
    fs::write(fleet.root().join("hosts/ops/run/proxy.json"), r#"{"visited": true}"#).expect("written");
    stop(&fleet);
    fleet.sh("ops", "sleep 5");
    assert!(fleet.sh("ops", RUN).ends_with("status 0"));
    until("the server", || get(&fleet, 8001, "/").is_some());
    assert_eq!(get(&fleet, 8443, "/").map(|(status, _)| status), Some(503), "the proxy rests");
    fleet.sh("ops", "sleep 60");
    assert_eq!(get(&fleet, 8443, "/").map(|(status, _)| status), Some(200));
}

#[test]
fn the_archive_takes_a_delivery_through_its_stages() {
    let fleet = Fleet::up("ops");
    let deliveries = fleet.host_root("ops").join("ifs/crds/hst/ops/server_files/deliveries");
    let deliver = "cd $HOST_ROOT/ifs/crds/hst/ops/server_files/deliveries; echo x > a.fits; echo a.fits > opus_9_i.cat";
    let names = || {
        let mut names: Vec<String> = fs::read_dir(&deliveries)
            .expect("a directory")
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.starts_with("opus_9") || name == "a.fits")
            .collect();
        names.sort();
        names.join(" ")
    };
    fleet.sh("ops", deliver);
    let mut seen = vec![names()];
    for _ in 0..12 {
        fleet.sh("ops", "sleep 10");
        if seen.last() != Some(&names()) {
            seen.push(names());
        }
    }
    assert_eq!(seen, ["a.fits opus_9_i.cat", "a.fits opus_9_i.cat_SUBMIT", "a.fits opus_9_i.cat_PROC", ""]);
    fs::write(fleet.root().join("hosts/ops/run/archive.json"), r#"{"mode": "error"}"#).expect("written");
    fleet.sh("ops", deliver);
    fleet.sh("ops", "sleep 5m");
    assert_eq!(names(), "a.fits opus_9_i.cat_ERROR");
}

#[test]
fn a_saved_fleet_goes_on_where_it_stood_and_nothing_outlives_its_keeper() {
    let fleet = Fleet::up("ops");
    let copy = fleet.parent.path().join("copy");
    // A server's start is over, its line in the log included, when it answers; the command that starts it ends before.
    assert_eq!(get(&fleet, 8001, "/").map(|(status, _)| status), Some(200));
    let saved = fleet.sh("ops", "date +%s").parse::<i64>().expect("a time");
    let output =
        program().args(["fleet", "save", "--out"]).arg(&copy).arg("--root").arg(fleet.root()).output().expect("run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fleet.sh("ops", "sleep 5h; touch $HOME/later");
    assert_eq!(get(&fleet, 8001, "/").map(|(status, _)| status), Some(200), "the original goes on");
    let lines = log(&fleet, "error_log").matches("configured -- resuming").count();

    fleet.order(&["fleet", "down"]);
    until("the end of every process", || fleet.processes().is_empty());
    fs::rename(fleet.root(), fleet.parent.path().join("original")).expect("moved");
    fs::rename(&copy, fleet.root()).expect("moved");
    fleet.order(&["fleet", "resume"]);
    let now = fleet.sh("ops", "date +%s").parse::<i64>().expect("a time");
    assert!((saved..saved + 120).contains(&now), "fleet time stood still: {saved} {now}");
    assert_eq!(fleet.sh("ops", "ls $HOME/later 2>/dev/null"), "");
    assert_eq!(get(&fleet, 8001, "/").map(|(status, _)| status), Some(200));
    assert_eq!(get(&fleet, 8443, "/").map(|(status, _)| status), Some(200));
    assert_eq!(log(&fleet, "error_log").matches("configured -- resuming").count(), lines, "no start is logged");

    let keeper = fs::read_to_string(fleet.root().join("run/keeper.pid")).expect("a pid file");
    let killed = std::process::Command::new("kill").args(["-9", keeper.trim()]).status().expect("run");
    assert!(killed.success());
    until("the end of what the keeper left behind", || fleet.processes().is_empty());
}
