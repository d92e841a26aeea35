//! Login, logout, passwords, locks (WP 3.3, 3.4, 3.7).

use serde_json::json;

use super::super::access::absolute;
use super::super::fields::{Rule, check, validate};
use super::super::forms::{self, Field, Options};
use super::super::html::{esc, repr};
use super::super::render;
use super::super::visit::{Outcome, Stop, Visit};
use crate::stand_in::server::http::Response;
use crate::stand_in::server::locks::LockStatus;

/// `/login/`.
pub fn login(visit: &Visit, _: &[String]) -> Outcome {
    if visit.is_get() { login_page(visit, false) } else { log_in(visit) }
}

fn login_page(visit: &Visit, failed: bool) -> Outcome {
    let setting = visit.setting(&forms::LOGIN_PAGE)?;
    let mut body = "<h2>Login</h2>\n".to_owned();
    if failed && visit.dialect().old_pages {
        body.push_str("<div class=\"error\">Your username and password didn't match. Please try again.</div>\n");
    } else if failed {
        body.push_str("<div id=\"error_login\" class=\"error\">Your username and password didn't match. Please try again.</div>\n");
    }
    body.push_str("<form method=\"post\" action=\"/login/\">\n");
    body.push_str(&setting.token_field());
    let username = visit.fields.get("username").unwrap_or_default();
    body.push_str(&format!(
        "<p><label>username</label> <input type=\"text\" name=\"username\" value=\"{}\"></p>\n",
        esc(username)
    ));
    for field in forms::LOGIN_PAGE.fields {
        if let Field::Select(name, Options::List(list)) = *field {
            let words = render::words(Options::List(list), visit);
            body.push_str(&format!("<p><label>{name}</label> <select name=\"{name}\">"));
            for word in words {
                let word = esc(&word);
                body.push_str(&format!("<option value=\"{word}\">{word}</option>"));
            }
            body.push_str("</select></p>\n");
        }
    }
    body.push_str("<p><label>password</label> <input type=\"password\" name=\"password\"></p>\n");
    body.push_str(&format!("<input type=\"submit\" value=\"{}\">\n", forms::LOGIN_PAGE.submit));
    let next = next_page(visit);
    body.push_str(&format!("<input type=\"hidden\" name=\"next\" value=\"{}\">\n</form>\n", esc(&next)));
    Ok(visit.page(&body))
}

/// Where a login leads: the query's `next` on the form, the form's own once it is sent (WP 3.1); never to another host.
fn next_page(visit: &Visit) -> String {
    let next = visit.fields.get("next").unwrap_or_default().to_owned();
    let own = next.starts_with('/')
        && !next.starts_with("//")
        && !next.starts_with("/\\")
        && !next.contains(|ch: char| ch.is_control());
    if own { next } else { "/".to_owned() }
}

fn log_in(visit: &Visit) -> Outcome {
    let name = visit.fields.get("username").unwrap_or_default().trim();
    let password = visit.fields.get("password").unwrap_or_default();
    let known =
        if name.is_empty() || password.is_empty() { None } else { visit.server.authenticate(name, password)? };
    let Some(user) = known else { return login_page(visit, true) };
    super::super::access::whole_lock(visit, &user.username)?;
    visit.rotate_token();
    if let Some(old) = visit.session.borrow().as_ref() {
        visit.server.end_session(&old.key)?;
    }
    let mut session = visit.server.start_session(Some(&user.username))?;
    visit.server.note_login(&user.username)?;
    if visit.server.dialect().login_makes_ingest_dir {
        super::uploads::ensure_ingest_dir(visit, &user.username)?;
    }
    *visit.session.borrow_mut() = Some(session.clone());
    visit.set_session_cookie(&session.key);
    if visit.fields.get("instrument").is_some() {
        // A wrong instrument is told with the session in force (WP 3.3).
        let check = forms::LOGIN_PAGE.checks[0];
        let instrument = validate(visit, &visit.fields, check).map_err(Stop::Refused)?;
        if instrument != "none" {
            // A name that merely begins like an instrument's is locked like one; `$` sets the parts of a lock's name apart.
            let taken = if instrument.contains('$') {
                Err(Stop::refused(format!("Illegal lock name '{instrument}'")))
            } else {
                visit.server.take_lock(&user.username, &instrument).map_err(Stop::from)
            };
            if let Err(stop) = taken {
                visit.server.end_session(&session.key)?;
                visit.forget_session();
                return Err(stop);
            }
            session.instrument = Some(instrument);
            visit.server.save_session(&session)?;
        }
    }
    Ok(Response::redirect(302, &absolute(visit, &next_page(visit))))
}

