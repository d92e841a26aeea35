//! The folder of a run: `runs/<run-id>/{journal.sqlite, evidence/, states/, report/}`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::RunError;
use super::event::{Event, Opened};
use super::evidence::Store;
use super::journal::{Entry, Journal};

/// A run folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Creates the folder of a new run below `runs`, with copies of plan and site, and its first journal entry.
    ///
    /// # Errors
    ///
    /// [`RunError::File`] or [`RunError::Journal`] if it cannot be written.
    pub fn create(runs: &Path, opened: &Opened, plan: &[u8], site: &[u8]) -> Result<Self, RunError> {
        let path = runs.join(&opened.run);
        fs::create_dir_all(runs).map_err(RunError::file("create", runs))?;
        fs::create_dir(&path).map_err(RunError::file("create", &path))?;
        let folder = Self { path };
        for part in ["evidence", "states", "report"] {
            let sub = folder.path.join(part);
            fs::create_dir(&sub).map_err(RunError::file("create", &sub))?;
        }
        for (name, bytes) in [("plan.toml", plan), ("site.toml", site)] {
            let copy = folder.path.join(name);
            fs::write(&copy, bytes).map_err(RunError::file("write", &copy))?;
        }
        folder.journal()?.append(None, 0, &Event::Opened(Box::new(opened.clone())))?;
        folder.make_latest(runs)?;
        Ok(folder)
    }

    /// The run folder at a path: a folder with a journal in it, or a link to one.
    ///
    /// # Errors
    ///
    /// [`RunError::Input`] if there is none.
    pub fn at(path: &Path) -> Result<Self, RunError> {
        let path = fs::canonicalize(path).map_err(RunError::file("find the run", path))?;
        if path.join("journal.sqlite").is_file() {
            return Ok(Self { path });
        }
        Err(RunError::Input {
            what: format!("`{}` is not a run folder: it has no journal.sqlite", path.display()),
            help: "name a folder below runs/, such as runs/latest".to_owned(),
        })
    }

    /// Every run folder below `runs`, by name.
    ///
    /// # Errors
    ///
    /// [`RunError::File`] if `runs` is there but cannot be listed.
    pub fn all(runs: &Path) -> Result<Vec<Self>, RunError> {
        if !runs.exists() {
            return Ok(Vec::new());
        }
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(runs).map_err(RunError::file("list", runs))? {
            let entry = entry.map_err(RunError::file("list", runs))?;
            // `latest` is a link to one of the others.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                names.insert(entry.path());
            }
        }
        Ok(names.into_iter().filter_map(|path| Self::at(&path).ok()).collect())
    }

    /// Lets `runs/latest` point here.
    ///
    /// # Errors
    ///
    /// [`RunError::File`] if the link cannot be made.
    pub fn make_latest(&self, runs: &Path) -> Result<(), RunError> {
        let part = runs.join(format!(".latest.{}", std::process::id()));
        let latest = runs.join("latest");
        let _ = fs::remove_file(&part);
        std::os::unix::fs::symlink(self.name(), &part).map_err(RunError::file("link", &part))?;
        fs::rename(&part, &latest).map_err(RunError::file("link", &latest))
    }

    /// Where the folder lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run's id.
    pub fn name(&self) -> String {
        self.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// A path in the folder.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Opens the journal for writing.
    ///
    /// # Errors
    ///
    /// As [`Journal::open`].
    pub fn journal(&self) -> Result<Journal, RunError> {
        Journal::open(&self.path.join("journal.sqlite"))
    }

    /// Everything the journal says, with its chain proven.
    ///
    /// # Errors
    ///
    /// As [`Journal::entries`].
    pub fn entries(&self) -> Result<Vec<Entry>, RunError> {
        Journal::read_only(&self.path.join("journal.sqlite"))?.entries()
    }

    /// The evidence of the run.
    pub fn evidence(&self) -> Store {
        Store::new(self.path.join("evidence"))
    }
}
