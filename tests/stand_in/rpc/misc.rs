//! WP 1.7, 3.4, 3.9: remote contexts, submission info, status channels, deliveries, the catalogue as a database, locks.

use std::io::Read;

use crds_upgrade::stand_in::server::Clock;
use serde_json::{Value, json};

use super::{bench::Bench, mini::Load};
use crate::web_score::Score;

#[test]
fn remote_contexts() {
    let load = Load::ordinary()
        .with("remote_contexts", json!([{"name": "hst-ops-pipeline", "observatory": "hst", "kind": "operational", "key": "k_1", "context": "hst_0002.pmap"}]))
        .with("users", json!([{"username": "jdoe", "password": "secret1"}]));
    let bench = Bench::new(&load);
    let mut score = Score::default();
    let get = || bench.said("get_remote_context", json!(["hst", "hst-ops-pipeline"]));
    score.same("1.7", "what was pushed last", get(), json!("hst_0002.pmap"));
    for (params, wanted, what) in [
        (json!(["hst", "operational", "k_1", "hst_0001.pmap"]), Value::Null, "a push answers null"),
        (
            json!(["hst", "operational", "other", "hst_0001.pmap"]),
            json!("OtherError: RemoteContextModel matching query does not exist."),
            "an unregistered key",
        ),
        (
            json!(["hst", "operational", "k_1", "hst_acs_0001.imap"]),
            json!("OtherError: Pushed context is not a valid .pmap name."),
            "an imap",
        ),
        (
            json!(["hst", "operational", "k_1", "hst_9999.pmap"]),
            json!("UnknownFile: File 'hst_9999.pmap' is not known to CRDS."),
            "an unknown context",
        ),
        (json!(["hst", "operational", "k_1", "hst-edit"]), Value::Null, "a symbol is resolved"),
    ] {
        score.same("1.7", what, bench.said("push_remote_context", params), wanted);
    }
    score.same("1.7", "the resolved context is stored", get(), json!("hst_0003.pmap"));
    bench.said("push_remote_context", json!(["hst", "operational", "k_1", "2013-06-02"]));
    score.same("1.7", "so is a date's", get(), json!("hst_0002.pmap"));
    let info = bench.said("get_submission_info", json!(["hst", "jdoe"]));
    score.same(
        "1.7",
        "kinds of submissions",
        info["submission_kinds"].clone(),
        json!(["batch", "mapping", "reference", "add", "delete"]),
    );
    score.step(
        "1.7",
        "host, ingest directory, user",
        info["ingest_dir"].as_str().is_some_and(|d| d.starts_with("plhstcrdsv1:/") && d.ends_with("/ingest/jdoe")),
    );
    score.step("1.7", "nothing is looked up on disk", !bench.data("ingest/jdoe").exists());
    score.step(
        "1.7",
        "* is everybody",
        bench.said("get_submission_info", json!(["hst", "*"]))["ingest_dir"]
            .as_str()
            .is_some_and(|d| d.ends_with("/*")),
    );
    let twice = json!([
        {"name": "p", "observatory": "hst", "kind": "operational", "key": "k", "context": "hst_0001.pmap"},
        {"name": "p", "observatory": "hst", "kind": "operational", "key": "k", "context": "hst_0002.pmap"},
        {"name": "q", "observatory": "jwst", "kind": "operational", "key": "q", "context": "jwst_0001.pmap"},
    ]);
    let twice = Bench::new(&Load::ordinary().with("remote_contexts", twice));
    let many = json!("OtherError: get() returned more than one RemoteContextModel -- it returned 2!");
    score.same("1.7", "two of one name", twice.said("get_remote_context", json!(["hst", "p"])), many.clone());
    score.same(
        "1.7",
        "two of one key",
        twice.said("push_remote_context", json!(["hst", "operational", "k", "hst_0001.pmap"])),
        many,
    );
    score.same(
        "1.7",
        "another observatory's",
        twice.said("get_remote_context", json!(["hst", "q"])),
        json!("OtherError: RemoteContextModel matching query does not exist."),
    );
    score.finish("rpc remote contexts and submission info", 14);
}

