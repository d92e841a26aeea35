//! Step 350: switch the stack.
//!
//! Procedure: "Switch the server stack in dot_setenv."
//! Method: edit this host's case only, in the checkout; commit it to the release branch (a declared change: the approved
//! revision becomes that commit); install the file as the rc file in one move. One bad edit breaks every login of the
//! fleet, so the file is tried for every fleet name before and after.
//! Way back: revert the commit, put the saved rc file back.

use crds_upgrade::crds::{Server, rc_cases, with_stack};
use crds_upgrade::plan::{Change, Role, StackSwitch};
use crds_upgrade::run::{Found, Step, StepError, StepResult};
use crds_upgrade::state::Scope;
use crds_upgrade::steps::S350_SWITCH_STACK;

use crate::common::tally::{Advice, Tally, shorten};
use crate::common::{known_state, rc_file, state};

/// What a clean login must set (SO 4.1).
const VARIABLES: [&str; 9] = [
    "CRDS",
    "CRDS_SERVER",
    "CRDS_STACK",
    "CRDS_PROJECT",
    "CRDS_USECASE",
    "CRDS_IFS",
    "CRDS_FILE_CACHE",
    "CRDS_SERVER_FILES",
    "CRDS_CRON",
];

#[test]
fn s350_switch_stack() -> StepResult {
    known_state::step(&S350_SWITCH_STACK, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let mut tally = Tally::default();
        let Some(stack) = s.plan().stack.clone() else { return nothing_declared(s, &ops) };
        let fresh = s.fact_of(s.spec().id, "before").is_none();
        let old = old_text(s, &ops)?;
        if fresh && !s.again() {
            // What somebody has edited there would be committed with the switch.
            let file = format!("{}/host/dot_setenv", ops.paths().server_sources);
            let branch = ops.svn_cat(&file, ops.svn_info(&file)?.last_changed)?;
            if branch != old.as_bytes() {
                let branch = String::from_utf8_lossy(&branch).into_owned();
                let own = old.lines().filter(|line| !branch.lines().any(|other| other == *line));
                let own: Vec<String> = own.map(|line| line.trim().to_owned()).collect();
                tally.fault("only_this_host", format!("dot_setenv of the checkout is edited: {}", shorten(&own)));
                tally.judge(s, "only_this_host", Role::Ops, ONLY)?;
                return Err(StepError::failed("nothing was changed", ONLY.next));
            }
        }
        let host = ops.expected().uname.clone();
        let new = match with_stack(&old, &host, &stack.from, &stack.to) {
            Ok(new) => new,
            Err(why) => {
                tally.fault("only_this_host", why);
                tally.judge(s, "only_this_host", Role::Ops, ONLY)?;
                return Err(StepError::failed("nothing was changed", ONLY.next));
            }
        };
        if !s.again() {
            stack_whole(s, &ops, &stack, &mut tally)?;
            if tally.has_fault("stack_whole") {
                tally.judge(s, "stack_whole", Role::Ops, WHOLE)?;
                return Err(StepError::failed("nothing was changed", WHOLE.next));
            }
        }
        if !s.again() {
            rc_of_a_branch(s, &ops, [&old, &new], &mut tally)?;
            if tally.has_fault("rc_equal") {
                tally.judge(s, "rc_equal", Role::Ops, EDITED)?;
                return Err(StepError::failed("nothing was changed", EDITED.next));
            }
        }
        let file = format!("{}/host/dot_setenv", ops.paths().server_sources);
        edit(s, &ops, &file, &old, &new)?;
        commit(s, &ops, &file, &stack)?;
        if let Err(error) = put_rc(s, &ops, &new) {
            tally.fault("rc_equal", error.text().to_owned());
            return tally.or_faults(s, Role::Ops, |_| EQUAL, Err(error));
        }
        read_back(s, &ops, &file, &old, &new, &stack, &mut tally)?;
        if !s.again() {
            tally.judge(s, "stack_whole", Role::Ops, WHOLE)?;
        }
        for (check, advice) in [
            ("only_this_host", ONLY),
            (
                "parses_for_all",
                Advice {
                    cause: "the edit broke the file: every login, cron job and script of the fleet depends on it",
                    next: "put the saved rc file back at once (evidence `dot_setenv before`)",
                },
            ),
            (
                "committed",
                Advice {
                    cause: "the commit failed or took more with it",
                    next: "svn status and svn log in the checkout; commit by hand what is meant",
                },
            ),
            ("rc_equal", EQUAL),
            (
                "clean_login",
                Advice {
                    cause: "something else sets the stack after the rc file",
                    next: "look at the other rc files of the account",
                },
            ),
        ] {
            tally.judge(s, check, Role::Ops, advice)?;
        }
        Ok(())
    })
}

