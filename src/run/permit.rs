//! Permission to change a server, as a value that cannot be made up.

use std::marker::PhantomData;

use crate::plan::{Change, Role};

/// Permission for one kind of change to one host of the site, for the time of one act.
///
/// Every function that changes a server asks for a `&Permit`. There is no public way to make one: the step harness
/// hands it out once the change is on the host's allow-list, the host has been recognised by its own identity, the
/// run's lock is held and the way back is proven or approved (design, promise 6).
///
/// ```compile_fail
/// use crds_upgrade::{plan::{Change, Role}, run::Permit};
/// let permit = Permit { step: "s130", act: "empty".into(), role: Role::Ops, change: Change::Cron, life: Default::default() };
/// ```
#[derive(Debug)]
pub struct Permit<'act> {
    step: &'static str,
    act: String,
    role: Role,
    change: Change,
    life: PhantomData<&'act ()>,
}

/// A permit was shown for something it does not cover.
#[derive(Debug, thiserror::Error)]
#[error("step `{step}` may make the change `{}` on {has_role}, not `{}` on {role}", has.word(), wants.word())]
pub struct NotCovered {
    step: &'static str,
    has: Change,
    has_role: Role,
    wants: Change,
    role: Role,
}

impl Permit<'_> {
    /// Hands out permission; only the harness can.
    pub(super) fn grant(step: &'static str, act: &str, role: Role, change: Change) -> Self {
        Self { step, act: act.to_owned(), role, change, life: PhantomData }
    }

    /// Permission for unit tests of functions that ask for one.
    #[cfg(test)]
    pub(crate) fn for_tests(role: Role, change: Change) -> Self {
        Self::grant("test", "test", role, change)
    }

    /// The step that acts.
    pub fn step(&self) -> &'static str {
        self.step
    }

    /// The name of the act.
    pub fn act(&self) -> &str {
        &self.act
    }

    /// Whether the permit covers this kind of change to this host.
    ///
    /// # Errors
    ///
    /// [`NotCovered`] if it does not.
    pub fn covers(&self, role: Role, change: Change) -> Result<(), NotCovered> {
        if self.role == role && self.change == change {
            return Ok(());
        }
        Err(NotCovered { step: self.step, has: self.change, has_role: self.role, wants: change, role })
    }
}
