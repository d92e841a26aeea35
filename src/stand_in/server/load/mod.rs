//! `--load`: bringing a server into the state that a directory describes (design section 8).

mod ordinary;
mod settings;
pub mod tables;
mod tree;

use std::{
    io,
    path::{Path, PathBuf},
};

pub use ordinary::counter_name;
pub use settings::{CounterEntry, LockEntry, Settings, UserEntry};
pub use tree::copy_tree;

use super::{
    Config, Server, ServerError, accounts,
    catalog::{Account, ActionRow, CatalogueError, FileRow, HistoryRow, LockRow, ResultRow},
    clock,
};
use tables::Table;

/// Why a state cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file or directory cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or directory cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not have the form it should have.
    #[error("`{}`, line {line}: {what}", path.display())]
    Shape {
        /// Which one.
        path: PathBuf,
        /// Where.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// The server cannot be opened.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// Its catalogue cannot be written.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

impl LoadError {
    /// The next move.
    pub fn help(&self) -> String {
        match self {
            Self::Read { path, .. } => format!("is `{}` there and readable?", path.display()),
            Self::Write { path, .. } => format!("free space or fix the owner of `{}`", path.display()),
            Self::Shape { .. } => "the formats are described under `--load` in the README".to_owned(),
            Self::Server(err) => err.help(),
            Self::Catalogue(err) => err.help(),
        }
    }
}

/// What a new server starts from.
#[derive(Debug, Clone, Default)]
pub struct Start<'a> {
    /// Client cache whose mappings it knows; only read.
    pub cache: Option<&'a Path>,
    /// Operational context, unless the state says otherwise.
    pub operational: Option<&'a str>,
    /// Edit context, unless the state says otherwise; default: the operational one.
    pub edit: Option<&'a str>,
    /// The state.
    pub load: Option<&'a Path>,
}

/// Name of the file in `--data` that keeps the settings, so that `dump` knows them.
pub const SETTINGS_FILE: &str = "server.json";

/// Opens a server in `data`. A directory that holds no catalogue yet is filled from `start`; one that does goes on where
/// it stopped.
///
/// # Errors
///
/// If something of `start` cannot be read or has another form than design section 8 gives it, or `data` cannot be written.
pub fn open(mut config: Config, data: &Path, start: &Start<'_>) -> Result<Server, LoadError> {
    let kept = data.join(SETTINGS_FILE);
    if config.catalogue.exists() {
        apply(&mut config, &Settings::read(&kept)?)?;
        return Ok(Server::open(config)?);
    }
    let settings = match start.load {
        Some(dir) => Settings::read(&dir.join("server.json"))?,
        None => Settings::default(),
    };
    apply(&mut config, &settings)?;
    config.dirs.create().map_err(|e| LoadError::Server(ServerError::Dirs(e)))?;
    write_settings(&kept, &config, start.cache)?;
    tree::bring(&config, data, start, settings.archive.as_deref())?;
    let server = Server::open(config)?;
    fill(&server, start, &settings)?;
    Ok(server)
}

/// Makes the catalogue of a server whose directories are in place already, and fills it from `start`; nothing is copied.
///
/// # Errors
///
/// As [`open`].
pub fn make_catalogue(mut config: Config, start: &Start<'_>) -> Result<Server, LoadError> {
    let settings = match start.load {
        Some(dir) => Settings::read(&dir.join("server.json"))?,
        None => Settings::default(),
    };
    apply(&mut config, &settings)?;
    let server = Server::open(config)?;
    fill(&server, start, &settings)?;
    Ok(server)
}

/// Takes over what a settings file says about the configuration.
fn apply(config: &mut Config, settings: &Settings) -> Result<(), LoadError> {
    if let Some(name) = &settings.timezone {
        config.zone = jiff::tz::TimeZone::get(name).map_err(|err| LoadError::Shape {
            path: PathBuf::from("server.json"),
            line: 1,
            what: format!("timezone `{name}`: {err}"),
        })?;
    }
    if let Some(states) = &settings.distribution_states {
        config.distribution_states.clone_from(states);
    }
    if let Some(version) = &settings.crds_version {
        config.crds_version = version.clone();
    }
    if let Some(mode) = settings.force_remote_mode {
        config.force_remote_mode = mode;
    }
    if let Some(host) = &settings.ingest_host {
        config.ingest_host.clone_from(host);
    }
    Ok(())
}

/// The settings of a configuration, as `server.json` says them.
pub fn settings_of(config: &Config) -> Settings {
    Settings {
        timezone: Some(config.zone.iana_name().unwrap_or("UTC").to_owned()),
        distribution_states: Some(config.distribution_states.clone()),
        crds_version: Some(config.crds_version.clone()),
        force_remote_mode: Some(config.force_remote_mode),
        ingest_host: Some(config.ingest_host.clone()),
        ..Settings::default()
    }
}

fn write_settings(path: &Path, config: &Config, cache: Option<&Path>) -> Result<(), LoadError> {
    let mut settings = settings_of(config);
    settings.cache = cache.map(|dir| std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()));
    let text = serde_json::to_string_pretty(&settings).unwrap_or_default();
    std::fs::write(path, text).map_err(|source| LoadError::Write { path: path.to_owned(), source })
}

