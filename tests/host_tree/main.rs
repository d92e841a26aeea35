//! What lies on a stand-in host behaves as SO says, the habits that bite included.

mod fleet;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use fleet::Fleet;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o7777)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// SO 3: trees, permission codes, thirty whole backup sets, checkouts, crontab.
#[test]
fn a_fresh_host_looks_like_2014() {
    let fleet = Fleet::up("ops");
    let tree = fleet.tree("ops");
    for dir in ["", "CRDS_server", "python", "server", "server/db_backups", "server/conf"] {
        assert_eq!(mode(&tree.join(dir)), 0o6700, "{dir}");
    }
    let files = fleet.host_root("ops").join("ifs/crds/hst/ops/server_files");
    assert_eq!((mode(&files.join("catalogs")), mode(&files.join("deliveries"))), (0o6750, 0o6770));
    let cache = fleet.host_root("ops").join("ifs/crds/hst/ops/file_cache");
    assert_eq!(mode(&cache.join("mappings/hst")), 0o6744);
    let pmap = cache.join("mappings/hst/hst_0279.pmap");
    assert_eq!((mode(&pmap), fs::metadata(&pmap).expect("the context").nlink()), (0o444, 1));

    let sets = names(&tree.join("server/db_backups"));
    assert!(sets.len() >= 30, "{sets:?}");
    for set in &sets {
        let files = names(&tree.join("server/db_backups").join(set));
        assert_eq!(files.len(), 7, "{set}: {files:?}");
    }
    let last = tree.join("server/db_backups").join(sets.last().expect("sets"));
    assert_eq!(mode(&last.join("backup.hst.ops.mysql.gz")), 0o600);

    let said = fleet.on(
        "ops",
        "cd $CRDS/CRDS_server\nsvn status\nsvn info | grep ^URL\nreadlink $CRDS/lib/mod_wsgi.so\ncrontab -l | diff - host/crontab && echo same table\n",
    );
    assert!(said.has("?       env.csh") && !said.has("M  "), "{}", said.text);
    assert!(said.has("branches/opus_2014.2") && said.has("crds_stacks/crds_11/"), "{}", said.text);
    assert!(said.has("same table"), "{}", said.text);
}

/// SO 5: a switch is stop + install + start, a typo goes operational, the status is always 0.
#[test]
fn a_port_switch_is_a_reinstall_and_never_fails() {
    let fleet = Fleet::up("ops");
    let config = fleet.tree("ops").join("CRDS_server/sources/site_config.py");
    let said = fleet.on("ops", "cd $CRDS/CRDS_server\ntools/set_backup_url True\necho status $status\nsvn status\n");
    assert!(said.has("Switching to backup port, server offline.") && said.has("status 0"), "{}", said.text);
    assert!(said.has("M       sources/configs/config.ops.hst.py"), "{}", said.text);
    assert!(read(&config).contains("BACKUP_URL_SCHEME = True"));
    assert!(read(&fleet.tree("ops").join("server/conf/httpd.conf")).contains("Listen 8002"));
    assert!(read(&fleet.tree("ops").join("CRDS_server/env.csh")).contains(":8002/"));

    let said = fleet.on("ops", "cd $CRDS/CRDS_server\ntools/set_backup_url yes\necho status $status\n");
    assert!(said.has("Switching to nominal operating port, server online.") && said.has("status 0"), "{}", said.text);
    assert!(read(&fleet.tree("ops").join("server/conf/httpd.conf")).contains("Listen 8001"));

    // The pattern finds nothing to replace: no complaint, and the port stays.
    let script = "cd $CRDS/CRDS_server\nsed -i 's/^BACKUP_URL_SCHEME/BACKUP_SCHEME/' sources/configs/config.ops.hst.py\ntools/set_backup_url True\necho status $status\n";
    let said = fleet.on("ops", script);
    assert!(said.has("status 0"), "{}", said.text);
    assert!(read(&fleet.tree("ops").join("server/conf/httpd.conf")).contains("Listen 8001"));
}

