//! `crds-upgrade kills`: kills steps at many points and counts what was done twice or lost.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crds_upgrade::drill::states::States;
use crds_upgrade::drill::{DrillError, Programs, kills};

/// How many.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Points, evenly over both sides of every journal entry of a rehearsal
    number: usize,
    /// Only writes of this kind of entry, such as `fact`, `intent` or `done`
    #[arg(long, value_name = "KIND")]
    of: Option<String>,
    /// How many at once
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

/// The copy, what it is compared with, the step and the point.
#[derive(Debug, clap::Args)]
pub struct InsideArgs {
    tree: PathBuf,
    after: PathBuf,
    step: String,
    at: String,
}

/// Carries out the command: 0 nothing was done twice or lost, 1 something was, 2 it could not take place.
pub fn run(args: Args) -> ExitCode {
    match try_run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => fail(&error),
    }
}

fn try_run(args: &Args) -> Result<bool, DrillError> {
    let programs = Programs::find()?;
    let states = States::ready(&programs, None)?;
    let points = kills::points(&states, args.number, args.of.as_deref())?;
    if points.is_empty() {
        return Err(DrillError::new(
            "there is no point to kill at",
            "carry out a clean rehearsal first: `ci/rehearse`",
        ));
    }
    let (next, tally) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.clamp(1, points.len()) {
            scope.spawn(|| {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let killed = kills::carry_out(&programs, &states, point);
                    let Ok(mut tally) = tally.lock() else { return };
                    tell(point, &killed);
                    match killed {
                        Ok(killed) if !killed.good() => tally.bad += 1,
                        Ok(killed) if killed.died => tally.good += 1,
                        Ok(_) => tally.not_reached += 1,
                        Err(_) => tally.failed += 1,
                    }
                }
            });
        }
    });
    let Tally { good, bad, not_reached, failed } = tally.into_inner().unwrap_or_default();
    say!(
        "{} points: {good} deaths without an effect twice or lost, {bad} with one or not resumed, {not_reached} not reached \
         (no death, no proof), {failed} could not take place",
        points.len()
    );
    Ok(good > 0 && bad == 0 && failed == 0 && not_reached * NOT_REACHED <= points.len())
}

/// One in so many points may not be reached: what some entries are about holds a time, such as the name of a backup.
const NOT_REACHED: usize = 10;

#[derive(Default)]
struct Tally {
    good: usize,
    bad: usize,
    not_reached: usize,
    failed: usize,
}

fn tell(point: &kills::Point, killed: &Result<kills::Killed, DrillError>) {
    match killed {
        Ok(killed) => {
            let verdict = match (killed.good(), killed.died) {
                (false, _) => "BAD",
                (true, true) => "good",
                (true, false) => "none: not reached",
            };
            say!("{verdict:<5} {} in {}: {}", point.at, point.step, shown(&point.about));
            if !killed.resumed {
                say!("  not resumed: {}", killed.failure.replace('\n', "\n  "));
            }
            killed.differences.iter().for_each(|line| say!("  {line}"));
        }
        Err(error) => say!("NONE  {} in {}: {error}", point.at, point.step),
    }
}

fn shown(about: &str) -> String {
    about.chars().take(120).collect()
}

/// Carries out one kill inside its namespace; the answer is the last line of the output.
pub fn inside(args: InsideArgs) -> ExitCode {
    let killed =
        Programs::find().and_then(|programs| kills::inside(&programs, &args.tree, &args.after, &args.step, &args.at));
    match killed.map(|killed| serde_json::to_string(&killed)) {
        Ok(Ok(line)) => {
            say!("{line}");
            ExitCode::SUCCESS
        }
        Ok(Err(error)) => {
            eprintln!("{error}");
            ExitCode::from(70)
        }
        Err(error) => fail(&error),
    }
}

fn fail(error: &DrillError) -> ExitCode {
    eprintln!("{error}\n  next move: {}", error.help());
    ExitCode::from(2)
}
