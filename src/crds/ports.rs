//! Operational and backup port: the flag, its copies, what listens, and the switch (SO 5).

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::host::Ran;
use crate::host::record::{Call, CallKind, Ended, Outcome};
use crate::host::{Script, Shell};
use crate::plan::Change;
use crate::run::Permit;

use super::{CrdsError, Server};

/// The port that the public proxy knows.
pub const OPERATIONAL_PORT: u16 = 8001;
/// The port that it does not.
pub const HIDDEN_PORT: u16 = 8002;

/// How long a port may take to accept.
const CONNECT: Duration = Duration::from_secs(5);

/// The line `BACKUP_URL_SCHEME` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Flag {
    /// Serve on the backup port.
    True,
    /// Serve on the operational port.
    False,
    /// The release has no such line, or it says something else: it cannot hide (SO 5).
    Absent,
}

impl Flag {
    /// What a configuration file says; the last line counts, as it does for Python.
    pub fn of(config: &str) -> Self {
        let value = config.lines().rev().find_map(|line| {
            let rest = line.strip_prefix("BACKUP_URL_SCHEME")?.trim_start().strip_prefix('=')?;
            Some(rest.split('#').next().unwrap_or("").trim().to_owned())
        });
        match value.as_deref() {
            Some("True") => Self::True,
            Some("False") => Self::False,
            _ => Self::Absent,
        }
    }

    /// The port that the server takes with this flag.
    pub fn port(self) -> Option<u16> {
        match self {
            Self::True => Some(HIDDEN_PORT),
            Self::False => Some(OPERATIONAL_PORT),
            Self::Absent => None,
        }
    }
}

/// What a port does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PortState {
    /// Accepts connections.
    Open,
    /// Refuses them.
    Refused,
    /// Gives no answer; nothing is known.
    Silent,
}

