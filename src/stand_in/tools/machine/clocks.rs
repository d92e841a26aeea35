//! Time: `sleep` steps the fleet's clock instead of waiting.

use std::time::Duration;

use super::{Call, here, here_or_complain};
use crate::stand_in::fleet::order;

/// How long a program of a host really waits for a connection that is accepted and not answered; the rest of its patience
/// passes on the fleet's clock.
pub const REAL_PATIENCE: Duration = Duration::from_secs(10);

/// Lets what is left of a patience of `limit` pass on the fleet's clock, after [`REAL_PATIENCE`] passed in vain.
pub fn lose_patience(limit: Duration) {
    if let Some((fleet, _)) = here() {
        // A clock that cannot be stepped is seen by whoever reads it; the connection has failed either way.
        let _ = order::step(&fleet, limit.saturating_sub(REAL_PATIENCE).as_secs_f64(), false);
    }
}

/// `sleep NUMBER[smhd]...`.
pub fn sleep(call: &mut Call<'_>) -> i32 {
    let Some((fleet, _)) = here_or_complain(call) else { return 1 };
    if call.args.is_empty() {
        call.complain("sleep: missing operand\nTry 'sleep --help' for more information.");
        return 1;
    }
    let mut seconds = 0.0;
    for arg in call.args.clone() {
        match duration(&arg) {
            Some(length) => seconds += length,
            None => {
                call.complain(format_args!(
                    "sleep: invalid time interval '{arg}'\nTry 'sleep --help' for more information."
                ));
                return 1;
            }
        }
    }
    match order::step(&fleet, seconds, false) {
        Ok(()) => 0,
        Err(error) => {
            call.complain(format_args!("sleep: {error}"));
            1
        }
    }
}

/// The length of `5`, `0.5`, `2m`, `3h`, `1d` in seconds.
pub fn duration(text: &str) -> Option<f64> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1.0),
        Some((at, 'm')) => (&text[..at], 60.0),
        Some((at, 'h')) => (&text[..at], 3600.0),
        Some((at, 'd')) => (&text[..at], 86400.0),
        _ => (text, 1.0),
    };
    let number: f64 = number.parse().ok()?;
    (number.is_finite() && (0.0..=4e9).contains(&number)).then_some(number * unit)
}
