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

    /// The host's clock in its own time zone.
    ///
    /// # Errors
    ///
    /// As [`Self::now`], or the site's time zone is unknown.
    pub fn local_now(&self) -> Result<jiff::Zoned, CrdsError> {
        self.local(self.now()?)
    }

    /// A time of the host, in seconds since 1970, in its own time zone.
    ///
    /// # Errors
    ///
    /// The time or the site's time zone is unusable.
    pub fn local(&self, seconds: f64) -> Result<jiff::Zoned, CrdsError> {
        #[expect(clippy::cast_possible_truncation, reason = "checked by jiff against its own range")]
        let stamp = jiff::Timestamp::from_millisecond((seconds * 1000.0) as i64);
        let stamp = stamp.map_err(|error| self.shape("a time", &error.to_string()))?;
        stamp.in_tz(&self.time_zone).map_err(|error| self.shape("the time zone", &error.to_string()))
    }

    /// Free kilobytes and used per cent of the file system that holds `path`.
    ///
    /// # Errors
    ///
    /// The host cannot be asked or `df` prints something else.
    pub fn disk(&self, path: &str) -> Result<(u64, u8), CrdsError> {
        let text = self.remote.must_look(&["df", "-Pk", path], Limit::QUICK)?.text();
        let line = text.lines().nth(1).unwrap_or("");
        let fields: Vec<&str> = line.split_whitespace().collect();
        let read = (|| {
            let free = fields.get(3)?.parse().ok()?;
            let used = fields.get(4)?.strip_suffix('%')?.parse().ok()?;
            Some((free, used))
        })();
        read.ok_or_else(|| self.shape("`df`", &text))
    }
}