/// `set_backup_url` works from CRDS_server only; it stops, installs and starts (SO 5).
const HIDE: Script = Script {
    name: "set_backup_url True",
    shell: Shell::Login,
    text: "cd ${CRDS}/CRDS_server && tools/set_backup_url True",
};
const UNHIDE: Script = Script {
    name: "set_backup_url False",
    shell: Shell::Login,
    text: "cd ${CRDS}/CRDS_server && tools/set_backup_url False",
};
const STOP: Script = Script { name: "stop", shell: Shell::Login, text: "cd ${CRDS}/CRDS_server && ./stop" };
const START: Script = Script { name: "run", shell: Shell::Login, text: "cd ${CRDS}/CRDS_server && ./run" };
const INSTALL: Script = Script {
    name: "install",
    shell: Shell::Login,
    text: "cd ${CRDS}/CRDS_server && ./install $CRDS_PROJECT $CRDS_USECASE >& install.${CRDS_PROJECT}.${CRDS_USECASE}.err",
};
const REVERT_FLAG: Script =
    Script { name: "revert the port flag", shell: Shell::LoginSh, text: r#"svn revert --non-interactive "$1""# };

impl Server {
    /// The port flag of the checked-out configuration.
    ///
    /// # Errors
    ///
    /// The host cannot be asked or has no configuration.
    pub fn flag(&self) -> Result<Flag, CrdsError> {
        self.only_2014("the port flag")?;
        Ok(Flag::of(&String::from_utf8_lossy(&self.remote.read_file(&self.paths.config, 1 << 20)?)))
    }

    /// The port flag of the copy that the last install took (`sources/site_config.py`).
    ///
    /// # Errors
    ///
    /// As [`Self::flag`].
    pub fn installed_flag(&self) -> Result<Flag, CrdsError> {
        self.only_2014("the installed port flag")?;
        let path = format!("{}/sources/site_config.py", self.paths.server_sources);
        Ok(Flag::of(&String::from_utf8_lossy(&self.remote.read_file(&path, 1 << 20)?)))
    }

    /// Every port that `Listen` lines and virtual hosts of the installed Apache configuration name, sorted.
    ///
    /// # Errors
    ///
    /// The host cannot be asked or has no such configuration.
    pub fn configured_ports(&self) -> Result<Vec<u16>, CrdsError> {
        let mut ports = Vec::new();
        for name in ["httpd.conf", "ssl.conf"] {
            let text = self.remote.read_file(&format!("{}/conf/{name}", self.paths.server), 4 << 20)?;
            let named = configured_ports(&String::from_utf8_lossy(&text));
            ports.extend(named.map_err(|line| self.shape("a port of the Apache configuration", &line))?);
        }
        ports.sort_unstable();
        ports.dedup();
        Ok(ports)
    }

    /// What the operational and the backup port do, asked from this side.
    ///
    /// # Errors
    ///
    /// The site names no URL, its host has no address, or the probe could not be recorded.
    pub fn ports(&self) -> Result<(PortState, PortState), CrdsError> {
        let identity = &self.host.identity;
        let url = |url: &Option<String>, what: &str| url.clone().ok_or_else(|| CrdsError::Site(what.to_owned()));
        let direct = url(&identity.direct_url, "direct_url")?;
        let hidden = url(&identity.hidden_url, "hidden_url")?;
        Ok((self.probe(&direct)?, self.probe(&hidden)?))
    }

    fn probe(&self, url: &str) -> Result<PortState, CrdsError> {
        let argv = vec!["connect".to_owned(), url.to_owned()];
        let recorder = self.remote.recorder();
        let call = Call { host: self.name(), kind: CallKind::Http, argv: &argv, stdin: None, changes: false };
        let id = recorder.began(&call).map_err(crate::host::HostError::from)?;
        let start = Instant::now();
        let state = address(url).map(|address| connect(&address));
        let said = match &state {
            Ok(state) => format!("{state:?}").to_lowercase(),
            Err(error) => error.to_string(),
        };
        let status = Ended::Exit(i32::from(state.is_err()));
        let outcome = Outcome { status, stdout: said.as_bytes(), stderr: b"", elapsed: start.elapsed() };
        recorder.ended(id, &outcome).map_err(crate::host::HostError::from)?;
        state.map_err(|error| CrdsError::Site(format!("an address for `{url}`: {error}")))
    }

    /// Puts the server on the backup port: stop, install, start.
    ///
    /// # Errors
    ///
    /// The host cannot be asked. The status says nothing: look at flag, ports and processes.
    pub fn hide(&self, permit: &Permit<'_>, time: Duration) -> Result<Ran, CrdsError> {
        self.only_2014("set_backup_url")?;
        self.act(permit, Change::Server, &HIDE, &[], time)
    }

    /// Puts the server on the operational port: stop, install, start.
    ///
    /// # Errors
    ///
    /// As [`Self::hide`].
    pub fn unhide(&self, permit: &Permit<'_>, time: Duration) -> Result<Ran, CrdsError> {
        self.only_2014("set_backup_url")?;
        self.act(permit, Change::Server, &UNHIDE, &[], time)
    }

    /// Stops the server. It does not wait for the end.
    ///
    /// # Errors
    ///
    /// As [`Self::hide`].
    pub fn stop(&self, permit: &Permit<'_>) -> Result<Ran, CrdsError> {
        self.only_2014("stop")?;
        self.act(permit, Change::Server, &STOP, &[], Duration::from_secs(120))
    }

    /// Starts the server on the port of the last install.
    ///
    /// # Errors
    ///
    /// As [`Self::hide`].
    pub fn start(&self, permit: &Permit<'_>) -> Result<Ran, CrdsError> {
        self.only_2014("run")?;
        self.act(permit, Change::Server, &START, &[], Duration::from_secs(300))
    }

    /// Installs from the checkouts without starting anything.
    ///
    /// # Errors
    ///
    /// As [`Self::hide`].
    pub fn install(&self, permit: &Permit<'_>, change: Change, time: Duration) -> Result<Ran, CrdsError> {
        self.only_2014("install")?;
        self.act(permit, change, &INSTALL, &[], time)
    }

    /// Takes a local change of the port flag back to what the branch says.
    ///
    /// # Errors
    ///
    /// As [`Self::hide`].
    pub fn revert_flag(&self, permit: &Permit<'_>) -> Result<Ran, CrdsError> {
        self.only_2014("the port flag")?;
        let config = self.paths.config.clone();
        self.act(permit, Change::Server, &REVERT_FLAG, &[&config], Duration::from_secs(60))
    }
}

/// Ports of `Listen` lines and `<VirtualHost ...:port>`, or the `Listen` line that names none.
fn configured_ports(text: &str) -> Result<Vec<u16>, String> {
    let mut ports = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let port = |rest: &str| rest.split_whitespace().next()?.rsplit(':').next()?.parse().ok();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if word.eq_ignore_ascii_case("listen") {
            ports.push(port(rest).ok_or_else(|| line.to_owned())?);
        } else if let Some(rest) = line.strip_prefix("<VirtualHost ") {
            // `*` and `*:*` stand for whatever is listened on.
            ports.extend(port(rest.trim_end_matches('>')));
        }
    }
    Ok(ports)
}

