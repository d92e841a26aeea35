//! Users, locks, uploads, channels (WP 3.3 to 3.5, 3.9).

use serde_json::json;

use super::web_browser::{Browser, PASSWORD, Site};
use super::web_score::Score;

/// WP 3.3.
pub fn logins(score: &mut Score, site: &Site) {
    for (user, password) in [("ann", "wrong"), ("nobody", PASSWORD), ("", PASSWORD), ("ann", "")] {
        let mut visitor = site.visitor();
        let page = visitor.log_in(user, password, "none");
        score.same("WP 3.3", "bad password: status 200", page.status, 200);
        score.same("WP 3.3", "login page again", page.h2(), vec!["Login".to_owned()]);
        score.same("WP 3.3", "its mark", page.picks("div#error_login.error").len(), 1);
        score.step("WP 3.3", "csrftoken, no session", page.sets("csrftoken") && !page.sets("sessionid"));
    }
    let mut ann = site.visitor();
    ann.get("/login/");
    let before = ann.cookies.get("csrftoken").cloned();
    let page = ann.log_in("ann", PASSWORD, "acs");
    score.same("WP 3.3", "success: 302 to next", (page.status, page.header("location")), (302, "/".to_owned()));
    score.step("WP 3.1", "both cookies", page.sets("sessionid") && page.sets("csrftoken"));
    score.step("WP 3.1", "a new token with each login", ann.cookies.get("csrftoken").cloned() != before);
    score.step("WP 3.3", "the ingest directory", site.data.join("ingest/ann").is_dir());
    score.step(
        "WP 3.1",
        "a login in an instrument shows",
        ann.get("/").picks("span.locked_instrument").contains(&"acs".to_owned()),
    );
    let mut bob = site.visitor();
    let page = bob.log_in("bob", PASSWORD, "acs");
    score.same(
        "WP 3.3",
        "held by another",
        page.error(),
        Some("User 'ann' has already locked instrument 'acs'.".to_owned()),
    );
    score.same("WP 3.3", "on the base page, not the login form", (page.status, page.h2().len()), (200, 0));
    score.step("WP 3.3", "the session is gone", !page.sets("sessionid") && bob.get("/certify/").status == 302);
    score.step("WP 3.3", "yet its ingest directory was made", site.data.join("ingest/bob").is_dir());
    let mut bob = site.visitor();
    let page = bob.log_in("bob", PASSWORD, "foc");
    score.same("WP 3.3", "unknown instrument", page.error(), Some("Invalid value 'foc' for 'instrument'".to_owned()));
    score.step("WP 3.3", "with a valid session", page.sets("sessionid") && bob.get("/certify/").status == 200);
    for (next, wanted) in [
        ("/mark_bad/", "/mark_bad/"),
        ("https://elsewhere.example/", "/"),
        ("//elsewhere.example/", "/"),
        ("", "/"),
        ("/browse/a?b=c", "/browse/a?b=c"),
        ("/\\elsewhere.example", "/"),
    ] {
        let mut visitor = site.visitor();
        let page = visitor.post("/login/", &[("username", "vic"), ("password", PASSWORD), ("next", next)]);
        score.same("WP 3.3", &format!("next `{next}`"), page.header("location"), wanted.to_owned());
    }
    let fields = [("username", "vic"), ("password", PASSWORD)];
    score.same(
        "WP 3.1",
        "a POST reads no query",
        site.visitor().post("/login/?next=/mark_bad/", &fields).header("location"),
        "/".to_owned(),
    );
    let page = site.visitor().get("/login/?next=/mark_bad/");
    score.same(
        "WP 3.3",
        "the form carries next from the query",
        page.attributes("input[name=next]", "value"),
        vec!["/mark_bad/".to_owned()],
    );
    let page = ann.get("/logout/");
    score.same("WP 3.2", "logout: 302 to /", (page.status, page.header("location")), (302, "/".to_owned()));
    score.step("WP 3.1", "drops sessionid", page.drops("sessionid"));
    score.same("WP 3.2", "releases the locks", ann.get("/lock_status/ann/").json()["status"].clone(), json!("error"));
    let mut ann = site.login("ann", "none");
    site.clock.step(18 * 3600 - 60);
    score.same("WP 3.1", "a session lasts 18 h", ann.get("/certify/").status, 200);
    site.clock.step(120);
    score.same("WP 3.1", "not extended by use", ann.get("/certify/").status, 302);
}

