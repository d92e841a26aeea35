//! Making one server the copy of another and proving that it is (SO 12), for s240 and s250.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crds_upgrade::backup::compare_tables;
use crds_upgrade::crds::{Door, PortState, Server, TABLES, TableSummary};
use crds_upgrade::host::{Algorithm, EntryKind, both};
use crds_upgrade::plan::Change;
use crds_upgrade::review;
use crds_upgrade::run::{Found, Poll, Step, StepError};
use crds_upgrade::state::{Fields, State};
use serde_json::{Value, json};

use super::backup_set::{Fetched, shared};
use super::before::first;
use super::mail;
use super::tally::Tally;

/// Tables that may differ between two looks at the same data: sessions and status channels.
pub const VOLATILE: [&str; 4] = ["django_session", "jpoll_channel", "jpoll_message", "django_admin_log"];

/// How long one mirror may take; references of a real server are hours.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Names of the stages, in the order of the script, as its banners say them.
const STAGES: [&str; 6] = [
    "Restoring database",
    "Syncing mappings",
    "Syncing references",
    "Restoring catalogs",
    "Restoring deliveries",
    "Mirroring done",
];

/// Tables of a server, with the last-login times of users left out: every login changes them.
pub fn tables(server: &Server) -> Result<BTreeMap<String, TableSummary>, StepError> {
    let mut tables = server.summarise_all(&TABLES)?;
    without_logins(&mut tables);
    Ok(tables)
}

/// As [`tables`], of a state taken with the database.
pub fn tables_of(state: &State) -> BTreeMap<String, TableSummary> {
    let number = |row: &Fields, field: &str| row.get(field).and_then(Value::as_u64).unwrap_or(0);
    let summary = |row: &Fields| TableSummary {
        rows: number(row, "rows"),
        max_id: number(row, "max_id"),
        digest: row.get("digest").and_then(Value::as_str).unwrap_or_default().to_owned(),
    };
    let rows = state.surfaces.get("database").into_iter().flatten();
    let mut tables = rows.map(|(name, row)| (name.clone(), summary(row))).collect();
    without_logins(&mut tables);
    tables
}

/// Leaves the digest of the users out of summaries.
pub fn without_logins(tables: &mut BTreeMap<String, TableSummary>) {
    if let Some(users) = tables.get_mut("auth_user") {
        users.digest = "last logins aside".into();
    }
}

/// A mirror from `source` to `dest`.
pub struct Mirror<'a> {
    /// The step.
    pub s: &'a Step,
    /// Where the data comes from.
    pub source: &'a Server,
    /// What becomes a copy.
    pub dest: &'a Server,
    /// By which way the source is reached.
    pub door: Door,
}

