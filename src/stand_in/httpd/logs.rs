//! Apache's log files (SO 15.2).

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::conf::Conf;
use crate::stand_in::fleet::mail;
use crate::stand_in::server::log::prefixed;
use crate::stand_in::server::{Access, Level, LogSink};

/// A custom log: its file, the format, and whether `env=!dontlog` applies.
struct Custom {
    file: Mutex<File>,
    format: String,
    quiet: bool,
}

/// The logs of one server.
pub struct Logs {
    error: Mutex<File>,
    secure_error: Option<Mutex<File>>,
    secure: Vec<Custom>,
    quiet_paths: Vec<regex::Regex>,
    /// The forms of Apache 2.4 and mod_wsgi 4 instead of those of 2.2 and 3.
    modern: bool,
    /// The prefix of application lines from 2016 on (SO 15.1).
    stpipe: bool,
    zone: TimeZone,
}

const COMMON: &str = "%h %l %u %t \"%r\" %>s %b";

impl Logs {
    /// Opens the logs of a configuration for appending.
    ///
    /// # Errors
    ///
    /// The file that cannot be opened, with the reason.
    pub fn open(conf: &Conf, modern: bool) -> Result<Logs, (PathBuf, std::io::Error)> {
        let open = |name: &str| {
            let path = conf.path(name);
            OpenOptions::new().create(true).append(true).open(&path).map(Mutex::new).map_err(|error| (path, error))
        };
        let formats: Vec<(String, String)> = conf
            .all("LogFormat")
            .filter_map(|directive| match directive.args.as_slice() {
                [format, name] => Some((name.clone(), format.clone())),
                _ => None,
            })
            .collect();
        let mut secure = Vec::new();
        for directive in conf.all("TransferLog").chain(conf.all("CustomLog")) {
            let Some(file) = directive.args.first() else { continue };
            let named = directive.args.get(1).map_or(COMMON, String::as_str);
            let format = formats.iter().find(|(name, _)| name == named).map_or(named, |(_, format)| format);
            let opened = open(file)?;
            if directive.host_port().is_some() {
                let quiet = directive.args.get(2).is_some_and(|condition| condition == "env=!dontlog");
                secure.push(Custom { file: opened, format: format.to_owned(), quiet });
            }
        }
        let quiet_paths = conf
            .all("SetEnvIf")
            .filter(|directive| directive.args.last().is_some_and(|name| name == "dontlog"))
            .filter_map(|directive| regex::Regex::new(directive.args.get(1)?).ok())
            .collect();
        Ok(Logs {
            error: open(conf.value("ErrorLog", false).unwrap_or("logs/error_log"))?,
            secure_error: conf.value("ErrorLog", true).map(open).transpose()?,
            secure,
            quiet_paths,
            modern,
            stpipe: modern,
            zone: mail::zone(),
        })
    }

    fn now(&self) -> jiff::Zoned {
        Timestamp::now().to_zoned(self.zone.clone())
    }

    /// A line of Apache's own, such as that it has started.
    pub fn notice(&self, level: &str, text: &str) {
        let line = if self.modern {
            let stamp = self.now().strftime("%a %b %d %H:%M:%S.%6f %Y").to_string();
            format!("[{stamp}] [mpm_prefork:{level}] [pid {}] {text}\n", std::process::id())
        } else {
            format!("[{}] [{level}] {text}\n", self.now().strftime("%a %b %d %H:%M:%S %Y"))
        };
        append(&self.error, &line);
    }

    /// A line about one request, as mod_wsgi writes it.
    pub fn request_error(&self, peer: &str, text: &str) {
        let line = if self.modern {
            let stamp = self.now().strftime("%a %b %d %H:%M:%S.%6f %Y").to_string();
            format!("[{stamp}] [wsgi:error] [pid {}] [remote {peer}:0] {text}\n", std::process::id())
        } else {
            format!("[{}] [error] [client {peer}] {text}\n", self.now().strftime("%a %b %d %H:%M:%S %Y"))
        };
        let file = self.secure_error.as_ref().unwrap_or(&self.error);
        append(file, &line);
    }

    /// What the application writes to its standard error.
    pub fn application(&self, text: &str) {
        let stamp = if self.modern {
            let stamp = self.now().strftime("%a %b %d %H:%M:%S.%6f %Y").to_string();
            format!("[{stamp}] [wsgi:error] [pid {}]", std::process::id())
        } else {
            format!("[{}] [error]", self.now().strftime("%a %b %d %H:%M:%S %Y"))
        };
        // One call for all lines, so that those of two requests do not mix.
        let lines: String = text.split('\n').map(|line| format!("{stamp} {line}\n")).collect();
        let file = if self.modern { self.secure_error.as_ref().unwrap_or(&self.error) } else { &self.error };
        append(file, &lines);
    }
}

impl LogSink for Logs {
    fn message(&self, level: Level, text: &str) {
        self.application(&prefixed(self.stpipe, level, text));
    }

    fn access(&self, access: &Access) {
        let path = access.request_line.split(' ').nth(1).unwrap_or_default();
        let quiet = self.quiet_paths.iter().any(|pattern| pattern.is_match(path));
        for log in self.secure.iter().filter(|log| !(log.quiet && quiet)) {
            append(&log.file, &(self.fill(&log.format, access) + "\n"));
        }
    }
}

impl Logs {
    fn fill(&self, format: &str, access: &Access) -> String {
        let dash = || "-".to_owned();
        let header = |name: &str| match name.to_ascii_lowercase().as_str() {
            "referer" => access.referer.clone().unwrap_or_else(dash),
            "user-agent" => access.user_agent.clone().unwrap_or_else(dash),
            "x-forwarded-for" => access.forwarded_for.clone().unwrap_or_else(dash),
            _ => dash(),
        };
        let mut filled = String::new();
        let mut rest = format;
        while let Some(at) = rest.find('%') {
            filled.push_str(&rest[..at]);
            rest = rest[at + 1..].trim_start_matches('>');
            if let Some((name, after)) = rest.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
                filled.push_str(&match name {
                    "SSL_PROTOCOL" => "TLSv1.2".to_owned(),
                    "SSL_CIPHER" => "DHE-RSA-AES256-GCM-SHA384".to_owned(),
                    name => header(name),
                });
                rest = after.get(1..).unwrap_or_default();
                continue;
            }
            let letter = rest.chars().next();
            filled.push_str(&match letter {
                Some('h') => access.peer.clone(),
                Some('t') => self.now().strftime("[%d/%b/%Y:%H:%M:%S %z]").to_string(),
                Some('r') => access.request_line.replace('\\', "\\\\").replace('"', "\\\""),
                Some('s') => access.status.to_string(),
                Some('b') => access.bytes.map_or_else(dash, |bytes| bytes.to_string()),
                Some('%') => "%".to_owned(),
                _ => dash(),
            });
            rest = rest.get(letter.map_or(0, char::len_utf8)..).unwrap_or_default();
        }
        filled.push_str(rest);
        filled
    }
}

fn append(file: &Mutex<File>, text: &str) {
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    // A full disk loses log lines, never answers.
    let _ = file.write_all(text.as_bytes());
}
