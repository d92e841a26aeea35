//! Keeps the record of one step: journal rows, evidence, calls to hosts, all of it redacted.

use std::time::Instant;

use secrecy::SecretString;

use super::error::RunError;
use super::event::Event;
use super::evidence::{Evidence, Store};
use super::journal::Journal;
use super::pause::Pause;
use super::redact::Secrets;
use crate::host::record::{Call, CallId, Outcome, RecordError, Recorder};

/// The record of one attempt at one step.
#[derive(Debug)]
pub struct Keeper {
    journal: Journal,
    store: Store,
    secrets: Secrets,
    step: &'static str,
    attempt: u32,
    pause: Option<Pause>,
    began: Instant,
}

impl Keeper {
    /// A keeper for an attempt.
    pub fn new(journal: Journal, store: Store, step: &'static str, attempt: u32) -> Self {
        let (secrets, began) = (Secrets::default(), Instant::now());
        Self { journal, store, secrets, step, attempt, pause: None, began }
    }

    /// The same keeper, waiting at `pause`.
    #[must_use]
    pub fn with_pause(self, pause: Option<Pause>) -> Self {
        Self { pause, ..self }
    }

    /// Writes a journal row of the step. A row that [binds](Event::binds) is on the disk when this returns, with all rows
    /// before it and the evidence that they name.
    ///
    /// # Errors
    ///
    /// As [`Journal::append`] and [`Store::sync`].
    pub fn write(&self, event: &Event) -> Result<u64, RunError> {
        let seq = if event.binds() {
            self.store.sync()?;
            self.journal.append(Some(self.step), self.attempt, event)?
        } else {
            self.journal.note(Some(self.step), self.attempt, event)?
        };
        self.pause.as_ref().map_or(Ok(()), |pause| pause.at(seq, event))?;
        Ok(seq)
    }

    /// Keeps bytes as evidence and names them in the journal.
    ///
    /// # Errors
    ///
    /// If either could not be synced: then the step must not go on.
    pub fn keep(&self, name: &str, bytes: &[u8]) -> Result<Evidence, RunError> {
        let kept = self.store.put(&self.secrets.bytes(bytes))?;
        self.write(&Event::Evidence { name: name.to_owned(), id: kept.id.clone(), bytes: kept.bytes })?;
        Ok(kept)
    }

    /// Text without secrets.
    pub fn clean(&self, text: &str) -> String {
        self.secrets.text(text)
    }

    /// The secrets known so far.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Milliseconds since the attempt began.
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn part(&self, bytes: &[u8]) -> Result<Option<String>, RunError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.store.put(&self.secrets.bytes(bytes))?.id))
    }

    fn call(&self, call: &Call<'_>) -> Result<CallId, RunError> {
        if call.argv.iter().any(|arg| self.secrets.within(arg)) {
            return Err(RunError::Input {
                what: "an argument holds a secret, which every user of a host can read there".to_owned(),
                help: "report this: a secret goes over on standard input or in a file of mode 0600".to_owned(),
            });
        }
        let stdin = call.stdin.map_or(Ok(None), |bytes| self.part(bytes))?;
        let argv = call.argv.iter().map(|arg| self.secrets.text(arg)).collect();
        let seq = self.write(&Event::Call {
            host: call.host.to_owned(),
            how: call.kind.as_str().to_owned(),
            argv,
            stdin,
            changes: call.changes,
        })?;
        Ok(CallId(seq))
    }

    fn answer(&self, id: CallId, outcome: &Outcome<'_>) -> Result<(), RunError> {
        let (stdout, stderr) = (self.part(outcome.stdout)?, self.part(outcome.stderr)?);
        self.write(&Event::Answered {
            call: id.0,
            status: self.secrets.text(&outcome.status.to_string()),
            elapsed_ms: u64::try_from(outcome.elapsed.as_millis()).unwrap_or(u64::MAX),
            stdout,
            stderr,
        })?;
        Ok(())
    }
}

fn unrecorded(what: String, error: &RunError) -> RecordError {
    RecordError { what, why: error.to_string(), help: error.help() }
}

impl Recorder for Keeper {
    fn began(&self, call: &Call<'_>) -> Result<CallId, RecordError> {
        let what = call.argv.first().cloned().unwrap_or_default();
        self.call(call).map_err(|error| unrecorded(self.secrets.text(&what), &error))
    }

    fn ended(&self, id: CallId, outcome: &Outcome<'_>) -> Result<(), RecordError> {
        self.answer(id, outcome).map_err(|error| unrecorded(format!("call {}", id.0), &error))
    }

    fn secret(&self, value: &SecretString) {
        self.secrets.learn(value);
    }
}
