//! Taking a host's state.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Fields, State, Surface};
use crate::crds::{Contexts, CrdsError, Door, Rows, Server, TABLES, unescaped};
use crate::host::{Algorithm, Entry, EntryKind};

/// Why a state could not be taken whole. A state is whole or there is none.
#[derive(Debug, thiserror::Error)]
#[error("failed to take the surface `{surface}` of `{host}`")]
pub struct CaptureError {
    /// The surface.
    pub surface: String,
    /// The host.
    pub host: String,
    /// Why.
    #[source]
    pub source: Box<CrdsError>,
}

impl CaptureError {
    /// The operator's next move.
    pub fn help(&self) -> String {
        self.source.help()
    }
}

/// One tree of files.
struct Area {
    /// Name of its surface, after `files:`.
    name: &'static str,
    /// Where it lies.
    path: fn(&Server) -> String,
    /// Whether contents are hashed; references are too many bytes for that.
    hashed: bool,
    /// How deep it is listed.
    depth: Option<u32>,
}

const fn area(name: &'static str, path: fn(&Server) -> String, hashed: bool) -> Area {
    Area { name, path, hashed, depth: None }
}

/// The trees of a server (SO 3.1). Logs are left out: they grow, and s470 reads them.
const AREAS: [Area; 25] = [
    area("mappings", |s| s.paths().mappings(s.observatory()), true),
    area("references", |s| s.paths().references(s.observatory()), false),
    area("config", |s| s.paths().cache_config(s.observatory()), true),
    area("deliveries", |s| s.paths().deliveries(), false),
    area("catalogs", |s| s.paths().catalogs(), true),
    area("ingest", |s| format!("{}/ingest", s.paths().server_files), false),
    area("uploads", |s| format!("{}/uploads", s.paths().server_files), false),
    area("monitor", |s| s.paths().monitor.clone(), true),
    area("db_backups", |s| s.paths().db_backups.clone(), false),
    area("installed", |s| format!("{}/python", s.paths().crds), true),
    area("lib", |s| format!("{}/lib", s.paths().crds), false),
    area("static", |s| format!("{}/static", s.paths().crds), true),
    area("conf", |s| format!("{}/conf", s.paths().server), true),
    area("wsgi", |s| format!("{}/wsgi-scripts", s.paths().server), true),
    area("client_sources", |s| s.paths().client_sources.clone(), true),
    area("server_sources", |s| s.paths().server_sources.clone(), true),
    area("stacks", |s| s.paths().stacks.clone(), true),
    area("captures", |s| format!("{}/regress", s.paths().crds), false),
    area("secrets", |s| s.paths().secrets.clone(), false),
    area("pickles", |s| s.paths().pickles(s.observatory()), false),
    area("published_rules", |s| format!("{0}/{1}/mappings/{1}", s.paths().grp, s.observatory()), true),
    area("published_config", |s| format!("{0}/{1}/config/{1}", s.paths().grp, s.observatory()), true),
    Area { name: "server", path: |s| s.paths().server.clone(), hashed: false, depth: Some(1) },
    Area { name: "server_files", path: |s| s.paths().server_files.clone(), hashed: false, depth: Some(1) },
    Area { name: "home", path: |s| s.paths().home.clone(), hashed: true, depth: Some(1) },
];

/// What is taken. Start from [`Scope::nothing`] or [`Scope::data`] and add.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    areas: Vec<&'static str>,
    database: bool,
    cron: bool,
    ports: bool,
    svn: bool,
    stack: bool,
    processes: bool,
    contexts: bool,
    door: Option<Door>,
}

impl Scope {
    /// Nothing at all.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// What users' data is: database, catalogue, contexts, cache, deliveries, catalogues, ingest, reprocessing history.
    pub fn data() -> Self {
        let areas = vec!["mappings", "references", "config", "deliveries", "catalogs", "ingest", "uploads", "monitor"];
        Self { areas, database: true, contexts: true, ..Self::default() }
    }

    /// Everything that needs no running server.
    pub fn all() -> Self {
        Self {
            areas: AREAS.iter().map(|area| area.name).collect(),
            cron: true,
            ports: true,
            svn: true,
            stack: true,
            processes: true,
            ..Self::data()
        }
    }

