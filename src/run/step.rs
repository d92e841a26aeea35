//! What the body of a step works with: plan, site, acts, checks, evidence, facts, waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::check::Check;
use super::error::RunError;
use super::event::{ChangeRow, CheckRow, Event};
use super::evidence::Evidence;
use super::fault::StepError;
use super::folder::Folder;
use super::hosts::Hosts;
use super::keeper::Keeper;
use super::ledger::{ActState, Decision, Ledger};
use super::permit::Permit;
use super::snapshot::{self, Compared};
use super::verdict::{Found, Verdict};
use crate::crds::Server;
use crate::plan::{Change, Plan, PlanFile, Role, Site};
use crate::steps::StepSpec;

/// One attempt at one step.
#[derive(Debug)]
pub struct Step {
    spec: &'static StepSpec,
    plan: PlanFile,
    site: Arc<Site>,
    folder: Folder,
    ledger: Ledger,
    keeper: Arc<Keeper>,
    hosts: Hosts,
    again: bool,
    rows: Mutex<Vec<CheckRow>>,
    acted: Mutex<BTreeSet<String>>,
    facts: Mutex<BTreeMap<String, Value>>,
}

/// What hosts that do not wait for each other are worked on with shares; nothing is left half done in it.
fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a probe of [`Step::wait`] saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Poll<T> {
    /// It is there.
    Ready(T),
    /// Not yet; the text is the status seen, in one line.
    NotYet(String),
}

impl Step {
    pub(super) fn new(
        spec: &'static StepSpec,
        plan: PlanFile,
        site: Arc<Site>,
        folder: Folder,
        ledger: Ledger,
        keeper: Arc<Keeper>,
        again: bool,
    ) -> Self {
        let hosts = Hosts::new(Arc::clone(&site), Arc::clone(&keeper));
        Self {
            spec,
            plan,
            site,
            folder,
            ledger,
            keeper,
            hosts,
            again,
            rows: Mutex::default(),
            acted: Mutex::default(),
            facts: Mutex::default(),
        }
    }

