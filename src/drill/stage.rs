//! Carrying out one drill: a copy of the state, the fault, the steps, the answer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::file::{Point, Strike};
use super::script::StepEnd;
use super::states::{Fleet, States, fleet_up, open_run};
use super::{Answer, Drill, DrillError, Judged, Programs, judge, place, script};
use crate::run::pause;
use crate::steps;

/// The fleet that drills are carried out on.
const FLEET: (&str, &str, &str) = ("embedded", "2014", "2019");

/// How far a drill goes that nobody notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// To the last step, so that `late` and `missed` are told apart.
    End,
    /// To the last of the steps that are right to catch it.
    Expected,
}

/// Carries out one drill on a fleet of its own and judges it.
///
/// Where the machine grants no namespaces, the drill begins with a fresh fleet and the steps before its own.
///
/// # Errors
///
/// If it could not take place: no saved state, a fleet that does not come up, an injection that fails.
pub fn carry_out(programs: &Programs, drill: &Drill, reach: Reach) -> Result<Answer, DrillError> {
    if let Some(why) = drill.not_applicable(FLEET.0, FLEET.1, FLEET.2) {
        return Ok(Answer::without(drill, Judged::NotApplicable, why));
    }
    if !place::can_be_private() {
        return from_the_beginning(programs, drill, reach);
    }
    let states = States::ready(programs, drill.plan.as_deref())?;
    let state = states.before(&drill.step)?;
    let copy = Copy(states.copies()?.join(format!("{}.{}", std::process::id(), uuid::Uuid::new_v4())));
    place::copy(&state, &copy.0)?;
    let mut command = place::private(&programs.upgrade);
    command.arg("drill-inside").arg(&copy.0).arg(&drill.file).current_dir(&programs.project).stdin(Stdio::null());
    if reach == Reach::Expected {
        command.arg("--quick");
    }
    let output = command.output().map_err(DrillError::file("run", &programs.upgrade))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().last().and_then(|line| serde_json::from_str(line).ok()).ok_or_else(|| {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        DrillError::new(format!("drill {} could not take place: {}", drill.id, said.trim()), "see the message")
    })
}

/// The part of [`carry_out`] inside the private namespace; `tree` is the copy of the state.
///
/// # Errors
///
/// As [`carry_out`].
pub fn inside(programs: &Programs, drill: &Drill, tree: &Path, reach: Reach) -> Result<Answer, DrillError> {
    let root = place::furnish(tree)?;
    let fleet = Fleet::resume(programs, &root)?;
    let run = fs::canonicalize(root.join("runs/latest")).map_err(DrillError::file("find", &root))?;
    let answer = play(programs, drill, &root, &run, reach);
    drop(fleet);
    answer
}

fn from_the_beginning(programs: &Programs, drill: &Drill, reach: Reach) -> Result<Answer, DrillError> {
    let root = std::env::temp_dir().join(format!("crds-upgrade-drill.{}", uuid::Uuid::new_v4()));
    let copy = Copy(root.clone());
    let fleet = fleet_up(programs, &root, drill.plan.as_deref())?;
    let run = open_run(&root)?;
    let tests = script::tests(programs)?;
    for step in steps::ALL.iter().take_while(|step| step.id != drill.step) {
        let test = tests
            .get(step.id)
            .ok_or_else(|| DrillError::new(format!("there is no test of {}", step.id), "build the steps"))?;
        let end = script::step(programs, test, step.id, &run)?;
        if !end.green {
            return Err(DrillError::new(
                format!("the clean rehearsal stopped before the drill: {}", end.failure),
                "a drill means nothing before the clean rehearsal is green",
            ));
        }
    }
    let answer = play(programs, drill, &root, &run, reach);
    drop(fleet);
    drop(copy);
    answer
}