/// SO 5, 14: the runner takes its tests from what is installed and asks the server that is configured.
#[test]
fn test_runs_depend_on_what_is_installed() {
    let fleet = Fleet::up("ops");
    let log = fleet.tree("ops").join("CRDS_server/runtests.hst.ops.err");
    let run = "cd $CRDS/CRDS_server\nsource env.csh\n./runtests live\necho status $status\n";
    let said = fleet.on("ops", run);
    assert!(said.text.starts_with("Testing on live server.") || said.has("\nTesting on live server."), "{}", said.text);
    let good = read(&log);
    assert!(good.starts_with("testing hst\n") && good.contains("\nRan 96 tests in "), "{good}");
    assert!(good.contains("\nOK\nDestroying test database for alias 'default' ('test_crds_hst')...\n"), "{good}");

    // A server that is away: errors, and still status 0.
    let said = fleet.on("ops", &format!("cd $CRDS/CRDS_server\n./stop\nsleep 5\n{run}"));
    let bad = read(&log);
    assert!(bad.contains("Connection refused") || bad.contains("HTTP Error 503"), "{bad}");
    assert!(bad.contains("\nFAILED (errors=") && said.has("status 0"), "{bad}");

    // A test database that an earlier run left, and nobody to ask.
    let left = fleet.root.join("mysql/test_crds_hst");
    fs::write(&left, b"").expect("the directory can be written");
    let mode = PermissionsExt::from_mode(0o666);
    fs::set_permissions(&left, mode).expect("ours");
    fleet.on("ops", &format!("{run} < /dev/null\n").replace("./runtests live\n", "./runtests live < /dev/null\n"));
    let asked = read(&log);
    assert!(asked.contains("database exists") && asked.contains("EOFError"), "{asked}");
    fs::remove_file(&left).expect("there");

    // Fewer tests installed: fewer run.
    let tests = fleet.tree("ops").join("python/lib/python/crds/server/locking/tests.py");
    let text = read(&tests).replace("    def test_expire(self):\n        self.write(\"locking_lock\")\n", "");
    fs::write(&tests, text).expect("written");
    fleet.on("ops", &format!("cd $CRDS/CRDS_server\n./run\n{run}"));
    assert!(read(&log).contains("\nRan 95 tests in "), "{}", read(&log));
}

/// SO 11: a whole set; without a dump the script carries on, and a stray older dump is published as tonight's.
#[test]
fn backups_are_whole_or_silently_are_not() {
    let fleet = Fleet::up("ops");
    let backups = fleet.tree("ops").join("server/db_backups");
    let before = names(&backups);
    let said = fleet.on("ops", "cd $CRDS/CRDS_server\ntools/backup_server\necho status $status\n");
    assert!(said.has("Backing Up Database: crds_hst") && said.has("--password=********"), "{}", said.text);
    let new: Vec<String> = names(&backups).into_iter().filter(|name| !before.contains(name)).collect();
    let [set] = new.as_slice() else { panic!("one new set, and no stray dump: {new:?}") };
    assert_eq!(names(&backups.join(set)).len(), 7);
    let shared = fleet.root.join("home/crds/backups");
    let dump = read(&shared.join("backup.hst.ops.mysql"));
    assert!(dump.starts_with("-- MySQL dump") && dump.contains("CREATE TABLE `crds_hst_catalog`"));
    assert!(dump.lines().last().is_some_and(|line| line.starts_with("-- Dump completed on 2014-09-16 ")));

    // The password no longer fits: the failure shows it in clear, the old dump is taken for tonight's.
    let secret = fleet.host_root("ops").join("crds/data1/database/hst.dat");
    fs::write(&secret, "wrong-password\n").expect("written");
    fs::write(backups.join("crds_hst-2014-08-01-030700.mysql"), "-- old\n").expect("written");
    let mode = PermissionsExt::from_mode(0o666);
    fs::set_permissions(backups.join("crds_hst-2014-08-01-030700.mysql"), mode).expect("ours");
    let said = fleet.on("ops", "sleep 5\ncd $CRDS/CRDS_server\ntools/backup_server\necho status $status\n");
    assert!(
        said.has("Error running: ['mysqldump'") && said.has("wrong-password") && said.has("status 0"),
        "{}",
        said.text
    );
    assert_eq!(read(&shared.join("backup.hst.ops.mysql")), "-- old\n");

    // Nothing there at all.
    let said = fleet.on("ops", "sleep 5\ncd $CRDS/CRDS_server\ntools/backup_server\necho status $status\n");
    assert!(said.has("No match") && said.has("missing destination file operand"), "{}", said.text);
    assert!(said.has("status 0"), "{}", said.text);
    let last = backups.join(names(&backups).last().expect("sets"));
    assert!(!last.join("backup.hst.ops.mysql.gz").exists() && last.join("mappings.hst.ops.tar.gz").exists());
}

