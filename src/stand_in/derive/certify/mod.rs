//! Certification of references and rules (RD 7).
//!
//! The lines are those of the client: `In '<file>' : Checking '<K>' : ...` now, `In '<path>' : checking ...` in 2014.
//! Not played: JWST data models, ASDF, nested YAML.

mod checks;
mod constraints;
mod format;
mod grammar;
mod json;
mod mapping;
mod modes;
mod older;
mod provenance;
mod reference;
mod rows;
mod synphot;

pub use format::other_header;
pub use mapping::certify_mapping;
pub use older::in_2019;
pub use reference::certify_reference;

use super::{Generation, Level, LogLine};

/// What certification said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certification {
    /// All log lines, in order.
    pub lines: Vec<LogLine>,
    /// Number of ERROR lines: more than none keeps a file out.
    pub errors: usize,
    /// Number of WARNING lines.
    pub warnings: usize,
}

impl Certification {
    fn of(lines: Vec<LogLine>) -> Self {
        let count = |level| lines.iter().filter(|line| line.level == level).count();
        Self { errors: count(Level::Error), warnings: count(Level::Warning), lines }
    }
}

/// The first line: what is certified, which of how many, as what, against which context.
fn opening(path: &str, kind: &str, context: &str, (n, of): (usize, usize), generation: Generation) -> LogLine {
    let kind = if generation == Generation::Now { kind.to_uppercase() } else { kind.to_lowercase() };
    // An empty context is none: nothing is compared.
    let context = if context.is_empty() { "None".to_owned() } else { format!("'{context}'") };
    LogLine::info(format!("Certifying '{path}' ({n}/{of}) as '{kind}' relative to context {context}"))
}

/// An error of the trap around a whole file.
fn trapped(path: &str, error: &impl std::fmt::Display, generation: Generation) -> LogLine {
    LogLine::error(match generation {
        Generation::Now => format!("{path} Validation error : {error}"),
        Generation::Y2014 => format!("Validation error in '{path}' : {error}"),
    })
}
