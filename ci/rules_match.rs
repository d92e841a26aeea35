//! What reading and matching take with the rules in memory: every run begins with nothing remembered.
//!
//! `cargo run --release --example rules_match -- CACHE OLD NEW DATASETS [RUNS]`; `ci/bench-rules` runs it. Prints the
//! median CPU milliseconds of reading alone (an old context against itself: no instrument can change) and of everything,
//! and the number of products listed.

use crds_upgrade::rules::affected::{Mode, Options, compute_source};
use crds_upgrade::rules::input::Source;
use crds_upgrade::rules::{Context, Library};
use rustix::time::{ClockId, clock_gettime};

/// The one of `crds-upgrade`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// CPU time of this process so far: a busy machine says nothing about the engine.
fn cpu_ms() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

fn main() -> Result<std::process::ExitCode, Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [cache, old, new, datasets, rest @ ..] = &arguments[..] else {
        eprintln!("usage: rules_match CACHE OLD NEW DATASETS [RUNS]");
        return Ok(std::process::ExitCode::from(64));
    };
    let runs: usize = rest.first().map_or(Ok(9), |runs| runs.parse())?;
    let library = Library::new(cache);
    let (old, new) = (library.context(old)?, library.context(new)?);
    library.preload([&old, &new]);
    let source = Source::Path(datasets.into());
    let options = Options { threads: Some(1), products_only: true, ..Options::default() };
    let median = |to: &Context| -> Result<(f64, usize), Box<dyn std::error::Error>> {
        let (mut taken, mut listed) = (Vec::new(), 0);
        for _ in 0..runs.max(1) {
            let started = cpu_ms();
            listed = compute_source(&old, to, &source, &Mode::default(), &options)?.products().len();
            taken.push(cpu_ms() - started);
        }
        taken.sort_by(f64::total_cmp);
        Ok((taken[taken.len() / 2], listed))
    };
    let (read, _) = median(&old)?;
    let (all, listed) = median(&new)?;
    println!("{{\"read_ms\": {read:.3}, \"all_ms\": {all:.3}, \"listed\": {listed}}}");
    Ok(std::process::ExitCode::SUCCESS)
}