/// SO 7, 4.1, 4.2: what installs do to `lib/`, to `env.csh` and to a stack that is half switched.
#[test]
fn installs_keep_their_traps() {
    let fleet = Fleet::up("ops");
    let tree = fleet.tree("ops");
    let entries = |name: &str| {
        let text = read(&tree.join("CRDS_server/env.csh"));
        let line = text.lines().find(|line| line.starts_with(&format!("setenv {name} "))).unwrap_or("").to_owned();
        line.matches(':').count() + 1
    };
    let before = (entries("PYTHONPATH"), entries("PATH"), entries("LD_LIBRARY_PATH"));
    fleet.on("ops", "source $HOME/cronenv.csh\nbash -x ./install hst ops >& install.hst.ops.err\n");
    let after = (entries("PYTHONPATH"), entries("PATH"), entries("LD_LIBRARY_PATH"));
    assert_eq!(after, (before.0 + 2, before.1 + 2, before.2 + 1), "every install from cron lengthens env.csh");

    // The new stack in ~/.setenv, an install from cron: the module of the new stack, the paths of the old.
    let setenv = fleet.root.join("home/crds/.setenv");
    let text = read(&setenv);
    fs::write(&setenv, text.replace("crds_stacks/crds_11", "crds_stacks/crds_12")).expect("written");
    fleet
        .on("ops", "unsetenv PYTHONPATH\nsource $HOME/cronenv.csh\nbash -x ./install hst ops >& install.hst.ops.err\n");
    let module = fs::read_link(tree.join("lib/mod_wsgi.so")).expect("a link");
    assert!(module.to_string_lossy().contains("crds_12"), "{}", module.display());
    let python = read(&tree.join("CRDS_server/env.csh"));
    let python = python.lines().find(|line| line.starts_with("setenv PYTHONPATH")).unwrap_or("").to_owned();
    assert!(python.contains("crds_11") && !python.contains("crds_12"), "{python}");

    // lib/ gone: the link becomes lib itself, Apache cannot start, and the next install fails at the same place.
    let said = fleet.on("ops", "cd $CRDS/CRDS_server\n./stop\nrm -rf $CRDS/lib\nbash -x ./install hst ops >& install.hst.ops.err\n./run\necho status $status\n");
    assert!(fs::symlink_metadata(tree.join("lib")).expect("made").file_type().is_symlink());
    assert!(said.has("Not a directory") && !said.has("status 0"), "{}", said.text);
    fleet.on("ops", "cd $CRDS/CRDS_server\nbash -x ./install hst ops >& install.hst.ops.err\n");
    assert!(read(&tree.join("CRDS_server/install.hst.ops.err")).contains("File exists"));
}

/// After a wipe the Python tools are gone and set_backup_url still works; a broken module breaks what imports it.
#[test]
fn what_is_not_installed_does_not_run() {
    let fleet = Fleet::up("ops");
    let script = "cd $CRDS/CRDS_server\nsource env.csh\nrm -rf $CRDS/python\nrehash\ncrds.list --config\n./manage syncdb\ntools/orphan_files\ntools/set_backup_url True\n";
    let said = fleet.on("ops", script);
    assert!(said.has("crds.list: Command not found."), "{}", said.text);
    assert!(said.has("can't open file") && said.has("ImportError: No module named crds"), "{}", said.text);
    assert!(fleet.tree("ops").join("python/bin/crds.list").exists(), "the switch has installed again");

    let sync = fleet.tree("ops").join("python/lib/python/crds/rmap.py");
    fs::write(&sync, "def broken(:\n").expect("written");
    let said = fleet
        .on("ops", "cd $CRDS/CRDS_server\nsource env.csh\ncrds.sync --all\necho status $status\ncrds.list --config\n");
    assert!(said.has("SyntaxError") && said.has("status 1"), "{}", said.text);
}

