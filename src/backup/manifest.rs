//! What lies in a tree: one line per member, with everything that a restore must bring back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::host::{Entry, EntryKind};

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Plain file.
    File,
    /// Directory.
    Directory,
    /// Symbolic link.
    Link,
    /// A further name of a file that came before.
    HardLink,
    /// Socket, pipe or device.
    Other,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Path below the tree's top.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Bytes of a plain file.
    pub size: u64,
    /// Modification time, whole seconds since 1970.
    pub mtime: i64,
    /// Target of a symbolic link, or the first name of a hard-linked file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// SHA-256 of a plain file.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
}

/// All members by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The members.
    pub members: BTreeMap<String, Member>,
    /// Paths that came more than once.
    pub twice: Vec<String>,
}

/// Why a manifest cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the manifest is not understood: {why}")]
pub struct ManifestError {
    line: usize,
    why: String,
}

/// In what two trees differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The path.
    pub path: String,
    /// What differs, with both values.
    pub what: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

impl Manifest {
    /// Adds a member.
    pub fn push(&mut self, member: Member) {
        let path = member.path.clone();
        if self.members.insert(path.clone(), member).is_some() {
            self.twice.push(path);
        }
    }

    /// The manifest as text, one JSON object a line, by path.
    pub fn to_text(&self) -> String {
        let lines = self.members.values().filter_map(|member| serde_json::to_string(member).ok());
        lines.fold(String::new(), |text, line| text + &line + "\n")
    }

