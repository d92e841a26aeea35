//! Opening a run: a new one, or the unfinished one of the same plan on the same site.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::RunError;
use super::event::{Event, Opened};
use super::folder::Folder;
use super::harness::fit;
use super::ledger::Ledger;
use super::lock::{self, Holder};
use crate::plan::{LoadError, PlanFile, Role, Site, SiteKind};

/// What a run is opened with.
#[derive(Debug, Clone)]
pub struct Request {
    /// The folder of all runs.
    pub runs: PathBuf,
    /// The site file.
    pub site: PathBuf,
    /// The plan file.
    pub plan: PathBuf,
    /// The nextest profile.
    pub profile: String,
    /// `real` or `fixture`: which rules a stand-in fleet serves; `real` for a real site.
    pub rules: String,
}

/// A run that is open.
#[derive(Debug)]
pub struct Open {
    /// Its folder.
    pub folder: Folder,
    /// What it was opened for.
    pub opened: Opened,
    /// Whether it was there before.
    pub resumed: bool,
}

/// Opens a run and locks every host of its site for it.
///
/// # Errors
///
/// [`RunError::Input`] if plan or site are not valid, [`RunError::Refused`] if the site is not for this profile or an
/// unfinished run on it has another plan, [`RunError::Locked`] if another run holds a host. Nothing is asked of a host.
pub fn open(request: &Request) -> Result<Open, RunError> {
    let load = |error: LoadError| RunError::Input { what: error.to_string(), help: error.help() };
    let site = Site::load(&request.site).map_err(load)?;
    let plan = PlanFile::load(&request.plan).map_err(load)?;
    fit(site.kind, &request.profile)?;
    let site_path = fs::canonicalize(&request.site).map_err(RunError::file("find", &request.site))?;
    let plan_path = fs::canonicalize(&request.plan).map_err(RunError::file("find", &request.plan))?;
    if let Some((folder, opened)) = unfinished(&request.runs, &site_path)? {
        if opened.plan_digest != plan.digest {
            return Err(RunError::Refused {
                what: format!("run {} on this site is unfinished and has another plan ({})", opened.run, opened.plan),
                help: format!(
                    "finish it with its own plan (a copy is in `{}`), or give it up: `crds-upgrade abandon {}`",
                    folder.join("plan.toml").display(),
                    folder.path().display()
                ),
            });
        }
        take_hosts(&site, &site_path, &folder)?;
        folder.make_latest(&request.runs)?;
        return Ok(Open { folder, opened, resumed: true });
    }
    let opened = Opened {
        run: fresh_name(&request.runs, &plan.plan.id),
        profile: request.profile.clone(),
        plan: plan.plan.id.clone(),
        plan_digest: plan.digest.clone(),
        plan_path,
        site: site.name.clone(),
        site_digest: site.digest.clone(),
        site_path: site_path.clone(),
        site_kind: site.kind.word().to_owned(),
        rules: request.rules.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        owner: lock::owner(),
    };
    let read = |path: &Path| fs::read(path).map_err(RunError::file("read", path));
    // The locks come first: a run that could not have its hosts leaves no folder behind.
    let runs = request.runs.clone();
    fs::create_dir_all(&runs).map_err(RunError::file("create", &runs))?;
    let runs = fs::canonicalize(&runs).map_err(RunError::file("find", &runs))?;
    lock_hosts(&site, &site_path, &opened.run, &runs.join(&opened.run))?;
    let made = Folder::create(&runs, &opened, &read(&request.plan)?, &read(&request.site)?);
    if made.is_err() {
        release_hosts(&site, &site_path, &opened.run)?;
    }
    Ok(Open { folder: made?, opened, resumed: false })
}

/// Ends a run: it is never used again, and its hosts are free.
///
/// # Errors
///
/// If the journal cannot be written or a lock cannot be removed.
pub fn finish(folder: &Folder, how: &str) -> Result<(), RunError> {
    let ledger = Ledger::read(&folder.entries()?);
    if ledger.finished.is_none() {
        folder.journal()?.append(None, 0, &Event::Finished { how: how.to_owned() })?;
    }
    let Some(opened) = ledger.opened else { return Ok(()) };
    // A fleet that is gone took its locks with it.
    let Ok(site) = Site::load(&opened.site_path) else { return Ok(()) };
    release_hosts(&site, &opened.site_path, &opened.run)
}

/// Who holds each host of a site.
pub fn holders(site: &Site, site_path: &Path) -> Vec<(Role, Option<Holder>)> {
    let locks = lock_folder(site, site_path);
    site.hosts.keys().map(|role| (*role, lock::holder(&locks, &identity(site, site_path, *role)))).collect()
}

/// The newest unfinished run on a site.
fn unfinished(runs: &Path, site: &Path) -> Result<Option<(Folder, Opened)>, RunError> {
    for folder in Folder::all(runs)?.into_iter().rev() {
        let ledger = Ledger::read(&folder.entries()?);
        if let (Some(opened), None) = (ledger.opened, ledger.finished)
            && opened.site_path == site
        {
            return Ok(Some((folder, opened)));
        }
    }
    Ok(None)
}

fn take_hosts(site: &Site, site_path: &Path, folder: &Folder) -> Result<(), RunError> {
    lock_hosts(site, site_path, &folder.name(), folder.path())
}

fn lock_hosts(site: &Site, site_path: &Path, run: &str, folder: &Path) -> Result<(), RunError> {
    let locks = lock_folder(site, site_path);
    for role in site.hosts.keys() {
        lock::take_host(
            &locks,
            &Holder {
                identity: identity(site, site_path, *role),
                run: run.to_owned(),
                folder: folder.to_owned(),
                owner: lock::owner(),
                pid: rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs()),
                since: super::journal::now(),
            },
        )?;
    }
    Ok(())
}

fn release_hosts(site: &Site, site_path: &Path, run: &str) -> Result<(), RunError> {
    let locks = lock_folder(site, site_path);
    for role in site.hosts.keys() {
        lock::release_host(&locks, &identity(site, site_path, *role), run)?;
    }
    Ok(())
}

/// A stand-in fleet keeps its locks beside its site file and takes them with it; those of real hosts are the user's.
fn lock_folder(site: &Site, site_path: &Path) -> PathBuf {
    if site.kind == SiteKind::Real {
        let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from).join(".local/state");
        return state.unwrap_or_else(home).join("crds-upgrade/locks");
    }
    site_path.parent().map_or_else(std::env::temp_dir, Path::to_owned).join("locks")
}

/// What tells one host from every other, whatever the site file calls it.
fn identity(site: &Site, site_path: &Path, role: Role) -> String {
    let Some(host) = site.host(role) else { return String::new() };
    let who = &host.identity;
    let fleet = if site.kind == SiteKind::Real { String::new() } else { site_path.display().to_string() };
    format!("{}@{} {} {} {} {fleet}", who.account, who.uname, site.observatory, who.use_case, who.database)
}

/// `<date>-<plan>`, with a number behind it if the day had one already.
fn fresh_name(runs: &Path, plan: &str) -> String {
    let stamp = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string();
    let name = format!("{stamp}-{plan}");
    (1..)
        .map(|number| if number == 1 { name.clone() } else { format!("{name}-{number}") })
        .find(|name| !runs.join(name).exists())
        .unwrap_or(name)
}
