//! `collectstatic`: copies the installed server's static files to where Apache serves them (SO 7).

use std::fs;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use crate::stand_in::tools::crds::python::Job;

/// `collectstatic`, which asks before it overwrites.
pub fn main(job: &mut Job<'_>) -> i32 {
    let root = job.site().and_then(|site| site.text("install_root").map(PathBuf::from)).unwrap_or_default();
    let target = root.join("static");
    let source =
        job.importer.file_of("crds.server.settings").and_then(Path::parent).map(|dir| dir.join("static_files"));
    let Some(source) = source.filter(|dir| dir.is_dir()) else {
        job.complain("OSError: [Errno 2] No such file or directory: 'static_files'");
        return 1;
    };
    job.say(
        "\nYou have requested to collect static files at the destination\nlocation as specified in your settings:\n",
    );
    job.say(format!("    {}\n", target.display()));
    job.say("This will overwrite existing files!\nAre you sure you want to do this?\n");
    let _ = write!(job.out, "Type 'yes' to continue, or 'no' to cancel: ");
    let _ = job.out.flush();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer).unwrap_or(0);
    if read == 0 {
        job.complain("Traceback (most recent call last):\nEOFError: EOF when reading a line");
        return 1;
    }
    if answer.trim() != "yes" {
        job.complain("CommandError: Collecting static files cancelled.");
        return 1;
    }
    let mut files = Vec::new();
    gather(&source, Path::new(""), &mut files);
    files.sort();
    let (mut copied, mut unmodified) = (0, 0);
    for file in files {
        let (from, to) = (source.join(&file), target.join(&file));
        if fs::read(&from).ok() == fs::read(&to).ok() {
            unmodified += 1;
            continue;
        }
        job.say(format!("Copying '{}'", from.display()));
        let done = to.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::copy(&from, &to));
        if let Err(error) = done {
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or(&text).to_owned();
            job.complain(format!("IOError: [Errno {}] {text}: '{}'", error.raw_os_error().unwrap_or(0), to.display()));
            return 1;
        }
        copied += 1;
    }
    let plural = if copied == 1 { "file" } else { "files" };
    let rest = if unmodified > 0 { format!(", {unmodified} unmodified") } else { String::new() };
    job.say(format!("\n{copied} static {plural} copied to '{}'{rest}.", target.display()));
    0
}

fn gather(root: &Path, below: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root.join(below)).into_iter().flatten().filter_map(Result::ok) {
        let path = below.join(entry.file_name());
        if entry.path().is_dir() { gather(root, &path, found) } else { found.push(path) }
    }
}
