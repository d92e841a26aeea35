//! One visit: the request with who sent it, and the ways in which a view may end.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, PoisonError};

use super::fields::{self, Check, Facts, List};
use super::form_data::{self, Fields, Upload};
use super::forms::{Field, Page};
use super::json;
use super::page::Frame;
use super::render::{self, Contexts, Setting};
use super::{csrf, lists};
use crate::stand_in::server::catalog::{Account, CatalogueError, FileRow};
use crate::stand_in::server::http::{Request, Response};
use crate::stand_in::server::refusal::Refusal;
use crate::stand_in::server::rpc::vocabulary;
use crate::stand_in::server::sessions::Session;
use crate::stand_in::server::{Dialect, Server};

/// Lines of the menus of contexts, by catalogue and edit context: a process never makes one twice.
type Menus = HashMap<(PathBuf, String), Vec<(String, String)>>;

static MENUS: LazyLock<Mutex<Menus>> = LazyLock::new(Mutex::default);

/// Why a view did not come to its own answer.
#[derive(Debug)]
pub enum Stop {
    /// The page says `ERROR: ` and this text.
    Refused(String),
    /// The server failed; 2019 says `internal server error`, 2014 answers 500 (WP 3.1). The text goes to the log.
    Failed(String),
    /// Another answer, such as a redirect.
    Answer(Box<Response>),
}

/// What a view gives.
pub type Outcome = Result<Response, Stop>;

impl Stop {
    /// The page says `ERROR: ` and this text.
    pub fn refused(text: impl Into<String>) -> Self {
        Self::Refused(text.into())
    }

    /// The server failed.
    pub fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        if refusal.unexpected { Self::Failed(refusal.text) } else { Self::Refused(refusal.text) }
    }
}

impl From<CatalogueError> for Stop {
    fn from(error: CatalogueError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// The request, taken apart, with its session.
pub struct Visit<'a> {
    /// The server.
    pub server: &'a Server,
    /// The request.
    pub request: &'a Request,
    /// Its path without percent-coding.
    pub path: String,
    /// Query string of a GET, body of anything else (WP 3.1).
    pub fields: Fields,
    /// Files of the body.
    pub files: Vec<Upload>,
    /// The visitor, if logged in.
    pub user: Option<Account>,
    /// The visitor's session.
    pub session: RefCell<Option<Session>>,
    /// The value of the token's cookie: as it came, until it has none or a login gives it another.
    csrf_cookie: RefCell<Option<String>>,
    token_shown: Cell<bool>,
    session_cookie: RefCell<SessionCookie>,
}

/// What the answer does to the session cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
enum SessionCookie {
    Untouched,
    Set(String),
    Drop,
}

impl<'a> Visit<'a> {
    /// Takes a request apart and finds its session.
    ///
    /// # Errors
    ///
    /// If the catalogue cannot be read.
    pub fn new(server: &'a Server, request: &'a Request) -> Result<Self, CatalogueError> {
        let form = form_data::body(request);
        let fields = if request.method == "GET" { form_data::query(request) } else { form.fields };
        let session = match request.cookie("sessionid") {
            Some(key) => server.session(key)?,
            None => None,
        };
        let user = match session.as_ref().and_then(|session| session.user.as_deref()) {
            Some(name) => server.catalogue.account(name)?,
            None => None,
        };
        let user = user.filter(|user| user.is_active);
        Ok(Self {
            server,
            request,
            path: request.decoded_path(),
            fields,
            files: form.files,
            user,
            session: RefCell::new(session),
            csrf_cookie: RefCell::new(csrf::kept_cookie(request, server.dialect().masked_tokens)),
            token_shown: Cell::new(false),
            session_cookie: RefCell::new(SessionCookie::Untouched),
        })
    }

    /// The server's dialect.
    pub fn dialect(&self) -> &'static Dialect {
        self.server.dialect()
    }

    /// True for what the site treats as a GET.
    pub fn is_get(&self) -> bool {
        self.request.method == "GET"
    }

    /// True if the page's script sent it.
    pub fn is_script(&self) -> bool {
        self.request.header("x-requested-with") == Some("XMLHttpRequest")
    }

    /// Name of the visitor, `AnonymousUser` without a login.
    pub fn username(&self) -> String {
        self.user.as_ref().map_or_else(|| "AnonymousUser".to_owned(), |user| user.username.clone())
    }