    /// Reads [`Self::to_text`].
    ///
    /// # Errors
    ///
    /// [`ManifestError`] at the first line that is no member.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let mut manifest = Self::default();
        for (index, line) in text.lines().enumerate() {
            // What serde says repeats the value, however long it is.
            let why = |error: serde_json::Error| error.to_string().chars().take(200).collect();
            manifest
                .push(serde_json::from_str(line).map_err(|error| ManifestError { line: index + 1, why: why(error) })?);
        }
        Ok(manifest)
    }

    /// Lines that `sha256sum -c` takes.
    pub fn to_sha256sum(&self) -> String {
        let files = self.members.values().filter(|member| member.kind == Kind::File);
        files.fold(String::new(), |text, member| text + &member.sha256 + "  " + &member.path + "\n")
    }

    /// Total bytes of plain files.
    pub fn bytes(&self) -> u64 {
        let files = self.members.values().filter(|member| member.kind == Kind::File);
        files.fold(0, |sum, member| sum.saturating_add(member.size))
    }

    /// The manifest of a tree on a host, from its listing and the hashes of its files.
    pub fn of_listing(entries: &[Entry], hashes: &BTreeMap<String, String>) -> Self {
        let mut manifest = Self::default();
        let mut first: BTreeMap<(u64, u64), String> = BTreeMap::new();
        for entry in entries {
            let mut kind = match entry.kind {
                EntryKind::File => Kind::File,
                EntryKind::Directory => Kind::Directory,
                EntryKind::Link => Kind::Link,
                EntryKind::Other => Kind::Other,
            };
            let mut target = entry.target.clone();
            if entry.kind == EntryKind::File && entry.links > 1 {
                match first.get(&(entry.device, entry.inode)) {
                    Some(name) => {
                        kind = Kind::HardLink;
                        target.clone_from(name);
                    }
                    None => drop(first.insert((entry.device, entry.inode), entry.path.clone())),
                }
            }
            let file = kind == Kind::File;
            manifest.push(Member {
                path: entry.path.clone(),
                kind,
                mode: if entry.kind == EntryKind::Link { 0o777 } else { entry.mode },
                size: if file { entry.size } else { 0 },
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "seconds since 1970 fit, and the listing is finite"
                )]
                mtime: entry.mtime.floor() as i64,
                target,
                sha256: if file { hashes.get(&entry.path).cloned().unwrap_or_default() } else { String::new() },
            });
        }
        manifest
    }

    /// The same tree with hard links described alike, whichever name came first: the least path is the file.
    fn canonical(&self) -> BTreeMap<String, Member> {
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for member in self.members.values().filter(|member| member.kind == Kind::HardLink) {
            groups.entry(&member.target).or_default().push(&member.path);
        }
        let mut members = self.members.clone();
        for (first, others) in groups {
            let least = others.iter().copied().chain([first]).min().unwrap_or(first).to_owned();
            let Some(mut file) = members.get(first).cloned() else { continue };
            // A symbolic link can have several names too; a listing shows each as the link that it is.
            if file.kind == Kind::Link {
                for path in others {
                    members.insert(path.to_owned(), Member { path: path.to_owned(), ..file.clone() });
                }
                continue;
            }
            for path in others.iter().copied().chain([first]) {
                if let Some(member) = members.get_mut(path) {
                    *member = Member {
                        path: path.to_owned(),
                        kind: Kind::HardLink,
                        target: least.clone(),
                        size: 0,
                        sha256: String::new(),
                        ..file.clone()
                    };
                }
            }
            file.path.clone_from(&least);
            members.insert(least, file);
        }
        members
    }

    /// In what `copy` is not this tree: missing and surplus members, kinds, modes, sizes, links, hashes; with `times`
    /// also modification times of files.
    pub fn differences(&self, copy: &Self, times: bool) -> Vec<Difference> {
        let (source, copy) = (self.canonical(), copy.canonical());
        let mut found = Vec::new();
        let mut note = |path: &str, what: String| found.push(Difference { path: path.to_owned(), what });
        for (path, a) in &source {
            let Some(b) = copy.get(path) else {
                note(path, "is missing in the copy".into());
                continue;
            };
            if a.kind != b.kind {
                note(path, format!("kind {:?}, in the copy {:?}", a.kind, b.kind));
            } else if a.mode != b.mode {
                note(path, format!("mode {:04o}, in the copy {:04o}", a.mode, b.mode));
            } else if a.target != b.target {
                note(path, format!("leads to `{}`, in the copy to `{}`", a.target, b.target));
            } else if a.size != b.size {
                note(path, format!("{} bytes, in the copy {}", a.size, b.size));
            } else if a.sha256 != b.sha256 {
                note(path, "other contents in the copy".into());
            } else if times && a.kind == Kind::File && a.mtime != b.mtime {
                note(path, format!("time {}, in the copy {}", a.mtime, b.mtime));
            }
        }
        for path in copy.keys().filter(|path| !source.contains_key(*path)) {
            note(path, "is surplus in the copy".into());
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(path: &str, kind: Kind) -> Member {
        let sha256 = if kind == Kind::File { "ab".into() } else { String::new() };
        Member { path: path.into(), kind, mode: 0o644, size: 0, mtime: 1, target: String::new(), sha256 }
    }

    fn manifest(members: &[Member]) -> Manifest {
        let mut manifest = Manifest::default();
        members.iter().cloned().for_each(|member| manifest.push(member));
        manifest
    }

    #[test]
    fn every_changed_field_is_a_difference() {
        let good = manifest(&[member("a", Kind::File), member("d", Kind::Directory)]);
        let change = |edit: fn(&mut Member)| {
            let mut copy = good.clone();
            edit(copy.members.get_mut("a").unwrap());
            good.differences(&copy, true).len()
        };
        assert_eq!(good.differences(&good, true), []);
        let edits: [fn(&mut Member); 6] = [
            |m| m.mode = 0o600,
            |m| m.size = 1,
            |m| m.mtime = 2,
            |m| m.kind = Kind::Link,
            |m| m.sha256 = "cd".into(),
            |m| m.target = "x".into(),
        ];
        for (index, edit) in edits.into_iter().enumerate() {
            assert_eq!(change(edit), 1, "edit {index}");
        }
        let mut fewer = good.clone();
        fewer.members.remove("d");
        assert_eq!(good.differences(&fewer, false).len(), 1);
        assert_eq!(fewer.differences(&good, false).len(), 1);
    }

    #[test]
    fn hard_links_are_alike_whichever_name_came_first() {
        let link = |path: &str, target: &str| Member { target: target.into(), ..member(path, Kind::HardLink) };
        let one = manifest(&[member("b", Kind::File), link("a", "b"), link("c", "b")]);
        let other = manifest(&[member("c", Kind::File), link("a", "c"), link("b", "c")]);
        assert_eq!(one.differences(&other, true), []);
        let broken = manifest(&[member("b", Kind::File), link("a", "b"), member("c", Kind::File)]);
        assert!(!one.differences(&broken, true).is_empty(), "a link that became a copy");
    }

    #[test]
    fn the_text_is_read_back() {
        let one = manifest(&[member("b", Kind::File), member("x", Kind::Link)]);
        assert_eq!(Manifest::parse(&one.to_text()).unwrap(), one);
        assert!(Manifest::parse("{}\n").is_err());
    }

    #[test]
    fn absurd_sizes_do_not_add_up_to_small_ones() {
        let big = |path: &str| Member { size: u64::MAX, ..member(path, Kind::File) };
        assert_eq!(manifest(&[big("a"), big("b")]).bytes(), u64::MAX);
    }

    #[test]
    fn a_long_wrong_line_is_named_in_short() {
        let good = manifest(&[member("b", Kind::File)]).to_text();
        let error =
            Manifest::parse(&format!("{good}{{\"path\": \"x\", \"kind\": \"{}\"}}", "y".repeat(10 << 20))).unwrap_err();
        assert!(error.to_string().starts_with("line 2 of the manifest") && error.to_string().len() < 400, "{error}");
    }

    const TEXT: &str = "{\"path\":\"a\",\"kind\":\"file\",\"mode\":420,\"size\":12,\"mtime\":1,\"sha256\":\"ab\"}\n\
        {\"path\":\"b\",\"kind\":\"link\",\"mode\":511,\"size\":0,\"mtime\":-1,\"target\":\"a\"}\n";

    proptest::proptest! {
        #[test]
        fn a_damaged_manifest_is_refused_or_reads_as_it_writes(text in crate::mangled::text(TEXT)) {
            match Manifest::parse(&text) {
                Ok(read) => {
                    let again = Manifest::parse(&read.to_text()).unwrap();
                    proptest::prop_assert_eq!(&again.members, &read.members);
                    proptest::prop_assert_eq!(read.members.len() + read.twice.len(), text.lines().count());
                }
                Err(error) => proptest::prop_assert!((1..=text.lines().count()).contains(&error.line)),
            }
        }
    }
}
