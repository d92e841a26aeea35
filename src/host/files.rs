//! Files of a host: reading, writing, listing, hashing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use serde::Serialize;

use crate::plan::Change;
use crate::run::Permit;

use super::process::Limit;
use super::record::CallKind;
use super::{HostError, Ran, Remote, Script, Shell};

/// Most entries that one listing may have.
pub const MAX_ENTRIES: usize = 2_000_000;

/// What `find` prints of each entry, fields separated by tabs, the two names last, ended by NUL: type, mode, size,
/// modification time, links, inode, device, owner, group, path below the start, target of a link. Owner and group by
/// number: `find` would look each up in the host's list of accounts again for every entry, which is most of its work.
const FORMAT: &str = "%y\\t%m\\t%s\\t%T@\\t%n\\t%i\\t%D\\t%U\\t%G\\t%P\\t%l\\0";

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// Plain file.
    File,
    /// Directory.
    Directory,
    /// Symbolic link, never followed.
    Link,
    /// Socket, pipe or device.
    Other,
}

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Path below the start of the listing; empty for the start itself.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// Modification time, seconds since 1970.
    pub mtime: f64,
    /// Hard links.
    pub links: u64,
    /// Inode number; with `device` it says which entries are one file.
    pub inode: u64,
    /// Device number.
    pub device: u64,
    /// Owner.
    pub owner: String,
    /// Group.
    pub group: String,
    /// Where a symbolic link points to.
    pub target: String,
}

/// Names of a host's accounts and groups by number.
#[derive(Debug, Default)]
pub(super) struct Names {
    users: BTreeMap<String, String>,
    groups: BTreeMap<String, String>,
}

/// A checksum that the hosts' own tools can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// The one of CRDS's catalogue.
    Sha1,
    /// The one of manifests.
    Sha256,
}

/// As [`FORMAT`], with the tree that the entry lies in before it.
const FORMAT_OF_TREES: &str = "%H\\t%y\\t%m\\t%s\\t%T@\\t%n\\t%i\\t%D\\t%U\\t%G\\t%P\\t%l\\0";

/// The names of accounts and groups; a number that has none is left out.
const NAMES: Script = Script {
    name: "names of accounts",
    shell: Shell::Sh,
    text: r#"[ -z "$1" ] || getent passwd $1; echo --; [ -z "$2" ] || getent group $2"#,
};

const SHA256_TREES: Script = Script {
    name: "sha256sum of trees",
    shell: Shell::Sh,
    text: r#"without="$1"; shift; find -H "$@" -name "$without" -prune -o -type f -print0 | xargs -0 -r sha256sum --"#,
};

const SHA1_TREE: Script = Script {
    name: "sha1sum of a tree",
    shell: Shell::Sh,
    text: r#"cd "$1" && find . -name "$2" -prune -o -type f -print0 | xargs -0 -r sha1sum --"#,
};

/// Names are read from standard input: they are more than a command line takes.
const SHA_FILES: &str = r#"cd "$1" && exec xargs -0 -r "$2" --"#;

const SHA256_TREE: Script = Script {
    name: "sha256sum of a tree",
    shell: Shell::Sh,
    text: r#"cd "$1" && find . -name "$2" -prune -o -type f -print0 | xargs -0 -r sha256sum --"#,
};

/// Writes standard input to a file next to the wanted one, then moves it there: nobody ever sees half of it.
const WRITE: &str =
    r#"umask 077; cat >"$1.crds-upgrade" && chmod "$2" "$1.crds-upgrade" && mv -f "$1.crds-upgrade" "$1""#;

impl Remote {
    /// The bytes of the file at `path`, at most `most` of them.
    ///
    /// # Errors
    ///
    /// [`HostError::Failed`] if there is no such file or it may not be read, [`HostError::TooMuch`] if it is larger.
    pub fn read_file(&self, path: &str, most: usize) -> Result<Vec<u8>, HostError> {
        let limit = Limit { output: most, ..Limit::WALK };
        let ran = self.call_as(CallKind::Read, &["cat", "--", path], limit)?;
        self.zero(&format!("cat {path}"), ran).map(|ran| ran.stdout)
    }

