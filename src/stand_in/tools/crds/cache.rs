//! The cache of the client library on a host (WP 2.3): flat on servers, with the server's last answer in `config/`.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::rpc::{Server, ServiceError};
use crate::rules::syntax;

/// The cache that CRDS_PATH names.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    /// The observatory.
    pub observatory: String,
}

/// What is known of the server: its answer, and whether it is fresh.
#[derive(Debug, Clone)]
pub struct ServerInfo {
    /// The answer of `get_server_info`, URL maps flattened to their unchecked half.
    pub info: Map<String, Value>,
    /// Whether the server itself gave it just now.
    pub connected: bool,
}

impl Cache {
    /// The cache of this environment.
    pub fn of_environment() -> Self {
        let root = std::env::var("CRDS_PATH").unwrap_or_default();
        let observatory = ["CRDS_OBSERVATORY", "CRDS_PROJECT"].iter().find_map(|name| std::env::var(name).ok());
        Self { root: PathBuf::from(root), observatory: observatory.unwrap_or_else(|| "hst".to_owned()) }
    }

    /// Its root directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn part(&self, kind: &str) -> PathBuf {
        self.root.join(kind).join(&self.observatory)
    }

    /// Where rules lie.
    pub fn mappings(&self) -> PathBuf {
        self.part("mappings")
    }

    /// Where references lie.
    pub fn references(&self) -> PathBuf {
        self.part("references")
    }

    /// Where the server's answer lies.
    pub fn config(&self) -> PathBuf {
        self.part("config")
    }

    /// The place of a file, by the kind of its name.
    pub fn place(&self, name: &str) -> PathBuf {
        if super::rules::is_mapping(name) { self.mappings().join(name) } else { self.references().join(name) }
    }

    /// Names of the plain files at their places: what is there for certain. A link may lead nowhere; ask for it by [`Self::place`].
    pub fn files(&self) -> HashSet<String> {
        let mut names = HashSet::new();
        for (dir, rules) in [(self.mappings(), true), (self.references(), false)] {
            let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
            let plain = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
            let found = plain.map(|entry| entry.file_name().to_string_lossy().into_owned());
            names.extend(found.filter(|name| super::rules::is_mapping(name) == rules));
        }
        names
    }

    /// The file names in one of its directories, sorted.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read.
    pub fn listing(dir: &Path) -> io::Result<Vec<String>> {
        let mut names: Vec<String> = fs::read_dir(dir)?
            .filter_map(Result::ok)
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        Ok(names)
    }

    /// Asks the server, or reads its last answer from the cache if it is away.
    ///
    /// # Errors
    ///
    /// The server's error if the cache has no answer either.
    pub fn server_info(&self, server: &Result<Server, ServiceError>) -> Result<ServerInfo, ServiceError> {
        let asked = server
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|server| server.call("get_server_info", Value::Array(vec![])));
        match asked {
            Ok(Value::Object(info)) => Ok(ServerInfo { info: flattened(info, &self.observatory), connected: true }),
            Ok(_) => Err(ServiceError::Refused("get_server_info did not answer an object".to_owned())),
            Err(error) => self.stored_info().map(|info| ServerInfo { info, connected: false }).ok_or(error),
        }
    }

    /// The answer that the last sync stored.
    pub fn stored_info(&self) -> Option<Map<String, Value>> {
        let text = fs::read_to_string(self.config().join("server_config")).ok()?;
        let wrapped = format!("header = {text}\nselector = Match({{}})\n");
        let mapping = syntax::parse(wrapped.as_bytes(), "server_config").ok()?;
        match json(&mapping.header) {
            Value::Object(info) => Some(info),
            _ => None,
        }
    }

    /// Stores the server's answer and its list of bad files, as the last act of a clean sync.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn store_info(&self, info: &Map<String, Value>) -> io::Result<()> {
        let dir = self.config();
        fs::create_dir_all(&dir)?;
        let text = python(&Value::Object(info.clone()), 0);
        replace(&dir.join("server_config"), text.as_bytes())?;
        // Until 2015 a server named them in one text (WP 1.8).
        let bad: Vec<&str> = match (info.get("bad_files_list"), info.get("bad_files")) {
            (Some(list), _) => list.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
            (None, text) => text.and_then(Value::as_str).unwrap_or_default().split_whitespace().collect(),
        };
        replace(&dir.join("bad_files.txt"), bad.join("\n").as_bytes())
    }
}

