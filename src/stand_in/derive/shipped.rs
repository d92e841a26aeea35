//! What the project ships for rehearsals: a small rules set, datasets, and the real client's recorded answers.
//!
//! The rules are of our own writing, with the names that the release story needs; what comes of the story on them, and
//! which datasets it affects, was recorded with the real client (`ci/record-affected`), never computed here.

/// The small rules set: every mapping below hst_0278 and hst_0279.
pub const MAPPINGS: [(&str, &str); 16] = [
    ("hst_0278.pmap", include_str!("../../../fixtures/rules/mappings/hst/hst_0278.pmap")),
    ("hst_0279.pmap", include_str!("../../../fixtures/rules/mappings/hst/hst_0279.pmap")),
    ("hst_acs_0256.imap", include_str!("../../../fixtures/rules/mappings/hst/hst_acs_0256.imap")),
    ("hst_acs_idctab_0250.rmap", include_str!("../../../fixtures/rules/mappings/hst/hst_acs_idctab_0250.rmap")),
    ("hst_acs_mdriztab_0250.rmap", include_str!("../../../fixtures/rules/mappings/hst/hst_acs_mdriztab_0250.rmap")),
    ("hst_acs_pfltfile_0250.rmap", include_str!("../../../fixtures/rules/mappings/hst/hst_acs_pfltfile_0250.rmap")),
    ("hst_cos_0256.imap", include_str!("../../../fixtures/rules/mappings/hst/hst_cos_0256.imap")),
    ("hst_cos_deadtab_0250.rmap", include_str!("../../../fixtures/rules/mappings/hst/hst_cos_deadtab_0250.rmap")),
    ("hst_wfc3_0260.imap", include_str!("../../../fixtures/rules/mappings/hst/hst_wfc3_0260.imap")),
    ("hst_wfc3_0261.imap", include_str!("../../../fixtures/rules/mappings/hst/hst_wfc3_0261.imap")),
    ("hst_wfc3_bpixtab_0250.rmap", include_str!("../../../fixtures/rules/mappings/hst/hst_wfc3_bpixtab_0250.rmap")),
    ("hst_wfc3_d2imfile_0250.rmap", include_str!("../../../fixtures/rules/mappings/hst/hst_wfc3_d2imfile_0250.rmap")),
    ("hst_wfc3_darkfile_0259.rmap", include_str!("../../../fixtures/rules/mappings/hst/hst_wfc3_darkfile_0259.rmap")),
    ("hst_wfc3_darkfile_0260.rmap", include_str!("../../../fixtures/rules/mappings/hst/hst_wfc3_darkfile_0260.rmap")),
    ("hst_wfc3_idctab_0250.rmap", include_str!("../../../fixtures/rules/mappings/hst/hst_wfc3_idctab_0250.rmap")),
    ("hst_wfc3_pfltfile_0250.rmap", include_str!("../../../fixtures/rules/mappings/hst/hst_wfc3_pfltfile_0250.rmap")),
];

/// The mapping that the story submits: the new empty type.
pub const SUBMITTED: (&str, &str) =
    ("hst_wfc3_npolfile_0250.rmap", include_str!("../../../fixtures/rules/submissions/hst_wfc3_npolfile_0250.rmap"));

/// What the real client makes of the story on these rules: lines `name<TAB>sha1`, `#` before a comment.
pub const OUTCOME: &str = include_str!("../../../fixtures/rules/outcome.tsv");

/// Headers of the archive's datasets, one JSON object a line (`{"id", "header"}`).
pub const DATASETS: &str = include_str!("../../../fixtures/datasets/hst.jsonl");

/// The real client's answers about affected datasets on these rules.
pub const AFFECTED_FIXTURE: &str = include_str!("../../../fixtures/affected/fixture.json");

/// The real client's answers about affected datasets on the public rules.
pub const AFFECTED_REAL: &str = include_str!("../../../fixtures/affected/real.json");

/// Name and checksum of each file of [`OUTCOME`].
pub fn outcome() -> Vec<(&'static str, &'static str)> {
    OUTCOME.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t')).collect()
}
