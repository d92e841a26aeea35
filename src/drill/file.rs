//! Drill files (design section 8).

use std::io::Read as _;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde::Deserialize;

use crate::plan::{MAX_FILE_BYTES, Role};
use crate::steps;

/// Longest description of a problem, in characters.
const LONGEST_PROBLEM: usize = 1000;

/// A drill file as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: String,
    title: String,
    before: Option<String>,
    during: Option<String>,
    when: Option<String>,
    entry: Option<String>,
    answer: Option<String>,
    after_s: Option<f64>,
    on: String,
    inject: String,
    caught_at: Vec<String>,
    says: String,
    #[serde(default)]
    turns_red: Vec<String>,
    fleet: Option<String>,
    layout: Option<String>,
    era: Option<String>,
    plan: Option<String>,
}

/// Whose shell strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// A host's, as its account.
    Host(Role),
    /// The operator's own, with `crds-upgrade` and the run at hand.
    Operator,
}

impl std::fmt::Display for Whose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Host(role) => role.fmt(f),
            Self::Operator => f.write_str("the operator's side"),
        }
    }
}

/// When a drill strikes.
#[derive(Debug, Clone)]
pub enum Strike {
    /// Just before the step begins.
    Before,
    /// Inside the step.
    During {
        /// At what point of it.
        point: Point,
        /// So many real seconds later.
        after_s: f64,
    },
}

/// A point inside a step.
#[derive(Debug, Clone)]
pub enum Point {
    /// As it begins.
    Beginning,
    /// When a process whose command line matches is started on the host.
    Process(Regex),
    /// When the step has written an entry of its journal whose JSON text matches; the step waits for the strike.
    Entry(Regex),
    /// When a call to a host whose entry matches has been answered; the step waits for the strike.
    Answer(Regex),
}

/// A drill.
#[derive(Debug, Clone)]
pub struct Drill {
    /// Its id.
    pub id: String,
    /// What goes wrong, in one line.
    pub title: String,
    /// The step before or during which it strikes.
    pub step: String,
    /// When it strikes.
    pub strike: Strike,
    /// Whose shell runs it.
    pub on: Whose,
    /// What is run, by `/bin/sh -eu`.
    pub inject: String,
    /// The steps that are right to catch it.
    pub caught_at: Vec<String>,
    /// What the first ten lines of the failure must say.
    pub says: Regex,
    /// Checks that it must turn red.
    pub turns_red: Vec<String>,
    /// The kind of fleet that it is for, if not any.
    pub fleet: Option<String>,
    /// The layout that it is for, if not any.
    pub layout: Option<String>,
    /// The era that it is for, if not any.
    pub era: Option<String>,
    /// The shipped plan that is carried out, by its id, if not the historical one.
    pub plan: Option<String>,
    /// Its file.
    pub file: PathBuf,
}

/// What is wrong with a drill file.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", file.display())]
pub struct FileError {
    file: PathBuf,
    problem: String,
}

impl FileError {
    /// The next move.
    pub fn help(&self) -> &'static str {
        "mend the drill file; the format is in `fixtures/drills/README.md`"
    }
}

