//! A host as the suite sees it: looks, acts, streams; all recorded.

use std::io::Read;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use crate::plan::{Access, Change, Role, Site};
use crate::run::Permit;

use super::process::{self, Beyond, Kept, Limit, Passed, Ran, Stopped, Streamed};
use super::record::{Call, CallId, CallKind, Ended, Outcome, Recorder};
use super::{HostError, Script, Shell};

/// Variables of the suite's own environment that a transport may need; everything else, secrets above all, stays here.
const PASSED_ON: [&str; 9] =
    ["PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "SSH_AUTH_SOCK", "KRB5CCNAME", "XDG_RUNTIME_DIR"];

/// How a program is started on a host. One per kind of `transport` in the site file.
pub trait Transport: Send + Sync {
    /// The local command whose execution runs `argv` on the host: same standard streams, same exit status, every
    /// argument arriving as it is.
    fn command(&self, argv: &[String]) -> Command;
}

/// Transport `local`: a program that enters a directory tree as if it were a host.
struct Local {
    enter: Vec<String>,
}

impl Transport for Local {
    fn command(&self, argv: &[String]) -> Command {
        // The site's reader refuses an empty `enter`; `false` makes one made in memory fail at once.
        let mut command = Command::new(self.enter.first().map_or("false", String::as_str));
        command.args(self.enter.iter().skip(1)).args(argv);
        command
    }
}

/// A host that can be looked at and, with a permit, changed.
pub struct Remote {
    role: Role,
    name: String,
    root: String,
    commands: std::collections::BTreeMap<String, Vec<String>>,
    transport: Box<dyn Transport>,
    recorder: Arc<dyn Recorder>,
    pub(super) names: std::sync::Mutex<super::files::Names>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("role", &self.role).field("name", &self.name).finish_non_exhaustive()
    }
}

/// What one call is allowed to do and how it is bounded.
struct Terms {
    kind: CallKind,
    changes: bool,
    limit: Limit,
}

impl Remote {
    /// The host of `role` on `site`. Reaches nothing yet.
    ///
    /// # Errors
    ///
    /// [`HostError::NoHost`], or [`HostError::Transport`] if this version cannot reach it.
    pub fn open(site: &Site, role: Role, recorder: Arc<dyn Recorder>) -> Result<Self, HostError> {
        let host = site.host(role).ok_or(HostError::NoHost(role.key()))?;
        let name = host.identity.uname.clone();
        match &host.access {
            Access::Local { enter } => Ok(Self {
                role,
                name,
                root: host.root.clone(),
                commands: host.commands.clone(),
                transport: Box::new(Local { enter: enter.clone() }),
                recorder,
                names: Default::default(),
            }),
            other => Err(HostError::Transport { host: name, transport: other.transport() }),
        }
    }

    /// A host reached by any transport, for tests and transports to come.
    pub fn with_transport(
        role: Role,
        name: &str,
        root: &str,
        transport: Box<dyn Transport>,
        recorder: Arc<dyn Recorder>,
    ) -> Self {
        Self {
            role,
            name: name.to_owned(),
            root: root.to_owned(),
            commands: Default::default(),
            transport,
            recorder,
            names: Default::default(),
        }
    }

    /// What the host is in the upgrade.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Its name, as the site's identity has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where everything said to the host is recorded.
    pub fn recorder(&self) -> &Arc<dyn Recorder> {
        &self.recorder
    }

