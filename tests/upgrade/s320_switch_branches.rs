//! Step 320: switch to the release branch.
//!
//! Procedure: "Switch the CRDS and CRDS_server directories to the new release branch."
//! Method: make sure that both branches still stand where they were approved; switch both; read info, status, version and
//! the files themselves back, and the port flag, which a branch may carry as True.
//! Way back: switch back to the old branches.

use std::collections::{BTreeMap, BTreeSet};

use crds_upgrade::crds::{Flag, Server};
use crds_upgrade::host::Algorithm;
use crds_upgrade::plan::{Change, PackageTarget, Role};
use crds_upgrade::run::{Found, Step, StepError, StepResult};
use crds_upgrade::steps::S320_SWITCH_BRANCHES;

use crate::common::checkout;
use crate::common::known_state;
use crate::common::tally::{Advice, Tally, shorten};

/// One checkout, and where it is to go.
struct Package<'a> {
    name: &'static str,
    directory: String,
    to: &'a PackageTarget,
    url: String,
    from_url: String,
}

#[test]
fn s320_switch_branches() -> StepResult {
    known_state::step(&S320_SWITCH_BRANCHES, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let plan = s.plan().clone();
        let approved: BTreeMap<String, u64> = serde_json::from_value(s.need_fact("s010_preflight", "approved")?)?;
        let base = |name: &str| -> Result<String, StepError> {
            let url = s.site().repositories.get(name).ok_or_else(|| {
                StepError::failed(format!("the site names no repository of `{name}`"), "add it to [repositories]")
            })?;
            Ok(url.trim_end_matches('/').to_owned())
        };
        let paths = ops.paths();
        let packages = [
            ("crds", paths.client_sources.clone(), &plan.to.crds, &plan.from.crds),
            ("crds_server", paths.server_sources.clone(), &plan.to.crds_server, &plan.from.crds_server),
        ];
        let mut all = Vec::new();
        for (name, directory, to, from) in packages {
            let base = base(name)?;
            all.push(Package {
                name,
                directory,
                to,
                url: format!("{base}/{}", to.branch),
                from_url: format!("{base}/{}", from.branch),
            });
        }
        let mut tally = Tally::default();
        if !s.again() {
            for package in &all {
                let head = ops.svn_info(&package.url)?.last_changed;
                let wanted = approved.get(package.name).copied().unwrap_or(0);
                tally.hold(
                    "branch_as_approved",
                    head == wanted,
                    format!("{}: last change r{head}, approved r{wanted}", package.to.branch),
                );
            }
            if tally.has_fault("branch_as_approved") {
                tally.judge(s, "branch_as_approved", Role::Ops, MOVED)?;
                return Err(StepError::failed("nothing was switched", MOVED.next));
            }
        }
        if !s.again() {
            for package in &all {
                let checkout = ops.svn_info(&package.directory)?;
                let there = ops.svn_info(&package.url)?;
                if checkout.uuid != there.uuid {
                    let name = package.name;
                    tally.fault(
                        "both_switched",
                        format!("{name} is of the repository with UUID {}, {} answers", checkout.uuid, there.uuid),
                    );
                }
                let here = checkout.url;
                if here != package.url && here != package.from_url {
                    tally.fault(
                        "both_switched",
                        format!("{} is on {here}, neither the old nor the new branch", package.name),
                    );
                }
            }
            if tally.has_fault("both_switched") {
                tally.judge(s, "both_switched", Role::Ops, SWITCHED)?;
                return Err(StepError::failed("nothing was switched", SWITCHED.next));
            }
        }
        for package in &all {
            if let Err(error) = switch(s, &ops, package) {
                tally.fault("both_switched", error.text().to_owned());
                return tally.or_faults(s, Role::Ops, |_| SWITCHED, Err(error));
            }
        }
        for package in &all {
            read_back(s, &ops, package, &approved, &mut tally)?;
        }
        let flag = ops.flag()?;
        if !s.again() {
            tally.hold("flag_false", flag == Flag::False, format!("BACKUP_URL_SCHEME is {flag:?} on the branch"));
            tally.judge(s, "branch_as_approved", Role::Ops, MOVED)?;
            tally.judge(
                s,
                "flag_false",
                Role::Ops,
                Advice {
                    cause: "the flag was committed as True (it happened three times, SO 13)",
                    next: "have it committed as False on the branch, approve that commit, run again",
                },
            )?;
            tally.judge(
                s,
                "clean",
                Role::Ops,
                Advice {
                    cause: "a local edit survived the switch, or the switch broke off",
                    next: "svn diff; svn revert what is not meant; svn update",
                },
            )?;
            tally.judge(
                s,
                "contents_equal_branch",
                Role::Ops,
                Advice {
                    cause: "files were edited or left over by hand",
                    next: "svn status --no-ignore; svn revert -R",
                },
            )?;
        }
        tally.judge(s, "both_switched", Role::Ops, SWITCHED)?;
        tally.judge(
            s,
            "matching_pair",
            Role::Ops,
            Advice {
                cause: "client and server are not the approved pair (B092)",
                next: "compare with the plan's `to`; switch to the approved revisions",
            },
        )?;
        Ok(())
    })
}