    /// True for super users.
    pub fn is_super(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.is_superuser)
    }

    /// The instrument that the visitor holds: in 2019 by the user's lock, in 2014 by what the session remembers.
    ///
    /// # Errors
    ///
    /// If the catalogue cannot be read.
    pub fn locked_instrument(&self) -> Result<Option<String>, Stop> {
        let Some(user) = &self.user else { return Ok(None) };
        if self.server.dialect().lock_of_login {
            return Ok(self.session.borrow().as_ref().and_then(|session| session.instrument.clone()));
        }
        Ok(self.server.live_lock(&user.username)?.map(|lock| lock.name))
    }

    /// Judges one field.
    ///
    /// # Errors
    ///
    /// The field's refusal.
    pub fn validate(&self, check: Check) -> Result<String, Stop> {
        fields::validate(self, &self.fields, check).map_err(Stop::Refused)
    }

    /// Judges every field of a page's table, in its order, and gives the values in that order.
    ///
    /// # Errors
    ///
    /// The first refusal.
    pub fn validate_page(&self, page: &Page) -> Result<Vec<String>, Stop> {
        page.checks.iter().map(|check| self.validate(*check)).collect()
    }

    /// Whether a check box is ticked.
    /// From 2019 on a box that the body leaves out or empty is looked for in the query string (read in the views).
    pub fn ticked(&self, name: &str) -> bool {
        let any_text = self.dialect().any_text_ticks;
        if any_text || self.fields.get(name).is_some_and(|value| !value.is_empty()) {
            return fields::is_ticked(&self.fields, name, any_text);
        }
        fields::is_ticked(&form_data::query(self.request), name, any_text)
    }

    /// The context selector's mode and context (WP 3.1): the server's own present values win over hidden fields.
    ///
    /// # Errors
    ///
    /// The refusal of mode or context.
    pub fn context(&self) -> Result<(String, String), Stop> {
        let words = self.server.dialect().pmap_modes;
        let mode = self.validate(fields::check("pmap_mode", fields::Rule::Words(words)))?;
        let context = match mode.as_str() {
            "pmap_edit" => self.present("edit")?,
            "pmap_operational" | "pmap_latest" => self.present("operational")?,
            // A mode that merely begins like one names a field that no form has.
            other => {
                let Some(field) = ["pmap_menu", "pmap_text"].into_iter().find(|field| *field == other) else {
                    return Err(Stop::Refused(format!("Undefined parameter {}", super::html::repr(other))));
                };
                self.validate(fields::check(field, fields::Rule::Pmap))?
            }
        };
        Ok((mode, context))
    }

    /// A token for a form, of this visitor's secret, which is made now if there is none; showing it sets the cookie. Only
    /// the form's text is masked anew (Django 1.11); the cookie keeps its value until a login (WP 3.1).
    pub fn token(&self) -> String {
        self.token_shown.set(true);
        let masked = self.dialect().masked_tokens;
        let cookie = self.csrf_cookie.borrow_mut().get_or_insert_with(|| csrf::new_cookie(masked)).clone();
        match csrf::unmask(&cookie) {
            Some(secret) if masked => csrf::mask(&secret),
            _ => cookie,
        }
    }

    /// Gives the visitor a new secret, as a login does (WP 3.1).
    pub fn rotate_token(&self) {
        *self.csrf_cookie.borrow_mut() = Some(csrf::new_cookie(self.dialect().masked_tokens));
        self.token_shown.set(true);
    }

    /// Makes the answer set the session cookie.
    pub fn set_session_cookie(&self, key: &str) {
        *self.session_cookie.borrow_mut() = SessionCookie::Set(key.to_owned());
    }

    /// Makes the answer drop the session cookie.
    pub fn drop_session_cookie(&self) {
        *self.session_cookie.borrow_mut() = SessionCookie::Drop;
        *self.session.borrow_mut() = None;
    }

    /// Forgets a session that this very request began; an older cookie is dropped.
    pub fn forget_session(&self) {
        let had_cookie = self.request.cookie("sessionid").is_some();
        *self.session_cookie.borrow_mut() = if had_cookie { SessionCookie::Drop } else { SessionCookie::Untouched };
        *self.session.borrow_mut() = None;
    }

    /// Key of the session's status channel.
    ///
    /// # Errors
    ///
    /// None was opened: an internal error of the old site.
    pub fn channel(&self) -> Result<String, Stop> {
        let key = self.session.borrow().as_ref().and_then(|session| session.jpoll_key.clone());
        let key = key.ok_or_else(|| Stop::failed("KeyError 'jpoll_key'"))?;
        // A key that a monitor page gave the session may have no channel yet.
        if self.server.catalogue.channel(&key)?.is_none() {
            self.server.catalogue.open_channel(&key, &self.server.now_text())?;
        }
        Ok(key)
    }

    /// The frame around this visitor's pages.
    pub fn frame(&self) -> Frame {
        let user = self.session.borrow().as_ref().and_then(|session| session.user.clone());
        Frame {
            observatory: self.server.config.observatory.clone(),
            use_case: self.server.config.use_case.clone(),
            old_pages: self.dialect().old_pages,
            locked: user.is_some().then(|| self.locked_instrument().ok().flatten()).flatten(),
            user,
            current_path: self.full_path(),
            script_escaped: self.server.faulty("escaped_upload_script"),
        }
    }

    /// Path with query string, as it stood on the request line.
    pub fn full_path(&self) -> String {
        if self.request.query.is_empty() {
            self.request.path.clone()
        } else {
            format!("{}?{}", self.request.path, self.request.query)
        }
    }

    /// A page around `body`, paths of this machine cut out.
    pub fn page(&self, body: &str) -> Response {
        Response::html(200, self.scrub(&self.frame().wrap(body)))
    }

    /// A JSON answer.
    pub fn json(&self, value: &serde_json::Value) -> Response {
        Response::new(200).with_header("content-type", "application/json").with_body(json::dumps(value))
    }

    /// What this visitor's form shows.
    ///
    /// # Errors
    ///
    /// If the catalogue cannot be read.
    pub fn setting(&self, page: &Page) -> Result<Setting, Stop> {
        let with_contexts = page.fields.iter().any(|field| matches!(field, Field::Context { .. }));
        Ok(Setting {
            observatory: self.server.config.observatory.clone(),
            old_pages: self.dialect().old_pages,
            token: self.token(),
            logged_in: self.user.is_some(),
            super_user: self.is_super(),
            contexts: if with_contexts { Some(self.contexts()?) } else { None },
            defaults: Vec::new(),
            typed: None,
        })
    }

    /// A page with its form; `error` and the typed values if it is shown again.
    ///
    /// # Errors
    ///
    /// If the catalogue cannot be read.
    pub fn form_page(&self, page: &Page, error: Option<&str>) -> Outcome {
        self.form_page_with(page, error, page_heading(page, self.dialect().old_pages), None, Vec::new())
    }

    /// As [`Self::form_page`], with another heading, action and first values.
    ///
    /// # Errors
    ///
    /// If the catalogue cannot be read.
    pub fn form_page_with(
        &self,
        page: &Page,
        error: Option<&str>,
        heading: &str,
        action: Option<&str>,
        defaults: Vec<(String, String)>,
    ) -> Outcome {
        let mut setting = self.setting(page)?;
        setting.defaults = defaults;
        let mut body = format!("<h2>{}</h2>\n", super::html::esc(heading));
        if let Some(error) = error {
            setting.typed = Some(self.fields.clone());
            body.push_str(&self.frame().error_block(error));
        }
        body.push_str(&render::form(page, &setting, self, action));
        Ok(self.page(&body))
    }

    /// The present context of a kind; empty if none was ever set.
    ///
    /// # Errors
    ///
    /// If the catalogue cannot be read.
    pub fn present(&self, kind: &str) -> Result<String, Stop> {
        Ok(self.server.catalogue.context(kind)?.unwrap_or_default())
    }

    /// A context with its date and what there is to say against it.
    fn context_label(&self, name: &str) -> Result<String, Stop> {
        match self.server.catalogue.file(name)? {
            Some(row) => self.row_label(&row),
            None => Ok("FILE LOOKUP FAILED -- invalid context".to_owned()),
        }
    }

    fn row_label(&self, row: &FileRow) -> Result<String, Stop> {
        let date: String = row.delivery_date.chars().take(16).collect();
        let available = if self.server.available(row)? { "" } else { "*unavailable*" };
        let inactive = matches!(row.state.as_str(), "uploaded" | "cancelled");
        let bad = if row.rejected || row.blacklisted || inactive { "*bad*" } else { "" };
        let edit = self.server.catalogue.context("edit")?.unwrap_or_default();
        let back = self.server.dialect().reversion_marks && row.name < edit;
        let reversion = if back { "*reversion*" } else { "" };
        let words = [row.name.as_str(), &date, available, bad, reversion];
        Ok(words.iter().filter(|word| !word.is_empty()).copied().collect::<Vec<_>>().join(" "))
    }

    /// What the context selector offers; asks about the pmaps that it shows (WP 3.12).
    ///
    /// # Errors
    ///
    /// If the catalogue cannot be read.
    pub fn contexts(&self) -> Result<Contexts, Stop> {
        let labelled = |name: String| -> Result<(String, String), Stop> {
            let label = self.context_label(&name)?;
            Ok((name, label))
        };
        let edit = labelled(self.present("edit")?)?;
        let operational = labelled(self.present("operational")?)?;
        let menu = self.context_menu(&edit.0)?;
        Ok(Contexts { edit, operational, menu })
    }

    /// The ten newest pmaps: asked about once after each change of the edit context (WP 3.12).
    fn context_menu(&self, edit: &str) -> Result<Vec<(String, String)>, Stop> {
        let place = (self.server.catalogue.path().to_owned(), edit.to_owned());
        let kept = MENUS.lock().unwrap_or_else(PoisonError::into_inner).get(&place).cloned();
        if let Some(menu) = kept {
            return Ok(menu);
        }
        let mut menu = Vec::new();
        for row in self.server.catalogue.newest_files_with_extension(".pmap")? {
            if row.state != "uploaded" && menu.len() < 10 {
                menu.push((row.name.clone(), self.row_label(&row)?));
            }
        }
        MENUS.lock().unwrap_or_else(PoisonError::into_inner).insert(place, menu.clone());
        Ok(menu)
    }

    /// Cuts the server's own paths out of a page (WP 3.1).
    pub fn scrub(&self, text: &str) -> String {
        let dirs = &self.server.config.dirs;
        let mut text = text.to_owned();
        for (dir, slash) in [
            (&dirs.config, true),
            (&dirs.mappings, true),
            (&dirs.references, true),
            (&dirs.ingest, false),
            (&dirs.uploads, false),
            (&dirs.catalogs, false),
        ] {
            let mut path = dir.display().to_string();
            if slash {
                path.push('/');
            }
            if path.len() > 1 && text.contains(&path) {
                text = text.replace(&path, "");
            }
        }
        text
    }

    /// Adds the cookies that this visit set to its answer.
    pub fn finish(&self, mut answer: Response) -> Response {
        if self.token_shown.get()
            && let Some(value) = self.csrf_cookie.borrow().as_ref()
        {
            let same_site = self.server.dialect().same_site;
            answer = answer.with_header(
                "set-cookie",
                format!(
                    "{}={value}; expires={}; Max-Age={}; Path=/{same_site}",
                    csrf::COOKIE,
                    self.http_date(i64::from(csrf::MAX_AGE_S)),
                    csrf::MAX_AGE_S
                ),
            );
        }
        let same_site = self.server.dialect().same_site;
        match &*self.session_cookie.borrow() {
            SessionCookie::Untouched => {}
            SessionCookie::Set(key) => {
                let lifetime_s = self.server.dialect().session_hours * 3600;
                answer = answer.with_header(
                    "set-cookie",
                    format!(
                        "sessionid={key}; expires={}; HttpOnly; Max-Age={lifetime_s}; Path=/{same_site}",
                        self.http_date(lifetime_s)
                    ),
                );
            }
            SessionCookie::Drop => {
                answer = answer.with_header(
                    "set-cookie",
                    "sessionid=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/",
                );
            }
        }
        if answer.header("vary").is_none() {
            answer = answer.with_header("vary", "Cookie");
        }
        answer
    }

    /// The moment `seconds` from now, as a cookie's `expires` has it.
    fn http_date(&self, seconds: i64) -> String {
        let at = self.server.config.clock.now().checked_add(jiff::SignedDuration::from_secs(seconds));
        at.map(|at| at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()).unwrap_or_default()
    }
}

