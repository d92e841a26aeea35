//! One CRDS server and the host it runs on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::host::record::Recorder;
use crate::host::{Limit, Ran, Remote, Script};
use crate::plan::{Change, Credential, Era, Host, Identity, Layout, Observatory, Role, Site};
use crate::run::Permit;

use super::{CrdsError, Paths};

/// One CRDS server. Opening it reaches nothing; see [`Server::recognise`] for proving that it is the one meant.
#[derive(Debug)]
pub struct Server {
    pub(super) remote: Remote,
    pub(super) paths: Paths,
    pub(super) host: Host,
    pub(super) observatory: Observatory,
    pub(super) credentials: BTreeMap<String, Credential>,
    time_zone: String,
}

impl Server {
    /// The server of `role` on `site`.
    ///
    /// # Errors
    ///
    /// The site has no such host, or one that this version cannot reach.
    pub fn open(site: &Site, role: Role, recorder: Arc<dyn Recorder>) -> Result<Self, CrdsError> {
        let remote = Remote::open(site, role, recorder)?;
        let host = site.host(role).ok_or(crate::host::HostError::NoHost(role.key()))?.clone();
        let paths = Paths::of(&host, site.observatory);
        Ok(Self {
            remote,
            paths,
            host,
            observatory: site.observatory,
            credentials: site.credentials.clone(),
            time_zone: site.time_zone.clone(),
        })
    }

    /// The way to its host.
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// What it is in the upgrade.
    pub fn role(&self) -> Role {
        self.remote.role()
    }

    /// The host's name, as the site's identity has it.
    pub fn name(&self) -> &str {
        self.remote.name()
    }

    /// Where it keeps its things.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Who the site says it is.
    pub fn expected(&self) -> &Identity {
        &self.host.identity
    }

    /// What the site says of its host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The observatory that it serves.
    pub fn observatory(&self) -> Observatory {
        self.observatory
    }

    /// The wire dialect that it speaks.
    pub fn era(&self) -> Era {
        self.host.era
    }

    /// IANA time zone of its clock.
    pub fn time_zone(&self) -> &str {
        &self.time_zone
    }

    /// `<project>.<usecase>`, the word in the names of most logs and backups (SO 1).
    pub fn tail(&self) -> String {
        format!("{}.{}", self.observatory, self.host.identity.use_case)
    }

    /// Refuses verbs that only layout 2014 has.
    pub(super) fn only_2014(&self, what: &'static str) -> Result<(), CrdsError> {
        match self.host.layout {
            Layout::Y2014 => Ok(()),
            Layout::Y2019 => Err(CrdsError::Layout { host: self.name().to_owned(), what }),
        }
    }

    pub(super) fn shape(&self, what: &'static str, saw: &str) -> CrdsError {
        CrdsError::Shape { host: self.name().to_owned(), what, saw: super::error::cut(saw) }
    }

    pub(super) fn missing(&self, what: impl Into<String>) -> CrdsError {
        CrdsError::Missing { host: self.name().to_owned(), what: what.into() }
    }

    pub(super) fn act(
        &self,
        permit: &Permit<'_>,
        change: Change,
        script: &Script,
        args: &[&str],
        time: Duration,
    ) -> Result<Ran, CrdsError> {
        let limit = Limit { time, output: 16 << 20 };
        Ok(self.remote.act(permit, change, script, args, limit)?)
    }

    /// The host's clock, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// The host cannot be asked or its `date` says something else.
    pub fn now(&self) -> Result<f64, CrdsError> {
        let ran = self.remote.must_look(&["date", "+%s.%N"], Limit::QUICK)?;
        let text = ran.text();
        text.trim().parse::<f64>().ok().filter(|now| now.is_finite()).ok_or_else(|| self.shape("the clock", &text))
    }

    /// Lets time pass on the host (`sleep`), which steps the clock of an embedded fleet.
    ///
    /// # Errors
    ///
    /// The host cannot be asked.
    pub fn sleep(&self, seconds: u64) -> Result<(), CrdsError> {
        let count = seconds.to_string();
        let time = Duration::from_secs(seconds + 600);
        self.remote.must_look(&["sleep", &count], Limit { time, output: 1 << 16 })?;
        Ok(())
    }
}