/// Fills an empty catalogue.
fn fill(server: &Server, start: &Start<'_>, settings: &Settings) -> Result<(), LoadError> {
    let obs = &server.config.observatory;
    let catalogue = &server.catalogue;
    let defaults = match start.load {
        Some(dir) => ordinary::Defaults::read(&dir.join("defaults.json"))?,
        None => ordinary::Defaults::default(),
    };
    let table = |name: &str| match start.load {
        Some(dir) => Table::read(&dir.join(name)),
        None => Ok(None),
    };
    let mut rows = match table("mappings.tsv")? {
        Some(table) => ordinary::table_rows(server, &table, &defaults.mappings, "mapping"),
        None => ordinary::mapping_rows(server, &defaults.mappings),
    };
    rows.extend(match table("references.tsv")? {
        Some(table) => ordinary::table_rows(server, &table, &defaults.references, "reference"),
        None => ordinary::reference_rows(server, &defaults.references),
    });
    rows.dedup_by(|a, b| a.name == b.name);
    catalogue.add_files(&unique(rows))?;

    for row in settings.contexts.iter().flatten() {
        catalogue.set_context(&row.kind, &row.context)?;
    }
    for (kind, given) in [("operational", start.operational), ("edit", start.edit.or(start.operational))] {
        if let Some(context) = given
            && catalogue.context(kind)?.is_none()
        {
            catalogue.set_context(kind, context)?;
        }
    }
    match &settings.history {
        Some(history) => catalogue.add_history(&history.iter().map(in_python).collect::<Vec<_>>())?,
        None => {
            let mut rows = Vec::new();
            if let Some(context) = catalogue.context("operational")? {
                rows.push(HistoryRow {
                    id: 0,
                    start_date: ordinary::LONG_AGO.to_owned(),
                    context,
                    state: "operational".to_owned(),
                    description: "initial context".to_owned(),
                });
            }
            catalogue.add_history(&rows)?;
        }
    }
    for row in settings.remote_contexts.iter().flatten() {
        catalogue.add_remote_context(row)?;
    }
    load_locks(server, settings.locks.as_deref().unwrap_or_default())?;
    for (at, user) in settings.users.iter().flatten().enumerate() {
        catalogue.add_account(&account(user, at))?;
    }
    for entry in settings.counters.iter().flatten() {
        catalogue.raise_counter(&entry.name, entry.counter)?;
    }
    ordinary::raise_counters(server, settings.counters.as_deref().unwrap_or_default())?;
    if let Some(table) = table("actions.tsv")? {
        catalogue.add_actions(&actions(&table, obs))?;
    }
    if let Some(dir) = start.load {
        for row in read_results(&dir.join("results.json"))? {
            catalogue.add_result(&row)?;
        }
    }
    Ok(())
}

/// A row of the history with its date as Python writes it.
fn in_python(row: &HistoryRow) -> HistoryRow {
    let start_date = clock::parse(&row.start_date).map_or_else(|| row.start_date.clone(), clock::python_text);
    HistoryRow { start_date, ..row.clone() }
}

/// The first row of each name: a catalogue cannot hold two.
fn unique(rows: Vec<FileRow>) -> Vec<FileRow> {
    let mut seen = std::collections::HashSet::with_capacity(rows.len());
    rows.into_iter().filter(|row| seen.insert(row.name.clone())).collect()
}

fn account(user: &UserEntry, at: usize) -> Account {
    let password = if accounts::is_hash(&user.password) {
        user.password.clone()
    } else {
        accounts::hash_password(&user.password, &format!("standin{at:05}"))
    };
    Account {
        id: 0,
        username: user.username.clone(),
        password,
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        email: user.email.clone(),
        is_superuser: user.is_superuser,
        is_staff: user.is_staff.unwrap_or(user.is_superuser),
        is_active: true,
        last_login: String::new(),
        date_joined: ordinary::LONG_AGO.to_owned(),
        groups: user.groups.clone(),
    }
}

/// Loads lock rows; of an instrument lock given by one row only, the other is made.
fn load_locks(server: &Server, entries: &[LockEntry]) -> Result<(), LoadError> {
    let mut rows: Vec<LockRow> = Vec::new();
    let mut add = |name: String, entry: &LockEntry| {
        if !rows.iter().any(|row| row.name == name) {
            let created = clock::parse(&entry.created_on).map_or_else(|| entry.created_on.clone(), clock::python_text);
            rows.push(LockRow { name, created_on: created, max_age: entry.max_age });
        }
    };
    for entry in entries {
        add(entry.name.clone(), entry);
        let Some(rest) = entry.name.strip_prefix("instrument$") else { continue };
        match rest.split_once('$') {
            Some((instrument, _)) => add(format!("instrument${instrument}"), entry),
            None if !entry.user.is_empty() => add(format!("instrument${rest}${}", entry.user), entry),
            None => {}
        }
    }
    for row in rows {
        server.catalogue.take_locks(&[row])?;
    }
    Ok(())
}

fn actions(table: &Table, obs: &str) -> Vec<ActionRow> {
    table
        .rows
        .iter()
        .map(|fields| {
            let get = |name: &str| {
                table.columns.iter().position(|c| c == name).and_then(|at| fields.get(at)).cloned().unwrap_or_default()
            };
            let observatory = get("observatory");
            ActionRow {
                id: 0,
                date: get("date"),
                user: get("user"),
                action: get("action"),
                filename: get("filename"),
                observatory: if observatory.is_empty() { obs.to_owned() } else { observatory },
                instrument: get("instrument"),
                filekind: get("filekind"),
                why: get("why"),
                details: get("details"),
            }
        })
        .collect()
}

fn read_results(path: &Path) -> Result<Vec<ResultRow>, LoadError> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|err| LoadError::Shape {
            path: path.to_owned(),
            line: err.line(),
            what: err.to_string(),
        }),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(LoadError::Read { path: path.to_owned(), source }),
    }
}
