//! The watch over cron on OPS while it must be off: at the beginning and the end of every step, and each minute.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::event::Event;
use super::fault::StepError;
use super::hosts::Hosts;
use super::keeper::Keeper;
use super::ledger::Ledger;
use crate::crds::Server;
use crate::host::Limit;
use crate::plan::Role;
use crate::steps::holds_until;

/// Between two looks.
pub const PERIOD: Duration = Duration::from_secs(60);

/// The step whose success begins the watch.
const SINCE: &str = "s130_stop_ops_cron";

/// A watch that is on.
#[derive(Debug)]
pub struct CronWatch {
    server: Arc<Server>,
    keeper: Arc<Keeper>,
    seen: Arc<Mutex<Option<String>>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl CronWatch {
    /// Looks, and keeps looking each minute, if cron must be off; none if it need not.
    ///
    /// # Errors
    ///
    /// If cron is not off, or it could not be looked at.
    pub fn begin(step: &str, ledger: &Ledger, hosts: &Hosts, keeper: &Arc<Keeper>) -> Result<Option<Self>, StepError> {
        let since = ledger.stands(SINCE);
        let until = holds_until(SINCE);
        let over = until.iter().any(|id| *id <= step || ledger.step(id).attempts > 0);
        if !since || over || step <= SINCE {
            return Ok(None);
        }
        let server = hosts.server(Role::Ops)?;
        let (stop, stopped) = channel::<()>();
        let mut watch =
            Self { server, keeper: Arc::clone(keeper), seen: Arc::default(), stop: Some(stop), thread: None };
        watch.look()?;
        let (server, keeper, seen) = (Arc::clone(&watch.server), Arc::clone(keeper), Arc::clone(&watch.seen));
        watch.thread = Some(std::thread::spawn(move || {
            while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                // A look that failed is in the journal as one that could not be made.
                let _ = sample(&server, &keeper, &seen);
            }
        }));
        Ok(Some(watch))
    }

    /// Looks a last time.
    ///
    /// # Errors
    ///
    /// If cron was seen on at any look, or it could not be looked at now.
    pub fn end(mut self) -> Result<(), StepError> {
        self.rest();
        self.look()
    }

    fn look(&self) -> Result<(), StepError> {
        sample(&self.server, &self.keeper, &self.seen)?;
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match seen {
            None => Ok(()),
            Some(table) => Err(StepError::failed(
                format!(
                    "cron of ops came back while it must be off\n  expected: an empty table on {}\n  seen: {}\n  likely cause: an install, a reboot, a queued `at` job or a colleague put the table back",
                    self.server.name(),
                    table.lines().filter(|line| is_entry(line)).take(3).collect::<Vec<_>>().join(" | "),
                ),
                "find out who installed it, see what it started, empty it again, then run the same command again",
            )),
        }
    }

    fn rest(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for CronWatch {
    fn drop(&mut self) {
        self.rest();
    }
}

fn sample(server: &Server, keeper: &Keeper, seen: &Mutex<Option<String>>) -> Result<(), StepError> {
    let ran = server.remote().look(&["crontab", "-l"], Limit::QUICK);
    // `no crontab for crds` comes with status 1 and an empty output; any other refusal is not a look.
    let table = ran.as_ref().ok().filter(|ran| ran.is_zero() || ran.error_text().contains("no crontab"));
    let holds = table.map(|ran| !ran.text().lines().any(is_entry));
    let text = match &ran {
        Ok(ran) => ran.text(),
        Err(error) => error.to_string(),
    };
    keeper.write(&Event::Watched {
        host: Role::Ops.key().to_owned(),
        what: "cron off".to_owned(),
        holds,
        seen: keeper.clean(&text.lines().filter(|line| is_entry(line)).take(3).collect::<Vec<_>>().join(" | ")),
    })?;
    if holds == Some(false) {
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }
    let _ran = ran?;
    if holds.is_none() {
        return Err(StepError::unknown("`crontab -l` on ops did not answer", "look at crontab on ops by hand"));
    }
    Ok(())
}

fn is_entry(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}
