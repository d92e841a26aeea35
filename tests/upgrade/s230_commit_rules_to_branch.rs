//! Step 230: commit the rules to a branch.
//!
//! Procedure: "Commit config and mappings to an svn branch."
//! Method: the archived files, and nothing else, are imported to the plan's branch; the revision's tree is compared with
//! the archive byte for byte, and the repository must have no other new commit.
//! Way back: `svn rm` of the branch in a further commit.

use std::collections::BTreeMap;

use crds_upgrade::plan::{Change, Role};
use crds_upgrade::run::{Found, Step, StepError, StepResult};
use crds_upgrade::steps::S230_COMMIT_RULES_TO_BRANCH;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::common::known_state;
use crate::common::tally::{Advice, Tally, shorten};
use crate::s220_backup_ops_rules::{archive_path, read};

/// When `svn log` says that a revision was made, in seconds since 1970.
fn date_of(log: &str, revision: u64) -> Option<f64> {
    let head = format!("r{revision} | ");
    let date = log.lines().find_map(|line| line.strip_prefix(&head))?.split(" | ").nth(1)?;
    let stamp = jiff::Zoned::strptime("%Y-%m-%d %H:%M:%S %z", date.get(..25)?).ok()?.timestamp();
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    Some(stamp.as_second() as f64)
}

