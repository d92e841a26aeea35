//! What stored result pages hold: the `blob` of a result row, written by the operations, shown by the pages (WP 3.6).

use serde::{Deserialize, Serialize};

/// One stored page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "page", rename_all = "snake_case")]
pub enum Stored {
    /// A submission that waits for its confirmation, or waited once.
    Ready(Ready),
    /// The page after confirming or forcing.
    Confirmed(Confirmed),
    /// The page after cancelling.
    Cancelled(Cancelled),
    /// Create contexts, and 2014's delete and add, which are done at once.
    Done(Done),
    /// Certification without a submission.
    Certified(Certified),
}

/// Which page a submission came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Submission {
    /// `/submit/mapping/`.
    Mapping,
    /// `/submit/reference/`.
    Reference,
    /// `/batch_submit_references/`.
    Batch,
    /// `/delete/reference/`.
    Delete,
    /// `/add_existing/reference/`.
    Add,
    /// `/create_contexts/`.
    Contexts,
}

impl Submission {
    /// Action of the audit log and kind of the result row (WP 4.4).
    pub fn action(self) -> &'static str {
        match self {
            Self::Mapping | Self::Reference => "submit file",
            Self::Batch => "batch submit",
            Self::Delete => "delete references",
            Self::Add => "add references",
            Self::Contexts => "new context",
        }
    }

    /// Where the next submission of the kind begins.
    pub fn more(self) -> &'static str {
        match self {
            Self::Mapping => "/submit/mapping/",
            Self::Reference => "/submit/reference/",
            Self::Batch => "/batch_submit_references/",
            Self::Delete => "/delete/reference/",
            // The old site's own slip: there is no such address (WP 3.6).
            Self::Add => "/add/reference/",
            Self::Contexts => "/create_contexts/",
        }
    }
}

/// How a file fared in certification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertifiedFile {
    /// Name as uploaded, or of the old rmap.
    pub file: String,
    /// New name; empty if there is none.
    #[serde(default)]
    pub new_name: String,
    /// `OK`, `Warnings` or `Failed.`.
    pub status: String,
    /// Whole log lines, `CRDS - WARNING -  ...` or as 2014 writes them.
    pub lines: Vec<String>,
}

/// Two files of one parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collision {
    /// The new one.
    pub new: String,
    /// The other.
    pub other: String,
    /// Their parent.
    pub parent: String,
}

/// An old name and the name that came of it.
pub type Renamed = (String, String);

/// A submission on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Which page it came from.
    pub submission: Submission,
    /// The context it was made from; none for submissions without one.
    pub pmap: Option<String>,
    /// How that context was chosen (`pmap_edit`, ...).
    pub pmap_mode: String,
    /// Description of the form.
    pub description: String,
    /// Who submitted.
    pub submitter: String,
    /// Lock held by the submitter then, as it was named; empty for super users without one.
    pub lock_id: String,
    /// Its instrument.
    pub instrument: String,
    /// Uploads and the names they got.
    pub uploads: Vec<Renamed>,
    /// Rmaps and the rmaps made from them.
    pub rmaps: Vec<Renamed>,
    /// Rmaps that a confirmation puts into new contexts.
    pub context_rmaps: Vec<String>,
    /// Certification: uploads, then new rmaps.
    pub certified: Vec<CertifiedFile>,
    /// What [`super::differences`] gave for the new rmaps.
    #[serde(default)]
    pub differences: serde_json::Value,
    /// Collisions.
    pub collisions: Vec<Collision>,
    /// Deleted or added files.
    pub named: Vec<String>,
}

/// A submission that was confirmed or forced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// Which page it came from.
    pub submission: Submission,
    /// Context that the new ones were derived from; none for submissions without contexts.
    pub pmap: Option<String>,
    /// Context that was predicted.
    pub predicted: Option<String>,
    /// How that context was chosen.
    pub pmap_mode: String,
    /// Address path of the page that was confirmed, `/display_result/<id>`.
    pub ready_page: String,
    /// Uploads and their names.
    pub uploads: Vec<Renamed>,
    /// Deleted files.
    pub deleted: Vec<String>,
    /// Added files.
    pub added: Vec<String>,
    /// Submitted rmaps that were put into contexts.
    pub context_rmaps: Vec<String>,
    /// Every other new file: old name, new name.
    pub generated: Vec<Renamed>,
    /// Collisions of the new contexts.
    pub collisions: Vec<Collision>,
}

/// A submission that was cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {
    /// Which page it came from.
    pub submission: Submission,
    /// Why, as the page words it: `canceled`, in 2014 `cancelled by submitter` and the like.
    pub why: String,
    /// Address path of the page that was cancelled.
    pub ready_page: String,
}

/// Something that needed no confirmation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Which page it came from.
    pub submission: Submission,
    /// Starting context.
    pub pmap: String,
    /// Rmaps of create contexts, deleted or added references.
    pub named: Vec<String>,
    /// What was made: old name, new name.
    pub generated: Vec<Renamed>,
    /// Collisions.
    pub collisions: Vec<Collision>,
}

/// Certification alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certified {
    /// The files.
    pub certified: Vec<CertifiedFile>,
    /// File and the bad files found in it, or nothing where it could not be loaded; shown to super users.
    pub blacklist: Vec<(String, Option<Vec<String>>)>,
}
