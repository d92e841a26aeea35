//! The plan of one upgrade (`plan.toml`) and the site it is carried out on (`site.toml`): reading and validating both.
//!
//! Both files are judged whole: [`PlanFile::load`] and [`Site::load`] return every problem at once, each with file,
//! line, the offending text and help. Nothing here reaches a host. Secrets are references ([`SecretRef`]); a value
//! is fetched only when a client logs in and stays in memory.

mod fit;
pub mod names;
mod outline;
mod problem;
mod read;
mod secret;
mod site;
mod site_read;
mod upgrade;
mod upgrade_read;

pub use fit::misfits;
pub use outline::{Outline, outline};
pub use problem::{LoadError, Problem, Problems};
pub use secret::{SecretError, SecretRef};
pub use site::{
    Access, Allow, Change, Credential, Era, Host, Identity, Layout, Role, SITE_SCHEMA, Site, SiteKind, Ssh, Waiting,
};
pub use upgrade::{
    AffectedLimits, Approved, ChangeLevel, ContextPlan, Deletion, DiskFloor, MarkBad, Mirror, Observatory, PLAN_SCHEMA,
    PackageTarget, Plan, PlanFile, Release, RulesBranch, SetContext, StackSwitch, Submission, SubmissionKind,
    TestBaseline, Thresholds, Waiver,
};

/// Largest plan or site file that is read, in bytes; beyond it the file is refused unread.
pub const MAX_FILE_BYTES: u64 = 1 << 20;
