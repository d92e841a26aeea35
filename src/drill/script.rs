//! Playing the runner, and the one who breaks things.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use regex::Regex;

use super::{Drill, DrillError, Programs, Whose};
use crate::run::{Folder, Ledger, UNLOOKED, Verdict, harness, kill, pause};

/// The longest that one step of a drill may take, real time.
const STEP_LIMIT: Duration = Duration::from_secs(420);

/// The longest that an injection may take.
const INJECT_LIMIT: Duration = Duration::from_secs(60);

/// How long after its start a process may still become the program that is waited for.
const SETTLED: Duration = Duration::from_secs(2);

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepEnd {
    /// Whether the runner would go on.
    pub green: bool,
    /// Whether it ended without a word of its own, as a process does that is killed.
    pub silent: bool,
    /// The text of the failure; empty if green.
    pub failure: String,
    /// Checks that were judged and did not pass.
    pub red: Vec<String>,
}

/// The names of the tests of the steps, by step.
///
/// # Errors
///
/// If the binary cannot be asked.
pub fn tests(programs: &Programs) -> Result<BTreeMap<String, String>, DrillError> {
    let asked = Command::new(&programs.steps).args(["--list", "--format", "terse"]).stdin(Stdio::null()).output();
    let output = asked.map_err(DrillError::file("run", &programs.steps))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(names.map(|name| (name.rsplit("::").next().unwrap_or(name).to_owned(), name.to_owned())).collect())
}

/// Runs one step as nextest would.
///
/// # Errors
///
/// If it cannot be run at all.
pub fn step(programs: &Programs, test: &str, id: &str, run: &Path) -> Result<StepEnd, DrillError> {
    step_with(programs, test, id, run, &[])
}

/// As [`step`], with more variables.
///
/// # Errors
///
/// As [`step`].
pub fn step_with(
    programs: &Programs,
    test: &str,
    id: &str,
    run: &Path,
    more: &[(&str, &str)],
) -> Result<StepEnd, DrillError> {
    let mut command = Command::new(&programs.steps);
    command
        .args(["--exact", test, "--nocapture"])
        .current_dir(&programs.project)
        .envs([
            ("NEXTEST", "1"),
            ("NEXTEST_EXECUTION_MODE", "process-per-test"),
            ("NEXTEST_PROFILE", "rehearsal"),
            ("NEXTEST_TEST_THREADS", "1"),
            ("NEXTEST_TOTAL_ATTEMPTS", "1"),
            ("NEXTEST_STRESS_TOTAL", "none"),
            ("NEXTEST_RUN_ID", "drill"),
            ("INSTA_UPDATE", "no"),
            ("INSTA_FORCE_PASS", "0"),
            ("RUST_BACKTRACE", "0"),
        ])
        .env("INSTA_WORKSPACE_ROOT", &programs.project)
        .env("CARGO_MANIFEST_DIR", &programs.project)
        .env(harness::RUN_VARIABLE, run)
        .env_remove(kill::VARIABLE)
        .env_remove(pause::VARIABLE)
        .envs(more.iter().copied());
    let ended = limited(&mut command, b"", STEP_LIMIT).map_err(DrillError::file("run", &programs.steps))?;
    if ended.success {
        return Ok(StepEnd { green: true, silent: false, failure: String::new(), red: Vec::new() });
    }
    let state = Folder::at(run)
        .and_then(|folder| folder.entries())
        .map(|entries| Ledger::read(&entries).step(id))
        .unwrap_or_default();
    let red = state
        .checks
        .values()
        // A check that the step never came to has not turned red: it did not look.
        .filter(|row| matches!(row.verdict, Verdict::Failed | Verdict::Unknown) && row.observed != UNLOOKED)
        .map(|row| row.id.clone())
        .collect();
    let said = ended.output.find("Error: ").map(|at| ended.output[at + 7..].to_owned());
    let silent = said.is_none();
    let failure = match (state.message, said) {
        (Some(message), _) if !state.open => message,
        (_, Some(said)) => said,
        _ => format!("{id}: {}\n{}", ended.how, tail(&ended.output)),
    };
    Ok(StepEnd { green: false, silent, failure, red })
}

