//! The two stacks of a host: Python, Apache's module and the third party packages, built from package sets (SO 7).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{LayOutError, files, packages};
use crate::stand_in::fleet::spec::{Fleet, Host};
use crate::stand_in::tools::crds::REAL_CLIENT;

/// A stack: its name and what differs between the two.
struct Stack {
    name: &'static str,
    wsgi: &'static str,
    python: &'static str,
    django: &'static str,
}

const STACKS: [Stack; 2] = [
    Stack { name: "crds_11", wsgi: "mod_wsgi/3.3", python: "Python/2.7.3", django: "1.6.2" },
    Stack { name: "crds_12", wsgi: "mod_wsgi/3.4", python: "Python/2.7.5", django: "1.6.5" },
];

/// Builds both stacks of a host, as its `build_stack` would.
pub fn build(fleet: &Fleet, host: &Host) -> Result<(), LayOutError> {
    let stacks = host.tree().join("crds_stacks");
    let build = stacks.join("installer3/build");
    files::directory(&build.join("packages"), 0o755)?;
    files::file(&build.join("build_packages"), packages::embedded("server/host/build_packages"), 0o755)?;
    files::file(
        &build.join("hg.summary"),
        "parent: 412:9c1f0e6a3d27 tip\n update for OPUS 2014.3\nbranch: default\ncommit: (clean)\nupdate: (current)\n",
        0o644,
    )?;
    for stack in &STACKS {
        let base = build.join(format!("packages/base.{}", stack.name));
        let crds = build.join(format!("packages/crds.{}", stack.name));
        base_set(fleet, stack, &base)?;
        crds_set(stack, &crds)?;
        let built = stacks.join(stack.name);
        for set in [&base, &crds] {
            hard_links(set, &built)?;
        }
    }
    Ok(())
}

/// A file that looks like a shared library to whoever maps it, and names its version.
fn library(version: &str) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x3e\x00".to_vec();
    bytes.resize(64, 0);
    bytes.extend_from_slice(format!("\n{version}\n").as_bytes());
    bytes.resize(8192, 0);
    bytes
}

fn base_set(fleet: &Fleet, stack: &Stack, set: &Path) -> Result<(), LayOutError> {
    for dir in ["bin", "lib/apache", "lib/python2.7/site-packages"] {
        files::directory(&set.join(dir), 0o755)?;
    }
    for name in ["python", "python2.7"] {
        files::link(fleet.program(), &set.join("bin").join(name))?;
    }
    if let Some(venv) = &fleet.real_client {
        files::file(&set.join(REAL_CLIENT), format!("{}\n", venv.display()), 0o644)?;
    }
    let wsgi = format!("{} {}", stack.wsgi, stack.python);
    files::file(&set.join("lib/apache/mod_wsgi.so"), library(&wsgi), 0o755)?;
    files::file(&set.join("lib/libpython2.7.so.1.0"), library(stack.python), 0o755)?;
    files::file(&set.join("lib/python2.7/LICENSE.txt"), "PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2\n", 0o644)
}

fn crds_set(stack: &Stack, set: &Path) -> Result<(), LayOutError> {
    let site = set.join("lib/python2.7/site-packages");
    let version = format!("\"\"\"Django.\"\"\"\nVERSION = \"{}\"\n", stack.django);
    let modules = [
        ("django/__init__.py", version.as_str()),
        ("django/core/__init__.py", "\"\"\"Core of Django.\"\"\"\n"),
        (
            "django/core/management.py",
            "\"\"\"Command line.\"\"\"\nimport sys\n\n\ndef execute_from_command_line(argv):\n    return argv\n",
        ),
        ("django/core/handlers/__init__.py", "\"\"\"Handlers.\"\"\"\n"),
        ("django/core/handlers/wsgi.py", "\"\"\"WSGI.\"\"\"\n\n\nclass WSGIHandler(object):\n    pass\n"),
        ("dbbackup/__init__.py", "\"\"\"django-dbbackup.\"\"\"\nVERSION = \"1.80.1\"\n"),
        ("numpy/__init__.py", "\"\"\"NumPy.\"\"\"\n__version__ = \"1.8.0\"\n"),
        ("pyfits/__init__.py", "\"\"\"PyFITS.\"\"\"\n__version__ = \"3.2\"\n"),
        ("pyodbc.py", "\"\"\"ODBC.\"\"\"\nversion = \"3.0.7\"\n"),
    ];
    for (name, text) in modules {
        let path = site.join(name);
        if let Some(dir) = path.parent() {
            files::directory(dir, 0o755)?;
        }
        files::file(&path, text, 0o644)?;
    }
    Ok(())
}

/// Copies a tree as hard links, symbolic links as such.
fn hard_links(from: &Path, to: &Path) -> Result<(), LayOutError> {
    fs::create_dir_all(to).map_err(|source| LayOutError::file("make", to, source))?;
    let read = |source| LayOutError::file("read", from, source);
    for entry in fs::read_dir(from).map_err(read)? {
        let entry = entry.map_err(read)?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type().map_err(read)?;
        if kind.is_dir() {
            hard_links(&entry.path(), &target)?;
            let mode = entry.metadata().map_err(read)?.permissions().mode();
            fs::set_permissions(&target, fs::Permissions::from_mode(mode))
                .map_err(|source| LayOutError::file("open", &target, source))?;
        } else {
            fs::hard_link(entry.path(), &target).map_err(|source| LayOutError::file("link", &target, source))?;
        }
    }
    Ok(())
}
