//! Pulling a tree of a host into an archive on the operator's side, and pushing it into the scratch host.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::manifest::{Kind, Manifest, Member};
use crate::host::{HostError, Ran, Remote};
use crate::plan::Change;
use crate::run::Permit;

/// What follows the archive's name in the name of its manifest.
pub const MANIFEST_EXTENSION: &str = "manifest.jsonl";

/// zstd level: with 1, compression keeps up with the network and halves rules and logs.
const LEVEL: i32 = 1;

/// What is pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeSpec<'a> {
    /// Directory on the host; members are relative to it.
    pub base: &'a str,
    /// Paths below it; directories with all that is in them. `["."]` = everything.
    pub paths: &'a [String],
    /// Patterns of `tar --exclude`.
    pub exclude: &'a [&'a str],
}

/// An archive on the operator's side.
#[derive(Clone, Debug, Serialize)]
pub struct Archive {
    /// The file, `*.tar.zst`, mode 0600.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Bytes of the stream inside.
    pub unpacked: u64,
    /// How `tar` on the host ended, and what it said last: a status other than 0 means that files were unreadable or
    /// changed while they were read.
    pub status: String,
    /// What `tar` complained about.
    pub complaints: String,
    /// Time from start to end, in seconds.
    pub elapsed_s: f64,
    /// What is in it.
    #[serde(skip)]
    pub manifest: Manifest,
}

/// Why an archive could not be made, read or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The host could not be asked.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A file on the operator's side.
    #[error("failed to {verb} `{}`", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The stream is no archive.
    #[error("the stream from `{host}` is broken after {after} members: {why}")]
    Stream {
        /// The host.
        host: String,
        /// Members before.
        after: usize,
        /// Why.
        why: String,
    },
}

impl ArchiveError {
    /// The operator's next move.
    pub fn help(&self) -> String {
        match self {
            Self::Host(error) => error.help(),
            Self::File { path, .. } => {
                format!("free space or mend the owner of the directory of `{}`, then run again", path.display())
            }
            Self::Stream { host, .. } => {
                format!("run again; if it breaks at the same place, look at that file on `{host}`")
            }
        }
    }
}

/// Bytes handed from the stream to the reader of the archive.
struct Pipe {
    from: Receiver<Vec<u8>>,
    current: Vec<u8>,
    at: usize,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.current.len() {
            match self.from.recv() {
                Ok(next) => (self.current, self.at) = (next, 0),
                Err(_) => return Ok(0), // the writer is gone: the end
            }
        }
        let count = buffer.len().min(self.current.len() - self.at);
        buffer[..count].copy_from_slice(&self.current[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// Writes to the compressor and to the reader of the archive.
struct Tee<'a, W: Write> {
    encoder: &'a mut W,
    to: SyncSender<Vec<u8>>,
    end: &'a mut [u8; 1024],
}

impl<W: Write> Write for Tee<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.encoder.write_all(bytes)?;
        let keep = bytes.len().min(1024);
        self.end.rotate_left(keep);
        self.end[1024 - keep..].copy_from_slice(&bytes[bytes.len() - keep..]);
        // A reader that gave up has its own error; the archive itself is still written whole.
        let _ = self.to.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}

/// Hashes what passes.
struct Hashed<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Archive {
    /// Pulls a tree of `host` into `directory/name.tar.zst`, with a manifest and a list for `sha256sum -c` beside it,
    /// all of mode 0600 and synced. A former archive of that name is replaced only by a whole one.
    ///
    /// # Errors
    ///
    /// [`ArchiveError`]; `tar`'s own status is part of the result, not an error.
    pub fn pull(
        host: &Remote,
        spec: &TreeSpec<'_>,
        directory: &Path,
        name: &str,
        progress: &mut dyn FnMut(u64),
        time: Duration,
    ) -> Result<Self, ArchiveError> {
        let path = directory.join(format!("{name}.tar.zst"));
        let unfinished = directory.join(format!("{name}.tar.zst.part"));
        let trouble = |verb| {
            let path = unfinished.clone();
            move |source| ArchiveError::File { verb, path, source }
        };
        fs::create_dir_all(directory).map_err(trouble("create the directory of"))?;
        let _ = fs::remove_file(&unfinished);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished);
        let file = Hashed { inner: file.map_err(trouble("create"))?, hash: Sha256::new(), bytes: 0 };
        let mut encoder = zstd::Encoder::new(file, LEVEL).map_err(trouble("compress"))?;
        let (to, from) = sync_channel(64);
        let mut end = [1u8; 1024];
        let (streamed, read) = std::thread::scope(|scope| {
            let reader = scope.spawn(move || {
                let mut pipe = Pipe { from, current: Vec::new(), at: 0 };
                let read = manifest_of(&mut pipe);
                // Whatever follows the end mark must be drained, or the writer would wait for ever.
                let _ = io::copy(&mut pipe, &mut io::sink());
                read
            });
            let mut argv = vec!["tar", "-c", "-f", "-", "--format=gnu", "-C", spec.base];
            let excludes: Vec<String> = spec.exclude.iter().map(|pattern| format!("--exclude={pattern}")).collect();
            argv.extend(excludes.iter().map(String::as_str));
            argv.extend(["--null", "-T", "-"]);
            let list: Vec<u8> = spec.paths.iter().flat_map(|path| path.bytes().chain([0])).collect();
            let mut tee = Tee { encoder: &mut encoder, to, end: &mut end };
            let streamed = host.stream(&argv, &list, &mut tee, progress, time);
            drop(tee);
            (streamed, reader.join())
        });
        let streamed = streamed?;
        let broken = |after, why: String| ArchiveError::Stream { host: host.name().to_owned(), after, why };
        let manifest = read.map_err(|_| broken(0, "its reader stopped".into()))?;
        let manifest = manifest.map_err(|(after, error)| broken(after, error.to_string()))?;
        if end.iter().any(|b| *b != 0) {
            return Err(broken(manifest.members.len(), "its end mark is missing".into()));
        }
        let done = encoder.finish().map_err(trouble("write"))?;
        done.inner.sync_all().map_err(trouble("sync"))?;
        fs::rename(&unfinished, &path).map_err(trouble("rename"))?;
        let archive = Self {
            bytes: done.bytes,
            sha256: hex(&done.hash.finalize()),
            unpacked: streamed.bytes,
            status: streamed.status.to_string(),
            complaints: String::from_utf8_lossy(&streamed.stderr).into_owned(),
            elapsed_s: streamed.elapsed.as_secs_f64(),
            manifest,
            path,
        };
        archive.write_beside(MANIFEST_EXTENSION, archive.manifest.to_text().as_bytes())?;
        archive.write_beside("sha256", archive.manifest.to_sha256sum().as_bytes())?;
        Ok(archive)
    }

