//! Carrying out one test: pages against the test database, services against the server at the configured URL.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use serde_json::Value;

use super::expression::{self, SelfCall};
use super::suite::{self, Test};
use crate::stand_in::tools::crds::rpc::{Server, ServiceError};
use crate::stand_in::tools::crds::rules::sha1;

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Good.
    Ok,
    /// An assertion failed: its text.
    Fail(String),
    /// Something else was raised: class and text.
    Error(String),
}

/// What the tests of one run share.
pub struct Bench<'a> {
    /// The installed `crds/server`.
    pub server_code: PathBuf,
    /// `self.x` of the tests.
    pub facts: BTreeMap<&'static str, String>,
    /// The test database.
    pub database: &'a Connection,
    /// The server under test.
    pub server: Result<Server, ServiceError>,
    /// The cache that downloads are compared with.
    pub cache: PathBuf,
}

impl Bench<'_> {
    /// Carries out a test; the lines are what the application logs meanwhile.
    pub fn run(&self, test: &Test) -> (Verdict, Vec<String>) {
        if test.body == "pass" || test.body.starts_with("self.assertEqual(1 + 1") {
            return (Verdict::Ok, Vec::new());
        }
        let Some(call) = expression::call(&test.body, &self.facts) else {
            return (
                Verdict::Error(format!("NameError: name '{}' is not defined", first_word(&test.body))),
                Vec::new(),
            );
        };
        let text = |at: usize| call.arguments.get(at).and_then(Value::as_str).unwrap_or("");
        match call.name.as_str() {
            "page" => {
                let path = text(0);
                let log = vec![
                    format!("CRDS  : INFO     REQUEST: {path} GET ajax=False"),
                    "CRDS  : INFO     crds_cached get_default_context crds.server.interactive.models_get_default_context_ MISS".to_owned(),
                ];
                (self.page(path), log)
            }
            "write" => (self.write(text(0)), Vec::new()),
            "rpc" => (self.rpc(&call), Vec::new()),
            "rpc_error" => (self.refusal(&call), Vec::new()),
            "download" => (self.download(text(0), text(1)), Vec::new()),
            other => (
                Verdict::Error(format!("AttributeError: '{}' object has no attribute '{other}'", test.class)),
                Vec::new(),
            ),
        }
    }

    fn page(&self, path: &str) -> Verdict {
        match suite::has_view(&self.server_code, path) {
            Ok(()) => self.write("contexts"),
            Err(why) if why.starts_with("AssertionError: ") => Verdict::Fail(why),
            Err(why) => Verdict::Error(why),
        }
    }

    /// Reads and changes a table of the test database.
    fn write(&self, table: &str) -> Verdict {
        let observatory = self.facts.get("observatory").map_or("", String::as_str);
        let name = if table.contains("_lock") { table.to_owned() } else { format!("crds_{observatory}_{table}") };
        let work = || -> rusqlite::Result<()> {
            self.database.query_row(&format!("SELECT count(*) FROM \"{name}\""), [], |_| Ok(()))?;
            self.database
                .execute("INSERT OR REPLACE INTO django_session VALUES ('test', ?1, '2014-01-01')", [&name])?;
            self.database.execute("DELETE FROM django_session WHERE session_key = 'test'", [])?;
            Ok(())
        };
        match work() {
            Ok(()) => Verdict::Ok,
            Err(error) => Verdict::Error(format!("DatabaseError: {error}")),
        }
    }

    fn ask(&self, call: &SelfCall) -> Result<Value, ServiceError> {
        let method = call.arguments.first().and_then(Value::as_str).unwrap_or("");
        let params = call.arguments.get(1).cloned().unwrap_or_default();
        self.server.as_ref().map_err(Clone::clone)?.call(method, params)
    }

    fn rpc(&self, call: &SelfCall) -> Verdict {
        let answer = match self.ask(call) {
            Ok(answer) => answer,
            Err(error) => return Verdict::Error(format!("ServiceError: {error}")),
        };
        let expected = call.arguments.get(2).cloned().unwrap_or_default();
        let wrong = |shown: String| Verdict::Fail(format!("AssertionError: {} != {shown}", short(&answer)));
        match &expected {
            Value::Null if answer.is_null() => wrong("something".to_owned()),
            Value::Null => Verdict::Ok,
            Value::String(needle) if answer.to_string().contains(needle.as_str()) => Verdict::Ok,
            Value::Object(fields) => {
                for (path, value) in fields {
                    let found = path.split('.').try_fold(&answer, |at, key| at.get(key));
                    let text = found.map_or_else(String::new, |found| {
                        found.as_str().map_or_else(|| found.to_string(), str::to_owned)
                    });
                    let needle = value.as_str().unwrap_or_default();
                    // The version carries more than the release's name.
                    let good =
                        if path.contains('.') { text.contains(needle) && !needle.is_empty() } else { text == needle };
                    if !good {
                        return wrong(format!("{{'{path}': '{needle}'}}"));
                    }
                }
                Verdict::Ok
            }
            other if *other == answer => Verdict::Ok,
            other => wrong(short(other)),
        }
    }

    fn refusal(&self, call: &SelfCall) -> Verdict {
        let needle = call.arguments.get(2).and_then(Value::as_str).unwrap_or("");
        match self.ask(call) {
            Err(ServiceError::Refused(text)) if text.contains(needle) => Verdict::Ok,
            Err(error) => Verdict::Error(format!("ServiceError: {error}")),
            Ok(_) => Verdict::Fail("AssertionError: ServiceError not raised".to_owned()),
        }
    }

    fn download(&self, kind: &str, name: &str) -> Verdict {
        let observatory = self.facts.get("observatory").map_or("", String::as_str);
        let server = match &self.server {
            Ok(server) => server,
            Err(error) => return Verdict::Error(format!("ServiceError: {error}")),
        };
        match server.download(&format!("{}unchecked_get/{kind}/{observatory}/{name}", server.url())) {
            Err(error) => Verdict::Error(format!("URLError: {error}")),
            Ok(bytes) => {
                let ours = fs::read(self.cache.join(kind).join(observatory).join(name)).unwrap_or_default();
                if sha1(&bytes) == sha1(&ours) {
                    Verdict::Ok
                } else {
                    Verdict::Fail(format!("AssertionError: '{}' != '{}'", sha1(&bytes), sha1(&ours)))
                }
            }
        }
    }
}

fn first_word(body: &str) -> &str {
    body.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(body)
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    text.chars().take(200).collect()
}
