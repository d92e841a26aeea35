//! WP 1.7: argument counts, named arguments, and methods that only some eras have.

use crds_upgrade::stand_in::server::Era;
use serde_json::{Value, json};

use super::{bench::Bench, mini::Load};
use crate::web_score::Score;

#[test]
fn counts() {
    let bench = Bench::new(&Load::ordinary());
    let mut score = Score::default();
    for (method, params, text) in [
        ("get_server_info", json!([1]), "get_server_info() takes 1 positional argument but 2 were given"),
        ("get_server_info", json!([1, 2]), "get_server_info() takes 1 positional argument but 3 were given"),
        ("get_url", json!([]), "get_url() missing 2 required positional arguments: 'context' and 'filename'"),
        ("get_url", json!(["x"]), "get_url() missing 1 required positional argument: 'filename'"),
        ("get_url", json!(["x", "y", "z"]), "get_url() takes 3 positional arguments but 4 were given"),
        (
            "get_file_info_map",
            json!(["hst"]),
            "get_file_info_map() missing 2 required positional arguments: 'files' and 'fields'",
        ),
        (
            "get_file_info_map",
            json!([]),
            "get_file_info_map() missing 3 required positional arguments: 'observatory', 'files', and 'fields'",
        ),
        (
            "get_best_references_by_ids",
            json!([]),
            "get_best_references_by_ids() missing 4 required positional arguments: 'context', 'dataset_ids', 'reftypes', and 'include_headers'",
        ),
        (
            "get_best_references_by_ids",
            json!([1, 2, 3]),
            "get_best_references_by_ids() missing 1 required positional argument: 'include_headers'",
        ),
        (
            "get_default_context",
            json!([]),
            "get_default_context() missing 1 required positional argument: 'observatory'",
        ),
        (
            "get_default_context",
            json!(["hst", null]),
            "get_default_context() takes 2 positional arguments but 3 were given",
        ),
        (
            "get_dataset_ids",
            json!([]),
            "get_dataset_ids() missing 2 required positional arguments: 'context' and 'instrument'",
        ),
        (
            "get_dataset_ids",
            json!([1, 2, 3, 4]),
            "get_dataset_ids() takes from 3 to 4 positional arguments but 5 were given",
        ),
        (
            "push_remote_context",
            json!([1, 2, 3]),
            "push_remote_context() missing 1 required positional argument: 'context'",
        ),
        (
            "push_remote_context",
            json!([1, 2, 3, 4, 5]),
            "push_remote_context() takes 5 positional arguments but 6 were given",
        ),
        ("get_delivery_status", json!([]), "get_delivery_status() missing 1 required positional argument: 'since'"),
        ("list_mappings", json!(["hst"]), "list_mappings() missing 1 required positional argument: 'glob_pattern'"),
        ("file_exists", json!([]), "file_exists() missing 1 required positional argument: 'filename'"),
        (
            "get_context_by_date",
            json!(["x"]),
            "get_context_by_date() missing 1 required positional argument: 'observatory'",
        ),
        (
            "jpoll_pull_messages",
            json!(["x"]),
            "jpoll_pull_messages() missing 1 required positional argument: 'since_id'",
        ),
        (
            "get_affected_datasets",
            json!([]),
            "get_affected_datasets() missing 3 required positional arguments: 'observatory', 'old_context', and 'new_context'",
        ),
        (
            "get_system_versions",
            json!(["1"]),
            "get_system_versions() missing 1 required positional argument: 'context'",
        ),
    ] {
        score.same(
            "1.7",
            &format!("{method}{params}"),
            bench.said(method, params),
            json!(format!("OtherError: {text}")),
        );
    }
    for (params, text) in [
        (json!({"context": "hst_0001.pmap"}), "get_url() missing 1 required positional argument: 'filename'"),
        (
            json!({"context": "hst_0001.pmap", "filename": "x", "y": 1}),
            "get_url() got an unexpected keyword argument 'y'",
        ),
        (json!({"filename": "x"}), "get_url() missing 1 required positional argument: 'context'"),
        (json!({"request": 1}), "get_url() got multiple values for argument 'request'"),
    ] {
        let reply = bench.reply(&json!({"jsonrpc": "2.0", "method": "get_url", "params": params, "id": 1}));
        score.same(
            "1.3",
            &format!("keywords {params}"),
            reply["error"]["message"].clone(),
            json!(format!("OtherError: {text}")),
        );
    }
    // Counts come before any check, here of the observatory.
    score.same(
        "1.7",
        "counts come first",
        bench.said("list_mappings", json!([5])),
        json!("OtherError: list_mappings() missing 1 required positional argument: 'glob_pattern'"),
    );
    let old = Bench::of(&Load::ordinary(), Era::Y2014, |_| {});
    score.same(
        "1.7",
        "2014: get_best_references_by_ids takes three",
        old.said("get_best_references_by_ids", json!(["hst_0001.pmap", [], null])),
        json!({}),
    );
    score.same(
        "1.7",
        "2014: by instrument is a stub",
        old.call("get_dataset_headers_by_instrument", json!(["hst_0001.pmap", "acs", null])).is_err(),
        true,
    );
    score.same(
        "1.7",
        "jpoll_abort calls what is not there",
        bench.said("jpoll_abort", json!(["x"])),
        json!("OtherError: module 'crds_server.jpoll.views' has no attribute 'abort_core'"),
    );
    let now = Bench::of(&Load::ordinary(), Era::Now, |_| {});
    score.same("5.4", "now: one argument", now.said("get_default_context", json!(["hst"])), json!("hst_0001.pmap"));
    for (state, context) in
        [(Value::Null, "hst_0001.pmap"), (json!("latest"), "hst_0001.pmap"), (json!("edit"), "hst_0003.pmap")]
    {
        score.same("5.4", "now: two arguments", now.said("get_default_context", json!(["hst", state])), json!(context));
    }
    score.finish("rpc counts", 33);
}
