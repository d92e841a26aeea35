//! Importing: where a module is found, whether it can be read, and what else it pulls in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::source::{self, Logical, SyntaxProblem};

/// Modules that come with the interpreter.
const STANDARD: [&str; 38] = [
    "sys",
    "os",
    "re",
    "glob",
    "time",
    "datetime",
    "hashlib",
    "fcntl",
    "logging",
    "argparse",
    "urllib2",
    "urllib",
    "uuid",
    "json",
    "base64",
    "zlib",
    "shutil",
    "socket",
    "subprocess",
    "traceback",
    "collections",
    "cPickle",
    "pickle",
    "math",
    "random",
    "tempfile",
    "unittest",
    "doctest",
    "distutils",
    "optparse",
    "getpass",
    "pprint",
    "copy",
    "types",
    "string",
    "StringIO",
    "cStringIO",
    "cProfile",
];

/// An import or a script that failed, as the interpreter reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Lines from `Traceback (most recent call last):` to the exception.
    pub traceback: Vec<String>,
    /// The last line: class and text.
    pub exception: String,
}

/// One frame of a traceback: file, line, statement.
type Frame = (PathBuf, usize, String);

/// Finds and reads modules.
#[derive(Debug)]
pub struct Importer {
    path: Vec<PathBuf>,
    loaded: BTreeMap<String, Option<PathBuf>>,
}

impl Importer {
    /// An importer over `sys.path`.
    pub fn new(path: Vec<PathBuf>) -> Self {
        Self { path, loaded: BTreeMap::new() }
    }

    /// Where modules are looked for, in order.
    pub fn path(&self) -> &[PathBuf] {
        &self.path
    }

    /// The file of an imported module.
    pub fn file_of(&self, module: &str) -> Option<&Path> {
        self.loaded.get(module).and_then(|file| file.as_deref())
    }

    /// Imports a module by its dotted name, and all that it imports.
    ///
    /// # Errors
    ///
    /// What the interpreter would print.
    pub fn import(&mut self, module: &str) -> Result<(), Failure> {
        self.dotted(module, &mut Vec::new())
    }

    /// Reads a script that is not imported by name and imports what it imports.
    ///
    /// # Errors
    ///
    /// What the interpreter would print.
    pub fn script(&mut self, file: &Path) -> Result<Vec<Logical>, Failure> {
        let bytes = fs::read(file).map_err(|error| Failure {
            traceback: vec![],
            exception: format!(
                "python: can't open file '{}': [Errno {}] {}",
                file.display(),
                error.raw_os_error().unwrap_or(0),
                plain(&error)
            ),
        })?;
        let mut frames = Vec::new();
        let lines = source::logical_lines(&bytes).map_err(|problem| syntax(&frames, file, &problem))?;
        self.statements(&lines, file, None, &mut frames)?;
        Ok(lines)
    }

    /// Runs the imports of statements that came from nowhere (`-c`).
    ///
    /// # Errors
    ///
    /// What the interpreter would print.
    pub fn text(&mut self, text: &str) -> Result<Vec<Logical>, Failure> {
        let file = Path::new("<string>");
        let mut frames = Vec::new();
        let lines = source::logical_lines(text.replace(';', "\n").as_bytes())
            .map_err(|problem| syntax(&frames, file, &problem))?;
        self.statements(&lines, file, None, &mut frames)?;
        Ok(lines)
    }

    fn statements(
        &mut self,
        lines: &[Logical],
        file: &Path,
        package: Option<&str>,
        frames: &mut Vec<Frame>,
    ) -> Result<(), Failure> {
        for logical in lines.iter().filter(|logical| logical.indent == 0) {
            if let Some(rest) = logical.text.strip_prefix("raise ") {
                frames.push((file.to_owned(), logical.line, logical.text.clone()));
                return Err(failure(frames, rest.trim_end_matches("()")));
            }
            // `open("...")` at the top of a module runs when it is imported.
            if let Some(name) = opened(lines, &logical.text)
                && let Err(error) = fs::read(&name)
            {
                frames.push((file.to_owned(), logical.line, logical.text.lines().next().unwrap_or("").to_owned()));
                let errno = error.raw_os_error().unwrap_or(0);
                return Err(failure(frames, &format!("IOError: [Errno {errno}] {}: '{name}'", plain(&error))));
            }
        }
        for import in source::imports(lines) {
            frames.push((file.to_owned(), import.line, import.text.clone()));
            let found = self.relative_or_absolute(&import.module, package, frames)?;
            for name in &import.names {
                if name == "*" || found.is_none() {
                    continue;
                }
                let module = found.clone().unwrap_or_default();
                if self.defines(&module, name) || self.submodule(&module, name, frames)? {
                    continue;
                }
                return Err(failure(frames, &format!("ImportError: cannot import name {name}")));
            }
            frames.pop();
        }
        Ok(())
    }

    /// Imports `module` as seen from inside `package` (Python 2 looks there first). Returns the full name of what was found, or none for
    /// a module of the interpreter.
    fn relative_or_absolute(
        &mut self,
        module: &str,
        package: Option<&str>,
        frames: &mut Vec<Frame>,
    ) -> Result<Option<String>, Failure> {
        if let Some(package) = package {
            let first = module.split('.').next().unwrap_or(module);
            let sibling = format!("{package}.{first}");
            if self
                .find(&sibling, self.file_of(package).and_then(Path::parent).map(Path::to_owned).as_deref())
                .is_some()
            {
                let full = format!("{package}.{module}");
                self.dotted(&full, frames)?;
                return Ok(Some(full));
            }
        }
        let first = module.split('.').next().unwrap_or(module);
        if STANDARD.contains(&first) && self.find(first, None).is_none() {
            return Ok(None);
        }
        self.dotted(module, frames)?;
        Ok(Some(module.to_owned()))
    }

