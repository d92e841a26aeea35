//! `server.json`: settings and small tables of a state (design section 8).

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::LoadError;
use crate::stand_in::server::{
    CrdsVersion,
    catalog::{ContextRow, HistoryRow, RemoteContextRow},
};

/// A lock as it is loaded and dumped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockEntry {
    /// `instrument$acs`, `instrument$acs$jdoe` or another lock's name.
    pub name: String,
    /// The owner.
    #[serde(default)]
    pub user: String,
    /// When it was taken, local time.
    pub created_on: String,
    /// How long it holds, seconds.
    #[serde(deserialize_with = "whole")]
    pub max_age: i64,
}

/// Seconds, with or without a fraction.
fn whole<'de, D: serde::Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    Ok(f64::deserialize(from)? as i64)
}

/// A counter as it is loaded and dumped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterEntry {
    /// `hst_acs_darkfile_.rmap`, `hst_delivery_id`, ...
    pub name: String,
    /// Last number given.
    pub counter: i64,
}

/// A user as loaded and dumped.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UserEntry {
    /// Login name.
    pub username: String,
    /// The password, or its hash in Django's form; dumps hold the hash.
    pub password: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Mail address.
    pub email: String,
    /// May do everything.
    pub is_superuser: bool,
    /// May see `/admin/`; super users always do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_staff: Option<bool>,
    /// Names of groups.
    pub groups: Vec<String>,
}

/// The whole file. What is left out is as on an ordinary server.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// IANA name of the server's time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Client cache that the server started with; only in the data directory, never in a dump.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<std::path::PathBuf>,
    /// States whose files are given out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution_states: Option<Vec<String>>,
    /// Present contexts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contexts: Option<Vec<ContextRow>>,
    /// Context history, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<HistoryRow>>,
    /// Pipelines that push their contexts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_contexts: Option<Vec<RemoteContextRow>>,
    /// Held locks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locks: Option<Vec<LockEntry>>,
    /// Version of the installed client package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crds_version: Option<CrdsVersion>,
    /// 0 or 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force_remote_mode: Option<i64>,
    /// `up` or `away`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// Host part of ingest directories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingest_host: Option<String>,
    /// Counters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counters: Option<Vec<CounterEntry>>,
    /// Users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<UserEntry>>,
}

impl Settings {
    /// Reads the file; all ordinary if it is not there.
    ///
    /// # Errors
    ///
    /// If it cannot be read or is no such JSON.
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|err| LoadError::Shape {
                path: path.to_owned(),
                line: err.line(),
                what: err.to_string(),
            }),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(LoadError::Read { path: path.to_owned(), source }),
        }
    }
}
