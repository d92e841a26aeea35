//! `python` of a stack: finds the script's modules in what is installed, as the interpreter would, and then runs the
//! function that the script calls.
//!
//! Python itself is not interpreted. What counts is that a script, a module or a package that is missing, empty or
//! broken fails here as it would there, with the interpreter's own words, and that nothing is run from anywhere but the
//! tree that PYTHONPATH names.

pub mod modules;
pub mod source;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use self::modules::{Failure, Importer};
use self::source::Logical;
use super::settings::{Database, Site};
use crate::stand_in::tools::Call;

/// A function behind a script: its arguments, its streams, and the modules that the script imported.
pub struct Job<'a> {
    /// Arguments after the script.
    pub args: Vec<String>,
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: &'a mut dyn Write,
    /// What was imported, and from where.
    pub importer: Importer,
    /// The stack whose `bin/python` this is.
    pub stack: PathBuf,
    /// The script, as given.
    pub script: PathBuf,
}

impl Job<'_> {
    /// The site configuration of the installed server, if the script imported it.
    pub fn site(&self) -> Option<Site> {
        let file = ["crds.server.site_config", "site_config"].iter().find_map(|name| self.importer.file_of(name))?;
        Site::read(file)
    }

    /// The database of the installed server, if the script imported it.
    pub fn database(&self) -> Option<Database> {
        Database::read(self.importer.file_of("crds.server.crds_database")?)
    }

    /// Writes a line to standard output.
    pub fn say(&mut self, line: impl std::fmt::Display) {
        let _ = writeln!(self.out, "{line}");
    }

    /// Writes a line to standard error.
    pub fn complain(&mut self, line: impl std::fmt::Display) {
        let _ = writeln!(self.err, "{line}");
    }
}

