//! Hostile bodies, absurd sizes, deep nesting, and a bounded random walk over the HTTP surface: every request is answered,
//! nothing panics, nothing changes.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{bench::Bench, mini::Load};

/// Seconds of work that this thread has done: what it waits on a busy machine does not count.
fn busy() -> i64 {
    rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime).tv_sec
}

#[test]
fn hostile_bodies() {
    let bench = Bench::new(&Load::ordinary());
    let deep = |open: &str, close: &str, n: usize| open.repeat(n) + &close.repeat(n);
    let call =
        |params: &str| format!("{{\"jsonrpc\":\"1.0\",\"method\":\"get_file_info_map\",\"params\":{params},\"id\":1}}");
    let bodies: Vec<Vec<u8>> = vec![
        vec![0xff; 4096],
        vec![0; 4096],
        b"{\"method\":\"\xc3\x28\"}".to_vec(),
        deep("[", "]", 100_000).into_bytes(),
        deep("{\"a\":", "}", 100_000).into_bytes(),
        call(&deep("[", "]", 800)).into_bytes(),
        call(&format!("[\"hst\",[{}],null]", vec!["\"a\""; 200_000].join(","))).into_bytes(),
        call(&format!("[\"hst\",[\"{}\"],null]", "a".repeat(2_000_000))).into_bytes(),
        format!("[{}]", vec!["5"; 200_000].join(",")).into_bytes(),
        format!("{{{}\"method\":\"x\"}}", (0..50_000).map(|n| format!("\"k{n}\":{n},")).collect::<String>())
            .into_bytes(),
        b"9".repeat(100_000),
        call("[\"hst\",[\"\\u0000\"],[\"\\ud800\"]]").into_bytes(),
        call("[\"hst\",[\"'; drop table crds_hst_catalog; --\"],null]").into_bytes(),
    ];
    for body in bodies {
        let started = busy();
        let answer = bench.request("POST", "/json/", &body);
        assert!([200, 204].contains(&answer.status), "{:?}...", &body[..body.len().min(40)]);
        assert!(serde_json::from_str::<Value>(&answer.text()).is_ok(), "an answer is JSON");
        assert!(busy() - started < 5, "in bounded time");
    }
    assert_eq!(bench.said("file_exists", json!(["hst_0001.pmap"])), json!(true), "and goes on");
}

/// JSON values of all kinds, some of them close to what the methods want.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop_oneof![
            Just("hst"),
            Just("hst_0001.pmap"),
            Just("hst-edit"),
            Just("hst_acs_0001.imap"),
            Just("hst_cos_hvtab_0001.rmap"),
            Just("2014-01-01"),
            Just("hst-acs-darkfile-edit"),
            Just("acs"),
            Just("*"),
            Just("abc_drk.fits"),
            Just("LAAAA0010"),
            Just("12345678-1234-1234-1234-1234567890ab"),
            Just("operational"),
            Just("0")
        ]
        .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[A-Z-]{0,9}|[a-z]{1,5}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn method() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "list_mappings",
        "list_references",
        "get_best_references",
        "get_best_references_by_ids",
        "get_aui_best_references",
        "get_best_references_by_header_map",
        "get_mapping_names",
        "get_reference_names",
        "get_url",
        "get_file_info",
        "get_file_info_map",
        "get_dataset_headers_by_id",
        "get_dataset_ids",
        "file_exists",
        "get_default_context",
        "get_context_by_date",
        "get_server_info",
        "get_required_parkeys",
        "get_sqlite_db",
        "get_mapping_url",
        "get_reference_url",
        "get_affected_datasets",
        "get_context_history",
        "push_remote_context",
        "get_remote_context",
        "get_submission_info",
        "jpoll_pull_messages",
        "jpoll_abort",
        "get_system_versions",
        "get_delivery_status",
        "system.describe",
    ];
    prop_oneof![9 => prop::sample::select(KNOWN).prop_map(str::to_owned), 1 => any::<String>()]
}

/// Resident memory of this process, kB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("own status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("resident memory");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}

/// Puts `CRDS_FUZZ_CASES` random requests. What a server keeps it has once the first tenth is answered: from then on the
/// process may not grow by more than 32 MB, that is 300 bytes for each of 100,000 requests. Where many tests share the
/// process (`cargo test`), theirs is allowed for.
fn without_growth<S: Strategy>(requests: &S, put: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let cases: u32 = std::env::var("CRDS_FUZZ_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(600);
    let run = |cases: u32| {
        let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
        proptest::test_runner::TestRunner::new(config).run(requests, &put).expect("every request is answered");
    };
    run(cases / 10);
    let before = resident();
    let started = std::time::Instant::now();
    run(cases - cases / 10);
    let after = resident();
    println!(
        "{cases} requests, {:.1} s, {before} kB after a tenth, {after} kB at the end",
        started.elapsed().as_secs_f64()
    );
    let shared = if std::env::var_os("NEXTEST").is_some() { 0 } else { 256 << 10 };
    assert!(after < before + (32 << 10) + shared, "the process grew from {before} to {after} kB");
}

#[test]
fn random_calls_are_answered() {
    let bench = Bench::new(&Load::ordinary());
    let calls = (method(), prop::collection::vec(value(), 0..5), value());
    without_growth(&calls, |(method, params, id)| {
        let body = json!({"jsonrpc": "1.0", "method": method, "params": params, "id": id}).to_string();
        let answer = bench.request("POST", "/json/", body.as_bytes());
        prop_assert!([200, 204].contains(&answer.status));
        if answer.status == 200 {
            let text = answer.text();
            prop_assert!(text.is_ascii());
            let reply: Value = serde_json::from_str(&text).map_err(|e| TestCaseError::fail(format!("{e}: {text}")))?;
            prop_assert!(reply.get("error").is_some() && reply.get("result").is_some());
        }
        Ok(())
    });
    assert_eq!(bench.said("get_default_context", json!(["hst"])), json!("hst_0001.pmap"), "nothing changed");
}

#[test]
fn random_requests_are_answered() {
    let bench = Bench::new(&Load::ordinary());
    let verbs = prop::sample::select(&["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "BREW"][..]);
    let pages = prop::sample::select(
        &[
            "/",
            "/json/",
            "/json",
            "/get/",
            "/unchecked_get/",
            "/unchecked_get/mappings/hst/",
            "/login/",
            "/logout/",
            "/browse/",
            "/uses/",
            "/context_table/",
            "/upload/new/",
            "/upload/delete/",
            "/submit_confirm/",
            "/mark_bad/",
            "/set_default_context/",
            "/lock_status/",
            "/display_result/",
            "/jpoll/pull_messages/",
            "/difference/",
            "/admin/",
            "/recent_activity_query/",
            "/browse_db/",
            "/certify/",
            "/edit_context_history/",
            "/batch_submit_references/",
        ][..],
    );
    let tails = prop_oneof![Just(String::new()), "[a-z0-9_./%-]{0,20}", any::<String>()];
    let requests = (verbs, pages, tails, prop::collection::vec(any::<u8>(), 0..200));
    without_growth(&requests, |(verb, page, tail, body)| {
        let answer = bench.request(verb, &format!("{page}{tail}"), &body);
        prop_assert!((200..600).contains(&answer.status));
        Ok(())
    });
}