fn address(url: &str) -> io::Result<std::net::SocketAddr> {
    let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why.to_owned());
    let url = reqwest::Url::parse(url).map_err(|error| bad(&error.to_string()))?;
    let host = url.host_str().ok_or_else(|| bad("it names no host"))?;
    let port = url.port_or_known_default().ok_or_else(|| bad("it names no port"))?;
    (host.trim_matches(['[', ']']), port).to_socket_addrs()?.next().ok_or_else(|| bad("its host has no address"))
}

fn connect(address: &std::net::SocketAddr) -> PortState {
    match TcpStream::connect_timeout(address, CONNECT) {
        Ok(_) => PortState::Open,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => PortState::Refused,
        Err(_) => PortState::Silent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_is_what_python_would_read() {
        assert_eq!(Flag::of("port = 8001\nBACKUP_URL_SCHEME = False\n"), Flag::False);
        assert_eq!(Flag::of("BACKUP_URL_SCHEME=True # until tomorrow\n"), Flag::True);
        assert_eq!(Flag::of("BACKUP_URL_SCHEME = False\nBACKUP_URL_SCHEME = True\n"), Flag::True);
        assert_eq!(Flag::of("# BACKUP_URL_SCHEME = True\n"), Flag::Absent);
        assert_eq!(Flag::of("BACKUP_URL_SCHEME = 1\n"), Flag::Absent);
    }

    #[test]
    fn ports_of_listen_and_virtual_hosts_are_found() {
        let text = "Listen 8001\n# Listen 1\n<VirtualHost _default_:8002>\nListen 127.1.2.3:8001 https\n";
        assert_eq!(configured_ports(text).unwrap(), [8001, 8002, 8001]);
        for bad in ["Listen", "Listen ", "Listen x", "Listen 80018001", "Listen -1", "Listen 127.0.0.1:"] {
            let text = format!("Listen 8001\n{bad}\n");
            assert_eq!(configured_ports(&text).unwrap_err(), bad.trim());
        }
    }

    proptest::proptest! {
        #[test]
        fn the_last_word_of_a_configuration_counts(text in crate::mangled::text("port = 8001\nBACKUP_URL_SCHEME = False # x\n")) {
            let with = |value: &str| Flag::of(&format!("{text}\nBACKUP_URL_SCHEME = {value}\n"));
            proptest::prop_assert_eq!((with("True"), with("False"), with("Tru")), (Flag::True, Flag::False, Flag::Absent));
        }

        #[test]
        fn no_listen_line_is_passed_over(text in crate::mangled::text("Listen 8001\nListen 127.1.2.3:8002 https\n")) {
            let lines = text.lines().filter(|line| line.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("listen"))).count();
            if let Ok(ports) = configured_ports(&text) {
                proptest::prop_assert_eq!(ports.len(), lines);
            }
        }
    }

    #[test]
    fn a_port_that_nobody_has_refuses() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(connect(&address), PortState::Open);
        drop(listener);
        assert_eq!(connect(&address), PortState::Refused);
    }
}