/// What runs when a script calls a function of that name.
pub type Function = fn(&mut Job<'_>) -> i32;

/// The functions that scripts of a host call, by full name.
fn function(name: &str) -> Option<Function> {
    use super::{
        affected, bestrefs, certify, cron_sync, list, maintenance, manage, orphan_files, redeliver, setup, sync,
    };
    Some(match name {
        "crds.list.main" => list::main,
        "crds.sync.main" => sync::main,
        "crds.certify.main" => certify::main,
        "crds.bestrefs.main" => bestrefs::main,
        "crds.cron_sync.main" => cron_sync::main,
        "crds.query_affected.main" => affected::main,
        "crds.server.maintenance.orphan_files.main" => orphan_files::main,
        "crds.server.maintenance.redeliver_catalogs.main" => redeliver::main,
        "crds.server.maintenance.reset_file_counters.main" => maintenance::reset_file_counters,
        "crds.server.maintenance.get_server_info.main" => maintenance::get_server_info,
        "crds.server.maintenance.clear_web_cache.main" => maintenance::clear_web_cache,
        "crds.server.maintenance.clear_expired_locks.main" => maintenance::clear_expired_locks,
        "django.core.management.execute_from_command_line" => manage::main,
        "distutils.core.setup" => setup::main,
        "config.print_value" => setup::print_value,
        _ => return None,
    })
}

/// `python [switches] SCRIPT | -m MODULE | -c TEXT [arguments]`.
pub fn main(call: &mut Call<'_>) -> i32 {
    let mut args = call.args.iter().cloned();
    let mut first = args.next();
    while let Some(arg) = &first {
        match arg.as_str() {
            "-V" | "--version" => {
                call.complain("Python 2.7.5");
                return 0;
            }
            "-m" | "-c" => break,
            switch if switch.starts_with('-') && switch.len() > 1 => first = args.next(),
            _ => break,
        }
    }
    let Some(first) = first else {
        // Without a script the interpreter reads statements from its input.
        let text = std::io::read_to_string(std::io::stdin()).unwrap_or_default();
        return statements(call, &text);
    };
    let (script, module) = match first.as_str() {
        "-c" => {
            let text = args.next().unwrap_or_default();
            return statements(call, &text);
        }
        "-m" => (PathBuf::from("-m"), args.next()),
        _ => (PathBuf::from(&first), None),
    };
    let rest: Vec<String> = args.collect();
    let mut importer = Importer::new(search_path(script.parent().filter(|_| module.is_none())));
    let (lines, own) = match read(&mut importer, &script, module.as_deref()) {
        Ok(read) => read,
        Err(failure) => return report(call, &failure),
    };
    let stack = stack_of(&call.path);
    let Some(run) = called(&lines, own.as_deref()).and_then(|name| function(&name).map(|run| (name, run))) else {
        return 0;
    };
    if let Some(status) = super::real::instead(&stack, &run.0, &rest, call) {
        return status;
    }
    let mut job = Job { args: rest, out: &mut *call.out, err: &mut *call.err, importer, stack, script };
    let status = (run.1)(&mut job);
    let _ = job.out.flush();
    status
}

fn statements(call: &mut Call<'_>, text: &str) -> i32 {
    match Importer::new(search_path(None)).text(text) {
        Ok(lines) => {
            for logical in lines {
                if let Some(printed) = logical.text.strip_prefix("print ").and_then(source::unquoted) {
                    call.say(printed);
                }
            }
            0
        }
        Err(failure) => report(call, &failure),
    }
}

fn report(call: &mut Call<'_>, failure: &Failure) -> i32 {
    for line in &failure.traceback {
        call.complain(line);
    }
    if failure.traceback.is_empty() {
        call.complain(&failure.exception);
        return 2;
    }
    1
}

/// Reads the script or module that is to run; a module also tells its dotted name.
fn read(
    importer: &mut Importer,
    script: &Path,
    module: Option<&str>,
) -> Result<(Vec<Logical>, Option<String>), Failure> {
    let Some(module) = module else { return Ok((importer.script(script)?, None)) };
    importer.import(module).map_err(|failure| match failure.exception.strip_prefix("ImportError: ") {
        Some(text) if failure.traceback.len() == 2 => {
            Failure { traceback: vec![format!("python: {text}")], exception: failure.exception.clone() }
        }
        _ => failure,
    })?;
    let file = importer.file_of(module).map(Path::to_owned).unwrap_or_default();
    let lines = importer.script(&file)?;
    Ok((lines, Some(module.to_owned())))
}

/// The full name of the function that the script's last call at its end names.
fn called(lines: &[Logical], own: Option<&str>) -> Option<String> {
    let binds: BTreeMap<String, String> =
        source::imports(lines).into_iter().flat_map(|import| import.binds).chain(inner_binds(lines)).collect();
    lines.iter().rev().find_map(|logical| {
        let text = logical.bare.trim();
        let text = text.strip_prefix("sys.exit(").unwrap_or(text);
        let name: String = text.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.')).collect();
        if !text[name.len()..].starts_with('(') || name.is_empty() {
            return None;
        }
        let (first, rest) = name.split_once('.').map_or((name.as_str(), ""), |(first, rest)| (first, rest));
        let full = match binds.get(first) {
            Some(meant) if rest.is_empty() => meant.clone(),
            Some(meant) => format!("{meant}.{rest}"),
            None => match own {
                Some(own) if rest.is_empty() => format!("{own}.{first}"),
                _ => return None,
            },
        };
        function(&full).map(|_| full)
    })
}

/// Imports inside an `if __name__` block.
fn inner_binds(lines: &[Logical]) -> Vec<(String, String)> {
    let flat: Vec<Logical> = lines
        .iter()
        .filter(|logical| logical.indent > 0)
        .map(|logical| Logical { indent: 0, ..logical.clone() })
        .collect();
    source::imports(&flat).into_iter().flat_map(|import| import.binds).collect()
}

/// `sys.path`: the script's directory, then PYTHONPATH.
pub fn search_path(script_dir: Option<&Path>) -> Vec<PathBuf> {
    let mut path = vec![match script_dir {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
        _ => PathBuf::from("."),
    }];
    let given = std::env::var("PYTHONPATH").unwrap_or_default();
    path.extend(given.split(':').filter(|part| !part.is_empty()).map(PathBuf::from));
    path
}

/// The stack of a `bin/python`.
fn stack_of(called_as: &Path) -> PathBuf {
    let found = if called_as.components().count() > 1 {
        called_as.to_owned()
    } else {
        let path = std::env::var("PATH").unwrap_or_default();
        path.split(':').map(|dir| Path::new(dir).join(called_as)).find(|file| file.exists()).unwrap_or_default()
    };
    found.parent().and_then(Path::parent).map(Path::to_owned).unwrap_or_default()
}
