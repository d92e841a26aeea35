//! WP 1.1 to 1.3: endpoint, verbs, envelope, notifications, batches.

use crds_upgrade::stand_in::server::Era;
use serde_json::{Value, json};

use super::{bench::Bench, mini::Load};
use crate::web_score::Score;

const INVALID: &str = "InvalidRequestError: Invalid Request.";

/// A failure of checks (1) to (5): three keys.
fn early(name: &str, code: i64, message: &str) -> Value {
    json!({"error": {"name": name, "code": code, "message": message, "data": null}, "id": null, "result": null})
}

#[test]
fn endpoint_and_verbs() {
    let bench = Bench::new(&Load::ordinary());
    let mut score = Score::default();
    let ask = br#"{"jsonrpc":"1.0","method":"file_exists","params":["hst_0001.pmap"],"id":7}"#;
    for path in ["/json/", "/json/file_exists/t-1/", "/json/anything/else/at/all", "/json/x", "/json//"] {
        let answer = bench.request("POST", path, ask);
        score.same("1.1", &format!("POST {path} is routed on its prefix"), answer.status, 200);
        score.same(
            "1.1",
            &format!("{path} answers application/json-rpc"),
            answer.header("content-type"),
            Some("application/json-rpc"),
        );
        let seen: Value = serde_json::from_str(&answer.text()).unwrap_or_default();
        score.same(
            "1.3",
            "success has four keys",
            seen,
            json!({"error": null, "jsonrpc": "1.0", "id": 7, "result": true}),
        );
    }
    let moved = bench.request("POST", "/json", ask);
    score.same("1.1", "/json without the slash: 301", moved.status, 301);
    score.same("1.1", "/json goes to /json/", moved.header("location"), Some("/json/"));
    score.same("1.1", "/json: no body", moved.text(), String::new());
    score.same("1.1", "/json is text/html", moved.header("content-type"), Some("text/html; charset=utf-8"));
    let unknown = bench.request("POST", "/jsonx/", ask);
    score.same("1.1", "another prefix is the 404 page", unknown.status, 404);
    score.same("1.1", "the 404 page is text/html", unknown.header("content-type"), Some("text/html; charset=utf-8"));

    for path in ["/json/", "/json/file_exists/"] {
        let text = "InvalidRequestError: The method you are trying to access is not available by GET requests";
        let answer = bench.request("GET", path, b"");
        let seen: Value = serde_json::from_str(&answer.text()).unwrap_or_default();
        score.same("1.3", "GET is refused", seen, early("InvalidRequestError", -32600, text));
        score.same("1.1", "errors have status 200", answer.status, 200);
    }
    for verb in ["PUT", "DELETE", "OPTIONS", "PATCH"] {
        let answer = bench.request(verb, "/json/", ask);
        let seen: Value = serde_json::from_str(&answer.text()).unwrap_or_default();
        let wanted = early("RequestPostError", -32600, "RequestPostError: JSON-RPC requests must be POST");
        score.same("1.3", &format!("{verb} is refused"), seen, wanted);
    }
    score.same("1.3", "HEAD: 200", bench.request("HEAD", "/json/", b"").status, 200);
    let old = Bench::of(&Load::ordinary(), Era::Y2014, |_| {});
    let seen: Value = serde_json::from_str(&old.request("GET", "/json/", b"").text()).unwrap_or_default();
    score.same(
        "1.3",
        "0.6 misspells available",
        seen["error"]["message"].clone(),
        json!("InvalidRequestError: The method you are trying to access is not availble by GET requests"),
    );
    score.finish("rpc endpoint and verbs", 31);
}