    /// The host's own path of `path`, which is absolute as on a real host.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.root)
    }

    /// Directory that holds what `/` holds on a real host; empty on a real one.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Runs a program that only reads. Output beyond the limit is an error.
    ///
    /// # Errors
    ///
    /// [`HostError`]; a status other than 0 is none.
    pub fn look(&self, argv: &[&str], limit: Limit) -> Result<Ran, HostError> {
        self.call(self.argv(argv), &[], Beyond::Stop, &Terms { kind: CallKind::Command, changes: false, limit })
    }

    /// As [`Self::look`]; a status other than 0 is an error.
    ///
    /// # Errors
    ///
    /// [`HostError`].
    pub fn must_look(&self, argv: &[&str], limit: Limit) -> Result<Ran, HostError> {
        let ran = self.look(argv, limit)?;
        self.zero(&named(argv), ran)
    }

    /// Runs a script that only reads.
    ///
    /// # Errors
    ///
    /// [`HostError`]; a status other than 0 is none.
    pub fn look_script(&self, script: &Script, args: &[&str], limit: Limit) -> Result<Ran, HostError> {
        self.scripted(script, args, Beyond::Stop, false, limit)
    }

    /// As [`Self::look_script`]; a status other than 0 is an error.
    ///
    /// # Errors
    ///
    /// [`HostError`].
    pub fn must_look_script(&self, script: &Script, args: &[&str], limit: Limit) -> Result<Ran, HostError> {
        let ran = self.look_script(script, args, limit)?;
        self.zero(script.name, ran)
    }

    /// Runs a program that only reads, with `stdin` fed to it.
    ///
    /// # Errors
    ///
    /// [`HostError`]; a status other than 0 is none.
    pub fn look_with(&self, argv: &[&str], stdin: &[u8], limit: Limit) -> Result<Ran, HostError> {
        self.call(self.argv(argv), stdin, Beyond::Stop, &Terms { kind: CallKind::Command, changes: false, limit })
    }

    /// Runs a script that changes the host. Its status says nothing about success: read back what it was to do.
    ///
    /// # Errors
    ///
    /// [`HostError`]; with [`HostError::outcome_unknown`] it may have done its work.
    pub fn act(
        &self,
        permit: &Permit<'_>,
        change: Change,
        script: &Script,
        args: &[&str],
        limit: Limit,
    ) -> Result<Ran, HostError> {
        self.permitted(permit, change, script.name)?;
        self.scripted(script, args, Beyond::LeaveOut, true, limit)
    }

    /// Runs a program that changes the host, with `stdin` fed to it.
    ///
    /// # Errors
    ///
    /// As [`Self::act`].
    pub fn act_with(
        &self,
        permit: &Permit<'_>,
        change: Change,
        argv: &[&str],
        stdin: &[u8],
        limit: Limit,
    ) -> Result<Ran, HostError> {
        self.permitted(permit, change, argv.first().copied().unwrap_or(""))?;
        self.call(self.argv(argv), stdin, Beyond::LeaveOut, &Terms { kind: CallKind::Command, changes: true, limit })
    }

    /// Runs a program that only reads, with `stdin` fed to it, and hands its output to `to` as it comes; `progress`
    /// gets the bytes so far.
    ///
    /// # Errors
    ///
    /// [`HostError`]; a status other than 0 is none.
    pub fn stream(
        &self,
        argv: &[&str],
        stdin: &[u8],
        to: &mut dyn std::io::Write,
        progress: &mut dyn FnMut(u64),
        time: std::time::Duration,
    ) -> Result<Streamed, HostError> {
        let name = argv.first().copied().unwrap_or("");
        let argv = self.argv(argv);
        self.safe(&argv)?;
        let shown = Some(stdin).filter(|stdin| !stdin.is_empty());
        let call = Call { host: &self.name, kind: CallKind::Stream, argv: &argv, stdin: shown, changes: false };
        let id = self.recorder.began(&call)?;
        let start = Instant::now();
        let mut out = Passed { to, progress, bytes: 0, hash: blake3::Hasher::new() };
        let mut err = Kept::new(64 << 10, Beyond::LeaveOut);
        let mut source = stdin;
        let ended = process::run(self.command(&argv), &mut source, &mut out, &mut err, time);
        let elapsed = start.elapsed();
        let (bytes, blake3) = (out.bytes, out.hash.finalize().to_hex().to_string());
        let stderr = err.into_bytes();
        let summary = format!("{{\"bytes\":{bytes},\"blake3\":\"{blake3}\"}}\n");
        self.record_end(id, &ended, summary.as_bytes(), &stderr, elapsed)?;
        let status = ended.map_err(|stopped| self.error(name, false, stopped, Limit { time, output: 0 }))?;
        Ok(Streamed { status, bytes, blake3, stderr, elapsed })
    }

    /// Feeds `from` to a script that changes the host.
    ///
    /// # Errors
    ///
    /// As [`Self::act`].
    pub fn feed(
        &self,
        permit: &Permit<'_>,
        change: Change,
        argv: &[&str],
        from: &mut dyn Read,
        time: std::time::Duration,
    ) -> Result<Ran, HostError> {
        let name = argv.first().copied().unwrap_or("");
        self.permitted(permit, change, name)?;
        let argv = self.argv(argv);
        let terms = Terms { kind: CallKind::Stream, changes: true, limit: Limit { time, output: 1 << 20 } };
        self.exchange(&argv, None, from, Beyond::LeaveOut, &terms)
    }

    pub(super) fn zero(&self, name: &str, ran: Ran) -> Result<Ran, HostError> {
        if ran.is_zero() {
            return Ok(ran);
        }
        Err(HostError::Failed {
            host: self.name.clone(),
            call: name.to_owned(),
            status: ran.status.to_string(),
            last: ran.last_line(),
        })
    }

    pub(super) fn permitted(&self, permit: &Permit<'_>, change: Change, call: &str) -> Result<(), HostError> {
        permit.covers(self.role, change).map_err(|why| HostError::NotPermitted {
            host: self.name.clone(),
            call: call.to_owned(),
            why: why.to_string(),
        })
    }

    /// The argument vector with the site's replacement of the program, if it names one.
    pub(super) fn argv(&self, argv: &[&str]) -> Vec<String> {
        let usual = argv.first().copied().unwrap_or("");
        let mut full = match self.commands.get(usual.rsplit('/').next().unwrap_or(usual)) {
            Some(replacement) => replacement.clone(),
            None => vec![usual.to_owned()],
        };
        full.extend(argv.iter().skip(1).map(|arg| (*arg).to_owned()));
        full
    }

    fn command(&self, argv: &[String]) -> Command {
        let mut command = self.transport.command(argv);
        command.env_clear();
        command.envs(PASSED_ON.iter().filter_map(|name| std::env::var_os(name).map(|value| (*name, value))));
        command
    }

    fn scripted(
        &self,
        script: &Script,
        args: &[&str],
        beyond: Beyond,
        changes: bool,
        limit: Limit,
    ) -> Result<Ran, HostError> {
        if script.shell != Shell::Sh && args.contains(&"") {
            let why = "tcsh drops an empty argument";
            return Err(HostError::Argument { host: self.name.clone(), what: String::new(), why });
        }
        let (argv, stdin) = script.command(args);
        let argv = self.argv(&argv.iter().map(String::as_str).collect::<Vec<_>>());
        self.call(argv, &stdin, beyond, &Terms { kind: CallKind::Command, changes, limit })
            .map_err(|error| error.renamed(script.name))
    }

    pub(super) fn call_as(&self, kind: CallKind, argv: &[&str], limit: Limit) -> Result<Ran, HostError> {
        self.call(self.argv(argv), &[], Beyond::Stop, &Terms { kind, changes: false, limit })
    }

    fn call(&self, argv: Vec<String>, stdin: &[u8], beyond: Beyond, terms: &Terms) -> Result<Ran, HostError> {
        let mut source = stdin;
        self.exchange(&argv, Some(stdin), &mut source, beyond, terms)
    }

    fn exchange(
        &self,
        argv: &[String],
        shown: Option<&[u8]>,
        stdin: &mut dyn Read,
        beyond: Beyond,
        terms: &Terms,
    ) -> Result<Ran, HostError> {
        self.safe(argv)?;
        let call = Call {
            host: &self.name,
            kind: terms.kind,
            argv,
            stdin: shown.filter(|stdin| !stdin.is_empty()),
            changes: terms.changes,
        };
        let id = self.recorder.began(&call)?;
        let start = Instant::now();
        let mut out = Kept::new(terms.limit.output, beyond);
        let mut err = Kept::new(terms.limit.output, Beyond::LeaveOut);
        let ended = process::run(self.command(argv), stdin, &mut out, &mut err, terms.limit.time);
        let elapsed = start.elapsed();
        let left_out = out.left_out + err.left_out;
        let (stdout, stderr) = (out.into_bytes(), err.into_bytes());
        self.record_end(id, &ended, &stdout, &stderr, elapsed)?;
        let name = argv.first().map_or("", String::as_str);
        let status = ended.map_err(|stopped| self.error(name, terms.changes, stopped, terms.limit))?;
        Ok(Ran { status, stdout, stderr, elapsed, left_out })
    }

    fn record_end(
        &self,
        id: CallId,
        ended: &Result<Ended, Stopped>,
        stdout: &[u8],
        stderr: &[u8],
        elapsed: std::time::Duration,
    ) -> Result<(), HostError> {
        let status = match ended {
            Ok(status) => status.clone(),
            Err(Stopped::TimedOut { .. }) => Ended::TimedOut,
            Err(Stopped::Start(error) | Stopped::Lost(error) | Stopped::Keep(error)) => Ended::Lost(error.to_string()),
            Err(Stopped::TooMuch) => Ended::Lost("more output than allowed".into()),
        };
        Ok(self.recorder.ended(id, &Outcome { status, stdout, stderr, elapsed })?)
    }

    fn error(&self, name: &str, changes: bool, stopped: Stopped, limit: Limit) -> HostError {
        let (host, call) = (self.name.clone(), name.to_owned());
        match stopped {
            Stopped::Start(source) => HostError::Reach { host, call, source },
            Stopped::Lost(source) => HostError::Lost { host, call, changes, source },
            Stopped::TimedOut { last } => HostError::TimedOut { host, call, limit: limit.time, changes, last },
            Stopped::TooMuch => HostError::TooMuch { host, call, most: limit.output },
            Stopped::Keep(source) => HostError::Keep { host, call, source },
        }
    }

    /// Refuses what no program could be given.
    fn safe(&self, argv: &[String]) -> Result<(), HostError> {
        let total: usize = argv.iter().map(|arg| arg.len() + 1).sum();
        let why = if argv.iter().any(|arg| arg.contains('\0')) {
            "it holds a NUL byte"
        } else if total > 96 * 1024 {
            "the arguments are longer than 96 KB"
        } else {
            return Ok(());
        };
        let what = argv.iter().find(|arg| arg.contains('\0')).unwrap_or(&argv[0]).chars().take(80).collect();
        Err(HostError::Argument { host: self.name.clone(), what, why })
    }
}

