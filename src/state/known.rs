//! The state in which a step leaves a host, small enough to be read by a person: what is compared with `snapshots/`.
//!
//! Two parts. [`look`] takes it as it is. [`Frame::normal`] words it so that a rehearsal on small rules, one on the real
//! rules and the night itself give the same text: addresses, paths and revisions by what they are for, tables by what
//! was added since preflight, files by the plan's names. What cannot be equal is on the list [`SHAPED`], each entry with
//! its reason, and still checked for its shape.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::capture;
use super::{CaptureError, Fields, Misshapen, Shape, State, Surface};
use crate::crds::{CrdsError, Door, HistoryRow, PortState, Server, Table};
use crate::host::{Limit, side_by_side};
use crate::plan::names::{is_file_name, is_mapping};

/// A part of a host's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Entries of the cron table, queued `at` jobs.
    Cron,
    /// Jobs of cron that run.
    Jobs,
    /// Server processes.
    Processes,
    /// Both ports, the port flag and its installed copy, ports of the installed configuration.
    Ports,
    /// Both checkouts.
    Svn,
    /// The stack by each layer.
    Stack,
    /// The directories that the plan wipes.
    Installed,
    /// What the running server says of itself.
    Served,
    /// Contexts by every place that knows them.
    Contexts,
    /// Rows of each table.
    Rows,
    /// Context history.
    History,
    /// The plan's own files in catalogue and cache.
    Files,
}

/// A field whose value differs between two good runs, and what it must look like all the same.
#[derive(Clone, Copy, Debug)]
pub struct Shaped {
    /// The part.
    pub part: &'static str,
    /// The field, of every row.
    pub field: &'static str,
    /// What its value must look like.
    pub shape: Shape,
    /// Why it differs.
    pub why: &'static str,
}

/// Every field that is compared by its shape only. Adding to this list is a reviewed act.
pub const SHAPED: [Shaped; 3] = [
    Shaped {
        part: "svn",
        field: "revision",
        shape: Shape::Count,
        why: "the repository's newest revision at the last update; what the branch says is `last_changed`",
    },
    Shaped {
        part: "files",
        field: "sha1sum",
        shape: Shape::Hash,
        why: "derived rules differ with the rules they start from; `equals_known_good` compares them",
    },
    Shaped { part: "history", field: "start_date", shape: Shape::Text, why: "the moment of the act" },
];

/// Tables in which rows come and go while nothing is done; on the list of volatile surfaces too.
const RESTLESS: [&str; 3] = ["django_session", "jpoll_channel", "jpoll_message"];

/// Takes the parts of a host's state. `wipe` are the plan's directories, `files` its files.
///
/// # Errors
///
/// [`CaptureError`] at the first part that cannot be had whole.
pub fn look(server: &Server, parts: &[Part], wipe: &[String], files: &[String]) -> Result<State, CaptureError> {
    // What is in the database is asked in one session: that costs more than all the questions in it.
    let (mut jobs, mut stored) = (Vec::new(), Vec::new());
    for part in parts {
        match part.reader() {
            Some(reader) => jobs.push(Job::One(*part, reader)),
            None => stored.push(*part),
        }
    }
    if !stored.is_empty() {
        jobs.insert(0, Job::Stored(stored));
    }
    let taken = side_by_side(&jobs, |job| match job {
        Job::Stored(parts) => in_database(server, parts, files),
        Job::One(part, read) => {
            read(server, wipe).map(|surface| vec![(part.name(), surface)]).map_err(|why| (part.name(), why))
        }
    });
    let mut state = State { host: server.role().to_string(), ..State::default() };
    for surfaces in taken {
        let surfaces = surfaces.map_err(|(surface, source)| CaptureError {
            surface: surface.to_owned(),
            host: server.name().to_owned(),
            source: Box::new(source),
        })?;
        state.surfaces.extend(surfaces.into_iter().map(|(name, surface)| (name.to_owned(), surface)));
    }
    Ok(state)
}

/// What is looked at in one go.
enum Job {
    One(Part, Reader),
    Stored(Vec<Part>),
}

/// Takes a part of a server, whose plan wipes these directories.
type Reader = fn(&Server, &[String]) -> Result<Surface, CrdsError>;

