//! Counting what a story saw: steps per section of the dossier, and the ones that failed.

use std::collections::BTreeMap;

/// The score of one story.
#[derive(Debug, Default)]
pub struct Score {
    sections: BTreeMap<&'static str, (usize, usize)>,
    failures: Vec<String>,
}

impl Score {
    /// One step: the statement that it tests, and whether it held.
    pub fn step(&mut self, section: &'static str, statement: &str, held: bool) {
        let entry = self.sections.entry(section).or_default();
        entry.1 += 1;
        if held {
            entry.0 += 1;
        } else {
            self.failures.push(format!("{section}: {statement}"));
        }
    }

    /// One step that compares.
    pub fn same<T: PartialEq + std::fmt::Debug>(&mut self, section: &'static str, statement: &str, seen: T, wanted: T) {
        let held = seen == wanted;
        let statement = if held { statement.to_owned() } else { format!("{statement}: saw {seen:?}, not {wanted:?}") };
        self.step(section, &statement, held);
    }

    /// Steps seen.
    pub fn steps(&self) -> usize {
        self.sections.values().map(|(_, all)| all).sum()
    }

    /// Prints the table and fails the test if a step failed or there were too few.
    pub fn finish(self, story: &str, at_least: usize) {
        println!("story `{story}`");
        for (section, (good, all)) in &self.sections {
            println!("  {section:<10} {good} of {all}");
        }
        println!("  all        {} of {}", self.steps() - self.failures.len(), self.steps());
        assert!(self.failures.is_empty(), "{} steps failed:\n{}", self.failures.len(), self.failures.join("\n"));
        assert!(self.steps() >= at_least, "{} steps are fewer than {at_least}", self.steps());
    }
}
