//! `crds-upgrade status` and `watch`: where a run stands.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crds_upgrade::report::{Acceptance, Outcome};
use crds_upgrade::run::progress::{self, Progress};
use crds_upgrade::run::{Folder, Ledger, RunError};
use serde::Serialize;

use super::{Format, fail, print_json, run_folder};

/// Which run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run: a folder or an id [default: the latest]
    run: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Which run, and how often to look.
#[derive(Debug, clap::Args)]
pub struct WatchArgs {
    /// The run: a folder or an id [default: the latest]
    run: Option<PathBuf>,
    /// Seconds between two looks
    #[arg(long, default_value_t = 2.0)]
    every: f64,
}

#[derive(Serialize)]
struct Status {
    run: String,
    verdict: Outcome,
    because: String,
    running: Option<Running>,
    finished: Option<String>,
    steps: Vec<(String, String)>,
}

#[derive(Serialize)]
struct Running {
    step: String,
    number: usize,
    of: usize,
    host: Option<String>,
    since: String,
    pid: u32,
    alive: bool,
    progress: Option<Progress>,
}

/// Prints the status once: 0 accepted, 1 rejected, 2 otherwise.
pub fn run(args: Args) -> ExitCode {
    match run_folder(args.run.as_deref()).and_then(|folder| look(&folder)) {
        Ok(status) => {
            match args.format {
                Format::Json => {
                    print_json(&status);
                }
                Format::Text => say!("{}", text(&status).trim_end()),
            }
            code(&status)
        }
        Err(error) => fail(&error),
    }
}

/// Prints what changes until no step is running.
pub fn watch(args: WatchArgs) -> ExitCode {
    let folder = match run_folder(args.run.as_deref()) {
        Ok(folder) => folder,
        Err(error) => return fail(&error),
    };
    // Not a number is no period either.
    let every = Duration::try_from_secs_f64(args.every.clamp(0.1, 3600.0)).unwrap_or(Duration::from_secs(1));
    let mut before = String::new();
    let mut resting = 0;
    loop {
        let status = match look(&folder) {
            Ok(status) => status,
            Err(error) => return fail(&error),
        };
        let line = one_line(&status);
        if line != before {
            say!("{line}");
            before = line;
        }
        // Between two steps nothing runs for a moment; a run rests when that lasts.
        resting = if status.running.as_ref().is_some_and(|running| running.alive) { 0 } else { resting + 1 };
        if resting > 2 || status.finished.is_some() {
            return code(&status);
        }
        std::thread::sleep(every);
    }
}

fn look(folder: &Folder) -> Result<Status, RunError> {
    let entries = folder.entries()?;
    let ledger = Ledger::read(&entries);
    let acceptance = Acceptance::of(&ledger, &entries, folder)?;
    let of = acceptance.steps.len();
    let running =
        acceptance.steps.iter().enumerate().find(|(_, step)| ledger.step(step.id).open).map(|(index, step)| {
            let state = ledger.step(step.id);
            let alive = i32::try_from(state.pid)
                .ok()
                .and_then(rustix::process::Pid::from_raw)
                .is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok());
            let host = entries.iter().rev().find_map(|entry| match &entry.event {
                crds_upgrade::run::event::Event::Call { host, .. } if entry.step.as_deref() == Some(step.id) => {
                    Some(host.clone())
                }
                _ => None,
            });
            Running {
                step: step.id.to_owned(),
                number: index + 1,
                of,
                host,
                since: state.started.clone().unwrap_or_default(),
                pid: state.pid,
                alive,
                progress: progress::read(folder, step.id),
            }
        });
    Ok(Status {
        run: acceptance.run.clone(),
        verdict: acceptance.verdict,
        because: acceptance.because.clone(),
        running,
        finished: ledger.finished.clone(),
        steps: acceptance.steps.iter().map(|step| (step.id.to_owned(), step.verdict.to_owned())).collect(),
    })
}

fn text(status: &Status) -> String {
    let mut lines = vec![one_line(status)];
    for (id, verdict) in &status.steps {
        lines.push(format!("  {verdict:<9} {id}"));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn one_line(status: &Status) -> String {
    let head = format!("run {}: {} ({})", status.run, status.verdict.as_str(), status.because);
    let Some(running) = &status.running else { return head };
    let host = running.host.as_deref().map(|host| format!(" on {host}")).unwrap_or_default();
    let state = if running.alive { "running" } else { "was killed; run the same command again" };
    let far = running.progress.as_ref().map(|far| match far.of {
        0 => format!("; {}: {} {}", far.what, far.done, far.unit),
        of => format!("; {}: {} of {of} {}", far.what, far.done, far.unit),
    });
    format!(
        "{head}\nstep {} of {}: {}{host}, since {}, process {} {state}{}",
        running.number,
        running.of,
        running.step,
        running.since,
        running.pid,
        far.unwrap_or_default()
    )
}

fn code(status: &Status) -> ExitCode {
    ExitCode::from(match status.verdict {
        Outcome::Accepted => 0,
        Outcome::Rejected => 1,
        Outcome::Incomplete => 2,
    })
}