impl Part {
    /// What takes it, unless it is in the database.
    fn reader(self) -> Option<Reader> {
        match self {
            Self::Cron => Some(|server, _| cron(server)),
            Self::Jobs => Some(|server, _| jobs(server)),
            Self::Processes => Some(|server, _| processes(server)),
            Self::Ports => Some(|server, _| capture::ports(server)),
            Self::Svn => Some(|server, _| capture::svn(server)),
            Self::Stack => Some(|server, _| capture::stack(server)),
            Self::Installed => Some(installed),
            Self::Served => Some(|server, _| served(server)),
            Self::Contexts | Self::Rows | Self::History | Self::Files => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Cron => "cron",
            Self::Jobs => "jobs",
            Self::Processes => "processes",
            Self::Ports => "ports",
            Self::Svn => "svn",
            Self::Stack => "stack",
            Self::Installed => "installed",
            Self::Served => "served",
            Self::Contexts => "contexts",
            Self::Rows => "rows",
            Self::History => "history",
            Self::Files => "files",
        }
    }
}

/// Surfaces by name, or what could not be had and why.
type Surfaces = Result<Vec<(&'static str, Surface)>, (&'static str, CrdsError)>;

/// Takes the parts that are in the database.
fn in_database(server: &Server, parts: &[Part], files: &[String]) -> Surfaces {
    let wanted = |part: Part| parts.contains(&part);
    let files: Vec<&String> = files.iter().filter(|name| is_file_name(name)).collect();
    let mut questions = vec![server.ask_for_contexts(), server.ask_for_history()];
    questions.extend(ask_for_files(server, &files));
    let (counts, answers) = if wanted(Part::Rows) {
        server.row_counts(&questions)
    } else {
        server.ask_all(&questions).map(|answers| (BTreeMap::new(), answers))
    }
    .map_err(|why| ("rows", why))?;
    let mut answers = answers.into_iter();
    let (contexts, history) = (answers.next().unwrap_or_default(), answers.next().unwrap_or_default());
    let mut surfaces = Vec::new();
    for part in parts {
        let surface = match part {
            Part::Contexts => server.contexts_of(&contexts).and_then(|known| capture::contexts(server, known, None)),
            Part::History => server.history_of(history.clone()).map(of_history),
            Part::Files => of_plan(server, &files, answers.next().unwrap_or_default()),
            _ => Ok(numbers(&counts)),
        };
        surfaces.push((part.name(), surface.map_err(|why| (part.name(), why))?));
    }
    Ok(surfaces)
}

fn cron(server: &Server) -> Result<Surface, CrdsError> {
    let table = server.crontab()?;
    let entries: Vec<String> = crate::crds::active_lines(&table)
        .into_iter()
        .map(|line| format!("{} {}", line.schedule, line.command))
        .collect();
    let other = table.lines().filter(|line| !line.trim().is_empty()).count() - entries.len();
    let queued: Vec<String> = server.at_queue()?.into_iter().map(|job| job.when).collect();
    let row = Fields::from([("entries", json!(entries)), ("other_lines", json!(other)), ("queued", json!(queued))]);
    Ok(Surface::from([("table".to_owned(), row)]))
}

fn jobs(server: &Server) -> Result<Surface, CrdsError> {
    let running: Vec<String> = server.running_jobs()?.into_iter().map(|job| job.args).collect();
    Ok(Surface::from([("account".to_owned(), Fields::from([("running", json!(running))]))]))
}

fn processes(server: &Server) -> Result<Surface, CrdsError> {
    let mut surface = capture::processes(server)?;
    // A part of its own, because cron starts jobs every five minutes on a live host.
    surface.remove("jobs");
    Ok(surface)
}

fn installed(server: &Server, wipe: &[String]) -> Result<Surface, CrdsError> {
    let mut surface = Surface::new();
    let full = |path: &String| format!("{}/{path}", server.paths().crds);
    let there = server.remote().stats(&wipe.iter().map(full).collect::<Vec<_>>())?;
    for path in wipe {
        let kind = there.get(&full(path)).map_or(json!("gone"), |entry| json!(entry.kind));
        surface.insert(path.clone(), Fields::from([("kind", kind)]));
    }
    Ok(surface)
}

fn served(server: &Server) -> Result<Surface, CrdsError> {
    let (operational, _) = server.ports()?;
    let door = if operational == PortState::Open { Door::Direct } else { Door::Hidden };
    let info = server.rpc(door)?.server_info()?;
    let row = Fields::from([
        ("operational", json!(info.operational)),
        ("edit", json!(info.edit)),
        ("branch", json!(info.svn_url)),
        ("reference_url", json!(info.reference_url)),
        ("mapping_url", json!(info.mapping_url)),
        ("rejected", json!(info.bad_files.len())),
    ]);
    Ok(Surface::from([("server_info".to_owned(), row)]))
}

