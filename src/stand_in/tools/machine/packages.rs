//! `rpm`: the packages of a host, as its backups list them (SO 11).

use super::{Call, here_or_complain};

const PACKAGES: &[&str] = &[
    "bash-4.1.2-15.el6_5.2.x86_64",
    "coreutils-8.4-31.el6_5.2.x86_64",
    "cronie-1.4.4-12.el6.x86_64",
    "freetds-0.91-2.el6.x86_64",
    "glibc-2.12-1.132.el6_5.4.x86_64",
    "httpd-2.2.15-31.el6_5.x86_64",
    "kernel-2.6.32-431.29.2.el6.x86_64",
    "mailx-12.4-7.el6.x86_64",
    "memcached-1.4.4-3.el6.x86_64",
    "mod_ssl-2.2.15-31.el6_5.x86_64",
    "mysql-5.1.73-3.el6_5.x86_64",
    "openssl-1.0.1e-30.el6_6.2.x86_64",
    "perl-5.10.1-136.el6.x86_64",
    "subversion-1.6.11-10.el6_5.x86_64",
    "tcsh-6.17-24.el6.x86_64",
    "unixODBC-2.2.14-14.el6.x86_64",
];

/// `rpm -qa`, `rpm -q NAME...`. A file `etc/rpm.list` on the host takes the list's place.
pub fn rpm(call: &mut Call<'_>) -> i32 {
    let Some((_, host)) = here_or_complain(call) else { return 1 };
    let listed = std::fs::read_to_string(host.root().join("etc/rpm.list"));
    let packages: Vec<String> = match &listed {
        Ok(text) => text.lines().map(str::to_owned).collect(),
        Err(_) => PACKAGES.iter().map(|&name| name.to_owned()).collect(),
    };
    let flags: String = call.args.iter().filter(|arg| arg.starts_with('-')).cloned().collect();
    let names: Vec<String> = call.args.iter().filter(|arg| !arg.starts_with('-')).cloned().collect();
    if !flags.contains('q') {
        call.complain("RPM version 4.8.0\nno operation specified");
        return 1;
    }
    if flags.contains('a') {
        packages.iter().for_each(|package| call.say(package));
        return 0;
    }
    let mut missing = 0;
    for name in names {
        let found = packages.iter().find(|package| {
            let base = package.rsplitn(3, '-').nth(2).unwrap_or(package);
            base == name || **package == name
        });
        match found {
            Some(package) => call.say(package),
            None => {
                call.say(format_args!("package {name} is not installed"));
                missing += 1;
            }
        }
    }
    missing
}
