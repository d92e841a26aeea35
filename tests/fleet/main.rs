//! The embedded fleet as its hosts see it: time, cron, processes, web server, proxy, archive, saved copies.
//!
//! Method: bring up a fleet with the hosts that a test needs, act on a host through its `enter`, look from outside.

mod clock;
mod server;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A fleet of its own, ended and removed when dropped.
struct Fleet {
    parent: tempfile::TempDir,
}

impl Fleet {
    /// Brings up a fleet with these hosts on the small rules, at noon and without the night before.
    fn up(hosts: &str) -> Fleet {
        let parent = tempfile::tempdir().expect("a directory");
        // The hosts' account must be able to reach what is below.
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).expect("opened");
        let fleet = Fleet { parent };
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rules");
        let up = program()
            .args(["fleet", "up", "--no-night", "--hosts", hosts, "--rules"])
            .arg(rules)
            .arg("--root")
            .arg(fleet.root())
            .output()
            .expect("started");
        assert!(up.status.success(), "fleet up: {}", String::from_utf8_lossy(&up.stderr));
        fleet
    }

    fn root(&self) -> PathBuf {
        self.parent.path().join("fleet")
    }

    /// What HOST_ROOT is on a host.
    fn host_root(&self, host: &str) -> PathBuf {
        self.root().join("hosts").join(host).join("root")
    }

    /// Runs a bash script on a host; its standard output.
    fn sh(&self, host: &str, script: &str) -> String {
        let output = self.enter(host, &["bash", "-c", script]);
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn enter(&self, host: &str, arguments: &[&str]) -> Output {
        let enter = self.root().join("hosts").join(host).join("enter");
        Command::new(enter).args(arguments).output().expect("entered")
    }

    /// Gives an order to our program about this fleet.
    fn order(&self, arguments: &[&str]) -> String {
        let output = program().args(arguments).arg("--root").arg(self.root()).output().expect("started");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// The address of a host.
    fn address(&self, host: &str) -> String {
        let text = fs::read_to_string(self.root().join("fleet.json")).expect("described");
        let fleet: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let hosts = fleet["hosts"].as_array().expect("hosts");
        let found = hosts.iter().find(|known| known["role"] == host).expect("the host");
        found["address"].as_str().expect("an address").to_owned()
    }

    /// Every message of the fleet's Maildir.
    fn mails(&self) -> Vec<String> {
        let new = self.root().join("home/crds/Maildir/new");
        let mut files: Vec<PathBuf> =
            fs::read_dir(new).expect("a Maildir").flatten().map(|entry| entry.path()).collect();
        files.sort();
        files.iter().map(|file| fs::read_to_string(file).expect("a message")).collect()
    }

    /// Ids of the processes that belong to this fleet.
    fn processes(&self) -> Vec<i32> {
        let all = crds_upgrade::stand_in::fleet::processes::of_fleet(&self.root());
        all.into_iter().filter(|process| process.state != 'Z').map(|process| process.pid).collect()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // A fleet that is down already is no failure of the test.
        let _ = program().args(["fleet", "down", "--root"]).arg(self.root()).output();
    }
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_crds-stand-in"))
}
