//! `crds-upgrade drill`: carries out drills, several at once.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crds_upgrade::drill::stage::{self, Reach};
use crds_upgrade::drill::states::{self, States};
use crds_upgrade::drill::{Answer, Drill, DrillError, Judged, Programs, place};

use super::Format;

/// Which drills.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Drill files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// How to print: `json` is one object a line
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// How many at once
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Give up after the steps that are right to catch it: what gets past them is `missed`, never `late`
    #[arg(long)]
    quick: bool,
}

/// The copy and the drill, inside the private namespace.
#[derive(Debug, clap::Args)]
pub struct InsideArgs {
    tree: PathBuf,
    file: PathBuf,
    #[arg(long)]
    quick: bool,
}

/// Where the states go.
#[derive(Debug, clap::Args)]
pub struct RecordArgs {
    to: PathBuf,
    plan: Option<String>,
}

/// Carries out the command: 0 all caught or not applicable, 1 one was not, 2 one could not take place, 64 a bad file.
pub fn run(args: Args) -> ExitCode {
    let mut drills = Vec::new();
    let mut bad = false;
    for file in &args.files {
        match Drill::load(file) {
            Ok(drill) => drills.push(drill),
            Err(error) => {
                eprintln!("error: {error}\n  next move: {}", error.help());
                bad = true;
            }
        }
    }
    if bad {
        return ExitCode::from(64);
    }
    let programs = match Programs::find() {
        Ok(programs) => programs,
        Err(error) => return fail(&error),
    };
    let (next, worst) = (AtomicUsize::new(0), Mutex::new(0u8));
    let printing = Mutex::new(());
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.clamp(1, drills.len()) {
            scope.spawn(|| {
                while let Some(drill) = drills.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let answer = stage::carry_out(&programs, drill, reach(args.quick));
                    let _one = printing.lock();
                    let code = tell(drill, &answer, args.format);
                    if let Ok(mut worst) = worst.lock() {
                        *worst = (*worst).max(code);
                    }
                }
            });
        }
    });
    ExitCode::from(worst.into_inner().unwrap_or(70))
}

fn reach(quick: bool) -> Reach {
    if quick { Reach::Expected } else { Reach::End }
}

fn tell(drill: &Drill, answer: &Result<Answer, DrillError>, format: Format) -> u8 {
    let (answer, code) = match answer {
        Ok(answer) => {
            let good = matches!(answer.verdict, Judged::Caught | Judged::NotApplicable);
            (answer.clone(), u8::from(!good))
        }
        // A drill that could not take place was not caught: it is never told as anything better than missed.
        Err(error) => {
            (Answer::without(drill, Judged::Missed, format!("could not take place: {error}; {}", error.help())), 2)
        }
    };
    match format {
        Format::Json => match serde_json::to_string(&answer) {
            Ok(line) => say!("{line}"),
            Err(error) => eprintln!("error: {error}"),
        },
        Format::Text => {
            let verdict = serde_json::to_value(answer.verdict).ok();
            let verdict = verdict.as_ref().and_then(|value| value.as_str()).unwrap_or("?");
            say!("{verdict:<14} {} {}", answer.id, drill.title);
            if code != 0 || answer.verdict == Judged::NotApplicable {
                say!(
                    "  at {}: {}",
                    answer.caught_at.as_deref().unwrap_or("no step"),
                    answer.message.replace('\n', "\n  ")
                );
            }
        }
    }
    code
}

/// Carries out one drill inside its namespace; the answer is the last line of the output.
pub fn inside(args: InsideArgs) -> ExitCode {
    let drill = match Drill::load(&args.file) {
        Ok(drill) => drill,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(64);
        }
    };
    let answer = Programs::find().and_then(|programs| stage::inside(&programs, &drill, &args.tree, reach(args.quick)));
    match answer.map(|answer| serde_json::to_string(&answer)) {
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

/// Has the saved states ready, so that no drill's own time goes into recording them.
pub fn states() -> ExitCode {
    if !place::can_be_private() {
        eprintln!("no states are saved: this machine grants no namespaces, each drill begins from the beginning");
        return ExitCode::SUCCESS;
    }
    match Programs::find().and_then(|programs| every_state(&programs)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// The states of each plan that a shipped drill is for.
fn every_state(programs: &Programs) -> Result<(), DrillError> {
    let mut plans = std::collections::BTreeSet::from([None]);
    let files = std::fs::read_dir(programs.project.join("fixtures/drills")).into_iter().flatten().flatten();
    // A file that is no drill says so as a case of its own.
    plans.extend(files.filter_map(|file| Drill::load(&file.path()).ok()).map(|drill| drill.plan));
    plans.iter().try_for_each(|plan| States::ready(programs, plan.as_deref()).map(drop))
}

/// Records the saved states, inside a namespace.
pub fn record(args: RecordArgs) -> ExitCode {
    match Programs::find().and_then(|programs| states::record(&programs, &args.to, args.plan.as_deref())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &DrillError) -> ExitCode {
    eprintln!("{error}\n  next move: {}", error.help());
    ExitCode::from(2)
}
