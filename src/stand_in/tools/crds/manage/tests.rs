//! `manage.py test`: the runner of Django 1.6 at verbosity 2, in every shape of SO 14.

use std::collections::BTreeMap;
use std::fs;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::outcome::{Bench, Verdict};
use super::suite::{self, Found, Test};
use crate::stand_in::tools::crds::maintenance::{access, database, operational_error};
use crate::stand_in::tools::crds::mysql;
use crate::stand_in::tools::crds::python::{Job, source};
use crate::stand_in::tools::crds::rpc::Server;
use crate::stand_in::tools::crds::rules::Rules;

const RULE: &str = "======================================================================";
const THIN: &str = "----------------------------------------------------------------------";

/// `test [labels] --verbosity=2`: ends 1 with failures or errors.
pub fn main(job: &mut Job<'_>) -> i32 {
    let labels: Vec<String> = job.args.iter().filter(|arg| !arg.starts_with('-') && !arg.is_empty()).cloned().collect();
    let Some(site) = job.site() else { return 1 };
    let observatory = site.text("OBSERVATORY").unwrap_or_default().to_owned();
    let found = suite::discover(&mut job.importer, &observatory, &labels);
    for line in &found.printed {
        job.say(line);
    }
    let live = match database(job) {
        Ok(live) => live,
        Err(error) => return operational_error(job, &error),
    };
    let mut test_access = access(job);
    test_access.name = format!("test_{}", test_access.name);
    let name = test_access.name.clone();
    let path = mysql::file(&name);
    job.say(format!("Creating test database for alias 'default' ('{name}')..."));
    if path.exists()
        && let Some(status) = left_over(job, &name, &path)
    {
        return status;
    }
    if let Err(error) = fs::write(&path, b"") {
        job.complain(format!(
            "Got an error creating the test database: (1006, \"Can't create database '{name}' ({error})\")"
        ));
        return 2;
    }
    let connection = match mysql::open(&test_access) {
        Ok(connection) => connection,
        Err(error) => return operational_error(job, &error),
    };
    if super::create_tables(job, &connection).is_none() {
        return 1;
    }
    job.say("Installing custom SQL ...");
    job.say("Installing indexes ...");
    job.say("Installed 0 object(s) from 0 fixture(s)");
    scratch();
    let server_code =
        job.importer.file_of("crds.server.settings").and_then(Path::parent).map(Path::to_owned).unwrap_or_default();
    let cache = site.file_cache().unwrap_or_default();
    let context = live.query_row(
        &format!("SELECT context FROM crds_{observatory}_contexts WHERE kind = ?1"),
        [format!("{observatory}_operational_context")],
        |row| row.get::<_, String>(0),
    );
    let facts = facts(job, &observatory, context.as_deref().unwrap_or(""), &cache, site.url().unwrap_or_default());
    let bench = Bench { server_code, facts, database: &connection, server: Server::of_environment(), cache };
    let status = run(job, &found, &bench);
    scratch();
    drop(connection);
    job.say(format!("Destroying test database for alias 'default' ('{name}')..."));
    if let Err(error) = fs::remove_file(&path) {
        job.complain(format!("OperationalError: (1008, \"Can't drop database '{name}'; {error}\")"));
    }
    status
}

/// A test database that an earlier run left: asks what to do; without an answer the run dies.
fn left_over(job: &mut Job<'_>, name: &str, path: &Path) -> Option<i32> {
    job.say(format!(
        "Got an error creating the test database: (1007, \"Can't create database '{name}'; database exists\")"
    ));
    let _ =
        write!(job.out, "Type 'yes' if you would like to try deleting the test database '{name}', or 'no' to cancel: ");
    let _ = job.out.flush();
    let mut answer = String::new();
    if std::io::stdin().lock().read_line(&mut answer).unwrap_or(0) == 0 {
        job.complain("Traceback (most recent call last):\nEOFError: EOF when reading a line");
        return Some(1);
    }
    if answer.trim() != "yes" {
        job.say("Tests cancelled.");
        return Some(1);
    }
    job.say("Destroying old test database 'default'...");
    match fs::remove_file(path) {
        Ok(()) => None,
        Err(error) => {
            job.complain(format!("Got an error recreating the test database: {error}"));
            Some(2)
        }
    }
}

