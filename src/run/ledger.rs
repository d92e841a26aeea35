//! Where a run stands, folded from its journal: nothing about a run is remembered anywhere else.

use std::collections::BTreeMap;

use serde_json::Value;

use super::event::{ChangeRow, CheckRow, Event, Opened};
use super::journal::Entry;
use super::verdict::{Found, Verdict};

/// How far an act got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActState {
    /// Announced; whether it happened is for looking to find out.
    Begun,
    /// Carried out, and its effect seen.
    Done,
}

/// One step as the journal tells it.
#[derive(Debug, Clone, Default)]
pub struct StepState {
    /// How often it was begun.
    pub attempts: u32,
    /// When it first began.
    pub started: Option<String>,
    /// When it last ended.
    pub ended_at: Option<String>,
    /// Its verdict; none: not begun, or begun without an outcome.
    pub verdict: Option<Verdict>,
    /// Why, in the words of the last end.
    pub message: Option<String>,
    /// When it is due, if it was deferred.
    pub due: Option<String>,
    /// Time spent on it over all attempts, milliseconds.
    pub elapsed_ms: u64,
    /// Time during which an answer of a host was waited for, milliseconds; several calls at once count once.
    pub host_ms: u64,
    /// Calls without an answer yet, and when the first of them began.
    calls_open: (u32, i64),
    /// Begun and not ended: killed, or still running.
    pub open: bool,
    /// Process of the last attempt.
    pub pid: u32,
    /// Its acts, by name.
    pub acts: BTreeMap<String, ActState>,
    /// Its checks by id, as last judged while it was carried out; later looks count only if they are worse.
    pub checks: BTreeMap<String, CheckRow>,
    /// What it remembers for later steps.
    pub facts: BTreeMap<String, Value>,
    /// The signal that ended it, if one did.
    pub interrupted: Option<String>,
}

/// A human decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The gate or check.
    pub about: String,
    /// Who decided.
    pub by: String,
    /// Why.
    pub why: String,
    /// Until when, for a waiver.
    pub until: Option<String>,
    /// When it was recorded.
    pub at: String,
}

/// A run as its journal tells it.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// What it was opened for.
    pub opened: Option<Opened>,
    /// When.
    pub opened_at: Option<String>,
    /// Its steps, by id.
    pub steps: BTreeMap<String, StepState>,
    /// Approvals, in order.
    pub approvals: Vec<Decision>,
    /// No-goes, each of which took back what was approved before it.
    pub refusals: Vec<Decision>,
    /// Waivers, in order.
    pub waivers: Vec<Decision>,
    /// Differences and their claims, in order.
    pub changes: Vec<ChangeRow>,
    /// What was not checked and why, in order, each once.
    pub not_checked: Vec<(String, String)>,
    /// Services going away and coming back: service, away, host time.
    pub outages: Vec<(String, bool, String)>,
    /// Looks of the watch: operator's time, host, what, holds, seen.
    pub watched: Vec<(String, String, String, Option<bool>, String)>,
    /// Digest and verdict of the last report.
    pub reported: Option<(String, String)>,
    /// How the run was finished, if it was.
    pub finished: Option<String>,
    /// Sequence number and hash of the last entry.
    pub head: (u64, String),
    /// Who invoked nextest last: owner and pid.
    pub invoked: Option<(String, u32)>,
    /// Every evidence id that the journal names.
    pub evidence: std::collections::BTreeSet<String>,
}

/// How the fact begins that holds a kept state's hash; its name follows.
pub const KEPT_STATE: &str = "state ";

/// A time of the journal in milliseconds since 1970; 0 if it is none.
fn milliseconds(at: &str) -> i64 {
    at.parse::<jiff::Timestamp>().map_or(0, |at| at.as_millisecond())
}

impl Ledger {
    /// Folds entries, oldest first.
    pub fn read(entries: &[Entry]) -> Self {
        let mut ledger = Self::default();
        for entry in entries {
            ledger.head = (entry.seq, entry.hash.clone());
            match &entry.step {
                Some(step) => ledger.of_step(step, entry),
                None => ledger.of_run(entry),
            }
        }
        ledger
    }

