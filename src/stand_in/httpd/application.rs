//! The application inside a worker: made from what is installed at the moment, or the exception that its import raises.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use regex::Regex;

use super::conf::Conf;
use super::python::{Failure, Interpreter, Names, Value};
use crate::stand_in::fleet::spec::{Fleet, Host, Layout, WireEra};
use crate::stand_in::fleet::{mail, order};
use crate::stand_in::server::{Clock, Config, CrdsVersion, Dirs, Era, Generation, LogSink, Memcached, Server};

/// What a worker runs.
pub struct Application {
    /// The server.
    pub server: Server,
    /// Whether Django shows its debugging pages.
    pub debug: bool,
    urls: Vec<Regex>,
}

/// The time of the fleet inside a server.
pub struct FleetClock(Fleet);

impl Clock for FleetClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, pause: Duration) {
        if order::server_step(&self.0, pause.as_secs_f64()).is_err() {
            // No keeper: the pause takes its time.
            std::thread::sleep(pause);
        }
    }
}

/// What a worker knows of its surroundings.
pub struct Surroundings {
    /// The fleet.
    pub fleet: Fleet,
    /// The host.
    pub host: Host,
    /// The configuration of Apache.
    pub conf: Conf,
    /// Apache's logs.
    pub logs: Arc<super::logs::Logs>,
    /// The environment of the process.
    pub environment: BTreeMap<String, String>,
}

impl Surroundings {
    /// The WSGI script.
    pub fn script(&self) -> Option<PathBuf> {
        self.conf.all("WSGIScriptAlias").last()?.args.get(1).map(|path| self.conf.path(path))
    }

    /// The stack that mod_wsgi comes from: two directories above the module's real file (SO 4.1 `apachemod`).
    pub fn stack(&self) -> Option<PathBuf> {
        let (_, _, module) = self.conf.modules().into_iter().find(|(_, name, _)| name == "wsgi_module")?;
        let real = std::fs::canonicalize(module).ok()?;
        real.ancestors().nth(3).map(Path::to_owned)
    }

    /// Imports and builds the application.
    ///
    /// # Errors
    ///
    /// The exception that Python would raise.
    pub fn load(&self) -> Result<Application, Failure> {
        let script = self.script().ok_or_else(|| failure("ImportError", "no WSGI script is configured"))?;
        let python = Interpreter::new(self.module_path(), self.environment.clone());
        python.run_script(&script)?;
        let settings = python.import("crds.server.settings")?;
        for app in settings.get("INSTALLED_APPS").map_or(&[][..], Value::as_list).iter().filter_map(Value::as_str) {
            if app.starts_with("crds.") {
                python.import(app)?;
                let models = format!("{app}.models");
                if let Err(failure) = python.import(&models)
                    && failure.text != "No module named models"
                {
                    return Err(failure);
                }
            }
        }
        let urls = settings.get("ROOT_URLCONF").and_then(Value::as_str).unwrap_or("crds.server.urls").to_owned();
        let urls = python.import(&urls)?;
        let server = self.server(&python, &settings)?;
        Ok(Application {
            server,
            debug: settings.get("DEBUG").and_then(Value::truth).unwrap_or(false),
            urls: patterns(&urls),
        })
    }

    fn module_path(&self) -> Vec<PathBuf> {
        let inherited = self.environment.get("PYTHONPATH").map_or("", String::as_str);
        let mut path: Vec<PathBuf> = inherited.split(':').filter(|dir| !dir.is_empty()).map(PathBuf::from).collect();
        if let Some(stack) = self.stack() {
            path.push(stack.join("lib/python2.7/site-packages"));
            path.push(stack.join("lib/python2.7"));
        }
        path
    }

