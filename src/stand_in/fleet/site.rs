//! The site file of a fleet, and the plan beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::FleetError;
use super::spec::{Fleet, Host, Layout, Role, WireEra};
use crate::plan::{self, Change};

/// The web accounts that a fleet's databases know, in [`secret_file`]s: one that submits, one super user.
pub const CREDENTIALS: [&str; 2] = ["submitter", "admin"];

/// The historical plan, which a fleet begins with.
const HISTORICAL_PLAN: &str = include_str!("../../../fixtures/plans/hst-opus-2014.3.toml");

/// The file, mode 0600, with the password of a web account.
pub fn secret_file(fleet: &Fleet, account: &str) -> PathBuf {
    fleet.root.join("secrets").join(account)
}

/// Writes `DIR/site.toml` and `DIR/plan.toml`; returns the former's path.
///
/// # Errors
///
/// [`FleetError::File`] if one cannot be written.
pub fn write(fleet: &Fleet) -> Result<PathBuf, FleetError> {
    let path = fleet.root.join("site.toml");
    let text = site(fleet).to_toml().map_err(|error| FleetError::file("write", &path, std::io::Error::other(error)))?;
    fs::write(&path, text).map_err(|source| FleetError::file("write", &path, source))?;
    let plan = fleet.root.join("plan.toml");
    let text = match &fleet.seed_plan {
        Some(seed) => fs::read_to_string(seed).map_err(|source| FleetError::file("read", seed, source))?,
        None => HISTORICAL_PLAN.to_owned(),
    };
    fs::write(&plan, text).map_err(|source| FleetError::file("write", &plan, source))?;
    Ok(path)
}

fn text(path: impl AsRef<Path>) -> String {
    path.as_ref().to_string_lossy().into_owned()
}

fn site(fleet: &Fleet) -> plan::Site {
    let repository =
        |package: &str| (package.to_owned(), format!("file://{}", fleet.root.join("svn").join(package).display()));
    let credential = |name: &str, username: &str| {
        let password = plan::SecretRef::File(secret_file(fleet, username));
        (name.to_owned(), plan::Credential { username: username.to_owned(), password })
    };
    // Servers of 2014 leave deletions to super users (WP 3.6).
    let deleter = if fleet.era == WireEra::Y2014 { "admin" } else { "submitter" };
    let accounts = CREDENTIALS.into_iter().map(|name| credential(name, name));
    plan::Site {
        schema: plan::SITE_SCHEMA.to_owned(),
        name: "embedded".to_owned(),
        kind: plan::SiteKind::Embedded,
        observatory: if fleet.observatory == "jwst" { plan::Observatory::Jwst } else { plan::Observatory::Hst },
        archive_dir: fleet.root.join("archive"),
        waiting: plan::Waiting::Host,
        time_zone: "America/New_York".to_owned(),
        maildir: Some(text(fleet.home().join("Maildir"))),
        submissions_dir: Some(fleet.root.join("submissions")),
        repositories: ["crds", "crds_server"].into_iter().map(repository).collect(),
        hosts: fleet.hosts.iter().map(|host| (role(host.role), entry(fleet, host))).collect(),
        credentials: accounts.chain([credential("deleter", deleter)]).collect(),
        source: PathBuf::new(),
        digest: String::new(),
    }
}

fn role(role: Role) -> plan::Role {
    match role {
        Role::Dev => plan::Role::Dev,
        Role::Test => plan::Role::Test,
        Role::Ops => plan::Role::Ops,
        Role::Scratch => plan::Role::Scratch,
    }
}

fn entry(fleet: &Fleet, host: &Host) -> plan::Host {
    let served = host.role != Role::Scratch;
    plan::Host {
        layout: match fleet.layout {
            Layout::Y2014 => plan::Layout::Y2014,
            Layout::Y2019 => plan::Layout::Y2019,
        },
        era: match fleet.era {
            WireEra::Y2014 => plan::Era::Y2014,
            WireEra::Y2019 => plan::Era::Y2019,
            WireEra::Now => plan::Era::Now,
        },
        root: text(host.root()),
        access: plan::Access::Local { enter: vec![text(host.enter())] },
        identity: plan::Identity {
            uname: host.uname.clone(),
            account: fleet.account.clone(),
            use_case: host.use_case.clone(),
            database: host.database(),
            direct_url: served.then(|| format!("{}/", host.direct_url(8001))),
            hidden_url: served.then(|| format!("{}/", host.direct_url(8002))),
            proxy_url: host.proxy_url().map(|url| format!("{url}/")),
            ca_file: served.then(|| fleet.authority()),
        },
        paths: BTreeMap::new(),
        commands: BTreeMap::new(),
        allow: plan::Allow { changes: allowed(host.role) },
    }
}

fn allowed(role: Role) -> Vec<Change> {
    match role {
        Role::Ops => {
            let never = [Change::MirrorInto, Change::RestoreInto];
            Change::ALL.into_iter().filter(|change| !never.contains(change)).collect()
        }
        Role::Test | Role::Dev => {
            vec![Change::Cron, Change::Server, Change::Backup, Change::MirrorInto, Change::Install]
        }
        Role::Scratch => vec![Change::RestoreInto],
    }
}
