//! `dbbackup` and `dbrestore` of django-dbbackup 1.x (SO 11, 12).

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::database_arguments;
use crate::stand_in::tools::crds::maintenance::access;
use crate::stand_in::tools::crds::python::Job;

/// A size as dbbackup shows it.
fn handy(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KB", "MB", "GB"] {
        if value < 1024.0 {
            return format!("{value:.1} {unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.1} TB")
}

/// `dbbackup`: `mysqldump` into a temporary file, then into `server/db_backups` under a name with the time.
pub fn dbbackup(job: &mut Job<'_>) -> i32 {
    let (arguments, shown) = database_arguments(job);
    let name = access(job).name;
    let root = job.site().and_then(|site| site.text("install_root").map(PathBuf::from)).unwrap_or_default();
    let directory = root.join("server/db_backups");
    job.say(format!("Backing Up Database: {name}"));
    job.say(format!("  Running: mysqldump {}", shown.join(" ")));
    let file = format!("{name}-{}.mysql", jiff::Zoned::now().strftime("%Y-%m-%d-%H%M%S"));
    let temporary = std::env::temp_dir().join(format!("{file}.{}", std::process::id()));
    let dumped = File::create(&temporary).and_then(|out| {
        Command::new("mysqldump").args(&arguments).stdin(Stdio::null()).stdout(out).stderr(Stdio::piped()).output()
    });
    let failed = match dumped {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(why) = failed {
        let _ = fs::remove_file(&temporary);
        // The library puts the whole command into its message, password and all.
        let quoted: Vec<String> = arguments.iter().map(|argument| format!("'{argument}'")).collect();
        job.complain("Traceback (most recent call last):");
        job.complain(format!("CommandError: Error running: ['mysqldump', {}]\n{}", quoted.join(", "), why.trim_end()));
        return 1;
    }
    let size = fs::metadata(&temporary).map_or(0, |metadata| metadata.len());
    job.say(format!("  Backup tempfile created: {file} ({})", handy(size)));
    job.say(format!("  Writing file to Filesystem: {}/", directory.display()));
    let moved = fs::copy(&temporary, directory.join(&file));
    let _ = fs::remove_file(&temporary);
    match moved {
        Ok(_) => 0,
        Err(error) => {
            job.complain(format!("IOError: {error}: '{}'", directory.join(&file).display()));
            1
        }
    }
}

/// `dbrestore -f PATH`: feeds a dump to `mysql`; nothing undoes a load that fails half way.
pub fn dbrestore(job: &mut Job<'_>) -> i32 {
    let (arguments, _) = database_arguments(job);
    let name = access(job).name;
    let at = job.args.iter().position(|arg| arg == "-f" || arg == "--filepath");
    let Some(path) = at.and_then(|at| job.args.get(at + 1)).map(PathBuf::from) else {
        job.complain("CommandError: Error: no backup file given, use -f PATH");
        return 1;
    };
    job.say(format!("Restoring backup for database: {name}"));
    job.say(format!("  Restoring: {}", path.display()));
    let _ = job.out.flush();
    let input = match File::open(&path) {
        Ok(input) => input,
        Err(error) => {
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or(&text).to_owned();
            job.complain("Traceback (most recent call last):");
            job.complain(format!(
                "IOError: [Errno {}] {text}: '{}'",
                error.raw_os_error().unwrap_or(0),
                path.display()
            ));
            return 1;
        }
    };
    let size = input.metadata().map_or(0, |metadata| metadata.len());
    job.say(format!("  Restore tempfile created: {}", handy(size)));
    let _ = job.out.flush();
    let ended = Command::new("mysql").args(&arguments).stdin(input).stderr(Stdio::piped()).output();
    let why = match ended {
        Ok(output) if output.status.success() => return 0,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    let quoted: Vec<String> = arguments.iter().map(|argument| format!("'{argument}'")).collect();
    job.complain("Traceback (most recent call last):");
    job.complain(format!("CommandError: Error running: ['mysql', {}]\n{}", quoted.join(", "), why.trim_end()));
    let _ = job.err.flush();
    1
}
