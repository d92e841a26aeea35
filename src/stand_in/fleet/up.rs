//! Bringing a fleet up: directory, clock, authority, hosts, keeper, servers, site file.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::Timestamp;

use super::account::Account;
use super::authority::Authority;
use super::clock::{self, Clock};
use super::spec::{Fleet, Host, Layout, NIGHT_S, PROXY_PORT, Role, START_UNIX_S, WireEra, uname};
use super::{FleetError, addresses, enter, order, site};
use crate::stand_in::{host, tools};

/// What `fleet up` is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the fleet is to be.
    pub root: PathBuf,
    /// A client cache, as a directory or as its `.tar.zst`; none: the small rules set in `fixtures/rules`.
    pub rules: Option<PathBuf>,
    /// The hosts wanted.
    pub hosts: Vec<Role>,
    /// The account to run as, where root brings the fleet up.
    pub account: String,
    /// The observatory.
    pub observatory: String,
    /// Layout of the hosts.
    pub layout: Layout,
    /// Wire dialect of the servers.
    pub era: WireEra,
    /// The virtual environment of a real Python client.
    pub real_client: Option<PathBuf>,
    /// The plan to copy to `DIR/plan.toml`.
    pub seed_plan: Option<PathBuf>,
    /// Take the fleet down when this process ends.
    pub until_pid: Option<i32>,
    /// Let the servers live through the night before, with their real nightly jobs: logs, mail, backups.
    pub night: bool,
}

/// Brings up a fleet and returns the path of its site file.
///
/// # Errors
///
/// [`FleetError`]; what was made stays for inspection, processes are ended.
pub fn up(options: &Options) -> Result<PathBuf, FleetError> {
    let root = std::path::absolute(&options.root).map_err(|source| FleetError::file("find", &options.root, source))?;
    let account = Account::for_fleet(&options.account)?;
    let program =
        std::env::current_exe().map_err(|source| FleetError::file("find", Path::new("/proc/self/exe"), source))?;
    let prepared = program.starts_with(root.join("bin"));
    if !prepared {
        prepare(&root, &program, &account)?;
    }
    if rustix::process::geteuid().is_root() {
        return as_account(options, &root, &account);
    }
    let made = make(options, root, account)?;
    super::start::start(&made, options.until_pid)?;
    if options.night {
        live_through_the_night(&made)?;
    }
    site::write(&made)
}

/// Lets the time until the beginning pass, which runs the nightly job of every server.
fn live_through_the_night(fleet: &Fleet) -> Result<(), FleetError> {
    let now = Clock::open(&fleet.clock())?.now()?.as_second();
    order::step(fleet, (START_UNIX_S - now).max(0) as f64, false)
}

/// Makes the directory, owned by the account, with our program in it.
fn prepare(root: &Path, program: &Path, account: &Account) -> Result<(), FleetError> {
    if fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(FleetError::Occupied { root: root.to_owned() });
    }
    let bin = root.join("bin");
    for dir in [root, &bin] {
        fs::create_dir_all(dir).map_err(|source| FleetError::file("make", dir, source))?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755))
            .map_err(|source| FleetError::file("open", dir, source))?;
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(dir, Some(account.uid), Some(account.gid))
                .map_err(|source| FleetError::file("give away", dir, source))?;
        }
    }
    let ours = bin.join("crds-stand-in");
    if fs::hard_link(program, &ours).is_err() {
        fs::copy(program, &ours).map_err(|source| FleetError::file("copy the program to", &ours, source))?;
    }
    Ok(())
}

/// Carries on as the account in a process of its own. A rules archive is handed over open: the account may not be able to read it.
fn as_account(options: &Options, root: &Path, account: &Account) -> Result<PathBuf, FleetError> {
    let mut command = Command::new(root.join("bin/crds-stand-in"));
    command.args(["fleet", "up", "--root"]).arg(root).args(["--account", &account.name]);
    let roles: Vec<&str> = options.hosts.iter().map(|role| role.as_str()).collect();
    command.args(["--hosts", &roles.join(","), "--observatory", &options.observatory]);
    command.args(["--layout", text_of(&options.layout).as_str(), "--era", text_of(&options.era).as_str()]);
    for (name, value) in [("--real-client", &options.real_client), ("--seed-plan", &options.seed_plan)] {
        if let Some(value) = value {
            command.arg(name).arg(std::path::absolute(value).unwrap_or_else(|_| value.clone()));
        }
    }
    if let Some(pid) = options.until_pid {
        command.args(["--until-pid", &pid.to_string()]);
    }
    if !options.night {
        command.arg("--no-night");
    }
    let rules = rules_source(options)?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut feeder = None;
    if rules.is_file() {
        let file = fs::File::open(&rules).map_err(|source| FleetError::file("open", &rules, source))?;
        command.args(["--rules", "-"]).stdin(file);
    } else {
        command.args(["--rules", "-"]).stdin(Stdio::piped());
        feeder = Some(rules.clone());
    }
    command.current_dir(root).env("CRDS_RULES_REAL", if is_small(&rules) { "0" } else { "1" });
    account.apply(&mut command);
    let mut child = command.spawn().map_err(|error| FleetError::Process {
        what: format!("starting as `{}`", account.name),
        why: error.to_string(),
    })?;
    let feeding = feeder.zip(child.stdin.take()).map(|(dir, into)| std::thread::spawn(move || pack(&dir, into)));
    let ended = child
        .wait_with_output()
        .map_err(|error| FleetError::Process { what: "fleet up".to_owned(), why: error.to_string() })?;
    if let Some(Ok(Err(source))) = feeding.map(std::thread::JoinHandle::join)
        && source.kind() != std::io::ErrorKind::BrokenPipe
    {
        return Err(FleetError::file("read", &rules, source));
    }
    let said = String::from_utf8_lossy(&ended.stdout);
    let site = said.lines().find_map(|line| line.strip_prefix("site: ")).map(PathBuf::from);
    site.filter(|_| ended.status.success()).ok_or_else(|| FleetError::Process {
        what: format!("fleet up as `{}`", account.name),
        why: String::from_utf8_lossy(&ended.stderr).trim().to_owned(),
    })
}