    fn server(&self, python: &Interpreter, settings: &Names) -> Result<Server, Failure> {
        let names = python.import("crds.server.config")?;
        let text = |name: &str| {
            let value = names.get(name).and_then(Value::text);
            value.ok_or_else(|| failure("AttributeError", &format!("'module' object has no attribute '{name}'")))
        };
        let observatory = text("OBSERVATORY")?;
        let cache = PathBuf::from(text("FILE_CACHE_DIR")?);
        let of_cache = |kind: &str| cache.join(kind).join(&observatory);
        let dirs = Dirs {
            mappings: of_cache("mappings"),
            references: of_cache("references"),
            config: of_cache("config"),
            pickles: of_cache("pickles"),
            deliveries: text("CRDS_DELIVERY_DIR")?.into(),
            catalogs: text("CRDS_CATALOG_DIR")?.into(),
            ingest: text("CRDS_INGEST_DIR")?.into(),
            uploads: text("UPLOAD_DIR")?.into(),
            monitor_reprocessing: text("AFFECTED_DATASETS_DIR")?.into(),
            logs: self.conf.path("logs"),
            faults: self.host.run().join("server_faults"),
            datasets: self.fleet.root.join("dads").join(format!("{observatory}.jsonl")),
            archive: self.fleet.root.join("dads/state"),
        };
        let mut public_url = text("CRDS_URL")?;
        if !public_url.ends_with('/') {
            public_url.push('/');
        }
        let location = settings.get("CACHES").and_then(|caches| caches.key("default")?.key("LOCATION")?.as_str());
        let epoch =
            location.and_then(|text| text.strip_prefix("unix:")).map(|path| PathBuf::from(format!("{path}.epoch")));
        let states = names.get("CRDS_DISTRIBUTION_STATES").map_or(&[][..], Value::as_list);
        let config = Config {
            observatory,
            era: match self.fleet.era {
                WireEra::Y2014 => Era::Y2014,
                WireEra::Y2019 => Era::Y2019,
                WireEra::Now => Era::Now,
            },
            generation: if self.fleet.era == WireEra::Y2014 || self.fleet.layout == Layout::Y2014 {
                Generation::Y2014
            } else {
                Generation::Now
            },
            dirs,
            catalogue: self.catalogue(settings)?,
            public_url,
            use_case: text("USECASE")?,
            distribution_states: states.iter().filter_map(Value::text).collect(),
            zone: mail::zone(),
            pause: Duration::from_secs(10),
            crds_version: version(python),
            methods: methods(&python.files()),
            force_remote_mode: 0,
            ingest_host: self.host.full_name(),
            clock: Arc::new(FleetClock(self.fleet.clone())),
            log: Arc::clone(&self.logs) as Arc<dyn LogSink>,
            memcached: Arc::new(Memcached::new(epoch)),
        };
        Server::open(config).map_err(|error| {
            let mut text = error.to_string();
            if let Some(cause) = std::error::Error::source(&error) {
                text = format!("{text}: {cause}");
            }
            failure("OperationalError", &format!("(2006, \"{text}\")"))
        })
    }

    /// The file of the database that the settings name; a database that does not exist is not made.
    fn catalogue(&self, settings: &Names) -> Result<PathBuf, Failure> {
        let database = settings.get("DATABASES").and_then(|all| all.key("default").cloned()).unwrap_or(Value::None);
        let name = database.key("NAME").and_then(Value::as_str).unwrap_or_default();
        let file = self.host.root().join("var/lib/mysql").join(name);
        if name.is_empty() || name.contains('/') || !file.is_file() {
            return Err(failure("OperationalError", &format!("(1049, \"Unknown database '{name}'\")")));
        }
        if let Err(error) = std::fs::OpenOptions::new().read(true).write(true).open(&file) {
            let host = database.key("HOST").and_then(Value::as_str).unwrap_or("localhost");
            let number = error.raw_os_error().unwrap_or(111);
            return Err(failure(
                "OperationalError",
                &format!("(2003, \"Can't connect to MySQL server on '{host}' ({number})\")"),
            ));
        }
        Ok(file)
    }
}

impl Application {
    /// Whether the installed release has an address for this path.
    pub fn has_page(&self, path: &str) -> bool {
        let path = path.trim_start_matches('/');
        self.urls.is_empty() || self.urls.iter().any(|pattern| pattern.is_match(path))
    }
}

fn failure(kind: &str, text: &str) -> Failure {
    Failure { kind: kind.to_owned(), text: text.to_owned(), trace: Vec::new() }
}

/// The patterns of `urlpatterns`.
fn patterns(urls: &Names) -> Vec<Regex> {
    let all = urls.get("urlpatterns").map_or(&[][..], Value::as_list);
    all.iter().filter_map(|entry| Regex::new(entry.as_list().first()?.as_str()?).ok()).collect()
}

/// The methods registered by the files that were imported; `None` if none is.
fn methods(files: &[PathBuf]) -> Option<BTreeSet<String>> {
    let pattern = Regex::new(r#"(?m)^@jsonrpc_method\(\s*r?['"]([\w.]+)\("#).ok()?;
    let mut found = BTreeSet::new();
    for file in files.iter().filter(|file| file.to_string_lossy().contains("/jsonapi/")) {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        found.extend(pattern.captures_iter(&text).map(|hit| hit[1].to_owned()));
    }
    (!found.is_empty()).then_some(found)
}

/// The version of the installed client package (WP 1.8).
fn version(python: &Interpreter) -> CrdsVersion {
    let package = python.import("crds").unwrap_or_default();
    let stamp = python.import("crds.svn_version").unwrap_or_default();
    let text = |names: &Names, name: &str| names.get(name).and_then(Value::text);
    let info = text(&stamp, "__full_svn_info__").or_else(|| text(&stamp, "__full_version_info__")).unwrap_or_default();
    let url = info.lines().find_map(|line| line.strip_prefix("URL:")).map(str::trim).unwrap_or_default();
    let path = url.split_once("://").map_or(url, |(_, rest)| rest);
    CrdsVersion {
        text: text(&package, "__version__").unwrap_or_else(|| "unknown".to_owned()),
        rev: text(&stamp, "__svn_version__").unwrap_or_else(|| "unknown".to_owned()),
        svnurl: path.find('/').map_or_else(|| "/".to_owned(), |slash| path[slash..].to_owned()),
    }
}
