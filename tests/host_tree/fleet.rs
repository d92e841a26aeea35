//! A fleet of its own for one test: brought up by the program, taken down and removed at the end.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A fleet that ends with the test.
pub struct Fleet {
    /// Where it lies.
    pub root: PathBuf,
    keep: Option<tempfile::TempDir>,
}

/// What a script on a host printed, both streams merged.
pub struct Said {
    /// Output.
    pub text: String,
}

impl Said {
    /// Whether a line of the output contains `text`.
    pub fn has(&self, text: &str) -> bool {
        self.text.contains(text)
    }
}

fn program() -> PathBuf {
    let named = std::env::var_os("NEXTEST_BIN_EXE_crds-stand-in").map(PathBuf::from);
    named.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_crds-stand-in")))
}

impl Fleet {
    /// Brings up the named hosts on the project's own small rules.
    pub fn up(hosts: &str) -> Self {
        let keep = tempfile::tempdir().expect("a temporary directory");
        // The account that runs the hosts must be able to pass.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(keep.path(), mode).expect("the directory is ours");
        let root = keep.path().join("fleet");
        let mut command = Command::new(program());
        command.args(["fleet", "up", "--no-night", "--hosts", hosts, "--root"]).arg(&root);
        command.arg("--rules").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rules"));
        let output = command.stdin(Stdio::null()).output().expect("the program runs");
        assert!(output.status.success(), "fleet up: {}", String::from_utf8_lossy(&output.stderr));
        Self { root, keep: Some(keep) }
    }

    /// The install prefix of a host.
    pub fn tree(&self, role: &str) -> PathBuf {
        let data = self.root.join("hosts").join(role).join("root/crds/data1");
        let entries = fs::read_dir(&data).expect("data1 is there").filter_map(Result::ok);
        entries.map(|entry| entry.path()).find(|path| !path.ends_with("database")).expect("an install prefix")
    }

    /// The root of a host's files.
    pub fn host_root(&self, role: &str) -> PathBuf {
        self.root.join("hosts").join(role).join("root")
    }

    /// Runs a csh script on a host, in a fresh login.
    pub fn on(&self, role: &str, script: &str) -> Said {
        let mut child = Command::new(self.root.join("hosts").join(role).join("enter"))
            .args(["tcsh", "-c", "tcsh |& cat; exit"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("enter runs");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(script.as_bytes()).expect("the shell reads");
        drop(input);
        let output = child.wait_with_output().expect("the shell ends");
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        Said { text }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let down = Command::new(program()).args(["fleet", "down", "--root"]).arg(&self.root).output();
        if std::thread::panicking() || down.is_err() {
            // What is left helps to see why.
            if let Some(keep) = self.keep.take() {
                eprintln!("the fleet stays at {}", keep.keep().display());
            }
        }
    }
}
