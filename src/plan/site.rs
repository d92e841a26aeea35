//! `site.toml`: the fleet and how to reach it. Written by `crds-stand-in fleet up` for an embedded fleet, by hand
//! for a real one (`fixtures/sites/three-ssh-hosts.toml` is a commented example).

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::{Observatory, SecretRef};

/// The value of `schema` in every site file this version reads and writes.
pub const SITE_SCHEMA: &str = "crds-upgrade/site/1";

/// What a host is in the upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The server that is upgraded.
    Ops,
    /// Receives the mirror of OPS.
    Test,
    /// Receives the mirror of TEST.
    Dev,
    /// Where archives are restored to prove them; has no cron and no proxy.
    Scratch,
}

impl Role {
    /// Every role, in the order in which reports list them.
    pub const ALL: [Self; 4] = [Self::Ops, Self::Test, Self::Dev, Self::Scratch];

    /// The role's key below `[hosts]`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Ops => "ops",
            Self::Test => "test",
            Self::Dev => "dev",
            Self::Scratch => "scratch",
        }
    }

    /// The role of that key.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.key() == key)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// What stands behind a site file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SiteKind {
    /// Directories and processes on this machine (design section 6).
    Embedded,
    /// Docker containers.
    Containers,
    /// Real servers; the only kind that profile `ops` takes.
    Real,
}

impl SiteKind {
    /// The word in the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Containers => "containers",
            Self::Real => "real",
        }
    }
}

/// How the suite lets time pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Waiting {
    /// By running `sleep` on a host, which steps the fleet's clock.
    Host,
    /// By waiting.
    Real,
}

/// Where a server keeps its things (SO 3.1, 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Layout {
    /// svn checkouts below the install root, `tools/`, `env.csh`.
    #[serde(rename = "2014")]
    Y2014,
    /// git checkouts, a conda stack that holds the server, everything on PATH.
    #[serde(rename = "2019")]
    Y2019,
}

/// The wire dialect a server speaks (WP, eras).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Era {
    /// October 2014.
    #[serde(rename = "2014")]
    Y2014,
    /// March 2019.
    #[serde(rename = "2019")]
    Y2019,
    /// What the client of today needs.
    #[serde(rename = "now")]
    Now,
}

impl fmt::Display for Era {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Y2014 => "2014",
            Self::Y2019 => "2019",
            Self::Now => "now",
        })
    }
}

/// A fleet and how to reach it. Validated: see [`Site::load`].
#[derive(Clone, Debug, Serialize)]
pub struct Site {
    /// [`SITE_SCHEMA`].
    pub schema: String,
    /// Short name, shown in reports.
    pub name: String,
    /// What stands behind it.
    pub kind: SiteKind,
    /// The observatory that every server of the site serves.
    pub observatory: Observatory,
    /// Directory on the operator's side that receives archives of servers; they hold secrets by nature.
    pub archive_dir: PathBuf,
    /// How the suite waits.
    pub waiting: Waiting,
    /// IANA time zone of the hosts' clocks, such as `America/New_York`.
    pub time_zone: String,
    /// Maildir on the hosts that receives cron's mail, if one may be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maildir: Option<String>,
    /// Directory on the operator's side with the files that the plan submits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submissions_dir: Option<PathBuf>,
    /// Base URL of each version control repository, by package: `crds`, `crds_server`.
    pub repositories: BTreeMap<String, String>,
    /// The hosts. `ops` is always there.
    pub hosts: BTreeMap<Role, Host>,
    /// Web accounts by the name that the plan uses.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub credentials: BTreeMap<String, Credential>,
    /// The file it was read from; empty for one made in memory.
    #[serde(skip)]
    pub source: PathBuf,
    /// BLAKE3 of the file's bytes, in hexadecimal; empty for one made in memory.
    #[serde(skip)]
    pub digest: String,
}

/// One host.
#[derive(Clone, Debug, Serialize)]
pub struct Host {
    /// Where it keeps things.
    pub layout: Layout,
    /// Which dialect its server speaks.
    pub era: Era,
    /// Directory that holds what `/` holds on a real host; empty on a real one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub root: String,
    /// How to run a program on it.
    #[serde(flatten)]
    pub access: Access,
    /// Who it must say it is before anything is read from it.
    pub identity: Identity,
    /// Paths that differ from the layout's, by name (`crds`, `server`, `ifs`, `home`, `data1`, `stacks`, `backups`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub paths: BTreeMap<String, String>,
    /// Programs to run in place of the usual ones, by usual name; each an argument vector.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub commands: BTreeMap<String, Vec<String>>,
    /// What may be changed on it.
    #[serde(skip_serializing_if = "Allow::is_empty")]
    pub allow: Allow,
}

