//! One delivery through the web site: submit, look at the ready page, confirm, read everything back.
//!
//! Used by s410 (mappings), s420 (references) and s430 (deletions), which differ in what they hand in and in what the
//! rules must show afterwards.

use std::collections::{BTreeMap, BTreeSet};

use crds_upgrade::crds::web::{Login, Page, Ready, Request, Session};
use crds_upgrade::crds::{Contexts, Door, Reading, Row, Server, Table};
use crds_upgrade::host::EntryKind;
use crds_upgrade::plan::{Change, Era, Plan, Role};
use crds_upgrade::run::{Found, Step, StepError};
use serde_json::{Value, json};

use super::delivery::{Delivery, Kind, State, catalogs, counters_behind, in_state, row_id, state_of};
use super::rules::Rules;
use super::tally::{Advice, Tally, shorten};

/// What the deliveries of one step need from each other.
pub struct Hand<'s> {
    /// The step.
    pub s: &'s Step,
    /// OPS.
    pub ops: &'s Server,
    /// The rules on this side.
    pub rules: Rules,
    /// Findings by check.
    pub tally: Tally,
    session: Option<Session>,
    /// State and marks of every file that the plan does not name, as they were before the delivery in this attempt.
    pub(super) others: Option<BTreeMap<String, String>>,
}

/// State and marks of every file that the plan does not name.
pub(super) fn others(plan: &Plan, catalogue: &BTreeMap<String, Row>) -> BTreeMap<String, String> {
    let mut own = super::outcome::delivered_files(plan);
    own.extend(plan.deletion.iter().flat_map(|deletion| deletion.files.iter().cloned()));
    let marks = |row: &Row| {
        // A successor is named when a context becomes operational, not before (WP 4.1).
        let values = ["state", "blacklisted", "rejected", "replaced_by_filename"]
            .map(|name| row.get(name).cloned().flatten().unwrap_or_default());
        values.each_ref().map(|value| value.as_str()).join(" ")
    };
    let rows = catalogue.iter().filter(|(name, _)| !own.contains(*name));
    rows.map(|(name, row)| (name.clone(), marks(row))).collect()
}

impl<'s> Hand<'s> {
    /// Begins with OPS.
    pub fn new(s: &'s Step, ops: &'s Server) -> Result<Self, StepError> {
        Ok(Self { s, ops, rules: Rules::of_run(s)?, tally: Tally::default(), session: None, others: None })
    }

    /// Carries out one delivery and gathers what the checks need; what the database says afterwards.
    pub fn deliver(&mut self, delivery: &Delivery<'_>) -> Result<Reading, StepError> {
        let before = self.before(delivery)?;
        let submitted = self.submit(delivery);
        let state = self.blame("ready_page", submitted)?;
        if state == State::Confirmed {
            self.look_at_old_page(delivery)?;
        } else {
            self.look_at_ready_page(delivery)?;
        }
        if !self.is_immediate(delivery) {
            let done = self.confirm(delivery, &format!("confirm-{}", delivery.id));
            self.blame("confirmed", done)?;
        }
        self.read_back(delivery, &before)
    }

    /// Whether the server carries a delivery out without a confirmation: a deletion of 2014 (WP 3.6).
    fn is_immediate(&self, delivery: &Delivery<'_>) -> bool {
        delivery.kind == Kind::Deletion && self.ops.era() == Era::Y2014
    }

    /// An act that failed is a fault of the check that judges what came of it.
    fn blame<T>(&mut self, check: &'static str, done: Result<T, StepError>) -> Result<T, StepError> {
        if let Err(error) = &done {
            self.tally.fault(check, error.text().to_owned());
        }
        done
    }

