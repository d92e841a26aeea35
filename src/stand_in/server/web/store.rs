//! The server's files as derivation reads them, with what a visitor uploaded on top.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::stand_in::derive::Store;
use crate::stand_in::server::Server;

/// The cache directories, and files that stand in for theirs.
pub struct Files {
    mappings: PathBuf,
    references: PathBuf,
    /// Name and place of further files.
    pub extra: BTreeMap<String, PathBuf>,
}

impl Files {
    /// The server's own files.
    pub fn of(server: &Server) -> Self {
        let dirs = &server.config.dirs;
        Self { mappings: dirs.mappings.clone(), references: dirs.references.clone(), extra: BTreeMap::new() }
    }

    fn base(name: &str) -> Option<&str> {
        let base = name.rsplit('/').next().unwrap_or(name);
        (!base.is_empty() && base != "." && base != ".." && !base.contains('\0')).then_some(base)
    }
}

impl Store for Files {
    fn mapping(&self, name: &str) -> Option<String> {
        let base = Self::base(name)?;
        let path = self.extra.get(base).cloned().unwrap_or_else(|| self.mappings.join(base));
        let bytes = std::fs::read(path).ok()?;
        String::from_utf8(bytes).ok()
    }

    fn mapping_path(&self, name: &str) -> String {
        self.mappings.join(Self::base(name).unwrap_or_default()).display().to_string()
    }

    fn reference(&self, name: &str) -> Option<Vec<u8>> {
        let base = Self::base(name)?;
        std::fs::read(self.extra.get(base).cloned().unwrap_or_else(|| self.references.join(base))).ok()
    }
}