/// Writes a file in one move.
///
/// # Errors
///
/// If it cannot be written.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let temporary = path.with_file_name(format!("{name}.{}.tmp", std::process::id()));
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, path)
}

/// URL maps of 2014 and 2019 have a checked and an unchecked half; the client keeps the unchecked one.
fn flattened(mut info: Map<String, Value>, observatory: &str) -> Map<String, Value> {
    for key in ["reference_url", "mapping_url"] {
        if let Some(inner) = info.get(key).and_then(|urls| urls.get("unchecked")).cloned() {
            info.insert(key.to_owned(), inner);
        }
        let url = info.get(key).and_then(|urls| urls.get(observatory)).cloned();
        if let Some(url) = url {
            info.insert(key.to_owned(), serde_json::json!({observatory: url}));
        }
    }
    info
}

fn json(value: &syntax::Value) -> Value {
    match value {
        syntax::Value::None => Value::Null,
        syntax::Value::Bool(flag) => Value::Bool(*flag),
        syntax::Value::Int(text) => text.parse::<i64>().map_or_else(|_| Value::String(text.clone()), Value::from),
        syntax::Value::Float(text) => text.parse::<f64>().map_or_else(|_| Value::String(text.clone()), Value::from),
        syntax::Value::Str(text) => Value::String(text.clone()),
        syntax::Value::Tuple(items) | syntax::Value::List(items) => Value::Array(items.iter().map(json).collect()),
        syntax::Value::Dict(items) => Value::Object(
            items.iter().map(|(key, value)| (key.as_str().unwrap_or_default().to_owned(), json(value))).collect(),
        ),
        syntax::Value::Call(_) => Value::Null,
    }
}

/// A value as a Python literal, nested ones on lines of their own.
pub fn python(value: &Value, depth: usize) -> String {
    let pad = " ".repeat(depth + 1);
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| python(item, depth + 1)).collect();
            format!("[{}]", items.join(&format!(",\n{pad}")))
        }
        Value::Object(items) => {
            let mut sorted: Vec<(&String, &Value)> = items.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            let items: Vec<String> =
                sorted.iter().map(|(key, value)| format!("{}: {}", quoted(key), python(value, depth + 2))).collect();
            format!("{{{}}}", items.join(&format!(",\n{pad}")))
        }
    }
}

/// A text as Python's `repr` writes it.
pub fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_answer_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache { root: dir.path().to_owned(), observatory: "hst".to_owned() };
        let info = serde_json::json!({"operational_context": "hst_0279.pmap", "bad_files_list": ["a'b.fits"],
            "force_remote_mode": 0, "context_history": [["2014-09-12 15:10:24", "hst_0279.pmap", "x \"y\" 'z'\nw"]]});
        let Value::Object(info) = info else { unreachable!("an object was written") };
        cache.store_info(&info).unwrap();
        assert_eq!(cache.stored_info(), Some(info));
        assert_eq!(fs::read_to_string(cache.config().join("bad_files.txt")).unwrap(), "a'b.fits");
        let Value::Object(of_2014) = serde_json::json!({"bad_files": "a.fits b.fits"}) else {
            unreachable!("an object")
        };
        cache.store_info(&of_2014).unwrap();
        assert_eq!(fs::read_to_string(cache.config().join("bad_files.txt")).unwrap(), "a.fits\nb.fits");
    }
}
