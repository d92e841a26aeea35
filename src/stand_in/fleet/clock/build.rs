//! Compiles `preload.rs`, the library that gives the processes of a fleet the fleet's time, into `OUT_DIR`.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    let source = "src/stand_in/fleet/clock/preload.rs";
    println!("cargo::rerun-if-changed={source}");
    println!("cargo::rerun-if-changed=src/stand_in/fleet/clock/build.rs");
    let var = |name: &str| env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"));
    let out = PathBuf::from(var("OUT_DIR")).join("libcrdsclock.so");
    let mut rustc = Command::new(var("RUSTC"));
    rustc.args(["--edition", "2024", "--crate-type", "cdylib", "--crate-name", "crdsclock", "-Copt-level=2"]);
    rustc.args(["-Cpanic=abort", "-Cdebuginfo=0", "-Cstrip=symbols", "-Clink-arg=-nostartfiles"]);
    rustc.args(["--target", &var("TARGET")]);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    rustc.arg("-o").arg(&out).arg(source);
    let status = rustc.status().unwrap_or_else(|error| panic!("rustc does not start: {error}"));
    assert!(status.success(), "rustc could not compile {source}");
    // One program is every tool of a stand-in host, so it starts thousands of times: at a fixed address its tens of
    // thousands of pointers need no relocation at each start.
    if var("CARGO_CFG_TARGET_OS") == "linux" {
        println!("cargo::rustc-link-arg-bin=crds-stand-in=-no-pie");
    }
}
