//! What an installed server is told by its own configuration: `site_config.py` and `crds_database.py` (SO 4.1).

use std::fs;
use std::path::{Path, PathBuf};

use super::python::source::{self, Logical};

/// The site configuration as the server's modules see it.
#[derive(Debug, Clone)]
pub struct Site {
    lines: Vec<Logical>,
}

impl Site {
    /// Reads a `site_config.py`; unreadable or malformed text gives none.
    pub fn read(file: &Path) -> Option<Self> {
        let bytes = fs::read(file).ok()?;
        Some(Self { lines: source::logical_lines(&bytes).ok()? })
    }

    /// A text value.
    pub fn text(&self, name: &str) -> Option<&str> {
        source::assigned(&self.lines, name).and_then(source::unquoted)
    }

    /// Whether the server is to hide on its backup port (SO 5).
    pub fn hidden(&self) -> bool {
        source::assigned(&self.lines, "BACKUP_URL_SCHEME") == Some("True")
    }

    /// The port of the present mode.
    pub fn port(&self) -> Option<u16> {
        let port: u16 = source::assigned(&self.lines, "port")?.parse().ok()?;
        port.checked_add(u16::from(self.hidden()))
    }

    /// The base URL of the present mode, with a final slash.
    pub fn url(&self) -> Option<String> {
        if self.hidden() {
            Some(format!("https://{}:{}/", self.text("HOST")?, self.port()?))
        } else {
            Some(format!("https://{}/", self.text("PROXY")?))
        }
    }

    /// The states in which files are handed out.
    pub fn distribution_states(&self) -> Vec<String> {
        let list = source::assigned(&self.lines, "CRDS_DISTRIBUTION_STATES").unwrap_or("");
        list.trim_matches(['[', ']', '(', ')'])
            .split(',')
            .filter_map(|item| source::unquoted(item).map(str::to_owned))
            .collect()
    }

    /// Where the server's delivery files are: `storage_root/server_files`.
    pub fn server_files(&self) -> Option<PathBuf> {
        Some(Path::new(self.text("storage_root")?).join("server_files"))
    }

    /// Where its cache is.
    pub fn file_cache(&self) -> Option<PathBuf> {
        Some(Path::new(self.text("storage_root")?).join("file_cache"))
    }

    /// One value as a shell script wants it; none for names that the configuration does not have.
    pub fn shell(&self, name: &str) -> Option<String> {
        let text = |path: Option<PathBuf>| path.map(|path| path.to_string_lossy().into_owned());
        match name {
            "port" => self.port().map(|port| port.to_string()),
            "CRDS_URL" => self.url(),
            "FILE_CACHE_DIR" => text(self.file_cache()),
            "server_files" => text(self.server_files()),
            _ => {
                let value = source::assigned(&self.lines, name)?;
                Some(source::unquoted(value).unwrap_or(value).to_owned())
            }
        }
    }
}

/// The database of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// The account on the database server.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The database server.
    pub host: String,
    /// Its port.
    pub port: String,
}

impl Database {
    /// Reads a `crds_database.py`; none if it is not there or does not say enough.
    pub fn read(file: &Path) -> Option<Self> {
        let text = fs::read_to_string(file).ok()?;
        let value = |key: &str| {
            let quoted = format!("'{key}':");
            let rest = text.split_once(quoted.as_str())?.1.trim_start();
            let literal = rest.split(['\n', ',']).next()?.trim();
            source::unquoted(literal).map(str::to_owned)
        };
        let password = value("PASSWORD").or_else(|| {
            let lines = source::logical_lines(text.as_bytes()).ok()?;
            let file = source::assigned(&lines, "password_file").and_then(source::unquoted)?;
            fs::read_to_string(file).ok().map(|password| password.trim().to_owned())
        });
        Some(Self {
            name: value("NAME")?,
            user: value("USER")?,
            password: password?,
            host: value("HOST")?,
            port: value("PORT")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_moves_port_and_url() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("site_config.py");
        let text = "HOST = \"127.0.0.9\"\nPROXY = \"127.0.0.9:8443\"\nport = 8001\nBACKUP_URL_SCHEME = False\nCRDS_DISTRIBUTION_STATES = [\"archived\", \"operational\"]\n";
        fs::write(&file, text).unwrap();
        let site = Site::read(&file).unwrap();
        assert_eq!((site.port(), site.url().as_deref()), (Some(8001), Some("https://127.0.0.9:8443/")));
        assert_eq!(site.distribution_states(), ["archived", "operational"]);
        fs::write(&file, text.replace("= False", "= True")).unwrap();
        let site = Site::read(&file).unwrap();
        assert_eq!((site.port(), site.url().as_deref()), (Some(8002), Some("https://127.0.0.9:8002/")));
    }
}
