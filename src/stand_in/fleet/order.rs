//! Orders to the keeper of a fleet: one line of JSON each way over its socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::FleetError;
use super::clock::Clock;
use super::spec::Fleet;

/// What a keeper is asked to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Order {
    /// Let fleet time pass and run what falls due.
    Step {
        /// For how long, in seconds of fleet time.
        seconds: f64,
        /// Run every job passed over, however long the step.
        every_job: bool,
        /// The order comes from a server: it never waits for another step to end.
        server: bool,
    },
    /// Run one line of a host's cron table now.
    Cron {
        /// The host's role.
        host: String,
        /// A part of the command.
        job: String,
    },
    /// Say that it is there.
    Ping,
    /// Quiesce: finish the job at hand and do nothing more until the connection closes.
    Hold,
}

/// The keeper's answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// Why it was not done, if it was not.
    pub error: Option<String>,
}

/// Gives an order and waits until it is carried out.
///
/// # Errors
///
/// [`FleetError::Process`] if there is no keeper or it refuses.
pub fn give(fleet: &Fleet, order: &Order) -> Result<(), FleetError> {
    hold(fleet, order).map(|_| ())
}

/// As [`give`]; what [`Order::Hold`] asked for lasts until the result is dropped.
///
/// # Errors
///
/// As [`give`].
pub fn hold(fleet: &Fleet, order: &Order) -> Result<UnixStream, FleetError> {
    let fail = |why: String| FleetError::Process { what: "the fleet's keeper".to_owned(), why };
    let mut stream = UnixStream::connect(fleet.socket()).map_err(|error| fail(error.to_string()))?;
    let mut line = serde_json::to_string(order).map_err(|error| fail(error.to_string()))?;
    line.push('\n');
    stream.write_all(line.as_bytes()).map_err(|error| fail(error.to_string()))?;
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer).map_err(|error| fail(error.to_string()))?;
    if answer.is_empty() {
        return Err(fail("it ended before it answered".to_owned()));
    }
    let answer: Answer = serde_json::from_str(&answer).map_err(|error| fail(error.to_string()))?;
    answer.error.map_or(Ok(stream), |why| Err(fail(why)))
}

/// Lets `seconds` of fleet time pass. Where no keeper runs, only the clock moves.
///
/// # Errors
///
/// [`FleetError::Clock`] if the clock cannot be moved, [`FleetError::Process`] if the keeper fails.
pub fn step(fleet: &Fleet, seconds: f64, every_job: bool) -> Result<(), FleetError> {
    pass(fleet, Order::Step { seconds, every_job, server: false })
}

/// As [`step`], for a server: never waits for somebody else's step.
///
/// # Errors
///
/// As [`step`].
pub fn server_step(fleet: &Fleet, seconds: f64) -> Result<(), FleetError> {
    pass(fleet, Order::Step { seconds, every_job: false, server: true })
}

fn pass(fleet: &Fleet, order: Order) -> Result<(), FleetError> {
    if UnixStream::connect(fleet.socket()).is_ok() {
        return give(fleet, &order);
    }
    let Order::Step { seconds, .. } = order else { return Ok(()) };
    let clock = Clock::open(&fleet.clock())?;
    let length = SignedDuration::try_from_secs_f64(seconds).unwrap_or(SignedDuration::ZERO);
    clock.pass(length)?;
    Ok(())
}
