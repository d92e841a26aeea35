//! The two packages in both releases, as their repositories hold them.

use std::collections::BTreeMap;

use include_dir::{Dir, include_dir};

use super::NEW_RELEASE;
use crate::stand_in::fleet::spec::{Fleet, Role};

static TREE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/stand_in/host/tree");

/// One of the two packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Package {
    /// The client library, checked out as `CRDS`.
    Client,
    /// The server, checked out as `CRDS_server`.
    Server,
}

impl Package {
    /// Both.
    pub const BOTH: [Package; 2] = [Package::Client, Package::Server];

    /// The repository's name below `DIR/svn`.
    pub fn repository(self) -> &'static str {
        match self {
            Self::Client => "crds",
            Self::Server => "crds_server",
        }
    }

    /// The checkout's name on a host.
    pub fn checkout(self) -> &'static str {
        match self {
            Self::Client => "CRDS",
            Self::Server => "CRDS_server",
        }
    }

    fn source(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// A file of the embedded tree, by its path.
pub fn embedded(path: &str) -> &'static str {
    TREE.get_file(path).and_then(include_dir::File::contents_utf8).unwrap_or("")
}

/// Whether the repository marks a file as executable: every script, but not `mirror_server` (SO 12).
pub fn executable(path: &str, text: &str) -> bool {
    text.starts_with("#!") && path != "tools/mirror_server"
}

/// The files of a package in a release, by path, with this fleet's names and addresses filled in.
pub fn release(fleet: &Fleet, package: Package, new: bool) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    if let Some(dir) = TREE.get_dir(package.source()) {
        gather(dir, package.source(), &mut files);
    }
    let values = substitutions(fleet);
    for text in files.values_mut() {
        *text = of_release(text, new);
        for (word, value) in &values {
            if text.contains(word.as_str()) {
                *text = text.replace(word, value);
            }
        }
    }
    files
}

fn gather(dir: &Dir<'_>, package: &str, files: &mut BTreeMap<String, String>) {
    for file in dir.files() {
        let path = file.path().to_string_lossy();
        let path = path.strip_prefix(package).unwrap_or(&path).trim_start_matches('/').to_owned();
        files.insert(path, file.contents_utf8().unwrap_or("").to_owned());
    }
    for inner in dir.dirs() {
        gather(inner, package, files);
    }
}

/// Keeps the lines of one release and takes their marks away.
fn of_release(text: &str, new: bool) -> String {
    let since = format!("# since {NEW_RELEASE}");
    let until = format!("# until {NEW_RELEASE}");
    let (keep, drop) = if new { (&since, &until) } else { (&until, &since) };
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        if line.trim_end().ends_with(drop.as_str()) {
            continue;
        }
        out.push_str(line.trim_end().strip_suffix(keep.as_str()).map_or(line, str::trim_end));
        out.push('\n');
    }
    out
}

/// Names in the files that differ from fleet to fleet. Hosts that the fleet does not have keep names that do not resolve.
fn substitutions(fleet: &Fleet) -> Vec<(String, String)> {
    let mut values = Vec::new();
    for observatory in ["hst", "jwst"] {
        for role in [Role::Dev, Role::Test, Role::Ops] {
            let tail = format!("{observatory}_{}", role.as_str());
            let host = fleet.host(role).filter(|host| host.observatory == observatory);
            let (address, proxy, root) = match host {
                Some(host) => (
                    host.address.to_string(),
                    host.proxy_url().unwrap_or_default().trim_start_matches("https://").to_owned(),
                    host.root().to_string_lossy().into_owned(),
                ),
                None => {
                    let suffix = if role == Role::Ops { String::new() } else { format!("-{}", role.as_str()) };
                    let letter = &role.as_str()[..1].replace('o', "p");
                    (
                        format!("{letter}l{observatory}crdsv1.invalid"),
                        format!("{observatory}-crds{suffix}.invalid"),
                        String::new(),
                    )
                }
            };
            values.push((format!("SUB_HOST_{tail}"), address));
            values.push((format!("SUB_PROXY_{tail}"), proxy));
            values.push((format!("SUB_ROOT_{tail}"), root));
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_divide_the_releases() {
        let text = "a\nb  # since opus_2014.3\nc  # until opus_2014.3\n";
        assert_eq!(of_release(text, true), "a\nb\n");
        assert_eq!(of_release(text, false), "a\nc\n");
    }

    #[test]
    fn both_packages_are_embedded() {
        assert!(embedded("server/install").starts_with("#!/bin/bash"));
        assert!(embedded("client/crds/sync.py").contains("import"));
    }
}
