//! `query_affected_datasets`: the datasets that the server computed as affected, for contexts or since last time (SO 16).

use serde_json::{Value, json};

use super::cache::{Cache, replace};
use super::contexts::Options;
use super::log::Log;
use super::python::Job;
use super::rpc::Server;

/// `query_affected_datasets [-q] [-i] [-k] [-z] [-x OLD -y NEW] [--reset]`.
pub fn main(job: &mut Job<'_>) -> i32 {
    let long: Vec<String> = job
        .args
        .iter()
        .map(|arg| match arg.as_str() {
            "-x" => "--starting-context".to_owned(),
            "-y" => "--ending-context".to_owned(),
            "-q" => "--quiet".to_owned(),
            "-i" => "--ignore-errors".to_owned(),
            "-k" => "--single-context-switch".to_owned(),
            "-z" => "--list".to_owned(),
            other => other.to_owned(),
        })
        .collect();
    let options = Options::read(&long, &["quiet", "ignore-errors", "single-context-switch", "list", "reset"]);
    let cache = Cache::of_environment();
    let mut log = Log::of_tool(&mut *job.err, &job.args);
    let progress = cache.config().join("ad_last_processed");
    let mut ids = Vec::new();
    let done = (|| -> Result<(), String> {
        let server = Server::of_environment().map_err(|error| error.to_string())?;
        let info = server.call("get_server_info", json!([])).map_err(|error| error.to_string())?;
        let now = info.get("operational_context").and_then(Value::as_str).unwrap_or("").to_owned();
        let history =
            server.call("get_context_history", json!([cache.observatory])).map_err(|error| error.to_string())?;
        let mut order: Vec<String> = history
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|row| row.get(1).and_then(Value::as_str).map(str::to_owned))
            .collect();
        order.reverse();
        if options.has("reset") {
            return replace(&progress, format!("{now}\n").as_bytes()).map_err(|error| error.to_string());
        }
        let stored = std::fs::read_to_string(&progress).unwrap_or_default().trim().to_owned();
        let from = options.value("starting-context").map_or(stored, str::to_owned);
        let to = options.value("ending-context").map_or(now, str::to_owned);
        let at = |name: &str| order.iter().position(|context| context == name);
        let (Some(first), Some(last)) = (at(&from), at(&to)) else {
            return Err(format!("Unknown starting or ending context: '{from}' '{to}'"));
        };
        for pair in order.get(first..=last).unwrap_or_default().windows(2) {
            let [old, new] = pair else { continue };
            if !options.has("quiet") {
                log.info(format!("Fetching effects for '{old}' --> '{new}'"));
            }
            let answer = server
                .call("get_affected_datasets", json!([cache.observatory, old, new]))
                .map_err(|error| error.to_string())?;
            if answer.get("bestrefs_status").and_then(Value::as_i64) != Some(0) && !options.has("ignore-errors") {
                return Err(format!("CRDS server-side errors for '{old}' --> '{new}'"));
            }
            let named = answer.get("affected_ids").and_then(Value::as_array).into_iter().flatten();
            ids.extend(named.filter_map(|id| id.as_str().map(str::to_owned)).filter(|id| !id.is_empty()));
        }
        replace(&progress, format!("{to}\n").as_bytes()).map_err(|error| error.to_string())
    })();
    if let Err(why) = done {
        log.error(why);
        return 1;
    }
    ids.sort();
    ids.dedup();
    for id in ids {
        job.say(id);
    }
    0
}