/// Number of rows by table.
fn numbers(counts: &BTreeMap<String, Table>) -> Surface {
    let number = |table: &Table| match table.single() {
        Some(number) => number.parse::<u64>().map_or_else(|_| json!(number), |number| json!(number)),
        None => json!("unknown"),
    };
    counts.iter().map(|(name, table)| (name.clone(), Fields::from([("rows", number(table))]))).collect()
}

fn of_history(rows: Vec<HistoryRow>) -> Surface {
    let row = |row: HistoryRow| {
        let fields = Fields::from([
            ("context", json!(row.context)),
            ("state", json!(row.state)),
            ("description", json!(row.description)),
            ("start_date", json!(row.start_date)),
        ]);
        (format!("{:0>6}", row.id), fields)
    };
    rows.into_iter().map(row).collect()
}

/// Asks for the plan's files; nothing if there are none.
fn ask_for_files(server: &Server, files: &[&String]) -> Option<String> {
    let quoted: Vec<String> = files.iter().map(|name| format!("'{name}'")).collect();
    let question = || {
        format!(
            "select name, state, rejected, blacklisted, derived_from, sha1sum from {} where name in ({}) order by name",
            server.table("*catalog"),
            quoted.join(", ")
        )
    };
    (!quoted.is_empty()).then(question)
}

/// The plan's files as the catalogue has them, with the mode that they have in the cache. Those that are not known yet
/// are rows too: that a file is not there is part of the state.
fn of_plan(server: &Server, files: &[&String], catalogue: Table) -> Result<Surface, CrdsError> {
    let unknown = || Fields::from([("state", json!("not known"))]);
    let mut surface: Surface = files.iter().map(|name| ((*name).clone(), unknown())).collect();
    if files.is_empty() {
        return Ok(surface);
    }
    for row in catalogue.by_name() {
        if let Some(Some(name)) = row.get("name") {
            let others = row.iter().filter(|(column, _)| *column != "name");
            surface.insert(name.to_string(), others.map(|(column, value)| (column.to_owned(), json!(value))).collect());
        }
    }
    let (paths, observatory) = (server.paths(), server.observatory());
    let mut argv = vec!["stat".to_owned(), "--format=%a %n".to_owned()];
    argv.extend(files.iter().map(|name| {
        let folder = if name.ends_with("map") { paths.mappings(observatory) } else { paths.references(observatory) };
        format!("{folder}/{name}")
    }));
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    // Its status says whether all are there; which are, is what it prints.
    for line in server.remote().look(&argv, Limit::QUICK)?.text().lines() {
        if let Some((mode, path)) = line.split_once(' ')
            && let Some(row) = surface.get_mut(path.rsplit('/').next().unwrap_or(path))
        {
            row.insert("mode_in_cache", json!(mode));
        }
    }
    Ok(surface)
}

/// What a host's values are worded with.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// Beginnings of texts and the word for each: URLs, repositories, paths.
    pub words: Vec<(String, String)>,
    /// Revisions by package and the word for each.
    pub revisions: BTreeMap<(String, u64), String>,
    /// Rows of each table at preflight.
    pub rows: BTreeMap<String, u64>,
    /// The highest id of the context history at preflight.
    pub history: u64,
    /// Rejected files at preflight.
    pub rejected: u64,
}

impl Frame {
    /// The state in words that do not depend on host, rules and night.
    ///
    /// # Errors
    ///
    /// Every value on [`SHAPED`] that does not have its shape.
    pub fn normal(&self, state: &State) -> Result<Value, Vec<Misshapen>> {
        let (mut parts, mut wrong) = (serde_json::Map::new(), Vec::new());
        for (name, surface) in &state.surfaces {
            let mut rows = serde_json::Map::new();
            for (key, fields) in surface {
                let row = match name.as_str() {
                    "rows" => self.table(key, fields),
                    "files" => Some(json!(one_line(&self.row(name, key, fields, &mut wrong)))),
                    "history" if key.parse().is_ok_and(|id: u64| id <= self.history) => None,
                    _ => Some(self.row(name, key, fields, &mut wrong)),
                };
                if let Some(row) = row {
                    let key = match (name.as_str(), key.parse::<u64>()) {
                        ("history", Ok(id)) => format!("+{}", id - self.history),
                        _ => key.clone(),
                    };
                    rows.insert(key, row);
                }
            }
            if name == "rows" {
                let gone = self.rows.keys().filter(|table| !surface.contains_key(*table));
                rows.extend(gone.map(|table| (table.clone(), json!("the table is gone"))));
            }
            parts.insert(name.clone(), Value::Object(rows));
        }
        if wrong.is_empty() { Ok(Value::Object(parts)) } else { Err(wrong) }
    }