const WHOLE: Advice = Advice {
    cause: "the stack was not built, or not for this platform",
    next: "build it (build_stack), then run again; the server still runs on the old one",
};
const EQUAL: Advice = Advice {
    cause: "the copy failed (the directory is not writable, no space) or somebody edits the file",
    next: "see that logins still work; copy host/dot_setenv to the rc file, then run again",
};
const EDITED: Advice = Advice {
    cause: "somebody edited the rc file by hand: copying the branch's over it would undo that",
    next: "commit to host/dot_setenv on the branch what is meant (the approval moves), or put the branch's text back",
};
const ONLY: Advice = Advice {
    cause: "the file is not what the plan expects: another stack stands there, or hosts share a case",
    next: "compare dot_setenv with the plan's `stack`",
};

/// The text before this step, kept as evidence because it is the way back.
fn old_text(s: &Step, ops: &Server) -> Result<String, StepError> {
    if let Some(text) = s.fact_of(s.spec().id, "before").and_then(|text| text.as_str().map(str::to_owned)) {
        return Ok(text);
    }
    let bytes = ops.remote().read_file(&format!("{}/host/dot_setenv", ops.paths().server_sources), 1 << 20)?;
    s.evidence("dot_setenv before", &bytes)?;
    let text = String::from_utf8(bytes)?;
    s.fact("before", text.as_str())?;
    Ok(text)
}

fn stack_whole(s: &Step, ops: &Server, stack: &StackSwitch, tally: &mut Tally) -> Result<(), StepError> {
    let check = "stack_whole";
    let root = format!("{}/{}", ops.paths().stacks, stack.to);
    for file in ["bin/python", "lib/apache/mod_wsgi.so"] {
        match ops.remote().stat(&format!("{root}/{file}"))? {
            None => tally.fault(check, format!("{root}/{file} is not there")),
            Some(entry) => tally.hold(check, entry.size > 0, format!("{file}: {} bytes", entry.size)),
        }
    }
    let module = ops.remote().read_file(&format!("{root}/lib/apache/mod_wsgi.so"), 64 << 20).unwrap_or_default();
    tally.hold(check, module.starts_with(b"\x7fELF"), "mod_wsgi.so is a shared object".to_owned());
    let python = ops.remote().look(&[&format!("{root}/bin/python"), "--version"], crds_upgrade::host::Limit::QUICK)?;
    let version = format!("{}{}", python.text(), python.error_text());
    tally.hold(check, version.trim().starts_with("Python "), version.trim().to_owned());
    tally.evidence(check, &s.evidence("python --version of the new stack", version.as_bytes())?);
    // Nobody builds while the server is away: the stack is the one that preflight saw, file by file.
    let Some(before) = state::kept_of(s, "s010_ops", &["files:stacks"])? else { return Ok(()) };
    let changed = state::changed(ops, &Scope::nothing().with_files(&["stacks"]), &before, |_| false)?;
    for line in state::lines(&changed) {
        tally.fault(check, format!("since preflight: {line}"));
    }
    Ok(())
}

/// Copying the branch's text over a rc file of nobody's branch would lose what is only there.
fn rc_of_a_branch(s: &Step, ops: &Server, known: [&str; 2], tally: &mut Tally) -> Result<(), StepError> {
    let check = "rc_equal";
    let live = ops.rc_file()?;
    tally.evidence(check, &s.evidence("rc file before", live.as_bytes())?);
    match rc_file::hand_edit(s, ops, &live, &known)? {
        None => tally.proof(check, "before, the rc file was what a branch says".to_owned()),
        Some(edit) => tally.fault(check, edit),
    }
    Ok(())
}

