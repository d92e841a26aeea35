//! Modules: found along a path, executed at their top level once, as Python 2.7 imports them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::evaluate::{Raised, Scope, evaluate};
use super::tokens::{self, Line, Token};
use super::{Failure, Names, Value};

/// Modules of the standard library that server code names; they are there in every stack.
const STANDARD: [&str; 74] = [
    "__future__",
    "abc",
    "ast",
    "base64",
    "bisect",
    "calendar",
    "cgi",
    "collections",
    "ConfigParser",
    "contextlib",
    "copy",
    "cPickle",
    "cProfile",
    "cStringIO",
    "csv",
    "datetime",
    "difflib",
    "doctest",
    "email",
    "errno",
    "exceptions",
    "fnmatch",
    "functools",
    "gc",
    "getpass",
    "glob",
    "gzip",
    "hashlib",
    "htmlentitydefs",
    "HTMLParser",
    "httplib",
    "imp",
    "inspect",
    "io",
    "itertools",
    "json",
    "logging",
    "math",
    "mimetypes",
    "operator",
    "optparse",
    "argparse",
    "os",
    "pdb",
    "pickle",
    "pprint",
    "profile",
    "pstats",
    "Queue",
    "random",
    "re",
    "shlex",
    "shutil",
    "signal",
    "smtplib",
    "socket",
    "sqlite3",
    "stat",
    "string",
    "StringIO",
    "struct",
    "subprocess",
    "sys",
    "tarfile",
    "tempfile",
    "threading",
    "time",
    "traceback",
    "types",
    "unittest",
    "urllib",
    "urllib2",
    "uuid",
    "warnings",
];

/// Runs modules at their top level.
pub struct Interpreter {
    path: RefCell<Vec<PathBuf>>,
    environment: BTreeMap<String, String>,
    changes: RefCell<BTreeMap<String, String>>,
    done: RefCell<BTreeMap<String, Names>>,
    files: RefCell<Vec<PathBuf>>,
}

/// Where a module was found.
enum Found {
    /// A file, and whether it is a package's `__init__.py`.
    File(PathBuf, bool),
    /// Of the standard library, or another package that is not looked into.
    Foreign,
}

impl Interpreter {
    /// An interpreter with a module path and the environment of its process.
    pub fn new(path: Vec<PathBuf>, environment: BTreeMap<String, String>) -> Interpreter {
        Interpreter {
            path: RefCell::new(path),
            environment,
            changes: RefCell::default(),
            done: RefCell::default(),
            files: RefCell::default(),
        }
    }

    /// Every file that was read so far.
    pub fn files(&self) -> Vec<PathBuf> {
        self.files.borrow().clone()
    }

    /// Runs a script and returns its names.
    ///
    /// # Errors
    ///
    /// The exception that would end it.
    pub fn run_script(&self, file: &Path) -> Result<Names, Failure> {
        let shown = file.to_string_lossy().into_owned();
        let text = std::fs::read_to_string(file).map_err(|error| {
            Failure::at(
                "IOError",
                &format!("[Errno {}] {error}: '{shown}'", error.raw_os_error().unwrap_or(0)),
                &shown,
                0,
            )
        })?;
        self.files.borrow_mut().push(file.to_owned());
        self.execute(&text, &shown, "__main__", None)
    }

    /// Imports a module and returns its names; those of a foreign module are not known.
    ///
    /// # Errors
    ///
    /// The exception that the import raises, an `ImportError` if there is no such module.
    pub fn import(&self, dotted: &str) -> Result<Names, Failure> {
        let missing = |rest: &str| Failure {
            kind: "ImportError".to_owned(),
            text: format!("No module named {rest}"),
            trace: Vec::new(),
        };
        let parts: Vec<&str> = dotted.split('.').collect();
        let mut names = Names::new();
        for depth in 1..=parts.len() {
            let full = parts[..depth].join(".");
            if let Some(done) = self.done.borrow().get(&full) {
                names.clone_from(done);
                continue;
            }
            match self.find(&full) {
                Some(Found::Foreign) => return Ok(Names::new()),
                Some(Found::File(file, package)) => {
                    self.done.borrow_mut().insert(full.clone(), Names::new());
                    let shown = file.to_string_lossy().into_owned();
                    let text = std::fs::read(&file).map_err(|error| missing(&format!("{full} ({error})")))?;
                    self.files.borrow_mut().push(file.clone());
                    let own = if package {
                        Some(full.clone())
                    } else {
                        full.rsplit_once('.').map(|(package, _)| package.to_owned())
                    };
                    match self.execute(&String::from_utf8_lossy(&text), &shown, &full, own.as_deref()) {
                        Ok(found) => names = found,
                        Err(failure) => {
                            self.done.borrow_mut().remove(&full);
                            return Err(failure);
                        }
                    }
                    self.done.borrow_mut().insert(full, names.clone());
                }
                None => return Err(missing(&parts[depth - 1..].join("."))),
            }
        }
        Ok(names)
    }