/// WP 3.3, 3.4.
pub fn locks(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let nothing = |user: &str| json!({"name": "", "user": user, "type": "instrument", "status": "error", "exception": "no lock found."});
    score.same("WP 3.4", "anonymous", visitor.get("/lock_status/").json(), nothing("AnonymousUser"));
    score.same("WP 3.4", "unknown user", visitor.get("/lock_status/nobody/").json(), nothing("nobody"));
    score.same("WP 3.2", "lower-case letters and _ only", visitor.get("/lock_status/Ann/").status, 404);
    let mut ann = site.login("ann", "acs");
    let status = ann.get("/lock_status/").json();
    let keys: Vec<&str> = status.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    score.same(
        "WP 3.4",
        "held: keys",
        keys,
        vec!["name", "user", "type", "status", "created_on", "is_expired", "time_remaining"],
    );
    score.same(
        "WP 3.4",
        "held: values",
        (status["name"].clone(), status["user"].clone(), status["type"].clone(), status["status"].clone()),
        (json!("acs"), json!("ann"), json!("instrument"), json!("ok")),
    );
    score.same("WP 3.4", "not expired", status["is_expired"].clone(), json!(false));
    score.step(
        "WP 3.4",
        "H:MM:SS",
        status["time_remaining"].as_str().is_some_and(|text| text.starts_with("3:59:") || text == "4:00:00"),
    );
    let created = status["created_on"].clone();
    let mut second = site.login("ann", "acs");
    score.same(
        "WP 3.3",
        "the same instrument again: the same lock",
        second.get("/lock_status/").json()["created_on"].clone(),
        created,
    );
    let mut third = site.login("ann", "none");
    score.same("WP 3.3", "none keeps the one held", third.get("/lock_status/").json()["name"].clone(), json!("acs"));
    site.clock.step(3 * 3600);
    third.get("/lock_status/");
    let left = |browser: &mut Browser| browser.get("/lock_status/ann/").json()["time_remaining"].clone();
    score.step(
        "WP 3.4",
        "lock_status does not push it forward",
        left(&mut visitor).as_str().is_some_and(|text| text.starts_with("0:59") || text.starts_with("1:00")),
    );
    third.get("/");
    score.step(
        "WP 3.4",
        "any other request does",
        left(&mut visitor).as_str().is_some_and(|text| text.starts_with("3:59") || text == "4:00:00"),
    );
    let mut wfc3 = site.login("ann", "wfc3");
    score.same(
        "WP 3.3",
        "another instrument: the first is released",
        wfc3.get("/lock_status/").json()["name"].clone(),
        json!("wfc3"),
    );
    let mut bob = site.login("bob", "acs");
    score.same("WP 3.3", "so another may take it", bob.get("/lock_status/").json()["name"].clone(), json!("acs"));
    site.clock.step(4 * 3600 + 60);
    let status = visitor.get("/lock_status/bob/").json();
    score.same(
        "WP 3.4",
        "expired: status",
        (status["status"].clone(), status["name"].clone(), status["is_expired"].clone()),
        (json!("error"), json!("acs"), json!(true)),
    );
    score.same(
        "WP 3.4",
        "expired: exception",
        status["exception"].clone(),
        json!("User 'bob' no longer holds lock 'instrument$acs'"),
    );
    let no_lock = "You can't access this function without logging in for a particular instrument.";
    score.same(
        "WP 3.4",
        "an expired lock counts as none",
        bob.get("/submit/mapping/").error(),
        Some(no_lock.to_owned()),
    );
    let mut ann = site.login("ann", "acs");
    // Her own expired one is still there, so that her lock_status cannot tell (web_sources::two_locks).
    let held = ann.get("/submit/mapping/").picks(".locked_instrument");
    score.same("WP 3.4", "anybody may take it over", held, vec!["acs".to_owned()]);
    second.get("/logout/");
    score.same(
        "WP 3.3",
        "a logout in either session releases all",
        ann.get("/lock_status/").json()["status"].clone(),
        json!("error"),
    );
}

