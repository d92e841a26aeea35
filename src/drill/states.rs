//! Saved states: one clean rehearsal, saved before every step, once per build.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{DrillError, Programs, place, script};
use crate::run::event::Event;
use crate::run::open::{self, Request};
use crate::steps;

/// Set to `1`, drills start from the whole states at hand even if another build recorded them. For working on drills and
/// steps: a state depends on what led up to it, so what a changed step would have done before is not in it.
pub const OF_AN_OLDER_BUILD: &str = "CRDS_UPGRADE_STATES_OF_AN_OLDER_BUILD";

/// The saved states of one build and one plan.
#[derive(Debug, Clone)]
pub struct States {
    folder: PathBuf,
}

impl States {
    /// The states of these programs on the historical plan or on another shipped one, by its id, made now if they are not
    /// there; others wait meanwhile.
    ///
    /// # Errors
    ///
    /// If they cannot be made.
    pub fn ready(programs: &Programs, plan: Option<&str>) -> Result<Self, DrillError> {
        let all = programs.states();
        fs::create_dir_all(&all).map_err(DrillError::file("create", &all))?;
        let lock_path = all.join("lock");
        let lock = File::create(&lock_path).map_err(DrillError::file("create", &lock_path))?;
        lock.lock().map_err(DrillError::file("lock", &lock_path))?;
        let build = all.join(programs.key()?);
        let states = Self { folder: plan.map_or_else(|| build.join(HISTORICAL), |plan| build.join(plan)) };
        if states.folder.join("whole").exists() {
            return Ok(states);
        }
        if std::env::var_os(OF_AN_OLDER_BUILD).is_some_and(|value| value == "1")
            && let Some(older) = newest_whole(&all, plan.unwrap_or(HISTORICAL))
        {
            return Ok(Self { folder: older });
        }
        // States of former builds are of no use to anyone.
        for entry in fs::read_dir(&all).map_err(DrillError::file("list", &all))?.flatten() {
            if entry.path().is_dir() && entry.path() != build {
                fs::remove_dir_all(entry.path()).map_err(DrillError::file("remove", &entry.path()))?;
            }
        }
        let live = states.folder.join("live");
        fs::create_dir_all(&live).map_err(DrillError::file("create", &live))?;
        fs::create_dir_all(place::root()).map_err(DrillError::file("create", &place::root()))?;
        let mut command = place::private(&programs.upgrade);
        command.arg("drill-record").arg(&states.folder).args(plan).current_dir(&programs.project).stdin(Stdio::null());
        let ended = command.output().map_err(DrillError::file("run", &programs.upgrade))?;
        let _ = fs::remove_dir_all(&live);
        if !ended.status.success() {
            let text = String::from_utf8_lossy(&ended.stderr).into_owned();
            return Err(DrillError::new(
                format!("the states could not be recorded: {}", text.trim()),
                "carry out a clean rehearsal first: `ci/rehearse`",
            ));
        }
        fs::write(states.folder.join("whole"), "").map_err(DrillError::file("write", &states.folder))?;
        Ok(states)
    }

    /// The state just before a step.
    ///
    /// # Errors
    ///
    /// If the clean rehearsal did not come that far: the text says where it stopped.
    pub fn before(&self, step: &str) -> Result<PathBuf, DrillError> {
        let tree = self.folder.join(step);
        if tree.is_dir() {
            return Ok(tree);
        }
        let why = fs::read_to_string(self.folder.join("stopped")).unwrap_or_default();
        Err(DrillError::new(
            format!("there is no state before {step}: the clean rehearsal stopped: {}", why.trim()),
            "a drill means nothing before the clean rehearsal is green",
        ))
    }

    /// The state after the last step, if the clean rehearsal came that far.
    pub fn end(&self) -> Option<PathBuf> {
        Some(self.folder.join("end")).filter(|tree| tree.is_dir())
    }

    /// The state after a step, if the clean rehearsal came that far.
    pub fn after(&self, step: &str) -> Option<PathBuf> {
        match steps::ALL.iter().skip_while(|other| other.id != step).nth(1) {
            Some(next) => Some(self.folder.join(next.id)).filter(|tree| tree.is_dir()),
            None => self.end(),
        }
    }

    /// A folder for copies, on the same file system as the states.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn copies(&self) -> Result<PathBuf, DrillError> {
        let folder = self.folder.join("copies");
        fs::create_dir_all(&folder).map_err(DrillError::file("create", &folder))?;
        Ok(folder)
    }
}

/// Name of the folder with the states of the historical plan.
const HISTORICAL: &str = "historical";

fn newest_whole(all: &Path, plan: &str) -> Option<PathBuf> {
    let builds = fs::read_dir(all).ok()?.flatten().map(|entry| entry.path().join(plan));
    let whole = builds.filter(|path| path.join("whole").is_file());
    whole.max_by_key(|path| fs::metadata(path.join("whole")).and_then(|data| data.modified()).ok())
}

