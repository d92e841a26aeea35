//! Fetching a set of backups and saying what is wrong with it: SO 11's list of eight, used for last night's set, for
//! the sets of s210 and for the inputs of the mirrors.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use crds_upgrade::backup::{Dump, SetFacts, first_difference, member_hashes, members, structure, tag_time, unpack};
use crds_upgrade::crds::{BackupSet, Row, Server, SetFile, TABLES, Table};
use crds_upgrade::host::{Algorithm, EntryKind, Limit, Script, Shell, side_by_side};
use crds_upgrade::run::{Evidence, Step, StepError};
use jiff::civil::DateTime;

/// Largest file of a set that is read.
const MOST: usize = 2 << 30;

/// Tables without which a dump is none (SO 11).
const NEEDED: [&str; 3] = ["*catalog", "*contexts", "*context_history"];

/// Tables that are never empty on a server in use.
const FILLED: [&str; 5] = ["*catalog", "*contexts", "*context_history", "*counters", "auth_user"];

/// A set whose files were fetched.
pub struct Fetched {
    /// What `stat` says of its files.
    pub listed: Vec<SetFile>,
    /// Bytes by part: `backup`, `catalogs`, ...
    pub files: BTreeMap<String, Vec<u8>>,
    /// What they say.
    pub facts: SetFacts,
    /// The dump's text and what it says, once somebody asked for it.
    text: OnceLock<Result<String, String>>,
    dump: OnceLock<Result<Dump, String>>,
    /// What was read, as evidence.
    pub evidence: Evidence,
}

/// Fetches a dated set.
pub fn dated(s: &Step, server: &Server, set: &BackupSet) -> Result<Fetched, StepError> {
    fetch(s, server, &set.path, &set.tag, set.files.clone())
}

/// Fetches the shared set.
pub fn shared(s: &Step, server: &Server) -> Result<Fetched, StepError> {
    let base = server.paths().shared_backups.clone();
    fetch(s, server, &base, "shared", server.shared_set()?)
}

fn fetch(s: &Step, server: &Server, base: &str, name: &str, listed: Vec<SetFile>) -> Result<Fetched, StepError> {
    let marker = format!(".{}.", server.tail());
    let parts: Vec<_> =
        listed.iter().filter_map(|file| Some((file, file.name.split_once(&marker)?.0.to_owned()))).collect();
    let read = side_by_side(&parts, |(file, part)| -> Result<_, StepError> {
        s.progress(&format!("fetching {}", file.name), 0, file.entry.size, "bytes");
        Ok((part.clone(), server.remote().read_file(&format!("{base}/{}", file.name), MOST)?))
    });
    let files: BTreeMap<String, Vec<u8>> = read.into_iter().collect::<Result<_, _>>()?;
    let facts = SetFacts::of(&files);
    let account = serde_json::json!({ "set": name, "host": server.name(), "files": listed, "facts": facts });
    let evidence = s.evidence(&format!("backup set {name} of {}", server.role()), account.to_string())?;
    Ok(Fetched { listed, files, facts, text: OnceLock::new(), dump: OnceLock::new(), evidence })
}

/// The text of a dump as it lies in a set: packed in a dated one, plain in the shared one.
fn dump_text(bytes: &[u8]) -> Result<String, String> {
    let plain = if bytes.starts_with(&[0x1f, 0x8b]) {
        Cow::Owned(unpack(bytes).map_err(|error| error.to_string())?)
    } else {
        Cow::Borrowed(bytes)
    };
    Ok(String::from_utf8_lossy(&plain).into_owned())
}

/// The dump of a dated set, of which nothing else is read; none if it has none that unpacks.
pub fn dump_of(server: &Server, set: &BackupSet) -> Result<Option<String>, StepError> {
    let Some(file) = set.files.iter().find(|file| file.name.starts_with("backup.")) else { return Ok(None) };
    Ok(dump_text(&server.remote().read_file(&format!("{}/{}", set.path, file.name), MOST)?).ok())
}

