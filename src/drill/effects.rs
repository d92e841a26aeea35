//! What a fleet's hosts hold, counted: to see whether something was done twice or lost.
//!
//! Files by name with numbers blotted out (dates, serials and process ids differ from run to run), revisions of the
//! repositories, rows of the databases. Logs, sockets and the suite's own run folder are not effects.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::DrillError;
use crate::stand_in::fleet::keeper::archive::{STAGES, TAKEN};

/// Parts of a path that make it no effect.
const NOISE: [&str; 12] = [
    "/runs/",
    "/run/",
    "/logs/",
    "/locks/",
    "/tmp/",
    "/archive/",
    "/proc/",
    "/cron/",
    "/bin/",
    "memcached",
    ".err",
    ".pid",
];

/// Tables whose rows come and go by themselves.
const PASSING: [&str; 3] = ["django_session", "jpoll_message", "jpoll_channel"];

/// Counts what lies below `tree`.
///
/// # Errors
///
/// If it cannot be walked or a database cannot be read.
pub fn count(tree: &Path) -> Result<BTreeMap<String, i64>, DrillError> {
    let mut counts = BTreeMap::new();
    for entry in walkdir::WalkDir::new(tree) {
        let entry =
            entry.map_err(|error| DrillError::new(error.to_string(), "see that nothing else changes the tree"))?;
        let name = format!("/{}", entry.path().strip_prefix(tree).unwrap_or(entry.path()).display());
        if entry.file_type().is_file() && entry.file_name() == TAKEN {
            // Delivered is what the archive has taken and what it has yet to take: when it comes is no effect of a step.
            let text = fs::read_to_string(entry.path()).map_err(DrillError::file("read", entry.path()))?;
            text.lines().for_each(|line| *counts.entry(blot(&format!("/{line}"))).or_default() += 1);
            continue;
        }
        if !entry.file_type().is_file() || NOISE.iter().any(|part| name.contains(part)) {
            continue;
        }
        if name.starts_with("/svn/") {
            // Of a repository the number of revisions is the effect; its files follow from it.
            if name.ends_with("/db/current") {
                let text = fs::read_to_string(entry.path()).map_err(DrillError::file("read", entry.path()))?;
                counts.insert(name, text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(-1));
            }
            continue;
        }
        if is_database(entry.path()) {
            rows(entry.path(), &name, &mut counts)?;
            continue;
        }
        *counts.entry(blot(as_delivered(&name))).or_default() += 1;
    }
    Ok(counts)
}

/// What differs between two counts, in one line each.
pub fn differences(expected: &BTreeMap<String, i64>, seen: &BTreeMap<String, i64>) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = expected.keys().chain(seen.keys()).collect();
    names
        .into_iter()
        .map(|name| (name, expected.get(name).copied().unwrap_or(0), seen.get(name).copied().unwrap_or(0)))
        .filter(|(_, expected, seen)| expected != seen)
        .map(|(name, expected, seen)| format!("{name}: {expected} in a clean run, {seen} here"))
        .collect()
}

/// The name of a link that waits for the archive, without how far the archive is with it.
fn as_delivered(name: &str) -> &str {
    let stage = STAGES.iter().find(|stage| !stage.is_empty() && name.ends_with(**stage));
    stage.filter(|_| name.contains("/deliveries/")).and_then(|stage| name.strip_suffix(stage)).unwrap_or(name)
}

fn blot(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for letter in name.chars() {
        if !letter.is_ascii_digit() {
            out.push(letter);
        } else if !out.ends_with('#') {
            out.push('#');
        }
    }
    out
}

fn is_database(path: &Path) -> bool {
    use std::io::Read as _;
    let mut head = [0u8; 16];
    fs::File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && &head == b"SQLite format 3\0"
}

fn rows(path: &Path, name: &str, counts: &mut BTreeMap<String, i64>) -> Result<(), DrillError> {
    let fail = |error: rusqlite::Error| DrillError::new(format!("{}: {error}", path.display()), "look at the database");
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(fail)?;
    database.busy_timeout(std::time::Duration::from_secs(10)).map_err(fail)?;
    let mut tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").map_err(fail)?;
    let names: Vec<String> = tables.query_map([], |row| row.get(0)).map_err(fail)?.filter_map(Result::ok).collect();
    for table in names.iter().filter(|table| !PASSING.contains(&table.as_str()) && !table.starts_with("sqlite_")) {
        let quoted = table.replace('"', "\"\"");
        let number =
            database.query_row(&format!("SELECT count(*) FROM \"{quoted}\""), [], |row| row.get(0)).map_err(fail)?;
        counts.insert(format!("{name} {table}"), number);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_row_file_or_revision_is_seen() {
        let tree = tempfile::tempdir().expect("a temporary directory");
        let put = |name: &str, text: &str| {
            let path = tree.path().join(name);
            fs::create_dir_all(path.parent().unwrap_or(tree.path()))
                .and_then(|()| fs::write(path, text))
                .expect("writes");
        };
        put("svn/crds/db/current", "7\n");
        put("hosts/ops/root/data/2014-09-16-031007/dump.mysql", "x");
        put("hosts/ops/root/logs/error_log", "x");
        let database = Connection::open(tree.path().join("catalog")).expect("opens");
        database.execute_batch("CREATE TABLE history (id INTEGER); INSERT INTO history VALUES (1)").expect("writes");
        let deliveries = "hosts/ops/root/server_files/deliveries";
        put(&format!("{deliveries}/opus_7.cat_PROC"), "hst_acs.rmap\n");
        put(&format!("{deliveries}/hst_acs.rmap"), "x");
        let before = count(tree.path()).expect("counts");
        assert_eq!(before.len(), 5, "{before:?}");

        for name in ["opus_7.cat_PROC", "hst_acs.rmap"] {
            fs::remove_file(tree.path().join(deliveries).join(name)).expect("is taken");
        }
        put("hosts/ops/run/archive.taken", &format!("{deliveries}/opus_7.cat\n{deliveries}/hst_acs.rmap\n"));
        assert_eq!(differences(&before, &count(tree.path()).expect("counts")), Vec::<String>::new());

        put("svn/crds/db/current", "8\n");
        put("hosts/ops/root/data/2014-09-16-031008/dump.mysql", "x");
        database.execute_batch("INSERT INTO history VALUES (2)").expect("writes");
        let after = count(tree.path()).expect("counts");
        assert_eq!(differences(&before, &after).len(), 3);
        assert_eq!(differences(&before, &before), Vec::<String>::new());
    }
}