    /// The bytes of the file at `path`, or nothing if there is no such file.
    ///
    /// # Errors
    ///
    /// As [`Self::read_file`], but for a missing file.
    pub fn read_if_there(&self, path: &str, most: usize) -> Result<Option<Vec<u8>>, HostError> {
        let path = self.absolute(path)?;
        let limit = Limit { output: most, ..Limit::WALK };
        let ran = self.call_as(CallKind::Read, &["cat", "--", path], limit)?;
        let said = ran.error_text();
        if !ran.is_zero() && ["No such file or directory", "Is a directory"].iter().any(|why| said.contains(why)) {
            return Ok(None);
        }
        self.zero(&format!("cat {path}"), ran).map(|ran| Some(ran.stdout))
    }

    /// The last `most` bytes of the file at `path`.
    ///
    /// # Errors
    ///
    /// As [`Self::read_file`].
    pub fn read_tail(&self, path: &str, most: usize) -> Result<Vec<u8>, HostError> {
        let count = most.to_string();
        let limit = Limit { output: most + 1, ..Limit::WALK };
        let ran = self.call_as(CallKind::Read, &["tail", "-c", &count, "--", path], limit)?;
        self.zero(&format!("tail {path}"), ran).map(|ran| ran.stdout)
    }

    /// The entry at `path` itself (a link is not followed), or nothing if there is none.
    ///
    /// # Errors
    ///
    /// [`HostError`]; a directory above that may not be searched is [`HostError::Failed`], not "none".
    pub fn stat(&self, path: &str) -> Result<Option<Entry>, HostError> {
        let path = self.absolute(path)?;
        let ran = self.look(&["find", path, "-maxdepth", "0", "-printf", FORMAT], Limit::QUICK)?;
        if !ran.is_zero() && ran.error_text().contains("No such file or directory") {
            return Ok(None);
        }
        let ran = self.zero(&format!("find {path}"), ran)?;
        let mut entries = self.entries("find", &ran.stdout)?;
        self.name_owners(entries.iter_mut())?;
        Ok(entries.pop())
    }

    /// As [`Self::stat`], for many at the price of one: those of `paths` that are there.
    ///
    /// # Errors
    ///
    /// As [`Self::stat`].
    pub fn stats(&self, paths: &[impl AsRef<str>]) -> Result<BTreeMap<String, Entry>, HostError> {
        if paths.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut argv = vec!["find"];
        for path in paths {
            argv.push(self.absolute(path.as_ref())?);
        }
        argv.extend(["-maxdepth", "0", "-printf", FORMAT_OF_TREES]);
        let ran = self.look(&argv, Limit::QUICK)?;
        let ran = self.zero_but_missing(ran)?;
        let mut entries = Vec::new();
        for record in self.records("find", &ran.stdout)? {
            let seam = memchr::memchr(b'\t', record).ok_or_else(|| self.shape("find", record))?;
            let path = std::str::from_utf8(&record[..seam]).map_err(|_| self.shape("find", record))?;
            entries.push((path.to_owned(), entry(&record[seam + 1..]).ok_or_else(|| self.shape("find", record))?));
        }
        self.name_owners(entries.iter_mut().map(|(_, entry)| entry))?;
        Ok(entries.into_iter().collect())
    }

    /// What `find` printed of several starts, of which some may be missing and nothing else may be wrong.
    fn zero_but_missing(&self, ran: Ran) -> Result<Ran, HostError> {
        let odd = |line: &str| !line.trim().is_empty() && !line.contains("No such file or directory");
        let said = ran.error_text();
        if !ran.is_zero() && (said.trim().is_empty() || said.lines().any(odd)) {
            return self.zero("find", ran);
        }
        Ok(ran)
    }

