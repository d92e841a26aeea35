//! `crds-stand-in submissions`: the files that the rehearsal plans submit.

use std::path::PathBuf;
use std::process::ExitCode;

use crds_upgrade::stand_in::derive::submissions;

/// Arguments of `submissions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory for the files; made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// A descriptor instead of the project's own; may be given more than once
    #[arg(long = "from", value_name = "FILE.toml")]
    from: Vec<PathBuf>,
}

/// Makes the files and names each on a line.
pub fn run(args: Args) -> ExitCode {
    match make(&args) {
        Ok(names) => {
            names.iter().for_each(|name| say!("{name}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("crds-stand-in submissions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn make(args: &Args) -> Result<Vec<String>, String> {
    let tell = |error: submissions::SubmissionError| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{error}{cause}\n  help: {}", error.help())
    };
    let mut files = Vec::new();
    if args.from.is_empty() {
        files = submissions::shipped().map_err(tell)?;
    }
    for path in &args.from {
        let text = std::fs::read_to_string(path).map_err(|e| format!("failed to read `{}`: {e}", path.display()))?;
        files.extend(submissions::files(&path.display().to_string(), &text).map_err(tell)?);
    }
    std::fs::create_dir_all(&args.out).map_err(|e| format!("failed to make `{}`: {e}", args.out.display()))?;
    for file in &files {
        // A descriptor must not write anywhere else.
        if file.name.is_empty() || file.name.contains('/') || file.name.starts_with('.') {
            return Err(format!("`{}` is no name for a reference", file.name));
        }
        let path = args.out.join(&file.name);
        std::fs::write(&path, &file.bytes).map_err(|e| format!("failed to write `{}`: {e}", path.display()))?;
    }
    Ok(files.into_iter().map(|file| file.name).collect())
}
