//! `crds.list`: contexts, rules, references and settings. It answers from the cache when the server is away (WP 2.3).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::cache::{Cache, ServerInfo, quoted};
use super::contexts::{self, Options};
use super::log::Log;
use super::python::Job;
use super::rpc::{Server, ServiceError};
use super::rules::Rules;

const FLAGS: [&str; 9] = [
    "config",
    "status",
    "resolve-contexts",
    "mappings",
    "references",
    "all",
    "verbose",
    "operational-context",
    "stats",
];

/// `crds.list`.
pub fn main(job: &mut Job<'_>) -> i32 {
    let options = Options::read(&job.args, &FLAGS);
    let cache = Cache::of_environment();
    let server = Server::of_environment();
    let mut log = Log::of_tool(&mut *job.err, &job.args);
    let info = match cache.server_info(&server) {
        Ok(info) => info,
        Err(error) => {
            log.error(format!("(FATAL) CRDS server connection and cache load FAILED.  Cannot continue. : {error}"));
            return 255;
        }
    };
    let mut lines = Vec::new();
    if options.has("config") || options.has("status") {
        lines.extend(settings(&cache, &info));
    } else if options.has("operational-context") {
        lines.push(contexts::text(&info.info, "operational_context").to_owned());
    } else {
        let wanted = match contexts::wanted(&options, &info, &server, &cache.observatory, &mut log) {
            Ok(wanted) => wanted,
            Err(error) => {
                log.error(format!("Failed resolving contexts: {error}"));
                return 1;
            }
        };
        if options.has("resolve-contexts") {
            lines.extend(wanted.clone());
        }
        if options.has("mappings") {
            lines.extend(of_contexts(&wanted, &cache, &server, true, &mut log));
        }
        if options.has("references") {
            lines.extend(of_contexts(&wanted, &cache, &server, false, &mut log));
        }
    }
    let status = i32::from(log.counts[0] > 0);
    for line in lines {
        let _ = writeln!(job.out, "{line}");
    }
    status
}

/// What `--config` prints: four sections, each with sorted settings.
fn settings(cache: &Cache, info: &ServerInfo) -> Vec<String> {
    let mut lines = vec!["CRDS Environment".to_owned()];
    let mut environment: Vec<(String, String)> =
        std::env::vars().filter(|(name, _)| name.starts_with("CRDS_")).collect();
    environment.sort();
    lines.extend(environment.iter().map(|(name, value)| format!("\t{name} = {}", quoted(value))));
    lines.push("CRDS Client Config".to_owned());
    lines.push("\tcache_subdir_mode = 'flat'".to_owned());
    let url = std::env::var("CRDS_SERVER_URL").unwrap_or_default();
    lines.push(format!("\tserver_url = {}", quoted(url.trim_end_matches('/'))));
    lines.push("CRDS Actual Paths".to_owned());
    for (name, path) in [("config", cache.config()), ("mapping", cache.mappings()), ("reference", cache.references())] {
        lines.push(format!("\t{name} root = {}", quoted(&path.to_string_lossy())));
    }
    lines.push("CRDS Server Info".to_owned());
    let mut shown: Vec<(String, String)> = Vec::new();
    for (key, value) in &info.info {
        let flat = match value {
            Value::String(text) => quoted(text),
            Value::Number(number) => number.to_string(),
            Value::Object(_) if key.ends_with("_url") || key == "crds_version" => {
                super::cache::python(value, 0).replace('\n', "")
            }
            _ => continue,
        };
        shown.push((key.clone(), flat));
    }
    let (connected, status) = if info.connected { ("True", "'server'") } else { ("False", "'cache'") };
    shown.push(("connected".to_owned(), connected.to_owned()));
    shown.push(("status".to_owned(), status.to_owned()));
    shown.push(("effective_mode".to_owned(), "'local'".to_owned()));
    shown.sort();
    lines.extend(shown.into_iter().map(|(key, value)| format!("\t{key} = {value}")));
    lines
}

/// Mappings or references of contexts: from the cache, else by asking the server.
fn of_contexts(
    wanted: &[String],
    cache: &Cache,
    server: &Result<Server, ServiceError>,
    mappings: bool,
    log: &mut Log<'_>,
) -> Vec<String> {
    let mut rules = Rules::new(&cache.mappings());
    let mut found = BTreeSet::new();
    for context in wanted {
        let here = if mappings { rules.closure(context) } else { rules.references(context) };
        if let Ok(names) = here {
            found.extend(names);
            continue;
        }
        let method = if mappings { "get_mapping_names" } else { "get_reference_names" };
        let asked = server.as_ref().map_err(Clone::clone).and_then(|server| server.call(method, json!([context])));
        match asked {
            Ok(names) => {
                found.extend(names.as_array().into_iter().flatten().filter_map(|n| n.as_str().map(str::to_owned)))
            }
            Err(error) => log.error(format!("Failed listing '{context}': {error}")),
        }
    }
    found.into_iter().collect()
}