/// Carries out the injection of a drill on its host.
///
/// # Errors
///
/// If it fails: then the drill has not taken place.
pub fn inject(drill: &Drill, fleet: &Path) -> Result<(), DrillError> {
    let mut command = match drill.on {
        Whose::Host(role) => {
            let mut command = Command::new(fleet.join("hosts").join(role.key()).join("enter"));
            // A drill may use any program of the machine, which a host's own path does not have.
            command.args([
                "tcsh",
                "-c",
                "exec env PATH=${PATH}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin /bin/sh -eu",
            ]);
            command
        }
        Whose::Operator => operator(fleet),
    };
    let shell = command.get_program().to_owned();
    let ended = limited(&mut command, drill.inject.as_bytes(), INJECT_LIMIT)
        .map_err(DrillError::file("run", Path::new(&shell)))?;
    if ended.success {
        return Ok(());
    }
    Err(DrillError::new(
        format!("the injection on {} did not work ({}): {}", drill.on, ended.how, tail(&ended.output)),
        format!("mend `inject` in `{}`", drill.file.display()),
    ))
}

/// The operator's shell: in the fleet's folder, with this program on the path and the run in `RUN`.
fn operator(fleet: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    let runs = fleet.join("runs");
    command.arg("-eu").current_dir(fleet).env("RUN", runs.join("latest")).env("CRDS_UPGRADE_RUNS", &runs);
    if let Ok(own) = std::env::current_exe() {
        let here = own.parent().unwrap_or(Path::new(".")).to_owned();
        let known = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(here).chain(std::env::split_paths(&known));
        command.envs(std::env::join_paths(paths).ok().map(|joined| ("PATH", joined)));
    }
    command
}

/// Waits until a process whose command line matches is started on the host; `false` if told to stop first.
pub fn wait_for_process(fleet: &Path, drill: &Drill, when: &Regex, stop: &AtomicBool) -> bool {
    // The file was refused if it names no host here.
    let Whose::Host(role) = drill.on else { return false };
    let root = format!("HOST_ROOT={}", fleet.join("hosts").join(role.key()).join("root").display());
    let own = fs::read_link("/proc/self/ns/mnt").ok();
    let mut seen: BTreeMap<u32, Instant> = BTreeMap::new();
    while !stop.load(Ordering::SeqCst) {
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // A process becomes another program soon after it was started or never: older ones are not read again.
            if seen.entry(pid).or_insert_with(Instant::now).elapsed() > SETTLED {
                continue;
            }
            let path = entry.path();
            let Ok(line) = fs::read(path.join("cmdline")) else { continue };
            if line.is_empty() || !when.is_match(&String::from_utf8_lossy(&line).replace('\0', " ")) {
                continue;
            }
            // Other drills have fleets at the same path, in other namespaces.
            let same = fs::read_link(path.join("ns/mnt")).ok() == own;
            let environment = fs::read(path.join("environ")).unwrap_or_default();
            if same && environment.split(|byte| *byte == 0).any(|pair| pair == root.as_bytes()) {
                return true;
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

/// Waits until a file is there; `false` if told to stop first.
pub fn wait_for_file(file: &Path, stop: &AtomicBool) -> bool {
    while !stop.load(Ordering::SeqCst) {
        if file.exists() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    false
}

struct Ended {
    success: bool,
    how: String,
    output: String,
}

/// Runs a command in a process group of its own, both outputs together, and kills the group at the limit.
fn limited(command: &mut Command, stdin: &[u8], limit: Duration) -> std::io::Result<Ended> {
    let (mut reader, writer) = std::io::pipe()?;
    command.stdin(Stdio::piped()).stdout(writer.try_clone()?).stderr(writer).process_group(0);
    let mut child = command.spawn()?;
    // The command keeps the write end otherwise, and reading would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(mut pipe) = child.stdin.take() {
        // A program that ends without reading is no error here.
        let _ = pipe.write_all(stdin);
    }
    let reading = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = reader.by_ref().take(1 << 20).read_to_end(&mut bytes);
        bytes
    });
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if began.elapsed() > limit {
            if let Some(group) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            child.wait()?;
            break None;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    // Something that the command left behind may hold the pipe: what was read by then is enough.
    let waited = Instant::now();
    while !reading.is_finished() && waited.elapsed() < Duration::from_millis(500) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = if reading.is_finished() { reading.join().unwrap_or_default() } else { Vec::new() };
    Ok(Ended {
        success: status.is_some_and(|status| status.success()),
        how: status.map_or_else(|| format!("not ended after {} s", limit.as_secs()), |status| status.to_string()),
        output: String::from_utf8_lossy(&output).into_owned(),
    })
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}
