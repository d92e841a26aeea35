//! The tree of one host: scripts, checkouts, stacks, backups and logs as a real server has them.
//!
//! What a host's operator reads and edits lies as plain files in `tree/`: the two packages (`client`, `server`) as their
//! Subversion repositories hold them, and the rc files of the account. A line that ends in `# since opus_2014.3` is in the
//! new release only, one that ends in `# until opus_2014.3` in the old one only. Everything else is made here, by running
//! the host's own `install` wherever a real host would have run it.
//!
//! Not laid out: what only the nightly job leaves (logs, mail). The fleet runs that job before it is handed over.

mod backups;
mod caches;
mod catalogue;
mod contexts;
mod files;
mod packages;
mod past;
mod repository;
mod shared;
mod stacks;
mod submissions;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::fleet::enter::LOGIN_SHELL;
use super::fleet::spec::{Fleet, Host, Role};

/// Branch that OPS begins on.
pub const OLD_RELEASE: &str = "opus_2014.2";
/// Branch that OPS is going to, and that TEST and DEV are on.
pub const NEW_RELEASE: &str = "opus_2014.3";

/// Why a host could not be laid out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayOutError {
    /// A file or directory.
    #[error("failed to {verb} `{}`", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A program that the layout runs.
    #[error("`{program}` failed: {why}")]
    Program {
        /// Its command line.
        program: String,
        /// What it said.
        why: String,
    },
    /// The rules to start from.
    #[error("the rules in `{}` cannot be used: {why}", path.display())]
    Rules {
        /// The cache.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A catalogue.
    #[error(transparent)]
    Catalogue(#[from] super::server::CatalogueError),
}

impl LayOutError {
    fn file(verb: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { verb, path: path.to_owned(), source }
    }

    /// The next move.
    pub fn help(&self) -> String {
        match self {
            Self::File { path, .. } => format!("free space, or fix the owner of `{}`", path.display()),
            Self::Program { .. } => "`tcsh`, `svn`, `svnadmin` and `perl` must be installed".to_owned(),
            Self::Rules { .. } => "name a client cache that holds the contexts up to the operational one".to_owned(),
            Self::Catalogue(error) => error.help(),
        }
    }
}

/// Lays out every host of a fleet: home, repositories, stacks, trees, caches, catalogues, past backups; then installs.
///
/// `night` says that the servers will live through last night themselves, so that its backup is left to them.
///
/// # Errors
///
/// [`LayOutError`]; what was made stays for inspection.
pub fn lay_out(fleet: &Fleet, night: bool) -> Result<(), LayOutError> {
    let known = contexts::Known::read(fleet)?;
    shared::lay_out(fleet)?;
    submissions::lay_out(fleet)?;
    repository::create(fleet)?;
    let servers: Vec<&Host> = fleet.hosts.iter().filter(|host| host.role != Role::Scratch).collect();
    caches::publish(fleet, &known)?;
    std::thread::scope(|scope| {
        let work: Vec<_> = servers
            .iter()
            .map(|host| {
                let known = &known;
                scope.spawn(move || server(fleet, host, known, night))
            })
            .collect();
        let ends: Vec<Result<(), LayOutError>> = work
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect();
        ends.into_iter().collect::<Result<(), LayOutError>>()
    })?;
    for host in fleet.hosts.iter().filter(|host| host.role == Role::Scratch) {
        shared::scratch(fleet, host)?;
    }
    Ok(())
}

/// The branch that a host begins on.
fn release_of(role: Role) -> &'static str {
    if role == Role::Ops { OLD_RELEASE } else { NEW_RELEASE }
}

fn server(fleet: &Fleet, host: &Host, known: &contexts::Known, night: bool) -> Result<(), LayOutError> {
    shared::machine(host)?;
    stacks::build(fleet, host)?;
    repository::check_out(fleet, host)?;
    let view = known.of(host.role);
    caches::fill(host, &view)?;
    past::lay_out(host, &view)?;
    catalogue::create(fleet, host, &view)?;
    install(fleet, host)?;
    past::stale_certify_log(host, &view)?;
    backups::past(fleet, host, night)?;
    let table = host.tree().join("CRDS_server/host/crontab");
    let text = fs::read(&table).map_err(|source| LayOutError::file("read", &table, source))?;
    let to = host.run().join("crontab");
    fs::write(&to, text).map_err(|source| LayOutError::file("write", &to, source))
}

/// Runs the host's own `install`, as its operator would.
fn install(fleet: &Fleet, host: &Host) -> Result<(), LayOutError> {
    let log = format!("install.{}.{}.err", host.observatory, host.use_case);
    let line = format!("cd $CRDS/CRDS_server; bash -x ./install {} {} >& {log}", host.observatory, host.use_case);
    let mut command = fleet.command(host, LOGIN_SHELL);
    command.args(["-c", &line]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let failed = |why: String| LayOutError::Program { program: format!("{}: install", host.uname), why };
    let ended = command.output().map_err(|error| failed(error.to_string()))?;
    let run = host.tree().join("CRDS_server/run");
    if !run.is_file() {
        let said = fs::read_to_string(host.tree().join("CRDS_server").join(log)).unwrap_or_default();
        let last: Vec<&str> = said.lines().rev().take(8).collect();
        let shell = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
        return Err(failed(format!(
            "it left no `run`: {shell} {}",
            last.into_iter().rev().collect::<Vec<_>>().join(" | ")
        )));
    }
    Ok(())
}