fn edit(s: &Step, ops: &Server, file: &str, old: &str, new: &str) -> Result<(), StepError> {
    let look = || {
        let text = String::from_utf8_lossy(&ops.remote().read_file(file, 1 << 20)?).into_owned();
        Ok(if text == new {
            Found::Done
        } else if text == old {
            Found::NotDone
        } else {
            Found::Half("dot_setenv in the checkout is neither the old nor the new text".to_owned())
        })
    };
    s.act("edit", Role::Ops, Change::Stack, look, |permit| {
        Ok(ops.remote().write_file(permit, Change::Stack, file, new.as_bytes(), 0o644).map(drop)?)
    })
}

fn commit(s: &Step, ops: &Server, file: &str, stack: &StackSwitch) -> Result<(), StepError> {
    let directory = ops.paths().server_sources.clone();
    let before = match s.fact_of(s.spec().id, "head").and_then(|head| head.as_u64()) {
        Some(head) => head,
        None => {
            let head = ops.svn_info(&ops.svn_info(&directory)?.url)?.last_changed;
            s.fact("head", head)?;
            head
        }
    };
    let look = || {
        let dirty = ops
            .svn_status(&directory)?
            .into_iter()
            .any(|line| line.path.ends_with("host/dot_setenv") && line.letters != "?");
        let head = ops.svn_info(&ops.svn_info(&directory)?.url)?.last_changed;
        Ok(match (dirty, head > before) {
            (true, false) => Found::NotDone,
            (false, true) => Found::Done,
            (true, true) => Found::Half(format!("the branch moved to r{head} while dot_setenv is still uncommitted")),
            (false, false) => Found::Half("dot_setenv is clean although nothing was committed".to_owned()),
        })
    };
    let message = format!("Switch the stack of {} from {} to {}", ops.expected().uname, stack.from, stack.to);
    s.act("commit", Role::Ops, Change::Stack, look, |permit| {
        Ok(ops.svn_commit(permit, Change::Stack, file, &message).map(drop)?)
    })?;
    // A commit leaves the checkout mixed: only the committed file is at the new revision, and an install would stamp
    // `1765:1771` where a bare number is wanted (SO 13).
    let mixed = || Ok(if ops.svnversion(&directory)?.contains(':') { Found::NotDone } else { Found::Done });
    s.act("update", Role::Ops, Change::Switch, mixed, |permit| {
        let url = ops.svn_info(&directory)?.url;
        Ok(ops.svn_switch(permit, &directory, &url).map(drop)?)
    })?;
    if s.fact_of(s.spec().id, "revision").is_none() {
        let head = ops.svn_info(&ops.svn_info(&directory)?.url)?.last_changed;
        s.fact("revision", head)?;
    }
    Ok(())
}

fn put_rc(s: &Step, ops: &Server, new: &str) -> Result<(), StepError> {
    let look = || Ok(if ops.rc_file()? == new { Found::Done } else { Found::NotDone });
    s.act("rc_file", Role::Ops, Change::Stack, look, |permit| Ok(ops.put_rc_file(permit).map(drop)?))
}