    fn find(&self, dotted: &str) -> Option<Found> {
        let relative = dotted.replace('.', "/");
        for dir in self.path.borrow().iter() {
            // What belongs to the stack itself is not looked into.
            let of_stack = dir.ends_with("lib/python2.7") || dir.ends_with("site-packages");
            let package = dir.join(&relative).join("__init__.py");
            if package.is_file() {
                return Some(if ours(dotted) && !of_stack { Found::File(package, true) } else { Found::Foreign });
            }
            let file = dir.join(format!("{relative}.py"));
            if file.is_file() {
                let own = ours(dotted) || !dotted.contains('.');
                return Some(if own && !of_stack { Found::File(file, false) } else { Found::Foreign });
            }
            if dir.join(format!("{relative}.so")).is_file() {
                return Some(Found::Foreign);
            }
        }
        let top = dotted.split('.').next().unwrap_or(dotted);
        STANDARD.contains(&top).then_some(Found::Foreign)
    }

    fn execute(&self, text: &str, file: &str, module: &str, package: Option<&str>) -> Result<Names, Failure> {
        let lines = tokens::lines(text, file)?;
        let mut names = Names::new();
        names.insert("__file__".to_owned(), Value::Str(file.to_owned()));
        names.insert("__name__".to_owned(), Value::Str(module.to_owned()));
        self.block(&lines, &mut names, file, module, package)?;
        Ok(names)
    }

    fn block(
        &self,
        lines: &[Line],
        names: &mut Names,
        file: &str,
        module: &str,
        package: Option<&str>,
    ) -> Result<(), Failure> {
        let Some(indent) = lines.first().map(|line| line.indent) else { return Ok(()) };
        let mut at = 0;
        let mut taken = false;
        while let Some(line) = lines.get(at) {
            let body_end =
                lines[at + 1..].iter().position(|line| line.indent <= indent).map_or(lines.len(), |end| at + 1 + end);
            let body = &lines[at + 1..body_end];
            let keyword = tokens::compound(line);
            match keyword {
                None => {
                    for part in line.tokens.split(|token| matches!(token, Token::Op(word) if word == ";")) {
                        self.statement(part, line.number, names, file, package)?;
                    }
                    // What others import while this module is still on its way.
                    if let Some(known) = self.done.borrow_mut().get_mut(module) {
                        known.clone_from(names);
                    }
                }
                Some("def" | "class") => {
                    if let Some(Token::Name(name)) = line.tokens.get(1) {
                        names.insert(name.clone(), Value::Named(name.clone()));
                    }
                }
                Some("try") => self.block(body, names, file, module, package)?,
                Some(word @ ("if" | "elif" | "else")) => {
                    let condition =
                        line.tokens.iter().position(|token| matches!(token, Token::Op(word) if word == ":"));
                    let condition = &line.tokens[1..condition.unwrap_or(line.tokens.len()).max(1)];
                    let truth = if word == "else" {
                        Some(true)
                    } else {
                        self.value(condition, names).ok().and_then(|value| value.truth())
                    };
                    taken = taken && word != "if";
                    match truth {
                        Some(true) if !taken => {
                            taken = true;
                            self.block(body, names, file, module, package)?;
                        }
                        None => bind_unknown(body, names),
                        Some(_) => {}
                    }
                }
                Some("except" | "finally") => {}
                Some(_) => {
                    bind_unknown(std::slice::from_ref(line), names);
                    bind_unknown(body, names);
                }
            }
            at = body_end;
        }
        Ok(())
    }