impl Mirror<'_> {
    /// Whether the step remembers `key`.
    pub fn past(&self, key: &str) -> bool {
        self.s.fact_of(self.s.spec().id, key).is_some()
    }

    /// The inputs before anything is overwritten: whole, of the source, and equal to it as it is now. `just` are the
    /// source's tables if they have been read a moment ago.
    pub fn inputs(&self, just: Option<BTreeMap<String, TableSummary>>, t: &mut Tally) -> Result<(), StepError> {
        let (live, set) = both(|| just.map_or_else(|| tables(self.source), Ok), || shared(self.s, self.source));
        let set = set?;
        t.evidence("inputs_whole", &set.evidence);
        let live = live?;
        let (mut faults, behind) = both(
            || {
                let mut faults = set.incomplete(self.source, &self.source.shared_names());
                faults.extend(set.unreadable());
                faults.extend(set.bad_dump(self.source));
                faults
            },
            || self.behind(&set, live),
        );
        if let Some(list) = &set.facts.deliveries {
            faults.extend(list.odd.iter().map(|line| format!("odd name `{line}` in the list of deliveries")));
        }
        let completed = set.dump_time().map_or_else(|| "no date".to_owned(), |time| time.to_string());
        for fault in &faults {
            t.fault("inputs_whole", fault);
        }
        t.proof("inputs_whole", format!("{} files, dump completed {completed}", set.listed.len()));
        for fault in behind? {
            t.fault("inputs_equal_source", fault);
        }
        t.proof("inputs_equal_source", format!("the dump equals the database of {}", self.source.role()));
        Ok(())
    }

    /// The destination served before it is overwritten: the script starts it whatever it was, and nobody would ask why it
    /// had been away.
    pub fn served(&self, t: &mut Tally, check: &'static str) -> Result<(), StepError> {
        let (direct, hidden) = self.dest.ports()?;
        let right = direct == PortState::Open && hidden == PortState::Refused;
        t.hold(check, right, format!("before the mirror: 8001 {direct:?}, 8002 {hidden:?}"));
        Ok(())
    }

    /// In what the inputs are not what the source is now, whose tables are `live`.
    pub fn behind(&self, set: &Fetched, live: BTreeMap<String, TableSummary>) -> Result<Vec<String>, StepError> {
        // Asked first: the dump is being read meanwhile.
        let mut faults = set.against_live(self.source, f64::INFINITY)?;
        let Ok(dump) = set.dump() else { return Ok(vec!["the dump cannot be read".into()]) };
        let mut dumped = dump.summaries();
        without_logins(&mut dumped);
        dumped.retain(|table, _| live.contains_key(table));
        faults.extend(compare_tables(&live, &dumped, &VOLATILE).iter().map(ToString::to_string));
        let listed: BTreeSet<String> = set.facts.deliveries.iter().flat_map(|list| list.names.clone()).collect();
        let live: BTreeSet<String> = self.source.deliveries()?.into_iter().map(|link| link.name).collect();
        if listed != live {
            faults.push(format!("deliveries: {} in the list, {} on the server", listed.len(), live.len()));
        }
        Ok(faults)
    }

    /// Saves and empties the cron table of the destination.
    pub fn cron_off(&self) -> Result<String, StepError> {
        let table = first(self.s, "cron", || Ok(json!(self.dest.crontab()?)))?;
        let table = table.as_str().unwrap_or_default().to_owned();
        self.s.evidence(&format!("crontab of {} before", self.dest.role()), &table)?;
        self.s.act(
            "cron_off",
            self.dest.role(),
            Change::Cron,
            || {
                Ok(if self.past("mirrored") || self.dest.crontab()?.trim().is_empty() {
                    Found::Done
                } else {
                    Found::NotDone
                })
            },
            |permit| {
                self.dest.set_crontab(permit, "")?;
                Ok(())
            },
        )?;
        if !self.past("mirrored") {
            let idle =
                self.s.wait("running cron jobs to end", Duration::from_secs(3600), Duration::from_secs(30), || {
                    let jobs = self.dest.running_jobs()?;
                    Ok(if jobs.is_empty() { Poll::Ready(()) } else { Poll::NotYet(format!("{} jobs", jobs.len())) })
                });
            idle?;
        }
        Ok(table)
    }

    /// What was saved is the table that the destination's release installs every night (SO 10).
    pub fn saved(&self, table: &str, t: &mut Tally, check: &'static str) -> Result<(), StepError> {
        let same = table == self.dest.release_crontab()?;
        t.hold(check, same, format!("the table saved is {} the release's", if same { "byte for byte" } else { "not" }));
        Ok(())
    }

    /// Puts the saved table back.
    pub fn cron_back(&self, table: &str) -> Result<(), StepError> {
        self.s.act(
            "cron_back",
            self.dest.role(),
            Change::Cron,
            || Ok(if self.dest.crontab()? == table { Found::Done } else { Found::NotDone }),
            |permit| {
                self.dest.set_crontab(permit, table)?;
                Ok(())
            },
        )
    }

    /// The mirror itself. Broken off it is begun again: it overwrites everything from the start, and its source is proven.
    pub fn run(&self) -> Result<String, StepError> {
        let url = format!("{}/", self.source.url(self.door)?);
        self.s.act(
            "mirror",
            self.dest.role(),
            Change::MirrorInto,
            || Ok(if self.past("log") { Found::Done } else { Found::NotDone }),
            |permit| {
                let ran = self.dest.mirror_from(permit, self.source, &url, LONGEST)?;
                let log = format!("{}{}", ran.text(), ran.error_text());
                let kept = self.s.evidence(&format!("log of the mirror to {}", self.dest.role()), &log)?;
                self.s.fact(
                    "log_text",
                    log.chars().rev().take(200_000).collect::<Vec<_>>().into_iter().rev().collect::<String>(),
                )?;
                // Last, because it says that the mirror is done and its words are kept.
                self.s.fact("log", kept.id)
            },
        )?;
        Ok(self.s.need_fact(self.s.spec().id, "log_text")?.as_str().unwrap_or_default().to_owned())
    }

    /// Judges the script's own words.
    pub fn words(&self, log: &str, t: &mut Tally) {
        let mut at = 0;
        for stage in STAGES {
            match log[at..].find(stage) {
                Some(found) => at += found,
                None => t.fault("script_ran_through", format!("stage `{stage}` is missing or out of order")),
            }
        }
        for word in review::error_words(log) {
            t.fault("script_ran_through", word);
        }
        // A cache that may only be read turns the syncs into dry runs without an error (A014).
        for line in log.lines().filter(|line| line.contains("READONLY CACHE") || line.contains("Skipping remove")) {
            t.fault("script_ran_through", line.trim().to_owned());
        }
        t.proof("script_ran_through", format!("{} stages", STAGES.len()));
    }

    /// The same look at source and destination, which do not wait for each other.
    pub(super) fn both<T: Send>(
        &self,
        look: impl Fn(&Server) -> Result<T, StepError> + Sync,
    ) -> Result<(T, T), StepError> {
        let (ours, theirs) = both(|| look(self.dest), || look(self.source));
        Ok((theirs?, ours?))
    }

    /// What of the destination is its own and no part of a copy: the environment of a login, with the lists that
    /// reprocessing mails go to, and the secrets by size and date (never by what they say).
    pub fn own(&self) -> Result<Value, StepError> {
        let dest = self.dest;
        let (_, variables) = dest.login_as(dest.name(), &dest.paths().setenv)?;
        let variables: BTreeMap<String, String> =
            variables.into_iter().filter(|(name, _)| name.starts_with("CRDS") || name == "PATH").collect();
        let secrets = dest.remote().list(&dest.paths().secrets, None)?;
        let secrets: BTreeMap<String, String> = secrets
            .into_iter()
            .map(|entry| (entry.path, format!("{:o} {} bytes of {}", entry.mode, entry.size, entry.mtime.floor())))
            .collect();
        // A directory that became a link to the source's would make every later write go there.
        let files = &dest.paths().server_files;
        let places = [
            dest.paths().mappings(dest.observatory()),
            dest.paths().references(dest.observatory()),
            dest.paths().catalogs(),
            dest.paths().deliveries(),
            dest.paths().monitor.clone(),
            format!("{files}/ingest"),
            format!("{files}/uploads"),
        ];
        let mut kinds = BTreeMap::new();
        let there = dest.remote().stats(&places)?;
        for place in &places {
            let kind = there
                .get(place)
                .map_or_else(|| "nothing".to_owned(), |entry| format!("{:?} {}", entry.kind, entry.target));
            kinds.insert(place.clone(), kind.trim().to_owned());
        }
        let mut brought = BTreeMap::new();
        for place in dest.remote().there(&[&places[5], &places[6]])? {
            for entry in dest.remote().list(place, None)?.iter().filter(|entry| entry.kind != EntryKind::Directory) {
                brought.insert(format!("{place}/{}", entry.path), format!("{} bytes", entry.size));
            }
        }
        Ok(json!({ "environment": variables, "secrets": secrets, "places": kinds, "brought": brought }))
    }

    /// Whether what [`Mirror::own`] told before is still so.
    pub fn still_own(&self, before: &Value, t: &mut Tally, own: &'static str) -> Result<(), StepError> {
        let now = self.own()?;
        for part in ["environment", "secrets", "places", "brought"] {
            let none = serde_json::Map::new();
            let (then, now) = (before[part].as_object().unwrap_or(&none), now[part].as_object().unwrap_or(&none));
            let names: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
            for name in names.into_iter().filter(|name| then.get(*name) != now.get(*name)) {
                let of = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), ToString::to_string);
                t.fault(own, format!("{part} {name}: {} before, {} now", of(then.get(name)), of(now.get(name))));
            }
        }
        t.proof(own, "environment and secrets as before");
        Ok(())
    }

    /// The destination is still itself, serves on its operational port and nowhere else, and its proxy shows it.
    pub fn itself(&self, t: &mut Tally, own: &'static str, serves: &'static str) -> Result<(), StepError> {
        let dest = self.dest;
        let who = dest.who_are_you()?;
        for wrong in dest.differs(&who) {
            t.fault(own, wrong);
        }
        let database = dest.database_name()?;
        t.hold(own, database == dest.expected().database, format!("database `{database}`"));
        let lag = Duration::from_secs(self.s.plan().thresholds.proxy_lag_s);
        let served = self.s.wait("the copy to serve", lag, Duration::from_secs(5), || {
            let ports = dest.ports()?;
            Ok(if ports == (PortState::Open, PortState::Refused) {
                Poll::Ready(())
            } else {
                Poll::NotYet(format!("{ports:?}"))
            })
        });
        t.hold(serves, served.is_ok(), format!("8001 and 8002: {:?}", dest.ports()?));
        t.hold(serves, dest.httpd_parents()?.len() == 1, format!("{} server parents", dest.httpd_parents()?.len()));
        if served.is_err() {
            // Whoever does not serve cannot be asked for more.
            return Ok(());
        }
        let info = dest.rpc(Door::Direct)?.server_info()?;
        let context = dest.context_in_database("operational")?;
        t.hold(
            serves,
            info.operational == context,
            format!("it answers {}, its database says {context}", info.operational),
        );
        let proxy = dest.url(Door::Proxy)?;
        t.hold(own, info.reference_url.starts_with(&proxy), format!("it hands out {}", info.reference_url));
        let mut page = String::new();
        let shown = self.s.wait("the proxy to show the copy", lag, Duration::from_secs(10), || {
            let answer = dest.pages(Door::Proxy)?.get("/")?;
            page = answer.text();
            Ok(if answer.status == 200 { Poll::Ready(()) } else { Poll::NotYet(format!("HTTP {}", answer.status)) })
        });
        t.hold(
            serves,
            shown.is_ok(),
            if shown.is_ok() { "the proxy shows it".to_owned() } else { "the proxy does not show it".to_owned() },
        );
        let case = &dest.expected().use_case;
        let tagged = page.contains(&format!("({case})")) || page.contains(&format!(">{case}<"));
        t.hold(own, tagged, format!("the page header {} `{case}`", if tagged { "says" } else { "does not say" }));
        Ok(())
    }

    /// Accounts come from the source: one that the plan uses must get in.
    pub fn users(&self, t: &mut Tally, check: &'static str) -> Result<(), StepError> {
        if let Some(account) = self.s.site().credentials.keys().next() {
            match self.dest.login(Door::Direct, account) {
                Ok(mut session) => {
                    session.logout()?;
                    t.proof(check, format!("`{account}` can log in"));
                }
                Err(error) => t.fault(check, format!("`{account}` cannot log in: {error}")),
            }
        }
        Ok(())
    }
}