fn read_back(
    s: &Step,
    ops: &Server,
    file: &str,
    old: &str,
    new: &str,
    stack: &StackSwitch,
    tally: &mut Tally,
) -> Result<(), StepError> {
    let host = &ops.expected().uname;
    let text = String::from_utf8_lossy(&ops.remote().read_file(file, 1 << 20)?).into_owned();
    let changed: Vec<String> = old
        .lines()
        .zip(text.lines())
        .filter(|(before, after)| before != after)
        .map(|(_, after)| after.trim().to_owned())
        .collect();
    let same_length = old.lines().count() == text.lines().count();
    tally.hold("only_this_host", changed.len() == 1 && same_length, format!("changed lines: {}", shorten(&changed)));
    let cases = rc_cases(&text);
    for case in &cases {
        let (printed, variables) = ops.login_as(&case.host, &ops.paths().setenv)?;
        let missing: Vec<String> = VARIABLES
            .iter()
            .filter(|name| !variables.iter().any(|(known, value)| known == *name && !value.is_empty()))
            .map(|name| (*name).to_owned())
            .collect();
        if !printed.trim().is_empty() {
            tally.fault("parses_for_all", format!("a login as {} prints `{}`", case.host, printed.trim()));
        }
        if !missing.is_empty() {
            tally.fault("parses_for_all", format!("a login as {} lacks {}", case.host, shorten(&missing)));
        }
        let stacks: Vec<&str> =
            variables.iter().filter(|(name, _)| name == "CRDS_STACK").map(|(_, value)| value.as_str()).collect();
        let wanted = rc_cases(old).into_iter().find(|before| before.host == case.host).map(|before| before.stack);
        let wanted = if case.host == *host { Some(stack.to.clone()) } else { wanted };
        let right = stacks.iter().all(|value| value.rsplit('/').next() == wanted.as_deref()) && !stacks.is_empty();
        tally.hold("clean_login", right, format!("{}: {}", case.host, stacks.join(" ")));
    }
    tally.proof("parses_for_all", format!("{} fleet names log in silently", cases.len()));
    let revision = s.need_fact(s.spec().id, "revision")?.as_u64().unwrap_or(0);
    let head = s.need_fact(s.spec().id, "head")?.as_u64().unwrap_or(0);
    let directory = &ops.paths().server_sources;
    let log = ops.svn_log(&ops.svn_info(directory)?.url, head + 1, revision)?;
    tally.evidence("committed", &s.evidence("svn log of the commit", log.as_bytes())?);
    let paths: Vec<&str> = log
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("M /") || line.starts_with("A /") || line.starts_with("D /"))
        .collect();
    let one = paths.len() == 1 && paths[0].ends_with("/host/dot_setenv");
    if !s.again() {
        // The approval moved to this commit: whatever came after it was reviewed by nobody.
        let now = ops.svn_info(&ops.svn_info(directory)?.url)?;
        let told = format!("the branch stands at r{} by {}, the commit was r{revision}", now.last_changed, now.author);
        tally.hold("committed", now.last_changed == revision, told);
    }
    tally.hold("committed", one && revision > head, format!("r{revision}: {}", paths.join(", ")));
    let dirty: Vec<String> = ops
        .svn_status(directory)?
        .into_iter()
        .filter(|line| line.letters != "?" && !line.path.contains("sources/configs/config"))
        .map(|line| line.path)
        .collect();
    tally.hold(
        "committed",
        dirty.is_empty(),
        if dirty.is_empty() { "the checkout is clean but for the port flag".to_owned() } else { shorten(&dirty) },
    );
    tally.hold("rc_equal", ops.rc_file()? == new, "rc file and checkout".to_owned());
    let mode = ops.remote().stat(&ops.paths().setenv)?.map_or(0, |entry| entry.mode & 0o7777);
    tally.hold("rc_equal", mode & 0o022 == 0, format!("the rc file has mode {mode:04o}"));
    // Cron's jobs read another file after the rc file, and every csh its aliases.
    for name in ["cronenv.csh", ".alias"] {
        let path = format!("{}/{name}", ops.paths().home);
        let text = ops.remote().read_if_there(&path, 1 << 20)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        for line in text.lines().map(str::trim).filter(|line| line.starts_with("set") && line.contains("CRDS_STACK")) {
            tally.fault("clean_login", format!("{path} sets the stack once more: `{line}`"));
        }
    }
    let login = ops.stack()?.login;
    tally.hold("clean_login", login == stack.to, format!("a clean login on this host has {login}"));
    Ok(())
}

/// A plan without a switch: nothing of the kind may have happened.
fn nothing_declared(s: &Step, ops: &Server) -> Result<(), StepError> {
    let before = s.need_fact("s010_preflight", "stack")?;
    let before = before.as_str().unwrap_or_default();
    let seen = ops.stack()?;
    let same = seen.login == before && seen.env_csh == [before.to_owned()] && seen.module == before;
    for spec in s.spec().own_checks() {
        s.check(spec.id)
            .on(Role::Ops)
            .expected(format!("the plan switches no stack: login, env.csh and mod_wsgi.so name `{before}` as before"))
            .observed(format!("login {}, env.csh {:?}, module {}", seen.login, seen.env_csh, seen.module))
            .cause("somebody switched the stack")
            .next_move("compare dot_setenv with the branch")
            .judge(same)?;
    }
    Ok(())
}
