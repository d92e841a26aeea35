//! The real Python client in place of the stand-ins of its commands (`--real-client`).

use std::path::Path;
use std::process::{Command, Stdio};

use super::rpc::authority;
use crate::stand_in::tools::Call;

/// The file in a stack that names the virtual environment of the real client.
pub const MARKER: &str = "real_client";

/// Runs the real command if the stack has the real client and `function` is one of its commands; gives its status.
pub fn instead(stack: &Path, function: &str, args: &[String], call: &mut Call<'_>) -> Option<i32> {
    let venv = std::fs::read_to_string(stack.join(MARKER)).ok()?;
    let venv = Path::new(venv.trim());
    let program: Vec<&str> = match function {
        "crds.list.main" => vec!["python", "-m", "crds.list"],
        "crds.sync.main" => vec!["python", "-m", "crds.sync"],
        "crds.certify.main" => vec!["python", "-m", "crds.certify"],
        "crds.bestrefs.main" => vec!["python", "-m", "crds.bestrefs"],
        "crds.cron_sync.main" => vec!["cron_sync"],
        "crds.query_affected.main" => vec!["query_affected_datasets"],
        _ => return None,
    };
    let bin = venv.join("bin");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let ca = authority();
    // A bare name was a file of the cache in 2014; today's certify wants that said (fault C112).
    let in_cache = |arg: &String| match function {
        "crds.certify.main" if super::rules::is_mapping(arg) && !arg.contains('/') => format!("crds://{arg}"),
        _ => arg.clone(),
    };
    let mut command = Command::new(bin.join(program[0]));
    command
        .args(&program[1..])
        .args(args.iter().map(in_cache))
        .env_remove("PYTHONPATH")
        .env_remove("LD_LIBRARY_PATH")
        .env("PATH", path)
        .env("SSL_CERT_FILE", &ca)
        .env("REQUESTS_CA_BUNDLE", &ca)
        .env("PYTHONUNBUFFERED", "1")
        .stdin(Stdio::inherit());
    let _ = call.out.flush();
    match command.status() {
        Ok(status) => Some(status.code().unwrap_or(137)),
        Err(error) => {
            call.complain(format!("{}: {error}", bin.join(program[0]).display()));
            Some(127)
        }
    }
}
