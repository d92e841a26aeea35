//! Scripts for a host. Their text is part of this program; data reaches them as arguments only.

/// Who reads a script, and in which environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// `/bin/sh` in the bare environment of the transport.
    Sh,
    /// `/bin/sh` in the environment of a clean login (`.cshrc`, hence `.setenv` and `.alias`).
    LoginSh,
    /// The login shell itself, tcsh, after its rc files. A clean login for `install` and its kin (SO 4.2).
    Login,
    /// tcsh without rc files.
    Tcsh,
}

/// A script whose text is a constant of this program.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// Short name for messages and the journal.
    pub name: &'static str,
    /// Who reads it.
    pub shell: Shell,
    /// The text. Arguments are `"$1"` in sh, `$argv[1]:q` in tcsh. Its commands see an empty standard input.
    pub text: &'static str,
}

impl Script {
    /// Argument vector and standard input that carry out the script with `args`.
    pub(super) fn command(&self, args: &[&str]) -> (Vec<String>, Vec<u8>) {
        let mut argv: Vec<String> = match self.shell {
            Shell::Sh => vec!["/bin/sh".into(), "-s".into(), "--".into()],
            // `:q` keeps every argument one word whatever it holds; the constant is all that tcsh ever parses.
            Shell::LoginSh => vec!["tcsh".into(), "-c".into(), "exec /bin/sh -s -- $argv:q".into()],
            Shell::Login => vec!["tcsh".into(), "-c".into(), self.text.into()],
            Shell::Tcsh => vec!["tcsh".into(), "-f".into(), "-c".into(), self.text.into()],
        };
        argv.extend(args.iter().map(|arg| (*arg).to_owned()));
        let stdin = match self.shell {
            // Parsed whole before it runs: a script cut short in transit does nothing at all, and commands that read
            // standard input cannot eat the rest of it.
            Shell::Sh | Shell::LoginSh => {
                format!("main() {{\n{}\n}}\nmain \"$@\" </dev/null\n", self.text).into_bytes()
            }
            Shell::Login | Shell::Tcsh => Vec::new(),
        };
        (argv, stdin)
    }
}
