//! What several steps share.

pub mod advice;
pub mod affected;
pub mod backup_set;
pub mod baseline;
pub mod before;
pub mod certificates;
pub mod checkout;
pub mod claims;
pub mod deliver;
pub mod delivered;
pub mod delivery;
pub mod explained;
pub mod install;
pub mod known_good;
pub mod known_state;
pub mod lagging;
pub mod machines;
pub mod mail;
pub mod mirror;
pub mod night;
pub mod outcome;
pub mod probes;
pub mod rules;
pub mod scratch;
pub mod state;
pub mod tally;
