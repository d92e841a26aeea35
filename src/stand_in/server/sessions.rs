//! Sessions of the web site (WP 3.1, 3.3).

use jiff::ToSpan;
use serde_json::{Map, Value};

use super::{
    Server,
    catalog::{CatalogueError, SessionRow},
    clock,
};

/// A session that has not expired.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Value of the cookie `sessionid`.
    pub key: String,
    /// Name of the user who logged in; `None` for sessions without a login.
    pub user: Option<String>,
    /// Key of the status channel, if one was opened.
    pub jpoll_key: Option<String>,
    /// Instrument of the login, if a lock was taken.
    pub instrument: Option<String>,
    /// Until when, local time to the second.
    pub expires: String,
    /// Whatever else the pages keep.
    pub data: Map<String, Value>,
}

/// 32 characters as Django makes session keys.
fn new_key() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

impl Server {
    /// Starts a session; it lasts 8 or 18 hours by era and is not extended by use.
    ///
    /// # Errors
    ///
    /// As all methods here: if the catalogue cannot be read or written.
    pub fn start_session(&self, user: Option<&str>) -> Result<Session, CatalogueError> {
        let expires = self.local_now().saturating_add(self.dialect().session_hours.hours());
        let session = Session {
            key: new_key(),
            user: user.map(str::to_owned),
            jpoll_key: None,
            instrument: None,
            expires: clock::whole_seconds(expires),
            data: Map::new(),
        };
        self.save_session(&session)?;
        Ok(session)
    }

    /// The session of a cookie, unless it has expired or its user is gone.
    pub fn session(&self, key: &str) -> Result<Option<Session>, CatalogueError> {
        let Some(row) = self.catalogue.session(key)? else { return Ok(None) };
        if row.expire_date.as_str() <= clock::whole_seconds(self.local_now()).as_str() {
            return Ok(None);
        }
        Ok(Some(read(row)))
    }

    /// Saves a session.
    pub fn save_session(&self, session: &Session) -> Result<(), CatalogueError> {
        let mut data = session.data.clone();
        let mut put = |name: &str, value: &Option<String>| match value {
            Some(text) => drop(data.insert(name.to_owned(), Value::String(text.clone()))),
            None => drop(data.remove(name)),
        };
        put("_auth_user", &session.user);
        put("jpoll_key", &session.jpoll_key);
        put("locked_instrument", &session.instrument);
        self.catalogue.save_session(&SessionRow {
            key: session.key.clone(),
            data: Value::Object(data).to_string(),
            expire_date: session.expires.clone(),
        })
    }

    /// Ends a session.
    pub fn end_session(&self, key: &str) -> Result<(), CatalogueError> {
        self.catalogue.remove_session(key)
    }

    /// Ends every session of a user.
    pub fn end_sessions_of(&self, user: &str) -> Result<(), CatalogueError> {
        for row in self.catalogue.sessions()? {
            let session = read(row);
            if session.user.as_deref() == Some(user) {
                self.catalogue.remove_session(&session.key)?;
            }
        }
        Ok(())
    }
}

fn read(row: SessionRow) -> Session {
    let mut data = match serde_json::from_str(&row.data) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    let mut take = |name: &str| match data.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let (user, jpoll_key, instrument) = (take("_auth_user"), take("jpoll_key"), take("locked_instrument"));
    Session { key: row.key, user, jpoll_key, instrument, expires: row.expire_date, data }
}
