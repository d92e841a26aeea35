//! What changes the server's state. The pages check fields and show results; everything that counts happens here.

mod mark_bad;
mod set_context;

pub use set_context::Changed;

use super::{Server, catalog::CatalogueError};
use crate::stand_in::server::catalog::ActionRow;

/// A row of the audit log that is to be written.
struct Audit<'a> {
    user: &'a str,
    action: &'a str,
    filename: &'a str,
    why: &'a str,
    details: &'a str,
    /// Whether instrument and type are taken from the file's name; mark-bad rows have neither (WP 4.4).
    named: bool,
}

impl Server {
    /// Writes an audit row with the present time.
    fn audit(&self, entry: &Audit<'_>) -> Result<(), CatalogueError> {
        let (instrument, filekind) =
            if entry.named { instrument_and_type(self, entry.filename)? } else { (String::new(), String::new()) };
        self.catalogue.add_actions(&[ActionRow {
            id: 0,
            date: self.now_text(),
            user: entry.user.to_owned(),
            action: entry.action.to_owned(),
            filename: entry.filename.to_owned(),
            observatory: self.config.observatory.clone(),
            instrument,
            filekind,
            why: entry.why.to_owned(),
            details: entry.details.to_owned(),
        }])?;
        self.drop_cached();
        Ok(())
    }
}

/// Instrument and type of a file for the audit log: empty for pmaps and catalogues, imaps have an instrument only.
fn instrument_and_type(server: &Server, name: &str) -> Result<(String, String), CatalogueError> {
    if name.ends_with(".pmap") || name.contains(".cat") {
        return Ok(Default::default());
    }
    let row = server.catalogue.file(name)?.unwrap_or_default();
    let filekind = if name.ends_with(".imap") { String::new() } else { row.filekind };
    Ok((row.instrument, filekind))
}