#[test]
fn bodies_that_are_no_request() {
    let bench = Bench::new(&Load::ordinary());
    let mut score = Score::default();
    let mut refused = |body: &str, what: &str, wanted: Value| {
        let seen: Value = serde_json::from_str(&bench.post(body)).unwrap_or_default();
        score.same("1.3", what, seen, wanted);
    };
    let invalid = || early("InvalidRequestError", -32600, INVALID);
    for (body, what) in [
        ("", "empty"),
        ("\u{feff}{}", "BOM"),
        ("{} x", "trailing text"),
        ("{}{}", "two documents"),
        ("{'method': 'file_exists'}", "single quotes"),
        ("method=file_exists&params=x", "form data"),
        ("{\"method\": \"file_exists\"", "cut short"),
        ("[1,]", "trailing comma"),
        ("{\"a\": 01}", "leading zero"),
        ("\"\t\"", "a raw tab in a text"),
        ("<html>", "markup"),
        ("undefined", "a word"),
    ] {
        refused(body, what, invalid());
    }
    for (body, text) in [
        ("null", "argument of type 'NoneType' is not iterable"),
        ("5", "argument of type 'int' is not iterable"),
        ("1.5", "argument of type 'float' is not iterable"),
        ("true", "argument of type 'bool' is not iterable"),
        ("NaN", "argument of type 'float' is not iterable"),
        ("\"text\"", "'str' object does not support item assignment"),
    ] {
        refused(body, &format!("{body} is no object"), early("OtherError", 500, &format!("OtherError: {text}")));
    }
    let missing = "InvalidParamsError: Request requires str:\"method\" and list:\"params\"";
    for body in ["{}", "{\"params\": []}", "{\"id\": 1, \"jsonrpc\": \"1.0\"}"] {
        refused(body, "method is missing", early("InvalidParamsError", -32602, missing));
    }
    for version in ["\"3.0\"", "\"1\"", "2", "null", "\"\"", "\"1.0 \""] {
        let shown = match version {
            "null" => "None",
            other => other.trim_matches('"'),
        };
        refused(
            &format!("{{\"method\": \"get_server_info\", \"params\": [], \"id\": 1, \"jsonrpc\": {version}}}"),
            "an unknown version",
            early(
                "InvalidRequestError",
                -32600,
                &format!("InvalidRequestError: JSON-RPC version {shown} not supported."),
            ),
        );
    }
    for method in ["\"nope\"", "\"File_exists\"", "\"file_exists \"", "\"\"", "5", "null", "\"system.Describe\""] {
        let seen: Value =
            serde_json::from_str(&bench.post(&format!("{{\"method\": {method}, \"params\": [], \"id\": 9}}")))
                .unwrap_or_default();
        score.same("1.3", "unknown methods are compared exactly", seen["error"]["code"].clone(), json!(-32601));
        score.same("1.3", "unknown methods: id is null", seen["id"].clone(), Value::Null);
        score.same("1.3", "unknown methods: no jsonrpc", seen.get("jsonrpc").is_none(), true);
    }
    let listed = bench.reply(&json!({"method": "nope", "id": 1}))["error"]["message"].clone();
    let names = "list_mappings list_references get_best_references get_best_references_by_ids get_aui_best_references \
        get_best_references_by_header_map get_mapping_names get_reference_names get_url get_file_info get_file_info_map \
        get_dataset_headers_by_id get_dataset_ids file_exists get_default_context get_context_by_date get_server_info \
        get_required_parkeys get_sqlite_db get_mapping_url get_reference_url get_affected_datasets get_context_history \
        push_remote_context get_remote_context get_submission_info jpoll_pull_messages jpoll_abort get_system_versions \
        get_delivery_status";
    let lines: Vec<&str> = names.split_whitespace().collect();
    let wanted =
        format!("MethodNotFoundError: Method not found. Available methods: system.describe\n{}", lines.join("\n"));
    score.same("1.7", "the method list in order of registration", listed, json!(wanted));
    // (1) comes before the rest: 2 621 440 bytes pass, one more does not.
    let filler = |bytes: usize| {
        let head = "{\"method\":\"file_exists\",\"params\":[\"hst_0001.pmap\"],\"id\":1,\"x\":\"";
        format!("{head}{}\"}}", "a".repeat(bytes - head.len() - 2))
    };
    let fits: Value = serde_json::from_str(&bench.post(&filler(2_621_440))).unwrap_or_default();
    score.same("1.3", "2 621 440 bytes are read", fits["result"].clone(), json!(true));
    let large: Value = serde_json::from_str(&bench.post(&filler(2_621_441))).unwrap_or_default();
    score.same("1.3", "one byte more is no request", large, invalid());
    let old = Bench::of(&Load::ordinary(), Era::Y2014, |_| {});
    let large: Value =
        serde_json::from_str(&old.post(&filler(2_700_000).replace("\"id\"", "\"jsonrpc\":\"1.0\",\"id\"")))
            .unwrap_or_default();
    score.same("1.3", "2014 has no such limit", large["result"].clone(), json!(true));
    let old_missing: Value =
        serde_json::from_str(&old.post("{\"method\":\"get_server_info\",\"id\":1}")).unwrap_or_default();
    score.same(
        "1.3",
        "0.6: missing params are refused",
        old_missing["error"]["name"].clone(),
        json!("InvalidParamsError"),
    );
    score.finish("rpc bodies", 50);
}

