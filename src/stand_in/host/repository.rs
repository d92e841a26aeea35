//! The Subversion repositories of both packages, with trunk and two release branches, and the checkouts of a host.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use super::packages::{self, Package};
use super::{LayOutError, NEW_RELEASE, OLD_RELEASE, files, release_of};
use crate::stand_in::fleet::spec::{Fleet, Host};

/// Makes both repositories.
pub fn create(fleet: &Fleet) -> Result<(), LayOutError> {
    std::thread::scope(|scope| {
        let work: Vec<_> =
            Package::BOTH.into_iter().map(|package| scope.spawn(move || create_one(fleet, package))).collect();
        work.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn create_one(fleet: &Fleet, package: Package) -> Result<(), LayOutError> {
    let path = fleet.root.join("svn").join(package.repository());
    files::run(Command::new("svnadmin").args(["create", "--compatible-version", "1.9"]).arg(&path))?;
    // A rehearsal commits often, and no power cut is rehearsed.
    let dump = history(fleet, package);
    let mut child = Command::new("svnadmin")
        .args(["load", "--quiet", "--no-flush-to-disk"])
        .arg(&path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| LayOutError::Program { program: "svnadmin load".to_owned(), why: error.to_string() })?;
    let failed = |why: String| LayOutError::Program { program: "svnadmin load".to_owned(), why };
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&dump).map_err(|error| failed(error.to_string()))?;
    }
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

/// The history of a package as a dump stream.
fn history(fleet: &Fleet, package: Package) -> Vec<u8> {
    let old = packages::release(fleet, package, false);
    let new = packages::release(fleet, package, true);
    let mut dump = Dump::default();
    dump.revision("2011-06-14T13:20:05.118203Z", "jmiller", "Repository layout.");
    for dir in ["trunk", "branches", "tags"] {
        dump.directory(dir);
    }
    dump.revision("2014-05-09T18:44:31.502117Z", "jmiller", "CRDS as of OPUS 2014.1, imported.");
    dump.add("trunk", &old, &BTreeMap::new());
    dump.revision("2014-05-19T14:02:47.913320Z", "jmiller", "Cut the OPUS 2014.2 release branch.");
    dump.copy("trunk", 2, &format!("branches/{OLD_RELEASE}"));
    dump.revision("2014-06-25T20:11:09.004418Z", "tdonaldson", "Release notes.");
    let note = BTreeMap::from([("RELEASE".to_owned(), format!("{OLD_RELEASE}: delivered 2014-06-25\n"))]);
    dump.add(&format!("branches/{OLD_RELEASE}"), &note, &BTreeMap::new());
    dump.revision("2014-07-17T15:37:52.660871Z", "jmiller", "Hidden running on a backup port; test runs use it.");
    dump.directory("trunk/design");
    dump.revision(
        "2014-08-27T17:08:20.271940Z",
        "jmiller",
        "Affected datasets as a service; the table of all contexts.",
    );
    dump.add("trunk", &new, &old);
    dump.revision("2014-09-08T13:51:33.830216Z", "jmiller", "Cut the OPUS 2014.3 release branch.");
    dump.copy("trunk", 6, &format!("branches/{NEW_RELEASE}"));
    dump.revision("2014-09-12T19:25:14.447702Z", "tdonaldson", "Release notes.");
    let note = BTreeMap::from([("RELEASE".to_owned(), format!("{NEW_RELEASE}: planned for 2014-09-16\n"))]);
    dump.add(&format!("branches/{NEW_RELEASE}"), &note, &BTreeMap::new());
    dump.bytes
}

/// A Subversion dump stream being written.
struct Dump {
    bytes: Vec<u8>,
    revision: usize,
}

impl Default for Dump {
    fn default() -> Self {
        let mut dump = Self { bytes: Vec::new(), revision: 0 };
        dump.bytes.extend_from_slice(b"SVN-fs-dump-format-version: 2\n\n");
        dump.bytes.extend_from_slice(b"Revision-number: 0\n");
        dump.properties(&[("svn:date", "2011-06-14T13:19:58.000000Z")], None);
        dump
    }
}

impl Dump {
    fn properties(&mut self, properties: &[(&str, &str)], text: Option<&str>) {
        let mut block = String::new();
        for (name, value) in properties {
            block.push_str(&format!("K {}\n{name}\nV {}\n{value}\n", name.len(), value.len()));
        }
        block.push_str("PROPS-END\n");
        let mut head = format!("Prop-content-length: {}\n", block.len());
        if let Some(text) = text {
            head.push_str(&format!("Text-content-length: {}\n", text.len()));
        }
        head.push_str(&format!("Content-length: {}\n\n", block.len() + text.map_or(0, str::len)));
        self.bytes.extend_from_slice(head.as_bytes());
        self.bytes.extend_from_slice(block.as_bytes());
        self.bytes.extend_from_slice(text.unwrap_or("").as_bytes());
        self.bytes.extend_from_slice(b"\n\n");
    }

    fn revision(&mut self, date: &str, author: &str, message: &str) {
        self.revision += 1;
        self.bytes.extend_from_slice(format!("Revision-number: {}\n", self.revision).as_bytes());
        self.properties(&[("svn:log", message), ("svn:author", author), ("svn:date", date)], None);
    }

    fn directory(&mut self, path: &str) {
        self.bytes.extend_from_slice(format!("Node-path: {path}\nNode-kind: dir\nNode-action: add\n").as_bytes());
        self.properties(&[], None);
    }

    fn copy(&mut self, from: &str, revision: usize, to: &str) {
        let node = format!(
            "Node-path: {to}\nNode-kind: dir\nNode-action: add\nNode-copyfrom-rev: {revision}\nNode-copyfrom-path: {from}\n\n\n"
        );
        self.bytes.extend_from_slice(node.as_bytes());
    }

    /// Adds or changes the files that differ from `before`; directories are added as needed.
    fn add(&mut self, below: &str, files: &BTreeMap<String, String>, before: &BTreeMap<String, String>) {
        let parents = |path: &String| {
            let mut found = Vec::new();
            for (at, _) in path.match_indices('/') {
                found.push(path[..at].to_owned());
            }
            found
        };
        let mut known: BTreeSet<String> = before.keys().flat_map(parents).collect();
        for (path, text) in files {
            for dir in parents(path) {
                if known.insert(dir.clone()) {
                    self.directory(&format!("{below}/{dir}"));
                }
            }
            let action = match before.get(path) {
                Some(old) if old == text => continue,
                Some(_) => "change",
                None => "add",
            };
            let node = format!("Node-path: {below}/{path}\nNode-kind: file\nNode-action: {action}\n");
            self.bytes.extend_from_slice(node.as_bytes());
            let marks: &[(&str, &str)] =
                if packages::executable(path, text) { &[("svn:executable", "*")] } else { &[] };
            self.properties(marks, Some(text));
        }
    }
}

/// Checks both packages out on a host, on the branch that it begins on.
pub fn check_out(fleet: &Fleet, host: &Host) -> Result<(), LayOutError> {
    let tree = host.tree();
    fs::create_dir_all(&tree).map_err(|source| LayOutError::file("make", &tree, source))?;
    for package in Package::BOTH {
        let url = format!(
            "file://{}/branches/{}",
            fleet.root.join("svn").join(package.repository()).display(),
            release_of(host.role)
        );
        let mut command = Command::new("svn");
        command.args(["checkout", "--quiet", "--non-interactive", &url]).arg(tree.join(package.checkout()));
        command.env("HOME", fleet.home());
        files::run(&mut command)?;
    }
    Ok(())
}
