//! Where a CRDS server keeps its things, by layout (SO 3.1, 3.2).

use crate::plan::{Host, Layout, Observatory};

/// Absolute paths on a host, its root included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Home of the account.
    pub home: String,
    /// Install root, `$CRDS`.
    pub crds: String,
    /// The disk that holds it.
    pub data1: String,
    /// Secrets maintained by hand.
    pub secrets: String,
    /// Checkout of the client package.
    pub client_sources: String,
    /// Checkout of the server package.
    pub server_sources: String,
    /// Directory of stacks.
    pub stacks: String,
    /// Apache's directory: conf, run, logs.
    pub server: String,
    /// Logs of Apache.
    pub logs: String,
    /// Logs of cron jobs.
    pub cron_logs: String,
    /// Dated backup sets.
    pub db_backups: String,
    /// Shared "last" backup sets.
    pub shared_backups: String,
    /// `old_context.txt` and one directory per computation.
    pub monitor: String,
    /// Storage of this observatory and use case.
    pub ifs: String,
    /// The server's own cache, `$CRDS_PATH`.
    pub cache: String,
    /// Deliveries, catalogues, ingest, uploads.
    pub server_files: String,
    /// Published cache.
    pub grp: String,
    /// What an install makes, below the install root.
    pub installed: String,
    /// `env.csh`.
    pub env_csh: String,
    /// The rc file that every login reads.
    pub setenv: String,
    /// The configuration of this server in the checkout, which holds the port flag.
    pub config: String,
}

impl Paths {
    /// The paths of `host`, with the site's overrides.
    pub fn of(host: &Host, observatory: Observatory) -> Self {
        let root = &host.root;
        let named = |name: &str, usual: String| host.paths.get(name).map_or(usual, |path| format!("{root}{path}"));
        let (obs, uname, use_case) = (observatory.word(), &host.identity.uname, &host.identity.use_case);
        let home = named("home", format!("{root}/home/{}", host.identity.account));
        let data1 = named("data1", format!("{root}/crds/data1"));
        let ifs = named("ifs", format!("{root}/ifs/crds/{obs}/{use_case}"));
        let grp = named("grp", format!("{root}/grp/crds"));
        let config_name = format!("sources/configs/config.{use_case}.{obs}.py");
        match host.layout {
            Layout::Y2014 => {
                let crds = named("crds", format!("{data1}/{uname}"));
                Self {
                    client_sources: format!("{crds}/CRDS"),
                    server_sources: format!("{crds}/CRDS_server"),
                    stacks: format!("{crds}/crds_stacks"),
                    server: format!("{crds}/server"),
                    logs: format!("{crds}/server/logs"),
                    cron_logs: format!("{crds}/server/logs/cron"),
                    db_backups: format!("{crds}/server/db_backups"),
                    shared_backups: named("backups", format!("{home}/backups")),
                    monitor: format!("{crds}/monitor_reprocessing"),
                    installed: format!("{crds}/python/lib/python"),
                    env_csh: format!("{crds}/CRDS_server/env.csh"),
                    setenv: format!("{home}/.setenv"),
                    config: format!("{crds}/CRDS_server/{config_name}"),
                    secrets: format!("{data1}/database"),
                    cache: format!("{ifs}/file_cache"),
                    server_files: format!("{ifs}/server_files"),
                    home,
                    data1,
                    crds,
                    ifs,
                    grp,
                }
            }
            Layout::Y2019 => {
                let crds = named("crds", format!("{data1}/volatile_local"));
                let kept = format!("{data1}/persistent_local");
                Self {
                    client_sources: format!("{crds}/CRDS"),
                    server_sources: format!("{crds}/CRDS_server"),
                    stacks: format!("{crds}/stack"),
                    server: format!("{crds}/server"),
                    logs: format!("{kept}/server_logs"),
                    cron_logs: format!("{kept}/cron_logs"),
                    db_backups: format!("{kept}/backups"),
                    shared_backups: named("backups", format!("{root}/eng/ssb/crds/latest_backups")),
                    monitor: format!("{kept}/monitor_reprocessing"),
                    installed: format!("{crds}/stack/lib/python3.7/site-packages"),
                    env_csh: format!("{home}/.setenv"),
                    setenv: format!("{home}/.setenv"),
                    config: format!("{home}/CRDS_SERVER_OFFLINE"),
                    secrets: format!("{kept}/secrets"),
                    cache: format!("{ifs}/file_cache"),
                    server_files: format!("{ifs}/server_files"),
                    home,
                    data1,
                    crds,
                    ifs,
                    grp,
                }
            }
        }
    }

    /// Directory of the mappings in the server's cache.
    pub fn mappings(&self, observatory: Observatory) -> String {
        format!("{}/mappings/{observatory}", self.cache)
    }

    /// Directory of the references in the server's cache; flat (SO 3.1).
    pub fn references(&self, observatory: Observatory) -> String {
        format!("{}/references/{observatory}", self.cache)
    }

    /// Directory of the cache's configuration.
    pub fn cache_config(&self, observatory: Observatory) -> String {
        format!("{}/config/{observatory}", self.cache)
    }

    /// Directory of the contexts that later servers keep as Python objects (SO 3.2); servers of 2014 have none.
    pub fn pickles(&self, observatory: Observatory) -> String {
        format!("{}/pickles/{observatory}", self.cache)
    }

    /// Links for the archive.
    pub fn deliveries(&self) -> String {
        format!("{}/deliveries", self.server_files)
    }

    /// Catalogues of deliveries.
    pub fn catalogs(&self) -> String {
        format!("{}/catalogs", self.server_files)
    }
}
