//! `plan.toml`: one upgrade. Everything that differs between releases, observatories and nights is a value here.
//!
//! A plan may leave out any submission, the deletion, the stack switch, the context, the bad files and the mirrors;
//! the step then proves that nothing of that kind happened.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use jiff::civil::Date;
use serde::Serialize;

use super::Role;

/// The value of `schema` in every plan file this version reads.
pub const PLAN_SCHEMA: &str = "crds-upgrade/plan/1";

/// The telescope whose files a server serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Observatory {
    /// Hubble Space Telescope.
    Hst,
    /// James Webb Space Telescope.
    Jwst,
    /// Nancy Grace Roman Space Telescope.
    Roman,
}

impl Observatory {
    /// The word in files, names and requests.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hst => "hst",
            Self::Jwst => "jwst",
            Self::Roman => "roman",
        }
    }
}

impl fmt::Display for Observatory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A plan file that was read: the plan, where it came from and the digest that a run is bound to.
#[derive(Clone, Debug)]
pub struct PlanFile {
    /// What it says.
    pub plan: Plan,
    /// The file.
    pub source: PathBuf,
    /// BLAKE3 of its bytes, in hexadecimal. A run belongs to exactly one digest.
    pub digest: String,
}

/// One upgrade. Validated: see [`PlanFile::load`].
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// [`PLAN_SCHEMA`].
    pub schema: String,
    /// Name of the upgrade: letters, digits, `.`, `_`, `-`.
    pub id: String,
    /// One line for reports.
    pub title: String,
    /// The observatory of every server concerned.
    pub observatory: Observatory,
    /// What OPS runs before.
    pub from: Release,
    /// What OPS runs afterwards.
    pub to: Release,
    /// The stack switch; `None` = the stack must not change.
    pub stack: Option<StackSwitch>,
    /// Branch that receives config and mappings of OPS before anything is changed; `None` = none is made.
    pub rules_branch: Option<RulesBranch>,
    /// Mirrors in the order in which they are made.
    pub mirrors: Vec<Mirror>,
    /// Contexts before and after.
    pub contexts: ContextPlan,
    /// Submissions in the order in which they are made.
    pub submissions: Vec<Submission>,
    /// References that leave the rules.
    pub deletion: Option<Deletion>,
    /// The context that becomes operational.
    pub set_context: Option<SetContext>,
    /// Files to mark bad.
    pub mark_bad: Option<MarkBad>,
    /// What the computation of affected datasets may find.
    pub affected: AffectedLimits,
    /// What the nightly and hidden test runs must contain, by host.
    pub tests: BTreeMap<Role, TestBaseline>,
    /// Paths below the install root that s310 removes, and nothing else (SO 21). `lib/mod_wsgi.so` is the link, never `lib`.
    pub wipe: Vec<String>,
    /// Limits of space, time and size.
    pub thresholds: Thresholds,
    /// Accepted failures, each with an owner and an end.
    pub waivers: Vec<Waiver>,
}

/// A release of both packages and, before a switch, the stack it runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Release {
    /// The client package.
    pub crds: PackageTarget,
    /// The server package.
    pub crds_server: PackageTarget,
    /// What the client package calls itself in `get_server_info`, if the plan knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Branch and revision of one package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackageTarget {
    /// Path below the repository's base URL, such as `branches/opus_2014.3`; with layout 2019 a git branch.
    pub branch: String,
    /// The approved revision.
    pub revision: Approved,
}

/// Which revision of a branch was approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approved {
    /// That svn revision: the last change of the branch at or before it.
    Revision(u64),
    /// That git commit, in hexadecimal.
    Commit(String),
    /// Whatever the head is when s010 looks; it is recorded there and must not move afterwards.
    HeadAtApproval,
}

impl fmt::Display for Approved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revision(number) => write!(f, "r{number}"),
            Self::Commit(hash) => f.write_str(hash),
            Self::HeadAtApproval => f.write_str("head at approval"),
        }
    }
}

/// The stack that OPS leaves and the one it goes to: names of directories below `crds_stacks` (SO 4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StackSwitch {
    /// Name now, such as `crds_11`.
    pub from: String,
    /// Name afterwards.
    pub to: String,
}

/// Where config and mappings of OPS are committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RulesBranch {
    /// Repository by package: `crds` or `crds_server`.
    pub repository: String,
    /// Path below its base URL; must not exist before.
    pub path: String,
    /// Commit message.
    pub message: String,
}

/// One mirror.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mirror {
    /// Source.
    pub from: Role,
    /// Destination.
    pub to: Role,
    /// Time that must have passed since the mirror before it ended, in seconds.
    pub stagger_s: u64,
}

/// Contexts before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ContextPlan {
    /// Operational context of OPS when the upgrade begins.
    pub operational: String,
    /// Edit context of OPS when the upgrade begins; the first submission starts from it.
    pub edit: String,
}

/// What is submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SubmissionKind {
    /// Rules of our own making (`/submit/mapping/`), step s410.
    Mapping,
    /// References in a batch (`/batch_submit_references/`), step s420.
    References,
}

/// How much a change matters to pipelines (WP 3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ChangeLevel {
    /// Reprocess.
    Severe,
    /// Perhaps reprocess.
    Moderate,
    /// Do not reprocess.
    Trivial,
}

impl ChangeLevel {
    /// The word in the form.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Severe => "SEVERE",
            Self::Moderate => "MODERATE",
            Self::Trivial => "TRIVIAL",
        }
    }
}

