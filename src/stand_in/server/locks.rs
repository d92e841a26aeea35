//! Instrument locks (WP 3.3, 3.4): two rows each, owned by users and not by sessions.

use std::time::Duration;

use jiff::{ToSpan, civil::DateTime};

use super::{
    Server,
    catalog::{CatalogueError, LockRow},
    clock,
    refusal::Refusal,
};

/// How long a lock holds without being pushed forward, seconds.
const MAX_AGE_S: i64 = 4 * 3600;

/// What `lock_status` says about a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockStatus {
    /// The locked instrument.
    pub name: String,
    /// The owner.
    pub user: String,
    /// When the instrument was taken, local time.
    pub created_on: String,
    /// When the owner's half was taken: the same moment, unless somebody else took the instrument since.
    pub owned_since: String,
    /// Whether it has run out. That is the instrument's half's to say.
    pub is_expired: bool,
    /// Name of the half that has run out, the instrument's first.
    pub lost: Option<String>,
    /// What is left of it, seconds; never negative.
    pub remaining_s: i64,
}

impl LockStatus {
    /// `H:MM:SS` as Python writes a time difference.
    pub fn time_remaining(&self) -> String {
        let s = self.remaining_s;
        format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    }

    /// What is stored with a submission and compared at its confirmation (WP 3.4).
    pub fn id(&self) -> String {
        format!("instrument - {} - {} - {}", self.name, self.user, self.owned_since.replacen(' ', "T", 1))
    }
}

fn names(instrument: &str, user: &str) -> [String; 2] {
    [format!("instrument${instrument}"), format!("instrument${instrument}${user}")]
}

/// Instrument and user of a row named `instrument$<instrument>$<user>`.
fn owned(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("instrument$")?.split_once('$')
}

impl Server {
    /// When a lock runs out; `locks_aged` makes all of them older than they are.
    fn ends(&self, row: &LockRow) -> Option<DateTime> {
        let aged: i64 = self.fault("locks_aged").and_then(|hours| hours.trim().parse().ok()).unwrap_or_default();
        let left = row.max_age.saturating_sub(aged.saturating_mul(3600));
        clock::parse(&row.created_on)?.checked_add(left.clamp(-1_000_000_000, 1_000_000_000).seconds()).ok()
    }

    fn expired(&self, row: &LockRow) -> bool {
        self.ends(row).is_none_or(|end| end <= self.local_now())
    }

    /// Who holds a live lock on an instrument.
    ///
    /// # Errors
    ///
    /// `Multiple locks found.`, if its owners are several: one whose expired lock was taken over, and who took it.
    pub fn lock_owner(&self, instrument: &str) -> Result<Option<String>, Refusal> {
        let rows = self.catalogue.locks()?;
        let object = format!("instrument${instrument}");
        if !rows.iter().any(|row| row.name == object && !self.expired(row)) {
            return Ok(None);
        }
        let owners: Vec<&str> =
            rows.iter().filter_map(|row| owned(&row.name)).filter(|(i, _)| *i == instrument).map(|(_, u)| u).collect();
        match owners.as_slice() {
            [_, _, ..] if self.dialect().renews_locks => Err(Refusal::says("Multiple locks found.")),
            owners => Ok(owners.first().map(|user| (*user).to_owned())),
        }
    }

    /// Takes the lock on an instrument for a user. 2014 gives up every other that the user holds before; from 2019 on a
    /// live one on the same instrument is kept, and only a live one on another makes the user's be given up (WP 3.3).
    /// Waits up to two seconds for one held by somebody else; an expired one is taken over.
    ///
    /// # Errors
    ///
    /// `User '<owner>' has already locked instrument '<instrument>'.`, or [`Server::lock_owner`]'s.
    pub fn take_lock(&self, user: &str, instrument: &str) -> Result<LockStatus, Refusal> {
        self.give_up_others(user, instrument)?;
        let step = Duration::from_millis(500);
        for attempt in 0.. {
            if self.live_lock(user)?.is_some_and(|lock| lock.name == instrument) || self.acquire(user, instrument)? {
                break;
            }
            if attempt >= 4 {
                let owner = self.lock_owner(instrument)?.unwrap_or_else(|| "unknown".to_owned());
                return Err(Refusal::says(format!(
                    "User {} has already locked instrument {}.",
                    super::python::repr(&owner),
                    super::python::repr(instrument)
                )));
            }
            self.config.clock.sleep(step);
        }
        self.live_lock(user)?.ok_or_else(|| Refusal::unexpected("no lock found."))
    }

