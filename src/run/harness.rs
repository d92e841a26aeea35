//! Runs one step: refuses, takes the lock, asks the journal, looks or acts, and records the end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::{UNLOOKED, failure_text};
use super::error::RunError;
use super::event::{CheckRow, Event};
use super::fault::{StepError, StepResult, StepStopped};
use super::folder::Folder;
use super::guard;
use super::keeper::Keeper;
use super::kill::{self, KillPoint};
use super::ledger::Ledger;
use super::lock::{self, StepLock};
use super::open;
use super::pause::{self, Pause};
use super::signals;
use super::step::Step;
use super::verdict::Verdict;
use super::watch::CronWatch;
use crate::plan::{PlanFile, Site, SiteKind};
use crate::report;
use crate::steps::{self, Class, S280_POINT_OF_NO_RETURN, StepSpec, holds_until};

/// The variable with the run folder, set by the setup script.
pub const RUN_VARIABLE: &str = "CRDS_UPGRADE_RUN";

/// The step after which a run can be accepted.
const ACCEPTANCE: &str = "s900_accept";

/// Carries out, resumes or looks again at one step of the run that the environment names.
///
/// # Errors
///
/// With the text of the failure, if the step was refused or did not pass. A deferred step, and one whose unknowns are
/// all approved, is no error.
pub fn step(spec: &'static StepSpec, body: impl FnOnce(&Step) -> Result<(), StepError>) -> StepResult {
    let refused = |error: RunError| {
        StepStopped(format!("{}: nothing was executed: {error}\n  next move: {}", spec.id, error.help()))
    };
    let runner = guard::environment().map_err(refused)?;
    step_in(&run_folder().map_err(refused)?, &runner.profile, spec, body)
}

/// As [`step`], of a run folder; the runner has been looked at.
pub(super) fn step_in(
    folder: &Path,
    profile: &str,
    spec: &'static StepSpec,
    body: impl FnOnce(&Step) -> Result<(), StepError>,
) -> StepResult {
    let refused = |error: RunError| {
        StepStopped(format!("{}: nothing was executed: {error}\n  next move: {}", spec.id, error.help()))
    };
    Begun::new(folder, profile, spec).map_err(refused)?.carry_out(body)
}

/// Refuses to work on a host that another run has taken since this one was opened, or that nobody holds any more.
/// Preflight tells it by a check.
pub(super) fn still_ours(spec: &StepSpec, site: &Site, run: &str) -> Result<(), RunError> {
    if spec.id == steps::ALL[0].id {
        return Ok(());
    }
    for (role, holder) in open::holders(site, &site.source) {
        if holder.is_none() {
            return Err(RunError::Locked {
                what: format!("the host `{role}`, which this run held,"),
                holder: "its lock is gone: somebody took it for a stale one".to_owned(),
                help: "ask who removed it and whether he works on the host; the same command takes it again".to_owned(),
            });
        }
        if let Some(holder) = holder.filter(|holder| holder.run != run) {
            return Err(RunError::Locked {
                what: format!("the host `{role}`, which this run held,"),
                holder: holder.to_string(),
                help: "find out who works on it; go on only when nobody else does and the lock is this run's again"
                    .to_owned(),
            });
        }
    }
    Ok(())
}

/// A step that may begin.
struct Begun {
    step: Step,
    keeper: Arc<Keeper>,
    approved: Vec<String>,
    _lock: StepLock,
}

