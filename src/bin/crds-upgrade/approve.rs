//! `crds-upgrade approve` and `waive`: human decisions, recorded.

use std::path::PathBuf;
use std::process::ExitCode;

use crds_upgrade::run::event::Event;
use crds_upgrade::run::{Ledger, RunError};
use crds_upgrade::steps;

use super::{fail, run_folder};

/// A gate to open.
#[derive(Debug, clap::Args)]
pub struct ApproveArgs {
    /// The gate: a step (`s280_point_of_no_return`), a check whose unknown is accepted (`s270.rows_equal`), or `unknown:STEP`
    gate: String,
    /// Who decides
    #[arg(long)]
    by: String,
    /// Why
    #[arg(long)]
    note: String,
    /// No-go: take back what was approved before
    #[arg(long)]
    no_go: bool,
    /// The run [default: the latest]
    #[arg(long)]
    run: Option<PathBuf>,
}

/// A failed check to accept.
#[derive(Debug, clap::Args)]
pub struct WaiveArgs {
    /// The check, such as `s110.no_new_failure`
    check: String,
    /// Who answers for it
    #[arg(long)]
    by: String,
    /// Last day on which it counts (YYYY-MM-DD)
    #[arg(long)]
    until: jiff::civil::Date,
    /// Why it is acceptable
    #[arg(long)]
    reason: String,
    /// The run [default: the latest]
    #[arg(long)]
    run: Option<PathBuf>,
}

/// Checks that nobody can waive: who the hosts are, and what the journal and its decisions are worth.
const NEVER: [&str; 4] = ["s010.identities", "s900.journal_intact", "s900.waivers_valid", "s900.steps_complete"];

/// Records an approval.
pub fn approve(args: ApproveArgs) -> ExitCode {
    let of_step = args.gate.strip_prefix("unknown:").unwrap_or(&args.gate);
    if steps::by_id(of_step).is_none() && steps::check_by_id(&args.gate).is_none() {
        return unknown_name(&args.gate);
    }
    let (gate, by, note) = (args.gate, args.by, args.note);
    let event = if args.no_go { Event::Withdrawn { gate, by, note } } else { Event::Approved { gate, by, note } };
    record(args.run, &event)
}

/// Records a waiver.
pub fn waive(args: WaiveArgs) -> ExitCode {
    if steps::check_by_id(&args.check).is_none() {
        return unknown_name(&args.check);
    }
    if NEVER.contains(&args.check.as_str()) {
        eprintln!(
            "error: `{}` cannot be waived: by it the suite knows what it looks at and what it has seen",
            args.check
        );
        eprintln!("  next move: mend what it found, or begin a new run");
        return ExitCode::from(64);
    }
    if args.reason.trim().is_empty() {
        eprintln!("error: a waiver of `{}` without a reason", args.check);
        eprintln!("  next move: say why the failure is acceptable: `--reason`");
        return ExitCode::from(64);
    }
    let event = Event::Waived { check: args.check, by: args.by, until: args.until.to_string(), reason: args.reason };
    record(args.run, &event)
}

fn unknown_name(name: &str) -> ExitCode {
    eprintln!("error: there is no step or check `{name}`");
    let close = steps::ALL
        .iter()
        .flat_map(|step| std::iter::once(step.id).chain(step.checks.iter().map(|check| check.id)))
        .filter(|id| id.get(..4) == name.trim_start_matches("unknown:").get(..4));
    let close: Vec<&str> = close.take(40).collect();
    eprintln!(
        "  next move: name one of {}",
        if close.is_empty() { "`crds-upgrade plan`".to_owned() } else { close.join(", ") }
    );
    ExitCode::from(64)
}

fn record(run: Option<PathBuf>, event: &Event) -> ExitCode {
    match try_record(run, event) {
        Ok(text) => {
            say!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}

fn try_record(run: Option<PathBuf>, event: &Event) -> Result<String, RunError> {
    let folder = run_folder(run.as_deref())?;
    let ledger = Ledger::read(&folder.entries()?);
    if let Some(how) = &ledger.finished {
        return Err(RunError::Refused {
            what: format!("run {} is finished ({how})", folder.name()),
            help: "decide in the run that is under way: `--run`".to_owned(),
        });
    }
    let kind = ledger.opened.map(|opened| opened.site_kind).unwrap_or_default();
    let by = match event {
        Event::Approved { by, .. } | Event::Withdrawn { by, .. } | Event::Waived { by, .. } => by.trim(),
        _ => "",
    };
    if by.is_empty() || (by.eq_ignore_ascii_case("rehearsal") && kind == "real") {
        return Err(RunError::Refused {
            what: format!("`{by}` cannot decide on a site of kind `{kind}`"),
            help: "give the name of the person who decides: `--by`".to_owned(),
        });
    }
    let seq = folder.journal()?.append(None, 0, event)?;
    Ok(format!("recorded as entry {seq} of run {}", folder.name()))
}