    fn give_up_others(&self, user: &str, instrument: &str) -> Result<(), CatalogueError> {
        let keeps = self.dialect().keeps_same_lock;
        if self.dialect().renews_locks {
            return match self.live_lock(user)? {
                Some(lock) if lock.name != instrument => self.release_locks(user),
                _ => Ok(()),
            };
        }
        for row in self.catalogue.locks()? {
            match owned(&row.name) {
                Some((i, u)) if u == user && !(keeps && i == instrument) => self.catalogue.drop_locks(&names(i, u))?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Takes a lock that nobody holds; false if somebody does.
    fn acquire(&self, user: &str, instrument: &str) -> Result<bool, Refusal> {
        let created_on = clock::python_text(self.local_now());
        let row = |name: String| LockRow { name, created_on: created_on.clone(), max_age: MAX_AGE_S };
        let [object, own] = names(instrument, user);
        match self.catalogue.lock(&object)? {
            Some(held) if self.expired(&held) && self.dialect().renews_locks => {
                // Who comes second finds it renewed.
                if !self.catalogue.renew_lock(&held, &created_on)? {
                    return Ok(false);
                }
                if !self.catalogue.take_locks(&[row(own.clone())])?
                    && let Some(old) = self.catalogue.lock(&own)?
                {
                    self.catalogue.renew_lock(&old, &created_on)?;
                }
                Ok(true)
            }
            // Several owners are told once the waiting is over.
            Some(held) if !self.expired(&held) && !matches!(self.lock_owner(instrument), Ok(None)) => Ok(false),
            _ => {
                self.drop_lock_on(instrument)?;
                Ok(self.catalogue.take_locks(&[row(object), row(own)])?)
            }
        }
    }

    /// Drops every row of the lock on an instrument, whoever owns it.
    fn drop_lock_on(&self, instrument: &str) -> Result<(), CatalogueError> {
        let object = format!("instrument${instrument}");
        let prefix = format!("{object}$");
        let rows: Vec<String> = self
            .catalogue
            .locks()?
            .into_iter()
            .map(|row| row.name)
            .filter(|name| *name == object || name.starts_with(&prefix))
            .collect();
        if rows.is_empty() { Ok(()) } else { self.catalogue.drop_locks(&rows) }
    }

    /// Releases every lock of a user.
    ///
    /// # Errors
    ///
    /// If the catalogue cannot be read or written.
    pub fn release_locks(&self, user: &str) -> Result<(), CatalogueError> {
        for row in self.catalogue.locks()? {
            if let Some((instrument, owner)) = owned(&row.name)
                && owner == user
            {
                self.catalogue.drop_locks(&names(instrument, owner))?;
            }
        }
        Ok(())
    }

    /// Pushes both halves of a user's live lock forward to four hours from now; an authenticated request does that. So it
    /// revives a half that has run out where somebody else renewed the other.
    ///
    /// # Errors
    ///
    /// If the catalogue cannot be read or written.
    pub fn refresh_lock(&self, user: &str) -> Result<(), CatalogueError> {
        let Some(lock) = self.live_lock(user)? else { return Ok(()) };
        for name in names(&lock.name, user) {
            let Some(row) = self.catalogue.lock(&name)? else { continue };
            let Some(created) = clock::parse(&row.created_on) else { continue };
            let age = self.local_now().duration_since(created).as_secs() + MAX_AGE_S;
            if age > row.max_age + 1 {
                self.catalogue.set_lock_age(&name, age)?;
            }
        }
        Ok(())
    }

    /// A lock of the user's of which only half is there: its instrument's row is gone. Later servers take no notice; 2014
    /// fails on every request of that user until somebody deletes the other row (B079).
    ///
    /// # Errors
    ///
    /// If the catalogue cannot be read.
    pub fn half_lock(&self, user: &str) -> Result<Option<String>, CatalogueError> {
        if !self.dialect().half_locks_fail {
            return Ok(None);
        }
        let rows = self.catalogue.locks()?;
        Ok(rows.iter().find_map(|row| {
            let (instrument, owner) = owned(&row.name)?;
            let object = format!("instrument${instrument}");
            (owner == user && !rows.iter().any(|row| row.name == object)).then_some(object)
        }))
    }

    /// The locks of a user, live or expired, in order of taking. Of one of which only the owner's half is there, that half
    /// speaks.
    ///
    /// # Errors
    ///
    /// If the catalogue cannot be read.
    pub fn locks_of(&self, user: &str) -> Result<Vec<LockStatus>, CatalogueError> {
        let rows = self.catalogue.locks()?;
        let now = self.local_now();
        let status = |own: &LockRow| {
            let (instrument, owner) = owned(&own.name).filter(|(_, owner)| *owner == user)?;
            let object = format!("instrument${instrument}");
            let shared = rows.iter().find(|row| row.name == object).unwrap_or(own);
            let left = self.ends(shared).map_or(0, |end| end.duration_since(now).as_secs());
            let lost = if left <= 0 { Some(object) } else { Some(own.name.clone()).filter(|_| self.expired(own)) };
            Some(LockStatus {
                name: instrument.to_owned(),
                user: owner.to_owned(),
                created_on: shared.created_on.clone(),
                owned_since: own.created_on.clone(),
                is_expired: left <= 0,
                lost,
                remaining_s: left.max(0),
            })
        };
        Ok(rows.iter().filter_map(status).collect())
    }

    /// The first lock of a user, live or expired; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If the catalogue cannot be read.
    pub fn lock_status(&self, user: &str) -> Result<Option<LockStatus>, CatalogueError> {
        Ok(self.locks_of(user)?.into_iter().next())
    }

    /// The live lock of a user.
    ///
    /// # Errors
    ///
    /// If the catalogue cannot be read.
    pub fn live_lock(&self, user: &str) -> Result<Option<LockStatus>, CatalogueError> {
        Ok(self.locks_of(user)?.into_iter().find(|lock| !lock.is_expired))
    }

    /// Runs `work` while `context$all` is held, as context generation does (WP 3.4).
    ///
    /// # Errors
    ///
    /// That of `work`, or that somebody else holds the lock for more than a minute.
    pub fn with_all_contexts<T>(&self, work: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
        const NAME: &str = "context$all";
        let row = LockRow { name: NAME.to_owned(), created_on: self.now_text(), max_age: 600 };
        let mut waited = 0;
        while !self.catalogue.take_locks(std::slice::from_ref(&row))? {
            match self.catalogue.lock(NAME)? {
                Some(held) if self.expired(&held) => self.catalogue.drop_locks(&[NAME.to_owned()])?,
                _ if waited >= 120 => {
                    return Err(Refusal::says("User 'all' has already locked context 'all'."));
                }
                _ => {
                    waited += 1;
                    self.config.clock.sleep(Duration::from_millis(500));
                }
            }
        }
        let result = work();
        self.catalogue.drop_locks(&[NAME.to_owned()])?;
        result
    }
}
