//! The tools of CRDS itself: what lies behind the scripts of a host that are Python there, and the database's programs.

mod affected;
mod bestrefs;
mod cache;
mod certify;
mod contexts;
mod cron_sync;
mod list;
mod log;
mod maintenance;
mod manage;
mod mysql;
mod orphan_files;
pub mod python;
mod real;
mod redeliver;
mod rpc;
mod rules;
pub mod settings;
mod setup;
mod sync;

pub use cache::python as python_literal;
pub use mysql::{GRANTS, dump_text};
pub use real::MARKER as REAL_CLIENT;
pub use rules::{Rules, geis_data, is_mapping, sha1};

use super::Tool;

/// The tool of this name, if there is one.
pub fn find(name: &str) -> Option<Tool> {
    Some(match name {
        "python" | "python2" | "python2.7" => python::main,
        "mysql" => mysql::client,
        "mysqldump" => mysql::dump,
        _ => return None,
    })
}
