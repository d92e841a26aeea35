//! `crds submit` and `crds certify` of the real client against the stand-in (WP 3.8): what is asked, what comes of it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crds_upgrade::stand_in::derive::submissions;

use super::serve::{PASSWORD, Serve, USER, clients};

/// The reference that is submitted: it replaces another in the operational rules.
const REFERENCE: &str = "y7b15172i_idc.fits";

fn reference(dir: &Path) -> PathBuf {
    let all = submissions::shipped().expect("the shipped descriptors are good");
    let file = all.into_iter().find(|file| file.name == REFERENCE).expect("it is shipped");
    let path = dir.join(REFERENCE);
    fs::write(&path, file.bytes).expect("the temporary directory is writable");
    path
}

/// One run of a client's tool: its exit status and all that it said.
fn run(serve: &Serve, client: &Path, args: &[&str]) -> (Option<i32>, String) {
    let mut command = serve.client(client, &serve.dir.path().join("client"));
    let out = command
        .args(["-m"])
        .args(args)
        .env("CRDS_USERNAME", USER)
        .env("MAST_API_TOKEN", PASSWORD)
        .current_dir(serve.dir.path())
        .output()
        .expect("the client starts");
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    (out.status.code(), text)
}

/// Requests of pages, in order: what is asked again and again is told once, ids of results are left out.
fn pages(serve: &Serve, from: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for (verb, path) in serve.paths(from) {
        if path.starts_with("/json/") || path.starts_with("/unchecked_get/") {
            continue;
        }
        let path = match path.split_once("/display_result/") {
            Some(_) => "/display_result/<id>".to_owned(),
            None => path,
        };
        out.push(format!("{verb} {path}"));
    }
    out
}

/// Logging in, a channel, uploading: the same for every kind (WP 3.8, 2 to 9).
const BEGIN: [&str; 10] = [
    "GET /lock_status/ann/",
    "GET /login/",
    "POST /login/",
    "GET /",
    "GET /upload/list/",
    "GET /jpoll/open_channel",
    "GET /jpoll/open_channel/",
    "GET /upload/list/",
    "GET /upload/chunked/",
    "POST /upload/chunked/",
];

struct Check<'a> {
    version: &'a str,
    what: &'static str,
    failures: &'a mut Vec<String>,
}

impl Check<'_> {
    fn that(&mut self, good: bool, why: impl FnOnce() -> String) {
        if !good {
            self.failures.push(format!("crds {}: {}: {}", self.version, self.what, why()));
        }
    }

    fn says(&mut self, text: &str, words: &[&str]) {
        for word in words {
            self.that(text.contains(word), || {
                let tail: Vec<&str> = text.lines().rev().take(12).collect();
                format!("does not say `{word}`\n  {}", tail.join("\n  "))
            });
        }
    }
}

fn begins(form: &str) -> Vec<String> {
    let mut wanted: Vec<String> = BEGIN.iter().map(|path| (*path).to_owned()).collect();
    wanted.extend([format!("GET {form}"), format!("POST {form}")]);
    wanted
}

/// Local certification asks for server info and, for unknown rules, downloads them.
fn certify(version: &str, client: &Path, failures: &mut Vec<String>) {
    let serve = Serve::start("2019");
    reference(serve.dir.path());
    let mut check = Check { version, what: "certify", failures };
    let from = serve.mark();
    let file = format!("./{REFERENCE}");
    let sync = run(&serve, client, &["crds.sync", "--contexts", "hst_0279.pmap"]);
    check.that(sync.0 == Some(0), || format!("sync ended {:?}", sync.0));
    let (status, text) = run(&serve, client, &["crds.certify", &file, "--comparison-context", "hst_0279.pmap"]);
    check.that(status == Some(0), || format!("ended {status:?}, not 0"));
    check.says(
        &text,
        &["(1/1) as 'FITS' relative to context 'hst_0279.pmap'", "conforms to FITS standards", "0 errors"],
    );
    let asked = serve.requests(from);
    check.that(asked.contains_key("get_server_info"), || format!("asked {asked:?}"));
    check.that(pages(&serve, from).is_empty(), || format!("asked for pages: {:?}", pages(&serve, from)));
}