impl Begun {
    fn new(folder: &Path, profile: &str, spec: &'static StepSpec) -> Result<Self, RunError> {
        let folder = Folder::at(folder)?;
        let lock = lock::take_run(folder.path())?;
        let ledger = Ledger::read(&folder.entries()?);
        let (plan, site) = inputs(&ledger, profile)?;
        may_begin(spec, &ledger)?;
        still_go(spec, &ledger)?;
        still_ours(spec, &site, &folder.name())?;
        let (kill, pause) = (KillPoint::from_env()?, Pause::from_env()?);
        no_injection(&site, kill::VARIABLE, kill.is_some())?;
        no_injection(&site, pause::VARIABLE, pause.is_some())?;
        let state = ledger.step(spec.id);
        // Also where a human accepted what could not be known, unless an attempt since then was ended half way: that one has
        // to be reconciled.
        let again = matches!(state.verdict, Some(Verdict::Passed | Verdict::Waived)) || ledger.stands(spec.id);
        let journal = folder.journal()?.with_kill_point(kill);
        let keeper = Keeper::new(journal, folder.evidence(), spec.id, state.attempts + 1);
        let keeper = Arc::new(keeper.with_pause(pause));
        let approved = ledger.approvals.iter().map(|decision| decision.about.clone()).collect();
        let step = Step::new(spec, plan, Arc::new(site), folder, ledger, Arc::clone(&keeper), again);
        Ok(Self { step, keeper, approved, _lock: lock })
    }

    fn carry_out(self, body: impl FnOnce(&Step) -> Result<(), StepError>) -> StepResult {
        let (spec, again) = (self.step.spec(), self.step.again());
        let unrecorded = |error: RunError| {
            StepStopped(format!(
                "{}: the journal could not be written: {error}\n  next move: {}",
                spec.id,
                error.help()
            ))
        };
        self.keeper.write(&Event::Began { pid: std::process::id(), again }).map_err(unrecorded)?;
        let _signals = signals::watch(&self.keeper);
        let superseded = again
            && self
                .step
                .ledger()
                .steps
                .iter()
                .any(|(id, state)| state.attempts > 0 && holds_until(spec.id).contains(&id.as_str()));
        let outcome = if superseded {
            // A later step has changed on purpose what this one established: its evidence stands, the hosts have moved on.
            Ok(())
        } else {
            self.watched(body)
        };
        let mut rows = self.step.rows();
        if !superseded {
            self.unlooked(&mut rows, &outcome).map_err(unrecorded)?;
        }
        let (verdict, message, due) = settle(spec, &rows, &outcome);
        let message = message.map(|text| self.keeper.clean(&text));
        self.keeper
            .write(&Event::Ended {
                verdict,
                message: message.clone(),
                due,
                elapsed_ms: self.keeper.elapsed_ms(),
                again,
            })
            .map_err(unrecorded)?;
        self.conclude(verdict).map_err(unrecorded)?;
        match verdict {
            Verdict::Passed | Verdict::Waived | Verdict::Deferred => Ok(()),
            Verdict::Unknown if self.unknowns_approved(&rows, &outcome) => Ok(()),
            Verdict::Unknown | Verdict::Failed => Err(StepStopped(message.unwrap_or_default())),
        }
    }

    /// After the last steps, and where the run stops, the report is written; with the last step the run is finished.
    fn conclude(&self, verdict: Verdict) -> Result<(), RunError> {
        let (id, folder) = (self.step.spec().id, self.step.folder());
        let good = matches!(verdict, Verdict::Passed | Verdict::Waived);
        let last = steps::ALL.last().is_some_and(|last| last.id == id);
        if last && good {
            open::finish(folder, "accepted")?;
        }
        if last || id == ACCEPTANCE || !good {
            report::write(folder)?;
        }
        Ok(())
    }

    /// Runs the body under the watch over cron.
    fn watched(&self, body: impl FnOnce(&Step) -> Result<(), StepError>) -> Result<(), StepError> {
        let watch = CronWatch::begin(self.step.spec().id, self.step.ledger(), self.step.hosts(), &self.keeper)?;
        run_body(&self.step, body)?;
        watch.map_or(Ok(()), CronWatch::end)
    }

