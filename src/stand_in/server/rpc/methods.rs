//! The registered methods of each era, in order of registration (WP 1.7).

use super::super::{Dialect, Era};

/// A registered method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// Names of its parameters.
    pub params: &'static [&'static str],
    /// How many of them have a default, counted from the end.
    pub optional: usize,
}

const fn method(name: &'static str, params: &'static [&'static str]) -> Method {
    Method { name, params, optional: 0 }
}

const Y2019: &[Method] = &[
    method("list_mappings", &["observatory", "glob_pattern"]),
    method("list_references", &["observatory", "glob_pattern"]),
    method("get_best_references", &["context", "header", "reftypes"]),
    method("get_best_references_by_ids", &["context", "dataset_ids", "reftypes", "include_headers"]),
    method("get_aui_best_references", &["date", "dataset_ids"]),
    method("get_best_references_by_header_map", &["context", "headers", "reftypes"]),
    method("get_mapping_names", &["context"]),
    method("get_reference_names", &["context"]),
    method("get_url", &["context", "filename"]),
    method("get_file_info", &["observatory", "filename"]),
    method("get_file_info_map", &["observatory", "files", "fields"]),
    method("get_dataset_headers_by_id", &["context", "dataset_ids", "datasets_since"]),
    Method { name: "get_dataset_ids", params: &["context", "instrument", "datasets_since"], optional: 1 },
    method("file_exists", &["filename"]),
    method("get_default_context", &["observatory"]),
    method("get_context_by_date", &["date", "observatory"]),
    method("get_server_info", &[]),
    method("get_required_parkeys", &["context"]),
    method("get_sqlite_db", &["observatory"]),
    method("get_mapping_url", &["context", "mapping"]),
    method("get_reference_url", &["context", "reference"]),
    method("get_affected_datasets", &["observatory", "old_context", "new_context"]),
    method("get_context_history", &["observatory"]),
    method("push_remote_context", &["observatory", "kind", "key", "context"]),
    method("get_remote_context", &["observatory", "pipeline_name"]),
    method("get_submission_info", &["observatory", "username"]),
    method("jpoll_pull_messages", &["key", "since_id"]),
    method("jpoll_abort", &["key"]),
    method("get_system_versions", &["master_version", "context"]),
    method("get_delivery_status", &["since"]),
];

const Y2014: &[Method] = &[
    method("list_mappings", &["observatory", "glob_pattern"]),
    method("list_references", &["observatory", "glob_pattern"]),
    method("get_best_references", &["context", "header", "reftypes"]),
    method("get_best_references_by_ids", &["context", "dataset_ids", "reftypes"]),
    method("get_best_references_by_header_map", &["context", "headers", "reftypes"]),
    method("get_mapping_names", &["context"]),
    method("get_reference_names", &["context"]),
    method("get_file_chunk", &["context", "filename", "chunk"]),
    method("get_url", &["context", "filename"]),
    method("get_file_info", &["observatory", "filename"]),
    method("get_file_info_map", &["observatory", "files", "fields"]),
    method("get_dataset_headers_by_id", &["context", "dataset_ids", "datasets_since"]),
    method("get_dataset_headers_by_instrument", &["context", "instrument", "datasets_since"]),
    Method { name: "get_dataset_ids", params: &["context", "instrument", "datasets_since"], optional: 1 },
    method("file_exists", &["filename"]),
    method("get_default_context", &["observatory"]),
    method("get_context_by_date", &["date", "observatory"]),
    method("get_server_info", &[]),
    method("get_required_parkeys", &["context"]),
    method("get_sqlite_db", &["observatory"]),
    method("get_mapping_url", &["context", "mapping"]),
    method("get_reference_url", &["context", "reference"]),
    method("get_context_history", &["observatory"]),
    method("get_affected_datasets", &["observatory", "old_context", "new_context"]),
];

/// 2019's methods but for the default context's second parameter, and what was added since.
const NOW_DIFFERS: &[Method] = &[
    Method { name: "get_default_context", params: &["observatory", "state"], optional: 1 },
    method("get_build_context", &["observatory", "cal_version"]),
];

/// The methods of an era, in order of registration.
pub fn of(era: Era) -> Vec<Method> {
    match era {
        Era::Y2014 => Y2014.to_vec(),
        Era::Y2019 => Y2019.to_vec(),
        Era::Now => {
            let [default_context, build_context] = NOW_DIFFERS else { return Y2019.to_vec() };
            let mut all: Vec<Method> =
                Y2019.iter().map(|m| if m.name == default_context.name { *default_context } else { *m }).collect();
            all.push(*build_context);
            all
        }
    }
}

/// Declared type of a method's parameter, short; never enforced.
fn short_type(method: &str, param: &str) -> &'static str {
    match (method, param) {
        // What may be null or of several kinds is declared an object.
        ("get_mapping_names", "context")
        | ("get_file_info", "observatory")
        | ("get_dataset_ids", "datasets_since")
        | ("get_affected_datasets", "old_context" | "new_context") => return "obj",
        _ => {}
    }
    match param {
        "header" | "headers" => "obj",
        "reftypes" | "dataset_ids" | "files" | "fields" => "arr",
        "include_headers" => "bit",
        "chunk" => "num",
        _ => "str",
    }
}

/// Declared type of a method's parameter, as `system.describe` lists it. Library 0.7 writes the Python types behind it
/// (run under Python 3.7).
pub fn declared_type(method: &str, param: &str, dialect: &Dialect) -> &'static str {
    match short_type(method, param) {
        short if dialect.older_rpc_library => short,
        "obj" => "obj([<class 'dict'>])",
        "arr" => "arr([<class 'list'>, <class 'set'>, <class 'tuple'>])",
        "bit" => "bit([<class 'bool'>])",
        _ => "str([<class 'str'>])",
    }
}

/// What `system.describe` lists as the type of every result.
pub fn return_type(dialect: &Dialect) -> &'static str {
    if dialect.older_rpc_library {
        return "any";
    }
    "any([<class 'jsonrpc._types.Object'>, <class 'jsonrpc._types.Number'>, <class 'jsonrpc._types.Boolean'>, \
     <class 'jsonrpc._types.String'>, <class 'jsonrpc._types.Array'>, <class 'jsonrpc._types.Nil'>])"
}
