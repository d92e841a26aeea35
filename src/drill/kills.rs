//! Killing a step at any journal entry, before or after it, and seeing that nothing is done twice or lost.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde::{Deserialize, Serialize};

use super::states::{Fleet, States};
use super::{DrillError, Programs, effects, place, script};
use crate::run::kill::Marks;
use crate::run::{Folder, kill};
use crate::steps;

/// A place to kill at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The step it lies in.
    pub step: &'static str,
    /// As [`kill::VARIABLE`] says it.
    pub at: String,
    /// The same in words.
    pub about: String,
}

/// What came of a kill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Killed {
    /// Whether the step died there.
    pub died: bool,
    /// Whether the same command, run again, went on to the end of the step.
    pub resumed: bool,
    /// The failure of the second run, if it failed.
    pub failure: String,
    /// Effects on the hosts that a clean run does not have, or that it has and are missing.
    pub differences: Vec<String>,
}

impl Killed {
    /// Whether nothing was done twice or lost. Without a death that says nothing about resuming.
    pub fn good(&self) -> bool {
        self.resumed && self.differences.is_empty()
    }
}

/// `number` points, evenly over both sides of every journal entry of the recorded rehearsal, or over the entries of one
/// kind of entry, such as `fact`.
///
/// # Errors
///
/// If there is no recorded rehearsal.
pub fn points(states: &States, number: usize, kind: Option<&str>) -> Result<Vec<Point>, DrillError> {
    let last = steps::ALL.iter().rev().find_map(|step| states.before(step.id).ok());
    let last =
        states.end().or(last).ok_or_else(|| DrillError::new("no state was recorded", "carry out a rehearsal"))?;
    let runs = Folder::all(&last.join("runs")).map_err(|error| DrillError::new(error.to_string(), error.help()))?;
    let run = runs.first().ok_or_else(|| DrillError::new("the recorded rehearsal has no run", "record it again"))?;
    let entries = run.entries().map_err(|error| DrillError::new(error.to_string(), error.help()))?;
    let (mut all, mut marks) = (Vec::new(), BTreeMap::<&str, Marks>::new());
    for entry in &entries {
        let Some(step) = entry.step.as_deref().and_then(steps::by_id) else { continue };
        if states.after(step.id).is_none() {
            break;
        }
        let mark = marks.entry(step.id).or_default().next(entry.seq, &entry.event);
        if kind.is_none_or(|kind| entry.event.kind() == kind) {
            let at = |side| Point { step: step.id, at: mark.setting(side), about: format!("{side} {}", mark.about) };
            all.extend(["before", "after"].map(at));
        }
    }
    let wanted = number.min(all.len());
    Ok((0..wanted).map(|index| all[(index * 2 + 1) * all.len() / (wanted * 2)].clone()).collect())
}

/// Kills at one point, runs the same command again, and counts.
///
/// # Errors
///
/// If it could not take place.
pub fn carry_out(programs: &Programs, states: &States, point: &Point) -> Result<Killed, DrillError> {
    let (state, after) = (states.before(point.step)?, states.after(point.step));
    let after =
        after.ok_or_else(|| DrillError::new(format!("there is no state after {}", point.step), "record it again"))?;
    let copy = states.copies()?.join(format!("kill.{}", uuid::Uuid::new_v4()));
    place::copy(&state, &copy)?;
    let mut command = place::private(&programs.upgrade);
    command.arg("kill-inside").arg(&copy).arg(&after).args([point.step, &point.at]);
    let output = command.current_dir(&programs.project).stdin(Stdio::null()).output();
    let _ = fs::remove_dir_all(&copy);
    let output = output.map_err(DrillError::file("run", &programs.upgrade))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().last().and_then(|line| serde_json::from_str(line).ok()).ok_or_else(|| {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        DrillError::new(format!("the kill at {} could not take place: {}", point.at, said.trim()), "see the message")
    })
}

/// The part of [`carry_out`] inside the private namespace.
///
/// # Errors
///
/// As [`carry_out`].
pub fn inside(programs: &Programs, tree: &Path, after: &Path, step: &str, at: &str) -> Result<Killed, DrillError> {
    let root = place::furnish(tree)?;
    let fleet = Fleet::resume(programs, &root)?;
    let run = fs::canonicalize(root.join("runs/latest")).map_err(DrillError::file("find", &root))?;
    let tests = script::tests(programs)?;
    let test =
        tests.get(step).ok_or_else(|| DrillError::new(format!("there is no test of {step}"), "build the steps"))?;
    let first = script::step_with(programs, test, step, &run, &[(kill::VARIABLE, at)])?;
    if !first.green && !first.silent {
        // It failed by itself.
        let (died, resumed, differences) = (false, false, Vec::new());
        return Ok(Killed { died, resumed, failure: first.failure, differences });
    }
    let died = !first.green && first.silent;
    // One that went on to its end did not come by the point; the last step has then finished the run, which takes no other.
    let last = if died { script::step(programs, test, step, &run)? } else { first };
    drop(fleet);
    let differences = effects::differences(&effects::count(after)?, &effects::count(&root)?);
    Ok(Killed { died, resumed: last.green, failure: last.failure, differences })
}
