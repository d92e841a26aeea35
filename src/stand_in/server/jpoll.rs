//! The status channel (WP 3.9).

use serde_json::{Value, json};

use super::{Server, catalog::CatalogueError, clock, downloads::escape, sessions::Session};

impl Server {
    /// Opens a new channel for a session and gives its key.
    ///
    /// # Errors
    ///
    /// As all methods here: if the catalogue cannot be read or written.
    pub fn open_channel(&self, session: &mut Session) -> Result<String, CatalogueError> {
        if let Some(seconds) = self.fault("slow_channel").and_then(|text| text.trim().parse().ok()) {
            self.config.clock.sleep(std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default());
        }
        let now = clock::python_text(self.local_now());
        let key = if self.dialect().uuid_results {
            uuid::Uuid::new_v4().to_string()
        } else {
            format!("JPOLL-KEY-{}", now.replace(' ', "-"))
        };
        self.catalogue.open_channel(&key, &now)?;
        session.jpoll_key = Some(key.clone());
        self.save_session(session)?;
        Ok(key)
    }

    /// Sends a progress text; it is a line of the server's log too.
    pub fn push_status(&self, key: &str, text: &str) -> Result<(), CatalogueError> {
        self.config.log.message(super::Level::Info, &format!("push_status: \"{text}\""));
        self.message(key, "log_message", &Value::String(escape(text)))
    }

    /// Sends the end: status 0 ok, 1 failed.
    pub fn push_done(&self, key: &str, status: i64, result: &str) -> Result<(), CatalogueError> {
        if self.faulty("no_done") {
            return Ok(());
        }
        self.message(key, "done", &json!({"status": status, "result": result}))
    }

    fn message(&self, key: &str, kind: &str, data: &Value) -> Result<(), CatalogueError> {
        self.catalogue.add_message(key, &self.now_text(), kind, &data.to_string()).map(drop)
    }

    /// The messages of a channel with a number above `since`; `None` if there is no such channel.
    pub fn pull_messages(&self, key: &str, since: i64) -> Result<Option<Vec<Value>>, CatalogueError> {
        let Some(channel) = self.catalogue.channel(key)? else { return Ok(None) };
        let rows = self.catalogue.messages_since(channel.id, since)?;
        Ok(Some(rows.iter().map(|row| shown(key, row)).collect()))
    }

    /// The messages of a channel since the last pull, as 2014's page asks; `None` if there is no such channel.
    pub fn pull_new_messages(&self, key: &str) -> Result<Option<Vec<Value>>, CatalogueError> {
        let Some(channel) = self.catalogue.channel(key)? else { return Ok(None) };
        let rows = self.catalogue.messages_after(channel.id, &channel.last_poll)?;
        if let Some(last) = rows.last() {
            self.catalogue.set_last_poll(key, &last.time)?;
        }
        Ok(Some(rows.iter().map(|row| shown(key, row)).collect()))
    }
}

fn shown(key: &str, row: &super::catalog::MessageRow) -> Value {
    let data: Value = serde_json::from_str(&row.data).unwrap_or(Value::Null);
    json!({"type": row.kind, "id": row.id, "time": row.time, "data": data, "channel": key})
}
