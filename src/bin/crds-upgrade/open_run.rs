//! `crds-upgrade open-run`: the setup script of a nextest invocation. Opens or resumes the run, or refuses.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crds_upgrade::run::event::Event;
use crds_upgrade::run::open::{self, Open, Request};
use crds_upgrade::run::{Folder, Ledger, RunError, guard, harness, lock};

use super::runs;

/// Where the run comes from, if not from the environment.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The nextest profile [default: NEXTEST_PROFILE]
    #[arg(long)]
    profile: Option<String>,
}

/// Carries out the command; a failure keeps nextest from running any step.
pub fn run(args: Args) -> ExitCode {
    match try_run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            eprintln!("  next move: {}", error.help());
            eprintln!("  no step was executed");
            ExitCode::FAILURE
        }
    }
}

/// Refuses: another test binary was selected together with the steps.
pub fn only_steps() -> ExitCode {
    eprintln!("refused: this profile carries out the steps and nothing else, but other tests were selected too");
    eprintln!("  next move: leave out `--ignore-default-filter`, or run the other tests under the default profile");
    eprintln!("  no step was executed");
    ExitCode::FAILURE
}

fn try_run(args: Args) -> Result<(), RunError> {
    let read = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    if let Some(profile) = args.profile {
        let open = open(&profile, &read)?;
        say!("run: {}", open.folder.path().display());
        return Ok(());
    }
    let profile = setup_profile(&read)?;
    let open = open(&profile, &read)?;
    let invocation = read("NEXTEST_RUN_ID").unwrap_or_default();
    let pid = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
    let event = Event::Invoked { invocation, profile, owner: lock::owner(), pid };
    open.folder.journal()?.append(None, 0, &event)?;
    hand_over(&open, &read)
}

/// What a setup script can already see of the runner; each step looks again, and at more.
fn setup_profile(read: &impl Fn(&str) -> Option<String>) -> Result<String, RunError> {
    guard::inspect(|name| match name {
        // Set for tests only.
        "NEXTEST_EXECUTION_MODE" => Some("process-per-test".to_owned()),
        "NEXTEST_TOTAL_ATTEMPTS" => read("NEXTEST_RETRIES").map(|text| match text.parse::<u32>() {
            Ok(retries) => (retries + 1).to_string(),
            Err(_) => text,
        }),
        _ => read(name),
    })
    .map(|runner| runner.profile)
}

/// Opens the run of the site and plan that the environment names, or of a fleet of its own.
fn open(profile: &str, read: &impl Fn(&str) -> Option<String>) -> Result<Open, RunError> {
    let (site, plan) = (read("CRDS_UPGRADE_SITE"), read("CRDS_UPGRADE_PLAN"));
    let here = |name: &str| Path::new(name).is_file().then(|| PathBuf::from(name));
    let site_path = site.map(PathBuf::from).or_else(|| here("site.toml"));
    let plan_path = plan.map(PathBuf::from).or_else(|| here("plan.toml"));
    let rules = read("CRDS_UPGRADE_RULES_KIND");
    let request = |site: PathBuf, plan: PathBuf, rules: String| Request {
        runs: runs(),
        site,
        plan,
        profile: profile.to_owned(),
        rules,
    };
    match (site_path, plan_path) {
        (Some(site), Some(plan)) => {
            let rules = rules.unwrap_or_else(|| rules_of(&site));
            open::open(&request(site, plan, rules))
        }
        (None, None) if profile == "rehearsal" => {
            let root = match unfinished_fleet()? {
                Some(root) => root,
                None => fleet_up(read)?,
            };
            let (site, plan) = (root.join("site.toml"), root.join("plan.toml"));
            let rules = rules_of(&site);
            let open = open::open(&request(site, plan, rules))?;
            approve_rehearsal(&open.folder)?;
            Ok(open)
        }
        (site, _) => Err(RunError::Input {
            what: format!("profile `{profile}` has no {}", if site.is_none() { "site file" } else { "plan file" }),
            help: "name both: CRDS_UPGRADE_SITE=site.toml CRDS_UPGRADE_PLAN=plan.toml, or put them here".to_owned(),
        }),
    }
}

/// The real rules, if they are at hand: what `ci/fetch-rules` has filled, else the shared cache beside the project.
fn real_rules() -> Option<PathBuf> {
    let filled = PathBuf::from(".crds-upgrade/rules");
    let shared = PathBuf::from("../shared/crds-cache/crds-cache.tar.zst");
    let found = [filled, shared].into_iter().find(|path| path.exists());
    if found.is_none() {
        eprintln!("the real rules are not at hand (`ci/fetch-rules`): rehearsing on the project's own small rules");
    }
    found
}

