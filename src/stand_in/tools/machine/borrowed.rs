//! The programs of the machine that a stand-in host has as they are.
//!
//! A real host of 2014 had some hundreds of programs in its path, and a csh reads every directory of the path whenever
//! that is set anew. A directory of the host's own, with what its scripts, its operators and their drills use, keeps
//! what else is installed on the machine out of a rehearsal: from what it finds, and from what it costs.

use std::path::PathBuf;

/// Where the machine has its programs.
const PLACES: [&str; 5] = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// Names, by the package that the real hosts had them from.
const NAMES: &[&str] = &[
    // coreutils
    "[ arch b2sum base32 base64 basename cat chgrp chmod chown cksum comm cp csplit cut date dd dir \
     dircolors dirname du echo env expand expr factor false fmt fold groups head id install join link ln \
     logname ls md5sum mkdir mkfifo mknod mktemp mv nice nl nohup nproc numfmt od paste pathchk pr \
     printenv printf ptx pwd readlink realpath rm rmdir seq sha1sum sha224sum sha256sum sha384sum \
     sha512sum shred shuf sort split stat stdbuf stty sum sync tac tail tee test timeout touch tr true \
     truncate tsort tty unexpand uniq unlink users vdir wc who whoami yes",
    // shells
    "bash csh dash tcsh",
    // findutils, grep, sed, gawk, diffutils, ed, less, which, file
    "awk cmp diff diff3 ed egrep fgrep file find gawk grep less locate mawk more rgrep sdiff sed which \
     xargs",
    // archives
    "bunzip2 bzcat bzip2 cpio gunzip gzip tar unxz unzip xz xzcat zcat zcmp zdiff zgrep zip zless zmore \
     zstd zstdcat",
    // perl and python of the machine, compilers: what a stack is built with
    "cc gcc make perl prove python3",
    // subversion, rsync, ssh, openssl, curl
    "curl openssl rsync scp sftp ssh ssh-add ssh-agent ssh-keygen svn svnadmin svndumpfilter svnlook \
     svnrdump svnserve svnsync svnversion",
    // procps, psmisc, util-linux
    "chrt col column flock free fuser getopt hexdump hostid ionice ipcs kill last logger look lsof namei \
     peekfd pidof pidwait pmap prlimit pstree pwdx rename renice rev script setpriv setsid strings \
     taskset tload top tree uptime vmstat w watch xxd",
    // libc, ncurses, acl
    "chacl clear getconf getent getfacl iconv ldd locale reset setfacl sqlite3 tput",
];

fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().flat_map(|package| package.split_whitespace())
}

/// Each of these programs that the machine has: name and path.
pub fn programs() -> Vec<(&'static str, PathBuf)> {
    let place = |name: &'static str| {
        PLACES.iter().map(|dir| PathBuf::from(dir).join(name)).find(|file| file.is_file()).map(|file| (name, file))
    };
    names().filter_map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_program_hides_a_command_of_the_host() {
        let names: Vec<&str> = names().collect();
        let own: Vec<&&str> = names.iter().filter(|name| super::super::NAMES.contains(name)).collect();
        assert!(own.is_empty(), "{own:?}");
        let once: std::collections::BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(once.len(), names.len(), "a name stands twice");
        assert!(programs().iter().any(|(name, _)| *name == "cat"));
    }
}
