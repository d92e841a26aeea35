//! `crds-stand-in`: the rehearsal server, its fleet and the tools of its hosts. Argument parsing and printing only.

#[macro_use]
#[path = "../crds-upgrade/say.rs"]
mod say;

mod clock;
mod derive;
mod dump;
mod faults;
mod fleet;
mod serve;
mod submissions;
mod tool;

use std::process::ExitCode;

use clap::Parser;
use crds_upgrade::stand_in::fleet::FleetError;

/// Catalogues, listings and rules are many small pieces of memory. Without huge pages, which a rehearsal's thousands of short
/// processes would each clear for nothing.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Stand-ins for CRDS servers and their hosts, to rehearse upgrades on.
#[derive(Debug, Parser)]
#[command(version)]
enum Command {
    /// Carry out recorded derivation cases
    Derive(derive::Args),
    /// Make the files that the rehearsal plans submit
    Submissions(submissions::Args),
    /// One server on plain http
    Serve(serve::Args),
    /// The state of a server, stopped or running, in the format of `serve --load`
    Dump(dump::Args),
    /// The fault knobs and how to set them
    Faults(faults::Args),
    /// An embedded fleet: three hosts and a scratch host
    Fleet(fleet::Args),
    /// The clock of a fleet
    Clock(clock::Args),
}

fn main() -> ExitCode {
    if let Some(ended) = tool::by_name() {
        return ended;
    }
    match Command::parse() {
        Command::Derive(args) => derive::run(args),
        Command::Submissions(args) => submissions::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Dump(args) => dump::run(args),
        Command::Faults(args) => faults::run(args),
        Command::Fleet(args) => fleet::run(args),
        Command::Clock(args) => clock::run(args),
    }
}

/// Prints why a command on a fleet failed, and the next move.
fn report(done: Result<(), FleetError>) -> ExitCode {
    let Err(error) = done else { return ExitCode::SUCCESS };
    eprintln!("error: {error}");
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        eprintln!("  because: {inner}");
        cause = inner.source();
    }
    eprintln!("  help: {}", error.help());
    ExitCode::FAILURE
}
