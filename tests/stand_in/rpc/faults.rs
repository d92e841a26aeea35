//! Fault knobs: each does what its line in the list says, without a restart, and stops when its file goes (WP 5.4).

use std::fs;

use crds_upgrade::stand_in::server::{Era, faults::KNOBS};
use serde_json::{Value, json};

use super::{bench::Bench, mini::Load};
use crate::web_score::Score;

fn on(bench: &Bench, knob: &str, text: &str) {
    assert!(KNOBS.iter().any(|k| k.name == knob), "{knob} is listed");
    fs::create_dir_all(bench.data("faults")).expect("directory");
    fs::write(bench.data("faults").join(knob), text).expect("knob");
}

fn off(bench: &Bench, knob: &str) {
    fs::remove_file(bench.data("faults").join(knob)).expect("knob");
}

fn raw(bench: &Bench, method: &str, params: Value) -> (u16, String) {
    let body = json!({"jsonrpc": "1.0", "method": method, "params": params, "id": 1}).to_string();
    let answer = bench.request("POST", "/json/", body.as_bytes());
    (answer.status, answer.text())
}

#[test]
fn downloads_and_answers() {
    let datasets =
        ["J1AAA01Q", "J1AAA02Q"].map(|id| json!({"id": format!("{id}:{id}"), "header": {"INSTRUME": "ACS"}}));
    let load = Load::ordinary()
        .rows(&[])
        .file("file_cache/references/hst/abc_drk.fits", "dark")
        .file("datasets.jsonl", datasets.map(|line| line.to_string() + "\n").concat());
    let bench = Bench::new(&load);
    let mut score = Score::default();
    let get = || {
        let answer = bench.request("GET", "/unchecked_get/references/hst/abc_drk.fits", b"");
        (answer.status, answer.text())
    };
    let whole = (200, "dark".to_owned());
    score.same("5.4", "no knob", get(), whole.clone());
    on(&bench, "wrong_bytes", "abd* abc*");
    let (status, text) = get();
    score.step("5.4", "wrong bytes of the right length", status == 200 && text.len() == 4 && text != "dark");
    off(&bench, "wrong_bytes");
    on(&bench, "wrong_bytes", "other*");
    score.same("5.4", "another file is whole", get(), whole.clone());
    off(&bench, "wrong_bytes");
    on(&bench, "wrong_length", "");
    score.same("5.4", "a byte is missing", get(), (200, "dar".to_owned()));
    off(&bench, "wrong_length");
    on(&bench, "missing_file", "abc_drk.fits");
    score.same("5.4", "404 for a file", get().0, 404);
    off(&bench, "missing_file");
    on(&bench, "static_404", "references");
    score.same("B071", "404 for an area", get().0, 404);
    score.same(
        "B071",
        "not for another",
        bench.request("GET", "/unchecked_get/mappings/hst/hst_0001.pmap", b"").status,
        200,
    );
    off(&bench, "static_404");
    score.same("5.4", "all off again", get(), whole);

    on(&bench, "rpc_500", "get_default_*");
    score.same("5.4", "HTTP 500", raw(&bench, "get_default_context", json!(["hst"])).0, 500);
    score.same("5.4", "for that method only", raw(&bench, "file_exists", json!(["hst_0001.pmap"])).0, 200);
    off(&bench, "rpc_500");
    on(&bench, "no_error_key", "");
    score.step(
        "5.4",
        "error is missing",
        !raw(&bench, "file_exists", json!(["hst_0001.pmap"])).1.contains("\"error\""),
    );
    score.step("5.4", "but not from failures", raw(&bench, "file_exists", json!(["x"])).1.contains("\"error\""));
    off(&bench, "no_error_key");
    on(&bench, "html_answer", "");
    score.step(
        "5.4",
        "HTML with status 200",
        raw(&bench, "file_exists", json!(["hst_0001.pmap"])).1.starts_with("<html>"),
    );
    off(&bench, "html_answer");
    on(&bench, "bytes_repr", "file_exists");
    score.same("B086", "a bytes object", bench.said("file_exists", json!(["hst_0001.pmap"])), json!("b'true'"));
    off(&bench, "bytes_repr");
    on(&bench, "metadata_missing", "hst_0002*");
    let map = bench.said("get_file_info_map", json!(["hst", ["hst_0001.pmap", "hst_0002.pmap"], ["size"]]));
    score.same("5.4", "metadata of a listed file are missing", map["hst_0002.pmap"].clone(), json!("NOT FOUND"));
    score.step("5.4", "others are there", map["hst_0001.pmap"].is_object());
    off(&bench, "metadata_missing");
    let ids = || {
        let headers = bench.said("get_dataset_headers_by_id", json!(["hst_0001.pmap", ["J1AAA01Q", "J1AAA02Q"], null]));
        headers.as_object().map(|headers| headers.keys().cloned().collect::<Vec<_>>())
    };
    score.same("1.7", "every header", ids().map(|ids| ids.len()), Some(2));
    on(&bench, "headers_missing", "J1AAA01*");
    score.same("1.7", "a header is left out", ids(), Some(vec!["J1AAA02Q:J1AAA02Q".to_owned()]));
    off(&bench, "headers_missing");
    on(&bench, "affected_not_ready", "");
    score.step(
        "5.4",
        "affected datasets are not ready",
        bench.call("get_affected_datasets", json!(["hst", null, null])).is_err(),
    );
    score.finish("fault knobs of downloads and answers", 19);
}

