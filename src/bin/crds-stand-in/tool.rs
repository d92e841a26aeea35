//! The program under another name: a tool of a host.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crds_upgrade::stand_in::tools::{self, Call};

/// Runs as what the program was called by, if that is not its own name.
pub fn by_name() -> Option<ExitCode> {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.is_empty() {
        return None;
    }
    let path = arguments.remove(0);
    let path = Path::new(&path);
    let name = path.file_name()?.to_str()?.to_owned();
    let tool = tools::find(&name)?;
    let args = arguments.into_iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr().lock());
    let mut call = Call { name, path: path.to_owned(), args, out: &mut out, err: &mut err };
    let status = tool(&mut call);
    let _ = out.flush();
    Some(ExitCode::from(u8::try_from(status & 0xff).unwrap_or(1)))
}
