//! `crds-stand-in dump`: the state of a server in the format of `--load`.

use std::{path::PathBuf, process::ExitCode};

use crds_upgrade::stand_in::server::dump::dump;

/// Options of design section 8.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The server's data directory
    #[arg(long)]
    data: PathBuf,
    /// Client cache that the server started with: what lies in it is left out; default: the one it was started with
    #[arg(long)]
    cache: Option<PathBuf>,
    /// Directory to write to; made if it is not there
    out: PathBuf,
}

/// Writes it.
pub fn run(args: Args) -> ExitCode {
    match dump(&args.data, args.cache.as_deref(), &args.out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("crds-stand-in dump: {}", super::serve::tell(&err, &err.help()));
            ExitCode::FAILURE
        }
    }
}