    /// Every entry below `path` down to `depth` levels, in the order of their paths; the start itself is left out.
    /// Links are not followed and other file systems are entered.
    ///
    /// # Errors
    ///
    /// [`HostError`]; an entry that could not be looked at fails the whole listing.
    pub fn list(&self, path: &str, depth: Option<u32>) -> Result<Vec<Entry>, HostError> {
        let path = self.absolute(path)?;
        let depth = depth.unwrap_or(1000).to_string();
        // The start itself may be a link (a shared home); what lies below is never followed.
        let argv = ["find", "-H", path, "-mindepth", "1", "-maxdepth", &depth, "-printf", FORMAT];
        let limit = Limit { output: 512 << 20, ..Limit::WALK };
        let ran = self.call_as(CallKind::Read, &argv, limit)?;
        let ran = self.zero(&format!("find {path}"), ran)?;
        let mut entries = self.entries("find", &ran.stdout)?;
        self.name_owners(entries.iter_mut())?;
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    /// Those of `paths` that are there, links not followed. As [`Self::stat`], for many at the price of one.
    ///
    /// # Errors
    ///
    /// As [`Self::stat`].
    pub fn there<'p>(&self, paths: &[&'p str]) -> Result<Vec<&'p str>, HostError> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let mut argv = vec!["find"];
        for path in paths {
            argv.push(self.absolute(path)?);
        }
        argv.extend(["-maxdepth", "0", "-printf", "%p\\0"]);
        let ran = self.look(&argv, Limit::QUICK)?;
        let ran = self.zero_but_missing(ran)?;
        let seen: Vec<&[u8]> = ran.stdout.split(|b| *b == 0).collect();
        Ok(paths.iter().copied().filter(|path| seen.contains(&path.as_bytes())).collect())
    }

    /// As [`Self::list`] of each of `trees`, all of which are there, at the price of one: entries by tree, the tree itself first,
    /// under an empty path.
    ///
    /// # Errors
    ///
    /// As [`Self::list`].
    pub fn list_trees(&self, trees: &[&str]) -> Result<BTreeMap<String, Vec<Entry>>, HostError> {
        let mut listed: BTreeMap<String, Vec<Entry>> =
            trees.iter().map(|tree| ((*tree).to_owned(), Vec::new())).collect();
        if trees.is_empty() {
            return Ok(listed);
        }
        let mut argv = vec!["find", "-H"];
        for tree in trees {
            argv.push(self.absolute(tree)?);
        }
        argv.extend(["-printf", FORMAT_OF_TREES]);
        let limit = Limit { output: 512 << 20, ..Limit::WALK };
        let ran = self.call_as(CallKind::Read, &argv, limit)?;
        let ran = self.zero("find", ran)?;
        for record in self.records("find", &ran.stdout)? {
            let seam = memchr::memchr(b'\t', record);
            let read = seam.and_then(|at| Some((std::str::from_utf8(&record[..at]).ok()?, entry(&record[at + 1..])?)));
            let place = read.and_then(|(tree, entry)| Some((listed.get_mut(tree)?, entry)));
            let (list, entry) = place.ok_or_else(|| self.shape("find", record))?;
            list.push(entry);
        }
        self.name_owners(listed.values_mut().flatten())?;
        for list in listed.values_mut() {
            list.sort_by(|a, b| a.path.cmp(&b.path));
        }
        Ok(listed)
    }

    /// SHA-256 of all plain files below each of `trees`, all of which are there, without those called `name`: sums by tree
    /// and path below it.
    ///
    /// # Errors
    ///
    /// As [`Self::hash_tree`].
    pub fn hash_trees_without(
        &self,
        trees: &[&str],
        name: &str,
    ) -> Result<BTreeMap<String, BTreeMap<String, String>>, HostError> {
        let mut hashed: BTreeMap<String, BTreeMap<String, String>> =
            trees.iter().map(|tree| ((*tree).to_owned(), BTreeMap::new())).collect();
        if trees.is_empty() {
            return Ok(hashed);
        }
        let mut args = vec![name];
        for tree in trees {
            args.push(self.absolute(tree)?);
        }
        let limit = Limit { output: 512 << 20, ..Limit::WALK };
        let ran = self.must_look_script(&SHA256_TREES, &args, limit)?;
        for (path, sum) in self.sums(SHA256_TREES.name, &ran.stdout)? {
            // The longest, should one tree lie in another.
            let below = |tree: &&&str| path.strip_prefix(**tree).is_some_and(|rest| rest.starts_with('/'));
            let tree = trees.iter().filter(below).max_by_key(|tree| tree.len());
            let place = tree.and_then(|tree| Some((hashed.get_mut(*tree)?, path.get(tree.len() + 1..)?)));
            let (sums, path) = place.ok_or_else(|| self.shape(SHA256_TREES.name, path.as_bytes()))?;
            sums.insert(path.to_owned(), sum);
        }
        Ok(hashed)
    }

    /// Checksums of all plain files below `path`, by path below it.
    ///
    /// # Errors
    ///
    /// [`HostError`]; a file that could not be read fails the whole.
    pub fn hash_tree(&self, path: &str, algorithm: Algorithm) -> Result<BTreeMap<String, String>, HostError> {
        self.hash_tree_without(path, algorithm, "/") // no name holds a slash: nothing is left out
    }

    /// Checksums of the files called `names` in the directory at `path`, links followed, by name.
    ///
    /// # Errors
    ///
    /// As [`Self::hash_tree`].
    pub fn hash_files(
        &self,
        path: &str,
        names: &[&str],
        algorithm: Algorithm,
    ) -> Result<BTreeMap<String, String>, HostError> {
        let tool = match algorithm {
            Algorithm::Sha1 => "sha1sum",
            Algorithm::Sha256 => "sha256sum",
        };
        let path = self.absolute(path)?;
        let stdin = names.iter().flat_map(|name| [name.as_bytes(), b"\0"]).collect::<Vec<_>>().concat();
        let limit = Limit { output: 512 << 20, ..Limit::WALK };
        let ran = self.look_with(&["/bin/sh", "-c", SHA_FILES, "sh", path, tool], &stdin, limit)?;
        let ran = self.zero("checksums of files", ran)?;
        self.sums("checksums of files", &ran.stdout)
    }

    /// As [`Self::hash_tree`], without files and directories called `name`, such as a checkout's `.svn`.
    ///
    /// # Errors
    ///
    /// As [`Self::hash_tree`].
    pub fn hash_tree_without(
        &self,
        path: &str,
        algorithm: Algorithm,
        name: &str,
    ) -> Result<BTreeMap<String, String>, HostError> {
        let path = self.absolute(path)?;
        let script = match algorithm {
            Algorithm::Sha1 => &SHA1_TREE,
            Algorithm::Sha256 => &SHA256_TREE,
        };
        let limit = Limit { output: 512 << 20, ..Limit::WALK };
        let ran = self.must_look_script(script, &[path, name], limit)?;
        self.sums(script.name, &ran.stdout)
    }

    /// Writes `bytes` to the file at `path` with the permission bits `mode`, in one move.
    ///
    /// # Errors
    ///
    /// [`HostError`]; with [`HostError::outcome_unknown`] it may be there.
    pub fn write_file(
        &self,
        permit: &Permit<'_>,
        change: Change,
        path: &str,
        bytes: &[u8],
        mode: u32,
    ) -> Result<(), HostError> {
        let path = self.absolute(path)?;
        let mode = format!("{:o}", mode & 0o7777);
        let argv = ["/bin/sh", "-c", WRITE, "sh", path, &mode];
        let ran = self.act_with(permit, change, &argv, bytes, Limit::WALK)?;
        self.zero(&format!("write {path}"), ran).map(|_| ())
    }

    /// `find` and its kin take a leading `-` for an option, and a relative path for one below the login directory.
    fn absolute<'p>(&self, path: &'p str) -> Result<&'p str, HostError> {
        if path.starts_with('/') && !path.split('/').any(|part| part == "..") {
            return Ok(path);
        }
        let what = path.chars().take(80).collect();
        Err(HostError::Argument { host: self.name().to_owned(), what, why: "it is no absolute path without `..`" })
    }

    fn shape(&self, call: &str, what: &[u8]) -> HostError {
        let what = String::from_utf8_lossy(what).chars().take(80).collect();
        HostError::Shape { host: self.name().to_owned(), call: call.to_owned(), what }
    }

    fn entries(&self, call: &str, output: &[u8]) -> Result<Vec<Entry>, HostError> {
        let records = self.records(call, output)?.into_iter();
        records.map(|record| entry(record).ok_or_else(|| self.shape(call, record))).collect()
    }

    /// Puts the host's names of accounts and groups in place of their numbers. Asked once for each number; one without a
    /// name stays as it is.
    fn name_owners<'e>(&self, entries: impl Iterator<Item = &'e mut Entry>) -> Result<(), HostError> {
        let entries: Vec<&mut Entry> = entries.collect();
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |known: &BTreeMap<String, String>, of: fn(&Entry) -> &String| -> BTreeSet<String> {
            entries.iter().map(|entry| of(entry)).filter(|number| !known.contains_key(*number)).cloned().collect()
        };
        let (users, groups) = (fresh(&names.users, |entry| &entry.owner), fresh(&names.groups, |entry| &entry.group));
        if !users.is_empty() || !groups.is_empty() {
            let list = |numbers: &BTreeSet<String>| numbers.iter().cloned().collect::<Vec<_>>().join(" ");
            // Its status says whether every number has a name; which have, is what it prints.
            let ran = self.look_script(&NAMES, &[&list(&users), &list(&groups)], Limit::QUICK)?;
            let text = ran.text();
            let lines: Vec<&str> = text.lines().collect();
            let seam = lines.iter().position(|line| *line == "--");
            let seam = seam.ok_or_else(|| self.shape(NAMES.name, text.as_bytes()))?;
            learn(&mut names.users, users, &lines[..seam]);
            learn(&mut names.groups, groups, &lines[seam..]);
        }
        for entry in entries {
            if let Some(name) = names.users.get(&entry.owner) {
                entry.owner.clone_from(name);
            }
            if let Some(name) = names.groups.get(&entry.group) {
                entry.group.clone_from(name);
            }
        }
        Ok(())
    }

    /// What stands before each NUL.
    fn records<'o>(&self, call: &str, output: &'o [u8]) -> Result<Vec<&'o [u8]>, HostError> {
        let records: Vec<&[u8]> = output.split(|b| *b == 0).filter(|record| !record.is_empty()).collect();
        if records.len() > MAX_ENTRIES {
            return Err(HostError::TooMuch { host: self.name().to_owned(), call: call.into(), most: MAX_ENTRIES });
        }
        if output.last().is_some_and(|last| *last != 0) {
            return Err(self.shape(call, &output[output.len().saturating_sub(80)..]));
        }
        Ok(records)
    }

    fn sums(&self, call: &str, output: &[u8]) -> Result<BTreeMap<String, String>, HostError> {
        let mut sums = BTreeMap::new();
        for line in output.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            let (path, sum) = sum_line(line).ok_or_else(|| self.shape(call, line))?;
            sums.insert(path, sum);
        }
        Ok(sums)
    }
}

