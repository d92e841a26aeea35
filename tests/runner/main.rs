//! Every runner flag and variable that could skip, reorder, repeat or force steps ends in a refusal, and nothing is executed.
//!
//! The runner is started for real, on a site whose only host cannot be reached: what got through would be seen in the
//! journal.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crds_upgrade::run::Folder;

/// A site of one host that does not answer, and a place for runs.
struct Bench {
    folder: tempfile::TempDir,
    site: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let site = folder.path().join("site.toml");
        let text = format!(
            "schema = \"crds-upgrade/site/1\"\nname = \"nowhere\"\nkind = \"embedded\"\nobservatory = \"hst\"\narchive_dir = \"{0}\"\n\
             waiting = \"real\"\ntime_zone = \"America/New_York\"\n[repositories]\ncrds = \"file://{0}/svn/crds\"\n\
             crds_server = \"file://{0}/svn/crds_server\"\n[hosts.ops]\nlayout = \"2014\"\nera = \"2019\"\nroot = \"{0}\"\n\
             transport = \"local\"\nenter = [\"/bin/false\"]\n[hosts.ops.identity]\nuname = \"plhstcrdsv1\"\naccount = \"crds\"\n\
             use_case = \"ops\"\ndatabase = \"crds_hst\"\ndirect_url = \"https://127.0.0.1:8001/\"\n\
             hidden_url = \"https://127.0.0.1:8002/\"\nproxy_url = \"https://127.0.0.1:8443/\"\n",
            folder.path().display()
        );
        fs::write(&site, text).expect("writes");
        Self { folder, site }
    }

    fn runs(&self) -> PathBuf {
        self.folder.path().join("runs")
    }

    /// nextest as an operator starts it, with nothing of the runner that this test runs under.
    fn nextest(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // Only what is needed is built: the steps, and one other binary that a flag could bring in.
        command.args(["nextest", "run", "--locked", "--color", "never", "--test", "upgrade", "--test", "tidy"]);
        command.args(arguments);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            // What cargo tells a test about itself would make it build everything anew.
            // How things are built stays as it is: else the inner run would build everything once more.
            let build = name.starts_with("CARGO_PROFILE_")
                || matches!(name.as_str(), "CARGO_HOME" | "CARGO_TARGET_DIR" | "CARGO_INCREMENTAL");
            let told = name.starts_with("CARGO_") && !build;
            // `OUT_DIR` is this package's own; the build script of a dependency would run again because it is set.
            let told = told || name == "OUT_DIR";
            if told || ["NEXTEST", "INSTA", "CRDS_", "__NEXTEST"].iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command
            .env("CRDS_UPGRADE_SITE", &self.site)
            .env("CRDS_UPGRADE_PLAN", project().join("fixtures/plans/hst-opus-2014.3.toml"))
            .env("CRDS_UPGRADE_RUNS", self.runs())
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .envs(variables.iter().copied())
            .current_dir(project())
            .stdin(Stdio::null());
        command.output().expect("cargo nextest starts")
    }

    /// What every journal of the bench says, one word an entry.
    fn journaled(&self) -> Vec<&'static str> {
        let folders = Folder::all(&self.runs()).expect("lists");
        folders
            .iter()
            .flat_map(|folder| folder.entries().expect("reads"))
            .map(|entry| entry.event.kind())
            .filter(|kind| !matches!(*kind, "opened" | "invoked" | "reported"))
            .collect()
    }
}

fn project() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Puts a host into the bench's site that answers every question alike, and notes each in `asked`.
fn answering(bench: &Bench, answer: &str) -> PathBuf {
    let (asked, enter) = (bench.folder.path().join("asked"), bench.folder.path().join("enter"));
    let script = format!("#!/bin/sh\necho \"$*\" >> '{}'\nprintf '{answer}'\n", asked.display());
    fs::write(&enter, script).expect("writes");
    fs::set_permissions(&enter, fs::Permissions::from_mode(0o755)).expect("may be executed");
    let site = fs::read_to_string(&bench.site).expect("reads").replace("/bin/false", &enter.to_string_lossy());
    fs::write(&bench.site, site).expect("writes");
    asked
}

/// The run is refused with these words, and no step wrote a line.
fn refused(arguments: &[&str], variables: &[(&str, &str)], words: &str) {
    let bench = Bench::new();
    let output = bench.nextest(arguments, variables);
    let text = said(&output);
    assert!(!output.status.success(), "{arguments:?} {variables:?} ended well:\n{text}");
    assert!(text.contains(words), "{arguments:?} {variables:?} should say `{words}`:\n{text}");
    assert_eq!(bench.journaled(), Vec::<&str>::new(), "{arguments:?} {variables:?} executed something");
}