    /// Also these trees: `mappings`, `references`, `config`, `deliveries`, `catalogs`, `ingest`, `uploads`, `monitor`,
    /// `db_backups`, `installed`, `lib`, `static`, `conf`, `wsgi`, `client_sources`, `server_sources`, `stacks`,
    /// `captures`, `secrets`, `pickles`, `published_rules`, `published_config`, `server`, `server_files`, `home`.
    #[must_use]
    pub fn with_files(mut self, names: &[&'static str]) -> Self {
        self.areas.extend(names.iter().filter(|name| AREAS.iter().any(|area| area.name == **name)));
        self.areas.sort_unstable();
        self.areas.dedup();
        self
    }

    /// Without these trees.
    #[must_use]
    pub fn without_files(mut self, names: &[&str]) -> Self {
        self.areas.retain(|name| !names.contains(name));
        self
    }

    /// Also (or not) the database's tables, catalogue and contexts. Without an installed server they cannot be had.
    #[must_use]
    pub fn database(mut self, wanted: bool) -> Self {
        (self.database, self.contexts) = (wanted, wanted);
        self
    }

    /// Also cron table and `at` queue, ports, checkouts, stack and processes.
    #[must_use]
    pub fn machine(mut self) -> Self {
        (self.cron, self.ports, self.svn, self.stack, self.processes) = (true, true, true, true, true);
        self
    }

    /// Also (or not) the processes, of which cron's come and go.
    #[must_use]
    pub fn processes(mut self, wanted: bool) -> Self {
        self.processes = wanted;
        self
    }

    /// Also (or not) the stack, which needs `env.csh`.
    #[must_use]
    pub fn stack(mut self, wanted: bool) -> Self {
        self.stack = wanted;
        self
    }

    /// Also what the services behind `door` say.
    #[must_use]
    pub fn served_at(mut self, door: Door) -> Self {
        self.door = Some(door);
        self
    }
}

/// Takes the state of `server`.
///
/// # Errors
///
/// [`CaptureError`] at the first surface that cannot be had whole.
pub fn capture(server: &Server, scope: &Scope) -> Result<State, CaptureError> {
    let mut state = State { host: server.role().to_string(), ..State::default() };
    state.taken = server.now().map_err(fail(server, "clock"))?;
    // Trees and database are most of the time and do not wait for each other.
    let parts = std::thread::scope(|threads| {
        let trees = threads.spawn(|| trees(server, scope));
        let machine = threads.spawn(|| machine(server, scope));
        let stored = stored(server, scope);
        let joined = |thread: std::thread::ScopedJoinHandle<'_, Part>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        [joined(trees), stored, joined(machine)]
    });
    for part in parts {
        state.surfaces.extend(part?);
    }
    Ok(state)
}

/// Surfaces by name, or the first that cannot be had.
type Part = Result<Vec<(String, Surface)>, CaptureError>;

fn fail(server: &Server, surface: &str) -> impl FnOnce(CrdsError) -> CaptureError {
    let (surface, host) = (surface.to_owned(), server.name().to_owned());
    move |source| CaptureError { surface, host, source: Box::new(source) }
}

fn trees(server: &Server, scope: &Scope) -> Part {
    let areas = AREAS.iter().filter(|area| scope.areas.contains(&area.name));
    let areas: Vec<(&Area, String)> = areas.map(|area| (area, (area.path)(server))).collect();
    files(server, &areas).map_err(fail(server, "files"))
}

fn stored(server: &Server, scope: &Scope) -> Part {
    let (mut surfaces, mut in_database) = (Vec::new(), None);
    if scope.database {
        let read = server.contents_and_making(&TABLES).map_err(fail(server, "database"))?;
        let making =
            |(name, (_, made)): (&String, &(Rows, String))| (name.clone(), Fields::from([("made", json!(made))]));
        surfaces.push(("tables".to_owned(), read.iter().map(making).collect()));
        let tables = read.into_iter().map(|(name, (rows, _))| (name, rows)).collect();
        surfaces.extend(database(server, &tables).into_iter().map(|(name, surface)| (name.to_owned(), surface)));
        in_database = tables.get(&server.table("*contexts")).map(|rows| server.contexts_of(&rows.table()));
    }
    if scope.contexts {
        let known = in_database.unwrap_or_else(|| server.contexts_in_database());
        let surface = known.and_then(|known| contexts(server, known, scope.door));
        surfaces.push(("contexts".to_owned(), surface.map_err(fail(server, "contexts"))?));
    }
    Ok(surfaces)
}

fn machine(server: &Server, scope: &Scope) -> Part {
    type Take = fn(&Server) -> Result<Surface, CrdsError>;
    let takes: [(bool, &str, Take); 5] = [
        (scope.cron, "cron", cron),
        (scope.ports, "ports", ports),
        (scope.svn, "svn", svn),
        (scope.stack, "stack", stack),
        (scope.processes, "processes", processes),
    ];
    let mut surfaces: Vec<(String, Surface)> = Vec::new();
    for (_, name, take) in takes.into_iter().filter(|(wanted, ..)| *wanted) {
        surfaces.push((name.to_owned(), take(server).map_err(fail(server, name))?));
    }
    if let Some(door) = scope.door {
        surfaces.push(("rpc".to_owned(), rpc(server, door).map_err(fail(server, "rpc"))?));
    }
    Ok(surfaces)
}

fn one<const N: usize>(key: &str, pairs: [(&'static str, Value); N]) -> Surface {
    Surface::from([(key.to_owned(), Fields::from(pairs))])
}

/// All trees by few calls: each costs a process there and back.
fn files(server: &Server, areas: &[(&Area, String)]) -> Result<Vec<(String, Surface)>, CrdsError> {
    let remote = server.remote();
    let paths: Vec<&str> = areas.iter().map(|(_, path)| path.as_str()).collect();
    // A tree that is not there (after the wipe, on a host without stacks) is a state too.
    let there = remote.there(&paths)?;
    let of = |wanted: &dyn Fn(&Area) -> bool| -> Vec<&str> {
        let areas = areas.iter().filter(|(area, path)| wanted(area) && there.contains(&path.as_str()));
        areas.map(|(_, path)| path.as_str()).collect()
    };
    let mut listed = remote.list_trees(&of(&|area| area.depth.is_none()))?;
    for (area, path) in areas.iter().filter(|(area, path)| area.depth.is_some() && there.contains(&path.as_str())) {
        listed.insert(path.clone(), remote.list(path, area.depth)?);
    }
    let mut hashes = remote.hash_trees_without(&of(&|area| area.hashed && area.depth.is_none()), ".svn")?;
    // Of a tree that is listed to a depth only what is listed: below it may lie anything.
    for (_, path) in
        areas.iter().filter(|(area, path)| area.hashed && area.depth.is_some() && there.contains(&path.as_str()))
    {
        let plain = listed.get(path).into_iter().flatten().filter(|entry| entry.kind == EntryKind::File);
        let names: Vec<&str> = plain.map(|entry| entry.path.as_str()).collect();
        hashes.insert(path.clone(), remote.hash_files(path, &names, Algorithm::Sha256)?);
    }
    let surface = |(area, path): &(&Area, String)| {
        let (entries, hashes) = (listed.get(path), hashes.get(path));
        let rows = entries.into_iter().flatten().filter(|entry| !is_svn(&entry.path));
        let row = |entry: &Entry| {
            let key = if entry.path.is_empty() { "." } else { &entry.path };
            (key.to_owned(), file(entry, hashes.and_then(|hashes| hashes.get(&entry.path))))
        };
        (format!("files:{}", area.name), rows.map(row).collect())
    };
    Ok(areas.iter().map(surface).collect())
}

/// Whether a path belongs to a checkout's own bookkeeping.
fn is_svn(path: &str) -> bool {
    path.split('/').any(|part| part == ".svn")
}

fn file(entry: &Entry, hash: Option<&String>) -> Fields {
    let mut fields = Fields::from([
        ("kind", json!(entry.kind)),
        ("mode", json!(format!("{:04o}", entry.mode))),
        ("owner", json!(entry.owner)),
        ("group", json!(entry.group)),
    ]);
    if entry.kind == EntryKind::Link {
        fields.insert("target", json!(entry.target));
    }
    if entry.kind == EntryKind::File {
        #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970 fit, and the listing is finite")]
        let seconds = entry.mtime.floor() as i64;
        fields.insert("size", json!(entry.size));
        fields.insert("links", json!(entry.links));
        fields.insert("mtime", json!(seconds));
    }
    if let Some(hash) = hash {
        fields.insert("sha256", json!(hash));
    }
    fields
}

/// Columns of the catalogue that make a file's state; the rest is covered by the table's digest.
const CATALOGUE: [&str; 12] = [
    "state",
    "blacklisted",
    "rejected",
    "type",
    "sha1sum",
    "size",
    "derived_from",
    "catalog_link",
    "deliverer_user",
    "delivery_date",
    "activation_date",
    "replaced_by_filename",
];

/// Every surface that the database gives, from one reading of it.
fn database(server: &Server, tables: &BTreeMap<String, Rows>) -> Vec<(&'static str, Surface)> {
    let summary = |rows: &Rows| {
        let summary = rows.summary();
        Fields::from([
            ("rows", json!(summary.rows)),
            ("max_id", json!(summary.max_id)),
            ("digest", json!(summary.digest)),
        ])
    };
    let summaries = tables.iter().map(|(name, rows)| (name.clone(), summary(rows))).collect();
    let of = |table: &str| tables.get(&server.table(table));
    let plain = |table: &str, key: &str, columns: &[&'static str]| {
        of(table).map_or_else(Surface::new, |rows| by(rows, key, columns, &[]))
    };
    // A change of any other column must show as well, and on its own row.
    // `blob`: kept twice, the pickled row repeats the columns (SO 19).
    let catalogue = of("*catalog")
        .map_or_else(Surface::new, |rows| by(rows, "name", &CATALOGUE, &others(rows, &CATALOGUE, &["blob"])));
    let padded = |surface: Surface| surface.into_iter().map(|(id, fields)| (format!("{id:0>6}"), fields)).collect();
    vec![
        ("database", summaries),
        ("accounts", of("auth_user").map_or_else(Surface::new, accounts)),
        ("catalogue", catalogue),
        ("counters", plain("*counters", "name", &["counter"])),
        ("history", padded(plain("*context_history", "id", &["start_date", "context", "state", "description"]))),
    ]
}

/// Every account. A login changes its user's row: when it was, and perhaps how the password is stored. Nothing else of it.
fn accounts(users: &Rows) -> Surface {
    const COLUMNS: [&str; 4] = ["is_superuser", "is_staff", "is_active", "email"];
    let mut accounts = by(users, "username", &COLUMNS, &others(users, &COLUMNS, &["password", "last_login"]));
    if let (Some(name), Some(password)) = (users.position("username"), users.position("password")) {
        for row in users.iter() {
            let values: Vec<_> = row.values().collect();
            let digest = values[password].as_ref().map(|hash| blake3::hash(hash.as_bytes()).to_hex()[..16].to_owned());
            if let Some(fields) = values[name].as_deref().and_then(|name| accounts.get_mut(name)) {
                fields.insert("password", json!(digest));
                // The way of hashing, without salt and hash: a framework that knows a better one stores anew who logs in.
                let kind = values[password].as_ref().and_then(|hash| hash.rsplitn(3, '$').nth(2));
                fields.insert("password_kind", json!(kind));
            }
        }
    }
    accounts
}

/// Positions of the columns that are neither looked at one by one nor left out.
fn others(rows: &Rows, looked_at: &[&str], without: &[&str]) -> Vec<usize> {
    let own = |column: &str| looked_at.contains(&column) || without.contains(&column);
    (0..rows.columns().len()).filter(|at| !own(&rows.columns()[*at])).collect()
}

/// The rows by the column `key`: these columns, and where there are others, a digest of their values. By position: a
/// catalogue has tens of thousands of rows of some forty columns, of which these are a few.
fn by(rows: &Rows, key: &str, columns: &[&'static str], others: &[usize]) -> Surface {
    let Some(key) = rows.position(key) else { return Surface::new() };
    // In the order in which the fields are kept.
    let mut columns: Vec<(&'static str, Option<usize>)> =
        columns.iter().filter_map(|name| Some((*name, Some(rows.position(name)?)))).collect();
    columns.extend((!others.is_empty()).then_some(("rest", None)));
    columns.sort_unstable();
    let (mut printed, mut bytes) = (Vec::new(), Vec::new());
    let mut surface = Vec::new();
    for row in rows.iter() {
        printed.clear();
        printed.extend(row.fields());
        let Some(key) = unescaped(printed[key]) else { continue };
        bytes.clear();
        for at in others {
            // As printed: an empty value is told from none, and a tab ends each.
            bytes.extend_from_slice(printed[*at].as_bytes());
            bytes.push(b'\t');
        }
        let value = |at: &Option<usize>| match at {
            Some(at) => unescaped(printed[*at]).map_or(Value::Null, |text| Value::String(text.into_owned())),
            None => Value::String(blake3::hash(&bytes).to_hex()[..16].to_owned()),
        };
        surface.push((key.into_owned(), columns.iter().map(|(name, at)| (*name, value(at))).collect()));
    }
    surface.into_iter().collect()
}

/// Contexts by every place that knows them; `known` is what the database says.
pub(super) fn contexts(server: &Server, known: Contexts, door: Option<Door>) -> Result<Surface, CrdsError> {
    let mut operational = Fields::from([
        ("database", json!(known.operational)),
        ("cache", json!(server.cached_context()?)),
        ("monitor", json!(server.old_context()?)),
    ]);
    if let Some(door) = door {
        let context = server.rpc(door)?.default_context(server.observatory().word())?;
        operational.insert("rpc", json!(context));
    }
    let edit = Fields::from([("database", json!(known.edit))]);
    Ok(Surface::from([("operational".to_owned(), operational), ("edit".to_owned(), edit)]))
}

fn cron(server: &Server) -> Result<Surface, CrdsError> {
    let table = server.crontab()?;
    let mut surface = one("table", [("text", json!(table))]);
    for job in server.at_queue()? {
        surface.insert(format!("at {}", job.id), Fields::from([("when", json!(job.when))]));
    }
    Ok(surface)
}

pub(super) fn ports(server: &Server) -> Result<Surface, CrdsError> {
    let (operational, hidden) = server.ports()?;
    let flag = |flag: Result<crate::crds::Flag, CrdsError>| flag.map_or(Value::Null, |flag| json!(flag));
    Ok(one(
        "server",
        [
            ("operational", json!(operational)),
            ("hidden", json!(hidden)),
            ("flag", flag(server.flag())),
            ("installed_flag", flag(server.installed_flag())),
            ("configured", server.configured_ports().map_or(Value::Null, |ports| json!(ports))),
        ],
    ))
}

pub(super) fn svn(server: &Server) -> Result<Surface, CrdsError> {
    let mut surface = Surface::new();
    let checkouts = [server.paths().client_sources.as_str(), server.paths().server_sources.as_str()];
    let (infos, statuses) = (server.svn_infos(&checkouts)?, server.svn_statuses(&checkouts)?);
    let looked = ["crds", "crds_server"].into_iter().zip(checkouts).zip(infos).zip(statuses);
    for (((name, directory), info), status) in looked {
        let status: Vec<String> = status.into_iter().map(|line| format!("{} {}", line.letters, line.path)).collect();
        let row = Fields::from([
            ("url", json!(info.url)),
            ("revision", json!(info.revision)),
            ("last_changed", json!(info.last_changed)),
            ("version", json!(server.svnversion(directory)?)),
            ("status", json!(status)),
        ]);
        surface.insert(name.to_owned(), row);
    }
    Ok(surface)
}

pub(super) fn stack(server: &Server) -> Result<Surface, CrdsError> {
    let stack = server.stack()?;
    let row = [("login", json!(stack.login)), ("env_csh", json!(stack.env_csh)), ("module", json!(stack.module))];
    Ok(one("server", row))
}

pub(super) fn processes(server: &Server) -> Result<Surface, CrdsError> {
    let all = server.processes()?;
    let account = &server.expected().account;
    let mut surface = Surface::new();
    let count = |name: &str| all.iter().filter(|process| process.is(name) && process.user == *account).count();
    let parents = server.httpd_parents()?;
    surface.insert("httpd".into(), Fields::from([("parents", json!(parents.len()))]));
    surface.insert("memcached".into(), Fields::from([("processes", json!(count("memcached")))]));
    surface.insert("jobs".into(), Fields::from([("running", json!(crate::crds::job_processes(&all).len()))]));
    Ok(surface)
}

fn rpc(server: &Server, door: Door) -> Result<Surface, CrdsError> {
    let info = server.rpc(door)?.call("get_server_info", &json!([]))?;
    let mut row = Fields::new();
    for (key, value) in info.as_object().into_iter().flatten() {
        // The long lists are compared by digest; which names differ is seen on the surface `catalogue`.
        let long = value.to_string().len() > 2000;
        let digest = || blake3::hash(value.to_string().as_bytes()).to_hex().to_string();
        row.insert(key.clone(), if long { json!(digest()) } else { value.clone() });
    }
    Ok(Surface::from([("server_info".to_owned(), row)]))
}
