//! `acceptance.json`: the verdict on a run and everything it rests on (design section 8).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::plan::PlanFile;
use crate::run::event::{ChangeRow, CheckRow, Event};
use crate::run::journal::Entry;
use crate::run::ledger::{Decision, StepState};
use crate::run::{Folder, Ledger, RunError, Verdict, watch};
use crate::steps::{self, StepSpec};

/// The value of `schema`.
pub const SCHEMA: &str = "crds-upgrade/acceptance/1";

/// The step of the next morning.
const MORNING: &str = "s910_morning_after";

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every step passed, or stands by a named decision.
    Accepted,
    /// A step failed.
    Rejected,
    /// Something was not carried out, or is unknown without a decision.
    Incomplete,
}

impl Outcome {
    /// The word in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Incomplete => "incomplete",
        }
    }
}

/// The acceptance report.
#[derive(Debug, Clone, Serialize)]
pub struct Acceptance {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The run's id.
    pub run: String,
    /// The nextest profile.
    pub profile: String,
    /// What became of it.
    pub verdict: Outcome,
    /// Why, in one line.
    pub because: String,
    /// The plan.
    pub plan: Input,
    /// The site.
    pub site: Input,
    /// `passed`, `failed` or `due`.
    pub morning_after: &'static str,
    /// `real` or `fixture`.
    pub rules: String,
    /// When the run was opened (RFC 3339).
    pub opened: String,
    /// Who opened it.
    pub owner: String,
    /// Version of the suite.
    pub version: String,
    /// Every step of the table, in order.
    pub steps: Vec<StepReport>,
    /// Every difference and what claims it.
    pub changes: Vec<ChangeRow>,
    /// How long what was away.
    pub outage: Outage,
    /// The watch over cron.
    pub cron_watch: CronWatch,
    /// Failed checks that were accepted, or may be.
    pub waivers: Vec<Waiver>,
    /// Gates that a person opened.
    pub approvals: Vec<Approval>,
    /// No-goes, also those that were taken back by a later go.
    pub no_goes: Vec<Approval>,
    /// What was not checked, and why.
    pub not_checked: Vec<NotChecked>,
    /// The journal that all this follows from.
    pub journal: JournalHead,
}

/// Plan or site.
#[derive(Debug, Clone, Serialize)]
pub struct Input {
    /// Its name.
    pub id: String,
    /// `real`, `embedded`, `containers`; empty for a plan.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// BLAKE3 of the file.
    pub digest: String,
}

/// How much time the suite itself took, seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OwnTime {
    /// Of all steps.
    pub total: f64,
    /// What half of the steps does not exceed.
    pub median: f64,
    /// What 95 of 100 steps do not exceed.
    pub p95: f64,
}

/// One step.
#[derive(Debug, Clone, Serialize)]
pub struct StepReport {
    /// Its id.
    pub id: &'static str,
    /// Its part of the procedure.
    pub section: &'static str,
    /// Its title.
    pub title: &'static str,
    /// R, V, C or 1.
    pub class: &'static str,
    /// `passed`, `failed`, `unknown`, `deferred`, `not_run`.
    pub verdict: &'static str,
    /// When a deferred step is due.
    pub due: Option<String>,
    /// When it first began (RFC 3339).
    pub started: Option<String>,
    /// Time of the operator's clock spent on it, over all attempts, seconds.
    pub elapsed_s: f64,
    /// Of that, waiting for hosts, seconds.
    pub hosts_s: f64,
    /// How often it was begun.
    pub attempts: u32,
    /// The text of its end, if it did not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Its way back.
    pub way_back: &'static str,
    /// Its checks, in the order of the table.
    pub checks: Vec<CheckReport>,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    /// Its id.
    pub id: String,
    /// `passed`, `failed`, `unknown`, `waived`.
    pub verdict: &'static str,
    /// The host that was looked at.
    pub host: String,
    /// What must hold.
    pub expected: String,
    /// What was seen.
    pub observed: String,
    /// The likely cause, if it did not pass.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cause: String,
    /// The next move, if it did not pass.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub next: String,
    /// What it looked at.
    pub evidence: Vec<String>,
}

