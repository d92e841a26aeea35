//! References to secrets. The files hold only where a secret is to be found; its value lives in memory, wrapped so
//! that neither `Debug` nor an error shows it.

use std::fmt;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use secrecy::SecretString;
use serde::Serialize;

/// Longest secret that is read, in bytes.
const MAX_SECRET_BYTES: usize = 4096;

/// Where a secret is to be found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretRef {
    /// Name of an environment variable of the suite's own process.
    Env(String),
    /// File of mode 0600 that belongs to the user; its first line is the secret.
    File(PathBuf),
    /// Program that prints the secret, such as a password manager's; an argument vector, no shell.
    Command(Vec<String>),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable `{name}`"),
            Self::File(path) => write!(f, "file `{}`", path.display()),
            Self::Command(argv) => write!(f, "command `{}`", argv.first().map_or("", String::as_str)),
        }
    }
}

/// Why a secret could not be had. Never holds any part of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The environment variable is not set or is no text.
    #[error("the {0} is not set")]
    Unset(SecretRef),
    /// The file cannot be read.
    #[error("failed to read the secret in {0}")]
    Read(SecretRef, #[source] std::io::Error),
    /// Others may read the file.
    #[error("{0} has mode {1:04o}, others could read the secret")]
    Mode(SecretRef, u32),
    /// The command failed.
    #[error("the {0} ended with {1}")]
    Failed(SecretRef, String),
    /// There is nothing in it, too much, or bytes that are no text.
    #[error("the {0} gives no usable secret: {1}")]
    Unusable(SecretRef, &'static str),
}

impl SecretError {
    /// The operator's next move.
    pub fn help(&self) -> String {
        match self {
            Self::Unset(SecretRef::Env(name)) => format!("export {name} in the shell that starts the run"),
            Self::Mode(SecretRef::File(path), _) => format!("chmod 600 {}", path.display()),
            Self::Read(SecretRef::File(path), _) => format!("create {} with mode 0600", path.display()),
            _ => "put the secret on one line of UTF-8 text, at most 4096 bytes, and try the reference by hand".into(),
        }
    }
}

impl SecretRef {
    /// Fetches the secret. Nothing is cached.
    ///
    /// # Errors
    ///
    /// [`SecretError`]; none of its texts holds any part of the secret.
    pub fn resolve(&self) -> Result<SecretString, SecretError> {
        let bytes = match self {
            Self::Env(name) => std::env::var(name).map_err(|_| SecretError::Unset(self.clone()))?.into_bytes(),
            Self::File(path) => {
                let read = |source| SecretError::Read(self.clone(), source);
                let file = std::fs::File::open(path).map_err(read)?;
                // Asked of the open file: the path may be swapped between a look and the reading.
                let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().map_err(read)?.permissions());
                if mode & 0o077 != 0 {
                    return Err(SecretError::Mode(self.clone(), mode & 0o7777));
                }
                let mut bytes = Vec::new();
                file.take(MAX_SECRET_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(read)?;
                bytes
            }
            Self::Command(argv) => self.run(argv)?,
        };
        if bytes.len() > MAX_SECRET_BYTES {
            return Err(SecretError::Unusable(self.clone(), "longer than 4096 bytes"));
        }
        let text = String::from_utf8(bytes).map_err(|_| SecretError::Unusable(self.clone(), "no UTF-8 text"))?;
        let line = text.lines().next().unwrap_or("");
        if line.is_empty() {
            return Err(SecretError::Unusable(self.clone(), "empty"));
        }
        Ok(SecretString::from(line.to_owned()))
    }

    fn run(&self, argv: &[String]) -> Result<Vec<u8>, SecretError> {
        let Some((program, args)) = argv.split_first() else {
            return Err(SecretError::Unusable(self.clone(), "no program is named"));
        };
        let read = |source| SecretError::Read(self.clone(), source);
        // Its stderr goes to the operator's terminal: a password manager may have to ask something.
        let mut child = Command::new(program).args(args).stdout(Stdio::piped()).spawn().map_err(read)?;
        let mut bytes = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(MAX_SECRET_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(read)?;
        }
        let status = child.wait().map_err(read)?;
        if !status.success() {
            return Err(SecretError::Failed(self.clone(), status.to_string()));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, "canary-1\nsecond line\n").unwrap();
        let reference = SecretRef::File(path.clone());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(reference.resolve(), Err(SecretError::Mode(_, 0o640))));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(reference.resolve().unwrap().expose_secret(), "canary-1");
    }

    #[test]
    fn neither_debug_nor_errors_show_a_secret() {
        let command = SecretRef::Command(vec!["sh".into(), "-c".into(), "echo canary-2; exit 3".into()]);
        let error = command.resolve().unwrap_err();
        assert!(!format!("{error} {error:?} {}", error.help()).contains("echo canary-2; exit 3\n"));
        let good = SecretRef::Command(vec!["printf".into(), "canary-3".into()]).resolve().unwrap();
        assert!(!format!("{good:?}").contains("canary-3"));
    }

    #[test]
    fn an_empty_answer_is_no_secret() {
        assert!(matches!(SecretRef::Command(vec!["true".into()]).resolve(), Err(SecretError::Unusable(..))));
        assert!(matches!(SecretRef::Command(vec![]).resolve(), Err(SecretError::Unusable(..))));
        assert!(matches!(SecretRef::Env("CRDS_UPGRADE_NO_SUCH".into()).resolve(), Err(SecretError::Unset(_))));
    }
}
