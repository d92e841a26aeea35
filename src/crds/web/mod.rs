//! The web site of a CRDS server as an operator uses it (WP 3).
//!
//! A page that answers 200 proves nothing. What counts is the positive phrase of the page, and even that only until
//! the step has read the result back from the catalogue.

mod deliver;
mod page;
mod session;

pub use deliver::{Confirmed, Generated, Ready, Request};
pub use page::{Page, Table};
pub use session::{Login, Session};
