//! Apache's configuration files, as far as a CRDS server uses them (SO 3.5).

use std::fs;
use std::path::{Path, PathBuf};

/// A directive with its place.
#[derive(Clone, Debug)]
pub struct Directive {
    /// Its name as written.
    pub name: String,
    /// Its arguments, unquoted.
    pub args: Vec<String>,
    /// File that it stands in.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// The sections around it, such as `VirtualHost _default_:8001`, outermost first.
    pub within: Vec<String>,
}

/// A configuration.
#[derive(Clone, Debug)]
pub struct Conf {
    /// The main file.
    pub file: PathBuf,
    /// Base of relative paths.
    pub server_root: PathBuf,
    /// Every directive, files included where they are named.
    pub directives: Vec<Directive>,
}

/// Why Apache refuses a configuration; the text is what it prints.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// Directives that are known; others are refused with Apache's words.
const KNOWN: [&str; 66] = [
    "addencoding",
    "addhandler",
    "addlanguage",
    "addoutputfilter",
    "addtype",
    "alias",
    "allow",
    "allowoverride",
    "browsermatch",
    "customlog",
    "defaulttype",
    "deny",
    "directoryindex",
    "documentroot",
    "enablemmap",
    "enablesendfile",
    "errorlog",
    "expiresactive",
    "group",
    "header",
    "hostnamelookups",
    "include",
    "includeoptional",
    "keepalive",
    "keepalivetimeout",
    "limitrequestbody",
    "listen",
    "loadmodule",
    "logformat",
    "loglevel",
    "maxclients",
    "maxkeepaliverequests",
    "maxrequestsperchild",
    "maxspareservers",
    "mimemagicfile",
    "minspareservers",
    "options",
    "order",
    "pidfile",
    "require",
    "rewritecond",
    "rewriteengine",
    "rewriterule",
    "serveradmin",
    "serverlimit",
    "servername",
    "serverroot",
    "serversignature",
    "servertokens",
    "setenvif",
    "sethandler",
    "startservers",
    "timeout",
    "traceenable",
    "transferlog",
    "typesconfig",
    "usecanonicalname",
    "user",
    "extendedstatus",
    "wsgidaemonprocess",
    "wsgiapplicationgroup",
    "wsgipassauthorization",
    "wsgiprocessgroup",
    "wsgipythonhome",
    "wsgipythonpath",
    "wsgiscriptalias",
];

impl Conf {
    /// Reads a configuration with everything that it includes.
    ///
    /// # Errors
    ///
    /// [`Refused`] in Apache's words.
    pub fn read(file: &Path) -> Result<Conf, Refused> {
        let mut conf = Conf { file: file.to_owned(), server_root: PathBuf::from("/etc/httpd"), directives: Vec::new() };
        let text = fs::read_to_string(file).map_err(|error| {
            Refused(format!("httpd: Could not open configuration file {}: {}", file.display(), words(&error)))
        })?;
        conf.take(&text, file, 0)?;
        Ok(conf)
    }