/// A call as an error names it: the program, and the first file or address that it was to look at.
fn named(argv: &[&str]) -> String {
    let Some((program, arguments)) = argv.split_first() else { return String::new() };
    let place = arguments.iter().find(|argument| argument.contains('/') && !argument.starts_with('-'));
    let place = place.map(|place| place.chars().take(200).collect::<String>());
    place.map_or_else(|| (*program).to_owned(), |place| format!("{program} {place}"))
}

#[cfg(test)]
impl Remote {
    /// This machine as if it were a host.
    pub(crate) fn here() -> Self {
        let enter = vec!["/usr/bin/env".to_owned()];
        Self::with_transport(Role::Scratch, "here", "", Box::new(Local { enter }), Arc::new(super::record::NoRecord))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::EntryKind;
    use super::super::record::NoRecord;
    use super::*;

    fn remote() -> Remote {
        let enter = vec!["/usr/bin/env".to_owned()];
        Remote::with_transport(Role::Ops, "here", "", Box::new(Local { enter }), Arc::new(NoRecord))
    }

    #[test]
    fn arguments_arrive_as_they_are_in_every_shell() {
        let odd = ["a b!c$x`y`", "it's \"q\" * ;&|", "new\nline"];
        let sh = Script { name: "sh", shell: Shell::Sh, text: "printf '<%s>' \"$@\"" };
        let expected = "<a b!c$x`y`><it's \"q\" * ;&|><new\nline>";
        assert_eq!(remote().look_script(&sh, &odd, Limit::QUICK).unwrap().text(), expected);
        assert_eq!(remote().look_script(&sh, &["", "x"], Limit::QUICK).unwrap().text(), "<><x>");
        let login = Script { shell: Shell::LoginSh, ..sh };
        assert_eq!(remote().look_script(&login, &odd, Limit::QUICK).unwrap().text(), expected);
        assert!(matches!(remote().look_script(&login, &[""], Limit::QUICK), Err(HostError::Argument { .. })));
        let tcsh = Script { name: "tcsh", shell: Shell::Tcsh, text: "printf '<%s>' $argv:q" };
        assert_eq!(remote().look_script(&tcsh, &odd, Limit::QUICK).unwrap().text(), expected);
    }

    #[test]
    fn a_hung_program_is_killed_with_its_children_and_named() {
        let script = Script { name: "hang", shell: Shell::Sh, text: "echo nearly there; sleep 600 & sleep 600" };
        let limit = Limit { time: Duration::from_millis(300), output: 1000 };
        let start = Instant::now();
        let error = remote().look_script(&script, &[], limit).unwrap_err();
        assert!(matches!(&error, HostError::TimedOut { last, call, .. } if last == "nearly there" && call == "hang"));
        assert!(!error.outcome_unknown(), "a look changes nothing");
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn what_a_program_leaves_running_does_not_hold_the_call() {
        let script = Script { name: "start", shell: Shell::Sh, text: "sleep 5 & echo started" };
        let start = Instant::now();
        assert_eq!(remote().look_script(&script, &[], Limit::QUICK).unwrap().text(), "started\n");
        assert!(start.elapsed() < Duration::from_secs(3));
    }

    #[test]
    fn a_look_that_talks_too_much_is_an_error_and_an_act_keeps_both_ends() {
        let limit = Limit { time: Duration::from_secs(20), output: 1000 };
        let error = remote().look(&["seq", "100000"], limit).unwrap_err();
        assert!(matches!(error, HostError::TooMuch { most: 1000, .. }));
        let terms = Terms { kind: CallKind::Command, changes: true, limit };
        let argv = vec!["seq".to_owned(), "100000".to_owned()];
        let ran = remote().call(argv, &[], Beyond::LeaveOut, &terms).unwrap();
        assert!(ran.text().starts_with("1\n2\n") && ran.text().ends_with("100000\n") && ran.left_out > 0);
    }

    #[test]
    fn standard_input_of_any_size_arrives() {
        let bytes = vec![b'x'; 3_000_000];
        let ran = remote().look_with(&["wc", "-c"], &bytes, Limit::QUICK).unwrap();
        assert_eq!(ran.text().trim(), "3000000");
    }

    #[test]
    fn a_program_that_is_not_there_and_a_nul_byte_are_errors() {
        let remote = remote();
        assert!(!remote.look(&["/no/such/program"], Limit::QUICK).unwrap().is_zero());
        assert!(matches!(remote.look(&["echo", "a\0b"], Limit::QUICK), Err(HostError::Argument { .. })));
        let none = Remote::with_transport(
            Role::Ops,
            "here",
            "",
            Box::new(Local { enter: vec!["/no/such/enter".into()] }),
            Arc::new(NoRecord),
        );
        assert!(matches!(none.look(&["true"], Limit::QUICK), Err(HostError::Reach { .. })));
    }

    #[test]
    fn files_are_listed_read_and_hashed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_str().unwrap().to_owned();
        std::fs::write(dir.path().join("a"), "hello").unwrap();
        std::fs::hard_link(dir.path().join("a"), dir.path().join("b\nc")).unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("l")).unwrap();
        let remote = remote();
        let entries = remote.list(&root, None).unwrap();
        let names: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(names, ["a", "b\nc", "l"]);
        assert_eq!((entries[0].links, entries[0].inode), (2, entries[1].inode));
        assert_eq!((entries[2].kind, entries[2].target.as_str()), (EntryKind::Link, "a"));
        let sums = remote.hash_tree(&root, super::super::Algorithm::Sha1).unwrap();
        assert_eq!(sums["a"], "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d");
        assert_eq!(sums["b\nc"], sums["a"]);
        let named = remote.hash_files(&root, &["l", "b\nc"], super::super::Algorithm::Sha1).unwrap();
        assert_eq!((named.len(), &named["l"], &named["b\nc"]), (2, &sums["a"], &sums["a"]));
        assert!(remote.hash_files(&root, &["none"], super::super::Algorithm::Sha256).is_err());
        assert!(remote.hash_files(&root, &[], super::super::Algorithm::Sha256).unwrap().is_empty());
        assert_eq!(remote.read_file(&format!("{root}/a"), 5).unwrap(), b"hello");
        assert!(matches!(remote.read_file(&format!("{root}/a"), 4), Err(HostError::TooMuch { .. })));
        assert!(remote.stat(&format!("{root}/none")).unwrap().is_none());
        assert!(matches!(remote.read_file("relative", 4), Err(HostError::Failed { .. })));
        let lost = remote.must_look(&["ls", "-d", &format!("{root}/none")], Limit::QUICK).unwrap_err().to_string();
        assert!(lost.starts_with(&format!("`ls {root}/none` on ")), "{lost}");
        assert!(matches!(remote.list("-delete", None), Err(HostError::Argument { .. })));
    }

