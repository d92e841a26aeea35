//! The server's clock and the forms in which a CRDS server writes time.

use std::time::Duration;

use jiff::{Timestamp, civil, tz::TimeZone};

/// Where the server takes its time from. A fleet passes its own, so that pauses cost nothing.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
    /// Waits for `pause`, blocking the calling thread.
    fn sleep(&self, pause: Duration);
}

/// The machine's own clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, pause: Duration) {
        std::thread::sleep(pause);
    }
}

/// A local time as Python's `str(datetime)` writes it: `YYYY-MM-DD HH:MM:SS[.ffffff]`, no fraction if it is zero.
pub fn python_text(time: civil::DateTime) -> String {
    let micros = time.subsec_nanosecond() / 1000;
    let whole = whole_seconds(time);
    if micros == 0 { whole } else { format!("{whole}.{micros:06}") }
}

/// A local time to the second: `YYYY-MM-DD HH:MM:SS`.
pub fn whole_seconds(time: civil::DateTime) -> String {
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// The local time of `instant` in `zone`.
pub fn local(instant: Timestamp, zone: &TimeZone) -> civil::DateTime {
    zone.to_datetime(instant)
}

/// Reads back what [`python_text`] and [`whole_seconds`] write; `T` may stand for the blank, a zone suffix is ignored.
pub fn parse(text: &str) -> Option<civil::DateTime> {
    let text = text.trim();
    let text = text.strip_suffix('Z').unwrap_or(text);
    let text = match text.rfind('+') {
        Some(at) if at > 10 => &text[..at],
        _ => text,
    };
    // Python knows neither leap seconds nor the year 0.
    if text.starts_with("0000") || text.get(17..19) == Some("60") {
        return None;
    }
    text.replacen(' ', "T", 1).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fraction_is_left_out_when_it_is_zero() {
        let time = civil::date(2014, 9, 16).at(12, 0, 5, 0);
        assert_eq!(python_text(time), "2014-09-16 12:00:05");
        let time = civil::date(2014, 9, 16).at(12, 0, 5, 1_500_000);
        assert_eq!(python_text(time), "2014-09-16 12:00:05.001500");
        assert_eq!(parse("2014-09-16 12:00:05.001500"), Some(time));
        for never in ["2014-09-16 12:00:60", "0000-01-01 00:00:00", "2014-02-29 00:00:00", "2014-09-16 24:00:00", ""] {
            assert_eq!(parse(never), None, "{never:?}");
        }
    }
}