/// How to run a program on a host.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "transport", rename_all = "lowercase")]
pub enum Access {
    /// `enter PROGRAM ARGS...` as a process of this machine.
    Local {
        /// Argument vector that the program and its arguments are appended to.
        enter: Vec<String>,
    },
    /// The system's ssh client.
    Ssh(Ssh),
    /// A container reached through its engine's network; as ssh otherwise.
    Container(Ssh),
}

/// How to reach a host by ssh. The operator's own configuration, agents and jump hosts stay in force.
#[derive(Clone, Debug, Serialize)]
pub struct Ssh {
    /// Host name or address, or an alias of the operator's ssh configuration.
    pub address: String,
    /// TCP port, if not the configuration's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// User, if not the configuration's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// ssh configuration file, if not the operator's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<PathBuf>,
    /// Host keys to accept; without it the operator's own. Unknown keys are always refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_hosts: Option<PathBuf>,
    /// How the login becomes the server's account, such as `["sudo", "su", "-", "crds"]` (SO 2.3).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub r#become: Vec<String>,
}

impl Access {
    /// The word in the file.
    pub const fn transport(&self) -> &'static str {
        match self {
            Self::Local { .. } => "local",
            Self::Ssh(_) => "ssh",
            Self::Container(_) => "container",
        }
    }
}

/// Who a host is. Compared with what the host itself says before anything else is asked of it.
#[derive(Clone, Debug, Serialize)]
pub struct Identity {
    /// `uname -n` up to the first dot; the switch of `.setenv` depends on it (SO 4.1).
    pub uname: String,
    /// Account that everything runs as.
    pub account: String,
    /// Word of the host's configuration: `dev`, `test`, `ops` or another string.
    pub use_case: String,
    /// Name of its database, without which two hosts cannot be told apart (SO 2.2).
    pub database: String,
    /// URL of the server on its operational port, past the proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct_url: Option<String>,
    /// URL of the server on its backup port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden_url: Option<String>,
    /// The URL that users know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_url: Option<String>,
    /// Certificates to trust, in PEM, if not the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

/// A kind of change that a site file can allow on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Emptying and restoring the cron table.
    Cron,
    /// Stopping, starting, hiding and unhiding the server.
    Server,
    /// Making a set of backups.
    Backup,
    /// Committing rules to a branch.
    RulesBranch,
    /// Replacing its database and files by another server's. Never allowed on OPS.
    MirrorInto,
    /// Removing the installed software.
    Wipe,
    /// Switching checkouts to another branch.
    Switch,
    /// Installing.
    Install,
    /// Running the server's own tests.
    Tests,
    /// Editing the stack in its rc file.
    Stack,
    /// Submitting, deleting and confirming files.
    Submit,
    /// Setting contexts and marking files bad.
    Context,
    /// Restoring archives into it. Only ever allowed on the scratch host.
    RestoreInto,
}

impl Change {
    /// Every kind, in the order of the upgrade.
    pub const ALL: [Self; 13] = [
        Self::Cron,
        Self::Server,
        Self::Backup,
        Self::RulesBranch,
        Self::MirrorInto,
        Self::Wipe,
        Self::Switch,
        Self::Install,
        Self::Tests,
        Self::Stack,
        Self::Submit,
        Self::Context,
        Self::RestoreInto,
    ];

    /// The word in the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cron => "cron",
            Self::Server => "server",
            Self::Backup => "backup",
            Self::RulesBranch => "rules_branch",
            Self::MirrorInto => "mirror_into",
            Self::Wipe => "wipe",
            Self::Switch => "switch",
            Self::Install => "install",
            Self::Tests => "tests",
            Self::Stack => "stack",
            Self::Submit => "submit",
            Self::Context => "context",
            Self::RestoreInto => "restore_into",
        }
    }
}

/// What may be changed on a host. Empty = nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Allow {
    /// The kinds of change, each once.
    pub changes: Vec<Change>,
}

impl Allow {
    /// Whether nothing may be changed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether `change` may be made.
    pub fn permits(&self, change: Change) -> bool {
        self.changes.contains(&change)
    }
}

/// A web account.
#[derive(Clone, Debug, Serialize)]
pub struct Credential {
    /// Name to log in with.
    pub username: String,
    /// Where the password comes from.
    pub password: SecretRef,
}

impl Site {
    /// The host of `role`, if the site has one.
    pub fn host(&self, role: Role) -> Option<&Host> {
        self.hosts.get(&role)
    }

    /// The site as text of a site file.
    ///
    /// # Errors
    ///
    /// A value that TOML cannot express, such as a path that is no UTF-8.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }
}
