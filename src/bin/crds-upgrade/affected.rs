//! `crds-upgrade affected`: what changes between two contexts.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use crds_upgrade::rules::affected::{self, Affected, Mode, Options, SinceMode};
use crds_upgrade::rules::input::{self, Source};
use crds_upgrade::rules::{Context, Library};

use crate::bestrefs::{RulesArgs, SourceArgs, complain};

/// Datasets whose best references change between two contexts.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    rules: RulesArgs,
    /// The context before (a pmap).
    #[arg(long)]
    old: String,
    /// The context after (a pmap).
    #[arg(long)]
    new: String,
    #[command(flatten)]
    source: SourceArgs,
    /// How to print.
    #[arg(long, value_enum, default_value = "ids")]
    format: Format,
    /// The client's `--undefined-differences-matter`: no match in the new context hides the dataset.
    #[arg(long)]
    undefined_differences_matter: bool,
    /// The client's `--diffs-only`: only instruments and types that it sees differ.
    #[arg(long)]
    diffs_only: bool,
    /// The client's `--datasets-since`: a date, or `auto`.
    #[arg(long)]
    datasets_since: Option<String>,
    /// What the server computes every night: the client's `--affected-datasets`.
    #[arg(long, conflicts_with_all = ["complete", "diffs_only", "datasets_since"])]
    server_mode: bool,
    /// Everything: no cut, no blind spot; failures and ties are told beside the changes.
    #[arg(long)]
    complete: bool,
    /// Why products stand in this list (one per line) or in the complete one only.
    #[arg(long)]
    explain: Option<PathBuf>,
    /// Only these types.
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    types: Option<Vec<String>>,
    /// Not these types (the client's `--skip-types`, which asks for all others where it leaves nothing of the list asked for).
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    skip_types: Vec<String>,
    /// All types, whatever the exposure needs.
    #[arg(long)]
    all_types: bool,
    /// Calibration version of JWST headers that name none.
    #[arg(long)]
    cal_ver: Option<String>,
    /// Worker threads (default: by size of the input and processors).
    #[arg(long)]
    threads: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Affected products, sorted, one per line: what `--print-affected` prints
    Ids,
    /// One JSON object per dataset with changes or without answer
    Jsonl,
    /// Counts by instrument and type
    Summary,
    /// What `--print-affected-details` prints
    Details,
    /// What `--print-new-references` prints
    NewReferences,
}

impl Args {
    fn mode(&self) -> Result<Mode, String> {
        let mut mode = match (self.server_mode, self.complete) {
            (true, _) => Mode::server(),
            (_, true) => Mode::complete(),
            _ => Mode::default(),
        };
        mode.comparison.undefined_matters |= self.undefined_differences_matter;
        let lower = |names: &[String]| names.iter().map(|name| name.to_lowercase()).collect::<Vec<_>>();
        mode.comparison.types = self.types.as_deref().map(lower);
        mode.comparison.skip_types = self.skip_types.clone();
        mode.comparison.all_types = self.all_types;
        mode.comparison.calibration_version = self.cal_ver.clone();
        mode.diffs_only |= self.diffs_only;
        match self.datasets_since.as_deref() {
            None => {}
            Some(date) if date.eq_ignore_ascii_case("auto") => mode.since = SinceMode::Auto,
            Some(date) => {
                let known = crds_upgrade::rules::reformat_date(date);
                mode.since = SinceMode::Date(known.map_err(|why| format!("`{date}` is no date ({why})"))?);
            }
        }
        Ok(mode)
    }
}

