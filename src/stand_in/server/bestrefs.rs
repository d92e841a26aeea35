//! Best references as the server computes them, with `rules`.

use serde_json::{Map, Value};

use super::Server;

impl Server {
    /// Best references of a header under a pmap, imap or rmap; types in lower case, none = all.
    ///
    /// # Errors
    ///
    /// The text with which the whole dataset fails.
    pub fn best_references(
        &self,
        _context: &str,
        _header: &[(String, String)],
        _types: &[String],
    ) -> Result<Map<String, Value>, String> {
        Err("rules engine is not linked yet".to_owned())
    }
}