    /// Records every check of the table that was not judged as unknown, and every judged one that is not in the table.
    fn unlooked(&self, rows: &mut Vec<CheckRow>, outcome: &Result<(), StepError>) -> Result<(), RunError> {
        let spec = self.step.spec();
        if matches!(outcome, Err(error) if error.verdict() == Verdict::Deferred) {
            return Ok(());
        }
        let stray: Vec<String> =
            rows.iter().filter(|row| spec.check(&row.id).is_none()).map(|row| row.id.clone()).collect();
        let missing = spec.checks.iter().map(|check| (check.id.to_owned(), check.says));
        let why = match outcome {
            Ok(()) => "the step ended without looking",
            Err(_) => UNLOOKED,
        };
        let mut add: Vec<CheckRow> = missing
            .filter(|(id, _)| !rows.iter().any(|row| row.id == *id))
            // Looking again, a step judges what can still be judged.
            .filter(|_| !(self.step.again() && outcome.is_ok()))
            .map(|(id, says)| unknown_row(id, says, why))
            .collect();
        add.extend(stray.iter().map(|id| {
            unknown_row(
                format!("{}.table", spec.short()),
                "every check is in the step's table",
                &format!("{id} is not"),
            )
        }));
        for row in add {
            self.keeper.write(&Event::Check(Box::new(row.clone())))?;
            rows.push(row);
        }
        Ok(())
    }

    /// Whether every unknown of the step was accepted by a named approval, of the check or of the whole step.
    fn unknowns_approved(&self, rows: &[CheckRow], outcome: &Result<(), StepError>) -> bool {
        let accepted = |gate: &str| self.approved.iter().any(|have| have == gate);
        let whole = accepted(&format!("unknown:{}", self.step.spec().id));
        let stopped = outcome.as_ref().is_err_and(|error| error.verdict() != Verdict::Deferred);
        whole || (!stopped && rows.iter().filter(|row| row.verdict == Verdict::Unknown).all(|row| accepted(&row.id)))
    }
}

fn unknown_row(id: String, says: &str, why: &str) -> CheckRow {
    CheckRow {
        id,
        host: String::new(),
        verdict: Verdict::Unknown,
        expected: says.to_owned(),
        observed: why.to_owned(),
        cause: String::new(),
        next: String::new(),
        evidence: Vec::new(),
        again: false,
    }
}

fn run_body(step: &Step, body: impl FnOnce(&Step) -> Result<(), StepError>) -> Result<(), StepError> {
    catch_unwind(AssertUnwindSafe(|| body(step))).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("without a text");
        Err(StepError::failed(format!("the step panicked: {text}"), "keep the run folder and report this"))
    })
}

/// The step's verdict, the text of its end, and when it is due.
fn settle(
    spec: &StepSpec,
    rows: &[CheckRow],
    outcome: &Result<(), StepError>,
) -> (Verdict, Option<String>, Option<String>) {
    let worst = rows.iter().map(|row| row.verdict).filter(|verdict| *verdict != Verdict::Waived).max();
    let mut verdict = worst.unwrap_or(Verdict::Passed);
    let (mut stopped_by, mut due) = (None, None);
    if let Err(error) = outcome {
        verdict = verdict.and(error.verdict());
        stopped_by = Some(error.text());
        due = error.due().map(str::to_owned);
    }
    let text = failure_text(spec.id, rows, stopped_by);
    (verdict, (!text.is_empty()).then_some(text), due)
}

/// The folder that the setup script named.
fn run_folder() -> Result<PathBuf, RunError> {
    std::env::var_os(RUN_VARIABLE).map(PathBuf::from).ok_or_else(|| RunError::Refused {
        what: format!("no run is open: {RUN_VARIABLE} is not set"),
        help: "start steps with `cargo nextest run --profile rehearsal` or `--profile ops`, which open the run"
            .to_owned(),
    })
}

