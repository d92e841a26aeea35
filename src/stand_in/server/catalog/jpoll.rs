//! Status channels and their messages (WP 3.9).

use rusqlite::{OptionalExtension, Row, params};

use super::{Catalogue, CatalogueError, Sql};

/// A status channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRow {
    /// Row number.
    pub id: i64,
    /// Its key.
    pub key: String,
    /// When 2014's page last pulled, local time.
    pub last_poll: String,
}

/// A message of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// Row number, increasing over all channels.
    pub id: i64,
    /// When, local time.
    pub time: String,
    /// `log_message` or `done`.
    pub kind: String,
    /// JSON text of its data.
    pub data: String,
}

fn read(row: &Row<'_>) -> Sql<MessageRow> {
    Ok(MessageRow { id: row.get(0)?, time: row.get(1)?, kind: row.get(2)?, data: row.get(3)? })
}

impl Catalogue {
    /// The channel of that key.
    ///
    /// # Errors
    ///
    /// As all methods here: if the catalogue cannot be read or written.
    pub fn channel(&self, key: &str) -> Result<Option<ChannelRow>, CatalogueError> {
        self.run("read a channel", |conn| {
            conn.query_row("SELECT id, key, last_poll FROM jpoll_channel WHERE key = ?", [key], |r| {
                Ok(ChannelRow { id: r.get(0)?, key: r.get(1)?, last_poll: r.get(2)? })
            })
            .optional()
        })
    }

    /// Opens a channel, wiping one of the same key.
    pub fn open_channel(&self, key: &str, now: &str) -> Result<(), CatalogueError> {
        self.all_or_nothing("open a channel", |tx| {
            tx.execute("DELETE FROM jpoll_channel WHERE key = ?", [key])?;
            tx.execute("INSERT INTO jpoll_channel (key, last_poll) VALUES (?, ?)", [key, now]).map(drop)
        })
    }

    /// Notes a pull.
    pub fn set_last_poll(&self, key: &str, now: &str) -> Result<(), CatalogueError> {
        self.run("note a pull", |conn| {
            conn.execute("UPDATE jpoll_channel SET last_poll = ? WHERE key = ?", [now, key]).map(drop)
        })
    }

    /// Adds a message; false if there is no such channel.
    pub fn add_message(&self, key: &str, time: &str, kind: &str, data: &str) -> Result<bool, CatalogueError> {
        self.run("send a message", |conn| {
            Ok(conn.execute(
                "INSERT INTO jpoll_message (time, type, data, channel_id) \
                 SELECT ?, ?, ?, id FROM jpoll_channel WHERE key = ?",
                [time, kind, data, key],
            )? == 1)
        })
    }

    /// Messages of a channel with a number above `since`.
    pub fn messages_since(&self, channel: i64, since: i64) -> Result<Vec<MessageRow>, CatalogueError> {
        self.run("pull messages", |conn| {
            conn.prepare_cached(
                "SELECT id, time, type, data FROM jpoll_message WHERE channel_id = ? AND id > ? ORDER BY id",
            )?
            .query_map(params![channel, since], read)?
            .collect()
        })
    }

    /// Messages of a channel later than `time`.
    pub fn messages_after(&self, channel: i64, time: &str) -> Result<Vec<MessageRow>, CatalogueError> {
        self.run("pull messages", |conn| {
            conn.prepare_cached(
                "SELECT id, time, type, data FROM jpoll_message WHERE channel_id = ? AND time > ? ORDER BY id",
            )?
            .query_map(params![channel, time], read)?
            .collect()
        })
    }
}
