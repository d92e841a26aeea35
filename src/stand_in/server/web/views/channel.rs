//! The status channel over HTTP (WP 3.9).

use serde_json::Value;

use super::super::html::esc;
use super::super::visit::{Outcome, Stop, Visit};

/// `/jpoll/open_channel/`: a new key each time, kept by the session.
pub fn open(visit: &Visit, _: &[String]) -> Outcome {
    let mut held = visit.session.borrow_mut();
    let Some(session) = held.as_mut() else { return Err(Stop::failed("KeyError 'jpoll_key'")) };
    let key = visit.server.open_channel(session)?;
    visit.set_session_cookie(&session.key);
    Ok(visit.json(&Value::String(key)))
}

/// `/jpoll/pull_messages/` of 2014: the session's channel, what is newer than the last pull.
pub fn pull_own(visit: &Visit, _: &[String]) -> Outcome {
    let key = visit.channel()?;
    let messages = visit.server.pull_new_messages(&key)?;
    match messages {
        Some(messages) => Ok(visit.json(&Value::Array(messages))),
        None => Err(Stop::failed(format!("DoesNotExist no channel {key}"))),
    }
}

/// `/jpoll/pull_messages/<uuid>/<since>/`.
pub fn pull(visit: &Visit, captures: &[String]) -> Outcome {
    let since: i64 = captures[1].parse().map_err(|_| Stop::failed("OverflowError"))?;
    match visit.server.pull_messages(&captures[0], since)? {
        Some(messages) => Ok(visit.json(&Value::Array(messages))),
        None => Err(Stop::failed(format!("DoesNotExist no channel {}", captures[0]))),
    }
}

/// `/monitor/<key>/`: any well-formed key becomes the session's, existing or not.
pub fn monitor(visit: &Visit, captures: &[String]) -> Outcome {
    let mut held = visit.session.borrow_mut();
    if let Some(session) = held.as_mut() {
        session.jpoll_key = Some(captures[0].clone());
        visit.server.save_session(session)?;
        visit.set_session_cookie(&session.key);
    }
    drop(held);
    let key = esc(&captures[0]);
    Ok(visit.page(&format!("<h2>Monitoring {key}</h2>\n<div id=\"monitor\" data-key=\"{key}\"></div>\n")))
}