/// The server of 2019 has no page for pieces of a file: the client stops there, and nothing has changed (WP 3.8, last).
fn submit_2019(version: &str, client: &Path, failures: &mut Vec<String>) {
    let serve = Serve::start("2019");
    let file = reference(serve.dir.path()).display().to_string();
    let mut check = Check { version, what: "submit to a server of 2019", failures };
    let from = serve.mark();
    let args =
        ["crds.submit", "--files", &file, "--creator", "the team", "--description", "d", "--wipe-existing-files"];
    let (status, _) = run(&serve, client, &args);
    check.that(status != Some(0), || "ended 0".to_owned());
    let asked = pages(&serve, from);
    check.that(asked.last().map(String::as_str) == Some("GET /upload/chunked/"), || format!("asked {asked:?}"));
}

/// The whole way to the confirmation (WP 3.8), and what the client finds afterwards.
fn submit(version: &str, client: &Path, failures: &mut Vec<String>) {
    let serve = Serve::start("now");
    let file = reference(serve.dir.path()).display().to_string();
    let mut check = Check { version, what: "submit --submission-kind certify", failures };
    let common = ["--files", &file, "--wipe-existing-files", "--monitor-processing", "--wait-for-completion"];
    let from = serve.mark();
    let mut args = vec!["crds.submit", "--submission-kind", "certify"];
    args.extend(common);
    let (status, text) = run(&serve, client, &args);
    check.that(status == Some(0), || format!("ended {status:?}, not 0"));
    check.says(&text, &["Uploading 1 file(s)", ">> COMPLETED: ", "0 errors"]);
    let asked = pages(&serve, from);
    check.that(asked.starts_with(&begins("/certify/")), || format!("asked {asked:#?}"));

    let (status, text) = run(&serve, client, &["crds.submit", "--logout"]);
    check.that(status == Some(0), || format!("--logout ended {status:?}, not 0"));
    check.says(&text, &["Logging out releasing lock"]);

    check.what = "submit --submission-kind batch --autoconfirm";
    let from = serve.mark();
    let mut args = vec!["crds.submit", "--creator", "the team", "--description", "a better table", "--autoconfirm"];
    args.extend(common);
    let (status, text) = run(&serve, client, &args);
    check.that(status == Some(0), || format!("ended {status:?}, not 0"));
    check.says(&text, &["0 errors"]);
    let asked = pages(&serve, from);
    // What was uploaded for certification is wiped first.
    let mut wanted = begins("/batch_submit_references/");
    let wiped = [format!("GET /upload/delete/{REFERENCE}"), "GET /upload/new/".into(), "GET /upload/list/".into()];
    wanted.splice(5..5, wiped);
    check.that(asked.starts_with(&wanted), || format!("asked {asked:#?}, not first {wanted:#?}"));
    let ended = asked.iter().filter(|path| *path == "POST /submit_confirm_pipeline/").count();
    check.that(ended == 1, || format!("confirmed {ended} times: {asked:#?}"));

    let (status, text) = run(&serve, client, &["crds.list", "--resolve-contexts", "--contexts", "hst-edit"]);
    check.that(status == Some(0), || format!("list ended {status:?}, not 0"));
    check.says(&text, &["hst_0280.pmap"]);
    // The archive has not picked the delivery up: the context has its name, and is given to nobody yet (WP 1.4).
    let (_, text) = run(&serve, client, &["crds.list", "--references", "--contexts", "hst_0280.pmap"]);
    check.says(&text, &["File 'hst_0280.pmap' is not yet available."]);
}

#[test]
fn submissions_of_the_real_client() {
    let Some(clients) = clients() else {
        println!("NOT TESTED: PyPI cannot be reached, so no real client has submitted");
        eprintln!("NOT TESTED: PyPI cannot be reached, so no real client has submitted");
        return;
    };
    let mut failures = Vec::new();
    for (version, client) in &clients {
        let before = failures.len();
        certify(version, client, &mut failures);
        submit_2019(version, client, &mut failures);
        submit(version, client, &mut failures);
        println!("crds {version}: certify, submit to 2019, submit to now: {} failures", failures.len() - before);
    }
    assert!(failures.is_empty(), "{} checks:\n{}", failures.len(), failures.join("\n"));
}
