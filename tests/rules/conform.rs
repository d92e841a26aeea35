//! Fresh headers, answered by the real client and by us, lookup by lookup and print by print.
//!
//! The short form (a few thousand lookups) belongs to every test run; `CRDS_UPGRADE_CONFORM=full` compares more than
//! 200,000. The client comes from `ci/client-venv` (from the Python package index, once).

use std::path::{Path, PathBuf};
use std::process::Command;

use crds_upgrade::rules::affected::{self, Mode, Options, SinceMode};
use crds_upgrade::rules::input::Source;
use crds_upgrade::rules::input::json::Entry;
use crds_upgrade::rules::{Context, Lookup, reformat_date};
use serde_json::Value;

use crate::data;
use crate::golden::headers;

/// Observatory, contexts, seed, share of dirty headers, share of JWST headers that name a calibration version, switches
/// under which the prints are compared once more.
type Pair = (&'static str, &'static str, &'static str, u32, &'static str, &'static str, &'static [&'static str]);

const PAIRS: [Pair; 9] = [
    ("hst", "0250", "0310", 101, "0.25", "0", &["--undefined-differences-matter", "--datasets-since=auto"]),
    ("hst", "0300", "0350", 102, "0.4", "0", &["--diffs-only", "--datasets-since=auto"]),
    ("hst", "0260", "0400", 103, "0.25", "0", &["--diffs-only", "--all-types"]),
    ("hst", "0254", "0280", 104, "0.4", "0", &["--datasets-since=2005-06-01", "--skip-types=darkfile"]),
    ("hst", "0390", "0400", 105, "0.4", "0", &["--all-types", "--types=biasfile"]),
    ("jwst", "0100", "0250", 106, "0.4", "0.7", &["--diffs-only", "--types=flat"]),
    ("jwst", "0200", "0300", 107, "0.25", "0", &["--diffs-only", "--undefined-differences-matter"]),
    ("jwst", "0290", "0300", 108, "0.4", "0.5", &["--all-types", "--datasets-since=auto"]),
    (
        "jwst",
        "0000",
        "0150",
        109,
        "0.25",
        "0.7",
        &["--types=flat", "--skip-types=flat", "--undefined-differences-matter"],
    ),
];

/// Our mode for switches of the client.
fn mode(switches: &[&str]) -> Mode {
    let mut mode = Mode::default();
    for switch in switches {
        match switch.split_once('=').unwrap_or((switch, "")) {
            ("--undefined-differences-matter", "") => mode.comparison.undefined_matters = true,
            ("--all-types", "") => mode.comparison.all_types = true,
            ("--diffs-only", "") => mode.diffs_only = true,
            ("--types", name) => mode.comparison.types = Some(vec![name.to_owned()]),
            ("--skip-types", name) => mode.comparison.skip_types = vec![name.to_owned()],
            ("--datasets-since", "auto") => mode.since = SinceMode::Auto,
            ("--datasets-since", date) => mode.since = SinceMode::Date(reformat_date(date).expect("a date")),
            _ => panic!("switch {switch}"),
        }
    }
    mode
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|why| panic!("{command:?}: {why}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed:\n{errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Added to every seed: `CRDS_UPGRADE_CONFORM_SEED`, so that headers nobody has seen yet can be compared.
fn more_seed() -> u32 {
    std::env::var("CRDS_UPGRADE_CONFORM_SEED")
        .map_or(0, |seed| seed.parse().expect("CRDS_UPGRADE_CONFORM_SEED: a number"))
}

/// The long form, which takes minutes.
fn is_full() -> bool {
    std::env::var("CRDS_UPGRADE_CONFORM").is_ok_and(|form| form == "full")
}

/// Where the client's word is kept, and the switches it was given. The short form gives most pairs no switches.
fn passes(folder: &Path, at: usize, switches: &'static [&'static str]) -> Vec<(PathBuf, &'static [&'static str])> {
    let switched = (is_full() || at % 4 == 1).then(|| (folder.join("switched"), switches));
    [(folder.to_owned(), &[][..])].into_iter().chain(switched).collect()
}

/// Runs the client over fresh headers; the folder with what it said.
fn record(venv: &str, cache: &Path, generator: &Path, at: usize, count: usize, out: &Path) -> PathBuf {
    let (observatory, old, new, seed, dirty, versions, switches) = PAIRS[at];
    let (old, new) = (format!("{observatory}_{old}.pmap"), format!("{observatory}_{new}.pmap"));
    let folder = out.join(format!("{observatory}_{at}"));
    std::fs::create_dir_all(&folder).expect("writable");
    let headers = folder.join("headers.json");
    run(Command::new("python3")
        .arg(generator)
        .arg("--mappings")
        .arg(cache.join("mappings"))
        .args(["--obs", observatory, "--contexts", &format!("{old},{new}"), "--count", &count.to_string()])
        .args(["--seed", &(seed + more_seed()).to_string(), "--dirty", dirty, "--cal-ver", versions])
        .arg("--out")
        .arg(&headers));
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("run under cargo or nextest");
    for (out, switches) in passes(&folder, at, switches) {
        run(Command::new(Path::new(venv).join("bin/python"))
            .arg(Path::new(&root).join("tests/rules/client/record.py"))
            .args(["--old", &old, "--new", &new, "--headers"])
            .arg(&headers)
            .arg("--out")
            .arg(&out)
            .arg("--")
            .args(switches)
            .env("CRDS_PATH", cache)
            .env("CRDS_OBSERVATORY", observatory)
            .env("CRDS_SERVER_URL", "https://crds-serverless-mode.stsci.edu")
            .env("CRDS_READONLY_CACHE", "1")
            .env_remove("CRDS_CONTEXT"));
    }
    folder
}

/// Compares what the client said with what we say; the number of lookups compared.
fn compare(cache: &Path, at: usize, folder: &Path) -> usize {
    let (observatory, old, new, .., switches) = PAIRS[at];
    let context = |n: &str| Context::load(cache, &format!("{observatory}_{n}.pmap")).expect("a context of the cache");
    let contexts = [("old", context(old)), ("new", context(new))];
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("the client's word");
    let headers_file = folder.join("headers.json");
    let headers = headers(&read("headers.json"));
    let mut lookup = Lookup::new();
    let (mut compared, mut different) = (0, Vec::new());
    for line in read("lookups.jsonl").lines() {
        let record: Value = serde_json::from_str(line).expect("JSON");
        let id = record["id"].as_str().expect("an id");
        for (side, context) in &contexts {
            let ours = lookup.best_references(context, &headers[id], None);
            let theirs = record.get(*side);
            match (&ours, theirs) {
                (Ok(ours), Some(theirs)) => {
                    let theirs = theirs.as_object().expect("a map");
                    compared += theirs.len().max(ours.len());
                    for name in ours.keys().chain(theirs.keys()) {
                        let own = ours.get(name).map(crds_upgrade::rules::Best::to_json);
                        if own.as_ref() != theirs.get(name) {
                            different.push(format!("{id} {side} {name}: ours {own:?}, theirs {:?}", theirs.get(name)));
                        }
                    }
                }
                (Err(_), None) => {}
                // The client asks the old context only when the new one has answered.
                (Ok(_), None) if *side == "old" && record.get("new_error").is_some() => {}
                _ => different.push(format!("{id} {side}: ours {ours:?}, theirs {theirs:?}")),
            }
        }
    }
    let [(_, old_context), (_, new_context)] = &contexts;
    let passes = passes(folder, at, switches);
    for (folder, switches) in &passes {
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("the client's word");
        let mode = mode(switches);
        let datasets = headers.iter().map(|(id, header)| (id.clone(), Entry::Header(header.clone())));
        let ours = affected::compute(old_context, new_context, datasets, &mode).expect("loads");
        let lines = |lines: Vec<String>| lines.into_iter().map(|line| line + "\n").collect::<String>();
        let prints = [
            ("affected", lines(ours.products().into_iter().collect())),
            ("details", lines(ours.details().collect())),
            ("newrefs", lines(ours.new_references().collect())),
        ];
        for (name, print) in prints {
            assert_eq!(print, read(&format!("{name}.txt")), "{observatory} {old} -> {new} {switches:?}: {name}");
        }
        // The quick way through the file, which tells the products only.
        let source = Source::Path(headers_file.clone());
        let options = Options { products_only: true, ..Options::default() };
        let quick = affected::compute_source(old_context, new_context, &source, &mode, &options);
        let quick = lines(quick.expect("read").products().into_iter().collect());
        assert_eq!(quick, read("affected.txt"), "{observatory} {old} -> {new} {switches:?}: the quick way");
    }
    let shown = different[..different.len().min(10)].join("\n");
    assert!(
        different.is_empty(),
        "{observatory} {old} -> {new}: {} of {compared} differ, such as\n{shown}",
        different.len()
    );
    println!(
        "{observatory}_{old} -> {observatory}_{new}: {compared} lookups compared, 0 differences; prints equal under {:?}",
        passes.iter().map(|(_, switches)| switches.join(" ")).collect::<Vec<_>>()
    );
    compared
}

#[test]
fn the_real_client_says_the_same() {
    let (Some(cache), Some(folder)) = (data::cache(), data::folder("rules-data")) else { return };
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("run under cargo or nextest");
    let venv = run(&mut Command::new(Path::new(&root).join("ci/client-venv")));
    let venv = venv.lines().last().expect("a path").to_owned();
    let full = is_full();
    let out = tempfile::tempdir().expect("a temporary directory");
    let generator = folder.join("gen_headers.py");
    let mut compared = 0;
    for (at, (observatory, ..)) in PAIRS.iter().enumerate() {
        let jwst = *observatory == "jwst";
        let count = match (full, jwst) {
            (true, true) => 700,
            (true, false) => 900,
            (false, _) => 40,
        };
        let folder = record(&venv, cache, &generator, at, count, out.path());
        compared += compare(cache, at, &folder);
    }
    println!("{compared} lookups compared, 0 differences");
    assert!(compared >= if full { 200_000 } else { 5_000 }, "too few lookups: {compared}");
}
