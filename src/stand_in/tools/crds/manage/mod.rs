//! Django's `manage.py` of the installed server: the commands that the scripts of a host use.

mod backup;
mod collectstatic;
mod expression;
mod outcome;
mod suite;
mod tests;

use std::io::BufRead;
use std::process::{Command, Stdio};

use super::maintenance::{access, database, operational_error};
use super::python::Job;
use crate::stand_in::server::catalog::make_missing;

/// `manage.py COMMAND [arguments]`.
pub fn main(job: &mut Job<'_>) -> i32 {
    if job.args.is_empty() {
        job.say("Usage: manage.py subcommand [options] [args]");
        return 1;
    }
    let command = job.args.remove(0);
    match command.as_str() {
        "syncdb" => syncdb(job),
        "collectstatic" => collectstatic::main(job),
        "clearsessions" => clearsessions(job),
        "dbshell" => dbshell(job),
        "dbbackup" => backup::dbbackup(job),
        "dbrestore" => backup::dbrestore(job),
        "test" => tests::main(job),
        "shell" => 0,
        other => {
            job.complain(format!("Unknown command: '{other}'\nType 'manage.py help' for usage."));
            1
        }
    }
}

/// The arguments of the database's programs, as Django passes them; the second list is what may be shown.
fn database_arguments(job: &Job<'_>) -> (Vec<String>, Vec<String>) {
    let access = access(job);
    let list = |password: &str| {
        vec![
            format!("--user={}", access.user),
            format!("--password={password}"),
            format!("--host={}", access.host),
            format!("--port={}", access.port),
            access.name.clone(),
        ]
    };
    (list(&access.password), list("********"))
}

/// Creates the tables that a database lacks and says so; nothing if it cannot.
fn create_tables(job: &mut Job<'_>, connection: &rusqlite::Connection) -> Option<()> {
    job.say("Creating tables ...");
    let observatory = job.site().and_then(|site| site.text("OBSERVATORY").map(str::to_owned)).unwrap_or_default();
    match make_missing(connection, &observatory) {
        Ok(made) => made.iter().for_each(|table| job.say(format!("Creating table {table}"))),
        Err(error) => {
            job.complain(format!("django.db.utils.DatabaseError: {error}"));
            return None;
        }
    }
    Some(())
}

/// `syncdb`: creates what tables are missing; a database without users makes it ask for a superuser (SO 7).
fn syncdb(job: &mut Job<'_>) -> i32 {
    let access = access(job);
    // The database itself is made by hand; an account without one is refused.
    let connection = match super::mysql::open(&access) {
        Ok(connection) => connection,
        Err(error) => return operational_error(job, &error),
    };
    let empty = super::mysql::tables(&connection).unwrap_or_default().is_empty();
    if create_tables(job, &connection).is_none() {
        return 1;
    }
    job.say("Installing custom SQL ...");
    job.say("Installing indexes ...");
    job.say("Installed 0 object(s) from 0 fixture(s)");
    let users: i64 = connection.query_row("SELECT count(*) FROM auth_user", [], |row| row.get(0)).unwrap_or(0);
    if empty && users == 0 {
        job.say("\nYou just installed Django's auth system, which means you don't have any superusers defined.");
        let _ = write!(job.out, "Would you like to create one now? (yes/no): ");
        let _ = job.out.flush();
        let mut answer = String::new();
        if std::io::stdin().lock().read_line(&mut answer).unwrap_or(0) == 0 {
            job.complain("Traceback (most recent call last):\nEOFError: EOF when reading a line");
            return 1;
        }
    }
    0
}

/// `clearsessions`: removes expired sessions, silently.
fn clearsessions(job: &mut Job<'_>) -> i32 {
    let connection = match database(job) {
        Ok(connection) => connection,
        Err(error) => return operational_error(job, &error),
    };
    let now = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S").to_string();
    match connection.execute("DELETE FROM django_session WHERE expire_date < ?1", [&now]) {
        Ok(_) => 0,
        Err(error) => {
            job.complain(format!("django.db.utils.DatabaseError: {error}"));
            1
        }
    }
}

/// `dbshell`: the database's own client.
fn dbshell(job: &mut Job<'_>) -> i32 {
    let (arguments, _) = database_arguments(job);
    let status = Command::new("mysql").args(arguments).args(&job.args).stdin(Stdio::inherit()).status();
    match status {
        Ok(status) => status.code().unwrap_or(137),
        Err(_) => {
            job.complain("CommandError: You appear not to have the 'mysql' program installed or on your path.");
            1
        }
    }
}