/// WP 3.5.
pub fn uploads(score: &mut Score, site: &Site) {
    let mut vic = site.login("vic", "none");
    let ingest = site.data.join("ingest/vic");
    let page = vic.get("/upload/new/");
    score.same(
        "WP 3.5",
        "GET: 302 to the list",
        (page.status, page.header("location")),
        (302, "/upload/list/".to_owned()),
    );
    score.same("WP 3.5", "an empty list", vic.get("/upload/list/").json(), json!({"files": []}));
    let page = vic.upload("a.fits", b"12345");
    score.same(
        "WP 3.5",
        "no lock or group is needed",
        page.json(),
        json!({"files": [{"name": "a.fits", "size": 5, "deleteUrl": "/upload/delete/a.fits", "deleteType": "DELETE"}]}),
    );
    score.same("WP 3.5", "text/plain unless Accept names JSON", page.header("content-type"), "text/plain".to_owned());
    score.same("WP 3.5", "disposition", page.header("content-disposition"), "inline; filename=files.json".to_owned());
    vic.accept = Some("application/json, text/javascript".to_owned());
    score.same(
        "WP 3.5",
        "JSON if it does",
        vic.get("/upload/list/").header("content-type"),
        "application/json".to_owned(),
    );
    score.same(
        "WP 3.5",
        "files land in the ingest directory",
        std::fs::read(ingest.join("a.fits")).ok(),
        Some(b"12345".to_vec()),
    );
    vic.upload("a.fits", b"");
    score.same(
        "WP 3.5",
        "same name is replaced, empty files are taken",
        std::fs::read(ingest.join("a.fits")).ok(),
        Some(Vec::new()),
    );
    vic.upload("../../../b.fits", b"x");
    score.step(
        "WP 3.5",
        "directories in the name are cut",
        ingest.join("b.fits").is_file() && !site.data.join("b.fits").exists(),
    );
    let page = vic.post_files("/upload/new/", &[], &[("files", "one.fits", b"1"), ("files", "two.fits", b"2")]);
    score.same("WP 3.5", "the last part counts", page.json()["files"][0]["name"].clone(), json!("two.fits"));
    score.step("WP 3.5", "others are dropped", !ingest.join("one.fits").exists());
    for files in [&[("file", "x.fits", b"1".as_slice())][..], &[("files", "", b"1".as_slice())], &[]] {
        let page = vic.post_files("/upload/new/", &[], files);
        score.same(
            "WP 3.5",
            "no file of that name",
            page.error(),
            Some("Specify a file to upload for 'files'".to_owned()),
        );
        score.same("WP 3.1", "on the bare base page", page.h2().len(), 0);
    }
    for name in ["%x.fits", "<script>alert(1)<script>", "äx.fits", "*"] {
        let page = vic.upload(name, b"1");
        score.same("WP 3.5", "first character not legal", page.error(), Some(format!("Invalid file name '{name}'")));
        score.step("WP 3.1", "escaped", !page.text().contains("<script>alert"));
    }
    vic.upload("c.fits", b"1");
    let page = vic.script_get("/upload/delete/c.fits");
    score.same("WP 3.5", "the script gets true", page.text(), "true".to_owned());
    score.step("WP 3.5", "it is gone", !ingest.join("c.fits").exists());
    let page = vic.get("/upload/delete/b.fits");
    score.same(
        "WP 3.5",
        "others: 302 to /upload/new/",
        (page.status, page.header("location")),
        (302, "/upload/new/".to_owned()),
    );
    score.same(
        "WP 3.5",
        "an unknown name is answered like a success",
        vic.script_get("/upload/delete/nosuch").text(),
        "true".to_owned(),
    );
    let page = vic.upload("d e.fits", b"1");
    score.same(
        "WP 3.5",
        "a blank: listed with %20",
        page.json()["files"][0]["deleteUrl"].clone(),
        json!("/upload/delete/d%20e.fits"),
    );
    vic.script_get("/upload/delete/d%20e.fits");
    score.step("WP 3.5", "deleting removes nothing", ingest.join("d e.fits").exists());
    score.same(
        "WP 3.5",
        "a second upload fails",
        vic.upload("d e.fits", b"2").error(),
        Some("internal server error".to_owned()),
    );
    let mut bob = site.login("bob", "none");
    score.same(
        "WP 3.5",
        "a later illegal character: stored, then an error",
        bob.upload("f%g.fits", b"1").error(),
        Some("internal server error".to_owned()),
    );
    score.step("WP 3.5", "stored", site.data.join("ingest/bob/f%g.fits").is_file());
    score.same(
        "WP 3.5",
        "every later list fails",
        bob.get("/upload/list/").error(),
        Some("internal server error".to_owned()),
    );
    score.same("WP 3.5", "its delete URL is a 404", bob.get("/upload/delete/f%25g.fits").status, 404);
    let mut ann = site.login("ann", "none");
    ann.accept = None;
    score.same(
        "WP 3.5",
        "no Accept header: the list fails",
        ann.get("/upload/list/").error(),
        Some("internal server error".to_owned()),
    );
    let before = std::fs::read_dir(site.data.join("ingest/ann")).map(Iterator::count).unwrap_or_default();
    for name in ["\u{0}x", "x\u{0}y.fits", "..", "."] {
        let page = ann.upload(name, b"1");
        score.step(
            "issue 4",
            "hostile names change nothing",
            page.error().is_some()
                && std::fs::read_dir(site.data.join("ingest/ann")).map(Iterator::count).unwrap_or_default() == before,
        );
    }
    let page = ann.upload("big.fits", &vec![0; 100_000_000]);
    score.step("issue 4", "100 MB are refused clearly", page.error().is_some_and(|text| text.contains("limited")));
    score.step("issue 4", "and change nothing", !site.data.join("ingest/ann/big.fits").exists());
    score.step(
        "issue 4",
        "no temporary file stays",
        std::fs::read_dir(site.data.join("uploads")).map(Iterator::count).unwrap_or_default() == 0,
    );
}

