//! Which contexts a tool is asked about: listed, the last few, all, or by symbol (WP 1.9).

use serde_json::{Map, Value, json};

use super::cache::ServerInfo;
use super::log::Log;
use super::rpc::{Server, ServiceError};

/// Splits `--name value...` options from a tool's arguments.
#[derive(Debug, Default)]
pub struct Options {
    given: Vec<(String, Vec<String>)>,
    /// Arguments before the first option.
    pub plain: Vec<String>,
}

impl Options {
    /// Reads arguments; `flags` take no value.
    pub fn read(args: &[String], flags: &[&str]) -> Self {
        let mut options = Self::default();
        for arg in args {
            if let Some(name) = arg.strip_prefix("--") {
                match name.split_once('=') {
                    Some((name, value)) => options.given.push((name.to_owned(), vec![value.to_owned()])),
                    None => options.given.push((name.to_owned(), Vec::new())),
                }
            } else if let Some((name, values)) = options.given.last_mut()
                && !flags.contains(&name.as_str())
            {
                values.push(arg.clone());
            } else {
                options.plain.push(arg.clone());
            }
        }
        options
    }

    /// Whether an option was given.
    pub fn has(&self, name: &str) -> bool {
        self.given.iter().any(|(given, _)| given == name)
    }

    /// Its values.
    pub fn values(&self, name: &str) -> Option<&[String]> {
        self.given.iter().rev().find(|(given, _)| given == name).map(|(_, values)| values.as_slice())
    }

    /// Its first value.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).and_then(|values| values.first()).map(String::as_str)
    }
}

/// A text of the server's answer.
pub fn text<'a>(info: &'a Map<String, Value>, key: &str) -> &'a str {
    info.get(key).and_then(Value::as_str).unwrap_or("")
}

/// The rules that the server lists, sorted: in its info, or for a server of 2014, whose info has no such list, by
/// `list_mappings` (WP 1.8). Without an answer there are none.
pub fn listed(info: &Map<String, Value>, server: Option<&Server>, observatory: &str) -> Vec<String> {
    let names = match (info.get("mappings"), server) {
        (Some(names), _) => names.clone(),
        (None, Some(server)) => server.call("list_mappings", json!([observatory, "*.*map"])).unwrap_or_default(),
        (None, None) => Value::Null,
    };
    let names = names.as_array().into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// The serial number of a pipeline context; none for names like `hst.pmap`.
fn serial(name: &str) -> Option<u32> {
    name.strip_suffix(".pmap")?.rsplit_once('_')?.1.parse().ok()
}

/// The contexts that the options ask for, in order.
///
/// # Errors
///
/// A symbol or date that the server cannot resolve.
pub fn wanted(
    options: &Options,
    info: &ServerInfo,
    server: &Result<Server, ServiceError>,
    observatory: &str,
    log: &mut Log<'_>,
) -> Result<Vec<String>, ServiceError> {
    let pmaps = listed(&info.info, server.as_ref().ok(), observatory);
    let pmaps: Vec<String> = pmaps.into_iter().filter(|name| serial(name).is_some()).collect();
    if let Some(values) = options.values("contexts") {
        let mut found = Vec::new();
        for value in values {
            found.push(resolve(value, info, server, observatory, log)?);
        }
        return Ok(found);
    }
    if let Some(count) = options.value("last").or_else(|| options.value("last-n-contexts")) {
        let count: usize = count.parse().unwrap_or(1);
        return Ok(pmaps.into_iter().rev().take(count).rev().collect());
    }
    if options.has("all") {
        return Ok(pmaps);
    }
    if let Some((low, high)) = options.value("range").and_then(|range| range.split_once(':')) {
        let (low, high) = (low.parse().unwrap_or(0), high.parse().unwrap_or(u32::MAX));
        return Ok(pmaps.into_iter().filter(|name| serial(name).is_some_and(|n| (low..=high).contains(&n))).collect());
    }
    Ok(vec![text(&info.info, "operational_context").to_owned()])
}

/// The literal name behind a context specifier.
///
/// # Errors
///
/// What the server says about a date.
pub fn resolve(
    context: &str,
    info: &ServerInfo,
    server: &Result<Server, ServiceError>,
    observatory: &str,
    log: &mut Log<'_>,
) -> Result<String, ServiceError> {
    if super::rules::is_mapping(context) {
        return Ok(context.to_owned());
    }
    let found = match context.strip_prefix(&format!("{observatory}-")) {
        Some("operational" | "latest") => text(&info.info, "operational_context").to_owned(),
        Some("edit") => text(&info.info, "edit_context").to_owned(),
        _ => {
            let server = server.as_ref().map_err(Clone::clone)?;
            let answer = server.call("get_context_by_date", json!([context, observatory]))?;
            answer.as_str().unwrap_or_default().to_owned()
        }
    };
    log.info(format!("Symbolic context '{context}' resolves to '{found}'"));
    Ok(found)
}
