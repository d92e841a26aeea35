//! Who the host is: `uname`, `hostname`.

use super::{Call, here_or_complain};

/// `uname [-a|-s|-n|-r|-v|-m|-p|-i|-o]`.
pub fn uname(call: &mut Call<'_>) -> i32 {
    let Some((_, host)) = here_or_complain(call) else { return 1 };
    let node = host.full_name();
    let fields: [(char, &str, &str); 8] = [
        ('s', "kernel-name", "Linux"),
        ('n', "nodename", &node),
        ('r', "kernel-release", "2.6.32-431.29.2.el6.x86_64"),
        ('v', "kernel-version", "#1 SMP Sun Jul 27 15:55:46 EDT 2014"),
        ('m', "machine", "x86_64"),
        ('p', "processor", "x86_64"),
        ('i', "hardware-platform", "x86_64"),
        ('o', "operating-system", "GNU/Linux"),
    ];
    let mut wanted = [false; 8];
    for arg in call.args.clone() {
        let known = if let Some(long) = arg.strip_prefix("--") {
            if long == "all" {
                wanted = [true; 8];
                continue;
            }
            match fields.iter().position(|(_, name, _)| *name == long) {
                Some(index) => {
                    wanted[index] = true;
                    true
                }
                None => false,
            }
        } else if let Some(short) = arg.strip_prefix('-') {
            short.chars().all(|letter| match fields.iter().position(|(l, _, _)| *l == letter) {
                Some(index) => {
                    wanted[index] = true;
                    true
                }
                None if letter == 'a' => {
                    wanted = [true; 8];
                    true
                }
                None => false,
            })
        } else {
            call.complain(format_args!("uname: extra operand '{arg}'"));
            return 1;
        };
        if !known {
            call.complain(format_args!("uname: unrecognized option '{arg}'"));
            return 1;
        }
    }
    if wanted.iter().all(|wanted| !wanted) {
        wanted[0] = true;
    }
    let line: Vec<&str> =
        fields.iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|((_, _, value), _)| *value).collect();
    call.say(line.join(" "));
    0
}

/// `hostname [-s|-f]`.
pub fn hostname(call: &mut Call<'_>) -> i32 {
    let Some((_, host)) = here_or_complain(call) else { return 1 };
    let short = call.args.iter().any(|arg| arg == "-s");
    let name = if short { host.uname.clone() } else { host.full_name() };
    call.say(name);
    0
}
