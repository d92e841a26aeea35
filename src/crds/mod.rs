//! Verbs on a CRDS server: layout, cron, ports, install, backups, mirror, svn, stack; JSON-RPC and web clients.
//!
//! A verb reads something whole or makes one change. Verbs that change ask for a [`crate::run::Permit`]. No verb
//! judges success by an exit status or by HTTP 200 (SO 6, WP 3.1): callers read back.

mod backups;
mod cell;
mod checkout;
mod clients;
mod cron;
mod crontab;
mod database;
mod error;
mod files;
mod identity;
mod install;
mod mirror;
mod paths;
mod ports;
mod processes;
mod server;
mod stack;
mod svn;
mod table;
mod urls;
pub mod web;
pub mod wire;

pub use backups::{BackupSet, PARTS, SetFile};
pub use cell::Cell;
pub use checkout::{StatusLine, WorkingCopy};
pub use cron::{AtJob, job_processes};
pub use crontab::{CronLine, active_lines};
pub use database::{Contexts, Counter, HistoryRow, LockRow, Reading, TABLES};
pub use error::CrdsError;
pub use files::{Delivery, LogWindow};
pub use identity::Who;
pub use install::{Installed, Stamp};
pub use paths::Paths;
pub use ports::{Flag, HIDDEN_PORT, OPERATIONAL_PORT, PortState};
pub use processes::Process;
pub use server::Server;
pub use stack::{RcCase, StackInUse, rc_cases, with_stack};
pub use table::{Printed, Row, Rows, Table, TableSummary, answers, questions, unescaped};
pub use urls::Door;
