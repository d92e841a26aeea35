//! File states and when the archive's pick-up is noticed (WP 3.12, 4.1, SO 17).
//!
//! The deliveries directory is read at every question, never remembered: whoever renames or removes a link there plays
//! the archive.

use std::collections::HashSet;

use super::{
    Server,
    catalog::{CatalogueError, FileRow},
};

/// Suffixes of a catalogue's link and what they mean.
const STAGES: [(&str, &str); 7] = [
    ("", "delivered"),
    ("_SUBMIT", "submitted"),
    ("_submit", "submitted"),
    ("_PROC", "archiving"),
    ("_proc", "archiving"),
    ("_ERROR", "archiving-failed"),
    ("_error", "archiving-failed"),
];

impl Server {
    /// The state that the links in `deliveries/` say.
    pub fn link_state(&self, catalog_link: &str) -> &'static str {
        let base = catalog_link.rsplit('/').next().unwrap_or_default();
        if base.is_empty() {
            return "archived";
        }
        let dir = &self.config.dirs.deliveries;
        STAGES
            .iter()
            .find(|(suffix, _)| dir.join(format!("{base}{suffix}")).exists())
            .map_or("archived", |(_, state)| state)
    }

    /// Whether a stored state is looked at again.
    fn pending(&self, state: &str) -> bool {
        matches!(state, "delivered" | "submitted" | "archiving")
            || (state == "archiving-failed" && self.dialect().rereads_failed)
    }

    /// Stored states whose links are looked at.
    pub fn pending_states(&self) -> &'static [&'static str] {
        if self.dialect().rereads_failed {
            &["delivered", "submitted", "archiving", "archiving-failed"]
        } else {
            &["delivered", "submitted", "archiving"]
        }
    }

    /// The state of a file by its links, without storing anything.
    pub fn peek_state(&self, row: &FileRow) -> String {
        if self.pending(&row.state) { self.link_state(&row.catalog_link).to_owned() } else { row.state.clone() }
    }

    /// The state of a file by its links; that a link has gone is stored as `archived`, and drops the cached answers. A
    /// file that never had a link counts as archived too, but that is not stored.
    ///
    /// # Errors
    ///
    /// As all methods here: if the catalogue cannot be read or written.
    pub fn notice(&self, row: &FileRow) -> Result<String, CatalogueError> {
        let state = self.peek_state(row);
        if state == "archived" && row.state != "archived" && !row.catalog_link.is_empty() {
            self.catalogue.set_on_files("state", [(row.name.as_str(), "archived")])?;
            self.drop_cached();
        }
        Ok(state)
    }

    /// Whether a state is one whose files are given out.
    pub fn distributable(&self, state: &str) -> bool {
        self.config.distribution_states.iter().any(|s| s == state)
    }

    /// Whether a file may be given out, noticing the archive. What is stored decides: of what the links say only
    /// `archived` is stored.
    pub fn available(&self, row: &FileRow) -> Result<bool, CatalogueError> {
        let stored = self.notice_stored(row)?;
        Ok(self.distributable(stored))
    }

    /// The stored state of a file after the archive has been noticed for it.
    pub fn notice_stored<'r>(&self, row: &'r FileRow) -> Result<&'r str, CatalogueError> {
        let gone = self.notice(row)? == "archived" && !row.catalog_link.is_empty();
        Ok(if gone && self.pending(&row.state) { "archived" } else { &row.state })
    }

    /// Displayed status (WP 4.1): `bad` hides whatever is stored. Notices the archive.
    pub fn displayed_status(&self, row: &FileRow) -> Result<String, CatalogueError> {
        let state = self.notice(row)?;
        let bad = row.rejected || row.blacklisted || matches!(state.as_str(), "uploaded" | "cancelled");
        Ok(if bad { "bad".to_owned() } else { state })
    }

    /// Notices the archive for every pending file.
    pub fn notice_all(&self) -> Result<(), CatalogueError> {
        let mut archived = Vec::new();
        for row in self.catalogue.files_in_states(self.pending_states())? {
            if !row.catalog_link.is_empty() && self.link_state(&row.catalog_link) == "archived" {
                archived.push(row.name);
            }
        }
        if !archived.is_empty() {
            self.catalogue.set_on_files("state", archived.iter().map(|name| (name.as_str(), "archived")))?;
            self.drop_cached();
        }
        Ok(())
    }

    /// Those of the names whose files are catalogued for the observatory and may be given out, noticing the archive for
    /// all files.
    pub fn available_of(&self, names: &[String]) -> Result<HashSet<String>, CatalogueError> {
        self.notice_all()?;
        let distributable: Vec<&str> = self.config.distribution_states.iter().map(String::as_str).collect();
        Ok(self.catalogue.names_in_states(names, &self.config.observatory, &distributable)?.into_iter().collect())
    }

    /// Forgets every cached answer: a catalogue, audit or result row was saved, a context set or a history text edited.
    pub fn drop_cached(&self) {
        if self.faulty("stale_cache") {
            return;
        }
        self.config.memcached.clear();
    }
}