    /// The state before the delivery: measured once, remembered for a resumed step.
    fn before(&mut self, delivery: &Delivery<'_>) -> Result<Value, StepError> {
        let key = format!("before-{}", delivery.id);
        if let Some(before) = self.s.fact_of(self.s.spec().id, &key) {
            self.tally.proof("start_context", format!("{} started from {}", delivery.id, delivery.base));
            return Ok(before);
        }
        let reading = self.ops.reading(0)?;
        let (Contexts { operational, edit }, catalogue) = (reading.contexts, reading.catalogue);
        let uploaded = in_state(&catalogue, "uploaded");
        let mut faults = Vec::new();
        if edit != delivery.base {
            faults
                .push(format!("the edit context is {edit}, the plan starts `{}` from {}", delivery.id, delivery.base));
        }
        if !uploaded.is_empty() {
            faults.push(format!("files of another submission wait in state uploaded: {}", shorten(&uploaded)));
        }
        let mine = |lock: &str| lock.starts_with("instrument$");
        let held: Vec<String> =
            reading.locks.into_iter().map(|row| row.locked_object).filter(|lock| mine(lock)).collect();
        if !held.is_empty() {
            faults.push(format!("instrument locks are held: {}", shorten(&held)));
        }
        let account = &super::outcome::credential(self.s, delivery.credential)?.username;
        let ingest = format!("{}/ingest/{account}", self.ops.paths().server_files);
        if let Some(entry) = self.ops.remote().stat(&ingest)?.filter(|entry| entry.kind == EntryKind::Link) {
            faults.push(format!("{ingest} is a link to {}", entry.target));
        }
        let known = delivery.all_new().into_iter().filter(|name| catalogue.contains_key(*name));
        faults.extend(known.map(|name| format!("{name} is in the catalogue already")));
        // A counter behind the highest number in use (A023): the next generated name would collide.
        let counters: BTreeMap<String, u64> =
            reading.counters.into_iter().map(|counter| (counter.name, counter.counter)).collect();
        let deliveries = counters.get(&format!("{}_delivery_id", self.ops.observatory())).copied();
        faults.extend(counters_behind(&counters, catalogue.keys().map(String::as_str)));
        if delivery.kind == Kind::Deletion {
            let gone = delivery.files.iter().filter(|name| !catalogue.contains_key(*name));
            faults.extend(gone.map(|name| format!("{name} is not in the catalogue")));
        }
        // A catalogue of the past under another name cannot be delivered again (C116).
        let present = catalogs(self.ops)?;
        let audited = reading.actions.iter().filter_map(|row| row.get("filename").cloned().flatten());
        let gone = audited.filter(|name| name.ends_with(".cat") && !present.contains(name.as_str()));
        faults.extend(gone.map(|name| format!("the catalogue {name} of an earlier delivery is gone or renamed")));
        for fault in &faults {
            self.tally.fault("start_context", fault.clone());
        }
        if !faults.is_empty() {
            self.tally.judge(self.s, "start_context", Role::Ops, START)?;
            return Err(StepError::failed(
                format!("`{}` was not begun: {}", delivery.id, shorten(&faults)),
                "settle what is under way on the server, then run the same command again; nothing was submitted",
            ));
        }
        self.tally.proof("start_context", format!("{} started from {edit}", delivery.id));
        self.others = Some(others(self.s.plan(), &catalogue));
        let logs = self.log_sizes()?;
        let links: Vec<String> = self.ops.deliveries()?.into_iter().map(|link| link.name).collect();
        let before = json!({
            "operational": operational, "edit": edit, "logs": logs,
            "action": reading.last_action, "catalogs": present, "deliveries": deliveries, "links": links,
            "last_row": catalogue.values().filter_map(row_id).max().unwrap_or(0),
        });
        self.s.fact(&key, before.clone())?;
        Ok(before)
    }

    fn log_sizes(&self) -> Result<Value, StepError> {
        let logs = self.ops.logs()?;
        let errors = logs.iter().filter(|log| log.path.ends_with("error_log"));
        Ok(errors.map(|log| (log.path.clone(), json!(log.size))).collect::<serde_json::Map<_, _>>().into())
    }

