//! `index.html`: the report for people, in one file without a script.

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};

use super::acceptance::Acceptance;
use super::timeline;

const TEMPLATE: &str = include_str!("index.html.jinja");

/// Renders the report. Everything in it is escaped, whatever a host has said.
///
/// # Errors
///
/// If the template does not fit the data, which is a defect of this program.
pub(super) fn render(acceptance: &Acceptance) -> Result<String, minijinja::Error> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    env.add_filter("duration", duration);
    env.add_filter("hex", |id: String| id.trim_start_matches("blake3:").to_owned());
    env.add_template("index.html", TEMPLATE)?;
    env.get_template("index.html")?.render(context! {
        a => Serde(acceptance),
        counts => Serde(acceptance.counts()),
        own => Serde(acceptance.own_time()),
        timeline => Value::from_safe_string(timeline::svg(acceptance)),
    })
}

/// Seconds as people say them.
fn duration(seconds: f64) -> String {
    let whole = seconds.round() as i64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}
