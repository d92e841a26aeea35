//! What hosts share or have before CRDS is on them: the home directory, the database server, directories of the machine.

use std::fs;

use super::{LayOutError, files, packages};
use crate::stand_in::fleet::spec::{Fleet, Host, Role};
use crate::stand_in::tools::crds::{GRANTS, sha1};

/// The home that the three servers share (SO 2.3), the database server, the published caches.
pub fn lay_out(fleet: &Fleet) -> Result<(), LayOutError> {
    let home = fleet.home();
    files::directory(&home, 0o755)?;
    files::directory(&home.join("backups"), 0o755)?;
    files::file(&home.join(".cshrc"), packages::embedded("home/dot_cshrc"), 0o644)?;
    let release = packages::release(fleet, packages::Package::Server, true);
    let text = |path: &str| release.get(path).map_or("", String::as_str);
    for (from, to, mode) in [
        ("host/dot_setenv", ".setenv", 0o644),
        ("host/dot_alias", ".alias", 0o644),
        ("host/cronenv.csh", "cronenv.csh", 0o644),
        ("servers/rc_script", "rc_script", 0o755),
    ] {
        files::file(&home.join(to), text(from), mode)?;
    }
    let databases = fleet.root.join("mysql");
    files::directory(&databases, 0o700)?;
    let mut grants = String::new();
    for host in &fleet.hosts {
        let password = uuid::Uuid::new_v4().simple().to_string();
        let user = format!("{}crds", host.observatory);
        grants.push_str(&format!("{user}\t{}\n", sha1(password.as_bytes())));
        let secrets = host.root().join("crds/data1/database");
        files::directory(&secrets, 0o700)?;
        files::file(&secrets.join(format!("{}.dat", host.observatory)), format!("{password}\n"), 0o600)?;
        if host.role == Role::Scratch {
            let settings = format!("[client]\nuser={user}\npassword={password}\n");
            files::file(&host.root().join("home/crds/.my.cnf"), settings, 0o600)?;
        }
    }
    files::file(&databases.join(GRANTS), grants, 0o600)?;
    files::directory(&fleet.root.join("grp/crds"), 0o755)?;
    files::directory(&fleet.root.join("eng/ssb/crds"), 0o755)
}

/// Directories and programs of the machine itself, beyond those that every host of a fleet has.
pub fn machine(host: &Host) -> Result<(), LayOutError> {
    let root = host.root();
    for name in ["mysql", "mysqldump"] {
        let path = host.bin().join(name);
        if fs::symlink_metadata(&path).is_err() {
            files::link("../../../bin/crds-stand-in", &path)?;
        }
    }
    files::directory(&root.join("var/lib"), 0o755)?;
    for (target, path) in [("../../../../../mysql", "var/lib/mysql"), ("../../../grp", "grp"), ("../../../eng", "eng")]
    {
        let path = root.join(path);
        if fs::symlink_metadata(&path).is_err() {
            files::link(target, &path)?;
        }
    }
    files::directory(&root.join("etc/httpd/conf"), 0o755)?;
    // Read by every csh of the host before the account's own rc (`fleet/clock/preload.rs`).
    files::file(&root.join("etc/csh.cshrc"), "# Every csh of this machine.\numask 022\n", 0o644)?;
    files::file(
        &root.join("etc/httpd/conf/magic"),
        "# Magic data for mod_mime_magic\n0\tstring\tSIMPLE  =\tapplication/fits\n",
        0o644,
    )?;
    files::file(&root.join("etc/mime.types"), "text/html\thtml htm\ntext/plain\ttxt\napplication/fits\tfits\n", 0o644)?;
    let modules = root.join("etc/httpd/modules");
    files::directory(&modules, 0o755)?;
    for name in ["authz_host", "log_config", "setenvif", "mime_magic", "mime", "status", "alias", "ssl"] {
        let path = modules.join(format!("mod_{name}.so"));
        if !path.exists() {
            files::file(&path, b"\x7fELF\x02\x01\x01\x00", 0o755)?;
        }
    }
    let shared = root.join("usr/share/crds");
    files::directory(&shared, 0o755)?;
    for dir in ["crds/data1", "ifs/crds"] {
        files::directory(&root.join(dir), 0o755)?;
    }
    let tree = host.tree();
    files::directory(&tree, 0o755)?;
    // The install writes into lib/ but never makes it (SO 7).
    files::directory(&tree.join("lib"), 0o755)?;
    files::directory(&tree.join("regress"), 0o755)?;
    let scratch = root.join("ifs/crds").join(&host.observatory).join(&host.use_case).join("test");
    files::directory(&scratch, 0o755)
}

/// The scratch host: an account, a database server, room; no CRDS (design section 6).
pub fn scratch(fleet: &Fleet, host: &Host) -> Result<(), LayOutError> {
    machine(host)?;
    super::stacks::build(fleet, host)?;
    let home = host.root().join("home/crds");
    files::directory(&home, 0o755)?;
    let rc = packages::embedded("home/dot_setenv.scratch").replace("SUB_PROJECT", &host.observatory);
    files::file(&home.join(".setenv"), rc, 0o644)?;
    files::file(&home.join(".alias"), packages::embedded("server/host/dot_alias"), 0o644)?;
    files::file(&home.join(".cshrc"), packages::embedded("home/dot_cshrc"), 0o644)?;
    let ifs = host.root().join("ifs/crds").join(&host.observatory).join(&host.use_case);
    for dir in ["file_cache", "server_files"] {
        files::directory(&ifs.join(dir), 0o755)?;
    }
    files::directory(&host.tree().join("server/db_backups"), 0o755)
}
