//! Who may use a page: login, group, super user, lock, in this order (WP 3.1).

use super::form_data::quote;
use super::html::repr;
use super::routes::Route;
use super::visit::{Stop, Visit};
use crate::stand_in::server::http::Response;

/// Lets the visitor pass, or says why not. An admitted visitor's lock is pushed forward (WP 3.4).
///
/// # Errors
///
/// The redirect to the login page, or the error of the page.
pub fn admit(visit: &Visit, route: &Route) -> Result<(), Stop> {
    let needs = (route.needs)(visit.server.config.era);
    if let Some(user) = &visit.user
        && !visit.path.starts_with("/lock_status")
        && !visit.path.starts_with("/jpoll")
    {
        whole_lock(visit, &user.username)?;
        visit.server.refresh_lock(&user.username)?;
    }
    if needs.login && visit.user.is_none() {
        return Err(to_login(visit));
    }
    if let Some(group) = needs.group
        && !visit.user.as_ref().is_some_and(|user| user.in_group(group))
    {
        return Err(to_login(visit));
    }
    if needs.super_user && !visit.is_super() {
        return Err(Stop::refused(format!("{} is not a super user.", visit.username())));
    }
    if needs.lock {
        locked(visit)?;
    }
    Ok(())
}

/// Fails where 2014 does: on half of a user's lock.
///
/// # Errors
///
/// An unexpected failure.
pub fn whole_lock(visit: &Visit, user: &str) -> Result<(), Stop> {
    match visit.server.half_lock(user)? {
        Some(object) => Err(Stop::failed(format!("DoesNotExist no lock {}", repr(&object)))),
        None => Ok(()),
    }
}

/// The lock test. 2014 remembers the instrument of the login and tells its loss; 2019 looks for the user's lock.
fn locked(visit: &Visit) -> Result<(), Stop> {
    let Some(user) = &visit.user else { return Err(Stop::refused("You must log in.")) };
    let instrument = visit.locked_instrument()?;
    match instrument {
        Some(instrument) if visit.server.dialect().lock_of_login => {
            let held = visit.server.live_lock(&user.username)?;
            if held.is_some_and(|lock| lock.name == instrument) {
                return Ok(());
            }
            let lock = repr(&format!("instrument${instrument}"));
            let text = format!("User {} no longer holds lock {lock}", repr(&user.username));
            visit.server.config.log.message(crate::stand_in::server::Level::Error, &format!("Locking error: {text}"));
            Err(Stop::Refused(text))
        }
        Some(_) => Ok(()),
        None if user.is_superuser => Ok(()),
        None => Err(Stop::refused("You can't access this function without logging in for a particular instrument.")),
    }
}

/// The redirect to the login page; the query string is percent-coded inside `next`, slashes are not.
fn to_login(visit: &Visit) -> Stop {
    let location = format!("/login/?next={}", quote_next(visit));
    Stop::Answer(Box::new(Response::redirect(302, &absolute(visit, &location))))
}

fn quote_next(visit: &Visit) -> String {
    let path = &visit.request.path;
    if visit.request.query.is_empty() {
        path.clone()
    } else {
        format!("{path}{}", quote(&format!("?{}", visit.request.query)))
    }
}

/// A redirect's target as the era writes it.
pub fn absolute(visit: &Visit, location: &str) -> String {
    visit.server.location(visit.request, location)
}
