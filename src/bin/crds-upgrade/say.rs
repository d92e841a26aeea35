//! Printing that does not panic when nobody reads any more (`crds-upgrade plan | head`).

use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stdout};

/// Prints a line to standard output.
macro_rules! say {
    ($($text:tt)*) => { crate::say::line(format_args!($($text)*)) };
}

/// Prints a line. A reader who left misses the rest, and the command ends with the status that it would have ended with;
/// any other failure ends it here, because what is lost may be what was asked for.
#[expect(clippy::disallowed_methods, reason = "a command that prints, never a step, where it would count as a pass")]
pub fn line(text: Arguments<'_>) {
    let mut out = stdout().lock();
    if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush())
        && error.kind() != ErrorKind::BrokenPipe
    {
        eprintln!("error: standard output cannot be written: {error}");
        eprintln!("  next move: look whether the disk that it goes to is full");
        std::process::exit(70);
    }
}
