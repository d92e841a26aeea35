//! Logins at a server with the accounts of the site.

use secrecy::SecretString;

use super::web::{Login, Session};
use super::{CrdsError, Door, Server};
use crate::run::Permit;

impl Server {
    /// Its pages, without a login.
    ///
    /// # Errors
    ///
    /// As [`Self::url`] and [`Self::http`].
    pub fn pages(&self, door: Door) -> Result<Session, CrdsError> {
        let url = self.url(door)?;
        Ok(Session::anonymous(self.http()?, &url))
    }

    /// Logs in as an account of the site without an instrument: leaves a session row and a last-login time.
    ///
    /// # Errors
    ///
    /// The site has no such account, its secret cannot be had, or the server refuses.
    pub fn login(&self, door: Door, account: &str) -> Result<Session, CrdsError> {
        let (username, password) = self.account(account)?;
        let login = Login { username: &username, password: &password, instrument: None };
        let url = self.url(door)?;
        Ok(Session::login(self.http()?, &url, &login)?)
    }

    /// Logs in as an account of the site and takes the lock of an instrument.
    ///
    /// # Errors
    ///
    /// As [`Self::login`]; also if somebody else holds the lock.
    pub fn login_with_lock(
        &self,
        permit: &Permit<'_>,
        door: Door,
        account: &str,
        instrument: &str,
    ) -> Result<Session, CrdsError> {
        let (username, password) = self.account(account)?;
        let login = Login { username: &username, password: &password, instrument: Some(instrument) };
        let url = self.url(door)?;
        Ok(Session::login_with_lock(permit, self.role(), self.http()?, &url, &login)?)
    }

    fn account(&self, account: &str) -> Result<(String, SecretString), CrdsError> {
        let missing = || CrdsError::Site(format!("the account `{account}` in [credentials]"));
        let credential = self.credentials.get(account).ok_or_else(missing)?;
        let password = credential.password.resolve()?;
        self.remote.recorder().secret(&password);
        Ok((credential.username.clone(), password))
    }
}
