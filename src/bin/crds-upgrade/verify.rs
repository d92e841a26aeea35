//! `crds-upgrade verify`: proves that journal, evidence and report of a run are as written.

use std::path::PathBuf;
use std::process::ExitCode;

use crds_upgrade::report::verify::verify;

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

/// Carries out the command: 0 all as written, 1 something is not, 2 it could not be read.
pub fn run(args: Args) -> ExitCode {
    let proof = match run_folder(args.run.as_deref()).and_then(|folder| verify(&folder)) {
        Ok(proof) => proof,
        Err(error) => return fail(&error),
    };
    match args.format {
        Format::Json => {
            print_json(&proof);
        }
        Format::Text => {
            for line in &proof.wrong {
                say!("wrong: {line}");
            }
            let report = match proof.report {
                None => "no report yet",
                Some(true) => "the report follows from them",
                Some(false) => "the report does not follow from them",
            };
            say!("{} journal entries, {} pieces of evidence, {report}", proof.entries, proof.evidence);
            say!("{}", if proof.wrong.is_empty() { "verified" } else { "NOT verified" });
        }
    }
    ExitCode::from(u8::from(!proof.wrong.is_empty()))
}