    fn state_of(&self, delivery: &Delivery<'_>) -> Result<State, StepError> {
        let names: Vec<&str> = delivery.all_new().into_iter().collect();
        let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if let Some(odd) = names.iter().find(|name| !plain(name)) {
            return Err(StepError::failed(format!("`{odd}` is no name of a file"), "mend the plan"));
        }
        // These rows alone: the whole catalogue is asked for before and after a delivery.
        let rows =
            format!("select name, state from {} where name in ('{}')", self.ops.table("*catalog"), names.join("', '"));
        let told = self.ops.ask_all(&[self.ops.ask_for_contexts(), rows])?;
        let [contexts, rows] = <[Table; 2]>::try_from(told)
            .map_err(|told| StepError::unknown(format!("{} answers to two questions", told.len()), "run it again"))?;
        let name_of = |row: &Row| row.get("name").cloned().flatten().map(String::from);
        let rows = rows.by_name().into_iter().filter_map(|row| Some((name_of(&row)?, row))).collect();
        Ok(state_of(delivery, &rows, &self.ops.contexts_of(&contexts)?.edit))
    }

    /// Submits; how far the delivery is afterwards.
    fn submit(&mut self, delivery: &Delivery<'_>) -> Result<State, StepError> {
        let (s, ops) = (self.s, self.ops);
        let act = format!("submit-{}", delivery.id);
        let begun_before = std::cell::Cell::new(false);
        let seen = std::cell::RefCell::new(State::Untouched);
        let look = || {
            let state = self.state_of(delivery)?;
            let found = match &state {
                State::Untouched => {
                    begun_before.set(true);
                    Found::NotDone
                }
                State::Uploaded | State::Confirmed => Found::Done,
                State::Half(what) => Found::Half(what.clone()),
            };
            seen.replace(state);
            Ok(found)
        };
        let mut session = None;
        s.act(&act, Role::Ops, Change::Submit, look, |permit| {
            let mut new = self.log_in(delivery, Some(permit))?;
            let mut left = new.uploads()?;
            // An attempt that was ended between upload and submission left its own files: uploaded again they are replaced.
            left.retain(|name| !(begun_before.get() && delivery.files.contains(name)));
            if !left.is_empty() {
                return Err(StepError::failed(
                    format!("the ingest directory of the submitter holds {} already", shorten(&left)),
                    "remove them on the upload page (they would become part of this submission), then run again",
                ));
            }
            new.open_channel(permit, Role::Ops)?;
            if delivery.kind != Kind::Deletion {
                let directory = s.site().submissions_dir.clone().ok_or_else(|| {
                    StepError::failed("the site names no `submissions_dir`", "name the directory with the plan's files")
                })?;
                for (done, name) in delivery.files.iter().enumerate() {
                    let bytes = std::fs::read(directory.join(name))
                        .map_err(|error| StepError::from(error).while_doing(&format!("reading {name}")))?;
                    s.progress("uploading", done as u64, delivery.files.len() as u64, "files");
                    new.upload(permit, Role::Ops, ops.era(), name, &bytes)?;
                }
                let mut listed = new.uploads()?;
                listed.sort();
                let mut wanted = delivery.files.to_vec();
                wanted.sort();
                if listed != wanted {
                    return Err(StepError::failed(
                        format!("the ingest directory lists {}, not what was uploaded", shorten(&listed)),
                        "look at the ingest directory by hand; nothing was submitted",
                    ));
                }
            }
            if self.is_immediate(delivery) {
                let path = new.delete_at_once(permit, Role::Ops, delivery.files, delivery.description)?;
                s.fact(&format!("ready-{}", delivery.id), path.as_str())?;
                return Ok(new.logout()?);
            }
            let ready = match delivery.kind {
                Kind::Mappings => new.submit_mappings(permit, Role::Ops, &request(delivery))?,
                Kind::References => new.submit_references(permit, Role::Ops, &request(delivery))?,
                Kind::Deletion => new.delete_references(permit, Role::Ops, delivery.files, delivery.description)?,
            };
            s.fact(&format!("ready-{}", delivery.id), ready.path.as_str())?;
            session = Some(new);
            Ok(())
        })?;
        self.session = session;
        Ok(seen.into_inner())
    }

