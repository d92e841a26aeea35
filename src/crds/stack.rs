//! The stack a server runs on: rc file, frozen environment, linked module, mapped libraries (SO 4).

use std::time::Duration;

use serde::Serialize;

use crate::host::{Limit, Ran, Script, Shell};
use crate::plan::Change;
use crate::run::Permit;

use super::{CrdsError, Server};

/// One `case` of the rc file's switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RcCase {
    /// Host name.
    pub host: String,
    /// Last component of the value of `CRDS_STACK`.
    pub stack: String,
    /// Line of that value, counted from 1.
    pub line: usize,
}

/// Where each layer says which stack is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StackInUse {
    /// `$CRDS_STACK` of a clean login.
    pub login: String,
    /// Stacks that `env.csh` names, each once, in order.
    pub env_csh: Vec<String>,
    /// Stack that `lib/mod_wsgi.so` leads to; empty if it leads to none.
    pub module: String,
}

const LOGIN_STACK: Script =
    Script { name: "stack of a login", shell: Shell::LoginSh, text: r#"echo "${CRDS_STACK-}""# };

/// What a login as host `$1` gets from the rc file `$2`: whatever it prints, a line, then its environment.
/// `uname` is asked before PATH is set, so a program of that name first in PATH plays the host (SO 4.1).
const LOGIN_AS: Script = Script {
    name: "login as another host",
    shell: Shell::Sh,
    text: r#"
stage=$(mktemp -d "${TMPDIR:-/tmp}/crds-upgrade.XXXXXX") || exit 1
printf '#!/bin/sh\necho "%s"\n' "$1" >"$stage/uname" && chmod 755 "$stage/uname"
env -i HOME="$HOME" USER="${USER-}" HOST_ROOT="${HOST_ROOT-}" PATH="$stage:$PATH" tcsh -f -c 'source $argv[1]; echo "=== end of rc file ==="; env' "$2" 2>&1
status=$?
rm -rf "$stage"
return $status"#,
};

const PUT_RC: Script = Script {
    name: "install the rc file",
    shell: Shell::Sh,
    text: r#"cp "$1" "$2.crds-upgrade" && chmod 644 "$2.crds-upgrade" && mv -f "$2.crds-upgrade" "$2""#,
};

/// Most cases that are read: a site has a handful, and each line may belong to all cases above it.
const MOST_CASES: usize = 10_000;

/// The cases of an rc file that set a stack.
pub fn rc_cases(text: &str) -> Vec<RcCase> {
    let mut hosts: Vec<String> = Vec::new();
    let mut cases = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if cases.len() >= MOST_CASES || hosts.len() >= MOST_CASES {
            // No rc file: none of its cases can be believed.
            return Vec::new();
        }
        let line = line.trim();
        if let Some(name) = line.strip_prefix("case ") {
            hosts.push(name.trim().trim_end_matches(':').trim().to_owned());
        } else if line == "breaksw" || line == "endsw" {
            hosts.clear();
        } else if let Some(value) = line.strip_prefix("setenv CRDS_STACK ") {
            let stack = value.trim().trim_matches('"').rsplit('/').next().unwrap_or("").to_owned();
            cases.extend(hosts.iter().map(|host| RcCase { host: host.clone(), stack: stack.clone(), line: index + 1 }));
        }
    }
    cases
}

/// The rc file with the stack of `host` alone changed from `from` to `to`.
///
/// # Errors
///
/// One line that says why not: no such case, another stack there, or a case shared with other hosts.
pub fn with_stack(text: &str, host: &str, from: &str, to: &str) -> Result<String, String> {
    let cases = rc_cases(text);
    let mine: Vec<&RcCase> = cases.iter().filter(|case| case.host == host).collect();
    let [case] = mine[..] else {
        return Err(format!("the rc file has {} cases for `{host}`, not one", mine.len()));
    };
    if let Some(other) = cases.iter().find(|other| other.line == case.line && other.host != host) {
        return Err(format!("line {} serves `{}` as well", case.line, other.host));
    }
    if case.stack != from {
        return Err(format!("line {} says `{}`, not `{from}`", case.line, case.stack));
    }
    let lines = text.split_inclusive('\n').enumerate().map(|(index, line)| {
        // The name stands last in its line; an earlier match would be in a directory.
        match (index + 1 == case.line).then(|| line.rfind(from)).flatten() {
            Some(at) => format!("{}{to}{}", &line[..at], &line[at + from.len()..]),
            None => line.to_owned(),
        }
    });
    Ok(lines.collect())
}

