//! `crds-stand-in derive`: carries out recorded derivation cases.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crds_upgrade::stand_in::derive::{DirStore, Generation, cases};
use serde_json::{Value, json};

/// Arguments of `derive`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Cache with `mappings/<observatory>/`: the rules that the cases start from
    #[arg(long, value_name = "DIR")]
    cache: PathBuf,
    /// Whose rules of derivation: the server of September 2014 or the client of today
    #[arg(long, value_name = "GENERATION", default_value = "now", value_parser = ["2014", "now"])]
    generation: String,
    /// Cases, one JSON object a line (`-` for standard input)
    #[arg(long, value_name = "FILE.jsonl")]
    cases: PathBuf,
}

/// Answers every case with one line `{"id", "result"}`; ends 1 if the cases cannot be read.
pub fn run(args: Args) -> ExitCode {
    match answer_all(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crds-stand-in derive: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answer_all(args: &Args) -> Result<(), String> {
    let shown = args.cases.display();
    let input: Box<dyn BufRead> = if args.cases.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        let file = std::fs::File::open(&args.cases).map_err(|e| format!("failed to open cases `{shown}`: {e}"))?;
        Box::new(std::io::BufReader::new(file))
    };
    if !args.cache.join("mappings").is_dir() {
        return Err(format!("`{}` holds no `mappings` directory; give --cache a CRDS cache", args.cache.display()));
    }
    let generation = if args.generation == "2014" { Generation::Y2014 } else { Generation::Now };
    let store = DirStore::new(&args.cache).shown_as("$CRDS_PATH");
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for (number, line) in input.lines().enumerate() {
        let line = line.map_err(|e| format!("failed to read `{shown}`: {e}"))?;
        if line.trim().is_empty() {
            continue;
        }
        let case: Value =
            serde_json::from_str(&line).map_err(|e| format!("line {} of `{shown}` is no JSON: {e}", number + 1))?;
        let answer = json!({"id": case["id"], "result": cases::answer(&case, &store, generation)});
        writeln!(out, "{answer}").map_err(|e| format!("failed to write an answer: {e}"))?;
    }
    out.flush().map_err(|e| format!("failed to write an answer: {e}"))
}
