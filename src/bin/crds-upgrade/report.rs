//! `crds-upgrade report`: rebuilds the report of a run, offline.

use std::path::PathBuf;
use std::process::ExitCode;

use crds_upgrade::report::{self, Outcome};

use super::{Format, fail, print_json, run_folder};

/// Which run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run: a folder or an id [default: the latest]
    run: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Carries out the command: 0 accepted, 1 rejected, 2 incomplete.
pub fn run(args: Args) -> ExitCode {
    let folder = match run_folder(args.run.as_deref()) {
        Ok(folder) => folder,
        Err(error) => return fail(&error),
    };
    let acceptance = match report::write(&folder) {
        Ok(acceptance) => acceptance,
        Err(error) => return fail(&error),
    };
    match args.format {
        Format::Json => {
            print_json(&acceptance);
        }
        Format::Text => {
            say!("{}: {}", acceptance.verdict.as_str(), acceptance.because);
            say!("report: {}", folder.join("report/index.html").display());
        }
    }
    ExitCode::from(match acceptance.verdict {
        Outcome::Accepted => 0,
        Outcome::Rejected => 1,
        Outcome::Incomplete => 2,
    })
}
