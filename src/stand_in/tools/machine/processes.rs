//! `ps`, `pgrep`, `pkill`, `killall`: the processes of this host only, in fleet time.

use jiff::Timestamp;
use rustix::process::Signal;

use super::{Call, here_or_complain};
use crate::stand_in::fleet::clock::{Clock, fleet_time};
use crate::stand_in::fleet::mail;
use crate::stand_in::fleet::processes::{self, Process};
use crate::stand_in::fleet::spec::Fleet;

/// What a listing needs to know of the fleet.
struct Times {
    account: String,
    now: Timestamp,
    history: Vec<crate::stand_in::fleet::clock::Entry>,
}

impl Times {
    fn of(fleet: &Fleet) -> Times {
        let clock = Clock::open(&fleet.clock()).ok();
        let now = clock.as_ref().and_then(|clock| clock.now().ok()).unwrap_or_else(Timestamp::now);
        let history = clock.and_then(|clock| clock.entries().ok()).unwrap_or_default();
        Times { account: fleet.account.clone(), now, history }
    }

    fn started(&self, process: &Process) -> Timestamp {
        let ns = fleet_time(&self.history, process.started_ns);
        Timestamp::from_nanosecond(i128::from(ns)).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn elapsed_s(&self, process: &Process) -> i64 {
        self.now.duration_since(self.started(process)).as_secs().max(0)
    }
}

/// What `ps` is asked for.
struct Asked {
    everybody: bool,
    pids: Option<Vec<i32>>,
    names: Option<Vec<String>>,
    users: Option<Vec<String>>,
    columns: Vec<(String, Option<String>)>,
    headings: bool,
}

/// `ps` with the options that scripts use: `-e -A -f -l -u -U -p -C -o`, `ax`, `aux`, `ww`, `h`.
pub fn ps(call: &mut Call<'_>) -> i32 {
    let Some((fleet, host)) = here_or_complain(call) else { return 1 };
    let asked = match ask(&call.args) {
        Ok(asked) => asked,
        Err(why) => {
            call.complain(format_args!("error: {why}\nUsage: ps [-eAf] [-u users] [-p pids] [-C names] [-o columns]"));
            return 1;
        }
    };
    let times = Times::of(&fleet);
    let mut shown: Vec<Process> = processes::of_host(&host);
    let chosen = asked.pids.is_some() || asked.names.is_some() || asked.users.is_some();
    if chosen {
        let id = fleet.uid.to_string();
        shown.retain(|process| {
            asked.pids.as_ref().is_some_and(|pids| pids.contains(&process.pid))
                || asked.names.as_ref().is_some_and(|names| names.contains(&process.name))
                || asked
                    .users
                    .as_ref()
                    .is_some_and(|users| users.iter().any(|user| *user == fleet.account || *user == id))
        });
    } else if !asked.everybody {
        let session = rustix::process::getsid(None).map_or(0, |session| session.as_raw_nonzero().get());
        shown.retain(|process| process.session == session);
    }
    let rows: Vec<Vec<String>> = shown
        .iter()
        .map(|process| asked.columns.iter().map(|(column, _)| cell(column, process, &times)).collect())
        .collect();
    print(call, &asked, &rows);
    i32::from(chosen && shown.is_empty())
}

fn print(call: &mut Call<'_>, asked: &Asked, rows: &[Vec<String>]) {
    let titles: Vec<String> = asked
        .columns
        .iter()
        .map(|(column, title)| title.clone().unwrap_or_else(|| heading(column).to_owned()))
        .collect();
    let headings = asked.headings && titles.iter().any(|title| !title.is_empty());
    let last = titles.len().saturating_sub(1);
    let widths: Vec<usize> = (0..titles.len())
        .map(|at| {
            let of_rows = rows.iter().filter_map(|row| row.get(at)).map(String::len).max().unwrap_or(0);
            let least = if matches!(asked.columns[at].0.as_str(), "pid" | "ppid") { 5 } else { 0 };
            of_rows.max(if headings { titles[at].len() } else { 0 }).max(least)
        })
        .collect();
    let line = |cells: &[String]| {
        let mut text = String::new();
        for (at, cell) in cells.iter().enumerate() {
            let right = right_aligned(&asked.columns[at].0);
            let width = widths[at];
            if at == last && !right {
                text.push_str(cell);
            } else if right {
                text.push_str(&format!("{cell:>width$}"));
            } else {
                text.push_str(&format!("{cell:<width$}"));
            }
            if at != last {
                text.push(' ');
            }
        }
        text
    };
    if headings {
        call.say(line(&titles));
    }
    for row in rows {
        call.say(line(row));
    }
}

fn ask(args: &[String]) -> Result<Asked, String> {
    let mut asked =
        Asked { everybody: false, pids: None, names: None, users: None, columns: Vec::new(), headings: true };
    let (mut full, mut usage) = (false, false);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if let Some(long) = arg.strip_prefix("--") {
            match long.split_once('=').unwrap_or((long, "")) {
                ("no-headers" | "no-heading" | "noheader", _) => asked.headings = false,
                ("pid", list) => take_pids(&mut asked, list)?,
                ("user", list) => asked.users.get_or_insert_default().extend(words(list)),
                ("format", list) => columns(&mut asked, list),
                ("ppid" | "sort" | "forest" | "width" | "cols", _) => {}
                _ => return Err(format!("unknown gnu long option `{arg}`")),
            }
            continue;
        }
        let (dash, letters) = match arg.strip_prefix('-') {
            Some(letters) => (true, letters),
            None => (false, arg.as_str()),
        };
        if !dash && letters.chars().all(|letter| letter.is_ascii_digit() || letter == ',') {
            take_pids(&mut asked, letters)?;
            continue;
        }
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            let mut value = || {
                let attached: String = rest.by_ref().collect();
                if attached.is_empty() { args.next().cloned() } else { Some(attached) }
                    .ok_or_else(|| format!("option `{letter}` needs a value"))
            };
            match (letter, dash) {
                ('e' | 'A', true) | ('a' | 'x', _) => asked.everybody = true,
                ('f', true) => full = true,
                ('u', false) => usage = true,
                ('w' | 'l' | 'H' | 'f' | 'd' | 'j' | 'L' | 'T', _) => {}
                ('h', _) => asked.headings = false,
                ('u' | 'U', true) => {
                    let list = value()?;
                    asked.users.get_or_insert_default().extend(words(&list));
                }
                ('p', _) => take_pids(&mut asked, &value()?)?,
                ('C', true) => {
                    let list = value()?;
                    asked.names.get_or_insert_default().extend(words(&list));
                }
                ('o', _) => columns(&mut asked, &value()?),
                _ => return Err(format!("unsupported option `{letter}`")),
            }
        }
    }
    if asked.columns.is_empty() {
        let list = match (full, usage, asked.everybody && !full) {
            (true, _, _) => "user=UID,pid,ppid,c,stime,tty,time,cmd",
            (_, true, _) => "user,pid,pcpu,pmem,vsz,rss,tty,stat,start,time,command",
            (_, _, true) if args_are_bsd(&asked) => "pid,tty,stat,time,command",
            _ => "pid,tty,time,comm=CMD",
        };
        columns(&mut asked, list);
    }
    Ok(asked)
}