/// The database server that a configuration names; nothing else of that file is read.
const DATABASE_HOST: Script = Script {
    name: "database server",
    shell: Shell::Sh,
    text: r#"if [ -r "$1" ]; then sed -n "s/^ *['\"]HOST['\"] *: *['\"]\([^'\"]*\)['\"].*/\1/p" "$1"; fi"#,
};

/// SHA-256 of no bytes.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

impl Fetched {
    /// The dump's text, or why it cannot be unpacked.
    pub fn dump_text(&self) -> Result<&str, String> {
        let text = self.text.get_or_init(|| {
            let bytes = self.files.get("backup").ok_or("there is no dump")?;
            dump_text(bytes)
        });
        text.as_deref().map_err(Clone::clone)
    }

    /// The dump, or why it cannot be read whole.
    pub fn dump(&self) -> &Result<Dump, String> {
        self.dump.get_or_init(|| Dump::parse(self.dump_text()?).map_err(|error| error.to_string()))
    }

    /// Files that are missing, empty, or whose mode or owner is wrong.
    pub fn incomplete(&self, server: &Server, names: &[String]) -> Vec<String> {
        let account = &server.expected().account;
        let mut faults = Vec::new();
        for name in names {
            let Some(file) = self.listed.iter().find(|file| file.name == *name) else {
                faults.push(format!("{name} is missing"));
                continue;
            };
            // The list of deliveries is empty when nothing is pending; everything else never is.
            if file.entry.size == 0 && !name.starts_with("deliveries.") {
                faults.push(format!("{name} is empty"));
            }
            if file.entry.owner != *account {
                faults.push(format!("{name} belongs to {}", file.entry.owner));
            }
            // Whoever can write to it can replace what a restore would take.
            if file.entry.mode & 0o022 != 0 {
                faults.push(format!("{name} has mode {:04o}: others can write to it", file.entry.mode));
            }
            if file.entry.kind != EntryKind::File {
                faults.push(format!("{name} is no plain file"));
            }
            if name.starts_with("backup.") && file.entry.mode & 0o7777 != 0o600 {
                faults.push(format!("{name} has mode {:04o}, not 0600", file.entry.mode));
            }
        }
        faults
    }

    /// Archives that do not unpack, hold nothing or the wrong directory.
    pub fn unreadable(&self) -> Vec<String> {
        let mut faults: Vec<String> = self.facts.broken.iter().map(|(part, why)| format!("{part}: {why}")).collect();
        for (part, names) in &self.facts.misplaced {
            faults.push(format!("{part} holds {}", names.join(", ")));
        }
        for (part, count) in &self.facts.members {
            if *count == 0 && part != "catalogs" {
                faults.push(format!("{part} holds no file"));
            }
        }
        if self.files.contains_key("rpms") && self.facts.packages == 0 && !self.facts.broken.contains_key("rpms") {
            faults.push("the list of packages is empty".to_owned());
        }
        faults
    }

    /// What is wrong with the dump itself: head, tables, closing line, statements.
    pub fn bad_dump(&self, server: &Server) -> Vec<String> {
        let mut faults = Vec::new();
        if let Some(facts) = &self.facts.dump {
            let wanted = &server.expected().database;
            if facts.database != *wanted {
                faults.push(format!("the dump is of database `{}`, not `{wanted}`", facts.database));
            }
            if !facts.closed {
                faults.push("the dump has no closing line: it was cut short".to_owned());
            }
            let needed: Vec<String> = NEEDED.iter().map(|table| server.table(table)).collect();
            faults.extend(
                facts.lacks(needed.iter().map(String::as_str)).iter().map(|table| format!("no table `{table}`")),
            );
        }
        match self.dump() {
            Err(why) => faults.push(format!("the dump cannot be read: {why}")),
            Ok(dump) => {
                let catalogue = server.table("*catalog");
                if dump.tables.get(&catalogue).is_none_or(|table| table.rows.is_empty()) {
                    faults.push(format!("`{catalogue}` has no rows"));
                }
            }
        }
        faults
    }