    /// The step's entry in the table.
    pub fn spec(&self) -> &'static StepSpec {
        self.spec
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan.plan
    }

    /// The site.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// The run folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Whether the step passed before and is only looked at again: acts are not carried out, checks that can no longer
    /// be judged may be left out.
    pub fn again(&self) -> bool {
        self.again
    }

    /// A server, recognised by its own identity before anything else is asked of its host.
    ///
    /// # Errors
    ///
    /// If the site has no such host, it cannot be reached, or it is not who it should be.
    pub fn host(&self, role: Role) -> Result<Arc<Server>, StepError> {
        self.hosts.server(role)
    }

    /// The hosts of the site.
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// The record that everything said to hosts goes into.
    pub fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// A check of the step's table, to be judged now: by its id, with or without the step's part.
    pub fn check(&self, id: &str) -> Check<'_> {
        match self.spec.check(id) {
            Some(spec) => Check::new(self, spec.id.to_owned(), spec.says),
            None => Check::new(self, format!("{}.{id}", self.spec.short()), "(not in the step's table)"),
        }
    }

    /// Carries out one change, once in the life of the run.
    ///
    /// `look` finds out whether the effect is there and changes nothing. `does` makes the change. Intent, act and
    /// outcome are journaled; when it returns, `look` has seen the effect. On resume an act that was announced but has
    /// no outcome is looked for first: there, it counts as done; not there, it is done; half, the step stops. An act
    /// that was done before is only looked at.
    ///
    /// # Errors
    ///
    /// If the change is not allowed by the site, the host is not who it should be, the act failed, its effect is not
    /// there afterwards or only half.
    pub fn act(
        &self,
        name: &str,
        on: Role,
        change: Change,
        look: impl Fn() -> Result<Found, StepError>,
        does: impl FnOnce(&Permit<'_>) -> Result<(), StepError>,
    ) -> Result<(), StepError> {
        if !locked(&self.acted).insert(name.to_owned()) {
            return Err(StepError::failed(format!("act `{name}` is named twice in one step"), "report this"));
        }
        let help = format!(
            "look at {on}, bring it by hand to one side or the other of `{name}`, then run again; way back: {}",
            self.spec.way_back
        );
        let state = self.ledger.step(self.spec.id).acts.get(name).cloned();
        match state {
            Some(ActState::Done) => {
                let found =
                    look().map_err(|error| error.while_doing(&format!("looking for the effect of `{name}`")))?;
                self.keeper.write(&Event::Looked { act: name.to_owned(), found: found.clone() })?;
                return match found {
                    Found::Done => Ok(()),
                    Found::NotDone => Err(StepError::failed(
                        format!("the effect of `{name}` on {on} was there and is missing now; it is not repeated"),
                        help,
                    )),
                    Found::Half(what) => Err(StepError::failed(
                        format!("the effect of `{name}` on {on} is only half there now: {what}"),
                        help,
                    )),
                };
            }
            Some(ActState::Begun) => {
                let found = look().map_err(|error| error.while_doing(&format!("reconciling `{name}`")))?;
                self.keeper.write(&Event::Looked { act: name.to_owned(), found: found.clone() })?;
                match found {
                    Found::Done => {
                        self.keeper.write(&Event::Done { act: name.to_owned() })?;
                        return Ok(());
                    }
                    Found::NotDone => {}
                    Found::Half(what) => {
                        return Err(StepError::unknown(
                            format!("`{name}` on {on} was begun, has no outcome, and is half there: {what}"),
                            help,
                        ));
                    }
                }
            }
            None if self.again => {
                return Err(StepError::failed(
                    format!("act `{name}` was never carried out although the step passed"),
                    "keep the run folder and report this",
                ));
            }
            None => {}
        }
        self.hosts.may_change(on, change)?;
        super::harness::still_ours(self.spec, &self.site, &self.folder.name())
            .map_err(|error| StepError::failed(error.to_string(), error.help()))?;
        self.keeper.write(&Event::Intent { act: name.to_owned() })?;
        let outcome = does(&Permit::grant(self.spec.id, name, on, change));
        outcome.map_err(|error| error.while_doing(&format!("`{name}` on {on}")))?;
        let found = look().map_err(|error| error.while_doing(&format!("looking for the effect of `{name}`")))?;
        self.keeper.write(&Event::Looked { act: name.to_owned(), found: found.clone() })?;
        match found {
            Found::Done => {
                self.keeper.write(&Event::Done { act: name.to_owned() })?;
                Ok(())
            }
            Found::NotDone => {
                Err(StepError::failed(format!("`{name}` on {on} was carried out, but its effect is not there"), help))
            }
            Found::Half(what) => Err(StepError::failed(
                format!("`{name}` on {on} was carried out, but only half is there: {what}"),
                help,
            )),
        }
    }

    /// Keeps bytes as evidence.
    ///
    /// # Errors
    ///
    /// If they could not be kept: then the step must not go on.
    pub fn evidence(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<Evidence, StepError> {
        Ok(self.keeper.keep(name, bytes.as_ref())?)
    }

    /// Compares the normalised state in which the step leaves the hosts with the reviewed known-good one and judges
    /// `check` by it. `raw` is the evidence that the state was read from.
    ///
    /// The known-good one is `snapshots/<plan>/<step>.snap`, or `era-<era>/<step>.snap` beside it where servers of that era
    /// leave something else behind. What was seen is kept as evidence and in the run folder's
    /// `states/`, in the form in which a person would put it there after reading it.
    ///
    /// # Errors
    ///
    /// If something could not be recorded or compared.
    pub fn snapshot(&self, check: &str, value: &Value, raw: &[Evidence]) -> Result<Verdict, StepError> {
        let name = self.spec.id;
        let text = self.keeper.clean(&snapshot::file_text(value));
        let kept = self.evidence("state as compared", &text)?;
        let path = self.folder.join("states").join(format!("{name}.snap"));
        std::fs::create_dir_all(self.folder.join("states"))?;
        std::fs::write(&path, &text).map_err(RunError::file("write", &path))?;
        let root = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(std::env::current_dir, |path| Ok(path.into()))?;
        let era = self.site().host(Role::Ops).map(|ops| ops.era);
        let folder = snapshot::folder(&root.join("snapshots").join(&self.plan().id), era, name);
        let hosts: Vec<&str> = value.as_object().into_iter().flatten().map(|(host, _)| host.as_str()).collect();
        let mut check = self.check(check).on(hosts.join(", ")).evidence(&kept);
        for evidence in raw {
            check = check.evidence(evidence);
        }
        match snapshot::compare(&folder, name, value)? {
            Compared::Same => check.observed(format!("the same, {} lines", text.lines().count())).judge(true),
            Compared::NotReviewed(path) => check
                .cause(format!("no known-good state of plan `{}` was put into snapshots/", self.plan().id))
                .next_move(format!(
                    "read states/{name}.snap in the run folder line by line; of a rehearsal, put it at {} and commit it; \
                     on the night, `crds-upgrade approve {}.known_good --by NAME --note TEXT` if it is as it should be",
                    path.display(),
                    self.spec.short()
                ))
                .unknown("nobody has reviewed a known-good state for this step of this plan"),
            Compared::Differs(diff) => {
                let kept = self.evidence("difference from the known-good state", &diff)?;
                check
                    .evidence(&kept)
                    .observed(snapshot::first_changes(&diff))
                    .cause("the step, or somebody meanwhile, left something that the known-good state does not have")
                    .next_move("read the difference in the evidence; find what changed it before going on")
                    .judge(false)
            }
        }
    }

    /// Remembers something for later steps.
    ///
    /// # Errors
    ///
    /// If it could not be recorded.
    pub fn fact(&self, key: &str, value: impl Into<Value>) -> Result<(), StepError> {
        let value = value.into();
        self.keeper.write(&Event::Fact { key: key.to_owned(), value: value.clone() })?;
        locked(&self.facts).insert(key.to_owned(), value);
        Ok(())
    }

    /// What a step remembered, this one included.
    pub fn fact_of(&self, step: &str, key: &str) -> Option<Value> {
        if step == self.spec.id
            && let Some(value) = locked(&self.facts).get(key)
        {
            return Some(value.clone());
        }
        self.ledger.step(step).facts.get(key).cloned()
    }

    /// As [`Step::fact_of`], for a fact that must be there.
    ///
    /// # Errors
    ///
    /// If the step did not remember it: then this step cannot judge.
    pub fn need_fact(&self, step: &str, key: &str) -> Result<Value, StepError> {
        self.fact_of(step, key).ok_or_else(|| {
            StepError::unknown(format!("`{step}` did not record `{key}`"), format!("run `{step}` again in this run"))
        })
    }

    /// Waits, bounded, until a probe is satisfied.
    ///
    /// `every` passes between two probes, on the hosts' clock if the site says so. The error carries the last status.
    ///
    /// # Errors
    ///
    /// If `limit` passes first (the check that needed it is unknown or failed, as the caller decides), or a probe fails.
    pub fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        every: Duration,
        mut probe: impl FnMut() -> Result<Poll<T>, StepError>,
    ) -> Result<T, StepError> {
        self.keeper.write(&Event::Waiting { what: what.to_owned(), limit_s: limit.as_secs() })?;
        let began = Instant::now();
        let mut passed = Duration::ZERO;
        loop {
            let seen = probe().map_err(|error| error.while_doing(&format!("waiting for {what}")))?;
            let (came, last) = match &seen {
                Poll::Ready(_) => (true, "there".to_owned()),
                Poll::NotYet(status) => (false, self.keeper.clean(status)),
            };
            if came || passed >= limit {
                let waited_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                let what = what.to_owned();
                self.keeper.write(&Event::Waited { what: what.clone(), came, last: last.clone(), waited_ms })?;
                return match seen {
                    Poll::Ready(value) => Ok(value),
                    Poll::NotYet(_) => Err(StepError::unknown(
                        format!("{what} did not come within {} s; last seen: {last}", limit.as_secs()),
                        "look at the host: it may still come; then run the same command again",
                    )),
                };
            }
            self.progress(what, passed.as_secs(), limit.as_secs(), "s");
            passed += self.hosts.sleep(every.min(limit.saturating_sub(passed)).max(Duration::from_millis(100)))?;
        }
    }

    /// Says how far a long action is, for `crds-upgrade status`. Never an error: it proves nothing.
    pub fn progress(&self, what: &str, done: u64, of: u64, unit: &str) {
        super::progress::write(&self.folder, self.spec.id, &self.keeper.clean(what), done, of, unit);
    }

    /// Puts the step off until `due` (RFC 3339) because the plan says so; blocks nothing but acceptance.
    ///
    /// # Errors
    ///
    /// Always: `return s.defer(...)` ends the step.
    pub fn defer(&self, due: &str, why: &str) -> Result<(), StepError> {
        Err(StepError::deferred(due, why))
    }

    /// The recorded approval of a gate (a step id or a check id), if there is one.
    pub fn approval(&self, gate: &str) -> Option<&Decision> {
        self.ledger.approved(gate)
    }

    /// The no-go about a gate, if a person has recorded one.
    pub fn refusal(&self, gate: &str) -> Option<&Decision> {
        self.ledger.refused(gate)
    }

    /// Records a difference and the declared changes that claim it; exactly one is right.
    ///
    /// # Errors
    ///
    /// If it could not be recorded.
    pub fn change(&self, mut row: ChangeRow) -> Result<(), StepError> {
        for text in [&mut row.item, &mut row.before, &mut row.after] {
            *text = self.keeper.clean(text);
        }
        self.keeper.write(&Event::Change(Box::new(row)))?;
        Ok(())
    }

    /// Records what was not checked, and why, for the report.
    ///
    /// # Errors
    ///
    /// If it could not be recorded.
    pub fn not_checked(&self, what: &str, why: &str) -> Result<(), StepError> {
        self.keeper.write(&Event::NotChecked { what: what.to_owned(), why: why.to_owned() })?;
        Ok(())
    }

    /// Records that a service went away or came back, `at` on the host's clock (RFC 3339).
    ///
    /// # Errors
    ///
    /// If it could not be recorded.
    pub fn outage(&self, service: &str, away: bool, at: &str) -> Result<(), StepError> {
        self.keeper.write(&Event::Outage { service: service.to_owned(), away, at: at.to_owned() })?;
        Ok(())
    }

    /// The files of the run folder in which a credential of the site stands, and how many files were looked through.
    ///
    /// Every credential is fetched for it and forgotten again; none of their text is in the answer.
    ///
    /// # Errors
    ///
    /// If a credential cannot be fetched or a file cannot be read: then nothing is proven.
    pub fn secrets_in_run_folder(&self) -> Result<(Vec<String>, usize), StepError> {
        for credential in self.site.credentials.values() {
            self.keeper.secrets().learn(&credential.password.resolve()?);
        }
        let (mut found, mut looked) = (Vec::new(), 0);
        for entry in walkdir::WalkDir::new(self.folder.path()).sort_by_file_name() {
            let entry = entry?;
            if entry.file_type().is_file() {
                looked += 1;
                if self.keeper.secrets().leaks(&std::fs::read(entry.path())?) {
                    found.push(entry.path().strip_prefix(self.folder.path())?.display().to_string());
                }
            }
        }
        Ok((found, looked))
    }

    /// The run so far, as the journal told it when this step began.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(super) fn is_waived(&self, check: &str) -> bool {
        let today = jiff::Zoned::now().date();
        // A plan's waiver is about one test: the check itself reads it.
        self.ledger.waived(check, &today.to_string()).is_some()
    }

    pub(super) fn judged(&self, row: CheckRow) {
        locked(&self.rows).push(row);
    }

    pub(super) fn rows(&self) -> Vec<CheckRow> {
        locked(&self.rows).clone()
    }
}
