//! Verbs on a CRDS server: layout, cron, ports, install, backups, mirror, svn, stack; JSON-RPC and web clients.

pub mod web;
pub mod wire;