    /// Tables of the live database that the dump lacks or has empty, and a context that was not the operational one then.
    pub fn unlike_live(&self, server: &Server) -> Result<Vec<String>, StepError> {
        let Ok(dump) = self.dump() else { return Ok(Vec::new()) };
        let mut faults = Vec::new();
        let filled: Vec<String> = FILLED.iter().map(|table| server.table(table)).collect();
        let (counts, told) = server.row_counts(&[server.ask_for_history()])?;
        for (name, live) in counts {
            let live: u64 = live.single().and_then(|number| number.parse().ok()).unwrap_or(0);
            match dump.tables.get(&name) {
                None => faults.push(format!("no table `{name}` in the dump")),
                Some(seen) if seen.rows.is_empty() && live > 0 && filled.contains(&name) => {
                    faults.push(format!("`{name}` has no rows in the dump, {live} live"));
                }
                Some(_) => {}
            }
        }
        let in_dump = self.dump_text().map(structure).unwrap_or_default();
        for (name, live) in server.making(&TABLES)? {
            if let Some(dumped) = in_dump.get(&name).map(|made| made.trim_end()).filter(|made| *made != live) {
                let (dumped, live) = first_difference(dumped, &live);
                faults.push(format!("`{name}` is made `{dumped}` in the dump, `{live}` live"));
            }
        }
        let completed = dump.facts.completed.as_str();
        let history = server.history_of(told.into_iter().next().unwrap_or_default())?;
        let then = history.iter().rfind(|row| {
            row.state == "operational" && row.start_date.get(..19).is_some_and(|start| start <= completed)
        });
        let kind = format!("{}_operational_context", server.observatory());
        let rows = dump.tables.get(&server.table("*contexts")).cloned().unwrap_or_default().by_name();
        let value = |row: &Row, key: &str| row.get(key).cloned().flatten().unwrap_or_default();
        let named = rows.iter().find(|row| value(row, "kind") == kind).map(|row| value(row, "context"));
        if let Some(then) = then.filter(|then| named.as_deref() != Some(then.context.as_str())) {
            let named = named.unwrap_or_else(|| "none".into());
            faults.push(format!("the dump names {named} as operational context, the history {} then", then.context));
        }
        Ok(faults)
    }

    /// Whether the dump reaches the newest rows that the live database had when it was made, and no further.
    pub fn stale_rows(&self, server: &Server) -> Result<Vec<String>, StepError> {
        let Ok(dump) = self.dump() else { return Ok(vec!["the dump cannot be read".into()]) };
        let completed = dump.facts.completed.clone();
        let mut faults = Vec::new();
        let dated = [("*context_history", "start_date"), ("*actions", "date"), ("*catalog", "delivery_date")];
        let dated = dated.map(|(table, date)| (server.table(table), date));
        let questions = dated.each_ref().map(|(name, date)| format!("select id, {date} from {name} order by id"));
        for ((name, _), live) in dated.iter().zip(server.ask_all(&questions)?) {
            let newest = live.rows.iter().filter_map(|row| {
                let (id, when) = (row.first()?.as_deref()?, row.get(1)?.as_deref()?);
                (when.get(..19)? <= completed.as_str()).then(|| id.parse::<u64>().ok()).flatten()
            });
            let ids: Vec<u64> = newest.collect();
            let newest = ids.iter().copied().max().unwrap_or(0);
            let (rows, dumped) = dump.tables.get(name).map_or((0, 0), Table::extent);
            let then = ids.iter().filter(|id| **id <= dumped).count() as u64;
            if dumped >= newest && rows < then {
                faults.push(format!("{name} has {rows} rows in the dump, the server had {then} then"));
            }
            if dumped < newest {
                faults.push(format!("the dump is older than its rows should be: {name} ends at id {dumped}, the server had {newest} then"));
            }
        }
        Ok(faults)
    }