/// Strikes and carries out the steps from the drill's own on, until one does not pass.
fn play(programs: &Programs, drill: &Drill, root: &Path, run: &Path, reach: Reach) -> Result<Answer, DrillError> {
    let tests = script::tests(programs)?;
    if matches!(drill.strike, Strike::Before) {
        script::inject(drill, root)?;
    }
    for step in steps::ALL.iter().skip_while(|step| step.id != drill.step) {
        let Some(test) = tests.get(step.id) else {
            return Ok(Answer::without(drill, Judged::Missed, format!("there is no test of {}", step.id)));
        };
        let end = match &drill.strike {
            Strike::During { point, after_s } if step.id == drill.step => {
                let struck_at = During { drill, root, point, after_s: *after_s };
                struck_at.carry_out(|more| script::step_with(programs, test, step.id, run, more))?
            }
            _ => script::step(programs, test, step.id, run)?,
        };
        if !end.green {
            return Ok(judge(drill, step.id, &end.failure, &end.red));
        }
        if reach == Reach::Expected && drill.caught_at.iter().all(|id| id.as_str() <= step.id) {
            let text = format!("{} passed: nobody noticed up to there, and nobody was asked further", step.id);
            return Ok(Answer::without(drill, Judged::Missed, text));
        }
    }
    Ok(Answer::without(drill, Judged::Missed, "every step passed: nobody noticed"))
}

/// A strike inside a step.
struct During<'a> {
    drill: &'a Drill,
    root: &'a Path,
    point: &'a Point,
    after_s: f64,
}

impl During<'_> {
    /// Runs the step, which gets more variables, and strikes at the point.
    fn carry_out(
        &self,
        step: impl FnOnce(&[(&str, &str)]) -> Result<StepEnd, DrillError>,
    ) -> Result<StepEnd, DrillError> {
        let pause = self.root.join("pause");
        let setting = match self.point {
            Point::Entry(regex) => Some(format!("entry:{}:{regex}", pause.display())),
            Point::Answer(regex) => Some(format!("answer:{}:{regex}", pause.display())),
            Point::Beginning | Point::Process(_) => None,
        };
        if setting.is_some() {
            fs::create_dir_all(&pause).map_err(DrillError::file("create", &pause))?;
        }
        let more: Vec<(&str, &str)> = setting.iter().map(|setting| (pause::VARIABLE, setting.as_str())).collect();
        let stop = AtomicBool::new(false);
        let (end, struck) = std::thread::scope(|scope| {
            let striking = scope.spawn(|| self.strike(&pause, &stop));
            let end = step(&more);
            stop.store(true, Ordering::SeqCst);
            (end, striking.join().unwrap_or(Ok(false)))
        });
        if struck? {
            return end;
        }
        let what = match self.point {
            Point::Entry(_) => "no entry of the journal matched `entry`".to_owned(),
            Point::Answer(_) => "no answered call matched `answer`".to_owned(),
            Point::Beginning | Point::Process(_) => format!("no process on {} matched `when`", self.drill.on),
        };
        Err(DrillError::new(
            format!("{what} during {}", self.drill.step),
            format!("mend the point in `{}`", self.drill.file.display()),
        ))
    }

    /// Waits for the point and strikes; `false` if it was told to stop first.
    fn strike(&self, pause: &Path, stop: &AtomicBool) -> Result<bool, DrillError> {
        let there = match self.point {
            Point::Beginning => true,
            Point::Process(when) => script::wait_for_process(self.root, self.drill, when, stop),
            Point::Entry(_) | Point::Answer(_) => script::wait_for_file(&pause.join(pause::REACHED), stop),
        };
        if !there {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_secs_f64(self.after_s));
        let struck = script::inject(self.drill, self.root);
        // Also where the strike failed: the step is not to wait for it.
        if pause.exists() {
            let go = pause.join(pause::GO);
            fs::write(&go, b"").map_err(DrillError::file("write", &go))?;
        }
        struck.map(|()| true)
    }
}

/// A copy that goes when it is no longer needed.
struct Copy(PathBuf);

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
