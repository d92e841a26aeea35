//! Who comes in, and what is said at the door (WP 3.1, 3.2).

use crds_upgrade::stand_in::server::Era;
use serde_json::json;

use super::web_browser::Site;
use super::web_score::Score;

/// WP 3.1: unknown addresses, missing slashes, HEAD and other verbs.
pub fn addresses(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    for path in ["/nowhere/", "/browse/a%25b", "/display_result/17", "/display_result/not-a-uuid", "/recent_activity/"]
    {
        let page = visitor.get(path);
        score.same("WP 3.1", &format!("{path} is an unknown URL: 404"), page.status, 404);
        score.step("WP 3.1", "a 404 is an HTML page `Page not found`", page.says("Page not found"));
        score.same("WP 3.1", "HTML", page.header("content-type"), "text/html; charset=utf-8".to_owned());
    }
    for path in ["/login", "/browse_db", "/jpoll/open_channel", "/submit/mapping", "/display_context_history"] {
        let page = visitor.get(&format!("{path}?a=b"));
        score.same("WP 3.1", "a known URL without its final slash: 301", page.status, 301);
        score.same("WP 3.1", "to the slash form", page.header("location"), format!("{path}/?a=b"));
        let page = visitor.post_bare(path, &[("a", "b")]);
        score.same("WP 3.1", "POST as well", page.status, 301);
    }
    for verb in ["PUT", "DELETE", "PATCH"] {
        let page = visitor.send(verb, "/mark_bad/", &[], Vec::new());
        score.same("WP 3.1", "no page answers 405; without a token 403", page.status, 403);
    }
    let page = visitor.send("HEAD", "/browse_db/", &[], Vec::new());
    score.same(
        "WP 3.1",
        "HEAD is no GET: the POST branch without fields",
        page.error(),
        Some("Undefined parameter 'observatory'".into()),
    );
}

/// WP 3.1, 3.2: who may see what.
pub fn doors(score: &mut Score, site: &Site) {
    let closed = [
        "/set_default_context/",
        "/mark_bad/",
        "/create_contexts/",
        "/submit/mapping/",
        "/submit/reference/",
        "/batch_submit_references/",
        "/certify/",
        "/upload/list/",
        "/upload/new/",
        "/set_password/",
        "/logout/",
        "/delivery_status/",
        "/version_info/",
        "/jpoll/open_channel/",
    ];
    let mut visitor = site.visitor();
    for path in closed {
        let page = visitor.get(path);
        score.same("WP 3.2", &format!("{path} wants a login: 302"), page.status, 302);
        score.same("WP 3.1", "with next", page.header("location"), format!("/login/?next={path}"));
    }
    let page = visitor.get("/mark_bad/?a=b&c=d e");
    score.same(
        "WP 3.1",
        "query string percent-coded inside next, slashes not",
        page.header("location").to_uppercase(),
        "/login/?next=/mark_bad/%3Fa%3Db%26c%3Dd%20e".to_uppercase(),
    );
    for path in ["/delete/reference/", "/add_existing/reference/"] {
        let page = visitor.get(path);
        score.same("WP 3.1", "delete and add never redirect", page.status, 200);
        score.same("WP 3.1", "anonymous", page.error(), Some("You must log in.".to_owned()));
    }
    let mut vic = site.login("vic", "none");
    for path in ["/set_default_context/", "/mark_bad/", "/submit/mapping/", "/batch_submit_references/"] {
        let page = vic.get(path);
        score.same(
            "WP 3.1",
            "a user without the group is redirected too",
            page.header("location"),
            format!("/login/?next={path}"),
        );
    }
    for path in ["/version_info/", "/create_contexts/"] {
        let page = vic.get(path);
        score.same("WP 3.1", "not a super user: an error page", page.status, 200);
        score.same("WP 3.1", "its text", page.error(), Some("vic is not a super user.".to_owned()));
    }
    let mut ann = site.login("ann", "none");
    let no_lock = "You can't access this function without logging in for a particular instrument.";
    for path in [
        "/submit/mapping/",
        "/submit/reference/",
        "/batch_submit_references/",
        "/delete/reference/",
        "/add_existing/reference/",
    ] {
        let page = ann.get(path);
        score.same("WP 3.1", &format!("{path} wants a lock"), page.error(), Some(no_lock.to_owned()));
    }
    let mut sue = site.login("sue", "none");
    for path in [
        "/submit/mapping/",
        "/batch_submit_references/",
        "/delete/reference/",
        "/create_contexts/",
        "/version_info/",
        "/mark_bad/",
    ] {
        let page = sue.get(path);
        score.same("WP 3.2", &format!("a super user may go without: {path}"), page.error(), None);
    }
    for (browser, who) in [(&mut visitor, "anonymous"), (&mut vic, "not staff")] {
        let page = browser.get("/admin/");
        score.same(
            "WP 3.1",
            &format!("/admin/ redirects {who}"),
            page.header("location"),
            "/admin/login/?next=/admin/".to_owned(),
        );
    }
}

/// WP 3.1: whose page it is.
pub fn titles(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    let wanted = "HST Calibration Reference Data System (CRDS)";
    for path in ["/", "/login/", "/browse_db/", "/display_context_history/", "/recent_activity_input/"] {
        let page = visitor.get(path);
        score.same("WP 3.1", "the title", page.picks("title"), vec![wanted.to_owned()]);
        score.same("WP 3.1", "the only <h1>; OPS shows no use case", page.picks("h1"), vec![wanted.to_owned()]);
    }
    let test = Site::open_with(Era::Y2019, json!({}), |config| config.use_case = "test".to_owned());
    let page = test.visitor().get("/");
    score.same(
        "WP 3.1",
        "other servers show their use case",
        page.picks("h1 span.label.label-sm.label-success"),
        vec!["test".to_owned()],
    );
}