    /// What is wrong with the archives when compared with the live directories: names that the server does not have,
    /// live files older than the set that it lacks, and such files with other bytes.
    pub fn against_live(&self, server: &Server, made: f64) -> Result<Vec<String>, StepError> {
        let mut faults = Vec::new();
        if let Some(dump) = &self.facts.dump {
            let paths = server.paths();
            let (case, observatory) = (&server.expected().use_case, server.observatory());
            let file = format!("{}/sources/configs/database.{case}.{observatory}.py", paths.server_sources);
            let hosts = server.remote().must_look_script(&DATABASE_HOST, &[&file], Limit::QUICK)?.text();
            // A database of that name is on the test server as well (SO 2.2).
            if !hosts.trim().is_empty() && hosts.lines().all(|host| host != dump.host) {
                faults.push(format!("the dump was made from {}, the database is on {}", dump.host, hosts.trim()));
            }
        }
        let places = [
            ("catalogs", server.paths().catalogs(), "catalogs".to_owned()),
            ("mappings", server.paths().mappings(server.observatory()), format!("mappings/{}", server.observatory())),
            ("config", server.paths().cache_config(server.observatory()), format!("config/{}", server.observatory())),
            ("monitor_reprocessing", server.paths().monitor.clone(), "monitor_reprocessing".to_owned()),
        ];
        for (part, path, prefix) in places {
            // What cron rewrites, and a history that only grows: what lay there before the set must be in it as it is.
            let grows = matches!(part, "config" | "monitor_reprocessing");
            let archive = self.listed.iter().find(|file| file.name.starts_with(&format!("{part}.")));
            let made = archive.filter(|_| grows).map_or(made, |file| made.min(file.entry.mtime));
            let Some(bytes) = self.files.get(part) else { continue };
            let Ok(names) = members(bytes) else { continue };
            let prefix = format!("{prefix}/");
            let archived: BTreeSet<&str> =
                names.iter().filter_map(|name| name.strip_prefix(&prefix)).filter(|name| !name.is_empty()).collect();
            if server.remote().stat(&path)?.is_none() {
                continue;
            }
            let live = server.remote().list(&path, if grows { None } else { Some(1) })?;
            let counts = |entry: &&crds_upgrade::host::Entry| {
                entry.mtime < made && !entry.path.is_empty() && (!grows || entry.kind == EntryKind::File)
            };
            let missing: Vec<&str> = live
                .iter()
                .filter(counts)
                .map(|entry| entry.path.as_str())
                .filter(|path| !archived.contains(path))
                .collect();
            if !missing.is_empty() {
                faults.push(format!("{part} lacks {} file(s) that were there: {}", missing.len(), some(&missing)));
            }
            let gone: Vec<&str> =
                archived.iter().copied().filter(|name| !live.iter().any(|entry| entry.path == *name)).collect();
            if !gone.is_empty() && !grows {
                faults.push(format!(
                    "{part} has {} file(s) that the server does not have: {}",
                    gone.len(),
                    some(&gone)
                ));
            }
            let inside = match member_hashes(bytes) {
                Ok(inside) => inside,
                Err(error) => {
                    faults.push(format!("{part}: {error}"));
                    continue;
                }
            };
            let outside = server.remote().hash_tree(&path, Algorithm::Sha256)?;
            let other: Vec<&str> = live
                .iter()
                .filter(|entry| entry.kind == EntryKind::File && entry.mtime < made)
                .map(|entry| entry.path.as_str())
                // One that lies in the archive as a link has no bytes there.
                .filter(|name| archived.contains(name) && inside.get(&format!("{prefix}{name}")) != outside.get(*name))
                .collect();
            if !other.is_empty() {
                faults.push(format!("{part} has {} file(s) with other bytes: {}", other.len(), some(&other)));
            }
            // Also of what cron has written anew since.
            let is_empty = |sum: Option<&String>| sum.map(|sum| sum == EMPTY);
            let emptied = archived.iter().copied().filter(|name| {
                is_empty(inside.get(&format!("{prefix}{name}"))) == Some(true)
                    && is_empty(outside.get(*name)) == Some(false)
            });
            faults.extend(emptied.map(|name| format!("{part}: {name} is empty in the archive")));
        }
        Ok(faults)
    }