/// Takes up the names that a host's lists, `name:password:number:...` a line, have for the numbers that were asked for.
fn learn(known: &mut BTreeMap<String, String>, asked: BTreeSet<String>, lines: &[&str]) {
    for line in lines {
        let mut fields = line.split(':');
        if let (Some(name), Some(number)) = (fields.next(), fields.nth(1))
            && asked.contains(number)
        {
            known.insert(number.to_owned(), name.to_owned());
        }
    }
    for number in asked {
        known.entry(number.clone()).or_insert(number);
    }
}

/// One record of [`FORMAT`].
fn entry(record: &[u8]) -> Option<Entry> {
    let text = std::str::from_utf8(record).ok()?;
    let mut fields = text.splitn(10, '\t');
    let kind = match fields.next()? {
        "f" => EntryKind::File,
        "d" => EntryKind::Directory,
        "l" => EntryKind::Link,
        other if other.len() == 1 => EntryKind::Other,
        _ => return None,
    };
    let mode = u32::from_str_radix(fields.next()?, 8).ok()?;
    let size = fields.next()?.parse().ok()?;
    let mtime: f64 = fields.next()?.parse().ok()?;
    let links = fields.next()?.parse().ok()?;
    let inode = fields.next()?.parse().ok()?;
    let device = fields.next()?.parse().ok()?;
    let mut number = || fields.next().filter(|text| text.bytes().all(|b| b.is_ascii_digit())).map(str::to_owned);
    let (owner, group) = (number()?, number()?);
    // A tab in a name would be read as the seam to the target; only links have one, so the last tab is the seam.
    let (path, target) = fields.next()?.rsplit_once('\t')?;
    (mtime.is_finite() && (kind == EntryKind::Link || target.is_empty())).then(|| Entry {
        path: path.to_owned(),
        kind,
        mode,
        size,
        mtime,
        links,
        inode,
        device,
        owner,
        group,
        target: target.to_owned(),
    })
}

