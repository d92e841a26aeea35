//! Letting fleet time pass: what falls due runs at its own time, in order.

use std::sync::Mutex;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::archive::Poller;
use super::jobs::{self, Running, Start};
use super::proxy::Public;
use super::table::{self, Job};
use crate::stand_in::fleet::clock::{Clock, ClockError};
use crate::stand_in::fleet::spec::{Fleet, Host};
use crate::stand_in::fleet::{mail, queue};

/// Steps longer than this pass over ordinary jobs.
const LONG: SignedDuration = SignedDuration::from_hours(1);
/// Of a long step, the part at its end in which every job runs.
const LAST: SignedDuration = SignedDuration::from_mins(10);
/// What a step costs in real time at the least: processes that were told to end get a moment to do it.
const MOMENT: Duration = Duration::from_millis(15);

/// Cron, `at` and the archive of a fleet, driven by its clock.
pub struct Pacer {
    fleet: Fleet,
    clock: Clock,
    zone: TimeZone,
    /// Ids of the jobs that run.
    pub running: Running,
    /// Held by the outermost step; the time up to which everything due has run.
    cursor: Mutex<Timestamp>,
    poller: Mutex<Poller>,
    public: Public,
}

/// Something that falls due.
enum Event {
    Cron(Host, Vec<Job>),
    At(Host, queue::Queued),
}

impl Pacer {
    /// Begins at the present fleet time.
    ///
    /// # Errors
    ///
    /// [`ClockError`] if the clock cannot be read.
    pub fn new(fleet: Fleet, public: Public) -> Result<Pacer, ClockError> {
        let clock = Clock::open(&fleet.clock())?;
        let now = clock.now()?;
        Ok(Pacer {
            fleet,
            clock,
            zone: mail::zone(),
            running: Running::default(),
            cursor: Mutex::new(now),
            poller: Mutex::new(Poller::default()),
            public,
        })
    }

    /// Fleet time now.
    ///
    /// # Errors
    ///
    /// [`ClockError`] if the clock cannot be read.
    pub fn now(&self) -> Result<Timestamp, ClockError> {
        self.clock.now()
    }

    /// Lets `length` pass. `inner`: the caller is part of a step that is under way (a job, or a server that a job asks),
    /// and only the clock moves; otherwise one step waits for another.
    ///
    /// # Errors
    ///
    /// [`ClockError`] if the clock cannot be moved.
    pub fn step(&self, length: SignedDuration, every_job: bool, inner: bool) -> Result<(), ClockError> {
        let from = self.clock.now()?;
        let to = from.checked_add(length).unwrap_or(Timestamp::MAX);
        let held = if inner { self.cursor.try_lock().ok() } else { self.cursor.lock().ok() };
        std::thread::sleep(MOMENT);
        self.public.visit();
        let Some(mut cursor) = held else { return self.clock.advance(to) };
        self.catch_up(&mut cursor, to, every_job || length <= LONG)?;
        self.clock.advance(to)?;
        self.poll();
        Ok(())
    }

    /// Runs what has fallen due because real time passed; does nothing while a step is under way.
    ///
    /// # Errors
    ///
    /// [`ClockError`] if the clock cannot be read.
    pub fn tick(&self) -> Result<(), ClockError> {
        let Ok(mut cursor) = self.cursor.try_lock() else { return Ok(()) };
        let now = self.clock.now()?;
        if now < *cursor {
            // Set back by hand: go on from there.
            *cursor = now;
        }
        let short = now.duration_since(*cursor) <= LONG;
        self.catch_up(&mut cursor, now, short)?;
        self.poll();
        Ok(())
    }

    /// One round of the archive.
    pub fn poll(&self) {
        if let (Ok(mut poller), Ok(now)) = (self.poller.lock(), self.clock.now()) {
            poller.round(&self.fleet, now);
        }
    }