    fn statement(
        &self,
        tokens: &[Token],
        number: usize,
        names: &mut Names,
        file: &str,
        package: Option<&str>,
    ) -> Result<(), Failure> {
        let word = |at: usize| match tokens.get(at) {
            Some(Token::Name(word) | Token::Op(word)) => word.as_str(),
            _ => "",
        };
        let through = |failure: Failure| failure.through(file, number);
        match word(0) {
            "import" => {
                for clause in tokens[1..].split(|token| matches!(token, Token::Op(word) if word == ",")) {
                    let (dotted, alias) = clause_names(clause);
                    let full = self.resolve(&dotted, package);
                    self.import(&full).map_err(through)?;
                    let bound =
                        alias.clone().unwrap_or_else(|| dotted.split('.').next().unwrap_or_default().to_owned());
                    let shown = if alias.is_some() || !dotted.contains('.') { full } else { bound.clone() };
                    names.insert(bound, self.module_value(&shown));
                }
            }
            "from" => {
                let split = tokens.iter().position(|token| matches!(token, Token::Name(word) if word == "import"));
                let split = split.unwrap_or(tokens.len());
                let (dotted, _) = clause_names(&tokens[1..split]);
                let full = self.resolve(&dotted, package);
                let found = self.import(&full).map_err(through)?;
                for clause in tokens
                    .get(split + 1..)
                    .unwrap_or_default()
                    .split(|token| matches!(token, Token::Op(word) if word == ","))
                {
                    let (name, alias) = clause_names(clause);
                    if name == "*" {
                        names.extend(
                            found
                                .iter()
                                .filter(|(name, _)| !name.starts_with('_'))
                                .map(|(n, v)| (n.clone(), v.clone())),
                        );
                        continue;
                    }
                    if name.is_empty() {
                        continue;
                    }
                    let value = match found.get(&name) {
                        Some(value) => value.clone(),
                        None => self.submodule(&full, &name).map_err(through)?,
                    };
                    names.insert(alias.unwrap_or(name), value);
                }
            }
            "raise" => {
                let kind = if word(1).is_empty() { "RuntimeError" } else { word(1) };
                let text = tokens
                    .iter()
                    .find_map(|token| if let Token::Str(text) = token { Some(text.as_str()) } else { None });
                return Err(Failure::at(kind, text.unwrap_or_default(), file, number));
            }
            "" | "pass" | "print" | "del" | "assert" | "global" | "exec" | "return" | "@" | "break" | "continue" => {}
            _ => self
                .assign_or_call(tokens, names)
                .map_err(|Raised(kind, text)| Failure::at(kind, &text, file, number))?,
        }
        Ok(())
    }

    fn assign_or_call(&self, tokens: &[Token], names: &mut Names) -> Result<(), Raised> {
        let mut depth = 0;
        let equals = tokens.iter().position(|token| {
            if let Token::Op(word) = token {
                match word.as_str() {
                    "(" | "[" | "{" => depth += 1,
                    ")" | "]" | "}" => depth -= 1,
                    "=" => return depth == 0,
                    _ => {}
                }
            }
            false
        });
        let Some(equals) = equals else {
            if let [Token::Name(sys), _, Token::Name(path), _, Token::Name(verb), _, rest @ ..] = tokens
                && sys == "sys"
                && path == "path"
            {
                self.change_path(verb, rest, names);
                return Ok(());
            }
            return self.value(tokens, names).map(|_| ());
        };
        let value = self.value(&tokens[equals + 1..], names)?;
        match &tokens[..equals] {
            [Token::Name(name)] => {
                names.insert(name.clone(), value);
            }
            // os.environ["X"] = value
            [Token::Name(os), _, Token::Name(environ), _, Token::Str(name), _]
                if os == "os" && environ == "environ" =>
            {
                if let Value::Str(text) = value {
                    self.changes.borrow_mut().insert(name.clone(), text);
                }
            }
            targets => {
                for token in targets {
                    if let Token::Name(name) = token {
                        names.entry(name.clone()).or_insert(Value::Unknown);
                    }
                }
            }
        }
        Ok(())
    }

    fn change_path(&self, verb: &str, arguments: &[Token], names: &Names) {
        let arguments = arguments.split_last().map_or(arguments, |(_, rest)| rest);
        let Ok(value) = self.value(arguments, names) else { return };
        let mut path = self.path.borrow_mut();
        match (verb, value) {
            ("append", Value::Str(dir)) => path.push(PathBuf::from(dir)),
            ("insert", Value::List(items)) => {
                if let [Value::Int(at), Value::Str(dir)] = items.as_slice() {
                    let at = usize::try_from(*at).unwrap_or(0).min(path.len());
                    path.insert(at, PathBuf::from(dir));
                }
            }
            _ => {}
        }
    }

    fn value(&self, tokens: &[Token], names: &Names) -> Result<Value, Raised> {
        let attribute = |module: &str, name: &str| self.attribute(module, name);
        let environment = |name: &str| {
            let changed = self.changes.borrow().get(name).cloned();
            changed.or_else(|| self.environment.get(name).cloned())
        };
        evaluate(tokens, &Scope { names, attribute: &attribute, environment: &environment })
    }

    fn attribute(&self, module: &str, name: &str) -> Option<Value> {
        let known = self.done.borrow();
        if let Some(value) = known.get(module).and_then(|names| names.get(name)) {
            return Some(value.clone());
        }
        let inner = format!("{module}.{name}");
        Some(if known.contains_key(&inner) { Value::Module(inner) } else { Value::Unknown })
    }

    /// What `import name` or `from package import name` binds.
    fn module_value(&self, full: &str) -> Value {
        if self.done.borrow().contains_key(full) {
            Value::Module(full.to_owned())
        } else {
            Value::Named(full.to_owned())
        }
    }