/// Carries out one clean rehearsal and saves the fleet, run folder included, before every step. Inside a private namespace.
///
/// # Errors
///
/// If the fleet does not come up or cannot be saved. A step that does not pass is no error: it is noted, and the states
/// before it are good.
pub fn record(programs: &Programs, to: &Path, plan: Option<&str>) -> Result<(), DrillError> {
    let root = place::furnish(&to.join("live"))?;
    let fleet = fleet_up(programs, &root, plan)?;
    let tests = script::tests(programs)?;
    let run = open_run(&root)?;
    let mut stopped = String::new();
    for step in steps::ALL {
        fleet.save(&to.join(step.id))?;
        let Some(test) = tests.get(step.id) else {
            stopped = format!("{} is not among the steps of `{}`", step.id, programs.steps.display());
            break;
        };
        let end = script::step(programs, test, step.id, &run)?;
        if !end.green {
            stopped = end.failure;
            break;
        }
    }
    if stopped.is_empty() {
        fleet.save(&to.join("end"))?;
    } else {
        fs::write(to.join("stopped"), &stopped).map_err(DrillError::file("write", to))?;
    }
    Ok(())
}

/// A fleet that runs; it is taken down when dropped.
#[derive(Debug)]
pub struct Fleet {
    stand_in: PathBuf,
    root: PathBuf,
}

impl Fleet {
    fn call(&self, action: &str, rest: &[&std::ffi::OsStr]) -> Result<(), DrillError> {
        let mut command = Command::new(&self.stand_in);
        command.args(["fleet", action, "--root"]).arg(&self.root).args(rest).stdin(Stdio::null()).stdout(Stdio::null());
        let output = command.output().map_err(DrillError::file("run", &self.stand_in))?;
        if output.status.success() {
            return Ok(());
        }
        Err(DrillError::new(
            format!("`fleet {action}` failed: {}", String::from_utf8_lossy(&output.stderr).trim()),
            "see the message; `ci/test` installs what a fleet needs",
        ))
    }

    /// Starts what ran when the tree at `root` was saved.
    ///
    /// # Errors
    ///
    /// If it does not come up.
    pub fn resume(programs: &Programs, root: &Path) -> Result<Self, DrillError> {
        let fleet = Self { stand_in: programs.stand_in.clone(), root: root.to_owned() };
        let own = std::process::id().to_string();
        fleet.call("resume", &["--until-pid".as_ref(), own.as_ref()])?;
        Ok(fleet)
    }

    fn save(&self, to: &Path) -> Result<(), DrillError> {
        let part = to.with_extension("part");
        self.call("save", &["--out".as_ref(), part.as_os_str()])?;
        fs::rename(&part, to).map_err(DrillError::file("rename", to))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // What is left of it ends with this process: the keeper watches.
        let _ = self.call("down", &[]);
    }
}

/// Brings a fleet up on the project's own small rules, as the historical plan finds it or another shipped one, by its id.
///
/// # Errors
///
/// If it does not come up.
pub fn fleet_up(programs: &Programs, root: &Path, plan: Option<&str>) -> Result<Fleet, DrillError> {
    let fleet = Fleet { stand_in: programs.stand_in.clone(), root: root.to_owned() };
    let own = std::process::id().to_string();
    let rules = programs.project.join("fixtures/rules");
    let mut rest: Vec<&std::ffi::OsStr> =
        vec!["--until-pid".as_ref(), own.as_ref(), "--rules".as_ref(), rules.as_os_str()];
    let plan = plan.map(|plan| programs.project.join(format!("fixtures/plans/{plan}.toml")));
    rest.extend(plan.iter().flat_map(|plan| ["--seed-plan".as_ref(), plan.as_os_str()]));
    fleet.call("up", &rest)?;
    Ok(fleet)
}

/// Opens a run on the fleet, inside its tree, with the go of a rehearsal.
///
/// # Errors
///
/// If it cannot be opened.
pub fn open_run(root: &Path) -> Result<PathBuf, DrillError> {
    let request = Request {
        runs: root.join("runs"),
        site: root.join("site.toml"),
        plan: root.join("plan.toml"),
        profile: "rehearsal".to_owned(),
        rules: "fixture".to_owned(),
    };
    let opened = open::open(&request).map_err(|error| DrillError::new(error.to_string(), error.help()))?;
    let go = Event::Approved {
        gate: "s280_point_of_no_return".to_owned(),
        by: "rehearsal".to_owned(),
        note: "a drill on a stand-in fleet of its own".to_owned(),
    };
    let journal = opened.folder.journal().and_then(|journal| journal.append(None, 0, &go));
    journal.map_err(|error| DrillError::new(error.to_string(), error.help()))?;
    Ok(opened.folder.path().to_owned())
}