    /// Waits until nothing is under way and keeps it so until the result is dropped.
    pub fn hold(&self) -> Option<std::sync::MutexGuard<'_, Timestamp>> {
        self.cursor.lock().ok()
    }

    /// Runs the jobs of a host whose command contains `part`, now.
    pub fn run_now(&self, role: &str, part: &str) -> usize {
        let Some(host) = self.fleet.hosts.iter().find(|host| host.role.as_str() == role) else { return 0 };
        let jobs: Vec<Job> = read_table(host).into_iter().filter(|job| job.command.contains(part)).collect();
        jobs.iter().for_each(|job| self.run_job(host, job));
        jobs.len()
    }

    /// Runs everything due after `cursor` until `to`, moving the clock along.
    fn catch_up(&self, cursor: &mut Timestamp, to: Timestamp, every_job: bool) -> Result<(), ClockError> {
        let rare_until = if every_job { *cursor } else { to.checked_sub(LAST).unwrap_or(*cursor) };
        let mut rounds = 0;
        while let Some((time, events)) = self.next_due(*cursor, to, rare_until) {
            // The archive works in between, too; for the first minutes of a long way closely enough to see each stage.
            if rounds < 64 {
                self.poll();
            }
            rounds += 1;
            self.clock.advance(time)?;
            self.poll();
            self.public.visit();
            std::thread::scope(|scope| {
                for event in events {
                    scope.spawn(move || self.carry_out(event));
                }
            });
            *cursor = time;
        }
        self.archive_between(*cursor, to)?;
        *cursor = to;
        Ok(())
    }

    /// Lets the archive see some moments of a stretch without jobs.
    fn archive_between(&self, from: Timestamp, to: Timestamp) -> Result<(), ClockError> {
        let stretch = to.duration_since(from);
        for part in 1..8 {
            let Ok(time) = from.checked_add(stretch * part / 8) else { break };
            self.clock.advance(time)?;
            self.poll();
        }
        Ok(())
    }

    /// The first moment after `from` and not after `to` at which something is due. Until `rare_until` of cron's jobs
    /// only the daily ones count.
    fn next_due(&self, from: Timestamp, to: Timestamp, rare_until: Timestamp) -> Option<(Timestamp, Vec<Event>)> {
        let tables: Vec<(&Host, Vec<Job>)> = self.fleet.hosts.iter().map(|host| (host, read_table(host))).collect();
        let queues: Vec<(&Host, queue::Queued)> = self
            .fleet
            .hosts
            .iter()
            .flat_map(|host| queue::list(host).into_iter().map(move |job| (host, job)))
            .filter(|(_, job)| job.due <= to)
            .collect();
        let queued = queues.iter().map(|(_, job)| job.due.max(from)).min();
        let any_cron = tables.iter().any(|(_, jobs)| !jobs.is_empty());
        let mut minute = from.to_zoned(self.zone.clone()).datetime();
        minute = minute.with().second(0).subsec_nanosecond(0).build().unwrap_or(minute);
        loop {
            if !any_cron {
                break;
            }
            minute = minute.checked_add(SignedDuration::from_mins(1)).ok()?;
            let zoned: Zoned = minute.to_zoned(self.zone.clone()).ok()?;
            let time = zoned.timestamp();
            if time > to || queued.is_some_and(|queued| queued < time) {
                break;
            }
            // A clock that was put back in autumn shows an hour twice; the second one is skipped as cron does.
            if time <= from {
                continue;
            }
            let events = due_at(&tables, minute, time <= rare_until);
            if !events.is_empty() {
                return Some((time, events));
            }
        }
        let time = queued?;
        let due = queues.into_iter().filter(|(_, job)| job.due <= time);
        Some((time, due.map(|(host, job)| Event::At(host.clone(), job)).collect()))
    }

    fn carry_out(&self, event: Event) {
        match event {
            Event::Cron(host, jobs) => jobs.iter().for_each(|job| self.run_job(&host, job)),
            Event::At(host, job) => {
                queue::remove(&host, job.number);
                let start = Start {
                    shell: vec!["/bin/bash".to_owned()],
                    input: Some(job.script.into_bytes()),
                    variables: &job.environment,
                    directory: job.directory,
                    mail_to: Some(self.fleet.account.clone()),
                    subject: format!("Output from your job {:>8}", job.number),
                    from: self.fleet.account.clone(),
                };
                jobs::run(&self.fleet, &host, &start, &self.running, &|| self.mail_time());
            }
        }
    }

    fn run_job(&self, host: &Host, job: &Job) {
        jobs::run_cron(&self.fleet, host, job, &self.running, &|| self.mail_time());
    }

    fn mail_time(&self) -> Timestamp {
        self.clock.now().unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

fn due_at(tables: &[(&Host, Vec<Job>)], minute: DateTime, daily_only: bool) -> Vec<Event> {
    let mut events = Vec::new();
    for (host, jobs) in tables {
        let due: Vec<Job> =
            jobs.iter().filter(|job| job.due(minute) && (!daily_only || job.daily())).cloned().collect();
        if !due.is_empty() {
            events.push(Event::Cron((*host).clone(), due));
        }
    }
    events
}

/// The cron table of a host; a broken one runs nothing, as with cron.
fn read_table(host: &Host) -> Vec<Job> {
    if host.run().join("crond.off").exists() {
        return Vec::new();
    }
    let text = std::fs::read_to_string(host.run().join("crontab")).unwrap_or_default();
    table::parse(&text, "crontab").unwrap_or_default()
}
