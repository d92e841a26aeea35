//! `crds-upgrade`: the operator's command. Argument parsing and printing only.
//!
//! Exit codes: 0 pass, 1 fail, 2 unknown, 64 usage, 70 internal.

#[macro_use]
mod say;

mod abandon;
mod affected;
mod approve;
mod bestrefs;
mod check;
mod drill;
mod kills;
mod open_run;
mod plan;
mod report;
mod status;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use crds_upgrade::run::{Folder, RunError};

/// Rules are a hundred thousand small pieces of memory: with this a fifth less time goes by than with the system's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The upgrade of a CRDS server as ordered, evidenced, rehearsed test cases.
#[derive(Debug, Parser)]
#[command(version)]
enum Command {
    /// Judge plan and site, every problem at once, without touching anything
    Check(check::Args),
    /// What each step would run, look at and change, without a connection
    Plan(plan::Args),
    /// Where a run stands
    Status(status::Args),
    /// The same, again and again until the run rests
    Watch(status::WatchArgs),
    /// Record a human decision that opens a gate
    Approve(approve::ApproveArgs),
    /// Record a human decision that accepts a failed check until a date
    Waive(approve::WaiveArgs),
    /// Give an unfinished run up; it is never used again
    Abandon(abandon::Args),
    /// Rebuild the report of a run, offline
    Report(report::Args),
    /// Prove that journal, evidence and report of a run are as written
    Verify(verify::Args),
    /// Carry out drills: seeded faults that a step must catch
    Drill(drill::Args),
    /// One drill, inside its namespace
    #[command(hide = true)]
    DrillInside(drill::InsideArgs),
    /// Have the states ready that drills start from: recorded now if these programs have none
    #[command(hide = true)]
    DrillStates,
    /// Record the states that drills start from, inside a namespace
    #[command(hide = true)]
    DrillRecord(drill::RecordArgs),
    /// Kill steps at N points of a rehearsal and count what was done twice or lost
    Kills(kills::Args),
    /// One kill, inside its namespace
    #[command(hide = true)]
    KillInside(kills::InsideArgs),
    /// Best references of datasets under one context
    Bestrefs(bestrefs::Args),
    /// Datasets whose best references change between two contexts
    Affected(affected::Args),
    /// Open or resume the run of a nextest invocation (its setup script)
    #[command(hide = true)]
    OpenRun(open_run::Args),
    /// Refuse an invocation that runs other tests along with the steps (a setup script)
    #[command(hide = true)]
    OnlySteps,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For machines
    Json,
}

fn main() -> ExitCode {
    let command = match Command::try_parse() {
        Ok(command) => command,
        Err(error) => {
            // `--help` and `--version` come this way too, and are no misuse.
            let misuse = error.use_stderr();
            let _ = error.print();
            return ExitCode::from(if misuse { 64 } else { 0 });
        }
    };
    match command {
        Command::Check(args) => check::run(args),
        Command::Plan(args) => plan::run(args),
        Command::Status(args) => status::run(args),
        Command::Watch(args) => status::watch(args),
        Command::Approve(args) => approve::approve(args),
        Command::Waive(args) => approve::waive(args),
        Command::Abandon(args) => abandon::run(args),
        Command::Report(args) => report::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Drill(args) => drill::run(args),
        Command::DrillInside(args) => drill::inside(args),
        Command::DrillStates => drill::states(),
        Command::DrillRecord(args) => drill::record(args),
        Command::Kills(args) => kills::run(args),
        Command::KillInside(args) => kills::inside(args),
        Command::Bestrefs(args) => bestrefs::run(args),
        Command::Affected(args) => affected::run(args),
        Command::OpenRun(args) => open_run::run(args),
        Command::OnlySteps => open_run::only_steps(),
    }
}

/// The folder of all runs: `CRDS_UPGRADE_RUNS`, else `runs` here.
pub fn runs() -> PathBuf {
    std::env::var_os("CRDS_UPGRADE_RUNS").map_or_else(|| PathBuf::from("runs"), PathBuf::from)
}

/// The run that an argument names: a folder, the id of one below `runs`, or nothing for the latest.
///
/// # Errors
///
/// If there is none.
pub fn run_folder(named: Option<&Path>) -> Result<Folder, RunError> {
    match named {
        None => Folder::at(&runs().join("latest")),
        Some(path) if path.exists() => Folder::at(path),
        Some(path) => Folder::at(&runs().join(path)),
    }
}

/// Prints an error with its next move and turns it into an exit code: what was tampered with failed, all else is unknown.
pub fn fail(error: &RunError) -> ExitCode {
    eprintln!("error: {error}");
    eprintln!("  next move: {}", error.help());
    ExitCode::from(if matches!(error, RunError::Tampered { .. }) { 1 } else { 2 })
}

/// Prints a value as JSON.
pub fn print_json(value: &impl serde::Serialize) -> ExitCode {
    match serde_json::to_string_pretty(value) {
        Ok(text) => {
            say!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: the answer cannot be written as JSON: {error}");
            ExitCode::from(70)
        }
    }
}