fn args_are_bsd(asked: &Asked) -> bool {
    asked.pids.is_none() && asked.users.is_none()
}

fn words(list: &str) -> Vec<String> {
    list.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn take_pids(asked: &mut Asked, list: &str) -> Result<(), String> {
    for word in words(list) {
        asked
            .pids
            .get_or_insert_default()
            .push(word.parse().map_err(|_| format!("process ID list syntax error: `{word}`"))?);
    }
    Ok(())
}

/// `pid,args=COMMAND,etime=`: a heading runs to the end of the list, as POSIX has it, unless columns follow.
fn columns(asked: &mut Asked, list: &str) {
    for part in list.split([',', ' ']).filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some((column, title)) => asked.columns.push((column.to_owned(), Some(title.to_owned()))),
            None => asked.columns.push((part.to_owned(), None)),
        }
    }
}

fn right_aligned(column: &str) -> bool {
    matches!(
        column,
        "pid"
            | "ppid"
            | "pgid"
            | "pgrp"
            | "sid"
            | "sess"
            | "uid"
            | "etime"
            | "etimes"
            | "time"
            | "cputime"
            | "rss"
            | "rsz"
            | "vsz"
            | "pcpu"
            | "%cpu"
            | "pmem"
            | "%mem"
            | "c"
            | "ni"
            | "nlwp"
    )
}

fn heading(column: &str) -> &str {
    match column {
        "pid" => "PID",
        "ppid" => "PPID",
        "pgid" | "pgrp" => "PGID",
        "sid" | "sess" => "SID",
        "user" | "euser" | "uname" => "USER",
        "uid" | "euid" => "UID",
        "group" => "GROUP",
        "stat" => "STAT",
        "s" | "state" => "S",
        "args" | "command" => "COMMAND",
        "cmd" => "CMD",
        "comm" | "ucmd" | "ucomm" => "COMMAND",
        "etime" | "etimes" => "ELAPSED",
        "lstart" => "STARTED",
        "start" => "START",
        "stime" => "STIME",
        "time" | "cputime" => "TIME",
        "rss" | "rsz" => "RSS",
        "vsz" => "VSZ",
        "pcpu" | "%cpu" => "%CPU",
        "pmem" | "%mem" => "%MEM",
        "tty" | "tt" | "tname" => "TTY",
        "c" => "C",
        "ni" => "NI",
        "nlwp" => "NLWP",
        other => other,
    }
}

