//! What the server says while it works: application lines and one record per request (SO 15).

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    sync::Mutex,
};

/// Level of an application line. Apache's own tags are not severities, this is (SO 15.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Only shown when verbose.
    Debug,
    /// Ordinary.
    Info,
    /// Worth a look.
    Warning,
    /// Wrong.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        })
    }
}

/// One answered request, with what the access logs of SO 15.2 need.
#[derive(Debug, Clone)]
pub struct Access {
    /// Address of the peer.
    pub peer: String,
    /// `X-Forwarded-For`, if a proxy set it.
    pub forwarded_for: Option<String>,
    /// First line of the request, `POST /json/... HTTP/1.1`.
    pub request_line: String,
    /// Status of the answer.
    pub status: u16,
    /// Bytes of the body; `None` where Apache writes `-`.
    pub bytes: Option<u64>,
    /// `Referer` of the request.
    pub referer: Option<String>,
    /// `User-Agent` of the request.
    pub user_agent: Option<String>,
}

/// Takes what the server says. The stand-in for Apache formats lines as its release does.
pub trait LogSink: Send + Sync {
    /// One application message, without prefix.
    fn message(&self, level: Level, text: &str);
    /// One answered request.
    fn access(&self, _access: &Access) {}
}

/// Says nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoLog;

impl LogSink for NoLog {
    fn message(&self, _level: Level, _text: &str) {}
}

/// The message prefix of a release: `CRDS  : INFO     text` in 2014, `CRDS - INFO -  text` from 2016 on (SO 15.1).
pub fn prefixed(stpipe_style: bool, level: Level, text: &str) -> String {
    if stpipe_style { format!("CRDS - {level} -  {text}") } else { format!("CRDS  : {:<8} {text}", level.to_string()) }
}

/// Log files of a server that runs alone (`crds-stand-in serve`): application lines in `error_log`, requests in
/// `ssl_access_log` and `ssl_request_log`, in the forms of SO 15.2. A line that cannot be written is dropped: the
/// answer to a client is never lost over a full disk.
#[derive(Debug)]
pub struct FileLog {
    error_log: Mutex<File>,
    access_log: Mutex<File>,
    request_log: Mutex<File>,
    stpipe_style: bool,
    zone: jiff::tz::TimeZone,
}

impl FileLog {
    /// Opens the files in `dir` for appending.
    ///
    /// # Errors
    ///
    /// If one of the files cannot be opened.
    pub fn open(dir: &Path, stpipe_style: bool, zone: jiff::tz::TimeZone) -> io::Result<Self> {
        let open = |name: &str| OpenOptions::new().create(true).append(true).open(dir.join(name)).map(Mutex::new);
        Ok(Self {
            error_log: open("error_log")?,
            access_log: open("ssl_access_log")?,
            request_log: open("ssl_request_log")?,
            stpipe_style,
            zone,
        })
    }

    fn write(file: &Mutex<File>, line: &str) {
        let mut file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = file.write_all(line.as_bytes());
    }
}

impl LogSink for FileLog {
    fn message(&self, level: Level, text: &str) {
        let now = jiff::Timestamp::now().to_zoned(self.zone.clone());
        let text = prefixed(self.stpipe_style, level, text);
        let line = if self.stpipe_style {
            format!("[{}] [wsgi:error] {text}\n", now.strftime("%a %b %d %H:%M:%S.%6f %Y"))
        } else {
            format!("[{}] [error] {text}\n", now.strftime("%a %b %d %H:%M:%S %Y"))
        };
        Self::write(&self.error_log, &line);
    }

    fn access(&self, access: &Access) {
        let stamp = jiff::Timestamp::now().to_zoned(self.zone.clone()).strftime("[%d/%b/%Y:%H:%M:%S %z]").to_string();
        let bytes = access.bytes.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let line = format!("{} - - {stamp} \"{}\" {} {bytes}\n", access.peer, access.request_line, access.status);
        Self::write(&self.access_log, &line);
        Self::write(&self.request_log, &format!("{stamp} {} - - \"{}\" {bytes}\n", access.peer, access.request_line));
    }
}
