//! The embedded fleet: hosts as directory trees with addresses, clock, cron, proxy, mail and archive poller.

pub mod account;
pub mod addresses;
pub mod authority;
pub mod clock;
pub mod enter;
pub mod keeper;
pub mod knobs;
pub mod mail;
pub mod order;
pub mod processes;
pub mod queue;
pub mod saved;
pub mod site;
pub mod spec;
pub mod start;
pub mod up;

use std::io;
use std::path::{Path, PathBuf};

/// Why a fleet could not be brought up, reached or taken down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FleetError {
    /// There is no fleet where one was expected.
    #[error("no fleet at `{}`: {why}", root.display())]
    NoFleet {
        /// Where it was looked for.
        root: PathBuf,
        /// What was in the way.
        why: String,
    },
    /// There is already something where a fleet was to be made.
    #[error("`{}` exists and is not empty", root.display())]
    Occupied {
        /// The directory.
        root: PathBuf,
    },
    /// Root cannot run hosts as itself.
    #[error("there is no unprivileged account `{name}` to run the hosts as")]
    NoAccount {
        /// The account's name.
        name: String,
    },
    /// No loopback address has the ports free.
    #[error("found no loopback address with free ports for every host")]
    NoAddress,
    /// A file or directory of the fleet.
    #[error("failed to {verb} `{}`", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Making certificates.
    #[error("failed to make a certificate: {why}")]
    Certificate {
        /// What the library says.
        why: String,
    },
    /// The clock.
    #[error("the fleet's clock failed")]
    Clock(#[from] clock::ClockError),
    /// A host's tree could not be laid out.
    #[error("failed to lay out the hosts: {why}")]
    LayOut {
        /// What was in the way.
        why: String,
    },
    /// A process of the fleet did not do what it is there for.
    #[error("{what} failed: {why}")]
    Process {
        /// Which process.
        what: String,
        /// What it said.
        why: String,
    },
    /// The kernel refuses namespaces.
    #[error("this machine refuses private namespaces: {why}")]
    NoNamespace {
        /// What was refused.
        why: String,
    },
}

impl FleetError {
    /// An error about a file.
    pub fn file(verb: &'static str, path: &Path, source: io::Error) -> FleetError {
        FleetError::File { verb, path: path.to_owned(), source }
    }

    /// The operator's next move.
    pub fn help(&self) -> String {
        match self {
            Self::NoFleet { root, .. } => format!("make one: `crds-stand-in fleet up --root {}`", root.display()),
            Self::Occupied { root } => format!(
                "name another directory, or take the fleet there down: `crds-stand-in fleet down --root {}`",
                root.display()
            ),
            Self::NoAccount { name } => {
                format!("make it: `useradd --create-home --shell /bin/tcsh {name}`, or run as an ordinary user")
            }
            Self::NoAddress => "take down fleets that are no longer needed".to_owned(),
            Self::File { path, .. } => format!("free space, or fix the owner and mode of `{}`", path.display()),
            Self::Certificate { .. } => "this is a defect of the stand-in".to_owned(),
            Self::Clock(_) => "bring up a fresh fleet".to_owned(),
            Self::LayOut { .. } => "read the message; `tcsh`, `svn` and `rsync` must be installed".to_owned(),
            Self::Process { .. } => "look at the logs in `DIR/run` and below `DIR/hosts/*/run`".to_owned(),
            Self::NoNamespace { .. } => "work in a fresh fleet instead of a copy".to_owned(),
        }
    }
}
