//! The web site: pages, forms and their answers (WP 3).
//!
//! [`handle`] judges every request in the order of WP 3.1: address, final slash, token, login, group, super user, lock,
//! and then lets the view judge fields and act. Addresses stand in [`routes`], forms in [`forms`]; a view says only what
//! it does.

mod access;
mod csrf;
mod dates;
mod differences;
mod fields;
mod fits_info;
mod form_data;
mod forms;
mod globs;
mod html;
mod json;
mod lists;
mod multipart;
mod page;
mod render;
mod results;
mod routes;
mod store;
pub mod stored;
pub mod submissions;
mod textdiff;
mod views;
mod visit;

use super::Server;
use super::http::{Request, Response};
use super::log::Level;
use routes::{OnError, Route};
use visit::{Stop, Visit};

/// What the `Differences` part of a result page shows for pairs old -> new, both in the cache.
pub fn differences(server: &Server, pairs: &[(String, String)]) -> serde_json::Value {
    let store = store::Files::of(server);
    let generation = server.config.generation;
    let compared: Vec<differences::Pair> =
        pairs.iter().map(|(old, new)| differences::compare(&store, old, new, generation)).collect();
    serde_json::to_value(compared).unwrap_or_default()
}

/// Answers one request for a page.
pub fn handle(server: &Server, request: &Request) -> Response {
    let mut answer = match Visit::new(server, request) {
        Ok(visit) => {
            let answer = respond(&visit);
            visit.finish(answer)
        }
        Err(error) => {
            log_failure(server, &error.to_string());
            Response::html(500, page::FAILURE)
        }
    };
    let dialect = server.dialect();
    if answer.header("x-frame-options").is_none() {
        answer = answer.with_header("x-frame-options", dialect.frame_options);
    }
    answer
}

fn respond(visit: &Visit) -> Response {
    let era = visit.server.config.era;
    let Some((route, captures)) = routes::find(&visit.path, era) else {
        if !visit.path.ends_with('/') && routes::find(&format!("{}/", visit.path), era).is_some() {
            let query =
                if visit.request.query.is_empty() { String::new() } else { format!("?{}", visit.request.query) };
            let location = format!("{}/{query}", visit.request.path);
            return Response::redirect(301, &access::absolute(visit, &location));
        }
        return Response::html(404, visit.frame().not_found());
    };
    let host = visit.request.header("host").unwrap_or_default();
    if let Some(reason) = csrf::refusal(visit.request, &visit.fields, host) {
        // The library's own page names no character set.
        return Response::new(403).with_header("content-type", "text/html").with_body(page::forbidden(reason));
    }
    log_request(visit);
    let outcome = access::admit(visit, route).and_then(|()| (route.view)(visit, &captures));
    match outcome {
        Ok(answer) if visit.dialect().uncached_pages.contains(&visit.path.as_str()) => {
            answer.with_header("cache-control", "no-cache")
        }
        Ok(answer) => answer,
        Err(stop) => stopped(visit, route, &captures, stop),
    }
}

/// The answer of a view that did not come to its own.
fn stopped(visit: &Visit, route: &Route, captures: &[String], stop: Stop) -> Response {
    let text = match stop {
        Stop::Answer(answer) => return *answer,
        Stop::Refused(text) => text,
        Stop::Failed(why) => {
            log_failure(visit.server, &why);
            if visit.server.dialect().failures_are_500 || route.fails_hard {
                return Response::html(500, page::FAILURE);
            }
            "internal server error".to_owned()
        }
    };
    // Every error page asks about the edit and the operational pmap (WP 3.12).
    let _ = visit.contexts();
    let shown = match route.on_error {
        OnError::Base => None,
        OnError::Form(form) => form(visit, captures, Some(&text)).ok(),
    };
    shown.unwrap_or_else(|| visit.page(&visit.frame().error_block(&text)))
}

/// The lines that begin every request in the application's log (SO 15).
fn log_request(visit: &Visit) {
    let log = &visit.server.config.log;
    let script = if visit.is_script() { "True" } else { "False" };
    log.message(Level::Info, "");
    log.message(Level::Info, &format!("REQUEST: {} {} ajax={script}", visit.path, visit.request.method));
}

/// Failures are told at level INFO, as the real server tells them (SO 15).
fn log_failure(server: &Server, why: &str) {
    for line in ["REPR", "STR"] {
        server.config.log.message(Level::Info, &format!("EXCEPTION {line}: {why}"));
    }
    server.config.log.message(Level::Info, "EXCEPTION TRACEBACK:");
}