    /// A login with the lock; the same user's lock of before is kept (WP 3.3).
    fn log_in(
        &self,
        delivery: &Delivery<'_>,
        permit: Option<&crds_upgrade::run::Permit<'_>>,
    ) -> Result<Session, StepError> {
        let credential = self.s.site().credentials.get(delivery.credential).ok_or_else(|| {
            StepError::failed(
                format!("the site has no credential `{}`", delivery.credential),
                format!("add [credentials.{}] to the site file", delivery.credential),
            )
        })?;
        let password = credential.password.resolve()?;
        let login =
            Login { username: &credential.username, password: &password, instrument: Some(delivery.instrument) };
        let http = self.ops.http()?;
        let base = self.ops.url(Door::Direct)?;
        Ok(match permit {
            Some(permit) => Session::login_with_lock(permit, Role::Ops, http, &base, &login)?,
            None => Session::login(http, &base, &login)?,
        })
    }

    /// The page that waits for confirmation, also after the step was killed between the two acts.
    fn ready(&mut self, delivery: &Delivery<'_>) -> Result<Ready, StepError> {
        let key = format!("ready-{}", delivery.id);
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.log_in(delivery, None)?,
        };
        let path = match self.s.fact_of(self.s.spec().id, &key).and_then(|path| path.as_str().map(str::to_owned)) {
            Some(path) => path,
            None => newest_result(self.ops, &mut session, delivery)?,
        };
        let ready = session.ready_again(&path)?;
        self.session = Some(session);
        Ok(ready)
    }

    fn look_at_ready_page(&mut self, delivery: &Delivery<'_>) -> Result<(), StepError> {
        let ready = self.ready(delivery)?;
        let kept = self.s.evidence(&format!("ready page of {}", delivery.id), ready.page.text.as_bytes())?;
        self.tally.evidence("ready_page", &kept);
        let bad: Vec<String> = ready.certified.iter().filter(|title| title.ends_with("Failed.")).cloned().collect();
        for title in &bad {
            self.tally.fault("ready_page", title.clone());
        }
        // Only a mapping can be a parent; hand-written rules name their origin in words.
        let collides = |text: &&String| {
            let parent = text.rsplit_once("were both derived from ").map(|(_, parent)| parent.trim());
            parent.is_some_and(|parent| parent.ends_with("map"))
        };
        for collision in ready.warnings.iter().filter(collides) {
            self.tally.fault("ready_page", collision.clone());
        }
        for name in delivery.files.iter().filter(|name| !ready.page.text.contains(name.as_str())) {
            self.tally.fault("ready_page", format!("{name} is not on the page"));
        }
        if delivery.kind != Kind::Deletion && ready.certified.is_empty() {
            self.tally.fault("ready_page", "the page shows no certified file");
        }
        if self.tally.has_fault("ready_page") {
            self.tally.judge(self.s, "ready_page", Role::Ops, READY)?;
            return Err(StepError::failed(
                format!("`{}` is not confirmed: its ready page is not good", delivery.id),
                "cancel it on its page (the numbers drawn are lost), mend the files, then run again",
            ));
        }
        if delivery.kind == Kind::References {
            self.linked_from_ingest(delivery)?;
        }
        let titles: Vec<&str> = ready.certified.iter().map(String::as_str).collect();
        self.tally
            .proof("ready_page", format!("{}: {} certified", delivery.id, titles.len().max(delivery.files.len())));
        Ok(())
    }

    /// Until it is confirmed, an uploaded reference lies in the ingest directory and, by the same inode, in the cache
    /// (SO 3.5). One that was copied means that the two are on different file systems (B089).
    fn linked_from_ingest(&mut self, delivery: &Delivery<'_>) -> Result<(), StepError> {
        let here = self.ops.paths().references(self.ops.observatory());
        let paths: Vec<String> = delivery.files.iter().map(|name| format!("{here}/{name}")).collect();
        let there = self.ops.remote().stats(&paths)?;
        for (name, path) in delivery.files.iter().zip(&paths) {
            if there.get(path).is_some_and(|entry| entry.links < 2) {
                self.tally
                    .fault("delivered", format!("{name} was copied into the cache, not linked: another file system"));
            }
        }
        Ok(())
    }

    /// A resumed step whose submission is confirmed already: its ready page is stored and still shows the certification.
    fn look_at_old_page(&mut self, delivery: &Delivery<'_>) -> Result<(), StepError> {
        let mut session = match self.ops.era() {
            // Its stored pages want a login.
            Era::Y2014 => self.ops.login(Door::Direct, delivery.credential)?,
            _ => Session::anonymous(self.ops.http()?, &self.ops.url(Door::Direct)?),
        };
        let path = match self.s.fact_of(self.s.spec().id, &format!("ready-{}", delivery.id)) {
            Some(path) => path.as_str().unwrap_or_default().to_owned(),
            None => newest_result(self.ops, &mut session, delivery)?,
        };
        let page = session.page(&path)?;
        let bad: Vec<String> = page.parts.iter().filter(|title| title.ends_with("Failed.")).cloned().collect();
        let named = delivery.files.iter().all(|name| page.text.contains(name.as_str()));
        let seen =
            if bad.is_empty() { format!("{}: its stored page names every file", delivery.id) } else { shorten(&bad) };
        self.tally.hold("ready_page", bad.is_empty() && named, seen);
        if self.is_immediate(delivery) {
            self.look_at_immediate_page(delivery, &page)?;
        }
        self.leave(session)
    }

    /// Ends a session where the server does not: one of 2014 keeps session and lock after a confirmation.
    fn leave(&self, mut session: Session) -> Result<(), StepError> {
        if self.ops.era() == Era::Y2014 { Ok(session.logout()?) } else { Ok(()) }
    }

    /// The page of a deletion that was carried out at once: what it started from, what it made, and nothing beside it.
    fn look_at_immediate_page(&mut self, delivery: &Delivery<'_>, page: &Page) -> Result<(), StepError> {
        let kept = self.s.evidence(&format!("page of {}", delivery.id), page.text.as_bytes())?;
        self.tally.evidence("ready_page", &kept);
        for name in std::iter::once(delivery.base).chain(delivery.all_new()) {
            self.tally.hold("ready_page", page.text.contains(name), format!("{}: its page names {name}", delivery.id));
        }
        for warning in &page.warnings {
            self.tally.fault("ready_page", warning.clone());
        }
        Ok(())
    }

    fn confirm(&mut self, delivery: &Delivery<'_>, act: &str) -> Result<(), StepError> {
        let s = self.s;
        let mut said = None;
        let session = std::cell::RefCell::new(self.session.take());
        let this = &*self;
        let look = || match this.state_of(delivery)? {
            State::Uploaded => Ok(Found::NotDone),
            State::Confirmed => Ok(Found::Done),
            State::Untouched => Ok(Found::Half("the submission is gone: cancelled by somebody".to_owned())),
            State::Half(what) => Ok(Found::Half(what)),
        };
        s.act(act, Role::Ops, Change::Submit, look, |permit| {
            // The confirmation wants the lock and a channel of this very session.
            let mut session = match session.borrow_mut().take() {
                Some(session) => session,
                None => this.log_in(delivery, Some(permit))?,
            };
            let path = match s.fact_of(s.spec().id, &format!("ready-{}", delivery.id)) {
                Some(path) => path.as_str().unwrap_or_default().to_owned(),
                None => newest_result(this.ops, &mut session, delivery)?,
            };
            session.open_channel(permit, Role::Ops)?;
            let ready = session.ready_again(&path)?;
            said = Some(session.confirm(permit, Role::Ops, &ready)?);
            this.leave(session)
        })?;
        if let Some(confirmed) = said {
            let kept = s.evidence(&format!("confirmed page of {}", delivery.id), confirmed.page.text.as_bytes())?;
            self.tally.evidence("confirmed", &kept);
            for warning in confirmed.warnings.iter().filter(|text| text.starts_with("WARNING")) {
                self.tally.fault("confirmed", warning.clone());
            }
            let names: BTreeSet<&str> = confirmed.files.iter().map(|file| file.new.as_str()).collect();
            let missing = delivery.all_new().into_iter().filter(|name| !names.contains(name));
            let missing: Vec<String> =
                missing.filter(|name| !confirmed.page.text.contains(name)).map(str::to_owned).collect();
            if !missing.is_empty() {
                self.tally.fault("confirmed", format!("the confirmed page does not name {}", shorten(&missing)));
            }
        }
        Ok(())
    }
}

