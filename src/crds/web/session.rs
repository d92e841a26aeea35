//! A login at a CRDS server: cookies, CSRF tokens, instrument lock.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::page::Page;
use crate::crds::wire::{Answer, Ask, Body, Http, WireError, clip};
use crate::plan::{Change, Role};
use crate::run::Permit;

/// Who logs in, and for which instrument.
#[derive(Clone, Debug)]
pub struct Login<'a> {
    /// Name of the account.
    pub username: &'a str,
    /// Its password.
    pub password: &'a SecretString,
    /// Instrument whose lock is taken; `None` takes none.
    pub instrument: Option<&'a str>,
}

/// A session with a server. Ends with [`Session::logout`]; dropping it leaves the server's session to its clock.
#[derive(Debug)]
pub struct Session {
    http: Http,
    base: String,
    cookies: BTreeMap<String, String>,
}

/// Time limit of pages that only show something.
const SHOWS: Duration = Duration::from_secs(180);

impl Session {
    /// A session without login with the server at `base`.
    #[must_use]
    pub fn anonymous(http: Http, base: &str) -> Self {
        Self { http, base: base.trim_end_matches('/').to_owned(), cookies: BTreeMap::new() }
    }

    /// Logs in without an instrument lock. Leaves a session row and a last-login time on the server.
    ///
    /// # Errors
    ///
    /// [`WireError::Page`] with the server's words if the login is refused, or what keeps the page from coming.
    pub fn login(http: Http, base: &str, login: &Login<'_>) -> Result<Self, WireError> {
        let mut session = Self::anonymous(http, base);
        session.log_in(&Login { instrument: None, ..login.clone() }, false)?;
        Ok(session)
    }

    /// Logs in and takes the lock of the instrument.
    ///
    /// # Errors
    ///
    /// As [`Session::login`]; also if somebody else holds the lock.
    pub fn login_with_lock(
        permit: &Permit<'_>,
        role: Role,
        http: Http,
        base: &str,
        login: &Login<'_>,
    ) -> Result<Self, WireError> {
        permit.covers(role, Change::Submit).or_else(|_| permit.covers(role, Change::Context))?;
        let mut session = Self::anonymous(http, base);
        session.log_in(login, true)?;
        Ok(session)
    }

    fn log_in(&mut self, login: &Login<'_>, changes: bool) -> Result<(), WireError> {
        self.http.recorder().secret(login.password);
        let token = self.token("/login/")?;
        let fields = vec![
            ("username".to_owned(), login.username.to_owned()),
            ("password".to_owned(), login.password.expose_secret().to_owned()),
            ("instrument".to_owned(), login.instrument.unwrap_or("none").to_owned()),
            ("next".to_owned(), "/".to_owned()),
            ("csrfmiddlewaretoken".to_owned(), token),
        ];
        let answer = self.exchange("POST", "/login/", Body::Form(fields), SHOWS, changes)?;
        let what = format!("the login of `{}`", login.username);
        if answer.status != 302 {
            // A wrong instrument logs in and shows an error all the same (WP 3.3): no session is kept.
            let page = Page::parse(answer.status, &answer.text());
            return Err(WireError::Page { host: self.http.host().to_owned(), what, error: page.gist() });
        }
        if !self.cookies.contains_key("sessionid") {
            let host = self.http.host().to_owned();
            return Err(WireError::Shape { host, what, why: "a redirect without a session cookie".to_owned() });
        }
        Ok(())
    }

    /// Logs out: the server's session ends and all locks of the user are released.
    ///
    /// # Errors
    ///
    /// What keeps the answer from coming, or an answer that is no redirect.
    pub fn logout(&mut self) -> Result<(), WireError> {
        let answer = self.exchange("GET", "/logout/", Body::None, SHOWS, true)?;
        self.cookies.clear();
        if answer.status == 302 { Ok(()) } else { Err(self.strange("/logout/", &answer)) }
    }

    /// Base URL of the server.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Name of the host in errors.
    #[must_use]
    pub fn host(&self) -> &str {
        self.http.host()
    }

    /// A page, judged only for being a page: its error block is the caller's to look at.
    ///
    /// # Errors
    ///
    /// What keeps it from coming; [`WireError::Shape`] for a redirect (such as to the login page) or a status of 400
    /// and above.
    pub fn page(&mut self, path: &str) -> Result<Page, WireError> {
        let answer = self.exchange("GET", path, Body::None, SHOWS, false)?;
        if answer.status != 200 {
            return Err(self.strange(path, &answer));
        }
        Ok(Page::parse(answer.status, &answer.text()))
    }