fn cell(column: &str, process: &Process, times: &Times) -> String {
    let started = || times.started(process).to_zoned(mail::zone());
    match column {
        "pid" => process.pid.to_string(),
        "ppid" => process.parent.to_string(),
        "pgid" | "pgrp" => process.group.to_string(),
        "sid" | "sess" => process.session.to_string(),
        "user" | "euser" | "uname" | "group" => times.account.clone(),
        "uid" | "euid" => rustix::process::getuid().as_raw().to_string(),
        "stat" => format!("{}{}", process.state, if process.session == process.pid { "s" } else { "" }),
        "s" | "state" => process.state.to_string(),
        "args" | "command" | "cmd" if process.args.is_empty() => format!("[{}] <defunct>", process.name),
        "args" | "command" | "cmd" => process.args.join(" "),
        "comm" | "ucmd" | "ucomm" => process.name.clone(),
        "etime" => elapsed(times.elapsed_s(process)),
        "etimes" => times.elapsed_s(process).to_string(),
        "lstart" => started().strftime("%a %b %e %H:%M:%S %Y").to_string(),
        "start" | "stime" => started().strftime("%H:%M").to_string(),
        "time" | "cputime" => {
            let seconds = process.cpu_s as i64;
            format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
        }
        "rss" | "rsz" => process.rss_kib.to_string(),
        "vsz" => process.vsz_kib.to_string(),
        "pcpu" | "%cpu" | "pmem" | "%mem" => "0.0".to_owned(),
        "tty" | "tt" | "tname" => "?".to_owned(),
        "c" | "ni" => "0".to_owned(),
        "nlwp" => "1".to_owned(),
        _ => "-".to_owned(),
    }
}

/// `[[dd-]hh:]mm:ss`.
fn elapsed(seconds: i64) -> String {
    let (days, hours, minutes, rest) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    if days > 0 {
        format!("{days}-{hours:02}:{minutes:02}:{rest:02}")
    } else if hours > 0 {
        format!("{hours:02}:{minutes:02}:{rest:02}")
    } else {
        format!("{minutes:02}:{rest:02}")
    }
}

/// `killall [-SIGNAL] [-q] [-w] [-u USER] NAME...`.
pub fn killall(call: &mut Call<'_>) -> i32 {
    let Some((_, host)) = here_or_complain(call) else { return 1 };
    let (mut signal, mut quiet, mut names) = (Signal::TERM, false, Vec::new());
    let mut args = call.args.clone().into_iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-q" | "--quiet" => quiet = true,
            "-w" | "-e" | "-I" | "-v" => {}
            "-u" => {
                args.next();
            }
            "-s" => signal = args.next().and_then(|name| named(&name)).unwrap_or(Signal::TERM),
            other => match other.strip_prefix('-') {
                None => names.push(arg.clone()),
                Some(name) => match named(name) {
                    Some(found) => signal = found,
                    None => {
                        call.complain(format_args!("killall: unknown signal; killall -l lists signals."));
                        return 1;
                    }
                },
            },
        }
    }
    let running = processes::of_host(&host);
    let mut status = 0;
    for name in names {
        let short: String = name.chars().take(15).collect();
        let mut any = false;
        for process in running.iter().filter(|process| process.name == short && process.state != 'Z') {
            processes::signal(process.pid, signal);
            any = true;
        }
        if !any {
            status = 1;
            if !quiet {
                call.complain(format_args!("{name}: no process killed"));
            }
        }
    }
    status
}

/// `pgrep [-f] [-l] [-x] [-u USER] PATTERN`; `pkill` the same with a signal.
pub fn pgrep(call: &mut Call<'_>) -> i32 {
    let Some((_, host)) = here_or_complain(call) else { return 3 };
    let (mut whole, mut long, mut exact, mut signal, mut pattern) = (false, false, false, Signal::TERM, None);
    let mut args = call.args.clone().into_iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-u" | "-U" | "-P" | "-d" => {
                args.next();
            }
            other => match other.strip_prefix('-') {
                None => pattern = Some(arg.clone()),
                Some(flags) => match named(flags) {
                    Some(found) => signal = found,
                    None => {
                        whole |= flags.contains('f');
                        long |= flags.contains('l') || flags.contains('a');
                        exact |= flags.contains('x');
                    }
                },
            },
        }
    }
    let compiled = pattern.map(|text| if exact { format!("^(?:{text})$") } else { text });
    let Some(pattern) = compiled.and_then(|text| regex::Regex::new(&text).ok()) else {
        call.complain(format_args!("{}: no matching criteria specified", call.name.clone()));
        return 2;
    };
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let mut status = 1;
    for process in processes::of_host(&host) {
        let line = process.args.join(" ");
        if process.pid == own || !pattern.is_match(if whole { &line } else { &process.name }) {
            continue;
        }
        status = 0;
        if call.name == "pkill" {
            processes::signal(process.pid, signal);
        } else if long {
            call.say(format_args!("{} {}", process.pid, if whole { &line } else { &process.name }));
        } else {
            call.say(process.pid);
        }
    }
    status
}

fn named(name: &str) -> Option<Signal> {
    Some(match name.trim_start_matches("SIG") {
        "9" | "KILL" => Signal::KILL,
        "15" | "TERM" => Signal::TERM,
        "1" | "HUP" => Signal::HUP,
        "2" | "INT" => Signal::INT,
        "10" | "USR1" => Signal::USR1,
        "19" | "STOP" => Signal::STOP,
        "18" | "CONT" => Signal::CONT,
        _ => return None,
    })
}