    /// What was added to a table since preflight; nothing if nothing was.
    fn table(&self, table: &str, fields: &Fields) -> Option<Value> {
        let now = fields.get("rows").and_then(Value::as_u64);
        match (now, self.rows.get(table)) {
            (Some(_), Some(_)) if RESTLESS.contains(&table) && fields.len() == 1 => None,
            (Some(now), Some(before)) if fields.len() == 1 => {
                (now != *before).then(|| json!(format!("{:+}", i128::from(now) - i128::from(*before))))
            }
            _ => Some(json!(fields)),
        }
    }

    fn row(&self, part: &str, key: &str, fields: &Fields, wrong: &mut Vec<Misshapen>) -> Value {
        let mut row = serde_json::Map::new();
        for (field, value) in fields.iter() {
            let shaped = SHAPED.iter().find(|rule| rule.part == part && rule.field == field);
            let normal = match shaped {
                Some(rule) => {
                    wrong.extend(rule.shape.misfit(part, key, field, value));
                    json!(format!("[{:?}]", rule.shape).to_lowercase())
                }
                None => match (part, field) {
                    ("svn", "last_changed") => json!(self.revision(key, value)),
                    ("svn", "version") => json!(marks(value)),
                    ("served", "rejected") => match value.as_u64() {
                        Some(now) => json!(format!("{:+}", i128::from(now) - i128::from(self.rejected))),
                        None => value.clone(),
                    },
                    ("files", "state") => json!(settled(value)),
                    ("files", "derived_from") => json!(parent(value)),
                    _ => self.worded(value),
                },
            };
            row.insert(field.to_owned(), normal);
        }
        Value::Object(row)
    }

    fn worded(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => {
                let mut text = text.clone();
                for (from, word) in self.words.iter().filter(|(from, _)| !from.is_empty()) {
                    text = text.replace(from.as_str(), word);
                }
                Value::String(text)
            }
            Value::Array(values) => values.iter().map(|value| self.worded(value)).collect(),
            _ => value.clone(),
        }
    }

    fn revision(&self, package: &str, value: &Value) -> String {
        let known = value.as_u64().and_then(|number| self.revisions.get(&(package.to_owned(), number)));
        known.cloned().unwrap_or_else(|| format!("not one of this run: {value}"))
    }
}

/// What `svnversion` says beside the number: mixed, modified, switched, partial.
fn marks(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    let marks: String = text.chars().filter(|mark| !mark.is_ascii_digit()).collect();
    match (marks.as_str(), text.is_empty()) {
        ("", false) => "whole".to_owned(),
        (_, true) => format!("not a version: {value}"),
        (marks, false) => format!("marked `{marks}`"),
    }
}

/// A file's row in one line, so that a plan's files are a short list: what every good file says is not repeated.
fn one_line(row: &Value) -> String {
    let fields = row.as_object().into_iter().flatten();
    let said = fields.filter(|(field, value)| !(is_flag(field) && (value.as_str() == Some("0"))));
    let words = said.map(|(field, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if field == "state" { value } else { format!("{field} {value}") }
    });
    words.collect::<Vec<_>>().join(", ")
}

fn is_flag(field: &str) -> bool {
    matches!(field, "rejected" | "blacklisted")
}

/// What a file was made from, if that is another file of CRDS; a text of its author otherwise.
fn parent(value: &Value) -> String {
    match value.as_str() {
        Some(name) if is_mapping(name) || matches!(name, "none" | "") => name.to_owned(),
        Some(_) => "[text]".to_owned(),
        None => value.to_string(),
    }
}

