//! Where drills take place: the programs, and a mount and network namespace of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::DrillError;

/// The programs that a drill is carried out with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// `crds-upgrade`.
    pub upgrade: PathBuf,
    /// `crds-stand-in`.
    pub stand_in: PathBuf,
    /// The test binary with the steps.
    pub steps: PathBuf,
    /// The project's root, in which the steps run.
    pub project: PathBuf,
}

impl Programs {
    /// The programs built beside this one; `CRDS_UPGRADE_STEPS` names another binary of steps.
    ///
    /// # Errors
    ///
    /// [`DrillError`] if one is not there.
    pub fn find() -> Result<Self, DrillError> {
        let build = "build everything first: `cargo nextest run --no-run`";
        let here = std::env::current_exe().map_err(DrillError::file("find", Path::new("this program")))?;
        let folder = here.parent().unwrap_or(Path::new("."));
        let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
        let steps = match std::env::var_os("CRDS_UPGRADE_STEPS") {
            Some(path) => PathBuf::from(path),
            None => newest(&folder.join("deps"), "upgrade-").ok_or_else(|| {
                DrillError::new(format!("there is no binary of steps in `{}`", folder.join("deps").display()), build)
            })?,
        };
        let project = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(std::env::current_dir, |path| Ok(path.into()));
        let found = Self {
            upgrade: folder.join("crds-upgrade"),
            stand_in: folder.join("crds-stand-in"),
            steps,
            project: project.map_err(DrillError::file("find", Path::new(".")))?,
        };
        for program in [&found.upgrade, &found.stand_in, &found.steps] {
            if !program.is_file() {
                return Err(DrillError::new(format!("there is no `{}`", program.display()), build));
            }
        }
        Ok(found)
    }

    /// What saved states depend on: the programs, what they read, and the rules.
    ///
    /// # Errors
    ///
    /// If a file cannot be read.
    pub fn key(&self) -> Result<String, DrillError> {
        let mut hasher = blake3::Hasher::new();
        for program in [&self.upgrade, &self.stand_in, &self.steps] {
            hasher.update(self.sum(program)?.as_bytes());
        }
        for folder in ["fixtures/rules", "fixtures/plans", "fixtures/submissions", "snapshots"] {
            let files = walkdir::WalkDir::new(self.project.join(folder)).sort_by_file_name().into_iter().flatten();
            for file in files.filter(|entry| entry.file_type().is_file()) {
                hasher.update(file.path().to_string_lossy().as_bytes());
                hasher.update(&fs::read(file.path()).map_err(DrillError::file("read", file.path()))?);
            }
        }
        Ok(hasher.finalize().to_hex()[..16].to_owned())
    }

    /// The hash of a program, remembered under size and time: hundreds of drills need not read hundreds of megabytes each.
    fn sum(&self, program: &Path) -> Result<String, DrillError> {
        let data = fs::metadata(program).map_err(DrillError::file("read", program))?;
        let about = format!("{} {} {:?}", program.display(), data.len(), data.modified().ok());
        let note = self.states().join(format!("sum.{}", &blake3::hash(about.as_bytes()).to_hex()[..16]));
        if let Ok(known) = fs::read_to_string(&note)
            && known.len() == 64
        {
            return Ok(known);
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update_mmap(program).map_err(DrillError::file("read", program))?;
        let sum = hasher.finalize().to_hex().to_string();
        // Without the note the next drill reads again.
        let part = note.with_extension(format!("part{}", std::process::id()));
        let _ = fs::create_dir_all(self.states())
            .and_then(|()| fs::write(&part, &sum))
            .and_then(|()| fs::rename(&part, &note));
        Ok(sum)
    }

    /// The folder of all saved states: `CRDS_UPGRADE_STATES`, else beside the programs.
    pub fn states(&self) -> PathBuf {
        std::env::var_os("CRDS_UPGRADE_STATES").map_or_else(
            || self.upgrade.parent().and_then(Path::parent).unwrap_or(Path::new(".")).join("drill-states"),
            PathBuf::from,
        )
    }
}

fn newest(folder: &Path, prefix: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    let programs = entries.filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.strip_prefix(prefix).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
    });
    programs.max_by_key(|entry| entry.metadata().and_then(|data| data.modified()).ok()).map(|entry| entry.path())
}

/// Where every drill's fleet lies, inside its own mount namespace.
pub fn root() -> PathBuf {
    std::env::temp_dir().join(format!("crds-upgrade-drill.{}", rustix::process::getuid().as_raw()))
}

/// A command in a mount and network namespace of its own.
pub fn private(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::getuid().is_root() {
        command.args(["--user", "--map-current-user", "--keep-caps"]);
    }
    command.args(["--mount", "--net", "--propagation", "private", "--"]).arg(program);
    command
}

/// Whether this machine grants such namespaces.
pub fn can_be_private() -> bool {
    private(Path::new("true"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Makes `tree` appear at [`root`], and the loopback addresses work. Only inside [`private`].
///
/// # Errors
///
/// If the namespace refuses.
pub fn furnish(tree: &Path) -> Result<PathBuf, DrillError> {
    let root = root();
    rustix::mount::mount_bind(tree, &root).map_err(|error| DrillError::file("mount", &root)(error.into()))?;
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
    if !up.is_ok_and(|status| status.success()) {
        return Err(DrillError::new("failed to set the loopback device up", "install iproute2: `ci/test` does"));
    }
    Ok(root)
}

/// The stand-in's own program in a fleet's tree: shared by all copies, it is only ever read.
const PROGRAM: &str = "bin/crds-stand-in";

/// Copies a saved fleet as it is: hard links, owners, times.
///
/// # Errors
///
/// If `cp` fails.
pub fn copy(from: &Path, to: &Path) -> Result<(), DrillError> {
    fs::create_dir_all(to).map_err(DrillError::file("create", to))?;
    let done = Command::new("cp").args(["-a", "--"]).arg(from.join(".")).arg(to).status();
    if !done.is_ok_and(|status| status.success()) {
        return Err(DrillError::new(
            format!("failed to copy `{}` to `{}`", from.display(), to.display()),
            "see that the disk has room; CRDS_UPGRADE_STATES names another place",
        ));
    }
    // The program is only ever read: one for all.
    let (ours, theirs) = (from.join(PROGRAM), to.join(PROGRAM));
    let linked = theirs.with_extension("linked");
    if fs::hard_link(&ours, &linked).is_ok() {
        fs::rename(&linked, &theirs).map_err(DrillError::file("replace", &theirs))?;
    }
    Ok(())
}