/// `/logout/`: the user's locks are released, whoever took them.
pub fn logout(visit: &Visit, _: &[String]) -> Outcome {
    end(visit)?;
    Ok(Response::redirect(302, &absolute(visit, "/")))
}

/// Ends the visitor's session and releases the user's locks.
///
/// # Errors
///
/// If the catalogue cannot be written.
pub fn end(visit: &Visit) -> Result<(), Stop> {
    if let Some(user) = &visit.user {
        visit.server.release_locks(&user.username)?;
    }
    let key = visit.session.borrow().as_ref().map(|session| session.key.clone());
    if let Some(key) = key {
        visit.server.end_session(&key)?;
    }
    visit.drop_session_cookie();
    Ok(())
}

/// `/lock_status/`.
pub fn own_lock(visit: &Visit, _: &[String]) -> Outcome {
    lock_json(visit, &visit.username())
}

/// `/lock_status/<user>/`.
pub fn lock_of(visit: &Visit, captures: &[String]) -> Outcome {
    lock_json(visit, &captures[0])
}

fn lock_json(visit: &Visit, user: &str) -> Outcome {
    let locks = visit.server.locks_of(user)?;
    let value = match locks.as_slice() {
        [] => {
            json!({"name": "", "user": user, "type": "instrument", "status": "error", "exception": "no lock found."})
        }
        [_, _, ..] if visit.dialect().renews_locks => {
            json!({"name": "unknown", "user": user, "type": "instrument", "status": "error", "is_expired": false,
                   "exception": "More than one lock owned by user."})
        }
        [LockStatus { name, user, lost: Some(object), .. }, ..] => {
            json!({"name": name, "user": user, "type": "instrument", "status": "error", "is_expired": true,
                   "exception": format!("User {} no longer holds lock {}", repr(user), repr(object))})
        }
        [lock, ..] => {
            let fraction = if visit.dialect().lock_fractions { None } else { lock.created_on.find('.') };
            json!({
                "name": lock.name,
                "user": lock.user,
                "type": "instrument",
                "status": "ok",
                "created_on": &lock.created_on[..fraction.unwrap_or(lock.created_on.len())],
                "is_expired": false,
                "time_remaining": lock.time_remaining(),
            })
        }
    };
    Ok(visit.json(&value))
}

/// The form of a new password.
pub fn password_form(visit: &Visit, _: &[String], error: Option<&str>) -> Outcome {
    let heading = format!("{} {}", forms::SET_PASSWORD.heading, visit.username());
    visit.form_page_with(&forms::SET_PASSWORD, error, &heading, None, Vec::new())
}

/// `/set_password/`.
pub fn set_password(visit: &Visit, captures: &[String]) -> Outcome {
    if visit.is_get() {
        return password_form(visit, captures, None);
    }
    let user = if visit.is_super() {
        let name = visit.validate(check("username", Rule::UserName))?;
        visit.server.catalogue.account(&name)?.ok_or_else(|| Stop::refused("Unknown user."))?.username
    } else {
        let old = visit.validate(check("old_password", Rule::Anything))?;
        let name = visit.username();
        visit.server.authenticate(&name, &old)?.ok_or_else(|| Stop::refused("Old password is not valid."))?.username
    };
    let first = visit.validate(check("new_password1", Rule::Anything))?;
    let second = visit.validate(check("new_password2", Rule::Anything))?;
    let ordinary = !visit.is_super();
    let refusals = [
        (first != second, "New passwords are not the same."),
        (first.chars().count() < 6, "At least 6 characters please."),
        (ordinary && !first.contains(|ch: char| ch.is_ascii_digit()), "At least one digit please."),
        (ordinary && !first.contains(|ch: char| ch.is_ascii_alphabetic()), "At least one letter please."),
    ];
    if let Some((_, text)) = refusals.iter().find(|(wrong, _)| *wrong) {
        return Err(Stop::refused(*text));
    }
    visit.server.set_password(&user, &first)?;
    let heading = format!("{} {}", forms::SET_PASSWORD.heading, visit.username());
    Ok(visit.page(&format!("<h2>{}</h2>\n<p class='success'>New password set.</p>\n", esc(&heading))))
}
