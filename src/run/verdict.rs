//! What became of a check or a step. Unknown is not a pass, and the worst verdict wins (design, promise 1).

use serde::{Deserialize, Serialize};

/// What became of a check or a step, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Looked at and as it must be.
    Passed,
    /// Failed, and accepted by a named waiver.
    Waived,
    /// Put off to a due date by the plan.
    Deferred,
    /// Could not be looked at.
    Unknown,
    /// Looked at and not as it must be.
    Failed,
}

impl Verdict {
    /// The word used in files and on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Waived => "waived",
            Self::Deferred => "deferred",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }

    /// The worse of two verdicts.
    pub fn and(self, other: Self) -> Self {
        self.max(other)
    }

    /// The exit code of the commands: 0 pass, 1 fail, 2 unknown.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Passed | Self::Waived => 0,
            Self::Failed => 1,
            Self::Unknown | Self::Deferred => 2,
        }
    }
}

impl From<bool> for Verdict {
    fn from(holds: bool) -> Self {
        if holds { Self::Passed } else { Self::Failed }
    }
}

impl<T: Into<Verdict>> From<Option<T>> for Verdict {
    /// Nothing to judge by is unknown.
    fn from(judged: Option<T>) -> Self {
        judged.map_or(Self::Unknown, Into::into)
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.pad(self.as_str())
    }
}

/// What looking at a host found of an act's effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The effect is there, whole.
    Done,
    /// Nothing of it is there.
    NotDone,
    /// Some of it is there; the text says what is and what is not.
    Half(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_verdict_wins() {
        assert_eq!(Verdict::Passed.and(Verdict::Unknown), Verdict::Unknown);
        assert_eq!(Verdict::Failed.and(Verdict::Unknown), Verdict::Failed);
        assert_eq!(Verdict::from(None::<bool>), Verdict::Unknown);
    }
}