const SWITCHED: Advice = Advice {
    cause: "one checkout was not switched (locked, not writable), or stood on another branch: somebody works in it",
    next: "svn info in both directories; bring both to the old branch, then run again",
};
const MOVED: Advice = Advice {
    cause: "somebody committed to the release branch after it was approved",
    next: "look at `svn log`; approve the new head (`crds-upgrade approve`) or have the commit taken back",
};

fn switch(s: &Step, ops: &Server, package: &Package<'_>) -> Result<(), StepError> {
    let look = || {
        let here = ops.svn_info(&package.directory)?;
        Ok(if here.url == package.url {
            Found::Done
        } else if here.url == package.from_url {
            Found::NotDone
        } else {
            Found::Half(format!("{} is on {}", package.name, here.url))
        })
    };
    s.act(&format!("switch-{}", package.name), Role::Ops, Change::Switch, look, |permit| {
        Ok(ops.svn_switch(permit, &package.directory, &package.url).map(drop)?)
    })
}

fn read_back(
    s: &Step,
    ops: &Server,
    package: &Package<'_>,
    approved: &BTreeMap<String, u64>,
    tally: &mut Tally,
) -> Result<(), StepError> {
    let name = package.name;
    let here = ops.svn_info(&package.directory)?;
    let wanted = approved.get(name).copied().unwrap_or(0);
    // Step 350 commits the stack's switch to the server branch: a declared change.
    let declared = s.fact_of("s350_switch_stack", "revision").and_then(|revision| revision.as_u64());
    let right = here.last_changed == wanted || (name == "crds_server" && declared == Some(here.last_changed));
    tally.hold("both_switched", here.url == package.url, format!("{name}: {}", here.url));
    tally.hold("matching_pair", right, format!("{name}: last change r{}, approved r{wanted}", here.last_changed));
    if s.again() {
        return Ok(());
    }
    let dirty: Vec<String> = ops
        .svn_status(&package.directory)?
        .into_iter()
        .filter(|line| line.letters != "?")
        .map(|line| format!("{name}: {} {}", line.letters, line.path))
        .collect();
    let stray = checkout::stray(ops, &package.directory)?;
    if !stray.is_empty() {
        tally.fault("clean", format!("{name}: {}", shorten(&stray)));
    }
    let version = ops.svnversion(&package.directory)?;
    let whole = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    if !whole {
        tally.fault("clean", format!("{name}: svnversion says {version}"));
    }
    tally.hold(
        "clean",
        dirty.is_empty(),
        if dirty.is_empty() { format!("{name}: {version}, no local change") } else { shorten(&dirty) },
    );
    let branch = ops.svn_hashes(&package.url, here.revision)?;
    let files = ops.remote().hash_tree_without(&package.directory, Algorithm::Sha256, ".svn")?;
    let wrong: Vec<String> = branch
        .iter()
        .filter(|(path, hash)| files.get(*path) != Some(hash))
        .map(|(path, _)| format!("{name}/{path}"))
        .collect();
    // A script that lost its execute bit is clean to `svn status`, and called by cron or an installation some day.
    let may: BTreeSet<String> = ops
        .remote()
        .list(&package.directory, None)?
        .into_iter()
        .filter(|entry| entry.mode & 0o100 != 0)
        .map(|entry| entry.path)
        .collect();
    for path in ops.svn_executables(&package.url, here.revision)?.iter().filter(|path| !may.contains(*path)) {
        tally.fault("contents_equal_branch", format!("{name}/{path} cannot be executed any more"));
    }
    tally.hold(
        "contents_equal_branch",
        wrong.is_empty() && !branch.is_empty(),
        if wrong.is_empty() { format!("{name}: {} files", branch.len()) } else { shorten(&wrong) },
    );
    Ok(())
}
