//! `crds-upgrade abandon`: gives an unfinished run up, so that its site can have another.

use std::path::PathBuf;
use std::process::ExitCode;

use crds_upgrade::run::{lock, open};

use super::{fail, run_folder};

/// Which run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run: a folder or an id
    run: PathBuf,
}

/// Carries out the command.
pub fn run(args: Args) -> ExitCode {
    let done = run_folder(Some(&args.run)).and_then(|folder| {
        // A step that still runs must not lose its run under it.
        let _lock = lock::take_run(folder.path())?;
        open::finish(&folder, "abandoned").map(|()| folder)
    });
    match done {
        Ok(folder) => {
            say!("run {} is given up; its hosts are as its last step left them", folder.name());
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error),
    }
}
