//! Load, dump, load is the identity (design section 8), from many states.

use std::{collections::BTreeMap, fs, path::Path};

use crds_upgrade::stand_in::server::{Config, dump::dump, load};
use serde_json::json;

use super::{bench, mini::Load};
use crate::web_score::Score;

/// Every file below a directory with its bytes.
fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    walkdir::WalkDir::new(root)
        .into_iter()
        .flatten()
        .filter(|e| e.file_type().is_file())
        .map(|e| {
            let name = e.path().strip_prefix(root).expect("below").display().to_string();
            (name, fs::read(e.path()).expect("readable"))
        })
        .collect()
}

fn states() -> Vec<(&'static str, Load)> {
    let base = Load::ordinary;
    let actions = "date\tuser\taction\tfilename\tobservatory\tinstrument\tfilekind\twhy\tdetails\n\
        2014-01-01 00:00:00\tjdoe\tbatch submit\topus_1_i.cat\thst\t\t\ta\\tb\\nc\\\\d\tx\n";
    let users = json!([
        {"username": "jdoe", "password": "secret1", "first_name": "J", "last_name": "Doe", "email": "j@x", "is_superuser": false, "groups": ["file_submission", "z"]},
        {"username": "root", "password": "secret2", "is_superuser": true, "groups": []},
    ]);
    let locks =
        json!([{"name": "instrument$acs", "user": "jdoe", "created_on": "2014-09-16 11:00:00", "max_age": 14400}]);
    let mut all = vec![
        ("ordinary", base()),
        ("no history", base().with("history", json!([]))),
        ("no contexts", base().with("contexts", json!([]))),
        ("versions", base().with("contexts", json!([{"kind": "hst_versions_context", "context": "hst_0002.pmap"}]))),
        ("time zone", base().with("timezone", json!("UTC"))),
        ("lenient", base().with("distribution_states", json!(["archived", "operational", "delivered", "submitted", "archiving"]))),
        ("version", base().with("crds_version", json!({"str": "1.2", "rev": "3", "svnurl": "/ssb"}))),
        ("remote mode", base().with("force_remote_mode", json!(1))),
        ("archive away", base().with("archive", json!("away"))),
        ("ingest host", base().with("ingest_host", json!("elsewhere"))),
        ("counters", base().with("counters", json!([{"name": "hst_acs_darkfile_.rmap", "counter": 251}]))),
        ("users", base().with("users", users.clone())),
        ("locks", base().with("users", users.clone()).with("locks", locks)),
        ("remote contexts", base().with("remote_contexts", json!([{"name": "p", "observatory": "hst", "kind": "operational", "key": "k", "context": ""}]))),
        ("rows", base().rows(&[("abc_drk.fits", &[("description", "a\\tb\\nc\\\\d"), ("state", "archived")])])),
        ("absent rows", base().rows(&[("hst_0003.pmap", &[("absent", "")])])),
        ("odd names", base().rows(&[("weekdark_15551_0H.fits", &[("state", "uploaded")])])),
        ("defaults", base().file("references.tsv", "name\nabc_drk.fits\n").file("defaults.json", json!({"references": {"description": "by default", "size": 7}}).to_string())),
        ("actions", base().file("actions.tsv", actions)),
        ("datasets", base().file("datasets.jsonl", json!({"id": "J1:J1", "header": {"INSTRUME": "ACS"}}).to_string())),
        ("results", base().file("results.json", json!([{"id": 3, "name": "12345678-1234-1234-1234-1234567890ab", "date": "2014-01-01 00:00:00", "user": "jdoe", "kind": "batch submit", "disposition": "", "blob": {"page": "x", "n": [1, 2]}}]).to_string())),
        ("ingest", base().with("users", users).file("ingest/jdoe/new.fits", "bytes")),
        ("affected", base().file("monitor_reprocessing/2014-10-15-09:20:03_0001_0002/bestrefs.status", "0")),
        ("references with bytes", base().file("file_cache/references/hst/abc_drk.fits", "dark")),
        ("stray mapping", base().file("file_cache/mappings/hst/hst_acs_stray_0001.rmap", "stray")),
        ("config", base().file("file_cache/config/hst/server_config", "{}")),
        ("catalogues", base().file("catalogs/opus_4_i.cat", "hst_0003.pmap\n")),
    ];
    for (name, suffix) in [("delivered", ""), ("submitted", "_SUBMIT"), ("archiving", "_PROC"), ("failed", "_ERROR")] {
        let load = base()
            .rows(&[("hst_0003.pmap", &[("state", "delivered"), ("catalog_link", "opus_4_i.cat")])])
            .file("catalogs/opus_4_i.cat", "hst_0003.pmap\n")
            .file(&format!("deliveries/opus_4_i.cat{suffix}"), "hst_0003.pmap\n");
        all.push((name, load));
    }
    all
}

