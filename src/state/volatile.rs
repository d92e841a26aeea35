//! Fields that differ between two looks at an unchanged host: listed, with reasons, and still checked for their shape.

use serde_json::Value;

use super::State;

/// What a volatile value must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A whole number.
    Count,
    /// A number of seconds.
    Seconds,
    /// Hexadecimal digits.
    Hash,
    /// Any text of one line, not empty.
    Text,
}

/// A field whose value does not count.
#[derive(Clone, Copy, Debug)]
pub struct Volatile {
    /// The surface.
    pub surface: &'static str,
    /// The row; `*` = every row.
    pub key: &'static str,
    /// The field.
    pub field: &'static str,
    /// What its value must look like.
    pub shape: Shape,
    /// Why it does not count.
    pub why: &'static str,
}

/// Every field that does not count. Adding to this list is a reviewed act.
pub const VOLATILE: [Volatile; 21] = [
    row("database", "django_session", "rows", Shape::Count, "every login leaves a session; the nightly clears them"),
    row("database", "django_session", "max_id", Shape::Count, "sessions have no number"),
    row("database", "django_session", "digest", Shape::Hash, "every login leaves a session"),
    row("database", "jpoll_channel", "rows", Shape::Count, "pages open status channels"),
    row("database", "jpoll_channel", "max_id", Shape::Count, "pages open status channels"),
    row("database", "jpoll_channel", "digest", Shape::Hash, "pages open status channels"),
    row("database", "jpoll_message", "rows", Shape::Count, "status channels carry progress texts"),
    row("database", "jpoll_message", "max_id", Shape::Count, "status channels carry progress texts"),
    row("database", "jpoll_message", "digest", Shape::Hash, "status channels carry progress texts"),
    row(
        "database",
        "auth_user",
        "digest",
        Shape::Hash,
        "a login changes its user's last-login time; rows and ids count",
    ),
    row("processes", "*", "pid", Shape::Count, "the system chooses it"),
    row("processes", "*", "elapsed_s", Shape::Count, "grows by itself"),
    row("files:monitor", "old_context.txt", "mtime", Shape::Count, "cron writes the same text every five minutes"),
    row("files:config", "server_config", "mtime", Shape::Count, "cron_sync writes the same text every five minutes"),
    row("files:config", "bad_files.txt", "mtime", Shape::Count, "cron_sync writes the same text every five minutes"),
    row("files:config", "crds.sync.lock", "mtime", Shape::Count, "every cron_sync takes the lock"),
    row(
        "files:published_config",
        "server_config",
        "mtime",
        Shape::Count,
        "cron publishes the same text again and again",
    ),
    row(
        "files:published_config",
        "bad_files.txt",
        "mtime",
        Shape::Count,
        "cron publishes the same text again and again",
    ),
    row("files:published_config", "crds.sync.lock", "mtime", Shape::Count, "every sync takes the lock"),
    row("rpc", "server_info", "last_refreshed", Shape::Text, "memcached's own date"),
    row("rpc", "server_info", "last_synced", Shape::Text, "is the moment of the answer"),
];

const fn row(
    surface: &'static str,
    key: &'static str,
    field: &'static str,
    shape: Shape,
    why: &'static str,
) -> Volatile {
    Volatile { surface, key, field, shape, why }
}

/// A volatile value without its shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` of `{key}` on surface `{surface}` should be a {shape:?}, is `{saw}`")]
pub struct Misshapen {
    /// The surface.
    pub surface: String,
    /// The row.
    pub key: String,
    /// The field.
    pub field: String,
    /// What it should be.
    pub shape: Shape,
    /// What it is, cut.
    pub saw: String,
}

impl Shape {
    /// What is wrong with a value that should have this shape, if anything.
    pub(super) fn misfit(self, surface: &str, key: &str, field: &str, value: &Value) -> Option<Misshapen> {
        (!self.fits(value)).then(|| Misshapen {
            surface: surface.to_owned(),
            key: key.to_owned(),
            field: field.to_owned(),
            shape: self,
            saw: value.to_string().chars().take(80).collect(),
        })
    }

    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Count => value.is_u64(),
            Self::Seconds => value.as_f64().is_some_and(|seconds| seconds.is_finite() && seconds >= 0.0),
            Self::Hash => {
                value.as_str().is_some_and(|text| text.len() >= 32 && text.bytes().all(|b| b.is_ascii_hexdigit()))
            }
            Self::Text => value.as_str().is_some_and(|text| !text.is_empty() && !text.contains('\n')),
        }
    }
}

/// Every volatile value of a state that does not have its shape.
pub fn misshapen(state: &State) -> Vec<Misshapen> {
    let mut wrong = Vec::new();
    for rule in VOLATILE {
        let rows = state.surfaces.get(rule.surface).into_iter().flatten();
        for (key, fields) in rows.filter(|(key, _)| rule.of(key)) {
            let value = fields.get(rule.field);
            wrong.extend(value.and_then(|value| rule.shape.misfit(rule.surface, key, rule.field, value)));
        }
    }
    wrong
}

/// The fields of a row whose values do not count.
pub(super) fn of_row<'a>(surface: &'a str, key: &'a str) -> impl Iterator<Item = &'static str> + 'a {
    VOLATILE.iter().filter(move |rule| rule.surface == surface && rule.of(key)).map(|rule| rule.field)
}

impl Volatile {
    fn of(&self, key: &str) -> bool {
        self.key == "*" || self.key == key
    }
}
