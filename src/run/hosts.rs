//! The hosts of the site, as a step sees them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::error::RunError;
use super::fault::StepError;
use super::keeper::Keeper;
use crate::crds::Server;
use crate::host::Limit;
use crate::host::record::Recorder;
use crate::plan::{Change, Host, Role, Site, Waiting};

/// The hosts of the site.
#[derive(Debug)]
pub struct Hosts {
    site: Arc<Site>,
    keeper: Arc<Keeper>,
    servers: BTreeMap<Role, OnceLock<Arc<Server>>>,
}

impl Hosts {
    pub(super) fn new(site: Arc<Site>, keeper: Arc<Keeper>) -> Self {
        let servers = Role::ALL.into_iter().map(|role| (role, OnceLock::new())).collect();
        Self { site, keeper, servers }
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

    /// A server, recognised by its own identity before anything else is asked of its host.
    ///
    /// # Errors
    ///
    /// If the site has no such host, it cannot be reached, or it is not who it should be.
    pub fn server(&self, role: Role) -> Result<Arc<Server>, StepError> {
        self.entry(role)?;
        let slot = self.servers.get(&role).ok_or_else(|| StepError::unknown(format!("no host `{role}`"), ""))?;
        if let Some(server) = slot.get() {
            return Ok(Arc::clone(server));
        }
        let server = Arc::new(Server::open(&self.site, role, self.recorder())?);
        let differs = server.differs(&server.who_are_you()?);
        if !differs.is_empty() {
            return Err(StepError::failed(
                format!("host `{role}` is not who it should be: {}", differs.join("; ")),
                format!(
                    "correct [hosts.{role}] in the site file, or the connection; nothing else was asked of the host"
                ),
            ));
        }
        Ok(Arc::clone(slot.get_or_init(|| server)))
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
        self.server(role).map(|_| ())
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
                    .server(Role::Ops)?
                    .remote()
                    .must_look(&["sleep", &seconds], Limit::QUICK.within(time + Limit::WALK.time))?;
            }
        }
        Ok(time)
    }
}