    fn submodule(&self, package: &str, name: &str) -> Result<Value, Failure> {
        let inner = format!("{package}.{name}");
        if !self.done.borrow().contains_key(package) {
            return Ok(Value::Named(inner));
        }
        match self.find(&inner) {
            Some(_) => {
                self.import(&inner)?;
                Ok(self.module_value(&inner))
            }
            None => Err(Failure {
                kind: "ImportError".to_owned(),
                text: format!("cannot import name {name}"),
                trace: Vec::new(),
            }),
        }
    }

    /// Python 2 looks beside the importing module first.
    fn resolve(&self, dotted: &str, package: Option<&str>) -> String {
        let Some(package) = package else { return dotted.trim_start_matches('.').to_owned() };
        let plain = dotted.trim_start_matches('.');
        let beside = if plain.is_empty() { package.to_owned() } else { format!("{package}.{plain}") };
        let first = format!("{package}.{}", plain.split('.').next().unwrap_or(plain));
        let there = matches!(self.find(&first), Some(Found::File(..)));
        if dotted.starts_with('.') || there { beside } else { plain.to_owned() }
    }
}

/// Whether a module is of the CRDS packages, which are looked into.
fn ours(dotted: &str) -> bool {
    dotted == "crds" || dotted.starts_with("crds.")
}

/// `a.b.c as d` as ("a.b.c", Some("d")); brackets are dropped.
fn clause_names(clause: &[Token]) -> (String, Option<String>) {
    let mut words = clause.iter().filter_map(|token| match token {
        Token::Name(word) => Some(word.as_str()),
        Token::Op(word) if word == "." || word == "*" || word == "..." => Some(word.as_str()),
        _ => None,
    });
    let mut dotted = String::new();
    for word in words.by_ref() {
        if word == "as" {
            break;
        }
        dotted.push_str(word);
    }
    (dotted, words.next().map(str::to_owned))
}

/// Names that a block may bind, without knowing to what.
fn bind_unknown(lines: &[Line], names: &mut Names) {
    for line in lines {
        let first = match line.tokens.first() {
            Some(Token::Name(word)) => word.as_str(),
            _ => continue,
        };
        let targets = match first {
            "def" | "class" => &line.tokens[1..line.tokens.len().min(2)],
            _ => &line.tokens[..],
        };
        for token in targets {
            if let Token::Name(name) = token {
                names.entry(name.clone()).or_insert(Value::Unknown);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Interpreter;
    use crate::stand_in::httpd::python::Value;
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("made");
            fs::write(path, text).expect("written");
        }
        dir
    }

    const PACKAGE: [(&str, &str); 5] = [
        ("crds/__init__.py", "from crds import log\n__version__ = '7.0'\n"),
        ("crds/log.py", "import sys\n"),
        ("crds/server/__init__.py", ""),
        ("crds/server/site_config.py", "HOST = 'h'\nport = 8001\nFLAG = True\nroot = '/r'\n"),
        (
            "crds/server/config.py",
            "import os.path\nimport site_config\nfrom site_config import HOST, FLAG, root\nport = site_config.port + 1 if FLAG else site_config.port\nURL = \"https://\" + HOST + \":\" + str(port) + \"/\"\nCACHE = os.path.join(root, 'file_cache')\n",
        ),
    ];

    #[test]
    fn configuration_is_evaluated_as_installed() {
        let dir = tree(&PACKAGE);
        let python = Interpreter::new(vec![dir.path().to_owned()], BTreeMap::new());
        let names = python.import("crds.server.config").expect("imported");
        assert_eq!(names.get("URL"), Some(&Value::Str("https://h:8002/".to_owned())));
        assert_eq!(names.get("CACHE"), Some(&Value::Str("/r/file_cache".to_owned())));
    }

    #[test]
    fn what_is_missing_is_an_import_error_in_pythons_words() {
        let dir = tree(&PACKAGE);
        let python = Interpreter::new(vec![dir.path().to_owned()], BTreeMap::new());
        let text = |name: &str| python.import(name).expect_err("missing").text;
        assert_eq!(text("crds.server.settings"), "No module named settings");
        assert_eq!(text("nosuch.thing"), "No module named nosuch.thing");
        fs::write(dir.path().join("crds/server/views.py"), "from crds.server.config import NOTHING\n")
            .expect("written");
        let failure = python.import("crds.server.views").expect_err("refused");
        assert_eq!(failure.text, "cannot import name NOTHING");
        fs::write(dir.path().join("crds/server/views.py"), "x = undefined_thing\n").expect("written");
        assert_eq!(python.import("crds.server.views").expect_err("refused").kind, "NameError");
    }
}