    fn dotted(&mut self, module: &str, frames: &mut Vec<Frame>) -> Result<(), Failure> {
        let mut full = String::new();
        let mut parent: Option<PathBuf> = None;
        for part in module.split('.') {
            let package = (!full.is_empty()).then(|| full.clone());
            if !full.is_empty() {
                full.push('.');
            }
            full.push_str(part);
            if !self.loaded.contains_key(&full) {
                let Some(file) = self.find(&full, parent.as_deref()) else {
                    // Python 2 names the part that it could not find below a package.
                    let shown = match package {
                        Some(_) => &module[full.len() - part.len()..],
                        None => module,
                    };
                    return Err(failure(frames, &format!("ImportError: No module named {shown}")));
                };
                self.load(&full, file, frames)?;
            }
            parent = self.file_of(&full).and_then(Path::parent).map(Path::to_owned);
        }
        Ok(())
    }

    fn submodule(&mut self, module: &str, name: &str, frames: &mut Vec<Frame>) -> Result<bool, Failure> {
        let full = format!("{module}.{name}");
        if self.loaded.contains_key(&full) {
            return Ok(true);
        }
        let dir = self.file_of(module).and_then(Path::parent).map(Path::to_owned);
        let Some(file) = self.find(&full, dir.as_deref()) else { return Ok(false) };
        self.load(&full, file, frames)?;
        Ok(true)
    }

    fn load(&mut self, full: &str, file: PathBuf, frames: &mut Vec<Frame>) -> Result<(), Failure> {
        // Entered before its own imports run, so that a circle ends.
        self.loaded.insert(full.to_owned(), Some(file.clone()));
        if file.extension().is_some_and(|extension| extension == "pyc") {
            return Ok(());
        }
        let bytes = fs::read(&file)
            .map_err(|error| failure(frames, &format!("IOError: {}: '{}'", plain(&error), file.display())))?;
        let lines = source::logical_lines(&bytes).map_err(|problem| syntax(frames, &file, &problem))?;
        if lines.is_empty() && file.file_name().is_some_and(|name| name != "__init__.py") {
            // An empty module imports well and breaks at the first use of what it should define.
            return Err(failure(
                frames,
                &format!(
                    "AttributeError: 'module' object has no attribute '{}'",
                    full.rsplit('.').next().unwrap_or(full)
                ),
            ));
        }
        let package = if file.file_name().is_some_and(|name| name == "__init__.py") {
            Some(full.to_owned())
        } else {
            full.rsplit_once('.').map(|(package, _)| package.to_owned())
        };
        self.statements(&lines, &file, package.as_deref(), frames)
    }

    /// The file of a module: inside its package's directory, or along the path.
    fn find(&self, full: &str, dir: Option<&Path>) -> Option<PathBuf> {
        let last = full.rsplit('.').next().unwrap_or(full);
        let here = |dir: &Path| {
            let package = dir.join(last).join("__init__.py");
            let plain = dir.join(format!("{last}.py"));
            let compiled = dir.join(format!("{last}.pyc"));
            [package, plain, compiled].into_iter().find(|file| file.is_file())
        };
        match (full.contains('.'), dir) {
            (true, Some(dir)) => here(dir),
            (true, None) => None,
            (false, _) => self.path.iter().find_map(|dir| here(dir)),
        }
    }

    fn defines(&self, module: &str, name: &str) -> bool {
        let Some(file) = self.file_of(module) else { return true };
        fs::read(file)
            .ok()
            .and_then(|bytes| source::logical_lines(&bytes).ok())
            .is_some_and(|lines| source::defines(&lines, name))
    }
}

/// The file named by an `open(...)` in a top-level statement: a literal, or a variable that holds one.
fn opened(lines: &[Logical], text: &str) -> Option<String> {
    let argument = text.split_once("open(")?.1.split([')', ',']).next()?.trim();
    let literal =
        source::unquoted(argument).or_else(|| source::assigned(lines, argument).and_then(source::unquoted))?;
    Some(literal.to_owned())
}

fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

fn failure(frames: &[Frame], exception: &str) -> Failure {
    let mut traceback = vec!["Traceback (most recent call last):".to_owned()];
    for (file, line, text) in frames {
        traceback.push(format!("  File \"{}\", line {line}, in <module>", file.display()));
        traceback.push(format!("    {text}"));
    }
    traceback.push(exception.to_owned());
    Failure { traceback, exception: exception.to_owned() }
}

fn syntax(frames: &[Frame], file: &Path, problem: &SyntaxProblem) -> Failure {
    let exception = format!("{}: {}", problem.class, problem.message);
    let mut failed = failure(frames, &exception);
    let last = failed.traceback.pop();
    failed.traceback.push(format!("  File \"{}\", line {}", file.display(), problem.line));
    failed.traceback.push(format!("    {}", problem.text.trim()));
    failed.traceback.push("    ^".to_owned());
    failed.traceback.extend(last);
    failed
}
