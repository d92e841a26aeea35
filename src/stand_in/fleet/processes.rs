//! The processes of a fleet and of each host, found by `HOST_ROOT` in their environment. A process that lives in another mount
//! namespace belongs to a copy of the fleet at the same path.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::spec::{Fleet, Host};

/// A process of a host.
#[derive(Clone, Debug)]
pub struct Process {
    /// Process id.
    pub pid: i32,
    /// Parent's process id.
    pub parent: i32,
    /// Group id.
    pub group: i32,
    /// Session id.
    pub session: i32,
    /// State letter as in `ps`.
    pub state: char,
    /// Short name.
    pub name: String,
    /// The command line.
    pub args: Vec<String>,
    /// Its `HOST_ROOT`.
    pub host_root: PathBuf,
    /// When it started, in real nanoseconds since 1970.
    pub started_ns: i64,
    /// Processor time used, in seconds.
    pub cpu_s: f64,
    /// Resident memory in KiB.
    pub rss_kib: u64,
    /// Virtual memory in KiB.
    pub vsz_kib: u64,
}

/// All processes of the fleet at `root`, this one included if it is one, ascending by id.
pub fn of_fleet(root: &Path) -> Vec<Process> {
    let hosts = root.join("hosts");
    let mut found: Vec<Process> = scan().into_iter().filter(|process| process.host_root.starts_with(&hosts)).collect();
    found.sort_by_key(|process| process.pid);
    found
}

/// All processes of one host, ascending by id.
pub fn of_host(host: &Host) -> Vec<Process> {
    let root = host.root();
    let mut found: Vec<Process> = scan().into_iter().filter(|process| process.host_root == root).collect();
    found.sort_by_key(|process| process.pid);
    found
}

/// Whether `pid` is `ancestor` or descends from it.
pub fn descends(pid: i32, ancestor: i32) -> bool {
    let mut current = pid;
    for _ in 0..64 {
        if current == ancestor {
            return true;
        }
        let Some(stat) = read_stat(current) else { return false };
        if stat.parent <= 1 {
            return false;
        }
        current = stat.parent;
    }
    false
}

/// Sends a signal to a process; one that is gone is not an error.
pub fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// Ends every process of the fleet but this one: TERM, then KILL after `patience`.
pub fn end_all(fleet: &Fleet, patience: Duration) {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let others = || of_fleet(&fleet.root).into_iter().filter(move |process| process.pid != own && process.state != 'Z');
    let begun = Instant::now();
    let mut first = true;
    loop {
        let left: Vec<Process> = others().collect();
        if left.is_empty() || begun.elapsed() > patience + Duration::from_secs(5) {
            return;
        }
        let how = if begun.elapsed() > patience { Signal::KILL } else { Signal::TERM };
        if first || how == Signal::KILL {
            left.iter().for_each(|process| signal(process.pid, how));
            first = false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

struct Stat {
    name: String,
    state: char,
    parent: i32,
    group: i32,
    session: i32,
    cpu_ticks: u64,
    start_ticks: u64,
    vsz_bytes: u64,
    rss_pages: u64,
}

fn read_stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (open, close) = (text.find('(')?, text.rfind(')')?);
    let rest: Vec<&str> = text.get(close + 2..)?.split(' ').collect();
    let number = |at: usize| rest.get(at).and_then(|field| field.parse::<u64>().ok());
    let id = |at: usize| rest.get(at).and_then(|field| field.parse::<i32>().ok());
    Some(Stat {
        name: text.get(open + 1..close)?.to_owned(),
        state: rest.first()?.chars().next()?,
        parent: id(1)?,
        group: id(2)?,
        session: id(3)?,
        cpu_ticks: number(11)? + number(12)?,
        start_ticks: number(19)?,
        vsz_bytes: number(20)?,
        rss_pages: number(21)?,
    })
}

fn scan() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let own_space = fs::read_link("/proc/self/ns/mnt").ok();
    let boot_ns = boot_time_ns();
    let tick = i64::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100).max(1);
    let page_kib = (rustix::param::page_size() / 1024) as u64;
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let Ok(environment) = fs::read(entry.path().join("environ")) else { continue };
        let Some(host_root) = environment.split(|&byte| byte == 0).find_map(|line| line.strip_prefix(b"HOST_ROOT="))
        else {
            continue;
        };
        let space = fs::read_link(entry.path().join("ns/mnt")).ok();
        if space.is_some() && own_space.is_some() && space != own_space {
            continue;
        }
        let Some(stat) = read_stat(pid) else { continue };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let args =
            line.split(|&byte| byte == 0).map(|arg| String::from_utf8_lossy(arg).into_owned()).collect::<Vec<_>>();
        let args =
            args.split_last().filter(|(last, _)| last.is_empty()).map_or(args.clone(), |(_, rest)| rest.to_vec());
        let ticks = i64::try_from(stat.start_ticks).unwrap_or(0);
        found.push(Process {
            pid,
            parent: stat.parent,
            group: stat.group,
            session: stat.session,
            state: stat.state,
            name: stat.name,
            args,
            host_root: PathBuf::from(String::from_utf8_lossy(host_root).into_owned()),
            started_ns: boot_ns + ticks * (1_000_000_000 / tick),
            cpu_s: stat.cpu_ticks as f64 / tick as f64,
            rss_kib: stat.rss_pages * page_kib,
            vsz_kib: stat.vsz_bytes / 1024,
        });
    }
    found
}

/// When the machine was booted, in real nanoseconds since 1970: what the start times of processes count from.
fn boot_time_ns() -> i64 {
    use rustix::time::{ClockId, clock_gettime};
    // Raw system calls: true in processes with the preloaded library too.
    let now = clock_gettime(ClockId::Realtime);
    let up = clock_gettime(ClockId::Boottime);
    (now.tv_sec - up.tv_sec) * 1_000_000_000 + (now.tv_nsec - up.tv_nsec)
}