    /// The state of a step; an untouched one if it has not begun.
    pub fn step(&self, id: &str) -> StepState {
        self.steps.get(id).cloned().unwrap_or_default()
    }

    /// The first step that the plan put off and that has not been carried out since, and when it is due (RFC 3339).
    ///
    /// Acceptance and the morning after wait for such a step themselves, so they are not what others wait for.
    pub fn put_off(&self) -> Option<(String, String)> {
        let own = |id: &str| matches!(id.get(..4), Some("s900" | "s910"));
        let mut put_off = self.steps.iter().filter(|(id, state)| !own(id) && state.verdict == Some(Verdict::Deferred));
        put_off.next().map(|(id, state)| (id.clone(), state.due.clone().unwrap_or_default()))
    }

    /// BLAKE3 of the states that steps kept as `states/NAME.json`, by name.
    pub fn kept_states(&self) -> BTreeMap<&str, &str> {
        let facts = self.steps.values().flat_map(|step| &step.facts);
        facts.filter_map(|(key, value)| Some((key.strip_prefix(KEPT_STATE)?, value.as_str()?))).collect()
    }

    /// Whether a step stands although nothing more is done: it passed, or each of its unknowns was accepted by name.
    pub fn stands(&self, id: &str) -> bool {
        let state = self.step(id);
        let accepted = || {
            let mut unknown = state.checks.values().filter(|row| row.verdict == Verdict::Unknown).peekable();
            self.approved(&format!("unknown:{id}")).is_some()
                || (unknown.peek().is_some() && unknown.all(|row| self.approved(&row.id).is_some()))
        };
        match state.verdict {
            Some(Verdict::Passed | Verdict::Waived) => !state.open,
            Some(Verdict::Unknown) => !state.open && accepted(),
            Some(Verdict::Failed | Verdict::Deferred) | None => false,
        }
    }

    /// Whether a gate is approved. A gate of a check may be approved whole by the id of its step.
    pub fn approved(&self, gate: &str) -> Option<&Decision> {
        self.approvals.iter().rev().find(|decision| decision.about == gate)
    }

    /// The last no-go about a gate.
    pub fn refused(&self, gate: &str) -> Option<&Decision> {
        self.refusals.iter().rev().find(|decision| decision.about == gate)
    }

    /// The waiver of a check that holds on a day (`YYYY-MM-DD`).
    pub fn waived(&self, check: &str, today: &str) -> Option<&Decision> {
        self.waivers
            .iter()
            .rev()
            .find(|decision| decision.about == check && decision.until.as_deref().is_some_and(|until| until >= today))
    }

    fn of_run(&mut self, entry: &Entry) {
        match &entry.event {
            Event::Opened(opened) => {
                self.opened = Some((**opened).clone());
                self.opened_at = Some(entry.at.clone());
            }
            Event::Invoked { owner, pid, .. } => self.invoked = Some((owner.clone(), *pid)),
            Event::Approved { gate, by, note } => self.approvals.push(Decision {
                about: gate.clone(),
                by: by.clone(),
                why: note.clone(),
                until: None,
                at: entry.at.clone(),
            }),
            Event::Withdrawn { gate, by, note } => {
                self.approvals.retain(|decision| decision.about != *gate);
                self.refusals.push(Decision {
                    about: gate.clone(),
                    by: by.clone(),
                    why: note.clone(),
                    until: None,
                    at: entry.at.clone(),
                });
            }
            Event::Waived { check, by, until, reason } => self.waivers.push(Decision {
                about: check.clone(),
                by: by.clone(),
                why: reason.clone(),
                until: Some(until.clone()),
                at: entry.at.clone(),
            }),
            Event::Reported { acceptance, verdict } => self.reported = Some((acceptance.clone(), verdict.clone())),
            Event::Finished { how } => self.finished = Some(how.clone()),
            _ => {}
        }
    }