    /// Odd names in the list of deliveries, and links that are older than the set but not in it.
    pub fn bad_deliveries(&self, server: &Server, made: f64) -> Result<Vec<String>, StepError> {
        let Some(list) = &self.facts.deliveries else { return Ok(vec!["there is no list of deliveries".into()]) };
        let mut faults: Vec<String> = list.odd.iter().map(|line| format!("odd name `{line}` in the list")).collect();
        // A delivery that the archive has taken since leaves its catalogue behind (SO 17).
        let catalogs = server.remote().list(&server.paths().catalogs(), Some(1))?;
        for name in &list.names {
            let stem = name.find(".cat").map(|at| &name[..at + 4]);
            if let Some(stem) = stem.filter(|stem| !catalogs.iter().any(|entry| entry.path == *stem)) {
                faults.push(format!("the list has `{name}`, and there is no catalogue {stem}"));
            }
        }
        for link in server.deliveries()? {
            let stem = |name: &str| name.split(".cat").next().unwrap_or(name).to_owned();
            let listed = list.names.iter().any(|name| stem(name) == stem(&link.name));
            if link.entry.mtime < made && !listed {
                faults.push(format!("the list lacks `{}`", link.name));
            }
        }
        Ok(faults)
    }

    /// In what `shared` is not this set.
    pub fn unlike(&self, shared: &Self) -> Vec<String> {
        let mut faults = Vec::new();
        let newest = self.listed.iter().map(|file| file.entry.mtime).fold(f64::NEG_INFINITY, f64::max);
        for file in &shared.listed {
            let apart = (file.entry.mtime - newest).abs();
            if apart > 1800.0 {
                faults.push(format!("shared {} is {} min apart from the dated set", file.name, (apart / 60.0).round()));
            }
        }
        if self.facts.dump_hash != shared.facts.dump_hash {
            faults.push("the shared dump is not the dated one".to_owned());
        }
        for part in ["catalogs", "mappings", "config", "monitor_reprocessing"] {
            match (self.files.get(part), shared.files.get(part)) {
                (Some(a), Some(b)) => {
                    // The two are made by two runs of tar; config and monitor files may be rewritten in between.
                    let same = match part {
                        "catalogs" | "mappings" => unpack(a).ok() == unpack(b).ok(),
                        _ => members(a).ok() == members(b).ok(),
                    };
                    if !same {
                        faults.push(format!("the shared {part} is not the dated one"));
                    }
                }
                (Some(_), None) => faults.push(format!("there is no shared {part}")),
                _ => {}
            }
        }
        if self.facts.deliveries.as_ref().map(|list| &list.names)
            != shared.facts.deliveries.as_ref().map(|list| &list.names)
        {
            faults.push("the shared list of deliveries is not the dated one".to_owned());
        }
        faults
    }

    /// Whether its dump was closed between two local times.
    pub fn dump_time(&self) -> Option<DateTime> {
        self.facts.dump.as_ref()?.completed.replacen(' ', "T", 1).parse().ok()
    }
}

/// The first few of a list.
pub fn some(names: &[&str]) -> String {
    let shown: Vec<&str> = names.iter().take(4).copied().collect();
    if names.len() > 4 { format!("{} ...", shown.join(", ")) } else { shown.join(", ") }
}

/// When last night's nightly ran: from 03:05 of today, or of yesterday if it is earlier than that now, for `hours`.
pub fn last_night(now: &jiff::Zoned, hours: u8) -> (DateTime, DateTime) {
    let civil = now.datetime();
    let mut from = civil.date().at(3, 5, 0, 0);
    if civil < from {
        from = from.saturating_sub(jiff::Span::new().days(1));
    }
    let to = from.saturating_add(jiff::Span::new().hours(i64::from(hours)));
    (from, to)
}

/// The newest dated set, and the one of the night before.
pub fn newest(sets: &[BackupSet]) -> (Option<&BackupSet>, Option<&BackupSet>) {
    let newest = sets.last();
    let day = |set: &BackupSet| tag_time(&set.tag).map(|time| time.date());
    let before = sets.iter().rev().find(|set| newest.is_some_and(|newest| day(set) < day(newest)));
    (newest, before)
}

/// The evidence word for a list of faults.
pub fn said(faults: &[String], good: impl Into<String>) -> String {
    if faults.is_empty() { good.into() } else { super::tally::shorten(faults) }
}
