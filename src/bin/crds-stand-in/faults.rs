//! `crds-stand-in faults`: the fault knobs and how to set them.

use std::process::ExitCode;

use crds_upgrade::stand_in::server::faults::{CRASH_POINTS, KNOBS};

/// No options.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Prints them.
pub fn run(_: Args) -> ExitCode {
    println!(
        "A knob is a file in `faults/` of the data directory; removing the file switches it off. No restart needed."
    );
    println!("Example: echo 'hst_acs_*' > DATA/faults/wrong_bytes");
    println!();
    let width = KNOBS.iter().map(|knob| knob.name.len()).max().unwrap_or(0);
    for knob in KNOBS {
        let text = if knob.text.is_empty() { String::new() } else { format!(" [text: {}]", knob.text) };
        println!("{:width$}  {} ({}){text}", knob.name, knob.does, knob.from);
    }
    println!();
    println!("Crash points: {}", CRASH_POINTS.join(", "));
    println!(
        "`archive/state` with the word `away` takes the archive database away (B056); links in `deliveries/` play the archive."
    );
    ExitCode::SUCCESS
}
