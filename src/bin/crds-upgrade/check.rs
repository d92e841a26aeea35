//! `crds-upgrade check`: judges plan and site whole, without touching anything.

use std::path::PathBuf;
use std::process::ExitCode;

use crds_upgrade::plan::{self, LoadError, PlanFile, Problem, Site};

/// Judges plan and site: every problem at once, with file, line and help. Reaches no host.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Plan file.
    #[arg(long, env = "CRDS_UPGRADE_PLAN")]
    plan: Option<PathBuf>,
    /// Site file.
    #[arg(long, env = "CRDS_UPGRADE_SITE")]
    site: Option<PathBuf>,
    /// How to print.
    #[arg(long, value_parser = ["text", "json"], default_value = "text")]
    format: String,
}

/// Runs the command: 0 = both are valid, 1 = there are problems, 2 = a file could not be judged.
pub fn run(args: Args) -> ExitCode {
    let (plan, site) = load(args.plan, args.site);
    let mut problems: Vec<Problem> = Vec::new();
    let mut unread = Vec::new();
    for error in [plan.as_ref().err(), site.as_ref().err()].into_iter().flatten() {
        match error.problems() {
            [] => unread.push(format!("{}\n    help: {}", chain(error), error.help())),
            some => problems.extend_from_slice(some),
        }
    }
    if let (Ok(plan), Ok(site)) = (&plan, &site) {
        problems.extend(plan::misfits(plan, site));
    }
    if args.format == "json" {
        say!("{}", serde_json::json!({ "problems": problems, "unread": unread }));
    } else {
        for text in problems.iter().map(ToString::to_string).chain(unread.iter().cloned()) {
            say!("{text}\n");
        }
        match (&plan, &site) {
            (Ok(plan), Ok(site)) if problems.is_empty() => {
                say!("plan `{}` and site `{}` are valid and fit each other", plan.plan.id, site.name);
            }
            _ => say!("{} problem(s)", problems.len() + unread.len()),
        }
    }
    match (problems.is_empty(), unread.is_empty()) {
        (_, false) => ExitCode::from(2),
        (false, true) => ExitCode::from(1),
        (true, true) => ExitCode::SUCCESS,
    }
}

/// Reads both files; the usual names are `plan.toml` and `site.toml` here.
pub fn load(plan: Option<PathBuf>, site: Option<PathBuf>) -> (Result<PlanFile, LoadError>, Result<Site, LoadError>) {
    let plan = plan.unwrap_or_else(|| PathBuf::from("plan.toml"));
    let site = site.unwrap_or_else(|| PathBuf::from("site.toml"));
    (PlanFile::load(&plan), Site::load(&site))
}

/// An error with all its causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