    fn write_beside(&self, extension: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
        let path = beside(&self.path, extension);
        let trouble = |source| ArchiveError::File { verb: "write", path: path.clone(), source };
        let _ = fs::remove_file(&path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(trouble)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(trouble)
    }

    /// Reads the archive at `path` again: its hash and its contents.
    ///
    /// # Errors
    ///
    /// It is gone, unreadable or broken.
    pub fn verify(path: &Path) -> Result<(String, Manifest), ArchiveError> {
        let trouble = |verb| move |source| ArchiveError::File { verb, path: path.to_owned(), source };
        let mut file = File::open(path).map_err(trouble("open"))?;
        let mut hashed = Hashed { inner: io::sink(), hash: Sha256::new(), bytes: 0 };
        io::copy(&mut file, &mut hashed).map_err(trouble("read"))?;
        let decoder = zstd::Decoder::new(File::open(path).map_err(trouble("open"))?).map_err(trouble("unpack"))?;
        let manifest = manifest_of(&mut io::BufReader::new(decoder)).map_err(|(_, error)| trouble("read")(error))?;
        Ok((hex(&hashed.hash.finalize()), manifest))
    }

    /// The bytes of one member of the archive at `path`, at most `most` of them.
    ///
    /// # Errors
    ///
    /// The archive is unreadable, or has no such plain file.
    pub fn member(path: &Path, member: &str, most: u64) -> Result<Vec<u8>, ArchiveError> {
        let trouble = |source| ArchiveError::File { verb: "read", path: path.to_owned(), source };
        let decoder = zstd::Decoder::new(File::open(path).map_err(trouble)?).map_err(trouble)?;
        let mut archive = tar::Archive::new(decoder);
        for entry in archive.entries().map_err(trouble)? {
            let entry = entry.map_err(trouble)?;
            if plain(&String::from_utf8_lossy(&entry.path_bytes())) == member && entry.header().entry_type().is_file() {
                let mut bytes = Vec::new();
                entry.take(most).read_to_end(&mut bytes).map_err(trouble)?;
                return Ok(bytes);
            }
        }
        Err(trouble(io::Error::new(io::ErrorKind::NotFound, format!("no member `{member}`"))))
    }
}

/// The path of what lies beside an archive.
fn beside(archive: &Path, extension: &str) -> PathBuf {
    let name = archive.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    archive.with_file_name(format!("{}.{extension}", name.trim_end_matches(".tar.zst")))
}

/// Pushes the archive at `archive` into the existing directory `base` of `host`; modes, times and links come along.
///
/// # Errors
///
/// [`ArchiveError`]. The status says nothing: compare the trees.
pub fn restore(
    host: &Remote,
    permit: &Permit<'_>,
    archive: &Path,
    base: &str,
    time: Duration,
) -> Result<Ran, ArchiveError> {
    let trouble = |source| ArchiveError::File { verb: "read", path: archive.to_owned(), source };
    let mut decoder = zstd::Decoder::new(File::open(archive).map_err(trouble)?).map_err(trouble)?;
    let argv = ["tar", "-x", "-p", "-f", "-", "-C", base];
    Ok(host.feed(permit, Change::RestoreInto, &argv, &mut decoder, time)?)
}

/// Reads a tar stream to its end and hashes every file in it.
fn manifest_of(stream: &mut dyn Read) -> Result<Manifest, (usize, io::Error)> {
    let mut archive = tar::Archive::new(stream);
    let mut manifest = Manifest::default();
    let mut buffer = vec![0; 1 << 16];
    for (count, entry) in archive.entries().map_err(|error| (0, error))?.enumerate() {
        let mut entry = entry.map_err(|error| (count, error))?;
        let fail = |error| (count, error);
        let header = entry.header();
        let mode = header.mode().map_err(fail)? & 0o7777;
        let mtime = header.mtime().map_err(fail)?;
        let kind = match header.entry_type() {
            tar::EntryType::Directory => Kind::Directory,
            tar::EntryType::Symlink => Kind::Link,
            tar::EntryType::Link => Kind::HardLink,
            tar::EntryType::Regular | tar::EntryType::Continuous => Kind::File,
            // A header alone can stand for more bytes than anybody can read; tar makes none unless it is asked to.
            tar::EntryType::GNUSparse => {
                return Err((count, io::Error::other("a sparse member, which was not asked for")));
            }
            _ => Kind::Other,
        };
        let path = plain(&String::from_utf8_lossy(&entry.path_bytes())).to_owned();
        let target =
            entry.link_name_bytes().map(|name| String::from_utf8_lossy(&name).into_owned()).unwrap_or_default();
        let target = if kind == Kind::HardLink { plain(&target).to_owned() } else { target };
        let mut size = 0;
        let mut sha256 = String::new();
        if kind == Kind::File {
            let mut hash = Sha256::new();
            loop {
                let read = entry.read(&mut buffer).map_err(fail)?;
                if read == 0 {
                    break;
                }
                hash.update(&buffer[..read]);
                size += read as u64;
            }
            sha256 = hex(&hash.finalize());
        }
        if path.is_empty() {
            continue; // the top itself
        }
        let mode = if kind == Kind::Link { 0o777 } else { mode };
        manifest.push(Member {
            path,
            kind,
            mode,
            size,
            mtime: i64::try_from(mtime).unwrap_or(i64::MAX),
            target,
            sha256,
        });
    }
    // A hard link carries the mode and time of its file in some tars and none in others.
    let files = manifest.members.clone();
    for member in manifest.members.values_mut().filter(|member| member.kind == Kind::HardLink) {
        if let Some(file) = files.get(&member.target) {
            (member.mode, member.mtime) = (file.mode, file.mtime);
        }
    }
    Ok(manifest)
}

/// A member's name without `./` before and `/` behind it.
fn plain(name: &str) -> &str {
    let name = name.strip_prefix("./").unwrap_or(name).trim_end_matches('/');
    if name == "." { "" } else { name }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::host::Algorithm;

    fn tree(root: &Path) {
        fs::create_dir_all(root.join("mappings/hst")).unwrap();
        fs::write(root.join("mappings/hst/hst_0279.pmap"), "rules").unwrap();
        fs::create_dir_all(root.join("deliveries")).unwrap();
        fs::hard_link(root.join("mappings/hst/hst_0279.pmap"), root.join("deliveries/hst_0279.pmap")).unwrap();
        symlink("/ifs/elsewhere", root.join("link")).unwrap();
        fs::write(root.join("x".repeat(180)), vec![7u8; 100_000]).unwrap();
        fs::write(root.join("-rf"), "odd").unwrap();
        fs::set_permissions(root.join("-rf"), fs::Permissions::from_mode(0o444)).unwrap();
    }

    fn listing(host: &Remote, root: &Path) -> Manifest {
        let root = root.to_str().unwrap();
        let hashes = host.hash_tree(root, Algorithm::Sha256).unwrap();
        Manifest::of_listing(&host.list(root, None).unwrap(), &hashes)
    }

    #[test]
    fn a_tree_survives_the_way_into_an_archive_and_back() {
        let (source, kept, copy) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        tree(source.path());
        let host = Remote::here();
        let all = [".".to_owned()];
        let spec = TreeSpec { base: source.path().to_str().unwrap(), paths: &all, exclude: &[] };
        let mut seen = 0;
        let archive =
            Archive::pull(&host, &spec, kept.path(), "tree", &mut |bytes| seen = bytes, Duration::from_secs(60))
                .unwrap();
        assert_eq!((archive.status.as_str(), seen), ("exit 0", archive.unpacked));
        assert_eq!(fs::metadata(&archive.path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(listing(&host, source.path()).differences(&archive.manifest, true), []);
        let (sha256, again) = Archive::verify(&archive.path).unwrap();
        assert_eq!((sha256, &again), (archive.sha256.clone(), &archive.manifest));
        let permit = Permit::for_tests(host.role(), Change::RestoreInto);
        let _ = restore(&host, &permit, &archive.path, copy.path().to_str().unwrap(), Duration::from_secs(60)).unwrap();
        assert_eq!(archive.manifest.differences(&listing(&host, copy.path()), true), []);
        let wrong = Permit::for_tests(host.role(), Change::Cron);
        assert!(restore(&host, &wrong, &archive.path, "/nowhere", Duration::from_secs(60)).is_err());
    }

    #[test]
    fn named_members_alone_are_pulled_and_a_missing_one_is_complained_about() {
        let (source, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        tree(source.path());
        let paths = ["mappings/hst/hst_0279.pmap".to_owned(), "gone".to_owned()];
        let spec = TreeSpec { base: source.path().to_str().unwrap(), paths: &paths, exclude: &[] };
        let archive =
            Archive::pull(&Remote::here(), &spec, kept.path(), "some", &mut |_| (), Duration::from_secs(60)).unwrap();
        assert_eq!(archive.manifest.members.keys().collect::<Vec<_>>(), ["mappings/hst/hst_0279.pmap"]);
        assert_ne!(archive.status, "exit 0");
        assert!(archive.complaints.contains("gone"));
        assert_eq!(Archive::member(&archive.path, "mappings/hst/hst_0279.pmap", 99).unwrap(), b"rules");
    }

    #[test]
    fn a_damaged_archive_is_noticed() {
        let (source, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        tree(source.path());
        let all = [".".to_owned()];
        let spec = TreeSpec { base: source.path().to_str().unwrap(), paths: &all, exclude: &["mappings"] };
        let archive =
            Archive::pull(&Remote::here(), &spec, kept.path(), "tree", &mut |_| (), Duration::from_secs(60)).unwrap();
        assert!(!archive.manifest.members.contains_key("mappings"));
        let mut bytes = fs::read(&archive.path).unwrap();
        bytes.truncate(bytes.len() / 2);
        fs::write(&archive.path, &bytes).unwrap();
        assert!(Archive::verify(&archive.path).is_err());
        assert!(Archive::verify(Path::new("/no/such/archive")).is_err());
    }

    /// A tar archive with a long name, a link and a file.
    fn tar_of_all_kinds() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        header.set_mode(0o644);
        builder.append_data(&mut header.clone(), "y".repeat(180), &b"abc"[..]).unwrap();
        builder.append_data(&mut header.clone(), "a", &b"abc"[..]).unwrap();
        header.set_size(0);
        header.set_entry_type(tar::EntryType::Link);
        builder.append_link(&mut header, "b", "a").unwrap();
        builder.into_inner().unwrap()
    }

    static TAR: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(tar_of_all_kinds);

    #[test]
    fn a_sparse_member_is_refused_before_its_zeros_are_read() {
        let mut header = tar::Header::new_gnu();
        header.set_path("a").unwrap();
        header.set_mode(0o644);
        header.set_entry_type(tar::EntryType::GNUSparse);
        header.set_size(0);
        let gnu = header.as_gnu_mut().unwrap();
        gnu.realsize.copy_from_slice(b"77777777777\0");
        gnu.sparse[0].offset.copy_from_slice(b"77777777777\0");
        gnu.sparse[0].numbytes.copy_from_slice(b"00000000000\0");
        header.set_cksum();
        let tar = [header.as_bytes().to_vec(), vec![0; 1024]].concat();
        let (_, error) = manifest_of(&mut tar.as_slice()).unwrap_err();
        assert!(error.to_string().contains("sparse"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn a_damaged_stream_is_broken_or_has_no_more_than_it_holds(tar in crate::mangled::bytes(&TAR)) {
            match manifest_of(&mut tar.as_slice()) {
                Ok(manifest) => {
                    proptest::prop_assert!(manifest.members.len() + manifest.twice.len() <= tar.len() / 512);
                    proptest::prop_assert!(manifest.bytes() <= tar.len() as u64);
                }
                Err((after, error)) => proptest::prop_assert!(after <= tar.len() / 512 && !error.to_string().is_empty()),
            }
        }

        #[test]
        fn a_plain_name_stays_plain(name in "(\\./|/|\\.|[a-zß]){0,8}") {
            let once = plain(&name);
            proptest::prop_assert!(name.contains(once) && !once.ends_with('/'));
        }
    }
}