/// Writes the rules of a cache directory as a tar archive.
fn pack(dir: &Path, into: impl std::io::Write) -> std::io::Result<()> {
    let mut archive = tar::Builder::new(std::io::BufWriter::new(into));
    archive.follow_symlinks(true);
    for part in fs::read_dir(dir)? {
        let part = part?;
        let name = part.file_name();
        if part.path().is_dir() {
            archive.append_dir_all(&name, part.path())?;
        } else {
            archive.append_path_with_name(part.path(), &name)?;
        }
    }
    archive.into_inner()?.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    Ok(())
}

fn text_of(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Where the rules come from: as asked, or the small set of the project.
fn rules_source(options: &Options) -> Result<PathBuf, FleetError> {
    if let Some(rules) = &options.rules {
        return Ok(rules.clone());
    }
    let beside = std::env::var_os("CARGO_MANIFEST_DIR").map(|dir| PathBuf::from(dir).join(SMALL_RULES));
    let candidates = [beside, Some(PathBuf::from(SMALL_RULES))];
    candidates.into_iter().flatten().find(|dir| dir.is_dir()).ok_or_else(|| FleetError::LayOut {
        why: format!("there is no `{SMALL_RULES}` here; name a cache with --rules"),
    })
}

/// The small rules set, relative to the project.
const SMALL_RULES: &str = "fixtures/rules";

fn is_small(rules: &Path) -> bool {
    rules.ends_with(SMALL_RULES)
}

/// Makes everything that a fleet consists of, but for its processes.
fn make(options: &Options, root: PathBuf, account: Account) -> Result<Fleet, FleetError> {
    let source = rules_source(options)?;
    let taken = addresses::take(&root, options.hosts.len())?;
    let mut hosts: Vec<Host> = Vec::new();
    for (role, address) in options.hosts.iter().copied().zip(taken) {
        hosts.push(Host {
            role,
            uname: uname(&options.observatory, role),
            use_case: role.as_str().to_owned(),
            address,
            proxy_port: (role != Role::Scratch).then_some(PROXY_PORT),
            dir: root.join("hosts").join(role.as_str()),
            observatory: options.observatory.clone(),
        });
    }
    let real_rules = match std::env::var("CRDS_RULES_REAL") {
        Ok(flag) => flag == "1",
        Err(_) => !is_small(&source),
    };
    let rules = if source.is_dir() {
        fs::canonicalize(&source).map_err(|error| FleetError::file("find", &source, error))?
    } else {
        root.join("rules")
    };
    let fleet = Fleet {
        observatory: options.observatory.clone(),
        layout: options.layout,
        era: options.era,
        account: account.name,
        uid: account.uid,
        gid: account.gid,
        groups: account.groups,
        rules,
        real_rules,
        seed_plan: options.seed_plan.clone(),
        real_client: options.real_client.clone(),
        hosts,
        root,
    };
    fleet.store()?;
    let which = fleet.root.join("rules.txt");
    let word = if fleet.real_rules { "real\n" } else { "fixture\n" };
    fs::write(&which, word).map_err(|source| FleetError::file("write", &which, source))?;
    let begin = if options.night { START_UNIX_S - NIGHT_S } else { START_UNIX_S };
    let start = Timestamp::from_second(begin).unwrap_or(Timestamp::UNIX_EPOCH);
    Clock::create(&fleet.clock(), start)?;
    if !source.is_dir() {
        unpack(&source, &fleet.rules)?;
    }
    lay_machines(&fleet)?;
    host::lay_out(&fleet, options.night).map_err(|error| FleetError::LayOut { why: describe(&error) })?;
    Ok(fleet)
}

/// An error with its causes and its help, as one text.
fn describe(error: &host::LayOutError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    format!("{text} ({})", error.help())
}

/// Unpacks a cache (`.tar` or `.tar.zst`) into `into`, which then holds `mappings/`.
fn unpack(archive: &Path, into: &Path) -> Result<(), FleetError> {
    let fail = |source| FleetError::file("unpack", archive, source);
    // `-`: handed over open by root, since the account may not be able to open it.
    let file: Box<dyn Read> = if archive == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(fs::File::open(archive).map_err(fail)?)
    };
    let mut file = std::io::BufReader::new(file);
    let mut first = [0; 4];
    file.read_exact(&mut first).map_err(fail)?;
    let whole = std::io::Cursor::new(first).chain(file);
    let plain: Box<dyn Read> = if first == [0x28, 0xb5, 0x2f, 0xfd] {
        Box::new(zstd::stream::read::Decoder::new(whole).map_err(fail)?)
    } else {
        Box::new(whole)
    };
    fs::create_dir_all(into).map_err(fail)?;
    let mut archive = tar::Archive::new(plain);
    archive.set_preserve_mtime(false);
    archive.unpack(into).map_err(fail)?;
    // An archive may hold the cache itself or one directory with it.
    if !into.join("mappings").is_dir()
        && let Some(inner) =
            fs::read_dir(into).map_err(fail)?.flatten().find(|entry| entry.path().join("mappings").is_dir())
    {
        let inner = inner.path();
        for entry in fs::read_dir(&inner).map_err(fail)?.flatten() {
            fs::rename(entry.path(), into.join(entry.file_name())).map_err(fail)?;
        }
    }
    Ok(())
}