impl Drill {
    /// Reads a drill file.
    ///
    /// # Errors
    ///
    /// [`FileError`] with the first thing that is wrong.
    pub fn load(file: &Path) -> Result<Self, FileError> {
        let wrong = |problem: String| FileError { file: file.to_owned(), problem };
        let opened = std::fs::File::open(file).map_err(|error| wrong(error.to_string()))?;
        let mut text = String::new();
        opened.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(wrong(format!("it has more than {MAX_FILE_BYTES} bytes, no drill has")));
        }
        Self::parse(&text, file)
    }

    /// Reads the text of a drill file; `file` is only named.
    ///
    /// # Errors
    ///
    /// As [`Drill::load`].
    pub fn parse(text: &str, file: &Path) -> Result<Self, FileError> {
        // The reader's own message shows the whole line, however long it is.
        let wrong = |problem: String| {
            let problem = match problem.char_indices().nth(LONGEST_PROBLEM) {
                Some((at, _)) => format!("{}…", &problem[..at]),
                None => problem,
            };
            FileError { file: file.to_owned(), problem }
        };
        let written: Written = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let regex = |key: &str, text: &str| {
            Regex::new(&format!("(?s){text}")).map_err(|error| wrong(format!("`{key}` is not a regex: {error}")))
        };
        let step = match (&written.before, &written.during) {
            (Some(step), None) | (None, Some(step)) => step.clone(),
            _ => return Err(wrong("exactly one of `before` and `during` names a step".to_owned())),
        };
        let points = [&written.when, &written.entry, &written.answer].into_iter().flatten().count();
        if written.during.is_none() && (points > 0 || written.after_s.is_some()) {
            return Err(wrong("`when`, `entry`, `answer` and `after_s` go with `during` only".to_owned()));
        }
        if points > 1 {
            return Err(wrong("of `when`, `entry` and `answer` only one names the point".to_owned()));
        }
        let after_s = written.after_s.unwrap_or(0.0);
        if !(0.0..=3600.0).contains(&after_s) {
            return Err(wrong(format!("`after_s` is {after_s}, wants 0 to 3600")));
        }
        for id in written.caught_at.iter().chain([&step]) {
            if steps::by_id(id).is_none() {
                return Err(wrong(format!("there is no step `{id}`")));
            }
        }
        if written.caught_at.is_empty() {
            return Err(wrong("`caught_at` names no step".to_owned()));
        }
        if let Some(id) = written.caught_at.iter().find(|id| **id < step) {
            return Err(wrong(format!("`{id}` is over before the drill strikes at `{step}`")));
        }
        if let Some(id) = written.turns_red.iter().find(|id| steps::check_by_id(id).is_none()) {
            return Err(wrong(format!("there is no check `{id}`")));
        }
        let on = match written.on.as_str() {
            "operator" => Whose::Operator,
            host => {
                Whose::Host(Role::from_key(host).ok_or_else(|| wrong(format!("there is no host `{}`", written.on)))?)
            }
        };
        if on == Whose::Operator && written.when.is_some() {
            return Err(wrong("`when` watches the processes of a host, the operator's side is none".to_owned()));
        }
        // It becomes a path of the project.
        let named =
            |plan: &String| !plan.is_empty() && plan.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
        if let Some(plan) = written.plan.as_ref().filter(|plan| !named(plan)) {
            return Err(wrong(format!("`plan` is `{plan}`, wants the id of a plan in fixtures/plans")));
        }
        let strike = match written.during {
            None => Strike::Before,
            Some(_) => {
                let point = match (&written.when, &written.entry, &written.answer) {
                    (Some(text), ..) => Point::Process(regex("when", text)?),
                    (_, Some(text), _) => Point::Entry(regex("entry", text)?),
                    (.., Some(text)) => Point::Answer(regex("answer", text)?),
                    (None, None, None) => Point::Beginning,
                };
                Strike::During { point, after_s }
            }
        };
        Ok(Self {
            id: written.id,
            title: written.title,
            step,
            strike,
            on,
            inject: written.inject,
            caught_at: written.caught_at,
            says: regex("says", &written.says)?,
            turns_red: written.turns_red,
            fleet: written.fleet,
            layout: written.layout,
            era: written.era,
            plan: written.plan,
            file: file.to_owned(),
        })
    }

    /// Why it does not apply to a fleet; none if it does.
    pub fn not_applicable(&self, fleet: &str, layout: &str, era: &str) -> Option<String> {
        [("fleet", &self.fleet, fleet), ("layout", &self.layout, layout), ("era", &self.era, era)]
            .into_iter()
            .find(|(_, wanted, have)| wanted.as_ref().is_some_and(|wanted| wanted != have))
            .map(|(what, wanted, have)| {
                format!("it is for {what} `{}`, this is `{have}`", wanted.as_deref().unwrap_or_default())
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
id = "C104"
title = "a stray older dump"
before = "s150_verify_nightly_backup"
on = "ops"
inject = "true"
caught_at = ["s150_verify_nightly_backup"]
says = "dump .* older"
"#;

    fn parse(text: &str) -> Result<Drill, FileError> {
        Drill::parse(text, Path::new("x.toml"))
    }

    #[test]
    fn a_drill_is_read() {
        let drill = parse(GOOD).expect("reads");
        assert_eq!(drill.on, Whose::Host(Role::Ops));
        let own = parse(&GOOD.replace("on = \"ops\"", "on = \"operator\"")).expect("reads");
        assert_eq!(own.on, Whose::Operator);
        assert!(drill.says.is_match("the dump is\n older"));
        assert_eq!(drill.not_applicable("embedded", "2014", "2019"), None);
        let other = parse(&format!("{GOOD}fleet = \"containers\"\n")).expect("reads");
        assert!(other.not_applicable("embedded", "2014", "2019").is_some());
    }

    #[test]
    fn what_cannot_be_a_drill_is_refused() {
        for (from, to) in [
            ("before = \"s150_verify_nightly_backup\"", ""),
            ("before = \"s150_verify_nightly_backup\"", "before = \"s151\""),
            ("before = \"s150_verify_nightly_backup\"", "before = \"s210_backup_test\""),
            ("on = \"ops\"", "on = \"opps\""),
            ("says = \"dump .* older\"", "says = \"(\""),
            ("caught_at = [\"s150_verify_nightly_backup\"]", "caught_at = []"),
            ("title", "titel"),
            ("on = \"ops\"", "on = \"ops\"\nafter_s = 1.0"),
            ("on = \"ops\"", "on = \"ops\"\nentry = \"wipe\""),
            ("on = \"ops\"", "on = \"ops\"\nplan = \"../hst\""),
            (
                "before = \"s150_verify_nightly_backup\"",
                "during = \"s150_verify_nightly_backup\"\nentry = \"a\"\nwhen = \"b\"",
            ),
            ("before = \"s150_verify_nightly_backup\"", "during = \"s150_verify_nightly_backup\"\nanswer = \"(\""),
            ("on = \"ops\"", "on = \"ops\"\nturns_red = [\"s150.nothing\"]"),
        ] {
            let error = parse(&GOOD.replace(from, to)).expect_err(to);
            assert!(error.to_string().starts_with("x.toml: "), "{error}");
        }
    }

    #[test]
    fn a_long_line_is_refused_in_short() {
        for text in [
            format!("{GOOD}x = \"{}\"", "y".repeat(1 << 20)),
            "[".repeat(1 << 20),
            format!("{GOOD}{}", "a = 1\n".repeat(1 << 17)),
        ] {
            let began = std::time::Instant::now();
            let error = parse(&text).expect_err("no drill");
            assert!(
                error.to_string().starts_with("x.toml: ") && error.to_string().len() < 5000,
                "{}",
                error.to_string().len()
            );
            assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
        }
        let folder = tempfile::tempdir().expect("a directory");
        let file = folder.path().join("huge.toml");
        std::fs::write(&file, format!("{GOOD}#{}", "y".repeat(2 << 20))).expect("writes");
        assert!(Drill::load(&file).expect_err("no drill").to_string().contains("bytes"));
    }

    proptest::proptest! {
        #[test]
        fn a_damaged_drill_is_refused_by_name_or_still_strikes_before_it_is_caught(text in crate::mangled::text(GOOD)) {
            match parse(&text) {
                Ok(drill) => proptest::prop_assert!(!drill.caught_at.is_empty() && drill.caught_at.iter().all(|id| *id >= drill.step)),
                Err(error) => {
                    proptest::prop_assert!(error.to_string().starts_with("x.toml: "));
                    proptest::prop_assert!(!error.help().is_empty());
                }
            }
        }
    }
}