/// Which rules a fleet serves: it says so beside its site file; a real site serves real ones.
fn rules_of(site: &Path) -> String {
    let beside = site.parent().unwrap_or(Path::new(".")).join("rules.txt");
    std::fs::read_to_string(beside).map_or_else(|_| "real".to_owned(), |text| text.trim().to_owned())
}

/// The fleet of an unfinished rehearsal of ours, if it is still there.
fn unfinished_fleet() -> Result<Option<PathBuf>, RunError> {
    for folder in Folder::all(&runs())?.into_iter().rev() {
        let ledger = Ledger::read(&folder.entries()?);
        if let (Some(opened), None) = (ledger.opened, ledger.finished)
            && opened.profile == "rehearsal"
            && opened.site_path.is_file()
            && let Some(root) = opened.site_path.parent()
            && root.join("own-rehearsal").is_file()
        {
            eprintln!("going on with run {} on the fleet in {}", opened.run, root.display());
            return Ok(Some(root.to_owned()));
        }
    }
    Ok(None)
}

/// Brings an embedded fleet up with the historical plan.
fn fleet_up(read: &impl Fn(&str) -> Option<String>) -> Result<PathBuf, RunError> {
    let fail = |what: String| RunError::Input {
        what: format!("the embedded fleet did not come up: {what}"),
        help: "see the messages above; `ci/rehearse` installs what is missing".to_owned(),
    };
    // Relative paths above are the project's: nextest runs setup scripts in its root.
    let root = std::env::temp_dir().join(format!("crds-upgrade-fleet.{}", std::process::id()));
    let program = std::env::current_exe().map_err(|error| fail(error.to_string()))?.with_file_name("crds-stand-in");
    let mut command = Command::new(&program);
    command.args(["fleet", "up", "--root"]).arg(&root);
    if let Some(rules) = read("CRDS_UPGRADE_RULES").map(PathBuf::from).or_else(real_rules) {
        command.arg("--rules").arg(rules);
    }
    if let Some(venv) = read("CRDS_UPGRADE_REAL_CLIENT") {
        command.arg("--real-client").arg(venv);
    }
    if let Some(era) = read("CRDS_UPGRADE_ERA") {
        command.arg("--era").arg(era);
    }
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(|error| fail(error.to_string()))?;
    let ready = child
        .stdout
        .take()
        .is_some_and(|out| BufReader::new(out).lines().map_while(Result::ok).any(|line| line.starts_with("site: ")));
    let ended = child.wait().map_err(|error| fail(error.to_string()))?;
    if !ready || !ended.success() {
        return Err(fail(format!("`{} fleet up` ended with {ended}", program.display())));
    }
    let mark = root.join("own-rehearsal");
    std::fs::write(&mark, "brought up by a rehearsal\n").map_err(|error| fail(error.to_string()))?;
    eprintln!("fleet: {}", root.display());
    Ok(root)
}

/// The go of a rehearsal on a fleet of its own, recorded as what it is.
fn approve_rehearsal(folder: &Folder) -> Result<(), RunError> {
    const GATE: &str = "s280_point_of_no_return";
    let ledger = Ledger::read(&folder.entries()?);
    if ledger.approved(GATE).or(ledger.refused(GATE)).is_some() {
        return Ok(());
    }
    let note = "a rehearsal on a stand-in fleet of its own".to_owned();
    let event = Event::Approved { gate: GATE.to_owned(), by: "rehearsal".to_owned(), note };
    folder.journal()?.append(None, 0, &event).map(|_| ())
}

/// Tells the steps, through nextest, which run they belong to.
fn hand_over(open: &Open, read: &impl Fn(&str) -> Option<String>) -> Result<(), RunError> {
    let Some(path) = read("NEXTEST_ENV").map(PathBuf::from) else {
        return Err(RunError::Refused {
            what: "NEXTEST_ENV is not set: this is not a setup script of nextest".to_owned(),
            help: "start steps with `cargo nextest run --profile rehearsal` or `--profile ops`".to_owned(),
        });
    };
    let root = read("NEXTEST_WORKSPACE_ROOT").unwrap_or_else(|| ".".to_owned());
    let text = format!(
        "{}={}\nINSTA_UPDATE=no\nINSTA_FORCE_PASS=0\nINSTA_WORKSPACE_ROOT={root}\n",
        harness::RUN_VARIABLE,
        open.folder.path().display()
    );
    let write = || OpenOptions::new().append(true).create(true).open(&path)?.write_all(text.as_bytes());
    write().map_err(|source| RunError::File { verb: "write", path: path.clone(), source })?;
    let what = if open.resumed { "going on with run" } else { "new run" };
    eprintln!("{what} {}: plan {}, site {}", open.opened.run, open.opened.plan, open.opened.site);
    eprintln!("folder: {}", open.folder.path().display());
    Ok(())
}
