//! Loads every context of an observatory from a cache and says how long it took and how much memory it needs.
//!
//! `cargo run --release --example rules_load -- CACHE [OBSERVATORY]`; `ci/bench-rules` runs it.

use std::time::Instant;

use crds_upgrade::rules::{Context, Library};

/// The one of `crds-upgrade`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(cache) = arguments.next() else {
        eprintln!("usage: rules_load CACHE [OBSERVATORY]");
        return std::process::ExitCode::from(64);
    };
    let observatory = arguments.next().unwrap_or_else(|| "hst".to_owned());
    let started = Instant::now();
    let library = Library::new(&cache);
    let Ok(files) = std::fs::read_dir(format!("{cache}/mappings/{observatory}")) else {
        eprintln!("error: `{cache}` holds no mappings of {observatory}");
        return std::process::ExitCode::from(1);
    };
    let names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
    let mut contexts: Vec<Context> = Vec::new();
    let mut bad = 0;
    for name in names.filter(|name| name.ends_with(".pmap")) {
        match library.context(&name) {
            Ok(context) => contexts.push(context),
            Err(error) => {
                eprintln!("{error}");
                bad += 1;
            }
        }
    }
    library.preload(&contexts);
    for context in &contexts {
        if let Err(failed) = context.load_all() {
            eprintln!("{}: {} instruments do not load, such as {}", context.name(), failed.len(), failed[0].1);
            bad += 1;
        }
    }
    let elapsed = started.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim();
    println!("{} contexts of {observatory} loaded in {elapsed:.3} s, peak memory {peak}, {bad} bad", contexts.len());
    std::process::ExitCode::SUCCESS
}
