//! `crds-upgrade bestrefs`: best references of datasets under one context.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use crds_upgrade::rules::input::json::Entry;
use crds_upgrade::rules::input::{self, InputError, Source};
use crds_upgrade::rules::{Library, Lookup};
use indicatif::{ProgressBar, ProgressStyle};

/// Best references of datasets under one context, as the CRDS client computes them.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    rules: RulesArgs,
    /// Context whose rules apply (a pmap).
    #[arg(long)]
    context: String,
    #[command(flatten)]
    source: SourceArgs,
    /// Only these types (default: those that the exposure needs, else all).
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    types: Option<Vec<String>>,
    /// Calibration version of JWST headers that name none (default: none installed, so all types).
    #[arg(long)]
    cal_ver: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object per dataset
    Jsonl,
    /// Accepted for other programs' sake: the same
    Json,
}

/// Where rules come from.
#[derive(Debug, clap::Args)]
pub struct RulesArgs {
    /// CRDS cache directory: the one that holds `mappings/`.
    #[arg(long)]
    pub cache: PathBuf,
    /// Use rules whose checksum is wrong or missing.
    #[arg(long)]
    pub ignore_checksums: bool,
}

/// Where datasets come from: exactly one of the three.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct SourceArgs {
    /// Headers: the client's JSON dump (one object, or one per line), or Parquet (by its extension). `-` is standard input.
    #[arg(long)]
    pub datasets: Option<PathBuf>,
    /// A server's URL: all datasets of all instruments are asked for by JSON-RPC.
    #[arg(long)]
    pub server: Option<String>,
}

impl SourceArgs {
    /// The source.
    pub fn source(&self) -> Source {
        match (&self.server, &self.datasets) {
            (Some(url), _) => Source::Server(url.clone()),
            (None, Some(path)) => Source::Path(path.clone()),
            (None, None) => Source::Path(PathBuf::from("-")),
        }
    }
}

/// A progress bar over the bytes of a file, on a terminal only; it appears when the run is not over at once.
pub fn progress(source: &SourceArgs) -> Option<ProgressBar> {
    let path = source.datasets.as_deref()?;
    let size = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?.len();
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left").ok()?;
    Some(ProgressBar::new(size).with_style(style))
}

/// What the library tells about its progress goes to the bar.
pub fn told(bar: &ProgressBar) -> input::Progress {
    let bar = bar.clone();
    std::sync::Arc::new(move |bytes| bar.inc(bytes))
}

/// Prints an error, its causes and the next move.
pub fn complain(error: &(dyn std::error::Error + 'static), help: &str) -> ExitCode {
    let mut text = format!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    eprintln!("{text}\n  help: {help}");
    ExitCode::from(1)
}

/// Runs the command: 0 when every dataset has an answer or an `error` line, 1 when context or input cannot be read.
pub fn run(args: Args) -> ExitCode {
    let library = Library::with_checksums(&args.rules.cache, !args.rules.ignore_checksums);
    let context = match library.context(&args.context) {
        Ok(context) => context,
        Err(error) => return complain(&error, &error.help()),
    };
    library.preload([&context]);
    let _ = args.format;
    let mut lookup = Lookup::new();
    lookup.calibration_version = args.cal_ver;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut written = Ok(());
    let mut one = |id: String, entry: Entry| {
        let answer = match &entry {
            Entry::Header(header) => lookup.best_references(&context, header, args.types.as_deref()),
            Entry::Message(why) => Err(crds_upgrade::rules::DatasetError::Header(why.clone())),
        };
        let line = match answer {
            Ok(answers) => {
                let answers: serde_json::Map<_, _> =
                    answers.into_iter().map(|(name, best)| (name, best.to_json())).collect();
                serde_json::json!({ "id": id, "bestrefs": answers })
            }
            Err(why) => serde_json::json!({ "id": id, "error": why.to_string() }),
        };
        if written.is_ok() {
            written = writeln!(out, "{line}");
        }
    };
    let bar = progress(&args.source);
    let told = bar.as_ref().map(told);
    let read: Result<(), InputError> = input::read_with(&args.source.source(), &context, told.as_ref(), &mut one);
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let written = written.and_then(|()| out.flush());
    if let Err(error) = read {
        return complain(&error, &error.help());
    }
    match written {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => complain(&error, "make room for the output, or write it elsewhere"),
        Ok(()) => ExitCode::SUCCESS,
    }
}