    /// A page that must not hold an error block.
    ///
    /// # Errors
    ///
    /// As [`Session::page`], and [`WireError::Page`] if it holds one.
    pub fn good_page(&mut self, path: &str) -> Result<Page, WireError> {
        let page = self.page(path)?;
        match page.error() {
            Some(error) => {
                let (host, what, error) = (self.host().to_owned(), format!("page {path}"), error.to_owned());
                Err(WireError::Page { host, what, error })
            }
            None => Ok(page),
        }
    }

    /// The raw answer to a GET.
    ///
    /// # Errors
    ///
    /// What keeps it from coming.
    pub fn get(&mut self, path: &str) -> Result<Answer, WireError> {
        self.exchange("GET", path, Body::None, SHOWS, false)
    }

    /// Sends a form of a page that was fetched for its token first, within `limit`; returns the raw answer.
    pub(super) fn send_form(
        &mut self,
        path: &str,
        mut fields: Vec<(String, String)>,
        limit: Duration,
    ) -> Result<Answer, WireError> {
        let token = self.token(path)?;
        fields.push(("csrfmiddlewaretoken".to_owned(), token));
        self.exchange("POST", path, Body::Form(fields), limit, true)
    }

    /// Sends a form with a token that is at hand already.
    pub(super) fn send_form_with(
        &mut self,
        path: &str,
        mut fields: Vec<(String, String)>,
        token: String,
        limit: Duration,
    ) -> Result<Answer, WireError> {
        fields.push(("csrfmiddlewaretoken".to_owned(), token));
        self.exchange("POST", path, Body::Form(fields), limit, true)
    }

    /// Sends one file.
    pub(super) fn send_file(&mut self, path: &str, field: &str, name: &str, bytes: &[u8]) -> Result<Answer, WireError> {
        let token = match self.cookies.get("csrftoken") {
            Some(token) => token.clone(),
            None => self.token("/login/")?,
        };
        let fields = vec![("csrfmiddlewaretoken".to_owned(), token)];
        let body = Body::Upload { fields, field: field.to_owned(), name: name.to_owned(), bytes: bytes.to_vec() };
        // One MB a second is the least that is waited for.
        let limit = SHOWS + Duration::from_secs(u64::try_from(bytes.len() >> 20).unwrap_or(0));
        self.exchange("POST", path, body, limit, true)
    }

    /// The CSRF token of a page with a form.
    fn token(&mut self, path: &str) -> Result<String, WireError> {
        let answer = self.exchange("GET", path, Body::None, SHOWS, false)?;
        if answer.status != 200 {
            return Err(self.strange(path, &answer));
        }
        let page = Page::parse(answer.status, &answer.text());
        if let Some(error) = page.error().filter(|_| page.token.is_none()) {
            let (host, what, error) = (self.host().to_owned(), format!("page {path}"), error.to_owned());
            return Err(WireError::Page { host, what, error });
        }
        page.token.or_else(|| self.cookies.get("csrftoken").cloned()).ok_or_else(|| {
            let why = format!("no form with a token: {}", Page::parse(answer.status, &answer.text()).gist());
            WireError::Shape { host: self.host().to_owned(), what: path.to_owned(), why }
        })
    }

    fn exchange(
        &mut self,
        method: &'static str,
        path: &str,
        body: Body,
        limit: Duration,
        changes: bool,
    ) -> Result<Answer, WireError> {
        let url = format!("{}{path}", self.base);
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let referer = format!("{}/", self.base);
        let ask = Ask { method, url: &url, body, cookies: &cookies, referer: &referer, limit, changes };
        let answer = self.http.send(&ask)?;
        for (_, line) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let pair = line.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                let value = value.trim().trim_matches('"');
                if value.is_empty() {
                    self.cookies.remove(name.trim());
                } else {
                    // A cookie opens the server as a password does: it must not be written anywhere.
                    self.http.recorder().secret(&SecretString::from(value.to_owned()));
                    self.cookies.insert(name.trim().to_owned(), value.to_owned());
                }
            }
        }
        Ok(answer)
    }

    /// The error for an answer that is no page: where it leads or what it says.
    pub(super) fn strange(&self, path: &str, answer: &Answer) -> WireError {
        let why = match answer.header("location") {
            Some(to) if to.contains("/login/") => {
                "a redirect to the login page: not logged in, or without the group it needs".to_owned()
            }
            Some(to) => format!("status {} to {}", answer.status, clip(to, 300)),
            None => format!("status {}: {}", answer.status, Page::parse(answer.status, &answer.text()).gist()),
        };
        WireError::Shape { host: self.host().to_owned(), what: path.to_owned(), why }
    }
}