    #[test]
    fn many_trees_are_looked_at_as_each_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_str().unwrap().to_owned();
        for (path, text) in [("x/a", "1"), ("x/.svn/b", "2"), ("x/y/c\nd\\", "3"), ("z/e", "4")] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        std::fs::create_dir(dir.path().join("empty")).unwrap();
        std::os::unix::fs::symlink("z", dir.path().join("link")).unwrap();
        let trees: Vec<String> =
            ["x", "x/y", "z", "empty", "link", "none"].iter().map(|name| format!("{root}/{name}")).collect();
        let trees: Vec<&str> = trees.iter().map(String::as_str).collect();
        let (remote, name) = (remote(), ".svn");
        let there = remote.there(&trees).unwrap();
        assert_eq!(there, trees[..5]);
        let listed = remote.list_trees(&there).unwrap();
        let hashed = remote.hash_trees_without(&[there[0], there[2]], name).unwrap();
        for tree in &there {
            let (itself, below) = listed[*tree].split_first().unwrap();
            assert_eq!((itself.path.as_str(), itself.kind), ("", EntryKind::Directory), "{tree}");
            assert_eq!(below, remote.list(tree, None).unwrap(), "{tree}");
        }
        for (tree, sums) in &hashed {
            let alone = remote.hash_tree_without(tree, super::super::Algorithm::Sha256, name).unwrap();
            assert_eq!((sums, sums.is_empty()), (&alone, false), "{tree}");
        }
        assert!(remote.list_trees(&trees).is_err() && remote.there(&["-delete"]).is_err());
        let barred = dir.path().join("barred");
        std::fs::write(&barred, "").unwrap();
        let below = format!("{}/in", barred.display());
        assert!(remote.there(&[&below]).is_err(), "a file is no directory that lacks something");
    }

    #[test]
    fn secrets_of_the_suite_s_environment_do_not_travel() {
        let ran = remote().look(&["env"], Limit::QUICK).unwrap();
        assert!(!ran.text().contains("CARGO_MANIFEST_DIR"), "{}", ran.text());
    }

    #[test]
    fn the_site_s_replacement_of_a_program_is_run() {
        let mut remote = remote();
        remote.commands.insert("df".into(), vec!["echo".into(), "replaced".into()]);
        assert_eq!(remote.look(&["df", "-P"], Limit::QUICK).unwrap().text(), "replaced -P\n");
    }
}