/// Runs the command: 0 when every dataset has an answer or an `error` line, 1 when a context or the input cannot be read.
pub fn run(args: Args) -> ExitCode {
    let mode = match args.mode() {
        Ok(mode) => mode,
        Err(why) => {
            eprintln!("error: --datasets-since: {why}\n  help: give a date such as 2014-09-16, or `auto`");
            return ExitCode::from(64);
        }
    };
    let library = Library::with_checksums(&args.rules.cache, !args.rules.ignore_checksums);
    let load = |name: &str| library.context(name).map_err(|error| complain(&error, &error.help()));
    let (old, new) = match (load(&args.old), load(&args.new)) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(code), _) | (_, Err(code)) => return code,
    };
    if let Some(list) = &args.explain {
        return explain(&old, &new, &args.source.source(), list);
    }
    let bar = crate::bestrefs::progress(&args.source);
    let options = Options {
        threads: args.threads,
        progress: bar.as_ref().map(crate::bestrefs::told),
        products_only: args.format == Format::Ids,
    };
    let affected = match affected::compute_source(&old, &new, &args.source.source(), &mode, &options) {
        Ok(affected) => affected,
        Err(error) => return complain(&error, &error.help()),
    };
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    // The process ends here: giving the rules back piece by piece would be wasted.
    std::mem::forget((old, new, library));
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match print(&mut out, &args, &affected).and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => complain(&error, "make room for the output, or write it elsewhere"),
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn print(out: &mut impl Write, args: &Args, affected: &Affected) -> std::io::Result<()> {
    match args.format {
        Format::Ids if args.complete => {
            let changed = affected.changed.iter().filter(|dataset| !dataset.change.updates.is_empty());
            let products: BTreeSet<String> = changed.map(|dataset| affected::product(&dataset.id)).collect();
            products.iter().try_for_each(|product| writeln!(out, "{product}"))
        }
        Format::Ids => affected.products().iter().try_for_each(|product| writeln!(out, "{product}")),
        Format::Details => affected.details().try_for_each(|line| writeln!(out, "{line}")),
        Format::NewReferences => affected.new_references().try_for_each(|line| writeln!(out, "{line}")),
        Format::Jsonl => {
            for dataset in &affected.changed {
                let change = &dataset.change;
                let updates: Vec<_> = change
                    .updates
                    .iter()
                    .map(|update| serde_json::json!({ "type": update.filekind, "old": update.old, "new": update.new }))
                    .collect();
                let failed: Vec<_> = change
                    .killed
                    .iter()
                    .map(|killed| serde_json::json!({ "type": killed.filekind, "reason": killed.reason }))
                    .collect();
                let ties: Vec<_> = change
                    .ties
                    .iter()
                    .map(|(name, new, names)| {
                        let side = if *new { "new" } else { "old" };
                        serde_json::json!({ "type": name, "context": side, "references": names })
                    })
                    .collect();
                let line = serde_json::json!({
                    "id": dataset.id, "instrument": change.instrument, "affected": change.is_listed(),
                    "updates": updates, "failed": failed, "ties": ties,
                });
                writeln!(out, "{line}")?;
            }
            for (id, why) in &affected.errors {
                writeln!(out, "{}", serde_json::json!({ "id": id, "error": why }))?;
            }
            Ok(())
        }
        Format::Summary => {
            let changed = affected.changed.iter().filter(|dataset| !dataset.change.updates.is_empty()).count();
            let hidden = affected.changed.iter().filter(|d| !d.change.updates.is_empty() && !d.change.is_listed());
            writeln!(out, "{} -> {}", args.old, args.new)?;
            writeln!(out, "datasets           {:>9}", affected.datasets)?;
            writeln!(out, "with changes       {changed:>9}")?;
            writeln!(out, "  hidden by a type {:>9}", hidden.count())?;
            writeln!(out, "affected products  {:>9}", affected.products().len())?;
            writeln!(out, "left out by date   {:>9}", affected.cut)?;
            writeln!(out, "without answer     {:>9}", affected.errors.len())?;
            let ties = affected.changed.iter().filter(|dataset| !dataset.change.ties.is_empty()).count();
            if ties > 0 {
                writeln!(out, "with ties          {ties:>9}")?;
            }
            for (instrument, types) in affected.counts() {
                for (filekind, count) in types {
                    writeln!(out, "  {instrument:<8} {filekind:<16} {count:>9}")?;
                }
            }
            Ok(())
        }
    }
}

fn explain(old: &Context, new: &Context, source: &Source, list: &std::path::Path) -> ExitCode {
    let theirs: BTreeSet<String> = match std::fs::read_to_string(list) {
        Ok(text) => text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect(),
        Err(error) => return complain(&error, &format!("name a readable list instead of `{}`", list.display())),
    };
    let mut datasets = Vec::new();
    if let Err(error) = input::read(source, new, &mut |id, entry| datasets.push((id, entry))) {
        return complain(&error, &error.help());
    }
    match affected::explain(old, new, datasets, &theirs) {
        Err(error) => complain(&error, &error.help()),
        Ok(explained) => {
            for one in explained {
                say!("{}\t{}\t{}", one.product, one.class.word(), one.witness);
            }
            ExitCode::SUCCESS
        }
    }
}
