//! What a fleet consists of: its hosts, their names and addresses, and where everything lies below its root.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::FleetError;

/// The port that the public proxy of every host listens on, on the host's own address.
pub const PROXY_PORT: u16 = 8443;

/// The moment at which a fleet begins: ten past eleven in New York on the day of OPUS 2014.3, in Unix seconds. A rehearsal is
/// over before twelve, when the cron table refreshes memcached every minute for an hour.
pub const START_UNIX_S: i64 = 1_410_880_200;

/// How long before that its servers are started: at 02:55, so that they have lived through their nightly jobs.
pub const NIGHT_S: i64 = 8 * 3600 + 15 * 60;

/// What a host is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The developers' server.
    Dev,
    /// The server on which a release is tried.
    Test,
    /// The server that pipelines and astronomers use.
    Ops,
    /// A host for restores: no cron, no proxy.
    Scratch,
}

impl Role {
    /// Every role, in the order in which a fleet lists its hosts.
    pub const ALL: [Role; 4] = [Role::Dev, Role::Test, Role::Ops, Role::Scratch];

    /// The name as in `site.toml` and in `DIR/hosts/`.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Dev => "dev",
            Role::Test => "test",
            Role::Ops => "ops",
            Role::Scratch => "scratch",
        }
    }

    /// The role with this name, if there is one.
    pub fn from_name(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// How the files of a host are laid out (SO 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    /// One shared home, `./install`, `tools/` (SO 3.1).
    #[serde(rename = "2014")]
    Y2014,
    /// Isolated homes, scripts on PATH (SO 3.2).
    #[serde(rename = "2019")]
    Y2019,
}

/// The wire dialect of the servers (WP).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WireEra {
    /// As in 2014.
    #[serde(rename = "2014")]
    Y2014,
    /// As in 2019: the oldest that a published client speaks.
    #[serde(rename = "2019")]
    Y2019,
    /// As today.
    #[serde(rename = "now")]
    Now,
}

/// One host of a fleet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Host {
    /// What it is for.
    pub role: Role,
    /// What `uname -n` says, without domain (SO 2.1).
    pub uname: String,
    /// `dev`, `test`, `ops` (SO 1).
    pub use_case: String,
    /// Its own loopback address.
    pub address: Ipv4Addr,
    /// The port of its public proxy; none for the scratch host.
    pub proxy_port: Option<u16>,
    /// `DIR/hosts/<role>`.
    pub dir: PathBuf,
    /// The observatory it serves.
    pub observatory: String,
}

impl Host {
    /// What holds the files that `/` holds on a real host (HOST_ROOT).
    pub fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// The machine's own state: cron table, queued jobs, mounts, fault knobs.
    pub fn run(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// Programs of the machine that the host has as they are, after [`Self::bin`] in PATH.
    pub fn borrowed(&self) -> PathBuf {
        self.root().join("bin")
    }

    /// The machine-wide commands, first in PATH.
    pub fn bin(&self) -> PathBuf {
        self.dir.join("bin")
    }

    /// The program that runs a command on this host.
    pub fn enter(&self) -> PathBuf {
        self.dir.join("enter")
    }

    /// The install prefix, `/crds/data1/<uname>` (SO 3.1).
    pub fn tree(&self) -> PathBuf {
        self.root().join("crds/data1").join(&self.uname)
    }

    /// The name of its database: OPS has no suffix (SO 2.2).
    pub fn database(&self) -> String {
        match self.role {
            Role::Ops => format!("crds_{}", self.observatory),
            _ => format!("crds_{}_{}", self.observatory, self.use_case),
        }
    }

    /// The URL that bypasses the proxy, without a final slash.
    pub fn direct_url(&self, port: u16) -> String {
        format!("https://{}:{port}", self.address)
    }

    /// The URL of the public proxy, without a final slash; none where there is no proxy.
    pub fn proxy_url(&self) -> Option<String> {
        self.proxy_port.map(|port| format!("https://{}:{port}", self.address))
    }

    /// The host name with its domain, as in certificates and logs.
    pub fn full_name(&self) -> String {
        format!("{}.stsci.edu", self.uname)
    }
}

/// A whole fleet; kept as `DIR/fleet.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fleet {
    /// The directory below which everything lies, absolute.
    pub root: PathBuf,
    /// `hst` or `jwst`.
    pub observatory: String,
    /// Layout of the hosts.
    pub layout: Layout,
    /// Wire dialect of the servers.
    pub era: WireEra,
    /// The account that everything runs as.
    pub account: String,
    /// User and group id of the account.
    pub uid: u32,
    /// Group id of the account.
    pub gid: u32,
    /// Supplementary groups of the account.
    pub groups: Vec<u32>,
    /// A client cache (`mappings/<obs>/…`) with the rules to start from.
    pub rules: PathBuf,
    /// Whether these are the real rules or the small set of the project's own.
    pub real_rules: bool,
    /// A plan to copy to `DIR/plan.toml`, if not the historical one.
    pub seed_plan: Option<PathBuf>,
    /// The virtual environment of a real Python client that hosts are to use.
    pub real_client: Option<PathBuf>,
    /// The hosts, in the order of [`Role::ALL`].
    pub hosts: Vec<Host>,
}