const STEPS: [&str; 2] = ["--profile", "rehearsal"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    STEPS.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn more_threads_are_refused() {
    refused(&with(&["-j", "8"]), &[], "steps run one at a time, but 8 threads were asked for");
    refused(&STEPS, &[("NEXTEST_TEST_THREADS", "8")], "steps run one at a time, but 8 threads were asked for");
}

#[test]
fn retries_are_refused() {
    refused(&with(&["--retries", "2"]), &[], "a step is never retried, but 3 attempts were asked for");
    refused(&STEPS, &[("NEXTEST_RETRIES", "2")], "a step is never retried, but 3 attempts were asked for");
}

#[test]
fn repetition_is_refused() {
    refused(&with(&["--stress-count", "2"]), &[], "a step is never repeated");
}

#[test]
fn forced_snapshots_are_refused() {
    refused(&STEPS, &[("INSTA_FORCE_PASS", "1")], "INSTA_FORCE_PASS=1 would let a changed state pass");
    refused(&STEPS, &[("INSTA_UPDATE", "always")], "INSTA_UPDATE=always would let a changed state pass");
}

#[test]
fn other_tests_in_a_profile_of_steps_are_refused() {
    refused(&with(&["--ignore-default-filter"]), &[], "this profile carries out the steps and nothing else");
}

#[test]
fn a_filter_that_skips_a_step_is_refused() {
    refused(&with(&["-E", "test(s470)"]), &[], "blocked: `s470_review_logs` needs");
}

#[test]
fn steps_do_not_run_under_the_default_profile() {
    let steps = ["--ignore-default-filter", "-E", "binary(upgrade)"];
    refused(&steps, &[], "steps do not run under the nextest profile `default`");
}

#[test]
fn ops_is_for_real_sites() {
    refused(&["--profile", "ops"], &[], "profile `ops` does not work on a site of kind `embedded`");
    refused(
        &["--profile", "ops"],
        &[("CRDS_UPGRADE_SITE", "/nowhere/site.toml")],
        "failed to read `/nowhere/site.toml`",
    );
}

#[test]
fn a_host_that_is_another_is_asked_who_it_is_and_nothing_else() {
    let bench = Bench::new();
    let test_server =
        r"uname=tlhstcrdsv1\naccount=crds\nobservatory=hst\nuse_case=test\nboot=1\ndatabase=crds_hst_test\n";
    let asked = answering(&bench, test_server);
    let output = bench.nextest(&STEPS, &[]);
    let text = said(&output);
    assert!(!output.status.success(), "{text}");
    for words in [
        "check s010.identities failed on",
        "host name of ops: expected `plhstcrdsv1`, seen `tlhstcrdsv1`",
        "use case of ops: expected `ops`, seen `test`",
        "database of ops: expected `crds_hst`, seen `crds_hst_test`",
    ] {
        assert!(text.contains(words), "should say `{words}`:\n{text}");
    }
    let asked = fs::read_to_string(asked).expect("the host was asked");
    assert_eq!(asked.lines().count(), 1, "only who it is was asked:\n{asked}");
    assert!(!bench.journaled().contains(&"intent"));
}

#[test]
fn ops_reads_nothing_from_a_host_that_it_cannot_recognise() {
    let bench = Bench::new();
    let site = fs::read_to_string(&bench.site).expect("reads");
    let root = format!("root = \"{}\"\n", bench.folder.path().display());
    let site = site.replace("kind = \"embedded\"", "kind = \"real\"").replace(&root, "");
    let site =
        site.replace("transport = \"local\"\nenter = [\"/bin/false\"]", "transport = \"ssh\"\naddress = \"127.0.0.1\"");
    fs::write(&bench.site, site).expect("writes");
    let output = bench.nextest(&["--profile", "ops"], &[]);
    let text = said(&output);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("check s010.identities failed on"), "{text}");
    assert!(text.contains("host `plhstcrdsv1` is reached by `ssh`"), "{text}");
    let journaled = bench.journaled();
    assert!(!journaled.contains(&"call") && !journaled.contains(&"intent"), "{journaled:?}");
}

#[test]
fn without_fail_fast_nothing_after_a_failure_is_executed() {
    let bench = Bench::new();
    let output = bench.nextest(&with(&["--no-fail-fast"]), &[]);
    let text = said(&output);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("blocked: "), "{text}");
    let folders = Folder::all(&bench.runs()).expect("lists");
    let entries = folders.iter().flat_map(|folder| folder.entries().expect("reads"));
    let steps: std::collections::BTreeSet<String> = entries.filter_map(|entry| entry.step).collect();
    assert!(steps.len() <= 1, "one step may have begun: {steps:?}");
    assert!(!bench.journaled().contains(&"intent"));
}

#[test]
fn no_steps_selected_is_a_failure_and_never_a_run() {
    let nothing = ["-E", "test(=no_such_step)"];
    let bench = Bench::new();
    let output = bench.nextest(&with(&nothing), &[]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let output = bench.nextest(&with(&[&nothing[..], &["--no-tests=pass"]].concat()), &[]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(!bench.runs().exists(), "nothing is written to a run");
}

#[test]
fn plain_cargo_test_is_refused() {
    let steps = crds_upgrade::drill::Programs::find().expect("the steps are built").steps;
    let mut command = Command::new(steps);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("NEXTEST")) {
        command.env_remove(name);
    }
    let output = command.current_dir(Path::new(&project())).stdin(Stdio::null()).output().expect("starts");
    let text = said(&output);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("steps run under cargo-nextest only, not under `cargo test`"), "{text}");
}