#[test]
fn versions_ids_and_params() {
    let bench = Bench::new(&Load::ordinary());
    let mut score = Score::default();
    let url = |context: Value, file: Value| json!([context, file]);
    let good = url(json!("hst_0001.pmap"), json!("x.fits"));
    let result = json!("http://server/get/x.fits");
    for (body, wanted, what) in [
        (
            json!({"jsonrpc": "1.0", "method": "get_url", "params": good, "id": 1}),
            json!({"error": null, "jsonrpc": "1.0", "id": 1, "result": result}),
            "1.0",
        ),
        (
            json!({"jsonrpc": 1.0, "method": "get_url", "params": good, "id": 1}),
            json!({"error": null, "jsonrpc": "1.0", "id": 1, "result": result}),
            "the number 1.0 comes back as text",
        ),
        (
            json!({"method": "get_url", "params": good, "id": 1}),
            json!({"error": null, "id": 1, "result": result}),
            "no version, no jsonrpc",
        ),
        (
            json!({"version": "1.0", "method": "get_url", "params": good, "id": 1}),
            json!({"error": null, "version": "1.0", "id": 1, "result": result}),
            "version comes back as version",
        ),
        (
            json!({"jsonrpc": "2.0", "method": "get_url", "params": good, "id": 1}),
            json!({"jsonrpc": "2.0", "id": 1, "result": result}),
            "2.0: a success has no error",
        ),
        (
            json!({"jsonrpc": "1.1", "method": "get_url", "params": good, "id": 1}),
            json!({"jsonrpc": "1.1", "id": 1, "result": result}),
            "1.1: a success has no error",
        ),
        (
            json!({"jsonrpc": "2.0", "method": "get_url", "params": {"filename": "x.fits", "context": "hst_0001.pmap"}, "id": 1}),
            json!({"jsonrpc": "2.0", "id": 1, "result": result}),
            "2.0: an object is keywords",
        ),
        (
            json!({"jsonrpc": "1.1", "method": "get_url", "params": {"1": "x.fits", "0": "hst_0001.pmap"}, "id": 1}),
            json!({"jsonrpc": "1.1", "id": 1, "result": result}),
            "1.1: integer keys are positional",
        ),
        (
            json!({"jsonrpc": "1.1", "method": "get_url", "params": {"0": "hst_0001.pmap", "filename": "x.fits"}, "id": 1}),
            json!({"jsonrpc": "1.1", "id": 1, "result": result}),
            "1.1: other keys are keywords",
        ),
        (
            json!({"jsonrpc": "1.0", "method": "get_url", "params": {"hst_0001.pmap": 1, "x.fits": 2}, "id": 1}),
            json!({"error": null, "jsonrpc": "1.0", "id": 1, "result": result}),
            "1.0: an object's keys are positional",
        ),
        (
            json!({"jsonrpc": "1.0", "method": "file_exists", "params": "x", "id": 1}),
            json!({"error": {"name": "UnknownFile", "code": 0, "message": "UnknownFile: File 'x' is not known to CRDS.", "data": null}, "jsonrpc": "1.0", "id": 1, "result": null}),
            "1.0: a text's characters are positional",
        ),
        (
            json!({"jsonrpc": "2.0", "method": "file_exists", "params": ["x"], "id": 1}),
            json!({"error": {"name": "UnknownFile", "code": 0, "message": "UnknownFile: File 'x' is not known to CRDS.", "data": null}, "jsonrpc": "2.0", "id": 1}),
            "2.0: a failure has no result",
        ),
        (
            json!({"jsonrpc": "1.0", "method": "file_exists", "params": ["hst_0001.pmap"], "id": 1, "other": [1, 2]}),
            json!({"error": null, "jsonrpc": "1.0", "id": 1, "result": true}),
            "other members are ignored",
        ),
    ] {
        score.same("1.3", what, bench.reply(&body), wanted);
    }
    for (params, text) in [
        ("null", "file_exists() argument after * must be an iterable, not NoneType"),
        ("5", "file_exists() argument after * must be an iterable, not int"),
        ("1.5", "file_exists() argument after * must be an iterable, not float"),
        ("true", "file_exists() argument after * must be an iterable, not bool"),
    ] {
        let seen = bench
            .post(&format!("{{\"jsonrpc\": \"1.0\", \"method\": \"file_exists\", \"params\": {params}, \"id\": 1}}"));
        let seen: Value = serde_json::from_str(&seen).unwrap_or_default();
        score.same(
            "1.7",
            "params that are no list",
            seen["error"]["message"].clone(),
            json!(format!("OtherError: {text}")),
        );
    }
    // Under 1.1 what is neither list nor object is no argument at all; numbers are what Python's int() reads, and are
    // looked up as it writes them.
    let missing = "file_exists() missing 1 required positional argument: 'filename'";
    let mapping = json!("hst_0001.pmap");
    for (params, wanted) in [
        (json!("x"), json!(format!("OtherError: {missing}"))),
        (Value::Null, json!(format!("OtherError: {missing}"))),
        (json!(5), json!(format!("OtherError: {missing}"))),
        (json!(true), json!(format!("OtherError: {missing}"))),
        (json!({"-1": mapping}), json!(true)),
        (json!({" 0 ": mapping}), json!("OtherError: '0'")),
        (json!({"1_0": mapping}), json!("OtherError: '10'")),
        (json!({"+1": mapping}), json!("OtherError: '1'")),
    ] {
        let seen = bench.reply(&json!({"jsonrpc": "1.1", "method": "file_exists", "params": params, "id": 1}));
        let seen = if seen["error"].is_null() { seen["result"].clone() } else { seen["error"]["message"].clone() };
        score.same("1.3", &format!("1.1: params {params}"), seen, wanted);
    }
    let no_params = bench.reply(&json!({"jsonrpc": "1.0", "method": "get_server_info", "id": 1}));
    score.same("1.3", "missing params are none", no_params["error"].clone(), Value::Null);
    // Any JSON value is an id, on failure too; output is ASCII, lone surrogates survive, nothing is HTML-encoded.
    for id in [
        "1",
        "1.0",
        "-0.5",
        "\"a\"",
        "[1, {\"b\": null}]",
        "{\"k\": [true]}",
        "true",
        "false",
        "0",
        "\"\"",
        "123456789012345678901234567890",
        "\"\\u00e9\\ud800 <&>'\"",
        "NaN",
        "1e+30",
    ] {
        for file in ["hst_0001.pmap", "x"] {
            let text = bench.post(&format!(
                "{{\"jsonrpc\": \"1.0\", \"method\": \"file_exists\", \"params\": [\"{file}\"], \"id\": {id}}}"
            ));
            score.step("1.3", &format!("id {id} returns unchanged: {text}"), text.contains(&format!("\"id\": {id}")));
            score.step("1.3", "output is ASCII", text.is_ascii());
        }
    }
    let odd = bench.said("file_exists", json!(["a<b>&\"é'"]));
    score.same(
        "1.4",
        "messages are not HTML-encoded",
        odd,
        json!("UnknownFile: File 'a<b>&\"é'' is not known to CRDS."),
    );
    // Notifications: 204 without body; a failure is an error with id null.
    for body in [
        json!({"jsonrpc": "1.0", "method": "file_exists", "params": ["hst_0001.pmap"], "id": null}),
        json!({"jsonrpc": "1.0", "method": "file_exists", "params": ["hst_0001.pmap"]}),
    ] {
        let answer = bench.request("POST", "/json/", body.to_string().as_bytes());
        score.same("1.3", "a notification: 204", answer.status, 204);
        score.same("1.3", "a notification: no body", answer.text(), String::new());
        score.same("1.3", "a notification: text/html", answer.header("content-type"), Some("text/html; charset=utf-8"));
    }
    let failed = bench.reply(&json!({"jsonrpc": "1.0", "method": "file_exists", "params": ["x"]}));
    score.same("1.3", "a failing notification is an error", failed["error"]["name"].clone(), json!("UnknownFile"));
    score.same("1.3", "a failing notification: id null", failed["id"].clone(), Value::Null);
    // Batches.
    score.same("1.3", "an empty batch", bench.reply(&json!([])), json!([]));
    let one = json!({"jsonrpc": "1.0", "method": "file_exists", "params": ["hst_0001.pmap"], "id": 1});
    let quiet = json!({"jsonrpc": "1.0", "method": "file_exists", "params": ["hst_0001.pmap"]});
    let batch = bench.reply(&json!([one, quiet, 5]));
    score.same("1.3", "a batch: as many replies", batch.as_array().map(Vec::len), Some(3));
    score.same("1.3", "a batch: in order", batch[0]["result"].clone(), json!(true));
    score.same("1.3", "a notification in a batch", batch[1]["error"]["message"].clone(), json!(INVALID));
    score.same(
        "1.3",
        "no object in a batch",
        batch[2]["error"]["message"].clone(),
        json!("OtherError: argument of type 'int' is not iterable"),
    );
    // Lists inside a batch: Python looks for two words in them, and then for what goes by name.
    let params = "InvalidParamsError: Request requires str:\"method\" and list:\"params\"";
    let index = "OtherError: list indices must be integers or slices, not str";
    for (inner, wanted) in [(json!(["params"]), params), (json!(["params", "method"]), index), (json!([]), index)] {
        let seen = bench.reply(&json!([inner]))[0]["error"]["message"].clone();
        score.same("1.3", &format!("a list in a batch: {inner}"), seen, json!(wanted));
    }
    let old = Bench::of(&Load::ordinary(), Era::Y2014, |_| {});
    let failed = old.reply(&json!({"jsonrpc": "1.0", "method": "file_exists", "params": ["x"], "id": 3}));
    score.same("1.3", "0.6: id is null on failure", failed["id"].clone(), Value::Null);
    let two = old.reply(&json!({"jsonrpc": "2.0", "method": "file_exists", "params": ["hst_0001.pmap"], "id": 3}));
    score.same("1.3", "0.6: 2.0 keeps error", two.get("error").cloned(), Some(Value::Null));
    score.finish("rpc versions, ids, params", 80);
}

