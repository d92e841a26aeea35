//! Injected deaths, for proving that nothing is done twice or lost.
//!
//! `CRDS_UPGRADE_KILL_AT=write:N:before|after` kills the process that is about to write, or has just written, journal
//! entry `N`; `command:N:before|after` the one that is about to send, or has just had answered, the `N`-th call to a
//! host of the run. The harness refuses the variable on a real site.

use super::error::RunError;

/// The variable that sets a kill point.
pub const VARIABLE: &str = "CRDS_UPGRADE_KILL_AT";

/// On which side of an event the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Just before it.
    Before,
    /// Just after it.
    After,
}

/// Where the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillPoint {
    /// At the journal entry of this sequence number.
    Write(u64, Side),
    /// At the call of this number, counted from 1 over the run.
    Command(u64, Side),
}

impl KillPoint {
    /// Reads the variable; none if it is not set.
    ///
    /// # Errors
    ///
    /// [`RunError::Setting`] if it is set to something else than a kill point.
    pub fn from_env() -> Result<Option<Self>, RunError> {
        let Some(text) = std::env::var_os(VARIABLE) else { return Ok(None) };
        let text = text.to_string_lossy().into_owned();
        Self::parse(&text).map(Some).ok_or(RunError::Setting {
            name: VARIABLE,
            value: text,
            wants: "write:N:before|after or command:N:before|after",
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (kind, number, side, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next());
        let number: u64 = number.parse().ok()?;
        let side = match side {
            "before" => Side::Before,
            "after" => Side::After,
            _ => return None,
        };
        match (kind, rest) {
            ("write", None) => Some(Self::Write(number, side)),
            ("command", None) => Some(Self::Command(number, side)),
            _ => None,
        }
    }

    /// Dies, if this is the point.
    pub fn at(point: Option<Self>, here: Self) {
        if point == Some(here) {
            die();
        }
    }
}

/// Dies as `kill -9` would: nothing is flushed, dropped or told.
fn die() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kill_points_are_read() {
        assert_eq!(KillPoint::parse("write:12:before"), Some(KillPoint::Write(12, Side::Before)));
        assert_eq!(KillPoint::parse("command:3:after"), Some(KillPoint::Command(3, Side::After)));
        for bad in ["", "write", "write:x:before", "write:1", "write:1:later", "write:1:after:2", "read:1:after"] {
            assert_eq!(KillPoint::parse(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_damaged_point_is_none_or_another_one(text in crate::mangled::text("command:31:before")) {
            let written = KillPoint::parse(&text).map(|point| match point {
                KillPoint::Write(number, side) => ("write", number, side),
                KillPoint::Command(number, side) => ("command", number, side),
            });
            if let Some((kind, number, side)) = written {
                let side = if side == Side::Before { "before" } else { "after" };
                let parts: Vec<&str> = text.split(':').collect();
                proptest::prop_assert_eq!((parts[0], parts[1].parse(), parts[2]), (kind, Ok(number), side));
            }
        }
    }
}