/// The state of a file of the catalogue; the states that the archive gives it one after the other are one, because it
/// does so in its own time.
fn settled(value: &Value) -> String {
    match value.as_str() {
        Some("delivered" | "submitted" | "archiving" | "archived") => "delivered or archived".to_owned(),
        Some(state) => state.to_owned(),
        None => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::mutations;
    use super::*;

    /// One row at least of every part, as they come from a host.
    fn state() -> State {
        let text = r#"{"host": "ops", "taken": 1.0, "surfaces": {
            "cron": {"table": {"entries": ["05 03 * * * nightly.crds.job"], "other_lines": 1, "queued": []}},
            "jobs": {"account": {"running": ["tcsh monitor_reprocessing"]}},
            "processes": {"httpd": {"parents": 1}, "memcached": {"processes": 1}},
            "ports": {"server": {"operational": "open", "hidden": "refused", "flag": "False", "configured": [8001]}},
            "svn": {"crds_server": {"url": "file:///svn/crds_server/branches/opus_2014.3", "revision": 19,
                    "last_changed": 12, "version": "19M", "status": ["M site_config.py"]}},
            "stack": {"server": {"login": "crds_12", "env_csh": ["crds_12"], "module": "crds_12"}},
            "installed": {"lib/mod_wsgi.so": {"kind": "link"}},
            "served": {"server_info": {"operational": "hst_0279.pmap", "edit": "hst_0283.pmap",
                       "branch": "/svn/crds/branches/opus_2014.3", "rejected": 6}},
            "contexts": {"operational": {"database": "hst_0279.pmap", "cache": "hst_0279.pmap"}},
            "rows": {"crds_hst_catalog": {"rows": 103}, "django_session": {"rows": 9}},
            "history": {"000041": {"context": "hst_0279.pmap", "state": "operational", "description": "before",
                        "start_date": "2014-08-01 10:00:00"},
                        "000042": {"context": "hst_0283.pmap", "state": "operational", "description": "NPOLFILE",
                        "start_date": "2014-09-16 18:00:00"}},
            "files": {"hst_0283.pmap": {"state": "operational", "rejected": "false", "derived_from": "hst_0282.pmap",
                      "sha1sum": "34ce76b82e993d4e25cd3e3d7cca236d00d03835", "mode_in_cache": "444"},
                      "new.fits": {"state": "archived"}}}}"#;
        State::parse(text).expect("a state")
    }

    fn frame() -> Frame {
        Frame {
            words: vec![("file:///svn/crds_server".to_owned(), "[repository crds_server]".to_owned())],
            revisions: [(("crds_server".to_owned(), 12), "as approved".to_owned())].into(),
            rows: [("crds_hst_catalog".to_owned(), 100), ("django_session".to_owned(), 3)].into(),
            history: 41,
            rejected: 2,
        }
    }

    /// What may change without being seen, each for its reason.
    fn may_differ(what: &str) -> bool {
        let shaped = SHAPED.iter().any(|rule| {
            what.split_once('/')
                .is_some_and(|(part, rest)| part == rule.part && rest.ends_with(&format!(".{}", rule.field)))
        });
        // What stood in the history before the run is the run's business only as a whole, which s900 looks at.
        shaped || what.contains("000041") || what == "rows/django_session.rows"
    }

    #[test]
    fn every_change_of_any_part_is_seen_but_for_the_reviewed_list() {
        let (state, frame) = (state(), frame());
        let known = frame.normal(&state).expect("has its shapes");
        let all = mutations(&state, usize::MAX);
        assert!(all.len() > 50);
        for mutation in all {
            let red = frame.normal(&mutation.state).map_or(true, |seen| seen != known);
            assert_eq!(red, !may_differ(&mutation.what), "{}", mutation.what);
        }
    }

    #[test]
    fn what_is_hidden_keeps_its_shape() {
        for (part, key, field, bad) in [
            ("svn", "crds_server", "revision", json!("head")),
            ("files", "hst_0283.pmap", "sha1sum", json!("")),
            ("history", "000042", "start_date", json!("")),
        ] {
            let mut state = state();
            let row = state.surfaces.get_mut(part).and_then(|surface| surface.get_mut(key)).expect(part);
            row.insert(field.to_owned(), bad);
            let wrong = frame().normal(&state).expect_err(field);
            assert_eq!(wrong[0].field, field);
        }
    }

    #[test]
    fn rehearsal_and_night_give_the_same_words() {
        let normal = frame().normal(&state()).expect("has its shapes");
        assert_eq!(normal["svn"]["crds_server"]["url"], "[repository crds_server]/branches/opus_2014.3");
        assert_eq!(normal["svn"]["crds_server"]["last_changed"], "as approved");
        assert_eq!(normal["svn"]["crds_server"]["version"], "marked `M`");
        assert_eq!(normal["rows"], json!({"crds_hst_catalog": "+3"}));
        assert_eq!(
            normal["history"].as_object().map(|rows| rows.keys().collect::<Vec<_>>()),
            Some(vec![&"+1".to_owned()])
        );
        assert_eq!(normal["files"]["new.fits"], "delivered or archived");
        assert_eq!(normal["served"]["server_info"]["rejected"], "+4");
    }
}
