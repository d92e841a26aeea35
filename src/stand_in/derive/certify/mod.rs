//! Certification of references and rules (RD 7).

use super::{Generation, Level, LogLine, Store};

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
/// x
pub fn certify_mapping(_: &dyn Store, _: &str, _: &str, _: &str, _: Generation, _: (usize, usize)) -> Certification { Certification::of(vec![]) }
/// x
pub fn certify_reference(_: &dyn Store, _: &str, _: &[u8], _: &str, _: Generation, _: (usize, usize)) -> Certification { Certification::of(vec![]) }
