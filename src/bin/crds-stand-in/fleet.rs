//! `crds-stand-in fleet`: bringing an embedded fleet up and down.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use crds_upgrade::stand_in::fleet::{FleetError, keeper, saved, spec, start, up};

/// What to do with the fleet.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a fleet and start it; prints `site: FILE` when it is ready
    Up(Up),
    /// End every process of a fleet; the files stay
    Down {
        /// Directory of the fleet
        #[arg(long)]
        root: PathBuf,
    },
    /// Copy a fleet that goes on running
    Save {
        /// Directory of the fleet
        #[arg(long)]
        root: PathBuf,
        /// Where the copy goes: must not exist
        #[arg(long)]
        out: PathBuf,
    },
    /// Go on with a saved fleet, at the path where it was, in a mount and network namespace of its own
    Resume {
        /// Directory of the fleet
        #[arg(long)]
        root: PathBuf,
        /// Take the fleet down when this process ends
        #[arg(long)]
        until_pid: Option<i32>,
    },
    /// Be the keeper of a fleet: cron, archive, proxies, clock (started by `up`)
    #[command(hide = true)]
    Keep {
        /// Directory of the fleet
        #[arg(long)]
        root: PathBuf,
        /// Take the fleet down when this process ends
        #[arg(long)]
        until_pid: Option<i32>,
    },
}

#[derive(Debug, clap::Args)]
struct Up {
    /// Directory of the fleet: new or empty
    #[arg(long)]
    root: PathBuf,
    /// A client cache with the rules to start from: a directory or its tar.zst [default: fixtures/rules]
    #[arg(long)]
    rules: Option<PathBuf>,
    /// Hosts, separated by commas
    #[arg(long, default_value = "dev,test,ops,scratch", value_delimiter = ',', value_parser = role)]
    hosts: Vec<spec::Role>,
    /// Account that the hosts run as, where root brings the fleet up
    #[arg(long, default_value = "crds")]
    account: String,
    /// Observatory
    #[arg(long, default_value = "hst", value_parser = ["hst", "jwst"])]
    observatory: String,
    /// Layout of the hosts
    #[arg(long, default_value = "2014")]
    layout: LayoutName,
    /// Wire dialect of the servers
    #[arg(long, default_value = "2019")]
    era: EraName,
    /// Virtual environment with the real Python client, for the hosts' tools
    #[arg(long)]
    real_client: Option<PathBuf>,
    /// Plan to copy to plan.toml instead of the historical one
    #[arg(long)]
    seed_plan: Option<PathBuf>,
    /// Take the fleet down when this process ends
    #[arg(long)]
    until_pid: Option<i32>,
    /// Begin without last night's jobs: no nightly logs and mail
    #[arg(long)]
    no_night: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LayoutName {
    #[value(name = "2014")]
    Y2014,
    #[value(name = "2019")]
    Y2019,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EraName {
    #[value(name = "2014")]
    Y2014,
    #[value(name = "2019")]
    Y2019,
    #[value(name = "now")]
    Now,
}

fn role(text: &str) -> Result<spec::Role, String> {
    spec::Role::from_name(text).ok_or_else(|| "one of dev, test, ops, scratch".to_owned())
}

/// Carries out the command.
pub fn run(args: Args) -> ExitCode {
    let done = match args.action {
        Action::Up(up) => bring_up(up),
        Action::Down { root } => start::down(&root),
        Action::Save { root, out } => saved::save(&root, &out),
        Action::Resume { root, until_pid } => saved::resume(&root, until_pid),
        Action::Keep { root, until_pid } => keeper::keep(&root, until_pid),
    };
    super::report(done)
}

fn bring_up(args: Up) -> Result<(), FleetError> {
    let options = up::Options {
        root: args.root,
        rules: args.rules,
        hosts: args.hosts,
        account: args.account,
        observatory: args.observatory,
        layout: match args.layout {
            LayoutName::Y2014 => spec::Layout::Y2014,
            LayoutName::Y2019 => spec::Layout::Y2019,
        },
        era: match args.era {
            EraName::Y2014 => spec::WireEra::Y2014,
            EraName::Y2019 => spec::WireEra::Y2019,
            EraName::Now => spec::WireEra::Now,
        },
        real_client: args.real_client,
        seed_plan: args.seed_plan,
        until_pid: args.until_pid,
        night: !args.no_night,
    };
    let site = up::up(&options)?;
    say!("site: {}", site.display());
    Ok(())
}
