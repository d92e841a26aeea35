//! Where derivation finds the rules that it starts from.

use std::path::PathBuf;

/// Rules files by base name, and the paths under which messages name them.
pub trait Store {
    /// Text of a mapping; `None` if there is no such file.
    fn mapping(&self, name: &str) -> Option<String>;

    /// Path of a mapping as messages show it.
    fn mapping_path(&self, name: &str) -> String;

    /// Bytes of a reference; `None` if there is no such file at hand.
    fn reference(&self, _name: &str) -> Option<Vec<u8>> {
        None
    }
}

/// A cache directory with `mappings/<observatory>/<name>`.
#[derive(Clone, Debug)]
pub struct DirStore {
    root: PathBuf,
    /// What messages show instead of the root.
    shown: String,
}

impl DirStore {
    /// A store over `root`, shown in messages as it is.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let shown = root.display().to_string();
        Self { root, shown }
    }

    /// The same store, whose root messages call `shown` (such as `$CRDS_PATH`).
    pub fn shown_as(mut self, shown: &str) -> Self {
        self.shown = shown.to_owned();
        self
    }

    fn relative(name: &str) -> Option<String> {
        let base = super::base_name(name);
        let safe = !base.is_empty() && base != "." && base != ".." && !base.contains('\0');
        let observatory = base.split(['_', '.']).next().unwrap_or("");
        safe.then(|| format!("mappings/{observatory}/{base}"))
    }
}

impl Store for DirStore {
    fn mapping(&self, name: &str) -> Option<String> {
        let bytes = std::fs::read(self.root.join(Self::relative(name)?)).ok()?;
        crate::rules::syntax::decode(&bytes, name).ok().map(std::borrow::Cow::into_owned)
    }

    fn mapping_path(&self, name: &str) -> String {
        format!("{}/{}", self.shown, Self::relative(name).unwrap_or_else(|| name.to_owned()))
    }
}
