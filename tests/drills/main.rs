//! One case per drill file in `fixtures/drills`, named after the file.
//!
//! Its own harness, so that the files are the list: adding a drill is adding a file. Run it with
//! `cargo nextest run --profile drills`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crds_upgrade::drill::stage::{self, Reach};
use crds_upgrade::drill::{Drill, Judged, Programs};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let drills = files();
    if has("--list") {
        // The names that nextest asks for; none is ignored.
        if !has("--ignored") {
            drills.iter().for_each(|file| println!("{}: test", name(file)));
        }
        return ExitCode::SUCCESS;
    }
    if std::env::var("NEXTEST").as_deref() != Ok("1") {
        eprintln!("refused: drills run under `cargo nextest run --profile drills`, or with `crds-upgrade drill FILE`");
        return ExitCode::FAILURE;
    }
    let wanted = arguments.iter().find(|argument| !argument.starts_with("--"));
    let Some(file) = drills.iter().find(|file| wanted.is_some_and(|wanted| *wanted == name(file))) else {
        eprintln!("there is no drill {wanted:?}");
        return ExitCode::FAILURE;
    };
    match carry_out(file) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(file: &Path) -> Result<String, String> {
    let drill = Drill::load(file).map_err(|error| error.to_string())?;
    let answer = Programs::find()
        .and_then(|programs| stage::carry_out(&programs, &drill, Reach::End))
        .map_err(|error| format!("{error}\n  next move: {}", error.help()))?;
    let text = format!(
        "{}: {}\nexpected at {}, stopped at {}: {:?}\n{}",
        drill.id,
        drill.title,
        answer.expected.join(" or "),
        answer.caught_at.as_deref().unwrap_or("no step"),
        answer.verdict,
        answer.message
    );
    if matches!(answer.verdict, Judged::Caught | Judged::NotApplicable) { Ok(text) } else { Err(text) }
}

fn files() -> Vec<PathBuf> {
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| ".".to_owned());
    let mut files: Vec<PathBuf> = std::fs::read_dir(Path::new(&root).join("fixtures/drills"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}

fn name(file: &Path) -> String {
    file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}
