//! `crds.bestrefs --old-context --new-context --affected-datasets`: which datasets a move of contexts affects.
//!
//! Nothing is computed here. The real client was run once on the very rules and headers of a rehearsal, and its answers
//! are recorded (`fixtures/affected`); this looks the answer up by the digests of the rules in the cache and of the
//! headers that the server hands out now. Other rules or other headers have no recorded answer, and that is an error.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use super::cache::Cache;
use super::contexts::Options;
use super::log::Log;
use super::python::Job;
use super::rpc::{Server, ServiceError};
use super::rules::{Rules, sha1};

/// One recorded run of the real client.
#[derive(Debug, Deserialize)]
struct Answer {
    old: String,
    new: String,
    rules_digest: String,
    headers_digest: String,
    status: i32,
    ids: Vec<String>,
    log: Vec<String>,
}

/// A file of recorded runs.
#[derive(Debug, Deserialize)]
struct Answers {
    answers: Vec<Answer>,
}

/// Instruments that a server of an observatory is asked about.
fn instruments(observatory: &str) -> &'static [&'static str] {
    match observatory {
        "hst" => &["acs", "cos", "nicmos", "stis", "wfc3", "wfpc2"],
        _ => &["fgs", "miri", "nircam", "niriss", "nirspec"],
    }
}

/// Most headers that a server gives at once (WP 1.7).
const IDS_PER_CALL: usize = 1000;

/// `crds.bestrefs`.
pub fn main(job: &mut Job<'_>) -> i32 {
    let flags = [
        "affected-datasets",
        "all-instruments",
        "stats",
        "verbose",
        "print-affected",
        "dump-unique-errors",
        "optimize-tables",
        "print-new-references",
    ];
    let options = Options::read(&job.args, &flags);
    let started = jiff::Timestamp::now();
    let mut log = Log::of_tool(&mut *job.err, &job.args);
    let (Some(old), Some(new)) = (options.value("old-context"), options.value("new-context")) else {
        log.error("(FATAL) Give --old-context and --new-context with --affected-datasets.");
        return 255;
    };
    if options.has("stats") {
        log.info("STARTED");
    }
    let cache = Cache::of_environment();
    let (answer, datasets) = match look_up(&cache, old, new, &mut log) {
        Ok(found) => found,
        Err(why) => {
            log.error(format!("(FATAL) {why}"));
            return 255;
        }
    };
    for line in &answer.log {
        match line.split_once(' ') {
            Some(("ERROR", text)) => log.error(text),
            Some(("WARNING", text)) => log.warning(text),
            Some(("INFO", text)) => log.info(text),
            _ => log.plain(line),
        }
    }
    log.info(format!("Affected products = {}", answer.ids.len()));
    let unique = answer.log.iter().find_map(|line| line.strip_prefix("INFO All unique error types: "));
    if let Some(unique) = unique.filter(|_| options.has("dump-unique-errors")) {
        log.info(format!("Unique error types: {unique}"));
    }
    if options.has("stats") {
        let seconds = jiff::Timestamp::now().duration_since(started).as_secs_f64().max(0.001);
        log.info("STOPPED");
        log.info(format!("ELAPSED {seconds:.3} seconds"));
        log.info(format!("{datasets} datasets at {:.2}  datasets-per-second", datasets as f64 / seconds));
    }
    log.counters();
    if options.has("print-affected") {
        for id in &answer.ids {
            let _ = writeln!(job.out, "{id}");
        }
    }
    answer.status
}

/// The recorded answer for the rules of the cache and the headers of the server, and how many datasets there are.
fn look_up(cache: &Cache, old: &str, new: &str, log: &mut Log<'_>) -> Result<(Answer, usize), String> {
    let mut rules = Rules::new(&cache.mappings());
    let mut lines = BTreeMap::new();
    for context in [old, new] {
        for name in rules.closure(context).map_err(|error| error.to_string())? {
            let bytes = std::fs::read(cache.mappings().join(&name)).map_err(|error| format!("{name}: {error}"))?;
            lines.insert(name, sha1(&bytes));
        }
    }
    let rules_text: String = lines.iter().map(|(name, digest)| format!("{name} {digest}\n")).collect();
    let rules_digest = sha1(rules_text.as_bytes());
    let (headers_digest, datasets) = headers(cache, new, log).map_err(|error| error.to_string())?;
    let file = recorded();
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let answers: Answers = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    let found = answers.answers.into_iter().find(|answer| {
        answer.old == old
            && answer.new == new
            && answer.rules_digest == rules_digest
            && answer.headers_digest == headers_digest
    });
    found.map(|answer| (answer, datasets)).ok_or_else(|| {
        format!("no recorded answer for '{old}' --> '{new}' on rules {rules_digest} and headers {headers_digest}")
    })
}

/// Digest and number of all headers that the server hands out.
fn headers(cache: &Cache, context: &str, log: &mut Log<'_>) -> Result<(String, usize), ServiceError> {
    let server = Server::of_environment()?;
    let mut lines = Vec::new();
    let mut count = 0;
    for instrument in instruments(&cache.observatory) {
        let ids = server.call("get_dataset_ids", json!([context, instrument, null]))?;
        let ids: Vec<&str> = ids.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        log.info(format!("Downloaded  {} dataset ids for '{instrument}' since None", ids.len()));
        for part in ids.chunks(IDS_PER_CALL) {
            let headers = server.call("get_dataset_headers_by_id", json!([context, part, null]))?;
            for (id, header) in headers.as_object().into_iter().flatten() {
                count += 1;
                for (key, value) in header.as_object().into_iter().flatten() {
                    lines.push(format!("{id}\t{key}\t{}\n", value.as_str().unwrap_or_default()));
                }
            }
        }
    }
    lines.sort();
    Ok((sha1(lines.concat().as_bytes()), count))
}

/// The recorded answers of this fleet.
fn recorded() -> PathBuf {
    let root = std::env::var("HOST_ROOT").unwrap_or_default();
    PathBuf::from(format!("{root}/usr/share/crds/affected.json"))
}