#[test]
fn stale_and_false_infos() {
    let mut score = Score::default();
    let bench = Bench::new(&Load::ordinary());
    let info = |bench: &Bench| bench.said("get_server_info", json!([]));
    on(&bench, "wrong_observatory", "jwst\n");
    on(&bench, "rejected_in_default", "hst_0001.pmap abc_drk.fits");
    bench.server.drop_cached();
    score.same("5.4", "another observatory", info(&bench)["observatory"].clone(), json!("jwst"));
    score.same(
        "5.4",
        "bad files in the default context",
        info(&bench)["bad_files_list"].clone(),
        json!(["hst_0001.pmap", "abc_drk.fits"]),
    );
    let bench = Bench::new(&Load::ordinary());
    on(&bench, "stale_info", "");
    info(&bench);
    bench.server.set_default_context("jdoe", "operational", "hst_0002.pmap", "x").expect("set");
    score.same("5.4", "stale server info", info(&bench)["operational_context"].clone(), json!("hst_0001.pmap"));
    score.same(
        "5.4",
        "other answers are fresh",
        bench.said("get_default_context", json!(["hst"])),
        json!("hst_0002.pmap"),
    );
    off(&bench, "stale_info");
    score.same("5.4", "fresh again", info(&bench)["operational_context"].clone(), json!("hst_0002.pmap"));
    let bench = Bench::new(&Load::ordinary());
    on(&bench, "stale_cache", "");
    bench.said("get_default_context", json!(["hst"]));
    bench.server.set_default_context("jdoe", "operational", "hst_0002.pmap", "x").expect("set");
    score.same(
        "A017",
        "cached answers are never dropped",
        bench.said("get_default_context", json!(["hst"])),
        json!("hst_0001.pmap"),
    );
    let bench = Bench::of(&Load::ordinary(), Era::Y2014, |_| {});
    on(&bench, "cache_not_ready", "");
    let ask = || bench.call("get_affected_datasets", json!(["hst", null, null]));
    score.step("A029", "asked too early", ask().is_err());
    let run = bench.data("monitor_reprocessing/2014-10-15-09:20:03_0001_0002");
    fs::create_dir_all(&run).expect("run");
    for name in ["bestrefs.status", "bestrefs_err.txt", "affected_ids.txt"] {
        fs::write(run.join(name), "0\n").expect("run");
    }
    score.step("A029", "the error is kept", ask().is_err());
    off(&bench, "cache_not_ready");
    score.step("A029", "without the knob it is not", ask().is_ok());
    score.finish("fault knobs of infos", 9);
}

#[test]
fn changes_that_fail() {
    let mut score = Score::default();
    let bench = Bench::new(&Load::ordinary().rows(&[]));
    let set = |pmap: &str| {
        bench.server.set_default_context("jdoe", "operational", pmap, "x").map(drop).map_err(|r| r.unexpected)
    };
    on(&bench, "write_fails", "");
    score.same("B077", "every write fails", (set("hst_0002.pmap"), set("hst_0002.pmap")), (Err(true), Err(true)));
    off(&bench, "write_fails");
    on(&bench, "database_error", "");
    score.same(
        "B076",
        "one write fails, the next does not",
        (set("hst_0002.pmap"), set("hst_0002.pmap")),
        (Err(true), Ok(())),
    );
    on(&bench, "dates_rewritten", "");
    score.same("C115", "set once more", set("hst_0001.pmap"), Ok(()));
    let row = bench.server.catalogue.file("l1_hv.fits").expect("row").expect("row");
    score.same("C115", "all dates are of now", row.delivery_date.as_str(), "2014-09-16 12:00:00");
    off(&bench, "dates_rewritten");
    let mark = |file: &str| bench.server.mark_bad("jdoe", &[file.to_owned()], true, "x").is_ok();
    on(&bench, "guard_edit_context", "");
    score.same(
        "A020",
        "the guard looks at the edit context",
        (mark("abf_drk.fits"), mark("abd_drk.fits")),
        (false, true),
    );
    off(&bench, "guard_edit_context");
    on(&bench, "bad_mark_lost", "");
    score.step("A019", "it says that it marked", mark("hst_0003.pmap"));
    let row = bench.server.catalogue.file("hst_0003.pmap").expect("row").expect("row");
    score.step("A019", "and did not", !row.rejected);
    off(&bench, "bad_mark_lost");
    // A crash inside Set Context leaves what was done until then.
    on(&bench, "crash_at", "set_context.history_written");
    score.same("5.4", "the request dies", set("hst_0002.pmap"), Err(true));
    off(&bench, "crash_at");
    let state = bench.said("get_file_info_map", json!(["hst", ["abf_drk.fits"], ["state"]]));
    score.same(
        "5.4",
        "the context is set",
        bench.server.catalogue.context("operational").expect("context"),
        Some("hst_0002.pmap".to_owned()),
    );
    score.same("5.4", "the states are not", state["abf_drk.fits"]["state"].clone(), json!("archived"));
    let mut session = bench.server.start_session(Some("jdoe")).expect("session");
    let key = bench.server.open_channel(&mut session).expect("channel");
    on(&bench, "no_done", "");
    bench.server.push_done(&key, 0, "x").expect("swallowed");
    score.same("5.4", "done is never sent", bench.said("jpoll_pull_messages", json!([key, "0"])), json!([]));
    score.finish("fault knobs of changes", 11);
}