impl Fleet {
    /// Reads the description of the fleet at `root`.
    ///
    /// # Errors
    ///
    /// [`FleetError::NoFleet`] if there is none or it cannot be read.
    pub fn load(root: &Path) -> Result<Fleet, FleetError> {
        let path = root.join("fleet.json");
        let text = fs::read_to_string(&path)
            .map_err(|source| FleetError::NoFleet { root: root.to_owned(), why: source.to_string() })?;
        serde_json::from_str(&text)
            .map_err(|source| FleetError::NoFleet { root: root.to_owned(), why: source.to_string() })
    }

    /// Writes `DIR/fleet.json`.
    ///
    /// # Errors
    ///
    /// [`FleetError::File`] if the file cannot be written.
    pub fn store(&self) -> Result<(), FleetError> {
        let path = self.root.join("fleet.json");
        let text = serde_json::to_string_pretty(self)
            .map_err(|source| FleetError::file("write", &path, std::io::Error::other(source)))?;
        fs::write(&path, text).map_err(|source| FleetError::file("write", &path, source))
    }

    /// The host of this role, if the fleet has it.
    pub fn host(&self, role: Role) -> Option<&Host> {
        self.hosts.iter().find(|host| host.role == role)
    }

    /// The home directory that the servers share (SO 2.3).
    pub fn home(&self) -> PathBuf {
        self.root.join("home/crds")
    }

    /// The home directory on `host`: the scratch host has its own.
    pub fn home_of(&self, host: &Host) -> PathBuf {
        if host.role == Role::Scratch { host.root().join("home/crds") } else { self.home() }
    }

    /// Our program, reachable by the account.
    pub fn program(&self) -> PathBuf {
        self.root.join("bin/crds-stand-in")
    }

    /// The library that gives processes the fleet's time.
    pub fn preload(&self) -> PathBuf {
        self.root.join("bin/libcrdsclock.so")
    }

    /// The history of the clock.
    pub fn clock(&self) -> PathBuf {
        self.root.join("clock")
    }

    /// The certificate of the fleet's authority.
    pub fn authority(&self) -> PathBuf {
        self.root.join("ca/ca.pem")
    }

    /// The socket on which the fleet's keeper takes orders.
    pub fn socket(&self) -> PathBuf {
        self.root.join("run/keeper.sock")
    }

    /// The place of the keeper's own files.
    pub fn run(&self) -> PathBuf {
        self.root.join("run")
    }
}

/// The short name of the virtual machine for an observatory and role (SO 2.1).
pub fn uname(observatory: &str, role: Role) -> String {
    let letter = match role {
        Role::Dev => "d",
        Role::Test => "t",
        Role::Ops => "p",
        Role::Scratch => "x",
    };
    format!("{letter}l{observatory}crdsv1")
}