/// Names of directories directly below `stacks` that a text names, each once, in order.
pub(super) fn stacks_named(text: &str, stacks: &str) -> Vec<String> {
    let prefix = format!("{stacks}/");
    let mut found: Vec<String> = Vec::new();
    for piece in text.split(prefix.as_str()).skip(1) {
        let name: String = piece.chars().take_while(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect();
        if !name.is_empty() && !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

impl Server {
    /// Which stack each layer says is used.
    ///
    /// # Errors
    ///
    /// The host cannot be asked or has no `env.csh`.
    pub fn stack(&self) -> Result<StackInUse, CrdsError> {
        self.only_2014("the stack")?;
        let login = self.remote.must_look_script(&LOGIN_STACK, &[], Limit::QUICK)?.text();
        let env_csh = String::from_utf8_lossy(&self.remote.read_file(&self.paths.env_csh, 4 << 20)?).into_owned();
        let module = self.remote.stat(&format!("{}/lib/mod_wsgi.so", self.paths.crds))?;
        let module = module.map(|entry| stacks_named(&entry.target, &self.paths.stacks)).unwrap_or_default();
        Ok(StackInUse {
            login: login.trim().rsplit('/').next().unwrap_or("").to_owned(),
            env_csh: stacks_named(&env_csh, &self.paths.stacks),
            module: module.into_iter().next().unwrap_or_default(),
        })
    }

    /// Stacks whose files the process has mapped, each once.
    ///
    /// # Errors
    ///
    /// The host cannot be asked, or the process has ended.
    pub fn stacks_mapped(&self, pid: u32) -> Result<Vec<String>, CrdsError> {
        Ok(stacks_named(&self.mapped_files(pid)?.join("\n"), &self.paths.stacks))
    }

    /// The rc file of every login.
    ///
    /// # Errors
    ///
    /// The host cannot be asked or has no rc file.
    pub fn rc_file(&self) -> Result<String, CrdsError> {
        Ok(String::from_utf8_lossy(&self.remote.read_file(&self.paths.setenv, 1 << 20)?).into_owned())
    }

    /// What a login as host `uname` prints, and the environment that it gets, from the rc file at `path`.
    ///
    /// # Errors
    ///
    /// The host cannot be asked.
    pub fn login_as(&self, uname: &str, path: &str) -> Result<(String, Vec<(String, String)>), CrdsError> {
        let ran = self.remote.look_script(&LOGIN_AS, &[uname, path], Limit::QUICK)?;
        let text = ran.text();
        let (printed, rest) = text.split_once("=== end of rc file ===\n").unwrap_or((&text, ""));
        let variables = rest.lines().filter_map(|line| line.split_once('='));
        Ok((printed.to_owned(), variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }

    /// Copies the checkout's `host/dot_setenv` to the rc file, in one move.
    ///
    /// # Errors
    ///
    /// The host cannot be asked. Read the file back.
    pub fn put_rc_file(&self, permit: &Permit<'_>) -> Result<Ran, CrdsError> {
        self.only_2014("the rc file")?;
        let from = format!("{}/host/dot_setenv", self.paths.server_sources);
        self.act(permit, Change::Stack, &PUT_RC, &[&from, &self.paths.setenv], Duration::from_secs(30))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RC: &str = "switch ($CRDS_SERVER)\n    case tlhstcrdsv1:\n        setenv CRDS_STACK ${CRDS}/crds_stacks/crds_12\n        \
                      breaksw\n    case plhstcrdsv1:\n        setenv CRDS_STACK ${CRDS}/crds_stacks/crds_11\n        \
                      setenv CRDS_USECASE ops\n        breaksw\nendsw\n";

    #[test]
    fn one_case_alone_is_changed() {
        let after = with_stack(RC, "plhstcrdsv1", "crds_11", "crds_12").unwrap();
        let changed: Vec<_> = RC.lines().zip(after.lines()).filter(|(a, b)| a != b).collect();
        assert_eq!(changed.len(), 1);
        assert!(changed[0].1.ends_with("crds_stacks/crds_12"));
        assert!(with_stack(RC, "plhstcrdsv1", "crds_10", "crds_12").unwrap_err().contains("crds_11"));
        assert!(with_stack(RC, "nobody", "crds_11", "crds_12").is_err());
        let shared = RC.replace("    case plhstcrdsv1:", "    case plhstcrdsv1:\n    case pljwstcrdsv1:");
        assert!(with_stack(&shared, "plhstcrdsv1", "crds_11", "crds_12").unwrap_err().contains("pljwstcrdsv1"));
    }

    #[test]
    fn stacks_are_named_once_in_order() {
        let text = "/r/crds_stacks/crds_11/lib:/r/crds_stacks/crds_12:/r/crds_stacks/crds_11/bin";
        assert_eq!(stacks_named(text, "/r/crds_stacks"), ["crds_11", "crds_12"]);
        assert!(stacks_named("", "/r").is_empty());
    }

    #[test]
    fn a_flood_of_cases_is_no_rc_file() {
        let text = format!("{}{}", "case a:\n".repeat(9_000), "setenv CRDS_STACK x\n".repeat(30_000));
        assert_eq!(rc_cases(&text), []);
        assert_eq!(rc_cases(&"case a:\n".repeat(200_000)), []);
    }

    proptest::proptest! {
        #[test]
        fn a_change_is_of_one_line_and_of_nothing_else(text in crate::mangled::text(RC)) {
            if let Ok(after) = with_stack(&text, "plhstcrdsv1", "crds_11", "crds_12") {
                let (old, new): (Vec<_>, Vec<_>) = (text.split('\n').collect(), after.split('\n').collect());
                proptest::prop_assert_eq!(old.len(), new.len());
                proptest::prop_assert_eq!(old.iter().zip(&new).filter(|(old, new)| old != new).count(), 1);
                let of = |text: &str, host: &str| rc_cases(text).into_iter().filter(|case| case.host == host).collect::<Vec<_>>();
                proptest::prop_assert_eq!(&of(&after, "plhstcrdsv1")[0].stack, "crds_12");
                proptest::prop_assert_eq!(of(&after, "tlhstcrdsv1"), of(&text, "tlhstcrdsv1"));
            }
        }
    }
}
