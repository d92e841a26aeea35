//! What an operator with a shell sees of a server that runs alone: logs of every request, directories, modes, links (SO
//! 3.3, 3.5, 15, 17).

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use crds_upgrade::stand_in::server::Era;
use crds_upgrade::stand_in::server::log::FileLog;
use regex::Regex;
use serde_json::json;

use super::web_browser::Site;
use super::web_chromium::serve;
use super::web_rules::OLDER;
use super::web_score::Score;

fn logged(era: Era) -> Site {
    Site::open_with(era, json!({}), |config| {
        config.dirs.create().expect("room for directories");
        let log = FileLog::open(&config.dirs.logs, config.era.dialect().stpipe_log, config.zone.clone());
        config.log = Arc::new(log.expect("room for logs"));
    })
}

fn lines(site: &Site, name: &str) -> Vec<String> {
    let text = fs::read_to_string(site.data.join("logs").join(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn all_fit(lines: &[String], pattern: &str) -> bool {
    let pattern = Regex::new(&format!("^(?:{pattern})$")).expect("a fixed pattern");
    !lines.is_empty() && lines.iter().all(|line| pattern.is_match(line))
}

#[test]
fn every_request_is_logged() {
    let mut score = Score::default();
    for era in [Era::Y2019, Era::Y2014] {
        let site = logged(era);
        let (_runtime, address) = serve(&site);
        let say = |text: &str| {
            let mut stream = std::net::TcpStream::connect(address).expect("the server listens");
            stream.write_all(text.as_bytes()).expect("the server listens");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("an answer");
            answer
        };
        let answer = say("GET /login/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: 192.0.2.84\r\n\r\n");
        score.step("SO 15", "answered", answer.starts_with("HTTP/1.1 200 "));
        say("POST /mark_bad/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        say("GET /nowhere/%22%5C HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        say("POST /json/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}");
        say("GET /unchecked_get/mappings/hst/hst_0279.pmap HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let mut ann = site.login("ann", "none");
        let fields = [("pmap_mode", "pmap_text"), ("pmap_text", OLDER), ("context_type", "edit"), ("description", "d")];
        ann.post("/set_default_context/", &fields);
        ann.get("/edit_context_history/99/x/");
        ann.get("/docs/nosuch/");

        let at = r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [-+]\d{4}\]";
        let access = lines(&site, "ssl_access_log");
        score.same("SO 15.2", "one line per request", access.len(), 5);
        score.step(
            "SO 15.2",
            "common format",
            all_fit(&access, &format!(r#"127\.0\.0\.1 - - {at} "(GET|POST) \S+ HTTP/1\.1" \d{{3}} (\d+|-)"#)),
        );
        let statuses: Vec<&str> = access.iter().filter_map(|line| line.rsplit(' ').nth(1)).collect();
        score.same("SO 15.2", "the only file with statuses", statuses, vec!["200", "403", "404", "200", "200"]);
        let request = lines(&site, "ssl_request_log");
        score.same("SO 15.2", "again without a status", request.len(), 5);
        score.step("SO 15.2", "its form", all_fit(&request, &format!(r#"{at} 127\.0\.0\.1 \S+ \S+ "[^"]+" (\d+|-)"#)));
        let forwarded = lines(&site, "xfor_request_log");
        score.step(
            "SO 15.2",
            "the client behind the proxy in parentheses",
            all_fit(&forwarded, &format!(r#"{at} 127\.0\.0\.1 \((192\.0\.2\.84|-)\) "[^"]+" (\d+|-)"#))
                && forwarded[0].contains("(192.0.2.84)"),
        );
        score.same("SO 15.2", "nearly empty, because traffic is logged elsewhere", lines(&site, "access_log").len(), 0);
        let (application, other, form) = if era == Era::Y2014 {
            let day = r"\[[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d \d{4}\]";
            ("error_log", "ssl_error_log", format!(r"{day} \[(error\] CRDS  : (INFO|WARNING|ERROR) +.*|notice\] .*)"))
        } else {
            let day = r"\[[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d\.\d{6} \d{4}\]";
            (
                "ssl_error_log",
                "error_log",
                format!(r"{day} \[wsgi:error\] \[pid \d+\] CRDS - (INFO|WARNING|ERROR) -  .*"),
            )
        };
        let said = lines(&site, application);
        score.step("SO 15.2", "application output", all_fit(&said, &form));
        let has = |text: &str| said.iter().any(|line| line.ends_with(text));
        score.step("SO 15.2", "requests", has("REQUEST: /login/ GET ajax=False"));
        score.step("SO 15.2", "contexts", has(&format!("Setting 'hst' default 'edit' context to '{OLDER}'")));
        if era != Era::Y2014 {
            score.step(
                "SO 15.2",
                "unhandled exceptions at INFO",
                ["EXCEPTION REPR: ", "EXCEPTION STR: ", "EXCEPTION TRACEBACK:"]
                    .iter()
                    .all(|text| said.iter().any(|line| line.contains(&format!("CRDS - INFO -  {text}")))),
            );
        }
        let apache = lines(&site, if era == Era::Y2014 { application } else { other });
        score.same(
            "SO 15.2",
            "one start",
            apache.iter().filter(|line| line.ends_with("configured -- resuming normal operations")).count(),
            1,
        );
        let events = lines(&site, "meta_events.log");
        if era == Era::Y2014 {
            score.same("SO 15.2", "meta_events.log is of 2018", events.len(), 0);
        } else {
            score.step(
                "SO 15.2",
                "context sets",
                all_fit(&events, &format!(r"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{{6}})? .*edit.*{OLDER}.*")),
            );
        }
        let secrets = ["error_log", "ssl_error_log", "ssl_access_log", "ssl_request_log", "meta_events.log"];
        score.step(
            "SO 23",
            "no password in a log",
            secrets
                .iter()
                .all(|name| lines(&site, name).iter().all(|line| !line.contains(super::web_browser::PASSWORD))),
        );
    }
    score.finish("logs", 29);
}

#[test]
fn directories_and_modes() {
    let mut score = Score::default();
    let site = Site::open(Era::Y2019);
    let mode = |path: &Path| fs::metadata(path).map(|meta| meta.mode() & 0o7777).unwrap_or_default();
    for (dir, wanted) in [
        ("file_cache/mappings/hst", 0o6744),
        ("file_cache/references/hst", 0o6744),
        ("deliveries", 0o6770),
        ("ingest", 0o6770),
        ("uploads", 0o6770),
        ("catalogs", 0o6750),
        ("logs", 0o6700),
    ] {
        score.same("SO 3.3", dir, format!("{:o}", mode(&site.data.join(dir))), format!("{wanted:o}"));
    }
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).unwrap_or_default();
    let first = device(&site.data);
    for dir in ["uploads", "ingest", "file_cache/references/hst", "deliveries", "catalogs"] {
        score.same("B089", "one file system", device(&site.data.join(dir)), first);
    }
    for entry in fs::read_dir(site.data.join("file_cache/mappings/hst")).expect("the cache").flatten() {
        score.same("SO 3.3", "delivered files are immutable", mode(&entry.path()) & 0o777, 0o444);
    }
    let mut ann = site.login("ann", "none");
    score.step("SO 3.3", "a user's ingest directory is private", mode(&site.data.join("ingest/ann")) & 0o7 == 0);
    ann.upload("x.fits", b"x");
    let meta = fs::metadata(site.data.join("ingest/ann/x.fits")).expect("the upload");
    score.same("WP 3.5", "an upload is one link, its temporary file gone", meta.nlink(), 1);
    score.same(
        "WP 3.5",
        "nothing stays in uploads",
        fs::read_dir(site.data.join("uploads")).map(Iterator::count).ok(),
        Some(0),
    );
    score.finish("directories and modes", 20);
}
