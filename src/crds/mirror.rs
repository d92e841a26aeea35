//! Making a server the copy of another (SO 12).

use std::time::Duration;

use crate::host::{Limit, Ran, Script, Shell};
use crate::plan::{Change, Role};
use crate::run::Permit;

use super::{CrdsError, Server};

/// Started through csh: in the 2014 snapshot the script has no execute bit, and nothing says so (SO 12).
const MIRROR: Script = Script {
    name: "mirror_server",
    shell: Shell::Login,
    text: "cd ${CRDS}/CRDS_server && source env.csh && csh tools/mirror_server $argv[1]:q $argv[2]:q $argv[3]:q",
};

const ORPHANS: Script = Script {
    name: "orphan_files",
    shell: Shell::Login,
    text: "cd ${CRDS}/CRDS_server && source env.csh && orphan_files --verbose",
};

impl Server {
    /// Makes this server a copy of `source`, whose base URL is `url`. Its output is the mirror's log.
    ///
    /// # Errors
    ///
    /// The host cannot be asked, or this is OPS, which is never a destination. The status says nothing.
    pub fn mirror_from(&self, permit: &Permit<'_>, source: &Self, url: &str, time: Duration) -> Result<Ran, CrdsError> {
        self.only_2014("mirror_server")?;
        if self.role() == Role::Ops || source.role() == self.role() {
            return Err(CrdsError::Site(format!("a mirror from {} to {}", source.role(), self.role())));
        }
        let (obs, use_case) = (source.observatory.word(), source.host.identity.use_case.as_str());
        self.act(permit, Change::MirrorInto, &MIRROR, &[obs, use_case, url], time)
    }

    /// What `orphan_files --verbose` says: database, cache, rules and deliveries compared.
    ///
    /// # Errors
    ///
    /// The host cannot be asked. Its status is always 0: look for its three counters.
    pub fn orphan_files(&self) -> Result<Ran, CrdsError> {
        self.only_2014("orphan_files")?;
        let limit = Limit { output: 64 << 20, ..Limit::WALK };
        Ok(self.remote.look_script(&ORPHANS, &[], limit)?)
    }
}
