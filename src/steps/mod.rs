//! The table of the steps: what each one is for, needs, looks at, changes and checks.
//!
//! The steps themselves are `tests/upgrade`, one file each; this table is what the plan printout, the harness and the
//! report know of them. The order of [`ALL`] is the order of the names, which is the order of execution.

mod backup;
mod deliver;
mod finish;
mod holds;
mod install;
mod leaves;
mod prepare;

pub use backup::*;
pub use deliver::*;
pub use finish::*;
pub use holds::holds_until;
pub use install::*;
pub use leaves::leaves;
pub use prepare::*;

/// How far the change of a step can be taken back (design, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Nothing on a server is changed.
    ReadOnly,
    /// The change can be undone exactly.
    Reversible,
    /// The former state can be put back from what was saved before.
    Compensable,
    /// Can only be made up for by later changes: names that the archive has taken are never used again.
    OneWay,
}

impl Class {
    /// The letter used in tables: R, V, C or 1.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::ReadOnly => "R",
            Self::Reversible => "V",
            Self::Compensable => "C",
            Self::OneWay => "1",
        }
    }

    /// The class in words.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::Reversible => "reversible",
            Self::Compensable => "compensable",
            Self::OneWay => "one-way",
        }
    }
}

/// One named assertion of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckSpec {
    /// Unique among all steps, `s150.dump_whole`.
    pub id: &'static str,
    /// What must hold, in one line.
    pub says: &'static str,
}

/// One step of the upgrade.
#[derive(Debug, PartialEq, Eq)]
pub struct StepSpec {
    /// Name of the test case, `s150_verify_nightly_backup`.
    pub id: &'static str,
    /// Chapter of the procedure that it belongs to.
    pub section: &'static str,
    /// A few words for tables.
    pub title: &'static str,
    /// How far its change can be taken back.
    pub class: Class,
    /// True for a step that the written procedure lacks.
    pub added: bool,
    /// What the written procedure says; why the step was added where it says nothing.
    pub procedure: &'static str,
    /// What it reads, and where.
    pub looks_at: &'static [&'static str],
    /// What it does to a server; empty for a read-only step.
    pub does: &'static [&'static str],
    /// How its change is taken back.
    pub way_back: &'static str,
    /// Steps that must have passed in this run and still hold.
    pub needs: &'static [&'static str],
    /// Its checks, each judged exactly once.
    pub checks: &'static [CheckSpec],
}

impl StepSpec {
    /// The first part of its id, such as `s150`; the ids of its checks begin with it.
    #[must_use]
    pub fn short(&self) -> &'static str {
        self.id.split('_').next().unwrap_or(self.id)
    }

    /// The checks that the step judges itself: all but `known_good`, which is judged when its body has ended, by the
    /// state in which it leaves the hosts.
    pub fn own_checks(&self) -> impl Iterator<Item = &'static CheckSpec> + use<> {
        self.checks.iter().filter(|check| !check.id.ends_with(".known_good"))
    }

    /// Its check with this id, whole (`s150.dump_whole`) or without the step (`dump_whole`).
    #[must_use]
    pub fn check(&self, id: &str) -> Option<&'static CheckSpec> {
        self.checks.iter().find(|check| check.id == id || check.id.split_once('.').is_some_and(|(_, own)| own == id))
    }
}

/// Shorthand for the tables.
const fn check(id: &'static str, says: &'static str) -> CheckSpec {
    CheckSpec { id, says }
}

/// All steps in order.
pub static ALL: [&StepSpec; 30] = [
    &S010_PREFLIGHT,
    &S110_REVIEW_TEST_REGRESSIONS,
    &S120_REVIEW_OPS_REGRESSIONS,
    &S130_STOP_OPS_CRON,
    &S140_STOP_OPS_SERVER,
    &S150_VERIFY_NIGHTLY_BACKUP,
    &S210_BACKUP_TEST,
    &S220_BACKUP_OPS_RULES,
    &S230_COMMIT_RULES_TO_BRANCH,
    &S240_MIRROR_OPS_TO_TEST,
    &S250_MIRROR_TEST_TO_DEV,
    &S260_BACKUP_OPS_TREE,
    &S270_PROVE_RESTORE,
    &S280_POINT_OF_NO_RETURN,
    &S310_WIPE_INSTALLATION,
    &S320_SWITCH_BRANCHES,
    &S330_REINSTALL_HIDDEN,
    &S340_TRY_HIDDEN,
    &S350_SWITCH_STACK,
    &S360_REINSTALL_ON_NEW_STACK,
    &S370_GO_LIVE,
    &S410_SUBMIT_NEW_TYPE,
    &S420_SUBMIT_REFERENCES,
    &S430_DELETE_BAD_FILES,
    &S440_SET_CONTEXT,
    &S450_MARK_BAD,
    &S460_AFFECTED_DATASETS,
    &S470_REVIEW_LOGS,
    &S900_ACCEPT,
    &S910_MORNING_AFTER,
];

/// The step with this name.
#[must_use]
pub fn by_id(id: &str) -> Option<&'static StepSpec> {
    ALL.iter().copied().find(|step| step.id == id)
}

/// The step that a check belongs to, and the check.
#[must_use]
pub fn check_by_id(id: &str) -> Option<(&'static StepSpec, &'static CheckSpec)> {
    ALL.iter().find_map(|step| step.checks.iter().find(|check| check.id == id).map(|check| (*step, check)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_sort_into_the_order_of_the_table() {
        assert!(ALL.is_sorted_by(|left, right| left.id < right.id));
    }

    #[test]
    fn needs_are_earlier_steps() {
        for (index, step) in ALL.iter().enumerate() {
            for need in step.needs {
                let at = ALL.iter().position(|other| other.id == *need).expect(need);
                assert!(at < index, "{} needs {need}", step.id);
            }
        }
    }

    #[test]
    fn checks_are_named_once_and_after_their_step() {
        let mut seen = BTreeSet::new();
        for step in ALL {
            assert!(!step.checks.is_empty(), "{} checks nothing", step.id);
            for check in step.checks {
                assert!(seen.insert(check.id), "{} stands twice", check.id);
                assert_eq!(check.id.split('.').next(), Some(&step.id[..4]), "{}", check.id);
            }
        }
    }

    #[test]
    fn a_step_that_changes_something_says_how_to_take_it_back() {
        for step in ALL {
            assert_eq!(step.does.is_empty(), step.class == Class::ReadOnly, "{}", step.id);
            assert!(!step.way_back.is_empty(), "{}", step.id);
        }
    }
}
