//! The lookup engine: one [`Session`] answers for many datasets and remembers what it has worked out.
//!
//! Every distinct value of a keyword is conditioned once and becomes a number. What the rules say about a value (valid
//! or not, which match cases survive, which gain weight) is worked out once per value and kept as bits, so that a lookup
//! is an AND over a few words, a look at the survivors, and a search in a date table.

mod choose;
mod delta;
mod memo;
mod merge;
mod plan;
mod refusal;
mod session;
mod state;
mod truths;
mod verdict;

pub use choose::Why;
pub use memo::{KeyMap, Slots};
pub use plan::{Kid, TypeRef};
pub use refusal::Refusals;
pub use session::{Dated, Outcome, Resolved, Session, SideId};
pub use state::{Date, ShortMap, State};
