//! `setup.py` and `sh_config.py`: copying a checked-out package into the install prefix, and asking its configuration.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::python::Job;
use super::python::source;

/// `setup.py install --force --home DIR`: copies the packages or scripts that the file names. Nothing that is not in
/// the checkout any more is removed (SO 7).
pub fn main(job: &mut Job<'_>) -> i32 {
    let home = job.args.iter().position(|arg| arg == "--home").and_then(|at| job.args.get(at + 1)).map(PathBuf::from);
    let home = home.or_else(|| job.args.iter().find_map(|arg| arg.strip_prefix("--home=").map(PathBuf::from)));
    let (true, Some(home)) = (job.args.iter().any(|arg| arg == "install"), home) else {
        job.complain("usage: setup.py install --force --home DIR\nerror: no commands supplied");
        return 1;
    };
    let text = fs::read_to_string(&job.script).unwrap_or_default();
    let lib = home.join("lib/python");
    let result = if text.contains("scripts=") { scripts(job, &home) } else { packages(job, &text, &lib) };
    match result {
        Ok(()) => 0,
        Err(why) => {
            job.complain(format!("error: {why}"));
            1
        }
    }
}

fn packages(job: &mut Job<'_>, text: &str, lib: &Path) -> Result<(), String> {
    job.say("running install");
    job.say("running build");
    job.say("running build_py");
    // The copies that setup.py builds first stay behind in `build/`.
    for build in [PathBuf::from("build/lib"), lib.to_owned()] {
        if build == *lib {
            job.say("running install_lib");
        }
        for package in listed(text, "packages=") {
            let source = source_of(text, &package);
            let target = build.join(package.replace('.', "/"));
            copy_package(job, &source, &target)?;
        }
    }
    job.say("running install_egg_info");
    Ok(())
}

/// The directory of a package: `package_dir` names that of a leading part.
fn source_of(text: &str, package: &str) -> PathBuf {
    let mapped = text.split_once("package_dir={").and_then(|(_, rest)| rest.split_once('}')).map(|(inner, _)| inner);
    for pair in mapped.unwrap_or("").split(',') {
        if let Some((name, dir)) = pair.split_once(':')
            && let (Some(name), Some(dir)) = (source::unquoted(name), source::unquoted(dir))
            && let Some(rest) = package.strip_prefix(name)
        {
            return Path::new(dir).join(rest.trim_start_matches('.').replace('.', "/"));
        }
    }
    PathBuf::from(package.replace('.', "/"))
}

fn listed(text: &str, key: &str) -> Vec<String> {
    let inner =
        text.split_once(key).and_then(|(_, rest)| rest.split_once('[')).and_then(|(_, rest)| rest.split_once(']'));
    inner
        .map_or("", |(inner, _)| inner)
        .split(',')
        .filter_map(|item| source::unquoted(item).map(str::to_owned))
        .collect()
}

fn copy_package(job: &mut Job<'_>, from: &Path, to: &Path) -> Result<(), String> {
    if !from.join("__init__.py").is_file() {
        return Err(format!("package directory '{}' does not exist", from.display()));
    }
    fs::create_dir_all(to).map_err(|error| format!("could not create '{}': {}", to.display(), strerror(&error)))?;
    let mut names: Vec<PathBuf> = fs::read_dir(from)
        .map_err(|error| format!("{}: {}", from.display(), strerror(&error)))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    names.sort();
    for file in names {
        let Some(name) = file.file_name() else { continue };
        if file.is_dir() {
            // Data of a package, such as its static files; packages of their own are listed.
            if !file.join("__init__.py").exists() && holds_data(&file) {
                copy_tree(&file, &to.join(name))
                    .map_err(|error| format!("{}: {}", file.display(), strerror(&error)))?;
            }
        } else if file.extension().is_some_and(|extension| extension == "py") {
            let target = to.join(name);
            job.say(format!("copying {} -> {}", file.display(), to.display()));
            install_file(&file, &target)
                .map_err(|error| format!("could not write to '{}': {}", target.display(), strerror(&error)))?;
        }
    }
    Ok(())
}

fn holds_data(dir: &Path) -> bool {
    dir.file_name().is_some_and(|name| name == "static_files")
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() { copy_tree(&path, &to.join(name))? } else { install_file(&path, &to.join(name))? }
    }
    Ok(())
}

/// Writes a fresh file, so that its time is that of the install and a file that a process has open stays whole.
fn install_file(from: &Path, to: &Path) -> io::Result<()> {
    let bytes = fs::read(from)?;
    if to.exists() {
        fs::remove_file(to)?;
    }
    fs::write(to, bytes)
}

fn scripts(job: &mut Job<'_>, home: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let bin = home.join("bin");
    fs::create_dir_all(&bin).map_err(|error| format!("could not create '{}': {}", bin.display(), strerror(&error)))?;
    let mut names: Vec<PathBuf> = fs::read_dir("scripts")
        .map_err(|error| strerror(&error))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    names.sort();
    job.say("running install_scripts");
    for file in names.iter().filter(|file| file.is_file()) {
        let target = bin.join(file.file_name().unwrap_or_default());
        job.say(format!("copying {} -> {}", file.display(), bin.display()));
        install_file(file, &target)
            .and_then(|()| fs::set_permissions(&target, fs::Permissions::from_mode(0o755)))
            .map_err(|error| format!("could not write to '{}': {}", target.display(), strerror(&error)))?;
        job.say(format!("changing mode of {} to 755", target.display()));
    }
    Ok(())
}

fn strerror(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// `sh_config.py NAME`.
pub fn print_value(job: &mut Job<'_>) -> i32 {
    let name = job.args.first().cloned().unwrap_or_default();
    match job.site().and_then(|site| site.shell(&name)) {
        Some(value) => {
            job.say(value);
            0
        }
        None => {
            job.complain(format!("AttributeError: 'module' object has no attribute '{name}'"));
            1
        }
    }
}
