//! A step that waits at an entry of its journal, so that a drill strikes at exactly that point of it.
//!
//! `CRDS_UPGRADE_PAUSE_AT=entry:DIR:REGEX` lets the process wait when it has written a journal entry whose JSON text matches;
//! `answer:DIR:REGEX` when the answer to a call to a host is written whose own entry matched. It makes `DIR/reached` and
//! waits for `DIR/go`, once. The harness refuses the variable on a real site.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use regex::Regex;

use super::error::RunError;
use super::event::Event;
use super::injected::setting;

/// The variable that sets a pause.
pub const VARIABLE: &str = "CRDS_UPGRADE_PAUSE_AT";

/// The file that says that the process waits.
pub const REACHED: &str = "reached";

/// The file that lets it go on.
pub const GO: &str = "go";

/// The longest wait, so that a step is not held by a drill that is gone.
const LONGEST: Duration = Duration::from_secs(120);

/// Where a process waits.
#[derive(Debug)]
pub struct Pause {
    directory: PathBuf,
    regex: Regex,
    answered: bool,
    stage: Mutex<Stage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Watching,
    /// The call of this entry has matched, its answer is awaited.
    Called(u64),
    Over,
}

impl Pause {
    /// Reads the variable; none if it is not set.
    ///
    /// # Errors
    ///
    /// [`RunError::Setting`] if it is set to something else than a pause.
    pub fn from_env() -> Result<Option<Self>, RunError> {
        setting(VARIABLE, "entry:DIR:REGEX or answer:DIR:REGEX", Self::parse)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let (kind, directory, regex) = (parts.next()?, parts.next()?, parts.next()?);
        let answered = match kind {
            "entry" => false,
            "answer" => true,
            _ => return None,
        };
        let regex = Regex::new(regex).ok()?;
        Some(Self { directory: PathBuf::from(directory), regex, answered, stage: Mutex::new(Stage::Watching) })
    }

    /// Waits, if the entry that was just written under the number `seq` is the point.
    ///
    /// # Errors
    ///
    /// If nobody lets the process go on.
    pub fn at(&self, seq: u64, event: &Event) -> Result<(), RunError> {
        if self.reached(seq, event) { self.wait() } else { Ok(()) }
    }

    fn reached(&self, seq: u64, event: &Event) -> bool {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        match (*stage, event) {
            (Stage::Watching, _) => {
                if !self.regex.is_match(&serde_json::to_string(event).unwrap_or_default()) {
                    return false;
                }
                *stage = match event {
                    Event::Call { .. } if self.answered => Stage::Called(seq),
                    _ if self.answered => return false,
                    _ => Stage::Over,
                };
            }
            (Stage::Called(call), Event::Answered { call: answered, .. }) if call == *answered => *stage = Stage::Over,
            _ => return false,
        }
        *stage == Stage::Over
    }

    fn wait(&self) -> Result<(), RunError> {
        let reached = self.directory.join(REACHED);
        std::fs::write(&reached, b"").map_err(RunError::file("write", &reached))?;
        let (go, began) = (self.directory.join(GO), Instant::now());
        while !go.exists() {
            if began.elapsed() > LONGEST {
                return Err(RunError::Refused {
                    what: format!("{VARIABLE} is set, and nobody made {} within {} s", go.display(), LONGEST.as_secs()),
                    help: format!("unset {VARIABLE}; only a drill sets it"),
                });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(argv: &str) -> Event {
        Event::Call { host: "ops".into(), how: "command".into(), argv: vec![argv.into()], stdin: None, changes: false }
    }

    fn answer(call: u64) -> Event {
        Event::Answered { call, status: "exit 0".into(), elapsed_ms: 1, stdout: None, stderr: None }
    }

    #[test]
    fn a_pause_is_reached_once_at_its_entry() {
        let pause = Pause::parse("entry:/x:\"done\".*\"wipe\"").unwrap();
        let done = |act: &str| Event::Done { act: act.into() };
        assert!(!pause.reached(1, &done("hide")));
        assert!(!pause.reached(2, &Event::Intent { act: "wipe".into() }));
        assert!(pause.reached(3, &done("wipe")));
        assert!(!pause.reached(4, &done("wipe")));
    }

    #[test]
    fn a_pause_at_an_answer_is_reached_at_the_answer_of_its_own_call() {
        let pause = Pause::parse("answer:/x:\"tar\"").unwrap();
        assert!(!pause.reached(1, &call("find")));
        assert!(!pause.reached(2, &call("tar")));
        assert!(!pause.reached(3, &answer(1)));
        assert!(pause.reached(4, &answer(2)));
        assert!(!pause.reached(5, &answer(2)));
    }

    #[test]
    fn what_is_no_pause_is_refused() {
        for bad in ["", "entry", "entry:/x", "later:/x:y", "entry:/x:("] {
            assert!(Pause::parse(bad).is_none(), "{bad}");
        }
    }
}
