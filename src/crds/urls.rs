//! The addresses of a server, and clients for them.

use std::sync::Arc;
use std::time::Duration;

use super::wire::{Http, Rpc};
use super::{CrdsError, Server};
use crate::plan::Access;

/// Which of a server's addresses is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The operational port, past the proxy.
    Direct,
    /// The backup port, unknown to the proxy.
    Hidden,
    /// What users know.
    Proxy,
}

impl Door {
    /// The word for messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Direct => "direct_url",
            Self::Hidden => "hidden_url",
            Self::Proxy => "proxy_url",
        }
    }
}

impl Server {
    /// One of the server's addresses, without a slash at the end.
    ///
    /// # Errors
    ///
    /// [`CrdsError::Site`] if the site does not name it.
    pub fn url(&self, door: Door) -> Result<String, CrdsError> {
        let identity = self.expected();
        let url = match door {
            Door::Direct => &identity.direct_url,
            Door::Hidden => &identity.hidden_url,
            Door::Proxy => &identity.proxy_url,
        };
        let url = url.as_ref().map(|url| url.trim_end_matches('/').to_owned());
        url.ok_or_else(|| CrdsError::Site(format!("`{}` of [hosts.{}.identity]", door.word(), self.role())))
    }

    /// A client for the server's HTTP interfaces.
    ///
    /// # Errors
    ///
    /// The certificates of the site cannot be used.
    pub fn http(&self) -> Result<Http, CrdsError> {
        let ca_file = self.expected().ca_file.as_deref();
        Ok(Http::open(self.name(), ca_file, Arc::clone(self.remote().recorder()))?)
    }

    /// A client for its JSON-RPC behind one of its addresses.
    ///
    /// # Errors
    ///
    /// As [`Self::url`] and [`Self::http`].
    pub fn rpc(&self, door: Door) -> Result<Rpc, CrdsError> {
        let rpc = Rpc::new(self.http()?, &self.url(door)?);
        // A stand-in answers at once or hangs, and the runner of a rehearsal ends a step before the usual limit is over.
        Ok(if matches!(self.host.access, Access::Local { .. }) { rpc.within(Duration::from_secs(60)) } else { rpc })
    }
}