#[test]
fn s230_commit_rules_to_branch() -> StepResult {
    known_state::step(&S230_COMMIT_RULES_TO_BRANCH, |s| {
        let ops = s.hosts().server(Role::Ops)?;
        let Some(branch) = s.plan().rules_branch.clone() else { return nothing_declared(s) };
        let base = s.site().repositories.get(&branch.repository).cloned().ok_or_else(|| {
            StepError::failed(
                format!("the site names no repository `{}`", branch.repository),
                "add it to [repositories]",
            )
        })?;
        let base = base.trim_end_matches('/').to_owned();
        let url = format!("{base}/{}", branch.path);
        let head = match s.fact_of(s.spec().id, "head").and_then(|head| head.as_u64()) {
            Some(head) => head,
            None => {
                let there = ops.svn_info_if_there(&url)?.map(|there| there.last_changed);
                s.fact("existed_since", json!(there))?;
                let head = ops.svn_info(&base)?.revision;
                s.fact("head", head)?;
                head
            }
        };
        if let Some(since) = s.fact_of(s.spec().id, "existed_since").and_then(|since| since.as_u64()) {
            s.check("revision_exists")
                .on(Role::Ops)
                .expected(format!("no {} before this commit", branch.path))
                .observed(format!("the branch exists since r{since}"))
                .cause("an upgrade of another run, or somebody, committed rules under the plan's name")
                .next_move("look at svn log; remove the branch in a further commit or name another in the plan")
                .require(false)?;
        }
        let members = read(&archive_path(s))?;
        let files: Vec<String> = members.keys().cloned().collect();
        let look = || {
            Ok(match ops.svn_info_if_there(&url)? {
                None => Found::NotDone,
                Some(there) if there.last_changed > head => Found::Done,
                Some(there) => Found::Half(format!("the branch exists since r{}, before this run", there.last_changed)),
            })
        };
        s.act("import", Role::Ops, Change::RulesBranch, look, |permit| {
            Ok(ops.svn_import(permit, &ops.paths().cache, &files, &url, &branch.message).map(drop)?)
        })?;
        let mut tally = Tally::default();
        let there = ops.svn_info(&url)?;
        // Also what came after the own commit: the head is what the next checkout gets.
        let newest = ops.svn_info(&base)?.revision;
        let log = ops.svn_log(&base, head + 1, newest.max(head + 1))?;
        let kept = s.evidence("svn log since before the commit", log.as_bytes())?;
        for check in ["revision_exists", "nothing_else_committed"] {
            tally.evidence(check, &kept);
        }
        tally.hold(
            "revision_exists",
            log.contains(&branch.message),
            format!("r{} by {}", there.last_changed, there.author),
        );
        // Whoever asks the repository for the rules of a day gets those of the commit's date.
        let (now, dated) = (ops.now()?, date_of(&log, there.last_changed));
        if !s.again() {
            let near = dated.is_some_and(|dated| (now - dated).abs() < 3600.0);
            let said = dated.and_then(|dated| ops.local(dated).ok());
            let said = said.map_or_else(|| "without a date".to_owned(), |said| said.datetime().to_string());
            tally.hold("revision_exists", near, format!("r{} is dated {said}", there.last_changed));
        }
        let account = &ops.expected().account;
        tally.hold(
            "revision_exists",
            &there.author == account,
            format!("committed by {}, the account is {account}", there.author),
        );
        let wanted: BTreeMap<String, String> =
            members.iter().map(|(name, bytes)| (name.clone(), sha256(bytes))).collect();
        let tree = ops.svn_hashes(&url, there.revision)?;
        let differ: Vec<String> = wanted
            .iter()
            .filter(|(name, hash)| tree.get(*name) != Some(hash))
            .map(|(name, _)| name.clone())
            .chain(tree.keys().filter(|name| !wanted.contains_key(*name)).cloned())
            .collect();
        tally.hold(
            "tree_equals_closure",
            differ.is_empty() && !tree.is_empty(),
            if differ.is_empty() { format!("{} files", tree.len()) } else { shorten(&differ) },
        );
        let revisions = log.lines().filter(|line| line.starts_with('r') && line.contains(" | ")).count();
        let outside: Vec<String> = log
            .lines()
            .map(str::trim)
            .filter(|line| ["A /", "M /", "D /", "R /"].iter().any(|mark| line.starts_with(mark)))
            .filter(|line| !line[2..].trim_start_matches('/').contains(branch.path.as_str()))
            .filter(|line| !branch.path.starts_with(line[2..].trim_start_matches('/')))
            .map(str::to_owned)
            .collect();
        // The release branch of the same repository may be committed to by step 350 later in the run.
        let alone = revisions == 1 || s.again();
        tally.hold(
            "nothing_else_committed",
            alone && (outside.is_empty() || s.again()),
            format!("{revisions} new revisions; outside the branch: {}", shorten(&outside)),
        );
        for (check, advice) in [
            (
                "revision_exists",
                Advice {
                    cause: "the commit failed, or another account made it",
                    next: "look at svn log; import by hand what is missing",
                },
            ),
            (
                "tree_equals_closure",
                Advice {
                    cause: "the cache changed between archive and commit, or the import broke off",
                    next: "remove the branch in a further commit, then run again",
                },
            ),
            (
                "nothing_else_committed",
                Advice {
                    cause: "somebody commits during the upgrade",
                    next: "look at svn log; approve or take back what was committed",
                },
            ),
        ] {
            tally.judge(s, check, Role::Ops, advice)?;
        }
        Ok(())
    })
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A plan without a branch of rules: no repository may have moved since the rules were archived.
fn nothing_declared(s: &Step) -> Result<(), StepError> {
    let ops = s.hosts().server(Role::Ops)?;
    let heads = s.need_fact("s220_backup_ops_rules", "repository_heads")?;
    let mut moved = Vec::new();
    for (name, base) in &s.site().repositories {
        let now = ops.svn_info(base.trim_end_matches('/'))?.revision;
        if heads.get(name).and_then(serde_json::Value::as_u64) != Some(now) {
            moved.push(format!("{name} is at r{now} now"));
        }
    }
    let seen = if moved.is_empty() { "no new revision".to_owned() } else { shorten(&moved) };
    for spec in s.spec().own_checks() {
        s.check(spec.id)
            .on(Role::Ops)
            .expected("the plan commits no rules: no repository moves")
            .observed(&seen)
            .cause("somebody commits during the upgrade")
            .next_move("look at svn log; approve or take back what was committed")
            .judge(moved.is_empty())?;
    }
    Ok(())
}