/// Services that were away.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outage {
    /// The sum of all closed outages of the longest service, seconds of the hosts' clock.
    pub longest_s: Option<i64>,
    /// Each outage.
    pub services: Vec<Away>,
}

/// One outage.
#[derive(Debug, Clone, Serialize)]
pub struct Away {
    /// The service.
    pub service: String,
    /// When it went away, on the host's clock.
    pub from: String,
    /// When it was back; none: it is still away.
    pub until: Option<String>,
    /// How long, seconds.
    pub seconds: Option<i64>,
}

/// What the watch over cron saw.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CronWatch {
    /// Looks that saw cron off.
    pub off: usize,
    /// Looks that saw it on.
    pub on: usize,
    /// Looks that could not be made.
    pub failed: usize,
    /// Times of more than two periods between two looks: from, until, seconds.
    pub gaps: Vec<(String, String, i64)>,
}

/// A waiver.
#[derive(Debug, Clone, Serialize)]
pub struct Waiver {
    /// The check.
    pub check: String,
    /// Who answers for it.
    pub by: String,
    /// Last day.
    pub until: String,
    /// Why.
    pub reason: String,
    /// Whether a check of this run needed it.
    pub used: bool,
}

/// A gate that a person opened.
#[derive(Debug, Clone, Serialize)]
pub struct Approval {
    /// The gate.
    pub gate: String,
    /// Who.
    pub by: String,
    /// Why.
    pub note: String,
    /// When.
    pub at: String,
}

/// Something that was not checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotChecked {
    /// What.
    pub what: String,
    /// Why not.
    pub why: String,
}

/// Where the journal stood.
#[derive(Debug, Clone, Serialize)]
pub struct JournalHead {
    /// Number of the last entry that the report rests on.
    pub entries: u64,
    /// Its hash.
    pub head: String,
    /// Pieces of evidence.
    pub evidence: usize,
}

impl Acceptance {
    /// Folds a run into its report.
    ///
    /// # Errors
    ///
    /// [`RunError::Tampered`] if the journal does not say what the run is for.
    pub fn of(ledger: &Ledger, entries: &[Entry], folder: &Folder) -> Result<Self, RunError> {
        let opened = ledger
            .opened
            .clone()
            .ok_or_else(|| RunError::Tampered { what: "the journal does not say what the run is for".to_owned() })?;
        let steps: Vec<StepReport> = steps::ALL.iter().map(|spec| step_report(spec, &ledger.step(spec.id))).collect();
        let (verdict, because) = judge(ledger, &steps);
        let morning_after = match ledger.step(MORNING).verdict {
            Some(Verdict::Passed | Verdict::Waived) => "passed",
            Some(Verdict::Failed | Verdict::Unknown) => "failed",
            Some(Verdict::Deferred) | None => "due",
        };
        // Entries about the report itself are not what it rests on, or it could never be rebuilt to the same bytes.
        let base = entries.iter().rev().find(|entry| {
            !matches!(entry.event, Event::Reported { .. } | Event::Finished { .. } | Event::Invoked { .. })
        });
        Ok(Self {
            schema: SCHEMA,
            run: opened.run,
            profile: opened.profile,
            verdict,
            because,
            plan: Input { id: opened.plan, kind: String::new(), digest: opened.plan_digest },
            site: Input { id: opened.site, kind: opened.site_kind, digest: opened.site_digest },
            morning_after,
            rules: opened.rules,
            opened: ledger.opened_at.clone().unwrap_or_default(),
            owner: opened.owner,
            version: opened.version,
            not_checked: not_checked(ledger, &steps),
            changes: ledger.changes.clone(),
            outage: outage(&ledger.outages),
            cron_watch: cron_watch(ledger),
            waivers: waivers(ledger, folder),
            approvals: ledger.approvals.iter().map(approval).collect(),
            no_goes: ledger.refusals.iter().map(approval).collect(),
            journal: JournalHead {
                entries: base.map_or(0, |entry| entry.seq),
                head: base.map_or_else(String::new, |entry| entry.hash.clone()),
                evidence: ledger.evidence.len(),
            },
            steps,
        })
    }

