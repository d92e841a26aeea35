//! The modules of `src/crds` that read text and nothing else, by path.

#[path = "../../../src/crds/cell.rs"]
mod cell;
#[path = "../../../src/crds/checkout.rs"]
mod checkout;
#[path = "../../../src/crds/crontab.rs"]
pub mod crontab;
#[path = "../../../src/crds/table.rs"]
pub mod table;

#[path = "../../../src/crds/web/page.rs"]
pub mod page;
#[path = "../../../src/crds/wire/clip.rs"]
mod clip;

/// Pieces of answers.
pub mod wire {
    pub(crate) use super::clip::clip;
}

pub use cell::Cell;
pub use table::{Table, TableSummary};

/// What `svn info` says, and what a line of `svn status` says.
pub fn svn(text: &str) -> (Option<checkout::WorkingCopy>, Option<checkout::StatusLine>) {
    (checkout::info(text), checkout::status_line(text, "/x/"))
}