/// WP 3.1: tokens.
pub fn tokens(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    for path in ["/login/", "/browse_db/", "/logout/", "/mark_bad/", "/upload/new/"] {
        let page = visitor.post_bare(path, &[("username", "ann")]);
        score.same("WP 3.1", "no token: 403, before anything about the user", page.status, 403);
        score.same("WP 3.1", "text/html", page.header("content-type"), "text/html".to_owned());
    }
    visitor.get("/login/");
    let page = visitor.post_bare("/login/", &[("username", "ann"), ("csrfmiddlewaretoken", "wrong")]);
    score.same("WP 3.1", "a wrong token: 403", page.status, 403);
    let token = visitor.token();
    let page = visitor.send(
        "POST",
        "/browse_db/",
        &[("content-type", "application/x-www-form-urlencoded"), ("x-csrftoken", token.as_str())],
        Vec::new(),
    );
    score.same("WP 3.1", "a header will do", page.status, 200);
    let page = visitor.post_bare("/nowhere/", &[]);
    score.same("WP 3.1", "an unknown URL is judged before the token", page.status, 404);
    let mut ann = site.login("ann", "none");
    for path in ["/mark_bad/", "/set_default_context/", "/certify/"] {
        score.step("WP 3.8", "each form page sets the token", ann.get(path).sets("csrftoken"));
    }
    for path in ["/", "/display_context_history/", "/old_results/", "/upload/list/"] {
        score.step("WP 3.1", "pages without a form do not", !ann.get(path).sets("csrftoken"));
    }
}

/// WP 3.1: over TLS a changing request must come from a page of the same host.
pub fn referers(score: &mut Score, site: &Site) {
    let mut visitor = site.visitor();
    visitor.https = true;
    let page = visitor.get("/login/");
    score.same("WP 3.1", "a GET wants no Referer", page.status, 200);
    let token = visitor.token();
    let body = format!("csrfmiddlewaretoken={token}&username=ann&password={}", super::web_browser::PASSWORD);
    let form = ("content-type", "application/x-www-form-urlencoded");
    for (referer, status) in [
        (None, 403),
        (Some("http://localhost/login/"), 403),
        (Some("https://localhost.evil/login/"), 403),
        (Some("https://elsewhere/https://localhost/"), 403),
        (Some("https://localhost:8001/"), 403),
        (Some("//localhost/"), 403),
        // The Python client sends its base URL with every request (WP 3.8).
        (Some("https://localhost"), 302),
        (Some("https://localhost/login/?next=/"), 302),
    ] {
        let mut visitor = site.visitor();
        visitor.https = true;
        visitor.cookies.insert("csrftoken".to_owned(), token.clone());
        let headers: Vec<(&str, &str)> =
            referer.map(|referer| ("referer", referer)).into_iter().chain([form]).collect();
        let page = visitor.send("POST", "/login/", &headers, body.clone().into_bytes());
        score.same("WP 3.1", &format!("Referer {referer:?}"), page.status, status);
        score.same("WP 3.1", "a refused login leaves no session", page.sets("sessionid"), status == 302);
    }
    // Without TLS nobody looks.
    let mut visitor = site.visitor();
    visitor.cookies.insert("csrftoken".to_owned(), token);
    let headers = [form, ("referer", "http://elsewhere/")];
    let page = visitor.send("POST", "/login/", &headers, body.into_bytes());
    score.same("WP 3.1", "plain HTTP", page.status, 302);
}

/// Issue 4: everything a page shows is escaped.
pub fn escaping(score: &mut Score, site: &Site) {
    let mut ann = site.login("ann", "acs");
    let hostile = "<script>alert(1)</script>";
    for path in
        ["/submit/mapping/", "/batch_submit_references/", "/mark_bad/", "/delete/reference/", "/set_default_context/"]
    {
        let page = ann.post(
            path,
            &[
                ("pmap_mode", "pmap_text"),
                ("pmap_text", hostile),
                ("description", hostile),
                ("file_known", hostile),
                ("creator", hostile),
                ("generate_contexts", "on"),
            ],
        );
        score.step(
            "issue 4",
            &format!("{path} shows markup as text"),
            page.error().is_some() && !page.text().contains("<script>alert(1)"),
        );
    }
    let mut visitor = site.visitor();
    for path in [
        "/login/?next=/%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/difference/?file1=%3Cscript%3Ealert(1)&file2=x",
        "/recent_activity_query/?filename=%3Cscript%3Ealert(1)",
        "/nowhere/%3Cscript%3Ealert(1)",
    ] {
        score.step("issue 4", &format!("{path} is escaped"), !visitor.get(path).text().contains("<script>alert(1)"));
    }
    for path in ["/%00", "/browse/%FF%FE", "/get/..%2F..%2Fetc%2Fpasswd", "/browse/..%2Fx", "//", "/\u{e9}"] {
        let status = visitor.get(path).status;
        score.step(
            "issue 4",
            &format!("{path} is refused"),
            matches!(status, 200 | 404) && !visitor.get(path).text().contains("root:"),
        );
    }
}