    /// The suite's own time, seconds: what the steps took while no host's answer was waited for.
    pub fn own_time(&self) -> OwnTime {
        let begun = self.steps.iter().filter(|step| step.attempts > 0);
        let mut own: Vec<f64> = begun.map(|step| (step.elapsed_s - step.hosts_s).max(0.0)).collect();
        own.sort_by(f64::total_cmp);
        // Nearest rank: the smallest value that at least this share of the steps does not exceed.
        let at =
            |percent: usize| own.get((own.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0.0);
        OwnTime { total: own.iter().sum(), median: at(50), p95: at(95) }
    }

    /// How many steps have each verdict.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for step in &self.steps {
            *counts.entry(step.verdict).or_default() += 1;
        }
        counts
    }
}

fn step_report(spec: &'static StepSpec, state: &StepState) -> StepReport {
    let verdict = match state.verdict {
        _ if state.attempts == 0 => "not_run",
        // Begun without an outcome is unknown, and so is one that nobody has looked at since it was killed.
        _ if state.open => "unknown",
        Some(Verdict::Passed | Verdict::Waived) => "passed",
        Some(Verdict::Deferred) => "deferred",
        Some(Verdict::Failed) => "failed",
        Some(Verdict::Unknown) | None => "unknown",
    };
    let mut rows: Vec<&CheckRow> = spec.checks.iter().filter_map(|check| state.checks.get(check.id)).collect();
    rows.extend(state.checks.values().filter(|row| spec.check(&row.id).is_none()));
    let open = format!("begun by process {} and not ended", state.pid);
    StepReport {
        id: spec.id,
        section: spec.section,
        title: spec.title,
        class: spec.class.letter(),
        verdict,
        due: state.due.clone(),
        started: state.started.clone(),
        elapsed_s: seconds(state.elapsed_ms),
        hosts_s: seconds(state.host_ms),
        attempts: state.attempts,
        message: state.message.clone().or_else(|| state.open.then_some(open)).filter(|_| verdict != "passed"),
        way_back: spec.way_back,
        checks: rows.into_iter().map(check_report).collect(),
    }
}

fn check_report(row: &CheckRow) -> CheckReport {
    CheckReport {
        id: row.id.clone(),
        verdict: row.verdict.as_str(),
        host: row.host.clone(),
        expected: row.expected.clone(),
        observed: row.observed.clone(),
        cause: row.cause.clone(),
        next: row.next.clone(),
        evidence: row.evidence.clone(),
    }
}

fn seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}

/// The verdict on the run: the worst of its steps, where what is missing weighs as much as what is wrong.
fn judge(ledger: &Ledger, steps: &[StepReport]) -> (Outcome, String) {
    if let Some(step) = steps.iter().find(|step| step.verdict == "failed") {
        return (Outcome::Rejected, format!("{} failed", step.id));
    }
    if let Some(how) = ledger.finished.as_ref().filter(|how| *how != "accepted") {
        return (Outcome::Incomplete, format!("the run was ended as {how}"));
    }
    let mut by_decision = 0;
    for step in steps {
        if step.id == MORNING && matches!(step.verdict, "not_run" | "deferred") {
            continue;
        }
        let stands = step.verdict == "passed" || (step.verdict == "unknown" && ledger.stands(step.id));
        by_decision += usize::from(stands && step.verdict == "unknown");
        if !stands {
            return (Outcome::Incomplete, format!("{} is {}", step.id, step.verdict.replace('_', " ")));
        }
    }
    let morning = ledger.step(MORNING).verdict == Some(Verdict::Passed);
    let mut because =
        if morning { "every step passed" } else { "every step up to acceptance passed; the morning after is due" }
            .to_owned();
    let waived = steps.iter().flat_map(|step| &step.checks).filter(|check| check.verdict == "waived").count();
    if waived > 0 {
        because.push_str(&format!("; {waived} failed {} waived", if waived == 1 { "check is" } else { "checks are" }));
    }
    if by_decision > 0 {
        because = because.replacen("passed", "passed or stands", 1);
        because.push_str(&format!("; {by_decision} by a named decision about what nobody could look at"));
    }
    (Outcome::Accepted, because)
}

