//! Starting and ending the processes of a fleet.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::order::{self, Order};
use super::spec::Fleet;
use super::{FleetError, addresses, processes};

/// How long the keeper may take to answer its first question.
const KEEPER_PATIENCE: Duration = Duration::from_secs(10);

/// How long processes may take to end when asked to.
pub const END_PATIENCE: Duration = Duration::from_secs(3);

/// Starts the keeper and the servers of a fleet that was just made.
///
/// # Errors
///
/// [`FleetError::Process`] if one does not come up.
pub fn start(fleet: &Fleet, until_pid: Option<i32>) -> Result<(), FleetError> {
    start_keeper(fleet, until_pid)?;
    start_servers(fleet)
}

/// Starts the servers of all hosts that have one installed, as their operator would.
///
/// # Errors
///
/// [`FleetError::Process`] with what the host's `run` said.
pub fn start_servers(fleet: &Fleet) -> Result<(), FleetError> {
    let installed = fleet.hosts.iter().filter(|host| host.tree().join("CRDS_server/run").exists());
    let mut children = Vec::new();
    for host in installed {
        let what = format!("starting the server of {}", host.uname);
        let mut command = fleet.command(host, super::enter::LOGIN_SHELL);
        command.args(["-c", "cd $CRDS/CRDS_server; ./run"]).stdin(Stdio::null());
        let output = host.run().join("start.log");
        let log = fs::File::create(&output).map_err(|source| FleetError::file("write", &output, source))?;
        let errors = log.try_clone().map_err(|source| FleetError::file("write", &output, source))?;
        command.stdout(log).stderr(errors);
        // SAFETY: one plain system call.
        unsafe {
            command.pre_exec(|| rustix::process::setsid().map(|_| ()).map_err(Into::into));
        }
        let child =
            command.spawn().map_err(|error| FleetError::Process { what: what.clone(), why: error.to_string() })?;
        children.push((what, output, child));
    }
    for (what, output, mut child) in children {
        let ended = child.wait();
        if !ended.is_ok_and(|status| status.success()) {
            let why = fs::read_to_string(&output).unwrap_or_default().trim().to_owned();
            return Err(FleetError::Process { what, why });
        }
    }
    Ok(())
}

/// Starts the keeper: cron, archive, proxies, clock.
///
/// # Errors
///
/// [`FleetError::Process`] if it does not answer.
pub fn start_keeper(fleet: &Fleet, until_pid: Option<i32>) -> Result<(), FleetError> {
    let log_path = fleet.run().join("keeper.log");
    let log = fs::OpenOptions::new().create(true).append(true).open(&log_path);
    let log = log.map_err(|source| FleetError::file("open", &log_path, source))?;
    let errors = log.try_clone().map_err(|source| FleetError::file("open", &log_path, source))?;
    let mut command = Command::new(fleet.program());
    command.args(["fleet", "keep", "--root"]).arg(&fleet.root).current_dir("/").stdin(Stdio::null());
    if let Some(pid) = until_pid {
        command.args(["--until-pid", &pid.to_string()]);
    }
    command.stdout(log).stderr(errors).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
    fleet.owner().apply(&mut command);
    // SAFETY: one plain system call.
    unsafe {
        command.pre_exec(|| rustix::process::setsid().map(|_| ()).map_err(Into::into));
    }
    let fail = |why: String| FleetError::Process { what: "the fleet's keeper".to_owned(), why };
    let mut child = command.spawn().map_err(|error| fail(error.to_string()))?;
    let begun = Instant::now();
    loop {
        if order::give(fleet, &Order::Ping).is_ok() {
            return Ok(());
        }
        if let Ok(Some(status)) = child.try_wait() {
            let said = fs::read_to_string(&log_path).unwrap_or_default();
            let last: Vec<&str> = said.lines().rev().take(5).collect();
            return Err(fail(format!("it ended with {status}: {}", last.join("; "))));
        }
        if begun.elapsed() > KEEPER_PATIENCE {
            return Err(fail(format!("it does not answer; its log is `{}`", log_path.display())));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ends every process of the fleet and gives its addresses back. The files stay.
///
/// # Errors
///
/// [`FleetError::NoFleet`].
pub fn down(root: &std::path::Path) -> Result<(), FleetError> {
    let root = std::path::absolute(root).map_err(|source| FleetError::file("find", root, source))?;
    let fleet = Fleet::load(&root)?;
    end_keeper(&fleet);
    processes::end_all(&fleet, END_PATIENCE);
    addresses::release(&root, fleet.hosts.iter().map(|host| host.address));
    Ok(())
}

/// Ends the keeper, if it runs.
pub fn end_keeper(fleet: &Fleet) {
    let Some(pid) = super::keeper::running(fleet) else { return };
    processes::signal(pid, rustix::process::Signal::TERM);
    let begun = Instant::now();
    while super::keeper::running(fleet) == Some(pid) {
        if begun.elapsed() > END_PATIENCE {
            processes::signal(pid, rustix::process::Signal::KILL);
        }
        if begun.elapsed() > END_PATIENCE * 2 {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