    fn of_step(&mut self, id: &str, entry: &Entry) {
        let step = self.steps.entry(id.to_owned()).or_default();
        match &entry.event {
            Event::Began { pid, again } => {
                step.attempts = entry.attempt;
                step.started.get_or_insert_with(|| entry.at.clone());
                step.pid = *pid;
                step.open = true;
                // Calls of an attempt that was killed are never answered.
                step.calls_open = (0, 0);
                step.interrupted = None;
                if !again {
                    step.verdict = None;
                    step.message = None;
                    step.due = None;
                    step.checks.clear();
                }
            }
            Event::Intent { act } => {
                step.acts.insert(act.clone(), ActState::Begun);
            }
            Event::Looked { act, found: Found::NotDone } => {
                // An effect that was seen and is gone again stays on the books: it is never repeated silently.
                if step.acts.get(act) == Some(&ActState::Begun) {
                    step.acts.remove(act);
                }
            }
            Event::Looked { .. } => {}
            Event::Done { act } => {
                step.acts.insert(act.clone(), ActState::Done);
            }
            Event::Call { stdin, .. } => {
                if step.calls_open.0 == 0 {
                    step.calls_open.1 = milliseconds(&entry.at);
                }
                step.calls_open.0 += 1;
                self.evidence.extend(stdin.clone());
            }
            Event::Answered { stdout, stderr, .. } => {
                step.calls_open.0 = step.calls_open.0.saturating_sub(1);
                if step.calls_open.0 == 0 {
                    let waited = milliseconds(&entry.at).saturating_sub(step.calls_open.1);
                    step.host_ms += u64::try_from(waited).unwrap_or(0);
                }
                self.evidence.extend(stdout.iter().chain(stderr).cloned());
            }
            Event::Evidence { id, .. } => {
                self.evidence.insert(id.clone());
            }
            Event::Check(row) => {
                self.evidence.extend(row.evidence.iter().cloned());
                let worse = step.checks.get(&row.id).is_none_or(|have| !row.again || row.verdict > have.verdict);
                if worse {
                    step.checks.insert(row.id.clone(), (**row).clone());
                }
            }
            Event::Fact { key, value } => {
                step.facts.insert(key.clone(), value.clone());
            }
            Event::Watched { host, what, holds, seen } => {
                self.watched.push((entry.at.clone(), host.clone(), what.clone(), *holds, seen.clone()));
            }
            Event::Change(row) => {
                if !self.changes.contains(row) {
                    self.changes.push((**row).clone());
                }
            }
            Event::NotChecked { what, why } => {
                let pair = (what.clone(), why.clone());
                if !self.not_checked.contains(&pair) {
                    self.not_checked.push(pair);
                }
            }
            Event::Outage { service, away, at } => {
                // A step that was ended before it remembered that it said so says it again.
                let last = self.outages.iter().rev().find(|(of, ..)| of == service);
                if last.is_none_or(|(_, was, _)| was != away) {
                    self.outages.push((service.clone(), *away, at.clone()));
                }
            }
            Event::Interrupted { signal } => step.interrupted = Some(signal.clone()),
            Event::Ended { verdict, message, due, elapsed_ms, again } => {
                step.open = false;
                step.ended_at = Some(entry.at.clone());
                step.elapsed_ms += elapsed_ms;
                // A later look can make a passed step worse, never better.
                if !again || step.verdict.is_none_or(|have| *verdict > have) {
                    step.verdict = Some(*verdict);
                    step.message.clone_from(message);
                    step.due.clone_from(due);
                }
            }
            Event::Opened(_)
            | Event::Invoked { .. }
            | Event::Waiting { .. }
            | Event::Waited { .. }
            | Event::Approved { .. }
            | Event::Withdrawn { .. }
            | Event::Waived { .. }
            | Event::Reported { .. }
            | Event::Finished { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_at_the_same_time_are_waited_for_once() {
        let call = || Event::Call {
            host: "ops".to_owned(),
            how: "read".to_owned(),
            argv: Vec::new(),
            stdin: None,
            changes: false,
        };
        let answered =
            |call| Event::Answered { call, status: "exit 0".to_owned(), elapsed_ms: 0, stdout: None, stderr: None };
        let began = Event::Began { pid: 1, again: false };
        let story = [
            (".000", began.clone()),
            (".100", call()),
            (".200", call()),
            (".300", answered(2)),
            (".500", answered(3)),
            // Killed while it waited: that call is never answered, and the next attempt is not charged for it.
            (".600", call()),
            (".700", began),
            (".800", call()),
            (".850", answered(8)),
        ];
        let entries: Vec<Entry> = (1..)
            .zip(story)
            .map(|(seq, (at, event))| Entry {
                seq,
                at: format!("2014-09-16T15:10:00{at}Z"),
                step: Some("s010_preflight".to_owned()),
                attempt: 1,
                event,
                hash: String::new(),
            })
            .collect();
        assert_eq!(Ledger::read(&entries).step("s010_preflight").host_ms, 400 + 50);
    }

    /// What may happen to a step, in any order and broken off anywhere.
    fn events() -> impl proptest::strategy::Strategy<Value = Vec<Event>> {
        use proptest::prelude::*;
        let verdict = prop_oneof![
            Just(Verdict::Passed),
            Just(Verdict::Waived),
            Just(Verdict::Deferred),
            Just(Verdict::Unknown),
            Just(Verdict::Failed)
        ];
        let ended = |(verdict, again)| Event::Ended { verdict, message: None, due: None, elapsed_ms: 1, again };
        let one = prop_oneof![
            any::<bool>().prop_map(|again| Event::Began { pid: 1, again }),
            (verdict, any::<bool>()).prop_map(ended),
            Just(Event::Intent { act: "wipe".to_owned() }),
            Just(Event::Done { act: "wipe".to_owned() }),
            Just(Event::Looked { act: "wipe".to_owned(), found: Found::NotDone }),
        ];
        proptest::collection::vec(one, 0..12)
    }

    fn read(events: &[Event]) -> Ledger {
        let entries = (1..).zip(events).map(|(seq, event)| Entry {
            seq,
            at: "2014-09-16T15:10:00Z".to_owned(),
            step: Some("s310".to_owned()),
            attempt: 1,
            event: event.clone(),
            hash: String::new(),
        });
        Ledger::read(&entries.collect::<Vec<_>>())
    }

    proptest::proptest! {
        #[test]
        fn a_step_stands_only_by_an_end_that_nothing_since_has_made_worse(events in events()) {
            let fresh = events.iter().rposition(|event| matches!(event, Event::Began { again: false, .. })).unwrap_or(0);
            let good = |event: &Event| matches!(event, Event::Ended { verdict: Verdict::Passed | Verdict::Waived, .. });
            let ends = || events[fresh..].iter().filter(|event| matches!(event, Event::Ended { .. }));
            let turns = |event: &&Event| matches!(event, Event::Began { .. } | Event::Ended { .. });
            let closed = events.iter().rev().find(turns).is_some_and(|last| matches!(last, Event::Ended { .. }));
            if read(&events).stands("s310") {
                // One that was carried out anew takes the place of what was before; a later look does not.
                let from = ends().collect::<Vec<_>>();
                let anew = from.iter().rposition(|event| matches!(event, Event::Ended { again: false, .. })).unwrap_or(0);
                proptest::prop_assert!(closed && !from.is_empty() && from[anew..].iter().all(|event| good(event)), "{events:?}");
            }
        }

        #[test]
        fn an_act_that_was_done_is_on_the_books_for_ever(events in events()) {
            let done = events.iter().any(|event| matches!(event, Event::Done { .. }));
            let since = events.iter().rposition(|event| matches!(event, Event::Done { .. } | Event::Intent { .. }));
            let state = read(&events).step("s310").acts.get("wipe").cloned();
            let last = since.map(|at| matches!(events[at], Event::Done { .. }));
            if last == Some(true) {
                proptest::prop_assert_eq!(state, Some(ActState::Done));
            } else if !done {
                proptest::prop_assert_ne!(state, Some(ActState::Done));
            }
        }
    }
}
