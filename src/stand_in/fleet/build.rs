//! Compiles what is no part of the library into `OUT_DIR`: `clock/preload.rs`, which gives the processes of a fleet its time, and
//! `enter/program.rs`, the way onto a host.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=src/stand_in/fleet/build.rs");
    let library =
        ["--crate-type", "cdylib", "--crate-name", "crdsclock", "-Cstrip=symbols", "-Clink-arg=-nostartfiles"];
    compile("src/stand_in/fleet/clock/preload.rs", "libcrdsclock.so", &library);
    // Every call to a host starts it: static and at a fixed address it costs little more than half of what it did as a part of
    // the stand-in.
    let program = [
        "--crate-type",
        "bin",
        "--crate-name",
        "enter",
        "-Ctarget-feature=+crt-static",
        "-Crelocation-model=static",
        "-Cstrip=symbols",
    ];
    compile("src/stand_in/fleet/enter/program.rs", "enter", &program);
    // One program is every other tool of a stand-in host, so it starts thousands of times: at a fixed address its tens of
    // thousands of pointers need no relocation at each start.
    if var("CARGO_CFG_TARGET_OS") == "linux" {
        println!("cargo::rustc-link-arg-bin=crds-stand-in=-no-pie");
    }
}

fn var(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}

/// Compiles one file by itself, without crates.
fn compile(source: &str, to: &str, arguments: &[&str]) {
    println!("cargo::rerun-if-changed={source}");
    let mut rustc = Command::new(var("RUSTC"));
    rustc.args(["--edition", "2024", "-Copt-level=2", "-Cpanic=abort", "-Cdebuginfo=0"]).args(arguments);
    rustc.args(["--target", &var("TARGET")]);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    rustc.arg("-o").arg(Path::new(&var("OUT_DIR")).join(to)).arg(source);
    let status = rustc.status().unwrap_or_else(|error| panic!("rustc does not start: {error}"));
    assert!(status.success(), "rustc could not compile {source}");
}
