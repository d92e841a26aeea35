//! The commands of a stand-in host that replace machine-wide programs and the Python tools of CRDS.
//!
//! `crds-stand-in` is a multi-call program: called under the name of one of these tools it is that tool. Each tool writes to the streams
//! of its [`Call`] and returns its exit status.

pub mod crds;
pub mod machine;

use std::io::Write;
use std::path::PathBuf;

/// One call of a tool.
pub struct Call<'a> {
    /// The name that it was called by, without directory.
    pub name: String,
    /// The path that it was called by, as given.
    pub path: PathBuf,
    /// Its arguments; bytes that are no UTF-8 are replaced.
    pub args: Vec<String>,
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: &'a mut dyn Write,
}

/// What carries out a call; returns the exit status.
pub type Tool = fn(&mut Call<'_>) -> i32;

/// The tool of this name, if there is one.
pub fn find(name: &str) -> Option<Tool> {
    machine::find(name).or_else(|| crds::find(name))
}

impl Call<'_> {
    /// Writes a line to standard output; a closed stream is not an error, as with most programs of a host.
    pub fn say(&mut self, line: impl std::fmt::Display) {
        let _ = writeln!(self.out, "{line}");
    }

    /// Writes a line to standard error.
    pub fn complain(&mut self, line: impl std::fmt::Display) {
        let _ = writeln!(self.err, "{line}");
    }
}