/// Above every number of an audit row: they are not asked for.
pub const NO_ACTIONS: u64 = u64::MAX >> 1;

/// How many of the newest stored results are looked at for a submission whose page is not known.
const STORED: usize = 20;

/// The page of the newest submission that names a delivery's files: for a step that was killed after submitting.
fn newest_result(ops: &Server, session: &mut Session, delivery: &Delivery<'_>) -> Result<String, StepError> {
    let found = match ops.era() {
        // There is no list of them; pages are numbered (WP 3.2).
        Era::Y2014 => {
            let newest = ops.ask(&format!("select max(id) as id from {}", ops.table("*results")))?;
            let newest: usize = newest.single().and_then(|id| id.parse().ok()).unwrap_or(0);
            let oldest = newest.saturating_sub(STORED);
            (oldest + 1..=newest).rev().map(|id| format!("/display_result/{id}")).collect()
        }
        _ => {
            let links = session.good_page("/old_results/")?.links;
            let links = links.into_iter().filter(|link| link.contains("/display_result/"));
            links.take(STORED).collect::<Vec<_>>()
        }
    };
    for path in found {
        let page = session.page(&path)?;
        let open = page.error().is_none() && !page.says("Submission Confirmed.");
        if open && delivery.files.iter().all(|name| page.text.contains(name.as_str())) {
            return Ok(path);
        }
    }
    Err(StepError::unknown(
        format!("none of the newest {STORED} stored results is that of `{}`", delivery.id),
        "look for it among the stored results and confirm or cancel it by hand",
    ))
}

fn request<'a>(delivery: &Delivery<'a>) -> Request<'a> {
    let submission = delivery.submission;
    Request {
        description: delivery.description,
        creator: submission.map_or("UNKNOWN", |submission| &submission.creator),
        change_level: submission.map_or("SEVERE", |submission| submission.change_level.word()),
        auto_rename: submission.is_some_and(|submission| submission.auto_rename),
        compare_old: submission.is_some_and(|submission| submission.compare_old),
        generate_contexts: submission.is_some_and(|submission| submission.generate_contexts),
    }
}

/// Advice for checks that all deliveries share.
pub const START: Advice = Advice {
    cause: "somebody else submitted, or an earlier submission was not finished, or the server was mirrored or restored",
    next: "look at /recent_activity/ and /delivery_status/ of OPS; settle it before anything is submitted",
};
/// Advice for the ready page.
pub const READY: Advice = Advice {
    cause: "the files do not fit the rules of this context, or another submission derived from the same parent",
    next: "read the page's certification; cancel the submission, mend the files, run again",
};