#[test]
fn channels() {
    let bench = Bench::new(&Load::ordinary().with("users", json!([{"username": "jdoe", "password": "secret1"}])));
    let mut score = Score::default();
    let pull = |key: Value, since: Value| bench.said("jpoll_pull_messages", json!([key, since]));
    let good = json!("12345678-1234-1234-1234-1234567890ab");
    for (since, text) in [
        (json!("x"), "invalid literal for int() with base 10: 'x'"),
        (json!(""), "invalid literal for int() with base 10: ''"),
        (json!("1.5"), "invalid literal for int() with base 10: '1.5'"),
        (json!("o'x"), "invalid literal for int() with base 10: \"o'x\""),
        (Value::Null, "int() argument must be a string, a bytes-like object or a number, not 'NoneType'"),
        (json!([]), "int() argument must be a string, a bytes-like object or a number, not 'list'"),
        (json!({}), "int() argument must be a string, a bytes-like object or a number, not 'dict'"),
    ] {
        score.same("1.7", &format!("since {since}"), pull(good.clone(), since), json!(format!("OtherError: {text}")));
    }
    // Python shows at most 200 characters of the text's repr.
    let cut = format!("OtherError: invalid literal for int() with base 10: '{}", "x".repeat(199));
    score.same("1.7", "a long text is cut", pull(good.clone(), json!("x".repeat(200))), json!(cut));
    score.same(
        "1.7",
        "a lone surrogate is shown by its number",
        bench.post(r#"{"jsonrpc": "1.0", "method": "jpoll_pull_messages", "params": ["\ud800", "0"], "id": 1}"#),
        r#"{"error": {"name": "OtherError", "code": 500, "message": "OtherError: Badly formatted jpoll_key '\\ud800'", "data": null}, "jsonrpc": "1.0", "id": 1, "result": null}"#.to_owned(),
    );
    score.same(
        "1.7",
        "one final newline of a key passes, and then is not known",
        pull(json!("12345678-1234-1234-1234-1234567890ab\n"), json!("0")),
        json!("OtherError: Channel key '12345678-1234-1234-1234-1234567890ab\n' not found."),
    );
    for key in [
        "",
        "x",
        "12345678-1234-1234-1234-1234567890a",
        "12345678-1234-1234-1234-1234567890abc",
        "12345678_1234-1234-1234-1234567890ab",
        "JPOLL-KEY-2014",
    ] {
        score.same(
            "1.7",
            &format!("key {key:?}"),
            pull(json!(key), json!("0")),
            json!(format!("OtherError: Badly formatted jpoll_key '{key}'")),
        );
    }
    score.same(
        "1.7",
        "since is looked at before the key",
        pull(json!("x"), json!("x")),
        json!("OtherError: invalid literal for int() with base 10: 'x'"),
    );
    score.same(
        "3.9",
        "an unknown channel",
        pull(good.clone(), json!("0")),
        json!("OtherError: Channel key '12345678-1234-1234-1234-1234567890ab' not found."),
    );
    let mut session = bench.server.start_session(Some("jdoe")).expect("session");
    let key = bench.server.open_channel(&mut session).expect("channel");
    for since in [json!("0"), json!(" -1 "), json!(0), json!(-1), json!(true), json!(1.9), json!("1_0"), json!("１０")]
    {
        score.same("1.7", &format!("an empty channel since {since}"), pull(json!(key), since), json!([]));
    }
    for since in [json!("9".repeat(30)), json!(-1e30)] {
        let wanted = json!("OtherError: Python int too large to convert to SQLite INTEGER");
        score.same("1.7", &format!("beyond 64 bits: {since}"), pull(json!(key), since), wanted);
    }
    bench.server.push_status(&key, "Processing 'x' & <y>").expect("push");
    bench.server.push_done(&key, 0, "http://server//display_result/1").expect("done");
    let all = pull(json!(key), json!("-1"));
    score.same(
        "3.9",
        "a log message is HTML-escaped",
        all[0]["data"].clone(),
        json!("Processing &#39;x&#39; &amp; &lt;y&gt;"),
    );
    score.same("3.9", "its type", all[0]["type"].clone(), json!("log_message"));
    score.same("3.9", "its channel", all[0]["channel"].clone(), json!(key));
    score.same("3.9", "done", all[1]["type"].clone(), json!("done"));
    score.same(
        "3.9",
        "done's data",
        all[1]["data"].clone(),
        json!({"status": 0, "result": "http://server//display_result/1"}),
    );
    score.step("3.9", "ids increase", all[1]["id"].as_i64() > all[0]["id"].as_i64());
    score.same("3.9", "2019 filters id > since", pull(json!(key), all[0]["id"].clone()), json!([all[1]]));
    let other = bench.server.open_channel(&mut session).expect("channel");
    score.step("3.9", "opening gives a new key each time", other != key);
    bench.server.push_status(&other, "x").expect("push");
    let mine = pull(json!(other), json!("0"));
    score.step("3.9", "ids are not per channel", mine[0]["id"].as_i64() > all[1]["id"].as_i64());
    score.finish("rpc status channels", 28);
}

#[test]
fn deliveries() {
    let actions = "date\tuser\taction\tfilename\tobservatory\tinstrument\tfilekind\twhy\tdetails\n\
        2014-01-01 00:00:00.000001\tjdoe\tbatch submit\topus_1_i.cat\thst\t\t\tfirst\tx\n\
        2014-02-01 00:00:00\tjdoe\tbatch submit\thst_0002.pmap\thst\t\t\tno catalogue\tx\n\
        2014-03-01 00:00:00\tjdoe\tsubmit file\topus_2_i.cat\thst\t\t\tsecond\tx\n\
        2014-04-01 00:00:00\tjdoe\tsubmit file\topus_3_i.cat\thst\t\t\tthird\tx\n";
    let load = Load::ordinary()
        .rows(&[
            ("abc_bia.fits", &[("rejected", "1")]),
            ("hst_0003.pmap", &[("state", "delivered"), ("catalog_link", "opus_2_i.cat")]),
        ])
        .file("actions.tsv", actions)
        .file("catalogs/opus_1_i.cat", "hst_0001.pmap\nabc_bia.fits\n")
        .file("catalogs/opus_2_i.cat", "hst_0003.pmap\n")
        .file("deliveries/opus_2_i.cat_SUBMIT", "hst_0003.pmap\n");
    let bench = Bench::new(&load);
    let mut score = Score::default();
    let seen = bench.said("get_delivery_status", json!([null]));
    score.same(
        "1.7",
        "newest first, .cat rows only",
        seen.as_array()
            .map(|rows| rows.iter().map(|r| r["catalog"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()),
        Some(vec!["opus_3_i.cat".to_owned(), "opus_2_i.cat".to_owned(), "opus_1_i.cat".to_owned()]),
    );
    score.same("1.7", "a catalogue that cannot be read", seen[0]["status"].clone(), json!("delivery corrupt"));
    score.same("1.7", "a stage of the archive", seen[1]["status"].clone(), json!("submitted"));
    score.same("1.7", "the displayed status of the first file", seen[2]["status"].clone(), json!("bad"));
    score.same("1.7", "files sorted", seen[2]["files"].clone(), json!(["abc_bia.fits", "hst_0001.pmap"]));
    score.same(
        "1.7",
        "action and why",
        (seen[2]["action"].clone(), seen[2]["description"].clone()),
        (json!("batch submit"), json!("first")),
    );
    score.same("1.7", "the date as stored", seen[2]["date"].clone(), json!("2014-01-01 00:00:00.000001"));
    let since = |date: &str| bench.said("get_delivery_status", json!([date])).as_array().map_or(0, Vec::len);
    score.same("1.7", "since, as text", since("2014-03-01 00:00:00"), 2);
    score.same("1.7", "since, a second later", since("2014-03-01T00:00:01"), 1);
    score.same("1.7", "since the future", since("2020-01-01 00:00:00"), 0);
    // Written in any order, shown by date; a catalogue with an empty line begins with an unknown file.
    let mixed = "date\tuser\taction\tfilename\n\
        2014-03-01 00:00:00\tjdoe\tbatch submit\topus_5_i.cat\n\
        2014-01-01 00:00:00\tjdoe\tbatch submit\topus_6_i.cat\n\
        2014-03-01 00:00:00\tjdoe\tbatch submit\topus_7_i.cat\n";
    let mixed = Bench::new(
        &Load::ordinary()
            .file("actions.tsv", mixed)
            .file("catalogs/opus_5_i.cat", "hst_0001.pmap\n\n")
            .file("catalogs/opus_6_i.cat", "")
            .file("catalogs/opus_7_i.cat", "nowhere.fits\n"),
    );
    let rows = mixed.said("get_delivery_status", json!([null]));
    score.same(
        "1.7",
        "newest by date first, of one date the later row",
        ["catalog", "files", "status"].map(|key| [0, 1, 2].map(|at| rows[at][key].clone())),
        [
            ["opus_7_i.cat", "opus_5_i.cat", "opus_6_i.cat"].map(|name| json!(name)),
            [json!(["nowhere.fits"]), json!(["", "hst_0001.pmap"]), json!([])],
            ["delivery corrupt"; 3].map(|status| json!(status)),
        ],
    );
    score.finish("rpc delivery status", 11);
}

#[test]
fn sqlite_database() {
    let bench = Bench::new(
        &Load::ordinary()
            .rows(&[])
            .with("users", json!([{"username": "jdoe", "password": "secret1", "email": "jdoe@x"}])),
    );
    let mut score = Score::default();
    let text = bench.said("get_sqlite_db", json!(["hst"])).as_str().unwrap_or_default().to_owned();
    let packed = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &text).unwrap_or_default();
    let mut bytes = Vec::new();
    let unpacked = flate2::read::ZlibDecoder::new(packed.as_slice()).read_to_end(&mut bytes);
    score.step("1.6", "base64 of zlib, no wrapper", unpacked.is_ok());
    score.step("1.6", "an SQLite file", bytes.starts_with(b"SQLite format 3\0"));
    let path = bench.data("copy.sqlite3");
    std::fs::write(&path, &bytes).expect("copy");
    let db = rusqlite::Connection::open(&path).expect("opens");
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap_or(-1);
    score.same("1.7", "the catalogue", count("select count(*) from crds_hst_catalog"), 21);
    score.same("1.7", "the history", count("select count(*) from crds_hst_context_history"), 3);
    score.same("1.7", "the contexts", count("select count(*) from crds_hst_contexts"), 2);
    let named = "select count(*) from crds_hst_contexts where name = 'hst_operational_context'";
    score.same("1.7", "contexts are told by their names", count(named), 1);
    score.same("1.7", "users stay behind", count("select count(*) from auth_user"), -1);
    score.step("1.7", "no password in it", !bytes.windows(6).any(|w| w == b"pbkdf2"));
    score.finish("rpc sqlite database", 8);
}

#[test]
fn locks_and_sessions() {
    let load = Load::ordinary()
        .with("users", json!([{"username": "jdoe", "password": "secret1", "groups": ["file_submission"]}, {"username": "mary", "password": "secret2", "is_superuser": true}]))
        .with("locks", json!([
            {"name": "instrument$acs", "user": "jdoe", "created_on": "2014-09-16 11:00:00", "max_age": 14400},
            {"name": "instrument$acs$jdoe", "user": "jdoe", "created_on": "2014-09-16 11:00:00", "max_age": 14400},
            {"name": "instrument$cos", "user": "mary", "created_on": "2014-09-16 01:00:00", "max_age": 14400},
        ]));
    let bench = Bench::new(&load);
    let server = &bench.server;
    let mut score = Score::default();
    let status = server.lock_status("jdoe").expect("status").expect("lock");
    score.same("3.4", "three of four hours are left", status.time_remaining(), "3:00:00".to_owned());
    score.same("3.4", "the lock's id", status.id(), "instrument - acs - jdoe - 2014-09-16T11:00:00".to_owned());
    let expired = server.lock_status("mary").expect("status").expect("lock");
    score.same("3.4", "an expired lock is still there", (expired.is_expired, expired.name.as_str()), (true, "cos"));
    score.same("3.4", "it counts as no lock", server.live_lock("mary").expect("live"), None);
    score.same(
        "3.3",
        "held by somebody else",
        server.take_lock("mary", "acs").map(drop).map_err(|r| r.text),
        Err("User 'jdoe' has already locked instrument 'acs'.".to_owned()),
    );
    score.step(
        "3.3",
        "the server waits up to 2 s",
        bench.clock.now() >= "2014-09-16T16:00:02Z".parse().expect("moment"),
    );
    score.same(
        "3.4",
        "anybody may take an expired one over",
        server.take_lock("jdoe", "cos").map(|l| l.name).ok(),
        Some("cos".to_owned()),
    );
    score.same("3.3", "another lock is released first", server.lock_owner("acs").expect("owner"), None);
    let first = server.take_lock("jdoe", "cos").expect("again");
    score.same(
        "3.3",
        "2019 keeps the same lock",
        server.take_lock("jdoe", "cos").map(|l| l.id()).ok(),
        Some(first.id()),
    );
    bench.clock.sleep(std::time::Duration::from_secs(3600));
    server.refresh_lock("jdoe").expect("refresh");
    score.same(
        "3.4",
        "pushed forward by a request",
        server.lock_status("jdoe").expect("s").map(|l| l.time_remaining()),
        Some("4:00:00".to_owned()),
    );
    score.same("3.4", "with the same id", server.lock_status("jdoe").expect("s").map(|l| l.id()), Some(first.id()));
    server.release_locks("jdoe").expect("release");
    score.same("3.4", "released", server.lock_status("jdoe").expect("s"), None);
    score.step("3.3", "a right password", server.authenticate("jdoe", "secret1").expect("auth").is_some());
    for (user, password) in [("jdoe", "secret2"), ("jdoe", ""), ("", ""), ("nobody", "secret1"), ("JDOE", "secret1")] {
        score.step(
            "3.3",
            &format!("{user:?} with {password:?} is refused"),
            server.authenticate(user, password).expect("auth").is_none(),
        );
    }
    let session = server.start_session(Some("jdoe")).expect("session");
    bench.clock.sleep(std::time::Duration::from_secs(18 * 3600 - 1));
    score.step("3.1", "a session lasts 18 h", server.session(&session.key).expect("s").is_some());
    bench.clock.sleep(std::time::Duration::from_secs(2));
    score.step("3.1", "and no longer", server.session(&session.key).expect("s").is_none());
    score.finish("locks and sessions", 20);
}
