//! `crds-stand-in`: the rehearsal server, its fleet and the tools of its hosts. Argument parsing and printing only.

mod serve;

use std::process::ExitCode;

use clap::Parser;

/// Stand-ins for CRDS servers and their hosts, to rehearse upgrades on.
#[derive(Debug, Parser)]
#[command(version)]
enum Command {
    /// One server on plain http
    Serve(serve::Args),
}

fn main() -> ExitCode {
    match Command::parse() {
        Command::Serve(args) => serve::run(args),
    }
}