/// SO 12: a mirror copies everything, goes on past a tarball that it cannot read, and restore_server restores nothing.
#[test]
fn a_mirror_destroys_before_it_reads() {
    let fleet = Fleet::up("test,ops");
    let site = read(&fleet.root.join("site.toml"));
    let ops = site.split("[hosts.ops.identity]").nth(1).unwrap_or("");
    let url =
        ops.split("direct_url = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("the URL of OPS").to_owned();
    let table = |role: &str| {
        let sql = "select count(*), max(id), sum(size) from crds_hst_catalog; select context from crds_hst_contexts;";
        fleet.on(role, &format!("cd $CRDS/CRDS_server\necho '{sql}' | ./manage dbshell\n")).text
    };
    let said = fleet.on("test", "cd $CRDS/CRDS_server\ntools/restore_server\n");
    assert!(said.has("tools/mirror_server: Permission denied."), "{}", said.text);
    assert!(
        read(&fleet.tree("test").join("server/conf/httpd.conf")).contains("Listen 8002"),
        "hidden and not unhidden"
    );
    assert_ne!(table("test"), table("ops"));

    let mirror = format!(
        "cd $CRDS/CRDS_server\ncrontab < /dev/null\ncsh tools/mirror_server hst ops {url} >& mirror_server.hst.ops.err\n"
    );
    fleet.on("test", &mirror);
    let log = read(&fleet.tree("test").join("CRDS_server/mirror_server.hst.ops.err"));
    assert!(log.contains("Mirroring done") && !log.contains(" ERROR "), "{log}");
    assert_eq!(table("test"), table("ops"));
    let of = |role: &str, part: &str| names(&fleet.host_root(role).join(format!("ifs/crds/hst/{role}")).join(part));
    for part in ["file_cache/mappings/hst", "file_cache/references/hst", "server_files/catalogs"] {
        assert_eq!(of("test", part), of("ops", part), "{part}");
    }
    assert_eq!(mode(&fleet.host_root("test").join("ifs/crds/hst/test/server_files/deliveries")), 0o6770);

    let tarball = fleet.root.join("home/crds/backups/catalogs.hst.ops.tar.gz");
    fs::write(&tarball, b"no archive").expect("written");
    fleet.on("test", &mirror);
    let log = read(&fleet.tree("test").join("CRDS_server/mirror_server.hst.ops.err"));
    assert!(log.contains("tar: ") && log.contains("Mirroring done"), "{log}");
    assert_eq!(of("test", "server_files/catalogs"), Vec::<String>::new());
}

/// SO 10: the nightly of OPS, section by section, with the cron table put back and the code installed without a restart.
#[test]
fn the_nightly_of_ops_runs_whole() {
    let fleet = Fleet::up("ops");
    let said =
        fleet.on("ops", "crontab < /dev/null\nsource $HOME/cronenv.csh\nnightly.crds.job\necho; crontab -l | wc -l\n");
    let rule = "=".repeat(59);
    let lines: Vec<&str> = said.text.lines().collect();
    // What stands between two rules is a title, unless the first of them closed the title before.
    let mut titles: Vec<&str> = Vec::new();
    let mut at = 0;
    while let [first, title, last, ..] = lines.get(at..).unwrap_or_default() {
        let found = *first == rule && *last == rule;
        titles.extend(found.then_some(*title));
        at += if found { 3 } else { 1 };
    }
    let expected = [
        "CRDS config",
        "CRDS subversion status",
        "CRDS_server subversion status",
        "Re-installing server",
        "Post-reinstall CRDS subversion status",
        "Post-reinstall CRDS_server subversion status",
        "Updating crontab",
        "Disk Quotas",
        "Backing up server",
        "Clearing session table",
        "Clearing expired locks",
        "Server cache check",
        "Server orphan files check",
    ];
    assert_eq!(titles, expected, "{}", said.text);
    let last: Vec<&str> = lines.iter().copied().filter(|line| line.contains(" infos")).collect();
    assert!(last.last().is_some_and(|line| line.starts_with("CRDS  : INFO ")), "{}", said.text);
    let cron = lines.last().and_then(|line| line.trim().parse::<usize>().ok());
    assert!(cron.is_some_and(|count| count > 7), "the table is back: {cron:?}");
}