/// One submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Submission {
    /// Name within the plan.
    pub id: String,
    /// What is submitted.
    pub kind: SubmissionKind,
    /// Names of the files, in the order in which they are uploaded.
    pub files: Vec<String>,
    /// Instrument whose lock the login takes.
    pub instrument: String,
    /// Context that it starts from; must be the edit context then.
    pub base: String,
    /// Context that comes of it; `None` = a mapping submission without contexts.
    pub expect: Option<String>,
    /// Names of all rules that come of it besides the pmap, in any order.
    pub expect_rules: Vec<String>,
    /// Whether the server makes new contexts (mapping submissions).
    pub generate_contexts: bool,
    /// Whether the server chooses the names.
    pub auto_rename: bool,
    /// Whether references are compared with the ones they replace.
    pub compare_old: bool,
    /// Severity.
    pub change_level: ChangeLevel,
    /// Who made the files.
    pub creator: String,
    /// Why.
    pub description: String,
    /// Account of the site's `[credentials]`.
    pub credential: String,
}

/// References that leave the rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deletion {
    /// Names.
    pub files: Vec<String>,
    /// Instrument whose lock the login takes.
    pub instrument: String,
    /// Context that it starts from.
    pub base: String,
    /// Context that comes of it.
    pub expect: String,
    /// Names of all rules that come of it besides the pmap.
    pub expect_rules: Vec<String>,
    /// Why.
    pub description: String,
    /// Account of the site's `[credentials]`; a super user in era 2014.
    pub credential: String,
}

/// The context that becomes operational.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetContext {
    /// Its name.
    pub context: String,
    /// Why; goes into the history.
    pub description: String,
    /// Account of the site's `[credentials]`.
    pub credential: String,
    /// How long s440 waits for the archive to take this plan's deliveries, in seconds.
    pub archive_wait_s: u64,
}

/// Files to mark bad.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MarkBad {
    /// Names.
    pub files: Vec<String>,
    /// Why.
    pub why: String,
    /// Account of the site's `[credentials]`.
    pub credential: String,
}

/// What the computation of affected datasets may find.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AffectedLimits {
    /// Least number of datasets; fewer is a failure.
    pub at_least: Option<u64>,
    /// Greatest number of datasets; more stops before the context is set.
    pub at_most: Option<u64>,
    /// Types that may be affected, by instrument; empty = not limited.
    pub types: BTreeMap<String, Vec<String>>,
    /// Whether the date cut of the server's job is expected to lose datasets that do change.
    pub date_cut_loses: bool,
}

/// What a test run must contain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TestBaseline {
    /// Least number of tests run.
    pub at_least: u64,
    /// Names of tests (`Class.method`) that must all have run; empty = only their number counts.
    pub names: Vec<String>,
    /// Tests that were skipped when the baseline was taken; others may not be.
    pub skipped: Vec<String>,
    /// Longest duration, in seconds.
    pub longest_s: Option<u64>,
}

/// Least free space of one file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DiskFloor {
    /// Path on the host.
    pub path: String,
    /// Least free share, in per cent.
    pub free_percent: u8,
}

/// Limits of space, time and size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Thresholds {
    /// Longest time that OPS may be away, in seconds.
    pub offline_window_s: u64,
    /// Least free space by file system.
    pub disk: Vec<DiskFloor>,
    /// Greatest change of a dump's size from one night to the next, in per cent.
    pub dump_change_percent: u8,
    /// Latest hour after 03:05 at which the nightly backup may be dated, in hours.
    pub backup_within_h: u8,
    /// Longest lag of the proxy, in seconds.
    pub proxy_lag_s: u64,
    /// Longest wait for a server to answer after a start, in seconds.
    pub start_s: u64,
    /// Longest test run, in seconds.
    pub tests_s: u64,
    /// Longest submission or confirmation, in seconds.
    pub submission_s: u64,
    /// Longest computation of affected datasets, in seconds.
    pub affected_s: u64,
    /// Greatest difference between the suite's clock and a host's, in seconds.
    pub clock_skew_s: u64,
    /// Least remaining life of a certificate, in days.
    pub certificate_days: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            offline_window_s: 12 * 3600,
            disk: Vec::new(),
            dump_change_percent: 10,
            backup_within_h: 3,
            proxy_lag_s: 90,
            start_s: 120,
            tests_s: 3600,
            submission_s: 3600,
            affected_s: 8 * 3600,
            clock_skew_s: 60,
            certificate_days: 14,
        }
    }
}

/// An accepted failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiver {
    /// Which check of test results, such as `s110.no_new_failure`.
    pub check: String,
    /// What in it: a test's name, a log line's pattern.
    pub what: String,
    /// Who answers for it.
    pub owner: String,
    /// Last day on which it counts.
    pub until: Date,
    /// Why it is acceptable.
    pub reason: String,
}

impl Plan {
    /// Every pmap that the plan's submissions and deletion yield, in order; the start first.
    pub fn context_chain(&self) -> Vec<&str> {
        let mut chain = vec![self.contexts.edit.as_str()];
        chain.extend(self.submissions.iter().filter_map(|submission| submission.expect.as_deref()));
        chain.extend(self.deletion.iter().map(|deletion| deletion.expect.as_str()));
        chain
    }

    /// The submissions of one kind, in order.
    pub fn submissions_of(&self, kind: SubmissionKind) -> impl Iterator<Item = &Submission> {
        self.submissions.iter().filter(move |submission| submission.kind == kind)
    }
}