#[test]
fn load_dump_load_is_the_identity() {
    let mut score = Score::default();
    let all = states();
    score.step("load", "at least 30 different states", all.len() >= 30);
    for (name, load) in &all {
        let dir = tempfile::tempdir().expect("temporary directory");
        let at = |part: &str| dir.path().join(part);
        load.write(&at("a"));
        let cache = bench::cache();
        let start = |from: &Path, data: &Path| {
            let start = load::Start { cache: Some(&cache), load: Some(from), ..load::Start::default() };
            load::open(Config::ordinary(data, "hst"), data, &start).expect("loads")
        };
        drop(start(&at("a"), &at("data1")));
        dump(&at("data1"), None, &at("b")).expect("dumps");
        drop(start(&at("b"), &at("data2")));
        dump(&at("data2"), None, &at("c")).expect("dumps again");
        let (b, c) = (tree(&at("b")), tree(&at("c")));
        let differ: Vec<&String> = b.keys().chain(c.keys()).filter(|file| b.get(*file) != c.get(*file)).collect();
        score.step("load", &format!("{name}: two dumps are equal, but for {differ:?}"), differ.is_empty());
        for file in ["datasets.jsonl", "results.json", "ingest/jdoe/new.fits", "catalogs/opus_4_i.cat"] {
            if let Ok(original) = fs::read(at("a").join(file)) {
                let kept = b.get(file).cloned().unwrap_or_default();
                let same = if file.ends_with("results.json") {
                    serde_json::from_slice::<serde_json::Value>(&kept).ok() == serde_json::from_slice(&original).ok()
                } else {
                    kept == original
                };
                score.step("load", &format!("{name}: {file} comes back"), same);
            }
        }
        score.step(
            "load",
            &format!("{name}: the dump holds no mapping of the cache"),
            !b.keys().any(|f| f.ends_with("hst_0001.pmap")),
        );
    }
    score.finish("load, dump, load", 60);
}

#[test]
fn dump_changes_nothing() {
    let load = Load::ordinary().rows(&[("hst_0003.pmap", &[("state", "delivered"), ("catalog_link", "opus_4_i.cat")])]);
    let bench = bench::Bench::new(&load);
    let before = fs::read(bench.data("catalogue.sqlite")).expect("catalogue");
    let out = tempfile::tempdir().expect("temporary directory");
    dump(&bench.data(""), None, out.path()).expect("dumps");
    assert_eq!(before, fs::read(bench.data("catalogue.sqlite")).expect("catalogue"), "not even noticed states");
    let rows = fs::read_to_string(out.path().join("mappings.tsv")).expect("table");
    assert!(rows.lines().any(|l| l.starts_with("hst_0003.pmap\tdelivered\t")), "the stored state is dumped");
}

#[test]
fn links_and_modes() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let mapping = fs::read(bench::cache().join("mappings/hst/hst_0003.pmap")).expect("mapping");
    let load = Load::ordinary()
        .file("catalogs/opus_4_i.cat", "abc_drk.fits\nhst_0003.pmap\n")
        .file("deliveries/opus_4_i.cat_PROC", "abc_drk.fits\nhst_0003.pmap\n")
        .file("deliveries/hst_0003.pmap", mapping)
        .file("deliveries/abc_drk.fits", "dark")
        .file("file_cache/references/hst/abc_drk.fits", "dark")
        .file("ingest/jdoe/abc_drk.fits", "dark")
        .file("ingest/jdoe/hst_0001.pmap", "other bytes");
    let bench = bench::Bench::new(&load);
    let meta = |path: &str| fs::metadata(bench.data(path)).expect("file");
    for (a, b) in [
        ("deliveries/hst_0003.pmap", "file_cache/mappings/hst/hst_0003.pmap"),
        ("deliveries/abc_drk.fits", "file_cache/references/hst/abc_drk.fits"),
        ("ingest/jdoe/abc_drk.fits", "file_cache/references/hst/abc_drk.fits"),
        ("deliveries/opus_4_i.cat_PROC", "catalogs/opus_4_i.cat"),
    ] {
        assert_eq!(meta(a).ino(), meta(b).ino(), "{a} is a hard link to {b}");
        assert_eq!(meta(b).permissions().mode() & 0o777, 0o444, "{b} is read-only");
    }
    assert_eq!(meta("ingest/jdoe/hst_0001.pmap").nlink(), 1, "other bytes stay a file of their own");
    for (dir, mode) in
        [("deliveries", 0o6770), ("ingest", 0o6770), ("file_cache/mappings/hst", 0o6744), ("catalogs", 0o6750)]
    {
        assert_eq!(meta(dir).permissions().mode() & 0o7777, mode, "mode of {dir} (SO 3.3)");
    }
}