/// `<h2>` of a form's page.
pub fn page_heading(page: &Page, old_pages: bool) -> &'static str {
    if old_pages { page.heading_2014 } else { page.heading }
}

impl Facts for Visit<'_> {
    fn is_known(&self, name: &str) -> bool {
        self.server.catalogue.file(name).ok().flatten().is_some()
    }

    fn words(&self, list: List) -> Vec<String> {
        let observatory = self.server.config.observatory.as_str();
        let instruments = vocabulary::instruments(observatory, self.dialect());
        let types = vocabulary::types(observatory);
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        match list {
            List::Instruments => owned(instruments),
            List::LoginInstruments => owned(&[instruments, &["none"]].concat()),
            List::AnyInstrument => owned(&[&["*"], instruments].concat()),
            List::AnyFilekind => owned(&[&["*"], types].concat()),
            List::AnyExtension => owned(lists::extensions(observatory)),
            List::AnyUser => {
                let users = self.server.catalogue.accounts().unwrap_or_default();
                std::iter::once("*".to_owned()).chain(users.into_iter().map(|user| user.username)).collect()
            }
            List::AnyAction => owned(&[&["*"], lists::ACTIONS].concat()),
            // Whatever the server's own observatory is.
            List::Observatory => owned(&["hst", "jwst", "*"]),
        }
    }

    fn dialect(&self) -> &'static Dialect {
        Visit::dialect(self)
    }
}