    fn take(&mut self, text: &str, file: &Path, depth: usize) -> Result<(), Refused> {
        let mut within: Vec<String> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad =
                |what: String| Refused(format!("Syntax error on line {} of {}:\n{what}", number + 1, file.display()));
            if let Some(closed) = line.strip_prefix("</") {
                let name = closed.trim_end_matches('>').trim();
                let open = within.pop().unwrap_or_default();
                if !open.split_whitespace().next().is_some_and(|open| open.eq_ignore_ascii_case(name)) {
                    return Err(bad(format!("</{name}> without matching <{name}> section")));
                }
                continue;
            }
            if let Some(section) = line.strip_prefix('<') {
                let section = section
                    .strip_suffix('>')
                    .ok_or_else(|| bad(format!("<{section}> directive missing closing '>'")))?;
                within.push(section.trim().to_owned());
                continue;
            }
            let mut words = split(line);
            let name = words.remove(0);
            let lower = name.to_ascii_lowercase();
            if !KNOWN.contains(&lower.as_str()) && !lower.starts_with("ssl") {
                return Err(bad(format!(
                    "Invalid command '{name}', perhaps misspelled or defined by a module not included in the server configuration"
                )));
            }
            if lower == "serverroot"
                && let Some(root) = words.first()
            {
                self.server_root = PathBuf::from(root);
                if !self.server_root.is_dir() {
                    return Err(bad("ServerRoot must be a valid directory".to_owned()));
                }
            }
            if lower == "include" && depth < 8 {
                let path = self.path(words.first().map_or("", String::as_str));
                let inner = fs::read_to_string(&path).map_err(|error| {
                    bad(format!("Could not open configuration file {}: {}", path.display(), self::words(&error)))
                })?;
                self.take(&inner, &path, depth + 1)?;
                continue;
            }
            let directive =
                Directive { name, args: words, file: file.to_owned(), line: number + 1, within: within.clone() };
            self.directives.push(directive);
        }
        match within.last() {
            Some(open) => Err(Refused(format!("{}: {} was not closed.", file.display(), open))),
            None => Ok(()),
        }
    }

    /// A path of the configuration, relative ones below the server root.
    pub fn path(&self, text: &str) -> PathBuf {
        self.server_root.join(text)
    }

    /// The directives of a name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Directive> {
        let name = name.to_owned();
        self.directives.iter().filter(move |directive| directive.name.eq_ignore_ascii_case(&name))
    }

    /// The first argument of the last directive of a name outside of any virtual host, or within one.
    pub fn value(&self, name: &str, in_host: bool) -> Option<&str> {
        self.all(name).filter(|directive| directive.in_host() == in_host).last()?.args.first().map(String::as_str)
    }

    /// The ports to listen on.
    pub fn listens(&self) -> Vec<u16> {
        let port = |text: &str| text.rsplit(':').next().and_then(|port| port.parse().ok());
        self.all("Listen").filter_map(|directive| directive.args.first().and_then(|text| port(text))).collect()
    }

    /// The port of the virtual host with TLS.
    pub fn secure_port(&self) -> Option<u16> {
        let engine = self
            .all("SSLEngine")
            .find(|directive| directive.args.first().is_some_and(|on| on.eq_ignore_ascii_case("on")))?;
        engine.host_port()
    }

    /// Where the modules lie: the loaded module's name and file.
    pub fn modules(&self) -> Vec<(&Directive, String, PathBuf)> {
        self.all("LoadModule")
            .filter_map(|directive| match directive.args.as_slice() {
                [name, file] => Some((directive, name.clone(), self.path(file))),
                _ => None,
            })
            .collect()
    }

    /// Loads what has to be loaded at start, in the sense that Apache would refuse to start without it.
    ///
    /// # Errors
    ///
    /// [`Refused`] in Apache's words.
    pub fn check(&self) -> Result<(), Refused> {
        for (directive, _, path) in self.modules() {
            if let Err(why) = loadable(&path) {
                return Err(Refused(format!(
                    "httpd: Syntax error on line {} of {}: Cannot load {} into server: {}: {why}",
                    directive.line,
                    directive.file.display(),
                    path.display(),
                    path.display(),
                )));
            }
        }
        for name in ["SSLCertificateFile", "SSLCertificateKeyFile"] {
            if let Some(directive) = self.all(name).last() {
                let path = self.path(directive.args.first().map_or("", String::as_str));
                if fs::metadata(&path).map_or(true, |found| found.len() == 0) {
                    return Err(Refused(format!(
                        "Syntax error on line {} of {}:\n{name}: file '{}' does not exist or is empty",
                        directive.line,
                        directive.file.display(),
                        path.display()
                    )));
                }
            }
        }
        Ok(())
    }
}

impl Directive {
    fn in_host(&self) -> bool {
        self.host_port().is_some()
    }

    /// The port of the virtual host that it stands in.
    pub fn host_port(&self) -> Option<u16> {
        let host = self.within.iter().find_map(|section| section.strip_prefix("VirtualHost "))?;
        host.trim().rsplit(':').next()?.parse().ok()
    }
}

/// Whether the dynamic loader would take a file; if not, its words.
fn loadable(path: &Path) -> Result<(), String> {
    let bytes = fs::read(path).map_err(|error| format!("cannot open shared object file: {}", words(&error)))?;
    if bytes.len() < 4 {
        return Err("file too short".to_owned());
    }
    if !bytes.starts_with(b"\x7fELF") {
        return Err("invalid ELF header".to_owned());
    }
    Ok(())
}

/// The C library's words for an error.
pub fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    let mut any = false;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if quoted => {
                word.extend(letters.next().map(|next| if next == '"' { "\"".to_owned() } else { format!("\\{next}") }))
            }
            '"' => {
                quoted = !quoted;
                any = true;
            }
            letter if letter.is_whitespace() && !quoted => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            // A comment after a directive is no comment for Apache, but the words of the project's own templates allow it.
            '#' if !quoted && word.is_empty() => break,
            letter => word.push(letter),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    words
}
