//! `crds-stand-in faults`: the fault knobs and how to set them.

use std::process::ExitCode;

use crds_upgrade::stand_in::server::faults::{CRASH_POINTS, KNOBS};

/// No options.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Prints them.
pub fn run(_: Args) -> ExitCode {
    say!("A knob is a file in `faults/` of the data directory; removing the file switches it off. No restart needed.");
    say!("Example: echo 'hst_acs_*' > DATA/faults/wrong_bytes");
    say!("");
    let width = KNOBS.iter().map(|knob| knob.name.len()).max().unwrap_or(0);
    for knob in KNOBS {
        let text = if knob.text.is_empty() { String::new() } else { format!(" [text: {}]", knob.text) };
        say!("{:width$}  {} ({}){text}", knob.name, knob.does, knob.from);
    }
    say!("");
    say!("Crash points: {}", CRASH_POINTS.join(", "));
    say!(
        "`archive/state` with the word `away` takes the archive database away (B056); links in `deliveries/` play the archive."
    );
    ExitCode::SUCCESS
}
