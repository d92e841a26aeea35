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
    /// Something that outlives mirroring: a context that was set or pushed, at a local time (`meta_events.log`).
    fn event(&self, _time: &str, _text: &str) {}
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

/// Log files of a server that runs alone (`crds-stand-in serve`), named and formed as Apache's are (SO 15.2): application
/// lines in `error_log` (2014) or `ssl_error_log` (mod_wsgi 4), requests in `ssl_access_log`, `ssl_request_log` and
/// `xfor_request_log`, contexts that were set or pushed in `meta_events.log` (since 2018); `access_log` stays empty, because the port that takes requests logs elsewhere. A line that cannot
/// be written is dropped: the answer to a client is never lost over a full disk.
#[derive(Debug)]
pub struct FileLog {
    application: Mutex<File>,
    access: Mutex<File>,
    request: Mutex<File>,
    forwarded: Mutex<File>,
    /// `meta_events.log`, which 2014 does not have.
    events: Option<Mutex<File>>,
    stpipe_style: bool,
    zone: jiff::tz::TimeZone,
}

impl FileLog {
    /// Opens the files in `dir` for appending and notes the start.
    ///
    /// # Errors
    ///
    /// If one of the files cannot be opened.
    pub fn open(dir: &Path, stpipe_style: bool, zone: jiff::tz::TimeZone) -> io::Result<Self> {
        let open = |name: &str| OpenOptions::new().create(true).append(true).open(dir.join(name)).map(Mutex::new);
        open("access_log")?;
        let (main, secure) = (open("error_log")?, open("ssl_error_log")?);
        let pid = std::process::id();
        let started = if stpipe_style {
            format!("[mpm_prefork:notice] [pid {pid}] AH00163: crds-stand-in configured -- resuming normal operations")
        } else {
            "[notice] crds-stand-in configured -- resuming normal operations".to_owned()
        };
        let now = jiff::Timestamp::now().to_zoned(zone.clone());
        Self::write(&main, &format!("[{}] {started}\n", now.strftime(stamp(stpipe_style))));
        Ok(Self {
            application: if stpipe_style { secure } else { main },
            access: open("ssl_access_log")?,
            request: open("ssl_request_log")?,
            forwarded: open("xfor_request_log")?,
            events: stpipe_style.then(|| open("meta_events.log")).transpose()?,
            stpipe_style,
            zone,
        })
    }

    fn write(file: &Mutex<File>, line: &str) {
        let mut file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = file.write_all(line.as_bytes());
    }
}

/// How Apache 2.4 and 2.2 write the time of an error line.
fn stamp(modern: bool) -> &'static str {
    if modern { "%a %b %d %H:%M:%S.%6f %Y" } else { "%a %b %d %H:%M:%S %Y" }
}

impl LogSink for FileLog {
    fn message(&self, level: Level, text: &str) {
        let now = jiff::Timestamp::now().to_zoned(self.zone.clone());
        let tag =
            if self.stpipe_style { format!("[wsgi:error] [pid {}]", std::process::id()) } else { "[error]".to_owned() };
        let head = format!("[{}] {tag}", now.strftime(stamp(self.stpipe_style)));
        // Apache stamps every line; one call for all, so that those of two requests do not mix.
        let text = prefixed(self.stpipe_style, level, text);
        let lines: String = text.split('\n').map(|line| format!("{head} {line}\n")).collect();
        Self::write(&self.application, &lines);
    }

    fn access(&self, access: &Access) {
        let stamp = jiff::Timestamp::now().to_zoned(self.zone.clone()).strftime("[%d/%b/%Y:%H:%M:%S %z]").to_string();
        let bytes = access.bytes.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let request = access.request_line.replace('\\', "\\\\").replace('"', "\\\"");
        let (peer, status) = (&access.peer, access.status);
        let from = access.forwarded_for.as_deref().unwrap_or("-");
        Self::write(&self.access, &format!("{peer} - - {stamp} \"{request}\" {status} {bytes}\n"));
        Self::write(&self.request, &format!("{stamp} {peer} - - \"{request}\" {bytes}\n"));
        Self::write(&self.forwarded, &format!("{stamp} {peer} ({from}) \"{request}\" {bytes}\n"));
    }

    fn event(&self, time: &str, text: &str) {
        if let Some(events) = &self.events {
            Self::write(events, &format!("{time} {}\n", text.replace(['\n', '\r'], " ")));
        }
    }
}
