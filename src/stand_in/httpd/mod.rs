//! The stand-in for Apache with mod_wsgi: what it serves, how and whether at all is decided by the configuration and
//! by what is installed when a worker starts.

pub mod application;
pub mod conf;
pub mod daemon;
pub mod logs;
pub mod pages;
pub mod python;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;

use self::application::Surroundings;
use self::conf::Conf;
use self::logs::Logs;
use crate::stand_in::tools::{Call, machine};

const USAGE: &str = "Usage: httpd [-D name] [-d directory] [-f file]\n             [-C \"directive\"] [-c \"directive\"]\n             [-k start|restart|graceful|graceful-stop|stop]\n             [-v] [-V] [-h] [-l] [-L] [-t] [-S]\n";

/// `httpd -f CONF [-k start|stop]`, `httpd -t -f CONF`, `httpd -v`.
pub fn httpd(call: &mut Call<'_>) -> i32 {
    let mut conf = PathBuf::from("/etc/httpd/conf/httpd.conf");
    let (mut test, mut action) = (false, "start".to_owned());
    let mut args = call.args.clone().into_iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-v" => {
                call.say("Server version: Apache/2.2.15 (Unix)\nServer built:   Jul 23 2014 14:17:29");
                return 0;
            }
            "-t" => test = true,
            "-f" => conf = args.next().map(PathBuf::from).unwrap_or_default(),
            "-k" => action = args.next().unwrap_or_default(),
            "-D" | "-d" | "-C" | "-c" => {
                args.next();
            }
            other => {
                let flag = other.trim_start_matches('-');
                call.complain(format_args!("httpd: illegal option -- {flag}\n{USAGE}"));
                return 1;
            }
        }
    }
    let Some((fleet, host)) = machine::here() else {
        call.complain("httpd: HOST_ROOT names no host of a fleet");
        return 1;
    };
    let read = Conf::read(&conf).and_then(|conf| conf.check().map(|()| conf));
    let conf = match read {
        Ok(conf) => conf,
        Err(refused) => {
            call.complain(refused);
            return 1;
        }
    };
    if test {
        call.complain("Syntax OK");
        return 0;
    }
    if action == "stop" {
        return stop(call, &conf);
    }
    let started = start(conf, fleet, host);
    match started {
        Ok(()) => 0,
        Err(why) => {
            call.complain(why);
            1
        }
    }
}

fn start(
    conf: Conf,
    fleet: crate::stand_in::fleet::spec::Fleet,
    host: crate::stand_in::fleet::spec::Host,
) -> Result<(), String> {
    let tls = daemon::tls(&conf)?;
    let ports = daemon::take_ports(&conf, host.address)?;
    let logs = Logs::open(&conf, false).map_err(|(path, error)| {
        format!(
            "({}){}: httpd: could not open error log file {}.\nUnable to open logs",
            error.raw_os_error().unwrap_or(0),
            conf::words(&error),
            path.display()
        )
    })?;
    let surroundings =
        Surroundings { fleet, host, conf, logs: Arc::new(logs), environment: std::env::vars().collect() };
    daemon::run(daemon::Parts { surroundings, ports, tls }).map_err(|error| error.to_string())
}

fn stop(call: &mut Call<'_>, conf: &Conf) -> i32 {
    let pid_file = conf.path(conf.value("PidFile", false).unwrap_or("logs/httpd.pid"));
    let pid = std::fs::read_to_string(&pid_file).ok().and_then(|text| text.trim().parse().ok());
    match pid {
        Some(pid) => {
            crate::stand_in::fleet::processes::signal(pid, rustix::process::Signal::TERM);
            0
        }
        None => {
            call.complain("httpd (no pid file) not running");
            0
        }
    }
}
