//! Reading back from the host what a delivery did: catalogue, links, audit rows, contexts, leftovers, log.

use std::collections::{BTreeMap, BTreeSet};

use crds_upgrade::crds::{Contexts, Reading, Row};
use crds_upgrade::plan::Era;
use crds_upgrade::review::logs::{LogFile, Review};
use crds_upgrade::run::StepError;
use serde_json::Value;

use super::deliver::{Hand, others};
use super::delivery::{Delivery, Kind, catalog_stem, catalogs, in_state, planned_reasons, row_id};
use super::tally::shorten;

/// How far the number of the next audit row may lie from the last one's.
const LEAP: u64 = 10_000;

/// Whether the archive, which goes on by itself, took a file on from one state to the next.
fn taken(was: &str, now: &str) -> bool {
    const WAY: [&str; 5] = ["delivered", "submitted", "archiving", "archived", "operational"];
    let at = |marks: &str| WAY.iter().position(|state| marks.split(' ').next() == Some(*state));
    let rest = |marks: &str| marks.split_once(' ').map(|(_, rest)| rest.to_owned());
    matches!((at(was), at(now)), (Some(was), Some(now)) if was < now && was < 3) && rest(was) == rest(now)
}

impl Hand<'_> {
    /// Reads back from the host what the delivery did.
    pub(super) fn read_back(&mut self, delivery: &Delivery<'_>, before: &Value) -> Result<Reading, StepError> {
        let reading = self.ops.reading(before["action"].as_u64().unwrap_or(0))?;
        let catalogue = &reading.catalogue;
        let new = delivery.all_new();
        let mut catalog_names = BTreeSet::new();
        for name in &new {
            match catalogue.get(*name) {
                None => self.tally.fault("confirmed", format!("{name} is not in the catalogue")),
                Some(row) => {
                    let field = |key: &str| row.get(key).cloned().flatten().unwrap_or_default();
                    if matches!(field("state").as_str(), "uploaded" | "cancelled" | "archiving-failed") {
                        self.tally.fault("confirmed", format!("{name} is in state {}", field("state")));
                    }
                    catalog_names.insert(field("catalog_link"));
                }
            }
        }
        if catalog_names.len() > 1 {
            self.tally.fault("confirmed", format!("{} catalogues for one submission", catalog_names.len()));
        }
        self.tally.proof("confirmed", format!("{}: {} files delivered", delivery.id, new.len()));
        self.read_rows(delivery, catalogue)?;
        self.read_delivery(delivery, &new, catalogue, catalog_names.first().map_or("", |name| name.as_str()), before)?;
        self.read_audit(delivery, &new, &reading.actions, before)?;
        self.read_contexts(delivery, &reading.contexts, before);
        self.read_rest(delivery, &reading, before);
        self.read_log(delivery, before)?;
        Ok(reading)
    }

    /// Catalogue file, links, inodes, modes (SO 17).
    fn read_delivery(
        &mut self,
        delivery: &Delivery<'_>,
        new: &BTreeSet<&str>,
        catalogue: &BTreeMap<String, Row>,
        link: &str,
        before: &Value,
    ) -> Result<(), StepError> {
        let check = "delivered";
        let base = catalog_stem(link).unwrap_or_default();
        let path = format!("{}/{base}", self.ops.paths().catalogs());
        match self.ops.remote().read_if_there(&path, 1 << 20)? {
            None => self.tally.fault(check, format!("{}: catalogue {base} is not there", delivery.id)),
            Some(bytes) => {
                let kept = self.s.evidence(&format!("catalogue {base}"), &bytes)?;
                self.tally.evidence(check, &kept);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let listed: BTreeSet<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
                self.tally.hold(check, listed == *new, format!("{base} lists {} files of {}", listed.len(), new.len()));
                // The archive takes it line by line.
                let plain = bytes.ends_with(b"\n") && !text.contains('\r') && text.lines().count() == new.len();
                if listed == *new && !plain {
                    self.tally.fault(check, format!("{base} is not one name a line, each once"));
                }
                self.read_catalog_link(&path, &base)?;
            }
        }
        self.read_directories(delivery, catalogue, before)?;
        let deliveries = self.ops.deliveries()?;
        let pending = deliveries.iter().any(|found| found.name.starts_with(&base));
        let observatory = self.ops.observatory();
        let place = |file: &str| {
            let paths = self.ops.paths();
            let here = if file.ends_with("map") { paths.mappings(observatory) } else { paths.references(observatory) };
            format!("{here}/{file}")
        };
        let there = self.ops.remote().stats(&new.iter().map(|file| place(file)).collect::<Vec<_>>())?;
        for file in new {
            let Some(cached) = there.get(&place(file)) else {
                self.tally.fault(check, format!("{file} is not in the cache"));
                continue;
            };
            if cached.mode & 0o777 != 0o444 {
                self.tally.fault(check, format!("{file} has mode {:o} in the cache, not 444", cached.mode & 0o777));
            }
            let linked = deliveries.iter().find(|found| found.name == *file);
            match linked {
                Some(linked) if linked.entry.inode != cached.inode || linked.entry.links < 2 => {
                    self.tally.fault(check, format!("{file} in deliveries is a copy, not a link to the cache"));
                }
                None if pending => self.tally.fault(check, format!("{file} has no link in deliveries")),
                None => {
                    let state = catalogue.get(*file).and_then(|row| row.get("state").cloned().flatten());
                    let state = state.unwrap_or_default();
                    if state == "archiving-failed" {
                        self.tally.fault(check, format!("{file}: {state}"));
                    }
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// The catalogue cannot be changed any more, and what the archive sees of it is the same file.
    fn read_catalog_link(&mut self, path: &str, base: &str) -> Result<(), StepError> {
        let check = "delivered";
        let Some(catalog) = self.ops.remote().stat(path)? else { return Ok(()) };
        if catalog.mode & 0o222 != 0 {
            self.tally.fault(check, format!("{base} has mode {:04o}: it can be changed", catalog.mode & 0o7777));
        }
        let linked = self.ops.deliveries()?.into_iter().find(|link| catalog_stem(&link.name).as_deref() == Some(base));
        if linked.is_some_and(|linked| linked.entry.inode != catalog.inode) {
            self.tally.fault(check, format!("what lies in deliveries as {base} is another file"));
        }
        Ok(())
    }

    /// The directories themselves: no other catalogue came or went, and the archive can still take links away.
    fn read_directories(
        &mut self,
        delivery: &Delivery<'_>,
        catalogue: &BTreeMap<String, Row>,
        before: &Value,
    ) -> Result<(), StepError> {
        let check = "delivered";
        let was: BTreeSet<&str> =
            before["catalogs"].as_array().into_iter().flatten().filter_map(|name| name.as_str()).collect();
        let now = catalogs(self.ops)?;
        let gone: Vec<String> =
            was.iter().filter(|name| !now.contains(**name)).map(|name| (*name).to_owned()).collect();
        if !gone.is_empty() {
            self.tally.fault(check, format!("{}: catalogues are gone: {}", delivery.id, shorten(&gone)));
        }
        // Other deliveries of the plan have catalogues of their own when this one is looked at again.
        let planned = super::outcome::delivered_files(self.s.plan());
        let links = planned.iter().filter_map(|name| catalogue.get(name)?.get("catalog_link")?.as_deref());
        let known: BTreeSet<String> = links.filter_map(catalog_stem).collect();
        let new: Vec<String> =
            now.iter().filter(|name| !was.contains(name.as_str()) && !known.contains(*name)).cloned().collect();
        if !new.is_empty() {
            self.tally.fault(check, format!("{}: catalogues of no delivery: {}", delivery.id, shorten(&new)));
        }
        // A link that no catalogue lists is taken by nobody: the directory is never empty again.
        let links = before["links"].as_array().cloned().unwrap_or_default();
        let strange: Vec<String> = self
            .ops
            .deliveries()?
            .into_iter()
            .map(|link| link.name)
            .filter(|name| catalog_stem(name).is_none() && !planned.contains(name))
            .filter(|name| !links.iter().any(|link| link.as_str() == Some(name)))
            .collect();
        if !strange.is_empty() && before["links"].is_array() {
            self.tally.fault(check, format!("{}: links of no delivery: {}", delivery.id, shorten(&strange)));
        }
        let path = self.ops.paths().deliveries();
        match self.ops.remote().stat(&path)? {
            None => self.tally.fault(check, format!("{path} is not there")),
            Some(entry) if entry.mode & 0o070 != 0o070 => {
                let mode = entry.mode & 0o7777;
                self.tally.fault(check, format!("{path} has mode {mode:04o}: the archive's group cannot take links"));
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// One row for the catalogue, one per file, nothing else (WP 4.4).
    fn read_audit(
        &mut self,
        delivery: &Delivery<'_>,
        new: &BTreeSet<&str>,
        rows: &[Row],
        before: &Value,
    ) -> Result<(), StepError> {
        let check = if self.s.spec().id.starts_with("s430") { "confirmed" } else { "audit" };
        let kept = self.s.evidence(&format!("audit rows of {}", delivery.id), serde_json::to_vec(rows)?)?;
        self.tally.evidence(check, &kept);
        let field = |row: &Row, key: &str| row.get(key).cloned().flatten().unwrap_or_default();
        let ours: Vec<&Row> = rows.iter().filter(|row| field(row, "why") == delivery.description).collect();
        let reasons = planned_reasons(self.s.plan());
        for row in rows.iter().filter(|row| !reasons.contains(field(row, "why").as_str())) {
            let (user, action, name) = (field(row, "user"), field(row, "action"), field(row, "filename"));
            self.tally.fault(check, format!("during {}: {user} did `{action}` on {name}, of no plan", delivery.id));
        }
        // Numbers may leave gaps where something was rolled back, not leap: beyond the column's largest nothing can be added.
        let numbers: Vec<u64> = rows.iter().filter_map(row_id).collect();
        let last = before["action"].as_u64().unwrap_or(0);
        if let Some(first) = numbers.first().filter(|first| **first > last + LEAP) {
            self.tally.fault(check, format!("the numbers of the audit rows leap from {last} to {first}"));
        }
        let account = &super::outcome::credential(self.s, delivery.credential)?.username;
        for row in ours.iter().filter(|row| field(row, "user") != *account) {
            let (user, name) = (field(row, "user"), field(row, "filename"));
            self.tally.fault(check, format!("{name}: audit row of user `{user}`, not `{account}`"));
        }
        // The action is the kind of the submission (WP 4.4).
        let action = match delivery.kind {
            Kind::Mappings => "submit file",
            Kind::References => "batch submit",
            Kind::Deletion => "delete references",
        };
        for row in ours.iter().filter(|row| field(row, "action") != action) {
            let (did, name) = (field(row, "action"), field(row, "filename"));
            self.tally.fault(check, format!("{name}: its audit row says `{did}`, not `{action}`"));
        }
        // Each row lists the catalogue and all files (WP 4.4); the rows of 2014 for deleted references list other names.
        for row in
            ours.iter().filter(|row| field(row, "filename").ends_with(".cat") || new.contains(&*field(row, "filename")))
        {
            let details = field(row, "details");
            let listed: BTreeSet<&str> =
                details.split(['\'', '"', ',', '[', ']', ' ']).filter(|name| name.contains('.')).collect();
            let (files, lists): (BTreeSet<&str>, BTreeSet<&str>) =
                listed.iter().partition(|name| !name.ends_with(".cat"));
            if files != *new || lists.len() != 1 {
                let odd: Vec<String> = files.symmetric_difference(new).map(|name| (*name).to_owned()).collect();
                let name = field(row, "filename");
                self.tally
                    .fault(check, format!("{name}: the details of its audit row list other files: {}", shorten(&odd)));
            }
        }
        let names: Vec<String> = ours.iter().map(|row| field(row, "filename").into()).collect();
        let catalogs = names.iter().filter(|name| name.ends_with(".cat")).count();
        let files: BTreeSet<&str> = names.iter().map(String::as_str).filter(|name| !name.ends_with(".cat")).collect();
        let expected: BTreeSet<&str> = match (delivery.kind, self.ops.era()) {
            // 2014 also writes a row per deleted reference.
            (Kind::Deletion, Era::Y2014) => {
                new.iter().copied().chain(delivery.files.iter().map(String::as_str)).collect()
            }
            _ => new.clone(),
        };
        if catalogs != 1 {
            self.tally.fault(check, format!("{}: {catalogs} audit rows for its catalogue", delivery.id));
        }
        if files != expected || names.len() != expected.len() + catalogs {
            self.tally.fault(
                check,
                format!("{}: audit rows for {} files, expected {}", delivery.id, names.len(), expected.len() + 1),
            );
        }
        self.tally.proof(check, format!("{}: {} audit rows", delivery.id, names.len()));
        Ok(())
    }

    fn read_contexts(&mut self, delivery: &Delivery<'_>, contexts: &Contexts, before: &Value) {
        let Contexts { operational, edit } = contexts;
        let wanted = delivery.expect.unwrap_or(delivery.base);
        // A later delivery of the plan may have moved it on when this one is looked at again.
        let chain = self.s.plan().context_chain();
        let at = |name: &str| chain.iter().position(|context| *context == name);
        let moved_on = at(edit).zip(at(wanted)).is_some_and(|(edit, wanted)| edit > wanted);
        self.tally.hold(
            "edit_context",
            edit == wanted || moved_on,
            format!("{}: the edit context is {edit}", delivery.id),
        );
        if !self.s.again() {
            let was = before["operational"].as_str().unwrap_or_default();
            self.tally.hold("edit_context", operational == was, format!("the operational context is {operational}"));
        }
    }

    fn read_rest(&mut self, delivery: &Delivery<'_>, reading: &Reading, before: &Value) {
        let catalogue = &reading.catalogue;
        let check = "nothing_left_behind";
        let planned = super::outcome::delivered_files(self.s.plan());
        // A step that was ended in its next delivery looks at this one again while that one waits for confirmation: its
        // rows and its lock are told where it ends itself.
        let own = delivery.all_new();
        let next = |name: &String| planned.contains(name) && !own.contains(name.as_str());
        let (of_next, uploaded): (Vec<String>, Vec<String>) =
            in_state(catalogue, "uploaded").into_iter().partition(next);
        self.tally.hold(
            check,
            uploaded.is_empty(),
            format!("{}: {} rows in state uploaded", delivery.id, uploaded.len()),
        );
        // A confirmation that was carried out twice, or somebody else's file: rows of no delivery of the plan.
        let last = before["last_row"].as_u64().unwrap_or(u64::MAX);
        let surplus = catalogue.iter().filter(|(name, row)| row_id(row) > Some(last) && !planned.contains(*name));
        let surplus: Vec<String> = surplus.map(|(name, _)| format!("{name} is new and of no delivery")).collect();
        if !surplus.is_empty() {
            self.tally.fault(check, format!("{}: {}", delivery.id, shorten(&surplus)));
        }
        // Each delivery draws one number for its catalogue. Where an earlier attempt began, the next delivery may have drawn
        // its own already.
        let counter = format!("{}_delivery_id", self.ops.observatory());
        let now = reading.counters.iter().find(|row| row.name == counter).map(|row| row.counter);
        if let (Some(was), Some(now)) = (before["deliveries"].as_u64(), now)
            && now != was + 1
            && self.others.is_some()
        {
            self.tally.fault(check, format!("{}: {counter} went from {was} to {now}, not on by one", delivery.id));
        }
        if let Some(was) = self.others.take() {
            let now = others(self.s.plan(), catalogue);
            let changed = was.iter().filter_map(|(name, was)| {
                let now = now.get(name).map_or("gone", String::as_str);
                (now != was && !taken(was, now)).then(|| format!("{name}: `{was}` before, `{now}` now"))
            });
            let changed: Vec<String> = changed.collect();
            if !changed.is_empty() {
                self.tally.fault(check, format!("{}: {}", delivery.id, shorten(&changed)));
            }
        }
        let held = reading.locks.iter().filter(|row| row.locked_object.starts_with("instrument$")).count();
        // The next delivery began with no lock held; one that an ended attempt at it took is told at its own end.
        let later = self.s.plan().submissions.iter().skip_while(|other| other.id != delivery.id).skip(1);
        let next_began =
            later.into_iter().any(|other| self.s.fact_of(self.s.spec().id, &format!("before-{}", other.id)).is_some());
        let none_of_this = held == 0 || !of_next.is_empty() || next_began;
        self.tally.hold(check, none_of_this, format!("{}: {held} lock rows", delivery.id));
    }

    fn read_log(&mut self, delivery: &Delivery<'_>, before: &Value) -> Result<(), StepError> {
        let sizes = before["logs"].as_object().cloned().unwrap_or_default();
        for (path, size) in sizes {
            let full = format!("{}/{path}", self.ops.paths().logs);
            let window = self.ops.log_since(&full, size.as_u64().unwrap_or(0), 16 << 20)?;
            let kept = self.s.evidence(&format!("{path} during {}", delivery.id), &window.bytes)?;
            self.tally.evidence("log_clean", &kept);
            let review = Review::of(LogFile::Errors, &crds_upgrade::review::text(&window.bytes));
            let judged = review.judge_normal();
            let passed = judged.outcome == crds_upgrade::review::Outcome::Passed;
            self.tally.hold("log_clean", passed, format!("{path}: {}", judged.observed));
        }
        Ok(())
    }
}