/// What every machine has before anything of CRDS is on it.
fn lay_machines(fleet: &Fleet) -> Result<(), FleetError> {
    let dir = |path: &Path, mode: u32| {
        fs::create_dir_all(path).map_err(|source| FleetError::file("make", path, source))?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(|source| FleetError::file("open", path, source))
    };
    let link =
        |target: &str, path: &Path| symlink(target, path).map_err(|source| FleetError::file("link", path, source));
    fs::write(fleet.preload(), clock::PRELOAD).map_err(|source| FleetError::file("write", &fleet.preload(), source))?;
    let enter = fleet.root.join("bin/enter");
    fs::write(&enter, enter::PROGRAM).map_err(|source| FleetError::file("write", &enter, source))?;
    fs::set_permissions(&enter, fs::Permissions::from_mode(0o755))
        .map_err(|source| FleetError::file("open", &enter, source))?;
    dir(&fleet.run(), 0o755)?;
    let mail = fleet.home().join("Maildir");
    for part in ["new", "cur", "tmp"] {
        dir(&mail.join(part), 0o700)?;
    }
    for part in ["archive", "ca", "submissions", "svn"] {
        dir(&fleet.root.join(part), 0o755)?;
    }
    dir(&fleet.root.join("secrets"), 0o700)?;
    for account in site::CREDENTIALS {
        let path = site::secret_file(fleet, account);
        let secret = uuid::Uuid::new_v4().simple().to_string();
        fs::write(&path, format!("{secret}\n")).map_err(|source| FleetError::file("write", &path, source))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
            .map_err(|source| FleetError::file("close", &path, source))?;
    }
    let borrowed = tools::machine::borrowed::programs();
    let authority = Authority::create(&fleet.authority(), &fleet.root.join("ca/ca.key"))?;
    for host in &fleet.hosts {
        for part in
            [host.bin(), host.run(), host.root().join("opt/SSL"), host.root().join("usr"), host.root().join("home")]
        {
            dir(&part, 0o755)?;
        }
        dir(&host.root().join("tmp"), 0o1777)?;
        link("../../bin/enter", &host.enter())?;
        for name in tools::machine::NAMES {
            match tools::machine::real(name) {
                Some(program) => link(program, &host.bin().join(name))?,
                None => link("../../../bin/crds-stand-in", &host.bin().join(name))?,
            }
        }
        dir(&host.borrowed(), 0o755)?;
        for (name, program) in &borrowed {
            symlink(program, host.borrowed().join(name)).map_err(|source| FleetError::file("link", program, source))?;
        }
        link("../../bin", &host.root().join("usr/bin"))?;
        dir(&host.root().join("usr/sbin"), 0o755)?;
        for name in tools::machine::FOR_ROOT {
            link(&format!("../../../bin/{name}"), &host.root().join("usr/sbin").join(name))?;
        }
        if host.role == Role::Scratch {
            dir(&host.root().join("home/crds"), 0o755)?;
        } else {
            link("../../../../home/crds", &host.root().join("home/crds"))?;
        }
        let name = host.run().join("nodename");
        fs::write(&name, host.full_name()).map_err(|source| FleetError::file("write", &name, source))?;
        let login = host.run().join("login");
        fs::write(&login, fleet.login(host)).map_err(|source| FleetError::file("write", &login, source))?;
        let ssl = host.root().join("opt/SSL");
        authority.issue(host, &ssl.join("star_stsci_edu.crt"), &ssl.join("star_stsci_edu.key"), 2010, 2040)?;
        fs::copy(fleet.authority(), ssl.join("DigiCertCA.crt"))
            .map_err(|source| FleetError::file("copy", &ssl, source))?;
        if host.proxy_port.is_some() {
            authority.issue(host, &host.run().join("proxy.crt"), &host.run().join("proxy.key"), 2010, 2040)?;
        }
    }
    Ok(())
}