/// Empties the scratch caches. An inherited CRDS_REFPATH is taken for one of them, as it once was (fault A001).
fn scratch() {
    let of = |name: &str, below: &str| std::env::var(name).ok().map(|dir| Path::new(&dir).join(below));
    let inherited = ["CRDS_REFPATH", "CRDS_MAPPATH"].iter().filter_map(|name| of(name, ""));
    for dir in [of("CRDS", "test"), of("CRDS_IFS", "test")].into_iter().flatten().chain(inherited) {
        for entry in fs::read_dir(&dir).into_iter().flatten().filter_map(Result::ok) {
            let path = entry.path();
            let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }
}

/// What tests call `self.x`: from the live database, the cache and the configuration.
fn facts(job: &Job<'_>, observatory: &str, context: &str, cache: &Path, url: String) -> BTreeMap<&'static str, String> {
    let mut rules = Rules::new(&cache.join("mappings").join(observatory));
    let closure = rules.closure(context).unwrap_or_default();
    let first = |extension: &str| closure.iter().find(|name| name.ends_with(extension)).cloned().unwrap_or_default();
    let (imap, mut rmap) = (first(".imap"), first(".rmap"));
    let mut reference = String::new();
    for name in closure.iter().filter(|name| name.ends_with(".rmap")) {
        if let Ok(named) = rules.mapping(name)
            && let Some(found) = named.references.iter().find(|name| name.ends_with(".fits"))
        {
            reference.clone_from(found);
            rmap.clone_from(name);
            break;
        }
    }
    let instrument = imap.split('_').nth(1).unwrap_or("").to_owned();
    let version = job.importer.file_of("crds").and_then(|file| fs::read(file).ok()).and_then(|bytes| {
        let lines = source::logical_lines(&bytes).ok()?;
        source::assigned(&lines, "__version__").and_then(source::unquoted).map(str::to_owned)
    });
    BTreeMap::from([
        ("observatory", observatory.to_owned()),
        ("context", context.to_owned()),
        ("imap", imap),
        ("rmap", rmap),
        ("reference", reference),
        ("instrument", instrument),
        ("version", version.unwrap_or_default()),
        ("url", url),
    ])
}

fn run(job: &mut Job<'_>, found: &Found, bench: &Bench<'_>) -> i32 {
    let started = Instant::now();
    let mut errors: Vec<(String, Vec<String>)> = Vec::new();
    let mut failures: Vec<(String, Vec<String>)> = Vec::new();
    for (module, traceback) in &found.broken {
        job.say(format!("{module} (unittest.loader.ModuleImportFailure) ... ERROR"));
        errors.push((format!("{module} (unittest.loader.ModuleImportFailure)"), traceback.clone()));
    }
    for test in &found.tests {
        let title = format!("{} ({})", test.name, test.place());
        match &test.doc {
            Some(doc) => {
                job.say(&title);
                let _ = write!(job.out, "{doc} ... ");
            }
            None => {
                let _ = write!(job.out, "{title} ... ");
            }
        }
        let _ = job.out.flush();
        let (verdict, log) = bench.run(test);
        for line in &log {
            job.say(line);
        }
        match verdict {
            Verdict::Ok => job.say("ok"),
            Verdict::Fail(why) => {
                job.say("FAIL");
                failures.push((title, traceback(bench, test, &why)));
            }
            Verdict::Error(why) => {
                job.say("ERROR");
                errors.push((title, traceback(bench, test, &why)));
            }
        }
        let _ = job.out.flush();
    }
    job.say("");
    for (word, blocks) in [("ERROR", &errors), ("FAIL", &failures)] {
        for (title, lines) in blocks {
            job.say(RULE);
            job.say(format!("{word}: {title}"));
            job.say(THIN);
            for line in lines {
                job.say(line);
            }
            job.say("");
        }
    }
    job.say(THIN);
    let count = found.tests.len() + found.broken.len();
    let plural = if count == 1 { "" } else { "s" };
    job.say(format!("Ran {count} test{plural} in {:.3}s\n", started.elapsed().as_secs_f64()));
    let mut parts = Vec::new();
    if !failures.is_empty() {
        parts.push(format!("failures={}", failures.len()));
    }
    if !errors.is_empty() {
        parts.push(format!("errors={}", errors.len()));
    }
    if parts.is_empty() {
        job.say("OK");
        return 0;
    }
    job.say(format!("FAILED ({})", parts.join(", ")));
    1
}

fn traceback(bench: &Bench<'_>, test: &Test, why: &str) -> Vec<String> {
    let file: PathBuf = bench.server_code.join(&test.app).join("tests.py");
    vec![
        "Traceback (most recent call last):".to_owned(),
        format!("  File \"{}\", line {}, in {}", file.display(), test.line, test.name),
        format!("    {}", test.body),
        why.to_owned(),
    ]
}
