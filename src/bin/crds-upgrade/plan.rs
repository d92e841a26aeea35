//! `crds-upgrade plan`: what each step would run, look at and change, without a connection.

use std::path::PathBuf;
use std::process::ExitCode;

use crds_upgrade::plan::{self, Outline};

use crate::check::{chain, load};

/// Prints what each step would run, look at and change. Reaches no host.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Plan file.
    #[arg(long, env = "CRDS_UPGRADE_PLAN")]
    plan: Option<PathBuf>,
    /// Site file; without one, hosts have no names.
    #[arg(long, env = "CRDS_UPGRADE_SITE")]
    site: Option<PathBuf>,
    /// How to print.
    #[arg(long, value_parser = ["text", "json"], default_value = "text")]
    format: String,
    /// Only steps whose name begins so.
    #[arg(long)]
    step: Option<String>,
}

/// Runs the command: 0 = printed, 1 = the files are wrong, 2 = they could not be read.
pub fn run(args: Args) -> ExitCode {
    let site_given = args.site.is_some() || std::path::Path::new("site.toml").exists();
    let (plan, site) = load(args.plan, args.site);
    let wrong = [plan.as_ref().err(), site.as_ref().err().filter(|_| site_given)];
    let mut status = None;
    for error in wrong.into_iter().flatten() {
        eprintln!("{}\n    help: {}", chain(error), error.help());
        let worst = if error.problems().is_empty() { 2 } else { 1 };
        status = Some(status.map_or(worst, |before: u8| before.max(worst)));
    }
    let plan = match (plan, status) {
        (Ok(plan), None) => plan,
        (_, status) => return ExitCode::from(status.unwrap_or(2)),
    };
    let site = site.ok();
    let mut steps = plan::outline(&plan.plan, site.as_ref());
    steps.retain(|step| args.step.as_ref().is_none_or(|wanted| step.id.starts_with(wanted.as_str())));
    if args.format == "json" {
        say!("{}", serde_json::json!({ "plan": plan.plan.id, "digest": plan.digest, "steps": steps }));
        return ExitCode::SUCCESS;
    }
    say!("{} ({})\n", plan.plan.title, plan.plan.id);
    for step in &steps {
        print(step);
    }
    ExitCode::SUCCESS
}

fn print(step: &Outline) {
    say!("{}  [{}]  {}", step.id, step.class, step.title);
    let part = |name: &str, lines: &[String]| {
        for (index, line) in lines.iter().enumerate() {
            say!("    {:9}{line}", if index == 0 { name } else { "" });
        }
    };
    part("looks at", &step.looks_at);
    part("runs", &step.runs);
    part("changes", &step.changes);
    if step.changes.is_empty() {
        say!("    {:9}nothing", "changes");
    } else {
        say!("    {:9}{}", "way back", step.way_back);
    }
    part("checks", &step.checks);
    say!("");
}