/// WP 3.9.
pub fn channels(score: &mut Score, site: &Site) {
    let mut vic = site.login("vic", "none");
    let page = vic.get("/jpoll/open_channel/");
    score.step("WP 3.1", "writes to the session", page.sets("sessionid"));
    let key = page.json().as_str().unwrap_or_default().to_owned();
    score.step("WP 3.9", "a UUID4 as JSON string", key.len() == 36 && page.text().starts_with('"'));
    score.same("WP 3.9", "an empty channel", vic.get(&format!("/jpoll/pull_messages/{key}/-1/")).json(), json!([]));
    let again = vic.get("/jpoll/open_channel/").json();
    score.step("WP 3.9", "a new key each time", again != json!(key));
    score.same(
        "WP 3.9",
        "an unknown key over HTTP is a real 500",
        vic.get("/jpoll/pull_messages/00000000-0000-0000-0000-000000000000/0/").status,
        500,
    );
    let page = vic.get("/monitor/00000000-0000-0000-0000-000000000000/");
    score.same(
        "WP 3.9",
        "monitor takes any well-formed key",
        page.h2(),
        vec!["Monitoring 00000000-0000-0000-0000-000000000000".to_owned()],
    );
    score.step("WP 3.1", "monitor writes to the session", page.sets("sessionid"));
    let mut ann = site.login("ann", "wfc3");
    let page = ann.post("/submit/mapping/", &[]);
    score.same(
        "WP 3.6",
        "fields come before files and channel",
        page.error(),
        Some("Undefined parameter 'description'".to_owned()),
    );
    let good = [("description", "d"), ("creator", "c"), ("change_level", "SEVERE")];
    score.same(
        "WP 3.6",
        "then the files",
        ann.post("/submit/mapping/", &good).error(),
        Some("No input files were specified.".to_owned()),
    );
    ann.upload("x.rmap", b"x");
    score.same(
        "WP 3.6",
        "then the channel",
        ann.post("/submit/mapping/", &good).error(),
        Some("internal server error".to_owned()),
    );
}

/// WP 3.7, set_password.
pub fn passwords(score: &mut Score, site: &Site) {
    let mut vic = site.login("vic", "none");
    let page = vic.get("/set_password/");
    score.same("WP 3.10", "heading", page.h2(), vec!["Set Password for vic".to_owned()]);
    score.same(
        "WP 3.10",
        "fields",
        page.fields("/set_password/"),
        ["csrfmiddlewaretoken", "old_password", "new_password1", "new_password2"].map(str::to_owned).to_vec(),
    );
    for (old, one, two, error) in [
        ("wrong", "abcde1", "abcde1", "Old password is not valid."),
        (PASSWORD, "abcde1", "abcde2", "New passwords are not the same."),
        (PASSWORD, "abc1", "abc1", "At least 6 characters please."),
        (PASSWORD, "abcdef", "abcdef", "At least one digit please."),
        (PASSWORD, "123456", "123456", "At least one letter please."),
    ] {
        let page = vic.post("/set_password/", &[("old_password", old), ("new_password1", one), ("new_password2", two)]);
        score.same("WP 3.7", error, page.error(), Some(error.to_owned()));
        score.step("WP 3.1", "on its own form", !page.h2().is_empty() && page.sets("csrftoken"));
        score.step("issue 4", "no password is shown again", !page.text().contains(one));
    }
    let page = vic.post(
        "/set_password/",
        &[("old_password", PASSWORD), ("new_password1", "abcde1"), ("new_password2", "abcde1")],
    );
    score.step("WP 3.2", "New password set.", page.says("New password set."));
    score.same("WP 3.7", "a success ends the sessions", vic.get("/certify/").status, 302);
    score.same("WP 3.7", "the new one works", site.visitor().log_in("vic", "abcde1", "none").status, 302);
    let mut sue = site.login("sue", "none");
    score.same(
        "WP 3.10",
        "super users name a user",
        sue.get("/set_password/").fields("/set_password/")[1].clone(),
        "username".to_owned(),
    );
    let page =
        sue.post("/set_password/", &[("username", "nobody"), ("new_password1", "abcdef"), ("new_password2", "abcdef")]);
    score.same("WP 3.7", "Unknown user.", page.error(), Some("Unknown user.".to_owned()));
    let page =
        sue.post("/set_password/", &[("username", "bob"), ("new_password1", "abcdef"), ("new_password2", "abcdef")]);
    score.same("WP 3.7", "no digit is asked of super users", page.error(), None);
}
