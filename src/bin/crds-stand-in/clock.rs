//! `crds-stand-in clock`: the clock of a fleet, from the operator's side.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use crds_upgrade::stand_in::fleet::clock::Clock;
use crds_upgrade::stand_in::fleet::order::Order;
use crds_upgrade::stand_in::fleet::spec::Fleet;
use crds_upgrade::stand_in::fleet::{FleetError, mail, order};
use crds_upgrade::stand_in::tools::machine::duration;

/// Which clock and what to do with it.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
    /// Directory of the fleet
    #[arg(long, global = true, default_value = ".")]
    root: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show fleet time
    Now,
    /// Let time pass and run what falls due: 90, 5m, 3h, 1d
    Step {
        /// How long
        length: String,
        /// Run every job passed over, however long the step
        #[arg(long)]
        every_job: bool,
    },
    /// Run the lines of a host's cron table that contain a text now, whatever the time
    Job {
        /// The host's role
        host: String,
        /// Part of the command
        part: String,
    },
    /// Set the clock without running anything, such as 2014-09-17T03:04:00 (New York)
    Set {
        /// The local time
        time: jiff::civil::DateTime,
    },
}

/// Carries out the command.
pub fn run(args: Args) -> ExitCode {
    super::report(carry_out(args))
}

fn carry_out(args: Args) -> Result<(), FleetError> {
    let root = std::path::absolute(&args.root).map_err(|source| FleetError::file("find", &args.root, source))?;
    let fleet = Fleet::load(&root)?;
    let clock = Clock::open(&fleet.clock())?;
    match args.action {
        Action::Now => {}
        Action::Step { length, every_job } => {
            let bad = || FleetError::Process {
                what: "clock step".to_owned(),
                why: format!("`{length}` is no length of time"),
            };
            order::step(&fleet, duration(&length).ok_or_else(bad)?, every_job)?;
        }
        Action::Job { host, part } => order::give(&fleet, &Order::Cron { host, job: part })?,
        Action::Set { time } => {
            let bad = |error: jiff::Error| FleetError::Process { what: "clock set".to_owned(), why: error.to_string() };
            clock.set(time.to_zoned(mail::zone()).map_err(bad)?.timestamp())?;
        }
    }
    say!("{}", clock.now()?.to_zoned(mail::zone()).strftime("%Y-%m-%d %H:%M:%S %Z"));
    Ok(())
}