/// Plan and site of the run, proven to be those it was opened with, and fit for the profile.
fn inputs(ledger: &Ledger, profile: &str) -> Result<(PlanFile, Site), RunError> {
    let opened = ledger
        .opened
        .as_ref()
        .ok_or_else(|| RunError::Tampered { what: "the journal does not say what the run is for".to_owned() })?;
    if let Some(how) = &ledger.finished {
        return Err(RunError::Refused {
            what: format!("run {} is finished ({how}) and is never used again", opened.run),
            help: "start again: a new run is opened".to_owned(),
        });
    }
    if opened.profile != profile {
        return Err(RunError::Refused {
            what: format!("run {} was opened under profile `{}`, not `{profile}`", opened.run, opened.profile),
            help: format!("go on with `cargo nextest run --profile {}`", opened.profile),
        });
    }
    // The files themselves, not the copies in the run folder: relative paths start there, and a change is to be seen.
    let load = |error: crate::plan::LoadError| RunError::Input { what: error.to_string(), help: error.help() };
    let plan = PlanFile::load(&opened.plan_path).map_err(load)?;
    let site = Site::load(&opened.site_path).map_err(load)?;
    for (what, have, wanted) in
        [("plan", &plan.digest, &opened.plan_digest), ("site", &site.digest, &opened.site_digest)]
    {
        if have != wanted {
            return Err(RunError::Refused {
                what: format!("the {what} is not the one that run {} was opened with", opened.run),
                help: format!("put the {what} back as it was (a copy is in the run folder), or finish that run first"),
            });
        }
    }
    fit(site.kind, profile)?;
    Ok((plan, site))
}

/// Whether a site of this kind may be worked on under a profile.
///
/// # Errors
///
/// [`RunError::Refused`]: `ops` takes real sites only, `rehearsal` none.
pub fn fit(kind: SiteKind, profile: &str) -> Result<(), RunError> {
    match (kind, profile) {
        (SiteKind::Real, "ops" | "rollback")
        | (SiteKind::Embedded, "rehearsal" | "rollback")
        | (SiteKind::Containers, "containers" | "rehearsal" | "rollback") => Ok(()),
        (kind, profile) => Err(RunError::Refused {
            what: format!("profile `{profile}` does not work on a site of kind `{}`", kind.word()),
            help: "`ops` is for real sites, `rehearsal` for embedded fleets, `containers` for container fleets"
                .to_owned(),
        }),
    }
}

/// Refuses what only drills set where the hosts are real ones.
fn no_injection(site: &Site, variable: &str, set: bool) -> Result<(), RunError> {
    if set && site.kind == SiteKind::Real {
        return Err(RunError::Refused {
            what: format!("{variable} is set, and `{}` is a real site", site.name),
            help: format!("unset {variable}"),
        });
    }
    Ok(())
}

/// Whether every prerequisite has passed, or may stand as it is.
/// A go that was taken back stops what it had opened: no step after the gate that changes anything begins any more.
fn still_go(spec: &StepSpec, ledger: &Ledger) -> Result<(), RunError> {
    let gate = S280_POINT_OF_NO_RETURN.id;
    let opened = steps::ALL.iter().skip_while(|step| step.id != gate).skip(1);
    let begun = ledger.step(spec.id).attempts > 0;
    let concerns = spec.class != Class::ReadOnly && opened.clone().any(|step| step.id == spec.id);
    let Some(no) = ledger.refused(gate).filter(|_| concerns && ledger.approved(gate).is_none()) else { return Ok(()) };
    Err(RunError::Refused {
        what: format!("no-go by {} at {}: {}", no.by, no.at, no.why),
        help: format!(
            "{}go back (`crds-upgrade plan` prints each step's way back), or have a go recorded: crds-upgrade approve {gate}",
            if begun { "what this step has begun stands half way: look at it first; then " } else { "" }
        ),
    })
}

fn may_begin(spec: &StepSpec, ledger: &Ledger) -> Result<(), RunError> {
    for needed in spec.needs {
        let state = ledger.step(needed);
        let deferred = state.verdict == Some(Verdict::Deferred) && !state.open;
        let stands = deferred || ledger.stands(needed);
        if !stands {
            let is = match (state.verdict, state.open, state.attempts) {
                (_, _, 0) => "has not begun".to_owned(),
                (_, true, _) => "was begun and has no outcome".to_owned(),
                (Some(verdict), ..) => format!("is {verdict}"),
                (None, ..) => "has no verdict".to_owned(),
            };
            return Err(RunError::Refused {
                what: format!("blocked: `{}` needs `{needed}`, which {is} in this run", spec.id),
                help: format!("run the whole upgrade again, or `{needed}` first; no filter or flag gets round this"),
            });
        }
    }
    Ok(())
}