#[test]
fn describe() {
    let bench = Bench::new(&Load::ordinary());
    let mut score = Score::default();
    let seen = bench.said("system.describe", json!([]));
    for (key, value) in [
        ("sdversion", json!("1.0")),
        ("name", json!("django-json-rpc")),
        ("summary", json!("A JSON-RPC Site")),
        ("version", json!("1.0")),
    ] {
        score.same("1.3", &format!("describe: {key}"), seen[key].clone(), value);
    }
    score.step(
        "1.3",
        "describe: an id of the process",
        seen["id"].as_str().is_some_and(|id| id.starts_with("urn:uuid:")),
    );
    score.same(
        "1.3",
        "describe: the same id each time",
        bench.said("system.describe", json!([]))["id"].clone(),
        seen["id"].clone(),
    );
    let procs = seen["procs"].as_array().cloned().unwrap_or_default();
    score.same("1.3", "describe: procs without itself", procs.len(), 30);
    score.same("1.3", "describe: names", procs[0]["name"].clone(), json!("list_mappings"));
    score.same("1.3", "describe: not idempotent", procs[0]["idempotent"].clone(), json!(false));
    score.same("1.3", "describe: parameter names", procs[0]["params"][1]["name"].clone(), json!("glob_pattern"));
    score.step("1.3", "describe: a return type", procs[0]["return"]["type"].is_string());
    let any = "any([<class 'jsonrpc._types.Object'>, <class 'jsonrpc._types.Number'>, <class 'jsonrpc._types.Boolean'>, \
               <class 'jsonrpc._types.String'>, <class 'jsonrpc._types.Array'>, <class 'jsonrpc._types.Nil'>])";
    score.same("1.3", "describe: what every method returns", procs[0]["return"]["type"].clone(), json!(any));
    for (params, given) in [(json!(["x"]), 3), (json!([1, 2]), 4)] {
        let said = format!("OtherError: describe() takes 2 positional arguments but {given} were given");
        score.same("1.7", "describe is a method of the library", bench.said("system.describe", params), json!(said));
    }
    let (text, list) = ("str([<class 'str'>])", "arr([<class 'list'>, <class 'set'>, <class 'tuple'>])");
    let types = |method: &str| -> Vec<Value> {
        let found = procs.iter().find(|proc| proc["name"] == method).expect("a method");
        found["params"].as_array().expect("parameters").iter().map(|param| param["type"].clone()).collect()
    };
    for (method, wanted) in [
        ("get_file_info_map", json!([text, list, list])),
        ("get_best_references_by_ids", json!([text, list, list, "bit([<class 'bool'>])"])),
        ("get_affected_datasets", json!([text, "obj([<class 'dict'>])", "obj([<class 'dict'>])"])),
        ("get_mapping_names", json!(["obj([<class 'dict'>])"])),
        ("get_server_info", json!([])),
    ] {
        score.same("1.3", &format!("describe: declared types of {method}"), json!(types(method)), wanted);
    }
    let old = Bench::of(&Load::ordinary(), Era::Y2014, |_| {});
    let names = |bench: &Bench| -> Vec<String> {
        let procs = bench.said("system.describe", json!([]))["procs"].as_array().cloned().unwrap_or_default();
        procs.iter().filter_map(|p| p["name"].as_str().map(str::to_owned)).collect()
    };
    let short = old.said("system.describe", json!([]))["procs"][0]["params"][0]["type"].clone();
    score.same("1.3", "0.6: types are short", short, json!("str"));
    let seen = names(&old);
    for gone in [
        "push_remote_context",
        "get_remote_context",
        "get_submission_info",
        "jpoll_pull_messages",
        "jpoll_abort",
        "get_system_versions",
        "get_delivery_status",
        "get_aui_best_references",
        "get_build_context",
    ] {
        score.step("1.7", &format!("2014 lacks {gone}"), !seen.iter().any(|n| n == gone));
    }
    let at = |name: &str| seen.iter().position(|n| n == name);
    score.step(
        "1.7",
        "2014: get_file_chunk before get_url",
        at("get_file_chunk").is_some() && at("get_file_chunk") < at("get_url"),
    );
    score.step(
        "1.7",
        "2014: history before affected datasets",
        at("get_context_history") < at("get_affected_datasets"),
    );
    score.step(
        "1.7",
        "2014: headers by instrument after by id",
        at("get_dataset_headers_by_instrument") > at("get_dataset_headers_by_id"),
    );
    let now = Bench::of(&Load::ordinary(), Era::Now, |_| {});
    score.step("1.7", "now has get_build_context", names(&now).iter().any(|n| n == "get_build_context"));
    score.finish("rpc system.describe", 20);
}