/// One line of `sha1sum`: the sum, two characters, the name; a leading backslash says that the name is escaped.
fn sum_line(line: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(line).ok()?;
    let (escaped, text) = match text.strip_prefix('\\') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (sum, name) = text.split_once(' ')?;
    let name = name.strip_prefix([' ', '*'])?;
    if !matches!(sum.len(), 40 | 64) || !sum.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let name = if escaped { name.replace("\\n", "\n").replace("\\\\", "\\") } else { name.to_owned() };
    Some((name.strip_prefix("./").unwrap_or(&name).to_owned(), sum.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_with_their_names_as_they_are() {
        let read = entry(b"l\t777\t5\t1410881000.5\t1\t12\t64769\t990\t991\ta\tb.fits\t/ifs/x").unwrap();
        assert_eq!((read.path.as_str(), read.target.as_str(), read.mode), ("a\tb.fits", "/ifs/x", 0o777));
        assert!(entry(b"f\t644\tx\t1\t1\t1\t1\t0\t0\tn\t").is_none());
        assert!(entry(b"f\t644\t1\tnan\t1\t1\t1\t0\t0\tn\t").is_none());
    }

    #[test]
    fn owners_have_the_names_that_the_host_has_for_them() {
        let mut known = BTreeMap::new();
        let asked = BTreeSet::from(["990".to_owned(), "7".to_owned()]);
        learn(&mut known, asked, &["crds:x:990:", "root:x:0:", "odd", ""]);
        let wanted = [("7".to_owned(), "7".to_owned()), ("990".to_owned(), "crds".to_owned())];
        assert_eq!(known, BTreeMap::from(wanted));
    }

    #[test]
    fn sums_are_read_and_escaped_names_undone() {
        let sum = "a".repeat(40);
        assert_eq!(sum_line(format!("{sum}  ./x.rmap").as_bytes()), Some(("x.rmap".into(), sum.clone())));
        assert_eq!(sum_line(format!("\\{sum}  ./a\\nb").as_bytes()), Some(("a\nb".into(), sum.clone())));
        assert_eq!(sum_line(b"sha1sum: x: No such file"), None);
        assert_eq!(sum_line(b""), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_readers_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = entry(&bytes);
            let _ = sum_line(&bytes);
        }
    }
}
