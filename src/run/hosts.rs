//! The hosts of the site, as a step sees them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::error::RunError;
use super::fault::StepError;
use super::keeper::Keeper;
use crate::host::record::Recorder;
use crate::host::{Limit, Remote};
use crate::plan::{Change, Host, Role, Site, Waiting};

/// The hosts of the site.
#[derive(Debug)]
pub struct Hosts {
    site: Arc<Site>,
    keeper: Arc<Keeper>,
    remotes: BTreeMap<Role, OnceLock<Arc<Remote>>>,
    recognised: Mutex<Vec<Role>>,
}

impl Hosts {
    pub(super) fn new(site: Arc<Site>, keeper: Arc<Keeper>) -> Self {
        let remotes = Role::ALL.into_iter().map(|role| (role, OnceLock::new())).collect();
        Self { site, keeper, remotes, recognised: Mutex::default() }
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

    /// A host, recognised by its own name and account before anything else is asked of it.
    ///
    /// # Errors
    ///
    /// If the site has no such host, it cannot be reached, or it is not who it should be.
    pub fn remote(&self, role: Role) -> Result<Arc<Remote>, StepError> {
        let remote = self.unrecognised(role)?;
        let mut recognised = self.recognised.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !recognised.contains(&role) {
            self.recognise(role, &remote)?;
            recognised.push(role);
        }
        Ok(remote)
    }

    fn unrecognised(&self, role: Role) -> Result<Arc<Remote>, StepError> {
        self.entry(role)?;
        let slot = self.remotes.get(&role).ok_or_else(|| StepError::unknown(format!("no host `{role}`"), ""))?;
        if let Some(remote) = slot.get() {
            return Ok(Arc::clone(remote));
        }
        let remote = Arc::new(Remote::open(&self.site, role, self.recorder())?);
        Ok(Arc::clone(slot.get_or_init(|| remote)))
    }

    fn recognise(&self, role: Role, remote: &Remote) -> Result<(), StepError> {
        let wanted = &self.entry(role)?.identity;
        let name = remote.must_look(&["uname", "-n"], Limit::QUICK)?.text();
        let account = remote.must_look(&["id", "-un"], Limit::QUICK)?.text();
        let name = name.trim().split('.').next().unwrap_or_default().to_owned();
        let seen = format!("{} on {name}", account.trim());
        if (name.as_str(), account.trim()) == (wanted.uname.as_str(), wanted.account.as_str()) {
            return Ok(());
        }
        Err(StepError::failed(
            format!(
                "host `{role}` is not who it should be: expected {} on {}, seen {seen}",
                wanted.account, wanted.uname
            ),
            format!("correct [hosts.{role}] in the site file, or the connection; nothing else was asked of the host"),
        ))
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
                help: format!("if it is meant, add `{}` to the changes of [hosts.{role}.allow]", change.word()),
            }
            .into());
        }
        self.remote(role).map(|_| ())
    }

    /// Lets time pass on the hosts' clock; returns how much did.
    ///
    /// # Errors
    ///
    /// If a host whose clock is to be stepped cannot be reached.
    pub fn sleep(&self, time: Duration) -> Result<Duration, StepError> {
        match self.site.waiting {
            Waiting::Real => std::thread::sleep(time),
            Waiting::Host => {
                // The fleet's own `sleep` steps its clock; everything due meanwhile happens, at no cost.
                let seconds = format!("{:.3}", time.as_secs_f64());
                let _slept = self
                    .remote(Role::Ops)?
                    .must_look(&["sleep", &seconds], Limit::QUICK.within(time + Limit::WALK.time))?;
            }
        }
        Ok(time)
    }
}