/// Mails of the site that concern these hosts or reprocessing: subject and date.
pub fn mails(s: &Step, server: &Server, about: &[&str]) -> Result<Value, StepError> {
    let all = mail::all(s, server)?.unwrap_or_default();
    let concerns = |subject: &str| about.iter().any(|word| subject.contains(word)) || subject.contains("affected");
    Ok(json!(
        all.iter()
            .filter(|mail| concerns(&mail.subject))
            .map(|mail| format!("{} {}", mail.date, mail.subject))
            .collect::<Vec<_>>()
    ))
}

/// Every entry of the published cache that cron does not rewrite, as one digest.
pub fn published(server: &Server) -> Result<Value, StepError> {
    let path = server.paths().grp.clone();
    if server.remote().stat(&path)?.is_none() {
        return Ok(json!("there is none"));
    }
    let entries = server.remote().list(&path, None)?;
    let mut hash = blake3::Hasher::new();
    for entry in entries.iter().filter(|entry| !entry.path.contains("/config/") && entry.kind != EntryKind::Directory) {
        let line =
            format!("{}\0{:o}\0{}\0{}\0{}\n", entry.path, entry.mode, entry.size, entry.mtime.floor(), entry.target);
        hash.update(line.as_bytes());
    }
    // Rules are few and what users read first: their bytes count, whatever size and time say (A008).
    let rules = format!("{path}/{}/mappings", server.observatory());
    if server.remote().stat(&rules)?.is_some() {
        for (name, sum) in server.remote().hash_tree(&rules, Algorithm::Sha1)? {
            hash.update(format!("{name}\0{sum}\n").as_bytes());
        }
    }
    Ok(json!(hash.finalize().to_hex().to_string()))
}

