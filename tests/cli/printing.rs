//! Printing to a reader who leaves, and to a disk that is full.

use std::path::PathBuf;
use std::process::{Command, Stdio};

fn plan() -> Command {
    let root = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let mut command = Command::new(env!("CARGO_BIN_EXE_crds-upgrade"));
    command.arg("plan").arg("--plan").arg(root.join("fixtures/plans/hst-opus-2014.3.toml"));
    command
}

#[test]
fn a_reader_who_leaves_causes_no_panic_and_no_other_status() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = plan().stdout(writer).stderr(Stdio::piped()).output().expect("starts");
    assert!(output.status.success(), "{:?}", output.status);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_full_disk_is_said_and_is_no_success() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("opens");
    let output = plan().stdout(full).output().expect("starts");
    assert_eq!(output.status.code(), Some(70));
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output cannot be written"), "{output:?}");
}
