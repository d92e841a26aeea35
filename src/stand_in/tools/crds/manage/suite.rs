//! Which tests the installed release has: read from its test modules, as the runner's discovery does (SO 14).

use std::fs;
use std::path::Path;

use crate::stand_in::tools::crds::python::modules::Importer;
use crate::stand_in::tools::crds::python::source::{self, Logical};

/// The applications in the order in which their tests run.
pub const APPS: [&str; 6] = ["interactive", "jsonapi", "locking", "fileupload", "stats", "jpoll"];

/// One test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// Application.
    pub app: String,
    /// Class.
    pub class: String,
    /// Method.
    pub name: String,
    /// First line of its docstring.
    pub doc: Option<String>,
    /// Its first statement; `pass` for an empty body.
    pub body: String,
    /// Line of that statement.
    pub line: usize,
}

impl Test {
    /// `app.tests.Class`.
    pub fn place(&self) -> String {
        format!("{}.tests.{}", self.app, self.class)
    }
}

/// What discovery found: tests, and modules that could not be imported with their tracebacks.
#[derive(Debug, Default)]
pub struct Found {
    /// The tests in running order.
    pub tests: Vec<Test>,
    /// Test module and traceback.
    pub broken: Vec<(String, Vec<String>)>,
    /// What importing the modules prints.
    pub printed: Vec<String>,
}

/// Finds the tests of an observatory in the installed release; `labels` choose (`interactive.tests.Hst`, `jsonapi`).
pub fn discover(importer: &mut Importer, observatory: &str, labels: &[String]) -> Found {
    let mut found = Found::default();
    for app in APPS {
        let module = format!("crds.server.{app}.tests");
        if let Err(failure) = importer.import(&module) {
            found.broken.push((format!("sources.{app}.tests"), failure.traceback));
            continue;
        }
        let Some(file) = importer.file_of(&module) else { continue };
        let lines = fs::read(file).ok().and_then(|bytes| source::logical_lines(&bytes).ok()).unwrap_or_default();
        if lines.iter().any(|logical| logical.indent == 0 && logical.text.starts_with("print \"testing\"")) {
            found.printed.push(format!("testing {observatory}"));
        }
        let mut tests = tests_of(app, &lines, observatory);
        tests.retain(|test| {
            labels.is_empty()
                || labels.iter().any(|label| {
                    let whole = format!("{}.{}", test.place(), test.name);
                    whole == *label || whole.strip_prefix(label.as_str()).is_some_and(|rest| rest.starts_with('.'))
                })
        });
        found.tests.extend(tests);
    }
    found
}

/// Tests of one module: the observatory's class with what it inherits, and classes that belong to no project.
fn tests_of(app: &str, lines: &[Logical], observatory: &str) -> Vec<Test> {
    let project = |name: &str| name.eq_ignore_ascii_case(observatory);
    let mut classes: Vec<(String, String, Vec<Test>)> = Vec::new();
    let mut waiting: Option<(String, Option<String>)> = None;
    for logical in lines {
        if let Some(rest) = logical.text.strip_prefix("class ").filter(|_| logical.indent == 0) {
            let (name, base) = rest.trim_end_matches("):").split_once('(').unwrap_or((rest, ""));
            classes.push((name.to_owned(), base.to_owned(), Vec::new()));
            waiting = None;
        } else if let Some(rest) = logical.text.strip_prefix("def test") {
            let name = rest.split('(').next().unwrap_or(rest);
            waiting = Some((format!("test{name}"), None));
        } else if let Some((name, doc)) = waiting.take() {
            let literal = (logical.bare == "\"\"").then(|| source::unquoted(&logical.text)).flatten();
            if let (Some(literal), None) = (literal, &doc) {
                waiting = Some((name, literal.trim().lines().next().map(str::to_owned)));
                continue;
            }
            if let Some((class, _, tests)) = classes.last_mut() {
                let body = logical.text.clone();
                tests.push(Test { app: app.to_owned(), class: class.clone(), name, doc, body, line: logical.line });
            }
        }
    }
    let bases: Vec<&str> = classes.iter().map(|(_, base, _)| base.as_str()).collect();
    let mut chosen = Vec::new();
    for (name, base, own) in &classes {
        let is_base = bases.contains(&name.as_str());
        let other_project = ["Hst", "Jwst", "Roman"].contains(&name.as_str()) && !project(name);
        if is_base || other_project {
            continue;
        }
        let inherited = classes.iter().find(|(other, _, _)| other == base).map(|(_, _, tests)| tests.clone());
        let mut tests: Vec<Test> = inherited.unwrap_or_default();
        tests.retain(|test| own.iter().all(|mine| mine.name != test.name));
        tests.extend(own.iter().cloned());
        for test in &mut tests {
            test.class.clone_from(name);
        }
        tests.sort_by(|a, b| a.name.cmp(&b.name));
        chosen.extend(tests);
    }
    chosen
}

/// Whether the installed server has a view behind a path: its pattern in `urls.py`, its function in the views.
pub fn has_view(server: &Path, path: &str) -> Result<(), String> {
    let text = fs::read_to_string(server.join("urls.py")).map_err(|error| format!("urls.py: {error}"))?;
    let path = path.trim_start_matches('/');
    for line in text.lines() {
        let Some((pattern, rest)) = line.trim().strip_prefix("(r'").and_then(|rest| rest.split_once("', ")) else {
            continue;
        };
        // Python's named groups are written the same way here.
        if !regex::Regex::new(pattern).is_ok_and(|regex| regex.is_match(path)) {
            continue;
        }
        let view = rest.split(')').next().unwrap_or("").trim();
        let (module, function) = view.split_once('.').unwrap_or(("views", view));
        let app = match module {
            "json_views" => "jsonapi",
            "upload_views" => "fileupload",
            "jpoll_views" => "jpoll",
            _ => "interactive",
        };
        let views = fs::read_to_string(server.join(app).join("views.py")).unwrap_or_default();
        if views.contains(&format!("def {function}(")) {
            return Ok(());
        }
        return Err(format!("AttributeError: 'module' object has no attribute '{function}'"));
    }
    Err("AssertionError: 404 != 200".to_owned())
}