/// No mirror onto `server` is declared: its rules, contexts and rows are what they were at preflight.
pub fn untouched(s: &Step, server: &Server, kept: &str) -> Result<(), StepError> {
    let mut t = Tally::default();
    let before = super::state::kept(s, kept)?;
    let Some(before) = before else {
        return Err(StepError::unknown(
            format!("the state `{kept}` of preflight is missing"),
            "run s010 again in this run",
        ));
    };
    let mappings = server.remote().hash_tree(&server.paths().mappings(server.observatory()), Algorithm::Sha256)?;
    let rules = before.surfaces.get("files:mappings").into_iter().flatten();
    let rules = rules.filter(|(_, entry)| entry.get("kind") == Some(&json!("file"))).count();
    let contexts = before
        .surfaces
        .get("contexts")
        .and_then(|rows| rows.get("operational"))
        .and_then(|row| row.get("database"))
        .cloned();
    let now = json!(server.context_in_database("operational")?);
    let history = before.surfaces.get("history").map_or(0, BTreeMap::len);
    let same = mappings.len() == rules && contexts.as_ref() == Some(&now) && server.history()?.len() == history;
    let text = format!(
        "no mirror is declared; {} mappings, context {now}, {history} rows of history as at preflight",
        mappings.len()
    );
    for check in s.spec().own_checks() {
        let id = check.id.split_once('.').map_or(check.id, |(_, id)| id);
        t.hold(id, same, text.clone());
        t.judge(
            s,
            id,
            server.role(),
            super::tally::Advice {
                cause: "something was mirrored that the plan does not declare",
                next: "find out who did it; restore the host from its backup",
            },
        )?;
    }
    Ok(())
}