fn not_checked(ledger: &Ledger, steps: &[StepReport]) -> Vec<NotChecked> {
    let mut list: Vec<NotChecked> =
        ledger.not_checked.iter().map(|(what, why)| NotChecked { what: what.clone(), why: why.clone() }).collect();
    for step in steps {
        match step.verdict {
            "not_run" => {
                list.push(NotChecked { what: step.id.to_owned(), why: "the step was not carried out".to_owned() })
            }
            "deferred" => list.push(NotChecked {
                what: step.id.to_owned(),
                why: format!("put off by the plan until {}", step.due.as_deref().unwrap_or("an unnamed date")),
            }),
            _ => {}
        }
        list.extend(step.checks.iter().filter(|check| check.verdict == "unknown").map(|check| NotChecked {
            what: check.id.clone(),
            why: match ledger.approved(&check.id) {
                Some(decision) => format!("{} (accepted by {}: {})", check.observed, decision.by, decision.why),
                None => check.observed.clone(),
            },
        }));
    }
    list
}

fn outage(rows: &[(String, bool, String)]) -> Outage {
    let mut services: Vec<Away> = Vec::new();
    for (service, away, at) in rows {
        let open = services.iter_mut().rev().find(|row| row.service == *service && row.until.is_none());
        match (away, open) {
            (true, None) => {
                services.push(Away { service: service.clone(), from: at.clone(), until: None, seconds: None });
            }
            (false, Some(row)) => {
                row.until = Some(at.clone());
                row.seconds = between(&row.from, at);
            }
            // Said twice: the first word counts for going away, the last for coming back.
            (true, Some(_)) | (false, None) => {}
        }
    }
    Outage { longest_s: services.iter().filter_map(|row| row.seconds).max(), services }
}

fn between(from: &str, until: &str) -> Option<i64> {
    let parse = |text: &str| text.parse::<jiff::Timestamp>().ok();
    Some(parse(until)?.duration_since(parse(from)?).as_secs())
}

fn cron_watch(ledger: &Ledger) -> CronWatch {
    let mut seen = CronWatch::default();
    let limit = i64::try_from(watch::PERIOD.as_secs() * 2).unwrap_or(i64::MAX);
    let mut last: Option<&str> = None;
    for (at, _, _, holds, _) in &ledger.watched {
        match holds {
            Some(true) => seen.off += 1,
            Some(false) => seen.on += 1,
            None => seen.failed += 1,
        }
        if let Some(before) = last
            && let Some(length) = between(before, at)
            && length > limit
        {
            seen.gaps.push((before.to_owned(), at.clone(), length));
        }
        if holds.is_some() {
            last = Some(at);
        }
    }
    seen
}

fn waivers(ledger: &Ledger, folder: &Folder) -> Vec<Waiver> {
    let used = |check: &str| {
        ledger.steps.values().any(|step| step.checks.get(check).is_some_and(|row| row.verdict == Verdict::Waived))
    };
    // The copy in the run folder: the report is made without the operator's files.
    let planned = PlanFile::load(&folder.join("plan.toml")).map(|file| file.plan.waivers).unwrap_or_default();
    let mut list: Vec<Waiver> = planned
        .iter()
        .map(|waiver| Waiver {
            check: waiver.check.clone(),
            by: waiver.owner.clone(),
            until: waiver.until.to_string(),
            reason: waiver.reason.clone(),
            used: used(&waiver.check),
        })
        .collect();
    list.extend(ledger.waivers.iter().map(|decision| Waiver {
        check: decision.about.clone(),
        by: decision.by.clone(),
        until: decision.until.clone().unwrap_or_default(),
        reason: decision.why.clone(),
        used: used(&decision.about),
    }));
    list
}

fn approval(decision: &Decision) -> Approval {
    Approval {
        gate: decision.about.clone(),
        by: decision.by.clone(),
        note: decision.why.clone(),
        at: decision.at.clone(),
    }
}
