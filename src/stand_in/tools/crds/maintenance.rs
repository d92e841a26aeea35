//! The small Python snippets of the host scripts: server info, memcached, expired locks, counters (SO 7).

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;

use super::log::Log;
use super::mysql::{self, MysqlError};
use super::python::Job;
use super::rpc::Server;

/// The database of the installed server.
///
/// # Errors
///
/// As MySQL's client library reports it.
pub fn database(job: &Job<'_>) -> Result<Connection, MysqlError> {
    mysql::open(&access(job))
}

/// How the installed server reaches its database.
pub fn access(job: &Job<'_>) -> mysql::Access {
    let Some(database) = job.database() else { return mysql::Access::default() };
    mysql::Access {
        user: database.user,
        password: database.password,
        host: database.host,
        port: database.port,
        name: database.name,
    }
}

/// An error of the database as Django shows it.
pub fn operational_error(job: &mut Job<'_>, error: &MysqlError) -> i32 {
    job.complain("Traceback (most recent call last):");
    job.complain(format!("django.db.utils.OperationalError: ({}, \"{}\")", error.code, error.text));
    1
}

/// `get_server_info`: asks the running server once.
pub fn get_server_info(job: &mut Job<'_>) -> i32 {
    let asked = Server::of_environment().and_then(|server| server.call("get_server_info", json!([])));
    match asked {
        Ok(info) => {
            let context = info.get("operational_context").and_then(serde_json::Value::as_str).unwrap_or("");
            job.say(format!("operational_context = '{context}'"));
            0
        }
        Err(error) => {
            job.complain("Traceback (most recent call last):");
            job.complain(format!("ServiceError: {error}"));
            1
        }
    }
}

/// `clear_web_cache`: empties memcached.
pub fn clear_web_cache(job: &mut Job<'_>) -> i32 {
    let root = std::env::var("HOST_ROOT").unwrap_or_default();
    let socket = format!("{root}/tmp/memcached.sock");
    let asked = (|| -> std::io::Result<()> {
        let mut stream = UnixStream::connect(&socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"flush_all\r\n")?;
        let mut answer = [0; 16];
        stream.read(&mut answer).map(drop)
    })();
    let mut log = Log::new(&mut *job.err, false, false);
    if let Err(error) = asked {
        // The memcache library ignores a server that is away.
        log.debug(format!("memcached: {error}"));
    }
    log.info("Cleared web cache.");
    0
}

/// `clear_expired_locks`.
pub fn clear_expired_locks(job: &mut Job<'_>) -> i32 {
    let connection = match database(job) {
        Ok(connection) => connection,
        Err(error) => return operational_error(job, &error),
    };
    let now = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S").to_string();
    let expired = connection
        .prepare("SELECT locked_object FROM locking_lock WHERE datetime(created_on, '+' || max_age || ' seconds') < datetime(?1)")
        .and_then(|mut statement| statement.query_map([&now], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>());
    match expired {
        Ok(names) => {
            for name in &names {
                job.say(format!("Clearing expired lock '{name}'"));
                if let Err(error) = connection.execute("DELETE FROM locking_lock WHERE locked_object = ?1", [name]) {
                    job.complain(error);
                }
            }
            job.say(format!("Cleared {} expired locks", names.len()));
            0
        }
        Err(error) => {
            job.complain(format!("django.db.utils.DatabaseError: {error}"));
            1
        }
    }
}

/// `reset_file_counters`: sets each counter to the highest serial number in the catalogue.
pub fn reset_file_counters(job: &mut Job<'_>) -> i32 {
    let observatory = job.site().and_then(|site| site.text("OBSERVATORY").map(str::to_owned)).unwrap_or_default();
    let connection = match database(job) {
        Ok(connection) => connection,
        Err(error) => return operational_error(job, &error),
    };
    let done = (|| -> rusqlite::Result<usize> {
        let names: Vec<String> = connection
            .prepare(&format!("SELECT name FROM crds_{observatory}_catalog WHERE type = 'mapping'"))?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let mut highest: std::collections::BTreeMap<String, i64> = std::collections::BTreeMap::new();
        for name in names {
            if let Some((stem, extension)) = name.rsplit_once('.')
                && let Some((stem, serial)) = stem.rsplit_once('_')
                && let Ok(serial) = serial.parse::<i64>()
            {
                let counter = highest.entry(format!("{stem}_.{extension}")).or_default();
                *counter = serial.max(*counter);
            }
        }
        for (name, counter) in &highest {
            connection.execute(
                &format!("INSERT INTO crds_{observatory}_counters (name, counter) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET counter = ?2"),
                rusqlite::params![name, counter],
            )?;
        }
        Ok(highest.len())
    })();
    match done {
        Ok(count) => {
            job.say(format!("Reset {count} counters"));
            0
        }
        Err(error) => {
            job.complain(format!("django.db.utils.DatabaseError: {error}"));
            1
        }
    }
}
